"""A JSON document read object by object: memory hangs on the longest one (docs/importers.md).

    found = Document(b'{"version":"2.0.0","trips":[{…},{…}]}', ("data", "trips"), ("trips",))
    found.frame                  {"version": "2.0.0", "trips": []}
    found.items("trips")         {…}, then {…}, each parsed when it is asked for

64 MiB of small objects would be 2 GB if they were parsed at once. Where a value ends is told by its
brackets and quotes alone; what stands between them is checked when that value is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from vault.errors import BadFile
from vault.importers.opening import MARK, Json, parse_json

LONGEST = 2 << 20
DEEPEST = 500
MOST_ITEMS = 1_000_000
MOST_PARTS = 3_000_000

_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_SPACE = re.compile(rb"[ \t\r\n]*+")
_INSIDE = rb'(?:[^"\[\]{}]++|' + _TEXT + rb")*+"
# A scalar, or an object or list that holds no other one.
_FLAT = re.compile(_TEXT + rb'|[^ \t\r\n,:"\[\]{}]++|[\[{]' + _INSIDE + rb"[\]}]", re.DOTALL)
_TO_BRACKET = re.compile(_INSIDE + rb"[\[\]{}]", re.DOTALL)
# The same, past whatever is flat: a million small pieces are one match and not two million.
_PAST_FLAT = re.compile(
    rb'(?:[^"\[\]{}]++|' + _TEXT + rb"|[\[{]" + _INSIDE + rb"[\]}])*+[\[\]{}]", re.DOTALL
)
_NAME = re.compile(rb"[ \t\r\n]*+(" + _TEXT + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
_COMMA = re.compile(rb"[ \t\r\n]*+,")
_AFTER = re.compile(rb"[ \t\r\n]*+(?:,[ \t\r\n]*+|(\]))")


class Document:
    """A document of one long list of objects, and the ``frame`` around it, where it is empty."""

    def __init__(self, raw: bytes, *paths: tuple[str, ...]) -> None:
        """Find the list and parse the frame.

        Args:
            raw: all of the document, UTF-8 with or without a byte order mark.
            paths: the members that lead to where the list may be; the first that does holds.

        Raises:
            BadFile: no strict JSON as far as was looked; more than 3 million objects and lists in
                all; the frame is longer than 2 MiB, which is one object where there is no list.
        """
        if raw.count(b"{") + raw.count(b"[") > MOST_PARTS:
            raise BadFile(f"wanted at most {MOST_PARTS} objects and lists; split it by time")
        self._raw = raw
        self._path: tuple[str, ...] | None = None
        start = end = 0
        for path in paths:
            start = _find(raw, len(MARK) if raw.startswith(MARK) else 0, path)
            if start:
                self._path, end = path, _end_of(raw, start - 1) - 1
                break
        self._start = start
        if start + len(raw) - end > LONGEST:
            raise BadFile(f"wanted at most {LONGEST >> 20} MiB beside a list of objects, or in one")
        self.frame: Json = parse_json(raw[:start] + raw[end:])

    def items(self, *path: str) -> Iterator[Json] | None:
        """Return what the list at this path holds, None where there is no list.

        Raises:
            BadFile: while it is taken: no strict JSON, an object longer than 2 MiB, more than a
                million of them.
        """
        found = self.frame
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, list):
            return None
        return self._cut_out() if path == self._path else iter(found)

    def _cut_out(self) -> Iterator[Json]:
        raw, at = self._raw, _skip(self._raw, self._start)
        if raw[at : at + 1] == b"]":
            return
        for number in count(1):
            if number > MOST_ITEMS:
                raise BadFile(f"wanted at most {MOST_ITEMS} objects; split it by time")
            end = _end_of(raw, at)
            yield _parsed(raw, at, end, number)
            after = _AFTER.match(raw, end)
            if after is None:
                raise BadFile(f"object {number}: wanted UTF-8 JSON, found something else after it")
            if after[1]:
                return
            at = after.end()


def _find(raw: bytes, at: int, path: tuple[str, ...]) -> int:
    """Return where the items of the list at this path begin, 0 where there is none."""
    at = _skip(raw, at)
    if not path:
        return at + 1 if raw[at : at + 1] == b"[" else 0
    if raw[at : at + 1] != b"{":
        return 0
    at += 1
    while name := _NAME.match(raw, at):
        if name[1] == f'"{path[0]}"'.encode():
            return _find(raw, name.end(), path[1:])
        comma = _COMMA.match(raw, _end_of(raw, name.end()))
        if comma is None:
            break
        at = comma.end()
    return 0


def _end_of(raw: bytes, at: int) -> int:
    """Return where the value ends that begins here."""
    flat = _FLAT.match(raw, at)
    if flat:
        return flat.end()
    depth = 0
    while bracket := (_PAST_FLAT if 0 < depth < DEEPEST else _TO_BRACKET).match(raw, at):
        at = bracket.end()
        depth += 1 if raw[at - 1] in b"[{" else -1
        if depth > DEEPEST:
            raise BadFile("the JSON is nested too deep")
        if depth <= 0:
            return at
    raise BadFile("wanted UTF-8 JSON, found something else: it breaks off")


def _parsed(raw: bytes, at: int, end: int, number: int) -> Json:
    if end - at > LONGEST:
        raise BadFile(f"object {number} is longer: wanted at most {LONGEST >> 20} MiB in one")
    try:
        return parse_json(raw[at:end])
    except BadFile as bad:
        raise BadFile(f"object {number}: {bad}") from bad


def _skip(raw: bytes, at: int) -> int:
    space = _SPACE.match(raw, at)
    return space.end() if space else at
