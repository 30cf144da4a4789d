"""Processes that begin with the project imported: each is forked from one that did nothing else.

    server = forge(("-m", "consent.cli", "serve", "./vault"), log=Path("server.log"))
    server.kill(); server.wait(10)           -9, as subprocess.Popen would say

They are processes like any other, with an environment, a standard output and an end of their own.
Only the second in which an interpreter reads what it runs is spent once and not hundreds of times.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from vault import faults

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["consent.cli", "consent.app", "tests.source_process", __name__])
_turn = threading.Lock()  # whoever starts one asks after all others: an end can be read once only


class Process:
    """A process that was started, to be asked and ended as one of subprocess."""

    def __init__(self, words: Sequence[str], log: Path | None, env: Mapping[str, str]) -> None:
        where = str(log or os.devnull)
        self._process = _context.Process(target=_run, args=(words, where, dict(env)), daemon=True)
        with _turn:
            self._process.start()

    def poll(self) -> int | None:
        """Return how it ended: its exit code, or a signal below 0; None while it runs."""
        with _turn:
            return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Return how it ended, within so many seconds; raises subprocess.TimeoutExpired."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("a forged process", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None and self._process.pid:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def forge(
    words: Sequence[str], log: Path | None = None, env: Mapping[str, str] | None = None
) -> Process:
    """Start `python words`, which begin with -m; what it writes is added to the log."""
    return Process(words, log, os.environ if env is None else env)


def _run(words: Sequence[str], log: str, env: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    importlib.reload(faults)  # it reads the environment when it is imported
    dash, module, *rest = words
    assert dash == "-m"
    sys.argv = [module, *rest]
    sys.modules.pop(module, None)  # it runs anew, as -m would run it
    runpy.run_module(module, run_name="__main__", alter_sys=True)
