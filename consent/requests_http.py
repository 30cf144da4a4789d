"""The routes of what a platform asks for: pushed, opened by one person, decided once (RFC 9126).

    POST /v1/requests                        {"request_uri":"urn:carbonvault:request:…","code":"…"}
    GET  /authorize?client_id=&request_uri=  the page for a browser, the handle for an app
    POST /v1/holder/requests/<handle>        from now on it is the caller's alone

The rules are in consent/requests.py; docs/protocol.md section 5, "Request".
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from consent import requests, site_http
from vault import register
from vault.calls import CallIn, Service, ServiceIn, answer, limit_public
from vault.crypto.keys import write_symbols
from vault.encoding import Json
from vault.errors import BadShape
from vault.storage.database import Transaction

router = APIRouter()


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
