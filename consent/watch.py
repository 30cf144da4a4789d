"""Watch: one look at a log, beside what its witnesses hold and what it showed before.

docs/protocol.md section 6; c2sp.org/tlog-witness, c2sp.org/tlog-tiles.

    GET <log>/checkpoint                                 what the log shows
    GET <witness>/logs/<hex SHA-256(origin)>/checkpoint  what a witness cosigned last
    GET <log>/tile/…                                     joins trees of different sizes

Nothing here opens a connection or reads a clock: `Fetch` and the time are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256

from consent.copies import (
    KEPT,
    LOG,
    WATCH,
    WEIGHT,
    Alarm,
    Compared,
    Copy,
    TilesOf,
    compare,
    find_rollbacks,
    judge_ages,
    judge_witness,
)
from consent.log.forms import MAX_NOTE
from consent.log.merkle import HASH_SIZE
from consent.log.note import VerifierKey, read_utf8
from consent.log.reasons import find_refusal
from consent.log.refusal import Refusal
from consent.log.tiles import WIDTH, ReadTile, Tile, width_at
from consent.log.tlog_policy import LogPolicy, open_checkpoint
from vault.errors import BadPlace, BadProof, BadShape, Unreachable

Fetch = Callable[[str, int], bytes]
"""Gives the body at a URL, of at most so many bytes; raises Unreachable."""

Answer = bytes | Unreachable
Ask = Callable[[str], Answer]
AskAll = Callable[[Ask, Sequence[str]], Sequence[Answer]]
"""Asks several parties, each at its URL, and gives the answers in their order."""


def in_turn(ask: Ask, urls: Sequence[str]) -> Sequence[Answer]:
    """Return what they answer, asked one after another."""
    return [ask(url) for url in urls]


@dataclass(frozen=True)
class Look:
    """One look: the log's size if it showed one, alarms heaviest first, the note to remember.

    `turned` is no alarm: it tells of a log that ended, and of the one that goes on.
    """

    at: int
    size: int | None
    alarms: tuple[Alarm, ...]
    kept: str | None
    turned: tuple[Alarm, ...] = ()


@dataclass(frozen=True)
class Watch:
    """One log to look at: its policy, its key, where it and its mirrors are served.

    `prefix` is the log's URL, such as ``https://vault.example/log``; `stale` the age in seconds
    from which cosignatures count as old. `suffix` is the end of name and URL of a log that followed
    the vault's first one, such as ``/2027``.
    """

    policy: LogPolicy
    log: VerifierKey
    prefix: str
    fetch: Fetch
    stale: int = 86_400
    mirrors: tuple[str, ...] = ()
    suffix: str = ""
    ask_all: AskAll = in_turn

    def look(self, at: int, kept: str | None = None) -> Look:
        """Return what one look finds, at unix seconds `at`.

        Args:
            at: the time.
            kept: the note that the last look returned.

        Raises:
            BadPlace: `kept` is no checkpoint of this log.
        """
        alarms: list[Alarm] = []
        copies = [self._kept(kept)] if kept is not None else []
        # The log comes last: what a witness has by then, the log had before.
        before = [kept] if kept is not None else []
        copies += self._ask_witnesses(at, alarms, before)
        before = [copy.signed for copy in copies]
        shown = self._read(at, LOG, self._ask(f"{self.prefix}/checkpoint"), alarms, before)
        if shown:
            copies.append(shown)
            alarms += judge_ages(at, self.log, self.policy, shown, self.stale)
        sources = [tiles_at(self.fetch, prefix) for prefix in (self.prefix, *self.mirrors)]
        compared = compare(at, self.log, copies, sources)
        alarms += [*compared.alarms, *find_rollbacks(at, self.log, copies)]
        size = shown.head.size if shown else None
        return Look(at, size, heaviest_first(alarms), self._next(kept, shown, compared))

    def _kept(self, kept: str) -> Copy:
        try:
            return self._copy(KEPT, kept)[0]
        except (BadShape, BadProof) as bad:
            raise BadPlace(f"what was kept is no checkpoint of {self.log.name}: {bad}") from bad

    def _copy(self, who: str, signed: str) -> tuple[Copy, BadShape | BadProof | None]:
        """Return what the log signed, and what is wrong with its cosignatures, of which none count.

        Raises BadShape, BadProof: the log did not sign it.
        """
        copy = Copy(who, signed, open_checkpoint(signed, self.log))
        try:
            return replace(copy, opened=open_checkpoint(signed, self.log, self.policy.keys)), None
        except (BadShape, BadProof) as bad:
            return copy, bad

    def _ask_witnesses(self, at: int, alarms: list[Alarm], before: Sequence[str]) -> Iterator[Copy]:
        by_url: dict[str, list[VerifierKey]] = {}
        for member in self.policy.witnesses.values():
            if member.url:
                by_url.setdefault(member.url.rstrip("/"), []).append(member.key)
        name = sha256(self.log.name.encode()).hexdigest()
        answers = self.ask_all(self._ask, [f"{url}/logs/{name}/checkpoint" for url in by_url])
        for keys, answer in zip(by_url.values(), answers, strict=True):
            copy = self._read(at, keys[0].name, answer, alarms, before)
            if copy:
                alarms += judge_witness(at, self.log, copy, keys, self.stale)
                yield copy

    def _ask(self, url: str) -> Answer:
        try:
            return self.fetch(url, MAX_NOTE)
        except Unreachable as lost:
            return lost

    def _read(
        self, at: int, who: str, answer: Answer, alarms: list[Alarm], before: Sequence[str]
    ) -> Copy | None:
        """Return a copy; a bad cosignature is told, and what the log signed is compared still.

        `before` are notes seen before, one of which a false line may have been taken from.
        """
        if isinstance(answer, Unreachable):
            alarms.append(Alarm(at, "missing", who, str(answer), what="checkpoint"))
            return None
        try:
            signed = read_utf8(answer)
            copy, wrong = self._copy(who, signed)
        except BadShape as bad:
            alarms.append(Alarm(at, "invalid", who, str(bad), what=f"checkpoint {bad.slug}"))
            return None
        except BadProof as bad:
            found = self._why(at, signed, before)
            alarms.append(Alarm(at, "invalid", who, str(bad), found, f"checkpoint {bad.slug}"))
            return None
        if wrong is not None:
            found = self._why(at, signed, before)
            alarms.append(Alarm(at, "invalid", who, str(wrong), found, f"cosignature {wrong.slug}"))
        return copy

    def _why(self, at: int, signed: str, before: Sequence[str]) -> Refusal | None:
        found = find_refusal(signed, self.log, self.policy.keys, before)
        return found.model_copy(update={"at": at, "by": WATCH}) if found else None

    def _next(self, kept: str | None, shown: Copy | None, compared: Compared) -> str | None:
        """Return what to remember: never less, and nothing that is not proven to follow."""
        if shown is None or shown.head not in compared.agreed:
            return kept
        if any(alarm.kind == "forked" for alarm in compared.alarms):
            return kept
        if kept is None:
            return shown.signed
        before = self._kept(kept)
        follows = before.head in compared.agreed and before.head.size <= shown.head.size
        # The same tree with fewer cosignatures would take their times away.
        poorer = len(shown.opened.cosigned) < len(before.opened.cosigned)
        return shown.signed if follows and not (poorer and before.head == shown.head) else kept


def tiles_at(fetch: Fetch, prefix: str) -> TilesOf:
    """Return the tiles under a URL, or under whatever `fetch` takes before a tile's path.

    Who serves them may keep the full tile alone, once there is one (c2sp.org/tlog-tiles).
    """

    def tiles_of(size: int) -> ReadTile:
        @cache
        def read(level: int, n: int) -> bytes:
            width = width_at(size, level, n)
            if width == 0:
                return b""
            try:
                return fetch(f"{prefix}/{Tile(level, n, width)}", width * HASH_SIZE)
            except Unreachable:
                if width == WIDTH:
                    raise
                full = fetch(f"{prefix}/{Tile(level, n, WIDTH)}", WIDTH * HASH_SIZE)
                return full[: width * HASH_SIZE]

        return read

    return tiles_of


def heaviest_first(alarms: Iterable[Alarm]) -> tuple[Alarm, ...]:
    """Return alarms by their weight."""
    return tuple(sorted(alarms, key=lambda alarm: WEIGHT.index(alarm.kind)))


def log_of(policy: LogPolicy, url: str) -> VerifierKey:
    """Return the key of the policy's log that a vault at this URL serves.

    Raises:
        BadPlace: the policy names no log, or several and none by this URL.
    """
    name = url.partition("://")[2] + "/log"
    named = [log.key for log in policy.logs if name in (log.key.name, log.url.partition("://")[2])]
    found = named or [log.key for log in policy.logs]
    if len(found) != 1:
        raise BadPlace(f"wanted one log for {url} in the policy, found {len(found)}")
    return found[0]


@dataclass
class Standing:
    """The alarms that stand, so that each is told once, and its end.

    A fork does not end: what was signed stays signed.
    """

    alarms: dict[tuple[str, str, str], Alarm] = field(default_factory=dict)

    def take(self, look: Look) -> tuple[list[Alarm], list[Alarm]]:
        """Return the alarms that are new with this look, and those that ended with it."""
        now: dict[tuple[str, str, str], Alarm] = {}
        for alarm in look.alarms:
            now.setdefault(alarm.key, alarm)
        begun = [alarm for key, alarm in now.items() if key not in self.alarms]
        gone = {key: alarm for key, alarm in self.alarms.items() if key not in now}
        forks = {key: alarm for key, alarm in gone.items() if alarm.kind == "forked"}
        self.alarms = {**now, **forks}
        return begun, [alarm for key, alarm in gone.items() if key not in forks]
