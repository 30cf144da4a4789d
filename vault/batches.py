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
from vault.errors import BadShape, DifferentBytes, Gap, NotFound
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

    1. signed by a key of the link's source, valid now. 2. the link is the source's. 3. the sealed
    text has the size of a padding bucket, the tags come in eights, each once. 4. the same bytes:
    the stored receipt; other bytes: refused. 5. the next sequence number.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, NotFound, DifferentBytes, Gap: a check fails.
    """
    envelope = read_envelope(text, Batch.typ)
    party, public = directory.signer(envelope.kid, "source", operator.now())
    envelope.verify(public)  # 1
    if party.id != source:
        raise NotFound("no such link of yours")
    message = Batch.opened(envelope)
    links.source_link(tx, message.link, source)  # 2
    check_sizes(message)  # 3
    stored = tx.one(Stored, f"{_STORED} AND seq = ?", message.link, message.seq)
    if stored and stored.text != text:
        raise DifferentBytes(f"batch {message.seq} of this link is stored with other bytes")
    if stored:
        return stored.receipt  # 4
    expected = next_seq(tx, message.link)
    if message.seq != expected:
        raise Gap(f"wanted batch {expected} of this link, found {message.seq}")  # 5
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


def _take_tags(tx: Transaction, tags: tuple[bytes, ...], at: int) -> tuple[int, ...]:
    added = [tx.run("INSERT OR IGNORE INTO tags (tag, at) VALUES (?, ?)", tag, at) for tag in tags]
    return tuple(position for position, new in enumerate(added) if not new)
