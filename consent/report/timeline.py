"""The figure of what each version of the directory changed, over time (protocol section 4).

A line each for parties, keys, and rules with the log; a dot where a version changed something.
"""

from __future__ import annotations

from collections.abc import Sequence

from consent.report.chart import Dot, Lane, draw_lanes
from consent.report.form import DirectoryRow
from consent.report.names import CHANGES
from consent.report.parts import Sheet

MOST_CHANGES = 12
LANES = (
    ("lane_party", "c2", ("party-added", "party-ended", "party-changed")),
    ("lane_key", "c3", ("key-added", "key-ended", "seal-added", "seal-ended", "knet", "next")),
    ("lane_other", "c4", ("release", "log", "demo")),
)


def draw_timeline(sheet: Sheet) -> str:
    """Return the figure of the directory: parties, keys and rules over time."""
    versions = sheet.report.directories
    if not versions:
        return sheet.figure("directories", sheet.say("directories_none"), "")
    first, last = versions[0].at, versions[-1].at
    lanes, told = [], []
    for label, tone, kinds in LANES:
        dots = _dots(versions, kinds, first, max(1, last - first))
        lanes.append(Lane(sheet.word(label), dots, tone))
        count = sheet.number(sum(dot.count for dot in dots))
        said = {"label": sheet.word(label), "count": count, "versions": len(dots)}
        told.append(sheet.word("lane_told", **said))
    ends = (sheet.time(first)[:10], sheet.time(last)[:10])
    picture = draw_lanes(
        "directories", sheet.word("directories"), lanes, ends, sheet.word("joins").join(told)
    )
    table = sheet.table(
        ("version", "index", "when", "changes"),
        (
            (
                sheet.number(row.version),
                sheet.number(row.index),
                sheet.time(row.at),
                _changes(sheet, row),
            )
            for row in versions
        ),
        numeric=0,
    )
    return sheet.figure("directories", picture, table)


def _dots(
    versions: Sequence[DirectoryRow], kinds: tuple[str, ...], first: int, span: int
) -> tuple[Dot, ...]:
    found = []
    for row in versions:
        count = sum(change.kind in kinds for change in row.changes)
        if count:
            place = min(1000, max(0, 1000 * (row.at - first) // span))
            found.append(Dot(place, count))
    return tuple(found)


def _changes(sheet: Sheet, row: DirectoryRow) -> str:
    told = [
        f"{sheet.named(CHANGES, change.kind)}{sheet.say('colon')}{sheet.quote(change.who)}"
        + (f" <code>{sheet.quote(change.key)}</code>" if change.key else "")
        for change in row.changes[:MOST_CHANGES]
    ]
    if len(row.changes) > MOST_CHANGES:
        told.append(sheet.say("more", count=sheet.number(len(row.changes) - MOST_CHANGES)))
    return sheet.say("joins").join(told) or sheet.say("unchanged")
