"""Commands of a source: ``carbonvault source …`` over its folder.

source.toml  sig-1.key hpke-1.key  directory.jws     as consent/folder.py says
books.db books.key                                    its books, encrypted under their own key
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from consent.commands.acts import Tally, read_joining, read_parts
from consent.commands.party import Where, accepted, add_party_commands
from consent.parties import source_of
from consent.terminal import JsonOut, bars, new_app, read_word, spoken, tell, write_json
from vault.crypto.keys import six_digits
from vault.encoding import Json, unb64u
from vault.errors import BadFile
from vault.importers.catalogue import FORMATS, read_export
from vault.importers.entry import Setting
from vault.importers.opening import open_export
from vault.messages import parse_hex
from vault.months import Month, parse_month, zone_of
from vault.outbox import Outbox
from vault.source import NONCE_LIFE, Source

source_app = new_app("Commands of a source.")
add_party_commands(source_app, "source")
Customer = Annotated[str, typer.Argument(help="The source's own word for the customer.")]
STATES = ("answered", "attached", "ending", "stopped")


@contextmanager
def opened(path: Path, month: Month | None = None) -> Iterator[tuple[Source, Outbox]]:
    """Open a source's folder: its SDK, standing on the release of `month` (else of now)."""
    with source_of(*accepted(path, "source"), month) as opened_source:
        yield opened_source


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
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Plain or gzip.")],
    form: Annotated[str, typer.Option("--format", help=f"One of: {', '.join(FORMATS)}.")],
    beside: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The format's second file.")
    ] = None,
    region: Annotated[str, typer.Option(help="Where the acts are, such as CN-ZJ-HZ.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of the export; else the vault's.")] = "",
    persons: Annotated[int | None, typer.Option(min=1, help="How many share the meter.")] = None,
    behaviour: Annotated[str | None, typer.Option(help="What an unnamed act is.")] = None,
    customers: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Whose each receipt is, CSV.")
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Whose all acts of the file are.")] = None,
    json_out: JsonOut = False,
) -> None:
    """Book the acts of an export for linked customers, and take back what it takes back.

    --beside is such as the list of stations; --customers has the columns receipt,customer and is
    for exports that name nobody. Every format stands in docs/importers.md.

    Example: carbonvault source book ./source trips.csv.gz --format bikeshare
    --beside stations.csv --region CN-ZJ-HZ
    """
    if customers and customer is not None:
        raise typer.BadParameter("give --customers or --customer")
    tally = Tally()
    with ExitStack() as files, opened(folder) as (source, _), bars() as story:
        joining = read_joining(customers, customer, tally.joined)
        hours = zone_of(zone or source.directory.listing.zone)
        setting = Setting(region, hours, persons, behaviour)
        export = files.enter_context(open_export(file))
        second = files.enter_context(open_export(beside)) if beside else None
        entries = read_export(form, export, setting, tally.rows, second, tally.beside)
        parts = read_parts(entries, joining, source.identity.id, tally.rows)
        try:
            tally.book_all(source, parts, story)
        except BadFile:
            typer.echo(tally.story(), err=True)  # what stood before the break is booked
            raise
    tell(json_out, tally.members(), tally.story())


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
