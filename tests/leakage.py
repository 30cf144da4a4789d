"""What may differ between two worlds that differ in their amounts: three names, and nothing else.

    first, second = (watch(amounts) for amounts in (…, …))
    compare(first, second)

Compared is every column of every row of the vault's database, and every answer's status, headers,
length and body. Each value is first written in a form that does not hold what amounts may change:

    same        the value itself, byte for byte
    jws         kind, key and members of a signed text, member by member; the signature goes by
    hash        what it is the hash *of*, in this form: a hash that nothing explains fails
    tile        the list of its hashes
    checkpoint  origin, size, what the root is the root of; the signature goes by
    c, C, sealed    its length
    log line    without the time of day and the milliseconds, which are the machine's

A column that stands in no list fails until somebody has decided what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import combinations
from typing import NamedTuple, TypeVar

from consent.log import merkle
from consent.log.checkpoint import read_checkpoint
from consent.log.merkle import HASH_SIZE
from consent.log.note import read_note
from consent.log.proof import HEADER, leaf_data, read_proof
from consent.log.tiles import read_bundle, read_hashes
from consent.messages import Release, Token
from consent.shown import hash_closes
from tests import invariants
from vault.chain import digest_of
from vault.encoding import Json, read_envelope, strict_json, text_hash, unb64u
from vault.errors import BadInput, BadShape
from vault.messages import Batch, Close, Message, Receipt, parse_hex
from vault.storage.database import Value

M = TypeVar("M", bound=Message)
KINDS = (*invariants.KINDS, "cv1-batch", "cv1-receipt", "cv1-link", "cv1-request")
MAY_DIFFER = ("c", "C", "sealed")

_LISTED = {
    "same": """accounts.account wraps.wrap wraps.account wraps.blob wraps.until states.account
        states.counter states.blob links.link links.account links.source links.begins
        links.ended batches.link batches.seq tags.tag tags.at closes.link closes.month
        closes.upto absents.link absents.month rejects.link rejects.month swept.one
        swept.month evidence.link evidence.month directories.version directories.signer
        journal.id journal.position journal.account journal.at journal.turns journal.salt
        binds.account binds.org binds.pk grants.grant_id grants.account grants.org
        grants.platform grants.until grants.n grants.state tokens.grant_id tokens.months
        atoms.account atoms.org atoms.category atoms.month atoms.grant_id windows.account
        windows.org windows.months windows.categories windows.released erasures.account
        erased_accounts.account releases.grant_id releases.months releases.purpose
        refusals.grant_id refusals.months refusals.reason log_tile.log log_tile.level
        log_tile.n log_head.log log_head.base log_head.size log_head.cosigned requests.handle
        requests.platform requests.until requests.state requests.account requests.grant_id
        events.n events.platform events.grant_id events.event events.at deletions.grant_id
        deletions.asked deletions.done web.id""",
    "jws": """accounts.text links.text links.unlink batches.text batches.receipt closes.text
        closes.receipt absents.text rejects.text evidence.text directories.text journal.text
        binds.text grants.text tokens.text windows.token erased.text releases.text refusals.text
        requests.text requests.refusal web.text""",
    "hash": """requests.hash batches.hash closes.hash journal.hash erasures.erase erased.erase
        log_head.root""",
    "tile": "log_tile.data",
    "checkpoint": "log_head.checkpoint",
    "c, C": "closes.cells",
    "sealed": "tokens.sealed",
}
COLUMNS: Mapping[str, str] = {
    column: kind for kind, columns in _LISTED.items() for column in columns.split()
}

_CLOCK = re.compile(r'("(?:at|ms)":)\d+')
_JWS = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


class Leak(AssertionError):
    """Two worlds differ where they may not."""


class Entry(NamedTuple):
    """A row of the journal as it stood, before any erasure."""

    position: int
    at: int
    salt: bytes
    text: str


class Answer(NamedTuple):
    """One answer of the vault, and what it answered."""

    request: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass
class Watched:
    """All that a vault stored, answered and was told in one world."""

    rows: dict[str, list[Value]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    sealed: list[bytes] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)


def compare(first: Watched, second: Watched) -> int:
    """Return how many values, answers and log lines are equal in their forms; raises Leak."""
    worlds = (Forms(first), Forms(second))
    _same("tables", list(first.rows), list(second.rows))
    for column in first.rows:
        if column not in COLUMNS:
            raise Leak(f"{column} is in no list: decide what it is")
        one, other = ([w.column(column, row) for row in w.watched.rows[column]] for w in worlds)
        _same(column, one, other)
    _same("lengths", [len(a.body) for a in first.answers], [len(a.body) for a in second.answers])
    answers = [[(a[:3], w.body(a)) for a in w.watched.answers] for w in worlds]
    _same("answers", *answers)
    _same("log lines", *(list(map(_timeless, w.logged)) for w in (first, second)))
    return sum(map(len, first.rows.values())) + len(first.answers) + len(first.logged)


def _timeless(line: str) -> str:
    """Return a line without the wall clock's seconds and milliseconds of an access line."""
    return _CLOCK.sub(r"\1", line) if line.startswith("carbonvault.access ") else line


def _same(name: str, one: Sequence[object], other: Sequence[object]) -> None:
    found = next((pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]), None)
    if found:
        raise Leak(f"{name} differs: {found[0]!r:.500} against {found[1]!r:.500}")
    if len(one) != len(other):
        raise Leak(f"{name} differs: {len(one)} against {len(other)}")


class Forms:
    """Writes the values of one world in the form in which worlds are compared."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self._of: dict[bytes, tuple[str, Callable[[], Json]]] = {}
        texts = sorted(_texts(watched))
        for text in texts:
            self._of[text_hash(text)] = ("the hash of", partial(self.jws, text))
        for raw in watched.sealed:
            self._of[sha256(raw).digest()] = ("the hash of sealed bytes", partial(len, raw))
        self._explain_digests(texts)
        self._explain_tree([watched.entries[i] for i in sorted(watched.entries)])

    # What hashes are the hashes of

    def _explain_digests(self, texts: list[str]) -> None:
        """Explain the digests over lists: of a close's batches, of a release's closes."""
        kinds = {text: read_envelope(text, *KINDS).typ for text in texts}
        receipts = {r.of: text for text, r in _opened(kinds, Receipt)}
        batches: dict[bytes, dict[int, str]] = {}
        for text, batch in _opened(kinds, Batch):
            batches.setdefault(batch.link, {})[batch.seq] = text
        for of_link in batches.values():
            own = [(of_link[seq], receipts[text_hash(of_link[seq])]) for seq in sorted(of_link)]
            for first, last in combinations(range(len(own) + 1), 2):
                self._explain_list(digest_of(own[first:last]), own[first:last])
        closes = {(c.link, c.month): text for text, c in _opened(kinds, Close)}
        tokens = {text_hash(text): token for text, token in _opened(kinds, Token)}
        for _, release in _opened(kinds, Release):
            cells = [(c.link, month) for c in tokens[release.token].cells for month in c.months]
            shown = [closes[cell] for cell in cells]
            self._explain_list(hash_closes(shown), [(text,) for text in shown])

    def _explain_list(self, digest: bytes, lists: Sequence[tuple[str, ...]]) -> None:
        self._of[digest] = (
            "the hash of a list",
            lambda: [self.jws(text) for texts in lists for text in texts],
        )

    def _explain_tree(self, entries: list[Entry]) -> None:
        """Explain the leaves, the complete subtrees and every root of the log."""
        leaves = [leaf_data(entry.salt, entry.at, entry.text) for entry in entries]
        for entry, leaf in zip(entries, leaves, strict=True):
            self._of[leaf] = ("the leaf of", partial(self._leaf, entry))
        hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
        for first, last in combinations(range(len(hashes) + 1), 2):
            node = merkle.root(hashes[first:last])
            self._of[node] = (f"the tree over {first} to {last}", lambda: None)

    def _leaf(self, entry: Entry) -> Json:
        return [entry.position, entry.at, entry.salt.hex(), self.jws(entry.text)]

    def hash(self, raw: bytes) -> Json:
        """Return what a hash is the hash of; raises Leak when nothing explains it."""
        if raw not in self._of:
            raise Leak(f"nothing explains {raw.hex()}")
        what, form = self._of[raw]
        return [what, form()]

    # Forms

    def column(self, column: str, value: Value) -> Json:
        """Return the form of a value of the database."""
        kind = COLUMNS[column]
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, str):
            if kind == "same":
                return value
            return self.jws(value) if kind == "jws" else self._checkpoint(value)
        if kind == "tile":
            entries = len(value) % HASH_SIZE or value[:2] == b"\x00\x20"
            return [self.hash(h) for h in (read_bundle(value) if entries else read_hashes(value))]
        if set(kind.split(", ")) <= set(MAY_DIFFER):
            return ["may differ", len(value)]
        return self.hash(value) if kind == "hash" else value.hex()

    def jws(self, text: str) -> Json:
        """Return kind, key and members of a signed text; its signature is over them."""
        envelope = read_envelope(text, *KINDS)
        return [envelope.typ, envelope.kid, self.json(strict_json(envelope.payload))]

    def json(self, found: Json, name: str = "") -> Json:
        """Return the form of a JSON value that stands under a member's name."""
        if isinstance(found, dict):
            return {key: self.json(value, key) for key, value in found.items()}
        if isinstance(found, list):
            cells = name == "cells" and len(found) == 7  # of a close: seven pairs c, C
            return [["c", "C"] if cells else self.json(value, name) for value in found]
        return self._string(found, name) if isinstance(found, str) else found

    def _string(self, found: str, name: str) -> Json:
        raw = _hash_in(found)
        if raw in self._of:
            return self.hash(raw)
        if name in MAY_DIFFER:
            return ["may differ", len(found)]
        if _JWS.fullmatch(found):
            return self.jws(found)
        return self._proof(found) if found.startswith(HEADER) else found

    def _proof(self, text: str) -> Json:
        proof = read_proof(text)
        path: list[Json] = [self.hash(raw) for raw in proof.hashes]
        place: list[Json] = [proof.index, proof.at, proof.salt.hex()]
        return [*place, path, self._checkpoint(proof.checkpoint)]

    def _checkpoint(self, text: str) -> Json:
        note = read_note(text)
        head = read_checkpoint(note.text)
        names: list[Json] = [signature.name for signature in note.signatures]
        root = self.hash(head.root) if head.size else head.root.hex()
        return [head.origin, head.size, root, names]

    def body(self, answer: Answer) -> Json:
        """Return the form of an answer's body."""
        if "/log/tile/" in answer.request:
            return self.column("log_tile.data", answer.body)
        if answer.request.endswith("/log/checkpoint"):
            return self._checkpoint(answer.body.decode("utf-8"))
        return self.json(strict_json(answer.body))


def _opened(kinds: Mapping[str, str], shape: type[M]) -> Iterator[tuple[str, M]]:
    for text, kind in kinds.items():
        if kind == shape.typ:
            yield text, shape.opened(read_envelope(text, kind))


def _hash_in(found: str) -> bytes:
    """Return 32 bytes that a text may hold in hex or base64url."""
    try:
        return parse_hex(found, 32) if len(found) == 64 else unb64u(found, 32)
    except BadShape:
        return b""


def _texts(watched: Watched) -> set[str]:
    """Return every signed text in the database, in the answers and in what was sent."""
    values = [value for column in watched.rows.values() for value in column]
    stored = [value for value in values if isinstance(value, str)]
    said = [a.body.decode("latin-1") for a in watched.answers]
    sent = [raw.decode("latin-1") for raw in watched.sent]
    found = {text for whole in (*stored, *said, *sent) for text in _JWS.findall(whole)}
    inner = {t for text in found for t in _JWS.findall(unb64u(text.split(".")[1]).decode("utf-8"))}
    return {text for text in found | inner if _is_ours(text)}


def _is_ours(text: str) -> bool:
    try:
        read_envelope(text, *KINDS)
    except BadInput:
        return False
    return True
