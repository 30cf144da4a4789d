"""What acts count beside each other: caps, one trip at a time, one behaviour for one act."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules import TRIP, behaviour_file, caps, exclusive, release_of
from vault.allot import Allotted, allot
from vault.books import Weighed
from vault.methodology.release import Release
from vault.months import DEFAULT_ZONE, Milligrams

BIKE, METRO, CUP = "travel.bike", "travel.metro", "use.cup"
CHARGE, DRIVE, LEAVE = "travel.charge", "travel.drive", "travel.leave_car"
ALONE = release_of(behaviour_file(BIKE, caps(day_g=3, month_g=7)), behaviour_file(CUP))
RULES = release_of(
    behaviour_file(BIKE, TRIP, caps(day_g=3, month_g=7)),
    behaviour_file(METRO, TRIP),
    behaviour_file(CUP, caps(month_g=2), exclusive(METRO, "time")),
    behaviour_file(CHARGE, exclusive(DRIVE, "month")),
    behaviour_file(DRIVE, TRIP, caps(day_g=1)),
    behaviour_file(LEAVE, exclusive(METRO, "day")),
)
MINUTE, DAY = 60, 86_400
NAMES = count()


def at(text: str) -> int:
    """Unix seconds of a moment in Shanghai."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(DEFAULT_ZONE)).timestamp())


NOON = at("2026-01-15T12:00")


def act(
    behaviour: str,
    start: int = NOON,
    minutes: int = 10,
    gross: int = 1_000,
    why: str | None = None,
    receipt: str | None = None,
) -> Weighed:
    number = next(NAMES)
    name = number.to_bytes(16, "big")
    end = start + minutes * MINUTE
    text = receipt or f"R-{number:09d}"
    return Weighed(name, behaviour, start, end, "east.demo", text, gross, why, gross)


def counted(found: dict[bytes, Allotted], acts: Iterable[Weighed]) -> list[tuple[int, str | None]]:
    return [(found[each.act].mg, found[each.act].reason) for each in acts]


def settle(acts: Sequence[Weighed], found: dict[bytes, Allotted]) -> list[Weighed]:
    """The acts as the books hold them once frozen: those that count."""
    return [each._replace(mg=found[each.act].mg) for each in acts if found[each.act].mg]


# The model: minutes as sets, totals by day and month, in Shanghai's eight hours


class Model:
    """Minutes and totals taken so far, by behaviour."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.minutes: dict[str, set[int]] = defaultdict(set)
        self.days: dict[tuple[str, int], int] = defaultdict(int)
        self.months: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, each: Weighed, mg: int) -> None:
        self.minutes[each.behaviour] |= covers(each)
        self.days[each.behaviour, day_of(each)] += mg
        self.months[each.behaviour, month_of(each)] += mg

    def settle(self, each: Weighed) -> Allotted:
        if not each.gross:
            return Allotted(Milligrams(0), each.why)
        if self.travels_already(each):
            return Allotted(Milligrams(0), "same-time")
        if any(self.stands_beside(each, *pair) for pair in self.pairs(each.behaviour)):
            return Allotted(Milligrams(0), "counted-otherwise")
        return min(self.rooms(each), key=lambda found: found.mg)  # the first of equals

    def travels_already(self, each: Weighed) -> bool:
        trips = {name for name, found in self.release.behaviours.items() if found.occupies}
        taken = set().union(*(self.minutes[name] for name in trips))
        return each.behaviour in trips and bool(taken & covers(each))

    def pairs(self, name: str) -> Iterator[tuple[str, str]]:
        for one, behaviour in self.release.behaviours.items():
            for other in behaviour.exclusive:
                if name in (one, other.other):
                    yield (other.other if name == one else one), other.within

    def stands_beside(self, each: Weighed, other: str, within: str) -> bool:
        return {
            "time": bool(self.minutes[other] & covers(each)),
            "day": self.days[other, day_of(each)] > 0,
            "month": self.months[other, month_of(each)] > 0,
        }[within]

    def rooms(self, each: Weighed) -> Iterator[Allotted]:
        yield Allotted(Milligrams(each.gross), each.why)
        most = self.release.behaviours[each.behaviour].caps
        if most and most.day_g is not None:
            left = 1000 * most.day_g - self.days[each.behaviour, day_of(each)]
            yield Allotted(Milligrams(max(0, left)), "day-cap")
        if most and most.month_g is not None:
            left = 1000 * most.month_g - self.months[each.behaviour, month_of(each)]
            yield Allotted(Milligrams(max(0, left)), "month-cap")


def model(
    settled: Iterable[Weighed], waiting: Iterable[Weighed], release: Release
) -> dict[bytes, Allotted]:
    so_far = Model(release)
    for each in settled:
        so_far.add(each, each.mg)
    found: dict[bytes, Allotted] = {}
    rest = list(waiting)
    while rest:
        first = min(rest, key=lambda each: (each.start, each.end, each.receipt))
        rest.remove(first)
        found[first.act] = so_far.settle(first)
        if found[first.act].mg:
            so_far.add(first, found[first.act].mg)
    return found


def covers(each: Weighed) -> set[int]:
    return set(range(each.start // MINUTE, each.end // MINUTE))


def day_of(each: Weighed) -> int:
    return (each.start + 8 * 3600) // DAY


def month_of(each: Weighed) -> str:
    return f"{datetime.fromordinal(719_163 + day_of(each)):%Y-%m}"


def acts_of(*behaviours: str) -> st.SearchStrategy[list[Weighed]]:
    """Acts in the last days of January and the first of February, many at midnight."""
    first = at("2026-01-30T00:00")
    starts = st.one_of(
        st.integers(0, 5 * 24 * 60),
        st.sampled_from([24 * 60 * n + m for n in range(5) for m in (-1, 0, 1)]),
    )
    gross = st.one_of(st.integers(0, 2_500), st.sampled_from([0, 1, 1_000, 3_000, 9_000]))
    one = st.builds(
        lambda name, start, length, mg: act(
            name, first + start * MINUTE, length, mg, None if mg else "round-trip"
        ),
        st.sampled_from(behaviours),
        starts,
        st.integers(1, 300),
        gross,
    )
    return st.lists(one, max_size=14)


@given(acts_of(*RULES.behaviours), acts_of(*RULES.behaviours))
def test_allot_counts_as_the_model_does(frozen: list[Weighed], waiting: list[Weighed]) -> None:
    settled = settle(frozen, allot([], frozen, RULES))
    assert allot([], frozen, RULES) == model([], frozen, RULES)
    assert allot(settled, waiting, RULES) == model(settled, waiting, RULES)


@given(acts_of(BIKE, CUP))
def test_a_day_counts_its_sum_up_to_the_cap_and_a_month_the_sum_of_its_days(
    acts: list[Weighed],
) -> None:
    found = allot([], acts, ALONE)
    days: dict[str, dict[int, int]] = {"2026-01": {}, "2026-02": {}}
    for each in (one for one in acts if one.behaviour == BIKE):
        sums = days[month_of(each)]
        sums[day_of(each)] = sums.get(day_of(each), 0) + each.gross
    for month, sums in days.items():
        own = [one for one in acts if one.behaviour == BIKE and month_of(one) == month]
        wanted = min(7_000, sum(min(3_000, each) for each in sums.values()))
        assert sum(found[one.act].mg for one in own) == wanted
    for day in {day_of(one) for one in acts}:
        own = [one for one in acts if one.behaviour == BIKE and day_of(one) == day]
        counts = sum(found[one.act].mg for one in own)
        assert counts <= min(3_000, sum(one.gross for one in own))
    assert all(found[one.act].mg == one.gross for one in acts if one.behaviour == CUP)


DAY_ONLY = release_of(behaviour_file(BIKE, caps(day_g=3)))


@given(acts_of(BIKE))
def test_a_day_under_no_month_cap_counts_exactly_the_lesser_of_cap_and_sum(
    acts: list[Weighed],
) -> None:
    found = allot([], acts, DAY_ONLY)
    for day in {day_of(one) for one in acts}:
        own = [one for one in acts if day_of(one) == day]
        assert sum(found[one.act].mg for one in own) == min(3_000, sum(o.gross for o in own))


@given(st.data(), acts_of(*RULES.behaviours))
def test_the_order_of_waiting_acts_does_not_matter(
    data: st.DataObject, acts: list[Weighed]
) -> None:
    shuffled = data.draw(st.permutations(acts))
    assert allot([], shuffled, RULES) == allot([], acts, RULES)


@given(acts_of(*RULES.behaviours), acts_of(*RULES.behaviours))
def test_no_act_counts_more_than_its_formula_gives_or_less_than_nothing(
    frozen: list[Weighed], waiting: list[Weighed]
) -> None:
    found = allot(settle(frozen, allot([], frozen, RULES)), waiting, RULES)
    assert set(found) == {one.act for one in waiting}
    for one in waiting:
        assert 0 <= found[one.act].mg <= one.gross
        assert (found[one.act].reason is None) == (0 < found[one.act].mg == one.gross)


@given(st.data(), acts_of(BIKE))
def test_under_caps_alone_it_does_not_matter_what_was_frozen_first(
    data: st.DataObject, acts: list[Weighed]
) -> None:
    early = data.draw(st.lists(st.booleans(), min_size=len(acts), max_size=len(acts)))
    first = [one for one, now in zip(acts, early, strict=True) if now]
    later = [one for one, now in zip(acts, early, strict=True) if not now]
    frozen = settle(first, allot([], first, ALONE))
    both = frozen + settle(later, allot(frozen, later, ALONE))
    at_once = settle(acts, allot([], acts, ALONE))

    def months(of: list[Weighed]) -> dict[str, int]:
        sums: dict[str, int] = defaultdict(int)
        for one in of:
            sums[month_of(one)] += one.mg
        return sums

    assert months(both) == months(at_once)


# Two trips at once


def test_of_two_trips_that_overlap_the_earlier_counts() -> None:
    late, early = act(METRO, NOON + 5 * MINUTE), act(BIKE, NOON)
    assert counted(allot([], [late, early], RULES), [early, late]) == [
        (1_000, None),
        (0, "same-time"),
    ]


def test_of_two_trips_that_start_together_the_shorter_counts_then_the_lower_number() -> None:
    long, short = act(BIKE, minutes=20), act(METRO, minutes=10)
    assert counted(allot([], [long, short], RULES), [short, long]) == [
        (1_000, None),
        (0, "same-time"),
    ]
    second, first = act(BIKE, receipt="R-2"), act(METRO, receipt="R-1")
    assert allot([], [second, first], RULES)[first.act] == (1_000, None)
    assert allot([], [second, first], RULES)[second.act] == (0, "same-time")


def test_trips_that_touch_do_not_overlap() -> None:
    first, second = act(BIKE, NOON, 10), act(METRO, NOON + 10 * MINUTE, 10)
    assert counted(allot([], [first, second], RULES), [first, second]) == [(1_000, None)] * 2
    longer = first._replace(end=first.end + 1)
    assert allot([], [longer, second], RULES)[second.act] == (0, "same-time")


def test_a_trip_within_another_overlaps_it_also_when_it_took_no_time() -> None:
    around, inside = act(BIKE, NOON, 30), act(METRO, NOON + MINUTE, 0)
    assert allot([], [around, inside], RULES)[inside.act] == (0, "same-time")
    border = act(METRO, NOON, 0)
    assert allot([], [around, border], RULES)[border.act] == (1_000, None)


def test_a_trip_that_counts_nothing_takes_nobodys_time() -> None:
    first, second, third = (act(METRO, NOON + n * 5 * MINUTE, 8) for n in range(3))
    found = allot([], [first, second, third], RULES)
    assert counted(found, [first, second, third]) == [
        (1_000, None),
        (0, "same-time"),
        (1_000, None),
    ]
    round_trip = act(METRO, NOON, gross=0, why="round-trip")
    assert allot([], [round_trip, first], RULES)[first.act] == (1_000, None)


def test_a_frozen_trip_counts_before_an_earlier_one_that_came_later() -> None:
    late, early = act(METRO, NOON + 5 * MINUTE), act(BIKE, NOON)
    assert allot([late], [early], RULES) == {early.act: (0, "same-time")}


@pytest.mark.parametrize(("first", "second"), [(CHARGE, BIKE), (CUP, BIKE), (LEAVE, DRIVE)])
def test_what_is_no_trip_stands_beside_a_trip(first: str, second: str) -> None:
    for pair in ([act(first), act(second)], [act(second), act(first)], [act(first), act(first)]):
        assert counted(allot([], pair, RULES), pair) == [(1_000, None)] * 2


# Two behaviours for one act


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "near", "far"),
    [
        (CUP, METRO, NOON + 9 * MINUTE, NOON + 10 * MINUTE),
        (LEAVE, METRO, at("2026-01-15T23:59"), at("2026-01-16T00:00")),
        (CHARGE, DRIVE, at("2026-01-31T23:59"), at("2026-02-01T00:00")),
    ],
)
def test_of_two_behaviours_that_exclude_each_other_the_earlier_counts(
    first: str, second: str, near: int, far: int, turned: bool
) -> None:
    """By time, by day and by month, whichever of the two files names the other."""
    one, other = (second, first) if turned else (first, second)
    early = act(one)
    for start, wanted in ((near, (0, "counted-otherwise")), (far, (1_000, None))):
        late = act(other, start)
        assert counted(allot([], [late, early], RULES), [early, late]) == [(1_000, None), wanted]
        assert allot([early], [late], RULES) == {late.act: wanted}
        assert allot([late], [early], RULES)[early.act] == wanted


def test_an_act_excludes_nothing_once_it_counts_nothing() -> None:
    zero, drive = act(CHARGE, NOON - MINUTE, gross=0, why="round-trip"), act(DRIVE)
    assert allot([], [zero, drive], RULES)[drive.act] == (1_000, None)


# Days, months and reasons


def test_a_day_begins_at_midnight_in_shanghai() -> None:
    before = act(BIKE, at("2026-01-15T23:59"), 1, gross=3_000)
    after = act(BIKE, at("2026-01-16T00:00"), 1, gross=3_000)
    same = act(BIKE, at("2026-01-16T07:59"), 1, gross=3_000)  # midnight in London comes later
    assert counted(allot([], [before, after, same], RULES), [before, after, same]) == [
        (3_000, None),
        (3_000, None),
        (0, "day-cap"),
    ]


def test_an_act_over_midnight_is_of_the_day_it_started() -> None:
    over = act(BIKE, at("2026-01-15T23:50"), 20, gross=3_000)
    after = act(BIKE, at("2026-01-16T00:10"), 5, gross=3_000)
    assert counted(allot([], [over, after], RULES), [over, after]) == [(3_000, None)] * 2


def test_caps_cut_the_act_that_reaches_them_and_say_which() -> None:
    days = [act(BIKE, at(f"2026-01-{day}T08:00"), gross=2_000) for day in (10, 11, 12, 13)]
    second = act(BIKE, at("2026-01-10T09:00"), gross=2_000, why="act-cap")
    last = act(BIKE, at("2026-01-14T09:00"), gross=2_000)
    found = allot([], [*days, second, last], RULES)
    assert counted(found, [days[0], second, *days[1:], last]) == [
        (2_000, None),
        (1_000, "day-cap"),
        (2_000, None),
        (2_000, None),
        (0, "month-cap"),
        (0, "month-cap"),
    ]
    assert allot([], [second], RULES)[second.act] == (2_000, "act-cap")


def test_an_act_that_counts_nothing_by_its_formula_keeps_its_own_reason() -> None:
    full = act(BIKE, gross=3_000)
    zero = act(BIKE, NOON + MINUTE, gross=0, why="round-trip")
    assert allot([full], [zero], RULES) == {zero.act: (0, "round-trip")}


def test_exactly_the_cap_is_not_cut() -> None:
    first, second = act(BIKE, gross=1_000), act(BIKE, NOON + DAY // 24, gross=2_000)
    assert counted(allot([], [first, second], RULES), [first, second]) == [
        (1_000, None),
        (2_000, None),
    ]


def test_what_a_later_release_no_longer_lists_stands_and_binds_nobody() -> None:
    """An act frozen under an older release keeps its milligrams; no rule is known for it."""
    gone = act("travel.tram")
    assert allot([gone], [act(BIKE)], RULES).popitem()[1] == (1_000, None)
