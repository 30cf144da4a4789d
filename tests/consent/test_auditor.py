"""What an auditor remembers is held against the log, and what it found is signed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consent.auditor import CLOCKS, Auditor, Kept, Served, check_times
from consent.messages import AuditReport
from tests.world import EAST, World
from vault.encoding import read_envelope

KEPT = [Kept(10, 1_000_000), Kept(20, 2_000_000)]


def entry(index: int, at: int) -> Served:
    return Served(index, at, bytes(16), "text")


def test_an_entry_that_stood_at_an_audit_is_not_from_after_it() -> None:
    assert check_times(KEPT, [entry(9, 1_000_000 + CLOCKS)]) == []
    (found,) = check_times(KEPT, [entry(9, 1_000_001 + CLOCKS)])
    assert (found.index, found.rule) == (9, "at")


def test_an_entry_that_did_not_stand_at_an_audit_is_not_from_before_it() -> None:
    assert check_times(KEPT, [entry(10, 1_000_000 - CLOCKS)]) == []
    (found,) = check_times(KEPT, [entry(10, 999_999 - CLOCKS)])
    assert (found.index, found.rule) == (10, "at")


def test_an_entry_after_the_last_audit_may_be_of_any_later_time() -> None:
    assert check_times(KEPT, [entry(20, 2_000_000), entry(10**6, 2**40)]) == []


def test_without_earlier_audits_no_time_is_strange() -> None:
    assert check_times([], [entry(0, 0), entry(1, 2**40)]) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**7)), max_size=6))
def test_honest_times_are_never_strange(audits: list[tuple[int, int]]) -> None:
    """Entries come one a second; an audit sees what had come by its time."""
    times = [i * 1_000 for i in range(50)]
    kept = sorted(Kept(sum(t <= when for t in times), when) for _, when in audits)
    assert check_times(kept, [entry(i, at) for i, at in enumerate(times)]) == []


def test_a_report_says_what_was_judged_and_is_signed_by_the_auditor() -> None:
    with World() as world:
        world.person("ann", EAST)
        auditor = world.auditor()
        found = auditor.audit()
        text = auditor.report(found, 1_767_225_600)
        envelope = read_envelope(text, AuditReport.typ)
        envelope.verify(world.cast.auditor.public)
        report = AuditReport.opened(envelope)
    assert (report.begins, report.to, report.root) == (0, found.size, found.root)
    assert (report.findings, report.unseen) == ((), ())


def test_times_are_judged_unless_the_clock_is_moved_by_hand() -> None:
    with World() as world:
        world.person("ann", EAST)
        key = world.cast.auditor
        kept = (Kept(2, world.time + 10**6),)
        auditor = Auditor(key, world.wire(key), world.policy, kept=kept)
        assert auditor.audit().findings == []  # a demonstration
        texts = auditor._texts(3)
    assert [f.index for f in check_times(kept, texts.values())] == [2]
