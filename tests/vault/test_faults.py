from __future__ import annotations

import ast
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import test_kill, test_kill_source
from vault import faults

ROOT = Path(__file__).parents[2]
PASS_TWICE = "from vault import faults; [faults.point('answer') for _ in range(2)]; print('lived')"


def uses() -> Iterator[tuple[str, str]]:
    """Every fault point in the code, and the dotted name of the function that it stands in."""
    for package in ("vault", "consent"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield from _uses(ast.parse(path.read_text(encoding="utf-8")), module)


def _uses(node: ast.AST, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("faults.point", "point"):
        (name,) = node.args
        assert isinstance(name, ast.Constant), place
        yield str(name.value), place
    inner = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, f"{place}.{getattr(node, 'name', '')}" if inner else place)


def run(fault: str | None) -> subprocess.CompletedProcess[str]:
    environment = {} if fault is None else {faults.VARIABLE: fault}
    return subprocess.run(
        [sys.executable, "-c", PASS_TWICE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_point_stands_once_and_where_the_list_says() -> None:
    found = list(uses())
    assert dict(found) == dict(faults.POINTS)
    assert set(Counter(name for name, _ in found).values()) == {1}


def test_every_point_is_struck_by_a_test() -> None:
    assert {*test_kill.FURTHEST, *test_kill_source.FURTHEST} == set(faults.POINTS)


@pytest.mark.parametrize("fault", [None, "", "answer:3", "sweep-after-commit:1"])
def test_point_that_is_not_armed_does_nothing(fault: str | None) -> None:
    done = run(fault)
    assert (done.returncode, done.stdout, done.stderr) == (0, "lived\n", "")


@pytest.mark.parametrize("fault", ["answer:1", "answer:2"])
def test_armed_point_kills_at_its_passing_and_says_so(fault: str) -> None:
    done = run(fault)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert done.stderr == "FAULT answer\n"


@pytest.mark.parametrize("fault", ["answer", "answer:0", "answer:x", "nothing:1", ":", "answer:-1"])
def test_fault_that_is_misspelt_does_not_start(fault: str) -> None:
    done = run(fault)
    assert done.returncode == 1
    assert faults.VARIABLE in done.stderr


def test_list_is_frozen() -> None:
    with pytest.raises(TypeError):
        faults.POINTS["more"] = ""  # type: ignore[index]
