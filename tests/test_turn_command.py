"""``directory turn``: the auditor ends a log and lets the next one go on, also over lost answers.

The vault is a few lines in memory: it logs what it is posted, a turn last of its log. Another one
that logs something after the turn, or loses an answer, is the control.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from consent import accredit
from consent.accredit import Register, close_log, turn_log
from consent.commands import register
from consent.commands.register import Place, make_place, open_place, publish
from consent.commands.turn import TRIES, Turned, log_entry, turn_place
from consent.logged import check_logged
from consent.turns import Turn, walk_turns
from tests.listing import AUDITOR, NOW, listing
from tests.test_commands import run
from tests.test_policy import W1, W2
from tests.turned_scene import FIRST, Book
from vault.directory import Directory, check_successor, read_directory
from vault.encoding import compact_json
from vault.errors import BadDirectory, BadProof, DifferentBytes, NotWitnessed, Unreachable
from vault.messages import LogEntry
from vault.wire import Answer

URL = "https://vault.example"
LIFE = 40 * 86400


class Vault:
    """Books that turn, one after the other, and the one thing that goes wrong next."""

    def __init__(self) -> None:
        self.books = [Book(FIRST)]
        self.next = Book(f"{FIRST}/2027")
        self.versions: list[Directory] = []
        self.posts: list[str] = []
        self.lose = ""  # "before" or "after" it is logged
        self.silent = False  # whether no witness cosigned yet
        self.late = False  # whether something is logged after a turn

    @property
    def book(self) -> Book:
        return self.books[-1]

    def post(self, path: str, text: str) -> Answer:
        assert path == "/v1/directory"
        self.posts.append(text)
        lost, self.lose = self.lose, ""
        if lost == "before":
            raise Unreachable("no answer")
        book = self._take(text)
        if lost == "after":
            raise Unreachable("no answer")
        return Answer({"proof": book.proof(text, silent=self.silent)}, "")

    def _take(self, text: str) -> Book:
        for book in self.books:
            if text in book.texts:
                return book
        fresh = read_directory(text, AUDITOR.public)
        if fresh.listing.version != len(self.versions) + 1:
            raise DifferentBytes("already taken by another text")
        if self.versions:
            check_successor(self.versions[-1], fresh)
        self.versions.append(fresh)
        book = self.book
        book.add(text)
        if fresh.listing.log.vkey != str(book.vkey):
            if self.late:
                book.add("later")
            self.books.append(self.next)
            self.next = Book(f"{FIRST}/{2026 + len(self.books)}")
        return book


class Desk:
    """An auditor's folder beside that vault."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self.vault, self.folder = vault, folder
        found = listing()
        first = Register(
            demo=False, log=vault.book.entry, releases=found.releases, parties=found.entries
        )
        make_place(folder, "audit.example", URL, first, AUDITOR)

    @property
    def place(self) -> Place:
        return open_place(self.folder)

    def publish(self) -> Directory:
        return publish(self.place, URL, LIFE, with_next=False)[0]

    def turn(self, book: Book | None = None) -> Turned:
        return turn_place(self.place, URL, (book or self.vault.next).entry)

    def check_settled(self, turned: Turned) -> None:
        """Everything fits: the register, the last directory, and the way from the first log."""
        place, vault = self.place, self.vault
        held = place.held()
        assert held is not None
        assert held.text == turned.directory.text == vault.versions[-1].text
        assert place.pending() is None
        assert place.register.earlier == held.earlier
        assert place.register.log == held.listing.log == vault.book.entry
        assert [log.size for log in held.earlier] == [len(b.texts) for b in vault.books[:-1]]
        assert [log.root for log in held.earlier] == [b.root() for b in vault.books[:-1]]
        assert vault.book.texts[0] == held.text
        assert turned.place == held.base
        turns = [Turn(directory=b.texts[-1], proof=b.proof(b.texts[-1])) for b in vault.books[:-1]]
        walk_turns(
            held,
            turns,
            str(vault.books[0].vkey),
            [AUDITOR.public],
            lambda text, proof: check_logged(held, text, proof),
        )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    vault = Vault()
    monkeypatch.setattr(register, "Wire", lambda url, key=None: vault)
    desk = Desk(tmp_path / "auditor", vault)
    desk.publish()
    desk.publish()
    return desk


def test_a_turn_is_two_directories_one_in_each_log(desk: Desk) -> None:
    turned = desk.turn()
    desk.check_settled(turned)
    assert [len(book.texts) for book in desk.vault.books] == [3, 1]
    assert turned.place == 3
    assert desk.publish().earlier == turned.directory.earlier
    again = desk.turn()
    desk.check_settled(again)
    assert [log.origin for log in again.directory.earlier] == [FIRST, f"{FIRST}/2027"]
    assert again.place == 3 + 3


def test_the_command_says_how_the_log_ended(desk: Desk) -> None:
    words = ["directory", "turn", desk.folder, "--vkey", desk.vault.next.vkey, "--json"]
    said = run(*words)
    assert said.code == 0, said
    found = json.loads(said.out)
    root = desk.vault.books[0].root().hex()
    assert found == {"version": 4, "index": 3, "ended": FIRST, "size": 3, "root": root}
    said = run(*words)
    assert (said.code, "goes on already" in said.err) == (1, True)
    assert len(desk.vault.versions) == 4
    said = run("directory", "log", desk.folder, "--vkey", desk.vault.next.vkey)
    assert (said.code, "directory turn" in said.err) == (1, True)
    lines = desk.folder.joinpath("parties.toml").read_text(encoding="utf-8")
    assert tomllib.loads(lines)["earlier"][0]["size"] == 3


@pytest.mark.parametrize("number", [0, 1], ids=["turn", "closing"])
@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(
    desk: Desk, number: int, lost: str
) -> None:
    vault, before = desk.vault, len(desk.vault.posts)
    ended, following = vault.book, vault.next
    if number == 0:
        vault.lose = lost
        with pytest.raises(Unreachable):
            desk.turn(following)
    else:
        _lose_the_closing(desk, following, lost)
    if number == 0:
        # While a turn is open no other directory is signed: it would not follow.
        with pytest.raises(BadDirectory, match="directory turn"):
            desk.publish()
    desk.check_settled(desk.turn(following))
    posts = vault.posts[before:]
    assert len(posts) == 3
    assert posts[number] == posts[number + 1]
    assert len(ended.texts) == 3


def _lose_the_closing(desk: Desk, following: Book, lost: str) -> None:
    vault, take = desk.vault, desk.vault._take

    def once(text: str) -> Book:
        book = take(text)
        vault.lose = lost  # of the post after this one
        vault._take = take  # type: ignore[method-assign]
        return book

    vault._take = once  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        desk.turn(following)


def test_a_crash_after_the_turn_was_kept_is_finished_too(desk: Desk) -> None:
    """The turn is the last directory, and the register does not say so yet."""
    vault, following = desk.vault, desk.vault.next
    before = (desk.folder / "parties.toml").read_bytes()
    vault.lose = "after"
    with pytest.raises(Unreachable):
        desk.turn(following)
    (desk.folder / "pending.jws").replace(desk.folder / "directory.jws")
    assert (desk.folder / "parties.toml").read_bytes() == before
    with pytest.raises(BadDirectory, match="directory turn"):
        desk.publish()
    other = Book(f"{FIRST}/other")
    with pytest.raises(BadDirectory, match="is open: finish it"):
        desk.turn(other)
    desk.check_settled(desk.turn(following))
    assert len(vault.versions) == 4


def test_a_crash_before_the_closing_is_finished_by_publish_as_well(desk: Desk) -> None:
    vault, following = desk.vault, desk.vault.next
    _lose_the_closing(desk, following, "before")
    (desk.folder / "pending.jws").unlink()
    closing = desk.publish()
    desk.check_settled(Turned(closing, closing.base))
    assert vault.book is following


def test_a_directory_that_waits_is_posted_before_the_turn(desk: Desk) -> None:
    vault, following = desk.vault, desk.vault.next
    vault.lose = "before"
    with pytest.raises(Unreachable):
        desk.publish()
    desk.check_settled(desk.turn(following))
    assert [len(book.texts) for book in vault.books] == [4, 1]


def test_a_vault_that_logs_something_after_the_turn_gets_no_closing(desk: Desk) -> None:
    vault, following = desk.vault, desk.vault.next
    vault.late = True
    for _ in range(2):  # the same bytes again: nothing else may ever be signed in their place
        with pytest.raises(BadProof, match="must be the last"):
            desk.turn(following)
    assert len(vault.versions) == 3
    assert len(set(vault.posts[-2:])) == 1
    vault.books[0].texts.remove("later")
    desk.check_settled(desk.turn(following))


def test_the_last_tree_is_written_down_with_its_quorum_alone(tmp_path: Path) -> None:
    vault = Vault()
    vault.books = [Book(FIRST, W1, W2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(register, "Wire", lambda url, key=None: vault)
        desk, waits = Desk(tmp_path / "auditor", vault), list[float]()
        desk.publish()
        vault.silent, before = True, desk.place.register
        words = (URL, vault.next.entry, LIFE, waits.append)
        with pytest.raises(NotWitnessed):
            turn_place(desk.place, *words)
        assert (desk.place.register, len(waits)) == (before, TRIES)
        assert len(vault.versions) == 2  # no closing

        def cosign(_: float) -> None:
            vault.silent = False

        turned = turn_place(desk.place, *words[:3], cosign)
        assert len(set(vault.posts[1:-1])) == 1  # the same turn each time
        desk.check_settled(turned)


def test_a_turn_that_the_vault_refuses_leaves_everything_as_it_was(desk: Desk) -> None:
    vault, following = desk.vault, desk.vault.next
    held, kept = desk.place.held(), desk.place.register
    vault.versions.append(vault.versions[-1])  # it says that this version is taken
    with pytest.raises(DifferentBytes):
        desk.turn(following)
    assert (desk.place.held(), desk.place.pending(), desk.place.register) == (held, None, kept)
    vault.versions.pop()
    desk.check_settled(desk.turn(following))


def test_before_anything_is_published_no_log_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault()
    monkeypatch.setattr(register, "Wire", lambda url, key=None: vault)
    desk = Desk(tmp_path / "new", vault)
    with pytest.raises(BadDirectory, match="nothing is published yet"):
        desk.turn()
    desk.publish()
    desk.check_settled(desk.turn())


# The register


def entry(name: str, seed: str = "") -> LogEntry:
    book = Book(FIRST + name)
    other = Book(seed or book.origin)
    book.key = other.key
    return book.entry


def test_only_a_new_log_under_the_first_one_goes_on() -> None:
    found = listing()
    first = Register(demo=False, releases=found.releases, parties=found.entries)
    with pytest.raises(BadDirectory, match="no log yet"):
        turn_log(first, entry("/a"))
    first = first.model_copy(update={"log": entry("")})
    for same in ("", "/a"):
        listed = first if not same else close_log(first, entry(same), 3, bytes(32))
        with pytest.raises(BadDirectory, match="listed already"):
            turn_log(listed, entry(same))
        with pytest.raises(BadDirectory, match="another key already"):
            turn_log(listed, entry(same, "other"))
    with pytest.raises(BadDirectory, match="has the key of a log before"):
        turn_log(first, entry("/a", FIRST))
    with pytest.raises(BadDirectory, match="does not stand under"):
        turn_log(first, entry("-2027"))
    assert turn_log(first, entry("/a")).log == entry("/a")


def test_a_register_that_never_turned_has_the_bytes_that_it_had() -> None:
    found = listing()
    first = Register(demo=False, log=entry(""), releases=found.releases, parties=found.entries)
    assert "earlier" not in first.plain()
    issue = accredit.Issue(version=1, prev=bytes(32), now=NOW, expires=NOW + 1)
    assert "earlier" not in accredit.compose(first, issue, {}).plain()
    closed = close_log(first, entry("/a"), 7, b"\x02" * 32)
    assert Register.parse(compact_json(closed.plain())) == closed
    assert accredit.compose(closed, issue, {}).earlier == closed.earlier


def test_a_quorum_is_of_the_witnesses_that_are_named() -> None:
    vkey = str(Book(f"{FIRST}/a").vkey)
    with pytest.raises(BadDirectory, match="at most 0"):
        log_entry(vkey, None, 1)
    assert log_entry(vkey, None, 0).origin == f"{FIRST}/a"
