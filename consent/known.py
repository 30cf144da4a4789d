"""The last signed checkpoint, kept outside the database: an old backup is told by it.

    vault.db            the database, which a careless hand may replace by an older copy
    known.checkpoint    the signed note of the last tree that was made from it

After each sequencing the file is replaced; at the start the stored log of that origin must be that
tree or an extension of it (docs/protocol.md section 6). When the log turned, the next one's
checkpoint comes here with its first entry, which names the last tree of the one before.

A crash between the commit and the file leaves the file older, which is fine. It is not forced to
the disk, which would double the cost of a commit: a power cut may leave it older, or empty, and
empty says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vault import faults
from vault.errors import BadDatabase, LogUnavailable

FILE = "known.checkpoint"


class Known:
    """What is known outside the database of its log."""

    def __init__(self, path: Path | None = None, others: Sequence[Path] = ()) -> None:
        """Read `path`, which is kept up from now on, and `others`: an operator's own copies.

        Args:
            path: the file beside the database; may be missing. None: nothing is kept.
            others: files with a signed checkpoint each, kept elsewhere; they must be there.

        Raises:
            BadDatabase: a file cannot be read.
        """
        self._path = path
        beside = [path] if path and path.exists() else []
        found = [_read(file) for file in (*beside, *others)]
        if len(others) and not all(found[len(beside) :]):
            raise BadDatabase("a checkpoint file that was given is empty")
        self.checkpoints = tuple(text for text in found if text)

    def keep(self, checkpoint: str) -> None:
        """Replace the file's checkpoint; raises LogUnavailable when it cannot be written."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(checkpoint, encoding="utf-8", newline="\n")
            faults.point("known-before-rename")
            fresh.replace(self._path)
        except OSError as bad:
            raise LogUnavailable(f"cannot write {self._path.name}: {bad.strerror}") from bad


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as bad:
        raise BadDatabase(f"cannot read the known checkpoint {path}") from bad
