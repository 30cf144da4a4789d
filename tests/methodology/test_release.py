"""A release pins its behaviour files by id, revision and SHA-256."""

from hashlib import sha256

import pytest

from tests.methodology.files import GOOD, release_file, shipped, spoiled
from vault.directory import release_fits
from vault.errors import BadDirectory, BadMethodology
from vault.messages import ReleaseEntry
from vault.methodology.release import load_release, read_release
from vault.months import Category, Month

FILE = GOOD.encode()


def test_demo_1_counts_bicycles_and_says_that_it_sets_no_limits() -> None:
    release = load_release("demo-1")
    assert list(release.behaviours) == ["travel.bike"]
    assert release.category("travel.bike") is Category.TRAVEL
    assert all(release.cap(category) == 2**40 - 1 for category in Category)
    assert "no bounds and no caps" in release.says["en"]
    assert "不设上下限，也不设封顶" in release.says["zh-CN"]
    (factor,) = release.behaviour("travel.bike").factors
    assert (factor.region, factor.mg_per_unit, factor.source.grade) == ("CN", "48.7", "M")


def test_the_directory_knows_the_release_by_its_file() -> None:
    release = load_release("demo-1")
    assert release.file == shipped("releases", "demo-1.toml")
    assert release.sha256 == sha256(release.file).digest()
    entry = ReleaseEntry(id=release.id, sha256=release.sha256, begins=Month("2026-01"))
    release_fits(entry, release.file)
    with pytest.raises(BadDirectory):
        release_fits(entry, release.file + b"\n")


def test_behaviours_are_found_by_their_hash_alone() -> None:
    other = spoiled("rev = 1", "rev = 2")
    release = read_release(release_file(FILE), [other, FILE])
    assert release.behaviour("travel.bike").rev == 1


@pytest.mark.parametrize("name", ["demo-2", "../releases/demo-1", "", "demo-1.toml"])
def test_a_release_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(BadMethodology, match="there is no methodology release"):
        load_release(name)


def test_a_behaviour_that_the_release_does_not_list_is_refused() -> None:
    with pytest.raises(BadMethodology, match=r"has no behaviour 'travel\.metro'"):
        load_release("demo-1").category("travel.metro")


def test_one_changed_byte_in_a_behaviour_file_is_found() -> None:
    with pytest.raises(BadMethodology, match=r"no file of travel\.bike has the SHA-256"):
        read_release(release_file(FILE), [FILE + b"\n"])


@pytest.mark.parametrize(
    ("file", "behaviour", "says"),
    [
        (b"\x00", FILE, "not UTF-8 TOML"),
        (release_file(FILE).replace(b"release/1", b"release/2"), FILE, "format:"),
        (release_file(FILE).replace(b"test-1", b"Test"), FILE, "id:"),
        (release_file(FILE).replace(b"sha256", b"sha512"), FILE, "Extra inputs"),
        (release_file(FILE).replace(b'sha256 = "', b'sha256 = "0'), FILE, "lower-case hex"),
        (release_file(FILE) + release_file(FILE)[-150:].partition(b"\n")[2], FILE, "twice"),
        (release_file(FILE, rev=2), FILE, "wanted travel.bike revision 2"),
        (release_file(FILE, name="travel.walk"), FILE, "wanted travel.walk revision 1"),
        (release_file(b"id = 1"), b"id = 1", "a behaviour file"),
    ],
)
def test_a_release_that_breaks_a_rule_is_refused(file: bytes, behaviour: bytes, says: str) -> None:
    with pytest.raises(BadMethodology) as refused:
        read_release(file, [behaviour])
    assert says in str(refused.value)
