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

The rules of each kind of entry stand in replay_links, replay_grants, replay_tokens and
replay_releases; here are those about a text's place and its absence: order, and erasure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    Web,
)
from consent.readings import Reading
from consent.replay_links import Entry
from consent.replay_releases import ReleaseReplay
from consent.replay_state import Marks, Owners
from consent.replay_tally import Tally
from vault.encoding import read_envelope, text_hash
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


@dataclass(frozen=True, order=True)
class Finding:
    """A broken rule: the log index, the rule's name, what was found."""

    index: int
    rule: str
    reason: str


class Replay(ReleaseReplay):
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
        super().__init__(auditor, tally)
        self.findings: list[Finding] = []
        self.counts: dict[str, int] = {}
        self.owners = Owners(seen or {})
        self.unseen: list[int] = []
        self._served = Marks()
        self._missing: set[int] = set()
        self._erases: dict[bytes, tuple[int, str]] = {}
        self._answered: set[bytes] = set()
        self._covered: set[int] = set()
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
