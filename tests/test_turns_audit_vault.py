"""A vault whose log turns, and its auditor: reports, bundle, list of entries, over every log."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consent.cli import app
from consent.demo.cast import CITY
from consent.log.proof import verify_proof
from consent.messages import AuditReport
from consent.mirror import Mirror
from consent.place import write_key
from consent.report.form import before_of
from consent.report.signed import verify_report
from consent.volume import texts_between
from tests.test_mirror import Counted, audit, files, judged, opened, plain
from tests.turning_vault import NAMES, Turning
from tests.world import EAST, JAN, Person
from vault.encoding import b64u, read_envelope
from vault.errors import BadProof


@pytest.fixture
def world() -> Iterator[Turning]:
    with Turning() as world:
        yield world


@pytest.fixture
def ann(world: Turning) -> Person:
    """Ann's first month: her links and grant in the first log, its close and release after it."""
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 10_000)
    world.turn()
    world.close_log()
    world.account("bob")
    world.close_month(JAN)
    world.platform(CITY).total(grant.grant, (JAN,))
    return ann


def test_audits_before_at_and_after_turns_find_nothing(world: Turning, tmp_path: Path) -> None:
    folder, sizes = tmp_path / "mirror", list[int]()

    def look() -> None:
        report = audit(world, folder)
        assert (report.findings, report.unseen) == ([], [])
        assert plain(report) == plain(world.auditor().audit())
        sizes.append(report.size)

    world.account("ann")
    look()
    for name in NAMES:
        world.turn()
        look()
        world.close_log()
        look()
        world.account(name)
        look()
    assert sizes == [2, 3, 4, 5, 6, 7, 8]
    again = Counted(world)
    audit(world, folder, again)
    assert again.asked == ["/log/checkpoint", *(f"/log/{name}/checkpoint" for name in NAMES)]
    whole = audit(world, tmp_path / "whole")
    assert [log.size for log in whole.logs] == [3, 3, 2]
    held, fresh = files(folder), files(tmp_path / "whole")
    assert {**held, "state.json": b""} == {**fresh, "state.json": b""}
    assert plain(judged(opened(world, folder), jobs=2).report()) == plain(whole)


def test_witnessed_logs_are_audited_over_a_turn(tmp_path: Path) -> None:
    with Turning(quorum=2) as world:
        world.account("ann")
        world.rounds.refresh()
        assert audit(world, tmp_path).findings == []
        world.turn()
        world.rounds.refresh()
        assert audit(world, tmp_path).findings == []
        world.close_log()
        assert audit(world, tmp_path).findings == []  # what no witness saw is not shown
        world.rounds.refresh()
        report = audit(world, tmp_path)
        assert (report.findings, report.size) == ([], 4)
        assert len(report.cosigned) >= 2


def test_account_with_entries_in_both_logs_is_erased_from_the_mirror(
    world: Turning, ann: Person, tmp_path: Path
) -> None:
    assert audit(world, tmp_path / "mirror").findings == []
    first = world.earlier[0].size
    erased = ann.holder.erase()
    assert min(erased.indexes) < first < max(erased.indexes)
    report = audit(world, tmp_path / "mirror")
    assert (report.findings, report.unseen) == ([], [])
    mirror = opened(world, tmp_path / "mirror")
    held = {served.index for served in texts_between(mirror.volumes, 0, report.size)}
    assert held == set(range(report.size)) - set(erased.indexes)
    assert mirror.gone.keys() == set(erased.indexes)
    assert world.auditor().audit().unseen == sorted(erased.indexes)


def run(*words: str) -> tuple[int, str]:
    said = CliRunner().invoke(app, ["audit", *words])
    return said.exit_code, said.output


def test_a_mirror_of_both_logs_is_audited_offline_and_reported(
    world: Turning, ann: Person, tmp_path: Path
) -> None:
    online = audit(world, tmp_path / "mirror")
    key, report = tmp_path / "auditor.key", tmp_path / "report"
    write_key(key, world.cast.auditor.value)
    named = ["--key", str(key), "--log", world.log_vkey, "--report", str(report)]
    code, said = run("run", str(tmp_path / "mirror"), *named, "--json")
    assert (code, json.loads(said)) == (0, online.plain())
    raw, jws = (report / "report.json").read_bytes(), (report / "report.jws").read_text("ascii")
    found = verify_report(jws, raw, [world.cast.auditor.public])
    assert (found.begins, found.to, found.root) == (0, online.size, online.root)
    assert before_of(found) == world.earlier[0].size
    assert found.log == str(world.vkeys[1])
    message = AuditReport.opened(read_envelope(jws, AuditReport.typ))
    assert (message.to, message.root) == (online.size, online.root)
    for name, told in (("en", "vault.test/log/2027: "), ("zh-CN", "vault.test/log/2027：")):
        assert told in (report / f"report.{name}.html").read_text("utf-8")
    code, said = run("run", str(tmp_path / "mirror"), *named)
    assert (code, "entries of vault.test/log/2027" in said) == (0, True)
    lie = raw.replace(b'"size":%d' % world.earlier[0].size, b'"size":1', 1)
    assert lie != raw
    with pytest.raises(BadProof):
        verify_report(jws, lie, [world.cast.auditor.public])


def test_a_mirror_is_judged_by_anybody_without_a_secret_key(
    world: Turning, ann: Person, tmp_path: Path
) -> None:
    online = audit(world, tmp_path / "mirror")
    auditor = f"--auditor={b64u(world.cast.auditor.public)}"
    named = ["--log", world.log_vkey, "--json"]
    code, said = run("run", str(tmp_path / "mirror"), *named, auditor)
    assert (code, json.loads(said)) == (0, online.plain())
    for words, wanted in (
        ([str(tmp_path / "mirror")], "give --auditor"),
        (["https://vault.test", auditor], "a URL needs --key"),
        ([str(tmp_path / "mirror"), auditor, "--report", str(tmp_path / "r")], "--report needs"),
    ):
        code, said = run("run", *words, *named)
        assert (code, wanted in " ".join(said.replace("│", " ").split())) == (2, True), said
    assert not (tmp_path / "r").exists()


def bundled(world: Turning, folder: Path, *words: str) -> zipfile.ZipFile:
    named = ["--log", world.log_vkey, f"--auditor={b64u(world.cast.auditor.public)}"]
    code, said = run("bundle", str(folder / "copy"), str(folder / "b.zip"), *named, *words)
    assert code == 0, said
    return zipfile.ZipFile(folder / "b.zip")


def test_bundle_holds_both_logs(world: Turning, ann: Person, tmp_path: Path) -> None:
    here = audit(world, tmp_path / "copy")
    archive = bundled(world, tmp_path)
    assert {"copy/checkpoint", "copy/logs/2027/checkpoint"} <= set(archive.namelist())
    archive.extractall(tmp_path / "far")
    there = judged(Mirror(tmp_path / "far/copy", world.policy)).report()
    assert plain(there) == plain(here)


def test_bundle_of_a_key_proves_its_entries_in_the_log_of_each(
    world: Turning, ann: Person, tmp_path: Path
) -> None:
    report = audit(world, tmp_path / "copy")
    first, account = world.earlier[0].size, ann.holder.account
    archive = bundled(world, tmp_path, "--kid", account)
    names = [name for name in archive.namelist() if name.endswith(".jws")]
    owners = world.auditor().audit().owners
    shown = {int(name[8:14]) for name in names if name.startswith("entries/")}
    assert shown == {index for index, owner in owners.items() if owner == account}
    assert min(shown) < first < max(shown)
    for name in names:
        place = int(name.partition("/")[2][:6])
        log, index = (world.vkeys[0], place) if place < first else (world.vkeys[1], place - first)
        proof = archive.read(name.replace(".jws", ".tlog-proof")).decode("utf-8")
        found = verify_proof(proof, archive.read(name).decode("ascii"), log)
        assert (found.index, found.size) == (index, first if place < first else report.logs[1].size)
