"""The committed list of the web app's files is current, and the app keeps to its size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from consent.site import read_files
from consent.site_imports import reached
from tests.site_files import small_files
from tests.web_manifest import BUDGET, FILE, FIRST, first_view, manifest, size_of, written


def test_the_committed_list_is_that_of_the_files() -> None:
    """After a change of consent/web: ./run python -m tests.web_manifest."""
    assert FILE.read_text(encoding="utf-8") == written()


def test_another_byte_in_any_file_is_another_list() -> None:
    files = small_files()
    before = manifest(files)
    for name in files:
        other = manifest({**files, name: files[name] + b" "})
        assert other != before
        assert other["version"] != before["version"]


def test_modules_and_styles_stay_within_their_size() -> None:
    assert size_of(read_files()) <= BUDGET


def test_the_first_view_stays_within_its_size() -> None:
    assert size_of(first_view(read_files())) <= FIRST


def test_what_app_js_imports_by_statement_counts_and_what_comes_later_does_not() -> None:
    """The control: the vault's side, once the first view waits for it, is too much for it."""
    files = read_files()
    later = {**files, "app.js": files["app.js"] + b'import("./screens/home.js");\n'}
    assert first_view(later).keys() == first_view(files).keys()
    now = {**files, "app.js": b'import "./screens/home.js";\n' + files["app.js"]}
    assert size_of(first_view(now)) > 2 * FIRST


def test_what_is_committed_says_its_own_sizes() -> None:
    found = json.loads(FILE.read_text(encoding="utf-8"))
    assert found["bytes"] == size_of(read_files())
    assert found["first"] == size_of(first_view(read_files()))


def inside(files: Mapping[str, bytes]) -> set[str]:
    """Return what late.js names: what an open vault and Home need besides the first view."""
    (listed,) = re.findall(r"const INSIDE = \[([^\]]*)\]", files["late.js"].decode("utf-8"))
    return {f"{name}.js" for name in re.findall(r'"([^"]+)"', listed)}


def test_what_is_brought_for_an_open_vault_is_what_it_and_home_import() -> None:
    """So that nothing of it is asked for a round later; a new import is added to late.js."""
    files = read_files()
    wanted = {*reached(files, "holder.js", "screens/home.js")} - first_view(files).keys()
    assert inside(files) == wanted
