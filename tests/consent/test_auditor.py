"""What an auditor remembers is held against the log, and what it found is signed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consent.auditor import Auditor
from consent.demo.cast import AUDITOR, VAULT, Edition, compose, make_cast
from consent.judging import (
    CLOCKS,
    Copy,
    Judging,
    Kept,
    Memory,
    Tree,
    check_times,
    complete_at,
    judge,
)
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import Cosigned, cosign, witness_key
from consent.log.merkle import EMPTY_ROOT, leaf_hash, root
from consent.log.note import ED25519, Note, VerifierKey, read_note
from consent.log.proof import leaf_data
from consent.log.tlog_policy import policy_of
from consent.messages import AuditReport
from consent.policy import Policy
from consent.readings import Page, Served
from tests.world import EAST, Seeded, World
from vault.crypto.keys import SigningKey
from vault.directory import FIRST_PREV
from vault.encoding import read_envelope
from vault.messages import LogEntry, ReleaseEntry
from vault.months import Month

KEPT = [Kept(10, 1_000_000), Kept(20, 2_000_000)]


def test_an_entry_that_stood_at_an_audit_is_not_from_after_it() -> None:
    assert check_times(KEPT, 9, 1_000_000 + CLOCKS) == []
    (found,) = check_times(KEPT, 9, 1_000_001 + CLOCKS)
    assert (found.index, found.rule) == (9, "at")


def test_an_entry_that_did_not_stand_at_an_audit_is_not_from_before_it() -> None:
    assert check_times(KEPT, 10, 1_000_000 - CLOCKS) == []
    (found,) = check_times(KEPT, 10, 999_999 - CLOCKS)
    assert (found.index, found.rule) == (10, "at")


def test_an_entry_after_the_last_audit_may_be_of_any_later_time() -> None:
    assert check_times(KEPT, 20, 2_000_000) == check_times(KEPT, 10**6, 2**40) == []


def test_without_earlier_audits_no_time_is_strange() -> None:
    assert check_times([], 0, 0) == check_times([], 1, 2**40) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**7)), max_size=6))
def test_honest_times_are_never_strange(audits: list[tuple[int, int]]) -> None:
    """Entries come one a second; an audit sees what had come by its time."""
    times = [i * 1_000 for i in range(50)]
    kept = sorted(Kept(sum(t <= when for t in times), when) for _, when in audits)
    assert [found for i, at in enumerate(times) for found in check_times(kept, i, at)] == []


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
    found = [f for text in texts.values() for f in check_times(kept, text.index, text.at)]
    assert [f.index for f in found] == [2]


# The tree, leaf by leaf


@given(st.integers(0, 70))
def test_a_tree_that_grows_leaf_by_leaf_has_the_root_of_all(size: int) -> None:
    leaves, tree = [leaf_hash(bytes([n])) for n in range(size)], Tree()
    assert tree.root() == EMPTY_ROOT
    for count, leaf in enumerate(leaves, 1):
        tree.add(leaf)
        assert (tree.size, tree.root()) == (count, root(leaves[:count]))


# Witnesses

LOG, FIRST_AUDITOR = SigningKey(b"\x41" * 32), SigningKey(b"\x42" * 32)
WITNESSES = {f"w{n}.example": SigningKey(bytes([n]) * 32) for n in (1, 2, 3)}
KEYS = [witness_key(name, key) for name, key in WITNESSES.items()]
VKEY = VerifierKey("log.test/log", ED25519, LOG.public)
WHEN = 1_770_000_000


def directory(quorum: int, demo: bool = False) -> str:
    """Return a first directory whose log has three witnesses."""
    log = LogEntry(origin=VKEY.name, vkey=str(VKEY), witnesses=tuple(map(str, KEYS)), quorum=quorum)
    release = ReleaseEntry(id="demo-1", sha256=bytes(32), begins=Month("2026-01"))
    cast = make_cast(SigningKey(b"\x43" * 32).public, FIRST_AUDITOR, Seeded(b"audit"))
    edition = Edition(1, FIRST_PREV, WHEN, WHEN, log, (release,), (), demo=demo)
    listing = compose(cast, edition)
    some = tuple(p for p in listing.entries if p.id in (VAULT, AUDITOR))
    return listing.model_copy(update={"entries": some, "knet": ()}).signed(FIRST_AUDITOR)


def judged(
    text: str, *cosigners: tuple[str, int], kept: tuple[Kept, ...] = (), at: int = WHEN
) -> Judging:
    """Judge a log of one directory, its checkpoint cosigned by these witnesses then."""
    leaf = leaf_data(bytes(16), at, text)
    head = Checkpoint(VKEY.name, 1, leaf_hash(leaf))
    note = read_note(sign_checkpoint(head, LOG))
    lines = (cosign(head, name, WITNESSES[name], when) for name, when in cosigners)
    signed = str(Note(note.text, (*note.signatures, *lines)))
    page = Page(0, [leaf], {0: Served(0, at, bytes(16), text)})
    copy = Copy(signed, [page])
    return judge(Policy(FIRST_AUDITOR.public, str(VKEY)), copy, Memory(None, kept))


def test_a_checkpoint_without_the_directorys_quorum_is_a_finding() -> None:
    for cosigners in ((), (("w1.example", WHEN),), (("w1.example", WHEN), ("w1.example", WHEN))):
        (found,) = judged(directory(2), *cosigners).report().findings
        assert (found.index, found.rule) == (1, "witness")
        assert "wanted the quorum" in found.reason
    both = (("w1.example", WHEN), ("w3.example", WHEN + 9))
    assert judged(directory(2), *both).report().findings == []
    assert judged(directory(0)).report().findings == []


def test_a_report_names_who_cosigned_and_when() -> None:
    report = judged(directory(2), ("w3.example", WHEN + 9), ("w1.example", WHEN)).report()
    assert report.plain()["cosigners"] == [
        {"name": "w1.example", "time": WHEN},
        {"name": "w3.example", "time": WHEN + 9},
    ]
    assert report.when == WHEN + 9


def test_a_cosignature_that_does_not_verify_is_a_finding() -> None:
    good = judged(directory(0), ("w1.example", WHEN))
    copy = good._copy
    head, rest = copy.signed.split("\n\n")
    line = rest.rstrip("\n").split("\n")[-1]
    name, value = line.rsplit(" ", 1)
    turned = f"{value[:-6]}{'A' if value[-6] != 'A' else 'B'}{value[-5:]}"
    signed = f"{head}\n\n{rest.replace(line, f'{name} {turned}')}"
    bad = judge(good.policy, Copy(signed, copy.pages), Memory())
    (found,) = bad.report().findings
    assert (found.rule, "does not verify" in found.reason) == ("witness", True)


def test_a_quorum_is_complete_with_the_last_witness_that_it_needs() -> None:
    found = [Cosigned(key, when) for key, when in zip(KEYS, (30, 10, 20), strict=True)]
    policy = {quorum: policy_of(VKEY, KEYS, quorum) for quorum in range(5)}
    assert [complete_at(policy[quorum], found) for quorum in range(5)] == [None, 10, 20, 30, None]
    assert complete_at(policy[1], []) is None


def test_no_entry_is_from_after_its_quorum() -> None:
    """The witnesses' clocks judge the vault's; not in a demonstration."""
    cosigners = (("w1.example", WHEN), ("w2.example", WHEN))
    for late, rules in ((CLOCKS, []), (CLOCKS + 1, ["at"])):
        judging = judged(directory(2), *cosigners, at=WHEN + late)
        assert [f.rule for f in judging.report().findings] == rules
        demo = judged(directory(2, demo=True), *cosigners, at=WHEN + late)
        assert demo.report().findings == []
