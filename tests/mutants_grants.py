"""Mutants of binds, grants, stops, pauses and resumes."""

from __future__ import annotations

from collections.abc import Iterator

from consent.demo.cast import BANK, CITY
from consent.messages import Bind, Grant, Pause, Refusal, Resume, Revoke
from tests.forger import (
    STRANGER,
    Forger,
    Mutant,
    Rule,
    body_of,
    edited,
)
from tests.switched import GRANTS, TEMPLATES, Change, no
from tests.tale import JUN, MAY
from tests.world import APR, JAN, terms
from vault.encoding import b64u
from vault.months import Month, add_months

Mutants = Iterator[Mutant]
LATE = (Month("2026-07"), Month("2026-08"), Month("2026-09"))
AUTUMN = {"first": LATE[0], "last": LATE[2]}


def food(f: Forger, **changed: object) -> Grant:
    """A grant by Eve to the city of a category that it has no window of yet."""
    return f.grant(CITY, {"categories": (2,), "last": JUN, **changed})


def second_binds(f: Forger) -> Mutants:
    for org in (BANK, CITY):
        text = Bind(iat=1, org=org, pk=STRANGER.public).signed(f.eve)
        for place in (f.find("erase")[0], f.end):
            yield f.insert(place, text, "bind")


def keys_bound_twice(f: Forger) -> Mutants:
    for index in f.find("bind"):
        pk = str(body_of(f.text(index))["pk"])
        model = Bind(iat=1, org="south.demo", pk=STRANGER.public).signed(f.eve)
        yield f.insert(f.end, edited(model, f.eve, pk=pk), "bind")


def unbound_grants(f: Forger) -> Mutants:
    grant = food(f).model_copy(update={"pk": STRANGER.public})
    yield f.insert(f.end, grant.signed(STRANGER), "grant")
    for org, asked in ((CITY, {"categories": (2,)}), (BANK, AUTUMN)):
        pk = b64u(f.eve_for[org].public)
        bind = next(i for i in f.find("bind") if body_of(f.text(i))["pk"] == pk)
        early = f.grant(org, {"last": APR, **asked})
        yield f.insert(bind, f.by_eve(early), "grant", "before the bind")


def grants_to_another(f: Forger) -> Mutants:
    grant = food(f).model_copy(update={"pk": f.eve_for[BANK].public})
    yield f.insert(f.end, grant.signed(f.eve_for[BANK]), "grant")
    other = f.grant(BANK, AUTUMN)
    other = other.model_copy(update={"pk": f.eve_for[CITY].public})
    yield f.insert(f.end, other.signed(f.eve_for[CITY]), "grant")


def grants_of_other_keys(f: Forger) -> Mutants:
    for grant in (food(f), f.grant(BANK, AUTUMN)):
        other = grant.model_copy(update={"pk": STRANGER.public})
        yield f.insert(f.end, f.by_eve(other), "grant")


def grants_twice(f: Forger) -> Mutants:
    for name, platform in (("ann", CITY), ("ann", BANK), ("eve", CITY)):
        grant = food(f).model_copy(update={"grant": f.grants(name, platform)[-1].grant})
        yield f.insert(f.end, f.by_eve(grant), "grant")
    again = f.of_grant("grant", f.grants("ann", CITY)[-1])[0]
    yield f.insert(f.end, f.text(again), "grant", "the same bytes")


def _grown(f: Forger, *grants: Grant) -> Mutants:
    for grant in grants:
        yield f.insert(f.end, f.by_eve(grant), "grant")


def unknown_templates(f: Forger) -> Mutants:
    yield from _grown(f, food(f).model_copy(update={"template": "ALL-OF-IT"}))


def other_modes(f: Forger) -> Mutants:
    yield from _grown(f, food(f, mode="cohort"), food(f, exclusive=True))


def other_organisations(f: Forger) -> Mutants:
    yield from _grown(f, f.grant(CITY, {"categories": (2,)}, BANK))


def other_platforms(f: Forger) -> Mutants:
    of_city, of_bank = dict(terms(CITY)), dict(terms(BANK, last=JUN))
    del of_city["platform"], of_bank["platform"]
    yield from _grown(f, f.grant(BANK, {**of_city, "categories": (2,)}), f.grant(CITY, of_bank))


def other_purposes(f: Forger) -> Mutants:
    yield from _grown(
        f,
        food(f, purposes=("PublicBenefit", "SellDataToThirdParties")),
        food(f, purposes=("PersonalisedBenefits",)),
    )


def other_categories(f: Forger) -> Mutants:
    yield from _grown(f, food(f, categories=(1, 2, 3, 5, 6)))
    yield from _grown(f, f.grant(BANK, {"categories": (4,), **AUTUMN}))


def other_steps(f: Forger) -> Mutants:
    yield from _grown(f, food(f, step=3), f.grant(BANK, {"step": 1, **AUTUMN}))


def too_far_back(f: Forger) -> Mutants:
    yield from _grown(f, food(f, first=add_months(MAY, -13)))


def too_far_ahead(f: Forger) -> Mutants:
    yield from _grown(f, food(f, last=add_months(MAY, 13)))


def too_long(f: Forger) -> Mutants:
    until = food(f).until
    yield from _grown(f, food(f, until=until + 1), food(f, until=2 * until))


def sources_shown(f: Forger) -> Mutants:
    yield from _grown(f, food(f, show_sources=True))


def kept_too_long(f: Forger) -> Mutants:
    yield from _grown(f, food(f, data_life_days=181))
    yield from _grown(f, f.grant(BANK, {"data_life_days": 91, **AUTUMN}))


def over_already(f: Forger) -> Mutants:
    now = f.lines[-1].at
    yield from _grown(f, food(f, until=now), food(f, until=now - 10**6))


def replaced_wrongly(f: Forger) -> Mutants:
    for old in (f.grants("ann", CITY)[-1], f.grants("bob", CITY)[0], f.grants("eve", BANK)[-1]):
        yield from _grown(f, food(f).model_copy(update={"replaces": old.grant}))


def replaced_twice(f: Forger) -> Mutants:
    old = f.grants("eve", BANK)[0]
    grant = f.grant(BANK, AUTUMN)
    yield from _grown(f, grant.model_copy(update={"replaces": old.grant}))


def wrong_counts(f: Forger) -> Mutants:
    grant = f.grants("eve", CITY)[0]
    for kind in (Pause, Resume, Revoke):
        for n in (2, 7):
            text = kind(iat=1, grant=grant.grant, n=n).signed(f.eve_for[CITY])
            yield f.insert(f.end, text, kind.typ.removeprefix("cv1-"))
    for typ in ("pause", "resume"):
        for index in f.find(typ)[:1]:
            yield f.insert(f.end, f.text(index), typ, f"{typ} {index} played again")


def changed_after_the_end(f: Forger) -> Mutants:
    old = f.grants("eve", BANK)[0]
    for kind in (Resume, Pause, Revoke):
        text = kind(iat=1, grant=old.grant, n=1).signed(f.eve_for[BANK])
        yield f.insert(f.end, text, kind.typ.removeprefix("cv1-"), "after a replace")
    live = f.grants("eve", CITY)[0]
    stop = Revoke(iat=1, grant=live.grant, n=1).signed(f.eve_for[CITY])
    resume = Resume(iat=1, grant=live.grant, n=2).signed(f.eve_for[CITY])
    yield f.insert_all(f.end, [stop, resume], "resume", "after a revoke")


def puppets_words(f: Forger) -> Mutants:
    bob = f.grants("bob", CITY)[0]
    resume = Resume(iat=1, grant=bob.grant, n=4).signed(f.eve_for[CITY])
    yield f.insert(f.end, resume, "resume", "a puppet resumes Bob's grant")
    for platform, n in ((CITY, 1), (BANK, 1)):
        ann = f.grants("ann", platform)[-1]
        for kind in (Pause, Revoke):
            text = kind(iat=1, grant=ann.grant, n=n).signed(f.eve_for[platform])
            yield f.insert(f.end, text, kind.typ.removeprefix("cv1-"), f"a puppet for {platform}")
        for index in f.of_grant("token", ann)[-1:]:
            text = edited(f.text(index), f.eve_for[platform])
            yield f.insert(f.end, text, "token", f"a puppet's token for {platform}")


def unknown_grants(f: Forger) -> Mutants:
    text = Refusal(iat=1, grant=f.id(), window=(JAN,), reason="revoked").signed(f.vault)
    for place in (f.find("erase")[0], f.end):
        yield f.insert(place, text, "refusal")


def decided_twice(f: Forger) -> Mutants:
    decided = [body_of(f.text(i)) for typ in ("grant", "refusal") for i in f.find(typ)]
    for request in (str(body["request"]) for body in decided if "request" in body):
        for reason in ("declined", "expired"):
            no_again = Refusal(iat=1, request=bytes.fromhex(request), reason=reason)
            yield f.insert(f.end, no_again.signed(f.vault), "refusal", f"{reason} once more")
        yes = food(f).model_copy(update={"request": bytes.fromhex(request)})
        yield f.insert(f.end, f.by_eve(yes), "grant", "allowed once more")


_NO_GRANT = 'raise BadShape("no such grant stands before")'


GRANT_RULES = [
    Rule(
        "bind once",
        "one bind per account and organisation",
        "bound already",
        (no(GRANTS, "(account, message.org) in self._orgs"),),
        second_binds,
    ),
    Rule(
        "consent key once",
        "a consent key is bound once over the whole vault",
        "bound already",
        (no(GRANTS, "kid in self._binds"),),
        keys_bound_twice,
    ),
    Rule(
        "bind before",
        "a grant is signed by a key that was bound before",
        "no bind of this key",
        (
            Change(
                GRANTS,
                'raise BadShape("no bind of this key to this organisation stands before")',
                'return _Bound("", org, entry.envelope.verify_introduced())',
            ),
        ),
        unbound_grants,
    ),
    Rule(
        "bind to that organisation",
        "a grant is signed by the key bound to its own organisation",
        "no bind of this key",
        (no(GRANTS, "bound.org != org"),),
        grants_to_another,
    ),
    Rule(
        "grant's pk",
        "a grant names the key that signs it",
        "names another key",
        (no(GRANTS, "grant.pk != bound.pk"),),
        grants_of_other_keys,
    ),
    Rule(
        "grant once",
        "a grant's id stands once",
        "its id stands before",
        (no(GRANTS, "grant.grant in self._grants"),),
        grants_twice,
    ),
    Rule(
        "template",
        "a grant's template exists",
        "there is no",
        (
            Change(
                TEMPLATES,
                'raise BeyondTemplate(f"template: there is no {name}") from None',
                'return load_templates()["CITY-REWARD"]',
            ),
        ),
        unknown_templates,
    ),
    Rule(
        "mode",
        "no cohort and no exclusive grants, as long as they are not offered",
        "not offered",
        (
            no(TEMPLATES, 'terms.mode != "total" or terms.exclusive'),
            Change(TEMPLATES, '"mode": terms.mode == template.mode', '"mode": True'),
            Change(
                TEMPLATES,
                '"exclusive": terms.exclusive == template.exclusive',
                '"exclusive": True',
            ),
        ),
        other_modes,
    ),
    Rule(
        "platform's organisation",
        "a grant names its platform's organisation",
        "is not of the organisation",
        (no(TEMPLATES, "directory.org_of(grant.platform) != grant.org"),),
        other_organisations,
    ),
    *(
        Rule(
            f"template: {member}",
            f"{member} within the template's bounds",
            f"{member}:",
            (Change(TEMPLATES, f'"{member}": {bound}', f'"{member}": True'),),
            mutants,
        )
        for member, bound, mutants in (
            ("platform", "bool(set(party.roles) & set(template.who))", other_platforms),
            ("purposes", "set(terms.purposes) <= set(template.purposes)", other_purposes),
            ("categories", "_fits(template.categories, terms.categories)", other_categories),
            ("step", "terms.step == template.step", other_steps),
            ("first", "terms.first >= add_months(month, -template.back)", too_far_back),
            ("last", "terms.last <= add_months(month, template.ahead)", too_far_ahead),
            (
                "until",
                "terms.until <= latest_until(terms.last, directory.listing.zone)",
                too_long,
            ),
            ("show_sources", "template.show_sources or not terms.show_sources", sources_shown),
            (
                "data_life_days",
                "terms.data_life_days <= template.data_life_days",
                kept_too_long,
            ),
        )
    ),
    Rule(
        "not over already",
        "a grant's until lies ahead",
        "until had passed",
        (no(GRANTS, "grant.until <= entry.at"),),
        over_already,
    ),
    Rule(
        "replaces one's own",
        "a grant replaces a grant of the same person to the same organisation",
        "replaces:",
        (no(GRANTS, "(old.account, old.grant.org) != (bound.account, bound.org)"),),
        replaced_wrongly,
    ),
    Rule(
        "replaces once",
        "a grant that ended is not replaced",
        "replaces:",
        (no(GRANTS, "old.state in _ENDED"),),
        replaced_twice,
    ),
    Rule(
        "n rises",
        "n rises by one over a grant's stops, pauses and resumes",
        "wanted n",
        (no(GRANTS, "message.n != granted.count + 1"),),
        wrong_counts,
    ),
    Rule(
        "nothing after the end",
        "after a revoke or a replace no status is taken",
        "wanted n",
        (no(GRANTS, "granted.state in _ENDED"),),
        changed_after_the_end,
    ),
    Rule(
        "same key",
        "tokens and statuses are signed by the key that gave the grant",
        "not signed by the key that gave the grant",
        (no(GRANTS, "self._consent_of(entry, granted.grant.org).pk != granted.grant.pk"),),
        puppets_words,
    ),
    Rule(
        "grant before",
        "a refusal is about a grant that stands before",
        "no such grant",
        (Change(GRANTS, _NO_GRANT, "return next(iter(self._grants.values()))"),),
        unknown_grants,
    ),
    Rule(
        "request decided once",
        "a request is granted, declined or over once",
        "was decided before",
        (no(GRANTS, "request in self._decided"),),
        decided_twice,
    ),
]
