"""The real sequencer at the sizes where tiles change: 511 to 513, 1,000 and 65,537 entries.

Everything that is served there is computed a second time, as RFC 6962 defines it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import pairwise

import pytest

from consent.log import checkpoint, merkle, tiles, tlog_policy
from consent.log.proof import leaf_data, verify_proof
from consent.log.sequencer import Sequencer
from tests.log import naive
from tests.log.test_sequencer import FILE_KEY, LOG, LOG_KEY, ORIGIN, SCHEMAS
from vault.encoding import text_hash
from vault.errors import NotFound
from vault.storage.database import Transaction
from vault.storage.sqlcipher import SqlCipher

SIZES = (511, 512, 513, 1_000, 65_537)
AT = 1_767_225_600


class Grown:
    """A log that grew to each of the sizes, in one transaction each."""

    def __init__(self, database: SqlCipher) -> None:
        self.database = database
        self.log = Sequencer(database, ORIGIN, LOG_KEY)
        self.leaves: list[bytes] = []
        self.heads: dict[int, checkpoint.Checkpoint] = {}

    def grow(self, size: int) -> None:
        """Write the journal's rows as the journal writes them, and sequence them."""
        first = len(self.leaves)

        def work(tx: Transaction) -> None:
            for i in range(first, size):
                tx.run(
                    "INSERT INTO journal (hash, at, salt, text) VALUES (?, ?, ?, ?)",
                    text_hash(text(i)),
                    AT + i,
                    salt(i),
                    text(i),
                )

        self.database.write(work)
        self.log.sequence()
        self.leaves += [leaf_data(salt(i), AT + i, text(i)) for i in range(first, size)]
        self.heads[size] = tlog_policy.open_checkpoint(self.log.checkpoint(), LOG).checkpoint


def text(i: int) -> str:
    return f"text {i}"


def salt(i: int) -> bytes:
    return i.to_bytes(16, "big")


@pytest.fixture(scope="module")
def grown() -> Iterator[Grown]:
    with closing(SqlCipher(None, FILE_KEY, SCHEMAS)) as database:
        found = Grown(database)
        for size in SIZES:
            found.grow(size)
        yield found


@cache
def slow_root(leaves: tuple[bytes, ...]) -> bytes:
    return naive.mth(list(leaves))


def served(size: int) -> Iterator[tiles.Tile]:
    """Every tile that a log of this size serves at its full width, the partial ones included."""
    for level in (tiles.ENTRIES, 0, 1, 2, 3):
        n = 0
        while width := tiles.width_at(size, level, n):
            yield tiles.Tile(level, n, width)
            n += 1


@pytest.mark.parametrize("size", SIZES)
def test_root_is_the_one_of_the_definition(grown: Grown, size: int) -> None:
    assert grown.heads[size].size == size
    assert grown.heads[size].root == slow_root(tuple(grown.leaves[:size]))


@pytest.mark.parametrize("size", SIZES)
def test_every_tile_of_a_size_is_still_served_and_is_the_one_of_the_definition(
    grown: Grown, size: int
) -> None:
    found = list(served(size))
    for tile in found:
        if tile.level == tiles.ENTRIES:
            wanted = naive.bundle(grown.leaves, tile.n, tile.width)
        else:
            wanted = naive.tile(grown.leaves, tile.level, tile.n, tile.width)
        assert grown.log.tile(str(tile)) == wanted, tile
    levels = {tile.level for tile in found}
    assert levels == ({-1, 0, 1} if size < 65_536 else {-1, 0, 1, 2})


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/256.p/2",
        "tile/0/257.p/1",
        "tile/1/001.p/1",
        "tile/2/000.p/2",
        "tile/2/000",
        "tile/3/000.p/1",
        "tile/entries/256",
    ],
)
def test_nothing_is_served_beyond_65_537(grown: Grown, path: str) -> None:
    with pytest.raises(NotFound):
        grown.log.tile(path)


@pytest.mark.parametrize(
    "path", ["tile/0/256.p/1", "tile/1/000", "tile/2/000.p/1", "tile/entries/256.p/1"]
)
def test_edge_of_65_537_is_served(grown: Grown, path: str) -> None:
    assert grown.log.tile(path)


@pytest.mark.parametrize(
    "index", [0, 1, 255, 256, 510, 511, 512, 513, 999, 1_000, 32_768, 65_534, 65_535, 65_536]
)
def test_proof_verifies_at_the_edges(grown: Grown, index: int) -> None:
    logged = verify_proof(grown.log.prove(text_hash(text(index))), text(index), LOG)
    assert (logged.index, logged.at, logged.size) == (index, AT + index, SIZES[-1])


def test_each_head_extends_the_ones_before(grown: Grown) -> None:
    hashes = [merkle.leaf_hash(leaf) for leaf in grown.leaves]

    def subtree(level: int, i: int) -> bytes:
        return merkle.root(hashes[i << level : (i + 1) << level])

    for old, new in pairwise(SIZES):
        for before in [size for size in SIZES if size <= old]:
            proof = merkle.prove_consistency(before, new, subtree)
            merkle.verify_consistency(
                before, new, grown.heads[before].root, grown.heads[new].root, proof
            )
            if new < 1_001:
                assert proof == naive.proof(before, grown.leaves[:new])


def test_log_of_65_537_starts_again(grown: Grown) -> None:
    again = Sequencer(grown.database, ORIGIN, LOG_KEY, [grown.log.checkpoint()])
    assert again.checkpoint() == grown.log.checkpoint()
