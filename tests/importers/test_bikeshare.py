"""Good rows go on, broken ones are named, riders stay out."""

from dataclasses import astuple
from datetime import datetime
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importers.exports import (
    HEADER,
    ROW,
    SHANGHAI,
    STATION_HEADER,
    STATIONS,
    TO_JANUARY,
    lines,
    read_rows_of,
)
from vault.errors import BadFile
from vault.importers.bikeshare import (
    Trip,
    credit_trips,
    read_stations,
    read_trips,
    sample_files,
)
from vault.importers.report import LONGEST_LINE, Report
from vault.methodology.quantify import Act
from vault.methodology.release import load_release


def test_a_row_becomes_a_trip() -> None:
    (trip,), report = read_rows_of(lines(ROW))
    assert (trip.line, trip.receipt, trip.bike, trip.duration) == (2, "71", "9", 600)
    begins = datetime(2014, 9, 8, 8, 1, tzinfo=SHANGHAI)
    assert (trip.start, trip.end) == (begins.timestamp(), begins.timestamp() + 600)
    assert trip.metres == 1111
    assert trip.detail() == {"bike": "9", "from": "North", "to": "South"}
    activity = {"m": 1111, "s": 600}
    assert trip.act("CN-ZJ-HZ") == Act("travel.bike", activity, trip.start, trip.end, "CN-ZJ-HZ")
    assert report == Report(read=1, accepted=1)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(mark: bytes, end: bytes) -> None:
    trips, report = read_rows_of(mark + lines(ROW, "", ROW, "").replace(b"\n", end)[: -len(end)])
    assert [trip.line for trip in trips] == [2, 4]
    assert report.read == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.rpartition(",")[0], "columns"),
        (ROW + ",1", "columns"),
        (ROW[:40], "columns"),
        (ROW.replace("71,600", '71,"600'), "not-csv"),
        (ROW.replace("North", 'No"rth"').replace("71,", '"71"x,'), "not-csv"),
        (ROW.encode().replace(b"North", "北站".encode("gb18030")), "not-utf-8"),
        (ROW.replace("North", "N" * LONGEST_LINE * 3), "too-long"),
        (ROW.replace("71,600", "x71,600"), "bad-number"),
        (ROW.replace("71,600", "71,6e2"), "bad-number"),
        (ROW.replace("71,600", "71,"), "bad-number"),
        (ROW.replace("71,600", "71,６００"), "bad-number"),
        (ROW.replace("71,600", "71,-600"), "negative-duration"),
        (ROW.replace("North,1", "North,77"), "unknown-station"),
        (ROW.replace("South,2", "South,"), "bad-number"),
        (ROW.replace(",9,", ",nine,"), "bad-number"),
        (ROW.replace("2014-09-08T08:01:00", "2014-09-31T08:01:00"), "bad-time"),
        (ROW.replace("2014-09-08T08:01:00", "9/8/2014 8:01"), "bad-time"),
        (ROW.replace("2014-09-08T08:01:00", "2014-09-08T08:01:00Z"), "bad-time"),
        (ROW.replace("2014-09-08T08:01:00", "0014-09-08T08:01:00"), "bad-time"),
        (ROW.replace("2014-09-08T08:11", "2014-09-08T08:00"), "ends-before-start"),
    ],
)
def test_a_broken_row_is_named_by_line_and_the_good_ones_go_on(
    row: str | bytes, reason: str
) -> None:
    trips, report = read_rows_of(lines(ROW, row, ROW))
    assert [trip.line for trip in trips] == [2, 4]
    assert report == Report(read=3, accepted=2, refused={reason: [3]})


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"", "found 0 columns"),
        (b"\n", "found 0 columns"),
        (b"\xff\xfe" + HEADER.encode("utf-16-le"), "the first line is not-utf-8"),
        (b"x" * (LONGEST_LINE + 9), "the first line is too-long"),
        (b'"trip_id', "the first line is not-csv"),
        (STATIONS.encode(), "found 7 columns, known: none of them"),
        (HEADER.replace("zip_code", "zip").encode(), "known: trip_id,duration"),
        (HEADER.replace("trip_id,duration", "duration,trip_id").encode(), "in this order"),
        (ROW.encode(), "found 11 columns, known: none of them"),
    ],
)
def test_another_kind_of_file_says_what_was_found_and_wanted(file: bytes, says: str) -> None:
    with pytest.raises(BadFile) as refused:
        read_rows_of(file)
    assert says in str(refused.value)
    assert f"wanted the columns {HEADER}" in str(refused.value)
    assert "Subscriber" not in str(refused.value)


def test_the_last_line_of_a_station_holds_and_broken_ones_are_named() -> None:
    report = Report()
    moved = "1,North Gate,30.26,120.16,15,City,2013-08-05\n"
    broken = "3,East,91,120.16,15,City,\n4,West,30,181,1,City,\nx,W,30,120,1,City,\n5,W\n6,W,,,,,\n"
    stations = read_stations(BytesIO((STATIONS + moved + broken).encode()), report)
    assert {key: station.name for key, station in stations.items()} == {
        "1": "North Gate",
        "2": "South",
    }
    assert (report.read, report.accepted, report.replaced) == (8, 3, [4])
    assert report.refused == {"bad-place": [5, 6, 9], "bad-number": [7], "columns": [8]}
    with pytest.raises(BadFile, match=f"wanted the columns {STATION_HEADER}"):
        read_stations(BytesIO(HEADER.encode()), report)


def test_rows_are_read_as_they_are_asked_for() -> None:
    report = Report()
    stations = read_stations(BytesIO(STATIONS.encode()), Report())
    trips = read_trips(BytesIO(lines(*[ROW] * 50)), stations, SHANGHAI, report)
    next(trips)
    next(trips)
    assert report.read == 2


def test_a_moved_trip_keeps_its_time_of_day_where_clocks_change() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    stations = read_stations(BytesIO(STATIONS.encode()), Report())
    (trip,) = read_trips(BytesIO(lines(ROW)), stations, zone, Report())
    moved = trip.moved(120, zone)  # from summer time to winter time
    assert datetime.fromtimestamp(moved.start, zone).isoformat() == "2015-01-06T08:01:00-08:00"
    assert moved.end - moved.start == trip.end - trip.start
    assert moved.moved(-120, zone) == trip


def test_a_trip_over_the_hour_that_comes_twice_is_read() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    row = ROW.replace("2014-09-08T08:01", "2014-11-02T01:50")
    row = row.replace("2014-09-08T08:11", "2014-11-02T01:00")
    stations = read_stations(BytesIO(STATIONS.encode()), Report())
    (trip,) = read_trips(BytesIO(lines(row)), stations, zone, Report())
    assert trip.end - trip.start == 600


def sample_trips(report: Report) -> list[Trip]:
    files = sample_files()
    return list(read_trips(files.trips, read_stations(files.stations, Report()), SHANGHAI, report))


def test_the_sample_has_every_kind_of_trip() -> None:
    report = Report()
    moved = [trip.moved(TO_JANUARY, SHANGHAI) for trip in sample_trips(report)]
    credited = [c for _, c in credit_trips(moved, load_release("demo-1"), "CN-ZJ-HZ", report)]
    counts = {reason: len(found) for reason, found in report.zeroed.items()}
    assert (report.read, report.accepted, report.refused) == (299, 299, {})
    assert counts == {"round-trip": 13, "over-24-hours": 1, "over-35-km-h": 1}
    assert sum(credit.mg for credit in credited) == 60_038_700
    assert len({trip.bike for trip in moved}) == 6
    assert any(row.endswith(b",") for row in sample_files().trips.read().splitlines())


def test_the_sample_has_no_bicycle_in_two_places() -> None:
    last: dict[str, tuple[int, str]] = {}
    for trip in sample_trips(Report()):
        free, at = last.get(trip.bike, (0, trip.origin.id))
        assert trip.start >= free
        assert trip.origin.id == at
        last[trip.bike] = (trip.end, trip.destination.id)


rider = st.text(
    st.characters(codec="utf-8", exclude_characters='",\r\n'), min_size=1, max_size=12
).map(lambda text: f"§{text}§")
breaks = st.sampled_from(
    [
        ("", ""),
        ("71,600", "71,x"),
        ("71,600,", "600,"),
        ("North,1", "North,77"),
        (",South,", ",So,uth,"),
        (",9,", ",,"),
        ("T08:01:00", ""),
        ("71,", '"71,'),
    ]
)


@given(st.lists(st.tuples(rider, rider, breaks), min_size=1, max_size=6), st.booleans())
def test_no_rider_attribute_comes_out(
    rows: list[tuple[str, str, tuple[str, str]]], head: bool
) -> None:
    """Threat: zip code and subscription are quasi-identifiers; also broken rows keep them in."""
    written = [
        ROW.replace("Subscriber", kind).replace("00123", zip_code).replace(*broken, 1)
        for kind, zip_code, broken in rows
    ]
    report = Report()
    said = ""
    try:
        file = lines(*written) if head else "\n".join(written).encode()
        trips, report = read_rows_of(file)
        credited = list(credit_trips(trips, load_release("demo-1"), "CN-ZJ-HZ", report))
        said = repr(credited) + repr([(astuple(t), t.act("CN"), t.detail()) for t in trips])
    except BadFile as bad:
        said = str(bad)
    assert "§" not in said + repr(report)
