// What this person shares now, and what they shared or refused before.
import { busy, button, card, el, empty, link, tabs, trouble } from "../dom.js";
import { nameOf } from "../directory.js";
import { begin, coming, isOver, lastDay, nextOf, scopeAsked, scopeWords, standingIn, stepWords,
  whatWords } from "../sharing.js";
import { day, mass, sentence, span, t } from "../words.js";
import { aimOf, isUnproved, readTemplates, standingBadge, stopFlow, turnSayer, unproved }
  from "./grant.js";
import { unsure } from "./leaving.js";
import { requestRow } from "./requests.js";

/** @import { Ctx } from "./registry.js" */
/** @import { Asked } from "../decisions.js" */
/** @import { Directory } from "../directory.js" */
/** @import { OwnGrant } from "../side.js" */
/** @import { Coming } from "../sharing.js" */
/** @import { Templates } from "../templates.js" */
/** lost: why the requests could not be read
 * @typedef {{requests: Asked[], lost: unknown, owns: OwnGrant[], directory: Directory,
 *   templates: Templates | null}} Found */

/** The two tabs; what waits for a decision stands with the current ones. @param {Ctx} ctx */
export function show(ctx) {
  const past = ctx.params.get("tab") === "history";
  return el("div.stack", tabs(t("title.consents"), [["consents", t("consents.current")],
    ["consents?tab=history", t("consents.history")]], past ? "consents?tab=history" : "consents"),
  past ? null : [el("p", link(t("consents.enter"), "requests")), unsure(ctx)],
  busy(() => load(ctx), (found) => past ? history(ctx, found) : current(ctx, found)));
}

/** @param {Ctx} ctx @returns {Promise<Found>} */
async function load({ session, holder }) {
  /** @type {unknown} */
  let lost = null;
  const [owns, requests, directory, templates] = await Promise.all([session.grants(),
    session.requests().catch((error) => {
      lost = error;
      return [];
    }), holder.held(), readTemplates(holder)]);
  const newest = [...owns].sort((a, b) => b.grant.iat - a.grant.iat);
  return { owns: newest, requests, lost, directory, templates };
}

/** @param {Ctx} ctx @param {Found} found */
function current(ctx, found) {
  const open = found.requests.filter(({ state }) => state === "open");
  const owns = found.owns.filter((own) => !isOver(standingIn(ctx, own)));
  if (!open.length && !owns.length && !found.lost)
    return empty(t("consents.nothing"), t("consents.nothingwhy"),
      link(t("consents.enter"), "requests", "btn"));
  return [unread(ctx, found), open.length > 0 && card(t("consents.waiting"),
    el("ul.list", open.map((one) => el("li", requestRow(ctx, one))))),
  ...limited(owns.map((own) => () => consentCard(ctx, found, own)))];
}

/** What stands for requests that cannot be read: sharing is stopped without them.
 * @param {Ctx} ctx @param {Found} found */
const unread = (ctx, { lost }) => lost
  ? card(t("consents.norequests"), trouble(lost, ctx.redraw)) : null;

/** @param {Ctx} ctx @param {Found} found */
function history(ctx, found) {
  const over = found.owns.filter((own) => isOver(standingIn(ctx, own)))
    .map((own) => ({ at: own.grant.iat, make: () => consentCard(ctx, found, own) }));
  const refused = found.requests.filter(({ state }) => ["declined", "expired"].includes(state))
    .map((one) => ({ at: one.request.iat, make: () => refusedCard(one) }));
  const all = [...over, ...refused].sort((a, b) => b.at - a.at);
  return all.length || found.lost ? [unread(ctx, found), ...limited(all.map(({ make }) => make))]
    : empty(t("consents.nohistory"), t("consents.nohistorywhy"));
}

const SHOWN = 50;

/** The first fifty, and the others on request. @param {(() => HTMLElement)[]} makes */
function limited(makes) {
  const rest = el("div.stack", makes.length > SHOWN && button(t("showmore"), () =>
    rest.replaceChildren(...makes.slice(SHOWN).map((make) => make()))));
  return [...makes.slice(0, SHOWN).map((make) => make()), makes.length > SHOWN ? rest : null];
}

/** @param {Ctx} ctx @param {Found} found @param {OwnGrant} own */
function consentCard(ctx, { directory, templates }, own) {
  const { grant } = own, at = standingIn(ctx, own), name = nameOf(directory, grant.platform);
  const { purpose: aim } = aimOf(templates, grant.template), route = `grant?id=${grant.grant}`;
  const open = !isOver(at), unsaid = isUnproved(at);
  return el("section.card", el("div.row.between", el("h2", link(name, route)), standingBadge(at)),
    el("p", begin(aim)),
    el("p.mute.small", begin(scopeWords(grant.categories)), " · ",
      span(grant.first, grant.last), " · ", stepWords(grant.step)),
    unsaid ? unproved(ctx, own, name, at) : !open
      ? el("p.small", t("consents.allowedon", { day: day(grant.iat) })) : [
      el("p.small", t("consents.runsout", lastDay(grant, ctx.session.now()))),
      el("div.small", { "aria-live": "polite" }, nextLine(ctx, own))],
    el("div.row", link(t("consents.seemore"), route, "btn"), open && !unsaid
      && button(t("consents.stop"), () => stopFlow(ctx, own, name), "danger")));
}

/** @param {Asked} asked */
const refusedCard = (asked) => el("section.card", el("div.row.between", el("h2", asked.name),
  standingBadge(asked.state === "declined" ? "declined" : "unanswered")),
el("p.mute.small", begin(scopeWords(scopeAsked(asked))), " · ",
  span(asked.details.first, asked.details.last)),
el("p.small", t(`consents.on.${asked.state}`, { day: day(asked.request.iat) })));

/** The next figure, or why there is none; it comes when the records are read. @param {Ctx} ctx
 * @param {OwnGrant} own */
function nextLine(ctx, own) {
  const line = el("span.mute", t("loading"));
  return ctx.live(() => {
    Promise.all([coming(ctx, own), turnSayer(ctx, own.grant, standingIn(ctx, own))])
      .then(([all, say]) => nextWords(ctx, own, all, say), sentence)
      .then((text) => line.replaceChildren(text));
    return line;
  });
}

/** @param {Ctx} ctx @param {OwnGrant} own @param {Coming[]} all
 * @param {(one: Coming) => string} say */
function nextWords(ctx, own, all, say) {
  const next = nextOf(all);
  if (!next) return t("consents.nonext");
  const paused = standingIn(ctx, own) === "paused", empty = ["taken", "none"].includes(next.turn);
  return t(empty ? "consents.empty" : "consents.next", {
    what: [begin(whatWords(next.window, own.grant.categories)), next.turn === "ready"
      && next.grams !== null && mass(next.grams, 3)].filter(Boolean).join(" · "),
    turn: paused ? t("consents.turn.paused") : say(next) });
}
