"""A real vault for the web app's tests: a server on localhost, and everything a screen can show.

    with Town(folder) as town:
        tell(town)                    five months of one person's life, from January to May 2026
        town.people["ann"].root       what opens her vault; lee has long names; eve has nothing yet

Sources and platforms are played by the Python SDKs, the clock is moved by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from consent import accredit
from consent.asking import Pushed, Wanted
from consent.demo.cast import BANK, CITY, Actor, compose
from consent.demo.stage import Stage
from consent.holder import Holder
from consent.messages import Grant, Terms
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, terms
from vault.compose import Booking
from vault.crypto.keys import ROOT_SIZE, OpeningKey, Root, SigningKey
from vault.directory import FIRST_PREV
from vault.encoding import text_hash
from vault.errors import Locale
from vault.messages import Party
from vault.methodology.quantify import Act
from vault.months import DEFAULT_ZONE, Category, Month, month_begins
from vault.source import Source

MAY, JUN = Month("2026-05"), Month("2026-06")
SHOP, WORK = "shop.demo", "work.demo"
LONG_BANK = "harbour-district-residents-low-carbon-savings-cooperative.demo"
LONG_SOURCE = "harbour-district-shared-bicycles-and-electric-scooters.demo"
_LONG = (
    "The Harbour District Residents' Low-Carbon Everyday {} and Savings Society of the Old Town, "
    "the New Town and the Islands · 港湾片区老城、新城及诸岛居民绿色低碳日常出行互助合作储蓄社{}"
)
ROLES = {
    SHOP: ("platform", "shop"),
    WORK: ("platform", "employer"),
    LONG_BANK: ("platform", "bank"),
    LONG_SOURCE: ("source",),
}
NAMES = {
    SHOP: "Corner Shop · 街角便利店",
    WORK: "Example Works · 示例工厂",
    LONG_BANK: _LONG.format("Mobility Cooperative", "（合作银行）"),
    LONG_SOURCE: _LONG.format("Bicycle Sharing", "（共享单车）"),
}
LONGEST = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch"
REASONS: dict[Locale, str] = {"zh-CN": "用于向您发放积分", "en": "to give you points"}
PLACES = ("Harbour Gate · 港湾门", "Museum · 博物馆")
DAY, HOUR = 86400, 3600


@dataclass
class Person:
    """Somebody with a vault: what opens it, and what a Python device of theirs would do."""

    name: str
    root: Root
    holder: Holder
    code: str
    links: dict[str, bytes] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    waiting: str = ""


class Town(Stage):
    """A running vault, four sources' and platforms' worth of parties, and who lives there."""

    def __init__(self, folder: Path, release: str = "2026-1") -> None:
        """Make keys and clock at the beginning of January 2026; nothing runs yet."""
        super().__init__(folder, JAN, release=release)
        self._demo, self._listed = dict(self.cast.actors), (0, FIRST_PREV)
        for name in ROLES:
            self.cast.actors[name] = Actor(
                name, SigningKey(self.random(32)), OpeningKey(os.urandom(32))
            )
        self.people: dict[str, Person] = {}
        self.sources: dict[str, Source] = {}
        self._receipts = 0

    def publish(self) -> str:
        """Let the auditor list the demonstration's parties and those of these tests."""
        known = replace(self.cast, actors=self._demo)
        edition = replace(self.edition(), version=self._listed[0] + 1, prev=self._listed[1])
        first = compose(known, edition)
        own = [self._party(name, edition.start) for name in ROLES]
        register = accredit.Register(
            demo=True, log=first.log, releases=first.releases, parties=(*first.entries, *own)
        )
        issue = accredit.Issue(first.version, first.prev, first.iat, first.expires)
        keys = {year: self.cast.year_key(year) for year in edition.years}
        text = self.auditor().publish(accredit.compose(register, issue, keys))
        self._listed = (first.version, text_hash(text))
        return text

    def _party(self, name: str, start: int) -> Party:
        actor, source = self.cast.actors[name], "source" in ROLES[name]
        return Party(
            id=name,
            org=name,
            name=NAMES[name],
            roles=ROLES[name],
            cadence="monthly" if source else None,
            redirects=None if source else (f"https://{name}/back",),
            contact=f"privacy@{name}",
            sig=accredit.key_times(actor.key.public, start),
            hpke=accredit.key_times(actor.opening.public, start),
        )

    @property
    def names(self) -> list[str]:
        """What the directory calls people's partners, as it is shown in both languages."""
        return [party.name for party in self.directory().listing.entries]

    # Time

    def go(self, month: Month, day: int = 2, hour: int = 9) -> None:
        """Move the clock; the auditor lists anew, and the sources go by that."""
        self.move(month, day=day, hour=hour)
        self.publish()
        for source in self.sources.values():
            source.directory = self.directory()

    def end(self, month: Month, following: Month, without: Iterable[str] = ()) -> None:
        """Let a month end: what is booked is sent, and the sources close, all but some."""
        self.move(month, day=28, hour=20)
        for source in self.sources.values():
            source.check_attached()
            source.send_batches()
        self.go(following)
        for name, source in self.sources.items():
            if name not in without:
                source.close(month)

    # People

    def person(self, name: str, *sources: str) -> Person:
        """Return somebody new, with a vault, a recovery code and links."""
        root = Root(os.urandom(ROOT_SIZE))
        holder = self.holder(root)
        holder.open_account()
        self.people[name] = found = Person(name, root, holder, holder.add_code())
        for source in sources:
            self.link(found, source)
        return found

    def link(self, person: Person, name: str) -> None:
        """Link a person to a source, all at once."""
        source = self.sources[name]
        start = person.holder.start_link(name, nonce := source.offer(person.name))
        person.holder.attach(start, source.accept(person.name, nonce, start.code))
        source.check_attached()
        person.links[name] = start.link

    def book(
        self,
        person: Person,
        source: str,
        behaviour: str,
        activity: Mapping[str, int],
        day: int,
        *,
        region: str = "CN-BJ",
        places: tuple[str, str] = PLACES,
        operator: str = "",
        receipt: str = "",
    ) -> str:
        """Book one act on a day of the running month; return its receipt."""
        self._receipts += 1
        receipt = receipt or f"R-{self._receipts:08d}-{os.urandom(8).hex()}"
        running = self.directory().month_at(self.now())
        begin = month_begins(running, DEFAULT_ZONE) + day * DAY + (8 + day % 9) * HOUR
        act = Act(behaviour, activity, begin, begin + activity.get("s", 0), region, "E4")
        detail = {"from": places[0], "to": places[1]}
        booking = Booking(act, receipt, operator or source, guessable=False, detail=detail)
        [booked] = self.sources[source].book(person.name, [booking])
        assert booked.outcome == "booked", booked
        return receipt

    def ask(self, platform: str, wanted: Wanted) -> Pushed:
        """Let a platform push a request."""
        return self.platform(platform).ask(wanted)


def wanted(template: str, first: Month, last: Month, **changed: object) -> Wanted:
    """Return what a platform asks for, as its template bounds it, changed."""
    found = Wanted.under(template, first, last, REASONS["zh-CN"], REASONS["en"])
    if "required" in changed:
        items = [*found.reasons, *map(str, changed["required"])]  # type: ignore[call-overload]
        changed = {"reasons": dict.fromkeys(items, REASONS), **changed}
    return replace(found, **changed)  # type: ignore[arg-type]


# The story that every screen tells a part of


def tell(town: Town) -> None:
    """Play January to April 2026; it is the second of May when this returns."""
    town.move(JAN, day=2, hour=9)
    town.publish()
    town.books_for[WEST] = (EAST,)
    town.sources = {name: town.source(name) for name in (EAST, WEST, LONG_SOURCE)}
    ann, lee = town.person("ann", EAST, WEST), town.person("lee", LONG_SOURCE)
    town.person("eve")
    _first_grants(town, ann)
    _january(town, ann, lee)
    town.end(JAN, FEB)
    _february(town, ann, lee)
    town.end(FEB, MAR)
    _ride(town, ann, lee, 7)
    town.end(MAR, APR)
    _ride(town, ann, lee, 5)
    town.end(APR, MAY, without=[WEST])
    for person in (ann, lee):
        person.holder.refresh()
    _uses(town, ann, lee)
    _ends(town, ann)
    _requests(town, ann, lee)
    _ride(town, ann, lee, 1)
    for source in town.sources.values():
        source.send_batches()


def _allow(person: Person, name: str, agreed: Terms, locale: Locale, ahead: int = 6) -> None:
    grant = person.holder.allow(agreed, locale)
    person.grants[name] = grant
    person.holder.mint(grant, ahead)


def _first_grants(town: Town, ann: Person) -> None:
    card = {"template": "CARD-POINTS", "purposes": ("PersonalisedBenefits",), "step": 1}
    card |= {"categories": (int(Category.TRAVEL),), "show_sources": False, "data_life_days": 30}
    _allow(ann, "bank", terms(BANK), "en")
    _allow(ann, "over", terms(SHOP, **card, last=JAN), "zh-CN")
    _allow(ann, "old", terms(CITY, last=JUN), "zh-CN", ahead=1)
    work = {**card, "template": "EMPLOYER-CHALLENGE"}
    _allow(ann, "work", terms(WORK, **work, last=APR), "en")


def _january(town: Town, ann: Person, lee: Person) -> None:
    town.move(JAN, day=27, hour=20)
    for day in range(3, 12):
        town.book(ann, EAST, "travel.bike", {"m": 3_000 + 400 * day, "s": 1_200}, day)
        town.book(
            lee, LONG_SOURCE, "travel.bike", {"m": 2_500, "s": 900}, day, places=(LONGEST,) * 2
        )
    for n in range(4):  # the cap of the day: 1,500 g
        town.book(ann, EAST, "travel.bike", {"m": 15_000 + n, "s": 3_000}, 14 + (n == 3))
    town.book(ann, WEST, "travel.metro", {"m": 18_000, "s": 2_400}, 16)
    town.book(ann, WEST, "food.no_cutlery", {"count": 1}, 17)
    town.book(ann, WEST, "use.own_cup", {"count": 2}, 18)
    town.book(ann, WEST, "travel.bike", {"m": 4_000, "s": 900}, 19, region="DE-BE")
    for source in town.sources.values():
        source.send_batches()


def _february(town: Town, ann: Person, lee: Person) -> None:
    _ride(town, ann, lee, 9)
    wrong = town.book(ann, EAST, "travel.bike", {"m": 9_000, "s": 1_800}, 12)
    twice = town.book(ann, EAST, "travel.bike", {"m": 6_000, "s": 1_300}, 13)
    town.sources[EAST].send_batches()
    town.sources[EAST].take_back(EAST, f"{wrong}-credit", wrong)
    act = {"m": 6_000, "s": 1_300}
    town.book(ann, WEST, "travel.bike", act, 13, operator=EAST, receipt=twice)


def _ride(town: Town, ann: Person, lee: Person, rides: int) -> None:
    if town.directory().month_at(town.now()) != MAY:
        town.move(town.directory().month_at(town.now()), day=27, hour=20)
    for day in range(rides):
        town.book(ann, EAST, "travel.bike", {"m": 4_200 + 100 * day, "s": 1_300}, day + 1)
        town.book(ann, WEST, "food.no_cutlery", {"count": 1}, day + 1)
        town.book(lee, LONG_SOURCE, "travel.bike", {"m": 2_600, "s": 900}, day + 1)


def _uses(town: Town, ann: Person, lee: Person) -> None:
    town.platform(BANK).total(ann.grants["bank"].grant, (JAN, FEB, MAR))
    for month in (JAN, FEB):
        town.platform(CITY).total(ann.grants["old"].grant, (month,))
    town.platform(WORK).total(ann.grants["work"].grant, (JAN,))
    _allow(lee, "long", terms(BANK).model_copy(update={"platform": LONG_BANK}), "en")
    town.platform(LONG_BANK).total(lee.grants["long"].grant, (JAN, FEB, MAR))


def _ends(town: Town, ann: Person) -> None:
    ann.holder.stop(ann.grants["work"])
    ann.holder.ask_deletion(ann.grants["work"])
    travel = (int(Category.TRAVEL), int(Category.FOOD))
    asked = wanted("CITY-REWARD", MAR, JUN, required=travel, replaces=ann.grants["old"].grant)
    opened = ann.holder.open_request(town.ask(CITY, asked).code)
    new = ann.holder.accept_request(opened, (), "zh-CN").grant
    assert new
    ann.grants["city"] = new
    ann.holder.mint(new, 2)
    town.platform(CITY).total(new.grant, (MAR,))
    shop = wanted("CARD-POINTS", FEB, JUN, required=(int(Category.TRAVEL),))
    given = ann.holder.accept_request(ann.holder.open_request(town.ask(SHOP, shop).code), (), "en")
    assert given.grant
    ann.grants["shop"] = given.grant
    ann.holder.mint(given.grant, 1)
    ann.holder.pause(given.grant)


def _requests(town: Town, ann: Person, lee: Person) -> None:
    points = wanted("CARD-POINTS", APR, JUN, required=(int(Category.TRAVEL),))
    no = ann.holder.open_request(town.ask(BANK, points).code)
    ann.holder.decline_request(no)
    boxes = replace(points, optional=(int(Category.FOOD),), redirect_uri=f"https://{BANK}/back")
    ann.waiting = ann.holder.open_request(town.ask(BANK, boxes).code).handle
    words: dict[Locale, str] = {"zh-CN": "为了" + "非常长的理由，" * 24, "en": LONGEST * 3}
    long = replace(points, optional=(int(Category.FOOD),), reasons={"purpose": words, "4": words})
    lee.waiting = lee.holder.open_request(town.ask(LONG_BANK, long).code).handle
