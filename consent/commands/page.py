"""The web app from outside and from home: ``carbonvault audit web`` and ``carbonvault holder app``.

    carbonvault audit web https://vault.example --auditor KEY --log VKEY
    carbonvault holder app --vault https://vault.example --auditor KEY --log VKEY --port 8401

The first holds what a server sends against what its log says (consent/served.py). The second serves
the page of this package from this machine, so that no server can send another one.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx2
import typer
import uvicorn

from consent.activity import auditors_contact
from consent.asking import authorize_url
from consent.commands.browser import as_browser
from consent.commands.listen import listen_localhost
from consent.commands.page_words import ALONE, GOOD, LISTS, LOGGED, OTHER, OWN, SAYS
from consent.commands.party import AuditorKey, Demo, LogKey
from consent.folder import read_trust, vault_clock
from consent.log.note import read_vkey
from consent.log.proof import Logged
from consent.logged import check_fresh, check_logged, vkeys_of
from consent.messages import HANDLE, Web
from consent.place import check_url
from consent.policy import Policy, fetch_directory, wall_clock
from consent.requests import write_uri
from consent.served import Got, Looked, look_at
from consent.site import SiteConfig, make_site, read_files, version_of
from consent.site_http import make_own
from consent.terminal import REFUSED, JsonOut, announce, own_locale, spoken, write_json
from vault.deadline import open_http, within
from vault.directory import Directory
from vault.encoding import Json, read_envelope, unb64u
from vault.errors import Unreachable
from vault.months import local_time
from vault.wire import PATIENT, Wire, text_of

TIMEOUT, LONGEST = 10.0, 300.0
"""Seconds for one read or write, and for all that is fetched."""
MOST_BYTES = 1 << 20
_COMMON = {"Accept-Encoding": "identity"}


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

    Each file is fetched twice, as this program and with the headers of a browser. Exit code 1 on
    any difference. A server that knows you, this program's address, or its way to speak TLS, may
    still send others another page; and it chooses which of its logged lists it shows.

    Example: carbonvault audit web https://vault.example --auditor KEY --log VKEY
    """
    base = url.rstrip("/")
    trust = None if policy is None else read_trust(policy)
    pinned = Policy(unb64u(auditor, 32), log, demo, trust=trust)
    listed = fetch_logged(Wire(base, patience=PATIENT), pinned)
    directory = listed.directory
    announce(directory.self_audited)
    package, first = read_files(), vkeys_of(directory)[0]  # a page names the log that came first
    wanted = SiteConfig(base, pinned.auditor, first, demo, auditors_contact(directory)[1])
    with closing(open_http(TIMEOUT)) as http, within(LONGEST):

        def fetch(path: str, browser: bool) -> Got:
            return _fetch(http, base, path, browser)

        landing = landing_of(directory, os.urandom)
        looked = look_at(fetch, listed.web, wanted, package, landing)
    _tell(listed, version_of(package), looked, json_out)
    raise typer.Exit(REFUSED if looked.differences else 0)


class Listed(NamedTuple):
    """A `cv1-web`, its place in the log, and the directory that both were checked by."""

    directory: Directory
    place: Logged
    web: Web


def landing_of(directory: Directory, random: Callable[[int], bytes]) -> str:
    """Return where a platform of this directory would send a person, with a request of nobody."""
    platforms = [p.id for p in directory.listing.entries if "platform" in p.roles]
    asks = platforms or [directory.listing.vault]
    picked = asks[int.from_bytes(random(4)) % len(asks)]
    return authorize_url("", picked, write_uri(random(HANDLE)))


def fetch_logged(wire: Wire, policy: Policy) -> Listed:
    """Return the `cv1-web` that a vault says is its newest, its place in the log verified.

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
    return Listed(directory, place, Web.opened(envelope))


def _fetch(http: httpx2.Client, base: str, path: str, browser: bool) -> Got:
    headers = as_browser(path, base) if browser else _COMMON
    asked = ("identity", "gzip") if browser else ("identity",)
    try:
        with http.stream("GET", base + path, headers=headers, follow_redirects=False) as reply:
            packing = reply.headers.get("content-encoding", "identity")
            if packing not in asked:
                raise Unreachable(f"it is packed as {packing[:40]}, wanted {' or '.join(asked)}")
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


def _tell(listed: Listed, own: str, looked: Looked, json_out: bool) -> None:
    if json_out:
        write_json(_members(listed, own, looked))
        return
    locale, version = own_locale(), listed.web.version
    for each in looked.differences:
        typer.echo(SAYS[each.kind][locale].format(path=each.path, detail=each.detail))
    if not looked.differences:
        good = {"version": version, "files": len(listed.web.files) - 1}
        typer.echo(GOOD[locale].format(**good))
    zone, contact = listed.directory.listing.zone, auditors_contact(listed.directory)[1]
    at = local_time(listed.place.at, zone).strftime("%Y-%m-%d %H:%M")
    typer.echo(LOGGED[locale].format(index=listed.place.index, at=at))
    words, lists = (LISTS, looked.lists) if looked.lists else (ALONE, contact or "-")
    typer.echo(words[locale].format(lists=lists))
    if version != own:
        typer.echo(OTHER[locale].format(own=own))
    elif not looked.differences:
        typer.echo(OWN[locale])


def _members(listed: Listed, own: str, looked: Looked) -> dict[str, Json]:
    logged, found = listed.web, looked.differences
    differences: list[Json] = [
        {"kind": each.kind, "path": each.path, "detail": each.detail} for each in found
    ]
    return {
        "version": logged.version,
        "files": len(logged.files) - 1,
        "same_package": logged.version == own,
        "index": listed.place.index,
        "at": listed.place.at,
        "lists": looked.lists,
        "auditors_list": auditors_contact(listed.directory)[1],
        "differences": differences,
    }


def app(
    vault: Annotated[str, typer.Option("--vault", help="The vault's public URL.")],
    auditor: AuditorKey,
    log: LogKey,
    port: Annotated[int, typer.Option(help="Port on this machine; 0: any free one.")] = 8401,
    lists: Annotated[str, typer.Option(help="URL of the auditor's list: its contact.")] = "",
    demo: Demo = False,
) -> None:
    """Serve the web app from this machine, at http://localhost and nowhere else.

    It is the page of this package, so the vault's server cannot send you another one. It has a
    store of its own: open your account there by recovery code, or by a code from another device,
    each time anew. Whatever listens on this port later is the same page to the browser, and reads
    that store; so no key is kept there, and passkeys, which every port shares, are left out.

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
