"""What a server sends as its web app, held against the `cv1-web` in its log.

    look_at(fetch, logged, config, package, landing)    what differs, and the list that it names

Everything is fetched twice: as this program, and with the headers of a browser, since a server may
send people something else. The page's own words (version, pins, import map) are read from what it
sends; the headers that such a page and its files must have are made again from them, and any other
header than those of NEUTRAL is a difference. Where the version is the one of this package, every
file is made again too. docs/decisions/0017-the-page.md says what this cannot find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Literal, NamedTuple

from consent.messages import Web
from consent.site import HEADERS, ROOT, Site, SiteConfig, import_map, make_site, version_of
from consent.site_headers import (
    header_text,
    inner_headers,
    integrity,
    page_headers,
    root_headers,
    worker_headers,
)
from consent.site_page import Page, config_of, read_page
from vault.errors import BadShape, Unreachable

Kind = Literal[
    "bytes",
    "missing",
    "answer",
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
NEUTRAL = frozenset(
    {
        *("accept-ranges", "age", "connection", "content-encoding", "content-length", "date"),
        *("etag", "keep-alive", "last-modified", "server", "strict-transport-security"),
        *("transfer-encoding", "vary", "via"),
    }
)
"""Headers that change nothing of what a browser does with the page: a server may add these."""


class Got(NamedTuple):
    """An answer: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Fetch = Callable[[str, bool], Got]
"""Gives the answer for a path, as a browser (True) or as this program; raises Unreachable."""


class Difference(NamedTuple):
    """Something that is not as it is logged, and the path it is about."""

    kind: Kind
    path: str
    detail: str = ""


class Looked(NamedTuple):
    """What was found, and the URL of the auditor's list that the page names; None for none."""

    differences: list[Difference]
    lists: str | None


def look_at(
    fetch: Fetch, logged: Web, wanted: SiteConfig, package: Mapping[str, bytes], landing: str
) -> Looked:
    """Return what a server sends otherwise than logged, than pinned, or than this package has it.

    Args:
        fetch: gives the server's answers.
        logged: the `cv1-web` whose place in the log was verified.
        wanted: the vault and the pins that the page must name, and the list that it may.
        package: the files of this package, for a page of the same version.
        landing: an address where platforms send people, ``/authorize?…``.
    """
    looked = _Look(fetch, dict(logged.files), logged.version)
    found = [*looked.files(landing), *looked.headers(), *looked.own_headers()]
    page = looked.got("/")
    if page is None:
        return Looked(found, None)
    try:
        said = read_page(page.body)
    except BadShape as bad:
        return Looked([*found, Difference("page", "/", str(bad))], None)
    found += [*looked.named(said), *looked.map(said)]
    lists = said.config.get("lists")
    named = lists if isinstance(lists, str) else None
    try:
        config = config_of(said, wanted)
    except BadShape as bad:
        return Looked([*found, Difference("config", "/", str(bad))], named)
    found += looked.policy(said, config)
    if logged.version == version_of(package):
        found += _against(make_site(package, config), looked.listed)
    return Looked(found, named)


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

    def files(self, landing: str) -> Iterator[Difference]:
        """Yield what is missing, sent with other bytes, or sent to browsers otherwise."""
        for path, wanted in self.listed.items():
            if path != HEADERS:
                yield from self._file(path, self.address(path), wanted)
        try:
            there = self._fetch(landing, True)
        except Unreachable as lost:
            yield Difference("answer", "/authorize", str(lost))
            return
        if there.status != 200 or sha256(there.body).digest() != self.listed["/"]:
            yield Difference("bytes", "/authorize")
        elif _told(there) != _told(self._got.get("/")):
            yield Difference("headers", "/authorize")

    def _file(self, path: str, address: str, wanted: bytes) -> Iterator[Difference]:
        try:
            own, browser = self._fetch(address, False), self._fetch(address, True)
        except Unreachable as lost:
            yield Difference("answer", path, str(lost))
            return
        if browser.status != 200:
            yield Difference("missing", path, f"status {browser.status}")
            return
        self._got[path] = browser
        if sha256(browser.body).digest() != wanted:
            yield Difference("bytes", path)
        if (own.status, own.body) != (200, browser.body) or _told(own) != _told(browser):
            yield Difference("browser", path)

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
        yield from self._judge(
            "/", page_headers(page.map_text, page.modules.values(), config.origins())
        )

    def own_headers(self) -> Iterator[Difference]:
        """Yield headers that are not those of worker and files."""
        named = {path: name for name, path in ROOT.items()}
        for path in self._got:
            if path == "/sw.js":
                yield from self._judge(path, worker_headers())
            elif path.startswith("/app/"):
                yield from self._judge(path, inner_headers(path))
            elif path != "/":
                yield from self._judge(path, root_headers(named.get(path, "")))

    def _judge(self, path: str, wanted: Mapping[str, str]) -> Iterator[Difference]:
        """Yield the headers of a path that are not those wanted, nor neutral."""
        lower = {name.lower(): value for name, value in wanted.items()}
        sent = _told(self._got.get(path))
        others = sorted(n for n in {*lower, *sent} if sent.get(n) != lower.get(n))
        if others:
            yield Difference("policy", path, ", ".join(others)[:200])


def _told(got: Got | None) -> dict[str, str]:
    """Return the headers that are not neutral."""
    headers = got.headers if got else {}
    return {name: value for name, value in headers.items() if name not in NEUTRAL}
