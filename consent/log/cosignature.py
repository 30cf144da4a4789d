r"""Cosignatures: a witness's word that a checkpoint extends what it saw (C2SP tlog-cosignature).

docs/protocol.md section 6; c2sp.org/tlog-cosignature.

    — w1.example idPd5gAAAABkGFDLwDPM…     base64(key id (4) || u64be(unix seconds) || signature)

    type 04, Ed25519     "cosignature/v1\ntime 1679315147\n" || the checkpoint's whole text
    type 06, ML-DSA-44   "subtree/v1\n\0" || u8(len) name || u64be(time) || u8(len) origin
                         || u64be(0) || u64be(size) || root

Type 06 also binds the witness's name, and stands when Ed25519 no longer does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from consent.log.checkpoint import Checkpoint
from consent.log.note import COSIGNATURE, ML_DSA_44, Signature, VerifierKey
from vault.crypto.keys import Secret, SigningKey, verify_signature
from vault.errors import BadJws, BadProof, BadShape

_SUBTREE = b"subtree/v1\n\0"
_SIZES = {COSIGNATURE: 8 + 64, ML_DSA_44: 8 + 2420}


@dataclass(frozen=True)
class Cosigned:
    """A witness's word that it saw this checkpoint as the newest, at that time (unix seconds)."""

    witness: VerifierKey
    time: int


class LatticeKey(Secret):
    """An ML-DSA-44 seed, 32 bytes (FIPS 204)."""

    @cached_property
    def _private(self) -> MLDSA44PrivateKey:
        try:
            return MLDSA44PrivateKey.from_seed_bytes(self.value)
        except UnsupportedAlgorithm as bad:
            raise BadShape("the cryptography library on this machine has no ML-DSA-44") from bad

    @cached_property
    def public(self) -> bytes:
        """The public key, 1,312 bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 2,420 bytes; another one each time."""
        return self._private.sign(message)


def witness_key(name: str, key: SigningKey | LatticeKey) -> VerifierKey:
    """Return the verifier key of a witness: type 04 for Ed25519, 06 for ML-DSA-44."""
    return VerifierKey(name, ML_DSA_44 if isinstance(key, LatticeKey) else COSIGNATURE, key.public)


def cosign(checkpoint: Checkpoint, name: str, key: SigningKey | LatticeKey, time: int) -> Signature:
    """Return a witness's cosignature line for a checkpoint, at unix seconds (1 or more)."""
    vkey = witness_key(name, key)
    signature: bytes = key.sign(_message(vkey, checkpoint, time))
    return Signature(name, vkey.key_id, time.to_bytes(8, "big") + signature)


def verify_cosignature(key: VerifierKey, value: bytes, checkpoint: Checkpoint) -> Cosigned:
    """Return the cosignature that a signature line of this key holds.

    Args:
        key: of type 04 or 06.
        value: what stands after the key id: time, then signature.
        checkpoint: what is said to be cosigned.

    Raises:
        BadProof: another type of key or size, a time outside 1..2^63-1, or it does not verify.

    Source: c2sp.org/tlog-cosignature "Format".
    """
    if len(value) != _SIZES.get(key.alg):
        raise BadProof(f"wanted a cosignature by {key.name}")
    time = int.from_bytes(value[:8], "big")
    # SPEC: the timestamp MUST NOT exceed 2^63 - 1; zero would claim no time at all.
    if not 0 < time < 2**63:
        raise BadProof(f"a cosignature's time lies in 1..2^63-1, found {time}")
    message = _message(key, checkpoint, time)
    try:
        if key.alg == ML_DSA_44:
            MLDSA44PublicKey.from_public_bytes(key.public).verify(value[8:], message)
        else:
            verify_signature(key.public, value[8:], message)
    except (BadJws, InvalidSignature, ValueError, UnsupportedAlgorithm) as bad:
        raise BadProof(f"the signature by {key.name} does not verify") from bad
    return Cosigned(key, time)


def _message(key: VerifierKey, checkpoint: Checkpoint, time: int) -> bytes:
    if key.alg != ML_DSA_44:
        return f"cosignature/v1\ntime {time}\n{checkpoint}".encode()
    start, end = bytes(8), checkpoint.size.to_bytes(8, "big")
    name, origin = _short(key.name), _short(checkpoint.origin)
    return _SUBTREE + name + time.to_bytes(8, "big") + origin + start + end + checkpoint.root


def _short(text: str) -> bytes:
    raw = text.encode()
    if not 0 < len(raw) < 256:
        raise BadProof(f"wanted a name of 1 to 255 bytes, found {len(raw)}")
    return bytes([len(raw)]) + raw
