// Sources: what sends records here and since when, what is missing and why, and how a link ends.
import { announce, badge, banner, busy, button, card, confirm, el, empty, facts, link, more,
  trouble } from "../dom.js";
import { nameOf } from "../directory.js";
import { readEnvelope } from "../encoding.js";
import { open, windowsOfGrant } from "../messages.js";
import { addMonths, closeSlot, monthsFrom } from "../months.js";
import { readLinks } from "../reading.js";
import { isOver, standingOf } from "../sharing.js";
import { mintedFor } from "../state.js";
import { hasMonth } from "../tokens.js";
import { objectsOf, textOf } from "../wire.js";
import { addWords, away, day, listed, mass, monthName, t } from "../words.js";
import words from "../words/sources.js";

addWords(words);

/** @import { Ctx } from "./registry.js" */
/** @import { Directory } from "../directory.js" */
/** @import { Read } from "../reading.js" */
/** @import { OwnGrant } from "../side.js" */
/** @import { LinkFact } from "../tokens.js" */
/** why: "absent" the source settled nothing in time, "reject" the person refused what it settled.
 * @typedef {LinkFact & {why: Map<string, "absent" | "reject">, by: "you" | "source"}} Ending */
/** @typedef {Read & {name: string, begins: string, ending: Ending | null, broken: unknown}} Source
 *   broken: what the vault says of missing months does not verify */
/** @typedef {{sources: Source[], grants: OwnGrant[], directory: Directory}} Found */

const ENDINGS = ["cv1-absent", "cv1-reject", "cv1-unlink"];

/** Every link of this person. @param {Ctx} ctx */
export const show = (ctx) => el("div.stack",
  busy(() => gather(ctx), (found) => found.sources.length ? all(ctx, found)
    : empty(t("sources.none"), t("sources.nonewhy"), adding())));

const adding = () => link(t("sources.add"), "sources/link", "btn primary");

/** @param {Ctx} ctx @param {Found} found */
function all(ctx, found) {
  const { sources } = found, over = (/** @type {Source} */ { ending }) => !!ending?.ends;
  const ended = sources.filter(over);
  return [sources.map(({ broken }) => broken ? trouble(broken, ctx.redraw) : null),
    el("p.mute", t("sources.lead")), el("div.row.wide", adding()),
    sources.filter((one) => !over(one)).map((one) => source(ctx, found, one)),
    ended.length > 0 && more(t("sources.ended", { n: ended.length }),
      el("div.stack", ended.map((one) => source(ctx, found, one))))];
}

/** @param {Ctx} ctx @returns {Promise<Found>} */
async function gather(ctx) {
  const { session, holder } = ctx;
  const directory = await holder.held();
  const [{ links, lost }, grants] = await Promise.all([readLinks(session, holder).then(
    (found) => ({ ...found, lost: null }), (error) => ({ links: bare(holder), lost: error })),
  session.grants().catch(() => [])]);
  const sources = await Promise.all(links.map(async (one) => {
    const { source, from } = holder.knownLinks[one.link];
    const name = nameOf(directory, source), known = { ...one, name, begins: from };
    if (lost) return { ...known, ending: null, broken: lost };
    try {
      return { ...known, ending: await endingOf(ctx, one, from, directory), broken: null };
    } catch (broken) {
      return { ...known, ending: null, broken };
    }
  }));
  return { sources, grants, directory };
}

/** The links as this person's own state names them: they can be ended whatever cannot be read.
 * @param {Ctx["holder"]} holder @returns {Read[]} */
const bare = (holder) => Object.entries(holder.knownLinks).map(([id, { source: from }]) =>
  ({ link: id, source: from, batches: [], closes: [], trouble: null, ends: null }));

/**
 * Which months have no figure and why; texts and their places in the log are verified.
 * @param {Ctx} ctx @param {Read} own @param {string} begins @param {Directory} directory
 * @returns {Promise<Ending>}
 */
async function endingOf({ holder }, { link: id, source, closes }, begins, directory) {
  const answer = await holder.wire.get(`/v1/holder/links/${id}/closes`);
  const wire = /** @type {any} */ ({ get: async () => answer }); // asked for once, read twice
  const told = await holder.endings(id, source, wire);
  /** @type {Ending} */
  const found = { link: id, org: directory.orgOf(source), begins, ...told, by: "you",
    why: new Map([...told.absent].map((month) => [month, "reject"])) };
  for (const item of objectsOf(answer.body, "absents")) {
    const envelope = readEnvelope(textOf(item, "text"), ...ENDINGS);
    if (envelope.typ === "cv1-absent") found.why.set(open(envelope, "cv1-absent").month, "absent");
    if (envelope.typ === "cv1-unlink" && envelope.kid !== holder.account) found.by = "source";
  }
  for (const { month } of closes) if (found.why.get(month) === "absent") found.why.delete(month);
  return found;
}

/** @param {Ctx} ctx @param {Found} found @param {Source} one */
function source(ctx, found, one) {
  const { name, ending, broken, trouble: wrong } = one, ends = ending?.ends;
  return card("", el("p.row.between", el("h2", name), ends ? badge("", t("sources.over"))
    : ending && badge("good", t("sources.on"))),
  wrong && banner("warn", t(wrong.kind === "unsigned" ? "e.unsigned" : "consents.unsure",
    { names: name }), " ", link(t("alarmsee"), "records")),
  broken ? el("p", t("sources.unread")) : [facts(known(ctx, found, one)), missing(one)],
  !ends && notes(ctx, found, one),
  more(t("sources.more"), facts([[t("sources.id"), el("span.mono.small", one.source)],
    [t("sources.linkid"), el("span.mono.small", one.link)],
    [t("sources.register"), link(t("entry"), `register?id=${one.source}`)]])),
  !ends && el("div.row", button(t("sources.unlink"), () => unlink(ctx, one), "danger")));
}

/** @param {Ctx} ctx @param {Found} found @param {Source} one
 * @returns {[string, import("../dom.js").Child][]} */
function known({ session }, { directory }, one) {
  const { batches, closes, begins, ending } = one;
  const last = closes.filter(({ rejected }) => !rejected).at(-1);
  const count = batches.reduce((n, { records, voided }) => n + records.length + voided.length, 0);
  const newest = batches.at(-1)?.batch;
  const sent = newest && open(readEnvelope(newest, "cv1-batch"), "cv1-batch").iat;
  const next = nextOf(one, session.month());
  /** @type {[string, import("../dom.js").Child][]} */
  const rows = [[t("sources.since"), monthName(begins)],
    [t("title.records"), sent ? t("sources.count", { n: count, day: day(sent),
      away: away(sent, session.now()) }) : t("sources.nothing")],
    [t("sources.closed"), last ? [el("strong", mass(last.grams.reduce((a, b) => a + b, 0))),
      ` · ${monthName(last.month)}`] : t("sources.nothing")]];
  const ended = { month: monthName(ending?.ends ?? begins), name: one.name };
  if (ending?.ends) return [...rows, [t("sources.end"), ending.ends > begins
    ? t(`sources.endby.${ending.by}`, ended) : t("sources.endnone", ended)]];
  if (next) rows.push([t("sources.next"), nextWords(next, session, directory.listing.zone)]);
  return rows;
}

/** The first month that has no figure yet, and still may get one.
 * @param {Source} one @param {string} running */
function nextOf({ begins, closes, ending }, running) {
  const done = new Set([...closes.map(({ month }) => month), ...ending?.absent ?? []]);
  return monthsFrom(begins, running < begins ? begins : running).find((month) => !done.has(month));
}

/** @param {string} month @param {Ctx["session"]} session @param {string} zone */
function nextWords(month, session, zone) {
  const members = { month: monthName(month), day: day(closeSlot(month, zone)[1] - 1),
    after: monthName(addMonths(month, 1)) };
  return month < session.month() ? t("sources.due", members) : t("sources.coming", members);
}

/** @param {Source} one */
function missing({ name, ending }) {
  const of = (/** @type {string} */ kind) => [...ending?.why ?? []].sort()
    .filter(([, why]) => why === kind).map(([month]) => monthName(month));
  const gone = [["absent", of("absent")], ["reject", of("reject")]];
  const told = gone.filter(([, months]) => months.length);
  return told.length > 0 && banner("warn", el("p", el("strong", t("sources.missing"))),
    told.map(([kind, months]) => el("p", t(`sources.why.${kind}`,
      { name, months: listed(/** @type {string[]} */ (months)) }))));
}

/** @param {Ctx} ctx @param {Found} found @param {Source} one */
function notes({ session, holder }, { grants, directory }, one) {
  const { state } = holder.device, live = grants.filter((own) =>
    !isOver(standingOf(own, state, session.past())));
  const said = live.map(({ grant }) => noteOf(grant, one, state, directory)).filter(Boolean);
  return said.length > 0 && banner("info", [...new Set(said)].map((text) => el("p", text)));
}

/** What to say of a link in a consent; empty when it counts there from its beginning on.
 * @param {import("../side.js").Grant} grant
 * @param {Pick<Source, "link" | "name" | "begins" | "ending">} one
 * @param {import("../state.js").State} state @param {Directory} directory */
export function noteOf(grant, { link: id, name: source, begins, ending }, state, directory) {
  if (!ending) return "";
  const name = nameOf(directory, grant.platform);
  if (grant.org === ending.org) return t("sources.own", { name, source });
  const windows = windowsOfGrant(grant).filter((window) =>
    window.some((month) => hasMonth(ending, month)));
  const made = (/** @type {string[]} */ window) => mintedFor(state, grant.grant, window);
  const without = windows.filter((window) => made(window)?.cells.every(([one]) => one !== id));
  if (!without.length) return "";
  const next = windows.find((window) => !made(window));
  return t(next ? "sources.later" : "sources.never", { name, source, begins: monthName(begins),
    last: monthName(without.at(-1)?.at(-1) ?? begins), next: next ? monthName(next[0]) : "" });
}

/** @param {Ctx} ctx @param {Source} one */
async function unlink({ session, holder, redraw }, { link: id, name, begins }) {
  await session.reach();
  const month = session.month(), members = { name, month: monthName(month),
    before: monthName(addMonths(month, -1)) };
  const follows = ["stops", begins < month && "earlier", "later", "stays", "again"].map((one) =>
    one && el("li.item", t(`sources.then.${one}`, members)));
  if (!await confirm({ title: t("sources.unlinkask", { name }), text: el("ul.list", follows),
    yes: t("sources.unlink"), danger: true })) return;
  await holder.unlink(id);
  announce(t("sources.unlinked", { name }));
  session.forget();
  redraw();
}
