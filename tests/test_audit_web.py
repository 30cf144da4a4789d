"""``carbonvault audit web``: every way to send another page than the logged one is found.

T77 of docs/threat-model.md. Each attack has its control: the same look at an honest server.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast
from unittest.mock import patch
from urllib.parse import parse_qs

import pytest

from consent import site
from consent.commands import page as page_command
from consent.commands.page_words import SAYS
from consent.demo import company
from consent.demo.cast import Cast, Edition, compose
from consent.messages import HANDLE, URN, Web
from consent.served import Kind
from consent.site import make_site, read_files, version_of
from tests.live import Answered, Tampering, live
from tests.site_files import PAGE, config_of, put_site, small_files
from tests.test_commands import Said, run
from tests.world import World
from vault.encoding import Json, b64u, sign_jws
from vault.errors import BadProof
from vault.messages import Listing

Change = Callable[[Answered], None]


class Scene:
    """A vault on loopback whose answers somebody in between may change."""

    def __init__(self, world: World, between: Tampering, url: str) -> None:
        self.world, self.between, self.url = world, between, url
        self.site = make_site(small_files(), config_of(world, vault=url))
        put_site(world, self.site)

    def audit(self, *words: str) -> Said:
        place = self.world.place
        pins = [f"--auditor={b64u(place.settings.auditor)}", "--log", self.world.log_vkey, "--demo"]
        return run("audit", "web", self.url, *pins, *words)

    def found(self, change: Change) -> set[tuple[str, str]]:
        """Return kind and path of every difference, with answers changed so."""
        self.between.change = change
        try:
            said = self.audit("--json")
        finally:
            self.between.change = lambda _: None
        members = cast("dict[str, Json]", json.loads(said.out))
        found = cast("list[dict[str, str]]", members["differences"])
        assert said.code == (1 if found else 0)
        return {(each["kind"], each["path"]) for each in found}


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with World(seed=b"audit web") as world:
        between = Tampering(world.app)
        with live(between) as url:
            yield Scene(world, between, url)


def at(path: str, change: Change, *, browser: bool = False) -> Change:
    """Return a change of the answers for one path, to browsers only if told."""

    def changed(answer: Answered) -> None:
        if answer.path.endswith(path) and (answer.browser or not browser):
            change(answer)

    return changed


def body(old: str, new: str) -> Change:
    def change(answer: Answered) -> None:
        assert old.encode() in answer.body
        answer.body = answer.body.replace(old.encode(), new.encode())

    return change


def more(text: str) -> Change:
    def change(answer: Answered) -> None:
        answer.body += text.encode()

    return change


def header(name: str, value: str) -> Change:
    def change(answer: Answered) -> None:
        if value:
            answer.headers[name] = value
        else:
            del answer.headers[name]

    return change


def policy(old: str, new: str) -> Change:
    def change(answer: Answered) -> None:
        csp = answer.headers["content-security-policy"]
        assert old in csp
        answer.headers["content-security-policy"] = csp.replace(old, new)

    return change


def gone(answer: Answered) -> None:
    answer.status, answer.body = 404, b"{}"


def test_an_honest_server_has_no_difference(scene: Scene) -> None:
    assert scene.found(lambda _: None) == set()
    said = scene.audit()
    assert said.code == 0
    assert f"The web app {scene.site.version} is sent as its log says: 7 files" in said.out


ATTACKS: dict[str, tuple[Change, set[tuple[str, str]]]] = {
    "a module": (
        at("/word.js", body("as published", "as I like")),
        {("bytes", "/app/lib/word.js"), ("map", "WORD")},
    ),
    "a style": (at("/style.css", more("*{}")), {("bytes", "/app/style.css")}),
    "the worker": (at("/sw.js", more("evil();")), {("bytes", "/sw.js")}),
    "the icon": (at("/icon.svg", more(" ")), {("bytes", "/icon.svg")}),
    "the manifest": (
        at("/manifest.webmanifest", body('"/"', '"/x"')),
        {("bytes", "/manifest.webmanifest")},
    ),
    "a script in the page": (
        at("/", body("</body>", "<script>steal()</script></body>")),
        {("bytes", "/"), ("page", "/")},
    ),
    "a module to browsers only": (
        at("/word.js", body("as published", "as I like"), browser=True),
        {("bytes", "/app/lib/word.js"), ("browser", "/app/lib/word.js"), ("map", "WORD")},
    ),
    "the page to browsers only": (
        at("/", more("<!-- -->"), browser=True),
        {("bytes", "/"), ("browser", "/")},
    ),
    "headers to browsers only": (
        at("/", policy("connect-src 'self'", "connect-src *"), browser=True),
        {("browser", "/"), ("headers", "headers"), ("policy", "/"), ("headers", "/authorize")},
    ),
    "a module that is gone": (
        at("/word.js", gone),
        {("missing", "/app/lib/word.js"), ("map", "WORD")},
    ),
    "the page where platforms send people": (
        at("/authorize", more("<!-- -->")),
        {("bytes", "/authorize")},
    ),
    "headers where platforms send people": (
        at("/authorize", policy("'none'", "*")),
        {("headers", "/authorize")},
    ),
    "a worker without its policy": (
        at("/sw.js", header("content-security-policy", "")),
        {("headers", "headers"), ("policy", "/sw.js")},
    ),
    "a worker for the browser, by its own header": (
        lambda answer: more("evil();")(answer) if "service-worker" in answer.asked else None,
        {("bytes", "/sw.js"), ("browser", "/sw.js")},
    ),
}
for name, value in {
    "integrity-policy": "",
    "cross-origin-opener-policy": "",
    "permissions-policy": "camera=(self)",
    "referrer-policy": "unsafe-url",
    "link": "</x.js>; rel=modulepreload",
    "refresh": "0; url=https://evil.example",
    "set-cookie": "a=b",
    "service-worker-allowed": "/",
    "content-type": "text/html; charset=utf-16",
}.items():
    change = at("/", header(name, value))
    found = {("headers", "headers"), ("policy", "/"), ("headers", "/authorize")}
    ATTACKS[f"the header {name}"] = (change, found)
for old, new in (
    ("script-src ", "script-src 'unsafe-inline' "),
    ("script-src ", "script-src 'self' "),
    ("connect-src 'self'", "connect-src 'self' https://evil.example"),
    ("; require-trusted-types-for 'script'", ""),
    ("trusted-types cv-sw", "trusted-types *"),
):
    change = at("/", policy(old, new))
    found = {("headers", "headers"), ("policy", "/"), ("headers", "/authorize")}
    ATTACKS[f"a policy with {new or 'no trusted types'}"] = (change, found)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_sent_otherwise_than_logged_is_found(scene: Scene, name: str) -> None:
    change, wanted = ATTACKS[name]
    word = f"/app/{scene.site.version}/lib/word.js"
    assert scene.found(change) == {(k, word if p == "WORD" else p) for k, p in wanted}


def test_each_difference_is_a_sentence_in_both_languages(scene: Scene) -> None:
    scene.between.change = ATTACKS["a module"][0]
    try:
        english = scene.audit()
        with patch.object(page_command, "own_locale", lambda: "zh-CN"):
            chinese = scene.audit()
    finally:
        scene.between.change = lambda _: None
    assert english.code == chinese.code == 1
    assert "/app/lib/word.js: the server sends other bytes than its log says." in english.out
    assert "/app/lib/word.js：服务器发送的内容与日志所记不同。" in chinese.out
    assert "is sent as its log says" not in english.out


def test_every_kind_has_words() -> None:
    kinds = set(cast("tuple[str, ...]", Kind.__args__))  # type: ignore[attr-defined]
    assert set(SAYS) == kinds
    assert all(set(words) == {"en", "zh-CN"} for words in SAYS.values())


# What the log itself may say


@pytest.fixture
def own() -> Iterator[Scene]:
    """A scene of its own, for a vault that logs something else."""
    with World(seed=b"own audit web") as world:
        between = Tampering(world.app)
        with live(between) as url:
            yield Scene(world, between, url)


def honest(_: Answered) -> None:
    """Change nothing."""


def test_a_logged_page_with_other_pins_or_another_vault_is_found(own: Scene) -> None:
    world = own.world
    assert own.found(honest) == set()
    for changed in ({"auditor": b"\x09" * 32}, {"vault": "https://evil.example"}, {"demo": False}):
        config = config_of(world, **{"vault": own.url, **changed})
        put_site(world, make_site(small_files(), config))
        assert own.found(honest) == {("config", "/")}
    put_site(world, own.site)
    assert own.found(honest) == set()


def test_a_logged_page_that_names_a_module_elsewhere_is_found(own: Scene) -> None:
    page = PAGE.replace("</head>", '<script src="https://evil.example/x.js"></script></head>')
    put_site(
        own.world, make_site(small_files(index_html=page), config_of(own.world, vault=own.url))
    )
    assert own.found(honest) == {("unlisted", "https://evil.example/x.js")}


@pytest.mark.parametrize(
    "added",
    [
        "<script>steal()</script>",
        '<script type="importmap">{"imports":{}}</script>',
        '<meta http-equiv="refresh" content="0; url=https://evil.example">',
        '<img src="/icon.svg" onerror="steal()">',
        "<meta name=\"carbonvault\" content='{}'>",
    ],
)
def test_a_logged_page_with_more_in_it_than_the_app_is_found(own: Scene, added: str) -> None:
    page = PAGE.replace("</head>", f"{added}</head>")
    put_site(
        own.world, make_site(small_files(index_html=page), config_of(own.world, vault=own.url))
    )
    assert own.found(honest) == {("page", "/")}


PLACE = "https://audit.example"


def sign_contact(world: World, contact: str) -> None:
    """Let the auditor publish a directory in which this is its own contact."""

    def told(cast: Cast, edition: Edition) -> Listing:
        listing = compose(cast, edition)
        parties = [
            p.model_copy(update={"contact": contact}) if "auditor" in p.roles else p
            for p in listing.entries
        ]
        return listing.model_copy(update={"entries": tuple(parties)})

    with patch.object(company, "compose", told):
        world.publish()


@pytest.mark.parametrize("lists", ["http://[", "https://x.example/; script-src *", "file:///x"])
def test_a_logged_page_with_a_list_that_is_no_url_is_found(own: Scene, lists: str) -> None:
    sign_contact(own.world, PLACE)
    good = config_of(own.world, vault=own.url, lists=PLACE)
    put_site(own.world, make_site(small_files(), good))
    assert own.found(honest) == set()
    with patch.object(site, "origin_of", lambda url: url):
        bad = make_site(small_files(), replace(good, lists=lists))
    put_site(own.world, bad)
    assert own.found(honest) == {("config", "/")}


def test_a_list_at_another_address_than_the_auditors_contact_is_found(own: Scene) -> None:
    page = make_site(small_files(), config_of(own.world, vault=own.url, lists=PLACE))
    put_site(own.world, page)
    assert own.found(honest) == {("config", "/")}  # no auditor signed it
    sign_contact(own.world, "https://other.example")
    assert own.found(honest) == {("config", "/")}
    said = own.audit()
    assert f"the page's list is {PLACE}" in said.out
    assert "by the directory: https://other.example" in said.out
    sign_contact(own.world, PLACE)
    assert own.found(honest) == set()  # the control: the same page, once the auditor signed it


def test_the_list_and_the_entry_that_were_looked_at_are_told(own: Scene) -> None:
    sign_contact(own.world, PLACE)
    text = own.audit().out
    assert f"compares with no list of the auditor. By the directory it is at: {PLACE}." in text
    page = make_site(small_files(), config_of(own.world, vault=own.url, lists=PLACE))
    put_site(own.world, page)
    text, members = own.audit().out, json.loads(own.audit("--json").out)
    assert f"The page compares with the list of the auditor: {PLACE}." in text
    assert (members["lists"], members["auditors_list"]) == (PLACE, PLACE)
    size = own.world.client.get("/v1/log").json()["size"]
    assert (members["index"], members["at"]) == (size - 1, own.world.time)
    assert f"entry {size - 1} of the log, of 2026-01-01 08:00. The server says" in text


def test_a_page_of_this_package_is_held_against_the_packages_files(own: Scene) -> None:
    files = read_files()
    put_site(own.world, make_site(files, config_of(own.world, vault=own.url)))
    assert own.found(honest) == set()
    said = own.audit()
    assert "Each file is also the one of this package." in said.out
    with patch.object(page_command, "read_files", small_files):
        assert "This package has another version" in own.audit().out
    # A vault may lie about the version: it logs its own files under this package's number.
    other = {**files, "app.js": files["app.js"] + b"steal();"}
    with patch.object(site, "version_of", lambda _: version_of(files)):
        lying = make_site(other, config_of(own.world, vault=own.url))
    put_site(own.world, lying)
    assert own.found(honest) == {
        ("package", "/"),
        ("package", "/app/app.js"),
        ("package", "/sw.js"),
        ("package", "headers"),
    }


def test_an_older_page_than_the_newest_in_the_log_is_found(own: Scene) -> None:
    put_site(own.world, make_site(small_files(app_js="2;"), config_of(own.world, vault=own.url)))
    own.world.app.state.site = own.site
    found = own.found(honest)
    assert {("version", "/"), ("bytes", "/"), ("missing", "/app/app.js")} <= found


def test_a_list_that_is_not_in_the_log_is_not_believed(own: Scene) -> None:
    good = Web(iat=1, version=own.site.version, files=own.site.listed)

    def other(answer: Answered) -> None:
        if answer.path == "/v1/web":
            found = json.loads(answer.body)
            found["web"] = sign_jws(Web.typ, good.plain(), own.world.place.vault_key)
            answer.body = json.dumps(found).encode()

    own.between.change = other
    said = own.audit()
    assert said.code == 1
    assert BadProof.slug in said.err
    own.between.change = honest
    assert own.audit().code == 0


def test_a_vault_without_an_app_is_told(own: Scene) -> None:
    own.between.change = at("/v1/web", gone)
    assert own.audit().code == 1


@pytest.mark.parametrize(("path", "told"), [("/word.js", "/app/lib/word.js"), ("/sw.js", "/sw.js")])
def test_an_answer_that_is_too_long_or_packed_or_elsewhere_is_a_difference(
    scene: Scene, path: str, told: str
) -> None:
    """The others are looked at all the same: a style that was changed is found beside it."""

    def long(answer: Answered) -> None:
        answer.body = bytes((1 << 20) + 1)

    def bomb(answer: Answered) -> None:
        answer.body = gzip.compress(bytes((1 << 20) + 1))
        answer.headers["content-encoding"] = "gzip"

    packed = [header("content-encoding", name) for name in ("gzip", "br", "zstd", "x")]
    for change in (long, bomb, *packed):
        found = scene.found(both(at(path, change), at("/style.css", more("*{}"))))
        assert {("answer", told), ("bytes", "/app/style.css")} <= found

    def elsewhere(answer: Answered) -> None:
        answer.status, answer.headers["location"] = 302, "https://evil.example/"

    assert any(kind == "missing" for kind, _ in scene.found(at(path, elsewhere)))


def both(*changes: Change) -> Change:
    def change(answer: Answered) -> None:
        for each in changes:
            each(answer)

    return change


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/icon.svg", "clear-site-data", '"*"'),
        ("/icon.svg", "content-type", "text/html"),
        ("/icon.svg", "content-security-policy", ""),
        ("/word.js", "x-content-type-options", ""),
        ("/word.js", "link", "</evil.js>; rel=modulepreload"),
        ("/style.css", "cache-control", "no-store"),
        ("/manifest.webmanifest", "set-cookie", "a=b"),
        ("/sw.js", "service-worker-allowed", "/"),
        ("/sw.js", "nel", '{"report_to":"x","max_age":99}'),
        ("/", "content-security-policy-report-only", "report-uri https://evil.example/"),
        ("/", "reporting-endpoints", 'default="https://evil.example/"'),
        ("/", "alt-svc", 'h3="evil.example:443"'),
        ("/", "origin-trial", "x"),
        ("/", "content-disposition", "attachment"),
        ("/", "x-anything", "new"),
    ],
)
def test_a_header_that_no_such_answer_has_is_found_at_every_path(
    scene: Scene, path: str, name: str, value: str
) -> None:
    found = scene.found(at(path, header(name, value)))
    listed = {"/word.js": "/app/lib/word.js", "/style.css": "/app/style.css"}
    assert ("policy", listed.get(path, path)) in found


def test_headers_that_change_nothing_for_a_browser_are_no_difference(scene: Scene) -> None:
    def add(answer: Answered) -> None:
        answer.headers |= {"server": "x", "age": "1", "via": "1.1 y", "etag": '"z"'}
        answer.headers["strict-transport-security"] = "max-age=1"

    assert scene.found(add) == set()


def to(test: Callable[[Answered], bool]) -> Change:
    """Return a change of the page, for whoever asks so."""
    return lambda answer: (
        more("evil")(answer) if answer.path in ("/", "/authorize") and test(answer) else None
    )


@pytest.mark.parametrize(
    "test",
    [
        lambda answer: "zstd" in answer.asked.get("accept-encoding", ""),
        lambda answer: "sec-ch-ua" in answer.asked,
        lambda answer: "image/avif" in answer.asked["accept"],
        lambda answer: answer.path == "/authorize" and "client_id=web.audit" not in answer.query,
        lambda answer: len(answer.query.rpartition("%3A")[2]) == 2 * HANDLE,
    ],
)
def test_a_page_for_whoever_asks_as_a_browser_does_is_found(
    scene: Scene, test: Callable[[Answered], bool]
) -> None:
    kinds = {kind for kind, _ in scene.found(to(test))}
    assert "bytes" in kinds


def test_people_are_sent_by_a_platform_of_the_directory_with_a_handle_of_nobody(
    scene: Scene,
) -> None:
    queries = set()
    for _ in range(2):
        scene.found(lambda answer: queries.add(answer.query))
    asked = [parse_qs(query) for query in queries - {""}]
    assert len(asked) == 2  # another request each time
    platforms = {p.id for p in scene.world.directory().listing.entries if "platform" in p.roles}
    assert {each["client_id"][0] for each in asked} <= platforms
    for each in asked:
        assert len(bytes.fromhex(each["request_uri"][0].removeprefix(URN))) == HANDLE
