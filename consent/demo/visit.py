"""A visit to a running demonstration: two parties' pages beside the vault, and a clock that moves.

    with Visit(stage, sources, bank_sockets, bikes_sockets) as visit:
        visit.bank_url, visit.bikes_url      http://localhost:PORT each, in this program
        visit.next_month()                   batches, the next month, a directory, closes

The pages stand in the directory: the bank's as where people come back to, the operator's as where
a link code goes.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from threading import RLock, Thread
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from consent.demo import bank, bikes
from consent.demo.cast import BANK, SOURCES
from consent.demo.scenes import Sources, begin_next
from consent.demo.stage import Stage
from vault.errors import BadShape
from vault.months import DEFAULT_ZONE, Month, add_months, month_at

LAST = Month("2026-12")
"""The demonstration has the tags' keys of one year."""


class Visit:
    """The two pages; leaving the block stops them."""

    def __init__(
        self,
        stage: Stage,
        sources: Sources,
        bank_sockets: Sequence[socket.socket],
        bikes_sockets: Sequence[socket.socket],
    ) -> None:
        """Stand beside the vault of a stage; what listens is given, and served from the block on.

        Args:
            stage: a stage on which the story was played.
            sources: both of its sources.
            bank_sockets: where the bank's page listens, one port of localhost.
            bikes_sockets: the same for the bike operator's page.
        """
        self.stage, self.sources, self.lock = stage, sources, RLock()
        self.bank_url, self.bikes_url = _url_of(bank_sockets), _url_of(bikes_sockets)
        stage.redirects = {
            BANK: (f"{self.bank_url}/back",),
            SOURCES[0]: (f"{self.bikes_url}/link",),
        }
        for source in sources.values():
            source.tell(lambda: None)  # the story's progress display has ended
        self._sites = [
            _serve(bank.make_bank(self), bank_sockets),
            _serve(bikes.make_bikes(self), bikes_sockets),
        ]

    @property
    def url(self) -> str:
        """The vault's public URL."""
        return self.stage.url

    @property
    def month(self) -> Month:
        """The running month."""
        return month_at(self.stage.now(), DEFAULT_ZONE)

    @property
    def goes_on(self) -> bool:
        """Whether there is a next month."""
        return self.month < LAST

    def next_month(self, seen: str = "") -> None:
        """Let the running month end: what is booked is sent, and both sources close it.

        Nothing ends when the month that somebody saw (``2026-01``) has ended already, as by a
        second click. What a failure left open of the month before is closed first.

        Raises:
            BadShape: the demonstration's year has ended.
        """
        with self.lock:
            ending = self.month
            if seen not in ("", ending):
                return
            if not self.goes_on:
                raise BadShape(f"the demonstration ends with {LAST}")
            for source in self.sources.values():
                source.directory = self.stage.directory()
                source.close(add_months(ending, -1))
            self.stage.move(ending, day=28, hour=20)
            for source in self.sources.values():
                source.check_attached()
                source.send_batches()
            begin_next(self.stage, self.sources, ending)

    def __enter__(self) -> Self:
        """List the pages in the directory, then serve them."""
        self.stage.publish()
        for source in self.sources.values():
            source.directory = self.stage.directory()
        for _, thread in self._sites:
            thread.start()
        for server, thread in self._sites:
            while not server.started and thread.is_alive():
                thread.join(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the pages."""
        for server, _ in self._sites:
            server.should_exit = True
        for _, thread in self._sites:
            thread.join(timeout=20)


def _url_of(sockets: Sequence[socket.socket]) -> str:
    return f"http://localhost:{sockets[0].getsockname()[1]}"


def _serve(app: FastAPI, sockets: Sequence[socket.socket]) -> tuple[uvicorn.Server, Thread]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    return server, Thread(target=server.run, args=([*sockets],), daemon=True)
