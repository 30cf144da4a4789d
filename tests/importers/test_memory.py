"""A long export takes no more memory than a short one: 1 GB in under 300 MB in the long tier.

Nor does the worst of what is read as a whole, 64 MiB of it in the long tier.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.memory import MAKERS, WHOLE

ROOT = Path(__file__).parents[2]
MEGABYTES = 1000 if os.environ.get("CARBONVAULT_DEEP") else 12
MOST_WHOLE = 67 if os.environ.get("CARBONVAULT_DEEP") else 12
MOST_MB = 300


def peak_of(name: str, megabytes: int) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory", name, str(megabytes)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        timeout=3600,
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_long_export_is_read_in_bounded_memory(name: str) -> None:
    long, short = peak_of(name, MEGABYTES), peak_of(name, 1)
    assert long["bytes"] >= MEGABYTES * 10**6
    assert long["rows"] > 8 * short["rows"]
    assert long["peak_mb"] < MOST_MB
    # Growing with the file would show already here: a tenth of its size is allowed.
    assert long["peak_mb"] - short["peak_mb"] < max(8, MEGABYTES // 10)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_the_worst_file_that_is_read_as_a_whole_takes_bounded_memory(name: str) -> None:
    found = peak_of(name, MOST_WHOLE)
    # Of whole objects of up to 2 MB; a million taps of one card are 43 MB.
    assert found["bytes"] >= min(MOST_WHOLE - 3, 40) * 10**6
    assert found["peak_mb"] < MOST_MB
