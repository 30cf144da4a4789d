"""The stored logs: what their tables hold, read and moved inside a transaction.

log_tile   log, level, n, data                        one row per tile; level -1: entry bundles
log_head   log, base, size, root, checkpoint, cosigned   one row per log; consent/schema.sql
journal    position is null while a text waits        vault/journal.py

Logs are numbered 0, 1, …; the last one goes on. `base` is how many entries stand in those before.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from consent.log import merkle, tiles
from consent.log.checkpoint import Checkpoint
from consent.log.note import VerifierKey
from consent.log.tlog_policy import open_checkpoint
from vault import journal
from vault.errors import BadDatabase, BadProof, BadShape, LogUnavailable, NotFound
from vault.storage.database import Transaction, Value


class Head(NamedTuple):
    """The newest tree of a log: its size in entries, its root (32 bytes), its signed checkpoint.

    `log` is the log's number, `base` the place of its first entry.
    """

    log: int
    base: int
    size: int
    root: bytes
    checkpoint: str


class _Note(NamedTuple):
    cosigned: str


class _Tile(NamedTuple):
    data: bytes


class _Count(NamedTuple):
    rows: int


_HEAD = "SELECT log, base, size, root, checkpoint FROM log_head"


def find_head(tx: Transaction, log: int) -> Head | None:
    """Return the head of a log; None when it has not begun."""
    return tx.one(Head, f"{_HEAD} WHERE log = ?", log)


def head_of(tx: Transaction, log: int) -> Head:
    """Return the head of a log; raises LogUnavailable when there is none."""
    return _there(find_head(tx, log))


def running_head(tx: Transaction) -> Head:
    """Return the head of the log that goes on; raises LogUnavailable when there is none."""
    return _there(tx.one(Head, f"{_HEAD} ORDER BY log DESC LIMIT 1"))


def head_at(tx: Transaction, place: int) -> Head:
    """Return the head of the log that holds this place; raises LogUnavailable."""
    return _there(tx.one(Head, f"{_HEAD} WHERE base <= ? ORDER BY log DESC LIMIT 1", place))


def heads_of(tx: Transaction) -> list[Head]:
    """Return the heads of all logs that have begun, in their order."""
    return tx.all(Head, f"{_HEAD} ORDER BY log")


def _there(head: Head | None) -> Head:
    if head is None:
        raise LogUnavailable("the log's head is gone")
    return head


def is_closed(tx: Transaction, log: int) -> bool:
    """Return whether another log follows this one."""
    return find_head(tx, log + 1) is not None


def known_outside(tx: Transaction) -> str:
    """Return the checkpoint that tells, outside the database, how far its logs are.

    That of an empty log says nothing of the one before; its first entry names that one's tree.
    """
    head = running_head(tx)
    if head.size == 0 and head.log > 0:
        head = head_of(tx, head.log - 1)
    return head.checkpoint


def add_head(tx: Transaction, head: Head) -> None:
    """Store the first head of a log."""
    sql = "INSERT INTO log_head (log, base, size, root, checkpoint) VALUES (?, ?, ?, ?, ?)"
    tx.run(sql, *head)


def note_of(tx: Transaction, log: int) -> str:
    """Return the stored cosigned checkpoint of a log; empty when there was none yet."""
    found = tx.one(_Note, "SELECT cosigned FROM log_head WHERE log = ?", log)
    return found.cosigned if found else ""


def store_note(tx: Transaction, log: int, signed: str) -> None:
    """Put a cosigned checkpoint in the place of the one before."""
    tx.run("UPDATE log_head SET cosigned = ? WHERE log = ?", signed, log)


def count(tx: Transaction, sql: str, *values: Value) -> int:
    """Return the number that a query gives."""
    found = tx.one(_Count, sql, *values)
    return found.rows if found else 0


def entry_of(tx: Transaction, name: bytes) -> journal.Entry:
    """Return the journal row of a text by its hash; raises NotFound."""
    row = journal.find(tx, name)
    if row is None:
        raise NotFound("no text of this hash was logged")
    return row


def tiles_of(tx: Transaction, log: int) -> tiles.ReadTile:
    """Return the reader of a log's stored tiles over one transaction; each tile is read once."""

    @cache
    def read(level: int, n: int) -> bytes:
        sql = "SELECT data FROM log_tile WHERE log = ? AND level = ? AND n = ?"
        row = tx.one(_Tile, sql, log, level, n)
        return row.data if row else b""

    return read


def check_extends(tx: Transaction, log: int, known: Checkpoint) -> None:
    """Return when the stored log is this tree or begins with it; raises BadProof."""
    head, find = head_of(tx, log), tiles.subtrees(tiles_of(tx, log))
    proof = merkle.prove_consistency(known.size, head.size, find)
    merkle.verify_consistency(known.size, head.size, known.root, head.root, proof)


def check_known(tx: Transaction, log: int, key: VerifierKey, text: str) -> None:
    """Return when the stored log extends a signed checkpoint that is known.

    Raises:
        BadDatabase: it is older or another one, or the checkpoint is not one of this log.
    """
    head = find_head(tx, log)
    if head is None:
        raise BadDatabase(
            f"the database has not begun the log {key.name}, of which a checkpoint is known:"
            " this is an old backup, and it must not go on from there"
        )
    size = head.size
    try:
        known = open_checkpoint(text, key).checkpoint
    except (BadProof, BadShape) as bad:
        raise BadDatabase(f"the known checkpoint is not one of this log: {bad}") from bad
    if size < known.size:
        raise BadDatabase(
            f"the stored log has {size} entries and a known checkpoint has {known.size}:"
            " this is an old backup of the database, and it must not go on from there"
        )
    try:
        check_extends(tx, log, known)
    except BadProof as bad:
        raise BadDatabase(
            f"the stored log of {size} entries is not an extension of a known checkpoint"
            f" of {known.size} entries: this database is of another history"
        ) from bad


def move_head(tx: Transaction, old: Head, new: Head, changed: dict[tuple[int, int], bytes]) -> None:
    """Store the tiles that changed and the new head.

    Raises:
        LogUnavailable: the head is no longer the old one.
    """
    for (level, n), data in changed.items():
        tx.run(
            "INSERT INTO log_tile (log, level, n, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (log, level, n) DO UPDATE SET data = excluded.data",
            new.log,
            level,
            n,
            data,
        )
    moved = tx.run(
        "UPDATE log_head SET size = ?, root = ?, checkpoint = ?"
        " WHERE log = ? AND size = ? AND root = ?",
        new.size,
        new.root,
        new.checkpoint,
        old.log,
        old.size,
        old.root,
    )
    if moved != 1:
        raise LogUnavailable("another sequencer moved the log's head")
