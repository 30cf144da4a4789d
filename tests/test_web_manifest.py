"""The committed list of the web app's files is current, and the app keeps to its size."""

from __future__ import annotations

import json

from consent.site import read_files
from tests.site_files import small_files
from tests.web_manifest import BUDGET, FILE, manifest, size_of, written


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


def test_what_is_committed_says_its_own_size() -> None:
    found = json.loads(FILE.read_text(encoding="utf-8"))
    assert found["bytes"] == size_of(read_files())
