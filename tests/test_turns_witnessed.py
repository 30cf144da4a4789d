"""A log that turns while witnesses cosign: each log has its own checkpoints, each its quorum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from consent.app import wall_clock
from consent.log.refresh import Refresh
from consent.messages import Grant
from tests.town import check_problem
from tests.turning_vault import Turning
from tests.witnesses import NAMES, Net, conflict
from tests.world import EAST, FEB, JAN
from vault.encoding import Json, text_hash
from vault.errors import BadDatabase, LogUnavailable

W1, W2, W3 = NAMES


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no round run that a test did not ask for."""
    monkeypatch.setattr(Refresh, "start", lambda self: None)


@pytest.fixture
def world() -> Iterator[Turning]:
    with Turning(quorum=2) as world:
        world.account("ann")
        world.rounds.refresh()
        yield world


def due(world: Turning) -> Grant:
    """Return a grant of which January and February can be asked for."""
    ann = world.person("dora", EAST)
    grant = world.allow(ann, "city.demo", first=JAN, last=FEB)
    for month in (JAN, FEB):
        world.ride(ann, EAST, 5_000)
        world.close_month(month)
        ann.holder.mint(grant)
    return grant


def turn(world: Turning) -> None:
    """Let the log turn, and every checkpoint be cosigned."""
    world.turn()
    world.close_log()
    world.rounds.refresh()


def cosigners(world: Turning, text: str, proof: Json) -> tuple[str, int]:
    """Return the origin of a proof, and how many witnesses stand behind it."""
    logged = world.proved(text, str(proof))
    return logged.origin, len({one.witness.name for one in logged.cosigned})


def test_last_checkpoint_of_a_log_that_ended_is_cosigned(world: Turning) -> None:
    world.turn()
    found = world.get("/v1/directory")
    assert cosigners(world, str(found["directory"]), found["proof"])[1] == 0
    world.rounds.refresh()
    found = world.get("/v1/directory")
    assert cosigners(world, str(found["directory"]), found["proof"])[1] >= 2
    world.close_log()
    shown = world.client.get("/log/checkpoint").text
    assert shown.split("\n")[1] == "3"
    assert sum(f"— {name} " in shown for name in NAMES) >= 2
    (earlier,) = cast("list[dict[str, Json]]", world.get("/v1/log")["earlier"])
    assert (earlier["size"], cast("dict[str, Json]", earlier["cosigned"])["size"]) == (3, 3)


def test_ended_log_is_brought_until_it_has_the_quorum_and_then_never_again(world: Turning) -> None:
    old, new = world.vkeys[0].name, world.vkeys[1].name
    world.net.down |= {W1, W2}
    turn(world)
    assert cast("list[dict[str, Json]]", world.get("/v1/log")["earlier"])[0]["cosigned"] is None
    world.net.down.clear()
    world.rounds.refresh()
    world.net.asked.clear()
    world.account("bob")
    world.rounds.refresh()
    world.rounds.begin()
    assert {origin for _, origin in world.net.asked} == {new}
    world.restart()
    assert {origin for _, origin in world.net.asked} == {new}
    assert world.net.of(W3, old).size == 3


def test_release_in_the_new_log_needs_cosignatures_of_the_new_origin(world: Turning) -> None:
    grant = due(world)
    turn(world)
    world.net.down |= {W1, W2}
    check_problem(world.ask(grant, JAN), LogUnavailable)
    world.net.down.clear()
    reply = world.ask(grant, JAN).json()
    origin, count = cosigners(world, reply["release"], reply["proof"])
    assert (origin, count >= 2) == (world.vkeys[1].name, True)


def test_release_of_the_ended_log_is_answered_in_its_last_tree(world: Turning) -> None:
    grant = due(world)
    first = world.ask(grant, JAN).json()
    world.net.down |= {W1, W2}
    turn(world)
    check_problem(world.ask(grant, JAN), LogUnavailable)  # its last tree has no quorum yet
    world.net.down.clear()
    again = world.ask(grant, JAN).json()
    assert again["release"] == first["release"]
    origin, count = cosigners(world, again["release"], again["proof"])
    assert (origin, count >= 2) == (world.vkeys[0].name, True)
    logged = world.proved(again["release"], again["proof"])
    assert world.ended is not None
    assert (logged.size, logged.root) == (world.ended.size, world.ended.root)


def test_cosignatures_of_an_ended_log_outlive_its_witnesses(world: Turning) -> None:
    """Who witnesses the next log may be others: the old note stays as its readers want it."""
    turn(world)
    before = world.client.get("/log/checkpoint").text
    world.place = replace(world.place, witnesses=Net(wall_clock, (W3,)).policy(1))
    world.restart()
    world.rounds.refresh()
    assert world.client.get("/log/checkpoint").text == before
    row = world.rows()[1]
    assert cosigners(world, row.text, world.log.prove(text_hash(row.text)))[1] >= 2
    assert world.rounds.standing().earlier[0].cosigned is not None


def test_new_log_is_fresh_by_itself(world: Turning) -> None:
    turn(world)
    found = world.get("/v1/log")
    assert cast("dict[str, Json]", found["cosigned"])["size"] == found["size"] == 1
    assert found["held"] is False


@pytest.mark.parametrize("number", [0, 1], ids=["ended", "running"])
def test_witness_that_knows_more_of_either_log_stops_the_vault(world: Turning, number: int) -> None:
    world.net.down |= set(NAMES)
    turn(world)
    world.net.down.clear()
    world.net.lies[W1] = lambda body: (
        conflict(10_000)
        if world.vkeys[number].name.encode() + b"\n" in body
        else world.net.of(W1, world.vkeys[1 - number].name).answer(body)
    )
    with pytest.raises(BadDatabase, match="knows 10000 entries"):
        world.restart()
    world.net.lies.clear()
    world.restart()  # the control: it is that answer which keeps it from starting
