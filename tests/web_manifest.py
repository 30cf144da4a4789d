"""The web app as this package ships it: version, hashes, size; for whoever compares a server's.

    ./run python -m tests.web_manifest        writes tests/vectors/web_manifest.json anew

`files` are the files as they lie in consent/web, before a vault fills in its own settings; their
names and hashes give the version. `served` are the paths and hashes in every vault's `cv1-web` that
do not hang on its settings: all but the page, the worker that names the page's hash, and headers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from consent.site import ENTRY, STYLE, SiteConfig, make_site, read_files, version_of
from consent.site_imports import reached
from vault.encoding import Json

FILE = Path(__file__).parent / "vectors" / "web_manifest.json"
_OWN = ("/", "/sw.js", "headers")
BUDGET = 650_000
"""Bytes of all modules and styles, comments included, not packed: docs/decisions/0019."""
FIRST = 180_000
"""Of these, what the first view waits for: the style, and what app.js imports by statement."""


def manifest(files: Mapping[str, bytes]) -> dict[str, Json]:
    """Return what is committed of these files."""
    site = make_site(files, SiteConfig("https://vault.example", bytes(32), "any"))
    return {
        "version": version_of(files),
        "bytes": size_of(files),
        "first": size_of(first_view(files)),
        "files": [[name, sha256(files[name]).hexdigest()] for name in sorted(files)],
        "served": [[path, h.hex()] for path, h in site.listed if path not in _OWN],
    }


def size_of(files: Mapping[str, bytes]) -> int:
    """Return how many bytes the modules and styles have."""
    return sum(len(raw) for name, raw in files.items() if name.endswith((".js", ".css")))


def first_view(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that the start screen of a person without a vault waits for."""
    return {name: files[name] for name in (STYLE, *reached(files, ENTRY))}


def written() -> str:
    """Return the text of the committed file."""
    return json.dumps(manifest(read_files()), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
