"""A town with something behind every door, and the table of the doors and their messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple, Self
from urllib.parse import unquote

import httpx2
import pytest

from consent.app import wall_clock
from consent.asking import Pushed, Wanted, compose_request
from consent.demo.cast import AUDITOR, BANK, CITY, VAULT, compose
from consent.grants import holder_grant
from consent.messages import (
    Bind,
    ConsentRequest,
    Grant,
    LinkMonths,
    NoticeRef,
    Pause,
    Resume,
    Revoke,
    Terms,
    Token,
)
from consent.notices import notice_hash, render_notice
from tests.site_files import put_site
from tests.world import EAST, FEB, JAN, MAR, URL, WEST, World, terms
from vault import batches, closes, dpop, links
from vault.chain import digest_of
from vault.crypto.commit import H, Scalar
from vault.crypto.keys import SigningKey, account_key, consent_key
from vault.crypto.meter import Cell
from vault.crypto.seal import OVERHEAD, SMALLEST
from vault.encoding import Json, b64u, compact_json, read_envelope, sign_jws, thumbprint
from vault.errors import (
    Absent,
    BadShape,
    NotFound,
    UnknownKey,
    VaultError,
    tree,
)
from vault.messages import (
    Account,
    Attach,
    Batch,
    Close,
    Erase,
    Link,
    Message,
    Reject,
    Unlink,
)
from vault.months import Month
from vault.storage.database import Database, Transaction

Kind = type[VaultError]
KINDS = {kind.slug: kind for kind in tree()}
APR, MAY = Month("2026-04"), Month("2026-05")
NEWCOMER = SigningKey(b"\x21" * 32)
STRANGER = SigningKey(b"\x22" * 32)
WRAP, BLOB = b"\x11" * 16, b"w" * 48
SEALED = b"s" * 112
OTHER_ID = b"\x99" * 16
Place = tuple[str | int, ...]
HOLE = "@@"
LOGGED = {"refusals", "journal", "sqlite_sequence", "log_tile", "log_head"}
PUBLIC_BENEFIT = "PublicBenefit"


# What stands behind the doors


class Town(World):
    """A world with something behind every door, on 2 March 2026: February is not closed yet.

    Ann has links to both sources, a wrap, a state and two grants to the city: January to March
    with its tokens, April and May without. Of the first she asked the city to delete what it has;
    two requests of the city are hers, one of them there to be declined. Bob has a link to one
    source. Cid's two links are there to be ended. Dan is there to be erased: with a link, a wrap, a
    state, a grant and its tokens.
    """

    def __enter__(self) -> Self:
        super().__enter__()
        self.ann, self.bob = self.person("ann", EAST, WEST), self.person("bob", EAST)
        self.cid, self.dan = self.person("cid", EAST, WEST), self.person("dan", EAST)
        self.granted = self.allow(self.ann, CITY)
        self.allow(self.dan, CITY)
        self.dan.holder.add_code()
        self.unminted = self.ann.holder.allow(terms(CITY, first=APR, last=MAY), "en")
        self.knock("PUT", f"/v1/holder/wraps/{WRAP.hex()}", BLOB, self.key("ann"))
        self.ride(self.ann, EAST, 1_000)
        self.close_month(JAN)
        self.ride(self.ann, EAST, 2_000)
        for source in self.sources.values():
            source.send_batches()
        self.move(MAR)
        self.ann.holder.ask_deletion(self.granted)
        self.asked, self.unwanted = self.ask_consent(), self.ask_consent()
        for pushed in (self.asked, self.unwanted):
            self.ann.holder.open_request(pushed.code)
        self.site = put_site(self)
        return self

    def ask_consent(self, name: str = CITY) -> Pushed:
        """Let a platform push a request for March to May."""
        return self.platform(name).ask(wanted(name), self.random)

    def move(self, month: Month, day: int = 2, hour: int = 9) -> None:
        """Move the clock, and let the vault see it: it writes down what has become absent."""
        super().move(month, day, hour)
        self.catch_up()

    def catch_up(self) -> None:
        """Knock once, so that what the end of a month makes true is written before the test."""
        self.knock("GET", "/v1/holder/links", key=STRANGER)

    @property
    def anns(self) -> bytes:
        """Ann's link to EAST."""
        return self.ann.links[EAST]

    def key(self, name: str) -> SigningKey:
        """Return the key that somebody calls with."""
        keys = {
            "ann": account_key(self.ann.root),
            "bob": account_key(self.bob.root),
            "cid": account_key(self.cid.root),
            "dan": account_key(self.dan.root),
            "newcomer": NEWCOMER,
            "stranger": STRANGER,
            VAULT: self.place.vault_key,
        }
        return keys.get(name) or self.cast.actors[name].key

    def knock(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        key: SigningKey | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Return the answer to one request, with a right proof when there is a key."""
        sent = dict(headers or {})
        if key:
            bare = dpop.Request(method, URL + unquote(path.partition("?")[0]), body)
            sent["DPoP"] = dpop.prove(key, bare, wall_clock(), self.random(16))
        return self.client.request(method, path, content=body or None, headers=sent)


# The table of doors


@dataclass(frozen=True)
class Door:
    """One route: who may call (empty: anybody), and the kind of JWS it takes.

    `stranger` is what a right proof by a key that stands nowhere gets: None for a good answer.
    `letter` names what it takes where another door takes the same kind from somebody else.
    `peer` is what another party of the same role gets: None for an empty list.
    """

    method: str
    path: str
    by: str = ""
    takes: str = ""
    stranger: Kind | None = None
    letter: str = ""
    peer: Kind | None = NotFound

    @property
    def name(self) -> str:
        return self.letter or self.takes

    @property
    def takes_body(self) -> bool:
        return self.method in ("POST", "PUT") or bool(self.takes)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.takes}".strip()


SOURCE_UNLINK = "cv1-unlink of a source"
STATUS = "/v1/holder/grants/{grant}/status"
DECLINE = "/v1/holder/requests/{handle}/decline"
DOORS = [
    Door("GET", "/v1/time"),
    Door("GET", "/v1/directory"),
    Door("GET", "/v1/wraps/{wrap}"),
    Door("GET", "/v1/templates"),
    Door("GET", "/v1/methodology"),
    Door("GET", "/v1/methodology/{release}"),
    Door("GET", "/v1/methodology/{release}/{behaviour}"),
    Door("GET", "/authorize"),
    Door("GET", "/"),
    Door("GET", "/app/{version}/{file:path}"),
    Door("GET", "/sw.js"),
    Door("GET", "/manifest.webmanifest"),
    Door("GET", "/icon.svg"),
    Door("GET", "/v1/web"),
    Door("GET", "/openapi.json"),
    Door("GET", "/healthz"),
    Door("GET", "/readyz"),
    Door("GET", "/metrics"),
    Door("GET", "/v1/log"),
    Door("GET", "/log/checkpoint"),
    Door("GET", "/log/{path:path}"),
    # Anyone may carry the auditor's directory: its signature counts, not who brings it.
    Door("POST", "/v1/directory", AUDITOR, "cv1-directory"),
    Door("POST", "/v1/holder", "newcomer", "cv1-account", BadShape),
    Door("DELETE", "/v1/holder", "dan", "cv1-erase", UnknownKey),
    Door("GET", "/v1/holder/wraps", "ann"),
    Door("PUT", "/v1/holder/wraps/{wrap}", "ann", stranger=UnknownKey),
    Door("DELETE", "/v1/holder/wraps/{wrap}", "ann", stranger=NotFound),
    Door("GET", "/v1/holder/state", "ann", stranger=UnknownKey),
    Door("PUT", "/v1/holder/state", "ann", stranger=UnknownKey),
    Door("POST", "/v1/holder/links", "ann", "cv1-attach", UnknownKey),
    Door("GET", "/v1/holder/links", "ann"),  # an empty list, as for an account without links
    Door("GET", "/v1/holder/links/{link}/batches", "ann", stranger=NotFound),
    Door("GET", "/v1/holder/links/{link}/closes", "ann", stranger=NotFound),
    Door("POST", "/v1/holder/links/{link}/unlink", "cid", "cv1-unlink", NotFound),
    Door("POST", "/v1/holder/links/{link}/reject", "cid", "cv1-reject", NotFound),
    Door("POST", "/v1/holder/binds", "ann", "cv1-bind", UnknownKey),
    Door("POST", "/v1/holder/grants", "ann", "cv1-grant", UnknownKey),
    Door("GET", "/v1/holder/grants", "ann"),
    Door("POST", STATUS, "ann", "cv1-pause", NotFound),
    Door("POST", STATUS, "ann", "cv1-resume", NotFound),
    Door("POST", STATUS, "ann", "cv1-revoke", NotFound),
    Door("POST", "/v1/holder/grants/{grant}/deletion", "ann", stranger=NotFound),
    Door("GET", "/v1/holder/requests", "ann"),
    Door("POST", "/v1/holder/requests/{handle}", "ann", stranger=NotFound),
    Door("POST", DECLINE, "ann", stranger=NotFound),
    Door("POST", "/v1/holder/tokens", "ann", "cv1-token", NotFound),
    Door("GET", "/v1/holder/tokens", "ann"),
    Door("GET", "/v1/holder/entries", "ann"),
    Door("GET", "/v1/holder/releases", "ann"),
    Door("GET", "/v1/links/{link}", EAST, stranger=UnknownKey),
    Door("POST", "/v1/links/{link}/unlink", EAST, "cv1-unlink", UnknownKey, SOURCE_UNLINK),
    Door("POST", "/v1/batches", EAST, "cv1-batch", UnknownKey),
    Door("POST", "/v1/closes", EAST, "cv1-close", UnknownKey),
    Door("POST", "/v1/releases", CITY, "ask", UnknownKey),
    Door("POST", "/v1/requests", CITY, "cv1-request", UnknownKey, peer=UnknownKey),
    Door("GET", "/v1/requests/{handle}", CITY, stranger=UnknownKey),
    Door("GET", "/v1/grants/{grant}", CITY, stranger=UnknownKey),
    Door("POST", "/v1/grants/{grant}/deleted", CITY, stranger=UnknownKey),
    Door("GET", "/v1/events", CITY, stranger=UnknownKey, peer=None),
    Door("GET", "/v1/audit/entries", AUDITOR, stranger=UnknownKey),
]
PROVED = [door for door in DOORS if door.by]
POSTS = [door for door in DOORS if door.takes]
JWS = [door for door in POSTS if door.takes != "ask"]
PAGED = [door for door in DOORS if door.path.endswith(("batches", "audit/entries", "events"))]
PAGED = [door for door in PAGED if door.method == "GET"]
BY_NAME = {door.name: door for door in POSTS}
each_proved = pytest.mark.parametrize("door", PROVED, ids=str)
each_post = pytest.mark.parametrize("door", POSTS, ids=str)
each_jws = pytest.mark.parametrize("door", JWS, ids=str)


def taken_at(door: Door) -> set[str]:
    """Return every kind that the route of this door takes."""
    return {d.takes for d in DOORS if (d.method, d.path) == (door.method, door.path)}


def link_of(town: Town, door: Door) -> bytes:
    """Return the link behind a door: one of Cid's where the door ends it."""
    if door.by == "cid":
        return town.cid.links[EAST if door.takes == "cv1-reject" else WEST]
    return town.cid.links[EAST] if door.name == SOURCE_UNLINK else town.anns


def page_of(town: Town, door: Door, first: str) -> str:
    """Return the path of a page that begins at `first`, or after it."""
    name = "after" if door.path.endswith("events") else "first"
    return f"{path_of(town, door)}?{name}={first}"


def path_of(town: Town, door: Door) -> str:
    if door.path == "/authorize":
        return town.asked.url.removeprefix(URL)
    names = {
        "{wrap}": WRAP.hex(),
        "{link}": link_of(town, door).hex(),
        "{grant}": town.granted.grant.hex(),
        "{handle}": handle_of(town.unwanted if door.path == DECLINE else town.asked),
        "{release}": town.release.id,
        "{behaviour}": "travel.bike",
        "{path:path}": "tile/0/000.p/1",
        "{version}": town.site.version,
        "{file:path}": "app.js",
    }
    path = door.path
    for name, found in names.items():
        path = path.replace(name, found)
    return path


def handle_of(pushed: Pushed) -> str:
    """Return the name of a request in paths."""
    return pushed.request_uri.rpartition(":")[2]


# Messages that the doors would take


@dataclass(frozen=True)
class Letter:
    """A message that its door would take: changed in one point it is bad input."""

    typ: str
    plain: dict[str, Json]
    key: SigningKey
    letter: str = ""

    @property
    def name(self) -> str:
        """The name of its door."""
        return self.letter or self.typ

    def changed(self, **members: Json) -> Letter:
        """Return the letter with these members instead."""
        return replace(self, plain={**self.plain, **members})

    def body(self, payload: bytes | None = None, typ: str = "") -> bytes:
        """Return what is posted; the payload and the kind may be others."""
        raw = compact_json(self.plain) if payload is None else payload
        if self.typ == "ask":
            return raw
        return posted(self.typ, jws(typ or self.typ, raw, self.key))


def posted(takes: str, text: str) -> bytes:
    """Return a JWS as its door takes it: a token goes with its sealed bytes."""
    if takes != "cv1-token":
        return text.encode("utf-8")
    return compact_json({"token": text, "sealed": b64u(SEALED)})


def jws(typ: str, payload: bytes, key: SigningKey, header: str = "") -> str:
    named = header or f'{{"alg":"Ed25519","kid":"{thumbprint(key.public)}","typ":"{typ}"}}'
    signed = f"{b64u(named.encode())}.{b64u(payload)}"
    return f"{signed}.{b64u(key.sign(signed.encode()))}"


def letter_of(message: Message, key: SigningKey, name: str = "") -> Letter:
    return Letter(message.typ, message.plain(), key, name)


def account_letter(town: Town) -> Letter:
    message = Account(iat=town.time, pk=NEWCOMER.public, vault=VAULT, over14=True)
    return letter_of(message, NEWCOMER)


def link_text(town: Town, name: bytes, **changed: Json) -> str:
    answer = Link(iat=town.time, link=name, source=WEST, msg=bytes(32), begins=MAR).plain()
    return sign_jws("cv1-link", {**answer, **changed}, town.key(WEST))


def attach_letter(town: Town) -> Letter:
    link = b"\x55" * 16
    return letter_of(
        Attach(iat=town.time, link=link, receipt=link_text(town, link)), town.key("ann")
    )


def bind_letter(town: Town) -> Letter:
    pk = consent_key(town.ann.root, BANK).public
    return letter_of(Bind(iat=town.time, org=BANK, pk=pk), town.key("ann"))


def grant_letter(town: Town, **changed: object) -> Letter:
    wanted = terms(CITY, **{"first": APR, "last": MAY, **changed})
    return letter_of(grant_of(town, wanted), consent_key(town.ann.root, CITY))


def grant_of(town: Town, wanted: Terms) -> Grant:
    text = render_notice(wanted, town.ann.holder.directory, "en")
    return Grant(
        **dict(wanted),
        iat=town.time,
        type="carbon_reduction_total",
        grant=b"\x66" * 16,
        pk=consent_key(town.ann.root, CITY).public,
        org=CITY,
        notice=NoticeRef(sha256=notice_hash(text), locale="en"),
    )


def wanted(name: str, **changed: object) -> Wanted:
    """What a platform asks for: in its template, with every member that a request may have."""
    template = {CITY: "CITY-REWARD", BANK: "CARD-POINTS"}[name]
    found = Wanted.under(
        template,
        MAR,
        MAY,
        zh="用于发放奖励",
        en="to give the reward",
        required=(4,),
        optional=(2,),
        redirect_uri=f"https://{name}/back",
    )
    return replace(found, **changed)  # type: ignore[arg-type]


def request_letter(town: Town) -> Letter:
    asked, key = wanted(CITY, replaces=town.granted.grant), town.key(CITY)
    text = compose_request(asked, CITY, key, "s" * 20, town.time)
    return letter_of(ConsentRequest.opened(read_envelope(text, ConsentRequest.typ)), key)


def token_letter(town: Town) -> Letter:
    token = Token(
        iat=town.time,
        grant=town.unminted.grant,
        window=(APR,),
        cells=tuple(LinkMonths(link, (APR,)) for link in sorted(town.ann.links.values())),
        sealed=sha256(SEALED).digest(),
    )
    return letter_of(token, consent_key(town.ann.root, CITY))


def status_letter(town: Town, kind: type[Revoke]) -> Letter:
    account, grant = town.ann.holder.account, town.granted.grant
    row = town.database.read(lambda tx: holder_grant(tx, account, grant))
    message = kind(iat=town.time, grant=grant, n=row.n + 1)
    return letter_of(message, consent_key(town.ann.root, CITY))


def revoke_letter(town: Town) -> Letter:
    return status_letter(town, Revoke)


def pause_letter(town: Town) -> Letter:
    return status_letter(town, Pause)


def resume_letter(town: Town) -> Letter:
    return status_letter(town, Resume)


def unlink_letter(town: Town) -> Letter:
    return letter_of(Unlink(iat=town.time, link=town.cid.links[WEST]), town.key("cid"))


def source_unlink_letter(town: Town) -> Letter:
    message = Unlink(iat=town.time, link=town.cid.links[EAST])
    return letter_of(message, town.key(EAST), SOURCE_UNLINK)


def reject_letter(town: Town) -> Letter:
    close = town.database.read(lambda tx: closes.close_of(tx, town.cid.links[EAST], JAN))
    assert close
    return letter_of(Reject(iat=town.time, close=close.hash), town.key("cid"))


def erase_letter(town: Town) -> Letter:
    key = town.key("dan")
    return letter_of(Erase(iat=town.time, pk=key.public), key)


def key_of_link(town: Town, link: bytes) -> SigningKey:
    """Return the key of the link's source."""
    return town.key(town.database.read(lambda tx: links.link_of(tx, link)).source)


def batch_letter(town: Town, link: bytes = b"") -> Letter:
    link = link or town.anns
    seq = town.database.read(lambda tx: batches.next_seq(tx, link))
    tags = tuple(bytes([0x77, i]) * 8 for i in range(8))
    sealed = bytes(SMALLEST + OVERHEAD)
    message = Batch(iat=town.time, link=link, seq=seq, tags=tags, sealed=sealed)
    return letter_of(message, key_of_link(town, link))


def close_letter(town: Town, month: Month = FEB, link: bytes = b"") -> Letter:
    link = link or town.anns
    before = town.database.read(lambda tx: closes.last_close(tx, link))
    upto = before.upto if before else -1
    later = town.database.read(lambda tx: batches.batches_of(tx, link, upto + 1, 100))
    message = Close(
        iat=town.time,
        link=link,
        month=month,
        methodology=town.release.id,
        cells=tuple(Cell(Scalar(i), H) for i in range(7)),
        upto=later[-1].seq if later else upto,
        batches=digest_of([(batch.text, batch.receipt) for batch in later]),
    )
    return letter_of(message, key_of_link(town, link))


def directory_letter(town: Town) -> Letter:
    return letter_of(compose(town.cast, town.edition()), town.key(AUDITOR))


def ask_letter(town: Town) -> Letter:
    ask: dict[str, Json] = {
        "grant": town.granted.grant.hex(),
        "window": [JAN],
        "purpose": PUBLIC_BENEFIT,
    }
    return Letter("ask", ask, town.key(CITY))


LETTERS: dict[str, Callable[[Town], Letter]] = {
    "cv1-account": account_letter,
    "cv1-attach": attach_letter,
    "cv1-bind": bind_letter,
    "cv1-request": request_letter,
    "cv1-grant": grant_letter,
    "cv1-token": token_letter,
    "cv1-batch": batch_letter,
    "cv1-close": close_letter,
    "ask": ask_letter,
    "cv1-pause": pause_letter,
    "cv1-resume": resume_letter,
    "cv1-revoke": revoke_letter,
    "cv1-reject": reject_letter,
    "cv1-unlink": unlink_letter,
    SOURCE_UNLINK: source_unlink_letter,
    "cv1-erase": erase_letter,
    "cv1-directory": directory_letter,
}


def letter(town: Town, door: Door) -> Letter:
    return LETTERS[door.name](town)


def post(town: Town, door: Door, body: bytes, by: str = "") -> httpx2.Response:
    return town.knock(door.method, path_of(town, door), body, town.key(by or door.by))


def send(town: Town, found: Letter) -> httpx2.Response:
    return post(town, BY_NAME[found.name], found.body())


def signed_by(found: Letter, key: SigningKey, kid: SigningKey | None = None) -> bytes:
    """Return the letter signed by another key, under its own kid or that of `kid`."""
    raw = compact_json(found.plain)
    name = thumbprint((kid or key).public)
    header = f'{{"alg":"Ed25519","kid":"{name}","typ":"{found.typ}"}}'
    return posted(found.typ, jws("", raw, key, header))


def with_hole(found: Json, place: Place) -> Json:
    if not place:
        return HOLE
    step, rest = place[0], place[1:]
    if isinstance(found, dict):
        return {n: with_hole(item, rest) if n == step else item for n, item in found.items()}
    assert isinstance(found, list)
    return [with_hole(item, rest) if i == step else item for i, item in enumerate(found)]


def fill(found: Json, place: Place, raw: str) -> bytes:
    """Return the JSON text with these characters in one place."""
    text = compact_json(with_hole(found, place)).decode()
    return text.replace(f'"{HOLE}"', raw).encode()


def json_of(found: Json) -> str:
    return compact_json(found).decode()


def audit_texts(town: Town) -> list[str]:
    """Return every text of the log that the auditor is shown, in its order."""
    found = town.knock("GET", "/v1/audit/entries", key=town.key(AUDITOR)).json()
    return [entry["text"] for entry in found["entries"]]


# Nothing half-written, and the one form of a refusal


class Text(NamedTuple):
    """One column."""

    found: str


class Table(NamedTuple):
    """A table as it was made."""

    name: str
    sql: str


_columns: dict[Table, str] = {}  # of each table that was ever asked about: they are thirty


def rows(database: Database) -> dict[str, str]:
    """Return the SHA-256 over every row of each table."""

    def work(tx: Transaction) -> dict[str, str]:
        tables = tx.all(Table, "SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        return {table.name: _rows(tx, table) for table in tables}

    return database.read(work)


def _rows(tx: Transaction, table: Table) -> str:
    if table not in _columns:
        columns = tx.all(Text, "SELECT name FROM pragma_table_info(?)", table.name)
        _columns[table] = " || ',' || ".join(f'quote("{column.found}")' for column in columns)
    found = sorted(row.found for row in tx.all(Text, f"SELECT {_columns[table]} FROM {table.name}"))
    return sha256("\n".join(found).encode()).hexdigest()


def touched(town: Town, before: Mapping[str, str]) -> set[str]:
    after = rows(town.database)
    return {table for table in after if after[table] != before[table]}


def check_problem(reply: httpx2.Response, *wanted: Kind) -> None:
    """Check that the answer is one of these problems, in the one form that all have."""
    found = reply.json()
    kind = KINDS[found["type"]]
    assert kind in wanted, found
    assert reply.status_code == found["status"] == kind.status
    assert set(found) - {"statement"} == {"type", "title", "status", "detail"}
    assert kind is Absent or "statement" not in found
    assert found["title"] == kind.en
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"


def check_refused(town: Town, call: Callable[[], httpx2.Response], *wanted: Kind) -> None:
    """Check that a call is refused so, and that not one row of one table is another."""
    before = rows(town.database)
    check_problem(call(), *wanted)
    assert touched(town, before) == set()


def check_letter(town: Town, found: Letter, *wanted: Kind) -> None:
    check_refused(town, lambda: send(town, found), *wanted)


def check_body(town: Town, door: Door, body: bytes, *wanted: Kind) -> None:
    check_refused(town, lambda: post(town, door, body), *wanted)
