"""Commands of the operator: ``carbonvault init | serve | doctor | log …``."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn

from consent.app import (
    hand_clock,
    log_of,
    make_app,
    open_database,
    site_of,
    vkey_of,
    wall_clock,
)
from consent.commands.doctor import Check, examine
from consent.commands.export import export
from consent.commands.listen import listen, listen_localhost
from consent.known import FILE, Known
from consent.log.note import ED25519, VerifierKey
from consent.log.tlog_policy import NONE
from consent.place import (
    WITNESSES,
    Place,
    Settings,
    add_log,
    hold,
    make_place,
    open_place,
    read_text,
    write_witnesses,
)
from consent.terminal import REFUSED, JsonOut, bars, new_app, spoken, tell, write_json
from vault.encoding import Json, b64u, unb64u
from vault.errors import BadShape

log_app = new_app("The transparency log of a vault's folder.")
Folder = Annotated[Path, typer.Argument(help="The vault's folder.")]


def add_commands(app: typer.Typer) -> None:
    """Put the operator's commands on the root."""
    for command in (init, serve, doctor):
        app.command()(spoken(command))
    app.add_typer(log_app, name="log")


def init(
    folder: Folder,
    vault: Annotated[str, typer.Option(help="The vault's directory id.")],
    url: Annotated[
        str,
        typer.Option(
            help="The public URL, without a slash at its end. The web app is served there when it"
            " has no path; browsers run it only over https or at http://localhost, and passkeys"
            " want https."
        ),
    ],
    auditor: Annotated[str, typer.Option(help="The auditor's public key, which is pinned.")],
    lists: Annotated[
        str, typer.Option(help="URL of the auditor's list, which the web app compares with.")
    ] = "",
    json_out: JsonOut = False,
) -> None:
    """Make a vault's folder; print the key and the log's vkey that its auditor lists.

    Example: carbonvault init ./vault --vault vault.example --url https://vault.example
    --auditor BASE64URL
    """
    make_place(folder, Settings(vault, url, unb64u(auditor, 32), lists or None), os.urandom)
    place = open_place(folder)
    sig, vkey = b64u(place.vault_key.public), vkey_of(place)
    members: dict[str, Json] = {"vault": vault, "url": url, "sig": sig, "log_vkey": vkey}
    tell(
        json_out,
        members,
        f"The vault {vault} is made. Its auditor lists, before anything else works:\n"
        f"  key       --sig={sig}\n"
        f"  log       --vkey '{vkey}'",
    )


def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: the one of the URL.")] = 0,
    clock: Annotated[
        Path | None, typer.Option(help="DEMONSTRATION ONLY: a file that holds the time.")
    ] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint kept elsewhere: an older log does not start."),
    ] = None,
) -> None:
    """Run a vault over one encrypted SQLCipher file; one server to a folder.

    The url in vault.toml is the public one: every proof names it, so a proxy before this server
    passes the path on unchanged. --host and --port say where this server listens. Every witness of
    witnesses.policy is asked first: when one knows more of the log than the folder, nothing starts.
    `open` in the line that it prints is where a person finds the web app.

    Example: carbonvault serve ./vault --port 8000
    """
    place = open_place(folder)
    with hold(folder):
        if clock:
            typer.echo("DEMONSTRATION: this vault's clock is moved by hand.", err=True)
        now = hand_clock(clock) if clock else wall_clock
        outside = Known(place.database.with_name(FILE), known or ())
        site = site_of(place, demo=clock is not None)
        sockets = _sockets(place, host, port or urlsplit(place.settings.url).port or 8000)
        application = make_app(place, open_database(place), now, known=outside, site=site)
        said: dict[str, Json] = {"url": place.settings.url}
        said |= {"open": f"{place.settings.url}/"} if site else {}
        write_json({**said, "host": host, "port": sockets[0].getsockname()[1]})
        config = uvicorn.Config(application, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=sockets)


def _sockets(place: Place, host: str, port: int) -> list[socket.socket]:
    """Return where to listen: on both families where the public URL is of localhost."""
    if host == "127.0.0.1" and urlsplit(place.settings.url).hostname == "localhost":
        return listen_localhost(port)
    return [listen(host, port)]


@log_app.command("export")
@spoken
def log_export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Where the files go; may hold an earlier export.")],
    json_out: JsonOut = False,
) -> None:
    """Write the log as the files that /log/ serves, the checkpoint last.

    A log that came after the first one is written under its name.

    Example: carbonvault log export ./vault ./public/log
    """
    place = open_place(folder)
    database = open_database(place)
    try:
        log = log_of(database, place)
        with bars() as story:
            written = [
                export(tree, where, story.counted("tiles written"))
                for tree, where in zip(log.trees, _folders(place, out), strict=True)
                if tree.has_begun()
            ]
    finally:
        database.close()
    size, tiles = sum(each.size for each in written), sum(each.tiles for each in written)
    members: dict[str, Json] = {"size": size, "tiles": tiles}
    tell(json_out, members, f"{size} entries in {tiles} tiles, checkpoint last: {out}")


def _folders(place: Place, out: Path) -> list[Path]:
    return [out, *(out / name for name, _ in place.later)]


@log_app.command("next")
@spoken
def log_next(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="The log's name: [0-9a-z]{1,16}, such as 2027.")],
    json_out: JsonOut = False,
) -> None:
    """Make the key of the log that follows when the auditor ends this one, for a year or for a key.

    The key signs nothing before that. Start the server again and tell the new vkey to every witness
    first: a witness that does not know the log cosigns nothing of it.

    Example: carbonvault log next ./vault 2027
    """
    add_log(folder, name, os.urandom)
    place = open_place(folder)
    origin, key = place.later_logs[-1]
    vkey = str(VerifierKey(origin, ED25519, key.public))
    tell(
        json_out,
        {"name": name, "origin": origin, "vkey": vkey},
        f"The key of the log {origin} is made. What comes next:\n"
        f"  operator   carbonvault serve {folder}   (it reads keys at its start)\n"
        f"  witnesses  carbonvault audit witness add-log DIR '{vkey}'\n"
        f"  auditor    carbonvault directory turn DIR --vkey '{vkey}'",
    )


@log_app.command("witnesses")
@spoken
def log_witnesses(
    folder: Folder,
    witness: Annotated[
        list[str] | None, typer.Option(help="'VKEY URL' of a witness; once for each of its keys.")
    ] = None,
    quorum: Annotated[
        int, typer.Option(min=0, help="How many of them must cosign before a release leaves.")
    ] = 0,
    json_out: JsonOut = False,
) -> None:
    """Write who witnesses the log; without --witness show it. A running server reads it at a start.

    Example: carbonvault log witnesses ./vault --witness 'w1.example+89d3dde6+BIqI… https://w1.example'
    --quorum 1
    """
    if witness:
        write_witnesses(folder, _policy_text(open_place(folder), witness, quorum))
    policy = open_place(folder).witnesses
    text = read_text(folder / WITNESSES) or ""
    listed: list[Json] = [
        {"name": member.key.name, "vkey": str(member.key), "url": member.url}
        for member in policy.witnesses.values()
    ]
    members: dict[str, Json] = {"witnesses": listed, "quorum": policy.quorum, "policy": text}
    tell(json_out, members, text or "No witness: the log's word alone stands behind every proof.")


def _policy_text(place: Place, witnesses: list[str], quorum: int) -> str:
    """Return a policy file; keys of one name are one witness, which cosigns by any of them."""
    members = [tuple(each.split()) for each in witnesses]
    if not all(len(member) == 2 for member in members):
        raise BadShape("a witness is given as 'VKEY URL'")
    later = (str(VerifierKey(name, ED25519, key.public)) for name, key in place.later_logs)
    lines = [f"log {vkey}" for vkey in (vkey_of(place), *later)]
    groups = dict[str, list[str]]()
    for n, (vkey, url) in enumerate(members, 1):
        lines.append(f"witness K{n} {vkey} {url}")
        groups.setdefault(vkey.partition("+")[0], []).append(f"K{n}")
    if quorum == 0:
        return "\n".join([*lines, f"quorum {NONE}"]) + "\n"
    names = [f"W{n}" for n, _ in enumerate(groups, 1)]
    for name, keys in zip(names, groups.values(), strict=True):
        lines.append(f"group {name} any {' '.join(keys)}")
    lines += [f"group quorum {quorum} {' '.join(names)}", "quorum quorum"]
    return "\n".join(lines) + "\n"


def doctor(
    folder: Annotated[Path, typer.Argument(help="The folder of a vault or of any other party.")],
    json_out: JsonOut = False,
) -> None:
    """Look for what is wrong with a folder; exit code 1 when something is.

    Clock, permissions, disk, directory, database, log, witnesses: one line each.

    Example: carbonvault doctor ./vault
    """
    checks = examine(folder)
    if json_out:
        write_json({"checks": [check.plain() for check in checks]})
    else:
        for check in checks:
            typer.echo(check.line())
    raise typer.Exit(0 if all(map(Check.passed, checks)) else REFUSED)
