"""A bundle holds, offline, what it says; one about a person holds only theirs."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consent.bundle import Pins, pack
from consent.cli import app
from consent.demo.cast import CITY
from consent.log.note import read_vkey
from consent.log.proof import verify_proof
from consent.mirror import Mirror
from tests.test_mirror import audit, judged, opened
from tests.world import EAST, JAN, WEST, Person, World
from vault.encoding import b64u, read_envelope, unb64u

PINS = Pins("vault.example/log+00000000+AQ", "key", 1)


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def ann(world: World) -> Person:
    ann, bob = world.person("ann", EAST, WEST), world.person("bob", EAST)
    grant = world.allow(ann, CITY)
    world.allow(bob, CITY)
    world.ride(ann, EAST, 10_000)
    world.close_month(JAN)
    world.platform(CITY).total(grant.grant, (JAN,))
    return ann


def made(world: World, folder: Path, *words: str) -> zipfile.ZipFile:
    out = folder / "bundle.zip"
    named = ["--log", world.log_vkey, f"--auditor={b64u(world.cast.auditor.public)}"]
    said = CliRunner().invoke(
        app, ["audit", "bundle", str(folder / "copy"), str(out), *named, *words]
    )
    assert said.exit_code == 0, said.output
    assert out.stat().st_mode & 0o077 == 0
    return zipfile.ZipFile(out)


def check_sums(archive: zipfile.ZipFile) -> set[str]:
    """Every file but the list itself stands in the list, with its hash."""
    lines = archive.read("SHA256SUMS").decode("ascii").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert set(listed) == set(archive.namelist()) - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256(archive.read(name)).hexdigest() == digest
    return set(listed)


def test_the_whole_is_audited_again_from_the_bundle_alone(
    world: World, ann: Person, tmp_path: Path
) -> None:
    assert audit(world, tmp_path / "copy").findings == []
    archive = made(world, tmp_path)
    names = check_sums(archive)
    assert {"README.txt", "pins.json", "copy/checkpoint"} <= names
    archive.extractall(tmp_path / "far")
    there = judged(Mirror(tmp_path / "far" / "copy", world.policy)).report()
    here = judged(opened(world, tmp_path / "copy")).report()
    assert (there.findings, there.counts, there.root) == ([], here.counts, here.root)
    assert json.loads(archive.read("pins.json"))["log"] == world.log_vkey


def test_of_one_person_every_entry_is_proved_and_nobody_else_is_in_it(
    world: World, ann: Person, tmp_path: Path
) -> None:
    audit(world, tmp_path / "copy")
    owners = judged(opened(world, tmp_path / "copy")).replay.owners
    account = ann.holder.account
    archive = made(world, tmp_path, "--kid", account)
    names = check_sums(archive)
    assert not any(name.startswith("copy/") for name in names)
    own = set(owners.of(account))
    shown = {int(name[8:14]) for name in names if name.startswith("entries/")}
    assert shown == own
    log = read_vkey(world.log_vkey)
    texts = [name for name in names if name.endswith(".jws")]
    for name in texts:
        text = archive.read(name).decode("ascii")
        proof = archive.read(name.replace(".jws", ".tlog-proof")).decode("utf-8")
        assert verify_proof(proof, text, log).index == int(name.partition("/")[2][:6])
    kinds = {read_envelope_typ(archive.read(name)) for name in texts if "directories/" in name}
    assert kinds == {"cv1-directory"}
    others = {owner for owner in owners.values() if owner} - {account}
    signers = {jws_kid(archive.read(name)) for name in texts}
    assert len(others) == 1
    assert account in signers
    assert not others & signers


def jws_kid(raw: bytes) -> str:
    return str(json.loads(unb64u(raw.decode("ascii").partition(".")[0]))["kid"])


def read_envelope_typ(raw: bytes) -> str:
    return read_envelope(raw.decode("ascii"), "cv1-directory").typ


def test_a_copy_that_was_changed_makes_no_bundle_of_a_person(
    world: World, ann: Person, tmp_path: Path
) -> None:
    audit(world, tmp_path / "copy")
    owners = judged(opened(world, tmp_path / "copy")).replay.owners
    account = ann.holder.account
    made(world, tmp_path, "--kid", account)  # as it is, it does
    gone = max(owners.of(account))
    (texts,) = (tmp_path / "copy" / "texts").glob("*.jsonl")
    kept = [
        line for line in texts.read_text("utf-8").splitlines() if f'"index":{gone},' not in line
    ]
    texts.write_text("\n".join(kept) + "\n", "utf-8")
    words = ["--log", world.log_vkey, f"--auditor={b64u(world.cast.auditor.public)}"]
    asked = ["audit", "bundle", str(tmp_path / "copy"), str(tmp_path / "b.zip"), *words]
    said = CliRunner().invoke(app, [*asked, "--kid", account])
    assert (said.exit_code, (tmp_path / "b.zip").exists()) == (1, False)
    assert f"lacks the text of entry {gone}" in said.output


def test_a_key_that_nothing_concerns_makes_no_bundle(
    world: World, ann: Person, tmp_path: Path
) -> None:
    audit(world, tmp_path / "copy")
    words = ["--log", world.log_vkey, f"--auditor={b64u(world.cast.auditor.public)}"]
    asked = ["audit", "bundle", str(tmp_path / "copy"), str(tmp_path / "b.zip"), *words]
    said = CliRunner().invoke(app, [*asked, "--kid", "x" * 43])
    assert said.exit_code == 1
    assert "concerns that key" in said.output


def test_the_same_files_make_the_same_bytes() -> None:
    files = {"copy/b": b"2", "copy/a": b"1"}
    assert pack(files, PINS) == pack(dict(reversed(files.items())), PINS)
    assert pack(files, PINS) != pack({**files, "copy/a": b"3"}, PINS)
    archive = zipfile.ZipFile(io.BytesIO(pack(files, PINS, kid="k")))
    assert json.loads(archive.read("pins.json"))["kid"] == "k"
    assert "一把密钥" in archive.read("README.txt").decode("utf-8")
