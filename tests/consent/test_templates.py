from __future__ import annotations

from collections.abc import Callable

import pytest

from consent.messages import Grant
from consent.templates import (
    FORBIDDEN,
    check_grant,
    latest_until,
    load_templates,
    read_templates,
    template_of,
)
from tests.consent.terms import ZONE, bank_terms, city_terms, grant
from tests.listing import NOW, listing, party, signed, with_party
from vault.directory import Directory
from vault.encoding import Json
from vault.errors import BadShape, BeyondTemplate, NotFound, NotOffered, UnknownKey
from vault.months import Month, add_months, month_at, months_from

DIRECTORY = signed(listing())
BOTH = pytest.mark.parametrize("made", [bank_terms, city_terms])
ONE = """
[X]
who = ["bank"]
purposes = ["PURPOSE"]
categories = { most = 1 }
step = 1
back = 0
ahead = 0
data_life_days = 1
mode = "total"
exclusive = false
show_sources = false
free_choice = false
text.en = { purpose = "p", benefit = "b" }
text.zh-CN = { purpose = "p", benefit = "b" }
"""


def check(found: Grant) -> None:
    check_grant(found, DIRECTORY, NOW)


@BOTH
def test_grant_at_every_bound_of_its_template_is_taken(made: Callable[[], dict[str, Json]]) -> None:
    assert month_at(NOW, ZONE) == "2026-01"
    check(grant(made()))


@pytest.mark.parametrize(
    ("member", "changes"),
    [
        ("platform", {"platform": "city.example", "org": "city.example"}),
        ("purposes", {"purposes": ["PersonalisedBenefits", "PublicBenefit"]}),
        ("categories", {"categories": [1, 2, 3, 4, 5, 6]}),
        ("step", {"step": 1}),
        ("first", {"first": "2024-10"}),
        ("last", {"last": "2027-03"}),
        ("until", {"until": latest_until(Month("2026-12"), ZONE) + 1}),
        ("data_life_days", {"data_life_days": 91}),
    ],
)
def test_green_loan_exceeded_by_one_names_the_member(member: str, changes: dict[str, Json]) -> None:
    with pytest.raises(BeyondTemplate, match=f"^{member}:"):
        check(grant(bank_terms(), **changes))


@pytest.mark.parametrize(
    ("member", "changes"),
    [
        ("platform", {"platform": "bank.example", "org": "bank.example"}),
        ("purposes", {"purposes": ["PersonalisedBenefits"]}),
        ("categories", {"categories": [1, 2, 3, 4, 5]}),
        ("step", {"step": 3, "first": "2025-02"}),
        ("first", {"first": "2024-12"}),
        ("last", {"last": "2027-02"}),
        ("until", {"until": latest_until(Month("2027-01"), ZONE) + 1}),
        ("show_sources", {"show_sources": True}),
        ("data_life_days", {"data_life_days": 181}),
    ],
)
def test_city_reward_exceeded_by_one_names_the_member(
    member: str, changes: dict[str, Json]
) -> None:
    with pytest.raises(BeyondTemplate, match=f"^{member}:"):
        check(grant(city_terms(), **changes))


def test_asking_for_less_is_taken() -> None:
    less: dict[str, Json] = {"first": "2026-01", "last": "2026-03", "data_life_days": 1}
    check(grant(bank_terms(), show_sources=False, until=NOW + 1, **less))
    check(grant(city_terms(), categories=[6], until=NOW + 1, **less))


# All six, each at its bounds and one beyond


TEMPLATES = load_templates()
OFFERED = ("GREEN-LOAN-RATE", "CARD-POINTS", "CITY-REWARD", "EMPLOYER-CHALLENGE")
NOT_OFFERED = ("CITY-STATS", "OFFSET-RETIRE")
each_template = pytest.mark.parametrize("name", [*OFFERED, *NOT_OFFERED])


def directory_for(role: str) -> Directory:
    """The bank's entry with one role of a template instead of its own."""
    return signed(
        with_party(
            listing(), party("bank.example").model_copy(update={"roles": (role, "platform")})
        )
    )


def at_bounds(name: str, **changes: Json) -> Grant:
    """A grant to the bank as wide as the template allows in 2026-01."""
    bounds = TEMPLATES[name]
    month = month_at(NOW, ZONE)
    last = add_months(month, bounds.ahead)
    first = add_months(month, -bounds.back)
    while len(months_from(first, last)) % bounds.step:
        last = add_months(last, -1)
    members: dict[str, Json] = {
        "template": name,
        "purposes": [*sorted(bounds.purposes)],
        "categories": [*(bounds.categories.exactly or range(1, 1 + (bounds.categories.most or 0)))],
        "step": bounds.step,
        "first": first,
        "last": last,
        "until": latest_until(last, ZONE),
        "mode": bounds.mode,
        "show_sources": bounds.show_sources,
        "exclusive": bounds.exclusive,
        "data_life_days": bounds.data_life_days,
    }
    return grant(bank_terms(), **{**members, **changes})


@each_template
def test_the_widest_grant_of_each_offered_template_is_taken(name: str) -> None:
    for role in TEMPLATES[name].who:
        if name in OFFERED:
            check_grant(at_bounds(name), directory_for(role), NOW)
        else:
            with pytest.raises(NotOffered):
                check_grant(at_bounds(name), directory_for(role), NOW)


@each_template
def test_who_a_template_does_not_name_may_not_ask_under_it(name: str) -> None:
    roles = {role for template in TEMPLATES.values() for role in template.who}
    for role in sorted(roles - set(TEMPLATES[name].who)):
        with pytest.raises(BeyondTemplate, match=r"^platform:"):
            check_grant(at_bounds(name), directory_for(role), NOW)


@each_template
def test_each_bound_exceeded_by_one_names_the_member(name: str) -> None:
    bounds, month = TEMPLATES[name], month_at(NOW, ZONE)
    wide = at_bounds(name)
    beyond: dict[str, dict[str, Json]] = {
        "purposes": {"purposes": ["ServiceProvision"]},
        "first": {
            "first": add_months(month, -bounds.back - 1),
            "last": add_months(month, -bounds.back - 2 + bounds.step),
        },
        "last": {
            "first": add_months(month, bounds.ahead + 2 - bounds.step),
            "last": add_months(month, bounds.ahead + 1),
        },
        "until": {"until": latest_until(wide.last, ZONE) + 1},
        "mode": {"mode": "cohort" if bounds.mode == "total" else "total"},
        "exclusive": {"exclusive": not bounds.exclusive},
        "data_life_days": {"data_life_days": bounds.data_life_days + 1},
    }
    if not bounds.show_sources:
        beyond["show_sources"] = {"show_sources": True}
    most = bounds.categories.most or 0
    beyond["categories"] = {"categories": [*range(1, most + 2)] if most else [1, 2]}
    if most == 7:
        del beyond["categories"]  # there are no more than seven
    for member, changes in beyond.items():
        asked = at_bounds(name, **changes)
        # What nobody is offered is said first, whatever the template says.
        offered = asked.mode == "total" and not asked.exclusive
        kind, says = (BeyondTemplate, f"^{member}:") if offered else (NotOffered, "not offered")
        if not offered and member not in ("mode", "exclusive"):
            kind, says = BeyondTemplate, f"^{member}:"
        with pytest.raises(kind, match=says):
            check_grant(asked, directory_for(bounds.who[0]), NOW)


def test_the_templates_are_those_of_the_product_page() -> None:
    """product.md section 1: who, step, back, ahead, data life, mode, exclusive."""
    found = {
        name: (t.who, t.step, t.back, t.ahead, t.data_life_days, t.mode, t.exclusive)
        for name, t in TEMPLATES.items()
    }
    assert found == {
        "GREEN-LOAN-RATE": (["bank"], 3, 12, 12, 90, "total", False),
        "CARD-POINTS": (["bank", "shop"], 1, 3, 12, 30, "total", False),
        "CITY-REWARD": (["city"], 1, 12, 12, 180, "total", False),
        "CITY-STATS": (["city", "researcher"], 1, 12, 12, 730, "cohort", False),
        "EMPLOYER-CHALLENGE": (["employer"], 1, 3, 3, 30, "total", False),
        "OFFSET-RETIRE": (["buyer", "registry"], 1, 12, 0, 1826, "total", True),
    }
    assert {name for name, t in TEMPLATES.items() if t.free_choice} == {
        "GREEN-LOAN-RATE",
        "EMPLOYER-CHALLENGE",
    }


def test_grant_that_replaces_another_is_within_its_template() -> None:
    check(grant(bank_terms(), replaces="61" * 16))


def test_platform_of_another_organisation_or_unlisted_is_refused() -> None:
    with pytest.raises(UnknownKey):
        check(grant(bank_terms(), org="city.example"))
    with pytest.raises(NotFound):
        check(grant(bank_terms(), platform="gone.example"))


def test_template_names_the_role_that_the_platform_must_have() -> None:
    plain = party("bank.example").model_copy(update={"roles": ("platform",)})
    with pytest.raises(BeyondTemplate, match=r"^platform:"):
        check_grant(grant(bank_terms()), signed(with_party(listing(), plain)), NOW)


def test_unknown_template_is_beyond_every_template() -> None:
    with pytest.raises(BeyondTemplate, match="NO-SUCH"):
        check(grant(bank_terms(), template="NO-SUCH"))
    with pytest.raises(BeyondTemplate):
        template_of("")


@pytest.mark.parametrize("purpose", sorted(FORBIDDEN))
def test_forbidden_purpose_is_refused_in_every_grant(purpose: str) -> None:
    for made, own in ((bank_terms, "PersonalisedBenefits"), (city_terms, "PublicBenefit")):
        for purposes in ({purpose}, {purpose, own}):
            with pytest.raises(BeyondTemplate, match=r"^purposes:"):
                check(grant(made(), purposes=[*sorted(purposes)]))


@pytest.mark.parametrize("purpose", sorted(FORBIDDEN))
def test_template_with_a_forbidden_purpose_does_not_load(purpose: str) -> None:
    with pytest.raises(BadShape, match="purpose"):
        read_templates(ONE.replace("PURPOSE", purpose))
    with pytest.raises(BadShape, match="purpose"):
        read_templates(ONE.replace('"PURPOSE"', f'"PURPOSE", "{purpose}"'))


def test_template_with_other_members_does_not_load() -> None:
    assert list(read_templates(ONE)) == ["X"]
    for broken in (
        ONE.replace("step = 1", "step = 2"),
        ONE.replace("step = 1", ""),
        ONE.replace("step = 1", "step = 1\nextra = 1"),
        ONE.replace("exclusive = false", "exclusive = 0"),
        ONE.replace("text.en", "text.de"),
        ONE.replace("text.zh-CN", "text.zh"),
        ONE + "[X",
    ):
        with pytest.raises(BadShape):
            read_templates(broken)


def test_every_template_says_what_for_and_what_one_gets() -> None:
    for template in TEMPLATES.values():
        assert all(
            len(text.purpose) > 3 and len(text.benefit) > 3 for text in template.text.values()
        )


def test_until_is_two_months_after_the_last_month_ends() -> None:
    until = latest_until(Month("2026-12"), ZONE)
    assert month_at(until - 1, ZONE) == "2027-02"
    assert month_at(until, ZONE) == "2027-03"


def test_grant_to_the_end_of_the_century_is_refused_not_a_crash() -> None:
    with pytest.raises(BadShape):
        latest_until(Month("2099-12"), ZONE)
    with pytest.raises(BeyondTemplate):
        check(grant(city_terms(), last="2099-01"))
