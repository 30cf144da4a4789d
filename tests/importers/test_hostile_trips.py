"""Hostile trip files of every era: bounded, named, and the good rows kept."""

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.commands.records import cell
from tests.importers.exports import (
    CITI_2017_HEADER,
    CITI_HEADER,
    CITI_ROW,
    DIVVY_HEADER,
    DIVVY_ROW,
    HEADER,
    HEADER_2020,
    ROW,
    ROW_2020,
    SETTING,
    STATIONS,
    Endless,
    lines,
)
from vault.errors import BadFile
from vault.importers import bikeshare, bikeshare2020
from vault.importers.entry import Entry
from vault.importers.report import Report

Reader = Callable[[BinaryIO, Report], Iterator[Entry]]


def before_2020(file: BinaryIO, report: Report) -> Iterator[Entry]:
    stations = bikeshare.read_stations(BytesIO(STATIONS.encode()), Report())
    return bikeshare.read_entries(file, SETTING, report, stations=stations)


def since_2020(file: BinaryIO, report: Report) -> Iterator[Entry]:
    return bikeshare2020.read_entries(file, SETTING, report)


ERAS: list[tuple[Reader, str, str]] = [
    (before_2020, HEADER, ROW),
    (before_2020, DIVVY_HEADER, DIVVY_ROW),
    (before_2020, CITI_HEADER, CITI_ROW),
    (before_2020, CITI_2017_HEADER, CITI_ROW),
    (since_2020, HEADER_2020, ROW_2020),
]
every_era = pytest.mark.parametrize(("reader", "header", "row"), ERAS)


def counted(reader: Reader, file: bytes) -> Counter[str]:
    """The entries of a file whatever their lines."""
    return Counter(repr(replace(entry, line=0)) for entry in reader(BytesIO(file), Report()))


@every_era
def test_a_row_is_read_whatever_ends_it(reader: Reader, header: str, row: str) -> None:
    plain = lines(row, row, header=header)
    assert sum(counted(reader, plain).values()) == 2
    for same in (
        b"\xef\xbb\xbf" + plain,
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b"\n", b"\n\n"),
        plain[:-1],
    ):
        assert counted(reader, same) == counted(reader, plain)


@every_era
def test_a_file_of_a_header_alone_has_no_rows(reader: Reader, header: str, row: str) -> None:
    report = Report()
    assert list(reader(BytesIO(header.encode()), report)) == []
    assert (report.read, report.refused) == (0, {})


@every_era
def test_a_file_without_its_header_is_refused(reader: Reader, header: str, row: str) -> None:
    doubled = f"{header},{header.split(',')[0]},{header.split(',')[1]}"
    for file in (b"", b"\n", row.encode(), lines(row, header=doubled), header[:-30].encode()):
        if file == header[:-30].encode() and header != HEADER_2020:
            continue  # what was cut off described the rider
        with pytest.raises(BadFile) as refused:
            list(reader(BytesIO(file), Report()))
        assert "wanted the columns" in str(refused.value)
        assert "North" not in str(refused.value)


@every_era
def test_a_line_of_ten_megabytes_is_one_row_too_long(reader: Reader, header: str, row: str) -> None:
    for start in ("", '"', row, row.split(",")[0]):
        report = Report()
        file = lines(row, start + "x" * 10_000_000, row, header=header)
        assert len(list(reader(BytesIO(file), report))) == 2
        assert report.refused == {"too-long": [3]}


@every_era
def test_a_file_without_end_takes_no_more_memory_than_a_line(
    reader: Reader, header: str, row: str
) -> None:
    report = Report()
    file = Endless(lines(row, header=header), b"x" * 65536, 500)
    tracemalloc.start()
    try:
        assert len(list(reader(file, report))) == 1
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    assert report.refused == {"too-long": [3]}


@every_era
def test_rows_are_handed_on_one_by_one(reader: Reader, header: str, row: str) -> None:
    report = Report()
    entries = reader(Endless(f"{header}\n".encode(), row.encode() + b"\n", 10**9), report)
    for _ in range(50):
        next(entries)
    assert report.read == 50


@every_era
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_file_of_another_encoding_is_refused_whole(
    reader: Reader, header: str, row: str, encoding: str
) -> None:
    file = lines(row, header=header).decode().encode(encoding)
    with pytest.raises(BadFile, match=r"the first line is not-(utf-8|csv)"):
        list(reader(BytesIO(file), Report()))


@pytest.mark.parametrize(("reader", "header", "row"), ERAS[2:])
@pytest.mark.parametrize("name", ["=1+1", "@SUM(1)", "-2+3", '"=HYPERLINK(""x"")"'])
def test_a_formula_is_kept_as_text_and_tables_show_it_as_text(
    reader: Reader, header: str, row: str, name: str
) -> None:
    file = lines(row.replace("North", name), header=header)
    (entry,) = reader(BytesIO(file), Report())
    kept = name.strip('"').replace('""', '"')
    assert entry.detail["from"] == kept
    assert cell(entry.detail["from"]) == f"'{kept}"


spoils = st.sampled_from(["", "600", "30.25", "North", "9,", "08:01", "20:39", ",1,", "classic"])


@given(
    st.sampled_from(ERAS),
    st.lists(st.tuples(st.integers(0, 59), spoils), min_size=1, max_size=12),
    st.data(),
)
def test_cuts_and_order_do_not_change_the_entries(
    era: tuple[Reader, str, str], made: list[tuple[int, str]], draw: st.DataObject
) -> None:
    """At any cut, the header repeated, and in any order the same entries come out."""
    reader, header, row = era
    rows = [
        row.replace("58F2CA262B50E256", f"58F2CA262B50E2{n:02}").replace(",9,", f",{n},", 1)
        if not spoil
        else row.replace(spoil, "x", 1)
        for n, spoil in made
    ]
    whole = counted(reader, lines(*rows, header=header))
    mixed = draw.draw(st.permutations(rows))
    cut = draw.draw(st.integers(0, len(rows)))
    parts = [counted(reader, lines(*part, header=header)) for part in (mixed[:cut], mixed[cut:])]
    assert parts[0] + parts[1] == whole
    assert sum(whole.values()) >= sum(not spoil for _, spoil in made)
