"""Two logs with one key: what the key of a known log signed for another log.

docs/protocol.md section 6, "Evidence"; rule "origin" of consent/log/refusal.py.

    find_twins(note, [vkey of a.example], newest note of a.example)   [Refusal(rule="origin", …)]

A witness refuses such a note in any case. What no known key signed is not kept: anybody could fill
the disk with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from consent.log.note import Note, VerifierKey, read_note
from consent.log.reasons import make_refusal
from consent.log.refusal import Refusal, lines_of, twin_lines
from vault.errors import BadProof


def find_twins(note: Note, keys: Sequence[VerifierKey], newest: str) -> Iterator[Refusal]:
    """Yield evidence for each of a log's keys that signed a note of another log.

    Args:
        note: as it was sent; lines of others are left out.
        keys: of one log, which the note is not of.
        newest: the newest note of that log; empty when there is none.
    """
    for key in keys:
        for line in twin_lines(note, key)[:1]:
            signed = str(Note(note.text, (line,)))
            known = newest if newest and lines_of(read_note(newest), key) else ""
            try:
                yield make_refusal("origin", key, note=signed, known=known)
            except BadProof:  # larger than a file holds
                continue
