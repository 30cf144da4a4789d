from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.known import KNOWN
from vault.crypto.commit import ORDER, Scalar, add_points, check_point, commit, write_scalar
from vault.crypto.keys import Root, StreamKey, stream_key
from vault.crypto.meter import (
    CELL_LIMIT,
    TOTAL_LIMIT,
    Cell,
    Masks,
    add_cells,
    add_masks,
    hide,
    masks_of,
    reveal,
)
from vault.errors import BadTotal
from vault.months import Category, Grams, Month, add_months

CELL, SUM = KNOWN["cell"], KNOWN["sum"]
ROOT = Root(bytes.fromhex(CELL["root"]))
KEY = stream_key(ROOT, bytes.fromhex(CELL["link"]))
MASKS = masks_of(KEY, Category(CELL["category"]), Month(CELL["month"]))
grams = st.integers(0, CELL_LIMIT - 1).map(Grams)


def test_mask_and_blinding_are_the_published_ones() -> None:
    assert write_scalar(MASKS.tau).hex() == CELL["mask"]
    assert write_scalar(MASKS.rho).hex() == CELL["rho"]


def test_cell_is_the_published_one() -> None:
    cell = hide(Grams(CELL["grams"]), MASKS)
    assert write_scalar(cell.masked).hex() == CELL["c"]
    assert cell.commitment.hex() == CELL["C"]


def test_cell_of_zero_is_the_published_one() -> None:
    cell = hide(Grams(0), MASKS)
    assert write_scalar(cell.masked).hex() == CELL["mask"]
    assert cell.commitment.hex() == CELL["C_of_zero"]


def test_token_sums_are_the_published_ones() -> None:
    keys = [stream_key(ROOT, bytes.fromhex(link)) for link in SUM["links"]]
    months = [Month(month) for month in SUM["months"]]
    total = add_masks(masks_of(k, Category(SUM["category"]), m) for k, m in product(keys, months))
    assert write_scalar(total.tau).hex() == SUM["tau"]
    assert write_scalar(total.rho).hex() == SUM["rho"]


@pytest.mark.parametrize("total", [0, 1, 480, 2**40 - 1])
def test_total_comes_back(total: int) -> None:
    assert reveal(hide(Grams(total), MASKS), MASKS) == total


@pytest.mark.parametrize("total", [-1, 2**40])
def test_cell_takes_no_more_than_forty_bits(total: int) -> None:
    with pytest.raises(BadTotal):
        hide(Grams(total), MASKS)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.tuples(st.integers(1, 3), st.sampled_from(Category), st.integers(0, 11)),
        grams,
        min_size=1,
        max_size=12,
    ),
    st.sets(st.sampled_from(Category), min_size=1),
    st.integers(0, 11),
    st.sampled_from([1, 3, 12]),
)
def test_token_takes_the_mask_off_any_window(
    closed: dict[tuple[int, Category, int], Grams],
    scope: set[Category],
    first: int,
    step: int,
) -> None:
    """Property 1 at the level of cells: the platform gets exactly the sum of scope and window."""
    inside = {at: t for at, t in closed.items() if at[1] in scope and first <= at[2] < first + step}
    masks = {
        (link, category, month): masks_of(
            stream_key(ROOT, bytes([link]) * 16), category, add_months(Month("2026-01"), month)
        )
        for link, category, month in inside
    }
    blind = add_cells(hide(total, masks[at]) for at, total in inside.items())
    assert reveal(blind, add_masks(masks.values())) == sum(inside.values())


@settings(max_examples=25)
@given(grams, st.integers(1, ORDER - 1))
def test_any_other_tau_rho_c_or_commitment_gives_no_number(total: Grams, shift: int) -> None:
    """Property 2 in part."""
    cell = hide(total, MASKS)
    other = Scalar((MASKS.rho + shift) % ORDER)
    changed: list[tuple[Cell, Masks]] = [
        (cell, replace(MASKS, tau=Scalar((MASKS.tau + shift) % ORDER))),
        (cell, replace(MASKS, rho=other)),
        (replace(cell, masked=Scalar((cell.masked + shift) % ORDER)), MASKS),
        (replace(cell, commitment=commit(total, other)), MASKS),
    ]
    for found, masks in changed:
        with pytest.raises(BadTotal):
            reveal(found, masks)


@pytest.mark.parametrize("shift", [1, -1, 1000])
def test_small_changes_of_c_or_tau_give_no_number(shift: int) -> None:
    cell = hide(Grams(5000), MASKS)
    with pytest.raises(BadTotal, match="commitment"):
        reveal(replace(cell, masked=Scalar((cell.masked + shift) % ORDER)), MASKS)
    with pytest.raises(BadTotal, match="commitment"):
        reveal(cell, replace(MASKS, tau=Scalar((MASKS.tau + shift) % ORDER)))


def test_total_of_52_bits_is_refused_even_with_its_commitment() -> None:
    masks = Masks(Scalar(7), Scalar(9))
    total = Cell(Scalar(TOTAL_LIMIT + 7), commit(TOTAL_LIMIT, Scalar(9)))
    with pytest.raises(BadTotal, match="masks"):
        reveal(total, masks)
    last = Cell(Scalar(TOTAL_LIMIT + 6), commit(TOTAL_LIMIT - 1, Scalar(9)))
    assert reveal(last, masks) == TOTAL_LIMIT - 1


def test_total_of_4096_full_cells_stays_below_the_limit() -> None:
    assert 4096 * (CELL_LIMIT - 1) < TOTAL_LIMIT


def test_blind_sum_does_not_depend_on_order() -> None:
    months = [add_months(Month("2026-01"), i) for i in range(4)]
    cells = [hide(Grams(i), masks_of(KEY, Category.FOOD, m)) for i, m in enumerate(months)]
    assert add_cells(cells) == add_cells(reversed(cells))
    assert add_cells(cells).commitment == add_points(cell.commitment for cell in cells)


def test_every_commitment_that_is_sent_is_one_that_is_taken() -> None:
    for total in (0, 1, CELL_LIMIT - 1):
        check_point(hide(Grams(total), MASKS).commitment)


def test_masks_never_repeat_over_link_category_and_month() -> None:
    """Property 4: 20 links × 7 categories × 24 months, and no two masks or blindings are equal."""
    keys = [stream_key(ROOT, bytes([link]) * 16) for link in range(20)]
    months = [add_months(Month("2026-01"), i) for i in range(24)]
    found = [masks_of(k, c, m) for k, c, m in product(keys, Category, months)]
    numbers = [n for masks in found for n in (masks.tau, masks.rho)]
    assert len(set(numbers)) == len(numbers) == 2 * 20 * 7 * 24


@settings(max_examples=50)
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_relink_gives_a_new_stream_key(old: bytes, new: bytes) -> None:
    """Property 4: a new link id, and only that, gives a new k."""
    assert (stream_key(ROOT, old) == stream_key(ROOT, new)) == (old == new)


def test_masks_are_below_the_order_and_use_its_whole_length() -> None:
    months = [add_months(Month("2026-01"), i) for i in range(100)]
    taus = [masks_of(KEY, Category.TRAVEL, month).tau for month in months]
    assert all(0 <= tau < ORDER for tau in taus)
    assert max(taus) > ORDER - ORDER // 8
    assert min(taus) < ORDER // 8


def test_masks_show_nothing_in_their_repr() -> None:
    shown = repr(Masks(Scalar(123456789), Scalar(987654321)))
    assert "123456789" not in shown
    assert "987654321" not in shown
    assert "123" not in repr(StreamKey(b"123"))
