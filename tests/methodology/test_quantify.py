"""One act, the same milligrams everywhere."""

from collections.abc import Mapping
from fractions import Fraction
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.methodology.files import BOUND, BOUND_VECTOR, CAPS, GOOD, TIER_B, release_file, spoiled
from tests.methodology.test_release import ACCEPTED
from vault.errors import BadMethodology, BadShape, OutOfBounds
from vault.methodology.behaviour import Evidence
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release, load_release, read_release
from vault.months import Milligrams

JANUARY = 1767571200
DEMO = load_release("demo-1")


def release_of(text: str, more: str = "") -> Release:
    return read_release(release_file(text.encode()) + more.encode(), [text.encode()])


def bike(m: int, s: int, region: str = "CN-ZJ-HZ", start: int = JANUARY) -> Act:
    return Act("travel.bike", {"m": m, "s": s}, start, start + s, region)


metres = st.integers(1, 400_000)
seconds = st.integers(1, 86_400)


def test_a_ride_is_credited_and_names_its_revision() -> None:
    assert quantify(bike(1200, 300), DEMO) == Credit(Milligrams(58440), "travel.bike", 1, None)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (bike(0, 300), "round-trip"),
        (bike(0, 90_000), "round-trip"),
        (bike(1200, 86_401), "over-24-hours"),
        (bike(1200, 0), "over-35-km-h"),
        (bike(9723, 1000), "over-35-km-h"),
        (bike(1200, 300, region="US-CA"), "no-factor-for-region"),
        (bike(1200, 300, start=0), "no-factor-for-date"),
    ],
)
def test_every_zero_has_its_reason(act: Act, reason: str) -> None:
    credit = quantify(act, DEMO)
    assert (credit.mg, credit.reason) == (0, reason)


def test_the_limits_themselves_are_not_excluded() -> None:
    assert quantify(bike(35_000, 3600), DEMO).reason is None
    assert quantify(bike(35_001, 3600), DEMO).reason == "over-35-km-h"
    assert quantify(bike(175, 18), DEMO).reason is None
    assert quantify(bike(1, 86_400), DEMO).reason is None


@pytest.mark.parametrize(
    "activity",
    [{}, {"m": 1}, {"m": 1, "s": 1, "Wh": 1}, {"m": -1, "s": 1}, {"m": 2**53, "s": 1}],
)
def test_other_measurements_are_refused(activity: dict[str, int]) -> None:
    with pytest.raises(BadShape):
        quantify(Act("travel.bike", activity, JANUARY, JANUARY, "CN"), DEMO)


@pytest.mark.parametrize("amount", [True, 1.0, "1"])
def test_only_integers_measure(amount: object) -> None:
    activity = cast("Mapping[str, int]", {"m": amount, "s": 60})
    with pytest.raises(BadShape, match="integers"):
        quantify(Act("travel.bike", activity, JANUARY, JANUARY, "CN"), DEMO)


def test_an_act_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(BadShape, match="ends at"):
        quantify(Act("travel.bike", {"m": 9, "s": 9}, JANUARY, JANUARY - 1, "CN"), DEMO)


def test_an_act_beyond_what_a_record_holds_is_refused() -> None:
    file = GOOD.encode()
    release = read_release(release_file(file), [file])
    with pytest.raises(BadShape, match="more than a record can hold"):
        quantify(bike(2**53 - 1, 1), release)


def test_an_unlisted_behaviour_is_refused() -> None:
    with pytest.raises(BadMethodology):
        quantify(Act("travel.metro", {"m": 1}, JANUARY, JANUARY, "CN"), DEMO)


@pytest.mark.parametrize("evidence", ["E0", "E1", "E2"])
def test_weak_evidence_is_credited_nothing(evidence: Evidence) -> None:
    act = Act("travel.bike", {"m": 1200, "s": 300}, JANUARY, JANUARY + 300, "CN", evidence)
    assert quantify(act, DEMO) == Credit(Milligrams(0), "travel.bike", 1, "weak-evidence")


def test_an_act_out_of_bounds_is_an_error_that_names_the_bound_and_no_amount() -> None:
    release = release_of(GOOD + BOUND_VECTOR + BOUND)
    assert quantify(bike(20_000, 2_000), release).mg == 974_000
    with pytest.raises(OutOfBounds) as refused:
        quantify(bike(20_001, 2_001), release)
    assert refused.value.reason == "too-far"
    assert "20001" not in str(refused.value)


def test_the_cap_of_one_act_cuts_what_lies_above() -> None:
    release = release_of(GOOD + CAPS)
    assert quantify(bike(20_533, 3_000), release) == Credit(
        Milligrams(999_957), "travel.bike", 1, None
    )
    assert quantify(bike(20_534, 3_000), release) == Credit(
        Milligrams(1_000_000), "travel.bike", 1, "act-cap"
    )


def test_tier_b_is_credited_once_its_release_accepts_it() -> None:
    pending, accepted = release_of(TIER_B), release_of(TIER_B, ACCEPTED)
    assert quantify(bike(1200, 300), pending).reason == "not-accepted"
    assert quantify(bike(1200, 300), pending).mg == 0
    assert quantify(bike(1200, 300), accepted).mg == 58_440


factors = st.from_regex(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?", fullmatch=True).filter(
    lambda text: Fraction(text) > 0
)


@given(factors, metres)
def test_linear_is_the_exact_floor(factor: str, m: int) -> None:
    exact = Fraction(factor) * m
    first = Fraction(factor) * 1200 // 1
    file = spoiled('"48.7"', f'"{factor}"').replace(
        b"mg = 58440", b"mg = %d" % first if first else b'mg = 0\nreason = "below-one-milligram"'
    )
    mg = quantify(bike(m, 60), read_release(release_file(file), [file])).mg
    assert mg <= exact < mg + 1


@given(metres, metres, seconds)
def test_credit_is_never_negative_and_grows_with_the_distance(m: int, n: int, s: int) -> None:
    less, more = (quantify(bike(each, s), DEMO) for each in sorted((m, n)))
    assert less.mg >= 0
    assert more.reason == "over-35-km-h" or more.mg >= less.mg
    assert all((credit.mg > 0) is (credit.reason is None) for credit in (less, more))


@given(st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 100_000)), max_size=20), st.data())
def test_the_order_of_acts_changes_nothing(
    acts: list[tuple[int, int]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(range(len(acts))))
    forward = [quantify(bike(*act), DEMO) for act in acts]
    backward = {i: quantify(bike(*acts[i]), DEMO) for i in shuffled}
    assert [backward[i] for i in range(len(acts))] == forward


@given(metres, seconds)
def test_the_order_of_units_changes_nothing(m: int, s: int) -> None:
    turned = Act("travel.bike", {"s": s, "m": m}, JANUARY, JANUARY + s, "CN-ZJ-HZ")
    assert quantify(turned, DEMO) == quantify(bike(m, s), DEMO)
