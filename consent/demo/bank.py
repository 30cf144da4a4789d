"""The demonstration's bank: one page that asks, takes a person back, and shows a verified total.

    GET  /           connect, or what is known          POST /connect   → the vault's /authorize
    GET  /back       the person comes back              POST /code      a request without a way back
    GET  /code       the code, and what became of it    POST /forget    the session ends

What was asked stays in the session that asked it; a figure is shown only once it verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from consent.asking import Pushed, Wanted
from consent.demo.cast import BANK
from consent.demo.page import At, AtIn, FormIn, button, go, make_site, page
from consent.messages import Grant
from consent.platform import Platform
from vault.errors import BadCode, Declined, VaultError
from vault.months import Month, Window, add_months

if TYPE_CHECKING:
    from consent.demo.visit import Visit

router = APIRouter()


@dataclass
class Seat:
    """What one browser session asked, and what came of it."""

    asked: Pushed | None = None
    coded: Pushed | None = None
    grant: bytes | None = None
    declined: bool = False


def make_bank(visit: Visit) -> FastAPI:
    """Return the bank's application."""
    app = make_site(visit, visit.bank_url, "demo-bank")
    app.state.seats = dict[str, Seat]()
    app.include_router(router)
    return app


def seat(request: Request, here: AtIn) -> Seat:
    """Return the session's own; a fresh one is kept by `_seated`."""
    seats: dict[str, Seat] = request.app.state.seats
    return seats.get(here.session, Seat())


SeatIn = Annotated[Seat, Depends(seat)]


def quarters(running: Month) -> tuple[Window, Window]:
    """Return the last full quarter of a year and the running one."""
    begin = add_months(running, -((int(running[5:]) - 1) % 3))
    last, this = (tuple(add_months(begin, n + by) for n in range(3)) for by in (-3, 0))
    return last, this


def span(window: Window) -> str:
    """Return a window as people read it: its first and last month, or its only one."""
    return window[0] if len(window) == 1 else f"{window[0]} – {window[-1]}"


def _wanted(here: At, sent: dict[str, str], back: bool) -> Wanted:
    window = quarters(here.visit.month)[sent.get("when") == "this"]
    return Wanted.under(
        "GREEN-LOAN-RATE",
        first=window[0],
        last=window[-1],
        zh="用于确定您的绿色贷款利率",
        en="to set the rate of your green loan",
        redirect_uri=f"{here.url}/back" if back else None,
    )


def _platform(here: At) -> Platform:
    return here.visit.stage.platform(BANK)


def _seated(request: Request, here: At, found: Seat, url: str) -> Response:
    """Keep the seat under a fresh session, and go on."""
    session = token_urlsafe(32)
    seats: dict[str, Seat] = request.app.state.seats
    seats.pop(here.session, None)
    seats[session] = found
    return go(here, url, session)


@router.get("/")
def home(here: AtIn, own: SeatIn) -> HTMLResponse:
    """Show what is known of this session's customer, and what can be asked."""
    told = ""
    if own.grant is not None:
        with here.visit.lock:
            told = figures(here, own.grant)
        told += button("/forget", here.says("forget"))
    elif own.declined:
        told = f'<p role="status"><strong>{here.says("declined")}</strong></p>'
    return page(here, "bank", told + _ask(here))


def _ask(here: At) -> str:
    last, this = quarters(here.visit.month)
    choices = "".join(
        f'<p><label><input type="radio" name="when" value="{value}"{checked}> '
        f"{here.says(value, window=span(window))}</label></p>"
        for value, window, checked in (("last", last, " checked"), ("this", this, ""))
    )
    period = f"<fieldset><legend>{here.says('period')}</legend>{choices}</fieldset>"
    coded = f'<button formaction="/code">{here.says("code")}</button>'
    return (
        f"<h2>{here.says('offer')}</h2><p>{here.says('offer-text')}</p>"
        f'<form method="post" action="/connect">{period}<p><button>{here.says("connect")}</button>'
        f"</p><p>{coded}</p></form>"
    )


@router.post("/connect")
def connect(request: Request, here: AtIn, sent: FormIn) -> Response:
    """Push a request, and send the browser to the person's own app."""
    with here.visit.lock:
        pushed = _platform(here).ask(_wanted(here, sent, back=True))
    return _seated(request, here, Seat(asked=pushed), pushed.url)


@router.get("/back")
def back(request: Request, here: AtIn, own: SeatIn) -> Response:
    """Take a person back: only this session's request is answered, and only once."""
    if own.asked is None:
        raise BadCode("this session has asked nothing")
    query = dict(request.query_params)
    try:
        with here.visit.lock:
            grant = _platform(here).finish(own.asked, query)
    except Declined:
        return _seated(request, here, Seat(declined=True), "/")
    return _seated(request, here, Seat(grant=grant.grant), "/")


@router.post("/code")
def ask_by_code(request: Request, here: AtIn, sent: FormIn) -> Response:
    """Push a request without a way back: the person types its code into their own app."""
    with here.visit.lock:
        pushed = _platform(here).ask(_wanted(here, sent, back=False))
    return _seated(request, here, Seat(coded=pushed), "/code")


@router.get("/code")
def show_code(request: Request, here: AtIn, own: SeatIn) -> Response:
    """Show the code while the person has not decided, then what they decided."""
    if own.coded is None:
        return go(here, "/")
    with here.visit.lock:
        found = _platform(here).outcome(own.coded)
    if found.grant is not None:
        return _seated(request, here, Seat(grant=found.grant), "/")
    if found.state == "declined":
        return _seated(request, here, Seat(declined=True), "/")
    if found.state != "open":
        return page(here, "code-title", f"<p>{here.says('code-over')}</p>{_home(here)}")
    return page(
        here,
        "code-title",
        f"<p>{here.says('code-text')}</p><p><code class='big'>{escape(own.coded.code)}</code></p>"
        f'<p><a class="go" href="/code">{here.says("look")}</a></p>{_home(here)}',
    )


def _home(here: At) -> str:
    return f'<p><a class="go" href="/">{here.says("back")}</a></p>'


@router.post("/forget")
def forget(request: Request, here: AtIn) -> Response:
    """Forget this session's customer; sharing itself is stopped in the person's own app."""
    seats: dict[str, Seat] = request.app.state.seats
    seats.pop(here.session, None)
    return go(here, "/")


@router.post("/next")
def move_on(here: AtIn, sent: FormIn) -> Response:
    """Let the demonstration's month end."""
    here.visit.next_month(sent.get("month", ""))
    return go(here, "/")


def figures(here: At, grant_id: bytes) -> str:
    """Return one verified total for each window of a grant, or why there is none, as HTML."""
    platform = _platform(here)
    try:
        grant = platform.grant(grant_id)
    except VaultError as no:
        return here.refuses(no)
    rows = "".join(f"<li>{_figure(here, platform, grant, window)}</li>" for window in grant.windows)
    return f'<h2>{here.says("allowed")}</h2><ul role="status">{rows}</ul>'


def _figure(here: At, platform: Platform, grant: Grant, window: Window) -> str:
    months = span(window)
    try:
        total = platform.total(grant.grant, window, grant.purposes[0])
    except VaultError as no:  # not there yet, or never again: there is no number to fall back to
        return here.says("no-figure", window=months, why=no.sentence(here.locale))
    checked = here.says(f"checked-{total.checked}")
    return f"{here.says('figure', window=months, grams=f'{total.grams:,}')} {checked}"
