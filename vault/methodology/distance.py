"""Great-circle metres between two places, for records that carry no distance.

    Place(Decimal("30.25"), Decimal("120.16"))      degrees north and east, as written in the export

    h = sin²(Δlat/2) + cos lat₁ · cos lat₂ · sin²(Δlong/2)        metres = floor(2R · asin √h)

A straight line is never longer than the way that was ridden, so the grams err on the low side.
Floats decide nothing here: libraries differ in the last bit of sin and asin, and a floor turns that
bit into a metre. The float result is a first guess; decimals of 50 digits then find the metre m
with sin²(m/2R) ≤ h < sin²((m+1)/2R), which is the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache

EARTH_RADIUS_M = Decimal("6371008.8")
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
_FARTHEST = 20015114  # floor(π · R): half way round
_DIGITS = Context(prec=50, rounding=ROUND_HALF_EVEN)
_TINY = Decimal("1e-60")


@dataclass(frozen=True)
class Place:
    """A point on the sphere: degrees north, -90..90, and east, -180..180."""

    lat: Decimal
    long: Decimal


@lru_cache(maxsize=65536)
def great_circle(start: Place, end: Place) -> int:
    """Return the metres from one place to another, rounded down.

    Source: the haversine formula (Sinnott 1984); R is the mean radius R1 of the GRS80 ellipsoid,
    6,371,008.8 m (Moritz 2000).
    """
    with localcontext(_DIGITS):
        h = _haversine(start, end)
        metres = _guess(h)
        while metres > 0 and _square(metres) > h:
            metres -= 1
        while metres < _FARTHEST and _square(metres + 1) <= h:
            metres += 1
    return metres


def _haversine(start: Place, end: Place) -> Decimal:
    lat, to_lat, long, to_long = (
        degrees * _PI / 180 for degrees in (start.lat, end.lat, start.long, end.long)
    )
    up, across = _sin((to_lat - lat) / 2), _sin((to_long - long) / 2)
    return up * up + _cos(lat) * _cos(to_lat) * across * across


def _guess(h: Decimal) -> int:
    angle = 2 * math.asin(math.sqrt(min(1.0, float(h))))
    return min(_FARTHEST, int(float(EARTH_RADIUS_M) * angle))


def _square(metres: int) -> Decimal:
    root = _sin(metres / (2 * EARTH_RADIUS_M))
    return root * root


def _cos(angle: Decimal) -> Decimal:
    return _sin(_PI / 2 - angle)


def _sin(angle: Decimal) -> Decimal:
    term = total = angle
    square, n = angle * angle, 1
    while abs(term) > _TINY:
        n += 2
        term = -term * square / (n * (n - 1))
        total += term
    return total
