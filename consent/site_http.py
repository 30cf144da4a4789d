"""The routes of the web app: the page, its files, and nothing that needs a key.

    GET /                     the page; GET /authorize too, for a browser (consent/requests_http.py)
    GET /app/<version>/…      its modules and styles, kept by caches for ever
    GET /sw.js  /manifest.webmanifest  /icon.svg

`make_own` is the same page from the holder's own machine, with nothing else beside it.
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request, Response

from consent.middleware import Answers, Meters
from consent.site import Site
from vault.calls import answer_problems
from vault.errors import NotFound

router = APIRouter()
# /authorize is the page for a browser and a refusal for a program.
_VARY = {"Vary": "Accept, Accept-Encoding"}
_READS = ["GET", "HEAD"]


def site_of(request: Request) -> Site | None:
    """Return the web app that the server was made with; None when it has none."""
    site: Site | None = request.app.state.site
    return site


def send_file(request: Request, path: str) -> Response:
    """Return a file of the web app; raises NotFound."""
    site = site_of(request)
    if site is None:
        raise NotFound("this server has no web app")
    body, headers, packed = site.answer(path)
    if not takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(body, headers={**headers, **_VARY})
    return Response(packed, headers={**headers, **_VARY, "Content-Encoding": "gzip"})


def takes_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding names gzip, other than with a weight of 0."""
    for each in accepted.lower().split(","):
        name, _, weight = each.replace(" ", "").partition(";q=")
        if name == "gzip":
            return bool(weight.strip("0.")) or not weight
    return False


def wants_page(request: Request) -> bool:
    """Return whether a browser opens this address, and there is a page for it."""
    return "text/html" in request.headers.get("accept", "") and site_of(request) is not None


@router.api_route("/", methods=_READS)
def get_page(request: Request) -> Response:
    """Return the holder's web app."""
    return send_file(request, "/")


@router.api_route("/app/{version}/{file:path}", methods=_READS)
def get_app_file(version: str, file: str, request: Request) -> Response:
    """Return a module or style of one version of the web app."""
    return send_file(request, f"/app/{version}/{file}")


@router.api_route("/sw.js", methods=_READS)
def get_worker(request: Request) -> Response:
    """Return the service worker, by which the web app opens without a network."""
    return send_file(request, "/sw.js")


@router.api_route("/manifest.webmanifest", methods=_READS)
def get_manifest(request: Request) -> Response:
    """Return what a device shows of the web app when it is installed."""
    return send_file(request, "/manifest.webmanifest")


@router.api_route("/icon.svg", methods=_READS)
def get_icon(request: Request) -> Response:
    """Return the web app's icon."""
    return send_file(request, "/icon.svg")


def make_own(site: Site) -> FastAPI:
    """Return an application that serves this web app and nothing else."""
    app = FastAPI(title="Carbon Vault web app", openapi_url=None, redirect_slashes=False)
    app.state.site = site
    app.include_router(router)
    answer_problems(app)
    app.add_middleware(Answers, meters=Meters(), secure=False)
    return app
