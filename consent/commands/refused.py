"""A refusal in words: what its bytes prove, what is its keeper's word, and what nobody knows.

origin     The key of vault.example/log signed a checkpoint of another log, other.example. …
forged     A line under the name of w1.example does not sign this checkpoint. …
ahead      The log signed 9 entries, and w1.example had cosigned them; it also signed 7. …

Each ends with whom it says something against: the holder of a key that signed for two logs, or
nobody. A party's command keeps what its SDK refused (`keeping`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer

from consent.log.note import read_vkey
from consent.log.refusal import CLOCKS, Judged, Refusal, Rule, judge_refusal
from consent.shelf import FolderShelf
from consent.terminal import own_locale
from vault.encoding import Json
from vault.errors import BadProof, Locale

MOST_SHOWN = 80
Words = Mapping[Locale, str]
KEPT: Words = {"en": "Evidence is kept in {path}", "zh-CN": "证据已保存于 {path}"}
NOBODY: Words = {
    "en": "It proves nothing against anybody.",
    "zh-CN": "它不证明任何一方有过错。",
}
TWO_LOGS: Words = {
    "en": "This proves: the key of the log {log} signed a checkpoint of another log, {origin}.\n"
    "One key must not serve two logs. Against: whoever holds that key.\n"
    "Not proven: which of the two is shown to whom, and who sent it.",
    "zh-CN": "证明成立：日志 {log} 的密钥签署了另一个日志 {origin} 的检查点。\n"
    "一把密钥不得用于两个日志。不利于：持有该密钥的一方。\n"
    "未证明：两者分别向谁出示，以及由谁发出。",
}
THIS_KEY: Words = {
    "en": "The key in this file signed a checkpoint of {origin}. That it is the key of {log},"
    " nothing in the file shows: give the key as you know it with --log.",
    "zh-CN": "本文件中的密钥签署了 {origin} 的检查点。文件本身不能说明它是 {log} 的密钥："
    "请用 --log 给出您所知的密钥。",
}
OTHER_LOG: Words = {
    "en": "Rightly refused: a checkpoint of {origin}, where one of {log} was wanted.\n"
    "The key of {log} did not sign it. {received}",
    "zh-CN": "拒绝正确：需要的是 {log} 的检查点，得到的却是 {origin} 的。\n"
    "{log} 的密钥没有签署它。{received}",
}
FORGED: Words = {
    "en": "Rightly refused: a line under the name of {witness} does not sign this checkpoint of"
    " {size} entries. {signed} {received}\n"
    "Not proven: who wrote the line; anybody can.",
    "zh-CN": "拒绝正确：署名 {witness} 的一行没有签署这个 {size} 条记录的检查点。"
    "{signed}{received}\n未证明：这一行是谁写的；任何人都能写。",
}
REPLAYED: Words = {
    "en": "Rightly refused: {names} cosigned {known} entries, and the same line stands under"
    " another checkpoint, of {size}, which it does not sign. {signed} {received}\n"
    "Not proven: who put it there; anybody can copy a line.",
    "zh-CN": "拒绝正确：{names} 共同签署的是 {known} 条记录，同一行却出现在另一个检查点"
    "（{size} 条）之下，而它并未签署后者。{signed}{received}\n"
    "未证明：是谁放在那里的；任何人都能复制。",
}
STALE: Words = {
    "en": "The log signed this checkpoint of {size} entries; cosigned by {names}.\n"
    "Rightly refused by the clock of {by}, which said {at}: {limit} s were allowed.\n"
    "Proven are signatures and their times. An honest checkpoint, kept until it is old, looks the"
    " same.",
    "zh-CN": "日志签署了这个 {size} 条记录的检查点；共同签署：{names}。\n"
    "按 {by} 的时钟（{at}）拒绝正确：允许 {limit} 秒。\n"
    "已证明的只是签名及其时间。诚实的检查点放久了也是如此。",
}
OUTDATED: Words = {
    "en": "The log signed this checkpoint of {size} entries; cosigned by {names}.\n"
    "Rightly refused by {by}, at {at}: the same witness had cosigned later than that.\n"
    "Proven are signatures and their times. An honest checkpoint, kept while the log goes on, looks"
    " the same.",
    "zh-CN": "日志签署了这个 {size} 条记录的检查点；共同签署：{names}。\n"
    "{by} 在 {at} 拒绝正确：同一见证方在此之后又共同签署过。\n"
    "已证明的只是签名及其时间。日志继续增长时，保存下来的诚实检查点也是如此。",
}
LATER: Words = {
    "en": "Later than that, the same witness had cosigned: {later}.",
    "zh-CN": "此后同一见证方还共同签署过：{later}。",
}
AHEAD: Words = {
    "en": "The log signed {known} entries{cosigned}, and it signed {size}.\n"
    "That the smaller one was the newest the log had at {at}, as after an old backup, is the word"
    " of {by}: every log signed smaller trees before.\n"
    "Not proven: two histories. That would be a fork, in a file of its own.",
    "zh-CN": "日志签署过 {known} 条记录{cosigned}，也签署过 {size} 条。\n"
    "在 {at} 日志最新的只有较小的一个（例如恢复了旧备份），这是 {by} 的说法："
    "每个日志以前都签署过更小的树。\n未证明：存在两种历史。那将是另一个文件中的分叉证据。",
}
AHEAD_ALONE: Words = {
    "en": "The log signed {size} entries. That {witness} knew more, or another history, is the word"
    " of {by}, at {at}: the witness's own checkpoint could not be had.",
    "zh-CN": "日志签署了 {size} 条记录。{witness} 掌握更多记录或另一种历史，"
    "是 {by} 在 {at} 的说法：未能取得该见证方自己的检查点。",
}
DOWN: Words = {
    "en": "{names} cosigned {known} entries of {log}: until then the witness had spoken.\n"
    "That it was asked {count} times from {first} to {last}, in vain, is the word of {by}.\n"
    "Not proven: that it was down, or whose fault it was.",
    "zh-CN": "{names} 共同签署了 {log} 的 {known} 条记录：到那时为止该见证方有过回应。\n"
    "从 {first} 到 {last} 询问 {count} 次未果，是 {by} 的说法。\n"
    "未证明：它确实停机，或者是谁的责任。",
}
DOWN_ALONE: Words = {
    "en": "That {witness} was asked about {log} {count} times from {first} to {last}, in vain, is"
    " the word of {by}. The file holds no cosignature of it.",
    "zh-CN": "从 {first} 到 {last} 就 {log} 询问 {witness} {count} 次未果，是 {by} 的说法。"
    "文件中没有它的共同签名。",
}
SIGNED: Mapping[bool, Words] = {
    True: {"en": "The log signed the checkpoint.", "zh-CN": "日志签署了该检查点。"},
    False: {"en": "The log did not sign the checkpoint.", "zh-CN": "日志没有签署该检查点。"},
}
RECEIVED: Words = {
    "en": "That it was received, at {at}, is the word of {by}.",
    "zh-CN": "在 {at} 收到它，是 {by} 的说法。",
}
COSIGNED: Words = {"en": ", cosigned by {names}", "zh-CN": "（共同签署：{names}）"}
KEEPER: Words = {"en": "its keeper", "zh-CN": "保存者"}


def describe_refusal(found: Refusal, pinned: bool, locale: Locale) -> list[str]:
    """Return what a refusal's bytes prove and what they do not, as sentences.

    Args:
        found: the refusal.
        pinned: whether the reader knows the log's key, and it is the file's.
        locale: the language.

    Raises:
        BadProof, BadShape: its rule does not refuse this.
    """
    judged = judge_refusal(found)
    lines = _TELLERS[found.rule](found, judged, pinned, locale)
    if against(found, judged, pinned):
        return lines
    return [*lines, NOBODY[locale]]


def against(found: Refusal, judged: Judged, pinned: bool) -> Literal["log"] | None:
    """Return whom signatures accuse: the log, when its key signed for two logs; else nobody.

    It needs a reader who knows the key: anybody makes one and signs a checkpoint of any name.
    """
    if found.rule == "origin" and judged.signed and pinned:
        return "log"
    return None


def refusal_members(found: Refusal, pinned: bool) -> dict[str, Json]:
    """Return the same for programs; `against` is "log" or null."""
    judged = judge_refusal(found)
    sizes: list[Json] = [size for size in (judged.known, judged.size) if size is not None]
    return {
        "rule": found.rule,
        "against": against(found, judged, pinned),
        "sizes": sizes,
        "at": found.at,
        "by": found.by,
    }


def _origin(found: Refusal, judged: Judged, pinned: bool, locale: Locale) -> list[str]:
    if against(found, judged, pinned):
        return _say(TWO_LOGS, found, judged, locale)
    return _say(THIS_KEY if judged.signed else OTHER_LOG, found, judged, locale)


def _stale(found: Refusal, judged: Judged, _: bool, locale: Locale) -> list[str]:
    later = _say(LATER, found, judged, locale) if judged.later else []
    # One that is fresh by the clock was refused for the later one alone.
    newest = {name: max(t for n, t in judged.times if n == name) for name, _ in judged.times}
    old = any(time <= found.at - found.limit for time in newest.values())
    ahead = any(time > found.at + CLOCKS for time in newest.values())
    words = STALE if old or ahead or not later else OUTDATED
    return [*_say(words, found, judged, locale), *later]


def _ahead(found: Refusal, judged: Judged, _: bool, locale: Locale) -> list[str]:
    return _say(AHEAD_ALONE if judged.known is None else AHEAD, found, judged, locale)


def _down(found: Refusal, judged: Judged, _: bool, locale: Locale) -> list[str]:
    return _say(DOWN_ALONE if judged.known is None else DOWN, found, judged, locale)


_TELLERS: Mapping[Rule, Callable[[Refusal, Judged, bool, Locale], list[str]]] = {
    "origin": _origin,
    "forged": lambda found, judged, _, locale: _say(FORGED, found, judged, locale),
    "replayed": lambda found, judged, _, locale: _say(REPLAYED, found, judged, locale),
    "stale": _stale,
    "ahead": _ahead,
    "down": _down,
}


def _say(words: Words, found: Refusal, judged: Judged, locale: Locale) -> list[str]:
    names = ", ".join(dict.fromkeys(read_vkey(vkey).name for vkey in found.witnesses))
    by = _shown(found.by) or KEEPER[locale]
    cosigned = _names(judged.times)
    given = {
        "log": _shown(read_vkey(found.log).name),
        "origin": _shown(judged.origin),
        "witness": _shown(names),
        "names": cosigned,
        "later": _names(judged.later),
        "cosigned": COSIGNED[locale].format(names=cosigned) if cosigned else "",
        "size": f"{judged.size or 0:,}",
        "known": f"{judged.known or 0:,}",
        "signed": SIGNED[judged.signed][locale],
        "received": RECEIVED[locale].format(at=when(found.at), by=by),
        "at": when(found.at),
        "by": by,
        "limit": f"{found.limit:,}",
        "count": f"{len(found.tries)}",
        "first": when(min(found.tries, default=0)),
        "last": when(max(found.tries, default=0)),
    }
    return words[locale].format(**given).split("\n")


def _names(times: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{_shown(name)} ({when(time)})" for name, time in times)


def _shown(text: str) -> str:
    """Return foreign text on one line, without what could move a terminal's cursor or its order."""
    safe = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:MOST_SHOWN])
    return safe if len(text) <= MOST_SHOWN else f"{safe}…"


def when(seconds: int) -> str:
    """Return unix seconds as a person reads them, in UTC."""
    if seconds < 253_402_300_800:  # the year 10000
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{seconds} s"


@contextmanager
def keeping(folder: Path, by: str) -> Iterator[None]:
    """Keep what an SDK refused in a folder, by whose word, and let the error go on its way."""
    try:
        yield
    except BadProof as refused:
        keep_evidence(folder, by, refused.evidence)
        raise


def keep_evidence(folder: Path, by: str, text: str) -> Path | None:
    """Keep the evidence that an error carries, and say on the standard error where; None: none."""
    if not text:
        return None
    path = FolderShelf(folder, by).keep(Refusal.parse(text.encode("utf-8")))
    if path is not None:
        typer.echo(KEPT[own_locale()].format(path=path), err=True)
    return path
