"""The life of grants as a machine, beside a model that knows only what was said and booked.

Requests, narrowed consents, refusals, expiry, tokens, closes, asks, pauses, replacements, stops,
deletions and the clock, in any order, from two devices of one person to two platforms. After each
act the answer is the model's: the figure, or the slug of the error; the platforms' events, the
requests and the grants are compared as they go along. At the end the log is audited, and every
release, refusal, receipt and history is the model's.

In memory, and over real HTTP with a server of its own. CARBONVAULT_DEEP=1 plays more.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from consent.asking import Pushed, Wanted
from consent.auditor import Auditor
from consent.demo.cast import BANK, CITY, SOURCES
from consent.demo.stage import Stage
from consent.holder import Holder
from consent.messages import Grant
from consent.platform import Platform
from consent.policy import Policy
from consent.receipts import Receipt, history, read_entries, verify_receipt
from consent.templates import latest_until
from tests.world import EAST, JAN, WEST, World
from vault.compose import Booking
from vault.crypto.keys import ROOT_SIZE, Root, SigningKey, account_key
from vault.directory import Directory
from vault.errors import Locale, VaultError
from vault.methodology.quantify import Act
from vault.months import (
    DEFAULT_ZONE,
    Month,
    Window,
    add_months,
    month_begins,
    windows_of,
)
from vault.source import Source
from vault.wire import Wire

DEEP = bool(os.environ.get("CARBONVAULT_DEEP"))
EXAMPLES, STEPS = (300, 60) if DEEP else (15, 30)
HTTP_EXAMPLES, HTTP_STEPS = (20, 60) if DEEP else (2, 20)
LAST = Month("2026-08")
BACK = "https://city.demo/back"
WHY: dict[Locale, str] = {"zh-CN": "用于计算奖励", "en": "to work out the reward"}
QUARTER, DAY, SLOWEST = 900, 86400, 3600
MG_A_KM = 48_700  # demo-1
PURPOSE = {CITY: "PublicBenefit", BANK: "PersonalisedBenefits"}
STEP = {CITY: 1, BANK: 3}
EVERY = (1, 2, 3, 4, 5, 6, 7)

EVENTS = {"live": "resumed", "paused": "paused", "revoked": "revoked"}
STATES = {"granted": "given", "revoked": "withdrawn"}
ENDED = ("revoked", "replaced")

pick = st.integers(0, 11)


# The grounds it is played on


class Ground(Protocol):
    """A company whose clock can be moved; a World is one, and a Stage is made one below."""

    sources: dict[str, Source]
    random: Callable[[int], bytes]
    policy: Policy

    @property
    def time(self) -> int: ...

    def move(self, month: Month, day: int = 2, hour: int = 9) -> None: ...

    def wait(self, seconds: int) -> None: ...

    def holder(self, root: Root) -> Holder: ...

    def platform(self, name: str) -> Platform: ...

    def auditor(self) -> Auditor: ...

    def directory(self) -> Directory: ...

    def wire(self, key: SigningKey | None = None) -> Wire: ...


class Memory(World):
    """Everybody in one memory."""

    def wait(self, seconds: int) -> None:
        self.time += seconds


class Served(Stage):
    """A server in a process of its own, over loopback."""

    def __enter__(self) -> Served:
        self.sources: dict[str, Source] = {}
        super().__enter__()
        super().move(JAN, day=1, hour=8)
        self.publish()
        self.sources = {name: self.source(name) for name in SOURCES}
        return self

    @property
    def time(self) -> int:
        return self.now()

    def move(self, month: Month, day: int = 2, hour: int = 9) -> None:
        super().move(month, day, hour)
        if not self.sources:
            return
        if self.time - self.directory().listing.iat > 20 * DAY:
            self.publish()
        for source in self.sources.values():
            source.directory = self.directory()

    def wait(self, seconds: int) -> None:
        self._time += seconds
        self._clock.write_text(str(self._time), encoding="ascii")


# The model


@dataclass
class Asked:
    """A request: what it asks for, and what became of it."""

    platform: str
    pushed: Pushed
    wanted: Wanted
    ends: int
    opened: bool = False
    state: str = "open"
    grant: bytes | None = None

    def timed(self, now: int) -> str:
        return "expired" if self.state == "open" and self.ends <= now else self.state


@dataclass
class Given:
    """A grant: what it allows, and what became of it."""

    platform: str
    grant: Grant
    state: str = "live"
    expired: bool = False
    deletion: str | None = None
    minted: set[Window] = field(default_factory=set)
    released: dict[Window, int] = field(default_factory=dict)
    life: list[str] = field(default_factory=lambda: ["given"])

    def live_error(self, now: int) -> str | None:
        if self.state in ENDED:
            return "revoked"
        if self.state == "paused":
            return "paused"
        return "expired" if now >= self.grant.until else None

    def tell(self, state: str, now: int) -> None:
        """Note a change for the history, which ends with the first end."""
        if now < self.grant.until and self.life[-1] not in ("withdrawn", "replaced"):
            self.life.append(state)


class Life(RuleBasedStateMachine):
    """One person, two devices, two sources, two platforms."""

    def ground(self) -> Ground:
        """Return where this machine is played: in memory, unless another is named."""
        return self.stack.enter_context(Memory())

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.on = self.ground()
        self.root = Root(self.on.random(ROOT_SIZE))
        self.devices = [self.on.holder(self.root) for _ in range(2)]
        self.devices[0].open_account()
        for name in SOURCES:
            self._link(name)
        self.platforms = {name: self.on.platform(name) for name in (CITY, BANK)}
        self.month = JAN
        self.receipts = 0
        self.balance = dict.fromkeys(SOURCES, 0)
        self.grams: dict[tuple[str, Month], int] = {}
        self.requests: list[Asked] = []
        self.grants: list[Given] = []
        self.names: dict[tuple[str, tuple[int, ...], Window], set[tuple[int, Month]]] = {}
        self.events: dict[str, list[tuple[str, bytes]]] = {CITY: [], BANK: []}
        self.refusals: set[tuple[bytes, Window, str]] = set()
        self.swept = self.on.time // QUARTER

    def _link(self, name: str) -> None:
        source, ann = self.on.sources[name], self.devices[0]
        nonce = source.offer("ann")
        start = ann.start_link(name, nonce)
        ann.attach(start, source.accept("ann", nonce, start.code))
        source.check_attached()

    # What the model knows

    def _sync(self) -> int:
        """Let the model write down what time has made true; return the time.

        The vault does so before the first call after a quarter of an hour.
        """
        now = self.on.time
        if now // QUARTER == self.swept:
            return now
        self.swept = now // QUARTER
        for asked in self.requests:
            asked.state = asked.timed(now)
        gone = [
            g
            for g in self.grants
            if g.grant.until <= now and not g.expired and g.state not in ENDED
        ]
        for given in gone:
            given.expired = True
            self.events[given.platform].append(("expired", given.grant.grant))
        return now

    def _figure(self, window: Window) -> int | None:
        cells = [*product(SOURCES, window)]
        known = [self.grams[cell] for cell in cells if cell in self.grams]
        return sum(known) if len(known) == len(cells) else None

    def _device(self, number: int) -> Holder:
        return self.devices[number % 2]

    def _request(self, number: int) -> Asked:
        return self.requests[number % len(self.requests)]

    def _given(self, number: int) -> Given:
        # The newest ones more often: there is more to do with them.
        return self.grants[-1 - number % len(self.grants)]

    # How it begins: so that there is something to go on with

    @initialize(
        counts=st.tuples(st.integers(1, 3), st.integers(1, 2)),
        both=st.booleans(),
        kms=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    )
    def begin(self, counts: tuple[int, int], both: bool, kms: tuple[int, int]) -> None:
        self.ask_and_accept_at_once(CITY, 0, counts[0], None, set(), 0)
        if both:
            self.ask_and_accept_at_once(BANK, 2, counts[1], None, set(), 1)
        self.a_month_goes_by(kms)

    # A platform asks, a person answers

    @precondition(lambda self: len(self.requests) < 12)
    @rule(
        who=st.sampled_from([CITY, CITY, BANK]),
        first=st.integers(-1, 2),
        count=st.integers(1, 3),
        days=st.sampled_from([2, 45, 400]),
        replaces=st.one_of(st.none(), pick),
    )
    def ask_for_consent(
        self, who: str, first: int, count: int, days: int, replaces: int | None
    ) -> None:
        now = self._sync()
        step = STEP[who]
        begins = max(JAN, add_months(self.month, first - (step - 1)))
        last = add_months(begins, step * count - 1)
        own = [given for given in self.grants if given.platform == who]
        old = own[replaces % len(own)].grant.grant if own and replaces is not None else None
        required = (4,) if who == CITY else EVERY
        wanted = Wanted(
            template="CITY-REWARD" if who == CITY else "GREEN-LOAN-RATE",
            purposes=(PURPOSE[who],),
            required=required,
            optional=(2, 5) if who == CITY else (),
            step=step,
            first=begins,
            last=last,
            until=min(latest_until(last, DEFAULT_ZONE), now + days * DAY),
            data_life_days=30,
            reasons={"purpose": WHY, **{str(c): WHY for c in required}},
            show_sources=who == BANK,
            redirect_uri=BACK if who == CITY else None,
            replaces=old,
        )
        if last > add_months(self.month, 12):
            return
        pushed = self.platforms[who].ask(wanted, self.on.random)
        self.requests.append(Asked(who, pushed, wanted, now + 600))

    @precondition(lambda self: self.requests)
    @rule(number=pick, device=pick)
    def open_a_request(self, number: int, device: int) -> None:
        now, asked = self._sync(), self._request(number)
        if not asked.opened and asked.timed(now) != "open":
            self._refused("not-found", lambda: self._device(device).open_request(asked.pushed.code))
            return
        found = self._device(device).open_request(asked.pushed.request_uri)
        asked.opened = True
        assert found.state == asked.timed(now)

    @precondition(lambda self: any(asked.opened for asked in self.requests))
    @rule(
        number=pick,
        device=pick,
        optional=st.sets(st.sampled_from([2, 5])),
        fewer=st.integers(0, 2),
        locale=st.sampled_from(["zh-CN", "en"]),
    )
    def accept(
        self, number: int, device: int, optional: set[int], fewer: int, locale: Locale
    ) -> None:
        opened = [asked for asked in self.requests if asked.opened]
        asked = opened[-1 - number % len(opened)]
        now, wanted, holder = self._sync(), asked.wanted, self._device(device)
        windows = windows_of(wanted.first, wanted.last, wanted.step)
        last = windows[max(0, len(windows) - 1 - fewer)][-1]
        chosen = optional & set(wanted.optional)
        found = holder.open_request(asked.pushed.request_uri)
        old = next((g for g in self.grants if g.grant.grant == wanted.replaces), None)
        error = self._accept_error(asked, last, old, now)
        if error:
            self._refused(error, lambda: holder.accept_request(found, chosen, locale, last))
            return
        decided = holder.accept_request(found, chosen, locale, last)
        grant = decided.grant
        assert grant is not None
        assert grant.categories == tuple(sorted({*wanted.required, *chosen}))
        assert (grant.first, grant.last) == (wanted.first, last)
        if old is not None:
            old.state = "replaced"
            old.tell("replaced", now)
            self.events[asked.platform].append(("replaced", old.grant.grant))
        self.events[asked.platform].append(("granted", grant.grant))
        asked.state, asked.grant = "granted", grant.grant
        self.grants.append(Given(asked.platform, grant))
        if decided.redirect is not None:
            query = dict(parse_qsl(urlsplit(decided.redirect).query))
            assert self.platforms[asked.platform].finish(asked.pushed, query) == grant

    def _accept_error(self, asked: Asked, last: Month, old: Given | None, now: int) -> str | None:
        if min(asked.wanted.until, latest_until(last, DEFAULT_ZONE)) <= now:
            return "expired"
        if old is not None and old.state in ENDED:
            return "revoked"
        if asked.timed(now) in ("granted", "declined"):
            return "different-bytes"
        return "expired" if asked.timed(now) == "expired" else None

    @precondition(lambda self: any(asked.opened for asked in self.requests))
    @rule(number=pick, device=pick)
    def decline(self, number: int, device: int) -> None:
        opened = [asked for asked in self.requests if asked.opened]
        asked, now = opened[number % len(opened)], self._sync()
        holder = self._device(device)
        found = holder.open_request(asked.pushed.code)
        errors = {"granted": "different-bytes", "expired": "expired"}
        if error := errors.get(asked.timed(now)):
            self._refused(error, lambda: holder.decline_request(found))
            return
        assert holder.decline_request(found).grant is None
        asked.state = "declined"

    @precondition(lambda self: any(asked.opened for asked in self.requests))
    @rule(number=pick, device=pick)
    def look_at_the_figures_first(self, number: int, device: int) -> None:
        self._sync()
        opened = [asked for asked in self.requests if asked.opened]
        asked, holder = opened[number % len(opened)], self._device(device)
        holder.load()
        found = holder.open_request(asked.pushed.code)
        for figure in holder.figures(found.terms(()), holder.open_links()):
            assert figure.grams == self._figure(figure.window)
            assert figure.sources == len(SOURCES)

    @precondition(lambda self: len(self.requests) < 12)
    @rule(
        who=st.sampled_from([CITY, CITY, BANK]),
        first=st.integers(-1, 1),
        count=st.integers(1, 3),
        replaces=st.one_of(st.none(), pick),
        optional=st.sets(st.sampled_from([2, 5])),
        device=pick,
    )
    def ask_and_accept_at_once(
        self,
        who: str,
        first: int,
        count: int,
        replaces: int | None,
        optional: set[int],
        device: int,
    ) -> None:
        """The usual way, so that there is something to go on with."""
        self.ask_for_consent(who, first, count, 400, replaces)
        self.open_a_request(len(self.requests) - 1, device)
        self.accept(0, device, optional, 0, "en")

    # A grant goes on

    @precondition(lambda self: self.grants)
    @rule(number=pick, device=pick, ahead=st.integers(0, 4))
    def mint(self, number: int, device: int, ahead: int) -> None:
        now, given, holder = self._sync(), self._given(number), self._device(device)
        if error := given.live_error(now):
            self._refused(error, lambda: holder.mint(given.grant, ahead))
            return
        latest, made, taken = add_months(self.month, ahead), [], []
        for window in (w for w in given.grant.windows if w[0] <= latest):
            if self._guard(given, window):
                taken.append(window)
            elif window not in given.minted:
                made.append(window)
                given.minted.add(window)
        assert holder.mint_free(given.grant, ahead) == (made, taken)
        if taken:
            self._refused("atom-used", lambda: holder.mint(given.grant, ahead))

    def _guard(self, given: Given, window: Window) -> bool:
        """Take the window's atoms; return whether another window has one of them."""
        name = (given.platform, given.grant.categories, window)
        atoms = {*product(given.grant.categories, window)}
        others = (
            used for (org, _, _), used in self.names.items() if org == given.platform and used
        )
        if name not in self.names and any(atoms & used for used in others):
            return True
        self.names[name] = atoms
        return False

    @precondition(lambda self: self.grants)
    @rule(number=pick, window=pick, odd=st.sampled_from(["", "", "", "", "purpose", "window"]))
    def ask_for_a_total(self, number: int, window: int, odd: str) -> None:
        now, given = self._sync(), self._given(number)
        months = given.grant.windows[window % len(given.grant.windows)]
        purpose = "CombatClimateChange" if odd == "purpose" else PURPOSE[given.platform]
        if odd == "window":
            months = (*months[:-1], add_months(given.grant.last, 1))
        platform, name = self.platforms[given.platform], given.grant.grant
        error = self._ask_error(given, months, purpose, now)
        if error:
            self._refused(error, lambda: platform.total(name, months, purpose))
            if error in ("revoked", "paused", "expired", "purpose"):
                self.refusals.add((name, months, error))
            return
        total = platform.total(name, months, purpose)
        assert total.grams == self._figure(months)
        assert total.checked == ("sources" if given.platform == BANK else "vault")
        # Never two figures for one window.
        assert given.released.setdefault(months, total.grams) == total.grams

    def _ask_error(self, given: Given, months: Window, purpose: str, now: int) -> str | None:
        if months not in given.grant.windows:
            return "bad-shape"
        if error := given.live_error(now):
            return error
        if purpose not in given.grant.purposes:
            return "purpose"
        if months not in given.minted:
            return "not-minted"
        return "not-closed" if self._figure(months) is None else None

    @precondition(lambda self: self.grants)
    @rule(number=pick, device=pick, to=st.sampled_from(["paused", "live", "paused", "revoked"]))
    def change(self, number: int, device: int, to: str) -> None:
        now, given, holder = self._sync(), self._given(number), self._device(device)
        acts = {"paused": holder.pause, "live": holder.resume, "revoked": holder.stop}
        if given.state in ENDED:
            self._refused("revoked", lambda: acts[to](given.grant))
            return
        acts[to](given.grant)
        given.state = to
        given.tell(STATES.get(EVENTS[to], EVENTS[to]), now)
        self.events[given.platform].append((EVENTS[to], given.grant.grant))

    @precondition(lambda self: self.grants)
    @rule(number=pick, device=pick)
    def ask_for_deletion(self, number: int, device: int) -> None:
        self._sync()
        given = self._given(number)
        self._device(device).ask_deletion(given.grant)
        if given.deletion != "asked":
            given.deletion = "asked"
            self.events[given.platform].append(("delete-asked", given.grant.grant))

    @precondition(lambda self: self.grants)
    @rule(number=pick)
    def confirm_deletion(self, number: int) -> None:
        self._sync()
        given = self._given(number)
        platform = self.platforms[given.platform]
        if given.deletion is None:
            self._refused("not-found", lambda: platform.confirm_deletion(given.grant.grant))
            return
        platform.confirm_deletion(given.grant.grant)
        given.deletion = "done"

    # Time goes by

    @precondition(lambda self: self._left() > 2 * DAY)
    @rule(source=st.sampled_from([EAST, WEST]), km=st.integers(1, 12))
    def ride(self, source: str, km: int) -> None:
        self.on.wait(SLOWEST)  # nobody makes two trips at once
        self.receipts += 1
        now, metres = self.on.time, km * 1_000
        activity = {"m": metres, "s": metres // 5}
        act = Act("travel.bike", activity, now, now + metres // 5, "CN-ZJ-HZ")
        booking = Booking(act, f"R-{self.receipts:08d}", source, guessable=True)
        [booked] = self.on.sources[source].book("ann", [booking])
        assert (booked.outcome, booked.credit.mg) == ("booked", km * MG_A_KM)
        self.balance[source] += km * MG_A_KM

    @precondition(lambda self: self._left() > 5 * DAY)
    @rule(seconds=st.sampled_from([1, 300, 599, 600, 901, DAY, 3 * DAY]))
    def wait(self, seconds: int) -> None:
        self.on.wait(seconds)

    @precondition(lambda self: self.month < LAST)
    @rule(kms=st.tuples(st.integers(0, 9), st.integers(1, 9)))
    def a_month_goes_by(self, kms: tuple[int, int]) -> None:
        """Rides, tokens, closes, and every platform asks for all that it was granted."""
        for name, km in zip(SOURCES, kms, strict=True):
            if km and self._left() > 2 * DAY:
                self.ride(name, km)
        for number in range(len(self.grants)):
            self.mint(number, number, 3)
        self.close_the_month()
        self.everybody_asks()

    @precondition(lambda self: self.grants)
    @rule()
    def everybody_asks(self) -> None:
        for number in range(len(self.grants)):
            for window in range(len(self._given(number).grant.windows)):
                self.ask_for_a_total(number, window, "")

    @precondition(lambda self: self.month < LAST)
    @rule()
    def close_the_month(self) -> None:
        for source in self.on.sources.values():
            source.send_batches()
        closed, self.month = self.month, add_months(self.month, 1)
        self._sync()  # the batches were calls
        self.on.move(self.month)
        for name, source in self.on.sources.items():
            [close] = source.close(closed)
            grams = self.balance[name] // 1000
            self.balance[name] -= 1000 * grams
            self.grams[name, closed] = grams
            assert close.month == closed
        self._sync()

    def _left(self) -> int:
        return month_begins(add_months(self.month, 1), DEFAULT_ZONE) - self.on.time

    # What always holds

    def _refused(self, slug: str, act: Callable[[], object]) -> None:
        with pytest.raises(VaultError) as refused:
            act()
        assert refused.value.slug == slug, refused.value

    @invariant()
    def platforms_hear_what_happened(self) -> None:
        self._sync()
        for name, platform in self.platforms.items():
            heard = [(event.event, event.grant) for event in platform.events()]
            assert in_sweeps(heard) == in_sweeps(self.events[name])

    @precondition(lambda self: self.requests)
    @rule(device=pick)
    def the_person_sees_what_happened(self, device: int) -> None:
        now, holder = self._sync(), self._device(device)
        listed = {own.grant.grant: (own.state, own.deletion) for own in holder.grants()}
        assert listed == {g.grant.grant: (g.state, g.deletion) for g in self.grants}
        found = {asked.hash: asked.state for asked in holder.requests()}
        assert found == {r.pushed.hash: r.timed(now) for r in self.requests if r.opened}

    @precondition(lambda self: self.requests)
    @rule(number=pick)
    def a_platform_sees_what_became_of_its_request(self, number: int) -> None:
        now, asked = self._sync(), self._request(number)
        outcome = self.platforms[asked.platform].outcome(asked.pushed)
        # With a redirect only the person who comes back brings the grant.
        shown = None if asked.wanted.redirect_uri else asked.grant
        assert (outcome.state, outcome.grant) == (asked.timed(now), shown)

    def teardown(self) -> None:
        try:
            self._stop_everything()
            self._check_the_log()
        finally:
            self.stack.close()

    def _stop_everything(self) -> None:
        """After a stop nothing leaves, and asking is refused in the log."""
        now = self._sync()
        for given in self.grants:
            if given.state not in ENDED:
                self.devices[0].stop(given.grant)
                given.state = "revoked"
                given.tell("withdrawn", now)
            for window in given.grant.windows:
                self._refused("revoked", partial(self._total, given, window))
                self.refusals.add((given.grant.grant, window, "revoked"))

    def _total(self, given: Given, window: Window) -> object:
        return self.platforms[given.platform].total(
            given.grant.grant, window, PURPOSE[given.platform]
        )

    def _check_the_log(self) -> None:
        now = self._sync()
        self.on.holder(Root(self.on.random(ROOT_SIZE))).open_account()  # takes what waits along
        report = self.on.auditor().audit()
        assert report.findings == []
        released = {(g.grant.grant, window) for g in self.grants for window in g.released}
        ended = sum(r.state in ("declined", "expired") for r in self.requests)
        assert report.counts.get("grant", 0) == len(self.grants)
        assert report.counts.get("token", 0) == sum(len(g.minted) for g in self.grants)
        assert report.counts.get("release", 0) == len(released)
        assert report.counts.get("refusal", 0) == len(self.refusals) + ended
        holder = self.devices[1]
        holder.load()
        assert {(use.release.grant, use.release.window) for use in holder.uses()} == released
        entries = read_entries(self.on.wire(account_key(self.root)).get("/v1/holder/entries").body)
        links = holder.open_links()
        for given in self.grants:
            receipt = Receipt.parse(holder.receipt(given.grant))
            assert receipt.notice is not None
            assert verify_receipt(receipt, self.on.policy) == given.grant
            told = [event.state for event in history(given.grant, entries, now)]
            over = now >= given.grant.until and given.life[-1] not in ("withdrawn", "replaced")
            assert told == [*given.life, *(["expired"] if over else [])]
            for window, grams in given.released.items():
                assert holder.own_total(given.grant, window, links) == grams
        self._add_up()

    def _add_up(self) -> None:
        """All that a platform has of a window is one figure, and windows add up to the months."""
        for name in (CITY, BANK):
            own = [given for given in self.grants if given.platform == name]
            figures = {
                (given.grant.categories, window): grams
                for given in own
                for window, grams in given.released.items()
            }
            months = [month for _, window in figures for month in window]
            booked = sum(self.grams[source, month] for source in SOURCES for month in months)
            assert sum(figures.values()) == booked
            assert len(months) == len(set(months))  # category 4 is in every one of them


def in_sweeps(events: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Return events with those that expired together in the order of their ids."""
    told: list[tuple[str, bytes]] = []
    begun = 0
    for event in events:
        if event[0] != "expired":
            begun = len(told) + 1
            told.append(event)
        else:
            told = [*told[:begun], *sorted([*told[begun:], event])]
    return told


class OverHttp(Life):
    def ground(self) -> Ground:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        return self.stack.enter_context(Served(Path(folder), JAN, release="demo-1"))


def play(machine: type[Life], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, Phase.target) if not DEEP else tuple(Phase),
        ),
    )


def test_the_life_of_grants_in_memory() -> None:
    play(Life, EXAMPLES, STEPS)


def test_the_life_of_grants_over_http() -> None:
    play(OverHttp, HTTP_EXAMPLES, HTTP_STEPS)


def test_the_model_sees_a_wrong_figure_and_a_wrong_event() -> None:
    """The control: a machine whose model is wrong in one point fails."""

    class Wrong(Life):
        def _figure(self, window: Window) -> int | None:
            found = super()._figure(window)
            return None if found is None else found + 1

    with pytest.raises(AssertionError):
        play(Wrong, EXAMPLES, STEPS)
