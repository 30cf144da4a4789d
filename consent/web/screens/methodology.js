// How it is counted: the published rules, each file compared with the signed list of parties.
import { badge, banner, busy, card, choice, el, facts, more, svg, table } from "../dom.js";
import { REASONS, placeIn, readIn, wordsOf } from "../explain.js";
import { rate, rateOf, region } from "../figures.js";
import { fetchRelease } from "../methodology.js";
import { CATEGORIES } from "../months.js";
import { begin } from "../sharing.js";
import { addWords, category, day, listed, locale, mass, monthName, number, t } from "../words.js";
import words from "../words/public.js";

addWords(words);

/** @typedef {import("./registry.js").Ctx} Ctx */
/** @typedef {import("../dom.js").Child} Child */
/** @typedef {import("../methodology.js").Behaviour} Behaviour */
/** @typedef {import("../methodology.js").Release} Release */
/** @typedef {import("../methodology.js").Table} Table */
/** from null: in force nowhere
 * @typedef {{id: string, sha256: string, from: string | null}} Known */
/** @typedef {{release: Release, category: number, behaviour: Behaviour, why: string | null,
 *   names: Map<string, string>}} Rule why it counts 0 always; names of all behaviours beside it */

// A programme's figures that no vault has in force; its hash is published with this page.
/** @type {Known[]} */
export const BESIDE = [{ id: "beijing-season-2022", from: null,
  sha256: "184155bc9d353ceeacd4be41b8f4235f098a981b6c1df115549c4081c85e8280" }];

/** @param {string} id */
const titleOf = (id) => id === BESIDE[0].id ? t("public.how.season") : id;

/** @param {Ctx} ctx */
export const show = (ctx) => el("div.stack", el("p.lead", t("public.how.lead")),
  el("p", t("public.how.intro")), busy(() => load(ctx), (found) => screen(ctx, found)));

/** @param {Ctx} ctx */
async function load({ session, params }) {
  const { listing } = await session.directory(), running = session.month();
  const inForce = listing.releases.filter(({ from }) => from <= running).at(-1);
  const known = [...listing.releases].reverse().concat(/** @type {any} */ (BESIDE.filter(({ id }) =>
    !listing.releases.some((one) => one.id === id))));
  const open = known.find(({ id }) => id === params.get("release")) ?? inForce ?? known[0];
  return { known, open, inForce, running, rules: await fetchRules(session.wire, open) };
}

/** @param {import("../methodology.js").Files} wire @param {Known} known
 * @returns {Promise<Rule[]>} */
async function fetchRules(wire, known) {
  const release = await fetchRelease(wire, { listing: { releases: [known] } }, known.id);
  const names = new Map();
  return Promise.all(release.listed.behaviours.map(async ({ id }) => {
    const behaviour = await release.behaviour(id);
    names.set(id, behaviour.names[locale()]);
    const taken = release.listed.accepted?.some((/** @type {Table} */ one) => one.id === id);
    const why = behaviour.tier === "Z" ? "no-published-factor"
      : behaviour.tier === "B" && !taken ? "not-accepted" : null;
    return { release, category: release.category(id), behaviour, why, names };
  }));
}

/** @param {Ctx} ctx @param {Awaited<ReturnType<typeof load>>} found */
function screen(ctx, { known, open, inForce, running, rules }) {
  const [{ release }] = rules, { says, caps } = release.listed;
  const counting = rules.filter(({ why }) => !why).length;
  return [card(t("public.how.releases"), el("ul.list", known.map((one) =>
    releaseRow(one, one === open, one === inForce, running)))),
  card(titleOf(release.id), el("p.row", badge("good", t("public.how.verified")),
    el("span.small.mute", t(open.from ? "public.how.verifiedwhy"
      : "public.how.besidewhy"))), el("p", says[locale()]),
  release.id === BESIDE[0].id && banner("info", t("public.how.seasonbound")),
  el("div.row", tally(counting, t("public.how.counting")),
    tally(rules.length - counting, t("public.how.zero"))),
  caps && more(t("public.how.caps"), el("div.stack", el("p.small", caps.note[locale()]),
    facts(CATEGORIES.map((one) => [begin(category(one)), mass(release.cap(one))])))),
  more(t("details"), el("p.small.mono", `${release.id} · SHA-256 ${release.sha256}`))),
  known.length > 1 && comparison(ctx, known, open, rules),
  CATEGORIES.map((one) => categoryCard(one, rules.filter((rule) => rule.category === one)))];
}

/** @param {number} n @param {string} text */
const tally = (n, text) => el("span", el("strong.lead", number(n)), " ", el("span.mute", text));

/** @param {Known} one @param {boolean} open @param {boolean} inForce @param {string} running */
function releaseRow({ id, from }, open, inForce, running) {
  const state = inForce ? "now" : !from ? "beside" : from > running ? "later" : "earlier";
  return el("li", el("a.item", { href: `#/methodology?release=${id}`, "aria-current":
    open && "true" }, el("span", el("strong", titleOf(id)), el("br"), el("span.mute.small",
    from ? t("public.how.since", { month: monthName(from) })
      : t("public.how.nowhere"))),
  badge(inForce ? "good" : "", t(`public.how.state.${state}`))));
}

/** @param {number} kind @param {Rule[]} rules */
function categoryCard(kind, rules) {
  if (!rules.length) return null;
  const sorted = [...rules].sort((a, b) => Number(!!a.why) - Number(!!b.why));
  const n = rules.filter(({ why }) => !why).length;
  return el("section.card", el("div.row.between", el("h2", { class: `swatch c${kind}` },
    begin(category(kind))), el("span.small.mute", t("public.how.of",
    { n, all: rules.length }))), el("ul.list", sorted.map(ruleRow)));
}

/** @param {Rule} rule */
function ruleRow(rule) {
  const { behaviour, why } = rule, inside = el("div.stack");
  const fill = () => inside.childElementCount
    || inside.append(...el("div", about(rule)).childNodes);
  return el("li", el("details", { ontoggle: fill }, el("summary.item",
    el("span", el("strong", behaviour.names[locale()]),
      !why && el("span.mute.small", el("br"), figureText(rule))),
    el("span.num", why && badge("", t("public.how.counts0")),
      el("span.mute.turn", { "aria-hidden": "true" }, "▾"))), inside));
}

// Releases are frozen texts, and these words stand there in English alone.
const FIGURES = { "g/person-km": "克/人公里", "g/km driven": "克/行驶公里", "g/km": "克/公里",
  "g/ride": "克/次", "g/trip": "克/次", "g/order": "克/单", "g/kWh metered": "克/计量千瓦时",
  "g/kWh": "克/千瓦时", "g/meal against chicken": "克/餐，与鸡肉相比",
  "g/meal against beef": "克/餐，与牛肉相比", "Beijing season 2022": "北京绿色生活季2022",
  "Beijing handbook 2023": "北京2023年手册", "Guangzhou paper 2017": "广州2017年论文",
  "third-party": "第三方", "cited by Meituan": "美团引用", "worked out from assumptions":
  "由假设推算", Wuhan: "武汉", " to ": "至", ", ": "，" };

/** The figures of a release's choice, in the reader's language. @param {string} text */
export const figuresIn = (text) => (locale() === "en" ? [] : Object.entries(FIGURES))
  .reduce((found, [en, zh]) => found.replaceAll(en, zh), text)
  .replace(/\b(CN(-[A-Z]{2})*|FR)\b/g, region);

/** @param {Rule} rule */
function about({ release, behaviour, why, names }) {
  const at = locale(), { formula, factors = [], units, evidence = "E3", says } = behaviour;
  const english = Number(at === "en"), { listed: all } = release;
  const choices = (all.choices ?? []).filter((/** @type {Table} */ { id }) => id === behaviour.id);
  return [why && banner("info", t("public.how.kept"), REASONS[why][english]), el("p", says[at]),
  factors.map((factor) => factorCard(behaviour, factor, !!why)),
  choices.map((/** @type {Table} */ one) => banner("info", el("strong",
    t("public.how.choice")), el("p", one.why[at]), el("p.small.mute",
    t("public.how.taken", { taken: figuresIn(one.taken), over: figuresIn(one.over) })))),
  facts(/** @type {[Child, Child][]} */ ([
    [t("public.how.formula"), formula.shape !== "zero"
      && wordsOf(formula, english).equation],
    [t("public.how.unit"), listed(units.map((unit) =>
      t(`public.how.unit.${unit}`)))],
    [t("public.how.attested"), t(`public.how.evidence.${evidence}`)],
    ...limitPairs(behaviour), [t("public.how.most"), capsText(behaviour)],
    [t("public.how.notbeside"), besideText(behaviour, names)],
    [t("public.how.listed"), behaviour.listed
      && t(`public.how.listed.${behaviour.listed}`)],
    [t("details"), el("span.small.mono", `${behaviour.id} · ${behaviour.rev} · SHA-256 `
      + release.pin(behaviour.id).sha256)]]).filter(([, value]) => value))];
}

/** @param {Behaviour} behaviour @param {Table} factor @param {boolean} unused */
function factorCard({ formula }, factor, unused) {
  const { source, valid_from: begins, valid_until: ends } = factor, at = locale();
  const one = rateOf(formula, factor), english = Number(at === "en");
  return el("div.note", el("p.row.between", el("strong", one ? rate(one)
    : wordsOf(formula, english).figures(factor)), el("span", region(factor.region))),
  el("p.small", unused && t("public.how.unused"), source.note[at]),
  el("p.small.mute", source.title, " · ", sourceLink(placeIn(source.locator, english)), " · ",
    t("public.how.grade", { words: readIn(source, english) }), " · ",
    t(ends ? "public.how.valid" : "public.how.validfrom",
      { from: dayOf(begins), until: ends ? dayOf(ends, 1) : "" })));
}

/** @param {string} iso */
const dayOf = (iso, less = 0) => day(Date.parse(`${iso}T04:00Z`) / 1000 - less * 86400);

const PLACE = /^(https:\/\/)?[a-z0-9-]+(\.[a-z0-9-]+)+\/[!-~]*$/;

/** An address is a link that leads out; anything else is text. @param {string} locator */
const sourceLink = (locator) => PLACE.test(locator) ? el("a", { rel: "noreferrer noopener",
  target: "_blank", href: locator.startsWith("https://") ? locator : `https://${locator}` },
locator) : locator;

/** @param {Behaviour} behaviour @returns {[Child, Child][]} */
const limitPairs = ({ exclusions = [], bounds = [] }) => [
  [t("public.how.excluded"), exclusions.length > 0 && exclusions.map(limit)],
  [t("public.how.refused"), bounds.length > 0 && bounds.map(limit)]];

/** @param {Table} rule */
const limit = ({ text, proposal }) =>
  el("p", text[locale()], proposal && el("span.mute", ` (${t("public.how.ours")})`));

/** @param {Behaviour} behaviour */
function capsText({ caps }) {
  if (!caps) return null;
  const parts = ["act", "day", "month"].filter((one) => caps[`${one}_g`] !== undefined)
    .map((one) => t(`public.how.per.${one}`, { mass: mass(caps[`${one}_g`]) }));
  return [listed(parts), caps.proposal && el("span.mute", ` (${t("public.how.ours")})`)];
}

/** @param {Behaviour} behaviour @param {Rule["names"]} names */
export const besideText = ({ exclusive = [] }, names) => listed(exclusive
  .filter((/** @type {Table} */ { with: id }) => names.has(id))
  .map((/** @type {Table} */ { with: id, within }) => `${names.get(id)} (${t(
    `public.how.within.${within}`)})`));

/** @param {Ctx} ctx @param {Known[]} known @param {Known} open @param {Rule[]} rules */
function comparison({ session }, known, open, rules) {
  const others = known.filter((one) => one !== open), place = el("div.stack");
  const draw = (/** @type {string} */ id) => place.replaceChildren(busy(() => fetchRules(
    session.wire, /** @type {Known} */ (others.find((one) => one.id === id))),
  (theirs) => compared(known, rules, theirs)));
  draw(others[0].id);
  return card(t("public.how.compare"),
    choice(t("public.how.with"), others.map(({ id }) => [id, titleOf(id)]),
      others[0].id, draw), place);
}

/** @typedef {{label: string, color: string, grams: number, text: string}} Bar */

/** @param {Known[]} known each keeps its colour @param {Rule[]} ours @param {Rule[]} theirs */
function compared(known, ours, theirs) {
  const pairs = ours.flatMap((a) => theirs.filter((b) => b.behaviour.id === a.behaviour.id)
    .map((b) => /** @type {[Rule, Rule]} */ ([a, b])));
  return [pairs.map(([a, b]) => {
    const [mine, others] = [a, b].map((rule) => rule.why ? [] : barsOf(known, rule));
    return mine.length > 0 && others.length > 0 && group(a, [...mine, ...others]);
  }), el("h3", t("public.how.changed")), changes(ours, theirs, pairs)];
}

/** @param {Known[]} known @param {Rule} rule @returns {Bar[]} */
const barsOf = (known, { release: { id }, behaviour: { formula, factors = [] } }) =>
  factors.flatMap((factor) => {
    const found = rateOf(formula, factor), at = known.findIndex((one) => one.id === id);
    return found ? [{ label: `${region(factor.region)} · ${titleOf(id)}`, color: `c${4 - at % 4}`,
      grams: found.grams, text: rate(found) }] : [];
  });

/** One behaviour's figures as bars, its highest the whole width. @param {Rule} rule
 * @param {Bar[]} bars */
function group({ behaviour }, bars) {
  const name = behaviour.names[locale()], most = Math.max(...bars.map((one) => one.grams));
  const least = Math.min(...bars.map((one) => one.grams)), width = 360, step = 36;
  const told = t("public.how.apart", { n: number(most / least,
    { maximumFractionDigits: 1 }) });
  const rows = bars.map((one, i) => [svg("text", { x: 0, y: i * step + 12 }, one.label),
    svg("text", { x: width, y: i * step + 12, "text-anchor": "end" }, one.text),
    svg("rect", { class: one.color, x: 0, y: i * step + 17, height: 9, rx: 4,
      width: Math.max(width * one.grams / most, 3) })]);
  return el("figure.stack", el("figcaption.row.between", el("strong", name),
    most > least && el("span.small.mute", told)),
  svg("svg", { class: "chart", role: "img", viewBox: `0 0 ${width} ${bars.length * step}`,
    "aria-label": `${name}: ${listed(bars.map(({ label, text }) => `${label} ${text}`))}` }, rows));
}

/** @param {Rule[]} ours @param {Rule[]} theirs @param {[Rule, Rule][]} pairs */
function changes(ours, theirs, pairs) {
  const pinned = (/** @type {Rule} */ { release, behaviour }) => release.pin(behaviour.id).sha256;
  const same = pairs.filter(([a, b]) => pinned(a) === pinned(b) && a.why === b.why);
  const other = pairs.filter((pair) => !same.includes(pair));
  const only = (/** @type {Rule[]} */ list, /** @type {Rule[]} */ not) =>
    list.filter((a) => !not.some((b) => b.behaviour.id === a.behaviour.id));
  const [a, b] = [ours, theirs].map(([{ release }]) => titleOf(release.id));
  const here = only(ours, theirs), there = only(theirs, ours);
  const part = (/** @type {string} */ title, /** @type {Rule[]} */ list) => list.length > 0
    && more(title, el("p.small", listed(list.map(({ behaviour }) => behaviour.names[locale()]))));
  return el("div", other.length > 0 && more(t("public.how.otherwise", { n: other.length }),
    table(t("public.how.changed"), [t("public.how.behaviour"), a, b],
      other.map(([x, y]) => [x.behaviour.names[locale()], figureText(x),
        figureText(x) === figureText(y) ? t("public.how.alike") : figureText(y)]))),
  part(t("public.how.same", { n: same.length }), same.map(([one]) => one)),
  part(t("public.how.onlyin", { n: here.length, id: a }), here),
  part(t("public.how.onlyin", { n: there.length, id: b }), there));
}

/** @param {Rule} rule */
function figureText({ why, behaviour: { formula, factors = [] } }) {
  if (why) return t("public.how.counts0");
  return listed(factors.map((factor) => {
    const found = rateOf(formula, factor);
    return `${found ? rate(found) : t("public.how.byformula")} (${region(factor.region)})`;
  }));
}
