"""Batches come in here: sealed records that the vault stores and cannot open.

Sequence numbers run 0, 1, 2 … per link without gaps. A tag stands for one receipt of one operator;
the vault answers which of a batch's tags it had before, and those acts count nothing
(docs/protocol.md section 5, "Batch").
"""

from __future__ import annotations

from typing import NamedTuple

from vault import links
from vault.crypto.seal import LARGEST, OVERHEAD, SMALLEST
from vault.directory import Directory
from vault.encoding import read_envelope, text_hash
from vault.errors import BadShape, DifferentBytes, Gap, Unlinked
from vault.messages import Batch, Receipt
from vault.operator import Operator
from vault.storage.database import Transaction


class Stored(NamedTuple):
    """A batch and the vault's receipt for it, both compact JWS."""

    seq: int
    text: str
    receipt: str


class _Seq(NamedTuple):
    seq: int


_STORED = "SELECT seq, text, receipt FROM batches WHERE link = ?"


def deposit(
    tx: Transaction, operator: Operator, directory: Directory, source: str, text: str
) -> str:
    """Store a batch; return the `cv1-receipt`, the same one for the same bytes.

    1. the link is the calling source's. 2. the same bytes: the stored receipt, also after the key
    that signed them has ended. 3. signed by a key of this source, valid now; the link goes on.
    4. the sealed text has the size of a padding bucket, the tags come in eights, each once.
    5. other bytes under a stored number are refused. 6. the next sequence number.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, NotFound, Unlinked, DifferentBytes, Gap: a check
            fails.
    """
    envelope = read_envelope(text, Batch.typ)
    message = Batch.opened(envelope)
    row = links.source_link(tx, message.link, source)  # 1
    stored = tx.one(Stored, f"{_STORED} AND seq = ?", message.link, message.seq)
    if stored and stored.text == text:
        return stored.receipt  # 2
    directory.verify_party(envelope, source, operator.now())  # 3
    if row.ended is not None:
        raise Unlinked("this link has ended")
    check_sizes(message)  # 4
    if stored:
        raise DifferentBytes(f"batch {message.seq} of this link is stored with other bytes")  # 5
    expected = next_seq(tx, message.link)
    if message.seq != expected:
        raise Gap(f"wanted batch {expected} of this link, found {message.seq}")  # 6
    taken = _take_tags(tx, message.tags, operator.now())
    receipt = Receipt(iat=operator.now(), of=text_hash(text), taken=taken).signed(operator.key)
    tx.run(
        "INSERT INTO batches (link, seq, hash, text, receipt) VALUES (?, ?, ?, ?, ?)",
        message.link,
        message.seq,
        text_hash(text),
        text,
        receipt,
    )
    return receipt


def check_sizes(message: Batch) -> None:
    """Return when sealed size and tags show only their bucket; raises BadShape."""
    padded = len(message.sealed) - OVERHEAD
    if not SMALLEST <= padded <= LARGEST or padded & (padded - 1):
        raise BadShape(f"a batch is padded to 4096·2^n bytes, found {padded}")
    if len(message.tags) % 8 or len(set(message.tags)) != len(message.tags):
        raise BadShape("tags come in eights, each once")


def next_seq(tx: Transaction, link: bytes) -> int:
    """Return the sequence number that the link's next batch must have."""
    last = tx.one(_Seq, "SELECT seq FROM batches WHERE link = ? ORDER BY seq DESC LIMIT 1", link)
    return last.seq + 1 if last else 0


def batches_of(tx: Transaction, link: bytes, first: int, count: int) -> list[Stored]:
    """Return up to `count` batches of the link from sequence number `first` on."""
    return tx.all(Stored, f"{_STORED} AND seq >= ? ORDER BY seq LIMIT ?", link, first, count)


def drop_tags(tx: Transaction, before: int) -> None:
    """Forget tags that came before a unix second: acts older than a year are not booked."""
    tx.run("DELETE FROM tags WHERE at < ?", before)


def _take_tags(tx: Transaction, tags: tuple[bytes, ...], at: int) -> tuple[int, ...]:
    added = [
        tx.run("INSERT INTO tags (tag, at) VALUES (?, ?) ON CONFLICT DO NOTHING", tag, at)
        for tag in tags
    ]
    return tuple(position for position, new in enumerate(added) if not new)
