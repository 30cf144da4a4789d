"""The SDK of a platform: a scoped total, checked before it is a number (protocol section 5).

    platform = Platform(identity, wire, policy, now)
    total = platform.total(grant_id, ("2026-01", "2026-02", "2026-03"))
    total.grams, total.checked        12345, "sources"

Nothing unverified is ever returned: a total is a `Total`, or a named error says why there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from consent.messages import Ask, Grant, Release
from consent.policy import Current, Policy, check_logged
from consent.shown import check_closes
from consent.tokens import Granted, open_token
from vault.crypto.keys import OpeningKey, SigningKey
from vault.crypto.meter import Cell, reveal
from vault.directory import Directory
from vault.encoding import Json, compact_json, read_envelope, unb64u
from vault.errors import BadScalar, BadSeal, BadShape, BadTotal, WrongPurpose
from vault.months import Category, Grams, Window
from vault.wire import Wire, objects_of, text_of

Checked = Literal["sources", "audited", "vault"]


@dataclass(frozen=True)
class Identity:
    """A platform's directory id and keys; old opening keys stay until their grants end."""

    id: str
    key: SigningKey
    opening: tuple[OpeningKey, ...]


@dataclass(frozen=True)
class Total:
    """One consented total, in grams, with what proves it.

    `checked` says against whom: "sources" (each source's signature was checked here) or "vault"
    (the vault's statement; an auditor's report decides). A total is personal data.
    """

    grams: Grams
    window: Window
    purpose: str
    categories: tuple[Category, ...]
    methodology: tuple[str, ...]
    grant: str
    release: str
    proof: str
    checked: Checked


class Platform:
    """One platform at one vault."""

    def __init__(
        self,
        identity: Identity,
        wire: Wire,
        policy: Policy,
        now: Callable[[], int],
        held: Directory | None = None,
    ) -> None:
        """Accept the vault's directory; `wire` speaks with the identity's signing key.

        `held` is the directory accepted in an earlier run, which the new one must follow.

        Raises:
            BadDirectory, BadProof: the directory is not to be trusted.
        """
        self.identity, self._wire = identity, wire
        self._current = Current(wire, policy, now, held)

    @property
    def directory(self) -> Directory:
        """The directory in force, fetched anew once the one held has expired."""
        return self._current.directory

    def refresh(self) -> None:
        """Fetch the directory in force; raises BadDirectory, BadProof."""
        self._current.refresh()

    def grant(self, grant_id: bytes) -> Grant:
        """Return a grant to this platform (id 16 bytes), its signature and addressee checked.

        Raises:
            NotFound: no grant of this id to this platform.
        """
        body = self._wire.get(f"/v1/grants/{grant_id.hex()}").body
        return self._check_grant(text_of(body, "grant"), grant_id)

    def total(self, grant_id: bytes, window: Window, purpose: str | None = None) -> Total:
        """Return the total of one granted window.

        Args:
            grant_id: 16 bytes.
            window: one of the grant's windows, its months ascending.
            purpose: one of the grant's; may be left out when it has only one.

        Raises:
            NotClosed, NotMinted: it is not there yet; ask again later.
            Revoked, Paused, Expired, WrongPurpose: the person's consent does not cover it.
            BadTotal, BadProof, BadJws, BadShape: what came does not fit what was signed.
        """
        wanted = purpose or self._only_purpose(grant_id)
        ask = Ask(grant=grant_id, window=window, purpose=wanted)
        body = self._wire.post("/v1/releases", compact_json(ask.plain())).body
        return self.check(ask, body)

    def check(self, ask: Ask, body: dict[str, Json]) -> Total:
        """Return the total that an answer to an ask proves.

        1. the release is the vault's, about this ask, and in the log. 2. the grant: signed by the
        key it names, for this platform, the window and purpose are its own. 3. when the grant
        shows sources: every close. 4. the token opens, and the signed commitment is to this total.
        """
        text, proof = text_of(body, "release"), text_of(body, "proof")
        release = self._check_release(text, proof, ask)  # 1
        grant = self._check_grant(text_of(body, "grant"), ask.grant)  # 2
        grant.check_window(ask.window)
        if ask.purpose not in grant.purposes:
            raise WrongPurpose(f"the grant does not list {ask.purpose[:80]!r}")
        if grant.show_sources:  # 3
            closes = [text_of(item, "close") for item in objects_of(body, "closes")]
            check_closes(self.directory, grant, release, closes)
        grams = self._reveal(grant, release, text_of(body, "sealed"))  # 4
        return Total(
            grams=grams,
            window=release.window,
            purpose=release.purpose,
            categories=grant.scope,
            methodology=release.methodology,
            grant=text_of(body, "grant"),
            release=text,
            proof=proof,
            checked="sources" if grant.show_sources else "vault",
        )

    def _only_purpose(self, grant_id: bytes) -> str:
        purposes = self.grant(grant_id).purposes
        if len(purposes) != 1:
            raise WrongPurpose(f"the grant has {len(purposes)} purposes; name one of {purposes}")
        return purposes[0]

    def _check_release(self, text: str, proof: str, ask: Ask) -> Release:
        place = check_logged(self.directory, text, proof)
        envelope = read_envelope(text, Release.typ)
        envelope.verify(self.directory.vault_key(envelope.kid, place.at))
        release = Release.opened(envelope)
        if (release.grant, release.window, release.purpose) != (ask.grant, ask.window, ask.purpose):
            raise BadTotal("the vault answered with a release of something else")
        return release

    def _check_grant(self, text: str, grant_id: bytes) -> Grant:
        envelope = read_envelope(text, Grant.typ)
        envelope.verify_introduced()
        grant = Grant.opened(envelope)
        own = (grant_id, self.identity.id, self.directory.org_of(self.identity.id))
        if (grant.grant, grant.platform, grant.org) != own:
            raise BadShape("the vault answered with a grant to someone else")
        return grant

    def _reveal(self, grant: Grant, release: Release, sealed: str) -> Grams:
        try:
            masks = open_token(
                self.identity.opening, unb64u(sealed), Granted(grant.grant, release.window)
            )
        except (BadSeal, BadScalar, BadShape) as bad:
            raise BadTotal("the token does not open for this grant and window") from bad
        return reveal(Cell(release.c, release.C), masks)


def write_total(total: Total) -> dict[str, Json]:
    """Return a total as JSON members, the proof texts included."""
    return {
        "grams": total.grams,
        "window": [*total.window],
        "purpose": total.purpose,
        "categories": [int(category) for category in total.categories],
        "methodology": [*total.methodology],
        "checked": total.checked,
        "grant": total.grant,
        "release": total.release,
        "proof": total.proof,
    }
