"""What each act of one customer counts, once all of them are seen (docs/methodology.md).

    settled   acts frozen in a batch: what they count stands
    waiting   acts of the running month that are in no batch yet

Waiting acts are taken by their start, not as they came in: neither the order of rows nor how files
are split changes what a month counts, as long as its batch is not frozen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from vault.books import Weighed
from vault.methodology import reasons
from vault.methodology.release import Release
from vault.months import Milligrams

DAY = 86400
LONGEST = 31 * DAY  # no act is taken to last longer, whatever its end says


class Allotted(NamedTuple):
    """Milligrams that one act counts, and why they are 0 or cut."""

    mg: Milligrams
    reason: str | None


class _Span(NamedTuple):
    """When a counting act was, and what it was."""

    start: int
    end: int
    behaviour: str


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
    counted = _Counted(release)
    for act in settled:
        counted.add(act, act.mg)
    found: dict[bytes, Allotted] = {}
    for act in sorted(waiting, key=_turn):
        found[act.act] = counted.allot(act)
        if found[act.act].mg:
            counted.add(act, found[act.act].mg)
    return found


def end_of(start: int, end: int, seconds: int) -> int:
    """Return when an act was over: its end, or what it was measured to last where it has none.

    Exports exist in which every trip ends in the second in which it starts. Where times are exact
    to the minute only, the end stands: a trip that begins in that minute follows, it does not
    overlap.
    """
    return min(end if end > start else start + max(1, seconds), start + LONGEST)


def _turn(act: Weighed) -> tuple[int, int, str, str]:
    return act.start, act.end, act.operator, act.receipt


class _Counted:
    """What counts so far, by day and month, so that an act is compared with what is near it."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._spans: defaultdict[int, list[_Span]] = defaultdict(list)
        self._near: defaultdict[str, set[str]] = defaultdict(set)
        self._sums: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, act: Weighed, mg: int) -> None:
        """Note a counting act."""
        span, day = _Span(act.start, act.end, act.behaviour), self._day(act)
        for number in _days(act):
            self._spans[number].append(span)
        for when in (day, day[:7]):
            self._near[when].add(act.behaviour)
            self._sums[act.behaviour, when] += mg

    def allot(self, act: Weighed) -> Allotted:
        """Return what an act may still count."""
        if not act.gross:
            return Allotted(Milligrams(0), act.why)  # 1
        if self._at_once(act):
            return Allotted(Milligrams(0), reasons.SAME_TIME)  # 2
        if self._excluded(act):
            return Allotted(Milligrams(0), reasons.EXCLUSIVE)  # 3
        return self._capped(act)  # 4

    def _at_once(self, act: Weighed) -> bool:
        return self._occupies(act.behaviour) and any(
            self._occupies(name) for name in self._overlapping(act)
        )

    def _occupies(self, name: str) -> bool:
        behaviour = self._release.behaviours.get(name)
        return behaviour is not None and behaviour.occupies

    def _overlapping(self, act: Weighed) -> set[str]:
        return {
            span.behaviour
            for number in _days(act)
            for span in self._spans.get(number, ())
            if act.start < span.end and span.start < act.end
        }

    def _excluded(self, act: Weighed) -> bool:
        day = self._day(act)
        near = {
            "time": self._overlapping(act),
            "day": self._near.get(day, set()),
            "month": self._near.get(day[:7], set()),
        }
        return any(
            within in self._release.excludes(act.behaviour, other)
            for within, others in near.items()
            for other in others
        )

    def _capped(self, act: Weighed) -> Allotted:
        behaviour = self._release.behaviours.get(act.behaviour)
        caps = behaviour.caps if behaviour else None
        mg, reason, day = act.gross, act.why, self._day(act)
        for cap, when, why in (
            (caps.day_g if caps else None, day, reasons.DAY_CAP),
            (caps.month_g if caps else None, day[:7], reasons.MONTH_CAP),
        ):
            if cap is None:
                continue
            left = max(0, 1000 * cap - self._sums.get((act.behaviour, when), 0))
            if left < mg:
                mg, reason = left, why
        return Allotted(Milligrams(mg), reason)

    def _day(self, act: Weighed) -> str:
        zone = self._release.zone(act.behaviour)
        return f"{datetime.fromtimestamp(act.start, zone):%Y-%m-%d}"


def _days(act: Weighed) -> range:
    """The days of 86,400 s since 1970 that an act touches: only to find what may overlap it."""
    last = min(act.end, act.start + LONGEST)
    return range(act.start // DAY, last // DAY + 1)
