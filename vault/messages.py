"""Every message of a holder or source to the vault, and the vault's receipts (protocol section 5).

A message is a frozen record of its members; ``Close(…).signed(key)`` is its compact JWS and
``Close.opened(envelope)`` reads one back, strictly. Example, the payload of a ``cv1-attach``:

    {"iat":1767225600,"link":"01010101010101010101010101010101","receipt":"eyJhbGciOi…"}

In JSON, hashes and 16-byte ids are lower-case hex; keys, points, scalars and ciphertexts base64url.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from vault.crypto.commit import Point, Scalar, check_point, read_scalar, write_scalar
from vault.crypto.keys import SigningKey
from vault.crypto.meter import Cell
from vault.encoding import Envelope, Json, b64u, read_envelope, sign_jws, strict_object, unb64u
from vault.errors import BadShape
from vault.months import Month, Window, months_from, parse_month


def parse_hex(found: object, size: int) -> bytes:
    """Return bytes from lower-case hex (or the bytes themselves); raises BadShape."""
    raw = found
    if isinstance(found, str) and len(found) == 2 * size and not found.strip("0123456789abcdef"):
        raw = bytes.fromhex(found)
    if not isinstance(raw, bytes) or len(raw) != size:
        raise BadShape(f"wanted {size} bytes in lower-case hex")
    return raw


def _hex(size: int) -> Callable[[object], bytes]:
    return lambda found: parse_hex(found, size)


def _base64(size: int | None) -> Callable[[object], bytes]:
    def parse(found: object) -> bytes:
        raw = unb64u(found, size) if isinstance(found, str) else found
        if not isinstance(raw, bytes) or size not in (None, len(raw)):
            raise BadShape("wanted base64url" if size is None else f"wanted {size} bytes")
        return raw

    return parse


def _cell(found: object) -> Cell:
    if isinstance(found, Cell):
        return found
    if not isinstance(found, list) or len(found) != 2:
        raise BadShape("wanted a cell [c, C]")
    raw = [_base64(32)(part) for part in found]
    return Cell(read_scalar(raw[0]), check_point(raw[1]))


def _scalar(found: object, info: ValidationInfo) -> Scalar:
    if info.mode == "python" and isinstance(found, int):
        return Scalar(found)  # made here; on the wire a number is no scalar
    return read_scalar(_base64(32)(found))


def _point(found: object) -> Point:
    return check_point(_base64(32)(found))


def _write_scalar(scalar: Scalar) -> str:
    return b64u(write_scalar(scalar))


def _write_cell(cell: Cell) -> list[str]:
    return [b64u(write_scalar(cell.masked)), b64u(cell.commitment)]


def _month(found: object) -> Month:
    if not isinstance(found, str):
        raise BadShape("wanted a month such as 2026-01")
    return parse_month(found)


def check_window(found: object) -> Window:
    """Return a list of consecutive months as a window; raises BadShape."""
    if not isinstance(found, list | tuple) or not found:
        raise BadShape("wanted the list of a window's months")
    months = tuple(_month(part) for part in found)
    if months != months_from(months[0], months[-1]):
        raise BadShape("a window lists consecutive months, ascending")
    return months


def _hex_text(raw: bytes) -> str:
    return raw.hex()


def text_like(pattern: str) -> WithJsonSchema:
    """Return how a member is described to other programs: a text of this pattern."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


MONTH = r"20[0-9]{2}-(0[1-9]|1[0-2])"
_OF_32 = text_like("[A-Za-z0-9_-]{43}")  # base64url of 32 bytes
_OF_2_32 = WithJsonSchema(
    {"type": "array", "items": _OF_32.json_schema, "minItems": 2, "maxItems": 2}
)
_MONTHS = WithJsonSchema({"type": "array", "items": text_like(MONTH).json_schema, "minItems": 1})

Id = Annotated[
    bytes,
    PlainValidator(_hex(16)),
    PlainSerializer(_hex_text, return_type=str),
    text_like("[0-9a-f]{32}"),
]
Hash = Annotated[
    bytes,
    PlainValidator(_hex(32)),
    PlainSerializer(_hex_text, return_type=str),
    text_like("[0-9a-f]{64}"),
]
Key = Annotated[bytes, PlainValidator(_base64(32)), PlainSerializer(b64u, return_type=str), _OF_32]
SigningPk = Annotated[bytes, PlainValidator(_point), PlainSerializer(b64u, return_type=str), _OF_32]
Sealed = Annotated[
    bytes,
    PlainValidator(_base64(None)),
    PlainSerializer(b64u, return_type=str),
    text_like("[A-Za-z0-9_-]*"),
]
ScalarText = Annotated[
    Scalar, PlainValidator(_scalar), PlainSerializer(_write_scalar, return_type=str), _OF_32
]
PointText = Annotated[Point, PlainValidator(_point), PlainSerializer(b64u, return_type=str), _OF_32]
CellPair = Annotated[
    Cell, PlainValidator(_cell), PlainSerializer(_write_cell, return_type=list[str]), _OF_2_32
]
MonthText = Annotated[Month, BeforeValidator(_month), text_like(MONTH)]
WindowList = Annotated[
    Window, PlainValidator(check_window), PlainSerializer(list, return_type=list[str]), _MONTHS
]
Unix = Annotated[int, Field(ge=0, lt=2**53)]
PartyId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{3,64}$")]
Jws = Annotated[str, StringConstraints(min_length=1, max_length=2**21, pattern=r"^[\w.-]+$")]


class Shape(BaseModel):
    """A JSON object with exactly these members, no conversions, never changed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", populate_by_name=True)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Return the object.

        Raises:
            BadShape: not strict JSON; members missing, unknown, out of range or not in the form
                that ``plain`` writes (1 for true, null for a member that stays away).
            BadPoint, BadScalar: a point or scalar not in its only valid form.
        """
        members = strict_object(raw)
        try:
            parsed = cls.model_validate_json(raw)
        except ValidationError as bad:
            # Names and kinds only: a value could be a secret.
            found = (".".join(map(str, e["loc"])) + ": " + e["type"] for e in bad.errors()[:5])
            raise BadShape(f"{cls.__name__}: {'; '.join(found)}") from None
        if _sorted_json(parsed.plain()) != _sorted_json(members):
            raise BadShape(f"{cls.__name__}: a member is not in its only form")
        return parsed

    def plain(self) -> dict[str, Json]:
        """Return the members as JSON values; optional ones that are not set stay away."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return cast("dict[str, Json]", dumped)


def _sorted_json(members: dict[str, Json]) -> str:
    # As text, since True == 1 in Python and pydantic takes either for Literal[True].
    return json.dumps(members, sort_keys=True)


class Message(Shape):
    """A signed object; ``iat`` is the signer's clock, information only."""

    typ: ClassVar[str]
    iat: Unix

    def signed(self, key: SigningKey) -> str:
        """Return the compact JWS under the key."""
        return sign_jws(self.typ, self.plain(), key)

    @classmethod
    def opened(cls, envelope: Envelope) -> Self:
        """Return the message of an envelope that the caller verifies; raises as parse does."""
        return cls.parse(envelope.payload)

    @classmethod
    def verified(cls, text: str, key_of: Callable[[str], bytes]) -> Self:
        """Return the message of a JWS, its key found by kid.

        Raises:
            BadJws, BadType, UnknownKey: as read_envelope, key_of and Envelope.verify raise.
            BadShape, BadPoint, BadScalar: as parse raises.
        """
        envelope = read_envelope(text, cls.typ)
        envelope.verify(key_of(envelope.kid))
        return cls.opened(envelope)


class Account(Message):
    """``cv1-account``: a vault for one holder; its key is the account."""

    typ: ClassVar[str] = "cv1-account"
    pk: SigningPk
    vault: PartyId
    over14: Literal[True]


class LinkCode(Shape):
    """What the holder seals to a source to start a link: the only copy of k outside the root."""

    link: Id
    k: Key = Field(repr=False)
    rec: Key
    vault: PartyId
    nonce: Id


class Link(Message):
    """``cv1-link``: the source's answer to a link code."""

    typ: ClassVar[str] = "cv1-link"
    link: Id
    source: PartyId
    msg: Hash
    begins: MonthText = Field(alias="from")


class Attach(Message):
    """``cv1-attach``: the holder puts a link under their account."""

    typ: ClassVar[str] = "cv1-attach"
    link: Id
    receipt: Jws


class Unlink(Message):
    """``cv1-unlink``: the holder, or the source for its customer, ends a link."""

    typ: ClassVar[str] = "cv1-unlink"
    link: Id


class Reject(Message):
    """``cv1-reject``: the holder cannot open a close; `close` is its hash."""

    typ: ClassVar[str] = "cv1-reject"
    close: Hash


class AbsentMonth(Message):
    """``cv1-absent``: the vault's word that a month's slot passed without a close."""

    typ: ClassVar[str] = "cv1-absent"
    link: Id
    month: MonthText


class Erase(Message):
    """``cv1-erase``: the holder deletes the whole account; `pk` is its key."""

    typ: ClassVar[str] = "cv1-erase"
    pk: SigningPk


class Batch(Message):
    """``cv1-batch``: sealed records of one link; tags let the vault count a receipt once."""

    typ: ClassVar[str] = "cv1-batch"
    link: Id
    seq: Annotated[int, Field(ge=0, lt=2**32)]
    tags: Annotated[tuple[Id, ...], Field(min_length=8, max_length=4096)]
    sealed: Sealed


class Close(Message):
    """``cv1-close``: seven hidden numbers of one link and month."""

    typ: ClassVar[str] = "cv1-close"
    link: Id
    month: MonthText
    methodology: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{3,64}$")]
    cells: Annotated[tuple[CellPair, ...], Field(min_length=7, max_length=7)]
    upto: Annotated[int, Field(ge=-1, lt=2**32)]
    batches: Hash


class Receipt(Message):
    """``cv1-receipt``: the vault has this batch or close; ``taken`` lists tags it had before."""

    typ: ClassVar[str] = "cv1-receipt"
    of: Hash
    taken: tuple[Annotated[int, Field(ge=0, lt=4096)], ...] | None = None


class Record(Shape):
    """One act inside a batch, readable by the holder only.

    One that takes an earlier act back names it in ``corrects``; only such a one is negative.
    """

    act: Id
    behaviour: str
    rev: int
    release: str
    activity: dict[str, int]
    start: Unix
    end: Unix
    operator: PartyId
    receipt: str
    tag: Id
    evidence: Literal["E3", "E4"]
    mg: int
    reason: str | None = None
    corrects: Id | None = None
    detail: dict[str, str] | None = None

    @model_validator(mode="after")
    def _signed(self) -> Self:
        wrong = self.mg < 0 if self.corrects is None else self.mg > 0
        if wrong:
            raise BadShape("only a record that takes another back has negative milligrams")
        return self


RedirectUri = Annotated[
    str,
    StringConstraints(
        max_length=400,
        pattern=r"^(https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?)/[!$-\[\]-~]*$",
    ),
]
ContactText = Annotated[
    str, StringConstraints(min_length=3, max_length=200, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")
]


class KeyTime(Shape):
    """A key and the unix seconds [from, until) of its validity."""

    pk: Key
    begins: Unix = Field(alias="from")
    until: Unix

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.begins >= self.until:
            raise BadShape("a key is valid from a second before its until")
        return self


class Party(Shape):
    """One entry of the directory."""

    id: PartyId
    org: PartyId
    # People read it in notices: one line, nothing that turns or hides text.
    name: Annotated[
        str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")
    ]
    roles: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]
    cadence: Literal["daily", "weekly", "monthly"] | None = None
    books_for: tuple[PartyId, ...] | None = None
    # Where a platform takes a person back after their decision: compared whole, byte for byte.
    redirects: Annotated[tuple[RedirectUri, ...], Field(min_length=1, max_length=16)] | None = None
    contact: ContactText | None = None
    sig: tuple[KeyTime, ...]
    hpke: tuple[KeyTime, ...]


class LogEntry(Shape):
    """The transparency log that clients of this directory trust."""

    origin: str
    vkey: str
    witnesses: tuple[str, ...]
    quorum: Annotated[int, Field(ge=0, le=64)]


class ClosedLog(LogEntry):
    """A log that ended, with the only tree of it that counts: its last one."""

    size: Annotated[int, Field(ge=1, lt=2**53)]
    root: Hash


class ReleaseEntry(Shape):
    """A methodology release and the first booking month it is in force for."""

    id: str
    sha256: Hash
    begins: MonthText = Field(alias="from")


class YearKey(Shape):
    """K_net of one calendar year of acts, sealed to one source."""

    year: Annotated[int, Field(ge=2000, le=2099)]
    source: PartyId
    sealed: Sealed


class Listing(Message):
    """``cv1-directory``: who is who, signed by the auditor."""

    typ: ClassVar[str] = "cv1-directory"
    version: Annotated[int, Field(ge=1, lt=2**53)]
    prev: Hash
    expires: Unix
    next: SigningPk | None
    demo: bool
    zone: str
    vault: PartyId
    log: LogEntry
    earlier: Annotated[tuple[ClosedLog, ...], Field(min_length=1)] | None = None
    releases: tuple[ReleaseEntry, ...]
    entries: tuple[Party, ...]
    knet: tuple[YearKey, ...]


def link_info(source: str) -> bytes:
    """Return the HPKE info of a link code."""
    return b"cv1/link" + source.encode("ascii")


def batch_info(link: bytes, seq: int) -> bytes:
    """Return the HPKE info of a batch."""
    return b"cv1/batch" + link + seq.to_bytes(4, "big")


def cell_bytes(cells: tuple[Cell, ...]) -> bytes:
    """Return cells as 64 bytes each, c then C: how the store keeps them."""
    return b"".join(write_scalar(cell.masked) + cell.commitment for cell in cells)


def read_cells(raw: bytes) -> tuple[Cell, ...]:
    """Return the cells of cell_bytes; they were checked when they came in."""
    return tuple(
        Cell(Scalar(int.from_bytes(raw[i : i + 32], "little")), Point(raw[i + 32 : i + 64]))
        for i in range(0, len(raw), 64)
    )
