"""Links: one source's records for one holder (docs/protocol.md section 5, "Link").

The source answers a link code with ``cv1-link``; the holder puts it under their account with
``cv1-attach``; the source sends nothing before the vault says attached. Either side ends it.
"""

from __future__ import annotations

from typing import NamedTuple

from vault import accounts, journal
from vault.directory import Directory, check_link
from vault.encoding import Envelope, read_envelope
from vault.errors import BadShape, DifferentBytes, NotFound, TooEarly, TooLate, Unlinked
from vault.messages import Attach, Unlink
from vault.months import Month, add_months
from vault.operator import Operator
from vault.storage.database import Transaction


class LinkRow(NamedTuple):
    """A link as the vault keeps it; `ended` is the log's unix second of its unlink."""

    link: bytes
    account: str
    source: str
    begins: Month
    ended: int | None
    unlink: str | None

    @property
    def state(self) -> str:
        """Whether the link goes on: "attached" or "unlinked"."""
        return "attached" if self.ended is None else "unlinked"


_COLUMNS = "SELECT link, account, source, begins, ended, unlink FROM links"


def attach(
    tx: Transaction, operator: Operator, directory: Directory, caller: str, text: str
) -> bytes:
    """Put a link under the caller's account; return the journal hash.

    1. signed by the caller's account key. 2. the stored answer for the same bytes. 3. the link
    message is of a source of the directory with a key valid now. 4. `from` is the running month or
    the one before. 5. the link is new over the whole vault.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, TooEarly, TooLate, DifferentBytes: a check fails.
    """
    envelope = read_envelope(text, Attach.typ)
    accounts.verify_account(tx, envelope, caller)  # 1
    if stored := journal.holds(tx, text):
        return stored  # 2
    message = Attach.opened(envelope)
    answer = check_link(message.receipt, directory, operator.now())  # 3
    if answer.link != message.link:
        raise BadShape("the link message is about another link")
    running = directory.month_at(operator.now())
    if answer.begins > running:
        raise TooEarly(f"the link begins in {answer.begins}, it is {running}")
    if answer.begins < add_months(running, -1):
        raise TooLate(f"the link began in {answer.begins}, it is {running}: ask for a new one")  # 4
    added = tx.run(
        "INSERT INTO links (link, account, source, begins, text) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        message.link,
        caller,
        answer.source,
        answer.begins,
        text,
    )
    if not added:
        raise DifferentBytes("this link is attached already")  # 5
    return journal.append(tx, operator, text, caller)


def unlink_as_holder(
    tx: Transaction, operator: Operator, caller: str, link: bytes, text: str
) -> bytes:
    """Take the holder's `cv1-unlink`; return the journal hash; raises as unlink does."""
    row = holder_link(tx, caller, link)
    envelope = read_envelope(text, Unlink.typ)
    accounts.verify_account(tx, envelope, caller)
    return _unlink(tx, operator, row, envelope)


def unlink_as_source(
    tx: Transaction,
    operator: Operator,
    directory: Directory,
    source: str,
    link: bytes,
    text: str,
) -> bytes:
    """Take a source's `cv1-unlink` for its customer; return the journal hash.

    Raises:
        NotFound, UnknownKey, BadJws, BadType, BadShape, Unlinked: a check fails.
    """
    row = source_link(tx, link, source)
    envelope = read_envelope(text, Unlink.typ)
    directory.verify_party(envelope, source, operator.now())
    return _unlink(tx, operator, row, envelope)


def _unlink(tx: Transaction, operator: Operator, row: LinkRow, envelope: Envelope) -> bytes:
    if stored := journal.holds(tx, envelope.text):
        return stored
    if Unlink.opened(envelope).link != row.link:
        raise BadShape("link: not the one of this address")
    if row.ended is not None:
        raise Unlinked("this link has ended already")
    name = journal.append(tx, operator, envelope.text, row.account)
    entry = journal.entry_of(tx, name)
    tx.run(
        "UPDATE links SET ended = ?, unlink = ? WHERE link = ?",
        entry.at,
        envelope.text,
        row.link,
    )
    return name


def all_links(tx: Transaction) -> list[LinkRow]:
    """Return every link of the vault."""
    return tx.all(LinkRow, _COLUMNS)


def links_of(tx: Transaction, account: str) -> list[LinkRow]:
    """Return every link ever attached to the account, by link id."""
    return tx.all(LinkRow, f"{_COLUMNS} WHERE account = ? ORDER BY link", account)


def link_of(tx: Transaction, link: bytes) -> LinkRow:
    """Return an attached link; raises NotFound."""
    found = tx.one(LinkRow, f"{_COLUMNS} WHERE link = ?", link)
    if found is None:
        raise NotFound("no such link of yours")
    return found


def holder_link(tx: Transaction, account: str, link: bytes) -> LinkRow:
    """Return a link of this account; raises NotFound."""
    found = link_of(tx, link)
    if found.account != account:
        raise NotFound("no such link of yours")
    return found


def source_link(tx: Transaction, link: bytes, source: str) -> LinkRow:
    """Return an attached link of this source; unknown and not yours raise the same NotFound."""
    found = link_of(tx, link)
    if found.source != source:
        raise NotFound("no such link of yours")
    return found
