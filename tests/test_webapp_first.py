"""What the web app fetches first and what later, in Chromium against a vault: docs/decisions/0019.

The first view is what the page names beforehand, and no more. Whoever comes back waits for the rest
in one round. What does not arrive is said, and a worker that is installed has all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Request, Route

from consent.site import SiteConfig, make_site, read_files
from consent.site_imports import reached
from tests.test_web_manifest import inside
from tests.web_manifest import FIRST, first_view, size_of
from tests.webapp.between import Edit, make_other, serve_other
from tests.webapp.driver import Look, Window
from tests.webapp.fixtures import browser
from tests.webapp.place import Person, Town
from tests.webapp.screens import WAYS, registry
from tests.webapp.visit import Reader
from tests.world import EAST, JAN
from vault.errors import Locale

__all__ = ["browser"]
MEANT = ("net::ERR", "Failed to fetch", "Failed to load resource", "the fetch")
QUIET = 1_000  # ms without a request: a round is over
DRAWN = """(title) => document.querySelector("main h1")?.textContent === title
  && !document.querySelector("main > .skeleton")"""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(Path(tmp_path_factory.mktemp("first"))) as town:
        town.move(JAN, day=2, hour=9)
        town.publish()
        town.sources = {EAST: town.source(EAST)}
        town.person("ann", EAST)
        yield town


@pytest.fixture
def ann(town: Town) -> Person:
    return town.people["ann"]


def module(request: Request) -> str | None:
    """Return which file of the app is asked for, by its path in consent/web."""
    found = re.fullmatch(r"/app/[0-9a-f]{16}/(.+)", urlsplit(request.url).path)
    return found and found[1]


# The first view


def test_the_start_screen_fetches_what_it_waits_for_and_no_more(
    browser: Browser, town: Town
) -> None:
    with Window(browser, town.url, Look("en")) as window:
        sizes: dict[str, int] = {}

        def came(request: Request) -> None:
            if name := module(request):
                response = request.response()
                sizes[name] = len(response.body()) if response else 0

        window.page.on("requestfinished", came)
        window.visit()
        assert window.button("Make a vault").is_visible()
        window.page.wait_for_load_state("networkidle")
        wanted = first_view(read_files())
        assert sizes == {name: len(raw) for name, raw in wanted.items()}
        assert sum(sizes.values()) == size_of(wanted) <= FIRST


def test_going_on_from_there_fetches_more(browser: Browser, town: Town) -> None:
    """The control: what is not of the first view comes when it is wanted, once."""
    with Window(browser, town.url, Look("en")) as window:
        window.visit()
        asked: list[str] = []
        window.page.on("request", lambda one: asked.append(module(one) or ""))
        window.press(window.link("What it cannot do", "main"))
        window.settle()
        came = {name for name in asked if name}
        limits = reached(read_files(), "screens/limits.js", "policy.js")  # it shows the directory
        assert came == {*limits} - first_view(read_files()).keys()
        asked.clear()
        window.to("start")
        window.to("limits")
        assert {*asked} <= {""}


# Who comes back


@dataclass
class Rounds:
    """Lets files of the app come a round at a time: all that was asked for before the next."""

    window: Window
    waiting: list[Route] = field(default_factory=list)
    rounds: list[set[str]] = field(default_factory=list)

    def hold(self, route: Route) -> None:
        self.waiting.append(route)

    def play(self, title: str) -> None:
        """Load the page anew, and let its files come until a screen of this title is drawn."""
        page = self.window.page
        page.goto("about:blank")  # what the page before still asks for is none of it
        page.context.route(re.compile(r"/app/[0-9a-f]{16}/"), self.hold)
        page.goto(self.window.url, wait_until="commit")
        for _ in range(60):
            self._rest()
            if page.evaluate(DRAWN, title):
                break
            self._release()
        else:
            raise AssertionError(f"{title} is not drawn after {self.rounds}")
        for route in self.waiting:
            route.fallback()

    def _rest(self) -> None:
        """Wait until nothing more was asked for: a busy machine asks in several breaths."""
        before = -1
        while before != len(self.waiting):
            before = len(self.waiting)
            self.window.page.wait_for_timeout(QUIET)

    def _release(self) -> None:
        now, self.waiting = self.waiting, []
        if now:
            self.rounds.append({module(route.request) or "" for route in now})
        for route in now:
            route.fallback()


def test_who_comes_back_waits_for_home_in_two_rounds(
    browser: Browser, town: Town, ann: Person
) -> None:
    with Window(browser, town.url, Look("en")) as window:
        window.open(ann.root)
        rounds = Rounds(window)
        rounds.play("Home")
        assert rounds.rounds == [set(first_view(read_files())), inside(read_files())]


def test_module_after_module_would_be_many_rounds(
    browser: Browser, town: Town, ann: Person
) -> None:
    """The control: an app that begins no import before it needs one."""
    edit = Edit("app.js", "own && ahead()", "0 && ahead()")
    pins: dict[str, Any] = {"auditor": town.policy.auditor, "log": town.log_vkey, "demo": True}
    with Window(browser, town.url, Look("en"), allowed=MEANT) as window:
        serve_other(window.context, town.url, make_other(SiteConfig(town.url, **pins), [edit]))
        window.open(ann.root)
        rounds = Rounds(window)
        rounds.play("Home")
        assert len(rounds.rounds) > 4


# What does not arrive


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("file", ["screens/limits.js", "words/public.js"])
def test_a_screen_that_does_not_arrive_says_so_and_comes_with_the_page_anew(
    browser: Browser, town: Town, locale: Locale, file: str
) -> None:
    """Chromium keeps a failed import for as long as the page lives: asking again brings nothing."""
    with Reader(browser, town.url, Look(locale), allowed=MEANT) as window:
        window.visit()
        window.context.route(f"**/{file}", lambda route: route.abort())
        window.to("limits")
        window.sees("e.LateError")
        assert window.heading == window.words("title.limits")
        window.context.unroute(f"**/{file}")
        window.to("start")
        window.to("limits")
        window.sees("e.LateError")
        window.push("anew")
        window.page.wait_for_selector("main .badge")
        window.settle()
        assert window.words("e.LateError") not in window.text
        assert urlsplit(window.page.url).fragment == "/limits"


def test_a_vault_whose_modules_do_not_arrive_stays_shut_and_says_so(
    browser: Browser, town: Town, ann: Person
) -> None:
    with Reader(browser, town.url, Look("en"), allowed=MEANT) as window:
        window.context.route("**/holder.js", lambda route: route.abort())
        window.type_code(ann.code)
        window.sees("e.LateError")
        assert window.page.locator("nav.bar:visible").count() == 0
        window.context.unroute("**/holder.js")
        window.push("anew", "dialog")
        window.type_code(ann.code)
        window.sees("start.how")


def test_a_vault_that_opens_by_itself_says_what_did_not_arrive_and_opens_with_the_page_anew(
    browser: Browser, town: Town, ann: Person
) -> None:
    with Reader(browser, town.url, Look("zh-CN"), allowed=MEANT) as window:
        window.context.route("**/seal.js", lambda route: route.abort())
        window.open(ann.root, wait=False)
        window.sees("e.LateError")
        window.context.unroute("**/seal.js")
        window.push("anew")
        window.sees("home.sharing")


def test_an_open_vault_soon_has_every_screen_also_where_the_server_has_another_version_by_then(
    browser: Browser, town: Town, ann: Person
) -> None:
    with Reader(browser, town.url, Look("en"), allowed=MEANT) as window:
        window.open(ann.root)
        window.page.wait_for_load_state("networkidle")
        window.context.route("**/app/**", lambda route: route.fulfill(status=404, body=""))
        for screen in registry(window):
            window.to(WAYS[screen.route](town, ann))
            assert window.words("e.LateError") not in window.text, screen.id
            assert not window.page.locator("main > .skeleton").count(), screen.id


def test_screens_are_not_fetched_while_there_is_no_network_and_come_once_there_is(
    browser: Browser, town: Town, ann: Person
) -> None:
    """What a browser could not fetch once it never asks for again in the same page."""
    with Reader(browser, town.url, Look("en"), allowed=MEANT) as window:
        held: list[Route] = []
        # The last thing that the background asks for.
        window.context.route(re.compile(r"/v1/holder/entries"), lambda one: held.append(one))
        with window.page.expect_request(re.compile(r"/v1/holder/entries")):
            window.open(ann.root, wait=False)
        window.sees("home.sharing")
        window.context.set_offline(True)
        held.pop().abort()
        window.sees("e.unreachable")  # it is done, and drawn
        window.page.wait_for_timeout(QUIET)
        window.context.set_offline(False)
        window.to("settings")
        window.sees("settings.export")
        assert window.words("e.LateError") not in window.text


# With a worker


def test_the_worker_that_the_first_view_starts_has_every_file(browser: Browser, town: Town) -> None:
    with Window(browser, town.url, Look("en"), worker=True) as window:
        window.visit()
        window.page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
        kept = window.page.evaluate("""async () => {
          const [name] = await caches.keys(), all = await (await caches.open(name)).keys();
          return all.map(({ url }) => new URL(url).pathname);
        }""")
        site = make_site(read_files(), SiteConfig("https://vault.example", bytes(32), "any"))
        assert sorted(kept) == sorted(path for path in site.answers if path != "/sw.js")


@pytest.mark.parametrize("inside_it", [False, True], ids=["a stranger", "an open vault"])
def test_each_screen_comes_without_a_network_though_it_was_never_opened(
    browser: Browser, town: Town, ann: Person, inside_it: bool
) -> None:
    """The browser's own cache is emptied: what answers is the worker."""
    with Reader(browser, town.url, Look("en"), worker=True, allowed=MEANT) as window:
        if inside_it:
            window.open(ann.root)
        else:
            window.visit()
        window.page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
        screens = registry(window)
        window.cdp.send("Network.enable")
        window.cdp.send("Network.clearBrowserCache")
        window.context.set_offline(True)
        window.page.reload()
        window.settle(idle=False)
        for screen in screens:
            if screen.route in ("start", "lock") or screen.inside is not inside_it:
                continue
            window.to(WAYS[screen.route](town, ann), idle=False)
            window.settle(idle=False)
            assert window.words("e.LateError") not in window.text, screen.id
            title = window.words(f"title.{screen.id}")
            assert window.heading == title or screen.route in ("request", "grant"), screen.id
