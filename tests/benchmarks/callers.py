"""Callers who do acts over HTTP, one group beside another, and how long each act took.

    run(door, Group(8, iter(asks), answered, figures))                   alone
    run(door, Group(8, asks, …), Group(8, stops, …))                     side by side
    figures.rate, figures.median, figures.late                           a second; milliseconds

A caller is a thread with a connection of its own, which stands before the clock begins. What is
timed is one request as an SDK sends it: sign the DPoP proof, send, wait, read the answer.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx2

from consent.log.proof import read_proof
from tests.benchmarks.ready_vault import Act
from vault.encoding import Json
from vault.errors import LogUnavailable, Unreachable
from vault.wire import Wire, text_of

PATIENCE = 60.0


class _To(httpx2.HTTPTransport):
    """Carries what is meant for a public URL to another port, as a proxy before a vault does."""

    def __init__(self, port: int) -> None:
        super().__init__(trust_env=False)
        self._port = port

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=self._port)
        return super().handle_request(request)


class Door(NamedTuple):
    """A vault's public URL, and the port of this machine where a server for it listens."""

    url: str
    port: int

    def connect(self) -> httpx2.Client:
        """Return fresh connections."""
        return httpx2.Client(transport=_To(self.port), timeout=PATIENCE)

    def answers(self, http: httpx2.Client) -> bool:
        """Return whether a server answers there."""
        try:
            Wire(self.url, None, http).get("/v1/time")
        except Unreachable:
            return False
        return True


class Done(NamedTuple):
    """One request that was answered: it took so many seconds, until `end` of the same clock."""

    act: Act
    took: float
    end: float
    body: dict[str, Json]


@dataclass
class Figures:
    """What was measured, over all turns; `rounds` counts the checkpoints that proofs stand on."""

    times: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    rounds: int = 0

    def take(self, done: Sequence[Done]) -> None:
        """Take one measurement in."""
        self.times += [one.took for one in done]
        self.elapsed += max(one.end for one in done) - min(one.end - one.took for one in done)
        self.rounds += len({size_of(one.body) for one in done if one.body})

    @property
    def rate(self) -> float:
        """How many a second."""
        return len(self.times) / self.elapsed

    @property
    def median(self) -> float:
        """The median time of one, in milliseconds."""
        return statistics.median(self.times) * 1000

    @property
    def late(self) -> float:
        """What 95 of 100 took at most, in milliseconds."""
        return sorted(self.times)[-(len(self.times) // 20) - 1] * 1000


def size_of(body: dict[str, Json]) -> str:
    """Return the size of the checkpoint that an answer's proof stands on."""
    return read_proof(text_of(body, "proof")).checkpoint.split("\n")[1]


Call = Callable[[Wire, Act], dict[str, Json]]


class Group(NamedTuple):
    """So many callers who do acts one after another, and where their figures go."""

    callers: int
    acts: Iterator[Act]
    call: Call
    figures: Figures


def answered(wire: Wire, act: Act) -> dict[str, Json]:
    """Return the answer to an act."""
    return wire.post(act.path, act.body).body


def held(wire: Wire, act: Act) -> dict[str, Json]:
    """Return nothing once a release was held."""
    try:
        wire.post(act.path, act.body)
    except LogUnavailable:
        return {}
    raise AssertionError("a release left without its witness")


def run(door: Door, *groups: Group) -> list[list[Done]]:
    """Return what each group did side by side, until the first of them has nothing left to do."""
    over, turn = threading.Event(), threading.Lock()
    gate = threading.Barrier(1 + sum(group.callers for group in groups))

    def following(group: Group) -> Act | None:
        with turn:
            return next(group.acts, None)

    def caller(group: Group) -> list[Done]:
        done = []
        with door.connect() as http:
            assert door.answers(http)  # the connection stands
            gate.wait(PATIENCE)
            try:
                while (act := following(group)) is not None:
                    wire, begun = Wire(door.url, act.key, http), time.perf_counter()
                    body = group.call(wire, act)
                    end = time.perf_counter()
                    done.append(Done(act, end - begun, end, body))
                    if over.is_set():
                        break
            finally:
                over.set()
        return done

    with ThreadPoolExecutor(gate.parties) as pool:
        each = [[pool.submit(caller, group) for _ in range(group.callers)] for group in groups]
        gate.wait(PATIENCE)
        found = [[done for one in some for done in one.result()] for some in each]
    for group, done in zip(groups, found, strict=True):
        group.figures.take(done)
    return found
