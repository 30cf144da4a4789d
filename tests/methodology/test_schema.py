"""The JSON Schemas in docs/methodology are those of the models, and fit the files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import cast

import pytest

from tests.methodology.files import BOUND, BOUND_VECTOR, CAPS, GOOD, TIER_Z
from vault.encoding import Json
from vault.methodology.behaviour import parse_toml
from vault.methodology.schema import KINDS, Kind, schema, schema_text
from vault.methodology.shelf import shipped_files

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "methodology"
KIND_OF: dict[str, Kind] = {"behaviours": "behaviour", "releases": "release"}
Node = dict[str, Json]


def plain(found: object) -> Json:
    """TOML as the schema sees it: dates are text."""
    if isinstance(found, dict):
        return {name: plain(each) for name, each in found.items()}
    if isinstance(found, list):
        return [plain(each) for each in found]
    return found.isoformat() if isinstance(found, date | datetime) else cast("Json", found)


def fits(value: Json, node: Node, root: Node) -> bool:
    """Whether a value fits a schema: the words of JSON Schema that ours use, and no others."""
    assert set(node) <= WORDS, f"a word that this test does not know: {set(node) - WORDS}"
    return all(rule(value, node, root) for rule in RULES)


def _ref(value: Json, node: Node, root: Node) -> bool:
    if "$ref" not in node:
        return True
    name = str(node["$ref"]).removeprefix("#/$defs/")
    return fits(value, cast("Node", cast("Node", root["$defs"])[name]), root)


def _one_of(value: Json, node: Node, root: Node) -> bool:
    given = cast("list[Node]", node.get("oneOf", []))
    return not given or sum(fits(value, each, root) for each in given) == 1


def _type(value: Json, node: Node, root: Node) -> bool:
    kinds: dict[str, Callable[[Json], bool]] = {
        "object": lambda v: isinstance(v, dict),
        "array": lambda v: isinstance(v, list),
        "string": lambda v: isinstance(v, str),
        "boolean": lambda v: isinstance(v, bool),
        "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    }
    return "type" not in node or kinds[str(node["type"])](value)


def _choice(value: Json, node: Node, root: Node) -> bool:
    return ("const" not in node or value == node["const"]) and (
        "enum" not in node or value in cast("list[Json]", node["enum"])
    )


def _text(value: Json, node: Node, root: Node) -> bool:
    if not isinstance(value, str):
        return True
    least, most = cast("int", node.get("minLength", 0)), cast("int", node.get("maxLength", 10**9))
    return least <= len(value) <= most and bool(re.search(str(node.get("pattern", "")), value))


def _number(value: Json, node: Node, root: Node) -> bool:
    if not isinstance(value, int):
        return True
    least, most = cast("int", node.get("minimum", value)), cast("int", node.get("maximum", value))
    above = cast("int", node.get("exclusiveMinimum", value - 1))
    return above < value < cast("int", node.get("exclusiveMaximum", value + 1)) and (
        least <= value <= most
    )


def _members(value: Json, node: Node, root: Node) -> bool:
    if not isinstance(value, dict):
        return True
    known = cast("Node", node.get("properties", {}))
    rest = node.get("additionalProperties", True)
    names = cast("Node", node.get("propertyNames", {}))
    return set(cast("list[str]", node.get("required", []))) <= set(value) and all(
        fits(name, names, root)
        and (
            fits(each, cast("Node", known[name]), root)
            if name in known
            else (fits(each, rest, root) if isinstance(rest, dict) else bool(rest))
        )
        for name, each in value.items()
    )


def _items(value: Json, node: Node, root: Node) -> bool:
    if not isinstance(value, list):
        return True
    each = cast("Node", node.get("items", {}))
    return len(value) >= cast("int", node.get("minItems", 0)) and all(
        fits(item, each, root) for item in value
    )


RULES = (_ref, _one_of, _type, _choice, _text, _number, _members, _items)
WORDS = {
    "$schema", "$comment", "$defs", "$ref", "description", "default", "discriminator", "format",
    "oneOf", "type", "const", "enum", "minLength", "maxLength", "pattern", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "properties", "additionalProperties", "propertyNames",
    "required", "items", "minItems",
}  # fmt: skip


def accepts(kind: Kind, file: bytes) -> bool:
    found = schema(kind)
    return fits(plain(parse_toml(file)), found, found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_in_the_pages_is_that_of_the_model(kind: Kind) -> None:
    written = (FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert written == schema_text(kind)
    assert json.loads(written)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "TOML date" in json.loads(written)["$comment"]


def test_every_shipped_file_fits_its_schema() -> None:
    found = shipped_files()
    assert len(found) > 1
    for name, file in found.items():
        assert accepts(KIND_OF[name.partition("/")[0]], file), name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tier = "A"', 'tier = "C"'),
        ("rev = 1", "rev = 0"),
        ("rev = 1", 'rev = "1"'),
        ('units = ["m", "s"]', 'units = ["km"]'),
        ('zh-CN = "名", ', ""),
        ('en = "says"', 'en = ""'),
        ('mg_per_unit = "48.7"', "mg_per_unit = 48.7"),
        ('mg_per_unit = "48.7"', 'mg_per_unit = "4.87e1"'),
        ('grade = "M"', 'grade = "A"'),
        ('title = "a report"', ""),
        ("[factors.source]", "[factors.sauce]"),
        ('shape = "linear"', 'shape = "exp"'),
        ('rule = "under"', 'rule = "odd"'),
        ("limit = 20000", "limit = 1.5"),
        ("act_g = 1000", "act_g = -1"),
    ],
)
def test_a_file_of_another_form_does_not_fit(old: str, new: str) -> None:
    text = GOOD + BOUND_VECTOR + BOUND + CAPS
    assert accepts("behaviour", text.encode())
    assert accepts("behaviour", TIER_Z.encode())
    assert old in text
    assert not accepts("behaviour", text.replace(old, new, 1).encode())


def test_the_members_that_point_at_bytes_are_hex() -> None:
    release = shipped_files()["releases/demo-1.toml"]
    assert accepts("release", release)
    assert not accepts("release", release.replace(b'sha256 = "', b'sha256 = "0'))
    assert not accepts("behaviour", release)


def test_toml_has_no_null_and_the_schemas_ask_for_none() -> None:
    for kind in KINDS:
        assert "null" not in schema_text(kind)
