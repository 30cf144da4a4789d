from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import errors
from vault.errors import Local, Unreachable, VaultError, from_problem, tree

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n## 8. ")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| `([a-z-]+)` \| (\d{3} )?", SECTION, re.MULTILINE)
ANSWERED = {slug: int(status) for slug, status in ROWS if status}
LOCAL = {slug for slug, status in ROWS if not status}
KINDS = tree()
NOT_BUILT = {"retired"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_error_has_the_status_that_the_page_documents(kind: type[VaultError]) -> None:
    if issubclass(kind, Local):
        assert kind.status is None
        assert kind.slug in LOCAL
    else:
        assert kind.status == ANSWERED[kind.slug]


def test_page_documents_no_error_that_does_not_exist() -> None:
    assert set(ANSWERED) - NOT_BUILT <= {k.slug for k in KINDS if not issubclass(k, Local)}
    assert {k.slug for k in KINDS if issubclass(k, Local)} == LOCAL


def test_slugs_and_sentences_are_unique() -> None:
    for member in ("slug", "en", "zh"):
        found = [getattr(kind, member) for kind in KINDS]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_error_has_a_sentence_of_its_own_in_both_languages(kind: type[VaultError]) -> None:
    assert {"slug", "en", "zh"} <= set(vars(kind))
    assert re.fullmatch(r"[A-Z][ -~]+\.", kind("x").sentence("en"))
    assert re.fullmatch(r"[\u4e00-\u9fff，。；、“”]+。", kind("x").sentence("zh-CN"))


def test_every_class_is_drawn_in_the_tree_of_the_docstring() -> None:
    drawn = set(re.findall(r"[A-Z][A-Za-z]+", (errors.__doc__ or "").split("VaultError\n", 1)[1]))
    own = {n for n, k in vars(errors).items() if isinstance(k, type) and issubclass(k, VaultError)}
    assert own - {"VaultError"} == drawn


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_problem_names_its_error(kind: type[VaultError]) -> None:
    found = from_problem(kind.slug, "what was found")
    if issubclass(kind, Local):
        assert type(found) is Unreachable  # a vault cannot answer what only a party finds
    else:
        assert type(found) is kind
        assert str(found) == "what was found"


@given(st.text(), st.text())
def test_unknown_problem_is_unreachable_and_short(slug: str, detail: str) -> None:
    if slug not in ANSWERED:
        found = from_problem(slug, detail)
        assert type(found) is Unreachable
        assert len(str(found)) < 700


def test_root_has_no_slug_and_cannot_be_answered() -> None:
    assert not VaultError.slug
    assert VaultError not in KINDS
    assert type(from_problem("", "")) is Unreachable
