"""The project and a count that shares no code with it agree trip by trip."""

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from fractions import Fraction
from importlib.resources import as_file, files
from pathlib import Path

from tests.importers.exports import SHANGHAI, TO_JANUARY
from tests.independent_week import exact_metres, unit_vector
from tests.public_data import STATIONS as REAL_STATIONS
from tests.public_data import TRIPS as REAL_TRIPS
from tests.public_data import real_week
from vault.importers.bikeshare import Trip, credit_trips, read_stations, read_trips
from vault.importers.report import Report
from vault.methodology.quantify import Credit
from vault.methodology.release import load_release

SCRIPT = Path(__file__).parents[1] / "independent_week.py"


def by_project(trips: Path, stations: Path, report: Report) -> list[tuple[Trip, Credit]]:
    with stations.open("rb") as file:
        known = read_stations(file, Report())
    with trips.open("rb") as file:
        read = read_trips(file, known, SHANGHAI, report)
        moved = (trip.moved(TO_JANUARY, SHANGHAI) for trip in read)
        return list(credit_trips(moved, load_release("demo-1"), "CN-ZJ-HZ", report))


def check_against_script(trips: Path, stations: Path) -> None:
    credited = by_project(trips, stations, Report())
    ran = subprocess.run(
        [sys.executable, "-I", SCRIPT, "--trips", trips, "--stations", stations],
        capture_output=True,
        check=True,
        timeout=120,
    )
    found = json.loads(ran.stdout)
    assert found["per_trip"] == {trip.receipt: credit.mg for trip, credit in credited}
    assert found["mg_total"] == sum(credit.mg for _, credit in credited)
    assert found["credited"] == sum(credit.reason is None for _, credit in credited)
    assert found["trips"] == len(credited)


def check_no_metre_hangs_on_a_float(credited: list[tuple[Trip, Credit]]) -> None:
    places = {(trip.origin.place, trip.destination.place): trip.metres for trip, _ in credited}
    for (start, end), metres in places.items():
        straight = exact_metres(
            unit_vector(str(start.lat), str(start.long)), unit_vector(str(end.lat), str(end.long))
        )
        assert start == end or 1e-6 < straight - metres < 1 - 1e-6


def test_sample_agrees_with_the_independent_count() -> None:
    with ExitStack() as stack:
        shelf = files("vault.importers").joinpath("sample")
        trips, stations = (
            stack.enter_context(as_file(shelf.joinpath(name)))
            for name in ("trips.csv", "stations.csv")
        )
        check_against_script(trips, stations)
        check_no_metre_hangs_on_a_float(by_project(trips, stations, Report()))


def test_the_independent_count_imports_nothing_of_the_project() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    taken = [line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))]
    assert {name.partition(".")[0] for name in taken} <= {*sys.stdlib_module_names}


@real_week
def test_real_week_agrees_with_the_independent_count() -> None:
    check_against_script(REAL_TRIPS, REAL_STATIONS)


@real_week
def test_real_week_has_its_published_figures() -> None:
    report = Report()
    credited = by_project(REAL_TRIPS, REAL_STATIONS, report)
    reasons = Counter(credit.reason for _, credit in credited)
    assert (report.read, report.accepted, report.refused) == (7660, 7660, {})
    assert sum(trip.metres == 0 for trip, _ in credited) == 274
    assert sum(trip.duration > 86400 for trip, _ in credited) == 4
    # Two of the four are round trips too; the first reason of the file's order is given.
    assert reasons == {None: 7382, "round-trip": 274, "over-24-hours": 2, "over-35-km-h": 2}
    metres = sum(trip.metres for trip, credit in credited if credit.mg)
    assert metres == 10_250_341
    assert metres * Fraction("48.7") == Fraction("499191606.7")
    assert sum(credit.mg for _, credit in credited) == 499_188_527
    assert max(credit.mg for _, credit in credited) == 520_846


@real_week
def test_no_distance_of_the_real_week_hangs_on_the_last_bit_of_a_float() -> None:
    check_no_metre_hangs_on_a_float(by_project(REAL_TRIPS, REAL_STATIONS, Report()))


@real_week
def test_real_stations_that_moved_are_named() -> None:
    report = Report()
    with REAL_STATIONS.open("rb") as file:
        assert len(read_stations(file, report)) == 70
    assert (report.read, len(report.replaced)) == (76, 6)
