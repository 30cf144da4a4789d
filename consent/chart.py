"""A bar chart as one SVG text, without a script: it follows light and dark, and fits a phone.

    draw_bars([Bar("2026-1@CN", 499188527, "1.22"), …], title, note)     '<svg …>…</svg>'

Each bar's length is its share of the longest; its grams and its ratio to the shortest are written
on it, so that nothing has to be read off a scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from vault.errors import Locale

WIDTH, MARGIN, ROW, THICK, TOP = 400, 20, 58, 22, 74
LINE, LETTER = 16, 6.3
LONGEST_LABEL = 36
ROOM = 56  # a bar shorter than this has its ratio beside it
_FONT = "system-ui,'Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif"
_STYLE = f"""
text{{font:13px {_FONT};fill:#1d2a24}}
.t{{font-size:16px;font-weight:600}}.s{{font-size:12px;fill:#5a6861}}
.g{{font-weight:600;font-variant-numeric:tabular-nums}}
.r,.o{{font-size:12px;font-weight:600}}.r{{fill:#fff}}
.b{{fill:#fbfaf7}}.w{{fill:#e6e9e4}}.v{{fill:#1f7a52}}
@media(prefers-color-scheme:dark){{text{{fill:#eef3ef}}.s{{fill:#a3b0a9}}.r{{fill:#0c1512}}
.b{{fill:#14191a}}.w{{fill:#273032}}.v{{fill:#4bbf8a}}}}
"""


@dataclass(frozen=True)
class Bar:
    """One bar: its label, milligrams of 0 or more, and its ratio to the shortest, empty for 0."""

    label: str
    mg: int
    ratio: str


def draw_bars(bars: Sequence[Bar], title: Mapping[Locale, str], note: Mapping[Locale, str]) -> str:
    """Return the chart as SVG.

    Args:
        bars: from top to bottom.
        title: a short line above them, in both languages.
        note: below them and for screen readers: what was counted, in both languages.
    """
    notes = [*_folded(note["zh-CN"]), "", *_folded(note["en"])]
    height = TOP + ROW * len(bars) + LINE * len(notes) + MARGIN
    longest = max((bar.mg for bar in bars), default=0) or 1
    drawn = [_bar(bar, TOP + ROW * at, longest) for at, bar in enumerate(bars)]
    below = [
        _text("s", MARGIN, TOP + ROW * len(bars) + LINE * at + 8, line)
        for at, line in enumerate(notes)
        if line
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="100%" '
        f'style="max-width:{2 * WIDTH}px" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title["zh-CN"])} · {escape(title["en"])}</title>',
        f'<desc id="d">{escape(_spoken(bars, note))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="b" width="{WIDTH}" height="{height}" rx="10"/>',
        _text("t", MARGIN, 32, title["zh-CN"]),
        _text("s", MARGIN, 52, title["en"]),
        *drawn,
        *below,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def grams_label(mg: int) -> str:
    """Return milligrams as whole grams, rounded down, thousands set apart: 499,188 g."""
    return f"{mg // 1000:,} g"


def _bar(bar: Bar, top: int, longest: int) -> str:
    full = WIDTH - 2 * MARGIN
    length = max(2, full * bar.mg // longest) if bar.mg else 0
    at = top + 20
    parts = [
        _text("l", MARGIN, top + 13, _short(bar.label)),
        _text("g", WIDTH - MARGIN, top + 13, grams_label(bar.mg), end=True),
        f'<rect class="w" x="{MARGIN}" y="{at}" width="{full}" height="{THICK}" rx="4"/>',
        f'<rect class="v" x="{MARGIN}" y="{at}" width="{length}" height="{THICK}" rx="4"/>',
    ]
    ratio = f"{bar.ratio} ×" if bar.ratio else "0"
    if length < ROOM:
        parts.append(_text("o", MARGIN + length + 8, at + 15, ratio))
    else:
        parts.append(_text("r", MARGIN + length - 8, at + 15, ratio, end=True))
    return "".join(parts)


def _spoken(bars: Sequence[Bar], note: Mapping[Locale, str]) -> str:
    told = (f"{bar.label}: {grams_label(bar.mg)} ({bar.ratio or 0} ×)" for bar in bars)
    return f"{'; '.join(told)}. {note['zh-CN']} {note['en']}"


def _text(kind: str, x: int, y: int, text: str, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text class="{kind}" x="{x}" y="{y}"{anchor}>{escape(text)}</text>'


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _folded(text: str) -> list[str]:
    """Return a text as lines that fit, since SVG breaks none; Chinese letters are wider."""
    lines, width, most = [""], 0.0, (WIDTH - 2 * MARGIN) / LETTER
    for word in _words(text):
        size = sum(1 if letter.isascii() else 1.9 for letter in word)
        if lines[-1] and width + size > most:
            lines.append("")
            width = 0.0
        lines[-1] += word if lines[-1] else word.lstrip()
        width += size
    return [line for line in lines if line]


def _words(text: str) -> list[str]:
    """Return where a text may be broken: before a space, and around each Chinese letter."""
    words = [""]
    for letter in text:
        fresh = letter == " " or not letter.isascii() or (words[-1] and not words[-1].isascii())
        closing = letter in "，。；：、）？！,.;:)"
        if fresh and not closing:
            words.append("")
        words[-1] += letter
    return [word for word in words if word]
