"""The tree beside pymerkle, a library written by others: roots, paths and proofs, both ways.

Its inclusion path is ours with the leaf before it. Its consistency proof goes down to a leaf where
RFC 6962 stops at a complete subtree, so that it is folded up to the RFC's shape before it is ours;
the other way its verifier takes our roots.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol

import pymerkle  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.log import merkle
from vault.errors import BadProof

LARGEST = 600
ENTRIES = [sha256(i.to_bytes(4, "big")).digest() for i in range(LARGEST)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


class Tree(Protocol):
    """What is used of pymerkle.InmemoryTree."""

    def get_root(self, size: int) -> bytes: ...

    def prove_inclusion(self, index: int, size: int) -> Inclusion: ...

    def prove_consistency(self, prior_size: int, later_size: int) -> Consistency: ...


class Inclusion(Protocol):
    rule: list[int]
    path: list[bytes]


class Consistency(Inclusion, Protocol):
    subset: list[int]


def grown() -> Tree:
    tree: Tree = pymerkle.InmemoryTree.init_from_entries(ENTRIES, algorithm="sha256")
    return tree


THEIRS = grown()
sizes = st.integers(1, LARGEST)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, int]:
    new = draw(sizes)
    return draw(st.integers(1, new)), new


def subtree(level: int, index: int) -> bytes:
    return merkle.root(LEAVES[index << level : (index + 1) << level])


def inclusion(index: int, size: int, rule: list[int], path: list[bytes]) -> object:
    found: object = pymerkle.InclusionProof("sha256", True, size, index + 1, rule, path)
    return found


def to_rfc(proof: Consistency) -> list[bytes]:
    """Our form of their consistency proof: what is right of the old tree folded into one hash."""
    if proof.subset[0]:
        return []  # one size: their path is the root itself
    first = proof.subset.index(1)
    folded = proof.path[0]
    for digest in proof.path[1:first]:
        folded = merkle.node_hash(folded, digest)
    # The old root itself is left out when it is one complete subtree.
    own = [proof.path[first]] if sum(proof.subset) > 1 else []
    return [*own, folded, *proof.path[first + 1 :]]


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_roots_are_the_same(size: int) -> None:
    assert merkle.root(LEAVES[:size]) == THEIRS.get_root(size) == merkle.root_at(size, subtree)


def test_empty_root_is_the_same() -> None:
    assert THEIRS.get_root(0) == merkle.EMPTY_ROOT


@settings(max_examples=300)
@given(sizes, st.data())
def test_inclusion_paths_are_the_same_and_verify_both_ways(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    ours, theirs = (
        merkle.prove_inclusion(index, size, subtree),
        THEIRS.prove_inclusion(index + 1, size),
    )
    assert theirs.path == [LEAVES[index], *ours]
    root = THEIRS.get_root(size)
    merkle.verify_inclusion(LEAVES[index], index, size, root, theirs.path[1:])
    own = inclusion(index, size, theirs.rule, [LEAVES[index], *ours])
    pymerkle.verify_inclusion(LEAVES[index], merkle.root(LEAVES[:size]), own, index + 1, size)


@settings(max_examples=300)
@given(pairs())
def test_consistency_proofs_are_the_same_and_verify_both_ways(pair: tuple[int, int]) -> None:
    old, new = pair
    theirs = THEIRS.prove_consistency(old, new)
    assert to_rfc(theirs) == merkle.prove_consistency(old, new, subtree)
    merkle.verify_consistency(old, new, THEIRS.get_root(old), THEIRS.get_root(new), to_rfc(theirs))
    roots = merkle.root(LEAVES[:old]), merkle.root(LEAVES[:new])
    pymerkle.verify_consistency(*roots, theirs, old, new)


@given(pairs(), st.data())
def test_a_changed_hash_is_refused_by_both(pair: tuple[int, int], data: st.DataObject) -> None:
    old, new = pair
    theirs = THEIRS.prove_consistency(old, new)
    place = data.draw(st.integers(0, len(theirs.path) - 1))
    theirs.path[place] = sha256(theirs.path[place]).digest()
    roots = THEIRS.get_root(old), THEIRS.get_root(new)
    with pytest.raises(pymerkle.InvalidProof):
        pymerkle.verify_consistency(*roots, theirs, old, new)
    # An old tree that is one complete subtree is not in our proof, so that nothing changed there.
    if to_rfc(theirs) != merkle.prove_consistency(old, new, subtree):
        with pytest.raises(BadProof):
            merkle.verify_consistency(old, new, *roots, to_rfc(theirs))
