"""Signed notes and verifier keys (C2SP signed-note).

docs/protocol.md section 6; c2sp.org/signed-note. What the text says is checkpoint.py's matter.

    vault.example/consent                             the text, a checkpoint
    3
    UNqiDaeBrvmgKEnEhKBvAkS4KcnscSTzHKDaHEzUMos=
                                                      the last empty line ends it
    — vault.example/consent y7tueCU0me7z…             base64(key id (4) || signature)
    — w1.example idPd5gAAAABkGFDL…                    … || u64be(unix seconds) || signature

    vault.example/consent+cbbb6e78+AQOhB7/z…          vkey: name + key id + base64(alg || key)

What would not be written the same way again is refused.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256

from vault.errors import BadShape

ED25519 = 0x01
COSIGNATURE = 0x04
ML_DSA_44 = 0x06
KEY_SIZES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
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
    """A public key under its name.

    ``alg`` is ED25519 for a log, COSIGNATURE (both 32 bytes) or ML_DSA_44 (1,312) for a witness.

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
        BadShape: not a vkey of Ed25519 (01), of a cosignature by Ed25519 (04) or ML-DSA-44 (06), or
            its key id is not its own.
    """
    found = _VKEY.fullmatch(text)
    if not found:
        raise BadShape("wanted a verifier key: name+hex+base64")
    material = unb64(found[3])
    if len(material) != 1 + KEY_SIZES.get(material[0] if material else 0, -1):
        raise BadShape("wanted a key of type 01, 04 or 06 and of its size")
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
