"""The web app in Chromium: first views, coming back, a token of 120 cells, a year of 2,000 records.

    ./run python -m tests.benchmarks.web [--turns 5]

One vault on loopback with one person who rides every day, most days several times, for a year. The
browser and Python read the same answers and make the same token; what they get is compared before
anything is timed. First views stand beside the plainest page of the same server, `/v1/time`. Rows
take turns, so that a machine that is busy besides is so for all of them. Nothing is asserted about
time, and docs/performance.md keeps a run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from consent.demo.cast import CITY
from consent.messages import LinkMonths, TokenPost
from consent.messages import Token as TokenText
from consent.site import read_files
from consent.tokens import Granted, open_token, seal_token, sign_token, sum_masks
from tests.web_manifest import first_view, size_of
from tests.webapp.driver import Look, Window, chromium
from tests.webapp.place import Person, Town
from tests.world import EAST, WEST
from vault.compose import Booking
from vault.crypto.keys import consent_key, stream_key
from vault.encoding import read_envelope
from vault.methodology.quantify import Act
from vault.months import DEFAULT_ZONE, Category, Month, add_months, month_begins

RECORDS, YEAR, LINKS = 2_000, 12, 10
FIRST, SCOPE = Month("2026-01"), (Category.TRAVEL,)
SLOW = {"latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}
"""150 ms there and back, 1.6 Mbit/s down."""


# The year


def live(town: Town) -> Person:
    """Let one person ride for a year at two sources; it is January again when this returns."""
    town.move(FIRST, day=2, hour=9)
    town.publish()
    town.sources = {name: town.source(name) for name in (EAST, WEST)}
    ann, left = town.person("ann", EAST, WEST), RECORDS
    for n in range(YEAR):
        month, rides = Month(add_months(FIRST, n)), -(-left // (YEAR - n))
        town.move(month, day=27, hour=21)
        for half, source in enumerate(town.sources.values()):
            some = range(half, rides, len(town.sources))
            source.book(ann.name, [_ride(month, ride, source.identity.id) for ride in some])
        left -= rides
        town.end(month, Month(add_months(month, 1)))
    return ann


def _ride(month: Month, ride: int, source: str) -> Booking:
    """Return a ride of a month, each a quarter of an hour after the one before on its day."""
    day, turn = 2 + ride % 24, ride // 24
    begin = month_begins(month, DEFAULT_ZONE) + day * 86_400 + 8 * 3_600 + turn * 900
    act = Act("travel.bike", {"m": 1_500 + 7 * ride, "s": 420}, begin, begin + 420, "CN-BJ", "E4")
    receipt = f"R-{ride:08d}-{os.urandom(8).hex()}"
    return Booking(act, receipt, source, guessable=False, detail={"from": "Gate", "to": "Museum"})


def opened(town: Town, ann: Person) -> list[Any]:
    """Return what a Python device opens and recomputes, from nothing."""
    holder = town.holder(ann.root)
    holder.load()
    return holder.open_links()


# In the browser

_HOLDER = """async ([version, root, pins]) => {
  const load = (name) => import(`/app/${version}/${name}.js`);
  const [{ Holder }, { Wire }, { accountKey, random }] =
    await Promise.all(["holder", "wire", "keys"].map(load));
  const secret = Uint8Array.from(root), key = await accountKey(secret);
  const { unb64u } = await load("encoding"), { now } = await (await fetch("/v1/time")).json();
  const policy = { ...pins, auditor: unb64u(pins.auditor, 32), demo: true, fresh: 86400 };
  const open = async () => {
    const wire = new Wire(location.origin, key);
    const holder = await Holder.open({ root: secret, wire, policy, now: () => now, random });
    await holder.load();
    return holder;
  };
  window.bench = { open, load, secret };
}"""
_RECORDS = """async () => {
  const { readEach } = await bench.load("records"), begin = performance.now();
  const holder = await bench.open(), links = await readEach(holder, () => holder.held());
  const took = performance.now() - begin;
  return { took, links: links.map(({ source, batches, closes }) => [source,
    batches.flatMap(({ records }) => records).length, closes.map(({ month, grams }) =>
      [month, grams])]).sort() };
}"""
_TOKEN = """async ([cells, platform, granted]) => {
  const [{ sumMasks, sealToken, signToken }, keys] =
    await Promise.all(["tokens", "keys"].map(bench.load));
  const begin = performance.now(), { secret } = bench;
  const masks = await sumMasks((link) => keys.streamKey(secret, link), cells, [4]);
  const sealed = await sealToken(masks, Uint8Array.from(platform), granted);
  const key = await keys.consentKey(secret, "city.demo");
  const { post } = await signToken(key, 1767225600, granted, cells, sealed);
  return { took: performance.now() - begin, post };
}"""
_SHOWN = """(() => {
  const look = () => {
    const there = document.querySelector("main .btn") || (document.body && location.pathname !== "/"
      && document.body.innerText);
    if (there) requestAnimationFrame(() => { window.shown = performance.now(); });
    else requestAnimationFrame(look);
  };
  look();
})()"""
_DRAWN = """(() => {
  const look = () => {
    const { length } = document.querySelectorAll("main figure svg, main svg.chart");
    if (document.querySelector("main p.big") && length > 1)
      requestAnimationFrame(() => { window.shown = performance.now(); });
    else requestAnimationFrame(look);
  };
  look();
})()"""


@dataclass
class Bytes:
    """What a page's load brought: as it travelled, headers included, and unpacked."""

    wire: int = 0
    body: int = 0
    answers: int = 0
    kept: set[str] = field(default_factory=set)

    def listen(self, context: BrowserContext, page: Page) -> CDPSession:
        """Count what comes for a page; what is in memory already came once."""
        session = context.new_cdp_session(page)
        session.on(
            "Network.requestServedFromCache", lambda found: self.kept.add(found["requestId"])
        )
        session.on("Network.dataReceived", self._data)
        session.on("Network.loadingFinished", self._done)
        session.send("Network.enable")
        return session

    def _data(self, found: dict[str, Any]) -> None:
        if found["requestId"] not in self.kept:
            self.body += int(found["dataLength"])

    def _done(self, found: dict[str, Any]) -> None:
        if found["requestId"] not in self.kept:
            self.wire += int(found["encodedDataLength"])
            self.answers += 1


@contextmanager
def fresh(browser: Browser, script: str, *, worker: bool = False) -> Iterator[Page]:
    """Give a page of a new profile, with nothing kept."""
    allowed = "allow" if worker else "block"
    context = browser.new_context(locale="en-GB", service_workers=allowed)  # type: ignore[arg-type]
    context.add_init_script(script)
    yield context.new_page()
    context.close()


def view(page: Page, url: str) -> float:
    """Return the ms from the start of a navigation until its content is shown."""
    page.goto(url)
    page.wait_for_function("() => window.shown > 0")
    return float(page.evaluate("window.shown"))


# What is timed


@dataclass
class Bench:
    """The vault, the person, the browser, and how long each thing took, by its name."""

    town: Town
    ann: Person
    browser: Browser
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    bytes: dict[str, Bytes] = field(default_factory=dict)

    def note(self, name: str, ms: float) -> None:
        self.took[name].append(ms)

    def views(self) -> None:
        """The plain page and the app, in new profiles, then again in the same ones."""
        for name, path in (("plain page", "/v1/time"), ("app", "/")):
            with fresh(self.browser, _SHOWN) as page:
                counted = Bytes()
                counted.listen(page.context, page)
                self.note(f"{name}, first", view(page, self.town.url + path))
                page.wait_for_load_state("networkidle")
                self.bytes[f"first view of the {name}"] = replace(counted)
                self.note(f"{name}, again", view(page, self.town.url + path))
        with fresh(self.browser, _SHOWN, worker=True) as page:
            view(page, self.town.url)
            page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
            page.wait_for_load_state("networkidle")
            self.note("app, again, by its worker", view(page, self.town.url))

    def slow_views(self) -> None:
        """The same over a slow network."""
        for name, path in (("plain page", "/v1/time"), ("app", "/")):
            with fresh(self.browser, _SHOWN) as page:
                session = Bytes().listen(page.context, page)
                session.send("Network.emulateNetworkConditions", {"offline": False, **SLOW})
                self.note(f"{name}, slow, first", view(page, self.town.url + path))
                self.note(f"{name}, slow, again", view(page, self.town.url + path))

    def home(self) -> None:
        """Home with the whole year: from the start of a navigation until its pictures are there.

        Of a person who comes back: with nothing of the app kept, as after a new version, with what
        the browser kept, and the former over a slow network.
        """
        for name, slow in (("home", False), ("home, slow", True)):
            with Window(self.browser, self.town.url, Look("en"), allowed=("",)) as window:
                window.open(self.ann.root)
                window.context.add_init_script(_DRAWN)
                counted = Bytes()
                session = counted.listen(window.context, window.page)
                session.send("Network.clearBrowserCache")
                if slow:
                    session.send("Network.emulateNetworkConditions", {"offline": False, **SLOW})
                self.note(f"{name}, new", view(window.page, self.town.url))
                if not slow:
                    window.page.wait_for_load_state("networkidle")
                    self.bytes["home of who comes back, and the rest behind it"] = replace(counted)
                    self.note("home, drawn", view(window.page, self.town.url))


def measure(bench: Bench, window: Window, turns: int) -> None:
    """Compare what both sides get, then time them in turns."""
    cells = links_of(bench)
    for turn in range(turns + 1):
        for one in (records, token):
            theirs, ours = one(bench, window, cells)
            if turn:  # the first is where things are loaded and compiled
                name = one.__name__
                bench.note(f"{name}, browser", theirs)
                bench.note(f"{name}, Python", ours)
            else:
                bench.note(f"{one.__name__}, browser, first", theirs)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    found = work()
    return 1_000 * (time.perf_counter() - begin), found


Cells = tuple[LinkMonths, ...]


def records(bench: Bench, window: Window, _: Cells) -> tuple[float, float]:
    """Open and recompute the year on both sides."""
    theirs = window.page.evaluate(_RECORDS)
    took, links = timed(lambda: opened(bench.town, bench.ann))
    ours = [
        [
            link.source,
            sum(len(batch.records) for batch in link.batches),
            [[close.month, list(close.grams)] for close in link.closes],
        ]
        for link in links
    ]
    assert theirs["links"] == sorted(ours)
    assert sum(count for _, count, _ in theirs["links"]) == RECORDS
    return float(theirs["took"]), took


def links_of(bench: Bench) -> Cells:
    """Return 120 cells: ten links of a year."""
    months = tuple(Month(add_months(FIRST, n)) for n in range(YEAR))
    ids = sorted(bytes([n]) * 16 for n in range(1, LINKS + 1))
    return tuple(LinkMonths(link, months) for link in ids)


def token(bench: Bench, window: Window, cells: Cells) -> tuple[float, float]:
    """Make one token on both sides; the platform opens both to the same masks."""
    root, opening = bench.ann.root, bench.town.cast.actors[CITY].opening
    granted = Granted(b"\x07" * 16, cells[0].months)

    def make() -> TokenPost:
        masks = sum_masks(lambda link: stream_key(root, link), cells, SCOPE)
        sealed = seal_token(masks, opening.public, granted)
        return sign_token(consent_key(root, CITY), 1_767_225_600, granted, cells, sealed)

    plain = [[cell.link.hex(), list(cell.months)] for cell in cells]
    told = {"grant": granted.grant.hex(), "window": list(granted.window)}
    theirs = window.page.evaluate(_TOKEN, [plain, list(opening.public), told])
    took, ours = timed(make)
    posted = TokenPost.model_validate_json(theirs["post"])
    for post in (posted, ours):
        text = TokenText.opened(read_envelope(post.token, TokenText.typ))
        assert sum(len(cell.months) for cell in text.cells) == LINKS * YEAR
    assert open_token((opening,), posted.sealed, granted) == open_token(
        (opening,), ours.sealed, granted
    )
    return float(theirs["took"]), took


# What is said


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def views_table(bench: Bench) -> Iterator[str]:
    took = {name: median(all_of) for name, all_of in bench.took.items()}
    yield row("what", "plain page, ms", "app, ms", "times as long")
    yield "|---|--:|--:|--:|"
    for words, name in (
        ("first view, nothing kept", "first"),
        ("again, from the browser's cache", "again"),
        ("first view, 1.6 Mbit/s and 150 ms", "slow, first"),
        ("again, 1.6 Mbit/s and 150 ms", "slow, again"),
    ):
        plain, app = took[f"plain page, {name}"], took[f"app, {name}"]
        yield row(words, f"{plain:.0f}", f"{app:.0f}", f"{app / plain:.1f}")
    plain, app = took["plain page, again"], took["app, again, by its worker"]
    yield row("again, from its service worker", f"{plain:.0f}", f"{app:.0f}", f"{app / plain:.1f}")
    for words, name, beside in (
        ("home of a person who comes back, nothing kept", "home, new", "first"),
        ("the same, from the browser's cache", "home, drawn", "again"),
        ("home, nothing kept, 1.6 Mbit/s and 150 ms", "home, slow, new", "slow, first"),
    ):
        plain, app = took[f"plain page, {beside}"], took[name]
        yield row(words, f"{plain:.0f}", f"{app:.0f}", f"{app / plain:.1f}")


def sides_table(bench: Bench) -> Iterator[str]:
    took = {name: median(all_of) for name, all_of in bench.took.items()}
    yield row("what", "Python, ms", "browser, ms", "times as long", "browser, the first time, ms")
    yield "|---|--:|--:|--:|--:|"
    for words, name in (
        (f"{RECORDS:,} records of a year fetched, opened, recomputed", "records"),
        (f"a token of {LINKS * YEAR} cells: masks, sealed, signed", "token"),
    ):
        ours, theirs, first = (
            took[f"{name}, {side}"] for side in ("Python", "browser", "browser, first")
        )
        yield row(words, f"{ours:.0f}", f"{theirs:.0f}", f"{theirs / ours:.2f}", f"{first:.0f}")
    ours, drawn = took["records, Python"], took["home, drawn"]
    yield row("the page loaded, the vault opened, the year drawn on Home", f"{ours:.0f} *",
              f"{drawn:.0f}", f"{drawn / ours:.2f}", "")  # fmt: skip


def sizes_said(bench: Bench) -> Iterator[str]:
    code = {n: len(raw) for n, raw in read_files().items() if n.endswith((".js", ".css"))}
    whole = sum(code.values())
    first = first_view(read_files())
    yield (
        f"JavaScript and CSS: {len(code)} files, {whole:,} bytes as they are written; a first view "
        f"waits for {len(first)} of them, {size_of(first):,} bytes."
    )
    for name, found in bench.bytes.items():
        yield (
            f"The {name}: {found.answers} answers, {found.wire:,} bytes on the wire "
            f"with headers, {found.body:,} unpacked."
        )


def main() -> None:
    """Print the tables."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--turns", type=int, default=5)
    turns = asked.parse_args().turns
    with (
        tempfile.TemporaryDirectory() as folder,
        Town(Path(folder), "demo-1") as town,
        chromium() as browser,
    ):
        bench = Bench(town, live(town), browser)
        load = os.getloadavg()[0]
        with Window(browser, town.url, Look("en"), allowed=("",)) as window:
            window.visit()
            pins = {"auditor": town.where()["auditor_key"], "log": town.log_vkey}
            secret = list(bench.ann.root.value)
            window.page.evaluate(_HOLDER, [window.version, secret, pins])
            measure(bench, window, turns)
        for _ in range(turns):
            bench.views()
            bench.slow_views()
            bench.home()
        said = [*views_table(bench), "", *sides_table(bench), "", *sizes_said(bench)]
        said.append(f"Load before and after: {load:.1f}, {os.getloadavg()[0]:.1f}.")
        sys.stdout.write("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
