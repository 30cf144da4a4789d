"""The logs of a vault in their order, and whether each one turns into the next as it must.

docs/protocol.md sections 6 and 7.

    log A   …, directory that names B     the turn: its last entry
    log B   directory that lists A, …     the closing: its first entry, with A's last size and root

    lineage.add(leaf)                     each leaf in order: a full tree is followed by a new one
    lineage.judge(index, old, new)        the directory in force before the entry, and after it
    lineage.finish()
    lineage.findings                      [Finding(index=90, rule="log", reason="…")]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consent.judged import JudgedLog, Later
from consent.log.checkpoint import Checkpoint
from consent.log.merkle import EMPTY_ROOT, node_hash
from consent.log.note import VerifierKey, read_vkey
from consent.log.tlog_policy import open_checkpoint
from consent.logged import path_under
from consent.readings import says_directory
from consent.replay import Finding
from vault.directory import Directory
from vault.encoding import read_envelope
from vault.errors import BadDirectory, BadInput, BadProof, BadShape
from vault.messages import ClosedLog, Listing, LogEntry

NOT_SERVED = "the log turned, and the one that it names is not served"


@dataclass(frozen=True)
class NextLog:
    """Where a log turns to: the next one's key, and where the vault serves it (/log/<name>)."""

    key: VerifierKey
    path: str


def next_log(text: str, log: VerifierKey, first: str) -> NextLog | None:
    """Return the log that a text names, when it is a directory and names another one.

    Nothing of it is verified: the judgement does that, and finds what is wrong.

    Args:
        text: the last entry of a log.
        log: the log that it stands in.
        first: the name of the vault's first log; all others stand under it.
    """
    if not says_directory(text):
        return None
    try:
        named = read_vkey(Listing.opened(read_envelope(text, Listing.typ)).log.vkey)
        found = NextLog(named, path_under(first, named.name))
    except (BadInput, BadProof, BadDirectory):
        return None
    return found if named.name not in (log.name, first) else None


def open_log(signed: str, log: VerifierKey) -> Checkpoint:
    """Return the checkpoint of a note; raises BadProof when this log did not sign it."""
    try:
        return open_checkpoint(signed, log).checkpoint
    except BadShape as bad:
        raise BadProof(f"the log's checkpoint cannot be read: {bad}") from bad


class Tree:
    """The root of a tree whose leaves come one by one: one hash a level is kept (RFC 6962)."""

    def __init__(self) -> None:
        """Start with no leaf."""
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add an entry's hash at the end."""
        full, self.size = self.size, self.size + 1
        while full & 1:
            leaf, full = node_hash(self._peaks.pop(), leaf), full >> 1
        self._peaks.append(leaf)

    def root(self) -> bytes:
        """Return the root over the leaves so far, 32 bytes."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            found = node_hash(peak, found)
        return found


@dataclass
class _Log:
    """One log under judgement; `entry` is how the directory in force listed it last."""

    key: VerifierKey
    vkey: str
    head: Checkpoint
    signed: str
    entry: LogEntry | None = None


class Lineage:
    """The logs under judgement: each one's tree, and how it goes over into the next."""

    def __init__(
        self, first: VerifierKey, signed: str, later: Sequence[Later], last: Checkpoint | None
    ) -> None:
        """Start before the first entry of the first log.

        Args:
            first: the pinned log.
            signed: its checkpoint.
            later: the logs that follow it, by their own word.
            last: what an earlier audit judged, its size counted over all logs.

        Raises:
            BadProof: a checkpoint is not its log's.
        """
        names = [(first, signed), *((read_vkey(log.vkey), log.signed) for log in later)]
        self.logs = [_Log(key, str(key), open_log(note, key), note) for key, note in names]
        self.findings: list[Finding] = []
        self._number, self._base, self._tree = 0, 0, Tree()
        self._last, self._begins = last, b""
        self._ended = b""  # the root that the log before ended with
        self._after_turn = False
        self._remember()

    @property
    def size(self) -> int:
        """How many entries the logs have by their checkpoints."""
        return sum(log.head.size for log in self.logs)

    @property
    def running(self) -> _Log:
        """The last log that holds an entry: what the audit is up to."""
        return next((log for log in reversed(self.logs) if log.head.size), self.logs[0])

    @property
    def judged(self) -> tuple[JudgedLog, ...]:
        """The logs that hold an entry."""
        return tuple(
            JudgedLog(log.key, log.head.size, log.head.root) for log in self.logs if log.head.size
        )

    @property
    def ends(self) -> list[tuple[int, _Log]]:
        """The logs that hold an entry, each with the index after its last one."""
        found, end = [], 0
        for log in self.logs:
            end += log.head.size
            if log.head.size:
                found.append((end, log))
        return found

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next entry, to the next log when the one before is full."""
        full = self._tree.size == self._log.head.size
        if full and self._number + 1 < len(self.logs):
            self._go_over()
        self._tree.add(leaf)
        self._remember()

    def judge(self, index: int, old: Directory | None, new: Directory | None) -> None:
        """Judge the entry just added by the directory in force before it, and after it."""
        if self._number and self._tree.size == 1:
            self._judge_first(index, old, new)
        elif new is old and (old is None or old.listing.log.vkey == self._log.vkey):
            return  # no directory, and the log goes on: nearly every entry
        else:
            self._judge_further(index, old, new)
        if new and new.listing.log.vkey == self._log.vkey:
            self._log.entry = new.listing.log

    def finish(self, held: Directory | None) -> None:
        """Judge what only shows at the end; `held` is the directory in force then."""
        if self._number + 1 < len(self.logs):
            self._go_over()  # a log with no entry yet
            if held is None or held.listing.log.vkey != self._log.vkey:
                self._find(self._base, f"no turn leads to the log {self._log.key.name}")
        elif held and held.listing.log.vkey != self._log.vkey and not self._after_turn:
            self._find(self.size, NOT_SERVED)
        self._check_root()
        head = Checkpoint(self._log.head.origin, self.size, self._log.head.root)
        self.findings += check_extends(self._last, head, self._begins)

    # One log

    @property
    def _log(self) -> _Log:
        return self.logs[self._number]

    def _find(self, index: int, reason: str) -> None:
        self.findings.append(Finding(index, "log", reason))

    def _remember(self) -> None:
        last = self._last
        here = (self._log.head.origin, self._base + self._tree.size)
        if last and here == (last.origin, last.size):
            self._begins = self._tree.root()

    def _go_over(self) -> None:
        self._check_root()
        self._ended = self._tree.root()
        self._base += self._tree.size
        self._number, self._tree, self._after_turn = self._number + 1, Tree(), False
        self._remember()

    def _check_root(self) -> None:
        head = self._log.head
        if self._tree.root() != head.root:
            reason = "the entries served are not the tree of the checkpoint"
            self.findings.append(Finding(self._base + head.size, "root", reason))

    # What the directories say

    def _judge_first(self, index: int, old: Directory | None, new: Directory | None) -> None:
        """The first entry of a log after the first one is the closing directory."""
        log, before = self._log, self.logs[self._number - 1]
        if old is None or new is None or old.listing.log.vkey != log.vkey:
            self._after_turn = True  # told here, and not again at the next entry
            self._find(index, f"no turn leads to the log {log.key.name}")
            return
        lists_one = len(new.earlier) == len(old.earlier) + 1
        if new is old or new.listing.log.vkey != log.vkey or not lists_one:
            self._find(index, f"wanted the directory that lists {before.key.name} as ended")
            return
        closed = new.earlier[-1]
        if (closed.size, closed.root) != (before.head.size, self._ended):
            reason = f"{closed.origin} is listed with {closed.size} entries or a root that it"
            self._find(index, f"{reason} did not end with: found {before.head.size} entries")
        if before.entry is None or _terms(closed) != _terms(before.entry):
            self._find(index, f"{before.key.name} is listed otherwise than while it went on")

    def _judge_further(self, index: int, old: Directory | None, new: Directory | None) -> None:
        turned = old is not None and old.listing.log.vkey != self._log.vkey
        if turned and not self._after_turn:
            self._after_turn = True
            self._find(index, "it stands after the entry that ended its log")
        if new is None or new is old:
            return
        if new.earlier != (old.earlier if old else ()):
            self._find(index, "the directory lists another log as ended, and opens no log")
        if new.listing.log.vkey != self._log.vkey and not turned:
            self._judge_turn(index, new)

    def _judge_turn(self, index: int, turn: Directory) -> None:
        origin = turn.listing.log.vkey.partition("+")[0]
        if self._tree.size != self._log.head.size:
            self._find(index, f"it names the log {origin}, and is not the last entry of its own")
        if next_log(turn.text, self._log.key, self.logs[0].key.name) is None:
            self._find(index, f"the log {origin} is none that stands under the first one")


def _terms(log: LogEntry | ClosedLog) -> tuple[str, str, tuple[str, ...], int]:
    return log.origin, log.vkey, log.witnesses, log.quorum


def check_extends(last: Checkpoint | None, head: Checkpoint, begins: bytes) -> list[Finding]:
    """Return a finding when the tree does not begin with the one of an earlier checkpoint.

    Args:
        last: the earlier checkpoint, if there is one; both sizes are counted over all logs.
        head: the present one.
        begins: root of the first leaves of the log that ran then, as many as it had; empty when
            there is no such log.
    """
    if last is None:
        return []
    if head.size < last.size:
        reason = f"the log had {last.size} entries at the last audit and has {head.size} now"
        return [Finding(head.size, "shrunk", reason)]
    if begins != last.root:
        reason = f"the first {last.size} entries are not those of the last audit"
        return [Finding(last.size, "forked", reason)]
    return []
