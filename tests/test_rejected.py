"""What follows when a close does not open and its holder says so: that month, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from consent.commands import consents as commands
from consent.demo.cast import CITY
from consent.messages import Grant
from consent.records import OwnLink
from tests.world import EAST, FEB, JAN, MAR, WEST, Person, World
from vault.books import Chain, CloseBook, LinkBook
from vault.chain import digest_of
from vault.compose import compose_close
from vault.crypto.commit import Scalar
from vault.crypto.keys import SigningKey
from vault.encoding import read_envelope
from vault.errors import Absent, BadTotal
from vault.messages import Close
from vault.methodology.release import Release
from vault.months import Month


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def wrong_cell(
    link: LinkBook, month: Month, chain: Chain, release: Release, key: SigningKey, now: int
) -> CloseBook:
    """Compose a close as the source does, but its travel cell holds another number."""
    book = compose_close(link, month, chain, release, key, now)
    close = Close.opened(read_envelope(book.text, Close.typ))
    cells = list(close.cells)
    cells[3] = replace(cells[3], masked=Scalar(7))
    return book._replace(text=close.model_copy(update={"cells": tuple(cells)}).signed(key))


def close_wrongly(world: World, name: str, month: Month) -> None:
    """Close a month at one source with a cell that does not open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vault.source.compose_close", wrong_cell)
        world.sources[name].close(month)


def january(world: World) -> tuple[Person, Grant]:
    """Return a person who shares two sources, one of whose closes of January does not open."""
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 1_234)
    world.ride(ann, WEST, 5_000)
    for source in world.sources.values():
        source.send_batches()
    world.move(FEB)
    close_wrongly(world, EAST, JAN)
    world.sources[WEST].close(JAN)
    return ann, grant


def books(world: World, name: str) -> list[tuple[CloseBook, Close]]:
    """A source's own closes, each as it keeps it and as it sent it."""
    found = world.sources[name].closes()
    return [(book, Close.opened(read_envelope(book.text, Close.typ))) for book in found]


def own(person: Person, source: str) -> OwnLink:
    """What the person recomputes of a source."""
    person.holder.refresh()
    (found,) = [link for link in person.holder.open_links() if link.source == source]
    return found


def test_a_rejected_month_is_left_out_and_the_next_months_are_right_again(world: World) -> None:
    ann, grant = january(world)
    with pytest.raises(BadTotal, match=f"the close of {JAN}"):
        ann.holder.open_links()
    (book, _) = books(world, EAST)[0]
    ann.holder.reject(ann.links[EAST], book.text)
    assert [close.rejected for close in own(ann, EAST).closes] == [True]
    ann.holder.mint(grant)
    city = world.platform(CITY)
    january_total = city.total(grant.grant, (JAN,))
    links = ann.holder.open_links()
    assert january_total.grams == 243 == ann.holder.own_total(grant, (JAN,), links)
    world.ride(ann, EAST, 2_345)
    world.ride(ann, WEST, 700)
    world.close_month(FEB)
    east = own(ann, EAST)
    told = [(close.month, close.grams[3], close.rejected) for close in east.closes]
    # 1234 m and 2345 m are 60,095 and 114,201 mg; what January left over goes into February.
    assert told == [(JAN, 60, True), (FEB, 114, False)]
    february = city.total(grant.grant, (FEB,))
    links = ann.holder.open_links()
    assert february.grams == 114 + 34 == ann.holder.own_total(grant, (FEB,), links)
    assert world.auditor().audit().findings == []


def test_no_token_and_no_figure_is_over_a_rejected_month(world: World) -> None:
    ann, grant = january(world)
    (book, _) = books(world, EAST)[0]
    ann.holder.reject(ann.links[EAST], book.text)
    with pytest.raises(Absent):  # the token that was made before
        world.platform(CITY).total(grant.grant, (JAN,))
    with pytest.raises(BadTotal, match="not there yet"):
        ann.holder.own_total(grant, (JAN,), ann.holder.open_links())
    ann.holder.mint(grant)
    assert ann.holder.own_total(grant, (JAN,), ann.holder.open_links()) == 243


def test_a_source_goes_on_from_a_rejected_close_as_if_it_had_opened(world: World) -> None:
    ann, _ = january(world)
    bob = world.person("bob", EAST)
    (book, before) = books(world, EAST)[0]
    ann.holder.reject(ann.links[EAST], book.text)
    world.ride(ann, EAST, 2_345)
    world.ride(bob, EAST, 2_345)
    world.close_month(FEB)
    kept = [(b, c) for b, c in books(world, EAST) if b.link == ann.links[EAST]]
    (first, _), (second, after) = kept
    assert first == book._replace(receipt=first.receipt)
    assert json.loads(book.balances)[3] == 95
    assert json.loads(second.grams)[3] == 114  # (95 + 114,201) mg
    assert json.loads(second.balances)[3] == 95 + 114_201 - 114_000 == 296
    batches = [(b.batch, b.receipt) for b in own(ann, EAST).batches if b.seq > before.upto]
    assert (after.upto, after.batches) == (before.upto + 1, digest_of(batches))
    # Its own word about the link is unmoved: it has a receipt, and nothing to write anew.
    world.move(MAR)
    assert world.sources[EAST].evidence() == []
    assert [b.month for b in world.sources[EAST].close(FEB)] == [FEB, FEB]


def test_a_figure_over_a_month_that_was_rejected_later_hides_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ann, grant = january(world)
    ann.holder.mint(grant)
    city = world.platform(CITY)
    with pytest.raises(BadTotal):  # it left, and the platform cannot open it
        city.total(grant.grant, (JAN,))
    (book, _) = books(world, EAST)[0]
    ann.holder.reject(ann.links[EAST], book.text)
    world.ride(ann, WEST, 5_000)
    world.close_month(FEB)
    assert city.total(grant.grant, (FEB,)).grams == 244
    monkeypatch.setattr(commands, "opened", lambda folder: nullcontext(ann.holder))
    commands.releases(Path(), json_out=True)
    rows = json.loads(capsys.readouterr().out)["releases"]
    assert [(row["window"], row["grams"]) for row in rows] == [(JAN, None), (FEB, 244)]
    commands.releases(Path())
    first, second = capsys.readouterr().out.splitlines()
    assert commands.NO_FIGURE["en"] in first
    assert "244 g" in second
