"""``holder sample`` and ``audit sample``, over folders and a served vault."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consent.commands.sample import sample_audit, sample_holder
from consent.terminal import new_app
from tests.test_commands import BIKE, Town
from tests.world import FEB, JAN
from vault.wire import objects_of, text_of

app = new_app("The two commands, before they are hung into their groups.")
app.command("open")(sample_holder)
app.command("check")(sample_audit)


def run(*words: object, typed: str = "", lang: str = "C.UTF-8") -> Result:
    return CliRunner().invoke(app, [*map(str, words)], input=typed, env={"LC_ALL": lang})


class Stage(Town):
    """A town whose January is closed."""

    def begin(self) -> str:
        self.publish()
        self.join()
        self.ride(5_000, 3_000)
        self.settle(JAN, FEB)
        (close,) = objects_of(self.do("holder", "closes", self["me"]), "closes")
        return text_of(close, "link")

    def check(self, file: Path, *more: object) -> Result:
        return run("check", file, f"--auditor={self.auditor}", "--log", self.vkey, "--demo", *more)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    try:
        yield stage
    finally:
        stage.stop()


def test_a_month_is_opened_by_its_holder_and_checked_by_an_auditor(stage: Stage) -> None:
    link, file = stage.begin(), stage["sample.json"]
    opening = ["open", stage["me"], link, JAN, "--out", file]
    declined = run(*opening, typed="n\n")
    assert declined.exit_code == 1
    assert "Opened are 2 records" in declined.output
    assert "Nothing was opened." in declined.output
    assert not file.exists()
    chinese = run(*opening, "--locale", "zh-CN", typed="n\n")
    assert "公开 2 条记录" in chinese.output
    assert run(*opening, typed="y\n").exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(*opening, "--yes").exit_code == 1  # a file that is there stays
    kept = stage["me"] / "directory.jws"
    for where in (["--url", stage.url], ["--directory", kept]):
        found = stage.check(file, *where)
        assert found.exit_code == 0, found.output
        assert "pass        The source signed this close" in found.output
        assert f"243500 mg  counts  {BIKE} R-1" in found.output
    said = json.loads(stage.check(file, "--url", stage.url, "--json").stdout)
    assert {check["state"] for check in said["checks"]} == {"pass"}
    assert said["grams"] == [0, 0, 0, 389, 0, 0, 0]
    assert len(said["records"]) == 2
    refuse(stage, file, kept)


def refuse(stage: Stage, file: Path, kept: Path) -> None:
    """Each thing that is wrong is refused, with the honest file as the control above."""
    members = json.loads(file.read_bytes())
    members["cells"][3][0] += 1
    lie = stage["lie.json"]
    lie.write_text(json.dumps(members), encoding="utf-8")
    found = stage.check(lie, "--directory", kept)
    assert found.exit_code == 1
    assert "FAIL        The signed commitments" in found.output
    other = run("check", lie, f"--auditor={stage.auditor}", "--log", stage.vkey,
                "--directory", kept, lang="zh_CN.UTF-8")  # fmt: skip
    assert "演示" in other.output or "参与方名录不可信" in other.output  # a demo is not taken
    assert stage.check(kept, "--directory", kept).exit_code == 1
    assert stage.check(file, "--directory", lie).exit_code == 1
    assert stage.check(file).exit_code == 2
    assert stage.check(file, "--url", stage.url, "--directory", kept).exit_code == 2
    wrong = run("open", stage["me"], "00" * 16, JAN, "--out", stage["x.json"], "--yes")
    assert wrong.exit_code == 1
    assert "no such link" in wrong.output
    bad = run("open", stage["me"], members["link"], JAN, "--out", lie, "--locale", "fr")
    assert bad.exit_code == 2
