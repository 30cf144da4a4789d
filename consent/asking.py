"""How a platform asks for consent and takes a person back (docs/protocol.md, "Request").

    pushed = platform.ask(Wanted.under("CARD-POINTS", first, last, zh, en, required=(4,)))
    redirect the browser to pushed.url            # or show pushed.code
    grant = platform.finish(pushed, query)        # at redirect_uri, in the same browser session
    platform.outcome(pushed)                      # without a redirect: open · granted · …

`pushed` belongs into the browser session that asked, and nowhere else: it is what keeps a
stranger's grant off this customer's account.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlencode

from consent.messages import AskedCategories, ConsentRequest, Details, Grant
from consent.templates import latest_until, template_of
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u
from vault.errors import BadCode, BadShape, Declined, Locale
from vault.months import DEFAULT_ZONE, Month

Reasons = Mapping[str, Mapping[Locale, str]]


@dataclass(frozen=True)
class Wanted:
    """What a platform asks for, under a template; months and days as the template bounds them.

    ``reasons`` say why, in zh-CN and en, by item: ``purpose``, a category's number,
    ``show_sources``; the purpose and each required category need one. ``until``: unix seconds.
    """

    template: str
    purposes: tuple[str, ...]
    required: tuple[int, ...]
    optional: tuple[int, ...]
    step: int
    first: Month
    last: Month
    until: int
    data_life_days: int
    reasons: Reasons
    show_sources: bool = False
    redirect_uri: str | None = None
    replaces: bytes | None = None

    @classmethod
    def under(
        cls,
        template: str,
        first: Month,
        last: Month,
        zh: str,
        en: str,
        required: tuple[int, ...] = (),
        optional: tuple[int, ...] = (),
        redirect_uri: str | None = None,
    ) -> Self:
        """Return what a template lets a platform ask for over these months, at most.

        Args:
            template: such as CARD-POINTS; purposes, step and days are its own.
            first: the first month.
            last: the last one; the consent ends two months after it, in the default zone.
            zh: one reason for all of it, in zh-CN; ``reasons`` may say more, item by item.
            en: the same in English.
            required: categories; may be left out where the template says which.
            optional: categories that the person may leave out.
            redirect_uri: one that the directory lists for this platform.

        Raises:
            BeyondTemplate: there is no such template.
        """
        found = template_of(template)
        needed = required or tuple(found.categories.exactly or ())
        items = ["purpose", *map(str, needed), *(["show_sources"] if found.show_sources else [])]
        return cls(
            template=template,
            purposes=tuple(found.purposes),
            required=needed,
            optional=optional,
            step=found.step,
            first=first,
            last=last,
            until=latest_until(last, DEFAULT_ZONE),
            data_life_days=found.data_life_days,
            reasons={item: {"zh-CN": zh, "en": en} for item in items},
            show_sources=found.show_sources,
            redirect_uri=redirect_uri,
        )


@dataclass(frozen=True)
class Pushed:
    """A request that the vault holds: keep it in the browser session that asked."""

    hash: bytes
    state: str
    request_uri: str
    code: str
    url: str
    expires_in: int


@dataclass(frozen=True)
class Outcome:
    """What became of a request: open, granted (with the grant's id), declined, expired."""

    state: str
    grant: bytes | None = field(default=None)


def compose_request(wanted: Wanted, client_id: str, key: SigningKey, state: str, now: int) -> str:
    """Return the signed `cv1-request`.

    Raises:
        BadShape: members that no request can have.
    """
    members: dict[str, object] = {
        "type": "carbon_reduction_total",
        "purposes": tuple(sorted(wanted.purposes)),
        "categories": AskedCategories(
            required=tuple(sorted(wanted.required)), optional=tuple(sorted(wanted.optional))
        ),
        "step": wanted.step,
        "first": wanted.first,
        "last": wanted.last,
        "until": wanted.until,
        "mode": "total",
        "show_sources": wanted.show_sources,
        "exclusive": False,
        "data_life_days": wanted.data_life_days,
        "replaces": wanted.replaces,
        "reasons": {item: dict(texts) for item, texts in wanted.reasons.items()},
    }
    request = ConsentRequest(
        iat=now,
        client_id=client_id,
        redirect_uri=wanted.redirect_uri,
        state=state,
        template=wanted.template,
        authorization_details=(Details.read(members),),
    )
    return request.signed(key)


def fresh_state(random: bytes) -> str:
    """Return a `state` of 32 random bytes."""
    return b64u(random)


def authorize_url(url: str, client_id: str, request_uri: str) -> str:
    """Return where the person's browser goes."""
    return f"{url}/authorize?{urlencode({'client_id': client_id, 'request_uri': request_uri})}"


def check_return(pushed: Pushed, query: Mapping[str, str], issuer: str) -> bytes:
    """Return the grant id that came back to `redirect_uri`.

    1. `iss` is this vault (RFC 9207). 2. `state` is the one of this session. 3. the person did not
    decline. 4. it is an id.

    Raises:
        BadCode: another vault, another session's answer, or no answer.
        Declined: the person said no.
    """
    if query.get("iss") != issuer:
        raise BadCode("iss: the answer is not of this vault")  # 1
    if not hmac.compare_digest(query.get("state", "").encode(), pushed.state.encode()):
        raise BadCode("state: the answer is not to a request of this session")  # 2
    if "error" in query:
        raise Declined("the person did not allow it")  # 3
    found = query.get("grant", "")
    if len(found) != 32 or found.strip("0123456789abcdef"):
        raise BadCode("grant: wanted an id of 16 bytes in lower-case hex")  # 4
    return bytes.fromhex(found)


def check_answers(pushed: Pushed, grant: Grant) -> None:
    """Return when the grant answers this very request; raises BadCode."""
    if grant.request is None or not hmac.compare_digest(grant.request, pushed.hash):
        raise BadCode("request: the grant answers another request than this session's")


def read_outcome(body: Mapping[str, Json]) -> Outcome:
    """Return what the vault says of a request; raises BadShape."""
    state, grant = body.get("state"), body.get("grant")
    if not isinstance(state, str) or not (grant is None or isinstance(grant, str)):
        raise BadShape("the answer does not say what became of the request")
    return Outcome(state, bytes.fromhex(grant) if grant else None)
