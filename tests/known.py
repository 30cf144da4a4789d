"""tests/vectors/protocol.json, typed: section 10 of docs/protocol.md as printed there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict, cast


class CellVector(TypedDict):
    root: str
    link: str
    category: int
    month: str
    grams: int
    k: str
    rec_pk: str
    mask: str
    rho: str
    c: str
    C: str
    C_of_zero: str


class SumVector(TypedDict):
    root: str
    links: list[str]
    months: list[str]
    category: int
    tau: str
    rho: str


class TagVector(TypedDict):
    k_net: str
    operator: str
    receipt: str
    tag: str


class WrapVector(TypedDict):
    s: str
    code: str
    id: str
    key: str


class LeafVector(TypedDict):
    salt: str
    at: int
    text: str
    data: str


class Known(TypedDict):
    h: str
    cell: CellVector
    sum: SumVector
    tag: TagVector
    wrap: WrapVector
    leaf: LeafVector
    kids: dict[str, str]


_FILE = Path(__file__).parent / "vectors" / "protocol.json"
KNOWN = cast("Known", json.loads(_FILE.read_text(encoding="utf-8")))
