/** Words of the settings. */
export default /** @type {import("../words.js").Words} */ ({
  "settings.open": ["How this vault is opened", "如何打开此保管库"],
  "settings.here": ["On this device", "在此设备上"],
  "settings.device": ["It opens by itself", "自动打开"],
  "settings.passkey": ["With a passkey", "使用通行密钥"],
  "settings.code": ["With the recovery code", "使用恢复码"],
  "settings.stay": ["Keep it open on this device", "在此设备上保持打开"],
  "settings.ask": ["Ask each time", "每次都询问"],
  "settings.all": ["Everything that opens it", "所有打开方式"],
  "settings.waycode": ["Recovery code", "恢复码"],
  "settings.waykey": ["Passkey made here on {day}", "{day} 在此创建的通行密钥"],
  "settings.waykeyother": ["Passkey", "通行密钥"],
  "settings.waybrief": ["Code for another device, ends {when}", "供另一台设备使用的代码，{when}失效"],
  "settings.wayother": ["A passkey or recovery code made on another device",
    "在另一台设备上创建的通行密钥或恢复码"],
  "settings.remove": ["Remove", "移除"],
  "settings.removed": ["Removed. The vault opens to it no more.", "已移除，保管库不再接受它。"],
  "settings.removewhy": [
    "The vault will open to it on no device any more. Devices that stay open are not closed by " +
    "this, and a device on which a passkey opened it before can show what it kept while it has " +
    "no network.",
    "任何设备都不能再用它从保管库打开。已打开的设备不会因此关闭；曾用通行密钥打开过的设备，在没有网络时仍可显示其已存的内容。",
  ],
  "settings.last": ["the only one kept here", "此处仅存这一种"],
  "settings.addkey": ["Add a passkey", "添加通行密钥"],
  "settings.keyadded": ["The passkey opens your vault.", "通行密钥可以打开您的保管库。"],
  "settings.newcode": ["New recovery code", "更换恢复码"],
  "settings.newcodewhy": ["The old code stops working as soon as you have typed the new one, where this device knows it. Else it stays in the list: remove it there.",
    "输入新恢复码后，如本设备知道旧码，旧码立即失效；否则它仍在列表中，请在那里移除。"],
  "settings.newdone": ["The new code works. Destroy the old one.", "新恢复码已生效，请销毁旧码。"],
  "settings.oldstays": [
    "The new code works. If the list still shows the old one, made on another device, remove it " +
    "there.",
    "新恢复码已生效。若列表中仍有在另一台设备上创建的旧码，请将其移除。",
  ],
  "settings.other": ["Open on another device", "在另一台设备上打开"],
  "settings.otherwhy": [
    "Scan this with your other device, or type the code there. Show it to nobody: it opens your " +
    "whole vault. The code ends in ten minutes; a device that opened with it stays able to.",
    "请用另一台设备扫描，或在那里输入代码。不要给任何人看：它能打开整个保管库。代码十分钟后失效，但已用它打开的设备此后仍能打开。",
  ],
  "settings.look": ["Language and look", "语言与外观"],
  "settings.language": ["Language", "语言"],
  "settings.theme": ["Look", "外观"],
  "settings.auto": ["As the device", "跟随设备"],
  "settings.light": ["Light", "浅色"],
  "settings.dark": ["Dark", "深色"],
  "settings.ahead": ["Prepare totals this many months ahead", "提前准备总量的月数"],
  "settings.months": ["{n:month|months}", "{n} 个月"],
  "settings.aheadwhy": [
    "Platforms you allowed get their totals although you do not open the app that long. With 0 " +
    "they wait for you. This is the choice of this device; others have their own. Choosing less " +
    "takes back nothing that is prepared: stop sharing for that.",
    "在这段时间内您无需打开应用，您允许的平台也能收到总量。设为 0 时，平台须等您打开。此项只对本设备有效，其他设备各有设置。" +
    "改小不会收回已备好的总量；如需收回，请停止共享。",
  ],
  "settings.remind": ["A monthly reminder for your calendar", "添加每月日历提醒"],
  "settings.remindwhy": ["We know no address of yours and can write to nobody.",
    "我们没有您的任何联系方式，无法给您发消息。"],
  "settings.event": ["Open Carbon Vault", "打开碳减排保管库"],
  "settings.export": ["Take it with you", "导出"],
  "settings.exportwhy": [
    "The files are opened here and hold all you did. Keep them where only you can read them.",
    "文件在此解密，包含您的全部行为。请存放在只有您能读取的地方。",
  ],
  "settings.json": ["Records, JSON", "记录（JSON）"],
  "settings.csv": ["Records for a spreadsheet, CSV", "记录（CSV 表格）"],
  "settings.archive": ["Everything, signed and sealed", "全部内容（已签名、加密）"],
  "settings.erase": ["Delete this vault", "删除此保管库"],
  "settings.erasewhy": [
    "All links and all sharing end, and your records, sources and consents are deleted. This " +
    "cannot be undone. What stays: for 14 months, marks that keep a receipt from counting twice; " +
    "and your signed statement that you deleted the vault. " +
    "Figures that were already sent cannot be called back: ask for their deletion first, under " +
    "Sharing. The public record keeps hashes only.",
    "所有关联与共享都会结束，您的记录、来源和共享会被删除，无法恢复。会保留的是：防止同一凭证重复计入的标记（14 个月），以及您已签名的删除声明。已发出的数字收不回：请先在“共享”中要求删除。公开记录只保留哈希值。",
  ],
  "settings.eraseword": ["delete", "删除"],
  "settings.erased": ["Your vault is deleted", "您的保管库已删除"],
  "settings.erasedwhy": ["The vault signed and logged this. Keep the receipt if you like.",
    "保管库已签名并记录此事。您可以保存回执。"],
  "settings.receipt": ["Save the receipt", "保存回执"],
  "settings.about": ["About", "关于"],
  "settings.vault": ["Vault", "保管库"],
  "settings.account": ["Your number here", "您在此的编号"],
});
