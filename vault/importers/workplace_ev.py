"""Charging sessions of cars at workplaces, from an operator's CSV export (docs/importers.md).

    sessionId,kwhTotal,dollars,created,ended,startTime,endTime,chargeTimeHrs,weekday,platform,
      distance,userId,stationId,locationId,managerVehicle,facilityType,Mon,…,Sun,reportedZip
    4100001,7.78,0,0014-11-18 15:40:26,0014-11-18 17:11:04,15,17,1.51,Tue,android,NA,71,58,…

Columns are found by name. Price, telephone, way to work, role and zip code describe the person and
are dropped while a row is split. Times are local and name no zone; a century is missing in what
is known of this format, so 0014 is read as 2014 and the line is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from vault.errors import BadFile
from vault.importers.amounts import exact_units
from vault.importers.entry import Entry, Setting
from vault.importers.report import Report, read_rows
from vault.importers.stations import number_of
from vault.importers.times import span_of
from vault.methodology.quantify import Act

BEHAVIOUR = "travel.ev_charge"
KEPT = ("sessionId", "kwhTotal", "created", "ended", "userId", "stationId")
WH_PER_KWH = 1000

_NO_CENTURY = re.compile(r"^00(?=[0-9]{2}-)", re.ASCII)


def read_entries(file: BinaryIO, setting: Setting, report: Report) -> Iterator[Entry]:
    """Yield the charging sessions of an export, one row at a time.

    A session of 0 kWh is an act like any other; what it counts the release says. Seconds are those
    at the charger. Refuses into the report, beside what read_rows refuses: ``bad-number``,
    ``negative``, ``bad-time``, ``ends-before-start``. Notes ``year-0014``.

    Args:
        file: the export, open in binary mode.
        setting: where the chargers are, and where the times are local.
        report: filled while the acts are taken.

    Raises:
        BadFile: the first line is not the header of such an export, or the file breaks off.
    """
    for line, row in read_rows(file, KEPT, report):
        try:
            entry = _entry(line, row, setting)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        if any(_NO_CENTURY.match(row[name]) for name in ("created", "ended")):
            report.notice("year-0014", line)
        yield entry


def _entry(line: int, row: Mapping[str, str], setting: Setting) -> Entry:
    created, ended = (_NO_CENTURY.sub("20", row[name], count=1) for name in ("created", "ended"))
    start, end = span_of(created, ended, setting.zone)
    activity = {"Wh": exact_units(row["kwhTotal"], WH_PER_KWH), "s": end - start}
    return Entry(
        line=line,
        customer=number_of(row["userId"]),
        act=Act(BEHAVIOUR, activity, start, end, setting.region, "E4"),
        receipt=number_of(row["sessionId"]),
        guessable=True,
        detail={"station": number_of(row["stationId"])},
    )
