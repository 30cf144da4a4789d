"""``carbonvault holder activity``: everything the log holds of a person, and what is wrong with it.

log-seen.json       in the holder's folder, 0600: what this device saw of the log, and its own acts
log-evidence.json   signed checkpoints that do not fit together, for ``audit evidence``
evidence/…          what was refused: a wrong origin, false or old cosignatures, for the same
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Annotated

import typer

from consent.activity import NOT_COMPARED, Watched
from consent.commands.holder import opened
from consent.commands.party import Where
from consent.commands.refused import keep_evidence, keeping
from consent.evidence import make_challenge, make_fork, write_evidence
from consent.log.checkpoint import read_checkpoint
from consent.log.note import VerifierKey, read_note
from consent.logged import logs_of
from consent.messages import Grant, Release
from consent.monitor import Kind, Origin, Shown
from consent.place import replace_file
from consent.terminal import REFUSED, JsonOut, own_locale, spoken, write_json
from vault.encoding import Json, compact_json, read_envelope
from vault.errors import BadProof, BadShape, Locale
from vault.months import join_window

EVIDENCE, FOLDER = "log-evidence.json", "evidence"
YEAR_10000 = 253_402_300_800
Words = Mapping[Locale, str]
WHAT: Mapping[str, Words] = {
    "cv1-account": {"en": "vault opened", "zh-CN": "开设保管库"},
    "cv1-bind": {"en": "key made for an organisation", "zh-CN": "为机构建立密钥"},
    "cv1-attach": {"en": "source linked", "zh-CN": "关联来源"},
    "cv1-unlink": {"en": "link ended", "zh-CN": "结束关联"},
    "cv1-reject": {"en": "month refused by you", "zh-CN": "您拒绝了一个月的数字"},
    "cv1-close": {"en": "month closed by a source", "zh-CN": "来源结算了一个月"},
    "cv1-absent": {"en": "month without a figure", "zh-CN": "该月没有数字"},
    "cv1-grant": {"en": "sharing allowed", "zh-CN": "允许共享"},
    "cv1-token": {"en": "figure prepared", "zh-CN": "准备了数字"},
    "cv1-revoke": {"en": "sharing stopped", "zh-CN": "停止共享"},
    "cv1-pause": {"en": "sharing paused", "zh-CN": "暂停共享"},
    "cv1-resume": {"en": "sharing goes on", "zh-CN": "恢复共享"},
    "cv1-release": {"en": "FIGURE GIVEN OUT", "zh-CN": "数字已发出"},
    "cv1-refusal": {"en": "request refused by the vault", "zh-CN": "保管库拒绝了请求"},
}
WHO: Mapping[Origin, Words] = {
    "here": {"en": "this device", "zh-CN": "本设备"},
    "elsewhere": {"en": "another device of yours", "zh-CN": "您的另一台设备"},
    "before": {"en": "before this was recorded", "zh-CN": "在开始记录之前"},
    "foreign": {"en": "NO DEVICE OF YOURS", "zh-CN": "不是您的设备"},
    "other": {"en": "", "zh-CN": ""},
}
ALARMS: Mapping[Kind, Words] = {
    "unproved": {
        "en": "The vault shows an entry that it does not prove.",
        "zh-CN": "保管库显示了一条无法证明的记录。",
    },
    "strange": {
        "en": "An entry about you does not fit the others, or nobody who may sign it signed it.",
        "zh-CN": "一条关于您的记录与其他记录不符，或签名者无权签署。",
    },
    "foreign": {
        "en": "Something was done with your keys, and by no device of yours. Somebody else may"
        " have your recovery code: stop what you did not allow, and open a new vault.",
        "zh-CN": "有人用您的密钥做了操作，但不是您的设备所为。您的恢复码可能已泄露："
        "请停止您未允许的共享，并开设新的保管库。",
    },
    "withheld": {
        "en": "Something that was in the public record is no longer shown to you.",
        "zh-CN": "公开记录中曾有的一条内容不再向您显示。",
    },
    "history": {
        "en": "The vault's log shows two different histories. Give the evidence to the auditor.",
        "zh-CN": "保管库的公开记录出现两种不同的历史。请把证据交给审计方。",
    },
    "unlike": {
        "en": "The auditor's list and the vault's list about you are not the same.",
        "zh-CN": "审计方与保管库关于您的清单不一致。",
    },
}
LOGGED: Mapping[bool, Words] = {
    True: {"en": "proved", "zh-CN": "已证明"},
    False: {"en": "proved, not yet witnessed", "zh-CN": "已证明，尚未见证"},
}
NO_WITNESS: Words = {
    "en": "The directory asks for no witness: every proof is the log's word alone.",
    "zh-CN": "目录未要求见证方：所有证明仅凭日志自身的签名。",
}
ALONE: Words = {"en": "Not compared with an auditor's list.", "zh-CN": "未与审计方核对。"}
COMPARED: Words = {
    "en": "Compared with the list of {who}, up to entry {to}",
    "zh-CN": "已与 {who} 的清单核对，至前 {to} 条",
}
OF_ALL: Words = {"en": " of {size}", "zh-CN": "，共 {size} 条"}
COSIGNED: Words = {
    "en": "; tree cosigned at {time} UTC.",
    "zh-CN": "；见证方于 {time} UTC 共同签署。",
}
NO_QUORUM: Words = {
    "en": "; tree not cosigned by a quorum.",
    "zh-CN": "；未获足够见证方共同签署。",
}
LATER: Words = {
    "en": "Later entries are not compared.",
    "zh-CN": "其后的记录未核对。",
}
YOURS: Words = {"en": " Yours: {own}.", "zh-CN": "其中您的记录：{own}。"}
FINE: Words = {"en": "Nothing is wrong.", "zh-CN": "一切正常。"}
NEW_DEVICE: Words = {
    "en": "Done by another device of yours since the last look; was it you?",
    "zh-CN": "自上次查看以来由您的另一台设备完成；是您本人吗？",
}


def add_commands(holder: typer.Typer) -> None:
    """Put `activity` on the holder's group."""
    holder.command()(spoken(activity))


def evidence_of(notes: Sequence[str], logs: Mapping[str, VerifierKey]) -> bytes:
    """Return the file that ``carbonvault audit evidence`` judges, from notes that do not fit.

    Two trees of one size prove it by themselves; two of different sizes are a question that the
    log's tiles settle. Notes that are neither are kept as they are.

    Args:
        notes: signed checkpoints.
        logs: the logs' keys by origin.
    """
    for make in (make_fork, make_challenge):
        for first, second in combinations(notes, 2):
            with suppress(BadProof, BadShape, KeyError):
                origin = read_checkpoint(read_note(first).text).origin
                return write_evidence(make(logs[origin], first, second))
    return compact_json({"notes": [*notes]})


def activity(
    folder: Where,
    auditor_url: Annotated[
        str, typer.Option(help="Where the auditor shows its list; else the directory says it.")
    ] = "",
    json_out: JsonOut = False,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", file_okay=False, help="Else: `evidence` in the folder."),
    ] = None,
) -> None:
    """Show each use of your figures and all else the log holds of you; exit code 1 on an alarm.

    Every proof and signature is checked. What no device of yours did, or is no longer shown, is an
    alarm; the list is compared with the auditor's where there is one.

    Example: carbonvault holder activity ./me --auditor-url https://audit.example
    """
    shelf = evidence or folder / FOLDER
    with keeping(shelf, "holder"), opened(folder) as holder:
        found = holder.watch(auditor_url or None)
        asked = holder.directory.listing.log.quorum
        logs = {log.key.name: log.key for log in logs_of(holder.held)}
    if found.notes:
        replace_file(folder / EVIDENCE, evidence_of(found.notes, logs))
    for text in dict.fromkeys(alarm.evidence for alarm in found.alarms):
        keep_evidence(shelf, "holder", text)
    if json_out:
        write_json(plain(found))
    else:
        for line in tell_lines(found, own_locale(), asked, folder):
            typer.echo(line)
    if found.alarms:
        raise typer.Exit(REFUSED)


def plain(found: Watched) -> dict[str, Json]:
    """Return what a look found as JSON members."""
    return {
        "verified": found.verified,
        "size": found.size,
        "entries": [
            {
                "index": one.index,
                "at": one.at,
                "type": one.typ,
                "made": one.made,
                "witnessed": one.witnessed,
            }
            for one in found.entries
        ],
        "alarms": [
            {"index": one.index, "kind": one.kind, "detail": one.detail} for one in found.alarms
        ],
        "unwitnessed": [*found.unwitnessed],
        "before": [*found.before],
        "elsewhere": [*found.elsewhere],
        "compared": found.compared,
        "compared_to": found.compared_to,
        "cosigned_at": found.cosigned_at,
        "uncompared": [*found.uncompared],
        "why": found.why,
        "notes": [*found.notes],
    }


def tell_lines(found: Watched, locale: Locale, quorum: int, folder: Path) -> Iterator[str]:
    """Yield the lines that a person reads: the entries, how far they were checked, the alarms."""
    platforms = _platforms(found.entries)
    for one in found.entries:
        yield _line(one, locale, platforms)
    if not quorum:
        yield NO_WITNESS[locale]
    yield from _compared(found, locale)
    if found.elsewhere:
        yield f"{NEW_DEVICE[locale]} {', '.join(map(str, found.elsewhere))}"
    for alarm in found.alarms:
        place = f"{alarm.index}: " if alarm.index >= 0 else ""
        yield f"! {place}{ALARMS[alarm.kind][locale]} ({alarm.detail})"
    if found.notes:
        yield f"  {folder / EVIDENCE}"
    if not found.alarms:
        yield FINE[locale]


def _compared(found: Watched, locale: Locale) -> Iterator[str]:
    """Yield with whose list it was compared, how far that goes, and what it leaves out."""
    if found.compared == NOT_COMPARED:
        why = f" ({found.why})" if found.why else ""
        yield f"{ALONE[locale]}{why}"
        return
    words = COMPARED[locale].format(who=found.compared, to=found.compared_to)
    whole = OF_ALL[locale].format(size=found.size) if found.size else ""
    when = NO_QUORUM if found.cosigned_at is None else COSIGNED
    time = _time(found.cosigned_at or 0)
    yield f"{words}{whole}{when[locale].format(time=time)}"
    if found.compared_to < found.size:
        own = ", ".join(map(str, found.uncompared))
        yield LATER[locale] + (YOURS[locale].format(own=own) if own else "")


def _platforms(entries: tuple[Shown, ...]) -> dict[bytes, str]:
    texts = (one.text for one in entries if one.typ == Grant.typ)
    grants = (Grant.opened(read_envelope(text, Grant.typ)) for text in texts)
    return {grant.grant: grant.platform for grant in grants}


def _line(one: Shown, locale: Locale, platforms: Mapping[bytes, str]) -> str:
    parts = [f"{one.index:>8}", _time(one.at), WHAT[one.typ][locale]]
    if one.typ == Release.typ:
        release = Release.opened(read_envelope(one.text, Release.typ))
        parts.append(f"{platforms.get(release.grant, '')} {join_window(release.window)}")
    parts += [WHO[one.made][locale], LOGGED[one.witnessed][locale]]
    return "  ".join(filter(None, parts))


def _time(at: int) -> str:
    if at >= YEAR_10000:
        return str(at)  # whoever signed it may have written any number
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
