"""A bike operator whose customers keep their own records (README.md beside this file)."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from secrets import token_hex, token_urlsafe
from threading import Lock
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from consent.folder import open_folder
from consent.parties import open_source
from vault.compose import Booking
from vault.crypto.keys import six_digits
from vault.encoding import unb64u
from vault.errors import NotFound, VaultError
from vault.methodology.quantify import Act
from vault.source import Source

FOLDER = Path("sandbox/bike.sandbox")
OWN_ID, REGION = "bike.sandbox", "CN-GD-SZ"

app = FastAPI(openapi_url=None)
customers: dict[str, str] = {}  # by session; your own login stands here
offers: dict[str, bytes] = {}  # by customer: the nonce of the start that is open
clock = open_folder(FOLDER, "source").now  # a real vault's is this machine's
one_at_a_time = Lock()


def source() -> Iterator[Source]:
    with one_at_a_time, open_source(FOLDER) as opened:
        yield opened


def customer(request: Request) -> str:
    return customers.get(request.cookies.get("session", ""), "")


async def form(request: Request) -> dict[str, str]:
    return {name: found[0] for name, found in parse_qs((await request.body()).decode()).items()}


SourceIn = Annotated[Source, Depends(source)]
CustomerIn = Annotated[str, Depends(customer)]
FormIn = Annotated[dict[str, str], Depends(form)]


def page(body: str) -> HTMLResponse:
    return HTMLResponse(f'<!doctype html><html lang="en"><title>Bikes</title><h1>Bikes</h1>{body}')


def button(path: str, words: str, field: str = "") -> str:
    return f'<form method="post" action="{path}">{field}<button>{words}</button></form>'


@app.post("/login")
def login() -> RedirectResponse:
    session = token_urlsafe()
    customers[session] = f"customer {len(customers) + 1}"
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie("session", session, httponly=True, samesite="lax")  # and secure, with https
    return answer


@app.get("/")
def home(bikes: SourceIn, who: CustomerIn) -> HTMLResponse:
    if not who:
        return page(button("/login", "Log in"))
    try:
        bikes.link_of(who)
    except NotFound:
        return page(button("/offer", "Keep my rides in my carbon account"))
    rows = "".join(f"<li>{act.mg} mg" for act in bikes.acts(who))
    ways = button("/ride", "Ride five kilometres") + button("/unlink", "End the link")
    return page(f"<p>Linked.</p><ol>{rows}</ol>{ways}")


@app.post("/offer")
def offer(bikes: SourceIn, who: CustomerIn) -> HTMLResponse:
    nonce = offers[who] = bikes.offer(who)
    field = '<label>The link code of your app <input name="code" required></label>'
    return page(
        f"<p>In your carbon account choose {OWN_ID} and enter <code>{nonce.hex()}</code>,"
        f" within ten minutes.</p>{button('/accept', 'Link', field)}"
    )


@app.post("/accept")
def accept(bikes: SourceIn, who: CustomerIn, sent: FormIn) -> HTMLResponse:
    try:
        code = unb64u(sent.get("code", "").strip())
        answer = bikes.accept(who, offers.pop(who, b""), code)
    except VaultError as no:
        return page(f"<p>Not linked: {escape(no.sentence('en'))}</p>")
    return page(
        f"<p>Your app must show <b>{six_digits(code)}</b>. Your records will be readable by that"
        f" carbon account. Only then give it this answer:</p><textarea>{answer}</textarea>"
        + button("/check", "My app says that it is linked")
    )


@app.post("/check")
def check(bikes: SourceIn) -> RedirectResponse:
    bikes.check_attached()
    return RedirectResponse("/", status_code=303)


@app.post("/ride")
def ride(bikes: SourceIn, who: CustomerIn) -> RedirectResponse:
    begin = clock()
    act = Act("travel.bike", {"m": 5_000, "s": 1_200}, begin, begin + 1_200, REGION)
    bikes.book(who, [Booking(act, receipt=token_hex(16), operator=OWN_ID, guessable=False)])
    return RedirectResponse("/", status_code=303)


@app.post("/unlink")
def unlink(bikes: SourceIn, who: CustomerIn) -> RedirectResponse:
    bikes.unlink(who)
    return RedirectResponse("/", status_code=303)
