"""An ASGI app on a free port of this machine, and one that sends something else than it should.

with live(app) as url: …                      http://localhost:PORT
tampered = Tampering(app); tampered.change = …   what each answer becomes
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent.commands.listen import listen_localhost


@contextmanager
def live(app: ASGIApp) -> Iterator[str]:
    """Give the URL of a server that runs the app, for as long as the block runs."""
    sockets = listen_localhost(0)
    config = uvicorn.Config(app, lifespan="off", log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@dataclass
class Answered:
    """An answer on its way, to be changed; headers by lower-case name."""

    path: str
    asked: dict[str, str]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: str = ""

    @property
    def browser(self) -> bool:
        """Whether it looks like a browser that asks."""
        return "chrome" in self.asked.get("user-agent", "").lower()


class Tampering:
    """Stands before an app and changes what it answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.change: Callable[[Answered], None] = lambda _: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = {name.decode(): value.decode() for name, value in scope["headers"]}
        found = Answered(scope["path"], asked, query=scope["query_string"].decode())

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                found.status = message["status"]
                found.headers = {n.decode(): v.decode() for n, v in message["headers"]}
            else:
                found.body += message.get("body", b"")

        await self.app(scope, receive, hold)
        if found.headers.pop("content-encoding", None) == "gzip":
            found.body = gzip.decompress(found.body)
        self.change(found)
        found.headers.pop("content-length", None)
        headers = [(n.encode(), v.encode()) for n, v in found.headers.items()]
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        await send({"type": "http.response.body", "body": found.body})
