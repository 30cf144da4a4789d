"""A watch over a log that turns: it says so once, and goes on with the log that the turn names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consent.commands import watch as command
from consent.commands import web as http
from consent.commands.alerts import Alerts
from consent.copies import LOG
from consent.evidence import Fork, judge_evidence, read_evidence
from consent.log.refusal import Refusal
from consent.log.tlog_policy import policy_of
from consent.succession import HIDDEN, Succession, suffix_of
from consent.terminal import new_app
from consent.turns import Turn
from consent.watch import Look, Watch
from tests.listing import AUDITOR
from tests.test_evidence import run_app
from tests.test_policy import W1, WALL
from tests.turned_scene import FIRST, Book, Scene, follow
from vault.crypto.keys import SigningKey
from vault.encoding import Json, b64u, compact_json
from vault.errors import BadPlace, NotFound, Unreachable

URL = "https://vault.example"
APP = new_app("Trial.")
APP.command("watch")(command.watch)
APP.callback()(lambda: None)
STRANGER = SigningKey(b"\x77" * 32)


@dataclass
class Web:
    """A vault that shows the scene's first so many logs; `notes` are checkpoints of its own."""

    scene: Scene
    shown: int = 1
    size: int | None = None
    notes: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] | None = None
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str, limit: int) -> bytes:
        path = url.removeprefix(URL)
        self.asked.append(path)
        found = self._answer(path)
        assert len(found) <= limit
        return found

    def _answer(self, path: str) -> bytes:
        books = self.scene.books[: self.shown]
        if self.silent and path.startswith("/v1"):
            raise Unreachable("the line is dead")
        if path in self.notes:
            return self.notes[path].encode()
        if path == "/v1/log":
            return compact_json({"origin": books[-1].origin, "size": len(books[-1].texts)})
        if path == "/v1/directory":
            turns = self.scene.turns[: self.shown - 1] if self.turns is None else self.turns
            told: Mapping[str, Json] = {"turns": [turn.plain() for turn in turns]}
            return compact_json({"directory": "x", "proof": "y", **(told if turns else {})})
        for book in books:
            if path == "/log" + book.origin.removeprefix(FIRST) + "/checkpoint":
                return book.note(self.size if book is books[-1] else None).encode()
        try:
            return self.scene.raw(path)
        except (AssertionError, NotFound) as lost:
            raise Unreachable(path) from lost


@pytest.fixture
def web() -> Web:
    return Web(Scene(W1))


def watch_of(web: Web, book: Book | None = None) -> Watch:
    one = book or web.scene.one
    policy = policy_of(one.vkey, [W1.vkey], 1)
    suffix = suffix_of(one.origin, URL)
    return Watch(policy, one.vkey, f"{URL}/log{suffix}", web.fetch, suffix=suffix)


def chain_of(web: Web, *auditors: bytes) -> Succession:
    return Succession(watch_of(web), auditors or (AUDITOR.public,))


def again(web: Web, chain: Succession, *auditors: bytes) -> Succession:
    """The same watch after a restart."""
    fresh = chain_of(web, *auditors)
    fresh.restore(chain.kept)
    return fresh


def told(look: Look) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.who) for alarm in (*look.alarms, *look.turned)]


def turned(look: Look) -> list[str]:
    return [alarm.detail for alarm in look.turned]


def test_watch_says_once_that_the_log_turned_and_goes_on_with_the_next(web: Web) -> None:
    chain, scene = chain_of(web), web.scene
    web.size = 3
    before = chain.look(WALL)
    assert (told(before), before.size) == ([], 3)
    web.shown, web.size = 2, None
    at = chain.look(WALL, before.kept)
    assert at.alarms == ()
    assert turned(at) == [f"it ended with 4 entries, and {FIRST}/2027 goes on"]
    assert (at.size, at.kept) == (4, scene.two.note())
    for again in (chain.look(WALL, at.kept), chain_of(web).look(WALL, at.kept)):
        assert (told(again), again.size, again.kept) == ([], 4, scene.two.note())


def test_several_turns_are_followed_in_one_look(web: Web) -> None:
    web.size = 2
    before = chain_of(web).look(WALL)
    web.shown, web.size = 3, None
    at = chain_of(web).look(WALL, before.kept)
    assert [detail.rpartition(", and ")[2] for detail in turned(at)] == [
        f"{FIRST}/2027 goes on",
        f"{FIRST}/2028 goes on",
    ]
    assert (at.alarms, at.size, at.kept) == ((), 2, web.scene.three.note())


def test_fresh_watch_begins_with_the_log_that_goes_on_and_says_so(web: Web) -> None:
    web.shown = 2
    chain = chain_of(web)
    look = chain.look(WALL)
    assert (told(look), look.size) == ([("turned", LOG)], 4)
    assert told(chain.look(WALL, look.kept)) == []


def test_watch_that_pins_a_later_log_goes_on_from_there(web: Web) -> None:
    chain = Succession(watch_of(web, web.scene.two), (AUDITOR.public,))
    web.shown = 2
    before = chain.look(WALL)
    assert (told(before), before.size) == ([], 4)
    web.shown = 3
    assert turned(chain.look(WALL, before.kept)) == [
        f"it ended with 4 entries, and {FIRST}/2028 goes on"
    ]


def test_log_that_ended_long_ago_is_not_stale(web: Web) -> None:
    before = chain_of(web).look(WALL)
    web.shown, later = 2, WALL + 10**7
    web.notes["/log/2027/checkpoint"] = web.scene.two.note(at=later)
    look = chain_of(web).look(later, before.kept)
    assert [alarm.kind for alarm in look.alarms] == []
    assert len(look.turned) == 1
    web.notes.clear()
    assert [a.kind for a in chain_of(web).look(later, look.kept).alarms] == ["stale"]  # this one is


def test_between_turn_and_closing_the_watch_stays(web: Web) -> None:
    chain, before = chain_of(web), web.scene.one.note(3)
    web.notes["/v1/log"] = json.dumps({"origin": web.scene.two.origin})
    look = chain.look(WALL, before)
    assert (told(look), look.size) == ([], 4)


def test_vault_that_does_not_say_where_the_log_went_is_watched_as_before(web: Web) -> None:
    web.silent = True
    look = chain_of(web).look(WALL, web.scene.one.note(3))
    assert (told(look), look.size) == ([], 4)
    web.shown = 2
    lost = chain_of(web).look(WALL, web.scene.two.note())  # of which log, only the vault says
    assert (told(lost), lost.size, lost.kept) == ([("missing", LOG)], None, web.scene.two.note())
    web.silent = False
    assert told(chain_of(web).look(WALL, web.scene.two.note())) == []
    with pytest.raises(BadPlace):
        chain_of(web).look(WALL, Book("other.example/log", W1).note())


# A vault that goes back, or hides where its log went


@pytest.mark.parametrize("restarted", [False, True])
def test_vault_that_goes_back_to_the_log_before_is_an_alarm_with_evidence(
    web: Web, restarted: bool
) -> None:
    chain, scene, web.shown = chain_of(web), web.scene, 2
    kept = chain.look(WALL).kept
    chain = again(web, chain) if restarted else chain
    assert told(chain.look(WALL, kept)) == []  # the control
    web.shown = 1
    look = chain.look(WALL, kept)
    assert told(look) == [("shrunk", LOG), ("missing", LOG)]
    assert look.kept == kept
    found = look.alarms[0].evidence
    assert isinstance(found, Refusal)
    judge_evidence(found, scene.two.vkey)
    assert (found.note, found.known, found.at) == (scene.one.note(), kept, WALL)


def test_vault_that_goes_back_is_an_alarm_to_a_watch_that_lost_its_turns(web: Web) -> None:
    web.shown = 2
    kept = chain_of(web).look(WALL).kept
    web.shown = 1
    look = chain_of(web).look(WALL, kept)
    assert (told(look), look.size, look.kept) == ([("shrunk", LOG)], None, kept)
    web.shown, web.turns = 2, []
    assert told(chain_of(web).look(WALL, kept)) == [("missing", LOG)]


@pytest.mark.parametrize("how", ["no turn", "no word", "no quorum"])
def test_hidden_turn_is_an_alarm_after_an_hour_also_over_a_restart(web: Web, how: str) -> None:
    scene, web.shown = web.scene, 2
    chain, kept = chain_of(web), scene.one.note(4)
    proof = scene.one.proof(scene.turn.text, silent=True)
    web.turns = [Turn(directory=scene.turn.text, proof=proof)] if how == "no quorum" else []
    web.silent = how == "no word"
    assert told(chain.look(WALL, kept)) == []
    assert told(again(web, chain).look(WALL + HIDDEN - 1, kept)) == []
    late = again(web, chain)
    assert told(late.look(WALL + HIDDEN, kept)) == [("missing", LOG)]
    web.turns, web.silent = None, False
    assert late.look(WALL + HIDDEN, kept).alarms == ()
    assert late.since is None


def test_log_that_grows_after_its_turn_is_an_alarm_while_the_next_one_goes_on(web: Web) -> None:
    scene, web.shown = web.scene, 2
    chain, web.turns = chain_of(web), scene.turns[:1]
    kept = chain.look(WALL).kept
    assert chain.look(WALL, kept).alarms == ()  # the control
    scene.one.add("grant beyond the end")
    look = again(web, chain).look(WALL, kept)
    assert (told(look), look.size, look.kept) == ([("invalid", LOG)], 4, kept)
    assert f"{FIRST}, which ended: it turned with 4 entries, and shows 5" in look.alarms[0].detail


def test_watch_with_a_pinned_auditor_takes_that_auditors_turns_alone(web: Web) -> None:
    scene, web.shown = web.scene, 2
    evil = Book(f"{FIRST}/evil", W1)
    turn = follow(scene.first, STRANGER, log=evil.entry)
    scene.one.texts[-1] = turn.text
    scene.two = evil
    evil.add("anything")
    web.turns = [Turn(directory=turn.text, proof=scene.one.proof(turn.text))]
    look = chain_of(web).look(WALL)
    assert (told(look), look.size) == ([("invalid", LOG)], 4)
    assert "not signed by the pinned auditor" in look.alarms[0].detail
    unpinned = Succession(watch_of(web))
    (line,) = unpinned.look(WALL).turned
    assert f"{FIRST}/evil goes on; who signed the turn was not checked" in line.detail
    # What was followed before the auditor was pinned counts no more.
    assert (unpinned.ends != [], again(web, unpinned).ends) == (True, [])


def test_turns_that_were_kept_in_no_form_are_refused(web: Web) -> None:
    with pytest.raises(BadPlace, match="kept of turns"):
        chain_of(web).restore("no json")


# Lies


def test_turn_that_is_not_the_last_entry_is_not_followed(web: Web) -> None:
    one = web.scene.one
    web.shown = 2
    one.add("more")
    proof = one.proof(web.scene.turn.text)
    web.turns = [Turn(directory=web.scene.turn.text, proof=proof)]
    look = chain_of(web).look(WALL, one.note(3))
    assert (told(look), look.size) == ([("invalid", LOG)], 5)
    assert "not its last entry" in look.alarms[0].detail


def test_log_that_goes_on_after_its_turn_is_an_alarm(web: Web) -> None:
    scene, web.shown = web.scene, 2
    web.turns = scene.turns[:1]
    kept = scene.one.note(3)
    scene.one.add("more")
    look = chain_of(web).look(WALL, kept)
    assert told(look) == [("invalid", LOG)]
    assert "turned with 4 entries, and shows 5" in look.alarms[0].detail


def test_turn_in_another_tree_than_the_log_shows_is_a_fork(web: Web) -> None:
    scene, web.shown = web.scene, 2
    web.turns, kept = scene.turns[:1], scene.one.note(2)
    scene.one.texts[2] = "another"
    look = chain_of(web).look(WALL, kept)
    (alarm,) = look.alarms
    assert (alarm.kind, look.turned) == ("forked", ())
    assert isinstance(alarm.evidence, Fork)
    judge_evidence(alarm.evidence, scene.one.vkey)


@pytest.mark.parametrize("lie", ["key", "text", "nobody"])
def test_turn_that_is_not_proved_is_not_followed(web: Web, lie: str) -> None:
    scene, web.shown = web.scene, 2
    kept = scene.one.note(3)
    turn = scene.turns[0]
    other = Book(FIRST, W1)
    other.key = STRANGER
    other.add(*scene.one.texts)
    web.turns = {
        "key": [Turn(directory=turn.directory, proof=other.proof(turn.directory))],
        "text": [Turn(directory=scene.turn_2.text, proof=turn.proof)],
        "nobody": [
            Turn(directory=turn.directory, proof=scene.one.proof(turn.directory, silent=True))
        ],
    }[lie]
    look = chain_of(web).look(WALL, kept)
    # Without the quorum it may come yet; the others are no proof at all.
    assert told(look) == ([] if lie == "nobody" else [("invalid", LOG)])
    assert (look.size, look.kept) == (4, scene.one.note())
    web.turns = None
    assert len(chain_of(web).look(WALL, kept).turned) == 1  # the control


def test_next_log_counts_under_the_key_of_the_turn_alone(web: Web) -> None:
    scene, web.shown = web.scene, 2
    other = Book(scene.two.origin, W1)
    other.key = STRANGER
    other.add(*scene.two.texts)
    web.notes["/log/2027/checkpoint"] = other.note()
    look = chain_of(web).look(WALL, scene.one.note(3))
    assert told(look) == [("invalid", LOG), ("turned", LOG)]
    assert (look.size, look.kept) == (None, scene.one.note())


def test_second_log_that_forks_is_told_with_evidence(web: Web) -> None:
    scene, web.shown = web.scene, 2
    kept = scene.two.note()
    scene.two.texts[2] = "another"
    (alarm,) = chain_of(web).look(WALL, kept).alarms
    assert alarm.kind == "forked"
    assert alarm.evidence is not None
    judge_evidence(alarm.evidence, scene.two.vkey)


# The command


def test_alert_file_gets_one_line_of_a_turn(web: Web, tmp_path: Path) -> None:
    alerts = Alerts(None, tmp_path / "alerts.jsonl")
    lookout = command.Lookout(watch_of(web), tmp_path / "seen.note", alerts)
    lookout.look(WALL)
    web.shown = 2
    look, ended = lookout.look(WALL)
    lookout.look(WALL)
    again = command.Lookout(watch_of(web), tmp_path / "seen.note", alerts)
    again.look(WALL)
    lines = (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["turned"]
    assert (look.alarms, ended) == ((), [])
    assert (tmp_path / "seen.note").read_text("utf-8") == web.scene.two.note()
    assert "turned (another log goes on), the log: it ended" in command.line_of(look, "en")
    assert "turned（" not in command.line_of(look, "zh-CN")
    assert "由下一个日志接续" in command.line_of(look, "zh-CN")


def test_unturned_vault_ends_no_watch_and_is_told_with_its_evidence(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code, alert file, webhook and evidence, by a watch that starts anew each time."""
    hook = list[dict[str, Json]]()
    monkeypatch.setattr(http.Web, "post", lambda _, url, told: hook.append(told))
    monkeypatch.setattr(http.Web, "fetch", lambda _, url, most: web.fetch(url, most))
    monkeypatch.setattr("time.time", lambda: float(WALL))
    policy, alerts = tmp_path / "log.policy", tmp_path / "alerts.jsonl"
    policy.write_text(f"log {web.scene.one.vkey}\nwitness W {W1.vkey}\nquorum W\n", "utf-8")
    words = [URL, "--policy", policy, "--state", tmp_path / "seen.note", "--alert", alerts]
    words += ["--webhook", "https://hook.example/", "--auditor", b64u(AUDITOR.public), "--once"]

    def once() -> int:
        return run_app(APP, "watch", *words).code

    web.shown = 2
    assert once() == 0
    web.shown = 1
    assert (once(), once()) == (1, 1)
    lines = [json.loads(line) for line in alerts.read_text("utf-8").splitlines()]
    assert [line["kind"] for line in lines] == ["turned", "shrunk", "missing"]
    assert hook == lines
    found = read_evidence(Path(lines[1]["evidence"]).read_bytes())
    judge_evidence(found, web.scene.two.vkey)
    web.shown = 2
    assert once() == 0


def test_suffix_is_what_stands_after_the_first_logs_name() -> None:
    assert suffix_of("vault.example/log", URL) == ""
    assert suffix_of("vault.example/log/2027", URL) == "/2027"
    for other in ("vault.example/log/x/y", "other.example/log/2027", "vault.example/log2"):
        assert suffix_of(other, URL) == ""
