"""Every screen of the web app in every state, in English; test_webapp_registry_zh.py: in Chinese.

Each is looked at in two sizes, light and dark: tests/webapp/screens.py says what must be so. The
pictures are in build/webapp/.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Route

from tests.webapp.driver import Look, Window
from tests.webapp.fixtures import browser, told
from tests.webapp.place import Town
from tests.webapp.screens import DATA, STATES, WAYS, Screen, Tour, begin, text_wrong, unknown

__all__ = ["browser", "told"]


@pytest.fixture(scope="module")
def tour(browser: Browser, told: Town) -> Tour:
    return begin(browser, told, "en")


def test_every_route_and_state_of_the_registry_is_known_here(tour: Tour) -> None:
    assert unknown(tour.screens) == []
    assert {one.route for one in tour.screens} == WAYS.keys()


@pytest.mark.parametrize("state", STATES)
def test_every_screen_is_good_in_this_state(tour: Tour, state: str) -> None:
    tour.walk(state)


def test_tab_comes_to_every_control(tour: Tour) -> None:
    person = tour.town.people["ann"]
    with tour.window(person) as window:
        for screen in tour.screens:
            if screen.inside or screen.route not in ("start", "lock"):
                window.to(WAYS[screen.route](tour.town, person))
                assert window.untabbed() == [], screen.id


def test_a_screen_says_only_what_is_so(tour: Tour) -> None:
    ann, lee = tour.town.people["ann"], tour.town.people["lee"]
    with tour.window(lee) as window:
        window.to(WAYS["request"](tour.town, lee))
        data = window.page.locator("main section", has_text="Will be shared").inner_text()
        assert "will learn your figure at" in window.text  # of one source
        assert "do not see which sources" not in data
        assert "2026-0" not in data
    with tour.window(ann) as window:
        window.to(WAYS["request"](tour.town, ann))
        assert "the sum of up to 2 sources; if only one has any" in window.text
        assert "March 2026, reduction in travel was" in window.text  # April is to come
        assert window.text.count("They may ask until") == 1
        assert "Aug 31, 2026 · in 121 days" in window.text  # the last day, not the second after
        window.to(WAYS["sources/link"](tour.town, ann))  # it goes on
        assert window.page.locator("main .primary").count() == 0
        window.to(f"grant?id={ann.grants['bank'].grant.hex()}")  # all that was allowed has left
        assert "Stop sharing\nPause" not in window.text
        assert "May 31, 2026 · in 29 days" in window.text
        window.to(f"grant?id={ann.grants['city'].grant.hex()}")  # there is more to come
        assert "Stop sharing\nPause" in window.text
        window.to(f"grant?id={ann.grants['over'].grant.hex()}")  # nothing left
        assert "Ask to delete" not in window.text
        assert "May ask until" not in window.text
        assert " days" not in window.text.replace("at most 30 days", "")
        window.to(f"grant?id={ann.grants['shop'].grant.hex()}")  # paused
        assert "Held back while paused" in window.text
        assert "fetch it now" not in window.text
        assert window.text.count("2.308") == 1
        window.to("home")
        assert "227 g" in window.text
        window.to("records")
        assert "227 g" in window.text


@pytest.mark.parametrize("still", [True, False])
def test_what_moves_stands_still_for_who_wants_it_so(tour: Tour, still: bool) -> None:
    with Window(tour.browser, tour.town.url, Look("en", still=still)) as window:
        window.open(tour.town.people["ann"].root)
        window.hold(DATA)
        window.page.reload()
        window.page.locator("main .skeleton").first.wait_for()
        assert (window.page.evaluate("document.getAnimations().length") == 0) is still


def test_a_focus_stays_while_the_background_works(tour: Tour) -> None:
    held: list[Route] = []
    with Window(tour.browser, tour.town.url, Look("en")) as window:
        window.context.route("**/v1/holder/entries*", lambda route: held.append(route))
        window.open(tour.town.people["ann"].root, wait=False)
        waits = window.page.locator("main .things a.item").first
        waits.focus()
        while not held:
            window.page.wait_for_timeout(50)
        for route in held:
            route.fallback()
        window.context.unroute("**/v1/holder/entries*")
        window.settle()
        window.page.wait_for_timeout(500)
        assert waits.evaluate("(one) => one === document.activeElement")


# Controls: what these tests look for, they find


def test_a_new_route_or_state_is_missed(tour: Tour) -> None:
    new = Screen("moon", "moon", "open", ("normal", "eclipse"))
    assert unknown([*tour.screens, new]) == ["moon", "eclipse"]
    again = replace(tour, screens=[new], visited=set())
    assert again.left("eclipse") == [("moon", "eclipse", 390), ("moon", "eclipse", 1280)]


SPOIL = """() => {
  const main = document.querySelector("main"), add = (tag, text, attrs = {}) => {
    const node = Object.assign(document.createElement(tag), { textContent: text });
    for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
    main.append(node);
    return node;
  };
  add("h1", "Another"); add("p", "home.only"); add("p", "中文"); add("p", "your carbon data");
  add("p", "pale").style.color = "#eee"; add("p", "wide").style.width = "900px";
  add("input", "");
  add("button", "not by Tab", { tabindex: "-1" });
}"""


def test_the_instruments_find_what_they_look_for(tour: Tour) -> None:
    with tour.window(tour.town.people["eve"]) as window:
        window.to("settings")
        window.page.evaluate(SPOIL)
        tour.inspect(window, "spoiled")
        found, tour.wrong = "\n".join(tour.wrong), []
        for piece in ("2 h1", "home.only", "Chinese in English: '中文'", "carbon data"):
            assert piece in found
        for piece in ("too wide at 320", "too wide at 390", "color-contrast", "label: input"):
            assert piece in found
        assert any("not by Tab" in one for one in window.untabbed())


def test_english_in_a_chinese_page_is_found() -> None:
    assert [*text_wrong("记录 bank.demo（JSON）", "zh-CN", ())] == []
    assert [*text_wrong("记录 Loading", "zh-CN", ())] != []
    report = "2022年的新闻报道，没有留下网址"
    assert [*text_wrong(report, "zh-CN", ())] == []
    assert [*text_wrong(f"{report} (a news report of 2022; no address kept)", "zh-CN", ())] != []
    assert [*text_wrong("reportify.ai tag page (新浪财经 2026-01-22)", "zh-CN", ())] != []


IMAGE = "document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:1/x.png' }))"
BAD = ("console.error('bad')", "void setTimeout(() => { throw Error('bad') })", IMAGE)


@pytest.mark.parametrize("script", BAD)
def test_a_complaint_of_the_browser_is_a_failure(tour: Tour, script: str) -> None:
    with tour.window(None) as window:
        window.page.evaluate(script)
        window.page.wait_for_timeout(200)
        with pytest.raises(AssertionError, match=r"bad|img-src"):
            window.check()
