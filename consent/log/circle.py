"""The witnesses around one log: its newest checkpoint goes to each of them (C2SP tlog-witness).

docs/protocol.md section 6; c2sp.org/tlog-witness.

    begin      at the start, before anything new is signed: does a witness know more than we do?
    cover      a release waits here until a quorum has cosigned a tree that holds it
    refresh    behind the scenes: what else was logged, and cosignatures that grow old

One round is in flight, and one request for each witness. Whoever comes while a round runs shares
the next, so load makes batches by itself. A round ends as soon as it has its quorum: a witness that
hangs holds up nobody. The quorum is that of the vault's own policy and of the directory in force.

A witness that knows more of this log than the database holds, or another history of it, stops the
vault's logs: the database was rolled back, and to sign on would be a fork. What it refuses, and who
is silent while a release waits, is kept for others to judge (grounds.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from consent.log.checkpoint import read_checkpoint
from consent.log.far_witness import FarWitness, Seen, witnesses_of
from consent.log.note import Note, read_note
from consent.log.sequencer import Sequencer
from consent.log.submission import Line, Send
from consent.log.tlog_policy import NONE, LogPolicy, Opened
from consent.log.tree import Tree
from vault.errors import BadDatabase, LogUnavailable, VaultError

REFRESH = 3600
PATIENCE = 5.0
START_PATIENCE = 20.0
"""How long a round waits for its quorum, and the first one for everybody, in seconds."""


def time_of(opened: Opened) -> int:
    """Return the unix seconds of the oldest cosignature of a cosigned checkpoint; 0: of none."""
    return min((one.time for one in opened.cosigned), default=0)


class _Round:
    """One checkpoint on its way to the witnesses, and the lines that came back."""

    left = 0
    """How many witnesses have not answered."""

    def __init__(
        self, signed: str, began: int, policies: tuple[LogPolicy, ...], keeps: bool
    ) -> None:
        self.signed, self.note = signed, read_note(signed)
        self.checkpoint = read_checkpoint(self.note.text)
        self.began, self.keeps = began, keeps
        self._policies = policies
        self.lines: list[Line] = []
        self.kept = False
        self.quorum, self.all_in = threading.Event(), threading.Event()

    def take(self, lines: list[Line]) -> bool:
        """Take a witness's lines; return whether the note is now worth keeping."""
        self.lines += lines
        self.left -= 1
        found = [line.cosigned.witness for line in self.lines]
        enough = all(policy.enough(found) for policy in self._policies)
        return bool(self.lines) and enough and (not self.kept or self.left == 0)

    def written(self) -> str:
        lines = (line.signature for line in self.lines)
        return str(Note(self.note.text, (*self.note.signatures, *lines)))


class Circle:
    """Brings the checkpoints of one log to the witnesses and keeps what the quorum cosigned."""

    def __init__(
        self,
        log: Sequencer,
        tree: Tree,
        policy: LogPolicy,
        listed: Callable[[], LogPolicy],
        send: Send,
        wall: Callable[[], int],
    ) -> None:
        """Ask nobody yet.

        Args:
            log: which is stopped when a witness knows more; its shelf keeps why.
            tree: whose checkpoints; made under the same policy.
            policy: the witnesses to ask, with their URLs, and the vault's own quorum.
            listed: gives the witnesses and the quorum that the directory in force has for this log.
            send: carries a request to a witness.
            wall: the wall clock, unix seconds.
        """
        self._log, self._tree, self._policy, self._listed = log, tree, policy, listed
        self._wall = wall
        self._witnesses = witnesses_of(policy, tree, send, wall, log.shelf)
        self._turn = threading.Condition()
        self._running, self._failed = False, False
        self._begun = self._done = 0
        self._saving = threading.Lock()
        self._newest: _Round | None = None
        self._closed = False

    @property
    def seen(self) -> tuple[Seen, ...]:
        """Each witness as it was heard last."""
        return tuple(witness.seen for witness in self._witnesses)

    def begin(self) -> None:
        """Ask every witness once; who does not answer is only missing.

        Raises:
            BadDatabase: a witness knows more entries than the database has, or another history.
        """
        if self._witnesses:
            self._make_round(whole=True)
        if self._log.stopped:
            raise BadDatabase(self._log.stopped)

    def look(self) -> None:
        """Ask every witness once and keep nothing; raises LogUnavailable where begin would."""
        self._make_round(whole=True, keeps=False)
        self._log.check_running()

    def cover(self, index: int) -> None:
        """Return when a quorum has cosigned a tree that holds this entry.

        At once when nobody asks for a quorum. While witnesses are missing, one caller at a time
        tries them, and the others are told: they would keep the server from everybody else.

        Raises:
            LogUnavailable: the quorum is missing, or the log was stopped.
        """
        if not self._asked() or self._covers(index):
            return
        self._share(lambda: self._covers(index), patient=False)
        self._log.check_running()
        if not self._covers(index):
            for witness in self._witnesses:
                witness.grounds.keep_silence()
            raise LogUnavailable(self._told())

    def refresh(self) -> None:
        """Make a round when entries are not covered or cosignatures are an hour old."""
        if self._witnesses and not self._log.stopped and self.due():
            self._share(lambda: not self.due(), patient=True)

    def due(self) -> bool:
        """Return whether entries are not covered, or cosignatures of a log that goes on are old."""
        cosigned = self.cosigned()
        if cosigned is None or cosigned.checkpoint.size < self._tree.size():
            return True
        old = self._wall() - time_of(cosigned) >= REFRESH and not self._tree.is_closed()
        return old or not _enough(self._listed(), cosigned)

    def holds(self) -> bool:
        """Return whether a release of this log would not be answered now."""
        cosigned = self.cosigned()
        lacking = cosigned is None or not _enough(self._listed(), cosigned)
        return self._asked() and (lacking or self._failed)

    def listed(self) -> int:
        """Return how many witnesses the directory asks for."""
        listed = self._listed()
        return listed.groups[listed.quorum].least if listed.quorum in listed.groups else 0

    def cosigned(self) -> Opened | None:
        """Return the newest checkpoint of this log that had the quorum; None: there was none."""
        return self._tree.cosigned(tuple(self._listed().keys))

    def close(self) -> None:
        """Keep nothing more: the database is about to be closed."""
        with self._saving:
            self._closed = True

    def _asked(self) -> bool:
        return self._policy.quorum != NONE or self._listed().quorum != NONE

    def _covers(self, index: int) -> bool:
        cosigned = self.cosigned()
        covers = cosigned is not None and cosigned.checkpoint.size > index
        return covers and cosigned is not None and _enough(self._listed(), cosigned)

    def _told(self) -> str:
        cosigned = self.cosigned()
        silent = (w for w in self._witnesses if w.seen.state != "ok" or w.asked.locked())
        missing = [w.seen.name for w in silent]
        without = f" without {', '.join(missing)}" if missing else ""
        if cosigned is None:
            return f"the quorum of witnesses is missing{without}; no checkpoint was cosigned yet"
        return (
            f"the quorum of witnesses is missing{without}; the newest cosigned checkpoint has"
            f" {cosigned.checkpoint.size} entries and is {self._wall() - time_of(cosigned)} s old"
        )

    def _share(self, done: Callable[[], bool], patient: bool) -> None:
        """Return after a round that began after this call, or when it is done before."""
        with self._turn:
            wanted = self._begun + 1
            while self._running and self._done < wanted:
                if self._failed and not patient:
                    return
                self._turn.wait()
                if done():
                    return
            if self._done >= wanted:
                return
            self._running, self._begun = True, self._begun + 1
        try:
            self._make_round(whole=False)
        finally:
            with self._turn:
                self._running, self._done = False, self._begun
                self._turn.notify_all()

    def _make_round(self, whole: bool, keeps: bool = True) -> None:
        self._log.check_running()
        signed, policies = self._tree.head(), (self._policy, self._listed())
        made = _Round(signed, self._wall(), policies, keeps)
        # From here to the threads nothing may raise: who is asked and never answers stays asked.
        free = [w for w in self._witnesses if w.asked.acquire(blocking=False)]
        made.left, self._newest = len(free), made
        for witness in free:
            self._start(witness, made)
        if free:
            (made.all_in if whole else made.quorum).wait(START_PATIENCE if whole else PATIENCE)
        self._failed = not made.kept

    def _start(self, witness: FarWitness, made: _Round) -> None:
        name = f"witness {witness.seen.name}"
        work = partial(self._bring, witness, made)
        try:
            threading.Thread(target=work, name=name, daemon=True).start()
        except RuntimeError:  # no thread is to be had; it is only missing, and asked the next time
            witness.miss()
            witness.asked.release()
            self._hand_in(made, [])

    def _bring(self, witness: FarWitness, made: _Round) -> None:
        """Ask one witness and hand its lines in, in a thread of its own."""
        lines: list[Line] = []
        try:
            lines = witness.ask(made.signed, made.checkpoint, made.began)
        except BadDatabase as another:
            self._log.stop(str(another))  # before anything else: what comes now may take its time
            witness.keep_ahead(made.signed)
        except VaultError:
            pass  # it is only missing; its state says so
        finally:
            witness.asked.release()
            self._hand_in(made, lines)

    def _hand_in(self, made: _Round, lines: list[Line]) -> None:
        try:
            with self._saving:
                worth = made.take(lines)
                if worth and made is self._newest and not self._closed:
                    if made.keeps:
                        self._log.check_running()
                        self._tree.keep_cosigned(made.written())
                    made.kept = True
        except LogUnavailable:
            made.kept = False
        finally:
            if made.kept or made.left == 0 or self._log.stopped:
                made.quorum.set()
            if made.left == 0:
                made.all_in.set()


def _enough(policy: LogPolicy, opened: Opened) -> bool:
    return policy.enough([one.witness for one in opened.cosigned])
