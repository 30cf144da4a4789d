"""The vault's routes for holders, sources and the auditor, and the table error → status.

A handler parses, calls one function of a rule, and returns. Each request is one transaction; an
answer that logs carries the entry's inclusion proof, so it leaves after the log is durable.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from vault import absents, accounts, batches, closes, journal, links, register
from vault.calls import (
    CallIn,
    First,
    Life,
    Now,
    ServiceIn,
    answer,
    limit_public,
    path_id,
)
from vault.directory import Directory
from vault.encoding import Json, b64u, text_hash
from vault.errors import (
    BadShape,
)
from vault.storage.database import Transaction

PAGE = 16
_COUNTER = re.compile(r'"(0|[1-9][0-9]{0,14})"')
router = APIRouter()


@router.get("/v1/time", dependencies=[Depends(limit_public)])
def get_time(service: ServiceIn) -> JSONResponse:
    """Return the vault's clock, information for screens."""
    return answer({"now": service.operator.now()})


@router.get("/v1/directory", dependencies=[Depends(limit_public)])
def get_directory(service: ServiceIn) -> JSONResponse:
    """Return the directory in force and its log proof, and every turn of the log that led to it."""

    def work(tx: Transaction) -> tuple[Directory, list[journal.Entry]]:
        return register.in_force(tx), journal.turns_of(tx)

    directory, ends = service.database.read(work)
    body: dict[str, Json] = {"directory": directory.text, "proof": service.prove(directory.hash)}
    if ends:  # the last entry of each log that was closed
        body["turns"] = [
            {"directory": end.text, "proof": service.prove(text_hash(end.text))} for end in ends
        ]
    return answer(body)


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
    service.limits.wraps.take(address, service.wall())
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
