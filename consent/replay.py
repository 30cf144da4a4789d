"""The audit replay: every entry of the log, judged by what stood before it (protocol section 7).

    replay = Replay(auditor_key, seen)
    replay.take(index, at, text)      # in log order
    replay.miss(index)                # the vault serves no text for this leaf
    replay.finish()
    replay.findings                   # [Finding(index=17, rule="release", reason="…")]

The replay sees no total: commitments and masked sums are all it needs. A rule that is broken
becomes a finding and the entry changes nothing; the replay goes on. A text may be missing only
where a later `cv1-erased`, whose `cv1-erase` verifies, covers it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

from consent.messages import (
    Bind,
    Erased,
    Grant,
    Pause,
    Refusal,
    Release,
    Resume,
    Revoke,
    Token,
)
from consent.replay_links import Entry, LinkReplay
from consent.shown import combine, hash_closes
from consent.templates import check_grant
from consent.tokens import check_count, less_absent
from vault.crypto.meter import Cell
from vault.encoding import read_envelope, text_hash, thumbprint
from vault.errors import BadShape, VaultError
from vault.messages import (
    AbsentMonth,
    Account,
    Attach,
    Close,
    Erase,
    Listing,
    Reject,
    Unlink,
)
from vault.months import Month, Window, join_window

Atom = tuple[str, str, int, Month]
WindowName = tuple[str, str, tuple[int, ...], Window]

STATES = {Revoke.typ: "revoked", Pause.typ: "paused", Resume.typ: "live"}
_ENDED = frozenset({"revoked", "replaced"})


@dataclass(frozen=True, order=True)
class Finding:
    """A broken rule: the log index, the rule's name, what was found."""

    index: int
    rule: str
    reason: str


@dataclass(frozen=True)
class _Bound:
    account: str
    org: str
    pk: bytes


@dataclass
class _Granted:
    grant: Grant
    account: str
    count: int = 0
    state: str = "live"
    tokens: dict[str, tuple[bytes, Token]] = field(default_factory=dict)

    def name(self, window: Window) -> WindowName:
        """What makes a window the same: account, organisation, categories, months."""
        return (self.account, self.grant.org, self.grant.categories, window)


@dataclass
class _Window:
    """The last token of an organisation's window, and whether it was released."""

    token: Token
    released: bool = False


class Replay(LinkReplay):
    """The state of consent as the log tells it, and what is wrong with it."""

    def __init__(self, auditor: bytes, seen: Mapping[int, str] | None = None) -> None:
        """Start before the first entry.

        Args:
            auditor: the pinned key, 32 bytes.
            seen: log index → account of the texts that this auditor saw in earlier audits; ""
                for a text of no account.
        """
        super().__init__(auditor)
        self.findings: list[Finding] = []
        self.counts: dict[str, int] = {}
        self.owners: dict[int, str] = dict(seen or {})
        self._entries_of: defaultdict[str, set[int]] = defaultdict(set)
        for index, account in self.owners.items():
            self._entries_of[account].add(index)
        self.unseen: list[int] = []
        self._served: set[int] = set()
        self._missing: set[int] = set()
        self._erases: dict[bytes, tuple[int, str]] = {}
        self._answered: set[bytes] = set()
        self._covered: set[int] = set()
        self._binds: dict[str, _Bound] = {}
        self._orgs: set[tuple[str, str]] = set()
        self._grants: dict[bytes, _Granted] = {}
        self._grants_of: defaultdict[str, list[_Granted]] = defaultdict(list)
        self._atoms: set[Atom] = set()
        self._windows: dict[WindowName, _Window] = {}
        self._decided: set[bytes] = set()
        self._releases: set[tuple[bytes, str, str]] = set()
        self._rules: dict[str, Callable[[Entry], str | None]] = {
            Listing.typ: self._directory_entry,
            Account.typ: self._account,
            Bind.typ: self._bind,
            Attach.typ: self._attach,
            Unlink.typ: self._unlink,
            Close.typ: self._close,
            AbsentMonth.typ: self._absent,
            Reject.typ: self._reject,
            Grant.typ: self._grant,
            Token.typ: self._token,
            Revoke.typ: self._change,
            Pause.typ: self._change,
            Resume.typ: self._change,
            Release.typ: self._release,
            Refusal.typ: self._refusal,
            Erase.typ: self._erase,
            Erased.typ: self._erased,
        }

    def take(self, index: int, at: int, text: str) -> None:
        """Judge the next entry; a broken rule is added to the findings."""
        rule = "text"
        self._served.add(index)
        try:
            envelope = read_envelope(text, *self._rules)
            rule = envelope.typ.removeprefix("cv1-")
            self.counts[rule] = self.counts.get(rule, 0) + 1
            self._check_at(index, at)
            account = self._rules[envelope.typ](Entry(index, at, text, envelope))
        except VaultError as broken:
            self.findings.append(Finding(index, rule, str(broken)))
        else:
            self.owners[index] = account or ""
            self._entries_of[account or ""].add(index)

    def _check_at(self, index: int, at: int) -> None:
        if at < self._at:
            self.findings.append(Finding(index, "at", f"at falls from {self._at} to {at}"))
        self._at = max(self._at, at)

    def miss(self, index: int) -> None:
        """Note that the vault serves no text for this leaf."""
        self._missing.add(index)

    def finish(self) -> None:
        """Add what only shows at the end: texts that are missing without an erasure."""
        for index in sorted(self._missing - self._covered):
            self.findings.append(Finding(index, "leaf", "no text, and no erasure covers it"))
        self.unseen = sorted(i for i in self._covered if i not in self.owners)

    # Consent

    def _bind(self, entry: Entry) -> str:
        account = self._account_of(entry)
        message = Bind.opened(entry.envelope)
        kid = thumbprint(message.pk)
        if kid in self._binds or (account, message.org) in self._orgs:
            raise BadShape("the key or the organisation is bound already")
        self._orgs.add((account, message.org))
        self._binds[kid] = _Bound(account, message.org, message.pk)
        return account

    def _consent_of(self, entry: Entry, org: str) -> _Bound:
        bound = self._binds.get(entry.envelope.kid)
        if bound is None or bound.org != org:
            raise BadShape("no bind of this key to this organisation stands before")
        if bound.account not in self._accounts:
            raise BadShape("the account of the bind was erased")
        entry.envelope.verify(bound.pk)
        return bound

    def _verify_giver(self, entry: Entry, granted: _Granted) -> None:
        """Return when the key that gave the grant signed the entry too; raises BadShape."""
        if self._consent_of(entry, granted.grant.org).pk != granted.grant.pk:
            raise BadShape("not signed by the key that gave the grant")

    def _granted(self, grant_id: bytes) -> _Granted:
        if grant_id not in self._grants:
            raise BadShape("no such grant stands before")
        return self._grants[grant_id]

    def _grant(self, entry: Entry) -> str:
        grant = Grant.opened(entry.envelope)
        bound = self._consent_of(entry, grant.org)
        if grant.pk != bound.pk or grant.grant in self._grants:
            raise BadShape("the grant names another key, or its id stands before")
        check_grant(grant, self.directory, entry.at)
        if grant.until <= entry.at:
            raise BadShape("the grant's until had passed")
        if grant.request is not None:
            self._decide(grant.request)
        if grant.replaces is not None:
            self._replace(bound, grant.replaces)
        granted = _Granted(grant, bound.account)
        self._grants[grant.grant] = granted
        self._grants_of[bound.account].append(granted)
        return bound.account

    def _replace(self, bound: _Bound, grant_id: bytes) -> None:
        old = self._granted(grant_id)
        if (old.account, old.grant.org) != (bound.account, bound.org) or old.state in _ENDED:
            raise BadShape("replaces: no grant of this person to this organisation that goes on")
        old.state = "replaced"

    def _change(self, entry: Entry) -> str:
        message = Revoke.opened(entry.envelope)  # the three have the same members
        granted = self._granted(message.grant)
        self._verify_giver(entry, granted)
        if granted.state in _ENDED or message.n != granted.count + 1:
            raise BadShape(f"wanted n = {granted.count + 1} on a grant that goes on")
        granted.state, granted.count = STATES[entry.envelope.typ], message.n
        return granted.account

    # Tokens and the guard

    def _token(self, entry: Entry) -> str:
        token = Token.opened(entry.envelope)
        granted = self._granted(token.grant)
        self._verify_giver(entry, granted)
        _check_live(granted, entry.at)
        granted.grant.check_window(token.window)
        check_count(token.cells, granted.grant.scope)
        for cell in token.cells:
            self._check_cell(granted, token, cell.link, cell.months)
        self._check_window(granted, token)
        granted.tokens[join_window(token.window)] = (text_hash(entry.text), token)
        return granted.account

    def _check_cell(
        self, granted: _Granted, token: Token, link: bytes, months: tuple[Month, ...]
    ) -> None:
        linked = self._linked(link)
        if linked.account != granted.account:
            raise BadShape("a cell of a link that is not attached to the account of the bind")
        if self.directory.org_of(linked.source) == granted.grant.org:
            raise BadShape("a cell of the platform's own source")
        if not set(months) <= set(token.window) or months[0] < linked.begins:
            raise BadShape("a cell outside the window, or before its link began")
        if any(linked.lacks(month) for month in months):
            raise BadShape("a cell of an absent month")

    def _check_window(self, granted: _Granted, token: Token) -> None:
        """The guard: the window is new, or its last token again, less absent cells."""
        last = self._windows.get(granted.name(token.window))
        if last is None:
            self._use_atoms(granted, token)
            self._windows[granted.name(token.window)] = _Window(token)
            return
        wanted = less_absent(last.token.cells, lambda link, m: self._linked(link).lacks(m))
        if token.cells != wanted:
            raise BadShape("the window is made again with other cells than its last, less absent")
        if last.released and token.cells != last.token.cells:
            raise BadShape("a released window is made smaller")
        last.token = token

    def _use_atoms(self, granted: _Granted, token: Token) -> None:
        atoms = {
            (granted.account, granted.grant.org, category, month)
            for category, month in product(granted.grant.categories, token.window)
        }
        if atoms & self._atoms:
            raise BadShape("the window overlaps one that this organisation already has")
        self._atoms |= atoms

    # Releases

    def _release(self, entry: Entry) -> str:
        release = Release.opened(entry.envelope)
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        granted = self._granted(release.grant)
        _check_live(granted, entry.at)
        if release.purpose not in granted.grant.purposes:
            raise BadShape(f"{release.purpose} is no purpose of the grant")
        months = join_window(release.window)
        newest, token = granted.tokens.get(months, (b"", None))
        if token is None or newest != release.token:
            raise BadShape("it does not name the newest token of this window")
        key = (release.grant, months, release.purpose)
        if key in self._releases:
            raise BadShape("this window was released for this purpose before")
        self._check_sum(granted, token, release)
        self._releases.add(key)
        self._windows[granted.name(release.window)].released = True
        return granted.account

    def _check_sum(self, granted: _Granted, token: Token, release: Release) -> None:
        cells = [(cell.link, month) for cell in token.cells for month in cell.months]
        missing = [cell for cell in cells if cell not in self._closes]
        if missing:
            raise BadShape(f"the close of {missing[0][1]} does not stand before")
        if any(self._linked(link).lacks(month) for link, month in cells):
            raise BadShape("a cell of an absent month")
        texts, closes = zip(*(self._closes[cell] for cell in cells), strict=True)
        if hash_closes(list(texts)) != release.closes:
            raise BadShape("closes: not the hash of the closes of the token's cells")
        if sorted({close.methodology for close in closes}) != list(release.methodology):
            raise BadShape("methodology: not the releases that the closes name")
        total = combine([close.cells for close in closes], granted.grant.scope)
        if total != Cell(release.c, release.C):
            raise BadShape("(c, C) is not the sum of the closes of the token's cells")

    def _refusal(self, entry: Entry) -> str | None:
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        message = Refusal.opened(entry.envelope)
        if message.request is not None:
            self._decide(message.request)
            return None
        return self._granted(message.grant or b"").account

    def _decide(self, request: bytes) -> None:
        if request in self._decided:
            raise BadShape("this request was decided before")
        self._decided.add(request)

    # Erasure

    def _erase(self, entry: Entry) -> None:
        entry.envelope.verify_introduced()
        Erase.opened(entry.envelope)
        name, account = text_hash(entry.text), entry.envelope.kid
        if name in self._erases or name in self._answered:
            raise BadShape("this erase stands before")
        self._erases[name] = (entry.index, account)
        self._end_account(account, entry.at)
        for granted in self._grants_of.pop(account, ()):
            granted.state = "revoked"

    def _erased(self, entry: Entry) -> None:
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        message = Erased.opened(entry.envelope)
        erase, account = self._erases.pop(message.erase, (-1, ""))
        if erase < 0:
            raise BadShape("no such erase stands before, or it was answered before")
        self._answered.add(message.erase)
        named, twice = set(message.indexes), self._covered & set(message.indexes)
        self._covered |= named
        if twice:
            raise BadShape(f"entry {min(twice)} is covered by an erased before")
        strange = {i for i in named if i >= erase or self.owners.get(i, account) != account}
        if strange:
            raise BadShape(f"it covers entry {min(strange)}, which is not of the erased account")
        if named & self._served:
            raise BadShape(f"the text of entry {min(named & self._served)} is still served")
        left = {i for i in self._entries_of[account] if i < erase} - self._covered
        if left:
            raise BadShape(f"it leaves out entry {min(left)} of the erased account")


def _check_live(granted: _Granted, at: int) -> None:
    if granted.state != "live":
        raise BadShape(f"the grant is {granted.state}")
    if at >= granted.grant.until:
        raise BadShape("the grant's until had passed")
