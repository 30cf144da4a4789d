"""The rows of a source's books (docs/protocol.md section 5)."""

from __future__ import annotations

from typing import NamedTuple

from vault.months import Month


class LinkBook(NamedTuple):
    """One link in the source's books; `k` is the stream secret, `since` unix seconds.

    `ends` is the month in which its end was noticed: the month of its end, or a later one.
    """

    link: bytes
    customer: str
    k: bytes
    rec: bytes
    begins: Month
    since: int
    text: str
    state: str
    ends: Month | None = None


class Weighed(NamedTuple):
    """What decides how much an act counts: `gross` milligrams before caps, `mg` after them.

    `why` is the reason that its behaviour gave, where `gross` is 0 or cut.
    """

    act: bytes
    behaviour: str
    start: int
    end: int
    operator: str
    receipt: str
    gross: int
    why: str | None
    mg: int


class ActBook(NamedTuple):
    """One act; `record` is its JSON as it goes into a batch; `tagged`: its tag is K_net's.

    `corrects` is the act that this one takes back; `reason` is the record's; `seq` and `position`
    are where it went, `counts` is 0 once the vault had its tag before.
    """

    act: bytes
    link: bytes
    month: Month
    operator: str
    receipt: str
    category: int
    behaviour: str
    start: int
    end: int
    gross: int
    why: str | None
    mg: int
    tag: bytes
    record: bytes
    tagged: bool
    corrects: bytes | None = None
    reason: str | None = None
    seq: int | None = None
    position: int | None = None
    counts: int = 1

    @property
    def weighed(self) -> Weighed:
        """What decides how much it counts."""
        return Weighed(
            self.act,
            self.behaviour,
            self.start,
            self.end,
            self.operator,
            self.receipt,
            self.gross,
            self.why,
            self.mg,
        )


class BatchBook(NamedTuple):
    """A frozen batch; `receipt` is None until the vault answered."""

    link: bytes
    seq: int
    month: Month
    text: str
    receipt: str | None


class CloseBook(NamedTuple):
    """A frozen close; `balances` and `grams` are JSON lists of 7 integers."""

    link: bytes
    month: Month
    upto: int
    text: str
    balances: str
    grams: str
    receipt: str | None


class Sum(NamedTuple):
    """Milligrams of counting acts in one category."""

    category: int
    mg: int


class Chain(NamedTuple):
    """What a close is made from: the close before, the new batches in order, the new sums."""

    previous: CloseBook | None
    batches: list[BatchBook]
    sums: list[Sum]


class Frozen(NamedTuple):
    """A composed batch: its JWS, and its tags in their order on the wire."""

    text: str
    tags: tuple[bytes, ...]


class Evidence(NamedTuple):
    """Two texts of the vault about a link that contradict each other."""

    link: bytes
    text: str
    receipt: str
