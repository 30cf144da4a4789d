"""HPKE base mode for one suite, written from RFC 9180 alone, with aad and a fixed ephemeral key.

DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, AES-256-GCM 0x0002.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEM = b"KEM" + (0x20).to_bytes(2, "big")
_SUITE = b"HPKE" + (0x20).to_bytes(2, "big") + (1).to_bytes(2, "big") + (2).to_bytes(2, "big")


def _extract(salt: bytes, label: bytes, ikm: bytes, suite: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(prk: bytes, label: bytes, info: bytes, size: int, suite: bytes) -> bytes:
    labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    okm, block = b"", b""
    for count in range(1, -(-size // 32) + 1):
        block = hmac.digest(prk, block + labeled + bytes([count]), "sha256")
        okm += block
    return okm[:size]


class Context:
    """The key schedule of base mode (section 5.1) over a DH result."""

    def __init__(self, dh: bytes, enc: bytes, pk: bytes, info: bytes) -> None:
        prk = _extract(b"", b"eae_prk", dh, _KEM)
        self.shared_secret = _expand(prk, b"shared_secret", enc + pk, 32, _KEM)
        psk_id_hash = _extract(b"", b"psk_id_hash", b"", _SUITE)
        info_hash = _extract(b"", b"info_hash", info, _SUITE)
        self.schedule = b"\0" + psk_id_hash + info_hash
        secret = _extract(self.shared_secret, b"secret", b"", _SUITE)
        self.key = _expand(secret, b"key", self.schedule, 32, _SUITE)
        self.base_nonce = _expand(secret, b"base_nonce", self.schedule, 12, _SUITE)

    def nonce(self, seq: int) -> bytes:
        number = int.from_bytes(self.base_nonce, "big") ^ seq
        return number.to_bytes(12, "big")

    def seal(self, seq: int, plain: bytes, aad: bytes = b"") -> bytes:
        return AESGCM(self.key).encrypt(self.nonce(seq), plain, aad)

    def open(self, seq: int, sealed: bytes, aad: bytes = b"") -> bytes:
        return AESGCM(self.key).decrypt(self.nonce(seq), sealed, aad)


def _public(private: X25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def sender(ephemeral: bytes, pk: bytes, info: bytes) -> tuple[bytes, Context]:
    """enc and the context of a sender with this ephemeral secret."""
    own = X25519PrivateKey.from_private_bytes(ephemeral)
    dh = own.exchange(X25519PublicKey.from_public_bytes(pk))
    return _public(own), Context(dh, _public(own), pk, info)


def receiver(enc: bytes, sk: bytes, info: bytes) -> Context:
    own = X25519PrivateKey.from_private_bytes(sk)
    dh = own.exchange(X25519PublicKey.from_public_bytes(enc))
    return Context(dh, enc, _public(own), info)
