"""What an act is held against: exclusions, bounds, caps, and what it must not stand beside.

    [[exclusions]]                           # recorded, counts 0 mg, with the reason
    rule = "under"                           # under · over · faster
    unit = "m"
    limit = 1
    reason = "round-trip"
    text = { zh-CN = "…", en = "…" }

    [[bounds]]                               # refused, not recorded: no such act is plausible
    rule = "faster"                          # m per s: more than 35,000 in 3,600
    unit = "m"
    limit = 35000
    per = "s"
    span = 3600
    reason = "over-35-km-h"
    text = { zh-CN = "…", en = "…" }
    proposal = true                          # ours; a published one names its source instead

    [caps]                                   # grams for one person at one source
    act_g = 1000
    day_g = 1500
    month_g = 20000
    proposal = true
    note = { zh-CN = "…", en = "…" }

    [[exclusive]]                            # of two such acts one counts
    with = "travel.nev_drive"
    within = "month"                         # time (they overlap) · day · month

Bounds, exclusions and caps are a closed set of rules over integers (docs/methodology.md).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from vault.messages import Shape
from vault.methodology.formula import Activity, Amount, Citation, Slug, Texts, Unit

CategoryName = Literal["clothing", "food", "home", "travel", "use", "office", "fin"]
CATEGORY_NAMES: tuple[CategoryName, ...] = get_args(CategoryName)
BehaviourId = Annotated[
    str, StringConstraints(pattern=rf"^({'|'.join(CATEGORY_NAMES)})\.[a-z0-9_]+$", max_length=64)
]
Within = Literal["time", "day", "month"]


class Limit(Shape):
    """What the rules share: a limit in a unit, and the reason an act then has."""

    unit: Unit
    limit: Amount
    reason: Slug
    text: Texts
    proposal: bool = False
    source: Citation | None = None

    @property
    def reads(self) -> set[str]:
        """The units it looks at."""
        return {self.unit}


class Under(Limit):
    """Fits acts with less than `limit` of the unit."""

    rule: Literal["under"]

    def fits(self, activity: Activity) -> bool:
        """Return whether the act is one of these."""
        return activity[self.unit] < self.limit


class Over(Limit):
    """Fits acts with more than `limit` of the unit."""

    rule: Literal["over"]

    def fits(self, activity: Activity) -> bool:
        """Return whether the act is one of these."""
        return activity[self.unit] > self.limit


class Faster(Limit):
    """Fits acts with more than `limit` of the unit in `span` of another: 35,000 m in 3,600 s.

    Products of integers are compared, so that exactly the limit does not fit.
    """

    rule: Literal["faster"]
    per: Unit
    span: Annotated[int, Field(gt=0, lt=2**53)]

    @property
    def reads(self) -> set[str]:
        """The units it looks at."""
        return {self.unit, self.per}

    def fits(self, activity: Activity) -> bool:
        """Return whether the act is one of these."""
        return activity[self.unit] * self.span > self.limit * activity[self.per]


Rule = Annotated[Under | Over | Faster, Field(discriminator="rule")]


class Caps(Shape):
    """Grams that one act, day and month of a behaviour count at most, for one person at a source.

    Days and months are of the act's start, in the behaviour's zone; whatever lies above counts 0.
    """

    act_g: Amount | None = None
    day_g: Amount | None = None
    month_g: Amount | None = None
    proposal: bool = False
    source: Citation | None = None
    note: Texts

    @model_validator(mode="after")
    def _rising(self) -> Self:
        caps = [each for each in (self.act_g, self.day_g, self.month_g) if each is not None]
        if not caps or caps != sorted(caps):
            raise ValueError("wanted at least one cap, and act_g <= day_g <= month_g")
        return self


class Exclusive(Shape):
    """Another behaviour that may describe the same act or stock."""

    other: BehaviourId = Field(alias="with")
    within: Within


class Dedupe(Shape):
    """What makes an act one act: its natural key in exports, and whether it occupies its person.

    A person makes no two trips at once: of two acts with ``person_time`` that overlap, one counts.
    """

    key: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    person_time: bool = False
