"""Purpose templates: the bounds of what a platform may ask for (``templates.toml``).

They are checked by the holder's app before it signs, by the vault when it takes a grant, and by
the auditor in the replay: one function, three callers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import Field, ValidationError

from consent.messages import Grant, Terms
from vault.directory import Directory
from vault.encoding import compact_json
from vault.errors import BadShape, BeyondTemplate, NotOffered, UnknownKey
from vault.messages import Shape
from vault.months import Month, add_months, month_begins

FORBIDDEN = frozenset(
    {
        "TargetedAdvertising",
        "PersonalisedAdvertising",
        "DirectMarketing",
        "SellDataToThirdParties",
        "SellInsightsFromData",
        "CustomerSolvencyMonitoring",
    }
)
UNTIL_MONTHS = 2


class Scope(Shape):
    """The categories allowed: exactly these, or at most so many named ones."""

    exactly: list[int] | None = None
    most: int | None = None


class Text(Shape):
    """What a template says to a person, in one language."""

    purpose: str
    benefit: str


class Template(Shape):
    """One template; `back` and `ahead` are months, `data_life_days` days."""

    who: list[str]
    purposes: list[str]
    categories: Scope
    step: Literal[1, 3, 12]
    back: int
    ahead: int
    data_life_days: int
    mode: Literal["total", "cohort"]
    exclusive: bool
    show_sources: bool
    free_choice: bool
    text: dict[str, Text] = Field(default_factory=dict)


@cache
def load_templates() -> dict[str, Template]:
    """Return every template by id; raises BadShape for a file that breaks its rules."""
    return read_templates(files("consent").joinpath("templates.toml").read_text(encoding="utf-8"))


@cache
def templates_json() -> bytes:
    """Return every template as GET /v1/templates gives them; the web app is told their hash."""
    return compact_json({name: found.plain() for name, found in load_templates().items()})


def read_templates(text: str) -> dict[str, Template]:
    """Return the templates of a TOML text by id.

    Raises:
        BadShape: a member missing or unknown, a forbidden purpose, a language missing.
    """
    try:
        found = {name: Template.model_validate(body) for name, body in tomllib.loads(text).items()}
    except (ValidationError, tomllib.TOMLDecodeError) as bad:
        raise BadShape(f"templates.toml: {bad}") from bad
    for name, template in found.items():
        if set(template.purposes) & FORBIDDEN:
            raise BadShape(f"{name} names a purpose that no template may have")
        if set(template.text) != {"zh-CN", "en"}:
            raise BadShape(f"{name} has no text in zh-CN or en")
    return found


def template_of(name: str) -> Template:
    """Return a template by id; raises BeyondTemplate when there is none."""
    try:
        return load_templates()[name]
    except KeyError:
        raise BeyondTemplate(f"template: there is no {name}") from None


def check_grant(grant: Grant, directory: Directory, at: int) -> None:
    """Return when the grant asks for no more than its template allows, at unix second `at`.

    Raises:
        NotOffered: a cohort or exclusive grant.
        BeyondTemplate: the member that goes beyond is named.
        UnknownKey: the platform is not listed, or not of the grant's organisation.
    """
    if directory.org_of(grant.platform) != grant.org:
        raise UnknownKey(f"{grant.platform} is not of the organisation {grant.org}")
    check_terms(grant, directory, at)


def check_terms(terms: Terms, directory: Directory, at: int) -> None:
    """Return when the terms ask for no more than their template allows, at unix second `at`.

    Raises:
        NotOffered: cohort or exclusive terms.
        BeyondTemplate: the member that goes beyond is named.
        UnknownKey: the platform is not listed.
    """
    template = template_of(terms.template)
    party = directory.party(terms.platform)
    month = directory.month_at(at)
    bounds = {
        "platform": bool(set(party.roles) & set(template.who)),
        "purposes": set(terms.purposes) <= set(template.purposes),
        "categories": _fits(template.categories, terms.categories),
        "step": terms.step == template.step,
        "first": terms.first >= add_months(month, -template.back),
        "last": terms.last <= add_months(month, template.ahead),
        "until": terms.until <= latest_until(terms.last, directory.listing.zone),
        "show_sources": template.show_sources or not terms.show_sources,
        "data_life_days": terms.data_life_days <= template.data_life_days,
    }
    _check_kept(terms, bounds)
    if terms.mode != "total" or terms.exclusive:
        raise NotOffered("cohort totals and exclusive use are not offered here")
    kinds = {
        "mode": terms.mode == template.mode,
        "exclusive": terms.exclusive == template.exclusive,
    }
    _check_kept(terms, kinds)


def _check_kept(terms: Terms, bounds: Mapping[str, bool]) -> None:
    for member, kept in bounds.items():
        if not kept:
            raise BeyondTemplate(f"{member}: not what {terms.template} allows")


def latest_until(last: Month, zone: str) -> int:
    """Return the latest `until` in unix seconds: two months after the last month ends."""
    return month_begins(add_months(last, 1 + UNTIL_MONTHS), zone)


def _fits(scope: Scope, categories: tuple[int, ...]) -> bool:
    if scope.exactly is not None:
        return list(categories) == scope.exactly
    return scope.most is not None and len(categories) <= scope.most
