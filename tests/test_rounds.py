"""The log's side of witnessing: what counts as cosigned, who is waited for, what stops the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import cast

import pytest

from consent.log import circle as circle_module
from consent.log import refresh as refresh_module
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.circle import REFRESH, time_of
from consent.log.cosignature import Cosigned, LatticeKey, cosign, witness_key
from consent.log.note import Note, VerifierKey, read_note
from consent.log.proof import Logged, verify_proof
from consent.log.refresh import Refresh
from consent.log.rounds import Rounds, Standing
from consent.log.sequencer import Sequencer
from consent.log.submission import SIZE_TYPE, Answer, read_lines, read_size, write_request
from consent.log.tlog_policy import LogPolicy, policy_of, read_policy
from tests.log.test_sequencer import LOG, LOG_KEY, ORIGIN, append, memory, run, texts_of
from tests.witnesses import NAMES, Net, conflict, request
from vault.crypto.keys import SigningKey
from vault.encoding import text_hash
from vault.errors import BadDatabase, BadShape, LogUnavailable
from vault.storage.database import Database

NOW = 1_767_225_600
W1, W2, W3 = NAMES


class Scene:
    """A log in memory, its witnesses, and a wall clock that stands until it is moved."""

    def __init__(
        self, database: Database, quorum: int = 2, listed: LogPolicy | None = None
    ) -> None:
        self.wall, self.database = NOW, database
        self.net = Net(lambda: self.wall)
        self.listed, self.policy = listed or LogPolicy(), self.net.policy(quorum)
        self.open()

    def open(self) -> None:
        """Start over the same database, as a fresh process would."""
        self.log = Sequencer(self.database, ORIGIN, LOG_KEY, policy=self.policy)
        self.rounds = Rounds(
            self.log, self.policy, lambda _: self.listed, self.net, lambda: self.wall
        )

    def add(self, *texts: str) -> None:
        append(self.database, *texts)
        self.log.sequence()

    def cover(self, text: str) -> Logged:
        """Return the text's place as its release would be answered."""
        self.rounds.cover(text_hash(text))
        return self.place(text)

    def place(self, text: str) -> Logged:
        return verify_proof(self.log.prove(text_hash(text)), text, LOG, self.policy.keys)

    def settle(self) -> None:
        """Wait for those whom no round waits for any more."""
        for thread in threading.enumerate():
            if thread.name.startswith("witness w"):
                thread.join(10)
                assert not thread.is_alive()

    def names(self) -> set[str]:
        """Return who cosigned the stored checkpoint."""
        self.settle()
        found = self.log.cosigned()
        return {one.witness.name for one in found.cosigned} if found else set()

    def held(self) -> str:
        """Return what a caller is told whose release is held."""
        with pytest.raises(LogUnavailable) as told:
            self.cover("one")
        assert self.standing().held
        return str(told.value)

    def standing(self) -> Standing:
        self.settle()
        return self.rounds.standing()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with closing(memory()) as database:
        found = Scene(database)
        append(database, "one")
        yield found
        found.settle()


# What is kept, and what a proof stands on


def test_covered_entry_is_proved_against_the_cosigned_checkpoint(scene: Scene) -> None:
    scene.cover("one")
    assert scene.names() == set(NAMES)
    place = scene.place("one")
    assert (place.index, place.size, len(place.cosigned)) == (0, 1, 3)
    assert {one.time for one in place.cosigned} == {NOW}
    assert not scene.standing().held


def test_without_cover_an_entry_stands_on_the_log_alone(scene: Scene) -> None:
    """The control: what `cover` is for."""
    assert scene.place("one").cosigned == ()


def test_later_entries_stand_on_the_log_until_they_are_covered(scene: Scene) -> None:
    scene.cover("one")
    scene.add("two")
    assert scene.place("two").cosigned == ()
    old = scene.place("one")
    assert (old.size, bool(old.cosigned)) == (1, True)
    assert read_note(scene.log.checkpoint()).text.split("\n")[1] == "1"
    assert read_note(scene.log.head()).text.split("\n")[1] == "2"
    assert scene.log.tile("tile/0/000.p/2")
    scene.rounds.refresh()
    assert len(scene.place("two").cosigned) >= 2


def test_cosigned_checkpoint_survives_a_start(scene: Scene) -> None:
    scene.cover("one")
    before = scene.log.cosigned()
    scene.net.down |= set(NAMES)
    scene.open()
    scene.rounds.begin()
    assert scene.log.cosigned() == before
    assert scene.cover("one").size == 1


@pytest.mark.parametrize("how", ["forged", "damaged"])
def test_tampered_cosigned_checkpoint_does_not_start(scene: Scene, how: str) -> None:
    scene.cover("one")
    scene.settle()
    found = read_note(scene.log.checkpoint())
    own, line = found.signatures[:2]
    forged = str(Note(found.text, (own, replace(line, value=bytes(72)))))
    run(scene.database, "UPDATE log_head SET cosigned = ?", forged if how == "forged" else "x")
    with pytest.raises(BadDatabase):
        scene.open()


def test_cosigned_checkpoint_of_another_tree_does_not_start(scene: Scene) -> None:
    scene.cover("one")
    other = sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), LOG_KEY)
    run(scene.database, "UPDATE log_head SET cosigned = ?", other)
    with pytest.raises(BadDatabase, match="another history"):
        scene.open()


def note_by(scene: Scene, checkpoint: Checkpoint, *names: str, time: int = NOW) -> str:
    lines = b"".join(scene.net.witnesses[name].line(checkpoint, time) for name in names)
    return sign_checkpoint(checkpoint, LOG_KEY) + lines.decode()


def test_only_a_note_of_this_tree_with_the_quorum_is_kept(scene: Scene) -> None:
    scene.add()
    root = read_note(scene.log.head()).text
    good = Checkpoint(ORIGIN, 1, scene_root(scene))
    assert str(good) == root
    for bad in (
        note_by(scene, good, W1),
        note_by(scene, Checkpoint(ORIGIN, 1, bytes(32)), W1, W2),
        note_by(scene, Checkpoint(ORIGIN, 2, good.root), W1, W2),
        note_by(scene, Checkpoint("other/log", 1, good.root), W1, W2),
        sign_checkpoint(good, SigningKey(bytes(32))) + note_by(scene, good, W1, W2)[-400:],
        "x",
    ):
        with pytest.raises(LogUnavailable):
            scene.log.keep_cosigned(bad)
        assert scene.log.cosigned() is None
    scene.log.keep_cosigned(note_by(scene, good, W1, W2))
    assert scene.names() == {W1, W2}


def scene_root(scene: Scene) -> bytes:
    return verify_proof(scene.log.prove(text_hash("one")), "one", LOG).root


def test_what_is_kept_never_goes_back(scene: Scene) -> None:
    scene.add()
    first = Checkpoint(ORIGIN, 1, scene_root(scene))
    scene.add("two")
    scene.rounds.refresh()
    newest = (scene.names(), scene.log.checkpoint())
    scene.log.keep_cosigned(note_by(scene, first, W1, W2, time=NOW + 5))
    assert (scene.names(), scene.log.checkpoint()) == newest
    found = scene.log.cosigned()
    assert found is not None
    scene.log.keep_cosigned(note_by(scene, found.checkpoint, W1, W2, time=NOW - 1))
    assert scene.log.checkpoint() == newest[1]
    scene.log.keep_cosigned(note_by(scene, found.checkpoint, W2, W3, time=NOW + 1))
    assert scene.names() == {W2, W3}


def test_policy_that_asks_for_more_does_not_take_what_was_kept(scene: Scene) -> None:
    scene.net.down.add(W3)
    scene.cover("one")
    assert scene.names() == {W1, W2}
    scene.policy = scene.net.policy(3)
    scene.open()
    assert scene.log.cosigned() is None
    assert scene.place("one").cosigned == ()
    scene.net.down.clear()
    assert len(scene.cover("one").cosigned) == 3


# Who is waited for


def test_release_is_held_without_the_quorum_and_told_the_age(scene: Scene) -> None:
    scene.cover("one")
    append(scene.database, "two")
    scene.net.down |= {W1, W3}
    scene.wall += 340
    with pytest.raises(
        LogUnavailable, match=r"without w1\.example, w3\.example.* 1 entries and"
    ) as told:
        scene.cover("two")
    assert "is 340 s old" in str(told.value)
    assert scene.standing().held
    scene.net.down.clear()
    assert len(scene.cover("two").cosigned) >= 2
    assert not scene.standing().held


def test_nothing_is_asked_of_anybody_without_a_quorum(scene: Scene) -> None:
    with closing(memory()) as database:
        alone = Scene(database)
        alone.policy = LogPolicy()
        alone.open()
        alone.rounds.begin()
        append(database, "one")
        assert alone.cover("one").cosigned == ()
        alone.rounds.refresh()
        assert (alone.net.sent, alone.rounds.has_witnesses) == ([], False)
        assert not alone.standing().asked


def test_witnesses_without_a_quorum_cosign_but_hold_nothing() -> None:
    with closing(memory()) as database:
        scene = Scene(database, quorum=0)
        append(database, "one")
        scene.net.down |= set(NAMES)
        assert scene.cover("one").cosigned == ()
        scene.rounds.refresh()
        scene.settle()
        scene.net.down = {W3}
        scene.rounds.refresh()
        assert scene.names() == {W1, W2}
        assert len(scene.place("one").cosigned) == 2
        scene.add("two")
        assert read_note(scene.log.checkpoint()).text.split("\n")[1] == "2"


def test_directory_may_ask_for_more_than_the_file(scene: Scene) -> None:
    scene.listed = policy_of(LOG, scene.policy.keys, 3)
    scene.net.down.add(W3)
    assert "without w3.example" in scene.held()
    scene.net.down.clear()
    assert len(scene.cover("one").cosigned) == 3


def test_directory_that_asks_where_nobody_is_asked_holds_everything() -> None:
    with closing(memory()) as database:
        scene = Scene(database, quorum=0)
        scene.listed = policy_of(LOG, scene.policy.keys, 1)
        scene.policy = LogPolicy()
        scene.open()
        append(database, "one")
        assert "no checkpoint was cosigned yet" in scene.held()


def test_two_keys_of_one_name_are_one_witness_and_one_request() -> None:
    lattice = LatticeKey(b"\x09" * 32)
    with closing(memory()) as database:
        scene = Scene(database)
        one = scene.net.witnesses[W1]
        second = witness_key(W1, lattice)
        text = f"witness A {one.vkey} https://{W1}\nwitness B {second} https://{W1}\nquorum B\n"

        def both(body: bytes) -> Answer:
            good, checkpoint = one.answer(body), request(body)[2]
            return good._replace(
                body=good.body + str(cosign(checkpoint, W1, lattice, NOW)).encode()
            )

        scene.net.lies[W1] = both
        scene.policy = read_policy(text.encode())
        scene.open()
        append(database, "one")
        place = scene.cover("one")
        assert scene.net.sent == [W1]
        assert {one.witness for one in place.cosigned} == {one.vkey, second}
        assert [seen.name for seen in scene.standing().witnesses] == [W1]


def test_witness_that_hangs_does_not_delay_the_quorum(scene: Scene) -> None:
    gate = threading.Event()

    def hang(body: bytes) -> Answer:
        assert gate.wait(30)
        return scene.net.witnesses[W2].answer(body)

    scene.net.lies[W2] = hang
    scene.rounds.cover(text_hash("one"))
    assert not gate.is_set()
    assert len(scene.place("one").cosigned) == 2
    append(scene.database, "two")
    scene.rounds.cover(text_hash("two"))
    assert scene.net.sent.count(W2) == 1  # one request in flight
    gate.set()
    assert W2 not in scene.names()  # its line is of a tree that is no longer the newest
    scene.wall += REFRESH
    scene.rounds.refresh()
    assert scene.names() == set(NAMES)


def test_who_comes_while_a_round_runs_shares_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.rounds.begin()
    scene.settle()
    scene.net.sent.clear()
    inside, gate = threading.Event(), threading.Event()

    def slow(name: str) -> Callable[[bytes], Answer]:
        def answer(body: bytes) -> Answer:
            inside.set()
            assert gate.wait(30)
            return scene.net.witnesses[name].answer(body)

        return answer

    scene.net.lies = {name: slow(name) for name in NAMES}
    texts = texts_of(8)
    waiting = threading.Semaphore(0)
    wait = scene.rounds.circles[0]._turn.wait

    def counted(timeout: float | None = None) -> bool:
        waiting.release()
        return wait(timeout)

    monkeypatch.setattr(scene.rounds.circles[0]._turn, "wait", counted)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(scene.rounds.cover, text_hash("one"))
        assert inside.wait(30)
        append(scene.database, *texts)
        others = [pool.submit(scene.rounds.cover, text_hash(text)) for text in texts]
        for _ in texts:
            assert waiting.acquire(timeout=30)
        gate.set()
        for done in (first, *others):
            done.result(30)
    scene.settle()
    # Two rounds for nine callers; who is slow in the first one is left out of the second.
    assert set(scene.net.sent) == set(NAMES)
    assert max(scene.net.sent.count(name) for name in NAMES) == 2
    assert all(scene.place(text).cosigned for text in texts)


def test_while_releases_are_held_only_one_caller_waits(scene: Scene) -> None:
    scene.net.down |= set(NAMES)
    scene.rounds.begin()
    scene.settle()
    inside, gate = threading.Event(), threading.Event()

    def hang(body: bytes) -> Answer:
        inside.set()
        assert gate.wait(30)
        return scene.net.witnesses[W1].answer(body)

    scene.net.down = {W2, W3}
    scene.net.lies[W1] = hang
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(scene.rounds.cover, text_hash("one"))
        assert inside.wait(30)
        with pytest.raises(LogUnavailable):
            scene.rounds.cover(text_hash("one"))
        assert not first.done()
        gate.set()
        with pytest.raises(LogUnavailable):
            first.result(30)


def test_round_in_which_all_hang_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def hang(body: bytes) -> Answer:
        assert gate.wait(30)
        return conflict(0)

    monkeypatch.setattr(circle_module, "PATIENCE", 0.01)
    scene.net.lies = dict.fromkeys(NAMES, hang)
    with pytest.raises(LogUnavailable):
        scene.cover("one")
    with pytest.raises(LogUnavailable):
        scene.cover("one")  # nobody is free to be asked
    assert len(scene.net.sent) == 3
    gate.set()


def few_threads(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """Let no thread for these witnesses start; return the list of those that were tried."""
    start, tried = threading.Thread.start, list[str]()

    def limited(thread: threading.Thread) -> None:
        if thread.name in {f"witness {name}" for name in names}:
            tried.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    return tried


def test_witness_for_which_no_thread_starts_is_asked_the_next_time(scene: Scene) -> None:
    with pytest.MonkeyPatch.context() as patched:
        assert few_threads(patched, W1) == []
        scene.cover("one")
        assert scene.names() == {W2, W3}
        states = {each.name: each.state for each in scene.standing().witnesses}
        assert states == {W1: "missing", W2: "ok", W3: "ok"}
    scene.add("two")
    scene.rounds.refresh()
    assert scene.names() == set(NAMES)


def test_machine_without_threads_holds_releases_and_waits_for_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circle_module, "PATIENCE", 1e9)
    with pytest.MonkeyPatch.context() as patched:
        tried = few_threads(patched, *NAMES)
        told = scene.held()
        assert all(name in told for name in NAMES)
        scene.rounds.begin()
        assert sorted(tried) == sorted(f"witness {name}" for name in NAMES * 2)
    scene.cover("one")


def test_witness_that_stays_asked_is_not_asked_again(scene: Scene) -> None:
    (first,) = (w for w in scene.rounds.circles[0]._witnesses if w.seen.name == W1)
    with first.asked:
        scene.cover("one")
        assert scene.names() == {W2, W3}
        assert W1 not in scene.net.sent


class Troubled:
    """Rounds that fail in turn as they are told, and then say so."""

    has_witnesses = True

    def __init__(self, *troubles: Exception) -> None:
        self.left, self.done = list(troubles), threading.Event()

    def refresh(self) -> None:
        if self.left:
            raise self.left.pop(0)
        self.done.set()


def test_rounds_behind_the_scenes_survive_what_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refresh_module, "PAUSE", 0.0)
    monkeypatch.setattr(refresh_module, "LOOK", 0.0)
    rounds = Troubled(
        LogUnavailable("the quorum is missing"),
        RuntimeError("a secret"),
        KeyError("a secret"),
        OSError("a secret"),
        MemoryError(),
    )
    refresh = Refresh(cast("Rounds", rounds), threading.Event())
    refresh.start()
    assert rounds.done.wait(30)
    refresh.stop()
    told = [record.getMessage() for record in caplog.records]
    kinds = ("RuntimeError", "KeyError", "OSError", "MemoryError")
    assert [line.partition(", line")[0] for line in told] == [
        f"a witness round failed: {kind} in refresh" for kind in kinds
    ]


# When a round is due


def test_refresh_covers_what_was_logged_and_renews_what_is_an_hour_old(scene: Scene) -> None:
    scene.log.sequence()
    scene.rounds.refresh()
    scene.settle()
    asked = len(scene.net.sent)
    scene.wall += REFRESH - 1
    scene.rounds.refresh()
    assert len(scene.net.sent) == asked
    scene.wall += 1
    scene.rounds.refresh()
    scene.settle()
    found = scene.log.cosigned()
    assert found is not None
    assert (len(scene.net.sent), time_of(found)) == (asked + 3, scene.wall)


def test_nothing_is_kept_after_the_end(scene: Scene) -> None:
    scene.rounds.close()
    with pytest.raises(LogUnavailable):
        scene.cover("one")
    assert scene.log.cosigned() is None


# What a witness answers


def test_size_that_a_witness_names_is_proved_from(scene: Scene) -> None:
    scene.add(*texts_of(5))
    scene.rounds.refresh()
    scene.settle()
    scene.open()  # knows no longer what they saw
    scene.add(*[f"more {text}" for text in texts_of(4)])
    scene.rounds.begin()
    assert scene.net.witnesses[W1].olds == [0, 0, 6]
    scene.add("last")
    scene.rounds.refresh()
    scene.settle()
    assert scene.net.witnesses[W1].olds == [0, 0, 6, 10]


@pytest.mark.parametrize("sizes", [(0,), (3,), (1, 2), (1, 2, 3, 4, 5, 6)])
def test_witness_that_names_sizes_again_and_again_is_missing(
    scene: Scene, sizes: tuple[int, ...]
) -> None:
    scene.add(*texts_of(9))
    named = iter(sizes * 10)
    scene.net.lies[W1] = lambda _: conflict(next(named))
    scene.rounds.refresh()
    assert scene.names() == {W2, W3}
    assert scene.net.sent.count(W1) <= 3
    assert scene.standing().witnesses[0].state == "missing"
    assert scene.log.stopped == ""


def other_key(scene: Scene, body: bytes) -> Answer:
    return Answer(200, "", scene.net.witnesses[W2].line(request(body)[2]))


def forged(scene: Scene, body: bytes) -> Answer:
    line = scene.net.witnesses[W1].line(request(body)[2])
    note = read_note(request_note(body) + line.decode())
    last = note.signatures[-1]
    wrong = bytes([last.value[-1] ^ 1])
    return Answer(
        200, "", str(type(last)(last.name, last.key_id, last.value[:-1] + wrong)).encode()
    )


def request_note(body: bytes) -> str:
    return body.decode().partition("\n\n")[2]


def timed(seconds: int) -> Callable[[Scene, bytes], Answer]:
    def answer(scene: Scene, body: bytes) -> Answer:
        checkpoint = request(body)[2]
        return Answer(200, "", scene.net.witnesses[W1].line(checkpoint, scene.wall + seconds))

    return answer


def timeless(scene: Scene, body: bytes) -> Answer:
    return Answer(200, "", scene.net.witnesses[W1].line(request(body)[2], 0))


def of_another_tree(scene: Scene, body: bytes) -> Answer:
    size = request(body)[2].size
    return Answer(200, "", scene.net.witnesses[W1].line(Checkpoint(ORIGIN, size, bytes(32))))


def of_another_size(scene: Scene, body: bytes) -> Answer:
    found = request(body)[2]
    return Answer(200, "", scene.net.witnesses[W1].line(Checkpoint(ORIGIN, 7, found.root)))


def plain(
    status: int, body: bytes = b"", kind: str = "text/plain"
) -> Callable[[Scene, bytes], Answer]:
    return lambda _scene, _body: Answer(status, kind, body)


IGNORED = {
    "another-key": other_key,
    "forged": forged,
    "time-0": timeless,
    "future": timed(301),
    "long-ago": timed(-301),
    "another-tree": of_another_tree,
    "another-size": of_another_size,
    "empty": plain(200),
    "no-lines": plain(200, b"hello\n"),
    "not-utf8": plain(200, b"\xff\n"),
    "two-notes": plain(200, b"x\n\n\xe2\x80\x94 w1.example AAAAAAAA\n"),
    "400": plain(400),
    "403": plain(403),
    "404": plain(404),
    "500": plain(500),
    "redirect": plain(307),
    "409-of-no-size": plain(409, b"x\n", SIZE_TYPE),
}


@pytest.mark.parametrize("name", IGNORED)
def test_answer_that_does_not_count_is_a_missing_witness(scene: Scene, name: str) -> None:
    scene.rounds.begin()  # so that equal sizes are no matter here
    scene.settle()
    scene.log.sequence()
    scene.net.lies[W1] = lambda body: IGNORED[name](scene, body)
    scene.rounds.refresh()
    assert scene.names() == {W2, W3}
    assert [seen.state for seen in scene.standing().witnesses] == ["missing", "ok", "ok"]
    scene.net.down.add(W2)
    append(scene.database, "two")
    with pytest.raises(LogUnavailable):
        scene.cover("two")
    scene.net.lies.clear()
    assert scene.cover("two").cosigned


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_clock_of_a_witness_may_differ_by_minutes(scene: Scene, seconds: int) -> None:
    scene.net.lies[W1] = lambda body: timed(seconds)(scene, body)
    scene.cover("one")
    assert scene.names() == set(NAMES)


def test_old_cosignature_shown_again_does_not_count(scene: Scene) -> None:
    scene.cover("one")
    scene.settle()
    found = scene.log.cosigned()
    assert found is not None
    replayed = scene.net.witnesses[W1].line(found.checkpoint, NOW)
    scene.net.lies[W1] = lambda _: Answer(200, "", replayed)
    scene.wall += REFRESH
    scene.rounds.refresh()
    assert scene.names() == {W2, W3}


@pytest.mark.parametrize(("back", "wanted"), [(1, {W2, W3}), (0, set(NAMES))])
def test_time_of_a_witness_does_not_fall(scene: Scene, back: int, wanted: set[str]) -> None:
    """Also within the minutes by which clocks may differ; the same time again is its clock's."""
    scene.cover("one")
    scene.settle()
    scene.wall += 10
    scene.net.lies[W1] = lambda body: timed(-10 - back)(scene, body)
    append(scene.database, "two")
    scene.cover("two")
    assert scene.names() == wanted


def test_lines_of_strangers_are_passed_over(scene: Scene) -> None:
    def more(body: bytes) -> Answer:
        good = scene.net.witnesses[W1].answer(body)
        stranger = Net(lambda: NOW, ("w9.example",)).witnesses["w9.example"]
        return good._replace(body=stranger.line(request(body)[2]) + good.body)

    scene.net.lies[W1] = more
    scene.cover("one")
    assert scene.names() == set(NAMES)
    assert "w9.example" not in scene.log.checkpoint()


# What stops the log


def grown(scene: Scene) -> None:
    scene.add(*texts_of(4))
    scene.rounds.refresh()
    scene.settle()


def test_witness_that_knows_more_keeps_the_log_from_starting(scene: Scene) -> None:
    grown(scene)
    with closing(memory()) as old:
        append(old, "one")
        before = Scene(old)
        before.net = scene.net
        before.open()
        with pytest.raises(BadDatabase, match=r"w[123]\.example knows 5 entries.* database has 0"):
            before.rounds.begin()
        # The control: while its witnesses are down the old database starts.
        scene.net.down |= set(NAMES)
        before.open()
        before.rounds.begin()
        before.log.sequence()


def test_witness_that_knows_more_stops_a_running_log(scene: Scene) -> None:
    scene.cover("one")
    scene.settle()
    append(scene.database, "two")
    scene.net.lies[W1] = lambda _: conflict(77)
    scene.net.down.add(W2)
    with pytest.raises(LogUnavailable, match="77"):
        scene.cover("two")
    check_stopped(scene)
    scene.net.lies.clear()
    scene.net.down.clear()
    check_stopped(scene)
    scene.open()
    scene.rounds.begin()
    assert scene.cover("two").cosigned


def check_stopped(scene: Scene) -> None:
    scene.settle()
    size = scene.log.size()
    append(scene.database, f"later {len(scene.net.sent)}")
    scene.rounds.refresh()
    for call in (
        scene.log.sequence,
        lambda: scene.log.prove(text_hash("one")),
        lambda: scene.rounds.cover(text_hash("one")),
        scene.rounds.look,
    ):
        with pytest.raises(LogUnavailable, match=r"stopped: the witness w1\.example"):
            call()
    assert scene.log.size() == size
    assert scene.standing().held
    assert scene.log.checkpoint()


@pytest.mark.parametrize(
    "answer", [Answer(422, "text/plain", b""), Answer(422, "application/json", b"{}")]
)
def test_witness_of_another_history_stops_the_log(scene: Scene, answer: Answer) -> None:
    scene.cover("one")
    scene.settle()
    append(scene.database, "two")
    scene.net.lies[W1] = lambda _: answer
    scene.net.down.add(W2)
    with pytest.raises(LogUnavailable, match="another history"):
        scene.cover("two")
    check_stopped(scene)


@pytest.mark.parametrize(
    "answer", [conflict(1), Answer(409, "text/plain", b"")], ids=["its-size", "no-size"]
)
def test_equal_size_with_another_root_stops_the_log(scene: Scene, answer: Answer) -> None:
    scene.cover("one")
    scene.settle()
    scene.wall += REFRESH
    scene.net.lies[W1] = lambda _: answer
    scene.rounds.refresh()
    check_stopped(scene)


def test_fork_of_one_size_does_not_start(scene: Scene) -> None:
    scene.cover("one")
    scene.settle()
    with closing(memory()) as other:
        fork = Scene(other)
        fork.net = scene.net
        append(other, "another one")
        fork.log.sequence()
        fork.open()
        with pytest.raises(BadDatabase, match="another history"):
            fork.rounds.begin()


def test_look_keeps_nothing(scene: Scene) -> None:
    scene.log.sequence()
    scene.rounds.look()
    assert scene.log.cosigned() is None
    assert [seen.state for seen in scene.standing().witnesses] == ["ok"] * 3


# The form of requests and answers


def test_request_is_the_one_of_the_page() -> None:
    body = write_request(2, [b"\x01" * 32], "log\n3\nroot\n\n— log sig\n")
    assert body.decode() == f"old 2\n{'AQEB' * 10}AQE=\n\nlog\n3\nroot\n\n— log sig\n"
    assert write_request(0, [], "note").decode() == "old 0\n\nnote"


@pytest.mark.parametrize("kind", [SIZE_TYPE, "text/x.tlog.size; charset=utf-8", "Text/X.tlog.size"])
def test_size_is_read_in_its_one_form(kind: str) -> None:
    assert read_size(Answer(409, kind, b"12\n")) == 12
    for body in (b"12", b"012\n", b"-1\n", b"12\n\n", b" 12\n", b"", b"\xff\n", b"1" * 20 + b"\n"):
        with pytest.raises(BadShape):
            read_size(Answer(409, kind, body))
    with pytest.raises(BadShape):
        read_size(Answer(409, "text/plain", b"12\n"))


def test_lines_count_once_for_each_key() -> None:
    net = Net(lambda: NOW)
    checkpoint = Checkpoint(ORIGIN, 1, bytes(32))
    one, two = net.witnesses[W1], net.witnesses[W2]
    body = one.line(checkpoint) + two.line(checkpoint) + one.line(checkpoint, NOW + 1)
    keys: list[VerifierKey] = [one.vkey]
    found = read_lines(Answer(200, "", body), checkpoint, keys)
    assert [line.cosigned for line in found] == [Cosigned(one.vkey, NOW + 1)]
    with pytest.raises(BadShape):
        read_lines(Answer(200, "", b""), checkpoint, keys)
