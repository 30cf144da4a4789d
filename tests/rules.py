"""Small releases that set limits, and a world that counts by one of them.

RULES = release_of(behaviour_file("travel.bike", TRIP, caps(day_g=400)), behaviour_file("use.cup"))
world_under(RULES, monkeypatch)
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from consent import holder
from consent.demo import company
from tests.methodology.files import FACTOR, HEAD
from tests.world import World
from vault.methodology.behaviour import Behaviour
from vault.methodology.release import Release, read_release

TRIP = '[dedupe]\nkey = ["operator", "trip_id"]\nperson_time = true\n'
BOUND = """
[[bounds]]
rule = "over"
unit = "s"
limit = 86400
reason = "over-a-day"
proposal = true
text = { zh-CN = "原因", en = "reason" }
[[vectors]]
activity = { m = 1200, s = 86401 }
region = "CN"
start = 2026-01-05T08:00:00+08:00
mg = 0
reason = "over-a-day"
refused = true
"""
VECTOR = """
[[vectors]]
activity = { m = 1200, s = 300 }
region = "CN-HB-WH"
start = 2026-01-05T08:00:00+08:00
mg = 58440
"""


def caps(**grams: int) -> str:
    """The caps of a behaviour file: act_g, day_g, month_g."""
    lines = "".join(f"{name} = {most}\n" for name, most in grams.items())
    return f'[caps]\nproposal = true\nnote = {{ zh-CN = "注", en = "note" }}\n{lines}'


def exclusive(other: str, within: str) -> str:
    """One exclusion of another behaviour: time, day or month."""
    return f'[[exclusive]]\nwith = "{other}"\nwithin = "{within}"\n'


def behaviour_file(name: str, *tables: str) -> bytes:
    """A behaviour of 48.7 mg a metre with these tables besides."""
    head = HEAD.replace('"travel.bike"', f'"{name}"')
    return (head + "".join(tables) + FACTOR + VECTOR).encode()


def release_of(*behaviours: bytes) -> Release:
    """A release of these behaviour files."""
    pins = "".join(
        f'[[behaviours]]\nid = "{Behaviour.from_toml(each).id}"\nrev = 1\n'
        f'sha256 = "{sha256(each).hexdigest()}"\n'
        for each in behaviours
    )
    head = 'format = "carbonvault-release/1"\nid = "rules-1"\n'
    says = 'says = { zh-CN = "说明", en = "says" }\n'
    return read_release((head + says + pins).encode(), behaviours)


def world_under(
    release: Release, monkeypatch: pytest.MonkeyPatch, folder: Path | None = None
) -> World:
    """A world in which this release, and no other, is in force."""
    for module in (company, holder):
        monkeypatch.setattr(module, "load_release", lambda _: release)
    return World(folder)
