"""What ``carbonvault audit web`` says, in both languages.

SAYS["bytes"]["en"]      "{path}: the server sends other bytes than its log says."
"""

from __future__ import annotations

from consent.served import Kind
from vault.errors import Locale

SAYS: dict[Kind, dict[Locale, str]] = {
    "bytes": {
        "en": "{path}: the server sends other bytes than its log says.",
        "zh-CN": "{path}：服务器发送的内容与日志所记不同。",
    },
    "missing": {
        "en": "{path}: listed in the log, and not served ({detail}).",
        "zh-CN": "{path}：日志中列有此文件，服务器却没有提供（{detail}）。",
    },
    "answer": {
        "en": "{path}: the answer cannot be compared: {detail}.",
        "zh-CN": "{path}：无法核对此答复（{detail}）。",
    },
    "unlisted": {
        "en": "{path}: the page names it, and the log does not list it.",
        "zh-CN": "{path}：页面引用了它，日志却没有列出。",
    },
    "browser": {
        "en": "{path}: a browser is sent something else than this program.",
        "zh-CN": "{path}：浏览器收到的内容与本程序收到的不同。",
    },
    "headers": {
        "en": "{path}: the security headers are not those in the log.",
        "zh-CN": "{path}：安全标头与日志所记不同。",
    },
    "policy": {
        "en": "{path}: these headers are not those that such a page must have: {detail}.",
        "zh-CN": "{path}：以下标头不是这样的页面必须有的：{detail}。",
    },
    "map": {
        "en": "{path}: the page's import map does not guard it as it is served.",
        "zh-CN": "{path}：页面的导入映射没有按所提供的内容保护它。",
    },
    "page": {
        "en": "{path}: this is no page of this app ({detail}).",
        "zh-CN": "{path}：这不是本应用的页面（{detail}）。",
    },
    "config": {
        "en": "{path}: {detail}.",
        "zh-CN": "{path}：页面的设置与这里固定的不同（{detail}）。",
    },
    "version": {
        "en": "{path}: the page is of another version than the list that the server shows.",
        "zh-CN": "{path}：页面的版本与服务器出示的清单不同。",
    },
    "package": {
        "en": "{path}: not as in this package, though the version is the same.",
        "zh-CN": "{path}：版本相同，内容却与本软件包不同。",
    },
}
LOGGED: dict[Locale, str] = {
    "en": "The list is entry {index} of the log, of {at}. The server says that it is the newest:"
    " an audit counts all of them.",
    "zh-CN": "该清单是日志的第 {index} 条，记于 {at}。服务器称它是最新的；全部清单由审计清点。",
}
LISTS: dict[Locale, str] = {
    "en": "The page compares with the list of the auditor: {lists}.",
    "zh-CN": "该页面与审计方的清单核对：{lists}。",
}
ALONE: dict[Locale, str] = {
    "en": "The page compares with no list of the auditor. By the directory it is at: {lists}.",
    "zh-CN": "该页面不与审计方的清单核对。目录所列的清单位于：{lists}。",
}
GOOD: dict[Locale, str] = {
    "en": "The web app {version} is sent as its log says: {files} files, and the headers.",
    "zh-CN": "网页应用 {version} 与日志所记一致：{files} 个文件及其标头。",
}
OWN: dict[Locale, str] = {
    "en": "Each file is also the one of this package.",
    "zh-CN": "每个文件也都与本软件包相同。",
}
OTHER: dict[Locale, str] = {
    "en": "This package has another version ({own}): nobody here has read that one.",
    "zh-CN": "本软件包的版本不同（{own}）：那个版本未在此核对过源代码。",
}
