"""Servers that mean no good, and how long the watch waits: over sockets where time matters."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from threading import Barrier, BrokenBarrierError, Event, Semaphore, Thread

import httpx2
import pytest

from consent.commands import web as module
from consent.commands.web import Web, side_by_side
from consent.watch import Answer, in_turn
from vault.errors import Unreachable

Handler = Callable[[httpx2.Request], httpx2.Response]
SOON = 20.0


def web_of(handler: Handler, seconds: float = SOON) -> Web:
    return Web(httpx2.Client(transport=httpx2.MockTransport(handler)), seconds)


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
    with Web()._http as http:  # its own client, which opens nothing here
        with pytest.raises(Unreachable):
            Web(http).fetch(url, 10)
        with pytest.raises(Unreachable):
            Web(http).post(url, {})


def test_lost_connection_is_unreachable() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("slow", request=request)

    with pytest.raises(Unreachable, match="ReadTimeout"):
        web_of(answer).fetch("https://w1.example", 10)
    with pytest.raises(Unreachable, match="ReadTimeout"):
        web_of(answer).post("https://w1.example", {})


# Time

GAP, PATIENCE, WAIT = 0.02, 1.0, 0.8
HEAD, BODY = b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"
END = {HEAD: b"\r\nContent-Length: 2\r\n\r\nok", BODY: b"ok"}


class Dripper:
    """A server that sends a byte now and then, from one place in its answer on, until told."""

    def __init__(self, start: bytes) -> None:
        self.start = start
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}/x"
        self.finish, self.shut, self.bytes = Event(), Event(), Semaphore(0)
        self.asked = 0
        self.thread = Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            line, _ = self.server.accept()
            with line:
                if not line.recv(4096):
                    return
                self.asked += 1
                self.drip(line)

    def drip(self, line: socket.socket) -> None:
        try:
            line.sendall(self.start)
            while not self.finish.wait(GAP):
                line.sendall(b"a")
                self.bytes.release()
            line.sendall(END[self.start])
        except OSError:
            self.shut.set()

    def close(self) -> None:
        self.finish.set()
        socket.create_connection(self.server.getsockname()).close()
        self.thread.join(SOON)
        self.server.close()


@pytest.fixture(params=[HEAD, BODY], ids=["head", "body"])
def dripper(request: pytest.FixtureRequest) -> Iterator[Dripper]:
    found = Dripper(request.param)
    yield found
    found.close()


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=SOON, trust_env=False) as client:
        yield client


def test_server_that_drips_is_left_when_its_time_is_over(
    dripper: Dripper, http: httpx2.Client
) -> None:
    web, began = Web(http, WAIT), time.monotonic()
    with pytest.raises(Unreachable, match="no answer within"):
        web.fetch(dripper.url, 1 << 20)
    assert time.monotonic() - began < SOON / 2
    assert dripper.shut.wait(SOON)  # the line is shut, so that no thread stays
    (left,) = web._left
    left.join(SOON)
    assert not left.is_alive()


def test_limit_between_two_bytes_alone_would_wait_for_ever(dripper: Dripper) -> None:
    got: list[bytes] = []
    with httpx2.Client(timeout=PATIENCE, trust_env=False) as http:
        thread = Thread(target=lambda: got.append(Web(http, SOON).fetch(dripper.url, 1 << 20)))
        thread.start()
        for _ in range(int(1.2 * PATIENCE / GAP)):
            assert dripper.bytes.acquire(timeout=SOON)
        assert thread.is_alive()
        dripper.finish.set()
        thread.join(SOON)
    assert got[0].endswith(b"ok")


def test_line_that_is_made_too_late_is_shut_at_once(dripper: Dripper) -> None:
    class Late(module.Exchange):
        def trace(self, event: str, info: object) -> None:
            if event.endswith("connect_tcp.complete"):
                self.cut()
            assert isinstance(info, dict)
            super().trace(event, info)

    with httpx2.Client(trust_env=False) as client:
        late = Late(lambda own: Web(client)._get(dripper.url, 10, own), "x")
        late.start()
        late.join(SOON)
    assert isinstance(late.answer, Unreachable)


def test_party_that_took_its_time_is_asked_no_more_until_the_next_look(
    dripper: Dripper, http: httpx2.Client
) -> None:
    web = Web(http, WAIT)
    for _ in range(3):
        with pytest.raises(Unreachable):
            web.fetch(dripper.url, 1 << 20)
    assert dripper.asked == 1
    other = Dripper(HEAD)
    other.finish.set()
    assert web.fetch(other.url, 10) == b"ok"  # of another party
    other.close()
    dripper.finish.set()
    web.renew()
    assert web.fetch(dripper.url, 1 << 20).endswith(b"ok")


def test_webhook_that_drips_is_left_too(dripper: Dripper, http: httpx2.Client) -> None:
    if dripper.start == BODY:  # of a webhook's answer nothing more is read
        return Web(http, SOON).post(dripper.url, {})
    with pytest.raises(Unreachable, match="no answer within"):
        Web(http, WAIT).post(dripper.url, {})
    return None


def test_threads_of_a_party_that_cannot_be_shut_do_not_pile_up() -> None:
    free, asked = Event(), Semaphore(0)

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.release()
        assert free.wait(SOON)
        return httpx2.Response(200, stream=httpx2.ByteStream(b"ok"))

    web = web_of(answer, GAP)
    for _ in range(module.MOST_LEFT + 3):
        web.renew()
        with pytest.raises(Unreachable):
            web.fetch("https://w1.example/", 10)
    for _ in range(module.MOST_LEFT):
        assert asked.acquire(timeout=SOON)
    assert not asked.acquire(blocking=False)
    free.set()
    for each in list(web._left):
        each.join(SOON)
    web._seconds = SOON
    assert web.fetch("https://w1.example/", 10) == b"ok"


def test_several_are_asked_at_once_and_answers_keep_their_order() -> None:
    urls = ["a", "b", "c"]

    def meet(barrier: Barrier, url: str) -> Answer:
        try:
            barrier.wait()
        except BrokenBarrierError:
            return Unreachable(url)
        return url.encode()

    together = Barrier(3, timeout=SOON)
    assert side_by_side(lambda url: meet(together, url), urls) == [b"a", b"b", b"c"]
    alone = Barrier(3, timeout=GAP)
    assert not [a for a in in_turn(lambda url: meet(alone, url), urls) if isinstance(a, bytes)]
    assert side_by_side(lambda url: url.encode(), []) == []
