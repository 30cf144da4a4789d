"""Amounts are rounded down once, and what is no amount is named."""

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import BadFile
from vault.importers.amounts import LIMIT, exact_units


@pytest.mark.parametrize(
    ("number", "scale", "units"),
    [
        ("7.78", 1000, 7780),
        ("0.0009999999999999999999", 1000, 0),
        ("1.5E-05", 10**6, 15),
        ("1e3", 1, 1000),
        (Decimal("0.29"), 100, 29),  # 28 by floats
        (5, 1000, 5000),
        ("-0", 1, 0),
        (Decimal("1e-999999999999"), 1000, 0),
        (LIMIT - 1, 1, LIMIT - 1),
        ("9007199254740991.999", 1, LIMIT - 1),
    ],
)
def test_an_amount_is_scaled_and_rounded_down(
    number: str | int | Decimal, scale: int, units: int
) -> None:
    assert exact_units(number, scale) == units


@pytest.mark.parametrize(
    "number",
    [
        "",
        "NaN",
        "Infinity",
        "1e308",
        "1,5",
        "1.",
        ".5",
        "+1",
        " 1",
        "1\n",
        "0x10",
        "1_000",
        "１２",
        "9" * 41,
        True,
        LIMIT,
        10**4000,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1e999999999"),
    ],
)
def test_what_is_no_amount_is_a_bad_number(number: str | int | Decimal) -> None:
    with pytest.raises(BadFile, match=r"^bad-number$"):
        exact_units(number, 1)


@pytest.mark.parametrize("number", ["-3", "-0.001", "-1e308", -1, Decimal("-1e-999")])
def test_what_is_below_zero_is_negative(number: str | int | Decimal) -> None:
    with pytest.raises(BadFile, match=r"^negative$"):
        exact_units(number, 1000)


def test_an_amount_must_fit_after_it_is_scaled() -> None:
    assert exact_units(LIMIT // 1000, 1000) < LIMIT
    with pytest.raises(BadFile, match="bad-number"):
        exact_units(LIMIT // 1000 + 1, 1000)


@given(
    st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False),
    st.integers(1, 10**6),
)
def test_text_and_number_agree_with_fractions(number: Decimal, scale: int) -> None:
    exact = floor(Fraction(number) * scale)
    assert exact_units(number, scale) == exact
    assert exact_units(f"{number.quantize(Decimal('1e-12')):f}", 1) == floor(
        number.quantize(Decimal("1e-12"))
    )
