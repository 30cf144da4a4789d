"""Charging of electric cars from OCPI 2.2.1 and 2.3: CDRs or Sessions, as JSON (docs/importers.md).

    {"country_code":"BE","party_id":"BEC","id":"12345","start_date_time":"2026-01-05T17:39:09Z",
     "end_date_time":"2026-01-05T19:37:32Z","cdr_token":{"uid":"012345678",…},
     "cdr_location":{"name":"Gent Zuid",…},"total_energy":15.342,…}

A file holds one object, an array, the envelope {"data":[…]} of the interface, or one object a line.
A CDR has ``total_energy``, a Session ``kwh``. A receipt is BE*BEC*12345: it names the operator as
OCPI does, which knows nothing of the parties here, and is unique by the standard. It comes in
capitals: abc1 and ABC1 are one number to the standard.

A CDR and its Session are one act under two receipts. CDRs are preferred, being final: a file that
holds both has its Sessions refused, and an operator's source must take the one or the other from
the beginning. The ``session_id`` of newer CDRs is no receipt: a CDR that was credited is followed
by a right one of the same Session, which could then not be booked.

Contracts, addresses, coordinates and prices are never handed on. Coordinates that stand the wrong
way round, as in the standard's own example, are noted; grams do not depend on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from itertools import chain, islice
from typing import BinaryIO

from vault.errors import BadFile
from vault.importers.amounts import exact_units
from vault.importers.country import is_swapped
from vault.importers.document import LONGEST, MOST_ITEMS, Document
from vault.importers.entry import Entry, Reversal, Setting
from vault.importers.opening import MARK, Json, parse_json, read_limited
from vault.importers.report import Report
from vault.methodology.quantify import Act

BEHAVIOUR = "travel.ev_charge"
WH_PER_KWH = 1000
LONGEST_NAME = 255

Object = dict[str, Json]

_COUNTRY = re.compile(r"[A-Za-z]{2}", re.ASCII)
_PARTY = re.compile(r"[A-Za-z0-9]{3}", re.ASCII)
_ID = re.compile(r"[!-~]{1,64}", re.ASCII)
_RANDOM = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_TIME = re.compile(r"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z?", re.ASCII)
_DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,20})?", re.ASCII)


def read_entries(file: BinaryIO, setting: Setting, report: Report) -> Iterator[Entry | Reversal]:
    """Yield the acts of a file, and then its credit CDRs as reversals, wherever they stand in it.

    The report counts objects; a line is an object's place, from 1. Refuses ``not-json`` (one line
    of many), ``not-cdr-or-session``, ``session-beside-cdr``, ``not-completed``, ``no-key`` (one of
    country, party, id), ``no-customer``, ``bad-time``, ``ends-before-start``, ``bad-number``,
    ``negative``, ``bad-credit``, ``no-reference``, ``takes-itself-back``. Notes
    ``swapped-coordinates``.

    Args:
        file: open in binary mode, unpacked at most 64 MiB.
        setting: where the chargers are; OCPI's times are UTC.
        report: filled while the acts are taken.

    Raises:
        BadFile: it is larger, one object is over 2 MiB, or there are more than a million; it is no
            JSON, or holds no CDR or Session but something else.
    """
    objects = _Objects(read_limited(file))
    wanted = _wanted(objects)
    reversals: list[str] = []
    for line, found in enumerate(objects, 1):
        kind = _kind(found)
        try:
            entry = _entry(line, _only(wanted, kind, found), kind, setting)
        except BadFile as bad:
            report.refuse(str(bad), line)
            continue
        report.accept()
        if _swapped(found):
            report.notice("swapped-coordinates", line)
        if isinstance(entry, Reversal):
            # As objects a file of nothing else would be 200 MB; numbers hold no blanks.
            reversals.append(f"{entry.line} {entry.receipt} {entry.of}")
        else:
            yield entry
    for told in reversals:
        place, receipt, of = told.split(" ")
        yield Reversal(int(place), receipt, of)


class _Objects:
    """The objects of a file, each parsed anew when it is asked for."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        first, second = islice(chain(_lines(raw), (b"", b"")), 2)
        # A list in one line may be long; an object may not.
        in_lines = second and len(first) <= LONGEST and isinstance(_parsed(first), dict)
        self._document = None if in_lines else Document(raw, (), ("data",))

    def __iter__(self) -> Iterator[Json]:
        if self._document is None:
            return map(_parsed, _lines(self._raw))
        listed = self._document.items() or self._document.items("data")
        if listed is not None:
            return listed
        frame = self._document.frame
        return iter([frame["data"] if isinstance(frame, dict) and "data" in frame else frame])


def _lines(raw: bytes) -> Iterator[bytes]:
    file = BytesIO(raw)
    file.seek(len(MARK) if raw.startswith(MARK) else 0)
    count = 0
    while line := file.readline(LONGEST + 1):
        if not line.strip():
            continue
        count += 1
        if count > MOST_ITEMS:
            raise BadFile(f"wanted at most {MOST_ITEMS} objects; split it by time")
        yield line


def _wanted(objects: Iterable[Json]) -> str:
    """Return what counts in a file: its CDRs, or its Sessions if it has no CDR."""
    kinds: set[str] = set()
    for found in objects:
        kinds.add(_kind(found))
        if "cdr" in kinds:
            return "cdr"
    if kinds == {""}:
        raise BadFile(f"wanted OCPI CDRs or Sessions, found {_other(next(iter(objects)))}")
    return "session"


def _parsed(line: bytes) -> Json:
    """Return the JSON of one line, None where it is none."""
    if len(line) > LONGEST:
        raise BadFile(f"wanted at most {LONGEST >> 20} MiB in a line, found a longer one")
    try:
        return parse_json(line)
    except BadFile:
        return None


def _kind(found: Json) -> str:
    members = found if isinstance(found, dict) else {}
    return "cdr" if "total_energy" in members else "session" if "kwh" in members else ""


def _other(found: Json) -> str:
    if isinstance(found, dict) and {"energy_mix", "evses", "coordinates"} & found.keys():
        return "a Location"
    return "an object of another kind" if isinstance(found, dict) else "no object"


def _only(wanted: str, kind: str, found: Json) -> Object:
    if not isinstance(found, dict):
        raise BadFile("not-json" if found is None else "not-cdr-or-session")
    if not kind:
        raise BadFile("not-cdr-or-session")
    if kind != wanted:
        raise BadFile("session-beside-cdr")
    return found


def _entry(line: int, found: Object, kind: str, setting: Setting) -> Entry | Reversal:
    if kind == "session" and found.get("status") != "COMPLETED":
        raise BadFile("not-completed")
    # OCPI compares these three without regard to case, and so one act must be one receipt.
    party = f"{_text(found, 'country_code', _COUNTRY)}*{_text(found, 'party_id', _PARTY)}".upper()
    number = _text(found, "id", _ID).upper()
    if _is_credit(found):
        return _reversal(line, found, party, number)
    start, end = _unix(found.get("start_date_time")), _unix(found.get("end_date_time"))
    if end < start:
        raise BadFile("ends-before-start")
    activity = {"Wh": _watt_hours(found, kind), "s": end - start}
    return Entry(
        line=line,
        customer=_text(_part(found, "cdr_token"), "uid", _ID, "no-customer"),
        act=Act(BEHAVIOUR, activity, start, end, setting.region, "E4"),
        receipt=f"{party}*{number}",
        guessable=not _RANDOM.fullmatch(number),
        detail=_detail(found),
    )


def _is_credit(found: Object) -> bool:
    credit = found.get("credit")
    if credit is not None and not isinstance(credit, bool):
        raise BadFile("bad-credit")
    if not credit and found.get("credit_reference_id"):
        # Booked as an act it would count once more what it may be meant to take back.
        raise BadFile("bad-credit")
    return credit is True


def _reversal(line: int, found: Object, party: str, number: str) -> Reversal:
    reference = _text(found, "credit_reference_id", _ID, "no-reference").upper()
    if reference == number:
        raise BadFile("takes-itself-back")
    return Reversal(line, f"{party}*{number}", f"{party}*{reference}")


def _watt_hours(found: Object, kind: str) -> int:
    kwh = found["total_energy" if kind == "cdr" else "kwh"]
    if not isinstance(kwh, int | Decimal):
        raise BadFile("bad-number")
    return exact_units(kwh, WH_PER_KWH)


def _unix(moment: Json) -> int:
    """Return the unix seconds of an OCPI DateTime: UTC with or without its Z, fractions dropped."""
    written = _TIME.fullmatch(moment) if isinstance(moment, str) else None
    if written is None:
        raise BadFile("bad-time")
    try:
        return int(datetime.fromisoformat(written[1]).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise BadFile("bad-time") from None


def _detail(found: Object) -> dict[str, str]:
    name = _part(found, "cdr_location").get("name")
    fits = isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST_NAME
    return {"place": str(name)} if fits else {}


def _swapped(found: Json) -> bool:
    if not isinstance(found, dict):
        return False
    place = _part(_part(found, "cdr_location"), "coordinates")
    lat, long = place.get("latitude"), place.get("longitude")
    if not isinstance(lat, str) or not isinstance(long, str):
        return False
    if not (_DEGREES.fullmatch(lat) and _DEGREES.fullmatch(long)):
        return False
    return is_swapped(str(found.get("country_code")), Decimal(lat), Decimal(long))


def _part(found: Object, name: str) -> Object:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _text(found: Object, name: str, form: re.Pattern[str], reason: str = "no-key") -> str:
    text = found.get(name)
    if not isinstance(text, str) or not form.fullmatch(text):
        raise BadFile(reason)
    return text
