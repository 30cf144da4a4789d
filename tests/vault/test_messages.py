from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.known import KNOWN
from tests.listing import SIGNING, listing
from vault.crypto.commit import IDENTITY, ORDER, Scalar
from vault.crypto.keys import Root, SigningKey, account_key, stream_key
from vault.crypto.meter import Cell, hide, masks_of
from vault.encoding import Json, b64u, compact_json, read_envelope, sign_jws, thumbprint
from vault.errors import (
    BadJws,
    BadPoint,
    BadScalar,
    BadShape,
    BadType,
    UnknownKey,
    VaultError,
)
from vault.messages import (
    Account,
    Attach,
    Batch,
    Close,
    Link,
    LinkCode,
    Listing,
    Message,
    Party,
    Receipt,
    Record,
    Shape,
    batch_info,
    cell_bytes,
    check_window,
    link_info,
    parse_hex,
    read_cells,
)
from vault.months import Category, Grams, Month

ROOT = Root(bytes.fromhex(KNOWN["cell"]["root"]))
LINK = b"\1" * 16
KEY = SigningKey(b"\x12" * 32)
PK = account_key(ROOT).public
SEVEN = tuple(
    hide(Grams(480 * c), masks_of(stream_key(ROOT, LINK), c, Month("2026-01"))) for c in Category
)
MESSAGES: list[Message] = [
    Account(iat=1, pk=PK, vault="vault.example", over14=True),
    Link(iat=1, link=LINK, source="bike.example", msg=bytes(32), begins=Month("2026-01")),
    Attach(iat=1, link=LINK, receipt="a.b.c"),
    Batch(iat=1, link=LINK, seq=0, tags=tuple(bytes([i]) * 16 for i in range(8)), sealed=b"x" * 50),
    Close(
        iat=1,
        link=LINK,
        month=Month("2026-01"),
        methodology="2026-1",
        cells=SEVEN,
        upto=-1,
        batches=bytes(32),
    ),
    Receipt(iat=1, of=bytes(32), taken=(0, 7)),
    Receipt(iat=1, of=bytes(32), taken=()),
    Receipt(iat=1, of=bytes(32)),
    listing(),
]
CODE = LinkCode(link=LINK, k=b"k" * 32, rec=b"r" * 32, vault="vault.example", nonce=b"n" * 16)
RECORD = Record(
    act=LINK,
    behaviour="bike-share",
    rev=1,
    release="2026-1",
    activity={"m": 1200},
    start=1,
    end=2,
    operator="bike.example",
    receipt="TX-1",
    tag=LINK,
    evidence="E4",
    mg=5,
)
SHAPES: list[Shape] = [*MESSAGES, CODE, RECORD]
NAMED = pytest.mark.parametrize("found", SHAPES, ids=lambda found: type(found).__name__)


def changed(found: Shape, **members: Json) -> bytes:
    return compact_json({**found.plain(), **members})


@NAMED
def test_message_survives_its_bytes(found: Shape) -> None:
    raw = compact_json(found.plain())
    assert type(found).parse(raw) == found
    assert compact_json(type(found).parse(raw).plain()) == raw


@pytest.mark.parametrize("found", MESSAGES, ids=lambda found: type(found).__name__)
def test_signed_message_opens_only_as_its_own_type(found: Message) -> None:
    text = found.signed(KEY)
    assert type(found).verified(text, lambda _: KEY.public) == found
    for other in {type(m) for m in MESSAGES} - {type(found)}:
        with pytest.raises(BadType):
            other.verified(text, lambda _: KEY.public)


def test_every_message_type_has_its_own_typ() -> None:
    types = {type(message) for message in MESSAGES}
    assert len({kind.typ for kind in types}) == len(types)
    assert all(kind.typ.startswith("cv1-") for kind in types)


def test_verified_takes_the_key_that_the_place_names_for_the_kid() -> None:
    text = MESSAGES[0].signed(KEY)
    asked: list[str] = []

    def key_of(kid: str) -> bytes:
        asked.append(kid)
        return KEY.public

    Account.verified(text, key_of)
    assert asked == [thumbprint(KEY.public)]
    with pytest.raises(BadJws):
        Account.verified(text, lambda _: SIGNING["city.example"].public)

    def unknown(kid: str) -> bytes:
        raise UnknownKey(kid)

    with pytest.raises(UnknownKey):
        Account.verified(text, unknown)


def test_signature_is_checked_before_the_payload_is_read() -> None:
    text = sign_jws("cv1-account", {"nothing": "right"}, SigningKey(b"\x13" * 32))
    with pytest.raises(BadJws):
        Account.verified(text, lambda _: KEY.public)


@NAMED
def test_missing_member_is_refused(found: Shape) -> None:
    for name in found.plain():
        if name not in {"taken", "reason", "detail"}:
            rest = {k: v for k, v in found.plain().items() if k != name}
            with pytest.raises(BadShape, match=name):
                type(found).parse(compact_json(rest))


@NAMED
def test_unknown_member_is_refused(found: Shape) -> None:
    for name in ("extra", "Iat", "", "iat ", "begins"):
        with pytest.raises(BadShape):
            type(found).parse(changed(found, **{name: 1}))


@NAMED
def test_doubled_member_is_refused(found: Shape) -> None:
    raw = compact_json(found.plain())
    first = raw[1:].split(b",", 1)[0]
    with pytest.raises(BadShape):
        type(found).parse(b"{" + first + b"," + raw[1:])


WRONG: list[Json] = [None, True, False, -1, 1, 2**53 - 1, "", "x", "é", [], [[]], {}, [1], ["x"]]


@NAMED
def test_member_of_another_kind_is_refused_or_written_back_the_same(found: Shape) -> None:
    """No conversion: whatever is taken re-serialises to exactly what was received."""
    for name, wrong in ((name, wrong) for name in found.plain() for wrong in WRONG):
        raw = changed(found, **{name: wrong})
        with suppress(BadShape, BadPoint, BadScalar):
            assert compact_json(type(found).parse(raw).plain()) == raw


@NAMED
@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff", b"NaN", b"{}"])
def test_no_other_json_value_is_a_message(found: Shape, raw: bytes) -> None:
    with pytest.raises(BadShape):
        type(found).parse(raw)


@settings(max_examples=150)
@given(
    st.sampled_from(SHAPES),
    st.data(),
    st.sampled_from([b"", b"0", b"-", b"1.5", b'"', b"{", b"]", b"\\ud800", b"\xff", b",", b"e9"]),
)
def test_any_edit_of_a_message_is_read_or_a_vault_error(
    found: Shape, data: st.DataObject, edit: bytes
) -> None:
    raw = compact_json(found.plain())
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 3)))
    edited = raw[:start] + edit + raw[end:]
    with suppress(VaultError):
        assert compact_json(type(found).parse(edited).plain()) == edited


@pytest.mark.parametrize("found", [True, False, "1", 1.0, -1, 2**53, None])
def test_iat_is_unix_seconds(found: int | str | None) -> None:
    plain = {**MESSAGES[0].plain(), "iat": found}
    with pytest.raises(BadShape):
        Account.parse(json.dumps(plain).encode())


@pytest.mark.parametrize("over14", [False, 1, "true", None])
def test_account_of_someone_younger_than_fourteen_has_no_form(over14: Json) -> None:
    with pytest.raises(BadShape):
        Account.parse(changed(MESSAGES[0], over14=over14))


@pytest.mark.parametrize("pk", [IDENTITY, bytes(32), b"\xff" * 32, b"\2" + bytes(31)])
def test_account_key_of_small_order_is_refused(pk: bytes) -> None:
    with pytest.raises(BadPoint):
        Account.parse(changed(MESSAGES[0], pk=b64u(pk)))


@pytest.mark.parametrize(
    "name", ["ab", "a" * 65, "Vault.example", "a b c", "a/b", "vault.example\n", "银行银行"]
)
def test_directory_id_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(BadShape):
        Account.parse(changed(MESSAGES[0], vault=name))


@pytest.mark.parametrize(
    "link", ["01" * 15, "01" * 17, "AB" * 16, "0" * 31 + "g", " " + "0" * 31, "01" * 15 + "é1", ""]
)
def test_id_is_32_lower_case_hex_digits(link: str) -> None:
    with pytest.raises(BadShape):
        Attach.parse(changed(MESSAGES[2], link=link))


def test_hex_keeps_its_size() -> None:
    assert parse_hex("0a" * 4, 4) == b"\n" * 4
    for found in ("0a" * 3, "0A" * 4, b"\n" * 3, 5, None, "0a0a_a0a"):
        with pytest.raises(BadShape):
            parse_hex(found, 4)


def test_link_begins_under_its_wire_name_only() -> None:
    plain = MESSAGES[1].plain()
    assert "from" in plain
    begins = {("begins" if k == "from" else k): v for k, v in plain.items()}
    with pytest.raises(BadShape):
        Link.parse(compact_json(begins))


@pytest.mark.parametrize("month", ["2026-1", "1999-01", 202601, None, ["2026-01"]])
def test_month_of_another_form_is_refused(month: Json) -> None:
    with pytest.raises(BadShape):
        Close.parse(changed(MESSAGES[4], month=month))


@pytest.mark.parametrize("count", [0, 7, 4097])
def test_batch_has_eight_to_4096_tags(count: int) -> None:
    """Property 12 in part."""
    with pytest.raises(BadShape):
        Batch.parse(changed(MESSAGES[3], tags=["00" * 16] * count))


@pytest.mark.parametrize("seq", [-1, 2**32, True])
def test_seq_is_an_unsigned_32_bit_integer(seq: int) -> None:
    with pytest.raises(BadShape):
        Batch.parse(changed(MESSAGES[3], seq=seq))


def pairs() -> list[Json]:
    cells = MESSAGES[4].plain()["cells"]
    assert isinstance(cells, list)
    return cells


@pytest.mark.parametrize("count", [0, 6, 8])
def test_close_has_seven_cells(count: int) -> None:
    """Property 12 in part."""
    with pytest.raises(BadShape):
        Close.parse(changed(MESSAGES[4], cells=(pairs() * 2)[:count]))


@pytest.mark.parametrize("number", [ORDER, ORDER + 5, 2**256 - 1])
def test_close_with_a_scalar_that_is_not_reduced_is_refused(number: int) -> None:
    bad: Json = [b64u(number.to_bytes(32, "little")), b64u(SEVEN[0].commitment)]
    with pytest.raises(BadScalar):
        Close.parse(changed(MESSAGES[4], cells=[bad, *pairs()[1:]]))


@pytest.mark.parametrize("point", [IDENTITY, bytes(32), b"\xff" * 32, b"\2" + bytes(31)])
def test_close_with_a_bad_point_is_refused(point: bytes) -> None:
    bad: Json = [b64u(bytes(32)), b64u(point)]
    with pytest.raises(BadPoint):
        Close.parse(changed(MESSAGES[4], cells=[bad, *pairs()[1:]]))


@pytest.mark.parametrize(
    "cell", [None, 5, "AA", [], ["AA", "AA"], [5, 5], ["A" * 43] * 3, {"c": "A" * 43}, [None, None]]
)
def test_cell_of_another_form_is_refused(cell: Json) -> None:
    with pytest.raises(BadShape):
        Close.parse(changed(MESSAGES[4], cells=[cell, *pairs()[1:]]))


@pytest.mark.parametrize("upto", [-2, 2**32])
def test_upto_is_minus_one_or_a_seq(upto: int) -> None:
    with pytest.raises(BadShape):
        Close.parse(changed(MESSAGES[4], upto=upto))


@pytest.mark.parametrize("taken", [[-1], [4096], [True], ["1"], None, 1])
def test_receipt_positions_are_those_of_tags(taken: Json) -> None:
    with pytest.raises(BadShape):
        Receipt.parse(changed(MESSAGES[5], taken=taken))


def test_receipt_of_a_close_has_no_positions_and_of_a_batch_has_a_list() -> None:
    assert [m.plain().get("taken") for m in MESSAGES[5:8]] == [[0, 7], [], None]
    assert "taken" not in MESSAGES[7].plain()


@given(st.lists(st.tuples(st.integers(0, ORDER - 1), st.binary(min_size=32, max_size=32))))
def test_stored_cells_come_back(found: list[tuple[int, bytes]]) -> None:
    cells = tuple(Cell(Scalar(c), SEVEN[0].commitment) for c, _ in found)
    assert read_cells(cell_bytes(cells)) == cells
    assert len(cell_bytes(cells)) == 64 * len(cells)


def test_window_lists_consecutive_months() -> None:
    assert check_window(["2026-12", "2027-01"]) == ("2026-12", "2027-01")
    for found in ([], None, "2026-01", ["2026-02", "2026-01"], ["2026-01", "2026-03"], [202601]):
        with pytest.raises(BadShape):
            check_window(found)
    with pytest.raises(BadShape):
        check_window(["2026-01", "2026-01"])


def test_link_code_shows_its_stream_key_nowhere() -> None:
    assert "kkk" not in repr(CODE)
    assert "kkk" not in str(CODE)
    plain = {**CODE.plain(), "k": "secret-of-the-wrong-size"}
    with pytest.raises(BadShape) as refused:
        LinkCode.parse(compact_json(plain))
    assert "secret" not in str(refused.value)


def test_directory_entry_may_leave_out_what_only_sources_have() -> None:
    entries = {party.id: party.plain() for party in listing().entries}
    assert entries["bike.example"]["cadence"] == "daily"
    assert "cadence" not in entries["city.example"]
    with pytest.raises(BadShape):
        Party.parse(compact_json({**entries["city.example"], "cadence": None}))


def test_next_auditor_is_null_or_a_key() -> None:
    plain = listing().plain()
    assert plain["next"] is None
    assert Listing.parse(compact_json({**plain, "next": b64u(PK)})).next == PK
    with pytest.raises(BadPoint):
        Listing.parse(compact_json({**plain, "next": b64u(IDENTITY)}))
    del plain["next"]
    with pytest.raises(BadShape):
        Listing.parse(compact_json(plain))


def test_infos_are_those_of_the_page() -> None:
    assert link_info("bike.example") == b"cv1/linkbike.example"
    assert batch_info(LINK, 258) == b"cv1/batch" + LINK + b"\0\0\1\2"


def test_payload_of_an_attach_is_as_the_docstring_shows() -> None:
    payload = read_envelope(MESSAGES[2].signed(KEY), "cv1-attach").payload
    assert payload == b'{"iat":1,"link":"' + b"01" * 16 + b'","receipt":"a.b.c"}'


@pytest.mark.parametrize(
    ("mg", "corrects", "taken"),
    [
        (5, None, True),
        (0, None, True),
        (-1, None, False),
        (-(2**53) + 1, None, False),
        (-5, "02" * 16, True),
        (0, "02" * 16, True),
        (1, "02" * 16, False),
        (2**53 - 1, "02" * 16, False),
    ],
)
def test_only_a_record_that_takes_another_back_is_negative_and_it_is_never_positive(
    mg: int, corrects: str | None, taken: bool
) -> None:
    plain: dict[str, Json] = {"mg": mg} if corrects is None else {"mg": mg, "corrects": corrects}
    raw = changed(RECORD, **plain)
    if taken:
        assert compact_json(Record.parse(raw).plain()) == raw
    else:
        with pytest.raises(BadShape, match="takes another back"):
            Record.parse(raw)


@pytest.mark.parametrize("corrects", [None, "", "02" * 15, "02" * 17, "AB" * 16, 2, ["02" * 16]])
def test_a_correction_names_one_act_by_its_id(corrects: Json) -> None:
    with pytest.raises(BadShape):
        Record.parse(changed(RECORD, mg=-5, corrects=corrects))


def test_a_record_that_corrects_nothing_has_no_such_member() -> None:
    assert "corrects" not in RECORD.plain()
    correction = RECORD.model_copy(update={"mg": -5, "corrects": b"\2" * 16})
    assert correction.plain()["corrects"] == "02" * 16
    assert Record.parse(compact_json(correction.plain())) == correction
