"""The server's side of the directory: the auditor posts versions, the last one is in force.

The log turns by two of them (docs/protocol.md section 6):

    version 7, log A     in force
    version 8, log B     the turn: the last entry of log A; not in force yet, nothing else is taken
    version 9, log B     the closing: names A's last tree, the first entry of log B; in force
"""

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
from vault.messages import Listing, LogEntry
from vault.operator import Operator
from vault.storage.database import Transaction

_STRANGE = "the directory names another vault, or not this vault's key and log"


class _Version(NamedTuple):
    version: int
    text: str
    signer: bytes


def in_force(tx: Transaction) -> Directory:
    """Return the directory in force.

    While the log turns that is the one before the turn.

    Raises:
        LogUnavailable: the auditor has not posted the first one yet.
    """
    last = _before_last(tx) if journal.turning(tx) else _last(tx)
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
    and its log, or as a turn the log that may follow; after a turn it closes the log that ended.
    5. this vault asks every witness it names, and they can make its quorum.

    Raises:
        BadJws, BadType, UnknownKey, BadShape, DifferentBytes: a check fails.
        LogUnavailable: the log cannot turn now, or the turn is not in the log yet.
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
    if not _lists(fresh, operator):  # 4
        raise BadShape(_STRANGE)
    edge = _edge(tx, operator, held, fresh)  # 4
    _check_witnesses(fresh.listing.log, operator)  # 5
    tx.run(
        "INSERT INTO directories (version, text, signer) VALUES (?, ?, ?)",
        fresh.listing.version,
        text,
        signer,
    )
    return journal.append(tx, operator, text, edge=edge)


def check_own_key(tx: Transaction, operator: Operator) -> None:
    """Return when the directory in force, if there is one, lists this vault's signing key.

    Raises:
        BadPlace: it does not: a vault with another key would sign what nobody accepts.
    """
    if has_directory(tx) and not _lists(in_force(tx), operator):
        raise BadPlace("the directory in force does not list this vault's signing key")


def _edge(
    tx: Transaction, operator: Operator, held: Directory | None, fresh: Directory
) -> journal.Edge:
    """Return where a directory stands in its log, once its logs are those of this vault."""
    if held and journal.turning(tx):
        _check_closing(tx, operator, held, fresh)
        return "first"
    log = held.listing.log.vkey if held else operator.log
    if fresh.earlier != (held.earlier if held else ()):
        raise BadShape("the directory lists a log as ended that goes on, or that is not ours")
    if fresh.listing.log.vkey == log:
        return ""
    if held is None or fresh.listing.log.vkey != operator.log_after(log):
        raise BadShape(_STRANGE)
    _check_name(fresh.listing.log)
    operator.check_turn(tx)
    return "last"


def _check_closing(tx: Transaction, operator: Operator, turn: Directory, fresh: Directory) -> None:
    ended = in_force(tx).listing.log
    if fresh.listing.log.vkey != turn.listing.log.vkey or fresh.earlier[:-1] != turn.earlier:
        raise BadShape(f"the log turns: wanted the directory that closes {ended.origin}")
    _check_name(fresh.listing.log)
    closed = fresh.earlier[-1] if len(fresh.earlier) > len(turn.earlier) else None
    if closed is None or _terms(closed) != _terms(ended):
        raise BadShape(f"wanted {ended.origin} among the ended logs, as the directory listed it")
    operator.check_closed(tx, closed)


def _terms(log: LogEntry) -> tuple[str, str, tuple[str, ...], int]:
    return log.origin, log.vkey, log.witnesses, log.quorum


def _check_name(log: LogEntry) -> None:
    if log.origin != log.vkey.partition("+")[0]:
        raise BadShape("the origin of a log is the name in its vkey")


def _check_witnesses(log: LogEntry, operator: Operator) -> None:
    # Whoever goes by this directory would refuse every release of this vault.
    strangers = sorted(set(log.witnesses) - operator.witnesses)
    if strangers:
        names = ", ".join(vkey.partition("+")[0][:80] for vkey in strangers)
        raise BadShape(f"the directory names witnesses that this vault does not ask: {names}")
    named = {vkey.partition("+")[0] for vkey in log.witnesses}  # keys of one name are one witness
    if log.quorum > len(named):
        raise BadShape(f"the directory wants {log.quorum} witnesses and names {len(named)}")


def _lists(directory: Directory, operator: Operator) -> bool:
    vault = directory.party(directory.listing.vault)
    ours = {key.pk for key in vault.sig}
    return vault.id == operator.vault and operator.key.public in ours


def _last(tx: Transaction) -> _Version | None:
    return tx.one(
        _Version, "SELECT version, text, signer FROM directories ORDER BY version DESC LIMIT 1"
    )


def _before_last(tx: Transaction) -> _Version | None:
    sql = "SELECT version, text, signer FROM directories ORDER BY version DESC LIMIT 1 OFFSET 1"
    return tx.one(_Version, sql)


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
