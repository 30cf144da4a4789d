from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from vault.crypto.keys import SigningKey
from vault.dpop import AHEAD, LIFE, Request, Seen, caller, check_proof, prove
from vault.encoding import JsonIn, b64u, compact_json, thumbprint
from vault.errors import StaleProof

KEY = SigningKey(b"\x12" * 32)
WALL = 1767225600
URL = "https://vault.example/v1/closes"
POST = Request("POST", URL, b"a body")
JTI = bytes(range(16))
PROOF = prove(KEY, POST, WALL, JTI)
HEADER = (
    f'{{"alg":"Ed25519","jwk":{{"crv":"Ed25519","kty":"OKP","x":"{b64u(KEY.public)}"}},'
    '"typ":"dpop+jwt"}'
)
CLAIMS: dict[str, JsonIn] = {
    "jti": b64u(JTI),
    "htm": "POST",
    "htu": URL,
    "iat": WALL,
    "bh": POST.body_hash,
}


def check(proof: str, request: Request = POST, wall: int = WALL, seen: Seen | None = None) -> bytes:
    seen = seen or Seen(WALL - 1000)
    return check_proof(proof, request, lambda jti, iat: seen.take(jti, iat, wall))


def made(claims: dict[str, JsonIn], header: str = HEADER, key: SigningKey = KEY) -> str:
    signed = f"{b64u(header.encode())}.{b64u(compact_json(claims))}"
    return f"{signed}.{b64u(key.sign(signed.encode()))}"


def test_right_proof_gives_the_callers_key() -> None:
    assert check(PROOF) == KEY.public
    assert caller(check(PROOF)) == thumbprint(KEY.public)
    assert made(CLAIMS) == PROOF


def test_proof_verifies_in_joserfc() -> None:
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64u(KEY.public)})
    registry = jws.JWSRegistry(algorithms=["Ed25519"])
    found = jws.deserialize_compact(PROOF, key, registry=registry)
    assert found.payload == compact_json(CLAIMS)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_proof_without_a_body_has_no_body_hash(method: str) -> None:
    request = Request(method, URL, b"")
    assert request.body_hash == ""
    assert check(prove(KEY, request, WALL, JTI), request) == KEY.public


def test_body_hash_is_sha256_of_the_body() -> None:
    assert POST.body_hash == b64u(sha256(b"a body").digest())


@pytest.mark.parametrize(
    "request_",
    [
        Request("PUT", URL, b"a body"),
        Request("post", URL, b"a body"),
        Request("POST", URL + "/", b"a body"),
        Request("POST", URL + "?x=1", b"a body"),
        Request("POST", URL.replace("https", "http"), b"a body"),
        Request("POST", URL.replace("vault", "Vault"), b"a body"),
        Request("POST", URL, b"another body"),
        Request("POST", URL, b""),
    ],
)
def test_proof_for_another_method_url_or_body_is_refused(request_: Request) -> None:
    with pytest.raises(StaleProof):
        check(PROOF, request_)


def test_proof_without_body_hash_does_not_carry_a_body() -> None:
    bare = prove(KEY, Request("POST", URL, b""), WALL, JTI)
    with pytest.raises(StaleProof):
        check(bare)


@pytest.mark.parametrize("age", [-AHEAD, -1, 0, 1, LIFE])
def test_proof_lives_for_a_minute_and_may_run_five_seconds_ahead(age: int) -> None:
    assert check(PROOF, wall=WALL + age) == KEY.public


@pytest.mark.parametrize("age", [LIFE + 1, 3600, -AHEAD - 1, -3600])
def test_stale_or_future_proof_is_refused(age: int) -> None:
    with pytest.raises(StaleProof):
        check(PROOF, wall=WALL + age)


@settings(max_examples=50)
@given(st.lists(st.integers(-AHEAD, LIFE), min_size=2, max_size=2), st.integers(0, 10))
def test_replayed_proof_is_refused_as_long_as_it_is_fresh(ages: list[int], others: int) -> None:
    seen = Seen(WALL - 1000)
    first, second = sorted(ages)
    check(PROOF, wall=WALL + first, seen=seen)
    for other in range(others):
        wall = WALL + first + (second - first) * other // 10
        check(prove(KEY, POST, wall, bytes([other]) * 16), wall=wall, seen=seen)
    with pytest.raises(StaleProof, match="before"):
        check(PROOF, wall=WALL + second, seen=seen)


def test_proofs_are_forgotten_once_they_are_stale() -> None:
    seen = Seen(WALL - 1000)
    for minute in range(10):
        wall = WALL + minute * 61
        check(prove(KEY, POST, wall, minute.to_bytes(16, "big")), wall=wall, seen=seen)
    assert len(seen._until) <= 4


def test_proof_made_before_a_restart_is_refused_after_it() -> None:
    check(PROOF, wall=WALL + 5)
    with pytest.raises(StaleProof):
        check(PROOF, wall=WALL + 7, seen=Seen(WALL + 6))
    fresh = prove(KEY, POST, WALL + 7, b"\1" * 16)
    assert check(fresh, wall=WALL + 7, seen=Seen(WALL + 6)) == KEY.public


HEADERS = {
    "reordered": HEADER.replace('"alg":"Ed25519",', "").replace('"typ"', '"alg":"Ed25519","typ"'),
    "jwk reordered": HEADER.replace('"crv":"Ed25519","kty":"OKP"', '"kty":"OKP","crv":"Ed25519"'),
    "EdDSA": HEADER.replace('"alg":"Ed25519"', '"alg":"EdDSA"'),
    "none": HEADER.replace('"alg":"Ed25519"', '"alg":"none"'),
    "space": HEADER.replace('","jwk"', '", "jwk"'),
    "extra member": HEADER.replace('"typ"', '"kid":"x","typ"'),
    "crit": HEADER.replace("}", ',"crit":["b64"],"b64":false}', 1),
    "private key inside": HEADER.replace('"kty"', '"d":"AA","kty"'),
    "another typ": HEADER.replace("dpop+jwt", "DPOP+JWT"),
    "short x": HEADER.replace(b64u(KEY.public), "AAAA"),
    "stray bits in x": HEADER.replace(b64u(KEY.public), b64u(KEY.public)[:-1] + "_"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_proof_with_another_header_is_refused(name: str) -> None:
    with pytest.raises(StaleProof):
        check(made(CLAIMS, HEADERS[name]))


@pytest.mark.parametrize(
    "changed",
    [
        {"jti": None},
        {"jti": "short"},
        {"jti": "!" * 22},
        {"jti": "A" * 65},
        {"iat": str(WALL)},
        {"iat": True},
        {"iat": -1},
        {"iat": None},
        {"ath": "x"},
        {"nonce": "x"},
        {"bh": None},
        {"htm": ["POST"]},
    ],
    ids=str,
)
def test_proof_with_other_claims_is_refused(changed: dict[str, JsonIn]) -> None:
    with pytest.raises(StaleProof):
        check(made({**CLAIMS, **changed}))


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat", "bh"])
def test_proof_without_a_claim_is_refused(name: str) -> None:
    with pytest.raises(StaleProof):
        check(made({k: v for k, v in CLAIMS.items() if k != name}))


def test_proof_signed_by_another_key_is_refused() -> None:
    with pytest.raises(StaleProof):
        check(made(CLAIMS, key=SigningKey(b"\x13" * 32)))


@pytest.mark.parametrize("public", [b"\1" + bytes(31), bytes(32), b"\xff" * 32], ids=bytes.hex)
def test_key_of_small_order_is_refused_although_everything_verifies_under_it(public: bytes) -> None:
    head = HEADER.replace(b64u(KEY.public), b64u(public))
    body = b64u(compact_json(CLAIMS))
    signature = b64u(b"\1" + bytes(63))
    with pytest.raises(StaleProof):
        check(f"{b64u(head.encode())}.{body}.{signature}")


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "..",
        "a.b.c.d",
        PROOF.rpartition(".")[0],
        PROOF.rpartition(".")[0] + ".",
        PROOF + ".AA",
        PROOF + "=",
        PROOF + "\n",
        PROOF[:-1],
        "é" + PROOF,
        f"DPoP {PROOF}",
    ],
)
def test_proof_with_other_segments_is_refused(proof: str) -> None:
    with pytest.raises(StaleProof):
        check(proof)


@settings(max_examples=50)
@given(st.integers(0, len(PROOF) - 1), st.sampled_from("AZaz09-_."))
def test_proof_with_any_symbol_changed_is_refused(place: int, symbol: str) -> None:
    changed = PROOF[:place] + symbol + PROOF[place + 1 :]
    if changed != PROOF:
        with pytest.raises(StaleProof):
            check(changed)


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_any_text_is_a_proof_or_stale(text: str) -> None:
    with pytest.raises(StaleProof):
        check(text)


def test_refused_proof_is_not_remembered() -> None:
    seen = Seen(WALL - 1000)
    with pytest.raises(StaleProof):
        check(PROOF, Request("GET", URL, b""), seen=seen)
    assert check(PROOF, seen=seen) == KEY.public
