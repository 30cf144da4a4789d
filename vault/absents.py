"""Absent months: which months of a link have no figure, and how that comes about (section 5).

    {"iat":…,"link":"01…","month":"2026-02"}      cv1-absent, signed by the vault, logged

A month is absent for a link when its slot passed without a close, when its holder rejected the
close, or when the link ended in that month or before. It means the same everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

from vault import accounts, journal, links
from vault.directory import Directory
from vault.encoding import read_envelope
from vault.errors import Absent, DifferentBytes, NotFound
from vault.links import LinkRow
from vault.messages import AbsentMonth, Reject
from vault.months import Month, add_months, months_from
from vault.operator import Operator
from vault.storage.database import Transaction


class Gone(NamedTuple):
    """An absent month with the text that says so (the absent or the reject)."""

    month: Month
    text: str


class _Close(NamedTuple):
    link: bytes
    month: Month


class _Month(NamedTuple):
    month: Month


def check_present(tx: Transaction, directory: Directory, row: LinkRow, month: Month) -> None:
    """Return when the month is not absent for the link; raises Absent with the vault's text."""
    gone = tx.one(
        Gone, "SELECT month, text FROM absents WHERE link = ? AND month = ?", row.link, month
    )
    if gone:
        raise Absent(f"{month} is absent for this link", gone.text)
    if is_absent(tx, directory, row, month):
        raise Absent(f"{month} is absent for this link")


def is_absent(tx: Transaction, directory: Directory, row: LinkRow, month: Month) -> bool:
    """Return whether the month is absent for the link."""
    if row.ended is not None and directory.month_at(row.ended) <= month:
        return True
    return any(
        tx.one(_Month, f"SELECT month FROM {t} WHERE link = ? AND month = ?", row.link, month)  # noqa: S608
        for t in ("absents", "rejects")
    )


def absents_of(tx: Transaction, link: bytes) -> list[Gone]:
    """Return the link's `cv1-absent` texts, by month."""
    sql = "SELECT month, text FROM absents WHERE link = ? ORDER BY month"
    return tx.all(Gone, sql, link)


def rejects_of(tx: Transaction, link: bytes) -> list[Gone]:
    """Return the link's `cv1-reject` texts, by month."""
    sql = "SELECT month, text FROM rejects WHERE link = ? ORDER BY month"
    return tx.all(Gone, sql, link)


def reject(tx: Transaction, operator: Operator, caller: str, link: bytes, text: str) -> bytes:
    """Take a `cv1-reject`; return the journal hash.

    1. the caller's link, signed by the account key. 2. the stored answer for the same bytes. 3. a
    close of this link has the hash named. 4. it was not rejected before.

    Raises:
        NotFound, UnknownKey, BadJws, BadType, BadShape, DifferentBytes: a check fails.
    """
    row = links.holder_link(tx, caller, link)
    envelope = read_envelope(text, Reject.typ)
    accounts.verify_account(tx, envelope, caller)  # 1
    if stored := journal.holds(tx, text):
        return stored  # 2
    message = Reject.opened(envelope)
    named = tx.one(
        _Close,
        "SELECT link, month FROM closes WHERE link = ? AND hash = ?",
        row.link,
        message.close,
    )
    if named is None:
        raise NotFound("no close of this link has this hash")  # 3
    added = tx.run(
        "INSERT INTO rejects (link, month, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        row.link,
        named.month,
        text,
    )
    if not added:
        raise DifferentBytes("this close was rejected before")  # 4
    return journal.append(tx, operator, text, caller)


def sweep(tx: Transaction, operator: Operator, directory: Directory) -> Month:
    """Log an absent for every month whose slot has passed without a close; return the last one.

    Each month is swept once for all links; a vault that was down sweeps all that it missed.
    """
    last = add_months(directory.month_at(operator.now()), -2)
    swept = tx.one(_Month, "SELECT month FROM swept WHERE one = 1")
    if swept and swept.month >= last:
        return swept.month
    for row in links.all_links(tx):
        first = max(row.begins, add_months(swept.month, 1)) if swept else row.begins
        for month in months_from(first, last) if first <= last else ():
            if not is_absent(tx, directory, row, month):
                _sweep_month(tx, operator, row, month)
    tx.run(
        "INSERT INTO swept (one, month) VALUES (1, ?)"
        " ON CONFLICT (one) DO UPDATE SET month = excluded.month",
        last,
    )
    return last


def _sweep_month(tx: Transaction, operator: Operator, row: LinkRow, month: Month) -> None:
    sql = "SELECT link, month FROM closes WHERE link = ? AND month = ?"
    if tx.one(_Close, sql, row.link, month):
        return
    message = AbsentMonth(iat=operator.now(), link=row.link, month=month)
    text = message.signed(operator.key)
    tx.run("INSERT INTO absents (link, month, text) VALUES (?, ?, ?)", row.link, month, text)
    journal.append(tx, operator, text, row.account)
