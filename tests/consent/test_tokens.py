from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from itertools import chain, combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.messages import LinkMonths, Token
from consent.tokens import (
    SEALED_SIZE,
    Granted,
    LinkFact,
    cells_of,
    check_count,
    open_token,
    seal_token,
    sign_token,
    sum_masks,
    token_info,
)
from tests.consent.terms import BANK, ROOT
from tests.known import KNOWN
from vault.crypto.commit import ORDER, Scalar, write_scalar
from vault.crypto.keys import OpeningKey, StreamKey, stream_key
from vault.crypto.meter import Cell, Masks, add_cells, hide, masks_of, reveal
from vault.crypto.seal import seal
from vault.encoding import read_envelope
from vault.errors import BadPoint, BadScalar, BadSeal, BadShape, BadTotal, NotMinted
from vault.months import Category, Grams, Month, Window, add_months, months_from

KEY = OpeningKey(b"\x26" * 32)
JANUARY = Month("2026-01")
WINDOW: Window = (JANUARY, Month("2026-02"), Month("2026-03"))
GRANTED = Granted(b"g" * 16, WINDOW)
MASKS = Masks(Scalar(ORDER - 1), Scalar(12345))
A, B, C = (bytes([n]) * 16 for n in (1, 2, 3))


def key_of(link: bytes) -> StreamKey:
    return stream_key(ROOT, link)


def grams_in(link: bytes, category: Category, month: Month) -> Grams:
    """What a source closed: any fixed numbers do, zeros among them."""
    found = sha256(link + bytes([category]) + month.encode()).digest()
    return Grams(0 if found[0] < 64 else int.from_bytes(found[:5], "big"))


def blind_sum(cells: tuple[LinkMonths, ...], scope: tuple[Category, ...]) -> tuple[Cell, int]:
    """The vault's sum of these cells, and the total that it does not know."""
    hidden, total = [], 0
    for cell in cells:
        for category, month in product(scope, cell.months):
            grams = grams_in(cell.link, category, month)
            hidden.append(hide(grams, masks_of(key_of(cell.link), category, month)))
            total += grams
    return add_cells(hidden), total


class TestSum:
    def test_is_the_published_one(self) -> None:
        found = KNOWN["sum"]
        months = tuple(Month(month) for month in found["months"])
        cells = tuple(LinkMonths(bytes.fromhex(link), months) for link in found["links"])
        masks = sum_masks(key_of, cells, (Category(found["category"]),))
        assert write_scalar(masks.tau).hex() == found["tau"]
        assert write_scalar(masks.rho).hex() == found["rho"]

    @settings(max_examples=30)
    @given(
        st.lists(
            st.tuples(st.integers(1, 9), st.sampled_from(["a", "b", "own"]), st.integers(-5, 14)),
            min_size=1,
            max_size=5,
            unique_by=lambda link: link[0],
        ),
        st.sets(st.sampled_from(Category), min_size=1, max_size=7),
        st.sampled_from([1, 3, 12]),
    )
    def test_takes_the_mask_off_any_scope_and_window(
        self, made: list[tuple[int, str, int]], scope: set[Category], step: int
    ) -> None:
        """Property 1: the platform gets exactly the sum over the cells of its token."""
        facts = [LinkFact(bytes([n]) * 16, org, add_months(JANUARY, m)) for n, org, m in made]
        window = months_from(JANUARY, add_months(JANUARY, step - 1))
        wanted = tuple(sorted(scope))
        try:
            cells = cells_of(facts, "own", window)
        except NotMinted:
            assert all(f.org == "own" or f.begins > window[-1] for f in facts)
            return
        granted = Granted(b"g" * 16, window)
        sealed = seal_token(sum_masks(key_of, cells, wanted), KEY.public, granted)
        blind, total = blind_sum(cells, wanted)
        assert reveal(blind, open_token((KEY,), sealed, granted)) == total

    def test_of_one_cell_more_or_less_gives_no_number(self) -> None:
        cells = (LinkMonths(A, WINDOW), LinkMonths(B, WINDOW[1:]))
        scope = (Category.FOOD, Category.TRAVEL)
        blind, total = blind_sum(cells, scope)
        assert reveal(blind, sum_masks(key_of, cells, scope)) == total
        others: list[tuple[tuple[LinkMonths, ...], tuple[Category, ...]]] = [
            (cells[:1], scope),
            ((LinkMonths(A, WINDOW), LinkMonths(B, WINDOW)), scope),
            ((LinkMonths(A, WINDOW), LinkMonths(C, WINDOW[1:])), scope),
            ((LinkMonths(A, WINDOW), LinkMonths(B, WINDOW[:2])), scope),
            (cells, scope[:1]),
            (cells, (Category.FOOD, Category.GOODS)),
        ]
        for other, categories in others:
            with pytest.raises(BadTotal):
                reveal(blind, sum_masks(key_of, other, categories))


class TestSealed:
    SEALED = seal_token(MASKS, KEY.public, GRANTED)

    def test_is_112_bytes_and_opens_for_its_platform(self) -> None:
        assert len(self.SEALED) == SEALED_SIZE == 112
        assert open_token((OpeningKey(bytes(32)), KEY), self.SEALED, GRANTED) == MASKS

    def test_info_is_that_of_the_page(self) -> None:
        wanted = b"cv1/token" + b"g" * 16 + b"2026-01/2026-02/2026-03"
        assert token_info(GRANTED) == wanted

    @pytest.mark.parametrize(
        "granted",
        [
            GRANTED._replace(grant=b"h" * 16),
            GRANTED._replace(window=WINDOW[:2]),
            GRANTED._replace(window=(*WINDOW[:2], Month("2026-04"))),
        ],
    )
    def test_for_another_grant_or_window_does_not_open(self, granted: Granted) -> None:
        """Property 2 in part."""
        with pytest.raises(BadSeal):
            open_token((KEY,), self.SEALED, granted)

    def test_for_another_platform_key_does_not_open(self) -> None:
        with pytest.raises(BadSeal):
            open_token((OpeningKey(b"\x27" * 32),), self.SEALED, GRANTED)

    @pytest.mark.parametrize("size", [0, 63, 65, 128])
    def test_text_of_another_size_is_refused(self, size: int) -> None:
        with pytest.raises(BadSeal):
            open_token((KEY,), seal(KEY.public, bytes(size), token_info(GRANTED)), GRANTED)

    @pytest.mark.parametrize("place", [0, 32])
    def test_scalar_that_is_not_reduced_is_refused(self, place: int) -> None:
        plain = bytearray(64)
        plain[place : place + 32] = ORDER.to_bytes(32, "little")
        with pytest.raises(BadScalar):
            open_token((KEY,), seal(KEY.public, bytes(plain), token_info(GRANTED)), GRANTED)

    def test_key_of_small_order_is_refused(self) -> None:
        with pytest.raises(BadPoint):
            seal_token(MASKS, bytes(32), GRANTED)

    def test_token_names_the_hash_of_the_sealed_bytes_and_does_not_hold_them(self) -> None:
        cells = (LinkMonths(A, WINDOW),)
        post = sign_token(BANK, 1, GRANTED, cells, self.SEALED)
        token = Token.verified(post.token, lambda _: BANK.public)
        assert token.sealed == sha256(post.sealed).digest()
        assert (token.grant, token.window, token.cells) == (*GRANTED, cells)
        payload = read_envelope(post.token, Token.typ).payload
        assert len(payload) < 400


class TestCells:
    LINKS = (
        LinkFact(B, "b.example", Month("2026-02")),
        LinkFact(A, "a.example", Month("2025-06")),
        LinkFact(C, "own.example", Month("2025-06")),
    )

    def test_are_sorted_and_begin_with_the_link(self) -> None:
        found = cells_of(self.LINKS, "own.example", WINDOW)
        assert found == (LinkMonths(A, WINDOW), LinkMonths(B, WINDOW[1:]))

    def test_leave_out_the_organisations_own_sources(self) -> None:
        found = cells_of(self.LINKS, "a.example", WINDOW)
        assert [cell.link for cell in found] == [B, C]

    def test_of_nobody_are_not_minted(self) -> None:
        for links in ((), self.LINKS[2:], (LinkFact(A, "a.example", Month("2026-04")),)):
            with pytest.raises(NotMinted):
                cells_of(links, "own.example", WINDOW)

    def test_person_who_joined_in_may_gets_a_yearly_total(self) -> None:
        """Property 20."""
        year = months_from(JANUARY, Month("2026-12"))
        found = cells_of([LinkFact(A, "a.example", Month("2026-05"))], "own.example", year)
        assert found == (LinkMonths(A, year[4:]),)

    def test_are_at_most_4096_with_their_categories(self) -> None:
        seven = tuple(Category)
        year = months_from(JANUARY, Month("2026-12"))
        links = [LinkMonths(n.to_bytes(16, "big"), year) for n in range(49)]
        check_count(tuple(links[:48]), seven)  # 48 × 12 × 7 = 4032
        check_count((*links[:48], LinkMonths(b"\xff" * 16, year[:9])), seven)  # 4095
        with pytest.raises(BadShape):
            check_count((*links[:48], LinkMonths(b"\xff" * 16, year[:10])), seven)  # 4102


# Property 7, by brute force. An atom is one (category, month); a window is the set of its atoms;
# a total is the 0/1 vector of its window, and what can be computed from totals is their span.
Atoms = frozenset[int]


def families(atoms: int) -> Iterator[list[Atoms]]:
    """Every set of pairwise disjoint windows over 0..atoms-1: what the guard can admit."""

    def extend(atom: int, family: list[set[int]]) -> Iterator[list[Atoms]]:
        if atom == atoms:
            yield [frozenset(window) for window in family]
            return
        yield from extend(atom + 1, family)  # in no window
        for window in family:
            window.add(atom)
            yield from extend(atom + 1, family)
            window.remove(atom)
        yield from extend(atom + 1, [*family, {atom}])

    return extend(0, [])


def reduced(windows: list[Atoms], atoms: int) -> list[list[Fraction]]:
    """A basis of the span in reduced row echelon form."""
    basis: list[list[Fraction]] = []
    for window in windows:
        row = eliminated([Fraction(atom in window) for atom in range(atoms)], basis)
        pivot = next((i for i, entry in enumerate(row) if entry), None)
        if pivot is not None:
            row = [entry / row[pivot] for entry in row]
            basis = [
                [x - other[pivot] * y for x, y in zip(other, row, strict=True)] for other in basis
            ]
            basis.append(row)
    return basis


def eliminated(row: list[Fraction], basis: list[list[Fraction]]) -> list[Fraction]:
    for other in basis:
        pivot = next(i for i, entry in enumerate(other) if entry)
        row = [x - row[pivot] * y for x, y in zip(row, other, strict=True)]
    return row


def totals_in_span(windows: list[Atoms], atoms: int) -> set[Atoms]:
    """Every sum over a set of atoms that can be computed from the windows' totals."""
    basis = reduced(windows, atoms)
    # A vector of the span is fixed by its entries at the pivots, so 2^rank candidates are all.
    found = set()
    for chosen in product((0, 1), repeat=len(basis)):
        vector = [
            sum((n * row[i] for n, row in zip(chosen, basis, strict=True)), Fraction())
            for i in range(atoms)
        ]
        if all(entry in (0, 1) for entry in vector):
            found.add(frozenset(i for i, entry in enumerate(vector) if entry))
    return found


def unions(windows: list[Atoms]) -> set[Atoms]:
    some = chain.from_iterable(combinations(windows, n) for n in range(len(windows) + 1))
    return {frozenset(chain.from_iterable(part)) for part in some}


@pytest.mark.parametrize("atoms", range(1, 7))
def test_disjoint_windows_give_nothing_finer_than_a_window(atoms: int) -> None:
    """Property 7 over every family the guard admits."""
    count = 0
    for family in families(atoms):
        assert totals_in_span(family, atoms) == unions(family)
        count += 1
    assert count == (2, 5, 15, 52, 203, 877)[atoms - 1]  # Bell numbers: none was left out


def sizes_of_windows(most: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Every way to choose window sizes, falling, that need at most so many atoms."""
    yield ()
    for size in range(1, min(most, largest) + 1):
        for rest in sizes_of_windows(most - size, size):
            yield (size, *rest)


EIGHT = sorted(set(sizes_of_windows(8, 8)))


@pytest.mark.parametrize("sizes", EIGHT, ids=str)
def test_up_to_eight_atoms_in_windows_of_any_sizes_give_nothing_finer(
    sizes: tuple[int, ...],
) -> None:
    """Property 7 for eight atoms: which atoms a window has is a matter of names, sizes are all.

    Two families with the same sizes are one family with its atoms renamed, so that these are every
    family the guard admits over eight atoms, used or not.
    """
    begins = [sum(sizes[:i]) for i in range(len(sizes))]
    windows = [frozenset(range(b, b + n)) for b, n in zip(begins, sizes, strict=True)]
    assert totals_in_span(windows, 8) == unions(windows)


def test_no_choice_of_sizes_is_left_out() -> None:
    partitions = (1, 1, 2, 3, 5, 7, 11, 15, 22)  # of 0 … 8, OEIS A000041
    assert len(EIGHT) == sum(partitions)


def test_windows_that_overlap_do_give_finer_totals() -> None:
    """The positive control: T1+…+T5 and T1+T2+T3 show T4+T5, which nobody consented to."""
    windows = [frozenset(range(5)), frozenset(range(3))]
    finer = totals_in_span(windows, 5) - unions(windows)
    assert finer == {frozenset({3, 4})}


def test_overlap_that_hides_from_a_look_at_two_windows_is_found() -> None:
    """Three windows, pairwise overlapping, give each single atom: only the span shows it."""
    windows = [frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2))]
    assert {frozenset({n}) for n in range(3)} <= totals_in_span(windows, 3)


def test_masks_of_a_token_show_nothing_in_their_repr() -> None:
    assert "12345" not in repr(replace(MASKS, tau=Scalar(12345)))
