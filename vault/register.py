"""The server's side of the directory: the auditor posts versions, the last one is in force."""

from __future__ import annotations

from typing import NamedTuple

from vault import journal
from vault.directory import FIRST_PREV, Directory, check_successor, read_directory
from vault.encoding import Envelope, read_envelope, thumbprint
from vault.errors import (
    BadDirectory,
    BadPlace,
    BadShape,
    DifferentBytes,
    LogUnavailable,
    UnknownKey,
)
from vault.messages import Listing
from vault.operator import Operator
from vault.storage.database import Transaction


class _Version(NamedTuple):
    version: int
    text: str
    signer: bytes


def in_force(tx: Transaction) -> Directory:
    """Return the directory in force.

    Raises:
        LogUnavailable: the auditor has not posted the first one yet.
    """
    last = _last(tx)
    if last is None:
        raise LogUnavailable("this vault has no directory yet: its auditor must post version 1")
    return read_directory(last.text, last.signer)


def has_directory(tx: Transaction) -> bool:
    """Return whether the auditor has posted a directory."""
    return _last(tx) is not None


def publish(tx: Transaction, operator: Operator, text: str) -> bytes:
    """Take the next directory; return its journal hash.

    1. the stored answer for the same bytes. 2. signed by the pinned auditor key or the key the
    last version names as `next`. 3. the next version, and its prev. 4. it names this vault, its key
    and its log.

    Raises:
        BadJws, BadType, UnknownKey, BadShape, DifferentBytes: a check fails.
    """
    # Its kind first: the journal holds texts of every kind.
    envelope = read_envelope(text, Listing.typ)
    if stored := journal.holds(tx, text):
        return stored  # 1
    last = _last(tx)
    held = read_directory(last.text, last.signer) if last else None
    signer = _signer(envelope, operator.auditor, last.signer if last else None, held)  # 2
    try:
        fresh = read_directory(text, signer)
    except BadDirectory as bad:
        raise BadShape(str(bad)) from bad
    _check_next(held, fresh)  # 3
    if not _lists(fresh, operator) or fresh.listing.log.vkey != operator.log:  # 4
        raise BadShape("the directory names another vault, or not this vault's key and log")
    tx.run(
        "INSERT INTO directories (version, text, signer) VALUES (?, ?, ?)",
        fresh.listing.version,
        text,
        signer,
    )
    return journal.append(tx, operator, text)


def check_own_key(tx: Transaction, operator: Operator) -> None:
    """Return when the directory in force, if there is one, lists this vault's signing key.

    Raises:
        BadPlace: it does not: a vault with another key would sign what nobody accepts.
    """
    if has_directory(tx) and not _lists(in_force(tx), operator):
        raise BadPlace("the directory in force does not list this vault's signing key")


def _lists(directory: Directory, operator: Operator) -> bool:
    vault = directory.party(directory.listing.vault)
    ours = {key.pk for key in vault.sig}
    return vault.id == operator.vault and operator.key.public in ours


def _last(tx: Transaction) -> _Version | None:
    return tx.one(
        _Version, "SELECT version, text, signer FROM directories ORDER BY version DESC LIMIT 1"
    )


def _signer(envelope: Envelope, pinned: bytes, last: bytes | None, held: Directory | None) -> bytes:
    offered = (last or pinned, held.listing.next if held else None)
    for pk in offered:
        if pk and thumbprint(pk) == envelope.kid:
            return pk
    raise UnknownKey("the directory is not signed by this vault's auditor")


def _check_next(held: Directory | None, fresh: Directory) -> None:
    version, prev = (held.listing.version, held.hash) if held else (0, FIRST_PREV)
    if fresh.listing.version <= version:
        raise DifferentBytes(f"version {fresh.listing.version} is already taken by another text")
    if (fresh.listing.version, fresh.listing.prev) != (version + 1, prev):
        raise BadShape(f"wanted version {version + 1} naming the last one as prev")
    if held:
        try:
            check_successor(held, fresh)
        except BadDirectory as bad:
            raise BadShape(str(bad)) from bad
