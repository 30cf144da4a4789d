"""Commands of the auditor as the one who accredits: ``carbonvault directory …`` over its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from consent import accredit
from consent.accredit import Keys, Register
from consent.commands.register import (
    Place,
    make_next,
    make_place,
    make_year,
    name_taker,
    open_place,
    publish,
    take_over,
)
from consent.commands.turn import add_turn, log_entry
from consent.terminal import JsonOut, announce, new_app, spoken, tell, write_json
from vault.crypto.keys import SigningKey
from vault.directory import LONGEST_LIFE
from vault.encoding import Json, b64u, compact_json, unb64u
from vault.errors import BadDirectory
from vault.messages import KeyTime, Party, ReleaseEntry
from vault.methodology.release import load_release
from vault.months import DEFAULT_ZONE, local_time, parse_month, zone_of

directory_app = new_app("The directory: who is who, kept and signed by the auditor.")
Where = Annotated[Path, typer.Argument(metavar="DIR", help="The auditor's folder.")]
PartyArg = Annotated[str, typer.Argument(metavar="ID", help="The party's directory id.")]
Sig = Annotated[str, typer.Option(help="Its Ed25519 public key.")]
Hpke = Annotated[str, typer.Option(help="Its X25519 public key; a vault has none.")]
Redirects = Annotated[
    list[str] | None,
    typer.Option("--redirect", help="Of a platform: where a person's browser may go back to."),
]
Contact = Annotated[str, typer.Option(help="Of a platform: whom people ask and complain to.")]
DAY = 86400
FOREVER = 2**53 - 1


@directory_app.command()
@spoken
def init(
    folder: Where,
    name: Annotated[str, typer.Option("--id", help="The auditor's own directory id.")],
    url: Annotated[str, typer.Option(help="The vault's public URL.")],
    org: Annotated[str, typer.Option(help="Its organisation; else the id.")] = "",
    title: Annotated[str, typer.Option("--name", help="Its name for people; else the id.")] = "",
    zone: Annotated[str, typer.Option(help="Zone of the vault's months, for ever.")] = DEFAULT_ZONE,
    demo: Annotated[bool, typer.Option("--demo", help="A demonstration vault.")] = False,
    json_out: JsonOut = False,
) -> None:
    """Make an auditor's folder with its key; print the public key that everybody pins.

    Example: carbonvault directory init ./auditor --id audit.example --url https://vault.example
    """
    zone_of(zone)
    key = SigningKey(os.urandom(32))
    # Its own key is valid as long as it signs; publish --with-next ends it.
    own = KeyTime(pk=key.public, begins=0, until=FOREVER)
    entry = _party(name, org, title, ["auditor"], (own,), ())
    register = accredit.add_party(Register(demo=demo, zone=zone), entry)
    make_place(folder, name, url, register, key)
    tell(json_out, {"auditor": b64u(key.public)}, b64u(key.public))


@directory_app.command("key")
@spoken
def show_key(folder: Where, json_out: JsonOut = False) -> None:
    """Print the public key that signs the directory: what vault and clients pin.

    Example: carbonvault directory key ./auditor
    """
    public = b64u(open_place(folder).key().public)
    tell(json_out, {"auditor": public}, public)


def _party(
    name: str,
    org: str,
    title: str,
    roles: list[str],
    sig: tuple[KeyTime, ...],
    hpke: tuple[KeyTime, ...],
    more: Mapping[str, Json] = MappingProxyType({}),
) -> Party:
    """Return an entry, strictly of its form; raises BadShape. `more` is left out where empty."""
    members: dict[str, Json] = {
        "id": name,
        "org": org or name,
        "name": title or name,
        "roles": [*roles],
        "sig": [key.plain() for key in sig],
        "hpke": [key.plain() for key in hpke],
    }
    members |= {name: found for name, found in more.items() if found}
    return Party.parse(compact_json(members))


@directory_app.command()
@spoken
def add(
    folder: Where,
    name: Annotated[str, typer.Option("--id", help="Its directory id.")],
    role: Annotated[list[str], typer.Option(help="vault, source, platform, bank, city, …")],
    sig: Sig,
    hpke: Hpke = "",
    org: Annotated[str, typer.Option(help="Its organisation; never changes; else the id.")] = "",
    title: Annotated[str, typer.Option("--name", help="Its name for people; else the id.")] = "",
    cadence: Annotated[str, typer.Option(help="Of a source: daily, weekly, monthly.")] = "",
    books_for: Annotated[
        list[str] | None, typer.Option(help="Of a source: whose acts it may book.")
    ] = None,
    redirect: Redirects = None,
    contact: Contact = "",
    json_out: JsonOut = False,
) -> None:
    """Put a party into the register; it is listed by the next publish.

    Example: carbonvault directory add ./auditor --id bike.example --name 'City Bike'
    --role source --cadence daily --sig KEY --hpke KEY
    """
    place = open_place(folder)
    if not hpke and "vault" not in role and "auditor" not in role:
        raise BadDirectory("a party that something is sealed to has an --hpke key")
    now = place.now()
    times = (
        accredit.key_times(unb64u(sig, 32), now),
        accredit.key_times(unb64u(hpke, 32) if hpke else None, now),
    )
    more: dict[str, Json] = {
        "cadence": cadence,
        "books_for": [*(books_for or ())],
        "redirects": [*(redirect or ())],
        "contact": contact,
    }
    party = _party(name, org, title, role, *times, more)
    place.save(accredit.add_party(place.register, party))
    tell(json_out, {"added": name}, f"{name} will be listed by the next publish.")


@directory_app.command()
@spoken
def amend(
    folder: Where,
    party: PartyArg,
    redirect: Redirects = None,
    contact: Contact = "",
    title: Annotated[str, typer.Option("--name", help="Its name for people.")] = "",
    json_out: JsonOut = False,
) -> None:
    """Change a party's words: all its redirects, its contact, its name; what is left out stays.

    Example: carbonvault directory amend ./auditor bank.example
    --redirect https://bank.example/back --contact privacy@bank.example
    """
    place = open_place(folder)
    given: dict[str, Json] = {"redirects": [*(redirect or ())], "contact": contact, "name": title}
    changes = {name: found for name, found in given.items() if found}
    place.save(accredit.amend_party(place.register, party, changes))
    tell(json_out, {"amended": party}, f"{party} is listed so by the next publish.")


@directory_app.command()
@spoken
def end(folder: Where, party: PartyArg, json_out: JsonOut = False) -> None:
    """End every key of a party, from now on.

    Example: carbonvault directory end ./auditor bike.example
    """
    place = _not_own(open_place(folder), party)
    place.save(accredit.end_keys(place.register, party, place.now()))
    tell(json_out, {"ended": party}, f"The keys of {party} end with the next publish.")


@directory_app.command()
@spoken
def rotate(
    folder: Where,
    party: PartyArg,
    sig: Sig,
    hpke: Hpke = "",
    overlap: Annotated[int, typer.Option(min=0, max=90, help="Days that the old keys go on.")] = 45,
    json_out: JsonOut = False,
) -> None:
    """Give a party new keys; the old ones go on for some days, for what is under way.

    Example: carbonvault directory rotate ./auditor bike.example --sig KEY --hpke KEY
    """
    place = _not_own(open_place(folder), party)
    if not hpke and accredit.party_of(place.register, party).hpke:
        raise BadDirectory(f"{party} has sealing keys: wanted --hpke too")
    keys = Keys(unb64u(sig, 32), unb64u(hpke, 32) if hpke else None)
    changed = accredit.rotate_keys(place.register, party, keys, place.now(), overlap * DAY)
    place.save(changed)
    told = f"{party} has new keys with the next publish; the old ones end {overlap} days from now."
    tell(json_out, {"rotated": party}, told)


def _not_own(place: Place, party: str) -> Place:
    if party == place.id:
        raise BadDirectory("the auditor's own key changes by `directory next`")
    return place


@directory_app.command()
@spoken
def knet(
    folder: Where,
    year: Annotated[int, typer.Argument(min=2000, max=2099)],
    json_out: JsonOut = False,
) -> None:
    """Make K_net of a calendar year; each publish seals it to every source.

    Example: carbonvault directory knet ./auditor 2026
    """
    make_year(open_place(folder), year, os.urandom)
    tell(json_out, {"year": year}, f"K_net of {year} is made. It must never reach the vault.")


@directory_app.command("next")
@spoken
def next_key(
    folder: Where,
    key: Annotated[
        str, typer.Option(help="Public key of another auditor, who takes over (directory take).")
    ] = "",
    json_out: JsonOut = False,
) -> None:
    """Make the auditor's next key; the next publish names it, `publish --with-next` signs with it.

    Example: carbonvault directory next ./auditor
    """
    place = open_place(folder)
    if key:
        name_taker(place, unb64u(key, 32))
        tell(json_out, {"next": key}, f"{key}\nPublish once; then its owner takes over.")
        return
    public = b64u(make_next(place, os.urandom).public)
    told = f"{public}\nPublish once so that clients learn it, later publish --with-next."
    tell(json_out, {"next": public}, told)


@directory_app.command()
@spoken
def take(
    folder: Where,
    given: Annotated[
        Path, typer.Argument(help="A copy of the other auditor's folder, without its keys.")
    ],
    json_out: JsonOut = False,
) -> None:
    """Take over from another auditor whose last directory names this folder's key as the next.

    Example: carbonvault directory take ./new-auditor ./handed-over
    """
    place = take_over(open_place(folder), given)
    parties = len(place.register.parties)
    told = f"{parties} parties taken over. Publish: from then on this key signs, and no other."
    tell(json_out, {"parties": parties}, told)


@directory_app.command()
@spoken
def release(
    folder: Where,
    name: Annotated[str, typer.Argument(metavar="ID", help="A release of this package.")],
    first: Annotated[str, typer.Argument(metavar="FROM", help="First month, such as 2026-01.")],
    json_out: JsonOut = False,
) -> None:
    """Put a methodology release in force from a month on.

    Example: carbonvault directory release ./auditor demo-1 2026-01
    """
    place = open_place(folder)
    sha = load_release(name).sha256
    entry = ReleaseEntry(id=name, sha256=sha, begins=parse_month(first))
    place.save(accredit.add_release(place.register, entry))
    tell(json_out, {"release": name, "sha256": sha.hex()}, f"{name} counts from {first} on.")


@directory_app.command()
@spoken
def log(
    folder: Where,
    vkey: Annotated[str, typer.Option(help="The log's vkey, as `carbonvault init` printed it.")],
    witness: Annotated[list[str] | None, typer.Option(help="Vkeys of witnesses.")] = None,
    quorum: Annotated[int, typer.Option(min=0, max=64, help="How many must cosign.")] = 0,
    json_out: JsonOut = False,
) -> None:
    """Name the vault's transparency log and its witnesses.

    Example: carbonvault directory log ./auditor --vkey VKEY
    """
    place, entry = open_place(folder), log_entry(vkey, witness, quorum)
    held = place.held()
    if held and entry.vkey != held.listing.log.vkey:
        raise BadDirectory("another log than the published one: it turns by `directory turn`")
    place.save(place.register.model_copy(update={"log": entry}))
    tell(json_out, {"origin": entry.origin}, f"The log is {entry.origin}.")


@directory_app.command("publish")
@spoken
def publish_next(
    folder: Where,
    url: Annotated[str, typer.Argument(help="The vault's URL; else the folder's.")] = "",
    days: Annotated[
        int, typer.Option(min=1, max=LONGEST_LIFE // DAY, help="Until it expires.")
    ] = accredit.DIRECTORY_LIFE // DAY,
    with_next: Annotated[
        bool, typer.Option("--with-next", help="Sign with the key that the last one names.")
    ] = False,
    json_out: JsonOut = False,
) -> None:
    """Sign the next directory, post it, and check that the vault logged it.

    Example: carbonvault directory publish ./auditor https://vault.example --days 40
    """
    place = open_place(folder)
    fresh, logged = publish(place, (url or place.url).rstrip("/"), days * DAY, with_next)
    announce(fresh.self_audited)
    listing = fresh.listing
    expires = local_time(listing.expires, listing.zone).strftime("%Y-%m-%d")
    told = f"Version {listing.version} is entry {logged.index} of the log; it expires on {expires}."
    members: dict[str, Json] = {"version": listing.version, "index": logged.index}
    tell(json_out, {**members, "expires": listing.expires}, told)


@directory_app.command()
@spoken
def show(folder: Where, json_out: JsonOut = False) -> None:
    """Show the register, and when the last directory expires.

    Example: carbonvault directory show ./auditor
    """
    place = open_place(folder)
    held = place.held()
    last: dict[str, Json] = (
        {"version": held.listing.version, "expires": held.listing.expires} if held else {}
    )
    if json_out:
        write_json({"last": last, "register": place.register.plain()})
        return
    zone = place.register.zone
    for party in place.register.parties:
        until = max(key.until for key in party.sig)
        ends = "" if until == FOREVER else f"  keys until {local_time(until, zone):%Y-%m-%d}"
        typer.echo(f"{party.id}  {', '.join(party.roles)}  of {party.org}{ends}")
    typer.echo(f"last published: {last or 'nothing yet'}")


add_turn(directory_app)
