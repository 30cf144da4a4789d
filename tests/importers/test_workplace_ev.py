"""Charging at workplaces: seven columns of the person stay out, a lost century is found."""

import csv
import gzip
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.public_data import FOLDER
from vault.errors import BadFile
from vault.importers.entry import Entry, Setting
from vault.importers.opening import open_export
from vault.importers.report import LONGEST_LINE, Lines, Report
from vault.importers.workplace_ev import KEPT, read_entries
from vault.methodology.quantify import Act

NEW_YORK = ZoneInfo("America/New_York")
SETTING = Setting("CN-ZJ-HZ", NEW_YORK)
HEADER = (
    "sessionId,kwhTotal,dollars,created,ended,startTime,endTime,chargeTimeHrs,weekday,platform,"
    "distance,userId,stationId,locationId,managerVehicle,facilityType,Mon,Tues,Wed,Thurs,Fri,Sat,"
    "Sun,reportedZip"
)
ROW = (
    "4100001,7.78,0.58,0014-11-18 15:40:26,0014-11-18 17:11:04,15,17,1.51,Tue,android,"
    "12.3,71,58,46,1,3,0,1,0,0,0,0,0,94105"
)
REAL = FOLDER / "ev_workplace_charging_sessions.csv"
real_sessions = pytest.mark.skipif(
    not REAL.exists(), reason="data: the charging sessions are not in ../shared/data"
)


def lines(*rows: str | bytes) -> bytes:
    raw = (row if isinstance(row, bytes) else row.encode() for row in (HEADER, *rows))
    return b"\n".join(raw) + b"\n"


def read(file: bytes, setting: Setting = SETTING) -> tuple[list[Entry], Report]:
    report = Report()
    return list(read_entries(BytesIO(file), setting, report)), report


def test_a_row_becomes_an_act_with_the_century_it_lacks() -> None:
    (entry,), report = read(lines(ROW))
    start = int(datetime(2014, 11, 18, 15, 40, 26, tzinfo=NEW_YORK).timestamp())
    activity = {"Wh": 7780, "s": 5438}
    assert entry == Entry(
        line=2,
        customer="71",
        act=Act("travel.ev_charge", activity, start, start + 5438, "CN-ZJ-HZ", "E4"),
        receipt="4100001",
        guessable=True,
        detail={"station": "58"},
    )
    dropped = HEADER.count(",") + 1 - len(KEPT)
    assert report == Report(read=1, accepted=1, noticed={"year-0014": Lines([2])}, dropped=dropped)


def test_a_year_written_in_full_is_not_noted() -> None:
    (entry,), report = read(lines(ROW.replace(",0014-", ",2014-")))
    assert entry == read(lines(ROW))[0][0]
    assert report.noticed == {}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("0014-11-18 15", "9999-11-18 15"), "bad-time"),
        (ROW.replace("0014-11-18 17", "9999-11-18 17"), "bad-time"),
        (ROW.replace("0014-11-18 15", "0100-11-18 15"), "bad-time"),
        (ROW.replace("0014-11-18 15", "1999-11-18 15"), "bad-time"),
        (ROW.replace("0014-11-18 15", "0000-00-18 15"), "bad-time"),
        (ROW.replace("0014-11-18 15", "14-11-18 15"), "bad-time"),
        (ROW.replace("0014-11-18 15", "0014-02-30 15"), "bad-time"),
        (ROW.replace("17:11:04", "15:40:25"), "ends-before-start"),
        (ROW.replace("7.78", "-7.78"), "negative"),
        (ROW.replace("7.78", "NaN"), "bad-number"),
        (ROW.replace("7.78", "Infinity"), "bad-number"),
        (ROW.replace("7.78", "1e308"), "bad-number"),
        (ROW.replace("7.78", "9007199254740992"), "bad-number"),
        (ROW.replace("7.78", ""), "bad-number"),
        (ROW.replace("7.78", "７.78"), "bad-number"),
        (ROW.replace("7.78", "0x10"), "bad-number"),
        (ROW.replace("4100001", "41-1"), "bad-number"),
        (ROW.replace(",71,58,", ",x,58,"), "bad-number"),
        (ROW.replace(",71,58,", ",71,x,"), "bad-number"),
        (ROW.replace("7.78", '"7,78'), "not-csv"),
        (ROW.rpartition(",")[0], "columns"),
        (ROW.replace("android", "安卓").encode("gb18030"), "not-utf-8"),
        (ROW.replace("android", "x" * LONGEST_LINE), "too-long"),
    ],
)
def test_a_broken_row_is_named_and_the_good_ones_go_on(row: str | bytes, reason: str) -> None:
    entries, report = read(lines(ROW, row, ROW))
    assert [entry.line for entry in entries] == [2, 4]
    assert (report.read, report.accepted, report.refused) == (3, 2, {reason: Lines([3])})
    assert report.noticed == {"year-0014": [2, 4]}


def test_no_energy_is_an_act_and_no_time_is_one() -> None:
    row = ROW.replace("7.78", "0").replace("17:11:04", "15:40:26")
    (entry,), _ = read(lines(row))
    assert entry.act.activity == {"Wh": 0, "s": 0}


def test_a_session_over_the_hour_that_comes_twice_is_read() -> None:
    row = ROW.replace("0014-11-18 15:40:26", "0014-11-02 01:50:00")
    row = row.replace("0014-11-18 17:11:04", "0014-11-02 01:00:00")
    (entry,), _ = read(lines(row))
    assert entry.act.activity["s"] == 600


def test_a_number_is_the_same_with_zeros_before_it() -> None:
    plain, padded = read(lines(ROW, ROW.replace("4100001", "004100001").replace(",71,", ",0071,")))[
        0
    ]
    assert (padded.receipt, padded.customer) == (plain.receipt, plain.customer) == ("4100001", "71")
    assert read(lines(ROW.replace("4100001", "000")))[0][0].receipt == "0"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(mark: bytes, end: bytes) -> None:
    entries, _ = read(mark + lines(ROW, "", ROW).replace(b"\n", end))
    assert [entry.line for entry in entries] == [2, 4]


def test_columns_are_found_by_name_and_only_the_kept_ones_are_needed() -> None:
    names, cells = list(reversed(KEPT)), dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    entries, report = read(f"{','.join(names)}\n{','.join(cells[n] for n in names)}\n".encode())
    assert entries == read(lines(ROW))[0]
    assert report.dropped == 0


@pytest.mark.parametrize(
    "file",
    [b"", b"\n", ROW.encode(), HEADER.replace("ended", "end").encode(), HEADER.encode("utf-16")],
)
def test_another_file_says_what_was_wanted(file: bytes) -> None:
    with pytest.raises(BadFile, match=r"wanted the columns sessionId,kwhTotal") as refused:
        read(file)
    assert "94105" not in str(refused.value)


def test_a_cut_off_gzip_gives_what_it_holds_and_then_fails(tmp_path: Path) -> None:
    rows = [f"{n},{ROW.partition(',')[2]}" for n in range(4_100_000, 4_120_000)]
    packed = gzip.compress(lines(*rows))
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    taken: list[str] = []
    with open_export(tmp_path / "cut.csv.gz") as file, pytest.raises(BadFile, match="cut off"):
        taken.extend(entry.receipt for entry in read_entries(file, SETTING, Report()))
    assert taken[:2] == ["4100000", "4100001"]
    assert 1_000 < len(taken) < 20_000


cents = st.decimals(0, 99, places=2, allow_nan=False)


@given(st.lists(cents, max_size=8), st.data(), st.integers(0, 8))
def test_neither_order_nor_splitting_changes_the_acts(
    energies: list[Decimal], data: st.DataObject, cut: int
) -> None:
    tail = ROW.partition(",")[2]
    rows = [f"{n},{tail.replace('7.78', str(kwh))}" for n, kwh in enumerate(energies)]
    mixed = data.draw(st.permutations(rows))
    whole = {entry.receipt: entry.act for entry in read(lines(*rows))[0]}
    parts = [*read(lines(*mixed[:cut]))[0], *read(lines(*mixed[cut:]))[0]]
    assert {entry.receipt: entry.act for entry in parts} == whole
    assert sum(act.activity["Wh"] for act in whole.values()) == sum(energies) * 1000


secret = st.text(
    st.characters(codec="utf-8", exclude_characters='",\r\n'), min_size=1, max_size=12
).map(lambda text: f"§{text}§")


@given(
    secret, st.sampled_from([("7.78", "7.78"), ("7.78", "x"), ("0014-11-18 15", ""), ("71,", "")])
)
def test_nothing_of_the_person_comes_out(text: str, broken: tuple[str, str]) -> None:
    """Threat: way to work, role and zip code tell who it was; broken rows keep them in too."""
    for cell in ("0.58", "android", "12.3", "Tue", "94105"):
        entries, report = read(lines(ROW.replace(cell, text).replace(*broken)))
        assert "§" not in repr(entries) + repr(report)


@real_sessions
def test_the_real_sessions_have_their_published_figures() -> None:
    report = Report()
    with open_export(REAL) as file:
        entries = list(read_entries(file, SETTING, report))
    with REAL.open(encoding="utf-8", newline="") as text:
        exact = sum((Decimal(row["kwhTotal"]) for row in csv.DictReader(text)), Decimal(0))
    assert exact == Decimal("19723.69")
    watt_hours = sum(entry.act.activity["Wh"] for entry in entries)
    assert watt_hours == exact * 1000
    assert watt_hours * 300 == 5_917_107_000  # mg at 300 g/kWh: 5,917,107 g
    assert (report.read, report.accepted, report.refused) == (3395, 3395, {})
    assert len(report.noticed["year-0014"]) == 3395
    assert sum(entry.act.activity["Wh"] == 0 for entry in entries) == 55
    assert len({entry.customer for entry in entries}) == 85
    assert len({entry.detail["station"] for entry in entries}) == 105
    assert len({entry.receipt for entry in entries}) == 3395
