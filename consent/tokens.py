"""Tokens: the masks of exactly one scope and window, sealed to one platform (section 5, "Token").

    cells = [[link, [months]], …]     tau = Σ mask      rho = Σ rho      over cells × categories
    sealed = HPKE(platform, le32(tau) || le32(rho), info "cv1/token" || grant || "2026-01/2026-02")

Subtracting tau from the vault's sum of those cells leaves the total that was consented to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import product
from typing import NamedTuple

from consent.messages import CELL_COUNT_LIMIT, LinkMonths, Token, TokenPost
from vault.crypto.commit import read_scalar, write_scalar
from vault.crypto.keys import OpeningKey, SigningKey, StreamKey
from vault.crypto.meter import Masks, add_masks, masks_of
from vault.crypto.seal import open_sealed, seal
from vault.errors import BadSeal, BadShape, NotMinted
from vault.months import Category, Month, Window, join_window

SEALED_SIZE = 112


class LinkFact(NamedTuple):
    """What decides whether a link's months are cells.

    The organisation of its source, its first month, its absent months; `ends` is the month of its
    unlink, absent like all later ones.
    """

    link: bytes
    org: str
    begins: Month
    absent: frozenset[Month] = frozenset()
    ends: Month | None = None

    def has(self, month: Month) -> bool:
        """Whether the link has, or may come to have, a figure for the month."""
        over = self.ends is not None and month >= self.ends
        return month >= self.begins and month not in self.absent and not over


class Granted(NamedTuple):
    """One window of one grant (16 bytes)."""

    grant: bytes
    window: Window


def cells_of(links: Iterable[LinkFact], org: str, window: Window) -> tuple[LinkMonths, ...]:
    """Return the cells of a window towards an organisation, sorted by link.

    The organisation's own sources are left out: it knows those records already.

    Raises:
        NotMinted: no link has a month in this window, so there is nothing to add up.
    """
    cells = []
    for fact in sorted(links, key=lambda fact: fact.link):
        months = tuple(month for month in window if fact.has(month))
        if fact.org != org and months:
            cells.append(LinkMonths(fact.link, months))
    if not cells:
        raise NotMinted("no source of another organisation has records in this period")
    return tuple(cells)


def less_absent(
    cells: tuple[LinkMonths, ...], absent: Callable[[bytes, Month], bool]
) -> tuple[LinkMonths, ...]:
    """Return cells without the (link, month) that are absent: what a window is made again with."""
    kept = (
        LinkMonths(cell.link, tuple(m for m in cell.months if not absent(cell.link, m)))
        for cell in cells
    )
    return tuple(cell for cell in kept if cell.months)


def check_count(cells: tuple[LinkMonths, ...], scope: tuple[Category, ...]) -> None:
    """Return when cells × categories stay within 4,096; raises BadShape."""
    count = sum(len(cell.months) for cell in cells) * len(scope)
    if count > CELL_COUNT_LIMIT:
        raise BadShape(f"a token covers at most {CELL_COUNT_LIMIT} cells, found {count}")


def sum_masks(
    key_of: Callable[[bytes], StreamKey],
    cells: tuple[LinkMonths, ...],
    scope: tuple[Category, ...],
) -> Masks:
    """Return tau and rho over cells × categories; `key_of` gives a link's stream secret."""
    return add_masks(
        masks_of(key_of(cell.link), category, month)
        for cell in cells
        for category, month in product(scope, cell.months)
    )


def token_info(granted: Granted) -> bytes:
    """Return the HPKE info that ties a sealed token to its grant and window."""
    return b"cv1/token" + granted.grant + join_window(granted.window).encode("ascii")


def seal_token(masks: Masks, platform_key: bytes, granted: Granted) -> bytes:
    """Return the 112 sealed bytes; raises BadPoint for a key of low order."""
    plain = write_scalar(masks.tau) + write_scalar(masks.rho)
    return seal(platform_key, plain, token_info(granted))


def sign_token(
    key: SigningKey, iat: int, granted: Granted, cells: tuple[LinkMonths, ...], sealed: bytes
) -> TokenPost:
    """Return the token of a window as it is posted: its text, and the sealed bytes beside it."""
    token = Token(
        iat=iat,
        grant=granted.grant,
        window=granted.window,
        cells=cells,
        sealed=sha256(sealed).digest(),
    )
    return TokenPost(token=token.signed(key), sealed=sealed)


def open_token(keys: tuple[OpeningKey, ...], sealed: bytes, granted: Granted) -> Masks:
    """Return what the holder sealed.

    Raises:
        BadSeal, BadScalar: another key, grant or window, or not two canonical scalars.
    """
    plain = open_sealed(keys, sealed, token_info(granted))
    if len(plain) != 64:
        raise BadSeal("a token holds two scalars")
    return Masks(read_scalar(plain[:32]), read_scalar(plain[32:]))
