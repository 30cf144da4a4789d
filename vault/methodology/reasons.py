"""Why an act counts 0, or less than its formula gives: the words that every behaviour shares.

    reasons.TEXTS["day-cap"]["en"]   "The most that counts in one day was reached."

A behaviour's own exclusions and bounds bring theirs (docs/methodology.md).
"""

from __future__ import annotations

from vault.errors import Locale

TIER_B = "not-accepted"
TIER_Z = "no-published-factor"
WEAK = "weak-evidence"
NOT_METERED = "not-metered"
NO_REGION = "no-factor-for-region"
NO_DATE = "no-factor-for-date"
TOO_SMALL = "below-one-milligram"
ACT_CAP = "act-cap"
DAY_CAP = "day-cap"
MONTH_CAP = "month-cap"
SAME_TIME = "same-time"
EXCLUSIVE = "counted-otherwise"
COLLECTED = "collected"
ELSEWHERE = "registered-elsewhere"
TAKEN_BACK = "taken-back"
ANOTHER = "counted-before"

TEXTS: dict[str, dict[Locale, str]] = {
    TIER_B: {"zh-CN": "该核算方法尚未被采纳。", "en": "This method is not accepted yet."},
    TIER_Z: {"zh-CN": "尚无可采用的公开系数。", "en": "No published factor can be used for this."},
    WEAK: {
        "zh-CN": "证据不足：只有经营方签名或计量的记录才计入。",
        "en": "The evidence is too weak: only what its operator signed or metered counts.",
    },
    NOT_METERED: {
        "zh-CN": "证据不足：这种行为只有经计量或双方确认的记录才计入。",
        "en": "The evidence is too weak: here only what was metered or confirmed from two sides "
        "counts.",
    },
    NO_REGION: {"zh-CN": "行为发生地没有可用的系数。", "en": "There is no factor for this place."},
    NO_DATE: {"zh-CN": "行为当日没有有效的系数。", "en": "No factor was valid on this day."},
    TOO_SMALL: {"zh-CN": "不足一毫克。", "en": "It is less than one milligram."},
    ACT_CAP: {
        "zh-CN": "已达到单次行为的上限，超出部分不计。",
        "en": "It reached the most that one act counts; what lies above is not counted.",
    },
    DAY_CAP: {
        "zh-CN": "已达到当日上限，超出部分不计。",
        "en": "It reached the most that one day counts; what lies above is not counted.",
    },
    MONTH_CAP: {
        "zh-CN": "已达到当月上限，超出部分不计。",
        "en": "It reached the most that one month counts; what lies above is not counted.",
    },
    SAME_TIME: {
        "zh-CN": "同一时间已有另一次出行计入；一个人不能同时进行两次出行。",
        "en": "Another trip at the same time counts already; nobody makes two trips at once.",
    },
    EXCLUSIVE: {
        "zh-CN": "同一行为或同一减排已按另一种行为计入。",
        "en": "The same act or saving counts already as another behaviour.",
    },
    COLLECTED: {
        "zh-CN": "该减排量由平台归集，不计入个人。",
        "en": "The platform collected this reduction; it is not the person's.",
    },
    ELSEWHERE: {
        "zh-CN": "该减排量已在另一机制中登记，不重复计入。",
        "en": "This reduction is registered in another scheme; it counts there only.",
    },
    TAKEN_BACK: {
        "zh-CN": "更正：原记录被经营方撤销。",
        "en": "A correction: the operator took the original record back.",
    },
    ANOTHER: {
        "zh-CN": "同一凭证此前已计入。",
        "en": "The same receipt was counted before.",
    },
}
