"""A witness as its log sees it: what it saw last, and what it answers to the newest checkpoint.

docs/protocol.md section 6; c2sp.org/tlog-witness.

    witness.ask(signed, checkpoint, began)   →   [its cosignatures that count]
    witness.seen                             →   Seen("w1.example", size=12, at=1767225600, "ok")
    witness.grounds                              what is kept of what was refused
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from typing import Literal

from consent.log.checkpoint import Checkpoint
from consent.log.grounds import Grounds, Shelf
from consent.log.note import VerifierKey, read_utf8
from consent.log.refusal import CLOCKS
from consent.log.submission import Answer, Line, Send, read_lines, read_size, write_request
from consent.log.tlog_policy import LogPolicy
from consent.log.tree import Tree
from vault.errors import BadDatabase, BadProof, BadShape, Unreachable, VaultError

TRIES = 3


@dataclass(frozen=True)
class Seen:
    """A witness as it was heard last: the size and time (unix seconds) of its last cosignature."""

    name: str
    size: int = 0
    at: int = 0
    state: Literal["ok", "missing", "unknown"] = "unknown"


class FarWitness:
    """One witness: its URL and its keys."""

    def __init__(
        self,
        member: tuple[str, str],
        keys: tuple[VerifierKey, ...],
        log: Tree,
        send: Send,
        wall: Callable[[], int],
        shelf: Shelf,
    ) -> None:
        """Know nothing of it yet; `member` is its name and URL."""
        name, url = member
        self.seen = Seen(name)
        self.asked = threading.Lock()  # held while a request is in flight
        self._url, self._keys = url.rstrip("/"), keys
        self.grounds = Grounds(keys, log, wall, shelf)
        self._log, self._send, self._wall = log, send, wall

    def ask(self, signed: str, checkpoint: Checkpoint, began: int) -> list[Line]:
        """Return the witness's cosignatures of a checkpoint that count, at least one.

        Args:
            signed: the whole note, by the log.
            checkpoint: what it says.
            began: unix seconds; a cosignature from long before is an old one shown again.

        Raises:
            Unreachable, BadShape, BadProof, LogUnavailable: there are none.
            BadDatabase: the witness knows more of this log than the database, or another history.
        """
        try:
            lines = self._submit(signed, checkpoint, began)
        except Unreachable:
            self.grounds.missed()
            self.miss()
            raise
        except VaultError:
            self.miss()
            raise
        self.grounds.spoke(signed, lines)
        at = max(line.cosigned.time for line in lines)
        self.seen = Seen(self.seen.name, checkpoint.size, at, "ok")
        return lines

    def miss(self) -> None:
        """Take down that it did not answer, or could not be asked."""
        self.seen = replace(self.seen, state="missing")

    def keep_ahead(self, signed: str) -> None:
        """Keep that it knows more than the database, beside what it shows of this log now."""
        name = sha256(self._log.vkey.name.encode("utf-8")).hexdigest()
        try:
            answer = self._send(f"{self._url}/logs/{name}/checkpoint", None)
            theirs = read_utf8(answer.body) if answer.status == 200 else ""
        except (Unreachable, BadShape):
            theirs = ""
        self.grounds.ahead(signed, theirs)

    def _submit(self, signed: str, checkpoint: Checkpoint, began: int) -> list[Line]:
        size = checkpoint.size
        old = min(self.seen.size, size)
        for _ in range(TRIES):
            body = write_request(old, self._log.consistency(old, size), signed)
            answer = self._send(f"{self._url}/add-checkpoint", body)
            if answer.status == 200:
                return self._good(signed, checkpoint, began, answer)
            if answer.status == 422:
                raise BadDatabase(self._another(old, size))
            if answer.status != 409:
                raise Unreachable(f"{self.seen.name} answered {answer.status}")
            old = self._other_size(old, size, answer)
        raise Unreachable(f"{self.seen.name} names another size each time")

    def _other_size(self, old: int, size: int, answer: Answer) -> int:
        try:
            named = read_size(answer)
        except BadShape:
            # SPEC: equal sizes with other roots, and a bad proof, are a 422. Until C2SP #280 equal
            # sizes were a 409, and that one names no size: both are a sign of another history.
            named = old
        if named > (ours := self._log.size()):
            raise BadDatabase(
                f"the witness {self.seen.name} knows {named} entries of this log and the"
                f" database has {ours}: it was rolled back, and must not go on from there"
            )
        if named == old == size:
            raise BadDatabase(self._another(old, size))
        if named == old or named > size:
            raise Unreachable(f"{self.seen.name} does not take the size {old}")
        return named

    def _good(self, signed: str, checkpoint: Checkpoint, began: int, answer: Answer) -> list[Line]:
        lines = read_lines(answer, checkpoint, self._keys)
        # A line of another time is an old one shown again, or of a clock that nobody can go by.
        first, last = max(self.seen.at, began - CLOCKS), self._wall() + CLOCKS
        good = [line for line in lines if first <= line.cosigned.time <= last]
        if not good:
            self.grounds.refused(signed, read_utf8(answer.body), began)
            raise BadProof(f"no cosignature of {self.seen.name} counts")
        return good

    def _another(self, old: int, size: int) -> str:
        return (
            f"the witness {self.seen.name} saw {old} entries of this log that are no beginning of"
            f" the {size} in the database: it is of another history"
        )


def witnesses_of(
    policy: LogPolicy, log: Tree, send: Send, wall: Callable[[], int], shelf: Shelf
) -> tuple[FarWitness, ...]:
    """Return the witnesses of a policy; keys of one name and URL are one, and asked once."""

    def place(member: tuple[str, str, VerifierKey]) -> tuple[str, str]:
        return member[:2]

    members = sorted(
        ((each.key.name, each.url, each.key) for each in policy.witnesses.values()), key=place
    )
    return tuple(
        FarWitness(where, tuple(key for _, _, key in group), log, send, wall, shelf)
        for where, group in groupby(members, key=place)
    )
