"""The vault's routes for holders, sources and the auditor, and the table error → status.

A handler parses, calls one function of a rule, and returns. Each request is one transaction; an
answer that logs carries the entry's inclusion proof, so it leaves after the log is durable.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from vault import absents, accounts, batches, closes, dpop, faults, journal, links, register
from vault.directory import Directory
from vault.encoding import Json, b64u, text_hash, thumbprint
from vault.errors import (
    Absent,
    BadJws,
    BadShape,
    LogUnavailable,
    NotFound,
    StaleProof,
    TooLarge,
    TooMany,
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
PAGE = 16
_COUNTER = re.compile(r'"(0|[1-9][0-9]{0,14})"')


class Rollover:
    """Writes down what the end of a month makes true, before the first request after it."""

    def __init__(self, database: Database, operator: Operator) -> None:
        """Start without having looked at any moment."""
        self._database, self._operator = database, operator
        self._seen = -1

    def catch_up(self) -> None:
        """Sweep the absents of every month whose slot has passed.

        Looks once a quarter of an hour: every zone's months begin at one.
        """
        quarter = self._operator.now() // 900
        if quarter != self._seen:
            self._database.write(self._sweep)
            faults.point("sweep-after-commit")
            self._database.scrub()  # what a stop or an erasure could not, while somebody read
            self._seen = quarter

    def _sweep(self, tx: Transaction) -> None:
        if register.has_directory(tx):
            absents.sweep(tx, self._operator, register.in_force(tx))
            faults.point("sweep-before-commit")
            batches.drop_tags(tx, self._operator.now() - TAG_LIFE)


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
    wraps: Bucket


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
        """Return what the work returned, committed, under the directory in force."""

        def ruled(tx: Transaction) -> T:
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
    """Return the body; raises TooLarge past the limit without reading on."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > BODY_LIMIT:
            raise TooLarge(f"a body holds at most {BODY_LIMIT} bytes")
    return bytes(parts)


async def called(request: Request) -> Call:
    """Return the request once its DPoP proof holds; raises StaleProof."""
    service = service_of(request)
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
    return Call(service, dpop.caller(public), body)


ServiceIn = Annotated[Service, Depends(service_of)]
CallIn = Annotated[Call, Depends(called)]
First = Annotated[int, Query(ge=0, lt=2**53)]
Life = Annotated[int | None, Query(ge=60, le=86400)]
router = APIRouter()


def answer(body: dict[str, Json]) -> JSONResponse:
    """Return an answer that no cache keeps."""
    faults.point("answer")
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def path_id(text: str) -> bytes:
    """Return a 16-byte id from a path or query; raises NotFound for any other form."""
    if len(text) != 32 or text.strip("0123456789abcdef"):
        raise NotFound("nothing has this name")
    return bytes.fromhex(text)


@router.get("/v1/time")
def get_time(service: ServiceIn) -> JSONResponse:
    """Return the vault's clock, information for screens."""
    return answer({"now": service.operator.now()})


@router.get("/v1/directory")
def get_directory(service: ServiceIn) -> JSONResponse:
    """Return the directory in force and its log proof."""
    directory = service.database.read(register.in_force)
    return answer({"directory": directory.text, "proof": service.prove(directory.hash)})


@router.post("/v1/directory")
def post_directory(call: CallIn) -> JSONResponse:
    """Take the auditor's next directory."""
    # The one request that needs no directory in force: it brings the first.
    operator = call.service.operator
    name = call.service.database.write(lambda tx: register.publish(tx, operator, call.text()))
    return answer({"proof": call.prove(name)})


@router.post("/v1/holder")
def post_account(call: CallIn) -> JSONResponse:
    """Make an account."""
    name = call.write(lambda tx, at: accounts.create(tx, at.operator, call.caller, call.text()))
    return answer({"proof": call.prove(name)})


@router.get("/v1/wraps/{wrap}")
def get_wrap(wrap: str, request: Request, service: ServiceIn) -> JSONResponse:
    """Return a wrap by its unguessable id; no login, so the rate is limited by address."""
    address = request.client.host if request.client else ""
    service.wraps.take(address, service.wall())
    now = service.operator.now()
    blob = service.database.read(lambda tx: accounts.get_wrap(tx, now, path_id(wrap)))
    return answer({"blob": b64u(blob)})


@router.get("/v1/holder/wraps")
def get_wraps(call: CallIn) -> JSONResponse:
    """Return the ids of the caller's wraps and when they end."""
    rows = call.read(lambda tx, _: accounts.wraps_of(tx, call.caller))
    return answer({"wraps": [{"wrap": row.wrap.hex(), "until": row.until} for row in rows]})


@router.put("/v1/holder/wraps/{wrap}")
def put_wrap(wrap: str, call: CallIn, life: Life = None) -> JSONResponse:
    """Keep a wrap, for `life` seconds when given; the body is its bytes."""
    call.write(
        lambda tx, at: accounts.put_wrap(
            tx, at.operator.now(), call.caller, path_id(wrap), call.body, life
        )
    )
    return answer({})


@router.delete("/v1/holder/wraps/{wrap}")
def delete_wrap(wrap: str, call: CallIn) -> JSONResponse:
    """Forget a wrap."""
    call.write(lambda tx, _: accounts.delete_wrap(tx, call.caller, path_id(wrap)))
    return answer({})


@router.get("/v1/holder/state")
def get_state(call: CallIn) -> JSONResponse:
    """Return the sealed state; its counter is the ETag."""
    state = call.read(lambda tx, _: accounts.get_state(tx, call.caller))
    found = answer({"state": b64u(state.blob)})
    found.headers["ETag"] = f'"{state.counter}"'
    return found


@router.put("/v1/holder/state")
def put_state(call: CallIn, request: Request) -> JSONResponse:
    """Replace the sealed state that If-Match names."""
    named = _COUNTER.fullmatch(", ".join(request.headers.getlist("if-match")))
    if not named:
        raise BadShape('wanted If-Match: "<counter>"')
    stands = int(named[1])
    counter = call.write(lambda tx, _: accounts.put_state(tx, call.caller, stands, call.body))
    stored = answer({})
    stored.headers["ETag"] = f'"{counter}"'
    return stored


@router.post("/v1/holder/links")
def post_link(call: CallIn) -> JSONResponse:
    """Attach a link to the caller's account."""
    name = call.write(
        lambda tx, at: links.attach(tx, at.operator, at.directory, call.caller, call.text())
    )
    return answer({"proof": call.prove(name)})


@router.get("/v1/holder/links")
def get_links(call: CallIn) -> JSONResponse:
    """Return the caller's links."""
    rows = call.read(lambda tx, _: links.links_of(tx, call.caller))
    return answer({"links": [_link(row) for row in rows]})


def _link(row: links.LinkRow) -> dict[str, Json]:
    found: dict[str, Json] = {
        "link": row.link.hex(),
        "source": row.source,
        "from": row.begins,
        "state": row.state,
    }
    return found


@router.post("/v1/holder/links/{link}/unlink")
def post_holder_unlink(link: str, call: CallIn) -> JSONResponse:
    """End a link of the caller."""
    name = call.write(
        lambda tx, at: links.unlink_as_holder(
            tx, at.operator, call.caller, path_id(link), call.text()
        )
    )
    return answer({"proof": call.prove(name)})


@router.post("/v1/holder/links/{link}/reject")
def post_reject(link: str, call: CallIn) -> JSONResponse:
    """Take the holder's word that a close does not open."""
    name = call.write(
        lambda tx, at: absents.reject(tx, at.operator, call.caller, path_id(link), call.text())
    )
    return answer({"proof": call.prove(name)})


@router.get("/v1/holder/links/{link}/batches")
def get_batches(link: str, call: CallIn, first: First = 0) -> JSONResponse:
    """Return a page of a link's batches, each with its receipt; `next` when there may be more."""

    def work(tx: Transaction, _: Now) -> list[batches.Stored]:
        links.holder_link(tx, call.caller, path_id(link))
        return batches.batches_of(tx, path_id(link), first, PAGE)

    found = call.read(work)
    body: dict[str, Json] = {
        "batches": [{"seq": b.seq, "batch": b.text, "receipt": b.receipt} for b in found],
        "next": found[-1].seq + 1 if len(found) == PAGE else None,
    }
    return answer(body)


@router.get("/v1/holder/links/{link}/closes")
def get_closes(link: str, call: CallIn) -> JSONResponse:
    """Return a link's closes, each with its receipt, and all that makes a month absent."""

    def work(tx: Transaction, _: Now) -> tuple[list[closes.Stored], list[str]]:
        row = links.holder_link(tx, call.caller, path_id(link))
        return closes.closes_of(tx, row.link), _endings(tx, row)

    found, endings = call.read(work)
    return answer(
        {
            "closes": [{"close": c.text, "receipt": c.receipt} for c in found],
            "absents": [{"text": t, "proof": call.prove(text_hash(t))} for t in endings],
        }
    )


def _endings(tx: Transaction, row: links.LinkRow) -> list[str]:
    gone = [*absents.absents_of(tx, row.link), *absents.rejects_of(tx, row.link)]
    return [entry.text for entry in gone] + ([row.unlink] if row.unlink else [])


@router.get("/v1/links/{link}")
def get_link(link: str, call: CallIn) -> JSONResponse:
    """Tell a source the state of its link: to stop by, never to choose by."""

    def work(tx: Transaction, at: Now) -> dict[str, Json]:
        row = links.source_link(tx, path_id(link), call.party(at, "source"))
        return {
            "state": row.state,
            "ends": at.directory.month_at(row.ended) if row.ended is not None else None,
            "receipts": [c.receipt for c in closes.closes_of(tx, row.link)],
            "absents": [gone.text for gone in absents.absents_of(tx, row.link)],
            "rejects": [gone.text for gone in absents.rejects_of(tx, row.link)],
        }

    return answer(call.read(work))


@router.post("/v1/links/{link}/unlink")
def post_source_unlink(link: str, call: CallIn) -> JSONResponse:
    """End a link because the source's customer asks."""
    name = call.write(
        lambda tx, at: links.unlink_as_source(
            tx,
            at.operator,
            at.directory,
            call.party(at, "source"),
            path_id(link),
            call.text(),
        )
    )
    return answer({"proof": call.prove(name)})


@router.post("/v1/batches")
def post_batch(call: CallIn) -> JSONResponse:
    """Take a batch; the answer is the vault's receipt."""
    receipt = call.write(
        lambda tx, at: batches.deposit(
            tx, at.operator, at.directory, call.party(at, "source"), call.text()
        )
    )
    return answer({"receipt": receipt})


@router.post("/v1/closes")
def post_close(call: CallIn) -> JSONResponse:
    """Take a close; the answer is the vault's receipt and the log proof."""
    taken = call.write(
        lambda tx, at: closes.deposit(
            tx, at.operator, at.directory, call.party(at, "source"), call.text()
        )
    )
    closes.refuse_second(taken)
    return answer({"receipt": taken.receipt, "proof": call.prove(taken.name)})


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
