"""Bike-share trips of the years from 2020 on, from an operator's CSV export (docs/importers.md).

    ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,end_station_name,
      end_station_id,start_lat,start_lng,end_lat,end_lng,member_casual
    58F2CA262B50E256,classic_bike,2024-01-25 20:39:09,2024-01-25 20:44:07,Broadway & E 14 St,…

One form serves Citi Bike, Divvy, Capital Bikeshare, Bay Wheels and others. It names nobody, neither
a person nor a bicycle, so an entry has no customer. Times are local and name no zone; the seconds
are those between them; there is no distance, so it is the great circle between the two places, a
lower bound. Where a bicycle was left off a station the places are the rider's own: they are used
for the distance and stand in nothing that comes out of here, and member_casual is dropped unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from vault.errors import BadFile
from vault.importers.entry import Entry, Setting
from vault.importers.report import Report, read_rows
from vault.importers.stations import place_of
from vault.importers.times import span_of
from vault.methodology.distance import great_circle
from vault.methodology.quantify import Act

COLUMNS = (
    "ride_id",
    "rideable_type",
    "started_at",
    "ended_at",
    "start_station_name",
    "end_station_name",
    "start_lat",
    "start_lng",
    "end_lat",
    "end_lng",
)
# docked_bike is the older word for classic_bike; scooters are no bicycles and stand nowhere here.
KINDS = {
    "classic_bike": "travel.bike",
    "docked_bike": "travel.bike",
    "electric_bike": "travel.ebike",
}

_RIDE_ID = re.compile(r"[0-9A-Fa-f]{1,64}", re.ASCII)
_RANDOM_DIGITS = 16


def read_entries(file: BinaryIO, setting: Setting, report: Report) -> Iterator[Entry]:
    """Yield the trips of an export as entries, one row at a time.

    Refuses into the report, beside what read_rows refuses: ``bad-number`` (no ride id),
    ``unknown-kind``, ``bad-time``, ``ends-before-start``, ``bad-place``.

    Args:
        file: the export, open in binary mode.
        setting: its region and zone.
        report: filled while the entries are taken.

    Raises:
        BadFile: the first line is not the header of such an export, or the file breaks off.
    """
    for line, row in read_rows(file, COLUMNS, report):
        try:
            entry = _entry(line, row, setting)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        yield entry


def _entry(line: int, row: Mapping[str, str], setting: Setting) -> Entry:
    receipt = _ride_id(row["ride_id"])
    # 16 hexadecimal digits are 64 bits. They look random in every export, which no operator
    # promises; fewer than that would be too few even if they are.
    guessable = len(receipt) < _RANDOM_DIGITS
    return Entry(line, None, _act(row, setting), receipt, guessable, _detail(row))


def _act(row: Mapping[str, str], setting: Setting) -> Act:
    if row["rideable_type"] not in KINDS:
        raise BadFile("unknown-kind")
    start, end = span_of(row["started_at"], row["ended_at"], setting.zone)
    origin = place_of(row["start_lat"], row["start_lng"])
    destination = place_of(row["end_lat"], row["end_lng"])
    activity = {"m": great_circle(origin, destination), "s": end - start}
    return Act(KINDS[row["rideable_type"]], activity, start, end, setting.region)


def _ride_id(text: str) -> str:
    # A spreadsheet writes an id of digits and one E as 1.23E+15, the same for many: refused.
    if not _RIDE_ID.fullmatch(text):
        raise BadFile("bad-number")
    return text.upper()


def _detail(row: Mapping[str, str]) -> dict[str, str]:
    named = {"from": row["start_station_name"], "to": row["end_station_name"]}
    return {side: name for side, name in named.items() if name}
