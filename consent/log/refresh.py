"""The rounds that nobody waits for: what was logged is covered soon, and cosignatures stay fresh.

grown.set()        after each sequencing       a round within a second or two
every minute       a look at the clock         a round when the last one is an hour old
"""

from __future__ import annotations

import threading
from contextlib import suppress

from consent.log.rounds import Rounds
from vault.errors import VaultError

LOOK = 60.0
PAUSE = 1.0
"""Seconds between looks at the clock, and after each round."""


class Refresh:
    """A thread that makes rounds while the app lives."""

    def __init__(self, rounds: Rounds, grown: threading.Event) -> None:
        """Stand still; `grown` is set whenever the log has grown."""
        self._rounds, self._grown = rounds, grown
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness rounds", daemon=True)

    def start(self) -> None:
        """Begin; without a witness there is nothing to do, and no thread."""
        if self._rounds.has_witnesses:
            self._thread.start()

    def stop(self) -> None:
        """End; a round that runs is waited for."""
        self._ended.set()
        self._grown.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._grown.clear()
            with suppress(VaultError):  # GET /v1/log tells it, and the next look tries again
                self._rounds.refresh()
            if not self._ended.wait(PAUSE):
                self._grown.wait(LOOK)
