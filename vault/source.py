"""The SDK of a source: quantify, seal, freeze, send, close (docs/protocol.md section 5).

    source = Source(identity, outbox, wire, directory, release)
    nonce = source.offer("customer 7")              # shown to the customer as a link or QR
    text = source.accept("customer 7", nonce, code)  # the holder attaches this cv1-link
    source.check_attached()
    source.book(link, bookings); source.send_batches()
    source.close(month)                              # days 1–10 of the next month

The source books and closes by its own clock. Everything is frozen in the outbox before its first
send; a retry sends the same bytes: a vault that answers "conflict, start from here" gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from vault.allot import Allotted, allot
from vault.books import ActBook, Chain, CloseBook, Evidence, Frozen, LinkBook, Weighed
from vault.compose import (
    CLAIMS,
    Booked,
    Booking,
    compose_act,
    compose_batch,
    compose_close,
    compose_reversal,
    strong_evidence,
)
from vault.crypto.keys import OpeningKey, SigningKey
from vault.crypto.seal import check_sealing_key, open_sealed
from vault.delivery import Delivery, Refusals
from vault.directory import Directory, check_successor
from vault.errors import (
    BadCode,
    BadShape,
    Conflict,
    NotFound,
    OutOfBounds,
    TooEarly,
    Unlinked,
    Unreachable,
    VaultError,
)
from vault.messages import (
    Link,
    LinkCode,
    Record,
    Unlink,
    link_info,
)
from vault.methodology.quantify import Credit, quantify
from vault.methodology.release import Release
from vault.months import Milligrams, Month, add_months, close_slot, months_from
from vault.tags import tag_of
from vault.wire import Wire

if TYPE_CHECKING:
    from vault.outbox import Outbox

NONCE_LIFE = 600
BATCH_ACTS = 1024
OLDEST_MONTHS = 12
DAY = 86400
_ACTIVE = ("answered", "attached")
_NO_CREDIT = Credit(Milligrams(0), "", 0, None)


@dataclass(frozen=True)
class Identity:
    """A source's directory id and keys."""

    id: str
    key: SigningKey
    opening: tuple[OpeningKey, ...]


class Source:
    """One source at one vault."""

    def __init__(
        self,
        identity: Identity,
        outbox: Outbox,
        wire: Wire,
        directory: Directory,
        release: Release,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        """Stand on accepted `directory` and loaded `release`; clock and randomness as given."""
        self.identity, self._directory, self.release = identity, directory, release
        self._outbox, self._wire, self._now, self._random = outbox, wire, now, random
        self._year_keys: dict[int, bytes] = {}
        self._delivery = Delivery(outbox, wire, now)

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

    def tell(self, on_sent: Callable[[], None]) -> None:
        """Call `on_sent` after each message that the vault confirmed."""
        self._delivery.on_sent = on_sent

    # Links

    def offer(self, customer: str) -> bytes:
        """Return a nonce (16 bytes, 10 minutes) for this logged-in customer to start a link."""
        nonce = self._random(16)
        self._outbox.open_nonce(nonce, customer, self._now() + NONCE_LIFE)
        return nonce

    def accept(self, customer: str, nonce: bytes, code: bytes) -> str:
        """Return the `cv1-link` that answers a holder's link code.

        1. the code opens with this source's key. 2. it names the directory's vault and the open
        nonce. 3. its record key can be sealed to. 4. the nonce is open for this customer, the link
        was never seen, the customer has no other active link.

        Raises:
            BadSeal, BadShape, BadPoint, BadCode: a check fails; nothing is kept.
        """
        info = link_info(self.identity.id)
        asked = LinkCode.parse(open_sealed(self.identity.opening, code, info))  # 1
        if asked.vault != self.directory.listing.vault or asked.nonce != nonce:
            raise BadCode("the link code is for another vault or another start")  # 2
        check_sealing_key(asked.rec)  # 3
        now = self._now()
        begins = self.directory.month_at(now)
        text = Link(
            iat=now,
            link=asked.link,
            source=self.identity.id,
            msg=sha256(code).digest(),
            begins=begins,
        ).signed(self.identity.key)
        book = _link_book(asked, customer, begins, now, text)
        if not self._outbox.add_link(nonce, now, book):  # 4
            raise BadCode("this start has ended, or this customer or link is linked already")
        return text

    def check_attached(self) -> int:
        """Ask the vault about every answered link; return how many are newly attached.

        A link that was not attached in time never will be: it is stopped, so that its customer can
        start anew.
        """
        attached, running = 0, self.directory.month_at(self._now())
        for book in self._outbox.links("answered"):
            try:
                self._wire.get(f"/v1/links/{book.link.hex()}")
            except NotFound:
                if running > add_months(book.begins, 1):
                    self._outbox.stop(book.link)
                continue
            self._outbox.mark_attached(book.link)
            attached += 1
        return attached

    def link_of(self, customer: str) -> bytes:
        """Return the id of the customer's active link; raises NotFound."""
        book = self._outbox.link_of(customer)
        if book is None:
            raise NotFound("this customer has no active link")
        return book.link

    def unlink(self, customer: str) -> None:
        """End the customer's link because they ask; raises NotFound when there is none."""
        book = self._outbox.link_of(customer)
        if book is None:
            raise NotFound("this customer has no active link")
        text = Unlink(iat=self._now(), link=book.link).signed(self.identity.key)
        try:
            self._wire.post(f"/v1/links/{book.link.hex()}/unlink", text)
        except NotFound:
            self._outbox.stop(book.link)  # never attached, or erased
        except Unlinked:
            pass  # the holder was faster
        self._outbox.mark_ending(book.link, self.directory.month_at(self._now()))

    def restored(self) -> list[str]:
        """Declare that these books came from a backup; return the customers who must link anew.

        Every link that goes on is stopped and its stream secret forgotten: a close frozen since the
        backup may have left already, and another one under its mask would give the difference away.
        Which links those are only the vault could tell, and its word cannot be trusted to find
        them: a vault that hides a receipt would be sent the same mask twice.
        """
        return self._outbox.stop_all()

    # Acts

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
            raise BadShape(f"{self.identity.id} may not book for {operator}")

    @property
    def _operators(self) -> tuple[str, ...]:
        return (self.identity.id, *(self.directory.party(self.identity.id).books_for or ()))

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
            self._year_keys[year] = self.directory.year_key(
                self.identity.id, year, self.identity.opening
            )
        return tag_of(self._year_keys[year], booking.operator, booking.receipt)

    # Batches

    def send_batches(self) -> int:
        """Freeze one batch per attached link for the running month, even an empty one; send all.

        Returns how many batches were waiting. Call it by the cadence of the directory, at a
        time unrelated to the acts.

        Raises:
            Unreachable: what is frozen is sent by the next call, with the same bytes.
            Conflict, Unlinked: as flush raises.
        """
        running = self.directory.month_at(self._now())
        for link in self._outbox.links("attached"):
            self._freeze_earlier(link, add_months(running, -1))
            while self._freeze_batch(link, running):
                pass
        return self.flush()

    def _freeze_earlier(self, link: LinkBook, month: Month) -> None:
        # No batch mixes booking months, and sequence numbers rise with them.
        for earlier in self._outbox.months_to_freeze(link.link, month):
            while self._freeze_batch(link, earlier):
                pass

    def _freeze_batch(self, link: LinkBook, month: Month) -> int:
        def compose(seq: int, acts: list[ActBook]) -> Frozen:
            return compose_batch(link, seq, acts, self.identity.key, self._now(), self._random)

        return self._outbox.freeze_batch(link.link, month, BATCH_ACTS, compose, self._allot)

    def flush(self) -> int:
        """Send everything frozen and unconfirmed, the same bytes as ever; return how many batches.

        What is refused for one link holds up no other: the first refusal is raised at the end.

        Raises:
            Unreachable: the vault did not answer; nothing is lost.
            Relink: the vault holds other bytes; the link is stopped, never closed again.
            NotFound: the account was erased; the link is stopped.
        """
        waiting = len(self._outbox.unsent_batches())
        _raise_first(self._delivery.send(self.directory))
        return waiting

    # Closes

    def close(self, month: Month) -> list[CloseBook]:
        """Freeze and send the close of a month for every link that has one; return the closes.

        1. the month's slot has begun by this source's own clock. 2. the vault's word about each
        link is compared with these books. 3. batches up to the month are sent. 4. every earlier
        month is confirmed, or absent by the vault's signed word. 5. frozen once, then sent.

        Raises:
            TooEarly: the slot has not begun.
            Unreachable: nothing is lost; call again.
            FalseAbsent, Relink, Conflict, NotFound: the first refusal; other links went on.
        """
        begin, _ = close_slot(month, self.directory.listing.zone)
        if self._now() < begin:
            raise TooEarly(f"{month} can be closed from unix second {begin} on")  # 1
        refused = self._compare(month)  # 2
        for link in self._closing(month, refused):
            self._freeze_earlier(link, month)
        refused |= self._delivery.send(self.directory)  # 3
        closes = []
        for link in self._closing(month, refused):
            try:
                self._check_earlier(link, month)  # 4
                closes.append(self._freeze_close(link, month))  # 5
            except VaultError as error:
                refused[link.link] = error
        refused |= self._delivery.send(self.directory)
        self._end_links()
        _raise_first(refused)
        return closes

    def _compare(self, month: Month) -> Refusals:
        refused: Refusals = {}
        for link in self._closing(month, refused):
            try:
                self._delivery.compare(self.directory, link)
            except Unreachable:
                raise
            except VaultError as error:
                refused[link.link] = error
        return refused

    def _closing(self, month: Month, refused: Refusals) -> list[LinkBook]:
        ending = [b for b in self._outbox.links("ending") if b.ends is None or month < b.ends]
        links = [*self._outbox.links("attached"), *ending]
        return [link for link in links if link.begins <= month and link.link not in refused]

    def _check_earlier(self, link: LinkBook, month: Month) -> None:
        done = {close.month for close in self._outbox.closes_of(link.link) if close.receipt}
        done |= set(self._outbox.absents_of(link.link))
        for earlier in months_from(link.begins, add_months(month, -1)):
            if earlier not in done:
                raise Conflict(f"{earlier} is neither closed nor absent yet")

    def _end_links(self) -> None:
        """Stop every link that is ending and whose last close is settled, or can come no more."""
        for link in self._outbox.links("ending"):
            last = add_months(link.ends or link.begins, -1)
            settled = {c.month for c in self._outbox.closes_of(link.link) if c.receipt}
            settled |= set(self._outbox.absents_of(link.link))
            _, over = close_slot(last, self.directory.listing.zone)
            if last < link.begins or last in settled or self._now() >= over:
                self._outbox.stop(link.link)

    def evidence(self) -> list[Evidence]:
        """Return the texts that these books hold against the vault."""
        return self._outbox.evidence()

    def closes(self) -> list[CloseBook]:
        """Return every close ever frozen, by link and month."""
        return self._outbox.closes()

    def _freeze_close(self, link: LinkBook, month: Month) -> CloseBook:
        counted = self.directory.release_for(month).id
        if counted != self.release.id:
            raise Conflict(f"{month} is counted by {counted}, this source holds {self.release.id}")

        def compose(chain: Chain) -> CloseBook:
            return compose_close(link, month, chain, self.release, self.identity.key, self._now())

        return self._outbox.freeze_close(link.link, month, compose)


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


def _link_book(asked: LinkCode, customer: str, begins: Month, now: int, text: str) -> LinkBook:
    return LinkBook(asked.link, customer, asked.k, asked.rec, begins, now, text, "answered")


def _raise_first(refused: Refusals) -> None:
    if refused:
        raise next(iter(refused.values()))
