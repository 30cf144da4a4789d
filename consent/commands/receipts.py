"""Receipts and records of consents: ``carbonvault holder receipt | record``, ``verify-receipt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consent.commands.consents import GrantId
from consent.commands.holder import opened, root_of
from consent.commands.party import Demo, LogKey, Where
from consent.dpv import export_record
from consent.folder import open_folder, read_trust
from consent.holder import Holder
from consent.lists import fetch_whole
from consent.messages import Grant
from consent.notices import notice_hash, render_notice
from consent.place import read_text
from consent.policy import Policy
from consent.receipts import Receipt, history, read_entries, verify_receipt
from consent.terminal import JsonOut, spoken, tell, write_json
from vault.crypto.keys import account_key
from vault.encoding import Json, unb64u
from vault.errors import BadFile, BadInput, NotFound
from vault.messages import parse_hex

LARGEST = 1 << 22


def add_commands(app: typer.Typer, holder: typer.Typer) -> None:
    """Put `verify-receipt` on the root, `receipt` and `record` on the holder's group."""
    app.command("verify-receipt")(spoken(verify))
    holder.command()(spoken(receipt))
    holder.command()(spoken(record))


def _own(holder: Holder, grant: str) -> Grant:
    wanted = parse_hex(grant, 16)
    found = next((own.grant for own in holder.grants() if own.grant.grant == wanted), None)
    if found is None:
        raise NotFound("no such grant of yours")
    return found


def receipt(folder: Where, grant: GrantId) -> None:
    """Print the receipt of a grant, JSON: keep it, anybody checks it without the vault.

    Ask for it right after allowing: later the notice's words may have changed, and the receipt
    then holds only their hash.

    Example: carbonvault holder receipt ./me GRANT > receipt.json
    """
    with opened(folder) as holder:
        made = holder.receipt(_own(holder, grant))
    typer.echo(made.decode("utf-8"))


def record(folder: Where, grant: GrantId) -> None:
    """Print a grant and what became of it as JSON-LD, under the names of DPV.

    Example: carbonvault holder record ./me GRANT > record.jsonld
    """
    wire = open_folder(folder, "holder").wire(account_key(root_of(folder)))
    with opened(folder) as holder:
        found = _own(holder, grant)
        text = render_notice(found, holder.directory, found.notice.locale)
        same = notice_hash(text) == found.notice.sha256
        entries = read_entries(fetch_whole(wire))
        events = history(found, entries, open_folder(folder, "holder").now())
        write_json(export_record(found, holder.directory, events, text if same else None))


def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The receipt.")],
    key: Annotated[str, typer.Option(help="The auditor's public key, which is pinned.")],
    log: LogKey,
    demo: Demo = False,
    policy: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Witnesses of your own choice, a file."),
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A directory that names the next auditor's key; once for each, oldest first.",
        ),
    ] = None,
    json_out: JsonOut = False,
) -> None:
    """Check a receipt, offline; print what was allowed. It does not say that it still goes on.

    Example: carbonvault verify-receipt receipt.json --key KEY --log VKEY
    """
    found = _read(file)
    trust = None if policy is None else read_trust(policy)
    pinned = Policy(unb64u(key, 32), log, demo, trust=trust)
    texts = (str(read_text(path)).partition("\n")[0] for path in earlier or ())
    grant = verify_receipt(found, pinned, texts)
    members: dict[str, Json] = {"grant": grant.plain(), "notice": found.notice}
    words = (
        found.notice or f"(the words are not in it, only their hash {grant.notice.sha256.hex()})"
    )
    tell(json_out, members, f"Verified: {grant.grant.hex()}\n\n{words}")


def _read(file: Path) -> Receipt:
    raw = file.read_bytes()
    if len(raw) > LARGEST:
        raise BadFile(f"a receipt has at most {LARGEST} bytes")
    try:
        return Receipt.parse(raw.strip())
    except BadInput as bad:
        raise BadFile(f"this is no receipt: {bad}") from bad
