"""The witness: cosigns a checkpoint when it extends the last one it cosigned (C2SP tlog-witness).

docs/protocol.md section 6; c2sp.org/tlog-witness.

    old 2                                            the size that the witness saw last
    Of1jQFZcYgatrg0+hD6lxnNoPCW6OSBo/bAlTgNQapU=     consistency proof, up to 63 hashes
                                                     the first empty line
    vault.example/consent                            the log's signed checkpoint
    3
    UNqiDaeBrvmgKEnEhKBvAkS4KcnscSTzHKDaHEzUMos=

    — vault.example/consent y7tueCU0me7z…

    — w1.example idPd5gAAAABkGFDL…                   the answer, one line for each of its keys

Of a log one note is stored: the newest checkpoint with the log's signatures and the witness's own.
Whatever else came with it is dropped, since anybody may add lines to a note. The times of what is
cosigned never fall, also when the clock does: a later tree with an earlier time would look as if
this witness had gone back (consent/evidence.py, "rollback").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Protocol

from consent.evidence import Evidence, make_challenge, make_fork
from consent.log.checkpoint import Checkpoint, read_checkpoint
from consent.log.cosignature import LatticeKey, cosign, verify_cosignature, witness_key
from consent.log.merkle import EMPTY_ROOT, verify_consistency
from consent.log.note import (
    ED25519,
    Note,
    Signature,
    VerifierKey,
    read_note,
    read_vkey,
)
from consent.log.tlog_policy import open_checkpoint
from consent.witness.request import Request as Request
from consent.witness.request import read_request as read_request
from consent.witness.twins import Twins
from vault.crypto.keys import SigningKey
from vault.errors import BadPlace, BadProof, BadShape, Forked, NotFound, OldSize

MAX_NAME = 255
SLOWEST = 3600
"""How many seconds the clock may be behind the last cosignature of a log."""


def log_id(origin: str) -> str:
    """Return a log's name in paths: 64 hex digits of SHA-256 over its origin."""
    return sha256(origin.encode("utf-8")).hexdigest()


class Store(Protocol):
    """What a witness needs of storage: one note for each log, changed at once or not at all."""

    def newest(self, origin: str) -> str | None:
        """Return the stored note; None for a log without one. Raises BadPlace."""

    def update(self, origin: str, step: Callable[[str | None], str]) -> str:
        """Put what `step` makes of the stored note in its place, durably, then return it.

        From the reading to the writing no other update of the same log may begin. When `step`
        raises nothing changes. Raises BadPlace.
        """

    def keep(self, evidence: Evidence) -> None:
        """Keep evidence once; may drop it when this log left very much, or the disk fails."""


@dataclass(frozen=True)
class Seen:
    """The newest checkpoint that was cosigned, when (unix seconds) and in what note.

    Before the first one: the empty tree, time 0, no note.
    """

    checkpoint: Checkpoint
    time: int
    note: str


class Witness:
    """A name, its keys, the logs it knows, and what it saw of each."""

    def __init__(
        self,
        name: str,
        keys: Sequence[SigningKey | LatticeKey],
        logs: Mapping[str, Sequence[VerifierKey]],
        store: Store,
        now: Callable[[], int],
        ended: Mapping[str, int] | None = None,
    ) -> None:
        """Stand ready.

        Args:
            name: the name of all its keys.
            keys: at least one; each cosigns.
            logs: the trusted keys (type 01) by origin, which is also their name.
            store: where the newest notes are.
            now: the wall clock, unix seconds.
            ended: how many entries a log ended with, by origin, for those that turned.

        Raises:
            BadShape: a name or key of another form, or one key that stands in two places.
        """
        self.name, self.logs = name, {origin: tuple(trusted) for origin, trusted in logs.items()}
        self.keys = tuple(read_vkey(str(witness_key(name, key))) for key in keys)
        _check_keys(self.keys, self.logs)
        self._signers, self._store, self._now = tuple(keys), store, now
        self._twins, self.ended = Twins(self.logs), dict(ended or {})

    def add_checkpoint(self, body: bytes) -> str:
        """Return the witness's signature lines, once the checkpoint is stored durably.

        1. the body is of its form, and the old size not above the new one. 2. the origin is known.
        3. a trusted key signed, and no line of a trusted key is false. 4. the old size is the one
        that was cosigned last. 5. the proof shows that the new tree begins with the old one.
        6. the log did not end before this tree, and its last tree is cosigned once. 7. the note is
        stored, and nothing came between 4 and 7.

        What fails 2 or 3 and was signed by the key of another known log is kept: one key, two logs.

        Raises:
            BadShape: 1. NotFound: 2. BadProof: 3. OldSize: 4, with the size wanted.
            Forked: 5; the two notes are kept. BadProof: 6 too.
            BadPlace: what is stored cannot be read or written, or the clock is wrong; nothing was
                signed for anybody.

        Source: c2sp.org/tlog-witness "add-checkpoint".
        """
        request = read_request(body)  # 1
        signed = self._signed(request)  # 2, 3
        stored = self._store.update(
            request.checkpoint.origin, partial(self._extend, request, signed)
        )
        return "".join(map(str, self._own_lines(read_note(stored))))

    def newest(self, origin: str) -> str:
        """Return the newest cosigned note of a log.

        Raises:
            NotFound: no such log, or nothing of it was cosigned yet.
            BadPlace: what is stored is not by this witness.
        """
        stored = self._store.newest(origin) if origin in self.logs else None
        if stored is None:
            raise NotFound("nothing was cosigned under this name")
        self._read(origin, stored)
        return stored

    def seen(self, origin: str) -> Seen:
        """Return what was cosigned last of a log; raises BadPlace."""
        return self._read(origin, self._store.newest(origin))

    def _signed(self, request: Request) -> Note:
        """Return the note with one line of each trusted key that signed it."""
        try:
            return self._trusted(request)
        except (NotFound, BadProof):
            self._keep_twins(request)
            raise

    def _keep_twins(self, request: Request) -> None:
        origin = request.checkpoint.origin
        for twin in self._twins.find(request.note, origin, self._store.newest):
            at = {"at": max(0, self._now()), "by": self.name}
            self._store.keep(twin.model_copy(update=at))

    def _trusted(self, request: Request) -> Note:
        trusted = self.logs.get(request.checkpoint.origin)
        if trusted is None:
            raise NotFound("this witness does not know the checkpoint's origin")
        named = {_name_of(key): key for key in trusted}
        lines = dict[VerifierKey, Signature]()
        for line in dict.fromkeys(request.note.signatures):
            key = named.get(_name_of(line))
            if key:
                open_checkpoint(str(Note(request.note.text, (line,))), key)
                lines[key] = line
        if not lines:
            raise BadProof("no key that is trusted for this origin signed the checkpoint")
        return Note(request.note.text, tuple(lines.values()))

    def _extend(self, request: Request, signed: Note, stored: str | None) -> str:
        """Return the note to store in place of `stored`."""
        seen = self._read(request.checkpoint.origin, stored)
        try:
            _check_follows(request, seen.checkpoint)  # 4, 5
        except BadProof as refused:
            with suppress(BadProof, BadShape):  # a hostile log chooses sizes that no file holds
                self._keep(request, signed, seen, refused)
            raise
        self._check_goes_on(request.checkpoint, seen.checkpoint)  # 6
        return self._cosigned(request.checkpoint, signed, seen)

    def _check_goes_on(self, new: Checkpoint, before: Checkpoint) -> None:
        end = self.ended.get(new.origin)
        # Its last tree is not cosigned anew either: who does not know of the turn sees it grow old.
        if end is not None and (new.size > end or before.size >= end):
            raise BadProof(f"this log ended with {end} entries: nothing more of it is cosigned")

    def _keep(self, request: Request, signed: Note, seen: Seen, refused: BadProof) -> None:
        """Keep the two notes where they prove a fork, or where the log owes a proof."""
        before, new = seen.checkpoint, request.checkpoint
        key = self._signer_of(new.origin, signed, seen)
        if key is None or before == new:
            return
        if before.size == new.size:
            self._store.keep(make_fork(key, seen.note, str(signed)))
        elif before.size and not isinstance(refused, OldSize):
            self._store.keep(make_challenge(key, seen.note, str(signed), request.proof))

    def _signer_of(self, origin: str, signed: Note, seen: Seen) -> VerifierKey | None:
        """Return a trusted key that signed both notes."""
        lines = set(map(_name_of, read_note(seen.note).signatures)) if seen.note else set()
        both = lines & set(map(_name_of, signed.signatures))
        return next((key for key in self.logs[origin] if _name_of(key) in both), None)

    def _cosigned(self, new: Checkpoint, signed: Note, seen: Seen) -> str:
        at = _time_after(seen.time, self._now())
        # Whoever has a checkpoint can send it again and again: that costs one write a second.
        if (new, at) == (seen.checkpoint, seen.time):
            return seen.note
        own = (cosign(new, self.name, key, at) for key in self._signers)
        return str(Note(signed.text, (*signed.signatures, *own)))

    def _read(self, origin: str, stored: str | None) -> Seen:
        if stored is None:
            return Seen(Checkpoint(origin, 0, EMPTY_ROOT), 0, "")
        try:
            note = read_note(stored)
            checkpoint = read_checkpoint(note.text)
            named = {key.key_id: key for key in self.keys}
            # A damaged size would undo what was seen, so even our own note is verified.
            times = [
                verify_cosignature(named[line.key_id], line.value, checkpoint).time
                for line in self._own_lines(note)
            ]
        except (BadShape, BadProof) as bad:
            raise BadPlace(f"the stored checkpoint of {origin} is damaged: {bad}") from bad
        if not times or checkpoint.origin != origin:
            raise BadPlace(f"the stored checkpoint of {origin} is not one that {self.name} signed")
        return Seen(checkpoint, max(times), stored)

    def _own_lines(self, note: Note) -> list[Signature]:
        own = set(map(_name_of, self.keys))
        return [line for line in note.signatures if _name_of(line) in own]


def _name_of(known: VerifierKey | Signature) -> tuple[str, bytes]:
    return known.name, known.key_id


def _time_after(last: int, now: int) -> int:
    """Return the time of the next cosignature after one at `last`; both are unix seconds."""
    # SPEC: the timestamp of a cosignature is never 0, and does not exceed 2^63 - 1.
    if not 0 < now < 2**63:
        raise BadPlace(f"this machine's clock says {now}")
    if last - now > SLOWEST:
        raise BadPlace(f"this machine's clock says {now}, and {last} was cosigned already")
    return max(last, now)


def _check_follows(request: Request, before: Checkpoint) -> None:
    new = request.checkpoint
    if request.old != before.size:
        raise OldSize(f"wanted old {before.size}, found {request.old}", before.size)  # 4
    try:
        verify_consistency(before.size, new.size, before.root, new.root, request.proof)  # 5
    except BadProof as bad:
        raise Forked(f"not shown to extend what was cosigned: {bad}") from bad


def _check_keys(own: Sequence[VerifierKey], logs: Mapping[str, Sequence[VerifierKey]]) -> None:
    for origin, trusted in logs.items():
        if any(key.alg != ED25519 or key.name != origin for key in trusted):
            raise BadShape(f"wanted keys of type 01 under the name {origin[:40]!r}")
    names = [own[0].name if own else "", *logs]
    if not all(0 < len(name.encode()) <= MAX_NAME for name in names):
        raise BadShape(f"wanted keys, and names of 1 to {MAX_NAME} bytes")
    # SPEC (tlog-policy): duplicates wrap the same public key, also under other names and ids.
    publics = [key.public for keys in (own, *logs.values()) for key in keys]
    if len(set(publics)) != len(publics):
        raise BadShape("one key stands in two places")
