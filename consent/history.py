"""One history: that every tree somebody was shown is a beginning of the next one.

    old, new = open_head(kept, vkey), open_head(shown, vkey)
    check_grown(old, new, tile_reader(wire, new.size))

The proof is made here from the log's public tiles (docs/protocol.md section 6; RFC 6962 section
2.1.2): nobody's word for it is needed. Both notes are signed by the log, so that two which do not
fit together are evidence against it. When the log turned, each of its logs has a history of its
own, and those that ended go up to the tree that the directory lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from consent.log import tiles
from consent.log.merkle import HASH_SIZE, prove_consistency, verify_consistency
from consent.log.note import VerifierKey
from consent.log.tiles import ReadTile, Tile, width_at
from consent.log.tlog_policy import open_checkpoint
from consent.logged import Log, log_named, logs_of
from vault.directory import Directory
from vault.errors import BadProof, BadShape, NotFound
from vault.wire import Wire

KEPT_HASHES = 4096


@dataclass(frozen=True, order=True)
class Head:
    """A tree that the log signed: its size, its root (32 bytes), and the whole note."""

    size: int
    root: bytes
    note: str

    @property
    def origin(self) -> str:
        """The log's name: the note's first line."""
        return self.note.partition("\n")[0]


def open_head(note: str, log: VerifierKey) -> Head:
    """Return the tree of a checkpoint that the log signed; raises BadProof."""
    try:
        found = open_checkpoint(note, log).checkpoint
    except BadShape as bad:
        raise BadProof(f"the checkpoint cannot be read: {bad}") from bad
    return Head(found.size, found.root, note)


def open_listed(note: str, directory: Directory) -> Head:
    """Return the tree of a checkpoint that a log of the directory signed; raises BadProof."""
    return open_head(note, log_named(directory, note.partition("\n")[0]).key)


def tile_reader(wire: Wire, size: int, path: str = "/log") -> ReadTile:
    """Return the reader of the tiles of a tree of this size, each fetched once from that path.

    It raises BadProof when the log does not serve a tile, or one of another width.
    """
    held: dict[tuple[int, int], bytes] = {}

    def read(level: int, n: int) -> bytes:
        if (level, n) not in held:
            held[level, n] = _fetch(wire, path, Tile(level, n, width_at(size, level, n)))
        return held[level, n]

    return read


def _fetch(wire: Wire, path: str, tile: Tile) -> bytes:
    try:
        raw = wire.raw(f"{path}/{tile}")
    except NotFound as bad:
        raise BadProof(f"the log does not serve {tile}, which a checkpoint covers") from bad
    if len(raw) != tile.width * HASH_SIZE:
        raise BadProof(f"{tile} has {len(raw)} bytes")
    return raw


class Newest(NamedTuple):
    """The newest tree that was seen, and how many entries all logs have up to its end."""

    head: Head
    size: int


def check_histories(heads: Iterable[Head], directory: Directory, wire: Wire) -> Newest | None:
    """Return the newest of these trees of a directory's logs; None for no tree.

    1. each is of a log that the directory lists. 2. those of one log are one history. 3. where it
    ended, they are beginnings of the tree that it ended with.

    Raises:
        BadProof: a step fails.
    """
    seen, newest = set(heads), None
    for log in logs_of(directory):
        own = {head for head in seen if head.origin == log.key.name}
        seen -= own
        if own:
            found = check_one_history(own, wire, log.path)
            _check_end(log, found, wire)
            newest = Newest(found, log.base + found.size)  # 2
    if seen:
        raise BadProof(f"the directory knows no log {min(seen).origin[:200]!r}")  # 1
    return newest


def _check_end(log: Log, found: Head, wire: Wire) -> None:
    if log.last is None:
        return
    if found.size > log.last[0]:
        raise BadProof(f"{found.origin} ended with {log.last[0]} entries, found {found.size}")
    check_one_history((found, Head(*log.last, "")), wire, log.path)  # 3


def check_one_history(heads: Iterable[Head], wire: Wire, path: str = "/log") -> Head:
    """Return the largest of these trees (at least one), once each is a beginning of it.

    They are of one log, which is served under that path.

    Raises:
        BadProof: two do not fit together, or the log does not serve the tiles that would show it.
    """
    ordered = sorted(set(heads))
    newest = ordered[-1]
    find = tiles.Kept(KEPT_HASHES).over(tile_reader(wire, newest.size, path))
    for old in ordered[:-1]:
        proof = prove_consistency(old.size, newest.size, find) if old.size < newest.size else ()
        try:
            verify_consistency(old.size, newest.size, old.root, newest.root, proof)
        except BadProof as bad:
            raise BadProof(
                f"the log of {newest.size} entries does not begin with the one of {old.size}: {bad}"
            ) from bad
    return newest
