"""The records of consents that the web app is compared with are those that Python makes."""

from __future__ import annotations

import json

from tests.web_vectors_dpv import PATH, text


def test_the_committed_vectors_of_records_are_current() -> None:
    assert PATH.read_text(encoding="utf-8") == text()


def test_the_vectors_hold_records_and_refusals() -> None:
    cases = json.loads(PATH.read_text(encoding="utf-8"))["cases"]
    assert {case["slug"] for case in cases if "slug" in case} == {"bad-shape", "bad-jws"}
    assert sum("record" in case for case in cases) == 6
