"""Which modules of the web app a module waits for: those it imports by statement, and theirs.

    imports_of('import { t } from "./words.js";')                ("./words.js",)
    reached({"app.js": …, "words.js": …, "later.js": …}, "app.js")   ("app.js", "words.js")

What a module asks for later, by `import("./later.js")`, is not among them: the page names only what
its first view waits for (docs/decisions/0019-size-of-the-app.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath

# Each statement begins its line; a name list may go over several.
_IMPORT = re.compile(
    r"""^(?:import|export)\b(?:[\w\s*,${}]*?\bfrom)?\s*["'](\.{1,2}/[^"'\n]+)["']""", re.MULTILINE
)


def imports_of(text: str) -> tuple[str, ...]:
    """Return the relative names that a module's import and export statements name, in order."""
    return tuple(_IMPORT.findall(text))


def reached(modules: Mapping[str, bytes], *entries: str) -> tuple[str, ...]:
    """Return the modules that these wait for, themselves among them, nearest first.

    Args:
        modules: files by their path; what is imported but not there is left out.
        entries: paths to begin at.
    """
    found: dict[str, None] = dict.fromkeys(name for name in entries if name in modules)
    waiting = list(found)
    for name in waiting:  # grows while it is walked
        for other in imports_of(modules[name].decode("utf-8", "replace")):
            path = normpath(join(dirname(name), other))
            if path in modules and path not in found:
                found[path] = None
                waiting.append(path)
    return tuple(found)
