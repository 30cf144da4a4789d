"""kill -9 at every named point, again and again: nothing that was acknowledged is lost.

Every fault point of the server is hit at least five times, in the long tier forty; the histogram
is printed, and a point that is not hit fails the run. After each restart tests/invariants.py looks
at everything that was ever acknowledged. test_kill_source.py does the same for a source's books.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consent.demo.cast import CITY, SOURCES
from consent.holder import Holder
from consent.known import FILE
from consent.messages import Grant
from tests.invariants import Broken, Memory, check_invariants
from tests.strikes import Strike, check_all_struck, plan
from tests.struck import SERVE, NotStarted, Struck
from tests.world import JAN, terms
from vault.compose import Booking
from vault.crypto.keys import Root
from vault.errors import NotFound, Paused, Revoked
from vault.methodology.quantify import Act
from vault.months import DEFAULT_ZONE, Month, add_months, month_begins
from vault.source import Source

EAST, WEST = SOURCES
CREWS = 2
MONTHS = 22

# At which passing a point may strike: as far as the work of one or two months goes.
FURTHEST = {
    "request-before-commit": 25,
    "request-after-commit": 25,
    "answer": 40,
    "sweep-before-commit": 2,
    "sweep-after-commit": 2,
    "sequence-before-commit": 12,
    "sequence-after-commit": 14,
    "known-before-rename": 14,
    "erase-begun": 1,
    "erase-before-commit": 1,
    "erase-finished": 1,
}


@dataclass
class Person:
    """One holder in the town, and what they allowed."""

    name: str
    holder: Holder
    grants: list[Grant] = field(default_factory=list)


class Town(Struck):
    """A vault whose people come, ride, allow, stop and leave, month after month."""

    sources: dict[str, Source]
    people: list[Person]

    def settle(self) -> None:
        """Publish the first directory; the sources open their books."""
        self.publish()
        self.sources = {name: self.source(name) for name in SOURCES}
        self.people = []

    def settle_and_live(self) -> None:
        self.settle()
        self.live(JAN, 0)

    def live(self, month: Month, number: int) -> None:
        """Play one month: two people come, one month is closed, one person leaves."""
        self._move(month, day=2)
        self.publish()
        for source in self.sources.values():
            source.directory = self.directory()
        self._close(add_months(month, -1), number)
        self._release(add_months(month, -1))
        for name in SOURCES:
            self._join(f"{name} {number}", name, month)
        self._move(month, day=20)
        for source in self.sources.values():
            with suppress(NotFound):
                source.send_batches()
        if number >= 3:
            self.people.pop(0).holder.erase()

    def _move(self, month: Month, day: int) -> None:
        self.set_clock(month_begins(month, DEFAULT_ZONE) + (day - 1) * 86400 + 9 * 3600)

    def _close(self, month: Month, number: int) -> None:
        if number == 0:
            return
        # Now and then West sleeps through a month, which becomes absent.
        for name in SOURCES if number % 3 else (EAST,):
            with suppress(NotFound):  # a link of who has left; the others were closed
                self.sources[name].close(month)

    def _release(self, month: Month) -> None:
        for person in self.people[-2:]:
            for grant in person.grants:
                self._ask(person, grant, month)

    def _ask(self, person: Person, grant: Grant, month: Month) -> None:
        platform = self.platform(grant.platform)
        person.holder.pause(grant)
        with pytest.raises(Paused):
            platform.total(grant.grant, (month,))
        person.holder.resume(grant)
        assert platform.total(grant.grant, (month,)).grams == 243
        person.holder.stop(grant)
        with pytest.raises(Revoked):
            platform.total(grant.grant, (month,))

    def _join(self, name: str, source: str, month: Month) -> None:
        person = Person(name, self.holder(Root(os.urandom(20))))
        person.holder.open_account()
        person.holder.add_code()
        nonce = self.sources[source].offer(name)
        start = person.holder.start_link(source, nonce)
        person.holder.attach(start, self.sources[source].accept(name, nonce, start.code))
        self.sources[source].check_attached()
        self.sources[source].book(name, [self._ride(name, source)])
        if source == EAST:
            grant = person.holder.allow(terms(CITY, first=month, last=month), "en")
            person.holder.mint(grant)
            person.grants.append(grant)
        self.people.append(person)

    def _ride(self, name: str, source: str) -> Booking:
        act = Act("travel.bike", {"m": 5_000, "s": 1_000}, self.time, self.time + 1_000, "CN")
        return Booking(act, f"R-{name}", source, guessable=True)


def play(folder: Path, strikes: list[Strike]) -> tuple[Counter[str], Memory]:
    """Play months until every strike has struck; return the histogram, and what was checked."""
    folder.mkdir()
    memory = Memory()
    with Town(folder, JAN, strikes) as town:
        town.on_start = lambda: check_invariants(town, memory)
        town.settle()
        number = 0
        while town.strikes and number < MONTHS:
            town.live(add_months(JAN, number), number)
            number += 1
        check_invariants(town, memory)
    return town.hits, memory


def test_server_killed_at_every_point_keeps_what_it_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lives = plan(FURTHEST, list(FURTHEST), CREWS)
    with ThreadPoolExecutor(CREWS) as pool:
        played = list(pool.map(play, [tmp_path / str(n) for n in range(len(lives))], lives))
    hits = sum((found for found, _ in played), Counter[str]())
    memories = [memory for _, memory in played]
    facts = (
        f"{sum(m.checks for m in memories)} checks, {sum(len(m.places) for m in memories)} proofs,"
        f" {sum(m.resent for m in memories)} messages sent again"
    )
    with capsys.disabled():
        check_all_struck("server", FURTHEST, hits, facts)


def test_check_finds_a_server_that_answers_before_it_commits(tmp_path: Path) -> None:
    memory, late = Memory(), ("-m", "tests.late_commit", *SERVE[1:])
    with Town(tmp_path, JAN, [Strike("answer", 30)], late) as town:
        town.on_start = lambda: check_invariants(town, memory)
        with pytest.raises(NotStarted, match="old backup of the database"):
            town.settle_and_live()
        # Without the checkpoint beside the database it starts, and the check speaks.
        (tmp_path / "vault" / FILE).unlink()
        with pytest.raises(Broken):
            town.start()
