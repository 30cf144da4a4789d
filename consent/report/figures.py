"""The figures of a report's page: a picture, what it shows in words, and its table behind it.

    <figure id="releases"><figcaption><h3>Releases by month</h3><p>…</p></figcaption>
    <svg role="img">…</svg><ul class="legend">…</ul><details><summary>…</summary><table>…

Where there is nothing to draw, the figure says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from consent.report.chart import (
    COLOURS,
    Column,
    Row,
    draw_columns,
    draw_rows,
)
from consent.report.form import Place
from consent.report.names import (
    BUCKETS,
    ENDS,
    KINDS,
    REASONS,
    REQUEST_REASONS,
    name_of,
)
from consent.report.parts import Sheet
from consent.report.timeline import draw_timeline
from consent.report.words import Names
from vault.months import Month, months_from

MOST_MONTHS = 24
MOST_BARS = 20


def draw_figures(sheet: Sheet) -> str:
    """Return all figures of a report, in reading order."""
    drawn = [
        _releases(sheet),
        _platforms(sheet),
        _refusals(sheet),
        _gaps(sheet),
        _ended(sheet),
        _requests(sheet),
        _kinds(sheet),
        draw_timeline(sheet),
    ]
    return '<div class="figures">\n' + "\n".join(drawn) + "\n</div>"


def _releases(sheet: Sheet) -> str:
    rows = sheet.report.releases
    months: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.month:
            months[row.month, row.template] += row.count
    if not months:
        return sheet.figure("releases", sheet.say("releases_none"), "")
    parts = _largest(months)
    span = _months_of([month for month, _ in months])
    shown = span[-MOST_MONTHS:]
    columns = [
        Column(month, tuple(_part(months, month, name, parts) for name in parts)) for month in shown
    ]
    picture = draw_columns("releases", sheet.word("releases"), columns, _told(sheet, span, months))
    if len(span) > len(shown):
        note = sheet.say("releases_cut", count=sheet.number(len(shown)))
        picture += f"\n<p>{note}</p>"
    picture += _legend(sheet, parts)
    table = sheet.table(
        ("month", "template", "platform", "count"),
        (
            (
                *_place(sheet, row),
                sheet.number(row.count),
            )
            for row in rows
        ),
    )
    return sheet.figure("releases", picture, table)


def _platforms(sheet: Sheet) -> str:
    counts = _sums((row.platform, row.count) for row in sheet.report.releases)
    bars = [(sheet.called(name), count) for name, count in _ranked(counts)]
    rows = ((sheet.party(name), sheet.number(count)) for name, count in _ranked(counts))
    picture = _bars(sheet, "platforms", bars, "c2") if bars else sheet.say("releases_none")
    return sheet.figure("platforms", picture, sheet.table(("platform", "count"), rows))


def _refusals(sheet: Sheet) -> str:
    counts = _sums((row.reason, row.count) for row in sheet.report.refusals)
    table = sheet.table(
        ("month", "template", "platform", "reason", "count"),
        (
            (
                *_place(sheet, row),
                sheet.named(REASONS, row.reason),
                sheet.number(row.count),
            )
            for row in sheet.report.refusals
        ),
    )
    return _counted(sheet, "refusals", counts, REASONS, "c3", table)


def _requests(sheet: Sheet) -> str:
    counts = _sums((row.reason, row.count) for row in sheet.report.requests)
    table = sheet.table(
        ("month", "reason", "count"),
        (
            (
                sheet.month(row.month),
                sheet.named(REQUEST_REASONS, row.reason),
                sheet.number(row.count),
            )
            for row in sheet.report.requests
        ),
    )
    return _counted(sheet, "requests", counts, REQUEST_REASONS, "c7", table)


def _ended(sheet: Sheet) -> str:
    counts = _sums((row.how, row.count) for row in sheet.report.ended)
    table = sheet.table(
        ("month", "template", "platform", "how", "count"),
        (
            (
                *_place(sheet, row),
                sheet.named(ENDS, row.how),
                sheet.number(row.count),
            )
            for row in sheet.report.ended
        ),
    )
    return _counted(sheet, "ended", counts, ENDS, "c4", table)


def _gaps(sheet: Sheet) -> str:
    gaps = sheet.report.gaps
    if not gaps.count:
        return sheet.figure("gaps", sheet.say("gaps_none"), "")
    bars = [Row(sheet.word("late"), gaps.late, sheet.number(gaps.late), "bad")]
    bars += [
        Row(
            name_of(sheet.locale, BUCKETS, row.bucket),
            row.count,
            sheet.number(row.count),
            "c8" if row.bucket == "never" else "c1",
        )
        for row in gaps.buckets
    ]
    picture = draw_rows("gaps", sheet.word("gaps"), bars)
    rows = ((escape(bar.label), bar.shown) for bar in bars)
    table = sheet.table(("gaps", "count"), rows)
    return sheet.figure("gaps", f"<p>{_gap_said(sheet)}</p>\n{picture}", table)


def _gap_said(sheet: Sheet) -> str:
    gaps = sheet.report.gaps
    if gaps.longest is None:
        return sheet.say("gaps_unused")
    time = sheet.span(abs(gaps.longest))
    if gaps.late:
        return sheet.say("gaps_late", count=sheet.number(gaps.late), time=time)
    # A release that broke a rule may be one after a stop: then nothing is promised here.
    broken = any(one.rule == "release" for one in sheet.report.findings)
    return sheet.say("gaps_time" if broken else "gaps_kept", time=time)


def _kinds(sheet: Sheet) -> str:
    counts = Counter(sheet.report.counts)
    rows = ((sheet.named(KINDS, kind), sheet.number(count)) for kind, count in _ranked(counts))
    return _counted(sheet, "kinds", counts, KINDS, "c6", sheet.table(("kind", "count"), rows))


def _counted(
    sheet: Sheet, name: str, counts: Counter[str], names: Names, tone: str, table: str
) -> str:
    if not counts:
        return sheet.figure(name, sheet.say(f"{name}_none"), "")
    bars = [(name_of(sheet.locale, names, key), count) for key, count in _ranked(counts)]
    return sheet.figure(name, _bars(sheet, name, bars, tone), table)


def _bars(sheet: Sheet, name: str, bars: Sequence[tuple[str, int]], tone: str) -> str:
    shown = [Row(label, count, sheet.number(count), tone) for label, count in bars[:MOST_BARS]]
    if more := bars[MOST_BARS:]:
        label = sheet.word("others", count=sheet.number(len(more)))
        count = sum(count for _, count in more)
        shown.append(Row(label, count, sheet.number(count), "c8"))
    return draw_rows(name, sheet.word(name), shown)


def _sums(found: Iterable[tuple[str, int]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, count in found:
        counts[name] += count
    return counts


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the largest first; equal ones by name."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _largest(months: Counter[tuple[str, str]]) -> list[str]:
    """Return the templates that get a colour, by name; "" stands for all others."""
    counts = _sums((template, count) for (_, template), count in months.items())
    names = [name for name, _ in _ranked(counts)]
    if len(names) <= COLOURS:
        return sorted(names)
    return [*sorted(names[: COLOURS - 1]), ""]


def _part(months: Counter[tuple[str, str]], month: str, name: str, parts: list[str]) -> int:
    if name:
        return months[month, name]
    return sum(count for (m, t), count in months.items() if m == month and t not in parts)


def _months_of(found: Iterable[str]) -> tuple[Month, ...]:
    months = sorted({Month(month) for month in found})
    return months_from(months[0], months[-1])


def _told(sheet: Sheet, span: tuple[Month, ...], months: Counter[tuple[str, str]]) -> str:
    by_month = _sums((month, count) for (month, _), count in months.items())
    by_template = _sums((template, count) for (_, template), count in months.items())
    top, most = _ranked(by_month)[0]
    colon = sheet.word("colon")
    parts = [
        f"{sheet.plain(name)}{colon}{sheet.number(count)}"
        for name, count in _ranked(by_template)[:MOST_BARS]
    ]
    return sheet.word(
        "releases_told",
        first=span[0],
        last=span[-1],
        count=sheet.number(by_month.total()),
        most=sheet.number(most),
        top=top,
        parts=sheet.word("joins").join(parts),
    )


def _legend(sheet: Sheet, parts: list[str]) -> str:
    items = [
        f'<li><svg viewBox="0 0 12 12" aria-hidden="true">'
        f'<rect class="c{at}" width="12" height="12" rx="3"/></svg>'
        f"{sheet.quote(name) if name else sheet.say('other_templates')}</li>"
        for at, name in enumerate(parts, 1)
    ]
    return f'\n<ul class="legend">{"".join(items)}</ul>'


def _place(sheet: Sheet, row: Place) -> tuple[str, str, str]:
    return sheet.month(row.month), sheet.quote(row.template), sheet.party(row.platform)
