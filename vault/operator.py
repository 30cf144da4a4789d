"""The vault's own side: its name, its keys, its clock and its source of randomness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from vault.crypto.keys import SigningKey
from vault.errors import LogUnavailable
from vault.messages import ClosedLog
from vault.storage.database import Transaction


def _may_turn(_: Transaction) -> None:
    """Return: nothing is in the way of a turn."""


def _knows_no_end(_tx: Transaction, closed: ClosedLog) -> None:
    raise LogUnavailable(f"this vault has not ended the log {closed.origin}")


@dataclass(frozen=True)
class Operator:
    """What a rule of the server may use besides its transaction.

    ``now`` returns unix seconds by the clock that moves months and slots; ``random`` returns so
    many random bytes; ``auditor`` is the pinned key (32 bytes) that signs the first directory;
    ``log`` is the vkey of this vault's first log, ``later`` those of the logs that may follow it,
    in their order; ``witnesses`` are the vkeys of those whom it asks to cosign its logs.
    ``check_turn`` returns when the log may end now, ``check_closed`` when a log ended as it is
    listed; both raise LogUnavailable, and the second BadShape.
    """

    vault: str
    key: SigningKey
    auditor: bytes
    log: str
    now: Callable[[], int]
    random: Callable[[int], bytes]
    witnesses: frozenset[str] = frozenset()
    later: tuple[str, ...] = ()
    check_turn: Callable[[Transaction], None] = _may_turn
    check_closed: Callable[[Transaction, ClosedLog], None] = _knows_no_end

    def log_after(self, vkey: str) -> str | None:
        """Return the vkey of the log that may follow this one, if there is a key for it."""
        logs = (self.log, *self.later)
        return dict(pairwise(logs)).get(vkey)
