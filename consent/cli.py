"""The command line of every actor; ``carbonvault ACTOR --help`` lists its commands.

Exit codes: 0 done · 1 refused, or findings · 2 the command was not understood.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
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
from consent.commands.methodology import methodology_app
from consent.commands.records import records_app
from consent.commands.witness import witness_app
from consent.demo.cast import CITY
from consent.demo.company import RELEASE
from consent.demo.play import play
from consent.demo.plot import MONTHS, read_plot
from consent.demo.stage import Stage
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


def main() -> None:
    """Run the command line."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    app()


if __name__ == "__main__":
    main()
