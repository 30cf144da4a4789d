"""A behaviour in words: what counts, by which factors, up to what, and why it may count 0.

    describe(load_release("2026-1"), "travel.bike", "en")

    Riding a bicycle (travel.bike, revision 3, tier A)
    What counts: the distance ridden times a factor per kilometre. …
    Counts 0: less than 1 m. It ended where it began, so no distance is known. (round-trip)
    …

docs/methodology.md; everything said stands in the behaviour's file or in the release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vault.errors import Locale
from vault.methodology import reasons
from vault.methodology.amounts import LIST, equation_in_words, per_unit, thousands, unit_text
from vault.methodology.behaviour import Behaviour
from vault.methodology.explain import factor_lines, pinned, source_lines
from vault.methodology.limit import Caps, Faster, Limit, Under
from vault.methodology.release import Release

Words = dict[Locale, dict[str, str]]
_LABELS: Words = {
    "zh-CN": {
        "head": "{name}（{id}，修订{rev}，层级{tier}）",
        "zero": "计为0：{text}（{reason}）",
        "says": "计什么：{text}",
        "listed": "出处：{text}",
        "units": "计量单位：{text}；日与月按 {zone} 划分",
        "evidence": "证据：至少 {text}",
        "formula": "公式：{shape}，{text}",
        "choice": "本版本的取舍：取 {taken}，不取 {over}。{why}",
        "accepted": "由 {by} 于 {on} 采纳。{why}",
        "excluded": "计为0：{rule}。{text}（{reason}）",
        "refused": "不予记录：{rule}。{text}（{reason}）{ground}",
        "caps": "上限：{text}{ground}",
        "note": "说明：{text}",
        "exclusive": "不与下列同时计入：{other}（{within}）",
        "dedupe": "同一行为的识别：{key}{trip}",
        "trip": "；一个人不能同时进行两次出行",
        "file": "版本 {release}；行为文件 {id}.{rev}.toml，SHA-256 {sha256}",
        "ours": "；由本项目提出",
        "act_g": "每次 {g} g",
        "day_g": "每日 {g} g",
        "month_g": "每月 {g} g",
        "under": "少于 {limit} {unit}",
        "over": "多于 {limit} {unit}",
        "faster": "每 {span} {per} 多于 {limit} {unit}",
        "time": "时间重叠",
        "day": "同一日",
        "month": "同一月",
        "E3": "E3（由记录的经营方签名）",
        "E4": "E4（双方确认或计量）",
        "named": "团体标准中列名",
        "handbook": "手册中列名",
        "reconstructed": "由本项目补列，未核实",
    },
    "en": {
        "head": "{name} ({id}, revision {rev}, tier {tier})",
        "zero": "Counts 0: {text} ({reason})",
        "says": "What counts: {text}",
        "listed": "Where it is listed: {text}",
        "units": "Measured in: {text}; days and months begin in {zone}",
        "evidence": "Evidence: at least {text}",
        "formula": "Formula: {shape}, {text}",
        "choice": "Choice of this release: {taken}, not {over}. {why}",
        "accepted": "Accepted by {by} on {on}. {why}",
        "excluded": "Counts 0: {rule}. {text} ({reason})",
        "refused": "Refused, not recorded: {rule}. {text} ({reason}){ground}",
        "caps": "At most: {text}{ground}",
        "note": "Note: {text}",
        "exclusive": "Not counted beside: {other} ({within})",
        "dedupe": "One act is known by: {key}{trip}",
        "trip": "; a person makes no two trips at once",
        "file": "Release {release}; behaviour file {id}.{rev}.toml, SHA-256 {sha256}",
        "ours": "; our proposal",
        "act_g": "{g} g an act",
        "day_g": "{g} g a day",
        "month_g": "{g} g a month",
        "under": "less than {limit} {unit}",
        "over": "more than {limit} {unit}",
        "faster": "more than {limit} {unit} in {span} {per}",
        "time": "at the same time",
        "day": "on the same day",
        "month": "in the same month",
        "E3": "E3 (signed by the operator of record)",
        "E4": "E4 (two-sided or metered)",
        "named": "named in the standard",
        "handbook": "in the handbook",
        "reconstructed": "put in by us, unverified",
    },
}


def may_count(release: Release, behaviour: Behaviour) -> bool:
    """Return whether an act of the behaviour can count more than 0 in the release."""
    accepted = behaviour.tier == "B" and release.accepts(behaviour.id)
    return behaviour.tier == "A" or accepted


def why_zero(release: Release, behaviour: Behaviour) -> str | None:
    """Return the reason that every act of the behaviour has, None where acts can count."""
    if may_count(release, behaviour):
        return None
    return reasons.TIER_Z if behaviour.tier == "Z" else reasons.TIER_B


def rates(behaviour: Behaviour) -> list[tuple[str, str | None]]:
    """Return each factor's region with its grams per unit, None where two units decide."""
    formula = behaviour.formula
    return [(each.region, per_unit(formula, each.figures)) for each in behaviour.factors]


def describe(release: Release, name: str, locale: Locale) -> str:
    """Return all that a behaviour says, as lines that a person reads.

    Raises:
        BadMethodology: the release has no such behaviour.
    """
    behaviour = release.behaviour(name)
    parts = (
        _what(release, behaviour, locale),
        _factors(release, behaviour, locale),
        _limits(behaviour, locale),
        _beside(release, behaviour, locale),
    )
    return "\n".join(line for part in parts for line in part)


def _what(release: Release, behaviour: Behaviour, locale: Locale) -> Iterator[str]:
    say = _LABELS[locale]
    yield say["head"].format(
        name=behaviour.name[locale], id=behaviour.id, rev=behaviour.rev, tier=behaviour.tier
    )
    if reason := why_zero(release, behaviour):
        yield say["zero"].format(text=reasons.TEXTS[reason][locale], reason=reason)
    yield say["says"].format(text=behaviour.says[locale])
    if behaviour.listed:
        yield say["listed"].format(text=say[behaviour.listed])
    units = LIST[locale].join(
        unit_text(unit, locale, behaviour.formula) for unit in behaviour.units
    )
    yield say["units"].format(text=units, zone=behaviour.zone)
    yield say["evidence"].format(text=say[behaviour.evidence])
    formula = behaviour.formula
    yield say["formula"].format(shape=formula.shape, text=equation_in_words(formula, locale))


def _factors(release: Release, behaviour: Behaviour, locale: Locale) -> Iterator[str]:
    say = _LABELS[locale]
    for factor in behaviour.factors:
        yield from factor_lines(behaviour.formula, factor, locale)
    for choice in release.listed.choices:
        if choice.id == behaviour.id:
            yield say["choice"].format(taken=choice.taken, over=choice.over, why=choice.why[locale])
    for accepted in release.listed.accepted:
        if accepted.id == behaviour.id:
            yield say["accepted"].format(by=accepted.by, on=accepted.on, why=accepted.why[locale])


def _limits(behaviour: Behaviour, locale: Locale) -> Iterator[str]:
    yield from _rules("excluded", behaviour.exclusions, locale)
    yield from _rules("refused", behaviour.bounds, locale)
    if behaviour.caps:
        yield from _caps(behaviour.caps, locale)


def _rules(label: str, rules: Iterable[Limit], locale: Locale) -> Iterator[str]:
    say = _LABELS[locale]
    for rule in rules:
        ground = say["ours"] if rule.proposal else ""
        yield say[label].format(
            rule=_rule(rule, locale), text=rule.text[locale], reason=rule.reason, ground=ground
        )
        if rule.source:
            yield from source_lines(rule.source, locale)


def _rule(rule: Limit, locale: Locale) -> str:
    say, unit = _LABELS[locale], unit_text(rule.unit, locale)
    limit = thousands(rule.limit)
    if isinstance(rule, Faster):
        per = unit_text(rule.per, locale)
        return say["faster"].format(limit=limit, unit=unit, span=thousands(rule.span), per=per)
    return say["under" if isinstance(rule, Under) else "over"].format(limit=limit, unit=unit)


def _caps(caps: Caps, locale: Locale) -> Iterator[str]:
    say = _LABELS[locale]
    given = {"act_g": caps.act_g, "day_g": caps.day_g, "month_g": caps.month_g}
    texts = [say[name].format(g=thousands(g)) for name, g in given.items() if g is not None]
    yield say["caps"].format(
        text=LIST[locale].join(texts), ground=say["ours"] if caps.proposal else ""
    )
    if caps.source:
        yield from source_lines(caps.source, locale)
    yield say["note"].format(text=caps.note[locale])


def _beside(release: Release, behaviour: Behaviour, locale: Locale) -> Iterator[str]:
    say = _LABELS[locale]
    for each in behaviour.exclusive:
        yield say["exclusive"].format(other=each.other, within=say[each.within])
    if behaviour.dedupe:
        trip = say["trip"] if behaviour.dedupe.person_time else ""
        yield say["dedupe"].format(key=LIST[locale].join(behaviour.dedupe.key), trip=trip)
    sha256 = pinned(release, behaviour).hex()
    yield say["file"].format(release=release.id, id=behaviour.id, rev=behaviour.rev, sha256=sha256)
