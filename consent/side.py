"""What everything a holder does stands on: their keys, their vault, its directory and log.

Every key comes from the root; what must be remembered is sealed at the vault; each text that is
logged is checked for its proof (docs/protocol.md section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from consent.device import Device
from consent.endings import Endings, fetch_endings
from consent.log.proof import Logged
from consent.messages import (
    Grant,
)
from consent.monitor import Look
from consent.policy import Current, Policy, check_logged
from consent.state import ACTS, UNPROVED, HolderState, KnownLink, mark, merge_made
from consent.tokens import (
    LinkFact,
)
from vault.crypto import keys
from vault.crypto.keys import Root
from vault.directory import Directory
from vault.encoding import Json, read_envelope, thumbprint
from vault.errors import BadShape, BadType, NotFound, Unreachable
from vault.messages import Message, Reject
from vault.wire import Wire, objects_of, text_of


@dataclass(frozen=True)
class OwnGrant:
    """A grant as the vault lists it to its holder; `count` is its number of status messages.

    `deletion` is what the platform was asked to delete, and whether it says that it did.
    """

    grant: Grant
    state: str
    count: int
    deletion: Literal["asked", "done"] | None = None


@dataclass(frozen=True)
class Memory:
    """What a device keeps between runs, so that a vault that goes back is found out.

    The directory accepted last; the highest counter of the state; the acts of this device by name,
    with their log index (-1: not proved yet); what it saw of the log.
    """

    directory: Directory | None = None
    counter: int = 0
    made: Mapping[str, int] = field(default_factory=dict)
    look: Look = field(default_factory=Look)


NOTHING = Memory()
SEND_TRIES = 3
Change = Callable[[HolderState], HolderState]


def _unchanged(state: HolderState) -> HolderState:
    return state


class Side:
    """One person's side at one vault, on one device."""

    def __init__(
        self,
        root: Root,
        wire: Wire,
        policy: Policy,
        now: Callable[[], int],
        random: Callable[[int], bytes],
        memory: Memory = NOTHING,
    ) -> None:
        """Accept the vault's directory; `wire` speaks as the account key of this root.

        Who holds an expired one that no newer one followed can still stop, pause, unlink and erase.

        Raises:
            BadDirectory, BadProof: the directory is not to be trusted.
        """
        self._root, self._wire, self._now = root, wire, now
        self._random, self._key = random, keys.account_key(root)
        self.account = thumbprint(self._key.public)
        self._current = Current(wire, policy, now, memory.directory)
        self._device = Device(root, wire, random, memory.counter)
        self._made, self._look = dict(memory.made), memory.look

    @property
    def directory(self) -> Directory:
        """The directory in force, fetched anew once the one held has expired."""
        return self._current.directory

    @property
    def held(self) -> Directory:
        """The newest directory there is, also when it has expired: to stop and to end by."""
        return self._current.held

    @property
    def memory(self) -> Memory:
        """What to keep on this device for the next run."""
        return Memory(self.held, self._device.seen, dict(self._made), self._look)

    @property
    def known_links(self) -> Mapping[bytes, KnownLink]:
        """Every link ever attached, by id."""
        return {bytes.fromhex(name): known for name, known in self._device.state.links.items()}

    def load(self) -> None:
        """Fetch the state that this or another device stored.

        Raises:
            BadShape: the vault shows an older state than this device saw.
        """
        self._device.load()

    def refresh(self) -> None:
        """Fetch the directory in force and the state that another device may have stored."""
        self._current.refresh()
        self._device.load()

    def grants(self) -> list[OwnGrant]:
        """Return every grant of this vault and its state."""
        body = self._wire.get("/v1/holder/grants").body
        return [self._own_grant(item) for item in objects_of(body, "grants")]

    def _own_grant(self, item: Mapping[str, Json]) -> OwnGrant:
        envelope = read_envelope(text_of(item, "grant"), Grant.typ)
        grant = Grant.opened(envelope)
        envelope.verify(keys.consent_key(self._root, grant.org).public)
        count = item.get("n")
        if not isinstance(count, int):
            raise BadShape("the vault lists a grant without its count n")
        told = item.get("deletion")
        asked = isinstance(told, dict)
        done = isinstance(told, dict) and isinstance(told.get("done"), int)
        deletion: Literal["asked", "done"] | None = "done" if done else "asked" if asked else None
        return OwnGrant(grant, text_of(item, "state"), count, deletion)

    def link_facts(self) -> list[LinkFact]:
        """Return every link ever attached: its source's organisation and which months it has."""
        facts = []
        for link, known in self.known_links.items():
            # A link that the vault does not know was never attached, or is erased there. Leaving
            # it out of a first token only lowers the total; out of a later one it never is.
            with suppress(NotFound):
                facts.append(self._link_fact(link, known))
        return facts

    def _link_fact(self, link: bytes, known: KnownLink) -> LinkFact:
        found = self._endings(link, known.source)
        org = self.directory.org_of(known.source)
        return LinkFact(link, org, known.begins, frozenset(found.absent), found.ends)

    def _endings(self, link: bytes, source: str) -> Endings:
        """Return what ends a link's months, each text and its place in the log verified."""
        return fetch_endings(
            self._wire,
            self._current.knowing,
            self._key.public,
            link,
            source,
            self._now(),
            self._current.policy.trust,
        )

    def _post(self, path: str, text: str, method: str = "POST") -> Mapping[str, Json]:
        """Send a text until it is answered, the same bytes each time; check its log proof.

        Under the newest directory, though it expired: what must wait for one in force, waits before
        it is recorded (`directory`).
        """
        for left in reversed(range(SEND_TRIES)):
            try:
                answer = self._wire.send(method, path, text).body
                break
            except Unreachable:
                if not left:
                    raise
        self._prove(text, self._place_of(text, text_of(answer, "proof")).index)
        return answer

    def _place_of(self, text: str, proof: str) -> Logged:
        """Return the place of a text that was answered a moment ago: no witness saw it so far."""
        return check_logged(self._current.knowing(proof), text, proof, witnessed=False)

    def _record(self, *acts: Message | str, also: Change = _unchanged) -> None:
        """Store the state that names these acts, before any of them is signed and sent.

        An act is a message, or its name. What else they change is stored along.
        """
        names = [act if isinstance(act, str) else mark(act) for act in acts]
        self._device.save(lambda state: also(state.with_made(self._now(), *names)))
        self._made = merge_made(dict.fromkeys(names, UNPROVED), self._made)

    def _prove(self, text: str, index: int) -> None:
        """Remember the log index of an act, if it is one whose name its text tells."""
        with suppress(BadType):
            envelope = read_envelope(text, *(ACTS.keys() - {Reject.typ}))
            self._place(mark(ACTS[envelope.typ].opened(envelope)), index)

    def _place(self, name: str, index: int) -> None:
        """Remember the log index of an act by its name, if it is recorded."""
        self._device.prove(name, index)
        if name in self._made:
            self._made[name] = index
