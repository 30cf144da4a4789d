"""The measurement of witnesses, tiny: it runs, it counts what it says, and it compares totals."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from consent.log.proof import read_proof
from tests.benchmarks.callers import Figures, Group, answered, held, run
from tests.benchmarks.ready_vault import EACH, Made, make
from tests.benchmarks.witnessed import (
    LATTICE,
    NONE,
    RELEASES,
    STOPS,
    Case,
    Found,
    Sizes,
    make_witnesses,
    measure,
    stand,
    tables,
)
from vault.encoding import strict_object
from vault.errors import NotFound
from vault.wire import text_of

ONE = Case("1", (LATTICE,), 1, falls=True)
CASES = (NONE, ONE)
SIZES = Sizes(turns=2, alone=((1, 3), (3, 6)), callers=2, releases=6, stops=4)


class Tiny(NamedTuple):
    made: Made
    found: Found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    made = make(tmp_path_factory.mktemp("made"), SIZES.holders)
    make_witnesses(made, CASES)
    return Tiny(made, measure(made, SIZES, CASES))


def test_every_act_is_another_one(tiny: Tiny) -> None:
    for acts in (tiny.made.asks, tiny.made.stops):
        assert len({(act.path, act.body) for act in acts}) == EACH * SIZES.holders == len(acts)


def test_each_case_does_all_that_its_row_says(tiny: Tiny) -> None:
    for case in CASES:
        for callers, number in SIZES.alone:
            assert len(tiny.found[case.name, callers].times) == SIZES.turns * number
        beside = [len(tiny.found[case.name, part].times) for part in (RELEASES, STOPS)]
        assert beside[0] >= SIZES.releases or beside[1] >= SIZES.stops
    assert tiny.found["1, killed", RELEASES].rounds == 0
    assert len(tiny.found["1, killed", STOPS].times) == SIZES.stops
    assert any(grams > 0 for grams in tiny.made.totals.values())


def test_tables_have_a_row_for_each_case(tiny: Tiny) -> None:
    alone, beside = "\n".join(tables(tiny.found, SIZES, CASES)).split("\n\n")
    head, _, *rows = alone.split("\n")
    assert {row.count("|") for row in rows} == {head.count("|")}
    firsts = [row.removeprefix("| ").split(" | ")[:2] for row in rows]
    assert firsts == [["1", "none"], ["1", "1"], ["3", "none"], ["3", "1"]]
    head, _, *rows = beside.split("\n")
    assert {row.count("|") for row in rows} == {head.count("|")}
    assert [row.split(" | ")[0] for row in rows] == ["| none", "| 1", "| 1, killed"]
    assert "0 (all held)" in rows[2]
    assert "held" not in rows[0] + rows[1]


def test_answers_are_cosigned_and_what_is_wrong_with_one_is_found(
    tiny: Tiny, tmp_path: Path
) -> None:
    totals, ask = tiny.made.totals, tiny.made.asks[0]
    unknown = ask._replace(body=ask.body.replace(_grant(ask.body), b"0" * 32))
    with stand(tiny.made, ONE, tmp_path) as standing:
        [[done]] = run(standing.door, Group(1, iter([ask]), answered, Figures()))
        signed = read_proof(text_of(done.body, "proof")).checkpoint
        assert signed.count(f"\n— {LATTICE} ") == 2  # by each of its keys
        standing.check([done])
        totals[ask.body] += 1
        with pytest.raises(AssertionError):
            standing.check([done])
        totals[ask.body] -= 1
        with pytest.raises(AssertionError, match="without its witness"):
            run(standing.door, Group(1, iter([ask]), held, Figures()))
        with pytest.raises(NotFound):
            run(standing.door, Group(1, iter([unknown]), held, Figures()))


def _grant(body: bytes) -> bytes:
    return text_of(strict_object(body), "grant").encode()
