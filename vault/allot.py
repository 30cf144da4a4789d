"""What each act of one customer counts, once all of them are seen (docs/methodology.md).

    settled   acts frozen in a batch: what they count stands
    waiting   acts of the running month that are in no batch yet

Waiting acts are taken by their start, not as they came in: neither the order of rows nor how files
are split changes what a month counts, as long as its batch is not frozen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from vault.books import Weighed
from vault.methodology import reasons
from vault.methodology.release import Release
from vault.months import Milligrams


class Allotted(NamedTuple):
    """Milligrams that one act counts, and why they are 0 or cut."""

    mg: Milligrams
    reason: str | None


def allot(
    settled: Iterable[Weighed], waiting: Iterable[Weighed], release: Release
) -> dict[bytes, Allotted]:
    """Return what each waiting act counts, by act id.

    1. nothing is added to an act that counts 0 already. 2. a person makes no two trips at once: of
    two that overlap the earlier counts. 3. of two behaviours that exclude each other one counts.
    4. the behaviour's cap of the day, then of the month, cuts what lies above.

    Args:
        settled: acts of the customer that counted before, near in time.
        waiting: acts whose milligrams are open, each with what its formula gives (`gross`).
        release: the release in force, whose caps and exclusions hold.
    """
    counted = list(settled)
    found: dict[bytes, Allotted] = {}
    for act in sorted(waiting, key=_turn):
        allotted = _allot_one(act, counted, release)
        found[act.act] = allotted
        if allotted.mg:
            counted.append(act._replace(mg=allotted.mg))
    return found


def _turn(act: Weighed) -> tuple[int, int, str, str]:
    return act.start, act.end, act.operator, act.receipt


def _allot_one(act: Weighed, counted: Sequence[Weighed], release: Release) -> Allotted:
    if not act.gross:
        return Allotted(Milligrams(0), act.why)  # 1
    if any(_at_once(act, other, release) for other in counted):
        return Allotted(Milligrams(0), reasons.SAME_TIME)  # 2
    if any(_excluded(act, other, release) for other in counted):
        return Allotted(Milligrams(0), reasons.EXCLUSIVE)  # 3
    return _capped(act, counted, release)  # 4


def _at_once(act: Weighed, other: Weighed, release: Release) -> bool:
    both = (release.behaviours.get(each.behaviour) for each in (act, other))
    return all(each is not None and each.occupies for each in both) and _overlap(act, other)


def _overlap(act: Weighed, other: Weighed) -> bool:
    return act.start < other.end and other.start < act.end


def _excluded(act: Weighed, other: Weighed, release: Release) -> bool:
    near = release.excludes(act.behaviour, other.behaviour)
    zone = release.zone(act.behaviour)
    return (
        ("time" in near and _overlap(act, other))
        or ("day" in near and _day(act, zone) == _day(other, zone))
        or ("month" in near and _day(act, zone)[:7] == _day(other, zone)[:7])
    )


def _capped(act: Weighed, counted: Sequence[Weighed], release: Release) -> Allotted:
    behaviour = release.behaviours.get(act.behaviour)
    caps = behaviour.caps if behaviour else None
    mg, reason = act.gross, act.why
    zone = release.zone(act.behaviour)
    own = [each for each in counted if each.behaviour == act.behaviour]
    for cap, length, why in (
        (caps.day_g if caps else None, 10, reasons.DAY_CAP),
        (caps.month_g if caps else None, 7, reasons.MONTH_CAP),
    ):
        if cap is None:
            continue
        near = [each for each in own if _day(each, zone)[:length] == _day(act, zone)[:length]]
        left = max(0, 1000 * cap - sum(each.mg for each in near))
        if left < mg:
            mg, reason = left, why
    return Allotted(Milligrams(mg), reason)


def _day(act: Weighed, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(act.start, zone):%Y-%m-%d}"
