"""The parties of a demonstration and the directory that lists them (protocol section 4).

    cast = make_cast(vault_key.public, auditor_key, os.urandom)
    listing = compose(cast, Edition(version=1, prev=FIRST_PREV, now=…, log=…, releases=…))

All names end in ``.demo``, and every directory made here says ``"demo": true``: real clients refuse
it unless asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from consent import accredit
from vault.crypto.keys import OpeningKey, SigningKey, kdf
from vault.messages import Listing, LogEntry, Party, ReleaseEntry
from vault.months import DEFAULT_ZONE

VAULT = "vault.demo"
AUDITOR = "audit.demo"
SOURCES = ("east-bikes.demo", "west-bikes.demo")
BANK = "bank.demo"
CITY = "city.demo"

_NAMES = {
    AUDITOR: "Demo auditor · 演示审计方",
    SOURCES[0]: "East Bikes · 城东单车",
    SOURCES[1]: "West Bikes · 城西单车",
    BANK: "Demo Bank · 演示银行",
    CITY: "Demo City low-carbon programme · 演示市低碳计划",
}
_REDIRECTS = {BANK: ("https://bank.demo/back",), CITY: ("https://city.demo/back",)}
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

    def year_key(self, year: int) -> bytes:
        """Return K_net of a year, 32 bytes."""
        return kdf(self.year_secret, b"demo/knet" + str(year).encode("ascii"), 32)


@dataclass(frozen=True)
class Edition:
    """What differs from one directory to the next; `now` and `start` are unix seconds.

    `redirects` are pages of parties on this machine, listed beside those that they always have.
    """

    version: int
    prev: bytes
    now: int
    start: int
    log: LogEntry
    releases: tuple[ReleaseEntry, ...]
    years: tuple[int, ...]
    books_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    redirects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    demo: bool = True


def make_cast(vault_public: bytes, auditor: SigningKey, random: Callable[[int], bytes]) -> Cast:
    """Return fresh keys for every party; `vault_public` is the vault's signing key."""
    actors = {name: Actor(name, SigningKey(random(32)), OpeningKey(random(32))) for name in _ROLES}
    actors[AUDITOR] = replace(actors[AUDITOR], key=auditor)
    return Cast(vault_public, actors, random(32))


def compose(cast: Cast, edition: Edition) -> Listing:
    """Return the next directory, unsigned."""
    vault = Party(
        id=VAULT,
        org=VAULT,
        name="Demo vault · 演示保管库",
        roles=("vault",),
        contact=f"privacy@{VAULT}",
        sig=accredit.key_times(cast.vault_public, edition.start),
        hpke=(),
    )
    register = accredit.Register(
        demo=edition.demo,
        zone=DEFAULT_ZONE,
        log=edition.log,
        releases=edition.releases,
        parties=(vault, *(_party(actor, edition) for actor in cast.actors.values())),
    )
    issue = accredit.Issue(
        version=edition.version,
        prev=edition.prev,
        now=edition.now,
        expires=edition.now + accredit.DIRECTORY_LIFE,
    )
    return accredit.compose(register, issue, {year: cast.year_key(year) for year in edition.years})


def _party(actor: Actor, edition: Edition) -> Party:
    return Party(
        id=actor.id,
        org=actor.id,
        name=_NAMES[actor.id],
        roles=_ROLES[actor.id],
        cadence="monthly" if actor.id in SOURCES else None,
        books_for=edition.books_for.get(actor.id),
        redirects=(*_REDIRECTS.get(actor.id, ()), *edition.redirects.get(actor.id, ())) or None,
        contact=f"privacy@{actor.id}",
        sig=accredit.key_times(actor.key.public, edition.start),
        hpke=accredit.key_times(actor.opening.public, edition.start),
    )
