"""The web app in Chromium beside the Python SDKs: one vault, whichever device holds it.

A token made in the browser opens at a Python platform; a vault made on one side opens on the other;
two devices that make tokens at once make one set of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Request, Route

from consent.demo.cast import BANK, CITY
from consent.holder import recover
from tests.webapp.driver import Look, chromium
from tests.webapp.place import MAY, Person, Town, wanted
from tests.webapp.visit import Visit
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, terms
from vault.errors import Revoked
from vault.months import Category

TRAVEL = (int(Category.TRAVEL),)


@dataclass
class Scene:
    """A vault in March 2026, and a browser."""

    town: Town
    browser: Browser

    def visit(self, *allowed: str) -> Visit:
        return Visit(self.browser, self.town.url, Look("en"), allowed=allowed)

    def python(self, person: Person) -> Person:
        """Return the same person on a Python device of their own."""
        holder = self.town.holder(person.root)
        holder.load()
        return Person(person.name, person.root, holder, person.code, person.links)

    def allow(self, visit: Visit) -> bytes:
        """Allow the city programme January to April on the screen; return the grant."""
        asked = wanted("CITY-REWARD", JAN, APR, required=TRAVEL)
        visit.to(f"request?code={self.town.ask(CITY, asked).code}")
        visit.page.locator("main input[type=checkbox]").first.check()
        visit.settle()
        visit.push("consents.allow")
        visit.sees("consents.takereceipt")
        visit.push("consents.receipt")
        href = visit.page.locator("main a[href*='grant?id=']").first.get_attribute("href")
        assert href
        return bytes.fromhex(href.split("id=")[1])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with chromium() as browser, Town(tmp_path_factory.mktemp("devices")) as town:
        town.move(JAN, day=2, hour=9)
        town.publish()
        town.sources = {name: town.source(name) for name in (EAST, WEST)}
        ann, dan = town.person("ann", EAST, WEST), town.person("dan", EAST)
        town.move(JAN, day=27, hour=20)
        for day in (3, 5, 9):
            town.book(ann, EAST, "travel.bike", {"m": 4_100, "s": 1_200}, day)
            town.book(dan, EAST, "travel.bike", {"m": 5_300, "s": 1_500}, day)
        town.book(ann, WEST, "travel.metro", {"m": 18_000, "s": 2_400}, 16)
        town.end(JAN, FEB)
        town.end(FEB, MAR)
        yield Scene(town, browser)


def own_sum(person: Person) -> int:
    """Return January's travel by a Python device's own count."""
    return sum(
        close.grams[Category.TRAVEL - 1]
        for link in person.holder.open_links()
        for close in link.closes
        if close.month == JAN
    )


def test_tokens_made_in_the_browser_open_at_a_python_platform(scene: Scene) -> None:
    """What the screen shows, what the platform gets, and what Python counts are one number."""
    ann = scene.town.people["ann"]
    with scene.visit() as visit:
        visit.enter(ann.root)
        grant = scene.allow(visit)
        total = int(scene.town.platform(CITY).total(grant, (JAN,)).grams)
        assert total == own_sum(scene.python(ann)) > 0
        visit.again()
        visit.to(f"grant?id={grant.hex()}")
        visit.sees("consents.left")
        assert f"{total / 1000:,.1f} kg" in visit.text or f"{total} g" in visit.text
        visit.push("consents.stop")
        visit.push("consents.stop", "dialog")
        visit.sees("consents.stopreceipt")
    with pytest.raises(Revoked):
        scene.town.platform(CITY).total(grant, (FEB,))


def test_a_vault_made_in_python_opens_in_the_browser_and_goes_on_there(scene: Scene) -> None:
    """By its recovery code; consents, tokens and records are there, and the log fits."""
    person = scene.town.person("pam", EAST)
    grant = person.holder.allow(terms(BANK, first=MAR, last=MAY), "zh-CN")
    with scene.visit() as visit:
        visit.type_code(person.code)
        visit.push("start.byitself")
        visit.rest()
        visit.to(f"grant?id={grant.grant.hex()}")
        visit.sees("consents.state.live")
        assert visit.words("alarm") not in visit.page.inner_text("body")
    again = scene.python(person)
    assert {token.window for token in again.holder._tokens()} == {
        entry.window for entry in again.holder._device.state.minted
    }
    assert again.holder.mint(grant) == []
    assert again.holder.watch().alarms == ()


def test_a_vault_made_in_the_browser_opens_in_python(scene: Scene) -> None:
    with scene.visit() as visit:
        visit.visit()
        visit.push("start.make")
        visit.page.locator("main input[type=checkbox]").check()
        visit.push("next")
        visit.sees("start.once")
        code = "-".join(visit.page.locator("ol.fours li").all_inner_texts())
        visit.push("start.written")
        visit.page.locator("textarea").fill(code.lower().replace("-", " "))
        visit.push("next")
        visit.push("start.bycode")
        visit.sees("home.welcome")
    root = recover(code, scene.town.wire())
    person = scene.python(Person("new", root, scene.town.holder(root), code))
    scene.town.people["new"] = person
    scene.town.link(person, EAST)
    granted = person.holder.allow(terms(CITY, first=MAR, last=APR), "en")
    assert person.holder.mint(granted, 1) == [(MAR,), (APR,)]
    assert person.holder.watch().alarms == ()


class HoldUp:
    """Stops the app's first change of its state on its way, and lets something happen first."""

    def __init__(self, visit: Visit, meanwhile: Callable[[], None]) -> None:
        self.meanwhile, self.left = meanwhile, 1
        visit.page.route("**/v1/holder/state", self._pass)

    def _pass(self, route: Route, request: Request) -> None:
        if request.method == "PUT" and self.left:
            self.left -= 1
            self.meanwhile()
        route.fallback()


def test_two_devices_that_make_tokens_at_once_make_one_set_of_cells(scene: Scene) -> None:
    """Python attaches another source and makes March's token while the browser is about to."""
    town, dan = scene.town, scene.town.people["dan"]
    grant = dan.holder.allow(terms(CITY, first=JAN, last=MAR), "en")
    raced: list[object] = []

    def python_is_faster() -> None:
        town.link(dan, WEST)
        raced.append(dan.holder.mint(grant, 0))

    # That the vault refused the browser's change of the state is what is meant to happen.
    with scene.visit("status of 412") as visit:
        HoldUp(visit, python_is_faster)
        visit.enter(dan.root)
        visit.to(f"grant?id={grant.grant.hex()}")
        visit.sees("consents.state.live")
    assert len(raced) == 1
    other = scene.python(dan)
    tokens = {token.window: token.cells for token in other.holder._tokens()}
    assert tokens == {entry.window: entry.cells for entry in other.holder._device.state.minted}
    assert set(tokens) == {(JAN,), (FEB,), (MAR,)}
    assert len(tokens[(JAN,)]) == 1
    assert other.holder.mint(grant, 0) == []
    total = int(town.platform(CITY).total(grant.grant, (JAN,)).grams)
    assert total == own_sum(other) > 0
    assert town.auditor().audit().findings == []
