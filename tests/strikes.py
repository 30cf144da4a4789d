"""Plans of kills: which fault point strikes at which passing, and the histogram of what struck."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vault import faults

HITS = 5
LIVES = 8 if os.environ.get("CARBONVAULT_DEEP") else 1
SEED = int(os.environ.get("CARBONVAULT_SEED", "1"))
KILLED = -signal.SIGKILL


class Strike(NamedTuple):
    """Kill at the `at`-th passing of a fault point."""

    point: str
    at: int


def plan(furthest: Mapping[str, int], points: Sequence[str], crews: int) -> list[list[Strike]]:
    """Return the strikes of each life: HITS for each of its points, in random order.

    The points are shared out among as many crews as work at the same time; each life of a crew
    begins anew. `furthest` is the last passing at which a point may strike.
    """
    draw, lives = random.Random(SEED), []
    for crew in list(range(crews)) * LIVES:
        own = points[crew::crews]
        strikes = [Strike(p, draw.randint(1, furthest[p])) for p in own for _ in range(HITS)]
        draw.shuffle(strikes)
        lives.append(strikes)
    return lives


def environment(strike: Strike | None) -> dict[str, str]:
    """Return the environment of a process that the strike waits for."""
    found = {**os.environ, "LC_ALL": "C.UTF-8"}
    found.pop(faults.VARIABLE, None)
    if strike:
        found[faults.VARIABLE] = f"{strike.point}:{strike.at}"
    return found


def check_all_struck(title: str, points: Iterable[str], hits: Counter[str], facts: str) -> None:
    """Print the histogram; a point that was hit too seldom fails the run."""
    print(f"\n{title}: {sum(hits.values())} kills; {facts}", file=sys.stderr)  # noqa: T201
    for point in sorted(points):
        print(f"  {hits[point]:>4}  {point}", file=sys.stderr)  # noqa: T201
    seldom = {point: hits[point] for point in points if hits[point] < HITS * LIVES}
    assert seldom == {}
