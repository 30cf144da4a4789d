"""A log, its witnesses and a hostile web, all in memory, and what the watch finds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import evidence
from consent.copies import KEPT, LOG, Alarm
from consent.evidence import Fork, Rollback, judge_evidence, settle
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import LatticeKey, cosign, witness_key
from consent.log.tiles import Tile, read_path
from consent.log.tlog_policy import LogPolicy, read_policy
from consent.watch import Look, Standing, Watch, log_of
from tests.small_log import WITNESS, WITNESS_KEY, SmallLog, witness_of
from tests.test_evidence import tiles_of
from vault.crypto.keys import SigningKey
from vault.errors import BadPlace, Unreachable

NOW, DAY = 1_767_225_600, 86_400
URL, ORIGIN = "https://vault.example", "vault.example/log"
NAMES = ("w1.example", "w2.example", "w3.example")
KEYS = {name: SigningKey(bytes([n + 1]) * 32) for n, name in enumerate(NAMES)}
VKEYS = {name: witness_key(name, key) for name, key in KEYS.items()}
LOGS_PATH = f"logs/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"


def policy_text(log: SmallLog, quorum: str = "group G 2 w1.example w2.example w3.example") -> str:
    lines = [f"log {log.vkey} {URL}/log"]
    lines += [f"witness {name} {VKEYS[name]} https://{name}/" for name in NAMES]
    return "\n".join([*lines, quorum, f"quorum {quorum.split()[1]}", ""])


def cosigned(log: SmallLog, *names: str, size: int | None = None, time: int = NOW) -> str:
    head = log.checkpoint(size)
    return log.note(size) + "".join(str(cosign(head, n, KEYS[n], time)) for n in names)


@dataclass
class Web:
    """What is served: notes by URL, and tiles of one history; what was asked for."""

    notes: dict[str, str | bytes] = field(default_factory=dict)
    tiles: dict[str, SmallLog] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str, limit: int) -> bytes:
        self.asked.append(url)
        if url in self.notes:
            found = self.notes[url]
            raw = found.encode() if isinstance(found, str) else found
            if len(raw) > limit:
                raise Unreachable(f"{url} sends more than {limit} bytes")
            return raw
        prefix, slash, path = url.partition("/tile/")
        if not slash or prefix not in self.tiles:
            raise Unreachable(f"{url} answers 404")
        return self._tile(self.tiles[prefix], read_path("tile/" + path))

    def _tile(self, log: SmallLog, tile: Tile) -> bytes:
        raw = tiles_of(log)(tile.level, tile.n)[: tile.width * 32]
        if len(raw) != tile.width * 32:
            raise Unreachable(f"{tile} answers 404")
        return raw


class Scene:
    """A log of 12 entries, three witnesses that cosigned it, and a watch; all in order."""

    def __init__(self, size: int = 12) -> None:
        self.log = SmallLog(ORIGIN, size)
        self.web = Web()
        self.policy = read_policy(policy_text(self.log).encode())
        self.watch = Watch(self.policy, self.log.vkey, f"{URL}/log", self.web.fetch, DAY)
        self.show(self.log)
        for name in NAMES:
            self.hold(name, self.log)

    def show(self, log: SmallLog, size: int | None = None, time: int = NOW) -> None:
        self.web.notes[f"{URL}/log/checkpoint"] = cosigned(log, *NAMES, size=size, time=time)
        self.web.tiles[f"{URL}/log"] = log

    def hold(self, name: str, log: SmallLog, size: int | None = None, time: int = NOW) -> None:
        self.web.notes[f"https://{name}/{LOGS_PATH}"] = cosigned(log, name, size=size, time=time)

    def look(self, kept: str | None = None, at: int = NOW) -> Look:
        return self.watch.look(at, kept)

    def kinds(self, kept: str | None = None, at: int = NOW) -> list[tuple[str, str]]:
        return [(alarm.kind, alarm.who) for alarm in self.look(kept, at).alarms]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def forks(look: Look) -> list[Fork]:
    return [alarm.evidence for alarm in look.alarms if isinstance(alarm.evidence, Fork)]


def test_log_and_witnesses_that_agree_raise_no_alarm(scene: Scene) -> None:
    look = scene.look()
    assert (look.alarms, look.size) == ((), 12)
    assert look.kept == scene.web.notes[f"{URL}/log/checkpoint"]
    assert not [url for url in scene.web.asked if "/tile/" in url]  # one checkpoint needs none


def test_witness_and_memory_that_are_behind_are_joined_by_tiles(scene: Scene) -> None:
    scene.hold("w2.example", scene.log, size=7)
    kept = cosigned(scene.log, "w1.example", size=5, time=NOW - 9)
    look = scene.look(kept)
    assert look.alarms == ()
    assert look.kept == scene.web.notes[f"{URL}/log/checkpoint"]


def test_witness_ahead_of_what_the_log_shows_is_no_alarm_while_its_tiles_go_as_far(
    scene: Scene,
) -> None:
    # A quorum takes a moment: the log shows what it has, and holds what the witness saw.
    scene.show(scene.log, size=9)
    scene.web.notes[f"{URL}/log/checkpoint"] = cosigned(scene.log, *NAMES[1:], size=9, time=NOW)
    scene.hold("w2.example", scene.log, size=9)
    scene.hold("w3.example", scene.log, size=9)
    assert scene.kinds() == []


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(NAMES), st.booleans())
def test_fork_between_log_and_witness_is_found_with_evidence(
    shown: int, held: int, name: str, turned: bool
) -> None:
    honest = SmallLog(ORIGIN, 40)
    false = honest.branch(0).grow(40)
    one, two = (false, honest) if turned else (honest, false)
    scene = Scene()
    scene.show(one, size=shown)
    for each in NAMES:
        scene.hold(each, one, size=shown)
    scene.hold(name, two, size=held)
    look = scene.look()
    if held <= shown:
        (fork,) = forks(look)
        judge_evidence(fork, scene.log.vkey)
        assert (look.alarms[0].kind, look.kept) == ("forked", None)
    else:  # the log does not serve what would show it, and has to answer for that
        assert ("shrunk", LOG) in [(alarm.kind, alarm.who) for alarm in look.alarms]
        found = next(a.evidence for a in look.alarms if a.kind == "shrunk" and a.who == LOG)
        assert isinstance(found, evidence.Challenge)
        proven = settle(found, lambda level, n: tiles_of(two, held)(level, n))
        assert isinstance(proven, Fork)


def test_fork_between_two_witnesses_is_found(scene: Scene) -> None:
    scene.hold("w1.example", scene.log, size=8)
    scene.hold("w3.example", scene.log.branch(3).grow(5), size=8)
    look = scene.look()
    assert {alarm.who for alarm in look.alarms if alarm.kind == "forked"} == {
        "w1.example / w3.example",
        "w3.example / log",
    }
    assert len(forks(look)) == 2


def test_fork_since_the_last_look_is_found_and_the_memory_stays(scene: Scene) -> None:
    false = scene.log.branch(3).grow(20)
    kept = scene.look().kept
    scene.show(false)
    for name in NAMES:
        scene.hold(name, false)
    look = scene.look(kept)
    assert [(alarm.kind, alarm.who) for alarm in look.alarms] == [("forked", f"{KEPT} / log")]
    assert look.kept == kept
    assert scene.kinds() == []  # who never saw the other cannot know


def test_mirror_of_the_honest_history_turns_a_refusal_into_a_fork(scene: Scene) -> None:
    false = scene.log.branch(3).grow(5)
    scene.show(false, size=8)
    for name in NAMES[1:]:
        scene.hold(name, false, size=8)
    assert forks(scene.look()) == []
    scene.web.tiles["https://mirror.example/log"] = scene.log
    watch = replace(scene.watch, mirrors=("https://mirror.example/log",))
    (fork,) = forks(watch.look(NOW))
    assert fork.prefix == scene.log.checkpoint(8).root


def test_log_that_shows_less_than_before_has_shrunk(scene: Scene) -> None:
    kept = scene.look().kept
    scene.show(scene.log, size=9)
    assert ("shrunk", LOG) in scene.kinds(kept)
    assert scene.look(kept).kept == kept


def test_old_backup_of_a_log_is_told_by_a_witness(scene: Scene) -> None:
    backup = SmallLog(ORIGIN, 9)
    scene.show(backup)
    found = [alarm for alarm in scene.look().alarms if alarm.who == LOG]
    assert [(alarm.kind, "12 entries, the log shows 9" in alarm.detail) for alarm in found] == [
        ("shrunk", True)
    ]


def test_witness_that_goes_back_is_shown_by_its_own_two_lines(scene: Scene) -> None:
    scene.hold("w2.example", scene.log, size=7, time=NOW + 10)
    (alarm,) = scene.look(at=NOW + 10).alarms
    assert (alarm.kind, alarm.who) == ("shrunk", "w2.example")
    assert isinstance(alarm.evidence, Rollback)
    judge_evidence(alarm.evidence, scene.log.vkey)
    scene.hold("w2.example", scene.log, size=7, time=NOW - 10)
    assert scene.kinds(at=NOW + 10) == []


def test_cosignatures_that_are_too_old_are_told(scene: Scene) -> None:
    old = NOW + DAY + 1
    assert scene.kinds(at=old - 1) == []
    assert scene.kinds(at=old) == [("stale", name) for name in NAMES] + [("stale", LOG)]
    for name in NAMES[:2]:
        scene.hold(name, scene.log, time=old)
    assert scene.kinds(at=old) == [("stale", "w3.example"), ("stale", LOG)]
    scene.show(scene.log, time=old)
    assert scene.kinds(at=old) == [("stale", "w3.example")]


def test_cosignature_from_the_future_is_invalid_and_not_fresh(scene: Scene) -> None:
    scene.show(scene.log, time=NOW + 301)
    scene.hold("w1.example", scene.log, time=NOW + 301)
    assert scene.kinds() == [("invalid", "w1.example"), ("stale", LOG)]
    assert scene.kinds(at=NOW + 1) == []


def test_witness_that_does_not_answer_is_missing(scene: Scene) -> None:
    del scene.web.notes[f"https://w2.example/{LOGS_PATH}"]
    assert scene.kinds() == [("missing", "w2.example")]


def test_log_that_does_not_answer_is_missing_and_forks_of_witnesses_are_found_still(
    scene: Scene,
) -> None:
    del scene.web.notes[f"{URL}/log/checkpoint"]
    scene.hold("w2.example", scene.log.branch(3).grow(9), size=12)
    look = scene.look()
    assert look.size is None
    assert [alarm.kind for alarm in look.alarms] == ["forked", "missing"]


def test_quorum_that_is_missing_is_told_by_name(scene: Scene) -> None:
    scene.web.notes[f"{URL}/log/checkpoint"] = cosigned(scene.log, "w1.example")
    (alarm,) = scene.look().alarms
    assert (alarm.kind, alarm.who) == ("missing", LOG)
    assert "cosigned by w1.example" in alarm.detail


def test_false_signatures_are_invalid(scene: Scene) -> None:
    stranger = SmallLog(ORIGIN, 12, SigningKey(b"\x66" * 32))
    scene.hold("w1.example", stranger)
    scene.web.notes[f"https://w2.example/{LOGS_PATH}"] = scene.log.note()
    scene.web.notes[f"https://w3.example/{LOGS_PATH}"] = b"\xff"
    assert scene.kinds() == [("invalid", name) for name in NAMES]


def test_bad_cosignature_hides_no_fork(scene: Scene) -> None:
    false = scene.log.branch(3).grow(9)
    bad = cosigned(false, "w1.example", "w2.example").rpartition("\n— ")[0] + "\n"
    line = cosign(scene.log.checkpoint(), "w3.example", KEYS["w3.example"], NOW)
    scene.web.notes[f"{URL}/log/checkpoint"] = bad + str(line)
    kinds = [kind for kind, _ in scene.kinds()]
    assert kinds[0] == "forked"
    assert "invalid" in kinds


def test_bad_cosignature_that_was_remembered_does_not_end_the_watch(scene: Scene) -> None:
    good = str(scene.web.notes[f"{URL}/log/checkpoint"])
    scene.web.notes[f"{URL}/log/checkpoint"] = good[:-5] + "AAA=\n"
    first = scene.look()
    assert first.kept == scene.web.notes[f"{URL}/log/checkpoint"]
    assert [(alarm.kind, alarm.who) for alarm in scene.look(first.kept).alarms] == [
        (alarm.kind, alarm.who) for alarm in first.alarms
    ]
    scene.show(scene.log.branch(3).grow(20))
    assert ("forked", f"{KEPT} / log") in scene.kinds(first.kept)  # what the log signed counts


@pytest.mark.parametrize("lost", [True, False])
def test_log_whose_tiles_do_not_lead_to_its_root_must_answer(scene: Scene, lost: bool) -> None:
    scene.hold("w2.example", scene.log, size=7)
    if lost:
        scene.web.tiles.clear()
    else:
        scene.web.tiles[f"{URL}/log"] = SmallLog(ORIGIN, 0).branch(0).grow(12)
    (alarm,) = scene.look().alarms
    assert (alarm.kind, alarm.who) == ("missing" if lost else "invalid", LOG)
    assert isinstance(alarm.evidence, evidence.Challenge)
    assert scene.look().kept is None  # what is not proven is not remembered


def test_tiles_that_lie_inside_hide_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(size=300)
    false = scene.log.branch(5).grow(295)
    scene.hold("w2.example", false, size=9)
    first = tiles_of(false)(0, 0)
    scene.web.notes[f"{URL}/log/tile/0/000"] = first
    assert scene.kinds() == [("invalid", LOG)]
    # Tiles at the right edge are the log's own: the proof alone binds the others to its root.
    monkeypatch.setattr(evidence, "verify_consistency", lambda *_: None)
    assert scene.kinds() == []


def test_alarms_come_heaviest_first(scene: Scene) -> None:
    scene.web.notes[f"{URL}/log/checkpoint"] = cosigned(scene.log, "w1.example", size=12)
    scene.hold("w1.example", scene.log.branch(2).grow(10), size=12, time=NOW - DAY - 1)
    scene.hold("w2.example", SmallLog(ORIGIN, 12, SigningKey(b"\x66" * 32)))
    kept = cosigned(scene.log.grow(3), size=15)
    kinds = [kind for kind, _ in scene.kinds(kept)]
    assert kinds == sorted(kinds, key=["forked", "shrunk", "invalid", "stale", "missing"].index)
    assert set(kinds) == {"forked", "shrunk", "invalid", "stale", "missing"}


@pytest.mark.parametrize("size", [2**53, 2**63, 10**19 - 1])
def test_size_beyond_all_measure_is_an_alarm_and_no_crash(scene: Scene, size: int) -> None:
    huge = sign_checkpoint(Checkpoint(ORIGIN, size, bytes(32)), scene.log.key)
    scene.web.notes[f"{URL}/log/checkpoint"] = huge
    assert scene.kinds() == [("missing", LOG), ("missing", LOG)]
    assert len(scene.web.asked) < 100


@given(st.binary(max_size=300), st.sampled_from(["log", "w2"]))
def test_any_answer_is_an_alarm_and_no_crash(raw: bytes, who: str) -> None:
    scene = Scene()
    url = f"{URL}/log/checkpoint" if who == "log" else f"https://w2.example/{LOGS_PATH}"
    scene.web.notes[url] = raw
    assert ("invalid", LOG if who == "log" else "w2.example") in scene.kinds()


def test_witness_without_url_is_not_asked(scene: Scene) -> None:
    text = policy_text(scene.log).replace(f" https://{NAMES[1]}/", "")
    watch = replace(scene.watch, policy=read_policy(text.encode()))
    assert watch.look(NOW).alarms == ()
    assert not [url for url in scene.web.asked if NAMES[1] in url]


def test_witness_with_two_keys_is_asked_once(scene: Scene) -> None:
    lattice = LatticeKey(b"\x08" * 32)
    more = f"witness W1b {witness_key(NAMES[0], lattice)} https://{NAMES[0]}\n"
    watch = replace(scene.watch, policy=read_policy((more + policy_text(scene.log)).encode()))
    head = scene.log.checkpoint()
    url = f"https://{NAMES[0]}/{LOGS_PATH}"
    scene.web.notes[url] = scene.log.note() + str(cosign(head, NAMES[0], lattice, NOW))
    assert watch.look(NOW).alarms == ()
    assert scene.web.asked.count(url) == 1


def test_memory_of_another_log_is_refused(scene: Scene) -> None:
    for kept in (SmallLog("other.example/log", 3).note(), "", "x"):
        with pytest.raises(BadPlace):
            scene.look(kept)


def test_same_tree_with_fewer_cosignatures_does_not_replace_the_memory(scene: Scene) -> None:
    kept = scene.look().kept
    scene.web.notes[f"{URL}/log/checkpoint"] = cosigned(scene.log, *NAMES[:2])
    assert scene.look(kept).kept == kept


def test_copies_of_a_real_witness_are_read() -> None:
    scene = Scene()
    witness = witness_of(scene.log, now=lambda: NOW)
    witness.add_checkpoint(scene.log.request(0, 7))
    vkey = witness_key(WITNESS, WITNESS_KEY)
    text = f"log {scene.log.vkey}\nwitness W {vkey} https://w1\nquorum none\n"
    scene.web.notes[f"https://w1/{LOGS_PATH}"] = witness.newest(ORIGIN)
    watch = replace(scene.watch, policy=read_policy(text.encode()))
    assert watch.look(NOW).alarms == ()


def test_log_of_a_url_is_found_by_name_by_url_or_alone() -> None:
    one, two = SmallLog(ORIGIN).vkey, SmallLog("other.example/log").vkey
    both = read_policy(f"log {one}\nlog {two} https://elsewhere/log\nquorum none\n".encode())
    assert log_of(both, URL) == one
    assert log_of(both, "https://elsewhere") == two
    alone = read_policy(f"log {one}\nquorum none\n".encode())
    assert log_of(alone, "http://127.0.0.1:8000") == one
    for policy, url in ((both, "https://third"), (LogPolicy(), URL)):
        with pytest.raises(BadPlace):
            log_of(policy, url)


def test_alarm_is_told_once_and_its_end_too(scene: Scene) -> None:
    standing, url = Standing(), f"https://w2.example/{LOGS_PATH}"
    held = scene.web.notes.pop(url)
    begun, ended = standing.take(scene.look())
    assert ([alarm.who for alarm in begun], ended) == (["w2.example"], [])
    assert standing.take(scene.look()) == ([], [])
    scene.web.notes[url] = held
    assert standing.take(scene.look()) == ([], begun)
    assert standing.take(scene.look()) == ([], [])


def test_fork_does_not_end(scene: Scene) -> None:
    standing = Standing()
    scene.hold("w2.example", scene.log.branch(2).grow(10), size=12)
    begun, _ = standing.take(scene.look())
    assert [alarm.kind for alarm in begun] == ["forked"]
    scene.hold("w2.example", scene.log)
    assert standing.take(scene.look()) == ([], [])
    scene.hold("w2.example", scene.log.branch(2).grow(10), size=12)
    assert standing.take(scene.look()) == ([], [])


def test_other_thing_wrong_with_the_same_party_is_told() -> None:
    standing = Standing()
    one, two = (Alarm(NOW, "invalid", LOG, "…", what=what) for what in ("cosignature", "tiles"))
    assert standing.take(Look(NOW, 5, (one,), None))[0] == [one]
    assert standing.take(Look(NOW, 5, (one, two), None)) == ([two], [])
    assert standing.take(Look(NOW, 5, (two,), None)) == ([], [one])


def test_alarm_without_a_word_is_known_by_its_sentence_without_its_numbers() -> None:
    standing = Standing()
    first, later, other = (Alarm(NOW, "stale", LOG, d) for d in ("8 s old", "68 s old", "far"))
    assert standing.take(Look(NOW, 5, (first,), None))[0] == [first]
    assert standing.take(Look(NOW, 5, (later,), None)) == ([], [])
    assert standing.take(Look(NOW, 5, (later, other), None)) == ([other], [])


@given(st.lists(st.binary(max_size=60), min_size=2, max_size=6))
def test_party_that_answers_otherwise_each_time_makes_no_new_alarms(bodies: list[bytes]) -> None:
    standing, scene, told = Standing(), Scene(), list[Alarm]()
    for raw in bodies:
        scene.web.notes[f"https://w2.example/{LOGS_PATH}"] = raw
        told += standing.take(scene.look())[0]
    assert len({alarm.key for alarm in told}) <= 2  # no note, or not signed


@pytest.mark.parametrize("pruned", [True, False])
def test_mirror_that_keeps_full_tiles_alone_is_read(scene: Scene, pruned: bool) -> None:
    grown = scene.log.branch(12).grow(244)
    scene.web.tiles.clear()
    scene.hold("w2.example", scene.log, size=7)
    if pruned:
        scene.web.notes[f"{URL}/log/tile/0/000"] = tiles_of(grown)(0, 0)
    assert scene.kinds() == ([] if pruned else [("missing", LOG)])
