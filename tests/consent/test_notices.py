from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Literal

import pytest

from consent.notices import CATEGORY_WORDS, check_notice, notice_hash, render_notice
from tests.consent.terms import bank_terms, city_terms, grant, terms
from tests.listing import NAMES, listing, signed
from vault.encoding import Json
from vault.errors import BadShape
from vault.months import Category

DIRECTORY = signed(listing())
Made = Callable[[], dict[str, Json]]
Tongue = Literal["zh-CN", "en"]
BOTH = pytest.mark.parametrize("made", [bank_terms, city_terms])
LOCALES = pytest.mark.parametrize("locale", ["zh-CN", "en"])
STOP = {"zh-CN": "随时在应用中停止共享", "en": "stop sharing at any time"}
STEP = {"zh-CN": {1: "每个月一个", 3: "每3个月一个"}, "en": {1: "every month", 3: "every 3 months"}}
LIFE = {"zh-CN": "最多保存{}天", "en": "at most {} days"}
NEVER = {"zh-CN": "绝不会收到：地点", "en": "never receive: places"}
OWN = {"zh-CN": "自己掌握的您的记录不计在内", "en": "Their own records of you are left out"}
SHOWN = {"zh-CN": "还会看到数字来自哪些来源", "en": "also see which sources it comes from"}
HIDDEN = {"zh-CN": "看不到数字来自哪些来源", "en": "do not see which sources it comes from"}
CHOICE = {"zh-CN": "任何人不得以您不同意共享为由", "en": "Nobody may refuse you"}


@BOTH
@LOCALES
def test_notice_tells_who_what_when_how_long_and_how_to_stop(made: Made, locale: Tongue) -> None:
    found = terms(made())
    text = render_notice(found, DIRECTORY, locale)
    for wanted in (
        NAMES[found.platform],
        found.first,
        found.last,
        STEP[locale][found.step],
        "克" if locale == "zh-CN" else "in grams",
        LIFE[locale].format(found.data_life_days),
        STOP[locale],
        NEVER[locale],
        OWN[locale],
        *(CATEGORY_WORDS[locale][category] for category in found.scope),
    ):
        assert wanted in text


@LOCALES
def test_notice_says_whether_sources_are_shown(locale: Tongue) -> None:
    shown = render_notice(terms(bank_terms()), DIRECTORY, locale)
    hidden = render_notice(terms(bank_terms(), show_sources=False), DIRECTORY, locale)
    assert SHOWN[locale] in shown
    assert HIDDEN[locale] not in shown
    assert HIDDEN[locale] in hidden
    assert SHOWN[locale] not in hidden


@LOCALES
def test_notice_warns_that_nobody_has_to_agree_where_the_template_says_so(locale: Tongue) -> None:
    assert CHOICE[locale] in render_notice(terms(bank_terms()), DIRECTORY, locale)
    assert CHOICE[locale] not in render_notice(terms(city_terms()), DIRECTORY, locale)


@BOTH
@LOCALES
def test_no_placeholder_or_empty_line_is_left_in_a_notice(made: Made, locale: Tongue) -> None:
    text = render_notice(terms(made()), DIRECTORY, locale)
    assert "{" not in text
    assert "  " not in text
    assert all(line and line == line.strip() for line in text.split("\n"))
    assert all(line[-1] in ".。" for line in text.split("\n"))


def test_until_is_told_in_the_vaults_zone() -> None:
    text = render_notice(terms(bank_terms()), DIRECTORY, "en")
    assert "until 2027-03-01 00:00" in text


def test_name_with_braces_is_printed_as_it_is() -> None:
    entry = DIRECTORY.party("bank.example").model_copy(update={"name": "{days} {0} {bank}"})
    others = tuple(e for e in listing().entries if e.id != "bank.example")
    odd = signed(listing().model_copy(update={"entries": (*others, entry)}))
    assert "{days} {0} {bank} asks" in render_notice(terms(bank_terms()), odd, "en")


CHANGES: list[dict[str, Json]] = [
    {"platform": "city.example"},
    {"template": "CITY-REWARD"},
    {"categories": [1]},
    {"step": 1},
    {"first": "2025-04"},
    {"last": "2026-09"},
    {"until": 1767225600},
    {"show_sources": False},
    {"data_life_days": 89},
]


@LOCALES
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_member_that_a_person_decides_on_changes_the_notice(
    locale: Tongue, change: dict[str, Json]
) -> None:
    right = render_notice(terms(bank_terms()), DIRECTORY, locale)
    other = terms(bank_terms(), **change)
    assert render_notice(other, DIRECTORY, locale) != right
    with pytest.raises(BadShape, match="notice"):
        check_notice(other, DIRECTORY, notice_hash(right), locale)


@BOTH
@LOCALES
def test_notice_is_known_by_its_hash_and_locale(made: Made, locale: Tongue) -> None:
    found = terms(made())
    text = render_notice(found, DIRECTORY, locale)
    assert notice_hash(text) == sha256(text.encode()).digest()
    check_notice(found, DIRECTORY, notice_hash(text), locale)
    with pytest.raises(BadShape):
        check_notice(found, DIRECTORY, notice_hash(text), "en" if locale == "zh-CN" else "zh-CN")


def test_grant_renders_to_the_notice_of_its_terms() -> None:
    text = render_notice(terms(bank_terms()), DIRECTORY, "en")
    assert render_notice(grant(bank_terms()), DIRECTORY, "en") == text


@LOCALES
def test_until_beyond_the_calendar_is_refused_not_a_crash(locale: Tongue) -> None:
    with pytest.raises(BadShape):
        render_notice(terms(bank_terms(), until=2**53 - 1), DIRECTORY, locale)


@LOCALES
def test_every_category_has_a_word(locale: Tongue) -> None:
    words = CATEGORY_WORDS[locale]
    assert set(words) == set(Category)
    assert len(set(words.values())) == 7
