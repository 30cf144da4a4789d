"""What the demonstration tries and must not get: each attempt ends in a named refusal."""

from __future__ import annotations

from collections.abc import Callable

from consent.demo import cast as parts
from consent.demo.plot import MONTHS
from consent.demo.scenes import Person, terms_of
from consent.demo.stage import Stage
from consent.messages import Grant, Terms
from consent.templates import latest_until
from consent.tokens import Granted, cells_of, seal_token, sign_token, sum_masks
from vault.crypto import keys
from vault.crypto.keys import SigningKey
from vault.encoding import compact_json
from vault.errors import BadTotal, VaultError
from vault.months import DEFAULT_ZONE, Category, Window


def refuse(person: Person, stage: Stage) -> dict[str, VaultError]:
    """Return what was attempted, by name, and the error that met it.

    Raises:
        BadTotal: an attempt went through.
    """
    second = person.holder.allow(_wider(terms_of(parts.CITY)), "zh-CN")
    bank = person.grants[parts.BANK]
    window = (MONTHS[1],)
    platform = stage.platform(parts.BANK)
    found = {
        "overlap-app": _attempt(lambda: person.holder.mint(second)),
        "overlap-vault": _attempt(
            lambda: forge(person, stage, second, window, keys.consent_key(person.root, second.org))
        ),
        "forged-token": _attempt(
            lambda: forge(person, stage, second, window, SigningKey(stage.random(32)))
        ),
    }
    person.holder.stop(bank)
    found["after-stop"] = _attempt(lambda: platform.total(bank.grant, bank.windows[0]))
    return found


def _wider(terms: Terms) -> Terms:
    # The second month alone, with one category more: it overlaps what was allowed.
    month = MONTHS[1]
    until = latest_until(month, DEFAULT_ZONE)
    scope = (int(Category.TRAVEL), int(Category.GOODS))
    return terms.model_copy(
        update={"first": month, "last": month, "until": until, "categories": scope}
    )


def forge(person: Person, stage: Stage, grant: Grant, window: Window, signer: SigningKey) -> None:
    """Post a token past the holder's own app, signed by `signer`."""
    cells = cells_of(person.holder.link_facts(), grant.org, window)
    masks = sum_masks(lambda link: keys.stream_key(person.root, link), cells, grant.scope)
    granted = Granted(grant.grant, window)
    platform = person.holder.directory.sealing_key(grant.platform, stage.now())
    sealed = seal_token(masks, platform, granted)
    post = sign_token(signer, stage.now(), granted, cells, sealed)
    wire = stage.wire(keys.account_key(person.root))
    wire.post("/v1/holder/tokens", compact_json(post.plain()))


def _attempt(act: Callable[[], object]) -> VaultError:
    try:
        act()
    except VaultError as refused:
        return refused
    raise BadTotal("an attempt that must be refused went through")
