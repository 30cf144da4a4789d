"""The tree word for word as RFC 6962 section 2.1 defines it: slow, and written apart from ours."""

from __future__ import annotations

from hashlib import sha256


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(entries: list[bytes]) -> bytes:
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: list[bytes]) -> list[bytes]:
    return _subproof(m, entries, whole=True)


def _subproof(m: int, entries: list[bytes], *, whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*_subproof(m, entries[:k], whole=whole), mth(entries[k:])]
    return [*_subproof(m - k, entries[k:], whole=False), mth(entries[:k])]


def tile(entries: list[bytes], level: int, n: int, width: int) -> bytes:
    """The page's own words: MTH(D[(n·256+i)·256^l : (n·256+i+1)·256^l]) for i below the width."""
    step = 256**level
    places = range(n * 256, n * 256 + width)
    return b"".join(mth(entries[place * step : (place + 1) * step]) for place in places)


def bundle(entries: list[bytes], n: int, width: int) -> bytes:
    chosen = entries[n * 256 : n * 256 + width]
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in chosen)
