r"""What a report says to people, in zh-CN and en (docs/protocol.md section 7).

    say("en", "clean", entries="12,345")     "Nothing wrong was found in 12,345 entries."
    plain_text("en", "A\u202eB")             "A[U+202E]B"

The words are the project's: a person stops sharing; a total is personal data. Names and reasons
come from others: `plain_text` makes every sign in them visible before they stand in a page.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from vault.errors import Locale

MOST_LETTERS = 300
MOST_MARKS = 2
Names = Mapping[Locale, Mapping[str, str]]

WORDS: Names = {
    "en": {
        "title": "Audit report",
        "of": "Audit of the log {origin}",
        "clean": "Nothing wrong was found in {entries} entries.",
        "broken_one": "1 broken rule was found in {entries} entries.",
        "broken": "{findings} broken rules were found in {entries} entries.",
        "empty": "The log is empty. There was nothing to judge.",
        "clean_more": "Every rule held, from the first entry to the last.",
        "broken_more": "Each is listed below with its place in the log.",
        "no_auditor": "No independent auditor: the organisation that runs this vault signed its "
        "own report.",
        "no_witness": "No witness cosigned this checkpoint. Nobody else confirms that the vault "
        "shows this log to everybody.",
        "few_witnesses": "The directory asks for {quorum} cosignatures. This checkpoint has "
        "{found}.",
        "demo": "This is a demonstration. Its clock is moved by hand and its people are made up.",
        "unseen": "{count} erased entries were never seen by this auditor, so they are not judged. "
        "Places: {indexes}.",
        "skip": "Go to the content",
        "contents": "On this page",
        "who": "Who says this, and about what",
        "auditor": "Auditor",
        "auditor_key": "Auditor's key",
        "unlisted": "not listed in the vault's directory",
        "made": "Made",
        "vault": "Vault",
        "log": "Log",
        "log_key": "Log's key",
        "logs": "Logs, in their order",
        "log_size": "{origin}: {count} entries",
        "entries": "Entries judged",
        "range": "{first} to {last}",
        "nothing": "none",
        "root": "Root of the tree",
        "witnesses": "Witnesses",
        "witness": "{name}, {time}",
        "none_cosigned": "none",
        "time_zone": "All times are in the zone {zone}.",
        "t_entries": "entries",
        "t_findings": "broken rules",
        "t_releases": "releases",
        "t_refusals": "refusals",
        "t_ended": "consents ended",
        "t_grants": "consents in force",
        "t_links": "links in force",
        "t_erased": "entries erased",
        "means": "What this means",
        "checked": "What was checked",
        "checked_1": "Each entry is the one that the signed checkpoint holds at its place.",
        "checked_2": "Each release stood on a consent that was in force, for its purpose and "
        "its period.",
        "checked_3": "Each stop and each pause was kept: no release stands after it.",
        "checked_4": "Each released sum is the sum of what the sources had signed.",
        "checked_5": "No organisation got the same month and category in two periods.",
        "checked_6": "Each signature is by a key that the directory listed at that time.",
        "checked_7": "A text is missing only where an erasure took it.",
        "unsaid": "What this does not say",
        "unsaid_1": "It does not say that a source's figures are true. Neither does a "
        "cosignature: it says only that the log grew and was not rewritten.",
        "unsaid_2": "No total was seen. An auditor cannot open one, and a total is personal data.",
        "unsaid_3": "It does not cover what a vault does outside of its log, or after the last "
        "entry.",
        "unsaid_4": "It does not follow a figure after it was delivered.",
        "findings": "Broken rules",
        "no_findings": "There are none.",
        "index": "Entry",
        "rule": "Rule",
        "reason": "What was found",
        "cut": "Shown: the first {shown} of {all}. The report's data holds all of them.",
        "pictures": "Figures",
        "table": "The numbers as a table",
        "month": "Month",
        "template": "Template",
        "platform": "Platform",
        "count": "Count",
        "how": "What happened",
        "kind": "Kind",
        "no_month": "no month of the calendar",
        "others": "{count} others",
        "other_templates": "other templates",
        "releases": "Releases by month",
        "releases_note": "One total each, to one platform, under one purpose template.",
        "releases_none": "No release stands in this log.",
        "releases_cut": "The last {count} months. The table has all.",
        "releases_told": "From {first} to {last}: {count} releases; the most in one month: "
        "{most}, in {top}. By template: {parts}.",
        "platforms": "Releases by platform",
        "platforms_note": "How many totals each platform received.",
        "refusals": "Refusals by reason",
        "refusals_note": "Asks that the consent did not cover. Nothing was released.",
        "refusals_none": "No ask was refused.",
        "requests": "Requests that ended without consent",
        "requests_note": "Only that it happened is logged, not who was asked.",
        "requests_none": "No request was declined or ran out.",
        "ended": "Stops and pauses",
        "ended_note": "What people did with consents after they gave them.",
        "ended_none": "No consent was stopped, paused or replaced.",
        "gaps": "From the last release to the stop",
        "gaps_note": "How long before its end each ended consent was used last. The first line "
        "must be 0.",
        "gaps_none": "No consent ended.",
        "gaps_kept": "Every stop was kept. The shortest time from a last release to the stop: "
        "{time}.",
        "gaps_time": "The shortest time from a last release to the stop: {time}. See the broken "
        "rules above.",
        "gaps_late": "Releases after a stop: {count}. The longest time after it: {time}.",
        "gaps_unused": "No consent that ended was ever used.",
        "late": "after the stop",
        "webs": "Web app",
        "webs_all": "Lists of what the vault served: {count}. The newest:",
        "webs_one": "entry {index}, {time}:",
        "directories": "Parties and keys",
        "directories_note": "What each version of the directory changed. A larger dot is more "
        "changes.",
        "directories_none": "No directory stands in this log.",
        "version": "Version",
        "when": "Time",
        "changes": "Changes",
        "unchanged": "nothing changed",
        "more": "and {count} more",
        "lane_party": "Parties",
        "lane_key": "Keys",
        "lane_other": "Rules, log",
        "lane_told": "{label}: {count} changes in {versions} versions",
        "kinds": "Entries by kind",
        "kinds_note": "All that the log holds.",
        "kinds_none": "The log holds no entry that could be read.",
        "verify": "How to check this report",
        "verify_1": "Get the auditor's public key from a place that you trust, and not from this "
        "page. Compare it with the auditor's key above.",
        "verify_2": "Save this page and run the command with that key:",
        "verify_3": "The command takes the report's data and its signature out of this page, "
        "checks them, draws the page again and compares every byte. A page that was changed is "
        "refused.",
        "verify_4": "Compare the log's key with the one that you or your platform pinned. Only "
        "then is this a report about the log that you use.",
        "data": "SHA-256 of the report's data",
        "seconds": "{count} seconds",
        "minutes": "{count} minutes",
        "hours": "{count} hours",
        "days": "{count} days",
        "join": ", ",
        "joins": "; ",
        "colon": ": ",
        "letters": "({count} letters)",
        "foot": "This page runs no script and loads nothing.",
    },
    "zh-CN": {
        "title": "审计报告",
        "of": "对日志{origin}的审计",
        "clean": "在{entries}条记录中未发现任何问题。",
        "broken_one": "在{entries}条记录中发现1处违反规则。",
        "broken": "在{entries}条记录中发现{findings}处违反规则。",
        "empty": "日志为空，没有可供审计的内容。",
        "clean_more": "从第一条到最后一条，所有规则均得到遵守。",
        "broken_more": "下文逐一列出，并注明在日志中的位置。",
        "no_auditor": "没有独立的审计方：本报告由运营该保管库的机构自行签署。",
        "no_witness": "没有见证方联署这一检查点。没有其他人确认保管库向所有人出示的是同一份日志。",
        "few_witnesses": "名录要求{quorum}个联署，这一检查点只有{found}个。",
        "demo": "这是一次演示：时钟由人工拨动，人物均为虚构。",
        "unseen": "有{count}条已删除的记录从未被本审计方看到，因此未作判断。位置：{indexes}。",
        "skip": "跳到正文",
        "contents": "本页目录",
        "who": "由谁出具，针对什么",
        "auditor": "审计方",
        "auditor_key": "审计方公钥",
        "unlisted": "未列入该保管库的名录",
        "made": "出具时间",
        "vault": "保管库",
        "log": "日志",
        "log_key": "日志公钥",
        "logs": "各日志（按先后）",
        "log_size": "{origin}：{count}条记录",
        "entries": "审计的记录",
        "range": "第{first}条至第{last}条",
        "nothing": "无",
        "root": "树根",
        "witnesses": "见证方",
        "witness": "{name}，{time}",
        "none_cosigned": "无",
        "time_zone": "所有时间均为{zone}时区。",
        "t_entries": "记录",
        "t_findings": "违规",
        "t_releases": "发放",
        "t_refusals": "拒绝",
        "t_ended": "已结束的同意",
        "t_grants": "有效的同意",
        "t_links": "有效的关联",
        "t_erased": "已删除的记录",
        "means": "这意味着什么",
        "checked": "检查了什么",
        "checked_1": "每条记录都与已签名检查点在该位置所含的内容一致。",
        "checked_2": "每次发放都有当时有效的同意，且符合其用途和期间。",
        "checked_3": "每次停止和暂停都得到遵守：其后没有任何发放。",
        "checked_4": "每次发放的总和都等于各来源已签名的数值之和。",
        "checked_5": "没有机构在两个期间中得到同一月份、同一类别的数字。",
        "checked_6": "每个签名所用的密钥当时都列在名录中。",
        "checked_7": "只有被删除操作涵盖之处才缺少原文。",
        "unsaid": "没有说明什么",
        "unsaid_1": "不说明来源的数据真实。联署同样不说明这一点："
        "联署只表示日志在增长而没有被改写。",
        "unsaid_2": "没有看到任何总量。审计方无法打开总量，而总量属于个人信息。",
        "unsaid_3": "不涵盖保管库在日志之外的行为，也不涵盖最后一条记录之后的行为。",
        "unsaid_4": "不追踪数字发出之后的去向。",
        "findings": "违反规则之处",
        "no_findings": "没有。",
        "index": "记录",
        "rule": "规则",
        "reason": "发现的情况",
        "cut": "此处显示前{shown}项，共{all}项。报告数据包含全部内容。",
        "pictures": "图表",
        "table": "以表格查看数字",
        "month": "月份",
        "template": "用途模板",
        "platform": "平台",
        "count": "数量",
        "how": "情况",
        "kind": "种类",
        "no_month": "不在日历之内",
        "others": "其他{count}个",
        "other_templates": "其他模板",
        "releases": "各月发放次数",
        "releases_note": "每次按一个用途模板向一个平台发放一个总量。",
        "releases_none": "该日志中没有发放。",
        "releases_cut": "图中为最近{count}个月，表格包含全部月份。",
        "releases_told": "{first}至{last}：共发放{count}次；最多的月份为{top}，{most}次。"
        "按用途模板：{parts}。",
        "platforms": "各平台发放次数",
        "platforms_note": "每个平台收到多少个总量。",
        "refusals": "拒绝的原因",
        "refusals_note": "同意未涵盖的索取，没有发放任何内容。",
        "refusals_none": "没有索取被拒绝。",
        "requests": "未获同意即结束的请求",
        "requests_note": "日志只记录发生过这件事，不记录询问了谁。",
        "requests_none": "没有请求被拒绝或过期。",
        "ended": "停止与暂停",
        "ended_note": "人们在同意之后所做的事。",
        "ended_none": "没有同意被停止、暂停或替换。",
        "gaps": "从最后一次发放到停止",
        "gaps_note": "每份已结束的同意，最后一次使用距结束多久。第一行必须为0。",
        "gaps_none": "没有同意结束。",
        "gaps_kept": "所有停止均得到遵守。最后一次发放到停止的最短时间：{time}。",
        "gaps_time": "最后一次发放到停止的最短时间：{time}。请参阅上文违反规则之处。",
        "gaps_late": "停止之后的发放：{count}次。最长在停止后{time}。",
        "gaps_unused": "已结束的同意均从未被使用。",
        "late": "停止之后",
        "webs": "网页应用",
        "webs_all": "保管库公布的网页清单：{count}份。最近的：",
        "webs_one": "第{index}条，{time}：",
        "directories": "参与方与密钥",
        "directories_note": "名录每个版本的变更。圆点越大，变更越多。",
        "directories_none": "该日志中没有名录。",
        "version": "版本",
        "when": "时间",
        "changes": "变更",
        "unchanged": "无变更",
        "more": "另有{count}项",
        "lane_party": "参与方",
        "lane_key": "密钥",
        "lane_other": "规则与日志",
        "lane_told": "{label}：{versions}个版本中有{count}项变更",
        "kinds": "各类记录数量",
        "kinds_note": "日志中的全部内容。",
        "kinds_none": "日志中没有可读的记录。",
        "verify": "如何核验本报告",
        "verify_1": "请从您信任的渠道取得审计方公钥，不要从本页取得，并与上文的审计方公钥核对。",
        "verify_2": "保存本页，并用该公钥运行命令：",
        "verify_3": "该命令从本页取出报告数据及其签名并加以核验，再重新生成页面，逐字节比较。"
        "被改动过的页面会被拒绝。",
        "verify_4": "请将日志公钥与您或您的平台所固定的公钥核对。"
        "一致时，本报告才针对您所用的日志。",
        "data": "报告数据的SHA-256",
        "seconds": "{count}秒",
        "minutes": "{count}分钟",
        "hours": "{count}小时",
        "days": "{count}天",
        "join": "、",
        "joins": "；",
        "colon": "：",
        "letters": "（共{count}个字符）",
        "foot": "本页不运行任何脚本，也不加载任何外部内容。",
    },
}


def say(locale: Locale, key: str, **members: object) -> str:
    """Return a sentence of the page with its members in place; nothing is escaped here."""
    return WORDS[locale][key].format_map(members)


def plain_text(locale: Locale, text: str, most: int = MOST_LETTERS) -> str:
    """Return a text by others, safe to read beside our own words; the caller escapes it.

    What turns, hides or breaks text is written out, such as [U+202E]; past `most` letters it is cut
    and its length is told.
    """
    shown, marks = "", 0
    for letter in text:
        kind = unicodedata.category(letter)
        marks = marks + 1 if kind[0] == "M" else 0
        # Marks without end would be piled up over the lines around them.
        hidden = kind[0] == "C" or kind in ("Zl", "Zp") or marks > MOST_MARKS
        fresh = f"[U+{ord(letter):04X}]" if hidden else letter
        if len(shown) + len(fresh) > most:
            return f"{shown}… {say(locale, 'letters', count=f'{len(text):,}')}"
        shown += fresh
    return shown
