"""T90: a vault that alters, moves or invents what a source should have signed is told from it.

The holder's app takes no batch or close without the source's signature, and no receipt without the
vault's. The control of each attack is the same app without that check: there the source is blamed,
and a reject stands in the log for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Self

import pytest

from consent import accredit
from consent.accredit import Keys, Register
from consent.demo.cast import compose
from consent.origin import Origin
from tests.attacks import STRANGER, Operator, Text
from tests.web_vectors_records import changed_text
from tests.world import EAST, JAN, MAR, Person, World
from vault.crypto.commit import Scalar, write_scalar
from vault.crypto.keys import OpeningKey, SigningKey, record_key
from vault.crypto.seal import pad, seal
from vault.encoding import Json, b64u, read_envelope, sign_jws, text_hash
from vault.errors import BadSeal, BadShape, BadTotal, Unsigned
from vault.messages import Batch, Close, Receipt, Reject, batch_info

NEW = SigningKey(b"\x2d" * 32)
TWO_DAYS = 2 * 86400


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def closed(world: World) -> Person:
    """Return a person with one ride in January, closed."""
    ann = world.person("ann", EAST)
    world.ride(ann, EAST, 20_000)
    world.close_month(JAN)
    ann.holder.refresh()
    return ann


def row(world: World, table: str) -> str:
    (only,) = world.database.read(lambda tx: tx.all(Text, f"SELECT text FROM {table}"))
    return only.text


def blame_the_source(patch: pytest.MonkeyPatch) -> None:
    """Take the signatures out of the holder's app."""
    patch.setattr(Origin, "check_batch", lambda *_: None)
    patch.setattr(Origin, "check_close", lambda *_: None)


def swap_close(world: World, text: str) -> None:
    operator = Operator(world)
    operator.run("UPDATE closes SET text = ?, hash = ?", text, text_hash(text))


def unreadable(close: str, key: SigningKey | None = None) -> str:
    """Return a close that does not open: changed under its signature, or signed by a key."""
    message = Close.opened(read_envelope(close, Close.typ))
    if key is None:
        turned: list[Json] = [
            [b64u(write_scalar(c.masked)), b64u(c.commitment)] for c in message.cells[::-1]
        ]
        return changed_text(close, cells=turned)
    wrong = replace(message.cells[3], masked=Scalar(7))
    cells = (*message.cells[:3], wrong, *message.cells[4:])
    return message.model_copy(update={"cells": cells}).signed(key)


@pytest.mark.parametrize("key", [None, STRANGER])
def test_a_close_that_its_source_did_not_sign_is_neither_counted_nor_rejected(
    world: World, key: SigningKey | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T90: altered under the old signature, or signed by somebody else."""
    ann, before = closed(world), len(Operator(world).rows())
    forged = unreadable(row(world, "closes"), key)
    swap_close(world, forged)
    with pytest.raises(Unsigned) as told:
        ann.holder.open_links()
    assert told.value.sentence("en").startswith("The vault shows")
    assert told.value.sentence("zh-CN").startswith("保管库出示")
    with pytest.raises(Unsigned):
        ann.holder.reject(ann.links[EAST], forged)
    assert len(Operator(world).rows()) == before
    blame_the_source(monkeypatch)
    with pytest.raises(BadTotal, match=f"the close of {JAN}"):
        ann.holder.open_links()
    ann.holder.reject(ann.links[EAST], forged)
    (reject,) = Operator(world).rows()[before:]
    assert Reject.opened(read_envelope(reject.text, Reject.typ)).close == text_hash(forged)


def test_a_true_close_of_another_link_is_not_rejected(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T90: what the same source signed for somebody else."""
    bob = world.person("bob", EAST)
    ann = world.person("ann", EAST)
    world.close_month(JAN)
    ann.holder.refresh()
    (theirs,) = world.database.read(
        lambda tx: tx.all(Text, "SELECT text FROM closes WHERE link = ?", bob.links[EAST])
    )
    with pytest.raises(Unsigned, match="another link"):
        ann.holder.reject(ann.links[EAST], theirs.text)
    Operator(world).run("DELETE FROM closes WHERE link = ?", ann.links[EAST])
    Operator(world).run("UPDATE closes SET link = ?", ann.links[EAST])
    with pytest.raises(Unsigned, match="another link"):
        ann.holder.open_links()
    blame_the_source(monkeypatch)
    with pytest.raises(BadTotal):
        ann.holder.open_links()
    ann.holder.reject(ann.links[EAST], theirs.text)


def test_a_batch_that_its_source_did_not_sign_is_not_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T90: damaged by the vault, with a receipt of its own for the damaged text."""
    ann = closed(world)
    damaged = changed_text(row(world, "batches"), sealed=b64u(bytes(4096 + 48)))
    receipt = Receipt(iat=world.now(), of=text_hash(damaged), taken=())
    Operator(world).run(
        "UPDATE batches SET text = ?, receipt = ?", damaged, receipt.signed(world.place.vault_key)
    )
    with pytest.raises(Unsigned):
        ann.holder.open_links()
    blame_the_source(monkeypatch)
    with pytest.raises(BadSeal):
        ann.holder.open_links()


@pytest.mark.parametrize("change", [{"more": 1}, {"taken": [4095]}])
def test_a_receipt_that_the_vault_signed_as_nobody_may_is_not_laid_to_the_source(
    world: World, change: dict[str, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    """T90: its own signature under another form, or over a tag that the batch does not have."""
    ann, key = closed(world), world.place.vault_key
    body = Receipt(iat=world.now(), of=text_hash(row(world, "batches")), taken=()).plain()
    Operator(world).run(
        "UPDATE batches SET receipt = ?", sign_jws(Receipt.typ, {**body, **change}, key)
    )
    with pytest.raises(Unsigned):
        ann.holder.open_links()
    blame_the_source(monkeypatch)
    with pytest.raises((BadSeal, BadShape)):
        ann.holder.open_links()


def invent(world: World, person: Person, key: SigningKey) -> None:
    """Add a batch to a link, as whoever has its public record key can, signed by a key."""
    link, seq = person.links[EAST], 1
    public = record_key(person.root, link).public
    sealed = seal(public, pad(b"[]"), batch_info(link, seq))
    tags = tuple(bytes([n]) * 16 for n in range(8))
    text = Batch(iat=1, link=link, seq=seq, tags=tags, sealed=sealed).signed(key)
    receipt = Receipt(iat=world.now(), of=text_hash(text), taken=()).signed(world.place.vault_key)
    Operator(world).run(
        "INSERT INTO batches (link, seq, hash, text, receipt) VALUES (?, ?, ?, ?, ?)",
        link, seq, text_hash(text), text, receipt,
    )  # fmt: skip


def test_a_batch_that_the_vault_invents_is_no_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T90: with the link's public record key, which a source may have let out."""
    ann = closed(world)
    (own,) = ann.holder.open_links()
    assert [batch.seq for batch in own.batches] == [0]
    invent(world, ann, STRANGER)
    with pytest.raises(Unsigned):
        ann.holder.open_links()
    blame_the_source(monkeypatch)
    (own,) = ann.holder.open_links()
    assert [batch.seq for batch in own.batches] == [0, 1]


class ChangingWorld(World):
    """A world whose auditor ends or renews the keys of a source when it is told to."""

    change: str = ""
    at: int = 0

    def publish(self) -> str:
        listing = compose(self.cast, self.edition())
        register = Register(demo=True, parties=listing.entries)
        if self.change == "withdrawn":
            register = accredit.end_keys(register, EAST, self.at)
        if self.change == "renewed":
            keys = Keys(NEW.public, OpeningKey(b"\x2e" * 32).public)
            register = accredit.rotate_keys(register, EAST, keys, self.at, TWO_DAYS)
        listing = listing.model_copy(update={"entries": register.parties})
        text = self.auditor().publish(listing)
        self._version, self._prev = self._version + 1, text_hash(text)
        return text

    def tell(self, change: str) -> Self:
        self.change, self.at = change, self.time
        self.publish()
        return self


@pytest.mark.parametrize("change", ["withdrawn", "renewed"])
def test_what_a_source_signed_before_its_key_ended_stays_its_own(change: str) -> None:
    with ChangingWorld() as world:
        ann = closed(world)
        world.move(MAR, day=2)
        world.tell(change)
        ann.holder.refresh()
        (own,) = ann.holder.open_links()
        assert [(close.month, close.grams[3]) for close in own.closes] == [(JAN, 974)]


def test_a_key_newer_than_the_directory_held_is_looked_up() -> None:
    with ChangingWorld() as world:
        ann = closed(world)
        held = ann.holder.held.listing.version
        world.tell("renewed")
        invent(world, ann, NEW)
        (own,) = ann.holder.open_links()
        assert [batch.seq for batch in own.batches] == [0, 1]
        assert ann.holder.held.listing.version == held + 1
