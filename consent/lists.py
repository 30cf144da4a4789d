r"""The two lists of what concerns a person: the vault's own, and the auditor's.

    listed = fetch_listed(wire)                          every page of GET /v1/holder/entries
    theirs = fetch_auditors(auditor_wire, kid, log)      GET /entries?kid=…, proved by that key
    unlike(theirs, ours)                                 [Alarm(kind="unlike", index=57, …)]

    {"origin":"vault.example/log","size":90,"root":"…64 hex","checkpoint":"vault.example/log\n…",
     "entries":[[41,"…64 hex: SHA-256 of the text"],…]}

A vault that leaves something out of its own list shows a shorter one than the auditor, who has the
whole log (docs/protocol.md section 6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from consent.history import Head, open_listed
from consent.log.note import read_utf8, read_vkey
from consent.log.tlog_policy import open_checkpoint
from consent.logged import Log, log_named
from consent.monitor import Alarm, Listed, read_listed
from vault.directory import Directory
from vault.encoding import Json
from vault.errors import BadProof, BadShape, NotFound
from vault.messages import parse_hex
from vault.wire import Wire, objects_of, text_of

PATH = "/v1/holder/entries"
MOST = 1 << 20


def fetch_pages(wire: Wire) -> Iterator[dict[str, Json]]:
    """Yield each page of the vault's list: all of them together at most 2^20 entries.

    Raises:
        BadShape: a page that does not go forward, an empty one that is not the last, more entries.
    """
    first: int | None = 0
    count = 0
    while first is not None:
        body = wire.get(f"{PATH}?first={first}").body
        count += _count(body)
        if count > MOST:
            raise BadShape(f"the vault lists more than {MOST} entries of one person")
        yield body
        first = _next(body, first)


def _count(body: Mapping[str, Json]) -> int:
    count = len(objects_of(body, "entries"))
    if not count and body.get("next") is not None:
        raise BadShape("a page without entries names a next one")
    return count


def _next(body: Mapping[str, Json], first: int) -> int | None:
    following = body.get("next")
    if following is not None and not (isinstance(following, int) and following > first):
        raise BadShape("next: not an index after the page's first")
    return following


def fetch_listed(wire: Wire) -> list[Listed]:
    """Return the vault's whole list; raises BadShape as fetch_pages."""
    return [entry for body in fetch_pages(wire) for entry in read_listed(body)]


def fetch_whole(wire: Wire) -> dict[str, Json]:
    """Return the vault's list as one body, {"entries": […]}; raises BadShape."""
    return {"entries": [item for body in fetch_pages(wire) for item in objects_of(body, "entries")]}


@dataclass(frozen=True)
class Theirs:
    """The auditor's list of one key: its tree, and the SHA-256 of each text in hex, by index.

    Indexes are counted over all logs; `base` is how many entries stand before the tree's log.
    `cosigned_at`: a quorum of the directory's witnesses cosigned the tree at this time (unix
    seconds) or later; None: no quorum did, or none is asked for.
    """

    head: Head
    names: Mapping[int, str]
    base: int = 0
    cosigned_at: int | None = None

    @property
    def end(self) -> int:
        """The index after the last entry that the auditor has seen."""
        return self.base + self.head.size


def fetch_auditors(wire: Wire, kid: str, directory: Directory) -> Theirs:
    """Return the auditor's list of what concerns a key; an unknown key has an empty one.

    Args:
        wire: the way to the auditor's service, speaking as that key.
        kid: the key's RFC 7638 thumbprint.
        directory: the one in force; a log that it lists signed the auditor's checkpoint.

    Raises:
        Unreachable: no answer. BadShape, BadProof: not of the one form, or of another log.
    """
    try:
        body = wire.get(f"/entries?kid={kid}").body
    except NotFound:
        return _theirs(open_listed(_read_note(wire), directory), directory)
    head = open_listed(text_of(body, "checkpoint"), directory)
    told = (body.get("size"), body.get("root"))
    if told != (head.size, head.root.hex()):
        raise BadProof("size and root of the list are not its checkpoint's")
    listed = body.get("entries")
    if not isinstance(listed, list):
        raise BadShape("the answer has no list member entries")
    if len(listed) > MOST:
        raise BadShape(f"the auditor lists more than {MOST} entries of one key")
    whole = _theirs(head, directory)
    return replace(whole, names=dict(_entry(item, whole.end) for item in listed))


def _theirs(head: Head, directory: Directory) -> Theirs:
    log = log_named(directory, head.origin)
    return Theirs(head, {}, log.base, _cosigned_at(head, log))


def _cosigned_at(head: Head, log: Log) -> int | None:
    keys = {key.public: key for key in map(read_vkey, log.entry.witnesses)}
    newest: dict[str, int] = {}
    for one in open_checkpoint(head.note, log.key, list(keys.values())).cosigned:
        newest[one.witness.name] = max(one.time, newest.get(one.witness.name, 0))
    times, quorum = sorted(newest.values(), reverse=True), log.entry.quorum
    return times[quorum - 1] if 0 < quorum <= len(times) else None


def _read_note(wire: Wire) -> str:
    return read_utf8(wire.raw("/checkpoint"))


def _entry(item: Json, size: int) -> tuple[int, str]:
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], int):
        raise BadShape("wanted an entry [index, SHA-256 in hex]")
    if not 0 <= item[0] < size:
        raise BadShape(f"of {size} entries none has the index {item[0]}")
    return item[0], parse_hex(item[1], 32).hex()


def unlike(theirs: Theirs, ours: Mapping[int, str]) -> list[Alarm]:
    """Return an alarm for each entry that only one of the two lists has, or has otherwise.

    Only what the auditor's tree holds is compared; the vault's list must be the later one.

    Args:
        theirs: the auditor's list of one key.
        ours: what the vault listed of the same key and verified: SHA-256 in hex by index.
    """
    inside = {index: name for index, name in ours.items() if index < theirs.end}
    found = [
        Alarm(index, "unlike", "the auditor has an entry here that the vault does not show you")
        for index in theirs.names.keys() - inside.keys()
    ]
    for index, name in inside.items():
        if theirs.names.get(index) != name:
            why = "another text" if index in theirs.names else "nothing"
            found.append(Alarm(index, "unlike", f"the auditor has {why} of yours here"))
    return sorted(found)
