"""The chart is one SVG that stands alone, reads aloud, and fits a phone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from consent.chart import MARGIN, WIDTH, Bar, draw_bars, grams_label
from vault.errors import Locale

SVG = "{http://www.w3.org/2000/svg}"
TITLE: dict[Locale, str] = {"zh-CN": "同样的行为", "en": "The same acts"}
NOTE: dict[Locale, str] = {
    "zh-CN": "倍数以最小的总量为 1；所有行为的日期移动了 4,137 天，每日和每月上限在此不计。",
    "en": "The smallest total is 1; every act was moved by 4,137 days, and caps do not hold here.",
}
BARS = [
    Bar("2026-1@CN", 499_188_527, "1.22"),
    Bar("2026-1@CN-HB-WH", 409_951_280, "1.00"),
    Bar("beijing-season-2022@CN-BJ", 2_562_585_250, "6.25"),
    Bar("2026-1@US", 0, ""),
]


def drawn(bars: list[Bar]) -> ElementTree.Element:
    return ElementTree.fromstring(draw_bars(bars, TITLE, NOTE))


def texts(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def lengths(root: ElementTree.Element) -> list[int]:
    return [int(r.attrib["width"]) for r in root.iter(f"{SVG}rect") if r.attrib["class"] == "v"]


def test_grams_have_their_thousands_apart_and_each_bar_its_ratio() -> None:
    found = texts(drawn(BARS))
    assert {"499,188 g", "409,951 g", "2,562,585 g", "0 g"} <= set(found)
    assert {"1.22 ×", "1.00 ×", "6.25 ×", "0"} <= set(found)
    assert {bar.label for bar in BARS} <= set(found)
    assert grams_label(999) == "0 g"


def test_the_chart_speaks_both_languages_and_reads_aloud() -> None:
    root = drawn(BARS)
    named = root.attrib["aria-labelledby"].split()
    parts = {part.attrib.get("id"): part for part in root}
    assert root.attrib["role"] == "img"
    title, desc = (parts[name] for name in named)
    assert (title.tag, desc.tag) == (f"{SVG}title", f"{SVG}desc")
    assert all(text in (title.text or "") for text in TITLE.values())
    assert all(text in (desc.text or "") for text in NOTE.values())
    assert "2026-1@CN-HB-WH: 409,951 g (1.00 ×)" in (desc.text or "")
    assert all(text in texts(root) for text in TITLE.values())


def test_it_stands_alone_without_script_or_address_and_follows_the_dark() -> None:
    text = draw_bars(BARS, TITLE, NOTE)
    assert "@media(prefers-color-scheme:dark)" in text
    assert "<script" not in text
    assert not re.search(r"\bon\w+=|href|url\(|@import|http(?!://www\.w3\.org/2000/svg)", text)


def test_it_scales_to_a_phone_and_every_line_fits() -> None:
    root = drawn(BARS)
    left, top, width, height = map(int, root.attrib["viewBox"].split())
    assert (left, top, width) == (0, 0, WIDTH)
    assert root.attrib["width"] == "100%"
    for each in root.iter(f"{SVG}text"):
        size = sum(6.3 if letter.isascii() else 12 for letter in each.text or "")
        assert size <= WIDTH - MARGIN
        assert 0 < int(each.attrib["y"]) < height


def test_the_longest_bar_fills_the_row_and_nothing_has_no_bar() -> None:
    assert lengths(drawn(BARS)) == [70, 57, WIDTH - 2 * MARGIN, 0]
    assert lengths(drawn([Bar("a", 0, ""), Bar("b", 0, "")])) == [0, 0]
    assert lengths(drawn([])) == []
    assert lengths(drawn([Bar("a", 1, "1.00"), Bar("b", 10**15, "1")])) == [2, 360]


def test_a_label_is_text_and_a_long_one_is_cut() -> None:
    root = drawn([Bar("<script>&", 1000, "1.00"), Bar("x" * 80, 1000, "1.00")])
    assert "<script>&" in texts(root)
    assert f"{'x' * 35}…" in texts(root)
    assert not list(root.iter(f"{SVG}script"))


@given(st.lists(st.integers(0, 10**15), max_size=6))
def test_bars_are_as_long_as_their_share(amounts: list[int]) -> None:
    found = lengths(drawn([Bar(str(mg), mg, "1.00") for mg in amounts]))
    most = max(amounts, default=0) or 1
    for mg, length in zip(amounts, found, strict=True):
        assert length == (max(2, 360 * mg // most) if mg else 0)


@given(
    st.text(alphabet=st.characters(exclude_categories=("C", "Z")), max_size=200),
    st.text(alphabet=st.characters(exclude_categories=("C", "Z")), max_size=200),
)
def test_no_letter_of_a_note_is_lost_when_it_is_folded(zh: str, en: str) -> None:
    note: dict[Locale, str] = {"zh-CN": zh, "en": en}
    root = ElementTree.fromstring(draw_bars([], TITLE, note))
    assert "".join(texts(root)[2:]) == zh + en
