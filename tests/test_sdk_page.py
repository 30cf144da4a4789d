"""What docs/sdk.md and docs/accreditation.md say is so: names, methods, errors, commands."""

from __future__ import annotations

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command

from consent.auditor import Auditor
from consent.cli import app
from consent.holder import Holder
from consent.platform import Platform, Proofs
from consent.sandbox.pages import router
from consent.sandbox.roll import PARTIES, ROBOTS
from vault import errors
from vault.source import Source

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
ACCREDITATION = (ROOT / "docs" / "accreditation.md").read_text(encoding="utf-8")


def section(title: str, text: str = PAGE) -> str:
    _, found, after = text.partition(f"\n## {title}\n")
    assert found, title
    return after.split("\n## ")[0]


def code(text: str, kind: str = "python") -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def first_cells(text: str) -> str:
    """The first column of every table of a section."""
    return "\n".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_dotted_name_can_be_imported() -> None:
    bare = re.sub(r"^```.*?^```", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"`((?:vault|consent)(?:\.\w+)+)`", bare))
    assert len(names) > 15
    for name in sorted(names):
        module, *inside = re.split(r"\.(?=[A-Z])|\.(?=[a-z_]+$)", name)
        try:
            found: object = import_module(".".join([module, *inside]))
        except ModuleNotFoundError:
            found = import_module(module)
            for part in inside:
                found = getattr(found, part)


def test_every_python_block_compiles_and_imports_what_there_is() -> None:
    blocks = code(PAGE)
    assert len(blocks) >= 4
    for block in blocks:
        tree = ast.parse(block)
        imports = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module([*imports], []), "sdk.md", "exec"), {})
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {alias.name for each in imports for alias in each.names}
        assert imported <= names | {"time", "os"}, f"{imported - names} is imported and not used"


@pytest.mark.parametrize(
    ("title", "kind"),
    [("Platform", Platform), ("Source", Source), ("Holder", Holder), ("Auditor", Auditor)],
)
def test_the_methods_of_each_sdk_are_those_of_its_table(title: str, kind: type) -> None:
    told = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", first_cells(section(title))))
    assert told == public(kind)


def test_the_methods_of_kept_proofs_are_told() -> None:
    told = set(re.findall(r"^- `(\w+)\(", section("Kept proofs"), re.MULTILINE))
    assert told == public(Proofs)


def test_every_error_of_the_table_is_one_of_the_tree() -> None:
    told = re.findall(r"`(\w+)`", first_cells(section("Errors, and what to do")))
    assert len(told) > 25
    for name in told:
        assert issubclass(getattr(errors, name), errors.VaultError)


def test_the_sandbox_is_told_as_it_is() -> None:
    text = section("The sandbox")
    paths = {str(getattr(route, "path", "")) for route in router.routes} - {"/", "/sandbox"}
    assert set(re.findall(r"`(/[a-z/]+)", text)) == paths
    for name in (*(listed.id for listed in PARTIES), *(robot.name for robot in ROBOTS)):
        assert f"`sandbox/{name}`" in text


def test_every_command_of_the_pages_exists_with_its_options() -> None:
    lines = [line for block in code(ACCREDITATION, "sh") for line in block.splitlines()]
    spans = re.findall(r"`(carbonvault [^`]*)`", ACCREDITATION + PAGE)
    found = [shlex.split(line) for line in (*lines, *spans)]
    assert len(found) > 15
    for words in found:
        command = get_command(app)
        rest = words[1:]
        while rest and (below := getattr(command, "commands", {}).get(rest[0])):
            command, rest = below, rest[1:]
        assert command is not get_command(app), words
        known = {option for param in command.params for option in param.opts}
        asked = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert asked <= known, (words, asked - known)


def test_both_packages_say_that_they_are_typed() -> None:
    assert all((ROOT / name / "py.typed").is_file() for name in ("vault", "consent"))
