"""What a log sends to a witness: an add-checkpoint's body, taken apart (C2SP tlog-witness).

docs/protocol.md section 6; c2sp.org/tlog-witness "add-checkpoint". core.py shows one.
"""

from __future__ import annotations

from dataclasses import dataclass

from consent.log.checkpoint import Checkpoint, read_checkpoint
from consent.log.merkle import HASH_SIZE
from consent.log.note import Note, read_note, read_number, read_utf8, unb64
from consent.log.proof import MAX_HASHES
from vault.errors import BadShape

_OLD = "old "


@dataclass(frozen=True)
class Request:
    """The body of an add-checkpoint taken apart; nothing in it is verified yet."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


def read_request(body: bytes) -> Request:
    """Return the parts of an add-checkpoint's body.

    Raises:
        BadShape: another form, more than 63 hashes, or an old size above the checkpoint's.
    """
    head, _, signed = read_utf8(body).partition("\n\n")
    old, *hashes = head.split("\n")
    if not old.startswith(_OLD) or len(hashes) > MAX_HASHES:
        raise BadShape(f"wanted a line with the old size and up to {MAX_HASHES} hashes")
    note = read_note(signed)
    request = Request(
        old=read_number(old.removeprefix(_OLD)),
        proof=tuple(unb64(line, HASH_SIZE) for line in hashes),
        note=note,
        checkpoint=read_checkpoint(note.text),
    )
    if request.old > request.checkpoint.size:
        raise BadShape("the old size is above the checkpoint's")
    return request
