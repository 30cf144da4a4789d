"""What a client pins, and how it accepts a directory and a log proof under it (protocol section 4).

    Policy(auditor=…32 bytes…, log="vault.example/log+1a2b3c4d+AQ…", demo=False)

Two things are pinned once and by hand: the auditor's key and the log's vkey. Everything else comes
from directories that they vouch for: the log's witnesses too, and how many of them must have
cosigned; and the log that goes on when the pinned one turned (consent/turns.py). A client that
trusts witnesses of its own choice pins a policy file beside (`trust`, C2SP tlog-policy); what both
ask for must hold then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from consent.log.proof import Logged
from consent.log.tlog_policy import LogPolicy
from consent.logged import check_fresh, check_logged, knows, vkeys_of
from consent.turns import read_by, read_turns, walk_turns
from vault.directory import Directory, accept_directory
from vault.encoding import Json, read_envelope
from vault.errors import BadDirectory, BadInput, NotWitnessed, StaleLog
from vault.messages import Listing
from vault.wire import Wire, text_of

__all__ = ["check_fresh", "check_logged"]

DAY = 86_400


def wall_clock() -> int:
    """Return the unix seconds of this machine: cosignatures have theirs, in a demo too."""
    return int(time.time())


@dataclass(frozen=True)
class Policy:
    """The auditor's Ed25519 key (32 bytes), the log's vkey, whether a demo directory is taken.

    `fresh` is how old, in seconds, the cosignatures of a directory or release may be (0: any age);
    `trust` is the client's own policy file, None when the directory's witnesses are enough.
    """

    auditor: bytes
    log: str
    demo: bool = False
    fresh: int = DAY
    trust: LogPolicy | None = None


def fetch_directory(
    wire: Wire,
    policy: Policy,
    held: Directory | None,
    now: int,
    wall: Callable[[], int] = wall_clock,
    expired: bool = False,
) -> Directory:
    """Return the vault's directory once it is accepted and its place in the log is proved.

    A directory is served at once, and cosigned a little later: until then, and while witnesses are
    silent, a client goes on with the one held as long as that has not expired. Nothing is gained
    by keeping it so: what leaves the vault has a fresh proof of its own. When the log turned, the
    directory is of another one, to which every turn from the pinned or held one on is proved.

    Args:
        wire: the way to the vault; no key is needed.
        policy: what this client pins.
        held: the directory accepted before, which the new one must follow.
        now: unix seconds.
        wall: the clock that cosignatures are measured by, unix seconds.
        expired: whether one that has expired will do; all else is asked of it as well.

    Raises:
        BadDirectory, BadProof: it is not signed, expired, rolled back, forked or not logged.
        NotWitnessed, StaleLog: the quorum is missing or too old, and no valid one is held.
    """
    body = wire.get("/v1/directory").body
    text = text_of(body, "directory")
    at = min(now, _expires(text) - 1) if expired else now
    found = accept_directory(text, policy.auditor, held, at, policy.demo)
    try:
        _check_log(found, policy, held, body)
        place = check_logged(found, text, text_of(body, "proof"), policy.trust)
        check_fresh(found, place, wall(), policy.fresh, policy.trust)
    except (NotWitnessed, StaleLog):
        if held is None or (now >= held.listing.expires and not expired):
            raise
        return held
    check_first(found, place)
    return found


def _expires(text: str) -> int:
    """Return when a directory says that it expires; whoever signed it is not looked at here."""
    try:
        return Listing.opened(read_envelope(text, Listing.typ)).expires
    except BadInput as bad:
        raise BadDirectory(f"what the vault serves is no directory: {bad}") from bad


def _check_log(
    found: Directory, policy: Policy, held: Directory | None, body: Mapping[str, Json]
) -> None:
    """Return when the directory's log is the pinned or held one, or where that one turned to."""
    if found.listing.log.vkey == policy.log:
        return
    known = vkeys_of(held)
    stand = known[-1] if policy.log in known else policy.log
    auditors = [policy.auditor, *later_keys(held)]
    walk_turns(
        found,
        read_turns(body),
        stand,
        auditors,
        lambda text, proof: check_logged(found, text, proof, policy.trust),
    )


def later_keys(held: Directory | None) -> tuple[bytes, ...]:
    """Return the auditor's keys that an accepted directory vouches for, 32 bytes each."""
    if held is None:
        return ()
    following = held.listing.next
    return (held.signer_key,) if following is None else (held.signer_key, following)


def check_first(directory: Directory, place: Logged) -> None:
    """Return when version 1 stands at index 0, and no other does; raises BadDirectory."""
    if (directory.listing.version == 1) != (place.index == 0):
        raise BadDirectory("the first directory is the log's first entry, and no other is")


class Current:
    """The directory that a client goes by: it gives nothing away by one that has expired."""

    def __init__(
        self,
        wire: Wire,
        policy: Policy,
        now: Callable[[], int],
        held: Directory | None = None,
        wall: Callable[[], int] = wall_clock,
    ) -> None:
        """Accept the vault's directory; `held` is the one accepted in an earlier run.

        Who holds one may open with it after it has expired, to stop and to end things.

        Raises:
            BadDirectory, BadProof: the directory is not to be trusted.
        """
        self.policy, self.wall = policy, wall
        self._wire, self._now = wire, now
        self._held = fetch_directory(wire, policy, held, now(), wall, expired=held is not None)

    @property
    def directory(self) -> Directory:
        """The directory in force, fetched anew once the one held has expired."""
        if self._expired:
            self.refresh()
        return self._held

    @property
    def held(self) -> Directory:
        """The newest directory there is, also when it has expired: to stop by, never to give."""
        if self._expired:
            self._fetch(expired=True)
        return self._held

    def refresh(self) -> None:
        """Fetch the directory in force; raises BadDirectory, BadProof."""
        self._fetch(expired=False)

    def knowing(self, proof: str) -> Directory:
        """Return `held`, fetched anew when a proof file is of a log that it does not list.

        The log may have turned since; whether the proof verifies is not asked here.
        """
        if not knows(self.held, proof):
            self._fetch(expired=True)
        return self._held

    @property
    def _expired(self) -> bool:
        return self._now() >= self._held.listing.expires

    def _fetch(self, expired: bool) -> None:
        now, held = self._now(), self._held
        self._held = fetch_directory(self._wire, self.policy, held, now, self.wall, expired)


def read_pinned(text: str, policy: Policy, *others: bytes, logs: Collection[str] = ()) -> Directory:
    """Return a kept directory of the pinned log: it may have expired, and need not be the newest.

    Args:
        text: the `cv1-directory`.
        policy: what this client pins.
        others: keys of later auditors that were accepted by way of `next`, 32 bytes each.
        logs: vkeys of other logs that were accepted: earlier ones, and those it turned to.

    Raises:
        BadDirectory: signed by none of these keys, or of another log.
        BadJws, BadType, BadShape, BadPoint: no directory in its only form.
    """
    directory = read_by(text, (policy.auditor, *others), policy.demo)
    if directory.listing.log.vkey not in (policy.log, *logs):
        raise BadDirectory("the directory names another log than the pinned one")
    return directory
