"""Notices: what a person reads before they allow a total, in zh-CN and en.

One renderer from terms and locale to text, one sentence a line, each with a name:

    who        Harbour Bank (bank.example in this vault's directory) asks for the total of …
    purpose    What for: to set the interest rate of a green loan (benefits for you).
    …
    personal   A figure about you is still personal data after it was sent.

The SHA-256 of the text and its locale stand in the grant, so that "what did I agree to?" has an
answer. consent/wording.py says what no notice may leave out, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

from consent.messages import Terms
from consent.templates import Template, template_of
from vault.directory import Directory
from vault.errors import BadShape, Locale
from vault.messages import Party
from vault.months import DEFAULT_ZONE, Category, Month, local_time

CATEGORY_WORDS: dict[Locale, dict[Category, str]] = {
    "en": {
        Category.CLOTHING: "clothing",
        Category.FOOD: "food",
        Category.HOUSING: "housing",
        Category.TRAVEL: "travel",
        Category.GOODS: "goods",
        Category.OFFICE: "office",
        Category.DIGITAL_FINANCE: "digital finance",
    },
    "zh-CN": {
        Category.CLOTHING: "衣着",
        Category.FOOD: "饮食",
        Category.HOUSING: "居住",
        Category.TRAVEL: "出行",
        Category.GOODS: "用品",
        Category.OFFICE: "办公",
        Category.DIGITAL_FINANCE: "数字金融",
    },
}

# The purposes of the templates, which W3C DPV defines.
PURPOSE_WORDS: Mapping[Locale, Mapping[str, str]] = {
    "en": {
        "PersonalisedBenefits": "benefits for you",
        "PublicBenefit": "public benefit",
        "ProvideOfficialStatistics": "official statistics",
        "ScientificResearch": "scientific research",
        "CombatClimateChange": "climate protection",
    },
    "zh-CN": {
        "PersonalisedBenefits": "为您提供优惠",
        "PublicBenefit": "公共利益",
        "ProvideOfficialStatistics": "官方统计",
        "ScientificResearch": "科学研究",
        "CombatClimateChange": "应对气候变化",
    },
}

# In the order in which a person reads them.
_EN: Mapping[str, str] = {
    "who": "{name} ({id} in this vault's directory) asks for the total of your carbon reductions.",
    "who-cohort": "{name} ({id} in this vault's directory) asks to count you in a total of many"
    " people's carbon reductions.",
    "purpose": "What for: {purpose} ({purposes}).",
    "benefit": "What you get: {benefit}.",
    "figures": "They receive: one figure in grams for every {step} from {first} to {last},"
    " {count} in all, over {categories}.",
    "figures-cohort": "They receive: no figure about you alone; for every {step} from {first} to"
    " {last}, {count} in all, one sum in grams over {categories} of many people, with random noise"
    " added.",
    "method": "The vault adds up without being able to read, and no single record leaves it.",
    "sources": "They do not see which sources it comes from.",
    "sources-shown": "They also see which sources it comes from, and that each one signed its"
    " part.",
    "own": "Their own records of you are left out.",
    "never": "They never receive: places, times, routes, purchases, pages or order numbers.",
    "until": "They may ask until {until} ({zone}).",
    "kept": "They keep each figure for at most {days} days.",
    "exclusive": "Exclusive use: your reductions are used up by it, and the same months and"
    " categories cannot be given for exclusive use again; this needs a confirmation of its own.",
    "choice": "You need not agree: nobody may refuse you the product itself because you do not"
    " share.",
    "choice-work": "You need not agree: nobody may put you at a disadvantage at work because you"
    " do not share.",
    "stop": "You can stop sharing at any time in your app, in no more steps than it takes to allow"
    " it; stopping does not undo what was done before.",
    "recall": "A figure that was sent cannot be called back, but you can ask {name} to delete it.",
    "recall-cohort": "A sum that was sent cannot be called back, and your part cannot be taken out"
    " of it, but you can ask {name} to delete what it has of your consent.",
    "contact": "Complaints and questions: {contact}.",
    "personal": "A figure about you is still personal data after it was sent.",
    "personal-cohort": "Your own figure is personal data, also while it is added up.",
}

_ZH: Mapping[str, str] = {
    "who": "{name}（本保管库名录编号：{id}）希望获得您的碳减排总量。",
    "who-cohort": "{name}（本保管库名录编号：{id}）希望把您计入许多人的碳减排总量。",
    "purpose": "目的：{purpose}（{purposes}）。",
    "benefit": "对您的好处：{benefit}。",
    "figures": "对方将收到：{first}至{last}期间，每{step}一个以克为单位的合计数字，共{count}个，"
    "范围：{categories}。",
    "figures-cohort": "对方将收到：没有任何单独关于您的数字；{first}至{last}期间，每{step}一个"
    "以克为单位、由许多人合计并加入随机噪声的数字，共{count}个，范围：{categories}。",
    "method": "保管库在自己无法读取的情况下完成合计，任何一条记录都不会发出。",
    "sources": "对方看不到数字来自哪些来源。",
    "sources-shown": "对方还会看到数字来自哪些来源，以及各来源已对自己的部分签名。",
    "own": "对方自己掌握的您的记录不计在内。",
    "never": "对方绝不会收到：地点、具体时间、路线、所购商品、浏览页面或订单号。",
    "until": "对方可在{until}（{zone}）之前索取。",
    "kept": "每个数字最多保存{days}天。",
    "exclusive": "独占使用：您的减排量会因此被用掉，同样的月份和类别不能再次用于独占使用；"
    "这一点需要您单独确认。",
    "choice": "您可以不同意：任何人不得以您不同意共享为由，拒绝向您提供产品本身。",
    "choice-work": "您可以不同意：任何人不得因您不同意共享，在工作中对您不利。",
    "stop": "您可以随时在应用中停止共享，操作步骤不会比同意时多；停止不影响此前已进行的处理。",
    "recall": "已发出的数字收不回，但您可以要求{name}删除。",
    "recall-cohort": "已发出的合计数字收不回，您的部分也无法从中取出，但您可以要求{name}删除"
    "它持有的与您的同意有关的内容。",
    "contact": "投诉与咨询：{contact}。",
    "personal": "有关您的数字在发出后仍属于您的个人信息。",
    "personal-cohort": "您自己的数字属于您的个人信息，在合计过程中也是如此。",
}

_TEXTS: Mapping[Locale, Mapping[str, str]] = {"en": _EN, "zh-CN": _ZH}
_ORDER = tuple(name for name in _EN if "-" not in name)

_WORDS: Mapping[Locale, Mapping[str, str]] = {
    "en": {
        "1": "month",
        "3": "3 months",
        "12": "12 months",
        "join": ", ",
        "auditor": "{name} lists no contact; turn to the vault's auditor{who}",
        "who": ", {name} ({at})",
        DEFAULT_ZONE: "Beijing time",
    },
    "zh-CN": {
        "1": "个月",
        "3": "3个月",
        "12": "12个月",
        "join": "、",
        "auditor": "{name}未登记联系方式，请联系本保管库的审计方{who}",
        "who": "：{name}（{at}）",
        DEFAULT_ZONE: "北京时间",
    },
}


_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def render_notice(terms: Terms, directory: Directory, locale: Locale) -> str:
    """Return the notice for these terms, plain text in the locale, one sentence a line."""
    return "\n".join(sentences_of(terms, directory, locale).values())


def sentences_of(terms: Terms, directory: Directory, locale: Locale) -> dict[str, str]:
    """Return the sentences of a notice by name, in the order in which a person reads them."""
    texts, members = _TEXTS[locale], members_of(terms, directory, locale)
    forms = _forms(terms, template_of(terms.template))
    return {name: texts[form].format_map(members) for name, form in forms.items()}


def _forms(terms: Terms, template: Template) -> dict[str, str]:
    """Return which form each sentence takes; what these terms have nothing to say of stays away."""
    cohort = {name: f"{name}-cohort" for name in ("who", "figures", "recall", "personal")}
    form = {
        **(cohort if terms.mode == "cohort" else {}),
        "sources": "sources-shown" if terms.show_sources else "sources",
        "choice": "choice-work" if "employer" in template.who else "choice",
    }
    gone = {
        *(() if terms.exclusive else ("exclusive",)),
        *(() if template.free_choice else ("choice",)),
    }
    return {name: form.get(name, name) for name in _ORDER if name not in gone}


def members_of(terms: Terms, directory: Directory, locale: Locale) -> dict[str, str]:
    """Return what a notice says of these terms, word by word."""
    words, names = _WORDS[locale], CATEGORY_WORDS[locale]
    party, text = directory.party(terms.platform), template_of(terms.template).text[locale]
    zone = directory.listing.zone
    return {
        "name": party.name,
        "id": party.id,
        "purpose": text.purpose,
        "purposes": words["join"].join(PURPOSE_WORDS[locale].get(p, p) for p in terms.purposes),
        "benefit": text.benefit,
        "step": words[str(terms.step)],
        "first": _month_words(terms.first, locale),
        "last": _month_words(terms.last, locale),
        "count": str(len(terms.windows)),
        "categories": words["join"].join(names[Category(c)] for c in terms.categories),
        "until": _time_words(local_time(terms.until, zone), locale),
        "zone": words.get(zone, zone),
        "days": str(terms.data_life_days),
        "contact": party.contact or _auditor(party, directory, words),
    }


def _month_words(month: Month, locale: Locale) -> str:
    year, n = map(int, month.split("-"))
    return f"{_MONTHS[n - 1]} {year}" if locale == "en" else f"{year}年{n}月"


def _time_words(at: datetime, locale: Locale) -> str:
    if locale == "en":
        return f"{_MONTHS[at.month - 1]} {at.day}, {at.year}, {at:%H:%M}"
    return f"{at.year}年{at.month}月{at.day}日 {at:%H:%M}"


def _auditor(party: Party, directory: Directory, words: Mapping[str, str]) -> str:
    """Return whom to turn to when a platform lists no contact."""
    found = next((p for p in directory.listing.entries if "auditor" in p.roles), None)
    who = words["who"].format(name=found.name, at=found.contact or found.id) if found else ""
    return words["auditor"].format(name=party.name, who=who)


def notice_hash(text: str) -> bytes:
    """Return the SHA-256 that stands in the grant."""
    return sha256(text.encode("utf-8")).digest()


def check_notice(terms: Terms, directory: Directory, sha: bytes, locale: Locale) -> None:
    """Return when `sha` is the hash of the notice for these terms; raises BadShape."""
    if notice_hash(render_notice(terms, directory, locale)) != sha:
        raise BadShape("notice: not the text that these terms render to in this locale")
