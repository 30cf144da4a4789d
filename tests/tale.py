"""One long tale of everything that a log can hold, told by honest actors; and its entries.

Four people, two sources, two platforms, January to May 2026. Eve is the vault operator's own
puppet: the operator knows her root, as it knows the vault's key. Dan leaves in March.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from consent.demo.cast import AUDITOR, BANK, CITY, VAULT, compose
from consent.messages import Grant
from consent.policy import Policy
from tests.site_files import put_site
from tests.town import wanted
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, Person, Seeded, World, terms
from vault import journal
from vault.crypto.keys import SigningKey
from vault.encoding import text_hash
from vault.errors import Conflict, NotFound, Refused
from vault.messages import KeyTime, Listing, Party
from vault.months import DEFAULT_ZONE, Month, Window, month_begins

MAY, JUN = Month("2026-05"), Month("2026-06")
QUARTER: Window = (JAN, FEB, MAR)
SOUTH, VAULT_2 = "south-bikes.demo", "second-vault.demo"
OLD_VAULT, SECOND_VAULT, SOUTH_KEY, EAST_2, AUDITOR_2 = (
    SigningKey(bytes([n]) * 32) for n in range(0x31, 0x36)
)
FIRST_AUDITOR = SigningKey(Seeded(b"tale")(32))
START = month_begins(JAN, DEFAULT_ZONE)


@dataclass(frozen=True)
class Line:
    """One entry of a log; `gone` is the hash of the erase that covers it: it is not served."""

    at: int
    text: str
    gone: bytes = b""


class Tale(World):
    """The world of the tale: its directories list a little more than the demonstration's."""

    def __init__(self) -> None:
        super().__init__(seed=b"tale")
        self.next_auditor: bytes | None = None
        self.east_since: int | None = None
        self.lines: list[Line] = []

    def publish(self) -> str:
        """Let the auditor sign, post and log the next directory; return its text."""
        text = self.auditor().publish(self._amended(compose(self.cast, self.edition())))
        self._version, self._prev = self._version + 1, text_hash(text)
        return text

    def _amended(self, listing: Listing) -> Listing:
        parties = {party.id: party for party in listing.entries}
        parties[VAULT] = with_key(parties[VAULT], OLD_VAULT.public, START - 1000, START)
        parties[VAULT_2] = party_of(VAULT_2, VAULT_2, ("vault",), SECOND_VAULT.public)
        parties[SOUTH] = party_of(SOUTH, CITY, ("source",), SOUTH_KEY.public)
        if self.east_since is not None:
            old = self.cast.actors[EAST].key.public
            fresh = KeyTime(pk=EAST_2.public, begins=self.east_since, until=START * 2)
            ended = KeyTime(pk=old, begins=START, until=self.east_since)
            parties[EAST] = parties[EAST].model_copy(update={"sig": (ended, fresh)})
        parties[AUDITOR] = party_of(AUDITOR, AUDITOR, ("auditor",), FIRST_AUDITOR.public)
        if AUDITOR_2.public in (self.next_auditor, self.cast.auditor.public):
            parties[AUDITOR] = with_key(parties[AUDITOR], AUDITOR_2.public, START, START * 2)
        update = {"entries": tuple(parties.values()), "next": self.next_auditor}
        return listing.model_copy(update=update)

    def turn_east_key(self) -> None:
        """Let East Bikes sign with a new key from now on."""
        self.east_since = self.time
        self.publish()
        east = self.sources[EAST]
        east.identity = replace(east.identity, key=EAST_2)
        east._wire = self.wire(EAST_2)
        east._delivery._wire = east._wire
        east.directory = self.directory()

    def turn_auditor_key(self) -> None:
        """Let the auditor name its next key, and sign with it."""
        self.next_auditor = AUDITOR_2.public
        self.publish()
        self.next_auditor = None
        self.cast.actors[AUDITOR] = replace(self.cast.actors[AUDITOR], key=AUDITOR_2)
        self.policy = Policy(AUDITOR_2.public, self.log_vkey, demo=True)
        self.publish()

    def spoil(self, person: Person, source: str) -> None:
        """Let a source close a link of the person with cells that they cannot open."""
        self.sources[source]._outbox.write(
            lambda tx: tx.run("UPDATE links SET k = ? WHERE customer = ?", b"x" * 32, person.name)
        )

    def record(self, gone: bytes = b"") -> None:
        """Take down what the log holds by now; lines it no longer serves stay, as `gone`."""
        rows = self.database.read(lambda tx: journal.entries_from(tx, 0, 100_000))
        served = {row.position or 0: Line(row.at, row.text) for row in rows}
        kept = [
            served.get(i, line if line.gone else replace(line, gone=gone))
            for i, line in enumerate(self.lines)
        ]
        self.lines = kept + [served[i] for i in range(len(kept), max(served, default=-1) + 1)]


def party_of(name: str, org: str, roles: tuple[str, ...], pk: bytes) -> Party:
    """Return a party with one signing key."""
    key = KeyTime(pk=pk, begins=START, until=START * 2)
    return Party(id=name, org=org, name=name, roles=roles, sig=(key,), hpke=())


def with_key(party: Party, pk: bytes, begins: int, until: int) -> Party:
    """Return the party with one more signing key."""
    return party.model_copy(
        update={"sig": (*party.sig, KeyTime(pk=pk, begins=begins, until=until))}
    )


@dataclass(frozen=True)
class Told:
    """The honest log, and who is in it."""

    lines: tuple[Line, ...]
    world: Tale
    people: dict[str, Person]


def tell() -> Told:
    """Return the tale once told."""
    with Tale() as world:
        people = {
            name: world.person(name, *sources)
            for name, sources in {
                "ann": (EAST, WEST),
                "bob": (EAST, WEST),
                "dan": (EAST,),
                "eve": (EAST, WEST),
            }.items()
        }
        _january(world, people)
        put_site(world)
        _february(world, people)
        _march(world, people)
        _april_and_may(world, people)
        world.record()
        return Told(tuple(world.lines), world, people)


def _january(world: Tale, people: dict[str, Person]) -> None:
    _decide(world, people["ann"], people["bob"])
    for person in people.values():
        if person.name != "ann":
            world.allow(person, CITY, last=MAY)
        for source in person.links:
            world.ride(person, source, 5_000, 7_000)
    for name in ("ann", "eve"):
        world.allow(people[name], BANK, first=JAN, last=JUN)
    _send(world)
    world.spoil(people["bob"], WEST)


def _decide(world: Tale, ann: Person, bob: Person) -> None:
    """Let the city ask three times: Ann allows it, Bob says no, and nobody answers the third."""
    city = world.platform(CITY)
    yes, no, _ = (city.ask(wanted(CITY, first=JAN, optional=()), world.random) for _ in range(3))
    decided = ann.holder.accept_request(ann.holder.open_request(yes.code), (), "en")
    assert decided.grant
    ann.holder.mint(decided.grant)
    bob.holder.decline_request(bob.holder.open_request(no.code))


def _february(world: Tale, people: dict[str, Person]) -> None:
    ann, bob, eve = people["ann"], people["bob"], people["eve"]
    world.close_month(JAN)
    _ask(world, ann, CITY, (JAN,))
    _ask(world, eve, CITY, (JAN,))
    grant = _grant(bob, CITY)
    bad = next(c for c in world.sources[WEST].closes() if c.link == bob.links[WEST])
    bob.holder.refresh()
    bob.holder.reject(bad.link, bad.text)
    bob.holder.mint(grant)
    _ask(world, bob, CITY, (JAN,))
    bob.holder.pause(grant)
    _refused(world, bob, CITY, (JAN,))
    bob.holder.resume(grant)
    bob.holder.unlink(bob.links[EAST])
    world.sources[WEST].unlink("eve")
    world.link(eve, WEST)
    world.move(FEB, day=20)
    world.turn_east_key()
    for person in (ann, eve):
        for source in (EAST, WEST):
            world.ride(person, source, 9_000)
    _send(world)


def _march(world: Tale, people: dict[str, Person]) -> None:
    ann, bob, dan, eve = people.values()
    world.move(MAR, day=3)
    world.sources[EAST].close(FEB)  # West sleeps through its slot
    first = _grant(ann, CITY)
    ann.holder.refresh()
    ann.holder.stop(first)
    _refused(world, ann, CITY, (JAN,))
    again = world.allow(ann, CITY, last=MAY)
    world.platform(CITY).total(again.grant, (JAN,))
    eve.holder.refresh()
    changed = terms(BANK, first=JAN, last=JUN, data_life_days=30)
    fresh = eve.holder.allow(changed, "zh-CN", replaces=_grant(eve, BANK))
    eve.holder.mint(fresh)
    _ask(world, dan, CITY, (FEB,))
    bob.holder.refresh()
    bob.holder.pause(_grant(bob, CITY))
    world.record()
    dan.holder.refresh()
    erased = dan.holder.erase()
    world.record(erased.erase)
    with pytest.raises(NotFound):
        world.sources[EAST].send_batches()  # so the source learns


def _april_and_may(world: Tale, people: dict[str, Person]) -> None:
    ann, _, _, eve = people.values()
    world.move(APR, day=3)
    with suppress(Conflict):  # the link that ended in the month West slept through
        world.sources[WEST].close(MAR)
    world.sources[EAST].close(MAR)
    for person in (ann, eve):
        person.holder.refresh()
        for grant in person.holder.grants():
            if grant.state == "live":
                person.holder.mint(grant.grant)
        _ask(world, person, BANK, QUARTER)
        _ask(world, person, CITY, (MAR,))
    world.move(MAY, day=2)
    for source in world.sources.values():
        source.close(APR)
    world.turn_auditor_key()
    for person in (ann, eve):
        _ask(world, person, CITY, (APR,))
    with pytest.raises(Refused):
        world.platform(CITY).total(_grant(ann, CITY).grant, (APR,), "Advertising")


def _send(world: Tale) -> None:
    for source in world.sources.values():
        source.send_batches()


def _grant(person: Person, platform: str) -> Grant:
    own = [g for g in person.holder.grants() if g.grant.platform == platform]
    live = [g.grant for g in own if g.state in ("live", "paused")]
    return (live or [own[-1].grant])[-1]


def _ask(world: Tale, person: Person, platform: str, window: Window) -> None:
    world.platform(platform).total(_grant(person, platform).grant, window)


def _refused(world: Tale, person: Person, platform: str, window: Window) -> None:
    with pytest.raises(Refused):
        _ask(world, person, platform, window)
