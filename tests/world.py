"""All actors in one memory: the real app behind a test client, a clock moved by hand.

with World() as world:
    ann = world.person("ann")
    world.ride(ann, grams...)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from consent.app import make_app, schemas, wall_clock
from consent.auditor import Auditor
from consent.demo.cast import SOURCES, VAULT
from consent.demo.company import Company
from consent.demo.scenes import terms_of
from consent.holder import Holder, LinkStart
from consent.messages import Grant, Terms
from consent.place import Place, Settings
from consent.templates import latest_until
from tests.inside import Inside
from vault.compose import Booked, Booking
from vault.crypto.keys import Root, Secret, SigningKey
from vault.methodology.quantify import Act
from vault.months import DEFAULT_ZONE, Category, Month, add_months, month_begins
from vault.source import Source
from vault.storage.sqlcipher import SqlCipher

EAST, WEST = SOURCES
JAN, FEB, MAR, APR = (Month(f"2026-0{n}") for n in range(1, 5))
URL = "https://vault.test"


class Seeded:
    """Random bytes that are the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        block = b"".join(
            sha256(self._seed + self._count.to_bytes(8, "big") + bytes([i])).digest()
            for i in range(-(-size // 32))
        )
        return block[:size]


@dataclass
class Person:
    """One holder and the links they have, by source."""

    name: str
    root: Root
    holder: Holder
    links: dict[str, bytes] = field(default_factory=dict)


class World(Company):
    """A vault, an auditor, two sources, a bank and a city programme, from January 2026 on."""

    def __init__(self, folder: Path | None = None, seed: bytes = b"world") -> None:
        random = Seeded(seed)
        auditor = SigningKey(random(32))
        place = Place(
            settings=Settings(VAULT, URL, auditor.public),
            database=(folder or Path()) / "vault.db",
            database_key=Secret(random(32)),
            vault_key=SigningKey(random(32)),
            log_key=SigningKey(random(32)),
        )
        self.time = month_begins(JAN, DEFAULT_ZONE) + 8 * 3600
        path = place.database if folder else None
        self.database = SqlCipher(path, place.database_key, schemas())
        self.app = make_app(
            place, self.database, lambda: self.time, wall_clock, random=Seeded(seed + b"vault")
        )
        self.client = Inside(self.app, base_url=URL)
        # demo-1 has no bounds and no caps: stories ride what they like.
        super().__init__(
            place, auditor, JAN, self.client, lambda: self.time, random, folder, "demo-1"
        )
        self.sources: dict[str, Source] = {}
        self.receipts = 0

    def __enter__(self) -> Self:
        self.client.__enter__()
        self.publish()
        self.sources = {name: self.source(name) for name in SOURCES}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.__exit__(kind, error, trace)
        self.close()

    def move(self, month: Month, day: int = 2, hour: int = 9) -> None:
        """Move the clock; the auditor publishes a fresh directory for the month."""
        before = self.directory().listing.iat
        self.time = month_begins(month, DEFAULT_ZONE) + (day - 1) * 86400 + hour * 3600
        if self.time - before > 20 * 86400:
            self.publish()
        for source in self.sources.values():
            source.directory = self.directory()

    def person(self, name: str, *sources: str) -> Person:
        """Return a holder with an account and a link to each of these sources."""
        root = Root(self.random(20))
        person = Person(name, root, self.holder(root))
        person.holder.open_account()
        for source in sources:
            self.link(person, source)
        return person

    def link(self, person: Person, name: str) -> LinkStart:
        """Link a holder to a source: offer, start, accept, attach, check."""
        source = self.sources[name]
        nonce = source.offer(person.name)
        start = person.holder.start_link(name, nonce)
        person.holder.attach(start, source.accept(person.name, nonce, start.code))
        source.check_attached()
        person.links[name] = start.link
        return start

    def ride(self, person: Person, name: str, *metres: int) -> list[Booked]:
        """Book rides of so many metres for the person, starting now."""
        return self.sources[name].book(person.name, [self.booking(name, m) for m in metres])

    def booking(self, name: str, metres: int) -> Booking:
        """Return a ride of so many metres that starts now, its receipt fresh and guessable."""
        self.receipts += 1
        seconds = max(60, metres // 5)
        act = Act(
            "travel.bike", {"m": metres, "s": seconds}, self.time, self.time + seconds, "CN-ZJ-HZ"
        )
        return Booking(act, f"R-{self.receipts:08d}", name, guessable=True)

    def allow_booking_for(self, source: str, operator: str) -> None:
        """Let the directory say that a source may book for another operator."""
        self.books_for[source] = (operator,)
        self.publish()
        for each in self.sources.values():
            each.directory = self.directory()

    def auditor_with(self, seen: dict[int, str]) -> Auditor:
        """Return the auditor who remembers whose texts earlier audits saw."""
        key = self.cast.auditor
        return Auditor(key, self.wire(key), self.policy, seen)

    def close_month(self, month: Month) -> None:
        """Send what is booked, move into the next month, close at both sources."""
        for source in self.sources.values():
            source.send_batches()
        self.move(add_months(month, 1))
        for source in self.sources.values():
            source.close(month)

    def allow(self, person: Person, platform: str, **changed: object) -> Grant:
        """Let the person allow a platform (see terms) and make the tokens that are due."""
        grant = person.holder.allow(terms(platform, **changed), "en")
        person.holder.mint(grant)
        return grant


def terms(platform: str, **changed: object) -> Terms:
    """Return the demonstration's terms for a platform, changed; `until` follows `last`."""
    found = {**dict(terms_of(platform)), **changed}
    if "last" in changed and "until" not in changed:
        found["until"] = latest_until(Month(str(changed["last"])), DEFAULT_ZONE)
    return Terms.model_validate(found)


TRAVEL = Category.TRAVEL
