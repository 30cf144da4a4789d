"""What a server sends as its web app, held against the `cv1-web` in its log.

    differences(fetch, logged, config)    [Difference("bytes", "/app/seal.js"), …]

Everything is fetched twice: as this program, and with the headers of a browser, since a server may
send people something else. The page's own words (version, pins, import map) are read from what it
sends; the headers that such a page must have are made again from them, and where the version is the
one of this package, every file is. docs/decisions/0017-the-page.md says what this cannot find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Literal, NamedTuple

from consent.messages import Web
from consent.place import check_url
from consent.site import HEADERS, Site, SiteConfig, import_map, make_site, version_of
from consent.site_headers import JUDGED, header_text, integrity, page_headers, worker_headers
from vault.encoding import Json, strict_object
from vault.errors import BadPlace, BadShape

Kind = Literal[
    "bytes",
    "missing",
    "unlisted",
    "browser",
    "headers",
    "policy",
    "map",
    "page",
    "config",
    "version",
    "package",
]
AUTHORIZE = "/authorize?client_id=web.audit&request_uri=urn%3Acarbonvault%3Arequest%3A00"
"""Where platforms send people: an address with a request that nobody made."""


class Got(NamedTuple):
    """An answer: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Fetch = Callable[[str, bool], Got]
"""Gives the answer for a path, as a browser or as this program; raises Unreachable."""


class Difference(NamedTuple):
    """Something that is not as it is logged, and the path it is about."""

    kind: Kind
    path: str
    detail: str = ""


@dataclass
class _Reader(HTMLParser):
    """What a page names: its settings, its import map, and every address."""

    config: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    strange: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self._in_map = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "meta" and found.get("name") == "carbonvault":
            self.config.append(found.get("content", ""))
        self._in_map = tag == "script" and found.get("type") == "importmap"
        self.strange += tag == "script" and not self._in_map and "src" not in found
        self.strange += "http-equiv" in found or any(name.startswith("on") for name in found)
        self.paths |= {found[name] for name in ("src", "href") if name in found}

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._in_map = False

    def handle_data(self, data: str) -> None:
        if self._in_map:
            self.maps.append(data)


@dataclass(frozen=True)
class Page:
    """A page as it says itself: settings, modules with their integrity, addresses."""

    config: Mapping[str, Json]
    map_text: str
    modules: Mapping[str, str]
    paths: frozenset[str]


def read_page(body: bytes) -> Page:
    """Return what a page says of itself.

    Raises:
        BadShape: it is no page of this app: settings or import map are missing, doubled or of
            another form, or there is a script or ``http-equiv`` in it besides.
    """
    reader = _Reader()
    try:
        reader.feed(body.decode("utf-8"))
    except UnicodeDecodeError as bad:
        raise BadShape("the page is not UTF-8") from bad
    reader.close()
    if (len(reader.config), len(reader.maps), reader.strange) != (1, 1, 0):
        raise BadShape("wanted settings, one import map, and no script or http-equiv besides")
    found = strict_object(reader.maps[0].encode("utf-8"))
    modules = found.get("integrity")
    if not isinstance(modules, dict) or found.get("imports") != {}:
        raise BadShape("the import map has no integrity, or imports")
    named = {path: value for path, value in modules.items() if isinstance(value, str)}
    config = strict_object(reader.config[0].encode("utf-8"))
    return Page(config, reader.maps[0], named, frozenset({*reader.paths, *modules}))


def config_of(page: Page, wanted: SiteConfig) -> SiteConfig:
    """Return the settings of a page, once its vault and pins are the ones wanted.

    The auditor's list is the page's own word: who audits reads it.

    Raises:
        BadShape: they are others, or not of their form.
    """
    lists = page.config.get("lists")
    if not isinstance(lists, str | None):
        raise BadShape("the page's settings are not of their form")
    try:
        check_url(lists or wanted.vault)
    except BadPlace as bad:
        raise BadShape(f"the page's list: {bad}") from bad
    config = replace(wanted, lists=lists)
    version = page.config.get("version")
    told = config.plain(version if isinstance(version, str) else "")
    if told != page.config:
        names = sorted(n for n in {*told, *page.config} if told.get(n) != page.config.get(n))
        raise BadShape(f"the page's settings differ from what is pinned here: {', '.join(names)}")
    return config


# The comparison


def differences(
    fetch: Fetch, logged: Web, wanted: SiteConfig, package: Mapping[str, bytes]
) -> list[Difference]:
    """Return what a server sends otherwise than logged, than pinned, or than this package has it.

    Args:
        fetch: gives the server's answers.
        logged: the `cv1-web` whose place in the log was verified.
        wanted: the vault and the pins that the page must name.
        package: the files of this package, for a page of the same version.

    Raises:
        Unreachable: the server answers nothing at all.
    """
    looked = _Look(fetch, dict(logged.files), logged.version)
    found = [*looked.files(), *looked.headers()]
    page = looked.got("/")
    if page is None:
        return found
    try:
        said = read_page(page.body)
    except BadShape as bad:
        return [*found, Difference("page", "/", str(bad))]
    found += [*looked.named(said), *looked.map(said)]
    try:
        config = config_of(said, wanted)
    except BadShape as bad:
        return [*found, Difference("config", "/", str(bad))]
    found += looked.policy(said, config)
    if logged.version == version_of(package):
        found += _against(make_site(package, config), looked.listed)
    return found


def _against(site: Site, listed: Mapping[str, bytes]) -> Iterator[Difference]:
    own = dict(site.listed)
    for path in sorted({*own, *listed}):
        if own.get(path) != listed.get(path):
            yield Difference("package", path)


class _Look:
    """One look at everything that is listed."""

    def __init__(self, fetch: Fetch, listed: Mapping[str, bytes], version: str) -> None:
        self.listed, self._version, self._fetch = listed, version, fetch
        self._got: dict[str, Got] = {}

    def got(self, path: str) -> Got | None:
        """Return what a browser gets at a path; None for no good answer."""
        return self._got.get(path)

    def address(self, path: str) -> str:
        """Return the address of a listed path."""
        return f"/app/{self._version}/{path[5:]}" if path.startswith("/app/") else path

    def files(self) -> Iterator[Difference]:
        """Yield what is missing, sent with other bytes, or sent to browsers otherwise."""
        for path, wanted in self.listed.items():
            if path != HEADERS:
                yield from self._file(path, self.address(path), wanted)
        landing = self._fetch(AUTHORIZE, True)
        if landing.status != 200 or sha256(landing.body).digest() != self.listed["/"]:
            yield Difference("bytes", "/authorize")
        elif self._text(landing) != self._text(self._got.get("/")):
            yield Difference("headers", "/authorize")

    def _file(self, path: str, address: str, wanted: bytes) -> Iterator[Difference]:
        own, browser = self._fetch(address, False), self._fetch(address, True)
        if browser.status != 200:
            yield Difference("missing", path, f"status {browser.status}")
            return
        self._got[path] = browser
        if sha256(browser.body).digest() != wanted:
            yield Difference("bytes", path)
        if (own.status, own.body) != (200, browser.body) or self._text(own) != self._text(browser):
            yield Difference("browser", path)

    def _text(self, got: Got | None) -> bytes:
        return header_text({"/": got.headers if got else {}})

    def headers(self) -> Iterator[Difference]:
        """Yield whether the headers of page and worker are others than logged."""
        sent = {path: got.headers for path in ("/", "/sw.js") if (got := self._got.get(path))}
        if sha256(header_text(sent)).digest() != self.listed[HEADERS]:
            yield Difference("headers", HEADERS)

    def named(self, page: Page) -> Iterator[Difference]:
        """Yield what the page names and the list does not, and a page of another version."""
        known = {self.address(path) for path in self.listed}
        for path in sorted(page.paths - known):
            yield Difference("unlisted", path[:200])
        if page.config.get("version") != self._version:
            yield Difference("version", "/")

    def map(self, page: Page) -> Iterator[Difference]:
        """Yield modules that the page's import map forgets, or gives another integrity."""
        sent = {
            self.address(path): integrity(got.body)
            for path, got in self._got.items()
            if path.startswith("/app/") and path.endswith(".js")
        }
        for path in sorted({*sent, *page.modules}):
            if sent.get(path) != page.modules.get(path):
                yield Difference("map", path[:200])
        if page.map_text != import_map(page.modules):
            yield Difference("map", "/", "not in its only form")

    def policy(self, page: Page, config: SiteConfig) -> Iterator[Difference]:
        """Yield headers that are not those of such a page, though they may be as logged."""
        wanted = {
            "/": page_headers(page.map_text, page.modules.values(), config.origins()),
            "/sw.js": worker_headers(),
        }
        for path, headers in wanted.items():
            got = self._got.get(path)
            lower = {name.lower(): value for name, value in headers.items()}
            sent = got.headers if got else {}
            others = [name for name in JUDGED if sent.get(name) != lower.get(name)]
            if others:
                yield Difference("policy", path, ", ".join(others))
