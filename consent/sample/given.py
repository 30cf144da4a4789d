r"""A sample: one month of one link, opened by its holder for an auditor (protocol section 7).

    {"type":"holder-sample","link":"01…","month":"2026-01","close":"eyJhbGciOi…",
     "proof":"c2sp.org/tlog-proof@v1\n…",
     "batches":[{"batch":"eyJ…","receipt":"eyJ…","shared":"Zm9v…"}],
     "cells":[[0,"qly…"],[0,"…"],[0,"…"],[480,"…"],[0,"…"],[0,"…"],[0,"…"]],
     "balance":[0,0,0,182,0,0,0],"prior":{"upto":3,"voided":[]},
     "statement":{"locale":"en","text":"The holder of …"},"made":1770249600}

Each batch is opened by the shared secret of that one message, each cell by T and rho of that one
close: neither the link's record key nor its stream secret k leaves the holder, so that no other
month opens. The file is not signed. Its secrets can come from nobody but the holder, or the source,
which knows the records anyway: whoever was handed it has the agreement, and a signature would only
give them something to show to others.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints

from consent.lists import fetch_pages
from consent.origin import Origin
from consent.policy import check_logged
from consent.recompute import OpenedBatch, ReleaseOf, sums_of, voided_in
from consent.records import fetch_batches
from consent.sample.agreement import state_agreement
from vault.chain import ZERO, settle
from vault.crypto.disclose import shared_secret
from vault.crypto.keys import OpeningKey, Root, StreamKey, record_key, stream_key
from vault.crypto.meter import CELL_LIMIT, masks_of, reveal
from vault.directory import Directory, release_fits
from vault.encoding import compact_json, read_envelope
from vault.errors import BadProof, BadShape, BadTotal, Locale, NotFound
from vault.messages import (
    Batch,
    Close,
    Id,
    Jws,
    Key,
    MonthText,
    Party,
    ScalarText,
    Shape,
    Unix,
)
from vault.methodology.release import Release, load_release
from vault.months import Category, Milligrams, Month, close_slot
from vault.wire import Wire, objects_of, text_of

LARGEST = 1 << 26  # bytes of a file: 31 batches of the largest size
_SIGNED = 2**53

Grams40 = Annotated[int, Field(ge=0, lt=CELL_LIMIT)]
Carried = Annotated[int, Field(gt=-_SIGNED, lt=_SIGNED)]


class OpenCell(NamedTuple):
    """What binds one cell: C = grams·g + rho·h."""

    grams: Grams40
    rho: ScalarText


class SampleBatch(Shape):
    """A batch, its receipt, and the shared secret (32 bytes) that opens this batch alone."""

    batch: Jws
    receipt: Jws
    shared: Key = Field(repr=False)


class Prior(Shape):
    """What stood before: the last `seq` that an earlier close counted, -1 for none.

    `voided` are acts of earlier batches that counted 0, and which a record here takes back.
    """

    upto: Annotated[int, Field(ge=-1, lt=2**32)]
    voided: tuple[Id, ...]


class Statement(Shape):
    """What the person was shown, and agreed to, before the file was made."""

    locale: Literal["zh-CN", "en"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=8000)]


class Sample(Shape):
    """One month of one link, laid open; `balance` is what was carried in, milligrams."""

    type: Literal["holder-sample"]
    link: Id
    month: MonthText
    close: Jws
    proof: Annotated[str, StringConstraints(min_length=1, max_length=2**20)]
    batches: Annotated[tuple[SampleBatch, ...], Field(max_length=4096)]
    cells: Annotated[tuple[OpenCell, ...], Field(min_length=7, max_length=7, repr=False)]
    balance: Annotated[tuple[Carried, ...], Field(min_length=7, max_length=7)]
    prior: Prior
    statement: Statement
    made: Unix

    def write(self) -> bytes:
        """Return the file's bytes; they are as personal as the records in them."""
        return compact_json(self.plain())


def read_sample(raw: bytes) -> Sample:
    """Return the sample of a file's bytes, nothing of it verified yet; raises BadShape."""
    if len(raw) > LARGEST:
        raise BadShape(f"a sample has at most {LARGEST} bytes, found {len(raw)}")
    return Sample.parse(raw)


def releases_of(directory: Directory) -> ReleaseOf:
    """Return what gives the methodology releases that this directory pins, by id.

    What it gives raises NotFound, BadMethodology or BadDirectory for any other.
    """

    def release_of(name: str) -> Release:
        release = load_release(name)
        release_fits(directory.release(name), release.file)
        return release

    return release_of


class _Covered(NamedTuple):
    """One close, the batches it counted, and what stood before it."""

    text: str
    close: Close
    batches: list[OpenedBatch]
    balance: tuple[Milligrams, ...]
    upto: int


def make_sample(
    wire: Wire,
    root: Root,
    origin: Origin,
    month: Month,
    locale: Locale,
    now: int,
) -> Sample:
    """Return one month of one of the holder's own links, laid open for an auditor.

    Nothing here asks whether the source counted rightly: a close that is not the sum of its records
    is what an auditor should see.

    Args:
        wire: the way to the vault, as the holder's account.
        root: the holder's root; nothing of it goes into the sample.
        origin: the link and its source, under the directory in force.
        month: a month that is closed.
        locale: the language of the statement that the person reads.
        now: unix seconds.

    Raises:
        Unsigned: the vault shows a batch or close that is not the source's.
        NotFound: no such link, or no close of this month.
        BadTotal: the close does not open, so that it is one to reject.
        BadSeal: a batch does not open. BadProof: the close is not in the cosigned log yet.
    """
    directory, link = origin.directory, origin.link
    release_of = releases_of(directory)
    batches = fetch_batches(wire, record_key(root, link), origin)
    found = _cover(_fetch_closes(wire, origin), batches, release_of, month)
    return Sample(
        type="holder-sample",
        link=link,
        month=month,
        close=found.text,
        proof=_prove(wire, directory, found.text),
        batches=tuple(_disclose(record_key(root, link), each) for each in found.batches),
        cells=_open_cells(stream_key(root, link), found.close),
        balance=found.balance,
        prior=Prior(upto=found.upto, voided=_voided_before(batches, found.batches)),
        statement=Statement(locale=locale, text=_statement(found, directory, locale)),
        made=now,
    )


def _fetch_closes(wire: Wire, origin: Origin) -> list[str]:
    listed = wire.get(f"/v1/holder/links/{origin.link.hex()}/closes").body
    texts = [text_of(item, "close") for item in objects_of(listed, "closes")]
    for text in texts:
        origin.check_close(text)
    return texts


def _cover(
    closes: list[str], batches: list[OpenedBatch], release_of: ReleaseOf, month: Month
) -> _Covered:
    upto, balance, void = -1, ZERO, voided_in(batches)
    for text in closes:
        close = Close.opened(read_envelope(text, Close.typ))
        covered = [batch for batch in batches if upto < batch.seq <= close.upto]
        if close.month == month:
            return _Covered(text, close, covered, balance, upto)
        cap = release_of(close.methodology).cap
        balance = settle(balance, sums_of(covered, void, release_of), cap).balances
        upto = close.upto
    raise NotFound(f"this link has no close of {month}")


def _statement(found: _Covered, directory: Directory, locale: Locale) -> str:
    name = source_of(found.text, directory).name
    records = [r for batch in found.batches for r in (*batch.records, *batch.voided)]
    return state_agreement(name, found.close.month, records, directory.listing.zone, locale)


def source_of(text: str, directory: Directory) -> Party:
    """Return the source that signed a close, by a key valid at some time of its slot.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, BadPoint, BadScalar: no source's close.
    """
    envelope = read_envelope(text, Close.typ)
    slot = close_slot(Close.opened(envelope).month, directory.listing.zone)
    party, public = directory.signer_within(envelope.kid, "source", *slot)
    envelope.verify(public)
    return party


def _voided_before(every: list[OpenedBatch], covered: list[OpenedBatch]) -> tuple[bytes, ...]:
    here = {record.act for batch in covered for record in (*batch.records, *batch.voided)}
    named = {record.corrects for batch in covered for record in batch.records}
    return tuple(sorted((voided_in(every) - here) & named))


def _disclose(key: OpeningKey, opened: OpenedBatch) -> SampleBatch:
    sealed = Batch.opened(read_envelope(opened.batch, Batch.typ)).sealed
    shared = shared_secret(key, sealed)
    return SampleBatch(batch=opened.batch, receipt=opened.receipt, shared=shared)


def _open_cells(key: StreamKey, close: Close) -> tuple[OpenCell, ...]:
    cells = []
    for category, cell in zip(Category, close.cells, strict=True):
        masks = masks_of(key, category, close.month)
        grams = reveal(cell, masks)
        if grams >= CELL_LIMIT:
            raise BadTotal(f"a cell of {close.month} holds 2^40 grams or more; reject this close")
        cells.append(OpenCell(grams, masks.rho))
    return tuple(cells)


def _prove(wire: Wire, directory: Directory, text: str) -> str:
    """Return the text's proof file, as the vault lists it, checked as an auditor will."""
    for body in fetch_pages(wire):
        for entry in objects_of(body, "entries"):
            if text_of(entry, "text") == text:
                proof = text_of(entry, "proof")
                check_logged(directory, text, proof)
                return proof
    raise BadProof("the vault shows no entry of the log for this close")
