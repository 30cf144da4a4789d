"""The replay with a rule switched off: copies of its modules, a few words of their source changed.

The product has no such switch. A change names words that stand exactly once in a module's source,
so that it cannot quietly miss them when the source is rewritten.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_loader
from inspect import getsource
from types import ModuleType
from typing import NamedTuple, cast

from consent.auditor import Auditor
from consent.replay import Replay

ENCODING, DIRECTORY, TEMPLATES = "vault.encoding", "vault.directory", "consent.templates"
LINKS, WINDOWS = "consent.replay_links", "consent.replay_windows"
GRANTS, TOKENS = "consent.replay_grants", "consent.replay_tokens"
RELEASES, REPLAY = "consent.replay_releases", "consent.replay"
JUDGING, LINEAGE, AUDITOR = "consent.judging", "consent.lineage", "consent.auditor"
COPIED = (
    ENCODING,
    DIRECTORY,
    TEMPLATES,
    LINKS,
    WINDOWS,
    GRANTS,
    TOKENS,
    RELEASES,
    REPLAY,
    LINEAGE,
    JUDGING,
    AUDITOR,
)


class Change(NamedTuple):
    """Words of a module's source, and what stands there instead."""

    module: str
    words: str
    instead: str


def no(module: str, condition: str) -> Change:
    """Return the change under which a condition never holds."""
    return Change(module, condition, "False")


def skip(module: str, call: str) -> Change:
    """Return the change under which a check is not made."""
    return Change(module, call, "None")


def replay_without(*changes: Change) -> type[Replay]:
    """Return a copy of the replay in which some checks are not made."""
    with _copies(changes) as modules:
        return cast("type[Replay]", vars(modules[REPLAY])["Replay"])


def auditor_without(*changes: Change) -> type[Auditor]:
    """Return a copy of the auditor's SDK in which some checks are not made."""
    with _copies(changes) as modules:
        return cast("type[Auditor]", vars(modules[AUDITOR])["Auditor"])


@contextmanager
def _copies(changes: tuple[Change, ...]) -> Iterator[dict[str, ModuleType]]:
    """Give fresh copies of the modules, each importing the copies of the ones before it."""
    originals = {name: import_module(name) for name in COPIED}
    try:
        copies = {
            name: _copy(module, [c for c in changes if c.module == name])
            for name, module in originals.items()
        }
        yield copies
    finally:
        sys.modules.update(originals)


def _copy(original: ModuleType, changes: list[Change]) -> ModuleType:
    source = getsource(original)
    for change in changes:
        found = source.count(change.words)
        assert found == 1, f"{change.words!r} stands {found} times in {original.__name__}"
        source = source.replace(change.words, change.instead)
    spec = spec_from_loader(original.__name__, loader=None)
    assert spec is not None
    copy = module_from_spec(spec)
    copy.__file__ = original.__file__
    sys.modules[original.__name__] = copy
    exec(compile(source, f"<{original.__name__}, changed>", "exec"), vars(copy))
    return copy
