"""How fast each importer and quantify() are, beside csv, json or expat alone on the same bytes.

    ./run python -m tests.benchmarks.imports [--repeat 5]

Every file is made here from a fixed pattern, its entries counted against the rows written before
anything is timed. Figures are ratios: how many times as long as the bare parser of the same bytes.
Nothing is asserted about time; docs/performance.md keeps a run.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from xml.parsers import expat
from zoneinfo import ZoneInfo

from vault.importers.catalogue import read_export
from vault.importers.entry import Entry, Setting
from vault.importers.report import Report
from vault.methodology.quantify import Act, quantify
from vault.methodology.release import load_release

ROWS = 20_000
SETTING = Setting("CN-GD-SZ", ZoneInfo("Asia/Shanghai"), 3, "travel.bike")
STATIONS = "station_id,name,lat,long\n" + "".join(
    f"{n},Station {n},30.{20 + n},120.{10 + n}\n" for n in range(60)
)


class Case(NamedTuple):
    """One format: its bytes, how many entries they must give, and the bare parser beside it."""

    name: str
    raw: bytes
    entries: int
    bare: Callable[[bytes], int]
    beside: bytes | None = None


def at(number: int) -> str:
    return f"2026-01-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:00"


def bare_csv(raw: bytes) -> int:
    return sum(1 for _ in csv.DictReader(io.StringIO(raw.decode())))


def bare_json(raw: bytes) -> int:
    return len(json.loads(raw))


def bare_lines(raw: bytes) -> int:
    return sum(1 for line in raw.splitlines() if json.loads(line))


def bare_xml(raw: bytes) -> int:
    parser, count = expat.ParserCreate(), [0]

    def start(name: str, _: object) -> None:
        count[0] += name == "IntervalReading"

    parser.StartElementHandler = start
    parser.Parse(raw, True)
    return count[0]


def bikeshare() -> Case:
    head = "trip_id,duration,start_date,start_terminal,end_date,end_terminal,bike_id\n"
    rows = (f"{n},600,{at(n)},{n % 60},{at(n)},{(n + 7) % 60},{n % 500}\n" for n in range(ROWS))
    return Case("bikeshare", (head + "".join(rows)).encode(), ROWS, bare_csv, STATIONS.encode())


def bikeshare2020() -> Case:
    head = (
        "ride_id,rideable_type,started_at,ended_at,start_station_name,end_station_name,"
        "start_lat,start_lng,end_lat,end_lng,member_casual\n"
    )
    rows = (
        f"{n:016X},classic_bike,2026-01-05 08:{n % 60:02d}:00,2026-01-05 09:{n % 60:02d}:00,A,B,"
        f"30.{20 + n % 60},120.10,30.{21 + n % 60},120.11,member\n"
        for n in range(ROWS)
    )
    return Case("bikeshare2020", (head + "".join(rows)).encode(), ROWS, bare_csv)


def workplace_ev() -> Case:
    head = "sessionId,kwhTotal,created,ended,userId,stationId\n"
    rows = (
        f"{n},7.{n % 100:02d},0014-11-{1 + n % 28:02d} 08:00:00,0014-11-{1 + n % 28:02d} 09:30:00,"
        f"{n % 85},{n % 105}\n"
        for n in range(ROWS)
    )
    return Case("workplace-ev", (head + "".join(rows)).encode(), ROWS, bare_csv)


def ocpi() -> Case:
    cdrs = [
        {
            "country_code": "CN",
            "party_id": "ABC",
            "id": f"CDR-{n}",
            "start_date_time": f"2026-01-{1 + n % 28:02d}T08:00:00Z",
            "end_date_time": f"2026-01-{1 + n % 28:02d}T09:00:00Z",
            "cdr_token": {"uid": f"T{n % 90}"},
            "total_energy": 15.342,
        }
        for n in range(ROWS)
    ]
    return Case("ocpi", json.dumps(cdrs).encode(), ROWS, bare_json)


def jsonl() -> Case:
    rows = (
        json.dumps(
            {
                "customer": str(n % 500),
                "behaviour": "travel.bike",
                "activity": {"m": 1000 + n, "s": 600},
                "start": 1767571200 + n,
                "end": 1767571800 + n,
                "region": "CN-ZJ-HZ",
                "receipt": f"R-{n}",
                "guessable": True,
            }
        )
        for n in range(ROWS)
    )
    return Case("jsonl", "\n".join(rows).encode(), ROWS, bare_lines)


def greenbutton() -> Case:
    head = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry>'
        '<link rel="self" href="Subscription/1/UsagePoint/1/MeterReading/1/ReadingType/1"/>'
        '<content><ReadingType xmlns="http://naesb.org/espi"><flowDirection>1</flowDirection>'
        "<powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom></ReadingType></content>"
        '</entry><entry><link rel="self" '
        'href="Subscription/1/UsagePoint/1/MeterReading/1/IntervalBlock/1"/>'
        '<content><IntervalBlock xmlns="http://naesb.org/espi">'
    )
    readings = "".join(
        f"<IntervalReading><timePeriod><duration>60</duration><start>{1767571200 + 60 * n}</start>"
        f"</timePeriod><value>{n % 900}</value></IntervalReading>"
        for n in range(ROWS)
    )
    tail = "</IntervalBlock></content></entry></feed>"
    return Case("greenbutton", (head + readings + tail).encode(), 1, bare_xml)


def afc() -> Case:
    head = "deal_date,card_token,deal_type,company_name,station,car_no\n"
    taps = (
        f"2026-01-{1 + n % 28:02d} 0{8 + kind}:{n % 60:02d}:00,C{n},{word},L1,"
        f"S{(n + kind) % 20},G1\n"
        for n in range(ROWS // 2)
        for kind, word in ((0, "地铁入站"), (1, "地铁出站"))
    )
    table = "from,to,m\n" + "".join(f"S{n},S{(n + 1) % 20},1500\n" for n in range(20))
    return Case(
        "shenzhen-afc", (head + "".join(taps)).encode(), ROWS // 2, bare_csv, table.encode()
    )


CASES = (bikeshare, bikeshare2020, workplace_ev, ocpi, jsonl, greenbutton, afc)


def read(case: Case) -> Iterator[object]:
    beside = io.BytesIO(case.beside) if case.beside else None
    return iter(read_export(case.name, io.BytesIO(case.raw), SETTING, Report(), beside))


def best(work: Callable[[], object], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def compare(case: Case, repeat: int) -> dict[str, float]:
    found = list(read(case))
    assert len(found) == case.entries, (case.name, len(found))
    assert all(isinstance(entry, Entry) for entry in found)
    case.bare(case.raw)
    own = best(lambda: list(read(case)), repeat)
    bare = best(lambda: case.bare(case.raw), repeat)
    return {"rows_per_s": ROWS / own, "bare_rows_per_s": ROWS / bare, "times": own / bare}


def compare_quantify(repeat: int) -> dict[str, float]:
    release = load_release("2026-1")
    acts = [
        Act("travel.bike", {"m": 200 + n % 9000, "s": 3600}, 1767571200, 1767574800, "CN-ZJ-HZ")
        for n in range(ROWS)
    ]
    assert sum(quantify(act, release).mg for act in acts) == sum(
        (200 + n % 9000) * 487 // 10 for n in range(ROWS)
    )
    own = best(lambda: [quantify(act, release) for act in acts], repeat)
    bare = best(lambda: [act.activity["m"] * 487 // 10 for act in acts], repeat)
    return {"rows_per_s": ROWS / own, "bare_rows_per_s": ROWS / bare, "times": own / bare}


def main() -> None:
    parser = argparse.ArgumentParser(description="importers beside bare parsers")
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    rows = {case.name: compare(case, repeat) for case in (make() for make in CASES)}
    rows["quantify"] = compare_quantify(repeat)
    sys.stdout.write("| what | rows/s | bare rows/s | times as long |\n|---|--:|--:|--:|\n")
    for name, row in rows.items():
        sys.stdout.write(
            f"| {name} | {row['rows_per_s']:,.0f} | {row['bare_rows_per_s']:,.0f} |"
            f" {row['times']:.1f} |\n"
        )


if __name__ == "__main__":
    main()
