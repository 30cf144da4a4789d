"""A vault whose holders are ready: closed months, windows to ask for, grants to stop.

    made = make(folder, holders=25)
    made.asks[0]        Act(key of the city, "/v1/releases", {"grant": …, "window": […], …})
    made.stops[0]       Act(key of the holder, "/v1/holder/grants/…/status", a cv1-revoke)

A real server took everything; it has stopped, and `folder`/vault may be copied. Every act can be
done once, in any order: an organisation has one total of a category and month, so each holder gives
the city seven grants of three windows, and the bank one grant for each of its 21 totals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import NamedTuple

from consent.demo.cast import BANK, CITY, SOURCES
from consent.demo.scenes import terms_of
from consent.demo.stage import Stage
from consent.messages import Ask, Grant, LinkMonths, Revoke, Terms
from consent.templates import latest_until
from consent.tokens import Granted, seal_token, sign_token, sum_masks
from vault.compose import Booking
from vault.crypto.keys import ROOT_SIZE, Root, SigningKey, account_key, consent_key, stream_key
from vault.encoding import compact_json
from vault.methodology.quantify import Act as Ride
from vault.months import DEFAULT_ZONE, Category, Month, add_months
from vault.source import Source

EAST = SOURCES[0]
MONTHS = (Month("2026-01"), Month("2026-02"), Month("2026-03"))
EACH = len(Category) * len(MONTHS)
"""Of each holder: so many windows to ask for, and so many grants to stop."""


class Act(NamedTuple):
    """One request to be timed."""

    key: SigningKey
    path: str
    body: bytes


@dataclass
class Made:
    """The vault as every case finds it, the acts, and the totals that were given for them."""

    folder: Path
    stage: Stage
    asks: list[Act]
    stops: list[Act]
    totals: dict[bytes, int] = field(default_factory=dict)


class Home(NamedTuple):
    """One holder with what they allowed."""

    name: str
    root: Root
    link: bytes
    shared: list[Grant]
    ending: list[Grant]


def make(folder: Path, holders: int) -> Made:
    """Return holders whose months are closed, over a vault that has stopped."""
    with Stage(folder, MONTHS[0]) as stage:
        stage.move(MONTHS[0], day=1, hour=8)
        stage.publish()
        source = stage.source(EAST)
        homes = [_come(stage, source, f"holder-{n}") for n in range(holders)]
        source.check_attached()
        for month in MONTHS:
            _ride(stage, source, month, homes)
    asks = [_ask(stage, g, n) for home in homes for g in home.shared for n in range(len(MONTHS))]
    stops = [_stop(stage, home, grant) for home in homes for grant in home.ending]
    return Made(folder, stage, asks, stops)


def _come(stage: Stage, source: Source, name: str) -> Home:
    root = Root(stage.random(ROOT_SIZE))
    holder = stage.holder(root)
    holder.open_account()
    start = holder.start_link(EAST, nonce := source.offer(name))
    holder.attach(start, source.accept(name, nonce, start.code))
    home = Home(name, root, start.link, [], [])
    for category in Category:
        home.shared.append(holder.allow(_terms(CITY, category, *MONTHS), "en"))
    for category, month in product(Category, MONTHS):
        home.ending.append(holder.allow(_terms(BANK, category, month), "en"))
    for grant in (*home.shared, *home.ending):
        _mint(stage, home, grant)
    return home


def _terms(platform: str, category: Category, *months: Month) -> Terms:
    bank = {"template": "CARD-POINTS", "step": 1, "show_sources": False, "data_life_days": 30}
    until = latest_until(months[-1], DEFAULT_ZONE)
    span = {"first": months[0], "last": months[-1], "until": until}
    found = {**dict(terms_of(platform)), **(bank if platform == BANK else {}), **span}
    return Terms.model_validate({**found, "categories": (int(category),)})


def _mint(stage: Stage, home: Home, grant: Grant) -> None:
    """Post the tokens as the app makes them, without what it looks up before each."""
    wire, key = stage.wire(account_key(home.root)), consent_key(home.root, grant.org)
    public = stage.cast.actors[grant.platform].opening.public
    for window in grant.windows:
        cells, granted = (LinkMonths(home.link, window),), Granted(grant.grant, window)
        masks = sum_masks(lambda link: stream_key(home.root, link), cells, grant.scope)
        sealed = seal_token(masks, public, granted)
        post = sign_token(key, stage.now(), granted, cells, sealed)
        wire.post("/v1/holder/tokens", compact_json(post.plain()))


def _ride(stage: Stage, source: Source, month: Month, homes: list[Home]) -> None:
    stage.move(month, day=20, hour=9)
    for n, home in enumerate(homes):
        begin, metres = stage.now(), 2_000 + 100 * n
        ride = Ride("travel.bike", {"m": metres, "s": 1_800}, begin, begin + 1_800, "CN-ZJ-HZ")
        source.book(home.name, [Booking(ride, f"{month}-{n}", EAST, guessable=True)])
    source.send_batches()
    stage.move(add_months(month, 1), day=2, hour=9)
    stage.publish()
    source.directory = stage.directory()
    source.close(month)


def _ask(stage: Stage, grant: Grant, number: int) -> Act:
    ask = Ask(grant=grant.grant, window=grant.windows[number], purpose=grant.purposes[0])
    return Act(stage.cast.actors[CITY].key, "/v1/releases", compact_json(ask.plain()))


def _stop(stage: Stage, home: Home, grant: Grant) -> Act:
    text = Revoke(iat=stage.now(), grant=grant.grant, n=1).signed(consent_key(home.root, grant.org))
    path = f"/v1/holder/grants/{grant.grant.hex()}/status"
    return Act(account_key(home.root), path, text.encode())
