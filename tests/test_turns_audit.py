"""An audit over a log that turned: both logs are judged as one, each lie about a turn is found.

The first part plays with two logs by hand (tests/turning_audit.py), the second with the vault.
"""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from consent import mirror as mirrors
from consent.download import update
from consent.entry_index import EntryIndex
from consent.judging import Judging, Kept, Report, judge
from consent.lineage import NOT_SERVED, Lineage
from consent.log.checkpoint import Checkpoint
from consent.log.note import ED25519, VerifierKey
from consent.mirror import Gone, Mirror
from consent.volume import open_volumes, texts_between
from tests.listing import NOW
from tests.test_mirror import killed_at
from tests.test_policy import W1
from tests.turned_scene import FIRST, Book, follow
from tests.turning_audit import Story, account, bind, erase, erased, key_of
from vault.crypto.keys import SigningKey
from vault.encoding import text_hash, thumbprint
from vault.errors import BadPlace, BadProof, NotFound
from vault.messages import ClosedLog

STRANGER = SigningKey(b"\x77" * 32)
MANY = [account(f"p{n}") for n in range(300)]


def opened(story: Story, folder: Path) -> Mirror:
    return Mirror(folder, story.policy)


def judged(mirror: Mirror, jobs: int = 1) -> Judging:
    return judge(mirror.policy, mirror.copy(), mirror.memory(), jobs)


def audit(story: Story, folder: Path) -> Report:
    """Do what the command does with a URL and a folder."""
    mirror = opened(story, folder)
    update(mirror, story.vault)
    found = judged(mirror)
    mirror.settle(found, NOW)
    return found.report()


def conflicts(story: Story, folder: Path) -> list[str]:
    return [found.rule for found in opened(story, folder).conflicts()]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Honest


def test_log_that_turned_is_judged_as_one_with_its_next(tmp_path: Path) -> None:
    story = Story(early=MANY)
    report = story.audited()
    assert report.findings == []
    assert report.size == len(story.vault.texts) == story.end + 2
    assert (report.root, report.signed) == (story.two.root(), story.two.note())
    assert [(log.key.name, log.size) for log in report.logs] == [
        (FIRST, story.end),
        (FIRST + "/2027", 2),
    ]
    assert report.counts == {"directory": 3, "account": 302}
    assert audit(story, tmp_path / "mirror").plain() == report.plain()


def test_log_that_never_turned_says_nothing_of_logs(tmp_path: Path) -> None:
    story = Story()
    story.one.texts = story.one.texts[:2]
    report = audit(story, tmp_path / "mirror")
    assert (report.findings, report.size) == ([], 2)
    assert "logs" not in report.plain()
    assert not (tmp_path / "mirror/logs").exists()
    assert [path for path in story.vault.asked if "2027" in path] == []


def test_several_turns_are_followed(tmp_path: Path) -> None:
    story = Story(early=MANY)
    story.third()
    report = audit(story, tmp_path / "mirror")
    assert report.findings == story.audited().findings == []
    assert [log.size for log in report.logs] == [303, 3, 1]
    assert report.size == 307


def test_turn_that_is_not_closed_yet_is_no_finding(tmp_path: Path) -> None:
    """The next log is served, and empty; the tree that counts is still the first log's."""
    story = Story()
    story.two.texts = []
    for _ in range(2):
        report = audit(story, tmp_path / "mirror")
        assert report.findings == story.audited().findings == []
        assert (report.size, report.root) == (story.end, story.one.root())
        assert len(report.logs) == 1


def test_mirror_goes_on_over_a_turn_and_asks_for_what_is_new_alone(tmp_path: Path) -> None:
    story, folder = Story(early=MANY, late=[account("dan")]), tmp_path / "mirror"
    one, two = story.one.texts, story.two.texts
    for first, second in ((200, 0), (303, 0), (303, 1), (303, 3)):
        story.one.texts, story.two.texts = one[:first], two[:second]
        report = audit(story, folder)
        assert (report.findings, report.size) == ([], first + second)
        assert report.plain() == story.audited().plain()
    story.vault.asked.clear()
    assert audit(story, folder).findings == []
    assert story.vault.asked == ["/log/checkpoint", "/log/2027/checkpoint"]
    story.two.add(account("eve"))
    story.vault.asked.clear()
    assert audit(story, folder).size == 307
    assert story.vault.asked == [
        "/log/checkpoint",
        "/log/2027/checkpoint",
        "/log/2027/tile/entries/000.p/4",
        "/v1/audit/entries?first=306",
    ]
    whole = audit(story, tmp_path / "whole")
    assert report.size < whole.size
    held, fresh = files(folder), files(tmp_path / "whole")
    assert {**held, "state.json": b""} == {**fresh, "state.json": b""}
    assert [each.size for each in opened(story, folder).kept] == [200, 303, 304, 306, 307]


def test_texts_of_both_logs_are_in_the_mirror_by_place(tmp_path: Path) -> None:
    story, folder = Story(early=MANY), tmp_path / "mirror"
    audit(story, folder)
    volumes = open_volumes(folder, story.one.vkey)
    held = list(texts_between(volumes, 0, 10**6))
    assert [each.text for each in held] == story.vault.texts
    assert [each.index for each in held] == list(range(305))
    assert [each.index for each in texts_between(volumes, 255, 304)] == list(range(255, 304))
    assert {name for name in files(folder) if "texts" in name} == {
        "texts/000.jsonl",
        "texts/001.jsonl",
        "logs/2027/texts/000.jsonl",
    }
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_mirror_of_both_logs_is_judged_offline_and_by_two_processes_alike(tmp_path: Path) -> None:
    story, folder = Story(early=MANY, late=[*MANY[:1], "e30.e30.e30"]), tmp_path / "mirror"
    online, asked = audit(story, folder), len(story.vault.asked)
    one, two = (judged(opened(story, folder), jobs).report() for jobs in (1, 2))
    assert one.plain() == two.plain() == online.plain()
    assert [(found.index, found.rule) for found in one.findings] == [
        (305, "account"),
        (306, "text"),
    ]
    assert len(story.vault.asked) == asked


def test_entries_of_a_key_are_listed_over_both_logs(tmp_path: Path) -> None:
    story, folder = Story(late=[bind("ann", "city.example")]), tmp_path / "mirror"
    audit(story, folder)
    index = EntryIndex(folder, story.one.vkey)
    head, listed = index.of(thumbprint(key_of("ann").public))
    index.close()
    texts = story.vault.texts
    assert listed == [(1, text_hash(texts[1])), (5, text_hash(texts[5]))]
    assert (head.size, head.root) == (len(story.two.texts), story.two.root())


# Lies


def stranger(story: Story) -> ClosedLog:
    book = Book(FIRST + "/2026")
    book.add("never")
    return book.closed()


LIES: dict[str, tuple[dict[str, object], list[tuple[int, str]]]] = {
    "an entry after the turn": ({"after": [account("bob")]}, [(2, "log"), (3, "log")]),
    "an entry before the closing": ({"before": [account("bob")]}, [(3, "log"), (4, "log")]),
    "no closing": ({"closing": {"earlier": None}}, [(3, "log")]),
    "another size": ({"closed": {"size": 2}}, [(3, "log")]),
    "another root": ({"closed": {"root": bytes(32)}}, [(3, "log")]),
    "fewer witnesses": ({"closed": {"witnesses": (), "quorum": 1}}, [(3, "log")]),
    "a name of no log here": ({"name": "/UPPER"}, [(2, "log"), (3, "log")]),
}


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_about_a_turn_is_found(
    lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, wanted = LIES[lie]
    story = Story(**told)  # type: ignore[arg-type]
    assert story.rules() == wanted
    report = audit(story, tmp_path / "mirror")
    assert [(found.index, found.rule) for found in report.findings] == wanted
    assert Story().rules() == []  # the honest one
    monkeypatch.setattr(Lineage, "_find", lambda *_: None)
    assert story.rules() == []  # the control: nothing else sees it


def test_a_log_listed_as_ended_that_never_was_is_found() -> None:
    story = Story()
    lie = follow(story.close, earlier=(story.ended, stranger(story)))
    story.two.add(lie.text)
    assert story.rules() == [(5, "log")]


def test_a_turn_that_the_auditor_did_not_sign_leads_nowhere() -> None:
    story = Story(signer=STRANGER)
    assert story.rules() == [(2, "directory"), (3, "directory"), (3, "log")]


@pytest.mark.parametrize("served", [None, b"", "other"])
def test_next_log_that_is_not_served_is_found(served: bytes | str | None, tmp_path: Path) -> None:
    story = Story()
    other = Book(FIRST + "/2027")
    other.key = STRANGER
    other.add("x")
    raw = other.note().encode() if isinstance(served, str) else served
    story.vault.changed["/log/2027/checkpoint"] = raw
    for report in (story.audited(), audit(story, tmp_path / "mirror")):
        (found,) = report.findings
        assert (found.index, found.rule, found.reason) == (3, "log", NOT_SERVED)
    del story.vault.changed["/log/2027/checkpoint"]
    assert audit(story, tmp_path / "mirror").findings == []


def test_leaves_of_a_closed_log_are_its_last_checkpoints(tmp_path: Path) -> None:
    """The operator changes the first log after its end, and signs it anew: the closing tells."""
    story = Story()
    story.one.texts[1] = account("bob")
    assert story.rules() == [(3, "log")]
    other = Story()
    other.vault.changed["/log/checkpoint"] = story.one.note().encode()
    assert other.rules() == [(3, "root")]  # or only the checkpoint


def test_closed_log_that_its_witnesses_did_not_see_to_the_end_is_found(tmp_path: Path) -> None:
    story = Story(witnesses=(W1,))
    assert story.rules() == []
    assert [one.witness for one in story.audited().cosigned] == [W1.vkey]
    story.vault.changed["/log/checkpoint"] = story.one.note(silent=True).encode()
    assert story.rules() == [(3, "witness")]
    assert [f.index for f in audit(story, tmp_path / "mirror").findings] == [3]
    del story.vault.changed["/log/checkpoint"]
    assert audit(story, tmp_path / "mirror").findings == []  # they came later


# What an earlier audit remembers


def test_auditor_remembers_which_log_ran() -> None:
    story = Story(late=[account("dan")])
    for last, rules in (
        (Checkpoint(FIRST, 2, story.one.root(2)), []),
        (Checkpoint(FIRST, 3, story.one.root()), []),
        (Checkpoint(FIRST + "/2027", 4, story.two.root(1)), []),
        (Checkpoint(FIRST + "/2027", 4, bytes(32)), ["forked"]),
        (Checkpoint(FIRST, 4, story.two.root(1)), ["forked"]),
        (Checkpoint(FIRST + "/2028", 4, story.two.root(1)), ["forked"]),
        (Checkpoint(FIRST + "/2027", 9, story.two.root(1)), ["shrunk"]),
    ):
        found = story.audited(last=last).findings
        assert [each.rule for each in found] == rules, last


def test_times_are_held_against_audits_of_either_log() -> None:
    story = Story()
    good, late, early = (Kept(4, when) for when in (1767225600, 1767225000, 1767226200))
    assert story.audited(kept=(good,)).findings == []
    assert {f.index for f in story.audited(kept=(late,)).findings} == {0, 1, 2, 3}
    assert {f.index for f in story.audited(kept=(early,)).findings} == {4}


# A log that is not the one it was


def broken(story: Story, folder: Path, change: Story) -> list[str]:
    """Audit an honest story, then let its vault serve another one; return what is kept of it."""
    assert audit(story, folder).findings == []
    before = files(folder)
    story.vault.books = change.vault.books
    assert audit(story, folder).findings == []
    after = files(folder)
    assert {name: after[name] for name in before} == before
    return conflicts(story, folder)


def test_second_log_that_forked_or_went_back_leaves_the_mirror_as_it_was(tmp_path: Path) -> None:
    late = [account("dan"), account("eve")]
    fork = Story(late=late[::-1])
    story = Story(late=late)
    fork.one.texts[:], fork.two.texts[0] = story.one.texts, story.two.texts[0]
    assert broken(story, tmp_path / "forked", fork) == ["forked"]
    back = Story(late=late)
    short = Story(late=late)
    short.one.texts[:], short.two.texts[:] = back.one.texts, back.two.texts[:2]
    assert broken(back, tmp_path / "back", short) == ["shrunk"]
    same = Story(late=late)
    assert broken(same, tmp_path / "same", same) == []  # the control


def test_first_log_that_grew_or_changed_after_its_end_is_kept_as_evidence(tmp_path: Path) -> None:
    story = Story()
    grown = Story()
    grown.one.texts[:] = [*story.one.texts, account("bob")]
    grown.two.texts[:] = story.two.texts
    assert broken(story, tmp_path / "grown", grown) == ["log"]
    (name,) = (tmp_path / "grown/conflicting").iterdir()
    assert name.read_text("utf-8") == grown.one.note()
    story = Story()
    changed = Story()
    changed.one.texts[:] = [story.one.texts[0], account("bob"), story.one.texts[2]]
    changed.two.texts[:] = story.two.texts
    assert broken(story, tmp_path / "changed", changed) == ["forked"]


def test_second_log_that_is_not_served_any_more_is_an_error(tmp_path: Path) -> None:
    story = Story()
    audit(story, tmp_path / "mirror")
    before = files(tmp_path / "mirror")
    story.vault.changed["/log/2027/checkpoint"] = None
    with pytest.raises(NotFound):
        audit(story, tmp_path / "mirror")
    story.vault.changed["/log/2027/checkpoint"] = b"nothing\n"
    with pytest.raises(BadProof):
        audit(story, tmp_path / "mirror")
    assert files(tmp_path / "mirror") == before


def test_mirror_that_was_damaged_is_refused(tmp_path: Path) -> None:
    story, folder = Story(), tmp_path / "mirror"
    audit(story, folder)
    good = files(folder)
    for name, raw in (
        ("logs/2027/checkpoint", good["checkpoint"]),
        ("logs/2027/checkpoint", None),  # the last audit was of that log
    ):
        if raw is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(raw)
        with pytest.raises(BadPlace):
            opened(story, folder)
        (folder / name).write_bytes(good[name])
    assert judged(opened(story, folder)).report().findings == []


def test_a_turn_that_leads_back_is_not_followed_for_ever(tmp_path: Path) -> None:
    """The second log's last entry names the first one again, by another key."""
    story = Story()
    other = VerifierKey(FIRST, ED25519, STRANGER.public)
    entry = story.one.entry.model_copy(update={"vkey": str(other)})
    story.two.add(follow(story.close, log=entry).text)
    assert story.rules() == [(5, "log"), (6, "log")]
    assert len(audit(story, tmp_path / "mirror").findings) == 2


# Erasure


def test_account_in_both_logs_leaves_both(tmp_path: Path) -> None:
    gone = erase("ann")
    entries = [bind("ann", "city.example"), gone, erased(gone, 1, 5)]
    story, folder = Story(late=entries), tmp_path / "mirror"
    two = story.two.texts
    story.two.texts = two[:3]
    assert audit(story, folder).findings == []
    story.two.texts = two
    still = audit(story, folder)
    assert [found.rule for found in still.findings] == ["erased"]  # both are still served
    story.vault.withheld = {1, 5}
    for _ in range(2):
        report = audit(story, folder)
        assert (report.findings, report.unseen) == ([], [])
    account_of = thumbprint(key_of("ann").public)
    assert opened(story, folder).gone == {i: Gone(account_of, held=False) for i in (1, 5)}
    everything = b"".join(files(folder).values())
    for index in (1, 5):
        assert story.vault.texts[index].encode() not in everything
    fresh = audit(story, tmp_path / "fresh")
    assert (fresh.findings, fresh.unseen) == ([], [1, 5])


def test_erasure_that_leaves_out_an_entry_of_the_other_log_is_found(tmp_path: Path) -> None:
    gone = erase("ann")
    late = [bind("ann", "city.example"), gone, erased(gone, 5)]
    story = Story(late=late)
    story.vault.withheld = {5}
    (found,) = story.audited().findings
    assert (found.index, "leaves out entry 1" in found.reason) == (7, True)


def killed(story: Story, folder: Path) -> bool:
    try:
        audit(story, folder)
    except BadPlace:
        return True
    return False


def test_an_update_killed_anywhere_in_a_turn_has_no_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story, begun = Story(early=MANY), tmp_path / "begun"
    one, two = story.one.texts, story.two.texts
    story.one.texts, story.two.texts = one[:200], []
    audit(story, begun)
    story.one.texts, story.two.texts = one, two
    audit(story, tmp_path / "whole")
    whole = {**files(tmp_path / "whole"), "state.json": b""}
    for number in range(1, 20):
        folder = tmp_path / str(number)
        copytree(begun, folder)
        with monkeypatch.context() as patch:
            patch.setattr(mirrors, "replace_file", killed_at(number))
            if not killed(story, folder):
                break
        assert judged(opened(story, folder)).report().findings == []
        assert audit(story, folder).findings == []
        assert {**files(folder), "state.json": b""} == whole
    assert number == 10  # 3 bundles, 3 files of texts, 2 checkpoints, what was audited
