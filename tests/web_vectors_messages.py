"""What the strict shapes of messages take and refuse, for the web app.

    ./run python -m tests.web_vectors_messages   writes tests/vectors/web_messages.json

Every member of one real text of each type, down to the first item of every list, is taken away and
replaced by each of VALUES. Most of that is "bad-shape"; the file names only what is not.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from consent.messages import AuditReport, ConsentRequest, Web
from consent.turns import Turn
from tests.jws_texts import KINDS, stored
from vault.encoding import Json, compact_json, read_envelope, strict_object
from vault.errors import VaultError
from vault.messages import LinkCode, Record, Shape
from vault.months import Month

PATH = Path(__file__).parent / "vectors" / "web_messages.json"
ID, HASH = "01" * 16, "02" * 32
KEY = "gBB8qz3iuLPK7i2kZAr0GbiAWXownL1nMjLrECpnTYI"
FAULTS = f"""
    null true false "" "x" " " "x\\ny" "人人人" -1 0 1 2 7 8 64 65 4096 4294967296 9007199254740991
    [] {{}} [1] ["x"] {{"x":1}} [[]] "{ID}" "{HASH}" "{HASH.upper()}A" "{HASH}\\n"
    "{KEY}" "{KEY}=" "{KEY[:-1]}J" "{"A" * 43}" "{"_" * 43}" "2026-02" "2026-13" "1999-12"
    "bike.example" "{"x" * 65}" "{"x" * 200}" "{"x" * 201}" "{"x" * 401}" "en" "total" "monthly"
    ["2026-01"] ["2026-01","2026-02"] ["2026-01","2026-03"] ["2026-02","2026-01"]
    [1,2] [2,1] [1,1] [["{ID}",["2026-01"]]] [["{ID}",[]]]
    [["{ID}",["2026-01"]],["{ID}",["2026-01"]]]
    ["{KEY}","{KEY}"] {{"required":[1]}} {{"required":[]}} {{"required":[1],"optional":[1]}}
    {{"en":"x"}} {{"en":"x","zh-CN":"x"}} {{"purpose":{{"en":"x","zh-CN":"x"}}}} ["a.b-c","d"]
    "http://a.example/x" "http://localhost:1/x" "https://a.example/x" "https://A.example/"
    "a.b.c" "A-1" "~~~~~~~~~~~~~~~~" "headers" "/sw.js"
"""
VALUES = [json.loads(text) for text in re.findall(r'" "|\S+', FAULTS)]
RECORD: dict[str, Json] = {
    "act": ID,
    "behaviour": "shared-bike",
    "rev": 1,
    "release": "2026-1",
    "activity": {"metres": 1200},
    "start": 1767225600,
    "end": 1767226200,
    "operator": "bike.example",
    "receipt": "R-1",
    "tag": ID,
    "evidence": "E3",
    "mg": 120000,
}
OTHERS: list[tuple[str, type[Shape], dict[str, Json]]] = [
    ("record", Record, RECORD),
    ("record", Record, {**RECORD, "mg": 0, "reason": "capped", "detail": {"a": "b"}}),
    ("record", Record, {**RECORD, "mg": -1, "corrects": ID}),
    (
        "linkcode",
        LinkCode,
        {"link": ID, "k": KEY, "rec": KEY, "vault": "vault.example", "nonce": ID},
    ),
    (
        "cv1-report",
        AuditReport,
        {
            "iat": 1,
            "from": 0,
            "to": 9,
            "root": HASH,
            "findings": [[3, "late"]],
            "unseen": [4],
            "json": HASH,
        },
    ),
    (
        "cv1-web",
        Web,
        {
            "iat": 1,
            "version": "0123456789abcdef",
            "files": [["/", HASH], ["/sw.js", HASH], ["headers", HASH]],
        },
    ),
    ("turn", Turn, {"directory": "a.b.c", "proof": "c2sp.org/tlog-proof@v1\n"}),
]


def slug_of(kind: type[Shape], body: Json) -> str:
    try:
        kind.parse(compact_json(body))
    except VaultError as bad:
        return bad.slug
    return ""


def places(body: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to every member, and to the first item of every list."""
    items: list[tuple[str | int, Json]] = []
    if isinstance(body, dict):
        items = list(body.items())
    elif isinstance(body, list) and body:
        items = [(0, body[0])]
    for name, part in items:
        yield (*path, name)
        yield from places(part, (*path, name))


def changed(body: Json, path: tuple[str | int, ...], *value: Json) -> Json:
    """Return the body with this member replaced, or taken away."""
    made: Json = copy.deepcopy(body)
    holder = cast("dict[str | int, Json]", made)
    for name in path[:-1]:
        holder = cast("dict[str | int, Json]", holder[name])
    if value:
        holder[path[-1]] = value[0]
    else:
        del holder[path[-1]]
    return made


def added(body: Json, path: tuple[str | int, ...]) -> Json:
    """Return the body with one member more in the object that holds this one."""
    return changed(body, (*path[:-1], "more"), 1)


def case(typ: str, kind: type[Shape], body: dict[str, Json]) -> dict[str, Json]:
    rows: list[Json] = []
    for path in places(body):
        slugs = {
            str(n): slug
            for n, value in enumerate(VALUES)
            if (slug := slug_of(kind, changed(body, path, value))) != "bad-shape"
        }
        away = slug_of(kind, changed(body, path))
        more = slug_of(kind, added(body, path)) if isinstance(path[-1], str) else "bad-shape"
        rows.append([list(path), away, more, cast("Json", slugs)])
    return {"typ": typ, "body": body, "rows": rows}


def small(body: dict[str, Json]) -> dict[str, Json]:
    """Return the body with what is long in it cut: the shapes do not read it."""
    if "sealed" in body and "tags" in body:
        return {**body, "sealed": "AAAA"}
    if "entries" in body:
        entries, knet = cast("list[Json]", body["entries"]), cast("list[Json]", body["knet"])
        return {**body, "entries": entries[:2], "knet": knet[:1]}
    return body


def terms_cases() -> list[Json]:
    """What the terms of a request are with these optional categories and this last month."""
    (text,) = (v["text"] for v in stored() if v["typ"] == "cv1-request")
    request = ConsentRequest.opened(read_envelope(text, "cv1-request"))
    some = list(request.details.categories.optional)
    asked = [(some[:n], last) for n in (0, 1, 2) for last in ("", request.details.last)]
    asked += [([8], ""), ([], "2026-01"), ([], "2026-04"), ([], "2099-01")]
    found: list[Json] = []
    for chosen, month in asked:
        try:
            answer: Json = request.terms(chosen, Month(month) if month else None).plain()
        except VaultError as bad:
            answer = bad.slug
        found.append([cast("Json", chosen), month, answer])
    return [text, *found]


def make() -> str:
    """Return the file's text."""
    cases = []
    for vector in stored():
        typ = vector["typ"]
        body = small(strict_object(read_envelope(vector["text"], typ).payload))
        cases.append(case(typ, KINDS[typ], body))
    cases += [case(typ, kind, body) for typ, kind, body in OTHERS]
    found = {"values": VALUES, "cases": cases, "terms": terms_cases()}
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(make(), encoding="utf-8")
