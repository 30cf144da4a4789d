"""The SDK of a source: link, book, freeze, send, close (docs/protocol.md section 5).

    source = Source(identity, outbox, wire, directory, release)
    nonce = source.offer("customer 7")              # shown to the customer as a link or QR
    text = source.accept("customer 7", nonce, code)  # the holder attaches this cv1-link
    source.check_attached()
    source.book("customer 7", bookings)               # vault/bookings.py
    source.send_batches()
    source.close(month)                              # days 1–10 of the next month

The source books and closes by its own clock. Everything is frozen in the outbox before its first
send; a retry sends the same bytes: a vault that answers "conflict, start from here" gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from vault.bookings import Bookings
from vault.books import ActBook, Chain, CloseBook, Evidence, Frozen, LinkBook
from vault.compose import compose_batch, compose_close
from vault.crypto.keys import OpeningKey, SigningKey
from vault.crypto.seal import check_sealing_key, open_sealed
from vault.delivery import Delivery, Refusals
from vault.directory import Directory
from vault.errors import BadCode, Conflict, NotFound, TooEarly, Unlinked, Unreachable, VaultError
from vault.messages import Link, LinkCode, Unlink, link_info
from vault.methodology.release import Release
from vault.months import Month, add_months, close_slot, months_from
from vault.wire import Wire

if TYPE_CHECKING:
    from vault.outbox import Outbox

NONCE_LIFE = 600
BATCH_ACTS = 1024


@dataclass(frozen=True)
class Identity:
    """A source's directory id and keys."""

    id: str
    key: SigningKey
    opening: tuple[OpeningKey, ...]


class Source(Bookings):
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
        super().__init__(identity.id, identity.opening, outbox, directory, release, now, random)
        self.identity, self._wire = identity, wire
        self._delivery = Delivery(outbox, wire, now)

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


def _link_book(asked: LinkCode, customer: str, begins: Month, now: int, text: str) -> LinkBook:
    return LinkBook(asked.link, customer, asked.k, asked.rec, begins, now, text, "answered")


def _raise_first(refused: Refusals) -> None:
    if refused:
        raise next(iter(refused.values()))
