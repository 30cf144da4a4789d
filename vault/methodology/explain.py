"""Why this number: an act, the factor it met, the arithmetic, and the files that fix it all.

    explanation = explain(act, load_release("demo-1"))
    render(explanation, "en")

    Riding a bicycle (travel.bike, revision 1)
    Counts: 58.44 g CO2e (58,440 mg)
    Calculation: 1,200 m × 48.7 mg/m = 58,440 mg
    …

docs/methodology.md; it reads no clock and no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from vault.errors import BadMethodology, Locale, OutOfBounds
from vault.methodology import reasons
from vault.methodology.amounts import (
    FIGURES,
    LIST,
    decimal_text,
    equation_in_words,
    figure_text,
    grams_text,
    read_in,
    thousands,
    unit_text,
    worked,
)
from vault.methodology.behaviour import Behaviour
from vault.methodology.formula import Citation, Factor, Formula
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release
from vault.months import Milligrams, local_time

# Causes that lie outside the act, by which a record may hold less than the rule gives.
OF_THE_BOOKS = frozenset(
    {
        reasons.DAY_CAP,
        reasons.MONTH_CAP,
        reasons.SAME_TIME,
        reasons.EXCLUSIVE,
        reasons.COLLECTED,
        reasons.ELSEWHERE,
        reasons.ANOTHER,
    }
)
Lines = dict[Locale, dict[str, str]]
_LABELS: Lines = {
    "zh-CN": {
        "head": "{name}（{id}，修订{rev}，层级{tier}）",
        "counts": "计入：{grams} CO2e（{mg} mg）",
        "refused": "不予记录：数值超出合理范围",
        "why": "原因：{text}（{reason}）",
        "act": "行为：{activity}；{start} 至 {end}（{zone}）；地点 {region}；证据 {evidence}",
        "formula": "公式：{text}",
        "worked": "计算：{text}",
        "floor": "，向下取整为 {mg} mg",
        "factor": "系数：{figures}；地区 {region}；自 {begins} 起有效{until}",
        "until": "，至 {day} 前",
        "source": "来源：{title}；{locator}；等级 {grade}（{words}）",
        "note": "说明：{text}",
        "recorded": "记录所载：{grams} CO2e（{mg} mg，修订{rev}）",
        "back": "所撤销的行为：按规则为 {grams} CO2e（{mg} mg）",
        "disagrees": "两者不一致：记录所载与规则给出的不同，且没有能说明它的原因",
        "release": "版本：{id}，SHA-256 {sha256}",
        "file": "行为文件：{id}.{rev}.toml，SHA-256 {sha256}",
    },
    "en": {
        "head": "{name} ({id}, revision {rev}, tier {tier})",
        "counts": "Counts: {grams} CO2e ({mg} mg)",
        "refused": "Refused: no such act is plausible, so it is not recorded",
        "why": "Why: {text} ({reason})",
        "act": "Act: {activity}; {start} to {end} ({zone}); in {region}; evidence {evidence}",
        "formula": "Formula: {text}",
        "worked": "Calculation: {text}",
        "floor": ", rounded down to {mg} mg",
        "factor": "Factor: {figures}; region {region}; valid from {begins}{until}",
        "until": ", before {day}",
        "source": "Source: {title}; {locator}; grade {grade} ({words})",
        "note": "Note: {text}",
        "recorded": "The record holds: {grams} CO2e ({mg} mg, revision {rev})",
        "back": "What it takes back: by the rule {grams} CO2e ({mg} mg)",
        "disagrees": "These do not agree: the record holds another amount than the rule gives, "
        "without a cause that explains it",
        "release": "Release: {id}, SHA-256 {sha256}",
        "file": "Behaviour file: {id}.{rev}.toml, SHA-256 {sha256}",
    },
}


@dataclass(frozen=True)
class Explanation:
    """One act under one release, with all that its number stands on.

    ``exact`` is what the formula gives before it is rounded down and held against a cap, None
    without a factor; ``refused``: the act is out of bounds. ``sha256`` is the behaviour file's.
    ``recorded`` is what a record of the act holds, whose source applied caps of days and months;
    ``under`` the release that the record names, None for this one.
    """

    act: Act
    behaviour: Behaviour
    release: str
    release_sha256: bytes
    sha256: bytes
    factor: Factor | None
    exact: Fraction | None
    mg: Milligrams
    reason: str | None
    refused: bool
    recorded: Credit | None = None
    under: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether a record under this release may hold what it holds; True where there is none.

        It holds what the rule gives; less only for a cause that lies outside the act.
        """
        held = self.recorded
        if held is None or self.under not in (None, self.release):
            return True
        if held.reason == reasons.TAKEN_BACK:
            may = -self.mg <= held.mg <= 0
        elif held.reason in OF_THE_BOOKS:
            may = 0 <= held.mg <= self.mg
        else:
            may = held.mg == self.mg
        return may and held.rev == self.behaviour.rev


def explain(
    act: Act, release: Release, recorded: Credit | None = None, under: str | None = None
) -> Explanation:
    """Return why an act counts what it counts under a release.

    Args:
        act: the act as measured.
        release: the release to count it by.
        recorded: what a record of it says; it is told beside what the act alone counts.
        under: the release that the record names, None for this one.

    Raises:
        BadMethodology: the release has no such behaviour.
        BadShape: the act is not measured as the behaviour says.
    """
    behaviour = release.behaviour(act.behaviour)
    try:
        credit, refused = quantify(act, release), False
    except OutOfBounds as out:
        credit = Credit(Milligrams(0), behaviour.id, behaviour.rev, out.reason)
        refused = True
    found = behaviour.factor_for(act.region, act.start)
    factor = found if isinstance(found, Factor) else None
    exact = behaviour.formula.exact(act.activity, factor.figures) if factor else None
    return Explanation(
        act,
        behaviour,
        release.id,
        release.sha256,
        pinned(release, behaviour),
        factor,
        exact,
        credit.mg,
        credit.reason,
        refused,
        recorded,
        under,
    )


def pinned(release: Release, behaviour: Behaviour) -> bytes:
    """Return the SHA-256 under which a release pins one of its behaviours."""
    return next(pin.sha256 for pin in release.listed.behaviours if pin.id == behaviour.id)


def render(explanation: Explanation, locale: Locale) -> str:
    """Return an explanation as lines that a person reads."""
    return "\n".join(_lines(explanation, locale))


def _lines(found: Explanation, locale: Locale) -> Iterator[str]:
    say, behaviour = _LABELS[locale], found.behaviour
    name, number = behaviour.name[locale], behaviour.rev
    yield say["head"].format(name=name, id=behaviour.id, rev=number, tier=behaviour.tier)
    yield from _counted(found, locale)
    if not found.agrees:
        yield say["disagrees"]
    yield _act(found, locale)
    yield say["formula"].format(text=equation_in_words(behaviour.formula, locale))
    if found.factor and found.exact is not None:
        yield say["worked"].format(text=_calculation(found, locale))
        yield from factor_lines(behaviour.formula, found.factor, locale)
    yield say["release"].format(id=found.release, sha256=found.release_sha256.hex())
    yield say["file"].format(id=behaviour.id, rev=number, sha256=found.sha256.hex())


def _counted(found: Explanation, locale: Locale) -> Iterator[str]:
    say, behaviour, held = _LABELS[locale], found.behaviour, found.recorded
    by_rule = "refused" if found.refused else "counts"
    if held and held.reason == reasons.TAKEN_BACK:
        yield _amount("counts", held.mg, locale)
        yield _why(behaviour, held.reason, locale)
        by_rule = "refused" if found.refused else "back"
        held = None
    yield _amount(by_rule, found.mg, locale)
    if found.reason:
        yield _why(behaviour, found.reason, locale)
    if held:
        grams, mg = grams_text(held.mg), thousands(held.mg)
        yield say["recorded"].format(grams=grams, mg=mg, rev=held.rev)
        if held.reason:
            yield _why(behaviour, held.reason, locale)


def _amount(label: str, mg: int, locale: Locale) -> str:
    return _LABELS[locale][label].format(grams=grams_text(mg), mg=thousands(mg))


def _why(behaviour: Behaviour, reason: str, locale: Locale) -> str:
    try:
        text = behaviour.why(reason, locale)
    except BadMethodology:
        text = reason  # a record of another revision, whose words are not here
    return _LABELS[locale]["why"].format(text=text, reason=reason)


def _act(found: Explanation, locale: Locale) -> str:
    act, behaviour = found.act, found.behaviour
    amounts = (
        f"{thousands(act.activity[unit])} {unit_text(unit, locale, behaviour.formula)}"
        for unit in behaviour.units
    )
    start, end = (
        local_time(at, behaviour.zone).strftime("%Y-%m-%d %H:%M:%S") for at in (act.start, act.end)
    )
    return _LABELS[locale]["act"].format(
        activity=LIST[locale].join(amounts),
        start=start,
        end=end,
        zone=behaviour.zone,
        region=act.region,
        evidence=act.evidence,
    )


def _calculation(found: Explanation, locale: Locale) -> str:
    formula, exact = found.behaviour.formula, found.exact or Fraction(0)
    figures = found.factor.figures if found.factor else {}
    positive = max(Fraction(0), exact)
    text = f"{worked(formula, found.act.activity, figures, locale)} = {decimal_text(positive)} mg"
    if positive.denominator != 1:
        whole = positive.numerator // positive.denominator
        text += _LABELS[locale]["floor"].format(mg=thousands(whole))
    return text


def factor_lines(formula: Formula, factor: Factor, locale: Locale) -> Iterator[str]:
    """Yield a factor's figures with region and validity, then where they were read."""
    say = _LABELS[locale]
    found = factor.figures
    figures = LIST[locale].join(
        f"{FIGURES[name][locale]} {figure_text(formula, name, found[name], locale)}"
        for name in formula.figures
    )
    until = say["until"].format(day=factor.valid_until) if factor.valid_until else ""
    yield say["factor"].format(
        figures=figures, region=factor.region, begins=factor.valid_from, until=until
    )
    yield from source_lines(factor.source, locale)


def source_lines(source: Citation, locale: Locale) -> Iterator[str]:
    """Yield where a figure was read: title, locator and grade; then the note."""
    say, words = _LABELS[locale], read_in(source, locale)
    yield say["source"].format(
        title=source.title, locator=source.locator, grade=source.grade, words=words
    )
    yield say["note"].format(text=source.note[locale])
