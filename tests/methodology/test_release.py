"""A release pins its behaviour files by id, revision and SHA-256."""

from hashlib import sha256

import pytest

from tests.methodology.files import FACTOR, GOOD, SOURCE, TIER_B, release_file, shipped, spoiled
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


PENDING = TIER_B.encode()
ACCEPTED = """
[[accepted]]
id = "travel.bike"
rev = 1
by = "audit.example"
on = 2026-01-10
why = { zh-CN = "理由", en = "why" }
"""
CHOICE = """
[[choices]]
id = "travel.bike"
taken = "48.7 g/km (CN)"
over = "61.8 g/km"
why = { zh-CN = "理由", en = "why" }
"""
CAPS = """
[caps]
note = { zh-CN = "注", en = "note" }
grams = { travel = 200000, fin = 0 }
proposal = true
"""


@pytest.mark.parametrize("grade", ["H", "M"])
def test_an_acceptance_lets_a_behaviour_of_tier_b_count(grade: str) -> None:
    file = spoiled('grade = "M"', f'grade = "{grade}"', TIER_B)
    accepted = read_release(release_file(file) + ACCEPTED.encode(), [file])
    assert accepted.accepts("travel.bike")
    assert not accepted.accepts("travel.walk")
    assert not read_release(release_file(file), [file]).accepts("travel.bike")


@pytest.mark.parametrize(
    ("behaviour", "accepted", "says"),
    [
        (spoiled('grade = "M"', 'grade = "L"', TIER_B), ACCEPTED, "whose factors are not all H"),
        (spoiled('grade = "M"', 'grade = "U"', TIER_B), ACCEPTED, "whose factors are not all H"),
        (PENDING, ACCEPTED.replace("rev = 1", "rev = 2"), "accepts travel.bike revision 2"),
        (PENDING, ACCEPTED.replace("travel.bike", "travel.walk"), "accepts travel.walk revision 1"),
        (FILE, ACCEPTED, "which is not a behaviour of tier B that it lists"),
        (PENDING, ACCEPTED.replace('zh-CN = "理由", ', ""), "wanted a text in zh-CN and in en"),
        (PENDING, ACCEPTED.replace('by = "audit.example"', ""), "accepted.0.by: Field required"),
        (PENDING, ACCEPTED.replace("2026-01-10", '"2026-01-10"'), "accepted.0.on"),
    ],
)
def test_an_acceptance_of_anything_else_is_refused(
    behaviour: bytes, accepted: str, says: str
) -> None:
    assert read_release(release_file(PENDING) + ACCEPTED.encode(), [PENDING])  # the good one
    with pytest.raises(BadMethodology) as refused:
        read_release(release_file(behaviour) + accepted.encode(), [behaviour])
    assert says in str(refused.value)


def test_one_distrusted_factor_among_good_ones_is_not_accepted() -> None:
    later = FACTOR.replace("2024-06-01", "2025-01-01").replace('grade = "M"', 'grade = "L"')
    first = FACTOR.replace("valid_from", "valid_until = 2025-01-01\nvalid_from")
    file = spoiled(FACTOR, first + later, TIER_B)
    assert read_release(release_file(file), [file])
    with pytest.raises(BadMethodology, match="not all H or M"):
        read_release(release_file(file) + ACCEPTED.encode(), [file])


def test_a_choice_is_of_a_listed_behaviour_and_says_why() -> None:
    release = read_release(release_file(FILE) + CHOICE.encode(), [FILE])
    assert release.listed.choices[0].why == {"zh-CN": "理由", "en": "why"}
    for text, says in (
        (CHOICE.replace("travel.bike", "travel.walk"), "chooses for travel.walk, which it lacks"),
        (CHOICE.replace(', en = "why"', ""), "wanted a text in zh-CN and in en"),
        (CHOICE.replace('over = "61.8 g/km"', 'over = ""'), "choices.0.over"),
    ):
        with pytest.raises(BadMethodology) as refused:
            read_release(release_file(FILE) + text.encode(), [FILE])
        assert says in str(refused.value)


def test_caps_of_categories_hold_for_those_named_and_for_no_other() -> None:
    release = read_release(release_file(FILE) + CAPS.encode(), [FILE])
    assert release.cap(Category.TRAVEL) == 200_000
    assert release.cap(Category.DIGITAL_FINANCE) == 0
    assert release.cap(Category.FOOD) == 2**40 - 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("proposal = true", "", "caps name their source, or say proposal = true"),
        ("proposal = true", f"proposal = true\n{SOURCE}", "caps name their source, or say"),
        ("travel = 200000", "travel = -1", "caps.grams.travel"),
        ("travel = 200000", f"travel = {2**40}", "caps.grams.travel"),
        ("travel = 200000", "travel = 2e5", "caps.grams.travel"),
        ("travel = 200000", "sport = 200000", "caps.grams.sport"),
    ],
)
def test_caps_of_categories_without_a_ground_or_out_of_range_are_refused(
    old: str, new: str, says: str
) -> None:
    assert old in CAPS
    with pytest.raises(BadMethodology) as refused:
        read_release(release_file(FILE) + CAPS.replace(old, new).encode(), [FILE])
    assert says in str(refused.value)
    sourced = CAPS.replace("proposal = true", SOURCE)
    assert read_release(release_file(FILE) + sourced.encode(), [FILE]).listed.caps


@pytest.mark.parametrize("within", ["time", "day", "month"])
def test_one_file_that_excludes_the_other_is_enough(within: str) -> None:
    text = GOOD + f'[[exclusive]]\nwith = "travel.walk"\nwithin = "{within}"\n'
    release = read_release(release_file(text.encode()), [text.encode()])
    assert release.excludes("travel.bike", "travel.walk") == {within}
    assert release.excludes("travel.walk", "travel.bike") == {within}
    assert release.excludes("travel.bike", "travel.bus") == frozenset()
