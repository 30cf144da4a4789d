"""``carbonvault audit witness``: who keeps a witness, apart from the vault and its operator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from consent.app import wall_clock
from consent.commands.listen import listen
from consent.log.note import read_vkey
from consent.place import hold
from consent.terminal import JsonOut, new_app, spoken, tell, write_json
from consent.witness.core import Seen
from consent.witness.http import make_witness
from consent.witness.place import add_log, end_log, make_place, open_place
from vault.encoding import Json

witness_app = new_app("A witness: it cosigns a log's checkpoints, so that nobody sees another log.")
Where = Annotated[Path, typer.Argument(metavar="DIR", help="The witness's folder.")]
_DAY, _HOUR, _MINUTE = 86400, 3600, 60


@witness_app.command()
@spoken
def init(
    folder: Where,
    name: Annotated[str, typer.Option(help="The witness's name, such as its host's.")],
    lattice: Annotated[
        bool, typer.Option("--lattice/--no-lattice", help="Make an ML-DSA-44 key too.")
    ] = True,
    logs: Annotated[
        list[str] | None, typer.Option("--log", help="The vkey of a log to know.")
    ] = None,
    json_out: JsonOut = False,
) -> None:
    """Make a witness's folder and keys; print the vkeys that logs and their readers list.

    Example: carbonvault audit witness init ./witness --name w1.example
    """
    known = [*map(str, map(read_vkey, logs or ()))]  # before anything is made
    make_place(folder, name, lattice, os.urandom)
    for vkey in known:
        add_log(folder, vkey)
    keys = [*map(str, open_place(folder).witness(wall_clock).keys)]
    members: dict[str, Json] = {"name": name, "keys": [*keys]}
    tell(json_out, members, "\n".join([f"The witness {name} is made. Its vkeys:", *keys]))


@witness_app.command("add-log")
@spoken
def add(
    folder: Where,
    vkey: Annotated[str, typer.Argument(help="The log's vkey.")],
    json_out: JsonOut = False,
) -> None:
    """Let the witness know a log by its vkey; a running server knows it when it starts again.

    Example: carbonvault audit witness add-log ./witness VKEY
    """
    key = add_log(folder, vkey)
    told = f"{key.name} is known. A server that runs must be started again."
    tell(json_out, {"origin": key.name}, told)


@witness_app.command("end-log")
@spoken
def end(
    folder: Where,
    vkey: Annotated[str, typer.Argument(help="The vkey of the log that turned.")],
    size: Annotated[
        int | None,
        typer.Option(min=0, help="Entries of its last tree; else what was cosigned last."),
    ] = None,
    json_out: JsonOut = False,
) -> None:
    """Cosign no more of a log that turned; a running server knows it when it starts again.

    The directory after the turn lists the size of the last tree. Nothing beyond it is cosigned, and
    that tree is not cosigned anew.

    Example: carbonvault audit witness end-log ./witness VKEY --size 90
    """
    last = end_log(folder, vkey, size)
    name = read_vkey(vkey).name
    told = f"{name} ended with {last} entries. A server that runs must be started again."
    tell(json_out, {"origin": name, "size": last}, told)


@witness_app.command()
@spoken
def serve(
    folder: Where,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.")] = 8080,
) -> None:
    """Run the witness over its folder; one server to a folder.

    It speaks HTTP, so a proxy before it speaks TLS. Prints one JSON line once it listens.

    Example: carbonvault audit witness serve ./witness --port 8080
    """
    place = open_place(folder)
    with hold(folder), listen(host, port) as listening:
        witness = place.witness(wall_clock)
        server = uvicorn.Server(
            uvicorn.Config(make_witness(witness), log_level="warning", access_log=False)
        )
        named = f"[{host}]" if ":" in host else host
        url = f"http://{named}:{listening.getsockname()[1]}"
        write_json({"url": url, "name": witness.name, "keys": [*map(str, witness.keys)]})
        server.run(sockets=[listening])


@witness_app.command()
@spoken
def show(folder: Where, json_out: JsonOut = False) -> None:
    """Show what was cosigned last of each log, and how many contradictions are kept.

    Example: carbonvault audit witness show ./witness
    """
    place, now = open_place(folder), wall_clock()
    witness = place.witness(wall_clock)
    seen = [witness.seen(origin) for origin in witness.logs]
    evidence = place.evidence()
    logs: list[Json] = [_plain(one, now) for one in seen]
    members: dict[str, Json] = {"name": place.name, "logs": logs, "evidence": len(evidence)}
    lines = [*(_line(one, now) for one in seen), f"Contradictions kept: {len(evidence)}"]
    tell(json_out, members, "\n".join([*lines, *(f"  {path}" for path in evidence)]))


def _plain(seen: Seen, now: int) -> Json:
    found: dict[str, Json] = {"origin": seen.checkpoint.origin, "size": seen.checkpoint.size}
    when = (seen.time, now - seen.time) if seen.time else (None, None)
    return {**found, "at": when[0], "age": when[1]}


def _line(seen: Seen, now: int) -> str:
    if not seen.time:
        return f"{seen.checkpoint.origin}: nothing cosigned yet"
    return f"{seen.checkpoint.origin}: size {seen.checkpoint.size}, {_age(now - seen.time)} ago"


def _age(seconds: int) -> str:
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
