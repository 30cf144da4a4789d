"""The report's page in a real browser: silent, alone, readable on a phone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from consent.report.page import LOCALES, render_page
from tests.browser import Browser, Tab, find_browser
from tests.report_sample import Made, make_sample
from tests.test_report import hostile, sample
from vault.errors import Locale

PHONE, DESK = 390, 1280
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"
SLACK = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with Browser(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Show:
    return Show(browser, tmp_path / "report.html")


class Show:
    """Open a page from a file, as its reader does."""

    def __init__(self, browser: Browser, file: Path) -> None:
        self._browser, self.file = browser, file

    def __call__(self, page: str, width: int = DESK, *, dark: bool = False) -> Tab:
        self.file.write_text(page, encoding="utf-8")
        return self._browser.open(self.file.as_uri(), width, dark=dark)


KINDS = ("broken", "quiet", "hostile", "long")


def many_months() -> Made:
    return make_sample(30)


@cache
def page_of(kind: str, locale: Locale = "en") -> str:
    others = {"hostile": hostile, "long": many_months}
    made = others[kind]() if kind in others else sample(kind)
    return render_page(made.raw, made.jws, locale)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_page_is_silent_alone_and_fits_a_phone(show: Show, kind: str, locale: Locale) -> None:
    tab = show(page_of(kind, locale), PHONE)
    assert tab.value("innerWidth") == PHONE
    assert tab.value(SLACK) == 0
    tab.value(OPEN_ALL)
    assert tab.value(SLACK) == 0, "with the tables open"
    assert tab.complaints == []
    assert (tab.requests, tab.stopped) == ([show.file.as_uri()], [])
    assert tab.value("document.scripts.length") == 0


def test_page_follows_light_and_dark(show: Show) -> None:
    page = page_of("clean")
    light = show(page).value(BACKGROUND)
    dark = show(page, dark=True).value(BACKGROUND)
    assert light != dark


def test_page_is_walked_by_keyboard(show: Show) -> None:
    tab = show(page_of("clean"))
    for key in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=key, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert tab.value("document.activeElement.className") == "skip"
    assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_what_is_shown_is_what_was_written(show: Show) -> None:
    tab = show(page_of("broken"))
    assert "2 broken rules were found" in str(tab.value("document.body.innerText"))
    held = "document.getElementById('report-json').textContent"
    assert str(tab.value(held)).encode() == sample("broken").raw


def test_instruments_see_what_they_look_for(show: Show) -> None:
    # Positive control: a page that does all of it.
    tab = show(
        "<!doctype html><meta name=viewport content='width=device-width'><script>nothing()</script>"
        "<img src='http://127.0.0.1:1/x.png'><div style='width:900px'>wide</div>",
        PHONE,
    )
    assert any("nothing" in each for each in tab.complaints)
    assert "http://127.0.0.1:1/x.png" in tab.requests
    assert tab.value(SLACK) == 900 + 8 - PHONE
    assert tab.value("document.scripts.length") == 1
    assert show("<p>plain").value(BACKGROUND) == show("<p>plain", dark=True).value(BACKGROUND)


def test_policy_stops_what_slips_in(show: Show) -> None:
    page = page_of("clean").replace(
        "<footer>", "<footer><script>document.title = 'taken'</script><img src='x.png'>"
    )
    tab = show(page)
    assert tab.value("document.title") != "taken"
    assert [url.rpartition("/")[2] for url in tab.stopped] == ["x.png"]
    assert tab.requests == [show.file.as_uri()]
    assert any("Content Security Policy" in each for each in tab.complaints)
