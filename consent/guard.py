"""The guard: each (category, month) is in at most one window per organisation, ever.

All totals an organisation can have then have disjoint supports, so that nothing finer than a
consented window can be computed from them (docs/protocol.md section 5, "The guard"). The holder's
app keeps it first, the vault here with a primary key, and the auditor replays it.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import product
from typing import NamedTuple

from consent.grants import GrantRow, check_consent, check_live, holder_grant
from consent.messages import LinkMonths, Token, TokenPost
from consent.tokens import SEALED_SIZE, check_count, less_absent
from vault import absents, journal, links
from vault.directory import Directory
from vault.encoding import read_envelope
from vault.errors import AtomUsed, BadShape, DifferentBytes, NotFound, TooEarly
from vault.months import Month, add_months, join_window
from vault.operator import Operator
from vault.storage.database import Transaction

AHEAD_LIMIT = 12


class _Window(NamedTuple):
    token: str
    released: int


class TokenRow(NamedTuple):
    """A token as stored; `sealed` is None once its grant is stopped."""

    text: str
    sealed: bytes | None

    @property
    def token(self) -> Token:
        """The token message; its signature was verified when it came in."""
        return Token.opened(read_envelope(self.text, Token.typ))


def mint(
    tx: Transaction, operator: Operator, directory: Directory, caller: str, post: TokenPost
) -> bytes:
    """Take a token; return the journal hash.

    1. the caller's grant, signed by its consent key. 2. `sealed` are the bytes the token names.
    3. the stored answer for the same bytes. 4. the grant is live. 5. the window is the grant's and
    not more than 12 months ahead. 6. the cells are the caller's, of other organisations' sources,
    inside the window, from `from` on and not absent. 7. no atom was used before, or this is the
    window's last token once more, less absent cells.

    Raises:
        NotFound, UnknownKey, BadJws, BadType, BadShape, DifferentBytes, Revoked, Paused, Expired,
        TooEarly, Absent, AtomUsed: a check fails.
    """
    envelope = read_envelope(post.token, Token.typ)
    token = Token.opened(envelope)
    row = holder_grant(tx, caller, token.grant)
    check_consent(tx, envelope, caller, row.org)  # 1
    if len(post.sealed) != SEALED_SIZE or sha256(post.sealed).digest() != token.sealed:
        raise DifferentBytes("the sealed bytes are not the ones that the token names")  # 2
    if stored := journal.holds(tx, post.token):
        return stored  # 3
    check_live(row, operator.now())  # 4
    row.grant.check_window(token.window)
    if token.window[0] > add_months(directory.month_at(operator.now()), AHEAD_LIMIT):
        raise TooEarly(f"tokens are made at most {AHEAD_LIMIT} months ahead")  # 5
    _check_cells(tx, directory, row, token)  # 6
    _take_window(tx, directory, row, token, post.token)  # 7
    tx.run(
        "INSERT INTO tokens (grant_id, months, text, sealed) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (grant_id, months) DO UPDATE SET text = excluded.text,"
        " sealed = excluded.sealed",
        token.grant,
        join_window(token.window),
        post.token,
        post.sealed,
    )
    return journal.append(tx, operator, post.token, caller)


def token_of(tx: Transaction, grant_id: bytes, months: str) -> TokenRow | None:
    """Return the token of a grant's window (its months joined by ``/``)."""
    return tx.one(
        TokenRow,
        "SELECT text, sealed FROM tokens WHERE grant_id = ? AND months = ?",
        grant_id,
        months,
    )


def tokens_of(tx: Transaction, account: str) -> list[str]:
    """Return every token text of an account, stopped grants included."""
    rows = tx.all(
        TokenRow,
        "SELECT t.text, t.sealed FROM tokens t JOIN grants g ON g.grant_id = t.grant_id"
        " WHERE g.account = ? ORDER BY t.grant_id, t.months",
        account,
    )
    return [row.text for row in rows]


def _check_cells(tx: Transaction, directory: Directory, row: GrantRow, token: Token) -> None:
    check_count(token.cells, row.grant.scope)
    for cell in token.cells:
        _check_cell(tx, directory, row, token, cell)


def _check_cell(
    tx: Transaction, directory: Directory, row: GrantRow, token: Token, cell: LinkMonths
) -> None:
    link = links.link_of(tx, cell.link)
    if link.account != row.account:
        raise NotFound("no such link of yours")
    if directory.org_of(link.source) == row.org:
        raise BadShape("cells: a source of the platform's own organisation is left out")
    if not set(cell.months) <= set(token.window) or cell.months[0] < link.begins:
        raise BadShape("cells: a month outside the window, or before the link began")
    for month in cell.months:
        absents.check_present(tx, directory, link, month)


def _take_window(
    tx: Transaction, directory: Directory, row: GrantRow, token: Token, text: str
) -> None:
    """Use the window's atoms, or find this to be its last token again, less absent cells."""
    months, scope = join_window(token.window), ",".join(map(str, row.grant.categories))
    last = tx.one(
        _Window,
        "SELECT token, released FROM windows"
        " WHERE account = ? AND org = ? AND months = ? AND categories = ?",
        row.account,
        row.org,
        months,
        scope,
    )
    if last is None:
        _use_atoms(tx, row, token)
    else:
        _check_again(tx, directory, token, last)
    tx.run(
        "INSERT INTO windows (account, org, months, categories, token) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (account, org, months, categories) DO UPDATE SET token = excluded.token",
        row.account,
        row.org,
        months,
        scope,
        text,
    )


def _check_again(tx: Transaction, directory: Directory, token: Token, last: _Window) -> None:
    before = Token.opened(read_envelope(last.token, Token.typ)).cells
    if token.cells != less_absent(before, lambda link, m: _absent(tx, directory, link, m)):
        raise AtomUsed(
            "the window is made again with the cells of its last token, less absent ones"
        )
    if last.released and token.cells != before:
        raise AtomUsed("the window was released already; it is never made smaller")


def _absent(tx: Transaction, directory: Directory, link: bytes, month: Month) -> bool:
    return absents.is_absent(tx, directory, links.link_of(tx, link), month)


def mark_released(tx: Transaction, row: GrantRow, months: str) -> None:
    """Remember that the organisation has a total of this window: it is never made smaller."""
    tx.run(
        "UPDATE windows SET released = 1"
        " WHERE account = ? AND org = ? AND months = ? AND categories = ?",
        row.account,
        row.org,
        months,
        ",".join(map(str, row.grant.categories)),
    )


def _use_atoms(tx: Transaction, row: GrantRow, token: Token) -> None:
    # All months of a window count, also those without a cell.
    for category, month in product(row.grant.categories, token.window):
        added = tx.run(
            "INSERT INTO atoms (account, org, category, month, grant_id)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            row.account,
            row.org,
            category,
            month,
            token.grant,
        )
        if not added:
            raise AtomUsed(f"{row.org} already has a window with category {category} in {month}")
