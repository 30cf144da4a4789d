"""What witnesses cost: releases and revocations over HTTP, with and without a quorum of them.

    ./run python -m tests.benchmarks.witnessed [--turns 2]

Holders, links, closes, grants and tokens are made once (ready_vault.py). Each case then serves a
copy of that one vault and asks for the same windows, each once: no answer is a repeated one. Vaults
and witnesses are processes of their own on loopback, with files and fsync. All stand at once and
take turns, one busy at a time: a machine that is busy besides is so for all of them.

Every answer is checked as a platform checks it, and its total must be the same in every case; one
holder's are compared before anything is timed. Nothing is asserted about time, and
docs/performance.md keeps a run.
"""

from __future__ import annotations

import argparse
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import httpx2
from typer.main import get_command

from consent.auditor import Auditor
from consent.cli import app
from consent.demo.cast import CITY, compose
from consent.demo.stage import Stage
from consent.messages import Ask
from consent.platform import Identity, Platform
from tests.benchmarks.callers import Call, Done, Door, Figures, Group, answered, held, run
from tests.benchmarks.ready_vault import EACH, Act, Made, make
from vault.messages import LogEntry
from vault.wire import Wire

COMMAND = get_command(app)
START_SECONDS, PAUSE = 60, 0.05


class Case(NamedTuple):
    """Who witnesses the log; `falls`: measure also when all of them are killed."""

    name: str
    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    falls: bool = False


LATTICE = "lattice.example"
W1, W2, W3 = (f"w{n}.example" for n in (1, 2, 3))
NONE = Case("none")
CASES = (
    NONE,
    Case("1", (W1,), 1, falls=True),
    Case("2 of 3", (W1, W2, W3), 2),
    Case("1 with ML-DSA-44", (LATTICE,), 1),
)


class Sizes(NamedTuple):
    """What one turn has: releases by number of callers, then releases and revocations side by side.

    `callers` are those of each of the two groups. After the last turn as many revocations again are
    for when the witnesses are down.
    """

    turns: int = 2
    alone: tuple[tuple[int, int], ...] = ((1, 20), (8, 60), (32, 128))
    callers: int = 8
    releases: int = 60
    stops: int = 60

    @property
    def holders(self) -> int:
        """How many holders have that much; the first one's windows are asked for untimed."""
        each = sum(number for _, number in self.alone) + self.releases
        releases = EACH + self.turns * each + self.callers
        return -(-max(releases, (self.turns + 1) * self.stops) // EACH)


# Processes


def _run(*words: object) -> None:
    """Run a command to its end, here: a start takes a second."""
    with redirect_stdout(io.StringIO()):
        assert not COMMAND([*map(str, words)], standalone_mode=False)


@contextmanager
def spawn(*words: object) -> Iterator[subprocess.Popen[str]]:
    """Run a server of carbonvault until the block ends."""
    command = [sys.executable, "-m", "consent.cli", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def _until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        assert time.monotonic() < deadline, "the server did not come up"
        time.sleep(PAUSE)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _said(process: subprocess.Popen[str]) -> list[tuple[str, str]]:
    """Return the vkeys of a witness that listens, each with its URL."""
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    return [(vkey, said["url"]) for vkey in said["keys"]]


def make_witnesses(made: Made, cases: Sequence[Case]) -> None:
    """Make the folders of all witnesses, who know the vault's log."""
    for name in {name for case in cases for name in case.witnesses}:
        kind = "--lattice" if name == LATTICE else "--no-lattice"
        words = ("--name", name, kind, "--log", made.stage.log_vkey)
        _run("audit", "witness", "init", made.folder / name, *words)


@dataclass
class Standing:
    """A case that runs: whose totals are checked, what is left to do, and who can be killed."""

    case: Case
    made: Made
    door: Door
    platform: Platform
    witnesses: list[subprocess.Popen[str]]
    asks: Iterator[Act]
    stops: Iterator[Act]

    def check(self, done: Sequence[Done]) -> None:
        """Return when each answer proves its total, and the same one as in every other case."""
        for one in done:
            grams = self.platform.check(Ask.parse(one.act.body), one.body).grams
            assert self.made.totals.setdefault(one.act.body, grams) == grams

    def alone(self, callers: int, number: int, figures: Figures) -> None:
        """Let so many callers ask for so many windows."""
        group = Group(callers, islice(self.asks, number), answered, figures)
        self.check(*run(self.door, group))


@contextmanager
def stand(made: Made, case: Case, folder: Path) -> Iterator[Standing]:
    """Serve a copy of the vault with witnesses who have seen nothing of its log yet."""
    stage, vault = made.stage, copytree(made.folder / "vault", folder / "vault")
    door = Door(stage.url, _free_port())
    with ExitStack() as stack:
        witnesses = []
        for name in case.witnesses:
            where = copytree(made.folder / name, folder / name)
            served = spawn("audit", "witness", "serve", where, "--port", 0)
            witnesses.append(stack.enter_context(served))
        members = [member for process in witnesses for member in _said(process)]
        if members:
            listed = [f"--witness={vkey} {url}" for vkey, url in members]
            _run("log", "witnesses", vault, *listed, "--quorum", case.quorum)
        clock = made.folder / "clock"
        stack.enter_context(spawn("serve", vault, "--clock", clock, "--port", door.port))
        http = stack.enter_context(door.connect())
        _until(lambda: door.answers(http))
        _publish(stage, http, tuple(vkey for vkey, _ in members), case.quorum)
        actor = stage.cast.actors[CITY]
        identity = Identity(actor.id, actor.key, (actor.opening,))
        platform = Platform(identity, Wire(stage.url, actor.key, http), stage.policy, stage.now)
        yield Standing(case, made, door, platform, witnesses, iter(made.asks), iter(made.stops))


def _publish(stage: Stage, http: httpx2.Client, vkeys: tuple[str, ...], quorum: int) -> None:
    """Let the directory list the witnesses, and wait until they cosigned the log that holds it."""
    wire, edition = Wire(stage.url, stage.cast.auditor, http), stage.edition()
    log = LogEntry(origin=edition.log.origin, vkey=edition.log.vkey, witnesses=vkeys, quorum=quorum)
    listing = compose(stage.cast, replace(edition, log=log))
    Auditor(stage.cast.auditor, wire, stage.policy).publish(listing)

    def cosigned() -> bool:
        body = wire.get("/v1/log").body
        found = body["cosigned"]
        return isinstance(found, dict) and found["size"] == body["size"]

    if vkeys:
        _until(cosigned)


# The run

Part = int | str
Found = defaultdict[tuple[str, Part], Figures]
"""Figures by case and part: a number of callers who release alone, or a group beside another."""
RELEASES, STOPS = "releases", "revocations"


def measure(made: Made, sizes: Sizes, cases: Sequence[Case]) -> Found:
    """Return the figures of all turns."""
    found = Found(Figures)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        every = [stack.enter_context(stand(made, case, folder / case.name)) for case in cases]
        for one in every:
            one.alone(sizes.callers, EACH, Figures())
        for number in range(sizes.turns):
            take_turns(every if number % 2 == 0 else every[::-1], sizes, found)
        for one in every:
            if one.case.falls:
                fall(one, sizes, found)
    assert any(made.totals.values()), "nothing but totals of 0 grams"
    return found


def take_turns(every: Sequence[Standing], sizes: Sizes, found: Found) -> None:
    """Measure every case once, part by part."""
    for callers, number in sizes.alone:
        for one in every:
            one.alone(callers, number, found[one.case.name, callers])
    for one in every:
        some = islice(one.asks, sizes.releases)
        one.check(_beside(one, sizes, some, answered, one.case.name, found))


def fall(one: Standing, sizes: Sizes, found: Found) -> None:
    """Kill the witnesses of a case, and measure what goes on."""
    for process in one.witnesses:
        process.kill()
        process.wait()
    _beside(one, sizes, cycle(one.asks), held, f"{one.case.name}, killed", found)


def _beside(
    one: Standing, sizes: Sizes, asks: Iterator[Act], call: Call, name: str, found: Found
) -> list[Done]:
    """Return the releases that were done while others revoked."""
    releases = Group(sizes.callers, asks, call, found[name, RELEASES])
    ending = Group(sizes.callers, islice(one.stops, sizes.stops), answered, found[name, STOPS])
    return run(one.door, releases, ending)[0]


def tables(found: Found, sizes: Sizes, cases: Sequence[Case]) -> Iterator[str]:
    """Yield the lines of both tables, as docs/performance.md has them."""
    compared = "times as many | median ms | more | 95th ms | more |"
    yield f"| callers | witnesses | releases/s | {compared} releases a checkpoint |"
    yield "|--:|---|--:|--:|--:|--:|--:|--:|--:|"
    for callers, _ in sizes.alone:
        for case in cases:
            yield _alone(callers, case.name, found[case.name, callers], found[NONE.name, callers])
    yield ""
    yield f"| witnesses | releases/s | revocations/s | {compared}"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for name in [name for name, part in found if part == STOPS]:
        releases, own = found[name, RELEASES], found[name, STOPS]
        rate = f"{releases.rate:,.0f}" if releases.rounds else "0 (all held)"
        yield f"| {name} | {rate} | {_compared(own, found[NONE.name, STOPS])} |"


def _alone(callers: int, name: str, own: Figures, bare: Figures) -> str:
    return f"| {callers} | {name} | {_compared(own, bare)} | {len(own.times) / own.rounds:.1f} |"


def _compared(own: Figures, bare: Figures) -> str:
    return (
        f"{own.rate:,.0f} | {own.rate / bare.rate:.2f} |"
        f" {own.median:,.1f} | {own.median - bare.median:+,.1f} |"
        f" {own.late:,.1f} | {own.late - bare.late:+,.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="releases and revocations with witnesses")
    parser.add_argument("--turns", type=int, default=Sizes().turns)
    sizes = Sizes(parser.parse_args().turns)
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), sizes.holders)
        make_witnesses(made, CASES)
        found = measure(made, sizes, CASES)
    for line in tables(found, sizes, CASES):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
