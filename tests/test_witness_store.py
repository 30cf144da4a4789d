"""What a witness's stores owe it: one change at once, durable before anybody hears of it."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path

import pytest

from consent.place import hold
from consent.witness import place
from consent.witness.core import Store, Witness, log_id
from consent.witness.place import FileStore, Locks, MemoryStore, add_log, make_place, open_place
from tests.small_log import NOW, SmallLog, witness_of
from vault.errors import BadPlace, Forked, OldSize

ORIGIN = "vault.example/log"
LOG = SmallLog(ORIGIN, 8)
HONEST = LOG.request(5)


def shelves(folder: Path) -> Path:
    """Make the folders that a store needs."""
    for name in ("seen", "evidence"):
        (folder / name).mkdir()
    return folder


def witness_at_five(store: Store) -> Witness:
    witness = witness_of(LOG, store=store)
    witness.add_checkpoint(LOG.request(0, 5))
    return witness


# Stores: both pass the same facts


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return FileStore(shelves(tmp_path))


def test_store_gives_what_was_put_and_keeps_logs_apart(store: Store) -> None:
    assert store.newest("a") is None
    assert store.update("a", lambda found: f"{found} one") == "None one"
    assert store.update("a", lambda found: f"{found} two") == "None one two"
    assert store.update("b", lambda found: f"{found} — 二\n") == "None — 二\n"
    assert (store.newest("a"), store.newest("b")) == ("None one two", "None — 二\n")


def test_store_changes_nothing_when_the_step_refuses(store: Store) -> None:
    def refuse(_: str | None) -> str:
        raise Forked("no")

    with pytest.raises(Forked):
        store.update("a", refuse)
    assert store.newest("a") is None
    store.update("a", lambda _: "one")
    with pytest.raises(Forked):
        store.update("a", refuse)
    assert store.newest("a") == "one"
    assert store.update("a", lambda found: f"{found} two") == "one two"  # the lock is free again


def test_store_loses_no_update_of_many_threads(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.update("a", lambda found: (found or "") + "x"), range(64)))
    assert store.newest("a") == "x" * 64


def test_one_log_does_not_wait_for_another(store: Store) -> None:
    def within(_: str | None) -> str:
        other = threading.Thread(target=store.update, args=("b", lambda _: "b"), daemon=True)
        other.start()
        other.join(10)
        return "went on" if store.newest("b") else "waited"

    assert store.update("a", within) == "went on"


def test_files_are_of_the_owner_alone_and_named_by_the_origin(tmp_path: Path) -> None:
    witness = witness_of(LOG, store=FileStore(shelves(tmp_path)))
    witness.add_checkpoint(LOG.request(0))
    (file,) = (tmp_path / "seen").iterdir()
    assert file.name == sha256(ORIGIN.encode()).hexdigest()
    assert file.read_text(encoding="utf-8") == witness.newest(ORIGIN)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["seen", "evidence"])
def test_missing_folder_does_not_look_like_never_seen(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(BadPlace, match="missing"):
        FileStore(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n5\n", "\n3\n"), ("— w1.example", "— w2.example"), (ORIGIN, "other.example"), ("\n\n", "")],
)
def test_damaged_note_stops_the_witness(old: str, new: str, tmp_path: Path) -> None:
    witness = witness_at_five(FileStore(shelves(tmp_path)))
    file = tmp_path / "seen" / log_id(ORIGIN)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadPlace, match="stored checkpoint"):
        witness.add_checkpoint(LOG.request(3))
    with pytest.raises(BadPlace, match="stored checkpoint"):
        witness.newest(ORIGIN)
    file.write_text(text, encoding="utf-8")
    witness.add_checkpoint(HONEST)


def test_note_of_another_log_in_a_logs_file_stops_the_witness(tmp_path: Path) -> None:
    other = SmallLog("other.example", 3)
    witness = witness_of(LOG, other, store=FileStore(shelves(tmp_path)))
    witness.add_checkpoint(LOG.request(0, 5))
    witness.add_checkpoint(other.request(0))
    seen = tmp_path / "seen"
    (seen / log_id(other.origin)).replace(seen / log_id(ORIGIN))
    with pytest.raises(BadPlace, match="not one that"):
        witness.add_checkpoint(LOG.request(3))


# Durable before the answer


def watch_disk(monkeypatch: pytest.MonkeyPatch, acts: list[str]) -> None:
    """Write down each act on the disk, in order."""
    fsync, rename = os.fsync, Path.replace

    def forced(handle: int) -> None:
        acts.append("force folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "force file")
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        acts.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(Path, "replace", renamed)


def test_note_is_on_the_disk_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[str] = []
    witness = witness_of(LOG, store=FileStore(shelves(tmp_path)))
    watch_disk(monkeypatch, acts)
    witness.add_checkpoint(LOG.request(0, 5))
    assert acts == ["force file", "rename", "force folder"]


def test_memory_forces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    acts: list[str] = []
    watch_disk(monkeypatch, acts)
    witness_of(LOG).add_checkpoint(LOG.request(0, 5))
    assert acts == []


def test_disk_that_fails_gets_nobody_a_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = witness_at_five(FileStore(shelves(tmp_path)))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(BadPlace, match="No space left"):
            witness.add_checkpoint(HONEST)
    assert witness.seen(ORIGIN).checkpoint.size == 5
    witness.add_checkpoint(HONEST)


def test_new_file_that_a_crash_left_is_not_read(tmp_path: Path) -> None:
    witness = witness_at_five(FileStore(shelves(tmp_path)))
    left = tmp_path / "seen" / f"{log_id(ORIGIN)}.new"
    left.write_text("half a no", encoding="ascii")
    assert witness.seen(ORIGIN).checkpoint.size == 5
    witness.add_checkpoint(HONEST)
    assert not left.exists()


# The race of the page: A (6) is checked, B (8) is stored, A is stored over it


class NoLocks(Locks):
    """The mechanism taken out: any update may begin between another's two halves."""

    def hold(self, origin: str) -> AbstractContextManager[object]:
        return nullcontext()


class Unlocked(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self._locks = NoLocks()


class UnlockedFiles(FileStore):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._locks = NoLocks()


def play_race(store: Store) -> tuple[list[str], int]:
    """Hold A after its checks until B is answered, or waits; return both fates, and the size."""
    inside, go_on, first = threading.Event(), threading.Event(), threading.Lock()

    def now() -> int:  # read after the checks and before anything is stored
        if first.acquire(blocking=False):
            inside.set()
            assert go_on.wait(30)
        return NOW

    witness_of(LOG, store=store).add_checkpoint(LOG.request(0, 5))
    witness = witness_of(LOG, store=store, now=now)
    fates: list[str] = []

    def send(name: str, size: int) -> None:
        try:
            witness.add_checkpoint(LOG.request(5, size))
            fates.append(f"{name} cosigned")
        except OldSize as refused:
            fates.append(f"{name} wanted {refused.size}")

    a = threading.Thread(target=send, args=("A", 6))
    b = threading.Thread(target=send, args=("B", 8))
    a.start()
    assert inside.wait(30)
    b.start()
    b.join(0.5)  # without a lock B ends here; with it B waits for A
    go_on.set()
    a.join(30)
    b.join(30)
    return fates, witness_of(LOG, store=store).seen(ORIGIN).checkpoint.size


def test_no_request_is_stored_between_the_check_of_another_and_its_storing(store: Store) -> None:
    assert play_race(store) == (["A cosigned", "B wanted 6"], 6)


def test_without_the_lock_the_race_rolls_the_witness_back(tmp_path: Path) -> None:
    for store in (Unlocked(), UnlockedFiles(shelves(tmp_path))):
        assert play_race(store) == (["B cosigned", "A cosigned"], 6)  # 8 was cosigned before


def test_many_threads_cosign_one_chain(store: Store) -> None:
    log = SmallLog(ORIGIN, 40)
    witness = witness_of(log, store=store)
    said: list[tuple[int, int]] = []

    def grow(step: int) -> None:
        size = 0
        while size < log.size:
            new = min(log.size, size + step)
            try:
                witness.add_checkpoint(log.request(size, new))
                said.append((size, new))
                size = new
            except OldSize as refused:
                size = refused.size

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(grow, range(1, 7)))
    steps = sorted({pair for pair in said if pair[0] < pair[1]})
    assert [old for old, _ in steps] == [0, *(new for _, new in steps[:-1])]
    assert witness.seen(ORIGIN).checkpoint == log.checkpoint()


# Two that add a log at once


def add_two(folder: Path, monkeypatch: pytest.MonkeyPatch, ends: bool) -> list[str]:
    """Add a second log between the reading and the writing of the first; return what is known.

    `ends` says that the second one comes to its end there; else it comes to the lock.
    """
    make_place(folder, "w1.example", False, os.urandom)
    begun, arrived = threading.Event(), threading.Event()
    check, flock = place._check, fcntl.flock
    second = SmallLog("second.example").vkey
    other = threading.Thread(target=add_log, args=(folder, str(second)), daemon=True)

    def between(name: str, keys: tuple[place.Key, ...], logs: place.Logs) -> None:
        check(name, keys, logs)
        if not begun.is_set():
            begun.set()
            other.start()
            if ends:
                other.join(30)
            else:
                assert arrived.wait(30)

    def noted(handle: int, how: int) -> None:
        if begun.is_set():
            arrived.set()
        flock(handle, how)

    monkeypatch.setattr(place, "_check", between)
    monkeypatch.setattr(fcntl, "flock", noted)
    add_log(folder, str(SmallLog("first.example").vkey))
    other.join(30)
    assert not other.is_alive()
    return sorted(open_place(folder).logs)


def test_of_two_logs_that_are_added_at_once_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = add_two(tmp_path / "w", monkeypatch, ends=False)
    assert found == ["first.example", "second.example"]


def test_without_the_lock_one_of_them_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_changing", lambda _: nullcontext())
    assert add_two(tmp_path / "w", monkeypatch, ends=True) == ["first.example"]


def test_log_is_added_while_a_server_holds_the_folder(tmp_path: Path) -> None:
    make_place(tmp_path / "w", "w1.example", False, os.urandom)
    with hold(tmp_path / "w"):
        add_log(tmp_path / "w", str(LOG.vkey))
    assert list(open_place(tmp_path / "w").logs) == [ORIGIN]


def test_no_lock_is_left_where_no_witness_is(tmp_path: Path) -> None:
    with pytest.raises(BadPlace, match="make the witness first"):
        add_log(tmp_path, str(LOG.vkey))
    assert list(tmp_path.iterdir()) == []
