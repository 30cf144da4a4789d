"""The audit replay: every entry of the log, judged by what stood before it (protocol section 7).

    replay = Replay(auditor_key)
    replay.take(index, at, text)      # in log order
    replay.findings                   # [Finding(index=17, rule="release", reason="…")]

The replay sees no total: commitments and masked sums are all it needs. A rule that is broken
becomes a finding and the entry changes nothing; the replay goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

from consent.messages import Bind, Grant, Refusal, Release, Revoke, Token
from consent.notices import check_notice
from consent.shown import combine, hash_closes
from consent.templates import check_grant
from consent.tokens import check_count
from vault.crypto.meter import Cell
from vault.directory import FIRST_PREV, Directory, check_link, read_directory
from vault.encoding import Envelope, read_envelope, text_hash, thumbprint
from vault.errors import BadDirectory, BadShape, VaultError
from vault.messages import Account, Attach, Close, Listing
from vault.months import Month, close_slot, join_window

LinkMonth = tuple[bytes, Month]
Atom = tuple[str, str, int, Month]


@dataclass(frozen=True, order=True)
class Finding:
    """A broken rule: the log index, the rule's name, what was found."""

    index: int
    rule: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """One entry: log index, the vault's unix seconds, and the message."""

    index: int
    at: int
    text: str
    envelope: Envelope


@dataclass(frozen=True)
class _Bound:
    account: str
    org: str
    pk: bytes


@dataclass(frozen=True)
class _Linked:
    account: str
    source: str
    begins: Month


@dataclass
class _Granted:
    grant: Grant
    account: str
    count: int = 0
    live: bool = True
    tokens: dict[str, tuple[bytes, Token]] = field(default_factory=dict)


class Replay:
    """The state of consent as the log tells it, and what is wrong with it."""

    def __init__(self, auditor: bytes) -> None:
        """Start before the first entry; `auditor` is the pinned key, 32 bytes."""
        self.findings: list[Finding] = []
        self.counts: dict[str, int] = {}
        self._signer, self._at = auditor, 0
        self._held: Directory | None = None
        self._accounts: dict[str, bytes] = {}
        self._binds: dict[str, _Bound] = {}
        self._orgs: set[tuple[str, str]] = set()
        self._links: dict[bytes, _Linked] = {}
        self._closes: dict[LinkMonth, tuple[str, Close]] = {}
        self._grants: dict[bytes, _Granted] = {}
        self._atoms: set[Atom] = set()
        self._releases: set[tuple[bytes, str, str]] = set()
        self._rules: dict[str, Callable[[Entry], None]] = {
            Listing.typ: self._directory_entry,
            Account.typ: self._account,
            Bind.typ: self._bind,
            Attach.typ: self._attach,
            Close.typ: self._close,
            Grant.typ: self._grant,
            Token.typ: self._token,
            Revoke.typ: self._revoke,
            Release.typ: self._release,
            Refusal.typ: self._refusal,
        }

    def take(self, index: int, at: int, text: str) -> None:
        """Judge the next entry; a broken rule is added to the findings."""
        rule = "text"
        try:
            envelope = read_envelope(text, *self._rules)
            rule = envelope.typ.removeprefix("cv1-")
            self.counts[rule] = self.counts.get(rule, 0) + 1
            if at < self._at:
                raise BadShape(f"at falls from {self._at} to {at}")
            self._at = at
            self._rules[envelope.typ](Entry(index, at, text, envelope))
        except VaultError as broken:
            self.findings.append(Finding(index, rule, str(broken)))

    @property
    def directory(self) -> Directory:
        """The directory in force; raises BadDirectory before the first one."""
        if self._held is None:
            raise BadDirectory("no directory stands before this entry")
        return self._held

    def _directory_entry(self, entry: Entry) -> None:
        held = self._held
        allowed = (self._signer, held.listing.next if held else None)
        signer = next((k for k in allowed if k and thumbprint(k) == entry.envelope.kid), None)
        if signer is None:
            raise BadDirectory("not signed by the auditor in force, nor by its named next key")
        fresh = read_directory(entry.text, signer)
        wanted = (held.listing.version + 1, held.hash) if held else (1, FIRST_PREV)
        if (fresh.listing.version, fresh.listing.prev) != wanted:
            raise BadDirectory(f"wanted version {wanted[0]} naming the last one as prev")
        self._signer, self._held = signer, fresh

    def _account(self, entry: Entry) -> None:
        public = entry.envelope.verify_introduced()
        message = Account.opened(entry.envelope)
        if message.vault != self.directory.listing.vault:
            raise BadShape(f"an account of {message.vault}")
        if entry.envelope.kid in self._accounts:
            raise BadShape("this account stands in the log twice")
        self._accounts[entry.envelope.kid] = public

    def _account_of(self, entry: Entry) -> str:
        public = self._accounts.get(entry.envelope.kid)
        if public is None:
            raise BadShape("no account of this key stands before")
        entry.envelope.verify(public)
        return entry.envelope.kid

    def _bind(self, entry: Entry) -> None:
        account = self._account_of(entry)
        message = Bind.opened(entry.envelope)
        kid = thumbprint(message.pk)
        if kid in self._binds or (account, message.org) in self._orgs:
            raise BadShape("the key or the organisation is bound already")
        self._orgs.add((account, message.org))
        self._binds[kid] = _Bound(account, message.org, message.pk)

    def _attach(self, entry: Entry) -> None:
        account = self._account_of(entry)
        message = Attach.opened(entry.envelope)
        link = check_link(message.receipt, self.directory, entry.at)
        if link.link != message.link or link.link in self._links:
            raise BadShape("the link is another's, or attached already")
        self._links[link.link] = _Linked(account, link.source, link.begins)

    def _close(self, entry: Entry) -> None:
        close = Close.opened(entry.envelope)
        party, public = self.directory.signer(entry.envelope.kid, "source", entry.at)
        entry.envelope.verify(public)
        linked = self._links.get(close.link)
        if linked is None or linked.source != party.id:
            raise BadShape("a close of a link that is not this source's")
        begin, end = close_slot(close.month, self.directory.listing.zone)
        if not begin <= entry.at < end or close.month < linked.begins:
            raise BadShape(f"the close of {close.month} is outside its slot or its link")
        if close.methodology != self.directory.release_for(close.month).id:
            raise BadShape(f"{close.methodology} is not in force for {close.month}")
        if (close.link, close.month) in self._closes:
            raise BadShape(f"{close.month} of this link is closed twice")
        self._closes[close.link, close.month] = (entry.text, close)

    def _consent_of(self, entry: Entry, org: str) -> _Bound:
        bound = self._binds.get(entry.envelope.kid)
        if bound is None or bound.org != org:
            raise BadShape("no bind of this key to this organisation stands before")
        entry.envelope.verify(bound.pk)
        return bound

    def _granted(self, grant_id: bytes) -> _Granted:
        if grant_id not in self._grants:
            raise BadShape("no such grant stands before")
        return self._grants[grant_id]

    def _grant(self, entry: Entry) -> None:
        grant = Grant.opened(entry.envelope)
        bound = self._consent_of(entry, grant.org)
        if grant.pk != bound.pk or grant.grant in self._grants:
            raise BadShape("the grant names another key, or its id stands before")
        check_grant(grant, self.directory, entry.at)
        check_notice(grant, self.directory, grant.notice.sha256, grant.notice.locale)
        self._grants[grant.grant] = _Granted(grant, bound.account)

    def _token(self, entry: Entry) -> None:
        token = Token.opened(entry.envelope)
        granted = self._granted(token.grant)
        self._consent_of(entry, granted.grant.org)
        _check_live(granted, entry.at)
        granted.grant.check_window(token.window)
        check_count(token.cells, granted.grant.scope)
        for cell in token.cells:
            self._check_cell(granted, token, cell.link, cell.months)
        atoms = {
            (granted.account, granted.grant.org, category, month)
            for category, month in product(granted.grant.categories, token.window)
        }
        if atoms & self._atoms:
            raise BadShape("the window overlaps one that this organisation already has")
        self._atoms |= atoms
        granted.tokens[join_window(token.window)] = (text_hash(entry.text), token)

    def _check_cell(
        self, granted: _Granted, token: Token, link: bytes, months: tuple[Month, ...]
    ) -> None:
        linked = self._links.get(link)
        if linked is None or linked.account != granted.account:
            raise BadShape("a cell of a link that is not attached to the account of the bind")
        if self.directory.org_of(linked.source) == granted.grant.org:
            raise BadShape("a cell of the platform's own source")
        if not set(months) <= set(token.window) or months[0] < linked.begins:
            raise BadShape("a cell outside the window, or before its link began")

    def _revoke(self, entry: Entry) -> None:
        revoke = Revoke.opened(entry.envelope)
        granted = self._granted(revoke.grant)
        self._consent_of(entry, granted.grant.org)
        if not granted.live or revoke.n != granted.count + 1:
            raise BadShape(f"wanted n = {granted.count + 1} on a live grant, found {revoke.n}")
        granted.live, granted.count = False, revoke.n

    def _release(self, entry: Entry) -> None:
        release = Release.opened(entry.envelope)
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        granted = self._granted(release.grant)
        _check_live(granted, entry.at)
        if release.purpose not in granted.grant.purposes:
            raise BadShape(f"{release.purpose} is no purpose of the grant")
        months = join_window(release.window)
        name, token = granted.tokens.get(months, (b"", None))
        if token is None or name != release.token:
            raise BadShape("no such token of this window stands before")
        key = (release.grant, months, release.purpose)
        if key in self._releases:
            raise BadShape("this window was released for this purpose before")
        self._check_sum(granted, token, release)
        self._releases.add(key)

    def _check_sum(self, granted: _Granted, token: Token, release: Release) -> None:
        cells = [(cell.link, month) for cell in token.cells for month in cell.months]
        missing = [cell for cell in cells if cell not in self._closes]
        if missing:
            raise BadShape(f"the close of {missing[0][1]} does not stand before")
        texts, closes = zip(*(self._closes[cell] for cell in cells), strict=True)
        if hash_closes(list(texts)) != release.closes:
            raise BadShape("closes: not the hash of the closes of the token's cells")
        if sorted({close.methodology for close in closes}) != list(release.methodology):
            raise BadShape("methodology: not the releases that the closes name")
        total = combine([close.cells for close in closes], granted.grant.scope)
        if total != Cell(release.c, release.C):
            raise BadShape("(c, C) is not the sum of the closes of the token's cells")

    def _refusal(self, entry: Entry) -> None:
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        self._granted(Refusal.opened(entry.envelope).grant)


def _check_live(granted: _Granted, at: int) -> None:
    if not granted.live:
        raise BadShape("the grant was stopped before")
    if at >= granted.grant.until:
        raise BadShape("the grant's until had passed")
