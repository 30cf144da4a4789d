"""The part of the audit replay about binds, grants, their changes and refusals (section 7).

    cv1-bind      by an account; the key and the organisation are new to it
    cv1-grant     by a bound key, within its template; cv1-revoke, -pause, -resume by the same key
    cv1-refusal   by the vault; a request is decided once

Each rule judges one entry by what stood before it, and returns the account that the entry is of. A
broken rule raises, and the entry changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from sys import intern

from consent.messages import Bind, Grant, Pause, Refusal, Resume, Revoke
from consent.replay_links import Entry, LinkReplay
from consent.replay_state import Granted
from consent.replay_tally import Tally
from consent.replay_windows import Org
from consent.templates import check_grant
from vault.encoding import thumbprint
from vault.errors import BadShape

STATES = {Revoke.typ: "revoked", Pause.typ: "paused", Resume.typ: "live"}
_HOW = {**STATES, Resume.typ: "resumed"}
_ENDED = frozenset({"revoked", "replaced"})


@dataclass(frozen=True, slots=True)
class _Bound:
    account: str
    org: str
    pk: bytes


class GrantReplay(LinkReplay):
    """Which consent keys are bound, which grants stand and in what state."""

    def __init__(self, auditor: bytes, tally: Tally | None) -> None:
        """Start before the first entry; `auditor` is the pinned key, 32 bytes."""
        super().__init__(auditor)
        self._tally = tally
        self._binds: dict[str, _Bound] = {}
        self._orgs: dict[tuple[str, str], Org] = {}
        self._grants: dict[bytes, Granted] = {}
        self._grants_of: defaultdict[str, list[Granted]] = defaultdict(list)
        self._decided: set[bytes] = set()

    def _bind(self, entry: Entry) -> str:
        account = self._account_of(entry)
        message = entry.opened(Bind)
        kid, org = thumbprint(message.pk), intern(message.org)
        if kid in self._binds or (account, message.org) in self._orgs:
            raise BadShape("the key or the organisation is bound already")
        self._orgs.setdefault((account, org), Org())
        self._binds[kid] = _Bound(account, org, message.pk)
        return account

    def _consent_of(self, entry: Entry, org: str) -> _Bound:
        bound = self._binds.get(entry.envelope.kid)
        if bound is None or bound.org != org:
            raise BadShape("no bind of this key to this organisation stands before")
        if bound.account not in self._accounts:
            raise BadShape("the account of the bind was erased")
        entry.envelope.verify(bound.pk)
        return bound

    def _verify_giver(self, entry: Entry, granted: Granted) -> None:
        """Return when the key that gave the grant signed the entry too; raises BadShape."""
        if self._consent_of(entry, granted.grant.org).pk != granted.grant.pk:
            raise BadShape("not signed by the key that gave the grant")

    def _granted(self, grant_id: bytes) -> Granted:
        if grant_id not in self._grants:
            raise BadShape("no such grant stands before")
        return self._grants[grant_id]

    def _grant(self, entry: Entry) -> str:
        grant = entry.opened(Grant)
        bound = self._consent_of(entry, grant.org)
        if grant.pk != bound.pk or grant.grant in self._grants:
            raise BadShape("the grant names another key, or its id stands before")
        check_grant(grant, self.directory, entry.at)
        if grant.until <= entry.at:
            raise BadShape("the grant's until had passed")
        if grant.request is not None:
            self._decide(grant.request)
        if grant.replaces is not None:
            self._replace(bound, grant.replaces, entry.at)
        granted = Granted(self._shared.grant(grant), bound.account)
        self._grants[granted.grant.grant] = granted
        self._grants_of[bound.account].append(granted)
        self._aging.keep(granted.grant.last, granted)
        if self._tally:
            self._tally.take_grant(entry.at, granted.grant)
        return bound.account

    def _replace(self, bound: _Bound, grant_id: bytes, at: int) -> None:
        old = self._granted(grant_id)
        if (old.account, old.grant.org) != (bound.account, bound.org) or old.state in _ENDED:
            raise BadShape("replaces: no grant of this person to this organisation that goes on")
        old.state = "replaced"
        self._tell_end(old, at, "replaced")

    def _tell_end(self, granted: Granted, at: int, how: str) -> None:
        if self._tally:
            self._tally.take_end(at, granted.grant, how)

    def _change(self, entry: Entry) -> str:
        message = entry.opened(Revoke)  # the three have the same members
        granted = self._granted(message.grant)
        self._verify_giver(entry, granted)
        if granted.state in _ENDED or message.n != granted.count + 1:
            raise BadShape(f"wanted n = {granted.count + 1} on a grant that goes on")
        granted.state, granted.count = STATES[entry.envelope.typ], message.n
        self._tell_end(granted, entry.at, _HOW[entry.envelope.typ])
        return granted.account

    def _refusal(self, entry: Entry) -> str | None:
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        message = entry.opened(Refusal)
        if message.request is not None:
            self._decide(message.request)
            self._tell_refusal(entry, None, message.reason)
            return None
        granted = self._granted(message.grant or b"")
        self._tell_refusal(entry, granted.grant, message.reason)
        return granted.account

    def _tell_refusal(self, entry: Entry, grant: Grant | None, reason: str) -> None:
        if self._tally:
            self._tally.take_refusal(entry.at, grant, reason)

    def _decide(self, request: bytes) -> None:
        if request in self._decided:
            raise BadShape("this request was decided before")
        self._decided.add(request)
