"""One call for each answer that the table of doors lists (consent/doors.py).

GOOD gives the good call of each door, in an order in which all of them work in one town. REFUSED
gives a call for each door and problem; those in CHANGING need a town of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self
from unittest.mock import patch

import httpx2
from starlette.types import Message as Event
from starlette.types import Receive, Scope, Send

from consent import guard
from consent.app import wall_clock
from consent.demo.cast import AUDITOR, CITY, compose
from consent.doors import DOORS, Problem, Signed
from consent.messages import AskedCategories, ConsentRequest, Details
from tests.edwards import ORDER
from tests.inside import Inside
from tests.test_door_endings import send_anns_reject, token_for
from tests.town import (
    BLOB,
    LETTERS,
    OTHER_ID,
    PUBLIC_BENEFIT,
    SOURCE_UNLINK,
    STRANGER,
    WRAP,
    Letter,
    Text,
    Town,
    attach_letter,
    batch_letter,
    close_letter,
    fill,
    grant_letter,
    json_of,
    letter_of,
    link_text,
    posted,
    signed_by,
)
from tests.world import EAST, FEB, JAN, MAR, URL, World
from vault import calls, dpop
from vault.calls import Limits
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u
from vault.errors import (
    Absent,
    AtomUsed,
    BadJws,
    BadPoint,
    BadScalar,
    BadShape,
    BadType,
    BeyondTemplate,
    DifferentBytes,
    Expired,
    Gap,
    LogUnavailable,
    NotClosed,
    NotFound,
    NotMinted,
    NotOffered,
    Paused,
    Revoked,
    StaleProof,
    StateChanged,
    TooEarly,
    TooLarge,
    TooLate,
    TooMany,
    TooSlow,
    UnknownKey,
    Unlinked,
    WrongPurpose,
)
from vault.limits import Bucket
from vault.months import DEFAULT_ZONE, Month, add_months, month_begins

APR = Month("2026-04")
BAD_KEY = b64u(b"\xff" * 32)
WHY = {"zh-CN": "用于计算奖励", "en": "to work out the reward"}
SLOW = 0.01


class PlayTown(Town):
    """A town whose city has asked: one request is open, another was opened by Ann."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.waiting = self.push("waiting")
        self.opened = self.push("opened")
        self.knock("POST", f"/v1/holder/requests/{self.opened}", key=self.key("ann"))
        return self

    def push(self, name: str) -> str:
        """Push a request; return its handle."""
        reply = self.knock(
            "POST", "/v1/requests", request_letter(self, name).body(), self.key(CITY)
        )
        return str(reply.json()["request_uri"]).rpartition(":")[2]


def request_letter(town: Town, name: str) -> Letter:
    """Return what the city asks for: travel, and if the person likes for food and goods."""
    details = Details(
        type="carbon_reduction_total",
        purposes=(PUBLIC_BENEFIT,),
        categories=AskedCategories(required=(4,), optional=(2, 5)),
        step=1,
        first=APR,
        last=APR,
        until=month_begins(add_months(APR, 3), DEFAULT_ZONE),
        mode="total",
        show_sources=False,
        exclusive=False,
        data_life_days=180,
        reasons={"purpose": {**WHY}, "4": {**WHY}},  # type: ignore[dict-item]
    )
    message = ConsentRequest(
        iat=town.time,
        client_id=CITY,
        redirect_uri="https://city.demo/back",
        state=f"state-of-a-session-{name}",
        template="CITY-REWARD",
        authorization_details=(details,),
    )
    return letter_of(message, town.key(CITY))


@dataclass(frozen=True)
class Call:
    """One request to a door; no key: without a proof."""

    door: str
    path: str
    key: SigningKey | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.door.partition(" ")[0]


def knock(town: World, call: Call) -> httpx2.Response:
    """Return the answer to a call, with a right proof when it has a key."""
    sent = dict(call.headers)
    if call.key:
        bare = dpop.Request(call.method, URL + call.path.partition("?")[0], call.body)
        sent["DPoP"] = dpop.prove(call.key, bare, wall_clock(), town.random(16))
    return town.client.request(call.method, call.path, content=call.body or None, headers=sent)


# The good call of each door


CALLER = {"holder": "ann", "source": EAST, "platform": CITY, "auditor": AUDITOR}
BY: Mapping[str, str] = {
    "POST /v1/holder": "newcomer",
    "DELETE /v1/holder": "dan",
    "POST /v1/holder/links/{link}/unlink": "cid",
    "POST /v1/holder/links/{link}/reject": "cid",
}
TAKEN: Mapping[str, str] = {
    "POST /v1/directory": "cv1-directory",
    "POST /v1/releases": "ask",
    "POST /v1/batches": "cv1-batch",
    "POST /v1/closes": "cv1-close",
    "POST /v1/holder": "cv1-account",
    "POST /v1/holder/links": "cv1-attach",
    "POST /v1/holder/binds": "cv1-bind",
    "POST /v1/holder/grants": "cv1-grant",
    "POST /v1/holder/tokens": "cv1-token",
    "POST /v1/holder/links/{link}/reject": "cv1-reject",
    "POST /v1/holder/grants/{grant}/status": "cv1-pause",
    "POST /v1/links/{link}/unlink": SOURCE_UNLINK,
    "POST /v1/holder/links/{link}/unlink": "cv1-unlink",
    "DELETE /v1/holder": "cv1-erase",
}
"""Doors that take a message, in an order in which each works after those before."""


def letter_to(town: PlayTown, door: str) -> Letter:
    """Return the message that a door takes."""
    return (
        request_letter(town, "new") if door == "POST /v1/requests" else LETTERS[TAKEN[door]](town)
    )


def good(town: PlayTown, door: str) -> Call:
    """Return the good call of a door."""
    by = BY.get(door, CALLER.get(DOORS[door].by, ""))
    key = town.key(by) if by else None
    body, headers = b"", {}
    if door in (*TAKEN, "POST /v1/requests"):
        body = letter_to(town, door).body()
    if door == "PUT /v1/holder/wraps/{wrap}":
        body = BLOB
    if door == "PUT /v1/holder/state":
        stands = town.knock("GET", "/v1/holder/state", key=key).headers["etag"]
        body, headers = b"a sealed state", {"If-Match": stands}
    return Call(door, path_to(town, door), key, body, headers)


def path_to(town: PlayTown, door: str) -> str:
    """Return the path of a door's good call."""
    ends = {
        "POST /v1/links/{link}/unlink": town.cid.links[EAST],
        "POST /v1/holder/links/{link}/reject": town.cid.links[EAST],
        "POST /v1/holder/links/{link}/unlink": town.cid.links["west-bikes.demo"],
    }
    names = {
        "{link}": ends.get(door, town.anns).hex(),
        "{grant}": town.granted.grant.hex(),
        "{wrap}": WRAP.hex(),
        "{handle}": town.waiting if door.startswith("POST /v1/holder/requests/{handle}") else "",
        "{release}": "2026-1",
        "{behaviour}": "travel.bike",
        "{path}": "tile/0/000.p/1",
        "{version}": town.site.version,
        "{file}": "app.js",
    }
    names["{handle}"] = town.waiting if door == "POST /v1/holder/requests/{handle}" else town.opened
    path = door.partition(" ")[2]
    for name, found in names.items():
        path = path.replace(name, found)
    if door == "GET /authorize":
        path += f"?client_id={CITY}&request_uri=urn:carbonvault:request:{town.waiting}"
    return path


FIRST = ["GET /authorize", "POST /v1/requests", "POST /v1/holder/requests/{handle}"]
LAST = [
    "POST /v1/holder/grants/{grant}/deletion",
    "POST /v1/grants/{grant}/deleted",
    "POST /v1/holder/requests/{handle}/decline",
    "PUT /v1/holder/wraps/{wrap}",
    "PUT /v1/holder/state",
]
GOOD = [*FIRST, *TAKEN, *LAST]
GOOD += [door for door in DOORS if door not in GOOD and not door.startswith("DELETE")]
GOOD += ["DELETE /v1/holder/wraps/{wrap}"]
"""Every door, in an order in which all of their good calls work in one town."""


# Refusals that are the same at many doors


WEB = ("/", "/app/{version}/{file}", "/sw.js", "/manifest.webmanifest", "/icon.svg", "/v1/web")


@contextmanager
def without_site(town: PlayTown) -> Iterator[None]:
    """Let the vault have no web app, and none in its log."""
    kept, town.app.state.site = town.app.state.site, None
    (row,) = town.database.read(lambda tx: tx.all(Text, "SELECT text FROM web"))
    town.database.write(lambda tx: tx.run("DELETE FROM web"))
    try:
        yield
    finally:
        town.app.state.site = kept
        town.database.write(lambda tx: tx.run("INSERT INTO web (text) VALUES (?)", row.found))


def stale(town: PlayTown, door: str) -> httpx2.Response:
    return knock(town, replace(good(town, door), key=None))


def large(town: PlayTown, door: str) -> httpx2.Response:
    return knock(town, replace(good(town, door), body=bytes(calls.BODY_LIMIT + 1)))


def slow(town: PlayTown, door: str) -> httpx2.Response:
    """Send a body that never ends."""
    call, events = good(town, door), list[Event]()

    async def receive() -> Event:
        await asyncio.sleep(10)
        return {"type": "http.disconnect"}

    async def send(event: Event) -> None:
        events.append(event)

    with patch.object(calls, "BODY_SECONDS", SLOW):
        asyncio.run(_called(town, call, receive, send))
    begun = events[0]
    headers = [(name, value) for name, value in begun["headers"]]
    detail = events[1]["body"].replace(str(SLOW).encode(), b"30")
    return httpx2.Response(begun["status"], headers=headers, content=detail)


async def _called(town: PlayTown, call: Call, receive: Receive, send: Send) -> None:
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "path": call.path,
        "raw_path": call.path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"vault.test")],
        "server": ("vault.test", 443),
        "client": ("127.0.0.1", 1),
        "scheme": "https",
        "root_path": "",
        "state": {},
    }
    await town.app(scope, receive, send)


@contextmanager
def drained(town: World) -> Iterator[None]:
    """Let nobody call any more."""
    service: calls.Service = town.app.state.service
    empty = Limits(
        wraps=Bucket(most=0, per_minute=60),
        public=Bucket(most=0, per_minute=600),
        callers=Bucket(most=0, per_minute=6_000),
        addresses=Bucket(most=0, per_minute=12_000),
    )
    town.app.state.service = replace(service, limits=empty)
    try:
        yield
    finally:
        town.app.state.service = service


def many(town: PlayTown, door: str) -> httpx2.Response:
    call = good(town, door)
    with drained(town):
        return knock(town, call)


def unavailable(town: PlayTown, door: str) -> httpx2.Response:
    """Call a vault without a directory; where none is needed, one whose log is damaged."""
    empty = World(seed=b"empty")
    with empty.client:
        call = good(town, door)
        if door == "POST /v1/directory":
            call = replace(call, body=directory_letter_of(empty).body(), key=STRANGER)
        if door in ("POST /v1/directory", "GET /v1/log", "GET /log/checkpoint", "GET /log/{path}"):
            empty.database.write(lambda tx: tx.run("DELETE FROM log_head"))
        return knock(empty, call)


def directory_letter_of(world: World) -> Letter:
    """Return the first directory of a world."""
    return letter_of(compose(world.cast, world.edition()), world.cast.auditor)


def no_jws(town: PlayTown, door: str) -> httpx2.Response:
    body = b"no message"
    if door == "POST /v1/holder/tokens":
        body = posted("cv1-token", "no-message")
    return knock(town, replace(good(town, door), body=body))


def other_type(town: PlayTown, door: str) -> httpx2.Response:
    """Send the right members as a message of another kind."""
    found = letter_to(town, door)
    return knock(town, replace(good(town, door), body=found.body(typ="cv1-report")))


def no_shape(town: PlayTown, door: str) -> httpx2.Response:
    """Send no member at all; where members come in the query or a header, a wrong one."""
    call = good(town, door)
    wrong = {"first": "?first=-1", "after": "?after=x", "life": "?life=1", "client_id!": "?x=1"}
    for name in DOORS[door].query[:1]:
        return knock(town, replace(call, path=call.path.partition("?")[0] + wrong[name]))
    if door == "PUT /v1/holder/state":
        return knock(town, replace(call, headers={}))
    return knock(town, replace(call, body=letter_to(town, door).body(b"{}")))


def unknown(town: PlayTown, door: str) -> httpx2.Response:
    """Sign with a key that stands nowhere: the message, or the call where there is none."""
    call, door_of = good(town, door), DOORS[door]
    if isinstance(door_of.takes, Signed) or door == "POST /v1/holder/tokens":
        return knock(town, replace(call, body=signed_by(letter_to(town, door), STRANGER)))
    return knock(town, replace(call, key=STRANGER))


def not_there(town: PlayTown, door: str) -> httpx2.Response:
    """Name another id; where the id stands in the message, there."""
    named = {"batches": "link", "closes": "link", "releases": "grant", "tokens": "grant"}
    member = named.get(door.rpartition("/")[2]) if door.startswith("POST") else None
    call = good(town, door)
    if member:
        found = letter_to(town, door).changed(**{member: OTHER_ID.hex()})
        return knock(town, replace(call, body=found.body()))
    if door == "GET /authorize":
        return knock(town, replace(call, path=call.path + "0"))
    if not DOORS[door].by and door.partition(" ")[2] in WEB:
        with without_site(town):
            return knock(town, call)
    path = call.path
    for name in (town.waiting, town.opened):
        path = path.replace(name, OTHER_ID.hex()[:20])
    for own in (town.anns, *town.cid.links.values(), town.granted.grant, WRAP):
        path = path.replace(own.hex(), OTHER_ID.hex())
    for name in ("2026-1", "tile/0"):
        path = path.replace(name, "none")
    return knock(town, replace(call, path=path))


COMMON: Mapping[Problem, Callable[[PlayTown, str], httpx2.Response]] = {
    StaleProof: stale,
    TooLarge: large,
    TooSlow: slow,
    TooMany: many,
    LogUnavailable: unavailable,
    BadJws: no_jws,
    BadType: other_type,
    BadShape: no_shape,
    UnknownKey: unknown,
    NotFound: not_there,
}


# Refusals of one door


Play = Callable[[PlayTown], httpx2.Response]


def with_members(door: str, **changed: Json) -> Play:
    """Send the message of a door with other members."""

    def play(town: PlayTown) -> httpx2.Response:
        return knock(
            town, replace(good(town, door), body=letter_to(town, door).changed(**changed).body())
        )

    return play


def twice(door: str) -> Play:
    """Send the message of a door, then one like it but for its time."""

    def play(town: PlayTown) -> httpx2.Response:
        call, found = good(town, door), letter_to(town, door)
        assert knock(town, call).status_code == 200
        return knock(town, replace(call, body=found.changed(iat=1).body()))

    return play


def after(status: str, door: str) -> Play:
    """Stop or pause Ann's grant, then call."""

    def play(town: PlayTown) -> httpx2.Response:
        body = LETTERS[status](town).body()
        call = good(town, "POST /v1/holder/grants/{grant}/status")
        assert knock(town, replace(call, body=body)).status_code == 200
        return knock(town, replace(good(town, door), body=late_letter(town, door).body()))

    return play


def late_letter(town: PlayTown, door: str) -> Letter:
    """Return a message about the grant that has tokens."""
    if door == "POST /v1/holder/tokens":
        return token_for(town, JAN)
    if door == "POST /v1/holder/grants":
        return grant_letter(town).changed(replaces=town.granted.grant.hex())
    return letter_to(town, door)


def expired(door: str) -> Play:
    """Call when the grant's time is over."""

    def play(town: PlayTown) -> httpx2.Response:
        call = good(town, door)
        town.time = town.unminted.until
        town.catch_up()
        return knock(town, call)

    return play


def attached(begins: str) -> Play:
    """Attach a link that began in another month."""

    def play(town: PlayTown) -> httpx2.Response:
        link = b"\x55" * 16
        found = attach_letter(town).changed(receipt=link_text(town, link, **{"from": begins}))
        return knock(town, replace(good(town, "POST /v1/holder/links"), body=found.body()))

    return play


def ended(door: str) -> Play:
    """Let the source end Cid's link, then send for it."""

    def play(town: PlayTown) -> httpx2.Response:
        link = town.cid.links[EAST]
        assert knock(town, good(town, "POST /v1/links/{link}/unlink")).status_code == 200
        found = batch_letter(town, link) if "batch" in door else close_letter(town, MAR, link)
        return knock(town, replace(good(town, door), body=found.body()))

    return play


def close_with(side: int, raw: bytes) -> Play:
    """Send a close with another number in its first cell."""

    def play(town: PlayTown) -> httpx2.Response:
        found = close_letter(town)
        body = found.body(fill(found.plain, ("cells", 0, side), json_of(b64u(raw))))
        return knock(town, replace(good(town, "POST /v1/closes"), body=body))

    return play


def close_of(month: Month) -> Play:
    """Send a close of this month."""

    def play(town: PlayTown) -> httpx2.Response:
        return knock(
            town, replace(good(town, "POST /v1/closes"), body=close_letter(town, month).body())
        )

    return play


def absent_close(town: PlayTown) -> httpx2.Response:
    late = close_letter(town, FEB)
    town.move(APR)
    return knock(town, replace(good(town, "POST /v1/closes"), body=late.body()))


def rejected(door: str) -> Play:
    """Let Ann reject a close, then call for its month."""

    def play(town: PlayTown) -> httpx2.Response:
        assert send_anns_reject(town).status_code == 200
        found = token_for(town, JAN) if "tokens" in door else letter_to(town, door)
        return knock(town, replace(good(town, door), body=found.body()))

    return play


def next_gap(town: PlayTown) -> httpx2.Response:
    found = batch_letter(town)
    later = found.changed(seq=int(str(found.plain["seq"])) + 1)
    return knock(town, replace(good(town, "POST /v1/batches"), body=later.body()))


def far_token(town: PlayTown) -> httpx2.Response:
    """Make a token too far ahead; no template lets a grant reach so far, so the limit is less."""
    with patch.object(guard, "AHEAD_LIMIT", 0):
        return knock(town, good(town, "POST /v1/holder/tokens"))


def used_token(town: PlayTown) -> httpx2.Response:
    body = token_for(town, FEB, town.anns).body()
    return knock(town, replace(good(town, "POST /v1/holder/tokens"), body=body))


def other_sealed(town: PlayTown) -> httpx2.Response:
    call = good(town, "POST /v1/holder/tokens")
    changed = call.body.replace(b64u(b"s" * 112).encode(), b64u(b"t" * 112).encode())
    return knock(town, replace(call, body=changed))


def over_already(town: PlayTown) -> httpx2.Response:
    found = grant_letter(town, first=JAN, last=JAN, until=town.time)
    return knock(town, replace(good(town, "POST /v1/holder/grants"), body=found.body()))


def late_no(town: PlayTown) -> httpx2.Response:
    call = good(town, "POST /v1/holder/requests/{handle}/decline")
    town.time += 601
    return knock(town, call)


def no_after_yes(town: PlayTown) -> httpx2.Response:
    holder = town.ann.holder
    holder.accept_request(holder.open_request(town.opened), (), "en")
    return knock(town, good(town, "POST /v1/holder/requests/{handle}/decline"))


def other_wrap(town: PlayTown) -> httpx2.Response:
    return knock(town, replace(good(town, "PUT /v1/holder/wraps/{wrap}"), body=b"another"))


def old_state(town: PlayTown) -> httpx2.Response:
    call = replace(good(town, "PUT /v1/holder/state"), headers={"If-Match": '"0"'})
    return knock(town, call)


def from_elsewhere(town: PlayTown) -> httpx2.Response:
    away = Inside(town.app, base_url=URL, client=("203.0.113.9", 1))
    return away.get("/metrics")


def asked_differently(**changed: Json) -> Play:
    """Push a request with other details."""

    def play(town: PlayTown) -> httpx2.Response:
        found = request_letter(town, "new")
        listed = found.plain["authorization_details"]
        assert isinstance(listed, list)
        assert isinstance(listed[0], dict)
        body = found.changed(authorization_details=[{**listed[0], **changed}]).body()
        return knock(town, replace(good(town, "POST /v1/requests"), body=body))

    return play


COHORT: dict[str, Json] = {
    "type": "carbon_reduction_total",
    "purposes": ["ScientificResearch"],
    "categories": {"required": [4]},
    "step": 1,
    "first": APR,
    "last": APR,
    "until": month_begins(add_months(APR, 3), DEFAULT_ZONE),
    "mode": "cohort",
    "show_sources": False,
    "exclusive": False,
    "data_life_days": 180,
    "reasons": {"purpose": {**WHY}, "4": {**WHY}},
}
RELEASES, CLOSES, GRANTS = "POST /v1/releases", "POST /v1/closes", "POST /v1/holder/grants"
TOKENS, STATUS = "POST /v1/holder/tokens", "POST /v1/holder/grants/{grant}/status"
OWN: Mapping[tuple[str, Problem], Play] = {
    ("GET /metrics", NotFound): from_elsewhere,
    ("POST /v1/directory", DifferentBytes): with_members("POST /v1/directory", version=1),
    ("POST /v1/directory", BadPoint): with_members("POST /v1/directory", next=BAD_KEY),
    ("POST /v1/batches", DifferentBytes): with_members("POST /v1/batches", seq=0),
    ("POST /v1/batches", Gap): next_gap,
    (CLOSES, BadPoint): close_with(1, b"\xff" * 32),
    (CLOSES, BadScalar): close_with(0, ORDER.to_bytes(32, "little")),
    (CLOSES, DifferentBytes): close_of(JAN),
    (CLOSES, TooEarly): close_of(MAR),
    (CLOSES, TooLate): close_of(Month("2025-12")),
    ("POST /v1/requests", BeyondTemplate): asked_differently(data_life_days=181),
    ("POST /v1/requests", NotOffered): with_members(
        "POST /v1/requests", template="CITY-STATS", authorization_details=[COHORT]
    ),
    (RELEASES, WrongPurpose): with_members(RELEASES, purpose="PersonalisedBenefits"),
    (RELEASES, NotClosed): with_members(RELEASES, window=[FEB]),
    (RELEASES, NotMinted): lambda town: with_members(
        RELEASES, grant=town.unminted.grant.hex(), window=[APR]
    )(town),
    ("POST /v1/holder", BadPoint): with_members("POST /v1/holder", pk=BAD_KEY),
    ("DELETE /v1/holder", BadPoint): with_members("DELETE /v1/holder", pk=BAD_KEY),
    ("PUT /v1/holder/wraps/{wrap}", DifferentBytes): other_wrap,
    ("PUT /v1/holder/wraps/{wrap}", NotFound): lambda town: knock(
        town, replace(good(town, "PUT /v1/holder/wraps/{wrap}"), path="/v1/holder/wraps/x")
    ),
    ("PUT /v1/holder/state", StateChanged): old_state,
    ("POST /v1/holder/links", TooEarly): attached("2026-04"),
    ("POST /v1/holder/links", TooLate): attached("2026-01"),
    ("POST /v1/holder/binds", BadPoint): with_members("POST /v1/holder/binds", pk=BAD_KEY),
    ("POST /v1/holder/binds", DifferentBytes): with_members("POST /v1/holder/binds", org=CITY),
    (GRANTS, BadPoint): with_members(GRANTS, pk=BAD_KEY),
    (GRANTS, NotOffered): with_members(
        GRANTS, template="CITY-STATS", mode="cohort", purposes=["ScientificResearch"]
    ),
    (GRANTS, BeyondTemplate): with_members(GRANTS, data_life_days=181),
    (GRANTS, NotFound): with_members(GRANTS, platform="nobody.demo"),
    (GRANTS, Expired): over_already,
    (TOKENS, DifferentBytes): other_sealed,
    (TOKENS, TooEarly): far_token,
    (TOKENS, AtomUsed): used_token,
}
"""Refusals that leave the town as it was."""

CHANGING: Mapping[tuple[str, Problem], Play] = {
    ("POST /v1/batches", Unlinked): ended("POST /v1/batches"),
    (CLOSES, Unlinked): ended(CLOSES),
    (CLOSES, Absent): absent_close,
    ("POST /v1/links/{link}/unlink", Unlinked): twice("POST /v1/links/{link}/unlink"),
    (RELEASES, Revoked): after("cv1-revoke", RELEASES),
    (RELEASES, Paused): after("cv1-pause", RELEASES),
    (RELEASES, Expired): expired(RELEASES),
    (RELEASES, Absent): rejected(RELEASES),
    ("POST /v1/holder", DifferentBytes): twice("POST /v1/holder"),
    ("POST /v1/holder/links", DifferentBytes): twice("POST /v1/holder/links"),
    ("POST /v1/holder/links/{link}/unlink", Unlinked): twice("POST /v1/holder/links/{link}/unlink"),
    ("POST /v1/holder/links/{link}/reject", DifferentBytes): twice(
        "POST /v1/holder/links/{link}/reject"
    ),
    (GRANTS, DifferentBytes): twice(GRANTS),
    (GRANTS, Revoked): after("cv1-revoke", GRANTS),
    (STATUS, Revoked): after("cv1-revoke", STATUS),
    (TOKENS, Revoked): after("cv1-revoke", TOKENS),
    (TOKENS, Paused): after("cv1-pause", TOKENS),
    (TOKENS, Expired): expired(TOKENS),
    (TOKENS, Absent): rejected(TOKENS),
    ("POST /v1/holder/requests/{handle}/decline", Expired): late_no,
    ("POST /v1/holder/requests/{handle}/decline", DifferentBytes): no_after_yes,
}
"""Refusals that need a town of their own."""


def play_of(door: str, kind: Problem) -> Play:
    """Return the call that a door answers with a problem; raises KeyError when there is none."""
    own = OWN.get((door, kind)) or CHANGING.get((door, kind))
    if own:
        return own
    common = COMMON[kind]
    return lambda town: common(town, door)


def refusals() -> list[tuple[str, Problem]]:
    """Return every door and problem of the table."""
    return [(door, kind) for door, found in DOORS.items() for kind in found.problems]
