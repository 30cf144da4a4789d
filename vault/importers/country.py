"""Whether a place is written with latitude and longitude the wrong way round (docs/importers.md).

    is_swapped("BE", Decimal("3.73"), Decimal("51.05"))     True: turned round it is Ghent
    is_swapped("BE", Decimal("51.05"), Decimal("3.73"))     False

Countries are known by the places that the tz database lists, one for each zone (zone.tab). That is
coarse: some countries are large, and some places lie in the same country when turned round. So the
margin is wide, and what cannot be told is not swapped.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files

# Turned round it must be this many times nearer to the country, and as it stands so far from it.
TIMES_NEARER = 3
DEGREES_AWAY = 10

_POINT = re.compile(r"([+-]\d{4}|[+-]\d{6})([+-]\d{5}|[+-]\d{7})", re.ASCII)


def is_swapped(country: str, lat: Decimal, long: Decimal) -> bool:
    """Return whether a place is only near the country when its two numbers change places.

    Args:
        country: two letters of ISO 3166; where it is unknown nothing is swapped.
        lat: degrees north as written, whatever they are.
        long: degrees east as written.
    """
    places = _places().get(country.upper())
    if not places:
        return False
    written, turned = _away(places, lat, long), _away(places, long, lat)
    return written > DEGREES_AWAY and written > TIMES_NEARER * turned


def _away(places: list[tuple[Decimal, Decimal]], lat: Decimal, long: Decimal) -> Decimal:
    return min(max(abs(lat - north), _turn(long - east)) for north, east in places)


def _turn(degrees: Decimal) -> Decimal:
    return min(abs(degrees), abs(360 - abs(degrees)))


@lru_cache(maxsize=1)
def _places() -> dict[str, list[tuple[Decimal, Decimal]]]:
    found: dict[str, list[tuple[Decimal, Decimal]]] = {}
    text = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for row in text.splitlines():
        country, _, rest = row.partition("\t")
        point = _POINT.match(rest)
        if point:
            found.setdefault(country, []).append((_degrees(point[1]), _degrees(point[2])))
    return found


def _degrees(text: str) -> Decimal:
    """Return ±DDMM, ±DDDMM, ±DDMMSS or ±DDDMMSS (ISO 6709) as degrees."""
    whole = {5: 3, 7: 3, 6: 4, 8: 4}[len(text)]
    degrees, minutes, seconds = text[1:whole], text[whole : whole + 2], text[whole + 2 :] or "0"
    size = Decimal(degrees) + Decimal(minutes) / 60 + Decimal(seconds) / 3600
    return -size if text[0] == "-" else size
