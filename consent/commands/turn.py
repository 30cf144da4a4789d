"""``carbonvault directory turn``: one log ends, the next one goes on (docs/protocol.md section 6).

1. The turn: a directory whose `log` is the next one. The vault logs it last in the log that ends.
2. The register then lists that log as ended, with the tree that the turn's proof shows: one that
   its witnesses cosigned, where it has a quorum. What nobody else saw is not written down for ever.
3. The closing: the directory that says so, first entry of the next log.

Until the closing is there the vault takes nothing else. What was begun is finished by the same
command: the turn is kept before it is sent, as every directory is, and an answer that was lost is
asked for again with the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from consent.accredit import DIRECTORY_LIFE, close_log, turn_log
from consent.commands.register import Place, open_place, post, publish, sign_next
from consent.log.note import read_vkey
from consent.log.proof import Logged, verify_proof
from consent.log.tlog_policy import policy_of
from consent.terminal import JsonOut, spoken, tell
from vault.directory import Directory
from vault.encoding import Json
from vault.errors import BadDirectory, BadProof, NotWitnessed
from vault.messages import LogEntry

EVERY, TRIES = 2, 30
"""Seconds between two questions for the last tree with its quorum, and how many there are."""
Pause = Callable[[float], None]


class Turned(NamedTuple):
    """The closing directory, and its place counted over all logs."""

    directory: Directory
    place: int


def add_turn(app: typer.Typer) -> None:
    """Put `turn` on the auditor's group."""
    app.command()(spoken(turn))


def turn(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The auditor's folder.")],
    url: Annotated[str, typer.Argument(help="The vault's URL; else the folder's.")] = "",
    *,
    vkey: Annotated[str, typer.Option(help="The next log's vkey: `carbonvault log next`.")],
    witness: Annotated[list[str] | None, typer.Option(help="Vkeys of its witnesses.")] = None,
    quorum: Annotated[int, typer.Option(min=0, max=64, help="How many must cosign.")] = 0,
    json_out: JsonOut = False,
) -> None:
    """End the log and let the next one go on: two directories, one after the other.

    Call it again with the same words when it was interrupted: the vault takes nothing else until
    both are published.

    Example: carbonvault directory turn ./auditor --vkey VKEY
    """
    place = open_place(folder)
    turned = turn_place(place, (url or place.url).rstrip("/"), log_entry(vkey, witness, quorum))
    listing = turned.directory.listing
    ended = turned.directory.earlier[-1]
    members: dict[str, Json] = {
        "version": listing.version,
        "index": turned.place,
        "ended": ended.origin,
        "size": ended.size,
        "root": ended.root.hex(),
    }
    told = f"{ended.origin} ended with {ended.size} entries; {listing.log.origin} goes on."
    tell(json_out, members, told)


def log_entry(vkey: str, witness: list[str] | None, quorum: int) -> LogEntry:
    """Return a log as a directory names it; raises BadShape, BadDirectory."""
    witnesses = tuple(str(read_vkey(each)) for each in witness or ())
    if quorum > len(witnesses):
        raise BadDirectory(f"wanted a quorum of at most {len(witnesses)} witnesses")
    return LogEntry(origin=read_vkey(vkey).name, vkey=vkey, witnesses=witnesses, quorum=quorum)


def turn_place(
    place: Place,
    url: str,
    entry: LogEntry,
    life: int = DIRECTORY_LIFE,
    pause: Pause = time.sleep,
) -> Turned:
    """Let the log of an auditor's folder end and another one go on; finish what was begun.

    Args:
        place: the auditor's folder.
        url: the vault's URL.
        entry: the next log.
        life: seconds until the directories expire.
        pause: waits so many seconds.

    Raises:
        BadDirectory: nothing is published yet, the log goes on already, or another turn is open.
        BadProof: the vault does not prove that the turn is the last entry of the log that ends.
        NotWitnessed: for a minute its last tree lacked the quorum; call again. Unreachable: too.
    """
    if place.register.log is None or place.register.log.vkey != entry.vkey:
        _end(place, url, entry, life, pause)
        place = open_place(place.path)
    held = place.held()
    if held is None or held.earlier == place.register.earlier or place.register.log != entry:
        raise BadDirectory(f"{entry.origin} is the log that goes on already: no turn to it is open")
    if waiting := place.pending():
        return Turned(waiting, post(place, url, waiting).index)
    closing, logged = publish(place, url, life, with_next=False)
    return Turned(closing, logged.index)


def _end(place: Place, url: str, entry: LogEntry, life: int, pause: Pause) -> None:
    """Publish the turn, and put the log that it ended into the register, with its last tree."""
    register, ended = turn_log(place.register, entry), place.register.log
    turning = _begun(place, url, entry)
    if turning is None:
        turning = sign_next(place, register, life, place.key(), place.next_public())
    logged = _post_turn(place, url, turning, ended or entry, pause)
    place.save(close_log(place.register, entry, logged.size, logged.root))


def _post_turn(place: Place, url: str, turning: Directory, ended: LogEntry, pause: Pause) -> Logged:
    """Return a turn's place in the last tree, once the quorum of the log that ends cosigned it."""

    def check(proof: str) -> Logged:
        return _check_last(ended, turning.text, proof)

    for _ in range(TRIES):
        try:
            return post(place, url, turning, check)
        except NotWitnessed:  # the vault answers at once, and the witnesses come after
            pause(EVERY)
    return post(place, url, turning, check)


def _begun(place: Place, url: str, entry: LogEntry) -> Directory | None:
    """Return a turn that is open: one that waits to be posted, or that was the last directory."""
    waiting, ended = place.pending(), place.register.log
    if waiting and ended and waiting.listing.log.vkey == ended.vkey:
        post(place, url, waiting)
        waiting = None
    last = waiting or place.held()
    if last is None or ended is None:
        raise BadDirectory("nothing is published yet: there is no log that could turn")
    if last.listing.log.vkey == ended.vkey:
        return None
    if last.listing.log != entry:
        raise BadDirectory(f"a turn to {last.listing.log.origin} is open: finish it, as it began")
    return last


def _check_last(ended: LogEntry, text: str, proof: str) -> Logged:
    """Return a turn's place, once the log that it ends proves it as the last entry."""
    log, witnesses = read_vkey(ended.vkey), [*map(read_vkey, ended.witnesses)]
    found = verify_proof(proof, text, log, witnesses)
    if found.index + 1 != found.size:
        raise BadProof(
            f"the turn is entry {found.index} of {found.size}: it must be the last of its log"
        )
    policy_of(log, witnesses, ended.quorum).check(found.cosigned)
    return found
