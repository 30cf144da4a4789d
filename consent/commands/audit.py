r"""``carbonvault audit``: the log downloaded, judged offline, and what is remembered of it.

    carbonvault audit run https://vault.example --key auditor.key --log VKEY --state mirror
    carbonvault audit run mirror --auditor=KEY --log VKEY              no network, no secret key

`--report` takes several paths: ``.json`` is the whole report, ``.html`` a page to read, ``.jws``
its signature (`cv1-report`); a name without an ending is a folder with all of them. The folder of a
mirror is described in consent/mirror.py.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from consent.download import update
from consent.judging import JudgedLog, Judging, Report, judge
from consent.log.note import read_vkey
from consent.mirror import Mirror
from consent.place import read_key, replace_file
from consent.policy import Policy
from consent.report.page import render_page, report_files
from consent.report.signed import Earlier, Judged, make_report, sign_report
from consent.report.tally import Tally
from consent.terminal import (
    REFUSED,
    JsonOut,
    Story,
    announce,
    new_app,
    own_locale,
    spoken,
    write_json,
)
from vault.crypto.keys import SigningKey
from vault.encoding import unb64u
from vault.errors import BadPlace
from vault.wire import PATIENT, Wire

MANY = 20_000
"""Entries from which on it pays to read them in processes of their own."""

audit_app = new_app("What an auditor does: replay a log, and watch it.")


@audit_app.callback(help="What an auditor does: replay a log, and watch it.")
def _group() -> None:
    # Keeps `run` a word of its own also while it is the only command.
    return


def run(
    target: Annotated[str, typer.Argument(help="The vault's URL, or a mirror's folder.")],
    log: Annotated[str, typer.Option("--log", help="The log's vkey, pinned.")],
    key: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The auditor's key file, mode 0600; for a URL and for --report.",
        ),
    ] = None,
    auditor: Annotated[
        str,
        typer.Option(help="Public key that signed the first directory; else that of --key."),
    ] = "",
    state: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="The mirror's folder; made when new, mode 0700."),
    ] = None,
    report_files: Annotated[
        list[Path] | None,
        typer.Option("--report", help="A .json, .html or .jws file, or a folder; may be repeated."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that read entries; else by the log's size.")
    ] = None,
    json_out: JsonOut = False,
) -> None:
    """Download what is new of the log and replay every rule over all of it, offline.

    Exit code 1 when there are findings. With --state only what is new is fetched, the log must
    extend the one of the last audit, and what was seen then is held against later erasures. A log
    that turned is followed into the next one. A mirror's folder is judged without a network, and
    without --key by anybody who has --auditor.

    Example: carbonvault audit run https://vault.example --key auditor.key --log VKEY --state mirror
    """
    signer, story, tally = _signer(key), Story(Console(), quiet=json_out), Tally()
    online = "://" in target
    wire = Wire(target, _own(signer, "a URL"), patience=PATIENT) if online else None
    reported = _own(signer, "--report") if report_files else None
    policy = Policy(_pinned(auditor, signer), log)
    with tempfile.TemporaryDirectory(prefix="carbonvault-audit-") as temporary:
        place = (state or Path(temporary)) if wire else Path(target)
        try:
            mirror = Mirror(place, policy)
            if wire:
                update(mirror, wire, story.counted("texts here"))
            judging = _judge(mirror, jobs, tally, story)
        finally:
            story.close()
        if wire:
            mirror.settle(judging, int(time.time()))
        report = _with_conflicts(judging.report(), mirror)
    announce(report.self_audited)
    if reported:
        _write_files(report_files or [], report, tally, reported, log)
    _write_report(report, story, json_out)
    raise typer.Exit(REFUSED if report.findings else 0)


audit_app.command("run")(spoken(run))


def _signer(key: Path | None) -> SigningKey | None:
    return SigningKey(read_key(key)) if key else None


def _pinned(auditor: str, signer: SigningKey | None) -> bytes:
    if auditor:
        return unb64u(auditor, 32)
    if signer is None:
        raise typer.BadParameter("give --auditor, the auditor's public key, where --key stays away")
    return signer.public


def _own(signer: SigningKey | None, what: str) -> SigningKey:
    if signer is None:
        raise typer.BadParameter(f"{what} needs --key: only the auditor asks a vault, and signs")
    return signer


def _judge(mirror: Mirror, jobs: int | None, tally: Tally, story: Story) -> Judging:
    jobs = jobs or (1 if mirror.size < MANY else os.cpu_count() or 1)
    shown = story.counted("entries replayed")
    return judge(mirror.policy, mirror.copy(), mirror.memory(), jobs, tally, shown)


def _with_conflicts(report: Report, mirror: Mirror) -> Report:
    return replace(report, findings=sorted(report.findings + mirror.conflicts()))


def _write_files(
    paths: list[Path], report: Report, tally: Tally, signer: SigningKey, log: str
) -> None:
    *earlier, last = report.logs or (JudgedLog(read_vkey(log), report.size, report.root),)
    judged = Judged(
        log=last.key,
        size=report.size,
        root=report.root,
        checkpoint=report.signed,
        cosigned=report.cosigned,
        counts=report.counts,
        findings=report.findings,
        unseen=report.unseen,
        erased=report.erased,
        links=report.links,
        earlier=[Earlier(one.key, one.size, one.root) for one in earlier],
    )
    raw = make_report(judged, tally, signer.public, int(time.time()))
    signed = sign_report(raw, signer)
    for path in paths:
        match path.suffix:
            case ".json":
                replace_file(path, raw)
            case ".html":
                replace_file(path, render_page(raw, signed, own_locale()).encode("utf-8"))
            case "":
                _write_folder(path, report_files(raw, signed))
            case _:
                replace_file(path, signed.encode("ascii"))


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as bad:
        raise BadPlace(f"cannot make the folder {folder}: {bad.strerror}") from bad
    for name, raw in files.items():
        replace_file(folder / name, raw)


def _write_report(report: Report, story: Story, json_out: bool) -> None:
    if json_out:
        write_json(report.plain())
        return
    story.say(f"checkpoint of {report.size} entries, root {report.root.hex()}")
    for each in report.logs if len(report.logs) > 1 else ():
        story.say(f"{each.size:>8}  entries of {each.key.name}")
    for one in report.cosigned:
        story.say(f"cosigned by {one.witness.name} at {one.time}")
    for kind, count in sorted(report.counts.items()):
        story.say(f"{count:>8}  {kind}")
    if report.unseen:
        story.say(f"unseen: {len(report.unseen)} erased entries that this auditor never saw")
    for finding in report.findings:
        story.say(f"FINDING at index {finding.index} ({finding.rule}): {finding.reason}")
    story.say("Findings: none." if not report.findings else f"Findings: {len(report.findings)}.")
