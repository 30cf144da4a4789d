"""Bike-share trips from an operator's CSV export, with its list of stations (docs/methodology.md).

    trip_id,duration,start_date,start_station,start_terminal,end_date,end_station,end_terminal,
      bike_id,subscription_type,zip_code
    441782,496,2014-09-08T00:01:00,Market at 4th,68,2014-09-08T00:09:00,Spear at Folsom,49,601,…

    station_id,name,lat,long,dock_count,landmark,install_date
    49,Spear at Folsom,37.789625,-122.390264,19,San Francisco,2013-08-20

Times are local and name no zone; there is no distance, so it is the great circle between the
stations. What describes the rider (subscription_type, zip_code) is dropped while a row is split and
stands in nothing that comes out of here. Stations are matched by number: they get renamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from io import BytesIO
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from vault.errors import BadFile
from vault.importers.report import Report, read_rows
from vault.methodology.distance import Place, great_circle
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release

BEHAVIOUR = "travel.bike"
TRIP_COLUMNS = (
    "trip_id",
    "duration",
    "start_date",
    "start_station",
    "start_terminal",
    "end_date",
    "end_station",
    "end_terminal",
    "bike_id",
    "subscription_type",
    "zip_code",
)
TRIP_KEPT = (
    "trip_id",
    "duration",
    "start_date",
    "start_terminal",
    "end_date",
    "end_terminal",
    "bike_id",
)
STATION_COLUMNS = ("station_id", "name", "lat", "long", "dock_count", "landmark", "install_date")
STATION_KEPT = ("station_id", "name", "lat", "long")

_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?", re.ASCII)
_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)


@dataclass(frozen=True)
class Station:
    """A station as the operator lists it."""

    id: str
    name: str
    place: Place


@dataclass(frozen=True)
class Trip:
    """One trip; it holds nothing about the rider.

    ``receipt`` is the operator's trip number, ``line`` where it stood in the file, ``duration``
    seconds as the operator measured them; ``start`` and ``end`` are unix seconds, exact to the
    minute; ``metres`` is the great circle between the stations, rounded down.
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

    def moved(self, days: int, zone: ZoneInfo) -> Trip:
        """Return the trip so many days later (earlier when negative) at the same time of day.

        It keeps its receipt: a trip that is moved twice needs two receipts to be booked twice.
        """
        local = datetime.fromtimestamp(self.start, zone).replace(tzinfo=None)
        start = _unix(local + timedelta(days=days), zone)
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


def read_stations(file: BinaryIO, report: Report) -> dict[str, Station]:
    """Return the stations of a list by number.

    Operators list a station again when it moved or was renamed, without a date: the last line of a
    number holds, and the report names it as replacing another. Refuses into the report, beside what
    read_rows refuses: ``bad-number``, ``bad-place``.

    Raises:
        BadFile: the first line is not the header of such a list.
    """
    stations: dict[str, Station] = {}
    for line, row in read_rows(file, STATION_KEPT, report):
        try:
            station = _station(row)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        if station.id in stations:
            report.replaced.append(line)
        stations[station.id] = station
    return stations


def read_trips(
    file: BinaryIO, stations: Mapping[str, Station], zone: ZoneInfo, report: Report
) -> Iterator[Trip]:
    """Yield the trips of an export, one row at a time.

    Refuses into the report, beside what read_rows refuses: ``bad-number``, ``bad-time``,
    ``negative-duration``, ``ends-before-start``, ``unknown-station``.

    Args:
        file: the export, open in binary mode.
        stations: as read_stations returns them.
        zone: where the times of the export are local.
        report: filled while the trips are taken.

    Raises:
        BadFile: the first line is not the header of such an export.
    """
    for line, row in read_rows(file, TRIP_KEPT, report):
        try:
            trip = _trip(line, row, stations, zone)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        yield trip


def credit_trips(
    trips: Iterable[Trip], release: Release, region: str, report: Report
) -> Iterator[tuple[Trip, Credit]]:
    """Yield each trip with its credit; those that count 0 mg are noted in the report.

    Raises:
        BadMethodology: the release has no travel.bike.
    """
    for trip in trips:
        credit = quantify(trip.act(region), release)
        if credit.reason is not None:
            report.zero(credit.reason, trip.line)
        yield trip, credit


def _station(row: Mapping[str, str]) -> Station:
    lat, long = _degrees(row["lat"], 90), _degrees(row["long"], 180)
    return Station(_number(row["station_id"]), row["name"], Place(lat, long))


def _trip(
    line: int, row: Mapping[str, str], stations: Mapping[str, Station], zone: ZoneInfo
) -> Trip:
    if re.fullmatch(r"-[0-9]+", row["duration"], re.ASCII):
        raise BadFile("negative-duration")
    duration = int(_number(row["duration"]))
    start, end = _times(row["start_date"], row["end_date"], zone)
    origin, destination = (
        _known(_number(row[name]), stations) for name in ("start_terminal", "end_terminal")
    )
    return Trip(
        line,
        _number(row["trip_id"]),
        _number(row["bike_id"]),
        duration,
        start,
        end,
        origin,
        destination,
        great_circle(origin.place, destination.place),
    )


def _known(number: str, stations: Mapping[str, Station]) -> Station:
    if number not in stations:
        raise BadFile("unknown-station")
    return stations[number]


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise BadFile("bad-number")
    return text


def _degrees(text: str, most: int) -> Decimal:
    if not _DEGREES.fullmatch(text) or abs(Decimal(text)) > most:
        raise BadFile("bad-place")
    return Decimal(text)


def _times(start: str, end: str, zone: ZoneInfo) -> tuple[int, int]:
    begins, ends = _local(start), _local(end)
    first, last = _unix(begins, zone), _unix(ends, zone)
    if last < first:
        # The hour that is there twice in autumn: the end may be in its second turn.
        last = _unix(ends.replace(fold=1), zone)
    if last < first:
        raise BadFile("ends-before-start")
    return first, last


def _local(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise BadFile("bad-time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadFile("bad-time") from None


def _unix(local: datetime, zone: ZoneInfo) -> int:
    return int(local.replace(tzinfo=zone).timestamp())
