"""The pictures of an audit's report: SVG inside the page, without a script (see consent/chart.py).

    draw_rows("platforms", title, [Row("Bank", 812, "812")])             one bar under each label
    draw_columns("months", title, [Column("2026-01", (800, 12))])        stacked, one a month
    draw_lanes("directories", title, [Lane("Keys", (Dot(0, 2),))], …)    what happened when

Drawn 800 units wide and scaled down: a phone shows half of that. Colours and fonts are classes of
consent/report/style.py, so that a picture follows light, dark and print. Every picture has a title,
and tells a screen reader all that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

WIDTH = 800
LETTER = 28  # the largest text of a label: on a phone it is larger than on a desk
ROW, BAR = 74, 22
LEFT, TALL, HEAD, FOOT = 92, 300, 36, 70
LANE, LANE_LEFT = 74, 236
COLOURS = 8
LINES = 4
LARGE_DOT = 22


@dataclass(frozen=True)
class Row:
    """A bar: its label, how much it is, how that is written, and its colour's class."""

    label: str
    count: int
    shown: str
    tone: str = "c1"


@dataclass(frozen=True)
class Column:
    """A month and its parts from the bottom up, in the order of the colours."""

    month: str
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Dot:
    """Something at a thousandth of the way from left to right, and how much of it (1 or more)."""

    place: int
    count: int


@dataclass(frozen=True)
class Lane:
    """One kind of thing over time."""

    label: str
    dots: tuple[Dot, ...]
    tone: str = "c1"


def draw_rows(name: str, title: str, rows: Sequence[Row]) -> str:
    """Return bars from top to bottom, each as long as its share of the largest."""
    most = max((row.count for row in rows), default=0) or 1
    parts = []
    for at, row in enumerate(rows):
        top = at * ROW
        room = WIDTH - width_of(row.shown) - LETTER
        length = max(4, WIDTH * row.count // most) if row.count else 0
        parts += [
            _text("l", 0, top + 29, fitted(row.label, room)),
            _text("n e", WIDTH, top + 29, row.shown),
            f'<rect class="w" x="0" y="{top + 40}" width="{WIDTH}" height="{BAR}" rx="6"/>',
            f'<rect class="{row.tone}" x="0" y="{top + 40}" width="{length}" height="{BAR}" '
            f'rx="{min(6, length // 2)}"/>',
        ]
    told = "; ".join(f"{row.label}: {row.shown}" for row in rows)
    return _frame(name, title, told, ROW * len(rows), parts)


def draw_columns(name: str, title: str, columns: Sequence[Column], told: str) -> str:
    """Return stacked columns, one a month; `told` is what a screen reader says of them."""
    most = max((sum(column.parts) for column in columns), default=0) or 1
    step = _step(most)
    top_value = -(-most // step) * step
    parts = _grid(top_value, step)
    slot = (WIDTH - LEFT) // max(1, len(columns))
    numbers = width_of(f"{most:,}") <= slot
    for at, column in enumerate(columns):
        parts += _column(column, LEFT + at * slot, slot, top_value)
        if numbers:
            parts.append(_total(column, LEFT + at * slot + slot // 2, top_value))
        if at == 0 or column.month.endswith("-01"):
            parts.append(_text("s", LEFT + at * slot + 2, HEAD + TALL + 60, column.month[:4]))
    return _frame(name, title, told, HEAD + TALL + FOOT, parts)


def draw_lanes(
    name: str, title: str, lanes: Sequence[Lane], ends: tuple[str, str], told: str
) -> str:
    """Return one line for each lane with its dots; `ends` are the texts of begin and end."""
    span = WIDTH - LANE_LEFT - 2 * LARGE_DOT
    parts = []
    for at, lane in enumerate(lanes):
        middle = at * LANE + LANE // 2
        parts += [
            _text("l", 0, middle + 8, fitted(lane.label, LANE_LEFT - LETTER)),
            f'<line class="g" x1="{LANE_LEFT}" x2="{WIDTH}" y1="{middle}" y2="{middle}"/>',
        ]
        for dot in lane.dots:
            across = LANE_LEFT + LARGE_DOT + span * dot.place // 1000
            size = min(LARGE_DOT, 7 + 3 * dot.count.bit_length())
            parts.append(f'<circle class="{lane.tone} o" cx="{across}" cy="{middle}" r="{size}"/>')
    foot = LANE * len(lanes) + 26
    parts += [_text("s", LANE_LEFT, foot, ends[0]), _text("s e", WIDTH, foot, ends[1])]
    return _frame(name, title, told, foot + 12, parts)


def width_of(text: str) -> int:
    """Return about how many units wide a text is; Chinese letters are twice as wide."""
    wide = sum(east_asian_width(letter) in "WF" for letter in text)
    return (wide * 20 + (len(text) - wide) * 13) * LETTER // 20


def fitted(text: str, room: int) -> str:
    """Return the text, cut where it is wider than so many units: SVG breaks no line."""
    if width_of(text) <= room:
        return text
    short = text
    while short and width_of(short + "…") > room:
        short = short[:-1]
    return short + "…"


def _grid(top_value: int, step: int) -> list[str]:
    parts = []
    for value in range(0, top_value + 1, step):
        level = HEAD + TALL - TALL * value // top_value
        parts.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH}" y1="{level}" y2="{level}"/>')
        parts.append(_text("s e", LEFT - 12, level + 8, _short(value)))
    return parts


def _column(column: Column, left: int, slot: int, top_value: int) -> list[str]:
    gap = max(2, slot // 6)
    parts, below = [], 0
    for colour, part in enumerate(column.parts, 1):
        if part:
            foot = HEAD + TALL - TALL * below // top_value
            below += part
            head = HEAD + TALL - TALL * below // top_value
            parts.append(
                f'<rect class="c{colour} o" x="{left + gap}" y="{min(head, foot - 1)}" '
                f'width="{slot - 2 * gap}" height="{max(1, foot - head)}"/>'
            )
    parts.append(_text("s m", left + slot // 2, HEAD + TALL + 30, column.month[5:]))
    return parts


def _total(column: Column, middle: int, top_value: int) -> str:
    total = sum(column.parts)
    return _text("n m", middle, HEAD + TALL - TALL * total // top_value - 8, f"{total:,}")


def _step(most: int) -> int:
    """Return the distance of the grid's lines: 1, 2 or 5 times a power of ten, a few lines."""
    power = 1
    while power * 10 * LINES < most:
        power *= 10
    return next(power * each for each in (1, 2, 5, 10) if power * each * LINES >= most)


def _short(value: int) -> str:
    """Return a number for the axis: 1,500 and 20k."""
    for unit, name in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (1000, "k")):
        if value >= 10 * unit and value % unit == 0:
            return f"{value // unit:,}{name}"
    return f"{value:,}"


def _text(kind: str, x: int, y: int, text: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _frame(name: str, title: str, told: str, height: int, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-labelledby="{name}-t {name}-d">',
            f'<title id="{name}-t">{escape(title)}</title>',
            f'<desc id="{name}-d">{escape(told)}</desc>',
            *parts,
            "</svg>",
        ]
    )
