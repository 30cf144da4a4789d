"""The rounds that nobody waits for: what was logged is covered soon, and cosignatures stay fresh.

grown.set()        after each sequencing       a round within a second or two
every minute       a look at the clock         a round when the last one is an hour old
"""

from __future__ import annotations

import logging
import threading
from traceback import extract_tb

from consent.log.rounds import Rounds
from vault.errors import VaultError

LOOK = 60.0
PAUSE = 1.0
"""Seconds between looks at the clock, and after each round."""


_logger = logging.getLogger(__name__)
_UNFORESEEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
# What a machine without memory, threads or sockets raises, and a fault of ours. What the database
# or a witness can raise comes as a VaultError. By name, so that nothing that is meant to end a
# thread is kept from it; all of them, since without this thread cosignatures grow old unseen.


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
            self._look()
            if not self._ended.wait(PAUSE):
                self._grown.wait(LOOK)

    def _look(self) -> None:
        try:
            self._rounds.refresh()
        except VaultError:
            pass  # GET /v1/log tells it, and the next look tries again
        except _UNFORESEEN as fault:
            # Where, and of what kind: its text could hold anything.
            place = extract_tb(fault.__traceback__)[-1]
            _logger.warning(
                "a witness round failed: %s in %s, line %s",
                type(fault).__name__,
                place.name,
                place.lineno,
            )
