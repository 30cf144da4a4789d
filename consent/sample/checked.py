"""What an auditor finds in a sample: each check, and the records (protocol section 7, "Sample").

    found = check_sample(read_sample(raw), directory)
    found.failed                 () when all holds
    found.records                to compare with the source's own evidence

Cryptography shows who signed what; that a source's records are true only its evidence shows. What
one month alone cannot prove (what earlier months left over; an act of another month that is taken
back) is named as claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from consent.recompute import OpenedBatch, ReleaseOf
from consent.sample.given import Sample
from consent.sample.records import check_amounts, check_limits, claim_corrections, recompute
from consent.sample.rules import (
    Signed,
    check_batches,
    check_cells,
    check_digest,
    check_place,
    check_totals,
    claim_balance,
    open_batches,
    read_signed,
    void_acts,
)
from vault.directory import Directory
from vault.encoding import Json
from vault.errors import Locale, VaultError
from vault.messages import Record
from vault.months import Milligrams

T = TypeVar("T")
State = Literal["pass", "fail", "claimed", "not-checked"]
Stands = Literal["counts", "counted-before", "takes-back", "taken-back"]

CHECKS: dict[str, dict[Locale, str]] = {
    "close": {
        "en": "The source signed this close, of this link and month.",
        "zh-CN": "月结由该来源签署，属于该关联和月份。",
    },
    "logged": {
        "en": "The log holds the close, within its slot.",
        "zh-CN": "公开记录在规定时段内收录了该月结。",
    },
    "batches": {
        "en": "Each batch is the source's, each receipt the vault's; none is left out.",
        "zh-CN": "每个批次由来源签署，每个回执由保管库签署，没有遗漏。",
    },
    "digest": {
        "en": "The close is over exactly these batches and receipts.",
        "zh-CN": "月结正好覆盖这些批次和回执。",
    },
    "opened": {
        "en": "Each batch opens, and holds records in their only form.",
        "zh-CN": "每个批次都能打开，记录格式正确。",
    },
    "amounts": {
        "en": "Each record counts what the methodology gives.",
        "zh-CN": "每条记录的数值符合核算方法。",
    },
    "limits": {
        "en": "No two trips at once; the caps of a day and a month are kept.",
        "zh-CN": "没有同时的两次出行，未超过当日和当月上限。",
    },
    "corrections": {
        "en": "A record is there once, and taken back once, for what it counted.",
        "zh-CN": "每条记录只出现一次，只按原值撤销一次。",
    },
    "commitments": {
        "en": "The signed commitments are to the seven totals stated.",
        "zh-CN": "已签署的承诺与所述七个总量一致。",
    },
    "totals": {
        "en": "The totals are the records' sums and what was carried in.",
        "zh-CN": "总量等于各记录之和加上结转余数。",
    },
    "balance": {
        "en": "What earlier months left over.",
        "zh-CN": "之前各月留下的余数。",
    },
}


@dataclass(frozen=True)
class Check:
    """One check and what came of it: pass, fail, claimed (cannot be proved), or not checked."""

    name: str
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Seen:
    """One record: its batch, how it stands, and what it comes to by the rules.

    `credit` is in milligrams, before the caps of a day and a month; None where no rule fits.
    """

    seq: int
    stands: Stands
    record: Record
    credit: Milligrams | None


@dataclass(frozen=True)
class Sampled:
    """What was found; `source` is empty when no source's close was."""

    sample: Sample
    source: str
    checks: tuple[Check, ...]
    records: tuple[Seen, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.state == "fail")

    def plain(self) -> dict[str, Json]:
        """Return it as JSON values."""
        sample = self.sample
        return {
            "source": self.source,
            "link": sample.link.hex(),
            "month": sample.month,
            "checks": [{"name": c.name, "state": c.state, "detail": c.detail} for c in self.checks],
            "grams": [cell.grams for cell in sample.cells],
            "balance_mg": [*sample.balance],
            "records": [
                {
                    "seq": seen.seq,
                    "stands": seen.stands,
                    "credit_mg": seen.credit,
                    **seen.record.plain(),
                }
                for seen in self.records
            ],
            "statement": sample.statement.plain(),
        }


@dataclass
class _Book:
    """The checks as they are made: an error of the tree is a failed check."""

    checks: dict[str, Check] = field(default_factory=dict)

    def look(self, name: str, work: Callable[[], T]) -> T | None:
        """Return what the work gives; None when it fails."""
        try:
            found = work()
        except VaultError as bad:
            self.checks[name] = Check(name, "fail", f"{bad.slug}: {bad}")
            return None
        self.checks[name] = Check(name, "pass")
        return found

    def claim(self, name: str, work: Callable[[], str]) -> None:
        """Note what the work says that cannot be proved; nothing: the check is passed."""
        claimed = self.look(name, work)
        if claimed:
            self.checks[name] = Check(name, "claimed", claimed)

    def failed(self, *names: str) -> list[str]:
        """Return which of these checks failed."""
        return [name for name in names if self.checks[name].state == "fail"]

    def all(self) -> tuple[Check, ...]:
        """Return every check, in order; one that an earlier failure left out is not checked."""
        return tuple(self.checks.get(name, Check(name, "not-checked")) for name in CHECKS)


def check_sample(sample: Sample, directory: Directory) -> Sampled:
    """Return what an auditor finds in a sample, every check of it and every record.

    1. the close: of this link and month, signed by a source, by the release in force; in the log
    within its slot, under a key valid then. 2. the batches: all after `prior.upto` through the
    close's `upto`, each signed by that source for that link, each receipt by the vault; the digest
    is over them. 3. each opens by its secret to records, whose tags stand in it. 4. each record
    counts what the methodology gives, within the limits of a day and a month; each correction
    takes back one record, once. 5. C = T·g + rho·h for all seven cells. 6. T is the sum of what
    counts and the balance carried in, which is a claim unless no batch stood before.

    Args:
        sample: as it was read.
        directory: the vault's directory, accepted or pinned by the auditor.
    """
    book = _Book()
    signed = book.look("close", lambda: read_signed(sample, directory))  # 1
    if signed is None:
        return Sampled(sample, "", book.all(), ())
    book.look("logged", lambda: check_place(signed))
    book.look("batches", lambda: check_batches(signed))  # 2
    book.look("digest", lambda: check_digest(signed))
    if not book.failed("batches", "digest"):
        book.claim("balance", lambda: claim_balance(signed))
    opened = book.look("opened", lambda: open_batches(signed)) or []  # 3
    if not book.failed("opened"):
        _check_opened(book, signed, opened)
    book.look("commitments", lambda: check_cells(signed))  # 5
    return Sampled(sample, signed.source.id, book.all(), tuple(_seen(signed, opened)))


def _check_opened(book: _Book, signed: Signed, opened: list[OpenedBatch]) -> None:
    book.look("amounts", lambda: check_amounts(signed, opened))  # 4
    if not book.failed("amounts"):
        book.look("limits", lambda: check_limits(signed, opened))
    book.claim("corrections", lambda: claim_corrections(signed, opened))
    book.look("totals", lambda: check_totals(signed, opened))  # 6


def _seen(signed: Signed, opened: Sequence[OpenedBatch]) -> list[Seen]:
    void = void_acts(signed.sample, opened)
    listed = [(b.seq, record) for b in opened for record in (*b.records, *b.voided)]
    gone = {record.corrects for _, record in listed}
    return [
        Seen(seq, _stands(record, void, gone), record, _credit(record, signed.release_of))
        for seq, record in listed
    ]


def _stands(record: Record, void: frozenset[bytes], gone: set[bytes | None]) -> Stands:
    if record.act in void or record.corrects in void:
        return "counted-before"
    if record.corrects is not None:
        return "takes-back"
    return "taken-back" if record.act in gone else "counts"


def _credit(record: Record, release_of: ReleaseOf) -> Milligrams | None:
    try:
        return recompute(record, release_of).mg
    except VaultError:
        return None
