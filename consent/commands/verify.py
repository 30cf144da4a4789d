"""``carbonvault audit verify``: a report's signature and page, checked without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consent.report.form import ReportText
from consent.report.page import verify_page
from consent.report.signed import verify_report
from consent.terminal import JsonOut, own_locale, spoken, tell
from vault.encoding import Json, unb64u
from vault.errors import BadFile

_SAYS = {
    "en": "The auditor signed this: {size} entries of {origin}, findings: {findings}.",
    "zh-CN": "审计方已签署：{origin} 的 {size} 条记录，发现问题 {findings} 处。",
}


def add_commands(audit: typer.Typer) -> None:
    """Put `verify` on the auditor's group."""
    audit.command()(spoken(verify))


def verify(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A report, .html or .json.")
    ],
    auditor: Annotated[list[str], typer.Option(help="The auditor's public key; may be repeated.")],
    json_out: JsonOut = False,
) -> None:
    """Check who signed a report, and that not a letter of it was changed.

    A page is made again from what was signed and compared; beside a .json stands its .jws.

    Example: carbonvault audit verify report.en.html --auditor KEY
    """
    keys = [unb64u(key, 32) for key in auditor]
    found = read_report_file(file, keys)
    members: dict[str, Json] = {
        "origin": found.origin,
        "size": found.to,
        "root": found.root.hex(),
        "findings": len(found.findings),
    }
    tell(json_out, members, _SAYS[own_locale()].format(**members))


def read_report_file(file: Path, keys: list[bytes]) -> ReportText:
    """Return what a report says, once one of these keys (32 bytes each) signed it.

    Raises:
        BadFile: it is neither a page nor a .json with its .jws. BadJws, BadProof, BadShape: it is
            not signed by such a key, or was changed.
    """
    if file.suffix == ".html":
        return verify_page(_read(file), keys)
    if file.suffix != ".json":
        raise BadFile(f"wanted a report's .html or .json, found {file.name}")
    jws = _read(file.with_suffix(".jws")).decode("ascii", "replace").strip()
    return verify_report(jws, _read(file), keys)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as bad:
        raise BadFile(f"cannot read {path}: {bad.strerror}") from bad
