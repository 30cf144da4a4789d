"""How a source's frozen messages reach the vault, and what it learns on the way (section 5).

    delivery = Delivery(outbox, wire, now)
    refused = delivery.send(directory)        {link: the error that holds it up}
    delivery.compare(directory, link)         receipts and absents against the source's own books

A retry sends the same bytes. What the vault says is only ever a reason to stop, never one to write
a message again: a month that is absent by the vault's signed word goes into the *next* close.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from vault import faults
from vault.books import BatchBook, CloseBook, LinkBook
from vault.directory import Directory
from vault.encoding import Json, read_envelope, text_hash
from vault.errors import (
    Absent,
    BadShape,
    DifferentBytes,
    FalseAbsent,
    NotFound,
    Relink,
    Unlinked,
    Unreachable,
    VaultError,
)
from vault.messages import AbsentMonth, Receipt
from vault.months import parse_month
from vault.wire import Wire, text_of

if TYPE_CHECKING:
    from vault.outbox import Outbox

Refusals = dict[bytes, VaultError]


class Delivery:
    """One source's way to one vault."""

    def __init__(self, outbox: Outbox, wire: Wire, now: Callable[[], int]) -> None:
        """Stand on the source's books; `wire` speaks with its key.

        `on_sent` may be set: it is called after each message that the vault confirmed.
        """
        self._outbox, self._wire, self._now = outbox, wire, now
        self.on_sent: Callable[[], None] = lambda: None

    def send(self, directory: Directory) -> Refusals:
        """Send what waits, batches before closes; return by link what was refused.

        What is refused for one link holds up no other.

        Raises:
            Unreachable: the vault did not answer; nothing is lost.
        """
        refused: Refusals = {}

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
            attempt(batch.link, partial(self._send_batch, directory, batch))
        for close in self._outbox.unsent_closes():
            attempt(close.link, partial(self._send_close, directory, close))
        return refused

    def compare(self, directory: Directory, link: LinkBook) -> None:
        """Compare the vault's word about a link with this source's books, and stop where it must.

        1. an absent is the vault's signed word about this link. 2. none for a close that the vault
        receipted. 3. no receipt for a close that these books do not know: they are an old backup.

        Raises:
            FalseAbsent: with both texts. Relink: the link is stopped. NotFound: it was erased.
        """
        try:
            body = self._wire.get(f"/v1/links/{link.link.hex()}").body
        except NotFound:
            self._outbox.stop(link.link)
            raise
        if text_of(body, "state") == "unlinked":
            self._mark_ending(directory, link.link)
            # Told to stop earlier, it stops earlier; nothing is written because of it.
            if isinstance(ends := body.get("ends"), str):
                self._outbox.mark_ending(link.link, parse_month(ends))
        closes = self._outbox.closes_of(link.link)
        for text in _texts(body, "absents"):
            self.take_absent(directory, link.link, text, closes)  # 1, 2
        known = {text_hash(close.text) for close in closes}
        if any(self._receipt(directory, text).of not in known for text in _texts(body, "receipts")):
            self._outbox.stop(link.link)
            raise Relink("the vault holds a close that these books do not know")  # 3

    def take_absent(
        self, directory: Directory, link: bytes, text: str, closes: list[CloseBook]
    ) -> None:
        """Keep a `cv1-absent`: the month's sums go into the next close.

        Raises:
            FalseAbsent: the month's close was receipted. BadShape, BadJws: no absent of this link.
        """
        envelope = read_envelope(text, AbsentMonth.typ)
        envelope.verify(directory.vault_key_ever(envelope.kid))
        message = AbsentMonth.opened(envelope)
        if message.link != link:
            raise BadShape("the vault's absent is of another link")
        for close in closes:
            if close.month == message.month and close.receipt:
                self._outbox.add_evidence(link, text, close.receipt)
                raise FalseAbsent(
                    f"the vault receipted the close of {close.month} and calls it absent",
                    (text, close.receipt),
                )
        faults.point("absent-answered")
        self._outbox.add_absent(link, message.month, text)

    def _send_batch(self, directory: Directory, batch: BatchBook) -> None:
        faults.point("batch-before-send")
        try:
            receipt = text_of(self._wire.post("/v1/batches", batch.text).body, "receipt")
        except Unlinked:
            # Closes of months before the end are still taken in their slot.
            self._mark_ending(directory, batch.link)
            self._outbox.refuse_batches(batch.link)
            self._compare_again(directory, batch.link)
            return
        except (DifferentBytes, NotFound) as error:
            raise self._stopped(batch.link, error) from error
        faults.point("batch-answered")
        taken = self._check_receipt(directory, receipt, batch.text).taken or ()
        try:
            self._outbox.batch_receipt(batch, receipt, taken)
        except BadShape:
            self._outbox.add_evidence(batch.link, batch.text, receipt)
            raise
        faults.point("batch-kept")

    def _send_close(self, directory: Directory, close: CloseBook) -> None:
        faults.point("close-before-send")
        try:
            receipt = text_of(self._wire.post("/v1/closes", close.text).body, "receipt")
        except Absent as error:
            if not error.statement:
                raise
            self._check_month(error.statement, close)
            closes = self._outbox.closes_of(close.link)
            self.take_absent(directory, close.link, error.statement, closes)
            self._compare_again(directory, close.link)
            return
        except Unlinked:
            self._compare_again(directory, close.link)
            self._outbox.stop(close.link)
            return
        except (DifferentBytes, NotFound) as error:
            raise self._stopped(close.link, error) from error
        faults.point("close-answered")
        self._check_receipt(directory, receipt, close.text)
        self._outbox.close_receipt(close, receipt)
        faults.point("close-kept")

    def _mark_ending(self, directory: Directory, link: bytes) -> None:
        self._outbox.mark_ending(link, directory.month_at(self._now()))

    def _check_month(self, text: str, close: CloseBook) -> None:
        month = AbsentMonth.opened(read_envelope(text, AbsentMonth.typ)).month
        if month != close.month:
            raise BadShape(f"the vault calls {month} absent where {close.month} was sent")

    def _compare_again(self, directory: Directory, link: bytes) -> None:
        # Whatever the vault refuses with, its whole word about the link is looked at.
        book = self._outbox.link(link)
        if book is not None:
            self.compare(directory, book)

    def _stopped(self, link: bytes, error: VaultError) -> VaultError:
        self._outbox.stop(link)
        if isinstance(error, DifferentBytes):
            return Relink("the vault holds other bytes than these books; the link is stopped")
        return error

    def _check_receipt(self, directory: Directory, text: str, of: str) -> Receipt:
        receipt = self._receipt(directory, text)
        if receipt.of != text_hash(of):
            raise BadShape("the vault's receipt is for another message")
        return receipt

    def _receipt(self, directory: Directory, text: str) -> Receipt:
        envelope = read_envelope(text, Receipt.typ)
        envelope.verify(directory.vault_key_ever(envelope.kid))
        return Receipt.opened(envelope)


def _texts(body: dict[str, Json], name: str) -> list[str]:
    found = body.get(name)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise BadShape(f"the answer has no list of texts {name}")
    return [str(text) for text in found]
