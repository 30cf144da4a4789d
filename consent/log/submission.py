r"""A checkpoint sent to a witness, and what it answers (C2SP tlog-witness, add-checkpoint).

docs/protocol.md section 6; c2sp.org/tlog-witness.

    POST https://w1.example/add-checkpoint
    old 2                                             the size that the witness saw last
    Of1jQFZcYgatrg0+hD6lxnNoPCW6OSBo/bAlTgNQapU=      consistency proof, at most 63 hashes
                                                      an empty line, then the signed checkpoint
    vault.example/log
    3
    …

    200  "— w1.example idPd5gAAAABkGFDL…\n"           its cosignatures
    409  text/x.tlog.size "4\n"                       it saw another size
    422                                               what it saw is no beginning of this tree,
                                                      or has the same size and another root

    GET https://w1.example/logs/<hex SHA-256 of the origin>/checkpoint     what it cosigned last
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import httpx2

from consent.log.checkpoint import Checkpoint
from consent.log.cosignature import Cosigned, verify_cosignature
from consent.log.note import Note, Signature, VerifierKey, b64, read_note, read_number, read_utf8
from vault.deadline import open_http, within
from vault.errors import BadProof, BadShape, Unreachable

SIZE_TYPE = "text/x.tlog.size"
TIMEOUT = 3.0
LONGEST = 9.0
MOST_BYTES = 1 << 16


class Answer(NamedTuple):
    """An HTTP answer: status, media type, body."""

    status: int
    kind: str
    body: bytes


Send = Callable[[str, bytes | None], Answer]
"""Posts a body to a URL, or GETs it where there is none; gives the answer; raises Unreachable."""


class Line(NamedTuple):
    """A cosignature that verifies, as it stands in a note and as what it says."""

    signature: Signature
    cosigned: Cosigned


class Carrier:
    """Posts and gets over HTTP, connections kept open; safe in several threads."""

    def __init__(self) -> None:
        """Take no proxy from the environment, follow no redirect."""
        self._http = open_http(TIMEOUT)
        weakref.finalize(self, self._http.close)

    def __call__(self, url: str, body: bytes | None) -> Answer:
        """Return the answer to one POST, or to one GET without a body.

        Raises:
            Unreachable: none within 9 seconds, or one of more than 64 KiB.
        """
        headers = {} if body is None else {"Content-Type": "text/plain; charset=utf-8"}
        method = "GET" if body is None else "POST"
        try:
            with (
                within(LONGEST) as until,
                self._http.stream(method, url, content=body, headers=headers) as reply,
            ):
                return _read(reply, until)
        except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
            raise Unreachable(f"no answer of the witness: {type(lost).__name__}") from lost


def _read(reply: httpx2.Response, until: float) -> Answer:
    # A body that is packed could unpack to any size.
    if "content-encoding" in reply.headers:
        raise Unreachable("the witness's answer is packed, which nobody asked for")
    found = bytearray()
    for part in reply.iter_bytes():
        found += part
        if len(found) > MOST_BYTES or time.monotonic() > until:
            raise Unreachable("the witness's answer does not come to an end")
    return Answer(reply.status_code, reply.headers.get("content-type", ""), bytes(found))


def write_request(old: int, proof: Sequence[bytes], signed: str) -> bytes:
    """Return the body for a signed checkpoint.

    Args:
        old: the size that the witness saw last, 0 for none.
        proof: hashes from that size to the checkpoint's.
        signed: the whole note.
    """
    lines = [f"old {old}", *map(b64, proof), ""]
    return "".join(f"{line}\n" for line in lines).encode() + signed.encode()


def read_size(answer: Answer) -> int:
    """Return the size that a 409 names; raises BadShape."""
    if answer.kind.partition(";")[0].strip().lower() != SIZE_TYPE:
        raise BadShape(f"wanted a size as {SIZE_TYPE}, found {answer.kind[:60]!r}")
    text = read_utf8(answer.body)
    if not text.endswith("\n"):
        raise BadShape("wanted a size and a newline")
    return read_number(text[:-1])


def read_lines(answer: Answer, checkpoint: Checkpoint, keys: Iterable[VerifierKey]) -> list[Line]:
    """Return the cosignatures of a 200 that verify, of these keys and for this checkpoint.

    All others are passed over, as the C2SP page says.

    Raises:
        BadShape: the body is not signature lines.
    """
    # One note at most holds them, so what is read here can be written into one.
    note: Note = read_note(f"{checkpoint}\n{read_utf8(answer.body)}")
    if note.text != str(checkpoint):
        raise BadShape("wanted signature lines alone")
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[VerifierKey, Line] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        try:
            found[key] = Line(line, verify_cosignature(key, line.value, checkpoint))
        except BadProof:
            continue
    return list(found.values())
