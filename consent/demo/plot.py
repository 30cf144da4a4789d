"""What a demonstration plays: trips by bicycle, moved into three months.

An export names no riders, so each bicycle stands for one holder; and it is of the past, so each
trip is moved into the demonstration's months, at the same time of day. Both are said out loud.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from vault.errors import BadFile
from vault.importers.bikeshare import Trip, read_stations, read_trips, sample_files
from vault.importers.report import Report
from vault.months import DEFAULT_ZONE, Month, Window

MONTHS: Window = (Month("2026-01"), Month("2026-02"), Month("2026-03"))
AFTER = Month("2026-04")
FIRST_DAY = 10
ZONE = ZoneInfo(DEFAULT_ZONE)


@dataclass(frozen=True)
class Plot:
    """Trips by bicycle in order of appearance, with what reading the two files gave."""

    trips: dict[str, list[Trip]]
    read: Report
    stations: Report
    region: str
    bundled: bool

    @property
    def count(self) -> int:
        """How many trips the played bicycles made."""
        return sum(map(len, self.trips.values()))

    def of_month(self, month: Month) -> list[Trip]:
        """Return the trips that were moved into a month."""
        return [t for trips in self.trips.values() for t in trips if _month(t) == month]


def read_plot(trips: Path | None, stations: Path | None, holders: int | None, region: str) -> Plot:
    """Return the trips of two CSV files, or of the bundled sample, moved into the months.

    Args:
        trips: the export; None: the sample that comes with the package.
        stations: its list of stations; None: the sample's.
        holders: how many bicycles are played, the first ones; None: all.
        region: the place that the trips are said to be of.

    Raises:
        BadFile: a file cannot be read, is no such export, or holds no trip.
    """
    of_trips, of_stations = Report(), Report()
    sample = sample_files()
    with ExitStack() as opened:
        try:
            trip_file = opened.enter_context(trips.open("rb") if trips else sample.trips)
            station_file = opened.enter_context(
                stations.open("rb") if stations else sample.stations
            )
        except OSError as bad:
            raise BadFile(f"cannot open {bad.filename}: {bad.strerror}") from bad
        places = read_stations(station_file, of_stations)
        found = list(read_trips(trip_file, places, ZONE, of_trips))
    if not found:
        raise BadFile("the file holds no trip that can be read")
    by_bike: dict[str, list[Trip]] = {}
    for trip in move_trips(found):
        by_bike.setdefault(trip.bike, []).append(trip)
    kept = dict(list(by_bike.items())[:holders])
    return Plot(kept, of_trips, of_stations, region, trips is None)


def move_trips(trips: list[Trip]) -> list[Trip]:
    """Return the trips moved: the file's days are dealt out over the months, in their order.

    The first third of the days goes into the first month, one day of the file to one day from the
    10th on, and so forth; more days than fit before the 28th share the last ones.
    """
    days = sorted({_day(trip) for trip in trips})
    share = -(-len(days) // len(MONTHS))
    target = {
        day: date.fromisoformat(f"{MONTHS[i // share]}-{min(FIRST_DAY + i % share, 24):02d}")
        for i, day in enumerate(days)
    }
    return [trip.moved((target[_day(trip)] - _day(trip)).days, ZONE) for trip in trips]


def _day(trip: Trip) -> date:
    return datetime.fromtimestamp(trip.start, ZONE).date()


def _month(trip: Trip) -> Month:
    return Month(f"{_day(trip):%Y-%m}")
