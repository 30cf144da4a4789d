"""How watched logs ended: the turns that a vault shows, each proved (docs/protocol.md section 6).

    ask_standing(watch)                      vault.example/log/2027
    read_ends(watch, ask_turns(watch), [])   [Ended(log, tree, note, following, turn, next)]

The key of the log that follows is the turn's word: the last entry of a tree that the log before
signed and a quorum of the policy cosigned, signed by a pinned auditor where one is pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from consent.lineage import next_log
from consent.log.checkpoint import Checkpoint
from consent.log.note import VerifierKey
from consent.log.proof import read_proof, verify_proof
from consent.turns import Turn, read_by, read_turns
from consent.watch import Watch
from vault.encoding import strict_object
from vault.errors import BadProof, BadShape

MAX_STANDING = 1 << 16
MAX_DIRECTORY = 1 << 24


@dataclass(frozen=True)
class Ended:
    """A log's last tree and its note, and the watch over the log that its last entry names.

    `turn` is what proves it, `next` the auditor's next key that it names (32 bytes).
    """

    log: VerifierKey
    tree: Checkpoint
    note: str
    following: Watch
    turn: Turn
    next: bytes | None


def ask_standing(watch: Watch) -> str:
    """Return the name of the log that goes on, by the vault's word.

    Raises:
        Unreachable: it does not say. BadShape: it says something else.
    """
    told = strict_object(watch.fetch(f"{base_of(watch)}/v1/log", MAX_STANDING)).get("origin")
    if not isinstance(told, str):
        raise BadShape("wanted the name of the log that goes on")
    return told


def ask_turns(watch: Watch) -> tuple[Turn, ...]:
    """Return the turns that the vault shows; raises Unreachable, BadShape."""
    return read_turns(strict_object(watch.fetch(f"{base_of(watch)}/v1/directory", MAX_DIRECTORY)))


def base_of(watch: Watch) -> str:
    """Return the URL of the vault that serves a watched log."""
    return watch.prefix.removesuffix(watch.suffix).removesuffix("/log")


def read_ends(first: Watch, turns: Sequence[Turn], auditors: Sequence[bytes] = ()) -> list[Ended]:
    """Return how each log ended, from the watched one on; none while that goes on.

    Args:
        first: the watched log.
        turns: oldest first; those of logs before are passed over.
        auditors: keys of which one must have signed a turn, 32 bytes each; none: nobody is asked.

    Raises:
        NotWitnessed: a last tree lacks its quorum still.
        BadProof, BadDirectory, BadInput: a turn is not proved, or not the auditor's.
    """
    ends, stand, keys = list[Ended](), first, [*auditors]
    for turn in turns:
        if read_proof(turn.proof).origin == stand.log.name:
            ends.append(_read_end(first, stand, turn, keys))
            stand, following = ends[-1].following, ends[-1].next
            keys += [following] if following and keys else []
    return ends


def _read_end(first: Watch, stand: Watch, turn: Turn, keys: Sequence[bytes]) -> Ended:
    place = verify_proof(turn.proof, turn.directory, stand.log, stand.policy.keys)
    stand.policy.check(place.cosigned)
    if place.index + 1 != place.size:
        raise BadProof(f"the turn of {stand.log.name} is not its last entry")
    # A demonstration's auditor is pinned like any other.
    signed = read_by(turn.directory, keys, demo=True) if keys else None
    name = first.log.name.removesuffix(first.suffix)
    following = next_log(turn.directory, stand.log, name)
    if following is None or following.key.public == stand.log.public:
        raise BadProof(f"the last entry of {stand.log.name} names no other log")
    suffix = following.path.removeprefix("/log")
    watch = replace(
        stand,
        log=following.key,
        prefix=first.prefix.removesuffix(first.suffix) + suffix,
        mirrors=tuple(each.removesuffix(first.suffix) + suffix for each in first.mirrors),
        suffix=suffix,
    )
    tree = Checkpoint(stand.log.name, place.size, place.root)
    note = read_proof(turn.proof).checkpoint
    return Ended(stand.log, tree, note, watch, turn, signed.listing.next if signed else None)
