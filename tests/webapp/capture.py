"""What a browser sends: a proxy that all of its traffic goes through, and the page's own account.

    with Proxy() as proxy, playwright.chromium.launch(proxy=proxy.setting) as browser:
        tapped = Tap(context.new_cdp_session(page))
    proxy.seen, tapped.seen        URL, headers and body of each request, of a service worker too
    proxy.hosts                    whom the browser wanted to speak to

The proxy lets through what goes to this machine, and refuses the rest after it was written down.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote_to_bytes, urlsplit

from playwright.sync_api import CDPSession

HOP = {"proxy-connection", "connection", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Seen:
    """One thing that was sent."""

    how: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def raw(self) -> bytes:
        """All of it, as it was sent and without percent signs."""
        lines = [f"{self.how} {self.url}", *(f"{name}: {value}" for name, value in self.headers)]
        text = "\n".join(lines).encode() + b"\n\n" + self.body
        return text + b"\0\0\0" + unquote_to_bytes(text)


class Proxy:
    """An HTTP proxy on this machine that keeps what it is asked for."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.seen = self.seen
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def setting(self) -> Any:
        """Playwright's, for launch: this machine's own addresses go through it too."""
        host = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"server": host, "bypass": "<-loopback>"}

    @property
    def hosts(self) -> set[str]:
        """Whom the browser wanted to speak to, as host:port."""
        return {urlsplit(each.url).netloc for each in self.seen}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    seen: list[Seen]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _keep(self, url: str, body: bytes = b"") -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.seen.append(Seen(self.command, url, tuple(self.headers.items()), body))

    def _refuse(self) -> None:
        self.send_response(403)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_CONNECT(self) -> None:
        self._keep(f"https://{self.path}")
        self._refuse()

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._keep(self.path, body)
        to = urlsplit(self.path)
        if to.scheme != "http" or to.hostname not in ("localhost", "127.0.0.1"):
            self._refuse()
            return
        path = to.path + (f"?{to.query}" if to.query else "")
        headers = {n: value for n, value in self.headers.items() if n.lower() not in HOP}
        host = to.netloc.replace("localhost", "127.0.0.1")
        link = http.client.HTTPConnection(host, timeout=60)
        with closing(link), suppress(ConnectionError):
            link.request(self.command, path, body or None, headers)
            self._answer(link.getresponse())

    def _answer(self, reply: http.client.HTTPResponse) -> None:
        content = reply.read()
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.getheaders():
            if name.lower() not in HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = _pass


@dataclass
class Tap:
    """What a page sends, by the browser's own account: requests, sockets, frames."""

    session: CDPSession
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        on = self.session.on
        on("Network.requestWillBeSent", self._request)
        on("Network.requestWillBeSentExtraInfo", self._headers)
        on("Network.webSocketCreated", lambda found: self._keep("SOCKET", found["url"]))
        on("Network.webSocketFrameSent", self._frame)
        on("Network.webTransportCreated", lambda found: self._keep("TRANSPORT", found["url"]))
        on("Network.directTCPSocketCreated", lambda found: self._keep("TCP", str(found)))
        on("Network.directUDPSocketCreated", lambda found: self._keep("UDP", str(found)))
        self.session.send("Network.enable", {"maxPostDataSize": 2**24})

    def _keep(
        self, how: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        self.seen.append(Seen(how, url, tuple(headers), body))

    def _request(self, found: dict[str, Any]) -> None:
        asked = found["request"]
        if urlsplit(asked["url"]).scheme in ("blob", "data"):
            return  # nothing leaves: a file that the page gives to its person
        how = f"{asked['method']} {found.get('type', '')}"
        body = asked.get("postData", "").encode()
        self._keep(how, asked["url"], asked["headers"].items(), body)

    def _headers(self, found: dict[str, Any]) -> None:
        self._keep("EXTRA", "", found["headers"].items())

    def _frame(self, found: dict[str, Any]) -> None:
        self._keep("FRAME", "", (), str(found["response"]["payloadData"]).encode())

    @property
    def origins(self) -> set[str]:
        """Whom the page wanted to speak to."""
        urls = [urlsplit(each.url) for each in self.seen if each.url]
        return {f"{url.scheme}://{url.netloc}" for url in urls}


STORED = """async () => {
  const plain = async (value) => {
    if (value instanceof CryptoKey) return `CryptoKey extractable=${value.extractable}`;
    if (value instanceof ArrayBuffer) value = new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return { bytes: [...new Uint8Array(value.buffer)] };
    if (Array.isArray(value)) return Promise.all(value.map(plain));
    if (value && typeof value === "object") return Object.fromEntries(await Promise.all(
      Object.entries(value).map(async ([name, one]) => [name, await plain(one)])));
    return value;
  };
  const ask = (request) => new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
  const found = {};
  for (const { name } of await indexedDB.databases()) {
    const db = await ask(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      const all = db.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([ask(all.getAllKeys()), ask(all.getAll())]);
      found[`${name}/${store}`] = await plain(keys.map((key, n) => [key, values[n]]));
    }
    db.close();
  }
  const cached = {}, pathOf = ({ url }) => new URL(url).pathname;
  for (const name of await caches.keys())
    cached[name] = (await (await caches.open(name)).keys()).map(pathOf);
  return { databases: found, local: { ...localStorage }, session: { ...sessionStorage },
    cookie: document.cookie, caches: cached, files: await navigator.storage.getDirectory()
      .then(async (root) => { const all = []; for await (const n of root.keys()) all.push(n);
        return all; }, () => []) };
}"""
"""What a page keeps, read by itself."""


def bytes_of(stored: Any) -> bytes:
    """Return all that is stored as bytes, one after the other."""
    if isinstance(stored, dict) and set(stored) == {"bytes"}:
        return bytes(stored["bytes"]) + b"\0\0\0"
    if isinstance(stored, dict):
        return b"".join(name.encode() + b"\0" + bytes_of(one) for name, one in stored.items())
    if isinstance(stored, list):
        return b"".join(map(bytes_of, stored))
    return str(stored).encode() + b"\0\0\0"
