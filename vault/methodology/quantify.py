"""quantify(): from an act to milligrams, the same everywhere (docs/methodology.md).

    act = Act("travel.bike", {"m": 1200, "s": 300}, 1767571200, 1767571500, "CN-ZJ-HZ")
    quantify(act, load_release("2026-1"))
    Credit(mg=58440, behaviour="travel.bike", rev=3, reason=None)

It reads no clock and knows no platform: who collects an act never changes its grams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vault.errors import BadShape, OutOfBounds
from vault.methodology.behaviour import Behaviour, Evidence
from vault.methodology.formula import milligrams
from vault.methodology.release import Release
from vault.months import Milligrams

LIMIT = 2**53


@dataclass(frozen=True)
class Act:
    """One act as it was measured.

    ``activity`` holds integers by base unit (m, Wh, count, s, ml, g), [0, 2^53); ``start`` and
    ``end`` are unix seconds; ``region`` is the place of the act, such as CN-ZJ-HZ; ``evidence``:
    E0 self-declared, E1 screenshot, E2 the person's own export, E3 signed by the operator of
    record, E4 two-sided or metered.
    """

    behaviour: str
    activity: Mapping[str, int]
    start: int
    end: int
    region: str
    evidence: Evidence = "E3"


@dataclass(frozen=True)
class Credit:
    """Milligrams CO2e of an act by one revision of a behaviour.

    The reason is there wherever they are 0, or less than the formula gives.
    """

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
        OutOfBounds: no such act is plausible; the error gives the reason.
    """
    behaviour = release.behaviour(act.behaviour)
    _check_measured(act, behaviour)
    accepted = release.accepts(behaviour.id)
    counted = behaviour.count(act.activity, act.region, act.start, act.evidence, accepted)
    if counted.refused:
        reason = counted.reason or ""
        raise OutOfBounds(f"{act.behaviour} is out of bounds: {reason}", reason)
    if counted.mg >= LIMIT:
        raise BadShape(f"{act.behaviour} of {counted.mg} mg is more than a record can hold")
    return Credit(counted.mg, behaviour.id, behaviour.rev, counted.reason)


def gross(act: Act, release: Release) -> Milligrams:
    """Return what the formula alone gives for an act, before exclusions, bounds and caps.

    It is 0 where no factor fits. For telling what a rule took; nothing is credited by it.

    Raises:
        BadMethodology, BadShape: as quantify raises.
    """
    behaviour = release.behaviour(act.behaviour)
    _check_measured(act, behaviour)
    factor = behaviour.factor_for(act.region, act.start)
    if isinstance(factor, str):
        return Milligrams(0)
    return milligrams(behaviour.formula, act.activity, factor)


def _check_measured(act: Act, behaviour: Behaviour) -> None:
    if set(act.activity) != set(behaviour.units):
        found = ", ".join(sorted(act.activity)) or "nothing"
        raise BadShape(f"{act.behaviour} is measured in {behaviour.units}, found {found[:100]}")
    if any(type(amount) is not int or not 0 <= amount < LIMIT for amount in act.activity.values()):
        raise BadShape(f"the amounts of {act.behaviour} are integers in [0, 2^53)")
    if not 0 <= act.start <= act.end < LIMIT:
        raise BadShape(f"the act starts at {act.start} and ends at {act.end}")
