"""What a holder recomputes: every batch opened, every close from its records (section 5, "Close").

    batches + receipts ──► counting records ──► balance chain ──► T per category ──► cells

The vault cannot do this, since it holds no key; the platform cannot, since it sees no record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from consent.origin import Origin
from vault.chain import ZERO, digest_of, settle
from vault.crypto.commit import ORDER
from vault.crypto.keys import OpeningKey, StreamKey
from vault.crypto.meter import CELL_LIMIT, hide, masks_of
from vault.crypto.seal import open_sealed, unpad
from vault.encoding import compact_json, read_envelope, strict_json, text_hash
from vault.errors import BadSeal, BadTotal
from vault.messages import Batch, Close, Receipt, Record, batch_info
from vault.methodology.release import Release
from vault.months import Category, Grams, Milligrams, Month

ReleaseOf = Callable[[str], Release]


@dataclass(frozen=True)
class OpenedBatch:
    """A batch as its holder reads it; `voided` are the records that an earlier receipt took."""

    seq: int
    batch: str
    receipt: str
    records: tuple[Record, ...]
    voided: tuple[Record, ...]


@dataclass(frozen=True)
class OwnClose:
    """A close that was recomputed: grams by category, and the milligrams carried on.

    What its holder rejected counts nowhere; `grams` are what it would have been.
    """

    text: str
    month: Month
    grams: tuple[Grams, ...]
    balances: tuple[Milligrams, ...]
    rejected: bool = False


def open_batch(key: OpeningKey, batch: str, receipt: str) -> OpenedBatch:
    """Return a batch's records, the ones whose tag the vault had before set apart.

    Raises:
        BadSeal, BadShape: it does not open with the link's record key, or holds no records.
    """
    sealed = Batch.opened(read_envelope(batch, Batch.typ))
    plain = unpad(open_sealed((key,), sealed.sealed, batch_info(sealed.link, sealed.seq)))
    listed = strict_json(plain)
    if not isinstance(listed, list):
        raise BadSeal("the batch opens, but does not hold a list of records")
    records = [Record.parse(compact_json(item)) for item in listed]
    taken = Receipt.opened(read_envelope(receipt, Receipt.typ)).taken or ()
    if max(taken, default=0) >= len(sealed.tags):
        raise BadSeal("the receipt names a tag that the batch does not have")
    void = {sealed.tags[position] for position in taken}
    return OpenedBatch(
        sealed.seq,
        batch,
        receipt,
        tuple(record for record in records if record.tag not in void),
        tuple(record for record in records if record.tag in void),
    )


def check_tags(opened: OpenedBatch) -> None:
    """Return when each record shows the vault a tag of its own.

    A tag that stands in no batch, or is another record's, is seen by nobody, and its act could
    count again anywhere.

    Raises:
        BadTotal: a record's tag is not one of the batch's, or is another record's.
    """
    tags = Batch.opened(read_envelope(opened.batch, Batch.typ)).tags
    records = (*opened.records, *opened.voided)
    shown = {record.tag for record in records}
    if len(shown) != len(records) or not shown <= set(tags):
        raise BadTotal("a record of this batch does not show the vault a tag of its own")


def check_closes(
    key: StreamKey,
    release_of: ReleaseOf,
    batches: list[OpenedBatch],
    closes: Iterable[str],
    origin: Origin,
    rejected: Collection[bytes] = (),
) -> list[OwnClose]:
    """Return every close of a link, recomputed from the records.

    1. the source signed it. 2. months rise. 3. the digest is over the batches and receipts since
    the close before. 4. the balance chain. 5. T·g + rho·h = C and c − mask = T for all seven
    categories. 6. what takes a record back names one of this link, once, and takes exactly what it
    counted.

    5 is left out for a close that its holder rejected: its month is absent, and the next one goes
    on from its balance and `upto` as if it had opened.

    Args:
        key: the link's stream secret.
        release_of: gives a methodology release by the id that a record or close names.
        batches: every batch of the link, opened, by sequence number.
        closes: the link's closes as compact JWS, by month.
        origin: the link's source, whose batches these are.
        rejected: hashes of closes that this person rejected.

    Raises:
        Unsigned: one is not the source's.
        BadTotal: a close does not say what its records add up to; its month is named.
    """
    check_corrections(batches)  # 6
    found: list[OwnClose] = []
    after, void = -1, voided_in(batches)
    for text in closes:
        origin.check_close(text)  # 1
        close = Close.opened(read_envelope(text, Close.typ))
        before = found[-1].balances if found else ZERO
        if found and close.month <= found[-1].month:
            raise BadTotal(f"the close of {close.month} is out of order")  # 2
        covered = [batch for batch in batches if after < batch.seq <= close.upto]
        if digest_of((b.batch, b.receipt) for b in covered) != close.batches:  # 3
            raise BadTotal(f"the close of {close.month} is not over the batches shown here")
        cap = release_of(close.methodology).cap
        settled = settle(before, sums_of(covered, void, release_of), cap)  # 4
        given_up = text_hash(text) in rejected
        if not given_up:
            _check_cells(key, close, settled.grams)  # 5
        found.append(OwnClose(text, close.month, settled.grams, settled.balances, given_up))
        after = close.upto
    return found


def check_unreadable(key: StreamKey, text: str) -> None:
    """Return when a close has a cell that does not open: 2^40 g or more, or another commitment.

    Raises:
        BadTotal: every cell opens, so that its holder has nothing to reject.
    """
    close = Close.opened(read_envelope(text, Close.typ))
    for category, cell in zip(Category, close.cells, strict=True):
        masks = masks_of(key, category, close.month)
        grams = (cell.masked - masks.tau) % ORDER
        if grams >= CELL_LIMIT or hide(Grams(grams), masks) != cell:
            return
    raise BadTotal("every cell of this close opens; a question about it goes to the source")


def check_corrections(batches: Iterable[OpenedBatch]) -> None:
    """Return when every correction takes back exactly one record of this link, and none twice.

    Raises:
        BadTotal: one names no record of this link, another amount, or a record taken back before.
    """
    listed = [record for batch in batches for record in (*batch.records, *batch.voided)]
    known = {record.act: record for record in listed if record.corrects is None}
    for record in listed:
        if record.corrects is None:
            continue
        original = known.pop(record.corrects, None)
        if original is None or (original.behaviour, -original.mg) != (record.behaviour, record.mg):
            raise BadTotal("a correction takes back a record that is not there as it says")


def counting_records(batches: Iterable[OpenedBatch]) -> list[Record]:
    """Return the records that stand: not voided, not taken back, nor such a taking back."""
    listed = list(batches)
    records = [record for batch in listed for record in batch.records]
    gone = voided_in(listed) | {record.corrects for record in records}
    return [record for record in records if record.corrects is None and record.act not in gone]


def voided_in(batches: Iterable[OpenedBatch]) -> frozenset[bytes]:
    """Return the acts whose receipts were counted before: they count 0, and what corrects them."""
    return frozenset(record.act for batch in batches for record in batch.voided)


def sums_of(
    batches: Iterable[OpenedBatch], void: frozenset[bytes], release_of: ReleaseOf
) -> dict[int, int]:
    """Return the milligrams by category number; `void` are acts that count 0."""
    sums: dict[int, int] = {}
    for record in (record for batch in batches for record in batch.records):
        if record.corrects in void:
            continue
        category = release_of(record.release).category(record.behaviour)
        sums[category] = sums.get(category, 0) + record.mg
    return sums


def _check_cells(key: StreamKey, close: Close, grams: tuple[Grams, ...]) -> None:
    for category, total, cell in zip(Category, grams, close.cells, strict=True):
        if hide(total, masks_of(key, category, close.month)) != cell:
            raise BadTotal(f"the close of {close.month} is not the sum of its records")
