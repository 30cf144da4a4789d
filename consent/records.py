"""A holder's own records: fetched from the vault, opened and recomputed on this side.

own = open_link(wire, root, Origin(directory, link, "bike.example"), release_of)
add_closes([own], cells, scope)      the figure that a token over these cells uncovers
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

from consent.messages import LinkMonths
from consent.origin import Origin
from consent.recompute import (
    OpenedBatch,
    OwnClose,
    ReleaseOf,
    check_closes,
    check_tags,
    counting_records,
    open_batch,
)
from vault.allot import end_of
from vault.crypto.keys import OpeningKey, Root, account_key, record_key, stream_key
from vault.encoding import Json, read_envelope
from vault.errors import BadTotal, VaultError
from vault.messages import Record, Reject
from vault.months import Category, Grams
from vault.wire import Wire, objects_of, text_of


@dataclass(frozen=True)
class OwnLink:
    """What one link holds, opened and recomputed."""

    link: bytes
    source: str
    batches: list[OpenedBatch]
    closes: list[OwnClose]


def open_link(wire: Wire, root: Root, origin: Origin, release_of: ReleaseOf) -> OwnLink:
    """Return a link's records, and its closes recomputed from them.

    Raises:
        Unsigned: a batch or close is not its source's, or a receipt not the vault's.
        BadSeal, BadTotal: a batch does not open, is missing or hides a tag, or a close is not their
            sum.
    """
    link = origin.link
    batches = fetch_batches(wire, record_key(root, link), origin)
    for batch in batches:
        check_tags(batch)
    listed = wire.get(f"/v1/holder/links/{link.hex()}/closes").body
    texts = [text_of(item, "close") for item in objects_of(listed, "closes")]
    rejected = _rejected(listed, account_key(root).public)
    closes = check_closes(stream_key(root, link), release_of, batches, texts, origin, rejected)
    return OwnLink(link, origin.source, batches, closes)


def _rejected(listed: Mapping[str, Json], account: bytes) -> frozenset[bytes]:
    # What else ends a month is not judged here but in consent/endings.py, where a token needs it.
    found = set[bytes]()
    for item in objects_of(listed, "absents"):
        text = text_of(item, "text")
        with suppress(VaultError):
            envelope = read_envelope(text, Reject.typ)
            envelope.verify(account)
            found.add(Reject.opened(envelope).close)
    return frozenset(found)


def add_closes(
    links: Iterable[OwnLink], cells: Iterable[LinkMonths], scope: tuple[Category, ...]
) -> Grams:
    """Return the grams of cells × categories.

    Raises:
        BadTotal: a close of them is not there yet, or was rejected.
    """
    closes = {
        (own.link, close.month): close
        for own in links
        for close in own.closes
        if not close.rejected
    }
    wanted = [(cell.link, month) for cell in cells for month in cell.months]
    if not set(wanted) <= closes.keys():
        raise BadTotal("a close of this window is not there yet")
    return Grams(sum(closes[cell].grams[c - 1] for cell in wanted for c in scope))


def overlapping(
    links: Iterable[OwnLink], release_of: ReleaseOf
) -> list[tuple[tuple[OwnLink, Record], tuple[OwnLink, Record]]]:
    """Return trips of different links at the same time, both counting, by their start.

    Nobody makes two trips at once. A source sees only its own, so over several links this is shown
    to the holder and enforced nowhere (docs/methodology.md).
    """
    trips = sorted(
        (
            (own, record)
            for own in links
            for record in counting_records(own.batches)
            if record.mg > 0 and release_of(record.release).behaviour(record.behaviour).occupies
        ),
        key=lambda trip: (trip[1].start, _over(trip[1]), trip[0].link),
    )
    return [
        (first, second)
        for number, first in enumerate(trips)
        for second in _begun_before(_over(first[1]), trips[number + 1 :])
        if first[0].link != second[0].link
    ]


def _over(record: Record) -> int:
    return end_of(record.start, record.end, record.activity.get("s", 0))


def _begun_before(
    end: int, trips: list[tuple[OwnLink, Record]]
) -> Iterator[tuple[OwnLink, Record]]:
    return takewhile(lambda trip: trip[1].start < end, trips)


def fetch_batches(wire: Wire, key: OpeningKey, origin: Origin) -> list[OpenedBatch]:
    """Return a link's batches, each its source's, and opened with its record key.

    Raises:
        Unsigned: one is not its source's, or a receipt not the vault's.
        BadSeal, BadShape: one does not open. BadTotal: one is missing.
    """
    opened: list[OpenedBatch] = []
    while True:
        page = wire.get(f"/v1/holder/links/{origin.link.hex()}/batches?first={len(opened)}").body
        items = objects_of(page, "batches")
        for batch, receipt in ((text_of(i, "batch"), text_of(i, "receipt")) for i in items):
            origin.check_batch(batch, receipt)
            opened.append(open_batch(key, batch, receipt))
        if [batch.seq for batch in opened] != list(range(len(opened))):
            raise BadTotal("the vault does not show every batch of this link in order")
        if page.get("next") is None or not items:
            return opened
