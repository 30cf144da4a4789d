// One consent: what was agreed, every figure that left, what comes, pause, stop, receipt.
import { announce, badge, banner, busy, button, card, dialog, el, empty, facts, link, more, save,
  skeleton, trouble } from "../dom.js";
import { exportRecord, historyOf } from "../dpv.js";
import { textHash } from "../encoding.js";
import { fetchListed } from "../lists.js";
import { begin, coming, isOver, scopeWords, standingOf, stepWords, turnWords, whatWords }
  from "../sharing.js";
import { fetchTemplates, templateOf } from "../templates.js";
import { addWords, away, day, listed, locale, mass, span, t, time } from "../words.js";
import words from "../words/consents.js";
import { noticeParts, receiptButton, unsure } from "./request.js";

addWords(words);

/** @typedef {import("./registry.js").Ctx} Ctx */
/** @typedef {import("../directory.js").Directory} Directory */
/** @typedef {import("../side.js").Grant} Grant */
/** @typedef {import("../side.js").OwnGrant} OwnGrant */
/** @typedef {import("../sharing.js").Coming} Coming */
/** @typedef {import("../templates.js").Templates} Templates */
/** @typedef {{own: OwnGrant, directory: Directory, templates: Templates, name: string,
 *   standing: import("../sharing.js").Standing}} One */

/** The consent that the address names. @param {Ctx} ctx @returns {Promise<Node>} */
export async function show(ctx) {
  const { session, holder, params } = ctx, id = params.get("id");
  const [owns, directory, templates] = await Promise.all([session.grants(), session.directory(),
    fetchTemplates(holder.wire)]);
  const own = owns.find(({ grant }) => grant.grant === id);
  if (!own) return empty(t("consents.unknown"), "", link(t("title.consents"), "consents", "btn"));
  const name = directory.find(own.grant.platform)?.name ?? own.grant.platform;
  const standing = standingOf(own, holder.device.state, session.now());
  const one = { own, directory, templates, name, standing };
  ctx.title(name);
  return el("div.stack", top(ctx, one), unsure(ctx), moving(ctx, one), deletion(ctx, one),
    terms(ctx, one), papers(ctx, one));
}

/** The figures; what stands there stays until newer ones are read.
 * @param {Ctx} ctx @param {One} one */
function moving(ctx, one) {
  const place = el("div.stack", skeleton());
  const draw = () => {
    coming(ctx, one.own).then((all) => place.replaceChildren(
      ...el("div", figures(one, all, ctx.session.ahead)).childNodes),
    (error) => place.replaceChildren(trouble(error, draw)));
    return place;
  };
  return ctx.live(draw);
}

// Where it stands, and how to end it

/** @type {Record<import("../sharing.js").Standing | "declined" | "unanswered", string>} */
const KINDS = { live: "good", paused: "warn", revoked: "", replaced: "", expired: "", declined: "",
  unanswered: "" };

/** Where a consent stands, as a mark. @param {keyof typeof KINDS} at
 * @returns {HTMLElement} */
export const standingBadge = (at) => badge(KINDS[at], t(`consents.state.${at}`));

/** @param {Ctx} ctx @param {One} one */
function top(ctx, { own, standing, name, templates }) {
  const { grant } = own, { session } = ctx;
  const { purpose } = templateOf(templates, grant.template).text[locale()];
  return card("", el("p.row.between", el("strong", begin(purpose)), standingBadge(standing)),
    el("p", begin(scopeWords(grant.categories)), " · ", span(grant.first, grant.last), " · ",
      stepWords(grant.step)),
    isOver(standing) ? el("p", t(`consents.over.${standing}`, { name, day: day(grant.until) })) : [
      el("p.mute", t("consents.runsout", { when: away(grant.until, session.now()),
        day: day(grant.until) })),
      standing === "paused" && banner("warn", t("consents.pausedwhy")),
      el("div.row", button(t("consents.stop"), () => stopFlow(ctx, own, name), "danger"),
        standing === "paused" ? button(t("consents.resume"), () => resume(ctx, own))
          : button(t("consents.pause"), () => pause(ctx, own, name)))]);
}

/** @param {Ctx} ctx @param {string} said */
function done({ session, redraw }, said) {
  session.forget();
  announce(said);
  redraw();
}

/** @param {Ctx} ctx @param {OwnGrant} own */
async function resume(ctx, { grant }) {
  await ctx.holder.resume(grant);
  done(ctx, t("consents.resumed"));
}

/** @param {Ctx} ctx @param {OwnGrant} own @param {string} name */
async function pause(ctx, own, name) {
  const answer = await dialog(t("consents.pauseask", { name }), [el("p", t("consents.pausewhy")),
    el("p", t("consents.pausestop", { name }))], (close) => [
    button(t("cancel"), () => close(null)),
    button(t("consents.stopinstead"), () => close("stop"), "danger"),
    button(t("consents.pause"), () => close("pause"), "primary")]);
  if (answer === "stop") return stopFlow(ctx, own, name);
  if (answer !== "pause") return;
  await ctx.holder.pause(own.grant);
  done(ctx, t("consents.nowpaused"));
}

/** Stops sharing: what follows, with or without asking to delete, then what proves it.
 * @param {Ctx} ctx @param {OwnGrant} own @param {string} name of the platform */
export async function stopFlow(ctx, own, name) {
  const { grant } = own, { session, holder } = ctx;
  const { benefit } = templateOf(await fetchTemplates(holder.wire), grant.template).text[locale()];
  const uses = await holder.uses().catch(() => session.uses()).catch(() => []);
  const left = uses.filter(({ release }) => release.grant === grant.grant).length;
  const follows = [t("consents.stopwhat", { name, scope: scopeWords(grant.categories) }),
    t("consents.stopcheck", { name, benefit }),
    left ? t("consents.stopleft", { n: left, name }) : t("consents.stopnone"),
    t("consents.stopanew", { name })];
  const answer = await dialog(t("consents.stopask", { name }), el("ul.list", follows.map((one) =>
    el("li.item", one))), (close) => [button(t("consents.keep"), () => close(null)),
    button(t("consents.stopdelete"), () => close("delete"), "danger"),
    button(t("consents.stop"), () => close("stop"), "danger")]);
  if (!answer) return;
  await holder.stop(grant);
  const asked = answer !== "delete" ? "" : await holder.askDeletion(grant).then(
    () => t("consents.delete.asked", { name }), () => t("consents.delete.notasked", { name }));
  session.forget();
  announce(t("consents.stopped"));
  const said = t("consents.stoppedwhat", { name, time: time(session.now()) });
  await dialog(t("consents.stopped"), [el("p", said), asked && el("p", asked),
    el("p.mute", t("consents.stopreceipt"))], (close) => [
    recordButton(ctx, grant, t("consents.receipt")),
    button(t("ok"), () => close(null), "primary")]);
  ctx.redraw();
}

// Figures: left, and to come

/** @param {One} one @param {Coming[]} all @param {number} ahead */
function figures({ own, name, standing }, all, ahead) {
  const left = all.filter(({ turn }) => turn === "left");
  const rest = all.filter(({ turn }) => turn !== "left");
  const scope = own.grant.categories;
  return [card(t("consents.left"), left.length
    ? shortList(left.map((one) => leftRow(one, scope)))
    : el("p.mute", t("consents.noneleft", { name }))),
  rest.length > 0 && card(t(isOver(standing) ? "consents.nevergo" : "consents.willleave"),
    standing === "paused" && el("p", t("consents.turn.paused")),
    shortList(rest.map((one) => comingRow(one, scope, ahead))))];
}

/** @param {Coming} one @param {number[]} scope */
function leftRow({ window, grams, use }, scope) {
  const { at, index, cosigned } = /** @type {NonNullable<Coming["use"]>} */ (use).place;
  return el("li.item", el("span", begin(whatWords(window, scope)), el("br"),
    el("span.mute.small", t("consents.leftat", { time: time(at) })), el("br"),
    badge("good", t("consents.proved")), " ",
    el("span.mute.small", t("consents.entry", { index, n: cosigned.length }))),
  el("strong.num", grams === null ? t("consents.unknownmass") : mass(grams)));
}

/** @param {Coming} one @param {number[]} scope @param {number} ahead */
const comingRow = (one, scope, ahead) => el("li.item",
  el("span", begin(whatWords(one.window, scope)), el("br"),
    el("span.mute.small", turnWords(one, ahead))),
one.turn === "ready" && one.grams !== null && el("strong.num", mass(one.grams)));

const SHOWN = 6;

/** @param {HTMLElement[]} rows */
const shortList = (rows) => [el("ul.list", rows.slice(0, SHOWN)), rows.length > SHOWN
  && more(t("consents.morefigures", { n: rows.length - SHOWN }), el("ul.list", rows.slice(SHOWN)))];

// What the platform is asked to delete

/** @param {Ctx} ctx @param {One} one */
function deletion(ctx, { own: { grant, deletion: told }, name }) {
  const ask = async () => {
    await ctx.holder.askDeletion(grant);
    done(ctx, t("consents.delete.asked", { name }));
  };
  return card(t("consents.delete"), el("p", t(`consents.delete.${told ?? "no"}`, { name })),
    told !== "asked" && el("div.row",
      button(t(told ? "consents.askagain" : "consents.askdelete"), ask)));
}

// What was agreed

/** @param {Ctx} ctx @param {One} one */
function terms({ session }, { own: { grant }, directory, templates, name }) {
  const { purpose, benefit } = templateOf(templates, grant.template).text[locale()];
  const { contact } = directory.find(grant.platform) ?? {};
  return card(t("consents.agreed"), facts([
    [t("consents.who"), [name, " · ", el("span.mono.small", grant.platform), " · ",
      link(t("consents.register"), `register?id=${grant.platform}`)]],
    [t("consents.whatfor"), [begin(purpose), " · ", listed(grant.purposes.map((one) =>
      t(`consents.dpv.${one}`)))]],
    [t("consents.youget"), begin(benefit)],
    [t("category"), begin(scopeWords(grant.categories))],
    [t("consents.period"), `${span(grant.first, grant.last)} · ${stepWords(grant.step)}`],
    [t("consents.until"), `${day(grant.until)} · ${away(grant.until, session.now())}`],
    [t("consents.kept"), t("consents.days", { n: grant.data_life_days })],
    [t("consents.item.show_sources"), t(grant.show_sources ? "consents.yes" : "consents.no")],
    [t("consents.given"), time(grant.iat)],
    [t("consents.contact"), contact ?? t("consents.nocontact")]]));
}

// The papers: notice, receipt, record

/** @param {Ctx} ctx @param {One} one */
const papers = (ctx, { own: { grant } }) => card(t("consents.papers"),
  el("p.mute", t("consents.receiptwhy")),
  el("div.row", receiptButton(ctx, grant), recordButton(ctx, grant, t("consents.record"))),
  more(t("consents.whatagreed"), busy(() => noticeOf(ctx, grant), ({ parts, same }) => [
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
  announce(t("consents.saved"));
});
