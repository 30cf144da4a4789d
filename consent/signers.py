"""Who may sign what is listed of one person: their keys, the vault, their links' sources.

    signers = Signers(account, consent, directory, state)
    envelope, consent_kid = signers.read(text)       # in log order; raises for anybody else's

docs/protocol.md section 5 says whose signature each type has; section 7 what an entry may follow.
"""

from __future__ import annotations

from collections.abc import Callable

from consent.messages import Bind, Grant, Pause, Refusal, Release, Resume, Revoke, Token
from consent.state import ACTS, HolderState, mark, mark_reject
from vault.directory import Directory
from vault.encoding import Envelope, read_envelope, text_hash, thumbprint
from vault.errors import BadShape
from vault.messages import AbsentMonth, Account, Attach, Close, Link, Reject, Unlink
from vault.months import Month


class Signers:
    """Who may sign what, by the entries before: links, grants and their states."""

    def __init__(
        self,
        account: bytes,
        consent: Callable[[str], bytes],
        directory: Directory,
        state: HolderState,
    ) -> None:
        """Start before a person's first entry.

        Args:
            account: the account's public key, 32 bytes.
            consent: gives the public consent key of an organisation, 32 bytes.
            directory: the one in force; it lists withdrawn keys too.
            state: the links it knows need no attach before.
        """
        self._account, self._consent, self._directory = account, consent, directory
        self._kid = thumbprint(account)
        self._links = {bytes.fromhex(n): known.source for n, known in state.links.items()}
        self._grants: dict[bytes, Grant] = {}
        self._states: dict[bytes, str] = {}
        self._counts: dict[bytes, int] = {}
        self._consents: set[str] = set()
        self._closed: dict[tuple[bytes, Month], bytes] = {}
        self._rules: dict[str, Callable[[Envelope], str]] = {
            Account.typ: self._by_account,
            Bind.typ: self._bind,
            Attach.typ: self._attach,
            Unlink.typ: self._unlink,
            Reject.typ: self._reject,
            Close.typ: self._close,
            AbsentMonth.typ: self._absent,
            Grant.typ: self._grant,
            Token.typ: self._token,
            Revoke.typ: self._status,
            Pause.typ: self._status,
            Resume.typ: self._status,
            Release.typ: self._release,
            Refusal.typ: self._refusal,
        }

    def read(self, text: str) -> tuple[Envelope, str]:
        """Return the verified message, and the kid of the consent key it concerns, or empty.

        Raises:
            BadJws, BadType, BadShape, BadPoint, UnknownKey: signed by nobody who may, about a link
                or grant that is not this person's, or against an entry before.
        """
        envelope = read_envelope(text, *self._rules)
        return envelope, self._rules[envelope.typ](envelope)

    def name_act(self, envelope: Envelope) -> str:
        """Return the name that the state has for an act that was read; empty for none."""
        if envelope.typ not in ACTS or envelope.kid not in {self._kid, *self._consents}:
            return ""
        if envelope.typ == Reject.typ:
            return mark_reject(*self._rejected(envelope))
        return mark(ACTS[envelope.typ].opened(envelope))

    def _by_account(self, envelope: Envelope) -> str:
        envelope.verify(self._account)
        return ""

    def _bind(self, envelope: Envelope) -> str:
        bind = Bind.opened(envelope)
        if bind.pk != self._consent(bind.org):
            raise BadShape(f"the key bound for {bind.org} is not this person's")
        return self._by_account(envelope)

    def _attach(self, envelope: Envelope) -> str:
        self._by_account(envelope)
        link = Link.opened(read_envelope(Attach.opened(envelope).receipt, Link.typ))
        self._links.setdefault(link.link, link.source)
        return ""

    def _unlink(self, envelope: Envelope) -> str:
        if envelope.kid == self._kid:
            return self._by_account(envelope)
        return self._by_source(envelope, Unlink.opened(envelope).link)

    def _close(self, envelope: Envelope) -> str:
        close = Close.opened(envelope)
        self._by_source(envelope, close.link)
        self._closed[close.link, close.month] = text_hash(envelope.text)
        return ""

    def _reject(self, envelope: Envelope) -> str:
        self._rejected(envelope)
        return self._by_account(envelope)

    def _rejected(self, envelope: Envelope) -> tuple[bytes, Month]:
        name = Reject.opened(envelope).close
        for closed, text in self._closed.items():
            if text == name:
                return closed
        raise BadShape("it rejects a close that the list does not hold before it")

    def _by_source(self, envelope: Envelope, link: bytes) -> str:
        listed = self._directory.keys_of(self._source(link))
        if envelope.kid not in listed:
            raise BadShape("not signed by the source of this link")
        envelope.verify(listed[envelope.kid])
        return ""

    def _source(self, link: bytes) -> str:
        if link not in self._links:
            raise BadShape("it is about a link that is not this person's")
        return self._links[link]

    def _by_vault(self, envelope: Envelope) -> None:
        envelope.verify(self._directory.vault_key_ever(envelope.kid))

    def _absent(self, envelope: Envelope) -> str:
        self._by_vault(envelope)
        absent = AbsentMonth.opened(envelope)
        self._source(absent.link)
        if (absent.link, absent.month) in self._closed:
            raise BadShape(f"the vault calls {absent.month} absent, and it was closed before")
        return ""

    def _grant(self, envelope: Envelope) -> str:
        grant = Grant.opened(envelope)
        if grant.pk != self._consent(grant.org):
            raise BadShape(f"the grant names a key for {grant.org} that is not this person's")
        envelope.verify(grant.pk)
        if grant.grant in self._grants:
            raise BadShape("a grant of this name stands before it")
        if grant.replaces is not None:
            self._states[self._going_on(grant.replaces).grant] = Revoke.typ
        self._consents.add(envelope.kid)
        self._grants[grant.grant], self._states[grant.grant] = grant, Resume.typ
        return envelope.kid

    def _of_grant(self, name: bytes | None) -> Grant:
        if name is None or name not in self._grants:
            raise BadShape("it is about a grant that the list does not hold before it")
        return self._grants[name]

    def _going_on(self, name: bytes) -> Grant:
        grant = self._of_grant(name)
        if self._states[name] == Revoke.typ:
            raise BadShape("it is about a grant that was stopped or replaced before")
        return grant

    def _token(self, envelope: Envelope) -> str:
        name = Token.opened(envelope).grant
        envelope.verify(self._of_grant(name).pk)
        self._going_on(name)
        return envelope.kid

    def _status(self, envelope: Envelope) -> str:
        status = Revoke.opened(envelope)  # the three have the same members
        name, before = status.grant, self._counts.get(status.grant, 0)
        envelope.verify(self._of_grant(name).pk)
        self._going_on(name)
        if status.n > before:  # with some left out it is still the newest word
            self._states[name], self._counts[name] = envelope.typ, status.n
        # An old resume that is logged once more would let a paused grant go on.
        if status.n != before + 1:
            raise BadShape(f"wanted change {before + 1} of this grant, found {status.n}")
        return envelope.kid

    def _release(self, envelope: Envelope) -> str:
        self._by_vault(envelope)
        grant = self._of_grant(Release.opened(envelope).grant)
        if self._states[grant.grant] != Resume.typ:
            raise BadShape("a release under a grant that was stopped, paused or replaced before")
        return thumbprint(grant.pk)

    def _refusal(self, envelope: Envelope) -> str:
        self._by_vault(envelope)
        return thumbprint(self._of_grant(Refusal.opened(envelope).grant).pk)
