"""The proofs a platform keeps: what it was answered, to be checked again without a network.

    proofs = Proofs(folder)
    Platform(identity, wire, policy, now, proofs=proofs)
    proofs.recheck(identity, policy)          yields every total again, from the kept bytes
    proofs.forget(grant_id)                   its person asks for deletion, or its days are over

One file per (grant, window, purpose), mode 0600: a total is personal data, and so is its proof.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from consent.answers import Identity, Total, check_answer
from consent.messages import Ask
from consent.policy import Policy
from vault.directory import Directory, read_directory
from vault.encoding import (
    Json,
    JsonIn,
    compact_json,
    read_envelope,
    strict_object,
    thumbprint,
)
from vault.errors import BadDirectory, BadFile, BadInput
from vault.messages import Listing
from vault.wire import text_of


class Proofs:
    """A folder of kept answers."""

    def __init__(self, folder: Path) -> None:
        """Keep proofs in this folder, made (mode 0700) when it is not there."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)

    def keep(self, ask: Ask, body: Mapping[str, Json], directory: Directory) -> None:
        """Keep a checked answer, and the directory it was checked by; the newest one stays."""
        place = self._place(ask)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        members: dict[str, JsonIn] = {
            "ask": ask.plain(),
            "answer": dict(body),
            "directory": directory.text,
        }
        fresh = place.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(compact_json(members))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(place)

    def recheck(
        self, identity: Identity, policy: Policy, held: Directory | None = None
    ) -> Iterator[Total]:
        """Yield the total of every kept answer, proved anew from its bytes; by file name.

        The directory of the time is checked by its signature, under the pinned key or the one that
        signed `held`; that it has expired since says nothing about what it proved.

        Raises:
            BadFile: a file is not one that was kept here.
            BadTotal, BadProof, BadDirectory, BadJws, BadShape: a kept answer proves nothing.
        """
        for place in sorted(self._folder.glob("*/*.json")):
            members = _read(place)
            ask = Ask.parse(compact_json(members["ask"]))
            answer = members["answer"]
            if not isinstance(answer, dict):
                raise BadFile(f"{place.name} holds no answer")
            directory = _directory(text_of(members, "directory"), policy, held)
            yield check_answer(identity, directory, ask, answer)

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


def _read(place: Path) -> dict[str, Json]:
    try:
        members = strict_object(place.read_bytes())
    except (OSError, BadInput) as bad:
        raise BadFile(f"{place.name} cannot be read as a kept proof") from bad
    if set(members) != {"ask", "answer", "directory"}:
        raise BadFile(f"{place.name} is not a kept proof")
    return members


def _directory(text: str, policy: Policy, held: Directory | None) -> Directory:
    kid = read_envelope(text, Listing.typ).kid
    keys = [policy.auditor, *((held.signer_key,) if held else ())]
    signer = next((key for key in keys if thumbprint(key) == kid), None)
    if signer is None:
        raise BadDirectory("the kept directory is not signed by the pinned auditor")
    directory = read_directory(text, signer)
    if directory.listing.log.vkey != policy.log:
        raise BadDirectory("the kept directory names another log than the pinned one")
    return directory
