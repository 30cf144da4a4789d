"""Closes come in here: seven hidden numbers of one link and month (protocol section 5, "Close").

The vault's clock only accepts or refuses; it never tells a source which month or sequence number
to write. One text per (link, month), ever: a second text is refused and kept as evidence.
"""

from __future__ import annotations

from typing import NamedTuple

from vault import absents, journal, links
from vault.batches import next_seq
from vault.chain import digest_of
from vault.directory import Directory
from vault.encoding import read_envelope, text_hash
from vault.errors import BadShape, DifferentBytes, NotFound, TooEarly, TooLate, Unlinked
from vault.messages import Close, Receipt, cell_bytes
from vault.months import Month, close_slot
from vault.operator import Operator
from vault.storage.database import Transaction


class Taken(NamedTuple):
    """The vault's answer: its receipt, the journal hash, and whether another text stood here."""

    receipt: str
    name: bytes
    differs: bool


class Stored(NamedTuple):
    """A close as stored; `cells` are 7 × (c, C), 64 bytes each."""

    link: bytes
    month: Month
    hash: bytes
    text: str
    receipt: str
    upto: int
    cells: bytes


class _Digest(NamedTuple):
    text: str
    receipt: str


_STORED = "SELECT link, month, hash, text, receipt, upto, cells FROM closes WHERE link = ?"


def deposit(
    tx: Transaction, operator: Operator, directory: Directory, source: str, text: str
) -> Taken:
    """Store a close; return the receipt, the same one for the same bytes.

    1. canonical c and valid C (its shape); the link is the calling source's. 2. the same bytes: the
    stored receipt, also after the key that signed them has ended. 3. signed by a key of this
    source, valid now. 4. other bytes for a closed month: kept as evidence, the caller answers
    different-bytes. 5. the month is not absent; its slot, by the vault's clock. 6. months rise,
    from the link's `from`. 7. the release in force. 8. `upto` and the digest over the batches and
    receipts since the close before.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, BadPoint, BadScalar, NotFound, Unlinked, Absent,
        TooEarly, TooLate: a check fails, and nothing is stored.
    """
    envelope = read_envelope(text, Close.typ)
    message = Close.opened(envelope)
    row = links.source_link(tx, message.link, source)  # 1
    stored = close_of(tx, message.link, message.month)
    if stored and stored.text == text:
        return Taken(stored.receipt, stored.hash, differs=False)  # 2
    directory.verify_party(envelope, source, operator.now())  # 3
    if stored:
        _keep_evidence(tx, message, text)
        return Taken(stored.receipt, stored.hash, differs=True)  # 4
    if row.ended is not None and directory.month_at(row.ended) <= message.month:
        raise Unlinked("this link has ended; this month and later ones are absent")
    absents.check_present(tx, directory, row, message.month)
    check_slot(message.month, directory.listing.zone, operator.now())  # 5
    previous = last_close(tx, message.link)
    if message.month < row.begins or (previous and message.month <= previous.month):
        raise BadShape(
            f"closes of a link rise by month from {row.begins}, found {message.month}"
        )  # 5
    check_release(message, directory)  # 7
    _check_digest(tx, message, previous.upto if previous else -1)  # 8
    receipt = Receipt(iat=operator.now(), of=text_hash(text)).signed(operator.key)
    tx.run(
        "INSERT INTO closes (link, month, hash, text, receipt, upto, cells)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        message.link,
        message.month,
        text_hash(text),
        text,
        receipt,
        message.upto,
        cell_bytes(message.cells),
    )
    return Taken(receipt, journal.append(tx, operator, text, row.account), differs=False)


def refuse_second(taken: Taken) -> None:
    """Return when the text was the stored one; raises DifferentBytes, the evidence kept."""
    if taken.differs:
        raise DifferentBytes("this month is closed with other bytes; both texts are kept")


def check_slot(month: Month, zone: str, now: int) -> None:
    """Return when `now` lies in the month's slot; raises TooEarly or TooLate."""
    begin, end = close_slot(month, zone)
    if now < begin:
        raise TooEarly(f"{month} can be closed from unix second {begin} on, it is {now}")
    if now >= end:
        raise TooLate(f"{month} could be closed until unix second {end}, it is {now}")


def check_release(message: Close, directory: Directory) -> None:
    """Return when the close names the methodology release in force for its month.

    Raises:
        BadShape: it names another, or none is in force.
    """
    try:
        wanted = directory.release_for(message.month).id
    except NotFound as bad:
        raise BadShape(str(bad)) from bad
    if message.methodology != wanted:
        raise BadShape(f"{message.month} is counted by {wanted}, found {message.methodology}")


def close_of(tx: Transaction, link: bytes, month: Month) -> Stored | None:
    """Return the close of a link's month."""
    return tx.one(Stored, f"{_STORED} AND month = ?", link, month)


def last_close(tx: Transaction, link: bytes) -> Stored | None:
    """Return the link's latest close."""
    return tx.one(Stored, f"{_STORED} ORDER BY month DESC LIMIT 1", link)


def closes_of(tx: Transaction, link: bytes) -> list[Stored]:
    """Return every close of a link, by month."""
    return tx.all(Stored, f"{_STORED} ORDER BY month", link)


def _check_digest(tx: Transaction, message: Close, before: int) -> None:
    known = next_seq(tx, message.link) - 1
    if not before <= message.upto <= known:
        raise BadShape(f"upto lies in {before}..{known}, found {message.upto}")
    rows = tx.all(
        _Digest,
        "SELECT text, receipt FROM batches WHERE link = ? AND seq > ? AND seq <= ? ORDER BY seq",
        message.link,
        before,
        message.upto,
    )
    if digest_of([(row.text, row.receipt) for row in rows]) != message.batches:
        raise BadShape("the digest is not over the batches and receipts stored here")


def _keep_evidence(tx: Transaction, message: Close, text: str) -> None:
    tx.run(
        "INSERT INTO evidence (link, month, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        message.link,
        message.month,
        text,
    )
