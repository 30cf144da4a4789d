"""What became of the rows of an export: counted, and named by line where something was wrong.

    Report(read=7660, accepted=7660, zeroed={"round-trip": Lines([132, …]), …}, refused={})

Reasons are fixed words: nothing that stands in a row is ever repeated here. Counts are exact; lines
are named up to 1,000 a reason, so that a file of nothing but broken rows takes no more memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from vault.errors import BadFile

LONGEST_LINE = 65536
KEPT_LINES = 1_000


class Lines:
    """Line numbers of one kind, as they came: len() counts all, only the ``first`` 1,000 are kept.

    ``Lines([3, 9])`` equals the list ``[3, 9]``; iterating gives what is kept.
    """

    def __init__(self, lines: Iterable[int] = ()) -> None:
        self.first: list[int] = []
        self._count = 0
        for line in lines:
            self.append(line)

    def append(self, line: int) -> None:
        """Count one more line."""
        self._count += 1
        if self._count <= KEPT_LINES:
            self.first.append(line)

    def extend(self, others: Lines) -> None:
        """Count all lines of others after these."""
        self._count += len(others)
        self.first += others.first[: KEPT_LINES - len(self.first)]

    def __iter__(self) -> Iterator[int]:
        return iter(self.first)

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        if isinstance(other, list):
            return self == Lines(other)
        if not isinstance(other, Lines):
            return NotImplemented
        return (len(self), self.first) == (len(other), other.first)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        more = f" and {self._count - KEPT_LINES} more" if self._count > KEPT_LINES else ""
        return f"Lines({self.first}{more})"


@dataclass
class Report:
    """Rows of one file; read = accepted + refused always, and zeroed ones are accepted.

    ``zeroed``, ``refused`` and ``noticed`` (odd, but taken) give line numbers by reason;
    ``replaced`` those of accepted rows that took the place of an earlier one; ``dropped`` counts
    the columns that are not ours to read. The header is line 1.
    """

    read: int = 0
    accepted: int = 0
    zeroed: dict[str, Lines] = field(default_factory=dict)
    refused: dict[str, Lines] = field(default_factory=dict)
    noticed: dict[str, Lines] = field(default_factory=dict)
    replaced: Lines = field(default_factory=Lines)
    dropped: int = 0

    def accept(self, rows: int = 1) -> None:
        """Count a row that was understood, or so many."""
        self.read += rows
        self.accepted += rows

    def refuse(self, reason: str, line: int) -> None:
        """Count a row that was not."""
        self.read += 1
        _of(self.refused, reason).append(line)

    def refuse_all(self, reason: str, lines: Lines) -> None:
        """Count rows that were not, all for one reason."""
        self.read += len(lines)
        _of(self.refused, reason).extend(lines)

    def overrule(self, reason: str, line: int) -> None:
        """Refuse a row after all that was accepted, such as one whose act is out of bounds."""
        self.accepted -= 1
        _of(self.refused, reason).append(line)

    def notice(self, reason: str, line: int) -> None:
        """Note something odd about an accepted row."""
        _of(self.noticed, reason).append(line)

    def zero(self, reason: str, line: int) -> None:
        """Note that an accepted row counts 0 mg."""
        _of(self.zeroed, reason).append(line)


def _of(kinds: dict[str, Lines], reason: str) -> Lines:
    lines = kinds.get(reason)
    if lines is None:
        lines = kinds[reason] = Lines()
    return lines


@dataclass(frozen=True)
class Header:
    """The first line of a file: all its columns in order, and which of them are kept."""

    columns: tuple[str, ...]
    keep: tuple[str, ...]


def read_rows(
    file: BinaryIO, keep: Sequence[str], report: Report
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield (line number, the columns to keep) of a CSV file; other columns are never handed on.

    One row is one line, so that a quote left open spoils its own row and no other. Refuses into
    the report: ``too-long``, ``not-utf-8``, ``not-csv``, ``columns`` (too few or too many).

    Raises:
        BadFile: the first line is no header that names each column to keep exactly once.
    """
    yield from read_under(file, read_header(file, keep), report)


def read_header(file: BinaryIO, *layouts: Sequence[str]) -> Header:
    """Return the header of a CSV file, to keep the columns of the first layout that it has.

    Args:
        file: open in binary mode, at its start.
        layouts: the columns to keep, by kind of export.

    Raises:
        BadFile: the first line is no header that names each column of a layout exactly once.
    """
    wanted = f"wanted the columns {' or '.join(','.join(keep) for keep in layouts)}"
    first = next(_lines(file), b"").removeprefix(b"\xef\xbb\xbf")
    try:
        found = _fields(first)
    except BadFile as bad:
        raise BadFile(f"{wanted}; the first line is {bad}") from bad
    for keep in layouts:
        if all(found.count(name) == 1 for name in keep):
            return Header(tuple(found), tuple(keep))
    # A file without a header starts with a person's row, so only known names are repeated.
    names = dict.fromkeys(name for keep in layouts for name in keep)
    known = ",".join(name for name in names if name in found) or "none of them"
    raise BadFile(f"{wanted}, each once; found {len(found)} columns, known: {known}")


def read_under(
    file: BinaryIO, header: Header, report: Report
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of a file whose header was read, as read_rows does."""
    places = {name: header.columns.index(name) for name in header.keep}
    report.dropped = len(header.columns) - len(header.keep)
    for line, raw in enumerate(_lines(file), 2):
        if not raw.strip():
            continue
        try:
            fields = _exactly(len(header.columns), _fields(raw))
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        yield line, {name: fields[place] for name, place in places.items()}


def _exactly(count: int, fields: list[str]) -> list[str]:
    if len(fields) != count:
        raise BadFile("columns")
    return fields


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while raw := file.readline(LONGEST_LINE + 1):
        yield raw
        while len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            raw = file.readline(LONGEST_LINE + 1)


def _fields(raw: bytes) -> list[str]:
    if len(raw) > LONGEST_LINE:
        raise BadFile("too-long")
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadFile("not-utf-8") from None
    if "\0" in text:
        # csv takes it for a letter, and the books would keep it.
        raise BadFile("not-csv")
    if text and '"' not in text and "\r" not in text:
        return text.split(",")  # as csv.reader does, in a third of the time
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise BadFile("not-csv") from None
