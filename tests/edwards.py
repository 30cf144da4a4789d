"""Ed25519's curve in plain integers (RFC 8032 section 5.1), to check libsodium against.

Affine points (x, y) of -x² + y² = 1 + d·x²·y² mod p; slow, complete, also off the subgroup.
"""

from __future__ import annotations

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493
Affine = tuple[int, int]
NEUTRAL: Affine = (0, 1)
BASE: Affine = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)


def add(left: Affine, right: Affine) -> Affine:
    (x1, y1), (x2, y2) = left, right
    k = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    y3 = (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P
    return x3, y3


def times(count: int, point: Affine) -> Affine:
    total = NEUTRAL
    while count:
        if count & 1:
            total = add(total, point)
        point = add(point, point)
        count >>= 1
    return total


def encode(point: Affine) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(raw: bytes) -> Affine:
    """Raises ValueError off the curve."""
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        raise ValueError("off the curve")
    return (P - x if x & 1 != sign else x), y


def _torsion() -> list[Affine]:
    # l·Q for a Q of full order has order 8; its multiples are all eight points of small order.
    for y in range(2, 50):
        try:
            eighth = times(ORDER, decode(y.to_bytes(32, "little")))
        except ValueError:
            continue
        if times(4, eighth) != NEUTRAL:
            return [times(count, eighth) for count in range(8)]
    raise AssertionError("no point of order 8")


TORSION = _torsion()
