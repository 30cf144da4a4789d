r"""The auditor's list: what of the log concerns a key, shown to that key alone (section 6).

    GET /entries?kid=K        with a DPoP proof by K
      {"origin":"vault.example/log","size":90,"root":"…64 hex","checkpoint":"vault.example/log\n…",
       "entries":[[41,"…64 hex: SHA-256 of the text"],…]}
    GET /checkpoint           how far the auditor's copy goes
    GET /reports/latest.jws   the auditor's reports, as files
    GET /healthz

A platform knows the kid of a consent key, and when somebody acts is theirs alone: so the answer
needs a proof by the key itself. Unknown and not-yours are one 404.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse

from consent.entry_index import EntryIndex
from consent.log.note import VerifierKey
from consent.middleware import Answers, Meters
from consent.policy import wall_clock
from vault import dpop
from vault.calls import answer, answer_problems
from vault.errors import LogUnavailable, NotFound, StaleProof
from vault.limits import Bucket

_REPORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(jws|json|html)")
_MEDIA = {"jws": "application/jose", "json": "application/json", "html": "text/html"}
_PAGE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


class Callers:
    """Who asks: the key of a fresh proof, or an address."""

    def __init__(self, url: str, wall: Callable[[], int]) -> None:
        """Take proofs that name this public URL, by this wall clock."""
        self._url, self._wall, self._seen = url, wall, dpop.Seen(wall())
        self._keys = Bucket(most=60, per_minute=30)
        self._addresses = Bucket(most=600, per_minute=600)

    def limit(self, request: Request) -> None:
        """Return when this address may ask once more; raises TooMany."""
        self._addresses.take(request.client.host if request.client else "", self._wall())

    def caller(self, request: Request) -> str:
        """Return the kid of the key that asks; raises StaleProof, TooMany."""
        self.limit(request)
        proofs = request.headers.getlist("dpop")
        if len(proofs) != 1:
            raise StaleProof(f"wanted one DPoP proof, found {len(proofs)}")
        wall = self._wall()
        public = dpop.check_proof(
            proofs[0],
            dpop.Request(request.method, f"{self._url}{request.scope['path']}", b""),
            lambda jti, iat: self._seen.take(jti, iat, wall),
        )
        kid = dpop.caller(public)
        self._keys.take(kid, wall)
        return kid


@dataclass(frozen=True)
class Desk:
    """What the routes stand on."""

    index: EntryIndex
    reports: Path
    callers: Callers


def desk_of(request: Request) -> Desk:
    """Return what the app was made with."""
    desk: Desk = request.app.state.desk
    return desk


DeskIn = Annotated[Desk, Depends(desk_of)]


def limited(request: Request, desk: DeskIn) -> None:
    """Return when this address may ask once more; raises TooMany."""
    desk.callers.limit(request)


def called(request: Request, desk: DeskIn) -> str:
    """Return the kid of the key that asks; raises StaleProof, TooMany."""
    return desk.callers.caller(request)


router = APIRouter()


@router.get("/entries")
def get_entries(
    caller: Annotated[str, Depends(called)],
    desk: DeskIn,
    kid: Annotated[str, Query(max_length=64)],
) -> JSONResponse:
    """Return what concerns the caller's key."""
    head, listed = desk.index.of(kid) if kid == caller else (desk.index.head(), [])
    if not listed:
        raise NotFound("no entry of this key, or not your key")
    return answer(
        {
            "origin": head.origin,
            "size": head.size,
            "root": head.root.hex(),
            "checkpoint": head.note,
            "entries": [[position, name.hex()] for position, name in listed],
        }
    )


@router.get("/checkpoint", dependencies=[Depends(limited)])
def get_checkpoint(desk: DeskIn) -> PlainTextResponse:
    """Return how far the copy goes: the log's signed note."""
    return PlainTextResponse(desk.index.head().note, headers={"Cache-Control": "no-store"})


@router.get("/reports/{name}", dependencies=[Depends(limited)])
def get_report(name: str, desk: DeskIn) -> Response:
    """Return one of the auditor's reports."""
    return read_report(desk.reports, name)


@router.get("/healthz")
def get_health() -> PlainTextResponse:
    """Say that the process answers."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


def make_entries(
    folder: Path,
    url: str,
    log: VerifierKey,
    wall: Callable[[], int] = wall_clock,
) -> FastAPI:
    """Return the application over an auditor's copy of a log; it closes its index when it ends.

    Args:
        folder: the copy, as consent/entry_index.py says; `reports` in it, when there is one.
        url: the public URL, which every DPoP proof names.
        log: the log whose copy it is.
        wall: the wall clock, on which DPoP proofs stay.

    Raises:
        BadPlace, BadProof, BadDatabase: there is no copy of this log.
    """
    index = EntryIndex(folder, log)
    index.head()  # the first pass over the texts, before anybody waits for it

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        index.close()

    app = FastAPI(title="Carbon Vault auditor", lifespan=life, openapi_url=None)
    app.state.desk = Desk(index, folder / "reports", Callers(url.rstrip("/"), wall))
    app.include_router(router)
    answer_problems(app)
    app.add_middleware(
        CORSMiddleware,  # the holder's page is of another origin, and nothing here goes by cookies
        allow_origins=["*"],
        allow_methods=["GET"],
        allow_headers=["DPoP"],
        expose_headers=["Date", "Retry-After"],
        max_age=7200,
    )
    app.add_middleware(Answers, meters=Meters(), secure=url.startswith("https://"))
    return app


def read_report(folder: Path, name: str) -> Response:
    """Return a report's file.

    Raises:
        NotFound: no such file, or not the name of a report. LogUnavailable: it cannot be read.
    """
    found = _REPORT.fullmatch(name)
    path = folder / name
    if not found or not path.is_file():
        raise NotFound("there is no such report")
    headers = {"Cache-Control": "max-age=60"}
    if found[1] == "html":
        headers["Content-Security-Policy"] = _PAGE  # its styles and pictures stand in it
    try:
        return Response(path.read_bytes(), headers=headers, media_type=_MEDIA[found[1]])
    except OSError as bad:
        raise LogUnavailable(f"a report cannot be read: {bad.strerror}") from bad
