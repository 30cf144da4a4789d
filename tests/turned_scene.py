"""A log that turned twice, in memory: three books, five directories, and a vault that shows them.

    scene = Scene()
    scene.first     version 1, entry 0 of the first book; then a grant and a release
    scene.turn      version 2, last entry of the first book: names the second one
    scene.closing   version 3, first entry of the second book: lists how the first one ended
    scene.turn_2    version 4, and scene.closing_2, version 5: the same into the third book
    take(scene.shown(scene.closing), scene.pins(scene.one), held)

Every tree is tests/log/naive.py, every key a test's own. A test that changes what a book holds
signs the directories after it anew: that is what an attack does.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.note import ED25519, VerifierKey
from consent.log.proof import Proof, leaf_data
from consent.policy import Policy, fetch_directory
from consent.turns import Turn
from tests.listing import AUDITOR, DAY, NOW, listing, signed
from tests.log import naive
from tests.test_policy import WALL, Witness, cosigned
from vault.crypto.keys import SigningKey
from vault.directory import Directory
from vault.encoding import Json
from vault.messages import ClosedLog, LogEntry
from vault.wire import Answer, Wire

FIRST = "vault.example/log"


class Book:
    """One log: its texts in order, its key, and whom its directory asks to witness it."""

    def __init__(self, origin: str, *witnesses: Witness) -> None:
        self.origin, self.witnesses = origin, witnesses
        self.key = SigningKey(sha256(origin.encode()).digest())
        self.texts: list[str] = []

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey(self.origin, ED25519, self.key.public)

    @property
    def entry(self) -> LogEntry:
        """The book as a directory names it: all of its witnesses must cosign."""
        vkeys = tuple(str(one.vkey) for one in self.witnesses)
        return LogEntry(origin=self.origin, vkey=str(self.vkey), witnesses=vkeys, quorum=len(vkeys))

    def closed(self, **changed: object) -> ClosedLog:
        """The book as a directory lists it once it ended."""
        found = {**dict(self.entry), "size": len(self.texts), "root": self.root()}
        return ClosedLog.model_validate({**found, **changed})

    def add(self, *texts: str) -> None:
        self.texts += texts

    def leaves(self, size: int | None = None) -> list[bytes]:
        return [leaf_data(bytes(16), NOW, text) for text in self.texts[:size]]

    def root(self, size: int | None = None) -> bytes:
        return naive.mth(self.leaves(size))

    def note(self, size: int | None = None, at: int = WALL, *, silent: bool = False) -> str:
        size = len(self.texts) if size is None else size
        note = sign_checkpoint(Checkpoint(self.origin, size, self.root(size)), self.key)
        return note if silent else cosigned(note, at, *self.witnesses)

    def proof(
        self, text: str, size: int | None = None, at: int = WALL, *, silent: bool = False
    ) -> str:
        """The proof file of a text in the tree of this size; `silent`: no witness cosigned it."""
        index, leaves = self.texts.index(text), self.leaves(size)
        path = tuple(naive.path(index, leaves))
        return str(Proof(bytes(16), NOW, index, path, self.note(size, at, silent=silent)))

    def raw(self, path: str) -> bytes:
        """What is served under the book's own prefix: its one tile, of any width."""
        before, _, width = path.partition(".p/")
        assert before == "tile/0/000", path
        hashes = [sha256(b"\x00" + leaf).digest() for leaf in self.leaves()]
        assert int(width) <= len(hashes)
        return b"".join(hashes[: int(width)])


def follow(held: Directory | None, key: SigningKey = AUDITOR, /, **changed: object) -> Directory:
    """The next version after a directory, signed."""
    before = listing() if held is None else held.listing
    version, prev = (1, bytes(32)) if held is None else (before.version + 1, held.hash)
    found = {"version": version, "prev": prev, "expires": NOW + 30 * DAY, **changed}
    return signed(before.model_copy(update=found), key)


class Scene:
    """The books and directories of a log that turned twice."""

    def __init__(self, *witnesses: Witness) -> None:
        self.one, self.two, self.three = (
            Book(FIRST + name, *witnesses) for name in ("", "/2027", "/2028")
        )
        self.first = follow(None, log=self.one.entry)
        self.one.add(self.first.text, "grant", "release")
        self.turn = follow(self.first, log=self.two.entry)
        self.one.add(self.turn.text)
        self.closing = follow(self.turn, earlier=(self.one.closed(),))
        self.two.add(self.closing.text, "grant 2", "release 2")
        self.turn_2 = follow(self.closing, log=self.three.entry)
        self.two.add(self.turn_2.text)
        both = (self.one.closed(), self.two.closed())
        self.closing_2 = follow(self.turn_2, earlier=both)
        self.three.add(self.closing_2.text, "grant 3")

    @property
    def books(self) -> tuple[Book, ...]:
        return (self.one, self.two, self.three)

    @property
    def turns(self) -> list[Turn]:
        return [
            Turn(directory=self.turn.text, proof=self.one.proof(self.turn.text)),
            Turn(directory=self.turn_2.text, proof=self.two.proof(self.turn_2.text)),
        ]

    def book_of(self, text: str) -> Book:
        return next(book for book in self.books if text in book.texts)

    def shown(self, found: Directory, turns: Sequence[Turn] | None = None) -> Shown:
        """A vault that serves this directory, with every turn so far unless told."""
        so_far = self.turns[: len(found.earlier)] if turns is None else turns
        return Shown(found.text, self.book_of(found.text).proof(found.text), so_far)

    def pins(self, book: Book) -> Policy:
        return Policy(AUDITOR.public, str(book.vkey))

    def raw(self, path: str) -> bytes:
        """Any tile of any book, as the vault serves it."""
        for book in reversed(self.books):
            prefix = "/log" + book.origin.removeprefix(FIRST) + "/"
            if path.startswith(prefix):
                return book.raw(path.removeprefix(prefix))
        raise AssertionError(path)


class Shown(Wire):
    """A vault that shows one directory, its proof and the turns."""

    def __init__(self, text: str, proof: str, turns: Sequence[Turn] = ()) -> None:
        super().__init__("https://vault.example")
        self.body: dict[str, Json] = {"directory": text, "proof": proof}
        if turns:
            self.body["turns"] = [turn.plain() for turn in turns]
        self.asked = 0

    def get(self, path: str) -> Answer:
        assert path == "/v1/directory"
        self.asked += 1
        return Answer(self.body, "")


def take(
    shown: Wire, pins: Policy, held: Directory | None = None, now: int = NOW, wall: int = WALL
) -> Directory:
    return fetch_directory(shown, pins, held, now, lambda: wall)
