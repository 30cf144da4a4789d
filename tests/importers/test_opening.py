"""Files are opened, unpacked and parsed with bounds; what stood before a break was read."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importers.exports import HEADER, ROW
from vault.errors import BadFile
from vault.importers.opening import Json, open_export, parse_json, read_limited
from vault.importers.report import Report, read_rows

KEEP = ("trip_id", "duration")
ROWS = 20_000
TEXT = "\n".join([HEADER, *[ROW.replace("71", str(n), 1) for n in range(ROWS)]]).encode() + b"\n"


def written(folder: Path, raw: bytes) -> Path:
    path = folder / "export"
    path.write_bytes(raw)
    return path


def read_until_it_breaks(path: Path) -> tuple[list[str], str]:
    """Trip numbers that were read, and what was said when the file broke."""
    found: list[str] = []
    try:
        with open_export(path) as file:
            found.extend(row["trip_id"] for _, row in read_rows(file, KEEP, Report()))
    except BadFile as bad:
        return found, str(bad)
    return found, ""


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_plain_and_packed_files_read_the_same(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    found, said = read_until_it_breaks(written(tmp_path, pack(TEXT)))
    assert (len(found), said) == (ROWS, "")


def test_files_packed_one_after_another_are_one_file(tmp_path: Path) -> None:
    half = TEXT.index(b"\n", len(TEXT) // 2) + 1
    path = written(tmp_path, gzip.compress(TEXT[:half], mtime=0) + gzip.compress(TEXT[half:]))
    assert read_until_it_breaks(path) == ([str(n) for n in range(ROWS)], "")


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        (lambda packed: packed[: len(packed) // 2], "its gzip is cut off"),
        (lambda packed: packed[:-8], "its gzip is cut off"),
        (lambda packed: packed[:-8] + bytes(8), "the gzip of the file is damaged"),
        (lambda packed: packed + b"more", "the gzip of the file is damaged"),
    ],
)
def test_rows_before_a_break_are_kept_and_the_break_is_named(
    tmp_path: Path, cut: Callable[[bytes], bytes], says: str
) -> None:
    found, said = read_until_it_breaks(written(tmp_path, cut(gzip.compress(TEXT, mtime=0))))
    assert found == [str(n) for n in range(len(found))]
    assert len(found) > ROWS // 4
    assert says in said


def test_a_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT, mtime=0)
    half = len(packed) // 2
    path = written(tmp_path, packed[:half] + b"\xff" * 999 + packed[half:])
    found, said = read_until_it_breaks(path)
    assert found[: ROWS // 4] == [str(n) for n in range(ROWS // 4)]
    assert "the gzip of the file is damaged" in said


@pytest.mark.parametrize("raw", [b"\x1f\x8b", b"\x1f\x8b\x08", gzip.compress(TEXT, mtime=0)[:12]])
def test_a_gzip_that_hardly_begins_is_cut_off(tmp_path: Path, raw: bytes) -> None:
    assert "cut off" in read_until_it_breaks(written(tmp_path, raw))[1]


def test_what_is_no_file_of_ours_says_why(tmp_path: Path) -> None:
    assert "cannot open" in read_until_it_breaks(tmp_path / "nowhere.csv")[1]
    assert "cannot open" in read_until_it_breaks(tmp_path)[1]
    assert "cannot open" in read_until_it_breaks(Path("\0"))[1]
    assert "unpack it" in read_until_it_breaks(written(tmp_path, b"PK\x03\x04rest"))[1]
    assert "found 0 columns" in read_until_it_breaks(written(tmp_path, b""))[1]


def bomb(folder: Path, piece: bytes, times: int) -> Path:
    """A small file that unpacks to `times` pieces of 1 MiB and never stood in memory whole."""
    path = folder / "bomb.gz"
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        for _ in range(times):
            file.write(packer.compress(piece))
        file.write(packer.flush())
    return path


@pytest.mark.parametrize("piece", [bytes(1 << 20), b"," * (1 << 20), b"\n" * (1 << 20)])
def test_a_gzip_bomb_takes_no_more_memory_than_a_line(tmp_path: Path, piece: bytes) -> None:
    path = bomb(tmp_path, piece, 64)
    assert path.stat().st_size < 1 << 17
    tracemalloc.start()
    try:
        read_until_it_breaks(path)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_after_good_rows_is_one_row_too_long(tmp_path: Path) -> None:
    first = f"{HEADER}\n{ROW}\n".encode()
    path = tmp_path / "rows.gz"
    path.write_bytes(gzip.compress(first, mtime=0) + gzip.compress(b"x" * (10 << 20) + b"\n"))
    report = Report()
    with open_export(path) as file:
        assert len(list(read_rows(file, KEEP, report))) == 1
    assert report.refused == {"too-long": [3]}


def test_a_file_to_be_read_whole_is_refused_beyond_the_bound(tmp_path: Path) -> None:
    path = bomb(tmp_path, b"[" * (1 << 20), 65)
    with open_export(path) as file, pytest.raises(BadFile, match="over 64 MiB; split it"):
        read_limited(file)
    with open_export(written(tmp_path, b"1234")) as file:
        assert read_limited(file, 4) == b"1234"
    with open_export(written(tmp_path, b"12345")) as file, pytest.raises(BadFile):
        read_limited(file, 4)


def test_json_numbers_stay_as_they_are_written() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a":[1,1.10,1e5,-0.5],"b":"\\u4e2d"}') == {
        "a": [1, Decimal("1.10"), Decimal("1e5"), Decimal("-0.5")],
        "b": "中",
    }
    assert str(parse_json(b"0.1000000000000000055511151231257827")).endswith("57827")
    assert parse_json(b"9" * 5000) == Decimal("9" * 5000)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "found something else"),
        (b"{", "found something else in line 1"),
        (b"[1]\n[2]", "found something else in line 2"),
        ("[1]".encode("utf-16"), "wanted UTF-8 JSON"),
        ('["北"]'.encode("gb18030"), "wanted UTF-8 JSON"),
        (b'["\\ud800"]', "wanted UTF-8 JSON"),
        (b'{"a":1,"a":2}', "twice in one object"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e99999999999999999999]", "out of all bounds"),
        (b"[" * 10**6, "nested too deep"),
        (b'{"a":' * 10**5, "nested too deep"),
    ],
)
def test_what_is_no_strict_json_is_named(raw: bytes, says: str) -> None:
    with pytest.raises(BadFile) as refused:
        parse_json(raw)
    assert says in str(refused.value)


@given(st.binary(max_size=60) | st.text('[]{}":,0123456789eE.-\\u', max_size=60).map(str.encode))
def test_any_bytes_are_json_or_a_bad_file(raw: bytes) -> None:
    found: Json = None
    try:
        found = parse_json(raw)
    except BadFile:
        return
    assert not isinstance(found, float)
