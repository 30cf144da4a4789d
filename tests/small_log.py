"""A log in memory for tests: entries, a key, and whatever its owner wants to claim.

    log = SmallLog("log.example", size=5)
    log.request(old=3)                   the honest request from size 3 to 5
    log.branch(3).grow(2).request(3)     another history from size 3 on, signed by the same key
    witness_of(log)                      a witness that knows it, in memory

The tree is tests/log/naive.py: slow, and written apart from ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.note import ED25519, VerifierKey, b64
from consent.witness.core import Store, Witness
from consent.witness.place import MemoryStore
from tests.log import naive
from vault.crypto.keys import SigningKey

WITNESS = "w1.example"
WITNESS_KEY = SigningKey(b"\x01" * 32)
NOW = 1_767_225_600


class SmallLog:
    """Entries under one origin and one key."""

    def __init__(self, origin: str, size: int = 0, key: SigningKey | None = None) -> None:
        self.origin = origin
        self.key = key or SigningKey(sha256(origin.encode()).digest())
        self.entries: list[bytes] = []
        self.world = ""
        self.grow(size)

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey(self.origin, ED25519, self.key.public)

    @property
    def size(self) -> int:
        return len(self.entries)

    def grow(self, count: int) -> SmallLog:
        first = self.size
        self.entries += [f"{self.world}{i}".encode() for i in range(first, first + count)]
        return self

    def branch(self, size: int) -> SmallLog:
        """Return another history that has only the first `size` entries in common."""
        other = SmallLog(self.origin, key=self.key)
        other.entries, other.world = self.entries[:size], self.world + "other "
        return other

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        entries = self.entries[:size]
        return Checkpoint(self.origin, len(entries), naive.mth(entries))

    def note(self, size: int | None = None) -> str:
        return sign_checkpoint(self.checkpoint(size), self.key)

    def proof(self, old: int, size: int | None = None) -> list[bytes]:
        entries = self.entries[:size]
        return naive.proof(old, entries) if 0 < old < len(entries) else []

    def request(self, old: int, size: int | None = None) -> bytes:
        return body(old, self.proof(old, size), self.note(size))


def body(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """Return the body of an add-checkpoint."""
    return "\n".join([f"old {old}", *map(b64, proof), "", note]).encode()


def witness_of(
    *logs: SmallLog, store: Store | None = None, now: Callable[[], int] = lambda: NOW
) -> Witness:
    """Return a witness with one Ed25519 key, over a store of its own unless told."""
    known = {log.origin: [log.vkey] for log in logs}
    return Witness(WITNESS, [WITNESS_KEY], known, store or MemoryStore(), now)
