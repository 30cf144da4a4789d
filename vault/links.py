"""Links: one source's records for one holder (docs/protocol.md section 5, "Link").

The source answers a link code with ``cv1-link``; the holder puts it under their account with
``cv1-attach``; the source sends nothing before the vault says attached.
"""

from __future__ import annotations

from typing import NamedTuple

from vault import accounts, journal
from vault.directory import Directory, check_link
from vault.encoding import read_envelope
from vault.errors import BadShape, DifferentBytes, NotFound, TooEarly, TooLate, UnknownKey
from vault.messages import Attach
from vault.months import Month, add_months
from vault.operator import Operator
from vault.storage.database import Transaction


class LinkRow(NamedTuple):
    """A link as the vault keeps it."""

    link: bytes
    account: str
    source: str
    begins: Month


_COLUMNS = "SELECT link, account, source, begins FROM links"


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
    if envelope.kid != caller:
        raise UnknownKey("a link is attached by the account's own key")
    envelope.verify(accounts.public_key(tx, caller))  # 1
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


def links_of(tx: Transaction, account: str) -> list[LinkRow]:
    """Return every link ever attached to the account, by link id."""
    return tx.all(LinkRow, f"{_COLUMNS} WHERE account = ? ORDER BY link", account)


def link_of(tx: Transaction, link: bytes) -> LinkRow:
    """Return an attached link; raises NotFound."""
    found = tx.one(LinkRow, f"{_COLUMNS} WHERE link = ?", link)
    if found is None:
        raise NotFound("no such link of yours")
    return found


def source_link(tx: Transaction, link: bytes, source: str) -> LinkRow:
    """Return an attached link of this source; unknown and not yours raise the same NotFound."""
    found = link_of(tx, link)
    if found.source != source:
        raise NotFound("no such link of yours")
    return found
