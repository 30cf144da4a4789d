"""The wire of every SDK: requests with a DPoP proof, answers as JSON or as the error they name.

    wire = Wire("https://vault.example", key)
    wire.post("/v1/closes", text)   →   {"receipt": "eyJ…", "proof": "c2sp.org/tlog-proof@v1…"}

A lost answer raises Unreachable; the caller sends the same bytes again. So does one that a hostile
server makes too long or draws out: 64 MiB of JSON, 1 MiB of a public path, two minutes from the
first byte sent to the last one read. Packed answers are not asked for, and not read.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2

from vault import dpop
from vault.crypto.keys import SigningKey
from vault.deadline import open_http, within
from vault.encoding import Json, strict_object
from vault.errors import (
    BadInput,
    BadShape,
    LogUnavailable,
    StaleProof,
    TooMany,
    TooSlow,
    Unreachable,
    VaultError,
    from_problem,
)

TIMEOUT = 30.0
LONGEST = 120.0
"""Seconds for one read or write, and for a whole exchange."""
MOST_JSON = 1 << 26
MOST_RAW = 1 << 20
"""Bytes of a JSON answer and of a public path.

A vault's longest pages are 16 batches of up to 2 MiB and 500 texts of the log; the longest public
path is a checkpoint, a note of up to 512 KiB. A bundle or tile has some 9 KB.
"""
LONGEST_PAUSE = 120


class Patience(NamedTuple):
    """How often a request is tried in all, and what waits so many seconds in between.

    The same bytes are sent each time, under a fresh DPoP proof. The pauses double from half a
    second, or are what a 429 says; each is lengthened by up to a half, so that many callers do not
    come back at once.
    """

    tries: int = 1
    pause: Callable[[float], None] = time.sleep


_SLOW = f"the answer takes more than {LONGEST:.0f} seconds"
IMPATIENT = Patience()
PATIENT = Patience(tries=5)
_PASSING = (Unreachable, TooMany, TooSlow, LogUnavailable)


class _Reply(NamedTuple):
    status: int
    headers: httpx2.Headers
    content: bytes


class Answer(NamedTuple):
    """The members of a JSON answer and its ETag (empty when there is none)."""

    body: dict[str, Json]
    etag: str


def text_of(body: Mapping[str, Json], name: str) -> str:
    """Return a text member of an answer; raises BadShape."""
    found = body.get(name)
    if not isinstance(found, str):
        raise BadShape(f"the answer has no text member {name}")
    return found


def objects_of(body: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    """Return a member that is a list of objects; raises BadShape."""
    found = body.get(name)
    if not isinstance(found, list):
        raise BadShape(f"the answer has no list member {name}")
    objects = [item for item in found if isinstance(item, dict)]
    if len(objects) != len(found):
        raise BadShape(f"the list {name} holds something that is no object")
    return objects


class Wire:
    """One caller's way to one vault."""

    def __init__(
        self,
        url: str,
        key: SigningKey | None = None,
        http: httpx2.Client | None = None,
        random: Callable[[int], bytes] = os.urandom,
        patience: Patience = IMPATIENT,
    ) -> None:
        """Speak to the vault at `url` (its public_url) as `key`; without a key only in public.

        With patience, what passes by itself (no answer, 408, 429, 503) is tried again.
        """
        self._url = url.rstrip("/")
        self._key = key
        self._http = http or open_http(TIMEOUT)
        self._plain = {"Accept-Encoding": "identity"} if http else {}
        if http is None:
            weakref.finalize(self, self._http.close)  # its own connections end with it
        self._random, self._patience = random, patience

    @property
    def url(self) -> str:
        """The vault's public URL."""
        return self._url

    def get(self, path: str) -> Answer:
        """Return the answer; `path` may carry a query. Raises the error the vault names."""
        return self.send("GET", path)

    def post(self, path: str, body: str | bytes) -> Answer:
        """Return the answer to the body; raises the error the vault names."""
        return self.send("POST", path, body)

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to one request; a stale proof is made anew once, by the vault's Date.

        Raises:
            VaultError: the one that the vault's problem names.
            Unreachable: no answer, one that does not come to an end, or that is none of a vault.
        """
        raw = body.encode("ascii") if isinstance(body, str) else body
        for number in range(1, self._patience.tries):
            try:
                return self._send(method, path, raw, headers)
            except _PASSING as passing:
                self._patience.pause(self._pause(number, passing))
        return self._send(method, path, raw, headers)

    def _pause(self, number: int, passing: VaultError) -> float:
        wait = passing.wait if isinstance(passing, TooMany) else 0.25 * 2**number
        return min(LONGEST_PAUSE, wait * (1 + self._random(1)[0] / 512))

    def _send(
        self, method: str, path: str, raw: bytes, headers: Mapping[str, str] | None
    ) -> Answer:
        reply = self._once(method, path, raw, headers or {}, int(time.time()))
        if reply.status == 401 and _slug(reply) == StaleProof.slug:
            reply = self._once(method, path, raw, headers or {}, _date(reply))
        if reply.status >= 400:
            raise _error(reply)
        return Answer(_members(reply), reply.headers.get("etag", ""))

    def date(self) -> int | None:
        """Return the vault's wall clock by its Date header; None when it sends none."""
        reply = self._once("GET", "/v1/time", b"", {}, None)
        return _date(reply) if "date" in reply.headers else None

    def raw(self, path: str) -> bytes:
        """Return the bytes of a public path such as ``/log/checkpoint``, 1 MiB at most."""
        reply = self._once("GET", path, b"", {}, None, MOST_RAW)
        if reply.status >= 400:
            raise _error(reply)
        return reply.content

    def _once(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        wall: int | None,
        most: int = MOST_JSON,
    ) -> _Reply:
        url = self._url + path
        sent = {**self._plain, **headers}
        if self._key and wall is not None:
            bare = self._url + urlsplit(path).path
            request = dpop.Request(method, bare, body)
            sent["DPoP"] = dpop.prove(self._key, request, wall, self._random(16))
        with within(LONGEST) as until:
            try:
                asked = self._http.build_request(method, url, content=body or None, headers=sent)
                with closing(self._http.send(asked, stream=True)) as reply:
                    return _Reply(reply.status_code, reply.headers, _read(reply, most, until))
            except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
                why = _SLOW if time.monotonic() >= until else type(lost).__name__
                raise Unreachable(f"{method} {path}: {why}") from lost


def _read(reply: httpx2.Response, most: int, until: float) -> bytes:
    # A body that is packed could unpack to any size.
    if "content-encoding" in reply.headers:
        raise Unreachable("the answer is packed, which nobody asked for")
    found = bytearray()
    for part in reply.iter_bytes():
        found += part
        if len(found) > most:
            raise Unreachable(f"the answer has more than {most} bytes")
        if time.monotonic() > until:
            raise Unreachable(_SLOW)
    return bytes(found)


def _date(reply: _Reply) -> int:
    try:
        return int(parsedate_to_datetime(reply.headers.get("date", "")).timestamp())
    except ValueError:
        return int(time.time())


def _members(reply: _Reply) -> dict[str, Json]:
    try:
        return strict_object(reply.content)
    except BadInput as bad:
        raise Unreachable("the answer is not one of a vault") from bad


def _slug(reply: _Reply) -> str:
    found = _members(reply).get("type")
    return found if isinstance(found, str) else ""


def _error(reply: _Reply) -> Exception:
    members = _members(reply)
    detail, statement = (
        found if isinstance(found := members.get(name), str) else ""
        for name in ("detail", "statement")
    )
    error = from_problem(_slug(reply), detail, statement)
    if isinstance(error, TooMany):
        told = reply.headers.get("retry-after", "")
        error.wait = int(told) if told.isdecimal() and len(told) < 6 else error.wait
    return error
