"""Exports for tests: small ones in memory, the sample, and the real week where it is present."""

from io import BytesIO
from zoneinfo import ZoneInfo

from vault.importers.bikeshare import STATION_COLUMNS, TRIP_COLUMNS, Trip, read_stations, read_trips
from vault.importers.report import Report

SHANGHAI = ZoneInfo("Asia/Shanghai")
TO_JANUARY = 4137  # days from Monday 2014-09-08 to Monday 2026-01-05
HEADER = ",".join(TRIP_COLUMNS)
STATION_HEADER = ",".join(STATION_COLUMNS)
STATIONS = f"""{STATION_HEADER}
1,North,30.25,120.16,15,City,2013-08-05
2,South,30.24,120.16,15,City,2013-08-05
"""
ROW = "71,600,2014-09-08T08:01:00,North,1,2014-09-08T08:11:00,South,2,9,Subscriber,00123"


def read_rows_of(trips: bytes, stations: bytes = STATIONS.encode()) -> tuple[list[Trip], Report]:
    """Trips and report of two files in memory."""
    report = Report()
    known = read_stations(BytesIO(stations), Report())
    return list(read_trips(BytesIO(trips), known, SHANGHAI, report)), report


def lines(*rows: str | bytes) -> bytes:
    """An export of these rows under the right header."""
    raw = (row if isinstance(row, bytes) else row.encode() for row in (HEADER, *rows))
    return b"\n".join(raw) + b"\n"
