// The consent screen: what one platform asks for, the figures that would leave, and the decision.
import { announce, badge, banner, button, card, check, choice, confirm, el, empty, facts, link,
  more, save, table } from "../dom.js";
import { textHash } from "../encoding.js";
import { isError } from "../errors.js";
import { sentencesOf } from "../notices.js";
import { unchecked } from "../reading.js";
import { begin, changesOf, completeIn, exampleOf, groupsOf, lastsOf, scopeWords, stepWords,
  whatWords } from "../sharing.js";
import { fetchTemplates, templateOf } from "../templates.js";
import { cellsOf } from "../tokens.js";
import { addWords, away, category, day, listed, locale, mass, monthName, sentence, span, t }
  from "../words.js";
import words from "../words/consents.js";

addWords(words);

/** @typedef {import("./registry.js").Ctx} Ctx */
/** @typedef {import("../decisions.js").Asked} Asked */
/** @typedef {import("../decisions.js").Decided} Decided */
/** @typedef {import("../decisions.js").Figure} Figure */
/** @typedef {import("../directory.js").Directory} Directory */
/** @typedef {import("../messages.js").Terms} Terms */
/** @typedef {import("../records.js").OwnLink} OwnLink */
/** @typedef {import("../side.js").Grant} Grant */
/** @typedef {import("../templates.js").Templates} Templates */
/** What the screen stands on. @typedef {{ctx: Ctx, asked: Asked, directory: Directory,
 *   templates: Templates, old: Grant | null, place: HTMLElement}} View */
/** What the person chose so far: categories ticked, the last month, `read` the notice shown,
 * `blind` the windows of this very choice that cannot be shown, once its figures are.
 * @typedef {{ticked: Set<number>, last: string, read: string,
 *   blind: Promise<string[][]>}} Choice */

/** The request that the address names; a decided one leads on. @param {Ctx} ctx
 * @returns {Promise<Node>} */
export async function show(ctx) {
  const { holder, session, params } = ctx, client = params.get("client_id");
  const name = params.get("request_uri") ?? params.get("handle") ?? params.get("code") ?? "";
  const place = el("div.stack");
  try {
    const asked = await holder.openRequest(name, client);
    if (asked.state !== "open") return decidedAlready(ctx, asked);
    const [directory, templates, grants] = await Promise.all([
      session.directory(), fetchTemplates(holder.wire), session.grants()]);
    const old = grants.find(({ grant }) => grant.grant === asked.details.replaces)?.grant ?? null;
    place.append(...screen({ ctx, asked, directory, templates, old, place }));
    return place;
  } catch (error) {
    return refused(ctx, error);
  }
}

// Requests that cannot be decided

const REFUSALS = ["not-found", "bad-code", "not-offered", "beyond-template"];

/** @param {Ctx} ctx @param {unknown} error */
function refused(ctx, error) {
  const found = REFUSALS.find((slug) => isError(error, slug));
  if (!found) throw error;
  ctx.title(t("consents.noopen"));
  return empty(t(`consents.cannot.${found}`), t("consents.nothingleft"),
    el("div.row", link(t("consents.enter"), "requests", "btn")));
}

/** @param {Ctx} ctx @param {Asked} asked */
async function decidedAlready(ctx, asked) {
  ctx.title(t("consents.decided"));
  const given = (await ctx.session.grants()).map(({ grant }) => grant)
    .find((grant) => grant.request === asked.hash);
  const unseen = asked.state === "granted" && !given;
  return empty(t(`consents.was.${unseen ? "unseen" : asked.state}`, { name: asked.name }),
    given || unseen ? "" : t("consents.nothingleft"),
    given ? link(t("consents.seeit"), `grant?id=${given.grant}`, "btn")
      : link(t("consents.enter"), "requests", "btn"));
}

// The screen, in the order in which a person decides

/** @param {View} view */
function screen(view) {
  const { asked } = view, { required } = asked.details.categories;
  /** @type {Choice} */
  const choice = { ticked: new Set(), last: asked.details.last, read: "",
    blind: Promise.resolve([]) };
  const parts = [live(view, choice, "", changes), live(view, choice, "polite", figuresOf),
    live(view, choice, "", shared), live(view, choice, "", times), live(view, choice, "", notice)];
  const change = () => parts.forEach((part) => part.draw());
  const boxes = choices(view, choice, change);
  const [changed, figures, data, period, text] = parts.map(({ node }) => node);
  const decide = decision(view, choice, boxes.marks, required);
  change();
  return [who(view), purpose(view), changed, unsure(view.ctx), figures, data, boxes.node,
    card(t("consents.howlong"), period, endEarlier(view, choice, change)), stopping(view),
    card("", more(t("consents.notice"), el("p.small.mute", t("consents.noticewhy")), text)),
    ...decide];
}

/**
 * A part that is drawn again when a box or the end changes; what comes too late is dropped.
 * @param {View} view @param {Choice} choice @param {string} aria
 * @param {(view: View, choice: Choice, terms: Terms | null) =>
 *   import("../dom.js").Child | Promise<import("../dom.js").Child>} draw
 */
function live(view, choice, aria, draw) {
  const node = el("div.stack", { "aria-live": aria || null });
  let turn = 0;
  return { node, draw: async () => {
    const mine = ++turn;
    node.setAttribute("aria-busy", "true");
    const drawn = await Promise.resolve(draw(view, choice, termsOf(view, choice)))
      .catch((error) => banner("bad", sentence(error)));
    if (mine !== turn) return;
    node.replaceChildren(...el("div", drawn).childNodes);
    node.hidden = !node.childNodes.length;
    node.removeAttribute("aria-busy");
  } };
}

/** The terms as chosen: required categories always count, for without them there is no consent.
 * @param {View} view @param {Choice} choice @returns {Terms | null} null: nothing is chosen yet */
function termsOf({ asked }, choice) {
  const { categories: { required }, last } = asked.details, optional = optionalOf(asked, choice);
  if (!required.length && !optional.length) return null;
  return asked.terms(optional, choice.last === last ? null : choice.last);
}

/** @param {Asked} asked @param {Choice} choice */
const optionalOf = ({ details }, { ticked }) =>
  details.categories.optional.filter((one) => ticked.has(one));

/** @param {View} view @param {Terms} terms */
const said = ({ directory, templates }, terms) =>
  sentencesOf(terms, directory, locale(), templates);

/** @param {View} view @param {string} item what the platform says of it, in its own words */
const reason = ({ asked }, item) => asked.details.reasons[item]?.[locale()] ?? "";

/** @param {View} view @param {string} item */
const why = (view, item) => {
  const words = reason(view, item);
  return words ? t("consents.why", { words }) : t("consents.noreason");
};

/** @param {View} view */
function who({ asked, directory }) {
  const party = directory.party(asked.request.client_id);
  const since = Math.min(...party.sig.map(({ from }) => from));
  return card(asked.name, el("p", t("consents.asks")), facts([
    [t("consents.id"), el("span.mono.small", party.id)],
    [t("consents.since"), [day(since), " · ",
      link(t("consents.register"), `register?id=${party.id}`)]],
  ]));
}

/** @param {View} view */
function purpose(view) {
  const { asked, templates } = view;
  const { text, free_choice: free } = templateOf(templates, asked.request.template);
  const { benefit, purpose: aim } = text[locale()], { choice } = said(view, widest(asked));
  return card(t("consents.whatfor"), el("p", el("strong", begin(aim))),
    el("p.mute", t("consents.theirwords", { name: asked.name, words: reason(view, "purpose") })),
    facts([[t("consents.youget"), begin(benefit)]]), free && banner("info", choice));
}

/** @param {Asked} asked */
const widest = (asked) => asked.terms(asked.details.categories.optional);

// What would change

/** @param {View} view @param {Choice} _choice @param {Terms | null} terms */
function changes({ old, asked }, _choice, terms) {
  if (!asked.details.replaces) return null;
  if (!old) return banner("warn", t("consents.noold"));
  if (!terms) return null;
  const rows = changesOf(/** @type {Terms} */ (/** @type {unknown} */ (old)), terms);
  return card(t("consents.changes"), el("p", t("consents.replaces", { name: asked.name })),
    table(t("consents.changes"), [t("consents.item"), t("consents.before"), t("consents.after")],
      rows.map(({ member, before, after, changed }) => [t(`consents.item.${member}`),
        memberWords(member, before), changed
          ? el("strong", memberWords(member, after), " ", badge("warn", t("consents.changed")))
          : el("span.mute", t("consents.same"))])));
}

/** @param {import("../sharing.js").Member} member @param {Terms} terms */
function memberWords(member, terms) {
  if (member === "categories") return scopeWords(terms.categories);
  if (member === "purposes") return listed(terms.purposes.map((one) => t(`consents.dpv.${one}`)));
  if (member === "first" || member === "last") return monthName(terms[member]);
  if (member === "step") return stepWords(terms.step);
  if (member === "until") return day(terms.until);
  if (member === "data_life_days") return t("consents.days", { n: terms.data_life_days });
  if (member === "show_sources") return t(terms.show_sources ? "consents.yes" : "consents.no");
  return terms[member];
}

// The figures

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
      " ", link(t("consents.seerecords"), "records")));
    }, () => {}); // what stands on the records says why there are none
    return note;
  });
  place.hidden = true;
  return place;
}

/** The figures; what is allowed waits for those of its own choice. @param {View} view
 * @param {Choice} choice @param {Terms | null} terms */
async function figuresOf(view, choice, terms) {
  const shown = leaving(view, terms);
  choice.blind = shown.then(({ blind }) => blind);
  choice.blind.catch(() => {}); // it is shown in place of the figures
  return (await shown).node;
}

/** @param {View} view @param {Terms | null} terms
 * @returns {Promise<{node: HTMLElement, blind: string[][]}>} */
async function leaving(view, terms) {
  if (!terms)
    return { node: card(t("consents.leaves"), el("p", t("consents.tickone"))), blind: [] };
  const { ctx: { session, holder }, asked, directory } = view;
  const links = await session.links(), org = directory.orgOf(terms.platform);
  const own = links.filter(({ source }) => directory.find(source)?.org === org);
  const counted = links.filter((one) => !own.includes(one));
  const { known, ahead: all, taken, none } = groupsOf(await holder.figures(terms, links));
  const blind = windows(all.length ? await blindOf(view, org, all, counted) : []);
  const ahead = all.filter(({ window }) => !blind.includes(window));
  const few = known.slice(0, SHOWN), rest = known.slice(SHOWN);
  const row = (/** @type {Figure} */ one) => figureRow(asked, terms, one, counted, directory);
  const node = card(t("consents.leaves"), el("p.mute", t("consents.onlythese",
    { name: asked.name }), terms.show_sources ? [" ", t("consents.withsources",
    { name: asked.name })] : null), el("ul.list", few.map(row)),
    rest.length > 0 && more(t("consents.morefigures", { n: rest.length }),
      el("ul.list", rest.map(row))),
    blind.length > 0 && banner("warn", blindWords(blind), " ",
      link(t("consents.seerecords"), "records")),
    known.length + all.length === 0 && banner("warn", t("consents.nothingwould")),
    ahead.length > 0 && coming(terms, ahead, counted),
    taken.length > 0 && el("p.small",
      t("consents.taken", { name: asked.name, spans: spans(windows(taken)) })),
    none.length > 0 && el("p.small", t("consents.nonefor", { spans: spans(windows(none)) })),
    own.length > 0 && el("p.small", t("consents.ownleft", { name: asked.name,
      sources: listed(own.map((one) => nameOf(directory, one.source))) })));
  return { node, blind };
}

/** Those that may leave although this device cannot show them: not all that is missing is to come.
 * @param {View} view @param {string} org @param {Figure[]} ahead
 * @param {import("../records.js").SeenLink[]} links */
async function blindOf({ ctx: { holder, session }, directory }, org, ahead, links) {
  const facts = await holder.links(holder.live), { zone } = directory.listing;
  return ahead.filter(({ window }) => facts.some((fact) => fact.org !== org) &&
    unchecked(links, cellsOf(facts, org, window), session.now(), zone));
}

/** @param {string[][]} blind */
const blindWords = (blind) => t("consents.blind", { n: blind.length, spans: spans(blind) });

const SHOWN = 6;

/** @param {Directory} directory @param {string} id */
const nameOf = (directory, id) => directory.find(id)?.name ?? id;

/** @param {Figure[]} figures */
const windows = (figures) => figures.map(({ window }) => window);

/** @param {string[][]} windows */
const spans = (windows) => listed(windows.map((window) =>
  span(window[0], /** @type {string} */ (window.at(-1)))));

/** @param {Asked} asked @param {Terms} terms @param {Figure} figure @param {OwnLink[]} counted
 * @param {Directory} directory */
function figureRow(asked, terms, { window, grams, sources }, counted, directory) {
  const only = counted.length === 1 ? nameOf(directory, counted[0].source)
    : t("consents.thissource");
  return el("li.item", el("span", whatWords(window, terms.categories), el("br"),
    el("span.mute.small", sources === 1
      ? t("consents.onesource", { name: asked.name, source: only })
      : t("consents.sumof", { n: sources }))),
  el("strong.num", mass(/** @type {number} */ (grams), 3))); // to the gram, as it leaves
}

/** Figures that are not there yet, as one line, with an example of the person's own.
 * @param {Terms} terms @param {Figure[]} ahead @param {OwnLink[]} counted */
function coming({ categories, step }, ahead, counted) {
  const first = ahead[0].window[0], last = /** @type {string} */ (ahead.at(-1)?.window.at(-1));
  const example = exampleOf(counted, categories, step);
  return el("div.note", el("p", t("consents.ahead", { n: ahead.length, span: span(first, last),
    step: stepWords(step), month: monthName(completeIn(ahead[0].window)) })),
  el("p", badge("warn", t("consents.example")), " ", example
    ? t("consents.exampleis", { what: whatWords(example.window, categories),
      mass: mass(example.grams, 3) })
    : t("consents.noexample")));
}

// What is shared, and what never is

/** @param {View} view @param {Choice} _choice @param {Terms | null} terms */
function shared(view, _choice, terms) {
  const words = said(view, terms ?? widest(view.asked));
  const { show_sources: shows } = view.asked.details;
  return el("div.grid", card(t("consents.shared"), el("ul.list",
    [terms ? words.figures : t("consents.tickone"), words.sources, words.own].map((one) =>
      el("li.item", one))),
  shows && el("p.small.mute", why(view, "show_sources"))),
  card(t("consents.never"), el("p.legend",
    t("consents.nevers").split("|").map((one) => el("span", "✕ ", one))),
  el("p.small.mute", words.method)));
}

// Each category its own box

/** @param {View} view @param {Choice} choice @param {() => void} change */
function choices(view, choice, change) {
  const { required, optional } = view.asked.details.categories;
  /** @type {Map<number, (text: string) => void>} */
  const marks = new Map();
  const box = (/** @type {number} */ one) => {
    const needed = required.includes(one), wrong = el("p.small.wrong", { role: "alert" });
    const { node, input } = check([el("strong", begin(category(one))), " ",
      badge(needed ? "warn" : "", t(needed ? "consents.required" : "consents.optional")), el("br"),
      el("span.mute.small", why(view, `${one}`))]);
    input.addEventListener("change", () => {
      choice.ticked[input.checked ? "add" : "delete"](one);
      wrong.textContent = "";
      change();
    });
    marks.set(one, (text) => {
      wrong.textContent = text;
      input.focus();
    });
    return el("li", node, wrong);
  };
  const node = card(t("consents.categories"), el("p.mute", t(optional.length
    ? "consents.boxes" : "consents.allneeded")),
  el("ul.list", [...required, ...optional].map(box)));
  return { node, marks };
}

// Period and end

/** @param {View} view @param {Choice} _choice @param {Terms | null} terms */
function times(view, _choice, terms) {
  const found = terms ?? widest(view.asked), words = said(view, found);
  return [facts([[t("consents.period"), span(found.first, found.last)],
    [t("consents.often"), stepWords(found.step)],
    [t("consents.until"), `${day(found.until)} · ${away(found.until, view.ctx.session.now())}`],
    [t("consents.kept"), t("consents.days", { n: found.data_life_days })]]),
  el("p.small.mute", words.until)];
}

/** @param {View} view @param {Choice} choice @param {() => void} change */
function endEarlier({ asked }, choice, change) {
  const lasts = lastsOf(asked.details);
  if (lasts.length < 2) return null;
  return choiceOf(lasts, asked.details.last, (last) => {
    choice.last = last;
    change();
  });
}

/** @param {string[]} lasts @param {string} last @param {(last: string) => void} chosen */
const choiceOf = (lasts, last, chosen) => choice(t("consents.earlier"), lasts.map((month) =>
  /** @type {[string, string]} */ ([month, month === last
    ? t("consents.asasked", { month: monthName(month) }) : monthName(month)])), last, chosen);

/** @param {View} view */
function stopping(view) {
  const { stop, recall, personal, contact } = said(view, widest(view.asked));
  return card(t("consents.howstop"), el("p", stop), el("p", el("strong", recall)),
    el("p", personal), el("p", contact));
}

/** @param {View} view @param {Choice} choice @param {Terms | null} terms */
async function notice({ ctx: { holder } }, choice, terms) {
  choice.read = terms ? await holder.noticeOf(terms, locale()) : "";
  return choice.read ? noticeParts(choice.read, locale()) : t("consents.tickone");
}

/** A notice's text as its hash covers it, and the hash. @param {string} text
 * @param {string} lang that it is written in */
export const noticeParts = async (text, lang) => [el("div.note.stack", { lang },
  text.split("\n").map((one) => el("p", one))), el("p.small.mute", "SHA-256 ", el("span.mono", await textHash(text)))];

// Allow, or do not allow

/** @param {View} view @param {Choice} choice @param {Map<number, (text: string) => void>} marks
 * @param {number[]} required */
function decision(view, choice, marks, required) {
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
  const blind = await choice.blind.catch(() => null);
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
    until: day(grant.until) };
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
  announce(t("consents.saved"));
});
