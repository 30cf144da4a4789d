"""A server's folder: its settings and its keys (docs/architecture.md, "Where each key lives").

    vault.toml          vault = "vault.example", url = "https://…", auditor = "…base64url…"
    database.key        raw SQLCipher key, 32 bytes in hex, mode 0600
    vault.key log.key   Ed25519 seeds, the same form
    vault.db            the database

A key file that others may read is refused: nothing starts on it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vault.crypto.keys import Secret, SigningKey
from vault.encoding import b64u, unb64u
from vault.errors import BadPlace, BadShape

_SETTINGS = "vault.toml"
_NAME = re.compile(r"[a-z0-9.-]{3,64}")
_URL = re.compile(r"https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9./-]*)?")


@dataclass(frozen=True)
class Settings:
    """A vault's directory id, its public URL, and the auditor's key (32 bytes) that it pins."""

    vault: str
    url: str
    auditor: bytes

    @property
    def origin(self) -> str:
        """The log's name: its URL without the scheme."""
        return self.url.partition("://")[2] + "/log"


@dataclass(frozen=True)
class Place:
    """An opened folder."""

    settings: Settings
    database: Path
    database_key: Secret
    vault_key: SigningKey
    log_key: SigningKey


def make_place(folder: Path, settings: Settings, random: Callable[[int], bytes]) -> None:
    """Make the folder (mode 0700) with settings and fresh keys.

    Raises:
        BadPlace: it holds a vault already, or the settings are not of their form.
    """
    _check_settings(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / _SETTINGS).exists():
        raise BadPlace(f"{folder} holds a vault already")
    for name in ("database.key", "vault.key", "log.key"):
        write_key(folder / name, random(32))
    members = {"vault": settings.vault, "url": settings.url, "auditor": b64u(settings.auditor)}
    text = "".join(f'{name} = "{member}"\n' for name, member in members.items())
    (folder / _SETTINGS).write_text(text, encoding="utf-8")


def _check_settings(settings: Settings) -> None:
    if not _NAME.fullmatch(settings.vault):
        raise BadPlace(f"a vault's id is [a-z0-9.-]{{3,64}}, found {settings.vault[:70]!r}")
    if not _URL.fullmatch(settings.url) or settings.url.endswith("/"):
        raise BadPlace(f"wanted a URL without a slash at its end, found {settings.url[:80]!r}")


def open_place(folder: Path) -> Place:
    """Return the folder's settings and keys.

    Raises:
        BadPlace: something is missing, malformed, or readable by others.
    """
    return Place(
        settings=_read_settings(folder / _SETTINGS),
        database=folder / "vault.db",
        database_key=Secret(read_key(folder / "database.key")),
        vault_key=SigningKey(read_key(folder / "vault.key")),
        log_key=SigningKey(read_key(folder / "log.key")),
    )


def write_key(path: Path, raw: bytes) -> None:
    """Write a new key file (32 bytes in hex, mode 0600); raises BadPlace when it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as bad:
        raise BadPlace(f"cannot make the key file {path}: {bad.strerror}") from bad
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(raw.hex() + "\n")


def read_key(path: Path) -> bytes:
    """Return the 32 bytes of a key file.

    Raises:
        BadPlace: missing, malformed, or readable by anyone but its owner.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as bad:
        raise BadPlace(f"cannot read the key file {path}") from bad
    if mode & 0o077:
        raise BadPlace(f"{path} can be read by others (mode {mode & 0o777:o}); wanted 600")
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise BadPlace(f"{path} does not hold 32 bytes in hex")
    return bytes.fromhex(text)


def _read_settings(path: Path) -> Settings:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as bad:
        raise BadPlace(f"cannot read {path}; make the vault first") from bad
    members = [found.get(name) for name in ("vault", "url", "auditor")]
    vault, url, auditor = (member if isinstance(member, str) else "" for member in members)
    try:
        settings = Settings(vault, url, unb64u(auditor, 32))
    except BadShape as bad:
        raise BadPlace(f"{path}: auditor is 32 bytes of base64url") from bad
    _check_settings(settings)
    return settings
