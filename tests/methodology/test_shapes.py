"""What each formula shape must do whatever its figures are, against a second way of counting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.methodology.files import GOOD, HEAD, VECTORS
from vault.methodology.behaviour import Behaviour
from vault.methodology.formula import Factor, Formula, milligrams

JANUARY = 1767571200
SHAPES: dict[str, Formula] = {
    name: TypeAdapter[Formula](Formula).validate_python(members)
    for name, members in {
        "linear": {"shape": "linear", "unit": "m"},
        "difference": {"shape": "difference", "baseline": "m", "project": "Wh"},
        "difference of one unit": {"shape": "difference", "baseline": "m", "project": "m"},
        "energy_displacement": {"shape": "energy_displacement", "unit": "Wh"},
        "metered_baseline": {
            "shape": "metered_baseline",
            "use": "Wh",
            "persons": "count",
            "seconds": "s",
        },
        "production_x_rate": {"shape": "production_x_rate", "unit": "count"},
        "zero": {"shape": "zero"},
    }.items()
}
SCALED = ["linear", "production_x_rate", "energy_displacement", "difference of one unit"]
UNITS = ("m", "Wh", "count", "s", "ml", "g")


class Case(NamedTuple):
    """One act, and the figures that it meets, as a file writes them."""

    shape: str
    activity: dict[str, int]
    texts: dict[str, str]

    def mg(self, activity: Mapping[str, int] | None = None) -> int:
        return milligrams(SHAPES[self.shape], activity or self.activity, factor(self.texts))


def factor(texts: Mapping[str, str]) -> Factor:
    return Factor.model_validate(
        {
            "region": "CN",
            "valid_from": date(2024, 6, 1),
            "source": {
                "title": "a report",
                "locator": "page 1",
                "grade": "M",
                "note": {"zh-CN": "注", "en": "note"},
            },
            **texts,
        }
    )


def scaled(text: str) -> Fraction:
    """A decimal by hand: its digits over a power of ten."""
    whole, _, rest = text.partition(".")
    return Fraction(int(whole + rest), 10 ** len(rest))


def counted_again(case: Case) -> Fraction:
    """The milligrams before rounding, each shape written out by hand, over one denominator."""
    a, f = case.activity, {name: scaled(text) for name, text in case.texts.items()}
    match case.shape:
        case "linear":
            return f["mg_per_unit"] * a["m"]
        case "difference":
            return f["baseline_mg_per_unit"] * a["m"] - f["project_mg_per_unit"] * a["Wh"]
        case "difference of one unit":
            return (f["baseline_mg_per_unit"] - f["project_mg_per_unit"]) * a["m"]
        case "energy_displacement":
            metres = a["Wh"] * f["efficiency"] / f["wh_per_m"]
            return metres * f["ml_per_m"] * f["mg_per_ml"] - a["Wh"] * f["mg_per_wh"]
        case "metered_baseline":
            usual = a["count"] * a["s"] * f["wh_per_person_day"]
            return (usual - 86400 * a["Wh"]) * f["mg_per_wh"] / 86400
        case "production_x_rate":
            return f["rate"] * f["production_mg_per_unit"] * a["count"]
    return Fraction(0)


amounts = st.one_of(st.integers(0, 50), st.integers(0, 10_000_000), st.integers(0, 2**53 - 1))
decimals = st.from_regex(r"(0|[1-9][0-9]{0,6})(\.[0-9]{1,9})?", fullmatch=True).filter(
    lambda text: scaled(text) > 0
)
rates = st.from_regex(r"0\.[0-9]{1,9}|1", fullmatch=True).filter(lambda text: scaled(text) > 0)


@st.composite
def cases(draw: st.DrawFn, names: list[str] | None = None) -> Case:
    shape = draw(st.sampled_from(names or list(SHAPES)))
    activity = {unit: draw(amounts) for unit in UNITS}
    texts = {name: draw(rates if name == "rate" else decimals) for name in SHAPES[shape].figures}
    return Case(shape, activity, texts)


KNOWN = [
    (Case("linear", {"m": 1200}, {"mg_per_unit": "48.7"}), 58_440),
    (
        Case(
            "difference",
            {"m": 1000, "Wh": 150},
            {"baseline_mg_per_unit": "250", "project_mg_per_unit": "530.6"},
        ),
        170_410,
    ),
    (
        Case(
            "difference of one unit",
            {"m": 1000},
            {"baseline_mg_per_unit": "250", "project_mg_per_unit": "97"},
        ),
        153_000,
    ),
    (
        Case(
            "energy_displacement",
            {"Wh": 1000},
            {
                "efficiency": "0.9",
                "wh_per_m": "0.15",
                "ml_per_m": "0.057",
                "mg_per_ml": "2370",
                "mg_per_wh": "530.6",
            },
        ),
        279_940,
    ),
    (
        Case(
            "metered_baseline",
            {"count": 3, "s": 864_000, "Wh": 50_000},
            {"wh_per_person_day": "2000", "mg_per_wh": "530.6"},
        ),
        5_306_000,
    ),
    (
        Case(
            "production_x_rate",
            {"count": 2},
            {"production_mg_per_unit": "5200000", "rate": "0.3"},
        ),
        3_120_000,
    ),
    (Case("zero", {"m": 1200}, {}), 0),
]


@pytest.mark.parametrize(("case", "mg"), KNOWN, ids=[case.shape for case, _ in KNOWN])
def test_a_shape_gives_what_paper_gives(case: Case, mg: int) -> None:
    assert case.mg() == mg
    assert counted_again(case) == mg


@given(cases())
def test_every_shape_is_the_exact_floor_and_never_negative(case: Case) -> None:
    exact, mg = counted_again(case), case.mg()
    assert mg >= 0
    assert mg == (exact.numerator // exact.denominator if exact > 0 else 0)


@given(cases(), st.data())
def test_more_of_a_unit_that_raises_never_gives_less(case: Case, data: st.DataObject) -> None:
    for unit in SHAPES[case.shape].raises:
        more = {**case.activity, unit: case.activity[unit] + data.draw(amounts)}
        assert case.mg(more) >= case.mg()


@given(cases(), st.data())
def test_more_of_a_unit_that_lowers_never_gives_more(case: Case, data: st.DataObject) -> None:
    for unit in SHAPES[case.shape].lowers:
        more = {**case.activity, unit: case.activity[unit] + data.draw(amounts)}
        assert case.mg(more) <= case.mg()


@given(cases(), st.data())
def test_a_unit_that_neither_raises_nor_lowers_changes_nothing(
    case: Case, data: st.DataObject
) -> None:
    formula = SHAPES[case.shape]
    for unit in set(UNITS) - {*formula.raises, *formula.lowers}:
        assert case.mg({**case.activity, unit: data.draw(amounts)}) == case.mg()


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "zero"])
def test_raising_and_lowering_are_no_empty_words(shape: str) -> None:
    case = next(case for case, _ in KNOWN if case.shape == shape)
    formula = SHAPES[shape]
    for unit in formula.raises:
        assert case.mg({**case.activity, unit: 2 * case.activity[unit]}) > case.mg()
    for unit in formula.lowers:
        assert case.mg({**case.activity, unit: case.activity[unit] + 1}) < case.mg()


@given(cases())
def test_the_floor_loses_less_than_one_milligram_an_act(case: Case) -> None:
    assert 0 <= max(Fraction(0), counted_again(case)) - case.mg() < 1


@given(cases(SCALED), st.lists(st.integers(0, 1_000_000), min_size=1, max_size=8))
def test_an_act_cut_into_parts_loses_less_than_one_milligram_a_part(
    case: Case, parts: list[int]
) -> None:
    (unit,) = SHAPES[case.shape].raises
    whole = case.mg({unit: sum(parts)})
    assert 0 <= whole - sum(case.mg({unit: part}) for part in parts) < len(parts)


LADDER = ("CN", "CN-HB", "CN-HB-WH", "CN-HB-WH-1")


@given(st.sets(st.sampled_from(LADDER)), st.sampled_from([*LADDER, "CN-GD", "CNX", "US"]))
def test_the_factor_of_the_most_specific_region_is_taken(there: set[str], place: str) -> None:
    blocks = "".join(
        f'[[factors]]\nregion = "{region}"\nvalid_from = 2024-06-01\n'
        f'mg_per_unit = "{len(region)}"\n'
        'source = { title = "t", locator = "l", grade = "M", note = { zh-CN = "注", en = "n" } }\n'
        for region in there
    )
    behaviour = Behaviour.from_toml((HEAD + blocks + VECTORS).encode())
    near = [region for region in there if f"{place}-".startswith(f"{region}-")]
    counted = behaviour.count({"m": 10, "s": 60}, place, JANUARY)
    if near:
        assert counted == (10 * len(max(near, key=len)), None, False)
    else:
        assert counted == (0, "no-factor-for-region", False)


def limited(rule: str, caps: str = "") -> Behaviour:
    """The good file with a bound or a cap, its vectors not looked at."""
    bound = f'[[bounds]]\n{rule}\nreason = "odd"\ntext = {{ zh-CN = "奇", en = "odd" }}\n'
    cap = f'[caps]\n{caps}\nproposal = true\nnote = {{ zh-CN = "注", en = "note" }}\n'
    text = GOOD + (bound if rule else "") + (cap if caps else "")
    return Behaviour.from_toml(text.encode())


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_a_bound_refuses_beyond_its_edge_and_never_at_it(limit: int, beyond: int) -> None:
    over = limited(f'rule = "over"\nunit = "s"\nlimit = {limit}')
    assert not over.count({"m": 1, "s": limit}, "CN", JANUARY).refused
    assert over.count({"m": 1, "s": limit + beyond}, "CN", JANUARY) == (0, "odd", True)
    under = limited(f'rule = "under"\nunit = "s"\nlimit = {limit}')
    assert not under.count({"m": 1, "s": limit}, "CN", JANUARY).refused
    assert under.count({"m": 1, "s": max(0, limit - beyond)}, "CN", JANUARY) == (0, "odd", True)


@given(st.integers(1, 100_000), st.integers(1, 86_400), st.integers(1, 86_400))
def test_a_speed_is_refused_one_metre_beyond_the_bound(limit: int, span: int, s: int) -> None:
    faster = limited(f'rule = "faster"\nunit = "m"\nlimit = {limit}\nper = "s"\nspan = {span}')
    most = limit * s // span  # whole metres within the bound
    assert not faster.count({"m": most, "s": s}, "CN", JANUARY).refused
    assert faster.count({"m": most + 1, "s": s}, "CN", JANUARY).refused


@given(st.integers(0, 10_000), st.integers(1, 1_000_000))
def test_the_cap_of_an_act_cuts_at_the_milligram(grams: int, m: int) -> None:
    plain = limited("").count({"m": m, "s": 60}, "CN", JANUARY)
    capped = limited("", f"act_g = {grams}").count({"m": m, "s": 60}, "CN", JANUARY)
    if plain.mg > 1000 * grams:
        assert capped == (1000 * grams, "act-cap", False)
    else:
        assert capped == plain


@given(st.integers(1, 1000))
def test_exactly_the_cap_is_not_cut(times: int) -> None:
    behaviour = limited("", f"act_g = {487 * times}")
    at = {"m": 10_000 * times, "s": 60}
    beyond = {"m": 10_000 * times + 1, "s": 60}
    assert behaviour.count(at, "CN", JANUARY) == (487_000 * times, None, False)
    assert behaviour.count(beyond, "CN", JANUARY) == (487_000 * times, "act-cap", False)
