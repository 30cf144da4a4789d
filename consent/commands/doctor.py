"""What ``carbonvault doctor`` looks at, a line each, from the clock to the log's witnesses.

    ok    permissions   5 key files, read by their owner only
    ok    disk          12.3 GB free
    WRONG directory     version 3 expired 2 days ago

A check that could not be made (the vault does not answer) says so and is not held against the
folder; `carbonvault doctor` ends with 1 when a line says WRONG.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from consent.app import listed_policy, log_of, open_database, wall_clock
from consent.folder import Folder, open_folder, read_held
from consent.log import submission
from consent.log.circle import time_of
from consent.log.rounds import Rounds, Standing
from consent.place import WITNESSES, Place, open_place, read_key
from vault import register
from vault.crypto.keys import Secret
from vault.directory import Directory
from vault.encoding import Json
from vault.errors import BadPlace, LogUnavailable, Unreachable, VaultError
from vault.outbox import Outbox
from vault.storage.database import Database
from vault.wire import Wire

LARGEST_DRIFT = 30
LEAST_FREE = 1 << 30
SOON_DAYS = 7
DAY = 86400


@dataclass(frozen=True)
class Check:
    """One thing looked at; `good` is None where it could not be looked at."""

    name: str
    good: bool | None
    found: str

    def passed(self) -> bool:
        """Whether nothing is wrong here."""
        return self.good is not False

    def line(self) -> str:
        """Return the line that is printed."""
        mark = {True: "ok", False: "WRONG", None: "--"}[self.good]
        return f"{mark:<6}{self.name:<14}{self.found}"

    def plain(self) -> dict[str, Json]:
        """Return the check as JSON members."""
        return {"check": self.name, "good": self.good, "found": self.found}


def examine(folder: Path) -> list[Check]:
    """Return the checks of a vault's folder, or of a holder's, source's or platform's."""
    if (folder / "vault.toml").exists():
        return _of_vault(folder)
    kinds = [
        kind for kind in ("holder", "source", "platform") if (folder / f"{kind}.toml").exists()
    ]
    if not kinds:
        raise BadPlace(f"{folder} is no folder of a vault, holder, source or platform")
    return _of_party(folder, kinds[0])


def _of_vault(folder: Path) -> list[Check]:
    checks = [_permissions(folder), _disk(folder)]
    try:
        place = open_place(folder)
    except BadPlace as bad:
        return [*checks, Check("settings", False, str(bad))]
    checks.append(_clock(Wire(place.settings.url)))
    try:
        database = open_database(place)
    except VaultError as bad:
        return [*checks, Check("database", False, str(bad))]
    try:
        checks += [Check("database", True, "opens with its key"), _log(database, place)]
        if checks[-1].passed():
            checks.append(_judge("witnesses", lambda: _witnesses(database, place)))
        return [*checks, _directory_of(database, Wire(place.settings.url))]
    finally:
        database.close()


def _of_party(folder: Path, kind: str) -> list[Check]:
    checks = [_permissions(folder), _disk(folder)]
    try:
        opened = open_folder(folder, kind)
        held = read_held(folder / "directory.jws")
    except BadPlace as bad:
        return [*checks, Check("settings", False, str(bad))]
    checks.append(_clock(opened.wire()))
    if kind == "source":
        checks.append(_attempt("books", lambda: _books(opened)))
    if held is None:
        return [*checks, Check("directory", None, "none was accepted yet")]
    return [*checks, _age(held, opened.wire())]


def _attempt(name: str, look: Callable[[], str]) -> Check:
    return _judge(name, lambda: Check(name, True, look()))


def _judge(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except VaultError as bad:
        return Check(name, False, str(bad))


def _permissions(folder: Path) -> Check:
    private = [*folder.glob("*.key"), *folder.glob("*.db"), *folder.glob("*.db-wal")]
    try:
        open_to_others = [path.name for path in private if path.stat().st_mode & 0o077]
        if folder.stat().st_mode & 0o022:
            open_to_others.append(f"{folder}, where they may even write")
    except OSError as bad:
        return Check("permissions", False, f"cannot look: {bad.strerror}")
    if open_to_others:
        return Check("permissions", False, f"others may read: {', '.join(sorted(open_to_others))}")
    return Check("permissions", True, f"{len(private)} private files, read by their owner only")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    return Check("disk", free >= LEAST_FREE, f"{free / 1e9:.1f} GB free")


def _clock(wire: Wire) -> Check:
    try:
        theirs = wire.date()
    except Unreachable:
        return Check("clock", None, "not compared: the vault does not answer")
    if theirs is None:
        return Check("clock", None, "not compared: the vault sends no Date")
    drift = int(time.time()) - theirs
    return Check("clock", abs(drift) <= LARGEST_DRIFT, f"{drift:+d} s from the vault's Date")


def _log(database: Database, place: Place) -> Check:
    def look() -> str:
        log = log_of(database, place)
        before = log.running.number
        earlier = f"; logs that ended before it: {before}" if before else ""
        return f"the right edge of {log.size()} entries leads to the signed root{earlier}"

    return _attempt("log", look)


def _witnesses(database: Database, place: Place) -> Check:
    if not place.witnesses.witnesses:
        return Check("witnesses", None, "none: every proof is the log's word alone")
    log = log_of(database, place)
    listed = listed_policy(database, log.vkey)
    strangers = [key.name for key in listed.keys if key not in place.witnesses.keys]
    if strangers:
        found = f"the directory names {', '.join(strangers)}, whom {WITNESSES} does not ask"
        return Check("witnesses", False, found)
    names = partial(listed_policy, database)
    rounds = Rounds(log, place.witnesses, names, submission.Carrier(), wall_clock)
    try:
        rounds.look()
        return _standing(rounds.standing())
    finally:
        rounds.close()


def _standing(found: Standing) -> Check:
    heard = ", ".join(f"{seen.name} {seen.state}" for seen in found.witnesses)
    if found.cosigned is None:
        return Check("witnesses", not found.held, f"{heard}; nothing was cosigned yet")
    age = wall_clock() - time_of(found.cosigned)
    size = found.cosigned.checkpoint.size
    return Check("witnesses", not found.held, f"{heard}; {size} entries were cosigned {age} s ago")


def _directory_of(database: Database, wire: Wire) -> Check:
    try:
        return _age(database.read(register.in_force), wire)
    except LogUnavailable as bad:
        return Check("directory", False, str(bad))


def _age(directory: Directory, wire: Wire) -> Check:
    listing, now = directory.listing, int(time.time())
    if listing.demo:
        try:
            found = wire.get("/v1/time").body.get("now")
        except VaultError:
            found = None
        if not isinstance(found, int):
            return Check("directory", None, "of a demonstration whose clock does not answer")
        now = found
    days, old = (listing.expires - now) // DAY, (now - listing.iat) // DAY
    when = f"version {listing.version}, {old} days old, "
    if now >= listing.expires:
        return Check("directory", False, f"{when}expired {-days} days ago")
    soon = "; the auditor should publish the next one" if days < SOON_DAYS else ""
    return Check("directory", True, f"{when}expires in {days} days{soon}")


def _books(folder: Folder) -> str:
    books = Outbox(folder.path / "books.db", Secret(read_key(folder.path / "books.key")))
    waiting = len(books.unsent_batches()) + len(books.unsent_closes())
    books.close()
    return f"open with their key; {waiting} messages wait to be sent"
