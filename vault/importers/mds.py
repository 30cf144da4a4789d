"""Trips of the Mobility Data Specification, as JSON of version 1 or 2 (docs/importers.md).

    {"version": "1.2.0", "data": {"trips": [{"provider_id": "…", "trip_id": "…",
      "vehicle_type": "bicycle", "propulsion_types": ["human"], "trip_duration": 600,
      "trip_distance": 1500, "start_time": 1767571200000, "end_time": 1767571800000, …}]}}
    {"version": "2.0.0", "trips": [{"provider_id": "…", "trip_id": "…", "duration": 600,
      "distance": 1500, "start_time": 1767571200000, "end_time": 1767571800000, …}]}

Times are milliseconds since 1970, lengths whole seconds and metres as measured; small figures may
be redacted to -1. A rider is never named, so an entry has no customer. Trips of version 2 do not
say what was ridden (it stands with the vehicle): the setting says it. Routes and locations are
never looked at. The source is openmobilityfoundation/mobility-data-specification, data-types.md
(2.0) and provider/README.md (1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from vault.errors import BadFile
from vault.importers.amounts import exact_units
from vault.importers.document import Document
from vault.importers.entry import Entry, Setting
from vault.importers.opening import Json, read_limited
from vault.importers.report import Report
from vault.methodology.quantify import Act

REDACTED = -1
EARLIEST, LATEST = 946684800, 4102444800  # the years 2000 to 2099

_UUID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12}"
)
_MOTORS = {"electric_assist", "electric"}
_PATHS = {1: ("data", "trips"), 2: ("trips",)}
_LENGTHS = {1: ("trip_distance", "trip_duration"), 2: ("distance", "duration")}


def read_entries(file: BinaryIO, setting: Setting, report: Report) -> Iterator[Entry]:
    """Yield the trips of a file as entries; the report names them by place, the first is 1.

    Refuses into the report: ``not-a-trip`` (no object), ``bad-number`` (no UUID, no amount),
    ``redacted``, ``negative``, ``bad-time``, ``ends-before-start``, ``no-behaviour`` (neither a
    bicycle nor told by the setting).

    Args:
        file: the answer of a provider, open in binary mode, at most 64 MiB.
        setting: its region, and for version 2 the behaviour.
        report: filled while the entries are taken.

    Raises:
        BadFile: over 64 MiB, a trip over 2 MiB or more than a million; no strict JSON; no trips of
            version 1 or 2.
    """
    version, trips = _trips(Document(read_limited(file), *_PATHS.values()))
    for place, trip in enumerate(trips, 1):
        try:
            entry = _entry(place, trip, version, setting)
        except BadFile as bad:
            report.refuse(str(bad), place)
            continue
        report.accept()
        yield entry


def _trips(answer: Document) -> tuple[int, Iterator[Json]]:
    frame = answer.frame
    named = frame.get("version") if isinstance(frame, dict) else None
    version = {"1": 1, "2": 2}.get(named.partition(".")[0]) if isinstance(named, str) else None
    if version is None:
        raise BadFile('wanted MDS trips, {"version": "1.x" or "2.x", …}; found no such version')
    trips = answer.items(*_PATHS[version])
    if trips is None:
        where = '"data": {"trips": […]}' if version == 1 else '"trips": […]'
        raise BadFile(f"wanted MDS trips of version {version}, {where}; found none")
    return version, trips


def _entry(place: int, trip: Json, version: int, setting: Setting) -> Entry:
    if not isinstance(trip, dict):
        raise BadFile("not-a-trip")
    provider, number = _uuid(trip.get("provider_id")), _uuid(trip.get("trip_id"))
    act = _act(trip, version, setting)
    return Entry(place, None, act, f"{provider}:{number}", not _is_random(number))


def _act(trip: Mapping[str, Json], version: int, setting: Setting) -> Act:
    metres, seconds = (_amount(trip.get(name)) for name in _LENGTHS[version])
    start, end = _time(trip.get("start_time")), _time(trip.get("end_time"))
    if end < start:
        raise BadFile("ends-before-start")
    behaviour = _ridden(trip) if version == 1 else setting.behaviour
    if behaviour is None:
        raise BadFile("no-behaviour")
    return Act(behaviour, {"m": metres, "s": seconds}, start, end, setting.region)


def _ridden(trip: Mapping[str, Json]) -> str | None:
    # Until 1.1 the member was called propulsion_type, though it held a list even then.
    powers = trip.get("propulsion_types", trip.get("propulsion_type"))
    if trip.get("vehicle_type") != "bicycle" or not isinstance(powers, list):
        return None
    found = {power if isinstance(power, str) else "" for power in powers}
    if not found or not found <= {"human", *_MOTORS}:
        return None
    return "travel.ebike" if found & _MOTORS else "travel.bike"


def _uuid(found: Json) -> str:
    if found == REDACTED:
        raise BadFile("redacted")
    # The same UUID may be written in capitals elsewhere, and must stay the same receipt.
    text = found.lower() if isinstance(found, str) else ""
    if not _UUID.fullmatch(text):
        raise BadFile("bad-number")
    return text


def _is_random(uuid: str) -> bool:
    """Whether it is of version 4 (RFC 9562 section 5.4), which holds 122 random bits."""
    parts = _UUID.fullmatch(uuid)
    return parts is not None and parts[1] == "4" and parts[2] in "89ab"


def _amount(found: Json) -> int:
    if isinstance(found, bool | list | dict) or found is None:
        raise BadFile("bad-number")
    if found in (REDACTED, str(REDACTED)):
        raise BadFile("redacted")
    return exact_units(found, 1)


def _time(found: Json) -> int:
    seconds = _amount(found) // 1000
    if not EARLIEST <= seconds < LATEST:
        raise BadFile("bad-time")
    return seconds
