"""Where a vault, or a party's command, keeps what it refused: a folder of evidence files.

    evidence/refusal-ahead-1f0c….json     mode 0600; consent/log/refusal.py, consent/evidence.py

    shelf = FolderShelf(folder / "evidence", by="vault.example/log")
    shelf.keep(refusal)                   its path, or None where nothing was kept

Keeping stops nobody: a disk that refuses is logged, and of one rule about one party a hundred files
are kept, since whoever sends much that is refused must not fill the disk. Files that accuse have a
room of their own; of the silences of one witness the newest hundred are kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from consent.evidence import Evidence, file_name, make_fork, write_evidence
from consent.log.grounds import NoShelf, Shelf
from consent.log.note import VerifierKey
from consent.log.reasons import room_of
from consent.log.refusal import Refusal
from consent.log.tiles import ReadTile
from consent.place import Place, replace_file
from consent.policy import wall_clock
from vault.errors import BadPlace, BadProof, BadShape, LogUnavailable

FOLDER = "evidence"
MOST = 100
_logger = logging.getLogger(__name__)


class FolderShelf:
    """Evidence files of one keeper."""

    def __init__(self, folder: Path, by: str, now: Callable[[], int] = wall_clock) -> None:
        """Stand on a folder, made when something is kept; `by` is who keeps, `now` its clock."""
        self._folder, self._by, self._now = folder, by[:200], now
        self._lock = Lock()

    def keep(self, refusal: Refusal) -> Path | None:
        """Keep a refusal once; the one of a silence takes the place of the one before.

        Returns None where nothing was kept.
        """
        open_ones = {
            name: value
            for name, value in (("at", self._now()), ("by", self._by))
            if not getattr(refusal, name)
        }
        return self._put(refusal.model_copy(update=open_ones), again=refusal.rule == "down")

    def contradict(
        self, log: VerifierKey, one: str, other: str, read_tile: ReadTile
    ) -> Path | None:
        """Keep the fork of two notes; None where they agree, or where the tiles show none.

        Args:
            log: whose notes they are.
            one: the smaller, or one of the same size.
            other: the larger.
            read_tile: tiles of the larger tree.
        """
        try:
            return self._put(make_fork(log, one, other, read_tile))
        except (BadProof, BadShape, LogUnavailable) as lost:
            _logger.info("two checkpoints show no fork: %s", lost)
            return None

    def _put(self, found: Evidence, *, again: bool = False) -> Path | None:
        path = self._folder / file_name(found)
        with self._lock:
            if path.exists() and not again:
                return path
            try:
                return self._write(path, write_evidence(found), again)
            except (OSError, BadPlace) as lost:
                _logger.warning("evidence was not kept: %s", lost)
                return None

    def _write(self, path: Path, raw: bytes, again: bool) -> Path | None:
        alike = room_of(path.name)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = [] if path.exists() else list(self._folder.glob(f"{alike}-*.json"))
        if len(there) >= MOST:
            if not again:
                _logger.warning("evidence was not kept: %d files of %s are there", MOST, alike)
                return None
            min(there, key=lambda each: each.stat().st_mtime_ns).unlink(missing_ok=True)
        replace_file(path, raw)
        return path


def shelf_of(place: Place) -> Shelf:
    """Return the shelf beside a vault's database; one that keeps nothing without such a file."""
    if not place.database.exists():
        return NoShelf()
    return FolderShelf(place.database.parent / FOLDER, place.settings.origin)
