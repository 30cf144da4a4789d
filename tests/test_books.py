"""A source's books against the vault's word: false absents, old backups, one act once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from consent.records import OwnLink
from tests.world import EAST, FEB, JAN, MAR, WEST, Person, World
from vault.compose import Booking
from vault.encoding import read_envelope
from vault.errors import FalseAbsent, Relink
from vault.messages import AbsentMonth, Receipt
from vault.methodology.quantify import Act
from vault.months import DEFAULT_ZONE, month_begins
from vault.outbox import Outbox
from vault.source import Identity, Source
from vault.storage.database import Transaction

DEC_31 = month_begins(JAN, DEFAULT_ZONE) - 3600


class Rows(NamedTuple):
    rows: int


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def ride_of(receipt: str, operator: str, start: int, metres: int = 5_000) -> Booking:
    act = Act("travel.bike", {"m": metres, "s": 1_000}, start, start + 1_000, "CN")
    return Booking(act, receipt, operator, guessable=False)


def counted(world: World, person: Person) -> list[OwnLink]:
    person.holder.refresh()
    return person.holder.open_links()


def test_an_absent_for_a_receipted_close_is_proof_against_the_vault(world: World) -> None:
    ann = world.person("ann", EAST)
    world.close_month(JAN)
    link = ann.links[EAST]
    lie = AbsentMonth(iat=world.time, link=link, month=JAN).signed(world.place.vault_key)

    def forget(tx: Transaction) -> None:
        tx.run("DELETE FROM closes WHERE link = ?", link)
        tx.run("INSERT INTO absents VALUES (?, ?, ?)", link, JAN, lie)

    world.database.write(forget)
    world.move(MAR, day=3)
    with pytest.raises(FalseAbsent) as caught:
        world.sources[EAST].close(FEB)
    absent, receipt = caught.value.evidence
    assert absent == lie
    assert Receipt.opened(read_envelope(receipt, Receipt.typ)).of


def test_books_restored_from_a_backup_never_close_that_link_again(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.person("ann", EAST)
        east = world.sources[EAST]
        books, backup = tmp_path / f"{EAST}.db", tmp_path / "backup.db"
        key = world.book_keys[EAST]
        for end in ("", "-wal"):  # nothing is being written
            shutil.copy(f"{books}{end}", f"{backup}{end}")
        world.close_month(JAN)
        restored = Source(
            Identity(EAST, east.identity.key, east.identity.opening),
            Outbox(backup, key),
            world.wire(east.identity.key),
            world.directory(),
            world.release,
            world.now,
            world.random,
        )
        with pytest.raises(Relink):
            restored.close(JAN)
        world.move(MAR, day=3)
        restored.directory = world.directory()
        assert restored.close(FEB) == []


def test_one_receipt_at_two_sources_counts_once(world: World) -> None:
    world.allow_booking_for(WEST, EAST)
    ann = world.person("ann", EAST, WEST)
    world.sources[EAST].book("ann", [ride_of("TX-9f83c1d2e4a56b70", EAST, world.time)])
    world.sources[EAST].send_batches()
    world.sources[WEST].book("ann", [ride_of("TX-9f83c1d2e4a56b70", EAST, world.time)])
    world.close_month(JAN)
    grams = {own.source: own.closes[0].grams[3] for own in counted(world, ann)}
    assert grams == {EAST: 243, WEST: 0}
    (west,) = [own for own in counted(world, ann) if own.source == WEST]
    assert [record.mg for batch in west.batches for record in batch.voided] == [243_500]


def test_one_receipt_in_two_accounts_counts_once(world: World) -> None:
    world.allow_booking_for(WEST, EAST)
    ann, bob = world.person("ann", EAST), world.person("bob", WEST)
    world.sources[EAST].book("ann", [ride_of("TX-0123456789abcdef", EAST, world.time)])
    world.sources[EAST].send_batches()
    world.sources[WEST].book("bob", [ride_of("TX-0123456789abcdef", EAST, world.time)])
    world.close_month(JAN)
    assert [own.closes[0].grams[3] for own in counted(world, ann)] == [243]
    assert [own.closes[0].grams[3] for own in counted(world, bob)] == [0]


def test_one_receipt_counts_once_also_after_a_relink(world: World) -> None:
    world.allow_booking_for(WEST, EAST)
    ann = world.person("ann", EAST)
    world.sources[EAST].book("ann", [ride_of("TX-0123456789abcdef", EAST, world.time)])
    world.sources[EAST].send_batches()
    ann.holder.unlink(ann.links[EAST])
    world.sources[EAST].send_batches()
    world.link(ann, EAST)
    world.link(ann, WEST)
    world.sources[WEST].book("ann", [ride_of("TX-0123456789abcdef", EAST, world.time)])
    world.close_month(JAN)
    assert [own.closes[0].grams[3] for own in counted(world, ann) if own.closes] == [0, 0]


def test_an_act_of_31_december_booked_in_january_collides_with_itself(world: World) -> None:
    world.allow_booking_for(WEST, EAST)
    tags = []
    for name in (EAST, WEST):
        source = world.sources[name]
        source.directory = world.directory()
        booking = ride_of("TX-0123456789abcdef", EAST, DEC_31)
        tags.append(source.tag(booking))
    assert tags[0] == tags[1]
    january = world.sources[EAST].tag(ride_of("TX-0123456789abcdef", EAST, DEC_31 + 7200))
    assert january != tags[0]  # another year of the act, another K_net


def test_a_source_may_not_book_for_an_operator_that_did_not_say_so(world: World) -> None:
    world.person("ann", EAST)
    with pytest.raises(Exception, match="may not book for"):
        world.sources[EAST].book("ann", [ride_of("TX-1", WEST, world.time)])


def test_tags_are_dropped_when_no_act_could_be_booked_again(world: World) -> None:
    world.person("ann", EAST)
    world.sources[EAST].book("ann", [ride_of("TX-0123456789abcdef", EAST, world.time)])
    world.sources[EAST].send_batches()
    tags = "SELECT count(*) FROM tags"
    assert world.database.read(lambda tx: tx.one(Rows, tags)) == Rows(8)
    world.time += 14 * 31 * 86400 - 60
    world.publish()
    assert world.database.read(lambda tx: tx.one(Rows, tags)) == Rows(8)
    world.time += 1800
    world.auditor().audit()  # the first request after it
    assert world.database.read(lambda tx: tx.one(Rows, tags)) == Rows(0)
