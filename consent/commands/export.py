"""The log as files: what ``/log/`` serves, for a plain web server or an offline audit.

    OUT/tile/entries/000.p/44   OUT/tile/0/000.p/44   …   OUT/checkpoint
    OUT/2027/tile/…             OUT/2027/checkpoint       a later log, under its name

Each file is written aside, synced and renamed; the checkpoint comes last, so that whoever follows
it finds every tile it needs (C2SP tlog-tiles). Files that are there already are compared: another
tree is never written over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from consent.log.tiles import ENTRIES, HEIGHT, MAX_LEVEL, WIDTH, Tile, count_at, width_at
from consent.log.tlog_policy import open_checkpoint
from consent.log.tree import Tree
from consent.place import replace_file
from vault.errors import BadPlace, BadProof, BadShape

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Exported:
    """How many entries the checkpoint covers, and how many tiles they make."""

    size: int
    tiles: int


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile and bundle of a tree, as wide as it is served at this size."""
    for level in range(ENTRIES, MAX_LEVEL // HEIGHT + 1):
        for n in range(-(-count_at(size, level) // WIDTH)):
            yield Tile(level, n, width_at(size, level, n))


def export(log: Tree, out: Path, progress: Progress = lambda _done, _size: None) -> Exported:
    """Write one log of its newest checkpoint; return what was written.

    Raises:
        BadPlace: the folder holds another log, a longer one, or cannot be written.
        LogUnavailable: the stored log is damaged.
    """
    signed = log.checkpoint()
    size = open_checkpoint(signed, log.vkey).checkpoint.size
    _check_before(log, out, size)
    wanted = list(tiles_of(size))
    for done, tile in enumerate(wanted, 1):
        _write(out / str(tile), log.tile(str(tile)))
        progress(done, len(wanted))
    replace_file(out / "checkpoint", signed.encode("utf-8"))
    return Exported(size, len(wanted))


def _check_before(log: Tree, out: Path, size: int) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = (out / "checkpoint").read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as bad:
        raise BadPlace(f"cannot read {out}") from bad
    try:
        old = open_checkpoint(before, log.vkey).checkpoint
    except (BadProof, BadShape) as bad:
        raise BadPlace(f"{out} holds another log") from bad
    if old.size > size:
        raise BadPlace(f"{out} holds {old.size} entries of this log, which has only {size}")


def _write(path: Path, raw: bytes) -> None:
    try:
        if path.exists():
            if path.read_bytes() != raw:
                raise BadPlace(f"{path} is there already and holds another tree")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as bad:
        raise BadPlace(f"cannot write {path}: {bad.strerror}") from bad
    replace_file(path, raw)
