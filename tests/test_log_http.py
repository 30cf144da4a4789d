"""The log as anybody reads it over HTTP, computed again here straight from the leaves.

The trees are `tests/log/naive.py`, word for word RFC 6962; notes and proofs are read below in the
few lines that the C2SP pages ask for. None of it is the code under test.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

import httpx2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consent.auditor import read_served
from consent.log import checkpoint, merkle
from consent.log.note import read_vkey
from consent.log.proof import verify_proof
from consent.log.sequencer import Sequencer
from consent.log.tiles import read_bundle, read_hashes
from consent.log.tlog_policy import open_checkpoint
from tests.log import naive
from tests.town import LETTERS, Town, check_problem, rows, send
from tests.world import URL, World
from vault import journal
from vault.encoding import sign_jws, text_hash
from vault.errors import BadProof, LogUnavailable, NotFound
from vault.operator import Operator
from vault.wire import objects_of

SIZES = [0, 1, 2, 255, 256, 257]
FOREVER = "public, max-age=31536000, immutable"
each_size = pytest.mark.parametrize("size", SIZES)


class Logged(NamedTuple):
    """A world whose log was grown to a size, with the entries of its leaves."""

    world: World
    leaves: list[bytes]
    texts: list[str]

    def get(self, path: str) -> httpx2.Response:
        return self.world.client.get(f"/log/{path}")


@contextmanager
def grown(size: int) -> Iterator[Logged]:
    """Give an app whose auditor has published nothing, and whose log has so many entries."""
    world = World(seed=b"log")
    with world.client:
        for first in range(0, size, 100):  # three commits for 257: tiles grow at their ends
            append(world, range(first, min(first + 100, size)))
        entries = world.database.read(lambda tx: journal.entries_from(tx, 0, 1000))
        leaves = [leaf_of(row.salt, row.at, row.text) for row in entries]
        yield Logged(world, leaves, [row.text for row in entries])


def append(world: World, numbers: range) -> None:
    operator: Operator = world.app.state.service.operator
    log: Sequencer = world.app.state.log
    world.database.write(lambda tx: [journal.append(tx, operator, f"text {n}") for n in numbers])
    log.sequence()


def leaf_of(salt: bytes, at: int, text: str) -> bytes:
    """The leaf data rule: SHA-256(salt16 || u64be(at) || text)."""
    assert len(salt) == 16
    return sha256(salt + at.to_bytes(8, "big") + text.encode("ascii")).digest()


@pytest.fixture(scope="module", params=SIZES)
def logged(request: pytest.FixtureRequest) -> Iterator[Logged]:
    with grown(request.param) as logged:
        yield logged


# A reader of notes and proofs, written apart from consent/log


class Head(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


def read_head(signed: str, vkey: str) -> Head:
    """Return what a signed checkpoint says, once its one signature verifies under the vkey."""
    name, _, material = vkey.split("+", 2)
    key = b64decode(material)
    key_id = sha256(name.encode() + b"\n" + key).digest()[:4]
    text, line = signed.split("\n\n")
    dash, signer, encoded = line.removesuffix("\n").split(" ")
    raw = b64decode(encoded)
    assert (dash, signer, raw[:4], key[0]) == ("—", name, key_id, 1)
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[4:], f"{text}\n".encode())
    origin, size, root = text.split("\n")
    assert size == str(int(size))
    return Head(origin, int(size), b64decode(root))


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to, as RFC 6962 builds it, from the top."""
    if size == 1:
        assert path == []
        return leaf
    k = naive.split(size)
    *below, sibling = path
    if index < k:
        return node(climb(leaf, index, k, below), sibling)
    return node(sibling, climb(leaf, index - k, size - k, below))


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def check_proof(proof: str, text: str, vkey: str) -> tuple[int, Head]:
    """Return index and checkpoint of a proof file, once both readers of it agree."""
    head, _, signed = proof.partition("\n\n")
    title, extra, index, *hashes = head.split("\n")
    assert title == "c2sp.org/tlog-proof@v1"
    raw = b64decode(extra.removeprefix("extra "))
    salt, at = raw[:16], int.from_bytes(raw[16:], "big")
    place, top = int(index.removeprefix("index ")), read_head(signed, vkey)
    leaf = sha256(b"\x00" + leaf_of(salt, at, text)).digest()
    assert climb(leaf, place, top.size, [b64decode(line) for line in hashes]) == top.root
    found = verify_proof(proof, text, read_vkey(vkey))
    assert (found.index, found.at, found.size, found.root) == (place, at, top.size, top.root)
    return place, top


# The checkpoint


def test_checkpoint_is_the_signed_root_of_the_leaves(logged: Logged) -> None:
    reply, vkey = logged.get("checkpoint"), logged.world.log_vkey
    head = read_head(reply.text, vkey)
    assert head == (URL.removeprefix("https://") + "/log", len(logged.leaves), head.root)
    assert head.root == naive.mth(logged.leaves)
    assert open_checkpoint(reply.text, read_vkey(vkey)).checkpoint == checkpoint.Checkpoint(*head)


def test_checkpoint_is_text_that_caches_keep_for_seconds_at_most(logged: Logged) -> None:
    reply = logged.get("checkpoint")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    kind, _, seconds = reply.headers["cache-control"].partition("=")
    assert kind == "max-age"
    assert 0 <= int(seconds) <= 10


def test_checkpoint_of_another_key_is_told_apart(logged: Logged) -> None:
    signed, other = logged.get("checkpoint").text, World(seed=b"other")
    with pytest.raises(AssertionError):
        read_head(signed, other.log_vkey)
    with pytest.raises(BadProof):
        open_checkpoint(signed, read_vkey(other.log_vkey))
    other.database.close()


def test_checkpoint_with_a_byte_changed_does_not_verify(logged: Logged) -> None:
    signed, vkey = logged.get("checkpoint").text, logged.world.log_vkey
    size = str(len(logged.leaves))
    changed = signed.replace(f"\n{size}\n", f"\n{int(size) + 1}\n")
    with pytest.raises(InvalidSignature):
        read_head(changed, vkey)
    with pytest.raises(BadProof):
        open_checkpoint(changed, read_vkey(vkey))


# Tiles and bundles


def named(level: str, n: int, width: int) -> str:
    assert n < 1000
    return f"tile/{level}/{n:03d}" + (f".p/{width}" if width < 256 else "")


def test_every_tile_of_every_width_is_what_the_leaves_give(logged: Logged) -> None:
    size = len(logged.leaves)
    for level in range(3):
        total = size // 256**level
        for n in range(-(-total // 256)):
            highest = min(256, total - 256 * n)
            for width in {1, highest // 2 or 1, max(1, highest - 1), highest}:
                reply = logged.get(named(str(level), n, width))
                assert reply.status_code == 200
                assert reply.content == naive.tile(logged.leaves, level, n, width)
                assert len(read_hashes(reply.content)) == width


def test_every_bundle_of_every_width_holds_the_leaves_own_bytes(logged: Logged) -> None:
    size = len(logged.leaves)
    for n in range(-(-size // 256)):
        highest = min(256, size - 256 * n)
        for width in {1, highest // 2 or 1, highest}:
            reply = logged.get(named("entries", n, width))
            assert reply.content == naive.bundle(logged.leaves, n, width)
            assert read_bundle(reply.content) == logged.leaves[256 * n : 256 * n + width]
            assert len(reply.content) == width * 34


def test_tiles_and_bundles_are_bytes_that_never_change(logged: Logged) -> None:
    for level in ("0", "entries") if logged.leaves else ():
        reply = logged.get(named(level, 0, min(256, len(logged.leaves))))
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.headers["cache-control"] == FOREVER


def test_nothing_is_served_beyond_the_size(logged: Logged) -> None:
    size = len(logged.leaves)
    before = rows(logged.world.database)
    for level in ("0", "1", "2", "63", "entries"):
        power = 0 if level == "entries" else int(level)
        n, width = divmod(size // 256**power, 256)
        beyond = [named(level, n + 1, 256), named(level, n + 1, 1), named(level, 999, 256)]
        beyond += [named(level, n, wider) for wider in {width + 1, 255, 256} if wider > width]
        for path in beyond:
            check_problem(logged.get(path), NotFound)
    assert rows(logged.world.database) == before


WRONG_PATHS = [
    "",
    "checkpoint/",
    "checkpoint.txt",
    "tile",
    "tile/",
    "tile/0",
    "tile/0/",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/0/x000/000",
    "tile/0/000/",
    "tile/0/000.p",
    "tile/0/000.p/",
    "tile/0/000.p/0",
    "tile/0/000.p/00",
    "tile/0/000.p/01",
    "tile/0/000.p/256",
    "tile/0/000.p/-1",
    "tile/0/000.p/1/",
    "tile/0/000.p/1.p/1",
    "tile/0/000.P/1",
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile//000",
    "tile/data/000",
    "tile/entries/x000",
    "tile/entries/0000",
    "tile/0/٠٠٠",
    "tile/0/000%0a",
    "tile/0/%00",
    "tile/0/" + "x999/" * 6 + "999",
    "tile/0/" + "x999/" * 60 + "999",
    "TILE/0/000",
    "issuer/x",
    "x" * 5000,
]


@pytest.mark.parametrize("path", WRONG_PATHS, ids=lambda path: path[:40] or "nothing")
def test_another_form_of_path_is_the_404_of_all_doors(path: str) -> None:
    with grown(1) as logged:
        reply = logged.get(path)
        check_problem(reply, NotFound)
        assert reply.content == logged.world.client.get("/v1/unknown").content


# Growth


def test_what_was_served_at_a_size_stays_the_beginning_of_what_is_served_later() -> None:
    with grown(1) as logged:
        heads = [read_head(logged.get("checkpoint").text, logged.world.log_vkey)]
        for first, last in ((1, 2), (2, 255), (255, 256), (256, 257), (257, 600)):
            append(logged.world, range(first, last))
            heads.append(read_head(logged.get("checkpoint").text, logged.world.log_vkey))
        leaves = served_leaves(logged, heads[-1].size)
    for old, new in pairwise(heads):
        assert (naive.mth(leaves[: old.size]), naive.mth(leaves[: new.size])) == (
            old.root,
            new.root,
        )
        proof = naive.proof(old.size, leaves[: new.size])
        merkle.verify_consistency(old.size, new.size, old.root, new.root, proof)


def served_leaves(logged: Logged, size: int) -> list[bytes]:
    leaves: list[bytes] = []
    while len(leaves) < size:
        width = min(256, size - len(leaves))
        leaves += read_bundle(logged.get(named("entries", len(leaves) // 256, width)).content)
    return leaves


# Before the first directory


def test_a_log_without_entries_is_a_signed_empty_tree_and_no_tile() -> None:
    with grown(0) as logged:
        head = read_head(logged.get("checkpoint").text, logged.world.log_vkey)
        assert (head.size, head.root) == (0, sha256(b"").digest())
        for level in ("0", "1", "63", "entries"):
            for width in (1, 255, 256):
                check_problem(logged.get(named(level, 0, width)), NotFound)
        check_problem(logged.world.client.get("/v1/directory"), LogUnavailable)


# Proofs


def test_every_text_is_proved_at_every_size(logged: Logged) -> None:
    log: Sequencer = logged.world.app.state.log
    for index, text in enumerate(logged.texts):
        if index % 50 in (0, 5, 6) or index + 2 >= len(logged.texts):
            place, head = check_proof(log.prove(text_hash(text)), text, logged.world.log_vkey)
            assert (place, head.size) == (index, len(logged.leaves))


def test_every_answer_that_logs_carries_a_proof_that_verifies() -> None:
    """In the tree of its proof, and in every later one that the log serves."""
    with Town(seed=b"proofs") as town:
        proved = dict(logging_answers(town))
        made = {"cv1-release", "cv1-erased"}
        # A request is logged by its hash only, and only once it ends without a grant.
        assert set(proved) == set(LETTERS) - {"cv1-batch", "cv1-request", "ask"} | made
        last = read_head(town.client.get("/log/checkpoint").text, town.log_vkey)
        tile = read_hashes(town.client.get(f"/log/{named('0', 0, last.size)}").content)
        for typ, (text, proof) in proved.items():
            _, head = check_proof(proof, text, town.log_vkey)
            assert head.size <= last.size, typ
            assert head.root == merkle.root(tile[: head.size])
        found = town.client.get("/v1/directory").json()
        check_proof(found["proof"], found["directory"], town.log_vkey)


def logging_answers(town: Town) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield every message that is logged, by name, with the proof of its answer."""
    for name, make in LETTERS.items():
        letter = make(town)
        answer = send(town, letter).json()
        if name == "ask":
            yield "cv1-release", (answer["release"], answer["proof"])
        elif "proof" in answer:
            yield name, (sign_jws(letter.typ, letter.plain, letter.key), answer["proof"])
        if "erased" in answer:
            yield "cv1-erased", (answer["erased"], answer["erased_proof"])


def test_a_proof_is_of_its_text_alone() -> None:
    with Town(seed=b"proofs") as town:
        (typ, (text, proof)) = next(logging_answers(town))
        assert typ == "cv1-account"
        for other in (text[:-1] + ("A" if text[-1] != "A" else "B"), "", text + "A"):
            with pytest.raises(AssertionError):
                check_proof(proof, other, town.log_vkey)
            with pytest.raises(BadProof):
                verify_proof(proof, other, read_vkey(town.log_vkey))


def test_the_auditors_texts_hash_to_the_leaves_that_anybody_is_served() -> None:
    with Town(seed=b"texts") as town:
        head = read_head(town.client.get("/log/checkpoint").text, town.log_vkey)
        bundle = town.client.get(f"/log/{named('entries', 0, head.size)}").content
        wire = town.wire(town.cast.auditor)
        entries = objects_of(wire.get("/v1/audit/entries").body, "entries")
        leaves = [
            leaf_of(served.salt, served.at, served.text) for served in map(read_served, entries)
        ]
        assert read_bundle(bundle) == leaves
        assert naive.mth(leaves) == head.root
