"""What a person reads before a month is opened for an auditor (protocol section 7, "Sample").

    You open one month for an auditor: what East Bikes booked for you in 2026-01.
    Opened are 4 records, of acts from 2026-01-03 to 2026-01-28. Each shows …
    No other record and no other month can be opened with the file, …
    Whoever has the file can read all this, … It cannot be called back.

It names what the records hold, not what they say.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import BadShape, Locale
from vault.messages import Record
from vault.months import Month, local_time

MOST_NAMES = 12

WORDS: dict[Locale, dict[str, str]] = {
    "en": {
        "head": "You open one month for an auditor: what {source} booked for you in {month}.",
        "none": "It booked nothing in that month.",
        "acts": "Opened are {count} records, of acts from {first} to {last}. Each shows what was"
        " done, its times, amounts and milligrams, the operator and its receipt number."
        " Operators: {operators}.",
        "details": "They also hold, as the source wrote it: {names}.",
        "back": "{count} of them take back an earlier record, and say what that one said.",
        "sums": "Opened too are the seven totals of that month in grams, and what earlier months"
        " left over for it in milligrams.",
        "rest": "No other record and no other month can be opened with the file, nor anything of"
        " another source.",
        "risk": "Whoever has the file can read all this, compare it with what the source has about"
        " you, and subtract the totals from larger ones. It cannot be called back.",
    },
    "zh-CN": {
        "head": "您将向审计方公开一个月的内容：{source}在 {month} 为您记录的内容。",
        "none": "该来源在这个月没有为您记录任何内容。",
        "acts": "公开 {count} 条记录，行为日期从 {first} 到 {last}。每条都显示行为种类、时间、"
        "数量、毫克数、经营方及其凭证号。经营方：{operators}。",
        "details": "记录中还有来源写下的内容：{names}。",
        "back": "其中 {count} 条撤销了较早的记录，并包含那条记录的内容。",
        "sums": "同时公开该月七个类别的总量（克），以及之前各月留下的余数（毫克）。",
        "rest": "用这个文件不能打开其他记录、其他月份或其他来源的任何内容。",
        "risk": "得到文件的人可以阅读以上全部内容，与来源掌握的您的资料比对，"
        "并从更大的总量中减去这些总量。文件交出后无法收回。",
    },
}


def state_agreement(
    source: str, month: Month, records: Sequence[Record], zone: str, locale: Locale
) -> str:
    """Return in plain words what a sample opens, one sentence or two a line.

    Args:
        source: the source's name for people.
        month: the month closed.
        records: all that the close covers, the voided ones too.
        zone: the vault's time zone.
        locale: zh-CN or en.
    """
    words = WORDS[locale]
    lines = [words["head"].format(source=source, month=month)]
    lines += _told(records, zone, locale) if records else [words["none"]]
    return "\n".join([*lines, words["sums"], words["rest"], words["risk"]])


def _told(records: Sequence[Record], zone: str, locale: Locale) -> list[str]:
    words = WORDS[locale]
    times = [record.start for record in records]
    names = {name for record in records for name in record.detail or {}}
    back = sum(record.corrects is not None for record in records)
    lines = [
        words["acts"].format(
            count=len(records),
            first=when(min(times), zone, "%Y-%m-%d"),
            last=when(max(times), zone, "%Y-%m-%d"),
            operators=_list({record.operator for record in records}, locale),
        )
    ]
    if names:
        lines.append(words["details"].format(names=_list(names, locale)))
    if back:
        lines.append(words["back"].format(count=back))
    return lines


def _list(names: set[str], locale: Locale) -> str:
    shown = [printable(name[:40]) for name in sorted(names)]
    more = ["…"] if len(shown) > MOST_NAMES else []
    return ("、" if locale == "zh-CN" else ", ").join(shown[:MOST_NAMES] + more)


def when(unix: int, zone: str, form: str) -> str:
    """Return a unix second in the zone by a form of strftime; its number past the calendar."""
    try:
        return f"{local_time(unix, zone):{form}}"
    except BadShape:
        return str(unix)  # a source may have written anything


def printable(text: str) -> str:
    """Return text of others as it may stand on a screen: what moves or hides text shown as ·."""
    return "".join(each if each.isprintable() else "·" for each in text)
