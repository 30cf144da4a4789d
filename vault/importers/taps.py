"""Taps of cards at gates, kept until all of a file are read, in 100 bytes each (docs/importers.md).

    taps = Taps()
    taps.add("K07", Tap(1767571331, True, "东门", "AGM-101", 2))
    taps.by_card()                                   ("K07", [Tap(…), …] in the order of the day)

As tuples in a list for each card a million of them would be 600 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from vault.errors import BadFile

MOST_TAPS = 1_000_000
MOST_NAMES = 100_000
LONGEST_CARD = 32

# Card, time, direction, station, gate, line: as bytes they sort as the tuples would.
_PACKED = Struct(f">{LONGEST_CARD}sQ?IIQ")


class Tap(NamedTuple):
    """One card at one gate; in the order of a day, where leaving comes before entering anew."""

    at: int
    enters: bool
    station: str
    gate: str
    line: int


class Taps:
    """All taps of a file; the names of stations and gates are kept once."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._numbers: dict[str, int] = {}

    def add(self, card: str, tap: Tap) -> None:
        """Keep a tap of a card, at most 32 ASCII letters.

        Raises:
            BadFile: there are more than a million taps, or 100,000 stations and gates.
        """
        if len(self._packed) == MOST_TAPS:
            raise BadFile(f"wanted at most {MOST_TAPS} taps in a file; split it by day or by card")
        station, gate = self._number(tap.station), self._number(tap.gate)
        found = (card.encode("ascii"), tap.at, tap.enters, station, gate, tap.line)
        self._packed.append(_PACKED.pack(*found))

    def by_card(self) -> Iterator[tuple[str, Iterator[Tap]]]:
        """Yield each card with its taps in order; each is to be taken before the next card is."""
        names = sorted(self._numbers)
        self._renumber({self._numbers[name]: rank for rank, name in enumerate(names)})
        self._numbers = {name: rank for rank, name in enumerate(names)}
        self._packed.sort()
        unpacked = map(_PACKED.unpack, self._packed)
        for card, rows in groupby(unpacked, key=itemgetter(0)):
            taps = (Tap(at, enters, names[s], names[g], line) for _, at, enters, s, g, line in rows)
            yield card.rstrip(b"\0").decode("ascii"), taps

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._numbers))
        if number >= MOST_NAMES:
            raise BadFile(f"wanted at most {MOST_NAMES} stations and gates in a file, found more")
        return number

    def _renumber(self, ranks: dict[int, int]) -> None:
        # Numbered as they came, taps of one second would sort by the order of the file.
        for place, packed in enumerate(self._packed):
            card, at, enters, station, gate, line = _PACKED.unpack(packed)
            self._packed[place] = _PACKED.pack(card, at, enters, ranks[station], ranks[gate], line)
