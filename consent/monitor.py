r"""What the log holds of a person, beside what their devices know (docs/protocol.md section 6).

    {"entries":[{"index":41,"at":1767225600,"salt":"…","text":"eyJhbGciOi…",
                 "proof":"c2sp.org/tlog-proof@v1\nextra …"},…],"next":null}

    judged = check_entries(own, listed)
    judged.alarms                [Alarm(kind="foreign", index=57, detail="cv1-grant")]

Every proof and signature is checked. A text that only this person can sign, and that none of their
devices named in the state, was signed by somebody who has the root. Who has it can write the state
too: what one device did not do and never saw is therefore told apart (`elsewhere`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from consent.log.proof import Logged, read_proof
from consent.log.tlog_policy import LogPolicy
from consent.policy import check_logged
from consent.signers import Signers
from consent.state import UNPROVED, HolderState, merge_made
from vault.directory import Directory
from vault.encoding import Json, text_hash
from vault.errors import BadProof, BadShape, NotWitnessed, VaultError
from vault.messages import parse_hex
from vault.wire import objects_of, text_of

Kind = Literal["unproved", "strange", "foreign", "withheld", "history", "unlike"]
Origin = Literal["here", "elsewhere", "before", "foreign", "other"]


@dataclass(frozen=True)
class Listed:
    """One entry as the vault lists it, its index counted over all logs; nothing verified yet."""

    index: int
    at: int
    salt: bytes
    text: str
    proof: str


def read_listed(body: Mapping[str, Json]) -> list[Listed]:
    """Return the entries of one page; raises BadShape."""
    return [_listed(item) for item in objects_of(body, "entries")]


def _listed(item: Mapping[str, Json]) -> Listed:
    index, at = item.get("index"), item.get("at")
    if not isinstance(index, int) or not isinstance(at, int) or min(index, at) < 0:
        raise BadShape("an entry of the log has an index and a time")
    salt = parse_hex(item.get("salt"), 16)
    return Listed(index, at, salt, text_of(item, "text"), text_of(item, "proof"))


@dataclass(frozen=True)
class Look:
    """What a device saw of the log: the newest checkpoint (a signed note; empty: none yet).

    When that log ended since, its last tree, which the directory lists, must go on from there.

    `seen` has the SHA-256 of each text that was listed and verified, in hex, by its index: about
    100 bytes an entry on this device, 200 kB for ten years of five links.
    """

    checkpoint: str = ""
    seen: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Own:
    """Whose entries they are: keys, and what the state and this device know.

    `account` is the account's public key, `consent` gives that of an organisation's consent key
    (32 bytes each); `made` are the acts of this device.
    """

    account: bytes
    consent: Callable[[str], bytes]
    directory: Directory
    trust: LogPolicy | None
    state: HolderState
    made: Mapping[str, int]
    look: Look


@dataclass(frozen=True, order=True)
class Alarm:
    """Something that should not be: the log index (-1: of no one entry), what kind, the details.

    unproved: no valid proof. strange: signed by nobody who may, or against the entries before.
    foreign: under this person's keys, by no device of theirs. withheld: proved once, not shown now.
    history: two views of the log do not fit together. unlike: the auditor has another list.
    `evidence` is the text of an evidence file, where there is one.
    """

    index: int
    kind: Kind
    detail: str
    evidence: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Shown:
    """One verified entry; `witnessed`: a quorum cosigned the tree it is proved in.

    `made` says whose act it was, as far as this device can tell: its own (here), another device's,
    from before acts were recorded, nobody's (foreign); other: not signed by the person. `consent`
    is the kid of the consent key that it concerns, `act` its name in the state; empty for none.
    """

    index: int
    at: int
    typ: str
    text: str
    consent: str
    witnessed: bool
    made: Origin = "other"
    act: str = ""

    @property
    def name(self) -> str:
        """The SHA-256 of the text, in hex."""
        return text_hash(self.text).hex()


@dataclass(frozen=True)
class Judged:
    """What check_entries found; `heads` has a signed note of each tree: origin, size and root."""

    entries: tuple[Shown, ...]
    alarms: tuple[Alarm, ...]
    heads: Mapping[tuple[str, int, bytes], str]

    @property
    def names(self) -> dict[int, str]:
        """The SHA-256 of each verified text, in hex, by index."""
        return {one.index: one.name for one in self.entries}


def check_entries(own: Own, listed: Iterable[Listed]) -> Judged:
    """Return every entry that verifies, and an alarm for each thing that is wrong.

    1. listed once, its proof verifies, and place, time and salt are the proof's. 2. proofs of one
    size of one log have one root. 3. signed by who may sign this type: the account key, the
    organisation's consent key, this vault, or the source of the link. 4. it fits the entries before
    it: a known link or grant, the next change of a grant and none after its end, no release under a
    grant that had stopped, no absent month that was closed; an act that was proved stands where it
    was proved. 5. an act of this person's is one that a device named. 6. what was proved or seen
    before is there.

    Args:
        own: whose entries they are, and what is known.
        listed: all pages of the vault's list.
    """
    judge = _Judge(own)
    for entry in sorted(listed, key=lambda one: one.index):
        judge.take(entry)
    judge.look_back()
    return Judged(tuple(judge.entries), tuple(sorted(judge.alarms)), judge.heads)


class _Judge:
    """The state of one look, entry by entry."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self.entries: list[Shown] = []
        self.alarms: list[Alarm] = []
        self.heads: dict[tuple[str, int, bytes], str] = {}
        self._listed: set[int] = set()
        self._names: set[bytes] = set()
        self._acts: set[str] = set()
        self._roots: dict[tuple[str, int], bytes] = {}
        self._proved = merge_made(dict(own.made), dict(own.state.made))
        self._signers = Signers(own.account, own.consent, own.directory, own.state)

    def take(self, entry: Listed) -> None:
        """Judge the next entry."""
        kind: Kind = "unproved"
        try:
            place, witnessed = self._place(entry)  # 1
            kind = "history"
            self._check_root(place, entry.proof)  # 2
            kind = "strange"
            envelope, consent = self._signers.read(entry.text)  # 3, 4
            act = self._signers.name_act(envelope)
            self._check_once(act, entry.index)  # 4
        except VaultError as broken:
            evidence = broken.evidence if isinstance(broken, BadProof) else ""
            self.alarms.append(Alarm(entry.index, kind, str(broken), evidence))
            return
        made = self._origin(entry, envelope.typ, act)  # 5
        self.entries.append(
            Shown(entry.index, entry.at, envelope.typ, entry.text, consent, witnessed, made, act)
        )

    def _place(self, entry: Listed) -> tuple[Logged, bool]:
        own, name = self._own, text_hash(entry.text) if entry.text.isascii() else b""
        if entry.index in self._listed or name in self._names:
            raise BadProof("the vault lists this entry twice")
        self._listed.add(entry.index)
        self._names.add(name)
        try:
            place = check_logged(own.directory, entry.text, entry.proof, own.trust)
            witnessed = True
        except NotWitnessed:
            place = check_logged(own.directory, entry.text, entry.proof, own.trust, witnessed=False)
            witnessed = False
        salt = read_proof(entry.proof).salt
        if (entry.index, entry.at, entry.salt) != (place.index, place.at, salt):
            raise BadProof("index, time or salt of the list are not those of the proof")
        return place, witnessed

    def _check_root(self, place: Logged, proof: str) -> None:
        tree = (place.origin, place.size)
        self.heads.setdefault((*tree, place.root), read_proof(proof).checkpoint)
        if self._roots.setdefault(tree, place.root) != place.root:
            raise BadProof(f"the vault shows two different logs of {place.size} entries")

    def _check_once(self, act: str, index: int) -> None:
        # A text that was signed once can be logged again: only at its first place is it the act.
        proved = self._proved.get(act, UNPROVED)
        if proved not in (UNPROVED, index):
            raise BadShape(f"this was done once, and was proved to be entry {proved}")

    def _origin(self, entry: Listed, typ: str, name: str) -> Origin:
        own = self._own
        if not name:
            return "other"
        self._acts.add(name)
        if name in own.made:
            return "here"
        if name in own.state.made:
            return "elsewhere"
        since = own.state.recorded_since
        if since is None or entry.at < since:
            return "before"
        self.alarms.append(Alarm(entry.index, "foreign", typ))
        return "foreign"

    def look_back(self) -> None:
        """Add an alarm for what was proved or seen before and is not shown now."""  # 6
        missing = {
            index: "a device of yours did this, and it was proved to be in the log"
            for name, index in self._proved.items()
            if index > UNPROVED and name not in self._acts
        }
        shown = {one.index: one.name for one in self.entries}
        for index, name in self._own.look.seen.items():
            if index in shown and shown[index] != name:
                self.alarms.append(Alarm(index, "history", "another text stood here before"))
            elif index not in self._listed:
                missing[index] = "this device saw it listed before"
        self.alarms += [Alarm(index, "withheld", why) for index, why in missing.items()]
