"""The stage of a demonstration: a real server on loopback, a clock moved by hand, every party.

    with Stage(folder, os.urandom) as stage:
        stage.move("2026-01", day=1, hour=8)
        stage.publish()                      # the auditor's next directory
        stage.source("east-bikes.demo")      # SDKs over real HTTP

The clock moves months, slots, ``iat`` and ``until``; DPoP proofs stay on the wall clock. The
directory says ``"demo": true``, so real clients refuse it unless asked.
"""

from __future__ import annotations

import errno
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

from consent.demo.cast import AUDITOR, CITY, VAULT
from consent.demo.company import RELEASE, Company
from consent.folder import Pins, make_folder
from consent.place import Settings, make_place, open_place, write_key
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u
from vault.errors import Unreachable
from vault.months import DEFAULT_ZONE, Month, month_begins

START_SECONDS = 30


class Stage(Company):
    """One running demonstration; leaving the block stops the server and closes the books."""

    def __init__(
        self,
        folder: Path,
        first: Month,
        random: Callable[[int], bytes] = os.urandom,
        release: str = RELEASE,
    ) -> None:
        """Make keys, folder and clock at the beginning of month `first`; nothing runs yet."""
        self._folder = folder
        self._time = month_begins(first, DEFAULT_ZONE)
        auditor = SigningKey(random(32))
        url = f"http://localhost:{_free_port()}"  # browsers give passkeys to names, not addresses
        make_place(folder / "vault", Settings(VAULT, url, auditor.public), random)
        place, http = open_place(folder / "vault"), httpx2.Client(timeout=60.0, trust_env=False)
        super().__init__(place, auditor, first, http, self._read, random, folder, release)
        self._server: subprocess.Popen[bytes] | None = None

    def _read(self) -> int:
        return self._time

    # The clock

    def move(self, month: Month, day: int, hour: int) -> None:
        """Move the clock, also the server's, to a day and hour of a month."""
        self._time = month_begins(month, DEFAULT_ZONE) + (day - 1) * 86400 + hour * 3600
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(str(self._time), encoding="ascii")
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
        self.close()

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
        """Return commands to try while the server runs, over keys and a folder made for them.

        `grant` is one of the city programme's, in hex.
        """
        auditor, city = self.cast.actors[AUDITOR], self.cast.actors[CITY]
        key = self._folder / f"{AUDITOR}.key"
        write_key(key, auditor.key.value)
        platform = make_folder(self._folder / CITY, "platform", Pins(CITY, self.url, self.policy))
        platform.keep_pair(city.key, city.opening)
        return [
            f"./run carbonvault audit run {self.url} --key {key} --log '{self.log_vkey}'",
            f"./run carbonvault platform total {platform.path} {grant} {self._first}",
        ]


def _free_port() -> int:
    """Return a port that is free in both families, where both are there: a browser tries both."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        try:
            socket.create_server(("::1", port), family=socket.AF_INET6).close()
        except OSError as bad:
            if bad.errno == errno.EADDRINUSE:
                continue
        return port
