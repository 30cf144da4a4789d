"""Where a service of one party listens: a vault, the auditor's list, a witness, one's own page."""

from __future__ import annotations

import errno
import socket

from vault.errors import BadPlace


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens already, so that the port it got can be told; 0: any free one.

    Small answers leave at once: what asyncio does for its own sockets it leaves out for one that it
    is given, and each answer would wait some 40 ms for the other side's acknowledgement.

    Raises:
        BadPlace: it cannot listen there.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as bad:
        raise BadPlace(f"cannot listen on {host}, port {port}: {bad.strerror}") from bad
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def listen_localhost(port: int) -> list[socket.socket]:
    """Return sockets on which ``http://localhost:PORT`` is answered: IPv4, and IPv6 where it is.

    A browser tries both. So a port that somebody else has in one of the two is not taken: half of
    the visits would be theirs.

    Raises:
        BadPlace: it cannot listen there.
    """
    first = listen("127.0.0.1", port)
    try:
        second = socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6)
    except OSError as bad:
        if bad.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return [first]
        first.close()
        raise BadPlace(f"cannot listen on ::1, port {port}: {bad.strerror}") from bad
    second.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return [first, second]
