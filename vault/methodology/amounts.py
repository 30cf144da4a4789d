"""Numbers, units and figures as people read them (docs/methodology.md).

    thousands(58440)                    58,440
    decimal_text(Fraction(1, 3))        0.333333…
    equation_in_words(formula, "en")    m × reduction per unit
    worked(formula, {"m": 1200, "s": 300}, figures, "en")    1,200 m × 48.7 mg/m

Both texts of a formula are made from its own equation, so that they can never tell another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from vault.errors import Locale
from vault.methodology.formula import (
    DAY,
    Activity,
    Citation,
    Difference,
    Formula,
    Grade,
    MeteredBaseline,
)

_NAME = re.compile(rf"[A-Za-z_]+|{DAY}", re.ASCII)
LIST: dict[Locale, str] = {"zh-CN": "、", "en": ", "}
_COUNT: dict[Locale, str] = {"zh-CN": "个", "en": "count"}
_PERSONS: dict[Locale, str] = {"zh-CN": "人", "en": "persons"}
_OWN_UNITS = {"wh_per_m": "Wh/m", "ml_per_m": "ml/m", "mg_per_ml": "mg/ml", "mg_per_wh": "mg/Wh"}
_DAILY: dict[Locale, str] = {"zh-CN": "Wh/（人·天）", "en": "Wh/(person·day)"}
_DAY: dict[Locale, str] = {"zh-CN": f"{DAY:,} s/天", "en": f"{DAY:,} s/day"}

FIGURES: dict[str, dict[Locale, str]] = {
    "mg_per_unit": {"zh-CN": "每单位减排量", "en": "reduction per unit"},
    "baseline_mg_per_unit": {"zh-CN": "基准排放", "en": "baseline emissions"},
    "project_mg_per_unit": {"zh-CN": "行为排放", "en": "emissions of the act"},
    "efficiency": {"zh-CN": "充电效率", "en": "charging efficiency"},
    "wh_per_m": {"zh-CN": "每米电耗", "en": "electricity per metre"},
    "ml_per_m": {"zh-CN": "每米油耗", "en": "petrol per metre"},
    "mg_per_ml": {"zh-CN": "汽油排放", "en": "petrol emissions"},
    "mg_per_wh": {"zh-CN": "电网排放", "en": "grid emissions"},
    "wh_per_person_day": {"zh-CN": "人均每日用电", "en": "use per person and day"},
    "production_mg_per_unit": {"zh-CN": "生产排放", "en": "production emissions"},
    "rate": {"zh-CN": "替代率", "en": "replacement rate"},
}
GRADES: dict[Grade, dict[Locale, str]] = {
    "H": {"zh-CN": "权威文本", "en": "authoritative text"},
    "M": {
        "zh-CN": "官方数字的媒体转述，或由权威文本推算",
        "en": "press report of an official figure, or arithmetic on an authoritative text",
    },
    "L": {"zh-CN": "第三方转录", "en": "third-party transcription"},
    "U": {"zh-CN": "凭记忆，未核实", "en": "recalled, unverified"},
}
_QUOTED: dict[Locale, str] = {"zh-CN": "新闻报道所引", "en": "quoted in a news report"}
_REPORTED = re.compile(r"no address kept\)$|tag page")  # the locators of grade H that are reports
_LARGER = {"m": "km", "Wh": "kWh", "ml": "l", "g": "kg"}


def read_in(source: Citation, locale: Locale) -> str:
    """Return what a figure was read in; published files grade some news reports H."""
    quoted = source.grade == "H" and _REPORTED.search(source.locator)
    return (_QUOTED if quoted else GRADES[source.grade])[locale]


def thousands(number: int) -> str:
    """Return an integer with its thousands set apart by commas."""
    return f"{number:,}".replace("-", "−")


def decimal_text(exact: Fraction, digits: int = 6) -> str:
    """Return a number as a decimal; one that needs more digits is cut towards 0 and ends in …."""
    scaled = abs(exact) * 10**digits
    whole, rest = divmod(scaled.numerator // scaled.denominator, 10**digits)
    text = f"{whole:,}.{rest:0{digits}d}".rstrip("0").rstrip(".")
    return ("−" if exact < 0 else "") + text + ("…" if scaled.denominator != 1 else "")


def ratio_text(exact: Fraction) -> str:
    """Return a ratio of 0 or more to the nearest hundredth: 6.25."""
    hundredths = (exact * 200 + 1) // 2
    return f"{hundredths // 100:,}.{hundredths % 100:02d}"


def grams_text(mg: int) -> str:
    """Return milligrams as grams, without rounding: 58.44 g."""
    return f"{decimal_text(Fraction(mg, 1000))} g"


def unit_text(unit: str, locale: Locale, formula: Formula | None = None) -> str:
    """Return a unit as it is written behind a number; in a home's formula a count is persons."""
    if unit != "count":
        return unit
    return (_PERSONS if isinstance(formula, MeteredBaseline) else _COUNT)[locale]


def figure_text(formula: Formula, name: str, figure: Fraction, locale: Locale) -> str:
    """Return a figure of a factor with its unit: 48.7 mg/m."""
    number = decimal_text(figure, 9)
    if name in ("rate", "efficiency"):
        return number
    if name == "wh_per_person_day":
        return f"{number} {_DAILY[locale]}"
    if name in _OWN_UNITS:
        return f"{number} {_OWN_UNITS[name]}"
    project = isinstance(formula, Difference) and name == "project_mg_per_unit"
    unit = formula.project if project and isinstance(formula, Difference) else formula.raises[0]
    return f"{number} mg/{unit_text(unit, locale)}"


def equation_in_words(formula: Formula, locale: Locale) -> str:
    """Return a formula's equation, its figures named in words."""

    def word(name: str) -> str:
        if name in FIGURES:
            return FIGURES[name][locale]
        return _DAY[locale] if name == str(DAY) else unit_text(name, locale, formula)

    return _told(formula, word)


def worked(
    formula: Formula, activity: Activity, figures: Mapping[str, Fraction], locale: Locale
) -> str:
    """Return a formula's equation with the numbers of an act in it."""

    def number(name: str) -> str:
        if name in figures:
            return figure_text(formula, name, figures[name], locale)
        if name == str(DAY):
            return _DAY[locale]
        unit = unit_text(name, locale, formula)
        return f"{thousands(activity[name])} {unit}" if name in activity else name

    return _told(formula, number)


def per_unit(formula: Formula, figures: Mapping[str, Fraction]) -> str | None:
    """Return the grams for one km, kWh, l, kg or count; None where more than one unit decides."""
    if len(formula.raises) != 1 or formula.lowers:
        return None
    unit = formula.raises[0]
    exact = formula.exact({unit: 1}, figures)
    if unit in _LARGER:
        return f"{decimal_text(exact)} g/{_LARGER[unit]}"  # mg per m are g per km
    return f"{decimal_text(exact / 1000)} g/{unit}"


def _told(formula: Formula, word: Callable[[str], str]) -> str:
    return _NAME.sub(lambda found: word(found[0]), formula.equation())
