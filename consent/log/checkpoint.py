"""Checkpoints: what a log says of its tree (C2SP tlog-checkpoint).

docs/protocol.md section 6; c2sp.org/tlog-checkpoint.

    vault.example/consent                             origin: also the name of the log's key
    3                                                 size
    UNqiDaeBrvmgKEnEhKBvAkS4KcnscSTzHKDaHEzUMos=      root, base64

    — vault.example/consent y7tueCU0me7z…             the log's signature
    — w1.example idPd5gAAAABkGFDL…                    a witness's cosignature
"""

from __future__ import annotations

from dataclasses import dataclass

from consent.log.note import ED25519, Note, Signature, VerifierKey, b64, read_number, unb64
from vault.crypto.keys import SigningKey
from vault.errors import BadShape


@dataclass(frozen=True)
class Checkpoint:
    """A log's name, its size in leaves and its root (32 bytes); ``str()`` is the signed text."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint of a note's text.

    Raises:
        BadShape: not exactly origin, size and root; extension lines are refused.
    """
    lines = text.split("\n")
    if len(lines) != 4 or not lines[0] or lines[3]:
        raise BadShape("wanted a checkpoint of three lines")
    return Checkpoint(lines[0], read_number(lines[1]), unb64(lines[2], 32))


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """Return the note of a checkpoint, signed by the log's key under the origin as its name."""
    text = str(checkpoint)
    vkey = VerifierKey(checkpoint.origin, ED25519, key.public)
    signature = Signature(vkey.name, vkey.key_id, key.sign(text.encode("utf-8")))
    return str(Note(text, (signature,)))
