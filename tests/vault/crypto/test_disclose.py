"""A disclosed secret opens its one text, and leads neither to the key nor to another text."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import rfc9180
from tests.vault.crypto.test_seal import LOW_ORDER, published
from vault.crypto import disclose
from vault.crypto.disclose import SECRET_SIZE, open_disclosed, shared_secret
from vault.crypto.keys import OpeningKey
from vault.crypto.seal import open_sealed, seal
from vault.errors import BadSeal

KEY = OpeningKey(bytes(range(32)))
OTHER = OpeningKey(bytes(range(1, 33)))
PLAIN, INFO = b"one act of one month", b"cv1/batch"


def test_the_published_shared_secrets_are_found() -> None:
    for vector in published():
        key = OpeningKey(bytes.fromhex(vector["skRm"]))
        sealed = bytes.fromhex(vector["enc"]) + bytes(16)
        assert shared_secret(key, sealed).hex() == vector["shared_secret"]


def test_the_published_keys_and_nonces_follow_from_the_shared_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[str, str]] = []

    class Watched:
        def __init__(self, key: bytes) -> None:
            self.key = key

        def decrypt(self, nonce: bytes, sealed: bytes, aad: bytes | None) -> bytes:
            assert not aad
            made.append((self.key.hex(), nonce.hex()))
            return sealed

    monkeypatch.setattr(disclose, "AESGCM", Watched)
    for vector in published():
        sealed = bytes.fromhex(vector["enc"]) + bytes(16)
        open_disclosed(
            bytes.fromhex(vector["shared_secret"]), sealed, bytes.fromhex(vector["info"])
        )
        assert made.pop() == (vector["key"], vector["base_nonce"])


def test_the_published_ciphertexts_open_where_their_aad_is_empty_and_their_number_zero() -> None:
    for vector in published():
        shared, info = bytes.fromhex(vector["shared_secret"]), bytes.fromhex(vector["info"])
        enc = bytes.fromhex(vector["enc"])
        first = vector["encryptions"][0]
        assert first["nonce"] == vector["base_nonce"]
        # The published texts all carry an aad; the same text without one is sealed beside them.
        context = rfc9180.receiver(enc, bytes.fromhex(vector["skRm"]), info)
        plain, aad = bytes.fromhex(first["pt"]), bytes.fromhex(first["aad"])
        assert context.seal(0, plain, aad).hex() == first["ct"]
        assert open_disclosed(shared, enc + context.seal(0, plain), info) == plain
        for sealed in (bytes.fromhex(first["ct"]), context.seal(1, plain)):
            with pytest.raises(BadSeal):
                open_disclosed(shared, enc + sealed, info)


@settings(max_examples=50)
@given(st.binary(max_size=5000), st.binary(max_size=100), st.binary(min_size=32, max_size=32))
def test_whatever_the_vault_sealed_opens_by_its_disclosed_secret(
    plain: bytes, info: bytes, seed: bytes
) -> None:
    key = OpeningKey(seed)
    sealed = seal(key.public, plain, info)
    shared = shared_secret(key, sealed)
    assert len(shared) == SECRET_SIZE
    assert open_disclosed(shared, sealed, info) == plain == open_sealed((key,), sealed, info)


@given(st.data())
def test_any_changed_bit_of_secret_text_or_context_opens_nothing(data: st.DataObject) -> None:
    sealed = seal(KEY.public, PLAIN, INFO)
    parts = [shared_secret(KEY, sealed), sealed, INFO]
    place = data.draw(st.integers(0, 2))
    # The first 32 bytes of the text are enc, which went into the shared secret.
    first = 32 if place == 1 else 0
    bit = data.draw(st.integers(8 * first, 8 * len(parts[place]) - 1))
    changed = bytearray(parts[place])
    changed[bit // 8] ^= 1 << bit % 8
    parts[place] = bytes(changed)
    with pytest.raises(BadSeal):
        open_disclosed(*parts)


def test_a_secret_opens_no_other_text_of_the_same_key() -> None:
    texts = [seal(KEY.public, PLAIN, INFO) for _ in range(4)]
    for own in texts:
        assert open_disclosed(shared_secret(KEY, own), own, INFO) == PLAIN
    for one, other in permutations(texts, 2):
        with pytest.raises(BadSeal):
            open_disclosed(shared_secret(KEY, one), other, INFO)


def test_another_key_finds_another_secret() -> None:
    sealed = seal(KEY.public, PLAIN, INFO)
    with pytest.raises(BadSeal):
        open_disclosed(shared_secret(OTHER, sealed), sealed, INFO)
    assert open_disclosed(shared_secret(KEY, sealed), sealed, INFO) == PLAIN


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_hpke_written_from_the_rfc_alone_has_the_same_secret(seed: bytes, info: bytes) -> None:
    enc, context = rfc9180.sender(seed, KEY.public, info)
    sealed = enc + context.seal(0, PLAIN)
    assert shared_secret(KEY, sealed) == context.shared_secret
    assert open_disclosed(context.shared_secret, sealed, info) == PLAIN


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_point_of_low_order_is_refused(point: str) -> None:
    sealed = bytes.fromhex(point) + bytes(16)
    with pytest.raises(BadSeal, match="low order"):
        shared_secret(KEY, sealed)
    with pytest.raises(BadSeal, match="low order"):
        open_disclosed(bytes(32), sealed, INFO)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 47])
def test_a_text_too_short_for_enc_and_tag_is_refused(size: int) -> None:
    sealed = seal(KEY.public, b"", INFO)
    assert open_disclosed(shared_secret(KEY, sealed), sealed, INFO) == b""
    with pytest.raises(BadSeal, match="at least 48"):
        shared_secret(KEY, sealed[:size])
    with pytest.raises(BadSeal, match="at least 48"):
        open_disclosed(bytes(32), sealed[:size], INFO)
