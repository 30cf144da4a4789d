"""A holder's app takes a correction only for a record it has seen, once, and for its exact sum."""

from __future__ import annotations

import pytest

from consent.recompute import OpenedBatch, check_corrections, counting_records
from vault.errors import BadTotal
from vault.messages import Record

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
