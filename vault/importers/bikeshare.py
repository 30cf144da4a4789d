"""Bike-share trips of the years before 2020, from an operator's CSV export (docs/importers.md).

    trip_id,duration,start_date,start_station,start_terminal,end_date,end_station,end_terminal,
      bike_id,subscription_type,zip_code
    441782,496,2014-09-08T00:01:00,Market at 4th,68,2014-09-08T00:09:00,Spear at Folsom,49,601,…

Operators named their columns differently; the header tells which of ERAS a file is of. Times are
local and name no zone; there is no distance, so it is the great circle between the stations, whose
places stand in the rows or in a list of their own. What describes the rider (subscription_type,
usertype, gender, birth year, zip_code) is dropped while a row is split and stands in nothing that
comes out of here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.resources import files
from io import BytesIO
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from vault.errors import BadFile, OutOfBounds
from vault.importers.entry import Entry, Setting
from vault.importers.report import Report, read_header, read_under
from vault.importers.stations import Station, number_of, place_of, read_stations
from vault.importers.times import local_time, span_of, unix_of
from vault.methodology.distance import great_circle
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release

# Trips and stations are the two files of one export: who reads it needs one import.
__all__ = [
    "ERAS",
    "Sample",
    "Station",
    "Trip",
    "credit_trips",
    "read_entries",
    "read_stations",
    "read_trips",
    "sample_files",
]

BEHAVIOUR = "travel.bike"

# What an era calls the columns that are kept. Without "trip" the trips have no number, and without
# "from lat" the places of the stations stand in a list of their own.
ERAS: Mapping[str, Mapping[str, str]] = {
    "bay-area": {
        "trip": "trip_id",
        "duration": "duration",
        "start": "start_date",
        "from": "start_terminal",
        "end": "end_date",
        "to": "end_terminal",
        "bike": "bike_id",
    },
    "divvy": {
        "trip": "trip_id",
        "duration": "tripduration",
        "start": "start_time",
        "from": "from_station_id",
        "end": "end_time",
        "to": "to_station_id",
        "bike": "bikeid",
    },
    "citi-bike": {
        "duration": "tripduration",
        "start": "starttime",
        "from": "start station id",
        "from name": "start station name",
        "from lat": "start station latitude",
        "from long": "start station longitude",
        "end": "stoptime",
        "to": "end station id",
        "to name": "end station name",
        "to lat": "end station latitude",
        "to long": "end station longitude",
        "bike": "bikeid",
    },
    "citi-bike-2017": {
        "duration": "Trip Duration",
        "start": "Start Time",
        "from": "Start Station ID",
        "from name": "Start Station Name",
        "from lat": "Start Station Latitude",
        "from long": "Start Station Longitude",
        "end": "Stop Time",
        "to": "End Station ID",
        "to name": "End Station Name",
        "to lat": "End Station Latitude",
        "to long": "End Station Longitude",
        "bike": "Bike ID",
    },
}

# Divvy printed 1,783.0 for a while.
_SECONDS = re.compile(r"([0-9]{1,15}|[0-9]{1,3}(,[0-9]{3}){1,4})(\.0{1,3})?", re.ASCII)


@dataclass(frozen=True)
class Trip:
    """One trip; it holds nothing about the rider.

    ``receipt`` is the operator's trip number, or the start and the bicycle where trips have none
    (2017-03-01T00:00:32/24722); ``line`` where it stood in the file, ``duration`` seconds as the
    operator measured them; ``start`` and ``end`` are unix seconds, exact to the minute or better;
    ``metres`` is the great circle between the stations, rounded down.
    """

    line: int
    receipt: str
    bike: str
    duration: int
    start: int
    end: int
    origin: Station
    destination: Station
    metres: int

    def act(self, region: str) -> Act:
        """Return the act to quantify; the region is the operator's, such as CN-ZJ-HZ."""
        activity = {"m": self.metres, "s": self.duration}
        return Act(BEHAVIOUR, activity, self.start, self.end, region)

    def detail(self) -> dict[str, str]:
        """Return what the holder should read in the sealed record beside the numbers."""
        return {"bike": self.bike, "from": self.origin.name, "to": self.destination.name}

    def entry(self, region: str) -> Entry:
        """Return the trip as an entry: its bicycle stands for the customer.

        Trip numbers count up, and a start can be seen at the station: both are guessable.
        """
        return Entry(self.line, self.bike, self.act(region), self.receipt, True, self.detail())

    def moved(self, days: int, zone: ZoneInfo) -> Trip:
        """Return the trip so many days later (earlier when negative) at the same time of day.

        It keeps its receipt: a trip that is moved twice needs two receipts to be booked twice.
        """
        local = datetime.fromtimestamp(self.start, zone).replace(tzinfo=None)
        start = unix_of(local + timedelta(days=days), zone)
        return replace(self, start=start, end=start + self.end - self.start)


class Sample(NamedTuple):
    """The two files of an export, open for reading."""

    trips: BinaryIO
    stations: BinaryIO


def sample_files() -> Sample:
    """Return a small invented export: one week of 6 bicycles between 12 stations."""
    shelf = files("vault.importers").joinpath("sample")
    trips, stations = (
        BytesIO(shelf.joinpath(name).read_bytes()) for name in ("trips.csv", "stations.csv")
    )
    return Sample(trips, stations)


def read_entries(
    file: BinaryIO, setting: Setting, report: Report, *, stations: Mapping[str, Station]
) -> Iterator[Entry]:
    """Yield the trips of an export as entries; refuses and raises as read_trips does.

    Args:
        file: the export, open in binary mode.
        setting: its region and zone.
        report: filled while the entries are taken.
        stations: as read_stations returns them; may be empty where the rows hold the places.
    """
    for trip in read_trips(file, stations, setting.zone, report):
        yield trip.entry(setting.region)


def read_trips(
    file: BinaryIO, stations: Mapping[str, Station], zone: ZoneInfo, report: Report
) -> Iterator[Trip]:
    """Yield the trips of an export, one row at a time.

    Refuses into the report, beside what read_rows refuses: ``bad-number``, ``bad-time``,
    ``bad-place``, ``negative-duration``, ``ends-before-start``, ``unknown-station``.

    Args:
        file: the export, open in binary mode.
        stations: as read_stations returns them.
        zone: where the times of the export are local.
        report: filled while the trips are taken.

    Raises:
        BadFile: the first line is not the header of such an export, or the file breaks off.
    """
    header = read_header(file, *(tuple(era.values()) for era in ERAS.values()))
    era = next(era for era in ERAS.values() if tuple(era.values()) == header.keep)
    for line, row in read_under(file, header, report):
        try:
            trip = _trip(line, {ours: row[its] for ours, its in era.items()}, stations, zone)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        yield trip


def credit_trips(
    trips: Iterable[Trip], release: Release, region: str, report: Report
) -> Iterator[tuple[Trip, Credit]]:
    """Yield each trip with its credit; those that count 0 mg are noted in the report.

    A trip out of bounds is not yielded: the report refuses it after all.

    Raises:
        BadMethodology: the release has no travel.bike.
    """
    for trip in trips:
        try:
            credit = quantify(trip.act(region), release)
        except OutOfBounds as bad:
            report.overrule(bad.reason, trip.line)
            continue
        if credit.mg == 0 and credit.reason is not None:
            report.zero(credit.reason, trip.line)
        yield trip, credit


def _trip(
    line: int, row: Mapping[str, str], stations: Mapping[str, Station], zone: ZoneInfo
) -> Trip:
    duration = _seconds(row["duration"])
    start, end = span_of(row["start"], row["end"], zone)
    origin, destination = _station(row, "from", stations), _station(row, "to", stations)
    return Trip(
        line,
        _receipt(row),
        number_of(row["bike"]),
        duration,
        start,
        end,
        origin,
        destination,
        great_circle(origin.place, destination.place),
    )


def _receipt(row: Mapping[str, str]) -> str:
    if "trip" in row:
        return number_of(row["trip"])
    # Written one way whatever the file's, so that the same trip of two exports is one receipt.
    return f"{local_time(row['start']):%Y-%m-%dT%H:%M:%S}/{number_of(row['bike'])}"


def _station(row: Mapping[str, str], side: str, stations: Mapping[str, Station]) -> Station:
    number = number_of(row[side])
    if f"{side} lat" in row:
        place = place_of(row[f"{side} lat"], row[f"{side} long"])
        return Station(number, row[f"{side} name"], place)
    if number not in stations:
        raise BadFile("unknown-station")
    return stations[number]


def _seconds(text: str) -> int:
    if _SECONDS.fullmatch(text.removeprefix("-")) is None:
        raise BadFile("bad-number")
    if text.startswith("-"):
        raise BadFile("negative-duration")
    return int(text.partition(".")[0].replace(",", ""))
