"""Interval readings of an ESPI feed (Green Button), one after another (docs/importers.md).

    <entry><link rel="self" href="…/ReadingType/3"/>…<ReadingType>…</ReadingType>…
    <entry><link rel="self" href="…/MeterReading/01"/><link rel="related" href="…/ReadingType/3"/>…
    <entry><link rel="up" href="…/MeterReading/01/IntervalBlock"/>…<IntervalReading>…

Links tie a block to its meter and the meter to its ReadingType; these may stand before or after the
readings. No tree is made: elements go by, and what is none of the few fields below is not kept, be
it the title, the customer or the address. Source: NAESB REQ.21 (ESPI) over RFC 4287 (Atom).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pyexpat import XMLParserType
from typing import BinaryIO, NamedTuple, Protocol, cast

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

from vault.errors import BadFile

DEEPEST = 64
MOST_OF_A_KIND = 1_000
LONGEST_LINK = 500
LONGEST_TEXT = 64
LONGEST_TOKEN = 1 << 20
MOST_NAMES = 2_000
LONGEST_NAME = 500

_CHUNK = 1 << 16
_ATOM, _ESPI = "{http://www.w3.org/2005/Atom}", "{http://naesb.org/espi}"
_FEED, _ENTRY, _LINK = _ATOM + "feed", _ATOM + "entry", _ATOM + "link"
_READING, _TYPE, _METER = _ESPI + "IntervalReading", _ESPI + "ReadingType", _ESPI + "MeterReading"
_PERIOD = _ESPI + "timePeriod"
_FIELDS = {
    (_READING, _ESPI + "value"): "value",
    (_PERIOD, _ESPI + "start"): "start",
    (_PERIOD, _ESPI + "duration"): "duration",
    (_TYPE, _ESPI + "uom"): "uom",
    (_TYPE, _ESPI + "powerOfTenMultiplier"): "power",
    (_TYPE, _ESPI + "flowDirection"): "flow",
    (_TYPE, _ESPI + "accumulationBehaviour"): "accumulation",
}


class Reading(NamedTuple):
    """One reading as it is written: its place in the file from 1, its meter's link, three texts."""

    line: int
    meter: str
    start: str
    duration: str
    value: str


class ReadingType(NamedTuple):
    """What the values of a meter are, as it is written; empty where it is not."""

    uom: str
    power: str
    flow: str
    accumulation: str


@dataclass
class Feed:
    """What a feed says beside its readings: ReadingTypes, and links to them, by their own link."""

    readings: int = 0
    types: dict[str, ReadingType] = field(default_factory=dict)
    meters: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def type_of(self, meter: str) -> ReadingType | None:
        """Return the one ReadingType that a meter's entry links to, None where there is no one."""
        linked = {self.types[link] for link in self.meters.get(meter, ()) if link in self.types}
        return linked.pop() if len(linked) == 1 else None


def read_feed(file: BinaryIO, feed: Feed) -> Iterator[Reading]:
    """Yield the readings of a feed in order, and fill in what else it says.

    Raises:
        BadFile: it is no whole XML, or no Atom feed; declares a document type; is nested more than
            64 deep; has a tag or comment over 1 MiB, a link or name over 500 characters, more than
            1,000 meters, ReadingTypes or links between them, or more than 2,000 names of elements,
            attributes and namespaces; an entry has readings before its links.
    """
    elements = _Elements(feed)
    parser = cast("_Parser", XMLParser(target=elements, forbid_dtd=True))
    fed = 0
    while chunk := file.read(_CHUNK):
        _feed(parser, chunk)
        fed += len(chunk)
        # Expat keeps an unfinished token whole; text is no such token.
        if fed - parser.parser.CurrentByteIndex > LONGEST_TOKEN:
            raise BadFile(
                "wanted tags and comments of at most 1 MiB in the XML, found a longer one"
            )
        yield from elements.take()
    _feed(parser, None)


class _Parser(Protocol):
    parser: XMLParserType

    def feed(self, chunk: bytes) -> None: ...
    def close(self) -> None: ...


def _feed(parser: _Parser, chunk: bytes | None) -> None:
    try:
        if chunk is None:
            parser.close()
        else:
            parser.feed(chunk)
    except ParseError as bad:
        # Such errors repeat names that stand in the file, and so they are not chained.
        raise BadFile(f"wanted a whole XML file; it breaks in line {bad.position[0]}") from None
    except DefusedXmlException:
        raise BadFile("wanted XML without a document type or entities, found one") from None
    except (ValueError, LookupError):
        raise BadFile("wanted XML in UTF-8 or UTF-16, found another encoding") from None


class _Elements:
    """The parser calls start, data and end; readings are put by until they are taken."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._path: list[str] = []
        self._names: set[str] = set()
        self._ready: list[Reading] = []
        self._links: dict[str, list[str]] = {}
        self._fields: dict[str, str] = {}
        self._kinds: dict[str, dict[str, str]] = {}
        self._meter = ""
        self._field = ""
        self._text = ""

    def take(self) -> list[Reading]:
        """Return the readings put by since the last time."""
        ready, self._ready = self._ready, []
        return ready

    def start_ns(self, prefix: str, uri: str) -> None:
        """Count the names of a namespace."""
        self._count_names(prefix, uri)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._count_names(tag, *attributes)
        parent = self._path[-1] if self._path else ""
        self._path.append(tag)
        if len(self._path) > DEEPEST:
            raise BadFile(f"wanted XML nested at most {DEEPEST} deep, found it deeper")
        if not parent and tag != _FEED:
            raise BadFile("wanted an ESPI feed (Green Button), found other XML")
        self._field, self._text = _FIELDS.get((parent, tag), ""), ""
        if tag == _ENTRY:
            self._links, self._kinds, self._meter = {}, {}, ""
        elif tag == _LINK and parent == _ENTRY:
            self._link(attributes.get("rel", ""), attributes.get("href", "").rstrip("/"))
        elif tag in (_READING, _TYPE, _METER):
            self._fields = {}

    def data(self, text: str) -> None:
        if self._field and len(self._text) <= LONGEST_TEXT:
            self._text += text[: LONGEST_TEXT + 1]

    def end(self, tag: str) -> None:
        self._path.pop()
        if self._field:
            # Written twice, or too long to be a number: empty, which is none.
            whole = self._field not in self._fields and len(self._text) <= LONGEST_TEXT
            self._fields[self._field] = self._text.strip() if whole else ""
            self._field = ""
        elif tag == _READING:
            self._put_by()
        elif tag in (_TYPE, _METER):
            self._kinds[tag] = self._fields
        elif tag == _ENTRY:
            self._keep()

    def close(self) -> None:
        """Do nothing: there is no tree to hand back."""

    def _count_names(self, *names: str) -> None:
        # The parser keeps each name that it met until the end of the file.
        for name in names:
            if name in self._names:
                continue
            if len(name) > LONGEST_NAME:
                raise BadFile(f"wanted names of at most {LONGEST_NAME} characters in the XML")
            self._names.add(name)
            if len(self._names) > MOST_NAMES:
                raise BadFile(f"wanted at most {MOST_NAMES} names in the XML, found more")

    def _link(self, rel: str, href: str) -> None:
        if len(href) > LONGEST_LINK:
            raise BadFile(f"wanted links of at most {LONGEST_LINK} characters, found a longer one")
        if rel in ("self", "up") or (rel == "related" and "/ReadingType/" in href):
            links = self._links.setdefault(rel, [])
            links.append(href)
            _check_count(len(links))

    def _put_by(self) -> None:
        self._meter = self._meter or self._meter_of_block()
        start, duration, value = (self._fields.get(n, "") for n in ("start", "duration", "value"))
        self._feed.readings += 1
        self._ready.append(Reading(self._feed.readings, self._meter, start, duration, value))

    def _meter_of_block(self) -> str:
        for link in (*self._links.get("up", ()), *self._links.get("self", ())):
            meter, block, _ = f"{link}/".rpartition("/IntervalBlock/")
            if block and meter:
                return meter
        raise BadFile("wanted the links of an entry before its readings, found none to a meter")

    def _keep(self) -> None:
        own = self._links.get("self", [""])[0]
        if _TYPE in self._kinds:
            fields = (self._kinds[_TYPE].get(n, "") for n in ReadingType._fields)
            self._feed.types[own] = ReadingType(*fields)
        if _METER in self._kinds:
            self._feed.meters[own] = tuple(self._links.get("related", ()))
        links = sum(map(len, self._feed.meters.values()))
        _check_count(max(len(self._feed.types), len(self._feed.meters), links))


def _check_count(count: int) -> None:
    if count > MOST_OF_A_KIND:
        raise BadFile(f"wanted at most {MOST_OF_A_KIND} of a kind in the feed, found more")
