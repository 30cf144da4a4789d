"""Pedersen commitments in the Ed25519 prime-order group (docs/protocol.md section 3).

    C = T·g + rho·h      g the base point, h a point nobody knows the logarithm of

Traps of libsodium's group, each met below: ``add`` takes points off the subgroup and non-canonical
encodings, so every received point goes through check_point; multiplication by the scalar 0 raises,
so zero is a case of its own; the identity is no "valid point", yet ``add`` takes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import NewType

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

from vault.errors import BadPoint, BadScalar

Scalar = NewType("Scalar", int)
Point = NewType("Point", bytes)

ORDER = 2**252 + 27742317777372353535851937790883648493
# crypto_core_ed25519_from_uniform(SHA-256("cv1/pedersen-h")); a test recomputes it.
H = Point(bytes.fromhex("018e7a89ac73afc3611dfdde470374b4f534ef05a8f28b9e43eab9e17cdc0299"))
IDENTITY = Point(b"\x01" + bytes(31))


def check_point(raw: bytes) -> Point:
    """Return received bytes as a point of the prime-order group.

    Raises:
        BadPoint: not 32 bytes, not canonical, off the curve, of small or mixed order.
    """
    if len(raw) != 32 or not crypto_core_ed25519_is_valid_point(raw):
        raise BadPoint("wanted the canonical encoding of a prime-order Ed25519 point")
    return Point(raw)


def read_scalar(raw: bytes) -> Scalar:
    """Return received bytes as a scalar in [0, l).

    Raises:
        BadScalar: not 32 bytes, or not reduced mod l.
    """
    number = int.from_bytes(raw, "little")
    if len(raw) != 32 or number >= ORDER:
        raise BadScalar("wanted 32 little-endian bytes below the group order")
    return Scalar(number)


def write_scalar(scalar: Scalar) -> bytes:
    """Return the scalar's 32 little-endian bytes."""
    return scalar.to_bytes(32, "little")


def add_points(points: Iterable[Point]) -> Point:
    """Return the sum of checked points; the identity when there are none."""
    return reduce(lambda left, right: Point(crypto_core_ed25519_add(left, right)), points, IDENTITY)


def commit(total: int, rho: Scalar) -> Point:
    """Return total·g + rho·h for total in [0, l)."""
    parts = []
    if total:
        parts.append(Point(crypto_scalarmult_ed25519_base_noclamp(write_scalar(Scalar(total)))))
    if rho:
        parts.append(Point(crypto_scalarmult_ed25519_noclamp(write_scalar(rho), H)))
    return add_points(parts)
