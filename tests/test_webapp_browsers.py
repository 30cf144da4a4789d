"""A browser that lacks the keys which the vault needs is told so, before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from consent.site import SiteConfig, make_site, read_files
from consent.site_http import make_own
from tests.live import live
from tests.webapp.driver import Look, Window, chromium
from vault.errors import Locale

LACKS = """
const make = SubtleCrypto.prototype.generateKey;
SubtleCrypto.prototype.generateKey = function (how, ...more) {
  const lost = new DOMException("Unrecognized name.", "NotSupportedError");
  return how === "%s" ? Promise.reject(lost) : make.call(this, how, ...more);
};
"""
WORDS: dict[Locale, str] = {"en": "This browser cannot make the keys", "zh-CN": "此浏览器无法生成"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize("locale", WORDS)
@pytest.mark.parametrize("lacking", ["Ed25519", "X25519", "neither"])
def test_a_browser_without_these_keys_offers_no_way_in_but_names_those_that_can(
    browser: Browser, locale: Locale, lacking: str
) -> None:
    site = make_site(read_files(), SiteConfig("http://localhost", b"\x07" * 32, "any"))
    with live(make_own(site)) as url, Window(browser, url, Look(locale)) as window:
        window.context.add_init_script(LACKS % lacking)
        window.visit()
        lacks = lacking != "neither"
        assert (WORDS[locale] in window.text) == lacks
        assert ("137" in window.text) == lacks
        assert (window.page.locator("main .btn").count() == 0) == lacks
