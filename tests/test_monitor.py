"""The holder's monitoring: what a thief, a second device or a hostile vault does, and what is seen.

Each attack has a control: without the mechanism that finds it nothing is found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from consent.activity import Watched
from consent.commands import activity as commands
from consent.commands.activity import ALARMS, WHAT, WHO, tell_lines
from consent.commands.seen import read_seen, write_seen
from consent.demo.cast import BANK, CITY
from consent.evidence import Challenge, Fork, judge_evidence, read_evidence
from consent.history import check_one_history, open_head
from consent.holder import Holder
from consent.lists import Theirs, fetch_listed, fetch_whole, unlike
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.note import read_vkey
from consent.log.proof import read_proof
from consent.log.tiles import read_path
from consent.messages import Pause, Release, Resume, Revoke, Token
from consent.monitor import Look
from consent.side import Memory
from consent.signers import Signers
from consent.state import ACTS, EMPTY, HolderState, mark, merge
from tests.test_hostile_vault import Between, Body
from tests.world import EAST, FEB, JAN, WEST, Person, World, terms
from vault import journal
from vault.crypto.keys import consent_key
from vault.encoding import Envelope, Json, read_envelope
from vault.errors import BadPlace, BadProof, BadShape, Locale, NotFound, Unreachable
from vault.messages import AbsentMonth, Close
from vault.storage.database import Transaction
from vault.wire import Answer, Wire, objects_of


class Line(Between):
    """A wire that somebody changes the answers of, tiles too."""

    def __init__(self, real: Wire) -> None:
        super().__init__(real)
        self.beyond = 2**53

    def raw(self, path: str) -> bytes:
        if (
            path.startswith("/log/tile/")
            and read_path(path.removeprefix("/log/")).width > self.beyond
        ):
            raise NotFound("the log has not grown to this tile")
        return self._real.raw(path)


def between(holder: Holder) -> Line:
    wire = Line(holder._wire)
    holder._wire = holder._device._wire = wire
    return wire


PATH = "/v1/holder/entries?first=0"
Change = Callable[[list[dict[str, Json]]], list[dict[str, Json]]]


class Scene:
    """Ann with two links and a grant to the city, January released; her app looked once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ann = world.person("ann", EAST, WEST)
        self.grant = world.allow(self.ann, CITY)
        world.ride(self.ann, EAST, 10_000)
        world.close_month(JAN)
        world.platform(CITY).total(self.grant.grant, (JAN,))
        self.log = read_vkey(world.log_vkey)

    def look(self) -> Watched:
        return self.ann.holder.watch()

    def kinds(self) -> list[str]:
        return [alarm.kind for alarm in self.look().alarms]

    def thief(self) -> Holder:
        """Return a device with the stolen root, which keeps its acts out of the state."""
        thief = self.world.holder(self.ann.root)
        thief.load()
        thief._device.save = lambda change: None  # type: ignore[method-assign]
        return thief

    def lie(self, change: Change) -> None:
        """Let the vault change the entries that it lists."""
        wire = between(self.ann.holder)

        def changed(body: Body) -> Body:
            return {"entries": [*change(objects_of(body, "entries"))], "next": None}

        wire.answers[PATH] = changed

    def index_of(self, typ: str) -> int:
        return next(one.index for one in self.look().entries if one.typ == typ)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with World() as world:
        yield Scene(world)


def test_each_entry_verifies_and_nothing_is_wrong(scene: Scene) -> None:
    found = scene.look()
    assert found.alarms == ()
    assert (found.verified, found.unwitnessed, found.before) == (found.size - 2, (), ())
    assert {one.made for one in found.entries if one.typ in ACTS} == {"here"}
    assert [one.typ for one in found.entries].count(Release.typ) == 1
    assert (found.compared, found.why) == ("not compared", "")


def test_a_second_look_has_nothing_fresh(scene: Scene) -> None:
    assert len(scene.look().fresh) == scene.look().verified
    assert scene.look().fresh == frozenset()


def bind_and_grant(scene: Scene, thief: Holder) -> None:
    thief.allow(terms(BANK), "en")


def attach(scene: Scene, thief: Holder) -> None:
    scene.world.link(Person("somebody", scene.ann.root, thief), EAST)


def unlink(scene: Scene, thief: Holder) -> None:
    thief.unlink(scene.ann.links[WEST])


def stop(scene: Scene, thief: Holder) -> None:
    thief.stop(scene.grant)


@pytest.mark.parametrize(
    ("act", "types"),
    [
        (bind_and_grant, ["cv1-bind", "cv1-grant"]),
        (attach, ["cv1-attach"]),
        (unlink, ["cv1-unlink"]),
        (stop, ["cv1-revoke"]),
    ],
)
def test_what_a_thief_does_with_the_root_is_named(
    scene: Scene, act: Callable[[Scene, Holder], None], types: list[str]
) -> None:
    assert scene.kinds() == []
    act(scene, scene.thief())
    found = scene.look()
    assert [(one.kind, one.detail) for one in found.alarms] == [("foreign", t) for t in types]
    assert len(found.foreign) == len(types)
    assert scene.look().alarms == found.alarms  # it does not wear off


def test_without_the_record_of_acts_a_thief_is_not_found(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind_and_grant(scene, scene.thief())
    assert scene.kinds() == ["foreign", "foreign"]
    monkeypatch.setattr(HolderState, "recorded_since", property(lambda state: None))
    assert scene.kinds() == []


def test_a_thief_who_writes_the_state_too_is_told_as_another_device(scene: Scene) -> None:
    scene.look()
    thief = scene.world.holder(scene.ann.root)
    thief.load()
    thief.allow(terms(BANK), "en")
    found = scene.look()
    assert found.alarms == ()
    assert [one.typ for one in found.entries if one.index in found.elsewhere] == [
        "cv1-bind",
        "cv1-grant",
    ]
    assert scene.look().elsewhere == ()  # told once


def test_two_devices_of_one_person_raise_no_alarm(scene: Scene) -> None:
    second = scene.world.holder(scene.ann.root)
    second.load()
    grant = second.allow(terms(BANK), "en")
    second.mint(grant)
    scene.ann.holder.refresh()
    scene.ann.holder.pause(grant)
    second.refresh()
    second.resume(grant)
    second.unlink(scene.ann.links[WEST])
    for device in (scene.ann.holder, second, scene.world.holder(scene.ann.root)):
        assert device.watch().alarms == ()


def test_an_act_that_never_reached_the_vault_is_not_missed(scene: Scene) -> None:
    wire = between(scene.ann.holder)

    def lost(path: str, body: bytes) -> None:
        if path.endswith("/unlink"):
            raise Unreachable("lost on the way")

    wire.before = lost
    with pytest.raises(Unreachable):
        scene.ann.holder.unlink(scene.ann.links[WEST])
    assert scene.kinds() == []


def test_acts_from_before_they_were_recorded_are_no_alarm(scene: Scene) -> None:
    device = scene.ann.holder._device
    old = device.state.model_copy(update={"made": {}, "since": None})
    assert HolderState.parse(old.write()) == old
    assert b"made" not in old.write()
    assert b"since" not in old.write()
    device.save(lambda _: old)
    fresh = scene.world.holder(scene.ann.root)
    found = fresh.watch()
    assert found.alarms == ()
    assert [one.typ for one in found.entries if one.index in found.before] == [
        one.typ for one in found.entries if one.typ in ACTS
    ]
    scene.world.time += 60
    fresh.unlink(scene.ann.links[WEST])  # from here on acts are recorded
    assert fresh._device.state.since == scene.world.time
    thief = scene.world.holder(scene.ann.root)
    thief.load()
    thief._device.save = lambda change: None  # type: ignore[method-assign]
    thief.stop(scene.grant)
    assert [one.detail for one in fresh.watch().alarms] == ["cv1-revoke"]


# The record itself


def test_an_act_is_recorded_before_its_text_is_sent(scene: Scene) -> None:
    wire, seen = between(scene.ann.holder), dict[str, bool]()

    def posted(path: str, body: bytes) -> None:
        if path.startswith("/v1/holder/") and path != "/v1/holder/state" and body:
            text = body.decode() if body.startswith(b"ey") else json.loads(body)["token"]
            envelope = read_envelope(text, *ACTS)
            stored = scene.world.holder(scene.ann.root)
            stored.load()
            name = mark(ACTS[envelope.typ].opened(envelope))
            seen[envelope.typ] = name in stored._device.state.made

    wire.before = posted
    grant = scene.ann.holder.allow(terms(BANK), "en")
    scene.ann.holder.mint(grant)
    for change in (scene.ann.holder.pause, scene.ann.holder.resume, scene.ann.holder.stop):
        change(grant)
    scene.ann.holder.unlink(scene.ann.links[WEST])
    scene.world.sources[WEST].unlink("ann")
    scene.world.link(scene.ann, WEST)
    assert seen == dict.fromkeys(ACTS.keys() - {"cv1-reject"}, True)


def test_a_mark_is_of_what_is_said_and_not_of_when_or_how_it_was_sealed(scene: Scene) -> None:
    later = scene.grant.model_copy(update={"iat": scene.grant.iat + 1})
    other = scene.grant.model_copy(update={"data_life_days": 7})
    assert mark(later) == mark(scene.grant) != mark(other)


def test_two_states_merge_to_the_union_of_their_acts() -> None:
    one = EMPTY.with_made(5, "a" * 32).with_proved("a" * 32, 7)
    two = EMPTY.with_made(6, "a" * 32, "b" * 32)
    for merged in (merge(one, two), merge(two, one)):
        assert merged.made == {"a" * 32: 7, "b" * 32: -1}
        assert merged.since == 0


def test_ten_years_of_acts_fit_the_state() -> None:
    names = [f"{n:032x}" for n in range(800)]
    state = EMPTY.with_made(0, *names)
    for n, name in enumerate(names):
        state = state.with_proved(name, 10_000_000 + n)
    assert len(state.write()) < 40_000


# A hostile vault


def test_a_release_that_is_no_longer_shown_is_missed(scene: Scene) -> None:
    index = scene.index_of(Release.typ)
    scene.lie(lambda entries: [e for e in entries if e["index"] != index])
    found = scene.look()
    assert [(one.kind, one.index) for one in found.withheld] == [("withheld", index)]


def test_without_the_memory_of_a_device_a_release_is_not_missed(scene: Scene) -> None:
    index = scene.index_of(Release.typ)
    scene.ann.holder._look = Look()
    scene.lie(lambda entries: [e for e in entries if e["index"] != index])
    assert scene.kinds() == []


def test_an_act_that_was_proved_is_missed_by_any_device(scene: Scene) -> None:
    scene.ann.holder.unlink(scene.ann.links[WEST])
    index = scene.index_of("cv1-grant")
    fresh = scene.world.holder(scene.ann.root)
    wire = between(fresh)
    wire.answers[PATH] = lambda body: {
        "entries": [e for e in objects_of(body, "entries") if e["index"] != index],
        "next": None,
    }
    kinds = {(one.kind, one.index) for one in fresh.watch().alarms}
    assert ("withheld", index) in kinds


def test_what_comes_between_list_and_state_is_not_missed(scene: Scene) -> None:
    scene.look()
    wire, second = between(scene.ann.holder), scene.world.holder(scene.ann.root)
    second.load()
    raced: list[bool] = []

    def race(path: str, body: bytes) -> None:
        if path == "/v1/holder/state" and not body and len(raced) < 2:
            raced.append(True)
            if len(raced) == 2:  # after the list was read
                second.unlink(scene.ann.links[WEST])
                second.allow(terms(BANK), "en")

    wire.before = race
    assert scene.kinds() == []
    assert len(raced) == 2


def changed(index: int, members: dict[str, Json]) -> Change:
    return lambda entries: [e | members if e["index"] == index else e for e in entries]


@pytest.mark.parametrize(
    "members",
    [{"salt": "00" * 16}, {"at": 1}, {"text": "eyJ.eyJ.eyJ"}, {"text": "é"}],
)
def test_a_changed_member_of_an_entry_is_named(scene: Scene, members: dict[str, Json]) -> None:
    index = scene.index_of(Release.typ)
    scene.lie(changed(index, members))
    assert [(one.kind, one.index) for one in scene.look().alarms] == [("unproved", index)]


def test_a_changed_index_or_proof_is_named(scene: Scene) -> None:
    index = scene.index_of(Release.typ)
    scene.lie(changed(index, {"index": 9_999}))
    assert ("unproved", 9_999) in {(one.kind, one.index) for one in scene.look().alarms}


def test_a_proof_of_another_entry_is_named(scene: Scene) -> None:
    scene.lie(lambda entries: [e | {"proof": entries[0]["proof"]} for e in entries])
    found = scene.look()
    assert found.verified == 1
    assert {one.kind for one in found.alarms} == {"unproved", "withheld"}


def test_an_entry_listed_twice_is_named(scene: Scene) -> None:
    scene.lie(lambda entries: [*entries, entries[3]])
    (alarm,) = scene.look().alarms
    assert alarm.kind == "unproved"
    assert "twice" in alarm.detail


def test_another_persons_entry_is_named(scene: Scene) -> None:
    bob = scene.world.person("bob", EAST)
    theirs = scene.world.wire(bob.holder._key).get("/v1/holder/entries").body
    (listed, *_) = objects_of(theirs, "entries")
    scene.lie(lambda entries: [*entries, listed])
    assert scene.kinds() == ["strange"]


def test_an_entry_signed_by_nobody_who_may_is_named(scene: Scene) -> None:
    world = scene.world
    key = world.cast.actors[WEST].key
    close = next(one for one in scene.look().entries if one.typ == Close.typ)
    link = Close.opened(read_envelope(close.text, Close.typ)).link
    lie = AbsentMonth(iat=world.time, link=link, month=FEB).signed(key)
    log_it(scene, lie)
    assert scene.kinds() == ["strange"]


def test_an_absent_of_a_closed_month_is_named(scene: Scene) -> None:
    world = scene.world
    lie = AbsentMonth(iat=world.time, link=scene.ann.links[EAST], month=JAN)
    log_it(scene, lie.signed(world.place.vault_key))
    (alarm,) = scene.look().foreign
    assert "closed before" in alarm.detail


def test_a_release_after_the_stop_is_named(scene: Scene) -> None:
    text = next(one.text for one in scene.look().entries if one.typ == Release.typ)
    scene.ann.holder.stop(scene.grant)
    release = Release.opened(read_envelope(text, Release.typ))
    again = release.model_copy(update={"iat": release.iat + 1})
    log_it(scene, again.signed(scene.world.place.vault_key))
    (alarm,) = scene.look().foreign
    assert "stopped" in alarm.detail


def log_it(scene: Scene, text: str) -> None:
    def work(tx: Transaction) -> None:
        operator = scene.world.app.state.service.operator
        journal.append(tx, operator, text, scene.ann.holder.account)

    scene.world.database.write(work)
    scene.world.app.state.log.sequence()


# What was signed once, logged again


def replayed(scene: Scene, typ: str) -> dict[str, Json]:
    """Log the text of an entry once more, as a vault can; return the entry at its later place."""
    text = next(one.text for one in scene.look().entries if one.typ == typ)
    name, salt = b"\x07" * 32, bytes(16)

    def work(tx: Transaction) -> None:
        sql = "INSERT INTO journal (hash, account, at, salt, text) VALUES (?, ?, ?, ?, ?)"
        tx.run(sql, name, scene.ann.holder.account, scene.world.time, salt, text)

    scene.world.database.write(work)
    proof = scene.world.app.state.log.prove(name)
    index = read_proof(proof).index
    place: dict[str, Json] = {"index": index, "at": scene.world.time, "salt": salt.hex()}
    return {**place, "text": text, "proof": proof}


def shown_at(scene: Scene, again: dict[str, Json]) -> list[tuple[str, Json]]:
    """Return what a fresh device finds when the list has an entry at its later place alone."""
    fresh = scene.world.holder(scene.ann.root)

    def moved(body: Body) -> Body:
        kept = [e for e in objects_of(body, "entries") if e["text"] != again["text"]]
        return {"entries": [*kept, again], "next": None}

    between(fresh).answers[PATH] = moved
    return [(alarm.kind, alarm.index) for alarm in fresh.watch().alarms]


def forget_places(scene: Scene) -> None:
    """Let the state know every act, and of none its place in the log."""
    scene.ann.holder._device.save(
        lambda state: state.model_copy(update={"made": dict.fromkeys(state.made, -1)})
    )


def stopped_and_resumed(scene: Scene) -> tuple[dict[str, Json], int]:
    """Log a release after the stop, and before it an old resume; return this and the index."""
    text = next(one.text for one in scene.look().entries if one.typ == Release.typ)
    for change in ("pause", "resume", "stop"):
        getattr(scene.ann.holder, change)(scene.grant)
    again = replayed(scene, Resume.typ)
    release = Release.opened(read_envelope(text, Release.typ))
    later = release.model_copy(update={"iat": release.iat + 1})
    log_it(scene, later.signed(scene.world.place.vault_key))
    forget_places(scene)
    index = again["index"]
    assert isinstance(index, int)
    return again, index


def test_an_old_resume_does_not_undo_a_stop(scene: Scene) -> None:
    again, index = stopped_and_resumed(scene)
    found = [("strange", index + n) for n in (-1, 0, 1)]  # the stop: the resume before it is away
    assert shown_at(scene, again) == found


def test_without_the_count_of_changes_an_old_resume_undoes_a_stop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncounted(self: Signers, envelope: Envelope) -> str:
        self._states[Revoke.opened(envelope).grant] = envelope.typ
        return envelope.kid

    again, _ = stopped_and_resumed(scene)
    monkeypatch.setattr(Signers, "_status", uncounted)
    assert shown_at(scene, again) == []


def test_an_old_resume_does_not_undo_a_second_pause(scene: Scene) -> None:
    for change in ("pause", "resume", "pause"):
        getattr(scene.ann.holder, change)(scene.grant)
    again = replayed(scene, Resume.typ)
    forget_places(scene)
    pauses = [one.index for one in scene.look().entries if one.typ == Pause.typ]
    assert shown_at(scene, again) == [("strange", pauses[1]), ("strange", again["index"])]


def test_nothing_is_done_under_a_grant_that_was_replaced(scene: Scene) -> None:
    holder = scene.ann.holder
    signers = Signers(
        holder._key.public, lambda org: scene.grant.pk, holder.directory, holder._device.state
    )
    key = consent_key(scene.ann.root, CITY)
    new = scene.grant.model_copy(update={"grant": bytes(16), "replaces": scene.grant.grant})
    token = next(one.text for one in scene.look().entries if one.typ == Token.typ)
    resume = Resume(iat=1, grant=scene.grant.grant, n=1).signed(key)
    for text in (scene.grant.signed(key), token, new.signed(key)):
        signers.read(text)
    for text in (token, resume, scene.grant.signed(key), new.signed(key)):
        with pytest.raises(BadShape, match="before"):
            signers.read(text)


def test_an_act_at_another_place_than_was_proved_is_named(scene: Scene) -> None:
    scene.ann.holder.unlink(scene.ann.links[WEST])
    first = scene.index_of("cv1-unlink")
    scene.ann.holder.pause(scene.grant)  # with it the state keeps where the unlink stands
    again = replayed(scene, "cv1-unlink")
    assert shown_at(scene, again) == [("withheld", first), ("strange", again["index"])]
    forget_places(scene)  # the control: what has no known place is anywhere at home
    assert shown_at(scene, again) == []


# One history


def test_a_log_of_another_history_is_an_alarm_with_both_notes(scene: Scene) -> None:
    scene.look()
    before = scene.ann.holder.memory.look
    with World() as other:
        for n in range(scene.look().size + 5):
            other.person(f"other {n}")
        fork = other.client.get("/log/checkpoint").text
    assert open_head(fork, scene.log).size > open_head(before.checkpoint, scene.log).size
    scene.ann.holder._look = replace(before, checkpoint=fork)
    found = scene.look()
    assert [one.kind for one in found.alarms] == ["history"]
    assert fork in found.notes
    assert len(found.notes) == 2
    assert scene.ann.holder.memory.look.checkpoint == fork  # what was seen stays
    scene.ann.holder._look = replace(before, checkpoint="")
    assert scene.kinds() == []  # without the memory of a device there is nothing to compare


def test_two_trees_of_one_size_are_an_alarm(scene: Scene) -> None:
    scene.look()
    note = scene.ann.holder.memory.look.checkpoint
    head = open_head(note, scene.log)
    other = replace(head, root=bytes(32))
    with pytest.raises(BadProof):
        check_one_history((head, other), scene.world.wire())
    assert check_one_history((head, head), scene.world.wire()) == head


def test_a_log_that_went_back_is_an_alarm(tmp_path: Path) -> None:
    with World() as world:
        scene = Scene(world)
        wire = between(scene.ann.holder)
        bodies: list[Body] = []
        wire.answers[PATH] = lambda body: bodies.append(body) or body  # type: ignore[func-returns-value]
        scene.look()
        scene.ann.holder.unlink(scene.ann.links[WEST])
        assert scene.kinds() == []
        size = open_head(scene.ann.holder.memory.look.checkpoint, scene.log).size
        wire.answers[PATH] = lambda body: bodies[0]
        wire.beyond = size - 1  # the tiles, too, are those of the smaller log
        found = scene.look()
        assert {one.kind for one in found.alarms} == {"withheld", "history"}


def test_every_later_look_extends_the_one_before(scene: Scene) -> None:
    sizes = []
    for n in range(3):
        scene.world.person(f"somebody {n}")
        scene.ann.holder.pause(scene.grant)
        scene.ann.holder.resume(scene.grant)
        found = scene.look()
        assert found.alarms == ()
        sizes.append(found.size)
    assert sizes == sorted(set(sizes))


# Pages, files, words


def test_the_list_comes_in_pages(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = scene.world.wire(scene.ann.holder._key)
    whole = fetch_listed(wire)
    monkeypatch.setattr("consent.log.http.OWN_PAGE", 3)
    paged = fetch_listed(wire)
    assert [one.index for one in paged] == [one.index for one in whole]
    assert scene.kinds() == []


def test_a_page_that_does_not_go_forward_is_refused(scene: Scene) -> None:
    wire = between(scene.ann.holder)
    wire.answers[PATH] = lambda body: body | {"next": 0}
    with pytest.raises(BadShape):
        scene.look()


class Endless(Between):
    """A vault whose pages are empty, and always have a next one."""

    def send(self, method: str, path: str, *rest: object, **more: object) -> Answer:
        first = int(path.partition("first=")[2])
        if first > 3:
            raise Unreachable("it would go on for ever")
        return Answer({"entries": [], "next": first + 1}, "")


def test_an_empty_page_ends_the_list(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Endless(scene.world.wire())
    with pytest.raises(BadShape, match="without entries"):
        fetch_listed(wire)
    monkeypatch.setattr("consent.lists._count", lambda body: 0)  # the control
    with pytest.raises(Unreachable):
        fetch_listed(wire)


def test_a_list_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = scene.world.wire(scene.ann.holder._key)
    count = len(fetch_listed(wire))
    monkeypatch.setattr("consent.lists.MOST", count)
    assert len(fetch_listed(wire)) == count
    monkeypatch.setattr("consent.lists.MOST", count - 1)
    for fetch in (fetch_listed, fetch_whole):
        with pytest.raises(BadShape, match="lists more than"):
            fetch(wire)


def test_each_entry_has_a_proof_of_its_own(scene: Scene) -> None:
    for entry in fetch_listed(scene.world.wire(scene.ann.holder._key)):
        assert read_proof(entry.proof).index == entry.index


def test_what_was_seen_is_kept_from_run_to_run(scene: Scene, tmp_path: Path) -> None:
    scene.look()
    memory, path = scene.ann.holder.memory, tmp_path / "log-seen.json"
    assert read_seen(path) == ({}, Look())
    write_seen(path, memory.made, memory.look)
    assert path.stat().st_mode & 0o077 == 0
    made, look = read_seen(path)
    assert (made, look) == (memory.made, memory.look)
    again = scene.world.holder(scene.ann.root)
    again = Holder(
        scene.ann.root,
        again._wire,
        scene.world.policy,
        scene.world.now,
        scene.world.random,
        Memory(None, 0, made, look),
    )
    found = again.watch()
    assert (found.alarms, found.fresh) == ((), frozenset())
    assert {one.made for one in found.entries if one.typ in ACTS} == {"here"}
    path.write_text("{}")
    with pytest.raises(BadPlace):
        read_seen(path)


def test_every_type_and_kind_has_its_words() -> None:
    shown = {*ACTS, "cv1-account", "cv1-close", "cv1-absent", "cv1-release", "cv1-refusal"}
    assert set(WHAT) == shown
    for words in (*WHAT.values(), *WHO.values(), *ALARMS.values()):
        assert set(words) == {"en", "zh-CN"}


def test_a_person_reads_uses_checks_and_alarms(scene: Scene) -> None:
    bind_and_grant(scene, scene.thief())
    found = scene.look()
    for locale, words in (("en", "NO DEVICE OF YOURS"), ("zh-CN", "不是您的设备")):
        lines = list(tell_lines(found, locale, 0, Path("me")))  # type: ignore[arg-type]
        assert sum(words in line for line in lines) >= 2
        assert sum(f"{CITY} {JAN}" in line for line in lines) == 1
        assert len([line for line in lines if line.startswith("! ")]) == 2


def test_the_lists_are_compared_only_where_the_auditor_has_seen(scene: Scene) -> None:
    found = scene.look()
    head = open_head(scene.ann.holder.memory.look.checkpoint, scene.log)
    ours = {one.index: one.name for one in found.entries}
    last = max(ours)
    behind = Theirs(replace(head, size=last), {i: n for i, n in ours.items() if i < last})
    assert unlike(behind, ours) == []
    assert unlike(Theirs(head, ours), ours) == []
    less = {i: n for i, n in ours.items() if i != last}
    assert [one.index for one in unlike(Theirs(head, less), ours)] == [last]
    assert [one.index for one in unlike(Theirs(head, ours), less)] == [last]
    assert [one.index for one in unlike(Theirs(head, ours | {last: "00" * 32}), ours)] == [last]


def test_a_person_reads_how_far_the_auditor_has_seen(scene: Scene) -> None:
    found = scene.look()
    last = max(one.index for one in found.entries)
    assert found.uncompared == tuple(one.index for one in found.entries)  # nobody was asked
    part = replace(found, compared="a.test", compared_to=last, cosigned_at=1_767_225_600)

    def told(watched: Watched, locale: Locale) -> str:
        return "\n".join(tell_lines(watched, locale, 1, Path("me")))

    english = told(part, "en")
    assert f"list of a.test, up to entry {last} of {found.size}; tree cosigned at" in english
    assert "cosigned at 2026-01-01 00:00 UTC." in english
    assert f"Later entries are not compared. Yours: {last}." in english
    chinese = told(part, "zh-CN")
    assert f"已与 a.test 的清单核对，至前 {last} 条，共 {found.size} 条" in chinese
    assert f"其后的记录未核对。其中您的记录：{last}。" in chinese
    members = commands.plain(part)
    assert (members["compared_to"], members["uncompared"]) == (last, [last])
    assert members["cosigned_at"] == 1_767_225_600
    whole = told(replace(part, compared_to=found.size, cosigned_at=None), "en")
    assert "not cosigned by a quorum" in whole
    assert "Later entries" not in whole
    assert "cosigned at 253402300800 UTC" in told(replace(part, cosigned_at=253402300800), "en")


# The command


def run_activity(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, folder: Path, *, as_json: bool
) -> int:
    @contextmanager
    def opened(_: Path) -> Iterator[Holder]:
        yield scene.ann.holder

    monkeypatch.setattr(commands, "opened", opened)
    try:
        commands.activity(folder, "", as_json)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def test_the_command_ends_with_1_on_an_alarm(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert run_activity(scene, monkeypatch, tmp_path, as_json=False) == 0
    told = capsys.readouterr().out
    for words in ("FIGURE GIVEN OUT", "Not compared with an auditor", "no witness", "Nothing is"):
        assert words in told
    bind_and_grant(scene, scene.thief())
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert run_activity(scene, monkeypatch, tmp_path, as_json=False) == 1
    told = capsys.readouterr().out
    for words in ("数字已发出", "未与审计方核对", "不是您的设备"):
        assert words in told
    assert run_activity(scene, monkeypatch, tmp_path, as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert [alarm["kind"] for alarm in found["alarms"]] == ["foreign", "foreign"]
    assert (found["compared"], found["notes"]) == ("not compared", [])
    assert not (tmp_path / commands.EVIDENCE).exists()


def tree_of_two(scene: Scene, n: int) -> str:
    """A checkpoint of two entries as the log would sign it, with the n-th root."""
    return sign_checkpoint(
        Checkpoint(scene.log.name, 2, bytes([n]) * 32), scene.world.place.log_key
    )


def test_the_command_keeps_the_evidence_of_two_histories(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene.look()
    with World() as other:
        for n in range(30):
            other.person(f"other {n}")
        fork = other.client.get("/log/checkpoint").text
    scene.ann.holder._look = replace(scene.ann.holder._look, checkpoint=fork)
    assert run_activity(scene, monkeypatch, tmp_path, as_json=False) == 1
    evidence = read_evidence((tmp_path / commands.EVIDENCE).read_bytes())
    assert isinstance(evidence, Fork | Challenge)
    assert fork in (evidence.first, evidence.second)
    judge_evidence(evidence, scene.log)
    # Two trees of one size prove it alone; what proves nothing is kept as it is.
    logs = {scene.log.name: scene.log}
    same = [tree_of_two(scene, n) for n in (1, 2)]
    assert isinstance(read_evidence(commands.evidence_of(same, logs)), Fork)
    assert json.loads(commands.evidence_of([fork], logs)) == {"notes": [fork]}
    assert str(tmp_path / commands.EVIDENCE) in capsys.readouterr().out


def test_a_reject_is_recorded_and_a_thiefs_is_named(scene: Scene) -> None:
    closes = [one.text for one in scene.look().entries if one.typ == Close.typ]
    by_link = {Close.opened(read_envelope(text, Close.typ)).link: text for text in closes}
    east, west = (by_link[scene.ann.links[name]] for name in (EAST, WEST))
    with pytest.MonkeyPatch.context() as patch:  # both closes do open: let them be rejected
        patch.setattr("consent.holder.check_unreadable", lambda key, close: None)
        scene.ann.holder.reject(scene.ann.links[EAST], east)
        assert scene.kinds() == []
        scene.thief().reject(scene.ann.links[WEST], west)
    assert [one.detail for one in scene.look().alarms] == ["cv1-reject"]
