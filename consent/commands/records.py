"""Commands of a holder about their records: ``carbonvault holder records | closes``."""

from __future__ import annotations

import csv
import io
from typing import Annotated

import typer

from consent.commands.holder import opened
from consent.commands.party import Where
from consent.records import OwnLink
from consent.terminal import JsonOut, new_app, spoken, write_json
from vault.encoding import Json
from vault.messages import Record
from vault.methodology.release import load_release
from vault.months import local_time

records_app = new_app("A holder's own records.")
COLUMNS = ("start", "source", "behaviour", "category", "mg", "reason", "activity", "detail")
_SPELLS = ("=", "+", "-", "@", "\t", "\r")


@records_app.command()
@spoken
def records(
    folder: Where,
    csv_out: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
    json_out: JsonOut = False,
) -> None:
    """Show every act: when, where from, how many milligrams, and why 0.

    Example: carbonvault holder records ./me --csv > records.csv
    """
    with opened(folder) as holder:
        zone = holder.directory.listing.zone
        rows = [row for own in holder.open_links() for row in _rows(own, zone)]
    rows.sort(key=lambda row: str(row["start"]))
    if json_out:
        write_json({"records": [*rows]})
        return
    if csv_out:
        typer.echo(_csv(rows), nl=False)
        return
    for row in rows:
        why = f"  {row['reason']}" if row["reason"] else ""
        typer.echo(f"{row['start']}  {row['source']}  {row['behaviour']}  {row['mg']} mg{why}")


def _rows(own: OwnLink, zone: str) -> list[dict[str, Json]]:
    counting = [(r, r.mg, r.reason) for batch in own.batches for r in batch.records]
    voided = [(r, 0, "counted-before") for batch in own.batches for r in batch.voided]
    return [_row(own, zone, *entry) for entry in counting + voided]


def _row(own: OwnLink, zone: str, record: Record, mg: int, reason: str | None) -> dict[str, Json]:
    return {
        "start": local_time(record.start, zone).strftime("%Y-%m-%d %H:%M"),
        "source": own.source,
        "behaviour": record.behaviour,
        "category": int(load_release(record.release).category(record.behaviour)),
        "mg": mg,
        "reason": reason,
        "activity": {**record.activity},
        "start_unix": record.start,
        "end_unix": record.end,
        "region": (record.detail or {}).get("region"),
        "evidence": record.evidence,
        "release": record.release,
        "rev": record.rev,
        "detail": {**(record.detail or {})},
    }


def _csv(rows: list[dict[str, Json]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([cell(row[name]) for name in COLUMNS] for row in rows)
    return out.getvalue()


def cell(found: Json) -> str:
    """Return a value as one cell; a text that a spreadsheet would run begins with an apostrophe."""
    if isinstance(found, dict):
        text = "; ".join(f"{name}: {value}" for name, value in found.items())
    else:
        text = "" if found is None else str(found)
    return f"'{text}" if text.startswith(_SPELLS) and not isinstance(found, int) else text


@records_app.command()
@spoken
def closes(folder: Where, json_out: JsonOut = False) -> None:
    """Show every monthly close, recomputed here from your own records.

    Example: carbonvault holder closes ./me
    """
    with opened(folder) as holder:
        rows: list[dict[str, Json]] = [
            {
                "source": own.source,
                "link": own.link.hex(),
                "month": close.month,
                "grams": [*close.grams],
                "balance_mg": [*close.balances],
                "rejected": close.rejected,
            }
            for own in holder.open_links()
            for close in own.closes
        ]
    if json_out:
        write_json({"closes": [*rows]})
        return
    for row in rows:
        no = "  rejected: in no total" if row["rejected"] else ""
        typer.echo(f"{row['month']}  {row['source']}  grams by category {row['grams']}{no}")
