"""What every answer passes through: security headers, one log line, one metric.

    {"at":1767225600,"method":"POST","route":"/v1/releases","status":200,"ms":12}

Neither line nor metric holds an id, an address, a query or a body: a route is named as it is
declared, `/v1/grants/{grant}`, never as it was called (docs/operations.md).
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

access = logging.getLogger("carbonvault.access")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=63072000; includeSubDomains"
_UNKNOWN = "(no such route)"


class Meters:
    """Counts and times by route, in a registry of this app's own."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._answers = Counter(
            "carbonvault_answers", "Answers by route and status.", labels, registry=self.registry
        )
        self._seconds = Histogram(
            "carbonvault_answer_seconds", "Seconds to answer.", ("route",), registry=self.registry
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._answers.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class Answers:
    """ASGI middleware: adds the headers, then writes down what was answered."""

    def __init__(self, app: ASGIApp, meters: Meters, secure: bool) -> None:
        """Stand before an app; `secure` says that its public URL is https."""
        self._app, self._meters = app, meters
        added = {**HEADERS, "Strict-Transport-Security": HSTS} if secure else HEADERS
        self._headers = [(name.lower().encode(), value.encode()) for name, value in added.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message["headers"]}
                fresh = [header for header in self._headers if header[0] not in own]
                message["headers"] = [*message["headers"], *fresh]
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            self._write(scope, status, time.monotonic() - begun)

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", _UNKNOWN)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._meters.note(method, route, status, seconds)
        line = {
            "at": int(time.time()),
            "method": method,
            "route": route,
            "status": status,
            "ms": round(1000 * seconds),
        }
        access.info(json.dumps(line, separators=(",", ":")))


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
