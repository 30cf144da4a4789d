"""The proofs a platform keeps: what it was answered, to be checked again without a network.

    proofs = Proofs(folder)
    Platform(identity, wire, policy, now, proofs=proofs)
    proofs.recheck(identity, policy)          yields every total again, from the kept bytes
    proofs.audit(report, identity, policy)    the same, each held against an auditor's report
    proofs.forget(grant_id)                   its person asks for deletion, or its days are over

One file per (grant, window, purpose), mode 0600: a total is personal data, and so is its proof.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from consent.answers import Identity, Total, check_answer
from consent.logged import vkeys_of
from consent.messages import Ask, Grant
from consent.policy import Policy, later_keys, read_pinned
from consent.reports import (
    Audit,
    Covered,
    ReadDirectory,
    as_audited,
    read_covered,
    recheck_covered,
    write_covered,
)
from vault.directory import Directory
from vault.encoding import Json, JsonIn, compact_json, read_envelope, strict_object
from vault.errors import BadFile, BadInput, BadProof, VaultError
from vault.wire import text_of

MEMBERS = {"ask", "answer", "directory"}
AUDITED = "audited"


class Rechecked(NamedTuple):
    """What a kept file proves now, by its name: a total, or the error that says why none."""

    name: str
    total: Total | None
    error: VaultError | None


class Proofs:
    """A folder of kept answers."""

    def __init__(self, folder: Path) -> None:
        """Keep proofs in this folder, made (mode 0700) when it is not there."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)

    def keep(self, ask: Ask, body: Mapping[str, Json], directory: Directory) -> None:
        """Keep a checked answer, and the directory it was checked by; the newest one stays.

        What an auditor's report said of this very release stays with it.
        """
        place = self._place(ask)
        members: dict[str, JsonIn] = {
            "ask": ask.plain(),
            "answer": dict(body),
            "directory": directory.text,
        }
        before = _marked(place, body.get("release"))
        _write(place, members if before is None else {**members, AUDITED: before})

    def mark(self, total: Total, covered: Covered) -> None:
        """Keep what shows that a report covers a total, beside what proves the total.

        Raises:
            BadFile: nothing is kept of this total, or something of another release.
        """
        grant = Grant.opened(read_envelope(total.grant, Grant.typ)).grant
        place = self._place(Ask(grant=grant, window=total.window, purpose=total.purpose))
        members = _read(place)
        if _release_of(members) != total.release:
            raise BadFile(f"{place.name} holds what proves another release")
        _write(place, {**members, AUDITED: write_covered(covered)})

    def recheck(
        self, identity: Identity, policy: Policy, held: Directory | None = None
    ) -> Iterator[Rechecked]:
        """Yield what every kept file proves, anew from its bytes; by file name.

        The directory of the time is checked by its signature, under the pinned key or the one that
        signed `held` (or that it names as the next), and is of the pinned log or of one that `held`
        lists with it; that it has expired since says nothing about what it proved. The quorum of
        witnesses is asked for, not how long ago they cosigned. A damaged file stops no other.
        """
        read = _reader(policy, held)
        for place in sorted(self._folder.glob("*/*.json")):
            name = f"{place.parent.name}/{place.name}"
            try:
                yield Rechecked(name, _total(place, identity, policy, read), None)
            except VaultError as error:
                yield Rechecked(name, None, error)

    def audit(
        self, audit: Audit, identity: Identity, policy: Policy, held: Directory | None = None
    ) -> Iterator[Rechecked]:
        """Yield what recheck yields, with every total that a report covers marked and kept so.

        A total that it does not cover comes with the error that says why.
        """
        for kept in self.recheck(identity, policy, held):
            if kept.total is None:
                yield kept
                continue
            try:
                self.mark(kept.total, audit.cover(kept.total))
                yield kept._replace(total=as_audited(kept.total))
            except BadProof as error:
                yield kept._replace(error=error)

    def forget(self, grant_id: bytes) -> int:
        """Delete every kept proof of a grant (id 16 bytes); return how many there were."""
        folder = self._folder / grant_id.hex()
        found = sorted(folder.glob("*")) if folder.is_dir() else []
        for place in found:
            place.unlink()
        if folder.is_dir():
            folder.rmdir()
        return len(found)

    def _place(self, ask: Ask) -> Path:
        name = sha256(compact_json(ask.plain())).hexdigest()
        return self._folder / ask.grant.hex() / f"{name}.json"


def _reader(policy: Policy, held: Directory | None) -> ReadDirectory:
    """Return what reads the directories that are kept: of auditors and logs that were accepted."""
    known = vkeys_of(held)
    logs = known if policy.log in known else ()
    return lambda text: read_pinned(text, policy, *later_keys(held), logs=logs)


def _total(place: Path, identity: Identity, policy: Policy, read: ReadDirectory) -> Total:
    members = _read(place)
    ask = Ask.parse(compact_json(members["ask"]))
    answer = members["answer"]
    if not isinstance(answer, dict):
        raise BadFile(f"{place.name} holds no answer")
    directory = read(text_of(members, "directory"))
    total = check_answer(identity, directory, ask, answer, policy.trust)
    if AUDITED not in members:
        return total
    return recheck_covered(total, read_covered(members[AUDITED]), read)


def _read(place: Path) -> dict[str, Json]:
    try:
        members = strict_object(place.read_bytes())
    except (OSError, BadInput) as bad:
        raise BadFile(f"{place.name} cannot be read as a kept proof") from bad
    if set(members) - {AUDITED} != MEMBERS:
        raise BadFile(f"{place.name} is not a kept proof")
    return members


def _marked(place: Path, release: Json) -> Json:
    """Return what was kept of a report on this release; None for another one, or without a file."""
    try:
        members = _read(place)
    except BadFile:
        return None
    return members.get(AUDITED) if _release_of(members) == release else None


def _release_of(members: Mapping[str, Json]) -> Json:
    answer = members["answer"]
    return answer.get("release") if isinstance(answer, dict) else None


def _write(place: Path, members: Mapping[str, JsonIn]) -> None:
    place.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = place.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(compact_json(members))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)
