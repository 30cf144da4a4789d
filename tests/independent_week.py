"""A second count of a bike-share export, for comparison: it shares no code with the project.

    python tests/independent_week.py --trips trips.csv --stations stations.csv

Prints JSON {"trips": …, "credited": …, "mg_total": …, "per_trip": {"441782": 53229, …}}. Distances
come from unit vectors (atan2 of cross and dot product) instead of the haversine formula, grams from
decimals instead of fractions. Only the standard library is imported.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

RADIUS_M = 6371008.8
MG_PER_M = Decimal("48.7")
Unit = tuple[float, float, float]


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


def count_week(trips: Path, stations: Path) -> dict[str, object]:
    with stations.open(encoding="utf-8", newline="") as file:
        at = {
            row["station_id"]: unit_vector(row["lat"], row["long"]) for row in csv.DictReader(file)
        }
    per_trip: dict[str, int] = {}
    with trips.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            straight = exact_metres(at[row["start_terminal"]], at[row["end_terminal"]])
            per_trip[row["trip_id"]] = milligrams(math.floor(straight), int(row["duration"]))
    return {
        "trips": len(per_trip),
        "credited": sum(mg > 0 for mg in per_trip.values()),
        "mg_total": sum(per_trip.values()),
        "per_trip": per_trip,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="count a bike-share export a second time")
    parser.add_argument("--trips", type=Path, required=True)
    parser.add_argument("--stations", type=Path, required=True)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(count_week(asked.trips, asked.stations)) + "\n")


if __name__ == "__main__":
    main()
