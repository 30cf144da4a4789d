"""Stopping, pausing and ending a link in the web app with what else may fail: nothing is needed
for it but the consent itself.

The directory has expired, the vault tells other words for purposes, one request is no request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from consent.demo.cast import BANK, CITY
from tests.webapp.between import Answer, Change
from tests.webapp.driver import Look
from tests.webapp.fixtures import browser
from tests.webapp.place import MAY, Person, Town
from tests.webapp.visit import Visit
from tests.world import EAST, JAN, MAR, WEST, terms
from vault.errors import Locale
from vault.months import Category

__all__ = ["browser"]
REQUESTS, TEMPLATES = "/v1/holder/requests", "/v1/templates"
LANGUAGES: tuple[Locale, ...] = ("en", "zh-CN")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(Path(tmp_path_factory.mktemp("endings"))) as town:
        town.move(JAN, day=2, hour=9)
        town.publish()
        town.sources = {name: town.source(name) for name in (EAST, WEST)}
        town.go(MAR)
        for flow in ("cut", "expired"):
            for locale in LANGUAGES:
                sharer(town, f"{flow} {locale}")
        yield town


def sharer(town: Town, name: str) -> Person:
    """Return somebody with a link, who shares with the city and, from another month, the bank."""
    new = town.person(name, EAST)
    points = {"template": "CARD-POINTS", "purposes": ("PersonalisedBenefits",), "step": 1}
    points |= {"categories": (int(Category.TRAVEL),)}
    points |= {"show_sources": False, "data_life_days": 30}
    new.grants["city"] = new.holder.allow(terms(CITY, first=MAR, last=MAY), "en")
    new.grants["bank"] = new.holder.allow(terms(BANK, first=MAR, last=MAY, **points), "en")
    return new


def junk(answer: Answer) -> None:
    """Show a request that nobody signed."""
    answer.body["requests"] = [{"request": "no.such.request", "state": "open", "until": 1}]


def reworded(answer: Answer) -> None:
    """Tell templates of other bytes than the app was published with."""
    answer.body["OTHER"] = next(iter(answer.body.values()))


def states(person: Person) -> dict[str, str]:
    own = {grant.grant: name for name, grant in person.grants.items()}
    return {own[each.grant.grant]: each.state for each in person.holder.grants()}


def route_of(person: Person, name: str) -> str:
    return f"grant?id={person.grants[name].grant.hex()}"


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_stop_that_is_not_answered_is_shown_as_such_and_sent_again(
    browser: Browser, town: Town, locale: Locale
) -> None:
    person, name = town.people[f"cut {locale}"], town.directory().party(CITY).name
    meant = ("Failed to load resource",)
    with Visit(browser, town.url, Look(locale), allowed=meant) as visit:
        visit.enter(person.root)
        # Never carried on: the vault does not hear of it.
        visit.context.route("**/status", lambda route: route.fulfill(status=503, body="{}"))
        visit.to(route_of(person, "city"))
        visit.push("consents.stop")
        visit.push("consents.stop", "dialog")
        visit.push("ok", "dialog")
        visit.sees("consents.unconfirmed", name=name)
        assert visit.words("consents.over.revoked", name=name) not in visit.text
        assert states(person)["city"] == "live"
        visit.context.unroute("**/status")
        visit.push("again", "main")
        visit.sees("consents.over.revoked", name=name)
        assert states(person)["city"] == "revoked"


@pytest.mark.parametrize("locale", LANGUAGES)
def test_stop_pause_and_unlink_need_no_directory_in_force_no_words_and_no_requests(
    browser: Browser, town: Town, locale: Locale
) -> None:
    changes: dict[str, Change] = {}
    person = town.people[f"expired {locale}"]
    meant = ("Failed to load resource",)
    with Visit(browser, town.url, Look(locale), allowed=meant, changes=changes) as visit:
        town.go(MAR)
        east = town.directory().party(EAST).name
        visit.enter(person.root)
        changes |= {REQUESTS: junk, TEMPLATES: reworded}
        visit.between.changes = changes
        town.move(MAY, day=25, hour=9)  # the auditor has been silent since March
        visit.page.reload()
        visit.settle()
        visit.to("consents")
        visit.sees("consents.norequests")
        visit.to(route_of(person, "bank"))
        visit.push("consents.pause")
        visit.push("consents.pause", "dialog")
        visit.sees("consents.resume")
        visit.to("home")
        visit.press(visit.page.locator("main button.danger").first)
        visit.push("consents.stop", "dialog")
        visit.sees("consents.stopped")
        visit.push("ok", "dialog")
        visit.to("sources")
        visit.push("sources.unlink")
        visit.push("sources.unlink", "dialog")
        visit.sees("sources.unlinked", name=east)
        # Home lists them in the vault's order: the first of them was stopped.
        assert sorted(states(person).values()) in (["live", "revoked"], ["paused", "revoked"])
