"""Keys of the directory at the doors: before they begin, while they are valid, after they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial

import httpx2
import pytest

from consent.demo.cast import AUDITOR, CITY, compose
from tests.town import (
    BY_NAME,
    LETTERS,
    PROVED,
    SOURCE_UNLINK,
    Door,
    Town,
    attach_letter,
    check_letter,
    check_refused,
    letter,
    path_of,
    rows,
    touched,
)
from tests.world import EAST, WEST
from vault.crypto.keys import SigningKey
from vault.errors import UnknownKey
from vault.messages import KeyTime

SOURCES_MESSAGES = ["cv1-batch", "cv1-close", SOURCE_UNLINK]
# What the auditor posts is signed by the pinned key, whatever the directory says of it.
LISTED = [d for d in PROVED if d.by in (EAST, CITY, AUDITOR) and d.takes != "cv1-directory"]
each_listed = pytest.mark.parametrize("door", LISTED, ids=str)


@pytest.fixture
def fresh() -> Iterator[Town]:
    """A town of its own for each test."""
    with Town() as town:
        yield town


@pytest.fixture(scope="module")
def shut() -> Iterator[Callable[[str, int, int], Town]]:
    """The town where a party's key is not valid now, for calls that leave no trace in it."""
    with ExitStack() as stack:

        def made(by: str, begins: int, until: int) -> Town:
            town = stack.enter_context(Town())
            retime(town, by, town.time + begins, town.time + until)
            return town

        yield cache(made)


def publish_keys(town: Town, name: str, sig: tuple[KeyTime, ...]) -> None:
    """Publish a directory in which the party has these signing keys."""
    listing = compose(town.cast, town.edition())
    entries = tuple(
        party.model_copy(update={"sig": sig}) if party.id == name else party
        for party in listing.entries
    )
    town.auditor().publish(listing.model_copy(update={"entries": entries}))


def retime(town: Town, name: str, begins: int, until: int) -> None:
    """Publish a directory in which the party's one key is valid in [begins, until)."""
    publish_keys(town, name, (KeyTime(pk=town.key(name).public, begins=begins, until=until),))


def knock(town: Town, door: Door) -> httpx2.Response:
    body = letter(town, door).body() if door.takes else b""
    return town.knock(door.method, path_of(town, door), body, town.key(door.by))


@each_listed
@pytest.mark.parametrize(("begins", "until"), [(1, 1000), (-1000, 0)], ids=["before", "after"])
def test_a_key_out_of_its_time_opens_no_door(
    shut: Callable[[str, int, int], Town], door: Door, begins: int, until: int
) -> None:
    town = shut(door.by, begins, until)
    check_refused(town, lambda: knock(town, door), UnknownKey)


@each_listed
@pytest.mark.parametrize(("begins", "until"), [(0, 1000), (-1000, 1)], ids=["first", "last"])
def test_a_key_opens_its_doors_from_its_first_second_to_its_last(
    fresh: Town, door: Door, begins: int, until: int
) -> None:
    retime(fresh, door.by, fresh.time + begins, fresh.time + until)
    assert knock(fresh, door).status_code == 200


@pytest.mark.parametrize(("begins", "until"), [(1, 1000), (-1000, 0)], ids=["before", "after"])
def test_a_link_answer_by_a_key_out_of_its_time_is_not_attached(
    fresh: Town, begins: int, until: int
) -> None:
    found = attach_letter(fresh)
    retime(fresh, WEST, fresh.time + begins, fresh.time + until)
    check_letter(fresh, found, UnknownKey)


# A key that another one follows


def turn_key(town: Town, name: str) -> SigningKey:
    """Publish a directory in which the party's key has ended and another one is listed."""
    fresh, now = SigningKey(b"\x31" * 32), town.time
    last = KeyTime(pk=town.key(name).public, begins=now - 86400, until=now)
    following = KeyTime(pk=fresh.public, begins=now, until=now + 86400)
    publish_keys(town, name, (last, following))
    return fresh


def knock_as(town: Town, door: Door, body: bytes, key: SigningKey) -> httpx2.Response:
    return town.knock(door.method, path_of(town, door), body, key)


@pytest.mark.parametrize("typ", ["cv1-batch", "cv1-close"])
def test_the_same_bytes_get_the_stored_receipt_also_after_their_key_has_ended(
    fresh: Town, typ: str
) -> None:
    door, body = BY_NAME[typ], LETTERS[typ](fresh).body()
    first = knock_as(fresh, door, body, fresh.key(EAST)).json()
    later = turn_key(fresh, EAST)
    before = rows(fresh.database)
    again = knock_as(fresh, door, body, later)
    assert (again.status_code, again.json()["receipt"]) == (200, first["receipt"])
    assert touched(fresh, before) == set()


@pytest.mark.parametrize("typ", SOURCES_MESSAGES)
def test_a_key_that_has_ended_signs_nothing_new_and_opens_no_door(fresh: Town, typ: str) -> None:
    door, found = BY_NAME[typ], LETTERS[typ](fresh)
    later = turn_key(fresh, EAST)
    check_refused(fresh, lambda: knock_as(fresh, door, found.body(), later), UnknownKey)
    check_refused(fresh, lambda: knock_as(fresh, door, found.body(), found.key), UnknownKey)
    assert knock_as(fresh, door, replace(found, key=later).body(), later).status_code == 200


@pytest.mark.parametrize("typ", SOURCES_MESSAGES)
def test_the_next_key_signs_nothing_before_it_begins(fresh: Town, typ: str) -> None:
    door, then = BY_NAME[typ], fresh.time + 1000
    following = SigningKey(b"\x31" * 32)
    keys = ((fresh.key(EAST), fresh.time, then), (following, then, then + 1000))
    listed = tuple(KeyTime(pk=key.public, begins=begins, until=end) for key, begins, end in keys)
    publish_keys(fresh, EAST, listed)
    by_next = replace(LETTERS[typ](fresh), key=following).body()
    for caller in (following, fresh.key(EAST)):
        check_refused(fresh, partial(knock_as, fresh, door, by_next, caller), UnknownKey)
    fresh.time = then
    assert knock_as(fresh, door, by_next, following).status_code == 200
