"""One log of the vault, as it is read: its head, its tiles, its proofs.

docs/protocol.md section 6.

    tree.vkey                     its key; the name is the origin
    tree.head(), tree.size()      the newest tree, which no witness need have seen
    tree.checkpoint()             the checkpoint to show
    tree.tile("tile/0/000.p/44")  a tile or entry bundle

A vault has one such log until the first turn. A log that ended is closed: its last tree is the only
one that counts, and every proof of it stands on that tree's checkpoint. Only sequencer.py writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from consent.log import merkle, rows, tiles
from consent.log.note import ED25519, VerifierKey, read_vkey
from consent.log.proof import Proof, leaf_data
from consent.log.tlog_policy import LogPolicy, Opened, open_checkpoint
from consent.log.witnessed import Witnessed
from vault import journal
from vault.crypto.keys import SigningKey
from vault.errors import BadDatabase, BadProof, LogUnavailable
from vault.storage.database import Database, Transaction

T = TypeVar("T")
KEPT_HASHES = 200_000


@contextmanager
def in_service() -> Iterator[None]:
    """Let a stored log that does not hold together be one that cannot be used now."""
    try:
        yield
    except (BadDatabase, BadProof) as bad:
        raise LogUnavailable(f"the stored log does not hold together: {bad}") from bad


class Tree:
    """One log in the database: number 0 is the first, and each turn begins the next."""

    def __init__(
        self, database: Database, number: int, name: tuple[str, SigningKey], policy: LogPolicy
    ) -> None:
        """Read nothing yet; `name` is the log's origin and its key.

        Raises:
            BadShape: the origin cannot be a key's name.
        """
        origin, self.key = name
        self.number = number
        self.vkey = read_vkey(str(VerifierKey(origin, ED25519, self.key.public)))
        self._database = database
        self._witnessed = Witnessed(number, self.vkey, policy)
        self._kept = tiles.Kept(KEPT_HASHES)

    def head(self) -> str:
        """Return the newest signed checkpoint; no witness need have seen it."""
        return self._read(self._head).checkpoint

    def size(self) -> int:
        """Return how many entries the log has."""
        return self._read(self._head).size

    def has_begun(self) -> bool:
        """Return whether there is anything of this log."""
        return self._read(lambda tx: rows.find_head(tx, self.number)) is not None

    def is_closed(self) -> bool:
        """Return whether another log follows this one."""
        return self._read(lambda tx: rows.is_closed(tx, self.number))

    def checkpoint(self) -> str:
        """Return the checkpoint to show: the cosigned one, which may be older than the newest.

        The newest where none is cosigned, or where the policy asks for no quorum.
        """
        return self._read(self._shown).checkpoint

    def cosigned(self, keys: tuple[VerifierKey, ...] = ()) -> Opened | None:
        """Return the newest checkpoint that had the quorum; None: there was none yet.

        Of a closed log only the last checkpoint counts; `keys` are those of witnesses whom the
        policy need not name any more.
        """

        def work(tx: Transaction) -> Opened | None:
            closed = rows.is_closed(tx, self.number)
            return self._witnessed.last(tx, keys) if closed else self._witnessed.read(tx)

        return self._read(work)

    def kept(self) -> str:
        """Return the note of the cosigned checkpoint as it is stored; empty: there was none yet."""
        return self._read(lambda tx: rows.note_of(tx, self.number))

    def tiles_at(self, size: int) -> tiles.ReadTile:
        """Return the reader of the tiles as they are in the tree of the first `size` entries."""

        def read(level: int, n: int) -> bytes:
            width = tiles.width_at(size, level, n) * merkle.HASH_SIZE
            return self._read(lambda tx: rows.tiles_of(tx, self.number)(level, n))[:width]

        return read

    def keep_cosigned(self, signed: str) -> None:
        """Keep a checkpoint of this tree that has the quorum, unless a newer one is kept.

        Raises:
            LogUnavailable: it is of another tree, or too few cosigned.
        """
        with in_service():
            self._database.write(partial(self._witnessed.replace, signed=signed))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the first `old` entries are the beginning of the first `new`.

        Raises:
            LogUnavailable: not 0 <= old <= new <= size, or the stored log is damaged.
        """

        def work(tx: Transaction) -> list[bytes]:
            head, find = self._head(tx), self._kept.over(rows.tiles_of(tx, self.number))
            if new > head.size:
                raise BadProof(f"the log has {head.size} entries, not {new}")
            proof = merkle.prove_consistency(old, new, find)
            root = head.root if new == head.size else merkle.root_at(new, find)
            merkle.verify_consistency(old, new, merkle.root_at(old, find), root, proof)
            return proof

        return self._read(work)

    def tile(self, path: str) -> bytes:
        """Return the bytes of a tile or entry bundle, ``tile/…`` as C2SP tlog-tiles names it.

        Raises:
            NotFound: no such path, or beyond the published size.
            LogUnavailable: the stored log is damaged.
        """
        wanted = tiles.read_path(path)
        return self._read(
            lambda tx: tiles.cut(wanted, self._head(tx).size, rows.tiles_of(tx, self.number))
        )

    def verify(self, tx: Transaction, head: rows.Head) -> None:
        """Return when the stored head and cosigned checkpoint are this log's.

        Raises:
            BadProof, BadShape, BadDatabase: not by this key, or the right edge does not lead there.
        """
        signed = open_checkpoint(head.checkpoint, self.vkey).checkpoint
        if (signed.size, signed.root) != (head.size, head.root):
            raise BadProof("the head is not the one that was signed")
        tiles.verify_edge(head.size, head.root, rows.tiles_of(tx, self.number))
        if note := rows.note_of(tx, self.number):
            rows.check_known(tx, self.number, self.vkey, note)
            self._witnessed.read(tx)

    def proof(self, tx: Transaction, row: journal.Entry, place: int) -> str:
        """Return the proof file of a journal row at its place, verified as its reader will.

        Raises:
            BadProof: it does not verify.
        """
        head = self._stand(tx, place)
        index = place - head.base
        path = merkle.prove_inclusion(
            index, head.size, self._kept.over(rows.tiles_of(tx, self.number))
        )
        leaf = merkle.leaf_hash(leaf_data(row.salt, row.at, row.text))
        merkle.verify_inclusion(leaf, index, head.size, head.root, path)
        return str(Proof(row.salt, row.at, index, tuple(path), head.checkpoint))

    def _stand(self, tx: Transaction, place: int) -> rows.Head:
        """Return the tree that a proof of this place stands on."""
        if rows.is_closed(tx, self.number):
            return self._witnessed.last_head(tx) or self._head(tx)
        head = self._witnessed.head(tx)
        if head is None or head.base + head.size <= place:
            return self._head(tx)
        return head

    def _head(self, tx: Transaction) -> rows.Head:
        return rows.head_of(tx, self.number)

    def _shown(self, tx: Transaction) -> rows.Head:
        head = self._head(tx)
        if rows.is_closed(tx, self.number) and (last := self._witnessed.last_head(tx)):
            return last
        known = self._witnessed.head(tx)
        if known and (self._witnessed.asked or known.size == head.size):
            return known
        return head

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with in_service():
            return self._database.read(work)
