"""The demonstration's bike operator: a customer links their own carbon account, and rides.

    GET  /          log in, link, ride               POST /offer    a start for one customer
    GET  /link      the start, and the code's field  POST /digits   six digits to compare
    POST /accept    the answer for the app           POST /rides    three rides
    POST /unlink    the link ends                    POST /next     the month ends

The way there is ``VAULT/#/sources/link?source=…&nonce=…``, the way back a link code: pasted, or
behind ``/link#c=``. The answer is ``VAULT/#/sources/link?answer=…``.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from secrets import token_hex, token_urlsafe
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from consent.demo.cast import SOURCES
from consent.demo.page import At, AtIn, FormIn, button, go, make_site, page
from vault.compose import Booking
from vault.crypto.keys import six_digits
from vault.encoding import b64u, unb64u
from vault.errors import BadCode, BadShape, NotFound
from vault.methodology.quantify import Act
from vault.source import Source

if TYPE_CHECKING:
    from consent.demo.visit import Visit

OWN_ID = SOURCES[0]
RIDES, METRES, SECONDS, APART = 3, 4_800, 1_200, 1_800
MOST = 45  # the clock stands still: later ones would be more than a day ahead
router = APIRouter()


@dataclass
class Customer:
    """One logged-in customer, and the start that is open; `answer` until the app has it."""

    name: str
    nonce: bytes = b""
    answer: str = ""


def make_bikes(visit: Visit) -> FastAPI:
    """Return the operator's application."""
    app = make_site(visit, visit.bikes_url, "demo-bikes")
    app.state.customers = dict[str, Customer]()
    app.include_router(router)
    return app


def customer(request: Request, here: AtIn) -> Customer | None:
    """Return who is logged in, if somebody is."""
    customers: dict[str, Customer] = request.app.state.customers
    return customers.get(here.session)


def known(found: Annotated[Customer | None, Depends(customer)]) -> Customer:
    """Return who is logged in; raises NotFound."""
    if found is None:
        raise NotFound("nobody is logged in")
    return found


WhoIn = Annotated[Customer | None, Depends(customer)]
KnownIn = Annotated[Customer, Depends(known)]


def _source(here: At) -> Source:
    return here.visit.sources[OWN_ID]


@router.post("/login")
def login(request: Request, here: AtIn) -> Response:
    """Log a new invented customer in."""
    session = token_urlsafe(32)
    customers: dict[str, Customer] = request.app.state.customers
    customers[session] = Customer(f"visitor {len(customers) + 1}")
    return go(here, "/", session)


@router.get("/")
def home(here: AtIn, who: WhoIn) -> HTMLResponse:
    """Show what the customer can do next."""
    if who is None:
        return page(here, "bikes", button("/login", here.says("login")))
    with here.visit.lock:
        found = _linked(here, who)
    if found is None:
        ways = f"<p>{here.says('keep-text')}</p>{button('/offer', here.says('keep'))}"
        return page(here, "bikes", _hello(here, who) + ways)
    told = _riding(here, who) if found else _answered(here, who)
    return page(here, "bikes", _hello(here, who) + told)


def _hello(here: At, who: Customer) -> str:
    return f"<p>{here.says('hello', name=who.name)}</p>"


def _linked(here: At, who: Customer) -> bool | None:
    """Return whether the customer's link is attached; None: there is none."""
    source = _source(here)
    try:
        link = source.link_of(who.name)
    except NotFound:
        return None
    source.check_attached()
    try:
        here.visit.stage.wire(source.identity.key).get(f"/v1/links/{link.hex()}")
    except NotFound:
        return False
    return True


def _riding(here: At, who: Customer) -> str:
    acts = _source(here).acts(who.name)
    rows = "".join(f"<li>{here.says('ride', grams=f'{act.mg / 1000:g}')}</li>" for act in acts)
    ways = button("/rides", here.says("rides")) + button("/unlink", here.says("unlink"))
    return f"<p>{here.says('linked')}</p><ol>{rows}</ol>{ways}"


def _answered(here: At, who: Customer) -> str:
    url = f"{here.visit.url}/#/sources/link?{urlencode({'answer': who.answer})}"
    return (
        f"<p>{here.says('answer-text')}</p>"
        f'<p><a class="go" href="{escape(url)}">{here.says("answer-go")}</a></p>'
        f"<p><label>{here.says('answer-paste')}"
        f"<textarea readonly>{escape(who.answer)}</textarea></label></p>"
        f'<p><a class="go" href="/">{here.says("look")}</a></p>'
        + button("/unlink", here.says("unlink"))
    )


@router.post("/offer")
def offer(here: AtIn, who: KnownIn) -> Response:
    """Open a start for this customer."""
    with here.visit.lock:
        who.nonce = _source(here).offer(who.name)
    return go(here, "/link")


@router.get("/link")
def start(here: AtIn, who: KnownIn) -> Response:
    """Show the way to the customer's own app, and the field for its link code."""
    if not who.nonce:
        return go(here, "/")
    query = urlencode({"source": OWN_ID, "nonce": who.nonce.hex()})
    url = f"{here.visit.url}/#/sources/link?{query}"
    field = f'<p><label>{here.says("code-field")} <input name="code" required></label></p>'
    return page(
        here,
        "keep",
        f'<p><a class="go" href="{escape(url)}">{here.says("link-go")}</a></p>'
        f"<p>{here.says('link-type', source=OWN_ID, nonce=who.nonce.hex())}</p>"
        + button("/digits", here.says("look-at"), field),
    )


@router.post("/digits", dependencies=[Depends(known)])
def digits(here: AtIn, sent: FormIn) -> HTMLResponse:
    """Show the six digits of a link code; nothing is linked yet."""
    code = _code(sent)
    hidden = f'<input type="hidden" name="code" value="{b64u(code)}">'
    return page(
        here,
        "compare",
        f"<p>{here.says('digits')}</p><p class='big'><strong>{six_digits(code)}</strong></p>"
        f"<p>{here.says('readable')}</p>"
        + button("/accept", here.says("same"), hidden)
        + f'<p><a class="go" href="/link">{here.says("not-same")}</a></p>',
    )


def _code(sent: dict[str, str]) -> bytes:
    try:
        code = unb64u(sent.get("code", "").strip())
    except BadShape as bad:
        raise BadCode("what was entered is no link code") from bad
    if not code:
        raise BadCode("nothing was entered")
    return code


@router.post("/accept")
def accept(here: AtIn, who: KnownIn, sent: FormIn) -> Response:
    """Answer the link code, now that the person has compared the digits."""
    code = _code(sent)
    with here.visit.lock:
        who.answer = _source(here).accept(who.name, who.nonce, code)
    who.nonce = b""
    return go(here, "/")


@router.post("/rides")
def ride(here: AtIn, who: KnownIn) -> Response:
    """Book three rides, one after the other from the demonstration's time on."""
    with here.visit.lock:
        source, now = _source(here), here.visit.stage.now()
        done = sum(act.start >= now for act in source.acts(who.name))
        if done + RIDES > MOST:
            raise BadShape("no more rides fit into this day")
        source.book(who.name, [_booking(now + (done + n) * APART) for n in range(RIDES)])
    return go(here, "/")


def _booking(begin: int) -> Booking:
    act = Act("travel.bike", {"m": METRES, "s": SECONDS}, begin, begin + SECONDS, "CN")
    return Booking(act, receipt=token_hex(16), operator=OWN_ID, guessable=False)


@router.post("/unlink")
def unlink(here: AtIn, who: KnownIn) -> Response:
    """End the customer's link."""
    with here.visit.lock:
        _source(here).unlink(who.name)
    who.answer = ""
    return go(here, "/")


@router.post("/next")
def move_on(here: AtIn, sent: FormIn) -> Response:
    """Let the demonstration's month end."""
    here.visit.next_month(sent.get("month", ""))
    return go(here, "/")
