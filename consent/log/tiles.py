"""Tiles: the tree as files that only grow (C2SP tlog-tiles).

docs/protocol.md section 6; c2sp.org/tlog-tiles.

    tile/0/000            256 leaf hashes of 32 bytes
    tile/0/001.p/44       the first 44 hashes of tile 1
    tile/1/x001/x234/067  256 roots of full tiles of level 0; tile number 1234067
    tile/entries/000.p/3  entry bundle: 3 times uint16 big-endian length, entry

One row is kept for each tile. It grows at its end, so a slice of it is every narrower tile that was
ever served. A bundle has level -1 and is as wide as the tile of level 0 beside it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from consent.log import merkle
from consent.log.merkle import HASH_SIZE, Subtree
from vault.errors import BadProof, NotFound

WIDTH = 256
HEIGHT = 8
ENTRIES = -1
MAX_LEVEL = 63

ReadTile = Callable[[int, int], bytes]
"""Gives the stored bytes of tile n of a level; nothing for a tile that is empty."""

_PATH = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True)
class Tile:
    """A tile by level (-1: entry bundle), number and width 1..256; ``str()`` is its path."""

    level: int
    n: int
    width: int

    def __str__(self) -> str:
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_write_number(self.n)}{partial}"


def read_path(path: str) -> Tile:
    """Return the tile that a path (after the log's prefix) names.

    Raises:
        NotFound: the path is not the one form that a tile has.
    """
    found = _PATH.fullmatch(path)
    if not found:
        raise NotFound("no tile has such a path")
    level = ENTRIES if found[1] == "entries" else int(found[1])
    n = int(found[2].replace("/", "").replace("x", ""))
    tile = Tile(level, n, int(found[3] or WIDTH))
    if str(tile) != path or tile.width > WIDTH or level > MAX_LEVEL:
        raise NotFound("no tile has such a path")
    return tile


def _write_number(n: int) -> str:
    last = f"{n % 1000:03d}"
    while n >= 1000:
        n //= 1000
        last = f"x{n % 1000:03d}/{last}"
    return last


def count_at(size: int, level: int) -> int:
    """Return how many hashes (or entries) a level has in a tree of this size."""
    return size >> HEIGHT * max(level, 0)


def width_at(size: int, level: int, n: int) -> int:
    """Return the width, 0..256, of tile n of a level in a tree of this size."""
    return max(0, min(WIDTH, count_at(size, level) - n * WIDTH))


def cut(tile: Tile, size: int, read: ReadTile) -> bytes:
    """Return the bytes of a tile as served from a tree of this published size.

    Raises:
        NotFound: the tile reaches beyond the size.
        BadProof: what is stored is not a tile of that width.
    """
    if tile.width > width_at(size, tile.level, tile.n):
        raise NotFound("the log has not grown to this tile")
    stored = _items(tile.level, read(tile.level, tile.n))[: tile.width]
    if len(stored) != tile.width:
        raise BadProof(f"tile {tile} is stored with width {len(stored)}")
    return write_bundle(stored) if tile.level == ENTRIES else b"".join(stored)


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries of up to 65,535 bytes, each after its length as uint16."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(raw: bytes) -> list[bytes]:
    """Return the entries of a bundle; raises BadProof when the last one is cut off."""
    entries, start = list[bytes](), 0
    while start < len(raw):
        first = start + 2
        start = first + int.from_bytes(raw[start:first], "big")
        entries.append(raw[first:start])
    if start != len(raw):
        raise BadProof("an entry bundle ends inside an entry")
    return entries


def read_hashes(raw: bytes) -> list[bytes]:
    """Return the hashes of a tile; raises BadProof when the last one is cut off."""
    if len(raw) % HASH_SIZE:
        raise BadProof("a tile ends inside a hash")
    return [raw[i : i + HASH_SIZE] for i in range(0, len(raw), HASH_SIZE)]


def _items(level: int, raw: bytes) -> list[bytes]:
    return read_bundle(raw) if level == ENTRIES else read_hashes(raw)


def subtrees(read: ReadTile) -> Subtree:
    """Return the function that finds a complete subtree's hash in the tiles; it raises BadProof."""

    def subtree(level: int, index: int) -> bytes:
        tile_level, inside = divmod(level, HEIGHT)
        n, first = divmod(index << inside, WIDTH)
        last = first + (1 << inside)
        raw = read(tile_level, n)[first * HASH_SIZE : last * HASH_SIZE]
        if len(raw) != HASH_SIZE << inside:
            raise BadProof(f"tile {n} of level {tile_level} is too short")
        return merkle.root(read_hashes(raw))

    return subtree


class Kept:
    """The hashes of complete subtrees used last: they never change, so they need no renewal."""

    def __init__(self, limit: int) -> None:
        """Keep up to `limit` hashes, of about 200 bytes each."""
        self._limit = limit
        self._hashes: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._lock = Lock()

    def over(self, read: ReadTile) -> Subtree:
        """Return `subtrees` over durable tiles that looks here first."""
        find = subtrees(read)

        def subtree(level: int, index: int) -> bytes:
            kept = self._get((level, index))
            return kept or self._put((level, index), find(level, index))

        return subtree

    def _get(self, place: tuple[int, int]) -> bytes | None:
        with self._lock:
            if place in self._hashes:
                self._hashes.move_to_end(place)
            return self._hashes.get(place)

    def _put(self, place: tuple[int, int], found: bytes) -> bytes:
        with self._lock:
            self._hashes[place] = found
            if len(self._hashes) > self._limit:
                self._hashes.popitem(last=False)
            return found


def grow(size: int, entries: Sequence[bytes], read: ReadTile) -> dict[tuple[int, int], bytes]:
    """Return the tiles, by (level, n), that change when entries follow the first `size` ones.

    Raises:
        BadProof: the right edge is not one of a tree of that size.
    """
    changed = dict[tuple[int, int], bytes]()
    n = size // WIDTH
    for i, chunk in enumerate(_chunks([*_edge(size, ENTRIES, read), *entries])):
        changed[ENTRIES, n + i] = write_bundle(chunk)
    level, fresh = 0, [merkle.leaf_hash(entry) for entry in entries]
    while fresh:
        n = count_at(size, level) // WIDTH
        chunks = _chunks([*_edge(size, level, read), *fresh])
        for i, chunk in enumerate(chunks):
            changed[level, n + i] = b"".join(chunk)
        fresh = [merkle.root(chunk) for chunk in chunks if len(chunk) == WIDTH]
        level += 1
    return changed


def _chunks(items: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [items[i : i + WIDTH] for i in range(0, len(items), WIDTH)]


def _edge(size: int, level: int, read: ReadTile) -> list[bytes]:
    """Return the level's partial tile, perhaps empty, once it is as wide as the size says."""
    n = count_at(size, level) // WIDTH
    items = _items(level, read(level, n))
    if len(items) != width_at(size, level, n):
        raise BadProof(f"tile {n} of level {level} has width {len(items)} at size {size}")
    return items


def verify_edge(size: int, root: bytes, read: ReadTile) -> None:
    """Return when the right edge, on which all growth builds, is that of this tree.

    1. on every level the partial tile is as wide as the size says. 2. the edge leads to the root.
    3. the last leaf is in the tree, through the last tile of each level also when that is full.
    4. the last bundle's entries are the last leaves.

    Raises:
        BadProof: a step fails.
    """
    for level in range(ENTRIES, MAX_LEVEL // HEIGHT + 1):
        _edge(size, level, read)  # 1
    find = subtrees(read)
    if merkle.root_at(size, find) != root:
        raise BadProof("the right edge does not lead to the root")  # 2
    if size:
        path = merkle.prove_inclusion(size - 1, size, find)
        merkle.verify_inclusion(find(0, size - 1), size - 1, size, root, path)  # 3
        n = (size - 1) // WIDTH
        leaves = [merkle.leaf_hash(entry) for entry in read_bundle(read(ENTRIES, n))]
        if b"".join(leaves) != read(0, n):
            raise BadProof("the last entries are not the last leaves")  # 4
