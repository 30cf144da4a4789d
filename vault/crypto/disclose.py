"""One sealed text laid open to somebody else, and nothing but that one (protocol section 7).

    shared = shared_secret(key, sealed)            32 bytes; the opener keeps the key
    open_disclosed(shared, sealed, info)           the plain bytes, for whoever was given `shared`

HPKE draws every message's keys from a shared secret of its own. Who has one opens that message;
it says nothing of the key that found it, nor of another message. The library's HPKE takes no such
secret and gives none, so the two parts of RFC 9180 stand here: Decap (section 4.1) and the key
schedule of base mode (section 5.1), for the suite of vault/crypto/seal.py and sequence number 0.

AES-GCM does not commit to its key: the secret of an honest sealer's text opens it in one way only,
but a sealer and an opener who act together could make a text that opens in two.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from vault.crypto.keys import OpeningKey
from vault.crypto.seal import OVERHEAD, check_sealing_key
from vault.errors import BadPoint, BadSeal

SECRET_SIZE = 32
_ENC_SIZE = 32
_NONCE_SIZE = 12
# SPEC: suite_id = concat("KEM", I2OSP(kem_id, 2)), and "HPKE" with kem_id, kdf_id, aead_id.
_KEM = b"KEM\x00\x20"
_HPKE = b"HPKE\x00\x20\x00\x01\x00\x02"


def shared_secret(key: OpeningKey, sealed: bytes) -> bytes:
    """Return the shared secret of one sealed text: what opens it, and nothing else.

    Args:
        key: the key that it was sealed to.
        sealed: enc (32 bytes) || ciphertext.

    Returns:
        32 bytes. They are as secret as the text; nobody finds the key from them.

    Raises:
        BadSeal: shorter than enc and tag, or enc of low order.

    Source: RFC 9180 section 4.1, Decap.
    """
    enc = _enc_of(sealed)
    dh = key.private.exchange(X25519PublicKey.from_public_bytes(enc))
    prk = _extract(_KEM, b"", b"eae_prk", dh)
    return _expand(_KEM, prk, b"shared_secret", enc + key.public, SECRET_SIZE)


def open_disclosed(shared: bytes, sealed: bytes, info: bytes) -> bytes:
    """Return the plain bytes of a text whose shared secret was disclosed.

    Args:
        shared: what shared_secret gave, 32 bytes.
        sealed: enc (32 bytes) || ciphertext.
        info: the context that it was sealed in.

    Raises:
        BadSeal: another secret, text or context; enc of low order.

    Source: RFC 9180 sections 5.1 (KeySchedule, mode_base) and 5.2 (Open), aad empty.
    """
    enc = _enc_of(sealed)
    context = b"\0" + _extract(_HPKE, b"", b"psk_id_hash", b"")
    context += _extract(_HPKE, b"", b"info_hash", info)
    secret = _extract(_HPKE, shared, b"secret", b"")
    key = _expand(_HPKE, secret, b"key", context, 32)
    nonce = _expand(_HPKE, secret, b"base_nonce", context, _NONCE_SIZE)
    try:
        return AESGCM(key).decrypt(nonce, sealed[len(enc) :], None)
    except InvalidTag as bad:
        raise BadSeal("the disclosed secret does not open this text in this context") from bad


def _enc_of(sealed: bytes) -> bytes:
    if len(sealed) < OVERHEAD:
        raise BadSeal(f"a sealed text has at least {OVERHEAD} bytes, found {len(sealed)}")
    enc = sealed[:_ENC_SIZE]
    try:
        check_sealing_key(enc)
    except BadPoint as bad:
        raise BadSeal("the sealed text begins with a point of low order") from bad
    return enc


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    # HMAC pads its key with zeros, so that an empty salt is the 32 zeros of RFC 5869.
    return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(SHA256(), size, labeled).derive(prk)
