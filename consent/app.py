"""The server put together: database, log, rules and routes, from one folder.

app = make_app(open_place(folder), clock)
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI

from consent import http as consent_http
from consent.log.sequencer import Sequencer
from consent.place import Place
from vault import http as vault_http
from vault.dpop import Seen
from vault.errors import BadPlace
from vault.operator import Operator
from vault.storage.database import Database
from vault.storage.sqlcipher import SqlCipher

Clock = Callable[[], int]


def wall_clock() -> int:
    """Return the wall clock in unix seconds."""
    return int(time.time())


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


def make_app(place: Place, database: Database, now: Clock, wall: Clock = wall_clock) -> FastAPI:
    """Return the application over an open database, which it closes when it ends.

    Args:
        place: settings and keys.
        database: as open_database returns it.
        now: the clock that moves months and slots.
        wall: the wall clock, on which DPoP proofs stay.

    Raises:
        BadDatabase: the stored log does not fit its checkpoint or key.
    """
    settings = place.settings
    log = Sequencer(database, settings.origin, place.log_key)
    operator = Operator(settings.vault, place.vault_key, settings.auditor, now, os.urandom)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        database.close()

    app = FastAPI(title="Carbon Vault", lifespan=life, docs_url=None, redoc_url=None)
    app.state.log = log
    app.state.service = vault_http.Service(
        database, operator, settings.url, log.prove, wall, Seen(wall())
    )
    app.include_router(vault_http.router)
    app.include_router(consent_http.router)
    vault_http.answer_problems(app)
    return app
