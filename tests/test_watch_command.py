"""What the watch's command does with an alarm: files, webhook; and servers that mean no good."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import httpx2
import pytest

from consent.commands import watch as command
from consent.copies import LOG, Alarm
from consent.evidence import judge_evidence, read_evidence
from consent.log.tlog_policy import LogPolicy
from consent.terminal import new_app
from consent.watch import Look
from tests.test_evidence import run_app
from tests.test_watch import LOGS_PATH, NOW, URL, Scene, policy_text
from vault.errors import BadPlace, Unreachable


@pytest.fixture
def scene() -> Scene:
    return Scene()


Handler = Callable[[httpx2.Request], httpx2.Response]


def web_of(handler: Handler, clock: Callable[[], float] = lambda: 0.0) -> command.Web:
    return command.Web(httpx2.Client(transport=httpx2.MockTransport(handler)), clock)


def served(scene: Scene) -> Handler:
    def answer(request: httpx2.Request) -> httpx2.Response:
        try:
            body = scene.web.fetch(str(request.url), 1 << 20)
            return httpx2.Response(200, stream=httpx2.ByteStream(body))
        except Unreachable:
            return httpx2.Response(404)

    return answer


class Endless(httpx2.SyncByteStream):
    """A body without an end; how many parts were read of it."""

    def __init__(self) -> None:
        self.parts = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.parts += 1
            yield b"x" * 1000


def test_body_without_an_end_is_cut_at_the_limit() -> None:
    endless = Endless()
    web = web_of(lambda _: httpx2.Response(200, stream=endless))
    with pytest.raises(Unreachable, match="more than 5000 bytes"):
        web.fetch("https://w1.example", 5000)
    assert endless.parts == 6


def test_body_that_trickles_is_cut_in_time() -> None:
    endless, seconds = Endless(), iter(range(0, 1000, 7))
    web = web_of(lambda _: httpx2.Response(200, stream=endless), lambda: float(next(seconds)))
    with pytest.raises(Unreachable, match="too slowly"):
        web.fetch("https://w1.example", 1 << 30)
    assert endless.parts == 5


def test_packed_body_is_refused_and_not_asked_for() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers["accept-encoding"])
        return httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=Endless())

    with pytest.raises(Unreachable, match="packed"):
        web_of(answer).fetch("https://w1.example", 5000)
    assert asked == ["identity"]


@pytest.mark.parametrize("status", [204, 301, 302, 307, 404, 500])
def test_redirect_or_error_is_no_answer_and_is_not_followed(status: int) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(status, headers={"location": "https://inside.example/"})

    web = web_of(answer)
    with pytest.raises(Unreachable):
        web.fetch("https://w1.example/", 5000)
    if status >= 300:
        with pytest.raises(Unreachable, match=str(status)):
            web.post("https://hook.example/", {})
    assert "https://inside.example/" not in asked


@pytest.mark.parametrize("url", ["w1.example/x", "ftp://w1.example", "https://[", "", "http://"])
def test_url_of_no_server_is_unreachable(url: str) -> None:
    with command.Web()._http as http:  # its own client, which opens nothing here
        with pytest.raises(Unreachable):
            command.Web(http).fetch(url, 10)
        with pytest.raises(Unreachable):
            command.Web(http).post(url, {})


def test_lost_connection_is_unreachable() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("slow", request=request)

    with pytest.raises(Unreachable, match="ReadTimeout"):
        web_of(answer).fetch("https://w1.example", 10)
    with pytest.raises(Unreachable, match="ReadTimeout"):
        web_of(answer).post("https://w1.example", {})


@dataclass
class Hook:
    """A webhook that answers as it is told, and what it got."""

    status: int = 200
    got: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.status == 200:
            self.got.append(json.loads(request.read()))
        return httpx2.Response(self.status)


def lookout(scene: Scene, folder: Path, hook: Hook) -> command.Lookout:
    alerts = command.Alerts(
        folder / "evidence", folder / "alerts.jsonl", "https://hook.example/", web_of(hook)
    )
    return command.Lookout(scene.watch, folder / "seen.note", alerts)


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_fork_is_written_told_and_sent(scene: Scene, tmp_path: Path) -> None:
    hook = Hook()
    post = lookout(scene, tmp_path, hook)
    post.look(NOW)
    assert not (tmp_path / "alerts.jsonl").exists()
    scene.hold("w2.example", scene.log.branch(2).grow(10), size=12)
    post.look(NOW + 1)
    post.look(NOW + 2)
    (line,) = lines_of(tmp_path / "alerts.jsonl")
    assert hook.got == [line]
    assert (line["at"], line["kind"], line["ended"]) == (NOW + 1, "forked", False)
    (file,) = (tmp_path / "evidence").iterdir()
    assert line["evidence"] == str(file)
    judge_evidence(read_evidence(file.read_bytes()), scene.log.vkey)


def test_end_of_an_alarm_is_told_and_sent(scene: Scene, tmp_path: Path) -> None:
    hook, url = Hook(), f"https://w2.example/{LOGS_PATH}"
    post = lookout(scene, tmp_path, hook)
    held = scene.web.notes.pop(url)
    for at in (NOW, NOW + 1):
        post.look(at)
    scene.web.notes[url] = held
    post.look(NOW + 2)
    told = [(line["at"], line["who"], line["ended"]) for line in hook.got]
    assert told == [(NOW, "w2.example", False), (NOW + 2, "w2.example", True)]
    assert lines_of(tmp_path / "alerts.jsonl") == hook.got


@pytest.mark.parametrize("status", [500, 302])
def test_webhook_that_fails_gets_it_at_the_next_look(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    hook = Hook(status)
    post = lookout(scene, tmp_path, hook)
    scene.web.notes.pop(f"https://w2.example/{LOGS_PATH}")
    post.look(NOW)
    assert f"1 alarms wait: the webhook answers {status}" in capsys.readouterr().err
    assert len(lines_of(tmp_path / "alerts.jsonl")) == 1
    hook.status = 200
    post.look(NOW + 1)
    post.look(NOW + 2)
    assert [line["who"] for line in hook.got] == ["w2.example"]


def test_state_and_alerts_are_their_owners_only(scene: Scene, tmp_path: Path) -> None:
    scene.web.notes.pop(f"https://w2.example/{LOGS_PATH}")
    lookout(scene, tmp_path, Hook()).look(NOW)
    for name in ("seen.note", "alerts.jsonl"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_state_never_goes_back(scene: Scene, tmp_path: Path) -> None:
    state, post = tmp_path / "seen.note", lookout(scene, tmp_path, Hook())
    post.look(NOW)
    first = state.read_text(encoding="utf-8")
    scene.show(scene.log, size=9)
    post.look(NOW + 1)
    assert state.read_text(encoding="utf-8") == first
    scene.show(scene.log.branch(3).grow(30))
    post.look(NOW + 2)
    assert state.read_text(encoding="utf-8") == first
    scene.show(scene.log.grow(5))
    post.look(NOW + 3)
    assert state.read_text(encoding="utf-8").split("\n")[1] == "17"


def test_alert_file_that_cannot_be_written_ends_the_watch(scene: Scene, tmp_path: Path) -> None:
    scene.web.notes.pop(f"https://w2.example/{LOGS_PATH}")
    post = lookout(scene, tmp_path, Hook())
    post.alerts.file = tmp_path / "none" / "alerts.jsonl"
    with pytest.raises(BadPlace):
        post.look(NOW)


APP = new_app("Audit.")
APP.command("watch")(command.watch)
APP.callback()(lambda: None)


@dataclass
class Desk:
    """The command over a scene; its clock stands."""

    scene: Scene
    folder: Path

    def run(self, *words: object, locale: str = "C.UTF-8") -> tuple[int, str, str]:
        policy = self.folder / "log.policy"
        policy.write_text(policy_text(self.scene.log), encoding="utf-8")
        web = web_of(served(self.scene))
        words = ("watch", URL, "--policy", policy, "--state", self.folder / "seen", *words)
        with (
            patch.object(command, "Web", lambda: web),
            patch("time.time", lambda: float(NOW)),
        ):
            said = run_app(APP, *words, locale=locale)
        return said.code, said.out, said.err


@pytest.fixture
def desk(scene: Scene, tmp_path: Path) -> Desk:
    return Desk(scene, tmp_path)


def test_once_ends_with_0_when_all_is_well(desk: Desk) -> None:
    code, out, _ = desk.run("--once")
    assert (code, out) == (0, "2026-01-01T00:00:00Z  12 entries, alarms: none\n")
    assert desk.run("--once", "--json")[1] == (
        f'{{"at": {NOW}, "size": 12, "alarms": [], "ended": []}}\n'
    )


def test_once_ends_with_1_on_alarm_and_names_the_evidence(desk: Desk) -> None:
    desk.scene.hold("w2.example", desk.scene.log.branch(2).grow(10), size=12)
    folder = desk.folder / "evidence"
    code, out, _ = desk.run("--once", "--json", "--evidence", folder)
    (alarm,) = json.loads(out)["alarms"]
    assert (code, alarm["kind"]) == (1, "forked")
    judge_evidence(read_evidence(Path(alarm["evidence"]).read_bytes()), desk.scene.log.vkey)
    code, out, _ = desk.run("--once", locale="zh_CN.UTF-8")
    assert "警报：1" in out
    assert "forked (出现两种历史)" in out


def test_watch_looks_until_it_is_stopped(desk: Desk) -> None:
    url, looks = f"https://w2.example/{LOGS_PATH}", list[int]()
    held = desk.scene.web.notes.pop(url)

    def pause(seconds: float) -> None:
        looks.append(int(seconds))
        desk.scene.web.notes[url] = held
        if len(looks) == 3:
            raise KeyboardInterrupt

    alerts = desk.folder / "alerts.jsonl"
    with patch.object(command.keep_watch, "__defaults__", (pause,)):
        code, out, _ = desk.run("--every", 7, "--alert", alerts)
    assert (code, looks) == (0, [7, 7, 7])
    lines = out.splitlines()
    assert [line.split(", ")[-1] for line in lines if "entries" in line] == [
        "alarms: 1",
        "alarms: none",
        "alarms: none",
    ]
    assert [line for line in lines if line.startswith("  over: missing")]
    assert [line["ended"] for line in lines_of(alerts)] == [False, True]


def test_policy_that_cannot_be_read_is_refused(desk: Desk) -> None:
    with patch.object(command, "read_policy", lambda _: LogPolicy()):
        code, _, err = desk.run("--once")
    assert (code, "bad-place" in err) == (1, True)


def test_alarm_is_plain_json() -> None:
    alarm = Alarm(NOW, "missing", LOG, "gone")
    assert alarm.plain("x.json") == {
        "at": NOW, "kind": "missing", "who": "log", "detail": "gone", "evidence": "x.json",
    }  # fmt: skip


def test_every_kind_has_its_words() -> None:
    look = Look(NOW, None, tuple(Alarm(NOW, kind, LOG, "…") for kind in command.WORDS), None)
    assert len(command.line_of(look, "zh-CN").split("\n")) == 6
    assert "the log: …" in command.line_of(look, "en")
