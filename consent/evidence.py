"""Evidence: a file that shows, to anyone and offline, how a log or a witness broke its word.

docs/protocol.md section 6; c2sp.org/tlog-checkpoint "Signatures".

    {"type": "log-evidence", "kind": "fork", "log": vkey, "first": note, "second": note,
     "prefix": base64, "proof": [base64, …]}        the log signed two histories
    {… "kind": "challenge", … "old": 5, "proof": […]}   a consistency proof that does not hold
    {… "kind": "rollback", … "witness": vkey}       a witness cosigned less later than it had before
    {… "kind": "refusal", "rule": "stale", …}       what somebody refused, and why: log/refusal.py

A fork needs no one's word: the proof leads from `prefix`, the root of the second tree's beginning,
to the root that the log signed, and `prefix` is not the root that it signed for that beginning.
A challenge is weaker: proof lines are not signed, so that only the log's tiles can settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from consent.log.checkpoint import Checkpoint
from consent.log.forms import TYPE, Hashes, HashText, NoteText, VkeyText
from consent.log.merkle import prove_consistency, root_at, verify_consistency
from consent.log.note import VerifierKey, b64, read_vkey
from consent.log.reasons import refusal_name
from consent.log.refusal import Refusal, judge_refusal
from consent.log.tiles import ReadTile, subtrees
from consent.log.tlog_policy import Opened, open_checkpoint
from vault.encoding import JsonIn, compact_json, strict_object
from vault.errors import BadProof, BadShape
from vault.messages import Shape

MAX_EVIDENCE = 1 << 21


class _Signed(Shape):
    type: Literal["log-evidence"]
    log: VkeyText
    first: NoteText
    second: NoteText


class Fork(_Signed):
    """Two checkpoints of one log, `first` the smaller, that cannot both be of one history."""

    kind: Literal["fork"]
    prefix: HashText
    proof: Hashes


class Challenge(_Signed):
    """Two checkpoints of one log and a proof, said to be the log's, that does not join them."""

    kind: Literal["challenge"]
    old: Annotated[int, Field(ge=0, lt=2**53)]
    proof: Hashes


class Rollback(_Signed):
    """Two checkpoints that one witness cosigned: `first` is the larger, `second` the later."""

    kind: Literal["rollback"]
    witness: VkeyText


Made = TypeVar("Made", Fork, Challenge, Rollback)
Signed = Fork | Challenge | Rollback
"""Two notes that the log signed."""
Evidence = Signed | Refusal
_KINDS: dict[str, type[Evidence]] = {
    "fork": Fork,
    "challenge": Challenge,
    "rollback": Rollback,
    "refusal": Refusal,
}


def read_evidence(raw: bytes) -> Evidence:
    """Return the evidence of a file; nothing in it is verified yet.

    Raises:
        BadShape: larger than 2 MiB, or not one of the four kinds in its only form.
    """
    if len(raw) > MAX_EVIDENCE:
        raise BadShape(f"an evidence file has at most {MAX_EVIDENCE} bytes, found {len(raw)}")
    kind = strict_object(raw).get("kind")
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind].parse(raw)
    raise BadShape(f"wanted evidence of kind {', '.join(_KINDS)}")


def write_evidence(evidence: Evidence) -> bytes:
    """Return the file's bytes: one line of JSON."""
    return compact_json(evidence.plain()) + b"\n"


def file_name(evidence: Evidence) -> str:
    """Return a name, such as ``fork-5d41402abc4b2a76.json``; raises as heads_of does.

    It is of the kind, the two checkpoints and, in a rollback, the witness; a refusal has its own.
    """
    if isinstance(evidence, Refusal):
        return refusal_name(evidence)
    whose = evidence.witness if isinstance(evidence, Rollback) else ""
    shown = "".join(map(str, heads_of(evidence))) + whose
    return f"{evidence.kind}-{sha256(shown.encode()).hexdigest()[:16]}.json"


def judge_evidence(evidence: Evidence, log: VerifierKey | None = None) -> None:
    """Return when the evidence proves what its kind says, by its own content alone.

    1. it is of the pinned log, where one is given. 2. the log signed both notes. 3. what is said of
    them holds. A challenge that stands proves less than a fork: see `settle`.

    Args:
        evidence: as read_evidence returns it.
        log: the log's key as the reader knows it; without one, the file's own word is taken.

    Raises:
        BadProof: it proves nothing.
    """
    try:
        if log is not None and str(log) != evidence.log:
            raise BadProof(f"the evidence is against another key than {log.name}'s")  # 1
        match evidence:
            case Fork():
                _judge_fork(evidence)  # 2, 3
            case Challenge():
                _judge_challenge(evidence)
            case Rollback():
                rolled_back(evidence)
            case Refusal():
                judge_refusal(evidence)
    except BadShape as bad:
        raise BadProof(f"the evidence cannot be read: {bad}") from bad


def heads_of(evidence: Signed) -> tuple[Checkpoint, Checkpoint]:
    """Return the two checkpoints, signed by the log; raises BadProof, BadShape."""
    first, second = _open_both(read_vkey(evidence.log), evidence.first, evidence.second)
    return first.checkpoint, second.checkpoint


def _open_both(
    log: VerifierKey, first: str, second: str, witnesses: Sequence[VerifierKey] = ()
) -> tuple[Opened, Opened]:
    return open_checkpoint(first, log, witnesses), open_checkpoint(second, log, witnesses)


def _judge_fork(fork: Fork) -> None:
    first, second = heads_of(fork)
    if first.size == second.size:
        if fork.proof or fork.prefix != second.root:
            raise BadProof("for two trees of one size, prefix is the second root, without a proof")
    else:
        verify_consistency(first.size, second.size, fork.prefix, second.root, fork.proof)
    if fork.prefix == first.root:
        raise BadProof("the second tree begins with the first: the log signed one history")


def _judge_challenge(challenge: Challenge) -> None:
    first, second = heads_of(challenge)
    if first.size != challenge.old or first.size > second.size:
        raise BadProof("a challenge goes from its old size to a larger one")
    try:
        verify_consistency(first.size, second.size, first.root, second.root, ())
    except BadProof:
        _judge_refused(challenge, first, second)
    else:
        raise BadProof("from the first to the second checkpoint there is nothing to prove")


def _judge_refused(challenge: Challenge, first: Checkpoint, second: Checkpoint) -> None:
    try:
        verify_consistency(first.size, second.size, first.root, second.root, challenge.proof)
    except BadProof:
        return
    raise BadProof("the proof holds: the second tree begins with the first")


def rolled_back(rollback: Rollback) -> tuple[int, int]:
    """Return when the larger, then when the smaller checkpoint was cosigned (unix seconds).

    Raises:
        BadProof: the witness did not cosign a smaller tree at a later time.
        BadShape: a key or note cannot be read.
    """
    log, witness = read_vkey(rollback.log), read_vkey(rollback.witness)
    first, second = _open_both(log, rollback.first, rollback.second, [witness])
    if first.checkpoint.size <= second.checkpoint.size:
        raise BadProof("the second checkpoint is not smaller than the first")
    before, after = ([one.time for one in opened.cosigned] for opened in (first, second))
    if not before or not after or min(before) >= max(after):
        raise BadProof(f"{witness.name} did not cosign the smaller tree after the larger one")
    return min(before), max(after)


def _make(
    kind: type[Made], name: str, log: VerifierKey, notes: tuple[str, str], rest: dict[str, JsonIn]
) -> Made:
    """Return evidence as its file holds it, judged; raises BadProof when it proves nothing."""
    head = {"type": TYPE, "kind": name, "log": str(log), "first": notes[0], "second": notes[1]}
    try:
        made = kind.parse(compact_json({**head, **rest}))
    except BadShape as bad:
        # A hostile log chooses sizes and notes: what no file can hold is no evidence.
        raise BadProof(f"an evidence file does not hold this: {bad}") from bad
    judge_evidence(made)
    return made


def _no_tiles(_level: int, _n: int) -> bytes:
    raise BadProof("for two trees of different sizes the second one's tiles are needed")


def make_fork(log: VerifierKey, first: str, second: str, read_tile: ReadTile = _no_tiles) -> Fork:
    """Return the evidence that a log signed two histories, judged before it is returned.

    Args:
        log: the log's key.
        first: a note that it signed.
        second: another one; the two are put in the order of their sizes.
        read_tile: tiles of the larger tree; not asked for two trees of one size.

    Raises:
        BadProof: one history holds both, or the tiles are not those of the larger tree.
        BadShape: a note cannot be read.
    """
    one, two = (opened.checkpoint for opened in _open_both(log, first, second))
    if one.size > two.size:
        one, two, first, second = two, one, second, first
    prefix, proof = two.root, list[bytes]()
    if one.size < two.size:
        subtree = subtrees(read_tile)
        prefix, proof = root_at(one.size, subtree), prove_consistency(one.size, two.size, subtree)
    members: dict[str, JsonIn] = {"prefix": b64(prefix), "proof": [*map(b64, proof)]}
    return _make(Fork, "fork", log, (first, second), members)


def make_challenge(
    log: VerifierKey, first: str, second: str, proof: Sequence[bytes] = ()
) -> Challenge:
    """Return the question that a log has to answer after a proof that does not hold.

    Args:
        log: the log's key.
        first: the note that the proof starts from.
        second: the note of a larger tree.
        proof: what was offered between them; nothing where none was given.

    Raises:
        BadProof: the proof holds, or there is nothing to prove.
        BadShape: a note cannot be read.
    """
    old = open_checkpoint(first, log).checkpoint.size
    members: dict[str, JsonIn] = {"old": old, "proof": [*map(b64, proof)]}
    return _make(Challenge, "challenge", log, (first, second), members)


def make_rollback(log: VerifierKey, witness: VerifierKey, first: str, second: str) -> Rollback:
    """Return the evidence that a witness cosigned a smaller tree (second) after a larger (first).

    Raises BadProof when it did not.
    """
    return _make(Rollback, "rollback", log, (first, second), {"witness": str(witness)})


def settle(challenge: Challenge, read_tile: ReadTile) -> Fork | None:
    """Return the fork that the log's tiles show, or None when they acquit the log.

    Args:
        challenge: one that stands.
        read_tile: tiles said to be of the second tree, of its size.

    Raises:
        BadProof: the challenge proves nothing, or the tiles do not lead to the second root: then
            nothing is settled, and the log still owes its answer.
    """
    judge_evidence(challenge)
    first, second = heads_of(challenge)
    if first.size < second.size and beginning(first.size, second, read_tile) == first.root:
        return None
    return make_fork(read_vkey(challenge.log), challenge.first, challenge.second, read_tile)


def beginning(size: int, tree: Checkpoint, read_tile: ReadTile) -> bytes:
    """Return the root of a tree's first leaves, from tiles proven to be of that tree.

    Raises BadProof when they are not.
    """
    subtree = subtrees(read_tile)
    if root_at(tree.size, subtree) != tree.root:
        raise BadProof(f"the tiles do not lead to the signed root of {tree.size} entries")
    prefix, proof = root_at(size, subtree), prove_consistency(size, tree.size, subtree)
    # Tiles away from the right edge are bound to the root by the proof alone.
    verify_consistency(size, tree.size, prefix, tree.root, proof)
    return prefix
