"""Why this number: an explanation holds the arithmetic, the source, and what pins them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import FrozenInstanceError
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from consent.commands.methodology import fold
from tests.methodology.files import (
    BOUND,
    BOUND_VECTOR,
    CAPS,
    GOOD,
    TIER_B,
    TIER_Z,
    release_file,
)
from tests.methodology.test_shapes import KNOWN, SHAPES, Case
from tests.test_commands import Town, run
from vault.encoding import Json
from vault.errors import BadMethodology, BadShape, Locale
from vault.methodology.amounts import (
    decimal_text,
    equation_in_words,
    grams_text,
    per_unit,
    ratio_text,
    read_in,
    worked,
)
from vault.methodology.describe import describe, may_count, why_zero
from vault.methodology.explain import Explanation, explain, render
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release, load_release, read_release
from vault.methodology.shelf import newest_release, release_names
from vault.methodology.told import read_told
from vault.months import Milligrams

JANUARY = 1767571200
DEMO = load_release("demo-1")
LOCALES: tuple[Locale, ...] = ("zh-CN", "en")
BOOKS = (
    "day-cap",
    "month-cap",
    "same-time",
    "counted-otherwise",
    "collected",
    "registered-elsewhere",
    "counted-before",
)
RIDE = {
    "behaviour": "travel.bike",
    "activity": {"m": 1200, "s": 300},
    "start": JANUARY,
    "end": JANUARY + 300,
    "region": "CN-ZJ-HZ",
}


def release_of(text: str, more: str = "") -> Release:
    return read_release(release_file(text.encode()) + more.encode(), [text.encode()])


def bike(m: int, s: int = 300, region: str = "CN-ZJ-HZ", start: int = JANUARY) -> Act:
    return Act("travel.bike", {"m": m, "s": s}, start, start + s, region)


def test_an_explanation_holds_the_numbers_and_what_pins_them() -> None:
    found = explain(bike(1200), DEMO)
    assert (found.mg, found.reason, found.refused) == (58_440, None, False)
    assert found.exact == Fraction(58_440)
    assert found.factor is not None
    assert found.factor.region == "CN"
    assert found.release_sha256 == DEMO.sha256
    (pin,) = DEMO.listed.behaviours
    assert found.sha256 == pin.sha256
    with pytest.raises(FrozenInstanceError):
        found.mg = Milligrams(1)  # type: ignore[misc]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_text_says_formula_arithmetic_source_and_hashes(locale: Locale) -> None:
    text = render(explain(bike(1200), DEMO), locale)
    for part in (
        "1,200 m × 48.7 mg/m = 58,440 mg",
        "58.44 g CO2e",
        "cjzhinan.com/tech/13626",
        "2024-06-01",
        "CN-ZJ-HZ",
        "2026-01-05 08:00:00",
        "demo-1",
        "travel.bike.1.toml",
        DEMO.sha256.hex(),
        DEMO.listed.behaviours[0].sha256.hex(),
        DEMO.behaviour("travel.bike").name[locale],
    ):
        assert part in text


def test_a_news_report_is_not_called_an_authoritative_text() -> None:
    every = [load_release(name) for name in release_names()]
    found = {
        (source.locator, read_in(source, "en"))
        for release in every
        for behaviour in release.behaviours.values()
        for source in (factor.source for factor in behaviour.factors)
        if source.grade == "H"
    }
    assert {words for at, words in found if "report" in at} == {"quoted in a news report"}
    assert {at for at, words in found if words == "authoritative text"} == {
        "github.com/incubateur-ademe/impactco2 @8076a48 src/data/categories"
    }


def test_both_languages_tell_the_same_in_as_many_lines() -> None:
    texts = [render(explain(bike(1200), DEMO), locale).splitlines() for locale in LOCALES]
    assert len(texts[0]) == len(texts[1])
    assert all(zh != en for zh, en in zip(*texts, strict=True))


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (bike(0), "round-trip"),
        (bike(1200, 86_401), "over-24-hours"),
        (bike(1200, region="US-CA"), "no-factor-for-region"),
        (bike(1200, start=0), "no-factor-for-date"),
    ],
)
def test_every_zero_is_explained_in_words(act: Act, reason: str) -> None:
    found = explain(act, DEMO)
    assert (found.mg, found.reason, found.refused) == (0, reason, False)
    for locale in LOCALES:
        text = render(found, locale)
        assert DEMO.behaviour("travel.bike").why(reason, locale) in text
        assert "0 g CO2e" in text


def test_an_act_out_of_bounds_is_told_as_refused() -> None:
    found = explain(bike(20_001), release_of(GOOD + BOUND_VECTOR + BOUND))
    assert (found.mg, found.reason, found.refused) == (0, "too-far", True)
    assert "Refused: no such act is plausible" in render(found, "en")
    assert "too far (too-far)" in render(found, "en")
    assert "不予记录" in render(found, "zh-CN")


def test_a_capped_act_shows_what_the_formula_gives_and_what_counts() -> None:
    found = explain(bike(30_000, 4_000), release_of(GOOD + CAPS))
    text = render(found, "en")
    assert (found.mg, found.exact) == (Milligrams(1_000_000), Fraction(1_461_000))
    assert "30,000 m × 48.7 mg/m = 1,461,000 mg" in text
    assert "Counts: 1,000 g CO2e (1,000,000 mg)" in text
    assert "(act-cap)" in text


def test_rounding_down_is_shown() -> None:
    assert "1 m × 48.7 mg/m = 48.7 mg, rounded down to 48 mg" in render(
        explain(bike(1, 60), DEMO), "en"
    )
    assert "向下取整为 48 mg" in render(explain(bike(1, 60), DEMO), "zh-CN")


def test_tiers_that_count_nothing_say_why() -> None:
    pending = render(explain(bike(1200), release_of(TIER_B)), "en")
    assert "This method is not accepted yet. (not-accepted)" in pending
    nothing = explain(bike(1200), release_of(TIER_Z))
    assert (nothing.factor, nothing.exact, nothing.reason) == (None, None, "no-published-factor")
    assert "Calculation" not in render(nothing, "en")


def test_what_a_record_holds_stands_beside_what_the_act_alone_counts() -> None:
    recorded = Credit(Milligrams(0), "travel.bike", 1, "day-cap")
    text = render(explain(bike(1200), DEMO, recorded), "en")
    assert "Counts: 58.44 g" in text
    assert "The record holds: 0 g CO2e (0 mg, revision 1)" in text
    assert "It reached the most that one day counts" in text
    elsewhere = Credit(Milligrams(0), "travel.bike", 9, "of-another-revision")
    assert "(of-another-revision)" in render(explain(bike(1200), DEMO, elsewhere), "en")


DISAGREES = {"en": "These do not agree", "zh-CN": "两者不一致"}


@pytest.mark.parametrize("m", [1200, 0, 30_000])
@pytest.mark.parametrize(
    ("share", "more", "reason", "agrees"),
    [
        (1, 0, None, True),
        (1, 1, None, False),
        (1, -1, None, False),
        (0, 5, None, False),
        (1, -1, "act-cap", False),
        (1, -1, "weak-evidence", False),
        (1, -1, "no-such-reason", False),
        *((1, -1, why, None) for why in BOOKS),
        *((0, 0, why, True) for why in BOOKS),
        *((1, 1, why, False) for why in BOOKS),
        (-1, 0, "taken-back", True),
        (0, 0, "taken-back", True),
        (-1, -1, "taken-back", False),
        (0, 1, "taken-back", False),
        (-1, 0, "day-cap", None),
    ],
)
def test_a_record_of_more_than_the_rule_gives_or_of_less_without_a_cause_does_not_agree(
    m: int, share: int, more: int, reason: str | None, agrees: bool | None
) -> None:
    act, release = bike(m, 4_000), release_of(GOOD + CAPS)
    rule = quantify(act, release).mg
    assert (rule > 0) is (m > 0)
    recorded = Credit(Milligrams(share * rule + more), "travel.bike", 1, reason)
    found = explain(act, release, recorded)
    # None: less than the rule gives, if the rule gives anything
    assert found.agrees is (agrees if agrees is not None else 0 <= recorded.mg <= rule)
    for locale in LOCALES:
        assert (DISAGREES[locale] in render(found, locale)) is not found.agrees


def test_a_record_of_another_revision_agrees_only_where_it_is_of_another_release() -> None:
    recorded = Credit(Milligrams(300_000), "travel.bike", 2, None)  # the season's 250 g/km
    assert not explain(bike(1200), DEMO, recorded).agrees
    assert not explain(bike(1200), DEMO, recorded, "demo-1").agrees
    assert explain(bike(1200), DEMO, recorded, "beijing-season-2022").agrees
    assert explain(bike(1200), DEMO).agrees
    same = Credit(Milligrams(58_440), "travel.bike", 2, None)
    assert not explain(bike(1200), DEMO, same).agrees


def test_a_record_taken_back_is_headed_by_what_it_counts() -> None:
    recorded = Credit(Milligrams(-40_000), "travel.bike", 1, "taken-back")
    for locale, counts, alone in (
        ("en", "Counts: −40 g CO2e (−40,000 mg)", "What it takes back: by the rule 58.44 g CO2e"),
        ("zh-CN", "计入：−40 g CO2e（−40,000 mg）", "所撤销的行为：按规则为 58.44 g CO2e"),
    ):
        lines = render(explain(bike(1200), DEMO, recorded), "en" if locale == "en" else "zh-CN")
        second, third, fourth = lines.splitlines()[1:4]
        assert second == counts
        assert "taken-back" in third
        assert fourth.startswith(alone)
        assert "58,440 mg" in lines


def test_what_cannot_be_counted_is_an_error() -> None:
    with pytest.raises(BadMethodology):
        explain(Act("travel.bus", {"m": 1}, JANUARY, JANUARY, "CN"), DEMO)
    with pytest.raises(BadShape):
        explain(Act("travel.bike", {"m": 1}, JANUARY, JANUARY, "CN"), DEMO)


@given(st.integers(0, 10_000_000), st.integers(0, 100_000), st.sampled_from(["CN", "US"]))
def test_an_explanation_never_differs_from_the_credit(m: int, s: int, region: str) -> None:
    act = bike(m, s, region)
    found, credit = explain(act, DEMO), quantify(act, DEMO)
    assert (found.mg, found.reason) == (credit.mg, credit.reason)
    if not found.reason and found.exact is not None:
        assert found.mg <= found.exact < found.mg + 1


@pytest.mark.parametrize("case", [case for case, _ in KNOWN], ids=[case.shape for case, _ in KNOWN])
@pytest.mark.parametrize("locale", LOCALES)
def test_every_shape_is_worked_out_in_numbers_and_in_words(case: Case, locale: Locale) -> None:
    formula = SHAPES[case.shape]
    figures = {name: Fraction(text) for name, text in case.texts.items()}
    numbers, words = (
        worked(formula, case.activity, figures, locale),
        equation_in_words(formula, locale),
    )
    for text in (numbers, words):
        assert "_" not in text
        assert "86400" not in text
    for unit in {*formula.raises, *formula.lowers}:
        assert f"{case.activity[unit]:,} " in numbers
    assert all(decimal_text(figure) in numbers for figure in figures.values())


def test_a_home_counts_persons_and_a_parcel_counts_pieces() -> None:
    home, _ = next(known for known in KNOWN if known[0].shape == "metered_baseline")
    figures = {name: Fraction(text) for name, text in home.texts.items()}
    assert worked(SHAPES[home.shape], home.activity, figures, "en") == (
        "max(0, 3 persons × 864,000 s ÷ 86,400 s/day × 2,000 Wh/(person·day) − 50,000 Wh)"
        " × 530.6 mg/Wh"
    )
    item, _ = next(known for known in KNOWN if known[0].shape == "production_x_rate")
    made = {name: Fraction(text) for name, text in item.texts.items()}
    assert worked(SHAPES[item.shape], item.activity, made, "zh-CN") == (
        "2 个 × 5,200,000 mg/个 × 0.3"
    )


@pytest.mark.parametrize(
    ("exact", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(58_440), "58,440"),
        (Fraction(487, 10), "48.7"),
        (Fraction(1, 3), "0.333333…"),
        (Fraction(-1, 3), "−0.333333…"),
        (Fraction(1, 10_000_000), "0…"),
        (Fraction(1_000_000), "1,000,000"),
        (Fraction(10), "10"),
    ],
)
def test_numbers_are_cut_never_rounded_up(exact: Fraction, text: str) -> None:
    assert decimal_text(exact) == text


def test_grams_ratios_and_rates_are_exact_text() -> None:
    assert (grams_text(58_440), grams_text(1), grams_text(0)) == ("58.44 g", "0.001 g", "0 g")
    assert [ratio_text(Fraction(n, 800)) for n in (800, 5000, 803, 804, 8_000_000)] == [
        "1.00",
        "6.25",
        "1.00",
        "1.01",
        "10,000.00",
    ]
    rates = {
        case.shape: per_unit(
            SHAPES[case.shape], {name: Fraction(text) for name, text in case.texts.items()}
        )
        for case, _ in KNOWN
    }
    assert rates == {
        "linear": "48.7 g/km",
        "difference": None,
        "difference of one unit": "153 g/km",
        "energy_displacement": "279.94 g/kWh",
        "metered_baseline": None,
        "production_x_rate": "1,560 g/count",
        "zero": None,
    }


@pytest.mark.parametrize("name", release_names())
@pytest.mark.parametrize("locale", LOCALES)
def test_every_behaviour_of_every_release_is_described(name: str, locale: Locale) -> None:
    release = load_release(name)
    for each in release.behaviours.values():
        text = describe(release, each.id, locale)
        for part in (each.name[locale], each.says[locale], f"{each.id}.{each.rev}.toml"):
            assert part in text
        assert all(factor.source.locator in text for factor in each.factors)
        assert all(rule.text[locale] in text for rule in (*each.exclusions, *each.bounds))
        assert ("our proposal" in text or "由本项目提出" in text) == any(
            ground.proposal for ground in (*each.bounds, *([each.caps] if each.caps else []))
        )
        reason = why_zero(release, each)
        assert may_count(release, each) == (reason is None)
        assert reason is None or f"{reason}" in text


def test_the_newest_release_is_the_highest_number() -> None:
    assert newest_release() == "2026-1"
    assert {"2026-1", "demo-1", "beijing-season-2022"} <= set(release_names())


def test_acts_are_read_one_alone_one_a_line_or_as_a_holders_records() -> None:
    one = json.dumps(RIDE)
    assert [told.act for told in read_told(one.encode())] == [bike(1200)]
    assert len(read_told(f"{one}\n\n{one}\n".encode())) == 2
    assert len(read_told(json.dumps(RIDE, indent=2).encode())) == 1
    record = {
        **{name: RIDE[name] for name in ("behaviour", "activity")},
        "start": "2026-01-05 08:00",
        "start_unix": JANUARY,
        "end_unix": JANUARY + 300,
        "detail": {"region": "CN-ZJ-HZ", "bike": "6"},
        "release": "demo-1",
        "mg": 0,
        "rev": 1,
        "reason": "day-cap",
    }
    (told,) = read_told(json.dumps({"records": [record]}).encode())
    assert told.act == bike(1200)
    assert told.recorded == Credit(Milligrams(0), "travel.bike", 1, "day-cap")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": None}, "start"),
        ({"region": "Hangzhou, West Lake"}, "region"),
        ({"activity": {"m": -5}}, "activity"),
        ({"evidence": "E9"}, "evidence"),
        ({"behaviour": ""}, "behaviour"),
    ],
)
def test_a_bad_act_is_refused_by_the_name_of_its_member(change: dict[str, Json], says: str) -> None:
    with pytest.raises(BadShape) as refused:
        read_told(json.dumps({**RIDE, **change}).encode())
    assert says in str(refused.value)
    assert "West Lake" not in str(refused.value)
    for raw in (b"", b"[]", b"\xff", b"{}\n{"):
        with pytest.raises(BadShape):
            read_told(raw)


def test_explain_reads_a_file_or_the_standard_input(tmp_path: Path) -> None:
    act = tmp_path / "act.json"
    act.write_text(json.dumps(RIDE), encoding="utf-8")
    both = run("methodology", "explain", act, "--release", "demo-1", "--locale", "both")
    assert both.code == 0
    assert "1,200 m × 48.7 mg/m = 58,440 mg" in both.out
    assert "骑自行车" in both.out
    assert "Riding a bicycle" in both.out
    alone = run("methodology", "explain", "-", typed=json.dumps({**RIDE, "release": "demo-1"}))
    assert (alone.code, "demo-1" in alone.out, "骑自行车" in alone.out) == (0, True, False)
    newest = run("methodology", "explain", "-", typed=json.dumps(RIDE))
    assert (newest.code, "2026-1" in newest.out) == (0, True)
    missing = run("methodology", "explain", tmp_path / "none.json")
    assert (missing.code, "cannot read" in missing.err) == (1, True)
    assert run("methodology", "explain", "-", typed="{}").code == 1


def test_what_is_typed_may_be_any_bytes(tmp_path: Path) -> None:
    act = json.dumps({**RIDE, "release": "demo-1"}).encode()
    for raw in (b"\xef\xbb\xbf" + act, b"\xef\xbb\xbf" + act + b"\n" + act):
        assert run("methodology", "explain", "-", typed=raw).code == 0
        (tmp_path / "act.json").write_bytes(raw)
        assert run("methodology", "explain", tmp_path / "act.json").code == 0
    for raw in (b"\xff\xfe", act.replace(b"demo", b"\xff"), act.decode().encode("utf-16")):
        said = run("methodology", "explain", "-", typed=raw)
        assert (said.code, "bad-shape" in said.err, said.out) == (1, True, "")


def test_records_without_a_record_are_said_to_be_so() -> None:
    said = run("methodology", "explain", "-", typed='{"records": []}')
    assert (said.code, "there is no record in it" in said.err) == (1, True)
    for records in ("[1]", "{}", "null"):
        bad = run("methodology", "explain", "-", typed=f'{{"records": {records}}}')
        assert (bad.code, "bad-shape" in bad.err) == (1, True)


def test_explain_ends_with_1_where_one_record_does_not_agree() -> None:
    right = {**RIDE, "release": "demo-1", "mg": 58_440, "rev": 1}
    assert run("methodology", "explain", "-", typed=json.dumps(right)).code == 0
    wrong = {**right, "mg": 5}
    said = run("methodology", "explain", "-", typed=json.dumps({"records": [wrong, right]}))
    assert (said.code, said.out.count("These do not agree")) == (1, 1)
    assert said.out.count("Counts: 58.44 g") == 2
    elsewhere = run("methodology", "explain", "-", "--release", "2026-1", typed=json.dumps(wrong))
    assert (elsewhere.code, "do not agree" in elsewhere.out) == (0, False)
    cut = {**wrong, "reason": "month-cap"}
    assert run("methodology", "explain", "-", typed=json.dumps(cut)).code == 0


def test_list_and_show_tell_names_tiers_factors_and_why_nothing_counts() -> None:
    listed = run("methodology", "list", "--json")
    found = json.loads(listed.out)
    assert (found["release"], len(found["behaviours"])) == ("2026-1", 40)
    rows = {row["id"]: row for row in found["behaviours"]}
    assert {row["tier"] for row in rows.values()} == {"A", "B", "Z"}
    assert rows["travel.bike"]["factors"] == [
        {"region": "CN", "per_unit": "48.7 g/km"},
        {"region": "CN-HB-WH", "per_unit": "40 g/km"},
    ]
    assert rows["travel.walk"]["why_zero"] == "no-published-factor"
    with patch.dict(os.environ, {"COLUMNS": "200"}):
        table = run("methodology", "list", "--release", "demo-1").out
    assert all(word in table for word in ("骑自行车", "Riding a bicycle", "48.7 g/km", "2026-1"))
    shown = run("methodology", "show", "travel.ev_charge").out
    assert all(word in shown for word in ("新能源车充电", "300 mg/Wh", "our proposal", "grade H"))
    members = json.loads(run("methodology", "show", "travel.walk", "--json").out)
    assert (members["behaviour"]["tier"], set(members["text"])) == ("Z", set(LOCALES))
    unknown = run("methodology", "show", "travel.rocket")
    assert (unknown.code, "has no behaviour" in unknown.err) == (1, True)


def list_at(width: int, *words: str) -> list[str]:
    with patch.dict(os.environ, {"COLUMNS": str(width)}):
        said = run("methodology", "list", *words)
    lines = said.out.splitlines()
    return lines[next(at for at, line in enumerate(lines) if line.startswith("id ")) :]


@pytest.mark.parametrize("width", [80, 99, 100, 140, 200])
def test_a_list_breaks_between_words_and_keeps_to_the_width(width: int) -> None:
    lines = list_at(width)
    assert all(cell_len(line) <= width for line in lines)
    found = set("\n".join(lines).replace("(", " ").replace(")", " ").split())
    for each in load_release("2026-1").behaviours.values():
        assert each.id in found
        assert set(re.findall(r"[^\s-]+-?", each.name["en"])) <= {*found, *hyphened(found)}
    assert {"no-published-factor", "not-accepted"} <= found


def hyphened(words: Iterable[str]) -> set[str]:
    return {part for word in words for part in re.findall(r"[^-]+-?", word)}


def test_below_100_columns_a_list_names_behaviours_in_one_language() -> None:
    wide, narrow = "\n".join(list_at(100)), "\n".join(list_at(99))
    assert all(word in wide for word in ("名称", "name", "骑自行车", "bicycle"))
    assert all(word in narrow for word in ("name", "bicycle"))
    assert "名称" not in narrow
    assert "骑自行车" not in narrow
    for width in (80, 200):
        chosen = "\n".join(list_at(width, "--locale", "zh-CN"))
        assert "骑自行车" in chosen
        assert "bicycle" not in chosen
        both = "\n".join(list_at(width, "--locale", "both"))
        assert "骑自行车" in both
        assert "bicycle" in both


def test_words_are_broken_at_spaces_and_hyphens_and_long_ones_anywhere() -> None:
    for text, width, lines in (
        ("no-factor-for-date", 18, ["no-factor-for-date"]),
        ("no-factor-for-date", 14, ["no-factor-for-", "date"]),
        ("2 count 0: round-trip", 12, ["2 count 0:", "round-trip"]),
        ("2 count 0: round-trip", 8, ["2 count", "0:", "round-", "trip"]),
        ("2 count 0: over-35-km-h", 14, ["2 count 0:", "over-35-km-h"]),
        ("2 count 0: over-35-km-h", 9, ["2 count", "0: over-", "35-km-h"]),
        ("2026-1@CN-HB-WH", 15, ["2026-1@CN-HB-WH"]),
        ("2026-1@CN-HB-WH", 14, ["2026-1", "@CN-HB-WH"]),
        ("beijing-season-2022\n@CN-BJ", 12, ["beijing-", "season-2022", "@CN-BJ"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("骑自行车", 5, ["骑自", "行车"]),
        ("", 5, [""]),
    ):
        assert fold(text, width) == lines


@given(st.text("ab -@骑", max_size=40), st.integers(2, 20))
def test_folding_loses_nothing_and_keeps_to_the_width(text: str, width: int) -> None:
    lines = fold(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_an_explanation_is_a_value() -> None:
    assert explain(bike(1200), DEMO) == explain(bike(1200), DEMO)
    assert isinstance(explain(bike(1200), DEMO), Explanation)


def test_the_records_that_a_holder_prints_are_explained_as_they_are(tmp_path: Path) -> None:
    town = Town(tmp_path)
    try:
        town.publish()
        town.join()
        town.ride(1_200)
        town.do("source", "send", town["source"])
        printed = run("holder", "records", town["me"], "--json").out
    finally:
        town.stop()
    (record,) = json.loads(printed)["records"]
    (told,) = read_told(printed.encode())
    assert told.recorded is not None
    assert (told.act.region, told.act.activity) == ("CN-ZJ-HZ", record["activity"])
    assert explain(told.act, load_release(record["release"])).mg == record["mg"] > 0
    said = run("methodology", "explain", "-", typed=printed)
    assert (said.code, f"{record['mg']:,} mg" in said.out) == (0, True)
    assert record["release"] in said.out
