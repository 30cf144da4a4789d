"""A volume: what a mirror's folder holds of one log; the next one follows its turn (section 6).

    DIR/checkpoint      DIR/tile/entries/000 …      DIR/texts/000.jsonl …        the first log
    DIR/logs/2027/checkpoint  …/tile/…              …/texts/…                    the one after it

    volumes = open_volumes(folder, vkey)               every log that is here, in their order
    texts_between(volumes, 0, volumes[-1].end)         their texts, by index

A file of texts goes with a bundle: 256 entries of one log. Indexes in it are counted over all logs.
Nothing is written here, and nothing is verified but whose a checkpoint is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from consent.lineage import NextLog, next_log, open_log
from consent.log.merkle import leaf_hash, root
from consent.log.note import VerifierKey
from consent.log.tiles import ENTRIES, WIDTH, ReadTile, Tile, read_bundle, read_hashes, width_at
from consent.readings import Page, Served, read_served
from vault.encoding import Json
from vault.errors import BadInput, BadPlace, BadProof, BadShape

FURTHER = "logs"
_LINE_TEXT = re.compile(r'"text":"([A-Za-z0-9_.-]+)"')


def numbers_of(size: int, first: int = 0) -> range:
    """Return the numbers of the entry bundles of a tree of this size, from `first` on."""
    return range(first, -(-size // WIDTH))


def bundles_of(size: int, first: int = 0) -> Iterator[Tile]:
    """Yield the entry bundles of a tree of this size, from number `first` on.

    A log may sign any size: never hold them all.
    """
    return (Tile(ENTRIES, n, min(WIDTH, size - n * WIDTH)) for n in numbers_of(size, first))


def last_bundle(size: int) -> Tile | None:
    """Return the last entry bundle of a tree of this size; None for an empty tree."""
    return next(bundles_of(size, max(0, size - 1) // WIDTH), None)


def tiles_of(size: int, bundle: Callable[[Tile], bytes]) -> ReadTile:
    """Return the reader of a tree's tiles of hashes, made from its bundles.

    Args:
        size: the tree's, in entries.
        bundle: gives the bytes of an entry bundle; asked for only what a tile needs.
    """
    kept: dict[tuple[int, int], bytes] = {}

    def read(level: int, n: int) -> bytes:
        width = width_at(size, level, n)
        if level == 0:
            tile = Tile(ENTRIES, n, width)
            leaves = read_leaves(tile, bundle(tile)) if width else []
            return b"".join(map(leaf_hash, leaves))
        if (level, n) not in kept:
            below = (read(level - 1, n * WIDTH + i) for i in range(width))
            kept[level, n] = b"".join(root(read_hashes(raw)) for raw in below)
        return kept[level, n]

    return read


def read_leaves(tile: Tile, raw: bytes) -> list[bytes]:
    """Return the leaves of an entry bundle; raises BadProof when they are too few or too many."""
    found = read_bundle(raw)
    if len(found) != tile.width:
        raise BadProof(f"the log serves {len(found)} entries in {tile}")
    return found


def number_of(n: int) -> str:
    """Return a bundle's or texts file's number as tiles write it, such as x001/x234/067."""
    return str(Tile(ENTRIES, n, WIDTH)).removeprefix("tile/entries/")


@dataclass(frozen=True)
class MirrorPage:
    """One bundle and its texts, in a volume's folder; any process can read it.

    `base` is how many entries stand in the logs before.
    """

    folder: str
    tile: Tile
    without: frozenset[int] = frozenset()
    base: int = 0

    def read(self) -> Page:
        """Return the page; raises BadPlace, BadProof."""
        first = self.base + self.tile.n * WIDTH
        leaves = read_leaves(self.tile, _read_bytes(Path(self.folder) / str(self.tile)))
        last = first + len(leaves)
        texts = read_texts(self._texts)
        wanted = set(range(first, last)) - self.without
        return Page(first, leaves, {i: texts[i] for i in wanted & texts.keys()})

    def lines(self) -> Iterable[str]:
        """Return the page's texts."""
        return _LINE_TEXT.findall(read_text(self._texts) or "")

    @property
    def _texts(self) -> Path:
        return texts_path(Path(self.folder), self.tile.n)


@dataclass(frozen=True)
class LogPlace:
    """Where a log stands: its key, where a vault serves it, and the entries in the logs before."""

    key: VerifierKey
    path: str = "/log"
    base: int = 0

    @property
    def prefix(self) -> str:
        """Where the log's files stand in a mirror: "", or "logs/2027/"."""
        name = self.path.removeprefix("/log").removeprefix("/")
        return f"{FURTHER}/{name}/" if name else ""

    def after(self, size: int, log: NextLog) -> LogPlace:
        """Return where the log stands that follows this one of so many entries."""
        return LogPlace(log.key, log.path, self.base + size)


class Volume:
    """One log in a mirror's folder, up to its checkpoint."""

    def __init__(self, mirror: Path, place: LogPlace) -> None:
        """Open it; a folder that is not there yet is an empty volume.

        Raises:
            BadPlace: it cannot be read. BadProof: its checkpoint is another log's.
        """
        self.place, self.folder = place, mirror / place.prefix
        self.signed = read_text(self.folder / "checkpoint")
        self.head = open_log(self.signed, place.key) if self.signed else None

    @property
    def size(self) -> int:
        """How many entries of the log are here."""
        return self.head.size if self.head else 0

    @property
    def end(self) -> int:
        """The index after the last entry here."""
        return self.place.base + self.size

    def number(self, index: int) -> int:
        """Return the number of the file in which an entry's text stands."""
        return (index - self.place.base) // WIDTH

    def texts(self, n: int) -> dict[int, Served]:
        """Return the texts of a file by index; raises BadPlace."""
        return read_texts(texts_path(self.folder, n))

    def bundle(self, tile: Tile) -> bytes | None:
        """Return a bundle's bytes, None when it is not here; raises BadPlace."""
        path = self.folder / str(tile)
        return _read_bytes(path) if path.exists() else None

    def page(self, tile: Tile, without: frozenset[int] = frozenset()) -> MirrorPage:
        """Return a bundle and its texts, but for those of some entries."""
        return MirrorPage(str(self.folder), tile, without, self.place.base)

    def next_at(self, size: int, first: str) -> NextLog | None:
        """Return the log that the last of so many entries names, when it is a turn.

        Args:
            size: entries whose bundles are here; of others nothing is known.
            first: the name of the vault's first log.

        Raises:
            BadPlace, BadProof: they cannot be read.
        """
        last = last_bundle(size)
        if last is None or self.bundle(last) is None:
            return None
        page = self.page(last).read()
        served = page.texts.get(self.place.base + size - 1)
        try:
            if served:
                served.check(page.leaves[-1])
        except BadShape:
            return None
        return next_log(served.text, self.place.key, first) if served else None


def open_volumes(folder: Path, log: VerifierKey) -> list[Volume]:
    """Return the volumes of a mirror's folder in their order; the first one may be empty.

    Args:
        folder: the mirror's.
        log: the first log.

    Raises:
        BadPlace: one cannot be read. BadProof: a checkpoint is another log's.
    """
    volumes = [Volume(folder, LogPlace(log))]
    names = {log.name}
    while following := volumes[-1].next_at(volumes[-1].size, log.name):
        volume = Volume(folder, volumes[-1].place.after(volumes[-1].size, following))
        if volume.head is None or following.key.name in names:
            break
        volumes.append(volume)
        names.add(following.key.name)
    return volumes


def texts_between(volumes: Sequence[Volume], first: int, end: int) -> Iterator[Served]:
    """Yield the texts that are here of the entries [first, end), counted over all logs, in order.

    Raises:
        BadPlace: a file cannot be read.
    """
    for volume in volumes:
        below = min(end, volume.end)
        if first >= below:
            continue
        begins = max(first, volume.place.base)
        for n in range(volume.number(begins), volume.number(below - 1) + 1):
            texts = volume.texts(n)
            yield from (texts[index] for index in sorted(texts) if begins <= index < below)


# Files


def texts_path(folder: Path, n: int) -> Path:
    """Return where the texts of a bundle are."""
    return folder / f"texts/{number_of(n)}.jsonl"


def read_texts(path: Path) -> dict[int, Served]:
    """Return the texts of a file by index; none when there is no such file.

    Raises:
        BadPlace: it is no such file.
    """
    try:
        found = [read_served(each) for each in read_lines(read_text(path) or "")]
    except BadInput as bad:
        raise BadPlace(f"{path} holds a line that is no entry: {bad}") from bad
    return {served.index: served for served in found}


def read_lines(text: str) -> Iterator[dict[str, Json]]:
    """Yield the JSON object of each line; raises BadPlace."""
    # Written by this program: the texts inside are read strictly by who judges them.
    for line in text.split("\n"):
        if line:
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as bad:
                raise BadPlace("a line is no JSON") from bad
            if not isinstance(found, dict):
                raise BadPlace("a line is no JSON object")
            yield found


def read_text(path: Path) -> str | None:
    """Return a file's text, None when there is no such file; raises BadPlace."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as bad:
        raise BadPlace(f"cannot read the file {path}") from bad


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as bad:
        raise BadPlace(f"cannot read the file {path}: {bad.strerror}") from bad
