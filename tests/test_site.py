"""The web app as it is made: placeholders, version, headers exact, and the list that is logged."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html import unescape

import pytest

from consent.messages import Web
from consent.site import SiteConfig, make_site, read_files, version_of
from consent.site_headers import JUDGED, header_text, integrity, origin_of
from consent.site_page import read_page
from consent.templates import templates_json
from tests.site_files import PAGE, WORKER, small_files
from vault.crypto.keys import SigningKey
from vault.encoding import JsonIn, b64u, compact_json, read_envelope
from vault.errors import BadPlace, BadShape, NotFound

KEY = b"\x07" * 32
LOG = "vault.example/log+1a2b3c4d+AQ=="
CONFIG = SiteConfig("https://vault.example", KEY, LOG)
SITE = make_site(small_files(), CONFIG)
SCRIPTS = ("app.js", "lib/word.js")


def sri(raw: bytes) -> str:
    return "sha256-" + b64encode(sha256(raw).digest()).decode()


def map_text() -> str:
    prefix = f"/app/{SITE.version}/"
    hashes = {prefix + name: sri(small_files()[name]) for name in SCRIPTS}
    return json.dumps({"imports": {}, "integrity": hashes}, separators=(",", ":"))


def test_the_headers_of_the_page_are_these_and_no_others() -> None:
    scripts = [map_text().encode(), *(small_files()[name] for name in SCRIPTS)]
    first, *others = (f"'{sri(raw)}'" for raw in scripts)
    listed = " ".join([first, *sorted(others)])
    assert dict(SITE.answers["/"].headers) == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Security-Policy": f"default-src 'none'; script-src {listed}; style-src 'self';"
        " img-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types cv-sw",
        "Integrity-Policy": "blocked-destinations=(script)",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "publickey-credentials-get=(self),"
        " publickey-credentials-create=(self), camera=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def test_the_worker_has_a_policy_of_its_own_and_files_are_kept_for_ever() -> None:
    worker = SITE.answers["/sw.js"].headers
    assert worker["Content-Security-Policy"] == "default-src 'none'; connect-src 'self'"
    assert worker["Cache-Control"] == "no-cache"
    module = SITE.answers[f"/app/{SITE.version}/app.js"].headers
    assert dict(module) == {
        "Content-Type": "text/javascript; charset=utf-8",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "publickey-credentials-get=(self),"
        " publickey-credentials-create=(self), camera=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def test_media_types_are_those_of_the_files() -> None:
    kinds = {path: sent.headers["Content-Type"] for path, sent in SITE.answers.items()}
    prefix = f"/app/{SITE.version}/"
    assert kinds == {
        "/": "text/html; charset=utf-8",
        "/sw.js": "text/javascript; charset=utf-8",
        "/manifest.webmanifest": "application/manifest+json",
        "/icon.svg": "image/svg+xml",
        prefix + "app.js": "text/javascript; charset=utf-8",
        prefix + "lib/word.js": "text/javascript; charset=utf-8",
        prefix + "style.css": "text/css; charset=utf-8",
    }


def test_the_page_holds_its_settings_the_map_and_no_script_besides() -> None:
    page = SITE.answers["/"].body.decode()
    (found,) = re.findall(r"<meta name=\"carbonvault\" content='([^']*)'>", page)
    assert json.loads(unescape(found)) == {
        "vault": "https://vault.example",
        "auditor": b64u(KEY),
        "log": LOG,
        "demo": False,
        "lists": None,
        "passkeys": True,
        "keeps": True,
        "templates": sha256(templates_json()).hexdigest(),
        "version": SITE.version,
    }
    assert f'<script type="importmap">{map_text()}</script>' in page
    bodies = re.findall(r"<script[^>]*>([^<]*)</script>", page)
    assert sorted(bodies) == ["", map_text()]
    assert not re.search(r"\son[a-z]+=|style=|\{\{", page)


def test_every_file_that_the_page_loads_has_its_integrity_beside_it() -> None:
    page, prefix = SITE.answers["/"].body.decode(), f"/app/{SITE.version}/"
    for tag, name in (
        ('<script type="module" src="', "app.js"),
        ('<link rel="stylesheet" href="', "style.css"),
        ('<link rel="modulepreload" href="', "app.js"),
        ('<link rel="modulepreload" href="', "lib/word.js"),
    ):
        assert f'{tag}{prefix}{name}" integrity="{sri(small_files()[name])}">' in page


def test_a_setting_with_markup_stays_a_setting() -> None:
    log = "x'\"><script>alert(1)</script>+1a2b3c4d+AQ=="
    page = make_site(small_files(), SiteConfig(CONFIG.vault, KEY, log)).answers["/"].body
    assert b"<script>alert" not in page
    assert read_page(page).config["log"] == log


def test_the_worker_lists_what_opens_the_app_offline() -> None:
    text = SITE.answers["/sw.js"].body.decode()
    assert f'"cv-{SITE.version}"' in text
    listed = json.loads(text.partition("FILES = ")[2].partition(";")[0])
    wanted = {path: sri(sent.body) for path, sent in SITE.answers.items() if path != "/sw.js"}
    assert listed == wanted


def test_another_page_has_another_worker_though_the_version_is_the_same() -> None:
    """So that a page with other pins or another list does not leave the old one in the cache."""
    other = make_site(small_files(), SiteConfig(CONFIG.vault, KEY, LOG, lists="https://a.example"))
    assert other.version == SITE.version
    assert other.answers["/"].body != SITE.answers["/"].body
    assert other.answers["/sw.js"].body != SITE.answers["/sw.js"].body


@pytest.mark.parametrize("name", sorted(small_files()))
def test_another_byte_anywhere_is_another_version(name: str) -> None:
    files = small_files()
    files[name] += b" "
    assert make_site(files, CONFIG).version != SITE.version
    assert make_site(small_files(), CONFIG).version == SITE.version


def test_the_version_is_the_hash_of_names_and_hashes() -> None:
    lines = "".join(
        f"{name} {sha256(raw).hexdigest()}\n" for name, raw in sorted(small_files().items())
    )
    assert version_of(small_files()) == sha256(lines.encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", sorted(small_files()))
def test_a_file_that_is_missing_is_named(name: str) -> None:
    files = small_files()
    del files[name]
    if name == "lib/word.js":
        make_site(files, CONFIG)  # nobody can know that a module wants it
        return
    with pytest.raises(BadPlace, match=re.escape(name)):
        make_site(files, CONFIG)


@pytest.mark.parametrize("hole", ["{{importmap}}", "{{config}}", "{{modulepreload}}"])
@pytest.mark.parametrize("other", ["", "{{HOLE}}{{HOLE}}"])
def test_a_placeholder_that_is_missing_or_doubled_is_named(hole: str, other: str) -> None:
    changed = PAGE.replace(hole, other.replace("{{HOLE}}", hole))
    with pytest.raises(BadPlace, match=hole.strip("{}")):
        make_site(small_files(index_html=changed), CONFIG)


@pytest.mark.parametrize(
    "changed",
    [
        PAGE.replace('"{{entry}}"', "'{{entry}}'"),
        PAGE.replace('"{{style}}"', '"/style.css"'),
        PAGE + "{{more}}",
    ],
)
def test_a_placeholder_without_its_quotes_or_that_nobody_fills_is_refused(changed: str) -> None:
    with pytest.raises(BadPlace, match="missing, unknown or doubled"):
        make_site(small_files(index_html=changed), CONFIG)


@pytest.mark.parametrize("hole", ["version", "files"])
def test_the_worker_must_name_version_and_files(hole: str) -> None:
    with pytest.raises(BadPlace, match=hole):
        make_site(small_files(sw_js=WORKER.replace("{{" + hole + "}}", "x")), CONFIG)


@pytest.mark.parametrize("name", ["../app.js", "a//b.js", "A.js", "a b.js", "x.html\n", "b.py"])
def test_a_name_that_would_not_be_served_is_refused(name: str) -> None:
    with pytest.raises(BadPlace):
        make_site({**small_files(), name: b""}, CONFIG)


def test_a_path_that_is_not_there_is_not_found() -> None:
    for path in ("/app.js", f"/app/{SITE.version}/", "/app/0123456789abcdef/app.js", "/index.html"):
        with pytest.raises(NotFound):
            SITE.answer(path)
    assert SITE.answer("/") is SITE.answers["/"]


# Where the page may speak to, and passkeys


def connect(config: SiteConfig) -> str:
    policy = make_site(small_files(), config).answers["/"].headers["Content-Security-Policy"]
    return policy.partition("connect-src ")[2].partition(";")[0]


def test_the_page_speaks_to_its_own_server_and_to_the_origins_named() -> None:
    lists = "https://audit.example:8443/list"
    assert connect(CONFIG) == "'self'"
    with_lists = SiteConfig(CONFIG.vault, KEY, LOG, lists=lists)
    assert connect(with_lists) == "'self' https://audit.example:8443"
    at_home = SiteConfig(CONFIG.vault, KEY, LOG, lists=lists, own=True)
    assert connect(at_home) == "'self' https://vault.example https://audit.example:8443"
    assert origin_of("http://localhost:8401/x?y") == "http://localhost:8401"


@pytest.mark.parametrize(
    ("url", "demo", "own", "offered"),
    [
        ("https://vault.example", False, False, True),
        ("https://vault.example", False, True, False),
        ("http://localhost:8000", False, False, False),
        ("http://localhost:8000", True, False, True),
        ("http://localhost:8000", True, True, False),
        ("http://127.0.0.1:8000", True, False, False),
        ("http://vault.example", True, False, False),
    ],
)
def test_passkeys_are_offered_on_https_and_in_a_demonstration_on_localhost(
    url: str, demo: bool, own: bool, offered: bool
) -> None:
    config = SiteConfig(url, KEY, LOG, demo, own=own)
    assert config.passkeys is offered
    assert config.plain("0" * 16)["passkeys"] is offered


# The list that is logged


def test_the_list_has_the_bytes_as_sent_and_no_version_in_its_paths() -> None:
    listed = dict(SITE.listed)
    assert [*listed] == sorted(listed)
    assert [*listed] == [
        *("/", "/app/app.js", "/app/lib/word.js", "/app/style.css"),
        *("/icon.svg", "/manifest.webmanifest", "/sw.js", "headers"),
    ]
    assert listed["/"] == sha256(SITE.answers["/"].body).digest()
    assert listed["/sw.js"] == sha256(SITE.answers["/sw.js"].body).digest()
    assert listed["/app/lib/word.js"] == sha256(small_files()["lib/word.js"]).digest()


def test_the_headers_have_one_text() -> None:
    page = {name.upper(): value for name, value in SITE.answers["/"].headers.items()}
    worker = dict(SITE.answers["/sw.js"].headers)
    text = header_text({"/sw.js": {**worker, "Date": "now"}, "/": {**page, "Server": "x"}})
    assert sha256(text).digest() == dict(SITE.listed)["headers"]
    lines = text.decode().splitlines()
    assert lines[0] == "/ content-type: text/html; charset=utf-8"
    assert lines[-1] == "/sw.js x-frame-options: DENY"
    assert all(re.match(r"/(sw\.js)? [a-z-]+: .", line) for line in lines)
    weaker = {**page, "CONTENT-SECURITY-POLICY": "script-src 'self'"}
    assert header_text({"/sw.js": worker, "/": weaker}) != text


@pytest.mark.parametrize("name", JUDGED)
def test_a_judged_header_that_comes_changes_or_goes_is_another_text(name: str) -> None:
    page = {key.lower(): value for key, value in SITE.answers["/"].headers.items()}
    before = header_text({"/": page})
    assert header_text({"/": {**page, name: "other"}}) != before
    if name in page:
        assert header_text({"/": {k: v for k, v in page.items() if k != name}}) != before


def web(**changed: object) -> Web:
    members = {"iat": 1, "version": SITE.version, "files": SITE.listed, **changed}
    return Web.model_validate(members)


def test_cv1_web_is_signed_and_read_back() -> None:
    key = SigningKey(KEY)
    text = web().signed(key)
    found = Web.verified(text, lambda _: key.public)
    assert found == web()
    plain = json.loads(read_envelope(text, Web.typ).payload)
    assert plain["files"][0] == ["/", SITE.listed[0][1].hex()]


@pytest.mark.parametrize(
    "files",
    [
        [],
        [["/", "00" * 32], ["/sw.js", "00" * 32]],
        [["/", "00" * 32], ["headers", "00" * 32], ["/sw.js", "00" * 32]],
        [["/", "00" * 32], ["/", "00" * 32], ["/sw.js", "00" * 32], ["headers", "00" * 32]],
        [["/", "00" * 32], ["/A.js", "00" * 32], ["/sw.js", "00" * 32], ["headers", "00" * 32]],
        [["/", "00" * 32], ["/../x", "00" * 32], ["/sw.js", "00" * 32], ["headers", "00" * 32]],
        [["/", "00" * 32], ["/sw.js", "00" * 31], ["headers", "00" * 32]],
        [["/", "00" * 32], ["/sw.js", "AA" * 32], ["headers", "00" * 32]],
        [["/", "00" * 32], ["/sw.js"], ["headers", "00" * 32]],
    ],
)
def test_cv1_web_of_another_form_is_refused(files: list[list[str]]) -> None:
    good = [["/", "00" * 32], ["/sw.js", "00" * 32], ["headers", "00" * 32]]
    members: dict[str, JsonIn] = {"iat": 1, "version": "0" * 16, "files": good}
    Web.parse(compact_json(members))
    with pytest.raises(BadShape):
        Web.parse(compact_json({**members, "files": files}))
    with pytest.raises(BadShape):
        Web.parse(compact_json({**members, "version": "0" * 15 + "A"}))


# The app of this package


def test_the_app_of_this_package_is_served_whole() -> None:
    files = read_files()
    site = make_site(files, CONFIG)
    page = site.answers["/"].body.decode()
    assert read_page(page.encode()).config["version"] == site.version
    for name in ("app.js", "style.css"):
        assert f'"/app/{site.version}/{name}" integrity="{integrity(files[name])}"' in page
    assert not re.search(r"\son[a-z]+=|\sstyle=|\{\{", page)
    policy = site.answers["/"].headers["Content-Security-Policy"]
    scripts = policy.partition("script-src ")[2].partition(";")[0].split(" ")
    modules = [name for name in files if name.endswith(".js") and name != "sw.js"]
    assert len(scripts) == len({files[name] for name in modules}) + 1
    assert all(re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", each) for each in scripts)


def test_no_file_beside_the_app_is_served() -> None:
    kinds = (".js", ".css", ".html", ".svg", ".webmanifest")
    names = [*read_files()]
    assert all(name.endswith(kinds) and ".test." not in name for name in names)


def test_the_worker_of_this_package_is_short() -> None:
    """It has no integrity in any browser, so it must be readable at a glance."""
    assert len(read_files()["sw.js"].splitlines()) <= 20
