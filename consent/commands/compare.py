"""``carbonvault methodology compare``: one export under several releases and places.

    carbonvault methodology compare trips.csv --format bikeshare --beside stations.csv
        --under demo-1@CN --under 2026-1@CN-HB-WH --to-date 2026-01-05 --svg spread.svg

The file is read twice, an act at a time: once for its first day and for what it takes back itself,
once to count (docs/methodology.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from consent.chart import Bar, draw_bars
from consent.commands.methodology import show_table
from consent.place import replace_file
from consent.terminal import JsonOut, bars, spoken, write_json
from vault.encoding import Json, compact_json
from vault.errors import BadFile, Locale
from vault.importers.catalogue import read_export
from vault.importers.entry import Entry, Reversal, Setting
from vault.importers.opening import open_export
from vault.importers.report import Report
from vault.methodology.amounts import grams_text, ratio_text
from vault.methodology.compare import Cell, Column, Compared, compare, days_until, move
from vault.methodology.formula import Region
from vault.methodology.quantify import Act
from vault.methodology.release import load_release
from vault.months import DEFAULT_ZONE, local_time, zone_of

CHUNK = 1 << 20
DEFAULT_COLUMNS = ("demo-1@CN", "2026-1@CN", "2026-1@CN-HB-WH", "beijing-season-2022@CN-BJ")
TITLE: dict[Locale, str] = {
    "zh-CN": "同样的行为，不同的克数",
    "en": "The same acts, different grams of CO2e",
}
UNCAPPED: dict[Locale, str] = {
    "zh-CN": "每日和每月上限、行为之间的互斥、同一时间只计一次出行，此处都不计："
    "由来源方的账册按客户执行。",
    "en": "Not applied here: caps of a day and a month, exclusions between behaviours and "
    "person-time; a source's books apply them to each customer.",
}


@dataclass(frozen=True)
class Export:
    """An export file, as the person named it."""

    file: Path
    beside: Path | None
    form: str
    setting: Setting

    def entries(self, report: Report, done: Callable[[], None]) -> Iterator[Entry | Reversal]:
        """Yield what is in the file, calling `done` after each."""
        with ExitStack() as stack:
            file = stack.enter_context(open_export(self.file))
            beside = stack.enter_context(open_export(self.beside)) if self.beside else None
            for entry in read_export(self.form, file, self.setting, report, beside):
                yield entry
                done()

    def lines(self) -> int:
        """Return about how many entries there may be: the lines of the file, at least 1."""
        with open_export(self.file) as file:
            return 1 + sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK), b""))


@dataclass(frozen=True)
class Survey:
    """What is known of a file once it was read.

    ``first`` is the unix second of its earliest act; ``doubled`` acts have the receipt of an
    earlier one and are no ``acts``; ``claimed`` ones are no person's; ``taken_back`` are those that
    the file itself takes back, by operator and receipt.
    """

    first: int | None
    acts: int
    doubled: int
    claimed: int
    customers: bool
    taken_back: frozenset[tuple[str | None, str]]


class Once:
    """Tells what was seen from what is new, by operator and receipt.

    It keeps eight bytes of a hash for each: of a hundred million acts, one in three thousand files
    would lose one.
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.hashes: set[int] = set()
        self.doubled = 0

    def is_new(self, entry: Entry) -> bool:
        """Return whether the receipt is the first of its kind; count it if it is not."""
        key = compact_json([entry.operator, entry.receipt])
        found = int.from_bytes(blake2b(key, digest_size=8).digest())
        if found in self.hashes:
            self.doubled += 1
            return False
        self.hashes.add(found)
        return True


@spoken
def compare_export(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The export.")],
    form: Annotated[str, typer.Option("--format", help="Which export it is.")],
    under: Annotated[
        list[str] | None, typer.Option(metavar="RELEASE@REGION", help="A column; once for each.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Its second file.")
    ] = None,
    zone: Annotated[str, typer.Option(help="Where its times are local.")] = DEFAULT_ZONE,
    persons: Annotated[int | None, typer.Option(min=1, help="How many share a meter.")] = None,
    behaviour: Annotated[str, typer.Option(help="What its acts are, where it does not say.")] = "",
    to_date: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Move the file's first day to this one.")
    ] = "",
    svg: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a bar chart.")] = None,
    json_out: JsonOut = False,
) -> None:
    """Count one export under several releases and places, side by side.

    Factors have days on which they are valid: an old file counts 0 unless --to-date moves it.

    Example: carbonvault methodology compare trips.csv --format bikeshare --beside stations.csv
    --to-date 2026-01-05
    """
    columns = [_column(each) for each in under or DEFAULT_COLUMNS]
    setting = Setting(columns[0].region, zone_of(zone), persons, behaviour or None)
    export, day = Export(file, beside, form, setting), _day(to_date)
    report = Report()
    with bars() as story:
        done = story.work("lines read", export.lines())
        survey = survey_entries(export.entries(Report(), done))
        if survey.first is None:
            raise BadFile("there is no act in this file")
        days = days_until(survey.first, day, setting.zone) if day else 0
        done = story.work("acts counted", survey.acts + survey.doubled)
        acts = _acts(export.entries(report, done), survey, setting, days)
        compared = compare(acts, columns)
    if svg:
        replace_file(svg, draw(compared, survey, days).encode("utf-8"))
    if json_out:
        write_json(_members(compared, survey, report, days))
    else:
        _tell(compared, survey, report, days, zone)


def survey_entries(entries: Iterator[Entry | Reversal]) -> Survey:
    """Return what a file is about; entries are taken one at a time."""
    first: int | None = None
    acts, claimed, customers = 0, 0, False
    taken_back: set[tuple[str | None, str]] = set()
    once = Once()
    for entry in entries:
        if isinstance(entry, Reversal):
            taken_back.add((entry.operator, entry.of))
            continue
        if not once.is_new(entry):
            continue
        acts += 1
        claimed += entry.claimed is not None
        customers = customers or entry.customer is not None
        first = entry.act.start if first is None else min(first, entry.act.start)
    return Survey(first, acts, once.doubled, claimed, customers, frozenset(taken_back))


def _acts(
    entries: Iterator[Entry | Reversal], survey: Survey, setting: Setting, days: int
) -> Iterator[Act]:
    once = Once()
    for entry in entries:
        if isinstance(entry, Reversal) or not once.is_new(entry) or entry.claimed:
            continue
        if (entry.operator, entry.receipt) not in survey.taken_back:
            yield move(entry.act, days, setting.zone) if days else entry.act


def _column(text: str) -> Column:
    release, _, region = text.partition("@")
    try:
        TypeAdapter(Region).validate_python(region)
    except ValidationError as bad:
        raise typer.BadParameter(f"wanted RELEASE@REGION, such as 2026-1@CN, found {text}") from bad
    return Column(load_release(release), region)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as bad:
        raise typer.BadParameter(f"wanted a day such as 2026-01-05, found {text}") from bad
    if not 2000 <= day.year < 2100:
        raise typer.BadParameter(f"wanted a day of the years 2000 to 2099, found {text}")
    return day


def _ratios(compared: Compared) -> list[str]:
    return ["" if ratio is None else ratio_text(ratio) for ratio in compared.ratios()]


def draw(compared: Compared, survey: Survey, days: int) -> str:
    """Return the bar chart of a comparison."""
    counted: dict[Locale, str] = {
        "zh-CN": f"{survey.acts:,} 条行为；倍数以最小的总量为 1。",
        "en": f"{survey.acts:,} acts; the smallest total is 1 ×. ",
    }
    note = {each: text + _moved(each, days) + UNCAPPED[each] for each, text in counted.items()}
    totals = zip(compared.columns, compared.totals, _ratios(compared), strict=True)
    found = [Bar(column.name, cell.mg, ratio) for column, cell, ratio in totals]
    return draw_bars(found, TITLE, note)


def _moved(locale: Locale, days: int) -> str:
    if not days:
        return ""
    if locale == "zh-CN":
        return f"所有行为的日期移动了 {days:,} 天。"
    return f"Every act was moved by {days:,} days. "


def _members(compared: Compared, survey: Survey, report: Report, days: int) -> dict[str, Json]:
    totals = zip(compared.columns, compared.totals, _ratios(compared), strict=True)
    columns: list[Json] = [
        {
            "release": column.release.id,
            "sha256": column.release.sha256.hex(),
            "region": column.region,
            "ratio": ratio or None,
            **_cell_members(cell),
        }
        for column, cell, ratio in totals
    ]
    rows: list[Json] = [
        {"behaviour": name, "cells": [_cell_members(cell) for cell in cells]}
        for name, cells in compared.rows.items()
    ]
    refused: dict[str, Json] = {reason: len(at) for reason, at in report.refused.items()}
    return {
        "acts": survey.acts,
        "doubled": survey.doubled,
        "moved_days": days,
        "taken_back": len(survey.taken_back),
        "claimed": survey.claimed,
        "rows_refused": refused,
        "day_and_month_caps": False,
        "exclusions_between_behaviours": False,
        "person_time": False,
        "columns": columns,
        "rows": rows,
    }


def _cell_members(cell: Cell) -> dict[str, Json]:
    return {
        "mg": cell.mg,
        "credited": cell.credited,
        "cut": cell.cut,
        "zeroed": {**cell.zeroed},
        "refused": {**cell.refused},
    }


def _tell(compared: Compared, survey: Survey, report: Report, days: int, zone: str) -> None:
    places = [column.name for column in compared.columns]
    rows = [[name, *map(_cell_text, cells)] for name, cells in compared.rows.items()]
    ratios = (f"{ratio} ×" if ratio else "0" for ratio in _ratios(compared))
    totals = zip(compared.totals, ratios, strict=True)
    rows.append(["total", *(f"{grams_text(cell.mg)}\n{ratio}" for cell, ratio in totals)])
    show_table(["behaviour", *places], rows, bends=places)
    for line in _notes(survey, report, days, zone):
        typer.echo(line)


def _cell_text(cell: Cell) -> str:
    lines = [grams_text(cell.mg), f"{cell.credited:,} credited"]
    lines += [f"{cell.cut:,} of them cut: act-cap"] if cell.cut else []
    lines += [f"{count:,} count 0: {why}" for why, count in cell.zeroed.most_common()]
    lines += [f"{count:,} refused: {why}" for why, count in cell.refused.most_common()]
    return "\n".join(lines)


def _notes(survey: Survey, report: Report, days: int, zone: str) -> Iterator[str]:
    rows = sum(map(len, report.refused.values()))
    yield f"{survey.acts:,} acts read; {rows:,} rows refused; × is by the smallest total."
    if survey.doubled:
        yield f"{survey.doubled:,} doubled rows are left out: a receipt counts once."
    if survey.taken_back:
        yield f"{len(survey.taken_back):,} acts that the file itself takes back are left out."
    if survey.claimed:
        yield f"{survey.claimed:,} acts that a platform or another scheme claims are left out."
    if days and survey.first is not None:
        first = local_time(survey.first, zone)
        yield f"Every act was moved by {days:,} days; the file's first day is {first:%Y-%m-%d}."
    yield UNCAPPED["en"]
    if not survey.customers:
        yield "The file names no customer, so that none could be capped."
