"""What a source's books say of a customer: ``carbonvault source acts | take-back``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from consent.commands.party import Where
from consent.commands.source import Customer, opened
from consent.terminal import JsonOut, spoken, tell, write_json
from vault.books import ActBook
from vault.encoding import Json
from vault.methodology import reasons
from vault.months import local_time


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the source's."""
    app.command("acts")(acts)
    app.command("take-back")(take_back)


@spoken
def acts(folder: Where, customer: Customer, json_out: JsonOut = False) -> None:
    """List a customer's acts: what each counts, and why 0; a receipt counted elsewhere shows.

    Example: carbonvault source acts ./source 'customer 7'
    """
    with opened(folder) as (source, _):
        zone = source.directory.listing.zone
        rows = [_row(act, zone) for act in source.acts(customer)]
    if json_out:
        write_json({"acts": [*rows]})
        return
    for row in rows:
        why = f"  {row['reason']}" if row["reason"] else ""
        typer.echo(
            f"{row['start']}  {row['receipt']}  {row['behaviour']}  {row['mg']} mg"
            f"  {row['state']}{why}"
        )


@spoken
def take_back(
    folder: Where,
    of: Annotated[str, typer.Argument(help="The receipt of the act that is taken back.")],
    receipt: Annotated[str, typer.Argument(help="The number of the refund or correction.")],
    operator: Annotated[str, typer.Option(help="Its operator of record; else this source.")] = "",
    json_out: JsonOut = False,
) -> None:
    """Take a booked act back, by a negative record in the running month that cites it.

    Example: carbonvault source take-back ./source R-1 REFUND-1
    """
    with opened(folder) as (source, _):
        booked = source.take_back(operator or source.identity.id, receipt, of)
    members: dict[str, Json] = {"outcome": booked.outcome, "mg": booked.credit.mg}
    tell(json_out, members, f"{of}: {booked.outcome}, {booked.credit.mg} mg")


def _row(act: ActBook, zone: str) -> dict[str, Json]:
    reason = json.loads(act.record).get("reason") if act.counts else reasons.ANOTHER
    return {
        "start": local_time(act.start, zone).strftime("%Y-%m-%d %H:%M"),
        "operator": act.operator,
        "receipt": act.receipt,
        "behaviour": act.behaviour,
        "mg": act.mg if act.counts else 0,
        "gross_mg": act.gross,
        "reason": reason,
        "state": "waiting" if act.seq is None else "in a batch",
        "booked_in": act.month,
        "takes_back": act.corrects.hex() if act.corrects else None,
    }
