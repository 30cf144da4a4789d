"""Commands of the operator: ``carbonvault init | serve | doctor | log export``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn

from consent.app import hand_clock, make_app, open_database, wall_clock
from consent.commands.doctor import Check, examine
from consent.commands.export import export
from consent.known import FILE, Known
from consent.log.note import ED25519, VerifierKey
from consent.log.sequencer import Sequencer
from consent.place import Place, Settings, hold, make_place, open_place
from consent.terminal import REFUSED, JsonOut, bars, new_app, spoken, tell, write_json
from vault.encoding import Json, b64u, unb64u

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
    url: Annotated[str, typer.Option(help="The public URL, without a slash at its end.")],
    auditor: Annotated[str, typer.Option(help="The auditor's public key, which is pinned.")],
    json_out: JsonOut = False,
) -> None:
    """Make a vault's folder; print the key and the log's vkey that its auditor lists.

    Example: carbonvault init ./vault --vault vault.example --url https://vault.example
    --auditor BASE64URL
    """
    make_place(folder, Settings(vault, url, unb64u(auditor, 32)), os.urandom)
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


def vkey_of(place: Place) -> str:
    """Return the vkey of a place's log."""
    return str(VerifierKey(place.settings.origin, ED25519, place.log_key.public))


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
    passes the path on unchanged. --host and --port say where this server listens.

    Example: carbonvault serve ./vault --port 8000
    """
    place = open_place(folder)
    with hold(folder):
        if clock:
            typer.echo("DEMONSTRATION: this vault's clock is moved by hand.", err=True)
        now = hand_clock(clock) if clock else wall_clock
        outside = Known(place.database.with_name(FILE), known or ())
        application = make_app(place, open_database(place), now, known=outside)
        listen = port or urlsplit(place.settings.url).port or 8000
        write_json({"url": place.settings.url, "host": host, "port": listen})
        uvicorn.run(application, host=host, port=listen, log_level="warning", access_log=False)


@log_app.command("export")
@spoken
def log_export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Where the files go; may hold an earlier export.")],
    json_out: JsonOut = False,
) -> None:
    """Write the log as the files that /log/ serves, the checkpoint last.

    Example: carbonvault log export ./vault ./public/log
    """
    place = open_place(folder)
    database = open_database(place)
    try:
        log = Sequencer(database, place.settings.origin, place.log_key)
        with bars() as story:
            found = export(log, out, story.counted("tiles written"))
    finally:
        database.close()
    members: dict[str, Json] = {"size": found.size, "tiles": found.tiles}
    tell(json_out, members, f"{found.size} entries in {found.tiles} tiles, checkpoint last: {out}")


def doctor(
    folder: Annotated[Path, typer.Argument(help="The folder of a vault or of any other party.")],
    json_out: JsonOut = False,
) -> None:
    """Look for what is wrong with a folder; exit code 1 when something is.

    Clock, permissions, disk, directory, database, log: one line each.

    Example: carbonvault doctor ./vault
    """
    checks = examine(folder)
    if json_out:
        write_json({"checks": [check.plain() for check in checks]})
    else:
        for check in checks:
            typer.echo(check.line())
    raise typer.Exit(0 if all(map(Check.passed, checks)) else REFUSED)
