"""The command line of every actor; ``carbonvault ACTOR --help`` lists its commands.

Exit codes: 0 done · 1 refused, or findings · 2 the command was not understood.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from consent.commands import (
    activity,
    audit,
    books,
    bundle,
    directory,
    entries,
    own,
    page,
    platform,
    receipts,
    sample,
    sandbox,
    source,
    vault,
    verify,
    watch,
)
from consent.commands.compare import compare_export
from consent.commands.consents import consents_app
from consent.commands.evidence import evidence
from consent.commands.holder import holder_app
from consent.commands.listen import listen_localhost
from consent.commands.methodology import methodology_app
from consent.commands.records import records_app
from consent.commands.witness import witness_app
from consent.demo.cast import CITY
from consent.demo.company import RELEASE
from consent.demo.play import Played, play
from consent.demo.plot import MONTHS, read_plot
from consent.demo.stage import Stage
from consent.demo.visit import Visit
from consent.terminal import REFUSED, JsonOut, Story, new_app, spoken, write_json
from vault.encoding import Json

app = new_app(__doc__)
vault.add_commands(app)
app.add_typer(audit.audit_app, name="audit")
audit.audit_app.command("watch")(watch.watch)
audit.audit_app.command("evidence")(evidence)
audit.audit_app.command("sample")(sample.sample_audit)
audit.audit_app.add_typer(witness_app, name="witness")
for group in (verify, bundle, entries):
    group.add_commands(audit.audit_app)
page.add_commands(audit.audit_app, holder_app)
holder_app.command("sample")(sample.sample_holder)
books.add_commands(source.source_app)
own.add_commands(holder_app)
receipts.add_commands(app, holder_app)
activity.add_commands(holder_app)
holder_app.add_typer(records_app)
holder_app.add_typer(consents_app)
app.add_typer(directory.directory_app, name="directory")
app.add_typer(holder_app, name="holder")
app.add_typer(source.source_app, name="source")
app.add_typer(platform.platform_app, name="platform")
app.command("sandbox")(spoken(sandbox.sandbox))
methodology_app.command("compare")(compare_export)
app.add_typer(methodology_app, name="methodology")


@app.command()
@spoken
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
    release: Annotated[str, typer.Option(help="The methodology release in force.")] = RELEASE,
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
    with tempfile.TemporaryDirectory(prefix="carbonvault-demo-") as folder:
        plot = read_plot(trips, stations, holders, as_region)
        with Stage(Path(folder), MONTHS[0], release=release) as stage:
            begun = time.monotonic()
            played = play(plot, stage, story)
            story.close()
            figures = {**played.figures, "seconds": round(time.monotonic() - begun)}
            with _visit(stage, played) if stay else nullcontext() as visit:
                if visit is not None:
                    write_json(_where(visit, played))
                if json_out:
                    write_json(figures)
                else:
                    _tell_figures(story, figures)
                if visit is not None:
                    _tell_next(visit, played)
                    sys.stdout.flush()
                    stage.stay()
    raise typer.Exit(REFUSED if figures["findings"] else 0)


def _tell_figures(story: Story, figures: dict[str, Json]) -> None:
    story.scene("The figures")
    for name, found in figures.items():
        story.say(f"{name:>16}  {found}")


def _visit(stage: Stage, played: Played) -> Visit:
    return Visit(stage, played.sources, listen_localhost(0), listen_localhost(0))


def _where(visit: Visit, played: Played) -> dict[str, Json]:
    app = f"{visit.url}/#w={played.people[0].code}"
    pages: dict[str, Json] = {"bank": visit.bank_url, "bikes": visit.bikes_url, "open": app}
    return {**visit.stage.where(), **pages}


def _tell_next(visit: Visit, played: Played) -> None:
    typer.echo("The server keeps running until Ctrl-C. In another terminal:", err=True)
    for command in visit.stage.commands(played.people[0].grants[CITY].grant.hex()):
        typer.echo(f"  {command}", err=True)
    typer.echo(
        "In a browser (DEMONSTRATION: whoever has the first link has this invented person's vault):"
        f"\n  {visit.url}/#w={played.people[0].code}   the first person's vault"
        f"\n  {visit.bank_url}/   a bank that asks for a total"
        f"\n  {visit.bikes_url}/   a bike operator to link; its button moves the month on",
        err=True,
    )


def main() -> None:
    """Run the command line."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    app()


if __name__ == "__main__":
    main()
