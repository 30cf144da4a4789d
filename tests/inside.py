"""The real app called in this process, one hand-over between threads a request.

    with Inside(app, base_url="https://vault.test") as client:
        client.get("/v1/time")

Starlette's own way hands each request over about eight times, which was a third of the time of the
tests that knock at doors. What is sent, in how many pieces, is read to its end before it is given
back: no answer of the app is endless. What is no answer fails here as it fails there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from urllib.parse import unquote

import httpx2
from anyio import Event
from anyio.from_thread import BlockingPortal
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

_Portals = Callable[[], AbstractContextManager[BlockingPortal]]


class Inside(TestClient):
    """A client whose every request is one call of the app."""

    def __init__(
        self,
        app: ASGIApp,
        base_url: str = "http://testserver",
        client: tuple[str, int] = ("testclient", 50_000),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(app, base_url=base_url, client=client, headers=headers)
        self._transport = _Direct(app, self._portal_factory, client)


class _Direct(httpx2.BaseTransport):
    def __init__(self, app: ASGIApp, portals: _Portals, client: tuple[str, int]) -> None:
        self._app, self._portals, self._client = app, portals, client

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url, body = request.url, request.read()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "path": unquote(url.path),
            "raw_path": url.raw_path.partition(b"?")[0],
            "root_path": "",
            "scheme": url.scheme,
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": list(self._client),
            "server": [url.host, url.port or {"http": 80, "https": 443}[url.scheme]],
            "state": {},
        }
        asked = [{"type": "http.request", "body": body, "more_body": False}]
        told: list[Message] = []
        ended = Event()

        async def receive() -> Message:
            if asked:
                return asked.pop()
            await ended.wait()  # who asked stays until it was answered
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            wanted = "http.response.body" if told else "http.response.start"
            assert (message["type"], ended.is_set()) == (wanted, False)
            told.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                ended.set()

        with self._portals() as portal:
            portal.call(self._app, scope, receive, send)
        assert ended.is_set(), "the app did not answer to the end"
        head, *rest = told
        content = b"".join(part.get("body", b"") for part in rest)
        return httpx2.Response(
            head["status"],
            headers=head["headers"],
            stream=httpx2.ByteStream(b"" if request.method == "HEAD" else content),
            request=request,
        )
