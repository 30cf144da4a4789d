"""The server put together: database, log, rules and routes, from one folder.

app = make_app(open_place(folder), clock)
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response

from consent import (
    erasure,
    events,
    health,
    methodology_http,
    openapi,
    requests,
    requests_http,
    site_http,
    site_log,
)
from consent import http as consent_http
from consent.known import Known
from consent.log import http as log_http
from consent.log import submission
from consent.log.note import ED25519, VerifierKey, read_vkey
from consent.log.refresh import Refresh
from consent.log.rounds import Rounds
from consent.log.sequencer import Sequencer
from consent.log.tlog_policy import LogPolicy, policy_of
from consent.middleware import Answers, Meters
from consent.place import Place
from consent.policy import wall_clock as wall_clock
from consent.shelf import shelf_of
from consent.site import Site, SiteConfig, make_site, read_files
from vault import calls, register
from vault import http as vault_http
from vault.dpop import Seen
from vault.errors import BadPlace, LogUnavailable
from vault.limits import Bucket
from vault.messages import LogEntry
from vault.operator import Operator
from vault.storage.database import Database, Transaction
from vault.storage.sqlcipher import SqlCipher

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope, Send

Clock = Callable[[], int]


def hand_clock(path: Path) -> Clock:
    """Return a clock that reads unix seconds from a file which somebody moves by hand."""

    def now() -> int:
        try:
            return int(path.read_text(encoding="ascii"))
        except (OSError, ValueError) as bad:
            raise BadPlace(f"the clock file {path} does not hold unix seconds") from bad

    now()
    return now


def schemas() -> list[str]:
    """Return the SQL of a new vault's tables, in order."""
    return [files(name).joinpath("schema.sql").read_text("utf-8") for name in ("vault", "consent")]


def open_database(place: Place) -> Database:
    """Return the place's database; raises BadDatabase."""
    return SqlCipher(place.database, place.database_key, schemas())


class OpenToPages(CORSMiddleware):
    """CORS on /v1 and /log, for every answer there.

    A page that the holder's own machine serves, or an auditor's list, is another origin. Nothing
    here goes by cookies, so any page may ask; what it may see hangs on the keys it holds.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer preflights, and let pages of other origins read the other answers."""
        if scope["type"] == "http" and scope["path"].startswith(("/v1/", "/log/")):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight: one that is let through has nothing to say but its headers."""
        found = super().preflight_response(request_headers)
        if found.status_code != 200:
            return found
        kept = {n: v for n, v in found.headers.items() if not n.startswith("content-")}
        return Response(status_code=204, headers=kept)


def _open_to_pages(app: FastAPI) -> None:
    app.add_middleware(
        OpenToPages,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["DPoP", "Content-Type", "If-Match"],
        expose_headers=["ETag", "Date", "Retry-After"],
        max_age=7200,
    )


def vkey_of(place: Place) -> str:
    """Return the vkey of a place's first log."""
    return str(VerifierKey(place.settings.origin, ED25519, place.log_key.public))


def site_of(place: Place, demo: bool = False) -> Site | None:
    """Return the web app as the place's vault serves it.

    None where the public URL has a path: the app wants a host of its own. Raises BadPlace.
    """
    settings = place.settings
    if settings.has_path:
        return None
    config = SiteConfig(settings.url, settings.auditor, vkey_of(place), demo, settings.lists)
    return make_site(read_files(), config)


def listed_policy(database: Database, log: VerifierKey) -> LogPolicy:
    """Return whom the directory in force names as a log's witnesses, and its quorum.

    Nobody while there is no directory in force that lists the log.
    """

    def work(tx: Transaction) -> LogEntry | None:
        if not register.has_directory(tx):
            return None
        directory = register.in_force(tx)
        listed = (directory.listing.log, *directory.earlier)
        return next((entry for entry in listed if entry.vkey == str(log)), None)

    entry = database.read(work)
    if entry is None:
        return LogPolicy()
    return policy_of(log, [read_vkey(vkey) for vkey in entry.witnesses], entry.quorum)


def log_of(
    database: Database,
    place: Place,
    known: Sequence[str] = (),
    keep: Callable[[str], None] = lambda _: None,
) -> Sequencer:
    """Return the place's logs over its database; arguments and errors as Sequencer has them."""
    origin, policy = place.settings.origin, place.witnesses
    later, shelf = place.later_logs, shelf_of(place)
    return Sequencer(database, origin, place.log_key, known, keep, policy, later, shelf)


def _check_turn(tx: Transaction) -> None:
    """Return when nothing is in the way of a turn; raises LogUnavailable.

    What an erasure that began still has to log would wait until the log is closed.
    """
    if erasure.begun(tx):
        raise LogUnavailable("an account is being erased; post the directory again")


def _note(tx: Transaction, operator: Operator, site: Site) -> None:
    site_log.note(tx, operator, site)


def make_app(
    place: Place,
    database: Database,
    now: Clock,
    wall: Clock = wall_clock,
    known: Known | None = None,
    random: Callable[[int], bytes] = os.urandom,
    send: submission.Send | None = None,
    site: Site | None = None,
) -> FastAPI:
    """Return the application over an open database, which it closes when it ends.

    Args:
        place: settings and keys.
        database: as open_database returns it.
        now: the clock that moves months and slots.
        wall: the wall clock, on which DPoP proofs stay.
        known: what is known of the log outside the database; None: nothing, and nothing is kept.
        random: gives so many random bytes: the salts of log entries.
        send: carries requests to the witnesses of the place; None: HTTP.
        site: the web app that is served, and logged; None: there is none.

    Raises:
        BadDatabase: the stored log does not fit its checkpoint or key, or is older than what a
            known checkpoint or a witness has of it, or of another history.
    """
    settings, known, grown = place.settings, known or Known(), threading.Event()

    def keep(checkpoint: str) -> None:
        known.keep(checkpoint)
        grown.set()

    log = log_of(database, place, known.checkpoints, keep)
    vkeys = [str(tree.vkey) for tree in log.trees]
    operator = Operator(
        settings.vault,
        place.vault_key,
        settings.auditor,
        vkeys[0],
        now,
        random,
        frozenset(map(str, place.witnesses.keys)),
        tuple(vkeys[1:]),
        _check_turn,
        log.check_closed,
    )
    database.read(lambda tx: register.check_own_key(tx, operator))
    rounds = Rounds(
        log,
        place.witnesses,
        partial(listed_policy, database),
        send or submission.Carrier(),
        wall,
    )
    rounds.begin()  # before anything is signed
    refresh = Refresh(rounds, grown)
    log.sequence()  # what a stopped server had committed and not logged yet
    erasure.complete(database, operator, log.sequence)
    sweeps: list[calls.Sweep] = [requests.expire, events.expire_grants]
    if site is not None:
        noted = partial(_note, site=site)
        database.write(lambda tx: noted(tx, operator))
        log.sequence()
        sweeps.append(noted)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        refresh.start()
        yield
        refresh.stop()
        rounds.close()
        database.close()

    app = FastAPI(
        title="Carbon Vault",
        lifespan=life,
        openapi_url=None,  # consent/openapi.py has its own; without it there are no pages either
        redirect_slashes=False,  # there is no such route: so it says, in the one form of a 404
    )
    app.state.log, app.state.rounds, app.state.site = log, rounds, site
    app.state.service = calls.Service(
        database,
        operator,
        settings.url,
        log.prove,
        calls.Rollover(database, operator, tuple(sweeps)),
        wall,
        Seen(wall()),
        calls.Limits(
            wraps=Bucket(most=60, per_minute=60),
            public=Bucket(most=600, per_minute=600),
            callers=Bucket(most=20_000, per_minute=6_000),
            addresses=Bucket(most=40_000, per_minute=12_000),
        ),
    )
    app.include_router(vault_http.router)
    app.include_router(consent_http.router)
    app.include_router(requests_http.router)
    app.include_router(methodology_http.router)
    app.include_router(log_http.router)
    app.include_router(site_http.router)
    app.include_router(health.router)
    app.include_router(openapi.router)
    calls.answer_problems(app)
    _open_to_pages(app)
    app.state.meters = Meters()
    app.state.meters.registry.register(health.Ages(rounds, wall))
    app.add_middleware(Answers, meters=app.state.meters, secure=settings.url.startswith("https://"))
    return app
