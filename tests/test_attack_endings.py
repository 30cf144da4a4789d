"""What ends, and who says so: absents, rejects, unlinks, pauses, erasures; a second device.

Each test names the fact and the row of docs/threat-model.md, and has a control: the mechanism taken
out in a naive copy here, never in the product. An attack that succeeds nowhere would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import httpx2
import pytest

from consent.demo.cast import BANK, CITY, VAULT
from consent.holder import recover
from consent.messages import Erased, LinkMonths, Pause, Resume, Revoke
from consent.replay import Finding, Replay
from consent.tokens import Granted, cells_of, open_token
from tests.attacks import (
    STRANGER,
    Logged,
    Operator,
    Story,
    consent,
    forge_close,
    found,
    post_token,
    total,
)
from tests.world import EAST, FEB, JAN, MAR, WEST, World, terms
from vault.crypto.commit import ORDER
from vault.crypto.keys import SigningKey, account_key, read_code, wrap_id
from vault.crypto.meter import Cell
from vault.encoding import read_envelope, text_hash
from vault.errors import (
    Absent,
    AtomUsed,
    BadCode,
    BadProof,
    BadSeal,
    BadShape,
    BadTotal,
    FalseAbsent,
    NotFound,
    Paused,
    UnknownKey,
)
from vault.messages import AbsentMonth, Account, Batch, Close, Erase, Receipt, Reject, Unlink
from vault.months import Month


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def story(world: World) -> Story:
    """Ann at both sources, January closed, tokens for the city and the bank."""
    ann = world.person("ann", EAST, WEST)
    story = Story(world, ann, world.allow(ann, BANK), world.allow(ann, CITY))
    world.ride(ann, EAST, 20_000)
    world.ride(ann, WEST, 10_000)
    world.close_month(JAN)
    return story


class _Sealed(NamedTuple):
    sealed: bytes


def sealed_of(story: Story, month: Month) -> bytes:
    """Return the bytes of the city's token as the vault holds them now."""
    sql = "SELECT sealed FROM tokens WHERE grant_id = ? AND months = ?"
    read = story.world.database.read
    (row,) = read(lambda tx: tx.all(_Sealed, sql, story.city.grant, month))
    return row.sealed


def cells_without(story: Story, name: str, month: Month) -> tuple[LinkMonths, ...]:
    facts = [f for f in story.ann.holder.link_facts() if f.link != story.ann.links[name]]
    return cells_of(facts, CITY, (month,))


# Absents that are not true


def log_false_absent(story: Story, month: Month) -> str:
    """Let the vault log that the first source did not close a month that it did close."""
    world, link = story.world, story.ann.links[EAST]
    lie = AbsentMonth(iat=world.time, link=link, month=month).signed(world.place.vault_key)
    Operator(world).log(lie)
    Operator(world).run("INSERT INTO absents VALUES (?, ?, ?)", link, month, lie)
    return lie


def test_false_absent_of_a_released_window_gives_no_smaller_token(story: Story) -> None:
    """T33: not in the app, not past it; the control is a vault that forgets what it released."""
    world, before = story.world, total(story, story.city, (JAN,)).grams
    world.move(MAR)
    log_false_absent(story, JAN)
    story.ann.holder.refresh()
    assert story.ann.holder.mint(story.city) == []
    smaller = cells_without(story, EAST, JAN)
    with pytest.raises(AtomUsed, match="never made smaller"):
        post_token(story, story.city, (JAN,), smaller)
    assert [rule for _, rule in found(world)] == ["absent"]
    Operator(world).run("UPDATE windows SET released = 0")
    Operator(world).run("DELETE FROM releases")
    post_token(story, story.city, (JAN,), smaller)
    assert before - total(story, story.city, (JAN,)).grams == 974  # one link's month
    # The replay did not take the false absent: for it, that month is not missing.
    assert [rule for _, rule in found(world)] == ["absent", "token", "release"]


def test_false_absent_before_the_release_shows_one_link_and_its_source_can_prove_it(
    story: Story,
) -> None:
    """T33: what section 9 does not promise; the source's receipt and the audit show the lie."""
    world, city = story.world, story.world.cast.actors[CITY]
    world.move(MAR)
    first = sealed_of(story, JAN)  # a vault that colludes keeps what it was to overwrite
    lie = log_false_absent(story, JAN)
    story.ann.holder.refresh()
    assert story.ann.holder.mint(story.city) == [(JAN,)]
    granted = Granted(story.city.grant, (JAN,))
    masks = [open_token((city.opening,), s, granted) for s in (first, sealed_of(story, JAN))]
    cells = [c.cells[3] for source in (EAST, WEST) for c in closes_of(story, source)]
    whole, rest = reveal_sum(cells, masks[0].tau), reveal_sum(cells[1:], masks[1].tau)
    assert (whole, rest) == (974 + 487, 487)
    assert found(world)[0][1] == "absent"
    with pytest.raises(FalseAbsent) as caught:
        world.sources[EAST].close(FEB)
    absent, receipt = caught.value.evidence
    named = Receipt.opened(read_envelope(receipt, Receipt.typ)).of
    (close,) = [c for c in world.sources[EAST].closes() if c.month == JAN]
    assert (absent, named) == (lie, text_hash(close.text))


def closes_of(story: Story, name: str) -> list[Close]:
    books = story.world.sources[name].closes()
    return [Close.opened(read_envelope(book.text, Close.typ)) for book in books]


def reveal_sum(cells: list[Cell], tau: int) -> int:
    return (sum(cell.masked for cell in cells) - tau) % ORDER


def test_absent_that_is_not_logged_is_not_taken_by_the_app(story: Story) -> None:
    """T33: shown to the holder alone, with the proof of another entry; the control is logged."""
    world, operator = story.world, Operator(story.world)
    world.move(MAR)
    lie = AbsentMonth(iat=1, link=story.ann.links[EAST], month=JAN).signed(world.place.vault_key)
    operator.run("INSERT INTO absents VALUES (?, ?, ?)", story.ann.links[EAST], JAN, lie)
    puppet = Account(iat=1, pk=STRANGER.public, vault=VAULT, over14=True)
    proof = operator.log(puppet.signed(STRANGER))
    service = world.app.state.service
    world.app.state.service = replace(
        service, prove=lambda name: proof if name == text_hash(lie) else service.prove(name)
    )
    with pytest.raises(BadProof):
        story.ann.holder.mint(story.city)
    world.app.state.service = service
    operator.log(lie)
    assert (JAN,) in story.ann.holder.mint(story.city)


# Windows made again


def test_window_is_made_again_with_exactly_its_last_cells(story: Story) -> None:
    """T34: neither fewer nor more, past the app; the control is a vault that forgets windows."""
    world, ann = story.world, story.ann
    before = total(story, story.city, (JAN,)).grams
    fewer = cells_without(story, EAST, JAN)
    with pytest.raises(AtomUsed, match="cells of its last token"):
        post_token(story, story.city, (JAN,), fewer)
    ann.holder.unlink(ann.links[WEST])
    world.sources[WEST].send_batches()
    world.link(ann, WEST)
    for month in (FEB, MAR):  # with the link that was made after them
        more = cells_of(ann.holder.link_facts(), CITY, (month,))
        with pytest.raises(AtomUsed, match="cells of its last token"):
            post_token(story, story.city, (month,), more)
    post_token(story, story.city, (JAN,))
    assert total(story, story.city, (JAN,)).grams == before
    assert found(world) == []
    for table in ("windows", "atoms", "releases"):
        Operator(world).run(f"DELETE FROM {table}")
    post_token(story, story.city, (JAN,), fewer)
    assert before - total(story, story.city, (JAN,)).grams == 974
    assert [rule for _, rule in found(world)] == ["token", "release"]


def test_released_window_stays_as_it_was_also_after_a_reject(story: Story) -> None:
    """T34, T37: a holder's reject after the release; the control rejects before it."""
    world = story.world
    before = total(story, story.city, (JAN,)).grams
    post_reject(story, EAST)
    smaller = cells_without(story, EAST, JAN)
    with pytest.raises(AtomUsed, match="never made smaller"):
        post_token(story, story.city, (JAN,), smaller)
    assert total(story, story.city, (JAN,)).grams == before  # the same release again
    bob = world.person("bob", EAST, WEST)
    other = Story(world, bob, story.bank, world.allow(bob, CITY, first=FEB, last=FEB))
    world.close_month(FEB)
    post_reject(other, EAST)
    with pytest.raises(Absent):
        total(other, other.city, (FEB,))
    post_token(other, other.city, (FEB,), cells_without(other, EAST, FEB))
    assert total(other, other.city, (FEB,)).grams == 0
    assert found(world) == []


def post_reject(story: Story, name: str) -> None:
    """Reject the last close of a link past the app, whether it opens or not."""
    link = story.ann.links[name]
    close = [book for book in story.world.sources[name].closes() if book.link == link][-1]
    text = Reject(iat=story.world.time, close=text_hash(close.text))
    key = account_key(story.ann.root)
    story.world.wire(key).post(f"/v1/holder/links/{link.hex()}/reject", text.signed(key))


def test_close_that_opens_is_not_rejected_and_one_that_does_not_is(world: World) -> None:
    """T37: the app looks first; a stranger's reject is refused; the control does not open."""
    ann, bob = world.person("ann", EAST), world.person("bob", WEST)
    world.ride(ann, EAST, 20_000)
    world.sources[EAST].send_batches()
    world.move(FEB)
    world.sources[EAST].close(JAN)
    (close,) = world.sources[EAST].closes()
    with pytest.raises(BadTotal, match="opens"):
        ann.holder.reject(ann.links[EAST], close.text)
    for link in (ann.links[EAST], bob.links[WEST]):
        text = Reject(iat=1, close=text_hash(close.text)).signed(account_key(bob.root))
        with pytest.raises(NotFound):
            world.wire(account_key(bob.root)).post(f"/v1/holder/links/{link.hex()}/reject", text)
    bob.holder.reject(bob.links[WEST], forge_close(world, bob, JAN))
    counts = world.auditor().audit().counts
    assert (counts["reject"], found(world)) == (1, [])


# Pause, resume, unlink


def test_replayed_resume_lets_nothing_go_on(story: Story) -> None:
    """T35, property 14: replayed, out of turn, on another grant; the control is the right one."""
    world, ann = story.world, story.ann
    wire, key, grant = world.wire(account_key(ann.root)), consent(ann, story.city), story.city.grant

    def post(message: Revoke, to: bytes = grant, by: SigningKey = key) -> None:
        wire.post(f"/v1/holder/grants/{to.hex()}/status", message.signed(by))

    pauses = [Pause(iat=1, grant=grant, n=n) for n in (1, 3)]
    first = Resume(iat=1, grant=grant, n=2)
    post(pauses[0])
    post(first)
    assert total(story, story.city, (JAN,)).grams > 0
    post(pauses[1])
    post(first)  # the stored answer, and no more
    for again in (first.model_copy(update={"iat": 2}), Resume(iat=1, grant=grant, n=5)):
        with pytest.raises(BadShape, match="n:"):
            post(again)
    right = Resume(iat=1, grant=grant, n=4)
    with pytest.raises(UnknownKey):
        post(right, by=consent(ann, story.bank))
    with pytest.raises(UnknownKey):
        post(right, to=story.bank.grant)
    with pytest.raises(Paused):
        total(story, story.city, (JAN,))
    post(right)
    assert total(story, story.city, (JAN,)).grams > 0
    assert found(world) == []


def test_link_is_ended_by_its_holder_or_its_source_and_nobody_else(world: World) -> None:
    """T36: another person, another source, another link's text; the control is each of the two."""
    ann, bob = world.person("ann", EAST, WEST), world.person("bob", EAST)
    link, keys = ann.links[EAST], {n: world.cast.actors[n].key for n in (EAST, WEST)}
    text = Unlink(iat=1, link=link)

    def post(signer: SigningKey, at: bytes, caller: SigningKey, side: str) -> None:
        world.wire(caller).post(f"/v1/{side}links/{at.hex()}/unlink", text.signed(signer))

    mine, his = account_key(ann.root), account_key(bob.root)
    refused: list[tuple[SigningKey, bytes, SigningKey, str]] = [
        (his, link, his, "holder/"),
        (his, bob.links[EAST], his, "holder/"),
        (mine, bob.links[EAST], his, "holder/"),
        (STRANGER, link, mine, "holder/"),
        (keys[WEST], link, keys[WEST], ""),
        (keys[WEST], link, keys[EAST], ""),
        (mine, link, keys[EAST], ""),
        (keys[EAST], bob.links[EAST], keys[EAST], ""),
    ]
    for case in refused:
        with pytest.raises((NotFound, UnknownKey, BadShape)):
            post(*case)
    assert "unlink" not in world.auditor().audit().counts
    post(mine, link, mine, "holder/")
    world.sources[EAST].unlink("bob")
    assert world.auditor().audit().counts["unlink"] == 2
    assert found(world) == []
    Operator(world).log(Unlink(iat=2, link=ann.links[WEST]).signed(STRANGER))
    assert [rule for _, rule in found(world)] == ["unlink"]


# Erasure


def test_erasure_does_not_take_another_persons_entry_along(story: Story) -> None:
    """T38: the vault hides a stop behind the erasure of a puppet; the control is the puppet's own.

    An auditor who saw the stop finds it; for one who did not, the entry is never audited.
    """
    world, operator = story.world, Operator(story.world)
    story.ann.holder.stop(story.city)
    seen = world.auditor().audit().owners
    stop = next(r for r in operator.rows() if Logged(r.at, r.text).kind == "revoke")
    own = leave(world, STRANGER, ())
    assert (found(world), world.auditor_with(seen).audit().unseen) == ([], own)
    covered = leave(world, SigningKey(b"\x78" * 32), (stop.position or 0,))
    operator.run("DELETE FROM journal WHERE id = ?", stop.id)
    knowing = world.auditor_with(seen).audit()
    assert [(f.rule, "not of the erased" in f.reason) for f in knowing.findings] == [
        ("erased", True)
    ]
    fresh = world.auditor().audit()
    assert fresh.unseen == sorted([*own, *covered])
    assert stop.position in fresh.unseen


def leave(world: World, puppet: SigningKey, others: tuple[int, ...]) -> list[int]:
    """Let a puppet of the vault come and leave, and its erasure cover others too."""
    operator = Operator(world)
    size = 1 + max(row.position or 0 for row in operator.rows())
    account = Account(iat=1, pk=puppet.public, vault=VAULT, over14=True).signed(puppet)
    erase = Erase(iat=1, pk=puppet.public).signed(puppet)
    operator.log(account)
    operator.log(erase)
    indexes = sorted([size, *others])
    word = Erased(iat=1, erase=text_hash(erase), indexes=tuple(indexes))
    operator.log(word.signed(world.place.vault_key))
    operator.run("DELETE FROM journal WHERE position = ?", size)
    return indexes


def test_what_an_erasure_leaves_behind_is_found(story: Story) -> None:
    """T38: texts still served, or left out of the vault's word; the control is the honest one."""
    world, operator = story.world, Operator(story.world)
    seen, rows = world.auditor().audit().owners, operator.rows()
    erased = story.ann.holder.erase()
    assert world.auditor_with(seen).audit().findings == []
    grant = next(row for row in rows if Logged(row.at, row.text).kind == "grant")
    said = next(row for row in operator.rows() if Logged(row.at, row.text).kind == "erased")
    operator.run(
        "INSERT INTO journal (id, position, hash, at, salt, text) VALUES (?, ?, ?, ?, ?, ?)",
        *(grant.id, grant.position, text_hash(grant.text), grant.at, grant.salt, grant.text),
    )
    for auditor in (world.auditor(), world.auditor_with(seen)):
        findings = auditor.audit().findings
        assert {f.index for f in findings} == {grant.position, said.position}
        assert [f.rule for f in findings if "still served" in f.reason] == ["erased"]
    operator.run("DELETE FROM journal WHERE id = ?", grant.id)
    fewer = tuple(index for index in erased.indexes if index != grant.position)
    word = erased.model_copy(update={"indexes": fewer}).signed(world.place.vault_key)
    tape = [Logged(row.at, row.text if row.id != said.id else word) for row in operator.rows()]
    rules = {(f.index, f.rule) for f in replayed(world, operator, tape, seen)}
    assert rules == {(said.position, "erased"), (grant.position, "leaf")}


def replayed(
    world: World, operator: Operator, entries: list[Logged], seen: dict[int, str]
) -> list[Finding]:
    """Return what a replay finds in these entries, at the indexes of the operator's rows."""
    replay = Replay(world.place.settings.auditor, seen)
    texts = dict(zip((row.position for row in operator.rows()), entries, strict=True))
    for index in range(1 + max(index or 0 for index in texts)):
        if index in texts:
            replay.take(index, texts[index].at, texts[index].text)
        else:
            replay.miss(index)
    replay.finish()
    return replay.findings


def test_link_of_an_erased_person_is_over_at_its_source_for_good(world: World) -> None:
    """T41: a vault that brings the link back gets nothing more; the control is bob's."""
    ann, bob = world.person("ann", EAST), world.person("bob", EAST)
    east, link = world.sources[EAST], ann.links[EAST]
    world.ride(ann, EAST, 5_000)
    world.ride(bob, EAST, 5_000)
    row = world.database.read(lambda tx: tx.all(_Link, "SELECT * FROM links WHERE link = ?", link))
    account = world.database.read(lambda tx: tx.all(_Account, "SELECT * FROM accounts"))
    ann.holder.erase()
    with pytest.raises(NotFound):
        east.send_batches()
    (book,) = east._outbox.links("stopped")
    assert (book.link, book.k) == (link, b"")
    operator = Operator(world)
    mine = next(a for a in account if a.account == ann.holder.account)
    operator.run("INSERT INTO accounts VALUES (?, ?)", *mine)
    operator.run("INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?)", *row[0])
    sent = texts_posted(world)
    with pytest.raises(NotFound):
        world.ride(ann, EAST, 7_000)
    world.close_month(JAN)
    assert {message_link(text) for text in sent} == {bob.links[EAST]}
    assert [book.link for book in east.closes()] == [bob.links[EAST]]


class _Link(NamedTuple):
    link: bytes
    account: str
    source: str
    begins: str
    text: str
    ended: int | None
    unlink: str | None


class _Account(NamedTuple):
    account: str
    text: str


def texts_posted(world: World) -> list[str]:
    """Return the list that batches and closes will be added to as they are posted."""
    texts: list[str] = []

    def keep(request: httpx2.Request) -> None:
        if request.url.path in ("/v1/batches", "/v1/closes"):
            texts.append(request.content.decode("ascii"))

    world.client.event_hooks = {"request": [keep]}
    return texts


def message_link(text: str) -> bytes:
    envelope = read_envelope(text, Batch.typ, Close.typ)
    kind = Batch if envelope.typ == Batch.typ else Close
    return kind.opened(envelope).link


# Two devices, and codes that open a vault


def test_two_devices_that_make_a_window_at_once_make_one_cell_set(world: World) -> None:
    """T39, property 19: the slower one takes the faster one's cells.

    The control makes the slower one's own cells past the app: the vault refuses, and a vault that
    forgets what was used is found.
    """
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    slow = world.holder(ann.root)
    slow.refresh()
    alone = cells_of(slow.link_facts(), CITY, (JAN,))
    made: list[tuple[Month, ...]] = []

    def overtake(request: httpx2.Request) -> None:
        """Before the slow device's window is stored, the other links a source and makes all."""
        if request.method == "PUT" and not made:
            made.append(())
            world.link(ann, WEST)
            made.extend(ann.holder.mint(grant))

    world.client.event_hooks = {"request": [overtake]}
    slow.mint(grant)
    world.client.event_hooks = {}
    both = cells_of(slow.link_facts(), CITY, (JAN,))
    cells = {(m.window, m.cells) for m in slow._device.state.minted}
    assert len(made) == 4
    assert len(cells) == 3
    assert ((JAN,), both) in cells
    assert found(world) == []
    story = Story(world, ann, grant, grant)
    assert alone != both
    with pytest.raises(AtomUsed):
        post_token(story, grant, (JAN,), alone)
    Operator(world).run("DELETE FROM windows")
    Operator(world).run("DELETE FROM atoms")
    post_token(story, grant, (JAN,), alone)
    assert [rule for _, rule in found(world)] == ["token"]


def test_codes_are_not_guessed_and_end_in_time(world: World) -> None:
    """T40: unknown, malformed, ended and deleted wraps are one answer; the control opens."""
    ann = world.person("ann")
    kept, short, taken_back = ann.holder.add_code(), ann.holder.show_device_code(), b"\x08" * 20
    ann.holder.put_wrap(taken_back)
    ann.holder.delete_wrap(taken_back)
    assert recover(short, world.wire()).value == ann.root.value
    world.time += 600
    ids = [wrap_id(read_code(short)), wrap_id(taken_back)]
    paths = [*(raw.hex() for raw in ids), "1" * 32, "0" * 31, "F" * 32, "%00"]
    answers = [world.client.get(f"/v1/wraps/{path}") for path in paths]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (404, answers[0].content)
    }
    assert recover(kept, world.wire()).value == ann.root.value
    many = [world.client.get(f"/v1/wraps/{n:032x}").status_code for n in range(300)]
    assert set(many) == {404, 429}
    assert many.count(404) < 200
    for place in (0, 9, len(kept) - 1):
        wrong = kept[:place] + ("2" if kept[place] != "2" else "3") + kept[place + 1 :]
        with pytest.raises(BadCode):
            recover(wrong, world.wire())


def test_wrap_put_in_the_place_of_another_does_not_open(world: World) -> None:
    """T40: the vault gives ann mallory's wrap, so that she opens another vault than her own."""
    ann, mallory = world.person("ann"), world.person("mallory")
    codes = ann.holder.add_code(), mallory.holder.add_code()
    ids = [wrap_id(read_code(code)) for code in codes]
    swap = "UPDATE wraps SET blob = (SELECT blob FROM wraps WHERE wrap = ?) WHERE wrap = ?"
    assert recover(codes[0], world.wire()).value == ann.root.value
    Operator(world).run(swap, ids[1], ids[0])
    with pytest.raises(BadSeal):
        recover(codes[0], world.wire())
