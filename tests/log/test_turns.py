"""Several logs in one database: each is a tree of its own, and places count on through all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.log import merkle, note, tiles
from consent.log.proof import leaf_data, verify_proof
from consent.log.sequencer import Sequencer
from consent.log.tlog_policy import open_checkpoint
from tests.log import naive
from tests.log.test_sequencer import LOG_KEY, ORIGIN, memory, operator
from vault import journal
from vault.crypto.keys import SigningKey
from vault.encoding import text_hash
from vault.errors import BadShape, LogUnavailable, NotFound
from vault.messages import ClosedLog
from vault.storage.sqlcipher import SqlCipher

LATER = tuple((f"{ORIGIN}/{n}", SigningKey(bytes([n]) * 32)) for n in range(1, 5))
KEYS = ((ORIGIN, LOG_KEY), *LATER)
LOGS = [note.VerifierKey(origin, note.ED25519, key.public) for origin, key in KEYS]


def opened(database: SqlCipher) -> Sequencer:
    return Sequencer(database, ORIGIN, LOG_KEY, later=LATER)


def add(database: SqlCipher, *sizes: int) -> None:
    """Write logs of these sizes to the journal, all but the last one ended; sequence nothing."""
    vault = operator()
    for log, size in enumerate(sizes):
        for n in range(size):
            ends = n == size - 1 and log < len(sizes) - 1
            edge: journal.Edge = "last" if ends else "first" if n == 0 and log > 0 else ""
            text = f"log {log} text {n}"
            database.write(partial(journal.append, operator=vault, text=text, edge=edge))


def leaves(database: SqlCipher) -> list[bytes]:
    rows = database.read(lambda tx: journal.entries_from(tx, 0, 10_000))
    assert [row.position for row in rows] == list(range(len(rows)))
    return [leaf_data(row.salt, row.at, row.text) for row in rows]


def check(log: Sequencer, database: SqlCipher, sizes: list[int]) -> None:
    """Every log is the tree of its own entries, computed the slow way, under its own key."""
    entries, base = leaves(database), 0
    for number, size in enumerate(sizes):
        tree, own = log.trees[number], entries[base : base + size]
        head = open_checkpoint(tree.checkpoint(), LOGS[number]).checkpoint
        assert (head.size, head.root) == (size, naive.mth(own))
        for n in range(-(-size // 256)):
            width = min(256, size - n * 256)
            assert tree.tile(str(tiles.Tile(0, n, width))) == naive.tile(own, 0, n, width)
            bundle = tree.tile(str(tiles.Tile(tiles.ENTRIES, n, width)))
            assert bundle == naive.bundle(own, n, width)
        for n in {0, size // 2, size - 1}:
            text = f"log {number} text {n}"
            logged = verify_proof(log.prove(text_hash(text)), text, LOGS[number])
            assert (logged.index, logged.size, logged.root) == (n, size, head.root)
            assert log.place(text_hash(text)) == base + n
            found, index = log.tree_at(base + n)
            assert (found.number, index) == (number, n)
        base += size
    assert base == len(entries)


@pytest.fixture
def database() -> Iterator[SqlCipher]:
    with closing(memory()) as found:
        yield found


@given(st.lists(st.integers(2, 9), min_size=1, max_size=5))
def test_places_and_trees_of_any_logs(sizes: list[int]) -> None:
    """All of it waits at once: one transaction takes it through every turn."""
    with closing(memory()) as database:
        log = opened(database)
        add(database, *sizes)
        log.sequence()
        check(log, database, sizes)
        check(opened(database), database, sizes)


def test_logs_of_several_tiles(database: SqlCipher) -> None:
    sizes = [300, 257, 2]
    log = opened(database)
    add(database, *sizes)
    log.sequence()
    check(log, database, sizes)


def test_log_that_goes_on_is_the_last_one(database: SqlCipher) -> None:
    log = opened(database)
    assert (log.running.number, log.vkey) == (0, LOGS[0])
    add(database, 3, 2)
    log.sequence()
    assert (log.running.number, log.vkey, log.size()) == (1, LOGS[1], 2)
    assert (log.head(), log.checkpoint()) == (log.trees[1].head(), log.trees[1].checkpoint())
    assert log.tile("tile/0/000.p/2") == log.trees[1].tile("tile/0/000.p/2")
    one, two = (naive.mth(leaves(database)[3 : 3 + n]) for n in (1, 2))
    merkle.verify_consistency(1, 2, one, two, log.consistency(1, 2))
    assert [tree.is_closed() for tree in log.trees] == [True, False, False, False, False]
    assert [tree.has_begun() for tree in log.trees] == [True, True, False, False, False]


def test_log_is_found_by_its_name_once_it_has_begun(database: SqlCipher) -> None:
    log = opened(database)
    assert log.named("").number == 0
    with pytest.raises(NotFound):
        log.named("1")
    add(database, 3, 2)
    log.sequence()
    assert (log.named("").number, log.named("1").number) == (0, 1)
    for name in ("2", "9", "1/x", "log"):
        with pytest.raises(NotFound):
            log.named(name)


def test_ended_log_is_what_is_listed_of_it(database: SqlCipher) -> None:
    log = opened(database)
    ended = ClosedLog(
        origin=ORIGIN, vkey=str(LOGS[0]), witnesses=(), quorum=0, size=3, root=bytes(32)
    )
    add(database, 3, 2)
    with pytest.raises(LogUnavailable):
        database.read(partial(log.check_closed, closed=ended))
    log.sequence()
    right = ended.model_copy(update={"root": naive.mth(leaves(database)[:3])})
    database.read(partial(log.check_closed, closed=right))
    for wrong in (ended, right.model_copy(update={"size": 2})):
        with pytest.raises(BadShape):
            database.read(partial(log.check_closed, closed=wrong))
    for number in (1, 4):
        other = right.model_copy(update={"vkey": str(LOGS[number])})
        with pytest.raises(LogUnavailable):
            database.read(partial(log.check_closed, closed=other))


def test_another_sequencer_that_turned_is_followed(database: SqlCipher) -> None:
    log, other = opened(database), opened(database)
    add(database, 3, 2)
    other.sequence()
    log.sequence()
    check(log, database, [3, 2])
