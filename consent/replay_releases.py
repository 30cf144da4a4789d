"""The part of the audit replay about releases (section 7).

    cv1-release   by the vault, under a live grant, of the newest token of its window, and its
                  (c, C) is the sum of the closes of that token's cells

The sum is of commitments and masked figures: no total is seen here.
"""

from __future__ import annotations

from hashlib import sha256
from sys import intern

from consent.messages import LinkMonths, Release
from consent.replay_links import Entry
from consent.replay_state import Closed, Granted
from consent.replay_tally import Tally
from consent.replay_tokens import TokenReplay, check_live
from consent.shown import combine
from vault.crypto.meter import Cell
from vault.errors import BadShape
from vault.messages import read_cells
from vault.months import join_window


class ReleaseReplay(TokenReplay):
    """What left the vault, once for each grant, window and purpose."""

    def __init__(self, auditor: bytes, tally: Tally | None) -> None:
        """Start before the first entry; `auditor` is the pinned key, 32 bytes."""
        super().__init__(auditor, tally)
        self._releases: set[tuple[bytes, str, str]] = set()

    def _release(self, entry: Entry) -> str:
        release = entry.opened(Release)
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        granted = self._granted(release.grant)
        if self._tally:  # before it is judged: one after its grant's end is to be measured
            self._tally.take_release(entry.at, granted.grant)
        check_live(granted, entry.at)
        if release.purpose not in granted.grant.purposes:
            raise BadShape(f"{release.purpose} is no purpose of the grant")
        months = join_window(release.window)
        newest, kept = granted.tokens.get(months, (b"", None))
        if kept is None or newest != release.token:
            raise BadShape("it does not name the newest token of this window")
        key = (granted.grant.grant, intern(months), intern(release.purpose))
        if key in self._releases:
            raise BadShape("this window was released for this purpose before")
        self._check_sum(granted, kept, release)
        self._releases.add(key)
        name, org = self._window_of(granted, release.window)
        org.windows[name].released = True
        return granted.account

    def _check_sum(self, granted: Granted, kept: tuple[LinkMonths, ...], release: Release) -> None:
        cells = [(cell.link, month) for cell in kept for month in cell.months]
        missing = [cell for cell in cells if cell not in self._closes]
        if missing:
            raise BadShape(f"the close of {missing[0][1]} does not stand before")
        if any(self._linked(link).lacks(month) for link, month in cells):
            raise BadShape("a cell of an absent month")
        closes = [self._closes[cell] for cell in cells]
        if _hash_names(closes) != release.closes:
            raise BadShape("closes: not the hash of the closes of the token's cells")
        if sorted({close.methodology for close in closes}) != list(release.methodology):
            raise BadShape("methodology: not the releases that the closes name")
        total = combine([read_cells(close.cells) for close in closes], granted.grant.scope)
        if total != Cell(release.c, release.C):
            raise BadShape("(c, C) is not the sum of the closes of the token's cells")


def _hash_names(closes: list[Closed]) -> bytes:
    """Return SHA-256 over the close hashes, in cell order."""
    return sha256(b"".join(close.name for close in closes)).digest()
