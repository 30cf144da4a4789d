"""What can be said of a log entry by itself, worked out side by side (protocol section 7).

    for page in read_pages(pages, jobs=2, known=(auditor_key,)):
        page.first, page.leaves, page.entries     # in log order, 256 entries a page

A *reading* says: the text is its leaf's, its members and points are in their only form, and its
signature holds under the key that its kid names. Whether that key may say this here is left to the
replay. An entry for which any of this fails has no reading, and the replay judges its text.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import NamedTuple, Protocol

from consent.log.proof import leaf_data
from consent.messages import (
    Bind,
    Erased,
    Grant,
    Pause,
    Refusal,
    Release,
    Resume,
    Revoke,
    Token,
    Web,
)
from consent.replay_state import Closed, shorten
from vault.encoding import Envelope, Json, b64u, read_envelope, text_hash, thumbprint, unb64u
from vault.errors import BadJws, BadPlace, BadShape, VaultError
from vault.messages import (
    AbsentMonth,
    Account,
    Attach,
    Close,
    Erase,
    Listing,
    Message,
    Reject,
    Unlink,
    parse_hex,
)

WAITING = 3  # pages in flight for each process
KINDS: dict[str, type[Message]] = {
    kind.typ: kind
    for kind in (
        *(Account, Bind, Attach, Unlink, Close, AbsentMonth, Reject, Grant, Token),
        *(Revoke, Pause, Resume, Release, Refusal, Erase, Erased, Web),
    )
}
_INTRODUCING = frozenset({Account.typ, Erase.typ})


@dataclass(frozen=True, slots=True)
class Served:
    """One text as the vault serves it to its auditor, with what ties it to its leaf."""

    index: int
    at: int
    salt: bytes
    text: str

    def check(self, leaf: bytes) -> None:
        """Return when the text is the leaf's; raises BadShape. A compact JWS is ASCII."""
        if not self.text.isascii() or leaf_data(self.salt, self.at, self.text) != leaf:
            raise BadShape("the text served is not the leaf's")


def read_served(item: Mapping[str, Json]) -> Served:
    """Return an entry of /v1/audit/entries; raises BadShape."""
    index, at, text = item.get("index"), item.get("at"), item.get("text")
    if not isinstance(index, int) or not isinstance(at, int) or not min(index, at) >= 0:
        raise BadShape("an entry has an index and a time")
    if at >= 2**63 or not isinstance(text, str):
        raise BadShape("an entry has a time of 63 bits, and a text")
    return Served(index, at, parse_hex(item.get("salt"), 16), text)


class Page(NamedTuple):
    """Leaves from index `first` on, and those of their texts that are there, by index."""

    first: int
    leaves: list[bytes]
    texts: dict[int, Served]

    def read(self) -> Page:
        """Return the page: it is read already."""
        return self

    def lines(self) -> Iterable[str]:
        """Return the texts."""
        return [served.text for served in self.texts.values()]


class PageSource(Protocol):
    """Where a page comes from: read by the process that works on it, so it can be pickled."""

    def read(self) -> Page:
        """Return the page."""

    def lines(self) -> Iterable[str]:
        """Return the page's texts, perhaps damaged: only keys are looked for in them."""


class Reading(NamedTuple):
    """What an entry says: its hash, kid and kind, the key that it verified under, its message.

    `introduced`: the key is the message's own `pk`.
    """

    at: int
    name: bytes
    kid: str
    typ: str
    public: bytes
    introduced: bool
    message: Message | Closed

    @property
    def envelope(self) -> Envelope:
        """The envelope, which remembers under which key it verified; its text is left away."""
        return Verified("", self.kid, self.typ, b"", b"", self.public, self.introduced)


@dataclass(frozen=True)
class Verified(Envelope):
    """An envelope whose signature holds under `public`, a key that hashes to its kid."""

    public: bytes
    introduced: bool

    def verify(self, public: bytes) -> None:
        """Return when this is the key; any other one does not hash to the kid. Raises BadJws."""
        if public != self.public:
            raise BadJws("the key does not hash to the message's kid")

    def verify_introduced(self) -> bytes:
        """Return the key when it was the message's own; raises BadJws."""
        if not self.introduced:
            raise BadJws("the message was not read as one that introduces its key")
        return self.public


class ReadPage(NamedTuple):
    """A page whose entries are readings, texts without a reading, or missing."""

    first: int
    leaves: list[bytes]
    entries: list[Reading | Served | None]


Keys = dict[str, bytes]
"""Public keys by the beginning of the base64url of a header with their kid."""


def read_page(source: PageSource, keys: Keys) -> ReadPage:
    """Return the page with a reading of each entry that can be read under one of these keys."""
    page = source.read()
    texts = [page.texts.get(page.first + offset) for offset in range(len(page.leaves))]
    entries = [
        served and (_read(served, leaf, keys) or served)
        for served, leaf in zip(texts, page.leaves, strict=True)
    ]
    return ReadPage(page.first, page.leaves, entries)


def leave_unread(source: PageSource) -> ReadPage:
    """Return the page as it is: the replay judges every text."""
    page = source.read()
    texts = [page.texts.get(page.first + offset) for offset in range(len(page.leaves))]
    return ReadPage(page.first, page.leaves, [*texts])


def _read(served: Served, leaf: bytes, keys: Keys) -> Reading | None:
    try:
        served.check(leaf)
        envelope = read_envelope(served.text, *KINDS)
        if envelope.typ in _INTRODUCING:
            public = envelope.verify_introduced()
        else:
            public = keys[_short(served.text)]
            envelope.verify(public)
        message: Message | Closed = KINDS[envelope.typ].opened(envelope)
    except (VaultError, KeyError):
        return None  # judged by its text, so that the finding is the same
    name = text_hash(served.text)
    if isinstance(message, Close):
        message = shorten(name, message)
    introduced = envelope.typ in _INTRODUCING
    return Reading(served.at, name, envelope.kid, envelope.typ, public, introduced, message)


# Keys: an entry's place in the log says which ones may sign, its kid says which one did.

_KID = slice(32, 64)  # 24 bytes of a kid, in the base64url of the only header there is
_TYP = 92  # where the base64url of the header's last member begins


def _short(text: str) -> str:
    return text[_KID]


def _short_of(public: bytes) -> str:
    header = f'{{"alg":"Ed25519","kid":"{thumbprint(public)}"'
    return b64u(header.encode("ascii"))[_KID]


def _tail(typ: str) -> str:
    return b64u(f'"typ":"{typ}"}}'.encode("ascii")) + "."


_TAILS = {kind.typ: _tail(kind.typ) for kind in (Account, Bind, Listing, Erased)}
_WITH_KEYS = tuple(_TAILS[kind.typ] for kind in (Account, Bind, Listing))


def says_erased(text: str) -> bool:
    """Whether the text looks like a `cv1-erased`; nothing of it is verified."""
    return text.startswith(_TAILS[Erased.typ], _TYP)


def says_directory(text: str) -> bool:
    """Whether the text looks like a `cv1-directory`; nothing of it is verified."""
    return text.startswith(_TAILS[Listing.typ], _TYP)


class KeyTable:
    """The keys that the log introduces, gathered ahead of the readings."""

    def __init__(self, known: Iterable[bytes]) -> None:
        """Start with keys that no entry introduces."""
        self._keys: Keys = {_short_of(public): public for public in known}

    def take(self, lines: Iterable[str]) -> Keys:
        """Return the keys that these texts are signed with, of those introduced so far or here."""
        texts = list(lines)
        for text in texts:
            if text.startswith(_WITH_KEYS, _TYP):
                self._keys |= {_short_of(public): public for public in _introduced(text)}
        wanted = {_short(text) for text in texts}
        return {short: self._keys[short] for short in wanted if short in self._keys}


def _introduced(text: str) -> list[bytes]:
    try:
        found = json.loads(unb64u(text.split(".")[1]))
        if text.startswith(_TAILS[Listing.typ], _TYP):
            named = [key["pk"] for party in found["entries"] for key in party["sig"]]
        else:
            named = [found["pk"]]
        return [unb64u(public, 32) for public in named]
    except (BadShape, ValueError, TypeError, LookupError, RecursionError):
        return []  # damaged: the replay says how


# The pool


def read_pages(
    sources: Iterable[PageSource], jobs: int, known: Iterable[bytes]
) -> Iterator[ReadPage]:
    """Return the pages in order, read by so many processes beside this one.

    Args:
        sources: pages in log order; those of a few pages ahead are asked for.
        jobs: 1: nothing is read ahead, and every entry is left to the replay.
        known: keys that sign and that no entry introduces.

    Raises:
        BadPlace: a process ended before its work.
        VaultError: a page cannot be read.
    """
    if jobs == 1:
        yield from map(leave_unread, sources)
        return
    table, waiting = KeyTable(known), deque[Future[ReadPage]]()
    # A fresh interpreter each: nothing of this one (threads, locks, keys) is copied into it.
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        try:
            for source in sources:
                waiting.append(pool.submit(read_page, source, table.take(source.lines())))
                if len(waiting) >= WAITING * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as bad:
            raise BadPlace("a process that reads entries ended before its work") from bad
        finally:
            pool.shutdown(cancel_futures=True)
