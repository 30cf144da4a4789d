"""What the demonstration's pages say: each key in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "demo": (
        "DEMONSTRATION: no real bank, no real rides. The clock is moved by hand.",
        "演示：不是真实的银行，也没有真实的骑行。时钟由手工拨动。",
    ),
    "clock": ("In this demonstration it is {month}.", "演示中的当前月份：{month}。"),
    "next": ("Next month", "进入下个月"),
    "ended": ("The demonstration ends here.", "演示到此结束。"),
    "back": ("Back", "返回"),
    "look": ("Look again", "再次查看"),
    "refused": ("That did not work", "未能完成"),
    # The bank
    "bank": ("Demo Bank", "演示银行"),
    "offer": ("A better rate for a green loan", "绿色贷款，利率更低"),
    "offer-text": (
        "If you agree, we receive one total of your carbon reductions. No ride, meal or purchase"
        " reaches us. You need not agree: your loan does not depend on it.",
        "如果您同意，我们会收到您的一个碳减排总量，不会收到任何一次骑行、用餐或购物记录。"
        "您可以不同意，这不影响您的贷款。",
    ),
    "period": ("Which months?", "哪几个月？"),
    "last": ("The last quarter: {window}", "上一季度：{window}"),
    "this": ("The running quarter, as it closes: {window}", "本季度，结算后可见：{window}"),
    "connect": ("Connect your carbon account", "连接您的碳账户"),
    "code": ("Show me a code instead", "改为显示代码"),
    "code-title": ("Your code", "您的代码"),
    "code-text": (
        "Enter this code in your own app, on any device. It holds for ten minutes.",
        "请在您自己的应用中输入此代码，任何设备均可。十分钟内有效。",
    ),
    "code-over": ("This request has ended.", "此请求已结束。"),
    "declined": ("They said no. We received nothing.", "对方没有同意，我们没有收到任何数字。"),
    "allowed": ("What we received", "我们收到的数字"),
    "figure": ("{window}: {grams} g of CO2e.", "{window}：{grams} 克二氧化碳当量。"),
    "checked-sources": (
        "Checked against the signature of every source.",
        "已用每个来源的签名核对。",
    ),
    "checked-audited": ("Checked against an auditor's report.", "已用审计报告核对。"),
    "checked-vault": ("Checked against the vault's signed word.", "已用保管库签署的文件核对。"),
    "no-figure": ("{window}: no figure. {why}", "{window}：没有数字。{why}"),
    "forget": ("Leave this page's session", "退出本页会话"),
    # The bike operator
    "bikes": ("East Bikes", "城东单车"),
    "login": ("Log in as a new customer", "以新用户身份登录"),
    "hello": ("You are {name}.", "您是 {name}。"),
    "keep": ("Keep my rides in my carbon account", "将我的骑行存入我的碳账户"),
    "keep-text": (
        "Your rides can be kept in your own carbon account: sealed, for you alone to read.",
        "您的骑行可以存入您自己的碳账户：已加密，只有您能读取。",
    ),
    "link-go": ("Open my carbon account", "打开我的碳账户"),
    "link-type": (
        "Or choose {source} in your app and enter: {nonce}",
        "或在应用中选择 {source}，并输入：{nonce}",
    ),
    "code-field": ("Then paste the link code of your app here", "然后把应用给出的关联码粘贴到这里"),
    "look-at": ("Go on", "继续"),
    "compare": ("Compare six digits", "核对六位数字"),
    "digits": ("Your app must show the same six digits:", "您的应用应显示相同的六位数字："),
    "readable": (
        "Your records will be readable by the holder of this vault. Go on only when it is yours and"
        " the digits are the same.",
        "您的记录将可由此保管库的持有人读取。仅当保管库属于您且数字相同时才继续。",
    ),
    "same": ("They are the same: link", "数字相同，关联"),
    "not-same": ("They are not the same", "数字不同"),
    "answer-text": (
        "Now give your app this answer. Nothing is sent before it has it.",
        "现在把这个答复交给您的应用。在此之前不会发送任何内容。",
    ),
    "answer-go": ("Give it to my carbon account", "交给我的碳账户"),
    "answer-paste": ("Or paste this text there", "或将此文本粘贴到应用中"),
    "linked": (
        "Linked. Rides are sent when the month ends.",
        "已关联。月末发送骑行记录。",
    ),
    "ride": ("A ride of 4.8 km: {grams} g of CO2e", "骑行 4.8 公里：{grams} 克二氧化碳当量"),
    "rides": ("Ride three times", "骑行三次"),
    "unlink": ("End the link", "结束关联"),
}
