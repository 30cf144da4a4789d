"""How the stored logs grow: waiting rows become leaves, and after a log that ended the next begins.

docs/protocol.md section 6.

    waiting_of(tx)               what has no place yet, oldest first
    parts(waiting)               the same, cut after each row that turns
    grow(tx, tree, head, part)   those rows in the tree, signed by its key
    begin(tx, tree, base)        the empty tree of a log

All of it runs inside the sequencer's transaction, and nowhere else is a checkpoint signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from consent.log import merkle, rows, tiles
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.proof import leaf_data
from consent.log.tree import Tree
from vault.errors import BadProof
from vault.storage.database import Transaction


class Waiting(NamedTuple):
    """A journal row without a place: unix seconds, whether it ends its log, salt and JWS."""

    id: int
    at: int
    turns: int
    salt: bytes
    text: str


def waiting_of(tx: Transaction) -> list[Waiting]:
    """Return every row that waits for its place, in the order they were taken."""
    return tx.all(
        Waiting,
        "SELECT id, at, turns, salt, text FROM journal WHERE position IS NULL ORDER BY id",
    )


def parts(waiting: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    """Yield the rows of each log: a row that turns is the last of its log."""
    part: list[Waiting] = []
    for row in waiting:
        part.append(row)
        if row.turns:
            yield part
            part = []
    if part:
        yield part


def grow(tx: Transaction, tree: Tree, head: rows.Head, waiting: Sequence[Waiting]) -> rows.Head:
    """Return the head of a log with these rows; what stands is verified before more is signed.

    Raises:
        BadProof: the stored right edge does not lead to the root.
        LogUnavailable: another sequencer moved the head.
    """
    read = rows.tiles_of(tx, tree.number)
    if merkle.root_at(head.size, tiles.subtrees(read)) != head.root:
        raise BadProof("the right edge does not lead to the root")
    entries = [leaf_data(row.salt, row.at, row.text) for row in waiting]
    changed = tiles.grow(head.size, entries, read)
    size = head.size + len(entries)
    grown = tiles.subtrees(lambda level, n: changed.get((level, n)) or read(level, n))
    new = _signed(tree, head.base, size, merkle.root_at(size, grown))
    rows.move_head(tx, head, new, changed)
    for place, row in enumerate(waiting, head.base + head.size):
        tx.run("UPDATE journal SET position = ? WHERE id = ?", place, row.id)
    return new


def begin(tx: Transaction, tree: Tree, base: int) -> rows.Head:
    """Return the head of a new log, the empty tree; `base` entries stand in the logs before."""
    head = _signed(tree, base, 0, merkle.EMPTY_ROOT)
    rows.add_head(tx, head)
    return head


def _signed(tree: Tree, base: int, size: int, root: bytes) -> rows.Head:
    checkpoint = Checkpoint(tree.vkey.name, size, root)
    return rows.Head(tree.number, base, size, root, sign_checkpoint(checkpoint, tree.key))
