"""What a source books: acts, what each counts, its tag, and what takes it back (section 5).

    source.book("customer 7", [Booking(act, "R-1", "bike.example", guessable=False)])
                                               → [Booked("booked", Credit(mg=97_400, …))]
    source.take_back("bike.example", "C-9", of="R-1")

An act is booked once, in the running month; what it counts may still change until its batch is
frozen. What counts, and how much, is told in docs/methodology.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from vault.allot import Allotted, allot
from vault.books import ActBook, LinkBook, Weighed
from vault.compose import CLAIMS, Booked, Booking, compose_act, compose_reversal, strong_evidence
from vault.crypto.keys import OpeningKey
from vault.directory import Directory, check_successor
from vault.errors import BadShape, NotFound, OutOfBounds, VaultError
from vault.messages import Record
from vault.methodology.quantify import Credit, quantify
from vault.methodology.release import Release
from vault.months import Milligrams, Month, add_months
from vault.tags import tag_of

if TYPE_CHECKING:
    from vault.outbox import Outbox

OLDEST_MONTHS = 12
DAY = 86400
_ACTIVE = ("answered", "attached")
_NO_CREDIT = Credit(Milligrams(0), "", 0, None)


class Bookings:
    """The acts in one source's books, by the directory and release that it goes by."""

    def __init__(
        self,
        name: str,
        opening: tuple[OpeningKey, ...],
        outbox: Outbox,
        directory: Directory,
        release: Release,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        """Stand on the books of the source of this directory id; its `opening` keys open K_net."""
        self._id, self._opening, self._outbox = name, opening, outbox
        self._directory, self.release = directory, release
        self._now, self._random = now, random
        self._year_keys: dict[int, bytes] = {}

    @property
    def directory(self) -> Directory:
        """The directory this source goes by; set it when the auditor has published another.

        Raises:
            BadDirectory: it has expired, or the one set does not follow it; nothing is done.
        """
        self._directory.check_current(self._now())
        return self._directory

    @directory.setter
    def directory(self, fresh: Directory) -> None:
        if fresh.text != self._directory.text:
            check_successor(self._directory, fresh)
        self._directory = fresh

    def book(self, customer: str, bookings: Iterable[Booking]) -> list[Booked]:
        """Book acts for a customer's link in the running month; one result per booking, in order.

        Acts before the link, older than 12 months, more than a day ahead or out of bounds are not
        booked; a receipt is booked once. What an act counts is allotted among all of this
        customer's acts: no two trips at once, nothing twice under two behaviours, the caps of a day
        and a month.

        Raises:
            NotFound: the customer has no active link.
            BadShape, BadMethodology: a booking of an operator that this source may not book for, of
                evidence below E3, not measured in its behaviour's units, or too large. None of the
                bookings is booked.
        """
        results = []
        for found in self.book_each(customer, bookings, strict=True):
            if isinstance(found, VaultError):
                raise found
            results.append(found)
        return results

    def book_each(
        self, customer: str, bookings: Iterable[Booking], strict: bool = False
    ) -> list[Booked | VaultError]:
        """Book as `book` does; a booking that is none is answered by its error, the others go on.

        With `strict`, one that is none keeps all of them out.

        Raises:
            NotFound: the customer has no active link.
        """
        link = self._outbox.link_of(customer)
        if link is None:
            raise NotFound("this customer has no active link")
        month = self.directory.month_at(self._now())
        results: list[Booked | VaultError] = []
        rows: list[ActBook] = []
        for booking in bookings:
            try:
                booked = self._outcome(booking, link, month)
                if booked.outcome == "booked":
                    rows.append(self._act_book(booking, booked.credit, link, month))
                results.append(booked)
            except VaultError as error:
                results.append(error)
        if strict and any(isinstance(found, VaultError) for found in results):
            return results
        reverse = partial(self._reverse, month)
        added = iter(self._outbox.add_acts(rows, reverse, self._allot))
        return [_stands(found, added) for found in results]

    def _reverse(self, month: Month, act: ActBook, receipt: str) -> ActBook:
        return compose_reversal(act, month, receipt, self._random(16), self._random(16))

    def _allot(
        self, settled: Iterable[Weighed], waiting: Iterable[Weighed]
    ) -> dict[bytes, Allotted]:
        return allot(settled, waiting, self.release)

    def take_back(self, operator: str, receipt: str, of: str) -> Booked:
        """Take a booked act back in the running month: a refund, a credit note, a correction.

        The whole act is taken back, by a negative record that cites it; what is right instead is
        booked anew under another receipt. What comes before its act waits for it. An act whose link
        has ended stays as it was closed.

        Args:
            operator: the operator of record of both.
            receipt: the number of the refund, credit note or correction.
            of: the receipt of the act.

        Raises:
            BadShape: an operator that this source may not book for.
        """
        self._check_operator(operator)
        reverse = partial(self._reverse, self.directory.month_at(self._now()))
        link, act = self._outbox.take_back(operator, of, receipt, reverse, self._allot)
        if link is None:
            return Booked("waits", _NO_CREDIT)
        if act is None:
            return Booked("doubled" if link.state in _ACTIVE else "link-ended", _NO_CREDIT)
        record = Record.parse(act.record)
        return Booked("booked", _credit_of(record))

    def acts(self, customer: str) -> list[ActBook]:
        """Return every act of a customer as these books hold it, over all their links."""
        return self._outbox.acts_of(customer)

    def _check_operator(self, operator: str) -> None:
        # One act is booked by one party: its operator of record, or who may book for it.
        if operator not in self._operators:
            raise BadShape(f"{self._id} may not book for {operator}")

    @property
    def _operators(self) -> tuple[str, ...]:
        return (self._id, *(self.directory.party(self._id).books_for or ()))

    def _outcome(self, booking: Booking, link: LinkBook, month: Month) -> Booked:
        self._check_operator(booking.operator)
        strong_evidence(booking.act.evidence)
        act = booking.act
        try:
            credit = quantify(act, self.release)
        except OutOfBounds as bad:
            rev = self.release.behaviour(act.behaviour).rev
            return Booked("refused", Credit(Milligrams(0), act.behaviour, rev, bad.reason))
        if booking.claimed is not None and credit.mg:
            credit = replace(credit, mg=Milligrams(0), reason=CLAIMS[booking.claimed])
        if act.start > self._now() + DAY:
            return Booked("not-yet", credit)  # a day is granted to clocks that differ
        if act.start < link.since:
            return Booked("before-link", credit)
        if self.directory.month_at(act.start) < add_months(month, -OLDEST_MONTHS):
            return Booked("too-old", credit)
        return Booked("booked", credit)

    def _act_book(self, booking: Booking, credit: Credit, link: LinkBook, month: Month) -> ActBook:
        name, tag = self._random(16), self.tag(booking)
        return compose_act(booking, credit, link, month, self.release, tag, name)

    def tag(self, booking: Booking) -> bytes:
        """Return the tag of a booking (16 bytes): K_net's of the year of the act, or random.

        Raises:
            NotFound: the directory holds no K_net of that year for this source.
        """
        if booking.guessable:
            return self._random(16)
        year = int(self.directory.month_at(booking.act.start)[:4])
        if year not in self._year_keys:
            self._year_keys[year] = self.directory.year_key(self._id, year, self._opening)
        return tag_of(self._year_keys[year], booking.operator, booking.receipt)


def _stands(found: Booked | VaultError, added: Iterator[ActBook | None]) -> Booked | VaultError:
    """Return a result with what its act counts as it stands in the books, if it was booked."""
    if isinstance(found, VaultError) or found.outcome != "booked":
        return found
    act = next(added)
    if act is None:
        return replace(found, outcome="doubled")
    return replace(found, credit=_credit_of(Record.parse(act.record)))


def _credit_of(record: Record) -> Credit:
    return Credit(Milligrams(record.mg), record.behaviour, record.rev, record.reason)
