r"""``carbonvault audit``: the log replayed, and what the auditor remembers between two audits.

A state file is JSON, mode 0600, since it names pseudonyms:

    {"checkpoint": "vault.example/log\n12\n…", "owners": {"3": "account thumbprint", …},
     "kept": [[12, 1767225600], …]}              the log's size at each audit, and when
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from consent.auditor import Auditor, Kept, Report
from consent.log.checkpoint import Checkpoint
from consent.log.note import read_vkey
from consent.log.tlog_policy import open_checkpoint
from consent.place import read_key, read_text, replace_file
from consent.policy import Policy
from consent.terminal import REFUSED, JsonOut, Story, announce, spoken, write_json
from vault.crypto.keys import SigningKey
from vault.encoding import Json, JsonIn, compact_json, strict_object, unb64u
from vault.errors import BadInput, BadPlace, BadProof, BadShape
from vault.wire import Wire, text_of


@dataclass(frozen=True)
class State:
    """What an auditor remembers: the last checkpoint, whose texts it saw, and its audits."""

    last: Checkpoint | None = None
    owners: Mapping[int, str] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()


BROKEN = frozenset({"shrunk", "forked", "root"})


def add_commands(app: typer.Typer) -> None:
    """Put the audit on the root."""
    app.command()(spoken(audit))


def audit(
    url: Annotated[str, typer.Argument(help="The vault's URL.")],
    key: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The auditor's key file, mode 0600.")
    ],
    log: Annotated[str, typer.Option("--log", help="The log's vkey, pinned.")],
    auditor: Annotated[
        str, typer.Option(help="Public key that signed the first directory; else the key's own.")
    ] = "",
    state: Annotated[
        Path | None, typer.Option(dir_okay=False, help="What earlier audits saw; made when new.")
    ] = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", dir_okay=False, help="Write the signed report.")
    ] = None,
    json_out: JsonOut = False,
) -> None:
    """Download the log and replay every rule over it; exit code 1 when there are findings.

    With --state the log must also extend the one of the last audit, and what was seen then is
    held against later erasures.

    Example: carbonvault audit https://vault.example --key auditor.key --log VKEY --state seen.json
    """
    story = Story(Console(), quiet=json_out)
    signer = SigningKey(read_key(key))
    pinned = unb64u(auditor, 32) if auditor else signer.public
    before = read_state(state, log) if state else State()
    policy = Policy(pinned, log)
    one = Auditor(signer, Wire(url, signer), policy, before.owners, before.last, before.kept)
    try:
        report = one.audit(story.counted("entries replayed"))
    finally:
        story.close()
    announce(report.self_audited)
    # The state of a log that was broken stays: it is the evidence.
    if state and not BROKEN & {finding.rule for finding in report.findings}:
        write_state(state, report, before.kept)
    if report_file:
        replace_file(report_file, one.report(report, int(time.time())).encode("ascii"))
    _write_report(report, story, json_out)
    raise typer.Exit(REFUSED if report.findings else 0)


def read_state(path: Path, log: str) -> State:
    """Return what the last audit kept; an empty state for a file that is not there.

    Raises:
        BadPlace: it is no such file, or of another log.
    """
    text = read_text(path)
    if text is None:
        return State()
    try:
        found = strict_object(text.encode("utf-8"))
        last = open_checkpoint(text_of(found, "checkpoint"), read_vkey(log)).checkpoint
        owners, kept = found.get("owners"), found.get("kept")
        if not isinstance(owners, dict) or not isinstance(kept, list):
            raise BadPlace(f"{path} has no owners, or no audits kept")
        return State(
            last,
            {int(index): str(account) for index, account in owners.items()},
            tuple(_kept(one) for one in kept),
        )
    except (BadInput, BadProof, ValueError) as bad:
        raise BadPlace(f"{path} is no state of an audit of this log: {bad}") from bad


def _kept(found: Json) -> Kept:
    if not isinstance(found, list) or len(found) != 2:
        raise BadShape("wanted [size, unix seconds]")
    size, when = found
    if not isinstance(size, int) or not isinstance(when, int):
        raise BadShape("wanted [size, unix seconds]")
    return Kept(size, when)


def write_state(path: Path, report: Report, kept: tuple[Kept, ...]) -> None:
    """Keep what the next audit needs; raises BadPlace."""
    owners: dict[str, JsonIn] = {str(i): account for i, account in sorted(report.owners.items())}
    audits = [[*one] for one in (*kept, Kept(report.size, int(time.time())))]
    body: dict[str, JsonIn] = {"checkpoint": report.signed, "owners": owners, "kept": audits}
    replace_file(path, compact_json(body))


def _write_report(report: Report, story: Story, json_out: bool) -> None:
    if json_out:
        write_json(report.plain())
        return
    story.say(f"checkpoint of {report.size} entries, root {report.root.hex()}")
    for kind, count in sorted(report.counts.items()):
        story.say(f"{count:>8}  {kind}")
    if report.unseen:
        story.say(f"unseen: {len(report.unseen)} erased entries that this auditor never saw")
    for finding in report.findings:
        story.say(f"FINDING at index {finding.index} ({finding.rule}): {finding.reason}")
    story.say("Findings: none." if not report.findings else f"Findings: {len(report.findings)}.")
