"""What the records of a sample may say, and count (protocol section 7, "Sample").

    check_amounts(signed, opened)        each record: what the release in force gives for its act
    check_limits(signed, opened)         all together: no two trips at once, the caps kept
    claim_corrections(signed, opened)    each takes back one record, once

What was cut for an act of another month cannot be seen here; nothing may count more than it should.
"""

from __future__ import annotations

from collections.abc import Sequence

from consent.recompute import OpenedBatch, ReleaseOf, counting_records
from consent.sample.rules import Signed
from vault.allot import DAY, allot, end_of
from vault.books import Weighed
from vault.encoding import read_envelope
from vault.errors import BadMethodology, BadShape, BadTotal, VaultError
from vault.messages import Receipt, Record
from vault.methodology import reasons
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release
from vault.months import months_from

_NOTHING_LEFT = (reasons.SAME_TIME, reasons.EXCLUSIVE, reasons.COLLECTED, reasons.ELSEWHERE)
_CAPPED = (reasons.DAY_CAP, reasons.MONTH_CAP)


def check_amounts(signed: Signed, opened: Sequence[OpenedBatch]) -> None:
    """Return when each record says what the release in force gives for its act.

    Raises:
        BadTotal: the batch, behaviour and time of the first that does not, and why.
    """
    for batch in opened:
        taken_at = Receipt.opened(read_envelope(batch.receipt, Receipt.typ)).iat
        latest = min(taken_at + DAY, signed.end)
        for record in (*batch.records, *batch.voided):
            try:
                _check_record(signed, record, latest)
            except VaultError as bad:
                where = f"batch {batch.seq}, {record.behaviour[:64]} at {record.start}"
                raise BadTotal(f"{where}: {bad}") from bad


def _check_record(signed: Signed, record: Record, latest: int) -> None:
    source = signed.source
    if record.operator not in (source.id, *(source.books_for or ())):
        raise BadShape(f"{source.id} may not book for {record.operator}")
    if record.start > latest:
        raise BadShape(f"the act begins after {latest}, when its batch came")
    _check_release(signed, record)
    _check_amount(record, recompute(record, signed.release_of))


def _check_release(signed: Signed, record: Record) -> None:
    # An act is booked in its month or later, and up to this close: one of those months' releases.
    directory, last = signed.directory, signed.close.month
    first = min(directory.month_at(record.start), last)
    begun = [m for m in months_from(first, last) if m >= directory.listing.releases[0].begins]
    known = {directory.release_for(month).id for month in begun}
    if record.release not in known:
        raise BadMethodology(f"wanted a release of {', '.join(sorted(known))[:200]}")


def recompute(record: Record, release_of: ReleaseOf) -> Credit:
    """Return what a record's release credits for its act, before the caps of day and month.

    Raises:
        NotFound, BadMethodology, BadDirectory: a release that is not the directory's, or has no
            such behaviour.
        BadShape, OutOfBounds: the act is not measured in its units, names no region, or is not
            plausible.
    """
    region = (record.detail or {}).get("region")
    if region is None:
        raise BadShape("the record does not say in which region the act was")
    act = Act(record.behaviour, record.activity, record.start, record.end, region, record.evidence)
    return quantify(act, release_of(record.release))


def _check_amount(record: Record, credit: Credit) -> None:
    if record.rev != credit.rev:
        raise BadMethodology(f"the release has revision {credit.rev}, found {record.rev}")
    found, wanted = (record.mg, record.reason), (credit.mg, credit.reason)
    if record.corrects is not None:
        fits = record.reason == reasons.TAKEN_BACK and -credit.mg <= record.mg
    elif record.reason in _NOTHING_LEFT and credit.mg:
        fits = record.mg == 0
    elif record.reason in _CAPPED:
        fits = record.mg < credit.mg
    else:
        fits = found == wanted
    if not fits:
        raise BadTotal(f"the methodology gives {wanted}, found {found}")


def check_limits(signed: Signed, opened: Sequence[OpenedBatch]) -> None:
    """Return when what stands can stand together: allotted anew, each act keeps what it counted.

    Raises:
        BadTotal: two trips at once, two behaviours that exclude each other, or a cap overrun.
    """
    by_release: dict[str, list[Record]] = {}
    for record in counting_records(opened):
        if record.mg:
            by_release.setdefault(record.release, []).append(record)
    for name, records in by_release.items():
        _check_allotted(records, signed.release_of(name))


def _check_allotted(records: list[Record], release: Release) -> None:
    found = allot((), [_weighed(record) for record in records], release)
    for record in records:
        left = found[record.act]
        if left.mg != record.mg:
            raise BadTotal(
                f"{record.behaviour} at {record.start} counts {record.mg} mg, with the others here"
                f" {left.mg} mg are left ({left.reason}); unless one of them was taken back later"
            )


def _weighed(record: Record) -> Weighed:
    end = end_of(record.start, record.end, record.activity.get("s", 0))
    named = (record.act, record.behaviour, record.start, end, record.operator, record.receipt)
    return Weighed(*named, gross=record.mg, why=record.reason, mg=record.mg)


def claim_corrections(signed: Signed, opened: Sequence[OpenedBatch]) -> str:
    """Return what is claimed of corrections: those whose act is not in this month; else nothing.

    Raises:
        BadTotal: an act or receipt stands twice, is taken back twice, or for something else.
        BadShape: an act is said to count 0 that nothing here takes back.
    """
    listed = [record for batch in opened for record in (*batch.records, *batch.voided)]
    originals = {record.act: record for record in listed if record.corrects is None}
    _check_once(listed, list(originals.values()))
    outside = set()
    for record in listed:
        original = originals.get(record.corrects or b"")
        if original is not None and record != _reversal(original, record):
            raise BadTotal("a correction does not say what the record said that it takes back")
        if original is None and record.corrects is not None:
            outside.add(record.corrects)
    voided = set(signed.sample.prior.voided)
    if not voided <= outside:
        raise BadShape("an act is said to count 0 that no correction here takes back")
    if not outside:
        return ""
    return f"corrections of acts of other months: {len(outside)}, of which counted 0: {len(voided)}"


def _check_once(listed: Sequence[Record], originals: Sequence[Record]) -> None:
    if len({record.act for record in listed}) != len(listed):
        raise BadTotal("an act stands here twice")
    if len({(record.operator, record.receipt) for record in originals}) != len(originals):
        raise BadTotal("a receipt number of one operator stands here twice")
    back = [record.corrects for record in listed if record.corrects is not None]
    if len(set(back)) != len(back):
        raise BadTotal("a record is taken back twice")


def _reversal(original: Record, back: Record) -> Record:
    return original.model_copy(
        update={
            "act": back.act,
            "receipt": back.receipt,
            "tag": back.tag,
            "mg": -original.mg,
            "reason": reasons.TAKEN_BACK,
            "corrects": original.act,
        }
    )
