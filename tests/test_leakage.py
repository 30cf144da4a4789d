"""Property 3: two worlds with other totals and equal message counts differ only in c, C and sealed.

tests/leakage.py says what is compared, and how. Property 12 stands here too: sizes say nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from consent import erasure
from consent.app import schemas
from consent.demo.cast import BANK, CITY
from consent.holder import LinkStart
from consent.messages import Grant
from tests import leakage
from tests.leakage import COLUMNS, MAY_DIFFER, Answer, Entry, Leak, Watched, compare
from tests.site_files import put_site
from tests.test_kill import Town
from tests.town import wanted
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, Person, World
from vault import calls
from vault import http as vault_http
from vault.batches import Stored, batches_of
from vault.crypto.keys import SigningKey, account_key
from vault.crypto.seal import OVERHEAD, SMALLEST
from vault.encoding import Json, read_envelope, strict_object, text_hash
from vault.errors import Absent, DifferentBytes, NotFound, Revoked
from vault.messages import Batch, Close, Erase, Receipt, Reject
from vault.months import Month
from vault.storage.database import Transaction, Value

MAY = Month("2026-05")


def small_rides(number: int) -> int:
    return 1_000 + number


def large_rides(number: int) -> int:
    return 9_000 + 700 * number


class Column(NamedTuple):
    table: str
    name: str


class One(NamedTuple):
    value: Value


class Spied(World):
    """A world whose answers, messages and log entries are written down."""

    def __init__(self, metres: Callable[[int], int]) -> None:
        super().__init__()
        self.metres, self.watched, self.acts = metres, Watched(), 0
        self.client.event_hooks = {"response": [self._hear]}

    def _hear(self, answer: httpx2.Response) -> None:
        request = f"{answer.request.method} {answer.request.url}"
        headers = tuple(sorted(answer.headers.items()))
        self.watched.answers.append(Answer(request, answer.status_code, headers, answer.read()))
        self.watched.sent.append(answer.request.content)

    def link(self, person: Person, name: str) -> LinkStart:
        start = super().link(person, name)
        self.watched.sealed.append(start.code)
        return start

    def act(self, person: Person, name: str) -> None:
        """Book one ride: the number of rides is the same in every world, their length is not."""
        self.acts += 1
        self.ride(person, name, self.metres(self.acts))

    def remember(self) -> None:
        """Keep the log's entries and the sealed tokens before somebody's are erased."""
        sql = "SELECT position, at, salt, text FROM journal WHERE position IS NOT NULL"
        rows = self.database.read(lambda tx: tx.all(Entry, sql))
        self.watched.entries |= {row.position: row for row in rows}
        sealed = "SELECT sealed FROM tokens WHERE sealed IS NOT NULL"
        found = self.database.read(lambda tx: tx.all(One, sealed))
        self.watched.sealed += [row.value for row in found if isinstance(row.value, bytes)]

    def store(self) -> None:
        """Keep every column of every row."""
        self.remember()
        self.watched.rows |= self.database.read(_columns)


def _columns(tx: Transaction) -> dict[str, list[Value]]:
    named = tx.all(
        Column,
        "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c"
        " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid",
    )
    found: dict[str, list[Value]] = {}
    for table, name in named:
        keys = tx.all(One, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", table)
        order = ", ".join(str(key.value) for key in keys)
        rows = tx.all(One, f"SELECT {name} FROM {table} ORDER BY {order}")
        found[f"{table}.{name}"] = [row.value for row in rows]
    return found


def live(world: Spied) -> None:
    """Fill every table: rides, closes, absents, consent, refusals, a reject, evidence, an end."""
    ann, ben = world.person("ann", EAST, WEST), world.person("ben", EAST)
    cat, dan = world.person("cat", EAST), world.person("dan", EAST)
    ann.holder.add_code()
    put_site(world)
    bank, city = world.allow(ann, BANK), _answer(world, ann, ben)
    for month in (JAN, FEB):
        for person, source in ((ann, EAST), (ann, WEST), (ann, EAST), (ben, EAST), (cat, EAST)):
            world.act(person, source)
        world.close_month(month)
    world.platform(CITY).total(city.grant, (JAN,))
    world.act(ann, EAST)
    for sending in world.sources.values():
        sending.send_batches()
    world.move(APR)
    world.sources[EAST].close(MAR)  # West sleeps through March
    _refuse(world, ben)
    world.move(MAY)
    with pytest.raises(Absent):
        world.platform(BANK).total(bank.grant, (JAN, FEB, MAR))
    ann.holder.refresh()
    ann.holder.mint(bank)
    world.platform(BANK).total(bank.grant, (JAN, FEB, MAR))
    ann.holder.ask_deletion(bank)
    ann.holder.ask_deletion(city)
    world.platform(CITY).delete(city.grant)
    ann.holder.stop(city)
    with pytest.raises(Revoked):
        world.platform(CITY).total(city.grant, (JAN,))
    ann.holder.unlink(ann.links[WEST])
    world.remember()
    cat.holder.erase()
    _look(world, ann)
    _begin_to_erase(world, dan)


def _answer(world: Spied, ann: Person, ben: Person) -> Grant:
    """Let the city ask three times: one person allows it, one says no, and one does not answer."""
    city = world.platform(CITY)
    asked, refused, left = (
        city.ask(wanted(CITY, first=JAN, optional=()), world.random) for _ in range(3)
    )
    ann.holder.figures(ann.holder.open_request(asked.code).terms(()), ann.holder.open_links())
    decided = ann.holder.accept_request(ann.holder.open_request(asked.code), (), "en")
    ben.holder.decline_request(ben.holder.open_request(refused.request_uri))
    world.client.get(left.url)
    assert decided.grant
    ann.holder.mint(decided.grant)
    assert city.finish(asked, dict(parse_qsl(urlsplit(decided.redirect or "").query)))
    return decided.grant


def _refuse(world: Spied, ben: Person) -> None:
    """A holder rejects a close; its source sends a second text for the month."""
    close = next(c for c in world.sources[EAST].closes() if c.link == ben.links[EAST])
    key, path = account_key(ben.root), f"/v1/holder/links/{ben.links[EAST].hex()}"
    reject = Reject(iat=world.time, close=text_hash(close.text)).signed(key)
    world.wire(key).post(f"{path}/reject", reject)
    message = Close.opened(read_envelope(close.text, Close.typ))
    source = world.cast.actors[EAST].key
    second = message.model_copy(update={"iat": message.iat + 1}).signed(source)
    with pytest.raises(DifferentBytes):
        world.wire(source).post("/v1/closes", second)


def _look(world: Spied, ann: Person) -> None:
    """Read everything that is served."""
    ann.holder.refresh()
    ann.holder.open_links()
    wire = world.wire(account_key(ann.root))
    for path in ("wraps", "state", "links", "grants", "requests", "tokens", "entries", "releases"):
        wire.get(f"/v1/holder/{path}")
    for path in ("/v1/time", "/v1/directory", "/v1/templates", "/v1/methodology", "/readyz"):
        world.wire().get(path)
    assert len(list(world.platform(CITY).events())) >= 3
    with pytest.raises(NotFound):
        wire.get(f"/v1/holder/links/{'00' * 16}/closes")
    assert world.auditor().audit().findings == []
    world.wire().raw("/log/checkpoint")


def _begin_to_erase(world: Spied, dan: Person) -> None:
    """Leave one erasure in the middle, for the rows that stand only then."""
    key, operator = account_key(dan.root), world.app.state.service.operator
    text = Erase(iat=world.time, pk=key.public).signed(key)
    world.database.write(lambda tx: erasure.begin(tx, operator, dan.holder.account, text))
    world.app.state.log.sequence()


class Lines(logging.Handler):
    """Keeps every line that anything but the test's own client logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(("httpx2", "httpcore2", "asyncio")):
            self.lines.append(f"{record.name} {record.levelname} {record.getMessage()}")


@contextmanager
def listening() -> Iterator[list[str]]:
    root, handler = logging.getLogger(), Lines()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def run(tx: Transaction, sql: str) -> int:
    return tx.run(sql)


def watch(metres: Callable[[int], int], prepare: str = "") -> Watched:
    """Return what a world left, its rides as long as `metres` says; `prepare` is SQL before all."""
    world = Spied(metres)
    for statement in filter(None, prepare.split(";;")):
        world.database.write(partial(run, sql=statement))
    with listening() as lines, world:
        live(world)
        world.store()
        world.watched.logged = lines
    return world.watched


@pytest.fixture(scope="module")
def small() -> Watched:
    return watch(small_rides)


def test_two_worlds_differ_only_in_c_C_and_sealed_bytes(  # noqa: N802
    small: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    large = watch(large_rides)
    assert small.rows["closes.cells"] != large.rows["closes.cells"]
    assert small.rows["batches.text"] != large.rows["batches.text"]
    values = compare(small, large)
    with capsys.disabled():
        print(  # noqa: T201
            f"\ntwo worlds: {values} values, answers and log lines compared,"
            f" {len(small.rows)} columns, {len(small.answers)} answers"
        )


def test_every_column_of_the_schema_is_in_the_list_and_was_filled(small: Watched) -> None:
    declared = {
        f"{table}.{name}"
        for sql in schemas()
        for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", sql, re.DOTALL)
        for name in re.findall(r"^    ([a-z_]+) +(?:TEXT|BLOB|INTEGER)", body, re.MULTILINE)
    }
    assert declared == set(COLUMNS) == set(small.rows)
    assert [column for column, values in small.rows.items() if not values] == []


def test_three_names_may_differ() -> None:
    assert MAY_DIFFER == ("c", "C", "sealed")
    kinds = {part for kind in COLUMNS.values() for part in kind.split(", ")}
    assert kinds == {"same", "jws", "hash", "tile", "checkpoint", *MAY_DIFFER}


# Controls: what depends on the amounts is found wherever it is planted.

HINT = (
    "ALTER TABLE closes ADD COLUMN hint BLOB;;CREATE TRIGGER planted AFTER INSERT ON closes BEGIN"
    " UPDATE closes SET hint = substr(NEW.cells, 193, 8)"
    " WHERE link = NEW.link AND month = NEW.month; END"
)


def test_planted_column_fails_until_it_is_in_the_list_and_then_because_it_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = watch(small_rides, HINT), watch(large_rides, HINT)
    with pytest.raises(Leak, match=r"closes\.hint is in no list"):
        compare(one, other)
    monkeypatch.setattr(leakage, "COLUMNS", {**COLUMNS, "closes.hint": "same"})
    with pytest.raises(Leak, match=r"closes\.hint differs"):
        compare(one, other)


@pytest.mark.parametrize("plant", ["member", "length", "log line", "signed member"])
def test_planted_answer_or_log_line_is_found(
    small: Watched, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    total = [0]

    def metres(number: int) -> int:
        total[0] += large_rides(number)
        return large_rides(number)

    original, signed = calls.answer, Receipt.signed

    def answer(body: dict[str, Json]) -> object:
        if plant == "member" and "receipt" in body:
            return original({**body, "hint": total[0] // 100 % 10})
        if plant == "length" and "receipt" in body:
            return original({**body, "hint": "x" * (total[0] // 100 % 7)})
        if plant == "log line" and "receipt" in body:
            logging.getLogger("vault").debug("so far %d", total[0])
        return original(body)

    def sign(message: Receipt, key: SigningKey) -> str:
        return signed(message.model_copy(update={"iat": message.iat + total[0] // 100 % 2}), key)

    monkeypatch.setattr(vault_http, "answer", answer)
    if plant == "signed member":
        monkeypatch.setattr(Receipt, "signed", sign)
    with pytest.raises(Leak):
        compare(small, watch(metres))


# Property 12: sizes.


def test_sizes_of_batch_and_close_do_not_depend_on_activity_inside_a_bucket() -> None:
    sizes = set()
    for rides in (0, 1, 3, 8):
        with World() as world:
            ann = world.person("ann", EAST)
            world.ride(ann, EAST, *[1_000 * 10**n for n in range(rides)])
            world.close_month(JAN)
            (stored,) = stored_batches(world, ann)
            (close,) = world.sources[EAST].closes()
        batch = Batch.opened(read_envelope(stored.text, Batch.typ))
        assert (len(batch.sealed), len(batch.tags)) == (SMALLEST + OVERHEAD, 8)
        assert len(Close.opened(read_envelope(close.text, Close.typ)).cells) == 7
        sizes.add((len(stored.text), len(stored.receipt), len(close.text)))
    assert len(sizes) == 1


def stored_batches(world: World, person: Person) -> list[Stored]:
    return world.database.read(lambda tx: batches_of(tx, person.links[EAST], 0, 9))


def test_larger_batches_grow_by_whole_buckets() -> None:
    with World() as world:
        ann = world.person("ann", EAST)
        for rides in (9, 20, 40):
            world.ride(ann, EAST, *range(1_000, 1_000 + rides))
            world.sources[EAST].send_batches()
        found = stored_batches(world, ann)
    batches = [Batch.opened(read_envelope(stored.text, Batch.typ)) for stored in found]
    assert [len(batch.tags) for batch in batches] == [16, 24, 40]
    assert [(len(b.sealed) - OVERHEAD) // SMALLEST for b in batches] == [1, 2, 4]


def test_server_writes_nothing_personal(tmp_path: Path) -> None:
    with Town(tmp_path, JAN, []) as town:
        town.settle()
        for number, month in enumerate((JAN, FEB, MAR, APR)):
            town.live(month, number)
        with pytest.raises(NotFound):
            town.wire().get(f"/v1/wraps/{'00' * 16}")
        town.http.get(f"{town.url}/v1/holder/links?name=ann")
        lines = town.spoken.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("DEMONSTRATION")
    assert set(strict_object(lines[1].encode("utf-8"))) == {"url", "host", "port", "open"}
