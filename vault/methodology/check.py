"""The rules of a behaviour file that its form alone does not hold it to (docs/methodology.md).

behaviour = read_behaviour(file)     # raises BadMethodology and names the rule that is broken
"""

from __future__ import annotations

from itertools import combinations

from vault.errors import BadMethodology
from vault.methodology import reasons
from vault.methodology.behaviour import Behaviour
from vault.methodology.formula import Factor, milligrams
from vault.methodology.limit import Caps, Limit, Over, Under


def read_behaviour(file: bytes) -> Behaviour:
    """Return the behaviour of a file that keeps every rule.

    Raises:
        BadMethodology: the file is not of the form, or breaks a rule of check_behaviour.
    """
    behaviour = Behaviour.from_toml(file)
    check_behaviour(behaviour)
    return behaviour


def check_behaviour(behaviour: Behaviour) -> None:
    """Return when a behaviour keeps the rules beyond its form.

    1. formula, exclusions and bounds look only at the units listed. 2. each reason is given once,
    and is none of those that every behaviour has. 3. bounds and caps name their source, or that
    they are our proposal; not both. 4. tier Z has the shape zero and no factor, no other tier has
    that shape; tier A has a factor, and none of grade L or U. 5. a factor gives exactly the figures
    of its shape, above zero, ends after it begins, and never two fit one region and day. 6. no cap
    is below what an act within bounds counts. 7. each vector comes out, and the reasons of the
    vectors are those of exclusions and bounds.

    Raises:
        BadMethodology: one of these is broken; the text names it.
    """
    _check_units(behaviour)
    _check_grounds(behaviour)
    _check_tier(behaviour)
    _check_factors(behaviour)
    _check_caps(behaviour)
    _check_vectors(behaviour)


def _check_units(behaviour: Behaviour) -> None:
    formula = behaviour.formula
    rules = (*behaviour.exclusions, *behaviour.bounds)
    read = {*formula.raises, *formula.lowers}.union(*(rule.reads for rule in rules))
    if unread := read - set(behaviour.units):
        raise BadMethodology(
            f"{behaviour.id}: units does not list {', '.join(sorted(unread))}"
        )  # 1
    given = [rule.reason for rule in rules]
    if len({*given, *reasons.TEXTS}) != len(given) + len(reasons.TEXTS):
        raise BadMethodology(
            f"{behaviour.id}: a reason stands twice, or has a meaning already"
        )  # 2


def _check_grounds(behaviour: Behaviour) -> None:
    grounds: list[Limit | Caps] = [
        *behaviour.bounds,
        *((behaviour.caps,) if behaviour.caps else ()),
    ]
    for ground in grounds:
        if ground.proposal == (ground.source is not None):
            raise BadMethodology(
                f"{behaviour.id}: a bound or cap names its source, or says proposal = true"
            )  # 3
    if any(other.other == behaviour.id for other in behaviour.exclusive):
        raise BadMethodology(f"{behaviour.id}: it is exclusive with itself")


def _check_tier(behaviour: Behaviour) -> None:
    empty = behaviour.formula.shape == "zero" and not behaviour.factors
    if empty != (behaviour.tier == "Z") or (behaviour.formula.shape == "zero") != empty:
        raise BadMethodology(
            f"{behaviour.id}: tier Z, and it alone, has the shape zero and no factor"
        )  # 4
    grades = {factor.source.grade for factor in behaviour.factors}
    if behaviour.tier == "A" and (not grades or grades & {"L", "U"}):
        found = ", ".join(sorted(grades)) or "no factor"
        raise BadMethodology(f"{behaviour.id}: tier A wants grades H or M, found {found}")  # 4


def _check_factors(behaviour: Behaviour) -> None:
    for factor in behaviour.factors:
        _check_figures(behaviour, factor)
        if (factor.valid_until or factor.valid_from) < factor.valid_from:
            raise BadMethodology(f"{behaviour.id}: a factor ends before it begins")  # 5
    if any(first.overlaps(second) for first, second in combinations(behaviour.factors, 2)):
        raise BadMethodology(f"{behaviour.id}: two factors fit one region and day; choose one")  # 5


def _check_figures(behaviour: Behaviour, factor: Factor) -> None:
    wanted, found = behaviour.formula.figures, factor.figures
    if set(found) != set(wanted):
        listed = ", ".join(sorted(found)) or "none"
        raise BadMethodology(
            f"{behaviour.id}: the shape {behaviour.formula.shape} wants the figures "
            f"{', '.join(wanted)}, found {listed}"
        )  # 5
    if not all(found.values()):
        raise BadMethodology(f"{behaviour.id}: a factor is zero")  # 5
    if found.get("rate", 0) > 1:
        raise BadMethodology(f"{behaviour.id}: a rate is at most 1")  # 5


def _check_caps(behaviour: Behaviour) -> None:
    least = _least_cap(behaviour.caps)
    formula = behaviour.formula
    most = {rule.unit: rule.limit for rule in behaviour.bounds if isinstance(rule, Over)}
    if least is None or not set(formula.raises) <= set(most):
        return  # without a bound there is no largest act
    low = {rule.unit: rule.limit for rule in behaviour.bounds if isinstance(rule, Under)}
    largest: dict[str, int] = {unit: low.get(unit, 0) for unit in formula.lowers}
    largest |= {unit: most[unit] for unit in formula.raises}
    mg = max((milligrams(formula, largest, each) for each in behaviour.factors), default=0)
    if mg > 1000 * least:
        raise BadMethodology(
            f"{behaviour.id}: a cap of {least} g is below its bounds, which allow {mg} mg an act"
        )  # 6


def _least_cap(caps: Caps | None) -> int | None:
    given = (caps.act_g, caps.day_g, caps.month_g) if caps else ()
    return min((each for each in given if each is not None), default=None)


def _check_vectors(behaviour: Behaviour) -> None:
    accepted = behaviour.tier == "B"  # its vectors say what would count
    for number, vector in enumerate(behaviour.vectors, 1):
        if set(vector.activity) != set(behaviour.units):
            raise BadMethodology(f"{behaviour.id}: vector {number} has other units")
        begins = int(vector.start.timestamp())
        found = behaviour.count(
            vector.activity, vector.region, begins, vector.evidence, accepted=accepted
        )
        if found != (vector.mg, vector.reason, vector.refused):
            raise BadMethodology(f"{behaviour.id}: vector {number} counts {tuple(found)}")  # 7
    tried = {(vector.reason, vector.refused) for vector in behaviour.vectors}
    wanted = {(rule.reason, False) for rule in behaviour.exclusions}
    wanted |= {(rule.reason, True) for rule in behaviour.bounds}
    if behaviour.tier != "Z" and wanted - tried:
        untried = ", ".join(sorted(reason for reason, _ in wanted - tried))
        raise BadMethodology(f"{behaviour.id}: no vector for {untried}")  # 7
