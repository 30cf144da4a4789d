"""The OpenAPI 3.1 page: made from the table of doors, the messages and the routes' own words.

    GET /openapi.json      {"openapi":"3.1.0","paths":{"/v1/closes":{"post":{"summary":…

docs/openapi.json is the same page with one recorded exchange for each answer that it lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, cast

from fastapi import APIRouter, Depends, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from consent import health, methodology_http, requests_http, site_http
from consent import http as consent_http
from consent.doors import ANYBODY, DOORS, Door, Members, Plain, Problem, Raw, Signed
from consent.log import http as log_http
from consent.replies import JWS, Ready
from consent.replies import Problem as ProblemReply
from vault import http as vault_http
from vault.calls import limit_public
from vault.encoding import Json
from vault.errors import TooMany

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

PROBLEM = "application/problem+json"
JOSE = "application/jose"
Page = dict[str, Json]
router = APIRouter()


@router.get("/openapi.json", dependencies=[Depends(limit_public)])
def get_openapi() -> Response:
    """Return this page."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(_written(), media_type="application/json", headers=headers)


@cache
def _written() -> str:
    return json.dumps(describe(), ensure_ascii=False, separators=(",", ":"))


def _text(pattern: str, says: str) -> Page:
    return {"description": says, "schema": {"type": "string", "pattern": f"^{pattern}$"}}


def _number(least: int, most: int, says: str) -> Page:
    return {"description": says, "schema": {"type": "integer", "minimum": least, "maximum": most}}


PARAMETERS: Mapping[str, Page] = {
    "wrap": _text("[0-9a-f]{32}", "id of a wrap: 16 bytes in lower-case hex"),
    "link": _text("[0-9a-f]{32}", "id of a link: 16 bytes in lower-case hex"),
    "grant": _text("[0-9a-f]{32}", "id of a grant: 16 bytes in lower-case hex"),
    "handle": _text("[0-9a-f]{20}", "handle of a request: 10 bytes in lower-case hex"),
    "release": _text("[a-z0-9.-]{3,64}", "id of a methodology release"),
    "behaviour": _text("[a-z0-9._-]{3,64}", "id of a behaviour"),
    "path": _text(
        "([0-9a-z]{1,16}/)?tile/.+",
        "path of a tile as C2SP tlog-tiles names it, slashes included; the name of a later log"
        " stands before it",
    ),
    "version": _text("[0-9a-f]{16}", "version of the web app"),
    "file": _text("[a-z0-9._/-]+", "path of a file of the web app, slashes included"),
    "first": _number(0, 2**53 - 1, "where the page begins: `next` of the page before"),
    "after": _number(0, 2**53 - 1, "the cursor: `n` of the last event seen"),
    "life": _number(60, 86400, "seconds after which the wrap ends; without it, it stays"),
    "client_id": _text("[a-z0-9.-]{3,64}", "directory id of the platform"),
    "request_uri": _text("urn:carbonvault:request:[0-9a-f]{20}", "what POST /v1/requests answered"),
    "If-Match": _text('"(0|[1-9][0-9]{0,14})"', "the counter that the state stands at"),
}
_SECURITY: Page = {
    "DPoP": {
        "type": "apiKey",
        "in": "header",
        "name": "DPoP",
        "description": "Proof of the caller's Ed25519 key over this request (RFC 9449), without an"
        " access token; docs/api.md shows how it is made.",
    }
}


def own_routes() -> list[APIRoute]:
    """Return every route of the server, in the order it is declared."""
    routers = (
        vault_http.router,
        consent_http.router,
        requests_http.router,
        methodology_http.router,
        log_http.router,
        site_http.router,
        health.router,
        router,
    )
    return [r for each in routers for r in each.routes if isinstance(r, APIRoute)]


def name_of(route: APIRoute) -> str:
    """Return a route as the table of doors names it: ``POST /v1/closes``."""
    return f"{min(route.methods or ())} {route.path_format}"


def describe() -> Page:
    """Return the page; raises KeyError for a route that the table of doors does not list."""
    paths: dict[str, Json] = {}
    for route in own_routes():
        name = name_of(route)
        method, _, path = name.partition(" ")
        methods = cast("Page", paths.setdefault(path, {}))
        methods[method.lower()] = _operation(route, DOORS[name])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Carbon Vault",
            "version": "1",
            "description": "How to call a vault is told in docs/api.md, what is sent and signed in"
            " docs/protocol.md.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _SECURITY},
    }


def _operation(route: APIRoute, door: Door) -> Page:
    words = " ".join((route.endpoint.__doc__ or "").split())
    proof: Json = {"DPoP": []}
    found: Page = {
        "operationId": route.name,
        "tags": [door.by or "anybody"],
        "summary": words.rstrip("."),
        "security": [proof] if door.by != ANYBODY else [],
        "responses": _responses(door),
    }
    if parameters := _parameters(route, door):
        found["parameters"] = parameters
    if door.takes is not None:
        found["requestBody"] = {"required": True, "content": _body(door.takes)}
    return found


def _parameters(route: APIRoute, door: Door) -> list[Json]:
    places = {"path": route.param_convertors, "query": door.query, "header": door.headers}
    found: list[Json] = []
    for place, names in places.items():
        for name in names:
            bare, required = name.rstrip("!"), place == "path" or name.endswith("!")
            found.append({"name": bare, "in": place, "required": required, **PARAMETERS[bare]})
    return found


def _body(takes: Signed | Members | Raw) -> Page:
    if isinstance(takes, Raw):
        raw: Page = {"type": "string", "format": "binary", "maxLength": takes.most}
        return {"application/octet-stream": {"schema": {**raw, "description": takes.says}}}
    if isinstance(takes, Members):
        return {"application/json": {"schema": _ref(takes.shape)}}
    said: list[Json] = [{"typ": m.typ, "payload": _ref(m)} for m in takes.messages]
    names = " or ".join(each.typ for each in takes.messages)
    text: Page = {"type": "string", "pattern": f"^{JWS}$", "description": f"compact JWS: {names}"}
    text["x-jws"] = said
    return {JOSE: {"schema": text}}


def _ref(shape: type[BaseModel]) -> Page:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _responses(door: Door) -> Page:
    good: Page = {"description": "OK", "content": _good(door.gives)}
    if door.etag:
        good["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "the counter"}}
    found: Page = {"200": good}
    if door.fails:
        found["503"] = {"description": "not ready", "content": _good(Ready)}
    by_status = sorted(door.problems, key=lambda kind: (kind.status or 0, kind.slug))
    for status, kinds in groupby(by_status, key=lambda kind: kind.status or 0):
        found[str(status)] = _refusal(status, [*kinds])
    return found


def _good(gives: type[BaseModel] | Plain) -> Page:
    if not isinstance(gives, Plain):
        return {"application/json": {"schema": _ref(gives)}}
    kind = "object" if gives.media.endswith("json") else "string"
    schema: Page = {"type": kind, "description": gives.says}
    if gives.media == "application/octet-stream":
        schema["format"] = "binary"
    return {gives.media: {"schema": schema}}


def _refusal(status: int, kinds: list[Problem]) -> Page:
    slugs: list[Json] = [kind.slug for kind in kinds]
    own: Page = {"properties": {"type": {"enum": slugs}, "status": {"const": status}}}
    found: Page = {
        "description": " ".join(f"`{kind.slug}`: {kind.en}" for kind in kinds),
        "content": {PROBLEM: {"schema": {"allOf": [_ref(ProblemReply), own]}}},
    }
    if TooMany in kinds:
        wait: Page = {"schema": {"type": "string"}, "description": "seconds to wait"}
        found["headers"] = {"Retry-After": wait}
    return found


class _AsWritten(GenerateJsonSchema):
    """Schemas of what is on the wire: a member that is not set stays away, null is not written."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = schema["schema"]
        if schema.get("default", ...) is None and inner["type"] == "nullable":
            return self.generate_inner(inner["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False


def _schemas() -> Page:
    """Return every message and answer by name; answers stay open for members to come."""
    sent = _named(_sent())
    answered = _named(_answered())
    for schema in answered.values():
        cast("Page", schema).pop("additionalProperties", None)
    return dict(sorted({**answered, **sent}.items()))


def _named(shapes: Iterable[type[BaseModel]]) -> Page:
    mode: JsonSchemaMode = "serialization"
    wanted = [(shape, mode) for shape in dict.fromkeys(shapes)]
    _, found = models_json_schema(
        wanted, ref_template="#/components/schemas/{model}", schema_generator=_AsWritten
    )
    return cast("Page", found["$defs"])


def _sent() -> Iterator[type[BaseModel]]:
    for door in DOORS.values():
        if isinstance(door.takes, Signed):
            yield from door.takes.messages
        elif isinstance(door.takes, Members):
            yield from (door.takes.shape, *door.takes.inside.values())


def _answered() -> Iterator[type[BaseModel]]:
    yield from (ProblemReply, Ready)
    for door in DOORS.values():
        if not isinstance(door.gives, Plain):
            yield door.gives
