// Settings: ways to open the vault, language and look, export, and its end.

import { makeArchive, recordsCsv, recordsJson, rowsOf } from "../archive.js";
import { announce, badge, banner, busy, button, card, choice, confirm, copyable, dialog, el, facts,
  save } from "../dom.js";
import { random, wrapId } from "../keys.js";
import { passkeysOffered, takeBack } from "../lock.js";
import { fetchRelease } from "../methodology.js";
import { qr } from "../qr.js";
import { away, day, locale, t } from "../words.js";
import { objectsOf } from "../wire.js";
import { unsure } from "./request.js";
import { addPasskey, fours, typeback } from "./start.js";

/** @typedef {import("./registry.js").Ctx} Ctx */
/** @typedef {{wrap: string, until: number|null}} Wrap */

/** All settings. @param {Ctx} ctx */
export const show = (ctx) => el("div.stack", opening(ctx), look(ctx), sharing(ctx), taking(ctx),
  about(ctx), ending(ctx));

// How it is opened

/** @param {Ctx} ctx */
const opening = (ctx) => card(t("settings.open"), here(ctx), el("h3", t("settings.all")),
  busy(() => wraps(ctx), (found) => el("ul.list", found.map((one) => way(ctx, found, one)))),
  el("div.row", busy(() => passkeysOffered(ctx.session.config), (offered) => offered
    && button(t("settings.addkey"), () => newPasskey(ctx))),
  button(t("settings.newcode"), () => newCode(ctx)),
  button(t("settings.other"), () => otherDevice(ctx))));

/** @param {Ctx} ctx @returns {Promise<Wrap[]>} */
const wraps = async ({ holder }) =>
  /** @type {any} */ (objectsOf((await holder.wire.get("/v1/holder/wraps")).body, "wraps"));

/** @param {Ctx} ctx */
function here({ session, redraw }) {
  const way = session.own?.way ?? "code", keeps = way === "device";
  const change = async () => {
    await session.keepOpen(!keeps);
    redraw();
  };
  return el("div.item", el("span", t("settings.here"), el("br"),
    el("strong", t(`settings.${way}`))),
  button(keeps ? t("settings.ask") : t("settings.stay"), change, "quiet"));
}

/** @param {Ctx} ctx @param {Wrap[]} all @param {Wrap} one */
const way = (ctx, all, one) => el("li.item", el("span", wayName(ctx, one)),
  one.until || all.filter(({ until }) => !until).length > 1
    ? button(t("settings.remove"), () => remove(ctx, one), "quiet")
    : badge("", t("settings.last")));

/** @param {Ctx} ctx @param {Wrap} one */
function wayName({ session }, { wrap, until }) {
  if (until) return t("settings.waybrief", { when: away(until, session.now()) });
  const key = session.own?.passkeys.find((one) => one.wrap === wrap);
  if (key) return key.at ? t("settings.waykey", { day: day(key.at) }) : t("settings.waykeyother");
  return session.own?.code === wrap ? t("settings.waycode") : t("settings.wayother");
}

/** @param {Ctx} ctx @param {Wrap} one */
async function remove({ session, holder, redraw }, { wrap }) {
  const sure = { title: t("settings.remove"), text: t("settings.removewhy"), danger: true };
  if (!await confirm({ ...sure, yes: t("settings.remove") })) return;
  await holder.wire.send("DELETE", `/v1/holder/wraps/${wrap}`);
  const passkeys = session.own?.passkeys ?? [], key = passkeys.find((one) => one.wrap === wrap);
  if (key?.id) await takeBack(key.id);
  await session.remember({ passkeys: passkeys.filter((one) => one !== key) });
  announce(t("settings.removed"));
  redraw();
}

/** @param {Ctx} ctx */
async function newPasskey({ session, redraw }) {
  announce(await addPasskey(session) ? t("settings.keyadded") : t("start.noprf"));
  redraw();
}

/** @param {Ctx} ctx */
async function newCode({ session, holder, redraw }) {
  const secret = random(20), old = session.own?.code, place = el("div.stack");
  const put = async (/** @type {(value: boolean) => void} */ close) => {
    const known = await wraps(/** @type {any} */ ({ holder }));
    await holder.putWrap(secret);
    await session.remember({ code: await wrapId(secret) });
    const found = known.some(({ wrap, until }) => wrap === old && !until);
    if (found) await holder.wire.send("DELETE", `/v1/holder/wraps/${old}`);
    close(true);
    announce(found ? t("settings.newdone") : t("settings.oldstays"));
    redraw();
  };
  await dialog(t("settings.newcode"), place, (close) => {
    const see = () => place.replaceChildren(el("p", t("settings.newcodewhy")), fours(secret),
      banner("warn", t("start.warn")), button(t("start.written"), () =>
        place.replaceChildren(typeback(secret, see, () => put(close))), "primary"));
    see();
    return button(t("cancel"), () => close(false), "quiet");
  });
}

/** @param {Ctx} ctx */
async function otherDevice({ session, holder, redraw }) {
  const code = await holder.showDeviceCode();
  await dialog(t("settings.other"), [el("p", t("settings.otherwhy")),
    qr(`${session.config.vault}/#w=${code}`), copyable(code)],
  (close) => button(t("close"), () => close(null), "primary"));
  redraw();
}

// Language, look, sharing

/** @param {Ctx} ctx */
const look = ({ session }) => card(t("settings.look"), el("div.grid",
  choice(t("settings.language"), [["zh-CN", "中文"], ["en", "English"]], locale(),
    (to) => session.prefer("locale", to)),
  choice(t("settings.theme"), [["", t("settings.auto")], ["light", t("settings.light")],
    ["dark", t("settings.dark")]], session.prefs.theme ?? "",
    (to) => session.prefer("theme", to))));

/** @param {Ctx} ctx */
const sharing = ({ session }) => card(t("settings.sharing"),
  choice(t("settings.ahead"), Array.from({ length: 13 }, (_, n) => [`${n}`, `${n}`]),
    `${session.ahead}`, (to) => session.prefer("ahead", Number(to))),
  el("p.small.mute", t("settings.aheadwhy")),
  el("div.row", button(t("settings.remind"), () => save("carbon-vault.ics", "text/calendar",
    calendar(session.config.vault, session.now())))),
  el("p.small.mute", t("settings.remindwhy")));

/** A monthly reminder, as a calendar file. @param {string} url @param {number} now unix seconds */
export function calendar(url, now) {
  const stamp = new Date(now * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
  return ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Carbon Vault//EN", "BEGIN:VEVENT",
    `UID:monthly@${new URL(url).hostname}`, `DTSTAMP:${stamp}`,
    `DTSTART;VALUE=DATE:${stamp.slice(0, 6)}12`, "RRULE:FREQ=MONTHLY;BYMONTHDAY=12",
    `SUMMARY:${t("settings.event")}`, `URL:${url}`, "END:VEVENT", "END:VCALENDAR", ""].join("\r\n");
}

// Export

/** @param {Ctx} ctx */
function taking(ctx) {
  const { session, holder } = ctx;
  const rows = async () => {
    const directory = await session.directory();
    return rowsOf(await session.links(), (id) => fetchRelease(holder.wire, directory, id),
      directory.listing.zone);
  };
  const keep = (/** @type {string} */ name, /** @type {string} */ type,
    /** @type {() => Promise<string>} */ make) => async () => {
    save(name, type, await make());
    announce(t("settings.saved"));
  };
  return card(t("settings.export"), el("p", t("settings.exportwhy")), unsure(ctx), el("div.row",
    button(t("settings.json"), keep("records.json", "application/json", async () =>
      recordsJson(await rows()))),
    button(t("settings.csv"), keep("records.csv", "text/csv", async () =>
      `\ufeff${recordsCsv(await rows())}`)), // without it a spreadsheet reads no Chinese
    button(t("settings.archive"), keep("carbon-vault.jsonl", "application/jsonl", async () =>
      makeArchive(holder.wire, holder.key, (await session.directory()).listing.vault,
        session.now())))));
}

// About, and the end

/** @param {Ctx} ctx */
const about = ({ session, holder }) => card(t("settings.about"), facts([
  [t("settings.vault"), session.config.vault],
  [t("settings.account"), el("span.mono.small", holder.account)],
  [t("settings.version"), el("span.mono.small", session.config.version)]]));

/** @param {Ctx} ctx */
const ending = (ctx) => card(t("settings.erase"), el("p", t("settings.erasewhy")),
  el("div.row", button(t("settings.erase"), () => erase(ctx), "danger")));

/** @param {Ctx} ctx */
async function erase({ session, holder, redraw }) {
  const sure = { title: t("settings.erase"), text: t("settings.erasewhy"), danger: true };
  if (!await confirm({ ...sure, yes: t("settings.erase"), word: t("settings.eraseword") })) return;
  const { receipt } = await holder.erase();
  await dialog(t("settings.erased"), el("p", t("settings.erasedwhy")), (close) => [
    button(t("settings.receipt"), () => save("deleted.json", "application/json",
      JSON.stringify(receipt, null, 1))), button(t("close"), () => close(null), "primary")]);
  await session.leave();
  redraw();
}
