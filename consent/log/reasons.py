"""Why a note is refused: the rule that refuses it, found and made into evidence (refusal.py).

docs/protocol.md section 6, "Evidence".

    find_refusal(note, log, witnesses, known)   a Refusal: origin, forged or replayed; or None
    make_refusal("stale", log, note=…, …)       one of a given rule, judged
    refusal_text(found)                         the file, as an error carries it
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from consent.log.forms import TYPE
from consent.log.note import VerifierKey, read_note, read_vkey
from consent.log.refusal import (
    Refusal,
    Rule,
    judge_refusal,
    lines_of,
    read_signed,
    times_of,
    twin_lines,
)
from vault.encoding import JsonIn, compact_json
from vault.errors import BadProof, BadShape


def make_refusal(rule: Rule, log: VerifierKey, **members: JsonIn) -> Refusal:
    """Return a refusal as its file holds it, judged; members as in `Refusal`, empty ones left out.

    Raises:
        BadProof: the rule does not refuse this, or no file holds it.
    """
    head: dict[str, JsonIn] = {"type": TYPE, "kind": "refusal", "rule": rule, "log": str(log)}
    given = {name: value for name, value in members.items() if value}
    try:
        made = Refusal.parse(compact_json({**head, **given}))
        judge_refusal(made)
    except BadShape as bad:
        raise BadProof(f"an evidence file does not hold this: {bad}") from bad
    return made


def find_refusal(
    note: str, log: VerifierKey, witnesses: Sequence[VerifierKey], known: Sequence[str] = ()
) -> Refusal | None:
    """Return why a note is refused whatever the time is; None where these bytes do not say it.

    1. it is of another origin. 2. the line of a witness does not verify: it is replayed when it
    belongs to a known note, else forged.

    Args:
        note: as it came.
        log: whose checkpoint was wanted.
        witnesses: whose lines count.
        known: notes that the log signed and a witness cosigned.
    """
    try:
        parts, head = read_signed(note)
    except BadShape:
        return None
    if head.origin != log.name:
        return if_refused("origin", log, note=note)  # 1
    for key in witnesses:
        if len(times_of(parts, key, head)) < len(lines_of(parts, key)):
            members: dict[str, JsonIn] = {"note": note, "witnesses": [str(key)]}
            replays = (if_refused("replayed", log, **members, known=one) for one in known)
            return next(filter(None, replays), if_refused("forged", log, **members))  # 2
    return None


def if_refused(rule: Rule, log: VerifierKey, **members: JsonIn) -> Refusal | None:
    """Return what make_refusal does; None where its rule refuses nothing, or no file holds it."""
    try:
        return make_refusal(rule, log, **members)
    except BadProof:
        return None


def refusal_text(found: Refusal | None) -> str:
    """Return the file of a refusal as text, which an error carries; empty for none."""
    return compact_json(found.plain()).decode("utf-8") + "\n" if found else ""


def refusal_name(found: Refusal) -> str:
    """Return a file's name, such as ``refusal-stale-1f0c5d2e-5d41402abc4b2a76.json``.

    It is of the rule, of the log and the witnesses, so that one party cannot take the room of the
    others, and of the checkpoints; lines under them, which anybody varies, do not count. What the
    log's own key signed for another log accuses it and has ``signed`` in its name: neither the same
    note without that line nor any number of harmless ones takes its place (`room_of`).

    Raises:
        BadShape: a note or the key cannot be read.
    """
    about = _short(found.log, *found.witnesses)[:8]
    came = _short(*(read_note(note).text if note else "" for note in (found.note, found.known)))
    proves = "-signed" if accuses(found) else ""
    return f"refusal-{found.rule}{proves}-{about}-{came}.json"


def accuses(found: Refusal) -> bool:
    """Return whether the key in the file signed for another log; raises BadShape."""
    log = read_vkey(found.log)
    return found.rule == "origin" and bool(twin_lines(read_note(found.note), log))


def room_of(name: str) -> str:
    """Return what the names of all files begin with that share their room with this one."""
    return name.rpartition("-")[0]


def _short(*texts: str) -> str:
    return sha256("".join(texts).encode("utf-8")).hexdigest()[:16]
