"""A log turns by commands alone: operator, auditor, holder, source and platform go on.

The server is a process of its own, stopped and started where an operator would.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_commands import Town, run
from tests.world import FEB, JAN, MAR
from vault.wire import text_of


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    try:
        town.publish()
        yield town
    finally:
        town.stop()


def prepare(town: Town, name: str) -> str:
    """Make the next log's key and start the server that knows it; return its vkey."""
    vkey = town.text("vkey", "log", "next", town["vault"], name)
    town.stop()
    town.start()
    return vkey


def test_a_log_turns_and_everybody_goes_on(town: Town) -> None:
    town.join()
    town.ride(5_000)
    grant = town.allow()
    town.settle(JAN, FEB)
    first = town.do("platform", "total", town["platform"], grant, JAN, "--keep")
    receipt = town["receipt.json"]
    receipt.write_text(_receipt(town, grant), encoding="utf-8")
    vkey = prepare(town, "2027")
    turned = town.do("directory", "turn", town["auditor"], "--vkey", vkey)
    assert turned["index"] == turned["size"]
    assert turned["ended"] == town.vkey.partition("+")[0]

    # What was known before is known now, under its old number.
    assert town.do("platform", "total", town["platform"], grant, JAN)["index"] == first["index"]
    town.ride(5_000)
    town.settle(FEB, MAR)
    second = town.do("platform", "total", town["platform"], grant, FEB, "--keep")
    assert int(str(second["index"])) > int(str(turned["index"]))
    town.do("holder", "stop", town["me"], grant)
    assert town.do("holder", "activity", town["me"])["alarms"] == []
    releases = town.do("holder", "releases", town["me"])["releases"]
    assert isinstance(releases, list)
    assert len(releases) == 2

    # A receipt from before, and one from now; by who pins the first log, and who pins this one.
    later = town["later.json"]
    later.write_text(_receipt(town, grant), encoding="utf-8")
    for file, log in ((receipt, town.vkey), (later, town.vkey), (later, vkey)):
        town.do("verify-receipt", file, f"--key={town.auditor}", "--log", log, "--demo")
    assert "another log" in town.refused(
        "verify-receipt", receipt, f"--key={town.auditor}", "--log", vkey, "--demo"
    )
    # And somebody who comes now pins either.
    for name, log in (("new", town.vkey), ("newer", vkey)):
        pins = ["--url", town.url, f"--auditor={town.auditor}", "--log", log, "--demo"]
        town.do("holder", "init", town[name], *pins)


def _receipt(town: Town, grant: str) -> str:
    said = run("holder", "receipt", town["me"], grant)
    assert said.code == 0, said
    return said.out


def test_a_turn_whose_answer_was_lost_is_finished(town: Town) -> None:
    town.join()
    vkey = prepare(town, "2027")
    words = ["directory", "turn", town["auditor"], "--vkey", vkey]
    assert "cannot be reached" in town.refused(*words, "http://127.0.0.1:1")
    assert (town["auditor"] / "pending.jws").exists()
    assert "directory turn" in town.refused("directory", "publish", town["auditor"], town.url)
    assert town.do(*words)["version"] == 3
    assert "goes on already" in town.refused(*words)
    assert town.publish()["version"] == 4
    town.do("holder", "grants", town["me"])


def test_only_the_next_log_of_the_vault_goes_on(town: Town) -> None:
    register = (town["auditor"] / "parties.toml").read_bytes()
    first = prepare(town, "2027")
    second = prepare(town, "2028")
    for vkey in (second, town.vkey, first.replace("2027", "2029")):
        town.refused("directory", "turn", town["auditor"], "--vkey", vkey)
        assert (town["auditor"] / "parties.toml").read_bytes() == register
        assert not (town["auditor"] / "pending.jws").exists()
    # Not by the words that name the first log either: a turn would stay open.
    assert "directory turn" in town.refused("directory", "log", town["auditor"], "--vkey", first)
    town.do("directory", "turn", town["auditor"], "--vkey", first)
    turned = town.do("directory", "turn", town["auditor"], "--vkey", second)
    assert text_of(turned, "ended") == first.partition("+")[0]
    assert turned["size"] == 2  # the closing of one turn, and the next one
