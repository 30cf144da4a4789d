"""Every message in a wrong form, at its door: the documented refusal, and no row is another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edwards import BASE, TORSION, P, add, encode
from tests.town import (
    BY_NAME,
    KINDS,
    LETTERS,
    LOGGED,
    STRANGER,
    Door,
    Letter,
    Place,
    Town,
    check_body,
    check_problem,
    close_letter,
    directory_letter,
    each_jws,
    each_post,
    fill,
    json_of,
    jws,
    letter,
    post,
    posted,
    rows,
    token_letter,
    touched,
)
from vault.crypto.commit import ORDER, H
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u, compact_json, thumbprint, unb64u
from vault.errors import (
    BadJws,
    BadPoint,
    BadScalar,
    BadShape,
    BadType,
)


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """One town for everything that leaves no trace."""
    with Town() as town:
        yield town


# Bodies that are no message


def broken_bodies(right: str, key: SigningKey) -> dict[str, str]:
    header, payload, signature = right.split(".")
    return {
        "empty": "",
        "a dot": ".",
        "two dots": "..",
        "no JWS": "no message",
        "JSON": '{"payload":"x"}',
        "two segments": f"{header}.{payload}",
        "four segments": f"{right}.{signature}",
        "five segments, as a JWE": f"{right}.{signature}.{signature}",
        "no signature": f"{header}.{payload}.",
        "short signature": f"{header}.{payload}.{signature[:-4]}",
        "long signature": f"{header}.{payload}.{signature}AAAA",
        "padded header": f"{header}=.{payload}.{signature}",
        "padded payload": f"{header}.{payload}==.{signature}",
        "padded signature": f"{right}==",
        "base64 instead of base64url": f"{header}.{payload}.{'+' + signature[1:]}",
        "stray bits": f"{header}.{payload}.{signature[:-1]}_",
        "a newline after": f"{right}\n",
        "a space before": f" {right}",
        "a null after": f"{right}\0",
        "not ASCII": f"é{right}",
        "payload with another time": f"{header}.{_later(payload)}.{signature}",
        "zero signature": f"{header}.{payload}.{b64u(bytes(64))}",
        "signature of another key": f"{header}.{payload}.{b64u(STRANGER.sign(b'x'))}",
        "signature with s + l": f"{header}.{payload}.{_raised(signature)}",
    }


def _later(payload: str) -> str:
    plain = json.loads(unb64u(payload))
    return b64u(compact_json({**plain, "iat": plain["iat"] + 1}))


def _raised(signature: str) -> str:
    """Return the signature with the order added to its scalar: the second form of the same."""
    raw = unb64u(signature)
    return b64u(raw[:32] + (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(32, "little"))


@each_jws
def test_what_is_no_compact_jws_of_ours_is_refused(town: Town, door: Door) -> None:
    found = letter(town, door)
    right = jws(found.typ, compact_json(found.plain), found.key)
    for text in broken_bodies(right, found.key).values():
        wanted = (
            BadShape if door.takes == "cv1-token" and not TOKEN_TEXT.fullmatch(text) else BadJws
        )
        check_body(town, door, posted(found.typ, text), wanted)


TOKEN_TEXT = re.compile(r"[\w.-]+")  # what the member `token` may hold at all


@each_post
def test_bytes_that_are_no_text_are_refused(town: Town, door: Door) -> None:
    wanted = BadShape if door.takes in ("ask", "cv1-token") else BadJws
    for body in (b"", b"\xff\xfe", b"\x00" * 40, "零".encode("utf-16"), b"\xed\xa0\x80", b"{}"):
        check_body(town, door, body, wanted)


def odd_headers(typ: str, kid: str) -> list[str]:
    right = f'{{"alg":"Ed25519","kid":"{kid}","typ":"{typ}"}}'
    return [
        right.replace("Ed25519", "EdDSA"),
        right.replace("Ed25519", "none"),
        right.replace("Ed25519", "HS256"),
        right.replace('"alg"', '"alg":"none","alg"'),
        right.replace('"alg":"Ed25519",', ""),
        f'{{"kid":"{kid}","alg":"Ed25519","typ":"{typ}"}}',
        right.replace('"typ"', '"jwk":{},"typ"'),
        right.replace("}", ',"crit":["b64"],"b64":false}'),
        right.replace("}", ',"b64":false}'),
        right.replace(",", ", "),
        right + " ",
        right.replace(kid, kid[:-1]),
        right.replace(kid, ""),
        right.replace(f',"kid":"{kid}"', ""),
        right.replace(f'"typ":"{typ}"', f'"typ":"{typ.upper()}"'),
        right.replace(f'"typ":"{typ}"', '"typ":null'),
        right.replace(f',"typ":"{typ}"', ""),
        right.replace('"alg"', '"\\u0061lg"'),
        "[]",
        "{}",
    ]


@each_jws
def test_a_header_is_taken_in_its_only_bytes(town: Town, door: Door) -> None:
    found = letter(town, door)
    raw = compact_json(found.plain)
    for header in odd_headers(found.typ, thumbprint(found.key.public)):
        check_body(town, door, posted(found.typ, jws("", raw, found.key, header)), BadJws)


# Members, each wrong in one way

OPTIONAL = {"cadence", "redirects", "contact", "redirect_uri", "replaces", "optional"}
SCALARS = ["null", "1.5", "1.0", "1e3", "NaN", "Infinity", "[]", "{}"]
BY_SHAPE = {
    bool: [*SCALARS, "0", "1", '"true"'],
    int: [*SCALARS, "9007199254740992", "-9007199254740992", "1" + "0" * 400, "-0", "true", '"7"'],
    str: [*SCALARS, "7", "true"],
    type(None): [*SCALARS[1:], "7", "false"],
}


def leaves(found: Json, place: Place = ()) -> Iterator[tuple[Place, Json]]:
    """Yield every leaf, and every list and object on the way; of a list only the first item."""
    yield place, found
    if isinstance(found, dict):
        for name, item in found.items():
            yield from leaves(item, (*place, name))
    elif isinstance(found, list) and found:
        yield from leaves(found[0], (*place, 0))


def damaged(plain: dict[str, Json]) -> Iterator[tuple[str, bytes]]:
    """Yield the message with one member wrong, in every place and way."""
    for place, found in leaves(plain):
        if isinstance(found, dict):
            yield from damaged_object(plain, place, found)
        elif isinstance(found, list):
            for raw in ("null", "{}", '""', "7"):
                yield f"{place} {raw}", fill(plain, place, raw)
        else:
            for raw in BY_SHAPE[type(found)]:
                yield f"{place} {raw}", fill(plain, place, raw)


def damaged_object(
    plain: dict[str, Json], place: Place, found: dict[str, Json]
) -> Iterator[tuple[str, bytes]]:
    inner = json_of(found)[1:-1]
    yield f"{place} unknown", fill(plain, place, "{" + inner + ',"more":1}')
    yield f"{place} upper case", fill(plain, place, "{" + inner.replace('"', '"X', 1) + "}")
    for raw in ("[]", "null", '"x"', "7"):
        yield f"{place} {raw}", fill(plain, place, raw)
    for name, item in found.items():
        rest = json_of({n: other for n, other in found.items() if n != name})
        if name not in OPTIONAL:
            yield f"{place} without {name}", fill(plain, place, rest)
        twice = "{" + inner + f',"{name}":{json_of(item)}}}'
        yield f"{place} {name} twice", fill(plain, place, twice)


@each_post
def test_a_member_that_is_missing_unknown_doubled_or_of_another_shape_is_refused(
    town: Town, door: Door
) -> None:
    found = letter(town, door)
    before = rows(town.database)
    for what, payload in damaged(found.plain):
        reply = post(town, door, found.body(payload))
        assert reply.json()["type"] == BadShape.slug, (what, reply.text)
        check_problem(reply, BadShape)
    assert touched(town, before) == set()


def test_the_members_of_a_posted_token_are_checked_like_all_others(town: Town) -> None:
    door, found = BY_NAME["cv1-token"], token_letter(town)
    plain: dict[str, Json] = json.loads(found.body())
    for _, body in damaged(plain):
        check_body(town, door, body, BadShape)


@each_post
def test_a_payload_that_is_no_json_object_is_refused(town: Town, door: Door) -> None:
    found = letter(town, door)
    right = json_of(found.plain)
    payloads = [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{",
        (right + "x").encode(),
        (right + right).encode(),
        b"\xef\xbb\xbf" + right.encode(),
        right.encode("utf-16"),
        right.replace('"', "'").encode(),
        right[:-1].encode() + b',"a":"\xff"}',
        right[:-1].encode() + b',"a":"\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 20_000,
    ]
    for payload in payloads:
        check_body(town, door, found.body(payload), BadShape)


HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
KEY_TEXT = re.compile(r"[A-Za-z0-9_-]{43}")


def resized(text: str) -> list[str]:
    if HEX.fullmatch(text):
        found = [text[2:], text[1:], text + "00", "", " " + text[1:], "0x" + text[2:]]
        return [*found, text.upper()] if text.upper() != text else found
    if KEY_TEXT.fullmatch(text):
        return [text[4:], text[1:], text + "AAAA", text + "=", "", text[:-1] + "_", "+" + text[1:]]
    return []


@each_post
def test_ids_hashes_keys_and_numbers_have_one_size_and_form(town: Town, door: Door) -> None:
    found = letter(town, door)
    before, tried = rows(town.database), 0
    for place, leaf in leaves(found.plain):
        for other in resized(leaf) if isinstance(leaf, str) else []:
            body = found.body(fill(found.plain, place, json_of(other)))
            check_problem(post(town, door, body), BadShape)
            tried += 1
    assert tried
    assert touched(town, before) == set()


# Points and scalars

MIXED = encode(add(BASE, TORSION[1]))
BAD_POINTS = {
    **{f"order-8 point times {i}": encode(point) for i, point in enumerate(TORSION)},
    "all 0xff": b"\xff" * 32,
    "off the curve": (2).to_bytes(32, "little"),
    "y = p": P.to_bytes(32, "little"),
    "y = p + 1, the neutral element again": (P + 1).to_bytes(32, "little"),
    "neutral element with a sign": (1 | 1 << 255).to_bytes(32, "little"),
    "off the subgroup": MIXED,
    "highest non-canonical": (2**255 - 1).to_bytes(32, "little"),
}
BAD_SCALARS = [ORDER, ORDER + 1, 2 * ORDER, 2**253, 2**255, 2**256 - 1]


def close_with(found: Letter, position: int, side: int, raw: bytes) -> bytes:
    return found.body(fill(found.plain, ("cells", position, side), json_of(b64u(raw))))


@pytest.mark.parametrize("name", BAD_POINTS)
def test_a_close_with_a_bad_point_is_refused(town: Town, name: str) -> None:
    found = close_letter(town)
    for position in range(7):
        body = close_with(found, position, 1, BAD_POINTS[name])
        check_body(town, BY_NAME["cv1-close"], body, BadPoint)


@pytest.mark.parametrize("number", BAD_SCALARS)
def test_a_close_with_a_scalar_that_is_not_reduced_is_refused(town: Town, number: int) -> None:
    found = close_letter(town)
    for position in range(7):
        body = close_with(found, position, 0, number.to_bytes(32, "little"))
        check_body(town, BY_NAME["cv1-close"], body, BadScalar)


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [["", ""]] * 7,
        [[b64u(bytes(32)), b64u(H)]] * 6,
        [[b64u(bytes(32)), b64u(H)]] * 8,
        [[b64u(bytes(32)), b64u(H), b64u(H)]] * 7,
        [[b64u(bytes(32))]] * 7,
        [[b64u(bytes(31)), b64u(H)]] * 7,
        [[b64u(bytes(32)), b64u(H[:31])]] * 7,
        [[0, b64u(H)]] * 7,
        [{"c": b64u(bytes(32)), "C": b64u(H)}] * 7,
    ],
    ids=str,
)
def test_a_close_has_seven_cells_of_two(town: Town, cells: list[Json]) -> None:
    check_body(town, BY_NAME["cv1-close"], close_letter(town).changed(cells=cells).body(), BadShape)


@pytest.mark.parametrize("name", BAD_POINTS)
@pytest.mark.parametrize("typ", ["cv1-account", "cv1-bind", "cv1-grant", "cv1-erase"])
def test_a_key_that_is_a_bad_point_is_refused(town: Town, typ: str, name: str) -> None:
    found = LETTERS[typ](town).changed(pk=b64u(BAD_POINTS[name]))
    check_body(town, BY_NAME[typ], found.body(), BadPoint)


@pytest.mark.parametrize("name", BAD_POINTS)
def test_a_directory_lists_no_signing_key_that_is_a_bad_point(town: Town, name: str) -> None:
    door, found = BY_NAME["cv1-directory"], directory_letter(town)
    bad = json_of(b64u(BAD_POINTS[name]))
    listed = fill(found.plain, ("entries", 2, "sig", 0, "pk"), bad)
    check_body(town, door, found.body(listed), BadPoint)
    check_body(town, door, found.body(fill(found.plain, ("next",), bad)), BadPoint)


# Anything at all


@each_post
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_any_bytes_are_a_documented_refusal(town: Town, door: Door, body: bytes) -> None:
    check_body(town, door, body, BadJws, BadShape, BadType)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@each_post
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_member_is_taken_or_a_documented_refusal(
    fresh_town: Town, door: Door, data: st.DataObject
) -> None:
    found = letter(fresh_town, door)
    name = data.draw(st.sampled_from(sorted(found.plain)))
    value = data.draw(JSON_VALUES)
    before = rows(fresh_town.database)
    reply = post(fresh_town, door, found.body(compact_json({**found.plain, name: value})))
    if reply.status_code != 200:
        kind = KINDS[reply.json()["type"]]
        check_problem(reply, kind)
        assert 400 <= (kind.status or 500) < 500
        assert touched(fresh_town, before) <= {"evidence", *LOGGED}


@pytest.fixture(scope="module")
def fresh_town() -> Iterator[Town]:
    """A town that a message may change."""
    with Town(seed=b"any value") as town:
        yield town
