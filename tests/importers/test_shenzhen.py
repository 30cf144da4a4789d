"""Gate taps become rides: in and out of one card, in whatever order the rows come."""

import gzip
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.public_data import FOLDER
from vault.errors import BadFile
from vault.importers import shenzhen, taps
from vault.importers.entry import Entry, Setting
from vault.importers.opening import open_export
from vault.importers.report import Lines, Report
from vault.importers.shenzhen import read_distances, read_entries

SHANGHAI = ZoneInfo("Asia/Shanghai")
SETTING = Setting("CN-GD-SZ", SHANGHAI)
HEADER = (
    "deal_date,close_date,card_token,deal_type,company_name,station,car_no,"
    "deal_value_fen,deal_money_fen,conn_mark"
)
IN, OUT, BUS = "地铁入站", "地铁出站", "巴士"
TABLE = {("东门", "西湖"): 11_800}
TAPS = FOLDER / "shenzhen_metro_card_100.csv"
real_taps = pytest.mark.skipif(
    not TAPS.exists(), reason="data: the gate taps are not in ../shared/data or CARBONVAULT_DATA"
)


def tap(kind: str, at: str, station: str = "东门", card: str = "K07", gate: str = "G-1") -> str:
    """A row, at a time of 5 January 2026 or a whole one."""
    time = at if len(at) > 8 else f"2026-01-05 {at}"
    return f"{time},2026-01-06 00:00:00,{card},{kind},地铁一号线,{station},{gate},400,380,0"


def export(*rows: str | bytes, header: str = HEADER) -> bytes:
    raw = (row if isinstance(row, bytes) else row.encode() for row in (header, *rows))
    return b"\n".join(raw) + b"\n"


def read(
    file: bytes, distances: shenzhen.Distances = TABLE, setting: Setting = SETTING
) -> tuple[list[Entry], Report]:
    report = Report()
    return list(read_entries(BytesIO(file), setting, report, distances=distances)), report


RIDE = (tap(IN, "08:00:00"), tap(OUT, "08:31:40", "西湖", gate="G-9"))


def test_a_tap_in_and_the_next_tap_out_are_one_ride_of_two_rows() -> None:
    (ride,), report = read(export(*RIDE))
    begins = int(datetime(2026, 1, 5, 8, tzinfo=SHANGHAI).timestamp())
    assert (ride.line, ride.customer, ride.operator) == (2, "K07", None)
    assert ride.act.behaviour == "travel.metro"
    assert ride.act.activity == {"m": 11_800, "s": 1_900}
    assert (ride.act.start, ride.act.end) == (begins, begins + 1_900)
    assert (ride.act.region, ride.act.evidence) == ("CN-GD-SZ", "E4")
    assert (ride.receipt, ride.guessable) == ("2026-01-05 08:00:00 G-1 K07", True)
    assert ride.detail == {"from": "东门", "to": "西湖"}
    assert report == Report(read=2, accepted=2, dropped=5)


def test_a_ride_that_ends_where_it_began_has_no_metres_whatever_the_table_says() -> None:
    rides, report = read(
        export(tap(IN, "08:00:00"), tap(OUT, "08:03:00")), {("东门", "东门"): 9_000}
    )
    assert [ride.act.activity for ride in rides] == [{"m": 0, "s": 180}]
    assert report.accepted == 2


def test_a_distance_holds_both_ways_and_without_one_the_ride_is_refused() -> None:
    back = export(tap(IN, "08:00:00", "西湖"), tap(OUT, "08:31:40", "东门"))
    assert [ride.act.activity["m"] for ride in read(back)[0]] == [11_800]
    rides, report = read(back, {})
    assert (rides, report.refused) == ([], {"no-distance": Lines([2, 3])})


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ([tap(IN, "08:00:00")], {"no-exit": [2]}),
        ([tap(OUT, "08:00:00")], {"no-entry": [2]}),
        ([tap(OUT, "08:00:00"), tap(IN, "08:00:01")], {"no-entry": [2], "no-exit": [3]}),
        ([tap(IN, "08:00:00"), tap(OUT, "12:00:01")], {"no-exit": [2], "no-entry": [3]}),
        (
            [tap(IN, "08:00:00"), tap(OUT, "08:09:00", card="K08")],
            {"no-exit": [2], "no-entry": [3]},
        ),
        ([tap(IN, "08:00:00"), tap(OUT, "08:00:00")], {"no-entry": [3], "no-exit": [2]}),
        ([tap(IN, "08:00:00", ""), tap(OUT, "08:09:00")], {"no-station": [2, 3]}),
        ([tap(BUS, "08:00:00", "M433(福永）", gate="")], {"no-distance": [2]}),
        ([tap("地铁", "08:00:00")], {"unknown-kind": [2]}),
        ([tap(IN, "08:00:00", card="")], {"bad-card": [2]}),
        ([tap(IN, "08:00:00", card="=1+1")], {"bad-card": [2]}),
        ([tap(IN, "08:00:00", card="9" * 33)], {"bad-card": [2]}),
        ([tap(IN, "08:00:00", "东" * 65)], {"bad-text": [2]}),
        ([tap(IN, "08:00:00", "东\x1b[2J门")], {"bad-text": [2]}),
        ([tap(IN, "0014-01-05 08:00:00")], {"bad-time": [2]}),
        ([tap(IN, "9999-12-31 23:59:59")], {"bad-time": [2]}),
        ([tap(IN, "2026-02-30 08:00:00")], {"bad-time": [2]}),
        ([tap(IN, "1767571200")], {"bad-time": [2]}),
        ([tap(IN, "NaN")], {"bad-time": [2]}),
        ([tap(IN, "-2026-01-05 08:00:00")], {"bad-time": [2]}),
        ([tap(IN, "08:00:00") + ",1"], {"columns": [2]}),
        ([tap(IN, "08:00:00", '"东')], {"not-csv": [2]}),
        ([tap(IN, "08:00:00").encode("gb18030")], {"not-utf-8": [2]}),
        ([tap(IN, "08:00:00", "东" * 3_500_000)], {"too-long": [2]}),
    ],
)
def test_a_row_that_makes_no_ride_is_named_and_the_others_go_on(
    rows: Sequence[str | bytes], refused: dict[str, list[int]]
) -> None:
    other = [row.replace("K07", "K99") for row in RIDE]
    rides, report = read(export(*rows, *other))
    assert [ride.customer for ride in rides] == ["K99"]
    assert report.refused == refused
    assert (report.read, report.accepted) == (len(rows) + 2, 2)


def test_four_hours_to_the_second_are_still_a_ride() -> None:
    assert len(read(export(tap(IN, "08:00:00"), tap(OUT, "12:00:00")))[0]) == 1


def test_the_entry_that_was_left_open_is_not_closed_by_the_exit_of_the_next_ride() -> None:
    rides, report = read(export(tap(IN, "07:00:00"), *RIDE))
    assert [ride.act.activity["s"] for ride in rides] == [1_900]
    assert report.refused == {"no-exit": [2]}


def test_an_exit_without_a_station_ends_its_ride_all_the_same() -> None:
    rows = (tap(IN, "08:00:00"), tap(OUT, "08:10:00", ""), tap(OUT, "08:20:00", "西湖"))
    rides, report = read(export(*rows))
    assert (rides, report.refused) == ([], {"no-station": Lines([2, 3]), "no-entry": Lines([4])})


def test_a_row_that_is_there_twice_counts_once() -> None:
    rides, report = read(export(*RIDE, *RIDE))
    assert len(rides) == 1
    assert report.refused == {"doubled": [4, 5]}


def test_a_ride_ends_after_midnight() -> None:
    rows = (tap(IN, "23:50:00"), tap(OUT, "2026-01-06 00:10:00", "西湖"))
    assert [ride.act.activity["s"] for ride in read(export(*rows))[0]] == [1_200]


def test_times_are_local_where_the_export_is() -> None:
    there, here = (
        read(export(*RIDE), setting=Setting("CN-GD-SZ", ZoneInfo(zone)))[0][0]
        for zone in ("UTC", "Asia/Shanghai")
    )
    assert there.act.start - here.act.start == 8 * 3600
    assert there.receipt == here.receipt


def test_text_that_a_spreadsheet_would_run_stays_text() -> None:
    (ride,), _ = read(export(tap(IN, "08:00:00", "=1+1"), tap(OUT, "08:09:00", "=1+1")))
    assert ride.detail == {"from": "=1+1", "to": "=1+1"}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(mark: bytes, end: bytes) -> None:
    file = mark + export(RIDE[0], "", RIDE[1], "").replace(b"\n", end)
    rides, report = read(file)
    assert len(rides) == 1
    assert report.read == 2


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\n",
        HEADER.encode("utf-16"),
        export(header=HEADER.replace("car_no", "station")),
        export(header=f"{HEADER},station"),
        b"x" * 10_000_000,
        export(*RIDE)[len(HEADER) + 1 :],
    ],
)
def test_another_kind_of_file_is_refused_without_repeating_it(file: bytes) -> None:
    with pytest.raises(BadFile, match="wanted the columns deal_date,card_token") as refused:
        read(file)
    assert "K07" not in str(refused.value)


def test_more_taps_than_are_kept_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taps, "MOST_TAPS", 3)
    assert len(read(export(*RIDE, tap(IN, "09:00:00")))[0]) == 1
    with pytest.raises(BadFile, match="at most 3 taps in a file; split it"):
        read(export(*RIDE, *RIDE))


def test_more_names_than_a_city_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taps, "MOST_NAMES", 4)
    assert len(read(export(*RIDE, *RIDE))[0]) == 1
    with pytest.raises(BadFile, match="at most 4 stations and gates"):
        read(export(*RIDE, tap(IN, "09:00:00", gate="G-7")))


def test_a_gzip_that_is_cut_off_gives_no_ride(tmp_path: Path) -> None:
    packed = gzip.compress(export(*RIDE))
    whole, cut = tmp_path / "whole.gz", tmp_path / "cut.gz"
    whole.write_bytes(packed)
    cut.write_bytes(packed[:-12])
    with open_export(whole) as file:
        assert len(list(read_entries(file, SETTING, Report(), distances=TABLE))) == 1
    with open_export(cut) as file, pytest.raises(BadFile, match="cut off"):
        next(read_entries(file, SETTING, Report(), distances=TABLE))


def test_a_table_of_distances_is_read_strictly_and_its_last_line_holds() -> None:
    rows = (
        "东门,西湖,11800",
        "西湖,东门,11900",
        "东门,西湖,12000",
        "东门,东门,5",
        "东门,,5",
        "北,南,0",
        "北,南,-5",
        "北,南,1e3",
        "北,南,1e308",
        "北,南,NaN",
        "北,南,12.5",
        "北,南,99999999",
    )
    report = Report()
    found = read_distances(BytesIO(export(*rows, header="from,to,m")), report)
    assert found == {("东门", "西湖"): 12_000, ("西湖", "东门"): 11_900}
    assert (report.accepted, report.replaced) == (3, Lines([4]))
    assert report.refused == {
        "same-station": [5],
        "bad-text": [6],
        "bad-number": [7, 8, 9, 10, 11, 12, 13],
    }
    with pytest.raises(BadFile, match="wanted the columns from,to,m"):
        read_distances(BytesIO(export(*RIDE)), report)


moments = st.integers(0, 600).map(
    lambda minutes: f"{datetime(2026, 1, 5) + timedelta(minutes=7 * minutes):%Y-%m-%d %H:%M:%S}"
)
rows = st.lists(
    st.builds(
        tap,
        st.sampled_from([IN, OUT, IN, OUT, BUS, "?"]),
        moments,
        st.sampled_from(["东门", "西湖", "北", ""]),
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from(["G-1", "G-2"]),
    ),
    max_size=40,
)


def facts(rides: Sequence[Entry]) -> list[tuple[object, ...]]:
    """What is told of rides, in one order; the line is where it stood."""
    return sorted(
        (r.receipt, r.customer, r.act.start, r.act.end, r.act.activity["m"], str(r.detail))
        for r in rides
    )


def counts(report: Report) -> dict[str, int]:
    return {reason: len(lines) for reason, lines in report.refused.items()}


@settings(max_examples=200)
@given(rows.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_rows_does_not_matter(both: tuple[list[str], list[str]]) -> None:
    rows, mixed = both
    (first, one), (second, other) = read(export(*rows)), read(export(*mixed))
    assert facts(first) == facts(second)
    assert counts(one) == counts(other)
    assert one.read == other.read == one.accepted + sum(counts(one).values()) == len(rows)


@given(rows)
def test_splitting_a_file_between_cards_does_not_matter(rows: list[str]) -> None:
    parts = [[row for row in rows if f",{card}," in row] for card in "ABC"]
    found = [ride for part in parts for ride in read(export(*part))[0]]
    assert facts(found) == facts(read(export(*rows))[0])


@given(rows)
def test_no_two_rides_of_a_card_overlap_and_none_is_longer_than_four_hours(
    rows: list[str],
) -> None:
    free: dict[str | None, int] = {}
    for ride in sorted(read(export(*rows))[0], key=lambda ride: ride.act.start):
        assert free.get(ride.customer, 0) <= ride.act.start < ride.act.end
        assert ride.act.end - ride.act.start <= 4 * 3600
        free[ride.customer] = ride.act.end


@real_taps
def test_the_real_taps_are_six_rides_to_nowhere() -> None:
    rides, report = read(TAPS.read_bytes(), {})
    assert (report.read, report.accepted, report.dropped) == (100, 12, 5)
    assert counts(report) == {"no-distance": 10, "no-exit": 58, "no-entry": 20}
    assert sorted(ride.act.activity["s"] for ride in rides) == [80, 84, 135, 172, 316, 1410]
    assert {ride.act.activity["m"] for ride in rides} == {0}
    assert all(ride.detail["from"] == ride.detail["to"] for ride in rides)
