"""One export under several releases: the same acts, a column each, and the spread between them."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from consent.commands.compare import Once
from tests.methodology.files import BOUND, BOUND_VECTOR, CAPS, GOOD, release_file
from tests.public_data import STATIONS, TRIPS, real_week
from tests.test_commands import run
from vault.errors import BadShape, OutOfBounds
from vault.importers.entry import Entry
from vault.methodology.compare import Column, compare, days_until, move
from vault.methodology.quantify import Act, quantify
from vault.methodology.release import Release, load_release, read_release

JANUARY = 1767571200  # 2026-01-05T08:00:00+08:00
DEMO, MAIN, SEASON = (load_release(n) for n in ("demo-1", "2026-1", "beijing-season-2022"))
COLUMNS = [
    Column(DEMO, "CN"),
    Column(MAIN, "CN"),
    Column(MAIN, "CN-HB-WH"),
    Column(SEASON, "CN-BJ"),
]
SHANGHAI = ZoneInfo("Asia/Shanghai")


def release_of(text: str) -> Release:
    return read_release(release_file(text.encode()), [text.encode()])


def bike(m: int, s: int = 600, start: int = JANUARY) -> Act:
    return Act("travel.bike", {"m": m, "s": s}, start, start + s, "US-CA")


def test_the_place_of_a_column_takes_the_place_of_the_acts_own() -> None:
    compared = compare([bike(1000)], COLUMNS)
    assert [cell.mg for cell in compared.rows["travel.bike"]] == [48_700, 48_700, 40_000, 250_000]
    assert compared.ratios() == [
        Fraction(487, 400),
        Fraction(487, 400),
        Fraction(1),
        Fraction(25, 4),
    ]
    assert [column.name for column in COLUMNS][2] == "2026-1@CN-HB-WH"


def test_acts_are_counted_by_what_became_of_them() -> None:
    column = Column(release_of(GOOD + BOUND_VECTOR + BOUND), "CN")
    acts = [bike(m) for m in (1000, 20_000, 20_001, 0, 0)]
    (cell,) = compare(acts, [column]).rows["travel.bike"]
    assert (cell.mg, cell.credited, cell.cut, cell.acts) == (48_700 + 974_000, 2, 0, 5)
    assert (cell.zeroed, cell.refused) == ({"round-trip": 2}, {"too-far": 1})


def test_what_lies_above_the_cap_of_an_act_is_cut() -> None:
    column = Column(release_of(GOOD + CAPS), "CN")
    (cell,) = compare([bike(30_000), bike(20_000)], [column]).rows["travel.bike"]
    assert (cell.mg, cell.credited, cell.cut) == (1_000_000 + 974_000, 2, 1)


def test_a_release_that_lacks_a_behaviour_or_measures_it_otherwise_refuses_it() -> None:
    charge = Act("travel.ev_charge", {"Wh": 1000}, JANUARY, JANUARY + 60, "CN")
    cells = compare([charge], [Column(DEMO, "CN"), Column(MAIN, "CN-BJ")]).rows["travel.ev_charge"]
    assert [cell.refused for cell in cells] == [{"not-in-release": 1}, {"other-units": 1}]
    assert all((cell.mg, cell.acts) == (0, 1) for cell in cells)


def test_behaviours_that_nothing_lists_share_one_row() -> None:
    acts = [Act(f"travel.x{n}", {"m": 1}, JANUARY, JANUARY, "CN") for n in range(9)]
    compared = compare(acts, COLUMNS)
    assert list(compared.rows) == ["unlisted"]
    assert compared.rows["unlisted"][0].refused == {"not-in-release": 9}


def test_a_total_of_nothing_has_no_ratio() -> None:
    column = Column(DEMO, "US")
    assert compare([bike(1000)], [column, COLUMNS[0]]).ratios() == [None, Fraction(1)]
    assert compare([bike(1000)], [column]).ratios() == [None]
    assert compare([], COLUMNS).totals[0].acts == 0


def test_acts_are_taken_one_at_a_time() -> None:
    alive: list[int] = []

    def acts() -> Iterator[Act]:
        for number in range(3):
            alive.append(number)
            yield bike(1000)

    assert compare(acts(), COLUMNS).totals[0].mg == 3 * 48_700
    assert alive == [0, 1, 2]


amounts = st.tuples(st.integers(0, 40_000), st.integers(0, 90_000))


@given(st.lists(amounts, max_size=12), st.data())
def test_a_column_is_what_quantify_says_in_any_order(
    acts: list[tuple[int, int]], data: st.DataObject
) -> None:
    def alone(release: Release, region: str) -> int:
        total = 0
        for m, s in acts:
            try:
                act = Act("travel.bike", {"m": m, "s": s}, JANUARY, JANUARY + s, region)
                total += quantify(act, release).mg
            except OutOfBounds:
                continue
        return total

    shuffled = data.draw(st.permutations(acts))
    totals = compare((bike(*each) for each in shuffled), COLUMNS).totals
    assert [total.mg for total in totals] == [alone(c.release, c.region) for c in COLUMNS]
    assert all(total.acts == len(acts) for total in totals)


def test_an_act_is_moved_by_whole_days_at_its_own_time_of_day() -> None:
    days = days_until(JANUARY, date(2026, 3, 1), SHANGHAI)
    moved = move(bike(1000), days, SHANGHAI)
    assert days == 55
    assert (moved.start, moved.end) == (JANUARY + 55 * 86_400, JANUARY + 55 * 86_400 + 600)
    assert moved.activity == bike(1000).activity
    assert move(moved, -days, SHANGHAI) == bike(1000)
    angeles = ZoneInfo("America/Los_Angeles")  # summer time begins between these two days
    winter = 1_767_628_800  # 2026-01-05T08:00:00-08:00
    assert move(bike(1, start=winter), 90, angeles).start == winter + 90 * 86_400 - 3600


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 1, 5), date(2030, 12, 31)])
def test_the_first_day_falls_on_the_day_asked_for(day: date) -> None:
    late = JANUARY + 15 * 3600 + 3599  # 23:59:59 in Shanghai
    for start in (JANUARY, late):
        assert days_until(start, day, SHANGHAI) == (day - date(2026, 1, 5)).days


LINE = {
    "behaviour": "travel.bike",
    "activity": {"m": 1000, "s": 300},
    "start": 1409528400,  # 2014-09-01 in Shanghai
    "end": 1409528700,
    "region": "CN",
    "guessable": True,
}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "acts.jsonl"
    rows = [
        {**LINE, "customer": "7", "receipt": "R-1"},
        {**LINE, "customer": "7", "receipt": "R-2"},
        {**LINE, "customer": "8", "receipt": "R-3", "claimed": "platform"},
        {**LINE, "customer": "8", "receipt": "R-4", "activity": {"m": 0, "s": 300}},
        {"takes_back": "R-2", "receipt": "R-9"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\nbroken\n", encoding="utf-8")
    return path


def test_the_command_prints_the_columns_and_writes_the_chart(export: Path, tmp_path: Path) -> None:
    words = ["methodology", "compare", export, "--format", "jsonl", "--to-date", "2026-01-05"]
    chart = tmp_path / "chart.svg"
    with patch.dict(os.environ, {"COLUMNS": "200"}):
        said = run(*words, "--svg", chart)
    assert said.code == 0
    for part in ("demo-1@CN", "2026-1@CN-HB-WH", "beijing-season-2022@CN-BJ", "6.25 ×", "1.00 ×"):
        assert part in said.out
    with patch.dict(os.environ, {"COLUMNS": "80"}):
        narrow = run(*words).out
    assert {"2026-1@CN-HB-WH", "beijing-season-", "2022@CN-BJ"} <= set(narrow.split())
    table = narrow[: narrow.index("4 acts read")].splitlines()
    assert all(cell_len(line) <= 80 for line in table)
    assert "Every act was moved by 4,144 days; the file's first day is 2014-09-01." in said.out
    assert "Not applied here: caps of a day and a month" in said.out
    assert "exclusions between behaviours and person-time" in said.out
    drawn = ElementTree.fromstring(chart.read_text(encoding="utf-8"))
    assert "4,144 天" in "".join(drawn.itertext())
    found = json.loads(run(*words, "--json").out)
    assert [(c["mg"], c["ratio"], c["credited"]) for c in found["columns"]] == [
        (48_700, "1.22", 1),
        (48_700, "1.22", 1),
        (40_000, "1.00", 1),
        (250_000, "6.25", 1),
    ]
    assert (found["acts"], found["taken_back"], found["claimed"]) == (4, 1, 1)
    assert (found["moved_days"], sum(found["rows_refused"].values())) == (4_144, 1)
    assert found["rows"][0]["cells"][0]["zeroed"] == {"round-trip": 1}


def test_a_receipt_counts_once_however_often_it_stands_in_the_file(export: Path) -> None:
    words = ["methodology", "compare", export, "--format", "jsonl", "--to-date", "2026-01-05"]
    once = json.loads(run(*words, "--json").out)
    assert once["doubled"] == 0
    assert "doubled" not in run(*words).out
    export.write_text(export.read_text(encoding="utf-8") * 2, encoding="utf-8")
    with export.open("a", encoding="utf-8") as more:
        for line in ({"operator": "one.example"}, {"operator": "two.example"}) * 2:
            more.write(json.dumps({**LINE, **line, "receipt": "R-1", "customer": "7"}) + "\n")
    twice = json.loads(run(*words, "--json").out)
    assert (twice["doubled"], twice["acts"], twice["claimed"]) == (6, 6, 1)
    assert twice["taken_back"] == once["taken_back"]
    assert [c["mg"] for c in twice["columns"]] == [3 * c["mg"] for c in once["columns"]]
    assert "6 doubled rows are left out: a receipt counts once." in run(*words).out


def test_what_was_seen_is_kept_in_eight_bytes_each() -> None:
    seen = Once()
    first = Entry(2, "7", bike(1000), "R-1", True)
    assert [seen.is_new(each) for each in (first, replace(first, line=3))] == [True, False]
    assert seen.is_new(replace(first, operator="one.example"))
    assert seen.is_new(replace(first, operator="", receipt="\0R-1"))
    assert seen.is_new(replace(first, operator="\0", receipt="R-1"))
    assert seen.doubled == 1
    assert all(0 <= each < 2**64 for each in seen.hashes)


def test_an_old_file_counts_nothing_where_it_is_not_moved(export: Path) -> None:
    words = ["methodology", "compare", export, "--format", "jsonl", "--under", "demo-1@CN"]
    (column,) = json.loads(run(*words, "--json").out)["columns"]
    assert (column["mg"], column["ratio"]) == (0, None)
    assert column["zeroed"] == {"no-factor-for-date": 1, "round-trip": 1}
    assert "was moved" not in run(*words).out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--under", "demo-1"], 2),
        (["--under", "demo-1@Hangzhou"], 2),
        (["--under", "demo-9@CN"], 1),
        (["--to-date", "2026-13-01"], 2),
        (["--to-date", "1969-12-31"], 2),
        (["--to-date", "1999-12-31"], 2),
        (["--to-date", "2100-01-01"], 2),
        (["--to-date", "9999-12-31"], 2),
        (["--zone", "Asia/Atlantis"], 1),
        (["--format", "no-such-format"], 1),
    ],
)
def test_a_command_that_asks_for_what_is_not_there_is_refused(
    export: Path, words: list[str], code: int
) -> None:
    assert run("methodology", "compare", export, "--format", "jsonl", *words).code == code


def test_a_day_far_away_is_refused_by_its_name(export: Path) -> None:
    for day in ("0001-01-01", "9999-12-31"):
        said = run("methodology", "compare", export, "--format", "jsonl", "--to-date", day)
        assert (said.code, "wanted a day of the years 2000 to 2099" in said.err) == (2, True)
    edge = run("methodology", "compare", export, "--format", "jsonl", "--to-date", "2099-12-31")
    assert (edge.code, "other-units" in edge.out) == (0, False)


def test_an_act_that_would_leave_the_calendar_is_said_to() -> None:
    for days in (-30_000, -800_000, 3_000_000):
        with pytest.raises(BadShape, match="leaves the calendar"):
            move(bike(1), days, SHANGHAI)
    with pytest.raises(BadShape):
        days_until(2**53 - 1, date(2026, 1, 5), SHANGHAI)


def test_a_file_without_an_act_is_said_to_be_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n", encoding="utf-8")
    said = run("methodology", "compare", empty, "--format", "jsonl")
    assert (said.code, "no act in this file" in said.err) == (1, True)


@real_week
def test_a_real_week_counts_six_times_as_much_in_one_programme_as_in_another() -> None:
    said = run(
        "methodology", "compare", TRIPS, "--format", "bikeshare", "--beside", STATIONS,
        "--zone", "America/Los_Angeles", "--to-date", "2026-01-05", "--json",
    )  # fmt: skip
    columns = json.loads(said.out)["columns"]
    assert columns[0]["mg"] == 499_188_527
    assert columns[0]["credited"] == 7_382
    assert columns[0]["zeroed"] == {"round-trip": 274, "over-24-hours": 2, "over-35-km-h": 2}
    assert [column["ratio"] for column in columns] == ["1.22", "1.22", "1.00", "6.25"]
