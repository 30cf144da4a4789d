r"""What a browser is told with the web app's page and files, and the one text of it that is logged.

    page_headers(map_text, ["sha256-…", …], [])    Content-Security-Policy: … script-src 'sha256-…'
    header_text({"/": …, "/sw.js": …})             "/ content-type: text/html; charset=utf-8\n…"

docs/protocol.md section 5, "Web manifest and report".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from urllib.parse import urlsplit

MEDIA: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
ROOTED, INNER = frozenset({".svg", ".webmanifest"}), frozenset({".js", ".css"})
KEPT = "public, max-age=31536000, immutable"
JUDGED = (
    *("content-type", "cache-control", "content-security-policy", "integrity-policy"),
    *("cross-origin-opener-policy", "cross-origin-resource-policy", "permissions-policy"),
    *("referrer-policy", "x-content-type-options", "x-frame-options"),
    # None of these is sent; each would change what a browser does with the page.
    *("access-control-allow-origin", "clear-site-data", "cross-origin-embedder-policy"),
    *("link", "location", "refresh", "service-worker-allowed", "set-cookie", "speculation-rules"),
)
"""The headers in `header_text`, in its order."""

_COMMON = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Written out, although the server would add the like: what is logged is what is sent.
_FRAMED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self),"
    " camera=()",
    "X-Frame-Options": "DENY",
}


def integrity(body: bytes) -> str:
    """Return the Subresource Integrity of a body: ``sha256-`` and base64."""
    return "sha256-" + b64encode(sha256(body).digest()).decode("ascii")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, as a browser compares them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def suffix_of(name: str) -> str:
    """Return the end of a file's name, with its dot."""
    return "." + name.rpartition(".")[2]


def header_text(sent: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return the headers of some paths in their only form: a line each, ``/ name: value``.

    Only the names of JUDGED, in that order; a header that is not sent has no line.
    """
    lines = []
    for path, headers in sorted(sent.items()):
        lower = {name.lower(): value for name, value in headers.items()}
        lines += [f"{path} {name}: {lower[name]}\n" for name in JUDGED if name in lower]
    return "".join(lines).encode("utf-8")


def page_headers(map_text: str, modules: Iterable[str], origins: Iterable[str]) -> dict[str, str]:
    """Return the page's headers.

    Args:
        map_text: the text of its import map.
        modules: the integrity of every module.
        origins: the other origins that it may speak to.
    """
    scripts = dict.fromkeys([integrity(map_text.encode("utf-8")), *sorted(modules)])
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(f"'{each}'" for each in scripts),
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": " ".join(["'self'", *origins]),
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "cv-sw",
    }
    return {
        "Content-Type": MEDIA[".html"],
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Integrity-Policy": "blocked-destinations=(script)",
        **_FRAMED,
        **_COMMON,
    }


def worker_headers() -> dict[str, str]:
    """Return the headers of ``/sw.js``."""
    own = "default-src 'none'; connect-src 'self'"
    return {**file_headers("sw.js", "no-cache"), "Content-Security-Policy": own}


def root_headers(name: str) -> dict[str, str]:
    """Return the headers of a file at the root beside page and worker; none for another kind."""
    return file_headers(name, "no-cache") if suffix_of(name) in ROOTED else {}


def inner_headers(path: str) -> dict[str, str]:
    """Return the headers of a file below ``/app/``; none for a kind that is never there."""
    return file_headers(path, KEPT) if suffix_of(path) in INNER else {}


def file_headers(name: str, cache: str) -> dict[str, str]:
    """Return the headers of another file of the app."""
    alone = "default-src 'none'; frame-ancestors 'none'"
    kind = {"Content-Type": MEDIA[suffix_of(name)], "Cache-Control": cache}
    return {**kind, "Content-Security-Policy": alone, **_FRAMED, **_COMMON}
