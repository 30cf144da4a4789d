"""The one way out: a blind sum leaves for a window that was consented to.

docs/protocol.md section 5, "Ask and release".

One transaction: the grant is live, the token is there, every close is there; the cells are added
up blind, the statement is signed and logged, and only then it is answered. Asking again while the
grant is live gives the same statement.
"""

from __future__ import annotations

from typing import NamedTuple

from consent import grants, guard
from consent.messages import Ask, Refusal, Release
from consent.shown import combine, hash_closes
from vault import absents, closes, journal, links
from vault.directory import Directory
from vault.encoding import read_envelope, text_hash
from vault.errors import Absent, NotClosed, NotMinted, Refused, WrongPurpose
from vault.messages import Close, read_cells
from vault.months import Category, Month, join_window
from vault.operator import Operator
from vault.storage.database import Transaction


class Released(NamedTuple):
    """What is answered: the texts, the sealed token, the closes if the grant shows sources."""

    name: bytes
    release: str
    grant: str
    sealed: bytes
    closes: list[str]


class RefusedAsk(NamedTuple):
    """An ask that consent does not cover: logged first, raised after the commit."""

    name: bytes
    error: Refused


class _Text(NamedTuple):
    text: str


def ask(
    tx: Transaction, operator: Operator, directory: Directory, platform: str, asked: Ask
) -> Released | RefusedAsk:
    """Return the release of a window for a purpose, or the logged refusal.

    1. a grant to the asking platform. 2. the window is the grant's. 3. live, and the purpose is
    listed: else a refusal is logged, once per (grant, window, reason). 4. its token is there.
    5. the same ask again: the same statement. 6. no cell is absent. 7. every close of its cells is
    there.

    Raises:
        NotFound, BadShape, NotMinted, Absent, NotClosed: a check fails; nothing is logged.
    """
    row = grants.platform_grant(tx, platform, asked.grant)  # 1
    grant = row.grant
    grant.check_window(asked.window)  # 2
    try:
        grants.check_live(row, operator.now())
        if asked.purpose not in grant.purposes:
            raise WrongPurpose(f"{asked.purpose[:80]!r} is no purpose of this grant")
    except Refused as refused:  # 3
        return RefusedAsk(_log_refusal(tx, operator, row, asked, refused), refused)
    months = join_window(asked.window)
    token = guard.token_of(tx, asked.grant, months)
    if token is None or token.sealed is None:
        raise NotMinted("the person has not opened their app since this window was due")  # 4
    cells = [(cell.link, month) for cell in token.token.cells for month in cell.months]
    text = _stored(tx, asked, months)  # 5
    if text is None:
        _check_present(tx, directory, cells)  # 6
    taken = [_close(tx, link, month) for link, month in cells]  # 7
    if text is None:
        text = _compose(operator, asked, token.text, grant.scope, taken)
        _store(tx, row, asked, text)
        journal.append(tx, operator, text, row.account)
    shown = [close.text for close in taken] if grant.show_sources else []
    return Released(text_hash(text), text, row.text, token.sealed, shown)


def releases_of(tx: Transaction, account: str) -> list[str]:
    """Return every release text of an account's grants."""
    rows = tx.all(
        _Text,
        "SELECT r.text FROM releases r JOIN grants g ON g.grant_id = r.grant_id"
        " WHERE g.account = ? ORDER BY r.grant_id, r.months, r.purpose",
        account,
    )
    return [row.text for row in rows]


def _check_present(tx: Transaction, directory: Directory, cells: list[tuple[bytes, Month]]) -> None:
    # Which month of which link is not told: it would say which source a person uses.
    if any(absents.is_absent(tx, directory, links.link_of(tx, link), m) for link, m in cells):
        raise Absent("a source has no figure; the person's app must make this token again")


def _store(tx: Transaction, row: grants.GrantRow, asked: Ask, text: str) -> None:
    months = join_window(asked.window)
    tx.run(
        "INSERT INTO releases (grant_id, months, purpose, text) VALUES (?, ?, ?, ?)",
        asked.grant,
        months,
        asked.purpose,
        text,
    )
    guard.mark_released(tx, row, months)


def _compose(
    operator: Operator,
    asked: Ask,
    token: str,
    scope: tuple[Category, ...],
    taken: list[closes.Stored],
) -> str:
    total = combine([read_cells(close.cells) for close in taken], scope)
    releases = {Close.opened(read_envelope(c.text, Close.typ)).methodology for c in taken}
    return Release(
        iat=operator.now(),
        grant=asked.grant,
        window=asked.window,
        purpose=asked.purpose,
        c=total.masked,
        C=total.commitment,
        token=text_hash(token),
        closes=hash_closes([close.text for close in taken]),
        methodology=tuple(sorted(releases)),
    ).signed(operator.key)


def _close(tx: Transaction, link: bytes, month: Month) -> closes.Stored:
    close = closes.close_of(tx, link, month)
    if close is None:
        # Which close is missing is not told: it would say which source a person uses.
        raise NotClosed("a figure of this window is still missing")
    return close


def _stored(tx: Transaction, asked: Ask, months: str) -> str | None:
    found = tx.one(
        _Text,
        "SELECT text FROM releases WHERE grant_id = ? AND months = ? AND purpose = ?",
        asked.grant,
        months,
        asked.purpose,
    )
    return found.text if found else None


def _log_refusal(
    tx: Transaction, operator: Operator, row: grants.GrantRow, asked: Ask, refused: Refused
) -> bytes:
    months = join_window(asked.window)
    key = (asked.grant, months, refused.slug)
    found = tx.one(
        _Text,
        "SELECT text FROM refusals WHERE grant_id = ? AND months = ? AND reason = ?",
        *key,
    )
    if found:
        return text_hash(found.text)
    text = Refusal(
        iat=operator.now(), grant=asked.grant, window=asked.window, reason=refused.slug
    ).signed(operator.key)
    tx.run("INSERT INTO refusals (grant_id, months, reason, text) VALUES (?, ?, ?, ?)", *key, text)
    return journal.append(tx, operator, text, row.account)
