"""Thousands of generated requests to a real server: each answer is one that the page lists.

2,000 cases in a usual run, 20,000 with CARBONVAULT_DEEP=1. Each round has a town of its own in real
files; a server on loopback serves it. What no generated case can reach is scripted: the same calls
that made the examples of the page, in the same towns.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from random import Random

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy, integers, one_of
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from consent.doors import DOORS, Problem
from consent.openapi import describe
from tests.plays import CHANGING, PlayTown, play_of, refusals
from tests.signed_calls import Generated, Live, live_server, page_for_cases, signing
from vault.errors import (
    Absent,
    AtomUsed,
    BadScalar,
    Expired,
    Gap,
    LogUnavailable,
    NotClosed,
    NotMinted,
    NotOffered,
    Paused,
    TooEarly,
    TooLarge,
    TooLate,
    TooMany,
    TooSlow,
    WrongPurpose,
)

DEEP = bool(os.environ.get("CARBONVAULT_DEEP"))
CASES = 20_000 if DEEP else 2_000
PER_DOOR, PASSES = 5, 2
LEAST = 10 if DEEP else 1
NEVER: frozenset[Problem] = frozenset(
    {TooMany, TooSlow, TooLarge, LogUnavailable, Absent, Expired, NotOffered}
)
"""Problems that need time to pass, a limit reached, a fault or very special terms: scripted."""
SELDOM: frozenset[Problem] = frozenset(
    {Paused, NotClosed, NotMinted, AtomUsed, TooEarly, TooLate, Gap, BadScalar, WrongPurpose}
)
"""Problems that a usual run may miss: scripted there; in the long run generated cases get them."""
SCRIPTED = NEVER if DEEP else NEVER | SELDOM
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
Seen = Counter[tuple[str, int, str]]


class Run:
    """One run over all rounds, and what was answered."""

    def __init__(self, live: Live, quiet: PlayTown) -> None:
        load_all_checks()
        schema = schemathesis.openapi.from_dict(page_for_cases(describe()))
        self.seen: Seen = Counter()
        self.scripted: Counter[str] = Counter()
        self._live, self._quiet = live, quiet
        self._cases: dict[str, SearchStrategy[Generated]] = {}
        for result in schema.get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
            door = f"{operation.method.upper()} {operation.path}"
            self._cases[door] = one_of(*(operation.as_strategy(generation_mode=m) for m in modes))

    def round(self, number: int) -> None:
        """Knock at every door, in an order of this round."""
        doors = [*self._cases] * PASSES
        Random(number).shuffle(doors)
        for place, door in enumerate(doors):
            self._knock(door, number * 1000 + place)

    def play(self) -> None:
        """Send the scripted cases: those of the problems that nothing else reaches."""
        for door, kind in refusals():
            if kind in SCRIPTED:
                with PlayTown() if (door, kind) in CHANGING else nullcontext(self._quiet) as town:
                    reply = play_of(door, kind)(town)
                assert (reply.status_code, reply.json()["type"]) == (kind.status, kind.slug)
                self.scripted[kind.slug] += 1

    def _knock(self, door: str, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=PER_DOOR,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(case=self._cases[door], drawn=integers(0, 2**32))
        def one(case: Generated, drawn: int) -> None:
            self._live.number = drawn
            reply = case.call(base_url=self._live.url)
            slug = ""
            if reply.headers.get("content-type") == ["application/problem+json"]:
                slug = str(reply.json()["type"])
            self.seen[door, reply.status_code, slug] += 1
            case.validate_response(reply, checks=CHECKS)

        one()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with live_server() as live, signing(live), PlayTown() as quiet:
        found = Run(live, quiet)
        for _ in range(LEAST):
            found.play()
        per_round = PER_DOOR * PASSES * len(DOORS)
        for number in range(-(-CASES // per_round)):
            with live.town(tmp_path_factory.mktemp("town"), b"round %d" % number):
                found.round(number)
        yield found


def test_no_answer_is_one_that_the_page_does_not_list(run: Run) -> None:
    sys.stdout.write(table(run.seen))
    assert sum(run.seen.values()) >= CASES
    allowed = {(door, kind.status, kind.slug) for door, kind in refusals()}
    assert {found for found in run.seen if found[1] != 200} <= allowed


def test_every_good_answer_was_given_to_generated_cases(run: Run) -> None:
    given_to = {door: run.seen[door, 200, ""] for door in DOORS}
    assert [door for door, count in given_to.items() if count < LEAST] == []


def test_every_problem_was_the_answer_to_a_generated_case_or_a_scripted_one(run: Run) -> None:
    generated = Counter[str]()
    for (_, _, slug), count in run.seen.items():
        generated[slug] += count
    by_script = {kind.slug for kind in SCRIPTED}
    for slug in sorted({kind.slug for _, kind in refusals()}):
        count = run.scripted[slug] if slug in by_script else generated[slug]
        assert count >= LEAST, slug


@pytest.mark.parametrize(
    ("status", "media", "body"),
    [
        (500, "application/problem+json", b"{}"),
        (204, "application/json", b"{}"),
        (200, "text/html", b"{}"),
        (200, "application/json", b"{}"),
        (200, "application/json", b'{"now":1,"more":1}'),
        (200, "application/json", b'{"now":"1"}'),
        (
            429,
            "application/problem+json",
            b'{"type":"revoked","title":"","status":429,"detail":""}',
        ),
    ],
)
def test_an_answer_that_the_page_does_not_list_is_found(
    status: int, media: str, body: bytes
) -> None:
    load_all_checks()
    case = schemathesis.openapi.from_dict(page_for_cases(describe()))["/v1/time"]["GET"].Case()

    def check(status: int, media: str, body: bytes) -> None:
        headers = {"content-type": media, "retry-after": "1"}
        asked = httpx2.Request("GET", "https://vault.test/v1/time")
        reply = httpx2.Response(status, headers=headers, content=body, request=asked)
        reply.elapsed = timedelta()
        case.validate_response(reply, checks=CHECKS)

    check(200, "application/json", b'{"now":1}')
    with pytest.raises(FailureGroup):
        check(status, media, body)


def table(seen: Seen) -> str:
    """Return each door's share of each status, in percent."""
    lines = []
    for door in sorted(DOORS):
        counts = Counter[str]()
        for (other, status, slug), count in seen.items():
            if other == door:
                counts[f"{status} {slug}".strip()] += count
        every = sum(counts.values())
        shares = ", ".join(f"{n} {100 * c / every:.0f} %" for n, c in counts.most_common())
        lines.append(f"{door}: {every} cases: {shares}")
    return "\n".join(lines)
