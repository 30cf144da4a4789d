"""Fault points: named places where a test kills the process, to see that nothing is lost there.

    CARBONVAULT_FAULT=sequence-before-commit:3 carbonvault serve ./vault

The environment is read once, when this module is imported. Without that variable a point is one
comparison with None. With it the process ends itself by SIGKILL the third time it passes the named
point, after one line on the standard error. It is for tests and can only be set by whoever starts
the process; nothing on the network reaches it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from itertools import count
from types import MappingProxyType
from typing import NamedTuple

from vault.errors import BadPlace

VARIABLE = "CARBONVAULT_FAULT"

POINTS: Mapping[str, str] = MappingProxyType(
    {
        # The vault: one request, from its transaction to its answer.
        "request-before-commit": "vault.calls.Call.write.ruled",
        "request-after-commit": "vault.calls.Call.write",
        "answer": "vault.calls.answer",
        "sweep-before-commit": "vault.calls.Rollover._sweep",
        "sweep-after-commit": "vault.calls.Rollover.catch_up",
        # The log: from waiting rows to a checkpoint that is known outside.
        "sequence-before-commit": "consent.log.sequencer.Sequencer._append",
        "sequence-after-commit": "consent.log.sequencer.Sequencer._take",
        "known-before-rename": "consent.known.Known.keep",
        # An erasure, between its two halves and inside the second one.
        "erase-begun": "consent.erasure.complete",
        "erase-before-commit": "consent.erasure.finish",
        "erase-finished": "consent.erasure.complete",
        # A source's books, and what it sends.
        "batch-before-freeze": "vault.frozen.freeze_batch",
        "batch-frozen": "vault.outbox.Outbox.freeze_batch",
        "batch-before-send": "vault.delivery.Delivery._send_batch",
        "batch-answered": "vault.delivery.Delivery._send_batch",
        "batch-kept": "vault.delivery.Delivery._send_batch",
        "close-before-freeze": "vault.frozen.freeze_close",
        "close-frozen": "vault.outbox.Outbox.freeze_close",
        "close-before-send": "vault.delivery.Delivery._send_close",
        "close-answered": "vault.delivery.Delivery._send_close",
        "close-kept": "vault.delivery.Delivery._send_close",
        "absent-answered": "vault.delivery.Delivery.take_absent",
    }
)
"""Every fault point and the one function it stands in."""


class _Fault(NamedTuple):
    name: str
    passings: Iterator[int]
    at: int


def _read(wanted: str) -> _Fault | None:
    if not wanted:
        return None
    name, _, at = wanted.partition(":")
    if name not in POINTS or not at.isdecimal() or int(at) < 1:
        raise BadPlace(f"{VARIABLE}: wanted a fault point and a count, such as answer:1")
    return _Fault(name, count(1), int(at))


_FAULT = _read(os.environ.get(VARIABLE, ""))


def point(name: str) -> None:
    """Return; or, when the environment named this point, end the process by SIGKILL in time."""
    if _FAULT is not None and name == _FAULT.name and next(_FAULT.passings) == _FAULT.at:
        os.write(2, f"FAULT {name}\n".encode("ascii"))
        os.kill(os.getpid(), signal.SIGKILL)
