"""What a holder's records come to, for the web app: closes, refusals, why, exports, a receipt.

    ./run python -m tests.web_vectors_records        writes tests/vectors/web_records.json

Links are made by hand, good and bad, and each has the outcome of the Python implementation. The
vault of `answers` is a real one. The same seeds give the same file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import cast
from unittest.mock import patch

from consent.commands.records import _csv, _rows
from consent.demo.cast import CITY
from consent.origin import Origin
from consent.receipts import Receipt as ConsentReceipt
from consent.receipts import make_receipt
from consent.recompute import OpenedBatch, check_unreadable, counting_records
from consent.records import OwnLink, open_link, overlapping
from consent.templates import load_templates
from consent.turns import Turn
from tests import listing
from tests.jws_texts import SeededSuite
from tests.world import EAST, FEB, JAN, MAR, WEST, Seeded, World
from vault.chain import ZERO, digest_of, settle
from vault.compose import Booking
from vault.crypto import seal
from vault.crypto.commit import ORDER, Scalar
from vault.crypto.keys import Root, SigningKey, StreamKey, account_key, record_key, stream_key
from vault.crypto.meter import CELL_LIMIT, Cell, hide, masks_of
from vault.directory import Directory
from vault.encoding import (
    Json,
    b64u,
    compact_json,
    sign_jws,
    strict_object,
    text_hash,
    unb64u,
)
from vault.errors import Locale, NotFound, VaultError
from vault.messages import (
    AbsentMonth,
    Batch,
    Close,
    KeyTime,
    Receipt,
    Record,
    Reject,
    ReleaseEntry,
    batch_info,
)
from vault.methodology.explain import explain, render
from vault.methodology.quantify import Act, Credit
from vault.methodology.release import load_release
from vault.months import Category, Grams, Milligrams, Month
from vault.tags import fill_tags
from vault.wire import Answer, Wire

PATH = Path(__file__).parent / "vectors" / "web_records.json"
SEED = b"web records"
ROOT, STRANGER = Root(bytes(range(40, 60))), Root(bytes(range(60, 80)))
SOURCE, VAULT = SigningKey(b"\x31" * 32), SigningKey(b"\x32" * 32)
# Keys that end with a month's slot, before it, or begin after it; a vault's that ended.
ENDING, ENDED, LATER = (SigningKey(bytes([n]) * 32) for n in (0x33, 0x34, 0x35))
BEFORE, NOBODY = SigningKey(b"\x36" * 32), SigningKey(b"\x37" * 32)
LINK, OTHER = b"\x0a" * 16, b"\x0b" * 16
NEW_YEAR = 1_767_225_600
DAY = 86_400
ANOTHER = hide(Grams(1), masks_of(stream_key(ROOT, LINK), Category(4), FEB)).commitment
Body = dict[str, Json]


class Shelf(Wire):
    """A vault that answers from memory."""

    def __init__(self, answers: Mapping[str, Body]) -> None:
        self.answers = answers

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        if path not in self.answers:
            raise NotFound("nothing is there")
        return Answer(self.answers[path], "")


# Links made by hand


def _directory() -> Directory:
    """Return a directory with the keys of now and of before."""

    def valid(key: SigningKey, begins: int, until: int) -> KeyTime:
        return KeyTime(pk=key.public, begins=NEW_YEAR + begins * DAY, until=NEW_YEAR + until * DAY)

    sig = {
        "bike.example": (
            valid(SOURCE, -30, 335),
            valid(ENDING, -30, 35),
            valid(ENDED, -30, 1),
            valid(LATER, 60, 335),
        ),
        "vault.example": (valid(VAULT, -30, 335), valid(BEFORE, -300, -30)),
    }
    parties = map(listing.party, listing.SIGNING)
    entries = tuple(each.model_copy(update={"sig": sig.get(each.id, each.sig)}) for each in parties)
    releases = tuple(
        ReleaseEntry(id=name, sha256=sha256(load_release(name).file).digest(), begins=JAN)
        for name in ("2026-1", "demo-1")
    )
    changed = {"entries": entries, "releases": releases, "knet": ()}
    return listing.signed(listing.listing().model_copy(update=changed))


DIRECTORY = _directory()


def ride(number: int, **changed: object) -> Record:
    """Return a record of its own act and tag: one of 1,234 m, 60,096 mg."""
    found = Record(
        act=sha256(b"act %d" % number).digest()[:16],
        behaviour="travel.bike",
        rev=3,
        release="2026-1",
        activity={"m": 1234, "s": 300},
        start=NEW_YEAR + 3600 * number,
        end=NEW_YEAR + 3600 * number + 300,
        operator="bike.example",
        receipt=f"R-{number}",
        tag=sha256(b"tag %d" % number).digest()[:16],
        evidence="E3",
        mg=60_095,
        detail={"region": "CN-ZJ-HZ"},
    )
    return found.model_copy(update=changed)


def back(number: int, of: Record, **changed: object) -> Record:
    """Return a record that takes another back."""
    update = {"mg": -of.mg, "corrects": of.act, "reason": "taken-back", **changed}
    return ride(number, **{**update, "behaviour": changed.get("behaviour", of.behaviour)})


class Made:
    """A link under construction: what its source sends and its vault receipts."""

    def __init__(self, link: bytes = LINK, root: Root = ROOT) -> None:
        self.link, self.key = link, stream_key(root, link)
        self.rec, self.balances, self.after = record_key(root, link).public, ZERO, -1
        # The same records are the same text in every case, which stands in the file once.
        self.random, self.suite = Seeded(link), SeededSuite(link)
        self.batches: list[list[str]] = []
        self.closes: list[str] = []
        self.absents: list[str] = []
        self.sums: dict[int, int] = {}

    def batch(
        self,
        *records: Record,
        taken: tuple[int, ...] | None = None,
        plain: bytes | None = None,
        tags: Iterable[bytes] | None = None,
        counted: Iterable[Record] | None = None,
        by: SigningKey = SOURCE,
        receipt: Callable[[Receipt], str] = lambda receipt: receipt.signed(VAULT),
    ) -> Made:
        """Add a batch; `taken` are positions among the records, made those among the tags."""
        known = list(
            fill_tags([r.tag for r in records] if tags is None else list(tags), self.random)
        )
        raw = compact_json([r.plain() for r in records]) if plain is None else plain
        text = seal.pad(raw) if not raw.startswith(b"raw:") else raw
        seq = len(self.batches)
        with patch.object(seal, "SUITE", self.suite):
            sealed = seal.seal(self.rec, text, batch_info(self.link, seq))
        batch = Batch(
            iat=NEW_YEAR, link=self.link, seq=seq, tags=tuple(known), sealed=sealed
        ).signed(by)
        places = taken and tuple(
            sorted(known.index(records[n].tag) if n < len(records) else n for n in taken)
        )
        told = Receipt(iat=NEW_YEAR, of=text_hash(batch), taken=places)
        self.batches.append([batch, receipt(told)])
        kept = [r for n, r in enumerate(records) if n not in (taken or ())]
        for record in kept if counted is None else counted:
            category = load_release("2026-1").category(record.behaviour)
            self.sums[category] = self.sums.get(category, 0) + record.mg
        return self

    def close(
        self,
        month: Month,
        change: Callable[[int, Cell], Cell] = lambda _, cell: cell,
        add: int = 0,
        by: SigningKey = SOURCE,
        **changed: object,
    ) -> Made:
        """Close a month over what was added since."""
        settled = settle(self.balances, self.sums, load_release("2026-1").cap)
        found = Close(
            iat=NEW_YEAR,
            link=self.link,
            month=month,
            methodology="2026-1",
            cells=tuple(
                change(c, hide(Grams(g + (add if c == 4 else 0)), masks_of(self.key, c, month)))
                for c, g in zip(Category, settled.grams, strict=True)
            ),
            upto=len(self.batches) - 1,
            batches=digest_of((b, r) for b, r in self.batches[self.after + 1 :]),
        )
        self.closes.append(found.model_copy(update=changed).signed(by))
        self.balances, self.sums, self.after = settled.balances, {}, len(self.batches) - 1
        return self

    def reject(self, *, by: SigningKey | None = None, **changed: object) -> Made:
        """Reject the last close."""
        text = Reject(iat=NEW_YEAR, close=text_hash(self.closes[-1])).model_copy(update=changed)
        self.absents.append(text.signed(by or account_key(ROOT)))
        return self

    def anew(self) -> Made:
        """Forget the last close, as a source must not."""
        self.balances, self.after, self.sums = ZERO, -1, {4: ride(1).mg}
        return self

    def answers(self) -> dict[str, Body]:
        """Return what the vault answers, two batches a page."""
        path, found = f"/v1/holder/links/{self.link.hex()}", dict[str, Body]()
        for first in range(0, len(self.batches) + 1, 2):
            page: list[Json] = [
                {"seq": first + n, "batch": batch, "receipt": receipt}
                for n, (batch, receipt) in enumerate(self.batches[first : first + 2])
            ]
            following = first + 2 if len(page) == 2 else None
            found[f"{path}/batches?first={first}"] = {"batches": page, "next": following}
        closes: list[Json] = [{"close": text} for text in self.closes]
        absents: list[Json] = [{"text": text, "proof": ""} for text in self.absents]
        found[f"{path}/closes"] = {"closes": closes, "absents": absents}
        return found

    def plain(self, texts: list[str]) -> Body:
        """Return the link with its texts by their places in a list, which grows by new ones."""

        def place(text: str) -> int:
            if text not in texts:
                texts.append(text)
            return texts.index(text)

        batches: list[Json] = [[place(batch), place(receipt)] for batch, receipt in self.batches]
        closes: list[Json] = [place(text) for text in self.closes]
        absents: list[Json] = [place(text) for text in self.absents]
        return {"link": self.link.hex(), "batches": batches, "sent": closes, "absents": absents}


def _in(category: int, change: Callable[[Cell], Cell]) -> Callable[[int, Cell], Cell]:
    return lambda c, cell: change(cell) if c == category else cell


def _more(cell: Cell, count: int = 1) -> Cell:
    return replace(cell, masked=Scalar((cell.masked + count) % ORDER))


def good_links() -> Iterator[tuple[str, Made]]:
    """Yield links whose closes are what their records add up to."""
    yield "nothing at all", Made()
    yield "a month without an act", Made().close(JAN)
    yield "one month", Made().batch(ride(1), ride(2)).close(JAN)
    three = Made().batch(ride(1)).close(JAN).batch(ride(2)).batch(ride(3), ride(4)).close(FEB)
    yield (
        "what is left of a month is carried on, and a batch after the last close waits",
        (three.batch(ride(5)).close(MAR).batch(ride(6))),
    )
    yield "an act taken back in its month", Made().batch(ride(1), back(2, ride(1))).close(JAN)
    late = Made().batch(ride(1), ride(2)).close(JAN).batch(back(3, ride(1)))
    yield "an act taken back later leaves a balance below zero", late.close(FEB).close(MAR)
    yield "a voided act counts nothing", Made().batch(ride(1), ride(2), taken=(0,)).close(JAN)
    voided = Made().batch(ride(1), ride(2), taken=(0,)).batch(back(3, ride(1)), counted=())
    yield "what corrects a voided act counts nothing either", voided.close(JAN)
    much = ride(1, mg=2_500_000, behaviour="food.no_cutlery", rev=2)
    yield (
        "what lies above the month's cap is carried on",
        (Made().batch(much).close(JAN).batch(ride(2)).close(FEB)),
    )
    zero = ride(1, mg=0, reason="no-published-factor", behaviour="travel.walk", rev=1)
    yield "an act that counts nothing", Made().batch(zero).close(JAN)
    yield "a batch of 36 records", Made().batch(*map(ride, range(36))).close(JAN)
    tags = [ride(n).tag for n in (1, 1, 2)]
    yield "a tag that stands twice in a batch", Made().batch(ride(1), tags=tags).close(JAN)
    yield "another link of the same person", Made(link=OTHER).batch(ride(9)).close(JAN)
    yield from rejected_links()
    yield from _other_keys()


def _other_keys() -> Iterator[tuple[str, Made]]:
    new = Made().batch(ride(1), by=ENDED).close(JAN, by=ENDING).batch(ride(2), by=ENDING)
    yield "a source whose keys changed", new.close(FEB)
    yield "a source that was withdrawn", Made().batch(ride(1), by=ENDING).close(JAN, by=ENDING)
    late = Made().batch(ride(1), by=LATER, receipt=_at(60 * DAY))
    yield "a key that came later, used when it had come", late.close(FEB, by=LATER)
    older = Made().batch(ride(1), receipt=lambda receipt: receipt.signed(BEFORE))
    yield "a receipt under a key that the vault had before", older.close(JAN)


def _at(seconds: int, by: SigningKey = VAULT) -> Callable[[Receipt], str]:
    changed = {"iat": NEW_YEAR + seconds}
    return lambda receipt: receipt.model_copy(update=changed).signed(by)


def changed_text(text: str, **changed: Json) -> str:
    """Return a signed message with other members under the same signature."""
    head, payload, signature = text.split(".")
    body = {**strict_object(unb64u(payload)), **changed}
    return ".".join((head, b64u(compact_json(body)), signature))


def unsigned_links() -> Iterator[tuple[str, Made]]:
    """Yield links where the vault shows what its party did not sign."""
    for name, key in {
        "that nobody knows": NOBODY,
        "of another party": listing.SIGNING["city.example"],
        "of the vault": VAULT,
        "that came later": LATER,
    }.items():
        yield f"a batch under a key {name}", Made().batch(ride(1), by=key).close(JAN)
        yield f"a close under a key {name}", Made().batch(ride(1)).close(JAN, by=key)
    over = Made().batch(ride(1), by=ENDED, receipt=_at(DAY)).close(JAN)
    yield "a batch that was taken when its key had ended", over
    yield "a close whose key ended before its slot", Made().batch(ride(1)).close(JAN, by=ENDED)
    good = Made().batch(ride(1)).close(JAN)
    later = Made().batch(ride(1)).close(JAN).batch(ride(2), by=NOBODY).close(FEB)
    yield "a batch that the vault added to a month", later
    yield from _changed(good)
    moved = Made(link=OTHER).batch(ride(1)).close(JAN)
    other = Made().batch(ride(1))
    other.closes = moved.closes
    yield "a close of another link", other
    for name, receipt in {
        "that nobody signed": _at(0, NOBODY),
        "that the source signed": _at(0, SOURCE),
        "of another text": lambda receipt: receipt.model_copy(update={"of": bytes(32)}).signed(
            VAULT
        ),
        "that takes more than was signed": lambda receipt: changed_text(
            receipt.signed(VAULT), taken=[0]
        ),
        # Signed by the vault, whose own doing it is all the same.
        "that has another form": lambda receipt: sign_jws(
            Receipt.typ, {**receipt.plain(), "taken": "none"}, VAULT
        ),
        "that names no tag of many": lambda receipt: receipt.model_copy(
            update={"taken": (8,)}
        ).signed(VAULT),
    }.items():
        yield f"a receipt {name}", Made().batch(ride(1), receipt=receipt).close(JAN)
    yield "a receipt that names no tag", Made().batch(ride(1), taken=(900,)).close(JAN)


def _changed(good: Made) -> Iterator[tuple[str, Made]]:
    [batch], [close] = good.batches, good.closes
    for name, text in {
        "that was changed so that it does not open": changed_text(close, cells=_turned(close)),
        "that was changed in its month": changed_text(close, month=FEB),
        "that is a batch": batch[0],
        "that is no message": "close",
    }.items():
        other = Made().batch(ride(1))
        other.closes = [text]
        yield f"a close {name}", other
    other = Made()
    sealed = b64u(b"\x01" * 64)
    changed = changed_text(batch[0], sealed=sealed)
    receipt = Receipt(iat=NEW_YEAR, of=text_hash(changed)).signed(VAULT)
    other.batches = [[changed, receipt]]
    yield "a batch that was changed so that it does not open", other


def _turned(close: str) -> list[Json]:
    cells = strict_object(unb64u(close.split(".")[1]))["cells"]
    assert isinstance(cells, list)
    return cells[::-1]


def unreadable(change: Callable[[Cell], Cell] = lambda cell: _more(cell, CELL_LIMIT)) -> Made:
    """Return a link whose only close does not open."""
    return Made().batch(ride(1)).close(JAN, _in(4, change))


def rejected_links() -> Iterator[tuple[str, Made]]:
    """Yield links with a close that their holder rejected, and refuses no more."""
    yield "an unreadable close rejected", unreadable().reject()
    later = unreadable().reject().batch(ride(2)).batch(ride(3)).close(FEB)
    yield "an unreadable close rejected, and the ones after it", later.batch(ride(4)).close(MAR)
    other = unreadable(lambda cell: replace(cell, commitment=ANOTHER)).reject()
    yield "another commitment rejected, and the next close", other.batch(ride(2)).close(FEB)
    yield "a close that opens, rejected past the app", Made().batch(ride(1)).close(JAN).reject()
    beside = unreadable()
    beside.absents = [
        "no text at all",
        AbsentMonth(iat=NEW_YEAR, link=LINK, month=FEB).signed(VAULT),
        Reject(iat=NEW_YEAR, close=bytes(32)).signed(account_key(STRANGER)),
    ]
    yield "a reject among other texts", beside.reject().batch(ride(2)).close(MAR)


def not_rejected_links() -> Iterator[tuple[str, Made]]:
    """Yield links with a close that no reject helps."""
    after = unreadable().batch(ride(2)).close(FEB)
    yield "an unreadable close, and a good one after it", after
    stranger = unreadable().reject(by=account_key(STRANGER)).batch(ride(2)).close(FEB)
    yield "a reject that another account signed", stranger
    yield "a reject that the source signed", unreadable().reject(by=SOURCE)
    yield "a reject of another close", unreadable().reject(close=bytes(32))
    digest = Made().batch(ride(1)).close(JAN, _in(4, lambda c: _more(c, CELL_LIMIT)), upto=-1)
    yield "a rejected close over other batches", digest.reject()
    order = Made().batch(ride(1)).close(FEB).batch(ride(2)).close(JAN, _in(4, _more)).reject()
    yield "a rejected close of an earlier month", order
    again = unreadable().reject().anew().batch(ride(2)).close(FEB)
    yield "a rejected month whose records are booked anew", again
    lost = unreadable().reject()
    lost.balances = ZERO
    yield "a rejected month whose balance is lost", lost.batch(*map(ride, range(2, 12))).close(FEB)


def bad_links() -> Iterator[tuple[str, Made]]:
    """Yield links that a holder refuses."""
    foreign = Made(root=STRANGER).batch(ride(1)).close(JAN)
    yield "another holder's batch", foreign
    moved = Made(link=OTHER).batch(ride(1))
    mixed = Made().batch(ride(1)).close(JAN)
    mixed.batches = moved.batches
    yield "a batch of another link", mixed
    yield from _gaps()
    for name, change in {
        "a cell that hides one gram more": lambda cell: _more(cell),
        "a cell of 2^40 grams": lambda cell: _more(cell, CELL_LIMIT),
        "a commitment to another number": lambda cell: replace(cell, commitment=ANOTHER),
    }.items():
        yield name, Made().batch(ride(1)).close(JAN, _in(4, change))
        yield f"{name}, where nothing counts", Made().batch(ride(1)).close(JAN, _in(7, change))
    yield "a close of one gram more", Made().batch(ride(1)).close(JAN, add=1)
    twice = Made().batch(ride(1)).close(JAN).batch(ride(2)).close(FEB, add=1)
    yield "a balance that is counted twice", twice
    yield "another digest", Made().batch(ride(1)).close(JAN, batches=bytes(32))
    yield "a close over fewer batches", Made().batch(ride(1)).batch(ride(2)).close(JAN, upto=0)
    order = Made().batch(ride(1)).close(FEB).batch(ride(2)).close(JAN)
    yield "months that do not rise", order
    yield "a month twice", Made().batch(ride(1)).close(JAN).close(JAN)
    yield from not_rejected_links()
    yield from unsigned_links()
    yield from _corrections()
    yield from _batches()
    yield "a release that nobody lists", (Made().batch(ride(1)).close(JAN, methodology="2099-1"))
    yield (
        "a record of a release that nobody lists",
        (Made().batch(ride(1, release="2099-1")).close(JAN)),
    )
    strange = ride(1, behaviour="travel.teleport")
    yield "a behaviour that the release lacks", Made().batch(strange, counted=()).close(JAN)


def _gaps() -> Iterator[tuple[str, Made]]:
    gap = Made().batch(ride(1)).batch(ride(2)).batch(ride(3)).close(JAN)
    del gap.batches[1]
    yield "a batch that is left out", gap
    early = Made().batch(ride(1)).batch(ride(2))
    del early.batches[0]
    yield "a first batch that is left out before any close", early
    last = Made().batch(ride(1)).batch(ride(2)).close(JAN)
    del last.batches[1]
    yield "a last batch that is left out", last
    swapped = Made().batch(ride(1)).batch(ride(2)).close(JAN)
    swapped.batches.reverse()
    yield "batches out of order", swapped
    other = Made().batch(ride(1)).close(JAN)
    batch, _ = other.batches[0]
    other.batches[0][1] = Receipt(iat=NEW_YEAR + 1, of=text_hash(batch)).signed(VAULT)
    yield "another receipt than the close is over", other


def _corrections() -> Iterator[tuple[str, Made]]:
    once = Made().batch(ride(1)).close(JAN)
    yield (
        "an act taken back twice",
        (Made().batch(ride(1), back(2, ride(1))).batch(back(3, ride(1))).close(JAN)),
    )
    yield "a correction of nothing", Made().batch(back(2, ride(1))).close(JAN)
    yield (
        "a correction of another amount",
        (Made().batch(ride(1), back(2, ride(1), mg=-60_094)).close(JAN)),
    )
    yield (
        "a correction of another behaviour",
        (Made().batch(ride(1), back(2, ride(1), behaviour="travel.bus")).close(JAN)),
    )
    yield (
        "a correction of a correction",
        (Made().batch(ride(1), back(2, ride(1)), back(3, back(2, ride(1)), mg=-60_095)).close(JAN)),
    )
    yield "a correction after the last close, of nothing", once.batch(back(4, ride(3)))
    nothing = ride(1, mg=0, reason="same-time")
    twice = back(3, back(2, nothing))
    yield "a correction of a correction of nothing", Made().batch(nothing, back(2, nothing), twice)


def _batches() -> Iterator[tuple[str, Made]]:
    yield "a record without its tag", Made().batch(ride(1), tags=[ride(2).tag]).close(JAN)
    yield (
        "two records of one tag",
        (Made().batch(ride(1), ride(2, tag=ride(1).tag), tags=[ride(1).tag]).close(JAN)),
    )
    good = ride(1).plain()
    for name, plain in {
        "an object instead of a list": compact_json(good),
        "no JSON": b"[",
        "a record with a member more": compact_json([{**good, "more": 1}]),
        "a record with a fraction": compact_json([good]).replace(b"60095", b"60095.0"),
        "a record with a sum below zero": compact_json([{**good, "mg": -1}]),
        "no UTF-8": b'["\xff"]',
        "another padding": b"raw:" + bytes(4092),
    }.items():
        yield name, Made().batch(ride(1), plain=plain).close(JAN)


def outcome(made: Made) -> Body:
    """Return what the Python implementation makes of a link."""
    key, found = stream_key(ROOT, made.link), dict[str, Json]()
    try:
        origin = Origin(DIRECTORY, made.link, "bike.example")
        own = open_link(Shelf(made.answers()), ROOT, origin, load_release)
        found["slug"] = None
        found["closes"] = [
            {
                "month": c.month,
                "grams": [*c.grams],
                "balances": [*c.balances],
                "rejected": c.rejected,
            }
            for c in own.closes
        ]
        found["counting"] = [r.act.hex() for r in counting_records(own.batches)]
        found["voided"] = [r.act.hex() for b in own.batches for r in b.voided]
    except VaultError as bad:
        found["slug"] = bad.slug
    found["unreadable"] = [_unreadable(key, text) for text in made.closes]
    return found


def _unreadable(key: StreamKey, text: str) -> str | None:
    try:
        check_unreadable(key, text)
    except VaultError as bad:
        return bad.slug
    return None


def overlaps() -> list[Json]:
    """Return records of three links, and which trips overlap, as [link, act] pairs."""
    rides = [
        [ride(1), ride(2, start=NEW_YEAR + 8000, end=NEW_YEAR + 8000), ride(3)],
        [
            ride(11, start=NEW_YEAR + 3700, end=NEW_YEAR + 9000),
            ride(12, start=NEW_YEAR + 8100),
            ride(13, start=NEW_YEAR + 12_000, end=NEW_YEAR + 12_001),
            ride(14, start=NEW_YEAR + 4000, end=NEW_YEAR + 4000),
        ],
        [
            ride(21, start=NEW_YEAR + 3800, end=NEW_YEAR + 3900),
            ride(22, start=NEW_YEAR + 3800, end=NEW_YEAR + 3900, mg=0, reason="same-time"),
            ride(24, start=NEW_YEAR + 3900, end=NEW_YEAR + 4000),
            ride(23, start=NEW_YEAR, end=NEW_YEAR + 10_000, behaviour="use.own_bag", rev=1),
        ],
    ]
    links = [
        OwnLink(bytes([n]) * 16, "bike.example", [OpenedBatch(0, "", "", tuple(found), ())], [])
        for n, found in enumerate(rides)
    ]
    pairs = overlapping(links, load_release)
    return [
        {
            "links": [
                {"link": own.link.hex(), "records": [r.plain() for r in own.batches[0].records]}
                for own in links
            ],
            "pairs": [[[o.link.hex(), r.act.hex()] for o, r in pair] for pair in pairs],
        }
    ]


# Why a record holds its number

SHANGHAI = 1_767_571_200  # 2026-01-05 08:00
SKIPPED = ("行为：", "Act: ")


def _act(behaviour: str, activity: dict[str, int], **more: object) -> Act:
    members: dict[str, object] = {"region": "CN-ZJ-HZ", "evidence": "E3", **more}
    start = cast("int", members.pop("start", SHANGHAI))
    return Act(behaviour, activity, start, start + 300, **members)  # type: ignore[arg-type]


def told_acts() -> Iterator[tuple[str, Act, Credit, bool]]:
    """Yield a release, an act, what a record of it holds, and whether it was counted before."""
    bike = _act("travel.bike", {"m": 1234, "s": 300})
    for mg, reason in (
        (60_095, None),
        (60_096, None),
        (1_000, "day-cap"),
        (60_096, "day-cap"),
        (0, "month-cap"),
        (0, "same-time"),
        (0, "made-up"),
        (-60_095, "taken-back"),
        (-60_096, "taken-back"),
    ):
        yield "2026-1", bike, Credit(mg, "travel.bike", 3, reason), False  # type: ignore[arg-type]
    yield "2026-1", bike, Credit(60_095, "travel.bike", 2, None), False  # type: ignore[arg-type]
    yield "2026-1", bike, Credit(60_095, "travel.bike", 3, None), True  # type: ignore[arg-type]
    for release, act in (
        ("2026-1", _act("travel.bike", {"m": 0, "s": 300})),
        ("2026-1", _act("travel.bike", {"m": 90_000, "s": 90_000})),
        ("2026-1", _act("travel.bike", {"m": 15_000, "s": 6000}, region="CN-HB-WH")),
        ("2026-1", _act("travel.ebike", {"m": 1200, "s": 300})),
        ("2026-1", _act("travel.ebike", {"m": 1200, "s": 300}, region="CN-CQ-YZ", start=0)),
        ("2026-1", _act("travel.ev_charge", {"Wh": 33_333, "s": 300}, region="CN-BJ")),
        ("2026-1", _act("travel.walk", {"m": 900, "s": 600})),
        (
            "2026-1",
            _act("home.save_electricity", {"Wh": 5, "count": 2, "s": 100_001}, evidence="E4"),
        ),
        ("2026-1", _act("use.swap", {"Wh": 4321, "s": 300}, region="CN")),
        ("2026-1", _act("clothing.second_hand", {"count": 3}, region="US")),
        ("2026-1", _act("food.no_cutlery", {"count": 1}, region="CN-BJ")),
        ("demo-1", _act("travel.bike", {"m": 7, "s": 60})),
    ):
        behaviour = load_release(release).behaviour(act.behaviour)
        if set(act.activity) != set(behaviour.units):
            act = replace(act, activity=dict.fromkeys(behaviour.units, 1200))
        yield release, act, Credit(0, act.behaviour, behaviour.rev, None), False  # type: ignore[arg-type]


def explained() -> Iterator[Body]:
    """Yield records with the lines that the Python implementation tells of them."""
    for name, act, credit, voided in told_acts():
        release = load_release(name)
        held = replace(credit, mg=Milligrams(0), reason="counted-before") if voided else credit
        found = explain(act, release, held, name)
        texts = {each: render(found, each).split("\n")[1:] for each in LOCALES}
        record: Body = {
            "behaviour": act.behaviour,
            "activity": {**act.activity},
            "start": act.start,
            "end": act.end,
            "evidence": act.evidence,
            "rev": credit.rev,
            "mg": credit.mg,
            "detail": {"region": act.region},
        }
        reason: Body = {"reason": credit.reason} if credit.reason else {}
        yield {
            "release": name,
            "record": {**record, **reason},
            "voided": voided,
            "lines": {
                each: [line for line in lines if not line.startswith(SKIPPED)]
                for each, lines in texts.items()
            },
        }


LOCALES: tuple[Locale, ...] = ("zh-CN", "en")


# A real vault, as its holder is answered


@contextmanager
def vault() -> Iterator[Body]:
    """Yield what a vault answers to ann, and what Python makes of it."""
    with World(seed=SEED) as world:
        world.allow_booking_for(WEST, EAST)
        ann, bob = world.person("ann", EAST, WEST), world.person("bob", EAST)
        holder = ann.holder
        holder.add_code()
        granted = world.allow(ann, CITY)
        world.ride(ann, EAST, 5000, 0, 1234)
        act = Act("travel.bike", {"m": 700, "s": 200}, world.time, world.time + 200, "CN-ZJ-HZ")
        shared = Booking(
            act,
            "TX-9f83c1d2e4a56b70",
            EAST,
            guessable=False,
            detail={"bike": "=1+1", "坐标": "西湖"},
        )
        world.sources[EAST].book("ann", [shared])
        world.ride(bob, EAST, 3000)
        world.sources[EAST].send_batches()
        world.sources[WEST].book("ann", [shared])
        world.ride(ann, WEST, 4321)
        world.close_month(JAN)
        world.platform(CITY).total(granted.grant, (JAN,))
        world.sources[EAST].take_back(EAST, "refund", "R-00000001")
        world.ride(ann, EAST, 800)
        world.close_month(FEB)
        holder.unlink(ann.links[WEST])
        holder.pause(granted)
        holder.load()
        wire = world.wire(account_key(ann.root))
        yield {
            "root": ann.root.value.hex(),
            "policy": {"auditor": b64u(world.policy.auditor), "log": world.policy.log},
            "vault": world.directory().listing.vault,
            "now": world.time,
            "answers": {path: _answer(wire, path) for path in _paths(holder.known_links)},
            **_said(world, holder.open_links()),
            **_receipts(world, holder.receipt(granted)),
        }


def _answer(wire: Wire, path: str) -> Json:
    found = wire.get(path)
    return {"body": found.body, "etag": found.etag}


def _paths(links: Iterable[bytes]) -> Iterator[str]:
    yield from ("/v1/directory", "/v1/holder/links", "/v1/holder/entries?first=0")
    yield from (
        f"/v1/holder/{n}" for n in ["grants", "tokens", "releases", "requests", "wraps", "state"]
    )
    for link in links:
        yield f"/v1/holder/links/{link.hex()}/batches?first=0"
        yield f"/v1/holder/links/{link.hex()}/closes"


def _said(world: World, links: list[OwnLink]) -> Body:
    zone = world.directory().listing.zone
    rows = sorted((row for own in links for row in _rows(own, zone)), key=lambda r: str(r["start"]))
    totals: dict[str, Json] = {
        own.link.hex(): {c.month: [*c.grams] for c in own.closes} for own in links
    }
    return {"rows": [*rows], "csv": _csv(rows), "totals": totals}


def _receipts(world: World, raw: bytes) -> Body:
    found = ConsentReceipt.parse(raw)
    turns = (Turn(directory=found.directory, proof="one"), Turn(directory=found.grant, proof="two"))
    directory = world.directory()
    with_turns = make_receipt(
        found.grant, found.proof, directory, found.directory_proof, turns=turns
    )
    return {
        "receipt": raw.decode("utf-8"),
        "receipt_turns": with_turns.decode("utf-8"),
        "templates": {name: found.plain() for name, found in load_templates().items()},
    }


def fork() -> Body:
    """Return a receipt, and a grant that another history of the same log holds at its size."""
    found = []
    for later in (0, 1):
        with World(seed=SEED) as world:
            world.time += later
            ann = world.person("ann", EAST)
            raw = ann.holder.receipt(world.allow(ann, CITY))
            found.append((ConsentReceipt.parse(raw), world.directory()))
    (one, directory), (other, _) = found
    try:
        make_receipt(other.grant, other.proof, directory, one.directory_proof)
    except VaultError as bad:
        return {"receipt": one.plain(), "other": other.plain(), "slug": bad.slug}
    raise AssertionError("a receipt of two histories is made")


def make() -> Body:
    """Return all vectors."""
    with patch.object(seal, "SUITE", SeededSuite(SEED)), vault() as real:
        texts = list[str]()
        links: list[Json] = [
            {"name": name, **made.plain(texts), **outcome(made)}
            for name, made in (*good_links(), *bad_links())
        ]
        return {
            "root": ROOT.value.hex(),
            "auditor": b64u(listing.AUDITOR.public),
            "directory": DIRECTORY.text,
            "texts": [*texts],
            "links": links,
            "overlaps": overlaps(),
            "explained": [*explained()],
            "fork": fork(),
            "vault": real,
        }


def text() -> str:
    """Return the file."""
    return json.dumps(make(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
