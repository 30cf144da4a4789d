"""The web app's vectors of Activity are what the Python implementation finds today."""

from __future__ import annotations

from tests.web_vectors_activity import PATH, make


def test_the_committed_vectors_of_activity_are_current() -> None:
    assert PATH.read_text(encoding="utf-8") == make()
