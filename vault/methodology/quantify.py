"""quantify(): from an act to milligrams, the same everywhere (docs/methodology.md).

    act = Act("travel.bike", {"m": 1200, "s": 300}, 1767571200, 1767571500, "CN-ZJ-HZ")
    quantify(act, load_release("demo-1"))
    Credit(mg=58440, behaviour="travel.bike", rev=1, reason=None)

It reads no clock and knows no platform: who collects an act never changes its grams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vault.errors import BadShape
from vault.methodology.behaviour import Behaviour
from vault.methodology.release import Release
from vault.months import Milligrams

LIMIT = 2**53


@dataclass(frozen=True)
class Act:
    """One act as it was measured.

    ``activity`` holds integers by base unit (m, Wh, count, s, ml), [0, 2^53); ``start`` and
    ``end`` are unix seconds; ``region`` is the place of the act, such as CN-ZJ-HZ.
    """

    behaviour: str
    activity: Mapping[str, int]
    start: int
    end: int
    region: str


@dataclass(frozen=True)
class Credit:
    """Milligrams CO2e of an act by one revision of a behaviour; a reason wherever they are 0."""

    mg: Milligrams
    behaviour: str
    rev: int
    reason: str | None


def quantify(act: Act, release: Release) -> Credit:
    """Return the milligrams that the release credits for an act, rounded down, or 0 and why.

    Raises:
        BadMethodology: the release has no such behaviour.
        BadShape: the act is not measured in the behaviour's units, ends before it starts, or comes
            to 2^53 mg or more.
    """
    behaviour = release.behaviour(act.behaviour)
    _check_measured(act, behaviour)
    mg, reason = behaviour.count(act.activity, act.region, act.start)
    if mg >= LIMIT:
        raise BadShape(f"{act.behaviour} of {mg} mg is more than a record can hold")
    return Credit(mg, behaviour.id, behaviour.rev, reason)


def _check_measured(act: Act, behaviour: Behaviour) -> None:
    if set(act.activity) != set(behaviour.units):
        found = ", ".join(sorted(act.activity)) or "nothing"
        raise BadShape(f"{act.behaviour} is measured in {behaviour.units}, found {found[:100]}")
    if any(type(amount) is not int or not 0 <= amount < LIMIT for amount in act.activity.values()):
        raise BadShape(f"the amounts of {act.behaviour} are integers in [0, 2^53)")
    if not 0 <= act.start <= act.end < LIMIT:
        raise BadShape(f"the act starts at {act.start} and ends at {act.end}")
