"""The witness as a command: its folder, its server, and what kill -9 does not take from it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import httpx2
import pytest
from typer.main import get_command

from consent.commands.witness import witness_app
from consent.log.note import COSIGNATURE, ML_DSA_44, VerifierKey, read_vkey
from consent.log.submission import Carrier, read_lines, read_size, write_request
from consent.log.tlog_policy import open_checkpoint
from consent.witness.core import log_id
from consent.witness.place import add_log, open_place
from tests.small_log import SmallLog
from vault.encoding import Json
from vault.errors import BadPlace, BadProof, BadShape

NAME, ORIGIN = "w1.example", "vault.example/log"
COMMAND = get_command(witness_app)
ROOT = Path(__file__).resolve().parent.parent
SERVE = "from consent.commands.witness import witness_app; witness_app()"
# The mechanism taken out: the same server with a store that is gone with the process.
FORGETFUL = f"import consent.witness.place as p; p.FileStore = lambda _: p.MemoryStore(); {SERVE}"


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Json]:
        found: dict[str, Json] = json.loads(self.out)
        return found


def run(*words: object) -> Said:
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.dict(os.environ, {"LC_ALL": "C.UTF-8"}),
        pytest.raises(SystemExit) as ended,
    ):
        COMMAND([*map(str, words)])
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def log() -> SmallLog:
    return SmallLog(ORIGIN, 8)


@pytest.fixture
def folder(tmp_path: Path, log: SmallLog) -> Path:
    made = tmp_path / "witness"
    assert run("init", made, "--name", NAME, "--no-lattice", "--log", log.vkey).code == 0
    return made


class Server(NamedTuple):
    url: str
    keys: list[VerifierKey]
    process: subprocess.Popen[str]

    def add(self, raw: bytes) -> httpx2.Response:
        return httpx2.post(f"{self.url}/add-checkpoint", content=raw, trust_env=False)

    def newest(self, origin: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}/logs/{log_id(origin)}/checkpoint", trust_env=False)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(30) == -signal.SIGKILL


@contextmanager
def server(folder: Path, code: str = SERVE) -> Iterator[Server]:
    """Run a real server on a free port; it has listened before its line is read."""
    words = [sys.executable, "-c", code, "serve", str(folder), "--port", "0"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = json.loads(process.stdout.readline())
            assert said["name"] == NAME
            yield Server(said["url"], [read_vkey(key) for key in said["keys"]], process)
        finally:
            process.kill()


# kill -9


def test_server_killed_after_its_answer_knows_what_it_cosigned(folder: Path, log: SmallLog) -> None:
    for old, size in ((0, 3), (3, 5), (5, 8)):
        with server(folder) as alive:
            answer = alive.add(log.request(old, size))
            alive.kill()
            assert answer.status_code == 200
            opened = open_checkpoint(log.note(size) + answer.text, log.vkey, alive.keys, 1)
            assert opened.checkpoint.size == size
    with server(folder) as alive:
        older = alive.add(log.request(3, 5))
        assert (older.status_code, older.text) == (409, "8\n")
        assert older.headers["content-type"] == "text/x.tlog.size"
        assert alive.newest(ORIGIN).text == log.note() + answer.text
        branch = log.branch(5).grow(3)
        assert alive.add(branch.request(5)).status_code == 409
        assert alive.add(branch.request(8)).status_code == 422


def test_server_without_the_files_forgets_and_cosigns_another_history(
    folder: Path, log: SmallLog
) -> None:
    with server(folder, FORGETFUL) as alive:
        assert alive.add(log.request(0)).status_code == 200
        assert alive.add(log.branch(5).grow(3).request(8)).status_code == 422
        alive.kill()
    with server(folder, FORGETFUL) as alive:
        assert alive.add(log.branch(5).grow(3).request(0)).status_code == 200


def test_log_and_witness_understand_each_other_over_http(folder: Path, log: SmallLog) -> None:
    carry = Carrier()
    with server(folder) as alive:
        url = f"{alive.url}/add-checkpoint"
        for old, size in ((0, 3), (3, 8)):
            stale = carry(url, write_request(size, [], log.note(size)))
            assert read_size(stale) == old
            answer = carry(url, write_request(old, log.proof(old, size), log.note(size)))
            (line,) = read_lines(answer, log.checkpoint(size), alive.keys)
            assert line.cosigned.witness == alive.keys[0]
        branch = log.branch(5).grow(3)
        assert carry(url, write_request(8, [], branch.note())).status == 422
    assert len(open_place(folder).evidence()) == 1


def test_only_one_server_runs_on_a_folder(folder: Path) -> None:
    words = [sys.executable, "-c", SERVE, "serve", str(folder), "--port", "0"]
    with server(folder):
        refused = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "holds" in refused.stderr


def test_port_that_is_taken_is_said_in_a_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("serve", folder, "--port", taken.getsockname()[1])
    assert refused.code == 1
    assert "cannot listen" in refused.err


# The folder


def test_init_prints_both_keys_and_makes_files_of_the_owner_alone(tmp_path: Path) -> None:
    made = tmp_path / "deep" / "witness"
    said = run("init", made, "--name", NAME, "--json").json
    assert isinstance(said["keys"], list)
    keys = [read_vkey(str(key)) for key in said["keys"]]
    assert [(key.name, key.alg) for key in keys] == [(NAME, COSIGNATURE), (NAME, ML_DSA_44)]
    assert made.stat().st_mode & 0o777 == 0o700
    for path in made.iterdir():
        assert path.stat().st_mode & 0o077 == 0
    seeds = [(made / name).read_text("ascii") for name in ("witness.key", "witness-mldsa.key")]
    assert len(set(seeds)) == 2


def test_second_init_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    refused = run("init", folder, "--name", "w2.example")
    assert refused.code == 1
    assert "holds a witness already" in refused.err
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nbreak", "w" * 256])
def test_name_that_no_key_can_have_makes_no_folder(name: str, tmp_path: Path) -> None:
    assert run("init", tmp_path / "witness", "--name", name).code == 1
    assert not (tmp_path / "witness").exists()


def test_log_that_is_none_makes_no_folder(tmp_path: Path) -> None:
    made = tmp_path / "witness"
    assert run("init", made, "--name", NAME, "--log", "not a vkey").code == 1
    assert not made.exists()


def test_log_is_known_from_when_it_is_added(folder: Path) -> None:
    second = SmallLog("second.example", 4)
    said = run("add-log", folder, second.vkey, "--json")
    assert said.json == {"origin": "second.example"}
    assert set(open_place(folder).logs) == {ORIGIN, "second.example"}
    renewed = SmallLog("second.example")
    renewed.key = SmallLog("its next key").key
    assert run("add-log", folder, renewed.vkey).code == 0
    assert open_place(folder).logs["second.example"] == (renewed.vkey, second.vkey)


def test_log_that_turned_is_ended_by_its_vkey(folder: Path, log: SmallLog) -> None:
    place = open_place(folder)
    place.witness(lambda: 1).add_checkpoint(log.request(0, 5))
    assert run("end-log", folder, log.vkey, "--size", 4).code == 1  # more is cosigned already
    assert run("end-log", folder, SmallLog(ORIGIN, 1, SmallLog("x").key).vkey).code == 1
    assert open_place(folder).ended == {}
    assert run("end-log", folder, log.vkey, "--json").json == {"origin": ORIGIN, "size": 5}
    assert run("end-log", folder, log.vkey, "--size", 5).code == 0  # again: the same
    assert run("end-log", folder, log.vkey, "--size", 6).code == 1
    with pytest.raises(BadProof, match="ended with 5 entries"):
        open_place(folder).witness(lambda: 2).add_checkpoint(log.request(5, 8))
    (folder / "logs.ended").write_text(f"{ORIGIN} many\n", encoding="utf-8")
    with pytest.raises(BadPlace, match=r"logs\.ended"):
        open_place(folder)


def test_one_key_is_not_two_logs_and_not_a_witness(folder: Path, log: SmallLog) -> None:
    place = open_place(folder)
    (own,) = place.keys
    before = (folder / "logs.policy").read_bytes()
    twins = [
        log.vkey,
        SmallLog("twin.example", key=log.key).vkey,
        VerifierKey("own.example", 1, own.public),
        VerifierKey(NAME, COSIGNATURE, own.public),
    ]
    for vkey in twins:
        with pytest.raises(BadShape):
            add_log(folder, str(vkey))
        assert run("add-log", folder, vkey).code == 1
    assert run("add-log", folder, "not a vkey").code == 1
    assert (folder / "logs.policy").read_bytes() == before


def test_show_tells_size_age_and_evidence(folder: Path, log: SmallLog) -> None:
    assert f"{ORIGIN}: nothing cosigned yet" in run("show", folder).out
    place = open_place(folder)
    witness = place.witness(lambda: 1_767_225_600)
    witness.add_checkpoint(log.request(0, 5))
    with pytest.raises(Exception, match="not shown to extend"):
        witness.add_checkpoint(log.branch(2).grow(3).request(5))
    with patch("consent.commands.witness.wall_clock", lambda: 1_767_225_600 + 7_200):
        told, said = run("show", folder), run("show", folder, "--json").json
    assert f"{ORIGIN}: size 5, 2 h ago" in told.out
    assert "Contradictions kept: 1" in told.out
    logs = [{"origin": ORIGIN, "size": 5, "at": 1_767_225_600, "age": 7_200}]
    assert said == {"name": NAME, "logs": logs, "evidence": 1}


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("witness.key", None, "cannot read the key file"),
        ("witness.key", "00\n", "32 bytes"),
        ("witness.toml", None, "make the witness first"),
        ("witness.toml", "name = 5\n", "no name"),
        ("witness.toml", "name", "cannot read"),
        ("logs.policy", None, "missing"),
        ("logs.policy", "log x\nquorum none\n", "line 1"),
        ("seen", None, "missing"),
    ],
)
def test_folder_that_lacks_something_does_not_start(
    file: str, text: str | None, why: str, folder: Path
) -> None:
    (folder / file).rename(folder / "away")
    if text is not None:
        (folder / file).write_text(text, encoding="ascii")
        (folder / file).chmod(0o600)
    for command in ("serve", "show"):
        refused = run(command, folder)
        assert refused.code == 1
        assert why in refused.err


def test_key_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / "witness.key").chmod(0o644)
    with pytest.raises(BadPlace, match="read by others"):
        open_place(folder)
    assert run("show", folder).code == 1


def test_every_command_shows_an_example() -> None:
    for command in ("init", "add-log", "serve", "show"):
        assert f"Example: carbonvault audit witness {command}" in run(command, "--help").out
