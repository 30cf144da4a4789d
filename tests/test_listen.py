"""A socket that is handed to a server sends small answers at once."""

from __future__ import annotations

import socket

import pytest

from consent.commands.listen import listen
from vault.errors import BadPlace


def test_small_answers_do_not_wait_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(BadPlace, match="cannot listen on"):
        listen("127.0.0.1", first.getsockname()[1])
