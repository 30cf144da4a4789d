"""The source's durable books: nothing is sent that was not frozen here first.

A mask is used in exactly one message, and that message stands here before its first send; a retry
reads the same bytes back (docs/protocol.md section 1). Each method is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeVar

from vault import faults, frozen, ledger
from vault.books import (
    ActBook,
    BatchBook,
    Chain,
    CloseBook,
    Evidence,
    Frozen,
    LinkBook,
)
from vault.crypto.keys import Secret
from vault.months import Month
from vault.storage.database import Row, Transaction, Value
from vault.storage.sqlcipher import SqlCipher

T = TypeVar("T")
Reverse = Callable[[ActBook, str], ActBook]
"""Composes what takes an act back, from the act and the number of the refund or correction."""


class _Nonce(NamedTuple):
    customer: str
    until: int


class _Customer(NamedTuple):
    customer: str


class _MonthRow(NamedTuple):
    month: Month


class Outbox:
    """A source's books in one SQLCipher file, or in memory when the path is None."""

    def __init__(self, path: Path | None, key: Secret) -> None:
        """Open the books; raises BadDatabase."""
        schema = files("vault").joinpath("outbox.sql").read_text(encoding="utf-8")
        self._database = SqlCipher(path, key, [schema])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returned, in one durable transaction of the books."""
        return self._database.write(work)

    def _all(self, shape: type[Row], sql: str, *values: Value) -> list[Row]:
        return self._database.read(lambda tx: tx.all(shape, sql, *values))

    def open_nonce(self, nonce: bytes, customer: str, until: int) -> None:
        """Keep a link nonce for this customer until unix second `until`."""
        self.write(lambda tx: tx.run("INSERT INTO nonces VALUES (?, ?, ?)", nonce, customer, until))

    def add_link(self, nonce: bytes, now: int, book: LinkBook) -> bool:
        """Add a link and use up its nonce.

        Returns False, and changes nothing, when the nonce is not open for this customer now, the
        link was seen before, or the customer has another active link.
        """

        def work(tx: Transaction) -> bool:
            found = tx.one(_Nonce, "SELECT customer, until FROM nonces WHERE nonce = ?", nonce)
            if found is None or found.customer != book.customer or found.until <= now:
                return False
            added = tx.run(
                "INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", *book
            )
            if added:
                tx.run("DELETE FROM nonces WHERE nonce = ?", nonce)
            return bool(added)

        return self.write(work)

    def links(self, state: str) -> list[LinkBook]:
        """Return the links in a state, by link id."""
        return self._all(LinkBook, "SELECT * FROM links WHERE state = ? ORDER BY link", state)

    def link_of(self, customer: str) -> LinkBook | None:
        """Return the customer's active link; one that is ending is not."""
        sql = "SELECT * FROM links WHERE customer = ? AND state IN ('answered', 'attached')"
        return next(iter(self._all(LinkBook, sql, customer)), None)

    def link(self, link: bytes) -> LinkBook | None:
        """Return a link by id."""
        return next(iter(self._all(LinkBook, "SELECT * FROM links WHERE link = ?", link)), None)

    def mark_attached(self, link: bytes) -> None:
        """Mark a link attached."""
        self.write(lambda tx: tx.run("UPDATE links SET state = 'attached' WHERE link = ?", link))

    def mark_ending(self, link: bytes, month: Month) -> None:
        """Mark a link ending: it ended in this month or before."""
        sql = (
            "UPDATE links SET state = 'ending',"
            " ends = CASE WHEN ends IS NULL OR ends > ? THEN ? ELSE ends END"
            " WHERE link = ? AND state IN ('attached', 'ending')"
        )
        self.write(lambda tx: tx.run(sql, month, month, link))

    def add_evidence(self, link: bytes, text: str, receipt: str) -> None:
        """Keep two texts of the vault that contradict each other."""
        sql = "INSERT INTO evidence VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        self.write(lambda tx: tx.run(sql, link, text, receipt))

    def evidence(self) -> list[Evidence]:
        """Return what these books hold against the vault."""
        return self._all(Evidence, "SELECT link, text, receipt FROM evidence ORDER BY link, text")

    def stop(self, link: bytes) -> None:
        """Mark a link stopped and forget its stream secret: no mask of it is made again."""
        sql = "UPDATE links SET state = 'stopped', k = x'' WHERE link = ?"
        self.write(lambda tx: tx.run(sql, link))

    def stop_all(self) -> list[str]:
        """Stop every link that goes on and forget every open start; return whose links they were.

        A start that is open in old books may have been used since: it would give its k again.
        """

        def work(tx: Transaction) -> list[str]:
            sql = "SELECT customer FROM links WHERE state != 'stopped' ORDER BY customer"
            found = [row.customer for row in tx.all(_Customer, sql)]
            tx.run("UPDATE links SET state = 'stopped', k = x'' WHERE state != 'stopped'")
            tx.run("DELETE FROM nonces")
            return found

        return self.write(work)

    def add_acts(
        self, acts: list[ActBook], reverse: Reverse, allot: ledger.Allot
    ) -> list[ActBook | None]:
        """Book acts of one link and month; return each as it stands now, None if booked before.

        `reverse` composes what takes an act back where that came before the act; `allot` settles
        what every act counts that is in no batch yet. All of it is one transaction.
        """

        def work(tx: Transaction) -> list[ActBook | None]:
            added = [ledger.add_act(tx, act) for act in acts]
            for act in (act for act, new in zip(acts, added, strict=True) if new):
                own = ledger.kept_reversal(tx, act.operator, act.receipt)
                if own is not None:
                    ledger.add_act(tx, reverse(act, own))
            for link, month in sorted({(act.link, act.month) for act in acts}):
                ledger.allot_waiting(tx, link, month, allot)
            stored = [ledger.find_act(tx, act.operator, act.receipt) for act in acts]
            return [act if new else None for act, new in zip(stored, added, strict=True)]

        return self.write(work)

    def take_back(
        self, operator: str, of: str, own: str, reverse: Reverse, allot: ledger.Allot
    ) -> tuple[LinkBook | None, ActBook | None]:
        """Book what takes an act back; return the act's link, and what was booked.

        An act that is not known yet (no link) is taken back once it comes. Nothing is booked when
        its link has ended, or when it was taken back before.
        """

        def work(tx: Transaction) -> tuple[LinkBook | None, ActBook | None]:
            act = ledger.find_act(tx, operator, of)
            link = act and tx.one(LinkBook, "SELECT * FROM links WHERE link = ?", act.link)
            if act is None or link is None:
                ledger.keep_reversal(tx, operator, of, own)
                return None, None
            if link.state not in ("answered", "attached"):
                return link, None
            back = reverse(act, own)
            added = ledger.add_act(tx, back)
            ledger.allot_waiting(tx, link.link, back.month, allot)
            return link, back if added else None

        return self.write(work)

    def acts_of(self, customer: str) -> list[ActBook]:
        """Return every act of a customer over all their links, by start."""
        return self._database.read(lambda tx: ledger.acts_of(tx, customer))

    def unsent_batches(self) -> list[BatchBook]:
        """Return frozen batches without a receipt, in the order they must be sent."""
        return self._database.read(frozen.unsent_batches)

    def unsent_closes(self) -> list[CloseBook]:
        """Return frozen closes without a receipt that are not absent, in the order to send."""
        return self._database.read(frozen.unsent_closes)

    def closes_of(self, link: bytes) -> list[CloseBook]:
        """Return a link's frozen closes, by month."""
        return self._all(CloseBook, "SELECT * FROM closes WHERE link = ? ORDER BY month", link)

    def absents_of(self, link: bytes) -> list[Month]:
        """Return the months that the vault's signed word calls absent."""
        sql = "SELECT month FROM absents WHERE link = ? ORDER BY month"
        return [row.month for row in self._all(_MonthRow, sql, link)]

    def add_absent(self, link: bytes, month: Month, text: str) -> None:
        """Keep the vault's word that a month is absent: its sums go into the next close."""
        sql = "INSERT INTO absents VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        self.write(lambda tx: tx.run(sql, link, month, text))

    def refuse_batches(self, link: bytes) -> None:
        """Mark the link's unconfirmed batches refused: the link had ended before them.

        Their acts are in no close and never will be, so that they count nothing.
        """
        self.write(lambda tx: frozen.refuse_batches(tx, link))

    def closes(self) -> list[CloseBook]:
        """Return every frozen close."""
        return self._all(CloseBook, "SELECT * FROM closes ORDER BY link, month")

    def batch_receipt(self, batch: BatchBook, receipt: str, taken: tuple[int, ...]) -> None:
        """Keep the vault's receipt; acts at `taken` positions count nothing from here on.

        Raises:
            BadShape: it calls a random tag taken, which nobody else can have: nothing is kept.
        """
        self.write(lambda tx: frozen.keep_batch_receipt(tx, batch, receipt, taken))

    def close_receipt(self, close: CloseBook, receipt: str) -> None:
        """Keep the vault's receipt of a close."""
        sql = "UPDATE closes SET receipt = ? WHERE link = ? AND month = ?"
        self.write(lambda tx: tx.run(sql, receipt, close.link, close.month))

    def months_to_freeze(self, link: bytes, month: Month) -> list[Month]:
        """Return the booking months up to `month` that hold acts in no batch yet, ascending."""
        sql = (
            "SELECT DISTINCT month FROM acts WHERE link = ? AND seq IS NULL AND month <= ?"
            " ORDER BY month"
        )
        return [row.month for row in self._all(_MonthRow, sql, link, month)]

    def freeze_batch(
        self,
        link: bytes,
        month: Month,
        most: int,
        compose: Callable[[int, list[ActBook]], Frozen],
        allot: ledger.Allot,
    ) -> bool:
        """Freeze the next batch of a booking month; return whether acts of it are left.

        What its acts count is settled by `allot` once more, and then stands. `compose` gets the
        sequence number and the acts that fit (up to `most`, and 1 MiB), and returns text and tags;
        it runs inside the transaction, so that text, sequence number and acts are kept together
        or not.
        """
        more = self.write(lambda tx: frozen.freeze_batch(tx, link, month, most, compose, allot))
        faults.point("batch-frozen")
        return more

    def freeze_close(
        self, link: bytes, month: Month, compose: Callable[[Chain], CloseBook]
    ) -> CloseBook:
        """Return the one close of the link's month, composed and frozen unless it is already.

        `compose` gets the close before that is not absent, the batches since it up to the booking
        month, and the counting milligrams in them.
        """
        close = self.write(lambda tx: frozen.freeze_close(tx, link, month, compose))
        faults.point("close-frozen")
        return close
