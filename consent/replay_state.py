"""What the audit replay keeps of a log: a bit, four bytes or one blob where that is enough.

    marks = Marks(); marks.add(7); {3, 7} & marks      → {7}
    owners[7] = "…account…"; owners.of("…account…")    → [7]
    aging.keep(month, closed)                          until no rule can ask for it any more

A close is its hash, the name of its methodology and 7 × 64 bytes (docs/protocol.md section 5).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Protocol

from consent.messages import Grant, LinkMonths
from consent.templates import UNTIL_MONTHS, load_templates
from vault.messages import Close, cell_bytes
from vault.months import Month, Window, add_months, month_begins

_NOBODY = -1


class Marks:
    """A set of log indexes, one bit each."""

    def __init__(self) -> None:
        """Start empty."""
        self._bits = bytearray()

    def add(self, index: int) -> None:
        """Put an index in."""
        place, bit = divmod(index, 8)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        self._bits[place] |= 1 << bit

    def __contains__(self, index: int) -> bool:
        """Whether the index is in."""
        place, bit = divmod(index, 8)
        return place < len(self._bits) and bool(self._bits[place] >> bit & 1)

    def __rand__(self, others: set[int]) -> set[int]:
        """Return those of a set that are in."""
        return {index for index in others if index in self}


class Owners(Mapping[int, str]):
    """Index → account, and account → its indexes: 12 bytes an entry, and each account once."""

    def __init__(self, seen: Mapping[int, str]) -> None:
        """Start with what earlier audits saw."""
        self._numbers = array("i")
        self._names: list[str] = []
        self._number_of: dict[str, int] = {}
        self._indexes: list[array[int]] = []
        for index, account in sorted(seen.items()):
            self[index] = account

    def __setitem__(self, index: int, account: str) -> None:
        """Note whose an entry is; the same again changes nothing."""
        number = self._number_of.get(account)
        if number is None:
            number = self._number_of[account] = len(self._names)
            self._names.append(account)
            self._indexes.append(array("Q"))
        lacking = index + 1 - len(self._numbers)
        if lacking > 0:
            self._numbers.extend([_NOBODY] * lacking)
        if self._numbers[index] != number:
            self._indexes[number].append(index)
            self._numbers[index] = number

    def __getitem__(self, index: int) -> str:
        """Return the account of an entry; raises KeyError when it is not known."""
        number = self._numbers[index] if 0 <= index < len(self._numbers) else _NOBODY
        if number == _NOBODY:
            raise KeyError(index)
        return self._names[number]

    def __iter__(self) -> Iterator[int]:
        """Return the indexes of the entries whose owner is known."""
        return (index for index, number in enumerate(self._numbers) if number != _NOBODY)

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._numbers) - self._numbers.count(_NOBODY)

    def of(self, account: str) -> Iterable[int]:
        """Return the indexes that were noted for an account."""
        number = self._number_of.get(account)
        return () if number is None else self._indexes[number]


class Fading(Protocol):
    """Something of which a part is of no use after some months."""

    def fade(self) -> None:
        """Let that part go."""


@dataclass(slots=True)
class Closed:
    """A close: its hash, link, month and methodology, and 7 × (c, C) until nothing adds it up."""

    name: bytes
    link: bytes
    month: Month
    methodology: str
    cells: bytes

    def fade(self) -> None:
        """Let the cells go."""
        self.cells = b""


def shorten(name: bytes, close: Close) -> Closed:
    """Return what a replay needs of a close of this hash."""
    month, methodology = Month(intern(close.month)), intern(close.methodology)
    return Closed(name, close.link, month, methodology, cell_bytes(close.cells))


class Closes:
    """The closes that stand, by (link, month); a dict for each link is smaller than of pairs."""

    def __init__(self) -> None:
        """Start with none."""
        self._of: dict[bytes, dict[Month, Closed]] = {}

    def add(self, close: Closed) -> None:
        """Put in a close; one that stood for its link and month is let go."""
        self._of.setdefault(close.link, {})[close.month] = close

    def __contains__(self, place: tuple[bytes, Month]) -> bool:
        """Whether there is a close for this link and month."""
        link, month = place
        return month in self._of.get(link, ())

    def __getitem__(self, place: tuple[bytes, Month]) -> Closed:
        """Return the close for a link and month; raises KeyError."""
        link, month = place
        return self._of[link][month]


@dataclass(slots=True)
class Granted:
    """A grant, its account and state, and the newest token of each window: hash and cells."""

    grant: Grant
    account: str
    count: int = 0
    state: str = "live"
    tokens: dict[str, tuple[bytes, tuple[LinkMonths, ...]]] = field(default_factory=dict)

    def fade(self) -> None:
        """Let the tokens go."""
        self.tokens = {}


class Aging:
    """What is let go once its month lies too far back for any rule to ask for it.

    A grant reaches at most `back` months back, and ends two months after its last, at most
    `ahead` months on: after that nothing adds up a close, and no token of the grant counts. One
    more year is left, since a month's turn is taken from the largest `at` so far.
    """

    def __init__(self) -> None:
        """Start before the first month."""
        templates = load_templates().values()
        longest = max(each.back for each in templates) + max(each.ahead for each in templates)
        self._months = longest + UNTIL_MONTHS + 1 + 12
        self._kept: dict[Month, list[Fading]] = {}
        self._turn = 0

    def keep(self, month: Month, thing: Fading) -> None:
        """Keep a thing whole for as long as something of this month may be asked for."""
        self._kept.setdefault(month, []).append(thing)

    def turn(self, at: int, month_at: Callable[[int], Month], zone: str) -> None:
        """Let go what is too old at unix second `at`; quick while the month is the same."""
        if at < self._turn:
            return
        running = month_at(at)
        self._turn = month_begins(add_months(running, 1), zone)
        oldest = add_months(running, -self._months)
        for month in [month for month in self._kept if month < oldest]:
            for thing in self._kept.pop(month):
                thing.fade()


class Shared:
    """One object for equal values: months, categories and names come a million times."""

    def __init__(self) -> None:
        """Start with none."""
        self._links: dict[bytes, bytes] = {}
        self._months: dict[Window, Window] = {}
        self._categories: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._purposes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def link(self, link: bytes) -> bytes:
        """Return the one object for this link."""
        return self._links.setdefault(link, link)

    def window(self, months: Window) -> Window:
        """Return the one object for these months."""
        found = self._months.get(months)
        if found is None:
            found = tuple(Month(intern(month)) for month in months)
            self._months[found] = found
        return found

    def grant(self, grant: Grant) -> Grant:
        """Return an equal grant that shares what many grants have alike: a fifth of the bytes."""
        categories = self._categories.setdefault(grant.categories, grant.categories)
        purposes = tuple(map(intern, grant.purposes))
        found = dict(grant)
        for name, value in found.items():
            if isinstance(value, str):
                found[name] = intern(value)
        found["categories"] = categories
        found["purposes"] = self._purposes.setdefault(purposes, purposes)
        return Grant.model_construct(_FIELDS, **found)


_FIELDS = set(Grant.model_fields)
