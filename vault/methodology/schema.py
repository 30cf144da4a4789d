"""JSON Schema of behaviour and release files, made from their models (docs/methodology.md).

    schema("behaviour")      {"$schema": "https://json-schema.org/draft/2020-12/schema", …}

An editor that reads these names a wrong member while a file is written; `check` alone decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, cast, get_args

from vault.encoding import Json
from vault.messages import Shape
from vault.methodology.behaviour import Behaviour
from vault.methodology.release import ReleaseFile

Kind = Literal["behaviour", "release"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DRAFT = "https://json-schema.org/draft/2020-12/schema"
COMMENT = (
    "The files are TOML. A TOML date (2024-06-01) stands here as a string of format date, a TOML "
    "date with time and offset as date-time. Figures are exact decimals in text, never floats; "
    "whole numbers are written without a point. `carbonvault methodology check` holds a file "
    "against the rules that a schema cannot tell."
)
_MODELS: Mapping[Kind, type[Shape]] = {"behaviour": Behaviour, "release": ReleaseFile}
_HASH: dict[str, Json] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TEXT: dict[str, Json] = {"type": "string", "minLength": 1}
_TEXTS: dict[str, Json] = {
    "type": "object",
    "properties": {"zh-CN": _TEXT, "en": _TEXT},
    "required": ["zh-CN", "en"],
    "additionalProperties": False,
}


def schema(kind: Kind) -> dict[str, Json]:
    """Return the JSON Schema of a behaviour or release file."""
    made = cast("dict[str, Json]", _MODELS[kind].model_json_schema(by_alias=True))
    return {"$schema": DRAFT, "$comment": COMMENT, **_tidied(made)}


def schema_text(kind: Kind) -> str:
    """Return the schema as the file that docs/methodology holds."""
    return json.dumps(schema(kind), ensure_ascii=False, indent=1) + "\n"


def _tidied(node: dict[str, Json]) -> dict[str, Json]:
    """Return a schema without what TOML has no word for (null), and without made-up titles."""
    if node.get("propertyNames") == {"enum": ["zh-CN", "en"]}:
        return _TEXTS
    node = _without_null(node)
    return {name: _part(name, part) for name, part in node.items() if name != "title"}


def _part(name: str, part: Json) -> Json:
    if name in ("properties", "$defs") and isinstance(part, dict):
        # Here the names are the file's own members, of which one is called title.
        return {own: _HASH if own == "sha256" else _node(each) for own, each in part.items()}
    return _node(part)


def _node(part: Json) -> Json:
    if isinstance(part, dict):
        return _tidied(part)
    return [_node(each) for each in part] if isinstance(part, list) else part


def _without_null(node: dict[str, Json]) -> dict[str, Json]:
    choices = node.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return node
    rest = [each for each in choices if each != {"type": "null"}]
    kept = {name: part for name, part in node.items() if name not in ("anyOf", "default")}
    only = rest[0]
    return {**kept, **only} if len(rest) == 1 and isinstance(only, dict) else kept | {"anyOf": rest}
