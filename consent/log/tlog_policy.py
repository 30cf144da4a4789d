"""The policy file: which checkpoints of which log count (C2SP tlog-policy).

docs/protocol.md section 6; c2sp.org/tlog-policy.

    log vault.example/log+cbbb6e78+AQOhB7/z… https://vault.example/log
    witness W1 w1.example+89d3dde6+BIqI4910… https://w1.example
    witness W2 w2.example+…
    witness W3 w3.example+…
    group two-of-three 2 W1 W2 W3              or: all …, any …
    quorum two-of-three                        or one witness, or: none

A witness with an Ed25519 and an ML-DSA-44 key has two lines and a group ``any`` of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from consent.log.checkpoint import Checkpoint, read_checkpoint
from consent.log.cosignature import Cosigned, verify_cosignature
from consent.log.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Note,
    Signature,
    VerifierKey,
    read_note,
    read_vkey,
)
from vault.crypto.keys import verify_signature
from vault.errors import BadJws, BadProof, BadShape, NotWitnessed

NONE = "none"
MAX_GROUPS = 128
_SPACE = re.compile(r"[ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True)
class Member:
    """A log or witness: its key, and its URL (empty: none is given)."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True)
class Group:
    """So many of these members, each a witness or a group that stands before."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class LogPolicy:
    """Known logs, named witnesses and groups, and the name of the quorum."""

    logs: tuple[Member, ...] = ()
    witnesses: dict[str, Member] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    @property
    def keys(self) -> list[VerifierKey]:
        """The keys of all witnesses."""
        return [witness.key for witness in self.witnesses.values()]

    def enough(self, keys: Iterable[VerifierKey]) -> bool:
        """Whether cosignatures by these keys make the quorum."""
        return self._holds(self.quorum, frozenset(keys))

    def _holds(self, name: str, keys: frozenset[VerifierKey]) -> bool:
        if name == NONE:
            return True
        if name in self.witnesses:
            return self.witnesses[name].key in keys
        group = self.groups[name]
        return sum(self._holds(member, keys) for member in group.members) >= group.least

    def check(self, cosigned: Iterable[Cosigned]) -> None:
        """Return when these cosignatures make the quorum; raises NotWitnessed."""
        found = [one.witness for one in cosigned]
        if not self.enough(found):
            names = ", ".join(sorted({key.name for key in found})) or "nobody"
            raise NotWitnessed(f"wanted the quorum {self.quorum}; cosigned by {names}")

    def open(self, signed: str) -> Opened:
        """Return the checkpoint of a note, once this policy takes it.

        Raises:
            BadShape: not a note with a checkpoint.
            BadProof: no log of the policy signed it, or the quorum is missing.
        """
        name = read_checkpoint(read_note(signed).text).origin
        for log in self.logs:
            if log.key.name == name:
                opened = open_checkpoint(signed, log.key, self.keys)
                self.check(opened.cosigned)
                return opened
        raise BadProof(f"the policy knows no log {name}")


def read_policy(raw: bytes) -> LogPolicy:
    """Return the policy of a file.

    Raises:
        BadShape: a line of another form, a name that is used twice or not defined before, a key
            twice, a key of another type, not exactly one quorum. The line's number is named.
    """
    reading = _Reading()
    text = raw.decode("utf-8", "surrogateescape")  # what is not ASCII is opaque
    for number, line in enumerate(text.split("\n"), 1):
        try:
            reading.take(line)
        except BadShape as bad:
            raise BadShape(f"line {number} of the policy: {bad}") from bad
    if reading.quorum is None:
        raise BadShape("a policy has one line quorum")
    return LogPolicy(tuple(reading.logs), reading.witnesses, reading.groups, reading.quorum)


class _Reading:
    """A policy while its lines are read."""

    def __init__(self) -> None:
        self.logs: list[Member] = []
        self.witnesses: dict[str, Member] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._grouped: set[str] = set()

    def take(self, line: str) -> None:
        if _CONTROL.search(line):
            raise BadShape("a control character besides tab and newline")
        words = _SPACE.split(line.strip(" \t"))
        if words != [""] and not words[0].startswith("#"):
            self._take(words)

    def _take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) < 2:
                self.logs.append(_member(vkey, url, (ED25519,), self.logs))
            case ["witness", name, vkey, *url] if len(url) < 2:
                others = self.witnesses.values()
                member = _member(vkey, url, (COSIGNATURE, ML_DSA_44), others)
                self.witnesses[self._fresh(name)] = member
            case ["group", name, least, first, *more]:
                self.groups[self._fresh(name)] = self._group(least, (first, *more))
            case ["quorum", name] if self.quorum is None:
                self.quorum = name if name == NONE else self._known(name)
            case _:
                raise BadShape(f"wanted log, witness, group or one quorum, found {words[0][:20]!r}")

    def _fresh(self, name: str) -> str:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise BadShape(f"the name {name[:40]!r} is taken")
        return name

    def _known(self, name: str) -> str:
        if name not in self.witnesses and name not in self.groups:
            raise BadShape(f"no line before this one defines {name[:40]!r}")
        return name

    def _group(self, least: str, members: tuple[str, ...]) -> Group:
        if len(self.groups) >= MAX_GROUPS:
            raise BadShape(f"a policy has at most {MAX_GROUPS} groups")
        for member in members:
            if self._known(member) in self._grouped:
                raise BadShape(f"{member[:40]!r} is a member already")
            self._grouped.add(member)
        count = {"any": 1, "all": len(members)}.get(least, 0)
        if _COUNT.fullmatch(least):
            count = int(least)
        if not 0 < count <= len(members):
            raise BadShape(f"wanted all, any or 1..{len(members)}, found {least[:20]!r}")
        return Group(count, members)


def _member(vkey: str, url: list[str], types: tuple[int, ...], others: Iterable[Member]) -> Member:
    key = read_vkey(vkey)
    if key.alg not in types:
        raise BadShape(f"a key of type {key.alg:02x} does not belong here")
    # SPEC: duplicates wrap the same public key, also under other names and ids.
    if key.public in {other.key.public for other in others}:
        raise BadShape("this key stands there already")
    return Member(key, url[0] if url else "")


def policy_of(log: VerifierKey, witnesses: Sequence[VerifierKey], quorum: int) -> LogPolicy:
    """Return the policy of a directory's log: so many of its witnesses.

    Keys of one name are one witness, which cosigns by any of them; so is one key under two names,
    which goes by the first.
    """
    witnesses = list({key.public: key for key in reversed(witnesses)}.values())[::-1]
    named = {f"K{n}": Member(key) for n, key in enumerate(witnesses)}
    names = list(dict.fromkeys(key.name for key in witnesses))
    groups = {
        f"W{n}": Group(1, tuple(k for k, member in named.items() if member.key.name == name))
        for n, name in enumerate(names)
    }
    if quorum == 0:
        return LogPolicy((Member(log),), named)
    groups["quorum"] = Group(quorum, tuple(groups))
    return LogPolicy((Member(log),), named, groups, "quorum")


@dataclass(frozen=True)
class Opened:
    """A checkpoint whose signature by the log and whose known cosignatures hold."""

    checkpoint: Checkpoint
    cosigned: tuple[Cosigned, ...]


def open_checkpoint(
    signed: str, log: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Opened:
    """Return the checkpoint that the log signed and enough of these witnesses cosigned.

    1. lines of other keys are ignored. 2. every line of a known key verifies. 3. the log signed,
    and the origin is the log's name. 4. enough witnesses cosigned.

    Args:
        signed: the whole note.
        log: a key of type 01; its name is the origin.
        witnesses: keys of type 04 or 06.
        quorum: how many of them must have cosigned; 0: none.

    Raises:
        BadShape: not a note with a checkpoint.
        BadProof: a step fails.

    Source: c2sp.org/signed-note "Signatures", c2sp.org/tlog-cosignature.
    """
    note = read_note(signed)
    checkpoint = read_checkpoint(note.text)
    by_log = _lines_of(note, log)  # 1
    for line in by_log:
        _verify_ed25519(log, line.value, note.text)  # 2
    cosigned = tuple(
        verify_cosignature(key, line.value, checkpoint)  # 2
        for key in witnesses
        for line in _lines_of(note, key)  # 1
    )
    if not by_log or checkpoint.origin != log.name:
        raise BadProof(f"wanted a checkpoint signed by {log.name}")  # 3
    agreed = count_witnesses(one.witness for one in cosigned)
    if agreed < quorum:
        raise NotWitnessed(f"wanted {quorum} witnesses, found {agreed}")  # 4
    return Opened(checkpoint, cosigned)


def count_witnesses(keys: Iterable[VerifierKey]) -> int:
    """Return how many witnesses these keys are: one name is one, and so is one key."""
    found = list(keys)
    return min(len({key.name for key in found}), len({key.public for key in found}))


def _lines_of(note: Note, key: VerifierKey) -> list[Signature]:
    known = (key.name, key.key_id)
    return [line for line in note.signatures if (line.name, line.key_id) == known]


def _verify_ed25519(key: VerifierKey, signature: bytes, text: str) -> None:
    if key.alg != ED25519:
        raise BadProof(f"wanted a log key of type 01, found {key.alg:02x}")
    try:
        verify_signature(key.public, signature, text.encode("utf-8"))
    except BadJws as bad:
        raise BadProof(f"the signature by {key.name} does not verify") from bad
