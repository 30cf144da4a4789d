r"""Hashes, notes and keys as members of an evidence file (docs/protocol.md section 6, "Evidence").

"log": "vault.example/log+1a2b3c4d+AQ…", "note": "vault.example/log\n12\n…", "prefix": "q83v…"
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator, StringConstraints

from consent.log.merkle import HASH_SIZE
from consent.log.note import b64, unb64
from vault.errors import BadShape

TYPE = "log-evidence"
MAX_NOTE = 1 << 19
MAX_PROOF = 65


def _read_hash(found: object) -> bytes:
    raw = unb64(found, HASH_SIZE) if isinstance(found, str) else found
    if not isinstance(raw, bytes) or len(raw) != HASH_SIZE:
        raise BadShape(f"wanted {HASH_SIZE} bytes of base64")
    return raw


HashText = Annotated[bytes, PlainValidator(_read_hash), PlainSerializer(b64, return_type=str)]
Hashes = Annotated[tuple[HashText, ...], Field(max_length=MAX_PROOF)]
NoteText = Annotated[str, StringConstraints(max_length=MAX_NOTE)]
VkeyText = Annotated[str, StringConstraints(max_length=1 << 12)]
