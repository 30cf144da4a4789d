"""The parts of a behaviour file that count: units, factors, exclusions, formulas.

    formula = { shape = "linear", unit = "m" }

    [[exclusions]]                           # counts 0 mg, with the reason
    rule = "faster"                          # under · over · faster
    unit = "m"
    limit = 35000
    per = "s"
    span = 3600
    reason = "over-35-km-h"
    text = { zh-CN = "…", en = "…" }

Formulas and exclusions are closed sets of shapes, not expressions, so that two readers of a file
agree (docs/methodology.md). All arithmetic is on integers and exact fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from fractions import Fraction
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints

from vault.errors import Locale
from vault.messages import Shape
from vault.months import Milligrams

Unit = Literal["m", "Wh", "count", "s", "ml"]
Activity = Mapping[str, int]


def _both(texts: dict[Locale, str]) -> dict[Locale, str]:
    if len(texts) != 2 or not all(texts.values()):
        raise ValueError("wanted a text in zh-CN and in en")
    return texts


Texts = Annotated[dict[Locale, str], AfterValidator(_both)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,8}){0,3}$")]
Amount = Annotated[int, Field(ge=0, lt=2**53)]
DecimalText = Annotated[
    str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?$", max_length=22)
]


class Citation(Shape):
    """Where a factor was read, and how far that is to be trusted.

    ``grade``: H authoritative text, M press report of an official figure, L third-party
    transcription, U recalled and unverified.
    """

    title: Line
    locator: Line
    grade: Literal["H", "M", "L", "U"]
    note: Texts


class Factor(Shape):
    """A published factor for one region, valid for acts of the days [valid_from, valid_until)."""

    region: Region
    valid_from: date
    valid_until: date | None = None
    mg_per_unit: DecimalText
    source: Citation

    @property
    def exact(self) -> Fraction:
        """Milligrams per unit, without rounding."""
        return Fraction(self.mg_per_unit)

    def covers(self, region: str) -> bool:
        """Return whether the region is this factor's or lies in it."""
        return region == self.region or region.startswith(self.region + "-")

    def valid_at(self, at: int, zone: str) -> bool:
        """Return whether the factor is valid at a unix second; its days begin in the zone."""
        if at < _begins(self.valid_from, zone):
            return False
        return self.valid_until is None or at < _begins(self.valid_until, zone)

    def overlaps(self, other: Factor) -> bool:
        """Return whether both are factors of one region on some day."""
        first, second = sorted((self, other), key=lambda factor: factor.valid_from)
        ends = first.valid_until
        return first.region == second.region and (ends is None or second.valid_from < ends)


class Limit(Shape):
    """What the rules of exclusion share: a limit in a unit, and the reason an act then counts 0."""

    unit: Unit
    limit: Amount
    reason: Slug
    text: Texts

    @property
    def reads(self) -> set[str]:
        """The units it looks at."""
        return {self.unit}


class Under(Limit):
    """Excludes acts with less than `limit` of the unit."""

    rule: Literal["under"]

    def excludes(self, activity: Activity) -> bool:
        """Return whether the act is excluded."""
        return activity[self.unit] < self.limit


class Over(Limit):
    """Excludes acts with more than `limit` of the unit."""

    rule: Literal["over"]

    def excludes(self, activity: Activity) -> bool:
        """Return whether the act is excluded."""
        return activity[self.unit] > self.limit


class Faster(Limit):
    """Excludes acts with more than `limit` of the unit in `span` of another: 35,000 m in 3,600 s.

    Products of integers are compared, so that exactly the limit is not excluded.
    """

    rule: Literal["faster"]
    per: Unit
    span: Annotated[int, Field(gt=0, lt=2**53)]

    @property
    def reads(self) -> set[str]:
        """The units it looks at."""
        return {self.unit, self.per}

    def excludes(self, activity: Activity) -> bool:
        """Return whether the act is excluded."""
        return activity[self.unit] * self.span > self.limit * activity[self.per]


class Linear(Shape):
    """The shape ``linear``: quantity × factor."""

    shape: Literal["linear"]
    unit: Unit

    @property
    def reads(self) -> set[str]:
        """The units it looks at."""
        return {self.unit}

    def milligrams(self, activity: Activity, factor: Fraction) -> Milligrams:
        """Return floor(quantity × factor)."""
        return Milligrams(activity[self.unit] * factor.numerator // factor.denominator)


Exclusion = Annotated[Under | Over | Faster, Field(discriminator="rule")]
Formula = Linear


def _begins(day: date, zone: str) -> int:
    return int(datetime.combine(day, time(), ZoneInfo(zone)).timestamp())
