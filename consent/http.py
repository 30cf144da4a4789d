"""The routes of consent, the audit and the log, beside those of vault/http.py.

A handler parses, calls one function of a rule, and returns; what logs is answered with its proof.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from consent import erasure, events, grants, guard, releases, requests, site_http, site_log
from consent.log.circle import time_of
from consent.log.rounds import Rounds
from consent.log.sequencer import Sequencer
from consent.log.tlog_policy import Opened
from consent.log.tree import Tree
from consent.messages import Ask, TokenPost
from consent.templates import templates_json
from vault import journal, register
from vault.calls import (
    Call,
    CallIn,
    First,
    Now,
    Service,
    ServiceIn,
    answer,
    limit_public,
    path_id,
    problem,
)
from vault.crypto.keys import write_symbols
from vault.encoding import Json, b64u, text_hash
from vault.errors import BadShape, LogUnavailable, NotFound
from vault.methodology.release import load_release
from vault.methodology.shelf import release_names, shipped_files
from vault.storage.database import Transaction

AUDIT_PAGE = 500
HELD_PAUSE = 10
"""Seconds after which a held release may be asked for again."""
OWN_PAGE = 200
router = APIRouter()


def log_of(request: Request) -> Sequencer:
    """Return the log that the app was made with."""
    log: Sequencer = request.app.state.log
    return log


def rounds_of(request: Request) -> Rounds:
    """Return the rounds of witnesses that the app was made with."""
    rounds: Rounds = request.app.state.rounds
    return rounds


LogIn = Annotated[Sequencer, Depends(log_of)]
RoundsIn = Annotated[Rounds, Depends(rounds_of)]


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


@router.get("/v1/holder/entries")
def get_entries(call: CallIn, first: First = 0) -> JSONResponse:
    """Return a page of the caller's logged entries, each with its proof."""

    def work(tx: Transaction, _: Now) -> list[journal.Entry]:
        rows = journal.entries_of(tx, call.caller)
        return [row for row in rows if (row.position or 0) >= first][:OWN_PAGE]

    rows = call.read(work)
    listed: list[Json] = [{**_entry(row), "proof": call.prove(text_hash(row.text))} for row in rows]
    last = rows[-1].position if len(rows) == OWN_PAGE else None
    return answer({"entries": listed, "next": None if last is None else last + 1})


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


@router.post("/v1/requests")
def post_request(call: CallIn) -> JSONResponse:
    """Take a platform's request (RFC 9126): `request_uri` for a redirect, or a code to type."""
    row = call.write(
        lambda tx, at: requests.push(
            tx, at.operator, at.directory, call.party(at, "platform"), call.text()
        )
    )
    return answer(
        {
            "request_uri": requests.write_uri(row.handle),
            "code": write_symbols(row.handle),
            "expires_in": max(0, row.until - call.service.operator.now()),
        }
    )


@router.get("/v1/requests/{handle}")
def get_request(handle: str, call: CallIn) -> JSONResponse:
    """Tell a platform what became of its request."""
    row = call.read(
        lambda tx, at: requests.of_platform(
            tx, at.operator, call.party(at, "platform"), requests.read_handle(handle)
        )
    )
    # With a redirect only the person who comes back brings it: whoever polls would take a
    # stranger's grant for their customer's.
    shown = row.grant_id if row.grant_id and row.request.redirect_uri is None else None
    return answer({"state": row.state, "grant": shown.hex() if shown else None})


@router.get("/authorize", dependencies=[Depends(limit_public)])
def get_authorize(
    request: Request,
    service: ServiceIn,
    client_id: str | None = None,
    request_uri: str | None = None,
) -> Response:
    """Hand an open request over to the person's app (RFC 9126).

    A browser that lands here gets the app, which then asks for the request itself.
    """
    if site_http.wants_page(request):
        return site_http.send_file(request, "/")
    if client_id is None or request_uri is None:
        raise BadShape("wanted client_id and request_uri")
    return _handed_over(service, client_id, request_uri)


def _handed_over(service: Service, client_id: str, request_uri: str) -> JSONResponse:
    def work(tx: Transaction) -> tuple[requests.RequestRow, str]:
        row = requests.hand_over(tx, service.operator, client_id, request_uri)
        return row, register.in_force(tx).party(row.platform).name

    row, name = service.database.read(work)
    return answer(
        {
            "client_id": row.platform,
            "name": name,
            "handle": row.handle.hex(),
            "expires_in": max(0, row.until - service.operator.now()),
        }
    )


@router.get("/v1/holder/requests")
def get_holder_requests(call: CallIn) -> JSONResponse:
    """Return every request that the caller opened, and its state."""
    rows = call.read(lambda tx, at: requests.requests_of(tx, at.operator, call.caller))
    return answer({"requests": [_request(row) for row in rows]})


@router.post("/v1/holder/requests/{handle}")
def post_holder_request(handle: str, call: CallIn) -> JSONResponse:
    """Open a request: from now on it is the caller's alone."""
    name = requests.read_handle(handle)
    row = call.write(lambda tx, at: requests.claim(tx, at.operator, call.caller, name))
    return answer(_request(row))


@router.post("/v1/holder/requests/{handle}/decline")
def post_decline(handle: str, call: CallIn) -> JSONResponse:
    """Say no; the log gets the hash of the request, and nothing else."""
    name = requests.read_handle(handle)
    done = call.write(lambda tx, at: requests.decline(tx, at.operator, call.caller, name))
    return answer({"proof": call.prove(done)})


def _request(row: requests.RequestRow) -> dict[str, Json]:
    return {
        "handle": row.handle.hex(),
        "request": row.text,
        "state": row.state,
        "until": row.until,
        "grant": row.grant_id.hex() if row.grant_id else None,
    }


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


@router.get("/v1/methodology", dependencies=[Depends(limit_public)])
def get_releases_in_force(service: ServiceIn) -> JSONResponse:
    """Return the methodology releases that the directory lists, and since when each holds."""
    listed = service.database.read(register.in_force).listing.releases
    return JSONResponse({"releases": [entry.plain() for entry in listed]})


@router.get("/v1/methodology/{release}", dependencies=[Depends(limit_public)])
def get_methodology(release: str) -> Response:
    """Return a methodology release, byte for byte as its hash is over it."""
    return _toml("releases", release)


@router.get("/v1/methodology/{release}/{behaviour}", dependencies=[Depends(limit_public)])
def get_behaviour(release: str, behaviour: str) -> Response:
    """Return the behaviour file that a release pins, byte for byte."""
    if release not in release_names():
        raise NotFound("there is no such release")
    found = load_release(release).behaviours.get(behaviour)
    if found is None:
        raise NotFound("the release has no such behaviour")
    return _toml("behaviours", f"{found.id}.{found.rev}")


def _toml(folder: str, name: str) -> Response:
    file = shipped_files().get(f"{folder}/{name}.toml")
    if file is None:
        raise NotFound("there is no such file")
    return Response(file, media_type="application/toml")


@router.get("/v1/audit/entries")
def get_audit_entries(call: CallIn, first: First = 0) -> JSONResponse:
    """Return a page of the log's texts with salts and times, for the auditor."""

    def work(tx: Transaction, at: Now) -> list[journal.Entry]:
        call.party(at, "auditor")
        return journal.entries_from(tx, first, AUDIT_PAGE)

    return answer({"entries": [_entry(row) for row in call.read(work)]})


@router.get("/v1/log", dependencies=[Depends(limit_public)])
def get_log(rounds: RoundsIn) -> JSONResponse:
    """Return how far the log is that goes on, when which witness last saw it, and which ended."""
    found = rounds.standing()
    witnesses: list[Json] = [
        {"name": seen.name, "size": seen.size, "at": seen.at, "state": seen.state}
        for seen in found.witnesses
    ]
    body: dict[str, Json] = {
        "origin": found.origin,
        "size": found.size,
        "cosigned": _cosigned(found.cosigned),
        "quorum": {"policy": found.named, "directory": found.listed},
        "witnesses": witnesses,
        "held": found.held,
    }
    if found.earlier:
        body["earlier"] = [
            {"origin": ended.origin, "size": ended.size, "cosigned": _cosigned(ended.cosigned)}
            for ended in found.earlier
        ]
    return answer(body)


def _cosigned(opened: Opened | None) -> dict[str, Json] | None:
    if opened is None:
        return None
    return {"size": opened.checkpoint.size, "at": time_of(opened)}


@router.get("/log/checkpoint")
def get_checkpoint(log: LogIn) -> Response:
    """Return the signed checkpoint of the first log."""
    return _checkpoint(log.named(""))


@router.get("/log/{path:path}")
def get_tile(path: str, log: LogIn) -> Response:
    """Return a tile or entry bundle (C2SP tlog-tiles); a later log's stand under its name."""
    name, _, rest = path.partition("/")
    if name in ("", "tile"):
        name, rest = "", path
    tree = log.named(name)
    if name and rest == "checkpoint":
        return _checkpoint(tree)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(tree.tile(rest), media_type="application/octet-stream", headers=headers)


def _checkpoint(tree: Tree) -> Response:
    headers = {"Cache-Control": "max-age=2"}
    return Response(tree.checkpoint(), media_type="text/plain; charset=utf-8", headers=headers)
