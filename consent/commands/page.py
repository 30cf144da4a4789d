"""The web app from outside and from home: ``carbonvault audit web`` and ``carbonvault holder app``.

    carbonvault audit web https://vault.example --auditor KEY --log VKEY
    carbonvault holder app --vault https://vault.example --auditor KEY --log VKEY --port 8401

The first holds what a server sends against what its log says (consent/served.py). The second serves
the page of this package from this machine, so that no server can send another one.
"""

from __future__ import annotations

import zlib
from contextlib import closing
from pathlib import Path
from typing import Annotated

import httpx2
import typer
import uvicorn

from consent.commands.listen import listen_localhost
from consent.commands.party import AuditorKey, Demo, LogKey
from consent.folder import read_trust, vault_clock
from consent.log.note import read_vkey
from consent.logged import check_fresh, check_logged, vkeys_of
from consent.messages import Web
from consent.place import check_url
from consent.policy import Policy, fetch_directory, wall_clock
from consent.served import Difference, Got, Kind, differences
from consent.site import SiteConfig, make_site, read_files, version_of
from consent.site_http import make_own
from consent.terminal import REFUSED, JsonOut, announce, own_locale, spoken, write_json
from vault.deadline import open_http, within
from vault.directory import Directory
from vault.encoding import Json, read_envelope, unb64u
from vault.errors import Locale, Unreachable
from vault.wire import PATIENT, Wire, text_of

TIMEOUT, LONGEST = 10.0, 300.0
"""Seconds for one read or write, and for all that is fetched."""
MOST_BYTES = 1 << 20
_COMMON = {"Accept-Encoding": "identity"}
_CHROMIUM = {
    "Accept-Encoding": "gzip",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36",
    "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
    "Sec-Fetch-Site": "same-origin",
}
_NAVIGATES = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Upgrade-Insecure-Requests": "1",
}
_WORKS = {
    "Accept": "*/*",
    "Sec-Fetch-Mode": "same-origin",
    "Sec-Fetch-Dest": "serviceworker",
    "Service-Worker": "script",
}
_DESTS = {".js": "script", ".css": "style", ".svg": "image", ".webmanifest": "manifest"}

SAYS: dict[Kind, dict[Locale, str]] = {
    "bytes": {
        "en": "{path}: the server sends other bytes than its log says.",
        "zh-CN": "{path}：服务器发送的内容与日志所记不同。",
    },
    "missing": {
        "en": "{path}: listed in the log, and not served ({detail}).",
        "zh-CN": "{path}：日志中列有此文件，服务器却没有提供（{detail}）。",
    },
    "unlisted": {
        "en": "{path}: the page names it, and the log does not list it.",
        "zh-CN": "{path}：页面引用了它，日志却没有列出。",
    },
    "browser": {
        "en": "{path}: a browser is sent something else than this program.",
        "zh-CN": "{path}：浏览器收到的内容与本程序收到的不同。",
    },
    "headers": {
        "en": "{path}: the security headers are not those in the log.",
        "zh-CN": "{path}：安全标头与日志所记不同。",
    },
    "policy": {
        "en": "{path}: these headers are not those that such a page must have: {detail}.",
        "zh-CN": "{path}：以下标头不是这样的页面必须有的：{detail}。",
    },
    "map": {
        "en": "{path}: the page's import map does not guard it as it is served.",
        "zh-CN": "{path}：页面的导入映射没有按所提供的内容保护它。",
    },
    "page": {
        "en": "{path}: this is no page of this app ({detail}).",
        "zh-CN": "{path}：这不是本应用的页面（{detail}）。",
    },
    "config": {
        "en": "{path}: {detail}.",
        "zh-CN": "{path}：页面的设置与这里固定的不同（{detail}）。",
    },
    "version": {
        "en": "{path}: the page is of another version than the newest in the log.",
        "zh-CN": "{path}：页面的版本不是日志中最新的版本。",
    },
    "package": {
        "en": "{path}: not as in this package, though the version is the same.",
        "zh-CN": "{path}：版本相同，内容却与本软件包不同。",
    },
}
_GOOD: dict[Locale, str] = {
    "en": "The web app {version} is sent as its log says: {files} files, and the headers.",
    "zh-CN": "网页应用 {version} 与日志所记一致：{files} 个文件及其标头。",
}
_OWN: dict[Locale, str] = {
    "en": "Each file is also the one of this package.",
    "zh-CN": "每个文件也都与本软件包相同。",
}
_OTHER: dict[Locale, str] = {
    "en": "This package has another version ({own}): nobody here has read that one.",
    "zh-CN": "本软件包的版本不同（{own}）：那个版本未在此核对过源代码。",
}


def add_commands(audit: typer.Typer, holder: typer.Typer) -> None:
    """Put `web` on the auditor's group and `app` on the holder's."""
    audit.command("web")(spoken(web))
    holder.command("app")(spoken(app))


def web(
    url: Annotated[str, typer.Argument(help="The vault's URL.")],
    auditor: AuditorKey,
    log: LogKey,
    policy: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Your own policy file: tlog-policy."),
    ] = None,
    demo: Demo = False,
    json_out: JsonOut = False,
) -> None:
    """Compare the web app that a server sends, bytes and headers, with the one in its log.

    Each file is fetched twice, as this program and as a browser. Exit code 1 on any difference. A
    server that knows you, or this program's address, may still send others another page.

    Example: carbonvault audit web https://vault.example --auditor KEY --log VKEY
    """
    base = url.rstrip("/")
    trust = None if policy is None else read_trust(policy)
    pinned = Policy(unb64u(auditor, 32), log, demo, trust=trust)
    directory, logged = fetch_logged(Wire(base, patience=PATIENT), pinned)
    announce(directory.self_audited)
    package, first = read_files(), vkeys_of(directory)[0]  # a page names the log that came first
    wanted = SiteConfig(base, pinned.auditor, first, demo)
    with closing(open_http(TIMEOUT)) as http, within(LONGEST):

        def fetch(path: str, browser: bool) -> Got:
            return _fetch(http, base, path, browser)

        found = differences(fetch, logged, wanted, package)
    _tell(logged, version_of(package), found, json_out)
    raise typer.Exit(REFUSED if found else 0)


def fetch_logged(wire: Wire, policy: Policy) -> tuple[Directory, Web]:
    """Return the directory and the newest `cv1-web` of a vault, its place in the log verified.

    Raises:
        NotFound: the vault has logged none. BadDirectory, BadProof, NotWitnessed, StaleLog,
        UnknownKey, BadJws, BadShape: one of the two is not to be trusted.
    """
    now = (vault_clock(wire) if policy.demo else wall_clock)()
    directory = fetch_directory(wire, policy, None, now)
    body = wire.get("/v1/web").body
    text = text_of(body, "web")
    place = check_logged(directory, text, text_of(body, "proof"), policy.trust)
    check_fresh(directory, place, wall_clock(), policy.fresh, policy.trust)
    envelope = read_envelope(text, Web.typ)
    envelope.verify(directory.vault_key(envelope.kid, place.at))
    return directory, Web.opened(envelope)


def _fetch(http: httpx2.Client, base: str, path: str, browser: bool) -> Got:
    headers = _as_browser(path) if browser else _COMMON
    try:
        with http.stream("GET", base + path, headers=headers, follow_redirects=False) as reply:
            packing = reply.headers.get("content-encoding", "identity")
            if packing not in ("identity", headers["Accept-Encoding"]):
                raise Unreachable(f"{path} is sent packed, which nobody asked for")
            body = _read(reply, path)
            plain = body if packing == "identity" else _unpack(body, path)
            return Got(reply.status_code, dict(reply.headers), plain)
    except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
        raise Unreachable(f"{path}: {type(lost).__name__}") from lost


def _read(reply: httpx2.Response, path: str) -> bytes:
    found = bytearray()
    for part in reply.iter_raw():
        found += part
        if len(found) > MOST_BYTES:
            raise Unreachable(f"{path} has more than {MOST_BYTES} bytes")
    return bytes(found)


def _unpack(body: bytes, path: str) -> bytes:
    """Return what gzip packed, when it is one whole stream of at most MOST_BYTES."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        plain = unpacking.decompress(body, MOST_BYTES)
    except zlib.error as bad:
        raise Unreachable(f"{path} is no gzip, though it says so") from bad
    if not unpacking.eof or unpacking.unused_data:
        raise Unreachable(f"{path} unpacks to more than {MOST_BYTES} bytes, or is cut")
    return plain


def _as_browser(path: str) -> dict[str, str]:
    if path == "/" or path.startswith("/authorize"):
        return {**_CHROMIUM, **_NAVIGATES}
    if path == "/sw.js":
        return {**_CHROMIUM, **_WORKS}
    dest = _DESTS.get("." + path.rpartition(".")[2], "empty")
    return {**_CHROMIUM, "Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": dest}


def _tell(logged: Web, own: str, found: list[Difference], json_out: bool) -> None:
    if json_out:
        listed: list[Json] = [
            {"kind": each.kind, "path": each.path, "detail": each.detail} for each in found
        ]
        files, same = len(logged.files) - 1, logged.version == own
        members: dict[str, Json] = {"version": logged.version, "files": files, "same_package": same}
        write_json({**members, "differences": listed})
        return
    locale = own_locale()
    for each in found:
        typer.echo(SAYS[each.kind][locale].format(path=each.path, detail=each.detail))
    if not found:
        good = {"version": logged.version, "files": len(logged.files) - 1}
        typer.echo(_GOOD[locale].format(**good))
    if logged.version != own:
        typer.echo(_OTHER[locale].format(own=own))
    elif not found:
        typer.echo(_OWN[locale])


def app(
    vault: Annotated[str, typer.Option("--vault", help="The vault's public URL.")],
    auditor: AuditorKey,
    log: LogKey,
    port: Annotated[int, typer.Option(help="Port on this machine; 0: any free one.")] = 8401,
    lists: Annotated[str, typer.Option(help="URL of the auditor's list.")] = "",
    demo: Demo = False,
) -> None:
    """Serve the web app from this machine, at http://localhost and nowhere else.

    It is the page of this package, so the vault's server cannot send you another one. It keeps a
    store of its own: open your account there by recovery code, or by a code from another device.
    Passkeys are left out, since every program on this machine could ask for them.

    Example: carbonvault holder app --vault https://vault.example --auditor KEY --log VKEY
    """
    for url in (vault, lists or vault):
        check_url(url)
    read_vkey(log)
    config = SiteConfig(vault, unb64u(auditor, 32), log, demo, lists or None, own=True)
    site = make_site(read_files(), config)
    sockets = listen_localhost(port)
    taken = sockets[0].getsockname()[1]
    write_json({"open": f"http://localhost:{taken}/", "vault": vault, "version": site.version})
    served = uvicorn.Config(make_own(site), log_level="warning", access_log=False)
    uvicorn.Server(served).run(sockets=sockets)
