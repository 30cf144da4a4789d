"""A platform that asks a moment too early: the person allowed, their app has no token there yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consent.demo.cast import CITY
from consent.messages import Grant
from tests.world import EAST, FEB, JAN, Person, World, terms
from vault.errors import NotMinted


class Early(World):
    """January is closed; Ann has allowed the city to have it, and not minted."""

    def __enter__(self) -> Early:
        super().__enter__()
        self.ann: Person = self.person("ann", EAST)
        self.ride(self.ann, EAST, 1_000)
        self.close_month(JAN)
        self.allowed: Grant = self.ann.holder.allow(terms(CITY, first=JAN, last=FEB), "en")
        return self


@pytest.fixture
def early() -> Iterator[Early]:
    with Early() as world:
        yield world


def test_a_token_that_comes_a_moment_later_is_waited_for(
    early: Early, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            early.ann.holder.mint(early.allowed)

    monkeypatch.setattr("consent.platform.time.sleep", sleep)
    total = early.platform(CITY).total(early.allowed.grant, (JAN,), patience=3)
    assert (total.grams > 0, slept) == (True, [1, 1])


@pytest.mark.parametrize("patience", [0, 2])
def test_patience_ends(early: Early, monkeypatch: pytest.MonkeyPatch, patience: int) -> None:
    slept: list[float] = []
    monkeypatch.setattr("consent.platform.time.sleep", slept.append)
    with pytest.raises(NotMinted):
        early.platform(CITY).total(early.allowed.grant, (JAN,), patience=patience)
    assert slept == [1] * patience
