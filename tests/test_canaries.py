"""Blindness: known values are planted with sources and holders, and looked for at the vault.

Numbers of twelve digits, places, times and station names go into records and totals. Nothing of
them stands in the vault's database, on any page, free ones and the WAL's old ones among them, nor
in any answer it gave, in any encoding. The control is a plain ledger, where the same search finds
them all. docs/protocol.md section 11, property 3; docs/threat-model.md T18 and T19.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import product
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from sqlcipher3 import dbapi2

from consent import erasure
from consent.app import schemas
from consent.demo.cast import AUDITOR, BANK, CITY
from consent.messages import Grant
from consent.origin import Origin
from consent.records import open_link
from tests.attacks import forge_close
from tests.site_files import put_site
from tests.town import wanted
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, Person, World, terms
from vault.compose import Booking
from vault.crypto.keys import account_key, stream_key
from vault.crypto.meter import hide, masks_of
from vault.encoding import b64u, read_envelope, thumbprint, unb64u
from vault.errors import DifferentBytes, Revoked
from vault.messages import Close, Erase
from vault.methodology.quantify import Act
from vault.methodology.release import load_release
from vault.months import Category, Grams
from vault.storage.sqlcipher import SqlCipher

# What is planted

METRES = (731_904_586_213, 846_250_719_348, 905_137_264_881)
SECONDS = (612_483_907_155, 778_046_391_527, 894_360_215_793)
TOTALS = tuple(Grams(n) for n in (614_209_783_517, 523_860_174_939, 487_312_906_458))
CODES = ("481516234207", "662607015034", "299792458317")
WORDS = (
    "Canary Wharf dock 4471",
    "断桥残雪站西北口",
    "Hôtel-Dieu “quai” №7",
    "120.1484,30.2592",
    "CN-ZJ-HZ",
    "travel.bike",
)
LATER = (2_345, 7_891, 11_117, 16_183, 21_011, 24_697)
"""Seconds after the link at which the rides start or end; no clock in the story shows them."""

# Four bytes are met by chance once in some gigabytes of ciphertext. A leak of times or numbers
# shows many of them, chance hardly ever three.
SHORT, CHANCE = 6, 2


@dataclass
class Canaries:
    """Everything that was planted."""

    numbers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def forms(self) -> dict[tuple[str, str], bytes]:
        """Return every byte string to look for, by canary and encoding."""
        texts = [*self.texts, *map(str, self.numbers), *map(str, self.times)]
        found = {(text, name): raw for text in texts for name, raw in text_forms(text).items()}
        for number in self.numbers + self.times:
            found |= {(str(number), name): raw for name, raw in number_forms(number).items()}
        return found


def text_forms(text: str) -> dict[str, bytes]:
    raw = text.encode()
    forms = {
        "utf-8": raw,
        "utf-16-le": text.encode("utf-16-le"),
        "utf-16-be": text.encode("utf-16-be"),
        "json": json.dumps(text)[1:-1].encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }
    for shift in range(3):
        forms[f"base64 at {shift}"] = base64_inside(raw, shift)
        forms[f"base64url at {shift}"] = base64_inside(raw, shift).translate(URL_SAFE)
    return forms


URL_SAFE = bytes.maketrans(b"+/", b"-_")


def base64_inside(raw: bytes, shift: int) -> bytes:
    """Return the symbols that stand in base64 wherever `raw` begins at `shift` mod 3."""
    whole = base64.b64encode(bytes(shift) + raw + bytes(-(shift + len(raw)) % 3))
    first, last = (0, 2, 3)[shift], (0, 3, 2)[(shift + len(raw)) % 3]
    return whole[first : len(whole) - last]


def number_forms(number: int) -> dict[str, bytes]:
    size = 4 if number < 2**32 else 8
    forms = {
        "little-endian": number.to_bytes(size, "little"),
        "big-endian": number.to_bytes(size, "big"),
        "8 bytes, little-endian": number.to_bytes(8, "little"),
        "8 bytes, big-endian": number.to_bytes(8, "big"),
        "least bytes, big-endian": number.to_bytes(-(-number.bit_length() // 8), "big"),
        "varint": varint(number),
        "SQLite varint": sqlite_varint(number),
    }
    if number >= 2**32:
        forms["SQLite integer"] = number.to_bytes(6, "big")
    return forms


def varint(number: int) -> bytes:
    """Return LEB128, as in protocol buffers."""
    parts = []
    while number >= 128:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def sqlite_varint(number: int) -> bytes:
    parts = [number & 127]
    while number := number >> 7:
        parts.append(number & 127 | 128)
    return bytes(reversed(parts))


# Where it is looked for

_BASE64 = re.compile(rb"[A-Za-z0-9_+/-]{24,}")
_HEX = re.compile(rb"[0-9a-fA-F]{24,}")


def unfolded(raw: bytes, depth: int = 3) -> Iterator[bytes]:
    """Yield the bytes, and what is base64, base64url or hex in them, again and again."""
    yield raw
    if depth == 0:
        return
    for run in _BASE64.findall(raw):
        text = run.translate(bytes.maketrans(b"-_", b"+/"))
        yield from unfolded(base64.b64decode(text[: len(text) // 4 * 4]), depth - 1)
    for run in _HEX.findall(raw):
        yield bytes.fromhex(run[: len(run) // 2 * 2].decode("ascii"))


def search(canaries: Canaries, places: Iterable[bytes]) -> set[tuple[str, str]]:
    """Return the canaries found, by encoding; of short forms two are taken for chance."""
    haystack = b"\0\0\0".join(part for place in places for part in unfolded(place))
    hits = {key: raw for key, raw in canaries.forms().items() if raw in haystack}
    short = {key for key, raw in hits.items() if len(raw) < SHORT}
    chance = len({canary for canary, _ in short}) <= CHANCE
    return set(hits) - (short if chance else set())


# Reading SQLCipher as its owner: every page that is in the files

PAGE, RESERVED, SALT = 4096, 80, 16


def decrypted_pages(path: Path, key: bytes) -> list[bytes]:
    """Return every page in clear: of the file, free ones too, and every frame of the WAL."""
    raw = path.read_bytes()
    pages = [(raw[i : i + PAGE], i == 0) for i in range(0, len(raw), PAGE)]
    wal = path.with_name(path.name + "-wal")
    log = wal.read_bytes() if wal.exists() else b""
    for i in range(32, len(log) - PAGE, PAGE + 24):
        number = int.from_bytes(log[i : i + 4], "big")
        pages.append((log[i + 24 : i + 24 + PAGE], number == 1))
    return [decrypted(page, key, first) for page, first in pages]


def decrypted(page: bytes, key: bytes, first: bool) -> bytes:
    """SQLCipher 4: AES-256-CBC; the last 80 bytes are IV and HMAC, the file begins with a salt."""
    body, iv = page[SALT if first else 0 : -RESERVED], page[-RESERVED : -RESERVED + 16]
    opener = Cipher(AES256(key), CBC(iv)).decryptor()
    return opener.update(body) + opener.finalize()


def raw_files(path: Path) -> list[bytes]:
    return [p.read_bytes() for p in sorted(path.parent.glob(path.name + "*")) if p.is_file()]


def every_column(path: Path, key: bytes) -> dict[tuple[str, str], list[bytes]]:
    """Return every value of every column of every table, as bytes."""
    connection = dbapi2.connect(str(path))
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    named = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    columns = {
        (table, column): [
            as_bytes(row[0]) for row in connection.execute(f"SELECT {column} FROM {table}")
        ]
        for (table,) in connection.execute(named).fetchall()
        for (_, column, *_) in connection.execute(f"PRAGMA table_info({table})").fetchall()
    }
    connection.close()
    return columns


def as_bytes(found: object) -> bytes:
    if isinstance(found, int):
        return found.to_bytes(8, "big", signed=True) + b" " + str(found).encode()
    if isinstance(found, str):
        return found.encode()
    return found if isinstance(found, bytes) else b""


# The story that plants them


@dataclass
class Planted:
    """A world that was played out, its files, its answers and what was planted in it."""

    world: World
    ann: Person
    canaries: Canaries
    answers: dict[str, list[bytes]]
    drawn: list[bytes]
    before_stop: list[bytes]

    @property
    def database(self) -> Path:
        return self.world.place.database

    @property
    def key(self) -> bytes:
        return self.world.place.database_key.value


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    world = World(tmp_path_factory.mktemp("vault"), seed=b"canaries")
    drawn = keep_drawn(world)
    with world:
        answers = recorded(world)
        ann = world.person("ann", EAST, WEST)
        ann.holder.add_code()
        put_site(world)
        others = come(world)
        canaries = book(world, ann)
        grants = [world.allow(ann, BANK), world.allow(ann, CITY)]
        totals = close_by_hand(world, ann)
        world.move(APR)
        check_totals(world, grants, totals)
        canaries.numbers += [*TOTALS, *totals]
        sign_twice(world, ann)
        sealed = sealed_bytes(world)
        ann.holder.stop(grants[1])
        with pytest.raises(Revoked):
            world.platform(CITY).total(grants[1].grant, (JAN,))
        ask_and_delete(world, ann, grants[1])
        ann.holder.refresh()
        end(world, ann, grants[0], others)
        world.auditor().audit()
        leave_begun(world, others)
        yield Planted(world, ann, canaries, answers, drawn, sealed)


@dataclass
class Others:
    """Who ends things: bob leaves, cem's source is asleep and wrong, dan's leaving is not done."""

    bob: Person
    cem: Person
    dan: Person


def come(world: World) -> Others:
    """Let the others come in the first month; the second source loses cem's link at once."""
    others = Others(world.person("bob", EAST), world.person("cem", WEST), world.person("dan"))
    others.bob.holder.add_code()
    world.allow(others.bob, CITY)
    world.sources[WEST]._outbox.stop(others.cem.links[WEST])
    return others


def end(world: World, ann: Person, paused: Grant, others: Others) -> None:
    """Play in April all that ends: a reject, an unlink, a pause, a short code, an erasure."""
    cem = others.cem
    cem.holder.reject(cem.links[WEST], forge_close(world, cem, MAR))
    cem.holder.unlink(cem.links[WEST])
    ann.holder.pause(paused)
    ann.holder.show_device_code()
    others.bob.holder.erase()


def leave_begun(world: World, others: Others) -> None:
    """Let the vault stop between the two halves of an erasure."""
    key = account_key(others.dan.root)
    text = Erase(iat=world.time, pk=key.public).signed(key)
    operator = world.app.state.service.operator
    world.database.write(lambda tx: erasure.begin(tx, operator, others.dan.holder.account, text))
    world.app.state.log.sequence()


def keep_drawn(world: World) -> list[bytes]:
    """Return what the world's parties will draw at random, the keys of their books among it."""
    drawn: list[bytes] = []
    draw = world.random

    def random(size: int) -> bytes:
        drawn.append(draw(size))
        return drawn[-1]

    world.random = random
    return drawn


def recorded(world: World) -> dict[str, list[bytes]]:
    """Return the answers that the vault will give from now on, by who asked."""
    names = {thumbprint(actor.key.public): name for name, actor in world.cast.actors.items()}
    answers: dict[str, list[bytes]] = {}

    def keep(response: httpx2.Response) -> None:
        proof = response.request.headers.get("dpop", "")
        who = names.get(asker(proof), "holder") if proof else "public"
        headers = b"\n".join(b"%b: %b" % pair for pair in response.headers.raw)
        answers.setdefault(who, []).append(headers + b"\n\n" + response.read())

    world.client.event_hooks = {"response": [keep]}
    return answers


def asker(proof: str) -> str:
    header = json.loads(unb64u(proof.split(".")[0]))
    return thumbprint(unb64u(header["jwk"]["x"]))


def book(world: World, ann: Person) -> Canaries:
    """Book rides full of canaries at the first source, and send them."""
    canaries = Canaries(texts=[*CODES, *WORDS], numbers=[*METRES, *SECONDS])
    for i, (metres, seconds) in enumerate(zip(METRES, SECONDS, strict=True)):
        start, end = world.time + LATER[2 * i], world.time + LATER[2 * i + 1]
        canaries.times += [start, end]
        act = Act("travel.bike", {"m": metres, "s": seconds}, start, end, "CN-ZJ-HZ")
        detail = {"from": WORDS[i], "at": WORDS[3], "to": WORDS[(i + 1) % 3]}
        booking = Booking(act, CODES[i], EAST, guessable=i > 0, detail=detail)
        assert world.sources[EAST].book(ann.name, [booking])[0].outcome == "booked"
    world.sources[EAST].send_batches()
    return canaries


def ask_and_delete(world: World, ann: Person, stopped: Grant) -> None:
    """Let the city ask twice, for a yes and a no, and delete what it has of a stopped grant."""
    city = world.platform(CITY)
    yes, no = (city.ask(wanted(CITY, first=APR), world.random) for _ in range(2))
    asked = ann.holder.open_request(yes.code)
    ann.holder.accept_request(asked, (2,), "zh-CN")
    ann.holder.decline_request(ann.holder.open_request(no.request_uri))
    ann.holder.ask_deletion(stopped)
    city.delete(stopped.grant)
    assert list(city.events())


def close_by_hand(world: World, ann: Person) -> list[int]:
    """Close three months, the second source over twelve digits; return the sums of the windows."""
    link, actor = ann.links[WEST], world.cast.actors[WEST]
    for month, grams in zip((JAN, FEB, MAR), TOTALS, strict=True):
        world.move({JAN: FEB, FEB: MAR, MAR: APR}[month])
        world.sources[EAST].close(month)
        cells = tuple(
            hide(
                grams if c == Category.TRAVEL else Grams(0),
                masks_of(stream_key(ann.root, link), c, month),
            )
            for c in Category
        )
        close = Close(
            iat=world.time,
            link=link,
            month=month,
            methodology="demo-1",
            cells=cells,
            upto=-1,
            batches=sha256().digest(),
        )
        world.wire(actor.key).post("/v1/closes", close.signed(actor.key))
    return [sum(TOTALS)]


def check_totals(world: World, grants: list[Grant], totals: list[int]) -> None:
    assert world.platform(BANK).total(grants[0].grant, (JAN, FEB, MAR)).grams == totals[0]
    for month, grams in zip((JAN, FEB, MAR), TOTALS, strict=True):
        assert world.platform(CITY).total(grants[1].grant, (month,)).grams == grams


def sign_twice(world: World, ann: Person) -> None:
    """Let a source sign a second close, so that the table of evidence is not empty either."""
    actor = world.cast.actors[EAST]
    books = [book for book in world.sources[EAST].closes() if book.link == ann.links[EAST]]
    close = Close.opened(read_envelope(books[-1].text, Close.typ))
    second = close.model_copy(update={"iat": 1}).signed(actor.key)
    with pytest.raises(DifferentBytes):
        world.wire(actor.key).post("/v1/closes", second)


def sealed_bytes(world: World) -> list[bytes]:
    connection = dbapi2.connect(str(world.place.database))
    connection.execute(f"PRAGMA key = \"x'{world.place.database_key.value.hex()}'\"")
    rows = connection.execute(
        "SELECT sealed FROM tokens t JOIN grants g ON g.grant_id = t.grant_id WHERE g.platform = ?",
        (CITY,),
    ).fetchall()
    connection.close()
    return [row[0] for row in rows]


# (a) The control: a ledger as everybody else keeps one


def records_ledger(path: Path, canaries: Canaries) -> None:
    """Write the records as applications do: JSON, UTF-16, base64, columns, packed structs."""
    body = json.dumps([*canaries.texts, *canaries.numbers, *canaries.times], ensure_ascii=False)
    values = [*canaries.texts, *map(str, canaries.numbers), *map(str, canaries.times)]
    with sqlite3.connect(path) as ledger:
        ledger.execute("CREATE TABLE acts (form TEXT, value)")
        rows: list[tuple[str, str | int | bytes]] = [
            ("json", body),
            ("ascii", json.dumps(values)),
            ("utf-16", body.encode("utf-16-le")),
            ("utf-16-be", body.encode("utf-16-be")),
            ("hex", body.encode().hex()),
            ("HEX", body.encode().hex().upper()),
        ]
        for value, shift in product(values, range(3)):
            raw = b"x" * shift + value.encode() + b"\0"
            rows.append(("base64", base64.b64encode(raw)))
            rows.append(("base64url", base64.urlsafe_b64encode(raw)))
        for number in canaries.numbers + canaries.times:
            narrow = "I" if number < 2**32 else "Q"
            rows.append(("column", number))
            rows += [
                ("packed", struct.pack(order + f, number)) for order in "<>" for f in ("Q", narrow)
            ]
            rows += [("varint", varint(number)), ("varint", sqlite_varint(number))]
        ledger.executemany("INSERT INTO acts VALUES (?, ?)", rows)
    ledger.close()


def test_plain_ledger_shows_every_canary_in_every_encoding(
    planted: Planted, tmp_path: Path
) -> None:
    """The control: the search finds all that it looks for, in records written as usual."""
    path = tmp_path / "ledger.db"
    records_ledger(path, planted.canaries)
    assert search(planted.canaries, [path.read_bytes()]) == set(planted.canaries.forms())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_base64_is_found_wherever_it_begins(number: int) -> None:
    """The control of the control: the symbols looked for are those of any base64 around them."""
    raw = WORDS[number].encode()
    for before, after in product((b"", b"a", b"ab", b"abc"), (b"", b"z", b"zy")):
        text = base64.b64encode(before + raw + after)
        assert base64_inside(raw, len(before) % 3) in text


def books_key(planted: Planted, path: Path) -> bytes:
    """Return the key under which a source's books open: one of those it drew."""
    first = path.read_bytes()[:PAGE]
    size = PAGE.to_bytes(2, "big")  # what stands first in a decrypted SQLite file after its magic
    keys = [raw for raw in planted.drawn if len(raw) == 32]
    return next(key for key in keys if decrypted(first, key, first=True).startswith(size))


def test_sources_own_books_show_the_records_when_they_are_decrypted(planted: Planted) -> None:
    """The control: pages are read as they are, and whoever recorded something has it."""
    path = planted.database.with_name(f"{EAST}.db")
    found = search(planted.canaries, decrypted_pages(path, books_key(planted, path)))
    times = map(str, planted.canaries.times)
    wanted = [*CODES, *WORDS, *map(str, METRES), *map(str, SECONDS), *times]
    assert {(canary, "utf-8") for canary in wanted} <= found
    assert search(planted.canaries, raw_files(path)) == set()


def test_holder_reads_every_record_that_the_vault_cannot(planted: Planted) -> None:
    """The control: the records are at the vault, sealed, and open for the one they are about."""
    wire, link = planted.world.wire(account_key(planted.ann.root)), planted.ann.links[EAST]
    origin = Origin(planted.world.directory(), link, EAST)
    own = open_link(wire, planted.ann.root, origin, load_release)
    texts = "".join(str(record) for batch in own.batches for record in batch.records)
    wanted = [*CODES, *WORDS, *map(str, METRES), *map(str, planted.canaries.times)]
    assert [canary for canary in wanted if canary not in texts] == []


# (b) The vault's database


def test_no_page_of_the_vaults_database_shows_a_canary(planted: Planted) -> None:
    """T19: every page in clear, free ones and the WAL's older ones too."""
    pages = decrypted_pages(planted.database, planted.key)
    whole = b"".join(pages)
    assert whole.count(b"eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoi") > 50  # these are the vault's texts
    assert planted.ann.holder.account.encode() in whole
    assert search(planted.canaries, pages) == set()


def test_no_column_of_the_vaults_schema_shows_a_canary(planted: Planted) -> None:
    """T19: every column is looked into, and none is without a value to look at.

    But one: without witnesses there is no cosigned checkpoint, a note that is served to anybody.
    """
    columns = every_column(planted.database, planted.key)
    tables = re.findall(r"CREATE TABLE (\w+)", "\n".join(schemas()))
    assert {table for table, _ in columns} == {*tables, "sqlite_sequence"}
    assert {name for name, rows in columns.items() if not any(rows)} == {("log_head", "cosigned")}
    found = {name: search(planted.canaries, rows) for name, rows in columns.items()}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_column_that_held_a_canary_would_be_found(planted: Planted) -> None:
    """T19, control: the same columns with one note beside a batch, as a careless vault would."""
    columns = every_column(planted.database, planted.key)
    careless = [*columns["batches", "text"], json.dumps({"at": WORDS[0]}).encode()]
    assert search(planted.canaries, careless) >= {(WORDS[0], "utf-8")}
    inside = b64u(json.dumps({"sealed": b64u(WORDS[1].encode())}).encode())
    assert search(planted.canaries, [inside.encode()]) >= {(WORDS[1], "utf-8")}


def test_files_as_they_lie_on_the_disk_show_nothing_at_all(planted: Planted) -> None:
    """T18: neither a canary nor a text of the vault; the control is the page in clear."""
    files = raw_files(planted.database)
    assert search(planted.canaries, files) == set()
    assert not [
        raw for raw in files if b"eyJ" + b"hbGciOiJFZDI1NTE5" in raw or b"CREATE TABLE" in raw
    ]
    assert b"CREATE TABLE" in b"".join(decrypted_pages(planted.database, planted.key))
    wrong = decrypted_pages(planted.database, sha256(planted.key).digest())
    assert b"CREATE TABLE" not in b"".join(wrong)


# (c) What the vault answered


@pytest.mark.parametrize("who", [BANK, CITY, EAST, WEST, AUDITOR, "holder", "public"])
def test_no_answer_of_the_vault_shows_a_canary(planted: Planted, who: str) -> None:
    """T19, T30: headers and bodies of everything that was answered in the story, by who asked."""
    answers = planted.answers[who]
    assert len(answers) >= 2
    assert any(b"eyJ" in answer or b"/log\n" in answer for answer in answers)
    assert search(planted.canaries, answers) == set()


def test_sealed_bytes_of_a_stopped_grant_are_on_no_page(planted: Planted) -> None:
    """Property 9, T7: three of ann's, three of bob's; the control is a vault without a scrub."""
    assert len(planted.before_stop) == 6
    pages = b"".join(decrypted_pages(planted.database, planted.key))
    assert planted.ann.holder.account.encode() in pages
    assert not any(sealed in pages for sealed in planted.before_stop)


def stop(world: World, ann: Person, grant: Grant) -> None:
    ann.holder.stop(grant)


def replace_it(world: World, ann: Person, grant: Grant) -> None:
    ann.holder.allow(terms(CITY, data_life_days=30), "en", replaces=grant)


def leave(world: World, ann: Person, grant: Grant) -> None:
    ann.holder.erase()


@pytest.mark.parametrize("ends", [stop, replace_it, leave])
def test_what_an_end_deletes_is_on_no_page_when_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: Callable[[World, Person, Grant], None]
) -> None:
    """T7, T38: the control is a vault that does not scrub: older frames of the WAL hold it."""
    left = {}
    for scrubs in (False, True):
        folder = tmp_path / str(scrubs)
        folder.mkdir()
        with monkeypatch.context() as patch, World(folder) as world:
            ann = world.person("ann", EAST)
            grant = world.allow(ann, CITY)
            gone = sealed_bytes(world)
            assert len(gone) == 3
            if not scrubs:
                patch.setattr(SqlCipher, "scrub", lambda _: True)
            ends(world, ann, grant)
            assert not [sealed for sealed in sealed_bytes(world) if sealed]
            key = world.place.database_key.value
            pages = b"".join(decrypted_pages(world.place.database, key))
            left[scrubs] = [sealed in pages for sealed in gone]
    assert left == {False: [True] * 3, True: [False] * 3}


def test_what_was_erased_is_on_no_page(tmp_path: Path) -> None:
    """T38: texts of batches, closes, wraps and the log; the control is what stood there before."""
    with World(tmp_path) as world:
        ann, bob = world.person("ann", EAST), world.person("bob", EAST)
        for person in (ann, bob):
            person.holder.add_code()
            world.allow(person, CITY)
            world.ride(person, EAST, 5_000)
        world.close_month(JAN)
        before = texts_of(world, ann)
        assert len(before) > 8
        pages = b"".join(decrypted_pages(world.place.database, world.place.database_key.value))
        assert [kind for kind, text in before.items() if text not in pages] == []
        kept = texts_of(world, bob)
        ann.holder.erase()
        pages = b"".join(decrypted_pages(world.place.database, world.place.database_key.value))
        assert [kind for kind, text in before.items() if text in pages] == []
        assert [kind for kind, text in kept.items() if text not in pages] == []


def texts_of(world: World, person: Person) -> dict[str, bytes]:
    """Return a piece of everything that the vault keeps of a person, short enough for one page."""
    link, account = person.links[EAST], person.holder.account
    wanted = {
        "batches": ("SELECT text FROM batches WHERE link = ?", link),
        "closes": ("SELECT text FROM closes WHERE link = ?", link),
        "wraps": ("SELECT blob FROM wraps WHERE account = ?", account),
        "states": ("SELECT blob FROM states WHERE account = ?", account),
        "links": ("SELECT text FROM links WHERE account = ?", account),
        "grants": ("SELECT text FROM grants WHERE account = ?", account),
        "windows": ("SELECT token FROM windows WHERE account = ?", account),
        "journal": ("SELECT text FROM journal WHERE account = ?", account),
        "salts": ("SELECT salt FROM journal WHERE account = ?", account),
    }
    connection = dbapi2.connect(str(world.place.database))
    connection.execute(f"PRAGMA key = \"x'{world.place.database_key.value.hex()}'\"")
    found = {
        f"{name} {number}": piece(as_bytes(row[0]))
        for name, (sql, value) in wanted.items()
        for number, row in enumerate(connection.execute(sql, (value,)).fetchall())
    }
    connection.close()
    return found


def piece(raw: bytes) -> bytes:
    """Return 16 bytes from the end: a signature, a ciphertext, a salt; a row begins on its page."""
    return raw[-32:-16] if len(raw) > 32 else raw


# Property 3: two worlds


def quarter(folder: Path, metres: int) -> dict[str, list[object]]:
    """Play a quarter with so many metres a ride; return the vault's values, column by column."""
    folder.mkdir()
    with World(folder) as world:
        ann, others = world.person("ann", EAST, WEST), come(world)
        bank, city = world.allow(ann, BANK), world.allow(ann, CITY)
        for month in (JAN, FEB, MAR):
            world.ride(ann, EAST, metres, metres * 3)
            world.close_month(month)
        assert world.platform(BANK).total(bank.grant, (JAN, FEB, MAR)).grams > 0
        assert world.platform(CITY).total(city.grant, (JAN,)).grams > 0
        end(world, ann, bank, others)
        leave_begun(world, others)
        columns = every_column(world.place.database, world.place.database_key.value)
    parts: dict[str, list[object]] = {}
    for (table, column), rows in columns.items():
        for row in rows:
            for member, value in members(row).items():
                parts.setdefault(f"{table}.{column}{member}", []).append(value)
    return parts


def members(row: bytes) -> dict[str, object]:
    """Return the members of a signed text without its signature; any other value as it is."""
    if row.count(b".") != 2 or not row.startswith(b"eyJ"):
        return {"": row}
    found = json.loads(unb64u(row.split(b".")[1].decode("ascii")))
    return {f" {name}": value for name, value in found.items()}


def test_two_worlds_with_other_totals_differ_only_in_c_and_commitments(tmp_path: Path) -> None:
    """Property 3, T19: what differs by randomness alone is told by a world played twice."""
    one, again, other = (
        quarter(tmp_path / name, metres) for name, metres in (("a", 900), ("b", 900), ("c", 40_404))
    )
    assert {name: len(rows) for name, rows in one.items()} == {
        name: len(rows) for name, rows in other.items()
    }
    by_chance = {name for name, rows in one.items() if rows != again[name]}
    by_totals = {name for name, rows in one.items() if rows != other[name]} - by_chance
    assert by_totals == {
        "closes.cells",
        "closes.text cells",
        "journal.text cells",
        "journal.text c",
        "journal.text C",
        "releases.text c",
        "releases.text C",
    }
    assert by_chance == SEALED_AND_HASHED
    assert {name: sizes(one[name]) for name in by_chance} == {
        name: sizes(other[name]) for name in by_chance
    }


def sizes(values: list[object]) -> list[int]:
    return [len(value if isinstance(value, bytes) else str(value)) for value in values]


SEALED_AND_HASHED = {
    *("batches.text sealed", "tokens.sealed", "directories.text knet", "journal.text knet"),
    *("windows.token sealed", "log_tile.data", "log_head.root", "log_head.checkpoint"),
    # What follows are hashes, and a link's text with the hash of its code.
    *("batches.hash", "batches.receipt of", "closes.hash", "closes.receipt of", "journal.hash"),
    *("closes.text batches", "journal.text batches", "journal.text closes", "journal.text token"),
    *("tokens.text sealed", "journal.text sealed", "releases.text closes", "releases.text token"),
    *("directories.text prev", "journal.text prev", "links.text receipt", "journal.text receipt"),
}
