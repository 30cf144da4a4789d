// One consent: what was agreed, every figure that left, what comes, pause, stop, receipt.
import { announce, badge, banner, busy, button, card, dialog, el, empty, facts, link, more, save,
  skeleton, trouble } from "../dom.js";
import { nameOf } from "../directory.js";
import { exportRecord, historyOf } from "../dpv.js";
import { textHash } from "../encoding.js";
import { fetchListed } from "../lists.js";
import { compareRelease, readTokens, unchecked } from "../reading.js";
import { begin, coming, isOver, lastDay, purposeWords, scopeWords, standingIn, stepWords, turnWords,
  whatWords } from "../sharing.js";
import { mintedFor } from "../state.js";
import { fetchTemplates } from "../templates.js";
import { locale, mass, span, t, time } from "../words.js";
import { noticeParts, receiptButton } from "./decision.js";
import { unsure } from "./leaving.js";

/** @import { Ctx } from "./registry.js" */
/** @import { Directory } from "../directory.js" */
/** @import { Grant, OwnGrant } from "../side.js" */
/** @import { Compared } from "../reading.js" */
/** @import { Coming, Standing, Use } from "../sharing.js" */
/** @import { Templates } from "../templates.js" */
/** @typedef {{own: OwnGrant, owns: OwnGrant[], directory: Directory, templates: Templates | null,
 *   name: string, standing: Standing, pause: HTMLElement}} One templates: null where they could
 *   not be read; pause: the button */

/** The consent that the address names. @param {Ctx} ctx @returns {Promise<Node>} */
export async function show(ctx) {
  const { session, holder, params } = ctx, id = params.get("id");
  const [owns, directory, templates] = await Promise.all([session.grants(), holder.held(),
    readTemplates(holder)]);
  const own = owns.find(({ grant }) => grant.grant === id);
  if (!own) return empty(t("consents.unknown"), "", link(t("consents.tolist"), "consents", "btn"));
  const name = nameOf(directory, own.grant.platform);
  const standing = standingIn(ctx, own);
  const pause = button(t("consents.pause"), () => pauseFlow(ctx, own, name));
  const one = { own, owns, directory, templates, name, standing, pause };
  ctx.title(name);
  return el("div.stack", top(ctx, one), unsure(ctx), moving(ctx, one), terms(ctx, one),
    papers(ctx, one));
}

// What ends a consent stands on nothing that a vault or a platform may leave out: names and words
// that cannot be had cost themselves only.

/** The templates, null where they cannot be read. @param {Ctx["holder"]} holder */
export const readTemplates = (holder) => fetchTemplates(holder.wire).catch(() => null);

/** What a template says of itself; its id where its words cannot be had.
 * @param {Templates | null} templates @param {string} name
 * @returns {{purpose: string, benefit: string}} */
export const aimOf = (templates, name) => templates && Object.hasOwn(templates, name)
  ? templates[name].text[locale()] : { purpose: name, benefit: "" };

/** Whether a stop or a pause of this device is one that the vault has not proved.
 * @param {Standing} at */
export const isUnproved = (at) => ["unconfirmed", "pausing"].includes(at);

/** The figures; what stands there stays until newer ones are read.
 * @param {Ctx} ctx @param {One} one */
function moving(ctx, one) {
  const place = el("div.stack", skeleton());
  const draw = () => {
    figures(ctx, one).then((cards) => place.replaceChildren(...el("div", cards).childNodes),
      (error) => place.replaceChildren(trouble(error, draw), deletion(ctx, one)));
    return place;
  };
  return ctx.live(draw);
}

/** @type {Record<string, "good" | "warn">} */
const KINDS = { live: "good", paused: "warn", pausing: "warn", unconfirmed: "warn" };

/** Where a consent stands, as a mark. @param {Standing | "declined" | "unanswered"} at
 * @returns {HTMLElement} */
export const standingBadge = (at) => badge(KINDS[at] ?? "", t(`consents.state.${at}`));

/** @param {Ctx} ctx @param {One} one */
function top(ctx, one) {
  const { own, standing, name, templates } = one;
  const { grant } = own, { session } = ctx, { purpose } = aimOf(templates, grant.template);
  const head = el("p.row.between", el("strong", begin(purpose)), standingBadge(standing));
  return isUnproved(standing) ? card("", head, unproved(ctx, own, name, standing)) : card("", head,
    el("p", begin(scopeWords(grant.categories)), " · ", span(grant.first, grant.last), " · ",
      stepWords(grant.step)),
    isOver(standing) ? el("p", t(`consents.over.${standing}`, { name, ...lastDay(grant) })) : [
      el("p.mute", t("consents.runsout", lastDay(grant, session.now()))),
      standing === "paused" && banner("warn", t("consents.pausewhy")),
      el("div.row", stopButton(ctx, own, name), standing === "paused"
        ? button(t("consents.resume"), () => resume(ctx, own))
        : one.pause)]);
}

/** @param {Ctx} ctx @param {OwnGrant} own @param {string} name */
const stopButton = (ctx, own, name) =>
  button(t("consents.stop"), () => stopFlow(ctx, own, name), "danger");

/** A stop or a pause that the vault has not proved: what it means, and once more.
 * @param {Ctx} ctx @param {OwnGrant} own @param {string} name of the platform
 * @param {Standing} at @returns {HTMLElement} */
export function unproved(ctx, own, name, at) {
  const { holder } = ctx, { grant } = own, paused = at === "pausing";
  const again = async () => {
    await tried(ctx, () => paused ? holder.pause(grant) : holder.stop(grant));
    done(ctx, t(paused ? "consents.nowpaused" : "consents.stopped"));
  };
  return el("div.stack", banner("warn",
    t(paused ? "consents.unpaused" : "consents.unconfirmed", { name })), el("div.row",
    button(t("again"), again, "primary"), paused && stopButton(ctx, own, name)));
}

/** An act that fails may be recorded here all the same: what stands now is shown.
 * @param {Ctx} ctx @param {() => Promise<unknown>} act */
async function tried({ session, redraw }, act) {
  try {
    await act();
  } catch (error) {
    session.forget();
    redraw();
    throw error;
  }
}

/** @param {Ctx} ctx @param {string} said */
function done({ session, redraw }, said) {
  session.forget();
  announce(said);
  redraw();
}

/** @param {Ctx} ctx @param {OwnGrant} own */
async function resume(ctx, { grant }) {
  await tried(ctx, () => ctx.holder.resume(grant));
  done(ctx, t("consents.resumed"));
}

/** @param {Ctx} ctx @param {OwnGrant} own @param {string} name */
async function pauseFlow(ctx, own, name) {
  await ctx.session.reach();
  const answer = await dialog(t("consents.pauseask", { name }), el("p",
    t("consents.pausewhy")), (close) => [button(t("cancel"), () => close(null)),
    button(t("consents.stopinstead"), () => close("stop"), "danger"),
    button(t("consents.pause"), () => close("pause"), "primary")]);
  if (answer === "stop") return stopFlow(ctx, own, name);
  if (answer !== "pause") return;
  await tried(ctx, () => ctx.holder.pause(own.grant));
  done(ctx, t("consents.nowpaused"));
}

/** Stops sharing: what follows, with or without asking to delete, then what proves it.
 * @param {Ctx} ctx @param {OwnGrant} own @param {string} name of the platform */
export async function stopFlow(ctx, own, name) {
  const { grant } = own, { session, holder } = ctx;
  await session.reach();
  const { benefit } = aimOf(await readTemplates(holder), grant.template);
  const uses = await holder.uses().catch(() => session.uses()).catch(() => null);
  if (session.holder !== holder) return; // locked meanwhile
  const left = uses?.filter(({ release }) => release.grant === grant.grant).length;
  const follows = [t("consents.stopwhat", { name, scope: scopeWords(grant.categories) }),
    benefit ? t("consents.stopcheck", { name, benefit }) : t("consents.stopcheckall", { name }),
    left ? t("consents.stopleft", { n: left, name })
      : t(uses ? "consents.stopnone" : "consents.stopunread", { name }),
    t("consents.stopanew", { name })];
  const answer = await dialog(t("consents.stopask", { name }), el("ul.list", follows.map((one) =>
    el("li.item", one))), (close) => [button(t("consents.keep"), () => close(null)),
    button(t("consents.stopdelete"), () => close("delete"), "danger"),
    button(t("consents.stop"), () => close("stop"), "danger")]);
  if (!answer) return;
  await tried(ctx, () => holder.stop(grant));
  const asked = answer !== "delete" ? "" : await holder.askDeletion(grant).then(
    () => t("consents.delete.asked", { name }), () => t("consents.delete.notasked", { name }));
  if (session.holder !== holder) return;
  session.forget();
  await ctx.redraw();
  const said = t("consents.stoppedwhat", { name, time: time(session.now()) });
  await dialog(t("consents.stopped"), [el("p", said), asked && el("p", asked),
    el("p.mute", t("consents.stopreceipt"))], (close) => [
    recordButton(ctx, grant, t("consents.receipt")),
    button(t("ok"), () => close(null), "primary")]);
}

/** @param {Ctx} ctx @param {One} one */
async function figures(ctx, one) {
  const { session } = ctx, { own: { grant }, name, standing } = one;
  const [all, uses, say] = await Promise.all([coming(ctx, one.own), session.uses(),
    turnSayer(ctx, grant, standing)]);
  const left = await compareAll(ctx, one, uses.filter(({ release }) =>
    release.grant === grant.grant));
  const rest = all.filter(({ turn }) => turn !== "left"), scope = grant.categories;
  one.pause.hidden = rest.every(({ turn }) => turn === "taken"); // it would delay nothing
  const rows = left.map(([use, found]) => leftRow(use, found, scope));
  return [card(t("consents.left"), left.some(([, { found }]) => found === "other")
    && banner("bad", t("consents.leftwrong"), " ", link(t("title.activity"), "activity")),
  left.length ? shortList(rows) : el("p.mute", t("consents.noneleft", { name }))),
  rest.length > 0 && card(t(isOver(standing) ? "consents.nevergo" : "consents.willleave"),
    shortList(rest.map((one) => comingRow(one, scope, say)))),
  (left.length > 0 || one.own.deletion) && deletion(ctx, one)];
}

/** Everything that left, beside this person's own closes; tokens are read after the releases.
 * @param {Ctx} ctx @param {One} one @param {Use[]} uses @returns {Promise<[Use, Compared][]>} */
async function compareAll({ session, holder }, { own: { grant }, owns }, uses) {
  const tokens = uses.length ? await readTokens(holder, owns).catch(() => null) : null;
  const links = await session.links();
  const own = { grant, tokens, links }, name = (/** @type {Use} */ { release }) =>
    release.window[0];
  return Promise.all([...uses].sort((a, b) => name(a) < name(b) ? -1 : 1).map(async (use) =>
    /** @type {[Use, Compared]} */ ([use, await compareRelease(holder, own, use.release)])));
}

/** @type {Record<Compared["found"], "good" | "bad" | "">} */
const MARKS = { equal: "good", unknown: "", other: "bad" };

/** Whether a figure that left is the person's own sum, as a mark. @param {Compared} compared
 * @returns {HTMLElement} */
export const leftBadge = ({ found }) => badge(MARKS[found], t(found === "equal" ? "consents.proved"
  : found === "unknown" ? "consents.uncompared" : "consents.notyours"));

/** @param {Use} use @param {Compared} compared @param {number[]} scope */
function leftRow({ release, place: { at, index, cosigned } }, compared, scope) {
  return el("li.item", el("span", begin(whatWords(release.window, scope)), el("br"),
    el("span.mute.small", t("consents.leftat", { time: time(at) })), el("br"),
    leftBadge(compared), " ",
    el("span.mute.small", t("consents.entry", { index, n: cosigned.length }))),
  el("strong.num", compared.grams === null ? t("consents.unknownmass")
    : mass(compared.grams, 3)));
}

/** What says of a window of a consent what becomes of it. @param {Ctx} ctx
 * @param {import("../side.js").Grant} grant @param {Standing} standing
 * @returns {Promise<(one: Coming) => string>} */
export async function turnSayer({ session, holder }, grant, standing) {
  const links = await session.links(), now = session.now(), { ahead, zone } = session;
  return (one) => {
    const { turn, window } = one;
    if (isUnproved(standing) && ["open", "ready"].includes(turn))
      return t("consents.turn.unconfirmed");
    if (standing === "paused" && turn === "ready") return t("consents.turn.held");
    const entry = turn === "open" && mintedFor(holder.device.state, grant.grant, window);
    if (entry && unchecked(links, entry.cells, now, zone)) return t("consents.turn.unchecked");
    return turnWords(one, ahead);
  };
}

/** @param {Coming} one @param {number[]} scope @param {(one: Coming) => string} say */
const comingRow = (one, scope, say) => el("li.item",
  el("span", begin(whatWords(one.window, scope)), one.turn !== "ended"
    && [el("br"), el("span.mute.small", say(one))]),
one.turn === "ready" && one.grams !== null && el("strong.num", mass(one.grams, 3)));

const SHOWN = 6;

/** @param {HTMLElement[]} rows */
const shortList = (rows) => [el("ul.list", rows.slice(0, SHOWN)), rows.length > SHOWN
  && more(t("consents.morefigures", { n: rows.length - SHOWN }), el("ul.list", rows.slice(SHOWN)))];

/** @param {Ctx} ctx @param {One} one */
function deletion(ctx, { own: { grant, deletion: told }, name, standing }) {
  const ask = async () => {
    await ctx.holder.askDeletion(grant);
    done(ctx, t("consents.delete.asked", { name }));
  };
  return card(t("consents.delete"), el("p", t(`consents.delete.${told ?? "no"}`, { name }),
    told || isOver(standing) ? "" : t("consents.delete.going")),
    told !== "asked" && el("div.row",
      button(t(told ? "consents.askagain" : "consents.askdelete"), ask)));
}

/** @param {Ctx} ctx @param {One} one */
function terms({ session }, { own: { grant }, directory, templates, name, standing }) {
  const { purpose, benefit } = aimOf(templates, grant.template), over = isOver(standing);
  const { contact } = directory.find(grant.platform) ?? {};
  const { day, when } = lastDay(grant, session.now());
  return card(t("consents.agreed"), facts([
    [t("consents.who"), [name, " · ", el("span.mono.small", grant.platform), " · ",
      link(t("entry"), `register?id=${grant.platform}`)]],
    [t("consents.whatfor"), [begin(purpose), " · ", purposeWords(grant.purposes)]],
    ...(benefit ? [/** @type {[string, string]} */ ([t("consents.youget"), begin(benefit)])] : []),
    [t("category"), begin(scopeWords(grant.categories))],
    [t("consents.period"), `${span(grant.first, grant.last)} · ${stepWords(grant.step)}`],
    [t(over ? "consents.wasuntil" : "consents.item.until"), over ? day : `${day} · ${when}`],
    [t("consents.kept"), t("consents.days", { n: grant.data_life_days })],
    [t("consents.item.show_sources"), t(grant.show_sources ? "consents.yes" : "consents.no")],
    [t("consents.given"), time(grant.iat)],
    [t("consents.contact"), contact ?? t("consents.nocontact")]]));
}

/** @param {Ctx} ctx @param {One} one */
const papers = (ctx, { own: { grant } }) => card(t("consents.papers"),
  el("p.mute", t("consents.receiptwhy")),
  el("div.row", receiptButton(ctx, grant), recordButton(ctx, grant, t("consents.record"))),
  more(t("consents.whatagreed"), busy(() => noticeOf(ctx, grant), ({ parts, same }) => [
    grant.notice.locale === locale() ? null : el("p.mute", t("consents.theirlanguage")),
    same ? null : banner("warn", t("consents.othertext")), ...parts,
    el("p.small.mute", t("consents.signedhash"), " ", el("span.mono", grant.notice.sha256))])));

/** @param {Ctx} ctx @param {Grant} grant */
async function noticeOf({ holder }, grant) {
  const text = await holder.noticeOf(grant, grant.notice.locale);
  const same = await textHash(text) === grant.notice.sha256;
  return { same, text, parts: await noticeParts(text, grant.notice.locale) };
}

/** A button that keeps the record of a consent and what became of it.
 * @param {Ctx} ctx @param {Grant} grant @param {string} words */
const recordButton = (ctx, grant, words) => button(words, async () => {
  const { holder, session } = ctx, { same, text } = await noticeOf(ctx, grant);
  const events = await historyOf(grant, await fetchListed(holder.wire), session.now());
  const record = await exportRecord(grant, await holder.held(), await fetchTemplates(holder.wire),
    events, same ? text : null);
  save(`consent-${grant.platform}-${grant.grant.slice(0, 8)}.jsonld`, "application/ld+json",
    JSON.stringify(record, null, 1));
  announce(t("saved"));
});
