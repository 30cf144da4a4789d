"""One act in a source's books: booked once, allotted until frozen, taken back, voided.

The holder recomputes every close in these stories; a close that is not the sum of its records would
raise there.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.recompute import OpenedBatch, sums_of, voided_in
from consent.records import OwnLink, overlapping
from tests.rules import BOUND, TRIP, behaviour_file, caps, exclusive, release_of, world_under
from tests.test_attack_vault import lose_answers
from tests.world import EAST, FEB, JAN, MAR, TRAVEL, WEST, Person, World
from vault.books import ActBook
from vault.compose import Booked, Booking
from vault.errors import BadMethodology, BadShape, Unreachable
from vault.messages import Record
from vault.methodology.behaviour import Evidence
from vault.methodology.quantify import Act
from vault.methodology.release import Release
from vault.months import Category

BIKE, METRO, LEAVE, CUP = "travel.bike", "travel.metro", "travel.leave_car", "use.cup"
RULES = release_of(
    behaviour_file(BIKE, TRIP, BOUND, caps(day_g=400, month_g=1_000)),
    behaviour_file(METRO, TRIP),
    behaviour_file(LEAVE, exclusive(METRO, "day")),
    behaviour_file(CUP),
)
MG = 48_700  # of a kilometre
DAY = 24 * 60


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_under(RULES, monkeypatch) as world:
        yield world


def act(
    world: World,
    receipt: str,
    km: int = 5,
    minute: int = 0,
    behaviour: str = BIKE,
    operator: str = EAST,
    minutes: int = 30,
    guessable: bool = True,
    evidence: Evidence = "E3",
    claimed: Literal["platform", "elsewhere"] | None = None,
) -> Booking:
    """An act of 48.7 g a kilometre that starts so many minutes from now."""
    start = world.time + 60 * minute
    amounts = {"m": 1_000 * km, "s": 60 * minutes}
    found = Act(behaviour, amounts, start, start + 60 * minutes, "CN-ZJ-HZ", evidence)
    return Booking(found, receipt, operator, guessable, claimed=claimed)


def book(world: World, customer: str, *bookings: Booking, source: str = EAST) -> list[Booked]:
    return world.sources[source].book(customer, bookings)


def said(booked: Booked) -> tuple[str, int, str | None]:
    return booked.outcome, booked.credit.mg, booked.credit.reason


def shown(world: World, customer: str, source: str = EAST) -> dict[str, tuple[int, str | None]]:
    """What the books' records say now: milligrams and reason by receipt."""
    acts = world.sources[source].acts(customer)
    records = [Record.parse(each.record) for each in acts]
    assert [record.mg for record in records] == [each.mg for each in acts]
    return {record.receipt: (record.mg, record.reason) for record in records}


def closed(world: World, source: str = EAST) -> list[int]:
    return [json.loads(close.grams)[TRAVEL - 1] for close in world.sources[source].closes()]


def own_link(person: Person, source: str = EAST) -> OwnLink:
    """The person's one link there, opened and recomputed."""
    person.holder.refresh()
    (own,) = [own for own in person.holder.open_links() if own.source == source]
    return own


def by_act(acts: Sequence[ActBook], receipt: str) -> ActBook:
    (found,) = [each for each in acts if each.receipt == receipt]
    return found


# Booked once


def test_a_receipt_is_booked_once_whatever_else_the_row_says(world: World) -> None:
    ann = world.person("ann", EAST)
    first, again = act(world, "R-1"), act(world, "R-1", km=3, minute=90)
    assert [each.outcome for each in book(world, "ann", first, again)] == ["booked", "doubled"]
    assert [each.outcome for each in book(world, "ann", first)] == ["doubled"]
    world.sources[EAST].send_batches()
    assert [each.outcome for each in book(world, "ann", first)] == ["doubled"]
    assert shown(world, "ann") == {"R-1": (5 * MG, None)}
    world.close_month(JAN)
    assert closed(world) == [243] == [close.grams[3] for close in own_link(ann).closes]


def test_the_same_number_of_another_operator_is_another_receipt(world: World) -> None:
    world.allow_booking_for(EAST, WEST)
    world.person("ann", EAST)
    other = act(world, "R-1", km=3, minute=90, operator=WEST)
    assert [each.outcome for each in book(world, "ann", act(world, "R-1"), other)] == ["booked"] * 2


def test_a_receipt_is_booked_for_one_customer_of_a_source_only(world: World) -> None:
    world.person("ann", EAST)
    world.person("bob", EAST)
    book(world, "ann", act(world, "R-1"))
    assert [each.outcome for each in book(world, "bob", act(world, "R-1"))] == ["doubled"]
    assert shown(world, "bob") == {}


def test_neither_order_nor_files_change_a_close_before_the_batch(world: World) -> None:
    """Seven customers with the same acts: as one file, row by row, shuffled, split by day."""
    names = [f"customer {n}" for n in range(7)]
    people = [world.person(name, EAST) for name in names]
    world.move(JAN, day=10, hour=8)

    def rows(name: str) -> list[Booking]:
        days = range(-6, -1)
        bikes = [(BIKE, 3, DAY * day + 40 * n) for day in days for n in range(3)]
        others = [(METRO, 6, DAY * day + 55) for day in days] + [(LEAVE, 2, DAY * -2 + 100)]
        listed = [*bikes, *others, (CUP, 9, DAY * -6 + 10)]
        return [
            act(world, f"{name}-{number}", km, minute, behaviour)
            for number, (behaviour, km, minute) in enumerate(listed)
        ]

    for turn, name in enumerate(names):
        found = rows(name)
        if turn:
            random.Random(turn).shuffle(found)
        size = (len(found), 1, 2, 3, 5, 8, 13)[turn]
        for first in range(0, len(found), size):
            book(world, name, *found[first : first + size])
    credited = [
        {receipt.removeprefix(name): credit for receipt, credit in shown(world, name).items()}
        for name in names
    ]
    assert credited == [credited[0]] * len(names)
    reasons = {reason for _, reason in credited[0].values()}
    assert reasons == {None, "same-time", "counted-otherwise", "day-cap", "month-cap"}
    world.close_month(JAN)
    grams = [json.loads(close.grams) for close in world.sources[EAST].closes()]
    assert grams == [grams[0]] * len(names)
    assert [list(own_link(person).closes[0].grams) for person in people] == grams


def test_what_is_frozen_stands_and_what_waits_gives_way(world: World) -> None:
    """The control is the same two trips in one batch: there the earlier one counts."""
    for name in ("ann", "bob"):
        world.person(name, EAST)
    late = {name: act(world, f"{name}-late", minute=20) for name in ("ann", "bob")}
    early = {name: act(world, f"{name}-early", km=4) for name in ("ann", "bob")}
    assert said(book(world, "ann", late["ann"])[0]) == ("booked", 5 * MG, None)
    world.sources[EAST].send_batches()
    assert said(book(world, "ann", early["ann"])[0]) == ("booked", 0, "same-time")
    book(world, "bob", late["bob"])
    assert said(book(world, "bob", early["bob"])[0]) == ("booked", 4 * MG, None)
    assert shown(world, "ann") == {"ann-late": (5 * MG, None), "ann-early": (0, "same-time")}
    assert shown(world, "bob") == {"bob-late": (0, "same-time"), "bob-early": (4 * MG, None)}
    world.close_month(JAN)
    assert sorted(closed(world)) == [194, 243]


def test_frozen_acts_use_up_the_caps_of_a_day_and_a_month(world: World) -> None:
    world.person("ann", EAST)
    for day in range(3):
        world.move(JAN, day=2 + day)
        book(world, "ann", act(world, f"R-{day}a"))
        world.sources[EAST].send_batches()
        book(world, "ann", act(world, f"R-{day}b", minute=60))
    assert shown(world, "ann") == {
        "R-0a": (243_500, None),
        "R-0b": (156_500, "day-cap"),
        "R-1a": (243_500, None),
        "R-1b": (156_500, "day-cap"),
        "R-2a": (200_000, "month-cap"),
        "R-2b": (0, "month-cap"),
    }
    world.close_month(JAN)
    assert closed(world) == [1_000]


def test_unlinking_and_linking_anew_gives_no_second_day(world: World) -> None:
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"))
    world.sources[EAST].send_batches()
    ann.holder.unlink(ann.links[EAST])
    world.sources[EAST].send_batches()
    world.link(ann, EAST)
    assert said(book(world, "ann", act(world, "R-1"))[0])[0] == "doubled"
    assert said(book(world, "ann", act(world, "R-2", minute=60))[0]) == (
        "booked",
        156_500,
        "day-cap",
    )
    assert said(book(world, "ann", act(world, "R-3", 2, 10, METRO))[0]) == (
        "booked",
        0,
        "same-time",
    )
    world.person("bob", EAST)  # the control: somebody else's day
    assert said(book(world, "bob", act(world, "R-4", minute=60))[0]) == ("booked", 5 * MG, None)


def test_an_act_whose_batch_was_refused_uses_up_nothing(world: World) -> None:
    """The link had ended before the batch came, so that it stands in no close and never will."""
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1", km=9))
    ann.holder.unlink(ann.links[EAST])
    world.sources[EAST].send_batches()
    world.link(ann, EAST)
    (booked,) = book(world, "ann", act(world, "R-2", minute=60))
    assert by_act(world.sources[EAST].acts("ann"), "R-1").counts == 0
    assert said(booked) == ("booked", 5 * MG, None)


# Not booked, or booked as nothing


def test_an_act_of_days_to_come_is_not_booked(world: World) -> None:
    world.person("ann", EAST)
    assert said(book(world, "ann", act(world, "R-1", minute=DAY + 1))[0])[0] == "not-yet"
    assert world.sources[EAST].acts("ann") == []
    assert said(book(world, "ann", act(world, "R-1", minute=DAY))[0])[0] == "booked"


def test_an_act_out_of_bounds_is_refused_and_in_no_book(world: World) -> None:
    world.person("ann", EAST)
    wild = act(world, "R-1", minutes=DAY + 1)
    assert said(book(world, "ann", wild)[0]) == ("refused", 0, "over-a-day")
    assert world.sources[EAST].acts("ann") == []
    assert said(book(world, "ann", act(world, "R-1", minutes=DAY))[0]) == ("booked", 5 * MG, None)


@pytest.mark.parametrize(
    ("claimed", "reason"), [("platform", "collected"), ("elsewhere", "registered-elsewhere")]
)
def test_a_reduction_that_is_not_the_persons_is_recorded_and_counts_nothing(
    world: World, claimed: Literal["platform", "elsewhere"], reason: str
) -> None:
    ann = world.person("ann", EAST)
    booked = book(world, "ann", act(world, "R-1", claimed=claimed), act(world, "R-2", minute=10))
    assert [said(each) for each in booked] == [("booked", 0, reason), ("booked", 5 * MG, None)]
    world.close_month(JAN)
    assert closed(world) == [243]
    (batch,) = own_link(ann).batches
    sealed = {record.receipt: (record.mg, record.reason) for record in batch.records}
    assert sealed == {"R-1": (0, reason), "R-2": (5 * MG, None)}


def test_a_claim_does_not_hide_why_an_act_counts_nothing_anyway(world: World) -> None:
    world.person("ann", EAST)
    short = act(world, "R-1", km=0, claimed="platform")
    assert said(book(world, "ann", short)[0]) == ("booked", 0, "below-one-milligram")


@pytest.mark.parametrize("evidence", ["E0", "E1", "E2"])
def test_weak_evidence_is_refused_with_all_that_came_with_it(
    world: World, evidence: Evidence
) -> None:
    world.person("ann", EAST)
    with pytest.raises(BadShape, match=f"found {evidence}"):
        book(world, "ann", act(world, "R-1"), act(world, "R-2", evidence=evidence))
    assert world.sources[EAST].acts("ann") == []
    strong: tuple[Evidence, ...] = ("E3", "E4")
    rows = [act(world, f"R-{e}", minute=40 * n, evidence=e) for n, e in enumerate(strong)]
    assert [each.outcome for each in book(world, "ann", *rows)] == ["booked"] * 2


# Taken back


def take_back(world: World, of: str, receipt: str = "", source: str = EAST) -> Booked:
    return world.sources[source].take_back(EAST, receipt or f"refund of {of}", of)


def test_an_act_taken_back_before_its_batch_counts_nothing(world: World) -> None:
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"), act(world, "R-2", km=2, minute=60))
    assert said(take_back(world, "R-1")) == ("booked", -5 * MG, "taken-back")
    world.close_month(JAN)
    assert closed(world) == [97]
    (batch,) = own_link(ann).batches
    (original,) = [record for record in batch.records if record.receipt == "R-1"]
    (back,) = [record for record in batch.records if record.corrects]
    assert (original.mg, back.mg, back.reason) == (5 * MG, -5 * MG, "taken-back")
    assert (back.corrects, back.receipt) == (original.act, "refund of R-1")
    assert back.act != original.act
    assert back.tag != original.tag


def test_a_frozen_act_taken_back_in_its_month_counts_nothing(world: World) -> None:
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"))
    world.sources[EAST].send_batches()
    assert said(take_back(world, "R-1")) == ("booked", -5 * MG, "taken-back")
    assert shown(world, "ann") == {
        "R-1": (5 * MG, None),
        "refund of R-1": (-5 * MG, "taken-back"),
    }
    world.close_month(JAN)
    assert closed(world) == [0]
    (close,) = own_link(ann).closes
    assert (close.grams[3], close.balances[3]) == (0, 0)


def test_taking_back_an_act_of_a_closed_month_lowers_the_next_ones(world: World) -> None:
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"))
    world.close_month(JAN)
    before = own_link(ann).closes[0].text
    assert said(take_back(world, "R-1")) == ("booked", -5 * MG, "taken-back")
    world.close_month(FEB)
    book(world, "ann", act(world, "R-2", km=7))
    world.close_month(MAR)
    assert closed(world) == [243, 0, 97]
    closes = own_link(ann).closes
    assert closes[0].text == before
    assert [(close.grams[3], close.balances[3]) for close in closes] == [
        (243, 500),
        (0, 500 - 243_500),
        (97, 500 - 243_500 + 340_900 - 97_000),
    ]
    assert world.auditor().audit().findings == []


def test_a_balance_stays_negative_over_empty_months_and_in_its_own_category(world: World) -> None:
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"), act(world, "C-1", behaviour=CUP))
    world.close_month(JAN)
    take_back(world, "R-1")
    for month in (FEB, MAR):
        world.close_month(month)
    closes = own_link(ann).closes
    assert [close.balances[3] for close in closes] == [500, -243_000, -243_000]
    assert [close.balances[Category.GOODS - 1] for close in closes] == [500] * 3


def test_an_act_is_taken_back_once(world: World) -> None:
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"))
    assert take_back(world, "R-1").outcome == "booked"
    for receipt in ("", "another number"):
        assert take_back(world, "R-1", receipt).outcome == "doubled"
    world.close_month(JAN)
    assert take_back(world, "R-1", "yet another").outcome == "doubled"
    assert list(shown(world, "ann")) == ["R-1", "refund of R-1"]
    assert closed(world) == [0]


@pytest.mark.parametrize("number", ["R-1", "R-2", "N-1"])
def test_a_refund_has_numbers_of_its_own(world: World, number: str) -> None:
    """It may be called like an act, like its own act, or like another refund: the act is gone."""
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"), act(world, "R-2", minute=40))
    assert take_back(world, "R-2", "N-1").outcome == "booked"
    assert take_back(world, "R-1", number).outcome == "booked"
    world.close_month(JAN)
    assert closed(world) == [0]


def test_a_correction_is_not_taken_back(world: World) -> None:
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"))
    take_back(world, "R-1", "N-1")
    assert take_back(world, "N-1", "N-2").outcome == "waits"
    world.close_month(JAN)
    assert closed(world) == [0]


def test_a_refund_that_comes_before_its_act_waits_for_it(world: World) -> None:
    ann = world.person("ann", EAST)
    assert take_back(world, "R-1", "N-1").outcome == "waits"
    assert take_back(world, "R-1", "N-2").outcome == "waits"
    book(world, "ann", act(world, "R-1"), act(world, "R-2", minute=40))
    assert take_back(world, "R-1", "N-3").outcome == "doubled"
    world.close_month(JAN)
    assert [close.grams[3] for close in own_link(ann).closes] == [243]


def test_no_correction_goes_into_a_batch_before_its_act(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.source.BATCH_ACTS", 3)
    ann = world.person("ann", EAST)
    for number in range(12):
        book(world, "ann", act(world, f"R-{number}", km=1, minute=40 * number))
    for number in range(0, 12, 2):
        take_back(world, f"R-{number}", f"N-{number}")
    world.sources[EAST].send_batches()
    seq = {each.act: each.seq for each in world.sources[EAST].acts("ann")}
    backs = [each for each in world.sources[EAST].acts("ann") if each.corrects]
    assert len(set(seq.values())) > 3
    assert all((seq[back.corrects or b""] or 0) <= (back.seq or 0) for back in backs)
    world.close_month(JAN)
    assert [close.grams[3] for close in own_link(ann).closes] == [6 * 48_700 // 1000]


def test_trips_that_last_no_second_by_their_times_still_take_their_time(world: World) -> None:
    """Exports exist in which every trip ends in the second in which it starts."""
    world.person("ann", EAST)
    rides = [act(world, f"R-{number}", minute=number) for number in range(3)]
    still = [
        replace(ride, act=replace(ride.act, start=rides[0].act.start, end=rides[0].act.start))
        for ride in rides
    ]
    assert [said(each)[1:] for each in book(world, "ann", *still)] == [
        (5 * MG, None),
        (0, "same-time"),
        (0, "same-time"),
    ]


def test_times_that_are_exact_to_the_minute_make_no_overlap(world: World) -> None:
    """A ride of 496 s that began at 00:01 and ended at 00:09 lets the next begin at 00:09."""
    world.person("ann", EAST)
    first = act(world, "R-1", km=2)
    start = first.act.start
    rides = [
        replace(first, act=replace(first.act, activity={"m": 2_000, "s": 496}, end=start + 480)),
        replace(
            first,
            receipt="R-2",
            act=replace(first.act, start=start + 480, end=start + 900),
        ),
    ]
    assert [said(each)[1:] for each in book(world, "ann", *rides)] == [(2 * MG, None)] * 2


def test_one_booking_that_is_none_holds_up_no_other(world: World) -> None:
    world.person("ann", EAST)
    odd = act(world, "R-1", behaviour="travel.zz")
    good = act(world, "R-2")
    first, second = world.sources[EAST].book_each("ann", [odd, good])
    assert isinstance(first, BadMethodology)
    assert isinstance(second, Booked)
    assert said(second) == ("booked", 5 * MG, None)
    with pytest.raises(BadMethodology):
        book(world, "ann", act(world, "R-3"), odd)
    assert list(shown(world, "ann")) == ["R-2"]


def test_what_is_not_in_the_books_is_not_taken_back(world: World) -> None:
    world.allow_booking_for(EAST, WEST)
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"))
    for operator, of in ((EAST, "R-2"), (WEST, "R-1")):
        assert world.sources[EAST].take_back(operator, "N-1", of).outcome == "waits"
    assert list(shown(world, "ann")) == ["R-1"]


def test_an_act_whose_link_has_ended_stays_as_it_was_closed(world: World) -> None:
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1"))
    world.close_month(JAN)
    ann.holder.unlink(ann.links[EAST])
    world.sources[EAST].send_batches()
    world.link(ann, EAST)
    assert take_back(world, "R-1").outcome == "link-ended"
    world.close_month(FEB)
    assert list(shown(world, "ann")) == ["R-1"]
    assert sum(closed(world)) == 243


def test_taking_back_makes_room_for_what_waits(world: World) -> None:
    """The day's cap, the same time, and another behaviour's exclusion."""
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1", km=8), act(world, "M-1", minute=200, behaviour=METRO))
    world.sources[EAST].send_batches()
    book(
        world,
        "ann",
        act(world, "R-2", minute=60),
        act(world, "M-2", minute=10, behaviour=METRO),
        act(world, "L-1", minute=400, behaviour=LEAVE),
    )
    waiting = {"R-2": (10_400, "day-cap"), "M-2": (0, "same-time"), "L-1": (0, "counted-otherwise")}
    assert {name: shown(world, "ann")[name] for name in waiting} == waiting
    take_back(world, "R-1")
    assert shown(world, "ann")["R-2"] == (5 * MG, None)
    assert shown(world, "ann")["M-2"] == (5 * MG, None)
    take_back(world, "M-1")
    take_back(world, "M-2")
    assert shown(world, "ann")["L-1"] == (5 * MG, None)
    world.close_month(JAN)
    assert closed(world) == [(5 + 5) * MG // 1_000]


def test_an_act_taken_back_before_its_batch_makes_room_too(world: World) -> None:
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1", km=8), act(world, "R-2", minute=60))
    assert shown(world, "ann")["R-2"] == (10_400, "day-cap")
    take_back(world, "R-1")
    assert shown(world, "ann")["R-2"] == (5 * MG, None)
    book(world, "ann", act(world, "R-3", km=3, minute=120))  # the taken one keeps its milligrams
    assert shown(world, "ann")["R-1"] == (389_600, None)
    assert shown(world, "ann")["R-3"] == (146_100, None)
    world.close_month(JAN)
    assert closed(world) == [(243_500 + 146_100) // 1_000]


def test_what_is_right_is_booked_anew_under_another_receipt(world: World) -> None:
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1", km=8))
    world.sources[EAST].send_batches()
    take_back(world, "R-1")
    assert said(book(world, "ann", act(world, "R-1b", km=3))[0]) == ("booked", 3 * MG, None)
    world.close_month(JAN)
    assert closed(world) == [146]


def test_an_act_that_was_cut_is_taken_back_as_far_as_it_counted(world: World) -> None:
    world.person("ann", EAST)
    book(world, "ann", act(world, "R-1", km=8), act(world, "R-2", minute=60))
    world.sources[EAST].send_batches()
    assert said(take_back(world, "R-2")) == ("booked", -10_400, "taken-back")
    world.close_month(JAN)
    assert closed(world) == [389]


def test_a_correction_is_never_positive(world: World) -> None:
    """Also of an act that counted nothing."""
    world.person("ann", EAST)
    rows = [act(world, "R-0", km=0), act(world, "R-1"), act(world, "R-2", minute=10)]
    book(world, "ann", *rows)
    world.sources[EAST].send_batches()
    for booking in rows:
        take_back(world, booking.receipt)
    backs = {each.receipt: each.mg for each in world.sources[EAST].acts("ann") if each.corrects}
    assert backs == {"refund of R-0": 0, "refund of R-1": -5 * MG, "refund of R-2": 0}
    world.close_month(JAN)
    assert closed(world) == [0]


def test_only_who_may_book_for_an_operator_takes_its_acts_back(world: World) -> None:
    world.person("ann", WEST)
    with pytest.raises(BadShape, match=f"{WEST} may not book for {EAST}"):
        take_back(world, "R-1", source=WEST)


# Corrections of an act that was counted elsewhere


def rival(world: World) -> tuple[Person, Person]:
    """Ann's act at East, counted first; the same receipt in bob's hands at West, which pays."""
    world.allow_booking_for(WEST, EAST)
    ann, bob = world.person("ann", EAST), world.person("bob", WEST)
    book(world, "ann", act(world, "TX-1", guessable=False))
    world.sources[EAST].send_batches()
    assert said(book(world, "bob", act(world, "TX-1", guessable=False), source=WEST)[0]) == (
        "booked",
        5 * MG,
        None,
    )
    return ann, bob


def check_nothing_counted(world: World, bob: Person) -> None:
    """Neither the act nor its correction, in the books and in the holder's own sum."""
    assert {each.receipt: each.counts for each in world.sources[WEST].acts("bob")} == {
        "TX-1": 0,
        "refund of TX-1": 0,
    }
    own = own_link(bob, WEST)
    assert [(close.grams[3], close.balances[3]) for close in own.closes] == [(0, 0)] * len(
        own.closes
    )
    assert voided_in(own.batches) == {by_act(world.sources[WEST].acts("bob"), "TX-1").act}
    # The control: who left the rule out would find another sum than the close has.
    naive = sums_of(own.batches, frozenset(), rules)
    assert naive == {Category.TRAVEL: -5 * MG}
    assert closed(world, WEST) == [0] * len(own.closes)


def test_the_correction_of_an_act_that_was_taken_counts_nothing(world: World) -> None:
    ann, bob = rival(world)
    world.sources[WEST].send_batches()
    take_back(world, "TX-1", source=WEST)
    world.close_month(JAN)
    check_nothing_counted(world, bob)
    assert [close.grams[3] for close in own_link(ann).closes] == [243]


def test_a_correction_in_the_batch_of_its_act_counts_nothing_once_that_is_taken(
    world: World,
) -> None:
    _, bob = rival(world)
    take_back(world, "TX-1", source=WEST)
    world.close_month(JAN)
    check_nothing_counted(world, bob)


def test_a_correction_frozen_before_the_receipt_came_counts_nothing(world: World) -> None:
    _, bob = rival(world)
    lose_answers(world, "/v1/batches")
    with pytest.raises(Unreachable):
        world.sources[WEST].send_batches()
    take_back(world, "TX-1", source=WEST)
    lose_answers(world, "/v1/batches")
    with pytest.raises(Unreachable):
        world.sources[WEST].send_batches()
    acts = world.sources[WEST].acts("bob")
    assert [(each.seq, each.counts) for each in acts] == [(0, 1), (1, 1)]  # frozen, and no word
    world.close_month(JAN)
    check_nothing_counted(world, bob)


def test_a_correction_in_a_later_month_counts_nothing_either(world: World) -> None:
    _, bob = rival(world)
    world.close_month(JAN)
    take_back(world, "TX-1", source=WEST)
    world.close_month(FEB)
    check_nothing_counted(world, bob)


def test_the_correction_at_one_source_does_not_void_the_one_at_the_other(world: World) -> None:
    """Both are told of the refund, under one number: it lowers what was counted, once."""
    ann, bob = rival(world)
    world.close_month(JAN)
    take_back(world, "TX-1", source=WEST)
    world.sources[WEST].send_batches()
    take_back(world, "TX-1")
    world.close_month(FEB)
    check_nothing_counted(world, bob)
    assert [close.balances[3] for close in own_link(ann).closes] == [500, -243_000]


def test_a_correction_has_a_random_tag_that_nobody_can_have_taken(world: World) -> None:
    """Also of an act whose tag is K_net's: a vault that calls the correction taken is found out."""
    world.person("ann", EAST)
    book(world, "ann", act(world, "TX-1", guessable=False))
    world.sources[EAST].send_batches()
    take_back(world, "TX-1")
    tag = by_act(world.sources[EAST].acts("ann"), "refund of TX-1").tag
    world.database.write(lambda tx: tx.run("INSERT INTO tags VALUES (?, ?)", tag, world.time))
    with pytest.raises(BadShape, match="random tag taken"):
        world.sources[EAST].send_batches()


def test_an_act_that_was_taken_uses_up_nothing_of_the_day(world: World) -> None:
    _, _ = rival(world)
    world.sources[WEST].send_batches()
    late = act(world, "R-2", minute=10, operator=WEST)
    assert said(book(world, "bob", late, source=WEST)[0]) == ("booked", 5 * MG, None)


def test_what_waits_has_room_once_an_act_is_known_to_be_taken(world: World) -> None:
    """Booked while the answer was lost, and frozen after it came; nothing is booked between."""
    _, bob = rival(world)
    lose_answers(world, "/v1/batches")
    with pytest.raises(Unreachable):
        world.sources[WEST].send_batches()
    late = act(world, "R-2", minute=10, operator=WEST)
    assert said(book(world, "bob", late, source=WEST)[0]) == ("booked", 0, "same-time")
    world.sources[WEST].flush()
    world.close_month(JAN)
    assert shown(world, "bob", WEST)["R-2"] == (5 * MG, None)
    assert [close.grams[3] for close in own_link(bob, WEST).closes] == [243]


def test_taking_back_in_the_next_month_makes_room_for_what_still_waits_in_the_last(
    world: World,
) -> None:
    """January's acts are booked and not yet frozen when the refund comes in February."""
    ann = world.person("ann", EAST)
    book(world, "ann", act(world, "R-1", km=8), act(world, "R-2", minute=60))
    world.move(FEB)
    take_back(world, "R-1")
    world.sources[EAST].close(JAN)
    world.close_month(FEB)
    assert shown(world, "ann")["R-2"] == (5 * MG, None)
    closes = own_link(ann).closes
    assert sum(close.grams[3] for close in closes) * 1_000 + closes[-1].balances[3] == 5 * MG


# Over several links the holder sees it


def pairs(person: Person) -> list[tuple[str, str]]:
    person.holder.refresh()
    found = overlapping(person.holder.open_links(), rules)
    assert all(one.link != other.link for (one, _), (other, _) in found)
    return [(one.receipt, other.receipt) for (_, one), (_, other) in found]


def test_trips_of_two_links_at_the_same_time_are_shown_and_both_count(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    book(world, "ann", act(world, "E-1"), act(world, "E-2", minute=60))
    book(world, "ann", act(world, "W-1", 4, 10, METRO, WEST), source=WEST)
    world.close_month(JAN)
    assert pairs(ann) == [("E-1", "W-1")]
    assert (closed(world), closed(world, WEST)) == ([400], [194])


def test_one_long_trip_is_shown_with_every_trip_of_another_link_in_it(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    book(world, "ann", act(world, "E-1"), act(world, "E-2", 2, 45))
    book(world, "ann", act(world, "W-1", 4, 0, METRO, WEST, minutes=90), source=WEST)
    world.close_month(JAN)
    assert pairs(ann) == [("E-1", "W-1"), ("W-1", "E-2")]


def test_what_is_no_trip_or_counts_nothing_or_only_touches_is_not_shown(world: World) -> None:
    """The control is the trip that counts: W-4."""
    ann = world.person("ann", EAST, WEST)
    book(world, "ann", act(world, "E-1", minute=30), act(world, "E-2", minute=300))
    rows = [
        act(world, "W-1", 4, 0, METRO, WEST),  # ends as E-1 starts
        act(world, "W-2", 4, 60, METRO, WEST),  # starts as E-1 ends
        act(world, "W-3", 4, 40, CUP, WEST),  # no trip
        act(world, "W-4", 4, 310, METRO, WEST),
        act(world, "W-5", 4, 315, METRO, WEST),  # counts nothing beside W-4
        act(world, "W-6", 4, 305, BIKE, WEST, minutes=1, claimed="platform"),
    ]
    book(world, "ann", *rows, source=WEST)
    world.close_month(JAN)
    assert pairs(ann) == [("E-2", "W-4")]


def test_a_trip_that_was_taken_back_or_counted_before_is_not_shown(world: World) -> None:
    world.allow_booking_for(WEST, EAST)
    ann = world.person("ann", EAST, WEST)
    book(world, "ann", act(world, "TX-1", guessable=False), act(world, "R-2", minute=60))
    world.sources[EAST].send_batches()
    same = act(world, "TX-1", guessable=False)
    book(world, "ann", same, act(world, "W-2", 4, 60, METRO, WEST), source=WEST)
    world.sources[WEST].send_batches()
    assert pairs(ann) == [("R-2", "W-2")]
    take_back(world, "R-2")
    world.sources[EAST].send_batches()
    assert pairs(ann) == []


def test_trips_of_one_link_or_of_two_people_are_no_pair(world: World) -> None:
    ann, bob = world.person("ann", EAST), world.person("bob", WEST)
    book(world, "ann", act(world, "E-1"), act(world, "E-2", minute=10))
    book(world, "bob", act(world, "W-1", operator=WEST), source=WEST)
    world.close_month(JAN)
    assert pairs(ann) == pairs(bob) == []


def own(number: int, *trips: tuple[int, int]) -> OwnLink:
    """A link with trips from a minute on, so many minutes long."""
    records = tuple(
        Record(
            act=bytes([number]) * 15 + bytes([place]),
            behaviour=METRO,
            rev=1,
            release=RULES.id,
            activity={"m": 1, "s": 1},
            start=60 * start,
            end=60 * (start + minutes),
            operator=EAST,
            receipt=f"{number}-{place}",
            tag=bytes(16),
            evidence="E3",
            mg=48,
        )
        for place, (start, minutes) in enumerate(trips)
    )
    return OwnLink(bytes([number]) * 16, EAST, [OpenedBatch(0, "", "", records, ())], [])


times = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=6)


@given(st.lists(times, max_size=3))
def test_overlapping_finds_each_pair_of_two_links_that_shares_a_minute(
    links: list[list[tuple[int, int]]],
) -> None:
    listed = [own(number, *trips) for number, trips in enumerate(links)]
    found = [(one.receipt, other.receipt) for (_, one), (_, other) in overlapping(listed, rules)]
    minutes = {
        f"{number}-{place}": set(range(start, start + length))
        for number, trips in enumerate(links)
        for place, (start, length) in enumerate(trips)
    }
    wanted = {
        frozenset(pair)
        for pair in combinations(minutes, 2)
        if pair[0][0] != pair[1][0] and minutes[pair[0]] & minutes[pair[1]]
    }
    assert {frozenset(pair) for pair in found} == wanted
    assert len(found) == len(wanted)


def rules(_: str) -> Release:
    return RULES
