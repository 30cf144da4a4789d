"""A month opened for an auditor: ``carbonvault holder sample`` and ``carbonvault audit sample``.

The holder's command says in plain words what the file will open before it makes it; the auditor's
prints each check and each record (docs/protocol.md section 7, "Sample").
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from consent.app import wall_clock
from consent.commands.holder import LinkId, opened, root_of
from consent.commands.party import AuditorKey, Demo, LogKey, Where
from consent.folder import open_folder, vault_clock
from consent.origin import Origin
from consent.place import read_text
from consent.policy import Policy, fetch_directory, read_pinned
from consent.sample.agreement import printable, when
from consent.sample.checked import CHECKS, Sampled, State, check_sample
from consent.sample.given import LARGEST, Sample, make_sample, read_sample
from consent.terminal import (
    REFUSED,
    JsonOut,
    announce_auditor,
    own_locale,
    spoken,
    tell,
    write_json,
)
from vault.crypto.keys import account_key
from vault.directory import Directory
from vault.encoding import unb64u
from vault.errors import BadFile, BadInput, BadPlace, Locale, NotFound
from vault.messages import parse_hex
from vault.months import parse_month
from vault.wire import Wire

MonthName = Annotated[str, typer.Argument(metavar="MONTH", help="A closed month, as 2026-01.")]
STATES: dict[State, dict[Locale, str]] = {
    "pass": {"en": "pass", "zh-CN": "通过"},
    "fail": {"en": "FAIL", "zh-CN": "未通过"},
    "claimed": {"en": "claimed", "zh-CN": "仅声称"},
    "not-checked": {"en": "not checked", "zh-CN": "未检查"},
}


@spoken
def sample_holder(
    folder: Where,
    link: LinkId,
    month: MonthName,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to make, mode 0600.")],
    locale: Annotated[str, typer.Option(help="zh-CN or en; else the terminal's.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="What is opened was read before.")] = False,
    json_out: JsonOut = False,
) -> None:
    """Open one month of one link for an auditor; nothing else of the vault opens with the file.

    What will be opened is said first. Give the file to the auditor over a way that you both trust.

    Example: carbonvault holder sample ./me LINK 2026-01 --out sample.json
    """
    made = _made(folder, parse_hex(link, 16), month, _locale(locale))
    typer.echo(made.statement.text, err=True)
    question = "公开？" if made.statement.locale == "zh-CN" else "Open it?"
    if not yes and not typer.confirm(question, err=True):
        typer.echo("Nothing was opened.", err=True)
        raise typer.Exit(REFUSED)
    _write(out, made.write())
    tell(json_out, {"sample": str(out), "batches": len(made.batches)}, f"{out} is made")


def _made(folder: Path, link: bytes, month: str, locale: Locale) -> Sample:
    place = open_folder(folder, "holder")
    root = root_of(folder)
    with opened(folder) as holder:
        if link not in holder.known_links:
            raise NotFound("no such link of yours")
        wire, directory = place.wire(account_key(root)), holder.directory
        origin = Origin(directory, link, holder.known_links[link].source)
        made = make_sample(wire, root, origin, parse_month(month), locale, place.now())
        for check in check_sample(made, directory).failed:
            # Not held back: a close that its records do not give is what an auditor should see.
            typer.echo(f"{STATES['fail'][locale]}: {CHECKS[check.name][locale]}", err=True)
    return made


def _locale(given: str) -> Locale:
    if given not in ("", "zh-CN", "en"):
        raise typer.BadParameter("--locale is zh-CN or en")
    found: dict[str, Locale] = {"zh-CN": "zh-CN", "en": "en"}
    return found.get(given, own_locale())


def _write(path: Path, raw: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
    except OSError as bad:
        raise BadPlace(f"cannot make the file {path}: {bad.strerror}") from bad


@spoken
def sample_audit(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What a holder made.")],
    log: LogKey,
    auditor: AuditorKey,
    url: Annotated[str, typer.Option(help="The vault's URL, for its directory.")] = "",
    directory: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Or a kept `cv1-directory`.")
    ] = None,
    demo: Demo = False,
    json_out: JsonOut = False,
) -> None:
    """Check the month that a holder opened, and show its records; exit code 1 when a check fails.

    The file holds a person's records: keep it no longer than the audit needs it.

    Example: carbonvault audit sample sample.json --log VKEY --auditor KEY --url https://vault.example
    """
    if bool(url) == (directory is not None):
        raise typer.BadParameter("give one of --url and --directory")
    policy = Policy(unb64u(auditor, 32), log, demo)
    accepted = announce_auditor(_kept(directory, policy) if directory else _fetched(url, policy))
    found = check_sample(_read(file), accepted)
    if json_out:
        write_json(found.plain())
    else:
        _tell(found, accepted.listing.zone)
    raise typer.Exit(REFUSED if found.failed else 0)


def _fetched(url: str, policy: Policy) -> Directory:
    wire = Wire(url)
    now = vault_clock(wire) if policy.demo else wall_clock
    return fetch_directory(wire, policy, None, now())


def _kept(path: Path, policy: Policy) -> Directory:
    text = (read_text(path) or "").split("\n")[0]  # a party's folder keeps its signer below
    try:
        return read_pinned(text, policy)
    except BadInput as bad:
        raise BadFile(f"{path} does not hold a directory: {bad}") from bad


def _read(path: Path) -> Sample:
    try:
        with path.open("rb") as file:
            return read_sample(file.read(LARGEST + 1))
    except OSError as bad:
        raise BadFile(f"cannot read {path}: {bad.strerror}") from bad
    except BadInput as bad:
        raise BadFile(f"{path} is no sample: {bad}") from bad


def _tell(found: Sampled, zone: str) -> None:
    locale = own_locale()
    typer.echo(f"{found.source or '?'}  {found.sample.month}  {found.sample.link.hex()}")
    for check in found.checks:
        detail = f"  ({printable(check.detail)})" if check.detail else ""
        typer.echo(f"{STATES[check.state][locale]:<12}{CHECKS[check.name][locale]}{detail}")
    for seen in found.records:
        record = seen.record
        amounts = {**record.activity, **(record.detail or {})}
        words = (
            when(record.start, zone, "%Y-%m-%d %H:%M"),
            record.behaviour,
            f"{record.mg} mg",
            seen.stands if record.reason is None else f"{seen.stands}, {record.reason}",
            f"{record.operator} {record.receipt}",
            "; ".join(f"{name}: {amount}" for name, amount in amounts.items()),
        )
        typer.echo(printable("  ".join(words)))
