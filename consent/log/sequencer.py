"""The sequencer: takes what waits in the journal into the tree, and proves that it is there.

docs/protocol.md section 6.

    business transaction   journal row, position null                                (others)
    sequence               all waiting rows → tiles → root → signed checkpoint → positions
    prove                  the proof file of one row, durable before it is returned
    keep_cosigned          the newest checkpoint that a quorum of witnesses cosigned (rounds.py)

The tree lives in the application's database: log_tile, one row per tile, and log_head.
Nothing of it is kept in memory but hashes that never change, so after a commit whose outcome is
unknown the next call finds in the database what became of it, and nothing is sequenced twice.
A proof stands on the cosigned checkpoint as soon as that covers its entry, before on the newest.

A row marked `turns` is the last entry of its log: with it the log's last checkpoint is signed, and
the next log begins with an empty tree under the next key. Places count on through all logs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from consent.log import growth, rows
from consent.log.checkpoint import read_checkpoint
from consent.log.grounds import NoShelf, Shelf, keep_known
from consent.log.note import VerifierKey, read_note
from consent.log.tlog_policy import LogPolicy, Opened
from consent.log.tree import Tree, in_service
from vault import faults
from vault.crypto.keys import SigningKey
from vault.errors import BadDatabase, BadProof, BadShape, LogUnavailable, NotFound
from vault.messages import ClosedLog
from vault.storage.database import Database, Transaction

T = TypeVar("T")


class Sequencer:
    """The one writer of the vault's logs; what HTTP reads of each is its Tree."""

    def __init__(
        self,
        database: Database,
        origin: str,
        key: SigningKey,
        known: Sequence[str] = (),
        keep: Callable[[str], None] = lambda _: None,
        policy: LogPolicy | None = None,
        later: Sequence[tuple[str, SigningKey]] = (),
        shelf: Shelf | None = None,
    ) -> None:
        """Open the logs, signing the empty tree when the first one is new.

        Args:
            database: holds the journal and the logs' tables.
            origin: the first log's name in checkpoints, its URL without the scheme.
            key: that log's own key, used for nothing else.
            known: signed checkpoints known outside the database; the stored logs extend them.
            keep: called with each new signed checkpoint, after its commit and in their order.
            policy: the witnesses and the quorum that make a checkpoint a cosigned one.
            later: origins and keys of the logs that follow, in their order; one signs nothing
                before the turn to it.
            shelf: where evidence is put of what was refused; None: it is not kept.

        Raises:
            BadShape: an origin cannot be a key's name.
            BadDatabase: a stored head or cosigned checkpoint is not by its key, the right edge
                does not lead to it, or a log is older than a known checkpoint or not an
                extension of it.
        """
        names, policy = ((origin, key), *later), policy or LogPolicy()
        self.trees = tuple(Tree(database, n, name, policy) for n, name in enumerate(names))
        self._database = database
        self._keep = keep
        self.stopped, self.shelf = "", shelf or NoShelf()
        self._lock = threading.Lock()
        self._last = database.write(self._begin)
        for checkpoint in known:
            self._check_known(checkpoint)
        keep(database.read(rows.known_outside))

    @property
    def running(self) -> Tree:
        """The log that goes on."""
        return self.trees[self._read(rows.running_head).log]

    @property
    def vkey(self) -> VerifierKey:
        """The key of the log that goes on."""
        return self.running.vkey

    def named(self, name: str) -> Tree:
        """Return the log of a name; the first one's is empty.

        Raises:
            NotFound: there is no such log, or it has not begun.
        """
        first = self.trees[0].vkey.name
        origin = f"{first}/{name}" if name else first
        for tree in self.trees:
            if tree.vkey.name == origin and (tree.number == 0 or tree.has_begun()):
                return tree
        raise NotFound("this vault has no log of this name")

    def sequence(self) -> None:
        """Take every waiting row of the journal into its log; return when that is durable.

        Raises:
            LogUnavailable: the stored log is damaged or went back; nothing was signed.
        """
        with self._lock, in_service():
            self._take()

    def prove(self, name: bytes) -> str:
        """Return the proof file of a journal text by its hash, once its log holds it durably.

        It is in the tree of the cosigned checkpoint when that covers the entry; else in the newest
        tree, on the log's signature alone. In a closed log it is in the last tree. After any error
        the same call can be made again.

        Raises:
            NotFound: no such text.
            LogUnavailable: the stored log is damaged or went back, or was stopped.
        """
        self.place(name)
        return self._read(lambda tx: self._proof(tx, name))

    def place(self, name: bytes) -> int:
        """Return the place of a journal text by its hash, once its log holds it durably.

        While one caller sequences, those who come wait and find their rows taken along: load makes
        batches by itself.

        Raises:
            NotFound, LogUnavailable: as prove.
        """
        self.check_running()
        place = self._read(lambda tx: rows.entry_of(tx, name).position)
        if place is None:
            with self._lock, in_service():
                if self._database.read(lambda tx: rows.entry_of(tx, name).position) is None:
                    self._take()
            place = self._read(lambda tx: rows.entry_of(tx, name).position)
        if place is None:
            raise LogUnavailable("the entry was not taken into the log")
        return place

    def tree_at(self, place: int) -> tuple[Tree, int]:
        """Return the log that holds this place, and the index there; raises LogUnavailable."""
        head = self._read(lambda tx: rows.head_at(tx, place))
        return self.trees[head.log], place - head.base

    def head(self) -> str:
        """Return the newest signed checkpoint of the log that goes on."""
        return self.running.head()

    def size(self) -> int:
        """Return how many entries the log that goes on has."""
        return self.running.size()

    def checkpoint(self) -> str:
        """Return the checkpoint to show of the log that goes on."""
        return self.running.checkpoint()

    def cosigned(self) -> Opened | None:
        """Return the newest checkpoint of the log that goes on that had the quorum, if any."""
        return self.running.cosigned()

    def keep_cosigned(self, signed: str) -> None:
        """Keep a checkpoint of the log that goes on; raises LogUnavailable as Tree does."""
        self.check_running()
        self.running.keep_cosigned(signed)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the log that goes on grew; raises LogUnavailable as Tree does."""
        return self.running.consistency(old, new)

    def tile(self, path: str) -> bytes:
        """Return the bytes of a tile of the log that goes on; raises as Tree does."""
        return self.running.tile(path)

    def check_closed(self, tx: Transaction, closed: ClosedLog) -> None:
        """Return when a log ended as it is listed.

        Raises:
            LogUnavailable: it has not ended, or its last entry is not in it yet.
            BadShape: it ended with another tree.
        """
        number = next((t.number for t in self.trees if str(t.vkey) == closed.vkey), None)
        if number is None or not rows.is_closed(tx, number):
            raise LogUnavailable(f"the log {closed.origin[:80]} has not ended: ask for its proof")
        head = rows.head_of(tx, number)
        if (closed.size, closed.root) != (head.size, head.root):
            raise BadShape(f"{closed.origin} ended with {head.size} entries and another root")

    def stop(self, reason: str) -> None:
        """Sequence and prove nothing more until the next start: to go on would sign a fork."""
        self.stopped = self.stopped or reason

    def check_running(self) -> None:
        """Return when the log was not stopped; raises LogUnavailable with the reason."""
        if self.stopped:
            raise LogUnavailable(f"the log was stopped: {self.stopped}")

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with in_service():
            return self._database.read(work)

    def _begin(self, tx: Transaction) -> rows.Head:
        heads = rows.heads_of(tx)
        if not heads:
            heads = [growth.begin(tx, self.trees[0], 0)]
        try:
            self._verify(tx, heads)
        except (BadProof, BadShape) as bad:
            raise BadDatabase(f"the stored log does not hold together: {bad}") from bad
        return heads[-1]

    def _verify(self, tx: Transaction, heads: list[rows.Head]) -> None:
        if len(heads) > len(self.trees):
            raise BadProof(f"the database has {len(heads)} logs, and there are keys for fewer")
        base = 0
        for number, head in enumerate(heads):
            if (head.log, head.base) != (number, base):
                raise BadProof(f"log {head.log} begins at {head.base}, not at {base}")
            self.trees[number].verify(tx, head)
            base += head.size
        if rows.count(tx, "SELECT count(*) FROM journal WHERE position >= ?", base):
            raise BadProof(f"the journal has positions beyond the log's size {base}")
        sql = "SELECT count(*) FROM journal WHERE turns = 1 AND position IS NOT NULL"
        if rows.count(tx, sql) != len(heads) - 1:
            raise BadProof(f"the journal's turns are not those of {len(heads)} logs")

    def _check_known(self, text: str) -> None:
        """Return when the log of a known checkpoint's origin extends it; raises BadDatabase."""
        try:
            origin = read_checkpoint(read_note(text).text).origin
        except BadShape as bad:
            raise BadDatabase(f"the known checkpoint is not one of this log: {bad}") from bad
        tree = next((tree for tree in self.trees if tree.vkey.name == origin), self.trees[0])
        try:
            self._database.read(lambda tx: rows.check_known(tx, tree.number, tree.vkey, text))
        except BadDatabase:
            keep_known(self.shelf, tree, text)
            raise

    def _take(self) -> None:
        """Take all waiting rows; the caller holds the lock."""
        self.check_running()
        before, self._last = self._last, self._database.write(self._append)
        faults.point("sequence-after-commit")
        if self._last.checkpoint != before.checkpoint:
            self._keep(self._database.read(rows.known_outside))

    def _append(self, tx: Transaction) -> rows.Head:
        """Return the head after all waiting rows; what stands is verified before more is signed."""
        head, waiting = rows.running_head(tx), growth.waiting_of(tx)
        self._check_forward(head)
        for part in growth.parts(waiting):
            head = growth.grow(tx, self.trees[head.log], head, part)
            if part[-1].turns:
                head = growth.begin(tx, self._after(head.log), head.base + head.size)
        if waiting:
            faults.point("sequence-before-commit")
        return head

    def _after(self, log: int) -> Tree:
        if log + 1 == len(self.trees):
            raise BadDatabase("the log turns to one of which there is no key here")
        return self.trees[log + 1]

    def _check_forward(self, head: rows.Head) -> None:
        # What was committed may have left: a smaller tree, or another one, must never be signed.
        last = self._last
        at, before = (head.log, head.size), (last.log, last.size)
        if at < before or (at == before and head.root != last.root):
            raise BadDatabase(f"the log went back from size {last.size} to {head.size}")

    def _proof(self, tx: Transaction, name: bytes) -> str:
        row = rows.entry_of(tx, name)
        if row.position is None:
            raise LogUnavailable("the entry was not taken into the log")
        return self.trees[rows.head_at(tx, row.position).log].proof(tx, row, row.position)
