"""The journal: every text that must be logged, written in the transaction that makes it true.

A row waits with ``position`` null until the log gives it its index. Salt and text can be deleted
later; the leaf SHA-256(salt16 || u64be(at) || text) stays and says nothing (protocol section 6).

``position`` is the place over all logs of the vault. ``turns`` marks the last entry of a log: after
it only the text that opens the next log is taken (register.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from vault.encoding import text_hash
from vault.errors import LogUnavailable, NotFound
from vault.operator import Operator
from vault.storage.database import Transaction

Prove = Callable[[bytes], str]
"""Gives the log proof of a journal text by its hash, once the entry is durable in the log."""


class Entry(NamedTuple):
    """One row: its place (None while pending), unix seconds, salt (16 bytes) and the JWS."""

    id: int
    position: int | None
    at: int
    salt: bytes
    text: str


Edge = Literal["", "last", "first"]
"""Where a text stands in its log: anywhere, as its last entry, or as the first of the next log."""


class _At(NamedTuple):
    at: int


class _Last(NamedTuple):
    at: int
    turns: int


def append(
    tx: Transaction, operator: Operator, text: str, account: str | None = None, edge: Edge = ""
) -> bytes:
    """Return the hash of the text, written to the journal; a text that stands there stays.

    `at` is the operator's clock but never falls.

    Raises:
        LogUnavailable: the log ended, and this text does not open the next.
    """
    name, last = text_hash(text), _last(tx)
    if edge != "first":
        _check_open(last)
    tx.run(
        "INSERT INTO journal (hash, account, at, turns, salt, text) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (hash) DO NOTHING",
        name,
        account,
        max(operator.now(), last.at),
        int(edge == "last"),
        operator.random(16),
        text,
    )
    return name


def turning(tx: Transaction) -> bool:
    """Return whether a log ended and the directory that closes it has not come yet."""
    return _last(tx).turns == 1


def check_open(tx: Transaction) -> None:
    """Return when texts are taken; raises LogUnavailable while the log turns."""
    _check_open(_last(tx))


def _check_open(last: _Last) -> None:
    if last.turns:
        raise LogUnavailable("the log turns; its auditor must post the directory that closes it")


def _last(tx: Transaction) -> _Last:
    return tx.one(_Last, "SELECT at, turns FROM journal ORDER BY id DESC LIMIT 1") or _Last(0, 0)


def stand_still(tx: Transaction, operator: Operator) -> Operator:
    """Return the operator with a clock that stands: at its time, but never before the last entry.

    What a rule decides by is then what the log says, and what a replay decides by.
    """
    moment = max(operator.now(), _last(tx).at)
    return replace(operator, now=lambda: moment)


def find(tx: Transaction, name: bytes) -> Entry | None:
    """Return the entry of a text by its hash."""
    return tx.one(Entry, "SELECT id, position, at, salt, text FROM journal WHERE hash = ?", name)


def entry_of(tx: Transaction, name: bytes) -> Entry:
    """Return the entry of a text by its hash; raises NotFound."""
    entry = find(tx, name)
    if entry is None:
        raise NotFound("no such entry")
    return entry


def holds(tx: Transaction, text: str) -> bytes | None:
    """Return the text's hash when exactly these bytes were taken before: the answer stands."""
    name = text_hash(text)
    return name if find(tx, name) else None


def waiting(tx: Transaction, account: str) -> bool:
    """Return whether an entry of the account has no place yet."""
    sql = "SELECT at FROM journal WHERE account = ? AND position IS NULL LIMIT 1"
    return tx.one(_At, sql, account) is not None


def entries_of(tx: Transaction, account: str) -> list[Entry]:
    """Return all logged entries of an account, in log order."""
    return tx.all(
        Entry,
        "SELECT id, position, at, salt, text FROM journal"
        " WHERE account = ? AND position IS NOT NULL ORDER BY position",
        account,
    )


def entries_from(tx: Transaction, first: int, count: int) -> list[Entry]:
    """Return up to `count` logged entries with position >= first, in log order."""
    return tx.all(
        Entry,
        "SELECT id, position, at, salt, text FROM journal"
        " WHERE position >= ? ORDER BY position LIMIT ?",
        first,
        count,
    )


def turns_of(tx: Transaction) -> list[Entry]:
    """Return the last entry of every log that was closed, oldest first."""
    return tx.all(
        Entry,
        "SELECT id, position, at, salt, text FROM journal"
        " WHERE turns = 1 AND id < (SELECT max(id) FROM journal) ORDER BY id",
    )
