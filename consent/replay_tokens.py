"""The part of the audit replay about tokens and the guard (section 7).

    cv1-token of a new window       by the grant's key; the window overlaps no other
    … of a window that stands       the cells of its last token, less absent ones

The windows that an organisation has are kept by consent/replay_windows.py.
"""

from __future__ import annotations

from sys import intern

from consent.messages import LinkMonths, Token
from consent.replay_grants import GrantReplay
from consent.replay_links import Entry
from consent.replay_state import Granted
from consent.replay_windows import KeptWindow, Org, WindowName
from consent.tokens import check_count, less_absent
from vault.errors import BadShape
from vault.months import Month, Window, join_window


class TokenReplay(GrantReplay):
    """Which windows each organisation has of each account, and over which cells."""

    def _token(self, entry: Entry) -> str:
        token = entry.opened(Token)
        granted = self._granted(token.grant)
        self._verify_giver(entry, granted)
        check_live(granted, entry.at)
        granted.grant.check_window(token.window)
        check_count(token.cells, granted.grant.scope)
        for cell in token.cells:
            self._check_cell(granted, token, cell.link, cell.months)
        cells = self._check_window(granted, token)
        granted.tokens[intern(join_window(token.window))] = (entry.name, cells)
        return granted.account

    def _check_cell(
        self, granted: Granted, token: Token, link: bytes, months: tuple[Month, ...]
    ) -> None:
        linked = self._linked(link)
        if linked.account != granted.account:
            raise BadShape("a cell of a link that is not attached to the account of the bind")
        if self.directory.org_of(linked.source) == granted.grant.org:
            raise BadShape("a cell of the platform's own source")
        if not set(months) <= set(token.window) or months[0] < linked.begins:
            raise BadShape("a cell outside the window, or before its link began")
        if any(linked.lacks(month) for month in months):
            raise BadShape("a cell of an absent month")

    def _check_window(self, granted: Granted, token: Token) -> tuple[LinkMonths, ...]:
        """The guard: the window is new, or its last token again, less absent cells.

        The cells are returned as they are kept.
        """
        name, org = self._window_of(granted, token.window)
        last = org.windows.get(name)
        if last is None:
            org.use(*name)
            cells = tuple(
                LinkMonths(self._shared.link(c.link), self._shared.window(c.months))
                for c in token.cells
            )
            last = org.windows[name] = KeptWindow(cells)
            self._aging.keep(token.window[-1], last)
            return last.cells
        wanted = less_absent(last.cells, lambda link, m: self._linked(link).lacks(m))
        if token.cells != wanted:
            raise BadShape("the window is made again with other cells than its last, less absent")
        if last.released and token.cells != last.cells:
            raise BadShape("a released window is made smaller")
        last.cells = token.cells
        return last.cells

    def _window_of(self, granted: Granted, window: Window) -> tuple[WindowName, Org]:
        """What makes a window the same: account, organisation, categories, months."""
        org = self._orgs[granted.account, granted.grant.org]
        return (granted.grant.categories, self._shared.window(window)), org


def check_live(granted: Granted, at: int) -> None:
    """Return when the grant is live and not over; raises BadShape."""
    if granted.state != "live":
        raise BadShape(f"the grant is {granted.state}")
    if at >= granted.grant.until:
        raise BadShape("the grant's until had passed")
