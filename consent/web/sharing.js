// What a person reads of a consent: where it stands, what left and what comes, what would change.
// No DOM here: the screens requests, request, consents and grant draw it.
import { gramsOf } from "./decisions.js";
import { windowsOfGrant } from "./messages.js";
import { addMonths, joinWindow, monthAt } from "./months.js";
import { PURPOSE_WORDS } from "./notices.js";
import { ENDED, mintedFor } from "./state.js";
import { addWords, away, category, day, listed, locale, sentence, span, t } from "./words.js";
import words from "./words/consents.js";

addWords(words);

/** @import { Asked, Figure } from "./decisions.js" */
/** @import { Terms } from "./messages.js" */
/** @import { OwnLink } from "./records.js" */
/** @import { Grant, OwnGrant } from "./side.js" */
/** @import { State } from "./state.js" */
/** @typedef {Awaited<ReturnType<import("./consents.js").Consents["uses"]>>[number]} Use */
/** unconfirmed, pausing: stopped or paused here, the vault has neither shown nor proved it.
 * @typedef {"live" | "paused" | "pausing" | "unconfirmed" | "revoked" | "replaced" |
 *   "expired"} Standing */
/** left: they have it; ready: they may fetch it; open: not complete yet; later: made in a later
 *  month; taken: they have another figure over part of it; none: nothing to add up; failed: see
 *  `why`; ended: it leaves no more.
 * @typedef {"left" | "ready" | "open" | "later" | "taken" | "none" | "failed" | "ended"} Turn */
/** @typedef {{window: string[], turn: Turn, grams: number | null, use: Use | null,
 *   why: unknown}} Coming */

/** Where a consent stands, by the vault, by this person's own state and by the clock.
 * @param {OwnGrant} own @param {State} state
 * @param {number} now by both clocks: `session.past()` @returns {Standing} */
export function standingOf({ grant, state: told, proved }, { statuses }, now) {
  const mine = statuses[grant.grant], said = [mine, told];
  const ended = said.find((one) => ENDED.has(one));
  const open = told !== mine && !proved;
  if (ended && (ENDED.has(told) || mine === "replaced" || !open))
    return /** @type {Standing} */ (ended);
  if (grant.until <= now) return "expired";
  if (ended) return "unconfirmed";
  if (mine === "paused" && open) return "pausing";
  return said.includes("paused") ? "paused" : "live";
}

/** @param {Pick<import("./screens/registry.js").Ctx, "session" | "holder">} ctx
 * @param {OwnGrant} own */
export const standingIn = ({ session, holder }, own) =>
  standingOf(own, holder.device.state, session.past());

/** Whether nothing more can leave. @param {Standing} standing */
export const isOver = (standing) => ["revoked", "replaced", "expired"].includes(standing);

/** @typedef {{state: State, standing: Standing, uses: Use[], links: OwnLink[], latest: string,
 *   failed: unknown}} Facts latest: tokens are made of windows that start until this month */

/** What becomes of each window of a consent. @param {Grant} grant @param {Facts} facts
 * @returns {Coming[]} */
export const comingOf = (grant, facts) =>
  windowsOfGrant(grant).map((window) => turnOf(grant, window, facts));

/** @param {Grant} grant @param {string[]} window @param {Facts} facts @returns {Coming} */
function turnOf(grant, window, { state, standing, uses, links, latest, failed }) {
  const use = uses.find(({ release }) =>
    release.grant === grant.grant && joinWindow(release.window) === joinWindow(window)) ?? null;
  const entry = mintedFor(state, grant.grant, window);
  const grams = entry ? gramsOf(links, entry.cells, grant.categories) : null;
  const as = (/** @type {Turn} */ turn, why = /** @type {unknown} */ (null)) =>
    ({ window, turn, grams, use, why });
  if (use) return as("left");
  if (isOver(standing) || (standing === "unconfirmed" && !entry)) return as("ended");
  if (entry) return as(grams === null ? "open" : "ready");
  if (window[0] > latest) return as("later");
  if (isTaken(state, grant, window)) return as("taken");
  return failed ? as("failed", failed) : as("none");
}

/** @param {State} state @param {Grant} grant @param {string[]} window */
const isTaken = ({ minted }, { org, categories }, window) => minted.some((one) => one.org === org
  && one.window.some((month) => window.includes(month))
  && one.categories.some((c) => categories.includes(c)));

/** What becomes of a consent's windows. @param {import("./screens/registry.js").Ctx} ctx
 * @param {OwnGrant} own @returns {Promise<Coming[]>} */
export async function coming(ctx, own) {
  const { session, holder } = ctx;
  const [uses, links] = await Promise.all([session.uses(), session.links()]);
  const { state } = holder.device, { minted, failed } = session.background;
  const trouble = minted?.failed.find((/** @type {{grant: string}} */ one) =>
    one.grant === own.grant.grant)?.error;
  return comingOf(own.grant, { state, standing: standingIn(ctx, own), uses, links,
    latest: latestStart(session.now(), session.ahead, session.zone),
    failed: trouble ?? failed.mint });
}

/** The next figure that may leave, if any. @param {Coming[]} coming */
export const nextOf = (coming) =>
  [["ready"], ["open", "failed"], ["later"], ["taken", "none"]].map((turns) =>
    coming.find(({ turn }) => turns.includes(turn))).find(Boolean);

/** Figures that this person has, those to come as one group, and those that are none.
 * @param {Figure[]} figures */
export const groupsOf = (figures) => ({
  known: figures.filter(({ grams }) => grams !== null),
  ahead: figures.filter(({ grams, cells }) => grams === null && cells.length > 0),
  taken: figures.filter(({ taken }) => taken),
  none: figures.filter(({ grams, cells, taken }) => grams === null && !cells.length && !taken),
});

/** The sources that have something in a figure; where that is not known yet, all.
 * @param {OwnLink[]} links @param {Figure} figure @param {number[]} categories */
export function partsOf(links, { cells, grams }, categories) {
  const of = (/** @type {OwnLink} */ { link }) => cells.find(([id]) => id === link)?.[1];
  const all = links.filter(of), some = all.filter((one) => one.closes.some(({ month, grams: g }) =>
    of(one)?.includes(month) && categories.some((c) => g[c - 1])));
  return [...new Set((grams ? some : all).map(({ source }) => source))];
}

/** The newest closed months of these links as an example: as many as a window has, none to come.
 * @param {OwnLink[]} links of sources that count for the platform @param {number[]} categories
 * @param {number} step @param {string[]} [ahead] the months of the figures to come
 * @returns {{window: string[], grams: number} | null} */
export function exampleOf(links, categories, step, ahead = []) {
  const closes = links.flatMap((one) => one.closes).filter(({ rejected }) => !rejected);
  const months = new Set(closes.map(({ month }) => month).filter((one) => !ahead.includes(one)));
  const newest = [...months].sort().at(-1);
  if (!newest) return null;
  const window = Array.from({ length: step }, (_, i) => addMonths(newest, i + 1 - step));
  if (!window.every((month) => months.has(month))) return null;
  const grams = closes.filter(({ month }) => window.includes(month))
    .reduce((sum, one) => categories.reduce((all, c) => all + one.grams[c - 1], sum), 0);
  return { window, grams };
}

/** What was asked of windows, but may be ended earlier: the last months to choose from.
 * @param {Pick<Terms, "first" | "last" | "step">} terms */
export const lastsOf = (terms) => windowsOfGrant(/** @type {Terms} */ (terms))
  .map((window) => /** @type {string} */ (window.at(-1)));

/** The day from which a window's figure can be complete: the first of the month after it closes.
 * @param {string[]} window @returns {string} a month */
export const completeIn = (window) => addMonths(/** @type {string} */ (window.at(-1)), 1);

/** The last month in which a window may start for its token to be made now.
 * @param {number} now @param {number} ahead @param {string} zone */
export const latestStart = (now, ahead, zone) => addMonths(monthAt(now, zone), ahead);

/** Every category of a request. @param {Asked} asked */
export const scopeAsked = ({ details: { categories: { required, optional } } }) =>
  [...required, ...optional].sort();

const COMPARED = /** @type {const} */ (["categories", "purposes", "template", "first", "last",
  "step", "until", "data_life_days", "show_sources"]);
/** @typedef {typeof COMPARED[number]} Member */

/** What another consent would change, item by item. @param {Terms} before @param {Terms} after
 * @returns {{member: Member, before: Terms, after: Terms, changed: boolean}[]} */
export const changesOf = (before, after) => COMPARED.map((member) => ({ member, before, after,
  changed: JSON.stringify(before[member]) !== JSON.stringify(after[member]) }));

/** Categories as people read them; all seven have a name of their own. @param {number[]} scope */
export const scopeWords = (scope) =>
  scope.length === 7 ? t("consents.all") : listed(scope.map(category));

/** What for, in few words. @param {string[]} purposes */
export const purposeWords = (purposes) =>
  listed(purposes.map((one) => PURPOSE_WORDS[locale()][one] ?? one));

/** "October 2026, reduction in travel". @param {string[]} window @param {number[]} scope */
export const whatWords = (window, scope) => t("consents.what", {
  span: span(window[0], /** @type {string} */ (window.at(-1))), scope: scopeWords(scope) });

/** "each month", "every 3 months". @param {number} step */
export const stepWords = (step) => t(`consents.step.${step}`);

/** The last day on which a consent may be used, and how far it lies ahead.
 * @param {{until: number}} terms until: the second after @param {number} [now] */
export const lastDay = ({ until }, now = 0) =>
  ({ day: day(until - 1), when: away(until - 1, now) });

/** A word that begins a line. @param {string} word */
export const begin = (word) => word.slice(0, 1).toUpperCase() + word.slice(1);

/** What becomes of a window, in words. @param {Coming} coming @param {number} ahead
 * @returns {string} */
export const turnWords = ({ turn, why }, ahead) =>
  turn === "failed" ? sentence(why) : t(`consents.turn.${turn}`, { ahead });
