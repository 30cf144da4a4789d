"""The closed set of formula shapes, and the factors they stand on (docs/methodology.md).

    formula = { shape = "difference", baseline = "m", project = "m" }

    [[factors]]
    region = "CN"
    valid_from = 2024-06-01
    baseline_mg_per_unit = "250"             # exact decimals, in text
    project_mg_per_unit = "97"
    source = { … }

Shapes are a closed set, not expressions, so that two readers of a file agree. All arithmetic is on
integers and exact fractions, rounded down to milligrams once, at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from fractions import Fraction
from typing import Annotated, Literal
from unicodedata import category
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints

from vault.errors import Locale
from vault.messages import Shape
from vault.months import Milligrams

Unit = Literal["m", "Wh", "count", "s", "ml", "g"]
Activity = Mapping[str, int]
Grade = Literal["H", "M", "L", "U"]
DAY = 86400


# As of a party's name: controls, formats, private and half signs, separators of lines. Unassigned
# signs are let through, since each Python knows others, and all must read a file alike.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def _readable(text: str) -> str:
    if any(category(sign) in _HIDDEN for sign in text):
        raise ValueError("wanted one line, and nothing that turns or hides text")
    if not text.strip():
        raise ValueError("wanted a text with something beside spaces")
    return text


def _both(texts: dict[Locale, str]) -> dict[Locale, str]:
    if len(texts) != 2 or not all(texts.values()):
        raise ValueError("wanted a text in zh-CN and in en")
    for text in texts.values():
        _readable(text)
    return texts


Texts = Annotated[dict[Locale, str], AfterValidator(_both)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_readable)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,8}){0,3}$")]
Amount = Annotated[int, Field(ge=0, lt=2**53)]
DecimalText = Annotated[
    str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?$", max_length=22)
]


class Citation(Shape):
    """Where a figure was read, and how far that is to be trusted.

    ``grade``: H authoritative text, M press report of an official figure or arithmetic on H, L
    third-party transcription, U recalled and unverified.
    """

    title: Line
    locator: Line
    grade: Grade
    note: Texts


class Factor(Shape):
    """Published figures for one region, valid for acts of the days [valid_from, valid_until).

    The figures are those that the formula's shape names, and no others; exact decimals.
    """

    region: Region
    valid_from: date
    valid_until: date | None = None
    source: Citation
    mg_per_unit: DecimalText | None = None
    baseline_mg_per_unit: DecimalText | None = None
    project_mg_per_unit: DecimalText | None = None
    efficiency: DecimalText | None = None
    wh_per_m: DecimalText | None = None
    ml_per_m: DecimalText | None = None
    mg_per_ml: DecimalText | None = None
    mg_per_wh: DecimalText | None = None
    wh_per_person_day: DecimalText | None = None
    production_mg_per_unit: DecimalText | None = None
    rate: DecimalText | None = None

    @property
    def figures(self) -> dict[str, Fraction]:
        """The figures given, by name, without rounding."""
        texts = self.model_dump(exclude_none=True, exclude={"region", "source", *_DAYS})
        return {name: Fraction(text) for name, text in texts.items()}

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


class Form(Shape):
    """What every shape says of itself; one that says nothing reads no unit and no figure."""

    @property
    def raises(self) -> tuple[Unit, ...]:
        """Units of which more gives more milligrams."""
        return ()

    @property
    def lowers(self) -> tuple[Unit, ...]:
        """Units of which more gives fewer milligrams."""
        return ()

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that a factor gives."""
        return ()


class Linear(Form):
    """The shape ``linear``: quantity × factor."""

    shape: Literal["linear"]
    unit: Unit

    @property
    def raises(self) -> tuple[Unit, ...]:
        """Units of which more gives more milligrams."""
        return (self.unit,)

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that a factor gives."""
        return ("mg_per_unit",)

    def exact(self, activity: Activity, figures: Mapping[str, Fraction]) -> Fraction:
        """Return the milligrams, before rounding."""
        return activity[self.unit] * figures["mg_per_unit"]

    def equation(self) -> str:
        """Return the equation, with the names of units and figures."""
        return f"{self.unit} × mg_per_unit"


class Difference(Form):
    """The shape ``difference``: baseline emissions − project emissions (ER = BE − PE)."""

    shape: Literal["difference"]
    baseline: Unit
    project: Unit

    @property
    def raises(self) -> tuple[Unit, ...]:
        """Units of which more gives more milligrams (one unit for both: the figures decide)."""
        return (self.baseline,)

    @property
    def lowers(self) -> tuple[Unit, ...]:
        """Units of which more gives fewer milligrams."""
        return () if self.project == self.baseline else (self.project,)

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that a factor gives."""
        return ("baseline_mg_per_unit", "project_mg_per_unit")

    def exact(self, activity: Activity, figures: Mapping[str, Fraction]) -> Fraction:
        """Return the milligrams, before rounding."""
        before = activity[self.baseline] * figures["baseline_mg_per_unit"]
        return before - activity[self.project] * figures["project_mg_per_unit"]

    def equation(self) -> str:
        """Return the equation, with the names of units and figures."""
        before = f"{self.baseline} × baseline_mg_per_unit"
        return f"max(0, {before} − {self.project} × project_mg_per_unit)"


class EnergyDisplacement(Form):
    """The shape ``energy_displacement``: the fuel that a charge replaces − the grid's emissions.

    Charged Wh × efficiency ÷ Wh per m = metres driven; × ml of fuel per m × mg per ml = what a
    petrol car would have emitted for them; − Wh × mg per Wh of the grid.
    """

    shape: Literal["energy_displacement"]
    unit: Literal["Wh"]

    @property
    def raises(self) -> tuple[Unit, ...]:
        """Units of which more gives more milligrams."""
        return (self.unit,)

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that a factor gives."""
        return ("efficiency", "wh_per_m", "ml_per_m", "mg_per_ml", "mg_per_wh")

    def exact(self, activity: Activity, figures: Mapping[str, Fraction]) -> Fraction:
        """Return the milligrams, before rounding."""
        metres_per_wh = figures["efficiency"] / figures["wh_per_m"]
        fuel = metres_per_wh * figures["ml_per_m"] * figures["mg_per_ml"]
        return activity[self.unit] * (fuel - figures["mg_per_wh"])

    def equation(self) -> str:
        """Return the equation, with the names of units and figures."""
        fuel = "efficiency ÷ wh_per_m × ml_per_m × mg_per_ml"
        return f"max(0, {self.unit} × ({fuel} − mg_per_wh))"


class MeteredBaseline(Form):
    """The shape ``metered_baseline``: what so many persons use on average − what the meter says.

    The baseline is per person and day, never a home's own past: a mean of its own good days makes
    credit out of noise.
    """

    shape: Literal["metered_baseline"]
    use: Literal["Wh"]
    persons: Literal["count"]
    seconds: Literal["s"]

    @property
    def raises(self) -> tuple[Unit, ...]:
        """Units of which more gives more milligrams."""
        return (self.persons, self.seconds)

    @property
    def lowers(self) -> tuple[Unit, ...]:
        """Units of which more gives fewer milligrams."""
        return (self.use,)

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that a factor gives."""
        return ("wh_per_person_day", "mg_per_wh")

    def exact(self, activity: Activity, figures: Mapping[str, Fraction]) -> Fraction:
        """Return the milligrams, before rounding."""
        person_days = Fraction(activity[self.persons] * activity[self.seconds], DAY)
        saved = person_days * figures["wh_per_person_day"] - activity[self.use]
        return saved * figures["mg_per_wh"]

    def equation(self) -> str:
        """Return the equation, with the names of units and figures."""
        days = f"{self.persons} × {self.seconds} ÷ {DAY} × wh_per_person_day"
        return f"max(0, {days} − {self.use}) × mg_per_wh"


class ProductionRate(Form):
    """The shape ``production_x_rate``: what making a new one emits × how often it is replaced."""

    shape: Literal["production_x_rate"]
    unit: Unit

    @property
    def raises(self) -> tuple[Unit, ...]:
        """Units of which more gives more milligrams."""
        return (self.unit,)

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that a factor gives."""
        return ("production_mg_per_unit", "rate")

    def exact(self, activity: Activity, figures: Mapping[str, Fraction]) -> Fraction:
        """Return the milligrams, before rounding."""
        return activity[self.unit] * figures["production_mg_per_unit"] * figures["rate"]

    def equation(self) -> str:
        """Return the equation, with the names of units and figures."""
        return f"{self.unit} × production_mg_per_unit × rate"


class Zero(Form):
    """The shape ``zero``: recorded, and nothing counted."""

    shape: Literal["zero"]

    def exact(self, activity: Activity, figures: Mapping[str, Fraction]) -> Fraction:  # noqa: ARG002
        """Return 0."""
        return Fraction(0)

    def equation(self) -> str:
        """Return the equation."""
        return "0"


Formula = Annotated[
    Linear | Difference | EnergyDisplacement | MeteredBaseline | ProductionRate | Zero,
    Field(discriminator="shape"),
]


def milligrams(formula: Formula, activity: Activity, factor: Factor | None) -> Milligrams:
    """Return max(0, floor(what the formula gives)); a reduction is never negative.

    Args:
        formula: one of the shapes.
        activity: amounts by unit, those that the formula reads at least.
        factor: gives the figures that the shape names; None for `zero`.
    """
    exact = formula.exact(activity, factor.figures if factor else {})
    return Milligrams(max(0, exact.numerator // exact.denominator))


_DAYS = ("valid_from", "valid_until")


def _begins(day: date, zone: str) -> int:
    return int(datetime.combine(day, time(), ZoneInfo(zone)).timestamp())
