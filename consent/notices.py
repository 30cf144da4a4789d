"""Notices: what a person reads before they allow a total, in zh-CN and en.

One renderer from grant members and locale to text; its SHA-256 and locale stand in the grant, so
that "what did I agree to?" has an answer.
"""

from __future__ import annotations

from hashlib import sha256

from consent.messages import Terms
from consent.templates import template_of
from vault.directory import Directory
from vault.errors import BadShape, Locale
from vault.months import Category, local_time

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

_EN = """{name} asks for the total of your carbon reductions {purpose}.
What you get: {benefit}.
They receive: one figure in grams for every {step} from {first} to {last}, over {categories}.
{sources} Their own records of you are left out.
They never receive: places, times, routes, goods, pages or order numbers.
They may ask until {until} and keep each figure for at most {days} days.
{choice}You can stop sharing at any time in your app, in no more steps than it takes to allow it.
A figure that was sent cannot be called back, but you can ask {name} to delete it.
A figure about you is still personal data after it was sent."""

_ZH = """{name}希望获得您的碳减排总量，{purpose}。
您将获得：{benefit}。
对方将收到：{first}至{last}期间，每{step}一个以克为单位的合计数字，范围：{categories}。
{sources}对方自己掌握的您的记录不计在内。
对方绝不会收到：地点、具体时间、路线、商品、浏览页面或订单号。
对方可在{until}之前索取，每个数字最多保存{days}天。
{choice}您可以随时在应用中停止共享，操作步骤不会比同意时多。
已发出的数字无法收回，但您可以要求{name}删除。
有关您的数字在发出后仍属于您的个人信息。"""

_WORDS: dict[Locale, dict[str, str]] = {
    "en": {
        "1": "month",
        "3": "3 months",
        "12": "12 months",
        "join": ", ",
        "shown": "They also see which sources it comes from, and that each one signed its part.",
        "hidden": "They do not see which sources it comes from.",
        "choice": "Nobody may refuse you the product itself because you do not share. ",
    },
    "zh-CN": {
        "1": "个月",
        "3": "3个月",
        "12": "12个月",
        "join": "、",
        "shown": "对方还会看到数字来自哪些来源，以及各来源已对自己的部分签名。",
        "hidden": "对方看不到数字来自哪些来源。",
        "choice": "任何人不得以您不同意共享为由，拒绝向您提供产品本身。",
    },
}


def render_notice(terms: Terms, directory: Directory, locale: Locale) -> str:
    """Return the notice for these terms, plain text in the locale."""
    template, words = template_of(terms.template), _WORDS[locale]
    names = CATEGORY_WORDS[locale]
    until = local_time(terms.until, directory.listing.zone)
    return (_ZH if locale == "zh-CN" else _EN).format(
        name=directory.party(terms.platform).name,
        purpose=template.text[locale].purpose,
        benefit=template.text[locale].benefit,
        step=words[str(terms.step)],
        first=terms.first,
        last=terms.last,
        categories=words["join"].join(names[Category(c)] for c in terms.categories),
        sources=words["shown" if terms.show_sources else "hidden"],
        until=until.strftime("%Y-%m-%d %H:%M"),
        days=terms.data_life_days,
        choice=words["choice"] if template.free_choice else "",
    )


def notice_hash(text: str) -> bytes:
    """Return the SHA-256 that stands in the grant."""
    return sha256(text.encode("utf-8")).digest()


def check_notice(terms: Terms, directory: Directory, sha: bytes, locale: Locale) -> None:
    """Return when `sha` is the hash of the notice for these terms; raises BadShape."""
    if notice_hash(render_notice(terms, directory, locale)) != sha:
        raise BadShape("notice: not the text that these terms render to in this locale")
