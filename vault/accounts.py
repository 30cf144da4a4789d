"""Accounts, their wraps and their sealed state: what a vault keeps for one holder.

The account id is the thumbprint of the account key, so the vault needs no name, password or mail.
A wrap is found without login under 128 unguessable bits; the state is one sealed blob that moves
by compare-and-set on its counter (docs/protocol.md section 4).
"""

from __future__ import annotations

from typing import NamedTuple

from vault import journal
from vault.encoding import Envelope, read_envelope, thumbprint
from vault.errors import BadShape, DifferentBytes, NotFound, StateChanged, TooLarge, UnknownKey
from vault.messages import Account
from vault.operator import Operator
from vault.storage.database import Transaction

WRAP_LIMIT = 256
STATE_LIMIT = 1 << 20


class State(NamedTuple):
    """The sealed state and its counter (0: nothing stored yet)."""

    counter: int
    blob: bytes


class _Text(NamedTuple):
    text: str


class WrapName(NamedTuple):
    """A wrap by id (16 bytes); `until` in unix seconds, None: until it is deleted."""

    wrap: bytes
    until: int | None


class _Wrap(NamedTuple):
    account: str
    blob: bytes


def create(tx: Transaction, operator: Operator, caller: str, text: str) -> bytes:
    """Make the account of the calling key; return the journal hash.

    Raises:
        BadJws, BadType, BadShape, BadPoint: the message is not this key's for this vault.
        DifferentBytes: the account was made with another text, or erased.
    """
    envelope = read_envelope(text, Account.typ)
    envelope.verify_introduced()
    message = Account.opened(envelope)
    if thumbprint(message.pk) != caller:
        raise BadShape("an account is made by its own key")
    if message.vault != operator.vault:
        raise BadShape(f"the message is for {message.vault}, this vault is {operator.vault}")
    if stored := journal.holds(tx, text):
        return stored
    if tx.one(_Text, "SELECT account FROM erased_accounts WHERE account = ?", caller):
        raise DifferentBytes("this account was erased; a new vault has new keys")
    added = tx.run(
        "INSERT INTO accounts (account, text) VALUES (?, ?) ON CONFLICT DO NOTHING", caller, text
    )
    if not added:
        raise DifferentBytes("this account exists")
    return journal.append(tx, operator, text, caller)


def check_account(tx: Transaction, caller: str) -> None:
    """Return when the caller has an account here; raises UnknownKey."""
    if not tx.one(_Text, "SELECT text FROM accounts WHERE account = ?", caller):
        raise UnknownKey("this key has no account here")


def verify_account(tx: Transaction, envelope: Envelope, account: str) -> None:
    """Return when the account's own key signed the envelope.

    Raises:
        UnknownKey: no such account, or another key. BadJws: the signature does not verify.
    """
    if envelope.kid != account:
        raise UnknownKey("this is signed by the account's own key")
    envelope.verify(public_key(tx, account))


def public_key(tx: Transaction, account: str) -> bytes:
    """Return the account's key (32 bytes); raises UnknownKey."""
    found = tx.one(_Text, "SELECT text FROM accounts WHERE account = ?", account)
    if found is None:
        raise UnknownKey("this key has no account here")
    return Account.opened(read_envelope(found.text, Account.typ)).pk


def put_wrap(
    tx: Transaction, now: int, account: str, wrap: bytes, blob: bytes, life: int | None = None
) -> None:
    """Keep a wrap (id 16 bytes) under the account, for `life` seconds or until it is deleted.

    Raises:
        UnknownKey, TooLarge: no account, or over 256 bytes.
        DifferentBytes: the id is taken by another blob.
    """
    check_account(tx, account)
    if len(blob) > WRAP_LIMIT:
        raise TooLarge(f"a wrap holds at most {WRAP_LIMIT} bytes")
    tx.run("DELETE FROM wraps WHERE account = ? AND until <= ?", account, now)
    stored = tx.one(_Wrap, "SELECT account, blob FROM wraps WHERE wrap = ?", wrap)
    if stored and stored != (account, blob):
        raise DifferentBytes("another wrap stands under this id")
    tx.run(
        "INSERT INTO wraps (wrap, account, blob, until) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (wrap) DO UPDATE SET until = excluded.until",
        wrap,
        account,
        blob,
        None if life is None else now + life,
    )


def get_wrap(tx: Transaction, now: int, wrap: bytes) -> bytes:
    """Return the blob; needs no login; raises NotFound, also for a wrap whose time is over."""
    sql = "SELECT account, blob FROM wraps WHERE wrap = ? AND (until IS NULL OR until > ?)"
    stored = tx.one(_Wrap, sql, wrap, now)
    if stored is None:
        raise NotFound("no wrap has this id")
    return stored.blob


def wraps_of(tx: Transaction, account: str) -> list[WrapName]:
    """Return the ids of the account's wraps and when they end."""
    sql = "SELECT wrap, until FROM wraps WHERE account = ? ORDER BY wrap"
    return tx.all(WrapName, sql, account)


def delete_wrap(tx: Transaction, account: str, wrap: bytes) -> None:
    """Forget a wrap of the account; raises NotFound for any other."""
    if not tx.run("DELETE FROM wraps WHERE wrap = ? AND account = ?", wrap, account):
        raise NotFound("no wrap of this account has this id")


def get_state(tx: Transaction, account: str) -> State:
    """Return the sealed state, counter 0 and empty when none was put; raises UnknownKey."""
    check_account(tx, account)
    found = tx.one(State, "SELECT counter, blob FROM states WHERE account = ?", account)
    return found or State(0, b"")


def put_state(tx: Transaction, account: str, counter: int, blob: bytes) -> int:
    """Replace the state that stands at `counter` by `blob`; return the new counter.

    Raises:
        UnknownKey, TooLarge: no account, or over 1 MiB.
        StateChanged: the stored counter is another.
    """
    stored = get_state(tx, account)
    if len(blob) > STATE_LIMIT:
        raise TooLarge(f"a state holds at most {STATE_LIMIT} bytes")
    if stored.counter != counter:
        raise StateChanged(f"the stored counter is {stored.counter}, If-Match names {counter}")
    tx.run(
        "INSERT INTO states (account, counter, blob) VALUES (?, ?, ?)"
        " ON CONFLICT (account) DO UPDATE SET counter = excluded.counter, blob = excluded.blob",
        account,
        counter + 1,
        blob,
    )
    return counter + 1
