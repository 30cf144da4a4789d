"""Ten ways to cheat or to fail: each ends in its refusal, and leaves a file that others can judge.

Each case is played against the code that meets it; the file it leaves is carried to another folder
and judged there by another process, from its bytes and the log's key alone.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from consent.app import make_app, open_database
from consent.commands import activity as activity_commands
from consent.commands import platform as platform_commands
from consent.commands.activity import activity
from consent.commands.evidence import evidence
from consent.commands.refused import keeping
from consent.commands.watch import Lookout
from consent.demo.cast import CITY
from consent.known import FILE, Known
from consent.log.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from consent.log.note import Note, VerifierKey, read_note, read_vkey
from consent.log.proof import read_proof
from consent.log.rounds import Rounds
from consent.log.sequencer import Sequencer
from consent.log.submission import Answer
from consent.place import Place, Settings, make_place, open_place
from consent.policy import DAY
from consent.terminal import new_app, spoken
from consent.witness.place import FileStore
from tests.small_log import SmallLog, witness_of
from tests.strikes import environment
from tests.struck import ROOT
from tests.test_evidence import run_app
from tests.test_policy import Story, Watch, WatchedWorld
from tests.test_watch import NOW as LOOK
from tests.test_watch import Scene
from tests.test_watch_command import Hook, lines_of, lookout
from tests.test_witness import ask, shelves
from tests.witnesses import NAMES, Net, conflict, request
from tests.world import EAST, JAN
from vault import journal
from vault.crypto.keys import SigningKey
from vault.encoding import Json, text_hash
from vault.errors import BadDatabase, LogUnavailable, VaultError
from vault.operator import Operator

NOW = 1_767_225_600
W1, W2, W3 = NAMES
Members = dict[str, Json]
EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


AUDIT = new_app("")
AUDIT.command("evidence")(evidence)
AUDIT.command("other")(lambda: None)


@dataclass
class Desk:
    """What a case may use."""

    path: Path
    patch: pytest.MonkeyPatch
    stack: ExitStack

    def vault(self) -> Vault:
        """A vault that ran honestly, and left nothing."""
        found = Vault(self.path / "vault")
        found.grow("one", "two")
        none_in(found.folder)
        return found

    def scene(self) -> tuple[Scene, Lookout]:
        """A log that is watched; it left nothing."""
        scene = Scene()
        post = lookout(scene, self.path, Hook())
        post.look(LOOK)
        none_in(self.path)
        return scene, post


@dataclass
class Played:
    """The file that a case left, the log's key, and how somebody could doctor the file."""

    file: Path
    log: VerifierKey
    doctored: Members


def judged(file: Path, log: VerifierKey | None, folder: Path) -> tuple[int, Members]:
    """What another process, in another folder, makes of a file's bytes; its exit code."""
    folder.mkdir(exist_ok=True)
    shutil.copy(file, folder / "shown.json")
    pinned = ["--log", str(log)] if log else []
    words = ["audit", "evidence", str(folder / "shown.json"), *pinned, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "consent.cli", *words],
        cwd=ROOT,
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def judged_here(file: Path, log: VerifierKey | None) -> tuple[int, Members]:
    """The same in this process, for what need not be shown twice."""
    said = run_app(AUDIT, "evidence", file, *(["--log", log] if log else []), "--json")
    return said.code, json.loads(said.out) if said.out else {"error": said.err}


def only(folder: Path, pattern: str = "*.json") -> Path:
    (found,) = folder.glob(pattern)
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    return found


def members_of(file: Path) -> Members:
    return cast("Members", json.loads(file.read_bytes()))


def none_in(folder: Path) -> None:
    assert not list(folder.glob("evidence/*"))


def moved(note: str, size: int) -> str:
    """A note that says another size under the same signatures."""
    found = read_note(note)
    head = read_checkpoint(found.text)
    return str(Note(str(Checkpoint(head.origin, size, head.root)), found.signatures))


# A vault over its folder, with three witnesses


class Vault:
    """A started vault, and a wall clock that stands until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wall = folder, NOW
        self.net = Net(lambda: self.wall)
        settings = Settings("vault.example", "https://vault.example", SigningKey(bytes(32)).public)
        make_place(folder, settings, os.urandom)
        self.place: Place = replace(open_place(folder), witnesses=self.net.policy(2))
        self.log_key = VerifierKey("vault.example/log", 1, self.place.log_key.public)

    @contextmanager
    def running(self) -> Iterator[Callable[[str], None]]:
        """Start; give what logs a text and waits until a quorum cosigned it."""
        database = open_database(self.place)
        known = Known(self.place.database.with_name(FILE))
        try:
            app = make_app(
                self.place, database, lambda: NOW, lambda: self.wall, known, send=self.net
            )
            log: Sequencer = app.state.log
            rounds: Rounds = app.state.rounds
            vault = Operator(
                "vault.example",
                self.place.vault_key,
                bytes(32),
                str(log.vkey),
                lambda: NOW,
                os.urandom,
            )

            def release(text: str) -> None:
                database.write(lambda tx: journal.append(tx, vault, text))
                log.sequence()
                rounds.cover(text_hash(text))

            try:
                yield release
            finally:
                settle()
                rounds.close()
        finally:
            database.close()

    def grow(self, *texts: str) -> None:
        """Start, log these texts, stop: an honest run."""
        with self.running() as release:
            for text in texts:
                release(text)

    def back(self) -> None:
        """Make a backup, go on, and put the backup in the place of the database."""
        old = self.place.database.with_suffix(".backup")
        shutil.copy(self.place.database, old)
        self.grow("three", "four")
        shutil.copy(old, self.place.database)


def settle() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("witness w"):
            thread.join(10)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    found = Vault(tmp_path / "vault")
    found.grow("one", "two")
    none_in(found.folder)  # an honest run leaves nothing
    return found


def left(vault: Vault, rule: str, **doctored: Json) -> Played:
    """The file of the newest checkpoint: there may be one of the start and one of a release."""
    files = (vault.folder / "evidence").glob(f"refusal-{rule}-*.json")
    file = max(files, key=lambda one: str(members_of(one).get("note")).split("\n")[1])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return Played(file, vault.log_key, {**members_of(file), **doctored})


def held(vault: Vault, text: str) -> None:
    """A release that waits for its quorum in vain."""
    with vault.running() as release, pytest.raises(LogUnavailable, match="the quorum"):
        release(text)


def restored_old_backup(desk: Desk) -> Played:
    vault = desk.vault()
    vault.back()
    with pytest.raises(BadDatabase, match="old backup"), vault.running():
        pass
    played = left(vault, "ahead")
    played.doctored["known"] = moved(str(played.doctored["known"]), 40)
    return played


def witness_ahead(desk: Desk) -> Played:
    vault = desk.vault()
    vault.back()
    vault.place.database.with_name(FILE).unlink()
    vault.net.down |= {W1, W3}
    with pytest.raises(BadDatabase, match=r"w2\.example knows 4 entries"), vault.running():
        pass
    played = left(vault, "ahead")
    played.doctored["witnesses"] = [str(vault.net.witnesses[W1].vkey)]
    return played


def test_witness_ahead_that_does_not_show_its_checkpoint(vault: Vault, tmp_path: Path) -> None:
    vault.net.lies[W1] = lambda _: conflict(77)
    vault.net.shows[W1] = "nothing\n"
    vault.net.down |= {W2, W3}
    with pytest.raises(BadDatabase, match="77"), vault.running():
        pass
    played = left(vault, "ahead", note="vault.example/log\n")
    said = check(played, tmp_path, "ahead", None)
    assert "is the word of vault.example/log" in str(said["says"])


def test_witness_of_another_history_leaves_the_fork(vault: Vault, tmp_path: Path) -> None:
    other = Vault(tmp_path / "other")
    other.place = replace(other.place, log_key=vault.place.log_key)
    other.net = vault.net
    for witness in vault.net.witnesses.values():
        witness.size, witness.root = 0, EMPTY
    other.grow("another one")
    vault.net.down |= {W1, W3}
    with pytest.raises(BadDatabase, match="another history"), vault.running():
        pass
    file = only(vault.folder / "evidence")
    found = members_of(file)
    played = Played(file, vault.log_key, {**found, "prefix": found["prefix"], "first": ""})
    assert check(played, tmp_path, None, None)["kind"] == "fork"


def witness_down(desk: Desk) -> Played:
    vault = desk.vault()
    vault.net.down |= {W1, W2}
    with vault.running() as release:
        for late in (0, 30, 60, 200):  # one file, written again
            vault.wall = NOW + 1000 + late
            with pytest.raises(LogUnavailable, match="the quorum"):
                release(f"text {late}")
    files = sorted((vault.folder / "evidence").glob("refusal-down-*.json"))
    assert len(files) == 2
    found = members_of(files[0])
    assert [min(cast("list[int]", found["tries"])), found["at"]] == [NOW, NOW + 1200]
    doctored = {**found, "known": moved(str(found["known"]), 9)}
    return Played(files[0], vault.log_key, doctored)


def test_silence_that_ends_begins_another_file(vault: Vault) -> None:
    vault.net.down |= {W1, W2}
    held(vault, "three")
    vault.net.down.clear()
    vault.grow("four")
    assert len(list((vault.folder / "evidence").iterdir())) == 2
    vault.net.down |= {W1, W2}
    held(vault, "five")
    assert len(list((vault.folder / "evidence").iterdir())) == 4


def replayed_cosignature(desk: Desk) -> Played:
    vault = desk.vault()
    old = vault.net.witnesses[W1].note
    line = str(read_note(old).signatures[-1]).encode()
    vault.net.lies[W1] = lambda _: Answer(200, "text/plain", line)
    vault.net.down |= {W3}
    held(vault, "three")
    played = left(vault, "replayed")
    played.doctored["known"] = moved(old, 5)
    return played


def test_forged_cosignature_of_a_witness(vault: Vault, tmp_path: Path) -> None:
    def forge(body: bytes) -> Answer:
        line = vault.net.witnesses[W1].line(request(body)[2])
        last = read_note(body.decode().partition("\n\n")[2] + line.decode()).signatures[-1]
        return Answer(200, "text/plain", str(replace(last, value=bytes(72))).encode())

    vault.net.lies[W1] = forge
    vault.net.down |= {W3}
    held(vault, "three")
    played = left(vault, "forged")
    honest = read_note(str(played.doctored["note"]))
    true = vault.net.witnesses[W1].line(read_checkpoint(honest.text)).decode()
    played.doctored["note"] = str(Note(honest.text, honest.signatures[:1])) + true
    check(played, tmp_path, "forged", None)


def test_old_cosignature_of_a_witness(vault: Vault, tmp_path: Path) -> None:
    late = NOW - 1000
    vault.net.lies[W1] = lambda body: Answer(
        200, "text/plain", vault.net.witnesses[W1].line(request(body)[2], late)
    )
    vault.net.down |= {W3}
    held(vault, "three")
    played = left(vault, "stale", at=late + 10)
    said = check(played, tmp_path, "stale", None)
    assert "An honest checkpoint, kept until it is old, looks the same." in str(said["says"])


def test_disk_that_refuses_stops_nothing(vault: Vault) -> None:
    (vault.folder / "evidence").write_text("no folder", encoding="utf-8")
    vault.net.down |= {W1, W2}
    held(vault, "three")
    vault.net.down.clear()
    vault.grow("four")


# A platform and a holder, whose vault shows what its witnesses did not sign


@dataclass
class Crooked(Watch):
    """A vault's answers with another checkpoint in each proof file."""

    bend: Callable[[str], str] = str

    def over(self, found: Json) -> Json:
        over = super().over(found)
        if not isinstance(over, str) or not over.startswith("c2sp.org/tlog-proof"):
            return over
        parts = read_proof(over)
        return str(replace(parts, checkpoint=self.bend(parts.checkpoint)))


@contextmanager
def crooked(patch: pytest.MonkeyPatch) -> Iterator[Story]:
    with WatchedWorld(patch) as world:
        world.watch = Crooked()
        ann = world.person("ann", EAST)
        grant = world.allow(ann, CITY)
        world.ride(ann, EAST, 5_000)
        world.close_month(JAN)
        yield Story(world, ann, grant, world.platform(CITY))


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    with crooked(monkeypatch) as found:
        yield found


def total(story: Story, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """What `carbonvault platform total` answers, and what it says on the standard error."""
    monkeypatch.setattr(platform_commands, "opened", lambda *_: story.city)
    said = run_app(platform_commands.platform_app, "total", folder, story.grant.grant.hex(), JAN)
    return said.code, said.err


def bend(story: Story, how: Callable[[str], str]) -> None:
    cast("Crooked", story.world.watch).bend = how


def forge_line(note: str) -> str:
    found = read_note(note)
    last = found.signatures[-1]
    return str(Note(found.text, (*found.signatures[:-1], replace(last, value=bytes(72)))))


def other_origin(note: str) -> str:
    head = read_checkpoint(read_note(note).text)
    other = Checkpoint("other.example/log", head.size, head.root)
    return sign_checkpoint(other, SigningKey(b"\x99" * 32))


def refused_total(desk: Desk, rule: str) -> Played:
    story = desk.stack.enter_context(crooked(desk.patch))
    assert total(story, desk.path, desk.patch)[0] == 0
    none_in(desk.path)
    if rule == "stale":
        story.world.watch.ago = DAY + 1
    else:
        bend(story, forge_line if rule == "forged" else other_origin)
    code, err = total(story, desk.path, desk.patch)
    assert (code, ("stale-log" if rule == "stale" else "bad-proof") in err) == (1, True)
    file = only(desk.path / "evidence", f"refusal-{rule}-*.json")
    assert str(file) in err
    story.world.watch.ago = 0
    bend(story, str)
    honest = read_proof(str(story.total().proof)).checkpoint
    return Played(file, read_vkey(story.world.log_vkey), {**members_of(file), "note": honest})


def test_holder_keeps_what_its_activity_refuses(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def opened(_: Path) -> Iterator[object]:
        yield story.ann.holder

    monkeypatch.setattr(activity_commands, "opened", opened)
    app = new_app("")
    app.command()(spoken(activity))
    assert run_app(app, tmp_path).code == 0
    none_in(tmp_path)
    bend(story, forge_line)
    assert run_app(app, tmp_path).code == 1  # the directory already
    assert run_app(app, tmp_path, "--evidence", tmp_path / "mine").code == 1
    story.ann.holder.refresh = lambda: None  # type: ignore[method-assign]
    said = run_app(app, tmp_path, "--evidence", tmp_path / "entries", "--json")
    assert (said.code, {one["kind"] for one in json.loads(said.out)["alarms"]}) == (1, KINDS)
    for folder in ("evidence", "mine", "entries"):
        file = next((tmp_path / folder).glob("refusal-forged-*.json"))
        code, found = judged_here(file, read_vkey(story.world.log_vkey))
        assert (code, found["by"]) == (0, "holder")


KINDS = {"unproved", "withheld"}


# A watch


def split_view(desk: Desk) -> Played:
    (scene, post), tmp_path = desk.scene(), desk.path
    scene.hold("w2.example", scene.log.branch(2).grow(10), size=12)
    post.look(LOOK + 1)
    assert [line["kind"] for line in lines_of(tmp_path / "alerts.jsonl")] == ["forked"]
    file = only(tmp_path / "evidence")
    doctored = {**members_of(file), "first": scene.log.note(12), "second": scene.log.note(12)}
    return Played(file, scene.log.vkey, doctored)


def truncated_log(desk: Desk) -> Played:
    (scene, post), tmp_path = desk.scene(), desk.path
    scene.show(SmallLog(scene.log.origin, 9))
    look, _ = post.look(LOOK + 1)
    assert {alarm.kind for alarm in look.alarms} == {"shrunk"}
    file = only(tmp_path / "evidence", "refusal-ahead-*.json")
    doctored = {**members_of(file), "known": moved(scene.log.note(12), 30)}
    return Played(file, scene.log.vkey, doctored)


def test_watch_keeps_replayed_and_stale_cosignatures(tmp_path: Path) -> None:
    scene = Scene()
    post = lookout(scene, tmp_path, Hook())
    post.look(LOOK)
    shown = "https://vault.example/log/checkpoint"
    before = str(scene.web.notes[shown])
    line = str(read_note(before).signatures[1])
    scene.log.grow(3)
    scene.web.notes[shown] = scene.log.note() + line
    post.look(LOOK + 1)
    check_file(only(tmp_path / "evidence", "refusal-replayed-*.json"), scene.log.vkey, tmp_path)
    scene.show(scene.log)
    post.look(LOOK + 2 * 86_400)
    for file in (tmp_path / "evidence").glob("refusal-stale-*.json"):
        check_file(file, scene.log.vkey, tmp_path)


def check_file(file: Path, log: VerifierKey, tmp_path: Path) -> None:
    code, said = judged_here(file, log)
    assert (code, said["against"], said["by"]) == (0, None, "audit watch")


# A witness


def two_logs_with_one_key(desk: Desk) -> Played:
    log = SmallLog("vault.example/log", 5)
    twin = SmallLog("other.example/log", 7, log.key)
    witness = witness_of(log, store=FileStore(shelves(desk.path)))
    assert ask(witness, log.request(0)).status == 200
    none_in(desk.path)
    assert ask(witness, twin.request(0)).status == 404
    assert ask(witness, twin.request(0)).status == 404
    file = only(desk.path / "evidence")
    stranger = SmallLog("other.example/log", 7)
    doctored = {**members_of(file), "note": stranger.note()}
    return Played(file, log.vkey, doctored)


def test_two_notes_of_one_key_accuse_it_before_those_who_know_it_alone(tmp_path: Path) -> None:
    log = SmallLog("vault.example/log", 5)
    witness = witness_of(log, store=FileStore(shelves(tmp_path)))
    witness.add_checkpoint(log.request(0))
    ask(witness, SmallLog("other.example/log", 7, log.key).request(0))
    file = only(tmp_path / "evidence")
    assert judged_here(file, None)[1]["against"] is None  # whose key it is the file does not show
    assert judged_here(file, log.vkey)[1]["against"] == "log"
    alone = {name: value for name, value in members_of(file).items() if name != "known"}
    file.write_text(json.dumps(alone), encoding="utf-8")
    assert judged_here(file, None)[1]["against"] is None
    assert judged_here(file, log.vkey)[1]["against"] == "log"


def test_what_no_known_key_signed_does_not_fill_a_witnesss_disk(tmp_path: Path) -> None:
    log = SmallLog("vault.example/log", 5)
    witness = witness_of(log, store=FileStore(shelves(tmp_path)))
    for number in range(5):
        assert ask(witness, SmallLog(f"{number}.example", 3).request(0)).status == 404
    forged = SmallLog("vault.example/log", 5, SigningKey(bytes(32)))
    assert ask(witness, forged.request(0)).status == 403
    none_in(tmp_path)


def test_key_of_one_known_log_under_the_name_of_another(tmp_path: Path) -> None:
    one, two = SmallLog("one.example", 3), SmallLog("two.example", 3)
    witness = witness_of(one, two, store=FileStore(shelves(tmp_path)))
    false = SmallLog("two.example", 3, one.key)
    assert ask(witness, false.request(0)).status == 403
    file = only(tmp_path / "evidence")
    code, said = judged_here(file, one.vkey)
    assert (code, said["against"]) == (0, "log")


def check(played: Played, tmp_path: Path, rule: str | None, against: str | None) -> Members:
    """Judge a case's file elsewhere, then its doctored twin, which must not pass for the same."""
    code, said = judged(played.file, played.log, tmp_path / "elsewhere")
    assert code == 0, said
    assert (said.get("rule"), said.get("against"), said["pinned"]) == (rule, against, True)
    twin = tmp_path / "doctored.json"
    twin.write_text(json.dumps(played.doctored), encoding="utf-8")
    code, other = judged_here(twin, played.log)
    assert code == 1 or (against and other["against"] is None), other
    code, _ = judged_here(played.file, SmallLog("other.example/log").vkey)
    assert code == 1  # it is against no other log
    return said


def test_error_without_evidence_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(VaultError), keeping(tmp_path / "evidence", "platform"):
        raise VaultError("something else")
    none_in(tmp_path)


@dataclass(frozen=True)
class Case:
    """A case, the rule of its file (None: a fork), whom that accuses, and the sizes in it."""

    play: Callable[[Desk], Played]
    rule: str | None
    against: str | None = None
    sizes: tuple[int, ...] | None = None


CASES = {
    "split view": Case(split_view, None, sizes=(12, 12)),
    "truncated log": Case(truncated_log, "ahead", sizes=(12, 9)),
    "restored old backup": Case(restored_old_backup, "ahead", sizes=(4, 2)),
    "witness down": Case(witness_down, "down"),
    "witness ahead": Case(witness_ahead, "ahead", sizes=(4, 2)),
    "wrong origin": Case(lambda desk: refused_total(desk, "origin"), "origin"),
    "forged cosignature": Case(lambda desk: refused_total(desk, "forged"), "forged"),
    "stale cosignature": Case(lambda desk: refused_total(desk, "stale"), "stale"),
    "replayed cosignature": Case(replayed_cosignature, "replayed", sizes=(2, 3)),
    "two logs with one key": Case(two_logs_with_one_key, "origin", "log", (5, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_case_ends_in_its_refusal_and_leaves_evidence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    with ExitStack() as stack:
        played = case.play(Desk(tmp_path, monkeypatch, stack))
        said = check(played, tmp_path, case.rule, case.against)
    assert said["kind"] == ("refusal" if case.rule else "fork")
    if case.sizes:
        assert said["sizes"] == [*case.sizes]
