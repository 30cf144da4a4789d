"""Months, windows, categories and amounts (docs/protocol.md section 3).

A month is written ``2026-01`` and lives in the vault's zone; a window is the ascending list of its
months. Amounts are integers: milligrams in records, grams in closes.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import IntEnum
from typing import NewType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vault.errors import BadShape

Month = NewType("Month", str)
Window = tuple[Month, ...]
Grams = NewType("Grams", int)
Milligrams = NewType("Milligrams", int)

DEFAULT_ZONE = "Asia/Shanghai"
CLOSE_DUE_DAYS = 10
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)


class Category(IntEnum):
    """The seven categories 衣食住行用办公数字金融."""

    CLOTHING = 1
    FOOD = 2
    HOUSING = 3
    TRAVEL = 4
    GOODS = 5
    OFFICE = 6
    DIGITAL_FINANCE = 7


def parse_month(text: str) -> Month:
    """Return text as a month.

    Raises:
        BadShape: not ``20YY-MM``.
    """
    if not _MONTH.fullmatch(text):
        raise BadShape(f"wanted a month such as 2026-01, found {text[:20]!r}")
    return Month(text)


def add_months(month: Month, count: int) -> Month:
    """Return the month `count` months later (earlier when negative)."""
    years, number = divmod(int(month[:4]) * 12 + int(month[5:]) - 1 + count, 12)
    return parse_month(f"{years:04d}-{number + 1:02d}")


def months_from(first: Month, last: Month) -> Window:
    """Return every month from first through last; empty when last is before first."""
    count = (int(last[:4]) - int(first[:4])) * 12 + int(last[5:]) - int(first[5:]) + 1
    return tuple(add_months(first, i) for i in range(count))


def windows_of(first: Month, last: Month, step: int) -> list[Window]:
    """Return first..last cut into windows of `step` months.

    Raises:
        BadShape: first..last is not a whole number of windows.
    """
    months = months_from(first, last)
    if not months or len(months) % step:
        raise BadShape(f"{first}..{last} is not a whole number of windows of {step} months")
    return [months[i : i + step] for i in range(0, len(months), step)]


def join_window(window: Window) -> str:
    """Return the window's one text form, months joined by ``/``."""
    return "/".join(window)


def zone_of(name: str) -> ZoneInfo:
    """Return the IANA time zone of this name; raises BadShape when there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as bad:
        raise BadShape(f"there is no time zone {name[:40]!r}") from bad


def local_time(unix: int, zone: str) -> datetime:
    """Return the unix second as a time in the zone; raises BadShape past the year 9999."""
    try:
        return datetime.fromtimestamp(unix, zone_of(zone))
    except (ValueError, OverflowError, OSError) as bad:
        raise BadShape(f"{unix} is no unix second of the calendar") from bad


def month_at(unix: int, zone: str) -> Month:
    """Return the month that the unix second lies in, in the zone; raises BadShape past 20YY."""
    return parse_month(local_time(unix, zone).strftime("%Y-%m"))


def month_begins(month: Month, zone: str) -> int:
    """Return the month's first unix second in the zone."""
    moment = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=zone_of(zone))
    return int(moment.timestamp())


def close_slot(month: Month, zone: str) -> tuple[int, int]:
    """Return [begin, end) in unix seconds of the month's slot for closes: the next month."""
    following = add_months(month, 1)
    return month_begins(following, zone), month_begins(add_months(following, 1), zone)
