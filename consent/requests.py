"""Consent requests: a platform asks, a person decides once (RFC 9126 in its words, no token).

    POST /v1/requests            cv1-request ──► request_uri, code, expires_in 600
    /authorize?client_id=…&request_uri=…       the person's app opens it: claimed by one account
    a cv1-grant that names it, or a decline    used up; refusals are logged by its hash only

See docs/protocol.md, "Request".
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from consent.messages import HANDLE, LIFE, URN, ConsentRequest, Grant, Refusal, Terms
from consent.templates import check_terms
from consent.wording import check_words
from vault import accounts, journal
from vault.directory import Directory
from vault.encoding import read_envelope, text_hash
from vault.errors import BadShape, BeyondTemplate, DifferentBytes, Expired, NotFound, UnknownKey
from vault.operator import Operator
from vault.storage.database import Transaction


class RequestRow(NamedTuple):
    """A request as the vault keeps it; `handle` is unguessable, `account` who opened it."""

    handle: bytes
    hash: bytes
    platform: str
    until: int
    state: str
    account: str | None
    grant_id: bytes | None
    text: str

    @property
    def request(self) -> ConsentRequest:
        """The message; its signature was verified when it came in."""
        return ConsentRequest.opened(read_envelope(self.text, ConsentRequest.typ))


_COLUMNS = "SELECT handle, hash, platform, until, state, account, grant_id, text FROM requests"


def push(
    tx: Transaction, operator: Operator, directory: Directory, caller: str, text: str
) -> RequestRow:
    """Take a platform's request; return its row, the stored one for the same bytes.

    1. signed by a key of the calling platform, which it names. 2. the stored answer for the same
    bytes. 3. `redirect_uri` is registered, byte for byte. 4. all that it asks for, and the least,
    is within its template.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, NotOffered, BeyondTemplate: a check fails.
    """
    envelope = read_envelope(text, ConsentRequest.typ)
    party, pk = directory.signer(envelope.kid, "platform", operator.now())
    envelope.verify(pk)
    request = ConsentRequest.opened(envelope)
    if caller != party.id or request.client_id != party.id:
        raise UnknownKey("client_id: not the platform that signs and asks")  # 1
    name = text_hash(text)
    if stored := tx.one(RequestRow, f"{_COLUMNS} WHERE hash = ?", name):
        return stored  # 2
    if request.redirect_uri is not None and request.redirect_uri not in (party.redirects or ()):
        raise BeyondTemplate(
            "redirect_uri: not one that the directory lists for this platform"
        )  # 3
    _check_query(request.redirect_uri)
    for texts in request.details.reasons.values():
        for reason in texts.values():
            check_words(reason)
    for terms in _extremes(request):
        check_terms(terms, directory, operator.now())  # 4
    handle, until = operator.random(HANDLE), operator.now() + LIFE
    tx.run(
        "INSERT INTO requests (handle, hash, platform, until, text) VALUES (?, ?, ?, ?, ?)",
        handle,
        name,
        party.id,
        until,
        text,
    )
    return RequestRow(handle, name, party.id, until, "open", None, None, text)


def _check_query(uri: str | None) -> None:
    # The answer's own members would stand there twice, and readers differ on which one holds.
    own = {"grant", "error", "state", "iss"} & set(dict(parse_qsl(urlsplit(uri or "").query)))
    if own:
        raise BeyondTemplate(f"redirect_uri: its query names {', '.join(sorted(own))}")


def _extremes(request: ConsentRequest) -> list[Terms]:
    """Return the widest and the narrowest terms that a person may choose."""
    asked = request.details.categories
    widest = request.terms(asked.optional)
    return [widest, request.terms(())] if asked.required else [widest]


def of_platform(tx: Transaction, operator: Operator, platform: str, handle: bytes) -> RequestRow:
    """Return a platform's own request, expired when its time is over; raises NotFound."""
    sql = f"{_COLUMNS} WHERE handle = ? AND platform = ?"
    return _timed(_found(tx.one(RequestRow, sql, handle, platform)), operator.now())


def hand_over(tx: Transaction, operator: Operator, client_id: str, uri: str) -> RequestRow:
    """Return the open request of a `request_uri`, for the page that the browser lands on.

    Raises:
        NotFound: unknown, of another client, used, or its time is over.
    """
    row = _found(tx.one(RequestRow, f"{_COLUMNS} WHERE handle = ?", read_uri(uri)))
    if row.platform != client_id or _timed(row, operator.now()).state != "open":
        raise NotFound("no open request of this client has this request_uri")
    return row


def claim(tx: Transaction, operator: Operator, account: str, handle: bytes) -> RequestRow:
    """Return a request to the person who opens it; from then on it is theirs alone.

    Raises:
        NotFound: unknown, or opened by another account. UnknownKey: the caller has no account.
    """
    row = _found(tx.one(RequestRow, f"{_COLUMNS} WHERE handle = ?", handle))
    if row.account is None and _timed(row, operator.now()).state == "open":
        accounts.public_key(tx, account)  # no key without an account takes it from anybody
        tx.run("UPDATE requests SET account = ? WHERE handle = ?", account, handle)
        return row._replace(account=account)
    if row.account != account:
        raise NotFound("no such request of yours")
    return _timed(row, operator.now())


def requests_of(tx: Transaction, operator: Operator, account: str) -> list[RequestRow]:
    """Return every request that this account opened, newest first."""
    rows = tx.all(RequestRow, f"{_COLUMNS} WHERE account = ? ORDER BY until DESC, handle", account)
    return [_timed(row, operator.now()) for row in rows]


def decline(tx: Transaction, operator: Operator, account: str, handle: bytes) -> bytes:
    """Let a person say no; return the journal hash. A second no gets the stored answer.

    Raises:
        NotFound: no request that this account opened. Expired: its ten minutes are over.
        DifferentBytes: it was granted already.
    """
    row = claim(tx, operator, account, handle)
    if row.state == "granted":
        raise DifferentBytes("this request was granted already")
    if row.state == "expired":
        raise Expired("the time of this request is over")
    return _end(tx, operator, row, "declined")


def take(tx: Transaction, operator: Operator, account: str, grant: Grant) -> None:
    """Use up the request that a grant names, if it names one.

    1. a request to this account, of this platform. 2. open, and its time not over. 3. the grant is
    the request, less optional categories or later months.

    Raises:
        NotFound, Expired, DifferentBytes, BeyondTemplate: a check fails.
    """
    if grant.request is None:
        return
    row = _found(tx.one(RequestRow, f"{_COLUMNS} WHERE hash = ?", grant.request))
    row = claim(tx, operator, account, row.handle)
    if row.platform != grant.platform:
        raise NotFound("request: not one of this platform")  # 1
    if row.state in ("granted", "declined"):
        raise DifferentBytes("request: it was decided already")
    if row.state == "expired":
        raise Expired("the time of this request is over")  # 2
    check_within(row.request, grant)  # 3
    tx.run(
        "UPDATE requests SET state = 'granted', grant_id = ? WHERE handle = ?",
        grant.grant,
        row.handle,
    )


def check_within(request: ConsentRequest, grant: Grant) -> None:
    """Return when a grant is what was asked for, less optional categories or later months.

    Raises:
        BeyondTemplate: the member that differs is named.
    """
    asked = request.details
    chosen = set(grant.categories) - set(asked.categories.required)
    try:
        terms = request.terms(chosen, grant.last)
    except BadShape as bad:
        raise BeyondTemplate(f"request: {bad}") from bad
    own = {name: getattr(grant, name) for name in Terms.model_fields}
    wanted = {**dict(terms), "replaces": asked.replaces}
    for member, found in {**own, "replaces": grant.replaces}.items():
        narrower = member in ("until", "data_life_days") and found <= wanted[member]
        if found != wanted[member] and not narrower:
            raise BeyondTemplate(f"{member}: not what the request asks for")


def forget(tx: Transaction, operator: Operator, account: str) -> None:
    """Leave nothing of an account in what it opened; what is open ends as declined.

    The hash stays, as it does in the log: else a request could be pushed and decided twice.
    """
    sql = f"{_COLUMNS} WHERE account = ? AND state = 'open'"
    for row in tx.all(RequestRow, sql, account):
        _end(tx, operator, row, "declined")
    tx.run(
        "UPDATE requests SET account = NULL, grant_id = NULL, text = '' WHERE account = ?", account
    )


def expire(tx: Transaction, operator: Operator) -> None:
    """Log every request whose time is over, by its hash only."""
    sql = f"{_COLUMNS} WHERE state = 'open' AND until <= ?"
    for row in tx.all(RequestRow, sql, operator.now()):
        _end(tx, operator, row, "expired")


def _end(tx: Transaction, operator: Operator, row: RequestRow, reason: str) -> bytes:
    stored = tx.one(_Ended, "SELECT refusal FROM requests WHERE handle = ?", row.handle)
    if stored and stored.refusal:
        return text_hash(stored.refusal)
    text = Refusal(iat=operator.now(), request=row.hash, reason=reason).signed(operator.key)
    sql = "UPDATE requests SET state = ?, refusal = ? WHERE handle = ?"
    tx.run(sql, reason, text, row.handle)
    return journal.append(tx, operator, text)


class _Ended(NamedTuple):
    refusal: str | None


def write_uri(handle: bytes) -> str:
    """Return the `request_uri` of a handle."""
    return URN + handle.hex()


def read_uri(uri: str) -> bytes:
    """Return the handle of a `request_uri`; raises NotFound for any other text."""
    return read_handle(uri.removeprefix(URN))


def read_handle(text: str) -> bytes:
    """Return a handle from lower-case hex; raises NotFound for any other text."""
    if len(text) != 2 * HANDLE or text.strip("0123456789abcdef"):
        raise NotFound("nothing has this name")
    return bytes.fromhex(text)


def _timed(row: RequestRow, now: int) -> RequestRow:
    over = row.state == "open" and row.until <= now
    return row._replace(state="expired") if over else row


def _found(row: RequestRow | None) -> RequestRow:
    if row is None:
        raise NotFound("no such request")
    return row
