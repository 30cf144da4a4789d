"""Whose word a link's messages are: each batch and close its source's, each receipt the vault's.

    origin = Origin(directory, link, "bike.example")
    origin.check_batch(batch, receipt)
    origin.check_close(close)

A vault can write such messages too, but not sign them. What it shows without the signature counts
nowhere, and says nothing about the source (docs/protocol.md section 5, "Signatures").
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.directory import Directory
from vault.encoding import Envelope, read_envelope, text_hash
from vault.errors import BadInput, UnknownKey, Unsigned
from vault.messages import Batch, Close, KeyTime, Receipt
from vault.months import close_slot


@dataclass(frozen=True)
class Origin:
    """One link of one source, whose keys, the ended ones too, stand in the directory."""

    directory: Directory
    link: bytes
    source: str

    def check_batch(self, batch: str, receipt: str) -> None:
        """Return when this batch is the source's and this receipt the vault's for it.

        1. a key of the source signed the batch. 2. a key of the vault signed the receipt, in its
        only form and of this very text. 3. the batch is of this link, and has every tag that the
        receipt counts. 4. its key was valid when the vault took it, which is the second of the
        receipt.

        Raises:
            Unsigned: one of these fails. BadShape, BadPoint: the source signed the batch, but not
                in its only form.
        """
        envelope, key = self._signed(batch, Batch.typ)  # 1
        taken = self._receipt(receipt)
        if taken.of != text_hash(batch):
            raise Unsigned("the receipt that the vault shows with a batch is of another text")  # 2
        message = Batch.opened(envelope)
        self._check_link(message.link)
        if max(taken.taken or (), default=0) >= len(message.tags):
            raise Unsigned("the receipt of the vault names a tag that the batch does not have")  # 3
        _check_time(key, taken.iat, taken.iat + 1)  # 4

    def check_close(self, close: str) -> None:
        """Return when this close is the source's.

        1. a key of the source signed it. 2. it is of this link. 3. the key was valid at some time
        of the close's slot.

        Raises:
            Unsigned: one of these fails. BadShape, BadPoint, BadScalar: signed, but not in its only
                form.
        """
        envelope, key = self._signed(close, Close.typ)  # 1
        message = Close.opened(envelope)
        self._check_link(message.link)  # 2
        _check_time(key, *close_slot(message.month, self.directory.listing.zone))  # 3

    def _signed(self, text: str, typ: str) -> tuple[Envelope, KeyTime]:
        try:
            envelope = read_envelope(text, typ)
            key = self.directory.key_of(self.source, envelope.kid)
            envelope.verify(key.pk)
        except (BadInput, UnknownKey) as bad:
            raise Unsigned(f"not signed by {self.source}: {bad}") from bad
        return envelope, key

    def _receipt(self, text: str) -> Receipt:
        try:
            envelope = read_envelope(text, Receipt.typ)
            envelope.verify(self.directory.vault_key_ever(envelope.kid))
            return Receipt.opened(envelope)
        except (BadInput, UnknownKey) as bad:
            raise Unsigned(f"no receipt that the vault signed: {bad}") from bad

    def _check_link(self, link: bytes) -> None:
        if link != self.link:
            raise Unsigned(f"{self.source} signed it, but for another link")


def _check_time(key: KeyTime, begin: int, end: int) -> None:
    if key.begins >= end or key.until <= begin:
        raise Unsigned("signed by a key of the source that was not valid then")
