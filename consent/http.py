"""The routes of consent, the audit and the log, beside those of vault/http.py.

A handler parses, calls one function of a rule, and returns; what logs is answered with its proof.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from consent import erasure, grants, guard, releases
from consent.log.sequencer import Sequencer
from consent.messages import Ask, TokenPost
from consent.templates import load_templates
from vault import journal
from vault.calls import Call, CallIn, First, Now, answer, path_id
from vault.encoding import Json, b64u, text_hash
from vault.storage.database import Transaction

AUDIT_PAGE = 500
router = APIRouter()


def log_of(request: Request) -> Sequencer:
    """Return the log that the app was made with."""
    log: Sequencer = request.app.state.log
    return log


LogIn = Annotated[Sequencer, Depends(log_of)]


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

    def row(found: grants.GrantRow) -> dict[str, Json]:
        return {"grant": found.text, "state": found.state, "n": found.n}

    rows = call.read(lambda tx, _: grants.grants_of(tx, call.caller))
    return answer({"grants": [row(found) for found in rows]})


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


@router.get("/v1/holder/entries")
def get_entries(call: CallIn) -> JSONResponse:
    """Return every logged entry of the caller's account."""
    rows = call.read(lambda tx, _: journal.entries_of(tx, call.caller))
    return answer({"entries": [_entry(row) for row in rows]})


def _entry(row: journal.Entry) -> dict[str, Json]:
    return {"index": row.position, "at": row.at, "salt": row.salt.hex(), "text": row.text}


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


@router.post("/v1/releases")
def post_release(call: CallIn) -> JSONResponse:
    """Release the blind sum of a window; a refusal is logged before it is answered."""
    asked = Ask.parse(call.body)
    found = call.write(
        lambda tx, at: releases.ask(
            tx, at.operator, at.directory, call.party(at, "platform"), asked
        )
    )
    proof = call.prove(found.name)
    if isinstance(found, releases.RefusedAsk):
        raise found.error
    return answer(
        {
            "release": found.release,
            "grant": found.grant,
            "sealed": b64u(found.sealed),
            "closes": [{"close": text} for text in found.closes],
            "proof": proof,
        }
    )


@router.get("/v1/grants/{grant}")
def get_grant(grant: str, call: CallIn) -> JSONResponse:
    """Return a grant to the calling platform and its state."""
    row = call.read(
        lambda tx, at: grants.platform_grant(tx, call.party(at, "platform"), path_id(grant))
    )
    return answer({"grant": row.text, "state": row.state})


@router.get("/v1/templates")
def get_templates() -> JSONResponse:
    """Return the purpose templates."""
    return JSONResponse({name: found.plain() for name, found in load_templates().items()})


@router.get("/v1/audit/entries")
def get_audit_entries(call: CallIn, first: First = 0) -> JSONResponse:
    """Return a page of the log's texts with salts and times, for the auditor."""

    def work(tx: Transaction, at: Now) -> list[journal.Entry]:
        call.party(at, "auditor")
        return journal.entries_from(tx, first, AUDIT_PAGE)

    return answer({"entries": [_entry(row) for row in call.read(work)]})


@router.get("/log/checkpoint")
def get_checkpoint(log: LogIn) -> Response:
    """Return the signed checkpoint."""
    headers = {"Cache-Control": "max-age=2"}
    return Response(log.checkpoint(), media_type="text/plain; charset=utf-8", headers=headers)


@router.get("/log/{path:path}")
def get_tile(path: str, log: LogIn) -> Response:
    """Return a tile or entry bundle of the log (C2SP tlog-tiles)."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(log.tile(path), media_type="application/octet-stream", headers=headers)
