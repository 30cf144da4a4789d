"""What an operator's machines ask: alive, ready, metrics (docs/operations.md).

GET /healthz   200 as long as the process answers
GET /readyz    200 while the database, the directory and the log are usable, else 503
GET /metrics   Prometheus text, only for callers on this machine
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import generate_latest

from consent.log.sequencer import Sequencer
from consent.middleware import Meters
from vault import register
from vault.calls import ServiceIn
from vault.errors import NotFound, VaultError

router = APIRouter()
_HERE = frozenset({"127.0.0.1", "::1", "testclient"})


@router.get("/healthz")
def get_health() -> PlainTextResponse:
    """Say that the process answers."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


@router.get("/readyz")
def get_ready(request: Request, service: ServiceIn) -> JSONResponse:
    """Say whether requests can be served: database, directory in force, log."""
    log: Sequencer = request.app.state.log
    checks = {"database": "ok", "directory": "ok", "log": "ok"}
    try:
        directory = service.database.read(register.in_force)
        if service.operator.now() >= directory.listing.expires:
            checks["directory"] = "expired"
    except VaultError as bad:
        checks["directory"] = bad.slug
    try:
        log.checkpoint()
    except VaultError as bad:
        checks["log"] = bad.slug
    status = 200 if set(checks.values()) == {"ok"} else 503
    return JSONResponse(checks, status, {"Cache-Control": "no-store"})


@router.get("/metrics")
def get_metrics(request: Request) -> Response:
    """Return counts and times by route; nothing about anybody."""
    passed_on = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    if passed_on or request.client is None or request.client.host not in _HERE:
        raise NotFound("there is no such route")
    meters: Meters = request.app.state.meters
    return PlainTextResponse(
        generate_latest(meters.registry), headers={"Cache-Control": "no-store"}
    )
