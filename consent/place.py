"""A server's folder: its settings and its keys (docs/architecture.md, "Where each key lives").

    vault.toml          vault = "vault.example", url = "https://…", auditor = "…base64url…"
                        lists = "https://audit.example", the auditor's list, where it serves one
    database.key        raw SQLCipher key, 32 bytes in hex, mode 0600
    vault.key log.key   Ed25519 seeds, the same form
    log-2027.key        the same: the log that follows when the first one ends, and so on by name
    witnesses.policy    who witnesses the log (C2SP tlog-policy with URLs); may be missing
    vault.db            the database
    lock                held by the one server that runs on this folder

`url` is the public one: people and parties pin it, and every request's proof names it. Where the
server listens is another thing (`serve --host --port`), behind a proxy that speaks TLS. A key file
that others may read is refused: nothing starts on it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from consent.log.tlog_policy import LogPolicy, read_policy
from vault.crypto.keys import Secret, SigningKey
from vault.encoding import b64u, unb64u
from vault.errors import BadPlace, BadShape

_SETTINGS = "vault.toml"
WITNESSES = "witnesses.policy"
_NAME = re.compile(r"[a-z0-9.-]{3,64}")
_LOG_NAME = re.compile(r"[0-9a-z]{1,16}")
_URL = re.compile(r"https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9./-]*)?")


@dataclass(frozen=True)
class Settings:
    """A vault's directory id, its public URL, and the auditor's key (32 bytes) that it pins.

    `lists` is the URL of the auditor's list, which the web app compares with, where there is one.
    """

    vault: str
    url: str
    auditor: bytes
    lists: str | None = None

    @property
    def has_path(self) -> bool:
        """Whether the public URL is more than scheme and host."""
        return "/" in self.url.partition("://")[2]

    @property
    def origin(self) -> str:
        """The first log's name: its URL without the scheme."""
        return self.url.partition("://")[2] + "/log"

    def origin_of(self, name: str) -> str:
        """Return the name in checkpoints of a log that follows the first one."""
        return f"{self.origin}/{name}"


@dataclass(frozen=True)
class Place:
    """An opened folder."""

    settings: Settings
    database: Path
    database_key: Secret
    vault_key: SigningKey
    log_key: SigningKey
    witnesses: LogPolicy = field(default_factory=LogPolicy)
    later: tuple[tuple[str, SigningKey], ...] = ()
    """Names and keys of the logs that follow the first one, in their order."""

    @property
    def later_logs(self) -> tuple[tuple[str, SigningKey], ...]:
        """Their origins and keys."""
        return tuple((self.settings.origin_of(name), key) for name, key in self.later)


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
    members: dict[str, str | bool] = {
        "vault": settings.vault,
        "url": settings.url,
        "auditor": b64u(settings.auditor),
    }
    if settings.lists is not None:
        members["lists"] = settings.lists
    write_new(folder / _SETTINGS, write_settings(members))


def _check_settings(settings: Settings) -> None:
    if not _NAME.fullmatch(settings.vault):
        raise BadPlace(f"a vault's id is [a-z0-9.-]{{3,64}}, found {settings.vault[:70]!r}")
    check_url(settings.url)
    if settings.lists is not None:
        check_url(settings.lists)


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
        witnesses=_read_witnesses(folder / WITNESSES),
        later=tuple((name, SigningKey(read_key(path))) for name, path in _later(folder)),
    )


def add_log(folder: Path, name: str, random: Callable[[int], bytes]) -> None:
    """Make the key of the log that follows the last one; its name comes after theirs.

    Raises:
        BadPlace: no name of its form, or it would not be the last; no vault there.
    """
    _check_log_name(name)
    last = max((log for log, _ in open_place(folder).later), default="")
    if name <= last:
        raise BadPlace(f"the log {name} would not come after {last}")
    write_key(folder / f"log-{name}.key", random(32))


def _later(folder: Path) -> list[tuple[str, Path]]:
    found = sorted((path.stem.removeprefix("log-"), path) for path in folder.glob("log-*.key"))
    for name, _ in found:
        _check_log_name(name)
    return found


def _check_log_name(name: str) -> None:
    # Under /log/ stand "tile" and "checkpoint" of the first log.
    if not _LOG_NAME.fullmatch(name) or name in ("tile", "checkpoint"):
        raise BadPlace(f"a later log is named [0-9a-z]{{1,16}}, such as 2027, found {name[:40]!r}")


def write_witnesses(folder: Path, text: str) -> None:
    """Put a policy in the place of the folder's `witnesses.policy`.

    Raises:
        BadPlace: no policy in its form, a witness without an http or https URL, or no such folder.
    """
    _check_witnesses(text, folder / WITNESSES)
    replace_file(folder / WITNESSES, text.encode("utf-8"))


def _read_witnesses(path: Path) -> LogPolicy:
    text = read_text(path)
    return LogPolicy() if text is None else _check_witnesses(text, path)


def _check_witnesses(text: str, path: Path) -> LogPolicy:
    try:
        policy = read_policy(text.encode("utf-8"))
    except BadShape as bad:
        raise BadPlace(f"{path}: {bad}") from bad
    for name, witness in policy.witnesses.items():
        if not _URL.fullmatch(witness.url):
            raise BadPlace(f"{path}: the witness {name} has no URL to ask it at")
    return policy


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep every other server off this folder as long as the block runs.

    Raises:
        BadPlace: another server holds it.
    """
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as bad:
        raise BadPlace(f"cannot make the lock of {folder}; make the vault first") from bad
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            raise BadPlace(f"another server holds {folder}") from taken
        yield
    finally:
        os.close(handle)


def check_url(url: str) -> None:
    """Return when this is a vault's public URL; raises BadPlace."""
    if not _URL.fullmatch(url) or url.endswith("/"):
        raise BadPlace(f"wanted a URL without a slash at its end, found {url[:80]!r}")


def write_settings(members: Mapping[str, str | bool]) -> str:
    """Return members as lines of TOML; their texts hold no control characters."""
    lines = (f"{k} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in members.items())
    return "".join(lines)


def write_new(path: Path, text: str) -> None:
    """Write a new file of mode 0600; raises BadPlace when it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as bad:
        raise BadPlace(f"cannot make the file {path}: {bad.strerror}") from bad
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, raw: bytes) -> None:
    """Put `raw` (mode 0600) in the place of a file at once: readers see the old or the new.

    Raises:
        BadPlace: it cannot be written there.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as bad:
        raise BadPlace(f"cannot write the file {path}: {bad.strerror}") from bad


def read_text(path: Path) -> str | None:
    """Return a file's text, None when there is no such file; raises BadPlace."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as bad:
        raise BadPlace(f"cannot read the file {path}") from bad


def write_key(path: Path, raw: bytes) -> None:
    """Write a new key file (its bytes in hex, mode 0600); raises BadPlace when it exists."""
    write_new(path, raw.hex() + "\n")


def read_key(path: Path, size: int = 32) -> bytes:
    """Return the bytes of a key file, 32 unless told.

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
    if not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text):
        raise BadPlace(f"{path} does not hold {size} bytes in hex")
    return bytes.fromhex(text)


def _read_settings(path: Path) -> Settings:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as bad:
        raise BadPlace(f"cannot read {path}; make the vault first") from bad
    members = [found.get(name) for name in ("vault", "url", "auditor")]
    vault, url, auditor = (member if isinstance(member, str) else "" for member in members)
    lists = found.get("lists")
    if not isinstance(lists, str | None):
        raise BadPlace(f"{path}: lists is the URL of the auditor's list")
    try:
        settings = Settings(vault, url, unb64u(auditor, 32), lists)
    except BadShape as bad:
        raise BadPlace(f"{path}: auditor is 32 bytes of base64url") from bad
    _check_settings(settings)
    return settings
