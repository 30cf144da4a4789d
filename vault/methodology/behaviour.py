"""One behaviour: a file that says how an act becomes milligrams (docs/methodology.md).

format = "carbonvault-behaviour/1"
id = "travel.bike"               # never reused; what stands before the dot is its category
rev = 1                          # another revision is another file: travel.bike.2.toml
tier = "A"                       # A credited · B method not accepted yet, 0 · Z no factor, 0
listed = "named"                 # named in the standard · handbook · reconstructed by us
zone = "Asia/Shanghai"           # where days and months begin
units = ["m", "s"]               # what such an act is measured in: these and no others
evidence = "E3"                  # the least that counts: E3 signed by its operator · E4 metered
name = { zh-CN = "骑自行车", en = "Riding a bicycle" }
says = { zh-CN = "…", en = "…" }
formula = { … }                  # see vault/methodology/formula.py
dedupe = { key = ["operator", "trip_id"], person_time = true }
# [[exclusions]], [[bounds]], [caps], [[exclusive]]: see vault/methodology/limit.py

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
from typing import Annotated, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from vault.errors import BadMethodology, Locale
from vault.messages import Shape
from vault.methodology import reasons
from vault.methodology.formula import (
    Activity,
    Amount,
    Factor,
    Formula,
    Region,
    Slug,
    Texts,
    Unit,
    milligrams,
)
from vault.methodology.limit import (
    CATEGORY_NAMES,
    BehaviourId,
    Caps,
    Dedupe,
    Exclusive,
    Rule,
)
from vault.months import Category, Milligrams

CATEGORIES: dict[str, Category] = dict(zip(CATEGORY_NAMES, Category, strict=True))
Evidence = Literal["E0", "E1", "E2", "E3", "E4"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as bad:
        raise ValueError("there is no such time zone") from bad
    return name


class Counted(NamedTuple):
    """What an act counts; a reason where that is 0, or less than its formula gives.

    ``refused``: the act is out of bounds and is not recorded at all.
    """

    mg: Milligrams
    reason: str | None
    refused: bool = False


class Vector(Shape):
    """An act and what it must count, the evidence being strong enough unless given.

    ``refused``: it is out of bounds. A vector of tier B says what would count once accepted.
    """

    activity: dict[str, Amount]
    region: Region
    start: AwareDatetime
    evidence: Evidence = "E4"
    mg: Amount
    reason: Slug | None = None
    refused: bool = False


class Behaviour(Shape):
    """A behaviour file; ``read`` returns only files that pass every rule."""

    format: Literal["carbonvault-behaviour/1"]
    id: BehaviourId
    rev: Annotated[int, Field(ge=1, lt=2**31)]
    tier: Literal["A", "B", "Z"]
    listed: Literal["named", "handbook", "reconstructed"] | None = None
    zone: Annotated[str, AfterValidator(_known_zone)]
    units: Annotated[tuple[Unit, ...], Field(strict=False, min_length=1)]
    evidence: Literal["E3", "E4"] = "E3"
    name: Texts
    says: Texts
    formula: Formula
    dedupe: Dedupe | None = None
    exclusions: Annotated[tuple[Rule, ...], Field(strict=False)] = ()
    bounds: Annotated[tuple[Rule, ...], Field(strict=False)] = ()
    caps: Caps | None = None
    exclusive: Annotated[tuple[Exclusive, ...], Field(strict=False)] = ()
    factors: Annotated[tuple[Factor, ...], Field(strict=False)] = ()
    vectors: Annotated[tuple[Vector, ...], Field(strict=False, min_length=1)]

    @classmethod
    def from_toml(cls, file: bytes) -> Self:
        """Return the behaviour of a file of this form; its rules are not checked yet.

        Raises:
            BadMethodology: the file is not of this form.
        """
        try:
            return cls.model_validate(parse_toml(file))
        except ValidationError as bad:
            raise BadMethodology(f"a behaviour file: {name_faults(bad)}") from bad

    @property
    def category(self) -> Category:
        """The category that its acts are closed in."""
        return CATEGORIES[self.id.partition(".")[0]]

    @property
    def occupies(self) -> bool:
        """Whether its act is a trip: a person makes no two at once."""
        return self.dedupe is not None and self.dedupe.person_time

    def factor_for(self, region: str, start: int) -> Factor | str:
        """Return the factor for a place and a unix second, or the reason there is none.

        The most specific region comes first; a factor of another country is never taken.
        """
        near = [factor for factor in self.factors if factor.covers(region)]
        valid = [factor for factor in near if factor.valid_at(start, self.zone)]
        if not valid:
            return reasons.NO_DATE if near else reasons.NO_REGION
        return max(valid, key=lambda each: len(each.region))

    def count(
        self,
        activity: Activity,
        region: str,
        start: int,
        evidence: Evidence = "E4",
        accepted: bool = False,
    ) -> Counted:
        """Return the milligrams of an act, or 0 and why.

        1. only tier A is credited, and B once accepted. 2. the evidence suffices. 3. the first
        exclusion that fits gives the reason. 4. an act out of bounds is refused. 5. a factor for
        the place, valid at the start; the most specific region first. 6. the formula, rounded down
        to milligrams. 7. the cap of one act; those of a day and a month are the source's books'.

        Args:
            activity: amounts by unit, those of `units` and no others.
            region: place of the act, such as CN-HB-WH.
            start: unix second at which the act began.
            evidence: how well the act is attested.
            accepted: the release carries the acceptance of this revision (tier B).
        """
        why = self._barred(activity, evidence, accepted)
        if why is not None:
            return Counted(Milligrams(0), why)  # 1, 2, 3
        for bound in self.bounds:
            if bound.fits(activity):
                return Counted(Milligrams(0), bound.reason, refused=True)  # 4
        factor = self.factor_for(region, start)
        if isinstance(factor, str):
            return Counted(Milligrams(0), factor)  # 5
        mg = milligrams(self.formula, activity, factor)  # 6
        most = self.caps.act_g if self.caps else None
        if most is not None and mg > 1000 * most:
            return Counted(Milligrams(1000 * most), reasons.ACT_CAP)  # 7
        return Counted(mg, None if mg else reasons.TOO_SMALL)

    def _barred(self, activity: Activity, evidence: Evidence, accepted: bool) -> str | None:
        if self.tier == "Z":
            return reasons.TIER_Z
        if self.tier == "B" and not accepted:
            return reasons.TIER_B
        if evidence < self.evidence:
            return reasons.NOT_METERED if evidence == "E3" else reasons.WEAK
        return next((rule.reason for rule in self.exclusions if rule.fits(activity)), None)

    def why(self, reason: str, locale: Locale) -> str:
        """Return the sentence a person reads for a reason; raises BadMethodology if it has none."""
        own = {rule.reason: rule.text for rule in (*self.exclusions, *self.bounds)}
        texts = own.get(reason) or reasons.TEXTS.get(reason)
        if texts is None:
            raise BadMethodology(f"{self.id} revision {self.rev} gives no reason {reason[:40]!r}")
        return texts[locale]


def parse_toml(file: bytes) -> dict[str, object]:
    """Return the members of a TOML file; raises BadMethodology when it is none."""
    try:
        return tomllib.loads(file.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as bad:
        raise BadMethodology("the file is not UTF-8 TOML") from bad


def name_faults(bad: ValidationError) -> str:
    """Return where the first faults of a file are, and what was wanted there."""
    return "; ".join(".".join(map(str, e["loc"])) + ": " + e["msg"] for e in bad.errors()[:5])
