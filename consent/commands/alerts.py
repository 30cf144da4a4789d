r"""What a watch does with an alarm, and what it remembers of it over a restart.

    evidence/fork-….json        what proves it, written once for the same evidence
    alert file, a line each     {"at": 1767225600, "kind": "forked", "who": "log / w1.example",
                                 "detail": "…", "evidence": "evidence/fork-….json", "ended": false}
    webhook                     the same object, as the body of a POST
    seen.note.alarms            {"stands": {"at": …, "kind": "stale", "who": …, "what": …}}
                                {"unsent": {…}}: a line each, what the webhook did not take yet

All files have mode 0600. A watch that is killed while it tells an alarm tells it again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import typer

from consent.commands.web import Web
from consent.copies import Alarm, Kind
from consent.evidence import file_name, write_evidence
from consent.log.reasons import room_of
from consent.place import read_text, replace_file
from consent.watch import Standing
from vault.encoding import Json, compact_json
from vault.errors import BadPlace, BadShape, Unreachable
from vault.messages import Shape

MOST_UNSENT = 1000
MOST_EVIDENCE = 1000


class Stands(Shape):
    """An alarm that stands, without its evidence, which is in its folder."""

    at: int
    kind: Kind
    who: str
    detail: str
    what: str


class Told(Shape):
    """An alarm as the alert file and the webhook have it."""

    at: int
    kind: Kind
    who: str
    detail: str
    evidence: str | None
    ended: bool


class Remembered(Shape):
    """A line of the file: an alarm that stands, or one that waits for the webhook."""

    stands: Stands | None = None
    unsent: Told | None = None


@dataclass
class Alerts:
    """Where alarms go: evidence folder, alert file, webhook; what a webhook did not take waits."""

    folder: Path | None = None
    file: Path | None = None
    webhook: str = ""
    web: Web = field(default_factory=Web)
    unsent: deque[Told] = field(default_factory=lambda: deque(maxlen=MOST_UNSENT))
    full: set[str] = field(default_factory=set)

    def tell(self, begun: Iterable[Alarm], ended: Iterable[Alarm], at: int) -> None:
        """Write what began, and what ended at unix seconds `at`; it is sent by send().

        Raises BadPlace.
        """
        told = [_told(alarm, alarm.at, self.keep(alarm)) for alarm in begun]
        told += [_told(alarm, at, None, ended=True) for alarm in ended]
        for each in told:
            if self.file:
                append_line(self.file, each.plain())
            if self.webhook:
                self.unsent.append(each)

    def keep(self, alarm: Alarm) -> str | None:
        """Write an alarm's evidence, once; return the file's path, None where there is none.

        Raises BadPlace.
        """
        found = alarm.evidence
        if found is None or self.folder is None:
            return None
        path = self.folder / file_name(found)
        if not path.exists():
            # A log that shows others at each look must not fill the disk; what one kind of
            # evidence takes is not taken from another.
            alike = room_of(path.name)
            if _count(self.folder, alike) >= MOST_EVIDENCE:
                self._say_full(alike)
                return None
            replace_file(path, write_evidence(found))
        return str(path)

    def _say_full(self, alike: str) -> None:
        if alike not in self.full:
            self.full.add(alike)
            typer.echo(f"{self.folder} holds {MOST_EVIDENCE} of {alike}: no more is kept", err=True)

    def send(self) -> None:
        """Send what waits, in order; a webhook that fails is told, and tried at the next look."""
        while self.unsent and self.webhook:
            try:
                self.web.post(self.webhook, self.unsent[0].plain())
            except Unreachable as lost:
                typer.echo(f"{len(self.unsent)} alarms wait: {lost}", err=True)
                return
            self.unsent.popleft()


def _told(alarm: Alarm, at: int, file: str | None, *, ended: bool = False) -> Told:
    return Told(
        at=at, kind=alarm.kind, who=alarm.who, detail=alarm.detail, evidence=file, ended=ended
    )


def _count(folder: Path, alike: str) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return sum(1 for _ in folder.glob(f"{alike}-*.json"))
    except OSError as bad:
        raise BadPlace(f"cannot make the folder {folder}: {bad.strerror}") from bad


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
class Memory:
    """The file of what stands and what waits; written when that changes."""

    path: Path
    _text: str = ""

    def load(self, standing: Standing, alerts: Alerts) -> None:
        """Put what is remembered where it belongs; raises BadPlace."""
        self._text = read_text(self.path) or ""
        alerts.unsent.clear()
        try:
            lines = [Remembered.parse(line.encode()) for line in self._text.split("\n") if line]
        except BadShape as bad:
            raise BadPlace(f"{self.path} is no file of alarms: {bad}") from bad
        for line in lines:
            if line.stands:
                alarm = Alarm(**dict(line.stands))
                standing.alarms[alarm.key] = alarm
            if line.unsent:
                alerts.unsent.append(line.unsent)

    def save(self, standing: Standing, alerts: Alerts) -> None:
        """Write what stands and what waits now; raises BadPlace."""
        lines = [Remembered(stands=_stands(alarm)) for alarm in standing.alarms.values()]
        lines += [Remembered(unsent=told) for told in alerts.unsent]
        text = "".join(compact_json(line.plain()).decode() + "\n" for line in lines)
        if text != self._text:
            replace_file(self.path, text.encode())
            self._text = text


def _stands(alarm: Alarm) -> Stands:
    return Stands(at=alarm.at, kind=alarm.kind, who=alarm.who, detail=alarm.detail, what=alarm.what)
