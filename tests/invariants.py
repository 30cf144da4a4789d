"""One function that says whether a vault kept its word, whatever happened to its process.

    memory = Memory()
    check_invariants(town, memory)       # after every restart

What a party was told must stand: the entries at their places, the trees that were signed, receipts,
the end of a grant. Everything is looked at from outside, over HTTP as the parties and the auditor
see it, and in the rows of the database file.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from consent.auditor import Auditor
from consent.log import merkle
from consent.log.note import read_vkey
from consent.log.proof import leaf_data, read_proof, verify_proof
from consent.log.tiles import ENTRIES, WIDTH, Tile, read_bundle
from consent.log.tlog_policy import open_checkpoint
from consent.messages import Erased, Release, Revoke
from tests.struck import Said, Struck
from vault.encoding import read_envelope, thumbprint
from vault.errors import Refused
from vault.messages import Account, Attach, Erase
from vault.storage.database import Transaction
from vault.storage.sqlcipher import SqlCipher

AGAIN = 4


class Broken(AssertionError):
    """The vault did not keep its word."""


class Line(NamedTuple):
    line: str


class Logged(NamedTuple):
    position: int
    text: str


class Stored(NamedTuple):
    text: str
    receipt: str


class Place(NamedTuple):
    """Where an acknowledged text stands: its index, its leaf's entry, the text."""

    position: int
    leaf: bytes
    text: str


@dataclass
class Memory:
    """What the world knows of one vault; it only grows."""

    places: list[Place] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    revoked: dict[bytes, int] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    heard: int = 0
    checks: int = 0
    resent: int = 0


def wanted(broken: bool, fact: str) -> None:
    """Return when the fact holds."""
    if broken:
        raise Broken(fact)


def check_invariants(town: Struck, memory: Memory) -> None:
    """Return when everything that the vault ever acknowledged stands; raises Broken.

    1. the database file is whole, its keys and references hold. 2. every proof that was answered
    verifies, and no two trees of one size were signed. 3. the log begins with every tree that was
    ever seen. 4. every acknowledged text is at its place, or an erasure covers it; every
    acknowledged receipt is stored with its message. 5. no release stands after an acknowledged
    revoke, and none of its tokens. 6. one close for each (link, month), atoms once. 7. the replay
    finds nothing. 8. the same bytes again get the stored answer.
    """
    fresh, memory.heard = town.said[memory.heard :], len(town.said)
    for said in fresh:
        _take(town, memory, said)  # 2
    _check_trees(town, memory)  # 3
    with closing(SqlCipher(town.place.database, town.place.database_key, [])) as database:
        database.read(_check_file)  # 1
        database.read(lambda tx: _check_texts(tx, memory))  # 4
        database.read(lambda tx: _check_revoked(tx, memory))  # 5
        database.read(_check_once)  # 6
    _check_replay(town, memory)  # 7
    for said in fresh[-AGAIN:]:
        _check_again(town, memory, said)  # 8
    memory.checks += 1


def _take(town: Struck, memory: Memory, said: Said) -> None:
    """Remember an answer: the place of what it proves, its receipt, what it ended."""
    told = said.answer.body
    proof = told.get("proof")
    text = told.get("release") or told.get("directory") or _text(said)
    if isinstance(proof, str) and isinstance(text, str):
        _see_proof(town, memory, proof, text)
    erased, again = told.get("erased"), told.get("erased_proof")
    if isinstance(erased, str) and isinstance(again, str):
        _see_proof(town, memory, again, erased)
    receipt = told.get("receipt")
    if isinstance(receipt, str):
        before = memory.receipts.setdefault(_text(said), receipt)
        wanted(before != receipt, "the same message got two receipts")


def _text(said: Said) -> str:
    """Return the JWS of a request; a token is posted with its sealed bytes beside it."""
    if said.method == "PUT":
        return ""
    if said.body.startswith(b"{"):
        return str(json.loads(said.body).get("token", ""))
    return said.body.decode("ascii")


def _see_proof(town: Struck, memory: Memory, proof: str, text: str) -> None:
    logged = verify_proof(proof, text, read_vkey(town.log_vkey))
    _see_tree(memory, logged.size, logged.root)
    salt = read_proof(proof).salt
    memory.places.append(Place(logged.index, leaf_data(salt, logged.at, text), text))
    envelope = read_envelope(text, *KINDS)
    if envelope.typ == Revoke.typ:
        memory.revoked[Revoke.opened(envelope).grant] = logged.index
    if envelope.typ == Attach.typ:
        memory.links[Attach.opened(envelope).link.hex()] = envelope.kid


_LOGGED = """account bind attach erase unlink close reject grant token revoke pause resume absent
refusal release erased web directory"""
KINDS = tuple(f"cv1-{name}" for name in _LOGGED.split())


def _see_tree(memory: Memory, size: int, root: bytes) -> None:
    before = memory.roots.setdefault(size, root)
    wanted(before != root, f"two trees of size {size} were signed: a fork")


def _check_trees(town: Struck, memory: Memory) -> None:
    vkey = read_vkey(town.log_vkey)
    signed = town.wire().raw("/log/checkpoint").decode("utf-8")
    head = open_checkpoint(signed, vkey).checkpoint
    _see_tree(memory, head.size, head.root)
    largest = max(memory.roots)
    wanted(largest > head.size, f"the log has {head.size} entries and had {largest}")
    leaves = _served(town, head.size)
    wanted(leaves[: len(memory.leaves)] != memory.leaves, "earlier entries of the log changed")
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    for size, root in memory.roots.items():
        if size >= len(memory.leaves):
            wanted(merkle.root(hashes[:size]) != root, f"the log is no extension of size {size}")
    for place in memory.places:
        wanted(
            leaves[place.position] != place.leaf, f"entry {place.position} is not what was proved"
        )
    memory.leaves = leaves


def _served(town: Struck, size: int) -> list[bytes]:
    leaves: list[bytes] = []
    for n in range(-(-size // WIDTH)):
        tile = Tile(ENTRIES, n, min(WIDTH, size - n * WIDTH))
        leaves += read_bundle(town.wire().raw(f"/log/{tile}"))
    return leaves


def _check_file(tx: Transaction) -> None:
    wanted(tx.all(Line, "PRAGMA integrity_check") != [("ok",)], "the file is damaged")
    wanted(bool(tx.all(Line, "PRAGMA cipher_integrity_check")), "a page is damaged")
    loose = tx.all(Line, 'SELECT "table" FROM pragma_foreign_key_check')
    wanted(bool(loose), f"rows refer to nothing: {loose}")


def _check_texts(tx: Transaction, memory: Memory) -> None:
    rows = tx.all(Logged, "SELECT position, text FROM journal WHERE position IS NOT NULL")
    texts = {row.position: row.text for row in rows}
    erased = [
        Erased.opened(read_envelope(row.line, Erased.typ))
        for row in tx.all(Line, "SELECT text FROM erased")
    ]
    covered = {index for one in erased for index in one.indexes}
    for place in memory.places:
        found = texts.get(place.position)
        lost = found != place.text and not (found is None and place.position in covered)
        wanted(lost, f"the acknowledged text at {place.position} is gone")
    kept = {
        row.text: row.receipt
        for table in ("batches", "closes")
        for row in tx.all(Stored, f"SELECT text, receipt FROM {table}")
    }
    for text, receipt in memory.receipts.items():
        if text in kept:
            wanted(kept[text] != receipt, "a message is stored under another receipt")
        else:
            _check_covered(tx, text)


def _check_covered(tx: Transaction, text: str) -> None:
    """Return when the link of a message that is gone is gone too: its holder erased it."""
    link = json.loads(read_envelope(text, "cv1-batch", "cv1-close").payload)["link"]
    left = tx.all(Line, "SELECT source FROM links WHERE link = ?", bytes.fromhex(link))
    wanted(bool(left), "a receipted message is gone and its link is not")


def _check_revoked(tx: Transaction, memory: Memory) -> None:
    rows = tx.all(Logged, "SELECT position, text FROM journal WHERE position IS NOT NULL")
    for row in rows:
        envelope = read_envelope(row.text, *KINDS)
        if envelope.typ == Release.typ:
            grant = Release.opened(envelope).grant
            ended = memory.revoked.get(grant, row.position)
            wanted(row.position > ended, f"release {row.position} stands after its revoke {ended}")
    for grant in memory.revoked:
        left = tx.all(
            Line, "SELECT months FROM tokens WHERE grant_id = ? AND sealed IS NOT NULL", grant
        )
        wanted(bool(left), "a token is left after an acknowledged revoke")


def _check_once(tx: Transaction) -> None:
    for table, key in (
        ("closes", "link, month"),
        ("batches", "link, seq"),
        ("absents", "link, month"),
        ("atoms", "account, org, category, month"),
        ("releases", "grant_id, months, purpose"),
        ("journal", "position"),
        ("journal", "hash"),
    ):
        twice = tx.all(
            Line,
            f"SELECT count(*) FROM {table} WHERE {key.split(',')[0]} IS NOT NULL"
            f" GROUP BY {key} HAVING count(*) > 1",
        )
        wanted(bool(twice), f"{table} has two rows for one {key}")
    both = tx.all(
        Line, "SELECT a.month FROM absents a JOIN closes c ON a.link = c.link AND a.month = c.month"
    )
    wanted(bool(both), f"months are closed and absent: {both}")


def _check_replay(town: Struck, memory: Memory) -> None:
    key = town.cast.auditor
    report = Auditor(key, town.wire(key), town.policy, memory.owners).audit()
    wanted(bool(report.findings), f"the audit finds {report.findings[:3]}")
    memory.owners = {**memory.owners, **report.owners}


def _check_again(town: Struck, memory: Memory, said: Said) -> None:
    """Send an acknowledged message again, and compare what is answered with what was."""
    if said.method not in ("POST", "DELETE") or "/wraps/" in said.path:
        return
    if "erased" not in said.answer.body and _owner(memory, said) in _leaving(town):
        return  # nothing of it is stored any more
    try:
        again = town.wire(said.key).send(said.method, said.path, said.body).body
    except Refused as refused:
        asked = f"/v1/holder/grants/{json.loads(said.body).get('grant')}/status"
        ended = any(tried.path == asked for tried in town.tried)
        wanted(not ended, f"{said.path} again is refused: {refused}")
        return
    memory.resent += 1
    told = said.answer.body
    for name in ("receipt", "release", "erased"):
        wanted(told.get(name) != again.get(name), f"{said.path} again has another {name}")
    for name in ("proof", "erased_proof"):
        first, second = told.get(name), again.get(name)
        if isinstance(first, str) and isinstance(second, str):
            one, other = read_proof(first), read_proof(second)
            moved = (one.index, one.at, one.salt) != (other.index, other.at, other.salt)
            wanted(moved, f"{said.path} again stands at another place")


def _leaving(town: Struck) -> set[str]:
    """Return the accounts whose erasure was sent, answered or not."""
    texts = [tried.body.decode("ascii") for tried in town.tried if tried.path == "/v1/holder"]
    envelopes = [read_envelope(text, Account.typ, Erase.typ) for text in texts]
    return {envelope.kid for envelope in envelopes if envelope.typ == Erase.typ}


def _owner(memory: Memory, said: Said) -> str:
    """Return the account that a message belongs to; a source's, by its link."""
    if said.path in ("/v1/batches", "/v1/closes"):
        payload = read_envelope(_text(said), "cv1-batch", "cv1-close").payload
        return memory.links[json.loads(payload)["link"]]
    return thumbprint(said.key.public) if said.key else ""
