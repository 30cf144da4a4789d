"""The robots of a sandbox: each plays a person's whole app over the same SDK as a real one.

decide(person, code, "narrow").redirect      opened, allowed with the required only, tokens made
start(person, "bike.sandbox", nonce)         the link code and its six digits
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from consent.decisions import Decided
from consent.holder import Holder, LinkStart
from consent.sandbox.roll import Choice, Robot
from vault.encoding import Json, b64u, read_envelope
from vault.errors import AtomUsed, BadCode, Expired, NotFound
from vault.messages import Link
from vault.months import Category, Month


@dataclass
class Person:
    """A robot with its vault, and the links that it has begun."""

    robot: Robot
    holder: Holder
    begun: dict[bytes, LinkStart] = field(default_factory=dict)


def decide(person: Person, name: str, choice: Choice | None) -> Decided:
    """Open a request by code or request_uri, decide, and make the tokens that are due.

    Raises:
        NotFound, Expired, DifferentBytes: no request that this person can still decide.
        AtomUsed: the organisation has this person's months cut in another way already.
    """
    holder = person.holder
    holder.refresh()
    asked = holder.open_request(name)
    chosen = choice or person.robot.habit
    if chosen == "decline":
        return holder.decline_request(asked)
    optional = asked.request.details.categories.optional if chosen == "allow" else ()
    decided = holder.accept_request(asked, optional, "en")
    if decided.grant is not None:
        holder.mint(decided.grant)
    return decided


def start(person: Person, source: str, nonce: bytes) -> LinkStart:
    """Begin a link that a source offered; the start is kept until it is attached."""
    begun = person.holder.start_link(source, nonce)
    person.begun[begun.link] = begun
    return begun


def attach(person: Person, answer: str) -> LinkStart:
    """Attach the link that a source answered to; raises BadCode for another robot's."""
    link = Link.opened(read_envelope(answer, Link.typ)).link
    if link not in person.begun:
        raise BadCode("this answers no link code of this robot")
    person.holder.attach(person.begun[link], answer)
    return person.begun.pop(link)


def stop(person: Person, grant_id: bytes, ask_deletion: bool) -> None:
    """Ask for deletion, or stop sharing; raises NotFound for a grant of somebody else."""
    holder = person.holder
    holder.load()
    grant = next((own.grant for own in holder.grants() if own.grant.grant == grant_id), None)
    if grant is None:
        raise NotFound("no such grant of this robot")
    if ask_deletion:
        holder.ask_deletion(grant)
    else:
        holder.stop(grant)


def mint_all(person: Person) -> None:
    """Do what an opened app does: make every token that is due, and that can be made."""
    person.holder.refresh()
    for own in person.holder.grants():
        if own.state == "live":
            with suppress(AtomUsed, Expired):  # one grant holds up no other
                person.holder.mint(own.grant)


def own_figures(person: Person) -> dict[Month, dict[str, int]]:
    """Return the grams of each closed month by category, from this person's own records."""
    found: dict[Month, dict[str, int]] = {}
    for link in person.holder.open_links():
        for close in (close for close in link.closes if not close.rejected):
            grams = found.setdefault(close.month, {each.name.lower(): 0 for each in Category})
            for category, gram in zip(Category, close.grams, strict=True):
                grams[category.name.lower()] += gram
    return dict(sorted(found.items()))


def told(person: Person) -> dict[str, Json]:
    """Return what the sandbox shows of a robot."""
    grams: Mapping[Month, Mapping[str, Json]] = own_figures(person)
    return {
        "robot": person.robot.name,
        "habit": person.robot.says,
        "account": person.holder.account,
        "grams": {month: {**by_category} for month, by_category in grams.items()},
    }


def told_start(begun: LinkStart) -> dict[str, Json]:
    """Return what a robot's app shows of a link that it began."""
    return {"source": begun.source, "code": b64u(begun.code), "digits": begun.digits}
