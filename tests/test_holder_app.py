"""``carbonvault holder app``: the page from the holder's own machine, and nothing beside it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx2
import pytest

from consent.site import make_site, read_files
from consent.site_page import read_page
from tests.live import live
from tests.site_files import config_of
from tests.test_commands import run
from tests.world import World
from vault.encoding import b64u

CLI = [sys.executable, "-m", "consent.cli"]
KEY = b64u(b"\x07" * 32)
LISTS = "https://audit.example:8443/list"
OTHERS = ("/v1/time", "/v1/directory", "/v1/web", "/log/checkpoint", "/metrics", "/healthz")


class Running(NamedTuple):
    """A page server in a process of its own, and what it said when it began."""

    told: dict[str, str]
    http: httpx2.Client


@contextmanager
def running(world: World, *words: str) -> Iterator[Running]:
    command = [*CLI, "holder", "app", "--vault", "https://vault.test", f"--auditor={KEY}"]
    command += ["--log", world.log_vkey, "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            told = json.loads(process.stdout.readline())
            with httpx2.Client(base_url=told["open"], trust_env=False) as http:
                yield Running(told, http)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(seed=b"own machine") as world:
        yield world


def test_the_page_names_the_vault_and_may_speak_to_it_and_to_the_list(world: World) -> None:
    with running(world, "--lists", LISTS) as page:
        assert page.told["open"].startswith("http://localhost:")
        assert page.told["vault"] == "https://vault.test"
        reply = page.http.get("/")
        said = read_page(reply.content).config
        assert said["vault"] == "https://vault.test"
        assert (said["auditor"], said["log"], said["lists"]) == (KEY, world.log_vkey, LISTS)
        assert (said["passkeys"], said["keeps"], said["demo"]) == (False, False, False)
        policy = reply.headers["content-security-policy"]
        wanted = "connect-src 'self' https://vault.test https://audit.example:8443;"
        assert wanted in policy
        config = config_of(
            world,
            own=True,
            lists=LISTS,
            demo=False,
            auditor=b"\x07" * 32,
            vault="https://vault.test",
        )
        site = make_site(read_files(), config)
        assert site.version == page.told["version"]
        for path, sent in site.answers.items():
            assert page.http.get(path).content == sent.body
        for path in OTHERS:
            assert page.http.get(path).status_code == 404


def test_it_listens_on_this_machine_alone(world: World) -> None:
    with running(world, "--demo") as page:
        port = int(page.told["open"].rstrip("/").rpartition(":")[2])
        assert httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200
        for address in own_addresses():
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, port), timeout=5).close()
        assert read_page(page.http.get("/").content).config["demo"] is True


def own_addresses() -> set[str]:
    """Return this machine's other IPv4 addresses."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return {str(each[4][0]) for each in found} - {"127.0.0.1"} | {"127.0.0.2"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("--vault", "vault.test"),
        ("--vault", "https://vault.test/"),
        ("--vault", "javascript:alert(1)"),
        ("--auditor", "AAAA"),
        ("--log", "no vkey"),
        ("--lists", "https://audit.example/;script-src *"),
    ],
)
def test_what_would_make_no_page_is_refused(world: World, name: str, value: str) -> None:
    given = {"--vault": "https://vault.test", "--auditor": KEY, "--log": world.log_vkey}
    words = [f"{key}={found}" for key, found in {**given, name: value}.items()]
    assert run("holder", "app", "--port", "0", *words).code == 1


def test_a_page_of_this_machine_may_call_a_vault_of_another_origin(world: World) -> None:
    """What the browser asks before and after: web.md's list, over a real server."""
    page = {"Origin": "http://localhost:8401"}
    asked = {
        **page,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,dpop,if-match",
    }
    with live(world.app) as url, httpx2.Client(base_url=url, trust_env=False) as http:
        before = http.options("/v1/holder/state", headers=asked)
        assert (before.status_code, before.content) == (204, b"")
        assert before.headers["access-control-allow-origin"] == "*"
        assert before.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"
        allowed = before.headers["access-control-allow-headers"].lower().split(", ")
        assert {"dpop", "content-type", "if-match"} <= set(allowed)
        assert before.headers["access-control-max-age"] == "7200"
        for method, path in (("GET", "/v1/time"), ("GET", "/v1/none"), ("PUT", "/v1/holder/state")):
            reply = http.request(method, path, headers=page)
            assert reply.headers["access-control-allow-origin"] == "*"
            exposed = reply.headers["access-control-expose-headers"].split(", ")
            assert set(exposed) == {"ETag", "Date", "Retry-After"}
            assert "date" in reply.headers
            assert "access-control-allow-credentials" not in reply.headers
