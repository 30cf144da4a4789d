"""tests/vectors/log.json, typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict


class Inclusion(TypedDict):
    index: int
    size: int
    proof: list[str]


class Consistency(TypedDict):
    old: int
    new: int
    proof: list[str]


class Tree(TypedDict):
    entries: list[str]
    leaves: list[str]
    roots: list[str]
    inclusion: list[Inclusion]
    consistency: list[Consistency]
    bundle: str


class Log(TypedDict):
    seed: str
    vkey: str
    size: int
    root: str
    checkpoint: str


class Witness(TypedDict):
    name: str
    seed: str
    vkey: str
    time: int
    line: str


class LeafData(TypedDict):
    salt: str
    at: int
    text: str
    entry: str


class ProofFile(TypedDict):
    text: str
    salt: str
    at: int
    index: int
    proof: str


class TilePath(TypedDict):
    path: str
    level: int
    n: int
    width: int


class BadNote(TypedDict):
    why: str
    note: str
    error: str


class BadKey(TypedDict):
    why: str
    vkey: str


class BadProofFile(TypedDict):
    why: str
    proof: str


class Vectors(TypedDict):
    tree: Tree
    eight: Tree
    log: Log
    witness: Witness
    leaf_data: LeafData
    proofs: list[ProofFile]
    paths: list[TilePath]
    bad_notes: list[BadNote]
    bad_vkeys: list[BadKey]
    bad_proofs: list[BadProofFile]
    bad_paths: list[str]


def _load() -> Vectors:
    file = Path(__file__).parent.parent / "vectors" / "log.json"
    found: Vectors = json.loads(file.read_text(encoding="utf-8"))
    return found


VECTORS = _load()


def unhex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]
