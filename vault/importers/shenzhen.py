"""Metro rides from the gate taps of a city card, as Shenzhen publishes them (docs/importers.md).

    deal_date,close_date,card_token,deal_type,company_name,station,car_no,deal_value_fen,
      deal_money_fen,conn_mark
    2026-01-05 08:02:11,2026-01-05 00:00:00,K07,地铁入站,地铁一号线,东门,AGM-101,0,0,0
    2026-01-05 08:31:40,2026-01-05 00:00:00,K07,地铁出站,地铁二号线,西湖,AGM-207,400,380,0

    from,to,m                                the distances, from whoever runs the metro
    东门,西湖,11800

Going in and coming out are rows of their own, in any order; a ride is gate to gate, however many
lines it takes. No row tells a distance: a ride that ends where it began has 0 m, every other one
needs the table. Fares are not read: their table of distance bands is unverified, and one band spans
kilometres. ``close_date`` is the day of settlement, never the time of a ride.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import BinaryIO
from zoneinfo import ZoneInfo

from vault.errors import BadFile
from vault.importers.entry import Entry, Setting
from vault.importers.report import Report, read_rows
from vault.importers.taps import LONGEST_CARD, Tap, Taps
from vault.importers.times import local_time, unix_of
from vault.methodology.quantify import Act

BEHAVIOUR = "travel.metro"
KEPT = ("deal_date", "card_token", "deal_type", "station", "car_no")
DISTANCES_KEPT = ("from", "to", "m")
LONGEST_RIDE = 4 * 3600
LONGEST_TEXT = 64

Distances = Mapping[tuple[str, str], int]
NO_DISTANCES: Distances = {}

_GATES = {"地铁入站": True, "地铁出站": False}
_BUS = "巴士"
_CARD = re.compile(rf"[0-9A-Za-z-]{{1,{LONGEST_CARD}}}", re.ASCII)
_METRES = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)


def read_distances(file: BinaryIO, report: Report) -> dict[tuple[str, str], int]:
    """Return the metres between stations, named as the taps name them; one way is enough.

    A pair that is listed again holds with its last line, and the report names that line. Refuses
    into the report, beside what read_rows refuses: ``bad-text``, ``bad-number``, ``same-station``.

    Raises:
        BadFile: the first line is not the header of such a table.
    """
    found: dict[tuple[str, str], int] = {}
    for line, row in read_rows(file, DISTANCES_KEPT, report):
        try:
            pair, metres = _distance(row)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        if pair in found:
            report.replaced.append(line)
        found[pair] = metres
    return found


def read_entries(
    file: BinaryIO, setting: Setting, report: Report, *, distances: Distances = NO_DISTANCES
) -> Iterator[Entry]:
    """Yield the rides of an export, each of two taps of one card within four hours; 2 rows each.

    Nothing is yielded before the whole file is read, since its rows come in any order. Refuses into
    the report, beside what read_rows refuses: ``bad-card``, ``bad-time``, ``bad-text``,
    ``unknown-kind``, ``doubled``, ``no-exit``, ``no-entry``, ``no-station``, ``no-distance``.

    Args:
        file: the export, open in binary mode.
        setting: where the rides are, and where the times are local.
        report: filled while the rides are taken.
        distances: as read_distances returns them.

    Raises:
        BadFile: the first line is not the header of such an export, or the file holds more than a
            million taps of the metro, or 100,000 stations and gates.
    """
    for card, taps in _read_taps(file, setting.zone, report).by_card():
        for entered, left in _rides(_distinct(taps, report), report):
            try:
                metres = _metres(entered.station, left.station, distances)
            except BadFile as bad:
                report.refuse(str(bad), entered.line)
                report.refuse(str(bad), left.line)
                continue
            report.accept()
            report.accept()
            yield _entry(card, entered, left, metres, setting)


def _read_taps(file: BinaryIO, zone: ZoneInfo, report: Report) -> Taps:
    taps = Taps()
    for line, row in read_rows(file, KEPT, report):
        try:
            tap, card = _tap(line, row, zone), _card(row["card_token"])
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        taps.add(card, tap)
    return taps


def _tap(line: int, row: Mapping[str, str], zone: ZoneInfo) -> Tap:
    if row["deal_type"] == _BUS:
        raise BadFile("no-distance")
    if row["deal_type"] not in _GATES:
        raise BadFile("unknown-kind")
    at = unix_of(local_time(row["deal_date"]), zone)
    station, gate = _text(row["station"]), _text(row["car_no"])
    return Tap(at, _GATES[row["deal_type"]], station, gate, line)


def _distinct(taps: Iterable[Tap], report: Report) -> Iterator[Tap]:
    last: tuple[object, ...] = ()
    for tap in taps:
        if tap[:-1] == last:
            report.refuse("doubled", tap.line)
            continue
        last = tap[:-1]
        yield tap


def _rides(taps: Iterable[Tap], report: Report) -> Iterator[tuple[Tap, Tap]]:
    inside: Tap | None = None
    for tap in taps:
        if inside and not tap.enters and tap.at - inside.at <= LONGEST_RIDE:
            yield inside, tap
            inside = None
            continue
        if inside:
            report.refuse("no-exit", inside.line)
        if not tap.enters:
            report.refuse("no-entry", tap.line)
        inside = tap if tap.enters else None
    if inside:
        report.refuse("no-exit", inside.line)


def _metres(origin: str, destination: str, distances: Distances) -> int:
    if not origin or not destination:
        raise BadFile("no-station")
    if origin == destination:
        return 0
    metres = distances.get((origin, destination), distances.get((destination, origin)))
    if metres is None:
        raise BadFile("no-distance")
    return metres


def _entry(card: str, entered: Tap, left: Tap, metres: int, setting: Setting) -> Entry:
    activity = {"m": metres, "s": left.at - entered.at}
    act = Act(BEHAVIOUR, activity, entered.at, left.at, setting.region, "E4")
    # Facts, not a number: whoever knows a card and its way to work could guess it.
    printed = datetime.fromtimestamp(entered.at, setting.zone).strftime("%Y-%m-%d %H:%M:%S")
    receipt = f"{printed} {entered.gate} {card}"
    detail = {"from": entered.station, "to": left.station}
    return Entry(entered.line, card, act, receipt, guessable=True, detail=detail)


def _distance(row: Mapping[str, str]) -> tuple[tuple[str, str], int]:
    origin, destination = _text(row["from"]), _text(row["to"])
    if not origin or not destination:
        raise BadFile("bad-text")
    if origin == destination:
        raise BadFile("same-station")
    if not _METRES.fullmatch(row["m"]):
        raise BadFile("bad-number")
    return (origin, destination), int(row["m"])


def _card(text: str) -> str:
    if not _CARD.fullmatch(text):
        raise BadFile("bad-card")
    return text


def _text(text: str) -> str:
    plain = text.strip()
    if len(plain) > LONGEST_TEXT or not plain.isprintable():
        raise BadFile("bad-text")
    return plain
