"""Keys: one root per holder, everything else derived from it under a label (protocol section 4).

    root (20 bytes) ──KDF "cv1/acct"──────────────► account key, Ed25519
                    ├─KDF "cv1/state"─────────────► state key, AES-256-GCM
                    ├─KDF "cv1/link/k"  + link────► stream key of one link
                    ├─KDF "cv1/link/rec" + link───► record key of one link, X25519
                    └─KDF "cv1/consent" + org─────► consent key towards one organisation, Ed25519

The root is kept under *wraps*: a passkey's PRF output or the recovery code opens one.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.errors import BadCode, BadJws, BadSeal, BadShape

ROOT_SIZE = 20
NONCE_SIZE = 12
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHECK = _CROCKFORD + "*~$=U"


def kdf(key: bytes, info: bytes, size: int) -> bytes:
    """Return `size` bytes of HKDF-SHA256 with an empty salt (RFC 5869)."""
    return HKDF(SHA256(), size, None, info).derive(key)


@dataclass(frozen=True, repr=False)
class Secret:
    """Bytes that never show themselves in a repr, message or trace."""

    value: bytes = field(repr=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret) or type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self.value, other.value)

    def __hash__(self) -> int:
        return hash((type(self), self.value))


class Root(Secret):
    """The holder's root secret, 20 bytes."""


class StreamKey(Secret):
    """The secret k of one link, 32 bytes: every mask of the link comes from it."""


class SigningKey(Secret):
    """An Ed25519 seed, 32 bytes."""

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.value)

    @cached_property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes (RFC 8032)."""
        return self._private.sign(message)


class OpeningKey(Secret):
    """An X25519 secret, 32 bytes, that opens what was sealed to its public half."""

    @cached_property
    def private(self) -> X25519PrivateKey:
        """The library's form of the key."""
        return X25519PrivateKey.from_private_bytes(self.value)

    @cached_property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()


def verify_signature(public: bytes, signature: bytes, message: bytes) -> None:
    """Return when the Ed25519 signature is the key's over the message.

    Raises:
        BadJws: it is not.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as bad:
        raise BadJws("the signature does not verify under the expected key") from bad


def account_key(root: Root) -> SigningKey:
    """Return the account key: it *is* the account."""
    return SigningKey(kdf(root.value, b"cv1/acct", 32))


def state_key(root: Root) -> Secret:
    """Return the AES-256-GCM key of the holder's state."""
    return Secret(kdf(root.value, b"cv1/state", 32))


def stream_key(root: Root, link: bytes) -> StreamKey:
    """Return the stream secret k of a link (16 bytes)."""
    return StreamKey(kdf(root.value, b"cv1/link/k" + link, 32))


def record_key(root: Root, link: bytes) -> OpeningKey:
    """Return the key that opens the batches of a link (16 bytes)."""
    return OpeningKey(kdf(root.value, b"cv1/link/rec" + link, 32))


def consent_key(root: Root, org: str) -> SigningKey:
    """Return the key that signs all consents towards one organisation."""
    return SigningKey(kdf(root.value, b"cv1/consent" + org.encode("ascii"), 32))


def seal_state(key: Secret, counter: int, plain: bytes, nonce: bytes) -> bytes:
    """Return nonce || AES-256-GCM of the state; the counter is bound as aad."""
    aad = b"cv1/state" + counter.to_bytes(8, "big")
    return nonce + AESGCM(key.value).encrypt(nonce, plain, aad)


def open_state(key: Secret, counter: int, blob: bytes) -> bytes:
    """Return the state's bytes.

    Raises:
        BadSeal: another key, another counter or a damaged blob.
    """
    aad = b"cv1/state" + counter.to_bytes(8, "big")
    try:
        return AESGCM(key.value).decrypt(blob[:NONCE_SIZE], blob[NONCE_SIZE:], aad)
    except (InvalidTag, ValueError) as bad:
        raise BadSeal("the stored state does not open with this vault's key") from bad


def wrap_id(secret: bytes) -> bytes:
    """Return the public name of a wrap, 16 bytes, from its 20 or 32 byte secret."""
    return kdf(secret, b"cv1/wrap/id", 16)


def wrap_root(secret: bytes, root: Root, nonce: bytes) -> bytes:
    """Return the blob the vault keeps for this wrap: nonce || AES-256-GCM of the root."""
    sealer = AESGCM(kdf(secret, b"cv1/wrap/key", 32))
    return nonce + sealer.encrypt(nonce, root.value, wrap_id(secret))


def unwrap_root(secret: bytes, blob: bytes) -> Root:
    """Return the root from a wrap's blob.

    Raises:
        BadSeal: another secret or a damaged blob.
    """
    opener = AESGCM(kdf(secret, b"cv1/wrap/key", 32))
    try:
        return Root(opener.decrypt(blob[:NONCE_SIZE], blob[NONCE_SIZE:], wrap_id(secret)))
    except (InvalidTag, ValueError) as bad:
        raise BadSeal("the wrap does not open with this code or passkey") from bad


def write_code(secret: bytes) -> str:
    """Return 20 bytes as a recovery code: Crockford base32 in fours, one check symbol mod 37."""
    if len(secret) != ROOT_SIZE:
        raise BadShape(f"a recovery code holds {ROOT_SIZE} bytes, found {len(secret)}")
    return write_symbols(secret)


def read_code(text: str) -> bytes:
    """Return the 20 bytes of a recovery code; case, spaces and dashes do not matter.

    Raises:
        BadCode: wrong length, symbol or check symbol.
    """
    return read_symbols(text, ROOT_SIZE)


def write_symbols(raw: bytes) -> str:
    """Return bytes (a multiple of 5) as Crockford base32 in fours, with one check symbol mod 37."""
    number, count = int.from_bytes(raw, "big"), len(raw) * 8 // 5
    symbols = "".join(_CROCKFORD[number >> 5 * i & 31] for i in reversed(range(count)))
    fours = [symbols[i : i + 4] for i in range(0, count, 4)]
    return "-".join([*fours, _CHECK[number % 37]])


def read_symbols(text: str, size: int) -> bytes:
    """Return the `size` bytes of a code; case, spaces and dashes do not matter.

    Raises:
        BadCode: wrong length, symbol or check symbol.
    """
    count = size * 8 // 5
    symbols = re.sub(r"[\s-]", "", text).upper()
    symbols = symbols.translate(str.maketrans("OIL", "011"))
    if len(symbols) != count + 1:
        raise BadCode(f"a code of this kind has {count + 1} symbols, found {len(symbols)}")
    if any(symbol not in _CROCKFORD for symbol in symbols[:count]) or symbols[count] not in _CHECK:
        raise BadCode("the code holds a symbol that is never used in one")
    number = 0
    for symbol in symbols[:count]:
        number = number << 5 | _CROCKFORD.index(symbol)
    if _CHECK.index(symbols[count]) != number % 37:
        raise BadCode("the code's last symbol does not fit: a symbol was mistyped")
    return number.to_bytes(size, "big")


def six_digits(code: bytes) -> str:
    """Return the six digits both apps show for a link code (protocol section 5, "Link")."""
    return f"{int.from_bytes(sha256(code).digest()[:4], 'big') % 10**6:06d}"
