#!/usr/bin/env python3
"""Run every check that this machine can run, and end with a table: check · ran · why not.

    ./run tests/check.py            what the machine can
    ./run tests/check.py --all      a check that did not run is a failure
    ./run tests/check.py --deep     the long tier too (minutes to hours); writes tests/deep.json

Tests that want the public data sets say so when these are not there: data is no ability of a
machine, so that alone is no failure. CARBONVAULT_DATA may name the folder that holds them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = "data: "
# One more than there are cores: a test that drives a server or a browser waits half of the time.
SIDE_BY_SIDE = ["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadfile"]
ADDRESS = re.compile(r"https?://|--index-url|--find-links", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One line of the table; `why` is empty for a check that ran."""

    check: str
    ran: str
    good: bool
    why: str = ""


def command(name: str, *words: str) -> Row:
    """Run a command in the project; good when it exits with 0."""
    shown = [word for word in words if not word.endswith(".test.js")]
    print(f"── {name}: {' '.join(shown)}", flush=True)
    begun = time.monotonic()
    done = subprocess.run(words, cwd=ROOT, check=False)
    took = f"{time.monotonic() - begun:.0f} s"
    return Row(name, took if done.returncode == 0 else f"FAILED ({took})", done.returncode == 0)


def lock() -> Row:
    """Look for addresses in the lock file, and for a pin without a hash."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9.-]+)==.*\n((?: .*\n)*)", text, re.MULTILINE)
    bare = [name for name, hashes in pins if "--hash=sha256:" not in hashes]
    good = bool(pins) and not bare and not ADDRESS.search(text)
    return Row("lock", f"{len(pins)} pins" if good else f"FAILED {bare[:3] or 'address'}", good)


def tests(name: str, everything: bool, words: list[str], environment: dict[str, str]) -> list[Row]:
    """Run pytest; what it skipped becomes rows of its own."""
    print(f"── {name}: pytest {' '.join(words)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *words],
            cwd=ROOT,
            check=False,
            env={**os.environ, **environment},
        )
        if not report.exists():
            return [Row(name, f"FAILED (exit {done.returncode})", good=False)]
        tree = ElementTree.parse(report)
    cases = len(tree.findall(".//testcase"))
    skipped = Counter(found.get("message", "") for found in tree.findall(".//skipped"))
    passed = cases - sum(skipped.values())
    good = done.returncode == 0 and passed > 0
    rows = [Row(name, f"{passed} passed" if good else "FAILED", good)]
    for why, count in skipped.items():
        allowed = not everything or why.startswith(DATA)
        rows.append(Row(f"{name}: {count} not run", "no", allowed, why))
    return rows


def modules(everything: bool) -> list[Row]:
    """Check the web app's modules: their vectors and their types, where node and npm are."""
    names = "web modules", "web types"
    missing = next((each for each in ("node", "npm") if not shutil.which(each)), None)
    if missing:
        return [
            Row(name, "no", not everything, f"{missing} is not on this machine") for name in names
        ]
    web = ROOT / "tests" / "web"
    files = sorted(str(path.relative_to(ROOT)) for path in web.glob("*.test.js"))
    rows = [command(names[0], "node", "--test", "--test-reporter=dot", *files)]
    if not (web / "node_modules" / ".package-lock.json").exists():
        got = command("npm", "npm", "ci", "--prefix", str(web), "--ignore-scripts", "--silent")
        if not got.good:
            return [*rows, Row(names[1], "no", not everything, "npm could not install TypeScript")]
    tsc = str(web / "node_modules" / ".bin" / "tsc")
    return [*rows, command(names[1], tsc, "-p", str(web / "tsconfig.json"))]


def deep(seed: int) -> list[Row]:
    """Run the long tier and write what it did to tests/deep.json."""
    begun = time.monotonic()
    environment = {"CARBONVAULT_DEEP": "1", "CARBONVAULT_SEED": str(seed)}
    words = [f"--hypothesis-seed={seed}", *SIDE_BY_SIDE]
    rows = tests("deep", everything=False, words=words, environment=environment)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    result = {
        "commit": commit.stdout.strip(),
        "seed": seed,
        "rows": [[row.check, row.ran, row.why] for row in rows],
        "seconds": round(time.monotonic() - begun),
    }
    path = ROOT / "tests" / "deep.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return rows


def table(rows: list[Row]) -> str:
    """Return the table as text."""
    wide = [max(map(len, (row.check for row in rows))), max(map(len, (row.ran for row in rows)))]
    head = f"{'check':<{wide[0]}} · {'ran':<{wide[1]}} · why not"
    lines = [f"{r.check:<{wide[0]}} · {r.ran:<{wide[1]}} · {r.why}".rstrip(" ·") for r in rows]
    return "\n".join([head, "-" * len(head), *lines])


def main() -> int:
    """Run the checks; return 0 when all are good."""
    # Hundreds of programs are started below: what the first compiles, the others read.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help='"not run" is a failure')
    parser.add_argument("--deep", action="store_true", help="the long tier too")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the long tier")
    asked = parser.parse_args()
    with ThreadPoolExecutor() as pool:  # mypy beside what takes about as long
        types, others = pool.submit(command, "types", "mypy"), pool.submit(modules, asked.all)
    rows = [
        lock(),
        command("format", "ruff", "format", "--check", "--quiet", "."),
        command("lint", "ruff", "check", "--quiet", "."),
        types.result(),
        command("imports", "lint-imports", "--no-cache"),
        *others.result(),
        *tests("tests", asked.all, SIDE_BY_SIDE, {"CARBONVAULT_WEEK": "1"} if asked.all else {}),
    ]
    if asked.deep:
        rows += deep(asked.seed)
    else:
        why = "--deep: the same with more examples, lives, rounds and larger exports"
        rows.append(Row("long tier", "no", good=True, why=why))
    print(f"\n{table(rows)}")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
