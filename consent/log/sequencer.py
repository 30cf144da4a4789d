"""The sequencer: takes what waits in the journal into the tree, and proves that it is there.

docs/protocol.md section 6.

    business transaction   journal row, position null                                (others)
    sequence               all waiting rows → tiles → root → signed checkpoint → positions
    prove                  the proof file of one row, durable before it is returned

The tree lives in the application's database: log_tile, one row per tile, and log_head, one row.
Nothing of it is kept in memory but hashes that never change, so after a commit whose outcome is
unknown the next call finds in the database what became of it, and nothing is sequenced twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import NamedTuple, TypeVar

from consent.log import merkle, tiles
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.note import ED25519, VerifierKey, read_vkey
from consent.log.proof import Proof, leaf_data
from consent.log.tlog_policy import open_checkpoint
from vault import faults, journal
from vault.crypto.keys import SigningKey
from vault.errors import BadDatabase, BadProof, BadShape, LogUnavailable, NotFound
from vault.storage.database import Database, Transaction

T = TypeVar("T")
KEPT_HASHES = 200_000


class _Head(NamedTuple):
    size: int
    root: bytes
    checkpoint: str


class _Tile(NamedTuple):
    data: bytes


class _Count(NamedTuple):
    rows: int


class Sequencer:
    """The one writer of the log, and what HTTP reads of it."""

    def __init__(
        self,
        database: Database,
        origin: str,
        key: SigningKey,
        known: Sequence[str] = (),
        keep: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open the log, signing the empty tree when it is new.

        Args:
            database: holds the journal and the log's tables.
            origin: the log's name in checkpoints, its URL without the scheme.
            key: the log's own key, used for nothing else.
            known: signed checkpoints known outside the database; the stored log extends them.
            keep: called with each new signed checkpoint, after its commit and in their order.

        Raises:
            BadShape: the origin cannot be a key's name.
            BadDatabase: the stored head is not by this key, the right edge does not lead to it, or
                the log is older than a known checkpoint or not an extension of it.
        """
        self.vkey = read_vkey(str(VerifierKey(origin, ED25519, key.public)))
        self._database = database
        self._key = key
        self._keep = keep
        self._kept = tiles.Kept(KEPT_HASHES)
        self._lock = threading.Lock()
        self._last = database.write(self._begin)
        for checkpoint in known:
            database.read(partial(self._check_known, text=checkpoint))
        keep(self._last.checkpoint)

    def sequence(self) -> None:
        """Take every waiting row of the journal into the log; return when that is durable.

        Raises:
            LogUnavailable: the stored log is damaged or went back; nothing was signed.
        """
        with self._lock, _in_service():
            self._take()

    def prove(self, name: bytes) -> str:
        """Return the proof file of a journal text by its hash, once the log holds it durably.

        While one caller sequences, those who come wait and find their rows taken along: load makes
        batches by itself. After any error the same call can be made again.

        Raises:
            NotFound: no such text.
            LogUnavailable: the stored log is damaged or went back.
        """
        proof = self._read(lambda tx: self._proof(tx, name))
        if proof is None:
            with self._lock, _in_service():
                if self._database.read(lambda tx: _waits(tx, name)):
                    self._take()
            proof = self._read(lambda tx: self._proof(tx, name))
        if proof is None:
            raise LogUnavailable("the entry was not taken into the log")
        return proof

    def checkpoint(self) -> str:
        """Return the newest signed checkpoint."""
        return self._read(_head).checkpoint

    def tile(self, path: str) -> bytes:
        """Return the bytes of a tile or entry bundle, ``tile/…`` as C2SP tlog-tiles names it.

        Raises:
            NotFound: no such path, or beyond the published size.
            LogUnavailable: the stored log is damaged.
        """
        wanted = tiles.read_path(path)
        return self._read(lambda tx: tiles.cut(wanted, _head(tx).size, _tiles(tx)))

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with _in_service():
            return self._database.read(work)

    def _begin(self, tx: Transaction) -> _Head:
        head = _stored_head(tx)
        if head is None:
            head = self._signed(0, merkle.EMPTY_ROOT)
            insert = "INSERT INTO log_head (one, size, root, checkpoint) VALUES (1, ?, ?, ?)"
            tx.run(insert, *head)
        try:
            self._verify(tx, head)
        except (BadProof, BadShape) as bad:
            raise BadDatabase(f"the stored log does not hold together: {bad}") from bad
        return head

    def _verify(self, tx: Transaction, head: _Head) -> None:
        signed = open_checkpoint(head.checkpoint, self.vkey).checkpoint
        if (signed.size, signed.root) != (head.size, head.root):
            raise BadProof("the head is not the one that was signed")
        tiles.verify_edge(head.size, head.root, _tiles(tx))
        if _count(tx, "SELECT count(*) FROM journal WHERE position >= ?", head.size):
            raise BadProof(f"the journal has positions beyond the log's size {head.size}")

    def _check_known(self, tx: Transaction, text: str) -> None:
        """Return when the stored log extends a checkpoint known outside; raises BadDatabase."""
        head = _head(tx)
        try:
            known = open_checkpoint(text, self.vkey).checkpoint
        except (BadProof, BadShape) as bad:
            raise BadDatabase(f"the known checkpoint is not one of this log: {bad}") from bad
        if head.size < known.size:
            raise BadDatabase(
                f"the stored log has {head.size} entries and a known checkpoint has {known.size}:"
                " this is an old backup of the database, and it must not go on from there"
            )
        try:
            find = tiles.subtrees(_tiles(tx))
            proof = merkle.prove_consistency(known.size, head.size, find)
            merkle.verify_consistency(known.size, head.size, known.root, head.root, proof)
        except BadProof as bad:
            raise BadDatabase(
                f"the stored log of {head.size} entries is not an extension of a known checkpoint"
                f" of {known.size} entries: this database is of another history"
            ) from bad

    def _take(self) -> None:
        """Take all waiting rows; the caller holds the lock."""
        before, self._last = self._last, self._database.write(self._append)
        faults.point("sequence-after-commit")
        if self._last.checkpoint != before.checkpoint:
            self._keep(self._last.checkpoint)

    def _append(self, tx: Transaction) -> _Head:
        """Return the head after all waiting rows; what stands is verified before more is signed."""
        head = _head(tx)
        waiting = tx.all(
            journal.Entry,
            "SELECT id, position, at, salt, text FROM journal WHERE position IS NULL ORDER BY id",
        )
        self._check_forward(head)
        if not waiting:
            return head
        read = _tiles(tx)
        if merkle.root_at(head.size, tiles.subtrees(read)) != head.root:
            raise BadProof("the right edge does not lead to the root")
        entries = [leaf_data(row.salt, row.at, row.text) for row in waiting]
        changed = tiles.grow(head.size, entries, read)
        size = head.size + len(entries)
        grown = tiles.subtrees(lambda level, n: changed.get((level, n)) or read(level, n))
        new = self._signed(size, merkle.root_at(size, grown))
        _store(tx, head, new, changed)
        for position, row in enumerate(waiting, head.size):
            tx.run("UPDATE journal SET position = ? WHERE id = ?", position, row.id)
        faults.point("sequence-before-commit")
        return new

    def _check_forward(self, head: _Head) -> None:
        # What was committed may have left: a smaller tree, or another one, must never be signed.
        last = self._last
        if head.size < last.size or (head.size == last.size and head.root != last.root):
            raise BadDatabase(f"the log went back from size {last.size} to {head.size}")

    def _signed(self, size: int, root: bytes) -> _Head:
        checkpoint = Checkpoint(self.vkey.name, size, root)
        return _Head(size, root, sign_checkpoint(checkpoint, self._key))

    def _proof(self, tx: Transaction, name: bytes) -> str | None:
        """Return the proof file, verified as its reader will; None while the row waits."""
        row = _row(tx, name)
        if row.position is None:
            return None
        head = _head(tx)
        subtree = self._kept.over(_tiles(tx))
        path = merkle.prove_inclusion(row.position, head.size, subtree)
        leaf = merkle.leaf_hash(leaf_data(row.salt, row.at, row.text))
        merkle.verify_inclusion(leaf, row.position, head.size, head.root, path)
        return str(Proof(row.salt, row.at, row.position, tuple(path), head.checkpoint))


@contextmanager
def _in_service() -> Iterator[None]:
    try:
        yield
    except (BadDatabase, BadProof) as bad:
        raise LogUnavailable(f"the stored log does not hold together: {bad}") from bad


def _stored_head(tx: Transaction) -> _Head | None:
    return tx.one(_Head, "SELECT size, root, checkpoint FROM log_head WHERE one = 1")


def _head(tx: Transaction) -> _Head:
    head = _stored_head(tx)
    if head is None:
        raise BadDatabase("the log has no head")
    return head


def _count(tx: Transaction, sql: str, *values: int) -> int:
    found = tx.one(_Count, sql, *values)
    return found.rows if found else 0


def _row(tx: Transaction, name: bytes) -> journal.Entry:
    row = journal.find(tx, name)
    if row is None:
        raise NotFound("no text of this hash was logged")
    return row


def _waits(tx: Transaction, name: bytes) -> bool:
    return _row(tx, name).position is None


def _tiles(tx: Transaction) -> tiles.ReadTile:
    """Return the reader of stored tiles over one transaction; each tile is read once."""

    @cache
    def read(level: int, n: int) -> bytes:
        row = tx.one(_Tile, "SELECT data FROM log_tile WHERE level = ? AND n = ?", level, n)
        return row.data if row else b""

    return read


def _store(tx: Transaction, old: _Head, new: _Head, changed: dict[tuple[int, int], bytes]) -> None:
    for (level, n), data in changed.items():
        tx.run(
            "INSERT INTO log_tile (level, n, data) VALUES (?, ?, ?)"
            " ON CONFLICT (level, n) DO UPDATE SET data = excluded.data",
            level,
            n,
            data,
        )
    moved = tx.run(
        "UPDATE log_head SET size = ?, root = ?, checkpoint = ? WHERE size = ? AND root = ?",
        *new,
        old.size,
        old.root,
    )
    if moved != 1:
        raise LogUnavailable("another sequencer moved the log's head")
