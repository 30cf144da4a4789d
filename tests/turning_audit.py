"""Two logs by hand, the second after the first one's turn, as a vault serves them to its auditor.

    story = Story()                       honest: account, account, turn | closing, account
    story = Story(closed={"size": 3})     the closing says another size than the log ended with
    audit = story.audited()               the audit in memory
    vault = story.vault                   a wire; vault.asked, vault.withheld, vault.changed

Trees are tests/log/naive.py; the vault's hand is in every log, the auditor's in every directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from consent.auditor import Auditor
from consent.judging import Report
from consent.log.tiles import read_path, write_bundle
from consent.messages import Bind, Erased
from consent.policy import Policy
from tests.listing import AUDITOR, NOW, SIGNING
from tests.test_policy import Witness
from tests.turned_scene import FIRST, Book, follow
from vault.crypto.keys import SigningKey
from vault.directory import Directory
from vault.encoding import Json, text_hash
from vault.errors import NotFound
from vault.messages import Account, Erase
from vault.wire import Answer, Wire

PAGE = 100
VAULT = "vault.example"


def key_of(name: str) -> SigningKey:
    return SigningKey(sha256(name.encode()).digest())


def account(name: str) -> str:
    key = key_of(name)
    return Account(iat=NOW, pk=key.public, vault=VAULT, over14=True).signed(key)


def bind(name: str, org: str) -> str:
    return Bind(iat=NOW, org=org, pk=key_of(name + org).public).signed(key_of(name))


def erase(name: str) -> str:
    key = key_of(name)
    return Erase(iat=NOW, pk=key.public).signed(key)


def erased(text: str, *indexes: int) -> str:
    return Erased(iat=NOW, erase=text_hash(text), indexes=indexes).signed(SIGNING[VAULT])


class Vault(Wire):
    """What a vault serves to its auditor; `changed` are paths that it answers otherwise."""

    def __init__(self, books: Sequence[Book]) -> None:
        super().__init__(f"https://{VAULT}")
        self.books = [*books]
        self.withheld: set[int] = set()
        self.changed: dict[str, bytes | None] = {}
        self.asked: list[str] = []

    @property
    def texts(self) -> list[str]:
        return [text for book in self.books for text in book.texts]

    def get(self, path: str) -> Answer:
        self.asked.append(path)
        first = int(path.removeprefix("/v1/audit/entries?first="))
        page: list[Json] = [
            {"index": index, "at": NOW, "salt": bytes(16).hex(), "text": text}
            for index, text in enumerate(self.texts)
            if index >= first and index not in self.withheld
        ]
        return Answer({"entries": page[:PAGE]}, "")

    def raw(self, path: str) -> bytes:
        self.asked.append(path)
        if path in self.changed:
            return self._found(self.changed[path])
        for book in reversed(self.books):
            prefix = "/log" + book.origin.removeprefix(FIRST) + "/"
            if path.startswith(prefix):
                return self._of(book, path.removeprefix(prefix))
        raise NotFound(path)

    def _found(self, raw: bytes | None) -> bytes:
        if raw is None:
            raise NotFound("it is not served")
        return raw

    def _of(self, book: Book, path: str) -> bytes:
        if path == "checkpoint":
            return book.note().encode()
        tile = read_path(path)
        leaves = book.leaves()[tile.n * 256 :][: tile.width]
        if len(leaves) < tile.width:
            raise NotFound(path)
        return write_bundle(leaves)


@dataclass
class Story:
    """An honest tale unless told otherwise; what is changed is signed by whoever must sign it.

    `after` stands in the first log after its turn, `before` in the second one before its closing;
    `closed` and `closing` change members of what the closing says.
    """

    early: Sequence[str] = ()
    after: Sequence[str] = ()
    before: Sequence[str] = ()
    late: Sequence[str] = ()
    closed: Mapping[str, object] = field(default_factory=dict)
    closing: Mapping[str, object] = field(default_factory=dict)
    name: str = "/2027"
    signer: SigningKey = AUDITOR
    witnesses: tuple[Witness, ...] = ()

    def __post_init__(self) -> None:
        self.one, self.two = (Book(FIRST + name, *self.witnesses) for name in ("", self.name))
        self.first = follow(None, log=self.one.entry)
        self.one.add(self.first.text, account("ann"), *self.early)
        self.turn = follow(self.first, self.signer, log=self.two.entry)
        self.one.add(self.turn.text)
        self.ended = self.one.closed(**self.closed)
        self.one.add(*self.after)
        self.close = follow(self.turn, **{"earlier": (self.ended,), **self.closing})
        self.two.add(*self.before, self.close.text, account("cem"), *self.late)
        self.vault = Vault([self.one, self.two])

    @property
    def policy(self) -> Policy:
        return Policy(AUDITOR.public, str(self.one.vkey))

    @property
    def end(self) -> int:
        """How many entries the first log has."""
        return len(self.one.texts)

    def audited(self, **remembered: object) -> Report:
        return self.auditor(**remembered).audit()

    def auditor(self, **remembered: object) -> Auditor:
        make: Callable[..., Auditor] = Auditor
        return make(AUDITOR, self.vault, self.policy, **remembered)

    def rules(self) -> list[tuple[int, str]]:
        return [(found.index, found.rule) for found in self.audited().findings]

    def third(self) -> tuple[Directory, Book]:
        """Let the second log turn too; return the closing of it and the third log."""
        book = Book(FIRST + "/2028")
        turn = follow(self.close, log=book.entry)
        self.two.add(turn.text)
        closing = follow(turn, earlier=(self.ended, self.two.closed()))
        book.add(closing.text)
        self.vault.books.append(book)
        return closing, book
