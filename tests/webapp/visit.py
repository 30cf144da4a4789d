"""One visit of the web app at a server that may lie, looked at by the words of its catalogue.

    with Visit(browser, town.url, Look("zh-CN"), changes={"/batches": swap}) as visit:
        visit.open(ann.root)
        visit.sees("records.wrong.sealed", name="…")     or it fails

What is looked for is what the catalogue says, so that a test fails when a person reads another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Self

from playwright.sync_api import TimeoutError as Late

from consent.site import Site
from tests.test_web_words import everything
from tests.webapp.between import Between, Change, serve_other
from tests.webapp.driver import PATIENCE, Window
from vault.crypto.keys import Root
from vault.errors import Locale

PAUSE, LAST = 700, "/v1/holder/entries"
_COUNTED = re.compile(r"\{(\w+):([^|}]*)\|([^}]*)\}")


@cache
def _catalogue() -> Mapping[str, tuple[str, str]]:
    return everything()


def words(locale: Locale, key: str, **members: object) -> str:
    """Return a text of the catalogue, its {members} filled in."""

    def counted(found: re.Match[str]) -> str:
        n = members[found[1]]
        return f"{n} {found[2] if n == 1 else found[3]}"

    text = _catalogue()[key][locale == "zh-CN"]
    return _COUNTED.sub(counted, text).format(**members)


class Reader(Window):
    """A window that is read and operated by the words of the catalogue."""

    def words(self, key: str, **members: object) -> str:
        """Return a text as this visit shows it."""
        return words(self.look.locale, key, **members)

    def push(self, key: str, within: str = "body", **members: object) -> None:
        """Press the first button of this text."""
        self.press(self.button(self.words(key, **members), within).first)

    def sees(self, key: str, **members: object) -> None:
        """Wait until these words are shown, dialogs too."""
        there = "text => document.body.innerText.replace(/\\s+/g, ' ').includes(text)"
        try:
            self.page.wait_for_function(there, arg=self.words(key, **members))
        except Late as late:
            raise AssertionError(
                f"{key} is not shown, but: {self.page.inner_text('body')}"
            ) from late

    def sees_one(self, *keys: str) -> None:
        """Wait until the words of one of these keys are shown."""
        there = "all => all.some(text => document.body.innerText.includes(text))"
        self.page.wait_for_function(there, arg=[self.words(key) for key in keys])

    def type_code(self, code: str) -> None:
        """Ask for a vault to be opened by a code."""
        self.visit()
        self.push("start.open")
        self.page.locator("textarea").fill(code)
        self.push("start.openit")

    @property
    def figures(self) -> list[str]:
        """The large figures that are shown."""
        return self.page.locator("p.big").all_inner_texts()

    @property
    def alarmed(self) -> bool:
        """Whether anything here is marked as wrong."""
        return self.page.locator("[role=alert]:visible:not(:empty)").count() > 0


@dataclass
class Visit(Reader):
    """A window, and who stands between it and the vault.

    `app` is served instead of the published one; `changes` are what answers become, by the end of
    their path.
    """

    app: Site | None = None
    changes: dict[str, Change] = field(default_factory=dict)

    def __enter__(self) -> Self:
        super().__enter__()
        self.between = Between(self.context, self.url, self.changes)
        if self.app is not None:
            serve_other(self.context, self.url, self.app)
        return self

    def rest(self) -> None:
        """Wait until the work in the background is done: its last part reads the entries."""
        self.settle()
        for _ in range(PATIENCE // PAUSE):
            before = len(self.between.asked)
            self.page.wait_for_timeout(PAUSE)
            if before == len(self.between.asked) and LAST in self.between.asked:
                return
        raise AssertionError(f"the app does not come to rest: {self.between.asked}")

    def enter(self, root: Root) -> None:
        """Open on this device, until all is done that the app does by itself."""
        self.open(root)
        self.rest()

    def again(self, *, opens: bool = True) -> None:
        """Come back later: the app loads anew, with what this device kept."""
        self.rest()
        self.between.asked.clear()
        self.page.reload()
        if opens:
            self.rest()
        else:
            self.settle()
