"""Every screen of the web app in every state, in Chinese: see test_webapp_registry.py."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.webapp.driver import NARROWEST
from tests.webapp.fixtures import browser, told
from tests.webapp.place import Town
from tests.webapp.screens import SOME, STATES, Tour, begin

__all__ = ["browser", "told"]


@pytest.fixture(scope="module")
def tour(browser: Browser, told: Town) -> Tour:
    return begin(browser, told, "zh-CN")


@pytest.mark.parametrize("state", STATES)
def test_every_screen_is_good_in_this_state(tour: Tour, state: str) -> None:
    tour.walk(state)


def test_of_the_rules_that_differ_nothing_is_hidden_on_a_phone(tour: Tour) -> None:
    beyond = "all => [all.length, all.filter((one) => one.scrollWidth > one.clientWidth).length]"
    with tour.window(tour.town.people["eve"]) as window:
        window.to("methodology?release=beijing-season-2022")
        window.unfold(SOME)
        for width in (390, NARROWEST):
            window.resize((width, 844))
            assert window.page.eval_on_selector_all("main .scroll", beyond) == [1, 0], width
        text = window.text
    assert "每年375千克" in text
    assert 0 < text.count("新闻报道所引") == text.count("依据：")
