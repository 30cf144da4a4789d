"""``carbonvault audit serve``: the auditor shows each key what of the log concerns it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from consent.commands.listen import listen
from consent.commands.party import LogKey
from consent.entries_http import make_entries
from consent.entry_index import head_of, open_copy
from consent.history import Newest, check_one_history, open_head
from consent.log.note import VerifierKey, read_utf8, read_vkey
from consent.place import check_url, hold
from consent.terminal import spoken, write_json
from vault.encoding import Json
from vault.errors import BadProof, BadShape
from vault.wire import Wire


def add_commands(audit: typer.Typer) -> None:
    """Put `serve` on the auditor's group."""
    audit.command()(spoken(serve))


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The auditor's copy of a log.")],
    log: LogKey,
    vault: Annotated[
        str, typer.Option(help="The vault's URL: the copy must be a beginning of its log now.")
    ] = "",
    url: Annotated[
        str, typer.Option(help="The public URL, which holders' proofs name; else this port here.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.")] = 8090,
) -> None:
    """Let holders compare: each key is shown what concerns it, and nobody else is.

    DIR is a copy of the log with its texts, and may hold reports. Prints one JSON line once it
    listens. What it answers follows the copy as that grows.

    Example: carbonvault audit serve ./copy --log VKEY --vault https://vault.example --port 8090
    """
    key = read_vkey(log)
    members: dict[str, Json] = {}
    if vault:
        members["vault_size"] = check_copy(folder, key, Wire(vault)).size
    with hold(folder), listen(host, port) as listening:
        place = f"http://{host}:{listening.getsockname()[1]}"
        check_url(url or place)
        application = make_entries(folder, url or place, key)
        write_json({"url": url or place, "listening": place, **members})
        config = uvicorn.Config(application, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listening])


def check_copy(folder: Path, log: VerifierKey, wire: Wire) -> Newest:
    """Return the vault's newest tree of the copy's last log, once the copy is a beginning of it.

    Args:
        folder: the copy.
        log: its first log.
        wire: the way to the vault.

    Raises:
        BadProof: it is not, or one of the two is not this log's. BadPlace: there is no copy.
    """
    last = open_copy(folder, log)[-1]
    place = last.place
    try:
        shown = open_head(read_utf8(wire.raw(f"{place.path}/checkpoint")), place.key)
    except BadShape as bad:
        raise BadProof(f"the log's checkpoint cannot be read: {bad}") from bad
    check_one_history((head_of(last), shown), wire, place.path)
    return Newest(shown, place.base + shown.size)
