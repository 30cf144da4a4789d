"""Electricity of a home from a meter's Green Button export, an ESPI feed (docs/importers.md).

    <entry><link rel="up" href="…/UsagePoint/2/MeterReading/01/IntervalBlock"/>
      <content><IntervalBlock xmlns="http://naesb.org/espi"><IntervalReading>
        <timePeriod><duration>3600</duration><start>1767571200</start></timePeriod>
        <value>273</value>                            × 10^powerOfTenMultiplier of its ReadingType

One act is one month of the home. A saving is max(0, baseline − use): taken hour by hour, every hour
below the average would be credited and none above it debited, so that noise alone became a credit.
Sums are exact integers of what the meter says; the multiplier comes last, for a ReadingType may
stand behind its readings. No tree is made of the file: memory hangs on the number of gaps and
months, not on its length. The names of a home and whoever lives in it are never looked at.

The evidence is E4, metered, because it is the utility that runs this. The same file handed in by a
person is E2, an export of their own, and this importer is not for it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from hashlib import sha256
from math import ceil
from typing import BinaryIO
from zoneinfo import ZoneInfo

from vault.errors import BadFile
from vault.importers.amounts import exact_units
from vault.importers.entry import Entry, Setting
from vault.importers.espi import Feed, Reading, ReadingType, read_feed
from vault.importers.report import Lines, Report
from vault.methodology.quantify import Act
from vault.months import Month

BEHAVIOUR = "home.save_electricity"
WATT_HOURS = "72"
DELIVERED = "1"
DELTAS = ("", "0", "4")  # the use of an interval; others are the state of a register
MOST_GAPS = 100_000
MOST_METERS = 1_000
LONGEST_INTERVAL = 31 * 86400 + 3600  # a month in which clocks go back

_COUNT = re.compile(r"[0-9]{1,15}", re.ASCII)
_POWER = re.compile(r"-?[0-9]{1,2}", re.ASCII)
_USAGE_POINT = re.compile(r".*/UsagePoint/[^/]+")
_FIRST, _END = 946_684_800, 4_102_444_800  # the years 2000 to 2099, UTC


class _Broken(BadFile):
    """One reading or one meter is refused; what is wrong with the whole file is a BadFile."""


class Coverage:
    """The seconds that readings cover, as few intervals as they can be written in, ascending."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Cover [start, end), in any order; refuses ``duplicate-interval``, an overlap."""
        starts, ends = self._starts, self._ends
        at = bisect_right(ends, start)
        if at < len(starts) and starts[at] < end:
            raise _Broken("duplicate-interval")
        first = at - 1 if at and ends[at - 1] == start else at
        after = at + 1 if at < len(starts) and starts[at] == end else at
        whole = (starts[first] if first < at else start, ends[at] if at < after else end)
        starts[first:after], ends[first:after] = [whole[0]], [whole[1]]
        if len(starts) > MOST_GAPS:
            raise BadFile(f"wanted readings with at most {MOST_GAPS} gaps between them, found more")


@dataclass
class Sum:
    """What the readings of one month come to: raw value, seconds, and where they lie."""

    line: int
    start: int
    end: int
    value: int = 0
    seconds: int = 0

    def add(self, value: int, start: int, end: int) -> None:
        """Add a reading."""
        self.value += value
        self.seconds += end - start
        self.start, self.end = min(self.start, start), max(self.end, end)


@dataclass
class Series:
    """The readings of one meter in one unit: their sums by month, and their lines."""

    covered: Coverage = field(default_factory=Coverage)
    months: dict[Month, Sum] = field(default_factory=dict)
    lines: Lines = field(default_factory=Lines)

    def add(self, reading: Reading, zone: ZoneInfo) -> None:
        """Add a reading to the month it begins in, or refuse it."""
        value, start, end = _checked(reading)
        month = _month(start, zone)
        self.covered.add(start, end)
        self.months.setdefault(month, Sum(reading.line, start, end)).add(value, start, end)
        self.lines.append(reading.line)


def read_entries(file: BinaryIO, setting: Setting, report: Report) -> Iterator[Entry]:
    """Yield one act for each local month that the meter's readings begin in, after the last one.

    The report counts readings; a line is a reading's place in the file, from 1. Refuses:
    ``bad-number``, ``negative``, ``bad-time`` (also longer than a month), ``duplicate-interval``
    (also an overlap: the one that stands first counts), ``not-watt-hours``, ``not-delta``,
    ``not-delivered``, ``no-reading-type``.

    Args:
        file: the export, open in binary mode.
        setting: where the home is, where its months begin, and how many persons live in it.
        report: filled while the readings are taken.

    Raises:
        BadFile: not told how many persons; no whole ESPI feed in UTF-8 or UTF-16, or one with a
            document type; no reading or no ReadingType; two meters of delivered electricity, since
            the persons of a home count once.
    """
    if setting.persons is None or setting.persons < 1:
        raise BadFile("wanted the number of persons of the home, 1 or more, for its baseline")
    series: dict[str, Series] = {}
    feed = Feed()
    for reading in read_feed(file, feed):
        try:
            _series_of(reading.meter, series).add(reading, setting.zone)
        except _Broken as bad:
            report.refuse(str(bad), reading.line)
    if not feed.readings:
        raise BadFile("wanted an ESPI feed with interval readings, found none")
    found = _delivered(series, feed, report)
    if len(found) > 1:
        raise BadFile(
            f"wanted one meter of delivered electricity, found {len(found)}: the persons of a home "
            "count once, so export one series of one meter at a time"
        )
    for meter, readings, power in found:
        yield from _entries(meter, readings, power, setting, setting.persons, report)


def _entries(
    meter: str, readings: Series, power: int, setting: Setting, persons: int, report: Report
) -> list[Entry]:
    entries = []
    for month, total in sorted(readings.months.items()):
        wh = _watt_hours(total.value, power)
        activity = {"Wh": wh, "count": persons, "s": total.seconds}
        act = Act(BEHAVIOUR, activity, total.start, total.end, setting.region, "E4")
        entries.append(Entry(total.line, None, act, _receipt(month, meter), guessable=True))
    report.accept(len(readings.lines))
    return entries


def _series_of(meter: str, series: dict[str, Series]) -> Series:
    if meter not in series and len(series) == MOST_METERS:
        raise BadFile(f"wanted at most {MOST_METERS} meters in one file, found more")
    return series.setdefault(meter, Series())


def _checked(reading: Reading) -> tuple[int, int, int]:
    if re.fullmatch(r"-[0-9]+", reading.value, re.ASCII):
        raise _Broken("negative")
    if not _COUNT.fullmatch(reading.value):
        raise _Broken("bad-number")
    if not (_COUNT.fullmatch(reading.start) and _COUNT.fullmatch(reading.duration)):
        raise _Broken("bad-time")
    start, seconds = int(reading.start), int(reading.duration)
    if not (_FIRST <= start < _END and 0 < seconds <= LONGEST_INTERVAL):
        raise _Broken("bad-time")
    return int(reading.value), start, start + seconds


def _month(start: int, zone: ZoneInfo) -> Month:
    local = datetime.fromtimestamp(start, zone)
    if not 2000 <= local.year < 2100:
        raise _Broken("bad-time")
    return Month(f"{local.year}-{local.month:02}")


def _delivered(
    series: Mapping[str, Series], feed: Feed, report: Report
) -> list[tuple[str, Series, int]]:
    """Return the meters of delivered watt hours with their power of ten; refuse the others."""
    found: list[tuple[str, Series, int]] = []
    for meter, readings in series.items():
        try:
            found.append((meter, readings, _power(_type_of(meter, series, feed))))
        except _Broken as bad:
            report.refuse_all(str(bad), readings.lines)
    return [(meter, readings, power) for meter, readings, power in found if readings.lines]


def _type_of(meter: str, series: Mapping[str, Series], feed: Feed) -> ReadingType:
    if not feed.types:
        raise BadFile("wanted a ReadingType, which says what the readings are; found none")
    linked = feed.type_of(meter)
    if linked is None and len(series) == len(feed.types) == 1:
        return next(iter(feed.types.values()))
    if linked is None:
        raise _Broken("no-reading-type")
    return linked


def _power(kind: ReadingType) -> int:
    if kind.uom != WATT_HOURS:
        raise _Broken("not-watt-hours")
    if kind.accumulation not in DELTAS:
        raise _Broken("not-delta")
    if kind.flow != DELIVERED:
        raise _Broken("not-delivered")
    if not _POWER.fullmatch(kind.power or "0"):
        raise _Broken("bad-number")
    return int(kind.power or "0")


def _watt_hours(value: int, power: int) -> int:
    # Rounded up: here it is the use that is measured, and less of it would be more credit.
    try:
        return exact_units(ceil(value * Fraction(10) ** power), 1)
    except BadFile:
        raise BadFile("the readings of a month come to 2^53 Wh or more") from None


def _receipt(month: Month, meter: str) -> str:
    found = _USAGE_POINT.match(meter)
    link = found[0] if found else meter
    return f"greenbutton:{month}:{sha256(link.encode()).hexdigest()[:16]}"
