// The consent screen: what one platform asks for, and what the person chooses of it.
import { badge, banner, card, check, choice, el, empty, facts, link, more, table } from "../dom.js";
import { isError } from "../errors.js";
import { sentencesOf } from "../notices.js";
import { begin, changesOf, lastDay, lastsOf, purposeWords, scopeWords, stepWords }
  from "../sharing.js";
import { fetchTemplates, templateOf } from "../templates.js";
import { category, day, locale, monthName, sentence, span, t } from "../words.js";
import { decision, noticeParts, termsOf } from "./decision.js";
import { figuresOf, unsure } from "./leaving.js";

/** @import { Ctx } from "./registry.js" */
/** @import { Asked } from "../decisions.js" */
/** @import { Directory } from "../directory.js" */
/** @import { Terms } from "../messages.js" */
/** @import { Grant } from "../side.js" */
/** @import { Templates } from "../templates.js" */
/** What the screen stands on. @typedef {{ctx: Ctx, asked: Asked, directory: Directory,
 *   templates: Templates, old: Grant | null, place: HTMLElement}} View */
/** What the person chose so far: categories ticked, the last month, `read` the notice shown,
 * `shown` the figures of this very choice: `blind` cannot be shown, `single` one is of one source.
 * @typedef {{ticked: Set<number>, last: string, read: string,
 *   shown: ReturnType<import("./leaving.js").leaving> | null}} Choice */

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

/** @param {View} view */
function screen(view) {
  const { asked } = view, { required } = asked.details.categories;
  /** @type {Choice} */
  const choice = { ticked: new Set(), last: asked.details.last, read: "", shown: null };
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
    [t("party"), el("span.mono.small", party.id)],
    [t("since"), [day(since), " · ",
      link(t("entry"), `register?id=${party.id}`)]],
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
  if (member === "purposes") return purposeWords(terms.purposes);
  if (member === "first" || member === "last") return monthName(terms[member]);
  if (member === "step") return stepWords(terms.step);
  if (member === "until") return lastDay(terms).day;
  if (member === "data_life_days") return t("consents.days", { n: terms.data_life_days });
  if (member === "show_sources") return t(terms.show_sources ? "consents.yes" : "consents.no");
  return terms[member];
}

/** @param {View} view @param {Choice} choice @param {Terms | null} terms */
async function shared(view, choice, terms) {
  const words = said(view, terms ?? widest(view.asked));
  const shown = await choice.shown?.catch(() => null);
  const { show_sources: shows } = view.asked.details;
  return el("div.grid", card(t("consents.shared"), el("ul.list",
    [terms ? t("consents.figures", { step: begin(stepWords(terms.step)),
      span: span(terms.first, terms.last), scope: scopeWords(terms.categories),
      n: lastsOf(terms).length }) : t("consents.tickone"),
    (shows || !shown?.single) && words.sources, words.own].map((one) => one && el("li.item", one))),
  shows && el("p.small.mute", why(view, "show_sources"))),
  card(t("consents.never"), el("p.legend",
    t("consents.nevers").split("|").map((one) => el("span", "✕ ", one))),
  el("p.small.mute", words.method)));
}

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

/** @param {View} view @param {Choice} _choice @param {Terms | null} terms */
function times(view, _choice, terms) {
  const found = terms ?? widest(view.asked);
  const { day, when } = lastDay(found, view.ctx.session.now());
  return facts([[t("consents.period"), span(found.first, found.last)],
    [t("consents.item.step"), stepWords(found.step)],
    [t("consents.item.until"), `${day} · ${when}`],
    [t("consents.kept"), t("consents.days", { n: found.data_life_days })]]);
}

/** @param {View} view @param {Choice} chosen @param {() => void} change */
function endEarlier({ asked: { details } }, chosen, change) {
  const lasts = lastsOf(details), { last: asked } = details;
  return lasts.length > 1 && choice(t("consents.earlier"), lasts.map((last) => {
    const month = monthName(last);
    return [last, last === asked ? t("consents.asasked", { month }) : month];
  }), asked, (last) => {
    chosen.last = last;
    change();
  });
}

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
