"""``carbonvault audit bundle``: what a regulator is handed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from consent.bundle import (
    COPY,
    REPORT,
    Content,
    Leaves,
    Pins,
    check_same,
    entry_files,
    files_of,
    pack,
)
from consent.commands.party import LogKey
from consent.entry_index import EntryIndex
from consent.log.note import read_vkey
from consent.mirror import Mirror
from consent.policy import Policy
from consent.readings import Served, says_directory
from consent.terminal import JsonOut, spoken, tell
from consent.volume import Volume, bundles_of
from vault.encoding import unb64u
from vault.errors import BadProof, NotFound


def add_commands(audit: typer.Typer) -> None:
    """Put `bundle` on the auditor's group."""
    audit.command()(spoken(bundle))


def bundle(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The auditor's copy of a log.")],
    out: Annotated[Path, typer.Argument(help="The file to write, .zip, mode 0600.")],
    log: LogKey,
    auditor: Annotated[str, typer.Option(help="The auditor's public key, as it is published.")],
    report: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A folder of `run --report`.")
    ] = None,
    kid: Annotated[
        str, typer.Option(help="Only what concerns this key: when the question is of one person.")
    ] = "",
    json_out: JsonOut = False,
) -> None:
    """Put copy, report, keys and a way to check them into one file, for a regulator.

    Example: carbonvault audit bundle ./copy bundle.zip --log VKEY --auditor KEY --report ./report
    """
    public = unb64u(auditor, 32)
    mirror = Mirror(folder, Policy(public, log))
    files: dict[str, Content] = {}
    files |= _of_key(mirror, log, kid) if kid else files_of(folder, COPY, "copy")
    if report is not None:
        files |= files_of(report, REPORT, "report")
    size = pack(out, files, Pins(log, auditor, int(time.time())), kid or None)
    told = f"{len(files)} files in {out}. They are personal data: hand them over safely."
    tell(json_out, {"files": len(files), "bytes": size}, told)


def _of_key(mirror: Mirror, log: str, kid: str) -> dict[str, bytes]:
    """Return what concerns a key, and every directory, each with its proof.

    Raises:
        NotFound: nothing concerns it. BadProof, BadPlace: the copy does not hold together.
    """
    index = EntryIndex(mirror.folder, read_vkey(log))
    try:
        _, listed = index.of(kid)
    finally:
        index.close()
    if not listed:
        raise NotFound("no entry of this copy concerns that key")
    wanted, files, own = dict(listed), dict[str, bytes](), list[Served]()
    for volume in mirror.volumes:
        held, directories, leaves = _read(volume, wanted)
        if volume.head and (leaves.size, leaves.root()) != (volume.size, volume.head.root):
            raise BadProof("the copy's leaves are not the tree of its checkpoint")
        signed, own = volume.signed or "", [*own, *held]
        files |= entry_files("entries", leaves, signed, held)
        files |= entry_files("directories", leaves, signed, directories)
    check_same(wanted, own)
    return files


def _read(volume: Volume, wanted: dict[int, bytes]) -> tuple[list[Served], list[Served], Leaves]:
    own: list[Served] = []
    directories: list[Served] = []
    entries: list[bytes] = []
    for tile in bundles_of(volume.size):
        page = volume.page(tile).read()
        entries += page.leaves
        for served in page.texts.values():
            if served.index in wanted:
                own.append(served)
            elif says_directory(served.text):
                directories.append(served)
    return own, directories, Leaves(entries, volume.place.base)
