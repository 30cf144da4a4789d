"""A person's own exports (evidence E2): sealed for themselves, shown to them, in no total.

    blob = seal_own(root, acts)              to a key of their own root; anybody may keep it
    open_own(root, blob)                     [OwnAct(receipt="R-1", act=Act(…), detail={…}), …]

Nobody but the person vouches for such acts. They are never booked, so they are in no batch, no
cell and no total (docs/methodology.md, "Evidence").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from vault.crypto.keys import Root, record_key
from vault.crypto.seal import LARGEST, open_sealed, pad, seal, unpad
from vault.encoding import Json, compact_json, strict_json
from vault.errors import BadMethodology, BadSeal, BadShape, OutOfBounds
from vault.importers.entry import Entry
from vault.messages import Shape
from vault.methodology.compare import NOT_LISTED, OTHER_UNITS
from vault.methodology.quantify import Act, quantify
from vault.methodology.release import Release
from vault.months import DEFAULT_ZONE, local_time

# No link has this id: link ids are random, and this one is never attached.
OWN = bytes(16)
INFO = b"cv1/own"
# The list's brackets and the length that padding puts before it; the last act has no comma.
ROOM = LARGEST - 4 - 1
EVIDENCE: Literal["E2"] = "E2"


class OwnLine(Shape):
    """One act inside a sealed list."""

    operator: str | None = None
    receipt: str
    behaviour: str
    activity: dict[str, int]
    start: int
    end: int
    region: str
    detail: dict[str, str]


@dataclass(frozen=True)
class OwnAct:
    """An act that only its person tells; ``operator`` is None where its export names none."""

    receipt: str
    act: Act
    detail: dict[str, str]
    operator: str | None = None

    @property
    def key(self) -> tuple[str | None, str, str, int]:
        """What makes it one act: one receipt may stand for a ride and for a bag."""
        return self.operator, self.act.behaviour, self.receipt, self.act.start


def own_act(entry: Entry) -> OwnAct:
    """Return an imported act as the person's own word for it: evidence E2, whatever it was."""
    act = replace(entry.act, evidence=EVIDENCE)
    return OwnAct(entry.receipt, act, dict(entry.detail), entry.operator)


def why_not(own: OwnAct, release: Release) -> str | None:
    """Return why an act cannot be kept, None where it can; one out of bounds is kept.

    ``not-in-release``, ``other-units``, ``no-such-time``, ``too-long`` (over 1 MiB).
    """
    try:
        local_time(own.act.end, DEFAULT_ZONE)
    except BadShape:
        return "no-such-time"
    try:
        quantify(own.act, release)
    except OutOfBounds:
        pass
    except BadMethodology:
        return NOT_LISTED
    except BadShape:
        return OTHER_UNITS
    return None if size_of(own) <= ROOM else "too-long"


def parts(acts: Iterable[OwnAct]) -> Iterator[list[OwnAct]]:
    """Yield the acts in lists that each fit one seal; none alone may be too long for it."""
    part: list[OwnAct] = []
    room = ROOM
    for own in acts:
        if part and size_of(own) > room:
            yield part
            part, room = [], ROOM
        part.append(own)
        room -= size_of(own)
    if part:
        yield part


def size_of(own: OwnAct) -> int:
    """Return the bytes that an act takes in a list, with the comma behind it."""
    return len(compact_json(_line(own))) + 1


def seal_own(root: Root, acts: Iterable[OwnAct]) -> bytes:
    """Return the acts sealed to a key of this root (HPKE, padded as a batch is; at most 1 MiB).

    Raises:
        TooLarge: they do not fit.
    """
    lines = [_line(own) for own in acts]
    return seal(record_key(root, OWN).public, pad(compact_json(lines)), INFO)


def open_own(root: Root, blob: bytes) -> list[OwnAct]:
    """Return the acts of a sealed list.

    Raises:
        BadSeal, BadShape: not sealed for this root, or damaged.
    """
    listed = strict_json(unpad(open_sealed((record_key(root, OWN),), blob, INFO)))
    if not isinstance(listed, list):
        raise BadSeal("the sealed bytes do not hold a list of acts")
    return [_act(OwnLine.parse(compact_json(item))) for item in listed]


def _line(own: OwnAct) -> dict[str, Json]:
    return OwnLine(
        operator=own.operator,
        receipt=own.receipt,
        behaviour=own.act.behaviour,
        activity=dict(own.act.activity),
        start=own.act.start,
        end=own.act.end,
        region=own.act.region,
        detail=own.detail,
    ).plain()


def _act(line: OwnLine) -> OwnAct:
    act = Act(line.behaviour, line.activity, line.start, line.end, line.region, EVIDENCE)
    return OwnAct(line.receipt, act, line.detail, line.operator)
