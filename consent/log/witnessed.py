"""The cosigned checkpoint: the newest one that had the quorum, with its cosignatures, as stored.

docs/protocol.md section 6.

    vault.example/log                                 the checkpoint, signed by the log
    12
    UNqiDaeBrvmgKEnEhKBvAkS4KcnscSTzHKDaHEzUMos=

    — vault.example/log y7tueCU0me7z…
    — w1.example idPd5gAAAABkGFDL…                    and by a quorum of witnesses
    — w2.example …

It never goes back: a smaller tree, or older cosignatures of the same tree, do not replace it.
"""

from __future__ import annotations

from functools import lru_cache

from consent.log import rows
from consent.log.note import VerifierKey
from consent.log.tlog_policy import NONE, LogPolicy, Opened, open_checkpoint
from vault.errors import BadProof, BadShape, NotWitnessed
from vault.storage.database import Transaction


class Witnessed:
    """Reads and replaces the cosigned checkpoint of one log under one policy."""

    def __init__(self, log: int, key: VerifierKey, policy: LogPolicy) -> None:
        """Stand on the log's number and key, and on the witnesses and quorum of the policy."""
        self._log, self._key, self._policy = log, key, policy
        self._verify = lru_cache(maxsize=4)(self._verified)

    @property
    def asked(self) -> bool:
        """Whether the policy asks for a quorum at all."""
        return self._policy.quorum != NONE

    def read(self, tx: Transaction) -> Opened | None:
        """Return the cosigned checkpoint; None when there is none, or the policy now asks for more.

        Raises:
            BadProof: what is stored does not verify.
        """
        return self._opened(rows.note_of(tx, self._log))

    def head(self, tx: Transaction) -> rows.Head | None:
        """Return the tree of the cosigned checkpoint; None and BadProof as read."""
        opened = self.read(tx)
        return None if opened is None else self._head(tx, opened)

    def last(self, tx: Transaction, keys: tuple[VerifierKey, ...] = ()) -> Opened | None:
        """Return the cosigned checkpoint of a closed log's last tree, None when there is none yet.

        It had the quorum when it was kept. Who witnesses the logs after it may be others, so it is
        read with these `keys` beside those of the policy.

        Raises:
            BadProof: what is stored does not verify.
        """
        signed, head = rows.note_of(tx, self._log), rows.head_of(tx, self._log)
        if not signed:
            return None
        opened = self._verify(signed, tuple(dict.fromkeys((*self._policy.keys, *keys))))
        return opened if opened.checkpoint.size == head.size else None

    def last_head(self, tx: Transaction) -> rows.Head | None:
        """Return a closed log's last tree with the cosigned checkpoint; None, BadProof as last."""
        opened = self.last(tx)
        return None if opened is None else self._head(tx, opened)

    def replace(self, tx: Transaction, signed: str) -> None:
        """Store a cosigned checkpoint of the stored tree, unless a newer one stands there.

        Raises:
            BadProof: it does not verify, or is of another tree.
            NotWitnessed: the quorum is missing.
        """
        opened = self._opened(signed)
        if opened is None:
            raise NotWitnessed(f"wanted cosignatures of the quorum {self._policy.quorum}")
        rows.check_extends(tx, self._log, opened.checkpoint)
        kept = self.read(tx)
        if kept is None or _newness(opened) >= _newness(kept):
            rows.store_note(tx, self._log, signed)

    def _head(self, tx: Transaction, opened: Opened) -> rows.Head:
        tree, head = opened.checkpoint, rows.head_of(tx, self._log)
        return head._replace(size=tree.size, root=tree.root, checkpoint=rows.note_of(tx, self._log))

    def _opened(self, signed: str) -> Opened | None:
        if not signed:
            return None
        opened = self._verify(signed, tuple(self._policy.keys))
        found = [one.witness for one in opened.cosigned]
        return opened if found and self._policy.enough(found) else None

    def _verified(self, signed: str, keys: tuple[VerifierKey, ...]) -> Opened:
        try:
            return open_checkpoint(signed, self._key, keys)
        except BadShape as bad:
            raise BadProof(f"the cosigned checkpoint cannot be read: {bad}") from bad


def _newness(opened: Opened) -> tuple[int, int]:
    return opened.checkpoint.size, max(one.time for one in opened.cosigned)
