"""A vault's folder whose log turns: its keys, what is known beside it, what is exported from it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from consent.app import log_of, make_app, open_database
from consent.commands import doctor
from consent.known import Known
from consent.log.note import ED25519, VerifierKey
from consent.log.sequencer import Sequencer
from consent.log.tlog_policy import open_checkpoint
from consent.place import Place, Settings, add_log, make_place, open_place
from tests.test_known import NOW, backup, beside
from tests.test_witnessed_vault import cli
from vault import journal
from vault.crypto.keys import SigningKey
from vault.errors import BadDatabase, BadPlace
from vault.journal import Edge
from vault.operator import Operator

TURN, CLOSING = "the turn", "the closing"
EDGES: dict[str, Edge] = {TURN: "last", CLOSING: "first"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings = Settings("vault.example", "https://vault.example", SigningKey(bytes(32)).public)
    make_place(tmp_path / "vault", settings, os.urandom)
    return tmp_path / "vault"


@pytest.fixture
def place(folder: Path) -> Place:
    for name in ("2027", "2028"):
        add_log(folder, name, os.urandom)
    return open_place(folder)


@contextmanager
def running(place: Place, *others: Path) -> Iterator[Sequencer]:
    """Start over the folder; stop."""
    database = open_database(place)
    try:
        known = Known(beside(place), others)
        log: Sequencer = make_app(place, database, lambda: NOW, known=known).state.log
        yield log
    finally:
        database.close()


def grow(place: Place, *texts: str) -> str:
    """Start, log these texts, stop; return what is then known beside the database."""
    with running(place):
        pass
    database = open_database(place)
    vault = Operator("vault.example", place.vault_key, bytes(32), "", lambda: NOW, os.urandom)
    try:
        log = log_of(database, place, keep=Known(beside(place)).keep)
        for text in texts:
            edge = EDGES.get(text, "")
            work = partial(journal.append, operator=vault, text=text, edge=edge)
            database.write(work)
            log.sequence()
    finally:
        database.close()
    return beside(place).read_text(encoding="utf-8")


def shown(signed: str) -> tuple[str, int]:
    """Return the origin and size of a checkpoint."""
    origin, size = signed.split("\n")[:2]
    return origin, int(size)


def refused(place: Place, sentence: str, *others: Path) -> None:
    before = place.database.read_bytes()
    with pytest.raises(BadDatabase, match=sentence), running(place, *others):
        pass
    assert place.database.read_bytes() == before


# Keys


def test_keys_of_later_logs_are_read_in_the_order_of_their_names(folder: Path) -> None:
    assert open_place(folder).later == ()
    for name in ("2027", "2028", "2028b"):
        add_log(folder, name, os.urandom)
        assert (folder / f"log-{name}.key").stat().st_mode & 0o777 == 0o600
    place = open_place(folder)
    assert [name for name, _ in place.later] == ["2027", "2028", "2028b"]
    assert [origin for origin, _ in place.later_logs] == [
        f"vault.example/log/{name}" for name in ("2027", "2028", "2028b")
    ]
    assert len({key.public for _, key in place.later_logs} | {place.log_key.public}) == 4


@pytest.mark.parametrize(
    "name", ["", "A", "20-27", "2027.1", "x" * 17, "tile", "checkpoint", "../x", "2027\n", "年"]
)
def test_name_of_another_form_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadPlace, match=r"\[0-9a-z\]"):
        add_log(folder, name, os.urandom)
    assert list(folder.glob("log-*")) == []


def test_next_log_comes_after_the_last_one(place: Place) -> None:
    folder = place.database.parent
    for name in ("2028", "2027", "2027b", "1"):
        with pytest.raises(BadPlace, match="after 2028"):
            add_log(folder, name, os.urandom)
    assert open_place(folder).later == place.later


@pytest.mark.parametrize("name", ["log-A.key", "log-tile.key", "log-.key"])
def test_folder_with_a_key_of_another_name_does_not_open(place: Place, name: str) -> None:
    folder = place.database.parent
    shutil.copy(folder / "log.key", folder / name)
    with pytest.raises(BadPlace, match="a later log is named"):
        open_place(folder)


def test_key_that_others_may_read_does_not_open(place: Place) -> None:
    (place.database.parent / "log-2027.key").chmod(0o644)
    with pytest.raises(BadPlace, match="can be read by others"):
        open_place(place.database.parent)


def test_command_makes_the_next_key_and_says_what_comes_next(folder: Path) -> None:
    done = cli("log", "next", folder, "2027", "--json")
    assert done.returncode == 0, done.stderr
    (origin, key), *_ = open_place(folder).later_logs
    vkey = str(VerifierKey(origin, ED25519, key.public))
    assert json.loads(done.stdout) == {"name": "2027", "origin": origin, "vkey": vkey}
    again = cli("log", "next", folder, "2027")
    assert again.returncode == 1
    assert "would not come after 2027" in again.stderr
    told = cli("log", "next", folder, "2028").stdout
    assert "carbonvault directory turn" in told
    assert "audit witness add-log" in told
    assert "vault.example/log/2028+" in told
    assert cli("log", "next", folder.parent, "2029").returncode == 1


# What is known beside the database


def test_known_checkpoint_goes_over_to_the_next_log_with_its_first_entry(place: Place) -> None:
    assert shown(grow(place, "one")) == ("vault.example/log", 1)
    assert shown(grow(place, TURN)) == ("vault.example/log", 2)
    assert shown(grow(place)) == ("vault.example/log", 2)
    assert shown(grow(place, CLOSING)) == ("vault.example/log/2027", 1)
    assert shown(grow(place, "two")) == ("vault.example/log/2027", 2)


def test_old_backup_from_before_the_turn_is_refused(place: Place) -> None:
    grow(place, "one")
    old = backup(place)
    grow(place, TURN)
    shutil.copy(old, place.database)
    refused(place, "has 1 entries and a known checkpoint has 2")


def test_old_backup_from_before_the_next_log_is_refused(place: Place) -> None:
    grow(place, "one")
    old = backup(place)
    grow(place, TURN, CLOSING)
    shutil.copy(old, place.database)
    refused(place, "has not begun the log vault.example/log/2027")
    beside(place).unlink()
    with running(place):  # the control: nothing else knows better
        pass


def test_old_backup_within_the_next_log_is_refused(place: Place) -> None:
    grow(place, "one", TURN, CLOSING)
    old = backup(place)
    grow(place, "two")
    shutil.copy(old, place.database)
    refused(place, "has 1 entries and a known checkpoint has 2")


def test_copy_of_either_log_kept_elsewhere_is_compared_with_that_log(
    place: Place, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(grow(place, "one"), encoding="utf-8")
    old = backup(place)
    second.write_text(grow(place, "two", TURN, CLOSING), encoding="utf-8")
    with running(place, first, second):
        pass
    shutil.copy(old, place.database)
    beside(place).unlink()
    grow(place, "another two", TURN, CLOSING, "three")
    with running(place, first):
        pass
    refused(place, "is not an extension of a known checkpoint", second)


def test_crash_before_the_file_was_written_leaves_it_in_the_log_before(place: Place) -> None:
    older = grow(place, "one")
    newer = grow(place, "two", TURN, CLOSING)
    beside(place).write_text(older, encoding="utf-8")
    assert grow(place) == newer


def test_checkpoint_of_a_log_that_is_not_this_vaults_is_refused(
    place: Place, tmp_path: Path
) -> None:
    good = grow(place, "one", TURN, CLOSING)
    (tmp_path / "given").write_text(good.replace("/2027", "/2029"), encoding="utf-8")
    refused(place, "not one of this log", tmp_path / "given")


# What is exported, and what the doctor says


def test_export_writes_every_log_as_it_is_served(place: Place, tmp_path: Path) -> None:
    folder, out = place.database.parent, tmp_path / "out"
    grow(place, "one")
    assert json.loads(cli("log", "export", folder, out, "--json").stdout)["size"] == 1
    assert not (out / "2027").exists()
    grow(place, TURN, CLOSING, "two", "three")
    done = cli("log", "export", folder, out, "--json")
    assert json.loads(done.stdout)["size"] == 5, done.stderr
    assert not (out / "2028").exists()
    with running(place) as log:
        for tree, where, size in zip(log.trees, (out, out / "2027"), (2, 3), strict=False):
            signed = (where / "checkpoint").read_text(encoding="utf-8")
            assert signed == tree.checkpoint()
            assert open_checkpoint(signed, tree.vkey).checkpoint.size == size
            for path in (f"tile/entries/000.p/{size}", f"tile/0/000.p/{size}"):
                assert (where / path).read_bytes() == tree.tile(path)


def test_doctor_looks_at_every_log(place: Place) -> None:
    folder = place.database.parent

    def found() -> doctor.Check:
        (check,) = [check for check in doctor.examine(folder) if check.name == "log"]
        return check

    grow(place, "one")
    assert (found().good, "ended" in found().found) == (True, False)
    grow(place, TURN, CLOSING)
    assert (found().good, "logs that ended before it: 1" in found().found) == (True, True)
    (folder / "log-2027.key").unlink()
    assert (found().good, "does not hold together" in found().found) == (False, True)
