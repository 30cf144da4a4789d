from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlcipher3 import dbapi2

from vault.crypto.keys import Secret
from vault.errors import BadDatabase, BadPlace, NotFound
from vault.storage.database import Transaction
from vault.storage.sqlcipher import READERS, VERSION, SqlCipher

KEY = Secret(bytes(range(32)))
SCHEMAS = [
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) -- a comment at the end",
    "CREATE TABLE parts (note INTEGER NOT NULL REFERENCES notes (id), raw BLOB)",
]


class Note(NamedTuple):
    id: int
    text: str


class Count(NamedTuple):
    number: int


class Pragma(NamedTuple):
    value: str | int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.db"


@pytest.fixture(params=["file", "memory"])
def database(request: pytest.FixtureRequest, path: Path) -> Iterator[SqlCipher]:
    opened = SqlCipher(path if request.param == "file" else None, KEY, SCHEMAS)
    yield opened
    opened.close()


@pytest.fixture
def file(path: Path) -> Iterator[SqlCipher]:
    opened = SqlCipher(path, KEY, SCHEMAS)
    yield opened
    opened.close()


def add(number: int, text: str = "x") -> Callable[[Transaction], int]:
    return lambda tx: tx.run("INSERT OR IGNORE INTO notes VALUES (?, ?)", number, text)


def count(tx: Transaction) -> int:
    found = tx.one(Count, "SELECT count(*) FROM notes")
    assert found is not None
    return found.number


def test_rows_come_back_in_the_callers_shape(database: SqlCipher) -> None:
    database.write(add(1, "one"))
    database.write(add(2, "zwei"))
    everything = "SELECT id, text FROM notes ORDER BY id"
    assert database.read(lambda tx: tx.all(Note, everything)) == [Note(1, "one"), Note(2, "zwei")]
    one = "SELECT id, text FROM notes WHERE id = ?"
    assert database.read(lambda tx: tx.one(Note, one, 2)) == Note(2, "zwei")
    assert database.read(lambda tx: tx.one(Note, one, 3)) is None


def test_run_tells_how_many_rows_changed(database: SqlCipher) -> None:
    assert database.write(add(1)) == 1
    assert database.write(add(1)) == 0
    assert database.write(lambda tx: tx.run("DELETE FROM notes WHERE id = 9")) == 0


def test_bytes_and_nothing_survive(database: SqlCipher) -> None:
    class Part(NamedTuple):
        raw: bytes | None

    def insert(raw: bytes | None, tx: Transaction) -> int:
        return tx.run("INSERT INTO parts VALUES (1, ?)", raw)

    database.write(add(1))
    for raw in (bytes(range(256)), b"", None):
        database.write(partial(insert, raw))
    found = database.read(lambda tx: tx.all(Part, "SELECT raw FROM parts ORDER BY rowid"))
    assert [part.raw for part in found] == [bytes(range(256)), b"", None]


def test_transaction_sees_its_own_statements(database: SqlCipher) -> None:
    def work(tx: Transaction) -> int:
        add(1)(tx)
        return count(tx)

    assert database.write(work) == 1


def test_work_that_raises_leaves_nothing(database: SqlCipher) -> None:
    def work(tx: Transaction) -> None:
        add(1)(tx)
        raise NotFound("on purpose")

    with pytest.raises(NotFound, match="on purpose"):
        database.write(work)
    assert database.read(count) == 0
    assert database.write(add(1)) == 1


def test_broken_statement_leaves_nothing_and_the_writer_goes_on(database: SqlCipher) -> None:
    def work(tx: Transaction) -> None:
        add(1)(tx)
        tx.run("INSERT INTO parts VALUES (99, NULL)")  # no such note: foreign keys are on

    with pytest.raises(BadDatabase, match="IntegrityError"):
        database.write(work)
    assert database.read(count) == 0


def test_commit_is_there_after_the_file_is_opened_again(path: Path) -> None:
    first = SqlCipher(path, KEY, SCHEMAS)
    first.write(add(1, "kept"))
    first.close()
    second = SqlCipher(path, KEY, SCHEMAS)
    assert second.read(count) == 1
    second.close()


def test_wrong_key_is_refused(path: Path) -> None:
    SqlCipher(path, KEY, SCHEMAS).close()
    with pytest.raises(BadDatabase, match="key"):
        SqlCipher(path, Secret(bytes(32)), SCHEMAS)
    SqlCipher(path, KEY, SCHEMAS).close()


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_key_of_another_size_is_refused_before_a_file_is_made(path: Path, size: int) -> None:
    with pytest.raises(BadDatabase):
        SqlCipher(path, Secret(bytes(size)), SCHEMAS)
    assert not path.exists()


def test_damaged_or_plain_file_is_refused(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(4080))
    with pytest.raises(BadDatabase):
        SqlCipher(path, KEY, SCHEMAS)
    other = tmp_path / "other.db"
    SqlCipher(other, KEY, SCHEMAS).close()
    raw = bytearray(other.read_bytes())
    raw[100] ^= 1
    other.write_bytes(raw)
    with pytest.raises(BadDatabase):
        SqlCipher(other, KEY, SCHEMAS)


def test_file_of_another_schema_version_is_refused(path: Path) -> None:
    opened = SqlCipher(path, KEY, SCHEMAS)
    opened.write(lambda tx: tx.run(f"PRAGMA user_version = {VERSION + 1}"))
    opened.close()
    with pytest.raises(BadDatabase, match="version"):
        SqlCipher(path, KEY, SCHEMAS)


def test_file_in_a_folder_that_does_not_exist_is_a_bad_place(tmp_path: Path) -> None:
    with pytest.raises(BadPlace):
        SqlCipher(tmp_path / "none" / "vault.db", KEY, SCHEMAS)


def test_broken_schema_leaves_no_half_made_database(path: Path) -> None:
    with pytest.raises(dbapi2.OperationalError):
        SqlCipher(path, KEY, ["CREATE TABLE notes (id INTEGER)", "CREATE NONSENSE"])
    opened = SqlCipher(path, KEY, SCHEMAS)
    assert opened.write(add(1)) == 1
    opened.close()


def test_files_are_readable_by_their_owner_only(file: SqlCipher, path: Path) -> None:
    file.write(add(1))
    found = {f.name: oct(f.stat().st_mode & 0o777) for f in path.parent.iterdir()}
    assert found == dict.fromkeys(("vault.db", "vault.db-wal", "vault.db-shm"), "0o600")


def test_nothing_in_the_files_is_in_clear(file: SqlCipher, path: Path) -> None:
    file.write(add(1, "a very recognisable text"))
    raw = [f.read_bytes() for f in path.parent.iterdir()]
    assert not path.read_bytes().startswith(b"SQLite format 3")
    assert not any(b"recognisable" in part or b"CREATE TABLE" in part for part in raw)


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "secure_delete": 1,
    "foreign_keys": 1,
    "busy_timeout": 10_000,
    "cipher_memory_security": "1",
    "cipher_use_hmac": "1",
    "cipher_page_size": "4096",
}


@pytest.mark.parametrize("name", PRAGMAS)
def test_setting_is_in_effect_for_writer_and_readers(file: SqlCipher, name: str) -> None:
    def ask(tx: Transaction) -> str | int:
        found = tx.one(Pragma, f"PRAGMA {name}")
        assert found is not None
        return found.value

    assert [file.write(ask), *(file.read(ask) for _ in range(READERS))] == [PRAGMAS[name]] * 5


def test_sqlcipher_4_is_linked_and_keeps_temporary_tables_in_memory(file: SqlCipher) -> None:
    class Option(NamedTuple):
        name: str

    version = file.read(lambda tx: tx.one(Option, "PRAGMA cipher_version"))
    assert version is not None
    assert version.name.startswith("4.")
    options = file.read(lambda tx: tx.all(Option, "PRAGMA compile_options"))
    assert {"TEMP_STORE=2"} <= {option.name for option in options}


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def test_scrub_empties_the_write_ahead_log_and_keeps_the_rows(file: SqlCipher, path: Path) -> None:
    file.write(add(1, "kept"))
    assert wal_of(path).stat().st_size > 0
    assert file.scrub()
    assert wal_of(path).stat().st_size == 0
    assert file.read(count) == 1
    file.write(add(2))
    assert file.read(count) == 2


def test_scrub_waits_for_no_reader_of_an_older_snapshot_and_says_so(
    file: SqlCipher, path: Path
) -> None:
    file.write(add(1))

    def work(tx: Transaction) -> tuple[int, bool, int]:
        before = count(tx)
        file.write(add(2))
        return before, file.scrub(), count(tx)

    assert file.read(work) == (1, False, 1)
    assert wal_of(path).stat().st_size > 0
    assert file.scrub()
    assert wal_of(path).stat().st_size == 0
    assert file.read(count) == 2


def test_opening_empties_what_a_killed_process_left(path: Path, tmp_path: Path) -> None:
    running = SqlCipher(path, KEY, SCHEMAS)
    running.write(add(1))
    copy = tmp_path / "killed" / path.name
    copy.parent.mkdir()
    for old, new in ((path, copy), (wal_of(path), wal_of(copy))):
        new.write_bytes(old.read_bytes())
    running.close()
    opened = SqlCipher(copy, KEY, SCHEMAS)
    assert wal_of(copy).stat().st_size == 0
    assert opened.read(count) == 1
    opened.close()


def test_database_in_memory_has_nothing_to_scrub(database: SqlCipher) -> None:
    database.write(add(1))
    assert database.scrub()
    assert database.read(count) == 1


def test_reader_cannot_write(file: SqlCipher) -> None:
    with pytest.raises(BadDatabase, match="OperationalError"):
        file.read(add(1))
    assert file.read(count) == 0


def test_reader_sees_one_snapshot_while_the_writer_goes_on(file: SqlCipher) -> None:
    file.write(add(1))

    def work(tx: Transaction) -> tuple[int, int, int]:
        before = count(tx)
        file.write(add(2))
        return before, count(tx), file.read(count)

    assert file.read(work) == (1, 1, 2)
    assert file.read(count) == 2


def test_many_readers_and_writers_at_once_lose_nothing(database: SqlCipher) -> None:
    def pair(number: int) -> None:
        database.write(lambda tx: (add(2 * number)(tx), add(2 * number + 1)(tx)))

    with ThreadPoolExecutor(12) as pool:
        writers = [pool.submit(pair, number) for number in range(60)]
        readers = [pool.submit(database.read, count) for _ in range(120)]
        seen = [reader.result() for reader in readers]
        for writer in writers:
            writer.result()
    assert all(number % 2 == 0 for number in seen)  # no half transaction is ever seen
    assert database.read(count) == 120


def test_writes_run_one_after_the_other(database: SqlCipher) -> None:
    def rise(tx: Transaction) -> None:
        found = tx.one(Count, "SELECT coalesce(max(id), 0) FROM notes")
        assert found is not None
        tx.run("INSERT INTO notes VALUES (?, '')", found.number + 1)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(database.write, rise) for _ in range(50)]:
            done.result()
    assert database.read(count) == 50


def test_closed_database_refuses_instead_of_waiting(path: Path) -> None:
    for place in (path, None):
        database = SqlCipher(place, KEY, SCHEMAS)
        database.close()
        for ask in (database.write, database.read):
            with ThreadPoolExecutor(1) as pool, pytest.raises(BadDatabase, match="closed"):
                pool.submit(ask, count).result(timeout=10)


def test_closed_database_is_not_scrubbed(path: Path) -> None:
    opened = SqlCipher(path, KEY, SCHEMAS)
    opened.close()
    with pytest.raises(BadDatabase, match="closed"):
        opened.scrub()


def test_closing_twice_is_closing_once(database: SqlCipher) -> None:
    database.close()
    database.close()


def test_close_finishes_running_work(path: Path) -> None:
    database = SqlCipher(path, KEY, SCHEMAS)
    begun, go_on = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> int:
        begun.set()
        assert go_on.wait(10)
        return count(tx)

    with ThreadPoolExecutor(3) as pool:
        reading = pool.submit(database.read, slow)
        assert begun.wait(10)
        writing = pool.submit(database.write, add(1))
        assert writing.result(timeout=10) == 1
        closing = pool.submit(database.close)
        go_on.set()
        assert reading.result(timeout=10) in (0, 1)  # the snapshot begins at its first statement
        closing.result(timeout=10)
    again = SqlCipher(path, KEY, SCHEMAS)
    assert again.read(count) == 1
    again.close()


def test_readers_that_wait_while_the_database_closes_are_refused(path: Path) -> None:
    database = SqlCipher(path, KEY, SCHEMAS)
    go_on = threading.Event()
    inside = threading.Barrier(READERS + 1, timeout=10)

    def slow(tx: Transaction) -> int:
        inside.wait()
        assert go_on.wait(10)
        return count(tx)

    with ThreadPoolExecutor(2 * READERS + 1) as pool:
        reading = [pool.submit(database.read, slow) for _ in range(READERS)]
        inside.wait()
        closing = pool.submit(database.close)
        waiting = [pool.submit(database.read, count) for _ in range(READERS)]
        go_on.set()
        assert [reader.result(timeout=10) for reader in reading] == [0] * READERS
        closing.result(timeout=10)
        for reader in waiting:
            error = reader.exception(timeout=10)
            assert error is None or isinstance(error, BadDatabase)
