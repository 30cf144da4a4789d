"""The journal: every text that must be logged, written in the transaction that makes it true.

A row waits with ``position`` null until the log gives it its index. Salt and text can be deleted
later; the leaf SHA-256(salt16 || u64be(at) || text) stays and says nothing (protocol section 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from vault.encoding import text_hash
from vault.errors import NotFound
from vault.operator import Operator
from vault.storage.database import Transaction

Prove = Callable[[bytes], str]
"""Gives the log proof of a journal text by its hash, once the entry is durable in the log."""


class Entry(NamedTuple):
    """One row: the log index (None while pending), unix seconds, salt (16 bytes) and the JWS."""

    id: int
    position: int | None
    at: int
    salt: bytes
    text: str


class _At(NamedTuple):
    at: int


def append(tx: Transaction, operator: Operator, text: str, account: str | None = None) -> bytes:
    """Return the hash of the text, written to the journal; a text that stands there stays.

    `at` is the operator's clock but never falls.
    """
    name = text_hash(text)
    last = tx.one(_At, "SELECT at FROM journal ORDER BY id DESC LIMIT 1")
    tx.run(
        "INSERT INTO journal (hash, account, at, salt, text) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (hash) DO NOTHING",
        name,
        account,
        max(operator.now(), last.at if last else 0),
        operator.random(16),
        text,
    )
    return name


def stand_still(tx: Transaction, operator: Operator) -> Operator:
    """Return the operator with a clock that stands: at its time, but never before the last entry.

    What a rule decides by is then what the log says, and what a replay decides by.
    """
    last = tx.one(_At, "SELECT at FROM journal ORDER BY id DESC LIMIT 1")
    moment = max(operator.now(), last.at if last else 0)
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
    """Return whether an entry of the account has no log index yet."""
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
