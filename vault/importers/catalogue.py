"""The export formats that can be read, by name (docs/importers.md).

    setting = Setting("CN-GD-SZ", ZoneInfo("Asia/Shanghai"))
    read_export("shenzhen-afc", taps, setting, report, beside=distances)

    FORMATS["shenzhen-afc"].titles["en"]     "Metro gate taps of a city card, Shenzhen"

An importer reads no clock and knows no party: what it cannot tell from the file is in its setting,
or in a second file beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal

from vault.errors import BadFile, Locale
from vault.importers import (
    bikeshare,
    bikeshare2020,
    greenbutton,
    lines,
    mds,
    ocpi,
    shenzhen,
    workplace_ev,
)
from vault.importers.entry import Entry, Reversal, Setting
from vault.importers.report import Report

Entries = Iterator[Entry | Reversal]

_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,8}){0,3}", re.ASCII)


@dataclass(frozen=True)
class Format:
    """One format: its ``titles`` for people, what it needs, and who the operator of record is.

    ``wants`` are members of the setting that must be there; ``beside`` names the second file that
    it can use (rows that need it are refused without). ``operator`` is ``source`` where the file is
    the source's own export, ``named`` where a row may name another.
    """

    name: str
    titles: Mapping[Locale, str]
    read: Callable[[BinaryIO, Setting, Report, BinaryIO | None, Report], Entries]
    wants: tuple[Literal["region", "persons", "behaviour"], ...] = ("region",)
    beside: Literal["stations", "distances"] | None = None
    operator: Literal["source", "named"] = "source"


def read_export(
    name: str,
    file: BinaryIO,
    setting: Setting,
    report: Report,
    beside: BinaryIO | None = None,
    of_beside: Report | None = None,
) -> Entries:
    """Return what an export tells, read as it is asked for.

    Args:
        name: one of FORMATS.
        file: the export, open in binary mode, unpacked.
        setting: what the file does not say of itself.
        report: filled while the entries are taken.
        beside: the second file of the format, if it has one; it is read at once.
        of_beside: filled with what became of that one's rows.

    Raises:
        BadFile: there is no such format; something that it needs is missing, or was given in vain;
            a file is none of this format.
    """
    form = find_format(name)
    _check_needs(form, setting, beside is not None)
    return form.read(file, setting, report, beside, of_beside or Report())


def find_format(name: str) -> Format:
    """Return the format of this name; raises BadFile, which lists them all."""
    if name not in FORMATS:
        raise BadFile(f"there is no format of this name; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def _check_needs(form: Format, setting: Setting, has_beside: bool) -> None:
    for wanted in form.wants:
        if not getattr(setting, wanted):
            raise BadFile(f"{form.name} does not say its {wanted}; give it")
    if setting.region and not _REGION.fullmatch(setting.region):
        raise BadFile("wanted a region such as CN-ZJ-HZ: a country, and up to three parts of it")
    if has_beside and form.beside is None:
        raise BadFile(f"{form.name} takes no second file")


def _bikeshare(
    file: BinaryIO, setting: Setting, report: Report, beside: BinaryIO | None, of_beside: Report
) -> Entries:
    stations = bikeshare.read_stations(beside, of_beside) if beside else {}
    return bikeshare.read_entries(file, setting, report, stations=stations)


def _shenzhen(
    file: BinaryIO, setting: Setting, report: Report, beside: BinaryIO | None, of_beside: Report
) -> Entries:
    distances = shenzhen.read_distances(beside, of_beside) if beside else {}
    return shenzhen.read_entries(file, setting, report, distances=distances)


def _alone(
    read: Callable[[BinaryIO, Setting, Report], Entries],
) -> Callable[[BinaryIO, Setting, Report, BinaryIO | None, Report], Entries]:
    def reader(
        file: BinaryIO, setting: Setting, report: Report, _: BinaryIO | None, __: Report
    ) -> Entries:
        return read(file, setting, report)

    return reader


_ALL = (
    Format(
        "bikeshare",
        {"zh-CN": "共享单车行程，2020 年以前的格式", "en": "Bike-share trips, as before 2020"},
        _bikeshare,
        beside="stations",
    ),
    Format(
        "bikeshare2020",
        {"zh-CN": "共享单车行程，2020 年起的格式", "en": "Bike-share trips, as from 2020 on"},
        _alone(bikeshare2020.read_entries),
    ),
    Format(
        "mds",
        {"zh-CN": "MDS 行程（1.x 与 2.x）", "en": "Trips of the Mobility Data Specification"},
        _alone(mds.read_entries),
    ),
    Format(
        "ocpi",
        {"zh-CN": "OCPI 充电话单或充电会话", "en": "Charging as OCPI CDRs or Sessions"},
        _alone(ocpi.read_entries),
    ),
    Format(
        "workplace-ev",
        {"zh-CN": "工作场所充电记录", "en": "Charging sessions at workplaces"},
        _alone(workplace_ev.read_entries),
    ),
    Format(
        "greenbutton",
        {"zh-CN": "家庭电表读数（Green Button）", "en": "A home's meter readings (Green Button)"},
        _alone(greenbutton.read_entries),
        wants=("region", "persons"),
    ),
    Format(
        "shenzhen-afc",
        {
            "zh-CN": "城市一卡通地铁闸机记录（深圳）",
            "en": "Metro gate taps of a city card, Shenzhen",
        },
        _shenzhen,
        beside="distances",
    ),
    Format(
        "jsonl",
        {"zh-CN": "JSON 行：每行一次行为", "en": "JSON lines: one act a line"},
        _alone(lines.read_entries),
        wants=(),
        operator="named",
    ),
)
FORMATS: Mapping[str, Format] = {form.name: form for form in _ALL}
