"""Export files opened, unpacked and parsed with bounds (docs/importers.md).

    with open_export(Path("trips.csv.gz")) as file:      plain or gzip, told by the first bytes
        read_rows(file, …)                               a line at a time, whatever it unpacks to
    with open_export(Path("trips.json")) as file:
        parse_json(read_limited(file))                   numbers are int or Decimal, never float

Everything that is wrong with a file is a BadFile; what could be read before a break was read. A
gzip's checksum stands at its end, so the last rows before a damage may be wrong ones.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol

from vault.errors import BadFile

MOST = 64 << 20
MARK = b"\xef\xbb\xbf"  # what some programs begin a file with
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_CHUNK = 1 << 16

Json = None | bool | int | Decimal | str | list["Json"] | dict[str, "Json"]


@contextmanager
def open_export(path: Path) -> Iterator[BinaryIO]:
    """Give an export file to read, unpacked if it is gzip; reading raises BadFile where it breaks.

    Raises:
        BadFile: the file is not there, not readable, or a zip archive.
    """
    try:
        raw = path.open("rb")
    except (OSError, ValueError) as bad:
        raise BadFile(f"cannot open {path}: {_why(bad)}") from bad
    with raw:
        first = _first_bytes(raw, path)
        if first.startswith(_ZIP):
            raise BadFile(f"{path} is a zip archive; unpack it and give the file that is in it")
        if not first.startswith(_GZIP):
            yield io.BufferedReader(_Guarded(raw))
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield io.BufferedReader(_Guarded(unpacked))


def read_limited(file: BinaryIO, most: int = MOST) -> bytes:
    """Return all the bytes of a file that must be read as a whole, unpacked at most so many.

    Raises:
        BadFile: there are more.
    """
    raw = file.read(most + 1)
    if len(raw) > most:
        raise BadFile(
            f"the file is over {most >> 20} MiB; split it by time and import the parts in turn"
        )
    return raw


def parse_json(raw: bytes) -> Json:
    """Return JSON with numbers as int or Decimal, exactly as written.

    Raises:
        BadFile: not UTF-8 JSON; NaN or Infinity; a member twice in one object; nested too deep;
            half a character (a lone surrogate).
    """
    try:
        parsed: Json = _DECODER.decode(raw.decode("utf-8-sig"))
        if b"\\u" in raw:
            json.dumps(parsed, ensure_ascii=False, default=str).encode("utf-8")
    except RecursionError:
        raise BadFile("the JSON is nested too deep") from None
    except (UnicodeError, json.JSONDecodeError) as bad:
        # Such an error holds the whole text: it must not be chained to what may be logged.
        raise BadFile(f"wanted UTF-8 JSON, found something else{_where(bad)}") from None
    return parsed


class _Chunks(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class _Guarded(io.RawIOBase):
    """A file whose breaks are BadFile; in chunks, so that all before a break is handed on."""

    def __init__(self, file: _Chunks) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        try:
            chunk = self._file.read1(min(len(buffer), _CHUNK))
        except EOFError as bad:
            raise BadFile("the file ends in the middle: its gzip is cut off") from bad
        except (gzip.BadGzipFile, zlib.error) as bad:
            raise BadFile("the gzip of the file is damaged") from bad
        except OSError as bad:
            raise BadFile(f"the file cannot be read on: {_why(bad)}") from bad
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _first_bytes(raw: io.BufferedReader, path: Path) -> bytes:
    try:
        return raw.peek(len(_ZIP))
    except OSError as bad:
        raise BadFile(f"cannot read {path}: {_why(bad)}") from bad


def _why(bad: Exception) -> str:
    return (isinstance(bad, OSError) and bad.strerror) or "no such path"


def _where(bad: ValueError) -> str:
    return f" in line {bad.lineno}" if isinstance(bad, json.JSONDecodeError) else ""


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadFile("a member stands twice in one object of the JSON")
    return members


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except DecimalException:
        _no_number(text)


def _whole(text: str) -> int | Decimal:
    # An int is slow to make of many digits, and Python refuses more than 4,300.
    return int(text) if len(text) <= 20 else Decimal(text)


def _no_number(_: str) -> NoReturn:
    raise BadFile("the JSON holds NaN, Infinity or a number out of all bounds")


# Made once: it may be asked for a million small objects.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_float=_decimal,
    parse_int=_whole,
    parse_constant=_no_number,
)
