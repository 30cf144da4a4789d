"""What a client pins, and how it accepts a directory and a log proof under it (protocol section 4).

    Policy(auditor=…32 bytes…, log="vault.example/log+1a2b3c4d+AQ…", demo=False)

Two things are pinned once and by hand: the auditor's key and the log's vkey. Everything else comes
from directories that they vouch for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consent.log.note import read_vkey
from consent.log.proof import Logged, verify_proof
from vault.directory import Directory, accept_directory
from vault.errors import BadDirectory
from vault.wire import Wire, text_of


@dataclass(frozen=True)
class Policy:
    """The auditor's Ed25519 key (32 bytes), the log's vkey, whether a demo directory is taken."""

    auditor: bytes
    log: str
    demo: bool = False


def fetch_directory(wire: Wire, policy: Policy, held: Directory | None, now: int) -> Directory:
    """Return the vault's directory once it is accepted and its place in the log is proved.

    Args:
        wire: the way to the vault; no key is needed.
        policy: what this client pins.
        held: the directory accepted before, which the new one must follow.
        now: unix seconds.

    Raises:
        BadDirectory, BadProof: it is not signed, expired, rolled back, forked or not logged.
    """
    body = wire.get("/v1/directory").body
    text = text_of(body, "directory")
    fresh = accept_directory(text, policy.auditor, held, now, policy.demo)
    if fresh.listing.log.vkey != policy.log:
        raise BadDirectory("the directory names another log than the pinned one")
    place = check_logged(fresh, text, text_of(body, "proof"))
    if (fresh.listing.version == 1) != (place.index == 0):
        raise BadDirectory("the first directory is the log's first entry, and no other is")
    return fresh


class Current:
    """The directory that a client goes by: it never uses one that has expired."""

    def __init__(
        self, wire: Wire, policy: Policy, now: Callable[[], int], held: Directory | None = None
    ) -> None:
        """Accept the vault's directory; `held` is the one accepted in an earlier run.

        Raises:
            BadDirectory, BadProof: the directory is not to be trusted.
        """
        self._wire, self._policy, self._now = wire, policy, now
        self._held = fetch_directory(wire, policy, held, now())

    @property
    def directory(self) -> Directory:
        """The directory in force, fetched anew once the one held has expired."""
        if self._now() >= self._held.listing.expires:
            self.refresh()
        return self._held

    def refresh(self) -> None:
        """Fetch the directory in force; raises BadDirectory, BadProof."""
        self._held = fetch_directory(self._wire, self._policy, self._held, self._now())


def check_logged(directory: Directory, text: str, proof: str) -> Logged:
    """Return the place of a text in the log of this directory; raises BadProof."""
    log = directory.listing.log
    witnesses = [read_vkey(vkey) for vkey in log.witnesses]
    return verify_proof(proof, text, read_vkey(log.vkey), witnesses, log.quorum)
