"""Stories of the rest of section 5: links end, months go missing, consent pauses, people leave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consent.auditor import Served
from consent.demo.cast import BANK, CITY
from consent.holder import recover
from consent.messages import Erased
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, Person, World, terms
from vault.crypto.keys import account_key, read_code
from vault.errors import (
    Absent,
    BadTotal,
    Expired,
    NotClosed,
    NotFound,
    Paused,
    Revoked,
    TooEarly,
    UnknownKey,
)
from vault.months import DEFAULT_ZONE, Month, month_begins

MAY = Month("2026-05")


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def check_in_order(world: World) -> None:
    assert world.auditor().audit().findings == []


def grams(world: World, person: Person, source: str, month: Month) -> int:
    """What the person recomputes for travel at a source in a month."""
    person.holder.refresh()
    (own,) = [link for link in person.holder.open_links() if link.source == source]
    return next(close.grams[3] for close in own.closes if close.month == month)


def test_a_month_that_was_not_closed_is_absent_and_its_sums_go_into_the_next(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    world.ride(ann, EAST, 5_000)
    world.sources[EAST].send_batches()
    world.move(FEB, day=3)
    world.sources[WEST].close(JAN)
    world.ride(ann, EAST, 3_000)
    world.sources[EAST].send_batches()
    world.move(MAR, day=3)  # East slept through the slot of January
    world.sources[WEST].close(FEB)
    world.sources[EAST].close(FEB)
    assert grams(world, ann, EAST, FEB) == (5_000 * 487 // 10 + 3_000 * 487 // 10) // 1000
    check_in_order(world)
    assert world.auditor().audit().counts["absent"] == 1


def test_a_close_that_comes_too_late_is_answered_with_the_absent_and_counted_next(
    world: World,
) -> None:
    ann = world.person("ann", EAST)
    world.ride(ann, EAST, 5_000)
    east = world.sources[EAST]
    east.send_batches()
    world.move(MAR, day=3)
    east.close(JAN)  # frozen, sent, answered 422 absent
    east.close(FEB)
    assert grams(world, ann, EAST, FEB) == 243
    own = ann.holder.open_links()[0]
    assert [close.month for close in own.closes] == [FEB]
    check_in_order(world)


def test_a_token_made_ahead_is_made_again_without_the_absent_month(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.ride(ann, WEST, 10_000)
    for source in world.sources.values():
        source.send_batches()
    world.move(FEB, day=3)
    world.sources[WEST].close(JAN)
    city = world.platform(CITY)
    with pytest.raises(NotClosed):
        city.total(grant.grant, (JAN,))
    world.move(MAR, day=3)
    with pytest.raises(Absent):
        city.total(grant.grant, (JAN,))
    ann.holder.refresh()
    assert (JAN,) in ann.holder.mint(grant)
    assert city.total(grant.grant, (JAN,)).grams == 487
    check_in_order(world)


def test_a_released_window_is_never_made_smaller(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    world.platform(CITY).total(grant.grant, (JAN,))
    close = world.sources[EAST].closes()[0]
    with pytest.raises(BadTotal, match="opens"):
        ann.holder.reject(close.link, close.text)
    ann.holder.unlink(ann.links[EAST])
    ann.holder.refresh()
    assert (JAN,) not in ann.holder.mint(grant)
    check_in_order(world)


def test_after_unlink_batches_stop_and_the_earlier_month_is_still_closed(world: World) -> None:
    ann = world.person("ann", EAST)
    world.ride(ann, EAST, 5_000)
    east = world.sources[EAST]
    east.send_batches()
    world.move(FEB, day=3)
    ann.holder.unlink(ann.links[EAST])
    world.ride(ann, EAST, 7_000)
    east.send_batches()  # 410: the source learns
    east.close(JAN)
    assert grams(world, ann, EAST, JAN) == 243
    world.move(MAR, day=3)
    assert east.close(FEB) == []
    check_in_order(world)
    with pytest.raises(NotFound):
        east.link_of("ann")


def test_a_new_link_may_start_at_once_and_has_other_keys(world: World) -> None:
    ann = world.person("ann", EAST)
    first = ann.links[EAST]
    ann.holder.unlink(first)
    world.sources[EAST].send_batches()
    world.link(ann, EAST)
    assert ann.links[EAST] != first
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    check_in_order(world)


def test_a_source_ends_a_link_when_its_customer_asks(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    world.sources[EAST].unlink("ann")
    world.ride(ann, WEST, 10_000)
    world.close_month(JAN)
    city = world.platform(CITY)
    with pytest.raises(Absent):
        city.total(grant.grant, (JAN,))
    ann.holder.refresh()
    ann.holder.mint(grant)
    assert city.total(grant.grant, (JAN,)).grams == 487
    check_in_order(world)


def test_a_pause_delays_and_does_not_withhold(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY, last=Month("2026-09"))
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    ann.holder.pause(grant)
    city = world.platform(CITY)
    with pytest.raises(Paused):
        city.total(grant.grant, (JAN,))
    with pytest.raises(Paused):
        ann.holder.mint(grant, ahead=12)
    ann.holder.resume(grant)
    assert city.total(grant.grant, (JAN,)).grams == 243
    check_in_order(world)


def test_a_replayed_resume_is_refused(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    sent: list[bytes] = []
    world.client.event_hooks = {"request": [lambda request: sent.append(request.content)]}
    ann.holder.pause(grant)
    ann.holder.resume(grant)
    resume = sent[-1]
    ann.holder.pause(grant)
    wire = world.wire(account_key(ann.root))
    wire.post(f"/v1/holder/grants/{grant.grant.hex()}/status", resume)  # the stored answer
    world.client.event_hooks = {"request": []}
    with pytest.raises(Paused):
        world.platform(CITY).total(grant.grant, (JAN,))
    check_in_order(world)


def test_stop_and_allow_again_gives_the_same_total_and_uses_no_atom(world: World) -> None:
    ann = world.person("ann", EAST)
    first = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    city = world.platform(CITY)
    before = city.total(first.grant, (JAN,)).grams
    ann.holder.stop(first)
    second = world.allow(ann, CITY)
    assert city.total(second.grant, (JAN,)).grams == before == 243
    check_in_order(world)


def test_replacing_ends_the_old_grant_in_the_same_step(world: World) -> None:
    ann = world.person("ann", EAST)
    first = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    second = ann.holder.allow(terms(CITY, data_life_days=30), "zh-CN", replaces=first)
    ann.holder.mint(second)
    city = world.platform(CITY)
    with pytest.raises(Revoked):
        city.total(first.grant, (JAN,))
    assert city.total(second.grant, (JAN,)).grams == 243
    with pytest.raises(Revoked):
        ann.holder.resume(first)
    check_in_order(world)


def test_after_until_nothing_is_released_or_made(world: World) -> None:
    ann = world.person("ann", EAST)
    until = month_begins(FEB, DEFAULT_ZONE) + 5 * 86400
    grant = world.allow(ann, CITY, last=Month("2026-09"), until=until)
    world.ride(ann, EAST, 5_000)
    world.close_month(JAN)
    world.time = until
    with pytest.raises(Expired):
        world.platform(CITY).total(grant.grant, (JAN,))
    with pytest.raises(Expired):
        ann.holder.mint(grant, ahead=12)
    check_in_order(world)


def test_a_late_holder_delays_totals_and_loses_none(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY, last=MAY), "en")
    for month in (JAN, FEB, MAR, APR):
        world.ride(ann, EAST, 5_000)
        world.close_month(month)
    ann.holder.refresh()
    assert len(ann.holder.mint(grant)) == 5
    city = world.platform(CITY)
    assert [city.total(grant.grant, (m,)).grams for m in (JAN, FEB)] == [243, 244]
    check_in_order(world)


def test_tokens_reach_only_as_far_ahead_as_told(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY, last=Month("2026-12")), "en")
    assert len(ann.holder.mint(grant, ahead=0)) == 1
    assert len(ann.holder.mint(grant)) == 3
    assert len(ann.holder.mint(grant, ahead=12)) == 8


def test_two_devices_make_one_cell_set(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    second = world.holder(ann.root)
    second.refresh()
    ann.holder.mint(grant)
    world.link(ann, WEST)
    second.refresh()
    assert second.mint(grant) == []
    tokens = world.auditor().audit().counts["token"]
    assert tokens == 3
    check_in_order(world)


def test_a_link_made_later_counts_from_the_next_window(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    ann.holder.mint(grant, ahead=0)
    world.link(ann, WEST)
    ann.holder.mint(grant)
    world.ride(ann, WEST, 10_000)
    world.close_month(JAN)
    world.ride(ann, WEST, 10_000)
    world.close_month(FEB)
    city = world.platform(CITY)
    assert city.total(grant.grant, (JAN,)).grams == 0
    assert city.total(grant.grant, (FEB,)).grams == 487
    check_in_order(world)


def test_who_joined_in_march_still_gets_a_quarter(world: World) -> None:
    world.move(FEB)
    world.move(MAR)
    ann = world.person("ann", EAST)
    grant = world.allow(ann, BANK)
    world.ride(ann, EAST, 5_000)
    world.close_month(MAR)
    total = world.platform(BANK).total(grant.grant, (JAN, FEB, MAR))
    assert (total.grams, total.checked) == (243, "sources")
    check_in_order(world)


def test_an_erased_person_is_gone_and_the_log_stays_in_order(world: World) -> None:
    ann, bob = world.person("ann", EAST), world.person("bob", EAST)
    for person in (ann, bob):
        world.allow(person, CITY)
        world.ride(person, EAST, 5_000)
    world.close_month(JAN)
    before = world.auditor().audit()
    erased = ann.holder.erase()
    assert isinstance(erased, Erased)
    with pytest.raises(UnknownKey):
        ann.holder.allow(terms(BANK), "en")
    later = world.auditor_with(before.owners).audit()
    assert (later.findings, later.unseen) == ([], [])
    assert set(erased.indexes) == {i for i, a in before.owners.items() if a == ann.holder.account}
    fresh = world.auditor().audit()
    assert fresh.findings == []
    assert fresh.unseen == sorted(erased.indexes)


def test_a_source_of_an_erased_person_stops_the_link_and_goes_on_with_others(world: World) -> None:
    ann, bob = world.person("ann", EAST), world.person("bob", EAST)
    world.ride(bob, EAST, 5_000)
    ann.holder.erase()
    east = world.sources[EAST]
    with pytest.raises(NotFound):
        east.send_batches()
    world.move(FEB, day=3)
    assert len(east.close(JAN)) == 1
    assert grams(world, bob, EAST, JAN) == 243
    check_in_order(world)


def test_several_wraps_open_the_same_vault_and_one_can_be_taken_back(world: World) -> None:
    ann = world.person("ann")
    passkey = world.random(32)
    ann.holder.put_wrap(passkey)
    first, second = ann.holder.add_code(), ann.holder.add_code()
    assert recover(first, world.wire()).value == recover(second, world.wire()).value
    ann.holder.delete_wrap(read_code(first))
    with pytest.raises(NotFound):
        recover(first, world.wire())
    assert recover(second, world.wire()).value == ann.root.value


def test_a_code_for_a_second_device_ends_after_ten_minutes(world: World) -> None:
    ann = world.person("ann")
    code = ann.holder.show_device_code()
    assert recover(code, world.wire()).value == ann.root.value
    world.time += 600
    with pytest.raises(NotFound):
        recover(code, world.wire())


def test_a_month_is_not_closed_before_the_one_before_it_is_settled(world: World) -> None:
    ann = world.person("ann", EAST)
    world.ride(ann, EAST, 5_000)
    world.sources[EAST].send_batches()
    world.move(FEB)
    world.time = month_begins(MAR, DEFAULT_ZONE) - 60  # still the slot of January
    with pytest.raises(TooEarly):
        world.sources[EAST].close(FEB)
    world.move(MAR, day=1, hour=0)
    world.sources[EAST].close(FEB)  # January is absent by the vault's word: its sums go here
    assert grams(world, ann, EAST, FEB) == 243


def test_an_erasure_while_the_auditor_downloads_is_no_finding(world: World) -> None:
    ann = world.person("ann", EAST)
    world.allow(ann, CITY)
    auditor = world.auditor()
    texts = auditor._texts
    erased: list[Erased] = []

    def meanwhile(end: int, first: int = 0) -> dict[int, Served]:
        if not erased:
            erased.append(ann.holder.erase())
        return texts(end, first)

    auditor._texts = meanwhile  # type: ignore[method-assign]
    report = auditor.audit()
    assert report.findings == []
    assert report.counts["erased"] == 1
