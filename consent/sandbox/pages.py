"""The robots' pages: what a browser or a test calls to let a robot decide, link, stop.

    GET /authorize?client_id=…&request_uri=…           which robot are you?
    GET /sandbox/decide?request_uri=… | code=…&robot=lin&choice=allow|narrow|decline
    GET /sandbox/link?robot=lin&source=bike.sandbox&nonce=…
    GET /sandbox/attach?robot=lin&answer=…
    GET /sandbox/delete?robot=lin&grant=…              GET /sandbox/stop?robot=lin&grant=…
    GET /sandbox/robots        GET /sandbox/clock      GET /sandbox/clock?month=2026-05

A decision answers with 303 back to the platform, as a person's app does; without a redirect_uri,
and everywhere else, with JSON. They are links that anybody on this machine may follow: a toy.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from consent.sandbox import robots
from consent.sandbox.robots import Person
from consent.sandbox.roll import ROBOTS, Choice
from vault.encoding import Json
from vault.errors import NotFound, VaultError
from vault.messages import parse_hex
from vault.months import parse_month

if TYPE_CHECKING:
    from consent.sandbox.stage import Sandbox

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>SANDBOX</title>
<style>body{font:1rem/1.5 sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}
header{background:#ffd400;color:#000;padding:.5rem 1rem;font-weight:bold}</style>
<header>SANDBOX · 沙盒: invented people, no real vault</header>
"""
_CHOICES: tuple[Choice, ...] = ("allow", "narrow", "decline")
router = APIRouter()


def make_pages(sandbox: Sandbox) -> FastAPI:
    """Return the application of the robots' pages."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.sandbox = sandbox
    app.include_router(router)
    app.add_exception_handler(VaultError, _refuse)
    return app


def _refuse(_: Request, error: Exception) -> JSONResponse:
    found = cast("VaultError", error)
    body = {"type": found.slug, "title": found.sentence("en"), "detail": str(found)}
    return JSONResponse({"sandbox": True, **body}, status_code=found.status or 400)


def _sandbox(request: Request) -> Sandbox:
    return cast("Sandbox", request.app.state.sandbox)


def _person(request: Request, robot: str = ROBOTS[0].name) -> Person:
    people = _sandbox(request).people
    if robot not in people:
        raise NotFound(f"no robot {robot[:40]!r}; there are {', '.join(people)}")
    return people[robot]


PersonIn = Annotated[Person, Depends(_person)]


@router.get("/authorize")
def authorize(client_id: str, request_uri: str) -> HTMLResponse:
    """Ask the browser which robot it is; a real vault opens the person's own app."""
    rows = "".join(
        f"<li><b>{robot.name}</b> ({robot.says}): "
        + " · ".join(_way(robot.name, choice, request_uri) for choice in _CHOICES)
        for robot in ROBOTS
    )
    return HTMLResponse(
        f"{_HEAD}<h1>{escape(client_id)} asks. Which robot are you?</h1>"
        f"<p>A real vault opens the person's own app here.</p><ul>{rows}</ul>"
    )


def _way(robot: str, choice: Choice, request_uri: str) -> str:
    query = urlencode({"robot": robot, "choice": choice, "request_uri": request_uri})
    return f'<a href="/sandbox/decide?{escape(query)}">{choice}</a>'


@router.get("/sandbox/decide")
def decide(
    request: Request,
    person: PersonIn,
    request_uri: str = "",
    code: str = "",
    choice: Choice | None = None,
) -> Response:
    """Let a robot decide on a request, by its habit or as told."""
    with _sandbox(request).lock:
        decided = robots.decide(person, request_uri or code, choice)
    if decided.redirect:
        return RedirectResponse(decided.redirect, status_code=303)
    grant = decided.grant.grant.hex() if decided.grant else None
    return _answer({"state": "granted" if grant else "declined", "grant": grant})


@router.get("/sandbox/link")
def link(request: Request, person: PersonIn, source: str, nonce: str) -> JSONResponse:
    """Let a robot begin a link: its code for the source, and six digits to compare."""
    with _sandbox(request).lock:
        return _answer(robots.told_start(robots.start(person, source, parse_hex(nonce, 16))))


@router.get("/sandbox/attach")
def attach(request: Request, person: PersonIn, answer: str) -> JSONResponse:
    """Let a robot attach the link that a source answered to."""
    with _sandbox(request).lock:
        begun = robots.attach(person, answer)
    return _answer({"linked": begun.source, "link": begun.link.hex()})


@router.get("/sandbox/delete")
def delete(request: Request, person: PersonIn, grant: str) -> JSONResponse:
    """Let a robot ask the platform to delete what it has of a grant."""
    with _sandbox(request).lock:
        robots.stop(person, parse_hex(grant, 16), ask_deletion=True)
    return _answer({"asked": "deletion"})


@router.get("/sandbox/stop")
def stop(request: Request, person: PersonIn, grant: str) -> JSONResponse:
    """Let a robot stop sharing."""
    with _sandbox(request).lock:
        robots.stop(person, parse_hex(grant, 16), ask_deletion=False)
    return _answer({"state": "revoked"})


@router.get("/sandbox/robots")
def show_robots(request: Request) -> JSONResponse:
    """Show every robot and its own figures, from its own records."""
    sandbox = _sandbox(request)
    with sandbox.lock:
        found: list[Json] = [robots.told(person) for person in sandbox.people.values()]
    return _answer({"month": sandbox.month, "robots": found})


@router.get("/sandbox/clock")
def clock(request: Request, month: str = "") -> JSONResponse:
    """Show the sandbox's time, or move it to the next month."""
    sandbox = _sandbox(request)
    if month:
        sandbox.move(parse_month(month))
    return _answer({"month": sandbox.month, "now": sandbox.now(), "ready": sandbox.ready})


def _answer(members: dict[str, Json]) -> JSONResponse:
    return JSONResponse({"sandbox": True, **members})


@router.get("/sandbox")
def home(request: Request) -> HTMLResponse:
    """Show the month, the robots, and what they can be told."""
    rows = "".join(f"<li><b>{robot.name}</b> {robot.says}" for robot in ROBOTS)
    return HTMLResponse(
        f"{_HEAD}<h1>It is {_sandbox(request).month}</h1>"
        f"<p>Three robots, each with closed months:</p><ul>{rows}</ul>"
        '<p><a href="/sandbox/robots">Their own figures</a></p>'
        '<form action="/sandbox/decide"><label>Request code <input name="code" required></label>'
        f"{_select('robot', (robot.name for robot in ROBOTS))}{_select('choice', _CHOICES)}"
        "<button>Let it decide</button></form>"
        '<form action="/sandbox/clock"><label>Move to the next month '
        '<input name="month" placeholder="YYYY-MM" required></label><button>Move</button></form>'
    )


def _select(name: str, words: Iterable[str]) -> str:
    options = "".join(f"<option>{word}</option>" for word in words)
    return f'<label> {name} <select name="{name}">{options}</select></label>'
