"""How the command line speaks: errors as sentences in the person's language, progress, stories.

Results go to the standard output, everything else to the standard error, so that ``--json`` can be
piped; the exit code is 0 for done, 1 for refused or findings, 2 for a command not understood.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vault.encoding import Json
from vault.errors import Locale, VaultError

REFUSED = 1


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
        sentence, detail = error.sentence(locale_of(dict(os.environ))), str(error)
        console.print(f"{sentence}", style="bold red", markup=False)
        if detail:
            console.print(f"({error.slug}: {detail})", markup=False)
        raise typer.Exit(REFUSED) from None


def write_json(found: dict[str, Json]) -> None:
    """Write one JSON object as one line on the standard output."""
    typer.echo(json.dumps(found, ensure_ascii=False))


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
