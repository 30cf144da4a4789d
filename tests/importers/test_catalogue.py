"""The catalogue reads every format by name, and docs/importers.md says all of it as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from tests.public_data import ROOT
from vault.errors import BadFile
from vault.importers.catalogue import FORMATS, find_format, read_export
from vault.importers.entry import Entry, Reversal, Setting
from vault.importers.report import Report
from vault.methodology.quantify import quantify
from vault.methodology.release import load_release

SHANGHAI = ZoneInfo("Asia/Shanghai")
SETTING = Setting("CN-GD-SZ", SHANGHAI, 3, "travel.bike")
PAGE = (ROOT / "docs" / "importers.md").read_text(encoding="utf-8")
SOURCES = [
    *sorted((ROOT / "vault" / "importers").glob("*.py")),
    ROOT / "consent" / "commands" / "acts.py",
]
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def section(title: str) -> str:
    """What stands under a heading of the page, up to the next one of its level or above."""
    level = title.partition(" ")[0]
    _, _, after = f"\n{PAGE}".partition(f"\n{title}\n")
    assert after, f"no heading {title}"
    return re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def examples(name: str) -> list[bytes]:
    """The blocks under a format's heading: an export, and what may stand beside it."""
    text = section(f"### {name}")
    blocks: list[str] = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block.encode() for block in blocks]


def read_example(name: str) -> tuple[list[Entry | Reversal], Report, Report]:
    export, *beside = examples(name)
    report, of_beside = Report(), Report()
    second = BytesIO(beside[0]) if beside else None
    found = list(read_export(name, BytesIO(export), SETTING, report, second, of_beside))
    return found, report, of_beside


def test_the_page_lists_the_formats_of_the_code() -> None:
    rows = re.findall(
        r"^\| \[`([\w-]+)`\]\(#([\w-]+)\) \| (.+?) \| (.+?) \| (.+?) \|$",
        section("## The formats"),
        re.MULTILINE,
    )
    assert [(name, zh, en) for name, _, zh, en, _ in rows] == [
        (form.name, form.titles["zh-CN"], form.titles["en"]) for form in FORMATS.values()
    ]
    assert all(name == anchor for name, anchor, *_ in rows)
    for name, *_, needs in rows:
        form = FORMATS[name]
        wanted = [*form.wants, *([f"beside: {form.beside}"] if form.beside else [])]
        assert needs == (", ".join(wanted) or "nothing")


def names_of_errors(trees: list[ast.Module]) -> set[str]:
    """BadFile and the classes made from it: what one bad row is refused by."""
    names = {"BadFile"}
    for _ in trees:
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                names |= {node.name} if bases & names else set()
    return names


def reason_places(tree: ast.Module) -> dict[str, int]:
    """Functions that are told a reason, and where among their arguments it stands."""
    places = {"refuse": 0, "notice": 0, "overrule": 0}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args]
            places |= {node.name: names.index("reason")} if "reason" in names else {}
    return places


def words(node: ast.AST) -> set[str]:
    found = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return {word for word in found if isinstance(word, str) and SLUG.fullmatch(word)}


def reasons_in(trees: list[ast.Module]) -> Iterator[str]:
    errors = names_of_errors(trees)
    for tree in trees:
        places = reason_places(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in places and node.args.defaults:
                yield from words(node.args.defaults[-1])
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in errors:
                yield from (word for part in node.args for word in words(part))
            elif name in places and len(node.args) > places[name]:
                yield from words(node.args[places[name]])


def test_the_scan_finds_every_way_a_reason_is_given() -> None:
    text = """
class _Broken(BadFile): pass
def f(x, reason="by-default"): raise BadFile(reason)
raise BadFile("plain")
raise BadFile("one" if x else "two-of-them")
raise _Broken("own")
raise BadFile(f"not this {x} one")
report.refuse("named", 1); report.notice("odd", 2); report.overrule("late", 3)
f("not-this", "told")
"""
    assert set(reasons_in([ast.parse(text)])) == {
        "by-default", "plain", "one", "two-of-them", "own", "named", "odd", "late", "told",
    }  # fmt: skip


def test_the_page_gives_every_reason_of_the_code_and_no_other() -> None:
    written = re.findall(r"^\| `([a-z0-9-]+)` \| .+ \| .+ \|$", section("## Reasons"), re.MULTILINE)
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    assert sorted(written) == sorted({*reasons_in(trees)})


def test_no_importer_reads_a_clock_or_makes_a_random_number() -> None:
    for path in SOURCES[:-1]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not calls & {"now", "utcnow", "today", "monotonic", "urandom"}, path.name
        taken = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not taken & {"time", "random", "secrets", "uuid"}, path.name


@pytest.mark.parametrize("name", FORMATS)
def test_the_example_of_a_format_is_read_whole(name: str) -> None:
    found, report, of_beside = read_example(name)
    assert found
    assert report.refused == of_beside.refused == {}
    assert report.read == report.accepted > 0
    assert of_beside.read == of_beside.accepted
    assert bool(of_beside.read) == (FORMATS[name].beside is not None)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_tells_can_be_counted_by_the_release(name: str) -> None:
    release = load_release("2026-1")
    found, *_ = read_example(name)
    acts = [entry for entry in found if isinstance(entry, Entry)]
    assert all(quantify(entry.act, release).mg >= 0 for entry in acts)
    named = {entry.operator for entry in found if entry.operator}
    assert not named or FORMATS[name].operator == "named"


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_needs_is_asked_for_before_a_row_is_read(name: str) -> None:
    form, empty = FORMATS[name], Setting("", SHANGHAI)
    for wanted in form.wants[:1]:
        with pytest.raises(BadFile, match=f"{name} does not say its {wanted}"):
            read_export(name, BytesIO(b"no such file"), empty, Report())
    if "persons" in form.wants:
        with pytest.raises(BadFile, match="persons"):
            read_export(name, BytesIO(), Setting("CN", SHANGHAI), Report())
    if form.beside is None:
        with pytest.raises(BadFile, match="takes no second file"):
            read_export(name, BytesIO(), SETTING, Report(), BytesIO())


@pytest.mark.parametrize("region", ["cn", "CN_GD", "CN-GD-SZ-1-2", "=1+1", "深圳"])
def test_a_region_that_no_factor_could_be_of_is_refused(region: str) -> None:
    with pytest.raises(BadFile, match="such as CN-ZJ-HZ"):
        read_export("mds", BytesIO(), Setting(region, SHANGHAI), Report())


def test_an_unknown_format_lists_those_there_are_and_does_not_repeat_it() -> None:
    with pytest.raises(BadFile, match="there are bikeshare, bikeshare2020, mds") as refused:
        find_format("bike-share")
    assert all(name in str(refused.value) for name in FORMATS)
    assert "bike-share" not in str(refused.value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "file",
    [b"", b"\x00" * 5_000, b"\xff\xfe" * 5_000, b"[" * 100_000, b"9" * 10_000_000, b"NaN\n1e308\n"],
)
def test_no_format_takes_anything_from_bytes_that_are_none(name: str, file: bytes) -> None:
    report = Report()
    found: list[Entry | Reversal] = []
    with suppress(BadFile):
        found += read_export(name, BytesIO(file), SETTING, report)
    assert found == []
    assert report.accepted == 0
    assert report.read == sum(map(len, report.refused.values()))


def test_the_page_says_of_every_column_whether_it_is_read() -> None:
    for name in ("bikeshare2020", "workplace-ev", "shenzhen-afc"):
        header = examples(name)[0].decode().splitlines()[0].split(",")
        text = section(f"### {name}")
        for column in header:
            assert f"`{column}`" in text, f"{name}: {column}"
