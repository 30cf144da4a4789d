"""Proof of the caller's key on every request: DPoP (RFC 9449), without access tokens.

    DPoP: <header>.<claims>.<signature>
    {"alg":"Ed25519","jwk":{"crv":"Ed25519","kty":"OKP","x":X},"typ":"dpop+jwt"}
    {"jti":…,"htm":"POST","htu":"https://vault.example/v1/closes","iat":…,"bh":…}

``bh`` is the base64url SHA-256 of the body when there is one. The key is the account, or a key of
the directory. DPoP times stay on the wall clock, also when the vault's clock is moved by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from pydantic import Field, StringConstraints

from vault.crypto.commit import check_point
from vault.crypto.keys import SigningKey, verify_signature
from vault.encoding import JsonIn, b64u, compact_json, thumbprint, unb64u
from vault.errors import BadInput, StaleProof
from vault.messages import Shape, Unix

LIFE = 60
# Little, because what a restart forgets could be used again until it is past; a caller whose clock
# runs ahead makes the proof anew by the Date header.
AHEAD = 5
_HEADER = re.compile(
    rb'\{"alg":"Ed25519","jwk":\{"crv":"Ed25519","kty":"OKP","x":"([A-Za-z0-9_-]{43})"\},'
    rb'"typ":"dpop\+jwt"\}'
)


class Claims(Shape):
    """The claims of a proof."""

    jti: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22,64}$")]
    htm: str
    htu: str
    iat: Unix
    bh: Annotated[str, Field(default="")]


@dataclass(frozen=True)
class Request:
    """What a proof is about: method, URL without query, body."""

    method: str
    url: str
    body: bytes

    @property
    def body_hash(self) -> str:
        """base64url SHA-256 of the body; empty when there is none."""
        return b64u(sha256(self.body).digest()) if self.body else ""


def prove(key: SigningKey, request: Request, wall: int, jti: bytes) -> str:
    """Return the proof header for one request; `wall` in unix seconds, `jti` 16 random bytes."""
    header: JsonIn = {
        "alg": "Ed25519",
        "jwk": {"crv": "Ed25519", "kty": "OKP", "x": b64u(key.public)},
        "typ": "dpop+jwt",
    }
    claims: dict[str, JsonIn] = {
        "jti": b64u(jti),
        "htm": request.method,
        "htu": request.url,
        "iat": wall,
    }
    if request.body:
        claims["bh"] = request.body_hash
    signed = f"{b64u(compact_json(header))}.{b64u(compact_json(claims))}"
    return f"{signed}.{b64u(key.sign(signed.encode('ascii')))}"


class Seen:
    """The proofs of the last two minutes, each taken once.

    A restart forgets them, so proofs made before this start are refused as stale: the caller makes
    a new one by the Date header.
    """

    def __init__(self, started: int) -> None:
        """Remember from `started` (wall clock, unix seconds) on."""
        self._started = started
        self._until: dict[str, int] = {}
        self._swept = self._latest = started

    def take(self, jti: str, iat: int, wall: int) -> None:
        """Return when the proof is fresh and was never taken; raises StaleProof."""
        self._latest = wall = max(wall, self._latest)  # a clock set back forgets nothing
        if not wall - LIFE <= iat <= wall + AHEAD or iat < self._started:
            raise StaleProof(f"the proof is dated {iat - wall:+d} s from this clock")
        if wall > self._swept + LIFE:
            self._until = {j: end for j, end in self._until.items() if end >= wall}
            self._swept = wall
        if jti in self._until:
            raise StaleProof("this proof was used before")
        self._until[jti] = iat + LIFE


def check_proof(proof: str, request: Request, take: Callable[[str, int], None]) -> bytes:
    """Return the caller's public key (32 bytes).

    1. three segments; the header byte for byte. 2. the key, of prime order, and its signature.
    3. strict claims. 4. method, URL and body are this request's. 5. `take`(jti, iat): fresh, once.

    Raises:
        StaleProof: any of these fails.
    """
    try:
        header, claims, signature = (unb64u(part) for part in proof.split("."))  # 1
        named = _HEADER.fullmatch(header)
        if not named:
            raise StaleProof("the proof's header is not the one this vault takes")
        public = check_point(unb64u(named[1].decode("ascii"), 32))  # 2
        verify_signature(public, signature, proof.rpartition(".")[0].encode("ascii"))
        found = Claims.parse(claims)  # 3
    except (BadInput, ValueError) as bad:
        raise StaleProof("the DPoP proof is missing or malformed") from bad
    wanted = (request.method, request.url, request.body_hash)
    if (found.htm, found.htu, found.bh) != wanted:  # 4
        raise StaleProof(f"the proof is not for {request.method} {request.url} with this body")
    take(found.jti, found.iat)  # 5
    return public


def caller(public: bytes) -> str:
    """Return the caller's name: the account id, or the kid of a directory key."""
    return thumbprint(public)
