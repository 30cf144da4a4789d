"""A browser for tests: Debian's chromium, spoken to over a pipe (DevTools protocol), no library.

with Browser(program, folder) as browser:
    tab = browser.open("file:///…", width=390, dark=True)
    tab.value("document.title"), tab.requests, tab.complaints
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from vault.encoding import Json

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
# The browser reads from descriptor 3 and writes to 4.
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
_COMPLAINTS = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}
Members = dict[str, Json]


def find_browser() -> str | None:
    """Return the program, where this machine has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Tab:
    """One page, what it asks for, what its policy stopped, and what the browser complains of."""

    browser: Browser
    session: str
    asked: dict[str, str] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    loaded: bool = False

    @property
    def requests(self) -> list[str]:
        """What went to the network or the disk."""
        return [*self.asked.values()]

    def call(self, method: str, **params: Json) -> Members:
        return self.browser.call(method, params, self.session)

    def value(self, expression: str) -> Json:
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return cast("Members", found["result"]).get("value")

    def take(self, method: str, params: Members) -> None:
        if method == "Network.requestWillBeSent":
            self.asked[str(params["requestId"])] = str(cast("Members", params["request"])["url"])
        elif method == "Network.loadingFailed" and params.get("blockedReason") == "csp":
            self.stopped.append(self.asked.pop(str(params["requestId"])))
        elif method in _COMPLAINTS:
            self.complaints.append(json.dumps(params))
        elif method == "Page.loadEventFired":
            self.loaded = True


class Browser:
    """A browser that runs, with an empty profile in a folder of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # High numbers, so that neither is in the way of 3 and 4.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_read, to_write)]
        words = [program, *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self._running = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, theirs), *words],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (to_read, to_write, *theirs):
            os.close(fd)
        self._count, self._rest = 0, b""
        self._tabs: dict[str, Tab] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.call("Browser.close", {})
            self._running.wait(PATIENCE)
        finally:
            self._running.kill()
            self._running.wait()
            os.close(self._write)
            os.close(self._read)

    def open(self, url: str, width: int, *, dark: bool = False) -> Tab:
        """Return a page once it has loaded, in a window so wide, light or dark."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attach: Members = {"targetId": target, "flatten": True}
        session = str(self.call("Target.attachToTarget", attach)["sessionId"])
        tab = self._tabs[session] = Tab(self, session)
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.call("Emulation.setEmulatedMedia", features=[{**scheme}])
        for domain in ("Page", "Network", "Log", "Runtime"):
            tab.call(f"{domain}.enable")
        tab.loaded = False
        tab.call("Page.navigate", url=url)
        until = time.monotonic() + PATIENCE
        while not tab.loaded:
            self._take(until)
        return tab

    def call(self, method: str, params: Members, session: str = "") -> Members:
        """Return the answer to a command; raises AssertionError where it is an error."""
        self._count += 1
        asked: Members = {"id": self._count, "method": method, "params": params}
        if session:
            asked["sessionId"] = session
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._take(until)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return cast("Members", answer["result"])

    def _take(self, until: float) -> Members:
        """Return the next message; events go to their tab."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            got = os.read(self._read, 2**16)
            assert got, "the browser has gone"
            self._rest += got
        raw, _, self._rest = self._rest.partition(b"\0")
        message: Members = json.loads(raw)
        tab = self._tabs.get(str(message.get("sessionId")))
        if tab and "method" in message:
            tab.take(str(message["method"]), cast("Members", message["params"]))
        return message
