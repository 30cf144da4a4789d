"""Cosignatures of both types; the ML-DSA-44 message is built here from the page's struct alone."""

from __future__ import annotations

import struct
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st

from consent.log import cosignature
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import LatticeKey, cosign, verify_cosignature, witness_key
from consent.log.note import COSIGNATURE, ED25519, ML_DSA_44, VerifierKey, read_vkey
from consent.log.tlog_policy import open_checkpoint
from vault.crypto.keys import SigningKey
from vault.errors import BadProof

HEAD = Checkpoint("vault.example/log", 3, sha256(b"root").digest())
NAME, TIME = "w1.example", 1_679_315_147
PLAIN, LATTICE = SigningKey(b"\x01" * 32), LatticeKey(b"\x02" * 32)
KEYS: dict[str, SigningKey | LatticeKey] = {"04": PLAIN, "06": LATTICE}
LINES = {kind: cosign(HEAD, NAME, key, TIME).value for kind, key in KEYS.items()}
VKEYS = {kind: witness_key(NAME, key) for kind, key in KEYS.items()}
each_type = pytest.mark.parametrize("kind", ["04", "06"])


def cosigned_message(name: str, time: int, origin: str, size: int, root: bytes) -> bytes:
    """The struct cosigned_message of c2sp.org/tlog-cosignature, in TLS presentation language."""
    label = bytes.fromhex("737562747265652f76310a00")  # "subtree/v1\n\0", 12 bytes
    assert len(label) == 12
    short = [struct.pack("B", len(text)) + text.encode() for text in (name, origin)]
    return (
        label + short[0] + struct.pack(">Q", time) + short[1] + struct.pack(">QQ", 0, size) + root
    )


def by_library(message: bytes, value: bytes = LINES["06"]) -> None:
    MLDSA44PublicKey.from_public_bytes(LATTICE.public).verify(value[8:], message)


def test_ml_dsa_signature_is_over_the_pages_struct() -> None:
    by_library(cosigned_message(NAME, TIME, HEAD.origin, HEAD.size, HEAD.root))
    for other in (
        cosigned_message("w2.example", TIME, HEAD.origin, HEAD.size, HEAD.root),
        cosigned_message(NAME, TIME + 1, HEAD.origin, HEAD.size, HEAD.root),
        cosigned_message(NAME, TIME, HEAD.origin, HEAD.size + 1, HEAD.root),
    ):
        with pytest.raises(InvalidSignature):
            by_library(other)


def test_ml_dsa_signature_made_elsewhere_over_the_struct_verifies() -> None:
    foreign = MLDSA44PrivateKey.from_seed_bytes(b"\x05" * 32)
    key = VerifierKey("élan.example/w", ML_DSA_44, foreign.public_key().public_bytes_raw())
    message = struct.pack("B", len(key.name.encode())) + key.name.encode()
    message = b"subtree/v1\n\x00" + message + struct.pack(">Q", 9)
    message += struct.pack("B", len(HEAD.origin)) + HEAD.origin.encode()
    message += struct.pack(">QQ", 0, HEAD.size) + HEAD.root
    value = struct.pack(">Q", 9) + foreign.sign(message)
    assert verify_cosignature(key, value, HEAD) == cosignature.Cosigned(key, 9)


def test_sizes_are_those_of_fips_204() -> None:
    assert len(LATTICE.public) == 1312
    assert len(LINES["06"]) == 8 + 2420
    assert len(LINES["04"]) == 8 + 64


def test_key_ids_are_of_the_type_byte_and_the_key() -> None:
    for kind, alg in (("04", 4), ("06", 6)):
        key = VKEYS[kind]
        material = NAME.encode() + b"\n" + bytes([alg]) + KEYS[kind].public
        assert key.key_id == sha256(material).digest()[:4]
        assert read_vkey(str(key)) == key


@each_type
def test_cosignature_gives_witness_and_time(kind: str) -> None:
    found = verify_cosignature(VKEYS[kind], LINES[kind], HEAD)
    assert found == cosignature.Cosigned(VKEYS[kind], TIME)


@pytest.mark.parametrize("changed", ["origin", "size", "root"])
@each_type
def test_cosignature_is_of_one_checkpoint(kind: str, changed: str) -> None:
    other = {
        "origin": Checkpoint("vault.example/lag", HEAD.size, HEAD.root),
        "size": Checkpoint(HEAD.origin, 4, HEAD.root),
        "root": Checkpoint(HEAD.origin, HEAD.size, bytes(32)),
    }
    with pytest.raises(BadProof):
        verify_cosignature(VKEYS[kind], LINES[kind], other[changed])


@given(st.data())
@each_type
def test_any_flipped_bit_of_a_cosignature_is_refused(kind: str, data: st.DataObject) -> None:
    raw = bytearray(LINES[kind])
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadProof):
        verify_cosignature(VKEYS[kind], bytes(raw), HEAD)


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 0), slice(0, 8)])
@each_type
def test_cosignature_of_another_size_is_refused(kind: str, cut: slice) -> None:
    with pytest.raises(BadProof):
        verify_cosignature(VKEYS[kind], LINES[kind][cut], HEAD)
    with pytest.raises(BadProof):
        verify_cosignature(VKEYS[kind], LINES[kind] + b"\0", HEAD)


def test_name_is_bound_by_ml_dsa_and_not_by_ed25519() -> None:
    as_other = {kind: VerifierKey("w2.example", k.alg, k.public) for kind, k in VKEYS.items()}
    with pytest.raises(BadProof):
        verify_cosignature(as_other["06"], LINES["06"], HEAD)
    assert verify_cosignature(as_other["04"], LINES["04"], HEAD).time == TIME


@pytest.mark.parametrize("time", [0, 2**63, 2**64 - 1])
@each_type
def test_time_outside_its_range_is_refused_though_signed(kind: str, time: int) -> None:
    value = cosign(HEAD, NAME, KEYS[kind], time).value
    with pytest.raises(BadProof, match="time lies in"):
        verify_cosignature(VKEYS[kind], value, HEAD)


@pytest.mark.parametrize("time", [1, 2**63 - 1])
@each_type
def test_first_and_last_time_are_taken(kind: str, time: int) -> None:
    value = cosign(HEAD, NAME, KEYS[kind], time).value
    assert verify_cosignature(VKEYS[kind], value, HEAD).time == time


@each_type
def test_key_of_another_type_does_not_take_it(kind: str) -> None:
    for alg in {ED25519, COSIGNATURE, ML_DSA_44} - {VKEYS[kind].alg}:
        with pytest.raises(BadProof):
            verify_cosignature(VerifierKey(NAME, alg, VKEYS[kind].public), LINES[kind], HEAD)


def test_public_key_that_is_none_is_refused() -> None:
    for size in (0, 32, 1311, 1313):
        with pytest.raises(BadProof):
            verify_cosignature(VerifierKey(NAME, ML_DSA_44, bytes(size)), LINES["06"], HEAD)


@pytest.mark.parametrize("name", ["", "w" * 256, "é" * 128])
def test_name_that_the_struct_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(BadProof, match="1 to 255 bytes"):
        cosign(HEAD, name, LATTICE, TIME)
    with pytest.raises(BadProof, match="1 to 255 bytes"):
        verify_cosignature(VerifierKey(name, ML_DSA_44, LATTICE.public), LINES["06"], HEAD)


def test_note_carries_both_types_of_one_witness() -> None:
    log = SigningKey(b"\x03" * 32)
    lines = "".join(str(cosign(HEAD, NAME, key, TIME)) for key in KEYS.values())
    signed = sign_checkpoint(HEAD, log) + lines
    vkey = VerifierKey(HEAD.origin, ED25519, log.public)
    opened = open_checkpoint(signed, vkey, [*VKEYS.values()], 1)
    assert [one.witness for one in opened.cosigned] == [*VKEYS.values()]
    with pytest.raises(BadProof):
        open_checkpoint(signed, vkey, [*VKEYS.values()], 2)  # one name is one witness
