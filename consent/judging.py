"""The judgement of a vault's logs: trees, texts, replay, witnesses, times (protocol section 7).

    judging = judge(policy, Copy(signed, pages), Memory(last, kept), jobs=2)
    judging.report().findings        # [Finding(index=17, rule="release", reason="…")]

No request is made, and no more than a few pages of the logs are held at a time.
"""

from __future__ import annotations

import gc
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from consent.judged import OF_TREES, Copy, JudgedLog, Kept, Later, Memory, Report
from consent.lineage import Lineage, Tree, check_extends, open_log
from consent.log.checkpoint import Checkpoint
from consent.log.cosignature import Cosigned
from consent.log.merkle import leaf_hash
from consent.log.note import VerifierKey, read_vkey
from consent.log.proof import leaf_data
from consent.log.tlog_policy import NONE, LogPolicy, open_checkpoint, policy_of
from consent.policy import Policy
from consent.readings import Reading, ReadPage, Served, read_pages
from consent.replay import Finding, Replay
from consent.replay_tally import Tally
from vault.errors import BadInput, BadProof
from vault.messages import LogEntry

__all__ = [
    "Copy",
    "JudgedLog",
    "Kept",
    "Later",
    "Memory",
    "Report",
    "Tree",
    "check_extends",
    "open_log",
]

CLOCKS = 300
Progress = Callable[[int, int], None]


def silent(_done: int, _size: int) -> None:
    """Show no progress."""


def open_head(signed: str, policy: Policy) -> Checkpoint:
    """Return the checkpoint of a note; raises BadProof when the pinned log did not sign it."""
    return open_log(signed, read_vkey(policy.log))


def judge(
    policy: Policy,
    copy: Copy,
    memory: Memory,
    jobs: int = 1,
    tally: Tally | None = None,
    progress: Progress = silent,
) -> Judging:
    """Return the judgement of a vault's logs; no request is made.

    1. the checkpoint is signed by the pinned log, and each later one by the log that a turn names.
    2. each root is the root of the leaves served as bundles, and the tree begins with the one of
    the last audit. 3. each leaf has a text that hashes to it. 4. the replay. 5. each log turns into
    the next with its last entry, and the next one's first says how it ended. 6. the quorum of the
    directory's witnesses cosigned each checkpoint. 7. each time lies between the audits around it
    (not in a demo, whose clock is moved by hand).

    Args:
        policy: the pinned auditor key and log.
        copy: the logs and their texts; read page by page.
        memory: what earlier audits left.
        jobs: how many processes read entries; 1: this one does all.
        tally: is told of each entry that breaks no rule, and of each release of a known grant.
        progress: called with (entries done, entries in all).

    Raises:
        BadProof: there is no checkpoint of the pinned log, so there is nothing to judge.
    """
    judging = Judging(policy, copy, memory, tally)  # 1
    with _young_collections():
        for page in read_pages(copy.pages, jobs, (policy.auditor,)):
            judging.take(page, progress)  # 2, 3, 4, 5
        judging.finish()  # 2, 4, 5, 6, 7
    return judging


@contextmanager
def _young_collections() -> Iterator[None]:
    """Let the garbage collector look at what is new only, in this block.

    A replay remembers hundreds of bytes of every entry, in no cycles: going through all of it again
    and again would make an entry dearer the longer the log is.
    """
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], 1 << 30)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Judging:
    """A judgement while the pages are read, and its report."""

    def __init__(self, policy: Policy, copy: Copy, memory: Memory, tally: Tally | None) -> None:
        """Start before the first page; raises BadProof."""
        self.lineage = Lineage(read_vkey(policy.log), copy.signed, copy.later, memory.last)
        self.size = self.lineage.size
        self.replay = Replay(policy.auditor, copy.seen, tally)
        self.unfit: list[int] = []
        self.policy, self._copy = policy, copy
        self._kept = sorted(memory.kept)
        self._findings: list[Finding] = []
        self._times: list[Finding] = []
        self._latest = (0, 0)
        self._cosigned: tuple[Cosigned, ...] = ()
        self._when: int | None = None

    def take(self, page: ReadPage, progress: Progress) -> None:
        """Judge the entries of the next page."""
        for offset, (leaf, entry) in enumerate(zip(page.leaves, page.entries, strict=True)):
            index, before = page.first + offset, self.replay.held
            self.lineage.add(leaf_hash(leaf))
            self._take(index, leaf, entry)
            self.lineage.judge(index, before, self.replay.held)
            progress(index + 1, self.size)

    def _take(self, index: int, leaf: bytes, entry: Reading | Served | None) -> None:
        served = index not in self._copy.withheld
        if entry is None:
            self.replay.miss(index)
            return
        if isinstance(entry, Reading):
            self.replay.take_reading(index, entry, served)
        elif not _fits(entry, leaf):
            self._findings.append(Finding(index, "leaf", "the text served is not the leaf's"))
            self.unfit.append(index)
        else:
            self.replay.take(index, entry.at, entry.text, served)
        self._times += check_times(self._kept, index, entry.at)
        self._latest = max(self._latest, (entry.at, -index))

    def finish(self) -> None:
        """Judge what only shows at the end."""
        self.replay.finish()
        self.lineage.finish(self.replay.held)
        self._findings += self.lineage.findings
        for end, log in self.lineage.ends:
            self._cosigned, self._when = (), None  # those of the log that goes on are kept
            if log.entry:
                self._check_witnesses(end, log.key, log.signed, log.entry)
        if not self.replay.demo:
            self._findings += self._times
            if self._when is not None:
                at, index = self._latest
                self._findings += check_times([Kept(self.size, self._when)], -index, at)
        here = {(found.index, found.rule) for found in self._findings + self.replay.findings}
        again = [f for f in self._copy.found if (f.index, f.rule) not in here]
        self._findings += again  # an erasure took their text, or what they stood on

    def _check_witnesses(self, end: int, log: VerifierKey, signed: str, entry: LogEntry) -> None:
        try:
            wanted = policy_of(log, [*map(read_vkey, entry.witnesses)], entry.quorum)
            opened = open_checkpoint(signed, log, wanted.keys)
            self._cosigned = opened.cosigned
            wanted.check(opened.cosigned)
        except (BadInput, BadProof) as bad:
            self._findings.append(Finding(end, "witness", str(bad)))
        else:
            self._when = complete_at(wanted, opened.cosigned)

    def lasting(self, leaving: Collection[int]) -> list[Finding]:
        """Return the findings that must outlast these texts, which an erasure takes.

        Those at the texts themselves. And those at others, which perhaps broke a rule by what these
        say, unless a text was missing: then a finding may only show that.
        """
        found = [f for f in self.report().findings if f.rule not in OF_TREES]
        sure = not self.unfit and self.replay.whole
        passing = {"leaf", "erased"}  # judged anew each time, by what is served then
        return [f for f in found if f.index in leaving or (sure and f.rule not in passing)]

    def report(self, owners: bool = False) -> Report:
        """Return the report; with the owner of every entry, when the next audit has no mirror."""
        replay, running = self.replay, self.lineage.running
        known = {found.index for found in (*self._copy.found, *replay.findings)}
        return Report(
            size=self.size,
            root=running.head.root,
            signed=running.signed,
            counts=replay.counts,
            findings=sorted(self._findings + replay.findings),
            unseen=[index for index in replay.unseen if index not in known],
            owners=dict(replay.owners) if owners else {},
            self_audited=replay.self_audited,
            cosigned=self._cosigned,
            when=self._when,
            erased=len(replay.covered),
            links=replay.links_alive,
            logs=self.lineage.judged,
        )


def _fits(served: Served, leaf: bytes) -> bool:
    return served.text.isascii() and leaf_data(served.salt, served.at, served.text) == leaf


def complete_at(policy: LogPolicy, cosigned: Iterable[Cosigned]) -> int | None:
    """Return the moment a quorum was complete, unix seconds; None when no quorum is asked for."""
    if policy.quorum == NONE:
        return None
    ordered = sorted(cosigned, key=lambda one: one.time)
    for count, one in enumerate(ordered, 1):
        if policy.enough(each.witness for each in ordered[:count]):
            return one.time
    return None


def check_times(kept: Sequence[Kept], index: int, at: int) -> list[Finding]:
    """Return a finding when an entry's `at` does not lie between the audits around it.

    An entry that stood at an audit is not from after it, one that did not is not from before;
    five minutes either way are left for clocks. `kept` is sorted.
    """
    place = bisect_right(kept, index, key=lambda one: one.size)
    late = place < len(kept) and at > kept[place].when + CLOCKS
    early = place > 0 and at < kept[place - 1].when - CLOCKS
    if late or early:
        return [Finding(index, "at", f"at {at} does not lie between the audits around it")]
    return []
