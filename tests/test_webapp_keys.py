"""How a vault is made and opened in a browser: code, passkey, this device, another one; its end.

Each way is walked in English on a phone by pointer, and in Chinese on a desk by keys alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request

from consent.holder import recover
from tests.webapp.driver import Look, Window
from tests.webapp.fixtures import browser
from tests.webapp.hand import WAYS, Hand, Means
from tests.webapp.place import Town
from tests.world import JAN
from vault.errors import NotFound, UnknownKey

__all__ = ["browser"]
QR = """async ([version, text]) => (await import(`/app/${version}/qr.js`)).qr(text)
  .querySelector("path").getAttribute("d")"""
WRONG = "0000-0000-0000-0000-0000-0000-0000-0000-0"
# A code that opens nothing is answered by 404, and browsers write each 404 into their console.
NO_WRAP = "/v1/wraps/"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(Path(tmp_path_factory.mktemp("town"))) as town:
        town.move(JAN, day=2, hour=9)
        town.publish()
        yield town


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].name}-{way[1]}")
def hand(request: pytest.FixtureRequest, browser: Browser, town: Town) -> Iterator[Hand]:
    look, means = request.param
    with Window(browser, town.url, look, allowed=(NO_WRAP,)) as window:
        yield Hand(window, means, town.names)


@pytest.fixture
def other(hand: Hand, browser: Browser, town: Town) -> Iterator[Hand]:
    """The same person at another device."""
    with Window(browser, town.url, hand.window.look, allowed=(NO_WRAP,)) as window:
        yield Hand(window, hand.means, town.names)


def test_a_vault_is_made_with_its_code_typed_back(hand: Hand) -> None:
    window, sent = hand.window, list[str]()
    window.page.on("request", lambda one: sent.append(said(one)))
    window.visit()
    hand.press("start.make")
    hand.press("next")
    hand.sees("start.only14")
    hand.looks("age")
    hand.tick(window.page.get_by_role("checkbox"))
    hand.press("next")
    hand.sees("start.once")
    code = "-".join(window.page.locator(".fours li").all_inner_texts())
    assert len(code.replace("-", "")) == 33
    hand.looks("code")
    hand.press("start.written")
    hand.type("start.typeback", WRONG)
    hand.press("next")
    hand.sees("start.differs")
    hand.looks("typeback")
    for width in (320, 390, 195):  # the last one: 390 at 200 %
        window.resize((width, 700))
        assert window.page.locator("textarea").evaluate(FITS), width
    window.resize(window.look.size)
    hand.press("start.see")
    hand.press("start.written")
    hand.type("start.typeback", code.lower().replace("-", " "))
    window.page.locator("textarea").press("Enter")
    hand.sees("start.how")
    hand.looks("ways")
    hand.press("start.bycode")
    hand.is_home()
    hand.sees("home.welcome")
    assert sent
    assert not [text for text in sent if code in text or code.replace("-", "") in text]


FITS = "({ scrollHeight: h, clientHeight: c, scrollWidth: w, clientWidth: d }) => h <= c && w <= d"


def said(request: Request) -> str:
    body = request.post_data_buffer or b""
    return f"{request.url} {request.headers} {body.decode('latin-1')}"


def test_a_device_opens_its_vault_by_itself_until_it_is_locked(hand: Hand) -> None:
    window = hand.window
    code = hand.makes_vault()
    hand.press("start.byitself")
    hand.is_home()
    window.page.reload()
    hand.is_home()
    hand.press("lock")
    hand.sees("start.hint")
    window.page.reload()
    hand.sees("start.hint")
    hand.opens_by_code(WRONG)
    window.page.locator(".wrong:not(:empty)").wait_for()
    hand.opens_by_code(code)
    hand.is_home()


def test_a_passkey_with_the_extension_opens_a_vault(hand: Hand) -> None:
    keys = hand.window.authenticator(prf=True)
    hand.makes_vault()
    hand.press("start.bypasskey")
    hand.is_home()
    assert keys.count == 1
    hand.window.page.reload()
    hand.sees("start.hint")
    hand.press("start.bypasskey")
    hand.is_home()


def test_a_passkey_without_the_extension_is_taken_back(hand: Hand) -> None:
    keys = hand.window.authenticator(prf=False)
    hand.makes_vault()
    hand.press("start.bypasskey")
    hand.sees("start.noprf")
    hand.looks("no-prf")
    assert keys.count == 0
    hand.press("start.byitself")
    hand.is_home()
    hand.window.to("settings")
    hand.sees("settings.device")


def test_another_device_opens_by_a_code_of_this_one(hand: Hand, other: Hand, town: Town) -> None:
    hand.makes_vault()
    hand.press("start.byitself")
    hand.is_home()
    hand.window.to("settings")
    hand.press("settings.other")
    code = hand.window.page.locator("dialog code").inner_text()
    hand.looks("other-device")
    # The picture is of the address below: a phone's camera opens it.
    drawn = hand.window.page.locator("dialog svg path").get_attribute("d")
    assert drawn == hand.window.page.evaluate(QR, [hand.window.version, f"{town.url}/#w={code}"])
    hand.press("close", "dialog")
    other.window.visit(f"/#w={code}")
    other.sees("start.scanned")
    other.looks("scanned")
    assert code not in other.window.page.url
    other.press("start.openit")
    other.sees("start.how")
    other.press("start.byitself")
    other.is_home()


def test_a_new_recovery_code_takes_the_place_of_the_old_one(hand: Hand, other: Hand) -> None:
    old = hand.makes_vault()
    hand.press("start.byitself")
    hand.is_home()
    hand.window.to("settings")
    hand.press("settings.newcode")
    hand.sees("settings.newcodewhy")
    new = "-".join(hand.window.page.locator("dialog .fours li").all_inner_texts())
    hand.looks("new-code")
    hand.press("start.written", "dialog")
    hand.type(hand.window.page.locator("dialog textarea"), new)
    hand.press("next", "dialog")
    hand.sees("settings.newdone", "#said")
    # A browser that has never seen this vault.
    other.window.visit()
    other.press("start.recover")
    other.opens_by_code(old)
    other.sees("e.no-wrap")
    other.opens_by_code(new)
    other.sees("start.how")
    other.press("start.bycode")
    other.is_home()


def test_a_deleted_vault_is_gone_everywhere(hand: Hand, town: Town) -> None:
    code = hand.makes_vault()
    hand.press("start.byitself")
    hand.is_home()
    root = recover(code, town.wire())
    hand.window.to("settings")
    hand.press("settings.erase")
    field = hand.window.page.locator("dialog input")
    hand.type(field, "no")
    hand.press("settings.erase", "dialog")
    assert field.is_visible()
    hand.looks("delete")
    hand.type(field, hand.says("settings.eraseword"))
    hand.press("settings.erase", "dialog")
    hand.sees("settings.erasedwhy")
    hand.looks("deleted")
    receipt = json.loads(hand.saves("settings.receipt", "dialog").path().read_text("utf-8"))
    assert receipt
    hand.press("close", "dialog")
    hand.button("start.make").wait_for()
    with pytest.raises(UnknownKey):
        town.holder(root).load()
    with pytest.raises(NotFound):
        recover(code, town.wire())
    hand.window.page.reload()
    hand.button("start.make").wait_for()


# The frame


def test_language_and_look_are_chosen_and_stay(hand: Hand) -> None:
    page, look = hand.window.page, hand.window.look
    theme = "document.documentElement.dataset.theme"
    hand.makes_vault()
    hand.press("start.byitself")
    hand.is_home()
    hand.window.to("settings")
    hand.choose("settings.theme", "dark")
    page.wait_for_function(f"{theme} === 'dark'")  # once it is kept
    now = "zh-CN" if look.locale == "en" else "en"
    hand.choose("settings.language", now)
    page.wait_for_selector(f"html[lang={now}]")
    page.reload()
    hand.window.settle()
    assert (page.evaluate(theme), page.get_attribute("html", "lang")) == ("dark", now)


def test_a_stranger_changes_the_language_before_anything_else(browser: Browser, town: Town) -> None:
    with Window(browser, town.url, Look("en")) as window:
        window.visit()
        window.press(window.button("中文"))
        window.wait("创建保管库")
        assert window.page.get_attribute("html", "lang") == "zh-CN"


def test_the_app_can_be_installed(browser: Browser, town: Town) -> None:
    with Window(browser, town.url, Look("en"), worker=True) as window:
        window.visit()
        window.page.evaluate("navigator.serviceWorker.ready")
        window.page.reload()
        window.settle()
        window.cdp.send("Page.enable")
        told = window.cdp.send("Page.getAppManifest")
        assert told["errors"] == []
        manifest = json.loads(told["data"])
        assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
        left = window.cdp.send("Page.getInstallabilityErrors")["installabilityErrors"]
        # A window of a test's profile is one in private.
        assert [one["errorId"] for one in left if one["errorId"] != "in-incognito"] == []


def test_a_changed_way_is_not_forgotten() -> None:
    means: set[Means] = {how for _, how in WAYS}
    assert means == {"pointer", "keys"}
    assert {look.locale for look, _ in WAYS} == {"en", "zh-CN"}
    assert {look.size for look, _ in WAYS} == {(390, 844), (1280, 800)}
