"""The routes of the log: checkpoint and tiles, how far it is, and its texts for whom they concern.

    GET /log/checkpoint  /log/tile/0/000       C2SP tlog-tiles; a later log's under its name
    GET /v1/log                                {"origin":"vault.example/log","size":90, …}
    GET /v1/holder/entries                     the caller's own texts, with proofs
    GET /v1/audit/entries                      all texts, for the auditor

docs/protocol.md section 6.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from consent.log.circle import time_of
from consent.log.rounds import Rounds
from consent.log.sequencer import Sequencer
from consent.log.tlog_policy import Opened
from consent.log.tree import Tree
from vault import journal
from vault.calls import CallIn, First, Now, answer, limit_public
from vault.encoding import Json, text_hash
from vault.storage.database import Transaction

AUDIT_PAGE = 500
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
