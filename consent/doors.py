"""The table of doors: what each route takes, what it gives, and how it may refuse (docs/api.md).

    "POST /v1/closes": Door(SOURCE, Signed(Close), replies.Closed, (*SIGNED, Gap, …))

openapi.py makes the OpenAPI page from it. The tests fail when a route is not in it, or when the
server gives an answer that it does not list.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from pydantic import BaseModel

from consent import replies
from consent.messages import (
    Ask,
    Bind,
    ConsentRequest,
    Grant,
    Pause,
    Resume,
    Revoke,
    Token,
    TokenPost,
)
from vault.errors import (
    Absent,
    AtomUsed,
    BadJws,
    BadPoint,
    BadScalar,
    BadShape,
    BadType,
    BeyondTemplate,
    DifferentBytes,
    Expired,
    Gap,
    LogUnavailable,
    NotClosed,
    NotFound,
    NotMinted,
    NotOffered,
    Paused,
    Revoked,
    StaleProof,
    StateChanged,
    TooEarly,
    TooLarge,
    TooLate,
    TooMany,
    TooSlow,
    UnknownKey,
    Unlinked,
    VaultError,
    WrongPurpose,
)
from vault.messages import Account, Attach, Batch, Close, Erase, Listing, Message, Reject, Unlink

Problem = type[VaultError]


class Signed(NamedTuple):
    """The body is a compact JWS of one of these messages."""

    messages: tuple[type[Message], ...]


class Members(NamedTuple):
    """The body is JSON of this shape; a member that is a JWS holds a message of that type."""

    shape: type[BaseModel]
    inside: Mapping[str, type[Message]] = MappingProxyType({})


class Raw(NamedTuple):
    """The body is at most so many bytes that the vault cannot read."""

    most: int
    says: str


class Plain(NamedTuple):
    """The answer is not JSON but of this media type."""

    media: str
    says: str


class Door(NamedTuple):
    """One route: who calls it, its body, its good answer, its problems, its parameters.

    `by` is empty for anybody without a proof. `query` and `headers` name entries of PARAMETERS,
    required ones with `!`; `etag` says that the answer has one; `fails` that there is a 503
    which is no problem.
    """

    by: str
    takes: Signed | Members | Raw | None
    gives: type[BaseModel] | Plain
    problems: tuple[Problem, ...] = ()
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    etag: bool = False
    fails: bool = False


def signed(*messages: type[Message]) -> Signed:
    """Return a body that is one of these messages."""
    return Signed(messages)


NEWCOMER, HOLDER, SOURCE = "newcomer", "holder", "source"
PLATFORM, AUDITOR, ANYBODY = "platform", "auditor", ""

PUBLIC = (TooMany,)
CALLED = (StaleProof, TooSlow, TooLarge, TooMany, LogUnavailable)
SIGNED = (*CALLED, BadJws, BadType, BadShape, UnknownKey)
LISTED = (*CALLED, UnknownKey)  # whoever the directory must list in a role

DOORS: Mapping[str, Door] = MappingProxyType(
    {
        # Anybody
        "GET /v1/time": Door(ANYBODY, None, replies.Time, PUBLIC),
        "GET /v1/directory": Door(
            ANYBODY, None, replies.DirectoryInForce, (*PUBLIC, LogUnavailable)
        ),
        "GET /v1/wraps/{wrap}": Door(ANYBODY, None, replies.Wrap, (*PUBLIC, NotFound)),
        "GET /v1/templates": Door(ANYBODY, None, replies.Templates, PUBLIC),
        "GET /v1/methodology": Door(ANYBODY, None, replies.ReleaseList, (*PUBLIC, LogUnavailable)),
        "GET /v1/methodology/{release}": Door(
            ANYBODY,
            None,
            Plain("application/toml", "the release file, byte for byte as its hash is over it"),
            (*PUBLIC, NotFound),
        ),
        "GET /v1/methodology/{release}/{behaviour}": Door(
            ANYBODY,
            None,
            Plain("application/toml", "the behaviour file that the release pins, byte for byte"),
            (*PUBLIC, NotFound),
        ),
        "GET /authorize": Door(
            ANYBODY,
            None,
            replies.HandedOver,
            (*PUBLIC, BadShape, NotFound),
            query=("client_id!", "request_uri!"),
        ),
        "GET /": Door(ANYBODY, None, Plain("text/html; charset=utf-8", "the web app"), (NotFound,)),
        "GET /app/{version}/{file}": Door(
            ANYBODY,
            None,
            Plain("text/javascript; charset=utf-8", "a module; styles are text/css"),
            (NotFound,),
        ),
        "GET /sw.js": Door(
            ANYBODY,
            None,
            Plain("text/javascript; charset=utf-8", "the service worker"),
            (NotFound,),
        ),
        "GET /manifest.webmanifest": Door(
            ANYBODY,
            None,
            Plain("application/manifest+json", "what a device shows of the app"),
            (NotFound,),
        ),
        "GET /icon.svg": Door(ANYBODY, None, Plain("image/svg+xml", "the icon"), (NotFound,)),
        "GET /v1/web": Door(ANYBODY, None, replies.WebReply, (*PUBLIC, NotFound)),
        "GET /openapi.json": Door(
            ANYBODY, None, Plain("application/json", "this page, without examples"), PUBLIC
        ),
        "GET /v1/log": Door(ANYBODY, None, replies.LogStanding, (*PUBLIC, LogUnavailable)),
        "GET /log/checkpoint": Door(
            ANYBODY,
            None,
            Plain(
                "text/plain; charset=utf-8",
                "the first log's newest checkpoint that the witnesses cosigned",
            ),
            (LogUnavailable,),
        ),
        "GET /log/{path}": Door(
            ANYBODY,
            None,
            Plain(
                "application/octet-stream",
                "a tile or entry bundle (C2SP tlog-tiles); <name>/checkpoint is text/plain",
            ),
            (NotFound, LogUnavailable),
        ),
        "GET /healthz": Door(ANYBODY, None, Plain("text/plain; charset=utf-8", "ok")),
        "GET /readyz": Door(ANYBODY, None, replies.Ready, fails=True),
        "GET /metrics": Door(
            ANYBODY,
            None,
            Plain("text/plain; charset=utf-8", "Prometheus text, for callers on this machine"),
            (NotFound,),
        ),
        # The auditor
        "POST /v1/directory": Door(
            AUDITOR, signed(Listing), replies.Proved, (*SIGNED, BadPoint, DifferentBytes)
        ),
        "GET /v1/audit/entries": Door(
            AUDITOR, None, replies.Entries, (*LISTED, BadShape), query=("first",)
        ),
        # Sources
        "POST /v1/batches": Door(
            SOURCE,
            signed(Batch),
            replies.Received,
            (*SIGNED, NotFound, DifferentBytes, Unlinked, Gap),
        ),
        "POST /v1/closes": Door(
            SOURCE,
            signed(Close),
            replies.Closed,
            (
                *SIGNED,
                BadPoint,
                BadScalar,
                NotFound,
                DifferentBytes,
                Unlinked,
                Absent,
                TooEarly,
                TooLate,
            ),
        ),
        "GET /v1/links/{link}": Door(SOURCE, None, replies.SourceLink, (*LISTED, NotFound)),
        "POST /v1/links/{link}/unlink": Door(
            SOURCE, signed(Unlink), replies.Proved, (*SIGNED, NotFound, Unlinked)
        ),
        # Platforms
        "POST /v1/requests": Door(
            PLATFORM, signed(ConsentRequest), replies.Pushed, (*SIGNED, BeyondTemplate, NotOffered)
        ),
        "GET /v1/requests/{handle}": Door(PLATFORM, None, replies.Outcome, (*LISTED, NotFound)),
        "POST /v1/releases": Door(
            PLATFORM,
            Members(Ask),
            replies.Released,
            (
                *LISTED,
                BadShape,
                NotFound,
                Revoked,
                Paused,
                Expired,
                WrongPurpose,
                NotMinted,
                NotClosed,
                Absent,
            ),
        ),
        "GET /v1/grants/{grant}": Door(PLATFORM, None, replies.PlatformGrant, (*LISTED, NotFound)),
        "POST /v1/grants/{grant}/deleted": Door(PLATFORM, None, replies.Done, (*LISTED, NotFound)),
        "GET /v1/events": Door(
            PLATFORM, None, replies.Events, (*LISTED, BadShape), query=("after",)
        ),
        # Holders
        "POST /v1/holder": Door(
            NEWCOMER,
            signed(Account),
            replies.Proved,
            (*CALLED, BadJws, BadType, BadShape, BadPoint, DifferentBytes),
        ),
        "DELETE /v1/holder": Door(HOLDER, signed(Erase), replies.ErasedReply, (*SIGNED, BadPoint)),
        "GET /v1/holder/wraps": Door(HOLDER, None, replies.Wraps, CALLED),
        "PUT /v1/holder/wraps/{wrap}": Door(
            HOLDER,
            Raw(256, "a wrap: the holder's root, sealed"),
            replies.Done,
            (*LISTED, BadShape, NotFound, DifferentBytes),
            query=("life",),
        ),
        "DELETE /v1/holder/wraps/{wrap}": Door(HOLDER, None, replies.Done, (*CALLED, NotFound)),
        "GET /v1/holder/state": Door(HOLDER, None, replies.State, LISTED, etag=True),
        "PUT /v1/holder/state": Door(
            HOLDER,
            Raw(1 << 20, "the holder's state, sealed"),
            replies.Done,
            (*LISTED, BadShape, StateChanged),
            headers=("If-Match!",),
            etag=True,
        ),
        "POST /v1/holder/links": Door(
            HOLDER, signed(Attach), replies.Proved, (*SIGNED, DifferentBytes, TooEarly, TooLate)
        ),
        "GET /v1/holder/links": Door(HOLDER, None, replies.Links, CALLED),
        "GET /v1/holder/links/{link}/batches": Door(
            HOLDER, None, replies.Batches, (*CALLED, BadShape, NotFound), query=("first",)
        ),
        "GET /v1/holder/links/{link}/closes": Door(
            HOLDER, None, replies.Closes, (*CALLED, NotFound)
        ),
        "POST /v1/holder/links/{link}/unlink": Door(
            HOLDER, signed(Unlink), replies.Proved, (*SIGNED, NotFound, Unlinked)
        ),
        "POST /v1/holder/links/{link}/reject": Door(
            HOLDER, signed(Reject), replies.Proved, (*SIGNED, NotFound, DifferentBytes)
        ),
        "POST /v1/holder/binds": Door(
            HOLDER, signed(Bind), replies.Proved, (*SIGNED, BadPoint, DifferentBytes)
        ),
        "POST /v1/holder/grants": Door(
            HOLDER,
            signed(Grant),
            replies.Proved,
            (
                *SIGNED,
                BadPoint,
                NotOffered,
                BeyondTemplate,
                Expired,
                Revoked,
                NotFound,
                DifferentBytes,
            ),
        ),
        "GET /v1/holder/grants": Door(HOLDER, None, replies.Grants, CALLED),
        "POST /v1/holder/grants/{grant}/status": Door(
            HOLDER, signed(Revoke, Pause, Resume), replies.Proved, (*SIGNED, NotFound, Revoked)
        ),
        "POST /v1/holder/grants/{grant}/deletion": Door(
            HOLDER, None, replies.Done, (*CALLED, NotFound)
        ),
        "POST /v1/holder/tokens": Door(
            HOLDER,
            Members(TokenPost, MappingProxyType({"token": Token})),
            replies.Proved,
            (
                *SIGNED,
                NotFound,
                DifferentBytes,
                Revoked,
                Paused,
                Expired,
                TooEarly,
                Absent,
                AtomUsed,
            ),
        ),
        "GET /v1/holder/tokens": Door(HOLDER, None, replies.Tokens, CALLED),
        "GET /v1/holder/entries": Door(
            HOLDER, None, replies.OwnEntries, (*CALLED, BadShape), query=("first",)
        ),
        "GET /v1/holder/releases": Door(HOLDER, None, replies.Releases, CALLED),
        "GET /v1/holder/requests": Door(HOLDER, None, replies.HolderRequests, CALLED),
        "POST /v1/holder/requests/{handle}": Door(
            HOLDER, None, replies.HolderRequest, (*CALLED, NotFound)
        ),
        "POST /v1/holder/requests/{handle}/decline": Door(
            HOLDER, None, replies.Proved, (*CALLED, NotFound, Expired, DifferentBytes)
        ),
    }
)
