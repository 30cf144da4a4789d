"""A live server, and the hook that makes a generated request one that gets past the doors.

The page that cases are generated from shows payloads where the real one shows compact JWS: the
hook signs them. It takes, as a number drawn from the case says, the ids of the town in place of
generated ones, members of the door's good message in place of generated ones, and the right keys or
a stranger's. So cases range from noise to the good call itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TypeAlias, cast
from urllib.parse import unquote

import schemathesis
import uvicorn
from schemathesis import APIOperation, Case, HookContext
from schemathesis.hooks import unregister
from starlette.types import ASGIApp, Receive, Scope, Send
from urllib3.util import parse_url

from consent.app import wall_clock
from consent.demo.cast import BANK, CITY
from consent.doors import DOORS, Members, Raw, Signed
from consent.messages import Pause, Resume, Revoke
from consent.openapi import JOSE, Page
from tests.plays import Call, PlayTown, good, letter_to
from tests.test_door_endings import token_for
from tests.test_openapi import strict
from tests.town import STATUS, STRANGER, Letter, posted
from tests.world import APR, EAST, FEB, JAN, MAR, URL, WEST
from vault import dpop
from vault.calls import Limits, Service
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u, compact_json, sign_jws
from vault.limits import Bucket

Generated: TypeAlias = "Case[APIOperation[object, object, object, object]]"
WIDE = Bucket(most=10**9, per_minute=10**9)
KINDS = {f"POST {STATUS}": (*(Pause.typ, Resume.typ) * 8, Revoke.typ)}
OTHER_KIND = "cv1-report"
MONTHS = (JAN, FEB, MAR, APR)
BIG = b64u(b"\xff" * 32)
"""Neither a reduced scalar nor a point."""


class Switch:
    """The application that the server serves; another one may take its place."""

    def __init__(self) -> None:
        self.town: PlayTown | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.town is not None
        app: ASGIApp = self.town.app
        await app(scope, receive, send)


@dataclass
class Live:
    """A server on loopback and the town behind it."""

    switch: Switch
    url: str
    number: int = 0
    """What the hook makes its choices by, drawn with each case."""

    @contextmanager
    def town(self, folder: Path, seed: bytes) -> Iterator[PlayTown]:
        """Give a town in real files, behind the server until the end; nobody is held up in it."""
        with PlayTown(folder, seed=seed) as town:
            service: Service = town.app.state.service
            wide = Limits(wraps=WIDE, public=WIDE, callers=WIDE, addresses=WIDE)
            town.app.state.service = replace(service, limits=wide)
            self.switch.town = town
            yield town
            self.switch.town = None


@contextmanager
def live_server() -> Iterator[Live]:
    """Give a server that listens on a free port of this machine."""
    switch = Switch()
    config = uvicorn.Config(switch, port=0, lifespan="off", log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Live(switch, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(timeout=10)


# The page that cases are generated from


def page_for_cases(page: Page) -> Page:
    """Return the page with payloads in place of JWS, and every answer closed."""
    found = strict(page)
    schemas = cast("dict[str, Page]", cast("Page", found["components"])["schemas"])
    for schema in schemas.values():
        _drop_classes(schema)
    for door, said in DOORS.items():
        method, _, path = door.partition(" ")
        operation = cast("dict[str, dict[str, dict[str, Page]]]", found["paths"])[path][
            method.lower()
        ]
        operation.pop("security")  # the hook makes the proofs
        if isinstance(said.takes, Signed):
            content = cast("Page", operation["requestBody"]["content"])
            del content[JOSE]
            payload: Page = {"$ref": f"#/components/schemas/{said.takes.messages[0].__name__}"}
            content["application/json"] = {"schema": payload}
        elif isinstance(said.takes, Members) and said.takes.inside:
            ((member, message),) = said.takes.inside.items()
            properties = cast("Page", schemas[said.takes.shape.__name__]["properties"])
            properties[member] = {"$ref": f"#/components/schemas/{message.__name__}"}
    return found


def _drop_classes(found: Json) -> None:
    r"""Drop patterns with \p{…}, which the generator cannot read; it is the vault that checks."""
    if isinstance(found, list):
        for item in found:
            _drop_classes(item)
    if isinstance(found, dict):
        if "\\p" in str(found.get("pattern", "")):
            del found["pattern"]
        for item in found.values():
            _drop_classes(item)


# The hook


class Signer:
    """Makes the generated requests of one town real."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def sign(self, case: Generated, kwargs: dict[str, object]) -> None:
        """Put ids, message, signature and proof into a generated case."""
        town = self._live.switch.town
        assert town is not None
        door = f"{case.method.upper()} {case.path}"
        chance = Random(self._live.number)
        mood = chance.choice(MOODS)
        call = good(town, door)
        if chance.random() < mood.ids:
            case.path_parameters.update(parameters_of(door, call))
            if case.query is not None and "?" in call.path and chance.random() < mood.ids:
                case.query = dict(p.split("=", 1) for p in call.path.partition("?")[2].split("&"))
        if call.headers and chance.random() < mood.ids:
            case.headers.update(call.headers)
        body = self._body(town, door, case, chance, mood)
        if body:
            kwargs["data"] = body
        if key := self._caller(town, call, chance, mood):
            url = str(case.as_transport_kwargs(base_url=self._live.url)["url"])
            path = unquote(parse_url(url).path or "/")
            bare = dpop.Request(case.method.upper(), URL + path, body)
            case.headers["DPoP"] = dpop.prove(key, bare, wall_clock(), town.random(16))

    def _body(
        self, town: PlayTown, door: str, case: Generated, chance: Random, mood: Mood
    ) -> bytes:
        takes = DOORS[door].takes
        generated = case.body
        if takes is None:
            return b""
        if isinstance(takes, Raw):
            return generated if isinstance(generated, bytes) else compact_json(_plain(generated))
        letter = letter_of_kind(town, door, chance)
        members = blended(letter.plain, _members(takes, generated), chance, mood)
        if isinstance(members, dict) and chance.random() < mood.swaps:
            members = swapped(town, members, chance)
        key = letter.key if chance.random() < mood.keys else STRANGER
        if letter.typ == "ask":
            return compact_json(members)
        is_token = door == "POST /v1/holder/tokens"
        return posted("cv1-token" if is_token else "", sign_jws_of(letter.typ, members, key))

    def _caller(self, town: PlayTown, call: Call, chance: Random, mood: Mood) -> SigningKey | None:
        if call.key is None:
            return None
        roll = chance.random()
        if roll < mood.keys:
            return call.key
        if roll < mood.keys + (1 - mood.keys) / 4:
            return None
        others = ("ann", "bob", EAST, WEST, CITY, BANK, "stranger")
        return town.key(chance.choice(others))


@dataclass(frozen=True)
class Mood:
    """How likely a case has the town's ids, the right keys, each good member, and swapped ones."""

    ids: float
    keys: float
    members: float
    swaps: float


MOODS = (
    Mood(0.3, 0.5, 0.0, 0.0),
    Mood(0.8, 0.9, 0.6, 0.2),
    Mood(1, 1, 0.95, 0.6),
    Mood(1, 1, 1, 0.9),
    Mood(1, 1, 1, 0.0),
)


def letter_of_kind(town: PlayTown, door: str, chance: Random) -> Letter:
    """Return the door's message, now and then as another kind; where it takes several, any."""
    if door == "POST /v1/holder/tokens" and chance.random() < 0.5:
        letter = token_for(town, chance.choice(MONTHS), town.anns)
    else:
        letter = letter_to(town, door)
    kinds = KINDS.get(door, (letter.typ,))
    return (
        replace(letter, typ=chance.choice((*kinds * 8, OTHER_KIND)))
        if letter.typ != "ask"
        else letter
    )


def swapped(town: PlayTown, members: dict[str, Json], chance: Random) -> dict[str, Json]:
    """Return members of which some are well-formed and of the town, but do not belong here."""
    granted, other = town.granted.grant.hex(), town.unminted.grant.hex()
    links = (*town.ann.links.values(), *town.cid.links.values())
    pool: list[dict[str, Json]] = [
        {"grant": other, "window": [APR]},
        {"grant": granted, "window": [FEB]},
        {"window": [chance.choice(MONTHS)]},
        {"month": "2025-12"},
        {"month": chance.choice(MONTHS)},
        {"link": chance.choice(links).hex()},
        {"mode": "cohort"},
        {"template": "CARD-POINTS"},
        {"purpose": "PersonalisedBenefits"},
        {"cells": [[BIG, BIG]] * 7},
        {"cells": [[b64u(bytes(32)), BIG]] * 7},
        {"pk": BIG},
    ]
    fitting = [change for change in pool if change.keys() <= members.keys()]
    return {**members, **chance.choice(fitting)} if fitting else members


def sign_jws_of(typ: str, members: Json, key: SigningKey) -> str:
    """Return the JWS of members, also of such as are no object."""
    if isinstance(members, dict):
        return sign_jws(typ, members, key)
    return Letter(typ, {}, key).body(compact_json(members)).decode("utf-8", "replace")


def _members(takes: Members | Signed, generated: object) -> Json:
    plain = _plain(generated)
    if isinstance(takes, Members) and takes.inside and isinstance(plain, dict):
        (member,) = takes.inside
        return plain.get(member)
    return plain


def _plain(generated: object) -> Json:
    """Return what was generated as JSON; what is none becomes its text."""
    if isinstance(generated, dict):
        return {str(name): _plain(item) for name, item in generated.items()}
    if isinstance(generated, list):
        return [_plain(item) for item in generated]
    if generated is None or isinstance(generated, bool | int | str):
        return cast("Json", generated)
    return str(generated)


def blended(whole: dict[str, Json], generated: Json, chance: Random, mood: Mood) -> Json:
    """Return generated members with good ones in the place of some."""
    if mood.members == 1:
        return whole
    if not isinstance(generated, dict):
        return generated if mood.members == 0 else whole
    kept = {name: value for name, value in whole.items() if chance.random() < mood.members}
    return {**generated, **kept}


def parameters_of(door: str, call: Call) -> dict[str, str]:
    """Return the path parameters of a good call."""
    template = door.partition(" ")[2].split("/")
    given = call.path.partition("?")[0].split("/", len(template) - 1)
    pairs = zip(template, given, strict=True)
    return {name.strip("{}"): value for name, value in pairs if name.startswith("{")}


@contextmanager
def signing(live: Live) -> Iterator[None]:
    """Let schemathesis call the signer before each request, until the end."""
    signer = Signer(live)

    @schemathesis.hook("before_call")
    def sign(context: HookContext, case: Generated, kwargs: dict[str, object]) -> None:
        del context
        signer.sign(case, kwargs)

    yield
    unregister(sign)
