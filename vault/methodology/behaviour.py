"""One behaviour: a file that says how an act becomes milligrams (docs/methodology.md).

format = "carbonvault-behaviour/1"
id = "travel.bike"               # never reused; what stands before the dot is its category
rev = 1                          # another revision is another file
tier = "A"                       # A credited · B method not accepted yet, 0 · Z no factor, 0
zone = "Asia/Shanghai"           # where the days of valid_from and valid_until begin
units = ["m", "s"]               # what such an act is measured in: these and no others
name = { zh-CN = "骑自行车", en = "Riding a bicycle" }
says = { zh-CN = "…", en = "…" }
formula = { … }                  # and [[exclusions]]: see vault/methodology/formula.py

[[factors]]                      # the most specific region that the act lies in is taken
region = "CN"
valid_from = 2024-06-01
mg_per_unit = "48.7"             # an exact decimal, in text
source = { title = "…", locator = "…", grade = "M", note = { zh-CN = "…", en = "…" } }

[[vectors]]                      # the file is read only if these come out
activity = { m = 1200, s = 300 }
region = "CN-ZJ-HZ"
start = 2026-01-05T08:00:00+08:00
mg = 58440
"""

from __future__ import annotations

import tomllib
from itertools import combinations
from typing import Annotated, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, ValidationError

from vault.errors import BadMethodology, Locale
from vault.messages import Shape
from vault.methodology.formula import (
    Activity,
    Amount,
    Exclusion,
    Factor,
    Formula,
    Region,
    Slug,
    Texts,
    Unit,
)
from vault.months import Category, Milligrams

CATEGORIES = {
    "clothing": Category.CLOTHING,
    "food": Category.FOOD,
    "home": Category.HOUSING,
    "travel": Category.TRAVEL,
    "use": Category.GOODS,
    "office": Category.OFFICE,
    "fin": Category.DIGITAL_FINANCE,
}

TIER_B = "not-accepted"
TIER_Z = "no-published-factor"
NO_REGION = "no-factor-for-region"
NO_DATE = "no-factor-for-date"
TOO_SMALL = "below-one-milligram"
REASONS: dict[str, dict[Locale, str]] = {
    TIER_B: {"zh-CN": "该核算方法尚未被采纳。", "en": "This method is not accepted yet."},
    TIER_Z: {"zh-CN": "尚无公开发布的系数。", "en": "No factor is published for this."},
    NO_REGION: {"zh-CN": "行为发生地没有可用的系数。", "en": "There is no factor for this place."},
    NO_DATE: {"zh-CN": "行为当日没有有效的系数。", "en": "No factor was valid on this day."},
    TOO_SMALL: {"zh-CN": "不足一毫克。", "en": "It is less than one milligram."},
}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as bad:
        raise ValueError("there is no such time zone") from bad
    return name


BehaviourId = Annotated[
    str, StringConstraints(pattern=rf"^({'|'.join(CATEGORIES)})\.[a-z0-9_]+$", max_length=64)
]


class Counted(NamedTuple):
    """What an act counts; the reason is None exactly when milligrams are credited."""

    mg: Milligrams
    reason: str | None


class Vector(Shape):
    """An act and what it must count."""

    activity: dict[str, Amount]
    region: Region
    start: AwareDatetime
    mg: Amount
    reason: Slug | None = None


class Behaviour(Shape):
    """A behaviour file; ``read`` returns only files that pass every rule."""

    format: Literal["carbonvault-behaviour/1"]
    id: BehaviourId
    rev: Annotated[int, Field(ge=1, lt=2**31)]
    tier: Literal["A", "B", "Z"]
    zone: Annotated[str, AfterValidator(_known_zone)]
    units: Annotated[tuple[Unit, ...], Field(strict=False, min_length=1)]
    name: Texts
    says: Texts
    formula: Formula
    exclusions: Annotated[tuple[Exclusion, ...], Field(strict=False)] = ()
    factors: Annotated[tuple[Factor, ...], Field(strict=False)] = ()
    vectors: Annotated[tuple[Vector, ...], Field(strict=False, min_length=1)]

    @classmethod
    def read(cls, file: bytes) -> Self:
        """Return the behaviour of a file.

        Raises:
            BadMethodology: the file is not of this form, or breaks one of the rules of
                check_behaviour.
        """
        try:
            behaviour = cls.model_validate(parse_toml(file))
        except ValidationError as bad:
            raise BadMethodology(f"a behaviour file: {name_faults(bad)}") from bad
        check_behaviour(behaviour)
        return behaviour

    @property
    def category(self) -> Category:
        """The category that its acts are closed in."""
        return CATEGORIES[self.id.partition(".")[0]]

    def count(self, activity: Activity, region: str, start: int) -> Counted:
        """Return the milligrams of an act, or 0 and why.

        1. only tier A is credited. 2. the first exclusion that fits gives the reason. 3. a factor
        for the place, valid at the start; the most specific region first. 4. the formula, rounded
        down to milligrams.

        Args:
            activity: amounts by unit, those of `units` and no others.
            region: place of the act, such as CN-HB-WH.
            start: unix second at which the act began.
        """
        if self.tier != "A":
            return Counted(Milligrams(0), TIER_B if self.tier == "B" else TIER_Z)  # 1
        for exclusion in self.exclusions:
            if exclusion.excludes(activity):
                return Counted(Milligrams(0), exclusion.reason)  # 2
        near = [factor for factor in self.factors if factor.covers(region)]
        valid = [factor for factor in near if factor.valid_at(start, self.zone)]
        if not valid:
            return Counted(Milligrams(0), NO_DATE if near else NO_REGION)  # 3
        factor = max(valid, key=lambda each: len(each.region))
        mg = self.formula.milligrams(activity, factor.exact)  # 4
        return Counted(mg, None if mg else TOO_SMALL)

    def why(self, reason: str, locale: Locale) -> str:
        """Return the sentence a person reads for a reason; raises BadMethodology if it has none."""
        own = {exclusion.reason: exclusion.text for exclusion in self.exclusions}
        texts = own.get(reason) or REASONS.get(reason)
        if texts is None:
            raise BadMethodology(f"{self.id} revision {self.rev} gives no reason {reason[:40]!r}")
        return texts[locale]


def check_behaviour(behaviour: Behaviour) -> None:
    """Return when a behaviour keeps the rules that its form alone does not hold it to.

    1. formula and exclusions look only at the units listed. 2. each reason is given once, and is
    none of REASONS. 3. factors are above zero, end after they begin, and never two fit one region
    and day. 4. tier A has a factor, and none of grade L or U. 5. each vector comes out, and the
    reasons of the vectors are those of the exclusions.

    Raises:
        BadMethodology: one of these is broken; the text names it.
    """
    _check_units(behaviour)
    _check_factors(behaviour)
    _check_vectors(behaviour)


def _check_units(behaviour: Behaviour) -> None:
    parts = (behaviour.formula, *behaviour.exclusions)
    unread = set().union(*(part.reads for part in parts)) - set(behaviour.units)
    if unread:
        raise BadMethodology(
            f"{behaviour.id}: units does not list {', '.join(sorted(unread))}"
        )  # 1
    reasons = [exclusion.reason for exclusion in behaviour.exclusions]
    if len({*reasons, *REASONS}) != len(reasons) + len(REASONS):
        raise BadMethodology(
            f"{behaviour.id}: a reason stands twice, or has a meaning already"
        )  # 2


def _check_factors(behaviour: Behaviour) -> None:
    for factor in behaviour.factors:
        if not factor.exact or (factor.valid_until or factor.valid_from) < factor.valid_from:
            raise BadMethodology(f"{behaviour.id}: a factor is zero, or ends before it begins")  # 3
    if any(first.overlaps(second) for first, second in combinations(behaviour.factors, 2)):
        raise BadMethodology(f"{behaviour.id}: two factors fit one region and day; choose one")  # 3
    grades = {factor.source.grade for factor in behaviour.factors}
    if behaviour.tier == "A" and (not grades or grades & {"L", "U"}):
        found = ", ".join(sorted(grades)) or "no factor"
        raise BadMethodology(f"{behaviour.id}: tier A wants grades H or M, found {found}")  # 4


def _check_vectors(behaviour: Behaviour) -> None:
    for number, vector in enumerate(behaviour.vectors, 1):
        if set(vector.activity) != set(behaviour.units):
            raise BadMethodology(f"{behaviour.id}: vector {number} has other units")
        begins = int(vector.start.timestamp())
        found = behaviour.count(vector.activity, vector.region, begins)
        if found != (vector.mg, vector.reason):
            raise BadMethodology(f"{behaviour.id}: vector {number} counts {found}")  # 5
    untried = {each.reason for each in behaviour.exclusions} - {v.reason for v in behaviour.vectors}
    if behaviour.tier == "A" and untried:
        raise BadMethodology(f"{behaviour.id}: no vector for {', '.join(sorted(untried))}")  # 5


def parse_toml(file: bytes) -> dict[str, object]:
    """Return the members of a TOML file; raises BadMethodology when it is none."""
    try:
        return tomllib.loads(file.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as bad:
        raise BadMethodology("the file is not UTF-8 TOML") from bad


def name_faults(bad: ValidationError) -> str:
    """Return where the first faults of a file are, and what was wanted there."""
    return "; ".join(".".join(map(str, e["loc"])) + ": " + e["msg"] for e in bad.errors()[:5])
