"""What stands before the vault in a sandbox: the robots' pages; all the rest is the vault's own.

/authorize   of a browser   → the page that asks which robot you are
/sandbox…                   → the robots, the clock
anything else               → the vault, unchanged
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """Sends each request to the robots' pages or to the vault."""

    def __init__(self, vault: ASGIApp, pages: ASGIApp) -> None:
        """Stand before both."""
        self._vault, self._pages = vault, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        ours = scope["type"] == "http" and _is_ours(scope)
        await (self._pages if ours else self._vault)(scope, receive, send)


def _is_ours(scope: Scope) -> bool:
    path = str(scope["path"])
    if path == "/authorize":
        return b"text/html" in dict(scope["headers"]).get(b"accept", b"")
    return path == "/sandbox" or path.startswith("/sandbox/")
