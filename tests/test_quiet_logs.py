"""Nothing of anybody in what an operator sees: log lines, metrics, problem bodies.

A whole town is walked through, every door's good call and every refusal, with every logger at its
loudest. Ids, keys, receipts, addresses and texts are planted; one search looks for all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

import httpx2
import pytest
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from consent.demo.cast import CITY
from consent.middleware import Meters
from tests.inside import Inside
from tests.plays import CHANGING, GOOD, PlayTown, good, knock, play_of, refusals
from tests.town import BLOB, NEWCOMER, OTHER_ID, STRANGER, WRAP
from tests.world import EAST, URL, WEST
from vault.encoding import b64u, thumbprint
from vault.errors import Absent

ADDRESS = "203.0.113.77"
RECEIPT = "R-0000000"  # of every act, see World.booking
AGENT = "CanaryBrowser/77.7"
PLACE = "CN-ZJ-HZ"
CALLERS = frozenset({"httpx2", "httpcore2", "asyncio"})
"""Loggers of the test's own client."""


class Seen(logging.Handler):
    """Every record of every logger, with what a formatter would add."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, str]] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, self.format(record)))


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Listen at the root, with every logger that there is speaking."""
    handler, root = Seen(), logging.getLogger()
    loggers = [root, *map(logging.getLogger, [*logging.root.manager.loggerDict])]
    before = [(each, each.level, each.propagate, each.disabled) for each in loggers]
    for each in loggers:
        each.setLevel(logging.DEBUG)
        each.propagate, each.disabled = True, False
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for each, level, propagate, disabled in before:
        each.setLevel(level)
        each.propagate, each.disabled = propagate, disabled


class Canary(NamedTuple):
    """A text that must not be found, and what it is."""

    name: str
    text: str


def canaries(town: PlayTown) -> list[Canary]:
    """Return everything of anybody that the walk hands to the server."""
    found = [
        Canary("address", ADDRESS),
        Canary("receipt", RECEIPT),
        Canary("agent", AGENT),
        Canary("wrap id", WRAP.hex()),
        Canary("wrap", b64u(BLOB)),
        Canary("asked id", OTHER_ID.hex()),
        Canary("grant id", town.granted.grant.hex()),
        Canary("grant id", town.unminted.grant.hex()),
        Canary("request", town.waiting),
        Canary("request", town.opened),
        Canary("JWS", "eyJ"),
        Canary("proof", "dpop+jwt"),
        Canary("operator of an act", PLACE),
    ]
    people = (town.ann, town.bob, town.cid, town.dan)
    found += [Canary("link id", link.hex()) for each in people for link in each.links.values()]
    found += [Canary("account id", thumbprint(town.key(each.name).public)) for each in people]
    parties = [Canary("party key", thumbprint(town.key(n).public)) for n in (EAST, WEST, CITY)]
    strangers = [Canary("key", thumbprint(key.public)) for key in (NEWCOMER, STRANGER)]
    return [*found, *parties, *strangers]


def caught(where: str, text: str, planted: list[Canary]) -> list[str]:
    """Return the name of every canary in a text, in any case."""
    return [f"{where}: {c.name}" for c in planted if c.text.lower() in text.lower()]


class Listening(PlayTown):
    """A town whose callers come from one address, with every answer kept."""

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed=seed)
        self.replies: list[httpx2.Response] = []
        headers = {"User-Agent": AGENT, "X-Forwarded-For": ADDRESS}
        hooks = {"response": [self.replies.append]}
        self.client = Inside(self.app, base_url=URL, headers=headers, client=(ADDRESS, 50_000))
        self.client.event_hooks = hooks
        self._http = self.client

    def metrics(self) -> str:
        here = Inside(self.app, base_url=URL)
        return here.get("/metrics").text

    def problems(self) -> list[str]:
        return [r.text for r in self.replies if "problem" in r.headers.get("content-type", "")]


def walk(town: Listening) -> None:
    """Knock at every door, good and bad."""
    for door, kind in refusals():
        if (door, kind) not in CHANGING:
            town.replies.append(play_of(door, kind)(town))
    for door in GOOD:
        status = knock(town, good(town, door)).status_code
        assert status == (404 if door == "GET /metrics" else 200)  # that one is asked from here


def found_in(seen: Seen, town: Listening, planted: list[Canary]) -> list[str]:
    """Return every canary in a log line, in the metrics, or in a problem."""
    lines = [(name, line) for name, line in seen.lines if name.split(".")[0] not in CALLERS]
    found = [hit for name, line in lines for hit in caught(f"log {name}", line, planted)]
    found += caught("metrics", town.metrics(), planted)
    return found + [hit for text in town.problems() for hit in caught("problem", text, planted)]


def test_no_line_no_metric_and_no_problem_holds_anything_of_anybody(seen: Seen) -> None:
    with Listening(b"quiet") as town:
        planted = canaries(town)
        walk(town)
        assert found_in(seen, town, planted) == []
        assert "/v1/links/{link}" in town.metrics()
        assert len(town.problems()) >= len(refusals()) - len(CHANGING)
    access = [line for name, line in seen.lines if name == "carbonvault.access"]
    assert len(access) > len(refusals())


def test_only_the_sources_own_absent_is_repeated_to_it(seen: Seen) -> None:
    """The one problem that carries a text: the vault's word, which the source must keep."""
    with Listening(b"absent") as town:
        planted = canaries(town)
        reply = CHANGING["POST /v1/closes", Absent](town)
        hits = found_in(seen, town, planted)
    assert reply.json()["statement"].startswith("eyJ")
    assert hits == ["problem: JWS"]


def test_the_search_finds_a_chatty_handler(seen: Seen) -> None:
    with Listening(b"chatty") as town:
        planted = canaries(town)

        def chat(request: Request, link: str) -> Response:
            address = request.client.host if request.client else ""
            logging.getLogger("chatty").debug("%s asks for %s", address, link)
            logging.getLogger("chatty.more").info("agent", {"agent": request.headers["user-agent"]})
            detail = f"no link {link} of yours"
            return JSONResponse({"detail": detail}, 404, media_type="application/problem+json")

        town.app.router.add_api_route("/chat/{link}", chat, methods=["GET"])
        town.client.get(f"/chat/{town.anns.hex()}")
        meters: Meters = town.app.state.meters
        meters.note("GET", f"/chat/{town.opened}", 200, 0.1)
        hits = set(found_in(seen, town, planted))
    assert hits == {
        "log chatty: address",
        "log chatty: link id",
        "log chatty.more: agent",
        "metrics: request",
        "problem: link id",
    }
