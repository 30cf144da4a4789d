"""Messages of consent: bind, grant, token, revoke, release (docs/protocol.md section 5).

The payload of a ``cv1-grant``, in the shape of an RFC 9396 authorization_details object:

    {"iat":…,"type":"carbon_reduction_total","grant":"…16 bytes hex","pk":…,"org":"bank.example",
     "platform":"bank.example","template":"GREEN-LOAN-RATE","purposes":["PersonalisedBenefits"],
     "categories":[1,2,3,4,5,6,7],"step":3,"first":"2026-01","last":"2026-03","until":…,
     "mode":"total","show_sources":true,"exclusive":false,"data_life_days":90,
     "notice":{"sha256":…,"locale":"zh-CN"}}
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from vault.errors import BadShape, Locale
from vault.messages import (
    MONTH,
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
    text_like,
)
from vault.months import Category, Month, Window, join_window, windows_of

CELL_COUNT_LIMIT = 4096
URN = "urn:carbonvault:request:"
LIFE = 600  # seconds that a request is open
# Bytes of a request's handle. Shorter than a recovery code, so that one is never taken for the
# other and sent to the vault.
HANDLE = 10
CategoryNumber = Annotated[int, Field(ge=1, le=7)]
WebPath = Annotated[
    str, Field(max_length=200, pattern=r"^(headers|/|(/[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*)+)$")
]


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
    categories: Annotated[tuple[CategoryNumber, ...], Field(min_length=1)]
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


def read_terms(**members: object) -> Terms:
    """Return terms of these members; raises BadShape."""
    try:
        return Terms.model_validate(members)
    except ValidationError as bad:
        raise BadShape(f"terms: {_faults(bad)}") from None


def _faults(bad: ValidationError) -> str:
    return "; ".join(".".join(map(str, e["loc"])) + ": " + e["type"] for e in bad.errors()[:5])


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


def _one_line(text: str) -> str:
    """People read it beside the vault's own words: nothing in it turns, hides or breaks text."""
    kinds = {unicodedata.category(symbol) for symbol in text}
    if not text.strip() or any(kind[0] == "C" or kind in ("Zl", "Zp") for kind in kinds):
        raise BadShape("a text for people is one line without control characters")
    return text


Texts = dict[Locale, Annotated[str, Field(min_length=1, max_length=400), AfterValidator(_one_line)]]


class AskedCategories(Shape):
    """The categories a platform needs, and those a person may leave out."""

    required: tuple[CategoryNumber, ...] = ()
    optional: tuple[CategoryNumber, ...] = ()

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        for found in (self.required, self.optional):
            if list(found) != sorted(set(found)):
                raise BadShape("categories are sorted, each once")
        if set(self.required) & set(self.optional) or not (self.required or self.optional):
            raise BadShape("a category is required or optional, not both; and there is one")
        return self


class Details(Shape):
    """What a request asks for: one RFC 9396 authorization_details object.

    ``reasons`` say why, in zh-CN and en, by item: ``purpose``, a category's number,
    ``show_sources``. Each required category has one.
    """

    type: Literal["carbon_reduction_total"]
    purposes: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]
    categories: AskedCategories
    step: Literal[1, 3, 12]
    first: MonthText
    last: MonthText
    until: Unix
    mode: Literal["total", "cohort"]
    show_sources: bool
    exclusive: bool
    data_life_days: Annotated[int, Field(ge=1, le=3660)]
    replaces: Id | None = None
    reasons: Annotated[dict[str, Texts], Field(max_length=10)]

    @classmethod
    def read(cls, members: Mapping[str, object]) -> Self:
        """Return details of these members; raises BadShape."""
        try:
            return cls.model_validate(members)
        except ValidationError as bad:
            raise BadShape(f"authorization_details: {_faults(bad)}") from None

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        items = {"purpose", "show_sources"} | {
            str(c) for c in (*self.categories.required, *self.categories.optional)
        }
        needed = {"purpose", *map(str, self.categories.required)}
        if not needed <= set(self.reasons) <= items:
            raise BadShape("reasons: one for the purpose and each required category, none other")
        if any(set(texts) != {"zh-CN", "en"} for texts in self.reasons.values()):
            raise BadShape("reasons: each in zh-CN and in en")
        return self


class ConsentRequest(Message):
    """``cv1-request``: a platform asks under a template (OAuth's words, RFC 9126 and RFC 9396).

    Without ``redirect_uri`` the person brings a request code to their app.
    """

    typ: ClassVar[str] = "cv1-request"
    client_id: PartyId
    redirect_uri: Annotated[str, Field(min_length=8, max_length=400)] | None = None
    state: Annotated[str, Field(min_length=16, max_length=200, pattern=r"^[A-Za-z0-9_.~-]+$")]
    template: Annotated[str, Field(pattern=r"^[A-Z0-9-]{3,40}$")]
    authorization_details: Annotated[tuple[Details, ...], Field(min_length=1, max_length=1)]

    @property
    def details(self) -> Details:
        """The one object asked for."""
        return self.authorization_details[0]

    def terms(self, optional: Iterable[int], last: Month | None = None) -> Terms:
        """Return the terms with these optional categories, up to `last` when that is earlier.

        Raises:
            BadShape: a category that is not optional here, a period that is no whole number of
                windows, or no category at all.
        """
        asked, chosen = self.details, set(optional)
        if not chosen <= set(asked.categories.optional):
            raise BadShape("categories: one of them is not optional in this request")
        if last is not None and last > asked.last:
            raise BadShape(f"last: at most {asked.last}")
        return read_terms(
            platform=self.client_id,
            template=self.template,
            purposes=asked.purposes,
            categories=tuple(sorted({*asked.categories.required, *chosen})),
            step=asked.step,
            first=asked.first,
            last=last or asked.last,
            until=asked.until,
            mode=asked.mode,
            show_sources=asked.show_sources,
            exclusive=asked.exclusive,
            data_life_days=asked.data_life_days,
        )


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


_LINK_MONTHS = {
    "type": "array",
    "prefixItems": [
        text_like("[0-9a-f]{32}").json_schema,
        {"type": "array", "items": text_like(MONTH).json_schema, "minItems": 1},
    ],
    "items": False,
    "minItems": 2,
}
CellList = Annotated[
    tuple[LinkMonths, ...],
    PlainValidator(_cells),
    PlainSerializer(_write_cells, return_type=list[list[str | list[str]]]),
    WithJsonSchema({"type": "array", "items": _LINK_MONTHS, "minItems": 1}),
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
    """``cv1-report``: what an auditor judged, [from, to) of the log, and what it found.

    ``json`` is the SHA-256 of the whole report (consent/report/signed.py), where there is one.
    """

    typ: ClassVar[str] = "cv1-report"
    begins: Annotated[int, Field(ge=0, lt=2**53, alias="from")]
    to: Annotated[int, Field(ge=0, lt=2**53)]
    root: Hash
    findings: tuple[tuple[int, str], ...]
    unseen: tuple[int, ...]
    json_hash: Hash | None = Field(default=None, alias="json")


class Web(Message):
    """``cv1-web``: what a vault serves as its web app: each path and the SHA-256 of its bytes.

    Paths of the app's files stand without the version; ``headers`` is no path but the security
    headers of the page (docs/protocol.md, "Web manifest and report").
    """

    typ: ClassVar[str] = "cv1-web"
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    files: Annotated[tuple[tuple[WebPath, Hash], ...], Field(min_length=3, max_length=1000)]

    @model_validator(mode="after")
    def _listed(self) -> Self:
        paths = [path for path, _ in self.files]
        if paths != sorted(set(paths)) or not {"/", "/sw.js", "headers"} <= set(paths):
            raise BadShape("files: ascending, each once, with the page, its worker and its headers")
        return self


class Ask(Shape):
    """What a platform posts to releases; its DPoP proof is the signature."""

    grant: Id
    window: WindowList
    purpose: Annotated[str, Field(min_length=1, max_length=80)]


class Refusal(Message):
    """``cv1-refusal``: an ask that its consent does not cover, or a request without a grant.

    Either ``grant`` and ``window`` say what was asked, or ``request`` is the hash of a request that
    was declined or ran out; nothing more of it is logged.
    """

    typ: ClassVar[str] = "cv1-refusal"
    grant: Id | None = None
    window: WindowList | None = None
    request: Hash | None = None
    reason: Annotated[str, Field(min_length=1, max_length=40)]

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        asked = (self.grant is not None, self.window is not None)
        if asked != (self.request is None,) * 2:
            raise BadShape("a refusal names a grant and window, or a request")
        return self


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
