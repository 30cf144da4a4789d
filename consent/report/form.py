"""The members of an audit's report (docs/protocol.md section 7).

    {"type":"audit-report","vault":"vault.example","zone":"Asia/Shanghai","origin":…,"log":vkey,
     "earlier":[{"log":vkey,"size":9000,"root":…}],"from":0,"to":12345,"root":…,"checkpoint":note,"cosigned":[{"name":…,"key":vkey,"time":…}],
     "quorum":2,"made":1767225600,"auditor":{"key":…,"id":"audit.example"},"self_audited":false,
     "demo":false,"names":{…},"counts":{"release":812,…},
     "findings":[{"index":17,"rule":"release","reason":…}],"unseen":[],"releases":[…],
     "refusals":[…],"requests":[…],"ended":[…],"gaps":{…},"directories":[…],
     "web":[{"index":2,"at":1767225600,"version":"bdad11e320529bc6"}],"erased":0,
     "active":{"links":…,"grants":…}}

`earlier` are the logs that ended before this one, when there are any: `to` and every index count
their entries too. `web` are the lists of the web app, each in its place, when there are any. Its
bytes are compact JSON, members in this order, integers only: there is one text for one report. No
total stands in it, no account and no link.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vault.encoding import compact_json
from vault.errors import BadShape
from vault.messages import Hash, Key, MonthText, PartyId, Shape, Unix

LARGEST = 2**53 - 1
Count = Annotated[int, Field(ge=0, le=LARGEST)]


class CosignedRow(Shape):
    """A witness that cosigned the checkpoint, its vkey, and when (unix seconds)."""

    name: str
    key: str
    time: Unix


class EarlierRow(Shape):
    """A log that ended before: its vkey and its last tree."""

    log: str
    size: Annotated[int, Field(ge=1, le=LARGEST)]
    root: Hash


class FindingRow(Shape):
    """A broken rule."""

    index: Count
    rule: str
    reason: str


class Place(Shape):
    """When (None: past the calendar), under which template, and for whom."""

    month: MonthText | None
    template: str
    platform: str


class ReleaseRow(Place):
    """How many releases of a month went to a platform under a template."""

    count: Count


class RefusalRow(Place):
    """How many asks were refused, for one reason."""

    reason: str
    count: Count


class EndedRow(Place):
    """How many grants were revoked, replaced, erased, paused or resumed."""

    how: str
    count: Count


class RequestRow(Shape):
    """How many requests were declined or ran out."""

    month: MonthText | None
    reason: str
    count: Count


class BucketRow(Shape):
    """How many stopped grants had their last release so long before the stop."""

    bucket: str
    count: Count


class Gaps(Shape):
    """How stops were kept.

    ``longest`` is the seconds from a stop to the grant's last release, the largest of all: 0 or
    less when every last release stood before its stop; None when there is none to measure.
    ``late`` counts releases that stand after their grant's stop.
    """

    count: Count
    longest: Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | None
    late: Count
    buckets: tuple[BucketRow, ...]


class ChangeRow(Shape):
    """One change in a directory: consent.report.tally.compare_listings names the kinds."""

    kind: str
    who: str
    key: str


class DirectoryRow(Shape):
    """A directory, where it stands in the log, and what it changed."""

    index: Count
    at: Unix
    version: Count
    changes: tuple[ChangeRow, ...]


class WebRow(Shape):
    """A list of the web app that the vault logged: where, when (unix seconds), of which version."""

    index: Count
    at: Unix
    version: str


class Active(Shape):
    """What is alive at the end; ``links`` is None where the audit did not count them."""

    links: Count | None
    grants: Count


class Signer(Shape):
    """Who signs the report; ``id`` is None when the last directory does not list the key."""

    key: Key
    id: PartyId | None


class ReportText(Shape):
    """The whole report; ``vault`` is None when the log holds no directory that counts.

    ``names`` are the names of the parties that it speaks of, by id.
    """

    type: Literal["audit-report"]
    vault: PartyId | None
    zone: str
    origin: str
    log: str
    earlier: Annotated[tuple[EarlierRow, ...], Field(min_length=1)] | None = None
    begins: Literal[0] = Field(alias="from")
    to: Count
    root: Hash
    checkpoint: str
    cosigned: tuple[CosignedRow, ...]
    quorum: Count
    made: Unix
    auditor: Signer
    self_audited: bool
    demo: bool
    names: dict[str, str]
    counts: dict[str, Count]
    findings: tuple[FindingRow, ...]
    unseen: tuple[Count, ...]
    releases: tuple[ReleaseRow, ...]
    refusals: tuple[RefusalRow, ...]
    requests: tuple[RequestRow, ...]
    ended: tuple[EndedRow, ...]
    gaps: Gaps
    directories: tuple[DirectoryRow, ...]
    web: Annotated[tuple[WebRow, ...], Field(min_length=1)] | None = None
    erased: Count
    active: Active


def before_of(report: ReportText) -> int:
    """Return how many entries stand in the logs that ended before the report's own."""
    return sum(row.size for row in report.earlier or ())


def read_report(raw: bytes) -> ReportText:
    """Return the report of these bytes, unsigned yet.

    Raises:
        BadShape: not a report in its only form.
    """
    report = ReportText.parse(raw)
    if compact_json(report.plain()) != raw:
        raise BadShape("the report is not the compact JSON that this program writes")
    return report
