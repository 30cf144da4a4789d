"""The web app as it is served: files, page, headers, and the list of them that is logged.

    site = make_site(read_files(), SiteConfig("https://vault.example", auditor, vkey))
    site.answers["/"]                            the page: body and headers
    site.answers["/app/0123456789abcdef/app.js"]    every module, under its version
    site.listed                                  (path, SHA-256) of each, what `cv1-web` holds

The page has an import map with the hash of every module, its Content-Security-Policy names the same
hashes and no host, and Integrity-Policy refuses what the map forgets (docs/protocol.md section 5,
"Web manifest and report"; docs/decisions/0017-the-page.md).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from consent.site_headers import (
    INNER,
    MEDIA,
    file_headers,
    header_text,
    inner_headers,
    integrity,
    origin_of,
    page_headers,
    suffix_of,
    worker_headers,
)
from consent.site_imports import reached
from consent.templates import templates_json
from vault.encoding import Json, b64u, compact_json
from vault.errors import BadPlace, NotFound

PAGE, WORKER, ENTRY, STYLE = "index.html", "sw.js", "app.js", "style.css"
ROOT = {
    PAGE: "/",
    WORKER: "/sw.js",
    "manifest.webmanifest": "/manifest.webmanifest",
    "icon.svg": "/icon.svg",
}
HEADERS = "headers"
"""The name under which `cv1-web` lists the hash of `header_text`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*(/[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*)*")
_HOLE = re.compile(r"\{\{([a-z]*)\}\}|\"\{\{(entry|style)\}\}\"")
_QUOTED = frozenset({"entry", "style"})


class Sent(NamedTuple):
    """An answer: its body, the headers that the app itself gives it, and the body by gzip."""

    body: bytes
    headers: Mapping[str, str]
    packed: bytes


def _sent(body: bytes, headers: Mapping[str, str]) -> Sent:
    # Packed once, at the start: a phone loads the app in a third of its bytes.
    return Sent(body, headers, gzip.compress(body, mtime=0))


@dataclass(frozen=True)
class SiteConfig:
    """What a page is told of its vault: public URL, the two pins, and the auditor's list.

    `auditor` is a key of 32 bytes, `log` a vkey, `lists` a URL, used where the auditor signed the
    same one as its contact; `own` says that the page comes from the holder's own machine, speaks to
    the vault across origins, and keeps no key there. The page is also told the hash
    of this package's purpose templates: what a person reads before they allow stands in these.
    """

    vault: str
    auditor: bytes
    log: str
    demo: bool = False
    lists: str | None = None
    own: bool = False

    @property
    def passkeys(self) -> bool:
        """Whether the page offers passkeys: every port of localhost shares them, so not there."""
        parts = urlsplit(self.vault)
        local = self.demo and parts.scheme == "http" and parts.hostname == "localhost"
        return not self.own and (parts.scheme == "https" or local)

    @property
    def keeps(self) -> bool:
        """Whether the page offers to open by itself: whoever has the port next has its store."""
        return not self.own

    def plain(self, version: str) -> dict[str, Json]:
        """Return what stands in the page."""
        return {
            "vault": self.vault,
            "auditor": b64u(self.auditor),
            "log": self.log,
            "demo": self.demo,
            "lists": self.lists,
            "passkeys": self.passkeys,
            "keeps": self.keeps,
            "templates": sha256(templates_json()).hexdigest(),
            "version": version,
        }

    def origins(self) -> list[str]:
        """Return the other origins that the page may speak to."""
        named = [self.vault if self.own else None, self.lists]
        return [origin_of(url) for url in dict.fromkeys(named) if url]


@dataclass(frozen=True)
class Site:
    """A page and its files, each with its headers, by path."""

    version: str
    answers: Mapping[str, Sent]

    def answer(self, path: str) -> Sent:
        """Return the answer for a path; raises NotFound."""
        found = self.answers.get(path)
        if found is None:
            raise NotFound("the web app has no such file")
        return found

    @property
    def listed(self) -> tuple[tuple[str, bytes], ...]:
        """Path and SHA-256 of every answer without the version, and of the headers, ascending."""
        prefix = f"/app/{self.version}/"
        found = {
            "/app/" + path.removeprefix(prefix) if path.startswith(prefix) else path: sent.body
            for path, sent in self.answers.items()
        }
        found[HEADERS] = header_text({p: self.answers[p].headers for p in ("/", "/sw.js")})
        return tuple(sorted((path, sha256(body).digest()) for path, body in found.items()))


# The files


def read_files() -> dict[str, bytes]:
    """Return the web app's files by their path below ``consent/web``; raises BadPlace."""
    try:
        return {
            name: file.read_bytes()
            for name, file in _walk(files("consent").joinpath("web"), "")
            if suffix_of(name) in MEDIA
        }
    except OSError as bad:
        raise BadPlace(f"a file of the web app cannot be read: {bad.strerror}") from bad


def _walk(folder: Traversable, before: str) -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _walk(each, f"{before}{each.name}/")
        else:
            yield before + each.name, each


def version_of(found: Mapping[str, bytes]) -> str:
    """Return the version of these files: 16 hex digits of the SHA-256 over their names and hashes.

    Hashed is a line for each file as it lies in the package, ascending by path: path, a space, its
    hash, a newline.
    """
    lines = [f"{name} {sha256(found[name]).hexdigest()}\n" for name in sorted(found)]
    return sha256("".join(lines).encode("utf-8")).hexdigest()[:16]


# The page


def make_site(found: Mapping[str, bytes], config: SiteConfig) -> Site:
    """Return the web app of these files for one vault.

    Args:
        found: as read_files returns them.
        config: what the page is told.

    Raises:
        BadPlace: a file or placeholder is missing, or one is there that nobody fills.
    """
    missing = sorted({*ROOT, ENTRY, STYLE} - set(found))
    strange = sorted(name for name in found if not _served(name))
    if missing or strange:
        raise BadPlace(f"the web app lacks {missing} or has files of no served name {strange}")
    version = version_of(found)
    inner = {f"/app/{version}/{name}": name for name in sorted(found) if name not in ROOT}
    modules = {path: found[name] for path, name in inner.items() if name.endswith(".js")}
    map_text = import_map({path: integrity(body) for path, body in modules.items()})
    page = {
        "importmap": f'<script type="importmap">{map_text}</script>',
        "config": escape(compact_json(config.plain(version)).decode("utf-8")),
        "modulepreload": _preloads(found, f"/app/{version}/"),
        "entry": _guarded(f"/app/{version}/{ENTRY}", found[ENTRY]),
        "style": _guarded(f"/app/{version}/{STYLE}", found[STYLE]),
    }
    headers = page_headers(map_text, map(integrity, modules.values()), config.origins())
    filled = _fill(PAGE, found[PAGE], page, version)
    # The worker keeps no other page than this one: its own bytes name the page's hash.
    kept = {"/": filled, **{path: found[name] for name, path in ROOT.items() if name != PAGE}}
    kept |= {path: found[name] for path, name in inner.items()}
    hashes: dict[str, Json] = {
        path: integrity(body) for path, body in kept.items() if path != ROOT[WORKER]
    }
    worker = {"files": compact_json(hashes).decode()}
    answers = {
        "/": _sent(filled, headers),
        "/sw.js": _sent(_fill(WORKER, found[WORKER], worker, version), worker_headers()),
    }
    for name, path in ROOT.items():
        answers.setdefault(path, _sent(found[name], file_headers(name, "no-cache")))
    for path, name in inner.items():
        answers[path] = _sent(found[name], inner_headers(name))
    return Site(version, MappingProxyType(answers))


def _served(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and (name in ROOT or suffix_of(name) in INNER)


def import_map(modules: Mapping[str, str]) -> str:
    """Return the text of the import map that gives each module path its integrity."""
    return compact_json({"imports": {}, "integrity": dict(sorted(modules.items()))}).decode("ascii")


def _preloads(found: Mapping[str, bytes], prefix: str) -> str:
    """Return a link for each module that the first view waits for; others come when wanted."""
    return "\n".join(
        f'<link rel="modulepreload" href={_guarded(prefix + name, found[name])}>'
        for name in sorted(reached(found, ENTRY))
    )


def _guarded(path: str, body: bytes) -> str:
    """Return a path in quotes, and the attribute with its integrity."""
    return f'"{path}" integrity="{integrity(body)}"'


def _fill(name: str, raw: bytes, values: Mapping[str, str], version: str) -> bytes:
    """Return a template with its placeholders filled; the worker must name the version too."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise BadPlace(f"{name} of the web app is not UTF-8") from bad
    holes = [bare or f'"{quoted}"' for bare, quoted in _HOLE.findall(text)]
    wanted = {f'"{hole}"' if hole in _QUOTED else hole for hole in values}
    filled = {**values, "version": version}
    faults = sorted(
        {hole for hole in wanted if holes.count(hole) != 1}
        | {hole for hole in holes if hole not in wanted and hole != "version"}
        | ({"version"} if name == WORKER and "version" not in holes else set())
    )
    if faults:
        raise BadPlace(f"{name} of the web app: missing, unknown or doubled: {', '.join(faults)}")
    return _HOLE.sub(lambda hole: filled[hole[1] or hole[2]], text).encode("utf-8")
