"""How the command line speaks: errors as sentences in the person's language, progress, stories.

    @app.command()
    @spoken                                  errors of the tree become sentences, exit code 1
    tell(json_out, {"grams": 243}, "243 g")  one JSON object, or the text

Results go to the standard output, everything else to the standard error, so that ``--json`` can be
piped; the exit code is 0 for done, 1 for refused or findings, 2 for a command not understood.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, ParamSpec

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vault.directory import Directory
from vault.encoding import Json
from vault.errors import Locale, VaultError

P = ParamSpec("P")
REFUSED = 1
NO_AUDITOR: dict[Locale, str] = {
    "en": "No independent auditor: the vault and its auditor are one organisation.",
    "zh-CN": "没有独立的审计方：保管库与审计方属于同一机构。",
}
JsonOut = Annotated[bool, typer.Option("--json", help="JSON on the standard output.")]


def spoken(command: Callable[P, None]) -> Callable[P, None]:
    """Return the command with its refusals told as sentences, exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with refusals():
            command(*args, **kwargs)

    return run


def new_app(help_text: str) -> typer.Typer:
    """Return a group of commands."""
    # No pretty tracebacks: they print local variables, and those may be keys.
    return typer.Typer(
        help=help_text,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )


def own_locale() -> Locale:
    """Return the language of this terminal."""
    return locale_of(dict(os.environ))


def locale_of(environment: dict[str, str]) -> Locale:
    """Return the language of messages: zh-CN where the environment asks for Chinese, else en."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    named = next((environment[name] for name in names if environment.get(name)), "")
    return "zh-CN" if named.lower().startswith("zh") else "en"


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an error of the tree into its sentence on the standard error, and exit code 1."""
    try:
        yield
    except VaultError as error:
        console = Console(stderr=True, highlight=False)
        sentence, detail = error.sentence(own_locale()), str(error)
        console.print(f"{sentence}", style="bold red", markup=False, soft_wrap=True)
        if detail:
            console.print(f"({error.slug}: {detail})", markup=False, soft_wrap=True)
        raise typer.Exit(REFUSED) from None


def write_json(found: dict[str, Json]) -> None:
    """Write one JSON object as one line on the standard output."""
    typer.echo(json.dumps(found, ensure_ascii=False))


def tell(json_out: bool, members: dict[str, Json], text: str) -> None:
    """Write the members as JSON, or the text."""
    if json_out:
        write_json(members)
    else:
        typer.echo(text)


def announce(self_audited: bool) -> None:
    """Say on the standard error when nobody but the operator itself audits the vault."""
    if self_audited:
        typer.echo(NO_AUDITOR[own_locale()], err=True)


def announce_auditor(directory: Directory) -> Directory:
    """Return the directory, after saying when its vault has no independent auditor."""
    announce(directory.self_audited)
    return directory


def read_word(given: str, prompt: str) -> str:
    """Return the word given; for ``-`` a line of the standard input, which no argument list shows.

    On a terminal it is asked for, without showing it.
    """
    if given != "-":
        return given
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, err=True)).strip()
    return sys.stdin.readline().strip()


class Story:
    """Tells a demonstration on a console, with a bar for long work."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        """Tell on `console`; a quiet story shows only its progress."""
        self._console, self._quiet = console, quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=(shown := Console(stderr=True)),
            disable=not shown.is_terminal,
            transient=True,
        )

    def scene(self, title: str) -> None:
        """Begin a part of the story."""
        if not self._quiet:
            self._console.rule(f"[bold]{title}", align="left")

    def say(self, text: str) -> None:
        """Tell one thing."""
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False)

    def work(self, title: str, total: int) -> Callable[[], None]:
        """Show a bar for work of `total` parts; what is returned moves it by one."""
        self._progress.stop()
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        task = self._progress.add_task(title, total=total)
        self._progress.start()

        def done() -> None:
            self._progress.advance(task)
            if self._progress.finished:
                self._progress.stop()

        return done

    def counted(self, title: str) -> Callable[[int, int], None]:
        """Return what shows (done, of all) as a bar, begun at its first call."""
        begun: list[Callable[[], None]] = []

        def progress(_done: int, size: int) -> None:
            if not begun:
                begun.append(self.work(title, size))
            begun[0]()

        return progress

    def close(self) -> None:
        """Take the last bar away."""
        self._progress.stop()


@contextmanager
def bars() -> Iterator[Story]:
    """Tell nothing but the progress of long work, on the standard error."""
    story = Story(Console(stderr=True), quiet=True)
    try:
        yield story
    finally:
        story.close()
