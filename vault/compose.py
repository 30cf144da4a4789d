"""What a source writes: a record of one act, a batch of records, the close of a month.

    compose_act(booking, credit, link, month, release, tag, name)
    compose_batch(link, seq, acts, key, now, random)
    compose_close(link, month, chain, release, key, now)

Each is composed once, inside the transaction that freezes it (docs/protocol.md section 5).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from vault.allot import end_of
from vault.books import ActBook, Chain, CloseBook, Frozen, LinkBook
from vault.chain import ZERO, digest_of, settle
from vault.crypto.keys import SigningKey, StreamKey
from vault.crypto.meter import hide, masks_of
from vault.crypto.seal import pad, seal
from vault.encoding import compact_json
from vault.errors import BadShape, Conflict
from vault.messages import Batch, Close, Record, batch_info
from vault.methodology import reasons
from vault.methodology.quantify import Act, Credit
from vault.methodology.release import Release
from vault.months import Category, Month
from vault.tags import fill_tags

RECORD_LIMIT = 1 << 16
Outcome = Literal[
    "booked", "doubled", "before-link", "too-old", "not-yet", "refused", "waits", "link-ended"
]
CLAIMS = {"platform": reasons.COLLECTED, "elsewhere": reasons.ELSEWHERE}


@dataclass(frozen=True)
class Booking:
    """One act as the source recorded it.

    ``receipt`` is its number as printed, unique at the ``operator`` of record; ``guessable`` says
    that such numbers hold fewer than 64 unpredictable bits, so that no tag may be made from them.
    ``detail`` (places and the like) is sealed for the holder and nobody else. ``claimed`` says that
    the reduction is not the person's: the platform collected it, or it is registered in another
    mechanism; it then counts 0.
    """

    act: Act
    receipt: str
    operator: str
    guessable: bool
    detail: Mapping[str, str] = field(default_factory=dict)
    claimed: Literal["platform", "elsewhere"] | None = None


@dataclass(frozen=True)
class Booked:
    """What became of a booking, and its credit as it stands.

    doubled: its receipt is booked, or its act taken back, already; refused: out of bounds; waits:
    what takes back an act that is not booked yet; link-ended: its link goes on no more.
    The credit is final once the act is in a batch: until then other acts of its customer may cut
    it, or make room for it.
    """

    outcome: Outcome
    credit: Credit


def compose_act(
    booking: Booking,
    credit: Credit,
    link: LinkBook,
    month: Month,
    release: Release,
    tag: bytes,
    name: bytes,
) -> ActBook:
    """Return the books' row of an act, its record ready to be sealed.

    Args:
        booking: the act as recorded.
        credit: what the release gives for it.
        link: the customer's link.
        month: the booking month.
        release: the methodology release it was counted by.
        tag: 16 bytes, of K_net or random.
        name: 16 random bytes.

    Raises:
        BadShape: the record is over 64 KiB.
    """
    act = booking.act
    record = Record(
        act=name,
        behaviour=credit.behaviour,
        rev=credit.rev,
        release=release.id,
        activity=dict(act.activity),
        start=act.start,
        end=act.end,
        operator=booking.operator,
        receipt=booking.receipt,
        tag=tag,
        evidence=strong_evidence(act.evidence),
        mg=credit.mg,
        reason=credit.reason,
        detail={"region": act.region, **booking.detail},
    )
    return ActBook(
        name,
        link.link,
        month,
        booking.operator,
        booking.receipt,
        release.category(credit.behaviour),
        credit.behaviour,
        act.start,
        end_of(act.start, act.end, act.activity.get("s", 0)),
        credit.mg,
        credit.reason,
        credit.mg,
        tag,
        _text_of(record),
        not booking.guessable,
        reason=credit.reason,
    )


def strong_evidence(found: str) -> Literal["E3", "E4"]:
    """Return the evidence of an act that may be booked.

    Raises:
        BadShape: E0, E1 or E2: a cell holds only what an operator signed or metered.
    """
    if found == "E3":
        return "E3"
    if found == "E4":
        return "E4"
    raise BadShape(f"a source books acts of evidence E3 or E4, found {found[:4]}")


def compose_reversal(
    original: ActBook, month: Month, receipt: str, tag: bytes, name: bytes
) -> ActBook:
    """Return the negative record that takes an act back, citing it.

    It says what the original says but its own number, month, tag (always a random one: the same
    correction at another source must not void this one) and the milligrams, negated.

    Args:
        original: the act as it is booked.
        month: the running booking month; closed months never change.
        receipt: the number of the refund, credit note or correction.
        tag: 16 random bytes.
        name: 16 random bytes.
    """
    before = Record.parse(original.record)
    record = before.model_copy(
        update={
            "act": name,
            "receipt": receipt,
            "tag": tag,
            "mg": -before.mg,
            "reason": reasons.TAKEN_BACK,
            "corrects": original.act,
        }
    )
    return original._replace(
        act=name,
        month=month,
        receipt=receipt,
        gross=-original.mg,
        why=reasons.TAKEN_BACK,
        mg=-original.mg,
        tag=tag,
        record=_text_of(record),
        tagged=False,
        corrects=original.act,
        reason=reasons.TAKEN_BACK,
        seq=None,
        position=None,
    )


def _text_of(record: Record) -> bytes:
    text = compact_json(record.plain())
    if len(text) > RECORD_LIMIT:
        raise BadShape(f"a record holds at most {RECORD_LIMIT} bytes, found {len(text)}")
    return text


def compose_batch(
    link: LinkBook,
    seq: int,
    acts: list[ActBook],
    key: SigningKey,
    now: int,
    random: Callable[[int], bytes],
) -> Frozen:
    """Return a batch of acts, sealed for the holder and signed by the source."""
    tags = fill_tags([act.tag for act in acts], random)
    plain = pad(b"[" + b",".join(act.record for act in acts) + b"]")
    sealed = seal(link.rec, plain, batch_info(link.link, seq))
    batch = Batch(iat=now, link=link.link, seq=seq, tags=tags, sealed=sealed)
    return Frozen(batch.signed(key), tags)


def compose_close(
    link: LinkBook, month: Month, chain: Chain, release: Release, key: SigningKey, now: int
) -> CloseBook:
    """Return the close of a month: the balance chain settled, every total behind its mask.

    Raises:
        Conflict: a batch of the month has no receipt yet.
    """
    if any(batch.receipt is None for batch in chain.batches):
        raise Conflict("a batch of this month is not confirmed yet; send it first")
    previous = chain.previous
    before = json.loads(previous.balances) if previous else ZERO
    settled = settle(before, {row.category: row.mg for row in chain.sums}, release.cap)
    upto = chain.batches[-1].seq if chain.batches else (previous.upto if previous else -1)
    close = Close(
        iat=now,
        link=link.link,
        month=month,
        methodology=release.id,
        cells=tuple(
            hide(total, masks_of(StreamKey(link.k), category, month))
            for category, total in zip(Category, settled.grams, strict=True)
        ),
        upto=upto,
        batches=digest_of((batch.text, batch.receipt or "") for batch in chain.batches),
    )
    return CloseBook(
        link.link,
        month,
        upto,
        close.signed(key),
        json.dumps(settled.balances),
        json.dumps(settled.grams),
        None,
    )
