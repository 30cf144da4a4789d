// Settings: ways to open the vault, language and look, export, and its end.

import { makeArchive, recordsCsv, recordsJson, rowsOf } from "../archive.js";
import { announce, badge, banner, busy, button, card, choice, confirm, copyable, dialog, el, facts,
  save } from "../dom.js";
import { random, wrapId } from "../keys.js";
import { passkeysOffered, takeBack } from "../lock.js";
import { fetchRelease } from "../methodology.js";
import { qr } from "../qr.js";
import { addWords, away, day, locale, t } from "../words.js";
import { objectsOf } from "../wire.js";
import words from "../words/settings.js";
import { unsure } from "./leaving.js";
import { addPasskey, fours, typeback } from "./start.js";

addWords(words);

/** @import { Ctx } from "./registry.js" */
/** @typedef {{wrap: string, until: number|null}} Wrap */

/** @param {Ctx} ctx */
export const show = (ctx) => el("div.stack", opening(ctx), look(ctx), sharing(ctx), taking(ctx),
  about(ctx), ending(ctx));

/** @param {Ctx} ctx */
const opening = (ctx) => card(t("settings.open"), here(ctx), el("h3", t("settings.all")),
  busy(() => wraps(ctx), (found) => el("ul.list", found.map((one) => way(ctx, found, one)))),
  el("div.row", busy(() => passkeysOffered(ctx.session.config), (offered) => offered
    && button(t("settings.addkey"), () => newPasskey(ctx))),
  button(t("settings.newcode"), () => newCode(ctx)),
  button(t("settings.other"), () => otherDevice(ctx))));

/** @param {Ctx} ctx @param {Ctx["holder"]["wire"]} [wire] @returns {Promise<Wrap[]>} */
async function wraps({ session, holder }, wire = holder.wire) {
  const { body } = await wire.get("/v1/holder/wraps");
  const all = /** @type {Wrap[]} */ (/** @type {unknown} */ (objectsOf(body, "wraps")));
  const keys = session.own?.passkeys ?? [];
  const left = keys.filter((key) => all.some(({ wrap }) => wrap === key.wrap));
  // Removed on another device: it opens nothing here either, once there is a network.
  if (!session.offline && left.length < keys.length) await session.remember({ passkeys: left });
  return all;
}

/** @param {Ctx} ctx */
function here({ session, redraw }) {
  const way = session.own?.way ?? "code", keeps = way === "device";
  const change = async () => {
    await session.keepOpen(!keeps);
    redraw();
  };
  return el("div.item", el("span", t("settings.here"), el("br"),
    el("strong", t(`settings.${way}`))),
  (keeps || session.config.keeps)
    && button(keeps ? t("settings.ask") : t("settings.stay"), change, "quiet"));
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
  await session.reach();
  const sure = { title: t("settings.remove"), text: t("settings.removewhy"), danger: true };
  if (!await confirm(sure)) return;
  await holder.wire.send("DELETE", `/v1/holder/wraps/${wrap}`);
  const passkeys = session.own?.passkeys ?? [], key = passkeys.find((one) => one.wrap === wrap);
  if (key?.id) await takeBack(key.id);
  await session.remember({ passkeys: passkeys.filter((one) => one !== key) });
  announce(t("settings.removed"));
  redraw();
}

/** @param {Ctx} ctx */
async function newPasskey({ session, redraw }) {
  await session.reach();
  announce(await addPasskey(session) ? t("settings.keyadded") : t("start.noprf"));
  redraw();
}

/** @param {Ctx} ctx */
async function newCode(ctx) {
  const { session, holder, redraw } = ctx;
  await session.reach();
  const secret = random(20), old = session.own?.code, place = el("div.stack");
  const put = async (/** @type {(value: boolean) => void} */ close) => {
    const known = (await wraps(ctx, holder.live)).filter(({ until }) => !until);
    await holder.putWrap(secret);
    const found = known.some(({ wrap }) => wrap === old);
    if (found) await holder.wire.send("DELETE", `/v1/holder/wraps/${old}`);
    await session.remember({ code: await wrapId(secret) });
    const keys = session.own?.passkeys ?? [], others = known.filter(({ wrap }) =>
      wrap !== old && !keys.some((key) => key.wrap === wrap));
    close(true);
    announce(t(found && !others.length ? "settings.newdone" : "settings.oldstays"));
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
    picture(`${session.config.vault}/#w=${code}`), copyable(code)],
  (close) => button(t("close"), () => close(null), "primary"));
  redraw();
}

/** A long address has no picture: the code is typed. @param {string} url */
function picture(url) {
  try {
    return qr(url);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return null;
  }
}

/** @param {Ctx} ctx */
const look = ({ session }) => card(t("settings.look"), el("div.grid",
  choice(t("settings.language"), [["zh-CN", "中文"], ["en", "English"]], locale(),
    (to) => session.prefer("locale", to)),
  choice(t("settings.theme"), [["", t("settings.auto")], ["light", t("settings.light")],
    ["dark", t("settings.dark")]], session.prefs.theme ?? "",
    (to) => session.prefer("theme", to))));

/** @param {Ctx} ctx */
const sharing = ({ session }) => card(t("title.consents"),
  choice(t("settings.ahead"), Array.from({ length: 13 }, (_, n) => [`${n}`, t("settings.months", { n })]),
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

/** @param {Ctx} ctx */
function taking(ctx) {
  const { session, holder } = ctx;
  const rows = async () => {
    const directory = await holder.held();
    return rowsOf(await session.links(), (id) => fetchRelease(holder.wire, directory, id),
      directory.listing.zone);
  };
  const keep = (/** @type {string} */ name, /** @type {string} */ type,
    /** @type {() => Promise<string>} */ make) => async () => {
    save(name, type, await make());
    announce(t("saved"));
  };
  return card(t("settings.export"), el("p", t("settings.exportwhy")), unsure(ctx), el("div.row",
    button(t("settings.json"), keep("records.json", "application/json", async () =>
      recordsJson(await rows()))),
    button(t("settings.csv"), keep("records.csv", "text/csv", async () =>
      `\ufeff${recordsCsv(await rows())}`)), // without it a spreadsheet reads no Chinese
    button(t("settings.archive"), keep("carbon-vault.jsonl", "application/jsonl", async () =>
      makeArchive(holder.wire, holder.key, (await holder.held()).listing.vault,
        session.now())))));
}

/** @param {Ctx} ctx */
const about = ({ session, holder }) => card(t("settings.about"), facts([
  [t("settings.vault"), session.config.vault],
  [t("settings.account"), el("span.mono.small", holder.account)],
  [t("version"), el("span.mono.small", session.config.version)]]));

/** @param {Ctx} ctx */
const ending = (ctx) => card(t("settings.erase"), el("p", t("settings.erasewhy")),
  el("div.row", button(t("settings.erase"), () => erase(ctx), "danger")));

/** @param {Ctx} ctx */
async function erase({ session, holder }) {
  await session.reach();
  const sure = { title: t("settings.erase"), text: t("settings.erasewhy"), danger: true };
  if (!await confirm({ ...sure, word: t("settings.eraseword") })) return;
  const { receipt } = await holder.erase();
  // First of all: this page may be closed while the receipt is offered.
  const lost = await session.leave().then(() => null, (error) => error);
  await dialog(t("settings.erased"), el("p", t("settings.erasedwhy")), (close) => [
    button(t("settings.receipt"), () => save("deleted.json", "application/json",
      JSON.stringify(receipt, null, 1))), button(t("close"), () => close(null), "primary")]);
  if (lost) throw lost;
}
