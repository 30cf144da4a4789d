"""A release against a revoke: 64 threads, round after round, over a real SQLCipher file.

In each round 1, 2, 8 or 32 of the threads send the stop of a grant, the same bytes, while the
others ask for its total until they are refused. The rules run as the server runs them: one
transaction, then the proof, then the answer. Nothing is released after the answer to the stop, and
the log's order is the order in which the transactions decided.

The normal run plays 100 rounds over the rules and 3 over HTTP, the long tier 1,000 and 30.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import pytest

from consent import grants, guard, releases
from consent.demo.cast import CITY
from consent.log.sequencer import Sequencer
from consent.messages import Ask, Grant, LinkMonths, Refusal, Release, Revoke
from consent.tokens import Granted, seal_token, sign_token, sum_masks
from tests.invariants import KINDS
from tests.strikes import SEED
from tests.world import EAST, JAN, URL, World
from vault import register
from vault.calls import Service
from vault.crypto.keys import account_key, consent_key, stream_key
from vault.encoding import compact_json, read_envelope, text_hash
from vault.errors import Revoked
from vault.storage.database import Transaction
from vault.wire import Wire, text_of

THREADS = 64
DEEP = bool(os.environ.get("CARBONVAULT_DEEP"))
ROUNDS, HTTP_ROUNDS = (1_000, 30) if DEEP else (100, 3)
WAIT = 60
STOPS = (1, 2, 8, 32)
RACING = (Release.typ, Revoke.typ, Refusal.typ)


@dataclass
class Round:
    """One grant and what became of it; `decided` is in the order of the transactions."""

    grant: Grant
    revoke: str
    decided: list[bytes] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    late: list[bytes] = field(default_factory=list)
    asked: int = 0

    def note(self, name: bytes) -> None:
        """Note what a transaction decided; the same decision again is none."""
        if name not in self.decided:
            self.decided.append(name)

    @cached_property
    def asked_for(self) -> Ask:
        return Ask(grant=self.grant.grant, window=(JAN,), purpose=self.grant.purposes[0])


class Rules:
    """The two rules as the server calls them."""

    def __init__(self, world: World) -> None:
        service: Service = world.app.state.service
        log: Sequencer = world.app.state.log
        self.database, self.operator, self.log = service.database, service.operator, log

    def stop(self, found: Round, account: str) -> None:
        """Revoke the grant; what is asked after this returned is late."""

        def work(tx: Transaction) -> bytes:
            name = grants.change(tx, self.operator, account, found.grant.grant, found.revoke)
            found.note(name)
            return name

        self.log.prove(self.database.write(work))
        found.stopped.set()

    def ask(self, found: Round) -> bool:
        """Ask once; return whether the total was released."""
        late = found.stopped.is_set()

        def work(tx: Transaction) -> tuple[bytes, bool]:
            answer = releases.ask(tx, self.operator, register.in_force(tx), CITY, found.asked_for)
            found.note(answer.name)
            return answer.name, isinstance(answer, releases.Released)

        name, released = self.database.write(work)
        self.log.prove(name)
        found.asked += 1
        if released and late:
            found.late.append(name)
        return released


class Race:
    """One person, one closed month, and grants of it that are given again and again."""

    def __init__(self, world: World, pool: ThreadPoolExecutor) -> None:
        self.world, self.rules, self._pool = world, Rules(world), pool
        self._draw = random.Random(SEED)
        self.person = world.person("ann", EAST)
        world.ride(self.person, EAST, 5_000)
        self._first = world.allow(self.person, CITY, last=JAN)
        world.close_month(JAN)
        self.account = self.person.holder.account
        self.key = consent_key(self.person.root, CITY)
        self._cells = (LinkMonths(self.person.links[EAST], (JAN,)),)
        self._masks = sum_masks(
            lambda link: stream_key(self.person.root, link), self._cells, self._first.scope
        )
        self._sealing = world.directory().sealing_key(CITY, world.time)

    def round(self) -> Round:
        """Allow the city the month once more, with the same cells: the same total, no new atom."""
        grant = self._first.model_copy(update={"grant": os.urandom(16)})
        granted = Granted(grant.grant, (JAN,))
        sealed = seal_token(self._masks, self._sealing, granted)
        post = sign_token(self.key, self.world.time, granted, self._cells, sealed)
        text, operator = grant.signed(self.key), self.rules.operator

        def work(tx: Transaction) -> None:
            directory = register.in_force(tx)
            grants.give(tx, operator, directory, self.account, text)
            guard.mint(tx, operator, directory, self.account, post)

        self.rules.database.write(work)
        revoke = Revoke(iat=self.world.time, grant=grant.grant, n=1).signed(self.key)
        found = Round(grant, revoke)
        assert found.asked_for  # composed before the start: both sides are equally quick
        return found

    def run(self, stops: int, stop: Callable[[], None], ask: Callable[[], bool]) -> None:
        """Let all threads start at once: `stops` of them stop, the others ask until refused."""
        start, stopping = threading.Barrier(THREADS), self._draw.sample(range(THREADS), stops)

        def thread(number: int) -> None:
            start.wait(WAIT)
            if number in stopping:
                stop()
            else:
                while ask():
                    pass

        for done in [self._pool.submit(thread, number) for number in range(THREADS)]:
            done.result(WAIT)

    def check(self, played: list[Round]) -> tuple[int, int]:
        """Return how many releases and refusals were logged, once all is in order.

        1. nothing was released to who asked after the answer to the stop. 2. each round's release
        stands before its revoke, each refusal after it. 3. the log has the order of the decisions.
        4. the replay finds nothing.
        """
        kinds = dict(self._logged())
        released = 0
        for found in played:
            assert found.late == []  # 1
            order = [kinds[name] for name in found.decided]
            released += order.count(Release.typ)
            assert order in ([Revoke.typ, Refusal.typ], [Release.typ, Revoke.typ, Refusal.typ])  # 2
        decided = [name for found in played for name in found.decided]
        assert [name for name, _ in self._logged()] == decided  # 3
        assert self.world.auditor().audit().findings == []  # 4
        return released, len(played)

    def _logged(self) -> list[tuple[bytes, str]]:
        sql = "SELECT hash, text FROM journal WHERE position IS NOT NULL ORDER BY position"
        rows = self.rules.database.read(lambda tx: tx.all(Entry, sql))
        named = [(row.hash, read_envelope(row.text, *KINDS).typ) for row in rows]
        return [(name, kind) for name, kind in named if kind in RACING]


class Entry(NamedTuple):
    hash: bytes
    text: str


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    with World(tmp_path) as world, ThreadPoolExecutor(THREADS) as pool:
        yield Race(world, pool)


def tell(capsys: pytest.CaptureFixture[str], played: list[Round], facts: str) -> None:
    asked = sum(found.asked for found in played)
    with capsys.disabled():
        print(f"\n{len(played)} rounds of {THREADS} threads, {asked} asks: {facts}")  # noqa: T201


def test_nothing_is_released_after_the_stop_and_the_log_has_the_order_of_decisions(
    race: Race, capsys: pytest.CaptureFixture[str]
) -> None:
    played = []
    for turn in range(ROUNDS):
        found = race.round()
        race.run(
            STOPS[turn % len(STOPS)],
            partial(race.rules.stop, found, race.account),
            partial(race.rules.ask, found),
        )
        played.append(found)
    released, refused = race.check(played)
    assert 0 < released < ROUNDS  # now the one came first, now the other: there was a race
    tell(capsys, played, f"{released} released before their stop, {refused} refused after it")


def test_check_finds_a_stop_that_is_answered_before_it_is_decided(race: Race) -> None:
    found = race.round()

    def early() -> None:
        found.stopped.set()
        time_to_ask.wait(WAIT)
        race.rules.stop(found, race.account)

    def ask() -> bool:
        released = race.rules.ask(found)
        if released:
            time_to_ask.set()
        return released

    time_to_ask = threading.Event()
    race.run(1, early, ask)
    assert found.late
    with pytest.raises(AssertionError):
        race.check([found])


def test_nothing_is_released_after_the_answer_over_http(
    race: Race, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = Wire(URL, account_key(race.person.root), race.world.client)
    city = Wire(URL, race.world.cast.actors[CITY].key, race.world.client)
    played = []
    for turn in range(HTTP_ROUNDS):
        found = race.round()

        def stop(found: Round = found) -> None:
            holder.post(f"/v1/holder/grants/{found.grant.grant.hex()}/status", found.revoke)
            found.stopped.set()

        def ask(found: Round = found) -> bool:
            late = found.stopped.is_set()
            try:
                answer = city.post("/v1/releases", compact_json(found.asked_for.plain()))
            except Revoked:
                return False
            finally:
                found.asked += 1
            if late:
                found.late.append(text_hash(text_of(answer.body, "release")))
            return True

        race.run(STOPS[turn % len(STOPS)], stop, ask)
        played.append(found)
    assert [found.late for found in played] == [[]] * HTTP_ROUNDS
    assert race.world.auditor().audit().findings == []
    tell(capsys, played, "over HTTP")
