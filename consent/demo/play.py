"""The whole demonstration: the scenes in their order, what is told, and the figures.

with Stage(folder, MONTHS[0]) as stage:
played = play(plot, stage, teller)
played.figures["grams_released"]       {"bank.demo": 495, "city.demo": 495}
"""

from __future__ import annotations

import json
from typing import NamedTuple

from consent.demo import cast as parts
from consent.demo import scenes
from consent.demo.plot import MONTHS, Plot
from consent.demo.refusals import refuse
from consent.demo.scenes import Asked, Counted, Person, Sources, Teller
from consent.demo.stage import Stage
from vault.encoding import Json, read_envelope
from vault.messages import Batch, Close
from vault.months import Category, Window

_REFUSED = {
    "overlap-app": "A second consent that overlaps the first, in the holder's app",
    "overlap-vault": "The same token posted past the app, signed with the right key",
    "forged-token": "A token signed by a stranger's key",
    "after-stop": "The bank asks again after the person stopped sharing",
}


class Played(NamedTuple):
    """The figures of the story, and who is there when it has ended."""

    figures: dict[str, Json]
    people: list[Person]
    sources: Sources


def play(plot: Plot, stage: Stage, teller: Teller) -> Played:
    """Play the whole story.

    Raises:
        VaultError: a step failed that should not, or an attempt went through that should not.
    """
    stage.move(MONTHS[0], day=1, hour=8)
    stage.publish()
    sources = {name: stage.source(name) for name in parts.SOURCES}
    _open(plot, teller)
    people = scenes.open_vaults(plot, stage, sources, teller)
    _tell_links(people[0], teller)
    teller.scene("2  Consent: given once, ahead of every figure")
    _tell_notice(people[0], teller)
    scenes.allow(people, teller)
    teller.scene("3  Three months: trips booked, sealed, closed")
    counted = scenes.ride(plot, stage, sources, teller)
    _tell_counted(counted, stage.release.id, teller)
    teller.scene("4  What each party sees")
    _tell_views(people[0], teller)
    teller.scene("5  The platforms ask")
    asked = scenes.ask(people, stage, teller)
    _tell_totals(asked, teller)
    teller.scene("6  What is refused")
    refused = refuse(people[0], stage)
    for name, error in refused.items():
        teller.say(f"{_REFUSED[name]}:\n    → {error.slug}: {error.sentence('en')}")
    teller.scene("7  The audit, offline, without a single total")
    report = stage.auditor().audit(teller.counted("log entries replayed"))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items()))
    teller.say(f"{report.size} entries ({kinds}); findings: {len(report.findings)}")
    figures: dict[str, Json] = {
        "trips_read": plot.count,
        "rows_refused": {reason: [*lines] for reason, lines in plot.read.refused.items()},
        "release": stage.release.id,
        "credited": counted.credited,
        "zeroed": dict(counted.zeroed),
        "out_of_bounds": dict(counted.refused),
        "capped": dict(counted.capped),
        "mg_taken": dict(counted.cut),
        "mg_credited": counted.mg,
        **_closed(sources),
        "grams_released": {name: sum(a.total.grams for a in got) for name, got in asked.items()},
        "holders": len(people),
        "refused": {name: error.slug for name, error in refused.items()},
        "log_size": report.size,
        "first_grants": {name: g.grant.hex() for name, g in people[0].grants.items()},
        "findings": report.plain()["findings"],
    }
    return Played(figures, people, sources)


def _closed(sources: Sources) -> dict[str, Json]:
    """Return grams closed in all, and the milligrams left in the last close of every link."""
    grams, left = 0, {}
    for source in sources.values():
        for close in source.closes():
            grams += sum(json.loads(close.grams))
            left[close.link] = sum(json.loads(close.balances))
    return {"grams_closed": grams, "balance_mg": sum(left.values())}


def _open(plot: Plot, teller: Teller) -> None:
    teller.scene("1  Everybody takes their place")
    origin = "a small invented export that comes with the package" if plot.bundled else "your files"
    teller.say(
        f"{plot.count} trips of {len(plot.trips)} bicycles, read from {origin}.\n"
        "The file names no riders: each bicycle stands for one holder.\n"
        f"The trips are moved into {', '.join(MONTHS)} by a clock moved by hand, and are said to "
        f"be of region {plot.region}. Odd trip numbers are booked at one source, even ones at the "
        "other."
    )
    for reason, lines in plot.read.refused.items():
        teller.say(f"rows refused, {reason}: line {', '.join(map(str, lines.first[:20]))}")


def _tell_counted(counted: Counted, release: str, teller: Teller) -> None:
    lines = [f"By release {release}, {counted.credited} trips count {counted.mg} mg. What took:"]
    kinds = (
        ("recorded with 0 g", counted.zeroed),
        ("out of bounds, not recorded", counted.refused),
        ("cut by a cap", counted.capped),
    )
    for kind, found in kinds:
        lines += [
            f"  {kind}: {count} by {reason}, {counted.cut[reason]} mg"
            for reason, count in sorted(found.items())
        ] or [f"  {kind}: none"]
    teller.say("\n".join(lines))


def _tell_links(person: Person, teller: Teller) -> None:
    teller.say(
        f"Bicycle {person.bike}'s holder made a vault. The recovery code is shown once "
        f"(here too, since this vault is a demonstration): {person.code}\n"
        f"Each link was confirmed by comparing six digits: {' and '.join(person.digits)}"
    )


def _tell_notice(person: Person, teller: Teller) -> None:
    for platform, locale in scenes.LOCALES.items():
        teller.say(person.holder.notice(scenes.terms_of(platform), locale))


def _tell_views(person: Person, teller: Teller) -> None:
    own = next(link for link in person.holder.open_links() if link.batches[0].records)
    batch, close = own.batches[0], own.closes[0]
    record = batch.records[0]
    detail = record.detail or {}
    sealed = Batch.opened(read_envelope(batch.batch, Batch.typ)).sealed
    cell = Close.opened(read_envelope(close.text, Close.typ)).cells[Category.TRAVEL - 1]
    masked = cell.masked.to_bytes(32, "little").hex()
    grams = close.grams[Category.TRAVEL - 1]
    teller.say(
        f"The holder reads: {record.activity['m']} m by bicycle, {detail['from']} → {detail['to']},"
        f" {record.mg} mg\n"
        f"The vault holds {len(sealed)} sealed bytes:\n  {sealed[:32].hex()}…\n"
        f"The holder reads: travel in {close.month} at {own.source}: {grams} g\n"
        f"The vault holds c:\n  {masked}\nand C:\n  {cell.commitment.hex()}"
    )


def _tell_totals(asked: dict[str, list[Asked]], teller: Teller) -> None:
    for name, got in asked.items():
        first = got[0].total
        total = sum(one.total.grams for one in got)
        teller.say(
            f"{name} asked for {len(got)} windows and got {total} g in all. For the first holder "
            f"and {_period(first.window)} it learned one number: {first.grams} g "
            f"(checked against: {first.checked}).\n"
            "Every one of them equals the holder's own sum over their own records."
        )


def _period(window: Window) -> str:
    return window[0] if len(window) == 1 else f"{window[0]} to {window[-1]}"
