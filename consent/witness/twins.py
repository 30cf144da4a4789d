"""Two logs with one key: what the key of a known log signed for another log.

docs/protocol.md section 6, "Evidence"; rule "origin" of consent/log/refusal.py.

    twins = Twins({"a.example": [vkey of a.example]})
    twins.find(note, newest)         [Refusal(rule="origin", …)]; newest(origin): what is stored

A witness refuses such a note in any case. What no known key signed is not kept: anybody could fill
the disk with it. Anybody may also send a note, so that little is done for one: of its first lines
alone, with few signatures verified, and nothing is read before one of them holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256

from consent.log.note import ED25519, Note, Signature, VerifierKey, read_note
from consent.log.reasons import if_refused
from consent.log.refusal import Refusal, lines_of, twin_lines
from vault.errors import BadPlace

MOST_LINES = 8
"""How many lines of the form of a log's signature are compared with the known keys."""
MOST_TRIED = 4
"""How many signatures are verified for one note: key ids of 4 bytes are easily made to fit."""
_SIZE = 64


class Twins:
    """The keys of all known logs, to be compared with notes of other logs."""

    def __init__(self, logs: Mapping[str, Sequence[VerifierKey]]) -> None:
        """Know these keys (type 01) by origin."""
        self._keys = [(origin, key) for origin, keys in logs.items() for key in keys]
        self._ends = [bytes([ED25519]) + key.public for _, key in self._keys]

    def find(self, note: Note, origin: str, newest: Callable[[str], str | None]) -> list[Refusal]:
        """Return evidence for each key of another log that signed a note of this origin.

        Args:
            note: as it was sent; lines of others are left out of what is returned.
            origin: the note's.
            newest: gives the stored note of a log, which then stands beside; may raise BadPlace.
        """
        found = dict[VerifierKey, Refusal]()
        for line, owner, key in [*self._fitting(note, origin)][:MOST_TRIED]:
            alone = Note(note.text, (line,))
            if key not in found and twin_lines(alone, key):
                known = _beside(owner, key, newest)
                made = if_refused("origin", key, note=str(alone), known=known)
                found |= {key: made} if made else {}  # none: larger than a file holds
        return [*found.values()]

    def _fitting(self, note: Note, origin: str) -> Iterator[tuple[Signature, str, VerifierKey]]:
        """Yield lines with the known key whose id, under the line's own name, they have."""
        lines = [line for line in note.signatures if len(line.value) == _SIZE][:MOST_LINES]
        for line in dict.fromkeys(lines):
            begun = sha256(f"{line.name}\n".encode())
            for (owner, key), end in zip(self._keys, self._ends, strict=True):
                hashed = begun.copy()
                hashed.update(end)
                if owner != origin and hashed.digest()[:4] == line.key_id:
                    yield line, owner, key


def _beside(owner: str, key: VerifierKey, newest: Callable[[str], str | None]) -> str:
    """Return the newest note of a log where this key signed it; empty where none is to be had."""
    known = None
    with suppress(BadPlace):  # one log's file that cannot be read is nobody else's trouble
        known = newest(owner)
    return known if known and lines_of(read_note(known), key) else ""
