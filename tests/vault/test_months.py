from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import BadShape
from vault.months import (
    Category,
    Month,
    add_months,
    close_slot,
    join_window,
    local_time,
    month_at,
    month_begins,
    months_from,
    parse_month,
    windows_of,
    zone_of,
)

ZONES = ["Asia/Shanghai", "UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Kiritimati"]
months = st.integers(0, 100 * 12 - 1).map(lambda i: Month(f"{2000 + i // 12}-{i % 12 + 1:02d}"))
inner = st.integers(5 * 12, 92 * 12).map(lambda i: Month(f"{2000 + i // 12}-{i % 12 + 1:02d}"))


@given(months)
def test_month_is_its_text(month: Month) -> None:
    assert parse_month(month) == month


@pytest.mark.parametrize(
    "text",
    ["", "2026-1", "2026-13", "2026-00", "1999-12", "2100-01", "2026-01 ", "2026-01\n", "２026-01"],
)
def test_other_text_is_no_month(text: str) -> None:
    with pytest.raises(BadShape):
        parse_month(text)


@given(inner, st.integers(-24, 12), st.integers(-24, 12))
def test_months_add_up(month: Month, left: int, right: int) -> None:
    assert add_months(add_months(month, left), right) == add_months(month, left + right)
    assert add_months(month, 0) == month


def test_months_after_the_century_are_refused() -> None:
    assert add_months(Month("2099-11"), 1) == "2099-12"
    for month, count in (("2099-12", 1), ("2000-01", -1)):
        with pytest.raises(BadShape):
            add_months(Month(month), count)


@given(inner, st.sampled_from([1, 3, 12]), st.integers(1, 5))
def test_windows_cut_the_span_without_gap_or_overlap(first: Month, step: int, count: int) -> None:
    last = add_months(first, step * count - 1)
    windows = windows_of(first, last, step)
    assert [len(window) for window in windows] == [step] * count
    assert tuple(month for window in windows for month in window) == months_from(first, last)


@pytest.mark.parametrize(
    ("first", "last", "step"),
    [("2026-01", "2026-02", 3), ("2026-02", "2026-01", 1), ("2026-01", "2026-11", 12)],
)
def test_span_that_is_no_whole_number_of_windows_is_refused(
    first: str, last: str, step: int
) -> None:
    with pytest.raises(BadShape):
        windows_of(Month(first), Month(last), step)


def test_months_from_a_later_month_are_none() -> None:
    assert months_from(Month("2026-02"), Month("2026-01")) == ()


def test_window_is_joined_by_slashes() -> None:
    assert join_window((Month("2026-01"), Month("2026-02"))) == "2026-01/2026-02"


@given(inner, st.sampled_from(ZONES))
def test_month_begins_at_its_first_second(month: Month, zone: str) -> None:
    begin = month_begins(month, zone)
    assert month_at(begin, zone) == month
    assert month_at(begin - 1, zone) == add_months(month, -1)


@given(inner, st.sampled_from(ZONES))
def test_slot_of_a_close_is_the_whole_next_month(month: Month, zone: str) -> None:
    begin, end = close_slot(month, zone)
    assert month_at(begin, zone) == month_at(end - 1, zone) == add_months(month, 1)
    assert month_at(begin - 1, zone) == month
    assert month_at(end, zone) == add_months(month, 2)


def test_month_turns_in_the_vaults_zone() -> None:
    midnight = 1767196800  # 2026-01-01 00:00 +08:00
    assert month_at(midnight, "Asia/Shanghai") == "2026-01"
    assert month_at(midnight - 1, "Asia/Shanghai") == "2025-12"
    assert month_at(midnight, "UTC") == "2025-12"


@pytest.mark.parametrize("unix", [0, -1, 2**53 - 1, 2**63, 4102444800 + 86400])
def test_second_outside_the_calendar_is_refused(unix: int) -> None:
    with pytest.raises(BadShape):
        month_at(unix, "UTC")


@pytest.mark.parametrize("unix", [2**53 - 1, 2**100])
def test_second_past_the_year_9999_is_refused(unix: int) -> None:
    with pytest.raises(BadShape):
        local_time(unix, "UTC")


@pytest.mark.parametrize("name", ["", "Nowhere/At_All", "../UTC", "/etc/localtime", "\0", "Asia"])
def test_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(BadShape):
        zone_of(name)


def test_categories_are_one_to_seven() -> None:
    assert [int(category) for category in Category] == [1, 2, 3, 4, 5, 6, 7]
