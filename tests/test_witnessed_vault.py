"""A vault with witnesses, over HTTP: what is held without them, what is not, and what is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import httpx2
import pytest

from consent.app import make_app, open_database, wall_clock
from consent.commands import doctor
from consent.demo.cast import CITY, Edition, compose
from consent.known import FILE, Known
from consent.log.proof import verify_proof
from consent.log.refresh import Refresh
from consent.log.rounds import Rounds
from consent.log.sequencer import Sequencer
from consent.log.submission import Carrier
from consent.messages import Grant
from consent.place import WITNESSES, Place, Settings, make_place, open_place, write_witnesses
from tests.inside import Inside
from tests.strikes import environment
from tests.struck import ROOT
from tests.test_known import add, backup
from tests.town import check_problem
from tests.witnesses import NAMES, Net, conflict
from tests.world import EAST, JAN, URL, Person, Seeded, World
from vault import dpop, journal
from vault.crypto.keys import SigningKey
from vault.encoding import Json, compact_json, unb64u
from vault.errors import (
    BadDatabase,
    BadPlace,
    BadShape,
    LogUnavailable,
    NotWitnessed,
    Revoked,
    Unreachable,
)
from vault.messages import LogEntry

W1, W2, W3 = NAMES
ASK = "/v1/releases"


class Witnessed(World):
    """A world whose vault asks three witnesses; `listed` of them are the directory's quorum."""

    def __init__(self, quorum: int = 2, listed: int = 2) -> None:
        super().__init__(seed=b"witnessed")
        self.net, self.listed = Net(wall_clock), listed
        place = replace(self.place, witnesses=self.net.policy(quorum))
        random = Seeded(b"witnessed vault")
        self.app = make_app(
            place, self.database, lambda: self.time, wall_clock, random=random, send=self.net
        )
        self._http = self.client = Inside(self.app, base_url=URL)
        self.rounds: Rounds = self.app.state.rounds
        self.log: Sequencer = self.app.state.log

    def edition(self) -> Edition:
        edition = super().edition()
        vkeys = tuple(str(each.vkey) for each in self.net.witnesses.values())
        entry = LogEntry(
            origin=edition.log.origin, vkey=edition.log.vkey, witnesses=vkeys, quorum=self.listed
        )
        return replace(edition, log=entry)

    def publish(self) -> str:
        text = super().publish()
        self.rounds.refresh()
        return text

    def knock(self, method: str, path: str, body: bytes, key: SigningKey) -> httpx2.Response:
        """Return the bare answer to a signed request."""
        proof = dpop.prove(
            key, dpop.Request(method, URL + path, body), wall_clock(), self.random(16)
        )
        return self.client.request(method, path, content=body, headers={"DPoP": proof})

    def ask(self, grant: Grant) -> httpx2.Response:
        found: dict[str, Json] = {
            "grant": grant.grant.hex(),
            "window": [JAN],
            "purpose": grant.purposes[0],
        }
        return self.knock("POST", ASK, compact_json(found), self.cast.actors[CITY].key)

    def cosigned(self, text: str, proof: str) -> int:
        """Return how many witnesses stand behind the proof of a text."""
        keys = [each.vkey for each in self.net.witnesses.values()]
        return len(verify_proof(proof, text, self.log.vkey, keys).cosigned)

    def standing(self) -> dict[str, Json]:
        reply = self.client.get("/v1/log")
        assert reply.status_code == 200
        return cast("dict[str, Json]", reply.json())


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no round run that a test did not ask for."""
    monkeypatch.setattr(Refresh, "start", lambda self: None)


@pytest.fixture
def world() -> Iterator[Witnessed]:
    with Witnessed() as world:
        yield world


def due(world: Witnessed) -> tuple[Person, Grant]:
    """Return somebody whose total of January can be asked for."""
    ann = world.person("ann", EAST)
    world.ride(ann, EAST, 5_000)
    grant = world.allow(ann, CITY, first=JAN, last=JAN)
    world.close_month(JAN)
    ann.holder.mint(grant)
    return ann, grant


# Releases


def test_release_is_answered_with_the_quorum(world: Witnessed) -> None:
    _, grant = due(world)
    reply = world.ask(grant).json()
    assert world.cosigned(reply["release"], reply["proof"]) >= 2
    assert world.platform(CITY).total(grant.grant, (JAN,)).grams == 243


def test_release_is_held_while_witnesses_are_away_and_is_the_same_after(world: Witnessed) -> None:
    _, grant = due(world)
    world.net.down |= {W1, W2}
    held = world.ask(grant)
    check_problem(held, LogUnavailable)
    assert held.headers["retry-after"] == "10"
    assert "the newest cosigned checkpoint has" in held.json()["detail"]
    assert "release" not in held.text
    logged = texts(world, "cv1-release")
    assert len(logged) == 1  # it stands in the log, and stays here
    check_problem(world.ask(grant), LogUnavailable)
    with pytest.raises(LogUnavailable):
        world.platform(CITY).total(grant.grant, (JAN,))
    world.net.down.clear()
    reply = world.ask(grant).json()
    assert [reply["release"]] == logged == texts(world, "cv1-release")
    assert world.cosigned(reply["release"], reply["proof"]) >= 2


def stop_while_it_waits(world: Witnessed, ann: Person, grant: Grant) -> None:
    """Let the person stop after a release was decided, while the witnesses are waited for."""
    cover = world.rounds.cover

    def meanwhile(name: bytes) -> None:
        world.rounds.cover = cover  # type: ignore[method-assign]
        ann.holder.stop(grant)
        cover(name)

    world.rounds.cover = meanwhile  # type: ignore[method-assign]


def test_nothing_leaves_when_the_person_stopped_while_witnesses_were_waited_for(
    world: Witnessed,
) -> None:
    ann, grant = due(world)
    stop_while_it_waits(world, ann, grant)
    reply = world.ask(grant)
    check_problem(reply, Revoked)
    assert "sealed" not in reply.text
    assert len(texts(world, "cv1-release")) == len(texts(world, "cv1-refusal")) == 1


def test_without_the_second_look_it_leaves_after_the_stop(
    world: Witnessed, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, grant = due(world)
    monkeypatch.setattr(Rounds, "has_witnesses", False)
    stop_while_it_waits(world, ann, grant)
    assert "sealed" in world.ask(grant).json()


def texts(world: World, typ: str) -> list[str]:
    """Return every logged text of a type."""
    rows = world.database.read(lambda tx: journal.entries_from(tx, 0, 1000))
    ending = f'"typ":"{typ}"}}'.encode()
    return [row.text for row in rows if unb64u(row.text.partition(".")[0]).endswith(ending)]


def test_stop_is_answered_while_witnesses_are_away_and_ends_what_is_held(world: Witnessed) -> None:
    ann, grant = due(world)
    world.net.down |= set(NAMES)
    check_problem(world.ask(grant), LogUnavailable)
    asked = len(world.net.sent)
    ann.holder.stop(grant)
    other = world.person("bob")  # and everything else goes on
    other.holder.add_code()
    check_problem(world.ask(grant), Revoked)
    assert len(world.net.sent) == asked  # a refusal waits for nobody
    world.net.down.clear()
    check_problem(world.ask(grant), Revoked)
    world.rounds.refresh()
    check_problem(world.ask(grant), Revoked)


def test_without_cover_a_release_leaves_unwitnessed(
    world: Witnessed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it is that call which holds a release."""
    _, grant = due(world)
    world.net.down |= set(NAMES)
    monkeypatch.setattr(Rounds, "cover", lambda self, name: None)
    reply = world.ask(grant).json()
    assert world.cosigned(reply["release"], reply["proof"]) == 0
    with pytest.raises(NotWitnessed):
        world.platform(CITY).total(grant.grant, (JAN,))


@pytest.mark.parametrize(("quorum", "listed"), [(0, 2), (2, 0)], ids=["directory", "file"])
def test_either_quorum_holds_a_release(quorum: int, listed: int) -> None:
    with Witnessed(quorum, listed) as world:
        _, grant = due(world)
        world.net.down |= set(NAMES)
        check_problem(world.ask(grant), LogUnavailable)
        world.net.down = {W3}
        reply = world.ask(grant).json()
        assert world.cosigned(reply["release"], reply["proof"]) == 2


def test_nobody_asks_and_nothing_is_held() -> None:
    with Witnessed(0, 0) as world:
        _, grant = due(world)
        world.net.down |= set(NAMES)
        assert world.ask(grant).status_code == 200
        assert world.standing()["held"] is False


def test_witness_that_knows_more_stops_everything_that_logs(world: Witnessed) -> None:
    ann, grant = due(world)
    world.net.lies[W1] = lambda _: conflict(10_000)
    world.net.down |= {W2, W3}
    check_problem(world.ask(grant), LogUnavailable)
    world.net.lies.clear()
    world.net.down.clear()
    reply = world.ask(grant)
    check_problem(reply, LogUnavailable)
    assert "w1.example knows 10000 entries" in reply.json()["detail"]
    with pytest.raises(LogUnavailable):
        ann.holder.stop(grant)
    ready = world.client.get("/readyz")
    assert (ready.status_code, ready.json()["log"]) == (503, LogUnavailable.slug)
    assert world.client.get("/log/checkpoint").status_code == 200


def test_stop_on_a_vault_that_a_witness_stopped_counts_though_it_is_not_proved(
    world: Witnessed,
) -> None:
    ann, grant = due(world)
    world.log.stop("a witness knows more")
    with pytest.raises(LogUnavailable):
        ann.holder.stop(grant)
    assert "sealed" not in world.ask(grant).text
    world.log.stopped = ""  # as a fresh start finds it
    check_problem(world.ask(grant), Revoked)
    assert len(texts(world, "cv1-revoke")) == 1  # taken then, and logged now


# What is told


def test_checkpoint_route_shows_the_newest_cosigned_one(world: Witnessed) -> None:
    world.rounds.refresh()
    before = world.client.get("/log/checkpoint").text
    assert sum(f"— {name} " in before for name in NAMES) >= 2
    world.net.down |= set(NAMES)
    world.person("ann")
    assert world.client.get("/log/checkpoint").text == before
    size = cast("int", world.standing()["size"])
    assert size > int(before.split("\n")[1])
    assert world.client.get(f"/log/tile/0/000.p/{size}").status_code == 200


def test_standing_is_public_and_says_who_saw_what(world: Witnessed) -> None:
    world.person("ann")
    world.net.down.add(W3)
    world.rounds.refresh()
    found = world.standing()
    cosigned = found["cosigned"]
    assert isinstance(cosigned, dict)
    assert found["origin"] == world.log.vkey.name
    assert cosigned["size"] == found["size"] == world.log.size()
    assert abs(cast("int", cosigned["at"]) - wall_clock()) < 60
    assert found["quorum"] == {"policy": "some", "directory": 2}
    assert found["held"] is False
    listed = {
        cast("dict[str, Json]", each)["name"]: each
        for each in cast("list[Json]", found["witnesses"])
    }
    assert list(listed) == list(NAMES)
    assert {name: cast("dict[str, Json]", each)["state"] for name, each in listed.items()} == {
        W1: "ok",
        W2: "ok",
        W3: "missing",
    }
    reply = world.client.get("/v1/log", headers={"Origin": "https://page.example"})
    assert reply.headers["access-control-allow-origin"] == "*"
    world.net.down |= {W2}
    world.person("bob")
    world.rounds.refresh()
    assert world.standing()["held"] is True


def test_vault_without_witnesses_says_so() -> None:
    with World(seed=b"alone") as world:
        found = world.client.get("/v1/log").json()
        assert (found["cosigned"], found["witnesses"], found["held"]) == (None, [], False)
        assert found["quorum"] == {"policy": "none", "directory": 0}
        assert world.client.get("/readyz").json()["witnesses"] == "none"
        assert "carbonvault_cosigned_age" not in world.client.get("/metrics").text


def test_readyz_stays_200_while_releases_are_held(world: Witnessed) -> None:
    world.rounds.refresh()
    assert world.client.get("/readyz").json()["witnesses"] == "ok"
    world.net.down |= set(NAMES)
    world.person("ann")
    world.rounds.refresh()
    ready = world.client.get("/readyz")
    assert (ready.status_code, ready.json()["witnesses"]) == (200, "held")


def test_metrics_have_the_ages_by_name_of_witness(world: Witnessed) -> None:
    world.rounds.refresh()
    lines = world.client.get("/metrics").text.splitlines()
    ages = {
        line.split(" ")[0]: float(line.split(" ")[1])
        for line in lines
        if "age_seconds" in line and line[0] != "#"
    }
    assert 'carbonvault_witness_age_seconds{witness="w1.example"}' in ages
    assert ages.pop("carbonvault_cosigned_age_seconds") < 60
    assert all(age < 60 for age in ages.values())


# The directory


@pytest.mark.parametrize(
    ("names", "quorum", "said"),
    [
        ((*NAMES, "w9.example"), 2, "does not ask: w9.example"),
        (NAMES, 4, "wants 4 witnesses and names 3"),
        ((), 1, "wants 1 witnesses and names 0"),
        ((W1, W1), 2, "wants 2 witnesses and names 1"),
    ],
)
def test_directory_that_this_vault_cannot_keep_is_refused(
    world: Witnessed, names: tuple[str, ...], quorum: int, said: str
) -> None:
    everybody = Net(wall_clock, (*NAMES, "w9.example")).witnesses
    vkeys = tuple(str(everybody[name].vkey) for name in names)
    edition = world.edition()
    entry = edition.log.model_copy(update={"witnesses": vkeys, "quorum": quorum})
    text = compose(world.cast, replace(edition, log=entry)).signed(world.cast.auditor)
    reply = world.knock("POST", "/v1/directory", text.encode(), world.cast.auditor)
    check_problem(reply, BadShape)
    assert said in reply.json()["detail"]
    world.publish()


# The folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    settings = Settings("vault.example", "https://vault.example", SigningKey(bytes(32)).public)
    make_place(tmp_path / "vault", settings, os.urandom)
    return open_place(tmp_path / "vault")


def start(place: Place, net: Net) -> None:
    """Start over the folder, log one more text, show it to the witnesses, stop."""
    database = open_database(place)
    try:
        known = Known(place.database.with_name(FILE))
        app = make_app(place, database, lambda: 1_767_225_600, known=known, send=net)
        log: Sequencer = app.state.log
        rounds: Rounds = app.state.rounds
        add(place, database, log, f"text {log.size()}")
        rounds.begin()
        rounds.close()
    finally:
        database.close()


def test_restored_old_database_does_not_start_while_a_witness_is_up(place: Place) -> None:
    net = Net(wall_clock)
    witnessed = replace(place, witnesses=net.policy(2))
    start(witnessed, net)
    old = backup(place)
    start(witnessed, net)
    shutil.copy(old, place.database)
    place.database.with_name(FILE).unlink()
    before = place.database.read_bytes()
    net.down |= {W1, W2}
    with pytest.raises(BadDatabase, match=r"w3\.example knows 2 entries.* database has 1"):
        start(witnessed, net)
    assert place.database.read_bytes() == before
    start(place, net)  # the control: neither a witness nor a file knows better


def test_policy_file_is_read_and_each_witness_has_a_url(place: Place) -> None:
    folder, net = place.database.parent, Net(wall_clock)
    assert open_place(folder).witnesses.witnesses == {}
    write_witnesses(folder, net.text(2))
    found = open_place(folder).witnesses
    assert [member.url for member in found.witnesses.values()] == [f"https://{n}" for n in NAMES]
    good = (folder / WITNESSES).read_text(encoding="utf-8")
    for bad in (
        good.replace(f" https://{W2}", ""),
        good.replace("https://w1", "ftp://w1"),
        "x\n",
        "",
    ):
        with pytest.raises(BadPlace, match=WITNESSES):
            write_witnesses(folder, bad)
        (folder / WITNESSES).write_text(bad, encoding="utf-8")
        with pytest.raises(BadPlace, match=WITNESSES):
            open_place(folder)
        write_witnesses(folder, good)


def cli(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "consent.cli", *map(str, words)],
        cwd=ROOT,
        env={**environment(None), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_command_writes_and_shows_the_policy(place: Place) -> None:
    folder, net = place.database.parent, Net(wall_clock)
    words = [f"--witness={each.vkey} https://{each.name}" for each in net.witnesses.values()]
    done = cli("log", "witnesses", folder, *words, "--quorum", 2, "--json")
    assert done.returncode == 0, done.stderr
    policy = open_place(folder).witnesses
    keys = [each.vkey for each in net.witnesses.values()]
    assert policy.keys == keys
    assert [policy.enough(keys[:n]) for n in range(4)] == [False, False, True, True]
    assert cli("log", "witnesses", folder, "--json").stdout == done.stdout
    assert cli("log", "witnesses", folder, *words, "--quorum", 4).returncode == 1
    assert cli("log", "witnesses", folder, "--witness", "x").returncode == 1
    assert open_place(folder).witnesses == policy
    assert cli("log", "witnesses", folder, *words).returncode == 0
    assert open_place(folder).witnesses.enough([])


def test_doctor_asks_the_witnesses(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    net, folder = Net(wall_clock), place.database.parent

    def found() -> doctor.Check:
        (check,) = [check for check in doctor.examine(folder) if check.name == "witnesses"]
        return check

    monkeypatch.setattr(Carrier, "__call__", lambda self, url, body: net(url, body))
    assert found().good is None
    write_witnesses(folder, net.text(2))
    assert (found().good, "nothing was cosigned" in found().found) == (False, True)
    start(open_place(folder), net)
    assert (found().good, "1 entries were cosigned" in found().found) == (True, True)
    net.down |= {W1, W2}
    assert (found().good, "w1.example missing" in found().found) == (False, True)
    net.lies[W3] = lambda _: conflict(9)
    assert (found().good, "knows 9 entries" in found().found) == (False, True)


def test_server_asks_its_witnesses_over_http_at_the_start(place: Place) -> None:
    """Nobody listens: the server starts, and says that they are missing."""
    net = Net(wall_clock)
    write_witnesses(place.database.parent, net.text(2).replace("https://", "http://127.0.0.1:1/"))
    database = open_database(open_place(place.database.parent))
    app = make_app(open_place(place.database.parent), database, wall_clock)
    with Inside(app, base_url=URL) as client:
        states = {each["state"] for each in client.get("/v1/log").json()["witnesses"]}
    assert states == {"missing"}
    with pytest.raises(Unreachable):
        Carrier()("http://127.0.0.1:1/x/add-checkpoint", b"")
