"""A log that turned, as clients see it: which directory, which tree and which place they take.

Every refusal stands beside the same bytes as they were meant, which are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.answers import Total
from consent.evidence import judge_evidence, read_evidence
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.note import read_vkey
from consent.log.proof import read_proof
from consent.log.refusal import Refusal, judge_refusal
from consent.log.tlog_policy import policy_of
from consent.logged import (
    Log,
    check_fresh,
    check_logged,
    log_holding,
    log_named,
    logs_of,
    path_under,
    vkeys_of,
)
from consent.messages import AuditReport, Grant, NoticeRef
from consent.policy import DAY, Current, later_keys, read_pinned
from consent.receipts import Receipt, make_receipt, verify_receipt
from consent.reports import Audit, Covered, recheck_covered
from consent.turns import Turn
from tests.listing import AUDITOR, NOW
from tests.test_policy import W1, W2, W3, WALL
from tests.turned_scene import FIRST, Book, Scene, follow, take
from tests.world import JAN, terms
from vault.crypto.keys import SigningKey
from vault.directory import Directory
from vault.encoding import text_hash
from vault.errors import BadDirectory, BadProof, BadShape, NotWitnessed, StaleLog
from vault.months import Grams

STRANGER = SigningKey(b"\x77" * 32)
SCENE = Scene()
WITNESSED = Scene(W1, W2)
REFUSED = (BadDirectory, BadProof)


# The way to the log that goes on


def test_who_holds_the_directory_before_the_turn_takes_the_one_after_it() -> None:
    held = take(SCENE.shown(SCENE.first), SCENE.pins(SCENE.one))
    shown = SCENE.shown(SCENE.closing)
    assert take(shown, SCENE.pins(SCENE.one), held).text == SCENE.closing.text
    # By the turns alone: without them nobody knows that the log they pinned names the next one.
    del shown.body["turns"]
    with pytest.raises(BadDirectory, match="another log than the pinned"):
        take(shown, SCENE.pins(SCENE.one), held)


@pytest.mark.parametrize("last", ["closing", "closing_2"])
def test_a_new_client_goes_from_the_first_log_to_the_one_that_goes_on(last: str) -> None:
    found: Directory = getattr(SCENE, last)
    assert take(SCENE.shown(found), SCENE.pins(SCENE.one)).text == found.text


def test_a_client_goes_on_from_the_log_it_pins_or_holds() -> None:
    shown = SCENE.shown(SCENE.closing_2)
    two, three = SCENE.pins(SCENE.two), SCENE.pins(SCENE.three)
    assert take(shown, two).text == SCENE.closing_2.text
    # Who stands on the second log asks nothing of the turn before it.
    broken = [SCENE.turns[0].model_copy(update={"proof": "…"}), SCENE.turns[1]]
    passed = SCENE.shown(SCENE.closing_2, broken)
    assert take(passed, two).text == SCENE.closing_2.text
    held = take(SCENE.shown(SCENE.closing), SCENE.pins(SCENE.one))
    assert take(passed, SCENE.pins(SCENE.one), held).text == SCENE.closing_2.text
    with pytest.raises(BadProof):
        take(passed, SCENE.pins(SCENE.one))
    # And who pins the last one needs no turn at all.
    assert take(SCENE.shown(SCENE.closing_2, []), three).text == SCENE.closing_2.text


def test_a_log_that_nobody_pinned_is_refused() -> None:
    for found in (SCENE.first, SCENE.closing, SCENE.closing_2):
        with pytest.raises(BadDirectory):
            take(SCENE.shown(found), SCENE.pins(Book("other.example/log")))
    with pytest.raises(BadDirectory):
        take(SCENE.shown(SCENE.closing), SCENE.pins(SCENE.three))


def test_an_open_turn_is_no_directory_to_go_by() -> None:
    """A turn is signed, logged and the next version; only the closing makes it whole."""
    held = take(SCENE.shown(SCENE.first), SCENE.pins(SCENE.one))
    for turns in ([], SCENE.turns[:1]):
        shown = SCENE.shown(SCENE.turn, turns)
        for book, before in ((SCENE.one, held), (SCENE.one, None), (SCENE.two, None)):
            with pytest.raises(REFUSED):
                take(shown, SCENE.pins(book), before)


# What may be wrong with it

Change = Callable[[Scene], tuple[Directory, list[Turn]]]


def _turn(scene: Scene, changed: Directory, book: Book | None = None) -> list[Turn]:
    """Only this text as the first turn, logged in the place of the one that was."""
    book = book or scene.one
    book.texts = [changed.text if text == scene.turn.text else text for text in book.texts]
    return [Turn(directory=changed.text, proof=book.proof(changed.text))]


def _closing(scene: Scene, turn: Directory, **changed: object) -> Directory:
    earlier = changed.pop("earlier", (scene.one.closed(),))
    closing = follow(turn, earlier=earlier, **changed)
    scene.two.texts[0] = closing.text
    return closing


def honest(scene: Scene) -> tuple[Directory, list[Turn]]:
    return scene.closing, scene.turns[:1]


def made_again(scene: Scene) -> tuple[Directory, list[Turn]]:
    again = follow(scene.first, log=scene.two.entry, iat=1)
    turns = _turn(scene, again)
    return _closing(scene, again), turns


def missing(scene: Scene) -> tuple[Directory, list[Turn]]:
    return scene.closing, []


def one_too_many(scene: Scene) -> tuple[Directory, list[Turn]]:
    return scene.closing, scene.turns


def larger_tree(scene: Scene) -> tuple[Directory, list[Turn]]:
    scene.one.add("later")
    return scene.closing, scene.turns[:1]


def not_last(scene: Scene) -> tuple[Directory, list[Turn]]:
    scene.one.add("later")
    return _closing(scene, scene.turn), scene.turns[:1]


def by_a_stranger(scene: Scene) -> tuple[Directory, list[Turn]]:
    forged = follow(scene.first, STRANGER, log=scene.two.entry)
    turns = _turn(scene, forged)
    return _closing(scene, forged), turns


def to_another_log(scene: Scene) -> tuple[Directory, list[Turn]]:
    other = follow(scene.first, log=scene.three.entry)
    turns = _turn(scene, other)
    return _closing(scene, other, log=scene.two.entry), turns


def over_other_logs(scene: Scene) -> tuple[Directory, list[Turn]]:
    other = follow(scene.first, log=scene.two.entry, earlier=(scene.three.closed(),))
    turns = _turn(scene, other)
    return _closing(scene, other), turns


def another_root(scene: Scene) -> tuple[Directory, list[Turn]]:
    return _closing(scene, scene.turn, earlier=(scene.one.closed(root=b"\x01" * 32),)), [
        scene.turns[0]
    ]


def another_size(scene: Scene) -> tuple[Directory, list[Turn]]:
    size = len(scene.one.texts) - 1
    earlier = (scene.one.closed(size=size, root=scene.one.root(size)),)
    return _closing(scene, scene.turn, earlier=earlier), [scene.turns[0]]


def nobody_turned_to(scene: Scene) -> tuple[Directory, list[Turn]]:
    """The directory is logged, but in a log of the auditor's own making."""
    found = _closing(scene, scene.turn, log=scene.three.entry)
    scene.two.texts[0], scene.three.texts[0] = "nothing", found.text
    return found, scene.turns[:1]


def does_not_follow(scene: Scene) -> tuple[Directory, list[Turn]]:
    return _closing(scene, scene.turn, prev=bytes(32)), scene.turns[:1]


def not_under_the_first(scene: Scene) -> tuple[Directory, list[Turn]]:
    scene.two = Book("elsewhere.example/log")
    turn = follow(scene.first, log=scene.two.entry)
    turns = _turn(scene, turn)
    closing = follow(turn, earlier=(scene.one.closed(),))
    scene.two.add(closing.text)
    return closing, turns


WRONG = [
    (missing, "another log than the pinned"),
    (one_too_many, "another log than the pinned"),
    (larger_tree, "its last tree alone"),
    (not_last, "is not the last entry"),
    (by_a_stranger, "not signed by the pinned auditor"),
    (to_another_log, "leads to another log"),
    (over_other_logs, "is of other logs"),
    (another_root, "its last tree alone"),
    (another_size, "its last tree alone"),
    (nobody_turned_to, "leads to another log"),
    (does_not_follow, "prev is another"),
    (not_under_the_first, "does not stand under"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=lambda one: getattr(one, "__name__", ""))
@pytest.mark.parametrize("holds", [False, True], ids=["new", "holds"])
def test_a_broken_turn_is_refused(change: Change, says: str, holds: bool) -> None:
    scene = Scene()
    held = take(scene.shown(scene.first), scene.pins(scene.one)) if holds else None
    found, turns = change(scene)
    with pytest.raises(REFUSED, match=says):
        take(scene.shown(found, turns), scene.pins(scene.one), held)


@pytest.mark.parametrize("change", [honest, made_again])
@pytest.mark.parametrize("holds", [False, True], ids=["new", "holds"])
def test_the_same_ways_to_change_it_leave_an_honest_turn_as_it_was(
    change: Change, holds: bool
) -> None:
    scene = Scene()
    held = take(scene.shown(scene.first), scene.pins(scene.one)) if holds else None
    found, turns = change(scene)
    assert take(scene.shown(found, turns), scene.pins(scene.one), held).text == found.text


def test_what_ended_stays_as_it_was() -> None:
    scene = Scene()
    held = take(scene.shown(scene.closing), scene.pins(scene.one))
    for changed in ({"root": b"\x01" * 32}, {"size": 3}, {"quorum": 1}):
        later = follow(scene.closing, earlier=(scene.one.closed(**changed),))
        scene.two.add(later.text)
        with pytest.raises(BadDirectory, match="left the directory, or changed"):
            take(scene.shown(later), scene.pins(scene.one), held)
    later = follow(scene.closing, earlier=(scene.one.closed(),))
    scene.two.add(later.text)
    assert take(scene.shown(later), scene.pins(scene.one), held).text == later.text


def test_a_turn_may_be_signed_by_the_auditor_that_was_named_before() -> None:
    scene, taker = Scene(), SigningKey(b"\x78" * 32)
    first = follow(None, log=scene.one.entry, next=taker.public)
    turn = follow(first, taker, log=scene.two.entry, next=None)
    scene.one.texts = [first.text, turn.text]
    closing = follow(turn, taker, earlier=(scene.one.closed(),))
    scene.two.texts = [closing.text]
    turns = [Turn(directory=turn.text, proof=scene.one.proof(turn.text))]
    shown = scene.shown(closing, turns)
    assert take(shown, scene.pins(scene.one), first).text == closing.text
    unnamed = follow(None, log=scene.one.entry)
    with pytest.raises(BadDirectory, match="not signed by the pinned auditor"):
        take(shown, scene.pins(scene.one), unnamed)


def test_without_the_walk_over_the_turns_any_log_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    found, turns = nobody_turned_to(scene)
    shown = scene.shown(found, turns)
    with pytest.raises(BadDirectory):
        take(shown, scene.pins(scene.one))
    monkeypatch.setattr(policy, "walk_turns", lambda *given: None)
    assert take(shown, scene.pins(scene.one)).text == found.text


# The trees of logs that ended


def test_without_the_rule_of_the_last_tree_a_stolen_key_makes_entries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thief = Book(FIRST)
    thief.texts = [*SCENE.one.texts, "forged"]
    with pytest.raises(BadProof):
        check_logged(SCENE.closing, "forged", thief.proof("forged"))
    monkeypatch.setattr(Log, "check_tree", lambda log, size, root: None)
    assert check_logged(SCENE.closing, "forged", thief.proof("forged")).origin == FIRST


def test_of_a_log_that_ended_the_last_tree_alone_counts() -> None:
    one, size = SCENE.one, len(SCENE.one.texts)
    last = one.proof("release")
    place = check_logged(SCENE.closing, "release", last)
    assert (place.index, place.size, place.origin) == (2, size, FIRST)
    for smaller in range(3, size):
        proof = one.proof("release", smaller)
        with pytest.raises(BadProof, match="its last tree alone"):
            check_logged(SCENE.closing, "release", proof)
        # The control: before the turn each of these trees was the newest.
        assert check_logged(SCENE.first, "release", proof).index == 2


def test_a_key_that_was_stolen_after_its_log_ended_makes_no_entry() -> None:
    thief = Book(FIRST)
    for texts in (
        [*SCENE.one.texts, "forged"],
        [*SCENE.one.texts[:-1], "forged"],
        ["forged"],
    ):
        thief.texts = texts
        forged = thief.proof("forged")
        for found in (SCENE.closing, SCENE.closing_2):
            with pytest.raises(BadProof, match="its last tree alone"):
                check_logged(found, "forged", forged)
        # The control: to who never heard of the turn it is still the log's word.
        assert check_logged(SCENE.first, "forged", forged).origin == FIRST


def test_a_log_that_ended_keeps_the_quorum_it_ended_with() -> None:
    place = check_logged(WITNESSED.closing, "grant", WITNESSED.one.proof("grant"))
    assert {one.witness.name for one in place.cosigned} == {"w1.example", "w2.example"}
    with pytest.raises(NotWitnessed):
        check_logged(WITNESSED.closing, "grant", WITNESSED.one.proof("grant", silent=True))


def test_a_client_waits_for_the_witnesses_of_a_last_tree() -> None:
    scene = WITNESSED
    silent = Turn(directory=scene.turn.text, proof=scene.one.proof(scene.turn.text, silent=True))
    shown = scene.shown(scene.closing, [silent])
    with pytest.raises(NotWitnessed):
        take(shown, scene.pins(scene.one))
    # Who holds one goes on with it until the witnesses saw how the log ended.
    assert take(shown, scene.pins(scene.one), scene.first).text == scene.first.text
    seen = scene.shown(scene.closing)
    assert take(seen, scene.pins(scene.one), scene.first).text == scene.closing.text


def test_only_the_log_that_goes_on_must_have_been_seen_lately() -> None:
    scene, wall = WITNESSED, WALL + 400 * DAY
    ended = check_logged(scene.closing_2, "grant", scene.one.proof("grant"))
    check_fresh(scene.closing_2, ended, wall, DAY)
    running = check_logged(scene.closing_2, "grant 3", scene.three.proof("grant 3"))
    with pytest.raises(StaleLog):
        check_fresh(scene.closing_2, running, wall, DAY)
    check_fresh(scene.closing_2, running, WALL, DAY)
    before = check_logged(scene.first, "grant", scene.one.proof("grant"))
    with pytest.raises(StaleLog):
        check_fresh(scene.first, before, wall, DAY)


def test_a_policy_of_ones_own_goes_along_when_its_log_turns() -> None:
    scene = WITNESSED
    own = policy_of(read_vkey(str(scene.one.vkey)), [W2.vkey], 1)
    other = policy_of(Book("other.example/log").vkey, [W2.vkey], 1)
    harder = policy_of(scene.one.vkey, [W3.vkey], 1)
    for book, text in ((scene.one, "grant"), (scene.three, "grant 3")):
        proof = book.proof(text)
        check_logged(scene.closing_2, text, proof, own)
        with pytest.raises(BadProof, match="knows no log"):
            check_logged(scene.closing_2, text, proof, other)
        with pytest.raises(NotWitnessed):
            check_logged(scene.closing_2, text, proof, harder)
    pins = scene.pins(scene.one)
    shown = scene.shown(scene.closing_2)
    assert take(shown, replace(pins, trust=own)).text == scene.closing_2.text
    with pytest.raises(NotWitnessed):
        take(shown, replace(pins, trust=harder))


# Places


@given(st.lists(st.integers(1, 5), min_size=3, max_size=3))
def test_places_count_through_all_logs(sizes: list[int]) -> None:
    books = [Book(FIRST + name) for name in ("", "/a", "/b")]
    texts = [f"text {n}" for n in range(sum(sizes))]
    left = iter(texts)
    for book, size in zip(books, sizes, strict=True):
        book.add(*(next(left) for _ in range(size)))
    earlier = (books[0].closed(), books[1].closed())
    found = follow(None, log=books[2].entry, earlier=earlier)
    told = [
        check_logged(found, text, book.proof(text)).index for book in books for text in book.texts
    ]
    assert told == list(range(len(texts)))
    logs = logs_of(found)
    assert [log.base for log in logs] == [0, sizes[0], sizes[0] + sizes[1]]
    for count in range(1, len(texts) + 1):
        # The log in which so many entries end is the one that holds the last of them.
        held = next(book for book in books if texts[count - 1] in book.texts)
        assert log_holding(found, count).key.name == held.origin


def test_a_log_is_served_under_the_first_one() -> None:
    assert [log.path for log in logs_of(SCENE.closing_2)] == ["/log", "/log/2027", "/log/2028"]
    for name in (
        f"{FIRST}2027",
        f"{FIRST}/",
        f"{FIRST}/A",
        f"{FIRST}/a/b",
        "x",
        f"{FIRST}/{17 * 'a'}",
    ):
        with pytest.raises(BadDirectory, match="does not stand under"):
            path_under(FIRST, name)
    twice = follow(SCENE.turn, log=SCENE.one.entry, earlier=(SCENE.one.closed(),))
    with pytest.raises(BadDirectory, match="two logs of one name"):
        logs_of(twice)
    with pytest.raises(BadProof, match="knows no log"):
        log_named(SCENE.closing, f"{FIRST}/2028")


def test_logs_of_one_key_are_no_two_logs() -> None:
    same = Book(f"{FIRST}/2027")
    same.key = SCENE.one.key
    with pytest.raises(BadDirectory, match="two logs of one key"):
        logs_of(follow(SCENE.turn, log=same.entry, earlier=(SCENE.one.closed(),)))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_key_of_a_log_that_ended_is_accused_of_what_it_signs_elsewhere(number: int) -> None:
    book = SCENE.books[number]
    note = sign_checkpoint(Checkpoint("evil.example", 3, bytes(32)), book.key)
    with pytest.raises(BadProof) as refused:
        log_named(SCENE.closing_2, "evil.example", note)
    found = read_evidence(refused.value.evidence.encode())
    assert isinstance(found, Refusal)
    judge_evidence(found, book.vkey)
    assert judge_refusal(found).signed


# Receipts

KEY = SigningKey(b"\x79" * 32)
GRANT = Grant(
    **{**dict(terms("city.demo")), "platform": "city.example"},
    iat=NOW,
    type="carbon_reduction_total",
    grant=b"\x01" * 16,
    pk=KEY.public,
    org="city.example",
    notice=NoticeRef(sha256=bytes(32), locale="en"),
)


def granted() -> Scene:
    """The scene, with a grant in the first book that anybody can make a receipt of."""
    scene = Scene()
    text = GRANT.signed(KEY)
    scene.one.texts[1] = text
    scene.closing = follow(scene.turn, earlier=(scene.one.closed(),))
    scene.two.texts[0] = scene.closing.text
    scene.turn_2 = follow(scene.closing, log=scene.three.entry)
    scene.two.texts[3] = scene.turn_2.text
    scene.closing_2 = follow(scene.turn_2, earlier=(scene.one.closed(), scene.two.closed()))
    scene.three.texts[0] = scene.closing_2.text
    return scene


def receipt(scene: Scene, found: Directory, size: int | None = None) -> Receipt:
    text = scene.one.texts[1]
    raw = make_receipt(
        text,
        scene.one.proof(text, size),
        found,
        scene.book_of(found.text).proof(found.text, size),
        turns=tuple(scene.turns[: len(found.earlier)]),
    )
    return Receipt.parse(raw)


def test_a_receipt_of_a_log_that_ended_verifies_under_a_later_directory() -> None:
    scene = granted()
    for found in (scene.closing, scene.closing_2):
        made = receipt(scene, found)
        assert verify_receipt(made, scene.pins(scene.one)) == GRANT
        assert verify_receipt(made, scene.pins(scene.two)) == GRANT
    assert verify_receipt(made, scene.pins(scene.three)) == GRANT
    # Whoever pinned the log that goes on needs no turns; who pinned an earlier one does.
    bare = made.model_copy(update={"turns": None})
    assert verify_receipt(bare, scene.pins(scene.three)) == GRANT
    with pytest.raises(BadDirectory, match="another log than the pinned"):
        verify_receipt(bare, scene.pins(scene.one))


def test_a_receipt_from_before_the_turn_goes_on_verifying() -> None:
    scene = granted()
    made = receipt(scene, scene.first, 2)
    assert "turns" not in made.plain()
    assert verify_receipt(made, scene.pins(scene.one)) == GRANT
    # Under a later directory only the last tree counts: what a stolen key makes looks like this.
    later = receipt(scene, scene.closing)
    mixed = later.model_copy(update={"proof": made.proof})
    with pytest.raises(BadProof, match="its last tree alone"):
        verify_receipt(mixed, scene.pins(scene.one))


def test_a_receipt_with_another_turn_is_refused() -> None:
    scene = granted()
    made, other = receipt(scene, scene.closing_2), Scene()
    for turns in (scene.turns[:1], scene.turns[::-1], [*scene.turns, *scene.turns], other.turns):
        changed = made.model_copy(update={"turns": tuple(turns)})
        with pytest.raises(REFUSED):
            verify_receipt(changed, scene.pins(scene.one))


# Kept directories


def test_a_kept_directory_is_of_the_pinned_log_or_one_it_turned_to() -> None:
    pins = SCENE.pins(SCENE.one)
    held = take(SCENE.shown(SCENE.closing_2), pins)
    logs = vkeys_of(held)
    for kept in (SCENE.first, SCENE.closing, SCENE.closing_2):
        assert read_pinned(kept.text, pins, *later_keys(held), logs=logs).text == kept.text
    with pytest.raises(BadDirectory, match="another log than the pinned"):
        read_pinned(SCENE.closing.text, pins)
    assert read_pinned(SCENE.first.text, pins).text == SCENE.first.text


# Audited


def total(scene: Scene, found: Directory, text: str, size: int | None = None) -> Total:
    proof = scene.book_of(text).proof(text, size)
    place = check_logged(found, text, proof)
    return Total(Grams(0), (JAN,), "", (), (), "", text, proof, place, "vault")


def report(book: Book, base: int, size: int, **changed: object) -> str:
    found: dict[str, object] = {
        "iat": NOW,
        "from": 0,
        "to": base + size,
        "root": book.root(size).hex(),
        "findings": (),
        "unseen": (),
    }
    return AuditReport.model_validate({**found, **changed}).signed(AUDITOR)


def cover(text: str, under: Directory, found: Total) -> Covered:
    covered = Audit(text, under, SCENE.raw).cover(found)
    pins = SCENE.pins(SCENE.one)

    def read(kept: str) -> Directory:
        return read_pinned(kept, pins, logs=vkeys_of(SCENE.closing_2))

    again = recheck_covered(found, covered, read)
    assert again == replace(found, checked="audited")
    return covered


BASES = (0, len(SCENE.one.texts), len(SCENE.one.texts) + len(SCENE.two.texts))


def test_a_report_covers_releases_of_the_logs_that_ended_before_it() -> None:
    early = total(SCENE, SCENE.first, "release", 3)
    late = total(SCENE, SCENE.closing_2, "release 2")
    assert (early.place.index, late.place.index) == (2, BASES[1] + 2)
    for size in (1, 2):
        said = report(SCENE.three, BASES[2], size)
        for one in (early, late, total(SCENE, SCENE.closing_2, "release")):
            cover(said, SCENE.closing_2, one)
    cover(report(SCENE.two, BASES[1], 3), SCENE.closing_2, late)
    for size in (3, 4):  # made before the turn, or at the log's end
        cover(report(SCENE.one, 0, size), SCENE.closing_2, early)
        cover(report(SCENE.one, 0, size), SCENE.closing, early)
    cover(report(SCENE.one, 0, 3), SCENE.first, early)


def test_a_report_that_ends_before_the_release_covers_it_in_no_log() -> None:
    late = total(SCENE, SCENE.closing_2, "release 2")
    for said in (
        report(SCENE.one, 0, 4),
        report(SCENE.two, BASES[1], 2),
        report(SCENE.three, BASES[2], 1, **{"from": BASES[2]}),
    ):
        with pytest.raises(BadProof, match="covers the entries"):
            cover(said, SCENE.closing_2, late)


def test_a_report_of_another_tree_covers_nothing_in_any_log() -> None:
    early = total(SCENE, SCENE.first, "release", 3)
    late = total(SCENE, SCENE.closing_2, "release 2")
    other = "01" * 32
    for said in (report(SCENE.one, 0, 4, root=other), report(SCENE.one, 0, 3, root=other)):
        with pytest.raises(BadProof):
            cover(said, SCENE.closing_2, early)
    with pytest.raises(BadProof):
        cover(report(SCENE.two, BASES[1], 3, root=other), SCENE.closing_2, late)
    # A finding about the turn is one about the whole log.
    with pytest.raises(BadProof, match="whole log"):
        cover(report(SCENE.three, BASES[2], 2, findings=((3, "log"),)), SCENE.closing_2, early)
    with pytest.raises(BadProof, match="knows no log"):
        cover(report(SCENE.three, BASES[2], 2), SCENE.first, late)
    # A release that a stolen key put into a log that ended is in no tree that the auditor saw.
    thief = Book(FIRST)
    thief.texts = [*SCENE.one.texts[:2], "release 9"]
    stolen = check_logged(SCENE.first, "release 9", thief.proof("release 9"))
    forged = replace(early, release="release 9", place=stolen, proof=thief.proof("release 9"))
    with pytest.raises(BadProof, match="does not lead to the root"):
        cover(report(SCENE.three, BASES[2], 2), SCENE.closing_2, forged)
    cover(report(SCENE.three, BASES[2], 2), SCENE.closing_2, early)


# A directory that expired, and one that a long run does not know yet


def test_an_expired_directory_is_held_to_stop_by_and_gives_nothing() -> None:
    pins, clock = SCENE.pins(SCENE.one), [NOW]
    shown = SCENE.shown(SCENE.first)
    late = SCENE.first.listing.expires
    running = Current(shown, pins, lambda: clock[0], wall=lambda: WALL)
    clock[0] = late
    opened = Current(shown, pins, lambda: late, SCENE.first, lambda: WALL)
    for current in (running, opened):
        assert current.held.text == SCENE.first.text
        assert current.knowing(SCENE.one.proof("grant")).text == SCENE.first.text
        with pytest.raises(BadDirectory, match="expired"):
            _ = current.directory
        with pytest.raises(BadDirectory, match="expired"):
            current.refresh()
    # Who holds none has nothing to stop by.
    with pytest.raises(BadDirectory, match="expired"):
        Current(shown, pins, lambda: late, None, lambda: WALL)
    newer = follow(SCENE.first, expires=late + 30 * DAY)
    scene = Scene()
    scene.one.texts = [SCENE.first.text, newer.text]
    shown.body = scene.shown(newer, []).body
    assert opened.directory.text == newer.text


def test_nothing_but_the_expiry_is_excused() -> None:
    """Every other check of a directory is made of one that has expired too."""
    scene, late = Scene(), SCENE.first.listing.expires
    pins = scene.pins(scene.one)
    forged = follow(scene.first, STRANGER)
    forked = follow(None, log=scene.one.entry, iat=1)
    scene.one.add(forged.text, forked.text)
    for found in (forged, forked):
        with pytest.raises(BadDirectory):
            Current(scene.shown(found), pins, lambda: late, scene.first, lambda: WALL)
    newer = follow(scene.first)  # it expires with the first one
    bare = scene.shown(scene.first)
    bare.body = {"directory": newer.text, "proof": SCENE.one.proof("grant")}
    with pytest.raises(BadProof):
        Current(bare, pins, lambda: late, scene.first, lambda: WALL)
    bare.body = {"directory": "…", "proof": ""}
    with pytest.raises((BadDirectory, BadShape)):
        Current(bare, pins, lambda: late, scene.first, lambda: WALL)
    scene.one.add(newer.text)
    held = Current(scene.shown(newer), pins, lambda: late, scene.first, lambda: WALL).held
    assert held.text == newer.text


def test_a_proof_of_a_log_not_known_yet_makes_a_client_ask_again() -> None:
    pins = SCENE.pins(SCENE.one)
    shown = SCENE.shown(SCENE.first)
    current = Current(shown, pins, lambda: NOW, wall=lambda: WALL)
    shown.body = SCENE.shown(SCENE.closing).body
    old, new = SCENE.one.proof("grant"), SCENE.two.proof("grant 2")
    assert current.knowing(old).text == SCENE.first.text
    assert shown.asked == 1
    assert current.knowing(new).text == SCENE.closing.text
    assert current.knowing(new).text == SCENE.closing.text
    assert shown.asked == 2
    assert check_logged(current.held, "grant 2", new).index == BASES[1] + 1


def test_the_index_line_of_a_proof_file_stays_the_logs_own() -> None:
    proof = SCENE.two.proof("grant 2")
    assert read_proof(proof).index == 1
    assert read_proof(proof).origin == f"{FIRST}/2027"
    assert check_logged(SCENE.closing, "grant 2", proof).index == BASES[1] + 1
    assert text_hash(SCENE.closing.text) == SCENE.turn_2.listing.prev
