"""What the watch's command does with an alarm: files, webhook, and what outlives a restart."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import httpx2
import pytest

from consent.commands import alerts as alerts_file
from consent.commands import watch as command
from consent.commands.alerts import Alerts
from consent.commands.web import Web, side_by_side
from consent.copies import LOG, Alarm
from consent.evidence import Fork, judge_evidence, read_evidence
from consent.log.tlog_policy import LogPolicy
from consent.terminal import new_app
from consent.watch import Look
from tests.test_evidence import run_app
from tests.test_watch import LOGS_PATH, NOW, URL, Scene, policy_text
from tests.test_watch_web import HEAD, Dripper, Handler, web_of
from vault.errors import BadPlace, Unreachable


@pytest.fixture
def scene() -> Scene:
    return Scene()


def served(scene: Scene) -> Handler:
    def answer(request: httpx2.Request) -> httpx2.Response:
        try:
            body = scene.web.fetch(str(request.url), 1 << 20)
            return httpx2.Response(200, stream=httpx2.ByteStream(body))
        except Unreachable:
            return httpx2.Response(404)

    return answer


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
    alerts = Alerts(
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


def test_forks_of_each_look_are_written_and_told_as_one_alarm(scene: Scene, tmp_path: Path) -> None:
    post = lookout(scene, tmp_path, Hook())
    for count in (9, 10, 11):
        scene.hold("w2.example", scene.log.branch(2).grow(count - 2), size=count)
        for _ in range(2):
            post.look(NOW)
    assert len(lines_of(tmp_path / "alerts.jsonl")) == 1
    written = [path.read_bytes() for path in (tmp_path / "evidence").iterdir()]
    first = {found.first for raw in written if isinstance(found := read_evidence(raw), Fork)}
    assert len(first) == len(written) == 3


def test_forks_without_end_do_not_fill_the_disk(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    post, folder = lookout(scene, tmp_path, Hook()), tmp_path / "evidence"
    with patch.object(alerts_file, "MOST_EVIDENCE", 2):
        for count in (9, 10, 11, 12):
            scene.hold("w2.example", scene.log.branch(2).grow(count - 2), size=count)
            post.look(NOW)
        assert len(list(folder.iterdir())) == 2
        assert capsys.readouterr().err.count("no more is kept") == 1
        scene.hold("w2.example", scene.log, size=7)
        scene.web.tiles.clear()
        post.look(NOW)  # another kind has its own room
    assert len([path for path in folder.iterdir() if path.name.startswith("challenge-")]) == 1


def invalid_lines(scene: Scene, folder: Path) -> list[dict[str, object]]:
    """What is told of a bad cosignature that stands, and then of tiles that are not the log's."""
    post, url = lookout(scene, folder, Hook()), f"{URL}/log/checkpoint"
    scene.web.notes[url] = str(scene.web.notes[url])[:-5] + "AAA=\n"
    post.look(NOW)
    post.look(NOW + 1)
    scene.hold("w2.example", scene.log, size=7)
    scene.web.tiles[f"{URL}/log"] = scene.log.branch(0).grow(12)
    post.look(NOW + 2)
    return [line for line in lines_of(folder / "alerts.jsonl") if line["kind"] == "invalid"]


def test_harmless_alarm_that_stands_hides_no_other(scene: Scene, tmp_path: Path) -> None:
    first, second = invalid_lines(scene, tmp_path)
    assert (first["who"], second["who"]) == (LOG, LOG)
    assert "refusal-forged-" in str(first["evidence"])
    assert [first["at"], second["at"]] == [NOW, NOW + 2]
    judge_evidence(read_evidence(Path(str(second["evidence"])).read_bytes()), scene.log.vkey)


def test_by_kind_and_party_alone_the_second_would_be_hidden(scene: Scene, tmp_path: Path) -> None:
    with patch.object(Alarm, "key", property(lambda alarm: (alarm.kind, alarm.who, ""))):
        assert len(invalid_lines(scene, tmp_path)) == 1
    # What proves it is kept still.
    assert len(list((tmp_path / "evidence").glob("challenge-*"))) == 1


def test_restart_tells_nothing_twice_and_sends_what_waits(scene: Scene, tmp_path: Path) -> None:
    url, alerts = f"https://w2.example/{LOGS_PATH}", tmp_path / "alerts.jsonl"
    held = scene.web.notes.pop(url)
    lookout(scene, tmp_path, Hook(500)).look(NOW)
    memory = tmp_path / "seen.note.alarms"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    assert [list(line) for line in lines_of(memory)] == [["stands"], ["unsent"]]
    lookout(scene, tmp_path, Hook(500)).look(NOW + 1)
    assert len(lines_of(alerts)) == 1
    hook = Hook()
    lookout(scene, tmp_path, hook).look(NOW + 2)
    assert hook.got == lines_of(alerts)
    scene.web.notes[url] = held
    last = Hook()
    lookout(scene, tmp_path, last).look(NOW + 3)
    assert [(line["who"], line["ended"]) for line in last.got] == [("w2.example", True)]
    assert memory.read_bytes() == b""


def test_without_its_memory_a_restart_would_tell_again_and_lose_what_waits(
    scene: Scene, tmp_path: Path
) -> None:
    scene.web.notes.pop(f"https://w2.example/{LOGS_PATH}")
    lookout(scene, tmp_path, Hook(500)).look(NOW)
    (tmp_path / "seen.note.alarms").unlink()
    hook = Hook()
    lookout(scene, tmp_path, hook).look(NOW + 1)
    assert [line["at"] for line in hook.got] == [NOW + 1]
    assert len(lines_of(tmp_path / "alerts.jsonl")) == 2


def test_fork_that_stood_before_a_restart_does_not_end(scene: Scene, tmp_path: Path) -> None:
    scene.hold("w2.example", scene.log.branch(2).grow(10), size=12)
    lookout(scene, tmp_path, Hook()).look(NOW)
    scene.hold("w2.example", scene.log)
    hook = Hook()
    assert lookout(scene, tmp_path, hook).look(NOW + 1)[1] == []
    assert hook.got == []


def test_memory_takes_any_words_and_refuses_another_file(scene: Scene, tmp_path: Path) -> None:
    post = lookout(scene, tmp_path, Hook(500))
    odd = Alarm(NOW, "invalid", LOG, "a\u2028b\x85c\n\x1d", what="checkpoint bad-shape")
    post.standing.take(Look(NOW, None, (odd,), None))
    post.memory.save(post.standing, post.alerts)
    again = lookout(scene, tmp_path, Hook())
    assert list(again.standing.alarms.values()) == [odd]
    for raw in ("x", '{"stands":1}', "[]"):
        (tmp_path / "seen.note.alarms").write_text(raw, encoding="utf-8")
        with pytest.raises(BadPlace, match="no file of alarms"):
            lookout(scene, tmp_path, Hook())


def test_witness_that_drips_delays_no_other_alarm(scene: Scene, tmp_path: Path) -> None:
    dripper = Dripper(HEAD)
    with httpx2.Client(trust_env=False) as http:
        web = Web(http, 0.2)

        def fetch(url: str, limit: int) -> bytes:
            slow = url.startswith("https://w1.example")
            return web.fetch(dripper.url, limit) if slow else scene.web.fetch(url, limit)

        scene.hold("w2.example", scene.log.branch(2).grow(10), size=12)
        watch = replace(scene.watch, fetch=fetch, ask_all=side_by_side)
        look = watch.look(NOW)
    dripper.close()
    assert ("missing", "w1.example") in [(alarm.kind, alarm.who) for alarm in look.alarms]
    assert look.alarms[0].kind == "forked"


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
    code, out, _ = desk.run("--once", "--json", "--evidence", desk.folder / "elsewhere")
    (alarm,) = json.loads(out)["alarms"]
    assert (code, alarm["kind"]) == (1, "forked")
    assert Path(alarm["evidence"]).parent == desk.folder / "elsewhere"
    judge_evidence(read_evidence(Path(alarm["evidence"]).read_bytes()), desk.scene.log.vkey)
    beside = desk.folder / "evidence"
    code, out, _ = desk.run("--once", locale="zh_CN.UTF-8")
    assert (code, "警报：1" in out, "forked (出现两种历史)" in out) == (1, True, True)
    assert f"；证据：{beside}/fork-" in out
    assert f"; evidence: {beside}/fork-" in desk.run("--once")[1]


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
