"""The acts in a source's books: booked once, allotted anew until frozen, taken back, voided.

    booked ──► waiting ──► frozen in a batch ──► counted in a close
                  │                └─ its tag was taken: counts = 0, and what corrects it too
                  └─ what it counts may still change: `allot` sees every act of its customer

Functions over one transaction of `vault/outbox.py`; the rules are in vault/allot.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from vault.books import ActBook, Weighed
from vault.encoding import compact_json, strict_object
from vault.months import Month
from vault.storage.database import Transaction

NEAR = 62 * 86400  # before and after: more than a month, for caps and exclusions by month

Allot = Callable[[Iterable[Weighed], Iterable[Weighed]], Mapping[bytes, tuple[int, str | None]]]

_COLUMNS = (
    "act, link, month, operator, receipt, category, behaviour, starts, ends, gross, why, mg,"
    " tag, record, tagged, corrects, reason, seq, position, counts"
)
_WEIGHED = "a.act, behaviour, starts, ends, operator, receipt, gross, why, mg"


class _Span(NamedTuple):
    first: int | None
    last: int | None


def add_act(tx: Transaction, act: ActBook) -> bool:
    """Keep an act; return False when its receipt is booked, or its act taken back, already."""
    marks = ", ".join("?" * len(act))
    sql = f"INSERT INTO acts ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    return tx.run(sql, *act) > 0


def allot_waiting(tx: Transaction, link: bytes, month: Month, allot: Allot) -> None:
    """Settle anew what each act of the link's booking month counts that is in no batch yet."""
    waiting = _waiting(tx, link, month)
    if not waiting:
        return
    found = allot(_settled(tx, link, month), waiting)
    for act in waiting:
        mg, reason = found[act.act]
        row = tx.one(_Credit, "SELECT mg, reason, record FROM acts WHERE act = ?", act.act)
        if row is not None and (row.mg, row.reason) != (mg, reason):
            tx.run(
                "UPDATE acts SET mg = ?, reason = ?, record = ? WHERE act = ?",
                mg,
                reason,
                _with_credit(row.record, mg, reason),
                act.act,
            )


def keep_reversal(tx: Transaction, operator: str, of: str, own: str) -> None:
    """Keep what takes back an act that is not booked yet; the first one stays."""
    sql = "INSERT INTO reversals VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    tx.run(sql, operator, of, own)


def kept_reversal(tx: Transaction, operator: str, of: str) -> str | None:
    """Return the number of what takes this act back and came before it, and keep it no longer."""
    sql = "SELECT own FROM reversals WHERE operator = ? AND receipt = ?"
    found = tx.one(_Own, sql, operator, of)
    if found is None:
        return None
    tx.run("DELETE FROM reversals WHERE operator = ? AND receipt = ?", operator, of)
    return found.own


def find_act(tx: Transaction, operator: str, receipt: str) -> ActBook | None:
    """Return the act of a receipt, or None; what takes an act back has receipts of its own."""
    sql = (
        f"SELECT {_COLUMNS} FROM acts"  # noqa: S608 - a constant
        " WHERE operator = ? AND receipt = ? AND corrects IS NULL"
    )
    return tx.one(ActBook, sql, operator, receipt)


def acts_of(tx: Transaction, customer: str) -> list[ActBook]:
    """Return every act of a customer over all their links, by start."""
    sql = (
        f"SELECT {_COLUMNS} FROM acts WHERE link IN"  # noqa: S608 - a constant
        " (SELECT link FROM links WHERE customer = ?) ORDER BY starts, operator, receipt"
    )
    return tx.all(ActBook, sql, customer)


def void_act(tx: Transaction, link: bytes, seq: int, position: int) -> bool:
    """Let the act at this place count nothing, and what takes it back too; False if none is.

    Only an act under a tag of K_net is voided: nobody else can have a random tag.
    """
    sql = "SELECT act FROM acts WHERE link = ? AND seq = ? AND position = ? AND tagged = 1"
    found = tx.one(_Act, sql, link, seq, position)
    if found is None:
        return False
    tx.run("UPDATE acts SET counts = 0 WHERE act = ? OR corrects = ?", found.act, found.act)
    return True


class _Act(NamedTuple):
    act: bytes


class _Credit(NamedTuple):
    mg: int
    reason: str | None
    record: bytes


class _Own(NamedTuple):
    own: str


def _waiting(tx: Transaction, link: bytes, month: Month) -> list[Weighed]:
    """Return the acts whose milligrams are open; one that is taken back keeps what it has."""
    sql = (
        f"SELECT {_WEIGHED} FROM acts a WHERE link = ? AND month = ? AND seq IS NULL"  # noqa: S608
        " AND corrects IS NULL AND NOT EXISTS (SELECT 1 FROM acts c WHERE c.corrects = a.act)"
    )
    return tx.all(Weighed, sql, link, month)


def _settled(tx: Transaction, link: bytes, month: Month) -> list[Weighed]:
    """Return the counting acts near the waiting ones, over all links of this customer."""
    sql = (
        "SELECT MIN(starts), MAX(starts) FROM acts WHERE link = ? AND month = ? AND seq IS NULL"
        " AND corrects IS NULL"
    )
    span = tx.one(_Span, sql, link, month)
    if span is None or span.first is None or span.last is None:
        return []
    near = (
        f"SELECT {_WEIGHED} FROM acts a WHERE link IN"  # noqa: S608 - a constant
        " (SELECT o.link FROM links o JOIN links l ON o.customer = l.customer WHERE l.link = ?)"
        " AND starts BETWEEN ? AND ? AND counts = 1 AND mg > 0"
        " AND (seq IS NOT NULL OR (link = ? AND month != ?))"
        " AND NOT EXISTS (SELECT 1 FROM acts c WHERE c.corrects = a.act)"
    )
    return tx.all(Weighed, near, link, span.first - NEAR, span.last + NEAR, link, month)


def _with_credit(record: bytes, mg: int, reason: str | None) -> bytes:
    members = {**strict_object(record), "mg": mg}
    members.pop("reason", None)
    return compact_json(members if reason is None else {**members, "reason": reason})
