"""What a hostile server can cost whoever asks it: so many bytes and so many seconds, no more."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2
import pytest

from consent.log import submission
from consent.log.submission import MOST_BYTES, Carrier
from vault import deadline, wire
from vault.deadline import open_http, within
from vault.errors import Unreachable
from vault.wire import MOST_JSON, MOST_RAW, Wire

OK = b"HTTP/1.1 200 OK\r\n"
MIB = 1 << 20
Play = Callable[[socket.socket], None]


class Server:
    """Answers each request by `play`, one connection after the other."""

    def __init__(self, listening: socket.socket, play: Play) -> None:
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._listening, self._play = listening, play
        self.asked: list[bytes] = []

    def run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.settimeout(20)
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        while asked := connection.recv(1 << 16):
            self.asked.append(asked)
            self._play(connection)


@contextmanager
def serving(play: Play) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(listening, play)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(30)
        assert not thread.is_alive()


def sized(body: bytes, *headers: bytes) -> Play:
    """Return the play that answers with a body of a told length."""
    lines = [b"Content-Length: %d" % len(body), *headers]
    head = OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return lambda connection: connection.sendall(head + body)


def endless(head: bytes, part: bytes) -> Play:
    """Return the play that sends one part again and again."""

    def play(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(part)

    return play


def drip(first: bytes, parts: bytes, count: int, last: bytes) -> Play:
    """Return the play that sends a part now and then: each read of it is short."""

    def play(connection: socket.socket) -> None:
        never = threading.Event()
        connection.sendall(first)
        for _ in range(count):
            never.wait(0.02)
            connection.sendall(parts)
        connection.sendall(last)

    return play


def json_of(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


# Bytes


def test_answer_at_the_limit_is_read() -> None:
    with serving(sized(b"x" * MOST_RAW)) as server:
        assert len(Wire(server.url).raw("/log/checkpoint")) == MOST_RAW
    with serving(sized(json_of(MOST_JSON))) as server:
        assert len(str(Wire(server.url).get("/v1/x").body["a"])) == MOST_JSON - 8


def test_answer_above_the_limit_is_not_read() -> None:
    with serving(sized(b"x" * (MOST_RAW + 1))) as server:
        with pytest.raises(Unreachable, match="more than 1048576 bytes"):
            Wire(server.url).raw("/log/checkpoint")
        answer = Wire(server.url, http=httpx2.Client(trust_env=False))
        with pytest.raises(Unreachable, match="more than 1048576 bytes"):
            answer.raw("/log/checkpoint")
    play = sized(json_of(MOST_JSON + 1))
    with serving(play) as server, pytest.raises(Unreachable, match="more than 67108864 bytes"):
        Wire(server.url).get("/v1/x")


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"10000\r\n" + b"x" * (1 << 16) + b"\r\n"


@pytest.mark.parametrize("head", [CHUNKED, b""], ids=["chunks", "no length"])
def test_answer_without_an_end_is_left_at_the_limit(head: bytes) -> None:
    sent = list[int]()

    def play(connection: socket.socket) -> None:
        connection.sendall(OK + head + b"\r\n")
        while True:
            connection.sendall(CHUNK)
            sent.append(len(CHUNK))

    with serving(play) as server, pytest.raises(Unreachable, match="more than 1048576 bytes"):
        Wire(server.url).raw("/log/checkpoint")
    assert sum(sent) < 32 * MIB  # with what the two sockets held


def test_error_without_an_end_is_left_too() -> None:
    play = endless(b"HTTP/1.1 500 No\r\n\r\n", b"x" * MIB)
    with serving(play) as server, pytest.raises(Unreachable, match="more than 67108864 bytes"):
        Wire(server.url).get("/v1/x")


BOMB = gzip.compress(bytes(64 * MIB), 9)


def test_packed_answer_is_neither_asked_for_nor_read() -> None:
    with serving(sized(BOMB, b"Content-Encoding: gzip")) as server:
        with pytest.raises(Unreachable, match="packed"):
            Wire(server.url).raw("/log/checkpoint")
        with pytest.raises(Unreachable, match="packed"):
            Wire(server.url, http=httpx2.Client(trust_env=False)).raw("/log/checkpoint")
        with pytest.raises(Unreachable, match="packed"):
            Carrier()(server.url, b"x")
        asked = [line.lower() for raw in server.asked for line in raw.split(b"\r\n")]
        assert asked.count(b"accept-encoding: identity") == 3
        # The same answer to one who reads what is packed: 64 KB become 64 MB.
        assert len(BOMB) < MOST_BYTES + MIB
        assert len(httpx2.get(server.url, trust_env=False).content) == 64 * MIB


def test_answer_of_a_witness_is_as_short() -> None:
    with serving(sized(b"x" * MOST_BYTES)) as server:
        assert len(Carrier()(server.url, b"x").body) == MOST_BYTES
    with (
        serving(endless(OK + b"\r\n", b"x" * MIB)) as server,
        pytest.raises(Unreachable, match="end"),
    ):
        Carrier()(server.url, b"x")


# Seconds. Each read of these answers is short; all of them together take half a minute.

LONG = 1500
SLOW = {
    "a line of headers": drip(OK + b"X-A: ", b"x", LONG, b"\r\nContent-Length: 2\r\n\r\n{}"),
    "answers before the answer": drip(b"", b"HTTP/1.1 103 Wait\r\n\r\n", LONG, OK + b"\r\n{}"),
    "a body": drip(OK + b"\r\n{", b" ", LONG, b"}"),
    "chunks": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", LONG, b"0\r\n\r\n"),
}


@pytest.mark.parametrize("what", SLOW)
def test_answer_that_drips_is_left_in_time(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LONGEST", 0.3)
    monkeypatch.setattr(submission, "LONGEST", 0.3)
    with serving(SLOW[what]) as server:
        with pytest.raises(Unreachable, match="takes more than"):
            Wire(server.url).get("/v1/x")
        with pytest.raises(Unreachable):
            Carrier()(server.url, b"x")


def test_body_that_is_not_taken_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reads the beginning of a large body and then nothing any more."""
    monkeypatch.setattr(wire, "LONGEST", 0.3)
    done = threading.Event()
    with serving(lambda _: (done.wait(20), None)[1]) as server:
        try:
            with pytest.raises(Unreachable, match="takes more than"):
                Wire(server.url).post("/v1/x", bytes(64 * MIB))
        finally:
            done.set()


def test_headers_that_drip_are_waited_for_without_the_deadline() -> None:
    play = drip(OK + b"X-A: ", b"x", 25, b"\r\nContent-Length: 2\r\n\r\n{}")
    with serving(play) as server:
        with within(0.2), open_http(5.0) as ours, pytest.raises(httpx2.ReadTimeout):
            ours.get(server.url)
        with within(0.2), httpx2.Client(timeout=5.0, trust_env=False) as plain:
            assert plain.get(server.url).status_code == 200  # after half a second


def test_deadline_is_of_one_block_in_one_thread() -> None:
    with serving(sized(b"{}")) as server, open_http(5.0) as http:
        with within(60.0) as outer:
            with within(0.0):
                with pytest.raises(httpx2.TimeoutException):
                    http.get(server.url)
                other = threading.Thread(target=lambda: codes.append(http.get(server.url)))
                codes: list[httpx2.Response] = []
                other.start()
                other.join(30)
                assert [found.status_code for found in codes] == [200]
            assert deadline._deadline.until == outer
            assert http.get(server.url).status_code == 200
        assert deadline._deadline.until is None


def test_timeout_of_one_read_stays() -> None:
    done = threading.Event()
    with serving(lambda _: (done.wait(20), None)[1]) as server, open_http(0.1) as http:
        try:
            with within(60.0), pytest.raises(httpx2.ReadTimeout):
                http.get(server.url)
        finally:
            done.set()


def test_connection_is_used_again() -> None:
    opened = list[socket.socket]()

    def play(connection: socket.socket) -> None:
        opened.append(connection)
        sized(b"{}")(connection)

    with serving(play) as server, open_http(5.0) as http:
        for _ in range(3):
            Wire(server.url, http=http).get("/v1/x")
    assert (len(opened), len({*map(id, opened)})) == (3, 1)


def hello(context: ssl.SSLContext) -> bytes:
    """Return what a client of this context says first to whoever should speak TLS."""
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(heard, said, server_hostname="vault.test").do_handshake()
    return said.read()


def test_what_all_threads_trust_by_is_settled_before_a_connection_begins() -> None:
    """A client says its protocols anew for each connection, while other threads begin theirs."""
    with serving(lambda connection: connection.close()) as server:
        with open_http(5) as client, suppress(httpx2.HTTPError):
            client.get(server.url.replace("http://", "https://"))
        assert b"\x08http/1.1" in server.asked[0]
    shared = deadline._trusted()
    shared.set_alpn_protocols(["h2"])
    assert b"\x08http/1.1" in hello(shared)
    assert shared.verify_mode is ssl.CERT_REQUIRED
    assert shared.check_hostname
