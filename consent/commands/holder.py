"""Commands of a holder: ``carbonvault holder …`` over their folder.

holder.toml  directory.jws      as consent/folder.py says
root.key                        the root secret, 20 bytes in hex, mode 0600
state-counter                   the highest counter of the state that this device saw
log-seen.json                   what this device saw of the log, and its own acts
start-<link>.json               a link that waits for its source's answer
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from consent.commands.party import AuditorKey, Demo, LogKey, Url, Where, pins_of
from consent.commands.seen import read_seen, write_seen
from consent.folder import Folder, check_pins, make_folder, open_folder
from consent.holder import Holder, LinkStart, recover
from consent.place import read_key, read_text, replace_file, write_key, write_new
from consent.side import Memory
from consent.terminal import (
    REFUSED,
    JsonOut,
    announce_auditor,
    new_app,
    read_word,
    spoken,
    tell,
    write_json,
)
from vault.crypto.keys import ROOT_SIZE, Root, account_key, read_code
from vault.encoding import Json, b64u, read_envelope, unb64u
from vault.errors import BadCode, BadPlace
from vault.messages import Link, parse_hex

holder_app = new_app("Commands of a holder: the person whose records these are.")
Code = Annotated[str, typer.Option(help="The code; - reads it from the standard input.")]
LinkId = Annotated[str, typer.Argument(metavar="LINK", help="The link's id, 32 hex digits.")]
_ROOT, _COUNTER, _SEEN = "root.key", "state-counter", "log-seen.json"


@contextmanager
def opened(path: Path) -> Iterator[Holder]:
    """Open a holder's folder; what the vault showed last is kept when the block ends."""
    folder = open_folder(path, "holder")
    holder = _holder(folder)
    announce_auditor(holder.held)
    try:
        holder.load()
        yield holder
    finally:
        _remember(folder, holder)


def root_of(path: Path) -> Root:
    """Return the root secret of a holder's folder; raises BadPlace."""
    return Root(read_key(open_folder(path, "holder").path / _ROOT, ROOT_SIZE))


def _holder(folder: Folder) -> Holder:
    root = Root(read_key(folder.path / _ROOT, ROOT_SIZE))
    counter = (read_text(folder.path / _COUNTER) or "0").strip()
    if not counter.isdecimal():
        raise BadPlace(f"{folder.path / _COUNTER} does not hold a number")
    wire, policy = folder.wire(account_key(root)), folder.pins.policy
    made, look = read_seen(folder.path / _SEEN)
    memory = Memory(folder.held(), int(counter), made, look)
    return Holder(root, wire, policy, folder.now, os.urandom, memory)


def _remember(folder: Folder, holder: Holder) -> None:
    folder.hold(holder.held)
    memory = holder.memory
    replace_file(folder.path / _COUNTER, f"{memory.counter}\n".encode("ascii"))
    write_seen(folder.path / _SEEN, memory.made, memory.look)


@holder_app.command()
@spoken
def init(
    folder: Where,
    url: Url,
    auditor: AuditorKey,
    log: LogKey,
    demo: Demo = False,
    json_out: JsonOut = False,
) -> None:
    """Make a vault for yourself and print its recovery code, once.

    Without this folder and without the code nobody can open the vault again. You state that you
    are 14 or older.

    Example: carbonvault holder init ./me --url https://vault.example --auditor KEY --log VKEY
    """
    pins = pins_of("", url, auditor, log, demo)
    _check_free(folder)
    check_pins(pins, "holder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The settings come last: until then the same command can be given again.
    if not (folder / _ROOT).exists():
        write_key(folder / _ROOT, os.urandom(ROOT_SIZE))
    opening = Folder(folder, pins)
    holder = _holder(opening)
    announce_auditor(holder.directory)
    holder.open_account()
    holder.load()
    code = holder.add_code()
    make_folder(folder, "holder", pins)
    _remember(opening, holder)
    text = f"Account {holder.account}\nRecovery code, shown this once; write it down:\n  {code}"
    tell(json_out, {"account": holder.account, "code": code}, text)


def _check_free(folder: Path) -> None:
    if (folder / "holder.toml").exists():
        raise BadPlace(f"{folder} holds a holder already")


@holder_app.command("recover")
@spoken
def recover_vault(
    folder: Where,
    url: Url,
    auditor: AuditorKey,
    log: LogKey,
    code: Code = "-",
    demo: Demo = False,
    json_out: JsonOut = False,
) -> None:
    """Bring a vault into a new folder by its recovery code, or by another device's code.

    Example: carbonvault holder recover ./me --url https://vault.example --auditor KEY --log VKEY
    """
    pins = pins_of("", url, auditor, log, demo)
    _check_free(folder)
    root = recover(read_word(code, "Recovery code"), Folder(folder, pins).wire())
    made = make_folder(folder, "holder", pins)
    write_key(folder / _ROOT, root.value)
    holder = _holder(made)
    announce_auditor(holder.directory)
    holder.load()
    _remember(made, holder)
    tell(json_out, {"account": holder.account}, f"Account {holder.account} is open in {folder}")


@holder_app.command("new-code")
@spoken
def new_code(folder: Where, json_out: JsonOut = False) -> None:
    """Print a new recovery code, once; the old one works until `drop-code`.

    Example: carbonvault holder new-code ./me
    """
    with opened(folder) as holder:
        code = holder.add_code()
    tell(json_out, {"code": code}, f"{code}\n(shown this once; drop-code ends an old one)")


@holder_app.command("drop-code")
@spoken
def drop_code(folder: Where, code: Code = "-", json_out: JsonOut = False) -> None:
    """End a recovery code: it opens nothing any more.

    Example: carbonvault holder drop-code ./me
    """
    secret = read_code(read_word(code, "The code to end"))
    with opened(folder) as holder:
        holder.delete_wrap(secret)
    tell(json_out, {"dropped": True}, "That code opens nothing any more.")


@holder_app.command("device-code")
@spoken
def device_code(folder: Where, json_out: JsonOut = False) -> None:
    """Print a code that brings the vault to another device within ten minutes.

    Example: carbonvault holder device-code ./me
    """
    with opened(folder) as holder:
        code = holder.show_device_code()
    tell(json_out, {"code": code}, f"{code}\n(for 10 minutes; `holder recover` takes it)")


@holder_app.command("link")
@spoken
def start_link(
    folder: Where,
    source: Annotated[str, typer.Argument(help="The source's directory id.")],
    nonce: Annotated[str, typer.Argument(help="The nonce that the source's app showed you.")],
    json_out: JsonOut = False,
) -> None:
    """Start a link that you began in the source's own app; print the link code and six digits.

    Only use a nonce that you asked for yourself. From then on the source can put records into
    your vault.

    Example: carbonvault holder link ./me bike.example NONCE
    """
    with opened(folder) as holder:
        start = holder.start_link(source, parse_hex(nonce, 16))
    code, link = b64u(start.code), start.link.hex()
    kept = {"source": source, "code": code}
    write_new(folder / f"start-{link}.json", json.dumps(kept) + "\n")
    if not json_out:
        typer.echo(f"Compare with the source's app: {start.digits}", err=True)
    tell(json_out, {"link": link, "code": code, "digits": start.digits}, code)


@holder_app.command()
@spoken
def attach(
    folder: Where,
    answer: Annotated[str, typer.Argument(help="The source's answer; - reads it.")] = "-",
    json_out: JsonOut = False,
) -> None:
    """Attach a link by the source's answer to your link code.

    Example: carbonvault holder attach ./me ANSWER
    """
    text = read_word(answer, "The source's answer")
    link = Link.opened(read_envelope(text, Link.typ)).link
    path = folder / f"start-{link.hex()}.json"
    kept = read_text(path)
    if kept is None:
        raise BadCode("this answers no link that was started in this folder")
    found: dict[str, str] = json.loads(kept)
    with opened(folder) as holder:
        holder.attach(LinkStart(found["source"], link, unb64u(found["code"])), text)
    path.unlink()
    tell(json_out, {"link": link.hex()}, f"Linked to {found['source']}: {link.hex()}")


@holder_app.command()
@spoken
def links(folder: Where, json_out: JsonOut = False) -> None:
    """List your links: source, first month, the end, and months without a figure.

    Example: carbonvault holder links ./me
    """
    with opened(folder) as holder:
        known = holder.known_links
        facts = {fact.link: fact for fact in holder.link_facts()}
    rows: list[dict[str, Json]] = [
        {
            "link": link.hex(),
            "source": entry.source,
            "from": entry.begins,
            "ended": facts[link].ends,
            "absent": [*sorted(facts[link].absent)],
        }
        for link, entry in known.items()
    ]
    if json_out:
        write_json({"links": [*rows]})
        return
    for row in rows:
        end = f", ended in {row['ended']}" if row["ended"] else ""
        typer.echo(f"{row['link']}  {row['source']}  from {row['from']}{end}")


@holder_app.command()
@spoken
def unlink(folder: Where, link: LinkId, json_out: JsonOut = False) -> None:
    """End a link: its source sends no more; this month and later ones have no figure.

    Example: carbonvault holder unlink ./me LINK
    """
    with opened(folder) as holder:
        holder.unlink(parse_hex(link, 16))
    tell(json_out, {"link": link, "ended": True}, f"The link {link} has ended.")


@holder_app.command()
@spoken
def erase(folder: Where, json_out: JsonOut = False) -> None:
    """Delete your whole vault: grants, links and records; you type its account id to confirm.

    What was given to platforms cannot be called back.

    Example: carbonvault holder erase ./me
    """
    with opened(folder) as holder:
        typer.echo(f"This deletes everything of account {holder.account}, for ever.", err=True)
        if read_word("-", "Type the account id") != holder.account:
            typer.echo("That is not the account id; nothing was deleted.", err=True)
            raise typer.Exit(REFUSED)
        erased = holder.erase()
    count = len(erased.indexes)
    told = f"Erased: {count} entries of the log have no text any more. {folder} opens nothing now."
    tell(json_out, {"account": holder.account, "erased": count}, told)
