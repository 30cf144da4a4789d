"""How much memory an importer takes for a long export, which is made while it is read.

    python -m tests.memory bikeshare 1000        1,000 MB through one importer, in this process
    python -m tests.memory "mds pieces" 63       what is read as a whole: 64 MiB at most

Prints JSON {"rows": …, "entries": …, "bytes": …, "peak_mb": …}; the peak is the process's own.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from tests.benchmarks.imports import STATIONS, at
from vault.errors import BadFile
from vault.importers.catalogue import read_export
from vault.importers.entry import Setting
from vault.importers.report import Report

SETTING = Setting("CN-ZJ-HZ", ZoneInfo("Asia/Shanghai"), 3)


class Made(io.RawIOBase):
    """A file that is made as it is read, and is never anywhere as a whole."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._left, self.sent = parts, bytearray(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        room = memoryview(cast("bytearray", into))[: 1 << 16]
        while len(self._left) < len(room) and (part := next(self._parts, b"")):
            self._left += part
        count = min(len(room), len(self._left))
        room[:count] = self._left[:count]
        del self._left[:count]  # which moves nothing
        self.sent += count
        return count


def trips(size: int) -> Iterator[bytes]:
    head = b"trip_id,duration,start_date,start_terminal,end_date,end_terminal,bike_id\n"
    yield head
    made, n = len(head), 0
    while made < size:
        part = "".join(
            f"{i},600,{at(i)},{i % 60},{at(i)},{(i + 7) % 60},{i % 500}\n"
            for i in range(n, n + 1000)
        ).encode()
        made, n = made + len(part), n + 1000
        yield part


def lines(size: int) -> Iterator[bytes]:
    made, n = 0, 0
    while made < size:
        line = {
            "customer": str(n % 500),
            "behaviour": "travel.bike",
            "activity": {"m": 1000, "s": 600},
            "start": 1767571200 + n,
            "end": 1767571800 + n,
            "region": "CN-ZJ-HZ",
            "receipt": f"R-{n}",
            "guessable": True,
        }
        part = (json.dumps(line) + "\n").encode()
        made, n = made + len(part), n + 1
        yield part


def readings(size: int) -> Iterator[bytes]:
    yield (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry>'
        b'<link rel="self" href="Subscription/1/UsagePoint/1/MeterReading/1/ReadingType/1"/>'
        b'<content><ReadingType xmlns="http://naesb.org/espi"><flowDirection>1</flowDirection>'
        b"<powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom></ReadingType></content>"
        b'</entry><entry><link rel="self" '
        b'href="Subscription/1/UsagePoint/1/MeterReading/1/IntervalBlock/1"/>'
        b'<content><IntervalBlock xmlns="http://naesb.org/espi">'
    )
    made, n = 0, 0
    while made < size:
        part = (
            f"<IntervalReading><timePeriod><duration>60</duration>"
            f"<start>{1577836800 + 60 * n}</start></timePeriod><value>{n % 900}</value>"
            "</IntervalReading>"
        ).encode()
        made, n = made + len(part), n + 1
        yield part
    yield b"</IntervalBlock></content></entry></feed>"


def broken_rows(size: int) -> Iterator[bytes]:
    yield (
        b"ride_id,rideable_type,started_at,ended_at,start_station_name,end_station_name,"
        b"start_lat,start_lng,end_lat,end_lng\n"
    )
    yield from repeated(b"no row, and no ride\n", size)


def broken_lines(size: int) -> Iterator[bytes]:
    yield from repeated(b"no object and no act, for as long as a line of this kind lasts\n", size)


def repeated(piece: bytes, size: int) -> Iterator[bytes]:
    block = piece * (60_000 // len(piece))
    for _ in range(size // len(block) + 1):
        yield block


def listed(head: bytes, item: bytes, tail: bytes, size: int) -> Iterator[bytes]:
    """A list of one item again and again, to the byte at most so long."""
    yield head + item
    count = (size - len(head) - len(tail)) // (len(item) + 1) - 1
    block = max(1, 60_000 // (len(item) + 1))
    for done in range(0, count, block):
        yield (b"," + item) * min(block, count - done)
    yield tail


def long_item(piece: bytes) -> bytes:
    """An object of just under 2 MiB, of the same small piece again and again."""
    count = (2_000_000 - 9) // (len(piece) + 1)
    return b'{"a":[' + b",".join([piece] * count) + b"]}"


def long_text(piece: bytes) -> bytes:
    return b'"' + piece * 900_000 + b'"'


def many_members(wide: bytes) -> bytes:
    """An object of just under 2 MiB whose members all have names of their own."""
    return b"{" + b",".join(b'"%x":0' % n for n in range(170_000)) + b',"":"' + wide + b'"}'


TRIPS = (b'{"version":"2.0.0","trips":[', b"]}")
WIDE = "\U0001f6b2".encode()
CREDIT = (
    b'{"country_code":"BE","party_id":"BEC","id":"1","credit":true,"credit_reference_id":"2",'
    b'"total_energy":0}'
)


# An item is made when it is asked for: made before, it would raise the peak of every other file.
def trips_of(make: Callable[[bytes], bytes], piece: bytes) -> Callable[[int], Iterator[bytes]]:
    return lambda size: listed(TRIPS[0], make(piece), TRIPS[1], size)


def charges_of(make: Callable[[bytes], bytes], piece: bytes) -> Callable[[int], Iterator[bytes]]:
    return lambda size: listed(b"[", make(piece), b"]", size)


def charge_lines(size: int) -> Iterator[bytes]:
    yield b"{}\n"
    yield CREDIT + b"\n"
    yield from repeated(b"x\n", size)


def one_tap_cards(_: int) -> Iterator[bytes]:
    """A million taps, each of another card; as many stations and gates as are taken."""
    yield b"deal_date,card_token,deal_type,station,car_no\n"
    name = "\U00020000" * 58
    for first in range(0, 1_000_000, 1_000):
        yield "".join(
            f"2026-01-05 08:02:11,{n:032},地铁入站,{name}{n % 50_000},{name}A{n % 49_000}\n"
            for n in range(first, first + 1_000)
        ).encode()


def one_cards_taps(_: int) -> Iterator[bytes]:
    """A million taps of one card."""
    yield b"deal_date,card_token,deal_type,station,car_no\n"
    for first in range(0, 1_000_000, 1_000):
        yield "".join(
            f"2026-01-{1 + n % 28:02} 08:{n % 60:02}:{n % 59:02},K,地铁出站,S,G{n % 90_000}\n"
            for n in range(first, first + 1_000)
        ).encode()


MAKERS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "bikeshare": trips,
    "jsonl": lines,
    "greenbutton": readings,
    "bikeshare2020 broken": broken_rows,
    "jsonl broken": broken_lines,
}
# What is read as a whole, and is refused beyond 64 MiB or a million of it: the worst that fits.
WHOLE: dict[str, Callable[[int], Iterator[bytes]]] = {
    "mds small": trips_of(bytes, b'{"a":0}'),
    "mds nothing": trips_of(bytes, b"[]"),
    "mds pieces": trips_of(long_item, b'{"a":0}'),
    "mds members": trips_of(many_members, b""),
    "mds wide": trips_of(many_members, WIDE),
    "mds fractions": trips_of(long_item, b"0.1"),
    "mds escapes": trips_of(long_item, b'"\\u4e2d"'),
    "mds text": trips_of(long_text, b"\\n"),
    "ocpi credits": charges_of(bytes, CREDIT),
    "ocpi pieces": charges_of(long_item, b'{"a":[]}'),
    "ocpi lines": charge_lines,
    "shenzhen-afc cards": one_tap_cards,
    "shenzhen-afc taps": one_cards_taps,
}


def measure(name: str, megabytes: int) -> dict[str, int]:
    file, report = Made({**MAKERS, **WHOLE}[name](megabytes * 10**6)), Report()
    form = name.partition(" ")[0]
    beside = io.BytesIO(STATIONS.encode()) if form == "bikeshare" else None
    entries = 0
    with suppress(BadFile):  # too many of it is what some are made to be
        for _ in read_export(form, io.BufferedReader(file), SETTING, report, beside):
            entries += 1
    return {
        "rows": report.read,
        "entries": entries,
        "bytes": file.sent,
        "peak_mb": peak_kb() // 1024,
    }


def peak_kb() -> int:
    # Linux lets a new program begin with the peak of the one that started it, in getrusage alone.
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]))) + "\n")
