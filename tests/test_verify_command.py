"""``carbonvault audit verify``: a report is told from one that was changed or signed by another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consent.cli import app
from consent.report.page import report_files
from tests.report_sample import AUDITOR, make_sample
from vault.crypto.keys import SigningKey
from vault.encoding import b64u

KEY = b64u(AUDITOR.public)
OTHER = b64u(SigningKey(b"\x55" * 32).public)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = make_sample(2)
    for name, raw in report_files(made.raw, made.jws).items():
        (tmp_path / name).write_bytes(raw)
    return tmp_path


def verify(*words: object) -> tuple[int, str]:
    said = CliRunner().invoke(app, ["audit", "verify", *map(str, words)])
    return said.exit_code, said.output


@pytest.mark.parametrize("name", ["report.json", "report.en.html", "report.zh-CN.html"])
def test_what_the_auditor_signed_is_said(folder: Path, name: str) -> None:
    code, said = verify(folder / name, f"--auditor={OTHER}", f"--auditor={KEY}", "--json")
    assert code == 0, said
    assert json.loads(said)["size"] > 0
    assert verify(folder / name, f"--auditor={OTHER}")[0] == 1


@pytest.mark.parametrize("name", ["report.json", "report.en.html"])
def test_what_was_changed_is_refused(folder: Path, name: str) -> None:
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(raw.replace(b"bike", b"bake", 1) if b"bike" in raw else raw[:-1])
    assert verify(folder / name, f"--auditor={KEY}")[0] == 1


def test_another_file_is_no_report(folder: Path) -> None:
    code, said = verify(folder / "report.jws", f"--auditor={KEY}")
    assert code == 1
    assert ".html or .json" in said
