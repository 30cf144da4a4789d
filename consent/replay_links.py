"""The part of the audit replay about the directory, accounts, links and closes (section 7).

Each rule judges one entry by what stood before it, and returns the account that the entry is of. A
broken rule raises, and the entry changes nothing. consent/replay_grants.py stands on it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from sys import intern
from typing import TypeVar

from consent.readings import Reading
from consent.replay_state import Aging, Closed, Closes, Shared, shorten
from vault.directory import (
    FIRST_PREV,
    Directory,
    check_link,
    check_successor,
    read_directory,
)
from vault.encoding import Envelope, thumbprint
from vault.errors import BadDirectory, BadShape
from vault.messages import AbsentMonth, Account, Attach, Close, Message, Reject, Unlink
from vault.months import Month, add_months, close_slot

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: log index, the vault's unix seconds, the text's hash, and the message.

    With a reading the message was opened before, and the envelope knows whose signature it has.
    """

    index: int
    at: int
    name: bytes
    envelope: Envelope
    reading: Reading | None = None

    def opened(self, kind: type[M]) -> M:
        """Return the message; raises BadShape, BadPoint, BadScalar."""
        if self.reading is not None and isinstance(self.reading.message, kind):
            return self.reading.message
        return kind.opened(self.envelope)

    def closed(self) -> Closed:
        """Return the message as a close; raises BadShape, BadPoint, BadScalar."""
        if self.reading is not None and isinstance(self.reading.message, Closed):
            return self.reading.message
        return shorten(self.name, Close.opened(self.envelope))


@dataclass(slots=True)
class Linked:
    """An attached link, and which of its months are absent."""

    account: str
    source: str
    begins: Month
    ends: Month | None = None
    absent: frozenset[Month] = frozenset()

    def lacks(self, month: Month) -> bool:
        """Whether the month is absent for the link."""
        return month in self.absent or (self.ends is not None and month >= self.ends)

    def end(self, month: Month) -> None:
        """End the link in this month, unless it ended before."""
        self.ends = self.ends or month


class LinkReplay:
    """Who has an account, which links stand, and what was closed."""

    def __init__(self, auditor: bytes) -> None:
        """Start before the first entry; `auditor` is the pinned key, 32 bytes."""
        self._signer, self._at = auditor, 0
        self._held: Directory | None = None
        self._accounts: dict[str, bytes] = {}
        self._gone: set[str] = set()
        self._links: dict[bytes, Linked] = {}
        self._links_of: defaultdict[str, list[Linked]] = defaultdict(list)
        self._closes = Closes()
        self._closed: dict[bytes, Closed] = {}
        self._aging, self._shared = Aging(), Shared()

    @property
    def directory(self) -> Directory:
        """The directory in force; raises BadDirectory before the first one."""
        if self._held is None:
            raise BadDirectory("no directory stands before this entry")
        return self._held

    @property
    def held(self) -> Directory | None:
        """The directory in force, if there is one."""
        return self._held

    @property
    def links_alive(self) -> int:
        """How many links are attached and not ended."""
        return sum(linked.ends is None for linked in self._links.values())

    @property
    def demo(self) -> bool:
        """Whether the directory in force says that this is a demonstration."""
        return self._held is not None and self._held.listing.demo

    @property
    def self_audited(self) -> bool:
        """Whether the directory in force lists vault and auditor as one organisation."""
        return self._held is not None and self._held.self_audited

    def _directory_entry(self, entry: Entry) -> str | None:
        held = self._held
        allowed = (self._signer, held.listing.next if held else None)
        signer = next((k for k in allowed if k and thumbprint(k) == entry.envelope.kid), None)
        if signer is None:
            raise BadDirectory("not signed by the auditor in force, nor by its named next key")
        fresh = read_directory(entry.envelope.text, signer)
        wanted = (held.listing.version + 1, held.hash) if held else (1, FIRST_PREV)
        if (fresh.listing.version, fresh.listing.prev) != wanted:
            raise BadDirectory(f"wanted version {wanted[0]} naming the last one as prev")
        if held:
            check_successor(held, fresh)
        self._signer, self._held = signer, fresh
        return None

    def _account(self, entry: Entry) -> str:
        public = entry.envelope.verify_introduced()
        message = entry.opened(Account)
        if message.vault != self.directory.listing.vault:
            raise BadShape(f"an account of {message.vault}")
        if entry.envelope.kid in self._accounts:
            raise BadShape("this account stands in the log twice")
        if entry.envelope.kid in self._gone:
            raise BadShape("this account was erased before")
        account = intern(entry.envelope.kid)
        self._accounts[account] = public
        return account

    def _account_of(self, entry: Entry) -> str:
        public = self._accounts.get(entry.envelope.kid)
        if public is None:
            raise BadShape("no account of this key stands before")
        entry.envelope.verify(public)
        return intern(entry.envelope.kid)

    def _attach(self, entry: Entry) -> str:
        account = self._account_of(entry)
        message = entry.opened(Attach)
        link = check_link(message.receipt, self.directory, entry.at)
        if link.link != message.link or link.link in self._links:
            raise BadShape("the link is another's, or attached already")
        running = self.directory.month_at(entry.at)
        if link.begins not in (add_months(running, -1), running):
            raise BadShape(f"a link of {link.begins} is attached in {running}")
        linked = Linked(account, intern(link.source), Month(intern(link.begins)))
        self._links[self._shared.link(link.link)] = linked
        self._links_of[account].append(linked)
        return account

    def _close(self, entry: Entry) -> str:
        close = entry.closed()
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
        if linked.lacks(close.month):
            raise BadShape(f"{close.month} of this link is absent")
        close.link = self._shared.link(close.link)
        self._closes.add(close)
        self._closed[close.name] = close
        self._aging.keep(close.month, close)
        return linked.account

    def _linked(self, link: bytes) -> Linked:
        if link not in self._links:
            raise BadShape("no such link stands before")
        return self._links[link]

    def _unlink(self, entry: Entry) -> str:
        message = entry.opened(Unlink)
        linked = self._linked(message.link)
        if entry.envelope.kid == linked.account:
            self._account_of(entry)
        else:
            self.directory.verify_party(entry.envelope, linked.source, entry.at)
        if linked.ends is not None:
            raise BadShape("the link had ended before")
        linked.end(self.directory.month_at(entry.at))
        return linked.account

    def _absent(self, entry: Entry) -> str:
        entry.envelope.verify(self.directory.vault_key(entry.envelope.kid, entry.at))
        message = entry.opened(AbsentMonth)
        linked = self._linked(message.link)
        _, end = close_slot(message.month, self.directory.listing.zone)
        if entry.at < end or message.month < linked.begins:
            raise BadShape(f"{message.month} is called absent before its slot is over")
        if (message.link, message.month) in self._closes:
            raise BadShape(f"{message.month} is called absent, and its close stands before")
        if linked.lacks(message.month):
            raise BadShape(f"{message.month} is absent already")
        linked.absent |= {message.month}
        return linked.account

    def _reject(self, entry: Entry) -> str:
        account = self._account_of(entry)
        found = self._closed.get(entry.opened(Reject).close)
        closed = (found.link, found.month) if found else None
        if closed is None or self._linked(closed[0]).account != account:
            raise BadShape("no close of this account's links has the hash rejected")
        link, month = closed
        self._linked(link).absent |= {month}
        return account

    def _end_account(self, account: str, at: int) -> None:
        self._accounts.pop(account, None)
        self._gone.add(account)
        for linked in self._links_of.pop(account, ()):
            linked.end(self.directory.month_at(at))
