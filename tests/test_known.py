"""An old backup of the database is refused when a newer checkpoint is known outside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consent.app import make_app, open_database
from consent.known import FILE, Known
from consent.log.checkpoint import sign_checkpoint
from consent.log.note import read_vkey
from consent.log.sequencer import Sequencer
from consent.log.tlog_policy import open_checkpoint
from consent.place import Place, Settings, make_place, open_place
from tests.strikes import environment
from tests.struck import ROOT
from vault import journal
from vault.crypto.keys import SigningKey
from vault.encoding import text_hash
from vault.errors import BadDatabase, LogUnavailable
from vault.operator import Operator
from vault.storage.database import Database

NOW = 1_767_225_600


@pytest.fixture
def place(tmp_path: Path) -> Place:
    settings = Settings("vault.example", "https://vault.example", SigningKey(bytes(32)).public)
    make_place(tmp_path / "vault", settings, os.urandom)
    return open_place(tmp_path / "vault")


def beside(place: Place) -> Path:
    return place.database.with_name(FILE)


@contextmanager
def running(place: Place, *others: Path) -> Iterator[tuple[Database, Sequencer]]:
    """A started application's database and log."""
    database = open_database(place)
    try:
        known = Known(beside(place), others)
        log: Sequencer = make_app(place, database, lambda: NOW, known=known).state.log
        yield database, log
    finally:
        database.close()


def grow(place: Place, *texts: str) -> str:
    """Start, log these texts, stop; return the last checkpoint."""
    with running(place) as (database, log):
        for text in texts:
            add(place, database, log, text)
        return log.checkpoint()


def add(place: Place, database: Database, log: Sequencer, text: str) -> None:
    key = place.vault_key
    vault = Operator("vault.example", key, bytes(32), str(log.vkey), lambda: NOW, os.urandom)
    database.write(lambda tx: journal.append(tx, vault, text))
    log.sequence()


def refused(place: Place, sentence: str, *others: Path) -> None:
    before = place.database.read_bytes()
    with pytest.raises(BadDatabase, match=sentence), running(place, *others):
        pass
    assert place.database.read_bytes() == before


def backup(place: Place) -> Path:
    copy = place.database.with_suffix(".backup")
    shutil.copy(place.database, copy)
    return copy


def test_each_tree_is_known_beside_the_database(place: Place) -> None:
    for texts in ((), ("one",), ("two", "three")):
        assert grow(place, *texts) == beside(place).read_text(encoding="utf-8")
    assert sorted(path.name for path in place.database.parent.glob("known*")) == [FILE]


def test_old_backup_is_refused_and_told_with_both_sizes(place: Place) -> None:
    grow(place, "one", "two")
    old = backup(place)
    grow(place, "three")
    shutil.copy(old, place.database)
    refused(place, "the stored log has 2 entries and a known checkpoint has 3")


def test_old_backup_of_the_whole_folder_is_told_by_a_copy_kept_elsewhere(
    place: Place, tmp_path: Path
) -> None:
    grow(place, "one")
    shutil.copytree(place.database.parent, tmp_path / "old")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(grow(place, "two"), encoding="utf-8")
    restored = open_place(tmp_path / "old")
    refused(restored, "has 1 entries and a known checkpoint has 2", elsewhere)
    with running(place, elsewhere):
        pass


@pytest.mark.parametrize("more", [(), ("four",)], ids=["same-size", "longer"])
def test_fork_is_refused(place: Place, more: tuple[str, ...]) -> None:
    grow(place, "one", "two")
    old = backup(place)
    known = grow(place, "three")
    shutil.copy(old, place.database)
    beside(place).unlink()
    grow(place, "another three", *more)
    beside(place).write_text(known, encoding="utf-8")
    refused(place, "is not an extension of a known checkpoint of 3 entries")


def test_crash_before_the_file_was_written_leaves_it_older_which_is_fine(place: Place) -> None:
    older = grow(place, "one")
    newer = grow(place, "two", "three")
    beside(place).write_text(older, encoding="utf-8")
    assert grow(place) == newer
    assert beside(place).read_text(encoding="utf-8") == newer


@pytest.mark.parametrize("left", [None, ""], ids=["missing", "empty"])
def test_missing_or_empty_file_says_nothing(place: Place, left: str | None) -> None:
    newer = grow(place, "one")
    beside(place).unlink()
    if left is not None:
        beside(place).write_text(left, encoding="utf-8")
    assert grow(place) == newer


def test_checkpoint_of_another_log_or_damaged_is_refused(place: Place, tmp_path: Path) -> None:
    good = grow(place, "one")
    with running(place) as (_, log):
        vkey = read_vkey(str(log.vkey))
    foreign = sign_checkpoint(open_checkpoint(good, vkey).checkpoint, SigningKey(b"\x01" * 32))
    for text in (foreign, good[:-20], "x", good.replace("\n1\n", "\n0\n")):
        (tmp_path / "given").write_text(text, encoding="utf-8")
        refused(place, "not one of this log", tmp_path / "given")


def test_file_that_was_given_must_be_there(place: Place, tmp_path: Path) -> None:
    grow(place, "one")
    refused(place, "cannot read", tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    refused(place, "is empty", tmp_path / "empty")


def test_disk_that_refuses_the_file_holds_the_answer_not_the_log(place: Place) -> None:
    grow(place, "one")
    with running(place) as (database, log):
        beside(place).unlink()
        beside(place).mkdir()
        with pytest.raises(LogUnavailable, match=FILE):
            add(place, database, log, "two")
        assert "index 1" in log.prove(text_hash("two"))


def test_server_does_not_start_on_an_old_backup(place: Place) -> None:
    grow(place, "one")
    old = backup(place)
    grow(place, "two")
    shutil.copy(old, place.database)
    done = subprocess.run(
        [sys.executable, "-m", "consent.cli", "serve", str(place.database.parent)],
        cwd=ROOT,
        env={**environment(None), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "has 1 entries and a known checkpoint has 2" in done.stderr
