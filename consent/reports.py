"""Which totals are ``audited``: an auditor's signed report covers the release (protocol section 6).

    audit = Audit(report, directory, wire.raw)
    covered = audit.cover(total)         the report, and the release's path in the report's tree
    as_audited(total).checked            "audited"

A report says of the log's first entries what was found. It covers a release that stands in the
very tree the auditor judged, where neither the release nor that tree as a whole met a finding. The
path is built from the public tiles, so that the vault is not asked about anybody; what is kept
(`Covered`) is checked again without a network. Where a log ended before the report's did, its last
tree is the one that the auditor's own directory lists: the audit held its root against that.

An audit by the vault's own organisation is not independent, and marks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from consent.answers import Total
from consent.log.merkle import HASH_SIZE, Subtree, leaf_hash, prove_inclusion, verify_inclusion
from consent.log.note import b64, unb64
from consent.log.proof import leaf_data, read_proof
from consent.log.tiles import ReadTile, Tile, subtrees, width_at
from consent.logged import log_holding, log_named
from consent.messages import AuditReport
from vault.directory import Directory
from vault.encoding import Json, JsonIn, read_envelope, thumbprint
from vault.errors import BadProof, BadShape, NotFound
from vault.wire import text_of

ReadDirectory = Callable[[str], Directory]
"""Reads a directory that was kept, once its signature and its log are accepted."""

TILES = 1024
OWN_PLACE = frozenset(
    {
        *("account", "bind", "attach", "unlink", "close", "reject", "absent", "directory"),
        *("grant", "token", "revoke", "pause", "resume", "release", "refusal", "figure"),
        *("erase", "erased", "web", "text", "at"),
    }
)
"""Rules that one entry breaks. Any other finding (root, shrunk, forked, leaf …, and what this
version does not know) is about the tree as a whole."""


@dataclass(frozen=True)
class Covered:
    """What shows that a report covers a release.

    The report, the directory it was taken under, both as signed, and the release's audit path in
    the report's tree; in the last tree of its log when that ended before.
    """

    report: str
    directory: str
    path: tuple[bytes, ...]


class Audit:
    """One report, taken from its auditor."""

    def __init__(self, text: str, directory: Directory, raw: Callable[[str], bytes]) -> None:
        """Take a report, once it is signed by an independent auditor.

        Args:
            text: the `cv1-report`.
            directory: the one in force.
            raw: gives the bytes of a public path of the vault.

        Raises:
            BadJws, BadType, BadShape, UnknownKey, BadProof: as open_report.
        """
        self.text, self._directory, self._raw = text, directory, raw
        self.report = open_report(text, directory)
        self._subtrees: dict[str, Subtree] = {}

    def cover(self, total: Total) -> Covered:
        """Return what shows that the report covers a total's release; raises BadProof."""
        check_judged(self.report, total)
        tree = tree_of(self.report, self._directory, total)
        path = tuple(prove_inclusion(tree.index, tree.size, self._subtree(tree)))
        check_covered(self.report, self._directory, total, path)
        return Covered(self.text, self._directory.text, path)

    def _subtree(self, tree: Tree) -> Subtree:
        if tree.path not in self._subtrees:
            self._subtrees[tree.path] = subtrees(_tiles(self._raw, tree.path, tree.size))
        return self._subtrees[tree.path]


@dataclass(frozen=True)
class Tree:
    """The tree in which a report covers a release, of one log: its size and root (32 bytes).

    `index` is the release's own in that log; `path` is where the vault serves the log.
    """

    index: int
    size: int
    root: bytes
    path: str


def tree_of(report: AuditReport, directory: Directory, total: Total) -> Tree:
    """Return the tree in which a report would cover a release.

    That of the report, when it ends in the release's log; else the last one of that log, which the
    directory lists.

    Raises:
        BadProof: the directory knows no such log, or the report ends before it; or where the log
            ended, with another root.
    """
    log, ends = log_named(directory, total.place.origin), log_holding(directory, report.to)
    index = total.place.index - log.base
    if log.last is not None and log.base < ends.base:
        return Tree(index, *log.last, log.path)
    size = report.to - log.base
    if log != ends or size <= index:
        raise BadProof("the report ends before the release")
    if report.to == log.end:
        log.check_tree(size, report.root)
    return Tree(index, size, report.root, log.path)


def _tiles(raw: Callable[[str], bytes], path: str, size: int) -> ReadTile:
    @lru_cache(maxsize=TILES)
    def read(level: int, n: int) -> bytes:
        tile = Tile(level, n, width_at(size, level, n))
        try:
            return raw(f"{path}/{tile}")
        except NotFound as bad:
            raise BadProof(f"the log serves no {tile}: it has no tree of {size} entries") from bad

    return read


def open_report(text: str, directory: Directory) -> AuditReport:
    """Return the report that an independent auditor signed.

    1. signed by the key that signed the directory, or by one that the directory lists for an
    auditor and that was valid when the report was made: the pinned key too, once another one has
    taken over. 2. vault and auditor are not one organisation.

    Raises:
        BadJws, BadType, BadShape, UnknownKey: 1 fails.
        BadProof: 2 fails.
    """
    envelope = read_envelope(text, AuditReport.typ)
    report = AuditReport.opened(envelope)
    public = directory.signer_key
    if thumbprint(public) != envelope.kid:
        _, public = directory.signer(envelope.kid, "auditor", report.iat)
    envelope.verify(public)  # 1
    if directory.self_audited:
        raise BadProof("not independent: the vault and its auditor are one organisation")  # 2
    return report


def check_judged(report: AuditReport, total: Total) -> None:
    """Return when the report judged the entry at the release's index, and nothing is wrong there.

    1. the index lies in [from, to). 2. no finding stands there. 3. no finding is about the tree as
    a whole. 4. the entry was not erased before this auditor saw it.

    Raises:
        BadProof: a step fails.
    """
    index, judged = total.place.index, range(report.begins, report.to)
    if index not in judged:
        span = f"{report.begins}..{report.to - 1}"
        raise BadProof(f"the report covers the entries {span}, the release is at {index}")  # 1
    for at, rule in report.findings:
        if at == index:
            raise BadProof(f"the report has a finding at the release's index: {rule[:40]}")  # 2
        if rule not in OWN_PLACE or at not in judged:
            raise BadProof(f"the report has a finding about the whole log: {rule[:40]}")  # 3
    if index in report.unseen:
        raise BadProof(f"the auditor never saw the entry at {index}")  # 4


def check_covered(
    report: AuditReport, directory: Directory, total: Total, path: Sequence[bytes]
) -> None:
    """Return when the report covers the release: judged without a finding, in the report's tree.

    Args:
        report: one that was opened.
        directory: the one it was opened under; it lists the logs.
        total: one that was checked; its proof gives the leaf.
        path: the audit path of the release in the tree that `tree_of` names.

    Raises:
        BadProof: it does not; also when the report is of another tree, such as a fork.
    """
    check_judged(report, total)
    tree, proof = tree_of(report, directory, total), read_proof(total.proof)
    leaf = leaf_hash(leaf_data(proof.salt, proof.at, total.release))
    verify_inclusion(leaf, tree.index, tree.size, tree.root, path)


def as_audited(total: Total) -> Total:
    """Return a covered total as ``audited``; ``sources`` is stronger and stays."""
    return replace(total, checked="audited") if total.checked == "vault" else total


def recheck_covered(total: Total, covered: Covered, read: ReadDirectory) -> Total:
    """Return the total marked by what was kept, checked anew without a network.

    Args:
        total: one that was checked.
        covered: what was kept beside it.
        read: reads a kept directory (consent/policy.py, read_pinned).

    Raises:
        BadProof, BadDirectory, BadJws, BadType, BadShape, UnknownKey: it does not show it.
    """
    directory = read(covered.directory)
    report = open_report(covered.report, directory)
    check_covered(report, directory, total, covered.path)
    return as_audited(total)


def write_covered(covered: Covered) -> dict[str, JsonIn]:
    """Return what is kept as JSON members."""
    path = [b64(one) for one in covered.path]
    return {"report": covered.report, "directory": covered.directory, "path": path}


def read_covered(found: Json) -> Covered:
    """Return what was kept; raises BadShape."""
    if not isinstance(found, dict) or set(found) != {"report", "directory", "path"}:
        raise BadShape("wanted a report, its directory and a path")
    path = found["path"]
    if not isinstance(path, list):
        raise BadShape("a path is a list of hashes")
    hashes = tuple(unb64(one if isinstance(one, str) else "", HASH_SIZE) for one in path)
    return Covered(text_of(found, "report"), text_of(found, "directory"), hashes)
