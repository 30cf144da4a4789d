"""The attack that shaped the protocol: a vault that asks a source to write one mask twice.

docs/protocol.md section 1. It answers "conflict, start from here", loses answers, rolls its store
back and moves its clock. A source that masks a running total anew gives every record away; the
real one never sends two byte strings for one (link, seq) or (link, month).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent.demo.cast import VAULT, Cast, Edition, compose, make_cast
from tests.world import EAST, FEB, JAN, MAR, TRAVEL, URL, Seeded, World
from vault.compose import Booking
from vault.crypto.commit import ORDER
from vault.crypto.keys import Root, Secret, SigningKey, record_key, stream_key
from vault.crypto.meter import hide, masks_of
from vault.crypto.seal import seal
from vault.directory import FIRST_PREV, Directory, read_directory
from vault.encoding import Envelope, compact_json, read_envelope, text_hash
from vault.errors import (
    BadCode,
    Conflict,
    NotFound,
    Relink,
    TooEarly,
    Unreachable,
    VaultError,
)
from vault.messages import (
    AbsentMonth,
    Batch,
    Close,
    LinkCode,
    LogEntry,
    Receipt,
    ReleaseEntry,
    link_info,
)
from vault.methodology.quantify import Act
from vault.methodology.release import load_release
from vault.months import DEFAULT_ZONE, Category, Grams, Month, add_months, close_slot, month_begins
from vault.outbox import Outbox
from vault.source import Identity, Source
from vault.wire import Wire

Slot = tuple[str, bytes, str]
SECRETS = [1_234, 77, 40_909, 5, 611]
DEEP = bool(os.environ.get("CARBONVAULT_DEEP"))
SCHEDULES = int(os.environ.get("CARBONVAULT_SCHEDULES") or (1_000 if DEEP else 150))
BATCH, CLOSE = Batch.typ, Close.typ
FORTY_DAYS = 40 * 86_400
ROOT = Root(bytes(range(20)))
RELEASE = load_release("demo-1")


class Killed(Exception):
    """The source's process ends here."""


# The hostile vault


def slot_of(envelope: Envelope) -> Slot:
    """Return what a message is the only one of: its kind, link, and seq or month."""
    if envelope.typ == BATCH:
        batch = Batch.opened(envelope)
        return envelope.typ, batch.link, str(batch.seq)
    close = Close.opened(envelope)
    return envelope.typ, close.link, close.month


@dataclass
class HostileVault:
    """Answers whatever it likes, and keeps every text that it was ever sent."""

    key: SigningKey
    now: Callable[[], int]
    seen: dict[Slot, list[str]] = field(default_factory=dict)
    first_seen: dict[Slot, int] = field(default_factory=dict)
    store: dict[Slot, str] = field(default_factory=dict)
    moods: list[str] = field(default_factory=list)
    usual: str = "take"
    shift: int = 0
    truthful: bool = False

    def client(self) -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(self.answer))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return self.word(bytes.fromhex(request.url.path.rpartition("/")[2]))
        text = request.content.decode("ascii")
        slot = slot_of(read_envelope(text, BATCH, CLOSE))
        self.seen.setdefault(slot, []).append(text)
        self.first_seen.setdefault(slot, self.now())
        mood = self.moods.pop(0) if self.moods else self.usual
        if mood in ("take", "lose the answer", "die after"):
            found = self.take(slot, text)
        else:
            found = REFUSALS.get(mood) or problem(503, "log-unavailable", "not now")
        if mood == "absent":
            found = self.absent(slot)
        if mood.startswith("lose"):
            raise httpx2.ReadTimeout("lost")
        if mood.startswith("die"):
            raise Killed
        if mood == "wrong receipt":
            return httpx2.Response(200, json={"receipt": self.receipt(text + "A")})
        return found

    def take(self, slot: Slot, text: str) -> httpx2.Response:
        """Answer as an honest vault would, by this one's store and clock."""
        if self.store.get(slot, text) != text:
            return REFUSALS["conflict"]
        if slot[0] == CLOSE and slot not in self.store:
            begin, end = close_slot(Month(slot[2]), DEFAULT_ZONE)
            if self.now() + self.shift < begin:
                return REFUSALS["too early"]
            if self.now() + self.shift >= end:
                return REFUSALS["too late"]
        self.store[slot] = text
        return httpx2.Response(200, json={"receipt": self.receipt(text)})

    def word(self, link: bytes) -> httpx2.Response:
        """Say what stands here about a link; unless told otherwise, hide every receipt."""
        stored = [t for (kind, n, _), t in self.store.items() if (kind, n) == (CLOSE, link)]
        receipts = [self.receipt(text) for text in stored if self.truthful]
        body = {"state": "attached", "receipts": receipts, "absents": [], "rejects": []}
        return httpx2.Response(200, json=body)

    def absent(self, slot: Slot) -> httpx2.Response:
        """Say with a signature that a close came too late; a batch never does."""
        if slot[0] == BATCH:
            return REFUSALS["too late"]
        word = AbsentMonth(iat=self.now(), link=slot[1], month=Month(slot[2])).signed(self.key)
        body = {"type": "absent", "detail": "too late", "statement": word}
        return httpx2.Response(422, json=body)

    def receipt(self, text: str) -> str:
        return Receipt(iat=self.now(), of=text_hash(text), taken=()).signed(self.key)

    def doubles(self) -> list[Slot]:
        """Return every slot that came with more than one byte string."""
        return [slot for slot, texts in self.seen.items() if len(set(texts)) > 1]

    def learned(self) -> list[int]:
        """Return what subtracting two closes under one mask gives: grams, in order."""
        grams = []
        for (kind, _, _), texts in self.seen.items():
            rows = [cells_of(text) for text in texts] if kind == CLOSE else []
            for older, newer in pairwise(rows):
                found = [(new - old) % ORDER for old, new in zip(older, newer, strict=True)]
                grams += [difference for difference in found if difference]
        return grams

    def early(self) -> list[Slot]:
        """Return every close that came before its slot by the source's clock."""
        return [
            slot
            for slot, at in self.first_seen.items()
            if slot[0] == CLOSE and at < close_slot(Month(slot[2]), DEFAULT_ZONE)[0]
        ]


def cells_of(text: str) -> list[int]:
    return [cell.masked for cell in Close.opened(read_envelope(text, CLOSE)).cells]


def problem(status: int, slug: str, detail: str) -> httpx2.Response:
    return httpx2.Response(status, json={"type": slug, "detail": detail})


REFUSALS = {
    "conflict": problem(409, "different-bytes", "conflict: start from here, seq 0"),
    "gap": problem(422, "gap", "wanted batch 0 of this link"),
    "too early": problem(422, "too-early", "it is another month here"),
    "too late": problem(422, "too-late", "close the running month now"),
    "gone": problem(410, "unlinked", "this link has ended"),
    "unknown": problem(404, "not-found", "unknown, or not yours"),
    "nonsense": httpx2.Response(200, content=b"<html>start again</html>"),
}
MOODS = [
    *("take", "lose the request", "lose the answer", "die before", "die after", "wrong receipt"),
    *("busy", "absent", *REFUSALS),
]


# A source that does what this protocol forbids


class NaiveSource:
    """One running total a month, masked anew whenever the vault asks for it again."""

    def __init__(self, link: bytes, key: SigningKey, wire: Wire) -> None:
        self._link, self._key, self._wire = link, key, wire
        self._k, self._total = stream_key(ROOT, link), 0
        self._send()

    def record(self, grams: int) -> None:
        self._total += grams
        self._send()

    def _send(self) -> None:
        close = Close(
            iat=0,
            link=self._link,
            month=JAN,
            methodology="demo-1",
            cells=tuple(
                hide(Grams(self._total * (c == TRAVEL)), masks_of(self._k, c, JAN))
                for c in Category
            ),
            upto=-1,
            batches=sha256().digest(),
        )
        with suppress(Conflict):  # "start from here": with the next record it does
            self._wire.post("/v1/closes", close.signed(self._key))


# The real source on a bench: its books in a file, the vault across the table


class Bench:
    """The real SDK over books in a real SQLCipher file, which outlive a crash."""

    def __init__(self, folder: Path) -> None:
        self.random = Seeded(b"bench")
        self.time = month_begins(JAN, DEFAULT_ZONE) + 5 * 86_400
        key = SigningKey(self.random(32))
        auditor = SigningKey(self.random(32))
        self.cast: Cast = make_cast(key.public, auditor, self.random)
        self._auditor = auditor
        self.directory = self._directory(1, FIRST_PREV)
        self.vault = HostileVault(key, lambda: self.time)
        self.fuse: int | None = None
        self.rides = 0
        self._folder, self._key, self._lives = folder, Secret(self.random(32)), 0
        self._past: list[dict[Slot, str]] = []
        self._client = self.vault.client()
        self._open()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.outbox.close()
        self._client.close()

    def _directory(self, version: int, prev: bytes) -> Directory:
        entry = ReleaseEntry(id=RELEASE.id, sha256=RELEASE.sha256, begins=JAN)
        log = LogEntry(origin="vault.test/log", vkey="", witnesses=(), quorum=0)
        edition = Edition(
            version=version,
            prev=prev,
            now=self.time,
            start=month_begins(JAN, DEFAULT_ZONE),
            log=log,
            releases=(entry,),
            years=(2026,),
        )
        text = compose(self.cast, edition).signed(self._auditor)
        return read_directory(text, self._auditor.public)

    def go(self, time: int) -> None:
        """Move the source's clock; it goes by the directory of that time."""
        self.time = time
        held = self.directory
        self.directory = self._directory(held.listing.version + 1, held.hash)
        self.source.directory = self.directory

    def wire(self) -> Wire:
        return Wire(URL, self.cast.actors[EAST].key, self._client, self.random)

    def _books(self) -> Path:
        return self._folder / f"books-{self._lives}.db"

    def _open(self) -> None:
        actor = self.cast.actors[EAST]
        self.outbox = Outbox(self._books(), self._key)
        self.source = Source(
            Identity(EAST, actor.key, (actor.opening,)),
            self.outbox,
            self.wire(),
            self.directory,
            RELEASE,
            lambda: self.time,
            self._dice,
        )

    def _dice(self, size: int) -> bytes:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise Killed
        return self.random(size)

    def copy_books(self) -> Path:
        """Return a copy of the books as they are on the disk now, with nobody's consent."""
        here = self._books()
        self._lives += 1
        for end in ("", "-wal"):
            if (old := here.with_name(here.name + end)).exists():
                shutil.copyfile(old, self._books().with_name(self._books().name + end))
        return self._books()

    def crash(self) -> None:
        """End the process where it stands; what is on the disk is what comes up again."""
        self.copy_books()
        self.outbox.close()
        self._open()

    def restore(self, older: Path) -> None:
        """Put older books in the place of these: what a source must never do."""
        self.outbox.close()
        self._lives += 1
        for end in ("", "-wal"):
            if (old := older.with_name(older.name + end)).exists():
                shutil.copyfile(old, self._books().with_name(self._books().name + end))
        self._open()

    @property
    def running(self) -> Month:
        return self.directory.month_at(self.time)

    def link(self, customer: str, link: bytes | None = None) -> bytes:
        """Let the customer's holder start a link, a new one unless it is named; return its id."""
        link = link or self.random(16)
        nonce = self.source.offer(customer)
        self.source.accept(customer, nonce, self.link_code(nonce, link))
        self.source.check_attached()
        return link

    def link_code(self, nonce: bytes, link: bytes) -> bytes:
        """Return the holder's link code for an open start."""
        wanted = LinkCode(
            link=link,
            k=stream_key(ROOT, link).value,
            rec=record_key(ROOT, link).public,
            vault=VAULT,
            nonce=nonce,
        )
        public = self.cast.actors[EAST].opening.public
        return seal(public, compact_json(wanted.plain()), link_info(EAST))

    # What a schedule is made of

    def ride(self) -> None:
        self.rides += 1
        metres = 1_000 + 17 * self.rides
        act = Act("travel.bike", {"m": metres, "s": metres}, self.time, self.time + 60, "CN-ZJ-HZ")
        customer = ("bob", "ann")[self.rides % 2]
        self.source.book(customer, [Booking(act, f"R-{self.rides:06d}", EAST, guessable=True)])

    def batch(self) -> None:
        self.source.send_batches()

    def close(self) -> None:
        self.source.close(add_months(self.running, -1))

    def close_early(self) -> None:
        with pytest.raises(TooEarly):
            self.source.close(self.running)

    def flush(self) -> None:
        self.source.flush()

    def next_month(self) -> None:
        self.go(month_begins(add_months(self.running, 1), DEFAULT_ZONE) + 86_400)

    def next_days(self) -> None:
        self.go(self.time + 9 * 86_400)

    def die_composing(self) -> None:
        self.fuse = 5

    def roll_back(self) -> None:
        self.vault.store = dict(self._past[len(self._past) // 2]) if self._past else {}

    def vault_ahead(self) -> None:
        self.vault.shift += FORTY_DAYS

    def vault_behind(self) -> None:
        self.vault.shift -= FORTY_DAYS

    def relink(self) -> None:
        for customer in ("ann", "bob"):
            with suppress(BadCode):
                self.link(customer)

    def step(self, name: str, moods: list[str]) -> None:
        """Do one thing while the vault is in these moods; a death is followed by a new life."""
        self.vault.moods = list(moods)
        self._past.append(dict(self.vault.store))
        try:
            getattr(self, name)()
        except Killed:
            self.crash()
        except VaultError:
            pass  # a source tries again later, with what stands in its books


STEPS = [
    *("ride", "ride", "batch", "batch", "close", "close", "close_early", "flush", "crash"),
    *("next_month", "next_days", "die_composing", "roll_back"),
    *("vault_ahead", "vault_behind", "relink"),
]
Schedule = list[tuple[str, list[str]]]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        yield bench


# (a) The attack works


def test_source_that_masks_a_running_total_anew_gives_away_every_record(bench: Bench) -> None:
    """T1, control: five records are read by subtracting two texts under one mask."""
    bench.vault.usual = "conflict"
    naive = NaiveSource(bytes(16), bench.cast.actors[EAST].key, bench.wire())
    for grams in SECRETS:
        naive.record(grams)
    assert bench.vault.learned() == SECRETS
    assert len(bench.vault.doubles()) == 1


# (b) It does not work against the real source


@pytest.mark.parametrize("mood", MOODS)
def test_real_source_gives_away_nothing_in_any_mood_of_the_vault(bench: Bench, mood: str) -> None:
    """T1: the vault keeps to one answer, whatever it is, over five records and two closes."""
    bench.link("ann")
    bench.link("bob")
    bench.vault.usual = mood
    for _ in SECRETS:
        for name in ("ride", "batch", "flush", "close_early"):
            bench.step(name, [])
    for name in ("next_month", "close", "ride", "batch", "close", "flush"):
        bench.step(name, [])
    assert (bench.vault.doubles(), bench.vault.learned()) == ([], [])
    assert bench.vault.seen


def test_lost_answer_is_followed_by_the_same_bytes(bench: Bench) -> None:
    """T1, T32: a batch and a close whose answers were lost go out again as they were."""
    bench.link("ann")
    bench.link("bob")
    bench.ride()
    bench.vault.moods = ["lose the answer"]
    with pytest.raises(Unreachable):
        bench.batch()
    bench.ride()
    bench.ride()
    bench.batch()
    bench.next_month()
    bench.vault.moods = ["lose the answer"]
    with pytest.raises(Unreachable):
        bench.close()
    bench.close()
    assert sorted(len(texts) for texts in bench.vault.seen.values()) == [1, 1, 1, 1, 2, 2]
    assert (bench.vault.doubles(), bench.vault.learned()) == ([], [])


def test_conflict_ends_the_link_and_nothing_is_closed_on_it_again(bench: Bench) -> None:
    """T1: after "conflict, start from here" there is no start from there."""
    link = bench.link("ann")
    bench.ride()
    bench.vault.moods = ["conflict"]
    with pytest.raises(Relink):
        bench.batch()
    with pytest.raises(NotFound):
        bench.source.link_of("ann")
    book = bench.outbox.link(link)
    assert book is not None
    assert (book.state, book.k) == ("stopped", b"")
    fresh = bench.link("ann")
    bench.next_month()
    bench.close()
    assert not [slot for slot in bench.vault.seen if slot[:2] == (CLOSE, link)]
    assert [slot for slot in bench.vault.seen if slot[:2] == (CLOSE, fresh)]  # the way on


# Property 5, and 13 with it


def play(bench: Bench, schedule: Schedule) -> None:
    """Play a schedule, then a calm end in which everything that waits is sent."""
    bench.link("ann")
    bench.link("bob")
    for name, moods in schedule:
        bench.step(name, moods)
    bench.fuse = None
    for name in ("batch", "next_month", "flush", "close", "flush"):
        bench.step(name, [])


@settings(max_examples=SCHEDULES)
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.lists(st.sampled_from(MOODS), max_size=3)),
        min_size=4,
        max_size=16,
    )
)
@example([("ride", []), ("batch", ["die after"]), ("roll_back", []), ("ride", []), ("batch", [])])
@example([("ride", []), ("batch", []), ("next_month", []), ("close", ["die after"])])
@example([("ride", []), ("die_composing", []), ("batch", []), ("ride", []), ("batch", [])])
def test_any_schedule_has_one_byte_string_per_seq_and_per_month(schedule: Schedule) -> None:
    """Properties 5 and 13, T1 and T2: crash, loss, conflict, rollback, clocks 40 days off."""
    with TemporaryDirectory() as folder, Bench(Path(folder)) as bench:
        play(bench, schedule)
        assert bench.vault.doubles() == []
        assert bench.vault.learned() == []
        assert bench.vault.early() == []


def put_back(bench: Bench) -> None:
    """Let a month be sent, and put the books of before it in the place of these."""
    bench.link("ann")
    bench.link("bob")
    yesterday = bench.copy_books()
    bench.crash()  # goes on with books of its own, the copy stays as it is
    for name in ("ride", "ride", "batch", "next_month", "close"):
        bench.step(name, ["lose the answer"] * 9 if name == "close" else [])
    bench.restore(yesterday)
    bench.vault.moods = []


def write_it_anew(bench: Bench) -> None:
    """Let the source do the month once more, with other acts."""
    bench.go(month_begins(JAN, DEFAULT_ZONE) + 6 * 86_400)
    for name in ("ride", "batch", "next_month", "close"):
        bench.step(name, [])


def test_schedules_would_find_a_source_that_forgets(bench: Bench) -> None:
    """Property 5, control: books put back from yesterday write seq 0 and the month anew."""
    put_back(bench)
    bench.vault.store = {}
    write_it_anew(bench)
    kinds = {kind for kind, _, _ in bench.vault.doubles()}
    assert kinds == {BATCH, CLOSE}
    assert bench.vault.learned()


def test_books_that_are_declared_restored_write_no_month_anew(bench: Bench) -> None:
    """T42: the same books, declared; the control above is the vault that hides its receipts."""
    put_back(bench)
    bench.vault.store = {}
    assert bench.source.restored() == ["ann", "bob"]
    assert {book.k for book in bench.outbox.links("stopped")} == {b""}
    write_it_anew(bench)
    assert (bench.vault.doubles(), bench.vault.learned()) == ([], [])
    assert bench.source.restored() == []
    fresh = bench.link("ann")
    for name in ("ride", "ride", "batch", "next_month", "close"):
        bench.step(name, [])
    assert bench.source.link_of("ann") == fresh
    assert [slot for slot in bench.vault.seen if slot[:2] == (CLOSE, fresh)]
    assert (bench.vault.doubles(), bench.vault.learned()) == ([], [])


def test_books_of_a_truthful_vault_are_found_old_without_a_declaration(bench: Bench) -> None:
    """T42: before the next close the vault's receipts are compared; the control hides them."""
    put_back(bench)
    bench.vault.truthful = True
    bench.go(month_begins(FEB, DEFAULT_ZONE) + 86_400)
    (sent,) = [link for kind, link, _ in bench.vault.seen if kind == CLOSE]  # ann's, or bob's
    with pytest.raises(Relink):
        bench.close()
    assert [book.link for book in bench.outbox.links("stopped")] == [sent]
    assert (bench.vault.doubles(), bench.vault.learned()) == ([], [])


@pytest.mark.parametrize("declared", [False, True])
def test_start_that_stood_open_in_old_books_is_over(bench: Bench, declared: bool) -> None:
    """T42: the same link code once more would give the same k; the control does not declare."""
    nonce = bench.source.offer("ann")
    code = bench.link_code(nonce, bytes(16))
    yesterday = bench.copy_books()
    bench.crash()
    bench.source.accept("ann", nonce, code)
    bench.restore(yesterday)
    if declared:
        assert bench.source.restored() == []
        with pytest.raises(BadCode):
            bench.source.accept("ann", nonce, code)
    else:
        bench.source.accept("ann", nonce, code)
        (book,) = bench.outbox.links("answered")
        assert book.k == stream_key(ROOT, bytes(16)).value


def test_schedules_would_find_a_source_that_closes_by_the_vaults_clock(bench: Bench) -> None:
    """Property 13, control: a source on the vault's clock, 40 days ahead, closes January early."""
    bench.link("ann")
    bench.vault.shift = FORTY_DAYS
    own = bench.time
    bench.vault.now = lambda: own
    bench.go(bench.time + bench.vault.shift)
    bench.close()
    assert [slot[2] for slot in bench.vault.early()] == [JAN]


# Property 13 over the real vault


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def texts_posted(world: World, path: str) -> list[str]:
    """Return the list that the bodies posted to a path will be added to."""
    texts: list[str] = []

    def keep(request: httpx2.Request) -> None:
        if request.url.path == path:
            texts.append(request.content.decode("ascii"))

    world.client.event_hooks = {"request": [keep]}
    return texts


def closing_february(world: World) -> Callable[[int], None]:
    """Book a ride in February at the first source; return what sets the source's own clock."""
    ann = world.person("ann", EAST)
    world.close_month(JAN)
    world.ride(ann, EAST, 12_345)
    source = world.sources[EAST]
    source.send_batches()

    def set_own(time: int) -> None:
        source._now = lambda: time

    set_own(world.time)  # from here on the source's clock is its own
    return set_own


def test_vaults_clock_behind_only_refuses(world: World) -> None:
    """Property 13, T2: the real vault's clock is 40 days late; what was frozen goes out again."""
    set_own, source = closing_february(world), world.sources[EAST]
    texts = texts_posted(world, "/v1/closes")
    own = month_begins(MAR, DEFAULT_ZONE) + 3 * 86_400
    set_own(own)
    world.time = own - FORTY_DAYS
    with pytest.raises(TooEarly):
        source.close(FEB)
    world.time = own
    (closed,) = source.close(FEB)
    assert texts == [closed.text, closed.text]


def test_vaults_clock_ahead_gets_no_early_close_and_delays_the_sums(world: World) -> None:
    """Property 13, T2: it calls February absent; what was frozen for it is not written again."""
    set_own, source = closing_february(world), world.sources[EAST]
    texts = texts_posted(world, "/v1/closes")
    world.time += FORTY_DAYS
    with pytest.raises(TooEarly):
        source.close(FEB)
    assert texts == []
    own = month_begins(MAR, DEFAULT_ZONE) + 3 * 86_400
    set_own(own)
    world.time = own - FORTY_DAYS
    with pytest.raises(TooEarly):
        source.close(FEB)
    world.time = own + FORTY_DAYS
    (lost,) = source.close(FEB)  # the vault's signed word is that it is absent
    world.time = own
    assert source.close(FEB) == [lost]
    assert texts == [lost.text]
    world.time += FORTY_DAYS
    set_own(world.time)
    world.publish()
    source.directory = world.directory()
    (kept,) = source.close(MAR)
    assert texts == [lost.text, kept.text]
    assert (json.loads(kept.grams), kept.month) == (json.loads(lost.grams), MAR)
    assert json.loads(kept.grams)[3] == 12_345 * 487 // 10_000


# Property 4


def masks_sent(bench: Bench) -> list[int]:
    """Return every mask on the wire: c of each close less the grams in the source's books."""
    return [
        (c - grams) % ORDER
        for close in bench.source.closes()
        for c, grams in zip(cells_of(close.text), json.loads(close.grams), strict=True)
    ]


def test_no_mask_is_in_two_messages_also_after_a_relink(bench: Bench) -> None:
    """Property 4: all masks over three links and four months differ; a relink gives a new k."""
    first = bench.link("ann")
    bench.link("bob")
    month = ("ride", "ride", "batch", "next_month", "close")
    for name in (*month, *month, *month, "ride", "ride"):
        bench.step(name, [])
    bench.step("batch", ["take", "gone"])
    assert len(bench.outbox.links("ending")) == 1
    bench.relink()
    links = bench.outbox.links("attached") + bench.outbox.links("ending")
    assert len({link.link for link in links}) == len({link.k for link in links}) == 3
    for name in month:
        bench.step(name, [])
    assert [link.k for link in bench.outbox.links("stopped")] == [b""]
    assert first in {link.link for link in links}
    masks = masks_sent(bench)
    sent = {text for slot, texts in bench.vault.seen.items() for text in texts if slot[0] == CLOSE}
    assert sent == {close.text for close in bench.source.closes()}
    assert len(masks) == 7 * len(sent) == 7 * 8
    assert len(set(masks)) == len(masks)


def test_link_id_that_was_seen_before_is_refused(bench: Bench) -> None:
    """Property 4: a relink under the old id would hide two totals under one mask."""
    link = bench.link("ann")
    bench.step("batch", ["gone"])
    with pytest.raises(BadCode):
        bench.link("ann", link)
    fresh = bench.link("ann")
    old, same, new = (masks_of(stream_key(ROOT, n), TRAVEL, JAN) for n in (link, link, fresh))
    before, after = hide(Grams(100), old), hide(Grams(140), same)
    assert after.masked - before.masked == 40  # the control: what a naive relink gives away
    assert new != old
