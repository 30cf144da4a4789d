"""Holders, platforms and the auditor's command at a vault whose log turns.

The log turns once the story is told; some of these people go on with what they had in memory, some
come anew. Each refusal has a control beside it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from consent.activity import Watched
from consent.commands.entries import check_copy
from consent.demo.cast import BANK, CITY
from consent.entries_http import make_entries
from consent.entry_index import FILE, EntryIndex
from consent.history import Head, check_histories, open_head, open_listed
from consent.holder import Holder
from consent.lists import fetch_auditors, fetch_listed, unlike
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.logged import logs_of
from consent.messages import AuditReport, Grant
from consent.monitor import Look, Own, check_entries, read_listed
from consent.platform import Platform, Proofs
from consent.policy import fetch_directory
from consent.receipts import Receipt, verify_receipt
from consent.state import EMPTY
from tests.inside import Inside
from tests.turned_scene import FIRST, Scene
from tests.turning_vault import Turning
from tests.world import EAST, FEB, JAN, Person, terms
from vault.crypto.keys import SigningKey
from vault.encoding import Json, thumbprint
from vault.errors import BadDirectory, BadProof, BadShape, NotFound
from vault.wire import Answer, Wire, objects_of


@dataclass
class Story:
    """Ann with a link and a grant; the city has January's total from the first log."""

    world: Turning
    ann: Person
    grant: Grant
    folder: Path

    def __post_init__(self) -> None:
        self.city = self.platform()
        self.total = self.city.total(self.grant.grant, (JAN,))

    def platform(self) -> Platform:
        plain, world = self.world.platform(CITY), self.world
        wire = world.wire(plain.identity.key)
        proofs = Proofs(self.folder)
        return Platform(plain.identity, wire, world.policy, world.now, proofs=proofs)

    def turn(self) -> None:
        self.world.turn()
        self.world.close_log()

    def anew(self) -> Holder:
        """Ann's side on a device that held nothing."""
        holder = self.world.holder(self.ann.root)
        holder.load()
        return holder

    def look(self) -> Watched:
        return self.ann.holder.watch()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with Turning() as world:
        ann = world.person("ann", EAST)
        grant = world.allow(ann, CITY)
        world.ride(ann, EAST, 5_000)
        world.close_month(JAN)
        yield Story(world, ann, grant, tmp_path)


# What people do


def test_everybody_goes_on_over_a_turn(story: Story) -> None:
    story.turn()
    for holder in (story.ann.holder, story.anew()):  # one knows the first log alone
        holder.pause(story.grant)
        holder.resume(story.grant)
    assert [log.base for log in logs_of(story.ann.holder.held)] == [0, story.world.earlier[0].size]
    story.world.ride(story.ann, EAST, 5_000)
    story.world.close_month(FEB)
    story.ann.holder.mint(story.grant)
    for city in (story.city, story.platform()):
        assert city.total(story.grant.grant, (JAN,)).place.index == story.total.place.index
        second = city.total(story.grant.grant, (FEB,))
        assert second.place.index > story.world.earlier[0].size
    story.turn()
    story.ann.holder.stop(story.grant)
    rows = [row.text for row in story.world.rows()]
    uses = {use.release.window: use.place.index for use in story.anew().uses()}
    assert uses == {(JAN,): rows.index(story.total.release), (FEB,): rows.index(second.release)}
    assert story.ann.holder.erase().indexes


def test_what_ended_a_link_in_the_next_log_is_believed_at_once(story: Story) -> None:
    story.turn()
    other = story.anew()
    other.unlink(story.ann.links[EAST])
    # This device's directory knows the first log alone.
    assert story.ann.holder.held.earlier == ()
    [fact] = story.ann.holder.link_facts()
    assert fact.ends == FEB
    assert story.ann.holder.held.earlier != ()


def test_between_turn_and_closing_clients_go_by_the_directory_before(story: Story) -> None:
    held = story.world.directory()
    story.world.turn()
    assert (
        fetch_directory(story.world.wire(), story.world.policy, held, story.world.time).text
        == held.text
    )
    assert story.anew().held.text == held.text
    story.world.close_log()
    assert story.anew().held.listing.version == held.listing.version + 2


def test_who_pins_a_later_log_needs_no_way_to_it(story: Story) -> None:
    story.turn()
    world = story.world
    for vkey, taken in zip(world.vkeys, (True, True, False), strict=True):
        policy = replace(world.policy, log=str(vkey))
        if taken:
            fetch_directory(world.wire(), policy, None, world.time)
        else:
            with pytest.raises(BadDirectory, match="another log"):
                fetch_directory(world.wire(), policy, None, world.time)


def test_receipts_are_made_and_verify_over_a_turn(story: Story) -> None:
    world, before = story.world, Receipt.parse(story.ann.holder.receipt(story.grant))
    story.turn()
    after = Receipt.parse(story.ann.holder.receipt(story.grant))
    pins = [replace(world.policy, log=str(vkey)) for vkey in world.vkeys]
    assert verify_receipt(before, pins[0]) == story.grant
    for pinned in pins[:2]:
        assert verify_receipt(after, pinned) == story.grant
    with pytest.raises(BadDirectory):
        verify_receipt(after, pins[2])
    with pytest.raises(BadDirectory):
        verify_receipt(after.model_copy(update={"turns": None}), pins[0])


def test_kept_proofs_of_every_log_are_checked_again(story: Story) -> None:
    world = story.world
    world.ride(story.ann, EAST, 5_000)
    world.close_month(FEB)
    story.turn()
    story.city.total(story.grant.grant, (FEB,))
    proofs, identity = Proofs(story.folder), story.city.identity

    def errors(held: bool) -> list[str]:
        found = proofs.recheck(identity, world.policy, world.directory() if held else None)
        return sorted(str(one.error or "") for one in found)

    assert errors(held=True) == ["", ""]
    # Without the directory that was accepted last nobody says that the log turned.
    assert errors(held=False) == ["", "the directory names another log than the pinned one"]


def test_totals_of_every_log_are_audited(story: Story) -> None:
    world = story.world

    def report(**changed: object) -> str:
        running = logs_of(world.directory())[-1]
        head = open_head(world.client.get(f"{running.path}/checkpoint").text, running.key)
        members: dict[str, object] = {
            "iat": world.time,
            "from": 0,
            "to": running.base + head.size,
            "root": head.root,
            "findings": (),
            "unseen": (),
        }
        return AuditReport.model_validate({**members, **changed}).signed(world.cast.auditor)

    before = report()
    assert story.city.audited(story.total, before).checked == "audited"
    world.ride(story.ann, EAST, 5_000)
    world.close_month(FEB)
    story.turn()
    story.city.refresh()
    second = story.city.total(story.grant.grant, (FEB,))
    after = report()
    for total, said in ((story.total, before), (story.total, after), (second, after)):
        assert story.city.audited(total, said).checked == "audited"
    with pytest.raises(BadProof, match="covers the entries"):
        story.city.audited(second, before)
    with pytest.raises(BadProof, match="does not lead to the root"):
        story.city.audited(second, report(root=bytes(32)))
    world.turn()
    world.close_log()
    story.city.refresh()
    for total in (story.total, second):
        assert story.city.audited(total, report()).checked == "audited"
    kept = [one.total for one in story.city.audit_kept(report())]
    assert [one and one.checked for one in kept] == ["audited", "audited"]


# What the log holds of a person


def test_a_look_after_a_turn_finds_everything_in_order(story: Story) -> None:
    first = story.look()
    assert first.alarms == ()
    story.turn()
    second = story.look()
    assert (second.alarms, second.fresh) == ((), frozenset())
    size = story.world.earlier[0].size
    assert second.size == size  # nothing of hers is in the second log so far
    story.ann.holder.stop(story.grant)
    third = story.look()
    assert (third.alarms, third.size) == ((), len(story.world.rows()))
    assert [one.index for one in third.entries if one.index in third.fresh] == [size + 1]
    story.turn()
    for holder in (story.ann.holder, story.anew()):
        assert holder.watch().alarms == ()


def test_a_tree_seen_before_must_be_a_beginning_of_how_the_log_ended(story: Story) -> None:
    """The device kept another tree of the log that ended, signed by the log's own key."""
    story.look()
    look = story.ann.holder.memory.look
    seen = open_head(look.checkpoint, story.world.vkeys[0])
    other = Checkpoint(seen.origin, seen.size, b"\x01" * 32)
    fork = sign_checkpoint(other, story.world.place.log_key)
    later = sign_checkpoint(replace(other, size=10_000), story.world.place.log_key)
    story.turn()
    story.ann.holder.stop(story.grant)
    for lie in (fork, later):
        story.ann.holder._look = replace(look, checkpoint=lie)
        found = story.look()
        assert [one.kind for one in found.alarms] == ["history"]
        assert lie in found.notes
    story.ann.holder._look = look  # the control: what it really saw
    assert story.look().alarms == ()


def test_what_was_seen_in_a_log_that_ended_is_missed_when_it_goes(story: Story) -> None:
    story.look()
    story.turn()
    entries = fetch_listed(story.world.wire(story.ann.holder._key))
    own = Own(
        account=story.ann.holder._key.public,
        consent=lambda org: b"",
        directory=story.world.directory(),
        trust=None,
        state=EMPTY,
        made={},
        look=story.ann.holder.memory.look,
    )
    gone = check_entries(own, entries[1:]).alarms
    assert [(one.kind, one.index) for one in gone if one.kind == "withheld"] == [
        ("withheld", entries[0].index)
    ]
    whole = check_entries(own, entries).alarms
    assert [one for one in whole if one.kind == "withheld"] == []


# The auditor's copy


def copy(story: Story, folder: Path) -> None:
    """Copy every log that holds an entry, and its texts, as a mirror has them."""
    world = story.world
    key = world.cast.auditor
    served = objects_of(world.wire(key).get("/v1/audit/entries").body, "entries")
    for log in logs_of(world.directory()):
        place = folder / f"logs{log.path}".replace("logs/log", "logs") if log.base else folder
        note = world.client.get(f"{log.path}/checkpoint").text
        size = open_head(note, log.key).size
        bundle = f"tile/entries/000.p/{size}"
        for name in ("texts/000.jsonl", bundle):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "checkpoint").write_text(note, encoding="utf-8")
        (place / bundle).write_bytes(world.wire().raw(f"{log.path}/{bundle}"))
        own = served[log.base : log.base + size]
        lines = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in own)
        (place / "texts/000.jsonl").write_text(lines, encoding="ascii")


def test_the_auditors_list_follows_its_copy_over_turns(story: Story, tmp_path: Path) -> None:
    world, key, folder = story.world, story.ann.holder._key, tmp_path / "copy"
    copy(story, folder)
    index, kid = EntryIndex(folder, world.vkeys[0]), thumbprint(key.public)

    def check() -> None:
        head, found = index.of(kid)
        running = logs_of(world.directory())[-1]
        assert head.note == world.client.get(f"{running.path}/checkpoint").text
        listed = fetch_listed(world.wire(key))
        assert [position for position, _ in found] == [one.index for one in listed]
        fresh = EntryIndex(anew, world.vkeys[0])
        assert fresh.of(kid) == (head, found)
        fresh.close()
        assert check_copy(folder, world.vkeys[0], world.wire()).size == len(world.rows())

    anew = tmp_path / "anew"
    copy(story, anew)
    check()
    for _ in range(2):
        story.turn()
        story.ann.holder.pause(story.grant)
        story.ann.holder.resume(story.grant)
        for each in (folder, anew):
            shutil.rmtree(each / "tile")
            (each / FILE).unlink() if each is anew else None
            copy(story, each)
        check()
    # The control: a tree that the second log never had is no beginning of it.
    other = Checkpoint(world.vkeys[2].name, 2, b"\x01" * 32)
    fork = sign_checkpoint(other, world.place.later[1][1])
    (folder / "logs/2028/checkpoint").write_text(fork, encoding="utf-8")
    with pytest.raises(BadProof):
        check_copy(folder, world.vkeys[0], world.wire())
    index.close()


def test_a_holder_compares_with_an_auditor_over_a_turn(story: Story, tmp_path: Path) -> None:
    world, place = story.world, "https://audit.test"

    def compared() -> Watched:
        folder = tmp_path / f"copy-{len(world.rows())}"
        copy(story, folder)
        with Inside(make_entries(folder, place, world.vkeys[0]), base_url=place) as client:
            return story.ann.holder.watch(place, client)

    for _ in range(2):
        found = compared()
        assert (found.alarms, found.why) == ((), "")
        assert found.compared != "not compared"
        story.turn()
        story.ann.holder.pause(story.grant)
        story.ann.holder.resume(story.grant)
    # The control: the auditor has an entry of the second log that the vault does not list.
    folder = tmp_path / "last"
    copy(story, folder)
    texts = folder / "logs/2028/texts/000.jsonl"
    lines = texts.read_text("ascii").splitlines(keepends=True)
    texts.write_text("".join(lines[:-1]), encoding="ascii")
    with Inside(make_entries(folder, place, world.vkeys[0]), base_url=place) as client:
        found = story.ann.holder.watch(place, client)
    assert {one.kind for one in found.alarms} == {"unlike"}
    assert {one.index for one in found.alarms} == {len(world.rows()) - 1}


# Trees and lists, by hand

SCENE = Scene()
BASE = len(SCENE.one.texts)


class Shelf(Wire):
    """A vault that serves the scene's tiles, or the auditor's list of a key."""

    def __init__(self, body: dict[str, Json] | None = None, note: str = "") -> None:
        super().__init__("https://vault.example")
        self.body, self.note = body, note

    def raw(self, path: str) -> bytes:
        return self.note.encode() if path == "/checkpoint" else SCENE.raw(path)

    def get(self, path: str) -> Answer:
        if self.body is None:
            raise NotFound("no entry of this key")
        return Answer(self.body, "")


def head(book: int, size: int) -> Head:
    found = SCENE.books[book]
    return open_head(found.note(size), found.vkey)


def test_each_log_has_a_history_of_its_own() -> None:
    trees = [head(book, size) for book in range(3) for size in range(1, 3)]
    newest = check_histories(trees, SCENE.closing_2, Shelf())
    assert newest is not None
    assert newest.head.note == SCENE.three.note(2)
    assert newest.size == BASE + len(SCENE.two.texts) + 2
    assert check_histories([], SCENE.closing_2, Shelf()) is None
    with pytest.raises(BadProof, match="knows no log"):
        check_histories(trees, SCENE.closing, Shelf())
    for book, size in ((0, 3), (1, 4), (2, 2)):
        forked = replace(head(book, size), root=b"\x01" * 32)
        with pytest.raises(BadProof):
            check_histories([*trees, forked], SCENE.closing_2, Shelf())
    longer = replace(head(0, 4), size=5)
    with pytest.raises(BadProof, match="ended with 4 entries"):
        check_histories([longer], SCENE.closing_2, Shelf())
    with pytest.raises(BadProof, match="knows no log"):
        open_listed(SCENE.two.note(), SCENE.first)


def test_the_listed_index_is_the_place_and_not_the_proofs_own() -> None:
    def kinds(index: int) -> list[str]:
        item: dict[str, Json] = {
            "index": index,
            "at": 1_767_225_600,
            "salt": "00" * 16,
            "text": "grant 2",
            "proof": SCENE.two.proof("grant 2"),
        }
        own = Own(bytes(32), lambda org: b"", SCENE.closing_2, None, EMPTY, {}, Look())
        same = [{**item, "index": 1, "text": "grant", "proof": SCENE.one.proof("grant")}]
        return [
            one.kind for one in check_entries(own, read_listed({"entries": [*same, item]})).alarms
        ]

    # Both are proved; that nobody may sign "grant" is another matter. Two logs have two roots.
    assert len(SCENE.one.texts) == len(SCENE.two.texts)
    assert kinds(BASE + 1) == ["strange", "strange"]
    assert kinds(2) == ["strange", "unproved"]


def test_the_auditors_list_is_compared_over_all_logs() -> None:
    name = "ab" * 32
    note = SCENE.two.note()
    size, root = len(SCENE.two.texts), SCENE.two.root().hex()

    def body(*entries: tuple[int, str]) -> dict[str, Json]:
        listed: list[Json] = [[index, one] for index, one in entries]
        told: dict[str, Json] = {"checkpoint": note, "size": size, "root": root}
        return {**told, "entries": listed}

    theirs = fetch_auditors(Shelf(body((2, name), (BASE + 1, name))), "kid", SCENE.closing_2)
    assert theirs.end == BASE + size
    ours = {2: name, BASE + 1: name, BASE + size: name}
    assert unlike(theirs, ours) == []  # the last one the auditor has not seen yet
    assert [one.index for one in unlike(theirs, {2: name})] == [BASE + 1]
    with pytest.raises(BadShape, match="none has the index"):
        fetch_auditors(Shelf(body((BASE + size, name))), "kid", SCENE.closing_2)
    nothing = fetch_auditors(Shelf(note=note), "kid", SCENE.closing_2)
    assert (dict(nothing.names), nothing.end) == ({}, BASE + size)
    with pytest.raises(BadProof, match="knows no log"):
        fetch_auditors(Shelf(note=note), "kid", SCENE.first)
    stranger = SigningKey(b"\x31" * 32)
    forged = sign_checkpoint(Checkpoint(FIRST, 1, bytes(32)), stranger)
    with pytest.raises(BadProof):
        fetch_auditors(Shelf(note=forged), "kid", SCENE.closing_2)


def test_a_grant_to_a_bank_is_given_after_a_turn_too(story: Story) -> None:
    story.turn()
    grant = story.ann.holder.allow(terms(BANK), "en")
    assert story.ann.holder.mint(grant)
    assert story.world.allow(story.world.person("bob", EAST), CITY).platform == CITY
