"""What the web app's test files share: one town, made once in each process, and one browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.webapp.driver import chromium, needs_axe
from tests.webapp.place import Town, tell

_made: list[Town] = []
_open = ExitStack()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The town in May 2026, which tests only look at."""
    if not _made:
        town = _open.enter_context(Town(Path(tmp_path_factory.mktemp("town"))))
        tell(town)
        _made.append(town)
    yield _made[0]
    _open.close()
    _made.clear()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, with axe-core at hand."""
    needs_axe()
    with chromium() as found:
        yield found
