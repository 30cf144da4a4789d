from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.log import merkle, tiles
from tests.log import naive
from tests.log.vectors import VECTORS, TilePath, unhex
from vault.errors import BadProof, NotFound

SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513]
Rows = dict[tuple[int, int], bytes]


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(size)]


def reader(rows: Rows) -> tiles.ReadTile:
    return lambda level, n: rows.get((level, n), b"")


@cache
def grown(*steps: int) -> Rows:
    """The rows after growing through these sizes."""
    rows, size = Rows(), 0
    for step in steps:
        rows.update(tiles.grow(size, entries_of(step)[size:], reader(rows)))
        size = step
    return rows


def served(size: int) -> list[tiles.Tile]:
    """All tiles and bundles that a tree of this size has, by the page's own formula."""
    found = []
    for level in (tiles.ENTRIES, 0, 1, 2):
        count = size // 256 ** max(level, 0)
        found += [tiles.Tile(level, n, 256) for n in range(count // 256)]
        if count % 256:
            found.append(tiles.Tile(level, count // 256, count % 256))
    return found


@pytest.mark.parametrize("size", SIZES)
def test_served_tiles_are_those_computed_from_the_leaves(size: int) -> None:
    entries, rows = entries_of(size), grown(size)
    for tile in served(size):
        if tile.level == tiles.ENTRIES:
            wanted = naive.bundle(entries, tile.n, tile.width)
        else:
            wanted = naive.tile(entries, tile.level, tile.n, tile.width)
        assert tiles.cut(tile, size, reader(rows)) == wanted
    assert sorted(rows) == sorted((tile.level, tile.n) for tile in served(size))
    assert merkle.root_at(size, tiles.subtrees(reader(rows))) == naive.mth(entries)


def test_tree_of_70000_has_the_tiles_of_the_page() -> None:
    # "273 full level 0 tiles, one partial level 0 tile of width 112, one full level 1 tile, one
    # partial level 1 tile of width 17, and one partial level 2 tile of width 1"
    widths = [tiles.width_at(70_000, 0, n) for n in range(276)]
    assert widths == [256] * 273 + [112, 0, 0]
    assert [tiles.width_at(70_000, 1, n) for n in range(3)] == [256, 17, 0]
    assert [tiles.width_at(70_000, 2, n) for n in range(2)] == [1, 0]
    assert tiles.width_at(70_000, 3, 0) == 0
    assert tiles.width_at(70_000, tiles.ENTRIES, 273) == 112


@pytest.mark.parametrize("size", SIZES)
def test_tile_that_served_a_smaller_size_still_serves_it(size: int) -> None:
    rows = grown(513)
    for tile in served(size):
        assert tiles.cut(tile, 513, reader(rows)) == tiles.cut(tile, size, reader(grown(size)))


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_served_beyond_the_published_size(size: int) -> None:
    # The rows are ahead of the size: what is not published is not served.
    rows = grown(513)
    for level in (tiles.ENTRIES, 0, 1, 2, 63):
        count = size // 256 ** max(level, 0)
        for n, width in [(count // 256, count % 256 + 1), (count // 256 + 1, 1), (10**20, 256)]:
            with pytest.raises(NotFound):
                tiles.cut(tiles.Tile(level, n, width), size, reader(rows))


@pytest.mark.parametrize("level", [tiles.ENTRIES, 0])
def test_tile_stored_too_short_is_not_served(level: int) -> None:
    for rows in (grown(2), {(level, 0): b"\0"}, Rows()):
        with pytest.raises(BadProof):
            tiles.cut(tiles.Tile(level, 0, 3), 3, reader(rows))


@pytest.mark.parametrize("level", [tiles.ENTRIES, 0])
def test_tile_that_ends_inside_an_item_is_not_served(level: int) -> None:
    rows = {place: row + b"\0" for place, row in grown(3).items()}
    with pytest.raises(BadProof):
        tiles.cut(tiles.Tile(level, 0, 3), 3, reader(rows))


@given(st.lists(st.integers(0, 600), min_size=1, max_size=6))
def test_steps_of_growth_do_not_matter(steps: list[int]) -> None:
    assert grown(*sorted(steps)) == grown(max(steps))


@given(st.integers(0, 600), st.integers(0, 40))
def test_growth_only_appends(size: int, more: int) -> None:
    before, after = grown(size), grown(size, size + more)
    for place, row in before.items():
        assert after[place].startswith(row)


def test_growth_reads_only_the_right_edge() -> None:
    rows = {place: row for place, row in grown(513).items() if place not in ((0, 0), (0, 1))}
    tiles.grow(513, [b"next"], reader(rows))


@given(st.integers(1, 600), st.data())
def test_proofs_from_tiles_verify(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    for find in (tiles.subtrees(reader(grown(size))), tiles.Kept(3).over(reader(grown(size)))):
        path = merkle.prove_inclusion(index, size, find)
        leaf = merkle.leaf_hash(entries[index])
        merkle.verify_inclusion(leaf, index, size, naive.mth(entries), path)
        path = merkle.prove_consistency(old, size, find)
        merkle.verify_consistency(old, size, naive.mth(entries[:old]), naive.mth(entries), path)


def test_kept_hashes_are_read_once_and_the_oldest_leave() -> None:
    asked = []

    def read(level: int, n: int) -> bytes:
        asked.append((level, n))
        return grown(513)[level, n]

    kept = tiles.Kept(2)
    for level, index, reads in [(0, 0, 1), (0, 300, 2), (0, 0, 2), (8, 1, 3), (0, 0, 3)]:
        assert kept.over(read)(level, index) == naive.mth(
            entries_of(513)[index << level : (index + 1) << level]
        )
        assert len(asked) == reads
    kept.over(read)(0, 300)
    assert len(asked) == 4


def test_tile_too_short_for_a_subtree_is_refused() -> None:
    for level, index in [(0, 3), (1, 1), (2, 0), (8, 0)]:
        with pytest.raises(BadProof):
            tiles.subtrees(reader(grown(3)))(level, index)


@pytest.mark.parametrize("size", SIZES)
def test_right_edge_of_every_size_holds(size: int) -> None:
    tiles.verify_edge(size, naive.mth(entries_of(size)), reader(grown(size)))


@pytest.mark.parametrize("size", SIZES[1:])
def test_any_edit_of_the_right_edge_is_found(size: int) -> None:
    root, rows = naive.mth(entries_of(size)), grown(size)
    for tile in served(size):
        place = (tile.level, tile.n)
        if tiles.width_at(size, tile.level, tile.n + 1):
            continue
        row = rows[place]
        for edited in (
            b"",
            row[:-1],
            row + b"\0",
            row + row[-merkle.HASH_SIZE :],
            *(row[:i] + bytes([row[i] ^ 1]) + row[i + 1 :] for i in range(0, len(row), 31)),
        ):
            with pytest.raises(BadProof):
                tiles.verify_edge(size, root, reader({**rows, place: edited}))


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("at", [0, -1])
def test_entry_exchanged_together_with_its_leaf_is_found(size: int, at: int) -> None:
    rows, n = dict(grown(size)), (size - 1) // 256
    chosen = entries_of(size)[n * 256 :]
    chosen[at] = b"another"
    rows[tiles.ENTRIES, n] = tiles.write_bundle(chosen)
    rows[0, n] = b"".join(merkle.leaf_hash(entry) for entry in chosen)
    with pytest.raises(BadProof):
        tiles.verify_edge(size, naive.mth(entries_of(size)), reader(rows))


@pytest.mark.parametrize("size", [256, 512])
def test_surplus_tile_after_a_full_one_is_found(size: int) -> None:
    rows = grown(size)
    for level in (tiles.ENTRIES, 0):
        with pytest.raises(BadProof):
            tiles.verify_edge(
                size,
                naive.mth(entries_of(size)),
                reader({**rows, (level, size // 256): rows[level, 0]}),
            )


def test_growth_on_an_edge_of_another_size_is_refused() -> None:
    for size in (1, 3, 257):
        with pytest.raises(BadProof):
            tiles.grow(size, [b"next"], reader(grown(2)))


@pytest.mark.parametrize("one", VECTORS["paths"], ids=lambda one: str(one["path"]))
def test_path_is_written_as_it_was_read(one: TilePath) -> None:
    tile = tiles.Tile(one["level"], one["n"], one["width"])
    assert tiles.read_path(one["path"]) == tile
    assert str(tile) == one["path"]


@given(st.integers(-1, 63), st.integers(0, 2**56), st.integers(1, 256))
def test_every_tile_has_one_path(level: int, n: int, width: int) -> None:
    tile = tiles.Tile(level, n, width)
    assert tiles.read_path(str(tile)) == tile


@pytest.mark.parametrize("path", VECTORS["bad_paths"])
def test_path_of_another_form_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        tiles.read_path(path)


def test_bundle_is_the_published_one() -> None:
    for tree in (VECTORS["tree"], VECTORS["eight"]):
        entries, raw = unhex(tree["entries"]), bytes.fromhex(tree["bundle"])
        assert tiles.write_bundle(entries) == raw
        assert tiles.read_bundle(raw) == entries


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 400))
def test_bundle_cut_off_is_refused_or_shorter(entries: list[bytes], lost: int) -> None:
    raw = tiles.write_bundle(entries)
    assert tiles.read_bundle(raw) == entries
    try:
        found = tiles.read_bundle(raw[: max(0, len(raw) - lost)])
    except BadProof:
        return
    assert found == entries[: len(found)]
