"""What sources and platforms have in common: a folder, and keys that the auditor lists."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from consent.folder import Folder, Pair, Pins, make_folder, open_folder
from consent.policy import Policy
from consent.terminal import JsonOut, announce_auditor, spoken, tell
from vault.directory import Directory
from vault.encoding import Json, b64u, unb64u
from vault.errors import BadPlace

Where = Annotated[Path, typer.Argument(metavar="DIR", help="The party's folder.")]
Url = Annotated[str, typer.Option(help="The vault's public URL.")]
AuditorKey = Annotated[str, typer.Option(help="The auditor's public key, which is pinned.")]
LogKey = Annotated[str, typer.Option("--log", help="The log's vkey, which is pinned.")]
Demo = Annotated[
    bool, typer.Option("--demo", help="Take a demonstration vault, and its clock moved by hand.")
]


def pins_of(name: str, url: str, auditor: str, log: str, demo: bool) -> Pins:
    """Return settings given as options; raises BadShape."""
    return Pins(name, url, Policy(unb64u(auditor, 32), log, demo))


def accepted(path: Path, kind: str) -> tuple[Folder, Directory]:
    """Return a party's folder and the directory in force, accepted and held."""
    folder = open_folder(path, kind)
    return folder, announce_auditor(folder.accept())


def public_keys(pair: Pair) -> dict[str, Json]:
    """Return what the auditor lists of a key pair."""
    return {"sig": b64u(pair.signing.public), "hpke": b64u(pair.opening.public)}


def listing_words(folder: Folder, pair: Pair, verb: str) -> str:
    """Return a folder's public keys as the auditor's command takes them."""
    found = public_keys(pair)
    return (
        f"Give these public keys to the auditor, over a way that you both trust:\n"
        f"  carbonvault directory {verb} … {folder.pins.id}"
        f" --sig={found['sig']} --hpke={found['hpke']}"
    )


def add_party_commands(app: typer.Typer, kind: str) -> None:
    """Put `init` and `keys` of a source or platform on its group."""

    def init(
        folder: Where,
        name: Annotated[str, typer.Option("--id", help="The directory id.")],
        url: Url,
        auditor: AuditorKey,
        log: LogKey,
        demo: Demo = False,
        json_out: JsonOut = False,
    ) -> None:
        made = make_folder(folder, kind, pins_of(name, url, auditor, log, demo))
        pair = made.add_pair(os.urandom)
        tell(json_out, public_keys(pair), listing_words(made, pair, "add --id"))

    def keys(
        folder: Where,
        new: Annotated[bool, typer.Option("--new", help="Make the next pair first.")] = False,
        json_out: JsonOut = False,
    ) -> None:
        opened = open_folder(folder, kind)
        pairs = (opened.add_pair(os.urandom),) if new else opened.pairs()
        if not pairs:
            raise BadPlace(f"{folder} holds no key pair; --new makes one")
        tell(json_out, public_keys(pairs[0]), listing_words(opened, pairs[0], "rotate"))

    options = "--url https://vault.example --auditor KEY --log VKEY"
    init.__doc__ = (
        f"Make a {kind}'s folder and keys; print the public keys for the auditor to list.\n\n"
        f"Example: carbonvault {kind} init ./{kind} --id {kind}.example {options}"
    )
    keys.__doc__ = (
        "Print the newest public keys; with --new, make the next pair.\n\n"
        "The old pair goes on until the auditor lists the new one, and opens what was sealed to"
        f" it.\n\nExample: carbonvault {kind} keys ./{kind} --new"
    )
    app.command()(spoken(init))
    app.command()(spoken(keys))
