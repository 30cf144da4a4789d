"""The routes of the methodology: which releases hold, and the files as their hashes are over them.

GET /v1/methodology                        {"releases":[{"id":"2026-1", …}]}
GET /v1/methodology/2026-1                 methodology/releases/2026-1.toml
GET /v1/methodology/2026-1/travel.bike     the revision that this release pins
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from vault import register
from vault.calls import ServiceIn, limit_public
from vault.errors import NotFound
from vault.methodology.release import load_release
from vault.methodology.shelf import release_names, shipped_files

router = APIRouter()


@router.get("/v1/methodology", dependencies=[Depends(limit_public)])
def get_releases_in_force(service: ServiceIn) -> JSONResponse:
    """Return the methodology releases that the directory lists, and since when each holds."""
    listed = service.database.read(register.in_force).listing.releases
    return JSONResponse({"releases": [entry.plain() for entry in listed]})


@router.get("/v1/methodology/{release}", dependencies=[Depends(limit_public)])
def get_methodology(release: str) -> Response:
    """Return a methodology release, byte for byte as its hash is over it."""
    return _toml("releases", release)


@router.get("/v1/methodology/{release}/{behaviour}", dependencies=[Depends(limit_public)])
def get_behaviour(release: str, behaviour: str) -> Response:
    """Return the behaviour file that a release pins, byte for byte."""
    if release not in release_names():
        raise NotFound("there is no such release")
    found = load_release(release).behaviours.get(behaviour)
    if found is None:
        raise NotFound("the release has no such behaviour")
    return _toml("behaviours", f"{found.id}.{found.rev}")


def _toml(folder: str, name: str) -> Response:
    file = shipped_files().get(f"{folder}/{name}.toml")
    if file is None:
        raise NotFound("there is no such file")
    return Response(file, media_type="application/toml")
