"""A colluding operator at work on a log: edits, drops, adds, reorders; re-signs what follows.

forger = Forger(tell())
forger.insert(forger.end, text, "grant")      a Mutant: the lines, and where a finding is wanted

The operator holds the vault's key. It may collude with sources, platforms, the old auditor's key
or a puppet holder (Eve); the keys of Ann, Bob and Dan it never holds.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import cast

import pytest

from consent.demo.cast import BANK, CITY
from consent.messages import Grant, LinkMonths, NoticeRef, Release, Token
from consent.notices import notice_hash, render_notice
from consent.replay import Finding, Replay
from consent.shown import combine, hash_closes
from tests.switched import Change
from tests.tale import AUDITOR_2, EAST_2, FIRST_AUDITOR, SOUTH, SOUTH_KEY, Line, Told
from tests.world import EAST, WEST, terms
from vault import encoding
from vault.crypto import keys
from vault.crypto.keys import SigningKey, account_key, consent_key
from vault.directory import Directory, read_directory
from vault.encoding import Json, b64u, read_envelope, sign_jws, text_hash, thumbprint
from vault.messages import Account, Attach, Close, Link, Listing, Party, Reject, Shape
from vault.months import Month, Window, join_window

Body = dict[str, Json]
STRANGER = SigningKey(b"\x3f" * 32)
HIDDEN = b"\xff" * 32  # a line that is not served, and that no erased covers


@contextmanager
def remembered() -> Iterator[None]:
    """Find out once what is true for ever: that a signature holds, and what bytes say.

    A thousand replays read the same entries. At the end each message still is what its bytes say:
    no replay changed one that another was given.
    """
    kept: dict[tuple[type[Shape], bytes], Shape] = {}
    read = Shape.__dict__["parse"].__func__

    def parse(cls: type[Shape], raw: bytes) -> Shape:
        if (cls, raw) not in kept:
            kept[cls, raw] = read(cls, raw)
        return kept[cls, raw]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "verify_signature", cache(keys.verify_signature))
        patch.setattr(encoding, "verify_signature", keys.verify_signature)
        patch.setattr(Shape, "parse", classmethod(parse))
        yield
    assert all(shape.parse(raw) == message for (shape, raw), message in kept.items())


@dataclass(frozen=True)
class Mutant:
    """A changed log, and the finding that it must give.

    `served` are lines that are served although an erased covers them; `seen` is what the auditor
    remembers of earlier audits.
    """

    label: str
    lines: tuple[Line, ...]
    index: int
    rule: str
    served: frozenset[int] = frozenset()
    seen: tuple[tuple[int, str], ...] = ()

    def replayed(self, auditor: bytes, replay: type[Replay] = Replay) -> list[Finding]:
        """Return what a replay of these lines finds."""
        found = replay(auditor, dict(self.seen))
        for index, line in enumerate(self.lines):
            if line.gone and index not in self.served:
                found.miss(index)
            else:
                found.take(index, line.at, line.text)
        found.finish()
        return sorted(found.findings)


def typ_of(text: str) -> str:
    """Return the kind of an entry, without cv1-."""
    return _header(text)["typ"].removeprefix("cv1-")


def kid_of(text: str) -> str:
    """Return the kid that an entry names."""
    return _header(text)["kid"]


def body_of(text: str) -> Body:
    """Return the members of an entry; they are not to be changed."""
    return _body(text)


@cache
def _header(text: str) -> dict[str, str]:
    return cast("dict[str, str]", json.loads(_part(text, 0)))


@cache
def _body(text: str) -> Body:
    return cast("Body", json.loads(_part(text, 1)))


def _part(text: str, number: int) -> bytes:
    part = text.split(".")[number]
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def edited(text: str, key: SigningKey, **changed: Json) -> str:
    """Return the entry with members changed, signed anew."""
    return sign_jws(f"cv1-{typ_of(text)}", {**body_of(text), **changed}, key)


def unsigned(text: str, **changed: Json) -> str:
    """Return the entry with members changed under the old signature."""
    header, _, signature = text.split(".")
    payload = json.dumps({**body_of(text), **changed}, separators=(",", ":"), ensure_ascii=False)
    return f"{header}.{b64u(payload.encode())}.{signature}"


@dataclass(frozen=True)
class Rule:
    """One rule of section 7: in our words, what a finding says, how a copy forgets it, its mutants.

    `overlap` names the other checks that `off` has to silence too, because every such mutant
    breaks them as well.
    """

    name: str
    words: str
    says: str
    off: tuple[Change, ...]
    mutants: Callable[[Forger], Iterator[Mutant]]
    overlap: str = ""


class Forger:
    """The operator, with the honest log in hand."""

    def __init__(self, told: Told) -> None:
        self.lines, self.world, self.people = told.lines, told.world, told.people
        self.end = len(told.lines)
        self.pinned = FIRST_AUDITOR.public
        self.vault = told.world.place.vault_key
        actors = told.world.cast.actors
        self.east, self.west = actors[EAST].key, actors[WEST].key
        self.bank, self.city = actors[BANK].key, actors[CITY].key
        root = self.people["eve"].root
        self.eve = account_key(root)
        self.eve_for = {org: consent_key(root, org) for org in (BANK, CITY)}
        self._keys = {
            thumbprint(key.public): key
            for key in (
                FIRST_AUDITOR,
                AUDITOR_2,
                STRANGER,
                self.east,
                EAST_2,
                self.west,
                SOUTH_KEY,
                self.vault,
                self.eve,
                *self.eve_for.values(),
            )
        }
        self.accounts = {name: p.holder.account for name, p in self.people.items()}
        self.owners = self._owners()
        self._made = 0

    def _owners(self) -> dict[int, str]:
        replay = Replay(self.pinned)
        for index, line in enumerate(self.lines):
            if not line.gone:
                replay.take(index, line.at, line.text)
        gone = {i: self.accounts["dan"] for i, line in enumerate(self.lines) if line.gone}
        return {**replay.owners, **gone}

    # What stands in the log

    def find(self, typ: str, where: Callable[[Body], bool] = lambda _: True) -> list[int]:
        """Return the indexes of the served entries of a kind."""
        return [
            i
            for i, line in enumerate(self.lines)
            if not line.gone and typ_of(line.text) == typ and where(body_of(line.text))
        ]

    def text(self, index: int) -> str:
        """Return an entry's text."""
        return self.lines[index].text

    def key_of(self, index: int) -> SigningKey:
        """Return the key that signed an entry, when the operator or an accomplice holds it."""
        return self._keys[kid_of(self.text(index))]

    def links(self, name: str, source: str) -> list[bytes]:
        """Return a person's links to a source, in the order of attachment."""
        found = []
        for i in self.find("attach"):
            link = Link.opened(read_envelope(str(body_of(self.text(i))["receipt"]), Link.typ))
            if self.owners[i] == self.accounts[name] and link.source == source:
                found.append(link.link)
        return found

    def close(self, link: bytes, month: Month) -> int:
        """Return the index of a close."""
        (found,) = self.find("close", lambda b: (b["link"], b["month"]) == (link.hex(), month))
        return found

    def grants(self, name: str, platform: str) -> list[Grant]:
        """Return a person's grants to a platform, in log order."""
        return [
            Grant.opened(read_envelope(self.text(i), Grant.typ))
            for i in self.find("grant", lambda b: b["platform"] == platform)
            if self.owners[i] == self.accounts[name]
        ]

    def of_grant(self, typ: str, grant: Grant, window: Window | None = None) -> list[int]:
        """Return the indexes of a kind about a grant, and about one window of it."""
        return self.find(
            typ,
            lambda b: (
                b["grant"] == grant.grant.hex() and (window is None or b["window"] == list(window))
            ),
        )

    def directory_at(self, index: int) -> Directory:
        """Return the directory in force before an index."""
        last = max(i for i in self.find("directory") if i < max(index, 1))
        return read_directory(self.text(last), self.key_of(last).public)

    # What a puppet, a source or the vault may say

    def id(self) -> bytes:
        """Return 16 bytes that no entry has."""
        self._made += 1
        return sha256(b"made %d" % self._made).digest()[:16]

    def attach(
        self, source: str, begins: str, key: SigningKey, link: bytes | None = None
    ) -> tuple[bytes, str]:
        """Return a link of Eve's and her attach of it; the source's key is as given."""
        made = link or self.id()
        receipt = Link(
            iat=self.lines[-1].at, link=made, source=source, msg=bytes(32), begins=Month(begins)
        ).signed(key)
        attach = Attach(iat=self.lines[-1].at, link=made, receipt=receipt)
        return made, attach.signed(self.eve)

    def south(self, begins: str) -> tuple[bytes, str]:
        """Return a link of Eve's to South Bikes, and her attach of it."""
        return self.attach(SOUTH, begins, SOUTH_KEY)

    def grant(self, platform: str, changed: Mapping[str, object], org: str = "") -> Grant:
        """Return a grant by Eve, of the demonstration's terms changed, with its true notice."""
        asked = terms(platform, **changed)
        sha = notice_hash(render_notice(asked, self.directory_at(self.end), "en"))
        return Grant(
            **dict(asked),
            iat=self.lines[-1].at,
            type="carbon_reduction_total",
            grant=self.id(),
            pk=self.eve_for[org or platform].public,
            org=org or platform,
            notice=NoticeRef(sha256=sha, locale="en"),
        )

    def by_eve(self, grant: Grant) -> str:
        """Return a grant's text, signed by Eve's consent key for its organisation."""
        return grant.signed(self.eve_for[grant.org])

    def token(self, grant: Grant, window: Window, *cells: tuple[bytes, tuple[str, ...]]) -> str:
        """Return a token by Eve."""
        ordered = tuple(
            LinkMonths(link, tuple(map(Month, months))) for link, months in sorted(cells)
        )
        token = Token(
            iat=self.lines[-1].at,
            grant=grant.grant,
            window=window,
            cells=ordered,
            sealed=sha256(self.id()).digest(),
        )
        return token.signed(self.eve_for[grant.org])

    def release(self, grant: Grant, window: Window) -> str:
        """Return a release of the vault that restate() fills in."""
        honest = body_of(self.text(self.find("release")[0]))
        members: Body = {
            **honest,
            "grant": grant.grant.hex(),
            "window": list(window),
            "purpose": grant.purposes[0],
        }
        return sign_jws(Release.typ, members, self.vault)

    def reject(self, close: int) -> str:
        """Return Eve's reject of a close."""
        return Reject(iat=self.lines[-1].at, close=text_hash(self.text(close))).signed(self.eve)

    def account(self, key: SigningKey) -> str:
        """Return an account of this key."""
        return Account(
            iat=self.lines[-1].at, pk=key.public, vault="vault.demo", over14=True
        ).signed(key)

    def listing(self, index: int) -> Listing:
        """Return a directory of the log."""
        return Listing.opened(read_envelope(self.text(index), Listing.typ))

    # Edits

    def insert(
        self, index: int, text: str, rule: str, label: str = "", at: int | None = None
    ) -> Mutant:
        """Return the log with one more entry."""
        return self.insert_all(index, [text], rule, label, at)

    def insert_all(
        self,
        index: int,
        texts: Iterable[str],
        rule: str,
        label: str = "",
        at: int | None = None,
        hold: bool = True,
    ) -> Mutant:
        """Return the log with more entries, of which the last is the wrong one."""
        when = self.lines[index - 1].at if at is None else at
        added = [Line(when, text) for text in texts]
        lines = [*self.lines[:index], *added, *self.lines[index:]]
        wrong = index + len(added) - 1
        held = {wrong} if hold else set()
        return Mutant(label or f"{rule} at {wrong}", self.restate(lines, held), wrong, rule)

    def replace(self, index: int, text: str, rule: str, label: str = "") -> Mutant:
        """Return the log with another text in the place of an entry."""
        lines = list(self.lines)
        lines[index] = replace(lines[index], text=text)
        return Mutant(label or f"{rule} at {index}", self.restate(lines, {index}), index, rule)

    def move(self, index: int, to: int, rule: str, at: int | None = None) -> Mutant:
        """Return the log with an entry moved to another place."""
        line, lines = self.lines[index], list(self.lines)
        del lines[index]
        when = lines[to - 1].at if at is None else at
        lines.insert(to, replace(line, at=when))
        return Mutant(f"{rule} {index} to {to}", self.restate(lines), to, rule)

    def without(self, *dropped: int) -> tuple[Line, ...]:
        """Return the log without some entries."""
        return self.restate([line for i, line in enumerate(self.lines) if i not in dropped])

    # What follows is said anew

    def restate(self, lines: list[Line], held: Iterable[int] = ()) -> tuple[Line, ...]:
        """Return the lines with every release and erased as an honest vault would say them now.

        The lines of `held` stay as they are.
        """
        book, kept = _Book(), set(held)
        said = []
        for index, line in enumerate(lines):
            text = line.text
            typ = "" if text.count(".") != 2 else typ_of(text)
            if line.gone or index in kept:
                pass
            elif typ == "release":
                text = self._say(text, book.release(body_of(text)))
            elif typ == "erased":
                name = body_of(text)["erase"]
                gone: list[Json] = [i for i, one in enumerate(lines) if one.gone.hex() == name]
                text = self._say(text, {"indexes": gone})
            if not line.gone:
                book.take(typ, text)
            said.append(replace(line, text=text))
        return tuple(said)

    def _say(self, text: str, changed: Body) -> str:
        if not changed or body_of(text) == {**body_of(text), **changed}:
            return text
        return edited(text, self.vault, **changed)

    def listed(
        self, lines: Iterable[Line], change: Callable[[int, Listing], tuple[Listing, SigningKey]]
    ) -> tuple[Line, ...]:
        """Return the lines with every directory changed and signed anew, each naming the last.

        `change` gets the index and the listing, rightly chained, and gives what is signed by whom.
        """
        said, version, prev = [], 0, bytes(32)
        for index, line in enumerate(lines):
            text = line.text
            if not line.gone and typ_of(text) == "directory":
                found = Listing.opened(read_envelope(text, Listing.typ))
                chained = found.model_copy(update={"version": version + 1, "prev": prev})
                listing, key = change(index, chained)
                if (listing, thumbprint(key.public)) != (found, kid_of(text)):
                    text = listing.signed(key)
                version, prev = listing.version, text_hash(text)
            said.append(replace(line, text=text))
        return tuple(said)

    def signer(self, index: int) -> SigningKey:
        """Return the auditor's key that signed, or would sign, a directory at an index."""
        return self.key_of(max(i for i in self.find("directory") if i <= index))


class _Book:
    """What an honest vault would count by, as far as the lines go."""

    def __init__(self) -> None:
        self._grants: dict[str, Body] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._closes: dict[tuple[bytes, Month], tuple[str, Close]] = {}

    def take(self, typ: str, text: str) -> None:
        """Note an entry."""
        body = body_of(text) if typ in ("grant", "token", "close") else {}
        if typ == "grant":
            self._grants[str(body["grant"])] = body
        elif typ == "token":
            self._tokens[str(body["grant"]), _months(body)] = text
        elif typ == "close":
            close = _opened_close(text)
            self._closes[close.link, close.month] = (text, close)

    def release(self, body: Body) -> Body:
        """Return the members of a release that follow from what stands before, or none."""
        text = self._tokens.get((str(body["grant"]), _months(body)))
        if text is None:
            return {}
        token = Token.opened(read_envelope(text, Token.typ))
        cells = [(cell.link, month) for cell in token.cells for month in cell.months]
        if any(cell not in self._closes for cell in cells):
            return {}
        texts, closes = zip(*(self._closes[cell] for cell in cells), strict=True)
        scope = Grant.parse(json.dumps(self._grants[str(body["grant"])]).encode()).scope
        total = combine([close.cells for close in closes], scope)
        named: list[Json] = [*sorted({close.methodology for close in closes})]
        return {
            "c": b64u(total.masked.to_bytes(32, "little")),
            "C": b64u(total.commitment),
            "token": text_hash(text).hex(),
            "closes": hash_closes(list(texts)).hex(),
            "methodology": named,
        }


@cache
def _opened_close(text: str) -> Close:
    return Close.opened(read_envelope(text, Close.typ))


def _months(body: Body) -> str:
    return join_window(tuple(Month(str(m)) for m in cast("list[str]", body["window"])))


def with_party(listing: Listing, name: str, **changed: object) -> Listing:
    """Return the listing with one party changed."""
    parties = tuple(p.model_copy(update=changed) if p.id == name else p for p in listing.entries)
    return listing.model_copy(update={"entries": parties})


def with_parties(listing: Listing, *parties: Party) -> Listing:
    """Return the listing with more parties."""
    return listing.model_copy(update={"entries": (*listing.entries, *parties)})


def without_party(listing: Listing, name: str) -> Listing:
    """Return the listing without a party."""
    parties = tuple(p for p in listing.entries if p.id != name)
    return listing.model_copy(update={"entries": parties})
