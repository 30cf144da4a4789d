// Allow, or do not allow: the two buttons, what each does, and what a person keeps of it.
import { announce, banner, button, card, confirm, el, link, save } from "../dom.js";
import { textHash } from "../encoding.js";
import { lastDay, scopeWords } from "../sharing.js";
import { away, category, locale, sentence, span, t } from "../words.js";
import { blindWords, spans } from "./leaving.js";

/** @import { Asked } from "../decisions.js" */
/** @import { Terms } from "../messages.js" */
/** @import { Grant } from "../side.js" */
/** @import { Ctx } from "./registry.js" */
/** @import { Choice, View } from "./request.js" */

/** The terms as chosen: required categories always count, for without them there is no consent.
 * @param {View} view @param {Choice} choice @returns {Terms | null} null: nothing is chosen yet */
export function termsOf({ asked }, choice) {
  const { categories: { required }, last } = asked.details, optional = optionalOf(asked, choice);
  if (!required.length && !optional.length) return null;
  return asked.terms(optional, choice.last === last ? null : choice.last);
}

/** @param {Asked} asked @param {Choice} choice */
const optionalOf = ({ details }, { ticked }) =>
  details.categories.optional.filter((one) => ticked.has(one));

/** The two buttons and what stands below them.
 * @param {View} view @param {Choice} choice @param {Map<number, (text: string) => void>} marks
 * @param {number[]} required */
export function decision(view, choice, marks, required) {
  const { asked, ctx: { session } } = view, back = asked.request.redirect_uri;
  let busy = false; // one answer at a time
  const once = (/** @type {() => Promise<unknown>} */ act) => async () => {
    if (busy) return;
    busy = true;
    await act().finally(() => busy = false);
  };
  const no = button(t("consents.deny"), once(() => deny(view)));
  const yes = button(t("consents.allow"), once(async () => {
    const left = required.find((one) => !choice.ticked.has(one));
    const first = left ?? (optionalOf(asked, choice).length + required.length ? undefined
      : asked.details.categories.optional[0]);
    if (first === undefined) return allow(view, choice);
    return marks.get(first)?.(t(left ? "consents.needed" : "consents.tickone",
      { name: asked.name, category: category(first) }));
  }));
  listenEscape(no);
  return [el("div.grid", no, yes), el("p.small.mute", listing([
    t("consents.ends", { when: away(asked.until, session.now()) }),
    back ? t("consents.goesto", { url: hostOf(back) }) : t("consents.stayshere"),
    t("consents.escape")]))];
}

/** @param {string[]} sentences */
const listing = (sentences) => sentences.join(locale() === "en" ? " " : "");

/** @param {string} url */
const hostOf = (url) => new URL(url).host;

/** Escape is "don't allow" while the button is there, unless it closes something of its own.
 * @param {HTMLButtonElement} no */
function listenEscape(no) {
  let seen = false;
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (seen && !no.isConnected) document.removeEventListener("keydown", pressed);
    seen ||= no.isConnected;
    const own = /** @type {Element} */ (event.target).matches?.("select");
    if (event.key === "Escape" && no.isConnected && !own && !document.querySelector("dialog[open]"))
      no.click();
  };
  document.addEventListener("keydown", pressed);
}

/** @param {View} view */
async function deny({ ctx, asked }) {
  const { redirect } = await ctx.holder.declineRequest(asked);
  ctx.session.forget();
  announce(t("consents.denied"));
  if (redirect) location.assign(redirect);
  else ctx.go("consents?tab=history");
}

/** @param {View} view @param {Choice} choice */
async function allow(view, choice) {
  const { ctx: { holder, session }, asked } = view;
  const terms = /** @type {Terms} */ (termsOf(view, choice));
  const blind = (await choice.shown?.catch(() => null))?.blind;
  if (!blind) return announce(t("consents.unshown"));
  if (blind.length && !await confirm({ title: t("consents.blindask"), text: el("div.stack",
    el("p", blindWords(blind)), el("p", t("consents.blindwhy"))), yes: t("consents.allow"),
  danger: true })) return;
  if (await holder.noticeOf(terms, locale()) !== choice.read) return announce(t("consents.reread"));
  const last = choice.last === asked.details.last ? null : choice.last;
  const decided = await holder.acceptRequest(asked, optionalOf(asked, choice), locale(), last);
  const grant = /** @type {Grant} */ (decided.grant);
  /** @type {unknown} */
  let failed = null;
  const found = await holder.mintFree(grant, session.ahead)
    .catch((error) => void (failed = error)) ?? { made: [], taken: [] };
  session.forget();
  announce(t("consents.allowed"));
  allowed(view, grant, decided.redirect, found, failed);
}

/** What was allowed, the receipt, and the way on.
 * @param {View} view @param {Grant} grant @param {string | null} redirect
 * @param {{made: string[][], taken: string[][]}} found @param {unknown} failed */
function allowed({ ctx, asked, place }, grant, redirect, { made, taken }, failed) {
  const route = `grant?id=${grant.grant}`;
  ctx.title(t("consents.allowed"));
  const said = { scope: scopeWords(grant.categories), span: span(grant.first, grant.last),
    until: lastDay(grant).day };
  const { name } = asked, whole = card(name, el("p", t("consents.allowedwhat", said)), failed
    ? banner("warn", t("consents.mintfailed"), " ", sentence(failed))
    : [(made.length > 0 || !taken.length) && el("p", t("consents.minted",
      { n: made.length, name })),
    taken.length > 0 && el("p", t("consents.taken", { name, spans: spans(taken) }))],
  el("p.mute", t("consents.takereceipt")),
  el("div.row", receiptButton(ctx, grant), link(t("consents.seeit"), route,
    redirect ? "btn" : "btn primary")),
  redirect && el("div.stack.wide", button(t("consents.backto", { url: hostOf(redirect) }),
    () => location.assign(redirect), "primary")));
  place.replaceChildren(whole);
  const heading = /** @type {HTMLElement | null} */ (document.querySelector("h1"));
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** A button that keeps the receipt of a consent. @param {Ctx} ctx @param {Grant} grant */
export const receiptButton = ({ holder }, grant) => button(t("consents.receipt"), async () => {
  save(`receipt-${grant.platform}-${grant.grant.slice(0, 8)}.json`, "application/json",
    /** @type {BlobPart} */ (/** @type {unknown} */ (await holder.receipt(grant))));
  announce(t("saved"));
});

/** A notice's text as its hash covers it, and the hash. @param {string} text
 * @param {string} lang that it is written in */
export const noticeParts = async (text, lang) => [el("div.note.stack", { lang },
  text.split("\n").map((one) => el("p", one))), el("p.small.mute", "SHA-256 ", el("span.mono", await textHash(text)))];
