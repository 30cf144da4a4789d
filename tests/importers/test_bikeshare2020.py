"""Trips since 2020: kind, places and times of each row, and nobody in it."""

from datetime import datetime
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importers.exports import HEADER, HEADER_2020, ROW_2020, SETTING, SHANGHAI, lines
from vault.errors import BadFile
from vault.importers.bikeshare2020 import read_entries
from vault.importers.entry import Entry
from vault.importers.report import Lines, Report
from vault.methodology.quantify import Act


def read(*rows: str | bytes, header: str = HEADER_2020) -> tuple[list[Entry], Report]:
    report = Report()
    return list(read_entries(BytesIO(lines(*rows, header=header)), SETTING, report)), report


def test_a_row_becomes_an_entry_of_nobody() -> None:
    (entry,), report = read(ROW_2020)
    start = int(datetime(2024, 1, 25, 20, 39, 9, tzinfo=SHANGHAI).timestamp())
    act = Act("travel.bike", {"m": 1111, "s": 298}, start, start + 298, "CN-ZJ-HZ")
    detail = {"from": "North", "to": "South"}
    assert entry == Entry(2, None, act, "58F2CA262B50E256", False, detail)
    assert report == Report(read=1, accepted=1, dropped=3)


@pytest.mark.parametrize(
    ("kind", "behaviour"),
    [
        ("classic_bike", "travel.bike"),
        ("docked_bike", "travel.bike"),
        ("electric_bike", "travel.ebike"),
    ],
)
def test_the_kind_of_bicycle_is_the_behaviour(kind: str, behaviour: str) -> None:
    (entry,), _ = read(ROW_2020.replace("classic_bike", kind))
    assert entry.act.behaviour == behaviour


@pytest.mark.parametrize(
    ("ride", "guessable"),
    [("58F2CA262B50E25", True), ("1234", True), ("58F2CA262B50E256", False), ("a" * 32, False)],
)
def test_only_ids_of_64_bits_may_make_a_tag(ride: str, guessable: bool) -> None:
    (entry,), _ = read(ROW_2020.replace("58F2CA262B50E256", ride))
    assert (entry.receipt, entry.guessable) == (ride.upper(), guessable)


def test_a_bicycle_left_off_a_station_has_no_place_in_what_comes_out() -> None:
    row = ROW_2020.replace("North,5905.12,South,HB103", ",,,")
    (entry,), _ = read(row.replace("30.25,120.16", "30.250017,120.160023"))
    assert entry.detail == {}
    assert entry.act.activity["m"] == 1113  # 0.010017 degrees of 111.195 km
    assert "30.25" not in repr(entry)


def test_fractions_of_a_second_are_dropped() -> None:
    row = ROW_2020.replace("20:39:09", "20:39:09.999").replace("20:44:07", "20:44:07.001")
    assert read(row)[0] == read(ROW_2020)[0]


@pytest.mark.parametrize(
    ("found", "put", "reason"),
    [
        ("classic_bike", "electric_scooter", "unknown-kind"),
        ("classic_bike", "", "unknown-kind"),
        ("58F2CA262B50E256", "1.23E+15", "bad-number"),
        ("58F2CA262B50E256", "", "bad-number"),
        ("58F2CA262B50E256", "=1+1", "bad-number"),
        ("30.25,120.16", ",", "bad-place"),
        ("30.25,120.16", "0.0,0", "bad-place"),
        ("30.25,120.16", "NaN,120.16", "bad-place"),
        ("30.25,120.16", "1e308,120.16", "bad-place"),
        ("30.25,120.16", "-90.5,120.16", "bad-place"),
        ("2024-01-25 20:44", "2024-01-25 20:34", "ends-before-start"),
        ("2024-01-25 20:39", "0014-01-25 20:39", "bad-time"),
        ("2024-01-25 20:39", "9999-01-25 20:39", "bad-time"),
        ("2024-01-25 20:39", "2023-02-29 20:39", "bad-time"),
        ("North", "No,rth", "columns"),
        ("North", 'No"rth"', ""),
        ("North", '"North', "not-csv"),
        ("North", "No\0rth", "not-csv"),
        ("North", "N" * 10_000_000, "too-long"),
    ],
)
def test_a_broken_row_is_named_and_the_good_ones_go_on(found: str, put: str, reason: str) -> None:
    entries, report = read(ROW_2020, ROW_2020.replace(found, put, 1), ROW_2020)
    assert report.read == 3
    assert report.refused == ({reason: [3]} if reason else {})
    assert [entry.line for entry in entries] == ([2, 4] if reason else [2, 3, 4])


def test_text_of_another_encoding_spoils_its_own_row_only() -> None:
    _, report = read(ROW_2020, ROW_2020.replace("North", "北站").encode("gb18030"), ROW_2020)
    assert (report.accepted, report.refused) == (2, {"not-utf-8": Lines([3])})


@pytest.mark.parametrize("header", [HEADER, f"{HEADER_2020},ride_id", "", "ride_id"])
def test_another_header_is_refused(header: str) -> None:
    with pytest.raises(BadFile, match="wanted the columns ride_id,rideable_type,"):
        read(ROW_2020, header=header)


def test_a_formula_in_a_name_stays_the_text_it_is() -> None:
    """The writer of tables puts an apostrophe before it, so here nothing is changed."""
    (entry,), _ = read(ROW_2020.replace("North", "=1+1").replace("South", "@SUM(A1)"))
    assert entry.detail == {"from": "=1+1", "to": "@SUM(A1)"}


@given(st.text(st.characters(codec="utf-8", exclude_characters='",\r\n\0'), min_size=1))
def test_membership_and_station_ids_do_not_come_out(said: str) -> None:
    row = ROW_2020.replace("member", f"§{said}").replace("HB103", f"§{said}")
    entries, report = read(row, row.replace("classic_bike", "skates"))
    assert report.read == 2
    assert "§" not in repr((entries, report))
