/** Words of the way in: start and lock. */
export default /** @type {import("../words.js").Words} */ ({
  "start.lead": ["Your green trips, meals and purchases, counted for you alone.",
    "您的绿色出行、饮食与消费，只为您自己核算。"],
  "start.what": [
    "The services you choose send sealed records here. Only your devices can open them; this " +
    "vault cannot. A bank or a city receives a total only if you allow it, and never a single " +
    "record.",
    "您选定的服务把加密记录送到这里。只有您的设备能打开，本保管库也打不开。只有经您允许，银行或城市才会收到一个总量，而绝不会收到任何一条记录。",
  ],
  "start.make": ["Make a vault", "创建保管库"],
  "start.open": ["Open my vault here", "在此打开我的保管库"],
  "start.recover": ["I have only my recovery code", "我只有恢复码"],
  "start.nothing": ["No e-mail address, no phone number.", "无需邮箱，也无需手机号。"],
  "start.over14": ["I am 14 or older", "我已年满 14 周岁"],
  "start.only14": ["A vault can be made from the age of 14.", "年满 14 周岁方可创建保管库。"],
  "start.warn": [
    "Without this code and without a passkey nobody can open this vault again, neither you nor " +
    "we. Write it down on paper.",
    "没有恢复码也没有通行密钥，任何人都无法再打开这个保管库，您和我们都不例外。请把它抄写在纸上。",
  ],
  "start.lost": ["If both are lost", "如果两者都丢失"],
  "start.lostwhat": [
    "You make a new vault. Your sources end the old link when you ask them, and what you allowed " +
    "runs out by itself.",
    "您可以创建新的保管库。来源会应您的要求结束旧的关联，您此前允许的共享会自行到期。",
  ],
  "start.code": ["Your recovery code", "您的恢复码"],
  "start.once": ["It is shown only now.", "只在此刻显示一次。"],
  "start.written": ["I have written it down", "我已抄好"],
  "start.typeback": ["Type your recovery code", "请输入您的恢复码"],
  "start.typebackhint": ["From what you wrote down. Case and dashes do not matter.",
    "请照您抄写的输入，大小写和短横线不限。"],
  "start.differs": ["This is not the code that was shown. Compare it with what you wrote down.",
    "与显示的恢复码不一致，请与您抄写的核对。"],
  "start.see": ["Show the code again", "再看一次恢复码"],
  "start.how": ["How do you want to open it from now on?", "今后您想怎样打开？"],
  "start.bypasskey": ["With a passkey", "使用通行密钥"],
  "start.bypasskeyhint": [
    "Fingerprint, face or PIN of this device. Works on your other devices too where passkeys are " +
    "shared.",
    "使用本设备的指纹、面容或 PIN。若通行密钥在您的设备间同步，其他设备也可使用。",
  ],
  "start.byitself": ["By itself on this device", "在此设备上自动打开"],
  "start.byitselfhint": ["Only on a device that nobody else uses.", "仅限他人不会使用的设备。"],
  "start.bycode": ["With the code each time", "每次输入恢复码"],
  "start.noprf": [
    "This passkey cannot open a vault, so it was taken back. If your list of passkeys still " +
    "shows it, delete it there.",
    "这个通行密钥无法打开保管库，已将其收回。如果您的通行密钥列表中仍有它，请在那里删除。",
  ],
  "start.usecode": ["Recovery code, or the code on your other device", "恢复码，或另一台设备上显示的代码"],
  "start.usecodehint": ["Your other device shows one under Settings: Open on another device.",
    "另一台设备的“设置 → 在另一台设备上打开”中可显示代码。"],
  "start.openit": ["Open", "打开"],
  "start.scanned": [
    "A code is filled in. Go on only if you yourself showed it on your other device.",
    "已填入代码。仅当它是您本人在另一台设备上显示的，才继续。",
  ],
  "start.replace": ["Open the other vault here", "在此打开另一个保管库"],
  "start.replacewhy": [
    "This device has had another vault so far. It is forgotten here, and stays at the vault.",
    "此设备此前使用的是另一个保管库，将从此设备移除；它在保管库中仍然保留。",
  ],
  "start.ready": ["Your vault is open.", "您的保管库已打开。"],
  "start.hint": ["Nothing in it can be read on this device until you open it.",
    "在您打开之前，此设备无法读取其中任何内容。"],
  "start.leave": ["Forget this vault here", "从此设备移除保管库"],
  "start.leavewhy": [
    "Nothing is deleted at the vault. To open it here again you need your recovery code, a " +
    "passkey or another device.",
    "保管库中的内容不会被删除。要再次在此打开，需要恢复码、通行密钥或另一台设备。",
  ],
});
