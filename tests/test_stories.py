"""Stories: what people can do from beginning to end, over the real app in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consent.demo.cast import BANK, CITY
from consent.holder import recover
from tests.world import EAST, FEB, JAN, MAR, WEST, World, terms
from vault.directory import Directory
from vault.errors import (
    AtomUsed,
    BadMethodology,
    NotClosed,
    NotFound,
    NotMinted,
    Revoked,
    WrongPurpose,
)


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def test_a_quarter_of_rides_becomes_one_number_that_the_holder_can_recompute(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, BANK)
    for month, metres in ((JAN, 12_345), (FEB, 700), (MAR, 4_001)):
        world.ride(ann, EAST, metres)
        world.ride(ann, WEST, metres + 1, metres + 2)
        world.close_month(month)
    total = world.platform(BANK).total(grant.grant, (JAN, FEB, MAR))
    ann.holder.refresh()
    links = ann.holder.open_links()
    milligrams = sum(r.mg for link in links for batch in link.batches for r in batch.records)
    left = sum(sum(link.closes[-1].balances) for link in links)
    assert total.grams == ann.holder.own_total(grant, (JAN, FEB, MAR), links)
    assert total.grams * 1000 + left == milligrams
    assert total.checked == "sources"
    assert world.auditor().audit().findings == []


def test_monthly_windows_are_released_one_by_one(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    city = world.platform(CITY)
    assert city.total(grant.grant, (JAN,)).grams == 243
    assert city.total(grant.grant, (JAN,)).checked == "vault"
    with pytest.raises(NotClosed):
        city.total(grant.grant, (FEB,))


def test_a_window_without_a_token_says_that_the_person_must_open_the_app(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    world.close_month(JAN)
    with pytest.raises(NotMinted):
        world.platform(CITY).total(grant.grant, (JAN,))


def test_after_the_stop_nothing_is_released_and_the_refusal_is_logged(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    city = world.platform(CITY)
    city.total(grant.grant, (JAN,))
    ann.holder.stop(grant)
    for _ in range(2):
        with pytest.raises(Revoked):
            city.total(grant.grant, (JAN,))
    report = world.auditor().audit()
    assert (report.counts["refusal"], report.findings) == (1, [])


def test_the_same_ask_gives_the_same_release_while_the_grant_lives(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    city = world.platform(CITY)
    first, second = (city.total(grant.grant, (JAN,)) for _ in range(2))
    assert first.release == second.release
    assert world.auditor().audit().counts["release"] == 1


def test_a_purpose_that_was_not_agreed_to_is_refused(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.close_month(JAN)
    with pytest.raises(WrongPurpose):
        world.platform(CITY).total(grant.grant, (JAN,), "PersonalisedBenefits")


def test_a_grant_is_nothing_to_another_platform(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.close_month(JAN)
    with pytest.raises(NotFound):
        world.platform(BANK).total(grant.grant, (JAN,))


def test_an_overlapping_window_is_refused_in_the_app_before_anything_is_sent(world: World) -> None:
    ann = world.person("ann", EAST)
    world.allow(ann, CITY)
    second = ann.holder.allow(terms(CITY, first=FEB, last=FEB, categories=(4, 5)), "en")
    before = world.auditor().audit().counts["token"]
    with pytest.raises(AtomUsed):
        ann.holder.mint(second)
    assert world.auditor().audit().counts["token"] == before


def test_free_windows_are_made_although_another_consent_took_one(world: World) -> None:
    ann = world.person("ann", EAST)
    ann.holder.mint(ann.holder.allow(terms(CITY, first=FEB, last=FEB), "en"))
    wider = ann.holder.allow(terms(CITY, categories=(4, 5)), "en")
    before = world.auditor().audit().counts["token"]
    with pytest.raises(AtomUsed, match=f"other totals over part of {FEB}$"):
        ann.holder.mint(wider)
    assert world.auditor().audit().counts["token"] == before + 2
    assert ann.holder.mint_free(wider) == ([], [(FEB,)])


def _unlisted(self: Directory, release_id: str) -> None:
    raise NotFound(f"the directory lists no methodology release {release_id}")


def test_a_record_of_an_unlisted_release_is_told_and_never_hides_its_link(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = world.person("ann", EAST)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    assert len(ann.holder.open_links()) == 1
    monkeypatch.setattr(Directory, "release", _unlisted)
    with pytest.raises(BadMethodology, match="lists no methodology release"):
        ann.holder.open_links()


def test_the_recovery_code_brings_back_everything(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    code = ann.holder.add_code()
    world.close_month(JAN)
    again = world.holder(recover(code.lower(), world.wire()))
    again.refresh()
    assert again.account == ann.holder.account
    assert again.own_total(grant, (JAN,), again.open_links()) == 243
    assert again.mint(grant) == []


def test_a_device_without_the_state_takes_listed_tokens_as_used(world: World) -> None:
    ann = world.person("ann", EAST)
    world.allow(ann, CITY)
    fresh = world.holder(ann.root)  # no refresh: it knows nothing but the root
    second = fresh.allow(terms(CITY, first=FEB, last=FEB, categories=(4, 5)), "en")
    with pytest.raises(AtomUsed):
        fresh.mint(second)


def test_a_total_of_nothing_is_zero_and_verified(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, BANK)
    for month in (JAN, FEB, MAR):
        world.close_month(month)
    total = world.platform(BANK).total(grant.grant, (JAN, FEB, MAR))
    assert (total.grams, total.checked) == (0, "sources")
