// Records: every act, why it counts what it counts, and what does not fit.
import { amounts, grams, region, workedOut } from "../figures.js";
import { announce, badge, banner, busy, button, card, choice, confirm, el, empty, facts, field,
  link, more } from "../dom.js";
import { nameOf } from "../directory.js";
import { placeIn, why } from "../explain.js";
import { CATEGORIES } from "../months.js";
import { readLinks, readRows } from "../reading.js";
import { overlapping } from "../records.js";
import { begin } from "../sharing.js";
import { addWords, category, day, listed, locale, monthName, number, t, time } from "../words.js";
import words from "../words/records.js";

addWords(words);

/** @typedef {import("./registry.js").Ctx} Ctx */
/** @typedef {import("../dom.js").Child} Child */
/** @typedef {import("../directory.js").Directory} Directory */
/** @typedef {import("../reading.js").Read} Read */
/** @typedef {import("../reading.js").Row} Row */
/** @typedef {import("../recompute.js").ReleaseOf} ReleaseOf */
/** @typedef {Awaited<ReturnType<typeof overlapping>>} Overlaps */
/** @typedef {{rows: Row[], links: Read[], directory: Directory, releaseOf: ReleaseOf,
 *   overlaps: Overlaps, texts: Map<Row, string>, short: Intl.DateTimeFormat}} Found texts: what a search looks into */

const SHOWN = 50;
const plain = (/** @type {unknown} */ text) => String(text).normalize("NFKC").toLowerCase();

/** What does not fit, then the list with its filters. @param {Ctx} ctx */
export const show = (ctx) => el("div.stack", el("p.small", badge("good", t("records.only")), " ",
  el("span.mute", t("records.onlywhy"))),
busy(() => load(ctx), (found) => {
  if (!found.links.length) return empty(t("records.none"), t("records.nonewhy"),
    link(t("title.sources-link"), "sources/link", "btn primary"));
  return [troubles(ctx, found.links, found.directory), overlapCard(found), list(ctx, found),
    el("div.row", link(t("records.export"), "settings", "btn"),
      link(t("title.methodology"), "methodology", "btn quiet"))];
}));

/** @param {Ctx} ctx @returns {Promise<Found>} */
async function load({ session, holder }) {
  const { links, releaseOf, directory } = await readLinks(session, holder);
  const rows = await readRows(links, releaseOf, directory.listing.zone);
  const overlaps = await overlapping(links.filter(({ trouble }) => !trouble), releaseOf);
  const texts = new Map(rows.map((row) => [row, plain([...Object.values(row.names),
    nameOf(directory, row.own.source), row.record.operator, row.record.receipt,
    row.record.behaviour, day(row.record.start),
    ...Object.values(row.record.detail ?? {})].join("\n"))]));
  const short = new Intl.DateTimeFormat(locale(), { timeZone: directory.listing.zone,
    hourCycle: "h23", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  return { rows, links, directory, releaseOf, overlaps, texts, short };
}

/** A note for each source whose figures do not verify, with what can be done, and for each of which
 * this person rejected one. @param {Ctx} ctx @param {Read[]} links @param {Directory} directory */
export const troubles = (ctx, links, directory) =>
  links.flatMap((own) => [refused(own, directory), wrongIn(ctx, own, directory)]);

/** @param {Read} own @param {Directory} directory */
function refused({ source, closes }, directory) {
  const months = closes.filter(({ rejected }) => rejected).map(({ month }) => monthName(month));
  const members = { name: nameOf(directory, source), month: listed(months) };
  return months.length > 0 && banner("info", el("div.stack",
    el("strong", t("records.wrong.rejected", members)),
    el("p", t("records.means.rejected", members))));
}

/** @param {Ctx} ctx @param {Read} own @param {Directory} directory */
function wrongIn(ctx, own, directory) {
  const { trouble: wrong, source, link: id } = own;
  if (!wrong) return null;
  const { contact } = directory.find(source) ?? {}, name = nameOf(directory, source);
  const members = { name, month: wrong.month && monthName(wrong.month) }, { kind } = wrong;
  const asking = kind !== "unsigned"
    && (contact ? t("records.ask", { name, contact }) : t("records.askat", { name }));
  const reject = async () => {
    await ctx.session.reach();
    const sure = { title: t("records.reject"), text: t("records.rejectwhy", members) };
    if (!await confirm(sure)) return;
    await ctx.holder.reject(id, wrong.close);
    announce(t("records.rejected"));
    ctx.session.forget();
    ctx.redraw();
  };
  return banner("warn", el("div.stack", el("strong", t(`records.wrong.${kind}`, members)),
    el("p", asking ? t(`records.means.${kind}`, members) : t("e.unsigned")),
    asking && el("p", asking),
    kind === "unreadable" && el("div.row", button(t("records.reject"), reject)),
    more(t("details"), el("p.small.mono", String(wrong.error)))));
}

/** Trips at the same time that two sources have. @param {Found} found */
const overlapCard = ({ overlaps, directory }) => overlaps.length > 0 && card(
  t("records.overlaps", { n: overlaps.length }), el("p", t("records.overlapswhy")),
  more(t("records.overlapsee"), el("ul.list", overlaps.slice(0, SHOWN).map((pair) => el("li.item",
    el("span", pair.map(({ own, record }, i) => [i > 0 && el("br"),
      `${time(record.start)} · ${nameOf(directory, own.source)} · ${grams(record.mg)}`])))))));

/** @param {Ctx} ctx @param {Found} found */
function list(ctx, found) {
  const { rows, links, directory, texts } = found, { params } = ctx;
  if (!rows.length) return empty(t("records.norecords"), t("records.norecordswhy"));
  const wanted = { q: params.get("q") ?? "", source: params.get("source") ?? "", month:
    params.get("month") ?? "", category: params.get("category") ?? "", standing: "" };
  const count = el("p.mute", { "aria-live": "polite" }), place = el("div.stack");
  /** @type {Map<Row, HTMLElement>} */
  const made = new Map();
  let most = SHOWN;
  const node = (/** @type {Row} */ row) => {
    const one = made.get(row) ?? item(found, row);
    made.set(row, one);
    return one;
  };
  const draw = () => {
    const words = plain(wanted.q).split(/\s+/).filter(Boolean);
    const hits = rows.filter((row) => fits(row, wanted)
      && words.every((word) => texts.get(row)?.includes(word)));
    count.textContent = t("records.count", { n: hits.length, mass: totalOf(hits) });
    place.replaceChildren(...months(hits.slice(0, most), hits, node), hits.length ? ""
      : empty(t("records.nohits"), button(t("records.clear"), clear)),
    hits.length > most ? further() : "");
  };
  const further = () => el("div.wide", button(t("showmore"), () => {
    const at = most;
    most += SHOWN;
    draw();
    place.querySelectorAll("summary").item(at)?.focus();
  }));
  const set = (/** @type {keyof typeof wanted} */ name) => (/** @type {string} */ value) => {
    wanted[name] = value;
    most = SHOWN;
    draw();
  };
  const clear = () => {
    history.replaceState(null, "", "#/records");
    ctx.redraw();
  };
  const search = field(t("records.search"), { type: "search", value: wanted.q,
    enterkeyhint: "search", oninput: (/** @type {Event} */ { target }) =>
      set("q")(/** @type {HTMLInputElement} */ (target).value) }, t("records.searchhint"));
  const sources = links.map((own) => /** @type {[string, string]} */ ([own.link,
    nameOf(directory, own.source)]));
  const filters = el("details", { open: !!(wanted.source || wanted.month || wanted.category) },
    el("summary", t("records.filter")), el("div.grid",
      pick(t("source"), sources, wanted.source, set("source")),
      pick(t("month"), [...new Set(rows.map(({ month }) => month))].map((one) =>
        [one, monthName(one)]), wanted.month, set("month")),
      pick(t("category"), CATEGORIES.filter((one) => rows.some((row) => row.category === one))
        .map((one) => [`${one}`, begin(category(one))]), wanted.category, set("category")),
      pick(t("records.counting"), ["counts", "zero", "double", "back"].map((one) =>
        [one, t(`records.show.${one}`)]), "", set("standing"))));
  draw();
  return [card("", search.node, filters, count), place];
}

/** @param {string} label @param {[string, string][]} options @param {string} value
 * @param {(value: string) => void} chosen */
const pick = (label, options, value, chosen) =>
  choice(label, [["", t("records.all")], ...options], value, chosen);

/** @param {Row} row
 * @param {{source: string, month: string, category: string, standing: string}} wanted */
const fits = (row, { source, month, category: kind, standing }) =>
  (!source || row.own.link === source) && (!month || row.month === month)
  && (!kind || `${row.category}` === kind) && (!standing || standing === (
    row.mg > 0 && row.standing !== "back" ? "counts" : row.standing === "double" ? "double"
      : ["back", "correction"].includes(row.standing) ? "back" : "zero"));

/** Rows under their months, each with the sum of all its hits. @param {Row[]} rows
 * @param {Row[]} hits @param {(row: Row) => HTMLElement} node */
function months(rows, hits, node) {
  const names = [...new Set(rows.map(({ month }) => month))];
  return names.map((month) => {
    const [here, all] = [rows, hits].map((list) => list.filter((row) => row.month === month));
    return el("section.card", el("div.row.between", el("h2", monthName(month)),
      el("span.num.mute", totalOf(all))),
    el("ul.list", here.map(node)), here.length < all.length && el("p.small.mute",
      t("records.shown", { n: number(here.length), all: number(all.length) })));
  });
}

/** @param {Found} found @param {Row} row */
function item(found, row) {
  const { record, names, own, standing, mg } = row, { from, to, place } = record.detail ?? {};
  const way = from && to ? `${from} → ${to}` : from ?? to ?? place;
  const inside = el("div.stack");
  const opened = () => inside.childElementCount || inside.append(about(found, row),
    busy(() => whyOf(found, row), (lines) => lines));
  return el("li", el("details", { ontoggle: opened }, el("summary.item",
    el("span", el("strong", { class: `swatch c${row.category}` }, names[locale()]), el("br"),
      el("span.mute.small", found.short.format(record.start * 1000), " · ",
        way || nameOf(found.directory, own.source))),
    el("span.num", el("strong", grams(mg)), el("span.mute.turn", { "aria-hidden": "true" }, "▾"),
      standing !== "counts" && [el("br"), badge(KINDS[standing], t(`records.mark.${standing}`))])),
  inside));
}

/** @type {Record<import("../reading.js").Standing, string>} */
const KINDS = { counts: "", cut: "", zero: "", double: "warn", back: "warn", correction: "" };

const totalOf = (/** @type {Row[]} */ rows) => grams(rows.reduce((sum, { mg }) => sum + mg, 0));

/** The end that fits the minutes of its length. @param {Row["record"]} record */
export const endOf = ({ start, end }) => start + 60 * Math.round(Math.max(0, end - start) / 60);

/** What the record says. @param {Found} found @param {Row} row */
function about({ directory }, row) {
  const { record, own, closed, mg, standing, other } = row, { detail = {} } = record;
  const { region: place, ...rest } = detail, end = endOf(record), from = time(record.start);
  /** @type {[Child, Child][]} */
  const pairs = [
    [t("records.when"), end === record.start ? from : `${from}–${
      day(end) === day(record.start) ? time(end).slice(-5) : time(end)}`],
    ...Object.entries(rest).map(([name, text]) => /** @type {[Child, Child]} */ ([
      KNOWN.includes(name) ? t(`records.detail.${name}`) : name, text])),
    [t("records.region"), place && region(place)],
    [t("records.measured"), amounts(record.activity)],
    [t("category"), begin(category(row.category))],
    [t("amount"), grams(mg, true)],
    [t("records.close"), closeWords(row)],
    [t("source"), nameOf(directory, own.source)],
    [t("records.operator"), record.operator === own.source ? null
      : nameOf(directory, record.operator)],
    [t("records.receipt"), el("span.mono.small", record.receipt)],
    [t("records.evidence"), t(`records.evidence.${record.evidence}`)],
  ];
  return el("div.stack", standing !== "counts" && standing !== "cut" && standing !== "zero"
    && banner(standing === "correction" ? "info" : "warn", t(`records.told.${standing}`, {
      day: other ? day(other.start) : "" })),
  facts(pairs.filter(([, value]) => value)), closed === null && own.ends !== null && row.month
    >= own.ends ? el("p.small.mute", t("records.endedwhy")) : null);
}

const KNOWN = ["from", "to", "bike", "place"];

/** @param {Row} row */
const closeWords = ({ closed, rejected, own, mg }) => closed ? t(rejected ? "records.inrejected"
  : mg ? "records.inclose" : "records.inzero", { month: monthName(closed) })
  : t(own.trouble ? "records.uncheckedclose" : "records.noclose");

const FIRST = ["disagrees", "refused", "why", "worked", "cut", "source", "note"];

/** The sentences that say most; every step is folded below them.
 * @param {Found} found @param {Row} row @returns {Promise<Child>} */
async function whyOf({ releaseOf }, { record, standing, mg }) {
  const release = await releaseOf(record.release);
  const lines = await why(record, release, locale(), standing === "double");
  const at = Number(locale() === "en"), told = (/** @type {typeof lines[0]} */
    { kind, text, members }) => kind === "worked" ? t("records.worked",
    { text: workedOut(record.activity, members) || members.text })
    : kind === "cut" ? t("records.cut", members) : kind !== "source" ? members.text ?? text
    : [t("source"), members.title, placeIn(members.locator, at), members.words]
      .join(" · ");
  const first = FIRST.flatMap((wanted) => lines.filter(({ kind }) => kind === wanted)
    .map((line) => ({ kind: line.kind, text: told(line) })));
  const back = lines.some(({ kind }) => kind === "back");
  return [el("h3", t(mg === 0 ? "records.whyzero" : "records.whynumber")),
    once(first).map(({ kind, text }) => kind === "disagrees" ? banner("warn", text)
      : el(kind === "source" || kind === "note" ? "p.small.mute" : "p", text)),
    el("p.small.mute", t("records.sure")),
    more(t("records.steps"), el("ul.list", lines.filter(({ kind }) =>
      !["disagrees", "source", "note"].includes(kind)).map(({ kind, text, members }) =>
      el("li.item.small", el("span", kind === "counts" && !back ? t("records.rule", members)
        : kind === "why" ? members.text : (kind === "factor"
          ? text.replace(members.region, region(members.region)) : text).replaceAll("CO2e", "CO₂e"))))))];
}

/** @param {{kind: string, text: string}[]} lines a reason of rule and record alike stands once */
const once = (lines) => lines.filter(({ text }, i) =>
  lines.findIndex((one) => one.text === text) === i);
