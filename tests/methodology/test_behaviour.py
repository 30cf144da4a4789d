"""A behaviour file is read only if it keeps every rule."""

from fractions import Fraction
from importlib.resources import files

import pytest

from tests.methodology.files import (
    BOUND,
    BOUND_VECTOR,
    CAPS,
    EXCLUSION,
    FACTOR,
    GOOD,
    HEAD,
    SOURCE,
    TIER_B,
    TIER_Z,
    VECTORS,
    spoiled,
)
from vault.errors import BadMethodology
from vault.methodology import reasons
from vault.methodology.behaviour import Evidence
from vault.methodology.check import read_behaviour
from vault.months import Category

JANUARY = 1767571200  # 2026-01-05T08:00:00+08:00
STRONG: tuple[Evidence, ...] = ("E3", "E4")


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
        (spoiled('en = "says"', 'en = " "'), "something beside spaces"),
        (spoiled('zh-CN = "名"', 'zh-CN = "\u3000\u00a0"'), "something beside spaces"),
        (spoiled('en = "says"', 'en = "says\\nmore"'), "nothing that turns or hides text"),
        (spoiled('en = "says"', 'en = "says\\u001b[31m"'), "nothing that turns or hides text"),
        (spoiled('en = "says"', 'en = "says\\u202e"'), "nothing that turns or hides text"),
        (spoiled('locator = "page 1"', 'locator = " "'), "locator: Value error, wanted a text"),
        (spoiled('locator = "page 1"', 'locator = "page\\u200b1"'), "locator: Value error, wanted"),
        (spoiled('locator = "page 1"', 'locator = "page\\u20281"'), "locator: Value error, wanted"),
        (spoiled('shape = "linear"', 'shape = "exp"'), "formula: Input tag 'exp'"),
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


def test_tier_z_has_the_shape_zero_and_counts_nothing() -> None:
    behaviour = read_behaviour(TIER_Z.encode())
    assert behaviour.count({"m": 9, "s": 9}, "CN", JANUARY) == (0, "no-published-factor", False)
    assert behaviour.factors == ()


@pytest.mark.parametrize("grade", ["H", "M", "L", "U"])
def test_tier_b_may_have_any_grade_and_its_vectors_say_what_would_count(grade: str) -> None:
    behaviour = read_behaviour(spoiled('grade = "M"', f'grade = "{grade}"', TIER_B))
    act = {"m": 1200, "s": 300}
    assert behaviour.count(act, "CN", JANUARY) == (0, "not-accepted", False)
    assert behaviour.count(act, "CN", JANUARY, accepted=True) == (58440, None, False)


def test_an_acceptance_changes_nothing_but_tier_b() -> None:
    for text in (GOOD, TIER_Z):
        behaviour, act = read_behaviour(text.encode()), {"m": 1200, "s": 300}
        plain = behaviour.count(act, "CN", JANUARY)
        assert behaviour.count(act, "CN", JANUARY, accepted=True) == plain


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (spoiled('tier = "A"', 'tier = "Z"'), "tier Z, and it alone, has the shape zero"),
        (spoiled('tier = "Z"', 'tier = "A"', TIER_Z), "tier Z, and it alone, has the shape zero"),
        (spoiled('tier = "Z"', 'tier = "B"', TIER_Z), "tier Z, and it alone, has the shape zero"),
        ((TIER_Z + FACTOR).encode(), "tier Z, and it alone, has the shape zero"),
        (spoiled(FACTOR, "", TIER_B), "vector 1 counts"),
        (spoiled("58440", '0\nreason = "not-accepted"', TIER_B), "vector 1 counts (58440,"),
        (spoiled('"no-published-factor"', '"not-accepted"', TIER_Z), "vector 1 counts"),
    ],
)
def test_tier_and_shape_belong_together(file: bytes, says: str) -> None:
    with pytest.raises(BadMethodology) as refused:
        read_behaviour(file)
    assert says in str(refused.value)


DIFFERENCE = '{ shape = "difference", baseline = "m", project = "m" }'
RATE = '{ shape = "production_x_rate", unit = "m" }'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('mg_per_unit = "48.7"', "", "wants the figures mg_per_unit, found none"),
        ('mg_per_unit = "48.7"', 'rate = "0.5"', "wants the figures mg_per_unit, found rate"),
        ('"48.7"', '"48.7"\nrate = "0.5"', "found mg_per_unit, rate"),
        ('{ shape = "linear", unit = "m" }', DIFFERENCE, "baseline_mg_per_unit, project_mg_per"),
        ('"48.7"', '"0"', "a factor is zero"),
        ('"48.7"', '"0.000"', "a factor is zero"),
    ],
)
def test_a_factor_gives_the_figures_of_its_shape_and_none_is_zero(
    old: str, new: str, says: str
) -> None:
    with pytest.raises(BadMethodology) as refused:
        read_behaviour(spoiled(old, new))
    assert says in str(refused.value)


def test_a_rate_is_at_most_one() -> None:
    text = GOOD.replace('{ shape = "linear", unit = "m" }', RATE)
    figures = 'production_mg_per_unit = "48.7"\nrate = "{}"'
    whole = text.replace('mg_per_unit = "48.7"', figures.format("1"))
    assert read_behaviour(whole.encode()).factors[0].figures["rate"] == 1
    with pytest.raises(BadMethodology, match="a rate is at most 1"):
        read_behaviour(whole.replace('rate = "1"', 'rate = "1.000000001"').encode())


@pytest.mark.parametrize("ground", ["", f"proposal = true\n{SOURCE}", "proposal = false"])
@pytest.mark.parametrize("text", [BOUND, CAPS])
def test_a_bound_or_cap_has_one_ground_a_source_or_that_it_is_ours(text: str, ground: str) -> None:
    whole = GOOD + BOUND_VECTOR + BOUND + CAPS
    read_behaviour(whole.encode())
    read_behaviour(whole.replace(text, text.replace("proposal = true", SOURCE)).encode())
    with pytest.raises(BadMethodology, match="names its source, or says proposal = true"):
        read_behaviour(whole.replace(text, text.replace("proposal = true", ground)).encode())


@pytest.mark.parametrize(
    ("caps", "says"),
    [
        ("act_g = 973", "a cap of 973 g is below its bounds, which allow 974000 mg"),
        ("day_g = 973", "a cap of 973 g is below its bounds"),
        ("month_g = 0", "a cap of 0 g is below its bounds"),
        ("act_g = 974", ""),
        ("act_g = 2000\nday_g = 1999", "act_g <= day_g <= month_g"),
        ("day_g = 2000\nmonth_g = 1999", "act_g <= day_g <= month_g"),
        ("", "wanted at least one cap"),
    ],
)
def test_no_cap_is_below_what_an_act_within_bounds_counts(caps: str, says: str) -> None:
    text = CAPS.replace("act_g = 1000\nday_g = 1500\nmonth_g = 20000", caps)
    file = (GOOD + BOUND_VECTOR + BOUND + text).encode()
    if not says:
        assert read_behaviour(file).caps is not None
        return
    with pytest.raises(BadMethodology) as refused:
        read_behaviour(file)
    assert says in str(refused.value)


def test_a_cap_without_a_bound_may_be_any() -> None:
    text = GOOD.replace("mg = 58440", 'mg = 1000\nreason = "act-cap"')
    behaviour = read_behaviour((text + CAPS.replace("act_g = 1000", "act_g = 1")).encode())
    assert behaviour.count({"m": 1200, "s": 300}, "CN", JANUARY) == (1000, "act-cap", False)


def test_an_act_above_its_cap_counts_the_cap_and_says_so() -> None:
    behaviour = read_behaviour((GOOD + CAPS).encode())
    most = 1_000_000 * 10 // 487  # metres within 1,000 g
    assert behaviour.count({"m": most, "s": 9}, "CN", JANUARY)[1] is None
    assert behaviour.count({"m": most + 1, "s": 9}, "CN", JANUARY) == (1_000_000, "act-cap", False)


def test_an_act_beyond_a_bound_is_refused_and_at_it_is_not() -> None:
    behaviour = read_behaviour((GOOD + BOUND_VECTOR + BOUND).encode())
    assert behaviour.count({"m": 20_000, "s": 9}, "CN", JANUARY) == (974_000, None, False)
    assert behaviour.count({"m": 20_001, "s": 9}, "CN", JANUARY) == (0, "too-far", True)


def test_an_exclusion_comes_before_a_bound() -> None:
    text = BOUND.replace('rule = "over"', 'rule = "under"').replace("20000", "5")
    vector = BOUND_VECTOR.replace("20001", "4")
    behaviour = read_behaviour((GOOD + vector + text).encode())
    assert behaviour.count({"m": 0, "s": 9}, "CN", JANUARY) == (0, "round-trip", False)
    assert behaviour.count({"m": 4, "s": 9}, "CN", JANUARY) == (0, "too-far", True)


def test_a_bound_wants_a_vector_that_is_refused() -> None:
    with pytest.raises(BadMethodology, match="no vector for too-far"):
        read_behaviour((GOOD + BOUND).encode())
    with pytest.raises(BadMethodology, match="vector 3 counts"):
        read_behaviour((GOOD + BOUND_VECTOR.replace("refused = true", "") + BOUND).encode())


def test_a_behaviour_is_not_exclusive_with_itself() -> None:
    text = GOOD + '[[exclusive]]\nwith = "travel.walk"\nwithin = "time"\n'
    assert read_behaviour(text.encode()).exclusive[0].other == "travel.walk"
    with pytest.raises(BadMethodology, match="exclusive with itself"):
        read_behaviour(text.replace("travel.walk", "travel.bike").encode())


@pytest.mark.parametrize("evidence", ["E0", "E1", "E2"])
def test_weak_evidence_counts_nothing(evidence: Evidence) -> None:
    behaviour = read_behaviour(GOOD.encode())
    assert behaviour.count({"m": 1200, "s": 300}, "CN", JANUARY, evidence)[:2] == (
        0,
        "weak-evidence",
    )
    for enough in STRONG:
        assert behaviour.count({"m": 1200, "s": 300}, "CN", JANUARY, enough).mg == 58440


def test_a_behaviour_may_want_metered_evidence_but_no_less_than_e3() -> None:
    metered = read_behaviour(spoiled('tier = "A"', 'tier = "A"\nevidence = "E4"'))
    act = {"m": 1200, "s": 300}
    assert metered.count(act, "CN", JANUARY, "E3").reason == "not-metered"
    assert metered.count(act, "CN", JANUARY, "E2").reason == "weak-evidence"
    assert metered.count(act, "CN", JANUARY, "E4").mg == 58440
    with pytest.raises(BadMethodology, match="evidence"):
        read_behaviour(spoiled('tier = "A"', 'tier = "A"\nevidence = "E2"'))


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
