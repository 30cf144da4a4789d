"""The windows that one organisation has of one person, as the audit replay keeps them.

    org = Org()
    org.use((0,), ("2026-01", "2026-02", "2026-03"))      # a window and its atoms
    org.use((0,), ("2026-03", "2026-04", "2026-05"))      → BadShape: March is in both

One figure for each (category, month): docs/protocol.md section 5, "The guard".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

from consent.messages import LinkMonths
from vault.errors import BadShape
from vault.months import Month, Window

WindowName = tuple[tuple[int, ...], Window]


@dataclass(slots=True)
class KeptWindow:
    """The cells of the last token of an organisation's window, and whether it was released."""

    cells: tuple[LinkMonths, ...]
    released: bool = False

    def fade(self) -> None:
        """Let the cells go."""
        self.cells = ()


@dataclass(slots=True)
class Org:
    """What one organisation has of one account: a bit for each (category, month), and windows."""

    _atoms: int = 0
    windows: dict[WindowName, KeptWindow] = field(default_factory=dict)

    def use(self, categories: tuple[int, ...], window: Window) -> None:
        """Use the atoms of a new window; raises BadShape when one was used before."""
        atoms = sum(1 << _atom(pair) for pair in product(categories, window))
        if atoms & self._atoms:
            raise BadShape("the window overlaps one that this organisation already has")
        self._atoms |= atoms


def _atom(pair: tuple[int, Month]) -> int:
    category, month = pair
    return 8 * (12 * int(month[2:4]) + int(month[5:])) + category
