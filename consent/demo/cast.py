"""The parties of a demonstration and the directory that lists them (protocol section 4).

    cast = make_cast(vault_key.public, auditor_key, os.urandom)
    listing = compose(cast, Edition(version=1, prev=FIRST_PREV, now=…, log=…, releases=…))

All names end in ``.demo``, and every directory made here says ``"demo": true``: real clients refuse
it unless asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from vault.crypto.keys import OpeningKey, SigningKey, kdf
from vault.crypto.seal import seal
from vault.directory import year_key_info
from vault.messages import KeyTime, Listing, LogEntry, Party, ReleaseEntry, YearKey
from vault.months import DEFAULT_ZONE

VAULT = "vault.demo"
AUDITOR = "audit.demo"
SOURCES = ("east-bikes.demo", "west-bikes.demo")
BANK = "bank.demo"
CITY = "city.demo"
KEY_LIFE = 2 * 366 * 86400
DIRECTORY_LIFE = 40 * 86400

_NAMES = {
    AUDITOR: "Demo auditor · 演示审计方",
    SOURCES[0]: "East Bikes · 城东单车",
    SOURCES[1]: "West Bikes · 城西单车",
    BANK: "Demo Bank · 演示银行",
    CITY: "Demo City low-carbon programme · 演示市低碳计划",
}
_ROLES = {
    AUDITOR: ("auditor",),
    SOURCES[0]: ("source",),
    SOURCES[1]: ("source",),
    BANK: ("platform", "bank"),
    CITY: ("platform", "city"),
}


@dataclass(frozen=True)
class Actor:
    """One party with its secret keys; in a demonstration one program plays them all."""

    id: str
    key: SigningKey
    opening: OpeningKey


@dataclass(frozen=True)
class Cast:
    """Everybody but the holders; `year_secret` gives K_net of a year (32 bytes)."""

    vault_public: bytes
    actors: dict[str, Actor]
    year_secret: bytes

    @property
    def auditor(self) -> SigningKey:
        """The key that signs directories."""
        return self.actors[AUDITOR].key


@dataclass(frozen=True)
class Edition:
    """What differs from one directory to the next; `now` and `start` are unix seconds."""

    version: int
    prev: bytes
    now: int
    start: int
    log: LogEntry
    releases: tuple[ReleaseEntry, ...]
    years: tuple[int, ...]
    books_for: Mapping[str, tuple[str, ...]]
    demo: bool = True


def make_cast(vault_public: bytes, auditor: SigningKey, random: Callable[[int], bytes]) -> Cast:
    """Return fresh keys for every party; `vault_public` is the vault's signing key."""
    actors = {name: Actor(name, SigningKey(random(32)), OpeningKey(random(32))) for name in _ROLES}
    actors[AUDITOR] = replace(actors[AUDITOR], key=auditor)
    return Cast(vault_public, actors, random(32))


def compose(cast: Cast, edition: Edition) -> Listing:
    """Return the next directory, unsigned."""
    begins, until = edition.start, edition.start + KEY_LIFE
    vault = Party(
        id=VAULT,
        org=VAULT,
        name="Demo vault · 演示保管库",
        roles=("vault",),
        sig=(KeyTime(pk=cast.vault_public, begins=begins, until=until),),
        hpke=(),
    )
    return Listing(
        iat=edition.now,
        version=edition.version,
        prev=edition.prev,
        expires=edition.now + DIRECTORY_LIFE,
        next=None,
        demo=edition.demo,
        zone=DEFAULT_ZONE,
        vault=VAULT,
        log=edition.log,
        releases=edition.releases,
        entries=(vault, *(_party(actor, edition) for actor in cast.actors.values())),
        knet=tuple(_year_key(cast, y, source) for y in edition.years for source in SOURCES),
    )


def _party(actor: Actor, edition: Edition) -> Party:
    begins, until = edition.start, edition.start + KEY_LIFE
    return Party(
        id=actor.id,
        org=actor.id,
        name=_NAMES[actor.id],
        roles=_ROLES[actor.id],
        cadence="monthly" if actor.id in SOURCES else None,
        books_for=edition.books_for.get(actor.id),
        sig=(KeyTime(pk=actor.key.public, begins=begins, until=until),),
        hpke=(KeyTime(pk=actor.opening.public, begins=begins, until=until),),
    )


def _year_key(cast: Cast, year: int, source: str) -> YearKey:
    secret = kdf(cast.year_secret, b"demo/knet" + str(year).encode("ascii"), 32)
    public = cast.actors[source].opening.public
    return YearKey(
        year=year, source=source, sealed=seal(public, secret, year_key_info(year, source))
    )
