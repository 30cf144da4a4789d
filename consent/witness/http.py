"""A witness over HTTP: its routes, and the table error → status (C2SP tlog-witness).

docs/protocol.md section 6; c2sp.org/tlog-witness. Submission prefix: /; monitoring prefix: /logs.

    POST /add-checkpoint          200 signature lines · 400 · 403 · 404 · 409 size · 413 · 422
    GET /logs/<hex>/checkpoint    the newest cosigned note; hex: SHA-256 of the log's origin
    GET /                         name, keys, and the logs that this witness knows
    GET /healthz                  200 as long as the process answers
"""

from __future__ import annotations

import logging
from typing import Annotated, cast

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from consent.middleware import Answers, Meters
from consent.witness.core import Witness, log_id
from vault.calls import read_body
from vault.errors import (
    BadProof,
    BadShape,
    Forked,
    NotFound,
    OldSize,
    TooLarge,
    TooSlow,
    VaultError,
)

BODY_LIMIT = 512 * 1024  # 63 hashes and 100 signatures by ML-DSA-44 are 350 KiB
STATUS: tuple[tuple[type[VaultError], int], ...] = (
    (BadShape, 400),
    (NotFound, 404),
    (OldSize, 409),
    (Forked, 422),
    (BadProof, 403),  # what is left of it: a signature
    (TooSlow, 408),
    (TooLarge, 413),
)
"""The first kind that an error is of gives its status; any other is this machine's: 500."""

_SIZE = "text/x.tlog.size"
_BRIEF = {"Cache-Control": "max-age=2"}
_NEVER = {"Cache-Control": "no-store"}
_logger = logging.getLogger(__name__)
router = APIRouter()


def make_witness(witness: Witness) -> FastAPI:
    """Return the application of one witness."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.witness = witness
    app.include_router(router)
    app.add_exception_handler(VaultError, _refuse)
    app.add_middleware(Answers, meters=Meters(), secure=False)
    return app


def status_of(error: VaultError) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def _refuse(_: Request, error: Exception) -> Response:
    found = cast("VaultError", error)
    status = status_of(found)
    if isinstance(found, OldSize):
        # SPEC: exactly this type; media_type= would add a charset.
        headers = {**_NEVER, "Content-Type": _SIZE}
        return Response(f"{found.size}\n", status, headers)
    if status == 500:
        _logger.error("nothing was signed: %s", found)  # its operator's to see, nobody else's
    said = "the witness failed at this; it signed nothing" if status == 500 else str(found)
    return PlainTextResponse(f"{said}\n", status, _NEVER)


def _witness(request: Request) -> Witness:
    return cast("Witness", request.app.state.witness)


async def _body(request: Request) -> bytes:
    body = await read_body(request)
    if len(body) > BODY_LIMIT:
        raise TooLarge(f"a body holds at most {BODY_LIMIT} bytes")
    return body


WitnessIn = Annotated[Witness, Depends(_witness)]


@router.post("/add-checkpoint")
def add_checkpoint(body: Annotated[bytes, Depends(_body)], witness: WitnessIn) -> PlainTextResponse:
    """Cosign a checkpoint that extends the last one."""
    return PlainTextResponse(witness.add_checkpoint(body), headers=_NEVER)


@router.get("/logs/{log}/checkpoint")
def get_newest(log: str, witness: WitnessIn) -> PlainTextResponse:
    """Return the newest cosigned note of a log."""
    origin = next((origin for origin in witness.logs if log_id(origin) == log), "")
    return PlainTextResponse(witness.newest(origin), headers=_BRIEF)


@router.get("/")
def get_witness(witness: WitnessIn) -> JSONResponse:
    """Say who this witness is, and which logs it knows."""
    logs = [
        {"origin": origin, "id": log_id(origin), "keys": [*map(str, keys)]}
        for origin, keys in witness.logs.items()
    ]
    keys = [*map(str, witness.keys)]
    return JSONResponse({"name": witness.name, "keys": keys, "logs": logs}, headers=_BRIEF)


@router.get("/healthz")
def get_health() -> PlainTextResponse:
    """Say that the process answers."""
    return PlainTextResponse("ok\n", headers=_NEVER)
