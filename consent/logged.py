"""Where a text stands: the logs of a directory, and what a proof in one of them shows (section 6).

    logs_of(directory)        [Log(vault.example/log, base=0, last=(90, …)), Log(…/2027, base=90)]
    place = check_logged(directory, text, proof)
    place.index               93: counted over all logs; the file's own `index` was 3

A log may end and another go on (a year's shard, a new key). Of one that ended only its last tree
counts, which the directory names: a key that was stolen later makes no entry of it. What goes on
is judged by the witnesses that the directory asks for, and by the client's own policy file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from consent.log.note import VerifierKey, read_vkey
from consent.log.proof import Logged, read_proof, verify_proof
from consent.log.reasons import accuses, find_refusal, if_refused, refusal_text
from consent.log.refusal import CLOCKS
from consent.log.tlog_policy import LogPolicy, policy_of
from vault.directory import Directory
from vault.encoding import JsonIn
from vault.errors import BadDirectory, BadProof, BadShape, StaleLog
from vault.messages import ClosedLog, LogEntry

_PATH = "/log"
_FURTHER = re.compile(r"/[0-9a-z]{1,16}")


@dataclass(frozen=True)
class Log:
    """One log of a directory: its key, how many entries stand before it, and its last tree.

    `last` is the (size, root) that it ended with, None for the one that goes on; `path` is where
    the vault serves it: /log, or /log/<name> for those after the first.
    """

    entry: LogEntry
    key: VerifierKey
    base: int
    path: str
    last: tuple[int, bytes] | None

    @property
    def end(self) -> int | None:
        """The place after its last entry; None while it goes on."""
        return None if self.last is None else self.base + self.last[0]

    def check_tree(self, size: int, root: bytes) -> None:
        """Return when a tree of it counts; raises BadProof for one that is not its last."""
        if self.last is not None and self.last != (size, root):
            raise BadProof(
                f"{self.key.name} ended with {self.last[0]} entries, and its last tree alone"
                f" counts; found one of {size}"
            )


def logs_of(directory: Directory) -> list[Log]:
    """Return the logs that a directory lists, oldest first; the last one goes on.

    Raises:
        BadDirectory: two of one name or of one key, or one that does not stand under the first.
        BadShape: a vkey of another form.
    """
    entries: list[LogEntry] = [*directory.earlier, directory.listing.log]
    keys = [read_vkey(entry.vkey) for entry in entries]
    if len({key.name for key in keys}) != len(keys):
        raise BadDirectory("two logs of one name")
    if len({key.public for key in keys}) != len(keys):
        raise BadDirectory("two logs of one key")
    logs, base = list[Log](), 0
    for entry, key in zip(entries, keys, strict=True):
        last = (entry.size, entry.root) if isinstance(entry, ClosedLog) else None
        logs.append(Log(entry, key, base, path_under(keys[0].name, key.name), last))
        base += last[0] if last else 0
    return logs


def path_under(first: str, name: str) -> str:
    """Return where a vault serves a log, by its name and the first one's; raises BadDirectory."""
    own = name.removeprefix(first)
    if own and not _FURTHER.fullmatch(own):
        raise BadDirectory(f"the log {name} does not stand under the first one, {first}")
    return _PATH + own


def log_named(directory: Directory, origin: str, note: str = "") -> Log:
    """Return the log of this origin; raises BadProof when the directory lists none.

    `note` is the signed checkpoint that names it; the error shows it as evidence.
    """
    logs = logs_of(directory)
    for log in logs:
        if log.key.name == origin:
            return log
    found = [one for log in reversed(logs) if (one := find_refusal(note, log.key, ()))]
    # The key that signed it is the one that is accused, also when its log ended.
    shown = next(filter(accuses, found), found[0] if found else None)
    raise BadProof(f"the directory knows no log {origin[:200]!r}", refusal_text(shown))


def log_holding(directory: Directory, size: int) -> Log:
    """Return the log in which the first `size` entries, counted over all logs, end."""
    logs = logs_of(directory)
    return next((log for log in logs if log.end is not None and size <= log.end), logs[-1])


def vkeys_of(directory: Directory | None) -> tuple[str, ...]:
    """Return the vkeys of a directory's logs, oldest first; none for no directory."""
    if directory is None:
        return ()
    return (*(log.vkey for log in directory.earlier), directory.listing.log.vkey)


def knows(directory: Directory, proof: str) -> bool:
    """Whether the directory lists a log of the name that a proof file is of."""
    try:
        log_named(directory, read_proof(proof).origin)
    except (BadProof, BadShape):
        return False
    return True


def check_logged(
    directory: Directory,
    text: str,
    proof: str,
    own: LogPolicy | None = None,
    witnessed: bool = True,
) -> Logged:
    """Return the place of a text in the logs of this directory, once its proof verifies.

    1. the proof is of a log that the directory lists. 2. the log signed the tree, its witnesses
    cosigned it, and the text stands in it. 3. of a log that ended, it is the last tree.

    Args:
        directory: names the logs, their witnesses and quorums.
        text: the compact JWS that is said to be logged.
        proof: its proof file.
        own: the client's own policy, which must know a log of this directory; its quorum is asked
            for too.
        witnessed: False for what the client posted itself a moment ago: the vault answers at once,
            and the witnesses come after. Cosignatures that are there must verify all the same.

    Raises:
        BadProof: it does not verify, or is of a log that the own policy does not know; with
            evidence of a wrong origin or of a false cosignature.
        NotWitnessed: it does, but a quorum is missing.
    """
    try:
        parts = read_proof(proof)
    except BadShape as bad:
        raise BadProof(f"the proof file cannot be read: {bad}") from bad
    log = log_named(directory, parts.origin, parts.checkpoint)  # 1
    _check_known(directory, log, own)
    policies = _policies(log, own)
    witnesses = list(dict.fromkeys(key for policy in policies for key in policy.keys))
    try:
        place = verify_proof(proof, text, log.key, witnesses)  # 2
    except BadProof as bad:
        bad.evidence = refusal_text(find_refusal(parts.checkpoint, log.key, witnesses))
        raise
    log.check_tree(place.size, place.root)  # 3
    if witnessed:
        for policy in policies:
            policy.check(place.cosigned)  # 2
    return replace(place, index=log.base + place.index)


def _check_known(directory: Directory, log: Log, own: LogPolicy | None) -> None:
    # One that the policy names and the others of its chain: each turn was proved in the log before.
    if own is not None and not {str(one.key) for one in own.logs} & {*vkeys_of(directory)}:
        raise BadProof(f"the own policy knows no log {log.key.name} of this key")


def check_fresh(
    directory: Directory, place: Logged, wall: int, limit: int, own: LogPolicy | None = None
) -> None:
    """Return when a quorum cosigned the proof's tree lately: it is no old world shown again.

    Where no quorum is asked for there is nothing to measure, and of a log that ended there is no
    newer tree.

    Args:
        directory: as in check_logged.
        place: what check_logged returned.
        wall: the unix seconds now, by the wall clock.
        limit: how many seconds ago the cosignatures may be made; 0: any time.
        own: as in check_logged.

    Raises:
        StaleLog: too few cosignatures have a time in (wall - limit, wall + 300]; with evidence.
    """
    log = log_named(directory, place.origin)
    if not limit or log.last is not None:
        return
    lately = [one.witness for one in place.cosigned if wall - limit < one.time <= wall + CLOCKS]
    if not all(policy.enough(lately) for policy in _policies(log, own)):
        times = ", ".join(f"{one.witness.name} at {one.time}" for one in place.cosigned)
        said = f"wanted cosignatures of the last {limit} s at {wall}; found {times}"
        raise StaleLog(said, _stale(log, place, wall, limit))


def _stale(log: Log, place: Logged, wall: int, limit: int) -> str:
    fresh = {one.witness for one in place.cosigned if wall - limit < one.time <= wall + CLOCKS}
    old = [str(one.witness) for one in place.cosigned if one.witness not in fresh]
    members: dict[str, JsonIn] = {"witnesses": [*dict.fromkeys(old)], "limit": limit, "at": wall}
    return refusal_text(if_refused("stale", log.key, note=place.note, **members))


def _policies(log: Log, own: LogPolicy | None) -> tuple[LogPolicy, ...]:
    keys = map(read_vkey, log.entry.witnesses)
    # A key that is listed under two names is one witness.
    witnesses = list({key.public: key for key in keys}.values())
    listed = policy_of(log.key, witnesses, log.entry.quorum)
    return (listed,) if own is None else (listed, own)
