"""A person's own exports (evidence E2): sealed for themselves, shown to them, in no total.

    blob = seal_own(root, acts)              to a key of their own root; anybody may keep it
    open_own(root, blob)                     [OwnAct(receipt="R-1", act=Act(…), detail={…}), …]

Nobody but the person vouches for such acts. They are never booked, so they are in no batch, no
cell and no total (docs/methodology.md, "Evidence").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vault.crypto.keys import Root, record_key
from vault.crypto.seal import open_sealed, pad, seal, unpad
from vault.encoding import compact_json, strict_json
from vault.errors import BadSeal
from vault.importers.entry import Entry
from vault.messages import Shape
from vault.methodology.quantify import Act

# No link has this id: link ids are random, and this one is never attached.
OWN = bytes(16)
INFO = b"cv1/own"
EVIDENCE: Literal["E2"] = "E2"


class OwnLine(Shape):
    """One act inside a sealed list."""

    receipt: str
    behaviour: str
    activity: dict[str, int]
    start: int
    end: int
    region: str
    detail: dict[str, str]


@dataclass(frozen=True)
class OwnAct:
    """An act that only its person tells."""

    receipt: str
    act: Act
    detail: dict[str, str]


def own_act(entry: Entry) -> OwnAct:
    """Return an imported act as the person's own word for it: evidence E2, whatever it was."""
    return OwnAct(entry.receipt, replace(entry.act, evidence=EVIDENCE), dict(entry.detail))


def seal_own(root: Root, acts: Iterable[OwnAct]) -> bytes:
    """Return the acts sealed to a key of this root (HPKE, padded as a batch is; at most 1 MiB).

    Raises:
        BadShape: they do not fit.
    """
    lines = [
        OwnLine(
            receipt=own.receipt,
            behaviour=own.act.behaviour,
            activity=dict(own.act.activity),
            start=own.act.start,
            end=own.act.end,
            region=own.act.region,
            detail=own.detail,
        ).plain()
        for own in acts
    ]
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


def _act(line: OwnLine) -> OwnAct:
    act = Act(line.behaviour, line.activity, line.start, line.end, line.region, EVIDENCE)
    return OwnAct(line.receipt, act, line.detail)
