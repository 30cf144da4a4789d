"""The web app over HTTP: what a browser gets where, what the log says of it, who may read it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from consent import site_log
from consent.app import make_app, schemas, site_of
from consent.commands.listen import listen_localhost
from consent.demo.cast import CITY, compose
from consent.log.checkpoint import Checkpoint
from consent.messages import Web
from consent.middleware import HEADERS, HSTS
from consent.place import Settings, make_place, open_place
from consent.policy import check_logged
from consent.replay import Finding, Replay
from consent.report.page import render_page
from consent.report.signed import make_report
from consent.report.tally import Tally
from consent.sandbox.front import Front
from consent.site import Site, make_site, read_files
from consent.site_http import make_own
from consent.site_page import read_page
from tests.attacks import STRANGER
from tests.report_sample import judged_of
from tests.site_files import config_of, put_site, small_files
from tests.town import Town
from tests.world import URL, Seeded, World
from vault import journal
from vault.crypto.keys import Secret
from vault.encoding import Json, read_envelope, sign_jws
from vault.errors import BadPlace
from vault.storage.sqlcipher import SqlCipher
from vault.wire import Wire

CHROMIUM = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        yield town


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


class _Row(NamedTuple):
    text: str


# What is served


def test_every_file_is_sent_as_it_was_made_with_exactly_its_headers(town: Town) -> None:
    for path, sent in town.site.answers.items():
        reply = town.client.get(path, headers={"Accept-Encoding": "identity"})
        assert (reply.status_code, reply.content) == (200, sent.body)
        added = {**HEADERS, "Strict-Transport-Security": HSTS, "Vary": "Accept, Accept-Encoding"}
        wanted = {"content-length": str(len(sent.body))}
        wanted |= {name.lower(): value for name, value in {**added, **sent.headers}.items()}
        assert dict(reply.headers) == wanted
        assert len(reply.headers.get_list("content-security-policy")) == 1


def test_a_browser_gets_the_same_bytes_by_gzip(town: Town) -> None:
    for path, sent in town.site.answers.items():
        reply = town.client.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert reply.headers["content-encoding"] == "gzip"
        assert reply.headers["content-length"] == str(len(sent.packed))
        assert reply.content == sent.body


@pytest.mark.parametrize(
    "path",
    [
        *("/app", "/app/", "/app/app.js", "/app/0123456789abcdef/app.js", "/index.html"),
        *("/app/{version}/", "/app/{version}/none.js", "/app/{version}/sw.js", "/style.css"),
        *("/app/{version}/../app.js", "/app/{version}/%2e%2e/app.js", "/app/{version}/app.js/"),
        *("/sw.js/", "/favicon.ico"),
    ],
)
def test_anything_else_is_the_404_of_all(town: Town, path: str) -> None:
    reply = town.client.get(path.replace("{version}", town.site.version))
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_whoever_looks_only_whether_it_is_there_is_told_so(town: Town) -> None:
    for path in ("/", "/sw.js", "/icon.svg", "/manifest.webmanifest"):
        seen, got = town.client.head(path), town.client.get(path)
        assert (seen.status_code, seen.content) == (200, b"")
        assert seen.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip; q=1", True),
        ("gzip;q=0, identity", False),
        ("gzip;q=0.000", False),
        ("x-gzip", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(town: Town, accepted: str, packed: bool) -> None:
    reply = town.client.get("/", headers={"accept-encoding": accepted})
    assert ("content-encoding" in reply.headers) is packed


def test_a_vault_without_an_app_serves_none(world: World) -> None:
    for path in ("/", "/sw.js", "/icon.svg", "/manifest.webmanifest", "/app/0/app.js", "/v1/web"):
        assert world.client.get(path).status_code == 404
    assert world.client.get("/authorize", headers=CHROMIUM).status_code == 400


# Where platforms send people


def test_a_browser_gets_the_page_at_authorize_and_the_app_the_request(town: Town) -> None:
    path = town.asked.url.removeprefix(URL)
    page = town.client.get(path, headers=CHROMIUM)
    assert page.content == town.site.answers["/"].body
    assert (
        page.headers["content-security-policy"]
        == town.client.get("/").headers["content-security-policy"]
    )
    pushed = town.ask_consent()
    told = town.client.get(pushed.url.removeprefix(URL), headers=JSON).json()
    assert told["client_id"] == CITY


def test_a_browser_gets_the_page_also_for_a_request_that_nobody_made(town: Town) -> None:
    for query in ("", "?client_id=x", "?client_id=city.demo&request_uri=urn:none", "?error=1"):
        assert town.client.get(f"/authorize{query}", headers=CHROMIUM).status_code == 200
        assert town.client.get(f"/authorize{query}", headers=JSON).status_code in (400, 404)


def test_the_page_at_authorize_tells_the_request_to_nobody(town: Town) -> None:
    """It is the same for each request, and whoever only opens it uses nothing up."""
    pushed = town.ask_consent()
    path = pushed.url.removeprefix(URL)
    page = town.client.get(path, headers=CHROMIUM).text
    assert pushed.request_uri not in page
    assert town.client.get(path, headers=JSON).status_code == 200


def test_the_sandbox_still_asks_which_robot_you_are(town: Town) -> None:
    front = TestClient(Front(town.app, PlainTextResponse("which robot")), base_url=URL)
    assert front.get("/authorize", headers=CHROMIUM).text == "which robot"
    assert front.get("/", headers=CHROMIUM).content == town.site.answers["/"].body


# CORS: /v1 and /log are open, the page and its files are not


def test_the_page_and_its_files_are_not_opened_to_other_origins(town: Town) -> None:
    origin = {"Origin": "http://localhost:8401"}
    for path in town.site.answers:
        reply = town.client.get(path, headers=origin)
        assert "access-control-allow-origin" not in reply.headers
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    reply = town.client.get("/v1/web", headers=origin)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "cross-origin-resource-policy" not in reply.headers


# The log


def logged(world: World) -> list[Web]:
    rows = world.database.read(lambda tx: tx.all(_Row, "SELECT text FROM web ORDER BY id"))
    return [Web.opened(read_envelope(row.text, Web.typ)) for row in rows]


def test_the_newest_list_is_served_with_a_proof(world: World) -> None:
    site = put_site(world)
    body = world.client.get("/v1/web").json()
    directory = world.directory()
    place = check_logged(directory, body["web"], body["proof"])
    found = Web.verified(body["web"], lambda kid: directory.vault_key(kid, place.at))
    assert (found.version, found.files) == (site.version, site.listed)
    assert world.client.get("/v1/web").headers["cache-control"] == "no-store"


def test_only_another_content_is_logged_again(world: World) -> None:
    first = put_site(world)
    put_site(world, first)
    assert len(logged(world)) == 1
    other = put_site(world, make_site(small_files(app_js="0;"), config_of(world)))
    told = put_site(world, make_site(small_files(app_js="0;"), config_of(world, demo=False)))
    assert [each.version for each in logged(world)] == [
        *(first.version, other.version, told.version)
    ]
    assert other.version == told.version
    world.time += 1
    put_site(world, first)
    assert logged(world)[-1].files == first.listed


def test_the_auditors_replay_takes_it(world: World) -> None:
    put_site(world)
    report = world.auditor().audit()
    assert report.findings == []
    assert report.counts["web"] == 1


def test_an_audit_reports_every_list_also_one_that_stood_for_a_moment(world: World) -> None:
    """The newest is the good one again; who looks at it alone sees nothing."""
    good = put_site(world)
    world.time += 1
    evil = put_site(world, make_site(small_files(app_js="steal();"), config_of(world)))
    world.time += 1
    put_site(world, good)
    tally = Tally()
    replay = Replay(world.place.settings.auditor, tally=tally)
    rows = world.database.read(lambda tx: journal.entries_from(tx, 0, 100))
    for index, row in enumerate(rows):
        replay.take(index, row.at, row.text)
    listed = cast("list[dict[str, Json]]", tally.plain()["web"])
    assert [row["version"] for row in listed] == [good.version, evil.version, good.version]
    assert [row["index"] for row in listed] == [1, 2, 3]
    assert [row["at"] for row in listed] == [world.time - 2, world.time - 1, world.time]
    assert "web" not in Tally().plain()
    judged = judged_of(Checkpoint("vault.example/log", 4, bytes(32)), {}, [], 0)
    page = render_page(make_report(judged, tally, STRANGER.public, 1), "", "en")
    assert "Lists of what the vault served: 3. The newest:" in page
    assert (page.count(f"<bdi>{good.version}"), page.count(f"<bdi>{evil.version}")) == (2, 1)


# The server's start


class Vault:
    """A vault over a file, made and started as `serve` does it, with the cast of a world."""

    def __init__(self, folder: Path) -> None:
        self.world = World(seed=b"start")
        self._path, self._key = folder / "vault.db", Secret(b"\1" * 32)

    @contextmanager
    def started(self, site: Site) -> Iterator[TestClient]:
        database = SqlCipher(self._path, self._key, schemas())
        world = self.world
        app = make_app(world.place, database, world.now, random=Seeded(b"v"), site=site)
        with TestClient(app, base_url=URL) as client:
            yield client

    def site(self, **changed: str) -> Site:
        return make_site(small_files(**changed), config_of(self.world))

    def publish(self, client: TestClient) -> None:
        """Post the auditor's first directory."""
        world = self.world
        text = compose(world.cast, world.edition()).signed(world.cast.auditor)
        Wire(URL, world.cast.auditor, client).post("/v1/directory", text)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = Vault(tmp_path)
    yield vault
    vault.world.client.close()
    vault.world.database.close()


def listed(client: TestClient) -> list[str]:
    """Return the version in the newest list, when there is one, and how long the log is."""
    reply = client.get("/v1/web")
    if reply.status_code != 200:
        return []
    opened = Web.opened(read_envelope(reply.json()["web"], Web.typ))
    return [opened.version, str(client.get("/v1/log").json()["size"])]


def test_the_list_is_logged_once_there_is_a_directory(vault: Vault) -> None:
    with vault.started(vault.site()) as client:
        assert listed(client) == []  # nobody's key is listed yet: nothing is signed
        vault.publish(client)
        assert listed(client) == [vault.site().version, "2"]


def test_a_start_logs_what_is_new_before_anybody_asks(vault: Vault) -> None:
    with vault.started(vault.site()) as client:
        vault.publish(client)
        first = listed(client)
    with vault.started(vault.site()) as client:
        assert client.get("/v1/log").json()["size"] == 2
        assert listed(client) == first
    with vault.started(vault.site(app_js="1;")) as client:
        assert client.get("/v1/log").json()["size"] == 3
        assert listed(client) == [vault.site(app_js="1;").version, "3"]


def test_nothing_is_logged_while_the_log_turns_or_by_a_key_that_is_not_listed(
    world: World,
) -> None:
    site, operator = make_site(small_files(), config_of(world)), world.app.state.service.operator
    stranger = replace(operator, key=STRANGER)
    assert world.database.write(lambda tx: site_log.note(tx, stranger, site)) is None
    sql = "UPDATE journal SET turns = 1"
    world.database.write(lambda tx: tx.run(sql))
    assert world.database.write(lambda tx: site_log.note(tx, operator, site)) is None
    world.database.write(lambda tx: tx.run(sql.replace("1", "0")))
    assert world.database.write(lambda tx: site_log.note(tx, operator, site)) is not None


# The replay


def findings(world: World, text: str) -> list[Finding]:
    replay = Replay(world.place.settings.auditor)
    rows = world.database.read(lambda tx: journal.entries_from(tx, 0, 100))
    for index, row in enumerate(rows):
        replay.take(index, row.at, row.text)
    replay.take(len(rows), rows[-1].at, text)
    replay.finish()
    return replay.findings


def test_the_replay_finds_a_list_by_another_key_or_of_another_form(world: World) -> None:
    site = make_site(small_files(), config_of(world))
    good = Web(iat=1, version=site.version, files=site.listed)
    vault, cast = world.place.vault_key, world.cast
    assert findings(world, good.signed(vault)) == []
    for key in (STRANGER, cast.auditor, cast.actors[CITY].key):
        (finding,) = findings(world, good.signed(key))
        assert (finding.index, finding.rule) == (1, "web")
    others: list[dict[str, Json]] = [{"version": "x"}, {"files": []}, {"more": 1}, {"iat": -1}]
    for changed in others:
        text = sign_jws(Web.typ, {**good.plain(), **changed}, vault)
        (finding,) = findings(world, text)
        assert (finding.index, finding.rule) == (1, "web")


def test_a_list_before_any_directory_is_a_finding(world: World) -> None:
    site = make_site(small_files(), config_of(world))
    replay = Replay(world.place.settings.auditor)
    text = Web(iat=1, version=site.version, files=site.listed).signed(world.place.vault_key)
    replay.take(0, 1, text)
    assert [finding.rule for finding in replay.findings] == ["web"]


# Settings and sockets


def test_the_settings_of_a_vault_make_its_page(tmp_path: Path) -> None:
    lists = "https://audit.example/list"
    settings = Settings("vault.example", "https://vault.example", b"\7" * 32, lists)
    make_place(tmp_path / "v", settings, Seeded(b"x"))
    place = open_place(tmp_path / "v")
    assert place.settings == settings
    site = site_of(place)
    assert site is not None
    page = read_page(site.answers["/"].body)
    assert (page.config["lists"], page.config["demo"]) == (lists, False)
    assert (
        "connect-src 'self' https://audit.example;"
        in site.answers["/"].headers["Content-Security-Policy"]
    )
    demo = site_of(place, demo=True)
    assert demo is not None
    assert read_page(demo.answers["/"].body).config["demo"] is True


def test_a_public_url_with_a_path_has_no_page(tmp_path: Path) -> None:
    settings = Settings("vault.example", "https://city.example/vault", b"\7" * 32)
    make_place(tmp_path / "v", settings, Seeded(b"x"))
    assert site_of(open_place(tmp_path / "v")) is None


@pytest.mark.parametrize("line", ["lists = 1", 'lists = "javascript:alert(1)"', 'lists = ""'])
def test_a_list_that_is_no_url_is_refused(tmp_path: Path, line: str) -> None:
    settings = Settings("vault.example", "https://vault.example", b"\7" * 32)
    make_place(tmp_path / "v", settings, Seeded(b"x"))
    with (tmp_path / "v" / "vault.toml").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(BadPlace):
        open_place(tmp_path / "v")


def families() -> list[str]:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return ["127.0.0.1", "::1"]
    return ["127.0.0.1"]


def test_localhost_is_both_families_where_this_machine_has_both() -> None:
    sockets = listen_localhost(0)
    try:
        assert [each.getsockname()[0] for each in sockets] == families()
        assert len({each.getsockname()[1] for each in sockets}) == 1
    finally:
        for each in sockets:
            each.close()


def test_a_port_that_somebody_has_in_one_family_is_not_taken() -> None:
    for host in families():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as taken, pytest.raises(BadPlace):
            listen_localhost(taken.getsockname()[1])


def test_serve_says_what_to_open_and_answers_on_every_localhost(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    make_place(tmp_path / "v", Settings("vault.example", url, b"\7" * 32), Seeded(b"x"))
    words = [sys.executable, "-m", "consent.cli", "serve", str(tmp_path / "v")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            told = json.loads(process.stdout.readline())
            assert told == {"url": url, "open": f"{url}/", "host": "127.0.0.1", "port": port}
            for host in families():
                at = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
                reply = httpx2.get(at, trust_env=False, timeout=20)
                assert (reply.status_code, reply.headers["content-type"][:9]) == (200, "text/html")
                said = read_page(reply.content).config
                assert (said["vault"], said["passkeys"], said["demo"]) == (url, False, False)
        finally:
            process.terminate()
            process.wait(timeout=20)


# The page from one's own machine


def test_the_own_machines_server_serves_the_page_and_nothing_else(world: World) -> None:
    site = make_site(read_files(), config_of(world, own=True))
    with TestClient(make_own(site), base_url="http://localhost:8401") as client:
        for path, sent in site.answers.items():
            reply = client.get(path)
            assert (reply.content, reply.status_code) == (sent.body, 200)
            assert "strict-transport-security" not in reply.headers
        for path in ("/v1/time", "/v1/web", "/log/checkpoint", "/openapi.json", "/metrics"):
            assert client.get(path).status_code == 404
        policy = client.get("/").headers["content-security-policy"]
    assert f"connect-src 'self' {URL};" in policy
