"""Answers from servers that may mean no good: limited in size, and in time as a whole.

    web = Web()
    web.renew()                        a look begins: every party has its 60 seconds again
    web.fetch(url, 4096)               at most so many bytes, or Unreachable
    side_by_side(ask, urls)            several parties at once

A limit between two bytes is none: a server that sends a byte now and then holds it off for ever,
before the body as well as in it. So each exchange has a thread of its own, which is left behind
when the party's time is over; its connection is shut down then.
"""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock, Thread
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

import httpx2

from consent.watch import Answer, Ask
from vault.encoding import Json, compact_json
from vault.errors import Unreachable

TIMEOUT = 10.0
PARTY_SECONDS = 60.0
MOST_LEFT = 4
CONNECTED = (".connect_tcp.complete", ".start_tls.complete")


@runtime_checkable
class Line(Protocol):
    """What the HTTP library gives for a connection."""

    def get_extra_info(self, info: str) -> object:
        """Return something by its name, such as the socket."""


class Exchange(Thread):
    """One question in a thread of its own, which ends with the program at the latest."""

    def __init__(self, ask: Callable[[Exchange], Answer], party: str) -> None:
        """Ask `party` so; begun by start()."""
        super().__init__(daemon=True)
        self._ask, self.party = ask, party
        self.answer: Answer = Unreachable(f"{party} gave no answer")
        self._socket: socket.socket | None = None
        self._over = False

    def run(self) -> None:
        """Ask, and keep the answer."""
        try:
            self.answer = self._ask(self)
        except Unreachable as lost:
            self.answer = lost

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Take note of the connection once there is one; the HTTP library calls this."""
        line = info.get("return_value")
        if event.endswith(CONNECTED) and isinstance(line, Line):
            found = line.get_extra_info("socket")
            self._socket = found if isinstance(found, socket.socket) else None
            if self._over:
                self._shut()

    def cut(self) -> None:
        """Wait no more: what the thread reads from here on is an end."""
        self._over = True
        self._shut()

    def _shut(self) -> None:
        if self._socket is None:
            return
        try:
            # Not TLS's own way to end, which would wait for the other side.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:  # it is closed already
            return


def side_by_side(ask: Ask, urls: Sequence[str]) -> Sequence[Answer]:
    """Return what all answer, in their order; it takes as long as the slowest one."""
    threads = [Exchange(partial(_ask_one, ask, url), url) for url in urls]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return [each.answer for each in threads]


def _ask_one(ask: Ask, url: str, _: Exchange) -> Answer:
    return ask(url)


class Web:
    """Bodies by their URLs; redirects are not followed, and nothing is unpacked."""

    def __init__(self, http: httpx2.Client | None = None, seconds: float = PARTY_SECONDS) -> None:
        """Speak over `http`; a party has so many seconds in all from one renew() to the next."""
        self._http = http or httpx2.Client(timeout=TIMEOUT, trust_env=False)
        self._seconds = seconds
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._left: list[Exchange] = []
        self._lock = Lock()

    def renew(self) -> None:
        """Give every party its whole time again."""
        with self._lock:
            self._spent.clear()

    def fetch(self, url: str, limit: int) -> bytes:
        """Return the body at a URL, of at most `limit` bytes; raises Unreachable."""
        return self._within(url, partial(self._get, url, limit))

    def post(self, url: str, body: dict[str, Json]) -> None:
        """Send JSON; raises Unreachable unless the answer is 2xx."""
        self._within(url, partial(self._post, url, compact_json(body)))

    def _within(self, url: str, ask: Callable[[Exchange], bytes]) -> bytes:
        exchange = Exchange(ask, _party(url))
        seconds, began = self._admit(exchange), time.monotonic()
        exchange.start()
        late = True
        try:
            exchange.join(seconds)
            late = exchange.is_alive()
        finally:
            self._end(exchange, time.monotonic() - began)
        # What came after the end is cut off, and may look whole.
        if late:
            raise Unreachable(f"{url} gave no answer within {seconds:.3g} seconds")
        if isinstance(exchange.answer, Unreachable):
            raise exchange.answer
        return exchange.answer

    def _end(self, exchange: Exchange, took: float) -> None:
        with self._lock:
            self._spent[exchange.party] += took
            if exchange.is_alive():
                self._left.append(exchange)
                exchange.cut()

    def _admit(self, exchange: Exchange) -> float:
        """Return how long a party may still take; raises Unreachable when it took too much."""
        party = exchange.party
        with self._lock:
            self._left = [each for each in self._left if each.is_alive()]
            left = self._seconds - self._spent[party]
            # A line that is not made yet cannot be shut: such threads must not pile up.
            if left <= 0 or sum(each.party == party for each in self._left) >= MOST_LEFT:
                raise Unreachable(f"{party} took all of its {self._seconds:g} seconds")
        return left

    def _get(self, url: str, limit: int, exchange: Exchange) -> bytes:
        found = bytearray()
        # A body that is packed could unpack to any size.
        headers = {"Accept-Encoding": "identity"}
        with self._ask(exchange, "GET", url, headers) as reply:
            if reply.status_code != 200 or "content-encoding" in reply.headers:
                raise Unreachable(f"{url} answers {reply.status_code}, or packed")
            for part in reply.iter_raw():
                found += part
                if len(found) > limit:
                    raise Unreachable(f"{url} sends more than {limit} bytes")
        return bytes(found)

    def _post(self, url: str, body: bytes, exchange: Exchange) -> bytes:
        headers = {"Content-Type": "application/json"}
        with self._ask(exchange, "POST", url, headers, body) as reply:
            if not 200 <= reply.status_code < 300:
                raise Unreachable(f"the webhook answers {reply.status_code}")
        return b""

    @contextmanager
    def _ask(
        self,
        exchange: Exchange,
        method: str,
        url: str,
        headers: dict[str, str],
        content: bytes | None = None,
    ) -> Iterator[httpx2.Response]:
        try:
            with self._http.stream(
                method,
                url,
                content=content,
                # A line that is used again would not be told to `trace`.
                headers={**headers, "Connection": "close"},
                follow_redirects=False,
                extensions={"trace": exchange.trace},
            ) as reply:
                yield reply
        except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
            whom = url if method == "GET" else "the webhook"
            raise Unreachable(f"{whom}: {type(lost).__name__}") from lost


def _party(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError as bad:
        raise Unreachable(f"{url} is no URL of a server") from bad
