"""A deadline for a whole HTTP exchange, beside the timeout that each read and write has.

    http = open_http(timeout=30.0)
    with within(120.0), http.stream("GET", url) as reply:    httpx2.ReadTimeout after 120 seconds

A timeout alone is no end: a server that sends a byte of its headers now and then never runs into
it, and no caller sees the headers before they are whole. So each read and write waits for what is
left of the exchange at most. Looking up a host's name is the system's, and has its own time.
"""

from __future__ import annotations

import functools
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpcore2
import httpx2


class _Deadline(threading.local):
    until: float | None = None

    def left(self, timeout: float | None) -> float | None:
        if self.until is None:
            return timeout
        left = self.until - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the exchange takes too long")
        return left if timeout is None else min(left, timeout)


_deadline = _Deadline()
_PIECE = 1 << 16


@contextmanager
def within(seconds: float) -> Iterator[float]:
    """Give this thread's exchanges over an `open_http` so many seconds; yield when they end.

    The end is in seconds of `time.monotonic`.
    """
    before, until = _deadline.until, time.monotonic() + seconds
    _deadline.until = until
    try:
        yield until
    finally:
        _deadline.until = before


def open_http(timeout: float) -> httpx2.Client:
    """Return connections that keep to `within`; `timeout` is for one read or write, in seconds.

    They take no proxy from the environment, follow no redirect and ask for no packed answer.
    """
    plain = {"Accept-Encoding": "identity"}
    return httpx2.Client(transport=_Transport(), timeout=timeout, trust_env=False, headers=plain)


class _Settled(ssl.SSLContext):
    """A context that many threads begin connections from: nothing of it changes any more."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Do nothing: httpcore says the same again for each connection.

        OpenSSL would free the list that another thread is reading at that moment.
        """


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Read what this machine trusts once: it takes longer than many an exchange."""
    context = httpx2.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    context.__class__ = _Settled
    return context


class _Transport(httpx2.HTTPTransport):
    """The usual one, over sockets that know the deadline."""

    def __init__(self) -> None:
        context = _trusted()
        super().__init__(verify=context)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Sockets(),
        )


class _Sockets(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _deadline.left(timeout)
        return _Socket(super().connect_tcp(host, port, left, local_address, socket_options))


class _Socket(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces: within one write every part that is taken begins the timeout anew.
        for begin in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[begin : begin + _PIECE], _deadline.left(timeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _deadline.left(timeout)
        return _Socket(self._stream.start_tls(ssl_context, server_hostname, left))
