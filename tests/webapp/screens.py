"""Every screen of the web app in every state, and what must be so on each of them.

The screens are those of screens/registry.js, asked of the page itself. WAYS says how each is come
to: a screen that is not in it, or a state that nobody here knows, fails until it is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser

import vault.methodology
from consent.wording import FORBIDDEN_WORDS
from tests.webapp.driver import DESK, NARROWEST, PHONE, Look, Window
from tests.webapp.place import LONG_BANK, LONG_SOURCE, LONGEST, NAMES, PLACES, Person, Town
from tests.world import EAST
from vault.errors import Locale

NOTHING = "0" * 32
Way = Callable[[Town, Person], str]
Hold = Callable[[Window], None]


def _waiting(_: Town, person: Person) -> str:
    return f"request?handle={person.waiting or NOTHING}"


def _grant(kind: str) -> Way:
    def way(_: Town, person: Person) -> str:
        found = person.grants.get(kind) or person.grants.get("long")
        return f"grant?id={found.grant.hex() if found else NOTHING}"

    return way


def _start(_: Town, person: Person) -> str:
    source = {"ann": EAST, "lee": LONG_SOURCE}.get(person.name)
    return f"sources/link?source={source}&nonce={NOTHING}" if source else "sources/link"


def _party(_: Town, person: Person) -> str:
    return f"register?id={LONG_BANK}" if person.name == "lee" else "register"


def _at(route: str) -> Way:
    return lambda _town, _person: route


WAYS: dict[str, Way] = {
    "start": _at("start"),
    "lock": _at("lock"),
    "home": _at("home"),
    "records": _at("records"),
    "sources": _at("sources"),
    "sources/link": _start,
    "consents": _at("consents"),
    "requests": _at("requests"),
    "request": _waiting,
    "grant": _grant("bank"),
    "activity": _at("activity"),
    "settings": _at("settings"),
    "log": _at("log"),
    "register": _party,
    "methodology": _at("methodology"),
    "limits": _at("limits"),
}
"""How to come to each screen, by its route."""

VARIANTS: dict[str, list[tuple[str, Way]]] = {
    "consents": [("history", _at("consents?tab=history"))],
    "grant": [(name, _grant(name)) for name in ("city", "shop", "work", "over", "old")],
    "sources/link": [("choose", _at("sources/link"))],
    "records": [
        ("none", _at("records?q=nothing-is-called-so")),
        ("month", _at("records?month=2026-02")),
    ],
    "methodology": [("other", _at("methodology?release=beijing-season-2022"))],
    "register": [("one", _at("register?id=bank.demo"))],
}
"""What else some screens show: looked at in the normal state."""

STATES = ("normal", "empty", "loading", "error", "long", "offline")
"""The states that are walked; dark goes with normal."""

DOORS = {"start", "lock"}
LOADED = ".skeleton, [aria-busy=true]"
FAILED = "[role=alert]:not(:empty), .wrong:not(:empty)"
EMPTY = ".empty, .hero"
UNREACHED = ".note.warn"
TROUBLE = "section.note.bad"
SOME = 12  # so many unfolded parts are looked at by axe-core, which takes long over thousands
# Screens that have no such state: they show what the app itself holds.
STILL = {
    "loading": {"start", "lock", "limits", "sources/link"},
    "error": {"limits", "sources/link"},
    "empty": {
        *("start", "lock", "settings", "log", "register", "methodology", "limits", "sources/link"),
        "activity",
    },
    "long": {"start", "lock", "settings", "log", "methodology", "limits"},
}
DATA = (
    "/v1/(holder/(links|grants|requests|tokens|releases|entries|wraps)|templates|methodology)|/log/"
)
ALL = "/v1/|/log/"
PERSON = {"empty": "eve", "long": "lee"}


@dataclass(frozen=True)
class Screen:
    """One entry of the registry."""

    id: str
    route: str
    needs: str
    states: tuple[str, ...]

    @property
    def inside(self) -> bool:
        """Whether it is of an opened vault."""
        return self.needs == "unlocked"


def states_of(screen: Screen) -> tuple[str, ...]:
    """Return the states of a screen: the registry's, dark, and offline where a vault is open."""
    return (*screen.states, "dark", *(["offline"] if screen.inside else []))


def unknown(screens: list[Screen]) -> list[str]:
    """Return the routes and states that nobody here knows how to visit."""
    routes = [one.route for one in screens if one.route not in WAYS]
    states = {state for one in screens for state in states_of(one)} - {*STATES, "dark"}
    return [*routes, *sorted(states)]


def registry(window: Window) -> list[Screen]:
    """Return the screens as the app knows them."""
    script = """async (version) => (await import(`/app/${version}/screens/registry.js`)).SCREENS
      .map(({ id, route, needs, states }) => [id, route, needs, states])"""
    found = window.page.evaluate(script, window.version)
    return [Screen(name, route, needs, tuple(states)) for name, route, needs, states in found]


@dataclass
class Tour:
    """The screens in one language; `visited`: screen, state and width of what was looked at."""

    browser: Browser
    town: Town
    locale: Locale
    screens: list[Screen]
    visited: set[tuple[str, str, int]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def window(
        self, person: Person | None, *allowed: str, worker: bool = False
    ) -> Iterator[Window]:
        """Open a window on a device that opens this person's vault by itself; None: it has none."""
        look = Look(self.locale)
        with Window(self.browser, self.town.url, look, worker=worker, allowed=allowed) as window:
            window.open(person.root if person else None)
            yield window

    # The states

    def walk(self, state: str) -> None:
        """Look at every screen that has this state."""
        doing = {"loading": self._held, "error": self._held, "offline": self._offline}
        doing.get(state, self._plain)(state)
        left = [*self.left(state), *(self.left("dark") if state == "normal" else [])]
        self.wrong += [f"{self.locale}: not visited: {one}" for one in left]
        self.end()

    def left(self, state: str) -> list[tuple[str, str, int]]:
        """Return what of a state was not looked at yet: screen, state and width."""
        having = [one for one in self.screens if state in states_of(one)]
        wanted = {(one.id, state, wide) for one in having for wide in (PHONE[0], DESK[0])}
        return sorted(wanted - self.visited)

    def end(self) -> None:
        """Fail with all that was found wrong."""
        wrong, self.wrong = self.wrong, []
        assert not wrong, "\n".join(wrong)

    def _person(self, state: str) -> Person:
        return self.town.people[PERSON.get(state, "ann")]

    def _having(self, state: str, *, inside: bool) -> list[Screen]:
        return [one for one in self.screens if state in states_of(one) and one.inside is inside]

    def _plain(self, state: str) -> None:
        person = self._person(state)
        with self.window(person) as window:
            for screen in self._having(state, inside=True):
                self.look_at(window, screen, state, person)
                self._variants(window, screen, state, person)
        self._outside(state, person)

    def _variants(self, window: Window, screen: Screen, state: str, person: Person) -> None:
        """Look at what else a screen shows, and at what unfolds on it."""
        if state != "normal":
            return
        if window.page.locator("main details").count():
            window.unfold(SOME)
            self.inspect(window, f"{screen.id}-unfolded")
            window.unfold()
            found = [*texts_wrong(window, self.locale, self.town.names), *_too_wide(window)]
            self.wrong += [f"{self.locale} {screen.id}, all unfolded: {one}" for one in found]
        for name, way in VARIANTS.get(screen.route, []):
            window.to(way(self.town, person))
            window.unfold(SOME)
            self.inspect(window, f"{screen.id}-{name}")

    def _outside(
        self, state: str, person: Person, hold: Callable[[Window], None] | None = None
    ) -> None:
        """Look at what is open to all, on a device without a vault; then at the locked vault."""
        with self.window(None) as window:
            if hold:
                hold(window)
            for screen in self._having(state, inside=False):
                if screen.route != "lock":
                    self.look_at(window, screen, state, person)
                    self._variants(window, screen, state, person)
        with self.window(person) as window:
            window.page.locator("header button").click()
            window.settle()
            if hold:
                hold(window)
            for screen in self._having(state, inside=False):
                if screen.route == "lock":
                    self.look_at(window, screen, state, person)

    def _held(self, state: str) -> None:
        """Let what the screens ask for fail, or never come."""
        person, status = self._person(state), 503 if state == "error" else 0
        with self.window(person) as window:
            window.hold(DATA, status)
            window.page.reload()
            window.page.wait_for_selector("main h1")
            for screen in self._having(state, inside=True):
                self.look_at(window, screen, state, person)
        self._outside(state, person, lambda window: window.hold(ALL, status))

    def _offline(self, state: str) -> None:
        """Look at every screen of the opened vault without a network, after a reload."""
        person = self._person(state)
        inside = self._having(state, inside=True)
        with self.window(person, "net::ERR", "Failed to fetch", worker=True) as window:
            window.page.evaluate("navigator.serviceWorker.ready")
            for screen in inside:
                window.to(WAYS[screen.route](self.town, person))
            window.context.set_offline(True)
            window.page.reload()
            window.settle(idle=False)
            for screen in inside:
                self.look_at(window, screen, state, person)

    # One screen

    def look_at(self, window: Window, screen: Screen, state: str, person: Person) -> None:
        """Go to a screen and look at it in both sizes, light and dark."""
        waits = state != "loading"
        window.to(WAYS[screen.route](self.town, person), idle=waits)
        name = f"{screen.id}-{state}"
        if state == "error" and screen.route in DOORS:
            _wrong_code(window)
        if not waits:
            window.page.wait_for_timeout(150)
        self._prove(window, screen, state)
        self.inspect(window, name, whole=state == "normal")
        sizes = (PHONE[0], DESK[0])
        self.visited |= {(screen.id, state, wide) for wide in sizes}
        if state == "normal":
            self.visited |= {(screen.id, "dark", wide) for wide in sizes}

    def _prove(self, window: Window, screen: Screen, state: str) -> None:
        """Note where a screen does not show the state that it should be in."""
        main = window.page.locator("main")
        fails = state in ("loading", "error") or (screen.route, state) == ("request", "offline")
        if not fails and main.locator(TROUBLE).count():
            self.wrong.append(f"{self.locale} {screen.id}-{state}: {main.inner_text()[:300]}")
        if state == "error":
            said = [str(one) for one in main.locator(".note.bad").evaluate_all(_SAID) if one]
            if len(set(said)) < len(said):
                self.wrong.append(f"{self.locale} {screen.id}: says the same twice: {said}")
            if screen.route == "sources" and main.locator("dl:visible").count():
                self.wrong.append(f"{self.locale} sources: facts of what cannot be read")
        if screen.route in STILL.get(state, ()):
            return
        wanted = {"loading": LOADED, "error": FAILED, "empty": EMPTY, "offline": UNREACHED}
        long = (NAMES[LONG_BANK], NAMES[LONG_SOURCE], LONGEST)
        seen = (
            any(name in window.text for name in long)
            if state == "long"
            else state not in wanted or main.locator(wanted[state]).count()
        )
        if not seen:
            self.wrong.append(f"{self.locale} {screen.id}: nothing of the state {state} is shown")

    def inspect(self, window: Window, name: str, *, whole: bool = False) -> None:
        """Note what is wrong with what is shown, in both sizes; `whole`: dark too."""
        found = [*texts_wrong(window, self.locale, self.town.names)]
        for wide in (NARROWEST, DESK[0] // 2):  # the latter is the desk at 200 %
            window.resize((wide, PHONE[1]))
            found += _too_wide(window)
        for size in (PHONE, DESK):
            look = Look(self.locale, size)
            window.resize(size)
            found += _too_wide(window)
            window.picture(f"{look.name}-{name}")
            judged = size == PHONE or self.locale == "en"  # a wide one is built alike in both
            if whole or judged:
                found += [f"axe: {one}" for one in window.axe()]
            if whole:
                window.darken()
                window.picture(f"{look.name}-dark-{name}")
                if judged:
                    found += [f"axe, dark: {one}" for one in window.axe("color-contrast")]
                window.darken(dark=False)
        window.resize(PHONE)
        self.wrong += [f"{self.locale} {name}: {one}" for one in found]


def _too_wide(window: Window) -> list[str]:
    wide, slack = window.page.evaluate("innerWidth"), window.slack
    return [f"{slack} px too wide at {wide}"] if slack else []


def _wrong_code(window: Window) -> None:
    """Type a code that opens nothing."""
    if not window.page.locator("main textarea").count():
        window.page.locator("main button").nth(1).click()
    window.page.locator("main textarea").fill("0000-0000-0000-0000-0000-0000-0000-0000-0")
    window.page.locator("main .card .wide button.primary").last.click()
    window.page.locator("main .card [role=alert]:not(:empty)").first.wait_for()


# What people read

_SAID = """(all) => all.map((one) =>
  one.checkVisibility() && (one.querySelector("p") ?? one).textContent)"""

_TEXTS = """() => {
  const said = [], lang = document.documentElement.lang;
  const own = (node) => !node.closest(`[lang]:not([lang="${lang}"]), .mono, code, script, style`);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const at = walk.currentNode.parentElement;
    if (at.checkVisibility() && own(at)) said.push(walk.currentNode.data);
  }
  for (const name of ["aria-label", "title", "alt", "placeholder"])
    for (const node of document.body.querySelectorAll(`[${name}]`))
      if (own(node)) said.push(node.getAttribute(name));
  return said;
}"""
_KEY = re.compile(
    r"\b(?:start|settings|home|records|sources|consents|activity|public|title|e)\.[a-z-]+(?:\.[a-z]+)*\b"
    r"|\{\w+[:}]|\bundefined\b|\bNaN\b|\bnull\b|\[object"
)
_CHINESE = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]+")
_LATIN = re.compile(r"[A-Za-z]{3,}")
# Addresses, ids, hashes, names of files, and the short name of a reason in brackets.
_SAME_FOR_ALL = re.compile(
    r"https?://[!-~]+|(?:[a-z0-9-]+@)?[a-z0-9-]+(?:\.[a-z0-9-]+)*\.demo\b|localhost[!-~]*"
    r"|\b[0-9a-f]{8,}\b|[\w.]+\.toml\b|（[a-z0-9-]+）"
)
LONG = 12  # what is shorter may be a piece of an address
# Names and short forms that are the same in both languages.
SAME = {"JSON", "CSV", "SHA", "PIN", "Esc", "English", "Carbon", "Vault", "max"}


@cache
def published(locale: Locale) -> list[str]:
    """Return what the published rules say: ids, titles, places, and the words of one language."""
    texts = set[str]()
    for path in (Path(vault.methodology.__file__).parent).rglob("*.toml"):
        texts |= {
            *_strings(
                tomllib.loads(path.read_text("utf-8")), other={"en": "zh-CN"}.get(locale, "en")
            )
        }
    return sorted((text for text in texts if len(text) > 2), key=len, reverse=True)


def _strings(found: object, other: str) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for name, inner in found.items():
            if name == "locator":
                yield from _places(str(inner), other)
            elif name != other:
                yield from _strings(inner, other)
    elif isinstance(found, list):
        for inner in found:
            yield from _strings(inner, other)


def _places(locator: str, other: str) -> list[str]:
    """Return the addresses and names in a locator, and our remark on them in one language."""
    own = re.sub(
        r"([^; ][^;]*) \(([^()]*no address kept)\)$", r"\1" if other == "en" else r"\2", locator
    )
    return re.split(r"; | tag page ", own)


def texts_wrong(window: Window, locale: Locale, names: list[str]) -> Iterator[str]:
    """Yield what is wrong with the page's frame and its words."""
    page = window.page
    if (heads := page.locator("h1").count()) != 1:
        yield f"{heads} h1"
    if (lang := page.get_attribute("html", "lang")) != locale:
        yield f"html lang is {lang}"
    if not page.title().startswith(window.heading) or not window.heading:
        yield f"the title {page.title()!r} is not of the heading {window.heading!r}"
    own = tuple(names)
    for text in page.evaluate(_TEXTS):
        yield from text_wrong(str(text), locale, own)


@cache  # every screen says most of it again
def text_wrong(text: str, locale: Locale, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is wrong with one text: keys, words we do not use, the other language."""
    return tuple(_text_wrong(text, locale, names))


def _text_wrong(text: str, locale: Locale, names: tuple[str, ...]) -> Iterator[str]:
    if not text.strip():
        return
    known = [*names, *PLACES, LONGEST, *published(locale)]
    bare = _without(text, [name for name in known if len(name) >= LONG])
    bare = _without(_SAME_FOR_ALL.sub(" ", bare), known)
    if found := _KEY.search(bare):
        yield f"not words: {found[0]!r} in {text[:80]!r}"
    yield from (f"says {word!r}: {text[:80]!r}" for word in FORBIDDEN_WORDS if word in bare.lower())
    if locale == "en" and (found := _CHINESE.search(bare)):
        yield f"Chinese in English: {found[0]!r} in {text[:80]!r}"
    if locale == "zh-CN":
        left = [word for word in _LATIN.findall(bare) if word not in SAME]
        if left:
            yield f"English in Chinese: {left[:4]} in {text[:80]!r}"


def _without(text: str, names: list[str]) -> str:
    for name in names:
        text = text.replace(name, "")
    return text


def begin(browser: Browser, town: Town, locale: Locale) -> Tour:
    """Return a tour that has seen nothing yet."""
    with Window(browser, town.url, Look(locale)) as window:
        window.visit()
        return Tour(browser, town, locale, registry(window))
