"""Sealing: HPKE (RFC 9180) base mode, and the padding of batches (docs/protocol.md section 3).

    wire = enc (32 bytes) || ciphertext          DHKEM(X25519), HKDF-SHA256, AES-256-GCM
    padded = u32be(length) || plain || zeros     up to 4096·2^n bytes, at most 1 MiB

All context goes into ``info``, since the library's public call has no aad. The suite is named by
the label "cv1"; a later label may move to the library's ML-KEM-768 + X25519.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from vault.crypto.keys import OpeningKey
from vault.errors import BadPoint, BadSeal, TooLarge

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
OVERHEAD = 32 + 16
SMALLEST = 4096
LARGEST = 1 << 20


def seal(public: bytes, plain: bytes, info: bytes) -> bytes:
    """Return enc || ciphertext for the holder of an X25519 key (32 bytes).

    Raises:
        BadPoint: a key of low order or another size.
    """
    try:
        return SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(public), info=info)
    except ValueError as bad:
        raise BadPoint("wanted an X25519 key that is not of low order") from bad


def check_sealing_key(public: bytes) -> None:
    """Return when texts can be sealed to this X25519 key; raises BadPoint for low order."""
    seal(public, b"", b"cv1/probe")


def open_sealed(keys: tuple[OpeningKey, ...], sealed: bytes, info: bytes) -> bytes:
    """Return the plain bytes; all of the opener's keys are tried, since keys are rotated yearly.

    Raises:
        BadSeal: no key opens it in this context.
    """
    for key in keys:
        try:
            return SUITE.decrypt(sealed, key.private, info=info)
        except InvalidTag:
            continue
    raise BadSeal("the sealed text does not open with this key in this context")


def pad(plain: bytes) -> bytes:
    """Return the padded form; sizes show no more than the doubling bucket.

    Raises:
        TooLarge: over 1 MiB.
    """
    size = SMALLEST
    while size < len(plain) + 4:
        size *= 2
    if size > LARGEST:
        raise TooLarge(f"a batch holds at most {LARGEST - 4} bytes, found {len(plain)}")
    return (len(plain).to_bytes(4, "big") + plain).ljust(size, b"\0")


def unpad(padded: bytes) -> bytes:
    """Return what pad was given.

    Raises:
        BadSeal: not a form that pad makes.
    """
    length = int.from_bytes(padded[:4], "big")
    plain = padded[4 : 4 + length]
    if len(plain) != length or len(padded) > LARGEST or pad(plain) != padded:
        raise BadSeal("the opened text is not padded as batches are")
    return plain
