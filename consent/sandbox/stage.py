"""A running sandbox: one vault on loopback, its auditor, its parties and its robots.

    with Sandbox(folder, 8400) as sandbox:
        sandbox.where()          url, folders, pins
        sandbox.move(month)      the next month: acts, batches, closes, directory, tokens
        sandbox.stay()

The clock stands still until somebody moves it. Robots live at two sources that the sandbox plays;
``bike.sandbox`` is left to whoever builds a source.
"""

from __future__ import annotations

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path
from threading import RLock, Thread
from types import TracebackType
from typing import Self

import uvicorn

from consent import accredit
from consent.accredit import DIRECTORY_LIFE, Register
from consent.app import make_app, open_database, site_of
from consent.commands import register
from consent.folder import Folder, Pins, make_folder, open_folder
from consent.holder import Holder
from consent.known import FILE, Known
from consent.log.note import ED25519, VerifierKey
from consent.parties import source_of
from consent.place import Settings, hold, make_place, open_place, write_key, write_new
from consent.policy import Policy
from consent.sandbox import pages, roll
from consent.sandbox.front import Front
from consent.sandbox.robots import Person, mint_all
from vault.crypto.keys import ROOT_SIZE, OpeningKey, Root, SigningKey, account_key
from vault.encoding import Json, b64u
from vault.errors import BadPlace, BadShape
from vault.messages import LogEntry, Party, ReleaseEntry
from vault.methodology.release import load_release
from vault.months import DEFAULT_ZONE, Month, add_months, month_at, month_begins
from vault.source import Source
from vault.wire import Wire

MARK = "SANDBOX"
_SAYS = "This folder is a sandbox: invented people, keys that everybody knows. Never use it.\n"
_DAY, _HOUR = 86400, 3600


class Sandbox:
    """One sandbox; leaving the block stops its server."""

    def __init__(self, folder: Path, port: int) -> None:
        """Make the folder anew and take the port; nothing runs yet.

        Raises:
            BadPlace: the folder holds something else, a sandbox runs on it, or the port is taken.
        """
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        self._socket = _listen(port)
        self._time = month_begins(roll.FIRST, DEFAULT_ZONE) + 8 * _HOUR
        self.lock = RLock()
        _clear(folder)
        auditor = SigningKey(roll.drawn(roll.AUDITOR)(32))
        settings = Settings(roll.VAULT, self.url, auditor.public)
        make_place(folder / "vault", settings, roll.drawn(roll.VAULT))
        self._place = open_place(folder / "vault")
        vkey = VerifierKey(settings.origin, ED25519, self._place.log_key.public)
        self.policy = Policy(auditor.public, str(vkey), demo=True)
        self._make_auditor(auditor)
        self.people: dict[str, Person] = {}
        self.ready = False
        self._folders: dict[str, Folder] = {}
        self._sources: dict[str, Source] = {}
        self._open = ExitStack()
        self._server, self._thread = self._prepare()

    def _prepare(self) -> tuple[uvicorn.Server, Thread]:
        known = Known(self._place.database.with_name(FILE))
        site = site_of(self._place, demo=True)
        vault = make_app(self._place, open_database(self._place), self.now, known=known, site=site)
        front = Front(vault, pages.make_pages(self))
        server = uvicorn.Server(uvicorn.Config(front, log_level="warning", access_log=False))
        sockets = [self._socket]
        return server, Thread(target=server.run, args=(sockets,), daemon=True)

    # The clock

    def now(self) -> int:
        """The sandbox's time, unix seconds."""
        return self._time

    @property
    def month(self) -> Month:
        """The running month."""
        return month_at(self._time, DEFAULT_ZONE)

    def _set(self, month: Month, day: int, hour: int) -> None:
        self._time = month_begins(month, DEFAULT_ZONE) + (day - 1) * _DAY + hour * _HOUR

    def move(self, month: Month) -> None:
        """Let the running month end and the next one begin; `month` is that next one.

        The robots' acts are booked, sent and closed, the auditor publishes, and the robots open
        their apps. Another source closes by itself, before the clock moves again.

        Raises:
            BadShape: it is not the next month, or the sandbox goes no further.
        """
        with self.lock:
            ending = self.month
            if month != add_months(ending, 1) or month > roll.LAST:
                raise BadShape(
                    f"the clock moves a month at a time, up to {roll.LAST};"
                    f" wanted {add_months(ending, 1)}"
                )
            self._set(ending, day=28, hour=20)
            for source in self._sources.values():
                _book(source, ending)
            self._set(month, day=2, hour=9)
            self._publish()
            for name, source in self._sources.items():
                source.directory = self._folders[name].accept()
                source.close(ending)
            for person in self.people.values():
                mint_all(person)

    # The auditor and the parties

    def _make_auditor(self, key: SigningKey) -> None:
        begin = month_begins(roll.FIRST, DEFAULT_ZONE)
        log = LogEntry(
            origin=self._place.settings.origin, vkey=self.policy.log, witnesses=(), quorum=0
        )
        release = load_release(roll.RELEASE)
        entry = ReleaseEntry(id=release.id, sha256=release.sha256, begins=roll.FIRST)
        auditor = roll.Listed(roll.AUDITOR, "auditor", "SANDBOX Auditor · 沙盒审计方", ("auditor",))
        vault = roll.Listed(roll.VAULT, "vault", "SANDBOX Vault · 沙盒保管库", ("vault",))
        entries = [
            _entry(auditor, key.public, None, begin),
            _entry(vault, self._place.vault_key.public, None, begin),
            *(self._make_party(listed, begin) for listed in roll.PARTIES),
        ]
        parties = Register(demo=True, log=log, releases=(entry,))
        for made in entries:
            parties = accredit.add_party(parties, made)
        path = self.folder / "auditor"
        place = register.make_place(path, roll.AUDITOR, self.url, parties, key)
        for year in roll.YEARS:
            register.make_year(place, year, roll.drawn(f"knet-{year}"))

    def _make_party(self, listed: roll.Listed, begin: int) -> Party:
        draw = roll.drawn(listed.id)
        pins = Pins(listed.id, self.url, self.policy)
        made = make_folder(self.folder / listed.id, listed.kind, pins)
        pair = made.keep_pair(SigningKey(draw(32)), OpeningKey(draw(32)))
        return _entry(listed, pair.signing.public, pair.opening.public, begin)

    def _publish(self) -> None:
        # Opened anew each time: a builder may have changed the register by the command line.
        place = register.open_place(self.folder / "auditor")
        register.publish(place, self.url, DIRECTORY_LIFE, with_next=False)

    # The robots

    def _open_sources(self) -> None:
        for name in roll.PLAYED:
            folder = open_folder(self.folder / name, "source")
            folder.now = self.now  # asked over HTTP it may be a second old
            source, _ = self._open.enter_context(source_of(folder, folder.accept()))
            self._folders[name], self._sources[name] = folder, source

    def _open_vaults(self) -> None:
        for robot in roll.ROBOTS:
            person = self._person(robot)
            person.holder.open_account()
            for name, source in self._sources.items():
                begun = person.holder.start_link(name, nonce := source.offer(robot.name))
                person.holder.attach(begun, source.accept(robot.name, nonce, begun.code))
            self.people[robot.name] = person
        for source in self._sources.values():
            source.check_attached()

    def _person(self, robot: roll.Robot) -> Person:
        draw = roll.drawn(robot.name)
        root = Root(draw(ROOT_SIZE))
        path = self.folder / robot.name
        make_folder(path, "holder", Pins("", self.url, self.policy))
        write_key(path / "root.key", root.value)
        wire = Wire(self.url, account_key(root))
        return Person(robot, Holder(root, wire, self.policy, self.now, draw))

    # The server

    def __enter__(self) -> Self:
        """Start the server and play the closed months."""
        self._open.enter_context(hold(self.folder / "vault"))
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.02)
        self._publish()
        self._open_sources()
        self._open_vaults()
        for _ in range(roll.CLOSED):
            self.move(add_months(self.month, 1))
        self.ready = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self._server.should_exit = True
        self._thread.join(timeout=20)
        self._open.close()

    def stay(self) -> None:
        """Return when the server has ended."""
        self._thread.join()

    def where(self) -> dict[str, Json]:
        """Return what a builder needs: the URL, the pins, the folders, the month."""
        return {
            "sandbox": True,
            "url": self.url,
            "month": self.month,
            "auditor_key": b64u(self.policy.auditor),
            "log_vkey": self.policy.log,
            "auditor": str(self.folder / "auditor"),
            "parties": {listed.id: str(self.folder / listed.id) for listed in roll.PARTIES},
            "robots": {robot.name: str(self.folder / robot.name) for robot in roll.ROBOTS},
        }


def _book(source: Source, month: Month) -> None:
    for robot in roll.ROBOTS:
        source.book(robot.name, roll.acts_of(robot, source.identity.id, month))
    source.send_batches()


def _entry(listed: roll.Listed, sig: bytes, hpke: bytes | None, begin: int) -> Party:
    return Party(
        id=listed.id,
        org=listed.id,
        name=listed.name,
        roles=listed.roles,
        cadence="monthly" if listed.kind == "source" else None,
        redirects=listed.redirects or None,
        contact=listed.contact,
        sig=accredit.key_times(sig, begin),
        hpke=accredit.key_times(hpke, begin),
    )


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as bad:
        raise BadPlace(f"port {port} of this machine is taken; --port names another") from bad
    return listening


def _clear(folder: Path) -> None:
    """Make the folder of a sandbox empty; what is no sandbox is left alone."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise BadPlace(f"{folder} holds something else; a sandbox wants a folder of its own")
        if (folder / "vault").is_dir():
            with hold(folder / "vault"):
                pass  # raises when a sandbox still runs on it
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_new(folder / MARK, _SAYS)
