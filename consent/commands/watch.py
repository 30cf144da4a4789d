"""``carbonvault audit watch``: a log looked at again and again, and what is said of each look.

    2026-01-01T00:00:00Z  12 entries, alarms: 1
      forked (two histories), the log / w1.example: …; evidence: evidence/fork-5d41402abc4b2a76.json

An alarm is told to file and webhook when it begins and when it ends, not at each look (alerts.py).
Its evidence is written each time. When the log turned into another one, a line of kind "turned"
says so once, and the watch goes on with that one: no alarm. `<state>.turns` holds the turns that
were followed, so that a vault which goes back is known after a restart too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from consent.commands.alerts import Alerts, Memory
from consent.commands.web import Web, side_by_side
from consent.copies import LOG, Alarm, Kind
from consent.log.tlog_policy import read_policy
from consent.place import read_text, replace_file
from consent.succession import Succession, suffix_of
from consent.terminal import REFUSED, JsonOut, own_locale, spoken, write_json
from consent.watch import Look, Standing, Watch, log_of
from vault.encoding import Json, unb64u
from vault.errors import BadPlace, Locale

WORDS: dict[Kind, dict[Locale, str]] = {
    "forked": {"en": "two histories", "zh-CN": "出现两种历史"},
    "shrunk": {"en": "went back", "zh-CN": "内容减少"},
    "invalid": {"en": "not valid", "zh-CN": "无效"},
    "stale": {"en": "out of date", "zh-CN": "已过时"},
    "missing": {"en": "not to be had", "zh-CN": "无法取得"},
}

TURNED: dict[Locale, str] = {"en": "another log goes on", "zh-CN": "由下一个日志接续"}


@dataclass
class Lookout:
    """A standing watch: looks, remembers, tells."""

    watch: Watch
    state: Path
    alerts: Alerts
    auditors: tuple[bytes, ...] = ()
    standing: Standing = field(default_factory=Standing)
    succession: Succession = field(init=False)
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the pinned log, its turns and the alarms that stood; raises BadPlace."""
        self.succession = Succession(self.watch, self.auditors)
        if kept := read_text(self._turns):
            self.succession.restore(kept)
        self.memory = Memory(self.state.with_name(self.state.name + ".alarms"))
        self.memory.load(self.standing, self.alerts)

    @property
    def _turns(self) -> Path:
        return self.state.with_name(self.state.name + ".turns")

    def look(self, at: int) -> tuple[Look, list[Alarm]]:
        """Return one look at unix seconds `at`, and the alarms that ended; raises BadPlace."""
        before = read_text(self.state)
        self.alerts.web.renew()
        look = self.succession.look(at, before)
        begun, ended = self.standing.take(look)
        self.alerts.tell([*begun, *look.turned], ended, at)
        for alarm in look.alarms:
            self.alerts.keep(alarm)
        self.memory.save(self.standing, self.alerts)
        self.alerts.send()
        self.memory.save(self.standing, self.alerts)
        self._keep_turns()  # before the note of the log after them
        if look.kept is not None and look.kept != before:
            replace_file(self.state, look.kept.encode("utf-8"))
        return look, ended

    def _keep_turns(self) -> None:
        now, before = self.succession.kept, read_text(self._turns)
        if now != (before or Succession(self.watch).kept):
            replace_file(self._turns, now.encode("utf-8"))


@spoken
def watch(
    url: Annotated[str, typer.Argument(help="The vault's URL; its log is at URL/log.")],
    policy: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Log, witnesses, quorum: tlog-policy.")
    ],
    state: Annotated[
        Path, typer.Option(dir_okay=False, help="What was seen; made when new, mode 0600.")
    ],
    every: Annotated[int, typer.Option(min=1, help="Seconds between two looks.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="Look once; exit code 1 on alarm.")] = False,
    evidence_folder: Annotated[
        Path | None,
        typer.Option("--evidence", file_okay=False, help="Else: `evidence` beside the state."),
    ] = None,
    alert: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File that gets a line for each alarm.")
    ] = None,
    webhook: Annotated[str, typer.Option(help="URL that gets each alarm as JSON.")] = "",
    stale: Annotated[
        int, typer.Option(min=1, help="Seconds after which cosignatures are old.")
    ] = 86_400,
    mirror: Annotated[
        list[str] | None, typer.Option(help="URL of a mirror's tiles; once for each.")
    ] = None,
    auditor: Annotated[
        list[str] | None,
        typer.Option(help="The auditor's public key, who must sign a turn; may be repeated."),
    ] = None,
    json_out: JsonOut = False,
) -> None:
    """Look at a log and at what its witnesses hold; tell when they do not go together.

    Without --once it runs until it is stopped, and tells alarms by --alert and --webhook, not by
    its exit code. Keep the evidence files: they prove a fork. A log that turned is followed, with
    --auditor where the auditor signed the turn.

    Example: carbonvault audit watch https://vault.example --policy log.policy --state seen.note
    """
    found, web, base = read_policy(_bytes_of(policy)), Web(), url.rstrip("/")
    mirrors = tuple(each.rstrip("/") for each in mirror or ())
    auditors = tuple(unb64u(each, 32) for each in auditor or ())
    log = log_of(found, base)
    suffix = suffix_of(log.name, base)
    prefix = f"{base}/log{suffix}"
    folder = evidence_folder or state.with_name("evidence")
    lookout = Lookout(
        Watch(found, log, prefix, web.fetch, stale, mirrors, suffix, side_by_side),
        state,
        Alerts(folder, alert, webhook, web),
        auditors,
    )
    if not once:
        keep_watch(lookout, every, json_out)
        return
    look, ended = lookout.look(int(time.time()))
    _tell(lookout, look, ended, json_out)
    raise typer.Exit(REFUSED if look.alarms else 0)


def keep_watch(
    lookout: Lookout, every: int, json_out: bool, pause: Callable[[float], None] = time.sleep
) -> None:
    """Look again and again, `every` so many seconds, until interrupted."""
    try:
        while True:
            _tell(lookout, *lookout.look(int(time.time())), json_out)
            pause(every)
    except KeyboardInterrupt:
        return


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as bad:
        raise BadPlace(f"cannot read {path}: {bad.strerror}") from bad


def _tell(lookout: Lookout, look: Look, ended: list[Alarm], json_out: bool) -> None:
    keep, locale = lookout.alerts.keep, own_locale()
    if json_out:
        alarms: list[Json] = [alarm.plain(keep(alarm)) for alarm in look.alarms]
        over: list[Json] = [alarm.plain() for alarm in ended]
        turned: dict[str, Json] = {"turned": [one.plain() for one in look.turned]}
        told: dict[str, Json] = {"at": look.at, "size": look.size, "alarms": alarms, "ended": over}
        write_json(told | turned if look.turned else told)
        return
    typer.echo(line_of(look, locale, keep))
    for alarm in ended:
        over_word = {"en": "over", "zh-CN": "已结束"}[locale]
        typer.echo(f"  {over_word}: {_words(alarm, locale)}")


def line_of(
    look: Look, locale: Locale, keep: Callable[[Alarm], str | None] = lambda _: None
) -> str:
    """Return what a person reads of one look: a line, and one more for each alarm.

    `keep` gives the file of an alarm's evidence.
    """
    when = datetime.fromtimestamp(look.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    size = "-" if look.size is None else f"{look.size:,}"
    count = len(look.alarms)
    head = {
        "en": f"{when}  {size} entries, alarms: {count or 'none'}",
        "zh-CN": f"{when}  {size} 条记录，警报：{count or '无'}",
    }[locale]
    lines = [f"  {_words(each, locale, keep(each))}" for each in (*look.alarms, *look.turned)]
    return "\n".join([head, *lines])


def _words(alarm: Alarm, locale: Locale, file: str | None = None) -> str:
    who = {"en": "the log", "zh-CN": "日志"}[locale] if alarm.who == LOG else alarm.who
    word = TURNED if alarm.kind == "turned" else WORDS[alarm.kind]
    where = {"en": f"; evidence: {file}", "zh-CN": f"；证据：{file}"}[locale] if file else ""
    return f"{alarm.kind} ({word[locale]}), {who}: {alarm.detail}{where}"
