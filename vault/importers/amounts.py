"""Amounts as exports write them, made integers of the base unit (docs/importers.md).

exact_units("7.78", 1000)              7780      kWh to Wh
exact_units(Decimal("1.2345"), 1000)   1234      rounded down: nobody gains by a digit
exact_units("1e308", 1)                BadFile("bad-number")
"""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Context, Decimal

from vault.errors import BadFile

LIMIT = 2**53
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
# Rounding down to 60 digits and then to an integer is rounding down once: below 2^53 times any
# scale in use no integer is lost. An exact product could be a number of a million digits.
_DIGITS = Context(prec=60, rounding=ROUND_FLOOR)


def exact_units(number: str | int | Decimal, scale: int) -> int:
    """Return number × scale rounded down to an integer in [0, 2^53).

    Args:
        number: as it stands in the export; text is ASCII digits with a point, an exponent at most.
        scale: how many base units one of the export's is, [1, 10^12].

    Raises:
        BadFile: ``bad-number`` (no finite number, or too large), ``negative``.
    """
    value = _decimal(number)
    if not value.is_finite() or value >= LIMIT:
        raise BadFile("bad-number")
    if value < 0:
        raise BadFile("negative")
    units = _DIGITS.multiply(value, Decimal(scale))
    if units >= LIMIT:
        raise BadFile("bad-number")
    return int(units)


def _decimal(number: str | int | Decimal) -> Decimal:
    # JSON's true is an int to Python.
    if isinstance(number, bool) or (isinstance(number, str) and not _NUMBER.fullmatch(number)):
        raise BadFile("bad-number")
    return Decimal(number)
