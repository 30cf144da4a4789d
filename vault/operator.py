"""The vault's own side: its name, its key, its clock and its source of randomness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vault.crypto.keys import SigningKey


@dataclass(frozen=True)
class Operator:
    """What a rule of the server may use besides its transaction.

    ``now`` returns unix seconds by the clock that moves months and slots; ``random`` returns so
    many random bytes; ``auditor`` is the pinned key (32 bytes) that signs the first directory;
    ``log`` is the vkey of this vault's log.
    """

    vault: str
    key: SigningKey
    auditor: bytes
    log: str
    now: Callable[[], int]
    random: Callable[[int], bytes]
