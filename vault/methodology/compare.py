"""One export under several releases and places, side by side (docs/methodology.md).

    columns = [Column(load_release("demo-1"), "CN"), Column(load_release("2026-1"), "CN-HB-WH")]
    compared = compare(acts, columns)
    compared.totals[1].mg, compared.ratios()      410159000, [Fraction(487, 400), Fraction(1)]

Bounds, exclusions of one act and the cap of one act hold here. The caps of a day and a month, what
excludes another behaviour and person-time need to know whose acts these are: the books of a source
apply them, and this does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from vault.errors import BadMethodology, BadShape, OutOfBounds
from vault.methodology.quantify import Act, quantify
from vault.methodology.release import Release
from vault.months import local_time

UNLISTED = "unlisted"
NOT_LISTED = "not-in-release"
OTHER_UNITS = "other-units"


@dataclass(frozen=True)
class Column:
    """A release, and the place where the acts are said to have been."""

    release: Release
    region: str

    @property
    def name(self) -> str:
        """Its name, such as 2026-1@CN-HB-WH."""
        return f"{self.release.id}@{self.region}"


@dataclass
class Cell:
    """What some acts count under one column.

    ``credited`` acts count more than 0; ``cut`` of them lost what lies above the cap of one act;
    ``zeroed`` are recorded and count 0, ``refused`` are not recorded, both by reason. ``mg`` is
    the sum in milligrams.
    """

    mg: int = 0
    credited: int = 0
    cut: int = 0
    zeroed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def acts(self) -> int:
        """How many acts it is about."""
        return self.credited + self.zeroed.total() + self.refused.total()

    def add(self, act: Act, release: Release) -> None:
        """Count one act by a release."""
        try:
            credit = quantify(act, release)
        except OutOfBounds as out:
            self.refused[out.reason] += 1
        except BadMethodology:
            self.refused[NOT_LISTED] += 1
        except BadShape:
            self.refused[OTHER_UNITS] += 1
        else:
            self._add(credit.mg, credit.reason)

    def join(self, other: Cell) -> None:
        """Add another cell to this one."""
        self.mg += other.mg
        self.credited += other.credited
        self.cut += other.cut
        self.zeroed += other.zeroed
        self.refused += other.refused

    def _add(self, mg: int, reason: str | None) -> None:
        if mg:
            self.mg += mg
            self.credited += 1
            self.cut += reason is not None
        else:
            self.zeroed[reason or ""] += 1


@dataclass(frozen=True)
class Compared:
    """The cells of each behaviour, one for each column."""

    columns: Sequence[Column]
    rows: dict[str, list[Cell]]

    @property
    def totals(self) -> list[Cell]:
        """The columns added up."""
        totals = [Cell() for _ in self.columns]
        for cells in self.rows.values():
            for total, cell in zip(totals, cells, strict=True):
                total.join(cell)
        return totals

    def ratios(self) -> list[Fraction | None]:
        """Return each total by the smallest one above 0; None for a total of 0."""
        found = [total.mg for total in self.totals]
        least = min((mg for mg in found if mg), default=1)
        return [Fraction(mg, least) if mg else None for mg in found]


def compare(acts: Iterable[Act], columns: Sequence[Column]) -> Compared:
    """Return what acts count under each column, their own place being put aside.

    The acts are taken one at a time and none is kept. Behaviours that no release lists share one
    row, so that a file cannot make as many rows as it likes.
    """
    rows: dict[str, list[Cell]] = {}
    listed = {name for column in columns for name in column.release.behaviours}
    for act in acts:
        name = act.behaviour if act.behaviour in listed else UNLISTED
        cells = rows.setdefault(name, [Cell() for _ in columns])
        for column, cell in zip(columns, cells, strict=True):
            cell.add(replace(act, region=column.region), column.release)
    return Compared(columns, rows)


def days_until(start: int, day: date, zone: ZoneInfo) -> int:
    """Return how many days a unix second has to be moved to fall on a day of the zone.

    Raises:
        BadShape: it is past the year 9999.
    """
    return (day - local_time(start, zone.key).date()).days


def move(act: Act, days: int, zone: ZoneInfo) -> Act:
    """Return an act so many days later (earlier when negative), at the same local time of day.

    Raises:
        BadShape: it would start before 1970 or after the year 9999.
    """
    try:
        local = local_time(act.start, zone.key).replace(tzinfo=None) + timedelta(days=days)
        start = int(local.replace(tzinfo=zone).timestamp())
    except (OverflowError, ValueError):
        start = -1
    if start < 0:
        raise BadShape(f"moved by {days:,} days, an act leaves the calendar")
    return replace(act, start=start, end=start + act.end - act.start)
