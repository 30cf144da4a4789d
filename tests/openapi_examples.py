"""Writes docs/openapi.json: the page of consent/openapi.py with recorded exchanges as its examples.

    ./run python -m tests.openapi_examples

A town is played whose keys, ids, salts and clock are the same in every run, so the file is, too.
Only what measures time is left out: proofs of the caller (they are headers) and the numbers of
/metrics. Long texts are cut.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import cast
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from consent.doors import DOORS
from consent.openapi import Page, describe
from tests import rfc9180
from tests.plays import CHANGING, GOOD, Call, PlayTown, good, knock, play_of, refusals
from vault.crypto import seal
from vault.encoding import Json, strict_json

FILE = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
LINES = 12


class FixedSuite:
    """HPKE whose ephemeral key is made from what is sealed: the same bytes in every run."""

    def encrypt(self, plain: bytes, to: X25519PublicKey, info: bytes) -> bytes:
        public = to.public_bytes_raw()
        secret = sha256(b"ephemeral" + public + info + plain).digest()
        enc, context = rfc9180.sender(secret, public, info)
        return enc + context.seal(0, plain)

    def decrypt(self, sealed: bytes, key: X25519PrivateKey, info: bytes) -> bytes:
        return _SUITE.decrypt(sealed, key, info=info)


_SUITE = seal.SUITE


@contextmanager
def town_of_examples() -> Iterator[PlayTown]:
    """Give the town that is the same in every run."""
    with patch.object(seal, "SUITE", FixedSuite()), PlayTown(seed=b"examples") as town:
        yield town


def recorded() -> Page:
    """Return the page with an exchange for each of its answers."""
    page = describe()
    with town_of_examples() as town:
        for door in GOOD:
            call = good(town, door)
            _write_good(page, call, knock(town, call))
    with town_of_examples() as town:
        for door, kind in refusals():
            if (door, kind) not in CHANGING:
                _write_problem(page, door, kind.slug, play_of(door, kind)(town))
        town.database.write(lambda tx: tx.run("DELETE FROM log_head"))
        _write(page, "GET /readyz", "recorded", knock(town, good(town, "GET /readyz")))
    for (door, kind), play in CHANGING.items():
        with town_of_examples() as town:
            _write_problem(page, door, kind.slug, play(town))
    _share_examples(page)
    return page


def operation(page: Page, door: str) -> Page:
    """Return what the page says of a door."""
    method, _, path = door.partition(" ")
    return inside(page, "paths", path, method.lower())


def inside(found: Json, *names: str) -> Page:
    """Return an object inside another one."""
    for name in names:
        assert isinstance(found, dict)
        found = found[name]
    assert isinstance(found, dict)
    return found


def _write_good(page: Page, call: Call, reply: httpx2.Response) -> None:
    assert reply.status_code == 200, (call.door, reply.text)
    said = operation(page, call.door)
    if call.body:
        (content,) = inside(said, "requestBody", "content").values()
        cast("Page", content)["examples"] = {"recorded": {"value": _sent(call)}}
    values = _parameters(call)
    for parameter in cast("list[Page]", said.get("parameters", [])):
        if str(parameter["name"]) in values:
            parameter["example"] = values[str(parameter["name"])]
    _write(page, call.door, "recorded", reply)
    if DOORS[call.door].etag:
        etag = inside(said, "responses", "200", "headers", "ETag")
        etag["example"] = reply.headers["etag"]


def _sent(call: Call) -> Json:
    if call.body.startswith(b"{"):
        return strict_json(call.body)
    return call.body.decode("ascii")


def _parameters(call: Call) -> dict[str, Json]:
    parts = urlsplit(call.path)
    asked: dict[str, Json] = {**dict(parse_qsl(parts.query)), **call.headers}
    template = call.door.partition(" ")[2].split("/")
    given = parts.path.split("/", len(template) - 1)
    for name, value in zip(template, given, strict=True):
        if name.startswith("{"):
            asked[name.strip("{}")] = value
    return asked


def _write_problem(page: Page, door: str, slug: str, reply: httpx2.Response) -> None:
    assert reply.json()["type"] == slug, (door, slug, reply.text)
    _write(page, door, slug, reply)


def _write(page: Page, door: str, name: str, reply: httpx2.Response) -> None:
    content = inside(operation(page, door), "responses", str(reply.status_code), "content")
    media = content[reply.headers["content-type"]]
    examples = cast("Page", media).setdefault("examples", {})
    cast("Page", examples)[name] = {"value": _answered(door, reply)}


def _answered(door: str, reply: httpx2.Response) -> Json:
    if door == "GET /openapi.json" and reply.status_code == 200:
        return {"openapi": "3.1.0", "info": {"title": "Carbon Vault", "version": "1"}}
    kind = reply.headers["content-type"]
    if kind.endswith("json"):
        return strict_json(reply.content)
    if kind == "application/octet-stream":
        return b64encode(reply.content).decode("ascii")
    lines = reply.text.splitlines(keepends=True)
    if door == "GET /metrics":
        lines = [line for line in lines if line.startswith("#")]
    return "".join(lines[:LINES])


def _share_examples(page: Page) -> None:
    """Write problems that several doors answer alike once, under components."""
    places = [*_problem_examples(page)]
    counts = Counter(json.dumps(example) for _, _, example in places)
    shared: Page = {}
    for examples, slug, example in places:
        if counts[json.dumps(example)] > 1:
            name = next(
                name
                for name in (slug, *(f"{slug}-{n}" for n in range(2, 100)))
                if shared.get(name, example) == example
            )
            shared[name] = example
            examples[slug] = {"$ref": f"#/components/examples/{name}"}
    inside(page, "components")["examples"] = dict(sorted(shared.items()))


def _problem_examples(page: Page) -> Iterator[tuple[Page, str, Page]]:
    for door, kind in refusals():
        responses = inside(operation(page, door), "responses", str(kind.status))
        examples = inside(responses, "content", "application/problem+json", "examples")
        yield examples, kind.slug, inside(examples, kind.slug)


def written() -> str:
    """Return the text of docs/openapi.json."""
    return json.dumps(recorded(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
