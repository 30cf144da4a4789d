"""The routes of consent: binds, grants, tokens, releases, and what an account leaves behind.

    POST /v1/holder/grants      a cv1-grant          {"proof":"…"}
    POST /v1/releases           a cv1-ask            {"release":"…","sealed":"…","closes":[…], …}
    GET  /v1/events             the platform's       {"events":[…],"next":null}

A handler parses, calls one function of a rule, and returns; what logs is answered with its proof.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from consent import erasure, events, grants, guard, releases, site_log
from consent.log.http import LogIn, RoundsIn
from consent.messages import Ask, TokenPost
from consent.templates import templates_json
from vault.calls import (
    Call,
    CallIn,
    First,
    Now,
    ServiceIn,
    answer,
    limit_public,
    path_id,
    problem,
)
from vault.encoding import Json, b64u, text_hash
from vault.errors import LogUnavailable
from vault.storage.database import Transaction

HELD_PAUSE = 10
"""Seconds after which a held release may be asked for again."""
router = APIRouter()


@router.post("/v1/holder/binds")
def post_bind(call: CallIn) -> JSONResponse:
    """Bind a consent key to the caller's account."""
    name = call.write(
        lambda tx, at: grants.bind(tx, at.operator, at.directory, call.caller, call.text())
    )
    return answer({"proof": call.prove(name)})


@router.post("/v1/holder/grants")
def post_grant(call: CallIn) -> JSONResponse:
    """Take a grant."""
    name = call.write(
        lambda tx, at: grants.give(tx, at.operator, at.directory, call.caller, call.text())
    )
    _scrub_tokens(call)
    return answer({"proof": call.prove(name)})


@router.get("/v1/holder/grants")
def get_grants(call: CallIn) -> JSONResponse:
    """Return every grant of the caller and its state."""

    def work(tx: Transaction, _: Now) -> list[dict[str, Json]]:
        rows = grants.grants_of(tx, call.caller)
        return [_grant(row, events.deletion_of(tx, row.grant_id)) for row in rows]

    return answer({"grants": [*call.read(work)]})


def _grant(row: grants.GrantRow, deletion: events.Deletion | None) -> dict[str, Json]:
    found: dict[str, Json] = {"grant": row.text, "state": row.state, "n": row.n}
    if deletion is not None:
        found["deletion"] = {"asked": deletion.asked, "done": deletion.done}
    return found


@router.post("/v1/holder/grants/{grant}/status")
def post_status(grant: str, call: CallIn) -> JSONResponse:
    """Stop, pause or resume a grant; a stop deletes its sealed tokens."""
    name = call.write(
        lambda tx, at: grants.change(tx, at.operator, call.caller, path_id(grant), call.text())
    )
    _scrub_tokens(call)
    return answer({"proof": call.prove(name)})


def _scrub_tokens(call: Call) -> None:
    """Leave no sealed token of an ended grant behind; what a reader holds up, rollover does."""
    if grants.ends_one(call.text()):
        call.service.database.scrub()


@router.post("/v1/holder/tokens")
def post_token(call: CallIn) -> JSONResponse:
    """Take a token and its sealed bytes."""
    post = TokenPost.parse(call.body)
    name = call.write(lambda tx, at: guard.mint(tx, at.operator, at.directory, call.caller, post))
    return answer({"proof": call.prove(name)})


@router.get("/v1/holder/tokens")
def get_tokens(call: CallIn) -> JSONResponse:
    """Return every token text of the caller: a fresh device takes their windows as used."""
    texts = call.read(lambda tx, _: guard.tokens_of(tx, call.caller))
    return answer({"tokens": [{"token": text} for text in texts]})


@router.get("/v1/holder/releases")
def get_releases(call: CallIn) -> JSONResponse:
    """Return every release of the caller's grants, each with its proof."""
    texts = call.read(lambda tx, _: releases.releases_of(tx, call.caller))
    return answer({"releases": [{"release": t, "proof": call.prove(text_hash(t))} for t in texts]})


@router.delete("/v1/holder")
def delete_holder(call: CallIn, log: LogIn) -> JSONResponse:
    """Delete the caller's account and everything of it; the answer proves erase and erased."""
    name = call.write(lambda tx, at: erasure.begin(tx, at.operator, call.caller, call.text()))
    proof = call.prove(name)
    erasure.complete(call.service.database, call.service.operator, log.sequence)
    erased = call.read(lambda tx, _: erasure.erased_of(tx, name))
    return answer({"proof": proof, "erased": erased, "erased_proof": call.prove(text_hash(erased))})


@router.post("/v1/holder/grants/{grant}/deletion")
def post_deletion(grant: str, call: CallIn) -> JSONResponse:
    """Ask the platform of a grant to delete what it has."""

    def work(tx: Transaction, at: Now) -> None:
        row = grants.holder_grant(tx, call.caller, path_id(grant))
        events.ask_deletion(tx, at.operator, row.platform, row.grant_id)

    call.write(work)
    return answer({})


@router.post("/v1/grants/{grant}/deleted")
def post_deleted(grant: str, call: CallIn) -> JSONResponse:
    """Take a platform's word that it deleted what it had of a grant."""

    def work(tx: Transaction, at: Now) -> None:
        row = grants.platform_grant(tx, call.party(at, "platform"), path_id(grant))
        events.confirm_deletion(tx, at.operator, row.grant_id)

    call.write(work)
    return answer({})


@router.get("/v1/events")
def get_events(call: CallIn, after: First = 0) -> JSONResponse:
    """Return a page of what became of the calling platform's grants, after a cursor."""
    rows = call.read(lambda tx, at: events.events_of(tx, call.party(at, "platform"), after))
    listed: list[Json] = [
        {"n": row.n, "grant": row.grant.hex(), "event": row.event, "at": row.at} for row in rows
    ]
    return answer({"events": listed, "next": rows[-1].n if len(rows) == events.PAGE else None})


@router.post("/v1/releases")
def post_release(call: CallIn, rounds: RoundsIn) -> Response:
    """Release the blind sum of a window; a refusal is logged before it is answered.

    While the witnesses are waited for, the person may stop: what leaves is decided once more
    after that, so that nothing leaves when a stop was answered.
    """
    found = _ask(call)
    try:
        rounds.cover(found.name)
    except LogUnavailable as held:
        return _held(held)
    if rounds.has_witnesses:
        found = _ask(call)
    return answer(
        {
            "release": found.release,
            "grant": found.grant,
            "sealed": b64u(found.sealed),
            "closes": [{"close": text} for text in found.closes],
            "proof": call.prove(found.name),
        }
    )


def _ask(call: Call) -> releases.Released:
    asked = Ask.parse(call.body)
    found = call.write(
        lambda tx, at: releases.ask(
            tx, at.operator, at.directory, call.party(at, "platform"), asked
        )
    )
    if isinstance(found, releases.RefusedAsk):
        call.prove(found.name)
        raise found.error
    return found


def _held(error: LogUnavailable) -> Response:
    """Answer a release that stays here until witnesses have seen it; asking again gives it."""
    reply = problem(error)
    reply.headers["Retry-After"] = str(HELD_PAUSE)
    return reply


@router.get("/v1/grants/{grant}")
def get_grant(grant: str, call: CallIn) -> JSONResponse:
    """Return a grant to the calling platform and its state."""
    row = call.read(
        lambda tx, at: grants.platform_grant(tx, call.party(at, "platform"), path_id(grant))
    )
    return answer({"grant": row.text, "state": row.state})


@router.get("/v1/web", dependencies=[Depends(limit_public)])
def get_web(service: ServiceIn) -> JSONResponse:
    """Return the newest list of the web app's files, as it is logged."""
    service.rollover.catch_up()
    text = service.database.read(site_log.newest)
    return answer({"web": text, "proof": service.prove(text_hash(text))})


@router.get("/v1/templates", dependencies=[Depends(limit_public)])
def get_templates() -> Response:
    """Return the purpose templates."""
    return Response(templates_json(), media_type="application/json")
