"""A vault whose server is killed at named points while its people go on with what they do.

    with Struck(folder, strikes) as town:
        town.publish()                       # sent again, the same bytes, whenever the server died

The server is the real one, ``carbonvault serve`` over a SQLCipher file; ``vault/faults.py`` kills
it. Whatever a party sends is kept here with the vault's answer: what was acknowledged must stand.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import httpx2

from consent.demo.cast import VAULT
from consent.demo.company import Company
from consent.place import Settings, make_place, open_place
from tests.forge import Process, forge
from tests.strikes import KILLED, Strike, environment
from vault.crypto.keys import SigningKey
from vault.errors import Unreachable
from vault.months import DEFAULT_ZONE, Month, month_begins
from vault.wire import Answer, Wire

T = TypeVar("T")
START_SECONDS = 60
DIE_SECONDS = 10
ROOT = Path(__file__).parents[1]
SERVE = ("-m", "consent.cli", "serve")


class Tried(NamedTuple):
    """A request that was sent, answered or not."""

    method: str
    path: str
    body: bytes


class Said(NamedTuple):
    """A request that the vault answered, and the answer."""

    key: SigningKey | None
    method: str
    path: str
    body: bytes
    answer: Answer


class NotStarted(Exception):
    """The server ended by itself instead of starting; the text is what it said."""


class Patient(Wire):
    """A way to the vault that sends the same bytes again after the server was killed."""

    def __init__(self, town: Struck, key: SigningKey | None) -> None:
        super().__init__(town.url, key, town.http, town.random)
        self._town, self._signer = town, key

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        raw = body.encode("ascii") if isinstance(body, str) else body
        self._town.tried.append(Tried(method, path, raw))
        answer = self._town.through(lambda: super(Patient, self).send(method, path, body, headers))
        self._town.said.append(Said(self._signer, method, path, raw, answer))
        return answer

    def raw(self, path: str) -> bytes:
        return self._town.through(lambda: super(Patient, self).raw(path))


class Struck(Company):
    """A company around one server that dies by plan."""

    def __init__(
        self, folder: Path, first: Month, strikes: Iterable[Strike], entry: tuple[str, ...] = SERVE
    ) -> None:
        """Make keys, folder and clock; `entry` are the words that run a server."""
        self.time = month_begins(first, DEFAULT_ZONE) + 8 * 3600
        self.folder, self.entry = folder, entry
        auditor = SigningKey(os.urandom(32))
        url = f"http://127.0.0.1:{_free_port()}"
        make_place(folder / "vault", Settings(VAULT, url, auditor.public), os.urandom)
        self.http = httpx2.Client(timeout=60.0, trust_env=False)
        place = open_place(folder / "vault")
        super().__init__(place, auditor, first, self.http, lambda: self.time, os.urandom, None)
        self.strikes = deque(strikes)
        self.hits: Counter[str] = Counter()
        self.tried: list[Tried] = []
        self.said: list[Said] = []
        self.on_start: Callable[[], None] = lambda: None
        self._server: Process | None = None
        self._listening = False
        self.set_clock(self.time)

    def set_clock(self, seconds: int) -> None:
        self.time = seconds
        fresh = self.folder / "clock.new"
        fresh.write_text(str(seconds), encoding="ascii")
        fresh.replace(self.folder / "clock")

    def wire(self, key: SigningKey | None = None) -> Wire:
        return Patient(self, key)

    def through(self, ask: Callable[[], T]) -> T:
        """Return the answer, after as many restarts as it takes."""
        while True:
            try:
                return ask()
            except Unreachable:
                self._bury()
                self.start()

    # The server

    @property
    def spoken(self) -> str:
        """Everything that the servers wrote to their standard output and error."""
        return (self.folder / "server.log").read_text(encoding="utf-8")

    def start(self) -> None:
        """Start the server, again and again while it is killed in the middle of starting.

        Raises:
            NotStarted: it ended by itself.
        """
        while not self._launch():
            self._bury()
        self.on_start()

    def _launch(self) -> bool:
        """Return whether the server came to answer; False: it was killed before."""
        self._server = self.process(self.strikes[0] if self.strikes else None)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._server.poll() is not None:
                return False
            try:
                Wire(self.url, None, self.http).get("/v1/time")
            except Unreachable:
                time.sleep(0.02)
            else:
                return True
        raise NotStarted("the server does not answer")

    def process(self, strike: Strike | None) -> Process:
        """Return a new server process that the strike waits for."""
        words = [*self.entry, str(self.folder / "vault"), "--clock", str(self.folder / "clock")]
        return forge(words, self.folder / "server.log", environment(strike))

    def _bury(self) -> None:
        """Count the strike that ended the server, which must be the one that was planned."""
        if self._server is None:
            raise NotStarted("the server was never started")
        try:
            code = self._server.wait(timeout=DIE_SECONDS)
        except subprocess.TimeoutExpired as alive:
            raise NotStarted(f"it lives and does not answer: {self.spoken[-2000:]}") from alive
        last = self.spoken.rstrip().rpartition("\n")[2]
        if code != KILLED or not self.strikes:
            raise NotStarted(self.spoken[-2000:])
        strike = self.strikes.popleft()
        assert last == f"FAULT {strike.point}", self.spoken[-2000:]
        self.hits[strike.point] += 1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None and self._server.poll() is None:
            self._server.kill()
            self._server.wait(timeout=START_SECONDS)
        self.http.close()
        self.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
