"""One device's copy of the holder's state, and how it reaches the vault (protocol section 4).

    device.save(lambda state: state.with_org("bank.example"))

PUT with If-Match names the counter that the change stands on; when another device was faster, its
state is fetched, merged, and the change is made again. A counter never goes back.
"""

from __future__ import annotations

from collections.abc import Callable

from consent.state import EMPTY, HolderState, Minted, merge
from vault.crypto.keys import NONCE_SIZE, Root, open_state, seal_state, state_key
from vault.encoding import unb64u
from vault.errors import BadShape, StateChanged
from vault.wire import Wire, text_of

SAVE_TRIES = 8
_PATH = "/v1/holder/state"


class Device:
    """The state as this device knows it."""

    def __init__(
        self, root: Root, wire: Wire, random: Callable[[int], bytes], seen: int = 0
    ) -> None:
        """Start empty; `wire` speaks as the account key of this root.

        `seen` is the highest counter that this device saw in earlier runs.
        """
        self._key, self._wire, self._random = state_key(root), wire, random
        self.state, self._counter, self._seen = EMPTY, 0, seen

    @property
    def seen(self) -> int:
        """The highest counter this device saw: a lower one is refused, also in later runs."""
        return max(self._seen, self._counter)

    def load(self) -> None:
        """Merge the stored state into this one.

        Raises:
            BadShape: the vault shows a counter below one this device saw.
            BadSeal: the stored state is not of this root, or not of this counter.
        """
        answer = self._wire.get(_PATH)
        counter = _counter(answer.etag)
        if counter < self.seen:
            raise BadShape(f"the vault shows state {counter}, this device saw {self.seen}")
        if counter > 0:
            plain = open_state(self._key, counter, unb64u(text_of(answer.body, "state")))
            self.state = merge(self.state, HolderState.parse(plain))
        self._counter = counter

    def save(self, change: Callable[[HolderState], HolderState]) -> None:
        """Store the changed state; after it returns, the change is durable at the vault.

        Raises:
            StateChanged: other devices were faster again and again.
            AtomUsed: as `change` raises; nothing is stored.
        """
        for _ in range(SAVE_TRIES):
            wanted, counter = change(self.state), self._counter + 1
            blob = seal_state(self._key, counter, wanted.write(), self._random(NONCE_SIZE))
            try:
                self._wire.send("PUT", _PATH, blob, {"If-Match": f'"{self._counter}"'})
            except StateChanged:
                self.load()
                continue
            self.state, self._counter = wanted, counter
            return
        raise StateChanged("other devices keep changing the state; try again")

    def prove(self, name: str, index: int) -> None:
        """Remember the log index of an act; the next change that is stored takes it along."""
        self.state = self.state.with_proved(name, index)

    def recall(self, listed: tuple[Minted, ...]) -> None:
        """Take windows as used that the vault lists tokens for, whatever state it gave."""
        self.state = merge(EMPTY.model_copy(update={"minted": listed}), self.state)


def _counter(etag: str) -> int:
    # A proxy that compresses may make the tag a weak one.
    named = etag.removeprefix("W/").strip('"')
    if not named.isascii() or not named.isdigit():
        raise BadShape(f"the vault's state has no counter as its ETag, found {etag[:20]!r}")
    return int(named)
