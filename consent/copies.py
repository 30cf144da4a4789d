"""Copies of a log's checkpoint, compared: what the log shows, its witnesses hold, was seen before.

docs/protocol.md section 6; c2sp.org/tlog-checkpoint "Signatures".

    log           12 entries  ┐ tiles of the tree of 12 lead to its root, and give the
    w1.example    12 entries  │ roots of its first 9 and 7 entries: one history
    w2.example     9 entries  │
    seen before    7 entries  ┘

    forked    two histories under one key; the evidence file proves it
    shrunk    the log shows less than it did, or does not have what a witness holds
    invalid   a signature, a copy or a tile that is not what it must be
    stale     cosignatures older than the limit
    missing   the log, a witness or the quorum is not to be had
    turned    no alarm: the log ended as it should, and another one goes on (succession.py)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Literal

from consent.evidence import Evidence, beginning, make_challenge, make_fork, make_rollback
from consent.log.checkpoint import Checkpoint
from consent.log.note import VerifierKey
from consent.log.reasons import if_refused
from consent.log.refusal import CLOCKS
from consent.log.tiles import ReadTile
from consent.log.tlog_policy import LogPolicy, Opened
from vault.encoding import Json, JsonIn
from vault.errors import BadProof, Unreachable

Kind = Literal["forked", "shrunk", "invalid", "stale", "missing", "turned"]
WEIGHT: tuple[Kind, ...] = ("forked", "shrunk", "invalid", "stale", "missing", "turned")
LOG, KEPT = "log", "seen before"
WATCH = "audit watch"

_NUMBER = re.compile(r"[0-9]+")

TilesOf = Callable[[int], ReadTile]
"""Gives the reader of tiles as they are in a tree of this size; it may raise Unreachable."""


@dataclass(frozen=True)
class Alarm:
    """What is wrong, with whom, seen when (unix seconds), and what proves it, if anything does.

    `what` tells two alarms of one kind apart, and is the same at each look. It is one of a few
    words of ours: a party that answers otherwise each time must not make new alarms without end.
    """

    at: int
    kind: Kind
    who: str
    detail: str
    evidence: Evidence | None = None
    what: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same alarm at another look."""
        return self.kind, self.who, self.what or _NUMBER.sub("0", self.detail)

    def plain(self, file: str | None = None) -> dict[str, Json]:
        """Return the alarm as JSON members; `file` is where its evidence was written."""
        return {
            "at": self.at,
            "kind": self.kind,
            "who": self.who,
            "detail": self.detail,
            "evidence": file,
        }


@dataclass(frozen=True)
class Copy:
    """A checkpoint signed by the log, as somebody showed it."""

    who: str
    signed: str
    opened: Opened

    @property
    def head(self) -> Checkpoint:
        """The checkpoint itself."""
        return self.opened.checkpoint

    @property
    def witnesses(self) -> list[VerifierKey]:
        """Who cosigned it."""
        return [one.witness for one in self.opened.cosigned]

    def times(self, keys: Sequence[VerifierKey]) -> list[int]:
        """Return when these witnesses cosigned it (unix seconds)."""
        return [one.time for one in self.opened.cosigned if one.witness in keys]


@dataclass(frozen=True)
class Compared:
    """What a comparison found; `agreed` are the checkpoints proven to be of one history."""

    alarms: tuple[Alarm, ...]
    agreed: frozenset[Checkpoint]


def compare(
    at: int, log: VerifierKey, copies: Sequence[Copy], sources: Sequence[TilesOf]
) -> Compared:
    """Return how these copies go together.

    1. of one size: of one root. 2. the largest tree to whose root some tiles lead begins with every
    smaller one. 3. the log shows no less than it did, and has what a witness holds.

    Args:
        at: unix seconds.
        log: the log's key; it signed every copy.
        copies: at most one shown by LOG, and at most one KEPT.
        sources: where tiles are read, best first.
    """
    by_size = sorted(copies, key=lambda copy: (-copy.head.size, copy.who != LOG))
    heads: dict[Checkpoint, Copy] = {}
    for copy in by_size:
        heads.setdefault(copy.head, copy)
    distinct = list(heads.values())
    alarms = [
        _forked(at, log, one, two)  # 1
        for one, two in combinations(distinct, 2)
        if one.head.size == two.head.size
    ]
    found, agreed = _join(at, log, distinct, sources)  # 2, 3
    return Compared((*alarms, *found, *_gone_back(at, log, copies)), agreed)


def _forked(
    at: int, log: VerifierKey, one: Copy, two: Copy, read_tile: ReadTile | None = None
) -> Alarm:
    pair = (one.signed, two.signed)
    fork = make_fork(log, *pair, read_tile) if read_tile else make_fork(log, *pair)
    sizes = f"{one.head.size} and {two.head.size}"
    detail = f"the log signed two histories, of {sizes} entries"
    return Alarm(at, "forked", f"{one.who} / {two.who}", detail, fork, "copies")


def _join(
    at: int, log: VerifierKey, distinct: Sequence[Copy], sources: Sequence[TilesOf]
) -> tuple[list[Alarm], frozenset[Checkpoint]]:
    if len(distinct) < 2:
        return [], frozenset(copy.head for copy in distinct)
    alarms: list[Alarm] = []
    for place, tree in enumerate(distinct):
        smaller = [copy for copy in distinct[place + 1 :] if copy.head.size < tree.head.size]
        try:
            roots, read_tile = _roots(tree, smaller, sources)
        except (BadProof, Unreachable) as lost:
            alarms += _unsettled(at, log, tree, distinct, lost)
            continue
        others = [copy for copy in smaller if roots[copy.head.size] != copy.head.root]
        alarms += [_forked(at, log, copy, tree, read_tile) for copy in others]
        agreed = {tree.head, *(copy.head for copy in smaller if copy not in others)}
        return alarms, frozenset(agreed)
    return alarms, frozenset()


def _roots(
    tree: Copy, smaller: Sequence[Copy], sources: Sequence[TilesOf]
) -> tuple[dict[int, bytes], ReadTile]:
    """Return the roots of the tree's beginnings; raises BadProof, Unreachable as the first source.

    The log's answer counts where none settles it.
    """
    first: BadProof | Unreachable | None = None
    for tiles_of in sources:
        read_tile = tiles_of(tree.head.size)
        sizes = {copy.head.size for copy in smaller} | {0}
        try:
            return {size: beginning(size, tree.head, read_tile) for size in sizes}, read_tile
        except (BadProof, Unreachable) as bad:
            first = first or bad
    raise first or BadProof("there is no source of tiles")


def _unsettled(
    at: int,
    log: VerifierKey,
    tree: Copy,
    distinct: Sequence[Copy],
    lost: BadProof | Unreachable,
) -> Iterator[Alarm]:
    shown = next((copy for copy in distinct if copy.who == LOG), None)
    if shown is None or tree.who == KEPT:
        return
    if tree is not shown and tree.head.size <= shown.head.size:
        return
    challenge = _challenge(log, tree, distinct) or _ahead(at, log, tree, shown)
    if tree is not shown:
        detail = (
            f"{tree.who} holds {tree.head.size} entries, the log shows {shown.head.size}"
            f" and does not have the others: {lost}"
        )
        yield Alarm(at, "shrunk", LOG, detail, challenge, f"less than {tree.who}")
    elif isinstance(lost, Unreachable):
        detail = f"its tiles are not to be had: {lost}"
        yield Alarm(at, "missing", LOG, detail, challenge, "tiles")
    else:
        yield Alarm(at, "invalid", LOG, str(lost), challenge, "tiles")


def _challenge(log: VerifierKey, tree: Copy, distinct: Sequence[Copy]) -> Evidence | None:
    for copy in distinct:
        if 0 < copy.head.size < tree.head.size:
            try:
                return make_challenge(log, copy.signed, tree.signed)
            except BadProof:  # larger than a file holds
                return None
    return None


def _ahead(at: int, log: VerifierKey, larger: Copy, shown: Copy) -> Evidence | None:
    names: list[JsonIn] = [str(key) for key in dict.fromkeys(larger.witnesses)]
    notes = {"note": shown.signed, "known": larger.signed}
    return if_refused("ahead", log, **notes, witnesses=names, at=at, by=WATCH)


def _gone_back(at: int, log: VerifierKey, copies: Sequence[Copy]) -> Iterator[Alarm]:
    by = {copy.who: copy for copy in copies}
    shown, kept = by.get(LOG), by.get(KEPT)
    if shown and kept and shown.head.size < kept.head.size:
        detail = f"it showed {kept.head.size} entries before and now {shown.head.size}"
        found = _ahead(at, log, kept, shown)
        yield Alarm(at, "shrunk", LOG, detail, found, "less than before")


def find_rollbacks(at: int, log: VerifierKey, copies: Sequence[Copy]) -> Iterator[Alarm]:
    """Yield an alarm for each witness that cosigned a smaller tree after a larger one."""
    for witness in dict.fromkeys(one.witness for copy in copies for one in copy.opened.cosigned):
        for larger, smaller in permutations(copies, 2):
            before, after = larger.times([witness]), smaller.times([witness])
            if larger.head.size <= smaller.head.size or not before or not after:
                continue
            if min(before) < max(after):
                found = make_rollback(log, witness, larger.signed, smaller.signed)
                sizes = f"{smaller.head.size} entries after {larger.head.size}"
                detail = f"it cosigned {sizes}"
                yield Alarm(at, "shrunk", witness.name, detail, found, "cosigned less")
                break


def judge_ages(
    at: int, log: VerifierKey, policy: LogPolicy, shown: Copy, stale: int
) -> Iterator[Alarm]:
    """Yield what is wrong with the cosignatures that the log shows: too few, or too old."""
    cosigned = shown.opened.cosigned
    names = ", ".join(sorted({one.witness.name for one in cosigned})) or "nobody"
    if not policy.enough(one.witness for one in cosigned):
        detail = f"no quorum {policy.quorum}: cosigned by {names}"
        yield Alarm(at, "missing", LOG, detail, what="quorum")
        return
    fresh = [one.witness for one in cosigned if at - stale <= one.time <= at + CLOCKS]
    if not policy.enough(fresh):
        detail = f"the cosignatures of the last {stale} s make no quorum {policy.quorum}"
        old = [one.witness for one in cosigned if one.witness not in fresh]
        yield Alarm(at, "stale", LOG, detail, _stale(at, log, shown, old, stale), "quorum")


def _stale(
    at: int, log: VerifierKey, shown: Copy, old: Sequence[VerifierKey], stale: int
) -> Evidence | None:
    names: list[JsonIn] = [str(key) for key in dict.fromkeys(old)]
    # What is as old as the limit, to the second, is taken here and not by the rule of the file.
    limit = stale + 1
    return if_refused(
        "stale", log, note=shown.signed, witnesses=names, limit=limit, at=at, by=WATCH
    )


def judge_witness(
    at: int, log: VerifierKey, copy: Copy, keys: Sequence[VerifierKey], stale: int
) -> Iterator[Alarm]:
    """Yield what is wrong with the cosignature on a witness's own copy."""
    times = copy.times(keys)
    if not times:
        detail = "its own copy does not have its cosignature"
        yield Alarm(at, "invalid", copy.who, detail, what="uncosigned")
    elif max(times) > at + CLOCKS:
        detail = f"its cosignature is {max(times) - at} s ahead"
        yield Alarm(at, "invalid", copy.who, detail, what="clock")
    elif max(times) < at - stale:
        detail = f"its cosignature is {at - max(times)} s old"
        own = [key for key in keys if key in copy.witnesses]
        yield Alarm(at, "stale", copy.who, detail, _stale(at, log, copy, own, stale), "cosignature")
