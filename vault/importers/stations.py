"""Stations of a bike share, from the operator's list (docs/importers.md).

    station_id,name,lat,long,dock_count,landmark,install_date
    49,Spear at Folsom,37.789625,-122.390264,19,San Francisco,2013-08-20

Stations are matched by number: they get renamed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO

from vault.errors import BadFile
from vault.importers.report import Report, read_header, read_under
from vault.methodology.distance import Place

BAY_AREA = ("station_id", "name", "lat", "long")
DIVVY = ("id", "name", "latitude", "longitude")

_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?", re.ASCII)


@dataclass(frozen=True)
class Station:
    """A station as the operator lists it."""

    id: str
    name: str
    place: Place


def read_stations(file: BinaryIO, report: Report) -> dict[str, Station]:
    """Return the stations of a list by number.

    Operators list a station again when it moved or was renamed, without a date: the last line of a
    number holds, and the report names it as replacing another. Refuses into the report, beside what
    read_rows refuses: ``bad-number``, ``bad-place``.

    Raises:
        BadFile: the first line is not the header of such a list.
    """
    stations: dict[str, Station] = {}
    header = read_header(file, BAY_AREA, DIVVY)
    for line, row in read_under(file, header, report):
        try:
            station = _station(row, header.keep)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        if station.id in stations:
            report.replaced.append(line)
        stations[station.id] = station
    return stations


def place_of(lat: str, long: str) -> Place:
    """Return the place of two cells of degrees; raises BadFile ``bad-place``."""
    place = Place(_degrees(lat, 90), _degrees(long, 180))
    if place.lat == 0 and place.long == 0:
        # No bicycle is shared in the Gulf of Guinea: this is how a missing place is written.
        raise BadFile("bad-place")
    return place


def number_of(text: str) -> str:
    """Return a number of at most 15 digits; raises BadFile ``bad-number``.

    It comes without zeros before it: some programs write them and some drop them, and the same trip
    must stay the same receipt.
    """
    if not _NUMBER.fullmatch(text):
        raise BadFile("bad-number")
    return text.lstrip("0") or "0"


def _station(row: Mapping[str, str], columns: tuple[str, ...]) -> Station:
    number, name, lat, long = (row[column] for column in columns)
    return Station(number_of(number), name, place_of(lat, long))


def _degrees(text: str, most: int) -> Decimal:
    if not _DEGREES.fullmatch(text) or abs(Decimal(text)) > most:
        raise BadFile("bad-place")
    return Decimal(text)
