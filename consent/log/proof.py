"""The proof file: all that shows, offline, that a text stands in the log (C2SP tlog-proof).

docs/protocol.md section 6; c2sp.org/tlog-proof@v1.

    c2sp.org/tlog-proof@v1
    extra AAAAAAAAAAAAAAAAAAAAAAAAAABpVbmA               salt (16 bytes) || u64be(unix seconds)
    index 1
    VEcKatY1P48ZFIiHrGrF83psmwyvUCYQFvkC9EBWjt8=         audit path, from the sibling upwards
    Of1jQFZcYgba4K49hD6oRcZzaDwlujkgaP2wJU4DUGqV
                                                         the first empty line
    vault.example/consent                                signed checkpoint, verbatim
    …

The leaf's entry is SHA-256(salt || u64be(at) || text): it stays when salt and text are deleted,
and then says nothing. Salt and time are not to be believed before the proof is verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from consent.log.cosignature import Cosigned
from consent.log.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from consent.log.note import VerifierKey, b64, read_number, unb64
from consent.log.tlog_policy import open_checkpoint
from vault.errors import BadProof, BadShape

HEADER = "c2sp.org/tlog-proof@v1"
SALT_SIZE = 16
MAX_HASHES = 63


def leaf_data(salt: bytes, at: int, text: str) -> bytes:
    """Return the entry of a leaf, 32 bytes: SHA-256(salt16 || u64be(at) || text in ASCII)."""
    return sha256(_extra(salt, at) + text.encode("ascii")).digest()


def _extra(salt: bytes, at: int) -> bytes:
    return salt + at.to_bytes(8, "big")


@dataclass(frozen=True)
class Proof:
    """A proof file taken apart; ``str()`` is the file. Nothing in it is verified yet."""

    salt: bytes
    at: int
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    @property
    def origin(self) -> str:
        """The log that the checkpoint says it is of: its first line."""
        return self.checkpoint.partition("\n")[0]

    def __str__(self) -> str:
        head = [HEADER, f"extra {b64(_extra(self.salt, self.at))}", f"index {self.index}"]
        return "\n".join([*head, *map(b64, self.hashes), "", self.checkpoint])


def read_proof(text: str) -> Proof:
    """Return the parts of a proof file; the checkpoint is split off, not read.

    Raises:
        BadShape: another header, no extra of 24 bytes, no index, more than 63 hashes, or a line
            that is no hash.
    """
    head, _, checkpoint = text.partition("\n\n")
    header, *lines = head.split("\n")
    if header != HEADER or not 2 <= len(lines) <= 2 + MAX_HASHES:
        raise BadShape(f"wanted a proof file {HEADER}")
    extra, index, *hashes = lines
    raw = unb64(_member(extra, "extra "), SALT_SIZE + 8)
    return Proof(
        salt=raw[:SALT_SIZE],
        at=int.from_bytes(raw[SALT_SIZE:], "big"),
        index=read_number(_member(index, "index ")),
        hashes=tuple(unb64(line, HASH_SIZE) for line in hashes),
        checkpoint=checkpoint,
    )


def _member(line: str, name: str) -> str:
    if not line.startswith(name):
        raise BadShape(f"wanted a line {name.strip()}, found {line[:20]!r}")
    return line.removeprefix(name)


@dataclass(frozen=True)
class Logged:
    """What a verified proof says: the text's index and time, in the tree of this size and root.

    `origin` is the name of the log, `note` the signed checkpoint as it came. The index counts in
    that log alone, until a directory says which logs came before it (consent/logged.py); the size
    is always that one log's.
    """

    index: int
    at: int
    size: int
    root: bytes
    cosigned: tuple[Cosigned, ...]
    origin: str
    note: str = field(default="", compare=False, repr=False)


def verify_proof(
    proof: str, text: str, log: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Logged:
    """Return where and when the log holds this text, once all of the proof file verifies.

    1. the file and its checkpoint are of the only form. 2. the log signed the checkpoint, and a
    quorum of the witnesses cosigned it. 3. the text's leaf, with the file's salt and time, stands
    at the index of that tree.

    Args:
        proof: the proof file.
        text: the compact JWS that is said to be logged.
        log: the log's key; its name is the origin.
        witnesses: keys of cosignature/v1.
        quorum: how many of them must have cosigned; 0: the proof is the log's word alone.

    Raises:
        BadProof: a step fails.

    Source: docs/protocol.md section 6; c2sp.org/tlog-proof.
    """
    try:
        parts = read_proof(proof)  # 1
        opened = open_checkpoint(parts.checkpoint, log, witnesses, quorum)  # 1, 2
    except BadShape as bad:
        raise BadProof(f"the proof file cannot be read: {bad}") from bad
    if not text.isascii():
        raise BadProof("a logged text is a compact JWS in ASCII")
    head = opened.checkpoint
    leaf = leaf_hash(leaf_data(parts.salt, parts.at, text))
    verify_inclusion(leaf, parts.index, head.size, head.root, parts.hashes)  # 3
    return Logged(
        parts.index,
        parts.at,
        head.size,
        head.root,
        opened.cosigned,
        head.origin,
        parts.checkpoint,
    )
