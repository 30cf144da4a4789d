"""A platform's or a source's SDK over its folder, as the commands open it.

    platform = open_platform("bank")                     # folder made by `platform init`
    with open_source("bike") as source:                  # books are open as long as the block
        source.send_batches()

The directory is accepted and held each time; keys and pins are the folder's (consent/folder.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consent.folder import Folder, open_folder
from consent.place import read_key, write_key
from consent.platform import Identity as PlatformIdentity
from consent.platform import Platform, Proofs
from vault.crypto.keys import Secret
from vault.directory import Directory, release_fits
from vault.errors import BadPlace
from vault.methodology.release import Release, load_release
from vault.months import Month
from vault.outbox import Outbox
from vault.source import Identity, Source

BOOKS, BOOKS_KEY = "books.db", "books.key"


def open_platform(path: Path | str, proofs: Proofs | None = None) -> Platform:
    """Return the SDK of a platform's folder; `proofs` keeps what proves each total.

    Raises:
        BadPlace: no platform's folder, or a key that others may read.
        BadDirectory, BadProof: the vault's directory is not to be trusted.
        UnknownKey: the directory lists no key of this folder.
    """
    folder = open_folder(Path(path), "platform")
    return platform_of(folder, folder.accept(), proofs)


def platform_of(folder: Folder, directory: Directory, proofs: Proofs | None = None) -> Platform:
    """Return the SDK over an opened folder and an accepted directory; raises UnknownKey."""
    signer = folder.signing(directory, "platform")
    identity = PlatformIdentity(folder.pins.id, signer, folder.opening())
    wire = folder.wire(signer)
    return Platform(identity, wire, folder.pins.policy, folder.now, directory, proofs)


@contextmanager
def open_source(path: Path | str, month: Month | None = None) -> Iterator[Source]:
    """Open the SDK of a source's folder, standing on the release of `month` (else of now).

    Raises:
        BadPlace: no source's folder, a key that others may read, or the key of its books is gone.
        BadDirectory, BadProof, UnknownKey: as open_platform raises.
    """
    folder = open_folder(Path(path), "source")
    with source_of(folder, folder.accept(), month) as (source, _):
        yield source


@contextmanager
def source_of(
    folder: Folder, directory: Directory, month: Month | None = None
) -> Iterator[tuple[Source, Outbox]]:
    """Open the SDK and the books over an opened folder and an accepted directory."""
    release = _release(directory, month or directory.month_at(folder.now()))
    signer = folder.signing(directory, "source")
    identity = Identity(folder.pins.id, signer, folder.opening())
    books = Outbox(folder.path / BOOKS, _books_key(folder.path))
    try:
        wire = folder.wire(signer)
        yield Source(identity, books, wire, directory, release, folder.now, os.urandom), books
    finally:
        books.close()


def _release(directory: Directory, month: Month) -> Release:
    entry = directory.release_for(month)
    release = load_release(entry.id)
    release_fits(entry, release.file)
    return release


def _books_key(path: Path) -> Secret:
    key = path / BOOKS_KEY
    if not key.exists():
        if (path / BOOKS).exists():
            raise BadPlace(f"{key} is missing, and without it the books do not open")
        write_key(key, os.urandom(32))
    return Secret(read_key(key))
