"""Commands about a person's own exports: ``carbonvault holder own add | list``, and `overlaps`.

own/0001.sealed      in the holder's folder: sealed to a key of their root, at most 1 MiB a file
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from consent.commands.holder import opened, root_of
from consent.commands.party import Where
from consent.own import OwnAct, open_own, own_act, parts, seal_own, why_not
from consent.place import write_new
from consent.records import overlapping
from consent.terminal import JsonOut, new_app, spoken, tell, write_json
from vault.encoding import Json, b64u, unb64u
from vault.errors import BadFile, BadShape, OutOfBounds, VaultError
from vault.importers.catalogue import FORMATS, read_export
from vault.importers.entry import Entry, Reversal, Setting
from vault.importers.opening import open_export
from vault.importers.report import Report
from vault.messages import Record
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release, load_release
from vault.methodology.shelf import newest_release
from vault.months import DEFAULT_ZONE, local_time, zone_of

own_app = new_app("Your own exports: only you see them, and they count in no total.")
SHOWN_LINES = 10


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the holder's."""
    app.add_typer(own_app, name="own")
    app.command("overlaps")(overlaps)


@own_app.command("add")
@spoken
def add(
    folder: Where,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Plain or gzip.")],
    form: Annotated[str, typer.Option("--format", help=f"One of: {', '.join(FORMATS)}.")],
    beside: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
    region: Annotated[str, typer.Option(help="Where the acts are, such as CN-ZJ-HZ.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of the export.")] = DEFAULT_ZONE,
    persons: Annotated[int | None, typer.Option(min=1, help="How many share the meter.")] = None,
    behaviour: Annotated[str | None, typer.Option(help="What an unnamed act is.")] = None,
    json_out: JsonOut = False,
) -> None:
    """Read an export of your own and keep it here, sealed for yourself.

    What the newest release does not know, or measures otherwise, is refused.

    Example: carbonvault holder own add ./me trips.csv --format bikeshare2020 --region CN
    """
    root, held, report, kept = root_of(folder), load_release(newest_release()), Report(), 0
    place = folder / "own"
    place.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as files:
        export = files.enter_context(open_export(file))
        second = files.enter_context(open_export(beside)) if beside else None
        setting = Setting(region, zone_of(zone), persons, behaviour)
        entries = read_export(form, export, setting, report, second)
        for part in parts(_own_acts(entries, held, report)):
            write_new(place / _next_name(place), b64u(seal_own(root, part)))
            kept += len(part)
    members: dict[str, Json] = {
        "kept": kept,
        "refused": {k: [*v] for k, v in report.refused.items()},
    }
    first = f"{kept} acts are kept here, for you alone; they count in no total"
    tell(json_out, members, "\n".join((first, *_refusals(report))))


def _refusals(report: Report) -> Iterator[str]:
    for reason, lines in report.refused.items():
        named = ", ".join(map(str, islice(lines, SHOWN_LINES)))
        more = ", …" if len(lines) > SHOWN_LINES else ""
        yield f"{len(lines)} rows refused: {reason} (line {named}{more})"


def _own_acts(
    entries: Iterator[Entry | Reversal], release: Release, report: Report
) -> Iterator[OwnAct]:
    for entry in entries:
        if isinstance(entry, Reversal):
            continue
        own = own_act(entry)
        if why := why_not(own, release):
            report.overrule(why, entry.line)
        else:
            yield own


def _next_name(place: Path) -> str:
    numbers = (int(each.stem) for each in place.glob("*.sealed") if each.stem.isdecimal())
    return f"{max(numbers, default=0) + 1:04d}.sealed"


@own_app.command("list")
@spoken
def list_own(
    folder: Where,
    release: Annotated[str, typer.Option(help="The methodology release to look at.")] = "",
    json_out: JsonOut = False,
) -> None:
    """Show your own acts, each with what it would count had its operator signed it.

    Example: carbonvault holder own list ./me
    """
    held, root = load_release(release or newest_release()), root_of(folder)
    acts: dict[tuple[str | None, str, str, int], OwnAct] = {}
    for place in sorted((folder / "own").glob("*.sealed")):
        for own in open_own(root, _read(place)):
            acts.setdefault(own.key, own)  # the same export added twice
    rows = [_row(own, held) for own in sorted(acts.values(), key=lambda own: own.act.start)]
    if json_out:
        write_json({"acts": [*rows], "release": held.id})
        return
    for row in rows:
        would = row["would_count_mg"]
        signed = f"{would} mg" if isinstance(would, int) else f"0 mg, {would}"
        typer.echo(f"{row['start']}  {row['behaviour']}  0 mg  (signed by its operator: {signed})")
    typer.echo("Only you see these. Nobody signed them, so they are in no total.")


def _read(place: Path) -> bytes:
    try:
        return unb64u(place.read_text(encoding="ascii"))
    except (OSError, ValueError) as bad:
        raise BadFile(f"cannot read {place.name} as sealed acts") from bad


def _row(own: OwnAct, release: Release) -> dict[str, Json]:
    signed = _counted(replace(own.act, evidence="E4"), release)
    own_word = _counted(own.act, release)
    return {
        "start": _start(own.act.start),
        "operator": own.operator,
        "receipt": own.receipt,
        "behaviour": own.act.behaviour,
        "mg": 0,
        "reason": own_word.reason if isinstance(own_word, Credit) else own_word,
        "would_count_mg": int(signed.mg) if isinstance(signed, Credit) else signed,
        "detail": {**own.detail},
    }


def _counted(act: Act, release: Release) -> Credit | str:
    # One odd act, or one of another release, must not hide all the others.
    try:
        return quantify(act, release)
    except OutOfBounds as out:
        return out.reason
    except VaultError as bad:
        return bad.slug


def _start(unix: int) -> str:
    try:
        return local_time(unix, DEFAULT_ZONE).strftime("%Y-%m-%d %H:%M")
    except BadShape:
        return str(unix)


@spoken
def overlaps(folder: Where, json_out: JsonOut = False) -> None:
    """Show trips from different sources at the same time: nobody makes two at once.

    No source sees another's records, so nothing is taken away here; ask the source that is wrong.

    Example: carbonvault holder overlaps ./me
    """
    with opened(folder) as holder:
        zone = holder.directory.listing.zone
        pairs = overlapping(holder.open_links(), load_release)
    rows: list[Json] = [
        {"first": _trip(a.source, x, zone), "second": _trip(b.source, y, zone)}
        for (a, x), (b, y) in pairs
    ]
    if json_out:
        write_json({"overlaps": rows})
        return
    typer.echo(f"{len(rows)} pairs of trips at the same time")
    for (a, x), (b, y) in pairs:
        typer.echo(f"{_line(a.source, x, zone)}  and  {_line(b.source, y, zone)}")


def _trip(source: str, record: Record, zone: str) -> dict[str, Json]:
    start = local_time(record.start, zone).strftime("%Y-%m-%d %H:%M")
    return {"source": source, "start": start, "behaviour": record.behaviour, "mg": record.mg}


def _line(source: str, record: Record, zone: str) -> str:
    start = local_time(record.start, zone).strftime("%Y-%m-%d %H:%M")
    return f"{start} {record.behaviour} at {source} ({record.mg} mg)"
