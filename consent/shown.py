"""Closes that a platform is shown, checked against what their sources signed (section 5, "Ask").

This is what makes a total ``checked: "sources"``: neither a holder nor the vault can add to it.
"""

from __future__ import annotations

from hashlib import sha256

from consent.messages import Grant, Release
from vault.crypto.meter import Cell, add_cells
from vault.directory import Directory
from vault.encoding import Envelope, read_envelope, text_hash
from vault.errors import BadInput, BadTotal, UnknownKey
from vault.messages import Close
from vault.months import Category, close_slot


def check_closes(directory: Directory, grant: Grant, release: Release, texts: list[str]) -> None:
    """Return when these closes are the ones the release adds up.

    1. each is signed by a source's key that is valid at some time of its slot. 2. the source is of
    another organisation. 3. its month lies in the window and its methodology is in the release's
    list. 4. no (link, month) stands twice. 5. their hash, and combine(closes) = (c, C).

    Raises:
        BadTotal: any of these fails.
    """
    try:
        closes = [_check_close(directory, grant, text) for text in texts]  # 1, 2
    except (BadInput, UnknownKey) as bad:
        raise BadTotal(f"a close shown is not a source's: {bad}") from bad
    if any(close.month not in release.window for close in closes):  # 3
        raise BadTotal("a close shown is of a month outside the window")
    if sorted({close.methodology for close in closes}) != list(release.methodology):
        raise BadTotal("the closes shown name other methodology releases than the statement")
    cells = [(close.link, close.month) for close in closes]
    if len(set(cells)) != len(cells):  # 4
        raise BadTotal("a close is counted twice")
    if hash_closes(texts) != release.closes:  # 5
        raise BadTotal("the closes shown are not the ones in the statement")
    if combine([close.cells for close in closes], grant.scope) != Cell(release.c, release.C):
        raise BadTotal("the closes shown do not add up to the statement")


def combine(rows: list[tuple[Cell, ...]], scope: tuple[Category, ...]) -> Cell:
    """Return the blind sum of closes, each given by its seven cells, over the categories."""
    return add_cells(cells[category - 1] for cells in rows for category in scope)


def hash_closes(texts: list[str]) -> bytes:
    """Return SHA-256 over the close hashes, in cell order."""
    return sha256(b"".join(map(text_hash, texts))).digest()


def _check_close(directory: Directory, grant: Grant, text: str) -> Close:
    envelope = read_envelope(text, Close.typ)
    close = Close.opened(envelope)
    party = _verify_source(directory, envelope, close)
    if directory.org_of(party) == grant.org:
        raise BadTotal("a close shown is of the platform's own organisation")
    return close


def _verify_source(directory: Directory, envelope: Envelope, close: Close) -> str:
    begin, end = close_slot(close.month, directory.listing.zone)
    party, public = directory.signer_within(envelope.kid, "source", begin, end)
    envelope.verify(public)
    return party.id
