"""The one byte form of everything that is signed: strict compact JWS (protocol section 3).

    eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoi….eyJpYXQiOjE3NjcyMjU2MDAs….c2lnbmF0dXJl
    {"alg":"Ed25519","kid":K,"typ":T}   {"iat":1767225600,…}     64 bytes

The bytes received are the bytes verified, stored and hashed. JOSE libraries were seen to accept
reordered members, a doubled ``alg`` and ``crit``; here the header must be these bytes and no other.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from vault.crypto.commit import check_point
from vault.crypto.keys import SigningKey, verify_signature
from vault.errors import BadJws, BadShape, BadType

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
JsonIn = None | bool | int | str | Sequence["JsonIn"] | Mapping[str, "JsonIn"]

_HEADER = re.compile(rb'\{"alg":"Ed25519","kid":"([A-Za-z0-9_-]{43})","typ":"([a-z0-9-]{1,24})"\}')
_B64U = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_INT_LIMIT = 2**53


def b64u(raw: bytes) -> str:
    """Return base64url without padding (RFC 4648 section 5)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def unb64u(text: str, size: int | None = None) -> bytes:
    """Return the bytes of base64url text that has exactly one form.

    Raises:
        BadShape: padding, other symbols, stray bits or another size.
    """
    if not _B64U.fullmatch(text) or len(text) % 4 == 1:
        raise BadShape("wanted base64url without padding")
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64u(raw) != text:
        raise BadShape("base64url text has stray bits in its last symbol")
    if size is not None and len(raw) != size:
        raise BadShape(f"wanted {size} bytes of base64url, found {len(raw)}")
    return raw


def text_hash(text: str) -> bytes:
    """Return the SHA-256 of a compact JWS: its name everywhere in the protocol."""
    return sha256(text.encode("ascii")).digest()


def thumbprint(public: bytes) -> str:
    """Return the RFC 7638 thumbprint (base64url) of an Ed25519 public key: its ``kid``."""
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{b64u(public)}"}}'
    return b64u(sha256(jwk.encode("ascii")).digest())


def compact_json(body: JsonIn) -> bytes:
    """Return JSON without spaces, UTF-8, members in the order given."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def strict_json(raw: bytes) -> Json:
    """Return parsed JSON.

    Raises:
        BadShape: not UTF-8 JSON; a doubled member; a float; an integer of 2^53 or more; ``-0``; a
            lone surrogate.
    """
    try:
        parsed: Json = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_members,
            parse_float=_no_float,
            parse_int=_small_int,
            parse_constant=_no_float,
        )
        if b"\\u" in raw:
            compact_json(parsed)  # an escaped lone surrogate has no UTF-8 form
    except (UnicodeError, json.JSONDecodeError, RecursionError) as bad:
        raise BadShape("the body is not UTF-8 JSON") from bad
    return parsed


def strict_object(raw: bytes) -> dict[str, Json]:
    """Return a parsed JSON object; raises BadShape as strict_json does, or when it is no object."""
    parsed = strict_json(raw)
    if not isinstance(parsed, dict):
        raise BadShape("wanted a JSON object")
    return parsed


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadShape("a member stands twice in one object")
    return members


def _no_float(text: str) -> Json:
    raise BadShape(f"numbers are integers here, found {text[:20]}")


def _small_int(text: str) -> Json:
    if len(text) > 17 or abs(int(text)) >= _INT_LIMIT or text == "-0":
        raise BadShape(f"integers stay below 2^53 and zero has no sign, found {text[:20]}")
    return int(text)


@dataclass(frozen=True)
class Envelope:
    """A JWS whose header was read and whose signature was not checked yet."""

    text: str
    kid: str
    typ: str
    payload: bytes
    signature: bytes

    def verify(self, public: bytes) -> None:
        """Return when the signature is this key's.

        Raises:
            BadJws: the key does not hash to ``kid``, or the signature does not verify.
        """
        if thumbprint(public) != self.kid:
            raise BadJws("the key does not hash to the message's kid")
        signed = self.text.rpartition(".")[0].encode("ascii")
        verify_signature(public, self.signature, signed)

    def verify_introduced(self) -> bytes:
        """Return the key that the message introduces as ``pk``, once it verified under it.

        Raises:
            BadShape, BadPoint, BadJws: no ``pk``, not a key of the prime-order group, not its kid.
        """
        pk = strict_object(self.payload).get("pk")
        if not isinstance(pk, str):
            raise BadShape("wanted a member pk, the key that signs this message")
        public = unb64u(pk, 32)
        check_point(public)
        self.verify(public)
        return public


def read_envelope(text: str, *expected: str) -> Envelope:
    """Return the JWS apart, its header byte for byte the only allowed one.

    Raises:
        BadJws: not three base64url segments with that header.
        BadType: a ``typ`` that is not among the expected ones.
    """
    segments = text.split(".")
    if len(segments) != 3 or not text.isascii():
        raise BadJws("wanted a compact JWS of three segments")
    try:
        header, payload, signature = (unb64u(segment) for segment in segments)
    except BadShape as bad:
        raise BadJws("a segment of the JWS is not base64url") from bad
    named = _HEADER.fullmatch(header)
    if not named:
        raise BadJws('the header is not {"alg":"Ed25519","kid":K,"typ":T} byte for byte')
    kid, typ = named[1].decode("ascii"), named[2].decode("ascii")
    if typ not in expected:
        raise BadType(f"wanted {' or '.join(expected)}, found {typ}")
    if len(signature) != 64:
        raise BadJws(f"an Ed25519 signature has 64 bytes, found {len(signature)}")
    return Envelope(text, kid, typ, payload, signature)


def sign_jws(typ: str, body: Mapping[str, JsonIn], key: SigningKey) -> str:
    """Return the compact JWS of the body under the key."""
    header = f'{{"alg":"Ed25519","kid":"{thumbprint(key.public)}","typ":"{typ}"}}'
    signed = f"{b64u(header.encode('ascii'))}.{b64u(compact_json(body))}"
    return f"{signed}.{b64u(key.sign(signed.encode('ascii')))}"
