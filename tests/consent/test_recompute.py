"""A holder's app takes a correction only for a record it has seen, once, and for its exact sum."""

from __future__ import annotations

import pytest

from consent.origin import Origin
from consent.recompute import (
    OpenedBatch,
    OwnClose,
    check_corrections,
    check_tags,
    counting_records,
    open_batch,
)
from consent.records import open_link
from tests.web_vectors_records import (
    DIRECTORY,
    ROOT,
    Made,
    Shelf,
    not_rejected_links,
    rejected_links,
    unsigned_links,
)
from tests.world import JAN
from vault.crypto.keys import OpeningKey, SigningKey
from vault.crypto.seal import pad, seal
from vault.encoding import compact_json
from vault.errors import BadTotal, Unsigned
from vault.messages import Batch, Receipt, Record, batch_info
from vault.methodology.release import load_release

RIDE = Record(
    act=b"\x01" * 16,
    behaviour="travel.bike",
    rev=3,
    release="2026-1",
    activity={"m": 1000, "s": 300},
    start=5,
    end=6,
    operator="bike.example",
    receipt="R-1",
    tag=b"\x02" * 16,
    evidence="E3",
    mg=48_700,
)
BACK = RIDE.model_copy(
    update={"act": b"\x03" * 16, "receipt": "C-1", "mg": -48_700, "corrects": RIDE.act}
)


def batch(seq: int, *records: Record, voided: tuple[Record, ...] = ()) -> OpenedBatch:
    return OpenedBatch(seq, "", "", records, voided)


def test_a_correction_of_an_earlier_record_is_taken_and_neither_stands() -> None:
    batches = [batch(0, RIDE), batch(1, BACK)]
    check_corrections(batches)
    assert counting_records(batches) == []


def test_the_order_of_batches_does_not_matter() -> None:
    check_corrections([batch(0, BACK), batch(1, RIDE)])


def test_a_correction_of_a_voided_record_is_taken() -> None:
    check_corrections([batch(0, voided=(RIDE,)), batch(1, BACK)])


@pytest.mark.parametrize(
    "batches",
    [
        [batch(0, BACK)],
        [batch(0, RIDE), batch(1, BACK), batch(2, BACK.model_copy(update={"act": b"\x04" * 16}))],
        [batch(0, RIDE), batch(1, BACK.model_copy(update={"mg": -48_701}))],
        [batch(0, RIDE), batch(1, BACK.model_copy(update={"mg": -1}))],
        [batch(0, RIDE), batch(1, BACK.model_copy(update={"behaviour": "travel.bus"}))],
        [batch(0, RIDE), batch(1, BACK.model_copy(update={"corrects": b"\x05" * 16}))],
        [batch(0, RIDE), batch(1, BACK), batch(2, BACK.model_copy(update={"corrects": BACK.act}))],
    ],
)
def test_any_other_correction_is_a_question_to_the_source(batches: list[OpenedBatch]) -> None:
    with pytest.raises(BadTotal, match="takes back"):
        check_corrections(batches)


LINK, KEY, SOURCE = b"\x06" * 16, OpeningKey(b"\x07" * 32), SigningKey(b"\x08" * 32)
TAGS = tuple(bytes([n]) * 16 for n in range(2, 10))


def opened(*records: Record) -> OpenedBatch:
    """A batch as a source sends it, with these records inside and the tags 02…, 03…, …"""
    plain = pad(compact_json([record.plain() for record in records]))
    sealed = seal(KEY.public, plain, batch_info(LINK, 0))
    batch = Batch(iat=1, link=LINK, seq=0, tags=TAGS, sealed=sealed).signed(SOURCE)
    receipt = Receipt(iat=1, of=b"\x09" * 32, taken=()).signed(SOURCE)
    found = open_batch(KEY, batch, receipt)
    check_tags(found)
    return found


def test_a_record_whose_tag_the_vault_never_saw_is_refused() -> None:
    assert opened(RIDE).records == (RIDE,)
    with pytest.raises(BadTotal, match="a tag of its own"):
        opened(RIDE.model_copy(update={"tag": b"\x77" * 16}))


def test_two_records_under_one_tag_are_refused() -> None:
    other = RIDE.model_copy(update={"act": b"\x0a" * 16, "tag": TAGS[1]})
    assert len(opened(RIDE, other).records) == 2
    with pytest.raises(BadTotal, match="a tag of its own"):
        opened(RIDE, other.model_copy(update={"tag": RIDE.tag}))


def closes_of(made: Made) -> list[OwnClose]:
    origin = Origin(DIRECTORY, made.link, "bike.example")
    return open_link(Shelf(made.answers()), ROOT, origin, load_release).closes


@pytest.mark.parametrize("made", [pytest.param(made, id=name) for name, made in unsigned_links()])
def test_what_the_vault_shows_is_said_of_the_vault(made: Made) -> None:
    with pytest.raises(Unsigned):
        closes_of(made)


@pytest.mark.parametrize("made", [pytest.param(made, id=name) for name, made in rejected_links()])
def test_a_close_that_its_holder_rejected_holds_up_no_other(made: Made) -> None:
    first, *others = closes_of(made)
    assert first.rejected
    assert [close.rejected for close in others] == [False] * (len(made.closes) - 1)


def test_a_close_that_opens_may_be_rejected_too_and_stays_out() -> None:
    made = Made().close(JAN)
    assert [close.rejected for close in closes_of(made)] == [False]
    assert [close.rejected for close in closes_of(made.reject())] == [True]


@pytest.mark.parametrize(
    "made", [pytest.param(made, id=name) for name, made in not_rejected_links()]
)
def test_a_reject_helps_only_its_own_close_and_only_for_its_cells(made: Made) -> None:
    with pytest.raises(BadTotal, match="the close of"):
        closes_of(made)
