"""The words for what a report counts, in zh-CN and en: kinds, rules, reasons, ends, changes.

name_of("en", KINDS, "grant")       "consents"; what is not listed is told by its own name
rule_name("zh-CN", "shrunk")        "日志只增不减"
"""

from __future__ import annotations

from consent.report.words import Names, plain_text
from vault.errors import Locale

KINDS: Names = {
    "en": {
        "directory": "directories",
        "account": "vaults opened",
        "bind": "first contacts with an organisation",
        "attach": "links made",
        "unlink": "links ended",
        "close": "monthly closes",
        "absent": "months without a figure",
        "reject": "closes rejected",
        "grant": "consents",
        "token": "tokens",
        "revoke": "stops",
        "pause": "pauses",
        "resume": "resumptions",
        "release": "releases",
        "refusal": "refusals",
        "erase": "deletions asked for",
        "erased": "deletions done",
        "figure": "published figures",
        "web": "versions of the web app",
    },
    "zh-CN": {
        "directory": "名录",
        "account": "开立保管库",
        "bind": "与机构的首次联系",
        "attach": "建立关联",
        "unlink": "解除关联",
        "close": "月结",
        "absent": "没有数据的月份",
        "reject": "被拒的月结",
        "grant": "同意",
        "token": "令牌",
        "revoke": "停止",
        "pause": "暂停",
        "resume": "恢复",
        "release": "发放",
        "refusal": "拒绝",
        "erase": "要求删除",
        "erased": "完成删除",
        "figure": "公布的数字",
        "web": "网页应用版本",
    },
}

# Rules that are named after no kind of entry.
RULES: Names = {
    "en": {
        "text": "a readable entry",
        "leaf": "the text of each entry",
        "root": "the tree of the checkpoint",
        "at": "times that never fall",
        "shrunk": "a log that only grows",
        "forked": "one history",
        "witness": "enough witnesses",
        "log": "one log after another",
    },
    "zh-CN": {
        "text": "记录可读",
        "leaf": "每条记录的原文",
        "root": "检查点的树",
        "at": "时间不倒退",
        "shrunk": "日志只增不减",
        "forked": "只有一种历史",
        "witness": "见证方足够",
        "log": "日志前后相接",
    },
}

REASONS: Names = {
    "en": {
        "revoked": "the person had stopped sharing",
        "paused": "the person had paused sharing",
        "expired": "the consent had run out",
        "purpose": "not a purpose of the consent",
        "retired": "already used up exclusively",
        "declined": "the person said no",
        "other": "other reasons",
    },
    "zh-CN": {
        "revoked": "此人已停止共享",
        "paused": "此人已暂停共享",
        "expired": "同意已到期",
        "purpose": "不属于所同意的用途",
        "retired": "已被独占使用",
        "declined": "此人没有同意",
        "other": "其他原因",
    },
}

# A request runs out, a consent expires: one slug, two things.
REQUEST_REASONS: Names = {
    "en": {"declined": "the person said no", "expired": "nobody answered in time"},
    "zh-CN": {"declined": "此人没有同意", "expired": "未及时答复"},
}

ENDS: Names = {
    "en": {
        "revoked": "stopped",
        "replaced": "replaced by new terms",
        "erased": "ended with the vault's deletion",
        "paused": "paused",
        "resumed": "resumed",
    },
    "zh-CN": {
        "revoked": "停止共享",
        "replaced": "被新条款替换",
        "erased": "随保管库删除而结束",
        "paused": "暂停",
        "resumed": "恢复",
    },
}

BUCKETS: Names = {
    "en": {
        "hour": "within an hour before",
        "day": "1 to 24 hours before",
        "week": "1 to 7 days before",
        "month": "7 to 31 days before",
        "quarter": "31 to 92 days before",
        "longer": "more than 92 days before",
        "never": "never used",
    },
    "zh-CN": {
        "hour": "停止前一小时内",
        "day": "停止前1至24小时",
        "week": "停止前1至7天",
        "month": "停止前7至31天",
        "quarter": "停止前31至92天",
        "longer": "停止前92天以上",
        "never": "从未使用",
    },
}

CHANGES: Names = {
    "en": {
        "party-added": "party added",
        "party-ended": "party without a valid key",
        "party-changed": "entry changed",
        "key-added": "signing key added",
        "key-ended": "signing key withdrawn",
        "seal-added": "sealing key added",
        "seal-ended": "sealing key withdrawn",
        "release": "methodology in force",
        "log": "log or witnesses set",
        "next": "auditor's next key",
        "knet": "yearly key sealed",
        "demo": "demonstration mark",
    },
    "zh-CN": {
        "party-added": "新增参与方",
        "party-ended": "参与方不再有有效密钥",
        "party-changed": "条目变更",
        "key-added": "新增签名密钥",
        "key-ended": "停用签名密钥",
        "seal-added": "新增加密密钥",
        "seal-ended": "停用加密密钥",
        "release": "方法学生效",
        "log": "设定日志或见证方",
        "next": "审计方下一把密钥",
        "knet": "年度密钥已密封",
        "demo": "演示标记",
    },
}


def name_of(locale: Locale, names: Names, key: str) -> str:
    """Return the word for a kind, reason or rule; one that is not listed is told as it stands."""
    return names[locale].get(key) or plain_text(locale, key)


def rule_name(locale: Locale, rule: str) -> str:
    """Return the words for a finding's rule."""
    return RULES[locale].get(rule) or name_of(locale, KINDS, rule)
