"""What Chromium sends when it loads the web app, path by path.

    as_browser("/app/0123456789abcdef/app.js", "https://vault.example")    Origin, Sec-Fetch-Dest: …

Taken from Chromium 150 on Linux. The test asks the browser of its own machine for them, so that a
header which is missing here is found there. HTTP/2, its order of headers and the form of the TLS
handshake are not those of a browser (docs/decisions/0017-the-page.md).
"""

from __future__ import annotations

from collections.abc import Mapping

PACKED = "gzip, deflate, br, zstd"
_ALWAYS = {
    "Accept": "*/*",
    "Accept-Encoding": PACKED,
    "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/150.0.0.0 Safari/537.36",
    "Sec-Fetch-Site": "same-origin",
}
_HINTS = {
    "sec-ch-ua": '"Not;A=Brand";v="8", "Chromium";v="150"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
}
_NAVIGATES = {
    **_HINTS,
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Upgrade-Insecure-Requests": "1",
}
_WORKS = {
    "Cache-Control": "max-age=0",
    "Sec-Fetch-Mode": "same-origin",
    "Sec-Fetch-Dest": "serviceworker",
    "Service-Worker": "script",
}
_LOADS: Mapping[str, Mapping[str, str]] = {
    "js": {**_HINTS, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "script"},
    "css": {
        **_HINTS,
        "Accept": "text/css,*/*;q=0.1",
        "Sec-Fetch-Mode": "no-cors",
        "Sec-Fetch-Dest": "style",
    },
    "svg": {
        **_HINTS,
        "Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        "Sec-Fetch-Mode": "no-cors",
        "Sec-Fetch-Dest": "image",
    },
    "webmanifest": {**_HINTS, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "manifest"},
}


def as_browser(path: str, origin: str) -> dict[str, str]:
    """Return the headers with which a browser asks for a path of the web app at `origin`."""
    if path == "/":
        return {**_ALWAYS, **_NAVIGATES, "Sec-Fetch-Site": "none"}
    if path.startswith("/authorize"):  # a platform's page sent the person here
        return {**_ALWAYS, **_NAVIGATES, "Sec-Fetch-Site": "cross-site"}
    if path == "/sw.js":
        return {**_ALWAYS, **_WORKS}
    kind = path.rpartition(".")[2]
    added = {"Origin": origin} if kind == "js" else {}
    return {**_ALWAYS, **_LOADS.get(kind, _LOADS["js"]), **added}
