"""Signed notes: verifier keys, checkpoints and cosignatures (C2SP pages of these names).

docs/protocol.md section 6; c2sp.org/signed-note, /tlog-checkpoint, /tlog-cosignature.

    vault.example/consent                             origin: also the name of the log's key
    3                                                 size
    UNqiDaeBrvmgKEnEhKBvAkS4KcnscSTzHKDaHEzUMos=      root, base64
                                                      the last empty line ends the text
    — vault.example/consent y7tueCU0me7z…             base64(key id (4) || signature)
    — w1.example idPd5gAAAABkGFDL…                    … || u64be(unix seconds) || signature

    vault.example/consent+cbbb6e78+AQOhB7/z…          vkey: name + key id + base64(alg || key)

What would not be written the same way again is refused.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from vault.crypto.keys import SigningKey, verify_signature
from vault.errors import BadJws, BadProof, BadShape

ED25519 = 0x01
COSIGNATURE = 0x04
MAX_SIGNATURES = 100

_NAME = r"[^\s+]+"
_VKEY = re.compile(rf"({_NAME})\+([0-9a-f]{{8}})\+([A-Za-z0-9+/=]+)")
_SIGNATURE = re.compile(rf"— ({_NAME}) ([A-Za-z0-9+/=]+)")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


def b64(raw: bytes) -> str:
    """Return standard base64 with padding (RFC 4648 section 4)."""
    return b64encode(raw).decode("ascii")


def unb64(text: str, size: int | None = None) -> bytes:
    """Return the bytes of base64 text that has exactly one form.

    Raises:
        BadShape: missing padding, other symbols, stray bits or another size.
    """
    try:
        raw = b64decode(text, validate=True)
    except ValueError as bad:
        raise BadShape("wanted base64 with padding") from bad
    if b64(raw) != text:
        raise BadShape("base64 text has stray bits or padding")
    if size is not None and len(raw) != size:
        raise BadShape(f"wanted {size} bytes of base64, found {len(raw)}")
    return raw


def read_number(text: str) -> int:
    """Return a decimal of at most 19 digits without leading zeroes; raises BadShape."""
    if not _NUMBER.fullmatch(text):
        raise BadShape(f"wanted a decimal number, found {text[:20]!r}")
    return int(text)


def read_utf8(raw: bytes) -> str:
    """Return the text of UTF-8 bytes; raises BadShape."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise BadShape("a note is UTF-8") from bad


@dataclass(frozen=True)
class VerifierKey:
    """A public key (32 bytes) under its name; alg is ED25519 for a log, COSIGNATURE for a witness.

    ``str()`` is the vkey: ``vault.example/consent+cbbb6e78+AQOhB7/z…``.
    """

    name: str
    alg: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name || 0A || alg || public)."""
        material = bytes([self.alg]) + self.public
        return sha256(self.name.encode("utf-8") + b"\n" + material).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.alg]) + self.public)}"


def read_vkey(text: str) -> VerifierKey:
    """Return the key that a vkey line names.

    Raises:
        BadShape: not a vkey of Ed25519 (01) or cosignature/v1 (04), or its key id is not its own.
    """
    found = _VKEY.fullmatch(text)
    if not found:
        raise BadShape("wanted a verifier key: name+hex+base64")
    material = unb64(found[3], 33)
    if material[0] not in (ED25519, COSIGNATURE):
        raise BadShape(f"wanted a key of type 01 or 04, found {material[0]:02x}")
    key = VerifierKey(found[1], material[0], material[1:])
    _check_text(key.name)
    if key.key_id.hex() != found[2]:
        raise BadShape("the verifier key's id is not the one of its name and key")
    return key


@dataclass(frozen=True)
class Signature:
    """One signature line; what it signs is the note's text as the key's type says."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"— {self.name} {b64(self.key_id + self.value)}\n"


@dataclass(frozen=True)
class Note:
    """A note taken apart: nothing is verified yet. ``text`` ends in a newline."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))


def read_note(signed: str) -> Note:
    """Return the text and the signature lines, split at the last empty line.

    Raises:
        BadShape: no text, no signature, more than 100, a control character besides the newline, or
            a line after the text that is no signature line.
    """
    _check_text(signed)
    text, blank, lines = signed.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise BadShape("wanted a text, an empty line and signature lines")
    signatures = tuple(_read_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise BadShape(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(text + "\n", signatures)


def _read_signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    if not found:
        raise BadShape(f"wanted a signature line, found {line[:20]!r}")
    raw = unb64(found[2])
    if len(raw) <= 4:
        raise BadShape("a signature line holds a key id and a signature")
    return Signature(found[1], raw[:4], raw[4:])


def _check_text(text: str) -> None:
    if _CONTROL.search(text):
        raise BadShape("a note holds no control character besides the newline")
    if any("\ud800" <= symbol <= "\udfff" for symbol in text):
        raise BadShape("a note is UTF-8")


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


@dataclass(frozen=True)
class Cosigned:
    """A witness's word that it saw this checkpoint as the newest, at that time (unix seconds)."""

    witness: VerifierKey
    time: int


@dataclass(frozen=True)
class Opened:
    """A checkpoint whose signature by the log and whose known cosignatures hold."""

    checkpoint: Checkpoint
    cosigned: tuple[Cosigned, ...]


def open_checkpoint(
    signed: str, log: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Opened:
    """Return the checkpoint that the log signed and enough of these witnesses cosigned.

    1. lines of other keys are ignored. 2. every line of a known key verifies. 3. the log signed,
    and the origin is the log's name. 4. the quorum counts keys: one key under two names is one.

    Args:
        signed: the whole note.
        log: a key of type 01; its name is the origin.
        witnesses: keys of type 04.
        quorum: how many of them must have cosigned; 0: none.

    Raises:
        BadShape: not a note with a checkpoint.
        BadProof: a step fails.

    Source: c2sp.org/signed-note "Signatures", c2sp.org/tlog-cosignature.
    """
    note = read_note(signed)
    checkpoint = read_checkpoint(note.text)
    by_log = _lines_of(note, log)  # 1
    for line in by_log:
        _verify_ed25519(log, line.value, note.text)  # 2
    cosigned = tuple(
        Cosigned(key, _verify_cosignature(key, line.value, note.text))  # 2
        for key in witnesses
        for line in _lines_of(note, key)  # 1
    )
    if not by_log or checkpoint.origin != log.name:
        raise BadProof(f"wanted a checkpoint signed by {log.name}")  # 3
    agreed = len({one.witness.public for one in cosigned})
    if agreed < quorum:
        raise BadProof(f"wanted {quorum} witnesses, found {agreed}")  # 4
    return Opened(checkpoint, cosigned)


def _lines_of(note: Note, key: VerifierKey) -> list[Signature]:
    known = (key.name, key.key_id)
    return [line for line in note.signatures if (line.name, line.key_id) == known]


def _verify_ed25519(key: VerifierKey, signature: bytes, text: str) -> None:
    if key.alg != ED25519:
        raise BadProof(f"wanted a log key of type 01, found {key.alg:02x}")
    _verify(key, signature, text)


def _verify_cosignature(key: VerifierKey, value: bytes, text: str) -> int:
    """Return the time of the cosignature; raises BadProof."""
    if key.alg != COSIGNATURE or len(value) != 72:
        raise BadProof(f"wanted a cosignature/v1 by {key.name}")
    time = int.from_bytes(value[:8], "big")
    # SPEC: the timestamp MUST NOT exceed 2^63 - 1; zero would claim no time at all.
    if not 0 < time < 2**63:
        raise BadProof(f"a cosignature's time lies in 1..2^63-1, found {time}")
    _verify(key, value[8:], _cosigned_text(time, text))
    return time


def _verify(key: VerifierKey, signature: bytes, message: str) -> None:
    try:
        verify_signature(key.public, signature, message.encode("utf-8"))
    except BadJws as bad:
        raise BadProof(f"the signature by {key.name} does not verify") from bad


def _cosigned_text(time: int, text: str) -> str:
    return f"cosignature/v1\ntime {time}\n{text}"


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """Return the note of a checkpoint, signed by the log's key under the origin as its name."""
    text = str(checkpoint)
    vkey = VerifierKey(checkpoint.origin, ED25519, key.public)
    signature = Signature(vkey.name, vkey.key_id, key.sign(text.encode("utf-8")))
    return str(Note(text, (signature,)))


def cosign(checkpoint: Checkpoint, name: str, key: SigningKey, time: int) -> Signature:
    """Return a witness's cosignature/v1 line for a checkpoint, at unix seconds (1 or more)."""
    vkey = VerifierKey(name, COSIGNATURE, key.public)
    signature = key.sign(_cosigned_text(time, str(checkpoint)).encode("utf-8"))
    return Signature(name, vkey.key_id, time.to_bytes(8, "big") + signature)
