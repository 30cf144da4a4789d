"""Masks, cells and token sums: how a blind store adds up (docs/protocol.md section 5, "Close").

    (mask, rho) = KDF(k, "cv1/cell" || u8(category) || month, 128), two 64-byte halves mod l
    c = T + mask mod l          C = T·g + rho·h
    tau = Σ mask mod l          a token takes exactly these masks off a sum of cells

Masks depend only on link, category and month, so a token can be made before the close exists. One
mask serves one frozen message; were it used for two totals, their difference would be plain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vault.crypto.commit import ORDER, Point, Scalar, add_points, commit
from vault.crypto.keys import StreamKey, kdf
from vault.errors import BadTotal
from vault.months import Category, Grams, Month

CELL_LIMIT = 2**40
TOTAL_LIMIT = 2**52


@dataclass(frozen=True)
class Cell:
    """One hidden number of a close: c, the masked grams, and C, their commitment."""

    masked: Scalar
    commitment: Point


@dataclass(frozen=True, repr=False)
class Masks:
    """What a token carries: the sums tau (of masks) and rho (of blindings) over its cells."""

    tau: Scalar
    rho: Scalar


def masks_of(key: StreamKey, category: Category, month: Month) -> Masks:
    """Return the mask and blinding of one cell: what the source adds and the token takes away.

    Args:
        key: stream secret of one link, 32 bytes.
        category: 1..7.
        month: the month closed.

    Returns:
        Two integers in [0, l), l the order of the Ed25519 prime-order subgroup.

    Source: docs/protocol.md section 5, "Close"; HKDF is RFC 5869.
    """
    okm = kdf(key.value, b"cv1/cell" + bytes([category]) + month.encode("ascii"), 128)
    tau, rho = (int.from_bytes(half, "little") % ORDER for half in (okm[:64], okm[64:]))
    return Masks(Scalar(tau), Scalar(rho))


def add_masks(parts: Iterable[Masks]) -> Masks:
    """Return the sums mod l: a token's content."""
    tau = rho = 0
    for part in parts:
        tau, rho = tau + part.tau, rho + part.rho
    return Masks(Scalar(tau % ORDER), Scalar(rho % ORDER))


def hide(grams: Grams, masks: Masks) -> Cell:
    """Return the cell of `grams`, an integer in [0, 2^40)."""
    if not 0 <= grams < CELL_LIMIT:
        raise BadTotal("a cell holds 0 up to 2^40 - 1 grams")
    return Cell(Scalar((grams + masks.tau) % ORDER), commit(grams, masks.rho))


def add_cells(cells: Iterable[Cell]) -> Cell:
    """Return the blind sum of cells (``combine`` in the protocol)."""
    kept = list(cells)
    masked = Scalar(sum(cell.masked for cell in kept) % ORDER)
    return Cell(masked, add_points(cell.commitment for cell in kept))


def reveal(total: Cell, masks: Masks) -> Grams:
    """Return the grams under a blind sum.

    Raises:
        BadTotal: 2^52 or more, or the commitment is not to this number and blinding.
    """
    grams = (total.masked - masks.tau) % ORDER
    if grams >= TOTAL_LIMIT:
        raise BadTotal("the token does not take the masks off this sum")
    if commit(grams, masks.rho) != total.commitment:
        raise BadTotal("the signed commitment is to another number")
    return Grams(grams)
