"""The balance chain: from records to whole grams, month by month (protocol section 5, "Close").

    B = balance + Σ mg of counting records      T = min(CAP, max(0, B // 1000))
    new balance = B − 1000·T                    (milligrams, may be negative)

The source settles with it before it closes, the holder's app to recompute every close; the digest
ties a close to the batches and receipts it counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from vault.crypto.meter import CELL_LIMIT
from vault.encoding import text_hash
from vault.months import Category, Grams, Milligrams

ZERO = (Milligrams(0),) * len(Category)


class Settled(NamedTuple):
    """Seven totals in grams and seven balances in milligrams, by category."""

    grams: tuple[Grams, ...]
    balances: tuple[Milligrams, ...]


def settle(
    before: Iterable[Milligrams], added: Mapping[int, int], cap: Callable[[Category], Grams]
) -> Settled:
    """Return the month's totals and what is carried on.

    Args:
        before: seven balances of the close before, milligrams.
        added: category number → milligrams of counting records since.
        cap: the release's grams a month for a category, below 2^40.
    """
    sums = [left + added.get(c, 0) for c, left in zip(Category, before, strict=True)]
    grams = [
        min(cap(c), CELL_LIMIT - 1, max(0, total // 1000))
        for c, total in zip(Category, sums, strict=True)
    ]
    left = [total - 1000 * g for total, g in zip(sums, grams, strict=True)]
    return Settled(tuple(map(Grams, grams)), tuple(map(Milligrams, left)))


def digest_of(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return ``batches``: SHA-256 over SHA-256(batch) || SHA-256(receipt), in order."""
    return sha256(b"".join(text_hash(a) + text_hash(b) for a, b in pairs)).digest()
