"""Mutations: a colluding operator edits a log and re-signs what follows; the replay names the rule.

For every rule: each mutant gives a finding with that rule's name at the right index, and with the
rule switched off in a copy of the replay the same mutants pass. So each rule is needed, and is
held up by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from consent.replay import Replay
from tests.forger import Forger, Mutant, Rule, remembered
from tests.mutants import RULES
from tests.switched import replay_without
from tests.tale import tell

each_rule = pytest.mark.parametrize(
    ("number", "rule"),
    list(enumerate(RULES)),
    ids=[rule.name.replace(" ", "-") for rule in RULES],
)
Made = Callable[[int], list[Mutant]]


@pytest.fixture(scope="module")
def forger() -> Iterator[Forger]:
    with remembered():
        yield Forger(tell())


@pytest.fixture(scope="module")
def mutants(forger: Forger) -> Made:
    return cache(lambda number: list(RULES[number].mutants(forger)))


def test_the_honest_tale_has_no_findings_and_holds_every_kind_of_entry(forger: Forger) -> None:
    replay = Replay(forger.pinned)
    for index, line in enumerate(forger.lines):
        if line.gone:
            replay.miss(index)
        else:
            replay.take(index, line.at, line.text)
    replay.finish()
    assert replay.findings == []
    assert set(replay.counts) == {typ.removeprefix("cv1-") for typ in replay._rules}
    assert forger.restate(list(forger.lines)) == forger.lines
    as_signed = forger.listed(forger.lines, lambda i, found: (found, forger.signer(i)))
    assert as_signed == forger.lines


def test_no_two_rules_have_one_name() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@each_rule
def test_every_mutant_is_found_by_its_rule(
    forger: Forger, mutants: Made, number: int, rule: Rule
) -> None:
    assert mutants(number)
    for mutant in mutants(number):
        found = mutant.replayed(forger.pinned)
        named = [f for f in found if (f.index, f.rule) == (mutant.index, mutant.rule)]
        assert any(rule.says in f.reason for f in named), (mutant.label, found)


@each_rule
def test_with_the_rule_off_its_mutants_pass(
    forger: Forger, mutants: Made, number: int, rule: Rule
) -> None:
    blind = replay_without(*rule.off)
    for mutant in mutants(number):
        assert mutant.replayed(forger.pinned, blind) == [], mutant.label


def test_a_copy_with_nothing_off_finds_what_the_replay_finds(forger: Forger) -> None:
    copy = replay_without()
    lines = (*forger.lines[:20], *forger.lines[21:])
    mutant = Mutant("an entry dropped", lines, 20, "")
    found = [(f.index, f.rule, f.reason) for f in mutant.replayed(forger.pinned, copy)]
    assert found == [(f.index, f.rule, f.reason) for f in mutant.replayed(forger.pinned)]
