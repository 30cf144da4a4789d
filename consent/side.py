"""What everything a holder does stands on: their keys, their vault, its directory and log.

Every key comes from the root; what must be remembered is sealed at the vault; each text that is
logged is checked for its proof (docs/protocol.md section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consent.device import Device
from consent.endings import fetch_endings
from consent.messages import (
    Grant,
)
from consent.policy import Policy, check_logged, fetch_directory
from consent.tokens import (
    LinkFact,
)
from vault.crypto import keys
from vault.crypto.keys import Root
from vault.directory import Directory
from vault.encoding import Json, read_envelope, thumbprint
from vault.errors import BadShape
from vault.wire import Wire, objects_of, text_of


@dataclass(frozen=True)
class OwnGrant:
    """A grant as the vault lists it to its holder; `count` is its number of status messages."""

    grant: Grant
    state: str
    count: int


class Side:
    """One person's side at one vault, on one device."""

    def __init__(
        self,
        root: Root,
        wire: Wire,
        policy: Policy,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        """Accept the vault's directory; `wire` speaks as the account key of this root.

        Raises:
            BadDirectory, BadProof: the directory is not to be trusted.
        """
        self._root, self._wire, self._policy, self._now = root, wire, policy, now
        self._random, self._key = random, keys.account_key(root)
        self.account = thumbprint(self._key.public)
        self.directory: Directory = fetch_directory(wire, policy, None, now())
        self._device = Device(root, wire, random)

    def refresh(self) -> None:
        """Fetch the directory in force and the state that another device may have stored."""
        self.directory = fetch_directory(self._wire, self._policy, self.directory, self._now())
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
        return OwnGrant(grant, text_of(item, "state"), count)

    def link_facts(self) -> list[LinkFact]:
        """Return every link ever attached: its source's organisation and which months it has."""
        facts = []
        for name, known in self._device.state.links.items():
            link = bytes.fromhex(name)
            endings = fetch_endings(
                self._wire, self.directory, self._key.public, link, known.source
            )
            facts.append(
                LinkFact(
                    link,
                    self.directory.org_of(known.source),
                    known.begins,
                    frozenset(endings.absent),
                    endings.ends,
                )
            )
        return facts

    def _post(self, path: str, text: str) -> None:
        answer = self._wire.post(path, text).body
        check_logged(self.directory, text, text_of(answer, "proof"))
