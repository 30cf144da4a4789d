"""Attacks on a platform's requests, and on the doors in front of them.

Each test names the row of docs/threat-model.md and has a control: the mechanism taken out in a
naive copy here, never in the product. An attack that succeeds nowhere would prove nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message as Event

from consent import decisions
from consent.asking import Pushed, Wanted, check_answers, compose_request
from consent.decisions import Decided, read_name
from consent.demo.cast import CITY
from consent.messages import HANDLE, LIFE, Grant
from consent.platform import Platform
from tests.attacks import STRANGER, Operator, found
from tests.inside import Inside
from tests.town import handle_of, wanted
from tests.world import JAN, URL, World
from vault import calls
from vault.crypto.keys import SigningKey, read_code, write_code, write_symbols
from vault.encoding import text_hash
from vault.errors import (
    BadCode,
    BadShape,
    BeyondTemplate,
    DifferentBytes,
    Expired,
    NotFound,
    TooMany,
    UnknownKey,
    VaultError,
)
from vault.limits import Bucket
from vault.wire import LONGEST_PAUSE, Patience, Wire

BACK = "https://city.demo/back"


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def asked_for(**changed: object) -> Wanted:
    return wanted(CITY, first=JAN, **changed)


def query_of(decided: Decided) -> dict[str, str]:
    """Return what a browser brings to the platform."""
    return dict(parse_qsl(urlsplit(decided.redirect or "").query))


def slip_in(world: World, key: SigningKey, asked: Wanted) -> str:
    """Put a request past every check into the vault's table; return its handle."""
    text = compose_request(asked, CITY, key, "s" * 20, world.time)
    handle, until = world.random(HANDLE), world.time + LIFE
    Operator(world).run(
        "INSERT INTO requests (handle, hash, platform, until, text) VALUES (?, ?, ?, ?, ?)",
        handle,
        text_hash(text),
        CITY,
        until,
        text,
    )
    return handle.hex()


# Somebody else's session


def naive_finish(city: Platform, query: Mapping[str, str]) -> Grant:
    """Take whatever grant comes back, as a platform without a session would."""
    return city.grant(bytes.fromhex(query["grant"]))


def test_answer_to_another_sessions_request_is_refused(world: World) -> None:
    """T47: Eve sends Ann her own link; the control puts Ann's total on Eve's account."""
    ann, city = world.person("ann"), world.platform(CITY)
    eves, anns = city.ask(asked_for()), city.ask(asked_for())
    asked = ann.holder.open_request(eves.request_uri)
    query = query_of(ann.holder.accept_request(asked, (), "en"))
    with pytest.raises(BadCode, match="state"):
        city.finish(anns, query)
    with pytest.raises(BadCode, match="request"):
        city.finish(replace(anns, state=query["state"]), query)
    assert naive_finish(city, query).request == eves.hash
    assert city.finish(eves, query).request == eves.hash  # who asked, in their own browser


def test_grant_of_somebody_else_brought_into_ones_own_session_is_refused(world: World) -> None:
    """T47: Eve brings the id of Ann's grant to her own session, whose state she knows."""
    ann, city = world.person("ann"), world.platform(CITY)
    anns, eves = city.ask(asked_for()), city.ask(asked_for())
    asked = ann.holder.open_request(anns.request_uri)
    query = query_of(ann.holder.accept_request(asked, (), "en"))
    forged = {**query, "state": eves.state}
    with pytest.raises(BadCode, match="request"):
        city.finish(eves, forged)
    with pytest.raises(BadCode, match="request"):
        check_answers(eves, naive_finish(city, forged))
    assert naive_finish(city, forged).request == anns.hash


# Where the browser is sent


def naive_listed(uri: str) -> bool:
    """Compare by the beginning, as is often done."""
    return uri.startswith(BACK)


@pytest.mark.parametrize(
    "uri", [f"{BACK}.evil.test/", f"{BACK}?to=https://evil.test", f"{BACK}/../open", f"{BACK}#x"]
)
def test_redirect_is_one_of_the_directory_byte_for_byte(world: World, uri: str) -> None:
    """T48: not at the vault, and past it not in the app; a naive comparison takes each of them."""
    ann, city = world.person("ann"), world.cast.actors[CITY].key
    assert naive_listed(uri)
    with pytest.raises(BeyondTemplate, match="redirect_uri"):
        world.platform(CITY).ask(asked_for(redirect_uri=uri))
    with pytest.raises(BadShape, match="redirect_uri"):
        ann.holder.open_request(slip_in(world, city, asked_for(redirect_uri=uri)))
    good = slip_in(world, city, asked_for())
    assert ann.holder.open_request(good).request.redirect_uri == BACK


def test_request_that_another_signs_in_a_platforms_name_is_refused(world: World) -> None:
    """T48: neither vault nor app takes it."""
    ann, text = world.person("ann"), compose_request(asked_for(), CITY, STRANGER, "s" * 20, 1)
    with pytest.raises(UnknownKey):
        world.wire(world.cast.actors[CITY].key).post("/v1/requests", text)
    with pytest.raises(UnknownKey):
        ann.holder.open_request(slip_in(world, STRANGER, asked_for()))


# Once, and in time


def reopen(world: World, pushed: Pushed) -> None:
    """Let the operator make a request that was decided, or is over, open again."""
    later = world.time + 600
    Operator(world).run(
        "UPDATE requests SET state = 'open', until = ? WHERE hash = ?", later, pushed.hash
    )


def test_request_that_was_declined_is_not_granted_later(world: World) -> None:
    """T49: nor by the same person; a vault that forgets the no is found by the audit."""
    ann, city = world.person("ann"), world.platform(CITY)
    pushed = city.ask(asked_for())
    asked = ann.holder.open_request(pushed.request_uri)
    ann.holder.decline_request(asked)
    with pytest.raises(DifferentBytes):
        ann.holder.accept_request(asked, (), "en")
    with pytest.raises(NotFound):
        world.person("bob").holder.open_request(pushed.request_uri)
    assert found(world) == []
    reopen(world, pushed)
    ann.holder.accept_request(asked, (), "en")
    assert [rule for _, rule in found(world)] == ["grant"]


def test_request_that_ran_out_is_not_granted(world: World) -> None:
    """T49: ten minutes, by the vault's clock; the control is one second before."""
    ann, city = world.person("ann"), world.platform(CITY)
    late, last = city.ask(asked_for()), city.ask(asked_for(optional=()))
    opened = [ann.holder.open_request(pushed.code) for pushed in (late, last)]
    world.time += 599
    ann.holder.accept_request(opened[1], (), "en")
    world.time += 1
    with pytest.raises(Expired):
        ann.holder.accept_request(opened[0], (), "en")
    assert world.client.get(late.url).status_code == 404


# Another text than the one that was read


def test_text_that_is_swapped_after_the_person_read_it_gets_no_grant(world: World) -> None:
    """T50: the grant names the hash of what the app showed, not of what the vault says now."""
    ann, city = world.person("ann"), world.platform(CITY)
    why = asked_for().reasons
    more = asked_for(required=(2, 4), optional=(), reasons={**why, "2": why["purpose"]})
    narrow, wide = city.ask(asked_for(optional=())), city.ask(more)
    asked = ann.holder.open_request(narrow.request_uri)
    swap(world, narrow, wide)
    with pytest.raises(BeyondTemplate, match="categories"):
        ann.holder.accept_request(asked, (), "en")  # of what she read: travel alone
    shown = ann.holder.open_request(narrow.request_uri)
    assert (shown.hash, shown.terms(()).categories) == (wide.hash, (2, 4))
    with pytest.raises(NotFound):
        ann.holder.accept_request(shown, (), "en")
    # The control: an app that goes by the name the vault gives, and not by the text.
    decided = ann.holder.accept_request(replace(shown, hash=narrow.hash), (), "en")
    assert decided.grant
    assert (decided.grant.request, decided.grant.categories) == (narrow.hash, (2, 4))


def swap(world: World, one: Pushed, other: Pushed) -> None:
    """Let the operator put the text of another request under one's name."""
    operator = Operator(world)
    sql = "UPDATE requests SET text = (SELECT text FROM requests WHERE hash = ?) WHERE hash = ?"
    operator.run(sql, other.hash, one.hash)
    operator.run("DELETE FROM requests WHERE hash = ?", other.hash)


# Codes


@given(secret=st.binary(min_size=20, max_size=20), handle=st.binary(min_size=10, max_size=10))
def test_no_recovery_code_is_a_request_code_and_no_request_code_a_recovery_code(
    secret: bytes, handle: bytes
) -> None:
    """T51: they differ in length, so neither app field takes the other's."""
    code, short = write_code(secret), write_symbols(handle)
    for written in (code, code.lower(), code.replace("-", ""), f" {code} "):
        with pytest.raises(BadCode):
            read_name(written)
    with pytest.raises(BadCode):
        read_code(short)
    assert read_name(short) == handle.hex()
    assert read_code(code) == secret


def test_recovery_code_that_is_typed_as_a_request_never_leaves_the_device(world: World) -> None:
    """T51: the control is an app that lets the vault find out what was typed."""
    sent: list[httpx2.Request] = []
    ann = world.person("ann")
    code = write_code(b"\x09" * 20)
    world.client.event_hooks = {"request": [sent.append]}
    with pytest.raises(BadCode):
        ann.holder.open_request(code)
    assert sent == []
    with pytest.raises(NotFound):
        ann.holder._wire.post(f"/v1/holder/requests/{code}", "")
    assert [code in str(request.url) for request in sent] == [True]


# More than the template


def test_request_beyond_its_template_is_refused_at_the_vault_in_the_app_and_at_the_grant(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T52: three times the same check; the control is an app without it."""
    ann, city = world.person("ann"), world.cast.actors[CITY].key
    asked = asked_for(data_life_days=181)
    with pytest.raises(BeyondTemplate, match="data_life_days"):
        world.platform(CITY).ask(asked)
    handle = slip_in(world, city, asked)
    with pytest.raises(BeyondTemplate, match="data_life_days"):
        ann.holder.open_request(handle)
    monkeypatch.setattr(decisions, "check_terms", lambda *_: None)
    opened = ann.holder.open_request(handle)
    with pytest.raises(BeyondTemplate, match="data_life_days"):
        ann.holder.accept_request(opened, (), "en")


# Floods


def narrow(world: World, most: int) -> None:
    """Let each caller and each address ask so often at once, then once a minute."""
    few = (Bucket(most, 1) for _ in range(3))
    wraps, public, callers = few
    limits = calls.Limits(wraps, public, callers, Bucket(1_000, 1_000))
    world.app.state.service = replace(world.app.state.service, limits=limits)


def test_flood_by_one_key_stops_that_key_alone(world: World) -> None:
    """T53: 429 with the seconds to wait, before any rule or table; others go on."""
    ann, bob = world.person("ann"), world.person("bob")
    narrow(world, 5)
    for _ in range(5):
        ann.holder.grants()
    with pytest.raises(TooMany) as flooded:
        ann.holder.grants()
    assert 30 < flooded.value.wait <= 61
    assert bob.holder.grants() == []


def test_flood_with_ever_new_keys_stops_at_the_address(world: World) -> None:
    """T53: keys cost nothing to make, addresses do."""
    limits = replace(world.app.state.service.limits, addresses=Bucket(5, 1))
    world.app.state.service = replace(world.app.state.service, limits=limits)
    found = []
    for _ in range(7):
        try:
            world.wire(SigningKey(world.random(32))).get("/v1/events")
        except VaultError as refused:
            found.append(refused.slug)
    assert found == ["unknown-key"] * 5 + ["too-many"] * 2


def test_flood_on_public_doors_stops_one_address_alone(world: World) -> None:
    """T53: and what machines ask about the server stays open."""
    narrow(world, 5)
    here, there = (Inside(world.app, base_url=URL, client=(a, 1)) for a in ("203.0.113.7", "x"))
    url = "/authorize?client_id=city.demo&request_uri=none"
    answers = [here.get(path) for path in [url, "/v1/templates", "/v1/methodology"] * 2]
    assert [reply.status_code for reply in answers] == [404, 200, 200, 404, 200, 429]
    assert 30 < int(answers[-1].headers["retry-after"]) <= 61
    assert there.get("/v1/templates").status_code == 200
    assert {here.get(path).status_code for path in ("/healthz", "/readyz")} == {200}


def test_caller_with_patience_waits_and_gets_through(world: World) -> None:
    """T53: as long as it is told to, though no longer than half a minute at a time."""
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        narrow(world, 5)

    narrow(world, 0)
    key = world.cast.actors[CITY].key
    patient = Wire(URL, key, world.client, world.random, Patience(2, pause))
    assert patient.get("/v1/events").body["events"] == []
    assert len(waited) == 1
    assert 61 <= waited[0] <= LONGEST_PAUSE


# Slow bodies


def trickle(world: World, seconds: float) -> int:
    """Return the status for a body of which one byte comes, and then nothing, for so long."""
    said: list[Event] = []
    parts = [b"x"]

    async def receive() -> Event:
        if not parts:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    async def send(event: Event) -> None:
        said.append(event)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "https",
        "method": "POST",
        "path": "/v1/requests",
        "raw_path": b"/v1/requests",
        "query_string": b"",
        "headers": [],
        "server": ("vault.test", 443),
    }
    asyncio.run(asyncio.wait_for(world.app(scope, receive, send), seconds))
    return int(said[0]["status"])


def test_body_that_does_not_come_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T54: 408 when its time is over; the control is a server that waits longer than we do."""
    monkeypatch.setattr(calls, "BODY_SECONDS", 0.01)
    assert trickle(world, 5) == 408
    monkeypatch.setattr(calls, "BODY_SECONDS", 3600)
    with pytest.raises(TimeoutError):
        trickle(world, 0.1)


# What an operator sees


@pytest.mark.parametrize(("address", "status"), [("203.0.113.7", 404), ("127.0.0.1", 200)])
def test_metrics_are_for_callers_on_this_machine(world: World, address: str, status: int) -> None:
    """T55: for others there is no such route; counts are by declared route and hold no name."""
    ann, city = world.person("ann"), world.platform(CITY)
    pushed = city.ask(asked_for())
    ann.holder.open_request(pushed.code)
    reply = Inside(world.app, base_url=URL, client=(address, 1)).get("/metrics")
    assert reply.status_code == status
    assert handle_of(pushed) not in reply.text
    assert ("/v1/holder/requests/{handle}" in reply.text) == (status == 200)
