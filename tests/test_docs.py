"""What the pages say is so: links lead somewhere; every slug, route and file is written down."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from consent import http as consent_http
from consent import methodology_http, requests_http
from consent.log import http as log_http
from vault import http as vault_http
from vault.errors import tree

ROOT = Path(__file__).resolve().parent.parent
SELF = {  # they name what must not be said
    "tests/test_docs.py",
    "tests/test_web_words.py",
    "tests/test_readme.py",
    "tests/consent/test_notices.py",
    "tests/test_requests.py",
    "consent/wording.py",
}

MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:work|home|root|Users|mnt|tmp)/[\w.]")
REGISTRY = re.compile(
    r"\b(?:pypi|pythonhosted|npmjs|crates|anaconda|jsdelivr|unpkg|ghcr|docker|quay)\.(?:org|io|com|net)\b"
    r"|\b(?:mirrors?|registry|artifactory|nexus)\.[a-z0-9-]+\.(?:com|org|net|edu|io|dev|cn)\b",
    re.IGNORECASE,
)
ANONYMOUS = re.compile(r"anonym|匿名", re.IGNORECASE)


def project_files() -> list[str]:
    """Every file of the project, also one that is not committed yet; nothing that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = listed.stdout.decode("utf-8").split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


FILES = project_files()
PAGES = [name for name in FILES if name.endswith(".md")]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without code."""
    return re.sub(
        r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    )


def anchors(text: str) -> set[str]:
    """The anchors that a page of headings offers, as code forges make them."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    for title in re.findall(r"^#{1,6} +(.+?) *$", bare, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def broken_links(name: str) -> Iterator[str]:
    """The relative links of a page that lead to no file of the project, or to no heading of it."""
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(read(name))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        inside = found.exists() and found.is_relative_to(ROOT)
        if not inside or (anchor and anchor not in anchors(found.read_text("utf-8"))):
            yield target


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next heading of its level or above."""
    level = title.split(" ")[0]
    _, _, after = text.partition(f"\n{title}\n")
    assert after, f"no heading {title}"
    return re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def commands(text: str) -> set[str]:
    """Every command that a page names, in a block or within a sentence, without its comment."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    lines = [line.split("  #")[0].strip() for line in blocks.splitlines()]
    spans = re.findall(r"`((?:\./run|carbonvault) [^`]*)`", text)
    return {line for line in [*lines, *spans] if line}


@pytest.mark.parametrize("name", PAGES)
def test_every_relative_link_leads_to_a_file_and_a_heading(name: str) -> None:
    assert list(broken_links(name)) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (MACHINE_PATH, "see " + "/".join(["", "home", "ann", "x"])),
        (MACHINE_PATH, "`" + "/".join(["", "tmp", "w"]) + "`"),
        (REGISTRY, ".".join(["https://files", "pythonhosted", "org/packages"])),
        (REGISTRY, ".".join(["mirror", "city-university", "edu"])),
        (ANONYMOUS, "an anonymous total"),
        (ANONYMOUS, "匿名总量"),
    ],
)
def test_each_pattern_finds_what_it_is_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY, ANONYMOUS])
def test_no_file_names_a_machine_or_a_registry_or_calls_a_total_anonymous(
    pattern: re.Pattern[str],
) -> None:
    found = []
    for name in FILES:
        try:
            text = read(name)
        except UnicodeDecodeError:
            continue  # a picture
        if name not in SELF and (hit := pattern.search(text)):
            found.append(f"{name}: {hit[0]}")
    assert found == []


def test_both_readmes_name_the_same_commands() -> None:
    english = commands(read("README.md"))
    assert {"./run carbonvault demo", "./run tests/check.py"} <= english
    assert commands(read("README.zh-CN.md")) == english


def test_both_readmes_name_as_many_limits_and_sections() -> None:
    english, chinese = read("README.md"), read("README.zh-CN.md")
    limits = [
        len(re.findall(r"^- ", section(text, title), re.MULTILINE))
        for text, title in ((english, "## What is not promised"), (chinese, "## 不承诺什么"))
    ]
    assert limits[0] == limits[1] > 0
    headings = [len(re.findall(r"^#+ ", text, re.MULTILINE)) for text in (english, chinese)]
    assert headings[0] == headings[1]


def test_both_readmes_link_to_the_same_places_and_to_each_other() -> None:
    english, chinese = (
        set(re.findall(r"\]\(([^)]+)\)", read(name))) for name in ("README.md", "README.zh-CN.md")
    )
    assert english - {"README.zh-CN.md"} == chinese - {"README.md"}
    assert "README.zh-CN.md" in english
    assert "README.md" in chinese


def test_both_readmes_show_the_same_picture_and_example() -> None:
    english, chinese = (
        re.findall(r"^```(\w*)\n(.*?)^```", read(name), re.DOTALL | re.MULTILINE)
        for name in ("README.md", "README.zh-CN.md")
    )

    def code(block: tuple[str, str]) -> str:
        return re.sub(r" *# .*", "", block[1])

    assert [kind for kind, _ in english] == [kind for kind, _ in chinese]
    assert list(map(code, english)) == list(map(code, chinese))


def test_the_words_for_people_are_the_agreed_ones() -> None:
    text = read("README.zh-CN.md")
    assert all(word in text for word in ("允许", "停止共享", "暂停"))
    assert "授权" not in text


def test_every_error_stands_in_the_protocol() -> None:
    errors = section(read("docs/protocol.md"), "## 8. Errors")
    assert [kind.slug for kind in tree() if f"| `{kind.slug}` |" not in errors] == []


def test_the_errors_of_the_protocol_have_the_status_of_the_code() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (\d{3}) \|",
        section(read("docs/protocol.md"), "## 8. Errors"),
        re.MULTILINE,
    )
    written = {slug: int(status) for slug, status in rows}
    assert {k.slug: k.status for k in tree() if k.status} == {
        slug: status
        for slug, status in written.items()
        if slug != "retired"  # not built yet
    }


def test_the_routes_of_the_protocol_are_those_of_the_app() -> None:
    routes = {
        (method, route.path.replace(":path}", "}"))
        for router in (
            vault_http.router,
            consent_http.router,
            requests_http.router,
            methodology_http.router,
            log_http.router,
        )
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    table = section(read("docs/protocol.md"), "### Routes")
    rows = "\n".join(re.findall(r"^\| `.*? \|", table, re.MULTILINE))
    assert set(re.findall(r"`(GET|POST|PUT|DELETE) (\S+?)`", rows)) == routes


@pytest.mark.parametrize("package", ["vault", "consent"])
def test_every_file_stands_in_the_architecture(package: str) -> None:
    table = section(read("docs/architecture.md"), f"### {package}/")
    named = set(re.findall(r"`([\w./]+\.(?:py|sql|toml))`", table))
    kinds = {".py", ".sql", ".toml"}
    files = {path.name for path in (ROOT / package).iterdir() if path.suffix in kinds}
    assert files - {"__init__.py"} - named == set()
    assert [name for name in sorted(named) if not list((ROOT / package).rglob(name))] == []
