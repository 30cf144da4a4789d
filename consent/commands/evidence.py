"""``carbonvault audit evidence``: an evidence file judged offline, and what it proves, in words.

fork       The log signed two histories. …
challenge  The log signed both checkpoints. Whether one history holds both is not proven. …
rollback   The witness cosigned 7 entries after 9. …
refusal    What was refused, and why: refused.py.

With --tiles a challenge is settled: the tiles of its second tree show a fork, which is written
beside it, or that the second tree begins with the first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consent.commands.refused import describe_refusal, refusal_members, when
from consent.commands.web import Web
from consent.copies import TilesOf
from consent.evidence import (
    MAX_EVIDENCE,
    Challenge,
    Evidence,
    Fork,
    Rollback,
    file_name,
    heads_of,
    judge_evidence,
    read_evidence,
    rolled_back,
    settle,
    write_evidence,
)
from consent.log.note import read_vkey
from consent.log.refusal import Refusal
from consent.place import replace_file
from consent.terminal import JsonOut, own_locale, spoken, tell
from consent.watch import tiles_at
from vault.encoding import Json
from vault.errors import BadPlace, BadProof, BadShape, Locale, Unreachable

SETTLED: dict[Locale, str] = {
    "en": "The log's tiles settle it: there are two histories.",
    "zh-CN": "日志的瓦片给出了答案：存在两种历史。",
}
ACQUITTED: dict[Locale, str] = {
    "en": "The log's tiles settle it: the second tree begins with the first. The log is acquitted;"
    " this file is no evidence against it any more.",
    "zh-CN": "日志的瓦片给出了答案：第二棵树以第一棵树开头。日志没有过错，"
    "该文件不再是对它不利的证据。",
}


@spoken
def evidence(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The evidence file.")],
    log: Annotated[str, typer.Option("--log", help="The log's vkey as you know it.")] = "",
    tiles: Annotated[
        str, typer.Option(help="Settle a challenge: the log's tiles, under a URL or in a folder.")
    ] = "",
    json_out: JsonOut = False,
) -> None:
    """Judge an evidence file, offline: what it proves, and what it does not.

    Exit code 1 when it is not what it says, or when the tiles settle nothing. Tiles are those of
    the log itself, of a mirror, or of a log's folder that `carbonvault log export` wrote.

    Example: carbonvault audit evidence fork-5d41402abc4b2a76.json --log VKEY
    """
    pinned = read_vkey(log) if log else None
    try:
        found = read_evidence(_read(file, MAX_EVIDENCE + 1))
    except BadShape as bad:
        raise BadProof(f"{file.name} is no evidence file: {bad}") from bad
    judge_evidence(found, pinned)
    known, locale = bool(pinned), own_locale()
    lines = [*describe(found, locale, pinned=known), _of_key(found, known, locale)]
    members: dict[str, Json] = {
        "kind": found.kind,
        "log": found.log,
        "pinned": known,
        **_members(found, known),
        "says": [*lines],
    }
    if tiles:
        settled, more = _settle(found, file, tiles)
        lines += more
        members |= {**settled, "says": [*lines]}
    tell(json_out, members, "\n".join(lines))


def _members(found: Evidence, pinned: bool) -> dict[str, Json]:
    if isinstance(found, Refusal):
        return refusal_members(found, pinned)
    first, second = heads_of(found)
    return {"sizes": [first.size, second.size]}


def _settle(found: Evidence, file: Path, where: str) -> tuple[dict[str, Json], list[str]]:
    if not isinstance(found, Challenge):
        raise typer.BadParameter(f"--tiles settles a challenge, and {file.name} is a {found.kind}")
    _, second = heads_of(found)
    fork = settle(found, tiles_of(where)(second.size))
    if fork is None:
        return {"settled": "acquitted"}, [ACQUITTED[own_locale()]]
    path = file.with_name(file_name(fork))
    replace_file(path, write_evidence(fork))
    written = {"en": f"The fork is written to {path}.", "zh-CN": f"分叉证据已写入 {path}。"}
    lines = [SETTLED[own_locale()], *describe(fork, own_locale()), written[own_locale()]]
    return {"settled": "fork", "fork": str(path)}, lines


def tiles_of(where: str) -> TilesOf:
    """Return the tiles under a URL, such as ``https://vault.example/log``, or in a folder."""
    fetch = Web().fetch if "://" in where else read_tile_file
    return tiles_at(fetch, where.rstrip("/"))


def read_tile_file(path: str, limit: int) -> bytes:
    """Return the first `limit` bytes of a tile that an export wrote, perhaps of a larger tree.

    Raises Unreachable when no file has as many.
    """
    exact = Path(path)
    wider = [exact]
    if exact.parent.suffix == ".p":
        widths = sorted(int(each.name) for each in exact.parent.glob("*") if each.name.isdecimal())
        wider += [exact.with_name(str(width)) for width in widths]
    for each in wider:
        found = _read(each, limit) if each.is_file() else b""
        if len(found) == limit:
            return found
    raise Unreachable(f"no file has the {limit} bytes of {path}")


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as bad:
        raise BadPlace(f"cannot read {path}: {bad.strerror}") from bad


def describe(found: Evidence, locale: Locale, *, pinned: bool = False) -> list[str]:
    """Return what a judged evidence proves and what it does not, as sentences.

    `pinned`: the log's key is the one that the reader knows.

    Raises:
        BadProof, BadShape: it was not judged before.
    """
    match found:
        case Fork():
            return _of_fork(found, locale)
        case Challenge():
            return _of_challenge(found, locale)
        case Rollback():
            return _of_rollback(found, locale)
        case Refusal():
            return describe_refusal(found, pinned, locale)


def _of_fork(found: Fork, locale: Locale) -> list[str]:
    first, second = heads_of(found)
    if locale == "zh-CN":
        return [
            f"证明成立：日志 {first.origin} 签署了两种历史。",
            f"它签署了 {first.size:,} 条记录的检查点，又签署了 {second.size:,} 条记录的检查点，"
            f"而后者的前 {first.size:,} 条记录不是前者。",
            "任何人都可以离线核对，不需要相信出示者。",
            "未证明：哪一种历史是真实的、哪些记录不同、是谁造成的。",
        ]
    return [
        f"This proves: the log {first.origin} signed two histories.",
        f"It signed a checkpoint of {first.size:,} entries and one of {second.size:,}, and the"
        f" first {first.size:,} entries of the second are not those of the first.",
        "Anyone can check it offline and need not trust who shows it.",
        "Not proven: which history is the true one, which entries differ, and who did it.",
    ]


def _of_challenge(found: Challenge, locale: Locale) -> list[str]:
    first, second = heads_of(found)
    if locale == "zh-CN":
        return [
            f"证明成立：日志 {first.origin} 签署了这两个检查点（{first.size:,} 条和"
            f" {second.size:,} 条记录），而所附的证明不能把它们连接起来。",
            "未证明：日志有两种历史。所附证明没有签名，也不能说明是谁提供的。",
            f"日志必须给出从 {first.size:,} 条到 {second.size:,} 条的一致性证明；"
            "取得其瓦片的人可以判定。",
        ]
    return [
        f"This proves: the log {first.origin} signed both checkpoints, of {first.size:,} and"
        f" {second.size:,} entries, and the proof in the file does not join them.",
        "Not proven: that the log has two histories. The proof is not signed, so that the file does"
        " not show who offered it.",
        f"The log must show a consistency proof from {first.size:,} to {second.size:,} entries;"
        " whoever fetches its tiles can settle it.",
    ]


def _of_rollback(found: Rollback, locale: Locale) -> list[str]:
    first, second = heads_of(found)
    before, after = map(when, rolled_back(found))
    witness = read_vkey(found.witness).name
    if locale == "zh-CN":
        return [
            f"证明成立：见证方 {witness} 在 {before} 共同签署了日志 {first.origin} 的"
            f" {first.size:,} 条记录，之后在 {after} 又把 {second.size:,} 条作为最新状态签署。",
            "见证方不得这样做：见证方、它的时钟或日志倒退了。",
            "未证明：日志有两种历史，或者三者中是谁出了错。",
        ]
    return [
        f"This proves: the witness {witness} cosigned {first.size:,} entries of the log"
        f" {first.origin} at {before}, and later, at {after}, {second.size:,} as the newest.",
        "A witness must not do so: the witness, its clock or the log went back.",
        "Not proven: that the log has two histories, or which of the three is to blame.",
    ]


def _of_key(found: Evidence, pinned: bool, locale: Locale) -> str:
    if pinned:
        return {
            "en": "The log's key is the one you gave.",
            "zh-CN": "日志的密钥与您给出的一致。",
        }[locale]
    return {
        "en": f"The log's key is the file's own word; compare it with yours:\n{found.log}",
        "zh-CN": f"日志的密钥取自该文件，请与您所知的密钥核对：\n{found.log}",
    }[locale]
