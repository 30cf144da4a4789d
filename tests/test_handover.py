"""The auditor's key changes hands, or is lost: docs/auditing.md, played by commands alone."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.test_commands import CITY, Town, run
from tests.world import FEB, JAN, MAR
from vault.wire import objects_of

SECOND = "second.example"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    try:
        town.publish()
        yield town
    finally:
        town.stop()


def second_auditor(town: Town) -> str:
    """Make the folder of another organisation that audits; return its public key."""
    return town.text(
        "auditor", "directory", "init", town["second"], "--id", SECOND, "--url", town.url, "--demo"
    )


def hand_over(town: Town) -> Path:
    """What the first auditor gives away: its folder, without the key that signs."""
    shutil.copytree(town["auditor"], town["handed"])
    (town["handed"] / "auditor.key").unlink()
    return town["handed"]


def version_served(town: Town) -> str:
    return str(httpx2.get(f"{town.url}/v1/directory", trust_env=False).json()["directory"])


def test_a_second_auditor_takes_over_and_everybody_goes_on(town: Town) -> None:
    town.join()
    grant = town.allow()
    town.ride(5_000)
    taker = second_auditor(town)
    town.do("directory", "next", town["auditor"], f"--key={taker}")
    town.publish()
    run("holder", "grants", town["me"])  # both learn who signs next
    run("platform", "total", town["platform"], grant, JAN)
    taken = town.do("directory", "take", town["second"], hand_over(town))
    assert taken["parties"] == 5  # vault, source, platform, and both auditors
    town["auditor"].rename(town["first"])
    town["second"].rename(town["auditor"])
    town.settle(JAN, FEB)  # the second one's first directory
    assert town.total(grant, JAN) == 243
    town.do("holder", "stop", town["me"], grant)
    # The first auditor has signed its last: the vault takes nothing more under its key.
    said = town.refused("directory", "publish", town["first"], town.url)
    assert "not known here" in said or "does not follow" in said or "stand" in said
    # The second one judges the whole log, from the first entry that the first one signed.
    assert town.audit("--auditor", town.auditor).code == 0
    register = tomllib.loads((town["auditor"] / "parties.toml").read_text("utf-8"))
    last = {one["id"]: max(key["until"] for key in one["sig"]) for one in register["parties"]}
    assert last["audit.example"] <= town.time < last[SECOND]


def test_who_was_not_named_takes_nothing_over(town: Town) -> None:
    second_auditor(town)
    said = town.refused("directory", "take", town["second"], hand_over(town))
    assert "does not name" in said
    # Not even by signing with a key of its own: the vault goes by what the last directory names.
    before = version_served(town)
    for name in ("parties.toml", "directory.jws"):
        shutil.copy(town["auditor"] / name, town["second"] / name)
    said = town.refused("directory", "publish", town["second"], town.url)
    assert "not signed by this vault's auditor" in said
    assert version_served(town) == before


def test_a_lost_key_is_replaced_by_the_spare_that_was_named_before(town: Town) -> None:
    town.join()
    town.do("directory", "next", town["auditor"])
    town.publish()
    town.do("holder", "links", town["me"])
    (town["auditor"] / "auditor.key").unlink()
    town.publish("--with-next")
    town.move(FEB)
    town.do("holder", "links", town["me"])
    assert town.publish()["version"] == 4
    assert town.audit("--auditor", town.auditor).code == 0


def test_a_lost_key_without_a_spare_ends_the_vault_for_clients_and_not_the_stop(
    town: Town,
) -> None:
    account = town.join()["account"]
    grant = town.allow()
    (known,) = objects_of(town.do("holder", "links", town["me"]), "links")
    link = known["link"]
    (town["auditor"] / "auditor.key").unlink()
    assert "cannot read the key file" in town.refused(
        "directory", "publish", town["auditor"], town.url
    )
    other = second_auditor(town)
    assert other != town.auditor
    shutil.copy(town["second"] / "auditor.key", town["auditor"] / "auditor.key")
    assert "not signed by this vault's auditor" in town.refused(
        "directory", "publish", town["auditor"], town.url
    )
    town.move(MAR, day=20)  # more than 45 days later
    said = town.refused("platform", "total", town["platform"], grant, JAN)
    assert "expired" in said
    # Nothing is given any more, neither by the holder; what they gave they stop and end as ever.
    words = [CITY, "CITY-REWARD", "--first", FEB, "--last", MAR, "--categories", 4, "--yes"]
    assert "expired" in town.refused("holder", "allow", town["me"], *words)
    assert "expired" in town.refused("holder", "mint", town["me"])
    town.do("holder", "pause", town["me"], grant)
    assert "expired" in town.refused("holder", "resume", town["me"], grant)
    town.do("holder", "stop", town["me"], grant)
    (given,) = objects_of(town.do("holder", "grants", town["me"]), "grants")
    assert given["state"] == "revoked"
    town.do("holder", "unlink", town["me"], link)
    town.do("holder", "erase", town["me"], typed=f"{account}\n")
