"""Every screen of the web app in every state, in Chinese: see test_webapp_registry.py."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.webapp.fixtures import browser, told
from tests.webapp.place import Town
from tests.webapp.screens import STATES, Tour, begin

__all__ = ["browser", "told"]


@pytest.fixture(scope="module")
def tour(browser: Browser, told: Town) -> Tour:
    return begin(browser, told, "zh-CN")


@pytest.mark.parametrize("state", STATES)
def test_every_screen_is_good_in_this_state(tour: Tour, state: str) -> None:
    tour.walk(state)
