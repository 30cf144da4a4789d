// The figures that would leave: those that this person has, those to come, and what is not known.
import { badge, banner, card, el, link, more } from "../dom.js";
import { nameOf } from "../directory.js";
import { unchecked } from "../reading.js";
import { completeIn, exampleOf, groupsOf, partsOf, whatWords } from "../sharing.js";
import { cellsOf } from "../tokens.js";
import { listed, mass, monthName, span, t } from "../words.js";

/** @import { Figure } from "../decisions.js" */
/** @import { Terms } from "../messages.js" */
/** @import { OwnLink } from "../records.js" */
/** @import { Ctx } from "./registry.js" */
/** @import { Choice, View } from "./request.js" */

/** Says that not all of a source's records verify; until they are read, and else, nothing.
 * @param {Ctx} ctx @returns {HTMLElement} */
export function unsure({ session, holder, live: redrawn }) {
  const note = el("div"), place = redrawn(() => {
    Promise.all([session.links(), holder.held()]).then(([links, directory]) => {
      const wrong = links.filter(({ trouble }) => trouble);
      const by = wrong.filter(({ trouble }) => trouble?.kind !== "unsigned");
      const names = [...new Set(by.map(({ source }) => nameOf(directory, source)))];
      place.hidden = !wrong.length;
      note.replaceChildren(banner("warn", by.length ? t("consents.unsure", { names: listed(names) })
        : "", " ", by.length < wrong.length ? t("e.unsigned") : "", " ", t("consents.unsurewhy"),
      " ", link(t("alarmsee"), "records")));
    }, () => {}); // what stands on the records says why there are none
    return note;
  });
  place.hidden = true;
  return place;
}

/** The figures; what is allowed waits for those of its own choice. @param {View} view
 * @param {Choice} choice @param {Terms | null} terms */
export async function figuresOf(view, choice, terms) {
  choice.shown = leaving(view, terms);
  return (await choice.shown).node; // an error is shown in place of the figures
}

/** @param {View} view @param {Terms | null} terms
 * @returns {Promise<{node: HTMLElement, blind: string[][], single: boolean}>} */
export async function leaving(view, terms) {
  if (!terms)
    return { node: card(t("consents.leaves"), el("p", t("consents.tickone"))), blind: [],
      single: false };
  const { ctx: { session, holder }, asked, directory } = view;
  const links = await session.links(), org = directory.orgOf(terms.platform);
  const own = links.filter(({ source }) => directory.find(source)?.org === org);
  const counted = links.filter((one) => !own.includes(one));
  const { known, ahead: all, taken, none } = groupsOf(await holder.figures(terms, links));
  const blind = windows(all.length ? await blindOf(view, org, all, counted) : []);
  const ahead = all.filter(({ window }) => !blind.includes(window));
  const few = known.slice(0, SHOWN), rest = known.slice(SHOWN);
  const { name } = asked, parts = (/** @type {Figure} */ one) =>
    partsOf(links, one, terms.categories);
  const only = (/** @type {string[]} */ sources) => t("consents.onesource",
    { name, source: listed(sources.map((one) => nameOf(directory, one))) });
  const each = ahead.map(parts), n = Math.max(0, ...each.map(({ length }) => length));
  const sums = n > 1 ? t("consents.sumsof", { name, n }) : only([...new Set(each.flat())]);
  const row = (/** @type {Figure} */ one) => figureRow(terms, one, parts(one).length > 1
    ? t("consents.sumof", { n: parts(one).length }) : only(parts(one)));
  const node = card(t("consents.leaves"), el("p.mute", t("consents.onlythese", { name }),
    terms.show_sources && [" ", t("consents.withsources", { name })]), el("ul.list", few.map(row)),
    rest.length > 0 && more(t("consents.morefigures", { n: rest.length }),
      el("ul.list", rest.map(row))),
    blind.length > 0 && banner("warn", blindWords(blind), " ",
      link(t("alarmsee"), "records")),
    known.length + all.length === 0 && banner("warn", t("consents.nothingwould")),
    ahead.length > 0 && coming(terms, ahead, counted, sums),
    taken.length > 0 && el("p.small",
      t("consents.taken", { name, spans: spans(windows(taken)) })),
    none.length > 0 && el("p.small", t("consents.nonefor", { spans: spans(windows(none)) })),
    own.length > 0 && el("p.small", t("consents.ownleft", { name,
      sources: listed(own.map((one) => nameOf(directory, one.source))) })));
  return { node, blind, single: [...known, ...all].some((one) => parts(one).length === 1) };
}

/** Those that may leave although this device cannot show them: not all that is missing is to come.
 * @param {View} view @param {string} org @param {Figure[]} ahead
 * @param {import("../records.js").SeenLink[]} links */
async function blindOf({ ctx: { holder, session }, directory }, org, ahead, links) {
  const facts = await holder.links(holder.live), { zone } = directory.listing;
  return ahead.filter(({ window }) => facts.some((fact) => fact.org !== org) &&
    unchecked(links, cellsOf(facts, org, window), session.now(), zone));
}

/** How much this device cannot show. @param {string[][]} blind */
export const blindWords = (blind) => t("consents.blind", { n: blind.length, spans: spans(blind) });

const SHOWN = 6;

/** @param {Figure[]} figures */
const windows = (figures) => figures.map(({ window }) => window);

/** Windows as periods. @param {string[][]} windows */
export const spans = (windows) => listed(windows.map((window) =>
  span(window[0], /** @type {string} */ (window.at(-1)))));

/** @param {Terms} terms @param {Figure} figure @param {string} of which sources */
function figureRow(terms, { window, grams }, of) {
  return el("li.item", el("span", whatWords(window, terms.categories), el("br"),
    el("span.mute.small", of)),
  el("strong.num", mass(/** @type {number} */ (grams), 3))); // to the gram, as it leaves
}

/** Figures that are not there yet, with an example of the person's own.
 * @param {Terms} terms @param {Figure[]} ahead @param {OwnLink[]} counted
 * @param {string} sums of which sources */
function coming({ categories, step }, ahead, counted, sums) {
  const example = exampleOf(counted, categories, step, windows(ahead).flat());
  const first = ahead[0].window[0], last = /** @type {string} */ (ahead.at(-1)?.window.at(-1));
  return el("div.note", el("p", t("consents.ahead", { n: ahead.length, span: span(first, last),
    month: monthName(completeIn(ahead[0].window)) })),
  el("p", sums),
  example && el("p", badge("warn", t("consents.example")), " ",
    t("consents.exampleis", { what: whatWords(example.window, categories),
      mass: mass(example.grams, 3) })));
}
