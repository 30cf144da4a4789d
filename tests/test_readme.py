"""What README.md says is so: its example runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from consent.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_worked_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["total"] != names["cells"]


def test_every_command_it_names_has_help_with_an_example() -> None:
    commands = {"demo", "audit", "platform total"}
    assert all(f"carbonvault {command}" in README for command in commands)
    for command in sorted(commands | {"serve"}):
        shown = CliRunner().invoke(app, [*command.split(), "--help"])
        assert shown.exit_code == 0
        assert "Example: carbonvault" in shown.output


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README):
        assert (ROOT / target).exists(), target


def test_a_total_is_never_called_anonymous() -> None:
    assert "anonym" not in README.lower()
