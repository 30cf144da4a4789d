"""Commands of a source: ``carbonvault source …`` over its folder.

source.toml  sig-1.key hpke-1.key  directory.jws     as consent/folder.py says
books.db books.key                                    its books, encrypted under their own key
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from consent.commands.acts import of_lines, of_trips
from consent.commands.party import Where, accepted, add_party_commands
from consent.place import read_key, write_key
from consent.terminal import JsonOut, bars, new_app, read_word, spoken, tell, write_json
from vault.compose import Booked, Booking
from vault.crypto.keys import Secret, six_digits
from vault.directory import release_fits
from vault.encoding import Json, unb64u
from vault.errors import BadPlace, NotFound, VaultError
from vault.importers.report import Report
from vault.messages import parse_hex
from vault.methodology.release import load_release
from vault.months import Month, parse_month
from vault.outbox import Outbox
from vault.source import NONCE_LIFE, Identity, Source

source_app = new_app("Commands of a source.")
add_party_commands(source_app, "source")
Customer = Annotated[str, typer.Argument(help="The source's own word for the customer.")]
CsvFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False)]
STATES = ("answered", "attached", "ending", "stopped")


@contextmanager
def opened(path: Path, month: Month | None = None) -> Iterator[tuple[Source, Outbox]]:
    """Open a source's folder: its SDK, standing on the release of `month` (else of now)."""
    folder, directory = accepted(path, "source")
    entry = directory.release_for(month or directory.month_at(folder.now()))
    release = load_release(entry.id)
    release_fits(entry, release.file)
    key = path / "books.key"
    if not key.exists():
        if (path / "books.db").exists():
            raise BadPlace(f"{key} is missing, and without it the books do not open")
        write_key(key, os.urandom(32))
    signer = folder.signing(directory, "source")
    identity = Identity(folder.pins.id, signer, folder.opening())
    books = Outbox(path / "books.db", Secret(read_key(key)))
    try:
        wire = folder.wire(signer)
        yield Source(identity, books, wire, directory, release, folder.now, os.urandom), books
    finally:
        books.close()


@source_app.command()
@spoken
def offer(folder: Where, customer: Customer, json_out: JsonOut = False) -> None:
    """Start a link for a customer who is logged in: print the nonce that their app takes.

    Example: carbonvault source offer ./source 'customer 7'
    """
    with opened(folder) as (source, _):
        nonce = source.offer(customer).hex()
        members: dict[str, Json] = {"source": source.identity.id, "nonce": nonce}
    tell(json_out, members, f"{nonce}\n(for {NONCE_LIFE // 60} minutes, for this customer only)")


@source_app.command()
@spoken
def accept(
    folder: Where,
    customer: Customer,
    nonce: Annotated[str, typer.Argument(help="The nonce that was offered.")],
    code: Annotated[str, typer.Argument(help="The customer's link code; - reads it.")] = "-",
    json_out: JsonOut = False,
) -> None:
    """Answer a customer's link code: print the answer for their app, and the six digits.

    Example: carbonvault source accept ./source 'customer 7' NONCE CODE
    """
    raw = unb64u(read_word(code, "Link code"))
    with opened(folder) as (source, _):
        answer = source.accept(customer, parse_hex(nonce, 16), raw)
    digits = six_digits(raw)
    if not json_out:
        typer.echo(f"Six digits, to be compared with the customer's app: {digits}", err=True)
    tell(json_out, {"answer": answer, "digits": digits}, answer)


@source_app.command()
@spoken
def check(folder: Where, json_out: JsonOut = False) -> None:
    """Ask the vault which answered links are attached now; only these are sent to.

    Example: carbonvault source check ./source
    """
    with opened(folder) as (source, _):
        found = source.check_attached()
    tell(json_out, {"attached": found}, f"{found} links are newly attached")


@source_app.command()
@spoken
def book(
    folder: Where,
    trips: CsvFile = None,
    stations: CsvFile = None,
    region: Annotated[str, typer.Option(help="Where the trips are, such as CN-ZJ-HZ.")] = "",
    customer_column: Annotated[
        str, typer.Option(help="The column that names the customer: bike.")
    ] = "bike",
    zone: Annotated[str, typer.Option(help="Time zone of the export; else the vault's.")] = "",
    jsonl: CsvFile = None,
    json_out: JsonOut = False,
) -> None:
    """Book acts of linked customers: a bike-share export, or one JSON object a line.

    Example: carbonvault source book ./source --trips trips.csv --stations stations.csv
    --region CN-ZJ-HZ --customer-column bike
    """
    if (trips is None) != (stations is None) or (trips is None) == (jsonl is None):
        raise typer.BadParameter("give --trips with --stations, or --jsonl")
    if customer_column != "bike" or (trips and not region):
        raise typer.BadParameter("trips need a --region; their customers are in the column bike")
    report, counted = Report(), Counter[str]()
    with opened(folder) as (source, _), bars() as story:
        if trips and stations:
            hours = zone or source.directory.listing.zone
            acts = of_trips(trips, stations, region, hours, source.identity.id, report)
        else:
            acts = of_lines(jsonl or Path(), source.identity.id, report)
        done = story.work("customers booked", len(acts)) if acts else lambda: None
        for customer, bookings in acts.items():
            counted.update(_book(source, customer, bookings))
            done()
    _tell_booked(report, counted, json_out)


def _book(source: Source, customer: str, bookings: list[Booking]) -> list[str]:
    """Return what became of each act: credited, a reason for 0, or why it was not booked."""
    try:
        return [_word(booked) for booked in source.book(customer, bookings)]
    except NotFound:
        return ["not-linked"] * len(bookings)
    except VaultError as bad:
        if len(bookings) == 1:
            return [bad.slug]
    # One that is refused holds up no other.
    return [word for booking in bookings for word in _book(source, customer, [booking])]


def _word(booked: Booked) -> str:
    return booked.outcome if booked.outcome != "booked" else booked.credit.reason or "credited"


def _tell_booked(report: Report, counted: Counter[str], json_out: bool) -> None:
    rows: dict[str, Json] = {name: [*lines] for name, lines in report.refused.items()}
    members: dict[str, Json] = {"read": report.read, "acts": {**counted}, "rows_refused": rows}
    lines = [f"{report.read} rows read"]
    lines += [f"{count:>8}  {outcome}" for outcome, count in sorted(counted.items())]
    lines += [f"refused, {name}: {len(at)} rows" for name, at in report.refused.items()]
    tell(json_out, members, "\n".join(lines))


@source_app.command()
@spoken
def send(folder: Where, json_out: JsonOut = False) -> None:
    """Freeze one batch for each link, an empty one too, and send what waits.

    Run it by the cadence in the directory, at a time that has nothing to do with the acts.

    Example: carbonvault source send ./source
    """
    with opened(folder) as (source, books), bars() as story:
        links = len(books.links("attached"))
        if links:
            source.tell(story.work("batches sent", links))
        sent = source.send_batches()
    tell(json_out, {"sent": sent}, f"{sent} batches are at the vault")


@source_app.command()
@spoken
def close(
    folder: Where,
    month: Annotated[str, typer.Argument(help="Such as 2026-01.")],
    json_out: JsonOut = False,
) -> None:
    """Close a month for every link, on days 1 to 10 of the next one.

    Example: carbonvault source close ./source 2026-01
    """
    wanted = parse_month(month)
    with opened(folder, wanted) as (source, books), bars() as story:
        links = len(books.links("attached")) + len(books.links("ending"))
        if links:
            source.tell(story.work(f"closes of {wanted}", links))
        closes = source.close(wanted)
    tell(json_out, {"month": wanted, "closes": len(closes)}, f"{wanted}: {len(closes)} closes")


@source_app.command()
@spoken
def links(folder: Where, json_out: JsonOut = False) -> None:
    """List every link: customer, state, first month, months closed and confirmed.

    Example: carbonvault source links ./source
    """
    with opened(folder) as (_, books):
        found = [link for state in STATES for link in books.links(state)]
        rows: list[dict[str, Json]] = [
            {
                "customer": link.customer,
                "link": link.link.hex(),
                "state": link.state,
                "from": link.begins,
                "closed": [c.month for c in books.closes_of(link.link) if c.receipt],
            }
            for link in found
        ]
    if json_out:
        write_json({"links": [*rows]})
        return
    for row in rows:
        typer.echo(f"{row['link']}  {row['state']:<9} from {row['from']}  {row['customer']}")


@source_app.command()
@spoken
def unlink(folder: Where, customer: Customer, json_out: JsonOut = False) -> None:
    """End a customer's link because they ask for it.

    Example: carbonvault source unlink ./source 'customer 7'
    """
    with opened(folder) as (source, _):
        source.unlink(customer)
    tell(json_out, {"customer": customer, "state": "ending"}, f"{customer}: the link has ended")


@source_app.command()
@spoken
def restored(folder: Where, json_out: JsonOut = False) -> None:
    """Say that these books came from a backup: every link that goes on is stopped.

    A close sent since the backup must never be made again under its mask, so these customers link
    anew; their records up to now stay with them.

    Example: carbonvault source restored ./source
    """
    with opened(folder) as (source, _):
        customers = source.restored()
    tell(
        json_out,
        {"link_anew": [*customers]},
        f"{len(customers)} links are stopped; these customers link anew: {', '.join(customers)}",
    )
