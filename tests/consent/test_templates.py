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
from vault.encoding import Json
from vault.errors import BadShape, BeyondTemplate, NotFound, NotOffered, UnknownKey
from vault.months import Month, month_at

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


@pytest.mark.parametrize("change", [{"mode": "cohort"}, {"exclusive": True}], ids=str)
def test_cohort_and_exclusive_grants_are_not_offered(change: dict[str, Json]) -> None:
    with pytest.raises(NotOffered):
        check(grant(bank_terms(), **change))


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


def test_our_templates_are_the_two_offered() -> None:
    found = load_templates()
    assert set(found) == {"GREEN-LOAN-RATE", "CITY-REWARD"}
    assert all(t.mode == "total" and not t.exclusive for t in found.values())
    assert all(len(t.text[locale].purpose) > 3 for t in found.values() for locale in t.text)


def test_until_is_two_months_after_the_last_month_ends() -> None:
    until = latest_until(Month("2026-12"), ZONE)
    assert month_at(until - 1, ZONE) == "2027-02"
    assert month_at(until, ZONE) == "2027-03"


def test_grant_to_the_end_of_the_century_is_refused_not_a_crash() -> None:
    with pytest.raises(BadShape):
        latest_until(Month("2099-12"), ZONE)
    with pytest.raises(BeyondTemplate):
        check(grant(city_terms(), last="2099-01"))
