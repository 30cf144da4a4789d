"""The page's guards in a real browser: what a server may change, and what runs of it.

T77 of docs/threat-model.md. The control is the same server with the guards taken out of page and
headers: there the changed module runs.

Evaluated code is looked at from a module as it loads: what a test types into the page is free of
its policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from consent.commands.browser import as_browser
from consent.site import Site, SiteConfig, make_site, read_files
from consent.site_headers import integrity
from consent.site_http import make_own
from tests.browser import find_browser
from tests.live import Answered, Tampering, live
from tests.site_files import APP, small_files

CONFIG = SiteConfig("http://localhost", b"\x07" * 32, "any")
STATIC, GOOD, EVIL = "Not loaded as published.", "as published", "as I like"
LOADS = 'document.documentElement.dataset.ran = "app";\n'
Change = Callable[[Answered], None]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("chromium is not on this machine")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Shown:
    """A page that was opened: its text, what its modules said, and the browser's complaints."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.page.inner_text("#app")

    @property
    def said(self) -> dict[str, str]:
        found: dict[str, str] = self.page.evaluate("({...document.documentElement.dataset})")
        return found


@contextmanager
def shown(browser: Browser, site: Site, change: Change = lambda _: None) -> Iterator[Shown]:
    """Open the page from a server that changes its answers; wait until nothing is loading."""
    between = Tampering(make_own(site))
    between.change = change
    context = browser.new_context()
    try:
        with live(between) as url:
            found = Shown(context.new_page(), url)
            found.page.on("console", lambda message: found.complaints.append(message.text))
            found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
            found.page.goto(url, wait_until="networkidle")
            yield found
    finally:
        context.close()


def tampered(path: str, old: str = GOOD, new: str = EVIL) -> Change:
    def change(answer: Answered) -> None:
        if answer.path.endswith(path):
            assert old.encode() in answer.body
            answer.body = answer.body.replace(old.encode(), new.encode())

    return change


def both(*changes: Change) -> Change:
    def change(answer: Answered) -> None:
        for each in changes:
            each(answer)

    return change


def no_integrity(answer: Answered) -> None:
    """Take the hashes out of page and map, as a server could that logs nothing."""
    if answer.path == "/":
        text = answer.body.decode()
        text = re.sub(r' integrity="[^"]*"', "", text)
        answer.body = re.sub(r'"integrity":\{[^}]*\}', '"integrity":{}', text).encode()


def no_policy(answer: Answered) -> None:
    if answer.path == "/":
        for name in ("content-security-policy", "integrity-policy"):
            del answer.headers[name]


def made(**changed: str) -> Site:
    return make_site(small_files(**changed), CONFIG)


def test_the_published_page_runs_and_the_browser_complains_of_nothing(chromium: Browser) -> None:
    with shown(chromium, made()) as found:
        assert (found.text, found.said) == (GOOD, {"ran": "app"})
        color = "getComputedStyle(document.querySelector('main')).color"
        assert found.page.evaluate(color) == "rgb(1, 2, 3)"
        assert found.complaints == []


@pytest.mark.parametrize("path", ["/word.js", "/app.js"])
def test_a_changed_module_does_not_run(chromium: Browser, path: str) -> None:
    """The page stays at its static words, which say what that means."""
    old = GOOD if path == "/word.js" else LOADS
    with shown(chromium, made(), tampered(path, old, f"{old} ")) as found:
        assert (found.text, found.said) == (STATIC, {})
        assert any("integrity" in each for each in found.complaints)


def nothing(_: Answered) -> None:
    """Leave an answer as it is."""


LATER = """const { word } = await import("./lib/word.js").catch(() => ({ word: () => "kept out" }));
document.getElementById("app").textContent = word();
"""


def test_a_changed_module_that_is_imported_later_does_not_run_either(chromium: Browser) -> None:
    """The page names it in its map and policy only; each of the two alone stops it."""
    site = made(app_js=LATER)
    assert site.answers["/"].body.count(b"modulepreload") == 1
    with shown(chromium, site) as found:
        assert found.text == GOOD
    # A policy of hashes without integrity lets not even the entry run.
    for left, text in ((nothing, "kept out"), (no_policy, "kept out"), (no_integrity, STATIC)):
        with shown(chromium, site, both(tampered("/word.js"), left)) as found:
            assert found.text == text
    with shown(chromium, site, both(tampered("/word.js"), no_integrity, no_policy)) as found:
        assert found.text == EVIL


def test_a_changed_module_runs_once_the_guards_are_taken_out(chromium: Browser) -> None:
    """The control: without integrity and policy it is the server's word alone."""
    change = both(tampered("/word.js"), no_integrity, no_policy)
    with shown(chromium, made(), change) as found:
        assert (found.text, found.said) == (EVIL, {"ran": "app"})


def test_each_guard_alone_stops_a_changed_module(chromium: Browser) -> None:
    """Integrity without policy, and the policy without integrity."""
    for left in (no_policy, no_integrity):
        with shown(chromium, made(), both(tampered("/word.js"), left)) as found:
            assert found.text == STATIC


def wrong_map(answer: Answered) -> None:
    """Let the policy name another hash of the import map, so that the browser ignores the map."""
    if answer.path == "/":
        text = re.search(rb'<script type="importmap">([^<]*)<', answer.body)
        assert text
        name = "content-security-policy"
        assert integrity(text[1]) in answer.headers[name]
        other = integrity(b"another map")
        answer.headers[name] = answer.headers[name].replace(integrity(text[1]), other)


def test_a_map_that_the_policy_does_not_name_lets_nothing_run(chromium: Browser) -> None:
    """A map that is ignored would be no guard: with hashes alone it fails closed."""
    evil = tampered("/word.js")
    changes = (
        both(wrong_map, no_preload),
        both(wrong_map, evil),
        both(wrong_map, no_preload, evil),
    )
    for change in changes:
        with shown(chromium, made(), change) as found:
            assert found.text == STATIC


def no_preload(answer: Answered) -> None:
    """Take out the links that only make loading faster; each has the hash of its module too."""
    if answer.path == "/":
        answer.body = re.sub(rb'<link rel="modulepreload"[^>]*>', b"", answer.body)


def allow_self(answer: Answered) -> None:
    """Let the policy name the host, as most pages do, and forget the rest."""
    if answer.path == "/":
        policy = answer.headers["content-security-policy"]
        policy = re.sub(r"script-src [^;]*", "script-src 'self'", policy)
        answer.headers["content-security-policy"] = policy
        del answer.headers["integrity-policy"]


def test_a_policy_by_host_would_let_it_run(chromium: Browser) -> None:
    """The control for hashes only: the same ignored map, with `script-src 'self'`."""
    with shown(chromium, made(), both(allow_self, no_preload, tampered("/word.js"))) as found:
        assert found.text == EVIL


def forgotten(answer: Answered) -> None:
    """Serve a module that is in no list."""
    if answer.path.endswith("/late.js"):
        answer.status, answer.body = 200, b'document.documentElement.dataset.late = "ran";'
        answer.headers["content-type"] = "text/javascript"


@pytest.mark.parametrize("how", ['import "./late.js";\n', 'await import("./late.js");\n'])
def test_a_module_that_the_map_forgets_does_not_run(chromium: Browser, how: str) -> None:
    site = made(app_js=how + LOADS)
    with shown(chromium, site, forgotten) as found:
        assert found.said == {}
    with shown(chromium, site, both(forgotten, no_policy)) as found:
        assert found.said == {"late": "ran", "ran": "app"}


PROBES = {
    "eval": 'eval("1")',
    "function": 'new Function("return 1")()',
    "html": 'document.body.innerHTML = "<b>x</b>"',
    "parser": 'new DOMParser().parseFromString("<b>x</b>", "text/html")',
    "worker": 'new Worker("/sw.js")',
    "data": 'await import("data:text/javascript,1")',
    "policy": 'trustedTypes.createPolicy("other", { createHTML: (text) => text })',
    "register": 'await navigator.serviceWorker.register("/sw.js")',
    "elsewhere": 'await fetch("http://127.0.0.1:1/")',
    "wasm": "await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
}
PROBE = "try {{ {code}; said.{name} = 'did'; }} catch (error) {{ said.{name} = error.name; }}\n"


def test_what_the_policy_forbids_fails_in_a_module(chromium: Browser) -> None:
    """Each with its control: the same module without the policy does what it asks for."""
    probes = "".join(PROBE.format(name=name, code=code) for name, code in PROBES.items())
    site = made(app_js=f"const said = document.documentElement.dataset;\n{probes}{LOADS}")
    with shown(chromium, site) as found:
        assert found.said == {
            "ran": "app",
            "eval": "EvalError",
            "function": "EvalError",
            "html": "TypeError",
            "parser": "TypeError",
            "worker": "TypeError",
            "data": "TypeError",
            "policy": "TypeError",
            "register": "TypeError",
            "elsewhere": "TypeError",
            "wasm": "CompileError",
        }
    with shown(chromium, site, no_policy) as found:
        assert {name for name, word in found.said.items() if word == "did"} == {
            *PROBES.keys() - {"elsewhere"}  # nobody listens there
        }


WORKS = """
const policy = trustedTypes.createPolicy("cv-sw", { createScriptURL: (url) => {
  if (url === "/sw.js") return url; throw new TypeError(url); } });
const worker = policy.createScriptURL("/sw.js");
await navigator.serviceWorker.register(worker, { updateViaCache: "none" });
await navigator.serviceWorker.ready;
document.documentElement.dataset.worker = (await caches.keys()).join();
"""


def test_the_worker_starts_under_its_own_policy_and_keeps_the_files(chromium: Browser) -> None:
    site = made(app_js=WORKS + LOADS)
    with shown(chromium, site) as found:
        found.page.wait_for_function("document.documentElement.dataset.ran")
        name = f"cv-{site.version}"
        assert found.said["worker"] == name
        kept = found.page.evaluate(
            f"caches.open('{name}').then((c) => c.keys())"
            ".then((all) => all.map((each) => new URL(each.url).pathname))"
        )
        assert sorted(kept) == sorted(path for path in site.answers if path != "/sw.js")


NAMES = """const policy = trustedTypes.createPolicy("cv-sw", { createScriptURL: (url) => {
  if (url === "/sw.js") return url; throw new TypeError(url); } });
navigator.serviceWorker.register(policy.createScriptURL("/sw.js"), { updateViaCache: "none" });
"""


def worker_of_the_package() -> str:
    return read_files()["sw.js"].decode()


def to_the_worker(path: str, change: Change) -> Change:
    """Return a change of what the worker alone asks for: it has the address of no document."""

    def changed(answer: Answered) -> None:
        if answer.path == path and answer.asked.get("sec-fetch-dest") == "empty":
            change(answer)

    return changed


def evil(answer: Answered) -> None:
    answer.body = answer.body.replace(STATIC.encode(), b"evil")


def kept_after(browser: Browser, change: Change, worker: str) -> str:
    """Return the page that the worker keeps when its server changes answers; "" for none."""
    site = made(app_js=NAMES + LOADS, sw_js=worker)
    with shown(browser, site, change) as found:
        asked = """async () => {
          for (let n = 0; n < 100; n++) {
            const [name] = await caches.keys(), open = name && await caches.open(name);
            const kept = open && await open.match("/");
            if (kept) return kept.text();
            const { installing, active } = await navigator.serviceWorker.getRegistration() ?? {};
            if (n > 20 && !installing && !active) return "";
            await new Promise((done) => setTimeout(done, 50));
          }
          return "";
        }"""
        return str(found.page.evaluate(asked))


def test_the_worker_keeps_no_other_page_than_the_one_it_was_published_with(
    chromium: Browser,
) -> None:
    worker = worker_of_the_package()
    assert STATIC in kept_after(chromium, lambda _: None, worker)
    assert kept_after(chromium, to_the_worker("/", evil), worker) == ""
    blind = worker.replace("{ integrity }", "{}")  # the control
    assert blind != worker
    assert "evil" in kept_after(chromium, to_the_worker("/", evil), blind)


def test_this_program_asks_as_the_browser_does(chromium: Browser) -> None:
    asked: dict[str, dict[str, str]] = {}

    def note(answer: Answered) -> None:
        if answer.asked.get("sec-fetch-dest") != "empty":
            asked.setdefault(answer.path, answer.asked)

    with shown(chromium, made(app_js=WORKS + LOADS), note) as found:
        url = found.url
    assert {"/", "/sw.js", "/icon.svg"} <= set(asked)
    changing = {"host", "connection", "user-agent", "accept-language", "sec-ch-ua"}
    for path, theirs in asked.items():
        ours = {name.lower(): value for name, value in as_browser(path, url).items()}
        assert {*theirs} - {"host", "connection"} == {*ours}, path
        for name in {*ours} - changing:
            assert theirs[name] == ours[name], (path, name)


def test_a_page_cannot_be_framed(chromium: Browser) -> None:
    with shown(chromium, made()) as found:
        other = found.page.context.new_page()
        other.set_content(f'<iframe src="{found.url}"></iframe>', wait_until="networkidle")
        (frame,) = other.main_frame.child_frames
        assert frame.query_selector("#app") is None


def test_the_app_here_is_the_one_that_these_tests_mean() -> None:
    assert LOADS in APP
