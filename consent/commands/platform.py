"""Commands of a platform: ``carbonvault platform …`` over its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from consent.commands.party import Where, accepted, add_party_commands
from consent.commands.refused import keep_evidence, keeping
from consent.parties import platform_of
from consent.platform import Platform, Proofs, Rechecked, Total, write_total
from consent.terminal import REFUSED, JsonOut, bars, new_app, own_locale, spoken, tell, write_json
from vault.encoding import Json, strict_object
from vault.errors import BadFile, BadProof, BadShape, Locale, VaultError
from vault.messages import parse_hex
from vault.months import Window, join_window, parse_month

platform_app = new_app("Commands of a platform.")
add_party_commands(platform_app, "platform")
GrantId = Annotated[str, typer.Argument(help="The grant's id, 32 hex digits.")]
Keep = Annotated[
    bool, typer.Option("--keep", help="Keep what proves it in the folder, under proofs/.")
]
EvidenceFolder = Annotated[
    Path | None,
    typer.Option("--evidence", file_okay=False, help="Else: `evidence` in the platform's folder."),
]
PROOFS, EVIDENCE = "proofs", "evidence"
LARGEST = 1 << 24
NO_WITNESS: dict[Locale, str] = {
    "en": "No witness: that the log shows everybody the same is the vault's own word.",
    "zh-CN": "没有见证方：日志对所有人一致，仅凭保管库自己的说法。",
}


def opened(path: Path, keep: bool = False) -> Platform:
    """Return the SDK of a platform's folder, one that keeps its proofs there when told."""
    folder, directory = accepted(path, "platform")
    return platform_of(folder, directory, Proofs(path / PROOFS) if keep else None)


def announce_witnesses(total: Total) -> Total:
    """Return the total, after saying on the standard error when nobody witnessed its log."""
    if not total.witnesses:
        typer.echo(NO_WITNESS[own_locale()], err=True)
    return total


def read_window(text: str) -> Window:
    """Return months joined by ``/`` as a window; raises BadShape."""
    return tuple(parse_month(month) for month in text.split("/"))


@platform_app.command()
@spoken
def grant(folder: Where, grant: GrantId, json_out: JsonOut = False) -> None:
    """Show what a person allowed this platform, its signature checked.

    Example: carbonvault platform grant ./platform GRANT
    """
    found = opened(folder).grant(parse_hex(grant, 16))
    windows = ", ".join(join_window(window) for window in found.windows)
    tell(
        json_out,
        found.plain(),
        f"{found.template}: {', '.join(found.purposes)}\n"
        f"categories {', '.join(map(str, found.categories))}; windows {windows}\n"
        f"until unix second {found.until}; each figure kept at most {found.data_life_days} days",
    )


@platform_app.command()
@spoken
def total(
    folder: Where,
    grant: GrantId,
    window: Annotated[str, typer.Argument(help="Its months, such as 2026-01/2026-02/2026-03.")],
    purpose: Annotated[str | None, typer.Option(help="One of the grant's purposes.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="An auditor's report; it must cover it."),
    ] = None,
    keep: Keep = False,
    evidence: EvidenceFolder = None,
    json_out: JsonOut = False,
) -> None:
    """Ask for one consented total, and check it before it is shown.

    With --report the total is shown only when an auditor's signed report covers it. What is refused
    for what log or witnesses signed is kept as a file for `carbonvault audit evidence`.

    Example: carbonvault platform total ./platform GRANT 2026-01 --report report.jws
    """
    with keeping(evidence or folder / EVIDENCE, "platform"):
        platform = opened(folder, keep)
        found = platform.total(parse_hex(grant, 16), read_window(window), purpose)
    if report is not None:
        found = platform.audited(found, read_report(report))
    announce_witnesses(found)
    told = f"{found.grams} g for {window}, checked against: {found.checked}"
    tell(json_out, write_total(found), told)


@platform_app.command()
@spoken
def totals(
    folder: Where,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON lines.")],
    keep: Keep = False,
    evidence: EvidenceFolder = None,
    json_out: JsonOut = False,
) -> None:
    """Ask for many totals, one a line: {"grant": …, "window": "2026-01", "purpose": …}.

    Each line of the file is answered by one line; what is refused stops no other, and the exit
    code is 1 when something was.

    Example: carbonvault platform totals ./platform asks.jsonl --json
    """
    lines = list(_lines(file))
    shelf, refused, witnessed = evidence or folder / EVIDENCE, 0, True
    with keeping(shelf, "platform"):
        platform = opened(folder, keep)
    with bars() as story:
        done = story.work("totals", len(lines)) if lines else lambda: None
        for number, line in lines:
            members, told = _answer(platform, line, shelf)
            refused += "error" in members
            witnessed &= bool(members.get("witnesses", True))
            if json_out:
                write_json({"line": number, **members})
            else:
                typer.echo(f"line {number}: {told}")
            done()
    if not witnessed:
        typer.echo(NO_WITNESS[own_locale()], err=True)
    raise typer.Exit(REFUSED if refused else 0)


@platform_app.command()
@spoken
def audited(
    folder: Where,
    report: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="As signed.")],
    json_out: JsonOut = False,
) -> None:
    """Hold an auditor's signed report against every kept total (see total --keep).

    What the report covers is "audited" from now on; what it does not cover is listed with the
    reason, and the exit code is 1 then.

    Example: carbonvault platform audited ./platform report.jws
    """
    refused = 0
    for kept in opened(folder, keep=True).audit_kept(read_report(report)):
        refused += kept.error is not None
        if json_out:
            write_json(_members(kept))
        else:
            typer.echo(f"{kept.name}: {_words(kept)}")
    raise typer.Exit(REFUSED if refused else 0)


@platform_app.command()
@spoken
def forget(folder: Where, grant: GrantId, json_out: JsonOut = False) -> None:
    """Delete every kept proof of a grant, when its days are over or its person asks.

    Example: carbonvault platform forget ./platform GRANT
    """
    gone = Proofs(folder / PROOFS).forget(parse_hex(grant, 16))
    tell(json_out, {"deleted": gone}, f"deleted: {gone}")


def read_report(file: Path) -> str:
    """Return the text of a report's file; raises BadFile."""
    try:
        raw = file.read_bytes()
    except OSError as bad:
        raise BadFile(f"cannot read {file}: {bad.strerror}") from bad
    if len(raw) > LARGEST or not raw.isascii():
        raise BadFile(f"{file} is no signed report of at most {LARGEST} bytes")
    return raw.decode("ascii").strip()


def _members(kept: Rechecked) -> dict[str, Json]:
    found: dict[str, Json] = {"file": kept.name}
    if kept.total is not None:
        found |= write_total(kept.total)
    if kept.error is not None:
        found |= {"error": kept.error.slug, "detail": str(kept.error)}
    return found


def _words(kept: Rechecked) -> str:
    told = "no total"
    if kept.total is not None:
        window = join_window(kept.total.window)
        told = f"{kept.total.grams} g for {window}, checked against: {kept.total.checked}"
    return told if kept.error is None else f"{told}; {kept.error.slug}: {kept.error}"


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        raw = file.read_bytes()
    except OSError as bad:
        raise BadFile(f"cannot read {file}: {bad.strerror}") from bad
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            yield number, line


def _answer(platform: Platform, line: bytes, shelf: Path) -> tuple[dict[str, Json], str]:
    """Return one total, or the error that met the line, as JSON members and as text."""
    try:
        grant, window, purpose = _ask(line)
        found = platform.total(grant, window, purpose)
    except VaultError as bad:
        keep_evidence(shelf, "platform", bad.evidence if isinstance(bad, BadProof) else "")
        return {"error": bad.slug, "detail": str(bad)}, f"{bad.slug}: {bad}"
    return write_total(found), f"{found.grams} g, checked against: {found.checked}"


def _ask(line: bytes) -> tuple[bytes, Window, str | None]:
    asked = strict_object(line)
    window, purpose = asked.get("window"), asked.get("purpose")
    if not isinstance(window, str) or not isinstance(purpose, str | None):
        raise BadShape('wanted {"grant": …, "window": "2026-01/2026-02", "purpose": …}')
    return parse_hex(asked.get("grant"), 16), read_window(window), purpose
