"""The SDK of the auditor: signs the directory, downloads the log, replays it (protocol section 7).

    auditor = Auditor(key, wire, policy)
    auditor.publish(listing)                 # a signed directory, posted and logged
    report = auditor.audit(progress)         # in memory; consent/mirror.py keeps a copy on disk
    report.findings                          # [] when everything is in order

After the download everything is offline. The report names a finding by its log index and rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from consent.judging import (
    Copy,
    Kept,
    Later,
    Memory,
    Progress,
    Report,
    judge,
    open_head,
    open_log,
    silent,
)
from consent.lineage import next_log
from consent.log.checkpoint import Checkpoint
from consent.log.note import VerifierKey, read_utf8, read_vkey
from consent.log.proof import Logged
from consent.log.tiles import WIDTH, Tile
from consent.messages import AuditReport
from consent.policy import Policy, check_logged
from consent.readings import Page, Served, read_served
from consent.replay_tally import Tally
from consent.volume import bundles_of, read_leaves
from vault.crypto.keys import SigningKey
from vault.directory import read_directory
from vault.errors import BadProof, BadShape, NotFound
from vault.messages import Listing
from vault.wire import Wire, objects_of, text_of

__all__ = ["Kept", "Report", "Served", "read_served"]

DOWNLOADS = 5


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
        `last` is the checkpoint of the last audit, whose tree this one must extend (its size counts
        the entries of earlier logs too); `kept` says, oldest first, how large the log was at
        earlier audits, and when.
        """
        self._key, self._wire, self._policy = key, wire, policy
        self._seen, self._last, self._kept = seen, last, kept

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
        return check_logged(read_directory(text, self._key.public), text, proof, witnessed=False)

    def audit(self, progress: Progress = silent, tally: Tally | None = None) -> Report:
        """Return the report over every entry of the log's latest checkpoint; see `judge`.

        Args:
            progress: called with (entries done, entries in all).
            tally: is told of each entry that breaks no rule, and of each release of a known grant.

        Raises:
            BadProof: there is no checkpoint of the pinned log, so there is nothing to judge.
        """
        logs, texts = self._download()
        pages, later = self._pages(logs, texts), [each.later for each in logs[1:]]
        copy = Copy(logs[0].signed, pages, self._seen or {}, later=later)
        memory = Memory(self._last, self._kept)
        return judge(self._policy, copy, memory, tally=tally, progress=progress).report(owners=True)

    def _download(self) -> tuple[list[_Fetched], dict[int, Served]]:
        """Return the logs with their checkpoints, and the texts that they cover.

        A text may go while they are fetched: an erasure. What covers it is then further on, so
        that the newer checkpoint is taken; a log that grows all the while is judged as it stands.
        """
        for _ in range(DOWNLOADS):
            texts: dict[int, Served] = {}
            logs = list(self._follow(texts))
            last = logs[-1]
            if sum(index < last.end for index in texts) == last.end:
                break
            if fetch_checkpoint(self._wire, last.path) == last.signed:
                break
        return logs, texts

    def _follow(self, texts: dict[int, Served]) -> Iterator[_Fetched]:
        """Yield each log, from the pinned one to the one that goes on; its texts are added."""
        first, signed = read_vkey(self._policy.log), fetch_checkpoint(self._wire)
        log = _Fetched(first, "/log", 0, signed, open_head(signed, self._policy).size)
        while True:
            texts |= self._texts(log.end, log.base)
            yield log
            last = texts.get(log.end - 1)
            following = next_log(last.text, log.key, first.name) if last else None
            if following is None:
                return
            try:
                signed = fetch_checkpoint(self._wire, following.path)
                size = open_log(signed, following.key).size
            except (NotFound, BadProof):
                return  # the judgement finds that it is not served
            log = _Fetched(following.key, following.path, log.end, signed, size)

    def _pages(self, logs: list[_Fetched], texts: Mapping[int, Served]) -> list[Page]:
        return [
            page
            for log in logs
            for page in pages_of(self._leaves(log.path, log.size), texts, log.base)
        ]

    def _leaves(self, path: str, size: int) -> list[bytes]:
        leaves: list[bytes] = []
        for tile in bundles_of(size):
            leaves += read_leaves(tile, fetch_bundle(self._wire, path, tile))
        return leaves

    def _texts(self, end: int, first: int = 0) -> dict[int, Served]:
        texts: dict[int, Served] = {}
        while first < end:
            found = fetch_texts(self._wire, first)
            texts |= {served.index: served for served in found}
            if not found or found[-1].index < first:
                break
            first = found[-1].index + 1
        return texts


@dataclass(frozen=True)
class _Fetched:
    """A log as it was served: its key and path, the entries before it, its checkpoint and size."""

    key: VerifierKey
    path: str
    base: int
    signed: str
    size: int

    @property
    def end(self) -> int:
        return self.base + self.size

    @property
    def later(self) -> Later:
        return Later(str(self.key), self.signed)


# What is fetched


def fetch_checkpoint(wire: Wire, path: str = "/log") -> str:
    """Return a log's checkpoint as it is served; raises BadProof when it is no text."""
    try:
        return read_utf8(wire.raw(f"{path}/checkpoint"))
    except BadShape as bad:
        raise BadProof(f"the log's checkpoint cannot be read: {bad}") from bad


def fetch_bundle(wire: Wire, path: str, tile: Tile) -> bytes:
    """Return an entry bundle of a log; raises BadProof when the log does not serve it."""
    try:
        return wire.raw(f"{path}/{tile}")
    except NotFound as bad:
        raise BadProof(f"the checkpoint covers {tile}, and the log does not serve it") from bad


def fetch_texts(wire: Wire, first: int) -> list[Served]:
    """Return a page of the texts that the vault serves to its auditor, from index `first` on."""
    page = wire.get(f"/v1/audit/entries?first={first}").body
    return [read_served(item) for item in objects_of(page, "entries")]


def pages_of(leaves: list[bytes], texts: Mapping[int, Served], base: int = 0) -> list[Page]:
    """Return the pages of a log that is in memory; `base` entries stand in the logs before."""
    pages = []
    for first in range(0, len(leaves), WIDTH):
        held = leaves[first : first + WIDTH]
        indexes = range(base + first, base + first + len(held))
        pages.append(Page(base + first, held, {i: texts[i] for i in indexes if i in texts}))
    return pages
