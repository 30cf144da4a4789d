"""A behaviour file is read only if it keeps every rule."""

from fractions import Fraction
from importlib.resources import files

import pytest

from tests.methodology.files import EXCLUSION, FACTOR, GOOD, HEAD, VECTORS, spoiled
from vault.errors import BadMethodology
from vault.methodology import reasons
from vault.methodology.check import read_behaviour
from vault.months import Category

JANUARY = 1767571200  # 2026-01-05T08:00:00+08:00


def test_the_good_file_is_read() -> None:
    behaviour = read_behaviour(GOOD.encode())
    assert (behaviour.id, behaviour.rev, behaviour.category) == ("travel.bike", 1, Category.TRAVEL)
    assert behaviour.factors[0].figures == {"mg_per_unit": Fraction(487, 10)}


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"\xff", "not UTF-8 TOML"),
        (b"id = ", "not UTF-8 TOML"),
        (b"", "format: Field required"),
        (spoiled("behaviour/1", "behaviour/2"), "format:"),
        (spoiled("travel.bike", "sport.bike"), "id:"),
        (spoiled("rev = 1", "rev = 0"), "rev:"),
        (spoiled("rev = 1", "rev = true"), "rev:"),
        (spoiled('tier = "A"', 'tier = "C"'), "tier:"),
        (spoiled("Asia/Shanghai", "Asia/Atlantis"), "no such time zone"),
        (spoiled("Asia/Shanghai", "../etc"), "no such time zone"),
        (spoiled('units = ["m", "s"]', 'units = ["km", "s"]'), "units.0:"),
        (spoiled('zh-CN = "名", ', ""), "zh-CN and in en"),
        (spoiled('en = "says"', 'en = ""'), "zh-CN and in en"),
        (spoiled('shape = "linear"', 'shape = "exp"'), "formula.shape:"),
        (spoiled('unit = "m" }', 'unit = "m", then = "m*2" }'), "Extra inputs"),
        (spoiled('rule = "under"', 'rule = "odd"'), "exclusions.0:"),
        (spoiled("limit = 1", "limit = 1.5"), "limit:"),
        (spoiled('region = "CN"', 'region = "cn"'), "region:"),
        (spoiled('mg_per_unit = "48.7"', "mg_per_unit = 48.7"), "mg_per_unit:"),
        (spoiled('"48.7"', '"-48.7"'), "mg_per_unit:"),
        (spoiled('"48.7"', '"4.87e1"'), "mg_per_unit:"),
        (spoiled("2024-06-01", "2024-06-01T08:00:00"), "valid_from:"),
        (spoiled('grade = "M"', 'grade = "A"'), "grade:"),
        (spoiled('locator = "page 1"', ""), "locator:"),
        (spoiled("2026-01-05T08:00:00+08:00", "2026-01-05T08:00:00"), "start:"),
        ((HEAD + EXCLUSION + FACTOR).encode(), "vectors:"),
    ],
)
def test_a_file_of_another_form_is_refused(file: bytes, says: str) -> None:
    with pytest.raises(BadMethodology) as refused:
        read_behaviour(file)
    assert says in str(refused.value)


LATER = FACTOR.replace("2024-06-01", "2025-01-01")


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (spoiled('units = ["m", "s"]', 'units = ["Wh", "s"]'), "units does not list m"),
        (spoiled(EXCLUSION, EXCLUSION * 2), "a reason stands twice"),
        (spoiled("round-trip", "no-factor-for-date"), "has a meaning already"),
        (spoiled('"48.7"', '"0.0"'), "a factor is zero"),
        (spoiled("valid_from", "valid_until = 2024-01-01\nvalid_from"), "ends before it begins"),
        (spoiled(FACTOR, FACTOR + LATER), "choose one"),
        (spoiled(FACTOR, LATER + FACTOR), "choose one"),
        (spoiled('grade = "M"', 'grade = "L"'), "wants grades H or M, found L"),
        (spoiled('grade = "M"', 'grade = "U"'), "wants grades H or M, found U"),
        (spoiled(FACTOR, ""), "found no factor"),
        (spoiled("mg = 58440", "mg = 58441"), "vector 1 counts"),
        (spoiled('reason = "round-trip"\n', "", HEAD + FACTOR + VECTORS), "vector 2 counts"),
        (spoiled("m = 1200, s = 300", "m = 1200"), "vector 1 has other units"),
        ((HEAD + EXCLUSION + FACTOR + VECTORS[: VECTORS.rindex("[[")]).encode(), "no vector for"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(file: bytes, says: str) -> None:
    with pytest.raises(BadMethodology) as refused:
        read_behaviour(file)
    assert says in str(refused.value)


def test_factors_that_follow_each_other_are_taken_by_the_day_of_the_act() -> None:
    first = FACTOR.replace("valid_from", "valid_until = 2025-01-01\nvalid_from")
    behaviour = read_behaviour(
        spoiled(FACTOR, first + LATER.replace("48.7", "40")).replace(b"58440", b"48000")
    )
    midnight = 1735660800  # 2025-01-01T00:00:00+08:00
    assert behaviour.count({"m": 10, "s": 60}, "CN", midnight - 1).mg == 487
    assert behaviour.count({"m": 10, "s": 60}, "CN", midnight).mg == 400


def test_the_most_specific_region_is_taken() -> None:
    wuhan = FACTOR.replace('"CN"', '"CN-HB-WH"').replace("48.7", "40")
    behaviour = read_behaviour(spoiled(FACTOR, FACTOR + wuhan).replace(b"58440", b"48000"))
    found = {
        region: behaviour.count({"m": 10, "s": 60}, region, JANUARY).mg
        for region in ("CN-HB-WH", "CN-HB-WH-1", "CN-HB-WHX", "CN-HB", "CN", "CNX", "US")
    }
    assert found == {
        "CN-HB-WH": 400,
        "CN-HB-WH-1": 400,
        "CN-HB-WHX": 487,
        "CN-HB": 487,
        "CN": 487,
        "CNX": 0,
        "US": 0,
    }


@pytest.mark.parametrize(("tier", "why"), [("B", "not-accepted"), ("Z", "no-published-factor")])
def test_other_tiers_count_nothing_and_may_have_any_grade(tier: str, why: str) -> None:
    text = HEAD.replace('"A"', f'"{tier}"') + FACTOR.replace('"M"', '"U"') + VECTORS
    text = text.replace("58440", f'0\nreason = "{why}"').replace("round-trip", why)
    assert read_behaviour(text.encode()).count({"m": 9, "s": 9}, "CN", JANUARY)[:2] == (0, why)


def test_less_than_a_milligram_has_its_reason() -> None:
    behaviour = read_behaviour(spoiled('"48.7"', '"0.1"').replace(b"58440", b"120"))
    assert behaviour.count({"m": 9, "s": 9}, "CN", JANUARY) == (0, "below-one-milligram", False)
    assert behaviour.count({"m": 10, "s": 9}, "CN", JANUARY) == (1, None, False)


def test_every_reason_has_words_in_both_languages() -> None:
    for file in files("vault.methodology").joinpath("behaviours").iterdir():
        behaviour = read_behaviour(file.read_bytes())
        own = [exclusion.reason for exclusion in (*behaviour.exclusions, *behaviour.bounds)]
        for reason in [*own, *reasons.TEXTS]:
            assert behaviour.why(reason, "zh-CN") != behaviour.why(reason, "en") != ""
    with pytest.raises(BadMethodology):
        behaviour.why("because", "en")
