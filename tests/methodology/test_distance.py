"""The floor of a great circle is the same on every machine, and right."""

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.independent_week import exact_metres, unit_vector
from vault.methodology.distance import Place, great_circle


def degrees(most: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(-most, most, places=6)


places = st.builds(Place, degrees(90), degrees(180))
city = st.builds(
    Place, st.decimals("30.1", "30.4", places=6), st.decimals("120.0", "120.4", places=6)
)


def place(lat: str, long: str) -> Place:
    return Place(Decimal(lat), Decimal(long))


def by_vectors(start: Place, end: Place) -> float:
    return exact_metres(
        unit_vector(str(start.lat), str(start.long)), unit_vector(str(end.lat), str(end.long))
    )


@pytest.mark.parametrize(
    ("start", "end", "metres"),
    [
        (place("0", "0"), place("0", "1"), 111_195),  # πR/180 = 111,195.0797…
        (place("0", "0"), place("90", "0"), 10_007_557),  # πR/2
        (place("0", "0"), place("0", "180"), 20_015_114),  # πR: half way round
        (place("90", "0"), place("-90", "77"), 20_015_114),
        (place("0", "-179.5"), place("0", "179.5"), 111_195),  # over the date line
        (place("30.25", "120.16"), place("30.25", "120.16"), 0),
        (place("90", "10"), place("90", "-50"), 0),  # one pole
    ],
)
def test_great_circle_of_known_arcs(start: Place, end: Place, metres: int) -> None:
    assert great_circle(start, end) == metres


@given(st.one_of(st.tuples(places, places), st.tuples(city, city)))
def test_great_circle_is_the_floor_of_another_formula(pair: tuple[Place, Place]) -> None:
    straight = by_vectors(*pair)
    assert math.floor(straight - 1e-6) <= great_circle(*pair) <= math.floor(straight + 1e-6)


@given(places)
def test_antipodes_are_half_way_round(start: Place) -> None:
    opposite = Place(-start.lat, start.long - 180 if start.long > 0 else start.long + 180)
    assert great_circle(start, opposite) == 20_015_114


@given(places, places)
def test_great_circle_is_the_same_both_ways(start: Place, end: Place) -> None:
    assert great_circle(start, end) == great_circle(end, start)


def test_the_callers_decimal_settings_change_nothing() -> None:
    start, end = place("30.123456", "120.654321"), place("30.2", "120.7")
    wanted = great_circle(start, end)
    great_circle.cache_clear()
    with localcontext() as narrow:
        narrow.prec = 3
        assert great_circle(start, end) == wanted
