"""`carbonvault methodology check` finds each fault by itself and names the file."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from tests.methodology.files import (
    BOUND,
    BOUND_VECTOR,
    CAPS,
    FACTOR,
    GOOD,
    TIER_Z,
    release_file,
    spoiled,
)
from tests.test_commands import run
from vault.methodology.shelf import Fault, check_shelf, shipped_files

BIKE, RELEASE = "travel.bike.1.toml", "test-1.toml"
LIMITED = GOOD + BOUND_VECTOR + BOUND + CAPS
OVERLAP = FACTOR + FACTOR.replace("2024-06-01", "2025-01-01")


def shelf(behaviour: bytes = LIMITED.encode()) -> dict[str, bytes]:
    return {BIKE: behaviour, RELEASE: release_file(behaviour)}


def test_a_good_shelf_and_the_shipped_one_have_no_fault() -> None:
    assert check_shelf(shelf()) == []
    assert check_shelf(shipped_files()) == []
    assert len(shipped_files()) > 40


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('units = ["m", "s"]', 'units = ["mile", "s"]', "units.0"),
        (FACTOR, OVERLAP, "two factors fit one region and day"),
        ('title = "a report"\nlocator = "page 1"\n', "", "factors.0.source.title: Field required"),
        ('grade = "M"', 'grade = "L"', "tier A wants grades H or M, found L"),
        ('mg_per_unit = "48.7"', "mg_per_unit = 48.7", "mg_per_unit"),
        ("limit = 20000", "limit = 20000.0", "limit"),
        ("act_g = 1000", "act_g = 1e3", "act_g"),
        ('zh-CN = "名", ', "", "name: Value error, wanted a text in zh-CN and in en"),
        (', en = "says"', "", "says: Value error, wanted a text in zh-CN and in en"),
        (', en = "reason"', "", "wanted a text in zh-CN and in en"),
        (
            'en = "says"',
            'en = " "',
            "says: Value error, wanted a text with something beside spaces",
        ),
        ('en = "says"', 'en = "a\\u202eb"', "says: Value error, wanted one line"),
        ('title = "a report"', 'title = "  "', "title: Value error, wanted a text with something"),
        ('title = "a report"', 'title = "a\\u0007"', "title: Value error, wanted one line"),
        ("act_g = 1000", "act_g = 973", "a cap of 973 g is below its bounds"),
        ("mg = 58440", "mg = 58441", "vector 1 counts"),
        ("mg = 0\nreason", "mg = 1\nreason", "vector 2 counts"),
    ],
)
def test_each_fault_of_a_behaviour_file_is_found_alone(old: str, new: str, says: str) -> None:
    file = spoiled(old, new, LIMITED)
    faults = check_shelf({BIKE: file})
    assert [fault.file for fault in faults] == [BIKE]
    assert says in faults[0].says


def test_a_factor_without_a_source_is_found() -> None:
    bare = FACTOR[: FACTOR.index("[factors.source]")]
    (fault,) = check_shelf({BIKE: spoiled(FACTOR, bare, LIMITED)})
    assert "factors.0.source: Field required" in fault.says


def test_a_changed_file_under_a_pinned_hash_is_named_with_both_hashes() -> None:
    found = shelf()
    found[BIKE] += b"# changed\n"
    (fault,) = check_shelf(found)
    assert fault.file == RELEASE
    for part in (BIKE, sha256(LIMITED.encode()).hexdigest(), sha256(found[BIKE]).hexdigest()):
        assert part in fault.says


def test_a_pinned_file_that_is_not_there_is_named() -> None:
    assert check_shelf({RELEASE: release_file(LIMITED.encode())}) == [
        Fault(
            RELEASE,
            f"{BIKE} is not the file pinned: wanted SHA-256 "
            f"{sha256(LIMITED.encode()).hexdigest()}, found no such file",
        )
    ]


def test_two_files_of_one_id_and_revision_are_both_named() -> None:
    twin = LIMITED.encode() + b"# a twin\n"
    faults = check_shelf({**shelf(), f"other/{BIKE}": twin})
    assert [(fault.file, fault.says) for fault in faults] == [
        (BIKE, f"another file is {BIKE} as well"),
        (f"other/{BIKE}", f"another file is {BIKE} as well"),
    ]


def test_two_revisions_of_one_id_are_no_fault() -> None:
    second = spoiled("rev = 1", "rev = 2", LIMITED)
    assert check_shelf({**shelf(), "travel.bike.2.toml": second}) == []


def test_a_release_that_lists_an_id_twice_is_found() -> None:
    found = shelf()
    pin = found[RELEASE][found[RELEASE].index(b"[[behaviours]]") :]
    found[RELEASE] += pin
    (fault,) = check_shelf(found)
    assert (fault.file, "lists a behaviour twice" in fault.says) == (RELEASE, True)


@pytest.mark.parametrize(
    ("name", "file", "wanted"),
    [
        ("travel.bike.2.toml", LIMITED.encode(), BIKE),
        ("travel.bike.toml", LIMITED.encode(), BIKE),
        ("a/b/travel.walk.1.toml", LIMITED.encode(), BIKE),
    ],
)
def test_a_file_of_another_name_is_found(name: str, file: bytes, wanted: str) -> None:
    assert check_shelf({name: file}) == [Fault(name, f"wanted the name {wanted}")]
    assert check_shelf({f"deep/er/{wanted}": file}) == []


def test_a_release_of_another_name_is_found() -> None:
    found = shelf()
    found["test-2.toml"] = found.pop(RELEASE)
    assert check_shelf(found) == [Fault("test-2.toml", f"wanted the name {RELEASE}")]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"\xff", "not UTF-8 TOML"),
        (b"", "wanted format carbonvault-behaviour/1 or carbonvault-release/1"),
        (b'format = "carbonvault-behaviour/2"', "wanted format carbonvault-behaviour/1"),
    ],
)
def test_a_file_that_is_neither_is_found(file: bytes, says: str) -> None:
    (fault,) = check_shelf({"notes.toml": file})
    assert (fault.file, says in fault.says) == ("notes.toml", True)


@pytest.mark.parametrize(
    "release",
    [
        b'format = "carbonvault-release/1"\nid = "test-1"\nbehaviours = 1\n',
        b'format = "carbonvault-release/1"\nid = "test-1"\nbehaviours = [1]\n',
        b'format = "carbonvault-release/1"\nid = ["test-1"]\nbehaviours = [{ sha256 = [1] }]\n',
    ],
)
def test_a_release_of_odd_members_is_a_fault_and_no_crash(release: bytes) -> None:
    assert {fault.file for fault in check_shelf({RELEASE: release})} == {RELEASE}


def test_one_bad_file_hides_no_other() -> None:
    found = {
        BIKE: spoiled("mg = 58440", "mg = 1", LIMITED),
        "travel.walk.1.toml": spoiled("travel.bike", "travel.walk", TIER_Z).replace(
            b'reason = "no-published-factor"', b""
        ),
        "notes.toml": b"",
    }
    assert [fault.file for fault in check_shelf(found)] == [
        BIKE,
        "travel.walk.1.toml",
        "notes.toml",
    ]


def test_the_command_ends_with_1_and_prints_each_fault_or_how_many_files(tmp_path: Path) -> None:
    good = run("methodology", "check")
    assert (good.code, good.out) == (0, f"{len(shipped_files())} files keep every rule\n")
    for name, file in shelf().items():
        (tmp_path / name).write_bytes(file)
    assert run("methodology", "check", tmp_path).code == 0
    (tmp_path / BIKE).write_bytes(spoiled("mg = 58440", "mg = 58441", LIMITED))
    bad = run("methodology", "check", tmp_path)
    assert bad.code == 1
    assert len(bad.out.splitlines()) == 2
    assert f"{BIKE}: travel.bike: vector 1 counts" in bad.out
    members = json.loads(run("methodology", "check", tmp_path, "--json").out)
    assert (members["files"], len(members["faults"])) == (2, 2)
    alone = run("methodology", "check", tmp_path / BIKE)
    assert (alone.code, len(alone.out.splitlines())) == (1, 1)


def test_a_folder_without_files_and_a_path_that_is_not_there_are_said_to_be(tmp_path: Path) -> None:
    assert "no .toml file" in run("methodology", "check", tmp_path).err
    missing = run("methodology", "check", tmp_path / "none.toml")
    assert (missing.code, "cannot read" in missing.err) == (1, True)


def test_the_schema_command_prints_what_the_pages_hold() -> None:
    printed = run("methodology", "schema", "release")
    assert printed.code == 0
    assert json.loads(printed.out)["required"] == ["format", "id", "says", "behaviours"]
    assert run("methodology", "schema", "other").code == 2
