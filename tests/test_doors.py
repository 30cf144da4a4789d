"""Every door of the server: who may knock and how, and that nothing is half-written."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from functools import partial
from hashlib import sha256

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route
from starlette.types import Message as Event

from consent import health, methodology_http, openapi, requests_http, site_http
from consent import http as consent_http
from consent.app import wall_clock
from consent.demo.cast import AUDITOR, BANK, CITY, VAULT
from consent.log import http as log_http
from tests.edwards import TORSION, encode
from tests.town import (
    BY_NAME,
    DOORS,
    LETTERS,
    OTHER_ID,
    PAGED,
    PROVED,
    SOURCE_UNLINK,
    STRANGER,
    WRAP,
    Door,
    Kind,
    Town,
    ask_letter,
    audit_texts,
    batch_letter,
    check_body,
    check_problem,
    check_refused,
    close_letter,
    each_jws,
    each_post,
    each_proved,
    grant_letter,
    handle_of,
    jws,
    letter,
    link_text,
    page_of,
    path_of,
    post,
    posted,
    reject_letter,
    rows,
    send,
    signed_by,
    taken_at,
    token_letter,
    touched,
)
from tests.world import EAST, URL, WEST
from vault import dpop
from vault import http as vault_http
from vault.crypto.keys import SigningKey, consent_key
from vault.encoding import JsonIn, b64u, compact_json, sign_jws, unb64u
from vault.errors import (
    BadJws,
    BadShape,
    BadType,
    NotFound,
    StaleProof,
    StateChanged,
    TooLarge,
    UnknownKey,
)


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """One town for everything that leaves no trace."""
    with Town() as town:
        yield town


@pytest.fixture
def fresh() -> Iterator[Town]:
    """A town of its own for a test that changes it."""
    with Town() as town:
        yield town


def own_routes(routes: list[BaseRoute]) -> set[tuple[str, str]]:
    return {
        (method, route.path)
        for route in routes
        if isinstance(route, Route | APIRoute)
        for method in route.methods or ()
        if method != "HEAD"
    }


def test_every_route_of_the_app_is_in_the_table(town: Town) -> None:
    routers = (
        vault_http.router,
        consent_http.router,
        requests_http.router,
        methodology_http.router,
        log_http.router,
        site_http.router,
        health.router,
        openapi.router,
    )
    included = [router.routes for router in routers]
    found = own_routes(town.app.routes).union(*map(own_routes, included))
    assert found == {(door.method, door.path) for door in DOORS}
    others = [route for route in town.app.routes if not isinstance(route, Route | APIRoute)]
    assert len(others) == len(included)


def test_every_letter_is_taken_as_it_stands(fresh: Town) -> None:
    """Without this, a refusal in the tests below might have another reason."""
    for typ, make in LETTERS.items():
        before = rows(fresh.database)
        reply = send(fresh, make(fresh))
        assert reply.status_code == 200, (typ, reply.text)
        assert reply.headers["cache-control"] == "no-store"
        assert touched(fresh, before) != set()


def test_every_good_answer_is_json_that_no_cache_keeps(town: Town) -> None:
    for door in PROVED:
        if door.method == "GET":
            reply = post(town, door, b"")
            assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
            assert reply.headers["cache-control"] == "no-store"


# DPoP


def header_of(key: bytes, alg: str = "Ed25519", typ: str = "dpop+jwt") -> str:
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{b64u(key)}"}}'
    return f'{{"alg":"{alg}","jwk":{jwk},"typ":"{typ}"}}'


def bad_proofs(method: str, url: str, body: bytes, key: SigningKey) -> dict[str, str]:
    """Return one proof for each way to be wrong; `body` is not empty."""
    now, jti = wall_clock(), b64u(b"j" * 16)
    right: dict[str, JsonIn] = {
        "jti": jti,
        "htm": method,
        "htu": url,
        "iat": now,
        "bh": b64u(sha256(body).digest()),
    }
    head = header_of(key.public)

    def made(header: str = head, signer: SigningKey = key, **changed: JsonIn) -> str:
        claims = {name: c for name, c in {**right, **changed}.items() if c is not None}
        return jws("", compact_json(claims), signer, header)

    return {
        "stale": made(iat=now - 120),
        "future": made(iat=now + 120),
        "wrong htm": made(htm="PATCH"),
        "htm in lower case": made(htm=method.lower()),
        "wrong htu": made(htu=url + "/"),
        "htu of another host": made(htu=url.replace("vault.test", "other.test")),
        "htu without https": made(htu=url.replace("https", "http")),
        "wrong body hash": made(bh=b64u(bytes(32))),
        "no body hash": made(bh=None),
        "no jti": made(jti=None),
        "a claim too many": made(ath="x"),
        "low-order key": made(header_of(encode(TORSION[1]))),
        "key off the curve": made(header_of((2).to_bytes(32, "little"))),
        "another key's signature": made(signer=STRANGER),
        "EdDSA": made(header_of(key.public, alg="EdDSA")),
        "none": made(header_of(key.public, alg="none")),
        "another typ": made(header_of(key.public, typ="jwt")),
        "not ASCII": "é" + made(),
        "two segments": made().rpartition(".")[0],
        "padded": made() + "=",
        "a message instead": sign_jws("cv1-account", right, key),
        "empty": "",
    }


@each_proved
def test_no_door_opens_without_a_right_proof(town: Town, door: Door) -> None:
    path, key = path_of(town, door), town.key(door.by)
    body = letter(town, door).body() if door.takes else b"body"
    for proof in bad_proofs(door.method, URL + path, body, key).values():
        headers = [(b"DPoP", proof.encode("latin-1"))]
        ask = partial(town.client.request, door.method, path, content=body, headers=headers)
        check_refused(town, ask, StaleProof)


@each_proved
def test_no_door_opens_with_no_proof_or_two(town: Town, door: Door) -> None:
    path, key = path_of(town, door), town.key(door.by)
    body = letter(town, door).body() if door.takes else b"body"
    request = dpop.Request(door.method, URL + path, body)
    right = dpop.prove(key, request, wall_clock(), b"\x01" * 16)
    for proofs in ([], [right, right], [right, "x"]):
        headers = [("DPoP", proof) for proof in proofs]
        ask = partial(town.client.request, door.method, path, content=body, headers=headers)
        check_refused(town, ask, StaleProof)
    with_token = {"DPoP": f"{right}, {right}", "Authorization": "DPoP x"}
    ask = partial(town.client.request, door.method, path, content=body, headers=with_token)
    check_refused(town, ask, StaleProof)


@each_proved
def test_a_proof_is_taken_once(town: Town, door: Door) -> None:
    path, body = path_of(town, door), b"" if door.method == "GET" else b"no message"
    if "{wrap}" in door.path:
        path = f"/v1/holder/wraps/{OTHER_ID.hex()}x"
    request = dpop.Request(door.method, URL + path, body)
    proof = dpop.prove(town.key(door.by), request, wall_clock(), town.random(16))
    ask = partial(
        town.client.request, door.method, path, content=body or None, headers={"DPoP": proof}
    )
    assert ask().json().get("type") != StaleProof.slug
    check_refused(town, ask, StaleProof)


@each_proved
def test_a_proof_is_for_the_path_that_is_called_whatever_host_or_query_say(
    town: Town, door: Door
) -> None:
    path = path_of(town, door)
    request = dpop.Request(door.method, URL + "/v1/other", b"")
    proof = dpop.prove(town.key(door.by), request, wall_clock(), town.random(16))
    for host in ("vault.test/v1/other?", "vault.test/v1/other#", "["):
        headers = {"DPoP": proof, "Host": host}
        ask = partial(town.client.request, door.method, path, headers=headers)
        check_refused(town, ask, StaleProof)


@each_proved
def test_a_key_that_stands_nowhere_gets_nothing(town: Town, door: Door) -> None:
    body = letter(town, door).body() if door.takes else b""
    headers = {"If-Match": '"0"'}
    path = path_of(town, door)
    if door.takes == "cv1-directory":
        return
    if door.stranger:
        ask = partial(town.knock, door.method, path, body, STRANGER, headers)
        check_refused(town, ask, door.stranger)
    else:
        found = town.knock(door.method, path, body, STRANGER).json()
        assert found.pop("next", None) is None  # where the list comes in pages
        assert [*found.values()] == [[]]


@pytest.mark.parametrize("name", [VAULT, AUDITOR, WEST, BANK, CITY, EAST, "ann"])
def test_a_door_of_one_role_is_closed_to_the_others(town: Town, name: str) -> None:
    """Who has the role, but nothing behind the door, gets the same 404 as for unknown."""
    same_role = {EAST: (WEST,), CITY: (BANK,), AUDITOR: ()}
    for door in PROVED:
        if door.by not in same_role or name == door.by or door.takes == "cv1-directory":
            continue
        body = letter(town, door).body() if door.takes else b""
        wanted = door.peer if name in same_role[door.by] else UnknownKey
        if wanted is None:
            assert [] in post(town, door, body, name).json().values()
        else:
            check_refused(town, partial(post, town, door, body, name), wanted)


@pytest.mark.parametrize(
    ("typ", "wanted"),
    [
        ("cv1-account", BadShape),
        ("cv1-attach", UnknownKey),
        ("cv1-bind", UnknownKey),
        ("cv1-grant", UnknownKey),
        ("cv1-token", NotFound),
        ("cv1-revoke", NotFound),
        ("cv1-pause", NotFound),
        ("cv1-resume", NotFound),
        ("cv1-unlink", NotFound),
        ("cv1-reject", NotFound),
        ("cv1-erase", UnknownKey),
    ],
)
def test_a_holders_message_is_not_taken_from_another_holder(
    town: Town, typ: str, wanted: Kind
) -> None:
    door = BY_NAME[typ]
    body = letter(town, door).body()
    check_refused(town, lambda: post(town, door, body, "bob"), wanted)


# Property 11: every kind at every door

WORDS = """account bind attach erase unlink link batch close request reject grant token revoke pause
resume receipt absent refusal release figure erased web directory report"""
TYPES = [f"cv1-{name}" for name in WORDS.split()]


@each_jws
def test_every_other_kind_is_a_bad_type_at_every_door(town: Town, door: Door) -> None:
    found = letter(town, door)
    for typ in TYPES:
        if typ not in taken_at(door):
            check_body(town, door, found.body(typ=typ), BadType)
    check_body(town, door, found.body(typ="cv2-batch"), BadType)


@each_jws
def test_every_real_message_is_a_bad_type_at_every_other_door(town: Town, door: Door) -> None:
    logged = audit_texts(town)
    texts = [make(town).body().decode() for typ, make in LETTERS.items() if typ != "ask"]
    for text in [*logged, *texts, link_text(town, OTHER_ID)]:
        typ = "" if text.startswith("{") else json.loads(_header(text))["typ"]
        if typ and typ not in taken_at(door):
            check_body(town, door, posted(door.takes, text), BadType)


def _header(text: str) -> bytes:
    return unb64u(text.partition(".")[0])


# Keys


@each_jws
def test_a_message_under_an_unknown_key_is_refused(town: Town, door: Door) -> None:
    # An account is known by the key it brings along: there the two do not fit.
    wanted = BadJws if door.takes == "cv1-account" else UnknownKey
    check_body(town, door, signed_by(letter(town, door), STRANGER), wanted)


@each_jws
def test_a_signature_by_another_key_than_the_kid_names_is_refused(town: Town, door: Door) -> None:
    found = letter(town, door)
    check_body(town, door, signed_by(found, STRANGER, found.key), BadJws)
    check_body(town, door, signed_by(found, town.key(BANK), found.key), BadJws)


@pytest.mark.parametrize("typ", ["cv1-batch", "cv1-close", SOURCE_UNLINK])
@pytest.mark.parametrize("name", [WEST, BANK, CITY, AUDITOR, VAULT, "ann", "cid"])
def test_a_sources_message_by_another_party_is_refused(town: Town, typ: str, name: str) -> None:
    door = BY_NAME[typ]
    check_body(town, door, signed_by(letter(town, door), town.key(name)), UnknownKey)


@pytest.mark.parametrize("name", [EAST, BANK, VAULT, "ann"])
def test_a_directory_by_another_party_is_refused(town: Town, name: str) -> None:
    door = BY_NAME["cv1-directory"]
    check_body(town, door, signed_by(letter(town, door), town.key(name)), UnknownKey)


@pytest.mark.parametrize("name", [EAST, BANK, VAULT, AUDITOR, "ann"])
def test_an_unlink_by_another_party_is_refused_at_the_holders_door(town: Town, name: str) -> None:
    door = BY_NAME["cv1-unlink"]
    check_body(town, door, signed_by(letter(town, door), town.key(name)), UnknownKey)


@pytest.mark.parametrize("typ", ["cv1-grant", "cv1-token", "cv1-pause", "cv1-resume", "cv1-revoke"])
def test_a_consent_by_another_key_of_the_same_holder_is_refused(town: Town, typ: str) -> None:
    door = BY_NAME[typ]
    others = [
        town.key("ann"),
        consent_key(town.ann.root, BANK),
        consent_key(town.bob.root, CITY),
        town.key(CITY),
    ]
    for key in others:
        check_body(town, door, signed_by(letter(town, door), key), UnknownKey)


@pytest.mark.parametrize("typ", ["cv1-bind", "cv1-attach", "cv1-unlink", "cv1-reject", "cv1-erase"])
def test_what_only_the_account_key_signs_is_refused_by_a_consent_key(town: Town, typ: str) -> None:
    door = BY_NAME[typ]
    people = {"ann": town.ann, "cid": town.cid, "dan": town.dan}
    for key in (consent_key(people[door.by].root, CITY), town.key("bob")):
        check_body(town, door, signed_by(letter(town, door), key), UnknownKey)


def test_a_grant_names_the_key_that_signs_it(town: Town) -> None:
    found = grant_letter(town).changed(pk=b64u(STRANGER.public))
    check_body(town, BY_NAME["cv1-grant"], found.body(), BadShape)


# Bodies that are too large


def limit_of(door: Door) -> int:
    return {"/v1/holder/wraps/{wrap}": 256, "/v1/holder/state": 1 << 20}.get(door.path, 1 << 21)


@each_proved
def test_a_body_over_the_limit_is_too_large(town: Town, door: Door) -> None:
    path, key, headers = path_of(town, door), town.key(door.by), {"If-Match": '"3"'}
    if door.takes_body:
        body = b"x" * (limit_of(door) + 1)
        check_refused(town, lambda: town.knock(door.method, path, body, key, headers), TooLarge)
    over = b"x" * ((1 << 21) + 1)
    check_refused(town, lambda: town.knock(door.method, path, over), TooLarge)


@each_post
def test_a_body_of_the_limit_is_read_and_no_message(town: Town, door: Door) -> None:
    wanted = BadShape if door.takes in ("ask", "cv1-token") else BadJws
    check_body(town, door, b"x" * limit_of(door), wanted)


def spoken(
    town: Town, scope: dict[str, object], part: bytes, endless: bool
) -> tuple[int, bytes, int]:
    """Return status, body and how many parts of the request were read, over bare ASGI."""
    said: list[Event] = []
    read = 0

    async def receive() -> Event:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": part, "more_body": endless}

    async def send(event: Event) -> None:
        said.append(event)

    whole = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "https",
        "query_string": b"",
        "headers": [],
        "server": ("vault.test", 443),
        **scope,
    }
    asyncio.run(town.app(whole, receive, send))
    body = b"".join(event.get("body", b"") for event in said)
    return int(said[0]["status"]), body, read


@each_proved
def test_an_endless_body_in_chunks_is_refused_without_reading_on(town: Town, door: Door) -> None:
    path, before = path_of(town, door), rows(town.database)
    chunk = bytes(64 * 1024)
    scope: dict[str, object] = {
        "method": door.method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [(b"transfer-encoding", b"chunked")],
    }
    status, body, read = spoken(town, scope, chunk, endless=True)
    assert (status, json.loads(body)["type"]) == (413, TooLarge.slug)
    assert read == (1 << 21) // len(chunk) + 1
    assert touched(town, before) == set()


def test_a_query_that_is_no_utf8_is_no_fault_of_the_server(town: Town) -> None:
    scope: dict[str, object] = {
        "method": "GET",
        "path": "/v1/holder/links",
        "raw_path": b"/v1/holder/links",
        "query_string": b"\xff=\xfe",
    }
    proof = dpop.prove(
        town.key("ann"), dpop.Request("GET", f"{URL}/v1/holder/links", b""), wall_clock(), b"q" * 16
    )
    scope["headers"] = [(b"dpop", proof.encode())]
    assert spoken(town, scope, b"", endless=False)[0] == 200


# Paths, queries, methods

ODD_IDS = [
    "0" * 31,
    "0" * 33,
    "0" * 64,
    "A" * 32,
    "g" * 32,
    "0" * 31 + "G",
    " " + "0" * 31,
    "%00" * 32,
    "%ff" * 32,
    "0x" + "0" * 30,
    "-1",
    "1",
    "..",
    "%2e%2e",
    "٠" * 32,
    "0" * 15 + "%0a" + "0" * 16,
    "x" * 3000,
    "' OR 1=1 --",
]
NAMED = [door for door in DOORS if re.search(r"\{(wrap|link|grant|handle)\}", door.path)]


def named(door: Door, name: str) -> str:
    return re.sub(r"\{\w+\}", name.replace("\\", ""), door.path)


@pytest.mark.parametrize("door", NAMED, ids=str)
def test_an_id_of_another_form_unknown_or_not_yours_is_one_and_the_same_404(
    town: Town, door: Door
) -> None:
    key = town.key(door.by) if door.by else None
    body = letter(town, door).body() if door.takes else b""
    # For a source, a link of the other one; for a holder, a link of another one.
    other = town.ann.links[WEST] if door.by == EAST else town.bob.links[EAST]
    not_yours = {"link": other, "grant": OTHER_ID, "wrap": OTHER_ID, "handle": OTHER_ID[:10]}
    kind = re.search(r"\{(\w+)\}", door.path)
    assert kind
    names = [*ODD_IDS, OTHER_ID.hex(), not_yours[kind[1]].hex()]
    if door.method == "PUT":
        names = ODD_IDS
    if door.method != "GET" and door.path.endswith("}"):
        names = [name for name in names if name != ".."]  # the client takes it for another path
    before, found = rows(town.database), set()
    for name in names:
        reply = town.knock(door.method, named(door, name), body, key)
        check_problem(reply, NotFound)
        found.add(reply.content)
    assert touched(town, before) == set()
    assert found == {town.knock("GET", "/v1/unknown").content}


def test_somebody_elses_is_the_same_404_as_nobodys(town: Town) -> None:
    ann, grant = town.key("ann"), town.granted.grant.hex()
    bobs, asked = town.bob.links[EAST].hex(), handle_of(town.asked)
    ask = ask_letter(town)
    replies = [
        town.knock("GET", f"/v1/links/{town.anns.hex()}", key=town.key(WEST)),
        town.knock("GET", f"/v1/holder/links/{bobs}/batches", key=ann),
        town.knock("GET", f"/v1/holder/links/{bobs}/closes", key=ann),
        town.knock("GET", f"/v1/grants/{grant}", key=town.key(BANK)),
        town.knock("POST", f"/v1/grants/{grant}/deleted", key=town.key(BANK)),
        town.knock("POST", f"/v1/holder/grants/{grant}/deletion", key=town.key("bob")),
        town.knock("GET", f"/v1/requests/{asked}", key=town.key(BANK)),
        town.knock("POST", f"/v1/holder/requests/{asked}", key=town.key("bob")),
        town.knock("POST", f"/v1/holder/requests/{asked}/decline", key=town.key("bob")),
        town.knock("GET", town.asked.url.removeprefix(URL).replace(CITY, BANK)),
        town.knock("DELETE", f"/v1/holder/wraps/{WRAP.hex()}", key=town.key("bob")),
        town.knock("POST", f"/v1/links/{town.cid.links[EAST].hex()}/unlink", key=town.key(WEST)),
        *(
            post(town, BY_NAME[typ], LETTERS[typ](town).body(), "bob")
            for typ in ("cv1-revoke", "cv1-pause", "cv1-resume", "cv1-unlink", "cv1-reject")
        ),
        send(town, reject_letter(town).changed(close=OTHER_ID.hex() * 2)),
        send(town, grant_letter(town).changed(replaces=OTHER_ID.hex())),
        post(town, BY_NAME["cv1-token"], token_letter(town).body(), "bob"),
        post(town, BY_NAME["ask"], ask.body(), BANK),
        post(town, BY_NAME["ask"], ask.changed(grant=OTHER_ID.hex()).body()),
        post(town, BY_NAME["cv1-batch"], batch_letter(town).body(), WEST),
        send(town, batch_letter(town).changed(link=OTHER_ID.hex())),
        send(town, close_letter(town).changed(link=OTHER_ID.hex())),
        send(town, token_letter(town).changed(grant=OTHER_ID.hex())),
        send(town, token_letter(town).changed(cells=[[OTHER_ID.hex(), ["2026-04"]]])),
        send(town, token_letter(town).changed(cells=[[bobs, ["2026-04"]]])),
        town.knock("GET", f"/v1/wraps/{OTHER_ID.hex()}"),
    ]
    for reply in replies:
        check_problem(reply, NotFound)
    assert len({reply.content for reply in replies}) == 1


@pytest.mark.parametrize("door", PAGED, ids=str)
@pytest.mark.parametrize(
    "first",
    ["-1", "9007199254740992", "9223372036854775808", "1" + "0" * 400, "x", "1.5", "", "0x1", "١a"],
)
def test_a_page_number_of_another_form_is_refused(town: Town, door: Door, first: str) -> None:
    path = page_of(town, door, first)
    check_refused(town, lambda: town.knock("GET", path, key=town.key(door.by)), BadShape)


@pytest.mark.parametrize("door", PAGED, ids=str)
def test_a_page_beyond_the_end_is_empty(town: Town, door: Door) -> None:
    path = page_of(town, door, str(2**53 - 1))
    found = town.knock("GET", path, key=town.key(door.by)).json()
    assert [] in found.values()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "client_id=city.demo",
        "request_uri=urn:carbonvault:request:00",
        "clientid=city.demo&requesturi=x",
    ],
)
def test_handing_over_wants_a_client_and_a_request(town: Town, query: str) -> None:
    check_refused(town, lambda: town.knock("GET", f"/authorize?{query}"), BadShape)


@pytest.mark.parametrize("uri", ["", "x", "urn:carbonvault:request:", "https://evil.test/r", "%00"])
def test_a_request_uri_that_nobody_was_given_is_the_404_of_all(town: Town, uri: str) -> None:
    path = f"/authorize?client_id={CITY}&request_uri={uri}"
    check_refused(town, lambda: town.knock("GET", path), NotFound)


@pytest.mark.parametrize(
    "life", ["", "59", "86401", "0", "-600", "600.5", "x", "0x100", "1" + "0" * 400, "600,600"]
)
def test_a_wraps_life_of_another_form_or_length_is_refused(town: Town, life: str) -> None:
    path = f"/v1/holder/wraps/{OTHER_ID.hex()}?life={life}"
    check_refused(town, lambda: town.knock("PUT", path, b"blob", town.key("ann")), BadShape)


ELSEWHERE = [
    ("GET", "/app/"),
    ("GET", "/index.html"),
    ("POST", "/"),
    ("PUT", "/"),
    ("GET", "/v1"),
    ("GET", "/v1/"),
    ("GET", "/v2/time"),
    ("GET", "/v1/time/"),
    ("GET", "//v1/time"),
    ("GET", "/V1/time"),
    ("GET", "/v1/holder"),
    ("GET", "/v1/requests"),
    ("GET", "/v1/requests/"),
    ("GET", "/authorize/"),
    ("POST", "/authorize"),
    ("POST", "/metrics"),
    ("GET", "/healthz/"),
    ("GET", "/v1/holder/links/"),
    ("GET", "/log"),
    ("GET", "/log/"),
    ("GET", "/docs"),
    ("GET", "/redoc"),
    ("POST", "/v1/time"),
    ("POST", "/v1/holder/state"),
    ("POST", "/log/checkpoint"),
    ("PUT", "/v1/closes"),
    ("PATCH", "/v1/closes"),
    ("PUT", "/v1/holder"),
    ("DELETE", "/v1/holder/"),
    ("POST", "/v1/holder/wraps"),
    ("POST", "/v1/holder/releases"),
    ("DELETE", "/v1/holder/links"),
    ("GET", "/v1/holder/links/{link}/unlink"),
    ("GET", "/v1/holder/links/{link}/reject"),
    ("GET", "/v1/links/{link}/unlink"),
    ("POST", "/v1/links/{link}/reject"),
    ("DELETE", "/v1/links/{link}"),
    ("HEAD", "/v1/time"),
    ("OPTIONS", "/v1/time"),
    ("TRACE", "/v1/time"),
    ("BREW", "/v1/time"),
]


@pytest.mark.parametrize(("method", "path"), ELSEWHERE)
def test_an_unknown_route_or_method_is_a_404_like_all_others(
    town: Town, method: str, path: str
) -> None:
    before = rows(town.database)
    path = path.replace("{link}", town.anns.hex())
    reply = town.client.request(method, path, content=b"x", follow_redirects=False)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    if method != "HEAD":
        check_problem(reply, NotFound)
    assert touched(town, before) == set()


@pytest.mark.parametrize(
    "named",
    [
        '"9999999999999999"',
        '""3""',
        '"3 "',
        "'3'",
        "",
        "3",
        '"',
        '""',
        '"x"',
        'W/"3"',
        '"-1"',
        '"+3"',
        '"03"',
        '"3.0"',
        '"3", "3"',
        "*",
    ],
)
def test_if_match_names_one_counter_in_its_only_form(town: Town, named: str) -> None:
    headers = {"If-Match": named} if named else {}
    put = partial(town.knock, "PUT", "/v1/holder/state", b"state", town.key("ann"), headers)
    check_refused(town, put, BadShape)


def test_a_state_moves_from_the_counter_that_stands_and_no_other(fresh: Town) -> None:
    path, ann = "/v1/holder/state", fresh.key("ann")
    stands = int(fresh.knock("GET", path, key=ann).headers["etag"].strip('"'))
    for other in (0, stands - 1, stands + 1, 10**14):
        headers = {"If-Match": f'"{other}"'}
        check_refused(
            fresh, partial(fresh.knock, "PUT", path, b"state", ann, headers), StateChanged
        )
    headers = {"If-Match": f'"{stands}"'}
    assert fresh.knock("PUT", path, b"state", ann, headers).headers["etag"] == f'"{stands + 1}"'
    check_refused(fresh, lambda: fresh.knock("PUT", path, b"state", ann, headers), StateChanged)
