"""The scenes of the demonstration, each played by the SDKs over the running server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from consent.demo import cast as parts
from consent.demo.plot import MONTHS, Plot
from consent.demo.stage import Stage
from consent.holder import Holder
from consent.messages import Grant, Terms
from consent.platform import Platform, Total
from consent.records import OwnLink
from consent.templates import latest_until
from vault.compose import Booked, Booking
from vault.crypto.keys import ROOT_SIZE, Root
from vault.errors import BadTotal, Locale
from vault.importers.bikeshare import Trip
from vault.methodology.quantify import gross
from vault.methodology.release import Release
from vault.months import DEFAULT_ZONE, Category, Month, Window, add_months
from vault.source import Source

Sources = Mapping[str, Source]


class Teller(Protocol):
    """Who tells the story while it happens."""

    def scene(self, title: str) -> None:
        """Begin a part of the story."""
        ...

    def say(self, text: str) -> None:
        """Tell one thing."""
        ...

    def work(self, title: str, total: int) -> Callable[[], None]:
        """Begin long work; what is returned is called after each of its `total` parts."""
        ...

    def counted(self, title: str) -> Callable[[int, int], None]:
        """Begin long work whose size shows at its first call (done, of all)."""
        ...


@dataclass
class Person:
    """One holder, who stands for one bicycle, with the grants they gave by platform."""

    bike: str
    root: Root
    holder: Holder
    code: str
    digits: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)


@dataclass
class Counted:
    """What the sources booked; `cut` are the milligrams that a reason took, by reason."""

    credited: int = 0
    mg: int = 0
    zeroed: Counter[str] = field(default_factory=Counter)
    capped: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)

    def add(self, booking: Booking, booked: Booked, release: Release) -> None:
        """Count what became of one booking."""
        mg, reason = booked.credit.mg, booked.credit.reason
        if booked.outcome == "booked" and mg:
            self.credited += 1
            self.mg += mg
        if booked.outcome == "refused":
            self.refused[str(reason)] += 1
        elif booked.outcome != "booked":
            self.zeroed[booked.outcome] += 1
        elif reason is not None:
            (self.capped if mg else self.zeroed)[reason] += 1
        if reason is not None:
            self.cut[reason] += gross(booking.act, release) - mg


@dataclass(frozen=True)
class Asked:
    """What one platform got of one person, and what that person's own records say."""

    total: Total
    own: int


def open_vaults(plot: Plot, stage: Stage, sources: Sources, teller: Teller) -> list[Person]:
    """Return one person per bicycle, each with a vault, a recovery code and a link per source."""
    done = teller.work("vaults and links", len(plot.trips))
    people = []
    for bike in plot.trips:
        root = Root(stage.random(ROOT_SIZE))
        holder = stage.holder(root)
        holder.open_account()
        person = Person(bike, root, holder, holder.add_code())
        for source in sources.values():
            start = holder.start_link(source.identity.id, nonce := source.offer(bike))
            holder.attach(start, source.accept(bike, nonce, start.code))
            person.digits.append(start.digits)
        people.append(person)
        done()
    for source in sources.values():
        source.check_attached()
    return people


def terms_of(platform: str) -> Terms:
    """Return what the bank or the city programme asks for over the three months."""
    bank = platform == parts.BANK
    return Terms(
        platform=platform,
        template="GREEN-LOAN-RATE" if bank else "CITY-REWARD",
        purposes=("PersonalisedBenefits",) if bank else ("PublicBenefit",),
        categories=tuple(int(c) for c in Category) if bank else (int(Category.TRAVEL),),
        step=3 if bank else 1,
        first=MONTHS[0],
        last=MONTHS[-1],
        until=latest_until(MONTHS[-1], DEFAULT_ZONE),
        mode="total",
        show_sources=bank,
        exclusive=False,
        data_life_days=90 if bank else 180,
    )


def allow(people: list[Person], teller: Teller) -> None:
    """Let everybody allow both platforms, and make the tokens of all three months ahead."""
    done = teller.work("grants and tokens", len(people))
    for person in people:
        for platform, locale in LOCALES.items():
            grant = person.holder.allow(terms_of(platform), locale)
            person.grants[platform] = grant
            person.holder.mint(grant)
        done()


LOCALES: dict[str, Locale] = {parts.BANK: "en", parts.CITY: "zh-CN"}


def ride(plot: Plot, stage: Stage, sources: Sources, teller: Teller) -> Counted:
    """Book, batch and close the three months at both sources."""
    counted = Counted()
    for month in MONTHS:
        trips = plot.of_month(month)
        stage.move(month, day=28, hour=20)
        for number, (name, source) in enumerate(sources.items()):
            own = [trip for trip in trips if int(trip.receipt) % len(sources) == number]
            _book(own, name, source, plot.region, counted)
        _send(stage, sources, month, len(plot.trips), teller)
        teller.say(f"{month}: {len(trips)} trips booked, closed at both sources")
    return counted


def _book(trips: list[Trip], name: str, source: Source, region: str, counted: Counted) -> None:
    by_bike: dict[str, list[Booking]] = {}
    for trip in trips:
        # Trip numbers just count up, so no tag may be made from them: guessable.
        booking = Booking(
            trip.act(region), trip.receipt, name, guessable=True, detail=trip.detail()
        )
        by_bike.setdefault(trip.bike, []).append(booking)
    for bike, bookings in by_bike.items():
        for booking, booked in zip(bookings, source.book(bike, bookings), strict=True):
            counted.add(booking, booked, source.release)


def _send(stage: Stage, sources: Sources, month: Month, people: int, teller: Teller) -> None:
    done = teller.work(f"{month}: batches and closes", 2 * people * len(sources))
    for source in sources.values():
        source.tell(done)
        source.send_batches()
    begin_next(stage, sources, month)


def begin_next(stage: Stage, sources: Sources, month: Month) -> None:
    """Let a month end: a fresh directory, and both sources close it."""
    stage.move(add_months(month, 1), day=2, hour=9)
    stage.publish()
    for source in sources.values():
        source.directory = stage.directory()
        source.close(month)


def ask(people: list[Person], stage: Stage, teller: Teller) -> dict[str, list[Asked]]:
    """Let both platforms ask for every window; return what they got, by platform."""
    done = teller.work("totals asked, checked and compared", len(people))
    platforms = {name: stage.platform(name) for name in LOCALES}
    asked: dict[str, list[Asked]] = {name: [] for name in platforms}
    for person in people:
        person.holder.refresh()
        links = person.holder.open_links()
        for name, platform in platforms.items():
            grant = person.grants[name]
            asked[name] += [_ask(person, platform, grant, w, links) for w in grant.windows]
        done()
    return asked


def _ask(
    person: Person, platform: Platform, grant: Grant, window: Window, links: list[OwnLink]
) -> Asked:
    total = platform.total(grant.grant, window, grant.purposes[0])
    own = person.holder.own_total(grant, window, links)
    if total.grams != own:
        raise BadTotal("a platform's total is not the holder's own sum")
    return Asked(total, own)
