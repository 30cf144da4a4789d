"""The rules that a sample is held against, one function each (protocol section 7, "Sample").

    signed = read_signed(sample, directory)        the close, its source and its slot
    check_batches(signed); check_digest(signed); …

Each returns or raises; what one month alone cannot prove is returned in words, as a claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consent.policy import check_logged
from consent.recompute import OpenedBatch, ReleaseOf, sums_of, voided_in
from consent.sample.given import Sample, SampleBatch, releases_of, source_of
from vault.chain import digest_of, settle
from vault.crypto.commit import commit
from vault.crypto.disclose import open_disclosed
from vault.crypto.seal import unpad
from vault.directory import Directory
from vault.encoding import compact_json, read_envelope, strict_json, text_hash
from vault.errors import (
    BadJws,
    BadProof,
    BadSeal,
    BadShape,
    BadTotal,
)
from vault.messages import Batch, Close, Party, Receipt, Record, batch_info
from vault.months import Category, Milligrams, close_slot


@dataclass(frozen=True)
class Signed:
    """A sample whose close a source signed; [begin, end) is the close's slot in unix seconds."""

    sample: Sample
    directory: Directory
    close: Close
    source: Party
    begin: int
    end: int

    @property
    def release_of(self) -> ReleaseOf:
        """Gives the methodology releases that the directory pins."""
        return releases_of(self.directory)


# 1. The close


def read_signed(sample: Sample, directory: Directory) -> Signed:
    """Return the sample's close, once it is its source's, of this link and month.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, BadPoint, BadScalar: it is not, or was counted by
            another release than the one in force. NotFound: none is in force.
    """
    source = source_of(sample.close, directory)
    close = Close.opened(read_envelope(sample.close, Close.typ))
    if (close.link, close.month) != (sample.link, sample.month):
        raise BadShape(f"wanted the close of {sample.month} of this link, found {close.month}")
    wanted = directory.release_for(close.month).id
    if close.methodology != wanted:
        raise BadShape(f"{close.month} is counted by {wanted}, found {close.methodology}")
    slot = close_slot(close.month, directory.listing.zone)
    return Signed(sample, directory, close, source, *slot)


def check_place(signed: Signed) -> None:
    """Return when the log holds the close within its slot, signed by a key valid then.

    Raises:
        BadProof, UnknownKey: it does not, or the key was not.
    """
    sample, directory = signed.sample, signed.directory
    place = check_logged(directory, sample.close, sample.proof)
    if not signed.begin <= place.at < signed.end:
        raise BadProof(f"logged at {place.at}, outside the slot of {sample.month}")
    envelope = read_envelope(sample.close, Close.typ)
    directory.verify_party(envelope, signed.source.id, place.at)


# 2. The batches


def check_batches(signed: Signed) -> None:
    """Return when every batch that the close counts is here, the source's own, with its receipt.

    Raises:
        BadShape, BadJws, BadType, UnknownKey: one is missing, twice, of another link, source or
            receipt.
    """
    sample, upto = signed.sample, signed.close.upto
    found = [Batch.opened(read_envelope(each.batch, Batch.typ)).seq for each in sample.batches]
    wanted = range(sample.prior.upto + 1, upto + 1)
    if len(found) != len(wanted) or found != list(wanted):
        raise BadShape(
            f"wanted the batches after {sample.prior.upto} through {upto},"
            f" each once and in order; found {len(found)}: {found[:10]}"
        )
    for each in sample.batches:
        _check_batch(each, signed)


def _check_batch(each: SampleBatch, signed: Signed) -> None:
    envelope = read_envelope(each.batch, Batch.typ)
    batch = Batch.opened(envelope)
    if batch.link != signed.close.link:
        raise BadShape(f"batch {batch.seq} is of another link")
    if len(set(batch.tags)) != len(batch.tags):
        raise BadShape(f"batch {batch.seq} has a tag twice")
    receipt = Receipt.verified(each.receipt, signed.directory.vault_key_ever)
    if receipt.of != text_hash(each.batch):
        raise BadJws(f"the receipt shown with batch {batch.seq} is of another text")
    # The vault took the batch by a key valid then, and dated its receipt by the same clock.
    signed.directory.verify_party(envelope, signed.source.id, receipt.iat)


def check_digest(signed: Signed) -> None:
    """Return when the close is over exactly these batches and receipts; raises BadTotal."""
    pairs = ((each.batch, each.receipt) for each in signed.sample.batches)
    if digest_of(pairs) != signed.close.batches:
        raise BadTotal("the close is over other batches or receipts than those shown")


# 3. The records


def open_batches(signed: Signed) -> list[OpenedBatch]:
    """Return every batch opened by its secret, the records whose tag was taken set apart.

    Raises:
        BadSeal, BadShape: one does not open, is not padded as batches are, holds no records, or
            does not carry the tag of each record.
    """
    return [_open(each) for each in signed.sample.batches]


def _open(each: SampleBatch) -> OpenedBatch:
    batch = Batch.opened(read_envelope(each.batch, Batch.typ))
    info = batch_info(batch.link, batch.seq)
    listed = strict_json(unpad(open_disclosed(each.shared, batch.sealed, info)))
    if not isinstance(listed, list):
        raise BadSeal(f"batch {batch.seq} opens, but does not hold a list of records")
    records = [Record.parse(compact_json(item)) for item in listed]
    void = _taken(batch, each.receipt)
    tags = [record.tag for record in records]
    if len(set(tags)) != len(tags) or not set(tags) <= set(batch.tags):
        raise BadShape(f"batch {batch.seq} does not carry the tag of each of its records, once")
    kept = tuple(record for record in records if record.tag not in void)
    gone = tuple(record for record in records if record.tag in void)
    return OpenedBatch(batch.seq, each.batch, each.receipt, kept, gone)


def _taken(batch: Batch, receipt: str) -> set[bytes]:
    taken = Receipt.opened(read_envelope(receipt, Receipt.typ)).taken or ()
    if max(taken, default=0) >= len(batch.tags):
        raise BadSeal(f"the receipt of batch {batch.seq} names a tag that it does not have")
    return {batch.tags[position] for position in taken}


# 4. and 5. The totals


def check_cells(signed: Signed) -> None:
    """Return when the source's seven commitments are to the totals stated; raises BadTotal."""
    cells = zip(Category, signed.sample.cells, signed.close.cells, strict=True)
    for category, own, cell in cells:
        if commit(own.grams, own.rho) != cell.commitment:
            raise BadTotal(f"{category.name.lower()}: the commitment is not to {own.grams} g")


def void_acts(sample: Sample, opened: Sequence[OpenedBatch]) -> frozenset[bytes]:
    """Return the acts that count 0: their tag was taken, here or, as claimed, before."""
    return voided_in(opened) | frozenset(sample.prior.voided)


def check_totals(signed: Signed, opened: Sequence[OpenedBatch]) -> None:
    """Return when the seven totals are what the records and the balance stated come to.

    Raises:
        BadTotal: the first category that differs. NotFound, BadMethodology: a release unknown.
    """
    sample, release_of = signed.sample, signed.release_of
    sums = sums_of(opened, void_acts(sample, opened), release_of)
    balance = [Milligrams(left) for left in sample.balance]
    wanted = settle(balance, sums, release_of(signed.close.methodology).cap).grams
    for category, own, grams in zip(Category, sample.cells, wanted, strict=True):
        if own.grams != grams:
            raise BadTotal(f"{category.name.lower()}: the records give {grams} g, not {own.grams}")


def claim_balance(signed: Signed) -> str:
    """Return the balance carried in, as claimed; nothing where no batch stood before.

    Raises:
        BadTotal: something came in although nothing stood before.
    """
    sample = signed.sample
    carried = ", ".join(
        f"{category.name.lower()} {left} mg"
        for category, left in zip(Category, sample.balance, strict=True)
        if left
    )
    if sample.prior.upto == -1:
        if carried:
            raise BadTotal(f"no batch stood before these, yet this came in: {carried}")
        return ""
    odd = any(not 0 <= left < 1000 for left in sample.balance)
    why = "; a month before reached its cap, or took back more than it counted" if odd else ""
    return f"carried in, by the holder's word: {carried or 'nothing'}{why}"
