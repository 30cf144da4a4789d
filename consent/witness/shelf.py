"""How much evidence a witness keeps, and under what names (docs/protocol.md section 6).

    fork-<log>-<…>.json         two notes of one log that do not go together: the first hundred
    refusal-origin-signed-…     a key of two logs: the first hundred
    challenge-<log>-<…>.json    a question to the log: the first hundred, and the newest hundred

Forks and keys of two logs accuse by themselves: a hundred are enough. A question may be harmless:
whoever has an honest checkpoint can send it with a wrong proof. So those who sent many do not keep
out the one that matters, which comes later. The holder of the log's key alone can push out what is
between the first and the newest, by a hundred notes of its own.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from consent.evidence import Evidence, file_name, heads_of
from consent.log.reasons import room_of
from consent.log.refusal import Refusal
from vault.errors import BadPlace

MOST_KEPT = 100


def name_of(evidence: Evidence) -> str:
    """Return a name by kind, log and the two checkpoints: lines and proofs could be varied."""
    if isinstance(evidence, Refusal):
        return file_name(evidence)
    first, second = heads_of(evidence)
    both = sha256(f"{first}{second}".encode()).hexdigest()
    log = sha256(first.origin.encode("utf-8")).hexdigest()
    return f"{evidence.kind}-{log[:16]}-{both[:32]}.json"


def make_room(path: Path) -> bool:
    """Return whether a new file has room beside those of its kind and log.

    Of questions the oldest after the first hundred makes room. Raises BadPlace.
    """
    alike = room_of(path.name)
    try:
        there = sorted(
            path.parent.glob(f"{alike}-*.json"), key=lambda each: each.stat().st_mtime_ns
        )
        if not alike.startswith("challenge-"):
            return len(there) < MOST_KEPT
        if len(there) >= 2 * MOST_KEPT:
            there[MOST_KEPT].unlink(missing_ok=True)
    except OSError as bad:
        raise BadPlace(f"cannot make room for {path}: {bad.strerror}") from bad
    return True
