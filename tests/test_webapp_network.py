"""What leaves the browser: a whole run of the web app is captured, and nothing of it tells.

T88 and T89 of docs/threat-model.md. Records with unmistakable numbers and places are planted, and
every secret that the app holds is known here. They are looked for in every request, of the page and
of its service worker, and in all that the page keeps, in every encoding. The controls are an app
that sends a total in a header, one that sends the root in a query, and one that calls elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

from consent.demo.cast import BANK, CITY
from consent.holder import recover
from consent.site import Site, SiteConfig
from tests.browser import find_browser
from tests.live import live
from tests.test_canaries import Canaries, base64_inside, search
from tests.webapp.between import Edit, make_other, serve_other
from tests.webapp.capture import STORED, Proxy, Seen, Tap, bytes_of
from tests.webapp.driver import Look
from tests.webapp.place import SHOP, Person, Town, wanted
from tests.webapp.visit import Reader
from tests.world import APR, EAST, FEB, JAN, MAR
from vault.crypto.keys import (
    Root,
    account_key,
    consent_key,
    read_code,
    record_key,
    state_key,
    stream_key,
)
from vault.encoding import unb64u
from vault.months import Category

METRES = (541_907, 527_143)
SECONDS = 57_000
PLACES = ("Canary Wharf dock 4471", "断桥残雪站西北口")
BACK = f"https://{BANK}/back"


# What is looked for


@dataclass
class Planted(Canaries):
    """Canaries, and secrets of a person: bytes that nobody else may learn."""

    secrets: dict[str, bytes] = field(default_factory=dict)

    def forms(self) -> dict[tuple[str, str], bytes]:
        """Return every byte string to look for, by canary and encoding."""
        found = super().forms()
        for name, raw in self.secrets.items():
            found |= {(name, form): one for form, one in secret_forms(raw).items()}
        return found


def secret_forms(raw: bytes) -> dict[str, bytes]:
    forms = {
        "bytes": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "a list of numbers": ",".join(map(str, raw)).encode(),
        "a number": str(int.from_bytes(raw, "big")).encode(),
    }
    for shift in range(3):
        forms[f"base64 at {shift}"] = base64_inside(raw, shift)
        table = bytes.maketrans(b"+/", b"-_")
        forms[f"base64url at {shift}"] = base64_inside(raw, shift).translate(table)
    return forms


def grouped(number: int) -> list[str]:
    """Return a number as people write it."""
    return [f"{number:,}", f"{number:,}".replace(",", " "), f"{number / 1000:,.1f}"]


def of_records(person: Person) -> Planted:
    """Return what stands in somebody's records and sums, by the Python device."""
    planted = Planted(texts=[*PLACES])
    links = person.holder.open_links()
    for batch in (one for link in links for one in link.batches if one.records):
        for record in batch.records[:2]:
            planted.numbers += [record.mg, record.activity["m"]]
        for record in batch.records:
            planted.texts += [record.receipt, record.act.hex()]
    sums = [sum(close.grams) for link in links for close in link.closes if sum(close.grams)]
    planted.numbers += [*sums, sum(sums)]
    planted.texts += [text for number in [*sums, sum(sums)] for text in grouped(number)]
    assert min(planted.numbers) > 500_000, planted.numbers
    return planted


def of_root(root: Root, links: list[bytes], organisations: list[str]) -> dict[str, bytes]:
    """Return every secret that stands on a root."""
    found = {"root": root.value, "account key": account_key(root).value}
    found["state key"] = state_key(root).value
    for link in links:
        found[f"stream key {link.hex()}"] = stream_key(root, link).value
        found[f"record key {link.hex()}"] = record_key(root, link).value
    for org in organisations:
        found[f"consent key {org}"] = consent_key(root, org).value
    return found


# The run


@dataclass
class Run:
    """What one person did in the app, what was sent, and what stayed on the device."""

    town: Town
    proxy: Proxy
    person: Person
    planted: Planted
    digits: str
    taps: list[Tap] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)

    @property
    def sent(self) -> list[Seen]:
        return [*self.proxy.seen, *(one for tap in self.taps for one in tap.seen)]


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with Proxy() as found:
        yield found


@pytest.fixture(scope="module")
def browser(proxy: Proxy) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("chromium is not on this machine")
    with sync_playwright() as play:
        found = play.chromium.launch(
            executable_path=program, args=["--no-sandbox"], proxy=proxy.setting
        )
        yield found
        found.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    # demo-1 has no bounds and no caps: numbers are as long as one likes.
    with Town(tmp_path_factory.mktemp("network"), release="demo-1") as town:
        town.move(JAN, day=2, hour=9)
        town.publish()
        town.sources = {EAST: town.source(EAST)}
        town.person("cara", EAST)
        yield town


MAKERS = re.compile(r"(^|\.)(google|googleapis|gstatic|gvt1)\.com:443$")
"""Chromium speaks to its maker by itself. No page's request is among these: the taps show that."""
ALLOWED = ("Failed to load resource", "net::ERR")
"""The platform's own page is not there."""


def tapped(run: Run, window: Reader) -> Tap:
    """Listen to a page from its first request on."""
    tap = Tap(window.context.new_cdp_session(window.page))
    run.taps.append(tap)
    return tap


def begin(town: Town, window: Reader) -> str:
    """Make a vault; return its recovery code."""
    window.visit()
    window.push("start.make")
    window.page.locator("main input[type=checkbox]").check()
    window.push("next")
    window.sees("start.once")
    code = "-".join(window.page.locator("ol.fours li").all_inner_texts())
    window.push("start.written")
    window.page.locator("textarea").fill(code)
    window.push("next")
    window.push("start.byitself")
    window.sees("home.welcome")
    return code


def link(town: Town, window: Reader) -> str:
    """Link the source; return the six digits that were shown."""
    source = town.sources[EAST]
    nonce = source.offer("eve")
    window.to(f"sources/link?source={EAST}&nonce={nonce.hex()}")
    window.push("sources.mine")
    window.settle()
    code = unb64u(window.page.locator(".code code").inner_text())
    digits = window.page.locator("p.big.mono").inner_text().replace(" ", "")
    answer = source.accept("eve", nonce, code)
    window.page.locator("main input").last.fill(answer)
    window.push("sources.checkanswer")
    window.push("sources.attach")
    window.sees("sources.whatnext")
    source.check_attached()
    return digits


def live_on(town: Town, person: Person) -> None:
    """Let records come, and two months end."""
    for metres, month, following in zip(METRES, (JAN, FEB), (FEB, MAR), strict=True):
        town.move(month, day=27, hour=20)
        for day in range(1, 24):
            for number, rider in enumerate((person, town.people["cara"])):
                act = {"m": metres + 101 * day - 8_501 * number, "s": SECONDS}
                town.book(rider, EAST, "travel.bike", act, day, places=PLACES)
        town.end(month, following)


def look_at_all(run: Run, window: Reader) -> None:
    """Look at every screen; find a record by its place."""
    for route in ("home", "sources", "consents", "requests", "activity", "settings", "records"):
        window.to(route)
    assert PLACES[1] in window.text
    window.page.locator("main summary.item").first.click()
    window.page.locator("main input[type=search], main .field input").first.fill("Canary Wharf")
    window.settle()
    for route in ("log", "register", "methodology", "limits"):
        window.to(route)


def decide(run: Run, window: Reader) -> None:
    """Allow one by its code, one that leads back to its platform, and decline a third."""
    travel = (int(Category.TRAVEL),)
    code = run.town.ask(CITY, wanted("CITY-REWARD", JAN, APR, required=travel)).code
    window.to(f"request?code={code}")
    allow(window)
    window.push("consents.receipt")
    asked = replace(wanted("CARD-POINTS", JAN, MAR, required=travel), redirect_uri=BACK)
    pushed = run.town.ask(BANK, asked)
    window.visit(f"/authorize?client_id={BANK}&request_uri={pushed.request_uri}")
    window.settle()
    allow(window)
    window.push("consents.backto", url=BANK)
    window.page.wait_for_timeout(1_000)
    window.visit()
    points = wanted("CARD-POINTS", MAR, APR, required=travel)
    window.to(f"request?code={run.town.ask(SHOP, points).code}")
    window.push("consents.deny")
    window.sees("consents.denied")


def allow(window: Reader) -> None:
    window.page.locator("main input[type=checkbox]").first.check()
    window.settle()
    window.push("consents.allow")
    window.sees("consents.takereceipt")


def end_some(run: Run, window: Reader, grant: str) -> None:
    """Pause, go on, stop and ask to delete; keep receipt and record."""
    window.to(f"grant?id={grant}")
    window.push("consents.pause")
    window.push("consents.pause", "dialog")
    window.sees("consents.resume")
    window.push("consents.resume")
    window.sees("consents.pause")
    window.push("consents.record")
    window.push("consents.stop")
    window.push("consents.stopdelete", "dialog")
    window.sees("consents.stopreceipt")
    window.push("ok", "dialog")
    window.settle()


def other_device(run: Run, window: Reader, browser: Browser) -> None:
    """Show a code on one device, and open it on another by its address."""
    window.to("settings")
    for words in ("settings.json", "settings.csv", "settings.archive", "settings.remind"):
        window.push(words)
        window.settle()
    window.push("settings.other")
    code = window.page.locator("dialog .code code").inner_text()
    run.codes.append(code)
    window.push("close", "dialog")
    with Reader(browser, run.town.url, Look("zh-CN"), allowed=ALLOWED) as phone:
        tapped(run, phone)
        phone.page.goto(f"{run.town.url}/#w={code}")
        phone.settle()
        run.addresses.append(phone.page.evaluate("location.href + history.length + document.URL"))
        phone.push("start.openit")
        phone.push("start.bycode")
        phone.sees("home.sharing")
        phone.to("records")
        run.addresses.append(phone.page.url)
        run.kept.append(phone.page.evaluate(STORED))


def lock_and_leave(run: Run, window: Reader) -> None:
    """Lock, open by the typed code, end the link, delete everything."""
    run.kept.append(window.page.evaluate(STORED))
    window.page.locator("header.top button").click()
    window.page.locator("textarea").fill(run.person.code)
    window.push("start.openit")
    window.page.wait_for_selector("nav.bar a:visible")
    window.to("sources")
    window.push("sources.unlink")
    window.push("sources.unlink", "dialog")
    window.settle()
    run.kept.append(window.page.evaluate(STORED))
    window.to("settings")
    window.push("settings.erase")
    window.page.locator("dialog input").fill(window.words("settings.eraseword"))
    window.push("settings.erase", "dialog")
    window.sees("settings.erasedwhy")
    window.push("close", "dialog")
    window.sees("start.make")


@pytest.fixture(scope="module")
def run(town: Town, browser: Browser, proxy: Proxy) -> Iterator[Run]:
    proxy.seen.clear()
    with Reader(browser, town.url, Look("en"), worker=True, allowed=ALLOWED) as window:
        early = Tap(window.context.new_cdp_session(window.page))
        code = begin(town, window)
        root = recover(code, town.wire())
        person = Person("eve", root, town.holder(root), code)
        run = Run(town, proxy, person, Planted(), link(town, window), [early])
        live_on(town, person)
        person.holder.load()
        run.planted = of_records(person)
        run.planted.secrets = of_root(root, [*person.holder.known_links], [BANK, CITY])
        window.visit()
        look_at_all(run, window)
        decide(run, window)
        [grant] = [own.grant for own in person.holder.grants() if own.grant.platform == CITY]
        assert int(town.platform(CITY).total(grant.grant, (JAN,)).grams) in run.planted.numbers
        end_some(run, window, grant.grant.hex())
        other_device(run, window, browser)
        lock_and_leave(run, window)
        for each in (person.code, *run.codes):
            run.planted.secrets[f"secret of {each[:2]}…"] = read_code(each)
            run.planted.texts += [each, each.replace("-", ""), each.replace("-", " ")]
        yield run


def test_the_run_was_long(run: Run) -> None:
    """What was captured is what the app does: every kind of act is there, and the worker's part."""
    paths = {f"{one.how} {urlsplit(one.url).path}" for one in run.proxy.seen}
    for act in ("links", "binds", "grants", "tokens"):
        assert f"POST /v1/holder/{act}" in paths
    assert {"DELETE /v1/holder", "PUT /v1/holder/state", "GET /sw.js"} <= paths
    assert len(run.sent) > 300


def test_no_request_carries_a_number_a_place_a_record_or_a_secret(run: Run) -> None:
    assert search(run.planted, [one.raw for one in run.sent]) == set()


def test_the_six_digits_are_sent_by_nobody(run: Run) -> None:
    text = b"\n".join(one.raw for one in run.sent)
    assert re.search(rb"(?<![0-9])%s *%s(?![0-9])" % six(run), text) is None


def six(run: Run) -> tuple[bytes, bytes]:
    assert len(run.digits) == 6
    return run.digits[:3].encode(), run.digits[3:].encode()


def test_nobody_is_spoken_to_but_the_vault_and_the_platform_by_its_own_page(run: Run) -> None:
    vault = urlsplit(run.town.url).netloc
    assert {each for each in run.proxy.hosts if not MAKERS.search(each)} == {vault, f"{BANK}:443"}
    elsewhere = [one for tap in run.taps for one in tap.seen if one.url and vault not in one.url]
    assert {urlsplit(one.url).netloc for one in elsewhere} == {BANK}
    assert {one.how for one in elsewhere} == {"GET Document"}
    assert all(one.url.startswith(f"{BACK}?grant=") for one in elsewhere)


def test_a_code_in_the_address_is_taken_out_and_never_sent(run: Run) -> None:
    assert len(run.codes) == 1
    assert len(run.addresses) == 2
    assert all("w=" not in each and run.codes[0] not in each for each in run.addresses)
    assert all("#" not in one.url and "w=" not in one.url for one in run.sent)


def test_what_stays_on_the_device_is_sealed(run: Run) -> None:
    assert len(run.kept) == 3
    for kept in run.kept:
        assert (kept["local"], kept["session"], kept["cookie"], kept["files"]) == ({}, {}, "", [])
        assert set(kept["databases"]) == {"carbonvault/kept"}
        assert len(kept["databases"]["carbonvault/kept"]) > 3
        assert search(run.planted, [bytes_of(kept["databases"])]) == set()
        paths = [path for listed in kept["caches"].values() for path in listed]
        assert not any(path.startswith(("/v1", "/log")) for path in paths)
    assert any(kept["caches"] for kept in run.kept)


# The controls: apps that tell


@dataclass
class Told:
    """Somebody with sums, and what would be found of them."""

    town: Town
    browser: Browser
    proxy: Proxy
    person: Person
    planted: Planted

    def site(self, *edits: Edit) -> Site:
        """Return the app with some changes."""
        pins = self.town.policy.auditor, self.town.log_vkey
        return make_other(SiteConfig(self.town.url, *pins, demo=True), edits)

    def sent_by(self, edits: list[Edit], *without: str) -> list[Seen]:
        """Return what a changed app sends when this person opens it and looks at their figures."""
        before = len(self.proxy.seen)
        with Reader(self.browser, self.town.url, Look("en"), allowed=("",)) as window:
            serve_other(window.context, self.town.url, self.site(*edits), without)
            window.open(self.person.root)
            window.sees("home.closes")
            window.to("records")
        return self.proxy.seen[before:]


@pytest.fixture(scope="module")
def told(run: Run, browser: Browser) -> Told:
    person = run.town.people["cara"]
    planted = of_records(person)
    planted.secrets = of_root(person.root, [*person.links.values()], [])
    return Told(run.town, browser, run.proxy, person, planted)


TOLD = """
  Object.assign(globalThis, { told: closes.map(({ grams }) => grams[3]).join(" ") });
  return { link, source, batches, closes };"""
IN_HEADER = [
    Edit("records.js", "\n  return { link, source, batches, closes };", TOLD),
    Edit(
        "wire.js", "headers = { ...sent };", 'headers = { ...sent, "X-Y": globalThis.told ?? "" };'
    ),
]
THIS, ASKS = "this.root = root;", "this.root = root, wire.raw(`/v1/time?${b64u(root)}`);"
IN_QUERY = [Edit("side.js", THIS, ASKS)]
POLICY, OPENER, FRAMES = "Content-Security-Policy", "Cross-Origin-Opener-Policy", "X-Frame-Options"
CALL = 'fetch("http://192.0.2.7/?r").catch(() => 0);\n'
TO_OTHERS = [Edit("app.js", "await begin();", f"{CALL}await begin();")]


def test_the_published_app_tells_nothing_here_either(told: Told) -> None:
    sent = told.sent_by([])
    assert len(sent) > 20
    assert search(told.planted, [one.raw for one in sent]) == set()


def test_an_app_that_sends_a_total_in_a_header_is_caught(told: Told) -> None:
    found = search(told.planted, [one.raw for one in told.sent_by(IN_HEADER)])
    [own] = told.person.holder.open_links()
    totals = [sum(close.grams) for close in own.closes]
    assert len(totals) == 2
    assert all((str(total), "utf-8") in found for total in totals)


def test_an_app_that_sends_the_root_in_a_query_is_caught(told: Told) -> None:
    found = search(told.planted, [one.raw for one in told.sent_by(IN_QUERY)])
    assert ("root", "base64url at 0") in found


def test_an_app_that_calls_elsewhere_is_stopped_by_the_policy_and_caught_without_it(
    told: Told,
) -> None:
    for without, there in (((), False), ((POLICY,), True)):
        hosts = {urlsplit(one.url).netloc for one in told.sent_by(TO_OTHERS, *without)}
        assert ("192.0.2.7" in hosts) == there


# Pages of other origins


async def other_page(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer everything with a page."""
    headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"<!doctype html><title>other</title>"})


LOOKS = """async (vault) => {
  const frame = document.createElement("iframe");
  frame.src = vault;
  const loaded = new Promise((done) => frame.addEventListener("load", done));
  document.body.append(frame);
  await loaded;
  const failed = (error) => error.name;
  const opened = await indexedDB.databases();
  const plain = await fetch(vault + "/").then(() => "read", failed);
  const script = await import(vault + "/app/" + "VERSION" + "/keys.js").then(() => "ran", failed);
  const own = await fetch(vault + "/v1/holder/state").then(({ status }) => status, failed);
  return { databases: opened.map(({ name }) => name), caches: await caches.keys(), plain, script,
    own, cookie: document.cookie };
}"""


def test_a_page_of_another_origin_reads_nothing_and_frames_nothing(told: Told) -> None:
    with (
        live(other_page) as elsewhere,
        Reader(told.browser, told.town.url, Look("en"), allowed=("",)) as window,
    ):
        window.open(told.person.root)
        version = window.version
        other = window.context.new_page()
        other.goto(elsewhere)
        found = other.evaluate(LOOKS.replace("VERSION", version), told.town.url)
        nothing = {"databases": [], "caches": [], "plain": "TypeError", "script": "TypeError"}
        assert found == {**nothing, "own": 401, "cookie": ""}
        [frame] = other.main_frame.child_frames
        assert frame.query_selector("#app") is None
        with other.expect_popup() as opened:
            other.evaluate("(vault) => { window.kept = open(vault); }", told.town.url)
        opened.value.wait_for_selector("h1")
        assert other.evaluate("window.kept.closed")


def test_the_app_would_be_framed_without_its_headers(told: Told) -> None:
    """The control for frames and windows."""
    with (
        live(other_page) as elsewhere,
        Reader(told.browser, told.town.url, Look("en"), allowed=("",)) as window,
    ):
        serve_other(window.context, told.town.url, told.site(), (POLICY, OPENER, FRAMES))
        other = window.context.new_page()
        other.goto(elsewhere)
        other.evaluate(
            "(vault) => { document.body.append(Object.assign(document.createElement('iframe'),"
            " { src: vault })); window.kept = open(vault); }",
            told.town.url,
        )
        [frame] = other.main_frame.child_frames
        frame.wait_for_selector("#app h1", state="attached")
        assert not other.evaluate("window.kept.closed")
