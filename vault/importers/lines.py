"""Acts as JSON lines, for whatever has no importer of its own (docs/importers.md).

    {"customer":"7","behaviour":"travel.bike","activity":{"m":1200,"s":300},"start":1767571200,
     "end":1767571500,"region":"CN-ZJ-HZ","receipt":"R-1","guessable":true}
    {"takes_back":"R-1","receipt":"R-9"}

One object is one line. The second kind takes an act back that was told before; beside the members
shown, an act may name ``operator``, ``detail``, ``evidence`` and ``claimed``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, BinaryIO

from pydantic import Field, StringConstraints

from vault.encoding import strict_object
from vault.errors import BadFile, BadShape
from vault.importers.entry import Claimed, Entry, Reversal, Setting
from vault.importers.opening import MARK
from vault.importers.report import LONGEST_LINE, Report
from vault.messages import PartyId, Shape
from vault.methodology.behaviour import Evidence
from vault.methodology.formula import Amount, Region, Unit
from vault.methodology.limit import BehaviourId
from vault.methodology.quantify import Act

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\P{C}+$")]
Moment = Annotated[int, Field(ge=946_684_800, lt=4_102_444_800)]  # the years 20YY
Text = Annotated[str, StringConstraints(max_length=1000)]


class ActLine(Shape):
    """A line that tells an act.

    ``customer`` stays away where the file is joined to customers, ``operator`` for the source's
    own, ``evidence`` for E3. No member is ever null.
    """

    customer: Word | None = None
    behaviour: BehaviourId
    activity: Annotated[dict[Unit, Amount], Field(min_length=1)]
    start: Moment
    end: Moment
    region: Region
    receipt: Word
    guessable: bool
    operator: PartyId | None = None
    detail: Annotated[dict[Word, Text], Field(max_length=50)] | None = None
    evidence: Evidence | None = None
    claimed: Claimed | None = None

    def entry(self, line: int) -> Entry:
        """Return the act; raises BadFile when it ends before it starts."""
        if self.end < self.start:
            raise BadFile("ends-before-start")
        measured = {str(unit): amount for unit, amount in self.activity.items()}
        grade = self.evidence or "E3"
        return Entry(
            line,
            self.customer,
            Act(self.behaviour, measured, self.start, self.end, self.region, grade),
            self.receipt,
            self.guessable,
            self.detail or {},
            self.operator,
            self.claimed,
        )


class BackLine(Shape):
    """A line that takes back the act of another receipt."""

    takes_back: Word
    receipt: Word
    operator: PartyId | None = None

    def entry(self, line: int) -> Reversal:
        """Return the reversal; raises BadFile when it takes itself back."""
        if self.takes_back == self.receipt:
            raise BadFile("takes-itself-back")
        return Reversal(line, self.receipt, self.takes_back, self.operator)


def read_entries(
    file: BinaryIO,
    setting: Setting,  # noqa: ARG001 every line says all of itself
    report: Report,
) -> Iterator[Entry | Reversal]:
    """Yield what the lines of a file tell, one at a time; blank lines are skipped.

    Refuses into the report: ``too-long`` (over 64 KiB), ``not-utf-8``, ``bad-shape`` (no JSON
    object, or members missing, unknown, doubled or out of range), ``ends-before-start``,
    ``takes-itself-back``.

    Args:
        file: the lines, open in binary mode.
        setting: not looked at.
        report: filled while the acts are taken.
    """
    for number, raw in enumerate(_lines(file), 1):
        if not raw.removeprefix(MARK).strip():
            continue
        try:
            entry = _line(raw).entry(number)
        except BadFile as bad:
            report.refuse(str(bad), number)
            continue
        report.accept()
        yield entry


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while raw := file.readline(LONGEST_LINE + 1):
        yield raw
        while len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            raw = file.readline(LONGEST_LINE + 1)


def _line(raw: bytes) -> ActLine | BackLine:
    if len(raw) > LONGEST_LINE:
        raise BadFile("too-long")
    text = raw.removeprefix(MARK).strip()
    try:
        text.decode("utf-8")
        return (BackLine if "takes_back" in strict_object(text) else ActLine).parse(text)
    except UnicodeDecodeError:
        raise BadFile("not-utf-8") from None
    except BadShape:
        raise BadFile("bad-shape") from None  # its text could hold a person's figure
