"""What stands between the web app and its vault: a server that lies, and an app made worse.

between = Between(context, url); between.changes["/v1/holder/state"] = lambda answer: …
serve_other(context, url, make_other(config, [Edit("device.js", "counter < this.seen", "false")]))

The app runs as it is published, under its own policy and hashes. `serve_other` gives the browser
another set of modules, published as properly as the real one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Error, Request, Route

from consent.site import Site, SiteConfig, make_site, read_files


@dataclass
class Answer:
    """An answer of the vault, to be changed: its JSON, its headers, its status."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    status: int = 200


Change = Callable[[Answer], object]


class Posted(NamedTuple):
    """What the app sent."""

    method: str
    path: str
    body: bytes


@dataclass
class Between:
    """Changes answers by the end of their path; keeps what the app asked for and sent."""

    context: BrowserContext
    url: str
    changes: dict[str, Change] = field(default_factory=dict)
    sent: list[Posted] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.route(re.compile(re.escape(self.url) + "/v1/"), self._pass)

    def _pass(self, route: Route, request: Request) -> None:
        with suppress(Error):  # the page has gone meanwhile
            self._answer(route, request)

    def _answer(self, route: Route, request: Request) -> None:
        path = urlsplit(request.url).path
        self.asked.append(path)
        if request.method != "GET":
            self.sent.append(Posted(request.method, path, request.post_data_buffer or b""))
        change = next((self.changes[end] for end in self.changes if path.endswith(end)), None)
        if change is None:
            route.continue_()
            return
        reply = route.fetch()
        answer = Answer(path, json.loads(reply.body()), dict(reply.headers), reply.status)
        if reply.ok:
            change(answer)
        length = {"content-length", "content-encoding"}
        headers = {name: value for name, value in answer.headers.items() if name not in length}
        route.fulfill(status=answer.status, headers=headers, body=json.dumps(answer.body))

    def posted(self, path: str) -> list[bytes]:
        """Return the bodies that the app sent to a path."""
        return [each.body for each in self.sent if each.path == path]


class Edit(NamedTuple):
    """A change to one module of the app: what stands there once becomes something else."""

    file: str
    old: str
    new: str


def make_other(config: SiteConfig, edits: Iterable[Edit]) -> Site:
    """Return the web app with these changes, its hashes those of the changed modules."""
    files = read_files()
    for file, old, new in edits:
        text = files[file].decode()
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        files[file] = text.replace(old, new).encode()
    return make_site(files, config)


def serve_other(context: BrowserContext, url: str, site: Site, without: Iterable[str] = ()) -> None:
    """Let the browser get another app at this address; `without` are headers that are left out."""
    dropped = {name.lower() for name in without}

    def answer(route: Route, request: Request) -> None:
        path = urlsplit(request.url).path
        sent = site.answers.get("/" if path == "/authorize" else path)
        if sent is None:
            route.fulfill(status=404, body="")
            return
        headers = {n: value for n, value in sent.headers.items() if n.lower() not in dropped}
        route.fulfill(status=200, headers=headers, body=sent.body)

    pages = r"(/|/authorize|/app/[^?]*|/sw\.js|/icon\.svg|/manifest\.webmanifest)(\?[^#]*)?$"
    context.route(re.compile(re.escape(url) + pages), answer)
