"""Messages of consent: bind, grant, token, revoke, release (docs/protocol.md section 5).

The payload of a ``cv1-grant``, in the shape of an RFC 9396 authorization_details object:

    {"iat":…,"type":"carbon_reduction_total","grant":"…16 bytes hex","pk":…,"org":"bank.example",
     "platform":"bank.example","template":"GREEN-LOAN-RATE","purposes":["PersonalisedBenefits"],
     "categories":[1,2,3,4,5,6,7],"step":3,"first":"2026-01","last":"2026-03","until":…,
     "mode":"total","show_sources":true,"exclusive":false,"data_life_days":90,
     "notice":{"sha256":…,"locale":"zh-CN"}}
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from vault.errors import BadShape
from vault.messages import (
    Hash,
    Id,
    Jws,
    Message,
    MonthText,
    PartyId,
    PointText,
    ScalarText,
    Sealed,
    Shape,
    SigningPk,
    Unix,
    WindowList,
    check_window,
    parse_hex,
)
from vault.months import Category, Month, Window, join_window, windows_of

CELL_COUNT_LIMIT = 4096


class Bind(Message):
    """``cv1-bind``: the consent key of one account towards one organisation."""

    typ: ClassVar[str] = "cv1-bind"
    org: PartyId
    pk: SigningPk


class NoticeRef(Shape):
    """The notice the person saw: SHA-256 of its UTF-8 text, and its locale."""

    sha256: Hash
    locale: Literal["zh-CN", "en"]


class Terms(Shape):
    """What a person decides on: the members of a grant that its notice tells them."""

    platform: PartyId
    template: Annotated[str, Field(pattern=r"^[A-Z0-9-]{3,40}$")]
    purposes: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]
    categories: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1)]
    step: Literal[1, 3, 12]
    first: MonthText
    last: MonthText
    until: Unix
    mode: Literal["total", "cohort"]
    show_sources: bool
    exclusive: bool
    data_life_days: Annotated[int, Field(ge=1, le=3660)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name, found in (("purposes", self.purposes), ("categories", self.categories)):
            if list(found) != sorted(set(found)):  # type: ignore[type-var]
                raise BadShape(f"{name} are sorted, each once")
        windows_of(self.first, self.last, self.step)
        return self

    @property
    def scope(self) -> tuple[Category, ...]:
        """The categories granted."""
        return tuple(map(Category, self.categories))

    @property
    def windows(self) -> list[Window]:
        """The windows, ascending."""
        return windows_of(self.first, self.last, self.step)


class Grant(Terms, Message):
    """``cv1-grant``: the holder's signed consent."""

    typ: ClassVar[str] = "cv1-grant"
    type: Literal["carbon_reduction_total"]
    grant: Id
    pk: SigningPk
    org: PartyId
    notice: NoticeRef
    request: Hash | None = None
    replaces: Id | None = None

    def check_window(self, window: Window) -> None:
        """Return when the window is one of the grant's; raises BadShape."""
        if window not in self.windows:
            raise BadShape(f"{join_window(window)} is no window of this grant")


class LinkMonths(NamedTuple):
    """The cells of one link in a token: its months inside the window."""

    link: bytes
    months: tuple[Month, ...]


def _cells(found: object) -> tuple[LinkMonths, ...]:
    if not isinstance(found, list | tuple):
        raise BadShape("wanted the list of a token's cells")
    cells = tuple(_link_months(part) for part in found)
    names = [cell.link for cell in cells]
    if not cells or names != sorted(set(names)):
        raise BadShape("a token's cells are sorted by link, each link once, and not none")
    return cells


def _link_months(part: object) -> LinkMonths:
    if (
        not isinstance(part, list | tuple)
        or len(part) != 2
        or not isinstance(part[1], list | tuple)
    ):
        raise BadShape("wanted [link, [months]]")
    months = tuple(check_window([month])[0] for month in part[1])
    if not months or list(months) != sorted(set(months)):
        raise BadShape("the months of a link are ascending, each once, and not none")
    return LinkMonths(parse_hex(part[0], 16), months)


def _write_cells(cells: tuple[LinkMonths, ...]) -> list[list[str | list[str]]]:
    return [[cell.link.hex(), list(cell.months)] for cell in cells]


CellList = Annotated[
    tuple[LinkMonths, ...],
    PlainValidator(_cells),
    PlainSerializer(_write_cells, return_type=list[list[str | list[str]]]),
]


class Token(Message):
    """``cv1-token``: the masks of one window, sealed to the platform; `sealed` is their hash."""

    typ: ClassVar[str] = "cv1-token"
    grant: Id
    window: WindowList
    cells: CellList
    sealed: Hash


class TokenPost(Shape):
    """What is posted to holder/tokens; the sealed bytes stand in no logged text."""

    token: Jws
    sealed: Sealed


class Revoke(Message):
    """``cv1-revoke``: the holder stops a grant; `n` rises by 1 per grant from 1."""

    typ: ClassVar[str] = "cv1-revoke"
    grant: Id
    n: Annotated[int, Field(ge=1, lt=2**53)]


class Pause(Revoke):
    """``cv1-pause``: releases wait; the tokens stay."""

    typ: ClassVar[str] = "cv1-pause"


class Resume(Revoke):
    """``cv1-resume``: a paused grant goes on."""

    typ: ClassVar[str] = "cv1-resume"


class Erased(Message):
    """``cv1-erased``: the vault's word which entries it deleted for a `cv1-erase`, by index."""

    typ: ClassVar[str] = "cv1-erased"
    erase: Hash
    indexes: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**53)], ...], Field(max_length=2**20)]


class AuditReport(Message):
    """``cv1-report``: what an auditor judged, [from, to) of the log, and what it found."""

    typ: ClassVar[str] = "cv1-report"
    begins: Annotated[int, Field(ge=0, lt=2**53, alias="from")]
    to: Annotated[int, Field(ge=0, lt=2**53)]
    root: Hash
    findings: tuple[tuple[int, str], ...]
    unseen: tuple[int, ...]


class Ask(Shape):
    """What a platform posts to releases; its DPoP proof is the signature."""

    grant: Id
    window: WindowList
    purpose: Annotated[str, Field(min_length=1, max_length=80)]


class Refusal(Message):
    """``cv1-refusal``: an ask on the asker's own grant that its consent does not cover."""

    typ: ClassVar[str] = "cv1-refusal"
    grant: Id
    window: WindowList
    reason: str


class Release(Message):
    """``cv1-release``: the blind sum of a window's cells, signed by the vault."""

    typ: ClassVar[str] = "cv1-release"
    grant: Id
    window: WindowList
    purpose: str
    c: ScalarText
    C: PointText
    token: Hash
    closes: Hash
    methodology: Annotated[tuple[str, ...], Field(min_length=1)]
