from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.log import merkle
from tests.log import naive
from tests.log.vectors import VECTORS, Tree, unhex
from vault.errors import BadProof

TREES = [pytest.param(VECTORS["tree"], id="three"), pytest.param(VECTORS["eight"], id="eight")]
SIZES = st.integers(1, 70)


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(size)]


def subtrees(entries: list[bytes]) -> merkle.Subtree:
    def subtree(level: int, index: int) -> bytes:
        covered = entries[index << level : (index + 1) << level]
        assert len(covered) == 1 << level, "only complete subtrees are asked for"
        return naive.mth(covered)

    return subtree


def flip(raw: bytes, bit: int) -> bytes:
    number = int.from_bytes(raw, "big") ^ 1 << bit % (len(raw) * 8)
    return number.to_bytes(len(raw), "big")


def swap(proof: list[bytes], at: int, *new: bytes) -> list[bytes]:
    return [*proof[:at], *new, *proof[at + 1 :]]


def directions(index: int, size: int) -> list[bool]:
    """Which side each step of a path comes from: what RFC 9162 reads out of index and size."""
    if size == 1:
        return []
    k = naive.split(size)
    if index < k:
        return [*directions(index, k), False]
    return [*directions(index - k, size - k), True]


@pytest.mark.parametrize("tree", TREES)
def test_tree_has_the_published_leaves_and_roots(tree: Tree) -> None:
    leaves = [merkle.leaf_hash(entry) for entry in unhex(tree["entries"])]
    assert [leaf.hex() for leaf in leaves] == tree["leaves"]
    roots = [merkle.root(leaves[: i + 1]).hex() for i in range(len(leaves))]
    assert roots == tree["roots"]


@pytest.mark.parametrize("tree", TREES)
def test_proofs_are_the_published_ones_and_verify(tree: Tree) -> None:
    entries, roots = unhex(tree["entries"]), unhex(tree["roots"])
    leaves = unhex(tree["leaves"])
    for one in tree["inclusion"]:
        index, size, path = one["index"], one["size"], unhex(one["proof"])
        assert merkle.prove_inclusion(index, size, subtrees(entries)) == path
        merkle.verify_inclusion(leaves[index], index, size, roots[size - 1], path)
    for two in tree["consistency"]:
        old, new, path = two["old"], two["new"], unhex(two["proof"])
        assert merkle.prove_consistency(old, new, subtrees(entries)) == path
        merkle.verify_consistency(old, new, roots[old - 1], roots[new - 1], path)


def test_root_of_nothing_is_the_hash_of_nothing() -> None:
    known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root([]).hex() == known
    assert merkle.root_at(0, subtrees([])).hex() == known


def test_every_proof_up_to_33_leaves_is_that_of_rfc_6962_and_verifies() -> None:
    entries = entries_of(33)
    find = subtrees(entries)
    roots = [naive.mth(entries[:size]) for size in range(34)]
    for new in range(1, 34):
        assert merkle.root_at(new, find) == roots[new]
        assert merkle.root([merkle.leaf_hash(entry) for entry in entries[:new]]) == roots[new]
        for m in range(new):
            path = merkle.prove_inclusion(m, new, find)
            assert path == naive.path(m, entries[:new])
            merkle.verify_inclusion(merkle.leaf_hash(entries[m]), m, new, roots[new], path)
        for m in range(1, new + 1):
            path = merkle.prove_consistency(m, new, find)
            assert path == naive.proof(m, entries[:new])
            merkle.verify_consistency(m, new, roots[m], roots[new], path)


@given(SIZES, st.data())
def test_inclusion_refuses_any_change(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    bit = data.draw(st.integers(0, 255))
    leaf, root = merkle.leaf_hash(entries[index]), naive.mth(entries)
    path = merkle.prove_inclusion(index, size, subtrees(entries))
    merkle.verify_inclusion(leaf, index, size, root, path)
    changed = [
        (flip(leaf, bit), root, path),
        (leaf, flip(root, bit), path),
        (leaf, root, [*path, root]),
        (leaf, root, [leaf, *path]),
    ]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        changed.append((leaf, root, swap(path, at)))
        changed.append((leaf, root, swap(path, at, flip(path[at], bit))))
        changed.append((leaf, root, swap(path, at, path[at], path[at])))
        changed.append((leaf, root, swap(path, at, path[at][:-1])))
    for bad_leaf, bad_root, bad_path in changed:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(bad_leaf, index, size, bad_root, bad_path)


@given(SIZES, st.data())
def test_inclusion_refuses_another_index(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(-2, size + 2).filter(lambda found: found != index))
    path = merkle.prove_inclusion(index, size, subtrees(entries))
    with pytest.raises(BadProof):
        merkle.verify_inclusion(
            merkle.leaf_hash(entries[index]), other, size, naive.mth(entries), path
        )


@given(SIZES, SIZES, st.data())
def test_inclusion_refuses_a_size_in_which_the_path_runs_otherwise(
    size: int, other: int, data: st.DataObject
) -> None:
    # Where it runs the same way only the checkpoint tells the sizes apart: it signs size and root.
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    leaf, root = merkle.leaf_hash(entries[index]), naive.mth(entries)
    path = merkle.prove_inclusion(index, size, subtrees(entries))
    if index < other and directions(index, size) == directions(index, other):
        merkle.verify_inclusion(leaf, index, other, root, path)
    else:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(leaf, index, other, root, path)


@given(SIZES, st.data())
def test_consistency_refuses_any_change(new: int, data: st.DataObject) -> None:
    entries = entries_of(new)
    old = data.draw(st.integers(1, new))
    bit = data.draw(st.integers(0, 255))
    old_root, new_root = naive.mth(entries[:old]), naive.mth(entries)
    path = merkle.prove_consistency(old, new, subtrees(entries))
    merkle.verify_consistency(old, new, old_root, new_root, path)
    changed = [
        (flip(old_root, bit), new_root, path),
        (old_root, flip(new_root, bit), path),
        (old_root, new_root, [*path, new_root]),
        (old_root, new_root, [old_root, *path]),
    ]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        changed.append((old_root, new_root, []))
        changed.append((old_root, new_root, swap(path, at)))
        changed.append((old_root, new_root, swap(path, at, flip(path[at], bit))))
        changed.append((old_root, new_root, swap(path, at, path[at] + b"\0")))
    for bad_old, bad_new, bad_path in changed:
        with pytest.raises(BadProof):
            merkle.verify_consistency(old, new, bad_old, bad_new, bad_path)


@given(SIZES)
def test_everything_begins_with_the_empty_tree_and_with_itself(size: int) -> None:
    root = naive.mth(entries_of(size))
    merkle.verify_consistency(0, size, merkle.EMPTY_ROOT, root, [])
    merkle.verify_consistency(size, size, root, root, [])
    assert merkle.prove_consistency(0, size, subtrees([])) == []
    for old, old_root, new_root, path in [
        (0, root, root, []),
        (0, merkle.EMPTY_ROOT, root, [root]),
        (size, root, merkle.EMPTY_ROOT, []),
        (size, root, root, [root]),
        (size + 1, root, root, []),
        (-1, root, root, []),
    ]:
        with pytest.raises(BadProof):
            merkle.verify_consistency(old, size, old_root, new_root, path)


def test_two_empty_trees_have_the_empty_root() -> None:
    merkle.verify_consistency(0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [])
    other = merkle.leaf_hash(b"")
    with pytest.raises(BadProof):
        merkle.verify_consistency(0, 0, other, other, [])


def test_hashes_of_31_and_33_bytes_do_not_pass_for_two_of_32() -> None:
    entries = entries_of(2)
    left, right = merkle.leaf_hash(entries[0]), merkle.leaf_hash(entries[1])
    assert merkle.node_hash(left + right[:1], right[1:]) == naive.mth(entries)
    with pytest.raises(BadProof):
        merkle.verify_inclusion(left + right[:1], 0, 2, naive.mth(entries), [right[1:]])
    with pytest.raises(BadProof):
        merkle.verify_consistency(1, 2, left[:-1], naive.mth(entries), [left[-1:] + right])


def test_proofs_that_reach_their_roots_too_early_or_too_late_are_refused() -> None:
    entries = entries_of(4)
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    two, three, four = (naive.mth(entries[:size]) for size in (2, 3, 4))
    extra = leaves[0]
    for index, size, root, path in [
        (0, 4, two, [leaves[1]]),
        (0, 1, merkle.node_hash(extra, leaves[0]), [extra]),
        (0, 2, merkle.node_hash(extra, two), [leaves[1], extra]),
    ]:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(leaves[0], index, size, root, path)
    late = merkle.node_hash(extra, three), merkle.node_hash(extra, four)
    for old, new, old_root, new_root, path in [
        (1, 4, leaves[0], two, [leaves[1]]),
        (3, 4, *late, [leaves[2], leaves[3], two, extra]),
    ]:
        with pytest.raises(BadProof):
            merkle.verify_consistency(old, new, old_root, new_root, path)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_proof_is_made_for_a_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(BadProof):
        merkle.prove_inclusion(index, size, subtrees(entries_of(3)))


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_no_proof_is_made_from_a_larger_tree(old: int, new: int) -> None:
    with pytest.raises(BadProof):
        merkle.prove_consistency(old, new, subtrees(entries_of(3)))
