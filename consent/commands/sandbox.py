"""The sandbox as a command: ``carbonvault sandbox FOLDER``."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from consent.sandbox.roll import PARTIES, ROBOTS
from consent.sandbox.stage import Sandbox
from consent.terminal import JsonOut, tell

PORT = 8400
LOUD = "SANDBOX · 沙盒: no real vault, invented people, keys that everybody knows."


def sandbox(
    folder: Annotated[Path, typer.Argument(help="A folder of its own; it is made anew.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on loopback.")] = PORT,
    json_out: JsonOut = False,
) -> None:
    """Run a SANDBOX vault to build against: invented people, closed months, the same every time.

    It writes a folder for each party, which the commands and the SDKs take. Everything of an
    earlier sandbox in this folder is gone with the next start. Ctrl-C ends it.

    Example: carbonvault sandbox ./sandbox --port 8400
    """
    signal.signal(signal.SIGTERM, _end)
    typer.echo(LOUD, err=True)
    with Sandbox(folder, port) as running:
        tell(json_out, running.where(), _words(running))
        try:
            running.stay()
        except KeyboardInterrupt:
            typer.echo("SANDBOX: ended", err=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _words(running: Sandbox) -> str:
    parties = "\n".join(f"  {running.folder / p.id}  {p.name}" for p in PARTIES)
    robots = "\n".join(f"  {robot.name}  {robot.says}" for robot in ROBOTS)
    return (
        f"SANDBOX: it is {running.month} at {running.url}/sandbox\n"
        f"Folders for the commands and the SDKs:\n{parties}\n"
        f"Robots, each with closed months:\n{robots}"
    )
