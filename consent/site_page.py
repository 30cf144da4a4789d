"""A page of the web app as somebody receives it: what it says of itself.

    read_page(body).config             {"vault":"https://vault.example","auditor":…,"lists":null,…}
    config_of(page, wanted)            the settings, once they are the ones wanted

docs/protocol.md section 5, "Web manifest and report".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

from consent.place import check_url
from consent.site import SiteConfig
from vault.encoding import Json, strict_object
from vault.errors import BadPlace, BadShape


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
    """Return the settings of a page, once its vault, pins and list are the ones wanted.

    It names no list, or the one of `wanted`: where the directory's auditor says that it is.

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
    if lists not in (None, wanted.lists):
        own = wanted.lists or "none"
        raise BadShape(f"the page's list is {lists}, the auditor's own, by the directory: {own}")
    config = replace(wanted, lists=lists)
    version = page.config.get("version")
    told = config.plain(version if isinstance(version, str) else "")
    if told != page.config:
        names = sorted(n for n in {*told, *page.config} if told.get(n) != page.config.get(n))
        raise BadShape(f"the page's settings differ from what is pinned here: {', '.join(names)}")
    return config
