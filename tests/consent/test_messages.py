from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.messages import (
    Ask,
    Bind,
    Grant,
    LinkMonths,
    Refusal,
    Release,
    Revoke,
    Terms,
    Token,
    TokenPost,
)
from tests.consent.terms import BANK, bank_terms, city_terms, grant, terms
from vault.crypto.commit import IDENTITY, ORDER, H, Scalar
from vault.encoding import Json, b64u, compact_json
from vault.errors import BadPoint, BadScalar, BadShape, BadType, VaultError
from vault.messages import Message, Shape
from vault.months import Category, Month, Window

WINDOW: Window = (Month("2026-01"), Month("2026-02"), Month("2026-03"))
TOKEN = Token(
    iat=1,
    grant=b"g" * 16,
    window=WINDOW,
    cells=(LinkMonths(b"\1" * 16, WINDOW), LinkMonths(b"\2" * 16, WINDOW[1:])),
    sealed=bytes(32),
)
RELEASE = Release(
    iat=1,
    grant=b"g" * 16,
    window=WINDOW,
    purpose="PersonalisedBenefits",
    c=Scalar(5),
    C=H,
    token=bytes(32),
    closes=bytes(32),
    methodology=("2026-1",),
)
MESSAGES: list[Message] = [
    Bind(iat=1, org="bank.example", pk=BANK.public),
    grant(bank_terms()),
    grant(city_terms(), request="72" * 32, replaces="61" * 16),
    TOKEN,
    Revoke(iat=1, grant=b"g" * 16, n=1),
    Refusal(iat=1, grant=b"g" * 16, window=WINDOW, reason="revoked"),
    RELEASE,
]
SHAPES: list[Shape] = [
    *MESSAGES,
    terms(bank_terms()),
    TokenPost(token="a.b.c", sealed=b"x" * 112),
    Ask(grant=b"g" * 16, window=WINDOW, purpose="PersonalisedBenefits"),
]
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
    text = found.signed(BANK)
    assert type(found).verified(text, lambda _: BANK.public) == found
    for other in {type(m) for m in MESSAGES} - {type(found)}:
        with pytest.raises(BadType):
            other.verified(text, lambda _: BANK.public)


@NAMED
def test_missing_unknown_or_null_member_is_refused(found: Shape) -> None:
    plain = found.plain()
    for name in plain:
        rest = {k: v for k, v in plain.items() if k != name}
        for edited in (rest, {**plain, name: None}, {**plain, name + "_": 1}):
            if name not in {"request", "replaces"} or edited is not rest:
                with pytest.raises(BadShape):
                    type(found).parse(compact_json(edited))


WRONG: list[Json] = [True, False, -1, 0, 1, 2**53 - 1, "", "x", "é", [], [[]], {}, [1], ["x"]]


@NAMED
def test_member_of_another_kind_is_refused_or_written_back_the_same(found: Shape) -> None:
    for name, wrong in ((name, wrong) for name in found.plain() for wrong in WRONG):
        raw = changed(found, **{name: wrong})
        with suppress(BadShape, BadPoint, BadScalar):
            assert compact_json(type(found).parse(raw).plain()) == raw


@settings(max_examples=100)
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


@pytest.mark.parametrize("pk", [IDENTITY, bytes(32), b"\xff" * 32])
def test_consent_key_of_small_order_is_refused(pk: bytes) -> None:
    for found in MESSAGES[:2]:
        with pytest.raises(BadPoint):
            type(found).parse(changed(found, pk=b64u(pk)))


class TestTerms:
    @pytest.mark.parametrize("categories", [[], [2, 1], [1, 1], [0], [8], [True], ["1"], None])
    def test_categories_are_sorted_each_once_and_not_none(self, categories: Json) -> None:
        with pytest.raises(BadShape):
            terms(bank_terms(), categories=categories)

    @pytest.mark.parametrize("purposes", [[], ["B", "A"], ["A", "A"], [1], "A", ["A"] * 9])
    def test_purposes_are_sorted_each_once_and_not_none(self, purposes: Json) -> None:
        with pytest.raises(BadShape):
            terms(bank_terms(), purposes=purposes)

    @pytest.mark.parametrize("step", [0, 2, 6, "3", True, None])
    def test_step_is_one_three_or_twelve(self, step: Json) -> None:
        with pytest.raises(BadShape):
            terms(bank_terms(), step=step, first="2026-01", last="2026-12")

    @pytest.mark.parametrize(
        ("first", "last"), [("2026-01", "2026-02"), ("2026-04", "2026-03"), ("2026-1", "2026-03")]
    )
    def test_span_is_a_whole_number_of_windows(self, first: str, last: str) -> None:
        with pytest.raises(BadShape):
            terms(bank_terms(), first=first, last=last)

    @pytest.mark.parametrize("member", ["show_sources", "exclusive"])
    @pytest.mark.parametrize("value", [0, 1, "true", None])
    def test_choices_are_true_or_false(self, member: str, value: Json) -> None:
        with pytest.raises(BadShape):
            terms(bank_terms(), **{member: value})

    @pytest.mark.parametrize("days", [0, -1, 3661, True])
    def test_data_life_is_one_day_to_ten_years(self, days: int) -> None:
        with pytest.raises(BadShape):
            terms(bank_terms(), data_life_days=days)

    def test_windows_and_scope_are_those_of_the_members(self) -> None:
        found = terms(bank_terms(), first="2026-01", last="2026-06", categories=[2, 4])
        assert found.windows == [WINDOW, (Month("2026-04"), Month("2026-05"), Month("2026-06"))]
        assert found.scope == (Category.FOOD, Category.TRAVEL)


class TestGrant:
    @pytest.mark.parametrize("kind", ["", "carbon", "CARBON_REDUCTION_TOTAL", None])
    def test_type_is_always_the_same(self, kind: Json) -> None:
        with pytest.raises(BadShape):
            grant(bank_terms(), type=kind)

    @pytest.mark.parametrize("locale", ["zh", "EN", "de", ""])
    def test_notice_is_in_one_of_two_locales(self, locale: str) -> None:
        with pytest.raises(BadShape):
            grant(bank_terms(), notice={"sha256": "00" * 32, "locale": locale})

    def test_takes_only_its_own_windows(self) -> None:
        found = grant(bank_terms())
        found.check_window(WINDOW)
        for window in (WINDOW[:1], WINDOW[1:], (Month("2027-01"),), ()):
            with pytest.raises(BadShape):
                found.check_window(window)

    def test_is_its_terms_and_who_signs(self) -> None:
        assert set(Grant.model_fields) - set(Terms.model_fields) == {
            "iat",
            "type",
            "grant",
            "pk",
            "org",
            "notice",
            "request",
            "replaces",
        }


class TestToken:
    A, B = "01" * 16, "02" * 16

    @pytest.mark.parametrize(
        "cells",
        [
            [],
            None,
            5,
            [[B, ["2026-01"]], [A, ["2026-01"]]],
            [[A, ["2026-01"]], [A, ["2026-02"]]],
            [[A, []]],
            [[A, ["2026-02", "2026-01"]]],
            [[A, ["2026-01", "2026-01"]]],
            [[A, "2026-01"]],
            [[A, [202601]]],
            [[A, [None]]],
            [[A]],
            [[A, ["2026-01"], 1]],
            [["0101", ["2026-01"]]],
            [[1, ["2026-01"]]],
            [{"link": A, "months": ["2026-01"]}],
            [A],
        ],
        ids=str,
    )
    def test_cells_are_sorted_by_link_each_with_ascending_months(self, cells: Json) -> None:
        with pytest.raises(BadShape):
            Token.parse(changed(TOKEN, cells=cells))

    def test_months_of_a_link_may_leave_some_out(self) -> None:
        found = Token.parse(changed(TOKEN, cells=[[self.A, ["2026-01", "2026-03"]]]))
        assert found.cells == (LinkMonths(b"\1" * 16, (WINDOW[0], WINDOW[2])),)

    @pytest.mark.parametrize("window", [[], ["2026-03", "2026-02"], ["2026-01", "2026-03"], "x"])
    def test_window_is_consecutive(self, window: Json) -> None:
        with pytest.raises(BadShape):
            Token.parse(changed(TOKEN, window=window))


class TestRelease:
    @pytest.mark.parametrize("c", [5, 0, True, None, "", "AA", [b64u(bytes(32))]])
    def test_c_is_32_bytes_and_never_a_json_number(self, c: Json) -> None:
        with pytest.raises(BadShape):
            Release.parse(changed(RELEASE, c=c))

    @pytest.mark.parametrize("c", [ORDER, 2**256 - 1])
    def test_c_is_reduced(self, c: int) -> None:
        with pytest.raises(BadScalar):
            Release.parse(changed(RELEASE, c=b64u(c.to_bytes(32, "little"))))

    @pytest.mark.parametrize("point", [IDENTITY, bytes(32), b"\xff" * 32])
    def test_commitment_is_of_prime_order(self, point: bytes) -> None:
        with pytest.raises(BadPoint):
            Release.parse(changed(RELEASE, C=b64u(point)))

    def test_methodology_is_not_empty(self) -> None:
        with pytest.raises(BadShape):
            Release.parse(changed(RELEASE, methodology=[]))


@pytest.mark.parametrize("n", [0, -1, True, 2**53, "1"])
def test_revoke_counts_from_one(n: int | str) -> None:
    with pytest.raises(BadShape):
        Revoke.parse(changed(MESSAGES[4], n=n))
