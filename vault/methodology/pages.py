"""The methodology as pages to read: behaviours and releases in Markdown (docs/methodology.md).

    pages(load_release("2026-1"), [load_release("demo-1")])
    {"README.md": "# Release 2026-1 …", "travel.md": "# Travel · 行 …", "demo-1.md": "…"}

    ./run python -m vault.methodology.pages docs/methodology      # writes them; nothing else does

Every sentence and figure stands in a file of the release. A release that is not the first one gets
a page of its own, on which only those behaviours are written out that the first one does not pin.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from vault.methodology import reasons
from vault.methodology.amounts import FIGURES, figure_text, thousands, unit_text
from vault.methodology.behaviour import Behaviour, Vector
from vault.methodology.describe import rates, why_zero
from vault.methodology.explain import pinned
from vault.methodology.formula import Citation, Factor
from vault.methodology.limit import CATEGORY_NAMES, Caps, CategoryName, Faster, Limit, Under
from vault.methodology.release import CategoryCaps, Release, load_release
from vault.methodology.shelf import newest_release, release_names

COMMAND = "./run python -m vault.methodology.pages docs/methodology"
TITLES: dict[CategoryName, str] = {
    "clothing": "Clothing · 衣",
    "food": "Food · 食",
    "home": "Home · 住",
    "travel": "Travel · 行",
    "use": "Goods in use · 用",
    "office": "Office · 办公",
    "fin": "Digital finance · 数字金融",
}
_MADE = f"Made from the files of the release by `{COMMAND}`; change those, not this page."
_LISTED = {
    "named": "Named in public texts about the standard.",
    "handbook": "In the 2022 handbook.",
    "reconstructed": "Put in by us, unverified.",
}
_WITHIN = {"time": "at the same time", "day": "on the same day", "month": "in the same month"}
_EVIDENCE = {
    "E3": "E3, signed by the operator of record",
    "E4": "E4, metered or confirmed from two sides",
}
_MEANT = re.compile(r"[\\`*_\[\]<>|&$~#]")


def pages(main: Release, others: Sequence[Release] = ()) -> dict[str, str]:
    """Return every page by its file name.

    Args:
        main: the release whose categories get a page each, and the index.
        others: releases that get one page each, by their id.
    """
    made = {"README.md": release_page(main, main, others)}
    found = {behaviour.category for behaviour in main.behaviours.values()}
    for category, name in enumerate(CATEGORY_NAMES, 1):
        if category in found:
            made[f"{name}.md"] = category_page(main, name)
    return made | {f"{other.id}.md": release_page(other, main) for other in others}


def release_page(release: Release, main: Release, others: Iterable[Release] = ()) -> str:
    """Return the page about a release: what it says, its behaviours, choices and caps.

    Behaviours that `main` does not pin are written out below; for the others it has pages.
    """
    listed = ", ".join(f"[{other.id}]({other.id}.md)" for other in others)
    own = (each for each in _sorted(release) if not _same(release, main, each))
    return _text(
        f"# Release {release.id}",
        _MADE + " How to read it: [methodology.md](../methodology.md).",
        *_about(release, main),
        *(("## Other releases", listed) if listed else ()),
        *(part for each in own for part in behaviour_section(release, each)),
    )


def category_page(release: Release, category: CategoryName) -> str:
    """Return the page about the behaviours of one category, those of the release."""
    chosen = [each for each in _sorted(release) if each.id.startswith(f"{category}.")]
    return _text(
        f"# {TITLES[category]}",
        f"Behaviours of release [{release.id}](README.md). {_MADE}",
        *(part for each in chosen for part in behaviour_section(release, each)),
    )


def behaviour_section(release: Release, behaviour: Behaviour) -> Iterator[str]:
    """Yield the parts of what is said about one behaviour: heading, list, factors, limits."""
    yield f"## {behaviour.id}"
    names = f"{escape(behaviour.name['zh-CN'])} · {escape(behaviour.name['en'])}"
    listed = f" {_LISTED[behaviour.listed]}" if behaviour.listed else ""
    yield f"**{names}** (revision {behaviour.rev}). {tier_words(release, behaviour)}.{listed}"
    yield "\n".join(f"- {line}" for line in _facts(release, behaviour))
    if behaviour.factors:
        yield _table(
            ("region", "valid from", "until", "figures", "grade", "source", "note"),
            (_factor_row(behaviour, factor) for factor in behaviour.factors),
        )
    if limits := list(_limit_rows(behaviour)):
        yield _table(("what", "limit", "why", "ground"), limits)


def tier_words(release: Release, behaviour: Behaviour) -> str:
    """Return a behaviour's tier and what it means in the release."""
    if behaviour.tier == "A":
        return "Tier A: credited"
    reason = why_zero(release, behaviour)
    if reason is None:
        return "Tier B: credited, because this release carries its acceptance"
    return f"Tier {behaviour.tier}: recorded, counts 0. {reasons.TEXTS[reason]['en'].rstrip('.')}"


def credited(release: Release, behaviour: Behaviour) -> str:
    """Return what a behaviour counts in a release, in a few words: 48.7 g/km (CN)."""
    if reason := why_zero(release, behaviour):
        return f"0 ({reason})"
    return "; ".join(
        f"{rate or 'by its formula'} ({region})" for region, rate in sorted(rates(behaviour))
    )


def vector_words(behaviour: Behaviour, vector: Vector) -> str:
    """Return a worked act: 1,200 m, 300 s in CN-ZJ-HZ on 2026-01-05 → 58,440 mg."""
    amounts = ", ".join(
        f"{thousands(vector.activity[unit])} {unit_text(unit, 'en', behaviour.formula)}"
        for unit in behaviour.units
    )
    day = vector.start.astimezone(ZoneInfo(behaviour.zone)).date()
    why = f" ({vector.reason})" if vector.reason else ""
    return f"{amounts} in {vector.region} on {day} → {thousands(vector.mg)} mg{why}"


def escape(text: str) -> str:
    """Return a file's text for a line or a table cell, nothing in it read as Markdown."""
    return _MEANT.sub(r"\\\g<0>", " ".join(text.split()))


def _about(release: Release, main: Release) -> Iterator[str]:
    yield f"SHA-256 `{release.sha256.hex()}`."
    yield escape(release.says["zh-CN"])
    yield escape(release.says["en"])
    yield "## Behaviours"
    yield _table(
        ("id", "名称", "name", "tier", "counts", "page"),
        (_index_row(release, main, each) for each in _sorted(release)),
    )
    yield from _chosen(release)
    if release.listed.caps:
        yield from _category_caps(release.listed.caps)


def _index_row(release: Release, main: Release, behaviour: Behaviour) -> Sequence[str]:
    name, same = behaviour.id, _same(release, main, behaviour)
    page = f"{name.partition('.')[0]}.md" if same else ""
    link = f"[{page or 'below'}]({page}#{name.replace('.', '')})"
    names = (escape(behaviour.name["zh-CN"]), escape(behaviour.name["en"]))
    return f"`{name}`", *names, behaviour.tier, credited(release, behaviour), link


def _chosen(release: Release) -> Iterator[str]:
    if choices := release.listed.choices:
        yield "## Choices"
        yield "Where two published figures fit one act, the release takes one and says why."
        rows = (
            (f"`{c.id}`", escape(c.taken), escape(c.over), escape(c.why["en"])) for c in choices
        )
        yield _table(("behaviour", "taken", "not taken", "why"), rows)
    if accepted := release.listed.accepted:
        yield "## Acceptances"
        granted = ((f"`{a.id}` {a.rev}", a.by, str(a.on), escape(a.why["en"])) for a in accepted)
        yield _table(("behaviour", "by", "on", "why"), granted)


def _category_caps(caps: CategoryCaps) -> Iterator[str]:
    yield "## Caps of a month"
    yield (
        f"What one link closes in a month at most ({_ground(caps.proposal, caps.source)}); "
        f"the rest stays in its balance. {escape(caps.note['en'])}"
    )
    named = [name for name in CATEGORY_NAMES if name in caps.grams]
    yield _table(
        ("category", "grams"), ((TITLES[name], thousands(caps.grams[name])) for name in named)
    )


def _facts(release: Release, behaviour: Behaviour) -> Iterator[str]:
    formula = behaviour.formula
    yield f"计什么：{escape(behaviour.says['zh-CN'])}"
    yield f"What counts: {escape(behaviour.says['en'])}"
    units = ", ".join(unit_text(unit, "en", formula) for unit in behaviour.units)
    yield f"Measured in {units}; days and months begin in {behaviour.zone}."
    yield f"Formula `{formula.shape}`: `{formula.equation()}`"
    yield f"Evidence: at least {_EVIDENCE[behaviour.evidence]}."
    if behaviour.dedupe:
        trip = "; a person makes no two at once" if behaviour.occupies else ""
        yield (
            "One act is known by " + ", ".join(f"`{k}`" for k in behaviour.dedupe.key) + trip + "."
        )
    if beside := list(_beside(release, behaviour)):
        yield f"Not counted beside {', '.join(beside)}."
    yield f"{_example_label(release, behaviour)}: {vector_words(behaviour, _example(behaviour))}"
    digest = pinned(release, behaviour).hex()[:12]
    yield f"File `{behaviour.id}.{behaviour.rev}.toml`, SHA-256 `{digest}…`"


def _beside(release: Release, behaviour: Behaviour) -> Iterator[str]:
    # Either file may name the other: the rule holds both ways.
    named = {each.other: {each.within} for each in behaviour.exclusive}
    both = {other: set(release.excludes(behaviour.id, other)) for other in release.behaviours}
    for other, within in sorted((named | both).items()):
        if within:
            yield f"`{other}` ({', '.join(_WITHIN[each] for each in sorted(within))})"


def _example(behaviour: Behaviour) -> Vector:
    return next((each for each in behaviour.vectors if each.mg), behaviour.vectors[0])


def _example_label(release: Release, behaviour: Behaviour) -> str:
    pending = behaviour.tier == "B" and why_zero(release, behaviour) is not None
    return "Example, once accepted" if pending else "Example"


def _factor_row(behaviour: Behaviour, factor: Factor) -> Sequence[str]:
    source, named = factor.source, len(factor.figures) > 1
    figures = (
        (f"{FIGURES[name]['en']} " if named else "")
        + figure_text(behaviour.formula, name, figure, "en")
        for name, figure in factor.figures.items()
    )
    return (
        factor.region,
        str(factor.valid_from),
        str(factor.valid_until or "open"),
        "; ".join(figures),
        source.grade,
        f"{escape(source.title)}; {escape(source.locator)}",
        escape(source.note["en"]),
    )


def _limit_rows(behaviour: Behaviour) -> Iterator[Sequence[str]]:
    for what, rules in (("counts 0", behaviour.exclusions), ("refused", behaviour.bounds)):
        for rule in rules:
            why = f"`{rule.reason}`: {escape(rule.text['en'])}"
            yield what, _rule_words(rule, behaviour), why, _ground(rule.proposal, rule.source)
    if caps := behaviour.caps:
        ground = _ground(caps.proposal, caps.source)
        yield "at most", _cap_words(caps), escape(caps.note["en"]), ground


def _rule_words(rule: Limit, behaviour: Behaviour) -> str:
    limit = f"{thousands(rule.limit)} {unit_text(rule.unit, 'en', behaviour.formula)}"
    if isinstance(rule, Faster):
        span = f"{thousands(rule.span)} {unit_text(rule.per, 'en', behaviour.formula)}"
        return f"more than {limit} in {span}"
    return f"{'less' if isinstance(rule, Under) else 'more'} than {limit}"


def _cap_words(caps: Caps) -> str:
    given = (("an act", caps.act_g), ("a day", caps.day_g), ("a month", caps.month_g))
    return ", ".join(f"{thousands(g)} g {span}" for span, g in given if g is not None)


def _ground(proposal: bool, source: Citation | None) -> str:
    if source is None:
        return "our proposal" if proposal else "plausibility"  # only an exclusion may give neither
    return f"{escape(source.title)}; {escape(source.locator)}; grade {source.grade}"


def _same(release: Release, main: Release, behaviour: Behaviour) -> bool:
    listed = behaviour.id in main.behaviours
    return listed and pinned(release, behaviour) == pinned(main, main.behaviour(behaviour.id))


def _sorted(release: Release) -> list[Behaviour]:
    return sorted(release.behaviours.values(), key=lambda each: (each.category, each.id))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"


def _write(folder: Path) -> None:
    newest = newest_release()
    others = [load_release(name) for name in release_names() if name != newest]
    for name, text in pages(load_release(newest), others).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
