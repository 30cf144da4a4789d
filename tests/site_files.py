"""A small web app for tests: a page, two modules, a style and a worker, none of the real app's.

put_site(world)        the world's vault serves it, and has it in its log
"""

from __future__ import annotations

from consent import site_log
from consent.log.note import ED25519, VerifierKey
from consent.site import Site, SiteConfig, make_site
from tests.world import World

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>test</title>
<meta name="carbonvault" content='{{config}}'>
<link rel="icon" href="/icon.svg"><link rel="manifest" href="/manifest.webmanifest">
<link rel="stylesheet" href="{{style}}">
{{importmap}}
{{modulepreload}}
<script type="module" src="{{entry}}"></script></head>
<body><main id="app">Not loaded as published.</main></body></html>
"""
WORKER = """const CACHE = "cv-{{version}}", FILES = {{files}};
const asked = Object.entries(FILES).map(([path, integrity]) => new Request(path, { integrity }));
const fill = () => caches.open(CACHE).then((cache) => cache.addAll(asked));
self.addEventListener("install", (event) => event.waitUntil(fill()));
"""
APP = """import { word } from "./lib/word.js";
document.getElementById("app").textContent = word();
document.documentElement.dataset.ran = "app";
"""
WORD = 'export const word = () => "as published";\n'
ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>\n'


def small_files(**changed: str) -> dict[str, bytes]:
    """Return the files; a keyword names one by its path, with ``_`` for ``.`` and ``__`` for /."""
    texts = {
        "index.html": PAGE,
        "sw.js": WORKER,
        "manifest.webmanifest": '{"name":"test","start_url":"/","icons":[]}\n',
        "icon.svg": ICON,
        "style.css": "main { color: rgb(1, 2, 3); }\n",
        "app.js": APP,
        "lib/word.js": WORD,
    }
    for name, text in changed.items():
        texts[name.replace("__", "/").replace("_", ".")] = text
    return {name: text.encode("utf-8") for name, text in texts.items()}


def config_of(world: World, **changed: object) -> SiteConfig:
    """Return what the page of a world's vault is told."""
    settings, place = world.place.settings, world.place
    vkey = VerifierKey(settings.origin, ED25519, place.log_key.public)
    members: dict[str, object] = {
        "vault": settings.url,
        "auditor": settings.auditor,
        "log": str(vkey),
        "demo": True,
        **changed,
    }
    return SiteConfig(**members)  # type: ignore[arg-type]


def put_site(world: World, site: Site | None = None) -> Site:
    """Let a running vault serve a web app, the small one unless told, and log it."""
    site = site or make_site(small_files(), config_of(world))
    world.app.state.site = site
    operator = world.app.state.service.operator
    world.database.write(lambda tx: site_log.note(tx, operator, site))
    world.app.state.log.sequence()
    return site
