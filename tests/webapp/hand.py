"""A person at the web app: reads its words in their language, and acts by pointer or by keys alone.

hand = Hand(window, "keys")
hand.press("start.make")             the button of these words, by Tab and Enter
hand.type("start.typeback", code)    into the field of this label
hand.sees("start.differs")           waits until the words are shown
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from playwright.sync_api import Download, Locator

from tests.test_web_words import everything
from tests.webapp.driver import DESK, PHONE, Look, Window
from tests.webapp.screens import texts_wrong
from vault.crypto.keys import Root

Means = Literal["pointer", "keys"]
WAYS: tuple[tuple[Look, Means], ...] = (
    (Look("en", PHONE), "pointer"),
    (Look("zh-CN", DESK), "keys"),
)
"""Each flow is walked in both, by pointer or by keys alone, and looked at in both sizes."""

_PLACE = re.compile(r"\\?\{(?:[^{}\\]|\\[^{}])*\\?\}")


@cache
def _words() -> dict[str, tuple[str, str]]:
    return everything()


@dataclass
class Hand:
    """Somebody who uses a window."""

    window: Window
    means: Means
    names: list[str]

    # Words

    def says(self, key: str, **members: str) -> str:
        """Return words of the catalogue in the window's language."""
        text = _words()[key][self.window.look.locale == "zh-CN"]
        for name, value in members.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def like(self, key: str, **members: str) -> re.Pattern[str]:
        """Return a pattern of words whose open places may hold anything."""
        return re.compile(_PLACE.sub(".*?", re.escape(self.says(key, **members))))

    def sees(self, key: str, within: str = "body", **members: str) -> Locator:
        """Wait until words are shown; return where."""
        pattern = self.like(key, **members)
        found = self.window.page.locator(within).get_by_text(pattern).locator("visible=true").first
        found.wait_for()
        return found

    def looks(self, name: str) -> None:
        """Fail where axe-core or the words' checks find something in what is shown, at any size."""
        window, look = self.window, self.window.look
        found = [*texts_wrong(window, look.locale, self.names)]
        for size in (PHONE, DESK):
            window.resize(size)
            found += [f"{window.slack} px too wide"] if window.slack else []
            window.picture(f"{Look(look.locale, size).name}-flow-{name}")
            found += window.axe()
        window.resize(look.size)
        assert not found, "\n".join(found)

    # Acts

    def button(self, key: str, within: str = "body", **members: str) -> Locator:
        """Return the button of these words."""
        return self.window.button(self.says(key, **members), within)

    def press(self, control: str | Locator, within: str = "body") -> None:
        """Activate a button by its words' key, or any control."""
        found = self.button(control, within) if isinstance(control, str) else control
        self.window.press(found, "click" if self.means == "pointer" else "Enter")

    def tick(self, box: Locator) -> None:
        """Tick a box, or take that back."""
        self.window.press(box, "click" if self.means == "pointer" else " ")

    def type(self, field: str | Locator, text: str) -> None:
        """Type into the field with this label, in place of what is there."""
        found = field
        if isinstance(found, str):
            found = self.window.page.get_by_label(self.says(found)).locator("visible=true").last
        if self.means == "pointer":
            found.fill(text)
            return
        self.window.tab_to(found)
        self.window.page.keyboard.press("Control+a")
        self.window.page.keyboard.insert_text(text)

    def choose(self, field: str, value: str) -> None:
        """Choose one of a list by its value."""
        self.window.page.get_by_label(self.says(field)).select_option(value)

    def saves(self, control: str | Locator, within: str = "body") -> Download:
        """Activate what offers a file; return the file."""
        with self.window.page.expect_download() as coming:
            self.press(control, within)
        return coming.value

    # Whole ways

    def makes_vault(self) -> str:
        """Make a vault, up to how it is opened from now on; return the recovery code."""
        self.window.visit()
        self.press("start.make")
        self.tick(self.window.page.get_by_role("checkbox"))
        self.press("next")
        self.sees("start.once")
        code = "-".join(self.window.page.locator(".fours li").all_inner_texts())
        self.press("start.written")
        self.type("start.typeback", code)
        self.press("next")
        self.sees("start.how")
        return code

    def opens_by_code(self, code: str) -> None:
        """Type a code where a vault can be opened, and go on."""
        self.type("start.usecode", code)
        self.press("start.openit")

    def is_home(self) -> None:
        """Wait for the screen Home."""
        self.window.page.locator("h1", has_text=self.says("title.home")).wait_for()
        self.window.settle()

    def opens(self, root: Root, path: str = "/") -> None:
        """Come with a device that opens this vault by itself."""
        self.window.open(root, path)
