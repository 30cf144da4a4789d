"""How much memory an importer takes for a long export, which is made while it is read.

    python -m tests.memory bikeshare 1000        1,000 MB through one importer, in this process

Prints JSON {"rows": …, "entries": …, "bytes": …, "peak_mb": …}; the peak is the process's own.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Callable, Iterator
from typing import cast
from zoneinfo import ZoneInfo

from tests.benchmarks.imports import STATIONS, at
from vault.importers.catalogue import read_export
from vault.importers.entry import Setting
from vault.importers.report import Report

SETTING = Setting("CN-ZJ-HZ", ZoneInfo("Asia/Shanghai"), 3)


class Made(io.RawIOBase):
    """A file that is made as it is read, and is never anywhere as a whole."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._left, self.sent = parts, b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        room = memoryview(cast("bytearray", into))
        while len(self._left) < len(room) and (part := next(self._parts, b"")):
            self._left += part
        count = min(len(room), len(self._left))
        room[:count], self._left = self._left[:count], self._left[count:]
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


MAKERS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "bikeshare": trips,
    "jsonl": lines,
    "greenbutton": readings,
}


def measure(name: str, megabytes: int) -> dict[str, int]:
    file, report = Made(MAKERS[name](megabytes * 10**6)), Report()
    beside = io.BytesIO(STATIONS.encode()) if name == "bikeshare" else None
    entries = sum(1 for _ in read_export(name, io.BufferedReader(file), SETTING, report, beside))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"rows": report.read, "entries": entries, "bytes": file.sent, "peak_mb": peak}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]))) + "\n")
