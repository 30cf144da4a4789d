r"""Receipts: what somebody allowed, proved without a server (docs/consent-record.md).

    {"type":"consent-receipt","grant":"eyJhbGciOi…","proof":"c2sp.org/tlog-proof@v1\nextra …",
     "directory":"eyJhbGciOi…","directory_proof":"c2sp.org/tlog-proof@v1\n…","notice":"Harbour …"}

A receipt holds all that is needed to check it: it goes on verifying when the grant was stopped,
when the directory has expired, and when the vault is gone. It proves what was allowed and when
that was logged, not that it still goes on; `history` tells that from the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from consent.log.proof import Logged
from consent.log.tlog_policy import LogPolicy
from consent.messages import Grant, Pause, Resume, Revoke
from consent.notices import notice_hash, render_notice
from consent.policy import Policy, check_first, check_logged
from consent.turns import ProofText, Turn, read_by, walk_turns
from vault.directory import Directory
from vault.encoding import Envelope, Json, compact_json, read_envelope
from vault.errors import BadDirectory, BadInput, BadProof, BadShape, BadType, NotFound
from vault.messages import Jws, Shape
from vault.wire import objects_of, text_of


class Receipt(Shape):
    """A grant and its log proof, the directory that they verify under and its own, the notice.

    `notice` is the text as it was rendered; it stays away when its words can no longer be made
    again, and the grant's hash of it is then all that there is. `turns` lead to the directory's log
    from those that ended before it, for whoever pinned one of these.
    """

    type: Literal["consent-receipt"]
    grant: Jws
    proof: ProofText
    directory: Jws
    directory_proof: ProofText
    notice: Annotated[str, Field(min_length=1, max_length=1 << 14)] | None = None
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)] | None = None


def make_receipt(
    grant: str,
    proof: str,
    directory: Directory,
    directory_proof: str,
    own: LogPolicy | None = None,
    turns: tuple[Turn, ...] = (),
) -> bytes:
    """Return a receipt, UTF-8 JSON, once it verifies under a directory that was accepted.

    Args:
        grant: the `cv1-grant` as it was logged.
        proof: its proof file.
        directory: the directory in force.
        directory_proof: the proof file of that directory's text.
        own: the holder's own policy file.
        turns: every turn so far, as the vault serves them.

    Raises:
        NotWitnessed: the witnesses did not see the grant or the directory yet: ask again later.
        BadProof, BadDirectory, BadJws, BadShape: as verify_receipt.
    """
    made = Receipt(
        type="consent-receipt",
        grant=grant,
        proof=proof,
        directory=directory.text,
        directory_proof=directory_proof,
        notice=_notice(Grant.opened(read_envelope(grant, Grant.typ)), directory),
        turns=turns or None,
    )
    check_receipt(made, directory, own)
    return compact_json(made.plain())


def _notice(grant: Grant, directory: Directory) -> str | None:
    text = render_notice(grant, directory, grant.notice.locale)
    return text if notice_hash(text) == grant.notice.sha256 else None


def find_grant(body: Mapping[str, Json], grant_id: bytes) -> str:
    """Return the text of a grant (id 16 bytes) among those that a vault lists; raises NotFound."""
    for item in objects_of(body, "grants"):
        text = text_of(item, "grant")
        if Grant.opened(read_envelope(text, Grant.typ)).grant == grant_id:
            return text
    raise NotFound("no such grant of yours")


def verify_receipt(receipt: Receipt, policy: Policy, earlier: Iterable[str] = ()) -> Grant:
    """Return the grant that a receipt proves, with nothing but the receipt and two pinned keys.

    1. the directory is signed by the pinned auditor, or by a key that an earlier directory names as
    the next; a demonstration's only where one was asked for. 2. it names the pinned log, or one
    that the pinned one turned to. 3. all that check_receipt checks.

    Args:
        receipt: the receipt.
        policy: what is pinned; its `trust` must hold too, its `fresh` is not asked.
        earlier: directories that lead from the pinned auditor to the one who signed the receipt's,
            oldest first; none when that is the pinned auditor.

    Not checked, on purpose: that the directory has not expired (expiry makes a client fetch the
    next one; what was signed and logged under it stays so), that it was the one in force when the
    grant was given (any later one keeps every party and names the same log), and the grant's own
    state.

    Raises:
        NotWitnessed: too few of the directory's witnesses, or of the policy's own, cosigned.
        BadDirectory, BadProof, BadJws, BadType, BadShape, BadPoint: a check fails.
    """
    auditors = [policy.auditor, *_later_keys(policy, earlier)]
    try:
        directory = read_by(receipt.directory, auditors, policy.demo)  # 1
    except BadInput as bad:
        raise BadDirectory("the directory is not signed by the pinned auditor") from bad
    check = partial(check_logged, directory, own=policy.trust)
    walk_turns(directory, receipt.turns or (), policy.log, auditors, check)  # 2
    return check_receipt(receipt, directory, policy.trust)  # 3


def _later_keys(policy: Policy, earlier: Iterable[str]) -> list[bytes]:
    """Return the auditor keys that a chain of directories leads to; raises BadDirectory."""
    keys, version = list[bytes](), 0
    for text in earlier:
        listing = read_by(text, (policy.auditor, *keys), policy.demo).listing
        if listing.version <= version:
            raise BadDirectory("earlier directories are given oldest first")
        version = listing.version
        if listing.next is not None:
            keys.append(listing.next)
    return keys


def check_receipt(receipt: Receipt, directory: Directory, own: LogPolicy | None = None) -> Grant:
    """Return the grant of a receipt whose directory was accepted.

    1. the directory stands in its own log, as a quorum of witnesses saw it. 2. the grant stands in
    that log too, in the same tree, or in one that ended before.
    3. it is signed by the key that it names. 4. its platform is listed, and of the organisation
    that the grant names. 5. the notice is the one whose hash was signed.

    Raises:
        NotWitnessed: the quorum is missing in one of the two proofs.
        BadDirectory, BadProof, BadJws, BadType, BadShape, BadPoint: a check fails.
    """
    listed = check_logged(directory, receipt.directory, receipt.directory_proof, own)
    check_first(directory, listed)  # 1
    _check_one_tree(listed, check_logged(directory, receipt.grant, receipt.proof, own))  # 2
    envelope = read_envelope(receipt.grant, Grant.typ)
    envelope.verify_introduced()  # 3
    grant = Grant.opened(envelope)
    party = directory.find(grant.platform)
    if party is None or party.org != grant.org:
        raise BadDirectory("the directory lists no such platform of this organisation")  # 4
    if receipt.notice is not None and notice_hash(receipt.notice) != grant.notice.sha256:
        raise BadShape("notice: not the text whose hash was signed")  # 5
    return grant


def _check_one_tree(one: Logged, other: Logged) -> None:
    # Of two sizes nothing can be said offline; of one size a log has one tree.
    same = (one.origin, one.size) == (other.origin, other.size)
    if same and one.root != other.root:
        raise BadProof("the two proofs are of two logs that say different things")
    if one.index == other.index:
        raise BadProof("one place in the log cannot hold both a directory and a grant")


# What became of it

State = Literal["given", "paused", "resumed", "replaced", "withdrawn", "expired"]
ENDS: frozenset[State] = frozenset({"replaced", "withdrawn", "expired"})
_STATES: dict[str, State] = {Revoke.typ: "withdrawn", Pause.typ: "paused", Resume.typ: "resumed"}


@dataclass(frozen=True, order=True)
class OwnEntry:
    """A text of the log that concerns its reader; `at` is unix seconds by the vault's log."""

    index: int
    at: int
    text: str


@dataclass(frozen=True)
class Event:
    """What happened to a grant; `index` is None for an expiry, which nobody signs.

    ``by`` is the id of the grant that replaced it.
    """

    state: State
    at: int
    index: int | None = None
    by: bytes | None = None


def history(grant: Grant, entries: Iterable[OwnEntry], now: int) -> list[Event]:
    """Return what became of a grant until `now`: given, (paused | resumed)*, then at most one end.

    The ends are replaced, withdrawn and expired; what comes after an end changes nothing and is
    left out. `entries` are the person's own, in any order.

    Raises:
        BadShape: they do not hold the grant, or leave out one of its status messages.
        BadJws: one that names this grant is not signed by the key that gave it.
    """
    events: list[Event] = []
    for event in _told(grant, sorted(entries)):
        if (event.state == "given") == bool(events):
            raise BadShape("these entries of the log do not begin with the grant, once")
        if event.at >= grant.until:
            break
        events.append(event)
        if event.state in ENDS:
            return events
    if not events:
        raise BadShape("these entries of the log do not hold the grant")
    if now >= grant.until:
        events.append(Event("expired", grant.until))
    return events


def _told(grant: Grant, entries: Iterable[OwnEntry]) -> Iterator[Event]:
    count = 0
    for entry in entries:
        envelope = _envelope(entry.text)
        if envelope is None:
            continue
        if envelope.typ == Grant.typ:
            yield from _of_grant(grant, entry, envelope)
            continue
        message = Revoke.opened(envelope)  # the three have the same members
        if message.grant != grant.grant:
            continue
        envelope.verify(grant.pk)
        count += 1
        if message.n != count:
            raise BadShape(f"these entries of the log leave out status {count} of the grant")
        yield Event(_STATES[envelope.typ], entry.at, entry.index)


def _of_grant(grant: Grant, entry: OwnEntry, envelope: Envelope) -> Iterator[Event]:
    other = Grant.opened(envelope)
    if grant.grant not in (other.grant, other.replaces):
        return
    envelope.verify(grant.pk)
    if other.grant == grant.grant:
        yield Event("given", entry.at, entry.index)
    else:
        yield Event("replaced", entry.at, entry.index, other.grant)


def _envelope(text: str) -> Envelope | None:
    try:
        return read_envelope(text, Grant.typ, *_STATES)
    except BadType:
        return None


def read_entries(body: Mapping[str, Json]) -> list[OwnEntry]:
    """Return the entries that the vault lists to their holder; raises BadShape."""
    return [_entry(item) for item in objects_of(body, "entries")]


def _entry(item: Mapping[str, Json]) -> OwnEntry:
    index, at = item.get("index"), item.get("at")
    if not isinstance(index, int) or not isinstance(at, int):
        raise BadShape("an entry of the log has an index and a time")
    return OwnEntry(index, at, text_of(item, "text"))
