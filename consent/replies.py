r"""What the server answers, route by route: the members of each good answer (docs/api.md).

    POST /v1/closes    200  {"receipt":"eyJhbGciOi…","proof":"c2sp.org/tlog-proof@v1\nextra …"}

These describe: the routes write the answers, and tests hold the two together. An answer may gain
members under /v1, so a reader passes over those it does not know.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel, WithJsonSchema

from consent.events import Kind
from consent.templates import Template
from vault.messages import Hash, Id, MonthText, PartyId, Sealed, Unix, text_like

JWS = r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}"


def jws_of(*types: str) -> WithJsonSchema:
    """Return the description of a compact JWS of one of these types."""
    says = f"compact JWS: {' or '.join(types)}"
    return WithJsonSchema({"type": "string", "pattern": f"^{JWS}$", "description": says})


_PROOF = {
    "type": "string",
    "pattern": r"^c2sp\.org/tlog-proof@v1\n",
    "description": "proof that the text is in the log (C2SP tlog-proof)",
}
Proof = Annotated[str, WithJsonSchema(_PROOF)]
DirectoryText = Annotated[str, jws_of("cv1-directory")]
ReceiptText = Annotated[str, jws_of("cv1-receipt")]
BatchText = Annotated[str, jws_of("cv1-batch")]
CloseText = Annotated[str, jws_of("cv1-close")]
RequestText = Annotated[str, jws_of("cv1-request")]
GrantText = Annotated[str, jws_of("cv1-grant")]
TokenText = Annotated[str, jws_of("cv1-token")]
ReleaseText = Annotated[str, jws_of("cv1-release")]
AbsentText = Annotated[str, jws_of("cv1-absent")]
RejectText = Annotated[str, jws_of("cv1-reject")]
EndingText = Annotated[str, jws_of("cv1-absent", "cv1-reject", "cv1-unlink")]
ErasedText = Annotated[str, jws_of("cv1-erased")]
WebText = Annotated[str, jws_of("cv1-web")]
LoggedText = Annotated[str, jws_of("any type that is logged")]
Handle = Annotated[str, text_like("[0-9a-f]{20}")]
RequestUri = Annotated[str, text_like("urn:carbonvault:request:[0-9a-f]{20}")]
Counter = Annotated[int, Field(ge=0)]
GrantState = Literal["live", "paused", "revoked", "replaced"]
RequestState = Literal["open", "granted", "declined", "expired"]
Fault = Annotated[str, Field(description="ok, or what is wrong")]


class Reply(BaseModel):
    """An answer, or an object in one."""


class Done(Reply):
    """It is done; there is nothing to say about it."""


class Proved(Reply):
    """What was sent is in the log."""

    proof: Proof


class Time(Reply):
    """The clock that moves months and slots, for screens."""

    now: Unix


class Turn(Reply):
    """A directory that was the last entry of its log and names the next one."""

    directory: DirectoryText
    proof: Proof


class DirectoryInForce(Reply):
    """The directory in force; `turns` is there once a log ended, oldest first."""

    directory: DirectoryText
    proof: Proof
    turns: list[Turn] | None = None


class Wrap(Reply):
    """A wrap's bytes."""

    blob: Sealed


class WrapLife(Reply):
    """A wrap by id; `until` is null for one that stays until it is deleted."""

    wrap: Id
    until: Unix | None


class Wraps(Reply):
    """The wraps of the caller."""

    wraps: list[WrapLife]


class State(Reply):
    """The sealed state; its counter is the ETag."""

    state: Sealed


class LinkReply(Reply):
    """A link of the caller."""

    link: Id
    source: PartyId
    begins: MonthText = Field(alias="from")
    state: Literal["attached", "unlinked"]


class Links(Reply):
    """Every link ever attached to the caller's account."""

    links: list[LinkReply]


class StoredBatch(Reply):
    """A batch and the vault's receipt for it."""

    seq: Counter
    batch: BatchText
    receipt: ReceiptText


class Batches(Reply):
    """A page of batches; `next` is the `first` of the next page, null at the end."""

    batches: list[StoredBatch]
    next: Counter | None


class StoredClose(Reply):
    """A close and the vault's receipt for it."""

    close: CloseText
    receipt: ReceiptText


class Ending(Reply):
    """A text that makes a month absent, and its proof."""

    text: EndingText
    proof: Proof


class Closes(Reply):
    """A link's closes, and all that makes a month of it absent."""

    closes: list[StoredClose]
    absents: list[Ending]


class SourceLink(Reply):
    """A link as its source sees it; `ends` is the month of its unlink."""

    state: Literal["attached", "unlinked"]
    ends: MonthText | None
    receipts: list[ReceiptText]
    absents: list[AbsentText]
    rejects: list[RejectText]


class Received(Reply):
    """The vault's receipt, the same one for the same bytes."""

    receipt: ReceiptText


class Closed(Received):
    """The vault's receipt, and the proof that the close is in the log."""

    proof: Proof


class DeletionReply(Reply):
    """When a deletion was asked for, and since when the platform says that it is done."""

    asked: Unix
    done: Unix | None


class HolderGrant(Reply):
    """A grant of the caller; `n` counts its status messages."""

    grant: GrantText
    state: GrantState
    n: Counter
    deletion: DeletionReply | None = None


class Grants(Reply):
    """Every grant of the caller."""

    grants: list[HolderGrant]


class TokenOnly(Reply):
    """A token without its sealed bytes, which no answer to a holder holds."""

    token: TokenText


class Tokens(Reply):
    """Every token of the caller."""

    tokens: list[TokenOnly]


class LoggedEntry(Reply):
    """A text of the log: its leaf is SHA-256(salt || u64be(at) || text)."""

    index: Counter
    at: Unix
    salt: Id
    text: LoggedText


class Entries(Reply):
    """Logged texts, in the log's order."""

    entries: list[LoggedEntry]


class OwnLoggedEntry(LoggedEntry):
    """A text of the log that concerns the caller, and its proof."""

    proof: Proof


class OwnEntries(Reply):
    """A page of the caller's entries; `next` is the `first` of the next page, null at the end."""

    entries: list[OwnLoggedEntry]
    next: Counter | None


class ProvedRelease(Reply):
    """A release and its proof."""

    release: ReleaseText
    proof: Proof


class Releases(Reply):
    """Every release of the caller's grants."""

    releases: list[ProvedRelease]


class ErasedReply(Reply):
    """The proofs of the erase and of the vault's word what it deleted."""

    proof: Proof
    erased: ErasedText
    erased_proof: Proof


class Pushed(Reply):
    """Where the person opens the request (RFC 9126), or the code to type instead."""

    request_uri: RequestUri
    code: Annotated[str, Field(pattern="^[0-9A-HJKMNP-TV-Z*~$=U-]+$")]
    expires_in: Annotated[int, Field(ge=0, le=600)]


class Outcome(Reply):
    """What became of a request; `grant` is the id once it was granted."""

    state: RequestState
    grant: Id | None


class HandedOver(Reply):
    """An open request, for the page that the person's browser lands on."""

    client_id: PartyId
    name: str
    handle: Handle
    expires_in: Annotated[int, Field(ge=0, le=600)]


class HolderRequest(Reply):
    """A request that the caller opened."""

    handle: Handle
    request: RequestText
    state: RequestState
    until: Unix
    grant: Id | None


class HolderRequests(Reply):
    """Every request that the caller opened."""

    requests: list[HolderRequest]


class EventReply(Reply):
    """What became of a grant; `n` rises and is the cursor."""

    n: Counter
    grant: Id
    event: Kind
    at: Unix


class Events(Reply):
    """A page of events; `next` is the `after` of the next page, null at the end."""

    events: list[EventReply]
    next: Counter | None


class Shown(Reply):
    """A close that a grant with `show_sources` shows its platform."""

    close: CloseText


class Released(Reply):
    """A blind sum, the token that opens it, and what proves both."""

    release: ReleaseText
    grant: GrantText
    sealed: Sealed
    closes: list[Shown]
    proof: Proof


class PlatformGrant(Reply):
    """A grant to the calling platform."""

    grant: GrantText
    state: GrantState


class WebReply(Reply):
    """The newest list of the web app's files, and the proof that it is in the log."""

    web: WebText
    proof: Proof


class Templates(RootModel[dict[str, Template]]):
    """The purpose templates by id."""


class ReleaseInForce(Reply):
    """A methodology release, the SHA-256 of its file, and its first booking month."""

    id: str
    sha256: Hash
    begins: MonthText = Field(alias="from")


class ReleaseList(Reply):
    """The methodology releases that the directory lists."""

    releases: list[ReleaseInForce]


class CosignedSize(Reply):
    """The newest checkpoint with the quorum; `at` is the time of its oldest cosignature."""

    size: Counter
    at: Unix


class Quorum(Reply):
    """What the vault's own policy asks for (`none`: nothing), and how many the directory does."""

    policy: str
    directory: Counter


class WitnessSeen(Reply):
    """A witness, what it cosigned last, and how it answered last; size and time 0: not yet."""

    name: str
    size: Counter
    at: Unix
    state: Literal["ok", "missing", "unknown"]


class EndedLog(Reply):
    """A log that ended, and its last checkpoint once that had the quorum."""

    origin: str
    size: Counter
    cosigned: CosignedSize | None


class LogStanding(Reply):
    """How far the log is and its witnesses are; `held`: no release would be answered now.

    `earlier` is there once a log ended, oldest first; all else is of the log that goes on.
    """

    origin: str
    size: Counter
    cosigned: CosignedSize | None
    quorum: Quorum
    witnesses: list[WitnessSeen]
    held: bool
    earlier: list[EndedLog] | None = None


class Ready(Reply):
    """What the server stands on."""

    database: Fault
    directory: Fault
    log: Fault
    witnesses: Literal["ok", "held", "none"]


class Problem(Reply):
    """An error (RFC 9457); `type` is the slug of docs/api.md, `title` a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    statement: AbsentText | None = None
