"""The report of an audit: one JSON text, and the auditor's JWS over it (protocol sections 5, 7).

    raw = make_report(judged, tally, key.public, made)       {"type":"audit-report","vault":…
    jws = sign_report(raw, key)                              cv1-report {from, to, root, …, json}
    verify_report(jws, raw, [auditor])

`cv1-report` names the SHA-256 of the bytes as ``json``, so that the signature covers the whole
report; consent/report/form.py lists its members. It says which rules held, never whether a source's
figures are true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol

from consent.log.checkpoint import Checkpoint
from consent.log.cosignature import Cosigned
from consent.log.note import VerifierKey, read_vkey
from consent.log.tlog_policy import open_checkpoint
from consent.messages import AuditReport
from consent.report.form import LARGEST, ReportText, before_of, read_report
from consent.report.tally import Tally
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u, compact_json, read_envelope, thumbprint
from vault.errors import BadProof, BadShape
from vault.months import DEFAULT_ZONE


class Broken(Protocol):
    """A finding: the log index, the rule's name, what was found."""

    @property
    def index(self) -> int:
        """Its place in the log."""

    @property
    def rule(self) -> str:
        """The rule's short name."""

    @property
    def reason(self) -> str:
        """What was found; a hostile vault may have chosen some of the words."""


class Earlier(NamedTuple):
    """A log that ended before the judged one: its key, and its last tree."""

    log: VerifierKey
    size: int
    root: bytes


@dataclass(frozen=True)
class Judged:
    """What an audit found under one checkpoint, besides what its tally counted.

    `size` counts the entries of the `earlier` logs too; all else is of the last one, `log`.
    `checkpoint` is the whole note; `cosigned` are its cosignatures by known witnesses. `erased` is
    the number of entries whose texts an erasure took; `links` those alive at the end, if counted.
    """

    log: VerifierKey
    size: int
    root: bytes
    checkpoint: str
    cosigned: Sequence[Cosigned]
    counts: Mapping[str, int]
    findings: Sequence[Broken]
    unseen: Sequence[int]
    erased: int = 0
    links: int | None = None
    earlier: Sequence[Earlier] = ()


def make_report(judged: Judged, tally: Tally, auditor: bytes, made: int) -> bytes:
    """Return the report's bytes.

    Args:
        judged: what the audit found.
        tally: what the replay of the same entries counted.
        auditor: public key of who signs it, 32 bytes.
        made: unix seconds by the auditor's clock.

    Raises:
        BadShape: a value that no report can hold.
    """
    counted = tally.plain()
    alive = counted.pop("grants")
    members: dict[str, Json] = {
        "type": "audit-report",
        **_under(judged, tally),
        "made": made,
        "auditor": {"key": b64u(auditor), "id": _party_of(tally, auditor)},
        "self_audited": tally.directory.self_audited if tally.directory else False,
        "demo": tally.directory.listing.demo if tally.directory else False,
        "names": _names(tally),
        "counts": {kind: judged.counts[kind] for kind in sorted(judged.counts)},
        "findings": [
            {"index": one.index, "rule": _writable(one.rule), "reason": _writable(one.reason)}
            for one in judged.findings
        ],
        "unseen": [*judged.unseen],
        **counted,
        "erased": judged.erased,
        "active": {"links": judged.links, "grants": alive},
    }
    raw = compact_json(members)
    read_report(raw)
    return raw


def sign_report(raw: bytes, key: SigningKey) -> str:
    """Return the `cv1-report` over the bytes of a report, which names this key as its auditor.

    Raises:
        BadShape: not a report, or it names another key.
    """
    report = read_report(raw)
    if report.auditor.key != key.public:
        raise BadShape("the report names another auditor than the key that signs it")
    return _message(report, raw).signed(key)


def verify_report(jws: str, raw: bytes, auditor_keys: Iterable[bytes]) -> ReportText:
    """Return the report that one of these auditors signed.

    1. the JWS is a `cv1-report` of one of the keys. 2. it names the hash of these bytes. 3. they
    are a report in its only form, by that key, and the JWS says the same of it. 4. its checkpoint
    was signed by the log that it names and cosigned by the witnesses that it names.

    Nothing here says that this log or these witnesses are the reader's: compare `log`.

    Args:
        jws: the signature file.
        raw: the report file.
        auditor_keys: public keys that the reader trusts, 32 bytes each.

    Raises:
        BadJws, BadType: not a `cv1-report`, or its signature does not verify.
        BadProof: another key, other bytes, or a checkpoint that does not hold.
        BadShape: not a report.
    """
    known = {thumbprint(key): key for key in auditor_keys}
    envelope = read_envelope(jws, AuditReport.typ)
    if envelope.kid not in known:
        raise BadProof(f"signed by the key {envelope.kid}, which is none of the auditor's")
    envelope.verify(known[envelope.kid])  # 1
    signed = AuditReport.opened(envelope)
    if signed.json_hash != sha256(raw).digest():
        raise BadProof("the signature is not over this report: its hash is another")  # 2
    report = read_report(raw)
    if report.auditor.key != known[envelope.kid] or signed != _message(report, raw):
        raise BadProof("the signature and the report do not say the same")  # 3
    _check_checkpoint(report)  # 4
    return report


def _message(report: ReportText, raw: bytes) -> AuditReport:
    return AuditReport(
        iat=report.made,
        begins=report.begins,
        to=report.to,
        root=report.root,
        findings=tuple((one.index, one.rule) for one in report.findings),
        unseen=report.unseen,
        json_hash=sha256(raw).digest(),
    )


def _check_checkpoint(report: ReportText) -> None:
    witnesses = [read_vkey(key) for key in dict.fromkeys(row.key for row in report.cosigned)]
    opened = open_checkpoint(report.checkpoint, read_vkey(report.log), witnesses)
    wanted = Checkpoint(report.origin, report.to - before_of(report), report.root)
    if opened.checkpoint != wanted:
        raise BadProof("the report is about another tree than its checkpoint")
    if _cosigned(opened.cosigned) != [row.plain() for row in report.cosigned]:
        raise BadProof("the report names other cosignatures than its checkpoint")


def _under(judged: Judged, tally: Tally) -> dict[str, Json]:
    """Return whose log was judged, up to where, and who vouches for that tree."""
    listing = tally.directory.listing if tally.directory else None
    return {
        "vault": listing.vault if listing else None,
        "zone": listing.zone if listing else DEFAULT_ZONE,
        "origin": judged.log.name,
        "log": str(judged.log),
        **_earlier(judged.earlier),
        "from": 0,
        "to": judged.size,
        "root": judged.root.hex(),
        "checkpoint": judged.checkpoint,
        "cosigned": [*_cosigned(judged.cosigned)],
        "quorum": listing.log.quorum if listing else 0,
    }


def _earlier(found: Sequence[Earlier]) -> dict[str, Json]:
    if not found:
        return {}
    return {
        "earlier": [
            {"log": str(one.log), "size": one.size, "root": one.root.hex()} for one in found
        ]
    }


def _cosigned(found: Iterable[Cosigned]) -> list[dict[str, Json]]:
    return [
        {"name": one.witness.name, "key": str(one.witness), "time": one.time}
        for one in found
        if one.time <= LARGEST  # a JSON number; a later one says nothing of a time anyway
    ]


def _party_of(tally: Tally, key: bytes) -> str | None:
    entries = tally.directory.listing.entries if tally.directory else ()
    return next((p.id for p in entries if key in {one.pk for one in p.sig}), None)


def _names(tally: Tally) -> dict[str, Json]:
    entries = tally.directory.listing.entries if tally.directory else ()
    return {party.id: party.name for party in entries}


def _writable(text: str) -> str:
    """Return text that has a UTF-8 form: a lone surrogate is written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
