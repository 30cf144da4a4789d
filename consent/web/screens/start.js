// The way in: make a vault, or open one (docs/protocol.md section 4).

import { announce, banner, busy, button, card, check, confirm, el, field, icon, link,
  more, trouble } from "../dom.js";
import { VaultError, isError } from "../errors.js";
import { random, readCode, wrapId, writeCode } from "../keys.js";
import { bring } from "../late.js";
import { askPasskey, makePasskey, openBy, openByCode, passkeysOffered, takeBack }
  from "../lock.js";
import { sentence, t } from "../words.js";
import { objectsOf } from "../wire.js";

/** @import { Ctx } from "./registry.js" */
/** @import { Session } from "../session.js" */

/** What this is, and the ways in. @param {Ctx} ctx */
export function show(ctx) {
  const place = el("div.stack");
  /** @param {(ctx: Ctx, turn: any) => Node} part */
  const turn = (part) => {
    place.replaceChildren(part(ctx, turn));
    (place.querySelector("input") ?? place.querySelector("textarea"))?.focus();
  };
  place.append(ctx.session.handed ? opening(ctx, turn) : welcome(ctx, turn));
  return place;
}

/** @typedef {(part: (ctx: Ctx, turn: any) => Node) => void} Turn */

/** @param {Ctx} _ctx @param {Turn} turn */
const welcome = (_ctx, turn) => el("div.stack",
  el("section.card.hero", icon("vault"), el("p.lead", t("start.lead")), el("p", t("start.what")),
    el("p", link(t("title.limits"), "limits"))),
  el("div.stack.wide", button(t("start.make"), () => turn(age), "primary"),
    button(t("start.open"), () => turn(opening)), button(t("start.recover"), () => turn(opening),
      "quiet")),
  el("p.small.mute", t("start.nothing")));

/** @param {Ctx} ctx @param {Turn} turn */
function age({ session }, turn) {
  bring();
  const over = check(t("start.over14")), wrong = el("p.wrong", { role: "alert" });
  return card("", over.node, wrong, el("div.row", button(t("next"), async () => {
    wrong.textContent = over.input.checked ? "" : t("start.only14");
    if (!over.input.checked) return;
    await session.reach();
    turn((ctx, next) => code(ctx, next, random(20), random(20)));
  }, "primary"), button(t("back"), () => turn(welcome), "quiet")));
}

/** The code in fours, to be written down. @param {Uint8Array} secret @returns {HTMLElement} */
export const fours = (secret) => el("ol.fours.mono",
  writeCode(secret).split("-").map((four) => el("li", four)));

/** @param {Ctx} ctx @param {Turn} turn @param {Uint8Array} secret @param {Uint8Array} root
 * @returns {HTMLElement} */
const code = (ctx, turn, secret, root) => card(t("start.code"), el("p", t("start.once")),
  fours(secret), banner("warn", t("start.warn")), more(t("start.lost"), el("p", t("start.lostwhat"))),
  button(t("start.written"), () => turn(() => typeback(secret,
    () => turn(() => code(ctx, turn, secret, root)), async () => {
      await make(ctx, secret, root);
      turn(ways);
    })), "primary"));

/** Asks for a code to be typed back before anything goes on. @param {Uint8Array} secret
 * @param {() => unknown} again shows the code again @param {() => Promise<unknown>} done */
export function typeback(secret, again, done) {
  const typed = codeField(t("start.typeback"), t("start.typebackhint"));
  return card("", typed.node, el("div.row", button(t("next"), async () => {
    if (same(typed.input.value, secret)) await done();
    else typed.fail(t("start.differs"));
  }, "primary"), button(t("start.see"), again, "quiet")));
}

/** Enter presses the card's button. @param {string} label @param {string} hint */
function codeField(label, hint) {
  const typed = field(label, { class: "mono", autocapitalize: "characters", spellcheck: "false",
    maxlength: 60, rows: 3, onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      typed.node.parentNode?.querySelector("button")?.click();
    } }, hint);
  return typed;
}

/** @param {string} typed @param {Uint8Array} secret */
function same(typed, secret) {
  try {
    return writeCode(readCode(typed)) === writeCode(secret);
  } catch {
    return false;
  }
}

/** @param {Ctx} ctx @param {Uint8Array} secret @param {Uint8Array} root */
async function make({ session }, secret, root) {
  await session.unlock(root, true);
  await session.holder?.putWrap(secret);
  await session.remember({ code: await wrapId(secret) });
}

/** How this device opens it from now on. @param {Ctx} ctx */
const ways = (ctx) => {
  const { session } = ctx;
  const done = async (/** @type {boolean} */ keep) => {
    await session.keepOpen(keep);
    session.handed = "";
    announce(t("start.ready"));
    ctx.redraw();
  };
  const said = el("div");
  return el("div.stack", said, busy(() => passkeysOffered(session.config), (offered) => card(
    t("start.how"),
    offered && way("start.bypasskey", "start.bypasskeyhint", async () => {
      if (await addPasskey(session)) await done(false);
      else said.replaceChildren(banner("warn", t("start.noprf")));
    }, "primary"),
    session.config.keeps
      && way("start.byitself", "start.byitselfhint", () => done(true), offered ? "" : "primary"),
    way("start.bycode", "", () => done(false), "quiet"))));
};

/** @param {string} words @param {string} hint @param {() => unknown} act @param {string} kind */
const way = (words, hint, act, kind) => el("div.stack.wide", button(t(words), act, kind),
  hint && el("p.small.mute", t(hint)));

/** Makes a passkey that opens the open vault; false when this one cannot, and was taken back.
 * @param {Session} session @returns {Promise<boolean>} */
export async function addPasskey(session) {
  const holder = /** @type {import("../holder.js").Holder} */ (session.holder);
  const made = await makePasskey(`Carbon Vault ${holder.account.slice(0, 6)}`);
  if (!made) return false;
  await holder.putWrap(made.secret).catch(async (error) => {
    await takeBack(made.id); // it would open nothing
    throw error;
  });
  const { wrap, blob } = await openBy(session.wire, made.secret);
  await session.remember({ passkeys: [...session.own?.passkeys ?? [],
    { id: made.id, wrap, blob, at: session.now() }] });
  return true;
}

/** @param {Ctx} ctx @param {Turn} turn */
function opening(ctx, turn) {
  const { session } = ctx, warned = el("div", { hidden: true });
  bring();
  // Before a code is typed; without a network what this device keeps is opened all the same.
  session.directory().catch((error) => {
    if (warned.hidden = !isError(error, "bad-directory", "bad-proof")) return;
    warned.replaceChildren(trouble(error));
  });
  return el("div.stack", warned, session.handed && banner("info", t("start.scanned")),
    busy(() => passkeysOffered(session.config), (offered) => offered && card("",
      passkeyButton(ctx, (root) => opened(ctx, turn, root)))),
    codeForm(ctx, (root) => opened(ctx, turn, root)),
    button(t("back"), () => turn(welcome), "quiet"));
}

/** @param {Ctx} ctx @param {Turn} turn @param {Uint8Array} root */
async function opened({ session }, turn, root) {
  if (await enter(session, root)) turn(ways);
}

/** Opens the vault of a root; asks first where this device has another one.
 * @param {Session} session @param {Uint8Array} root @returns {Promise<boolean>} */
export async function enter(session, root) {
  const sure = { title: t("start.replace"), text: t("start.replacewhy"), danger: true };
  if (await session.holdsOther(root) && !await confirm(sure)) return false;
  await session.unlock(root);
  return true;
}

/** Opens by a passkey. @param {Ctx} ctx @param {(root: Uint8Array) => Promise<void>} done
 * @returns {HTMLElement} */
export const passkeyButton = ({ session }, done) => el("div.stack.wide",
  button(t("start.bypasskey"), async () => {
    const secret = await askPasskey();
    if (!secret) throw new VaultError("bad-code", "the passkey gave no secret");
    const name = await wrapId(secret), known = () => session.own?.passkeys ?? [];
    const others = () => known().filter(({ wrap }) => wrap !== name);
    const kept = known().find(({ wrap }) => wrap === name)?.blob;
    const { root, wrap, blob } = await openBy(session.wire, secret, kept).catch(async (error) => {
      if (kept && isError(error, "not-found")) await session.remember({ passkeys: others() });
      throw error;
    });
    await done(root);
    if (session.holder && others().length === known().length)
      await session.remember({ passkeys: [...others(), { id: "", wrap, blob, at: 0 }] });
  }, "primary"));

/** The code that opened the vault is what a new code ends, unless another device showed it.
 * @param {Session} session @param {string} name of its wrap */
async function keepCode(session, name) {
  const told = await session.holder?.wire.get("/v1/holder/wraps").catch(() => null);
  const found = told && objectsOf(told.body, "wraps").find(({ wrap }) => wrap === name);
  if (found && !found.until) await session.remember({ code: name });
}

/** Opens by a typed code. @param {Ctx} ctx @param {(root: Uint8Array) => Promise<void>} done
 * @returns {HTMLElement} */
export function codeForm({ session }, done) {
  const typed = codeField(t("start.usecode"), t("start.usecodehint")), said = el("div.stack");
  typed.input.value = session.handed;
  return card("", said, typed.node, el("div.wide", button(t("start.openit"), async () => {
    try {
      const { root, wrap } = await openByCode(session.wire, typed.input.value);
      typed.fail("");
      await done(root);
      await keepCode(session, wrap);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      const wrong = isError(error, "bad-code", "bad-seal", "not-found");
      typed.fail(wrong ? sentence(error) : "");
      said.replaceChildren(wrong ? "" : trouble(error));
    }
  }, "primary")));
}
