r"""``carbonvault audit watch``: a log looked at again and again, and what is done with an alarm.

    alert file, a line each     {"at": 1767225600, "kind": "forked", "who": "log / w1.example",
                                 "detail": "…", "evidence": "evidence/fork-….json", "ended": false}
    webhook                     the same object, as the body of a POST
    state file, mode 0600       the newest checkpoint that was proven to follow the one before

An alarm is told when it begins and when it ends, not at each look. When the log turned into another
one, a line of kind "turned" says so once, and the watch goes on with that one: no alarm.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from consent.commands.evidence import evidence
from consent.copies import LOG, Alarm, Kind
from consent.evidence import Evidence, file_name, write_evidence
from consent.log.tlog_policy import read_policy
from consent.place import read_text, replace_file
from consent.succession import Succession, suffix_of
from consent.terminal import REFUSED, JsonOut, own_locale, spoken, write_json
from consent.watch import Fetch, Look, Standing, Watch, log_of
from vault.encoding import Json, compact_json
from vault.errors import BadPlace, Locale, Unreachable

__all__ = ["evidence", "watch"]

TIMEOUT = 10.0
LONGEST_ANSWER = 30.0
MOST_UNSENT = 1000
WORDS: dict[Kind, dict[Locale, str]] = {
    "forked": {"en": "two histories", "zh-CN": "出现两种历史"},
    "shrunk": {"en": "went back", "zh-CN": "内容减少"},
    "invalid": {"en": "not valid", "zh-CN": "无效"},
    "stale": {"en": "out of date", "zh-CN": "已过时"},
    "missing": {"en": "not to be had", "zh-CN": "无法取得"},
}

TURNED: dict[Locale, str] = {"en": "another log goes on", "zh-CN": "由下一个日志接续"}


class Web:
    """Bodies from servers that may be hostile: limited in size and time, redirects not followed."""

    def __init__(
        self, http: httpx2.Client | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Speak over `http`; `clock` gives seconds and limits how long an answer may take."""
        self._http = http or httpx2.Client(timeout=TIMEOUT, trust_env=False)
        self._clock = clock

    def fetch(self, url: str, limit: int) -> bytes:
        """Return the body at a URL, of at most `limit` bytes; raises Unreachable."""
        until = self._clock() + LONGEST_ANSWER
        found = bytearray()
        # A body that is packed could unpack to any size.
        headers = {"Accept-Encoding": "identity"}
        try:
            with self._http.stream("GET", url, headers=headers, follow_redirects=False) as reply:
                if reply.status_code != 200 or "content-encoding" in reply.headers:
                    raise Unreachable(f"{url} answers {reply.status_code}, or packed")
                for part in reply.iter_raw():
                    found += part
                    if len(found) > limit or self._clock() > until:
                        raise Unreachable(f"{url} sends more than {limit} bytes, or too slowly")
        except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
            raise Unreachable(f"GET {url}: {type(lost).__name__}") from lost
        return bytes(found)

    def post(self, url: str, body: dict[str, Json]) -> None:
        """Send JSON; raises Unreachable unless the answer is 2xx."""
        headers = {"Content-Type": "application/json"}
        try:
            with self._http.stream(
                "POST", url, content=compact_json(body), headers=headers, follow_redirects=False
            ) as reply:
                if not 200 <= reply.status_code < 300:
                    raise Unreachable(f"the webhook answers {reply.status_code}")
        except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
            raise Unreachable(f"the webhook: {type(lost).__name__}") from lost


@dataclass
class Alerts:
    """Where alarms go: evidence folder, alert file, webhook; what a webhook did not take waits."""

    folder: Path | None = None
    file: Path | None = None
    webhook: str = ""
    web: Web = field(default_factory=Web)
    unsent: deque[dict[str, Json]] = field(default_factory=lambda: deque(maxlen=MOST_UNSENT))

    def tell(self, begun: list[Alarm], ended: list[Alarm], at: int) -> None:
        """Write and send what began, and what ended at unix seconds `at`; raises BadPlace."""
        told = [{**alarm.plain(self.keep(alarm.evidence)), "ended": False} for alarm in begun]
        told += [{**alarm.plain(), "at": at, "ended": True} for alarm in ended]
        for each in told:
            if self.file:
                append_line(self.file, each)
            if self.webhook:
                self.unsent.append(each)
        self.send()

    def keep(self, found: Evidence | None) -> str | None:
        """Write the evidence, once for each pair of checkpoints; return the file's path."""
        if found is None or self.folder is None:
            return None
        path = self.folder / file_name(found)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as bad:
            raise BadPlace(f"cannot make the folder {self.folder}: {bad.strerror}") from bad
        if not path.exists():
            replace_file(path, write_evidence(found))
        return str(path)

    def send(self) -> None:
        """Send what waits, in order; a webhook that fails is told, and tried at the next look."""
        while self.unsent:
            try:
                self.web.post(self.webhook, self.unsent[0])
            except Unreachable as lost:
                typer.echo(f"{len(self.unsent)} alarms wait: {lost}", err=True)
                return
            self.unsent.popleft()


def append_line(path: Path, members: dict[str, Json]) -> None:
    """Add a line of JSON to a file of mode 0600, durably; raises BadPlace."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(compact_json(members) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as bad:
        raise BadPlace(f"cannot write the file {path}: {bad.strerror}") from bad


@dataclass
class Lookout:
    """A standing watch: looks, remembers, tells."""

    watch: Watch
    state: Path
    alerts: Alerts
    standing: Standing = field(default_factory=Standing)
    succession: Succession = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the log that is pinned."""
        self.succession = Succession(self.watch)

    def look(self, at: int) -> tuple[Look, list[Alarm]]:
        """Return one look at unix seconds `at`, and the alarms that ended; raises BadPlace."""
        before = read_text(self.state)
        look = self.succession.look(at, before)
        begun, ended = self.standing.take(look)
        self.alerts.tell([*begun, *look.turned], ended, at)
        if look.kept is not None and look.kept != before:
            replace_file(self.state, look.kept.encode("utf-8"))
        return look, ended


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
        Path | None, typer.Option("--evidence", file_okay=False, help="Where evidence is written.")
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
    json_out: JsonOut = False,
) -> None:
    """Look at a log and at what its witnesses hold; tell when they do not go together.

    Without --once it runs until it is stopped. Keep the evidence files: they prove a fork. A log
    that turned is followed into the next one.

    Example: carbonvault audit watch https://vault.example --policy log.policy --state seen.note
    """
    found, web, base = read_policy(_bytes_of(policy)), Web(), url.rstrip("/")
    mirrors = tuple(each.rstrip("/") for each in mirror or ())
    log = log_of(found, base)
    fetch: Fetch = web.fetch
    suffix = suffix_of(log.name, base)
    lookout = Lookout(
        Watch(found, log, f"{base}/log{suffix}", fetch, stale, mirrors, suffix),
        state,
        Alerts(evidence_folder, alert, webhook, web),
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
    if json_out:
        alarms: list[Json] = [
            alarm.plain(lookout.alerts.keep(alarm.evidence)) for alarm in look.alarms
        ]
        over: list[Json] = [alarm.plain() for alarm in ended]
        turned: dict[str, Json] = {"turned": [one.plain() for one in look.turned]}
        told: dict[str, Json] = {"at": look.at, "size": look.size, "alarms": alarms, "ended": over}
        write_json(told | turned if look.turned else told)
        return
    typer.echo(line_of(look, own_locale()))
    for alarm in ended:
        over_word = {"en": "over", "zh-CN": "已结束"}[own_locale()]
        typer.echo(f"  {over_word}: {_words(alarm, own_locale())}")


def line_of(look: Look, locale: Locale) -> str:
    """Return what a person reads of one look: a line, and one more for each alarm."""
    when = datetime.fromtimestamp(look.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    size = "-" if look.size is None else f"{look.size:,}"
    count = len(look.alarms)
    head = {
        "en": f"{when}  {size} entries, alarms: {count or 'none'}",
        "zh-CN": f"{when}  {size} 条记录，警报：{count or '无'}",
    }[locale]
    lines = [f"  {_words(alarm, locale)}" for alarm in (*look.alarms, *look.turned)]
    return "\n".join([head, *lines])


def _words(alarm: Alarm, locale: Locale) -> str:
    who = {"en": "the log", "zh-CN": "日志"}[locale] if alarm.who == LOG else alarm.who
    word = TURNED if alarm.kind == "turned" else WORDS[alarm.kind]
    return f"{alarm.kind} ({word[locale]}), {who}: {alarm.detail}"
