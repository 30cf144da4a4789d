"""What a source books from an export: its acts by customer, and what it takes back.

    receipt,customer                         who made which act, where the export names nobody
    9301,customer 7

Formats are those of vault/importers/catalogue.py (docs/importers.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from consent.terminal import Story
from vault.compose import Booked, Booking
from vault.encoding import Json
from vault.errors import BadFile, NotFound, VaultError
from vault.importers.entry import Entry, Reversal
from vault.importers.opening import open_export
from vault.importers.report import Lines, Report, read_rows
from vault.methodology import reasons
from vault.source import Source

PART = 10_000
CUSTOMERS_KEPT = ("receipt", "customer")
LONGEST_WORD = 200
SHOWN_LINES = 20


@dataclass(frozen=True)
class Joining:
    """Whose an act is: ``everyone`` is one customer of all, ``receipts`` tells each act's own.

    Where either is given it alone decides; else the export's own word for the person does.
    """

    everyone: str | None = None
    receipts: dict[str, str | None] | None = None

    def customer_of(self, entry: Entry) -> str | None:
        """Return the source's word for the customer of an act, or None."""
        if self.everyone is not None:
            return self.everyone
        return entry.customer if self.receipts is None else self.receipts.get(entry.receipt)


@dataclass
class Part:
    """Some acts of an export by customer, and the reversals that stood among them."""

    acts: dict[str, list[Booking]] = field(default_factory=dict)
    reversals: list[Reversal] = field(default_factory=list)
    size: int = 0

    def add(self, entry: Entry | Reversal, joining: Joining, source: str, report: Report) -> None:
        """Put an entry where it belongs, or refuse it in the report."""
        self.size += 1
        if isinstance(entry, Reversal):
            self.reversals.append(entry)
            return
        customer = joining.customer_of(entry)
        if customer is None:
            report.overrule("no-customer", entry.line)
            return
        self.acts.setdefault(customer, []).append(booking_of(entry, source))


def read_joining(path: Path | None, everyone: str | None, report: Report) -> Joining:
    """Return whose the acts are: by a CSV file of receipts, all one customer's, or as they say.

    Raises:
        BadFile: the file is no CSV file with the columns receipt and customer.
    """
    if path is None:
        return Joining(everyone)
    with open_export(path) as file:
        return Joining(everyone, read_customers(file, report))


def read_customers(file: BinaryIO, report: Report) -> dict[str, str | None]:
    """Return the customer of each receipt; a receipt that is two customers' is nobody's.

    Refuses into the report, beside what read_rows refuses: ``bad-text``, ``doubled``.

    Raises:
        BadFile: the first line is not the header ``receipt,customer``.
    """
    found: dict[str, str | None] = {}
    for line, row in read_rows(file, CUSTOMERS_KEPT, report):
        receipt, customer = row["receipt"], row["customer"]
        if not all(0 < len(text) <= LONGEST_WORD and text.isprintable() for text in row.values()):
            report.refuse("bad-text", line)
        elif found.setdefault(receipt, customer) != customer:
            found[receipt] = None
            report.refuse("doubled", line)
        else:
            report.accept()
    return found


def read_parts(
    entries: Iterable[Entry | Reversal], joining: Joining, source: str, report: Report
) -> Iterator[Part]:
    """Yield the acts in parts of 10,000, so that no export is too long to be booked.

    An act whose customer nobody names is refused in the report after all: ``no-customer``.

    Args:
        entries: as an importer yields them.
        joining: how customers are found.
        source: the operator of record where an entry names none.
        report: the one that the importer fills.

    Raises:
        BadFile: the file breaks off; what stood before the break was yielded.
    """
    part = Part()
    try:
        for entry in entries:
            if part.size == PART:
                yield part
                part = Part()
            part.add(entry, joining, source, report)
    except BadFile:
        yield part
        raise
    yield part


def booking_of(entry: Entry, source: str) -> Booking:
    """Return the act as the source's SDK books it."""
    return Booking(
        entry.act,
        entry.receipt,
        entry.operator or source,
        entry.guessable,
        entry.detail,
        entry.claimed,
    )


@dataclass
class Tally:
    """What became of an export: its rows, its acts by outcome, and what was taken back.

    ``beside`` and ``joined`` are the rows of its second file and of its list of customers. An act
    is ``credited``, or counts 0 (or less) for the reason named, or was not booked. Amounts are
    milligrams as they were allotted when booked; later acts may still change them.
    """

    rows: Report = field(default_factory=Report)
    beside: Report = field(default_factory=Report)
    joined: Report = field(default_factory=Report)
    acts: Counter[str] = field(default_factory=Counter)
    reversals: Counter[str] = field(default_factory=Counter)
    mg_credited: int = 0
    mg_taken_back: int = 0

    def book_all(self, source: Source, parts: Iterable[Part], story: Story) -> None:
        """Book the acts of every part; then take back, since a reversal may stand before its act.

        Raises:
            BadFile: the file breaks off; what stood before the break is booked and counted, and
                nothing was taken back.
        """
        reversals: list[Reversal] = []
        for part in parts:
            reversals += part.reversals
            done = story.work("customers booked", len(part.acts) or 1)
            for customer, bookings in part.acts.items():
                self.book(source, customer, bookings)
                done()
        for reversal in reversals:
            self.take_back(source, reversal)

    def book(self, source: Source, customer: str, bookings: list[Booking]) -> None:
        """Book the acts of one customer; one that is refused holds up no other."""
        try:
            source.link_of(customer)
        except NotFound:
            self.acts["not-linked"] += len(bookings)
            return
        self._book(source, customer, bookings)

    def take_back(self, source: Source, reversal: Reversal) -> None:
        """Take back one act of these books, whoever's it is."""
        operator = reversal.operator or source.identity.id
        try:
            booked = source.take_back(operator, reversal.receipt, reversal.of)
        except VaultError as bad:
            self.reversals[bad.slug] += 1
            return
        self.reversals["taken-back" if booked.outcome == "booked" else booked.outcome] += 1
        self.mg_taken_back += abs(booked.credit.mg)

    def _book(self, source: Source, customer: str, bookings: list[Booking]) -> None:
        for booking, found in zip(bookings, source.book_each(customer, bookings), strict=True):
            if isinstance(found, VaultError):
                weak = booking.act.evidence < "E3"
                self.acts[reasons.WEAK if weak else found.slug] += 1
            else:
                self._count(found)

    def _count(self, booked: Booked) -> None:
        reason = booked.credit.reason
        if booked.outcome == "booked":
            self.acts[reason or "credited"] += 1
            self.mg_credited += booked.credit.mg
        else:
            self.acts[f"refused: {reason}" if booked.outcome == "refused" else booked.outcome] += 1

    def members(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        return {
            **_rows(self.rows),
            "beside": _rows(self.beside),
            "joined": _rows(self.joined),
            "acts": {**self.acts},
            "reversals": {**self.reversals},
            "mg_credited": self.mg_credited,
            "mg_taken_back": self.mg_taken_back,
        }

    def story(self) -> str:
        """Return it for a person to read."""
        lines = list(_told("rows", self.rows))
        lines += _told("rows of the second file", self.beside)
        lines += _told("rows of the customers", self.joined)
        lines += [f"{count:>8}  {outcome}" for outcome, count in sorted(self.acts.items())]
        lines += [f"{count:>8}  reversal: {word}" for word, count in sorted(self.reversals.items())]
        lines.append(f"{self.mg_credited} mg credited, {self.mg_taken_back} mg taken back")
        return "\n".join(lines)


def _rows(report: Report) -> dict[str, Json]:
    return {
        "read": report.read,
        "accepted": report.accepted,
        "refused": _lines(report.refused),
        "refused_rows": _counts(report.refused),
        "noticed": _lines(report.noticed),
        "noticed_rows": _counts(report.noticed),
        "replaced": [*report.replaced],
        "replaced_rows": len(report.replaced),
        "columns_dropped": report.dropped,
    }


def _lines(found: Mapping[str, Lines]) -> dict[str, Json]:
    return {reason: [*sorted(lines)] for reason, lines in sorted(found.items())}


def _counts(found: Mapping[str, Lines]) -> dict[str, Json]:
    return {reason: len(lines) for reason, lines in sorted(found.items())}


def _told(title: str, report: Report) -> Iterator[str]:
    if report.read:
        yield f"{report.read} {title} read, {report.accepted} accepted"
    for word, found in (("refused", report.refused), ("odd, but taken", report.noticed)):
        for reason, lines in sorted(found.items()):
            first = ", ".join(map(str, sorted(lines)[:SHOWN_LINES]))
            more = " …" if len(lines) > SHOWN_LINES else ""
            yield f"{word}, {reason}: {len(lines)} {title} (lines {first}{more})"
