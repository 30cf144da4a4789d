"""The log's side of witnessing: which logs' checkpoints are brought to the witnesses, and when.

docs/protocol.md section 6; circle.py says how one is brought.

    the log that goes on    its newest checkpoint, and again when its cosignatures grow old
    a log that ended        its last checkpoint, until that has the quorum; then never again
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from consent.log.circle import Circle
from consent.log.far_witness import Seen
from consent.log.note import VerifierKey
from consent.log.sequencer import Sequencer
from consent.log.submission import Send
from consent.log.tlog_policy import NONE, LogPolicy, Opened


class Ended(NamedTuple):
    """A log that ended: its origin, its size in entries, and its last checkpoint once cosigned."""

    origin: str
    size: int
    cosigned: Opened | None


class Standing(NamedTuple):
    """Where witnessing stands.

    `named` is the quorum of the vault's policy, `listed` how many witnesses the directory asks for;
    `held` says that a release would not be answered now. All is of the log that goes on; `earlier`
    are those before it.
    """

    origin: str
    size: int
    cosigned: Opened | None
    named: str
    listed: int
    witnesses: tuple[Seen, ...]
    held: bool
    earlier: tuple[Ended, ...]

    @property
    def asked(self) -> bool:
        """Whether anybody asks for a quorum."""
        return (self.named, self.listed) != (NONE, 0)


class Rounds:
    """Brings every log's checkpoints to the witnesses."""

    def __init__(
        self,
        log: Sequencer,
        policy: LogPolicy,
        listed: Callable[[VerifierKey], LogPolicy],
        send: Send,
        wall: Callable[[], int],
    ) -> None:
        """Ask nobody yet.

        Args:
            log: whose checkpoints; made under the same policy.
            policy: the witnesses to ask, with their URLs, and the vault's own quorum.
            listed: gives the witnesses and the quorum that the directory in force has for a log.
            send: carries a request to a witness.
            wall: the wall clock, unix seconds.
        """
        self._log, self._policy = log, policy
        self.circles = tuple(
            Circle(log, tree, policy, partial(listed, tree.vkey), send, wall) for tree in log.trees
        )

    @property
    def has_witnesses(self) -> bool:
        """Whether there is a witness to ask."""
        return bool(self._policy.witnesses)

    def begin(self) -> None:
        """Ask every witness once of each log; who does not answer is only missing.

        Raises:
            BadDatabase: a witness knows more entries than the database has, or another history.
        """
        for circle in self._open():
            circle.begin()

    def look(self) -> None:
        """Ask every witness once and keep nothing; raises LogUnavailable where begin would."""
        for circle in self._open():
            circle.look()

    def cover(self, name: bytes) -> None:
        """Return when a quorum has cosigned a tree that holds the journal text of this hash.

        Raises:
            NotFound: no such text.
            LogUnavailable: the quorum is missing, or the log was stopped.
        """
        tree, index = self._log.tree_at(self._log.place(name))
        self.circles[tree.number].cover(index)

    def refresh(self) -> None:
        """Make a round for each log of which entries are not covered, or cosignatures are old."""
        for circle in self._open():
            circle.refresh()

    def standing(self) -> Standing:
        """Return where witnessing stands; raises LogUnavailable when the log is damaged."""
        running = self._log.running
        circle, size = self.circles[running.number], running.size()
        turning = running.number > 0 and size == 0
        return Standing(
            running.vkey.name,
            size,
            circle.cosigned(),
            self._policy.quorum,
            circle.listed(),
            circle.seen,
            bool(self._log.stopped) or turning or circle.holds(),
            tuple(
                Ended(tree.vkey.name, tree.size(), self.circles[tree.number].cosigned())
                for tree in self._log.trees[: running.number]
            ),
        )

    def close(self) -> None:
        """Keep nothing more: the database is about to be closed."""
        for circle in self.circles:
            circle.close()

    def _open(self) -> Iterator[Circle]:
        """Yield the logs whose checkpoints are wanted, oldest first."""
        running = self._log.running.number
        for circle in self.circles[:running]:
            if circle.due():
                yield circle
        yield self.circles[running]
