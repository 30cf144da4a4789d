"""The SDK of the auditor: signs the directory, downloads the log, replays it (protocol section 7).

    auditor = Auditor(key, wire, policy)
    auditor.publish(listing)                 # a signed directory, posted and logged
    report = auditor.audit(progress)
    report.findings                          # [] when everything is in order

After the download everything is offline. The report names a finding by its log index and rule.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from consent.log.checkpoint import Checkpoint
from consent.log.merkle import leaf_hash, root
from consent.log.note import read_utf8, read_vkey
from consent.log.proof import Logged, leaf_data
from consent.log.tiles import ENTRIES, WIDTH, Tile, read_bundle
from consent.log.tlog_policy import open_checkpoint
from consent.messages import AuditReport
from consent.policy import Policy, check_logged
from consent.replay import Finding, Replay
from vault.crypto.keys import SigningKey
from vault.directory import read_directory
from vault.encoding import Json
from vault.errors import BadProof, BadShape
from vault.messages import Listing, parse_hex
from vault.wire import Wire, objects_of, text_of

DOWNLOADS = 5
CLOCKS = 300
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Served:
    """One text as the vault serves it to its auditor, with what ties it to its leaf."""

    index: int
    at: int
    salt: bytes
    text: str

    def fits(self, leaf: bytes) -> bool:
        """Whether the text is the leaf's; a compact JWS is ASCII."""
        return self.text.isascii() and leaf_data(self.salt, self.at, self.text) == leaf


class Kept(NamedTuple):
    """The log's size at an earlier audit, and when that was (unix seconds of the auditor)."""

    size: int
    when: int


@dataclass(frozen=True)
class Report:
    """What an audit found over the whole tree of one checkpoint.

    `counts` is the number of entries by kind; `signed` is the checkpoint as the log signed it;
    `unseen` are erased entries that this auditor never saw; `owners` (index → account) is kept for
    the next audit. `self_audited`: vault and auditor are one organisation.
    """

    size: int
    root: bytes
    signed: str
    counts: dict[str, int]
    findings: list[Finding]
    unseen: list[int]
    owners: dict[int, str]
    self_audited: bool

    def plain(self) -> dict[str, Json]:
        """Return the report as JSON members."""
        return {
            "size": self.size,
            "root": self.root.hex(),
            "counts": {**self.counts},
            "findings": [
                {"index": f.index, "rule": f.rule, "reason": f.reason} for f in self.findings
            ],
            "unseen": [*self.unseen],
            "self_audited": self.self_audited,
        }


class Auditor:
    """One auditor at one vault."""

    def __init__(
        self,
        key: SigningKey,
        wire: Wire,
        policy: Policy,
        seen: Mapping[int, str] | None = None,
        last: Checkpoint | None = None,
        kept: Sequence[Kept] = (),
    ) -> None:
        """Stand on the directory key; `wire` speaks with it.

        `seen` is index → account of the texts that earlier audits saw (a report's `owners`);
        `last` is the checkpoint of the last audit, whose tree this one must extend; `kept` says,
        oldest first, how large the log was at earlier audits, and when.
        """
        self._key, self._wire, self._policy = key, wire, policy
        self._seen, self._last, self._kept = seen, last, sorted(kept)

    def report(self, found: Report, now: int) -> str:
        """Return the signed `cv1-report` of an audit: what was judged, and what is wrong."""
        message = AuditReport(
            iat=now,
            begins=0,
            to=found.size,
            root=found.root,
            findings=tuple((finding.index, finding.rule) for finding in found.findings),
            unseen=tuple(found.unseen),
        )
        return message.signed(self._key)

    def publish(self, listing: Listing) -> str:
        """Sign and post a directory; return its text once it is logged."""
        text = listing.signed(self._key)
        self.post(text)
        return text

    def post(self, text: str) -> Logged:
        """Post a directory signed before; return its place in the log, proved.

        Raises:
            BadProof: the vault does not prove that it logged it.
        """
        proof = text_of(self._wire.post("/v1/directory", text).body, "proof")
        return check_logged(read_directory(text, self._key.public), text, proof)

    def audit(self, progress: Progress = lambda _done, _size: None) -> Report:
        """Return the report over every entry of the log's latest checkpoint.

        1. the checkpoint is signed by the pinned log. 2. its root is the root of the leaves served
        as tiles, and its tree begins with the one of the last audit. 3. each leaf has a text that
        hashes to it. 4. the replay. 5. each time lies between the audits around it (not in a demo,
        whose clock is moved by hand).

        Args:
            progress: called with (entries done, entries in all).

        Raises:
            BadProof: there is no checkpoint of the pinned log, so there is nothing to judge.
        """
        signed, head, texts = self._download()  # 1
        leaves = self._leaves(head.size)
        findings = check_root(head, leaves) + check_extends(self._last, head, leaves)  # 2
        replay = Replay(self._policy.auditor, self._seen)
        for index, leaf in enumerate(leaves):
            served = texts.get(index)
            if served is None:
                replay.miss(index)  # 3
            elif not served.fits(leaf):
                findings.append(Finding(index, "leaf", "the text served is not the leaf's"))
            else:
                replay.take(index, served.at, served.text)  # 4
            progress(index + 1, head.size)
        replay.finish()
        if not replay.demo:
            findings += check_times(self._kept, texts.values())  # 5
        findings = sorted(findings + replay.findings)
        return Report(
            head.size,
            head.root,
            signed,
            replay.counts,
            findings,
            replay.unseen,
            replay.owners,
            replay.self_audited,
        )

    def _download(self) -> tuple[str, Checkpoint, dict[int, Served]]:
        """Return a checkpoint, as signed and opened, and the texts that it covers.

        A text may go while they are fetched: an erasure. What covers it is then further on, so
        that the newer checkpoint is taken; a log that grows all the while is judged as it stands.
        """
        for _ in range(DOWNLOADS):
            signed = self._checkpoint()
            head = self._open(signed)
            texts = self._texts(head.size)
            if len(texts.keys() & set(range(head.size))) == head.size:
                break
            if self._checkpoint() == signed:
                break
        return signed, head, texts

    def _checkpoint(self) -> str:
        try:
            return read_utf8(self._wire.raw("/log/checkpoint"))
        except BadShape as bad:
            raise BadProof(f"the log's checkpoint cannot be read: {bad}") from bad

    def _open(self, signed: str) -> Checkpoint:
        try:
            return open_checkpoint(signed, read_vkey(self._policy.log), (), 0).checkpoint
        except BadShape as bad:
            raise BadProof(f"the log's checkpoint cannot be read: {bad}") from bad

    def _leaves(self, size: int) -> list[bytes]:
        leaves: list[bytes] = []
        while len(leaves) < size:
            width = min(WIDTH, size - len(leaves))
            tile = Tile(ENTRIES, len(leaves) // WIDTH, width)
            found = read_bundle(self._wire.raw(f"/log/{tile}"))
            if len(found) != width:
                raise BadProof(f"the log serves {len(found)} entries in {tile}")
            leaves += found
        return leaves

    def _texts(self, size: int) -> dict[int, Served]:
        texts: dict[int, Served] = {}
        following = 0
        while following < size:
            page = self._wire.get(f"/v1/audit/entries?first={following}").body
            found = [read_served(item) for item in objects_of(page, "entries")]
            texts |= {served.index: served for served in found}
            if not found or found[-1].index < following:
                break
            following = found[-1].index + 1
        return texts


def check_times(kept: Sequence[Kept], texts: Iterable[Served]) -> list[Finding]:
    """Return a finding for each entry whose `at` does not lie between the audits around it.

    An entry that stood at an audit is not from after it, one that did not is not from before;
    five minutes either way are left for clocks.
    """
    found = []
    for served in texts:
        place = bisect_right(kept, served.index, key=lambda one: one.size)
        late = place < len(kept) and served.at > kept[place].when + CLOCKS
        early = place > 0 and served.at < kept[place - 1].when - CLOCKS
        if late or early:
            reason = f"at {served.at} does not lie between the audits around it"
            found.append(Finding(served.index, "at", reason))
    return found


def check_root(head: Checkpoint, leaves: list[bytes]) -> list[Finding]:
    """Return a finding when the leaves served are not the tree that the checkpoint signs."""
    if root([leaf_hash(leaf) for leaf in leaves]) == head.root:
        return []
    return [Finding(head.size, "root", "the entries served are not the tree of the checkpoint")]


def check_extends(last: Checkpoint | None, head: Checkpoint, leaves: list[bytes]) -> list[Finding]:
    """Return a finding when the tree does not begin with the one of an earlier checkpoint."""
    if last is None:
        return []
    if head.size < last.size:
        reason = f"the log had {last.size} entries at the last audit and has {head.size} now"
        return [Finding(head.size, "shrunk", reason)]
    if root([leaf_hash(leaf) for leaf in leaves[: last.size]]) != last.root:
        reason = f"the first {last.size} entries are not those of the last audit"
        return [Finding(last.size, "forked", reason)]
    return []


def read_served(item: dict[str, Json]) -> Served:
    """Return an entry of /v1/audit/entries; raises BadShape."""
    index, at = item.get("index"), item.get("at")
    if not isinstance(index, int) or not isinstance(at, int) or min(index, at) < 0:
        raise BadShape("an entry has an index and a time")
    return Served(index, at, parse_hex(item.get("salt"), 16), text_of(item, "text"))
