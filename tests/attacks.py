"""What the attacks of the threat model are played with: a story, its operator, forged answers.

story = tell(world)                     # ann's first quarter, closed; two grants
Operator(world).rewrite(entries)        # the vault's own hand in its log and database
checked(story, restated(answered(story, grant, window), c=…))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from consent.demo.cast import BANK, CITY
from consent.log.sequencer import Sequencer
from consent.messages import (
    Ask,
    Bind,
    Erased,
    Grant,
    LinkMonths,
    NoticeRef,
    Pause,
    Refusal,
    Release,
    Resume,
    Revoke,
    Terms,
    Token,
    Web,
)
from consent.notices import notice_hash, render_notice
from consent.platform import Total
from consent.shown import combine, hash_closes
from consent.tokens import Granted, cells_of, open_token, seal_token, sign_token, sum_masks
from tests.world import EAST, FEB, JAN, MAR, TRAVEL, WEST, Person, World
from vault import journal
from vault.crypto.commit import ORDER, Point, Scalar, add_points, commit
from vault.crypto.keys import SigningKey, account_key, consent_key, stream_key
from vault.crypto.meter import Cell, Masks, hide, masks_of
from vault.encoding import Json, b64u, compact_json, read_envelope, text_hash, unb64u
from vault.messages import (
    AbsentMonth,
    Account,
    Attach,
    Close,
    Erase,
    Listing,
    Message,
    Reject,
    Unlink,
)
from vault.months import Category, Grams, Month, Window
from vault.wire import objects_of, text_of

QUARTER: Window = (JAN, FEB, MAR)
MAY, JUN = Month("2026-05"), Month("2026-06")
METRES = {JAN: 12_345, FEB: 700, MAR: 4_001}
RECEIPT = "TX-0123456789abcdef"
STRANGER = SigningKey(b"\x77" * 32)


# The stage: one person, two sources, a bank that is shown sources, a city that is not


@dataclass
class Story:
    """Ann's first quarter, closed; the bank's grant and the city's."""

    world: World
    ann: Person
    bank: Grant
    city: Grant


def tell(world: World) -> Story:
    ann = world.person("ann", EAST, WEST)
    story = Story(world, ann, world.allow(ann, BANK), world.allow(ann, CITY))
    for month, metres in METRES.items():
        world.ride(ann, EAST, metres)
        world.ride(ann, WEST, metres + 1)
        world.close_month(month)
    return story


def consent(person: Person, grant: Grant) -> SigningKey:
    return consent_key(person.root, grant.org)


def masks_over(person: Person, cells: tuple[LinkMonths, ...], scope: tuple[Category, ...]) -> Masks:
    return sum_masks(lambda link: stream_key(person.root, link), cells, scope)


def post_grant(world: World, person: Person, asked: Terms, **changed: object) -> Grant:
    """Post a grant past the app, with its checks left out; return it."""
    grant = sign_free_grant(world, person, asked, **changed)
    wire = world.wire(account_key(person.root))
    wire.post("/v1/holder/grants", grant.signed(consent(person, grant)))
    return grant


def sign_free_grant(world: World, person: Person, asked: Terms, **changed: object) -> Grant:
    org = world.directory().org_of(asked.platform)
    notice = render_notice(asked, world.directory(), "en")
    members: dict[str, object] = {
        **dict(asked),
        "iat": world.now(),
        "type": "carbon_reduction_total",
        "grant": world.random(16),
        "pk": consent_key(person.root, org).public,
        "org": org,
        "notice": NoticeRef(sha256=notice_hash(notice), locale="en"),
        **changed,
    }
    return Grant.model_validate(members)


def post_token(
    story: Story,
    grant: Grant,
    window: Window,
    cells: tuple[LinkMonths, ...] | None = None,
    masks: Masks | None = None,
    key: SigningKey | None = None,
) -> None:
    """Post a token past the app, with whatever content."""
    ann, world = story.ann, story.world
    cells = cells or cells_of(ann.holder.link_facts(), grant.org, window)
    granted = Granted(grant.grant, window)
    public = world.cast.actors[grant.platform].opening.public
    sealed = seal_token(masks or masks_over(ann, cells, grant.scope), public, granted)
    post = sign_token(key or consent(ann, grant), world.now(), granted, cells, sealed)
    wire = world.wire(account_key(ann.root))
    wire.post("/v1/holder/tokens", compact_json(post.plain()))


def total(story: Story, grant: Grant, window: Window) -> Total:
    return story.world.platform(grant.platform).total(grant.grant, window)


def every_close(story: Story) -> list[str]:
    wire = story.world.wire(account_key(story.ann.root))
    return [
        text_of(item, "close")
        for link in sorted(story.ann.links.values())
        for item in objects_of(wire.get(f"/v1/holder/links/{link.hex()}/closes").body, "closes")
    ]


# The hostile operator: all keys of the vault, the whole database


class Text(NamedTuple):
    text: str


@dataclass(frozen=True)
class Logged:
    at: int
    text: str

    @property
    def kind(self) -> str:
        if not self.text:
            return "gone"
        return read_envelope(self.text, *KINDS).typ.removeprefix("cv1-")


MESSAGES: Mapping[str, type[Message]] = {
    kind.typ.removeprefix("cv1-"): kind
    for kind in (
        *(Listing, Account, Bind, Attach, Unlink, Close, AbsentMonth, Reject, Grant, Token),
        *(Revoke, Pause, Resume, Release, Refusal, Erase, Erased, Web),
    )
}
KINDS = tuple(kind.typ for kind in MESSAGES.values())


class Operator:
    """What the vault's operator can do to its own log and database."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, sql: str, *values: int | str | bytes | None) -> int:
        return self.world.database.write(lambda tx: tx.run(sql, *values))

    def rows(self) -> list[journal.Entry]:
        return self.world.database.read(lambda tx: journal.entries_from(tx, 0, 100_000))

    def entries(self) -> list[Logged]:
        return [Logged(row.at, row.text) for row in self.rows()]

    def log(self, text: str) -> str:
        """Log a text that nobody but the operator wants there; return its proof."""
        state = self.world.app.state
        name = self.world.database.write(
            lambda tx: journal.append(tx, state.service.operator, text)
        )
        proof: str = state.log.prove(name)
        return proof

    def rewrite(self, entries: list[Logged]) -> None:
        """Replace the log by another, signed anew with all that follows."""
        self.run("DELETE FROM journal")
        for number, entry in enumerate(entries, 1):
            self.run(
                "INSERT INTO journal (id, hash, at, salt, text) VALUES (?, ?, ?, ?, ?)",
                number,
                text_hash(entry.text) if entries.index(entry) == number - 1 else bytes([number]),
                entry.at,
                bytes(16),
                entry.text,
            )
        self.run("DELETE FROM log_tile")
        self.run("DELETE FROM log_head")
        place = self.world.place
        fresh = Sequencer(self.world.database, place.settings.origin, place.log_key)
        fresh.sequence()
        state = self.world.app.state
        state.log, state.service = fresh, replace(state.service, prove=fresh.prove)


def found(world: World) -> list[tuple[int, str]]:
    return [(f.index, f.rule) for f in world.auditor().audit().findings]


# An answer to an ask, in the parts that a liar could change


@dataclass(frozen=True)
class Answer:
    ask: Ask
    release: Release
    grant: Grant
    masks: Masks
    closes: tuple[str, ...]
    granted: Granted
    sealed_to: bytes

    @property
    def cell(self) -> Cell:
        return Cell(self.release.c, self.release.C)


def answered(story: Story, grant: Grant, window: Window) -> Answer:
    """Return the vault's honest answer, taken apart; the token opened with the platform's key."""
    actor = story.world.cast.actors[grant.platform]
    ask = Ask(grant=grant.grant, window=window, purpose=grant.purposes[0])
    body = story.world.wire(actor.key).post("/v1/releases", compact_json(ask.plain())).body
    granted = Granted(grant.grant, window)
    return Answer(
        ask=ask,
        release=Release.opened(read_envelope(text_of(body, "release"), Release.typ)),
        grant=grant,
        masks=open_token((actor.opening,), unb64u(text_of(body, "sealed")), granted),
        closes=tuple(text_of(item, "close") for item in objects_of(body, "closes")),
        granted=granted,
        sealed_to=actor.opening.public,
    )


def body_of(story: Story, answer: Answer) -> dict[str, Json]:
    """Return the answer signed, sealed and logged as an honest one is."""
    text = answer.release.signed(story.world.place.vault_key)
    own = story.bank if answer.ask.grant == story.bank.grant else story.city
    return {
        "release": text,
        "grant": answer.grant.signed(consent(story.ann, own)),
        "sealed": b64u(seal_token(answer.masks, answer.sealed_to, answer.granted)),
        "closes": [{"close": close} for close in answer.closes],
        "proof": Operator(story.world).log(text),
    }


def checked(story: Story, answer: Answer) -> Total:
    """Return what the platform's SDK makes of the answer."""
    asked = story.bank if answer.ask.grant == story.bank.grant else story.city
    return story.world.platform(asked.platform).check(answer.ask, body_of(story, answer))


def restated(answer: Answer, **changed: object) -> Answer:
    return replace(answer, release=answer.release.model_copy(update=changed))


def restate_closes(answer: Answer, texts: tuple[str, ...]) -> Answer:
    """Return the answer that states these closes and their sum, every hash right."""
    closes = [Close.opened(read_envelope(text, Close.typ)) for text in texts]
    cell = combine([close.cells for close in closes], answer.grant.scope)
    return restated(
        replace(answer, closes=texts),
        c=cell.masked,
        C=cell.commitment,
        closes=hash_closes(list(texts)),
        methodology=tuple(sorted({close.methodology for close in closes})),
    )


def shifted(point: Point, grams: int) -> Point:
    return add_points([point, commit(grams % ORDER, Scalar(0))])


def resigned(story: Story, text: str, key: SigningKey | None = None, **changed: object) -> str:
    """Return a close with other members, signed by its source (or another key)."""
    close = Close.opened(read_envelope(text, Close.typ))
    name = next(name for name, link in story.ann.links.items() if link == close.link)
    return close.model_copy(update=changed).signed(key or story.world.cast.actors[name].key)


def forge_close(world: World, person: Person, month: Month) -> str:
    """Let the second source close a month of the person's link so that it does not open."""
    link, actor = person.links[WEST], world.cast.actors[WEST]
    key = stream_key(person.root, link)
    cells = [hide(Grams(0), masks_of(key, category, month)) for category in Category]
    cells[TRAVEL - 1] = Cell(Scalar(7), cells[TRAVEL - 1].commitment)
    text = Close(
        iat=world.time,
        link=link,
        month=month,
        methodology="demo-1",
        cells=tuple(cells),
        upto=-1,
        batches=sha256().digest(),
    ).signed(actor.key)
    world.wire(actor.key).post("/v1/closes", text)
    return text
