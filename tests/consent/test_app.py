"""The app as other origins see it, and the server as a process: start, stop, kill, go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import pytest

from consent.app import wall_clock
from consent.auditor import read_served
from consent.demo.cast import VAULT
from consent.demo.company import Company
from consent.log.checkpoint import Checkpoint
from consent.log.merkle import leaf_hash, root, verify_inclusion
from consent.log.note import read_vkey
from consent.log.proof import leaf_data, read_proof, verify_proof
from consent.log.tlog_policy import open_checkpoint
from consent.place import Place, Settings, make_place, open_place, write_key
from tests.world import EAST, World
from vault.crypto.keys import ROOT_SIZE, Root, SigningKey, account_key
from vault.errors import Unreachable
from vault.messages import Account
from vault.months import DEFAULT_ZONE, month_at
from vault.wire import objects_of, text_of

START_SECONDS = 30
AUDITOR = SigningKey(b"\x0a" * 32)
ORIGIN = {"Origin": "https://page.example"}


# Pages of other origins (CORS)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        yield world


def preflight(world: World, path: str, method: str, headers: str = "") -> httpx2.Response:
    asked = {**ORIGIN, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return world.client.options(path, headers=asked)


def listed(reply: httpx2.Response, name: str) -> set[str]:
    return {word.strip().lower() for word in reply.headers[name].split(",")}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/closes", "/v1/holder/state", "/log/checkpoint", "/v1/none"])
def test_a_preflight_lets_any_page_send_what_the_doors_take(
    world: World, path: str, method: str
) -> None:
    reply = preflight(world, path, method, "dpop, content-type, if-match")
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert listed(reply, "access-control-allow-methods") == {"get", "post", "put", "delete"}
    assert listed(reply, "access-control-allow-headers") >= {"dpop", "content-type", "if-match"}
    assert reply.headers["access-control-max-age"] == "7200"
    assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize(
    ("method", "headers"), [("PATCH", ""), ("TRACE", ""), ("POST", "authorization")]
)
def test_a_preflight_for_anything_else_is_refused(world: World, method: str, headers: str) -> None:
    reply = preflight(world, "/v1/closes", method, headers)
    assert reply.status_code == 400
    assert "access-control-allow-credentials" not in reply.headers


ANSWERS = [
    ("GET", "/v1/time", b"", 200),
    ("GET", "/v1/directory", b"", 200),
    ("GET", "/log/checkpoint", b"", 200),
    ("GET", "/log/tile/0/000.p/1", b"", 200),
    ("POST", "/v1/closes", b"x", 401),
    ("PUT", "/v1/holder/state", b"x", 401),
    ("GET", f"/v1/wraps/{'0' * 32}", b"", 404),
    ("GET", "/v1/none", b"", 404),
    ("PATCH", "/v1/closes", b"", 404),
    ("GET", "/log/none", b"", 404),
    ("POST", "/v1/closes", b"x" * (2**21 + 1), 413),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS, ids=str)
def test_any_page_may_read_every_answer_also_an_error(
    world: World, method: str, path: str, body: bytes, status: int
) -> None:
    reply = world.client.request(method, path, content=body or None, headers=ORIGIN)
    assert reply.status_code == status
    assert reply.headers["access-control-allow-origin"] == "*"
    assert listed(reply, "access-control-expose-headers") == {"etag", "date", "retry-after"}
    assert "access-control-allow-credentials" not in reply.headers


def test_a_cookie_changes_nothing(world: World) -> None:
    reply = world.client.get("/v1/time", headers={**ORIGIN, "Cookie": "a=b"})
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("path", ["/openapi.json", "/", "/v1x", "/logs"])
def test_other_paths_are_not_opened(world: World, path: str) -> None:
    reply = world.client.get(path, headers=ORIGIN)
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_before_the_first_directory_a_page_is_told_so() -> None:
    empty = World(seed=b"empty")
    with empty.client:
        reply = empty.client.get("/v1/directory", headers=ORIGIN)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (503, "*")


# The server as a process


class Server:
    """`carbonvault serve` over one folder, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder, self.url = folder, f"http://127.0.0.1:{self.port}"
        make_place(folder, Settings(VAULT, self.url, AUDITOR.public), os.urandom)
        self.place: Place = open_place(folder)
        self.http = httpx2.Client(timeout=20.0, trust_env=False)
        month = month_at(wall_clock(), DEFAULT_ZONE)
        self.company = Company(self.place, AUDITOR, month, self.http, wall_clock, os.urandom, None)
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.company.close()
        self.http.close()
        if self.process:
            self.end(signal.SIGKILL)

    def start(self) -> None:
        self.process = serve(self.folder)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.company.wire().get("/v1/time")
            except Unreachable:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the server did not start: {self.process.communicate()}")

    def end(self, how: signal.Signals) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of the process, ended so."""
        assert self.process
        process, self.process = self.process, None
        process.send_signal(how)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    def head(self) -> Checkpoint:
        """Return the newest checkpoint."""
        signed = self.company.wire().raw("/log/checkpoint").decode()
        return open_checkpoint(signed, read_vkey(self.company.log_vkey)).checkpoint

    def leaves(self) -> list[bytes]:
        """Return the hash of every leaf, from the texts that the auditor is served."""
        wire = self.company.wire(AUDITOR)
        found = objects_of(wire.get("/v1/audit/entries").body, "entries")
        served = map(read_served, found)
        return [leaf_hash(leaf_data(entry.salt, entry.at, entry.text)) for entry in served]

    def open_account(self) -> tuple[str, str]:
        """Open an account of a new key; return the text and the proof of the answer."""
        key = account_key(Root(os.urandom(ROOT_SIZE)))
        text = Account(iat=wall_clock(), pk=key.public, vault=VAULT, over14=True).signed(key)
        answer = self.company.wire(key).post("/v1/holder", text).body
        return text, text_of(answer, "proof")


def serve(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "consent.cli", "serve", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "200"},
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "vault") as server:
        yield server


def test_the_server_starts_says_where_answers_and_stops_cleanly(server: Server) -> None:
    reply = server.http.get(f"{server.url}/v1/time", headers=ORIGIN)
    assert abs(reply.json()["now"] - wall_clock()) < 60
    assert "date" in reply.headers
    assert reply.headers["access-control-allow-origin"] == "*"
    code, out, err = server.end(signal.SIGTERM)
    assert code in (0, -signal.SIGTERM)
    told = {"url": server.url, "open": f"{server.url}/", "host": "127.0.0.1", "port": server.port}
    assert json.loads(out) == told
    assert err == ""
    assert not (server.folder / "vault.db-wal").exists()  # all of it is in the one file


def test_an_endless_body_is_refused_while_it_is_still_being_sent(server: Server) -> None:
    head = f"POST /v1/closes HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
        wire.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(33):  # 64 KiB each: one more than the limit, and no last chunk
            wire.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        answer = wire.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


def test_a_server_started_again_goes_on_with_its_log(server: Server) -> None:
    server.company.publish()
    server.open_account()
    directory, old = server.company.directory(), server.head()
    assert server.end(signal.SIGTERM)[2] == ""
    server.start()
    assert server.head() == old
    assert server.company.directory().text == directory.text
    text, proof = server.open_account()
    place = verify_proof(proof, text, read_vkey(server.company.log_vkey))
    assert (place.index, place.size) == (old.size, old.size + 1)
    leaves = server.leaves()
    assert root(leaves[: old.size]) == old.root
    assert root(leaves) == server.head().root == place.root


def test_links_and_batches_go_on_after_a_new_start(server: Server) -> None:
    company = server.company
    company.publish()
    holder = company.holder(Root(os.urandom(ROOT_SIZE)))
    holder.open_account()
    source = company.source(EAST)
    start = holder.start_link(EAST, nonce := source.offer("ann"))
    holder.attach(start, source.accept("ann", nonce, start.code))
    assert source.check_attached() == 1
    source.send_batches()
    server.end(signal.SIGTERM)
    server.start()
    source.send_batches()
    holder.refresh()
    (own,) = holder.open_links()
    assert [batch.seq for batch in own.batches] == [0, 1]


class Callers:
    """Some who open accounts all the time, until the server is gone; what they were answered."""

    def __init__(self, server: Server, count: int) -> None:
        self.answered: list[tuple[str, str]] = []
        self.enough = threading.Event()
        self._server = server
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        while True:
            try:
                self.answered.append(self._server.open_account())
            except Unreachable:
                return
            if len(self.answered) >= 40:
                self.enough.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_after_a_kill_every_acknowledged_message_is_there(server: Server) -> None:
    server.company.publish()
    callers = Callers(server, count=4)
    assert callers.enough.wait(timeout=30)
    server.end(signal.SIGKILL)
    callers.join()
    server.start()
    leaves, head = server.leaves(), server.head()
    assert (head.size, head.root) == (len(leaves), root(leaves))
    key = read_vkey(server.company.log_vkey)
    for text, proof in callers.answered:
        place, parts = verify_proof(proof, text, key), read_proof(proof)
        assert root(leaves[: place.size]) == place.root
        leaf = leaf_hash(leaf_data(parts.salt, parts.at, text))
        assert leaves[place.index] == leaf
        verify_inclusion(leaf, place.index, place.size, place.root, parts.hashes)
    assert server.company.auditor().audit().findings == []
    server.open_account()
    # What was committed and not answered when the kill came is taken into the log now, too.
    assert server.head().size > head.size
    assert root(server.leaves()[: head.size]) == head.root


# Starts that are refused


def refused(*words: object) -> str:
    """Return what a start that is refused says; it says it in a sentence, not in a trace."""
    process = serve(*words)
    out, err = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    return err


def test_a_server_does_not_start_on_a_folder_or_key_that_does_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    assert "make the vault first" in refused(folder)
    with Server(folder) as server:
        server.end(signal.SIGTERM)
    (folder / "log.key").chmod(0o640)
    assert "can be read by others" in refused(folder)
    (folder / "log.key").unlink()
    write_key(folder / "log.key", b"\x55" * 32)
    before = (folder / "vault.db").read_bytes()
    assert "does not hold together" in refused(folder)
    (folder / "database.key").unlink()
    write_key(folder / "database.key", b"\x55" * 32)
    assert "under this key" in refused(folder)
    assert (folder / "vault.db").read_bytes() == before


def test_a_server_does_not_start_on_a_clock_file_without_seconds(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("noon", encoding="ascii")
    with Server(tmp_path / "vault") as server:
        server.end(signal.SIGTERM)
    said = refused(tmp_path / "vault", "--clock", clock)
    assert "DEMONSTRATION" in said
    assert "does not hold unix seconds" in said
