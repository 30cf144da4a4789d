"""Where a watched log went: looks that follow it into the log that it turned into (section 6).

    GET <vault>/v1/log          {"origin":"vault.example/log/2027",…}     which log goes on
    GET <vault>/v1/directory    {"turns":[{"directory":"eyJ…","proof":"…"}],…}

    succession = Succession(watch, auditors)
    succession.restore(kept)               the turns of earlier looks: text as `succession.kept`
    look = succession.look(at, kept)       of the log that goes on; look.turned says it, once

The next log's key is taken from a proved turn only: the last entry of a tree that the log before
signed and a quorum of the policy cosigned, signed by a pinned auditor where one is pinned. That
tree must be the one that the log shows, and what was seen before must be its beginning. A log that
ended is looked at still: it must show no more. A vault that goes back to it raises an alarm, and so
does one that shows no turn to the log that it says goes on, after an hour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from consent.copies import LOG, WATCH, Alarm
from consent.ended import Ended, ask_standing, ask_turns, base_of, read_ends
from consent.evidence import make_fork
from consent.log.checkpoint import Checkpoint
from consent.log.forms import MAX_NOTE
from consent.log.note import VerifierKey, read_utf8
from consent.log.reasons import if_refused
from consent.log.refusal import Refusal
from consent.log.tlog_policy import open_checkpoint
from consent.turns import Turn
from consent.watch import Look, Watch, heaviest_first
from vault.encoding import compact_json
from vault.errors import (
    BadDirectory,
    BadInput,
    BadPlace,
    BadProof,
    BadShape,
    NotWitnessed,
    Unreachable,
)
from vault.messages import Shape, Unix

HIDDEN = 3600
"""How many seconds a vault may leave open which log goes on: between two directories it must."""
_FURTHER = re.compile(r"/[0-9a-z]{1,16}")
_GRAVE = ("forked", "shrunk", "invalid")


def suffix_of(name: str, base: str) -> str:
    """Return what stands after /log in a log's name, at the vault of this URL: "", or "/2027"."""
    own = name.removeprefix(base.partition("://")[2] + "/log")
    return own if _FURTHER.fullmatch(own) else ""


class Trail(Shape):
    """The turns that were followed, and since when (unix seconds) the next one stays away."""

    turns: tuple[Turn, ...] = ()
    since: Unix | None = None


@dataclass
class Succession:
    """A watch that goes on with the log that goes on; `ends` are those that ended before.

    `auditors` are the pinned keys, 32 bytes each; without one nobody's signature is asked for.
    """

    first: Watch
    auditors: tuple[bytes, ...] = ()
    ends: list[Ended] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    since: int | None = None

    @property
    def watches(self) -> list[Watch]:
        """The watched log and those that followed it."""
        return [self.first, *(end.following for end in self.ends)]

    @property
    def kept(self) -> str:
        """What `restore` takes when the watch starts again."""
        trail = Trail(turns=tuple(end.turn for end in self.ends), since=self.since)
        return compact_json(trail.plain()).decode("utf-8") + "\n"

    def restore(self, kept: str) -> None:
        """Go on from what an earlier run followed; what does not fit the pins is left out.

        Raises:
            BadPlace: it is no text of `kept`.
        """
        try:
            trail = Trail.parse(kept.encode("utf-8"))
        except BadShape as bad:
            raise BadPlace(f"what was kept of turns cannot be read: {bad}") from bad
        self.since = trail.since
        try:
            self.ends = read_ends(self.first, trail.turns, self.auditors)
        except (BadProof, BadDirectory, BadInput):
            self.ends = []  # the policy or the auditor is another one: the vault is asked anew

    def look(self, at: int, kept: str | None = None) -> Look:
        """Return one look at unix seconds `at`; `kept` is the note that the last one returned.

        Raises:
            BadPlace: `kept` is no checkpoint of a log of this vault.
        """
        wrong = self._refresh(at, kept)
        number = _number(self.watches, kept)
        if number is None and kept is not None:
            return Look(at, None, (wrong or self._gone(at, kept),), kept)
        # Where the log went is asked beside: its own answers are judged by the look.
        alarms = [wrong] if wrong and (wrong.kind in _GRAVE or self._hidden(at)) else []
        number = number or 0
        alarms += [one for end, watch in self._before(number) for one in _look_back(at, end, watch)]
        look = self.watches[number].look(at, kept)
        if kept is None:
            look = replace(look, turned=tuple(self._told(at, end) for end in self.ends[:number]))
        for end in self.ends[number:]:
            beyond = _beyond(at, end, look)
            if beyond or _seen(end, look) != end.tree:
                alarms += beyond
                break
            # Nobody cosigns an ended log again.
            alarms += [alarm for alarm in look.alarms if alarm.kind != "stale"]
            after = end.following.look(at)
            told = (*look.turned, self._told(at, end))
            look = replace(after, kept=after.kept or look.kept, turned=told)
        fresh = tuple(alarm for alarm in look.turned if alarm.detail not in self.told)
        self.told |= {alarm.detail for alarm in fresh}
        return replace(look, alarms=heaviest_first([*look.alarms, *alarms]), turned=fresh)

    def _refresh(self, at: int, kept: str | None) -> Alarm | None:
        """Look where the log went; return what is wrong with what the vault says of it."""
        try:
            wrong = self._follow(at, kept)
        except (Unreachable, NotWitnessed) as lost:
            detail = f"it does not say which log goes on: {lost}"
            wrong = Alarm(at, "missing", LOG, detail, what="turn")
        except (BadProof, BadDirectory, BadInput) as bad:
            wrong = Alarm(at, "invalid", LOG, str(bad), what=f"turn {bad.slug}")
        missing = wrong is not None and wrong.kind == "missing"
        self.since = (at if self.since is None else self.since) if missing else None
        return wrong

    def _hidden(self, at: int) -> bool:
        return self.since is not None and at - self.since >= HIDDEN

    def _follow(self, at: int, kept: str | None) -> Alarm | None:
        last = self.watches[-1]
        told = ask_standing(last)
        if told == last.log.name:
            return None
        back = next((watch for watch in self.watches if watch.log.name == told), None)
        if back is not None:
            detail = f"it turned to {last.log.name} before, and says now that {told} goes on"
            found = _other_log(at, last.log, back, kept)
            return Alarm(at, "shrunk", LOG, detail, found, "turned back")
        keys = [*self.auditors, *(end.next for end in self.ends if end.next and self.auditors)]
        self.ends += read_ends(last, ask_turns(last), keys)
        if self.watches[-1].log.name == told:
            return None
        detail = f"it says that {told[:200]!r} goes on, and shows no turn to it"
        return Alarm(at, "missing", LOG, detail, what="turn")

    def _gone(self, at: int, kept: str) -> Alarm:
        """Return the alarm of a vault that shows no turn to the log that was seen."""
        origin = kept.partition("\n")[0]
        if not suffix_of(origin, base_of(self.first)):
            raise BadPlace(f"what was kept is no checkpoint of {self.first.log.name}: {origin!r}")
        detail = f"it turned to {origin} before, and shows no turn to that log now"
        return Alarm(at, "shrunk", LOG, detail, what="turned back")

    def _before(self, number: int) -> list[tuple[Ended, Watch]]:
        return [*zip(self.ends[:number], self.watches[:number], strict=True)]

    def _told(self, at: int, end: Ended) -> Alarm:
        detail = f"it ended with {end.tree.size} entries, and {end.following.log.name} goes on"
        unchecked = "; who signed the turn was not checked: no auditor is pinned"
        return Alarm(at, "turned", LOG, detail + ("" if self.auditors else unchecked))


def _look_back(at: int, end: Ended, watch: Watch) -> list[Alarm]:
    """Return what a log that ended shows, or its witnesses hold, beside its last tree."""
    look = watch.look(at, end.note)
    found = [*(alarm for alarm in look.alarms if alarm.kind in _GRAVE), *_beyond(at, end, look)]
    name = end.log.name
    return [
        replace(one, detail=f"{name}, which ended: {one.detail}", what=f"{one.key[2]}, {name}")
        for one in found
    ]


def _other_log(at: int, log: VerifierKey, back: Watch, kept: str | None) -> Refusal | None:
    """Return what the vault shows of the log that it went back to, beside what was seen last."""
    try:
        shown = read_utf8(back.fetch(f"{back.prefix}/checkpoint", MAX_NOTE))
    except (Unreachable, BadShape):
        return None
    known = kept if kept is not None and kept.partition("\n")[0] == log.name else ""
    found = if_refused("origin", log, note=shown, known=known)
    return found.model_copy(update={"at": at, "by": WATCH}) if found else None


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
