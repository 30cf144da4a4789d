from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import rfc9180
from vault.crypto.keys import OpeningKey
from vault.crypto.seal import LARGEST, OVERHEAD, SMALLEST, open_sealed, pad, seal, unpad
from vault.errors import BadPoint, BadSeal, TooLarge

KEY = OpeningKey(bytes(range(32)))
OTHER = OpeningKey(bytes(range(1, 33)))
# Small order on Curve25519 or its twist: every Diffie-Hellman result would be zero (RFC 7748).
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


class Encryption(TypedDict):
    aad: str
    ct: str
    nonce: str
    pt: str


class Vector(TypedDict):
    mode: int
    kem_id: int
    kdf_id: int
    aead_id: int
    info: str
    skRm: str
    skEm: str
    pkRm: str
    enc: str
    shared_secret: str
    key_schedule_context: str
    key: str
    base_nonce: str
    encryptions: list[Encryption]


@cache
def published() -> list[Vector]:
    file = Path(cryptography_vectors.__file__).parent / "HPKE" / "test-vectors.json"
    found = cast("list[Vector]", json.loads(file.read_text(encoding="ascii")))
    suite = [v for v in found if (v["kem_id"], v["kdf_id"], v["aead_id"]) == (0x20, 1, 2)]
    return [v for v in suite if v["mode"] == 0]


def test_rfc_9180_has_vectors_for_this_suite() -> None:
    assert [len(vector["encryptions"]) for vector in published()] == [257]


def test_plain_hpke_opens_and_seals_every_published_vector() -> None:
    for vector in published():
        info = bytes.fromhex(vector["info"])
        enc, sender = rfc9180.sender(
            bytes.fromhex(vector["skEm"]), bytes.fromhex(vector["pkRm"]), info
        )
        receiver = rfc9180.receiver(enc, bytes.fromhex(vector["skRm"]), info)
        assert enc.hex() == vector["enc"]
        for side in (sender, receiver):
            assert side.shared_secret.hex() == vector["shared_secret"]
            assert side.schedule.hex() == vector["key_schedule_context"]
            assert side.key.hex() == vector["key"]
            assert side.base_nonce.hex() == vector["base_nonce"]
        for seq, one in enumerate(vector["encryptions"]):
            plain, aad, sealed = (bytes.fromhex(one[part]) for part in ("pt", "aad", "ct"))
            assert sender.nonce(seq).hex() == one["nonce"]
            assert sender.seal(seq, plain, aad) == sealed
            assert receiver.open(seq, sealed, aad) == plain


def test_vault_opens_a_published_key_schedule_without_aad() -> None:
    for vector in published():
        info = bytes.fromhex(vector["info"])
        enc, sender = rfc9180.sender(
            bytes.fromhex(vector["skEm"]), bytes.fromhex(vector["pkRm"]), info
        )
        key = OpeningKey(bytes.fromhex(vector["skRm"]))
        assert open_sealed((key,), enc + sender.seal(0, b"plain"), info) == b"plain"


@settings(max_examples=25)
@given(st.binary(max_size=300), st.binary(max_size=100), st.binary(min_size=32, max_size=32))
def test_plain_hpke_and_the_vault_open_each_other(plain: bytes, info: bytes, seed: bytes) -> None:
    sealed = seal(KEY.public, plain, info)
    assert rfc9180.receiver(sealed[:32], KEY.value, info).open(0, sealed[32:]) == plain
    enc, sender = rfc9180.sender(seed, KEY.public, info)
    assert open_sealed((KEY,), enc + sender.seal(0, plain), info) == plain


def test_text_sealed_with_aad_does_not_open() -> None:
    enc, sender = rfc9180.sender(bytes(range(32)), KEY.public, b"info")
    with pytest.raises(BadSeal):
        open_sealed((KEY,), enc + sender.seal(0, b"plain", b"aad"), b"info")


def test_wire_is_enc_and_ciphertext_and_never_twice_the_same() -> None:
    first, second = (seal(KEY.public, b"plain", b"info") for _ in range(2))
    assert len(first) == OVERHEAD + 5
    assert first[:32] != second[:32]


def test_wrong_key_or_context_opens_nothing() -> None:
    sealed = seal(KEY.public, b"plain", b"info")
    for keys, info in (((OTHER,), b"info"), ((KEY,), b"inf"), ((KEY,), b""), ((), b"info")):
        with pytest.raises(BadSeal):
            open_sealed(keys, sealed, info)


def test_all_of_the_openers_keys_are_tried() -> None:
    sealed = seal(KEY.public, b"plain", b"info")
    assert open_sealed((OTHER, KEY), sealed, b"info") == b"plain"
    assert open_sealed((KEY, OTHER), sealed, b"info") == b"plain"


@settings(max_examples=25)
@given(st.integers(0, 52), st.integers(0, 7))
def test_any_bit_changed_opens_nothing(place: int, bit: int) -> None:
    sealed = bytearray(seal(KEY.public, b"plain", b"info"))
    sealed[place] ^= 1 << bit
    if (place, bit) == (31, 7):  # RFC 7748: the top bit of a u-coordinate is ignored …
        sealed[place] ^= 1 << bit
        sealed[33] ^= 1
    with pytest.raises(BadSeal):
        open_sealed((KEY,), bytes(sealed), b"info")


def test_top_bit_of_enc_is_bound_too() -> None:
    sealed = bytearray(seal(KEY.public, b"plain", b"info"))
    sealed[31] ^= 0x80  # … by X25519, but enc stands in the KEM context
    with pytest.raises(BadSeal):
        open_sealed((KEY,), bytes(sealed), b"info")


@settings(max_examples=50)
@given(st.binary(max_size=120))
def test_any_bytes_that_were_not_sealed_open_nothing(raw: bytes) -> None:
    with pytest.raises(BadSeal):
        open_sealed((KEY,), raw, b"info")


@pytest.mark.parametrize("public", LOW_ORDER)
def test_key_of_low_order_is_refused(public: str) -> None:
    with pytest.raises(BadPoint):
        seal(bytes.fromhex(public), b"plain", b"info")


@pytest.mark.parametrize("enc", LOW_ORDER)
def test_text_with_an_enc_of_low_order_opens_nothing(enc: str) -> None:
    with pytest.raises(BadSeal):
        open_sealed((KEY,), bytes.fromhex(enc) + bytes(40), b"info")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadPoint):
        seal(b"x" * size, b"plain", b"info")


def test_aad_is_not_part_of_the_wire() -> None:
    enc, sender = rfc9180.sender(bytes(range(32)), KEY.public, b"info")
    assert rfc9180.receiver(enc, KEY.value, b"info").open(0, sender.seal(0, b"p")) == b"p"
    with pytest.raises(InvalidTag):
        rfc9180.receiver(enc, KEY.value, b"info").open(0, sender.seal(0, b"p", b"a"))


@settings(max_examples=50)
@given(st.binary(max_size=9000))
def test_padding_comes_off(plain: bytes) -> None:
    assert unpad(pad(plain)) == plain


@given(st.integers(0, LARGEST - 4))
def test_padded_size_is_the_smallest_doubling_that_holds_the_text(length: int) -> None:
    """Property 12 in part: sizes do not depend on activity inside a bucket."""
    size = SMALLEST
    while size < length + 4:
        size *= 2
    padded = pad(bytes(length))
    assert len(padded) == size
    assert len(seal(KEY.public, padded, b"")) == size + OVERHEAD


@pytest.mark.parametrize(
    ("length", "size"),
    [(0, 4096), (4092, 4096), (4093, 8192), (8188, 8192), (8189, 16384), (LARGEST - 4, LARGEST)],
)
def test_padded_sizes_at_the_edges(length: int, size: int) -> None:
    assert len(pad(bytes(length))) == size


def test_more_than_a_mebibyte_is_refused() -> None:
    with pytest.raises(TooLarge):
        pad(bytes(LARGEST - 3))


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        bytes(3),
        bytes(4095),
        bytes(8192),
        b"\0\0\0\x01a".ljust(4096, b"\x01"),
        b"\xff\xff\xff\xff".ljust(4096, b"\0"),
        b"\0\0\x0f\xfd".ljust(4096, b"a"),
        bytes(2 * LARGEST),
    ],
    ids=["empty", "short", "odd", "large", "no zeros", "too long", "one over", "over 1 MiB"],
)
def test_what_pad_does_not_make_is_refused(padded: bytes) -> None:
    with pytest.raises(BadSeal):
        unpad(padded)
