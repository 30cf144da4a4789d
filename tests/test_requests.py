"""Asking and deciding: a request, the person's choices, and what a stranger cannot do with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from consent.asking import Wanted
from consent.demo.cast import BANK, CITY
from tests.world import EAST, FEB, JAN, MAR, WEST, Person, World, terms
from vault.crypto.keys import SigningKey
from vault.errors import (
    BadCode,
    BadShape,
    BeyondTemplate,
    Declined,
    DifferentBytes,
    Expired,
    Locale,
    NotFound,
    NotOffered,
    Paused,
    Revoked,
    UnknownKey,
)
from vault.months import DEFAULT_ZONE, Month, add_months, month_begins

BACK = "https://city.demo/back"
WHY: dict[Locale, str] = {"zh-CN": "用于计算奖励", "en": "to work out the reward"}


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def wanted(**changed: object) -> Wanted:
    """The city asks for travel, and if the person likes for food and goods."""
    asked = Wanted(
        template="CITY-REWARD",
        purposes=("PublicBenefit",),
        required=(4,),
        optional=(2, 5),
        step=1,
        first=JAN,
        last=MAR,
        until=month_begins(add_months(MAR, 3), DEFAULT_ZONE),
        data_life_days=180,
        reasons={"purpose": WHY, "4": WHY},
        redirect_uri=BACK,
    )
    return replace(asked, **changed)  # type: ignore[arg-type]


def query_of(url: str | None) -> dict[str, str]:
    assert url is not None
    assert url.startswith(BACK + "?")
    return dict(parse_qsl(urlsplit(url).query))


def test_a_request_becomes_a_narrowed_grant_and_its_life_is_told_by_events(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    city = world.platform(CITY)
    pushed = city.ask(wanted())
    assert city.outcome(pushed).state == "open"
    handed = world.client.get(pushed.url).json()
    asked = ann.holder.open_request(handed["handle"])
    assert (asked.state, handed["name"]) == ("open", asked.name)
    terms = asked.terms((), MAR)
    assert terms.categories == (4,)
    decided = ann.holder.accept_request(asked, (), "zh-CN")
    grant = city.finish(pushed, query_of(decided.redirect))
    assert grant.categories == (4,)
    ann.holder.mint(grant)
    for month in (JAN, FEB, MAR):
        world.ride(ann, EAST, 5_000)
        world.close_month(month)
    assert city.total(grant.grant, (JAN,)).grams == 243
    ann.holder.pause(grant)
    with pytest.raises(Paused):
        city.total(grant.grant, (FEB,))
    ann.holder.resume(grant)
    assert city.total(grant.grant, (FEB,)).grams >= 243
    ann.holder.ask_deletion(grant)
    city.confirm_deletion(grant.grant)
    assert [own.deletion for own in ann.holder.grants()] == ["done"]
    renewed = city.ask(wanted(replaces=grant.grant, first=MAR))
    again = ann.holder.open_request(renewed.request_uri)
    better = city.finish(renewed, query_of(ann.holder.accept_request(again, (2,), "en").redirect))
    ann.holder.stop(better)
    with pytest.raises(Revoked):
        city.total(better.grant, (MAR,))
    assert [(event.event, event.grant) for event in city.events()] == [
        ("granted", grant.grant),
        ("paused", grant.grant),
        ("resumed", grant.grant),
        ("delete-asked", grant.grant),
        ("replaced", grant.grant),
        ("granted", better.grant),
        ("revoked", better.grant),
    ]
    assert next(event.n for event in city.events(after=2)) == 3
    report = world.auditor().audit()
    assert report.findings == []


def test_figures_before_the_decision_are_those_that_leave_after_it(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    world.ride(ann, EAST, 5_000)
    world.ride(ann, WEST, 7_000)
    world.close_month(JAN)
    city = world.platform(CITY)
    asked = ann.holder.open_request(city.ask(wanted(redirect_uri=None)).code)
    figures = ann.holder.figures(asked.terms(()), ann.holder.open_links())
    assert (figures[0].window, figures[0].sources, figures[0].grams) == ((JAN,), 2, 243 + 340)
    assert [f.grams for f in figures[1:]] == [None, None]
    decided = ann.holder.accept_request(asked, (), "en")
    assert decided.grant is not None
    assert decided.redirect is None
    ann.holder.mint(decided.grant)
    assert city.total(decided.grant.grant, (JAN,)).grams == figures[0].grams


def test_saying_no_is_logged_by_the_hash_of_the_request_only(world: World) -> None:
    ann = world.person("ann", EAST)
    city = world.platform(CITY)
    pushed = city.ask(wanted())
    asked = ann.holder.open_request(pushed.request_uri)
    declined = ann.holder.decline_request(asked)
    with pytest.raises(Declined):
        city.finish(pushed, query_of(declined.redirect))
    assert city.outcome(pushed).state == "declined"
    with pytest.raises(DifferentBytes):
        ann.holder.accept_request(asked, (), "en")
    report = world.auditor().audit()
    assert (report.counts["refusal"], report.findings) == (1, [])


def test_an_expired_request_is_refused_and_logged(world: World) -> None:
    ann = world.person("ann", EAST)
    city = world.platform(CITY)
    pushed = city.ask(wanted())
    asked = ann.holder.open_request(pushed.request_uri)
    world.time += 601
    with pytest.raises(Expired):
        ann.holder.accept_request(asked, (), "en")
    assert city.outcome(pushed).state == "expired"
    world.time += 900
    world.person("bob")  # the next entry takes the waiting one along
    report = world.auditor().audit()
    assert (report.counts["refusal"], report.findings) == (1, [])


def test_figures_are_those_of_the_window_that_is_there_already(world: World) -> None:
    """A window made before keeps its cells, and one that overlaps another gives nothing."""
    ann = world.person("ann", EAST)
    city = world.platform(CITY)
    first = ann.holder.open_request(city.ask(wanted(redirect_uri=None)).code)
    grant = ann.holder.accept_request(first, (), "en").grant
    assert grant is not None
    ann.holder.mint(grant)
    world.link(ann, WEST)
    world.ride(ann, EAST, 5_000)
    world.ride(ann, WEST, 7_000)
    world.close_month(JAN)
    ann.holder.stop(grant)
    ann.holder.refresh()
    again = ann.holder.open_request(city.ask(wanted(redirect_uri=None)).code)
    links = ann.holder.open_links()
    (same, *_), (wider, *_) = (ann.holder.figures(again.terms(more), links) for more in ((), (2,)))
    assert (same.grams, same.sources, same.taken) == (243, 1, False)
    assert (wider.grams, wider.sources, wider.taken) == (None, 0, True)
    allowed = ann.holder.accept_request(again, (), "en").grant
    assert allowed is not None
    ann.holder.mint(allowed)
    assert city.total(allowed.grant, (JAN,)).grams == same.grams


def test_a_wish_for_deletion_can_be_told_again_after_it_was_fulfilled(world: World) -> None:
    ann = world.person("ann", EAST)
    city = world.platform(CITY)
    asked = ann.holder.open_request(city.ask(wanted(redirect_uri=None)).code)
    grant = ann.holder.accept_request(asked, (), "en").grant
    assert grant is not None
    for _ in range(2):
        ann.holder.ask_deletion(grant)
        ann.holder.ask_deletion(grant)
        assert [own.deletion for own in ann.holder.grants()] == ["asked"]
        city.confirm_deletion(grant.grant)
    assert [event.event for event in city.events()].count("delete-asked") == 2


def test_an_erased_account_leaves_its_requests_decided_and_nothing_of_itself(world: World) -> None:
    ann, bob = world.person("ann", EAST), world.person("bob", EAST)
    city = world.platform(CITY)
    granted, open_one = (city.ask(wanted(redirect_uri=None)) for _ in range(2))
    ann.holder.accept_request(ann.holder.open_request(granted.code), (), "en")
    ann.holder.open_request(open_one.code)
    ann.holder.erase()
    assert city.outcome(open_one).state == "declined"
    for pushed in (granted, open_one):
        with pytest.raises(NotFound):
            bob.holder.open_request(pushed.code)
    report = world.auditor().audit()
    assert (report.counts["refusal"], report.findings) == (1, [])


def test_no_key_without_an_account_takes_a_request_from_anybody(world: World) -> None:
    ann = world.person("ann", EAST)
    pushed = world.platform(CITY).ask(wanted(redirect_uri=None))
    handle = pushed.request_uri.rpartition(":")[2]
    with pytest.raises(UnknownKey):
        world.wire(SigningKey(world.random(32))).post(f"/v1/holder/requests/{handle}", "")
    assert ann.holder.open_request(pushed.code).state == "open"


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\nb", "a\u202eb", "  ", "it is anonymous"])
def test_a_platforms_reasons_are_plain_words(world: World, text: str) -> None:
    reasons: dict[str, dict[Locale, str]] = {"purpose": {"zh-CN": "理由", "en": text}, "4": WHY}
    with pytest.raises(BadShape):
        world.platform(CITY).ask(wanted(reasons=reasons))


class TestPhishing:
    """What a stranger cannot do with somebody's request."""

    def granted(self, world: World, person: Person) -> tuple[World, dict[str, str]]:
        pushed = world.platform(CITY).ask(wanted())
        asked = person.holder.open_request(pushed.request_uri)
        return world, query_of(person.holder.accept_request(asked, (), "en").redirect)

    def test_another_sessions_answer_is_refused(self, world: World) -> None:
        ann = world.person("ann", EAST)
        city = world.platform(CITY)
        _, query = self.granted(world, ann)
        mine = city.ask(wanted())
        with pytest.raises(BadCode, match="state"):
            city.finish(mine, query)
        with pytest.raises(BadCode, match="request"):
            city.finish(replace(mine, state=query["state"]), query)
        with pytest.raises(BadCode, match="iss"):
            city.finish(mine, {**query, "iss": "https://vault.evil"})

    @pytest.mark.parametrize(
        "uri",
        ["https://city.demo.evil/back", "https://city.demo/back/", "https://city.demo/back?x=1"],
    )
    def test_an_unregistered_redirect_is_refused(self, world: World, uri: str) -> None:
        with pytest.raises(BeyondTemplate, match="redirect_uri"):
            world.platform(CITY).ask(wanted(redirect_uri=uri))

    def test_a_request_is_used_once_and_by_one_person(self, world: World) -> None:
        ann, bob = world.person("ann", EAST), world.person("bob", EAST)
        city = world.platform(CITY)
        pushed = city.ask(wanted())
        asked = ann.holder.open_request(pushed.request_uri)
        with pytest.raises(NotFound):
            bob.holder.open_request(pushed.request_uri)
        with pytest.raises(NotFound):
            bob.holder.accept_request(asked, (), "en")
        ann.holder.accept_request(asked, (), "en")
        with pytest.raises(DifferentBytes):
            ann.holder.accept_request(asked, (2,), "en")
        assert world.client.get(pushed.url).status_code == 404

    def test_a_grant_beyond_its_request_is_refused(self, world: World) -> None:
        ann = world.person("ann", EAST)
        city = world.platform(CITY)
        asked = ann.holder.open_request(city.ask(wanted()).request_uri)
        wider = asked.terms(()).model_copy(update={"categories": (1, 4)})
        with pytest.raises(BeyondTemplate, match="not optional"):
            ann.holder.allow(wider, "en", None, asked.hash)
        without = asked.terms(()).model_copy(update={"categories": (2,)})
        with pytest.raises(BeyondTemplate, match="categories"):
            ann.holder.allow(without, "en", None, asked.hash)


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"template": "CARD-POINTS"}, BeyondTemplate, "platform"),
        ({"purposes": ("DirectMarketing",)}, BeyondTemplate, "purposes"),
        ({"required": (1, 2, 3, 4), "optional": (5,)}, BeyondTemplate, "categories"),
        ({"step": 3}, BeyondTemplate, "step"),
        ({"first": Month("2024-12")}, BeyondTemplate, "first"),
        ({"last": Month("2027-02"), "until": 1}, BeyondTemplate, "last"),
        ({"until": 2**40}, BeyondTemplate, "until"),
        ({"show_sources": True}, BeyondTemplate, "show_sources"),
        ({"data_life_days": 181}, BeyondTemplate, "data_life_days"),
    ],
)
def test_a_request_beyond_its_template_names_the_member(
    world: World, changed: dict[str, object], kind: type[Exception], says: str
) -> None:
    if "required" in changed:
        changed["reasons"] = {"purpose": WHY, **{str(n): WHY for n in (1, 2, 3, 4)}}
    with pytest.raises(kind, match=says):
        world.platform(CITY).ask(wanted(**changed))


def test_cohort_templates_are_not_offered(world: World) -> None:
    asked = wanted(
        template="CITY-STATS", purposes=("ScientificResearch",), optional=(), redirect_uri=None
    )
    with pytest.raises(BeyondTemplate, match="mode"):
        world.platform(CITY).ask(asked)
    person, grant = world.person("ann", EAST), terms(CITY, mode="cohort")
    with pytest.raises(NotOffered):
        person.holder.allow(grant, "en")


def test_a_bank_asks_for_all_categories_and_none_is_optional(world: World) -> None:
    ann = world.person("ann", EAST)
    bank = world.platform(BANK)
    every = (1, 2, 3, 4, 5, 6, 7)
    pushed = bank.ask(
        wanted(
            template="GREEN-LOAN-RATE",
            purposes=("PersonalisedBenefits",),
            required=every,
            optional=(),
            step=3,
            data_life_days=90,
            show_sources=True,
            reasons={"purpose": WHY, **{str(n): WHY for n in every}},
            redirect_uri=None,
        )
    )
    asked = ann.holder.open_request(pushed.code)
    decided = ann.holder.accept_request(asked, (), "en")
    assert decided.grant is not None
    assert bank.outcome(pushed).grant == decided.grant.grant
