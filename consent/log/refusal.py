r"""A refusal kept as evidence: what came, and what it was held against, for anybody to judge again.

docs/protocol.md section 6, "Evidence".

    {"type": "log-evidence", "kind": "refusal", "rule": "replayed", "log": vkey,
     "note": "vault.example/log\n9\n…", "known": "vault.example/log\n7\n…",
     "witnesses": [vkey], "at": 1767225600, "by": "vault.example/log"}

    origin     note: signed for another log than this one; known: by the same key for this one
    forged     note: a line under the witness's name and key id does not verify
    replayed   known: the witness's line, cut out of it, stands under the checkpoint of note
    stale      note: cosigned longer before `at` than `limit` seconds, or before known was
    ahead      known: more entries than note, the newest that whoever signs this log had
    down       known: the last that the witness cosigned; `tries`: when it was asked in vain

Only signatures accuse anybody, and only two checkpoints of two logs under one key do so here. That
something was received at all, when, and what `tries` says, is the word of `by`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints

from consent.log.checkpoint import Checkpoint, read_checkpoint
from consent.log.cosignature import verify_cosignature
from consent.log.forms import NoteText, VkeyText
from consent.log.note import ED25519, Note, Signature, VerifierKey, read_note, read_vkey
from consent.log.tlog_policy import Opened, open_checkpoint
from vault.crypto.keys import verify_signature
from vault.errors import BadJws, BadProof
from vault.messages import Shape, Unix

MAX_TRIES, MAX_WITNESSES = 16, 100
CLOCKS = 300
"""How many seconds two honest clocks may differ."""

Keeper = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Rule = Literal["origin", "forged", "replayed", "stale", "ahead", "down"]

_FORMS: Mapping[str, tuple[set[str], set[str]]] = {
    "origin": ({"note"}, {"known"}),
    "forged": ({"note", "witnesses"}, set()),
    "replayed": ({"note", "known", "witnesses"}, set()),
    "stale": ({"note", "witnesses", "limit"}, {"known"}),
    "ahead": ({"note"}, {"known", "witnesses"}),
    "down": ({"witnesses", "tries"}, {"known"}),
}
"""The members that each rule needs, and those that it may have."""


class Refusal(Shape):
    """What was refused; a member that its rule does not have stays away."""

    type: Literal["log-evidence"]
    kind: Literal["refusal"]
    rule: Rule
    log: VkeyText
    note: NoteText = ""
    known: NoteText = ""
    witnesses: Annotated[tuple[VkeyText, ...], Field(max_length=MAX_WITNESSES)] = ()
    limit: Unix = 0
    tries: Annotated[tuple[Unix, ...], Field(max_length=MAX_TRIES)] = ()
    at: Unix = 0
    by: Keeper = ""


class Judged(NamedTuple):
    """What follows from a refusal's bytes alone.

    `origin` and `size` are those of the note, size in entries (of `known` where there is no note);
    `signed`: the log's key signed the note; `known`: the size of the known checkpoint, None: there
    is none; `times`: who cosigned, and when (unix seconds): in rules stale and forged the note, in
    the others the known one; `later`: the same of a known one that shows a note to be stale.
    """

    origin: str
    size: int | None
    signed: bool
    known: int | None
    times: tuple[tuple[str, int], ...] = ()
    later: tuple[tuple[str, int], ...] = ()


def judge_refusal(found: Refusal) -> Judged:
    """Return what follows from a refusal once its rule refuses what is in it.

    Raises:
        BadProof: its rule does not refuse this, or it has not the members of its rule.
        BadShape: a key or a note cannot be read.
    """
    needed, more = _FORMS[found.rule]
    names = ("note", "known", "witnesses", "limit", "tries")
    given = {name for name in names if getattr(found, name)}
    if not needed <= given <= needed | more:
        raise BadProof(f"a refusal of rule {found.rule} has {', '.join(sorted(needed))}")
    witnesses = [read_vkey(vkey) for vkey in found.witnesses]
    if len(witnesses) != 1 and found.rule in ("forged", "replayed", "down"):
        raise BadProof(f"a refusal of rule {found.rule} is about one witness")
    return _JUDGES[found.rule](found, read_vkey(found.log), witnesses)


def _judge_origin(found: Refusal, log: VerifierKey, _: Sequence[VerifierKey]) -> Judged:
    note, head = read_signed(found.note)
    if head.origin == log.name:
        raise BadProof(f"the note is of {log.name}, as was wanted")
    known = open_checkpoint(found.known, log).checkpoint.size if found.known else None
    return Judged(head.origin, head.size, bool(twin_lines(note, log)), known)


def twin_lines(note: Note, log: VerifierKey) -> list[Signature]:
    """Return the lines that a log's key signed, under whatever name, for whatever origin."""
    found = list[Signature]()
    for line in note.signatures:
        if line.key_id == VerifierKey(line.name, ED25519, log.public).key_id:
            try:
                verify_signature(log.public, line.value, note.text.encode("utf-8"))
            except BadJws:
                continue
            found.append(line)
    return found


def _judge_forged(found: Refusal, log: VerifierKey, witnesses: Sequence[VerifierKey]) -> Judged:
    note, head, signed = _of_log(found.note, log)
    times = times_of(note, witnesses[0], head)
    if len(times) == len(lines_of(note, witnesses[0])):
        raise BadProof(f"no line of {witnesses[0].name} in the note is false")
    return Judged(head.origin, head.size, signed, None)


def _judge_replayed(found: Refusal, log: VerifierKey, witnesses: Sequence[VerifierKey]) -> Judged:
    witness = witnesses[0]
    note, head, signed = _of_log(found.note, log)
    before = open_checkpoint(found.known, log, [witness])
    true, lines = times_of(note, witness, head), lines_of(note, witness)
    old = times_of(Note(note.text, tuple(lines)), witness, before.checkpoint)
    moved = [time for line, time in old.items() if line not in true]
    if not moved or not before.cosigned:
        raise BadProof(f"no line of {witness.name} in the note is one of the known checkpoint")
    times = tuple((witness.name, time) for time in moved)
    return Judged(head.origin, head.size, signed, before.checkpoint.size, times)


def _judge_stale(found: Refusal, log: VerifierKey, witnesses: Sequence[VerifierKey]) -> Judged:
    opened = open_checkpoint(found.note, log, witnesses)
    known = open_checkpoint(found.known, log, witnesses) if found.known else None
    for witness in witnesses:
        times = [one.time for one in opened.cosigned if one.witness == witness]
        later = [one.time for one in known.cosigned if one.witness == witness] if known else []
        if not times:
            raise BadProof(f"{witness.name} did not cosign the note")
        fresh = found.at - found.limit < max(times) <= found.at + CLOCKS
        if fresh and max(later, default=0) <= max(times):
            raise BadProof(f"what {witness.name} cosigned at {max(times)} was not old")
    head, size = opened.checkpoint, known.checkpoint.size if known else None
    return Judged(
        head.origin, head.size, True, size, _names(opened), _names(known) if known else ()
    )


def _judge_ahead(found: Refusal, log: VerifierKey, witnesses: Sequence[VerifierKey]) -> Judged:
    head = open_checkpoint(found.note, log).checkpoint
    if not found.known:
        if not witnesses:
            raise BadProof("the file names nobody who would know more entries")
        return Judged(head.origin, head.size, True, None)
    known = open_checkpoint(found.known, log, witnesses)
    if known.checkpoint.size <= head.size:
        raise BadProof("the known checkpoint has no more entries than the note")
    if {one.witness for one in known.cosigned} != set(witnesses):
        raise BadProof("a witness that is named did not cosign the known checkpoint")
    return Judged(head.origin, head.size, True, known.checkpoint.size, _names(known))


def _judge_down(found: Refusal, log: VerifierKey, witnesses: Sequence[VerifierKey]) -> Judged:
    if [*found.tries] != sorted(found.tries):
        raise BadProof("the times at which a witness was asked do not fall")
    if not found.known:
        return Judged(log.name, None, False, None)
    known = open_checkpoint(found.known, log, witnesses)
    if not known.cosigned:
        raise BadProof(f"{witnesses[0].name} did not cosign the known checkpoint")
    if max(one.time for one in known.cosigned) > found.tries[0] + CLOCKS:
        raise BadProof(f"{witnesses[0].name} cosigned after it was asked in vain")
    size = known.checkpoint.size
    return Judged(log.name, size, True, size, _names(known))


_JUDGES: Mapping[str, Callable[[Refusal, VerifierKey, Sequence[VerifierKey]], Judged]] = {
    "origin": _judge_origin,
    "forged": _judge_forged,
    "replayed": _judge_replayed,
    "stale": _judge_stale,
    "ahead": _judge_ahead,
    "down": _judge_down,
}


def read_signed(signed: str) -> tuple[Note, Checkpoint]:
    """Return a note and its checkpoint, of which nothing is verified; raises BadShape."""
    note = read_note(signed)
    return note, read_checkpoint(note.text)


def _of_log(signed: str, log: VerifierKey) -> tuple[Note, Checkpoint, bool]:
    """Return a note of this origin, its checkpoint, and whether the log's key signed it."""
    note, head = read_signed(signed)
    if head.origin != log.name:
        raise BadProof(f"the note is not of {log.name}")
    return note, head, bool(twin_lines(note, log))


def lines_of(note: Note, key: VerifierKey) -> list[Signature]:
    """Return the lines under the name and the id of a key, each once; nothing is verified."""
    known = (key.name, key.key_id)
    return [*dict.fromkeys(one for one in note.signatures if (one.name, one.key_id) == known)]


def times_of(note: Note, witness: VerifierKey, head: Checkpoint) -> dict[Signature, int]:
    """Return the witness's lines that verify over a checkpoint, each with its unix seconds."""
    found = dict[Signature, int]()
    for line in lines_of(note, witness):
        try:
            found[line] = verify_cosignature(witness, line.value, head).time
        except BadProof:
            continue
    return found


def _names(opened: Opened) -> tuple[tuple[str, int], ...]:
    return tuple((one.witness.name, one.time) for one in opened.cosigned)
