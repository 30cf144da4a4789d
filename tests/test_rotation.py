"""A platform renews its keys: what was sealed to the old key opens, nothing new goes to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consent import accredit
from consent.accredit import Keys, Register
from consent.demo.cast import CITY, compose
from consent.messages import Terms
from consent.platform import Identity, Platform
from tests.world import EAST, FEB, JAN, MAR, WEST, World, terms
from vault.crypto.keys import OpeningKey, SigningKey
from vault.encoding import text_hash
from vault.errors import BadTotal, UnknownKey
from vault.months import Month

OVERLAP = 20 * 86400
NEW = (SigningKey(bytes([7]) * 32), OpeningKey(bytes([8]) * 32))


@pytest.fixture
def world() -> Iterator[RenewedWorld]:
    with RenewedWorld() as world:
        yield world


class RenewedWorld(World):
    """A world whose auditor gives the city new keys when it is told to."""

    renewed: int | None = None

    def publish(self) -> str:
        listing = compose(self.cast, self.edition())
        if self.renewed is not None:
            register = Register(demo=True, parties=listing.entries)
            keys = Keys(NEW[0].public, NEW[1].public)
            changed = accredit.rotate_keys(register, CITY, keys, self.renewed, OVERLAP)
            listing = listing.model_copy(update={"entries": changed.parties})
        text = self.auditor().publish(listing)
        self._version, self._prev = self._version + 1, text_hash(text)
        return text

    def renew(self) -> None:
        """Let the next directory list the city's new keys beside the old ones."""
        self.renewed = self.time
        self.publish()

    def city(self, *opening: OpeningKey, key: SigningKey | None = None) -> Platform:
        """The city with these opening keys, speaking with the old or the new key."""
        signing = key or self.cast.actors[CITY].key
        identity = Identity(CITY, signing, opening)
        return Platform(identity, self.wire(signing), self.policy, self.now)


def test_a_rotated_sealing_key_loses_no_window(world: RenewedWorld) -> None:
    ann = world.person("ann", EAST, WEST)
    old = world.cast.actors[CITY].opening
    grant = ann.holder.allow(_terms(JAN, FEB), "en")
    assert ann.holder.mint(grant) == [(JAN,), (FEB,)]  # ahead of the rotation, to the old key
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    world.renew()
    ann.holder.refresh()
    later = ann.holder.allow(_terms(MAR, MAR), "en")
    assert ann.holder.mint(later) == [(MAR,)]  # to the new one
    for month in (FEB, MAR):
        world.ride(ann, WEST, 5_000)
        world.close_month(month)
    both = world.city(NEW[1], old, key=NEW[0])
    links = ann.holder.open_links()
    for given, month in ((grant, JAN), (grant, FEB), (later, MAR)):
        own = ann.holder.own_total(given, (month,), links)
        assert both.total(given.grant, (month,)).grams == own > 0
    with pytest.raises(BadTotal, match="does not open"):
        world.city(NEW[1], key=NEW[0]).total(grant.grant, (FEB,))  # the old key was thrown away
    with pytest.raises(BadTotal, match="does not open"):
        world.city(old, key=NEW[0]).total(later.grant, (MAR,))  # sealed to the new key only
    assert world.auditor().audit().findings == []


def test_the_old_signing_key_speaks_during_the_overlap_and_not_after(world: RenewedWorld) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    world.renew()
    old = world.cast.actors[CITY].opening
    assert world.city(NEW[1], old).total(grant.grant, (JAN,)).grams == 243
    world.time += OVERLAP
    with pytest.raises(UnknownKey):
        world.city(NEW[1], old).total(grant.grant, (JAN,))
    assert world.city(NEW[1], old, key=NEW[0]).total(grant.grant, (JAN,)).grams == 243


def test_a_window_of_an_old_token_can_be_made_again_for_the_new_key(world: RenewedWorld) -> None:
    """A platform that lost its old opening key asks the person once more; the total is the same."""
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    world.renew()
    ann.holder.refresh()
    city = world.city(NEW[1], key=NEW[0])
    with pytest.raises(BadTotal):
        city.total(grant.grant, (JAN,))
    ann.holder.stop(grant)
    again = world.allow(ann, CITY)
    assert city.total(again.grant, (JAN,)).grams == 243


def _terms(first: Month, last: Month) -> Terms:
    return terms(CITY, first=first, last=last)
