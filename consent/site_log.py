"""The web app in the log: what is served is written down when the server starts.

    note(tx, operator, site)    a `cv1-web` in the journal when the newest one says something else
    newest(tx)                  the text of the newest one

It goes the way of everything that is logged: row and salt are written in one transaction, the log
gives it its index. It is of no account, so no erasure takes it (docs/protocol.md section 6).
"""

from __future__ import annotations

from typing import NamedTuple

from consent.messages import Web
from consent.site import Site
from vault import journal, register
from vault.encoding import read_envelope, thumbprint
from vault.errors import NotFound, UnknownKey
from vault.operator import Operator
from vault.storage.database import Transaction


class _Text(NamedTuple):
    text: str


def note(tx: Transaction, operator: Operator, site: Site) -> bytes | None:
    """Return the journal hash of a new `cv1-web`; None when nothing is to be said, or not yet.

    Not before there is a directory, not while the log turns, not by a key that is not valid.
    """
    standing = journal.stand_still(tx, operator)
    if not _may_sign(tx, standing) or _said(tx) == (site.version, site.listed):
        return None
    message = Web(iat=standing.now(), version=site.version, files=site.listed)
    text = message.signed(standing.key)
    tx.run("INSERT INTO web (text) VALUES (?)", text)
    return journal.append(tx, standing, text)


def newest(tx: Transaction) -> str:
    """Return the newest `cv1-web`; raises NotFound."""
    found = _newest(tx)
    if found is None:
        raise NotFound("this vault has not logged a web app")
    return found.text


def _newest(tx: Transaction) -> _Text | None:
    return tx.one(_Text, "SELECT text FROM web ORDER BY id DESC LIMIT 1")


def _said(tx: Transaction) -> tuple[str, tuple[tuple[str, bytes], ...]] | None:
    found = _newest(tx)
    if found is None:
        return None
    message = Web.opened(read_envelope(found.text, Web.typ))
    return message.version, message.files


def _may_sign(tx: Transaction, operator: Operator) -> bool:
    if journal.turning(tx) or not register.has_directory(tx):
        return False
    try:
        register.in_force(tx).vault_key(thumbprint(operator.key.public), operator.now())
    except UnknownKey:
        return False
    return True
