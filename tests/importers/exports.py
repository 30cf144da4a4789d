"""Exports for tests: small ones in memory, the sample, and the real week where it is present."""

from collections.abc import Iterator
from io import BytesIO
from itertools import chain, repeat
from zoneinfo import ZoneInfo

from vault.importers.bikeshare import Trip, read_stations, read_trips
from vault.importers.entry import Setting
from vault.importers.report import Report

SHANGHAI = ZoneInfo("Asia/Shanghai")
SETTING = Setting("CN-ZJ-HZ", SHANGHAI)
TO_JANUARY = 4137  # days from Monday 2014-09-08 to Monday 2026-01-05
HEADER = (
    "trip_id,duration,start_date,start_station,start_terminal,end_date,end_station,end_terminal,"
    "bike_id,subscription_type,zip_code"
)
STATIONS = """station_id,name,lat,long,dock_count,landmark,install_date
1,North,30.25,120.16,15,City,2013-08-05
2,South,30.24,120.16,15,City,2013-08-05
"""
ROW = "71,600,2014-09-08T08:01:00,North,1,2014-09-08T08:11:00,South,2,9,Subscriber,00123"

DIVVY_HEADER = (
    "trip_id,start_time,end_time,bikeid,tripduration,from_station_id,from_station_name,"
    "to_station_id,to_station_name,usertype,gender,birthyear"
)
DIVVY_ROW = "72,9/8/2014 8:01,9/8/2014 8:11,9,600,1,Nord,2,Sud,Customer,Female,1987"
CITI_HEADER = (
    "tripduration,starttime,stoptime,start station id,start station name,start station latitude,"
    "start station longitude,end station id,end station name,end station latitude,"
    "end station longitude,bikeid,usertype,birth year,gender"
)
CITI_2017_HEADER = (
    "Trip Duration,Start Time,Stop Time,Start Station ID,Start Station Name,"
    "Start Station Latitude,Start Station Longitude,End Station ID,End Station Name,"
    "End Station Latitude,End Station Longitude,Bike ID,User Type,Birth Year,Gender"
)
CITI_ROW = (
    "600,2014-09-08 08:01:32,2014-09-08 08:11:32,1,North,30.25,120.16,2,South,30.24,120.16,"
    "9,Subscriber,1987,2"
)
HEADER_2020 = (
    "ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,"
    "end_station_name,end_station_id,start_lat,start_lng,end_lat,end_lng,member_casual"
)
ROW_2020 = (
    "58F2CA262B50E256,classic_bike,2024-01-25 20:39:09,2024-01-25 20:44:07,North,5905.12,South,"
    "HB103,30.25,120.16,30.24,120.16,member"
)


def read_rows_of(trips: bytes, stations: bytes = STATIONS.encode()) -> tuple[list[Trip], Report]:
    """Trips and report of two files in memory."""
    report = Report()
    known = read_stations(BytesIO(stations), Report())
    return list(read_trips(BytesIO(trips), known, SHANGHAI, report)), report


def lines(*rows: str | bytes, header: str = HEADER) -> bytes:
    """An export of these rows under the right header."""
    raw = (row if isinstance(row, bytes) else row.encode() for row in (header, *rows))
    return b"\n".join(raw) + b"\n"


class Endless(BytesIO):
    """A file of a start and then one piece again and again, `times` times, never held at once."""

    def __init__(self, start: bytes, piece: bytes, times: int) -> None:
        super().__init__()
        self.left: Iterator[bytes] = chain([start], repeat(piece, times))
        self.held = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line, at most `size` bytes; the whole file must never be asked for."""
        assert size is not None
        assert size > 0
        while b"\n" not in self.held and len(self.held) < size:
            piece = next(self.left, b"")
            if not piece:
                break
            self.held += piece
        end = self.held.find(b"\n", 0, size) + 1 or size
        line, self.held = self.held[:end], self.held[end:]
        return line
