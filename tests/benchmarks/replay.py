"""How fast an audit replays a log, and in how much memory, for logs of different lengths.

    ./run python -m tests.benchmarks.replay [--entries 10000 --entries 100000] [--jobs 1 --jobs 2]

Each log is a mirror's folder made here: valid entries of people who come in January, April and
July and stay for a year, with two sources and two platforms. Every signature, point and sum holds,
so an audit finds nothing, which is checked. The cells are taken from a few that are made ahead: a
replay adds them up and never opens one. Each measurement is a process of its own; nothing is
asserted about time, and docs/performance.md keeps a run.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from consent.demo.cast import BANK, CITY, SOURCES, Cast, Edition, compose, make_cast
from consent.demo.scenes import terms_of
from consent.judging import Tree, judge
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.merkle import leaf_hash
from consent.log.note import ED25519, VerifierKey
from consent.log.proof import leaf_data
from consent.log.tiles import ENTRIES, WIDTH, Tile, write_bundle
from consent.messages import (
    Bind,
    Grant,
    LinkMonths,
    NoticeRef,
    Pause,
    Release,
    Resume,
    Revoke,
    Token,
)
from consent.mirror import Mirror, number_of
from consent.policy import Policy
from consent.shown import combine
from consent.templates import latest_until
from vault.crypto.commit import ORDER, Scalar, commit
from vault.crypto.keys import SigningKey
from vault.crypto.meter import Cell
from vault.directory import FIRST_PREV
from vault.encoding import text_hash
from vault.messages import Account, Attach, Close, Link, LogEntry, ReleaseEntry, Unlink
from vault.months import DEFAULT_ZONE, Month, add_months, month_begins

ORIGIN, VAULT_ID = "vault.demo/log", "vault.demo"
LOG, AUDITOR, VAULT = (SigningKey(sha256(name).digest()) for name in (b"log", b"audit", b"vault"))
VKEY = str(VerifierKey(ORIGIN, ED25519, LOG.public))
FIRST, MONTHS, COMING = Month("2026-01"), 14, (0, 3, 6)
PER_PERSON = 50  # entries of one person over the whole time, on average
RELEASE = "bench-1"
POOL = 64

Entry = tuple[int, str]


def drawn(*words: object) -> bytes:
    """Return 32 bytes that are the same in every run."""
    return sha256("/".join(map(str, words)).encode()).digest()


def scalar(*words: object) -> Scalar:
    return Scalar(int.from_bytes(drawn(*words), "little") % ORDER)


CELLS = [Cell(scalar("c", n), commit(n, scalar("rho", n))) for n in range(POOL)]


@dataclass
class Given:
    """A grant that goes on, and the tokens of its windows that were not released yet."""

    grant: Grant
    key: SigningKey
    changes: int = 0
    waiting: list[tuple[Token, str]] = field(default_factory=list)
    ended: bool = False


@dataclass
class Resident:
    """One person: keys, links by source, closes by (link, month), grants."""

    number: int
    since: Month
    account: SigningKey
    links: dict[str, bytes] = field(default_factory=dict)
    closes: dict[tuple[bytes, Month], Close] = field(default_factory=dict)
    names: dict[tuple[bytes, Month], bytes] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    given: list[Given] = field(default_factory=list)


class Town:
    """Everybody, and what they log month by month."""

    def __init__(self, entries: int) -> None:
        """Let as many people live here as make so many entries."""
        self.cast: Cast = make_cast(VAULT.public, AUDITOR, _Draw())
        self.people = max(len(COMING), entries // PER_PERSON + 1)
        self.residents: list[Resident] = []

    def entries(self) -> Iterator[Entry]:
        """Give the log's entries, in order."""
        begin = month_begins(FIRST, DEFAULT_ZONE)
        yield begin, self._directory(begin)
        for offset in range(MONTHS):
            month = add_months(FIRST, offset)
            day = month_begins(month, DEFAULT_ZONE)
            if offset in COMING:
                yield from ((day + 86400, text) for text in self._come(month, day + 86400))
            yield from ((day + 2 * 86400, text) for text in self._close(add_months(month, -1)))
            yield from ((day + 3 * 86400, text) for text in self._live(month, day))

    def _directory(self, now: int) -> str:
        log = LogEntry(origin=ORIGIN, vkey=VKEY, witnesses=(), quorum=0)
        release = ReleaseEntry(id=RELEASE, sha256=bytes(32), begins=FIRST)
        edition = Edition(1, FIRST_PREV, now, now, log, (release,), (2025, 2026), demo=False)
        listing = compose(self.cast, edition)
        forever = 2**40
        parties = tuple(
            party.model_copy(
                update={"sig": tuple(k.model_copy(update={"until": forever}) for k in party.sig)}
            )
            for party in listing.entries
        )
        return listing.model_copy(update={"entries": parties}).signed(AUDITOR)

    def _come(self, month: Month, at: int) -> Iterator[str]:
        for _ in range(-(-self.people // len(COMING))):
            number = len(self.residents)
            one = Resident(number, month, SigningKey(drawn("account", number)))
            self.residents.append(one)
            account = Account(iat=at, pk=one.account.public, vault=VAULT_ID, over14=True)
            yield account.signed(one.account)
            for source in SOURCES:
                link = one.links[source] = drawn("link", number, source)[:16]
                answer = Link(iat=at, link=link, source=source, msg=bytes(32), begins=month)
                receipt = answer.signed(self.cast.actors[source].key)
                yield Attach(iat=at, link=link, receipt=receipt).signed(one.account)
            for platform in (CITY, BANK):
                key = SigningKey(drawn("consent", number, platform))
                yield Bind(iat=at, org=platform, pk=key.public).signed(one.account)
                grant = self._grant(one, platform, key, at)
                one.given.append(Given(grant, key))
                yield grant.signed(key)

    def _grant(self, one: Resident, platform: str, key: SigningKey, at: int) -> Grant:
        terms = dict(terms_of(platform))
        last = add_months(one.since, 11 if platform == CITY else 5)
        terms |= {"first": one.since, "last": last, "until": latest_until(last, DEFAULT_ZONE)}
        return Grant.model_validate(
            {
                **terms,
                "iat": at,
                "type": "carbon_reduction_total",
                "grant": drawn("grant", one.number, platform)[:16],
                "pk": key.public,
                "org": platform,
                "notice": NoticeRef(sha256=drawn("notice", platform), locale="en"),
            }
        )

    def _close(self, month: Month) -> Iterator[str]:
        at = month_begins(add_months(month, 1), DEFAULT_ZONE)
        for one in self.residents:
            for source, link in one.links.items():
                if source in one.left or month < one.since:
                    continue
                pick = drawn("pick", one.number, source, month)
                close = Close(
                    iat=at,
                    link=link,
                    month=month,
                    methodology=RELEASE,
                    cells=tuple(CELLS[byte % POOL] for byte in pick[:7]),
                    upto=30,
                    batches=drawn("batches", one.number, month),
                )
                text = close.signed(self.cast.actors[source].key)
                one.closes[link, month], one.names[link, month] = close, text_hash(text)
                yield text

    def _live(self, month: Month, at: int) -> Iterator[str]:
        for one in self.residents:
            for given in one.given:
                yield from self._release(one, given, at)
                yield from self._mint(one, given, month, at)
                yield from self._change(one, given, month, at)
            if one.number % 50 == 7 and month == add_months(one.since, 8):
                one.left.add(SOURCES[0])
                yield Unlink(iat=at, link=one.links[SOURCES[0]]).signed(one.account)

    def _mint(self, one: Resident, given: Given, month: Month, at: int) -> Iterator[str]:
        if given.ended:
            return
        for window in given.grant.windows:
            if window[0] == month:
                links = sorted(link for name, link in one.links.items() if name not in one.left)
                token = Token(
                    iat=at,
                    grant=given.grant.grant,
                    window=window,
                    cells=tuple(LinkMonths(link, window) for link in links),
                    sealed=drawn("sealed", one.number, window),
                )
                text = token.signed(given.key)
                given.waiting.append((token, text))
                yield text

    def _release(self, one: Resident, given: Given, at: int) -> Iterator[str]:
        for token, text in list(given.waiting):
            cells = [(cell.link, month) for cell in token.cells for month in cell.months]
            if given.ended or any(cell not in one.closes for cell in cells):
                continue
            given.waiting.remove((token, text))
            total = combine([one.closes[cell].cells for cell in cells], given.grant.scope)
            yield Release(
                iat=at,
                grant=given.grant.grant,
                window=token.window,
                purpose=given.grant.purposes[0],
                c=total.masked,
                C=total.commitment,
                token=text_hash(text),
                closes=sha256(b"".join(one.names[cell] for cell in cells)).digest(),
                methodology=(RELEASE,),
            ).signed(VAULT)

    def _change(self, one: Resident, given: Given, month: Month, at: int) -> Iterator[str]:
        kinds: list[type[Revoke]] = []
        if one.number % 10 == 3 and month == add_months(one.since, 4):
            kinds = [Pause, Resume]
        if one.number % 8 == 5 and month == add_months(one.since, 5):
            kinds, given.ended = [Revoke], True
        for kind in kinds:
            given.changes += 1
            message = kind(iat=at, grant=given.grant.grant, n=given.changes)
            yield message.signed(given.key)


class _Draw:
    """Bytes that are the same in every run, and others at each call."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return drawn("draw", self._count)[:size]


def write_log(folder: Path, entries: int) -> None:
    """Write a mirror of so many entries."""
    tree, bundle, lines, n = Tree(), list[bytes](), list[str](), 0
    size = 0
    for size, (at, text) in enumerate(Town(entries).entries(), 1):
        salt = drawn("salt", size)[:16]
        leaf = leaf_data(salt, at, text)
        tree.add(leaf_hash(leaf))
        bundle.append(leaf)
        members = {"index": size - 1, "at": at, "salt": salt.hex(), "text": text}
        lines.append(json.dumps(members, separators=(",", ":")) + "\n")
        if len(bundle) == WIDTH or size == entries:
            _write(folder / str(Tile(ENTRIES, n, len(bundle))), write_bundle(bundle))
            _write(folder / f"texts/{number_of(n)}.jsonl", "".join(lines).encode())
            n, bundle, lines = n + 1, [], []
        if size == entries:
            break
    assert size == entries, f"the town made {size} entries only"
    signed = sign_checkpoint(Checkpoint(ORIGIN, size, tree.root()), LOG)
    _write(folder / "checkpoint", signed.encode())


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


def measure(folder: Path, jobs: int) -> dict[str, int | float | list[int]]:
    """Return what one audit of a mirror took; nothing is to be found.

    `tenths` is the CPU time of an entry in each tenth of the log, µs of this process.
    """
    begun = time.perf_counter()
    mirror = Mirror(folder, Policy(AUDITOR.public, VKEY))
    marks = [time.process_time()]

    def mark(done: int, size: int) -> None:
        if done * 10 // size >= len(marks):
            marks.append(time.process_time())

    report = judge(mirror.policy, mirror.copy(), mirror.memory(), jobs, progress=mark).report()
    seconds = time.perf_counter() - begun
    assert report.findings == [], report.findings[:3]
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "size": report.size,
        "seconds": seconds,
        "cpu": sum(each.ru_utime + each.ru_stime for each in (own, others)),
        "peak": own.ru_maxrss,
        "each": others.ru_maxrss,
        "tenths": [
            round((after - before) / report.size * 1e7) for before, after in pairwise(marks)
        ],
    }


def measured(folder: Path, jobs: int) -> dict[str, float]:
    """Return the same from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.replay", "--measure", str(folder)]
    done = subprocess.run([*command, "--jobs", str(jobs)], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="audits of logs of different lengths")
    parser.add_argument("--entries", type=int, action="append")
    parser.add_argument("--jobs", type=int, action="append")
    parser.add_argument("--measure", type=Path)
    asked = parser.parse_args()
    if asked.measure:
        sys.stdout.write(json.dumps(measure(asked.measure, asked.jobs[0])))
        return
    sys.stdout.write(
        "| entries | jobs | entries/s | µs of CPU an entry | peak MB | MB a reading process |\n"
        "|--:|--:|--:|--:|--:|--:|\n"
    )
    for entries in asked.entries or [10_000, 100_000]:
        with tempfile.TemporaryDirectory() as folder:
            write_log(Path(folder), entries)
            for jobs in asked.jobs or [1, 2]:
                row = measured(Path(folder), jobs)
                each = f"{row['each'] / 1024:,.0f}" if jobs > 1 else "–"
                sys.stdout.write(
                    f"| {entries:,} | {jobs} | {entries / row['seconds']:,.0f} |"
                    f" {row['cpu'] / entries * 1e6:,.0f} | {row['peak'] / 1024:,.0f} |"
                    f" {each} |\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
