"""Erasure: an account and everything of it is deleted; the log's leaves stay and say nothing.

    begin   the account's `cv1-erase` is logged; batches, closes, grants, tokens, state and wraps
            are deleted, so that nothing of the account can be used from here on
    finish  its texts and salts in the journal are deleted; the vault logs
            {"iat":…,"erase":"5f…","indexes":[3,4,9]}, its `cv1-erased`

Between the two, waiting entries get their index: a text that is not in the log yet cannot be named.
A vault that was stopped in between finishes at its next start (docs/protocol.md section 6).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from consent import requests
from consent.messages import Erased
from vault import accounts, faults, journal
from vault.encoding import read_envelope, text_hash
from vault.errors import BadShape, NotFound, UnknownKey
from vault.messages import Erase
from vault.operator import Operator
from vault.storage.database import Database, Transaction


class Begun(NamedTuple):
    """An erasure that waits to be finished."""

    account: str
    erase: bytes


class _Text(NamedTuple):
    text: str


_OF_LINK = ("batches", "closes", "absents", "rejects", "evidence")
_OF_GRANT = ("tokens", "releases", "refusals", "events", "deletions")
_OF_ACCOUNT = (
    "grants",
    "windows",
    "atoms",
    "binds",
    "links",
    "wraps",
    "states",
    "accounts",
)


def begin(tx: Transaction, operator: Operator, caller: str, text: str) -> bytes:
    """Take a `cv1-erase` and delete what the account keeps here; return its journal hash.

    1. signed by the account key, which it names. 2. the stored answer for the same bytes.

    Raises:
        UnknownKey, BadJws, BadType, BadShape, BadPoint: a check fails.
    """
    envelope = read_envelope(text, Erase.typ)
    if envelope.kid != caller:
        raise UnknownKey("an account is erased by its own key")
    if journal.holds(tx, text):
        return text_hash(text)  # 2
    if tx.one(Begun, "SELECT account, erase FROM erasures WHERE account = ?", caller):
        raise UnknownKey("this account is being erased by another message")
    accounts.verify_account(tx, envelope, caller)  # 1
    if Erase.opened(envelope).pk != accounts.public_key(tx, caller):
        raise BadShape("pk: not the key of this account")
    name = journal.append(tx, operator, text)
    for table in _OF_LINK:
        _delete(tx, table, "link IN (SELECT link FROM links WHERE account = ?)", caller)
    for table in _OF_GRANT:
        where = "grant_id IN (SELECT grant_id FROM grants WHERE account = ?)"
        _delete(tx, table, where, caller)
    for table in _OF_ACCOUNT:
        _delete(tx, table, "account = ?", caller)
    requests.forget(tx, operator, caller)
    tx.run("INSERT INTO erasures (account, erase) VALUES (?, ?)", caller, name)
    tx.run("INSERT INTO erased_accounts (account) VALUES (?)", caller)
    return name


def begun(tx: Transaction) -> list[Begun]:
    """Return the erasures that are not finished."""
    return tx.all(Begun, "SELECT account, erase FROM erasures ORDER BY account")


def complete(database: Database, operator: Operator, sequence: Callable[[], None]) -> list[bytes]:
    """Finish every erasure that was begun; return the journal hashes of the `cv1-erased` made.

    `sequence` takes waiting entries into the log.
    """
    made: list[bytes] = []
    while waiting := database.read(begun):
        sequence()
        faults.point("erase-begun")
        found = [database.write(partial(finish, operator=operator, begun=each)) for each in waiting]
        faults.point("erase-finished")
        made += [name for name in found if name]
        sequence()  # texts are gone: the log says why before anything else is answered
        database.scrub()
    return made


def finish(tx: Transaction, operator: Operator, begun: Begun) -> bytes | None:
    """Delete the account's logged texts and salts; return the journal hash of the `cv1-erased`.

    Returns None, and deletes nothing, while an entry of the account waits for its log index, or
    when another caller has finished already.
    """
    mine = tx.one(Begun, "SELECT account, erase FROM erasures WHERE account = ?", begun.account)
    if mine is None or journal.waiting(tx, begun.account):
        return None
    entries = journal.entries_of(tx, begun.account)
    _delete(tx, "journal", "account = ?", begun.account)
    _delete(tx, "erasures", "account = ?", begun.account)
    indexes = tuple(entry.position for entry in entries if entry.position is not None)
    text = Erased(iat=operator.now(), erase=begun.erase, indexes=indexes).signed(operator.key)
    tx.run("INSERT INTO erased (erase, text) VALUES (?, ?)", begun.erase, text)
    name = journal.append(tx, operator, text)
    faults.point("erase-before-commit")
    return name


def erased_of(tx: Transaction, erase: bytes) -> str:
    """Return the `cv1-erased` for a `cv1-erase` by its hash; raises NotFound."""
    found = tx.one(_Text, "SELECT text FROM erased WHERE erase = ?", erase)
    if found is None:
        raise NotFound("this erasure is not finished")
    return found.text


def _delete(tx: Transaction, table: str, where: str, account: str) -> None:
    tx.run(f"DELETE FROM {table} WHERE {where}", account)  # noqa: S608 - names stand above
