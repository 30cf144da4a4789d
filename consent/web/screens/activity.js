// Activity: every entry that the public record holds of this person, its proof checked here, whose
// act it was, and what does not fit (docs/protocol.md section 6).
import { NOT_THEIRS } from "../activity.js";
import { announce, badge, banner, button, card, choice, copyable, el, empty, facts, link, more,
  save, skeleton } from "../dom.js";
import { nameOf } from "../directory.js";
import { readEnvelope } from "../encoding.js";
import { fetchListed } from "../lists.js";
import { open } from "../messages.js";
import { compareAll } from "../reading.js";
import { begin, purposeWords, scopeWords } from "../sharing.js";
import { addWords, mass, monthName, number, sentence, span, t, time } from "../words.js";
import words from "../words/activity.js";
import { leftBadge } from "./grant.js";
import { unsure } from "./leaving.js";

addWords(words);

/** @import { Ctx } from "./registry.js" */
/** @import { Watched } from "../activity.js" */
/** @import { Alarm, Shown } from "../monitor.js" */
/** @import { Directory } from "../directory.js" */
/** @import { OwnLink } from "../records.js" */
/** @import { Compared } from "../reading.js" */
/** @import { Grant } from "../side.js" */
/** who: the party it concerns; by: whose act it was, where no device of the person did it.
 * @typedef {{entry: Shown, kind: Kind, who: string, says: string, also: string, by: string,
 *   grams: number | null, compared: Compared | null}} Row compared: a figure that left */
/** @typedef {"figure" | "sharing" | "source" | "vault"} Kind */
/** @typedef {{directory: Directory, links: OwnLink[] | null, left: Left,
 *   grants: Map<string, Grant>,
 *   sources: Map<string, string>, closes: Map<string, {link: string, month: string}>}} Known */
/** What left, beside the own closes, by the names of the entries.
 * @typedef {Map<string, Compared>} Left */

const FIRST = 50;
const WHY = new Set(["revoked", "paused", "expired", "purpose", "retired"]);
/** @type {Record<Kind, string>} */
const KINDS = { figure: "activity.figures", sharing: "title.consents", source: "title.sources",
  vault: "title.start" };

/** What the record says of this person. @param {Ctx} ctx */
export async function show(ctx) {
  const { session, params } = ctx, directory = await ctx.holder.held();
  const asked = { org: params.get("org") ?? "", kind: params.get("kind") ?? "", most: FIRST };
  /** @type {OwnLink[] | null} */
  let links = null;
  /** @type {{of: Watched | null, left: Left}} */
  let known = { of: null, left: new Map() };
  /** @type {{watched: Watched | null, nodes: import("../dom.js").Child} | null} */
  let drawn = null;
  const again = () => {
    drawn = null;
    list.replaceChildren(...el("div", draw()).childNodes);
  };
  const draw = () => {
    const { watched } = session.background;
    filter.hidden = !watched;
    if (drawn?.watched !== watched) // else what is unfolded stays so
      drawn = { watched, nodes: history(ctx, directory, links, known.left, asked, again) };
    if (watched && links && known.of !== watched) compare(watched, links);
    return drawn?.nodes;
  };
  const compare = (/** @type {Watched} */ watched, /** @type {OwnLink[]} */ own) => {
    known = { ...known, of: watched };
    session.grants().then((all) => compareAll(all, ctx.holder, own, watched)).then((left) => {
      if (known.of !== watched) return;
      known = { of: watched, left };
      again();
    }, () => {}); // without tokens and consents nothing is compared, and nothing is called equal
  };
  const filter = filters(ctx, directory, asked, () => again());
  const list = ctx.live(draw);
  session.links().then((found) => {
    links = found;
    again();
  }, () => {}); // without records the figures are left out; Records says what is wrong
  return el("div.stack", ctx.live(() => standing(ctx, directory)), unsure(ctx), filter, list);
}

/** @param {Ctx} ctx @param {Directory} directory */
function standing(ctx, directory) {
  const { session } = ctx, { watched, running, failed, at, looked } = session.background;
  const check = async () => {
    await session.refresh();
    announce(t(session.background.watched !== watched ? "activity.checked"
      : "activity.notchecked"));
  };
  const again = el("div.row", button(t(running ? "activity.checking" : "activity.again"), check));
  if (!watched) return running ? skeleton() : card(t("activity.notyet"),
    el("p", t(failed.watch ? "activity.notyetwhy" : "activity.notyetnet")), again);
  const { entries, alarms, fresh } = watched;
  return [alarms.length > 0 && alarmed(ctx, directory, watched), elsewhere(watched),
    card(alarms.length + session.unequal ? t("activity.summary") : [badge("good", "✓"), " ", t("activity.fine")],
      el("p", t("activity.verified", { n: entries.length, time: time(looked || at) })),
      fresh.size > 0 && !isFirst(watched) && el("p", t("activity.fresh", { n: fresh.size })),
      el("p", witnessWords(directory, watched)), el("p", comparedWords(directory, watched)),
      el("p.row", again, link(t("activity.log"), "log")))];
}

/** @param {Directory} directory @param {Watched} watched */
function witnessWords({ listing: { log } }, { unwitnessed }) {
  if (!log.quorum) return t("activity.nowitness");
  return unwitnessed.length ? t("activity.unwitnessed", { n: unwitnessed.length })
    : t("activity.witnessed", { n: log.quorum });
}

/** @param {Directory} directory @param {Watched} watched */
function comparedWords(directory, { compared, comparedTo, size, cosignedAt, why, differences }) {
  if (!comparedTo) return t(why === NOT_THEIRS.why ? "activity.nottheirs"
    : why ? "activity.lost" : "activity.alone");
  const name = nameOf(directory, compared);
  const members = { name, to: number(comparedTo), size: number(size) };
  const upto = differences.length ? t("activity.differs", members)
    : t("activity.compared", members);
  return [upto, cosignedAt ? t("activity.cosigned", { time: time(cosignedAt) })
    : t("activity.notcosigned")].join(" ");
}

/** Whether this device had not looked before. @param {Watched} watched */
const isFirst = ({ entries, fresh }) => fresh.size === entries.length;

/** @param {Watched} watched */
function elsewhere(watched) {
  const n = watched.elsewhere.length, first = isFirst(watched);
  return n > 0 && banner(first ? "info" : "warn",
    el("p", el("strong", t(first ? "activity.firstlook" : "activity.elsewhere", { n }))),
    el("p", t(first ? "activity.firstwhy" : "activity.elsewherewhy", { n })));
}

/** @param {Ctx} ctx @param {Directory} directory @param {Watched} watched */
function alarmed(ctx, directory, watched) {
  const kinds = /** @type {const} */ (["foreign", "history", "withheld", "strange", "unlike",
    "unproved"]).filter((one) => watched.alarms.some(({ kind }) => kind === one));
  return kinds.map((kind) => {
    const own = watched.alarms.filter((one) => one.kind === kind);
    return el("section.note.bad.stack", { role: "alert" }, el("h2", t(`activity.alarm.${kind}`)),
      el("p", t(`activity.means.${kind}`)), kind === "foreign" && el("ol.list", ["stop", "keep",
        "anew", "tell"].map((one, n) => el("li.item", el("span", `${n + 1}. `,
        t(`activity.do.${one}`), " ", one === "stop" && link(t("title.consents"), "consents"),
        one === "keep" && link(t("title.settings"), "settings"))))),
      kind !== "foreign" && el("p", t("activity.tellauditor"), " ", contacts(directory)),
      more(t("details"), el("ul.list", own.map((one) => el("li.item.small",
        el("span", one.index < 0 ? "" : `${t("activity.entry", { n: number(one.index) })}: `,
          foundIn(watched, one)))))),
      el("div.row", button(t("evidence"), () => saveEvidence(ctx, watched))));
  });
}

/** @param {Watched} watched @param {Alarm} alarm */
function foundIn({ entries }, { index, detail }) {
  const at = entries.find((one) => one.index === index)?.at;
  return [detail, at && ` · ${time(at)}`];
}

/** @param {Directory} directory */
function contacts({ listing: { entries } }) {
  const found = entries.filter(({ roles }) => roles.includes("auditor"));
  return found.map(({ name, contact = "" }) => [name, contact && `: ${contact}`, " "]);
}

/** What was found, with the texts as the vault showed them, for somebody who can judge it.
 * @param {Ctx} ctx @param {Watched} watched */
async function saveEvidence({ session, holder }, { alarms, notes }) {
  const listed = await fetchListed(holder.wire).catch(() => []);
  const indexes = new Set(alarms.map(({ index }) => index));
  save("carbon-vault-evidence.json", "application/json", JSON.stringify({
    type: "activity-evidence", at: session.now(), log: session.config.log, notes, alarms,
    entries: listed.filter(({ index }) => indexes.has(index)) }, null, 1));
  announce(t("saved"));
}

/** @typedef {{org: string, kind: string, most: number}} Asked */
/** @param {Ctx} ctx @param {Directory} directory @param {Asked} asked @param {() => void} again */
function filters({ holder }, directory, asked, again) {
  const sources = Object.values(holder.knownLinks).map(({ source }) => source);
  const party = (/** @type {string} */ id) => nameOf(directory, id);
  const platforms = directory.listing.entries.filter(({ org, roles }) =>
    roles.includes("platform") && holder.device.state.orgs.includes(org)).map(({ id }) => id);
  const ids = [...new Set([...platforms, ...sources])];
  const set = (/** @type {"org" | "kind"} */ name) => (/** @type {string} */ to) => {
    Object.assign(asked, { [name]: to, most: FIRST });
    again();
  };
  return el("div.grid", choice(t("activity.who"), [["", t("activity.anyone")],
    ...ids.map((id) => /** @type {[string, string]} */ ([id, party(id)]))], asked.org, set("org")),
  choice(t("activity.what"), [["", t("activity.anything")],
    ...Object.entries(KINDS).map(([kind, key]) => /** @type {[string, string]} */ ([kind, t(key)]))],
  asked.kind, set("kind")));
}

/** @param {Ctx} ctx @param {Directory} directory @param {OwnLink[] | null} links
 * @param {Left} left @param {Asked} asked @param {() => void} again */
function history(ctx, directory, links, left, asked, again) {
  const { watched } = ctx.session.background;
  if (!watched) return null;
  const rows = rowsOf(ctx, directory, links, left, watched).filter(({ who, kind }) =>
    (!asked.org || asked.org === who) && (!asked.kind || asked.kind === kind));
  if (!rows.length) return empty(t("activity.none"), t("activity.nonewhy"));
  /** @type {Map<string, Row[]>} */
  const months = new Map(), shown = rows.slice(0, asked.most);
  for (const row of shown) {
    const month = directory.monthAt(row.entry.at);
    months.set(month, [...months.get(month) ?? [], row]);
  }
  const further = () => {
    asked.most += FIRST;
    again();
  };
  return [[...months].map(([month, own]) => card(monthName(month), el("ul.list", own.map((row) =>
    el("li", line(ctx, directory, watched, row)))))),
  rows.length > shown.length && el("div.row", button(t("showmore"), further))];
}

/** @param {Ctx} ctx @param {Directory} directory @param {Watched} watched @param {Row} row */
function line(ctx, directory, watched, { entry, says, also, by, grams, kind, compared }) {
  const { index, witnessed, made } = entry, seen = witnessed && directory.listing.log.quorum > 0;
  const who = by ? t("activity.by", { name: by }) : made !== "other" && t(`activity.made.${made}`);
  return [el("div.item", el("span", el(kind === "figure" ? "strong" : "span", says),
    also && [el("br"), el("span.small", also)], el("br"), el("span.small.mute", time(entry.at),
      who && " · ", made === "foreign" ? badge("bad", who) : who),
    compared && [el("br"), leftBadge(compared)], compared?.found === "other"
      && el("p.small.wrong", t("consents.leftwrong"))),
  grams !== null && el("strong.num", mass(grams, 3))),
  el("details", el("summary.small", t(seen ? "activity.proved" : "activity.provedlog"), " ",
    !isFirst(watched) && watched.fresh.has(index) && badge("", t("activity.isnew"))),
  proof(ctx, directory, watched, entry, kind, !!seen))];
}

/** @param {Ctx} ctx @param {Directory} directory @param {Watched} watched @param {Shown} entry
 * @param {Kind} kind @param {boolean} seen by witnesses */
function proof({ holder }, directory, { comparedTo, compared }, entry, kind, seen) {
  const { index, typ, name, at } = entry;
  const keep = async () => {
    const found = (await fetchListed(holder.wire)).find((one) => one.index === index);
    if (!found) throw new Error(t("activity.gone"));
    save(`entry-${index}.json`, "application/json", JSON.stringify({ type: "entry", index, at,
      text: found.text, proof: found.proof }, null, 1));
    announce(t("saved"));
  };
  return el("div.stack", facts([[t("activity.place"), t("activity.entry", { n: number(index) })],
    [t("activity.at"), time(at)],
    [t("activity.proof"), seen ? t("activity.seen") : t("activity.unseen")],
    [t("activity.list"), index < comparedTo
      ? t("activity.inlist", { name: nameOf(directory, compared) })
      : t("activity.notinlist")],
    [t("activity.type"), [t(KINDS[kind]), " (", el("span.mono.small", typ), ")"]]]),
  el("p.small.mute", t("activity.print")), copyable(name),
  el("div.row", button(t("activity.save"), keep, "quiet")));
}

/** @param {Ctx} ctx @param {Directory} directory @param {OwnLink[] | null} links
 * @param {Left} left @param {Watched} watched @returns {Row[]} newest first */
function rowsOf(ctx, directory, links, left, { entries }) {
  /** @type {Known} */
  const known = { directory, links, left, grants: new Map(), sources: new Map(
    Object.entries(ctx.holder.knownLinks).map(([id, { source }]) => [id, source])),
  closes: new Map() };
  const rows = entries.map((entry) => {
    const say = SAYS[entry.typ] ?? (() => ({ kind: "vault", key: "other" }));
    const body = readEnvelope(entry.text, entry.typ), said = say(open(body), known, entry, ctx);
    const { kind, key, who = "", also = "", by = "", grams = null, ...members } = said;
    const name = nameOf(directory, who);
    return { entry, kind, who, also, grams, compared: left.get(entry.name) ?? null,
      by: by && nameOf(directory, by),
      says: t(`activity.says.${key}`, { name, ...members }) };
  });
  return rows.reverse();
}

/** @typedef {Record<string, string> & {kind: Kind, key: string, grams?: any}} Said */
/** @type {Record<string, (body: any, known: Known, entry: Shown, ctx: Ctx) => any>} */
const SAYS = {
  "cv1-account": () => ({ kind: "vault", key: "account" }),
  "cv1-bind": ({ org }, { directory }) => ({ kind: "sharing", key: "bind", who:
    directory.listing.entries.find((one) => one.org === org && one.roles.includes("platform"))?.id
      ?? org, also: t("activity.also.bind") }),
  "cv1-attach": ({ link: id }, { sources }) => ({ kind: "source", key: "attach",
    who: sources.get(id) }),
  "cv1-unlink": ({ link: id }, { sources }, { text }, { holder }) => {
    const who = sources.get(id), own = readEnvelope(text, "cv1-unlink").kid === holder.account;
    return { kind: "source", key: own ? "unlink" : "unlinked", who, by: own ? "" : who };
  },
  "cv1-close": ({ link: id, month }, { sources, closes, links }, { name }) => {
    closes.set(name, { link: id, month });
    const own = links?.find((one) => one.link === id), who = sources.get(id);
    const grams = own?.closes.find((one) => one.month === month && !one.rejected)
      ?.grams.reduce((a, b) => a + b, 0) ?? null;
    return { kind: "source", key: "close", who, by: who, month: monthName(month), grams };
  },
  "cv1-absent": ({ link: id, month }, { sources, directory }) => ({ kind: "source", key: "absent",
    who: sources.get(id), by: directory.listing.vault, month: monthName(month),
    also: t("activity.also.absent") }),
  "cv1-reject": ({ close }, { sources, closes }) => {
    const { link: id = "", month = "" } = closes.get(close) ?? {};
    return { kind: "source", key: "reject", who: sources.get(id),
      month: month && monthName(month) };
  },
  "cv1-grant": (grant, { grants }) => {
    grants.set(grant.grant, grant);
    return { kind: "sharing", key: "grant", who: grant.platform,
      also: `${begin(scopeWords(grant.categories))} · ${span(grant.first, grant.last)}` };
  },
  "cv1-token": ({ grant, window }, known) => ({ kind: "sharing", key: "token",
    ...ofGrant(known, grant, window) }),
  ...Object.fromEntries(["revoke", "pause", "resume"].map((key) => [`cv1-${key}`,
    (/** @type {any} */ { grant }, /** @type {Known} */ known) =>
      ({ kind: "sharing", key, ...ofGrant(known, grant) })])),
  "cv1-release": ({ grant, window, purpose }, known, { name }) => ({ kind: "figure",
    key: "release", ...ofGrant(known, grant, window), by: known.directory.listing.vault,
    grams: known.left.get(name)?.grams ?? null,
    also: t("activity.also.release", { purpose: purposeWords([purpose]) }) }),
  "cv1-refusal": ({ grant, window, reason }, known) => ({ kind: "figure", key: "refusal",
    ...ofGrant(known, grant, window), by: known.directory.listing.vault,
    also: t("activity.also.refusal", { why: WHY.has(reason) ? t(`activity.why.${reason}`)
      : sentence({ slug: reason }) }) }),
};

/** @param {Known} known @param {string} name @param {string[]} [window] */
const ofGrant = ({ grants }, name, window) => ({ who: grants.get(name)?.platform ?? "",
  span: window ? span(window[0], /** @type {string} */ (window.at(-1))) : "" });
