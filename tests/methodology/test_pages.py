"""The pages of the methodology say what its files say, and nothing on them is out of date."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.methodology.files import GOOD, release_file, shipped, spoiled
from vault.methodology.behaviour import Behaviour
from vault.methodology.explain import pinned
from vault.methodology.limit import CATEGORY_NAMES
from vault.methodology.pages import COMMAND, credited, escape, pages, tier_words, vector_words
from vault.methodology.release import Release, load_release, read_release
from vault.methodology.shelf import newest_release, release_names

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "methodology"
NASTY = "a|b `c` *d* __e__ [f](g) <h> &amp; ~~i~~ $j$ #k !l \\| m"
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.fixture(scope="module")
def main() -> Release:
    return load_release(newest_release())


@pytest.fixture(scope="module")
def others(main: Release) -> list[Release]:
    return [load_release(name) for name in release_names() if name != main.id]


@pytest.fixture(scope="module")
def made(main: Release, others: list[Release]) -> dict[str, str]:
    return pages(main, others)


def committed() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}


def stale(made: dict[str, str]) -> list[str]:
    """The pages that are not as they would be made now, or that nothing makes."""
    there = committed()
    return sorted(name for name in made | there if made.get(name) != there.get(name))


def read_one(file: bytes) -> Release:
    return read_release(release_file(file), [file])


def altered(release: Release, old: bytes, new: bytes) -> Release:
    """The release with another file for one behaviour, pinned as it would be."""
    assert sha256(old).hexdigest().encode() in release.file
    file = release.file.replace(sha256(old).hexdigest().encode(), sha256(new).hexdigest().encode())
    shelf = (shipped("behaviours", f"{b.id}.{b.rev}.toml") for b in release.behaviours.values())
    return read_release(file, [new, *shelf])


def test_the_committed_pages_are_those_that_the_files_make(made: dict[str, str]) -> None:
    assert stale(made) == [], f"write them anew: {COMMAND}"


def test_a_figure_changed_in_memory_makes_the_pages_stale(
    main: Release, others: list[Release]
) -> None:
    bike = main.behaviour("travel.bike")
    factor = bike.factors[0].model_copy(update={"mg_per_unit": "48.8"})
    spoilt = bike.model_copy(update={"factors": (factor, *bike.factors[1:])})
    release = replace(main, behaviours={**main.behaviours, bike.id: spoilt})
    assert stale(pages(release, others)) == ["README.md", "travel.md"]


def test_a_changed_comment_changes_the_hash_and_makes_the_pages_stale(
    main: Release, others: list[Release]
) -> None:
    file = shipped("behaviours", f"travel.bike.{main.behaviour('travel.bike').rev}.toml")
    assert "travel.md" in stale(pages(altered(main, file, b"# more\n" + file), others))


def test_every_pinned_file_of_every_release_is_written_out_once(
    main: Release, others: list[Release], made: dict[str, str]
) -> None:
    wanted = {
        (each.id, each.rev, pinned(release, each).hex()[:12])
        for release in (main, *others)
        for each in release.behaviours.values()
    }
    found = [
        (name, int(rev), digest)
        for page in made.values()
        for name, rev, digest in re.findall(
            r"^- File `(.+)\.(\d+)\.toml`, SHA-256 `([0-9a-f]{12})…`$", page, re.MULTILINE
        )
    ]
    assert sorted(found) == sorted(wanted)
    assert len(re.findall(r"^## \w+\.\w+$", "\n".join(made.values()), re.MULTILINE)) == len(found)


def test_the_index_has_one_row_for_each_behaviour(main: Release, made: dict[str, str]) -> None:
    rows = re.findall(
        r"^\| `([a-z]+\.\w+)` \|.*\(\w+\.md#\w+\) \|$", made["README.md"], re.MULTILINE
    )
    assert sorted(rows) == sorted(main.behaviours)


def test_there_is_a_page_for_each_category_and_each_other_release(
    main: Release, others: list[Release], made: dict[str, str]
) -> None:
    categories = {f"{name}.md" for name in CATEGORY_NAMES}
    assert set(made) == {"README.md", *categories, *(f"{other.id}.md" for other in others)}
    for name in CATEGORY_NAMES:
        heads = re.findall(r"^## (\w+)\.\w+$", made[f"{name}.md"], re.MULTILINE)
        assert heads == [name] * sum(each.startswith(f"{name}.") for each in main.behaviours)


def test_every_choice_acceptance_and_cap_of_a_release_stands_on_its_page(
    main: Release, others: list[Release], made: dict[str, str]
) -> None:
    for release, page in ((main, "README.md"), *((other, f"{other.id}.md") for other in others)):
        listed = release.listed
        texts = [escape(choice.why["en"]) for choice in listed.choices]
        texts += [escape(accepted.why["en"]) for accepted in listed.accepted]
        texts += [f"{grams:,} |" for grams in (listed.caps.grams if listed.caps else {}).values()]
        texts += [escape(says) for says in listed.says.values()]
        assert [text for text in texts if text not in made[page]] == []


def tokens(text: str) -> list[Token]:
    """What an independent reader finds, inline tokens among the others."""
    found: list[Token] = []
    for token in READER.parse(text):
        found += [token, *(token.children or [])]
    return found


def test_an_escaped_text_is_read_as_it_is() -> None:
    found = [token for token in tokens(f"x {escape(NASTY)}") if token.type != "softbreak"]
    assert {token.type for token in found} - {"text_special"} == {
        "paragraph_open", "inline", "text", "paragraph_close",
    }  # fmt: skip
    assert "".join(t.content for t in found if t.type != "inline") == f"x {NASTY}"


def test_the_reader_finds_what_is_not_escaped() -> None:
    kinds = {token.type for token in tokens(f"x {NASTY}")}
    assert {"code_inline", "em_open", "strong_open", "link_open", "html_inline"} <= kinds


def test_line_ends_in_a_text_end_no_row() -> None:
    assert escape("a\nb\r\n\n| c\u2028d") == "a b \\| c d"


@pytest.mark.parametrize("old", ["a report", "page 1", '"note"', '"reason"', '"says"', '"name"'])
def test_a_text_full_of_markup_is_shown_and_changes_no_page(old: str) -> None:
    new = f"'{NASTY}'" if old.startswith('"') else NASTY.replace("\\", "\\\\")
    plain, nasty = read_one(GOOD.encode()), read_one(spoiled(old, new, GOOD))
    for name in ("README.md", "travel.md"):
        before, after = (
            [t.type for t in tokens(pages(each)[name]) if t.type != "text_special"]
            for each in (plain, nasty)
        )
        assert after == before
    shown = (t.content for t in tokens(pages(nasty)["travel.md"]) if t.type != "inline")
    assert NASTY in "".join(shown)


def test_every_row_of_a_table_has_as_many_cells_as_its_head(made: dict[str, str]) -> None:
    for page in made.values():
        width = 0
        for line in page.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("| ") else 0
            assert cells in (0, width) or not width
            width = cells
    assert "| --- |" in made["README.md"]


def test_a_behaviour_is_told_with_its_figures_its_source_and_a_worked_act() -> None:
    page = pages(load_release("demo-1"))["travel.md"]
    for text in (
        "**骑自行车 · Riding a bicycle** (revision 1). Tier A: credited.",
        "| CN | 2024-06-01 | open | 48.7 mg/m | M |",
        "Formula `linear`: `m × mg_per_unit`",
        "Example: 1,200 m, 300 s in CN-ZJ-HZ on 2026-01-05 → 58,440 mg",
        "| counts 0 | more than 35,000 m in 3,600 s | `over-35-km-h`: ",
        "File `travel.bike.1.toml`, SHA-256 `7ef44b7a4f2d…`",
    ):
        assert text in page


LIMITS = """
[[bounds]]
rule = "over"
unit = "m"
limit = 20000
reason = "over-20-km"
text = { zh-CN = "太远", en = "too far" }
proposal = true
[caps]
act_g = 1000
day_g = 1500
note = { zh-CN = "注", en = "as a start" }
source = { title = "a rule", locator = "p. 2", grade = "H", note = { zh-CN = "注", en = "n" } }
[[exclusive]]
with = "travel.walk"
within = "day"
"""
REFUSED = """
[[vectors]]
activity = { m = 20001, s = 9000 }
region = "CN"
start = 2026-01-05T08:00:00+08:00
mg = 0
reason = "over-20-km"
refused = true
"""


def test_bounds_and_caps_say_whose_they_are_and_what_excludes_is_named() -> None:
    text = (GOOD + LIMITS + REFUSED).encode()
    page = pages(read_one(text))["travel.md"]
    assert "| refused | more than 20,000 m | `over-20-km`: too far | our proposal |" in page
    assert (
        "| at most | 1,000 g an act, 1,500 g a day | as a start | a rule; p. 2; grade H |" in page
    )
    assert "- Not counted beside `travel.walk` (on the same day)." in page


def test_what_counts_nothing_says_so_with_its_reason() -> None:
    pending = read_one(spoiled('tier = "A"', 'tier = "B"', GOOD))
    behaviour = pending.behaviour("travel.bike")
    assert credited(pending, behaviour) == "0 (not-accepted)"
    assert tier_words(pending, behaviour).startswith("Tier B: recorded, counts 0. ")
    assert "- Example, once accepted: " in pages(pending)["travel.md"]


def test_an_accepted_behaviour_says_so() -> None:
    pending = read_one(spoiled('tier = "A"', 'tier = "B"', GOOD))
    text = """
[[accepted]]
id = "travel.bike"
rev = 1
by = "audit.example"
on = 2026-01-10
why = { zh-CN = "理由", en = "it was read" }
"""
    file = spoiled('tier = "A"', 'tier = "B"', GOOD)
    accepted = read_release(pending.file + text.encode(), [file])
    assert credited(accepted, accepted.behaviour("travel.bike")) == "48.7 g/km (CN)"
    assert (
        "| `travel.bike` 1 | audit.example | 2026-01-10 | it was read |"
        in (pages(accepted)["README.md"])
    )


def test_a_release_beside_the_main_one_writes_out_only_what_it_alone_pins() -> None:
    main = read_one(GOOD.encode())
    same = replace(main, listed=main.listed.model_copy(update={"id": "test-2"}))
    page = pages(main, [same])["test-2.md"]
    assert "[travel.md](travel.md#travelbike)" in page
    assert "## travel.bike" not in page
    other = read_one((GOOD + "# another\n").encode())
    page = pages(main, [other])["test-1.md"]
    assert "[below](#travelbike)" in page
    assert "## travel.bike" in page


def test_the_day_of_a_worked_act_is_that_of_the_behaviours_zone() -> None:
    behaviour = Behaviour.from_toml(spoiled("2026-01-05T08:00:00+08:00", "2026-01-04T23:00:00Z"))
    assert " on 2026-01-05 →" in vector_words(behaviour, behaviour.vectors[0])
