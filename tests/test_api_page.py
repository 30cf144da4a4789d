"""docs/api.md says what the server does: its code runs, its tables are those of the program."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent import events
from consent.app import wall_clock
from consent.demo.cast import CITY
from consent.doors import DOORS
from consent.log import http as log_http
from consent.messages import Grant
from tests.plays import PlayTown, good, request_letter
from tests.test_docs import read, section
from tests.town import KINDS
from tests.world import URL
from vault import calls, dpop
from vault import http as vault_http
from vault.encoding import read_envelope

PAGE = read("docs/api.md")
SEED = b"\x07" * 32


def rows(title: str, page: str = PAGE) -> list[list[str]]:
    """Return the cells of every row of the first table under a heading, without its head."""
    table = section(page, title).partition("\n|")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def told(page: str) -> set[tuple[str, str, str]]:
    """Return status, slug and meaning of every row of the error table."""
    found = rows("## Errors", page)
    return {(status, slug.strip("`"), meaning) for status, slug, meaning, *_ in found}


def test_the_error_table_is_the_tree() -> None:
    first = {kind: (kind.__doc__ or "").strip().splitlines()[0] for kind in KINDS.values()}
    tree = {
        (str(kind.status), slug, first[kind].replace("``", "`"))
        for slug, kind in KINDS.items()
        if kind.status
    }
    assert told(PAGE) == tree
    assert told(PAGE.replace("| 404 | `not-found` |", "| 410 | `not-found` |")) != tree


def test_every_error_says_what_to_do_and_whether_to_send_again() -> None:
    for _, slug, _, todo, again in rows("## Errors"):
        assert re.fullmatch(r"[A-Z].{10,}\.", todo), slug
        assert again, slug


def functions() -> dict[str, object]:
    """Return what the page's code defines, run as it stands."""
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        exec(block, names)
    return names


@pytest.mark.parametrize("body", [b"", b"a body"])
def test_the_proof_of_the_page_is_one_that_the_server_takes(body: bytes) -> None:
    make = functions()["dpop"]
    assert callable(make)
    key, url = Ed25519PrivateKey.from_private_bytes(SEED), f"{URL}/v1/events"
    proof = make(key, "POST", url, body)
    seen = dpop.Seen(wall_clock() - 1)
    public = dpop.check_proof(
        proof, dpop.Request("POST", url, body), lambda jti, iat: seen.take(jti, iat, wall_clock())
    )
    assert public == key.public_key().public_bytes_raw()


def test_the_page_is_enough_to_push_a_request() -> None:
    made = functions()
    sign, prove = made["jws"], made["dpop"]
    assert callable(sign)
    assert callable(prove)
    with PlayTown() as town:
        own = town.key(CITY)
        key = Ed25519PrivateKey.from_private_bytes(own.value)
        members = {**request_letter(town, "page").plain}
        text = sign(key, "cv1-request", members)
        read_envelope(text, "cv1-request").verify(own.public)
        proof = prove(key, "POST", f"{URL}/v1/requests", text.encode())
        reply = town.client.post("/v1/requests", content=text, headers={"DPoP": proof})
        assert reply.json()["expires_in"] == 600
        handle = reply.json()["request_uri"][-20:]
        path = f"/v1/requests/{handle}"
        again = town.client.get(path, headers={"DPoP": prove(key, "GET", URL + path)})
        assert again.json()["state"] == "open"


def test_the_pages_are_as_long_as_the_page_says() -> None:
    said = {row[0].strip("`"): row[2] for row in rows("## Pages")}
    assert said == {
        "GET /v1/events": str(events.PAGE),
        "GET /v1/holder/links/{link}/batches": str(vault_http.PAGE),
        "GET /v1/audit/entries": str(log_http.AUDIT_PAGE),
    }
    assert set(said) <= set(DOORS)


def test_the_limits_are_those_of_the_server() -> None:
    text = section(PAGE, "## Limits")
    assert calls.BODY_LIMIT == 2 * 1024 * 1024
    assert f"{calls.BODY_SECONDS} seconds" in text
    with PlayTown() as town:
        limits = town.app.state.service.limits
    for bucket in (limits.wraps, limits.public, limits.callers):
        most, rate = bucket._most, round(bucket._rate * 60)
        assert f"{rate} a minute" in text
        assert rate == most or f"{most} at once" in text


def test_cors_is_as_the_page_says() -> None:
    text = section(PAGE, "## Browsers and caches")
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
    with PlayTown() as town:
        preflight = town.client.options("/v1/time", headers=asked).headers
        answer = town.client.get("/v1/nothing", headers={"Origin": "https://page.example"}).headers
    for name in preflight["access-control-allow-methods"].split(", "):
        assert name in text
    for name in answer["access-control-expose-headers"].split(", "):
        assert f"`{name}`" in text
    assert preflight["access-control-max-age"] in text
    assert answer["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer


def test_caches_are_told_what_the_page_says() -> None:
    said = {row[0]: row[1].strip("`") for row in rows("## Browsers and caches")}
    asked = {
        "GET /log/checkpoint": "`GET /log/checkpoint`",
        "GET /log/{path}": "tiles of the log",
        "GET /openapi.json": "`GET /openapi.json`",
    }
    kept = "everything with a proof, every error, the time, the directory, wraps"
    asked |= {door: kept for door, found in DOORS.items() if found.by and door.startswith("GET")}
    asked |= dict.fromkeys(("GET /v1/time", "GET /v1/directory", "GET /v1/wraps/{wrap}"), kept)
    with PlayTown() as town:
        for door, row in asked.items():
            call = good(town, door)
            key = call.key
            reply = town.knock("GET", call.path, key=key)
            assert reply.headers["cache-control"] == said[row], door
        for path in ("/v1/templates", "/v1/methodology"):
            assert "cache-control" not in town.client.get(path).headers


def test_every_event_is_explained() -> None:
    named = {name for row in rows("## Events") for name in re.findall(r"`([a-z-]+)`", row[0])}
    assert named == set(get_args(events.Kind))


def test_every_member_of_a_grant_is_mapped() -> None:
    first = [row[0] for row in rows("## A grant as a consent record")]
    mapped = {member for cell in first for member in re.findall(r"`([a-z_.0-9-]+)`", cell)}
    members = set(Grant.model_fields) - {"notice"} | {"notice.sha256", "notice.locale"}
    assert members <= mapped
    assert mapped - members == {"cv1-revoke", "cv1-pause", "cv1-resume"}


def test_every_route_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`?]*?)`", PAGE))
    assert named
    assert named <= set(DOORS)
