// Home: what this person saved, what waits for them, what they share, and how to stop it.
import { categoriesChart, cumulativeChart, monthsChart } from "../charts.js";
import { badge, button, busy, card, choice, el, link, skeleton, svg, trouble }
  from "../dom.js";
import { ZERO } from "../chain.js";
import { nameOf } from "../directory.js";
import { addMonths, monthsFrom } from "../months.js";
import { monthSums, readLinks } from "../reading.js";
import { begin, isOver, lastDay, scopeAsked, scopeWords, standingIn } from "../sharing.js";
import { addWords, away, mass, monthName, sentence, t } from "../words.js";
import words from "../words/home.js";
import { isUnproved, standingBadge, stopFlow } from "./grant.js";
import { troubles } from "./records.js";

addWords(words);

/** @import { Ctx } from "./registry.js" */
/** @import { Child } from "../dom.js" */
/** @import { Directory } from "../directory.js" */
/** @import { MonthSum, Read } from "../reading.js" */
/** @typedef {{links: Read[], months: MonthSum[], directory: Directory, running: string}} Found */

const SOON = 14 * 86400, SHOWN = 50;
const sum = (/** @type {number[]} */ list) => list.reduce((a, b) => a + b, 0);
const total = (/** @type {MonthSum[]} */ months) => sum(months.map(({ grams }) => sum(grams)));

/** The figures first, then what waits, what is shared, and the pictures. @param {Ctx} ctx */
export function show(ctx) {
  const below = el("div.stack");
  const draw = (/** @type {Found} */ found) => {
    if (!found.links.length) return welcome();
    below.replaceChildren(pictures(found.months, found.running), lastCloses(found));
    return [figures(found), troubles(ctx, found.links, found.directory)];
  };
  return el("div.stack", busy(() => load(ctx), draw), waiting(ctx), sharing(ctx), below);
}

/** @param {Ctx} ctx @returns {Promise<Found>} */
async function load({ session, holder }) {
  const { links, releaseOf, directory } = await readLinks(session, holder);
  const running = session.month();
  const months = await monthSums(links, releaseOf, directory.listing.zone, running);
  return { links, months, directory, running };
}

/** @param {Found} found */
function figures({ months, running }) {
  const [year] = running.split("-"), here = months.filter(({ month }) => month.startsWith(year));
  const now = total(here.filter(({ month }) => month === running));
  const last = months.find(({ month }) => month === addMonths(running, -1));
  const open = here.filter((one) => one.open && one.month < running).map(({ month }) => month);
  return el("section.card.hero", el("div.row.between",
    figure(t("home.month", { month: monthName(running) }), now, last
      ? t("home.before", { month: monthName(last.month), mass: mass(total([last])) }) : ""),
    figure(t("home.year", { year }), total(here), t("home.acts", { n: here.length }))),
  el("p.small.mute", t("home.what"), open.length > 0
    && t("home.open", { month: monthName(open[0]) })),
  el("p.small", t("home.only")));
}

/** @param {string} title @param {number} grams @param {Child} note */
const figure = (title, grams, note) => growing(el("div", el("h2", title),
  el("p.big", mass(grams)), note ? el("p.small.mute", note) : null));

/** The next steps of a vault in which nothing is yet. */
const welcome = () => el("section.card.hero", picture(), el("p.lead", t("home.welcome")),
  el("ol.list", ["link", "records", "share"].map((one, i) => el("li.item", badge("good", i + 1),
    growing(el("span", el("strong", t(`home.step.${one}`)), el("br"),
      el("span.mute", t(`home.stepwhy.${one}`))))))),
  el("div.row.wide", link(t("title.sources-link"), "sources/link", "btn primary"),
    link(t("title.methodology"), "methodology", "btn quiet")));

/** Acts go into a vault; one figure comes out. */
function picture() {
  const leaf = (/** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ color) =>
    svg("g", { transform: `translate(${x} ${y})`, class: color },
      svg("rect", { width: 62, height: 22, rx: 11 }), svg("circle", { cx: 11, cy: 11, r: 4,
        fill: "var(--card)" }), svg("rect", { x: 22, y: 8, width: 30, height: 6, rx: 3,
        class: "", fill: "var(--card)" }));
  const line = { fill: "none", stroke: "var(--brand)", "stroke-width": 3,
    "stroke-linecap": "round", "stroke-linejoin": "round" };
  return svg("svg", { class: "chart", viewBox: "0 0 360 130", role: "img",
    "aria-label": t("home.picture") },
  leaf(6, 18, "c4"), leaf(22, 54, "c3"), leaf(6, 90, "c2"),
  svg("path", { ...line, d: "M92 65h38M122 57l8 8-8 8" }),
  svg("rect", { ...line, x: 146, y: 20, width: 88, height: 88, rx: 12, fill: "var(--card)" }),
  svg("path", { ...line, d: "M160 108v10M220 108v10M190 86V66c0-13 8-21 23-23 0 15-8 23-23 23"
    + "M190 76c-13 0-20-6-22-18 15 0 22 6 22 18" }),
  svg("path", { ...line, d: "M250 65h38M280 57l8 8-8 8", "stroke-dasharray": "3 7" }),
  svg("rect", { x: 300, y: 50, width: 54, height: 30, rx: 15, fill: "var(--brand)" }),
  svg("rect", { x: 312, y: 62, width: 30, height: 6, rx: 3, fill: "var(--on)" }));
}

/** @typedef {{id: string, route: string, title: string, text: string, mark: Node | null}} Thing */

/** What waits stays until something else does. @param {Ctx} ctx */
function waiting(ctx) {
  const place = el("div.stack", skeleton());
  let shown = "";
  const draw = () => {
    things(ctx).then(({ all, lost }) => {
      const now = [...all.map(({ id, text }) => id + text), !!lost].join();
      if (now === shown && place.firstElementChild?.matches(".things")) return;
      const at = place.querySelector(":focus")?.getAttribute("href");
      place.replaceChildren(waitCard(all, lost ? trouble(lost, ctx.redraw) : null));
      /** @type {HTMLElement | null} */ (place.querySelector(`[href="${at}"]`))?.focus();
      shown = now;
    }, (error) => place.replaceChildren(trouble(error, draw)));
    return place;
  };
  return ctx.live(draw);
}

/** @param {Thing[]} all @param {Child} lost why the requests cannot be read */
function waitCard(all, lost) {
  const node = card(t("consents.waiting"), all.length ? el("ul.list", all.map((one) => el("li",
    el("a.item", { href: `#/${one.route}` }, growing(el("span", el("strong", one.title), el("br"),
      el("span.mute.small", one.text))), one.mark, chevron()))))
    : !lost && el("p.mute", t("home.nothing")), lost);
  node.classList.add("things");
  return node;
}

const chevron = () => el("span.mute", { "aria-hidden": "true" }, "›");

/** @param {Ctx} ctx @returns {Promise<{all: Thing[], lost: unknown}>} */
async function things(ctx) {
  const { session, holder } = ctx;
  /** @type {unknown} */
  let lost = null;
  const [requests, grants, directory] = await Promise.all([session.requests().catch((error) => {
    lost = error;
    return [];
  }), session.grants(), holder.held()]);
  const { minted, watched } = session.background, now = session.now();
  const name = (/** @type {string} */ id) => nameOf(directory, /** @type {any} */ (
    grants.find(({ grant }) => grant.grant === id))?.grant.platform ?? id);
  const asked = requests.filter(({ state }) => state === "open").map((one) => ({
    id: one.handle, route: `request?handle=${one.handle}`, mark: badge("warn", t("home.decide")),
    title: t("home.asks", { name: one.name }), text: [begin(scopeWords(scopeAsked(one))),
      t("home.ends", { when: away(one.until, now) })].join(" · ") }));
  const ending = grants.filter((own) => own.grant.until - now < SOON
    && !isOver(standingIn(ctx, own))).map(({ grant }) => ({
    id: grant.grant, route: `grant?id=${grant.grant}`, mark: null,
    title: t("home.ending", { name: name(grant.grant) }),
    text: t("home.endingwhy", lastDay(grant, now)) }));
  const failed = (minted?.failed ?? []).map(({ grant, error }) => ({ id: `m${grant}`,
    route: `grant?id=${grant}`, title: t("home.failed", { name: name(grant) }),
    text: sentence(error), mark: badge("warn", t("home.look")) }));
  const alarms = watched?.alarms.length ? [{ id: "alarms", route: "activity", title:
    t("home.alarms", { n: watched.alarms.length }), text: t("home.alarmswhy"),
  mark: badge("bad", t("home.look")) }] : [];
  const unproved = grants.filter((own) => isUnproved(standingIn(ctx, own))).map(({ grant }) => ({
    id: `u${grant.grant}`, route: `grant?id=${grant.grant}`,
    title: t("home.unproved", { name: name(grant.grant) }), text: t("home.unprovedwhy"), mark: badge("warn", t("home.look")) }));
  return { all: [...alarms, ...unproved, ...asked, ...failed, ...ending], lost };
}

/** What is shared now, each with the shortest way to stop. @param {Ctx} ctx */
const sharing = (ctx) => busy(async () => ({ grants: await ctx.session.grants(),
  directory: await ctx.holder.held() }), ({ grants, directory }) => {
  const now = ctx.session.now();
  const live = grants.filter((own) => !isOver(standingIn(ctx, own)));
  const row = (/** @type {typeof grants[0]} */ own) => {
    const { grant } = own, name = nameOf(directory, grant.platform), at = standingIn(ctx, own);
    const title = el("strong", link(name, `grant?id=${grant.grant}`));
    return el("li.item", growing(el("div.row.between", el("span", title, " ",
      at !== "live" && standingBadge(at), el("br"), el("span.mute.small",
        begin(scopeWords(grant.categories)), " · ",
        t("home.ends", lastDay(grant, now)))),
    button([t("consents.stop"), el("span.hidden", ` ${name}`)], () => stopFlow(ctx, own, name),
      "danger"))));
  };
  return card(t("home.sharing"), live.length
    ? el("ul.list", live.slice(0, SHOWN).map(row)) : el("p.mute", t("home.sharesnone")),
  el("p.small", link(t(live.length ? "home.allshared" : "home.enter"),
    live.length ? "consents" : "requests")));
});

/** @param {HTMLElement} node takes the whole line of what it stands in */
function growing(node) {
  node.style.flexGrow = "1";
  return node;
}

const YEAR = 12;

/** @param {MonthSum[]} all @param {string} running */
function pictures(all, running) {
  if (!total(all)) return card(t("home.pictures"), el("p.mute", t("home.nograms")));
  const first = addMonths(running, 1 - YEAR), years = [...new Set(all.map(({ month }) =>
    month.slice(0, 4)))].reverse();
  const place = el("div.stack"), begins = all[0].month;
  const draw = (/** @type {string} */ year) => {
    const [from, to] = year ? [`${year}-01`, [`${year}-12`, running].sort()[0]]
      : [first > begins ? first : begins, running];
    place.replaceChildren(...charts(monthsFrom(from, to).map((month) =>
      all.find((one) => one.month === month) ?? { month, grams: ZERO, open: false })));
  };
  draw("");
  return el("div.stack", years.length > 1 && choice(t("home.period"), [["", t("home.twelve")],
    ...years.map((year) => /** @type {[string, string]} */ ([year, t("home.year", { year })]))], "",
  draw), place);
}

/** @param {MonthSum[]} months */
function charts(months) {
  const grams = months.reduce((all, one) => all.map((g, i) => g + one.grams[i]), ZERO);
  const byMonth = t("home.bymonth"), byCategory = t("home.bycategory"), added = t("home.added");
  return [card(byMonth, monthsChart(byMonth, months)),
    total(months) ? card(byCategory, categoriesChart(byCategory, grams)) : "",
    months.length > 1 ? card(added, cumulativeChart(added, months.map((one) =>
      ({ month: one.month, grams: sum(one.grams) })))) : ""].filter(Boolean);
}

/** The newest figure that each source closed. @param {Found} found */
const lastCloses = ({ links, directory }) => card(t("home.closes"),
  el("p.small.mute", t("home.closeswhy")), el("ul.list", links.map((own) => {
    const last = own.closes.filter(({ rejected }) => !rejected).at(-1);
    const wrong = own.trouble || last !== own.closes.at(-1), grams = last && sum(last.grams);
    return el("li", el("a.item", { href: `#/records?source=${own.link}` },
      growing(el("span", el("strong", nameOf(directory, own.source)), " ",
        own.ends && badge("", t("home.ended")), el("br"), el("span.mute.small", last
          ? monthName(last.month) : t("home.noclose")))),
      el("span.num", last && el("strong", mass(/** @type {number} */ (grams))), " ",
        wrong ? badge("warn", t("home.look")) : last && badge("good", t("home.checked"))),
      chevron()));
  })));
