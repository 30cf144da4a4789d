from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from consent.log import checkpoint, merkle, note, tiles, tlog_policy
from consent.log.proof import Logged, leaf_data, verify_proof
from consent.log.sequencer import Sequencer
from tests.log import naive
from vault import journal
from vault.crypto.keys import Secret, SigningKey
from vault.encoding import text_hash
from vault.errors import BadDatabase, BadShape, LogUnavailable, NotFound
from vault.operator import Operator
from vault.storage.database import Database, Row, Transaction, Value
from vault.storage.sqlcipher import SqlCipher

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
SCHEMAS = [
    (ROOT / name).read_text(encoding="utf-8") for name in ("vault/schema.sql", "consent/schema.sql")
]
FILE_KEY = Secret(b"\x07" * 32)
ORIGIN = "vault.example/log"
LOG_KEY = SigningKey(b"\x05" * 32)
LOG = note.VerifierKey(ORIGIN, note.ED25519, LOG_KEY.public)


class Count(NamedTuple):
    found: int


class Clock:
    """A clock that goes on by a second whenever it is read, and randomness that counts."""

    def __init__(self) -> None:
        self.seconds = 1_767_225_600

    def now(self) -> int:
        self.seconds += 1
        return self.seconds

    def random(self, size: int) -> bytes:
        return self.seconds.to_bytes(size, "big")


def operator() -> Operator:
    clock = Clock()
    return Operator("vault.example", SigningKey(b"\x06" * 32), b"", "", clock.now, clock.random)


def memory() -> SqlCipher:
    return SqlCipher(None, FILE_KEY, SCHEMAS)


def append(database: Database, *texts: str) -> list[bytes]:
    vault = operator()
    return database.write(lambda tx: [journal.append(tx, vault, text) for text in texts])


def texts_of(count: int) -> list[str]:
    return [f"text {i}" for i in range(count)]


def run(database: Database, sql: str, *values: Value) -> int:
    return database.write(lambda tx: tx.run(sql, *values))


def count(database: Database, sql: str) -> int:
    found = database.read(lambda tx: tx.one(Count, sql))
    assert found is not None
    return found.found


def entries(database: Database) -> list[bytes]:
    rows = database.read(lambda tx: journal.entries_from(tx, 0, 10_000))
    assert [row.position for row in rows] == list(range(len(rows)))
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    return [leaf_data(row.salt, row.at, row.text) for row in rows]


def verify(log: Sequencer, text: str) -> Logged:
    return verify_proof(log.prove(text_hash(text)), text, LOG)


def head(log: Sequencer) -> checkpoint.Checkpoint:
    return tlog_policy.open_checkpoint(log.checkpoint(), LOG).checkpoint


def check_served(log: Sequencer, database: Database) -> None:
    """Everything that is served is what the journal's rows give, computed the slow way."""
    leaves = entries(database)
    top = head(log)
    assert (top.size, top.root) == (len(leaves), naive.mth(leaves))
    for level in (0, 1, 2):
        total = len(leaves) // 256**level
        for n in range((total + 255) // 256):
            width = min(256, total - n * 256)
            wanted = naive.tile(leaves, level, n, width)
            assert log.tile(str(tiles.Tile(level, n, width))) == wanted
            if level == 0:
                path = str(tiles.Tile(tiles.ENTRIES, n, width))
                assert log.tile(path) == naive.bundle(leaves, n, width)


class Failing:
    """A database whose next write fails before its commit, or after it with the answer lost."""

    def __init__(self, database: Database) -> None:
        self.inner = database
        self.fails = ""

    def write(self, work: Callable[[Transaction], T]) -> T:
        fails, self.fails = self.fails, ""

        def doomed(tx: Transaction) -> T:
            done = work(tx)
            if fails == "before":
                raise ConnectionError("the connection broke")
            return done

        done = self.inner.write(doomed)
        if fails == "after":
            raise ConnectionError("the connection broke")
        return done

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self.inner.read(work)

    def scrub(self) -> bool:
        return self.inner.scrub()

    def close(self) -> None:
        self.inner.close()


class Overtaken:
    """A transaction in which another sequencer has moved the head."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx

    def run(self, sql: str, *values: Value) -> int:
        return 0 if sql.startswith("UPDATE log_head") else self.tx.run(sql, *values)

    def one(self, shape: type[Row], sql: str, *values: Value) -> Row | None:
        return self.tx.one(shape, sql, *values)

    def all(self, shape: type[Row], sql: str, *values: Value) -> list[Row]:
        return self.tx.all(shape, sql, *values)


class OvertakenDatabase(Failing):
    def write(self, work: Callable[[Transaction], T]) -> T:
        return self.inner.write(lambda tx: work(Overtaken(tx)))


@pytest.fixture
def database() -> Iterator[SqlCipher]:
    with closing(memory()) as opened:
        yield opened


@pytest.fixture
def log(database: SqlCipher) -> Sequencer:
    return Sequencer(database, ORIGIN, LOG_KEY)


def test_new_log_signs_the_empty_tree(log: Sequencer, database: SqlCipher) -> None:
    assert head(log) == checkpoint.Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)
    assert log.vkey == LOG
    check_served(log, database)


def test_prove_takes_all_waiting_rows_in_their_order(log: Sequencer, database: SqlCipher) -> None:
    append(database, *texts_of(5))
    logged = verify(log, "text 3")
    assert (logged.index, logged.size, logged.cosigned) == (3, 5, ())
    row = database.read(lambda tx: journal.find(tx, text_hash("text 3")))
    assert row is not None
    assert (row.at, row.position) == (logged.at, 3)
    check_served(log, database)


def test_proof_of_an_old_entry_is_renewed_under_the_newest_head(
    log: Sequencer, database: SqlCipher
) -> None:
    for size in range(1, 40):
        append(database, f"text {size}")
        assert verify(log, f"text {size}").index == size - 1
        assert verify(log, "text 1").size == size
    check_served(log, database)


def test_heads_of_a_growing_log_are_consistent(log: Sequencer, database: SqlCipher) -> None:
    sizes, heads = [0, 1, 2, 255, 256, 257, 511, 512, 513], [head(log)]
    for old, new in pairwise(sizes):
        append(database, *texts_of(new)[old:])
        log.sequence()
        heads.append(head(log))
        check_served(log, database)
    leaves = [naive.mth([entry]) for entry in entries(database)]
    for old_head in heads:
        for new_head in heads:
            if old_head.size <= new_head.size:
                proof = merkle.prove_consistency(
                    old_head.size,
                    new_head.size,
                    lambda level, i: merkle.root(leaves[i << level : (i + 1) << level]),
                )
                merkle.verify_consistency(
                    old_head.size, new_head.size, old_head.root, new_head.root, proof
                )


def test_nothing_waiting_signs_nothing(log: Sequencer, database: SqlCipher) -> None:
    append(database, "text")
    log.sequence()
    before = log.checkpoint()
    log.sequence()
    assert log.checkpoint() == before


def test_text_that_was_never_logged_is_not_found(log: Sequencer, database: SqlCipher) -> None:
    with pytest.raises(NotFound):
        log.prove(text_hash("text"))
    append(database, "text")
    log.sequence()
    run(database, "DELETE FROM journal")
    with pytest.raises(NotFound):
        log.prove(text_hash("text"))


def test_leaf_stays_when_its_row_is_deleted(log: Sequencer, database: SqlCipher) -> None:
    append(database, "one", "two")
    log.sequence()
    leaves = entries(database)
    run(database, "DELETE FROM journal WHERE position = 1")
    append(database, "three")
    assert verify(log, "three").index == 2
    assert log.tile("tile/entries/000.p/2") == naive.bundle(leaves, 0, 2)
    assert Sequencer(database, ORIGIN, LOG_KEY).checkpoint() == log.checkpoint()


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/0/000.p/4", "tile/1/000.p/1", "tile/entries/001.p/1", "checkpoint"]
)
def test_tile_beyond_the_published_size_is_not_found(
    log: Sequencer, database: SqlCipher, path: str
) -> None:
    append(database, *texts_of(3))
    log.sequence()
    append(database, "waiting")
    with pytest.raises(NotFound):
        log.tile(path)


def test_every_narrower_tile_is_a_slice(log: Sequencer, database: SqlCipher) -> None:
    append(database, *texts_of(300))
    log.sequence()
    leaves = entries(database)
    for width in (1, 44, 255):
        assert log.tile(f"tile/0/000.p/{width}") == naive.tile(leaves, 0, 0, width)
        assert log.tile(f"tile/entries/000.p/{width}") == naive.bundle(leaves, 0, width)


@contextmanager
def opened(where: Path | None) -> Iterator[SqlCipher]:
    with closing(SqlCipher(where, FILE_KEY, SCHEMAS)) as database:
        yield database


@pytest.mark.parametrize("in_file", [True, False], ids=["file", "memory"])
def test_many_provers_at_once_get_one_place_each(tmp_path: Path, in_file: bool) -> None:
    texts = texts_of(120)
    with opened(tmp_path / "vault.db" if in_file else None) as database:
        log = Sequencer(database, ORIGIN, LOG_KEY)
        start, vault = threading.Barrier(12), operator()

        def ask(thread: int) -> list[int]:
            start.wait()
            found = []
            for text in texts[thread::12]:
                database.write(partial(journal.append, operator=vault, text=text))
                found.append(verify(log, text).index)
            return found

        with ThreadPoolExecutor(12) as pool:
            places = [place for found in pool.map(ask, range(12)) for place in found]
        assert sorted(places) == list(range(120))
        check_served(log, database)
        assert Sequencer(database, ORIGIN, LOG_KEY).checkpoint() == log.checkpoint()


def test_those_who_wait_find_their_rows_taken_along(database: SqlCipher) -> None:
    counted = Counting(database)
    log = Sequencer(counted, ORIGIN, LOG_KEY)
    append(database, *texts_of(64))
    counted.writes = 0
    with ThreadPoolExecutor(16) as pool:
        sizes = set(pool.map(lambda text: verify(log, text).size, texts_of(64)))
    assert sizes == {64}
    assert counted.writes == 1


class Counting(Failing):
    writes = 0

    def write(self, work: Callable[[Transaction], T]) -> T:
        self.writes += 1
        return self.inner.write(work)


def test_restart_goes_on_where_the_file_stands(tmp_path: Path) -> None:
    checkpoint = ""
    for size in (0, 1, 255, 256, 257, 300):
        with opened(tmp_path / "vault.db") as database:
            log = Sequencer(database, ORIGIN, LOG_KEY)
            assert checkpoint in ("", log.checkpoint())
            append(database, *texts_of(size))
            log.sequence()
            check_served(log, database)
            checkpoint = log.checkpoint()


def test_rows_that_waited_at_a_stop_are_taken_after_the_start(tmp_path: Path) -> None:
    with opened(tmp_path / "vault.db") as database:
        Sequencer(database, ORIGIN, LOG_KEY)
        append(database, "text")
    with opened(tmp_path / "vault.db") as database:
        assert verify(Sequencer(database, ORIGIN, LOG_KEY), "text").index == 0


@pytest.mark.parametrize("fails", ["before", "after"])
def test_after_an_uncertain_commit_nothing_stands_twice(database: SqlCipher, fails: str) -> None:
    failing = Failing(database)
    log = Sequencer(failing, ORIGIN, LOG_KEY)
    append(database, "one", "two")
    failing.fails = fails
    with pytest.raises(ConnectionError):
        log.prove(text_hash("one"))
    assert head(log).size == (2 if fails == "after" else 0)
    append(database, "three")
    assert verify(log, "one").index == 0
    assert verify(log, "three").index == 2
    check_served(log, database)


def test_head_moved_by_another_stops_the_transaction(database: SqlCipher) -> None:
    Sequencer(database, ORIGIN, LOG_KEY)
    overtaken = Sequencer(OvertakenDatabase(database), ORIGIN, LOG_KEY)
    append(database, "text")
    with pytest.raises(LogUnavailable):
        overtaken.prove(text_hash("text"))
    assert count(database, "SELECT count(*) FROM log_tile") == 0
    assert count(database, "SELECT count(*) FROM journal WHERE position IS NULL") == 1


def test_two_sequencers_on_one_database_make_one_log(log: Sequencer, database: SqlCipher) -> None:
    other = Sequencer(database, ORIGIN, LOG_KEY)
    for i, one in enumerate((log, other, other, log)):
        append(database, f"text {i}")
        assert verify(one, f"text {i}").index == i
    check_served(log, database)


SIZE = 300
EDIT_EDGE = (
    "UPDATE log_tile SET data = CAST(zeroblob(32) || substr(data, 33) AS BLOB)"
    " WHERE level = 0 AND n = 1"
)
LONG_EDGE = (
    "UPDATE log_tile SET data = CAST(data || zeroblob(32) AS BLOB) WHERE level = 0 AND n = 1"
)
TAMPERED = [
    pytest.param("UPDATE log_head SET size = 299", id="size"),
    pytest.param("UPDATE log_head SET root = zeroblob(32)", id="root"),
    pytest.param("UPDATE log_head SET checkpoint = replace(checkpoint, '300', '299')", id="text"),
    pytest.param("UPDATE log_head SET checkpoint = ''", id="no-text"),
    pytest.param("DELETE FROM log_head", id="no-head"),
    pytest.param("DELETE FROM log_tile WHERE level = 0 AND n = 1", id="no-edge"),
    pytest.param("DELETE FROM log_tile WHERE level = -1 AND n = 1", id="no-bundle"),
    pytest.param("DELETE FROM log_tile WHERE level = 1", id="no-level"),
    pytest.param("DELETE FROM log_tile", id="no-tiles"),
    pytest.param(
        "UPDATE log_tile SET data = substr(data, 1, 32 * 43) WHERE level = 0 AND n = 1", id="short"
    ),
    pytest.param(
        LONG_EDGE,
        id="long",
    ),
    pytest.param(
        EDIT_EDGE,
        id="edge",
    ),
    pytest.param("UPDATE log_tile SET data = zeroblob(32) WHERE level = 1", id="level"),
    pytest.param(
        "UPDATE log_tile SET data ="
        " CAST(substr(data, 1, 40) || zeroblob(1) || substr(data, 42) AS BLOB)"
        " WHERE level = -1 AND n = 1",
        id="bundle",
    ),
    pytest.param("UPDATE journal SET position = 300 WHERE position = 299", id="position"),
]


def tampered(sql: str) -> SqlCipher:
    database = memory()
    log = Sequencer(database, ORIGIN, LOG_KEY)
    append(database, *texts_of(SIZE))
    log.sequence()
    assert run(database, sql) > 0
    return database


@pytest.mark.parametrize("sql", TAMPERED)
def test_tampered_log_does_not_start(sql: str) -> None:
    with closing(tampered(sql)) as database, pytest.raises(BadDatabase):
        Sequencer(database, ORIGIN, LOG_KEY)


def test_head_with_an_older_signed_checkpoint_does_not_start(
    log: Sequencer, database: SqlCipher
) -> None:
    old = log.checkpoint()
    append(database, "text")
    log.sequence()
    run(database, "UPDATE log_head SET checkpoint = ?", old)
    with pytest.raises(BadDatabase):
        Sequencer(database, ORIGIN, LOG_KEY)


def test_positions_without_a_head_do_not_start(log: Sequencer, database: SqlCipher) -> None:
    append(database, "text")
    log.sequence()
    run(database, "DELETE FROM log_head")
    run(database, "DELETE FROM log_tile")
    with pytest.raises(BadDatabase):
        Sequencer(database, ORIGIN, LOG_KEY)


def test_tiles_without_a_head_do_not_start(log: Sequencer, database: SqlCipher) -> None:
    append(database, "text")
    log.sequence()
    run(database, "DELETE FROM log_head")
    run(database, "DELETE FROM journal")
    with pytest.raises(BadDatabase):
        Sequencer(database, ORIGIN, LOG_KEY)


@pytest.mark.parametrize(
    ("origin", "key"),
    [(ORIGIN, SigningKey(b"\x09" * 32)), ("other.example/log", LOG_KEY)],
    ids=["key", "origin"],
)
def test_log_of_another_key_or_name_does_not_start(
    log: Sequencer, database: SqlCipher, origin: str, key: SigningKey
) -> None:
    with pytest.raises(BadDatabase):
        Sequencer(database, origin, key)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb"])
def test_origin_that_cannot_name_a_key_is_refused(database: SqlCipher, origin: str) -> None:
    with pytest.raises(BadShape):
        Sequencer(database, origin, LOG_KEY)


EDITED_WHILE_RUNNING = [
    EDIT_EDGE,
    LONG_EDGE,
    "DELETE FROM log_tile WHERE level = -1 AND n = 1",
    "UPDATE log_head SET root = zeroblob(32)",
    "DELETE FROM log_head",
]


@pytest.mark.parametrize("sql", EDITED_WHILE_RUNNING)
def test_edge_edited_while_running_is_not_signed_over(
    log: Sequencer, database: SqlCipher, sql: str
) -> None:
    append(database, *texts_of(SIZE))
    log.sequence()
    before = log.checkpoint()
    run(database, sql)
    append(database, "text")
    with pytest.raises(LogUnavailable):
        log.prove(text_hash("text"))
    with pytest.raises(LogUnavailable):
        log.sequence()
    assert count(database, "SELECT count(*) FROM journal WHERE position IS NULL") == 1
    assert sql.startswith("DELETE FROM log_head") or log.checkpoint() == before


def test_log_that_went_back_is_not_signed_over(tmp_path: Path) -> None:
    with closing(memory()) as database:
        log = Sequencer(database, ORIGIN, LOG_KEY)
        old = log.checkpoint()
        append(database, "one")
        log.sequence()
        # The whole log as it was before: consistent in itself, and known to be older.
        run(database, "DELETE FROM log_tile")
        run(database, "UPDATE journal SET position = NULL")
        run(
            database,
            "UPDATE log_head SET size = 0, root = ?, checkpoint = ?",
            merkle.EMPTY_ROOT,
            old,
        )
        with pytest.raises(LogUnavailable):
            log.prove(text_hash("one"))
        assert head(log).size == 0


def test_damaged_tile_gives_no_proof_and_is_not_served(log: Sequencer, database: SqlCipher) -> None:
    append(database, *texts_of(3))
    log.sequence()
    run(
        database,
        "UPDATE log_tile SET data = CAST(zeroblob(64) || substr(data, 65) AS BLOB) WHERE level = 0",
    )
    with pytest.raises(LogUnavailable):
        log.prove(text_hash("text 0"))
    run(database, "UPDATE log_tile SET data = zeroblob(64)")
    with pytest.raises(LogUnavailable):
        log.tile("tile/0/000.p/3")


def test_journal_row_edited_after_the_fact_gives_no_proof(
    log: Sequencer, database: SqlCipher
) -> None:
    append(database, "one", "two")
    log.sequence()
    run(database, "UPDATE journal SET at = at + 1 WHERE position = 0")
    with pytest.raises(LogUnavailable):
        log.prove(text_hash("one"))
    assert verify(log, "two").index == 1
