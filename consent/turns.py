"""When a log turns: how a client goes from the log it pins to the one that goes on (section 6).

    {"directory":"eyJ…","proof":"…","turns":[{"directory":"eyJ…","proof":"…"}]}

A log **turns** when its last entry is a directory whose `log` names the next one. The directory
after it, the first entry of the next log, lists the one that ended with its last tree. The vault
serves every turn so far, oldest first. A turn is only the way there: no client goes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from consent.log.proof import Logged
from consent.logged import logs_of, vkeys_of
from vault.directory import Directory, check_successor, read_directory
from vault.encoding import Json, compact_json, read_envelope, thumbprint
from vault.errors import BadDirectory, BadInput
from vault.messages import Jws, Listing, Shape
from vault.wire import objects_of

ProofText = Annotated[str, Field(min_length=1, max_length=1 << 16)]


class Turn(Shape):
    """A directory that ended a log, and its proof in that log's last tree."""

    directory: Jws
    proof: ProofText


def read_turns(body: Mapping[str, Json]) -> tuple[Turn, ...]:
    """Return the turns that a vault serves with its directory; raises BadShape."""
    if "turns" not in body:
        return ()
    return tuple(Turn.parse(compact_json(dict(item))) for item in objects_of(body, "turns"))


def read_by(text: str, auditors: Iterable[bytes], demo: bool) -> Directory:
    """Return a directory that one of these auditors signed; it need not be in force.

    Args:
        text: the `cv1-directory`.
        auditors: Ed25519 keys of 32 bytes each.
        demo: whether a demonstration's is taken.

    Raises:
        BadDirectory: none of them signed it, or it is a demonstration's.
        BadJws, BadType, BadShape, BadPoint: no directory in its only form.
    """
    kid = read_envelope(text, Listing.typ).kid
    signer = next((pk for pk in auditors if thumbprint(pk) == kid), None)
    if signer is None:
        raise BadDirectory("the directory is not signed by the pinned auditor")
    directory = read_directory(text, signer)
    if directory.listing.demo and not demo:
        raise BadDirectory("this is a demonstration directory; its clock is moved by hand")
    return directory


def walk_turns(
    fresh: Directory,
    turns: Sequence[Turn],
    stand: str,
    auditors: Iterable[bytes],
    check: Callable[[str, str], Logged],
) -> None:
    """Return when the log of this vkey goes on, or turned, once or more, into the one that does.

    1. the directory lists it among the ended ones, and there is a turn for each of those. 2. each
    turn from there on: signed by the auditor, or by who was named next on the way; made over the
    same ended logs before it. 3. it is proved in the log we stand on, in its last tree, as the last
    entry. 4. it names the log that the directory lists next; there we stand then. 5. the directory
    follows the last turn.

    Args:
        fresh: a directory that the client may take but for its log.
        turns: what the vault served, or a receipt holds.
        stand: the vkey that is pinned, or the one of the directory held.
        auditors: keys that may have signed a turn, 32 bytes each.
        check: gives the place of a text by its proof file, under `fresh` (check_logged).

    Raises:
        BadDirectory, BadProof: any of these fails. NotWitnessed: a last tree lacks its quorum.
    """
    vkeys, logs, keys = vkeys_of(fresh), logs_of(fresh), [*auditors]
    if stand == vkeys[-1]:
        return
    if stand not in vkeys or len(turns) != len(fresh.earlier):
        raise BadDirectory("the directory names another log than the pinned one")  # 1
    for number in range(vkeys.index(stand), len(fresh.earlier)):
        turn = _read(turns[number], keys, fresh)  # 2
        if turn.earlier != fresh.earlier[:number]:
            raise BadDirectory(f"turn {number + 1} is of other logs than the directory lists")
        place = check(turn.text, turns[number].proof)  # 3
        if place.origin != logs[number].key.name or place.index + 1 != logs[number].end:
            raise BadDirectory(
                f"turn {number + 1} is not the last entry of {logs[number].key.name}"
            )
        if turn.listing.log.vkey != vkeys[number + 1]:  # 4
            raise BadDirectory(f"turn {number + 1} leads to another log than the directory lists")
        keys += [turn.listing.next] if turn.listing.next else []
    check_successor(turn, fresh)  # 5


def _read(turn: Turn, keys: list[bytes], fresh: Directory) -> Directory:
    try:
        return read_by(turn.directory, keys, fresh.listing.demo)
    except BadInput as bad:
        raise BadDirectory("a turn is not signed by the pinned auditor") from bad
