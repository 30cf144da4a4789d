"""Who is in a sandbox, and what its robots did: the same in every run.

    drawn("bank.sandbox")(32)                 bytes that only the label decides
    acts_of(ROBOTS[0], METRO, "2026-01")      the rides of one month

All ids end in ``.sandbox`` and all names begin with SANDBOX. Nothing here is secret: whoever has
this package has every key of every sandbox.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from threading import Lock
from typing import Literal, NamedTuple

from vault.compose import Booking
from vault.methodology.quantify import Act
from vault.months import DEFAULT_ZONE, Month, month_begins

Choice = Literal["allow", "narrow", "decline"]
Kind = Literal["vault", "auditor", "source", "platform"]

VAULT, AUDITOR = "vault.sandbox", "audit.sandbox"
BANK, CITY = "bank.sandbox", "city.sandbox"
BIKE, METRO, SHOP = "bike.sandbox", "metro.sandbox", "shop.sandbox"
FIRST, LAST = Month("2026-01"), Month("2027-12")
CLOSED = 3
RELEASE = "2026-1"
YEARS = (2025, 2026, 2027)
_SEED = b"carbonvault sandbox 1"
_HOUR, _DAY = 3600, 86400


class Listed(NamedTuple):
    """One party of the sandbox's directory."""

    id: str
    kind: Kind
    name: str
    roles: tuple[str, ...]
    redirects: tuple[str, ...] = ()

    @property
    def contact(self) -> str | None:
        """Whom people may ask about their consents; platforms have one."""
        return f"privacy@{self.id}" if self.kind == "platform" else None


PARTIES = (
    Listed(
        BANK,
        "platform",
        "SANDBOX Bank · 沙盒银行",
        ("platform", "bank"),
        ("http://localhost:8100/back", "http://127.0.0.1:8100/back"),
    ),
    Listed(
        CITY,
        "platform",
        "SANDBOX City programme · 沙盒市低碳计划",
        ("platform", "city"),
        ("http://localhost:8101/back", "http://127.0.0.1:8101/back"),
    ),
    Listed(BIKE, "source", "SANDBOX Bikes, yours to play · 沙盒单车", ("source",)),
    Listed(METRO, "source", "SANDBOX Metro · 沙盒地铁", ("source",)),
    Listed(SHOP, "source", "SANDBOX Shop · 沙盒商店", ("source",)),
)
PLAYED = (METRO, SHOP)


class Robot(NamedTuple):
    """A holder that a program plays; `habit` is what it does unless a call says otherwise."""

    name: str
    habit: Choice
    rides: int
    boxes: int

    @property
    def says(self) -> str:
        """The habit in words."""
        return {
            "allow": "allows everything that is asked",
            "narrow": "allows only what is required",
            "decline": "allows nothing",
        }[self.habit]


ROBOTS = (
    Robot("lin", "allow", rides=8, boxes=4),
    Robot("chen", "narrow", rides=5, boxes=9),
    Robot("wu", "decline", rides=3, boxes=1),
)


def drawn(label: str) -> Callable[[int], bytes]:
    """Return a source of bytes that gives the same ones, in the same order, in every run."""
    count, lock = 0, Lock()

    def draw(size: int) -> bytes:
        nonlocal count
        with lock:
            count += 1
            name = _SEED + b"/" + label.encode("ascii") + b"/" + count.to_bytes(8, "big")
        blocks = (sha256(name + bytes([number])).digest() for number in range(-(-size // 32)))
        return b"".join(blocks)[:size]

    return draw


def acts_of(robot: Robot, source: str, month: Month) -> list[Booking]:
    """Return what a robot did in a month at one of the two played sources."""
    number = int(month[5:])
    count = robot.rides if source == METRO else robot.boxes
    begin = month_begins(month, DEFAULT_ZONE) + 10 * _DAY + 8 * _HOUR
    make = _ride if source == METRO else _box
    return [
        Booking(
            make(begin + n * _DAY, number, n),
            f"{source}-{robot.name}-{month}-{n}",
            source,
            guessable=True,
        )
        for n in range(count)
    ]


def _ride(start: int, month: int, n: int) -> Act:
    metres = 4_000 + 700 * n + 100 * month
    activity = {"m": metres, "s": metres // 10}
    return Act("travel.metro", activity, start, start + metres // 10, "CN-GD-SZ", "E4")


def _box(start: int, month: int, n: int) -> Act:
    count = 1 + (n + month) % 3
    return Act("use.box_return", {"count": count}, start, start, "CN-GD-SZ")
