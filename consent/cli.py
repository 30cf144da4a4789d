"""The command line: ``carbonvault serve | demo | audit | platform total``.

Exit codes: 0 done · 1 refused, or findings · 2 the command was not understood.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn
from rich.console import Console

from consent.app import hand_clock, make_app, open_database, wall_clock
from consent.auditor import Auditor, Report
from consent.demo.cast import CITY
from consent.demo.play import play
from consent.demo.plot import MONTHS, read_plot
from consent.demo.stage import Stage
from consent.place import Settings, make_place, open_place, read_key
from consent.platform import Identity, Platform, write_total
from consent.policy import Policy
from consent.terminal import REFUSED, Story, refusals, write_json
from vault.crypto.keys import OpeningKey, SigningKey
from vault.encoding import Json, unb64u
from vault.messages import parse_hex
from vault.months import parse_month
from vault.wire import Wire

# No pretty tracebacks: they print local variables, and those may be keys.
app = typer.Typer(
    help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
)
platform_app = typer.Typer(help="Commands of a platform.", no_args_is_help=True)
app.add_typer(platform_app, name="platform")

JsonOut = Annotated[bool, typer.Option("--json", help="One JSON object on the standard output.")]
KeyFile = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Key file, mode 0600.")]
LogKey = Annotated[str, typer.Option("--log", help="The log's vkey, pinned.")]


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="The vault's folder; made at the first start.")],
    vault: Annotated[str, typer.Option(help="First start: the vault's directory id.")] = "",
    url: Annotated[str, typer.Option(help="First start: the public URL.")] = "",
    auditor: Annotated[str, typer.Option(help="First start: the auditor's public key.")] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: the one of the URL.")] = 0,
    clock: Annotated[
        Path | None, typer.Option(help="DEMONSTRATION ONLY: a file that holds the time.")
    ] = None,
) -> None:
    """Run a vault over one encrypted SQLCipher file.

    Example: carbonvault serve ./vault --vault vault.example --url https://vault.example
    --auditor BASE64URL
    """
    with refusals():
        if vault or url or auditor:
            make_place(folder, Settings(vault, url, unb64u(auditor, 32)), os.urandom)
        place = open_place(folder)
        if clock:
            typer.echo("DEMONSTRATION: this vault's clock is moved by hand.", err=True)
        application = make_app(
            place, open_database(place), hand_clock(clock) if clock else wall_clock
        )
        listen = port or urlsplit(place.settings.url).port or 8000
        write_json({"url": place.settings.url, "host": host, "port": listen})
        uvicorn.run(application, host=host, port=listen, log_level="warning", access_log=False)


@app.command()
def demo(
    trips: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Bike-share trips, CSV.")
    ] = None,
    stations: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Their stations, CSV.")
    ] = None,
    holders: Annotated[
        int | None, typer.Option(min=1, help="Play only the first N bicycles.")
    ] = None,
    as_region: Annotated[str, typer.Option(help="The place the trips are said to be of.")] = "CN",
    json_out: JsonOut = False,
    stay: Annotated[
        bool, typer.Option("--serve", help="Print one JSON line, then keep the server running.")
    ] = False,
) -> None:
    """Play the whole story over a real server on loopback, with a fresh encrypted database.

    Example: carbonvault demo --holders 3
    """
    if (trips is None) != (stations is None):
        raise typer.BadParameter("--trips and --stations go together")
    story = Story(Console(stderr=stay), quiet=json_out)
    with refusals(), tempfile.TemporaryDirectory(prefix="carbonvault-demo-") as folder:
        plot = read_plot(trips, stations, holders, as_region)
        with Stage(Path(folder), MONTHS[0]) as stage:
            begun = time.monotonic()
            figures = play(plot, stage, story)
            story.close()
            figures["seconds"] = round(time.monotonic() - begun)
            if stay:
                write_json(stage.where())
            if json_out:
                write_json(figures)
            else:
                _tell_figures(story, figures)
            if stay:
                _tell_next(stage, figures)
                sys.stdout.flush()
                stage.stay()
    raise typer.Exit(REFUSED if figures["findings"] else 0)


def _tell_figures(story: Story, figures: dict[str, Json]) -> None:
    story.scene("The figures")
    for name, found in figures.items():
        story.say(f"{name:>16}  {found}")


def _tell_next(stage: Stage, figures: dict[str, Json]) -> None:
    typer.echo("The server keeps running until Ctrl-C. In another terminal:", err=True)
    grants = figures["first_grants"]
    for command in stage.commands(str(grants[CITY]) if isinstance(grants, dict) else ""):
        typer.echo(f"  {command}", err=True)


@app.command()
def audit(
    url: Annotated[str, typer.Argument(help="The vault's URL.")],
    key: KeyFile,
    log: LogKey,
    json_out: JsonOut = False,
) -> None:
    """Download the log and replay every rule over it; exit code 1 when there are findings.

    Example: carbonvault audit https://vault.example --key auditor.key --log VKEY
    """
    story = Story(Console(), quiet=json_out)
    with refusals():
        signer = SigningKey(read_key(key))
        auditor = Auditor(signer, Wire(url, signer), Policy(signer.public, log))
        report = auditor.audit(story.counted("entries replayed"))
    story.close()
    _write_report(report, story, json_out)
    raise typer.Exit(REFUSED if report.findings else 0)


def _write_report(report: Report, story: Story, json_out: bool) -> None:
    if json_out:
        write_json(report.plain())
        return
    story.say(f"checkpoint of {report.size} entries, root {report.root.hex()}")
    for kind, count in sorted(report.counts.items()):
        story.say(f"{count:>8}  {kind}")
    for finding in report.findings:
        story.say(f"FINDING at index {finding.index} ({finding.rule}): {finding.reason}")
    story.say("Findings: none." if not report.findings else f"Findings: {len(report.findings)}.")


@platform_app.command()
def total(
    url: Annotated[str, typer.Argument(help="The vault's URL.")],
    grant: Annotated[str, typer.Argument(help="The grant's id, 32 hex digits.")],
    window: Annotated[str, typer.Argument(help="Its months, such as 2026-01/2026-02/2026-03.")],
    name: Annotated[str, typer.Option("--id", help="The platform's directory id.")],
    key: KeyFile,
    opening_key: KeyFile,
    auditor: Annotated[str, typer.Option(help="The auditor's public key, pinned.")],
    log: LogKey,
    purpose: Annotated[str | None, typer.Option(help="One of the grant's purposes.")] = None,
    take_demo: Annotated[bool, typer.Option("--demo", help="Take a demonstration vault.")] = False,
    json_out: JsonOut = False,
) -> None:
    """Ask for one consented total, and check it before it is shown.

    Example: carbonvault platform total https://vault.example GRANT 2026-01 --id bank.example
    --key bank.key --opening-key bank.opening.key --auditor KEY --log VKEY
    """
    with refusals():
        signer = SigningKey(read_key(key))
        identity = Identity(name, signer, (OpeningKey(read_key(opening_key)),))
        policy = Policy(unb64u(auditor, 32), log, take_demo)
        wire = Wire(url, signer)
        platform = Platform(identity, wire, policy, vault_clock(wire) if take_demo else wall_clock)
        months = tuple(parse_month(month) for month in window.split("/"))
        found = platform.total(parse_hex(grant, 16), months, purpose)
    if json_out:
        write_json(write_total(found))
    else:
        typer.echo(f"{found.grams} g for {window}, checked against: {found.checked}")


def vault_clock(wire: Wire) -> Callable[[], int]:
    """Return the clock of a demonstration's vault, which is moved by hand; never a real one's."""

    def now() -> int:
        found = wire.get("/v1/time").body.get("now")
        return found if isinstance(found, int) else 0

    return now


def main() -> None:
    """Run the command line."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    app()


if __name__ == "__main__":
    main()
