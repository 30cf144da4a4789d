"""The SDK of the auditor: signs the directory, downloads the log, replays it (protocol section 7).

    auditor = Auditor(key, wire, policy)
    auditor.publish(listing)                 # a signed directory, posted and logged
    report = auditor.audit(progress)
    report.findings                          # [] when everything is in order

After the download everything is offline. The report names a finding by its log index and rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consent.log.merkle import leaf_hash, root
from consent.log.note import Checkpoint, open_checkpoint, read_vkey
from consent.log.proof import leaf_data
from consent.log.tiles import ENTRIES, WIDTH, Tile, read_bundle
from consent.policy import Policy
from consent.replay import Finding, Replay
from vault.crypto.keys import SigningKey
from vault.encoding import Json
from vault.errors import BadProof, BadShape
from vault.messages import Listing, parse_hex
from vault.wire import Wire, objects_of, text_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Served:
    """One text as the vault serves it to its auditor, with what ties it to its leaf."""

    index: int
    at: int
    salt: bytes
    text: str


@dataclass(frozen=True)
class Report:
    """What an audit found over the whole tree of one checkpoint.

    `counts` is the number of entries by kind; `signed` is the checkpoint as the log signed it;
    `unseen` are erased entries that this auditor never saw; `owners` (index → account) is kept for
    the next audit.
    """

    size: int
    root: bytes
    signed: str
    counts: dict[str, int]
    findings: list[Finding]
    unseen: list[int]
    owners: dict[int, str]

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
        }


class Auditor:
    """One auditor at one vault."""

    def __init__(
        self,
        key: SigningKey,
        wire: Wire,
        policy: Policy,
        seen: Mapping[int, str] | None = None,
    ) -> None:
        """Stand on the directory key; `wire` speaks with it.

        `seen` is index → account of the texts that earlier audits saw (a report's `owners`).
        """
        self._key, self._wire, self._policy, self._seen = key, wire, policy, seen

    def publish(self, listing: Listing) -> str:
        """Sign and post a directory; return its text once it is logged."""
        text = listing.signed(self._key)
        self._wire.post("/v1/directory", text)
        return text

    def audit(self, progress: Progress = lambda _done, _size: None) -> Report:
        """Return the report over every entry of the log's latest checkpoint.

        1. the checkpoint is signed by the pinned log. 2. its root is the root of the leaves served
        as tiles. 3. each leaf has a text that hashes to it. 4. the replay.

        Args:
            progress: called with (entries done, entries in all).

        Raises:
            BadProof: there is no checkpoint of the pinned log, so there is nothing to judge.
        """
        signed = self._wire.raw("/log/checkpoint").decode("utf-8", "replace")
        head = self._open(signed)  # 1
        leaves = self._leaves(head.size)
        findings = check_root(head, leaves)  # 2
        texts = self._texts(head.size)
        replay = Replay(self._policy.auditor, self._seen)
        for index, leaf in enumerate(leaves):
            served = texts.get(index)
            if served is None:
                replay.miss(index)  # 3
            elif leaf_data(served.salt, served.at, served.text) != leaf:
                findings.append(Finding(index, "leaf", "the text served is not the leaf's"))
            else:
                replay.take(index, served.at, served.text)  # 4
            progress(index + 1, head.size)
        replay.finish()
        findings = sorted(findings + replay.findings)
        return Report(
            head.size, head.root, signed, replay.counts, findings, replay.unseen, replay.owners
        )

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


def check_root(head: Checkpoint, leaves: list[bytes]) -> list[Finding]:
    """Return a finding when the leaves served are not the tree that the checkpoint signs."""
    if root([leaf_hash(leaf) for leaf in leaves]) == head.root:
        return []
    return [Finding(head.size, "root", "the entries served are not the tree of the checkpoint")]


def read_served(item: dict[str, Json]) -> Served:
    """Return an entry of /v1/audit/entries; raises BadShape."""
    index, at = item.get("index"), item.get("at")
    if not isinstance(index, int) or not isinstance(at, int) or min(index, at) < 0:
        raise BadShape("an entry has an index and a time")
    return Served(index, at, parse_hex(item.get("salt"), 16), text_of(item, "text"))
