"""Commands of a platform: ``carbonvault platform …`` over its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from consent.commands.party import Where, accepted, add_party_commands
from consent.parties import platform_of
from consent.platform import Platform, write_total
from consent.terminal import REFUSED, JsonOut, bars, new_app, spoken, tell, write_json
from vault.encoding import Json, strict_object
from vault.errors import BadFile, BadShape, VaultError
from vault.messages import parse_hex
from vault.months import Window, join_window, parse_month

platform_app = new_app("Commands of a platform.")
add_party_commands(platform_app, "platform")
GrantId = Annotated[str, typer.Argument(help="The grant's id, 32 hex digits.")]


def opened(path: Path) -> Platform:
    """Return the SDK of a platform's folder."""
    return platform_of(*accepted(path, "platform"))


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
    json_out: JsonOut = False,
) -> None:
    """Ask for one consented total, and check it before it is shown.

    Example: carbonvault platform total ./platform GRANT 2026-01
    """
    found = opened(folder).total(parse_hex(grant, 16), read_window(window), purpose)
    told = f"{found.grams} g for {window}, checked against: {found.checked}"
    tell(json_out, write_total(found), told)


@platform_app.command()
@spoken
def totals(
    folder: Where,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON lines.")],
    json_out: JsonOut = False,
) -> None:
    """Ask for many totals, one a line: {"grant": …, "window": "2026-01", "purpose": …}.

    Each line of the file is answered by one line; what is refused stops no other, and the exit
    code is 1 when something was.

    Example: carbonvault platform totals ./platform asks.jsonl --json
    """
    lines = list(_lines(file))
    platform, refused = opened(folder), 0
    with bars() as story:
        done = story.work("totals", len(lines)) if lines else lambda: None
        for number, line in lines:
            members, told = _answer(platform, line)
            refused += "error" in members
            if json_out:
                write_json({"line": number, **members})
            else:
                typer.echo(f"line {number}: {told}")
            done()
    raise typer.Exit(REFUSED if refused else 0)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        raw = file.read_bytes()
    except OSError as bad:
        raise BadFile(f"cannot read {file}: {bad.strerror}") from bad
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            yield number, line


def _answer(platform: Platform, line: bytes) -> tuple[dict[str, Json], str]:
    """Return one total, or the error that met the line, as JSON members and as text."""
    try:
        grant, window, purpose = _ask(line)
        found = platform.total(grant, window, purpose)
    except VaultError as bad:
        return {"error": bad.slug, "detail": str(bad)}, f"{bad.slug}: {bad}"
    return write_total(found), f"{found.grams} g, checked against: {found.checked}"


def _ask(line: bytes) -> tuple[bytes, Window, str | None]:
    asked = strict_object(line)
    window, purpose = asked.get("window"), asked.get("purpose")
    if not isinstance(window, str) or not isinstance(purpose, str | None):
        raise BadShape('wanted {"grant": …, "window": "2026-01/2026-02", "purpose": …}')
    return parse_hex(asked.get("grant"), 16), read_window(window), purpose
