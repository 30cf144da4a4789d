"""``carbonvault methodology``: the rules that turn acts into grams, read, explained and checked.

    carbonvault methodology list
    carbonvault methodology explain act.json --locale both
    carbonvault methodology check methodology/behaviours methodology/releases

Nothing here needs a folder, a key or a server (docs/methodology.md).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from consent.terminal import REFUSED, JsonOut, new_app, own_locale, spoken, tell, write_json
from vault.encoding import Json
from vault.errors import BadPlace, Locale
from vault.methodology.behaviour import Behaviour
from vault.methodology.describe import describe, rates, why_zero
from vault.methodology.explain import explain as explain_act
from vault.methodology.explain import pinned, render
from vault.methodology.release import Release, load_release
from vault.methodology.schema import Kind, schema_text
from vault.methodology.shelf import check_shelf, newest_release, release_names, shipped_files
from vault.methodology.told import read_told

methodology_app = new_app("The methodology: behaviours, releases, and why a number is what it is.")
ReleaseId = Annotated[str, typer.Option("--release", help="A release's id; else the newest.")]
LOCALES: tuple[Locale, ...] = ("zh-CN", "en")
LocaleOption = Annotated[
    Literal["zh-CN", "en", "both"] | None, typer.Option(help="Else the terminal's language.")
]
IN_A_PIPE = 120
BOTH_FIT = 100
_PLACES = re.compile(r"@?[^@]+|@")
_PARTS = re.compile(r"[^-]*-+|[^-]+")
NAMES: dict[Locale, str] = {"zh-CN": "名称", "en": "name"}


@methodology_app.command("list")
@spoken
def list_behaviours(
    release: ReleaseId = "", locale: LocaleOption = None, json_out: JsonOut = False
) -> None:
    """List the releases, and the behaviours of one: tier, grams per unit, regions, or why 0.

    Both languages are shown where they fit, unless one is chosen.

    Example: carbonvault methodology list --release beijing-season-2022
    """
    chosen = load_release(release or newest_release())
    names = release_names()
    if json_out:
        behaviours: list[Json] = [_row(chosen, each) for each in chosen.behaviours.values()]
        members: dict[str, Json] = {"releases": [*names], "release": chosen.id}
        write_json({**members, "sha256": chosen.sha256.hex(), "behaviours": behaviours})
        return
    typer.echo(f"Releases: {', '.join(names)}\n{chosen.id}: SHA-256 {chosen.sha256.hex()}")
    for each in _wanted(locale or "both"):
        typer.echo(chosen.says[each])
    wide = _width() >= BOTH_FIT
    names_in = _wanted(locale or ("both" if wide else None))
    titles = [NAMES[each] for each in names_in] if wide else [NAMES[names_in[-1]]]
    rows = (_cells(chosen, each, names_in, wide) for each in chosen.behaviours.values())
    show_table(("id", *titles, "tier", "counts", "region"), rows, bends=titles)


def _wanted(locale: Literal["zh-CN", "en", "both"] | None) -> tuple[Locale, ...]:
    return LOCALES if locale == "both" else (locale or own_locale(),)


def _row(release: Release, behaviour: Behaviour) -> dict[str, Json]:
    found = rates(behaviour)
    return {
        "id": behaviour.id,
        "rev": behaviour.rev,
        "sha256": pinned(release, behaviour).hex(),
        "name": dict(behaviour.name.items()),
        "tier": behaviour.tier,
        "why_zero": why_zero(release, behaviour),
        "factors": [{"region": region, "per_unit": rate} for region, rate in found],
    }


def _cells(
    release: Release, behaviour: Behaviour, names_in: Iterable[Locale], wide: bool
) -> Sequence[str]:
    reason, found = why_zero(release, behaviour), rates(behaviour)
    counts = f"0 ({reason})" if reason else "\n".join(rate or "by formula" for _, rate in found)
    regions = "\n".join(region for region, _ in found) if not reason else ""
    names = [behaviour.name[locale] for locale in names_in]
    names = names if wide else ["\n".join(names)]
    return (behaviour.id, *names, behaviour.tier, counts, regions)


def show_table(head: Sequence[str], rows: Iterable[Sequence[str]], bends: Collection[str]) -> None:
    """Write a table on the standard output, as wide as the terminal, or 120 in a pipe or file.

    Words stay whole where they fit; others break before an @, then behind hyphens.

    Args:
        head: the titles of the columns.
        rows: the cells, one for each title.
        bends: titles of the columns that become narrower first.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for title in head:
        table.add_column(Words(title), no_wrap=title not in bends)
    for row in rows:
        table.add_row(*map(Words, row))
    Console(highlight=False, markup=False, width=_width()).print(table)


def _width() -> int:
    console = Console()
    told = console.is_terminal or "COLUMNS" in os.environ
    return console.width if told else IN_A_PIPE


@dataclass(frozen=True)
class Words:
    """A cell of a table; rich alone breaks at spaces only, and then inside words."""

    text: str

    def __rich_measure__(self, _console: Console, _options: ConsoleOptions) -> Measurement:
        """Return the widths of its longest word and of its longest line."""
        words = [cell_len(part) for word in self.text.split() for part in _PARTS.findall(word)]
        lines = [cell_len(line) for line in self.text.split("\n")]
        return Measurement(max(words, default=0), max(lines))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield its lines as they fit."""
        yield Text("\n".join(fold(self.text, options.max_width)))


def fold(text: str, width: int) -> list[str]:
    """Return a text as lines of at most so many cells, words whole where they fit."""
    return [line for given in text.split("\n") for line in _fold_line(given, max(2, width))]


def _fold_line(given: str, width: int) -> list[str]:
    lines = [""]
    for word in given.split():
        lead = " " if lines[-1] else ""
        for part in _parts(word, width):
            if cell_len(lines[-1] + lead + part) <= width:
                lines[-1] += lead + part
            else:
                lines += chop_cells(part, width)
            lead = ""
    return [line for line in lines if line] or [""]


def _parts(word: str, width: int) -> Iterator[str]:
    for part in [word] if cell_len(word) <= width else _PLACES.findall(word):
        yield from [part] if cell_len(part) <= width else _PARTS.findall(part)


@methodology_app.command()
@spoken
def show(
    behaviour: Annotated[str, typer.Argument(metavar="ID", help="Such as travel.bike.")],
    release: ReleaseId = "",
    json_out: JsonOut = False,
) -> None:
    """Show everything of one behaviour, in both languages.

    Example: carbonvault methodology show travel.bike
    """
    chosen = load_release(release or newest_release())
    texts: dict[Locale, str] = {each: describe(chosen, behaviour, each) for each in LOCALES}
    found = chosen.behaviour(behaviour)
    members: dict[str, Json] = {
        "release": chosen.id,
        "sha256": pinned(chosen, found).hex(),
        "behaviour": found.plain(),
        "text": dict(texts.items()),
    }
    tell(json_out, members, "\n\n".join(texts.values()))


@methodology_app.command()
@spoken
def explain(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An act as JSON; - reads it.")],
    release: Annotated[
        str, typer.Option(help="A release's id; else the record's own, else the newest.")
    ] = "",
    locale: LocaleOption = None,
) -> None:
    """Say why an act counts what it counts: formula, numbers, factor, source, or the reason for 0.

    FILE holds an act, one act a line, or what `carbonvault holder records --json` prints. Where a
    record does not agree with its own release's rule, this is said, and the exit code is 1.

    Example: carbonvault methodology explain act.json --locale both
    """
    parts, agree = [], True
    for told in read_told(_read(file)):
        chosen = load_release(release or told.release or newest_release())
        explanation = explain_act(told.act, chosen, told.recorded, told.release)
        agree = agree and explanation.agrees
        parts += [render(explanation, each) for each in _wanted(locale)]
    typer.echo("\n\n".join(parts))
    if not agree:
        raise typer.Exit(REFUSED)


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    return _bytes_of(Path(file))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as bad:
        raise BadPlace(f"cannot read {path}: {bad.strerror}") from bad


@methodology_app.command()
@spoken
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH…", help="Files and folders; else what is shipped."),
    ] = None,
    json_out: JsonOut = False,
) -> None:
    """Check behaviour and release files by every rule; exit code 1 when one is broken.

    Example: carbonvault methodology check ./behaviours ./releases
    """
    shelf = _shelf(paths) if paths else shipped_files()
    faults = check_shelf(shelf)
    lines = [f"{fault.file}: {fault.says}" for fault in faults]
    text = "\n".join(lines) or f"{len(shelf)} files keep every rule"
    found: list[Json] = [{"file": fault.file, "says": fault.says} for fault in faults]
    tell(json_out, {"files": len(shelf), "faults": found}, text)
    raise typer.Exit(REFUSED if faults else 0)


def _shelf(paths: Iterable[Path]) -> dict[str, bytes]:
    found = [each for path in paths for each in _files_of(path)]
    if not found:
        raise BadPlace("there is no .toml file here")
    return {path.as_posix(): _bytes_of(path) for path in found}


def _files_of(path: Path) -> list[Path]:
    return sorted(path.rglob("*.toml")) if path.is_dir() else [path]


@methodology_app.command()
@spoken
def schema(
    kind: Annotated[Kind, typer.Argument(help="Which file the schema is of.")],
) -> None:
    """Print the JSON Schema of a behaviour or release file, for an editor.

    Example: carbonvault methodology schema behaviour > behaviour.schema.json
    """
    typer.echo(schema_text(kind), nl=False)
