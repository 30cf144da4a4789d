"""The SDK of a platform: a scoped total, checked before it is a number (protocol section 5).

    platform = Platform(identity, wire, policy, now)
    total = platform.total(grant_id, ("2026-01", "2026-02", "2026-03"))
    total.grams, total.checked        12345, "sources"
    platform.audited(total, report)   "vault" becomes "audited", once a signed report covers it

Nothing unverified is ever returned: a total is a `Total`, or a named error says why there is none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from consent.answers import Checked, Identity, Total, check_answer, check_own_grant, write_total
from consent.asking import (
    Outcome,
    Pushed,
    Wanted,
    authorize_url,
    check_answers,
    check_return,
    compose_request,
    fresh_state,
    read_outcome,
)
from consent.messages import Ask, Grant
from consent.policy import Current, Policy, check_fresh, wall_clock
from consent.proofs import Proofs, Rechecked
from consent.reports import Audit, as_audited
from vault.directory import Directory
from vault.encoding import Json, compact_json, text_hash
from vault.errors import (
    BadShape,
    NotMinted,
    NotWitnessed,
    StaleLog,
    Unreachable,
    VaultError,
    WrongPurpose,
)
from vault.messages import parse_hex
from vault.months import Window
from vault.wire import Wire, objects_of, text_of

__all__ = [
    "Answered",
    "Checked",
    "Event",
    "Identity",
    "Outcome",
    "Platform",
    "Proofs",
    "Pushed",
    "Rechecked",
    "Total",
    "Wanted",
    "Wish",
    "write_total",
]


@dataclass(frozen=True)
class Event:
    """What became of a grant; `n` is the cursor, `at` unix seconds."""

    n: int
    grant: bytes
    event: str
    at: int


def read_event(item: Mapping[str, Json]) -> Event:
    """Return an event of the vault's list; raises BadShape."""
    n, at = item.get("n"), item.get("at")
    if not isinstance(n, int) or not isinstance(at, int):
        raise BadShape("an event has a number and a time")
    return Event(n, parse_hex(text_of(item, "grant"), 16), text_of(item, "event"), at)


class Wish(NamedTuple):
    """One ask of many: a grant (id 16 bytes), a window, and a purpose if it has several."""

    grant: bytes
    window: Window
    purpose: str | None = None


class Answered(NamedTuple):
    """What one wish gave: a total or an error."""

    wish: Wish
    total: Total | None
    error: VaultError | None


class Platform:
    """One platform at one vault."""

    def __init__(
        self,
        identity: Identity,
        wire: Wire,
        policy: Policy,
        now: Callable[[], int],
        held: Directory | None = None,
        proofs: Proofs | None = None,
        wall: Callable[[], int] = wall_clock,
    ) -> None:
        """Accept the vault's directory; `wire` speaks with the identity's signing key.

        `held` is the directory accepted in an earlier run, which the new one must follow; `proofs`
        keeps what proves each total; `wall` is the clock that cosignatures are measured by.

        Raises:
            BadDirectory, BadProof: the directory is not to be trusted.
        """
        self.identity, self._wire, self._now, self._proofs = identity, wire, now, proofs
        self._policy, self._wall = policy, wall
        self._audit: Audit | None = None
        self._current = Current(wire, policy, now, held, wall)

    @property
    def directory(self) -> Directory:
        """The directory in force, fetched anew once the one held has expired."""
        return self._current.directory

    def refresh(self) -> None:
        """Fetch the directory in force; raises BadDirectory, BadProof."""
        self._current.refresh()

    # Asking for consent

    def ask(self, wanted: Wanted, random: Callable[[int], bytes] = os.urandom) -> Pushed:
        """Push a request to the vault; return what belongs into the browser session that asked.

        Raises:
            BeyondTemplate: it asks for more than its template allows; the member is named.
            NotOffered: exclusive or cohort terms.
        """
        state = fresh_state(random(32))
        text = compose_request(wanted, self.identity.id, self.identity.key, state, self._now())
        body = self._wire.post("/v1/requests", text).body
        uri, life = text_of(body, "request_uri"), body.get("expires_in")
        return Pushed(
            hash=text_hash(text),
            state=state,
            request_uri=uri,
            code=text_of(body, "code"),
            url=authorize_url(self._wire.url, self.identity.id, uri),
            expires_in=life if isinstance(life, int) else 0,
        )

    def finish(self, pushed: Pushed, query: Mapping[str, str]) -> Grant:
        """Return the grant that came back to `redirect_uri`, of this very session's request.

        Raises:
            Declined: the person said no.
            BadCode: the answer is another vault's, or to another session's request.
        """
        grant = self.grant(check_return(pushed, query, self._wire.url))
        check_answers(pushed, grant)
        return grant

    def outcome(self, pushed: Pushed) -> Outcome:
        """Return what became of a request, for people who typed its code.

        With a redirect, wait for `finish`: only it knows that the same person came back.
        """
        handle = pushed.request_uri.rpartition(":")[2]
        found = read_outcome(self._wire.get(f"/v1/requests/{handle}").body)
        if found.grant is not None:
            check_answers(pushed, self.grant(found.grant))
        return found

    # The life of a grant

    def events(self, after: int = 0) -> Iterator[Event]:
        """Yield what became of this platform's grants since the event numbered `after`."""
        while True:
            body = self._wire.get(f"/v1/events?after={after}").body
            page = [read_event(item) for item in objects_of(body, "events")]
            yield from page
            if body.get("next") is None or not page:
                return
            after = page[-1].n

    def confirm_deletion(self, grant_id: bytes) -> None:
        """Say that everything of a grant was deleted, as its person asked; raises NotFound."""
        self._wire.post(f"/v1/grants/{grant_id.hex()}/deleted", "")

    # Totals

    def grant(self, grant_id: bytes) -> Grant:
        """Return a grant to this platform (id 16 bytes), its signature and addressee checked.

        Raises:
            NotFound: no grant of this id to this platform.
        """
        body = self._wire.get(f"/v1/grants/{grant_id.hex()}").body
        return check_own_grant(self.identity, self.directory, text_of(body, "grant"), grant_id)

    def total(
        self, grant_id: bytes, window: Window, purpose: str | None = None, patience: int = 0
    ) -> Total:
        """Return the total of one granted window.

        Args:
            grant_id: 16 bytes.
            window: one of the grant's windows, its months ascending.
            purpose: one of the grant's; may be left out when it has only one.
            patience: for so many seconds it is asked again while the person's app, which has just
                allowed it, has not made its token yet.

        Raises:
            NotClosed, NotMinted: it is not there yet; ask again later.
            Revoked, Paused, Expired, WrongPurpose: the person's consent does not cover it.
            NotWitnessed, StaleLog: too few witnesses saw the log that holds it, or too long ago.
            BadTotal, BadProof, BadJws, BadShape: what came does not fit what was signed.
        """
        wanted = purpose or self._only_purpose(grant_id)
        ask = Ask(grant=grant_id, window=window, purpose=wanted)
        body = self._ask(ask, patience)
        self._current.knowing(text_of(body, "proof"))
        try:
            return self.check(ask, body)
        except (NotWitnessed, StaleLog):
            self.refresh()  # a newer directory may name other witnesses
            return self.check(ask, body)

    def _ask(self, ask: Ask, patience: int) -> Mapping[str, Json]:
        while True:
            try:
                return self._wire.post("/v1/releases", compact_json(ask.plain())).body
            except NotMinted:
                if patience <= 0:
                    raise
                patience -= 1
                time.sleep(1)

    def check(self, ask: Ask, body: Mapping[str, Json]) -> Total:
        """Return the total that a fresh answer proves (check_answer); keep what proves it.

        Raises:
            StaleLog: the witnesses cosigned its log longer ago than the policy takes.
            BadTotal, BadProof, BadJws, BadShape: as total.
        """
        policy, directory = self._policy, self.directory
        total = check_answer(self.identity, directory, ask, body, policy.trust)
        check_fresh(directory, total.place, self._wall(), policy.fresh, policy.trust)
        if self._proofs is not None:
            self._proofs.keep(ask, body, directory)
        return total

    def audited(self, total: Total, report: str) -> Total:
        """Return a total as ``audited``, once a `cv1-report` is proved to cover its release.

        What shows it is kept with the total's proof. A total checked against ``sources`` must be
        covered too, and stays as it is: that is stronger.

        Raises:
            BadProof: the report does not cover it (consent/reports.py); the text says why.
            BadJws, BadShape, UnknownKey: not a report of an auditor of this vault.
            BadFile: the total's proof was deleted in the meantime.
        """
        covered = self._take(report).cover(total)
        if self._proofs is not None:
            self._proofs.mark(total, covered)
        return as_audited(total)

    def audit_kept(self, report: str) -> Iterator[Rechecked]:
        """Yield every kept total, held against a report (Proofs.audit); raises as `audited`."""
        audit = self._take(report)
        if self._proofs is not None:
            yield from self._proofs.audit(audit, self.identity, self._policy, self.directory)

    def _take(self, report: str) -> Audit:
        if self._audit is None or self._audit.text != report:
            self._audit = Audit(report, self.directory, self._wire.raw)
        return self._audit

    def totals(
        self, asks: Iterable[Wish], on_done: Callable[[], None] = lambda: None
    ) -> Iterator[Answered]:
        """Yield one answer per wish, in order: a total, or the error that says why there is none.

        What is refused stops no other. `on_done` is called after each, for a progress display.
        Unreachable is raised: what was yielded before it stands, the rest can be asked again.
        """
        for wish in asks:
            try:
                total = self.total(wish.grant, wish.window, wish.purpose)
                yield Answered(wish, total, None)
            except Unreachable:
                raise
            except VaultError as error:
                yield Answered(wish, None, error)
            on_done()

    def delete(self, grant_id: bytes) -> None:
        """Delete every kept proof of a grant, then tell its person so; raises NotFound."""
        if self._proofs is not None:
            self._proofs.forget(grant_id)
        self.confirm_deletion(grant_id)

    def _only_purpose(self, grant_id: bytes) -> str:
        purposes = self.grant(grant_id).purposes
        if len(purposes) != 1:
            raise WrongPurpose(f"the grant has {len(purposes)} purposes; name one of {purposes}")
        return purposes[0]
