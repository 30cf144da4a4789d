"""What ends a link's months, verified on the holder's side before any token leaves them out.

A month is absent by the vault's logged word, by the holder's own logged reject, or by the unlink of
either side. Each text is checked with its log proof, cosigned by a quorum of witnesses: a vault
that says so only to one holder is found by the auditor (docs/protocol.md section 5, "The guard").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from consent.log.tlog_policy import LogPolicy
from consent.policy import check_logged
from vault.directory import Directory
from vault.encoding import Envelope, read_envelope, text_hash
from vault.errors import BadShape
from vault.messages import AbsentMonth, Close, Reject, Unlink
from vault.months import Month, close_slot
from vault.wire import Wire, objects_of, text_of

TOLERANCE = 3600


@dataclass
class Endings:
    """A link's absent months; `ends` is the month of its unlink, absent like all later ones."""

    absent: set[Month] = field(default_factory=set)
    ends: Month | None = None


def fetch_endings(
    wire: Wire,
    knowing: Callable[[str], Directory],
    account: bytes,
    link: bytes,
    source: str,
    now: int,
    own: LogPolicy | None = None,
) -> Endings:
    """Return what makes months of a link absent, every text and its place in the log verified.

    Args:
        wire: speaks as the account.
        knowing: gives the directory that a proof file is checked by: the log may have turned.
        account: the account's public key, 32 bytes.
        link: the link's id.
        source: the link's source.
        now: unix seconds by the holder's own clock: no slot is over before it is over here too.
        own: the holder's own policy file.

    Raises:
        NotWitnessed: a text that too few witnesses saw yet: no token leaves its month out so long.
        BadShape, BadJws, BadProof, UnknownKey: the vault shows something that is no such text.
    """
    body = wire.get(f"/v1/holder/links/{link.hex()}/closes").body
    closes = {text_hash(t): t for t in (text_of(i, "close") for i in objects_of(body, "closes"))}
    found = Endings()
    for item in objects_of(body, "absents"):
        text, proof = text_of(item, "text"), text_of(item, "proof")
        directory = knowing(proof)
        place = check_logged(directory, text, proof, own, witnessed=True)
        envelope = read_envelope(text, AbsentMonth.typ, Reject.typ, Unlink.typ)
        if envelope.typ == Unlink.typ:
            _check_unlink(directory, envelope, account, link, source)
            if place.at < Unlink.opened(envelope).iat - TOLERANCE:
                raise BadShape("the log calls an unlink older than the message itself")
            ends = directory.month_at(place.at)
            found.ends = min(found.ends or ends, ends)
        elif envelope.typ == Reject.typ:
            envelope.verify(account)
            found.absent.add(_rejected(closes, Reject.opened(envelope).close, link))
        else:
            envelope.verify(directory.vault_key_ever(envelope.kid))
            found.absent.add(_absent(directory, AbsentMonth.opened(envelope), link, now))
    return found


def _absent(directory: Directory, message: AbsentMonth, link: bytes, now: int) -> Month:
    if message.link != link:
        raise BadShape("the vault shows an absent of another link")
    _, over = close_slot(message.month, directory.listing.zone)
    if now < over - TOLERANCE:
        raise BadShape(f"the vault calls {message.month} absent before its slot is over")
    return message.month


def _rejected(closes: dict[bytes, str], name: bytes, link: bytes) -> Month:
    if name not in closes:
        raise BadShape("the vault shows a reject of a close it does not show")
    close = Close.opened(read_envelope(closes[name], Close.typ))
    if close.link != link:
        raise BadShape("the vault shows a reject of another link")
    return close.month


def _check_unlink(
    directory: Directory, envelope: Envelope, account: bytes, link: bytes, source: str
) -> None:
    own = directory.keys_of(source)
    signer = next((pk for kid, pk in own.items() if kid == envelope.kid), account)
    envelope.verify(signer)
    if Unlink.opened(envelope).link != link:
        raise BadShape("the vault shows an unlink of another link")
