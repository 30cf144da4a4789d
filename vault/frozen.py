"""The batches and closes in a source's books: frozen once, sent as they stand, answered.

    acts in no batch ──freeze_batch──► batch ──keep_batch_receipt──► counted, or taken (void)
    batches, sums    ──freeze_close──► close ──► absent: its sums go into the next one

Functions over one transaction of `vault/outbox.py`; what a text says is composed in
vault/compose.py (docs/protocol.md section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from vault import faults, ledger
from vault.books import ActBook, BatchBook, Chain, CloseBook, Frozen, Sum
from vault.crypto.seal import LARGEST
from vault.errors import BadShape
from vault.months import Month
from vault.storage.database import Transaction

_GOES_ON = "link IN (SELECT link FROM links WHERE state != 'stopped')"
_CLOSE = "SELECT * FROM closes c"
_BATCH = "SELECT link, seq, month, text, receipt FROM batches"


class _Seq(NamedTuple):
    seq: int


def freeze_batch(
    tx: Transaction,
    link: bytes,
    month: Month,
    most: int,
    compose: Callable[[int, list[ActBook]], Frozen],
    allot: ledger.Allot,
) -> bool:
    """Freeze the next batch of a booking month; return whether acts of it are left.

    What its acts count is settled by `allot` once more, and then stands. `compose` gets the
    sequence number and the acts that fit (up to `most`, and 1 MiB), and returns text and tags.
    """
    ledger.allot_waiting(tx, link, month, allot)
    waiting = tx.all(
        ActBook,
        "SELECT * FROM acts"
        " WHERE link = ? AND month = ? AND seq IS NULL"
        # What takes an act back never goes before it.
        " ORDER BY corrects IS NOT NULL, act LIMIT ?",
        link,
        month,
        most + 1,
    )
    acts = _fitting(waiting[:most])
    last = tx.one(_Seq, "SELECT seq FROM batches WHERE link = ? ORDER BY seq DESC LIMIT 1", link)
    seq = last.seq + 1 if last else 0
    frozen = compose(seq, acts)
    tx.run("INSERT INTO batches VALUES (?, ?, ?, ?, NULL, 0)", link, seq, month, frozen.text)
    place = {tag: position for position, tag in enumerate(frozen.tags)}
    for act in acts:
        tx.run(
            "UPDATE acts SET seq = ?, position = ? WHERE act = ?",
            seq,
            place[act.tag],
            act.act,
        )
    faults.point("batch-before-freeze")
    return len(acts) < len(waiting)


def _fitting(acts: list[ActBook]) -> list[ActBook]:
    """Return the first acts whose records, as one JSON list, still fit a padded batch."""
    room = LARGEST - len("[]") - 4
    ends = accumulate(len(act.record) + 1 for act in acts)
    return [act for act, end in zip(acts, ends, strict=True) if end <= room]


def unsent_batches(tx: Transaction) -> list[BatchBook]:
    """Return frozen batches without a receipt, in the order they must be sent."""
    return tx.all(
        BatchBook,
        f"{_BATCH} WHERE receipt IS NULL AND refused = 0 AND {_GOES_ON} ORDER BY link, seq",
    )


def keep_batch_receipt(
    tx: Transaction, batch: BatchBook, receipt: str, taken: tuple[int, ...]
) -> None:
    """Keep the vault's receipt; acts at `taken` positions count nothing from here on.

    Raises:
        BadShape: it calls a random tag taken, which nobody else can have.
    """
    tx.run(
        "UPDATE batches SET receipt = ? WHERE link = ? AND seq = ?",
        receipt,
        batch.link,
        batch.seq,
    )
    for position in taken:
        voided = ledger.void_act(tx, batch.link, batch.seq, position)
        if not voided:
            raise BadShape("the vault's receipt calls a random tag taken")


def refuse_batches(tx: Transaction, link: bytes) -> None:
    """Mark the link's unconfirmed batches refused, and let their acts count nothing."""
    tx.run("UPDATE batches SET refused = 1 WHERE link = ? AND receipt IS NULL", link)
    tx.run(
        "UPDATE acts SET counts = 0 WHERE link = ? AND seq IN"
        " (SELECT seq FROM batches WHERE link = ? AND refused = 1)",
        link,
        link,
    )


def freeze_close(
    tx: Transaction, link: bytes, month: Month, compose: Callable[[Chain], CloseBook]
) -> CloseBook:
    """Return the one close of the link's month, composed and frozen unless it is already.

    `compose` gets the close before that is not absent, the batches since it up to the booking
    month, and the counting milligrams in them.
    """
    stored = tx.one(CloseBook, "SELECT * FROM closes WHERE link = ? AND month = ?", link, month)
    if stored:
        return stored
    previous = tx.one(
        CloseBook,
        f"{_CLOSE} WHERE link = ? AND NOT EXISTS"  # noqa: S608 - a constant
        " (SELECT 1 FROM absents a WHERE a.link = c.link AND a.month = c.month)"
        " ORDER BY month DESC LIMIT 1",
        link,
    )
    after = previous.upto if previous else -1
    batches = tx.all(
        BatchBook,
        f"{_BATCH} WHERE link = ? AND seq > ? AND month <= ? AND refused = 0 ORDER BY seq",
        link,
        after,
        month,
    )
    sums = tx.all(
        Sum,
        "SELECT category, SUM(mg) FROM acts WHERE link = ? AND seq > ? AND seq <= ?"
        " AND counts = 1 GROUP BY category",
        link,
        after,
        batches[-1].seq if batches else after,
    )
    close = compose(Chain(previous, batches, sums))
    tx.run("INSERT INTO closes VALUES (?, ?, ?, ?, ?, ?, ?)", *close)
    faults.point("close-before-freeze")
    return close


def unsent_closes(tx: Transaction) -> list[CloseBook]:
    """Return frozen closes without a receipt that are not absent, in the order to send."""
    return tx.all(
        CloseBook,
        f"{_CLOSE} WHERE receipt IS NULL AND {_GOES_ON} AND NOT EXISTS"  # noqa: S608 - constants
        " (SELECT 1 FROM absents a WHERE a.link = c.link AND a.month = c.month)"
        " ORDER BY link, month",
    )
