"""The command line alone: every actor with their folder, a served vault, a clock moved by hand."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from copy import copy
from pathlib import Path
from typing import NamedTuple, Self, cast
from unittest.mock import patch

import httpx2
import pytest
from typer.main import get_command

from consent.cli import app
from consent.commands import doctor
from consent.commands.records import cell
from consent.folder import read_held
from consent.judging import check_extends
from consent.log.checkpoint import Checkpoint
from consent.log.merkle import leaf_hash, root
from tests.forge import Process, forge
from tests.world import APR, FEB, JAN, MAR
from vault.encoding import Json
from vault.months import DEFAULT_ZONE, Month, month_begins
from vault.wire import objects_of, text_of

ROOT = Path(__file__).resolve().parent.parent
COMMAND = get_command(app)  # made once: most of a command's time goes into it
CLI = [sys.executable, "-m", "consent.cli"]
START_SECONDS = 30
VAULT, AUDITOR, BIKE, CITY = "vault.example", "audit.example", "bike.example", "city.example"
BOOKED = {"customer": "7", "behaviour": "travel.bike", "region": "CN-ZJ-HZ", "guessable": True}


class Said(NamedTuple):
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


def run(*words: object, typed: str | bytes = "") -> Said:
    out, err = io.StringIO(), io.StringIO()
    raw = typed if isinstance(typed, bytes) else typed.encode()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), "utf-8")),
        patch.dict(os.environ, {"LC_ALL": "C.UTF-8"}),
        pytest.raises(SystemExit) as ended,
    ):
        COMMAND([*map(str, words)])
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


class Town:
    """One folder for each actor, and a server whose clock stands in a file."""

    def __init__(self, folder: Path, org: str = VAULT) -> None:
        self.folder, self.time, self.receipts = folder, 0, 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.move(JAN, day=1)
        self.auditor = self.text(
            "auditor", "directory", "init", self["auditor"], "--id", AUDITOR, "--url", self.url,
            "--demo",
        )  # fmt: skip
        made = self.do(
            "init", self["vault"], "--vault", VAULT, "--url", self.url, f"--auditor={self.auditor}"
        )
        self.vkey = text_of(made, "log_vkey")
        self.server: Process | None = None
        self.start()
        self.do(
            "directory", "add", self["auditor"], "--id", VAULT, "--role", "vault",
            "--org", org, f"--sig={made['sig']}",
        )  # fmt: skip
        self.do("directory", "log", self["auditor"], "--vkey", self.vkey)
        self.do("directory", "release", self["auditor"], "demo-1", JAN)
        self.do("directory", "knet", self["auditor"], 2026)
        self.pins = ["--url", self.url, f"--auditor={self.auditor}", "--log", self.vkey, "--demo"]
        for name, kind, roles in (
            (BIKE, "source", ["source"]),
            (CITY, "platform", ["platform", "city"]),
        ):
            keys = self.do(kind, "init", self[kind], "--id", name, *self.pins)
            self.do(
                "directory", "add", self["auditor"], "--id", name,
                *(word for role in roles for word in ("--role", role)),
                f"--sig={keys['sig']}", f"--hpke={keys['hpke']}",
            )  # fmt: skip

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def moved(self, folder: Path) -> Self:
        """The same town in another folder, at the same address; its server is not started."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        found = copy(self)
        found.folder = folder
        return found

    def move(self, month: Month, day: int = 2, hour: int = 9) -> None:
        self.time = month_begins(month, DEFAULT_ZONE) + (day - 1) * 86400 + hour * 3600
        (self.folder / "clock.new").write_text(str(self.time), encoding="ascii")
        (self.folder / "clock.new").replace(self["clock"])

    def start(self) -> None:
        words = ["serve", str(self["vault"]), "--clock", str(self["clock"])]
        self.server = forge(["-m", "consent.cli", *words])
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.server.poll() is None:
            try:
                httpx2.get(f"{self.url}/v1/time", trust_env=False)
            except httpx2.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(timeout=20)
            self.server = None

    def do(self, *words: object, typed: str = "") -> dict[str, Json]:
        """The JSON that a command writes, which must succeed."""
        said = run(*words, "--json", typed=typed)
        assert said.code == 0, said
        return cast("dict[str, Json]", json.loads(said.out))

    def text(self, member: str, *words: object) -> str:
        return text_of(self.do(*words), member)

    def refused(self, *words: object, typed: str = "") -> str:
        """What a command says that must be refused."""
        said = run(*words, typed=typed)
        assert said.code == 1, said
        return said.err

    def publish(self, *words: object) -> dict[str, Json]:
        return self.do("directory", "publish", self["auditor"], self.url, *words)

    def join(self) -> dict[str, Json]:
        """Open the holder's vault, and link it to the source; return account and recovery code."""
        made = self.do("holder", "init", self["me"], *self.pins)
        self.link()
        return made

    def link(self) -> None:
        nonce = self.text("nonce", "source", "offer", self["source"], "7")
        start = self.do("holder", "link", self["me"], BIKE, nonce)
        accept = ["source", "accept", self["source"], "7", nonce]
        answer = self.do(*accept, typed=f"{start['code']}\n")
        assert answer["digits"] == start["digits"]
        self.do("holder", "attach", self["me"], typed=f"{answer['answer']}\n")
        assert self.do("source", "check", self["source"]) == {"attached": 1}

    def ride(self, *metres: int) -> dict[str, Json]:
        lines = []
        for m in metres:
            self.receipts += 1
            ride = {"activity": {"m": m, "s": max(60, m // 5)}, "receipt": f"R-{self.receipts}"}
            times = {"start": self.time, "end": self.time + 60}
            lines.append(json.dumps({**BOOKED, **ride, **times}))
        self["acts.jsonl"].write_text("\n".join(lines), encoding="utf-8")
        return self.do(*self.book_lines(self["acts.jsonl"]))

    def book_lines(self, path: Path) -> list[object]:
        return ["source", "book", self["source"], path, "--format", "jsonl"]

    def allow(self) -> str:
        words = [CITY, "CITY-REWARD", "--first", JAN, "--last", MAR, "--categories", 4]
        grant = self.text("grant", "holder", "allow", self["me"], *words, "--yes")
        self.do("holder", "mint", self["me"])
        return grant

    def total(self, grant: str, month: Month) -> Json:
        return self.do("platform", "total", self["platform"], grant, month)["grams"]

    def settle(self, month: Month, following: Month) -> None:
        """Send what was booked in a month, and close it at the beginning of the next."""
        self.do("source", "send", self["source"])
        self.move(following)
        self.publish()
        assert self.do("source", "close", self["source"], month)["closes"] == 1

    def audit(self, *words: object) -> Said:
        key = self["auditor"] / "auditor.key"
        return run("audit", "run", self.url, "--key", key, "--log", self.vkey, "--json", *words)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A town that everybody has come to, its server stopped: each test goes on from a copy."""
    town = Town(tmp_path_factory.mktemp("founded"))
    try:
        town.publish()
    finally:
        town.stop()
    return town


@pytest.fixture
def town(founded: Town, tmp_path: Path) -> Iterator[Town]:
    town = founded.moved(tmp_path)
    try:
        town.start()
        yield town
    finally:
        town.stop()


def test_a_whole_story_is_played_by_commands_alone(town: Town) -> None:
    me = town.join()["account"]
    assert town.ride(5_000, 3_000)["acts"] == {"credited": 2}
    assert town.ride(1_000)["acts"] == {"credited": 1}
    grant = town.allow()
    town.settle(JAN, FEB)
    grams = town.total(grant, JAN)
    closes = objects_of(town.do("holder", "closes", town["me"]), "closes")
    assert closes[0]["grams"] == [0, 0, 0, grams, 0, 0, 0]
    records = objects_of(town.do("holder", "records", town["me"]), "records")
    assert sorted(str(record["mg"]) for record in records) == ["146100", "243500", "48700"]
    (left,) = objects_of(town.do("holder", "releases", town["me"]), "releases")
    assert (left["grams"], left["platform"], left["window"]) == (grams, CITY, JAN)

    town.do("holder", "pause", town["me"], grant)
    assert "paused" in town.refused("platform", "total", town["platform"], grant, JAN)
    town.do("holder", "resume", town["me"], grant)
    assert town.total(grant, JAN) == grams
    state = town["mirror"]
    first = town.audit("--state", state)
    assert (first.code, json.loads(first.out)["findings"]) == (0, [])
    assert state.stat().st_mode & 0o077 == 0
    town.do("holder", "stop", town["me"], grant)
    assert "stopped sharing" in town.refused("platform", "total", town["platform"], grant, JAN)

    assert "nothing was deleted" in town.refused("holder", "erase", town["me"], typed="yes")
    town.do("holder", "erase", town["me"], typed=f"{me}\n")
    again = town.audit("--state", state)
    found = json.loads(again.out)
    assert (again.code, found["findings"]) == (0, [])
    assert found["size"] > json.loads(first.out)["size"]
    # What was logged after the first audit, and is erased now, this auditor never saw.
    assert 0 < len(found["unseen"]) < len(json.loads(town.audit().out)["unseen"])
    assert "unseen: " in run(*_audit_words(town)).out


def _audit_words(town: Town) -> list[object]:
    return ["audit", "run", town.url, "--key", town["auditor"] / "auditor.key", "--log", town.vkey]


def test_a_source_changes_its_keys_and_loses_no_month(town: Town) -> None:
    town.join()
    grant = town.allow()
    town.ride(5_000)
    town.settle(JAN, FEB)
    old = town.do("source", "keys", town["source"])
    new = town.do("source", "keys", town["source"], "--new")
    assert new["sig"] != old["sig"]
    town.ride(5_000)  # under the old key: the new one is not listed yet
    town.do("source", "send", town["source"])
    keys = [f"--sig={new['sig']}", f"--hpke={new['hpke']}"]
    town.do("directory", "rotate", town["auditor"], BIKE, *keys, "--overlap", 30)
    assert "twice" in town.refused("directory", "rotate", town["auditor"], BIKE, *keys)
    town.publish()
    town.ride(5_000)
    town.settle(FEB, MAR)
    town.ride(5_000)
    town.settle(MAR, APR)  # the old key ended on 4 March
    assert [town.total(grant, month) for month in (JAN, FEB, MAR)] == [243, 487, 244]
    assert town.audit().code == 0
    town.do("directory", "end", town["auditor"], BIKE)
    town.publish()
    assert "lists no key" in town.refused("source", "send", town["source"])


@pytest.mark.parametrize("how", ["end", "rotate"])
def test_what_a_source_sends_before_its_keys_end_in_a_directory_stays_its_own(
    town: Town, how: str
) -> None:
    town.join()
    town.move(JAN, day=10)
    new = town.do("source", "keys", town["source"], "--new")
    pair = [f"--sig={new['sig']}", f"--hpke={new['hpke']}", "--overlap", 0]
    words = ["directory", how, town["auditor"], BIKE, *(pair if how == "rotate" else [])]
    town.do(*words)
    town.move(JAN, day=11)
    town.ride(5_000)
    town.do("source", "send", town["source"])  # the vault has heard of no end yet
    town.move(JAN, day=12)
    for _ in range(2):  # an end stays where it is
        town.publish()
        town.move(JAN, day=13)
        (row,) = objects_of(town.do("holder", "records", town["me"]), "records")
        assert row["source"] == BIKE
    held = read_held(town["auditor"] / "directory.jws")
    assert held
    party, ended = held.party(BIKE), month_begins(JAN, DEFAULT_ZONE) + 11 * 86400 + 9 * 3600
    assert party.sig[0].until == party.hpke[0].until == ended


def test_the_auditor_goes_over_to_its_next_key(town: Town) -> None:
    town.join()
    assert "does not name" in town.refused(
        "directory", "publish", town["auditor"], town.url, "--with-next"
    )
    following = town.text("next", "directory", "next", town["auditor"])
    town.publish()
    run("holder", "grants", town["me"])  # this client learns the next key from the last directory
    version = town.publish("--with-next")["version"]
    assert town.text("auditor", "directory", "key", town["auditor"]) == following
    assert town.publish()["version"] == cast("int", version) + 1
    town.do("holder", "grants", town["me"])
    assert town.audit("--auditor", town.auditor).code == 0
    assert town.audit().code == 1  # the first directory is signed by another key
    shown = town.do("directory", "show", town["auditor"])
    assert cast("dict[str, Json]", shown["last"])["version"] == cast("int", version) + 1


def test_a_directory_whose_answer_was_lost_is_posted_again_as_it_is(town: Town) -> None:
    words = ["directory", "publish", town["auditor"]]
    assert "cannot be reached" in town.refused(*words, "http://127.0.0.1:1")
    pending = (town["auditor"] / "pending.jws").read_text(encoding="ascii").split("\n")[0]
    assert town.publish()["version"] == 3
    served = httpx2.get(f"{town.url}/v1/directory", trust_env=False).json()["directory"]
    assert served != pending
    assert not (town["auditor"] / "pending.jws").exists()
    assert town.audit().code == 0


def test_an_organisation_never_changes(town: Town) -> None:
    keys = town.do("source", "keys", town["source"], "--new")
    add = ["directory", "add", town["auditor"], "--id", BIKE, "--role", "source"]
    add += [f"--sig={keys['sig']}", f"--hpke={keys['hpke']}"]
    assert "never changes" in town.refused(*add, "--org", "other.example")
    assert "rotate gives it new keys" in town.refused(*add)
    assert "organisation is listed as a source" in town.refused(
        *["directory", "add", town["auditor"], "--id", "own.example", "--org", VAULT],
        *["--role", "source", f"--sig={keys['sig']}", f"--hpke={keys['hpke']}"],
    )
    register = town["auditor"] / "parties.toml"
    text = register.read_text(encoding="utf-8")
    register.write_text(text.replace(f'org = "{BIKE}"', 'org = "other.example"'), encoding="utf-8")
    assert "changed its organisation" in town.refused("directory", "publish", town["auditor"])


def test_a_platform_is_listed_with_its_redirects_and_whom_to_ask(town: Town) -> None:
    def listed() -> dict[str, Json]:
        town.publish()
        shown = town.do("directory", "show", town["auditor"])
        parties = objects_of(cast("dict[str, Json]", shown["register"]), "parties")
        (found,) = [party for party in parties if party["id"] == name]
        return found

    name, back = "bank.example", "https://bank.example/back"
    keys = town.do("platform", "init", town["bank"], "--id", name, *town.pins)
    town.do(
        "directory", "add", town["auditor"], "--id", name, "--role", "platform", "--role", "bank",
        f"--sig={keys['sig']}", f"--hpke={keys['hpke']}",
        "--redirect", back, "--redirect", f"{back}/2", "--contact", "privacy@bank.example",
    )  # fmt: skip
    first = listed()
    assert (first["redirects"], first["contact"]) == ([back, f"{back}/2"], "privacy@bank.example")
    amend = ["directory", "amend", town["auditor"], name]
    town.do(*amend, "--redirect", f"{back}/3")
    later = listed()
    assert later == {**first, "redirects": [f"{back}/3"]}
    town.do(*amend, "--contact", "+86 10 1234", "--name", "Bank 银行")
    assert listed() == {**later, "contact": "+86 10 1234", "name": "Bank 银行"}
    assert "redirects" in town.refused(*amend, "--redirect", "http://bank.example/back")
    assert "no party" in town.refused("directory", "amend", town["auditor"], "x.example")


def test_the_log_is_exported_as_it_is_served(town: Town) -> None:
    town.join()
    out = town["out"]
    size = town.do("log", "export", town["vault"], out)["size"]
    town.allow()
    grown = cast("int", town.do("log", "export", town["vault"], out)["size"])
    assert grown > cast("int", size)
    names = [str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()]
    assert "checkpoint" in names
    assert f"tile/entries/000.p/{grown}" in names
    for name in names:
        served = httpx2.get(f"{town.url}/log/{name}", trust_env=False).content
        assert (out / name).read_bytes() == served
    (out / f"tile/0/000.p/{grown}").write_bytes(b"other")
    assert "another tree" in town.refused("log", "export", town["vault"], out)


def test_the_doctor_says_what_is_wrong(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE", 1)
    town.join()
    for name in ("vault", "me", "source", "platform"):
        good = run("doctor", town[name])
        assert good.code == 0, good
        assert "WRONG" not in good.out
    (town["vault"] / "log.key").chmod(0o640)
    bad = run("doctor", town["vault"])
    assert bad.code == 1
    assert "WRONG permissions" in " ".join(bad.out.split())
    assert "log.key" in bad.out
    (town["vault"] / "log.key").chmod(0o600)
    town.move(APR)
    late = run("doctor", town["vault"], "--json")
    checks = {c["check"]: c for c in json.loads(late.out)["checks"]}
    assert (late.code, checks["directory"]["good"]) == (1, False)
    assert checks["clock"]["good"] is checks["log"]["good"] is checks["database"]["good"] is True
    assert run("doctor", town["auditor"]).code == 1  # no folder of a kind that it knows


def test_a_second_server_on_one_folder_is_refused(town: Town) -> None:
    words = [*CLI, "serve", str(town["vault"]), "--clock", str(town["clock"])]
    second = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "another server holds" in second.stderr
    again = ["--vault", VAULT, "--url", town.url, f"--auditor={town.auditor}"]
    assert "holds a vault already" in town.refused("init", town["vault"], *again)
    town.stop()
    town.start()  # what was held ends with the process


def test_a_key_that_others_may_read_is_refused(town: Town) -> None:
    town.join()
    for path in (town["me"] / "root.key", town["source"] / "sig-1.key"):
        path.chmod(0o640)
    assert "can be read by others" in town.refused("holder", "grants", town["me"])
    assert "can be read by others" in town.refused("source", "links", town["source"])
    (town["auditor"] / "knet-2026.key").chmod(0o644)
    assert "can be read by others" in town.refused("directory", "publish", town["auditor"])


def test_codes_bring_a_vault_to_another_folder_until_they_end(town: Town) -> None:
    code = town.join()["code"]
    grant = town.allow()
    device = town.text("code", "holder", "device-code", town["me"])
    for name, word in (("paper", code), ("phone", device)):
        town.do("holder", "recover", town[name], *town.pins, typed=f"{word}\n")
        (own,) = objects_of(town.do("holder", "grants", town[name]), "grants")
        assert own["grant"] == grant
    town.do("holder", "drop-code", town["phone"], typed=f"{code}\n")
    again = ["holder", "recover", town["again"], *town.pins]
    assert "nothing here" in town.refused(*again, typed=f"{code}\n")
    assert "compare it" in town.refused(*again, typed="144G-J289\n")
    assert not (town["again"] / "root.key").exists()
    assert "holds a holder already" in town.refused("holder", "init", town["me"], *town.pins)


def test_a_vault_that_goes_back_is_found_out(town: Town) -> None:
    town.join()
    counter = town["me"] / "state-counter"
    counter.write_text("99\n", encoding="ascii")
    assert "this device saw 99" in town.refused("holder", "grants", town["me"])
    assert counter.read_text(encoding="ascii") == "99\n"


def test_a_link_ends_by_either_side(town: Town) -> None:
    town.join()
    (link,) = objects_of(town.do("holder", "links", town["me"]), "links")
    assert (link["source"], link["ended"]) == (BIKE, None)
    town.do("holder", "unlink", town["me"], link["link"])
    (link,) = objects_of(town.do("holder", "links", town["me"]), "links")
    assert link["ended"] == JAN
    town.ride(1_000)
    town.do("source", "send", town["source"])  # so the source learns
    assert town.ride(1_000)["acts"] == {"not-linked": 1}
    town.link()
    town.do("source", "unlink", town["source"], "7")
    own = objects_of(town.do("source", "links", town["source"]), "links")
    assert [(link["customer"], link["state"]) for link in own] == [("7", "ending")] * 2
    assert len(objects_of(town.do("holder", "links", town["me"]), "links")) == 2


def test_nothing_is_allowed_without_a_yes_to_the_notice(town: Town) -> None:
    town.join()
    words = [CITY, "CITY-REWARD", "--first", JAN, "--last", JAN, "--categories", "4"]
    shown = town.text("notice", "holder", "notice", town["me"], *words, "--locale", "zh-CN")
    assert "绝不会收到" in shown
    said = town.refused("holder", "allow", town["me"], *words, typed="n\n")
    assert "They never receive" in said
    assert "Nothing was allowed" in said
    assert town.do("holder", "grants", town["me"]) == {"grants": []}
    assert "beyond-template" in town.refused("holder", "notice", town["me"], *words[:-2])


def test_one_bad_line_stops_no_other_total(town: Town) -> None:
    town.join()
    grant = town.allow()
    town.settle(JAN, FEB)
    asks = [{"grant": grant, "window": JAN}, {"grant": "00" * 16, "window": JAN}, {"grant": 1}]
    lines = [*map(json.dumps, asks), "{", json.dumps(asks[0])]
    town["asks.jsonl"].write_text("\n".join(lines), encoding="utf-8")
    said = run("platform", "totals", town["platform"], town["asks.jsonl"], "--json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 1
    assert [one.get("error") for one in found] == [
        None, "not-found", "bad-shape", "bad-shape", None,
    ]  # fmt: skip
    assert found[0]["grams"] == found[4]["grams"] == 0
    assert town.do("platform", "grant", town["platform"], grant)["template"] == "CITY-REWARD"


SAMPLE = ROOT / "vault" / "importers" / "sample"


def test_an_export_of_bike_trips_is_booked_by_bicycle(town: Town) -> None:
    form = ["--format", "bikeshare", "--beside", SAMPLE / "stations.csv"]
    book = ["source", "book", town["source"], SAMPLE / "trips.csv", *form]
    found = town.do(*book, "--region", "CN")
    assert found["acts"] == {"not-linked": 299}
    assert (found["read"], found["accepted"], found["mg_credited"]) == (299, 299, 0)
    assert "does not say its region" in town.refused(*book)
    assert "there are bikeshare, " in town.refused(*book[:-4], "--format", "bike")
    assert run(*book, "--customer", "7", "--customers", SAMPLE / "stations.csv").code == 2


def test_an_export_that_names_nobody_is_joined_to_customers(town: Town) -> None:
    town.join()
    ride = {**BOOKED, "activity": {"m": 5_000, "s": 900}, "start": town.time, "end": town.time}
    del ride["customer"]
    rides = [json.dumps({**ride, "receipt": f"X-{number}"}) for number in range(4)]
    town["packed.jsonl.gz"].write_bytes(gzip.compress("\n".join(rides).encode()))
    rows = ["receipt,customer", "X-0,7", "X-1,8", "X-2,7", "X-2,8", ",7"]
    town["customers.csv"].write_text("\n".join(rows), encoding="utf-8")
    book = town.book_lines(town["packed.jsonl.gz"])
    found = town.do(*book, "--customers", town["customers.csv"])
    assert found["acts"] == {"credited": 1, "not-linked": 1}
    assert (found["read"], found["accepted"]) == (4, 2)
    assert found["refused"] == {"no-customer": [3, 4]}
    joined = cast("dict[str, Json]", found["joined"])
    assert joined["refused"] == {"bad-text": [6], "doubled": [5]}
    assert found["mg_credited"] == 243_500
    assert "no-customer: 4 rows (lines 1, 2, 3, 4)" in run(*book).out
    again = town.do(*book, "--customer", "7")
    # Nobody rides twice at once: the first ride that is booked counts.
    assert cast("dict[str, int]", again["acts"])["doubled"] == 1


def test_lines_take_an_act_back_that_they_tell_and_say_what_is_not_the_persons(
    town: Town,
) -> None:
    town.join()
    ride = {**BOOKED, "activity": {"m": 5_000, "s": 900}, "start": town.time, "end": town.time + 9}
    told: list[dict[str, object]] = [
        {"takes_back": "X-1", "receipt": "X-9"},
        {**ride, "receipt": "X-1"},
        {**ride, "receipt": "X-2", "claimed": "platform"},
        {**ride, "receipt": "X-3", "evidence": "E2"},
        {"takes_back": "X-0", "receipt": "X-8"},
    ]
    town["acts.jsonl"].write_text("\n".join(map(json.dumps, told)), encoding="utf-8")
    found = town.do(*town.book_lines(town["acts.jsonl"]))
    assert found["acts"] == {"credited": 1, "collected": 1, "weak-evidence": 1}
    assert found["reversals"] == {"taken-back": 1, "waits": 1}
    assert (found["mg_credited"], found["mg_taken_back"]) == (243_500, 243_500)


def test_a_file_that_breaks_off_is_booked_up_to_there_and_said_to_be_broken(town: Town) -> None:
    ride = {**BOOKED, "activity": {"m": 5_000, "s": 900}, "start": town.time, "end": town.time}
    rides = [json.dumps({**ride, "receipt": f"X-{number**3}"}) for number in range(20_000)]
    town["cut.gz"].write_bytes(gzip.compress("\n".join(rides).encode())[:-99])
    said = run(*town.book_lines(town["cut.gz"]))
    assert said.code == 1
    assert "rows read" in said.err
    assert "not-linked" in said.err
    assert "cut off" in said.err


def test_records_go_into_a_spreadsheet_as_text_that_it_does_not_run(town: Town) -> None:
    town.join()
    town.ride(900)
    town.do("source", "send", town["source"])
    head, row = run("holder", "records", town["me"], "--csv").out.splitlines()
    assert head.split(",")[:2] == ["start", "source"]
    assert row.split(",")[1:6] == [BIKE, "travel.bike", "4", "43830", ""]
    assert cell({"=1+1": "x"}) == "'=1+1: x"
    assert (cell(-5), cell(None), cell("bike")) == ("-5", "", "bike")


def test_an_operator_that_audits_itself_is_said_to_by_every_command(tmp_path: Path) -> None:
    town = Town(tmp_path, org=AUDITOR)
    try:
        said = run("directory", "publish", town["auditor"])
        assert "No independent auditor" in said.err
        town.join()
        for words in (
            ["holder", "grants", town["me"]],
            ["source", "links", town["source"]],
            _audit_words(town),
        ):
            done = run(*words)
            assert (done.code, "No independent auditor" in done.err) == (0, True)
    finally:
        town.stop()


def test_a_log_that_does_not_extend_the_last_audit_is_a_finding() -> None:
    leaves = [bytes([n]) * 32 for n in range(5)]

    def head(size: int, entries: list[bytes]) -> Checkpoint:
        return Checkpoint("log", size, root([leaf_hash(leaf) for leaf in entries[:size]]))

    now, begins = head(5, leaves), head(3, leaves).root
    assert check_extends(None, now, begins) == check_extends(head(3, leaves), now, begins) == []
    (shrunk,) = check_extends(head(5, leaves), head(4, leaves), begins)
    (forked,) = check_extends(head(3, leaves[::-1]), now, begins)
    assert (shrunk.rule, forked.rule) == ("shrunk", "forked")


def helps(command: object, name: str) -> Iterator[tuple[str, str]]:
    """Every command below, by its full name, with its help."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, str(getattr(command, "help", ""))
        return
    for word, found in below.items():
        yield from helps(found, f"{name} {word}")


def test_every_command_has_help_that_ends_with_an_example() -> None:
    found = dict(helps(COMMAND, "carbonvault"))
    assert len(found) > 50
    for name, text in found.items():
        assert text.split("\n\n")[-1].startswith(f"Example: {name} "), name


def test_a_command_that_is_not_understood_ends_with_2(tmp_path: Path) -> None:
    for words in (["holder"], ["holder", "allow", tmp_path], ["directory", "knet", tmp_path, "x"]):
        assert run(*words).code == 2
