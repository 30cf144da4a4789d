"""Where a watched log went: looks that follow it into the log that it turned into (section 6).

    GET <vault>/v1/log          {"origin":"vault.example/log/2027",…}     which log goes on
    GET <vault>/v1/directory    {"turns":[{"directory":"eyJ…","proof":"…"}],…}

    succession = Succession(watch)
    look = succession.look(at, kept)       of the log that goes on; look.turned says it, once

The next log's key is taken from a proved turn only: the last entry of a tree that the log before
signed and a quorum of the policy cosigned. That tree must be the one that the log shows, and what
was seen before must be its beginning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from consent.copies import LOG, Alarm
from consent.evidence import make_fork
from consent.lineage import next_log
from consent.log.checkpoint import Checkpoint
from consent.log.note import VerifierKey
from consent.log.proof import read_proof, verify_proof
from consent.log.tlog_policy import open_checkpoint
from consent.turns import Turn, read_turns
from consent.watch import Look, Watch, heaviest_first
from vault.encoding import strict_object
from vault.errors import BadProof, BadShape, NotWitnessed, Unreachable

MAX_STANDING = 1 << 16
MAX_DIRECTORY = 1 << 24
_FURTHER = re.compile(r"/[0-9a-z]{1,16}")


def suffix_of(name: str, base: str) -> str:
    """Return what stands after /log in a log's name, at the vault of this URL: "", or "/2027"."""
    own = name.removeprefix(base.partition("://")[2] + "/log")
    return own if _FURTHER.fullmatch(own) else ""


@dataclass(frozen=True)
class Ended:
    """A log's last tree and its note, and the watch over the log that its last entry names."""

    log: VerifierKey
    tree: Checkpoint
    note: str
    following: Watch


def read_ends(first: Watch) -> list[Ended]:
    """Return how each log ended, from the watched one on; none while that goes on.

    Between a turn and the directory that closes it the vault shows no turn yet.

    Raises:
        Unreachable: the vault does not say. NotWitnessed: a last tree lacks its quorum still.
        BadProof, BadShape: what it says is not proved.
    """
    base = first.prefix.removesuffix(first.suffix).removesuffix("/log")
    told = strict_object(first.fetch(f"{base}/v1/log", MAX_STANDING)).get("origin")
    if told == first.log.name:
        return []
    turns = read_turns(strict_object(first.fetch(f"{base}/v1/directory", MAX_DIRECTORY)))
    ends, stand = list[Ended](), first
    for turn in turns:
        if read_proof(turn.proof).origin == stand.log.name:
            ends.append(_read_end(first, stand, turn))
            stand = ends[-1].following
    return ends


def _read_end(first: Watch, stand: Watch, turn: Turn) -> Ended:
    place = verify_proof(turn.proof, turn.directory, stand.log, stand.policy.keys)
    stand.policy.check(place.cosigned)
    if place.index + 1 != place.size:
        raise BadProof(f"the turn of {stand.log.name} is not its last entry")
    name = first.log.name.removesuffix(first.suffix)
    following = next_log(turn.directory, stand.log, name)
    if following is None:
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
    return Ended(stand.log, tree, read_proof(turn.proof).checkpoint, watch)


@dataclass
class Succession:
    """A watch that goes on with the log that goes on; `ends` are those that ended before."""

    first: Watch
    ends: list[Ended] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    def look(self, at: int, kept: str | None = None) -> Look:
        """Return one look at unix seconds `at`; `kept` is the note that the last one returned.

        Raises:
            BadPlace: `kept` is no checkpoint of this log or of one that it turned into.
        """
        wrong = self._refresh(at)
        watches = [self.first, *(end.following for end in self.ends)]
        number = _number(watches, kept)
        if number is None and wrong:
            return Look(at, None, (wrong,), kept)  # which log goes on is not to be had
        # Where the log went is asked beside: its own answers are judged by the look.
        alarms = [wrong] if wrong and wrong.kind == "invalid" else []
        look = watches[number or 0].look(at, kept)
        for end in self.ends[number or 0 :]:
            beyond = _beyond(at, end, look)
            if beyond or _seen(end, look) != end.tree:
                alarms += beyond
                break
            # Nobody cosigns an ended log again.
            alarms += [alarm for alarm in look.alarms if alarm.kind != "stale"]
            after = end.following.look(at)
            look = replace(
                after, kept=after.kept or look.kept, turned=(*look.turned, _told(at, end))
            )
        fresh = tuple(alarm for alarm in look.turned if alarm.detail not in self.told)
        self.told |= {alarm.detail for alarm in fresh}
        return replace(look, alarms=heaviest_first([*look.alarms, *alarms]), turned=fresh)

    def _refresh(self, at: int) -> Alarm | None:
        """Look where the log went; return what is wrong with what the vault says of it."""
        last = self.ends[-1].following if self.ends else self.first
        try:
            self.ends += read_ends(last)
        except (Unreachable, NotWitnessed) as lost:
            detail = f"it does not say which log goes on: {lost}"
            return Alarm(at, "missing", LOG, detail, what="turn")
        except (BadProof, BadShape) as bad:
            return Alarm(at, "invalid", LOG, str(bad), what=f"turn {bad.slug}")
        return None


def _number(watches: list[Watch], kept: str | None) -> int | None:
    """Return which of the logs a kept note is of; the last one when nothing was kept."""
    if kept is None:
        return len(watches) - 1
    origin = kept.partition("\n")[0]
    names = [watch.log.name for watch in watches]
    return names.index(origin) if origin in names else None


def _seen(end: Ended, look: Look) -> Checkpoint | None:
    """Return the tree of a log that ended that is remembered of it, if it is of that log."""
    if look.kept is None or look.kept.partition("\n")[0] != end.tree.origin:
        return None
    return open_checkpoint(look.kept, end.log).checkpoint


def _beyond(at: int, end: Ended, look: Look) -> list[Alarm]:
    """Return an alarm when a log that ended shows more, or another tree than it ended with."""
    if look.size is not None and look.size > end.tree.size:
        detail = f"it turned with {end.tree.size} entries, and shows {look.size}"
        return [Alarm(at, "invalid", LOG, detail, what="beyond its end")]
    seen = _seen(end, look)
    if seen is None or seen == end.tree or seen.size != end.tree.size or look.kept is None:
        return []
    fork = make_fork(end.log, end.note, look.kept)
    detail = "its turn is proved in another tree than it shows"
    return [Alarm(at, "forked", LOG, detail, fork, "turn")]


def _told(at: int, end: Ended) -> Alarm:
    detail = f"it ended with {end.tree.size} entries, and {end.following.log.name} goes on"
    return Alarm(at, "turned", LOG, detail)
