from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.chain import ZERO, digest_of, settle
from vault.crypto.meter import CELL_LIMIT
from vault.months import Category, Grams, Milligrams

milligrams = st.integers(-(2**52), 2**52).map(Milligrams)
balances = st.lists(milligrams, min_size=7, max_size=7)
sums = st.dictionaries(st.sampled_from([int(c) for c in Category]), milligrams)
caps = st.fixed_dictionaries({c: st.integers(0, CELL_LIMIT - 1) for c in Category})


@given(balances, sums, caps)
def test_settling_loses_and_makes_no_milligram(
    before: list[Milligrams], added: dict[int, int], cap: dict[Category, int]
) -> None:
    found = settle(before, added, lambda category: Grams(cap[category]))
    for i, category in enumerate(Category):
        whole = before[i] + added.get(category, 0)
        assert found.grams[i] * 1000 + found.balances[i] == whole
        assert 0 <= found.grams[i] <= cap[category]


@given(balances, sums, caps)
def test_settling_closes_as_much_as_cap_and_balance_allow(
    before: list[Milligrams], added: dict[int, int], cap: dict[Category, int]
) -> None:
    found = settle(before, added, lambda category: Grams(cap[category]))
    for i, category in enumerate(Category):
        full = found.grams[i] == cap[category]
        assert full or found.balances[i] < 1000
        assert found.grams[i] == 0 or found.balances[i] >= 0


@given(st.lists(sums, min_size=1, max_size=12), caps)
def test_a_year_of_closes_and_the_last_balance_are_all_that_was_booked(
    months: list[dict[int, int]], cap: dict[Category, int]
) -> None:
    left, closed = ZERO, [0] * 7
    for added in months:
        found = settle(left, added, lambda category: Grams(cap[category]))
        left = found.balances
        closed = [sum(pair) for pair in zip(closed, found.grams, strict=True)]
    for i, category in enumerate(Category):
        booked = sum(added.get(category, 0) for added in months)
        assert closed[i] * 1000 + left[i] == booked


def test_negative_balance_is_carried_and_closes_zero() -> None:
    """Property 6: a correction larger than the month goes on as a debt."""
    cap = Grams(10**6)
    first = settle(ZERO, {4: -2500}, lambda _: cap)
    assert first.grams == (0,) * 7
    assert first.balances[3] == -2500
    second = settle(first.balances, {4: 4000}, lambda _: cap)
    assert second.grams[3] == 1
    assert second.balances[3] == 500


@pytest.mark.parametrize(("mg", "grams", "left"), [(999, 0, 999), (1000, 1, 0), (-1, 0, -1)])
def test_only_whole_grams_are_closed(mg: int, grams: int, left: int) -> None:
    found = settle(ZERO, {1: mg}, lambda _: Grams(10))
    assert (found.grams[0], found.balances[0]) == (grams, left)


def test_what_is_over_the_cap_stays_for_later_months() -> None:
    first = settle(ZERO, {2: 25_000}, lambda _: Grams(10))
    second = settle(first.balances, {}, lambda _: Grams(10))
    third = settle(second.balances, {}, lambda _: Grams(10))
    assert [s.grams[1] for s in (first, second, third)] == [10, 10, 5]


def test_no_cap_lets_a_cell_pass_forty_bits() -> None:
    found = settle(ZERO, {1: 1000 * CELL_LIMIT}, lambda _: Grams(2**45))
    assert found.grams[0] == CELL_LIMIT - 1
    assert found.balances[0] == 1000


@pytest.mark.parametrize("count", [0, 6, 8])
def test_balances_are_seven(count: int) -> None:
    with pytest.raises(ValueError, match="argument"):
        settle([Milligrams(0)] * count, {}, lambda _: Grams(1))


def test_digest_is_over_the_hashes_in_order() -> None:
    parts = b"".join(sha256(text).digest() for text in (b"a", b"b", b"c", b"d"))
    assert digest_of([("a", "b"), ("c", "d")]) == sha256(parts).digest()
    assert digest_of([("c", "d"), ("a", "b")]) != digest_of([("a", "b"), ("c", "d")])


def test_digest_of_nothing_is_the_hash_of_nothing() -> None:
    assert digest_of([]) == sha256(b"").digest()
