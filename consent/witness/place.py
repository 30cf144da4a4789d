"""A witness's folder, and where it keeps what it saw (docs/protocol.md section 6).

    witness.toml          name = "w1.example"
    witness.key           Ed25519 seed, 32 bytes in hex, mode 0600
    witness-mldsa.key     ML-DSA-44 seed, the same form; may be missing
    logs.policy           the logs that it knows (C2SP tlog-policy): log VKEY … quorum none
    seen/<hex>            the newest cosigned note of one log; hex: SHA-256 of its origin
    evidence/<…>.json     two notes of one log that do not go together, or of two under one key
    logs.ended            the logs that turned, a line each: ORIGIN SIZE; may be missing
    logs.lock             held while these two are changed, which may be while a server runs
    lock                  held by the one server that runs on this folder

A note is written to a new file, forced to the disk and renamed before anybody gets a signature. An
older copy of `seen` would let a log go back: a witness that lost it is retired, with its keys.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from consent.evidence import Evidence
from consent.log.cosignature import LatticeKey
from consent.log.note import VerifierKey, read_number, read_vkey
from consent.log.tlog_policy import read_policy
from consent.place import read_key, read_text, replace_file, write_key, write_new, write_settings
from consent.witness.core import Witness, log_id
from consent.witness.shelf import MOST_KEPT as MOST_KEPT
from consent.witness.shelf import make_room, name_of
from vault.crypto.keys import SigningKey
from vault.encoding import compact_json
from vault.errors import BadPlace, BadShape

Key = SigningKey | LatticeKey
Logs = dict[str, tuple[VerifierKey, ...]]
_SETTINGS, _LOGS, _LOGS_LOCK = "witness.toml", "logs.policy", "logs.lock"
_ENDED = "logs.ended"
_KEY, _LATTICE = "witness.key", "witness-mldsa.key"
_SEEN, _EVIDENCE = "seen", "evidence"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WitnessPlace:
    """An opened folder: the witness's name and keys, and the trusted keys of each origin."""

    folder: Path
    name: str
    keys: tuple[Key, ...]
    logs: Logs
    ended: dict[str, int] = field(default_factory=dict)

    def witness(self, now: Callable[[], int]) -> Witness:
        """Return the witness over this folder's store; `now` is the wall clock, unix seconds."""
        store = FileStore(self.folder)
        return Witness(self.name, self.keys, self.logs, store, now, self.ended)

    def evidence(self) -> list[Path]:
        """Return the evidence files."""
        return sorted((self.folder / _EVIDENCE).glob("*.json"))


def make_place(folder: Path, name: str, lattice: bool, random: Callable[[int], bytes]) -> None:
    """Make the folder (mode 0700) with fresh keys, an ML-DSA-44 key too if wanted, and no log.

    Raises:
        BadPlace: it holds a witness already.
        BadShape: the name cannot be a key's, or this machine has no ML-DSA-44.
    """
    seeds = {_KEY: random(32), **({_LATTICE: random(32)} if lattice else {})}
    _check(name, tuple(_key_of(file, seed) for file, seed in seeds.items()), {})
    if (folder / _SETTINGS).exists():
        raise BadPlace(f"{folder} holds a witness already")
    for made in (folder, folder / _SEEN, folder / _EVIDENCE):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file, seed in seeds.items():
        write_key(folder / file, seed)
    write_new(folder / _LOGS, "quorum none\n")
    write_new(folder / _SETTINGS, write_settings({"name": name}))
    _force(folder)


def open_place(folder: Path) -> WitnessPlace:
    """Return the folder's name, keys and logs.

    Raises:
        BadPlace: something is missing, malformed, or readable by others.
    """
    name = _read_name(folder / _SETTINGS)
    files = [_KEY, *([_LATTICE] if (folder / _LATTICE).exists() else [])]
    keys = tuple(_key_of(file, read_key(folder / file)) for file in files)
    logs = _logs_of(_policy_text(folder), folder / _LOGS)
    return WitnessPlace(folder, name, keys, logs, _ended_of(folder / _ENDED))


def add_log(folder: Path, vkey: str) -> VerifierKey:
    """Return the log's key (type 01), from now on one that this witness trusts.

    Raises:
        BadShape: no vkey of a log, or its key stands there already, also under another name.
        BadPlace: the folder is no witness's, or cannot be written.
    """
    key = read_vkey(vkey)
    with _changing(folder):
        place = open_place(folder)
        text = f"log {key}\n{_policy_text(folder)}"
        read_policy(text.encode("utf-8"))
        logs = {**place.logs, key.name: (*place.logs.get(key.name, ()), key)}
        _check(place.name, place.keys, logs)
        _replace(folder / _LOGS, text)
    return key


def end_log(folder: Path, vkey: str, size: int | None = None) -> int:
    """Return how many entries a log ended with: from now on no more of it is cosigned.

    `size` is what the directory lists; None: what this witness cosigned last.

    Raises:
        BadShape: no vkey, or of no log that this witness knows.
        BadPlace: it ended otherwise already, more is cosigned, or the folder cannot be written.
    """
    key = read_vkey(vkey)
    with _changing(folder):
        place = open_place(folder)
        if key not in place.logs.get(key.name, ()):
            raise BadShape(f"this witness knows no log {key.name} of this key")
        seen = place.witness(lambda: 0).seen(key.name).checkpoint.size
        end = seen if size is None else size
        if seen > end or place.ended.get(key.name, end) != end:
            found = place.ended.get(key.name, seen)
            raise BadPlace(f"{key.name} cannot end with {end} entries, found {found}")
        ended = {**place.ended, key.name: end}
        _replace(folder / _ENDED, "".join(f"{name} {last}\n" for name, last in ended.items()))
    return end


def _ended_of(path: Path) -> dict[str, int]:
    lines = [line.rpartition(" ") for line in (read_text(path) or "").splitlines()]
    try:
        return {name: read_number(size) for name, _, size in lines}
    except BadShape as bad:
        raise BadPlace(f"{path}: {bad}") from bad


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Let one at a time change the logs: of two that read the same file, one would be lost."""
    _read_name(folder / _SETTINGS)  # no lock in what is no witness's folder
    try:
        handle = os.open(folder / _LOGS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as bad:
        raise BadPlace(f"cannot make {folder / _LOGS_LOCK}: {bad.strerror}") from bad
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as bad:
            raise BadPlace(f"cannot lock {folder / _LOGS_LOCK}: {bad.strerror}") from bad
        yield
    finally:
        os.close(handle)


def _key_of(file: str, seed: bytes) -> Key:
    return LatticeKey(seed) if file == _LATTICE else SigningKey(seed)


def _check(name: str, keys: tuple[Key, ...], logs: Logs) -> None:
    Witness(name, keys, logs, MemoryStore(), lambda: 0)


def _read_name(path: Path) -> str:
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError) as bad:
        raise BadPlace(f"cannot read {path}; make the witness first") from bad
    if not isinstance(name, str):
        raise BadPlace(f"{path} has no name")
    return name


def _policy_text(folder: Path) -> str:
    found = read_text(folder / _LOGS)
    if found is None:
        raise BadPlace(f"{folder / _LOGS} is missing")
    return found


def _logs_of(text: str, path: Path) -> Logs:
    try:
        keys = [log.key for log in read_policy(text.encode("utf-8")).logs]
    except BadShape as bad:
        raise BadPlace(f"{path}: {bad}") from bad
    return {key.name: tuple(one for one in keys if one.name == key.name) for key in keys}


class MemoryStore:
    """The notes and the evidence in memory: for trials, since a witness must not forget."""

    def __init__(self) -> None:
        """Start empty."""
        self._locks = Locks()
        self._notes: dict[str, str] = {}
        self.kept: dict[str, Evidence] = {}

    def newest(self, origin: str) -> str | None:
        """Return the stored note."""
        return self._notes.get(origin)

    def update(self, origin: str, step: Callable[[str | None], str]) -> str:
        """Return what `step` made of the stored note, stored."""
        with self._locks.hold(origin):
            self._notes[origin] = step(self._notes.get(origin))
            return self._notes[origin]

    def keep(self, evidence: Evidence) -> None:
        """Keep evidence once."""
        self.kept.setdefault(name_of(evidence), evidence)


class FileStore:
    """The notes and the evidence as files of a witness's folder; the caller holds the folder."""

    def __init__(self, folder: Path) -> None:
        """Stand on a folder that was made.

        Raises:
            BadPlace: a folder for notes or evidence is missing; nothing may look like never seen.
        """
        self._seen, self._evidence = folder / _SEEN, folder / _EVIDENCE
        for needed in (self._seen, self._evidence):
            if not needed.is_dir():
                raise BadPlace(f"the folder {needed} is missing")
        self._locks, self._keeping = Locks(), Lock()

    def newest(self, origin: str) -> str | None:
        """Return the stored note; raises BadPlace."""
        return read_text(self._seen / log_id(origin))

    def update(self, origin: str, step: Callable[[str | None], str]) -> str:
        """Return what `step` made of the stored note, once it is on the disk; raises BadPlace."""
        with self._locks.hold(origin):
            stored = self.newest(origin)
            fresh = step(stored)
            if fresh != stored:
                _replace(self._seen / log_id(origin), fresh)
            return fresh

    def keep(self, evidence: Evidence) -> None:
        """Keep evidence once, as much of it as consent/witness/shelf.py says."""
        path = self._evidence / name_of(evidence)
        try:
            with self._keeping:
                if not path.exists() and make_room(path):
                    _replace(path, compact_json(evidence.plain()).decode("utf-8") + "\n")
        except BadPlace as lost:
            # The log must hear that it forked, whatever this disk does.
            _logger.warning("evidence was not kept: %s", lost)


class Locks:
    """One lock for each log: a busy log does not keep another one waiting."""

    def __init__(self) -> None:
        """Start without any."""
        self._guard, self._locks = Lock(), dict[str, Lock]()

    def hold(self, origin: str) -> AbstractContextManager[object]:
        """Return the log's lock, to be held for a block."""
        with self._guard:
            return self._locks.setdefault(origin, Lock())


def _replace(path: Path, text: str) -> None:
    replace_file(path, text.encode("utf-8"))
    _force(path.parent)


def _force(folder: Path) -> None:
    """Force a folder's names to the disk: without it a rename may be lost with the power."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as bad:
        raise BadPlace(f"cannot force {folder} to the disk: {bad.strerror}") from bad
