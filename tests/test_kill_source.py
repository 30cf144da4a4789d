"""kill -9 at every point of a source's books: one text per batch number and month, ever.

The source is a process of its own that is killed, started again over its books and left to send
again. The vault here only records what reaches it, and confirms it.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.forge import forge
from tests.listing import NOW, SIGNING
from tests.source_process import (
    CUSTOMERS,
    FIRST,
    METRES,
    RELEASE,
    link_of,
    open_books,
    ride,
)
from tests.strikes import KILLED, Strike, check_all_struck, environment, plan
from vault.books import CloseBook
from vault.chain import digest_of
from vault.encoding import Json, read_envelope, text_hash
from vault.messages import AbsentMonth, Batch, Close, Receipt
from vault.methodology.quantify import quantify
from vault.months import DEFAULT_ZONE, Month, add_months, month_begins

CREWS = 2
MONTHS = 11
ABSENT = tuple(add_months(FIRST, n) for n in (1, 3, 4, 6, 8))
RUN = ("-m", "tests.source_process")
LATE = ("-m", "tests.late_commit", "tests.source_process")
SECONDS = 60

# At which passing a point may strike: each run passes it once for each customer, or not at all.
FURTHEST = {
    "batch-before-freeze": CUSTOMERS,
    "batch-frozen": CUSTOMERS,
    "batch-before-send": CUSTOMERS,
    "batch-answered": CUSTOMERS,
    "batch-kept": CUSTOMERS,
    "close-before-freeze": 2,
    "close-frozen": 2,
    "close-before-send": 2,
    "close-answered": 2,
    "close-kept": 2,
    "absent-answered": 2,
}


class Broken(AssertionError):
    """The source did not keep its word."""


class Recorder:
    """A vault that writes down every text which reaches it, and confirms the first one."""

    def __init__(self) -> None:
        self.batches: dict[tuple[bytes, int], list[str]] = defaultdict(list)
        self.closes: dict[tuple[bytes, Month], list[str]] = defaultdict(list)
        self.receipts: dict[str, str] = {}
        self.took = 0

    def take(self, path: str, text: str) -> tuple[int, dict[str, Json]]:
        """Return status and answer to a batch or close."""
        self.took += 1
        if path == "/v1/batches":
            batch = Batch.opened(read_envelope(text, Batch.typ))
            self.batches[batch.link, batch.seq].append(text)
            return 200, {"receipt": self._receipt(text, ())}
        close = Close.opened(read_envelope(text, Close.typ))
        self.closes[close.link, close.month].append(text)
        if close.month in ABSENT:
            problem: dict[str, Json] = {"type": "absent", "title": "", "status": 422, "detail": ""}
            return 422, {**problem, "statement": absent(close.link, close.month)}
        return 200, {"receipt": self._receipt(text, None)}

    def _receipt(self, text: str, taken: tuple[int, ...] | None) -> str:
        made = Receipt(iat=NOW, of=text_hash(text), taken=taken).signed(SIGNING["vault.example"])
        return self.receipts.setdefault(text, made)

    def link(self, link: bytes) -> dict[str, Json]:
        """Return what a source is told about its link."""
        told = [month for (of, month) in self.closes if of == link and month in ABSENT]
        receipts: list[Json] = [
            self.receipts[texts[0]]
            for (of, month), texts in self.closes.items()
            if of == link and month not in ABSENT
        ]
        absents: list[Json] = [absent(link, month) for month in told]
        return {"state": "attached", "receipts": receipts, "absents": absents, "rejects": []}


def absent(link: bytes, month: Month) -> str:
    return AbsentMonth(iat=NOW, link=link, month=month).signed(SIGNING["vault.example"])


@contextmanager
def serving(vault: Recorder) -> Iterator[str]:
    """Serve the recorder on loopback; give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, vault.link(bytes.fromhex(self.path.rpartition("/")[2])))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*vault.take(self.path, body.decode("ascii")))

        def _answer(self, status: int, told: Mapping[str, Json]) -> None:
            body = json.dumps(told).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=SECONDS)


def check_words(vault: Recorder) -> None:
    """Return when the source kept its word so far; raises Broken.

    1. one text for each (link, seq), numbers without gaps. 2. one text for each (link, month). 3.
    each close is over the batches and receipts that the vault has.
    """
    for name, texts in [*vault.batches.items(), *vault.closes.items()]:
        if len(set(texts)) != 1:
            raise Broken(f"{len(set(texts))} texts for {name[1]} of one link")  # 1, 2
    for link in {link for link, _ in vault.batches}:
        numbers = sorted(seq for of, seq in vault.batches if of == link)
        if numbers != list(range(len(numbers))):
            raise Broken(f"batches {numbers} of a link")  # 1
        _check_digests(vault, link)  # 3


def _check_digests(vault: Recorder, link: bytes) -> None:
    before = -1
    for month in sorted(month for of, month in vault.closes if of == link):
        close = Close.opened(read_envelope(vault.closes[link, month][0], Close.typ))
        texts = [vault.batches[link, seq][0] for seq in range(before + 1, close.upto + 1)]
        if digest_of([(text, vault.receipts[text]) for text in texts]) != close.batches:
            raise Broken(f"the close of {month} is not over what the vault has")
        before = before if month in ABSENT else close.upto


def check_books(vault: Recorder, books: Path) -> None:
    """Return when the books hold what the vault holds, and every act counts once."""
    with closing(open_books(books)) as outbox:
        frozen = outbox.closes()
        assert {c.text for c in frozen} == {texts[0] for texts in vault.closes.values()}
        assert outbox.unsent_batches() == []
        for customer in range(CUSTOMERS):
            link = link_of(customer).link
            own = [c for c in frozen if c.link == link and c.month not in ABSENT]
            assert [c.receipt for c in own] == [vault.receipts[c.text] for c in own]
            # An absent month's sums stand in the next close, if there was one yet.
            months = {c.month for c in frozen if c.month <= own[-1].month}
            assert _counted(own) == len(months) * _month_mg()


def _counted(closes: list[CloseBook]) -> int:
    left: list[int] = json.loads(closes[-1].balances)
    return 1000 * sum(sum(json.loads(close.grams)) for close in closes) + sum(left)


def _month_mg() -> int:
    return sum(quantify(ride(0, FIRST, n, NOW).act, RELEASE).mg for n in range(len(METRES)))


def play(
    folder: Path, strikes: list[Strike], entry: tuple[str, ...] = RUN
) -> tuple[Counter[str], Recorder]:
    """Let a source live through months until every strike has struck."""
    folder.mkdir(exist_ok=True)
    vault, waiting, hits = Recorder(), deque(strikes), Counter[str]()
    with serving(vault) as url:
        number = 0
        while number < MONTHS and (waiting or number < 3):
            now = month_begins(add_months(FIRST, number), DEFAULT_ZONE) + 2 * 86400
            words = [*entry, str(folder / "books.db"), url, str(now)]
            while not _run(folder, words, waiting, hits):
                check_words(vault)
            check_words(vault)
            number += 1
        check_books(vault, folder / "books.db")
    return hits, vault


def _run(folder: Path, words: list[str], waiting: deque[Strike], hits: Counter[str]) -> bool:
    """Run the source once; return whether it came to its end."""
    strike, log = waiting[0] if waiting else None, folder / "source.log"
    log.write_bytes(b"")
    code = forge(words, log, environment(strike)).wait(SECONDS)
    said = log.read_text(encoding="utf-8")
    if code == 0:
        return True
    assert code == KILLED, said[-2000:]
    assert strike
    assert said.endswith(f"FAULT {strike.point}\n")
    hits[waiting.popleft().point] += 1
    return False


def test_source_killed_at_every_point_sends_one_text_per_number_and_month(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lives = plan(FURTHEST, list(FURTHEST), CREWS)
    with ThreadPoolExecutor(CREWS) as pool:
        played = list(pool.map(play, [tmp_path / str(n) for n in range(len(lives))], lives))
    hits = sum((found for found, _ in played), Counter[str]())
    took = sum(vault.took for _, vault in played)
    texts = sum(len(vault.batches) + len(vault.closes) for _, vault in played)
    with capsys.disabled():
        check_all_struck("source", FURTHEST, hits, f"{texts} texts reached the vault {took} times")


def test_check_finds_a_source_that_sends_before_it_freezes(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="texts for"):
        play(tmp_path, [Strike("batch-kept", CUSTOMERS)], LATE)
