"""Which entries concern which key: an index over an auditor's copy of the log's texts.

    DIR/checkpoint           the log's signed note: how far the copy goes
    DIR/texts/000.jsonl …    {"index":0,"at":…,"salt":"…","text":"eyJhbGciOi…"}, 256 indexes a file
    DIR/logs/2027/ …         the same of each log that followed; indexes count over all logs
    DIR/gone.jsonl           {"index":41}: a text that an erasure took away
    DIR/entries.db           made here, 0600, about 200 bytes an entry: name → (index, SHA-256)

    entry                    stands under                 claims
    41  cv1-bind by A        account A                    account A → consent K
    42  cv1-grant by K       consent K, grant G           consent K → grant G
    57  cv1-release of G     grant G

An account key has everything of its account; a consent key what it signed, and the releases and
refusals of its grants (docs/protocol.md section 6). Only what a text says of itself is gone by, and
nobody's signature: an entry that names somebody's key and is none of theirs is just what they want
to hear of. A name is shown to everybody who claims it, whoever claimed it first: by one false claim
a vault could otherwise take a release out of the list of the person it is about. What a false claim
shows to who made it is an index and a hash, which the vault that logged it could tell them anyway.
The index grows with the copy, and is made again when it is deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from consent.history import Head, open_head
from consent.log.note import VerifierKey
from consent.messages import Bind, Grant, Pause, Refusal, Release, Resume, Revoke, Token
from consent.volume import Volume, open_volumes, texts_between
from vault.encoding import Json, read_envelope, strict_object, text_hash, thumbprint, unb64u
from vault.errors import BadDatabase, BadInput, BadPlace
from vault.messages import AbsentMonth, Account, Attach, Close, Erase, Reject, Unlink

FILE = "entries.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS named (
    name TEXT, position INTEGER, hash BLOB, PRIMARY KEY (name, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (
    owner TEXT, name TEXT, PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS indexed (
    one INTEGER PRIMARY KEY, size INTEGER, root BLOB, log TEXT
);
"""
# What a key has is worked out when it asks: many claims to one name cost no more than their rows.
_OF_KEY = """
WITH RECURSIVE own (name) AS (
    VALUES (?), (?)
    UNION
    SELECT claims.name FROM claims JOIN own ON claims.owner = own.name
)
SELECT DISTINCT position, hash FROM named JOIN own ON named.name = own.name ORDER BY position
"""
_BY_ACCOUNT = frozenset({Account.typ, Bind.typ, Attach.typ, Reject.typ, Erase.typ})
_BY_CONSENT = frozenset({Grant.typ, Token.typ, Revoke.typ, Pause.typ, Resume.typ})
_OF_LINK = frozenset({Unlink.typ, Close.typ, AbsentMonth.typ})
_OF_GRANT = frozenset({Release.typ, Refusal.typ})


class Mention(NamedTuple):
    """The names that an entry stands under, and the (owner, name) pairs that it claims."""

    names: frozenset[str]
    claims: frozenset[tuple[str, str]] = frozenset()


class EntryIndex:
    """The index of one copy; several threads may ask it."""

    def __init__(self, folder: Path, log: VerifierKey) -> None:
        """Open the index of a copy; a copy that is not there yet is an empty one.

        Raises:
            BadPlace: there is no such folder. BadDatabase: the index cannot be opened.
        """
        if not folder.is_dir():
            raise BadPlace(f"{folder} holds no copy of a log")
        self._folder, self._log, self._lock = folder, log, Lock()
        self._seen: tuple[str | int, ...] | None = None
        self._head: Head | None = None
        path = folder / FILE
        try:
            path.touch(mode=0o600)
            self._database = sqlite3.connect(path, check_same_thread=False)
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as bad:
            raise BadDatabase(f"cannot open {path}: {bad}") from bad

    def close(self) -> None:
        """Close the index."""
        self._database.close()

    def head(self) -> Head:
        """Return the tree that the copy goes up to, of its last log, once the index does too.

        Raises:
            BadPlace: there is no checkpoint or text that can be read. BadProof: the checkpoint is
                not this log's. BadDatabase: the index cannot be written.
        """
        with self._lock:
            return self._refreshed()

    def of(self, kid: str) -> tuple[Head, list[tuple[int, bytes]]]:
        """Return the tree and what concerns a key: (index, SHA-256 of the text), ascending.

        Raises:
            BadPlace, BadProof, BadDatabase: as head.
        """
        with self._lock:
            head = self._refreshed()
            rows = self._database.execute(_OF_KEY, (f"account {kid}", f"consent {kid}"))
            return head, [(int(position), bytes(name)) for position, name in rows]

    def _refreshed(self) -> Head:
        seen = self._state()
        if self._head is None or seen != self._seen:
            volumes = open_copy(self._folder, self._log)
            try:
                with self._database:
                    self._grow(volumes)
            except sqlite3.Error as bad:
                raise BadDatabase(f"cannot write {self._folder / FILE}: {bad}") from bad
            self._head, self._seen = head_of(volumes[-1]), seen
        return self._head

    def _state(self) -> tuple[str | int, ...]:
        """Return what tells that the copy is another one: its checkpoints, and what went."""
        gone = self._folder / "gone.jsonl"
        notes = sorted(self._folder.glob("logs/*/checkpoint"))
        try:
            told = [path.read_text("utf-8") for path in (self._folder / "checkpoint", *notes)]
            return (*told, gone.stat().st_size if gone.exists() else 0)
        except (OSError, UnicodeDecodeError) as bad:
            raise BadPlace(f"the copy in {self._folder} has no checkpoint: {bad}") from bad

    def _grow(self, volumes: Sequence[Volume]) -> None:
        row = self._database.execute("SELECT size, root, log FROM indexed").fetchone()
        size, root, log = row or (0, b"", str(self._log))
        end, last = volumes[-1].end, head_of(volumes[-1])
        # A copy of another log, or one that was begun anew, has another index.
        if log != str(self._log) or size > end or (size == end and root != last.root):
            self._database.execute("DELETE FROM named")
            self._database.execute("DELETE FROM claims")
            size = 0
        for served in texts_between(volumes, size, end):
            self._take(served.index, served.text)
        for index in self._gone():
            self._database.execute("DELETE FROM named WHERE position = ?", (index,))
        self._database.execute(
            "INSERT OR REPLACE INTO indexed VALUES (1, ?, ?, ?)",
            (end, last.root, str(self._log)),
        )

    def _gone(self) -> Iterator[int]:
        path = self._folder / "gone.jsonl"
        for found in _lines(path) if path.exists() else ():
            index = found.get("index")
            if isinstance(index, int):
                yield index

    def _take(self, index: int, text: str) -> None:
        try:
            found, name = read_mention(text), text_hash(text)
        except (BadInput, UnicodeEncodeError):
            return  # no message of ours: the audit has its finding
        self._database.executemany(
            "INSERT OR IGNORE INTO named VALUES (?, ?, ?)",
            [(each, index, name) for each in found.names],
        )
        self._database.executemany("INSERT OR IGNORE INTO claims VALUES (?, ?)", found.claims)


def read_mention(text: str) -> Mention:
    """Return what an entry names and claims, by its own words; no signature is looked at.

    Raises:
        BadJws, BadType: no message of a person's account, links or grants.
    """
    envelope = read_envelope(text, *_BY_ACCOUNT, *_BY_CONSENT, *_OF_LINK, *_OF_GRANT)
    typ, said = envelope.typ, _members(envelope.payload)
    link, grant = _named("link", said.get("link")), _named("grant", said.get("grant"))
    if typ in _OF_LINK:
        return Mention(link)
    if typ in _OF_GRANT:
        return Mention(grant)
    if typ in _BY_CONSENT:
        owner = f"consent {envelope.kid}"
        return Mention(grant | {owner}, _claims(owner, grant if typ == Grant.typ else ()))
    owner = f"account {envelope.kid}"
    if typ == Attach.typ:
        return Mention(link | {owner}, _claims(owner, link))
    bound = _bound(said.get("pk")) if typ == Bind.typ else ()
    return Mention(frozenset({owner}), _claims(owner, bound))


def _claims(owner: str, names: Iterable[str]) -> frozenset[tuple[str, str]]:
    return frozenset((owner, name) for name in names)


def _members(payload: bytes) -> dict[str, Json]:
    try:
        return strict_object(payload)
    except BadInput:
        return {}  # it stands under the kid all the same


def _named(kind: str, name: Json) -> frozenset[str]:
    return frozenset({f"{kind} {name}"} if isinstance(name, str) else ())


def _bound(public: Json) -> frozenset[str]:
    try:
        return _named("consent", thumbprint(unb64u(str(public), 32)))
    except BadInput:
        return frozenset()


def open_copy(folder: Path, log: VerifierKey) -> list[Volume]:
    """Return the logs of an auditor's copy that hold an entry, at least the first one.

    Args:
        folder: the copy.
        log: the first log.

    Raises:
        BadPlace: there is no checkpoint, or something cannot be read. BadProof: a checkpoint is
            another log's.
    """
    volumes = open_volumes(folder, log)
    if volumes[0].head is None:
        raise BadPlace(f"the copy in {folder} has no checkpoint")
    return [volumes[0], *(volume for volume in volumes[1:] if volume.size)]


def head_of(volume: Volume) -> Head:
    """Return the tree that a log's copy goes up to; raises BadProof."""
    return open_head(volume.signed or "", volume.place.key)


def _lines(path: Path) -> Iterator[dict[str, Json]]:
    try:
        with path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    yield strict_object(line)
    except (OSError, BadInput) as bad:
        raise BadPlace(f"{path} cannot be read: {bad}") from bad
