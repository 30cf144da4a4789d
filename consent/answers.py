"""What a platform does with an answer before it is a number (docs/protocol.md, "Ask and release").

    total = check_answer(identity, directory, ask, body)
    total.grams, total.checked        12345, "sources"
    total.witnesses                   ("w1.example", "w2.example")

A pure function of what was signed: a kept answer is checked again without a network. Nothing
unverified is ever returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from consent.log.proof import Logged
from consent.log.tlog_policy import LogPolicy
from consent.messages import Ask, Grant, Release
from consent.policy import check_logged
from consent.shown import check_closes
from consent.tokens import Granted, open_token
from vault.crypto.keys import OpeningKey, SigningKey
from vault.crypto.meter import Cell, reveal
from vault.directory import Directory
from vault.encoding import Json, read_envelope, unb64u
from vault.errors import BadScalar, BadSeal, BadShape, BadTotal, WrongPurpose
from vault.months import Category, Grams, Window
from vault.wire import objects_of, text_of

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

    `checked` says against whom: "sources" (each source's signature was checked here), "vault" (the
    vault's statement) or "audited" (that, and an auditor's report covers it: consent/reports.py).
    `place` is where the log holds the release. A total is personal data.
    """

    grams: Grams
    window: Window
    purpose: str
    categories: tuple[Category, ...]
    methodology: tuple[str, ...]
    grant: str
    release: str
    proof: str
    place: Logged
    checked: Checked

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Who cosigned the log's tree that the release stands in; none: the vault's word alone."""
        return tuple(sorted({one.witness.name for one in self.place.cosigned}))


def check_answer(
    identity: Identity,
    directory: Directory,
    ask: Ask,
    body: Mapping[str, Json],
    own: LogPolicy | None = None,
) -> Total:
    """Return the total that an answer to an ask proves.

    1. the release is the vault's, about this ask, and in the log as a quorum of witnesses saw it.
    2. the grant: signed by the key it names, for this platform, the window and purpose are its own.
    3. when the grant shows sources: every close. 4. the token opens, and the signed commitment is
    to this total. Not here: how long ago the witnesses cosigned (consent/policy.py, check_fresh).

    Args:
        identity: whose total it is.
        directory: the one in force, or that of the time.
        ask: what was asked.
        body: the vault's answer.
        own: the platform's own policy file.

    Raises:
        NotWitnessed: the quorum is missing.
        BadTotal, BadProof, BadJws, BadShape, UnknownKey, WrongPurpose: what came does not fit
            what was signed.
    """
    text, proof = text_of(body, "release"), text_of(body, "proof")
    place = check_logged(directory, text, proof, own, witnessed=True)
    release = _check_release(directory, text, place.at, ask)  # 1
    grant = check_own_grant(identity, directory, text_of(body, "grant"), ask.grant)  # 2
    grant.check_window(ask.window)
    if ask.purpose not in grant.purposes:
        raise WrongPurpose(f"the grant does not list {ask.purpose[:80]!r}")
    if grant.show_sources:  # 3
        closes = [text_of(item, "close") for item in objects_of(body, "closes")]
        check_closes(directory, grant, release, closes)
    grams = _reveal(identity, grant, release, text_of(body, "sealed"))  # 4
    return Total(
        grams=grams,
        window=release.window,
        purpose=release.purpose,
        categories=grant.scope,
        methodology=release.methodology,
        grant=text_of(body, "grant"),
        release=text,
        proof=proof,
        place=place,
        checked="sources" if grant.show_sources else "vault",
    )


def check_own_grant(identity: Identity, directory: Directory, text: str, grant_id: bytes) -> Grant:
    """Return a grant to this platform (id 16 bytes), its signature and addressee checked.

    Raises:
        BadJws, BadShape: it is not signed by the key it names, or is to someone else.
    """
    envelope = read_envelope(text, Grant.typ)
    envelope.verify_introduced()
    grant = Grant.opened(envelope)
    own = (grant_id, identity.id, directory.org_of(identity.id))
    if (grant.grant, grant.platform, grant.org) != own:
        raise BadShape("the vault answered with a grant to someone else")
    return grant


def _check_release(directory: Directory, text: str, at: int, ask: Ask) -> Release:
    envelope = read_envelope(text, Release.typ)
    envelope.verify(directory.vault_key(envelope.kid, at))
    release = Release.opened(envelope)
    if (release.grant, release.window, release.purpose) != (ask.grant, ask.window, ask.purpose):
        raise BadTotal("the vault answered with a release of something else")
    return release


def _reveal(identity: Identity, grant: Grant, release: Release, sealed: str) -> Grams:
    try:
        masks = open_token(identity.opening, unb64u(sealed), Granted(grant.grant, release.window))
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
        "witnesses": [*total.witnesses],
        "index": total.place.index,
        "grant": total.grant,
        "release": total.release,
        "proof": total.proof,
    }
