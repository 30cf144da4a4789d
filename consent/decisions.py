"""How a person decides on a platform's request (docs/protocol.md, "Request").

    asked = holder.open_request(code)            # a code, a request_uri, or a handle
    holder.notice(asked.terms(()), "en")         # what they read
    holder.figures(asked.terms(()), links)       # the actual figures that would leave
    decided = holder.accept_request(asked, (), "en")
    decided.redirect                             # where the browser goes back to, or None
    holder.decline_request(asked)

Each optional category is its own choice, none is chosen beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from consent.consents import Consents
from consent.messages import HANDLE, LIFE, URN, ConsentRequest, Grant, LinkMonths, Terms
from consent.receipts import find_grant, make_receipt
from consent.records import OwnLink, add_closes
from consent.templates import check_terms, latest_until
from consent.turns import read_turns
from vault.crypto.keys import read_symbols
from vault.encoding import Json, read_envelope, text_hash
from vault.errors import (
    AtomUsed,
    BadCode,
    BadShape,
    BadTotal,
    Locale,
    NotFound,
    NotMinted,
    NotWitnessed,
)
from vault.months import Grams, Month, Window
from vault.wire import objects_of, text_of


@dataclass(frozen=True)
class Asked:
    """A request as its reader checked it: signed by a platform that the directory lists.

    ``state``: open, granted, declined, expired; ``until`` unix seconds.
    """

    handle: str
    name: str
    request: ConsentRequest
    hash: bytes
    state: str
    until: int
    zone: str

    def terms(self, optional: Iterable[int], last: Month | None = None) -> Terms:
        """Return the terms with these optional categories and, when given, an earlier end.

        With an earlier end the platform may ask for less long, as its template bounds it.
        """
        terms = self.request.terms(optional, last)
        until = min(terms.until, latest_until(terms.last, self.zone))
        return terms.model_copy(update={"until": until}) if last else terms


@dataclass(frozen=True)
class Figure:
    """What one window would give; `grams` is None while a close of it is not there yet.

    ``sources`` counts the links that the figure is over; with one, the platform learns the figure
    of that source. ``taken``: the organisation has another total over part of it, so that nothing
    can leave for this window.
    """

    window: Window
    grams: Grams | None
    sources: int
    taken: bool = False


@dataclass(frozen=True)
class Decided:
    """The person's answer, and where the browser goes back to (None: they typed a code)."""

    grant: Grant | None
    redirect: str | None


class Decisions(Consents):
    """What is asked of a holder, and what they answer."""

    def open_request(self, name: str, client_id: str | None = None) -> Asked:
        """Return the request of a code, a request_uri or a handle; it is this person's from now on.

        `client_id` is the platform that the browser's address named, when there was one.

        Raises:
            BadShape: the vault answers with another request, or one of another platform.
            NotFound: unknown, or opened by somebody else.
            BadCode: not a request code.
            UnknownKey, BadJws, BeyondTemplate, NotOffered: the request is not the platform's, or
                asks for more than its template allows.
        """
        handle = read_name(name)
        asked = self._asked(self._wire.post(f"/v1/holder/requests/{handle}", "").body)
        if asked.handle != handle or client_id not in (None, asked.request.client_id):
            raise BadShape("the vault answered with a request of another name or platform")
        if asked.state == "open":
            asked_of = asked.request.details.categories
            check_terms(asked.terms(asked_of.optional), self.directory, self._now())
        return asked

    def requests(self) -> list[Asked]:
        """Return every request that this person opened, newest first."""
        body = self._wire.get("/v1/holder/requests").body
        return [self._asked(item) for item in objects_of(body, "requests")]

    def figures(self, terms: Terms, links: list[OwnLink]) -> list[Figure]:
        """Return the actual figure of each window that these terms would let the platform have.

        `links` are this person's own records. Links to sources of the platform's own organisation
        are left out.
        """
        org = self.directory.org_of(terms.platform)
        return [self._figure(org, terms, window, links) for window in terms.windows]

    def _figure(self, org: str, terms: Terms, window: Window, links: list[OwnLink]) -> Figure:
        try:
            cells = self._would_give(org, terms, window)
        except NotMinted:
            return Figure(window, None, 0)
        except AtomUsed:
            return Figure(window, None, 0, taken=True)
        return Figure(window, _sum(links, cells, terms), len(cells))

    def accept_request(
        self, asked: Asked, optional: Iterable[int], locale: Locale, last: Month | None = None
    ) -> Decided:
        """Allow what was asked, with these optional categories; the notice was read in `locale`.

        Raises:
            BeyondTemplate, NotOffered, Expired, DifferentBytes: the vault does not take it.
            NotFound: it replaces a grant that is not this person's.
        """
        replaces = asked.request.details.replaces
        old = None if replaces is None else self._own(replaces)
        if old is not None and old.platform != asked.request.client_id:
            raise BadShape("replaces: the request names a grant to another platform")
        grant = self.allow(asked.terms(optional, last), locale, old, asked.hash)
        return Decided(grant, self._back(asked, {"grant": grant.grant.hex()}))

    def decline_request(self, asked: Asked) -> Decided:
        """Say no; the vault logs the request's hash, and nothing about the person."""
        self._wire.post(f"/v1/holder/requests/{asked.handle}/decline", "")
        return Decided(None, self._back(asked, {"error": "access_denied"}))

    def ask_deletion(self, grant: Grant) -> None:
        """Ask the platform to delete what it has of a grant; it answers by and by."""
        self._wire.post(f"/v1/holder/grants/{grant.grant.hex()}/deletion", "")

    def receipt(self, grant: Grant) -> bytes:
        """Return the receipt of a grant, which anybody checks offline (consent/receipts.py).

        Without the notice's text when the parties' names or our words have changed since: ask for
        it right after allowing.

        Raises:
            NotFound: no such grant of this person.
            NotWitnessed: the witnesses did not see the grant or the directory yet: ask again later.
            BadProof, BadDirectory, BadShape: the vault does not prove that it logged it.
        """
        self._current.refresh()
        told = self._wire.get("/v1/directory").body
        if text_of(told, "directory") != self.directory.text:
            # The proof is of the newest one, and this person goes by the one before it still.
            raise NotWitnessed("too few witnesses saw the newest directory so far")
        text = find_grant(self._wire.get("/v1/holder/grants").body, grant.grant)
        # The same bytes again: the stored answer, also after the grant has ended.
        proof = text_of(self._post("/v1/holder/grants", text), "proof")
        return make_receipt(
            text,
            proof,
            self.directory,
            text_of(told, "proof"),
            self._current.policy.trust,
            read_turns(told),
        )

    def _back(self, asked: Asked, result: Mapping[str, str]) -> str | None:
        uri = asked.request.redirect_uri
        if uri is None:
            return None
        query = urlencode({**result, "state": asked.request.state, "iss": self._wire.url})
        return f"{uri}{'&' if '?' in uri else '?'}{query}"

    def _own(self, grant_id: bytes) -> Grant:
        found = next((own.grant for own in self.grants() if own.grant.grant == grant_id), None)
        if found is None:
            raise NotFound("the request replaces a grant that is not yours")
        return found

    def _asked(self, item: Mapping[str, Json]) -> Asked:
        text = text_of(item, "request")
        envelope = read_envelope(text, ConsentRequest.typ)
        request = ConsentRequest.opened(envelope)
        state, until = text_of(item, "state"), item.get("until")
        if not isinstance(until, int):
            raise BadShape("the vault shows a request without its end")
        # By this clock while it is open: when it was signed is only its signer's word.
        at = self._now() if state == "open" else until - LIFE
        party, pk = self.directory.signer(envelope.kid, "platform", at)
        envelope.verify(pk)
        if party.id != request.client_id:
            raise BadShape("client_id: not the platform that signed the request")
        if request.redirect_uri is not None and request.redirect_uri not in (party.redirects or ()):
            raise BadShape("redirect_uri: not one that the directory lists for this platform")
        return Asked(
            text_of(item, "handle"),
            party.name,
            request,
            text_hash(text),
            state,
            until,
            self.directory.listing.zone,
        )


def read_name(name: str) -> str:
    """Return the handle (hex) of a request code, a request_uri or a handle; raises BadCode."""
    handle = name.strip().removeprefix(URN)
    if len(handle) == 2 * HANDLE and not handle.strip("0123456789abcdef"):
        return handle
    try:
        return read_symbols(handle, HANDLE).hex()
    except BadCode as bad:
        raise BadCode("wanted a request code or a request_uri") from bad


def _sum(links: list[OwnLink], cells: tuple[LinkMonths, ...], terms: Terms) -> Grams | None:
    try:
        return add_closes(links, cells, terms.scope)
    except BadTotal:
        return None
