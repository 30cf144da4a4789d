"""What an operator's machines ask: alive, ready, metrics (docs/operations.md).

GET /healthz   200 as long as the process answers
GET /readyz    200 while the database, the directory and the log are usable, else 503
GET /metrics   Prometheus text, only for callers on this machine

Missing witnesses hold back releases and nothing else, so readyz names them and stays at 200: a
balancer that took this server away would take away the stops, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from consent.log.circle import time_of
from consent.log.rounds import Rounds
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
    witnesses = "none"
    try:
        log.check_running()
        log.checkpoint()
        witnesses = _witnesses(request.app.state.rounds)
    except VaultError as bad:
        checks["log"] = bad.slug
    status = 200 if set(checks.values()) == {"ok"} else 503
    found = {**checks, "witnesses": witnesses}
    return JSONResponse(found, status, {"Cache-Control": "no-store"})


def _witnesses(rounds: Rounds) -> str:
    standing = rounds.standing()
    if standing.held:
        return "held"
    return "ok" if standing.asked else "none"


class Ages(Collector):
    """How old the cosigned checkpoint and each witness's last cosignature are, in seconds."""

    def __init__(self, rounds: Rounds, wall: Callable[[], int]) -> None:
        """Look at these rounds by the wall clock."""
        self._rounds, self._wall = rounds, wall

    def collect(self) -> Iterator[Metric]:
        """Yield the ages that there are: without witnesses none."""
        if not self._rounds.has_witnesses:
            return
        whole = GaugeMetricFamily(
            "carbonvault_cosigned_age_seconds", "Age of the newest cosigned checkpoint."
        )
        single = GaugeMetricFamily(
            "carbonvault_witness_age_seconds",
            "Age of a witness's last cosignature.",
            labels=("witness",),
        )
        with suppress(VaultError):  # a damaged log has no ages; readyz says so
            standing, now = self._rounds.standing(), self._wall()
            if standing.cosigned:
                whole.add_metric((), now - time_of(standing.cosigned))
            for seen in standing.witnesses:
                if seen.at:
                    single.add_metric((seen.name,), now - seen.at)
        yield from (whole, single)


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
