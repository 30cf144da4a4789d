"""What a witness's refused answer, or its silence, leaves behind: files that others can judge.

docs/protocol.md section 6, "Evidence"; refusal.py has the rules.

    grounds.spoke(signed, lines)     a good answer: the last one known of this witness
    grounds.refused(signed, body)    lines that do not verify, belong elsewhere, or are old
    grounds.ahead(signed, theirs)    it knows more of the log than the database, or another history
    grounds.missed()                 no answer; keep_silence() writes it down once a release is held

Nothing here decides anything: the answer was refused before, and what cannot be kept is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from consent.log.checkpoint import read_checkpoint
from consent.log.note import Note, VerifierKey, read_note
from consent.log.reasons import find_refusal, if_refused
from consent.log.refusal import CLOCKS, MAX_TRIES, Refusal, Rule
from consent.log.submission import Line
from consent.log.tiles import ReadTile
from consent.log.tlog_policy import Opened, open_checkpoint
from consent.log.tree import Tree
from vault.encoding import JsonIn
from vault.errors import BadProof, BadShape, LogUnavailable

REWRITE = 60
"""How many seconds pass at least before the file of one silence is written again."""


class Shelf(Protocol):
    """Where evidence is put; whatever happens there stops nobody."""

    def keep(self, refusal: Refusal) -> object:
        """Keep a refusal once; where `at` and `by` are open, say when and who."""

    def contradict(self, log: VerifierKey, one: str, other: str, read_tile: ReadTile) -> object:
        """Keep the fork of two notes that the log signed, where the tiles show it."""


class NoShelf:
    """Keeps nothing: for a log that has no folder."""

    def keep(self, refusal: Refusal) -> None:
        """Keep nothing."""

    def contradict(self, log: VerifierKey, one: str, other: str, read_tile: ReadTile) -> None:
        """Keep nothing."""


class Grounds:
    """One witness of one log: what it said last, and when it was asked in vain."""

    def __init__(
        self, keys: tuple[VerifierKey, ...], log: Tree, wall: Callable[[], int], shelf: Shelf
    ) -> None:
        """Know nothing yet; `keys` are the witness's."""
        self._keys, self._log, self._wall, self._shelf = keys, log, wall, shelf
        self._last, self._tries, self._written = "", tuple[int, ...](), 0

    def spoke(self, signed: str, lines: list[Line]) -> None:
        """Take a good answer down: with it a silence ends."""
        note = read_note(signed)
        own = (line.signature for line in lines)
        self._last = str(Note(note.text, (*note.signatures, *own)))
        self._tries, self._written = (), 0

    def missed(self) -> None:
        """Take down that it was asked in vain now; the first time and the last ones are kept."""
        tries = (*self._tries, self._wall())
        self._tries = tries[:1] + tries[1:][-(MAX_TRIES - 1) :]

    def keep_silence(self) -> None:
        """Keep until when it had spoken, in one file for one silence; nothing if it is not silent.

        What it refused, or answered wrongly, is no silence.
        """
        now, tries = self._wall(), [*sorted(self._tries)]
        if not tries or (self._written and now - self._written < REWRITE):
            return
        self._written = now
        known = self._known()
        self._keep("down", known=known, witnesses=[self._name(known)], tries=[*tries], at=now)

    def refused(self, signed: str, body: str, began: int) -> None:
        """Keep an answer of which no line counts.

        Args:
            signed: the note that it was asked to cosign.
            body: what it answered.
            began: unix seconds at which it was asked.
        """
        note, known = signed + body, self._known()
        found = find_refusal(note, self._log.vkey, self._keys, [known] if known else [])
        if found is not None:
            self._shelf.keep(found)
            return
        for key in self._keys:
            members: dict[str, JsonIn] = {"note": note, "witnesses": [str(key)], "limit": CLOCKS}
            if not self._keep("stale", **members, at=began):
                self._keep("stale", **members, at=began, known=known)

    def ahead(self, signed: str, theirs: str) -> None:
        """Keep that it knows more than the database, or another history.

        Args:
            signed: the newest note of the database.
            theirs: the note that it shows of this log; empty when none is to be had.
        """
        opened = self._cosigned(theirs)
        size = read_checkpoint(read_note(signed).text).size
        if opened is not None and opened.checkpoint.size <= size:
            read_tile = self._log.tiles_at(size)
            if self._shelf.contradict(self._log.vkey, theirs, signed, read_tile) is not None:
                return
        larger = theirs if opened is not None and opened.checkpoint.size > size else ""
        cosigned = opened.cosigned if opened is not None and larger else ()
        names: list[JsonIn] = [str(one.witness) for one in cosigned] or [str(self._keys[0])]
        self._keep("ahead", note=signed, known=larger, witnesses=names)

    def _known(self) -> str:
        """Return the last note that this witness cosigned, as far as the log has it; or nothing."""
        try:
            stored = self._log.kept()
        except LogUnavailable:
            stored = ""
        return next((one for one in (self._last, stored) if self._cosigned(one)), "")

    def _name(self, known: str) -> str:
        """Return the key that cosigned the known note, else the first one."""
        opened = self._cosigned(known)
        return str(opened.cosigned[0].witness if opened else self._keys[0])

    def _cosigned(self, note: str) -> Opened | None:
        """Return a note once the log signed it and this witness cosigned it."""
        try:
            opened = open_checkpoint(note, self._log.vkey, self._keys)
        except (BadProof, BadShape):
            return None
        return opened if opened.cosigned else None

    def _keep(self, rule: Rule, **members: JsonIn) -> bool:
        """Keep a refusal, and say whether its rule refused this at all."""
        found = if_refused(rule, self._log.vkey, **members)
        if found is not None:
            self._shelf.keep(found)
        return found is not None


def keep_known(shelf: Shelf, log: Tree, known: str) -> None:
    """Keep a note that is known outside the database beside the newest one that is in it."""
    try:
        stored = log.head()
        one, other = (open_checkpoint(note, log.vkey).checkpoint for note in (known, stored))
        if one.size > other.size:
            if found := if_refused("ahead", log.vkey, note=stored, known=known):
                shelf.keep(found)
        else:
            shelf.contradict(log.vkey, known, stored, log.tiles_at(other.size))
    except (BadProof, BadShape, LogUnavailable):
        return  # no two notes of this log: there is nothing to show
