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

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from vault.books import ActBook, BatchBook, Chain, CloseBook, Frozen, LinkBook
from vault.chain import ZERO, digest_of, settle
from vault.crypto.keys import OpeningKey, SigningKey, StreamKey
from vault.crypto.meter import hide, masks_of
from vault.crypto.seal import check_sealing_key, open_sealed, pad, seal
from vault.directory import Directory
from vault.encoding import compact_json, read_envelope, text_hash
from vault.errors import (
    BadCode,
    BadShape,
    Conflict,
    DifferentBytes,
    NotFound,
    TooEarly,
    Unlinked,
    Unreachable,
    VaultError,
)
from vault.messages import (
    Batch,
    Close,
    Link,
    LinkCode,
    Receipt,
    Record,
    batch_info,
    link_info,
)
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release
from vault.months import Category, Month, add_months, close_slot
from vault.tags import fill_tags, tag_of
from vault.wire import Wire, text_of

if TYPE_CHECKING:
    from vault.outbox import Outbox

NONCE_LIFE = 600
BATCH_ACTS = 1024
RECORD_LIMIT = 1 << 16
OLDEST_MONTHS = 12
Outcome = Literal["booked", "doubled", "before-link", "too-old"]


@dataclass(frozen=True)
class Identity:
    """A source's directory id and keys."""

    id: str
    key: SigningKey
    opening: tuple[OpeningKey, ...]


@dataclass(frozen=True)
class Booking:
    """One act as the source recorded it.

    ``receipt`` is its number as printed, unique at the ``operator`` of record; ``guessable`` says
    that such numbers hold fewer than 64 unpredictable bits, so that no tag may be made from them.
    ``detail`` (places and the like) is sealed for the holder and nobody else.
    """

    act: Act
    receipt: str
    operator: str
    guessable: bool
    detail: Mapping[str, str] = field(default_factory=dict)
    evidence: Literal["E3", "E4"] = "E3"


@dataclass(frozen=True)
class Booked:
    """What became of a booking, and its credit."""

    outcome: Outcome
    credit: Credit


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
        """Stand on accepted `directory` and loaded `release`; clock and randomness as given.

        `on_sent` may be set: it is called after each message that the vault confirmed.
        """
        self.identity, self.directory, self.release = identity, directory, release
        self._outbox, self._wire, self._now, self._random = outbox, wire, now, random
        self._year_keys: dict[int, bytes] = {}
        self.on_sent: Callable[[], None] = lambda: None

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
        """Ask the vault about every answered link; return how many are newly attached."""
        attached = 0
        for book in self._outbox.links("answered"):
            try:
                self._wire.get(f"/v1/links/{book.link.hex()}")
            except NotFound:
                continue
            self._outbox.set_state(book.link, "attached")
            attached += 1
        return attached

    def link_of(self, customer: str) -> bytes:
        """Return the id of the customer's active link; raises NotFound."""
        book = self._outbox.link_of(customer)
        if book is None:
            raise NotFound("this customer has no active link")
        return book.link

    # Acts

    def book(self, customer: str, bookings: Iterable[Booking]) -> list[Booked]:
        """Book acts for a customer's link in the running month; one result per booking, in order.

        Acts before the link, or older than 12 months, are not booked; a receipt is booked once.

        Raises:
            NotFound: the customer has no active link.
            BadShape: a booking of an operator that this source may not book for, or too large.
        """
        link = self._outbox.link_of(customer)
        if link is None:
            raise NotFound("this customer has no active link")
        month = self.directory.month_at(self._now())
        results, rows = [], []
        for booking in bookings:
            self._check_operator(booking.operator)
            credit = quantify(booking.act, self.release)
            outcome = self._outcome(booking, link, month)
            results.append(Booked(outcome, credit))
            if outcome == "booked":
                rows.append(self._act_book(booking, credit, link, month))
        added = iter(self._outbox.add_acts(rows))
        return [
            Booked("doubled", r.credit) if r.outcome == "booked" and not next(added) else r
            for r in results
        ]

    def _check_operator(self, operator: str) -> None:
        # One act is booked by one party: its operator of record, or who may book for it.
        if operator not in self._operators:
            raise BadShape(f"{self.identity.id} may not book for {operator}")

    @property
    def _operators(self) -> tuple[str, ...]:
        return (self.identity.id, *(self.directory.party(self.identity.id).books_for or ()))

    def _outcome(self, booking: Booking, link: LinkBook, month: Month) -> Outcome:
        if booking.act.start < link.since:
            return "before-link"
        if self.directory.month_at(booking.act.start) < add_months(month, -OLDEST_MONTHS):
            return "too-old"
        return "booked"

    def _act_book(self, booking: Booking, credit: Credit, link: LinkBook, month: Month) -> ActBook:
        act, name, tag = booking.act, self._random(16), self._tag(booking)
        record = Record(
            act=name,
            behaviour=credit.behaviour,
            rev=credit.rev,
            release=self.release.id,
            activity=dict(act.activity),
            start=act.start,
            end=act.end,
            operator=booking.operator,
            receipt=booking.receipt,
            tag=tag,
            evidence=booking.evidence,
            mg=credit.mg,
            reason=credit.reason,
            detail={"region": act.region, **booking.detail},
        )
        text = compact_json(record.plain())
        if len(text) > RECORD_LIMIT:
            raise BadShape(f"a record holds at most {RECORD_LIMIT} bytes, found {len(text)}")
        return ActBook(
            name,
            link.link,
            month,
            booking.operator,
            booking.receipt,
            self.release.category(credit.behaviour),
            credit.mg,
            tag,
            text,
        )

    def _tag(self, booking: Booking) -> bytes:
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
            tags = fill_tags([act.tag for act in acts], self._random)
            plain = pad(b"[" + b",".join(act.record for act in acts) + b"]")
            sealed = seal(link.rec, plain, batch_info(link.link, seq))
            batch = Batch(iat=self._now(), link=link.link, seq=seq, tags=tags, sealed=sealed)
            return Frozen(batch.signed(self.identity.key), tags)

        return self._outbox.freeze_batch(link.link, month, BATCH_ACTS, compose)

    def flush(self) -> int:
        """Send everything frozen and unconfirmed, the same bytes as ever; return how many batches.

        What is refused for one link holds up no other: the first refusal is raised at the end.

        Raises:
            Unreachable: the vault did not answer; nothing is lost.
            DifferentBytes: the vault holds other bytes; the link is stopped, never closed again.
            Unlinked: the link has ended; it is stopped.
        """
        waiting = len(self._outbox.unsent_batches())
        refused = self._deliver()
        if refused:
            raise next(iter(refused.values()))
        return waiting

    def _deliver(self) -> dict[bytes, VaultError]:
        """Send what waits, batches before closes; return by link what was refused."""
        refused: dict[bytes, VaultError] = {}

        def attempt(link: bytes, send: Callable[[], None]) -> None:
            if link in refused:
                return  # its messages go in order, or not at all
            try:
                send()
            except Unreachable:
                raise
            except VaultError as error:
                refused[link] = error
            else:
                self.on_sent()

        for batch in self._outbox.unsent_batches():
            attempt(batch.link, partial(self._send_batch, batch))
        for close in self._outbox.unsent_closes():
            attempt(close.link, partial(self._send_close, close))
        return refused

    def _send_batch(self, batch: BatchBook) -> None:
        receipt = self._post("/v1/batches", batch.link, batch.text)
        taken = self._check_receipt(receipt, batch.text).taken or ()
        self._outbox.batch_receipt(batch, receipt, taken)

    def _send_close(self, close: CloseBook) -> None:
        receipt = self._post("/v1/closes", close.link, close.text)
        self._check_receipt(receipt, close.text)
        self._outbox.close_receipt(close, receipt)

    def _post(self, path: str, link: bytes, text: str) -> str:
        try:
            return text_of(self._wire.post(path, text).body, "receipt")
        except (DifferentBytes, Unlinked):
            self._outbox.set_state(link, "stopped")
            raise

    def _check_receipt(self, text: str, of: str) -> Receipt:
        envelope = read_envelope(text, Receipt.typ)
        envelope.verify(self.directory.vault_key(envelope.kid, self._now()))
        receipt = Receipt.opened(envelope)
        if receipt.of != text_hash(of):
            raise BadShape("the vault's receipt is for another message")
        return receipt

    # Closes

    def close(self, month: Month) -> list[CloseBook]:
        """Freeze and send the close of a month for every attached link; return the closes.

        A month that is frozen is never composed again: the same text is sent until it is confirmed.

        Raises:
            TooEarly: the month's slot has not begun by this source's own clock.
            Unreachable, Conflict, Unlinked: as flush raises.
        """
        begin, _ = close_slot(month, self.directory.listing.zone)
        if self._now() < begin:
            raise TooEarly(f"{month} can be closed from unix second {begin} on")
        links = [link for link in self._outbox.links("attached") if link.begins <= month]
        for link in links:
            self._freeze_earlier(link, month)
        refused = self._deliver()
        closes = [self._freeze_close(link, month) for link in links if link.link not in refused]
        refused = self._deliver() or refused
        if refused:
            raise next(iter(refused.values()))
        return closes

    def closes(self) -> list[CloseBook]:
        """Return every close ever frozen, by link and month."""
        return self._outbox.closes()

    def _freeze_close(self, link: LinkBook, month: Month) -> CloseBook:
        return self._outbox.freeze_close(
            link.link, month, lambda chain: self._compose_close(link, month, chain)
        )

    def _compose_close(self, link: LinkBook, month: Month, chain: Chain) -> CloseBook:
        entry = self.directory.release_for(month)
        if entry.id != self.release.id:
            raise Conflict(f"{month} is counted by {entry.id}, this source holds {self.release.id}")
        receipts = [batch.receipt for batch in chain.batches]
        if None in receipts:
            raise Conflict("a batch of this month is not confirmed yet; send it first")
        previous = chain.previous
        before = json.loads(previous.balances) if previous else ZERO
        added = {row.category: row.mg for row in chain.sums}
        settled = settle(before, added, self.release.cap)
        upto = chain.batches[-1].seq if chain.batches else (previous.upto if previous else -1)
        close = Close(
            iat=self._now(),
            link=link.link,
            month=month,
            methodology=entry.id,
            cells=tuple(
                hide(total, masks_of(StreamKey(link.k), category, month))
                for category, total in zip(Category, settled.grams, strict=True)
            ),
            upto=upto,
            batches=digest_of((batch.text, batch.receipt or "") for batch in chain.batches),
        )
        text = close.signed(self.identity.key)
        return CloseBook(
            link.link,
            month,
            upto,
            text,
            json.dumps(settled.balances),
            json.dumps(settled.grams),
            None,
        )


def _link_book(asked: LinkCode, customer: str, begins: Month, now: int, text: str) -> LinkBook:
    return LinkBook(asked.link, customer, asked.k, asked.rec, begins, now, text, "answered")
