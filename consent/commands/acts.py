"""Acts that a source reads from files, by customer: a bike-share export, or one act a line.

{"customer":"7","behaviour":"travel.bike","activity":{"m":1200,"s":300},"start":1767571200,
"end":1767571500,"region":"CN-ZJ-HZ","receipt":"R-1","guessable":true}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vault.compose import Booking
from vault.errors import VaultError
from vault.importers.bikeshare import Trip, read_stations, read_trips
from vault.importers.report import Report
from vault.messages import PartyId, Shape, Unix
from vault.methodology.quantify import Act
from vault.months import zone_of

LONGEST_LINE = 1 << 16


class Line(Shape):
    """One act of a --jsonl file; `operator` stays away for the source's own."""

    customer: Annotated[str, Field(min_length=1, max_length=200)]
    behaviour: str
    activity: dict[str, int]
    start: Unix
    end: Unix
    region: str
    receipt: Annotated[str, Field(min_length=1, max_length=200)]
    guessable: bool
    operator: PartyId | None = None
    detail: dict[str, str] | None = None
    evidence: Literal["E4"] | None = None

    def booking(self, source: str) -> Booking:
        """Return the act as the source's SDK books it."""
        act = Act(self.behaviour, self.activity, self.start, self.end, self.region)
        operator, detail = self.operator or source, self.detail or {}
        return Booking(act, self.receipt, operator, self.guessable, detail, self.evidence or "E3")


def of_trips(
    trips: Path, stations: Path, region: str, zone: str, source: str, report: Report
) -> dict[str, list[Booking]]:
    """Return the trips of an export and its stations; each bicycle is a customer.

    Raises:
        BadFile: a file is no such export.
    """

    def booking(trip: Trip) -> Booking:
        # Trip numbers just count up, so no tag may be made from them: guessable.
        return Booking(trip.act(region), trip.receipt, source, True, trip.detail())

    acts: dict[str, list[Booking]] = {}
    with trips.open("rb") as trip_file, stations.open("rb") as station_file:
        places = read_stations(station_file, Report())
        for trip in read_trips(trip_file, places, zone_of(zone), report):
            acts.setdefault(trip.bike, []).append(booking(trip))
    return acts


def of_lines(path: Path, source: str, report: Report) -> dict[str, list[Booking]]:
    """Return the acts of a file of JSON lines; what is refused stands in the report by line."""
    acts: dict[str, list[Booking]] = {}
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE):
            number += 1
            try:
                line = Line.parse(raw.strip())
            except VaultError as bad:
                report.refuse(bad.slug, number)
                continue
            report.accept()
            acts.setdefault(line.customer, []).append(line.booking(source))
    return acts
