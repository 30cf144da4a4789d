"""What an audit judges, what it remembers of earlier ones, and what it found (protocol section 7).

    Copy(signed, pages, later=(Later(vkey, signed),))    a log, and the one that it turned into
    Memory(last, kept)                                   the audits before
    Gone(account, held=False)                            what stays of a text that was erased
    report.findings                                      [Finding(index=17, rule="release", …)]

Every index and size here is counted over all logs, in their order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consent.log.checkpoint import Checkpoint
from consent.log.cosignature import Cosigned
from consent.log.note import VerifierKey
from consent.readings import PageSource
from consent.replay import Finding
from vault.encoding import Json, JsonIn, compact_json
from vault.errors import BadPlace
from vault.wire import text_of

BROKEN = frozenset({"shrunk", "forked", "root"})
OF_TREES = BROKEN | {"witness", "log"}
"""Rules about a tree, or how it goes on: their index is no entry's, or they need no text."""


def plain_finding(finding: Finding) -> dict[str, Json]:
    """Return a finding as JSON members."""
    return {"index": finding.index, "rule": finding.rule, "reason": finding.reason}


def read_finding(found: Mapping[str, Json]) -> Finding:
    """Return a finding from its members; raises BadPlace, BadShape."""
    return Finding(number_in(found, "index"), text_of(found, "rule"), text_of(found, "reason"))


def number_in(found: Mapping[str, Json], name: str) -> int:
    """Return a member that counts something; raises BadPlace."""
    number = found.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise BadPlace(f"wanted a number {name}")
    return number


@dataclass(frozen=True)
class Gone:
    """What is kept of a text that is no longer served: its account, once that is known."""

    account: str | None
    held: bool
    served: bool = False
    since: int = 0

    def withheld_at(self, size: int) -> bool:
        """Whether the text is here, and not served any more when the log was of this size."""
        return self.held and not self.served and self.since <= size

    def line(self, index: int) -> bytes:
        """Return the line of gone.jsonl for the text of this index."""
        members: dict[str, JsonIn] = {"index": index}
        if self.account is not None:
            members["account"] = self.account
        if self.held:
            members |= {"held": True, "served": self.served, "since": self.since}
        return compact_json(members) + b"\n"


def read_gone(found: Mapping[str, Json]) -> tuple[int, Gone]:
    """Return a line of gone.jsonl: the index, and what is kept; raises BadPlace, BadShape."""
    account = text_of(found, "account") if "account" in found else None
    held, served = (found.get(name) is True for name in ("held", "served"))
    since = number_in(found, "since") if held else 0
    return number_in(found, "index"), Gone(account, held, served, since)


class Kept(NamedTuple):
    """The log's size at an earlier audit, and when that was.

    `when` is the moment its quorum of witnesses was complete; without one, the auditor's clock
    (unix seconds). `checkpoint` is the note as signed, of the log that ran then.
    """

    size: int
    when: int
    root: bytes = b""
    checkpoint: str = ""


class Later(NamedTuple):
    """A log that follows the first one: the key that the turn to it names, and its checkpoint."""

    vkey: str
    signed: str


@dataclass(frozen=True)
class Copy:
    """A vault's log as one audit judges it: a checkpoint, and pages with the texts served.

    `seen` is index → account of texts that earlier audits saw and that are gone. `withheld` are
    entries whose text is here from an earlier audit, and is no longer served. `later` are the logs
    that it turned into; the pages of all stand one after another. `found` is what earlier audits
    found before an erasure took texts: it stays true, whether it can still be seen or not.
    """

    signed: str
    pages: Iterable[PageSource]
    seen: Mapping[int, str] = field(default_factory=dict)
    withheld: Collection[int] = frozenset()
    later: Sequence[Later] = ()
    found: Sequence[Finding] = ()


@dataclass(frozen=True)
class Memory:
    """What earlier audits left: the last one's checkpoint, and how large the log was when.

    The checkpoint's origin and root are of the log that ran, its size is counted over all.
    """

    last: Checkpoint | None = None
    kept: Sequence[Kept] = ()


@dataclass(frozen=True)
class JudgedLog:
    """One log of those judged: its key, and the tree judged: size and root (32 bytes)."""

    key: VerifierKey
    size: int
    root: bytes


@dataclass(frozen=True)
class Report:
    """What an audit found over the whole tree of one checkpoint.

    `size` counts the entries of all `logs`; `root` and `signed`, the checkpoint as signed, are of
    the last one. `counts` is the number of entries by kind; `unseen` are erased entries that this
    auditor never saw; `owners` (index → account) is for the next audit, where no mirror keeps it.
    `self_audited`: vault and auditor are one organisation. `cosigned` are the cosignatures of the
    directory's witnesses, `when` is the moment their quorum was complete. `erased` counts the
    entries that an erasure covers, `links` those attached and not ended.
    """

    size: int
    root: bytes
    signed: str
    counts: dict[str, int]
    findings: list[Finding]
    unseen: list[int]
    owners: dict[int, str]
    self_audited: bool
    cosigned: tuple[Cosigned, ...] = ()
    when: int | None = None
    erased: int = 0
    links: int = 0
    logs: tuple[JudgedLog, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether this is not the log of earlier audits, or not the one signed: keep the old."""
        return not BROKEN.isdisjoint(finding.rule for finding in self.findings)

    def plain(self) -> dict[str, Json]:
        """Return the report as JSON members; `logs` only when there are several."""
        found: dict[str, Json] = {
            "size": self.size,
            "root": self.root.hex(),
            "counts": {**self.counts},
            "findings": [*map(plain_finding, self.findings)],
            "unseen": [*self.unseen],
            "self_audited": self.self_audited,
            "cosigners": [{"name": c.witness.name, "time": c.time} for c in self.cosigned],
        }
        if len(self.logs) > 1:
            found["logs"] = [
                {"origin": log.key.name, "size": log.size, "root": log.root.hex()}
                for log in self.logs
            ]
        return found
