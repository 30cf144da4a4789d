"""Every kind of signed message against an independent JWS library, and against every other kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from tests.jws_texts import KINDS, Signed, Vector, stored, texts_of, town_of_all_kinds, vectors
from tests.town import (
    BY_NAME,
    Door,
    Town,
    check_body,
    check_refused,
    each_jws,
    post,
    posted,
    taken_at,
)
from tests.vault.test_encoding import KID, STRICT, VARIANTS
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u, compact_json, read_envelope, text_hash, thumbprint, unb64u
from vault.errors import BadInput, BadJws, BadShape, BadType

each_kind = pytest.mark.parametrize("typ", KINDS)
each_vector = pytest.mark.parametrize("vector", stored(), ids=lambda vector: vector["typ"])


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with town_of_all_kinds() as town:
        yield town


@pytest.fixture(scope="module")
def texts(town: Town) -> dict[str, Signed]:
    return texts_of(town)


def jose_payload(text: str, public: bytes) -> bytes:
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64u(public)})
    return jws.deserialize_compact(text, key, registry=STRICT).payload


def our_payload(text: str, public: bytes, typ: str) -> bytes:
    envelope = read_envelope(text, typ)
    envelope.verify(public)
    return envelope.payload


def jose_takes(text: str, public: bytes) -> bool:
    with suppress(JoseError, ValueError, KeyError, AttributeError, TypeError):
        jose_payload(text, public)
        return True
    return False


# Against joserfc


@each_kind
def test_joserfc_reads_what_we_sign(texts: dict[str, Signed], typ: str) -> None:
    text, key = texts[typ]
    payload = our_payload(text, key.public, typ)
    assert jose_payload(text, key.public) == payload
    opened = KINDS[typ].verified(text, lambda _: key.public)
    assert compact_json(opened.plain()) == payload


@each_kind
def test_joserfc_signs_the_same_bytes_under_our_header(texts: dict[str, Signed], typ: str) -> None:
    text, key = texts[typ]
    private = OKPKey.import_key(
        {"kty": "OKP", "crv": "Ed25519", "x": b64u(key.public), "d": b64u(key.value)}
    )
    header = {"alg": "Ed25519", "kid": thumbprint(key.public), "typ": typ}
    payload = read_envelope(text, typ).payload
    assert jws.serialize_compact(header, payload, private, registry=STRICT) == text


def under(header: str, payload: bytes, key: SigningKey) -> str:
    signed = f"{b64u(header.encode())}.{b64u(payload)}"
    return f"{signed}.{b64u(key.sign(signed.encode()))}"


@each_kind
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_every_header_but_ours_is_refused_also_where_joserfc_takes_it(
    texts: dict[str, Signed], typ: str
) -> None:
    text, key = texts[typ]
    payload, taken = read_envelope(text, typ).payload, set()
    for name, variant in VARIANTS.items():
        header = variant.replace(KID, thumbprint(key.public)).replace("cv1-unlink", typ)
        header = header.replace("CV1-UNLINK", typ.upper())
        other = under(header, payload, key)
        if jose_takes(other, key.public):
            taken.add(name)
        with pytest.raises(BadJws):
            read_envelope(other, typ)
    assert {"reordered", "typ first", "alg twice", "extra member", "space", "EdDSA"} <= taken


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def spellings(text: str) -> dict[str, str]:
    """Return other texts that a lenient base64 reads as the same."""
    head, body, signature = text.split(".")
    stray = signature[:-1] + ALPHABET[ALPHABET.index(signature[-1]) + 1]
    return {
        "stray bits": f"{head}.{body}.{stray}",
        "padded signature": f"{text}==",
        "newline": f"{text}\n",
        "space": f"{head}.{body}. {signature}",
        "plus for minus": f"{head}.{body}.{signature.replace('-', '+').replace('_', '/')}",
    }


@each_kind
def test_a_text_has_one_spelling(texts: dict[str, Signed], typ: str) -> None:
    text, key = texts[typ]
    for other in spellings(text).values():
        if other != text:
            with pytest.raises(BadJws):
                our_payload(other, key.public, typ)
            assert not jose_takes(other, key.public)


def payloads(plain: dict[str, Json]) -> dict[str, bytes]:
    """Return payloads that any JWS library signs and reads, and that are no message."""
    right = compact_json(plain)
    inner = right[1:-1].decode()
    return {
        "empty": b"",
        "no object": b"[" + right + b"]",
        "twice": right + right,
        "unknown member": ("{" + inner + ',"more":1}').encode(),
        "iat twice": ("{" + inner + ',"iat":1}').encode(),
        "float": right.replace(b'"iat":', b'"iat":1.0,"at":', 1),
        "no iat": compact_json({n: found for n, found in plain.items() if n != "iat"}),
        "iat as text": compact_json({**plain, "iat": "1"}),
        "iat too large": compact_json({**plain, "iat": 2**53}),
        "not UTF-8": right[:-1] + b',"a":"\xff"}',
    }


@each_kind
def test_a_payload_that_is_no_message_is_refused_where_joserfc_takes_it(
    texts: dict[str, Signed], typ: str
) -> None:
    text, key = texts[typ]
    envelope = read_envelope(text, typ)
    header = unb64u(text.split(".")[0]).decode()
    plain: dict[str, Json] = json.loads(envelope.payload)
    for payload in payloads(plain).values():
        other = under(header, payload, key)
        assert jose_payload(other, key.public) == payload
        with pytest.raises(BadShape):
            KINDS[typ].verified(other, lambda _: key.public)


# Against every other kind (property 11)


@each_kind
def test_a_text_opens_as_no_other_kind(texts: dict[str, Signed], typ: str) -> None:
    text, key = texts[typ]
    for other, kind in KINDS.items():
        if other != typ:
            with pytest.raises(BadType):
                kind.verified(text, lambda _: key.public)
            # Nor do its members under the other's header, unless the two have the same.
            renamed = text_as(text, other, key)
            same = set(KINDS[typ].model_fields) == set(kind.model_fields)
            if not same:
                with pytest.raises(BadInput):
                    kind.verified(renamed, lambda _: key.public)


def text_as(text: str, typ: str, key: SigningKey) -> str:
    header = f'{{"alg":"Ed25519","kid":"{thumbprint(key.public)}","typ":"{typ}"}}'
    return under(header, unb64u(text.split(".")[1]), key)


@each_jws
def test_every_kind_is_a_bad_type_at_every_door_that_takes_another(
    town: Town, texts: dict[str, Signed], door: Door
) -> None:
    for typ, (text, _) in texts.items():
        if typ not in taken_at(door):
            check_body(town, door, posted(door.takes, text), BadType)


@each_kind
def test_no_kind_is_an_ask(town: Town, texts: dict[str, Signed], typ: str) -> None:
    door, body = BY_NAME["ask"], texts[typ].text.encode()
    check_refused(town, lambda: post(town, door, body), BadShape)


# The vectors that other implementations read


def test_the_vectors_hold_one_text_of_every_kind_and_the_second_forms_of_two() -> None:
    assert [vector["typ"] for vector in stored()] == [*KINDS, "cv1-refusal", "cv1-grant"]
    first, second = (v["text"] for v in stored() if v["typ"] == "cv1-refusal")
    assert members(first) == ["iat", "grant", "window", "reason"]
    assert members(second) == ["iat", "request", "reason"]


@each_vector
def test_a_vector_verifies_under_its_key_here_and_in_joserfc(vector: Vector) -> None:
    text, public, typ = vector["text"], unb64u(vector["pk"], 32), vector["typ"]
    assert thumbprint(public) == vector["kid"]
    assert text_hash(text).hex() == vector["hash"]
    opened = KINDS[typ].verified(text, lambda _: public)
    assert compact_json(opened.plain()) == jose_payload(text, public)


@each_vector
def test_a_changed_vector_verifies_no_more(vector: Vector) -> None:
    text, public = vector["text"], unb64u(vector["pk"], 32)
    head, body, signature = text.split(".")
    later = json.loads(unb64u(body))
    later["iat"] += 1
    changed = [
        f"{head}.{b64u(compact_json(later))}.{signature}",
        f"{head}.{body}.{b64u(bytes(64))}",
        f"{head}.{body}.{b64u(unb64u(signature)[::-1])}",
    ]
    for other in changed:
        with pytest.raises(BadJws):
            our_payload(other, public, vector["typ"])
        assert not jose_takes(other, public)


def test_the_vectors_are_what_the_code_makes_now_and_makes_again() -> None:
    """Their members; the texts themselves change with the notice, the templates and the release."""
    made = vectors()
    assert made == vectors()
    for new, old in zip(made, stored(), strict=True):
        assert members(new["text"]) == members(old["text"])


def members(text: str) -> list[str]:
    return list(json.loads(unb64u(text.split(".")[1])))
