"""Local times as trip exports write them, made unix seconds (docs/importers.md).

    2014-09-08T08:01:00    2019-10-01 00:01:39    2018-01-01 13:50:57.4340    9/8/2014 8:01

Where the parts are divided by strokes the month comes first: the exports that do so are American.
No export names its zone. In the hour that is there twice in autumn a time is taken to be in the
first turn, unless the trip would then end before it starts.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from vault.errors import BadFile

_PARTS = ("year", "month", "day", "hour", "minute", "second")
# Of this century: what is written 0014 or 9999 is a slip, and guessing would move an act.
_DASHED = re.compile(
    r"(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)"
    r"[T ](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(\.\d{1,6})?",
    re.ASCII,
)
_STROKED = re.compile(
    r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>20\d\d)"
    r" (?P<hour>\d{1,2}):(?P<minute>\d\d)(:(?P<second>\d\d))?",
    re.ASCII,
)


def span_of(start: str, end: str, zone: ZoneInfo) -> tuple[int, int]:
    """Return the unix seconds of a start and an end, fractions dropped.

    Raises:
        BadFile: ``bad-time``, ``ends-before-start``.
    """
    begins, ends = local_time(start), local_time(end)
    first, last = unix_of(begins, zone), unix_of(ends, zone)
    if last < first:
        last = unix_of(ends.replace(fold=1), zone)
    if last < first:
        raise BadFile("ends-before-start")
    return first, last


def local_time(text: str) -> datetime:
    """Return a time of the years 2000 to 2099, without zone; raises BadFile ``bad-time``."""
    found = _DASHED.fullmatch(text) or _STROKED.fullmatch(text)
    if not found:
        raise BadFile("bad-time")
    year, month, day, hour, minute, second = found.group(*_PARTS)
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
    except ValueError:
        raise BadFile("bad-time") from None


def unix_of(local: datetime, zone: ZoneInfo) -> int:
    """Return the unix seconds of a local time."""
    return int(local.replace(tzinfo=zone).timestamp())
