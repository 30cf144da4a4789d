"""One act as a file tells it to `explain`: a line of JSON, or a holder's own record.

{"behaviour":"travel.bike","activity":{"m":1200,"s":300},"start":1767571200,"end":1767571500,
"region":"CN-ZJ-HZ"}

A record of `carbonvault holder records --json` has its seconds as start_unix and end_unix, its own
release, and what it counted: mg, rev and reason. Other members are passed over
(docs/methodology.md).
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from vault.encoding import Json, strict_object
from vault.errors import BadFile, BadShape
from vault.messages import Shape, Unix
from vault.methodology.behaviour import Evidence
from vault.methodology.formula import Amount, Region
from vault.methodology.quantify import Act, Credit
from vault.months import Milligrams


class Told(Shape):
    """An act, with what was recorded of it where this is a record."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    behaviour: Annotated[str, Field(min_length=1, max_length=64)]
    activity: dict[str, Amount]
    start: Unix
    end: Unix
    region: Region
    evidence: Evidence = "E3"
    release: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    mg: int | None = None
    rev: int | None = None
    reason: str | None = None

    @property
    def act(self) -> Act:
        """The act to count."""
        return Act(self.behaviour, self.activity, self.start, self.end, self.region, self.evidence)

    @property
    def recorded(self) -> Credit | None:
        """What the record of it counted."""
        if self.mg is None or self.rev is None:
            return None
        return Credit(Milligrams(self.mg), self.behaviour, self.rev, self.reason)


def read_told(raw: bytes) -> list[Told]:
    """Return the acts of a file: one object, one object a line, or the records of a holder.

    Raises:
        BadShape: none of these, or a member is missing or out of range; it is named, its value not.
        BadFile: it is a holder's records, and holds none.
    """
    raw = raw.removeprefix(BOM_UTF8)
    try:
        whole = [strict_object(raw)]
    except BadShape as bad:
        lines = [line for line in raw.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        try:
            whole = [strict_object(line) for line in lines]
        except BadShape:
            raise bad from None
    return [_told(members) for found in whole for members in _acts(found)]


def _acts(found: dict[str, Json]) -> Iterable[dict[str, Json]]:
    if "records" not in found:
        return [found]
    records = found["records"]
    if records == []:
        raise BadFile("there is no record in it")
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise BadShape("wanted a list of records")
    return [each for each in records if isinstance(each, dict)]


def _told(members: dict[str, Json]) -> Told:
    detail = members.get("detail")
    inner = detail.get("region") if isinstance(detail, dict) else None
    plain = {
        **members,
        "start": members.get("start_unix", members.get("start")),
        "end": members.get("end_unix", members.get("end")),
        "region": members.get("region", inner),
    }
    try:
        return Told.model_validate(plain)
    except ValidationError as bad:
        found = (".".join(map(str, e["loc"])) + ": " + e["type"] for e in bad.errors()[:5])
        raise BadShape(f"an act: {'; '.join(found)}") from None
