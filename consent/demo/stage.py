"""The stage of a demonstration: a real server on loopback, a clock moved by hand, every party.

    with Stage(folder, os.urandom) as stage:
        stage.move("2026-01", day=1, hour=8)
        stage.publish()                      # the auditor's next directory
        stage.source("east-bikes.demo")      # SDKs over real HTTP

The clock moves months, slots, ``iat`` and ``until``; DPoP proofs stay on the wall clock. The
directory says ``"demo": true``, so real clients refuse it unless asked.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from consent.auditor import Auditor
from consent.demo import cast as parts
from consent.demo.cast import Cast, Edition, compose, make_cast
from consent.holder import Holder
from consent.log.note import ED25519, VerifierKey
from consent.place import Settings, make_place, open_place, write_key
from consent.platform import Identity as PlatformIdentity
from consent.platform import Platform
from consent.policy import Policy, fetch_directory
from vault.crypto.keys import Root, Secret, SigningKey, account_key
from vault.directory import FIRST_PREV, Directory
from vault.encoding import Json, b64u, text_hash
from vault.errors import Unreachable
from vault.messages import LogEntry, ReleaseEntry
from vault.methodology.release import Release, load_release
from vault.months import DEFAULT_ZONE, Month, month_begins
from vault.outbox import Outbox
from vault.source import Identity, Source
from vault.wire import Wire

RELEASE = "demo-1"
START_SECONDS = 30


class Stage:
    """One running demonstration; leaving the block stops the server and closes the books."""

    def __init__(
        self, folder: Path, first: Month, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Make keys, folder and clock at the beginning of month `first`; nothing runs yet."""
        self._folder, self.random, self._first = folder, random, first
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.release: Release = load_release(RELEASE)
        self._now = month_begins(first, DEFAULT_ZONE)
        auditor = SigningKey(random(32))
        settings = Settings(parts.VAULT, self.url, auditor.public)
        make_place(folder / "vault", settings, random)
        self.place = open_place(folder / "vault")
        self.cast: Cast = make_cast(self.place.vault_key.public, auditor, random)
        self.log_vkey = str(VerifierKey(settings.origin, ED25519, self.place.log_key.public))
        self.policy = Policy(auditor.public, self.log_vkey, demo=True)
        self._version, self._prev = 0, FIRST_PREV
        self._http = httpx2.Client(timeout=60.0, trust_env=False)
        self._outboxes: list[Outbox] = []
        self._server: subprocess.Popen[bytes] | None = None

    # The clock

    def now(self) -> int:
        """Return the demonstration's time in unix seconds."""
        return self._now

    def move(self, month: Month, day: int, hour: int) -> None:
        """Move the clock, also the server's, to a day and hour of a month."""
        self._now = month_begins(month, DEFAULT_ZONE) + (day - 1) * 86400 + hour * 3600
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(str(self._now), encoding="ascii")
        fresh.replace(self._clock)

    @property
    def _clock(self) -> Path:
        return self._folder / "clock"

    # The server

    def __enter__(self) -> Self:
        """Start the server and wait until it answers."""
        self.move(self._first, day=1, hour=0)
        command = [sys.executable, "-m", "consent.cli", "serve", str(self._folder / "vault")]
        self._server = subprocess.Popen(  # noqa: S603 - this interpreter, on a folder made here
            [*command, "--clock", str(self._clock)], stdout=subprocess.DEVNULL
        )
        self._wait()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._server is None or self._server.poll() is not None:
                break
            try:
                self.wire().get("/v1/time")
            except Unreachable:
                time.sleep(0.05)
            else:
                return
        self._stop()
        raise Unreachable("the demonstration's server did not start")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and close the books."""
        self._stop()
        self._http.close()
        for outbox in self._outboxes:
            outbox.close()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=20)

    def stay(self) -> None:
        """Return when the server has ended."""
        if self._server is not None:
            self._server.wait()

    def where(self) -> dict[str, Json]:
        """Return what a visitor needs: the server, its log, and the two pinned keys."""
        return {
            "url": self.url,
            "log_url": f"{self.url}/log",
            "log_vkey": self.log_vkey,
            "auditor_key": b64u(self.cast.auditor.public),
        }

    def commands(self, grant: str) -> list[str]:
        """Return commands to try while the server runs, over key files written for them.

        `grant` is one of the city programme's, in hex.
        """
        keys = self._folder / "keys"
        keys.mkdir(mode=0o700)
        for actor in (self.cast.actors[parts.AUDITOR], self.cast.actors[parts.CITY]):
            write_key(keys / f"{actor.id}.key", actor.key.value)
            write_key(keys / f"{actor.id}.opening.key", actor.opening.value)
        return [
            f"./run carbonvault audit {self.url} --key {keys}/{parts.AUDITOR}.key"
            f" --log '{self.log_vkey}'",
            f"./run carbonvault platform total {self.url} {grant} {self._first} --id {parts.CITY}"
            f" --key {keys}/{parts.CITY}.key --opening-key {keys}/{parts.CITY}.opening.key"
            f" --auditor={b64u(self.cast.auditor.public)} --log '{self.log_vkey}' --demo",
        ]

    def wire(self, key: SigningKey | None = None) -> Wire:
        """Return a way to the server that speaks as this key."""
        return Wire(self.url, key, self._http, self.random)

    # The parties

    def publish(self) -> None:
        """Let the auditor sign, post and log the next directory."""
        self._version += 1
        edition = Edition(
            version=self._version,
            prev=self._prev,
            now=self._now,
            start=month_begins(self._first, DEFAULT_ZONE),
            log=LogEntry(
                origin=self.place.settings.origin, vkey=self.log_vkey, witnesses=(), quorum=0
            ),
            releases=(
                ReleaseEntry(id=self.release.id, sha256=self.release.sha256, begins=self._first),
            ),
            years=(int(self._first[:4]),),
        )
        text = self.auditor().publish(compose(self.cast, edition))
        self._prev = text_hash(text)

    def directory(self) -> Directory:
        """Return the directory in force, accepted as any client would."""
        return fetch_directory(self.wire(), self.policy, None, self._now)

    def auditor(self) -> Auditor:
        """Return the auditor's SDK."""
        return Auditor(self.cast.auditor, self.wire(self.cast.auditor), self.policy)

    def source(self, name: str) -> Source:
        """Return a source's SDK over fresh books in a file of its own."""
        actor = self.cast.actors[name]
        outbox = Outbox(self._folder / f"{name}.db", Secret(self.random(32)))
        self._outboxes.append(outbox)
        wire = self.wire(actor.key)
        return Source(
            Identity(actor.id, actor.key, (actor.opening,)),
            outbox,
            wire,
            self.directory(),
            self.release,
            self.now,
            self.random,
        )

    def holder(self, root: Root) -> Holder:
        """Return the SDK of the holder who has this root."""
        return Holder(root, self.wire(account_key(root)), self.policy, self.now, self.random)

    def platform(self, name: str) -> Platform:
        """Return a platform's SDK."""
        actor = self.cast.actors[name]
        identity = PlatformIdentity(actor.id, actor.key, (actor.opening,))
        return Platform(identity, self.wire(actor.key), self.policy, self.now)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
