"""What a person does in the web app from the first link to the end of sharing, and what others get.

Each flow is walked in English on a phone by pointer, and in Chinese on a desk by keys alone.
Sources and platforms are the Python SDKs; what a platform gets is compared with what was shown.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, Locator

from consent.asking import Pushed
from consent.demo.cast import BANK
from consent.holder import recover
from consent.receipts import Receipt, verify_receipt
from tests import archive_reader
from tests.webapp.driver import Look, Window
from tests.webapp.fixtures import browser
from tests.webapp.hand import WAYS, Hand, Means
from tests.webapp.place import SHOP, Person, Town, wanted
from tests.world import EAST, FEB, JAN, MAR, WEST, terms
from vault.crypto.keys import six_digits
from vault.encoding import unb64u
from vault.errors import Declined, Paused, Revoked
from vault.months import DEFAULT_ZONE, Category, add_months, month_at

__all__ = ["browser"]
TRAVEL, FOOD = int(Category.TRAVEL), int(Category.FOOD)
BACK = f"https://{BANK}/back"
FLOWS = ("asks", "comes", "refuses", "pauses", "stops", "counts", "looks", "takes", "offline")


def who(flow: str, look: Look) -> str:
    return f"{flow} {look.name}"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """February 2026: everybody has January closed at both sources, and some of them share."""
    with Town(Path(tmp_path_factory.mktemp("town"))) as town:
        town.move(JAN, day=2, hour=9)
        town.publish()
        town.sources = {name: town.source(name) for name in (EAST, WEST)}
        names = [who(flow, look) for look, _ in WAYS for flow in FLOWS]
        people = [town.person(name, EAST, WEST) for name in names]
        town.move(JAN, day=20, hour=9)
        for person in people:
            lives(town, person)
        town.end(JAN, FEB)
        for person in town.people.values():
            person.holder.refresh()
        yield town


def lives(town: Town, person: Person) -> None:
    """Let somebody ride and order in January; those who stop or pause allow the shop first."""
    town.book(person, EAST, "travel.bike", {"m": 7_000, "s": 1_500}, 3)
    town.book(person, WEST, "food.no_cutlery", {"count": 1}, 4)
    if person.name.split()[0] in ("pauses", "stops", "counts", "looks"):
        card = {"template": "CARD-POINTS", "purposes": ("PersonalisedBenefits",), "step": 1}
        card |= {"categories": (TRAVEL,), "show_sources": False, "data_life_days": 30}
        grant = person.holder.allow(terms(SHOP, **card, last=MAR), "en")
        person.holder.mint(grant)
        person.grants["shop"] = grant


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].name}-{way[1]}")
def hand(request: pytest.FixtureRequest, browser: Browser, town: Town) -> Iterator[Hand]:
    look, means = request.param
    with Window(browser, town.url, look) as window:
        yield Hand(window, means, town.names)


def person_of(town: Town, hand: Hand, flow: str) -> Person:
    return town.people[who(flow, hand.window.look)]


def shown(mass: Locator) -> int:
    """Return the grams that a mass says: "340 g", "1.2 kg"."""
    text = mass.inner_text()
    found = re.search(r"([\d.,]+)\s*(kg|g|千克|克)", text)
    assert found, text
    return round(float(found[1].replace(",", "")) * (1000 if found[2] in ("kg", "千克") else 1))


# Sources


def test_a_source_is_linked_and_its_records_come(hand: Hand, town: Town) -> None:
    page, customer = hand.window.page, who("links", hand.window.look)
    source = town.sources[EAST]
    code = hand.makes_vault()
    hand.press("start.byitself")
    hand.is_home()
    nonce = source.offer(customer)
    hand.window.to(f"sources/link?source={EAST}&nonce={nonce.hex()}")
    hand.press("sources.mine")
    given = unb64u(page.locator("main code").inner_text())
    digits = six_digits(given)
    page.get_by_text(f"{digits[:3]} {digits[3:]}", exact=True).wait_for()
    hand.looks("link-digits")
    hand.type("sources.paste", source.accept(customer, nonce, given))
    hand.press("sources.checkanswer")
    hand.looks("link-answer")
    hand.press("sources.attach")
    hand.sees("sources.linked", "main")
    hand.looks("linked")
    assert source.check_attached() == 1
    root = recover(code, town.wire())
    own = Person(customer, root, town.holder(root), code)
    town.book(own, EAST, "travel.bike", {"m": 5_000, "s": 1_200}, 1)
    source.send_batches()
    page.reload()
    hand.window.to("records")
    riding = page.locator("main summary.item").first
    assert shown(riding) == 243  # 5 km of 48.7 g are 243.5 g, cut as figures are
    hand.press(riding)
    hand.sees("records.whynumber")
    hand.window.to("sources")
    assert page.get_by_text("East Bikes").first.is_visible()


# Sharing


def ask(town: Town, redirect: str | None = None) -> Pushed:
    month = month_at(town.now(), DEFAULT_ZONE)
    asked = wanted("CARD-POINTS", add_months(month, -1), month, required=(TRAVEL,))
    return town.ask(BANK, replace(asked, optional=(FOOD,), redirect_uri=redirect))


def test_a_request_is_allowed_by_its_code_and_the_figure_shown_is_what_leaves(
    hand: Hand, town: Town
) -> None:
    page, person, pushed = hand.window.page, person_of(town, hand, "asks"), ask(town)
    hand.opens(person.root, "/#/requests")
    hand.type("consents.code", pushed.code)
    hand.press("consents.opencode")
    boxes = page.get_by_role("checkbox")
    boxes.first.wait_for()
    assert [box.is_checked() for box in boxes.all()] == [False, False]
    hand.press("consents.allow")
    hand.sees("consents.needed", "main")
    hand.looks("needed")
    hand.tick(boxes.first)
    hand.window.settle()
    figures = page.locator("main section", has_text=hand.says("consents.leaves"))
    grams = shown(figures.locator("strong.num").first)
    # Two sources are linked, but only one has travel: the bank learns what that one knows.
    assert hand.like("consents.onesource").search(figures.inner_text())
    assert "East Bikes" in figures.inner_text()
    hand.tick(boxes.last)
    hand.window.settle()
    assert hand.says("consents.sumof").split("{")[0] in figures.inner_text()
    assert "East Bikes" not in figures.inner_text()
    hand.tick(boxes.last)
    hand.window.settle()
    hand.press("consents.allow")
    page.locator("h1", has_text=hand.says("consents.allowed")).wait_for()
    hand.looks("allowed")
    receipt = hand.saves("consents.receipt").path().read_bytes()
    platform = town.platform(BANK)
    given = platform.outcome(pushed).grant
    assert given
    grant = platform.grant(given)
    assert grant.categories == (TRAVEL,)
    assert platform.total(given, grant.windows[0]).grams == grams == 340
    assert verify_receipt(Receipt.parse(receipt), town.policy) == grant


def answer_at(hand: Hand) -> dict[str, str]:
    """Return what the platform's page is told."""
    hand.window.page.wait_for_url(f"{BACK}**")
    return dict(parse_qsl(urlsplit(hand.window.page.url).query))


def comes_to(hand: Hand, person: Person, pushed: Pushed) -> None:
    hand.window.context.route(f"https://{BANK}/**", lambda route: route.fulfill(body="back"))
    hand.opens(person.root)
    hand.window.page.goto(pushed.url)
    hand.button("consents.allow").wait_for()
    hand.window.settle()


def test_a_platform_sends_a_person_here_and_gets_them_back(hand: Hand, town: Town) -> None:
    pushed = ask(town, BACK)
    comes_to(hand, person_of(town, hand, "comes"), pushed)
    for box in hand.window.page.get_by_role("checkbox").all():
        hand.tick(box)
    hand.press("consents.allow")
    hand.press(hand.button("consents.backto", url=BANK))
    grant = town.platform(BANK).finish(pushed, answer_at(hand))
    assert grant.categories == (FOOD, TRAVEL)


def test_escape_is_no_and_the_platform_learns_only_that(hand: Hand, town: Town) -> None:
    pushed, person = ask(town, BACK), person_of(town, hand, "refuses")
    comes_to(hand, person, pushed)
    hand.window.page.keyboard.press("Escape")
    query = answer_at(hand)
    assert query["error"] == "access_denied"
    with pytest.raises(Declined):
        town.platform(BANK).finish(pushed, query)
    assert person.holder.grants() == []
    hand.window.visit("/#/consents?tab=history")
    hand.sees("consents.state.declined", "main")


def test_a_pause_delays_and_going_on_gives_the_figure(hand: Hand, town: Town) -> None:
    person, shop = person_of(town, hand, "pauses"), town.platform(SHOP)
    grant = person.grants["shop"].grant
    hand.opens(person.root, f"/#/grant?id={grant.hex()}")
    hand.press("consents.pause")
    hand.sees("consents.pausewhy", "dialog")
    hand.looks("pause")
    hand.press("consents.pause", "dialog")
    hand.sees("consents.pausewhy", "main")
    with pytest.raises(Paused):
        shop.total(grant, (JAN,))
    hand.press("consents.resume")
    hand.button("consents.pause").wait_for()
    grams = shop.total(grant, (JAN,)).grams
    hand.window.page.reload()
    hand.sees("consents.proved", "main")
    left = hand.window.page.locator("main section", has_text=hand.says("consents.left"))
    assert shown(left.locator("strong.num").first) == grams == 340


def test_stopping_ends_it_at_once_and_asks_to_delete(hand: Hand, town: Town) -> None:
    person, shop = person_of(town, hand, "stops"), town.platform(SHOP)
    grant = person.grants["shop"].grant
    shop.total(grant, (JAN,))
    hand.opens(person.root)
    hand.press(stop_on_home(hand))
    hand.sees("consents.stopwhat", "dialog")
    hand.looks("stop")
    hand.press("consents.stopdelete", "dialog")
    hand.sees("consents.stopped", "dialog")
    hand.sees("home.sharesnone", "main")  # behind it, already
    hand.looks("stopped")
    record = json.loads(hand.saves("consents.receipt", "dialog").path().read_text("utf-8"))
    assert "revoked" in json.dumps(record).lower() or "withdraw" in json.dumps(record).lower()
    hand.press("ok", "dialog")
    with pytest.raises(Revoked):
        shop.total(grant, (FEB,))
    assert "revoked" in {event.event for event in shop.events() if event.grant == grant}
    hand.window.to("consents?tab=history")
    hand.sees("consents.state.revoked", "main")
    hand.window.to(f"grant?id={grant.hex()}")
    hand.sees("consents.delete.asked", "main")
    shop.confirm_deletion(grant)
    hand.window.page.reload()
    hand.sees("consents.delete.done", "main")


def stop_on_home(hand: Hand) -> Locator:
    found = hand.window.page.locator("main button.danger", has_text=hand.says("consents.stop"))
    found.first.wait_for()
    return found.first


def test_stopping_takes_no_more_activations_than_allowing(
    hand: Hand, town: Town, record_property: Callable[[str, object], None]
) -> None:
    """From Home on, confirmations included (PIPL 15)."""
    person, window = person_of(town, hand, "counts"), hand.window
    person.holder.open_request(ask(town).code)
    hand.opens(person.root)
    window.activations = 0
    hand.press(window.page.locator("main .things a.item").first)
    hand.tick(window.page.get_by_role("checkbox").first)
    hand.press("consents.allow")
    window.page.locator("h1", has_text=hand.says("consents.allowed")).wait_for()
    allowing = window.activations
    window.to("home")
    window.activations = 0
    hand.press(stop_on_home(hand))
    hand.press("consents.stop", "dialog")
    hand.sees("consents.stopped", "dialog")
    hand.press("ok", "dialog")
    stopping = window.activations
    record_property("activations", {"allow": allowing, "stop": stopping})
    assert 2 <= stopping <= allowing
    person.holder.refresh()
    assert "revoked" in {own.state for own in person.holder.grants()}


# What the record holds, and taking everything along


def test_activity_shows_every_entry_with_its_proof_checked(hand: Hand, town: Town) -> None:
    person = person_of(town, hand, "looks")
    town.platform(SHOP).total(person.grants["shop"].grant, (JAN,))
    watched = person.holder.watch()
    hand.opens(person.root, "/#/activity")
    hand.sees("activity.fine", "main")
    told = re.search(r"\d+", hand.sees("activity.verified", "main").inner_text())
    assert told
    assert int(told[0]) == len(watched.entries)
    assert watched.alarms == ()
    hand.sees("activity.nowitness", "main")  # the demonstration's log has none, and it says so


def test_the_exports_are_whole_and_an_independent_reader_opens_them(hand: Hand, town: Town) -> None:
    person = person_of(town, hand, "takes")
    own = [
        record for link in person.holder.open_links() for b in link.batches for record in b.records
    ]
    hand.opens(person.root, "/#/settings")
    rows = json.loads(hand.saves("settings.json").path().read_text("utf-8"))["records"]
    table = [*csv.reader(StringIO(hand.saves("settings.csv").path().read_text("utf-8-sig")))]
    assert len(rows) == len(table) - 1 == len(own) == 2
    raw = hand.saves("settings.archive").path().read_bytes()
    archive = archive_reader.read(raw, town.policy.auditor, person.root.value)
    assert {name: link.grams[JAN][TRAVEL - 1] for name, link in named(archive).items()} == {
        EAST: 340,
        WEST: 0,
    }
    assert sum(len(link.records) for link in named(archive).values()) == 2


def named(archive: archive_reader.Archive) -> dict[str, archive_reader.Link]:
    return {link.source: link for link in archive.links.values()}


# Without a network


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0].name)
def test_a_reload_without_a_network_shows_what_is_stored(
    browser: Browser, town: Town, way: tuple[Look, Means]
) -> None:
    look, means = way
    meant = ("net::ERR", "Failed to fetch", "the fetch")
    with Window(browser, town.url, look, worker=True, allowed=meant) as window:
        hand = Hand(window, means, town.names)
        person = person_of(town, hand, "offline")
        hand.opens(person.root, "/#/records")
        window.page.evaluate("navigator.serviceWorker.ready")
        for route in ("home", "settings", "records"):
            window.to(route)
        window.context.set_offline(True)
        window.page.reload()
        hand.sees("offline")
        window.settle()
        assert window.page.locator("main summary.item").count() == 2
        window.to("settings")
        hand.press("settings.other")
        hand.sees("e.unreachable", "dialog")
        hand.looks("unreachable")
        hand.press("ok", "dialog")
        for act in ("settings.newcode", "settings.addkey", "settings.erase"):
            hand.press(act)  # said at once, and not after something was typed or made
            hand.sees("e.unreachable", "dialog")
            hand.press("ok", "dialog")
        window.to("sources")
        hand.press(hand.button("sources.unlink").first)
        hand.sees("e.unreachable", "dialog")
        hand.press("ok", "dialog")
        window.to("settings")
        window.context.set_offline(False)
        window.page.reload()
        hand.sees("settings.open")
        window.settle()
        window.page.get_by_text(hand.like("offline")).wait_for(state="hidden")


# Time goes on: last, for every other flow is of February


def test_a_month_that_was_closed_stands_on_home(hand: Hand, town: Town) -> None:
    person = person_of(town, hand, "asks")
    month = month_at(town.now(), DEFAULT_ZONE)
    town.book(person, WEST, "food.no_cutlery", {"count": 1}, 1)
    town.end(month, add_months(month, 1))
    hand.opens(person.root)
    last = hand.window.page.locator("main section", has_text=hand.says("home.closes"))
    assert shown(last.locator("a.item", has_text="West Bikes")) == 23
    assert last.locator(".badge.good").count() == 2  # both are checked against the records
