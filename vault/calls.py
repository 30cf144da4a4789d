"""What every route stands on: the service, one authenticated call, answers and problems.

Each request is one transaction under one directory and one time; an answer that logs carries the
entry's inclusion proof, so it leaves after the log is durable. The table error → status is each
error's own (vault/errors.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from vault import absents, batches, dpop, faults, journal, register
from vault.directory import Directory
from vault.encoding import Json, thumbprint
from vault.errors import (
    Absent,
    BadJws,
    BadShape,
    LogUnavailable,
    NotFound,
    StaleProof,
    TooLarge,
    TooMany,
    TooSlow,
    UnknownKey,
    VaultError,
)
from vault.journal import Prove
from vault.limits import Bucket
from vault.operator import Operator
from vault.storage.database import Database, Transaction

T = TypeVar("T")
TAG_LIFE = 14 * 31 * 86400  # acts are booked within 12 months
BODY_LIMIT = 2 * 1024 * 1024
BODY_SECONDS = 30


Sweep = Callable[[Transaction, Operator], None]


class Rollover:
    """Writes down what the end of a month makes true, before the first request after it."""

    def __init__(
        self, database: Database, operator: Operator, sweeps: tuple[Sweep, ...] = ()
    ) -> None:
        """Start without having looked at any moment; `sweeps` is what others write down by time."""
        self._database, self._operator, self._sweeps = database, operator, sweeps
        self._seen = -1

    def catch_up(self) -> None:
        """Sweep the absents of every month whose slot has passed.

        Looks once a quarter of an hour: every zone's months begin at one.
        """
        quarter = self._operator.now() // 900
        if quarter != self._seen and self._database.write(self._sweep):
            faults.point("sweep-after-commit")
            self._database.scrub()  # what a stop or an erasure could not, while somebody read
            self._seen = quarter

    def _sweep(self, tx: Transaction) -> bool:
        """Return whether it is done: not before the first directory, nor while the log turns."""
        if journal.turning(tx) or not register.has_directory(tx):
            return False
        absents.sweep(tx, self._operator, register.in_force(tx))
        faults.point("sweep-before-commit")
        batches.drop_tags(tx, self._operator.now() - TAG_LIFE)
        for sweep in self._sweeps:
            sweep(tx, journal.stand_still(tx, self._operator))
        return True


@dataclass(frozen=True)
class Limits:
    """How often: `wraps` and what else is public by address, everything else by address and key.

    A source sends a batch for each of its customers, so what one key may do is wide: it bounds
    what a broken loop costs, not what an honest party does.
    """

    wraps: Bucket
    public: Bucket
    callers: Bucket
    addresses: Bucket


@dataclass(frozen=True)
class Service:
    """What the routes stand on; `wall` is the wall clock, on which DPoP proofs stay."""

    database: Database
    operator: Operator
    public_url: str
    prove: Prove
    rollover: Rollover
    wall: Callable[[], int]
    seen: dpop.Seen
    limits: Limits


class Now(NamedTuple):
    """What one transaction goes by: the directory in force, and an operator whose clock stands.

    All checks, signatures and log entries of a request have one time, the log's: it never falls.
    """

    directory: Directory
    operator: Operator


def _now(tx: Transaction, operator: Operator) -> Now:
    return Now(register.in_force(tx), journal.stand_still(tx, operator))


def _check_key(at: Now) -> None:
    """Return when this vault's key may sign now; raises LogUnavailable when its time is over."""
    try:
        at.directory.vault_key(thumbprint(at.operator.key.public), at.operator.now())
    except UnknownKey as bad:
        raise LogUnavailable("this vault's signing key is not valid now") from bad


@dataclass(frozen=True)
class Call:
    """One authenticated request."""

    service: Service
    caller: str
    body: bytes

    def text(self) -> str:
        """Return the body as a compact JWS; raises BadJws."""
        try:
            return self.body.decode("ascii")
        except UnicodeDecodeError as bad:
            raise BadJws("wanted a compact JWS in ASCII") from bad

    def write(self, work: Callable[[Transaction, Now], T]) -> T:
        """Return what the work returned, committed, under the directory in force.

        Raises:
            LogUnavailable: the log turns; or as the work raises.
        """

        def ruled(tx: Transaction) -> T:
            journal.check_open(tx)
            at = _now(tx, self.service.operator)
            _check_key(at)
            done = work(tx, at)
            faults.point("request-before-commit")
            return done

        self.service.rollover.catch_up()
        done = self.service.database.write(ruled)
        faults.point("request-after-commit")
        return done

    def read(self, work: Callable[[Transaction, Now], T]) -> T:
        """Return what the work returned over one snapshot."""
        self.service.rollover.catch_up()
        return self.service.database.read(lambda tx: work(tx, _now(tx, self.service.operator)))

    def party(self, at: Now, role: str) -> str:
        """Return the directory id of the caller in this role; raises UnknownKey."""
        return at.directory.signer(self.caller, role, at.operator.now())[0].id

    def prove(self, name: bytes) -> str:
        """Return the log proof of a journal text."""
        return self.service.prove(name)


def service_of(request: Request) -> Service:
    """Return the service that the app was made with."""
    service: Service = request.app.state.service
    return service


async def read_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        TooLarge: past the limit, without reading on. TooSlow: it takes longer than its time.
    """
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                parts += part
                if len(parts) > BODY_LIMIT:
                    raise TooLarge(f"a body holds at most {BODY_LIMIT} bytes")
    except TimeoutError as bad:
        raise TooSlow(f"a body comes within {BODY_SECONDS} seconds") from bad
    return bytes(parts)


def limit_public(request: Request) -> None:
    """Return when an unnamed caller may ask once more, by address; raises TooMany."""
    service = service_of(request)
    address = request.client.host if request.client else ""
    service.limits.public.take(address, service.wall())


async def called(request: Request) -> Call:
    """Return the request once its DPoP proof holds; raises StaleProof."""
    service = service_of(request)
    address = request.client.host if request.client else ""
    service.limits.addresses.take(address, service.wall())
    body = await read_body(request)
    proofs = request.headers.getlist("dpop")
    if len(proofs) != 1:
        raise StaleProof(f"wanted one DPoP proof, found {len(proofs)}")
    wall = service.wall()
    public = dpop.check_proof(
        proofs[0],
        # Not request.url: that is made from the Host header and the query, which anyone may garble.
        dpop.Request(request.method, f"{service.public_url}{request.scope['path']}", body),
        lambda jti, iat: service.seen.take(jti, iat, wall),
    )
    caller = dpop.caller(public)
    service.limits.callers.take(caller, wall)
    return Call(service, caller, body)


ServiceIn = Annotated[Service, Depends(service_of)]
CallIn = Annotated[Call, Depends(called)]
First = Annotated[int, Query(ge=0, lt=2**53)]
Life = Annotated[int | None, Query(ge=60, le=86400)]


def answer(body: dict[str, Json]) -> JSONResponse:
    """Return an answer that no cache keeps."""
    faults.point("answer")
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def path_id(text: str) -> bytes:
    """Return a 16-byte id from a path or query; raises NotFound for any other form."""
    if len(text) != 32 or text.strip("0123456789abcdef"):
        raise NotFound("nothing has this name")
    return bytes.fromhex(text)


def problem(error: VaultError) -> Response:
    """Return an error as problem+json (RFC 9457); `type` is its documented slug."""
    status = error.status or 500
    detail = str(error)
    if isinstance(error, NotFound):  # one body: unknown and not yours cannot be told apart
        detail = "unknown, or not yours"
    elif error.status is None:  # found on this machine: its files and settings are nobody's
        detail = "the vault failed at this; nothing was changed"
    body = {"type": error.slug, "title": error.en, "status": status, "detail": detail}
    if isinstance(error, Absent) and error.statement:
        body["statement"] = error.statement
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.wait)
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def answer_problems(app: FastAPI) -> None:
    """Make the app answer every error as problem+json."""

    async def ours(_: Request, error: Exception) -> Response:
        if not isinstance(error, VaultError):
            raise error
        return problem(error)

    async def shape(_: Request, _error: Exception) -> Response:
        return problem(BadShape("the path or query is not of the documented form"))

    async def other(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status in (404, 405):
            return problem(NotFound("there is no such route"))
        return problem(BadShape("the request cannot be read"))

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        VaultError: ours,
        RequestValidationError: shape,
        HTTPException: other,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
