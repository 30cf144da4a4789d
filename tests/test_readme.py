"""What README.md says is so: its example runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from consent.cli import app
from consent.demo.company import RELEASE
from vault.methodology.shelf import release_names

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_worked_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["total"] != names["cells"]


def test_every_command_it_names_has_help_with_an_example() -> None:
    commands = {"demo", "audit run", "platform total", "source book", "holder own add"}
    assert all(f"carbonvault {command}" in README for command in commands)
    for command in sorted(commands | {"serve", "methodology list"}):
        shown = CliRunner().invoke(app, [*command.split(), "--help"])
        assert shown.exit_code == 0
        assert "Example: carbonvault" in shown.output


CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def test_both_languages_name_every_release_and_the_methodology_in_as_many_parts() -> None:
    for page in (README, CHINESE):
        for name in ("carbonvault methodology", *release_names()):
            assert f"`{name}`" in page
        assert page.count("\n## ") == README.count("\n## ")


def test_the_release_said_to_be_in_force_in_the_demonstration_is() -> None:
    assert f"`{RELEASE}`, in force in the demonstration" in README
    assert f"`{RELEASE}`，演示中生效的就是它" in CHINESE


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README):
        assert (ROOT / target).exists(), target


def test_a_total_is_never_called_anonymous() -> None:
    assert "anonym" not in README.lower()
