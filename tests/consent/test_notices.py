"""What a notice says, template by template and word by word; and that the lint sees what it lacks.

Twenty-four notices: every template, both languages, the widest and the narrowest terms. Of each,
every sentence is taken out once, and the lint must find it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from itertools import product
from typing import Literal

import pytest

from consent.messages import Terms
from consent.notices import (
    CATEGORY_WORDS,
    PURPOSE_WORDS,
    check_notice,
    members_of,
    notice_hash,
    render_notice,
    sentences_of,
)
from consent.templates import Template, load_templates
from consent.wording import FORBIDDEN_WORDS, check_notice_contents, check_words, must_say
from tests.consent.terms import bank_terms, city_terms, grant, terms
from tests.listing import NAMES, listing, party, signed, with_party
from vault.directory import Directory
from vault.encoding import Json
from vault.errors import BadShape
from vault.messages import Listing, Party
from vault.months import Category, Month

Made = Callable[[], dict[str, Json]]
Tongue = Literal["zh-CN", "en"]
TONGUES: tuple[Tongue, ...] = ("zh-CN", "en")
BOTH = pytest.mark.parametrize("made", [bank_terms, city_terms])
LOCALES = pytest.mark.parametrize("locale", TONGUES)
CONTACT = "privacy@harbour.example"
TEMPLATES = load_templates()
EVERY = pytest.mark.parametrize(
    ("template", "wide", "locale"), [*product(TEMPLATES, (True, False), TONGUES)]
)


def with_contact(found: Listing, name: str, contact: str | None) -> Listing:
    return with_party(found, party(name).model_copy(update={"contact": contact}))


def with_auditor(found: Listing, contact: str | None) -> Listing:
    auditor = party("bank.example").model_copy(
        update={"id": "audit.example", "name": "Even Eye 审计", "roles": ("auditor",), "sig": ()}
    )
    entries = (*found.entries, auditor.model_copy(update={"contact": contact, "hpke": ()}))
    return found.model_copy(update={"entries": entries})


DIRECTORY = signed(with_contact(listing(), "bank.example", CONTACT))


def terms_for(name: str, wide: bool) -> Terms:
    """Return the widest or the narrowest terms of a template, whoever asks."""
    bounds: Template = TEMPLATES[name]
    allowed = bounds.categories.exactly or list(range(1, 8))[: bounds.categories.most]
    kept = allowed if wide or bounds.categories.exactly else [4]
    return terms(
        bank_terms(),
        template=name,
        purposes=[*sorted(bounds.purposes)] if wide else [bounds.purposes[0]],
        categories=[*kept],
        step=bounds.step,
        last="2026-12" if wide else {1: "2025-01", 3: "2025-03"}[bounds.step],
        mode=bounds.mode,
        exclusive=bounds.exclusive,
        show_sources=bounds.show_sources if wide else bounds.exclusive,
        data_life_days=bounds.data_life_days if wide else 1,
    )


# The lint


@EVERY
def test_every_template_renders_to_a_notice_that_leaves_nothing_out(
    template: str, wide: bool, locale: Tongue
) -> None:
    found = terms_for(template, wide)
    for directory in (DIRECTORY, signed(listing()), signed(with_auditor(listing(), None))):
        check_notice_contents(render_notice(found, directory, locale), found, directory, locale)


@EVERY
def test_a_notice_without_any_one_sentence_is_found(
    template: str, wide: bool, locale: Tongue
) -> None:
    found = terms_for(template, wide)
    sentences = sentences_of(found, DIRECTORY, locale)
    assert list(sentences) == list(must_say(found, DIRECTORY, locale))
    for name in sentences:
        short = "\n".join(text for other, text in sentences.items() if other != name)
        with pytest.raises(BadShape, match=f"^{name}:"):
            check_notice_contents(short, found, DIRECTORY, locale)


@EVERY
def test_a_notice_with_one_wrong_word_is_found(template: str, wide: bool, locale: Tongue) -> None:
    found = terms_for(template, wide)
    text = render_notice(found, DIRECTORY, locale)
    for fact, words in must_say(found, DIRECTORY, locale).items():
        for word in words:
            with pytest.raises(BadShape, match=rf"^({fact}|who|recall|contact):"):
                check_notice_contents(text.replace(word, "…"), found, DIRECTORY, locale)


@LOCALES
def test_sentences_in_another_order_are_found(locale: Tongue) -> None:
    found = terms(bank_terms())
    lines = render_notice(found, DIRECTORY, locale).split("\n")
    with pytest.raises(BadShape, match="reads first"):
        check_notice_contents("\n".join(reversed(lines)), found, DIRECTORY, locale)


@LOCALES
def test_the_opposite_of_a_fact_is_found_beside_it(locale: Tongue) -> None:
    shown, hidden = terms(bank_terms()), terms(bank_terms(), show_sources=False)
    for one, other in ((shown, hidden), (hidden, shown)):
        lie = sentences_of(other, DIRECTORY, locale)["sources"]
        text = render_notice(one, DIRECTORY, locale)
        with pytest.raises(BadShape, match=r"^sources:"):
            check_notice_contents(f"{text}\n{lie}", one, DIRECTORY, locale)


@LOCALES
@pytest.mark.parametrize("category", [1, 2, 4, 7])
def test_a_notice_of_fewer_or_more_categories_is_found(locale: Tongue, category: int) -> None:
    found = terms(city_terms())
    fewer = terms(city_terms(), categories=[c for c in found.categories if c != category])
    text = render_notice(found, DIRECTORY, locale)
    with pytest.raises(BadShape, match=r"^figures:"):
        check_notice_contents(text, fewer, DIRECTORY, locale)
    with pytest.raises(BadShape, match=r"^figures:"):
        check_notice_contents(render_notice(fewer, DIRECTORY, locale), found, DIRECTORY, locale)


@LOCALES
@pytest.mark.parametrize("word", FORBIDDEN_WORDS)
def test_a_forbidden_word_is_found(locale: Tongue, word: str) -> None:
    found = terms(bank_terms())
    text = render_notice(found, DIRECTORY, locale)
    for spelled in (word, word.upper()):
        with pytest.raises(BadShape, match=r"^words:"):
            check_notice_contents(f"{text}\n{spelled}", found, DIRECTORY, locale)


def test_the_forbidden_words_are_those_of_the_product() -> None:
    for said in ("anonymous total", "匿名", "授权撤销", "Revoke authorisation", "your carbon data"):
        with pytest.raises(BadShape, match=r"^words:"):
            check_words(said)
    check_words("stop sharing 停止共享 figure and period")


@EVERY
def test_our_templates_say_no_forbidden_word(template: str, wide: bool, locale: Tongue) -> None:
    text = TEMPLATES[template].text[locale]
    check_words(f"{text.purpose} {text.benefit}")


# What it says


STOP = {"zh-CN": "随时在应用中停止共享", "en": "stop sharing at any time"}
STEP = {"zh-CN": {1: "每个月一个", 3: "每3个月一个"}, "en": {1: "every month", 3: "every 3 months"}}
LIFE = {"zh-CN": "最多保存{}天", "en": "at most {} days"}
NEVER = {"zh-CN": "绝不会收到：地点", "en": "never receive: places"}
OWN = {"zh-CN": "自己掌握的您的记录不计在内", "en": "Their own records of you are left out"}
SHOWN = {"zh-CN": "还会看到数字来自哪些来源", "en": "also see which sources it comes from"}
HIDDEN = {"zh-CN": "看不到数字来自哪些来源", "en": "do not see which sources it comes from"}
CHOICE = {"zh-CN": "任何人不得以您不同意共享为由", "en": "nobody may refuse you"}
WORK = {"zh-CN": "在工作中对您不利", "en": "at a disadvantage at work"}
ALONE = {"zh-CN": "没有任何单独关于您的数字", "en": "no figure about you alone"}
USED = {"zh-CN": "不能再次用于独占使用", "en": "cannot be given for exclusive use again"}


def month_words(month: str, locale: Tongue) -> str:
    at = datetime.strptime(month, "%Y-%m")
    return f"{at:%B %Y}" if locale == "en" else f"{at.year}年{at.month}月"


@BOTH
@LOCALES
def test_notice_tells_who_what_when_how_long_and_how_to_stop(made: Made, locale: Tongue) -> None:
    found = terms(made())
    text = render_notice(found, DIRECTORY, locale)
    for wanted in (
        NAMES[found.platform],
        found.platform,
        month_words(found.first, locale),
        month_words(found.last, locale),
        STEP[locale][found.step],
        "克" if locale == "zh-CN" else "in grams",
        LIFE[locale].format(found.data_life_days),
        STOP[locale],
        NEVER[locale],
        OWN[locale],
        *(PURPOSE_WORDS[locale][purpose] for purpose in found.purposes),
        *(CATEGORY_WORDS[locale][category] for category in found.scope),
    ):
        assert wanted in text


@LOCALES
def test_notice_says_how_many_figures_there_will_be(locale: Tongue) -> None:
    counts = {"2025-03": 1, "2025-06": 2, "2026-12": 8}
    for last, count in counts.items():
        text = render_notice(terms(bank_terms(), last=last), DIRECTORY, locale)
        assert (f"{count} in all" if locale == "en" else f"共{count}个") in text


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
    for name, template in TEMPLATES.items():
        text = render_notice(terms_for(name, wide=True), DIRECTORY, locale)
        assert (CHOICE[locale] in text) == (template.free_choice and name == "GREEN-LOAN-RATE")
        assert (WORK[locale] in text) == (name == "EMPLOYER-CHALLENGE")


@LOCALES
def test_notice_tells_cohort_and_exclusive_use_where_they_are_so(locale: Tongue) -> None:
    for name in TEMPLATES:
        text = render_notice(terms_for(name, wide=True), DIRECTORY, locale)
        assert (ALONE[locale] in text) == (name == "CITY-STATS")
        assert (USED[locale] in text) == (name == "OFFSET-RETIRE")


@LOCALES
def test_complaints_go_to_the_platform_or_else_to_the_auditor(locale: Tongue) -> None:
    def told(directory: Directory) -> str:
        return sentences_of(terms(bank_terms()), directory, locale)["contact"]

    assert CONTACT in told(DIRECTORY)
    assert "audit" not in told(DIRECTORY)
    named = told(signed(with_auditor(listing(), "+86 571 0000 0000")))
    assert NAMES["bank.example"] in named
    assert "Even Eye 审计" in named
    assert "+86 571 0000 0000" in named
    assert "audit.example" in told(signed(with_auditor(listing(), None)))
    assert ("auditor" if locale == "en" else "审计方") in told(signed(listing()))


@EVERY
def test_no_placeholder_or_empty_line_is_left_in_a_notice(
    template: str, wide: bool, locale: Tongue
) -> None:
    text = render_notice(terms_for(template, wide), DIRECTORY, locale)
    assert "{" not in text
    assert "  " not in text
    assert all(line and line == line.strip() for line in text.split("\n"))
    assert all(line[-1] in ".。" for line in text.split("\n"))
    assert not set(text) & set("（），。：" if locale == "en" else ",;")


def test_until_is_told_in_the_vaults_zone() -> None:
    found = terms(bank_terms())
    assert "until March 1, 2027, 00:00 (Beijing time)" in render_notice(found, DIRECTORY, "en")
    assert "在2027年3月1日 00:00（北京时间）之前" in render_notice(found, DIRECTORY, "zh-CN")
    tokyo = signed(listing().model_copy(update={"zone": "Asia/Tokyo"}))
    assert "until March 1, 2027, 01:00 (Asia/Tokyo)" in render_notice(found, tokyo, "en")


@LOCALES
def test_every_month_has_its_name(locale: Tongue) -> None:
    for first in (f"2026-{n:02}" for n in range(1, 13)):
        found = terms(bank_terms()).model_copy(
            update={"first": Month(first), "last": Month(first), "step": 1}
        )
        assert month_words(first, locale) in render_notice(found, DIRECTORY, locale)


@LOCALES
def test_names_and_contacts_with_braces_are_printed_as_they_are(locale: Tongue) -> None:
    entry: Party = party("bank.example").model_copy(
        update={"name": "{days} {0} {bank}", "contact": "{until} {1}"}
    )
    odd = signed(with_party(listing(), entry))
    found = terms(bank_terms())
    text = render_notice(found, odd, locale)
    assert "{days} {0} {bank}" in text
    assert "{until} {1}" in text
    check_notice_contents(text, found, odd, locale)


CHANGES: list[dict[str, Json]] = [
    {"platform": "city.example"},
    {"template": "CITY-REWARD"},
    {"purposes": ["PublicBenefit"]},
    {"categories": [1]},
    {"step": 1},
    {"first": "2025-04"},
    {"last": "2026-09"},
    {"until": 1767225600},
    {"mode": "cohort"},
    {"show_sources": False},
    {"exclusive": True},
    {"data_life_days": 89},
]


def test_the_changes_are_every_member_of_the_terms() -> None:
    assert {name for change in CHANGES for name in change} == set(Terms.model_fields)


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
    with pytest.raises(BadShape):
        check_notice_contents(right, other, DIRECTORY, locale)


@LOCALES
def test_two_purposes_are_told_apart_from_one(locale: Tongue) -> None:
    both, one = (terms_for("CITY-STATS", wide) for wide in (True, False))
    assert len(both.purposes) == 2
    assert (
        members_of(both, DIRECTORY, locale)["purposes"]
        != (members_of(one, DIRECTORY, locale)["purposes"])
    )


@LOCALES
def test_every_purpose_of_a_template_has_a_word(locale: Tongue) -> None:
    wanted = {purpose for template in TEMPLATES.values() for purpose in template.purposes}
    assert set(PURPOSE_WORDS[locale]) == wanted


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
