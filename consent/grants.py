"""Binds, grants and their end: the holder's signed consent (docs/protocol.md section 5, "Grant").

The consent key towards an organisation is bound to the account once; every grant and revocation
towards that organisation is signed with it.
"""

from __future__ import annotations

from typing import NamedTuple

from consent import events, requests
from consent.messages import Bind, Grant, Pause, Resume, Revoke
from consent.notices import check_notice
from consent.templates import check_grant
from vault import accounts, journal
from vault.directory import Directory
from vault.encoding import Envelope, read_envelope, thumbprint
from vault.errors import (
    BadShape,
    DifferentBytes,
    Expired,
    NotFound,
    Paused,
    Revoked,
    UnknownKey,
)
from vault.operator import Operator
from vault.storage.database import Transaction


class GrantRow(NamedTuple):
    """A grant as the vault keeps it; `n` counts its status messages."""

    grant_id: bytes
    account: str
    org: str
    platform: str
    until: int
    n: int
    state: str
    text: str

    @property
    def grant(self) -> Grant:
        """The grant message; its signature was verified when it came in."""
        return Grant.opened(read_envelope(self.text, Grant.typ))


STATES = {Revoke.typ: "revoked", Pause.typ: "paused", Resume.typ: "live"}
EVENTS: dict[str, events.Kind] = {
    Revoke.typ: "revoked",
    Pause.typ: "paused",
    Resume.typ: "resumed",
}
ENDED = frozenset({"revoked", "replaced"})


class _Bind(NamedTuple):
    pk: bytes
    text: str


_COLUMNS = "SELECT grant_id, account, org, platform, until, n, state, text FROM grants"


def bind(
    tx: Transaction, operator: Operator, directory: Directory, caller: str, text: str
) -> bytes:
    """Bind a consent key to the caller's account; return the journal hash.

    1. signed by the account key. 2. the stored answer for the same bytes. 3. the organisation is
    listed. 4. one bind per (account, organisation), the key new over the whole vault.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, BadPoint, DifferentBytes: a check fails.
    """
    envelope = read_envelope(text, Bind.typ)
    accounts.verify_account(tx, envelope, caller)  # 1
    if stored := journal.holds(tx, text):
        return stored  # 2
    message = Bind.opened(envelope)
    if message.org not in {party.org for party in directory.listing.entries}:
        raise UnknownKey(f"the directory lists no organisation {message.org}")  # 3
    added = tx.run(
        "INSERT INTO binds (account, org, pk, text) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        caller,
        message.org,
        message.pk,
        text,
    )
    if not added:
        raise DifferentBytes("this organisation is bound already, or the key is")  # 4
    return journal.append(tx, operator, text, caller)


def check_consent(tx: Transaction, envelope: Envelope, caller: str, org: str) -> None:
    """Return when the envelope is signed by the caller's consent key towards the organisation.

    Raises:
        UnknownKey: no such bind, or another key. BadJws: the signature does not verify.
    """
    bound = tx.one(_Bind, "SELECT pk, text FROM binds WHERE account = ? AND org = ?", caller, org)
    if bound is None or thumbprint(bound.pk) != envelope.kid:
        raise UnknownKey(f"this key is not bound to your account for {org}")
    envelope.verify(bound.pk)


def give(
    tx: Transaction, operator: Operator, directory: Directory, caller: str, text: str
) -> bytes:
    """Take a grant; return the journal hash.

    1. signed by the consent key it names, bound to the caller. 2. the stored answer for the same
    bytes. 3. within its template; the notice is the one these terms render to. 4. not over
    already. 5. its id is new. 6. the grant it replaces ends in the same transaction.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, NotOffered, BeyondTemplate, Expired, DifferentBytes,
        NotFound, Revoked: a check fails.
    """
    envelope = read_envelope(text, Grant.typ)
    grant = Grant.opened(envelope)
    check_consent(tx, envelope, caller, grant.org)  # 1
    if thumbprint(grant.pk) != envelope.kid:
        raise BadShape("pk: not the key that signs this grant")
    if stored := journal.holds(tx, text):
        return stored  # 2
    check_grant(grant, directory, operator.now())
    check_notice(grant, directory, grant.notice.sha256, grant.notice.locale)  # 3
    if grant.until <= operator.now():
        raise Expired("until has passed already")  # 4
    added = tx.run(
        "INSERT INTO grants (grant_id, account, org, platform, until, text)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        grant.grant,
        caller,
        grant.org,
        grant.platform,
        grant.until,
        text,
    )
    if not added:
        raise DifferentBytes("a grant of this id is stored with other bytes")  # 5
    _replace(tx, operator, caller, grant)  # 6
    requests.take(tx, operator, caller, grant)  # 7
    events.add_event(tx, operator, grant.platform, grant.grant, "granted")
    return journal.append(tx, operator, text, caller)


def change(tx: Transaction, operator: Operator, caller: str, grant_id: bytes, text: str) -> bytes:
    """Take a `cv1-revoke`, `cv1-pause` or `cv1-resume`; return the journal hash.

    1. the caller's grant. 2. signed by its consent key. 3. the stored answer for the same bytes.
    4. not ended yet. 5. `n` is the next one over all three. 6. a revoke deletes every sealed token.

    Raises:
        NotFound, UnknownKey, BadJws, BadType, BadShape, Revoked: a check fails.
    """
    row = holder_grant(tx, caller, grant_id)  # 1
    envelope = read_envelope(text, *STATES)
    check_consent(tx, envelope, caller, row.org)  # 2
    if stored := journal.holds(tx, text):
        return stored  # 3
    message = Revoke.opened(envelope)  # the three have the same members
    if message.grant != grant_id:
        raise BadShape("grant: not the one of this address")
    if row.state in ENDED:
        raise Revoked("this grant has ended")  # 4
    if message.n != row.n + 1:
        raise BadShape(f"n: wanted {row.n + 1}, found {message.n}")  # 5
    state = STATES[envelope.typ]
    tx.run("UPDATE grants SET state = ?, n = ? WHERE grant_id = ?", state, message.n, grant_id)
    events.add_event(tx, operator, row.platform, grant_id, EVENTS[envelope.typ])
    if state in ENDED:
        _forget_tokens(tx, grant_id)  # 6
    return journal.append(tx, operator, text, caller)


def ends_one(text: str) -> bool:
    """Whether a text that was taken here ends a grant: a revoke, or a grant that replaces one."""
    envelope = read_envelope(text, Grant.typ, *STATES)
    if envelope.typ == Grant.typ:
        return Grant.opened(envelope).replaces is not None
    return STATES[envelope.typ] in ENDED


def _forget_tokens(tx: Transaction, grant_id: bytes) -> None:
    tx.run("UPDATE tokens SET sealed = NULL WHERE grant_id = ?", grant_id)


def _replace(tx: Transaction, operator: Operator, caller: str, grant: Grant) -> None:
    """End the grant that this one replaces; raises NotFound, BadShape, Revoked."""
    if grant.replaces is None:
        return
    old = holder_grant(tx, caller, grant.replaces)
    if old.grant_id == grant.grant:
        raise BadShape("replaces: the grant itself")
    if (old.org, old.platform) != (grant.org, grant.platform):
        raise BadShape("replaces: a grant to another organisation or platform")
    if old.state in ENDED:
        raise Revoked("the grant to be replaced has ended")
    tx.run("UPDATE grants SET state = 'replaced' WHERE grant_id = ?", old.grant_id)
    events.add_event(tx, operator, old.platform, old.grant_id, "replaced")
    _forget_tokens(tx, old.grant_id)


def check_live(row: GrantRow, now: int) -> None:
    """Return when the grant may be used at unix second `now`; raises Revoked, Paused or Expired."""
    if row.state in ENDED:
        raise Revoked("the grant was stopped")
    if row.state == "paused":
        raise Paused("the grant is paused")
    if now >= row.until:
        raise Expired("the grant's until has passed")


def holder_grant(tx: Transaction, caller: str, grant_id: bytes) -> GrantRow:
    """Return a grant of this account; raises NotFound."""
    sql = f"{_COLUMNS} WHERE grant_id = ? AND account = ?"
    return _found(tx.one(GrantRow, sql, grant_id, caller))


def platform_grant(tx: Transaction, platform: str, grant_id: bytes) -> GrantRow:
    """Return a grant to this platform; raises NotFound."""
    sql = f"{_COLUMNS} WHERE grant_id = ? AND platform = ?"
    return _found(tx.one(GrantRow, sql, grant_id, platform))


def grants_of(tx: Transaction, account: str) -> list[GrantRow]:
    """Return every grant of an account."""
    return tx.all(GrantRow, f"{_COLUMNS} WHERE account = ? ORDER BY grant_id", account)


def _found(row: GrantRow | None) -> GrantRow:
    if row is None:
        raise NotFound("no such grant of yours")
    return row
