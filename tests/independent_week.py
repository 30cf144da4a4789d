"""A second count of a bike-share export, for comparison: it shares no code with the project.

    python tests/independent_week.py --trips trips.csv --stations stations.csv

Prints JSON {"trips": …, "credited": …, "mg_total": …, "per_trip": {"441782": 53229, …}, "ruled":
{…}}: the first by the rules of demo-1, `ruled` by those of 2026-1, each bicycle being one person,
odd and even trip numbers booked at two sources, as the demonstration plays it. Distances
come from unit vectors (atan2 of cross and dot product) instead of the haversine formula, grams from
decimals instead of fractions. Only the standard library is imported.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import defaultdict
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import NamedTuple

RADIUS_M = 6371008.8
MG_PER_M = Decimal("48.7")
DAY_MG, MONTH_MG = 1_500_000, 20_000_000
Unit = tuple[float, float, float]


class Trip(NamedTuple):
    start: str
    end: str
    number: int
    metres: int
    seconds: int


def unit_vector(lat: str, long: str) -> Unit:
    north, east = math.radians(float(lat)), math.radians(float(long))
    return (
        math.cos(north) * math.cos(east),
        math.cos(north) * math.sin(east),
        math.sin(north),
    )


def exact_metres(a: Unit, b: Unit) -> float:
    cross = (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return RADIUS_M * math.atan2(math.hypot(*cross), dot)


def milligrams(metres: int, seconds: int) -> int:
    if metres == 0 or seconds > 24 * 3600 or Decimal(metres) * 18 > Decimal(seconds) * 175:
        return 0  # 35 km/h is 175/18 m/s
    return int((metres * MG_PER_M).to_integral_value(ROUND_FLOOR))


def in_bounds(trip: Trip) -> bool:
    fast = Decimal(trip.metres) * 18 > Decimal(trip.seconds) * 175
    return 200 <= trip.metres <= 20_000 and not fast


def count_person(trips: list[Trip]) -> list[int]:
    """What each trip of one person at one source counts, the earliest first."""
    days: dict[str, int] = defaultdict(int)
    credited: list[int] = []
    busy: list[tuple[str, str]] = []
    for trip in sorted(trips):
        mg = milligrams(trip.metres, trip.seconds)
        if any(begin < trip.end and trip.start < end for begin, end in busy):
            mg = 0
        day = trip.start[:10]
        mg = min(mg, DAY_MG - days[day], MONTH_MG - sum(days.values()))
        if mg:
            days[day] += mg
            busy.append((trip.start, trip.end))
        credited.append(mg)
    return credited


def count_ruled(rides: dict[tuple[str, int], list[Trip]]) -> dict[str, int]:
    refused, credited = 0, []
    for trips in rides.values():
        kept = [t for t in trips if t.metres == 0 or t.seconds > 86_400 or in_bounds(t)]
        refused += len(trips) - len(kept)
        credited += count_person(kept)
    return {
        "refused": refused,
        "credited": sum(mg > 0 for mg in credited),
        "mg_total": sum(credited),
    }


def count_week(trips: Path, stations: Path) -> dict[str, object]:
    with stations.open(encoding="utf-8", newline="") as file:
        at = {
            row["station_id"]: unit_vector(row["lat"], row["long"]) for row in csv.DictReader(file)
        }
    per_trip: dict[str, int] = {}
    rides: dict[tuple[str, int], list[Trip]] = defaultdict(list)
    with trips.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            straight = exact_metres(at[row["start_terminal"]], at[row["end_terminal"]])
            number, metres, seconds = (
                int(row["trip_id"]),
                math.floor(straight),
                int(row["duration"]),
            )
            per_trip[row["trip_id"]] = milligrams(metres, seconds)
            rides[row["bike_id"], number % 2].append(
                Trip(row["start_date"], row["end_date"], number, metres, seconds)
            )
    return {
        "trips": len(per_trip),
        "credited": sum(mg > 0 for mg in per_trip.values()),
        "mg_total": sum(per_trip.values()),
        "per_trip": per_trip,
        "ruled": count_ruled(rides),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="count a bike-share export a second time")
    parser.add_argument("--trips", type=Path, required=True)
    parser.add_argument("--stations", type=Path, required=True)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(count_week(asked.trips, asked.stations)) + "\n")


if __name__ == "__main__":
    main()
