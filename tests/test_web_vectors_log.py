"""The web app's vectors of messages, directories and logs are what the Python code makes today."""

from __future__ import annotations

from tests import web_vectors_log, web_vectors_messages


def test_the_committed_vectors_of_logs_are_current() -> None:
    assert web_vectors_log.PATH.read_text(encoding="utf-8") == web_vectors_log.make()


def test_the_committed_vectors_of_messages_are_current() -> None:
    assert web_vectors_messages.PATH.read_text(encoding="utf-8") == web_vectors_messages.make()
