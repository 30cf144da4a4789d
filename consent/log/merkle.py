r"""The tree (RFC 6962 section 2.1 with SHA-256), its proofs and their verification.

docs/protocol.md section 6.

    leaf = H(00 || entry)    node = H(01 || left || right)    root of nothing = H("")

              root 3                 split at the largest power of two below the size;
             /      \                never pad, never double a leaf
         root 2    leaf 2            inclusion of 0 in 3: [leaf 1, leaf 2]
         /    \                      consistency 2 → 3:   [leaf 2]
    leaf 0    leaf 1

Proofs are made from *complete subtrees* (2^level leaves, aligned), which never change once full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from vault.errors import BadProof

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""Gives MTH(D[i · 2^level : (i + 1) · 2^level]) for (level, i): a complete subtree's hash."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf, 32 bytes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes, from its children's."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over these leaf hashes, 32 bytes each.

    Also the hash of a subtree when the hashes are those of its complete subtrees of one level.
    """
    if not leaves:
        return EMPTY_ROOT
    row = list(leaves)
    while len(row) > 1:
        paired = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = paired + row[len(row) & ~1 :]
    return row[0]


def root_at(size: int, subtree: Subtree) -> bytes:
    """Return the root of the first `size` leaves."""
    return _range(0, size, subtree) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of a leaf, from its sibling up to a child of the root.

    Args:
        index: 0-based, below size.
        size: leaves in the tree that the proof is for.
        subtree: hashes of the complete subtrees of that tree.

    Raises:
        BadProof: there is no such leaf.

    Source: RFC 6962 section 2.1.1.
    """
    if not 0 <= index < size:
        raise BadProof(f"a tree of {size} has no leaf {index}")
    first, last, path = 0, size, list[bytes]()
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append(_range(middle, last, subtree))
            last = middle
        else:
            path.append(_range(first, middle, subtree))
            first = middle
    return path[::-1]


def prove_consistency(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with the tree of `old` leaves.

    Empty when the sizes are equal or old is 0.

    Raises:
        BadProof: not 0 <= old <= new.

    Source: RFC 6962 section 2.1.2.
    """
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {old} is no beginning of one of {new}")
    first, last, path = 0, new, list[bytes]()
    while old not in (0, last):
        middle = first + _split(last - first)
        if old <= middle:
            path.append(_range(middle, last, subtree))
            last = middle
        else:
            path.append(_range(first, middle, subtree))
            first = middle
    if first:
        # SPEC: the old tree's own root is left out only when it is a complete left subtree.
        path.append(_range(first, last, subtree))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, tree_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return when the leaf hash stands at the index of the tree with this size and root.

    The size counts only together with the root: take both from one signed checkpoint.

    Raises:
        BadProof: it does not; also when hashes are missing, left over or not 32 bytes.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise BadProof(f"a tree of {size} has no leaf {index}")
    _check_hashes(leaf, tree_root, *proof)
    fn, sn, climbed = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise BadProof("the inclusion proof has hashes left over")
        if fn & 1 or fn == sn:
            climbed = node_hash(sibling, climbed)
            fn, sn = _skip(fn, sn)
        else:
            climbed = node_hash(climbed, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or climbed != tree_root:
        raise BadProof("the inclusion proof does not lead to the root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return when the tree of `new` leaves begins with the tree of `old` leaves.

    Raises:
        BadProof: it does not; also when old > new, or hashes are missing, left over or not 32
            bytes.

    Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {old} is no beginning of one of {new}")
    _check_hashes(old_root, new_root, *proof)
    if old in (0, new):
        _verify_nothing_to_prove(old, new, old_root, new_root, proof)
        return
    if not proof:
        raise BadProof(f"from {old} to {new} leaves a consistency proof has hashes")
    # SPEC: if first is an exact power of 2, then prepend first_hash to the path.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if _climb(old, new, path) != (old_root, new_root):
        raise BadProof("the consistency proof does not lead to both roots")


def _verify_nothing_to_prove(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise BadProof(f"from {old} to {new} leaves a consistency proof is empty")
    if old == new and old_root != new_root:
        raise BadProof("two trees of one size have different roots")
    if old == 0 and old_root != EMPTY_ROOT:
        raise BadProof("the empty tree has another root")


def _climb(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise BadProof("the consistency proof has hashes left over")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(sibling, fr), node_hash(sibling, sr)
            fn, sn = _skip(fn, sn)
        else:
            sr = node_hash(sr, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise BadProof("the consistency proof lacks hashes")
    return fr, sr


def _skip(fn: int, sn: int) -> tuple[int, int]:
    # SPEC: if LSB(fn) is not set, right-shift both until LSB(fn) is set or fn is 0.
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _split(count: int) -> int:
    """Return the largest power of two below the count (2 or more)."""
    return 1 << (count - 1).bit_length() - 1


def _range(first: int, last: int, subtree: Subtree) -> bytes:
    """Return MTH(D[first:last]); RFC 6962's splits leave every complete subtree inside aligned."""
    count = last - first
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return subtree(level, first >> level)
    middle = first + _split(count)
    return node_hash(_range(first, middle, subtree), _range(middle, last, subtree))


def _check_hashes(*hashes: bytes) -> None:
    # Two hashes of 31 and 33 bytes would hash like two of 32.
    if any(len(found) != HASH_SIZE for found in hashes):
        raise BadProof(f"every hash of a proof has {HASH_SIZE} bytes")
