"""The examples are followed as their pages say, up to a verified number at the end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import cast
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from consent.commands.holder import opened
from consent.holder import Holder
from consent.messages import Grant
from consent.parties import open_platform
from consent.platform import Wanted
from vault.errors import UnknownKey
from vault.months import Grams, Month, add_months

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
SANDBOX = "http://127.0.0.1:8400"
START_SECONDS = 60
QUARTER = (Month("2026-01"), Month("2026-02"), Month("2026-03"))


def blocks(name: str, kind: str) -> list[str]:
    """The lines of a page's fenced blocks of one kind, in order."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in found for line in block.splitlines() if line]


class Desk:
    """A folder where the pages' commands are run: the project's `run`, its docs, the sandbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "docs").symlink_to(ROOT / "docs")
        (folder / "run").write_text('#!/bin/sh\nexec "$@"\n', encoding="ascii")
        (folder / "run").chmod(0o755)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}

    @contextmanager
    def stay(self, command: str, url: str) -> Iterator[None]:
        """Keep a command of a page running, once it answers at `url`."""
        with subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL
        ) as running:
            try:
                self._wait(running, url)
                yield
            finally:
                running.send_signal(signal.SIGINT)
                running.wait(timeout=30)

    def _wait(self, running: subprocess.Popen[bytes], url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and running.poll() is None:
            try:
                httpx2.get(url, trust_env=False)
            except httpx2.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"nothing answers at {url}")

    def run(self, command: str) -> str:
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def holder(self, robot: str) -> Iterator[Holder]:
        with opened(self.folder / "sandbox" / robot) as holder:
            yield holder

    def own(self, robot: str, grant_id: str, window: tuple[Month, ...]) -> Grams:
        """The sum of a robot's own records over what the grant's token covers."""
        with self.holder(robot) as holder:
            return holder.own_total(grant_of(holder, grant_id), window, holder.open_links())


def grant_of(holder: Holder, grant_id: str) -> Grant:
    (found,) = [own.grant for own in holder.grants() if own.grant.grant.hex() == grant_id]
    return found


def get(url: str) -> dict[str, object]:
    answer = httpx2.get(url, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    found = cast("dict[str, object]", answer.json())
    assert found["sandbox"] is True
    return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    start = blocks("bank", "sh")[0]
    assert start == blocks("source", "sh")[0]
    with desk.stay(start, f"{SANDBOX}/sandbox/robots"):
        wait_for_robots()
        yield desk


def wait_for_robots(sandbox: str = SANDBOX) -> None:
    """The sandbox answers from its first second on, and plays three months before it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if get(f"{sandbox}/sandbox/clock")["ready"]:
            return
        time.sleep(0.05)
    raise AssertionError("the sandbox is not ready")


@contextmanager
def browser() -> Iterator[httpx2.Client]:
    headers = {"accept": "text/html"}
    with httpx2.Client(
        follow_redirects=True, trust_env=False, headers=headers, timeout=60
    ) as client:
        yield client


def choose(page: str, robot: str, choice: str) -> str:
    """The link of a robot's choice on the page that a platform sends a browser to."""
    links = re.findall(r'href="([^"]+)"', page)
    found = [link.replace("&amp;", "&") for link in links]
    (way,) = [link for link in found if f"robot={robot}&choice={choice}&" in link]
    return f"{SANDBOX}{way}"


def connect(client: httpx2.Client, robot: str, choice: str) -> httpx2.Response:
    """Press the bank's button and decide, as a person clicks."""
    home = client.get("http://localhost:8100/")
    assert "Connect your carbon account" in home.text
    asked = client.post("http://localhost:8100/connect")
    assert "SANDBOX" in asked.text
    assert asked.url.path == "/authorize"
    return client.get(choose(asked.text, robot, choice))


def test_the_page_states_how_many_lines_an_engineer_writes() -> None:
    text = (EXAMPLES / "ten_lines.py").read_text(encoding="utf-8")
    _, _, rest = text.partition("# begin\n")
    body, _, _ = rest.partition("# end\n")
    lines = [line.strip() for line in body.splitlines()]
    written = [line for line in lines if line and not line.startswith(("#", "import ", "from "))]
    (stated,) = re.findall(
        r"\*\*(\d+)\*\* lines", (EXAMPLES / "bank" / "README.md").read_text(encoding="utf-8")
    )
    assert len(written) == int(stated) == 10


def test_the_banks_page_leads_to_a_verified_total_equal_to_the_robots_own_sum(desk: Desk) -> None:
    _, ten_lines, serve = blocks("bank", "sh")
    decide, delete = blocks("bank", "url")
    with subprocess.Popen(
        shlex.split(ten_lines),
        cwd=desk.folder,
        env=desk.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        code = program.stdout.readline().split()[-1]
        granted = get(decide.replace("CODE", code))
        told = program.stdout.read()
    own = desk.own("lin", str(granted["grant"]), QUARTER)
    assert told == f"{own} g, checked against: sources\n"
    assert own > 0
    with desk.stay(serve, "http://localhost:8100/"), browser() as client, browser() as stranger:
        home = connect(client, "lin", "allow")
        assert f"{own} g of CO2e, checked against: sources" in home.text
        back = next(r for r in home.history if r.url.path == "/back")
        (grant,) = parse_qs(urlsplit(str(back.url)).query)["grant"]
        assert desk.own("lin", grant, QUARTER) == own
        assert stranger.get(str(back.url)).status_code == 403
        declined = connect(stranger, "wu", "decline")
        assert (declined.status_code, "Declined" in declined.text) == (403, True)
        proofs = desk.folder / "sandbox" / "bank.sandbox" / "proofs" / grant
        assert len(list(proofs.iterdir())) == 1
        get(delete.replace("GRANT", grant))
        assert "Connect your carbon account" in client.get("http://localhost:8100/").text
        assert not proofs.exists()
    with desk.holder("lin") as holder:
        deletions = {own.grant.grant.hex(): own.deletion for own in holder.grants()}
    assert deletions[grant] == "done"


def test_each_robot_decides_by_its_habit(desk: Desk) -> None:
    city = open_platform(desk.folder / "sandbox" / "city.sandbox")
    wanted = Wanted.under(
        "CITY-REWARD",
        QUARTER[0],
        QUARTER[-1],
        zh="奖励",
        en="rewards",
        required=(4,),
        optional=(5,),
    )
    sums = {}
    for robot in ("lin", "chen"):
        pushed = city.ask(wanted)
        get(f"{SANDBOX}/sandbox/decide?robot={robot}&request_uri={pushed.request_uri}")
        found = city.outcome(pushed)
        assert found.grant is not None
        sums[robot] = [city.total(found.grant, (month,)).grams for month in QUARTER]
        assert sums[robot] == [desk.own(robot, found.grant.hex(), (month,)) for month in QUARTER]
        assert len(city.grant(found.grant).categories) == {"lin": 2, "chen": 1}[robot]
    pushed = city.ask(wanted)
    assert get(f"{SANDBOX}/sandbox/decide?robot=wu&code={pushed.code}")["state"] == "declined"
    assert city.outcome(pushed).state == "declined"
    assert (
        httpx2.get(
            f"{SANDBOX}/sandbox/decide?robot=bob&code={pushed.code}", trust_env=False
        ).status_code
        == 404
    )


def test_a_month_cut_in_another_way_is_refused_and_holds_up_nothing_else(desk: Desk) -> None:
    bank = open_platform(desk.folder / "sandbox" / "bank.sandbox")
    month = QUARTER[-1]
    for template, required, status in (("GREEN-LOAN-RATE", (), 200), ("CARD-POINTS", (4,), 409)):
        first = QUARTER[0] if not required else month
        wanted = Wanted.under(template, first, month, zh="利率", en="a rate", required=required)
        address = f"{SANDBOX}/sandbox/decide?robot=wu&choice=allow&code={bank.ask(wanted).code}"
        answer = httpx2.get(address, trust_env=False, timeout=60)
        assert answer.status_code == status, answer.text
    assert answer.json()["type"] == "atom-used"


def test_the_operators_page_leads_from_a_link_to_a_verified_total(desk: Desk) -> None:
    _, serve, send, close, allow, mint, total = blocks("source", "sh")
    link, attach, clock, robots = blocks("source", "url")
    here = "http://localhost:8102"
    with desk.stay(serve, here), browser() as client:
        assert "Log in" in client.get(here).text
        client.post(f"{here}/login")
        offered = client.post(f"{here}/offer").text
        (nonce,) = re.findall(r"<code>([0-9a-f]{32})</code>", offered)
        begun = get(link.replace("NONCE", nonce))
        answered = client.post(f"{here}/accept", data={"code": str(begun["code"])}).text
        assert f"<b>{begun['digits']}</b>" in answered
        (answer,) = re.findall(r"<textarea>([^<]+)</textarea>", answered)
        get(attach.replace("ANSWER", answer))
        assert "Linked" in client.post(f"{here}/check").text
        assert "<li>243500 mg" in client.post(f"{here}/ride").text
        again = client.post(f"{here}/accept", data={"code": str(begun["code"])}).text
        assert "Not linked" in again
    assert "1 batches" in desk.run(send)
    get(clock)
    assert "1 closes" in desk.run(close)
    grant = desk.run(allow).split()[0]
    desk.run(mint)
    own = desk.own("lin", grant, (Month("2026-04"),))
    assert f"{own} g for 2026-04, checked against: vault" in desk.run(total.replace("GRANT", grant))
    lin = cast("list[dict[str, dict[str, dict[str, int]]]]", get(robots)["robots"])[0]
    assert lin["grams"]["2026-04"]["travel"] == own
    with desk.holder("lin") as holder:
        sums = {
            each.source: each.closes[-1].grams[3]
            for each in holder.open_links()
            if each.source != "shop.sandbox"
        }
    assert (sum(sums.values()), sums["bike.sandbox"]) == (own, 243)


def test_a_sandbox_is_the_same_every_time_and_says_what_it_is(desk: Desk, tmp_path: Path) -> None:
    other, here = Desk(tmp_path), "http://127.0.0.1:8402"
    (tmp_path / "sandbox").mkdir()
    for name in ("SANDBOX", "left-over"):  # of an earlier one, which is made anew
        (tmp_path / "sandbox" / name).write_text("", encoding="ascii")
    with other.stay("./run carbonvault sandbox ./sandbox --port 8402", f"{here}/sandbox/clock"):
        wait_for_robots(here)
        assert not (tmp_path / "sandbox" / "left-over").exists()
        seen = [closed(each) for each in (desk, other)]
        with other.holder("chen") as holder:
            listing = holder.directory.listing
    assert seen[0] == seen[1]
    # Metro: 46.7 mg a metre, rides of 4.0 + 0.1 month + 0.7 n km; shop: 37 g a box, 1 to 3 a time.
    rides = [sum(4_000 + 700 * n + 100 * month for n in range(5)) * 467 for month in (1, 2, 3)]
    boxes = [sum(1 + (n + month) % 3 for n in range(9)) * 37 for month in (1, 2, 3)]
    grams = sorted(tuple(sum(found) for found in months) for months in seen[0].values())
    assert [sum(each) for each in grams] == sorted([sum(rides) // 10_000, sum(boxes)])
    assert listing.demo is True
    assert all(party.name.startswith("SANDBOX") for party in listing.entries)
    assert all(party.id.endswith(".sandbox") for party in listing.entries)


def closed(desk: Desk) -> dict[str, list[tuple[int, ...]]]:
    """What chen's links hold of the three closed months."""
    with desk.holder("chen") as holder:
        return {
            own.link.hex(): [tuple(close.grams) for close in own.closes[:3]]
            for own in holder.open_links()
        }


def test_a_real_client_refuses_a_sandbox(desk: Desk) -> None:
    copytree(desk.folder / "sandbox" / "bank.sandbox", desk.folder / "real")
    settings = desk.folder / "real" / "platform.toml"
    text = settings.read_text(encoding="utf-8")
    assert "demo = true" in text
    settings.write_text(text.replace("demo = true", "demo = false"), encoding="utf-8")
    words = ["./run", "carbonvault", "platform", "grant", "real", "00" * 16]
    done = subprocess.run(
        words, cwd=desk.folder, env=desk.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "demonstration" in done.stderr


def test_a_folder_or_port_that_is_taken_is_refused(desk: Desk) -> None:
    def refused(*words: str) -> str:
        done = subprocess.run(
            ["./run", "carbonvault", "sandbox", *words],
            cwd=desk.folder,
            env=desk.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        return done.stderr

    assert "taken" in refused("other")
    assert not (desk.folder / "other").exists()
    assert "another server holds" in refused("sandbox", "--port", "8401")
    assert "holds something else" in refused("docs", "--port", "8401")
    answer = httpx2.get(f"{SANDBOX}/sandbox/clock?month=2026-09", trust_env=False)
    assert (answer.status_code, "a month at a time" in answer.text) == (400, True)


def test_new_keys_are_practised_in_the_sandbox_and_its_audit_finds_nothing(desk: Desk) -> None:
    bank, auditor = "sandbox/bank.sandbox", "sandbox/auditor"
    platform = open_platform(desk.folder / bank)
    first, last = QUARTER[0], QUARTER[-1]
    wanted = Wanted.under("GREEN-LOAN-RATE", first, last, zh="利率", en="a rate")
    pushed = platform.ask(wanted)
    get(f"{SANDBOX}/sandbox/decide?robot=chen&choice=allow&code={pushed.code}")
    grant = platform.outcome(pushed).grant or b""
    before = platform.total(grant, QUARTER).grams
    keys = json.loads(desk.run(f"./run carbonvault platform keys {bank} --new --json"))
    pair = f"--sig={keys['sig']} --hpke={keys['hpke']}"
    desk.run(f"./run carbonvault directory rotate {auditor} bank.sandbox {pair} --overlap 0")
    desk.run(f"./run carbonvault directory publish {auditor}")
    with pytest.raises(UnknownKey):
        platform.total(grant, QUARTER)  # it still speaks with the key that ended
    renewed = open_platform(desk.folder / bank)
    assert renewed.total(grant, QUARTER).grams == before > 0
    month = add_months(Month(str(get(f"{SANDBOX}/sandbox/clock")["month"])), 1)
    get(f"{SANDBOX}/sandbox/clock?month={month}")  # the sandbox's auditor goes on from there
    settings = tomllib.loads((desk.folder / bank / "platform.toml").read_text(encoding="utf-8"))
    words = f"{SANDBOX} --key {auditor}/auditor.key --log {settings['log']}"
    assert "Findings: none." in desk.run(f"./run carbonvault audit run {words}")
