"""What became of a platform's grants, by cursor, and what people ask it to delete.

    events_of(tx, "bank.example", after=41)
    [Event(n=42, grant=…, event="paused", at=1767225600)]

Kinds: granted, paused, resumed, revoked, replaced, expired, delete-asked. An event says nothing
that the platform could not ask for by the grant (docs/protocol.md, "Events").
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from vault.errors import NotFound
from vault.operator import Operator
from vault.storage.database import Transaction

PAGE = 500
Kind = Literal["granted", "paused", "resumed", "revoked", "replaced", "expired", "delete-asked"]


class Event(NamedTuple):
    """One event; `n` rises over all platforms."""

    n: int
    grant: bytes
    event: str
    at: int


class Deletion(NamedTuple):
    """A wish that a platform deletes what it has of a grant; `done` once it says so."""

    asked: int
    done: int | None


def add_event(tx: Transaction, operator: Operator, platform: str, grant: bytes, kind: Kind) -> None:
    """Keep an event for the platform."""
    tx.run(
        "INSERT INTO events (platform, grant_id, event, at) VALUES (?, ?, ?, ?)",
        platform,
        grant,
        kind,
        operator.now(),
    )


def events_of(tx: Transaction, platform: str, after: int) -> list[Event]:
    """Return a page of the platform's events after the cursor, in order."""
    return tx.all(
        Event,
        "SELECT n, grant_id, event, at FROM events WHERE platform = ? AND n > ? ORDER BY n LIMIT ?",
        platform,
        after,
        PAGE,
    )


class _Due(NamedTuple):
    grant: bytes
    platform: str


def expire_grants(tx: Transaction, operator: Operator) -> None:
    """Keep the event `expired` of every grant whose `until` has passed since."""
    due = tx.all(
        _Due,
        "SELECT grant_id, platform FROM grants g WHERE until <= ? AND state IN ('live', 'paused')"
        " AND NOT EXISTS (SELECT 1 FROM events e WHERE e.grant_id = g.grant_id"
        " AND e.event = 'expired')",
        operator.now(),
    )
    for row in due:
        add_event(tx, operator, row.platform, row.grant, "expired")


def ask_deletion(tx: Transaction, operator: Operator, platform: str, grant: bytes) -> None:
    """Ask the platform of a grant to delete what it has.

    Asked again it changes nothing, until the platform said that it deleted: then it is a new wish.
    """
    sql = (
        "INSERT INTO deletions (grant_id, asked) VALUES (?, ?) ON CONFLICT (grant_id)"
        " DO UPDATE SET asked = excluded.asked, done = NULL WHERE done IS NOT NULL"
    )
    if tx.run(sql, grant, operator.now()):
        add_event(tx, operator, platform, grant, "delete-asked")


def confirm_deletion(tx: Transaction, operator: Operator, grant: bytes) -> None:
    """Keep the platform's word that it deleted; raises NotFound when nobody asked."""
    sql = "UPDATE deletions SET done = COALESCE(done, ?) WHERE grant_id = ?"
    if not tx.run(sql, operator.now(), grant):
        raise NotFound("nobody asked for this")


def deletion_of(tx: Transaction, grant: bytes) -> Deletion | None:
    """Return what was asked and confirmed about a grant."""
    return tx.one(Deletion, "SELECT asked, done FROM deletions WHERE grant_id = ?", grant)
