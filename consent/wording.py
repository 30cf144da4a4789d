"""What a notice must hold, and what no text of ours may say: a lint over words, not a renderer.

    check_notice_contents(text, terms, directory, "en")
    BadShape: kept: the notice does not say «at most 90 days»

It knows nothing of the sentences in consent/notices.py, so that a sentence which is left out,
emptied or turned round there is found here, and so that other renderers (the web app's catalogue)
are held to the same. docs/consent-record.md gives the law behind each fact.
"""

from __future__ import annotations

from collections.abc import Mapping

from consent.messages import Terms
from consent.notices import CATEGORY_WORDS, members_of
from consent.templates import template_of
from vault.directory import Directory
from vault.errors import BadShape, Locale

FORBIDDEN_WORDS = (
    # A total of one person is never that, and a sum of many is not for us to call so.
    "anonym",
    "匿名",
    # Stopping is an everyday act: "stop sharing".
    "revoke authori",
    "授权撤销",
    "撤销授权",
    # A figure and its period say what it is.
    "carbon data",
    "碳数据",
)

# Fact → the words that say it. Law: PIPL unless another is named.
WHO = "who"  # 17 (1), 23: name of the recipient
PURPOSE = "purpose"  # 17 (2), 23: purpose, in one sentence
FIGURES = "figures"  # 17 (2), 23: kind of information; 6, 19: no more than this
METHOD = "method"  # 17 (2), 23: way of handling
KEPT = "kept"  # 17 (2), 19: how long
CONTACT = "contact"  # 17 (1), 23, 50: where to turn
STOP = "stop"  # 15: no harder than agreeing; what was done before stays
CHOICE = "choice"  # 16: no refusal for saying no

_MUST: Mapping[Locale, Mapping[str, tuple[str, ...]]] = {
    "en": {
        WHO: ("{name} ({id} in this vault's directory) asks", "total of your carbon reductions"),
        PURPOSE: ("What for: {purpose}", "({purposes})"),
        "benefit": ("What you get: {benefit}",),
        FIGURES: (
            "They receive: one figure in grams",
            "every {step} from {first} to {last}",
            "{count} in all",
            "over {categories}",
        ),
        METHOD: ("without being able to read", "no single record leaves"),
        "sources": ("They do not see which sources",),
        "own": ("Their own records of you are left out",),
        "never": ("They never receive", "places, times, routes, purchases, pages or order numbers"),
        "until": ("ask until {until}", "{zone}"),
        KEPT: ("keep each figure for at most {days} days",),
        "exclusive": ("Exclusive use", "used up", "confirmation of its own"),
        CHOICE: ("You need not agree", "because you do not share"),
        STOP: ("stop sharing at any time", "no more steps than", "does not undo"),
        "recall": ("sent cannot be called back", "ask {name} to delete"),
        CONTACT: ("Complaints", "{contact}"),
        "personal": ("is still personal data after it was sent",),
    },
    "zh-CN": {
        WHO: ("{name}（本保管库名录编号：{id}）希望", "您的碳减排总量"),
        PURPOSE: ("目的：{purpose}", "（{purposes}）"),
        "benefit": ("对您的好处：{benefit}",),
        FIGURES: (
            "对方将收到：{first}至{last}期间",
            "每{step}一个以克为单位的合计数字",
            "共{count}个",
            "范围：{categories}",
        ),
        METHOD: ("自己无法读取", "任何一条记录都不会发出"),
        "sources": ("对方看不到数字来自哪些来源",),
        "own": ("对方自己掌握的您的记录不计在内",),
        "never": ("对方绝不会收到", "地点、具体时间、路线、所购商品、浏览页面或订单号"),
        "until": ("{until}（{zone}）之前索取",),
        KEPT: ("最多保存{days}天",),
        "exclusive": ("独占使用", "被用掉", "单独确认"),
        CHOICE: ("您可以不同意：任何人不得", "不同意共享"),
        STOP: ("随时在应用中停止共享", "不会比同意时多", "不影响此前"),
        "recall": ("已发出的数字收不回", "要求{name}删除"),
        CONTACT: ("投诉", "{contact}"),
        "personal": ("发出后仍属于您的个人信息",),
    },
}

_SHOWN: Mapping[Locale, tuple[str, ...]] = {
    "en": ("They also see which sources", "signed its part"),
    "zh-CN": ("对方还会看到数字来自哪些来源", "签名"),
}

# In place of what is said of one person's figure.
_COHORT: Mapping[Locale, Mapping[str, tuple[str, ...]]] = {
    "en": {
        WHO: ("{name} ({id} in this vault's directory) asks", "a total of many people"),
        FIGURES: (
            "They receive: no figure about you alone",
            "every {step} from {first} to {last}",
            "{count} in all",
            "one sum in grams over {categories} of many people",
            "noise",
        ),
        "recall": ("sent cannot be called back", "taken out of it", "ask {name} to delete"),
        "personal": ("Your own figure is personal data",),
    },
    "zh-CN": {
        WHO: ("{name}（本保管库名录编号：{id}）希望", "计入许多人的碳减排总量"),
        FIGURES: (
            "对方将收到：没有任何单独关于您的数字；{first}至{last}期间",
            "每{step}一个以克为单位、由许多人合计",
            "噪声",
            "共{count}个",
            "范围：{categories}",
        ),
        "recall": ("收不回", "无法从中取出", "要求{name}删除"),
        "personal": ("您自己的数字属于您的个人信息",),
    },
}


def must_say(terms: Terms, directory: Directory, locale: Locale) -> dict[str, tuple[str, ...]]:
    """Return the words that a notice for these terms must hold, by fact, in reading order."""
    said = dict(_MUST[locale])
    if terms.mode == "cohort":
        said.update(_COHORT[locale])
    if terms.show_sources:
        said["sources"] = _SHOWN[locale]
    if not terms.exclusive:
        del said["exclusive"]
    if not template_of(terms.template).free_choice:
        del said[CHOICE]
    members = members_of(terms, directory, locale)
    return {fact: tuple(word.format_map(members) for word in words) for fact, words in said.items()}


def check_notice_contents(text: str, terms: Terms, directory: Directory, locale: Locale) -> None:
    """Return when a notice says all that it must, in order, and nothing that it must not.

    1. every fact is there, in reading order. 2. of two opposite facts only the true one. 3. no
    category besides. 4. no forbidden word.

    Raises:
        BadShape: the fact is named, and the words that were wanted or found.
    """
    _check_facts(text, must_say(terms, directory, locale))  # 1
    opposite = _MUST[locale]["sources"][0] if terms.show_sources else _SHOWN[locale][0]
    if opposite in text:
        raise BadShape(f"sources: the notice says «{opposite}», which is not so")  # 2
    _check_categories(text, terms, locale)  # 3
    check_words(text)  # 4


def check_words(text: str) -> None:
    """Return when a text for people has no forbidden word, in either language; raises BadShape."""
    lowered = text.lower()
    for word in FORBIDDEN_WORDS:
        if word in lowered:
            raise BadShape(f"words: a text for people does not say «{word}»")


def _check_facts(text: str, facts: Mapping[str, tuple[str, ...]]) -> None:
    begun = 0
    for fact, words in facts.items():
        for word in words:
            if word not in text:
                raise BadShape(f"{fact}: the notice does not say «{word}»")
        found = text.find(words[0], begun)
        if found < 0:
            raise BadShape(f"{fact}: the notice says it before what a person reads first")
        begun = found


def _check_categories(text: str, terms: Terms, locale: Locale) -> None:
    said = _received(text, locale)
    for category, word in CATEGORY_WORDS[locale].items():
        if (word in said) != (category in terms.scope):
            raise BadShape(f"figures: the categories of the notice are wrong at «{word}»")


def _received(text: str, locale: Locale) -> str:
    begins = "They receive" if locale == "en" else "对方将收到"
    return next((line for line in text.split("\n") if line.startswith(begins)), "")
