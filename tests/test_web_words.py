"""The words of the web app: complete in both languages, used, and in the house's manner."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent.site_imports import reached
from consent.wording import FORBIDDEN_WORDS
from vault.errors import VaultError, tree

WEB = Path(__file__).resolve().parent.parent / "consent" / "web"
CATALOGUE = sorted((WEB / "words").glob("*.js"))
MODULES = sorted(path for path in WEB.rglob("*.js") if path.parent.name != "words")
STRING = r'"(?:[^"\\]|\\.)*"'
TEXT = rf"({STRING}(?:\s*\+\s*{STRING})*)"
COMMENT = re.compile(r"\s*//[^\n]*\n")
ENTRY = re.compile(rf"\s*({STRING}|\w+):\s*\[\s*{TEXT}\s*,\s*{TEXT},?\s*\],")
HEAD = re.compile(r"export default /\*\* @type \{[^}]*\} \*/ \(\{|export default \{")
SHARED = {"shell", "errors"}
CHINESE = re.compile("[一-鿿]")


class Wrong(Exception):
    """What is wrong with a file of words."""


def read_words(text: str) -> list[tuple[str, str, str]]:
    """Return (key, English, Chinese) in order; whatever is not an entry is refused."""
    head = HEAD.search(text)
    if head is None:
        raise Wrong("no list of words")
    at, found = head.end(), []
    while here := COMMENT.match(text, at) or ENTRY.match(text, at):
        if here.re is ENTRY:
            key, en, zh = here.groups()
            found.append((json.loads(key) if key.startswith('"') else key, said(en), said(zh)))
        at = here.end()
    if text[at:].strip() not in ("});", "};"):
        raise Wrong(f"not an entry: {text[at:].strip()[:80]!r}")
    return found


def said(text: str) -> str:
    """Return a text that may stand in several pieces, joined by +."""
    return "".join(json.loads(piece) for piece in re.findall(STRING, text))


def members(text: str) -> set[str]:
    """Return the names of a text's placeholders."""
    return set(re.findall(r"\{(\w+)(?::[^|}]*\|[^}]*)?\}", text))


def problems(file: str, words: list[tuple[str, str, str]]) -> Iterator[str]:
    """Yield what is wrong with the entries of a file (its name without .js)."""
    for key, en, zh in words:
        if file not in SHARED and not key.startswith(f"{file}."):
            yield f"{key}: a key of {file}.js begins with {file}."
        if not en.strip() or not zh.strip():
            yield f"{key}: a language is missing"
        if members(en) != members(zh):
            yield f"{key}: the placeholders differ"
        bare = re.search("[A-Za-z]", re.sub(r"\{[^}]*\}", "", en))
        if CHINESE.search(en) or (bare and en != zh and not CHINESE.search(zh)):
            yield f"{key}: the languages are exchanged"
        yield from (f"{key}: says {w}" for w in FORBIDDEN_WORDS if w in f"{en}\n{zh}".lower())


def asked(code: str) -> tuple[set[str], set[str]]:
    """Return the keys that a module asks for, and the beginnings of those it puts together."""
    plain = set(re.findall(r'\bt\(\s*"([^"]+)"', code)) | set(
        re.findall(r"\bt\(\s*`([^`$]+)`", code)
    )
    return plain, set(re.findall(r"\bt\(\s*`([^`$]*)\$\{", code))


def everything() -> dict[str, tuple[str, str]]:
    """Return the whole catalogue."""
    entries = [one for path in CATALOGUE for one in read_words(path.read_text("utf-8"))]
    return {key: (en, zh) for key, en, zh in entries}


@pytest.mark.parametrize("path", CATALOGUE, ids=lambda path: path.stem)
def test_a_file_of_words_is_complete_and_in_our_manner(path: Path) -> None:
    assert [*problems(path.stem, read_words(path.read_text("utf-8")))] == []


def test_no_key_is_in_two_files() -> None:
    keys = [key for path in CATALOGUE for key, _, _ in read_words(path.read_text("utf-8"))]
    assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_every_key_that_a_module_asks_for_has_words() -> None:
    words = everything()
    for path in MODULES:
        plain, begun = asked(path.read_text("utf-8"))
        assert plain - words.keys() == set(), path.name
        assert [b for b in begun if not any(key.startswith(b) for key in words)] == [], path.name


def texts() -> dict[str, bytes]:
    """Return every module of the app by its path."""
    return {path.relative_to(WEB).as_posix(): path.read_bytes() for path in WEB.rglob("*.js")}


def unreached(modules: dict[str, bytes], words: dict[str, set[str]]) -> list[str]:
    """Return each module that says words which are not there when it alone was opened.

    `words`: the keys of each file in words/, by its name. A key is said by t("x.y"), by a string
    that is one, or by a beginning `x.${…}`; it is there once a module that is reached by import
    statements takes its file into the catalogue.
    """
    found = []
    for name in modules:
        code = modules[name].decode("utf-8")
        if name.startswith("words/"):
            continue
        have = {stem for other in reached(modules, name) for stem in taken(modules[other])}
        for stem, keys in words.items():
            plain = asked(code)[0] | set(re.findall(r'"(\w+\.[\w.-]+)"', code))
            begun = {start for start in asked(code)[1] if start}
            said = plain & keys or [b for b in begun if any(key.startswith(b) for key in keys)]
            if said and stem not in have:
                found.append(f"{name} says {min(said)}, and does not reach words/{stem}.js")
    return found


def taken(module: bytes) -> set[str]:
    """Return the files of words that a module takes into the catalogue."""
    code = module.decode("utf-8")
    names = dict(
        re.findall(r'^import (\w+) from "(?:\.{1,2}/)+words/(\w+)\.js";', code, re.MULTILINE)
    )
    into = re.findall(r"\baddWords\((\w+)\)", code)
    for members in re.findall(r"Object\.assign\(Object\.create\(null\), ([\w, ]+)\)", code):
        into += members.split(", ")
    return {stem for name, stem in names.items() if name in into}


def keys_by_file() -> dict[str, set[str]]:
    return {
        path.stem: {key for key, _, _ in read_words(path.read_text("utf-8"))} for path in CATALOGUE
    }


def test_every_module_brings_the_words_that_it_says() -> None:
    """No key may be missing because another screen was not opened yet."""
    assert unreached(texts(), keys_by_file()) == []
    assert {stem for raw in texts().values() for stem in taken(raw)} == {p.stem for p in CATALOGUE}


@pytest.mark.parametrize(
    ("name", "old", "new", "wrong"),
    [
        ("sharing.js", 'import words from "./words/consents.js";\n', "", "words/consents.js"),
        ("sharing.js", "addWords(words);\n", "", "words/consents.js"),
        ("words.js", "shell, start, errors)", "shell, errors)", "words/start.js"),
        ("screens/lock.js", 't("start.hint")', 't("home.welcome")', "home.welcome"),
        ("screens/lock.js", 't("start.hint")', "t(`home.${1}`)", "home."),
        ("screens/lock.js", 't("start.hint")', 'way("home.welcome")', "home.welcome"),
    ],
)
def test_words_that_only_another_screen_brings_are_missed(
    name: str, old: str, new: str, wrong: str
) -> None:
    modules = texts()
    code = modules[name].decode("utf-8")
    assert code.count(old) == 1
    modules[name] = code.replace(old, new).encode()
    found = unreached(modules, keys_by_file())
    assert found
    assert any(wrong in one for one in found)


def test_no_words_are_left_over() -> None:
    code = "\n".join(path.read_text("utf-8") for path in MODULES)
    begun = {start for start in asked(code)[1] if start}
    named = set(re.findall(r"""["`]([\w.-]+)["`]""", code))
    unused = [
        key for key in everything() if key not in named and not key.startswith(("e.", *begun))
    ]
    assert unused == []


def test_every_error_has_the_sentence_of_the_protocol() -> None:
    words = everything()
    assert words["e."] == (VaultError.en, VaultError.zh)
    assert {kind.slug: words.get(f"e.{kind.slug}") for kind in tree()} == {
        kind.slug: (kind.en, kind.zh) for kind in tree()
    }


def test_a_sentence_of_the_app_alone_is_used() -> None:
    code = (WEB / "words.js").read_text("utf-8")
    slugs = {kind.slug for kind in tree()} | {""}
    own = [key for key in everything() if key.startswith("e.") and key[2:] not in slugs]
    assert own
    assert [key for key in own if f'"{key}"' not in code and not key.endswith("Error")] == []


GOOD = ("start.a", "Share {n:day|days}", "共享 {n} 天")


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        (GOOD, ""),
        (("home.a", "a", "甲"), "begins with start."),
        (("start.a", " ", "甲"), "a language is missing"),
        (("start.a", "{n} days", "{m} 天"), "the placeholders differ"),
        (("start.a", "甲", "a"), "the languages are exchanged"),
        (("start.a", f"{FORBIDDEN_WORDS[0].title()}ous", "数字"), f"says {FORBIDDEN_WORDS[0]}"),
        (("start.a", "Stop", FORBIDDEN_WORDS[3]), f"says {FORBIDDEN_WORDS[3]}"),
    ],
)
def test_the_lint_finds_what_is_wrong(entry: tuple[str, str, str], wrong: str) -> None:
    found = [*problems("start", [entry])]
    assert bool(found) == bool(wrong)
    assert all(wrong in one for one in found)


def test_the_lint_refuses_what_is_no_pair() -> None:
    head = 'export default /** @type {import("../words.js").Words} */ ({\n'
    assert read_words(head + '  "a.b": ["x", "甲"],\n});\n') == [("a.b", "x", "甲")]
    pieces = head + '  // of a\n  "a.b": ["x" +\n    " y", "甲"],\n});\n'
    assert read_words(pieces) == [("a.b", "x y", "甲")]
    for body in ('"a.b": ["x"],', '"a.b": ["x", "甲", "乙"],', '"a.b": "x",', "b,"):
        with pytest.raises(Wrong):
            read_words(head + body + "\n});\n")


def test_the_lint_sees_how_words_are_asked_for() -> None:
    assert asked('t("a.b"); t(\n"c"); set("d"); t(`e.${x}`); t(`f`)') == (
        {"a.b", "c", "f"},
        {"e."},
    )
