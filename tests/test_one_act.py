"""One receipt is credited once over all sources, accounts, links, years and threads.

    check_once(stage)     the grams of all closes are those of one act, by books and by holders

The control takes the tags away: the same receipts under random ones are credited twice, and
check_once says so.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.rules import world_under
from tests.test_attack_vault import lose_answers
from tests.world import EAST, FEB, JAN, MAR, TRAVEL, WEST, Person, World
from vault.books import ActBook
from vault.compose import Booking
from vault.errors import BadShape, Unreachable
from vault.methodology.quantify import Act
from vault.methodology.release import load_release
from vault.months import DEFAULT_ZONE, Month, month_begins, months_from
from vault.source import Source
from vault.tags import tag_of

DEMO = load_release("demo-1")
RECEIPT = "TX-9f83c1d2e4a56b70"
GRAMS = 974  # of 20 km
THREADS = 8
WAIT = 60
DEC, JAN_2027 = Month("2026-12"), Month("2027-01")
SPACE = [f"R-{n:04d}" for n in range(10_000)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_under(DEMO, monkeypatch) as world:
        world.allow_booking_for(WEST, EAST)
        yield world


class Seat(NamedTuple):
    """One customer in one source's books."""

    source: Source
    person: Person


@dataclass
class Stage:
    """Everybody who may bring the receipt."""

    world: World
    seats: list[Seat] = field(default_factory=list)

    def add(self, person: Person, name: str) -> Seat:
        seat = Seat(self.world.sources[name], person)
        self.seats.append(seat)
        return seat

    @property
    def sources(self) -> list[Source]:
        return list({id(seat.source): seat.source for seat in self.seats}.values())

    @property
    def people(self) -> list[Person]:
        return list({id(seat.person): seat.person for seat in self.seats}.values())

    def close_month(self, month: Month, following: Month) -> None:
        for source in self.sources:
            source.send_batches()
        self.world.move(following)
        for source in self.sources:
            source.directory = self.world.directory()
            source.close(month)


def ride(world: World, start: int | None = None, guessable: bool = False) -> Booking:
    """East's act of 20 km under the one receipt."""
    begins = world.time if start is None else start
    act = Act("travel.bike", {"m": 20_000, "s": 4_000}, begins, begins + 4_000, "CN-ZJ-HZ")
    return Booking(act, RECEIPT, EAST, guessable=guessable)


def book(seat: Seat, booking: Booking) -> str:
    return seat.source.book(seat.person.name, [booking])[0].outcome


def booked(stage: Stage) -> list[ActBook]:
    """The act, in each of the books that hold it."""
    return [
        act
        for seat in stage.seats
        for act in seat.source.acts(seat.person.name)
        if act.receipt == RECEIPT
    ]


def check_once(stage: Stage, books: int) -> None:
    """Return when the act is credited exactly once.

    1. over all closes of all sources. 2. over all closes as their holders recompute them. 3. of so
    many books that hold the act one counts it, the others show that they do not.
    """
    closes = [close for source in stage.sources for close in source.closes()]
    assert sum(json.loads(close.grams)[TRAVEL - 1] for close in closes) == GRAMS  # 1
    own = []
    for person in stage.people:
        person.holder.refresh()
        own += [close for link in person.holder.open_links() for close in link.closes]
    assert len(own) == len(closes)
    assert sum(close.grams[TRAVEL - 1] for close in own) == GRAMS  # 2
    assert sorted(act.counts for act in booked(stage)) == [0] * (books - 1) + [1]  # 3


# Two sources, two accounts, a payer


@pytest.mark.parametrize("first", [EAST, WEST])
def test_at_two_sources_of_one_person(world: World, first: str) -> None:
    """The operator of record first, or the one that pays and may book for it."""
    stage, ann = Stage(world), world.person("ann", EAST, WEST)
    for name in sorted((EAST, WEST), key=lambda name: name != first):
        assert book(stage.add(ann, name), ride(world)) == "booked"
        world.sources[name].send_batches()
    stage.close_month(JAN, FEB)
    check_once(stage, books=2)
    assert [act.counts for act in booked(stage)] == [1, 0]


@pytest.mark.parametrize("first", [EAST, WEST])
def test_in_two_accounts(world: World, first: str) -> None:
    stage = Stage(world)
    ann, bob = world.person("ann", first), world.person("bob", EAST if first == WEST else WEST)
    for person in (ann, bob):
        seat = stage.add(person, *person.links)
        assert book(seat, ride(world)) == "booked"
        seat.source.send_batches()
    stage.close_month(JAN, FEB)
    check_once(stage, books=2)
    assert [act.counts for act in booked(stage)] == [1, 0]


def test_in_two_accounts_of_one_source(world: World) -> None:
    stage = Stage(world)
    seats = [stage.add(world.person(name, EAST), EAST) for name in ("ann", "bob")]
    assert [book(seat, ride(world)) for seat in seats] == ["booked", "doubled"]
    stage.close_month(JAN, FEB)
    check_once(stage, books=1)


def test_in_one_month_and_again_in_the_next(world: World) -> None:
    stage, ann = Stage(world), world.person("ann", EAST, WEST)
    booking = ride(world)
    book(stage.add(ann, EAST), booking)
    stage.add(ann, WEST)
    stage.close_month(JAN, FEB)
    assert [book(seat, booking) for seat in stage.seats] == ["doubled", "booked"]
    stage.close_month(FEB, MAR)
    check_once(stage, books=2)


def test_when_the_first_answer_was_lost(world: World) -> None:
    """The same batch sent again is no second act: its own tags are not taken from it."""
    stage, ann = Stage(world), world.person("ann", EAST, WEST)
    for name in (EAST, WEST):
        book(stage.add(ann, name), ride(world))
        lose_answers(world, "/v1/batches")
        with pytest.raises(Unreachable):
            world.sources[name].send_batches()
    stage.close_month(JAN, FEB)
    check_once(stage, books=2)
    assert [act.counts for act in booked(stage)] == [1, 0]


def test_without_tags_it_is_counted_twice_and_the_check_says_so(world: World) -> None:
    """The control of every test here."""
    stage, ann = Stage(world), world.person("ann", EAST, WEST)
    for name in (EAST, WEST):
        book(stage.add(ann, name), ride(world, guessable=True))
    stage.close_month(JAN, FEB)
    closes = [close for source in stage.sources for close in source.closes()]
    assert sum(json.loads(close.grams)[TRAVEL - 1] for close in closes) == 2 * GRAMS
    assert [act.counts for act in booked(stage)] == [1, 1]
    with pytest.raises(AssertionError):
        check_once(stage, books=2)


@pytest.mark.parametrize("guessable", [False, True])
def test_a_source_that_may_not_book_for_an_operator_is_refused_by_name(
    world: World, guessable: bool
) -> None:
    """West may book for East, by the directory; East not for West."""
    stage = Stage(world)
    seat = stage.add(world.person("ann", EAST), EAST)
    booking = Booking(ride(world).act, RECEIPT, WEST, guessable=guessable)
    with pytest.raises(BadShape, match=f"^{EAST} may not book for {WEST}$"):
        book(seat, booking)
    with pytest.raises(BadShape, match=f"^{EAST} may not book for {WEST}$"):
        seat.source.take_back(WEST, "refund", RECEIPT)
    assert seat.source.acts("ann") == []


# Links and books that begin anew


def test_after_unlinking_and_linking_anew(world: World) -> None:
    """At the source it was booked at, and at another one that the person links then."""
    stage, ann = Stage(world), world.person("ann", EAST, WEST)
    booking = ride(world)
    book(stage.add(ann, EAST), booking)
    stage.add(ann, WEST)
    stage.close_month(JAN, FEB)
    ann.holder.unlink(ann.links[EAST])
    world.sources[EAST].send_batches()
    world.link(ann, EAST)
    assert book(stage.seats[0], booking) == "before-link"
    later = ride(world)  # the same receipt, called an act of today
    assert [book(seat, later) for seat in stage.seats] == ["doubled", "booked"]
    stage.close_month(FEB, MAR)
    check_once(stage, books=2)


def test_after_unlinking_before_the_close_it_is_counted_nowhere(world: World) -> None:
    """Its month at the first link is absent; the tag stands all the same."""
    stage, ann = Stage(world), world.person("ann", EAST)
    book(stage.add(ann, EAST), ride(world))
    world.sources[EAST].send_batches()
    ann.holder.unlink(ann.links[EAST])
    world.sources[EAST].send_batches()
    for name in (EAST, WEST):
        world.link(ann, name)
    assert book(stage.seats[0], ride(world)) == "doubled"
    assert book(stage.add(ann, WEST), ride(world)) == "booked"
    stage.close_month(JAN, FEB)
    closes = [close for source in stage.sources for close in source.closes()]
    assert [json.loads(close.grams)[TRAVEL - 1] for close in closes] == [0, 0]


def test_in_books_that_were_lost_and_begun_anew(world: World) -> None:
    """The books forgot the receipt; the vault's tags did not."""
    stage, ann, bob = Stage(world), world.person("ann", EAST), world.person("bob")
    booking = ride(world)
    book(stage.add(ann, EAST), booking)
    stage.close_month(JAN, FEB)
    world.sources[EAST] = world.source(EAST)
    world.link(bob, EAST)
    seat = stage.add(bob, EAST)
    assert book(seat, ride(world)) == "booked"  # called an act of today, for else it is too early
    seat.source.send_batches()
    world.move(MAR)
    for source in stage.sources:
        source.directory = world.directory()
        source.close(FEB)
    check_once(stage, books=2)


# New Year


@pytest.fixture
def december(world: World) -> Stage:
    """Ann and her two sources an hour before 2027."""
    for month in months_from(FEB, DEC):
        world.move(month)
    ann = world.person("ann", EAST, WEST)
    stage = Stage(world)
    for name in (EAST, WEST):
        stage.add(ann, name)
    world.time = month_begins(JAN_2027, DEFAULT_ZONE) - 3_600
    return stage


def close_the_year(stage: Stage) -> None:
    for source in stage.sources:
        source.close(DEC)
    stage.close_month(JAN_2027, Month("2027-02"))


@pytest.mark.parametrize("turn", [1, -1])
def test_an_act_of_31_december_at_two_sources_in_two_years(december: Stage, turn: int) -> None:
    booking = ride(december.world)
    early, late = december.seats[::turn]
    assert book(early, booking) == "booked"
    early.source.send_batches()
    december.world.move(JAN_2027)
    assert book(late, booking) == "booked"
    close_the_year(december)
    check_once(december, books=2)
    assert {act.month: act.counts for act in booked(december)} == {DEC: 1, JAN_2027: 0}


def test_an_act_of_31_december_that_both_sources_book_in_january(december: Stage) -> None:
    booking = ride(december.world)
    december.world.move(JAN_2027)
    assert [book(seat, booking) for seat in december.seats] == ["booked", "booked"]
    close_the_year(december)
    check_once(december, books=2)


# Threads


def desks(world: World, number: int, guessable: bool) -> Stage:
    """So many customers, each in books of their own: East's and West's by turns."""
    stage = Stage(world)
    for turn in range(number):
        name = (EAST, WEST)[turn % 2]
        world.sources[name] = world.source(name)
        seat = stage.add(world.person(f"person {turn}", name), name)
        assert book(seat, ride(world, guessable=guessable)) == "booked"
    return stage


def send_at_once(stage: Stage) -> None:
    start = threading.Barrier(len(stage.seats))

    def send(seat: Seat) -> None:
        start.wait(WAIT)
        seat.source.send_batches()

    with ThreadPoolExecutor(len(stage.seats)) as pool:
        for done in [pool.submit(send, seat) for seat in stage.seats]:
            done.result(WAIT)


@pytest.mark.parametrize("turn", range(3))
def test_from_eight_threads_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, turn: int
) -> None:
    """Eight batches over HTTP to one vault on the disk; which comes first is open."""
    with world_under(DEMO, monkeypatch, tmp_path) as world:
        world._books = None  # many books of one source: each in memory
        world.allow_booking_for(WEST, EAST)
        stage = desks(world, THREADS, guessable=False)
        send_at_once(stage)
        assert sum(act.counts for act in booked(stage)) == 1
        stage.close_month(JAN, FEB)
        check_once(stage, books=THREADS)


def test_from_eight_threads_without_tags_it_is_counted_eight_times(world: World) -> None:
    """The control: so many batches did arrive."""
    stage = desks(world, THREADS, guessable=True)
    send_at_once(stage)
    stage.close_month(JAN, FEB)
    assert sum(act.counts for act in booked(stage)) == THREADS
    with pytest.raises(AssertionError):
        check_once(stage, books=THREADS)


# What the vault's table of tags says, and to whom


class Tag(NamedTuple):
    tag: bytes


def tags_of(world: World) -> set[bytes]:
    return {row.tag for row in world.database.read(lambda tx: tx.all(Tag, "SELECT tag FROM tags"))}


def known(key: bytes, tags: set[bytes]) -> set[bytes]:
    """The tags that a search of ten thousand numbers finds under a key."""
    return tags & {tag_of(key, EAST, number) for number in SPACE}


def test_who_has_k_net_finds_every_tag_of_the_table_and_nobody_else_one(world: World) -> None:
    """Sixteen receipts of a four-digit space, which guessable=True is for: no tag is a filling."""
    world.person("ann", EAST)
    numbers = SPACE[3::625]
    assert len(numbers) == 16
    act = Act("travel.bike", {"m": 900, "s": 300}, world.time, world.time + 300, "CN-ZJ-HZ")
    rows = [Booking(act, number, EAST, guessable=False) for number in numbers]
    world.sources[EAST].book("ann", rows)
    world.sources[EAST].send_batches()
    tags = tags_of(world)
    assert len(tags) == 16
    assert known(world.cast.year_key(2026), tags) == tags
    others = (
        b"",
        bytes(32),
        world.random(32),
        world.cast.year_key(2025),
        world.place.vault_key.public,
        world.place.log_key.public,
        b"cv1/tag",
    )
    assert [known(key, tags) for key in others] == [set()] * len(others)


def test_nobody_finds_a_random_tag(world: World) -> None:
    world.person("ann", EAST)
    act = Act("travel.bike", {"m": 900, "s": 300}, world.time, world.time + 300, "CN-ZJ-HZ")
    rows = [Booking(act, number, EAST, guessable=True) for number in SPACE[3::625]]
    world.sources[EAST].book("ann", rows)
    world.sources[EAST].send_batches()
    assert len(tags_of(world)) == 16
    assert known(world.cast.year_key(2026), tags_of(world)) == set()


def test_no_tag_is_shared_under_two_k_nets_or_two_operators(world: World) -> None:
    found = [
        {tag_of(world.cast.year_key(year), name, number) for number in SPACE}
        for year in (2025, 2026, 2027)
        for name in (EAST, WEST)
    ]
    assert len(set().union(*found)) == sum(map(len, found)) == 6 * len(SPACE)
