"""A bank that sets the rate of a green loan by one verified total (README.md beside this file)."""

from html import escape
from pathlib import Path
from secrets import token_urlsafe

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from consent.parties import open_platform
from consent.platform import Proofs, Pushed, Wanted
from vault.errors import VaultError
from vault.months import Month

FOLDER = Path("sandbox/bank.sandbox")
WANTED = Wanted.under(
    "GREEN-LOAN-RATE",
    first=Month("2026-01"),
    last=Month("2026-03"),
    zh="用于确定您的绿色贷款利率",
    en="to set the rate of your green loan",
    redirect_uri="http://localhost:8100/back",
)

app = FastAPI(openapi_url=None)
bank = open_platform(FOLDER, Proofs(FOLDER / "proofs"))
asked: dict[str, Pushed] = {}  # by session: what was asked in it, never sent to the browser
grants: dict[str, bytes] = {}  # by session; a real bank keeps the customer's in its database
seen = 0  # the number of the last event


@app.get("/")
def home(request: Request) -> HTMLResponse:
    poll()
    grant = grants.get(request.cookies.get("session", ""))
    if grant is None:
        told = '<form method="post" action="/connect"><button>Connect your carbon account</button>'
    else:
        told = f"<p>{escape(figure(grant))}</p>"
    return HTMLResponse(f'<!doctype html><html lang="en"><title>Bank</title><h1>Loan</h1>{told}')


@app.post("/connect")
def connect() -> RedirectResponse:
    session = token_urlsafe()
    asked[session] = bank.ask(WANTED)
    answer = RedirectResponse(asked[session].url, status_code=303)
    answer.set_cookie("session", session, httponly=True, samesite="lax")  # and secure, with https
    return answer


@app.get("/back")
def back(request: Request) -> Response:
    session = request.cookies.get("session", "")
    try:
        grants[session] = bank.finish(asked.pop(session), request.query_params).grant
    except (KeyError, VaultError) as no:
        return HTMLResponse(f"<p>Not connected: {escape(type(no).__name__)}</p>", status_code=403)
    return RedirectResponse("/", status_code=303)


def figure(grant: bytes) -> str:
    try:
        total = bank.total(grant, bank.grant(grant).windows[0])
    except VaultError as no:  # NotClosed and NotMinted: later; Revoked, Expired: never again
        return f"no figure: {no.slug}"
    return f"{total.grams} g of CO2e, checked against: {total.checked}"


def poll() -> None:
    """What became of the grants; a real bank does this by a timer."""
    global seen
    for event in bank.events(seen):
        if event.event == "delete-asked":
            for session in [session for session, held in grants.items() if held == event.grant]:
                del grants[session]
            bank.delete(event.grant)  # the kept proofs too, and its person is told
        seen = event.n  # last: what failed is done again
