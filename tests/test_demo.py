"""The demonstration as a newcomer starts it: a real server, real HTTP, a fresh encrypted file."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree
from typing import NamedTuple, TypedDict, cast

import httpx2
import pytest

from consent.log.note import VerifierKey, read_vkey
from consent.log.tlog_policy import open_checkpoint
from tests.public_data import STATIONS, TRIPS, real_week
from vault.crypto.keys import SigningKey

ROOT = Path(__file__).resolve().parent.parent
CLI = [sys.executable, "-m", "consent.cli"]


class Figures(TypedDict):
    trips_read: int
    credited: int
    zeroed: dict[str, int]
    out_of_bounds: dict[str, int]
    capped: dict[str, int]
    mg_taken: dict[str, int]
    mg_credited: int
    grams_closed: int
    balance_mg: int
    grams_released: dict[str, int]
    refused: dict[str, str]
    findings: list[object]
    first_grants: dict[str, str]


class Ruled(TypedDict):
    refused: int
    credited: int
    mg_total: int


class Counted(TypedDict):
    trips: int
    credited: int
    mg_total: int
    ruled: Ruled


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *words], capture_output=True, text=True, cwd=ROOT, check=False, timeout=1500
    )


def independent(trips: Path, stations: Path) -> Counted:
    """What a script that imports nothing of the project counts."""
    command = [sys.executable, str(ROOT / "tests" / "independent_week.py")]
    done = subprocess.run(
        [*command, "--trips", str(trips), "--stations", str(stations)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return cast("Counted", json.loads(done.stdout))


def check_figures(figures: Figures, counted: Counted) -> None:
    ruled = counted["ruled"]
    assert figures["trips_read"] == counted["trips"]
    assert figures["credited"] == ruled["credited"]
    assert figures["mg_credited"] == ruled["mg_total"]
    assert sum(figures["out_of_bounds"].values()) == ruled["refused"]
    # What the rules took is all that the formula alone would have given more.
    rules = ("under-200-m", "over-20-km", "over-35-km-h", "same-time", "day-cap", "month-cap")
    taken = sum(figures["mg_taken"].get(rule, 0) for rule in rules)
    fast = figures["mg_taken"].get("over-35-km-h", 0)  # demo-1 counts these 0 as well
    assert figures["mg_credited"] + taken - fast == counted["mg_total"]
    assert figures["grams_closed"] * 1000 + figures["balance_mg"] == figures["mg_credited"]
    assert set(figures["grams_released"].values()) == {figures["grams_closed"]}
    told = sum(figures["zeroed"].values()) + ruled["refused"]
    assert told == figures["trips_read"] - figures["credited"]
    assert figures["findings"] == []


def test_the_bundled_demo_agrees_with_a_count_that_shares_no_code() -> None:
    done = run("demo", "--json")
    assert done.returncode == 0, done.stderr
    sample = files("vault.importers").joinpath("sample")
    with as_file(sample / "trips.csv") as trips, as_file(sample / "stations.csv") as stations:
        check_figures(cast("Figures", json.loads(done.stdout)), independent(trips, stations))


def test_the_demo_tells_what_was_refused_and_why() -> None:
    done = run("demo", "--holders", "1")
    assert done.returncode == 0, done.stderr
    for word in (
        "atom-used",
        "unknown-key",
        "revoked",
        "findings: 0",
        "moved by hand",
        "region CN",
    ):
        assert word in done.stdout


def test_trips_said_to_be_of_a_region_without_a_factor_count_nothing() -> None:
    done = run("demo", "--holders", "1", "--as-region", "US-CA", "--json")
    figures = cast("Figures", json.loads(done.stdout))
    assert (figures["credited"], figures["grams_closed"]) == (0, 0)
    assert "no-factor-for-region" in figures["zeroed"]
    assert figures["findings"] == []


@real_week
@pytest.mark.skipif(
    not os.environ.get("CARBONVAULT_DEEP") and not os.environ.get("CARBONVAULT_WEEK"),
    reason="data: the whole real week is played with --all and --deep",
)
def test_the_real_week_agrees_with_a_count_that_shares_no_code() -> None:
    done = run("demo", "--json", "--trips", str(TRIPS), "--stations", str(STATIONS))
    assert done.returncode == 0, done.stderr
    figures = cast("Figures", json.loads(done.stdout))
    check_figures(figures, independent(TRIPS, STATIONS))
    assert figures["trips_read"] == 7660


class Served(NamedTuple):
    """A demonstration that stays: its first line, and the two commands it prints to try."""

    first: dict[str, str]
    audit: list[str]
    total: list[str]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with subprocess.Popen(
        [*CLI, "demo", "--holders", "1", "--serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        first = cast("dict[str, str]", json.loads(server.stdout.readline()))
        told = iter(server.stderr.readline, "")
        commands = (shlex.split(line)[2:] for line in told if "./run carbonvault" in line)
        yield Served(first, next(commands), next(commands))
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


def test_a_served_demo_first_says_where_it_is(served: Served) -> None:
    vault, pages = ["url", "log_url", "log_vkey", "auditor_key"], ["bank", "bikes", "open"]
    assert list(served.first) == vault + pages
    assert all(served.first[name].startswith("http://localhost:") for name in ("url", *pages))
    assert served.first["open"].startswith(served.first["url"] + "/#w=")
    assert served.first["log_url"] == served.first["url"] + "/log"
    checkpoint = httpx2.get(served.first["log_url"] + "/checkpoint", trust_env=False).text
    assert open_checkpoint(checkpoint, read_vkey(served.first["log_vkey"])).checkpoint.size > 0


def test_the_audit_command_finds_everything_in_order(served: Served) -> None:
    done = run(*served.audit)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Findings: none." in done.stdout
    assert json.loads(run(*served.audit, "--json").stdout)["findings"] == []


def test_the_total_command_shows_one_checked_number(served: Served) -> None:
    done = run(*served.total, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["grams"] > 0
    assert (found["window"], found["checked"]) == (["2026-01"], "vault")
    assert f"{found['grams']} g for 2026-01" in run(*served.total).stdout


def changed(served: Served, folder: Path, old: str, new: str) -> list[str]:
    """The total command over a copy of its folder, one setting changed."""
    words = list(served.total)
    copytree(words[2], folder)
    settings = folder / "platform.toml"
    text = settings.read_text(encoding="utf-8")
    assert old in text
    settings.write_text(text.replace(old, new), encoding="utf-8")
    return [*words[:2], str(folder), *words[3:]]


def test_a_real_client_refuses_a_demonstration_unless_asked(served: Served, tmp_path: Path) -> None:
    done = run(*changed(served, tmp_path / "platform", "demo = true", "demo = false"))
    assert done.returncode == 1
    assert "bad-directory" in done.stderr
    assert "demonstration" in done.stderr


def test_another_pinned_log_key_is_refused(served: Served, tmp_path: Path) -> None:
    pinned = served.first["log_vkey"]
    name, _, _ = pinned.split("+", 2)
    other = str(VerifierKey(name, 1, SigningKey(bytes(32)).public))
    done = run(*changed(served, tmp_path / "platform", pinned, other))
    assert done.returncode == 1
    assert "bad-directory" in done.stderr


def test_messages_are_in_the_language_of_the_environment(served: Served, tmp_path: Path) -> None:
    words = changed(served, tmp_path / "platform", "demo = true", "demo = false")
    done = subprocess.run(
        [*CLI, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "LC_ALL": "zh_CN.UTF-8"},
        timeout=60,
    )
    assert "参与方名录不可信" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("demo", "--trips", "README.md"),
        ("demo", "--holders", "0"),
        ("demo", "--trips", "missing.csv", "--stations", "missing.csv"),
        ("audit",),
        ("nothing",),
    ],
)
def test_a_command_that_is_not_understood_exits_with_2(words: tuple[str, ...]) -> None:
    assert run(*words).returncode == 2


def test_a_file_that_is_no_export_is_refused_with_what_was_wanted() -> None:
    done = run("demo", "--trips", "README.md", "--stations", "README.md")
    assert done.returncode == 1
    assert "wanted the columns" in done.stderr
    assert "Traceback" not in done.stderr
