"""A bundle holds, offline, what it says; one about a person holds only theirs."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from consent import bundle as bundles
from consent.bundle import COPY, Content, Pins, files_of, pack
from consent.cli import app
from consent.demo.cast import CITY
from consent.log.note import read_vkey
from consent.log.proof import verify_proof
from consent.mirror import Mirror
from tests.test_mirror import audit, judged, opened
from tests.world import EAST, JAN, WEST, Person, World
from vault.encoding import b64u, read_envelope, unb64u
from vault.errors import BadPlace

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


def packed(folder: Path, files: Mapping[str, Content], kid: str | None = None) -> bytes:
    size = pack(folder / "b.zip", files, PINS, kid)
    raw = (folder / "b.zip").read_bytes()
    assert (len(raw), (folder / "b.zip").stat().st_mode & 0o777) == (size, 0o600)
    assert not (folder / "b.zip.new").exists()
    return raw


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    files: dict[str, Content] = {"copy/b": b"2", "copy/a": b"1"}
    assert packed(tmp_path, files) == packed(tmp_path, dict(reversed(files.items())))
    assert packed(tmp_path, files) != packed(tmp_path, {**files, "copy/a": b"3"})
    archive = zipfile.ZipFile(io.BytesIO(packed(tmp_path, files, kid="k")))
    assert json.loads(archive.read("pins.json"))["kid"] == "k"
    assert "一把密钥" in archive.read("README.txt").decode("utf-8")


@given(st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=3 << 12), max_size=4))
def test_files_read_from_a_folder_make_the_bytes_of_those_in_memory(
    contents: dict[str, bytes],
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles, "PIECE", 1000)
        folder = Path(name)
        for each, raw in contents.items():
            (folder / each).write_bytes(raw)
        read = packed(folder, {f"copy/{each}": folder / each for each in contents})
        held = packed(folder, {f"copy/{each}": raw for each, raw in contents.items()})
    assert read == held == whole_at_once(contents)
    check_sums(zipfile.ZipFile(io.BytesIO(read)))


def whole_at_once(contents: Mapping[str, bytes]) -> bytes:
    """The same bundle, written apart from ours with everything in memory."""
    what, what_zh, check = bundles._WHOLE
    told = bundles.README.format(what=what, what_zh=what_zh, check=check)
    pins = json.dumps(PINS.plain(None), indent=1, ensure_ascii=False) + "\n"
    own = {"README.txt": told.encode(), "pins.json": pins.encode()}
    whole = {**own, **{f"copy/{name}": raw for name, raw in contents.items()}}
    lines = [f"{hashlib.sha256(whole[name]).hexdigest()}  {name}\n" for name in sorted(whole)]
    whole["SHA256SUMS"] = "".join(lines).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(whole):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, whole[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def test_a_large_copy_does_not_have_to_fit_into_memory(tmp_path: Path) -> None:
    large = tmp_path / "000.jsonl"
    large.write_bytes(bytes(64 << 20))
    tracemalloc.start()
    packed_size = pack(tmp_path / "b.zip", {"copy/texts/000.jsonl": large}, PINS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert packed_size < 1 << 20


def test_only_the_files_of_a_copy_and_a_report_go_into_a_bundle(
    world: World, ann: Person, tmp_path: Path
) -> None:
    audit(world, tmp_path / "copy")
    copy, report = tmp_path / "copy", tmp_path / "report"
    report.mkdir()
    before = {*files_of(copy, COPY, "copy")}
    for name in ("old.zip", "state.json.new", "auditor.key", "texts/000.jsonl.new", "entries.db"):
        (copy / name).write_bytes(b"x")
    for name in ("report.json", "report.zh-CN.html", "report.jws", "auditor.key", "state.json"):
        (report / name).write_bytes(b"x")
    (copy / "elsewhere").symlink_to(tmp_path / "far")
    names = check_sums(made(world, tmp_path, "--report", str(report)))
    told = {"README.txt", "pins.json", *(f"report/report.{at}" for at in ("json", "jws"))}
    assert names == before | told | {"report/report.zh-CN.html"}


@pytest.mark.parametrize("name", ["texts", "texts/000.jsonl", "checkpoint", "conflicting"])
def test_no_link_of_a_copy_is_followed(
    world: World, ann: Person, tmp_path: Path, name: str
) -> None:
    audit(world, tmp_path / "copy")
    place, away = tmp_path / "copy" / name, tmp_path / "away"
    if place.exists():
        place.rename(away)
    place.symlink_to(away)
    with pytest.raises(BadPlace, match=f"{name} is a link"):
        files_of(tmp_path / "copy", COPY, "copy")


def test_a_file_that_changes_meanwhile_makes_no_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, out = tmp_path / "state.json", tmp_path / "b.zip"
    place.write_bytes(b"1")
    out.write_bytes(b"what was there before")
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "_hash", lambda _content: "0" * 64)
        with pytest.raises(BadPlace, match="changed while it was packed"):
            pack(out, {"copy/state.json": place}, PINS)
    with pytest.raises(BadPlace, match="cannot read"):
        pack(out, {"copy/state.json": tmp_path / "none"}, PINS)
    assert {each.name for each in tmp_path.iterdir()} == {"state.json", "b.zip"}
    assert out.read_bytes() == b"what was there before"
    assert pack(out, {"copy/state.json": place}, PINS) > 0
