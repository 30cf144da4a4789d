"""The audit replay: every entry of the log, judged by what stood before it (protocol section 7).

    replay = Replay(auditor_key, seen)
    replay.take(index, at, text)      # in log order
    replay.take_reading(index, reading)   # the same, with a look at the entry by itself done
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
from hashlib import sha256
from itertools import product
from sys import intern
from typing import Protocol

from consent.messages import (
    Bind,
    Erased,
    Grant,
    LinkMonths,
    Pause,
    Refusal,
    Release,
    Resume,
    Revoke,
    Token,
    Web,
)
from consent.readings import Reading
from consent.replay_links import Entry, LinkReplay
from consent.replay_state import Closed, Granted, Marks, Owners
from consent.shown import combine
from consent.templates import check_grant
from consent.tokens import check_count, less_absent
from vault.crypto.meter import Cell
from vault.directory import Directory
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
    read_cells,
)
from vault.months import Month, Window, join_window

WindowName = tuple[tuple[int, ...], Window]

STATES = {Revoke.typ: "revoked", Pause.typ: "paused", Resume.typ: "live"}
_HOW = {**STATES, Resume.typ: "resumed"}
_ENDED = frozenset({"revoked", "replaced"})


@dataclass(frozen=True, order=True)
class Finding:
    """A broken rule: the log index, the rule's name, what was found."""

    index: int
    rule: str
    reason: str


class Tally(Protocol):
    """What is told of each entry that broke no rule, and of each release under a known grant.

    consent/report/tally.py counts it.
    """

    def take_directory(self, index: int, at: int, old: Directory | None, new: Directory) -> None:
        """Take a directory and the one it follows."""

    def take_grant(self, at: int, grant: Grant) -> None:
        """Take a grant."""

    def take_end(self, at: int, grant: Grant, how: str) -> None:
        """Take a change: revoked, replaced, erased, paused or resumed."""

    def take_release(self, at: int, grant: Grant) -> None:
        """Take a release under a grant, also one that breaks a rule: it left the vault."""

    def take_refusal(self, at: int, grant: Grant | None, reason: str) -> None:
        """Take a refusal; no grant: a request was declined or ran out."""

    def take_web(self, index: int, at: int, version: str) -> None:
        """Take a list of the web app."""


@dataclass(slots=True)
class _Window:
    """The cells of the last token of an organisation's window, and whether it was released."""

    cells: tuple[LinkMonths, ...]
    released: bool = False

    def fade(self) -> None:
        self.cells = ()


@dataclass(slots=True)
class _Org:
    """What one organisation has of one account: a bit for each (category, month), and windows."""

    _atoms: int = 0
    windows: dict[WindowName, _Window] = field(default_factory=dict)

    def use(self, categories: tuple[int, ...], window: Window) -> None:
        """Use the atoms of a new window; raises BadShape when one was used before."""
        atoms = sum(1 << _atom(pair) for pair in product(categories, window))
        if atoms & self._atoms:
            raise BadShape("the window overlaps one that this organisation already has")
        self._atoms |= atoms


def _atom(pair: tuple[int, Month]) -> int:
    category, month = pair
    return 8 * (12 * int(month[2:4]) + int(month[5:])) + category


@dataclass(frozen=True, slots=True)
class _Bound:
    account: str
    org: str
    pk: bytes


class Replay(LinkReplay):
    """The state of consent as the log tells it, and what is wrong with it."""

    def __init__(
        self,
        auditor: bytes,
        seen: Mapping[int, str] | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Start before the first entry.

        Args:
            auditor: the pinned key, 32 bytes.
            seen: log index → account of the texts that this auditor saw in earlier audits; ""
                for a text of no account.
            tally: is told of what broke no rule, and of every release under a known grant.
        """
        super().__init__(auditor)
        self._tally = tally
        self.findings: list[Finding] = []
        self.counts: dict[str, int] = {}
        self.owners = Owners(seen or {})
        self.unseen: list[int] = []
        self._served = Marks()
        self._missing: set[int] = set()
        self._erases: dict[bytes, tuple[int, str]] = {}
        self._answered: set[bytes] = set()
        self._covered: set[int] = set()
        self._binds: dict[str, _Bound] = {}
        self._orgs: dict[tuple[str, str], _Org] = {}
        self._grants: dict[bytes, Granted] = {}
        self._grants_of: defaultdict[str, list[Granted]] = defaultdict(list)
        self._decided: set[bytes] = set()
        self._releases: set[tuple[bytes, str, str]] = set()
        self._rules: dict[str, Callable[[Entry], str | None]] = {
            Listing.typ: self._listing,
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
            Web.typ: self._web,
        }

    def take(self, index: int, at: int, text: str, served: bool = True) -> None:
        """Judge the next entry; a broken rule is added to the findings.

        `served`: False for a text seen in an earlier audit that is no longer served.
        """
        self._mark(index, served)
        rule = "text"
        try:
            envelope = read_envelope(text, *self._rules)
            rule = envelope.typ.removeprefix("cv1-")
            self._judge(Entry(index, at, text_hash(text), envelope), rule)
        except VaultError as broken:
            self.findings.append(Finding(index, rule, str(broken)))

    def take_reading(self, index: int, reading: Reading, served: bool = True) -> None:
        """Judge the next entry like `take`, by a reading of its text."""
        self._mark(index, served)
        rule = reading.typ.removeprefix("cv1-")
        try:
            self._judge(Entry(index, reading.at, reading.name, reading.envelope, reading), rule)
        except VaultError as broken:
            self._find(index, rule, str(broken))

    def _find(self, index: int, rule: str, reason: str) -> None:
        self.findings.append(Finding(index, rule, reason))

    def _mark(self, index: int, served: bool) -> None:
        if served:
            self._served.add(index)
        else:
            self._missing.add(index)

    def _judge(self, entry: Entry, kind: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self._check_at(entry.index, entry.at)
        account = self._rules[entry.envelope.typ](entry)
        self.owners[entry.index] = account or ""

    def _check_at(self, index: int, at: int) -> None:
        if at < self._at:
            self.findings.append(Finding(index, "at", f"at falls from {self._at} to {at}"))
        self._at = max(self._at, at)
        if self._held is not None:
            self._aging.turn(self._at, self._held.month_at, self._held.listing.zone)

    def miss(self, index: int) -> None:
        """Note that the vault serves no text for this leaf."""
        self._missing.add(index)

    def finish(self) -> None:
        """Add what only shows at the end: texts that are missing without an erasure."""
        for index in sorted(self._missing - self._covered):
            self.findings.append(Finding(index, "leaf", "no text, and no erasure covers it"))
        self.unseen = sorted(i for i in self._covered if i not in self.owners)

    @property
    def doubtful(self) -> list[int]:
        """Indexes that the vault should be asked about again, once this is finished.

        Texts that are missing without an erasure, and texts that are served in spite of one.
        """
        return sorted((self._missing - self._covered) | self.covered_and_served)

    @property
    def whole(self) -> bool:
        """Whether every text was there but for those that an erasure covers."""
        return self._missing <= self._covered

    @property
    def covered_and_served(self) -> set[int]:
        """The indexes whose texts are served although an erasure covers them."""
        return self._covered & self._served

    @property
    def covered(self) -> frozenset[int]:
        """The indexes that the `cv1-erased` entries cover."""
        return frozenset(self._covered)

    def _listing(self, entry: Entry) -> str | None:
        old = self._held
        self._directory_entry(entry)
        if self._tally:
            self._tally.take_directory(entry.index, entry.at, old, self.directory)
        return None

    # Consent

    def _bind(self, entry: Entry) -> str:
        account = self._account_of(entry)
        message = entry.opened(Bind)
        kid, org = thumbprint(message.pk), intern(message.org)
        if kid in self._binds or (account, message.org) in self._orgs:
            raise BadShape("the key or the organisation is bound already")
        self._orgs.setdefault((account, org), _Org())
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

    # Tokens and the guard

    def _token(self, entry: Entry) -> str:
        token = entry.opened(Token)
        granted = self._granted(token.grant)
        self._verify_giver(entry, granted)
        _check_live(granted, entry.at)
        granted.grant.check_window(token.window)
        check_count(token.cells, granted.grant.scope)
        for cell in token.cells:
            self._check_cell(granted, token, cell.link, cell.months)
        cells = self._check_window(granted, token)
        granted.tokens[intern(join_window(token.window))] = (entry.name, cells)
        return granted.account

    def _check_cell(
        self, granted: Granted, token: Token, link: bytes, months: tuple[Month, ...]
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

    def _check_window(self, granted: Granted, token: Token) -> tuple[LinkMonths, ...]:
        """The guard: the window is new, or its last token again, less absent cells.

        The cells are returned as they are kept.
        """
        name, org = self._window_of(granted, token.window)
        last = org.windows.get(name)
        if last is None:
            org.use(*name)
            cells = tuple(
                LinkMonths(self._shared.link(c.link), self._shared.window(c.months))
                for c in token.cells
            )
            last = org.windows[name] = _Window(cells)
            self._aging.keep(token.window[-1], last)
            return last.cells
        wanted = less_absent(last.cells, lambda link, m: self._linked(link).lacks(m))
        if token.cells != wanted:
            raise BadShape("the window is made again with other cells than its last, less absent")
        if last.released and token.cells != last.cells:
            raise BadShape("a released window is made smaller")
        last.cells = token.cells
        return last.cells

    def _window_of(self, granted: Granted, window: Window) -> tuple[WindowName, _Org]:
        """What makes a window the same: account, organisation, categories, months."""
        org = self._orgs[granted.account, granted.grant.org]
        return (granted.grant.categories, self._shared.window(window)), org

    # Releases

    def _release(self, entry: Entry) -> str:
        release = entry.opened(Release)
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        granted = self._granted(release.grant)
        if self._tally:  # before it is judged: one after its grant's end is to be measured
            self._tally.take_release(entry.at, granted.grant)
        _check_live(granted, entry.at)
        if release.purpose not in granted.grant.purposes:
            raise BadShape(f"{release.purpose} is no purpose of the grant")
        months = join_window(release.window)
        newest, kept = granted.tokens.get(months, (b"", None))
        if kept is None or newest != release.token:
            raise BadShape("it does not name the newest token of this window")
        key = (granted.grant.grant, intern(months), intern(release.purpose))
        if key in self._releases:
            raise BadShape("this window was released for this purpose before")
        self._check_sum(granted, kept, release)
        self._releases.add(key)
        name, org = self._window_of(granted, release.window)
        org.windows[name].released = True
        return granted.account

    def _check_sum(self, granted: Granted, kept: tuple[LinkMonths, ...], release: Release) -> None:
        cells = [(cell.link, month) for cell in kept for month in cell.months]
        missing = [cell for cell in cells if cell not in self._closes]
        if missing:
            raise BadShape(f"the close of {missing[0][1]} does not stand before")
        if any(self._linked(link).lacks(month) for link, month in cells):
            raise BadShape("a cell of an absent month")
        closes = [self._closes[cell] for cell in cells]
        if _hash_names(closes) != release.closes:
            raise BadShape("closes: not the hash of the closes of the token's cells")
        if sorted({close.methodology for close in closes}) != list(release.methodology):
            raise BadShape("methodology: not the releases that the closes name")
        total = combine([read_cells(close.cells) for close in closes], granted.grant.scope)
        if total != Cell(release.c, release.C):
            raise BadShape("(c, C) is not the sum of the closes of the token's cells")

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

    # The web app

    def _web(self, entry: Entry) -> None:
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        version = entry.opened(Web).version
        if self._tally:
            self._tally.take_web(entry.index, entry.at, version)

    # Erasure

    def _erase(self, entry: Entry) -> None:
        entry.envelope.verify_introduced()
        entry.opened(Erase)
        name, account = entry.name, entry.envelope.kid
        if name in self._erases or name in self._answered:
            raise BadShape("this erase stands before")
        self._erases[name] = (entry.index, account)
        self._end_account(account, entry.at)
        for granted in self._grants_of.pop(account, ()):
            going_on, granted.state = granted.state not in {"revoked", "replaced"}, "revoked"
            if going_on:
                self._tell_end(granted, entry.at, "erased")

    def _erased(self, entry: Entry) -> None:
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        message = entry.opened(Erased)
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
        left = {i for i in self.owners.of(account) if i < erase} - self._covered
        if left:
            raise BadShape(f"it leaves out entry {min(left)} of the erased account")


def _check_live(granted: Granted, at: int) -> None:
    if granted.state != "live":
        raise BadShape(f"the grant is {granted.state}")
    if at >= granted.grant.until:
        raise BadShape("the grant's until had passed")


def _hash_names(closes: list[Closed]) -> bytes:
    """Return SHA-256 over the close hashes, in cell order."""
    return sha256(b"".join(close.name for close in closes)).digest()
