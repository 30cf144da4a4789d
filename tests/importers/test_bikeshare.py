"""Good rows go on, broken ones are named, riders stay out."""

from dataclasses import astuple, replace
from datetime import datetime
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importers.exports import (
    CITI_2017_HEADER,
    CITI_HEADER,
    CITI_ROW,
    DIVVY_HEADER,
    DIVVY_ROW,
    HEADER,
    ROW,
    SETTING,
    SHANGHAI,
    STATIONS,
    TO_JANUARY,
    lines,
    read_rows_of,
)
from tests.methodology.files import FACTOR, HEAD, release_file
from vault.errors import BadFile
from vault.importers.bikeshare import (
    Trip,
    credit_trips,
    read_entries,
    read_stations,
    read_trips,
    sample_files,
)
from vault.importers.entry import Entry
from vault.importers.report import LONGEST_LINE, Lines, Report
from vault.methodology.quantify import Act
from vault.methodology.release import load_release, read_release

BOUND = """
[[bounds]]
rule = "over"
unit = "m"
limit = 1000
reason = "over-1-km"
text = { zh-CN = "原因", en = "reason" }
proposal = true
"""
BOUND_VECTORS = """
[[vectors]]
activity = { m = 1000, s = 300 }
region = "CN"
start = 2026-01-05T08:00:00+08:00
mg = 48700
[[vectors]]
activity = { m = 1001, s = 300 }
region = "CN"
start = 2026-01-05T08:00:00+08:00
mg = 0
reason = "over-1-km"
refused = true
"""


def test_a_row_becomes_a_trip() -> None:
    (trip,), report = read_rows_of(lines(ROW))
    assert (trip.line, trip.receipt, trip.bike, trip.duration) == (2, "71", "9", 600)
    begins = datetime(2014, 9, 8, 8, 1, tzinfo=SHANGHAI)
    assert (trip.start, trip.end) == (begins.timestamp(), begins.timestamp() + 600)
    assert trip.metres == 1111
    assert trip.detail() == {"bike": "9", "from": "North", "to": "South"}
    activity = {"m": 1111, "s": 600}
    assert trip.act("CN-ZJ-HZ") == Act("travel.bike", activity, trip.start, trip.end, "CN-ZJ-HZ")
    assert report == Report(read=1, accepted=1, dropped=4)
    entry = Entry(2, "9", trip.act("CN-ZJ-HZ"), "71", True, trip.detail())
    assert entries_of(lines(ROW)) == [entry]


def entries_of(trips: bytes, stations: bytes = STATIONS.encode()) -> list[Entry]:
    known = read_stations(BytesIO(stations), Report())
    return list(read_entries(BytesIO(trips), SETTING, Report(), stations=known))


def test_a_divvy_row_is_matched_by_header_and_its_stations_by_number() -> None:
    (entry,) = entries_of(lines(DIVVY_ROW, header=DIVVY_HEADER))
    (same,) = entries_of(lines(ROW))
    assert entry == replace(same, receipt="72")
    listed = (
        b"id,name,latitude,longitude,dpcapacity\n1,North,30.25,120.16,9\n2,South,30.24,120.16,9\n"
    )
    assert entries_of(lines(DIVVY_ROW, header=DIVVY_HEADER), listed) == [entry]


@pytest.mark.parametrize("header", [CITI_HEADER, CITI_2017_HEADER])
def test_a_citi_bike_row_holds_its_places_and_is_numbered_by_start_and_bicycle(header: str) -> None:
    (entry,) = entries_of(lines(CITI_ROW, header=header), STATIONS.splitlines()[0].encode())
    (same,) = entries_of(lines(ROW))
    start, end = same.act.start + 32, same.act.end + 32
    act = replace(same.act, start=start, end=end)
    assert entry == replace(same, receipt="2014-09-08T08:01:32/9", act=act)


@pytest.mark.parametrize(
    "written",
    [
        "2014-09-08 08:01:32",
        "2014-09-08T08:01:32",
        "2014-09-08 08:01:32.7340",
        "9/8/2014 8:01:32",
        "09/08/2014 08:01:32",
    ],
)
def test_a_time_is_the_same_however_it_is_written(written: str) -> None:
    row = CITI_ROW.replace("2014-09-08 08:01:32", written)
    assert entries_of(lines(row, header=CITI_HEADER)) == entries_of(
        lines(CITI_ROW, header=CITI_HEADER)
    )


@pytest.mark.parametrize(
    ("written", "seconds"), [("600", 600), ("600.0", 600), ('"1,783.0"', 1783), ('"1,783"', 1783)]
)
def test_divvy_durations_are_read_with_their_commas(written: str, seconds: int) -> None:
    (entry,) = entries_of(lines(DIVVY_ROW.replace("600", written), header=DIVVY_HEADER))
    assert entry.act.activity["s"] == seconds


@pytest.mark.parametrize(
    ("found", "put", "reason"),
    [
        ("30.25,120.16", "0,0.0", "bad-place"),
        ("30.25,120.16", ",", "bad-place"),
        ("30.25,120.16", "NaN,120.16", "bad-place"),
        ("30.25,120.16", "30.25,1e2", "bad-place"),
        ("30.25,120.16", "30.25,180.1", "bad-place"),
        ("32,1,North", "32,NULL,North", "bad-number"),
        ("600,", '"1,5",', "bad-number"),
        ("600,", "NaN,", "bad-number"),
        ("600,", "1e308,", "bad-number"),
        ("600,", "600.5,", "bad-number"),
        ("600,", "-600,", "negative-duration"),
        ("2014-09-08 08:01", "0014-09-08 08:01", "bad-time"),
        ("2014-09-08 08:01", "9999-09-08 08:01", "bad-time"),
        ("2014-09-08 08:01", "13/9/2014 08:01", "bad-time"),
        ("08:01:32", "24:00:00", "bad-time"),
        ("08:01:32", "08:01:32Z", "bad-time"),
    ],
)
def test_a_broken_citi_bike_row_is_named_and_the_good_ones_go_on(
    found: str, put: str, reason: str
) -> None:
    assert found in CITI_ROW
    file = lines(CITI_ROW, CITI_ROW.replace(found, put, 1), CITI_ROW, header=CITI_HEADER)
    trips, report = read_rows_of(file)
    assert [trip.line for trip in trips] == [2, 4]
    assert report == Report(read=3, accepted=2, refused={reason: Lines([3])}, dropped=3)


def test_columns_may_stand_in_any_order_and_others_are_dropped() -> None:
    names, cells = HEADER.split(","), ROW.split(",")
    mixed = lines(",".join(["x", *cells[::-1], "y"]), header=",".join(["note", *names[::-1], "z"]))
    trips, report = read_rows_of(mixed)
    assert trips == read_rows_of(lines(ROW))[0]
    assert report.dropped == 6


def test_a_trip_out_of_bounds_is_refused_after_all() -> None:
    bounded = HEAD + BOUND + FACTOR + BOUND_VECTORS
    release = read_release(release_file(bounded.encode()), [bounded.encode()])
    near = lines(ROW, ROW.replace("North,1", "South,2"), ROW)
    trips, report = read_rows_of(near)
    credited = list(credit_trips(trips, release, "CN", report))
    assert [trip.line for trip, _ in credited] == [3]
    assert (report.read, report.accepted) == (3, 1)
    assert report.refused == {"over-1-km": [2, 4]}


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
        (ROW.replace("2014-09-08T08:01:00", "8.9.2014 8:01"), "bad-time"),
        (ROW.replace("North", "No\0rth"), "not-csv"),
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
    assert report == Report(read=3, accepted=2, refused={reason: Lines([3])}, dropped=4)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"", "found 0 columns"),
        (b"\n", "found 0 columns"),
        (b"\xff\xfe" + HEADER.encode("utf-16-le"), "the first line is not-utf-8"),
        (b"x" * (LONGEST_LINE + 9), "the first line is too-long"),
        (b'"trip_id', "the first line is not-csv"),
        (STATIONS.encode(), "found 7 columns, known: none of them"),
        (
            HEADER.replace("duration", "seconds").encode(),
            "found 11 columns, known: trip_id,start_date",
        ),
        ((HEADER + ",duration").encode(), "each once; found 12 columns"),
        (HEADER.encode("utf-16-le"), "the first line is not-csv"),
        (HEADER.replace("trip_id", "车次").encode("gb18030"), "the first line is not-utf-8"),
        (ROW.encode(), "found 11 columns, known: none of them"),
    ],
)
def test_another_kind_of_file_says_what_was_found_and_wanted(file: bytes, says: str) -> None:
    with pytest.raises(BadFile) as refused:
        read_rows_of(file)
    assert says in str(refused.value)
    assert "wanted the columns trip_id,duration,start_date," in str(refused.value)
    assert " or tripduration,starttime,start station id," in str(refused.value)
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
    assert (report.read, report.accepted, report.replaced) == (8, 3, Lines([4]))
    assert report.refused == {"bad-place": [5, 6, 9], "bad-number": [7], "columns": [8]}
    with pytest.raises(BadFile, match="wanted the columns station_id,name,lat,long or"):
        read_stations(BytesIO(HEADER.encode()), report)


def test_a_number_is_the_same_with_zeros_before_it() -> None:
    bay, padded = entries_of(
        lines(ROW, ROW.replace("71,", "0071,", 1).replace("South,2,9", "South,02,09"))
    )
    assert (padded.receipt, padded.customer, padded.act) == (bay.receipt, bay.customer, bay.act)
    citi = lines(CITI_ROW, CITI_ROW.replace(",9,Subscriber", ",009,Subscriber"), header=CITI_HEADER)
    first, second = entries_of(citi)
    assert first.receipt == second.receipt == "2014-09-08T08:01:32/9"


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
        ("600", "x"),
        ("9,Subs", "9,,Subs"),
        ("North", "So,uth"),
        (",9,", ",,"),
        ("08:01", ""),
        ("600", '"600'),
    ]
)
eras = st.sampled_from(
    [
        (HEADER, ROW, "Subscriber", "00123"),
        (DIVVY_HEADER, DIVVY_ROW, "Female", "1987"),
        (DIVVY_HEADER, DIVVY_ROW, "Customer", "1987"),
        (CITI_HEADER, CITI_ROW, "Subscriber", "1987,2"),
        (CITI_2017_HEADER, CITI_ROW, "Subscriber", "1987,2"),
    ]
)


@given(eras, st.lists(st.tuples(rider, rider, breaks), min_size=1, max_size=6), st.booleans())
def test_no_rider_attribute_comes_out(
    era: tuple[str, str, str, str], rows: list[tuple[str, str, tuple[str, str]]], head: bool
) -> None:
    """Threat: zip code and subscription are quasi-identifiers; also broken rows keep them in."""
    header, row, one, other = era
    assert one in row
    assert other in row
    written = [
        row.replace(one, kind)
        .replace(other, f"{zip_code},{zip_code}" if "," in other else zip_code)
        .replace(*broken, 1)
        for kind, zip_code, broken in rows
    ]
    report = Report()
    said = ""
    try:
        file = lines(*written, header=header) if head else "\n".join(written).encode()
        trips, report = read_rows_of(file)
        credited = list(credit_trips(trips, load_release("demo-1"), "CN-ZJ-HZ", report))
        said = repr(credited) + repr([(astuple(t), t.entry("CN")) for t in trips])
    except BadFile as bad:
        said = str(bad)
    assert "§" not in said + repr(report)
