"""The web app in Debian's Chromium, as a person meets it: windows, keys, and what the browser says.

    with chromium() as browser, Window(browser, url, Look("en", PHONE)) as window:
        window.open(root)                    this device opens the vault by itself
        window.to("records")                 once it is drawn
        window.press(window.button("Stop"))  counted: window.activations
    leaving the block fails where the browser complained

Nothing here lifts the page's policies but `evaluate`, which a browser never lets a page do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Locator,
    Page,
    sync_playwright,
)

from tests.browser import find_browser
from vault.crypto.keys import Root, account_key
from vault.encoding import thumbprint
from vault.errors import Locale

TESTS = Path(__file__).resolve().parent.parent
AXE = TESTS / "web" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = TESTS.parent / "build" / "webapp"
PHONE, DESK = (390, 844), (1280, 800)
NARROWEST = 320
TALLEST, AGAIN = 16000, 200  # what is taller takes more than one picture, which overlap
PATIENCE = 45_000
# Requests in flight are counted in the page: what is drawn after them is what is looked at.
_COUNT = """
window.flying = 0; window.stopped = [];
const plain = window.fetch;
window.fetch = async (...all) => {
  const [status, paths] = window.holding ?? [], url = String(all[0].url ?? all[0]);
  if (paths?.test(new URL(url, location).pathname)) {
    if (!status) return new Promise(() => {});
    return new Response(JSON.stringify({ type: "about:blank", status }), { status,
      headers: { "Content-Type": "application/problem+json" } });
  }
  window.flying++;
  try { return await plain(...all); } finally { setTimeout(() => window.flying--); }
};
addEventListener("securitypolicyviolation",
  (event) => stopped.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""
_BUSY = "main .skeleton, main [aria-busy=true]"
_STILL = f"""(idle) => !!document.querySelector("main h1") && !document.querySelector("{_BUSY}")
  && (!idle || window.flying === 0)"""
_KEEP = """async ([version, root, account, prefs]) => {
  const { Store } = await import(`/app/${version}/store.js`), store = new Store();
  await store.put("prefs", prefs);
  if (!root && !account) return;
  if (root) {
    const { keepHere } = await import(`/app/${version}/lock.js`);
    await keepHere(store, Uint8Array.from(root));
  }
  await store.put("own", { account, way: root ? "device" : "code", code: "", passkeys: [] });
}"""
_DRAWN = """(top) => new Promise((done) => {
  scrollTo(0, top);
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""
_GO = """(hash) => new Promise((done) => {
  if (location.hash === hash) return done(false);
  addEventListener("hashchange", () => done(true), { once: true });
  location.hash = hash;
})"""
_WATCH = """() => {
  const seen = new Set();
  addEventListener("focusin", ({ target }) => seen.add(target), true);
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, "
    + "[tabindex='0']")].filter((node) => node.checkVisibility() && !node.disabled);
  window.awaited = () => all.filter((node) => node.isConnected && !seen.has(node))
    .map((node) => node.outerHTML.slice(0, 90));
  document.activeElement?.blur();
  return all.length;
}"""
_AXE = """async (rules) => (await axe.run(document, { resultTypes: ["violations"], preload: false,
    ...(rules ? { runOnly: { type: "rule", values: rules } } : {}) })).violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) =>
    `${target} ${failureSummary}`).slice(0, 3).join(" | ")}`)"""


@dataclass(frozen=True)
class Look:
    """How a window looks: language, size, light or dark."""

    locale: Locale
    size: tuple[int, int] = PHONE
    dark: bool = False
    still: bool = True

    @property
    def name(self) -> str:
        """What pictures of it are called."""
        return f"{self.locale}-{self.size[0]}x{self.size[1]}"


def needs_axe() -> None:
    """Skip where axe-core is not there: npm brings it, for `tests/check.py`."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed")


@cache
def _axe_source() -> str:
    return AXE.read_text("utf-8")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give the browser; skip where this machine has none."""
    program = find_browser()
    if program is None:
        pytest.skip("chromium is not on this machine")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """One window with a profile of its own.

    `worker` lets the service worker run; `allowed` are pieces of complaints that a test means to
    cause. `activations` counts what a person did: clicks, and Enter or Space on a control.
    """

    browser: Browser
    url: str
    look: Look
    worker: bool = False
    allowed: tuple[str, ...] = ()
    complaints: list[str] = field(default_factory=list)
    activations: int = 0

    def __enter__(self) -> Self:
        self.context: BrowserContext = self.browser.new_context(
            locale=self.look.locale,
            viewport=_viewport(self.look.size),
            color_scheme="dark" if self.look.dark else "light",
            reduced_motion="reduce" if self.look.still else "no-preference",
            service_workers="allow" if self.worker else "block",
            accept_downloads=True,
        )
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(_COUNT)
        self.page: Page = self.context.new_page()
        self._listen(self.page)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.context.close()

    def _listen(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} {message.location['url']}")

    def check(self) -> None:
        """Fail where the browser complained, or a policy stopped something."""
        stopped = self.page.evaluate("(window.stopped ?? []).splice(0)")
        found = [*self.complaints, *map(str, stopped)]
        meant = (*self.allowed, "Service Worker registration blocked by Playwright")
        self.complaints.clear()
        bad = [one for one in found if not any(piece in one for piece in meant)]
        assert not bad, "\n".join(bad)

    # Coming in

    def visit(self, path: str = "/") -> None:
        """Open an address of the vault's origin, and wait until it is drawn."""
        self.page.goto(self.url + path)
        self.settle()

    @property
    def version(self) -> str:
        """The published version that the page is of."""
        meta = self.page.get_attribute("meta[name=carbonvault]", "content")
        return str(json.loads(meta or "{}")["version"])

    def keep(self, root: Root | None, **prefs: str) -> None:
        """Put onto this device what opens a vault by itself, and a person's choices."""
        prefs = {"locale": self.look.locale, **prefs}
        account = root and thumbprint(account_key(root).public)
        self.page.evaluate(_KEEP, [self.version, root and list(root.value), account, prefs])

    def open(self, root: Root | None, path: str = "/", *, wait: bool = True) -> None:
        """Open a vault on this device: as one that opens by itself does."""
        self.page.goto(self.url)
        self.page.wait_for_selector("main h1")
        self.keep(root)
        if path != "/":
            self.page.goto(self.url + path)  # of which the fragment alone loads nothing
        self.page.reload()
        if wait:
            self.settle()

    def to(self, route: str, *, idle: bool = True) -> None:
        """Go to a route, and wait until it is drawn."""
        if not self.page.evaluate(_GO, f"#/{route}"):
            self.page.reload()
        if idle:
            self.settle()

    def settle(self, *, idle: bool = True) -> None:
        """Wait until nothing loads any more."""
        self.page.wait_for_function(_STILL, arg=idle)
        self.page.wait_for_timeout(30)
        self.page.wait_for_function(_STILL, arg=idle)

    def unfold(self, most: int = 1000) -> None:
        """Open what is folded, also what is folded inside, and wait until it is drawn."""
        for _ in range(2):
            every = f"[...document.querySelectorAll('main details')].slice(0, {most})"
            self.page.evaluate(f"{every}.forEach((one) => one.open = true)")
            self.settle()

    def hold(self, paths: str, status: int = 0) -> None:
        """Let answers at paths of this pattern fail with a status; 0: never come."""
        script = f"window.holding = [{status}, new RegExp({json.dumps(paths)})]"
        self.page.add_init_script(script)
        self.page.evaluate(script)

    # What a person does

    def button(self, name: str, within: str = "body", *, exact: bool = True) -> Locator:
        """Return a button by its name."""
        return self.page.locator(within).get_by_role("button", name=name, exact=exact)

    def link(self, name: str, within: str = "body", *, exact: bool = True) -> Locator:
        """Return a link by its name."""
        return self.page.locator(within).get_by_role("link", name=name, exact=exact)

    def press(self, control: Locator, how: Literal["click", "Enter", " "] = "click") -> None:
        """Activate a control: by pointer, or by a key once Tab has come to it."""
        if how == "click":
            control.click()
        else:
            self.tab_to(control)
            self.page.keyboard.press("Space" if how == " " else how)
        self.activations += 1

    def untabbed(self) -> list[str]:
        """Return the controls that Tab does not come to, of those that are shown."""
        count = int(self.page.evaluate(_WATCH))
        for _ in range(count + 3):
            self.page.keyboard.press("Tab")
        found: list[str] = self.page.evaluate("window.awaited()")
        return found

    def tab_to(self, control: Locator) -> None:
        """Press Tab until the control has the focus."""
        control.wait_for()
        for _ in range(150):
            if control.evaluate("(node) => node === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not come to {control}")

    def wait(self, text: str) -> None:
        """Wait until a text is shown."""
        self.page.get_by_text(text).first.wait_for()

    @property
    def said(self) -> str:
        """What was announced last."""
        return self.page.inner_text("#said")

    @property
    def heading(self) -> str:
        return self.page.inner_text("h1")

    @property
    def text(self) -> str:
        return self.page.inner_text("main")

    # What is looked at

    def resize(self, size: tuple[int, int]) -> None:
        self.page.set_viewport_size(_viewport(size))

    def darken(self, dark: bool = True) -> None:
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.wait_for_function(
            "(to) => document.documentElement.dataset.theme === to", arg="dark" if dark else "light"
        )

    def axe(self, *rules: str) -> list[str]:
        """Return what axe-core finds that is serious or critical; by these rules only, if any."""
        if not self.page.evaluate("!!window.axe"):  # half a megabyte: only where it is wanted
            self.page.evaluate(_axe_source())
        found: list[str] = self.page.evaluate(_AXE, list(rules) or None)
        return found

    @property
    def slack(self) -> int:
        """How many pixels there are to scroll sideways."""
        at = "document.documentElement"
        return int(self.page.evaluate(f"{at}.scrollWidth - {at}.clientWidth"))

    def picture(self, name: str) -> None:
        """Keep what is shown, the whole page, in build/webapp/: what is drawn, not what will be."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size or {"width": 0, "height": 0}
        high = int(self.page.evaluate("document.documentElement.scrollHeight"))
        tall = max(before["height"], min(high, TALLEST))
        self.resize((before["width"], tall))
        for top in range(0, max(high - AGAIN, 1), TALLEST - AGAIN):
            self.page.evaluate(_DRAWN, top)
            how = {"format": "png", "optimizeForSpeed": True}
            shot = self.cdp.send("Page.captureScreenshot", how)
            file = PICTURES / f"{name}{f'-from-{top}' if top else ''}.png"
            file.write_bytes(base64.b64decode(shot["data"]))
        self.resize((before["width"], before["height"]))

    @property
    def cdp(self) -> CDPSession:
        if not hasattr(self, "_cdp"):
            self._cdp = self.context.new_cdp_session(self.page)
        return self._cdp

    def authenticator(self, *, prf: bool) -> Keys:
        """Plug in a virtual authenticator, with the PRF extension or without it."""
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        options: dict[str, Any] = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "hasPrf": prf,
            "automaticPresenceSimulation": True,
        }
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return Keys(self.cdp, str(made["authenticatorId"]))


@dataclass(frozen=True)
class Keys:
    """The passkeys of a virtual authenticator."""

    cdp: CDPSession
    id: str

    @property
    def count(self) -> int:
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return len(found["credentials"])


def _viewport(size: tuple[int, int]) -> Any:
    return {"width": size[0], "height": size[1]}


def other(look: Look) -> Look:
    """Return the same look in the other language."""
    return replace(look, locale="zh-CN" if look.locale == "en" else "en")
