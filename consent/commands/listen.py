"""Where a service of one party listens: the auditor's list, a witness."""

from __future__ import annotations

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
