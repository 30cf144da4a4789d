"""The OpenAPI page: what it lists is what the server does, and its examples were recorded."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import cast

import jsonschema_rs
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from consent.doors import DOORS
from consent.openapi import Page, name_of, own_routes
from tests.openapi_examples import FILE, inside, operation, written
from tests.plays import GOOD, refusals
from tests.town import KINDS
from tests.world import World
from vault.encoding import Json, b64u

REFUSAL = "application/problem+json"
FREE = ("GET /openapi", "GET /v1/templates", "GET /manifest")
"""Objects that the page leaves open."""


@pytest.fixture(scope="module")
def page() -> Page:
    found: Page = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def test_the_committed_page_is_what_the_server_says_with_exchanges_recorded_anew() -> None:
    """After a change: ./run python -m tests.openapi_examples."""
    assert FILE.read_text(encoding="utf-8") == written()


def test_the_server_serves_the_page_without_examples_to_anybody(page: Page) -> None:
    with World() as world:
        reply = world.client.get("/openapi.json")
        elsewhere = [world.client.get(path).status_code for path in ("/docs", "/redoc")]
    assert elsewhere == [404, 404]
    assert reply.headers["cache-control"] == "public, max-age=3600"
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == without_examples(page)


def without_examples(found: Json) -> Json:
    if isinstance(found, list):
        return [without_examples(item) for item in found]
    if not isinstance(found, dict):
        return found
    kept = {n: without_examples(item) for n, item in found.items()}
    return {n: item for n, item in kept.items() if n not in ("example", "examples")}


def test_the_page_is_openapi_3_1(page: Page) -> None:
    assert page["openapi"] == "3.1.0"
    assert [*OPENAPI_31_VALIDATOR.iter_errors(page)] == []
    broken = copy.deepcopy(page)
    inside(broken, "info").pop("title")
    assert [*OPENAPI_31_VALIDATOR.iter_errors(broken)] != []


def test_the_table_of_doors_lists_every_route_and_no_other(page: Page) -> None:
    routes = [name_of(route) for route in own_routes()]
    assert sorted(routes) == sorted(DOORS) == sorted(GOOD)
    paths = inside(page, "paths")
    assert sorted(routes) == sorted(
        f"{method.upper()} {path}" for path in paths for method in inside(paths, path)
    )


def test_every_parameter_of_a_route_is_listed(page: Page) -> None:
    for route in own_routes():
        taken = {field.alias for each in _dependants(route) for field in each.query_params}
        said = {name.rstrip("!") for name in DOORS[name_of(route)].query}
        assert taken == said, route.path


def _dependants(route: APIRoute) -> Iterator[Dependant]:
    """Yield a route's dependant and all that it depends on."""
    waiting = [route.dependant]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += found.dependencies


def test_every_answer_of_every_door_is_recorded(page: Page) -> None:
    for door, found in DOORS.items():
        said = operation(page, door)
        statuses = {200, *((503,) if found.fails else ())}
        statuses |= {kind.status or 0 for kind in found.problems}
        assert {int(status) for status in inside(said, "responses")} == statuses, door
        assert "recorded" in examples(page, door, 200)
        if found.takes is not None:
            (content,) = inside(said, "requestBody", "content").values()
            assert "recorded" in inside(content, "examples")
    for door, kind in refusals():
        assert kind.slug in examples(page, door, kind.status or 0), (door, kind)


def examples(page: Page, door: str, status: int) -> Page:
    (content,) = inside(operation(page, door), "responses", str(status), "content").values()
    return inside(content, "examples")


def test_every_problem_that_the_vault_can_answer_is_listed_at_a_door() -> None:
    listed = {kind.slug for _, kind in refusals()}
    assert listed == {slug for slug, kind in KINDS.items() if kind.status is not None}


def strict(page: Page) -> Page:
    """Return the page with every object closed: a member that it does not name is an error."""
    found = copy.deepcopy(page)
    for schema in inside(found, "components", "schemas").values():
        named = cast("Page", schema)
        if "properties" in named and "additionalProperties" not in named:
            named["additionalProperties"] = False
    return found


def faults(page: Page, schema: Json, value: Json) -> list[str]:
    """Return what is wrong with a value by a schema of the page."""
    assert isinstance(schema, dict)
    rule = {**schema, "components": page["components"]}
    return [str(bad) for bad in jsonschema_rs.Draft202012Validator(rule).iter_errors(value)]


def all_examples(page: Page) -> Iterator[tuple[str, Json, Json]]:
    """Yield every example with the schema it stands beside."""
    for door in DOORS:
        said = operation(page, door)
        contents = [inside(said, "requestBody", "content")] if "requestBody" in said else []
        answers = inside(said, "responses")
        contents += [inside(answers, status, "content") for status in answers]
        for content in contents:
            for media in content.values():
                for name, example in inside(media, "examples").items():
                    yield f"{door} {name}", inside(media)["schema"], value_of(page, example)
        for parameter in cast("list[Page]", said.get("parameters", [])):
            if "example" in parameter:
                yield f"{door} {parameter['name']}", parameter["schema"], parameter["example"]


def value_of(page: Page, example: Json) -> Json:
    if "$ref" in inside(example):
        return inside(page, *str(inside(example)["$ref"]).split("/")[1:])["value"]
    return inside(example)["value"]


def test_every_example_is_as_its_schema_says_and_has_no_member_besides(page: Page) -> None:
    closed, seen = strict(page), 0
    for name, schema, value in all_examples(page):
        assert faults(closed, schema, value) == [], name
        seen += 1
    assert seen > len(refusals())


def test_an_example_with_another_member_or_form_would_be_found(page: Page) -> None:
    closed = strict(page)
    for name, schema, value in all_examples(page):
        if isinstance(value, dict) and not name.startswith(FREE):
            assert faults(closed, schema, {**value, "more": 1}) != [], name
    assert faults(closed, {"$ref": "#/components/schemas/Proved"}, {"proof": "x"}) != []
    assert faults(closed, {"$ref": "#/components/schemas/Proved"}, {}) != []


def test_every_required_parameter_has_an_example(page: Page) -> None:
    for door in DOORS:
        for parameter in cast("list[Page]", operation(page, door).get("parameters", [])):
            assert "example" in parameter or not parameter["required"], (door, parameter)


def test_no_proof_of_a_caller_stands_in_the_page(page: Page) -> None:
    """They are of the wall clock: a page that held one would differ in each run."""
    text = FILE.read_text(encoding="utf-8")
    assert "dpop+jwt" not in text
    assert b64u(b'{"alg":"Ed25519","jwk"')[:28] not in text
