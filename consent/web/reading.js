// A person's own records as Home and Records show them: what does not verify stands beside what
// does, and months that are not closed yet count what a close would say of them now.
import { ZERO, settle } from "./chain.js";
import { ORDER, commit } from "./commit.js";
import { concat, equal, hex, readEnvelope, sha256, textHash, unhex } from "./encoding.js";
import { isError } from "./errors.js";
import { streamKey } from "./keys.js";
import { open, windowsOfGrant } from "./messages.js";
import { fetchRelease } from "./methodology.js";
import { addMonths, closeSlot, joinWindow, monthAt, monthsFrom } from "./months.js";
import { WRONG } from "./records.js";
import { sumsOf, voidedIn } from "./recompute.js";
import { mintedFor } from "./state.js";
import { sumMasks } from "./tokens.js";
import { textOf } from "./wire.js";

/** @import { OpenedBatch, RecordBody, ReleaseOf } from "./recompute.js" */
/** @import { Holder } from "./holder.js" */
/** @import { Body } from "./messages.js" */
/** @import { OwnLink, SeenLink } from "./records.js" */
/** @import { Grant, OwnGrant } from "./side.js" */
/** @import { Cells, Minted } from "./state.js" */
/** ends: the month in which the link ended
 * @typedef {import("./records.js").SeenLink & {ends: string | null}} Read */
/** @typedef {{month: string, grams: number[], open: boolean}} MonthSum open: not closed by all */
/** counts; cut: a cap took some of it; zero: it counts 0; double: an earlier receipt took it;
 *  back: it was taken back; correction: it takes another back.
 * @typedef {"counts" | "cut" | "zero" | "double" | "back" | "correction"} Standing */
/** @typedef {{record: RecordBody, own: Read, category: number, names: Record<string, string>,
 *   month: string, closed: string | null, rejected: boolean, mg: number, standing: Standing,
 *   other: RecordBody | null}} Row rejected: the person rejected that close; other: what
 *   takes it back, or what it takes back */

const closeOf = (/** @type {string} */ text) => open(readEnvelope(text, "cv1-close"), "cv1-close");

/**
 * Every link of a person with its end.
 * @param {import("./session.js").Session} session @param {Holder} holder
 */
export async function readLinks(session, holder) {
  const directory = await holder.held();
  /** @type {ReleaseOf} */
  const releaseOf = (id) => fetchRelease(holder.wire, directory, id);
  const [own, facts] = await Promise.all([session.links(), holder.links().catch(() => [])]);
  const ends = new Map(facts.map((fact) => [fact.link, fact.ends]));
  /** @type {Read[]} */
  const links = own.map((one) => ({ ...one, ends: ends.get(one.link) ?? null }));
  return { links, releaseOf, directory };
}

/** equal: what left is the sum of this person's own closes; unknown: not all of them are here or
 *  verify; other: it is not what was agreed, not by a token of theirs, or not what the closes say.
 * @typedef {{grams: number | null, found: "equal" | "unknown" | "other"}} Compared `grams` left */

/** Every token of a person, by the hash of its text. @param {Holder} holder
 * @param {OwnGrant[]} grants @returns {Promise<Map<string, Minted>>} */
export async function readTokens(holder, grants) {
  return new Map(await holder._listed("tokens", async (item) => /** @type {[string, Minted]} */ (
    [await textHash(textOf(item, "token")), await holder._token(item, grants)]), holder.live));
}

const MOST = 2n ** 52n;

/**
 * The figure that a release let out, opened by this person's own masks, beside their closes.
 * @param {Pick<Holder, "root" | "device">} holder
 * @param {{grant: Grant | null, tokens: Map<string, Minted> | null, links: OwnLink[]}} own
 *   tokens: null where they could not be read
 * @param {Body<"cv1-release">} release @returns {Promise<Compared>}
 */
export async function compareRelease({ root, device }, { grant, tokens, links }, release) {
  /** @type {Compared} */
  const other = { grams: null, found: "other" };
  const name = joinWindow(release.window), is = (/** @type {string[]} */ window) =>
    joinWindow(window) === name;
  if (!grant || !grant.purposes.includes(release.purpose) || !windowsOfGrant(grant).some(is))
    return other;
  const minted = tokens ? tokens.get(release.token)
    : mintedFor(device.state, grant.grant, release.window);
  if (!minted) return tokens ? other : { grams: null, found: "unknown" };
  if (minted.grant !== grant.grant || !is(minted.window)) return other;
  const { tau, rho } = await sumMasks((link) => streamKey(root, link), minted.cells,
    grant.categories);
  const total = (release.c - tau + ORDER) % ORDER, grams = Number(total);
  if (total >= MOST || !equal(commit(total, rho), release.C)) return other;
  const closes = closesOf(links, minted.cells);
  if (!tokens || !closes.every(Boolean)) return { grams, found: "unknown" };
  return { grams, found: await checkSum(closes.flatMap((one) => one ?? []), grant.categories, grams,
    release.closes) };
}

/** Every release that the log shows, so compared, by its name. @param {OwnGrant[]} owns
 * @param {Holder} holder @param {OwnLink[]} links @param {import("./activity.js").Watched} watched
 * @returns {Promise<Map<string, Compared>>} */
export async function compareAll(owns, holder, links, { entries }) {
  const releases = entries.filter(({ typ }) => typ === "cv1-release");
  if (!releases.length) return new Map();
  const tokens = await readTokens(holder, owns).catch(() => null);
  return new Map(await Promise.all(releases.map(async ({ name, text }) => {
    const release = open(readEnvelope(text, "cv1-release"), "cv1-release");
    const grant = owns.find((own) => own.grant.grant === release.grant)?.grant ?? null;
    return /** @type {[string, Compared]} */ (
      [name, await compareRelease(holder, { grant, tokens, links }, release)]);
  })));
}

/** Own closes in the order of cells; undefined for one that is not here.
 * @param {OwnLink[]} links @param {Cells} cells */
function closesOf(links, cells) {
  const all = new Map(links.flatMap(({ link, closes }) =>
    closes.map((one) => [`${link} ${one.month}`, one])));
  return cells.flatMap(([link, months]) => months.map((month) => all.get(`${link} ${month}`)));
}

/** @param {OwnLink["closes"]} closes @param {number[]} scope @param {number} grams
 * @param {string} hash @returns {Promise<Compared["found"]>} */
async function checkSum(closes, scope, grams, hash) {
  const names = await Promise.all(closes.map(({ text }) => textHash(text)));
  if (hex(await sha256(concat(...names.map((one) => unhex(one))))) !== hash) return "other";
  if (closes.some(({ rejected }) => rejected)) return "unknown"; // what they hold was refused
  const own = closes.reduce((sum, one) => scope.reduce((all, c) => all + one.grams[c - 1], sum), 0);
  return own === grams ? "equal" : "other";
}

/**
 * Whether a figure over these cells may leave though this device can neither show nor check it: a
 * close that is missing here may be at the vault, for it does not verify or is overdue.
 * @param {SeenLink[]} links @param {Cells} cells @param {number} now @param {string} zone
 */
export const unchecked = (links, cells, now, zone) => cells.some(([link, months]) => {
  const own = links.find((one) => one.link === link);
  const here = new Set(own?.closes.filter(({ rejected }) => !rejected).map(({ month }) => month));
  return months.some((month) => {
    const [begins, ends] = closeSlot(month, zone);
    return !here.has(month) && now >= (own?.trouble ? begins : ends);
  });
});

/** Turns errors of these kinds into null. @param {string[]} slugs */
const orNull = (slugs) => (/** @type {unknown} */ error) => {
  if (!isError(error, ...slugs)) throw error;
  return null;
};

/**
 * Grams by month and category over all links, from the first to the running month without gaps.
 * @param {Read[]} links @param {ReleaseOf} releaseOf @param {string} zone @param {string} running
 * @returns {Promise<MonthSum[]>}
 */
export async function monthSums(links, releaseOf, zone, running) {
  /** @type {Map<string, MonthSum>} */
  const sums = new Map();
  const add = (/** @type {string} */ month, /** @type {number[]} */ grams, open = false) => {
    const old = sums.get(month) ?? { month, grams: ZERO, open: false };
    const all = old.grams.map((g, i) => g + grams[i]);
    sums.set(month, { month, grams: all, open: old.open || open });
  };
  for (const own of links) {
    for (const { month, grams, rejected } of own.closes) if (!rejected) add(month, grams);
    const coming = comingCloses(own, releaseOf, zone, running);
    for (const { month, grams } of await coming.catch(orNull(own.trouble ? WRONG : [])) ?? [])
      add(month, grams, true);
  }
  add(running, ZERO, true);
  const months = [...sums.keys()].sort();
  return monthsFrom(months[0], /** @type {string} */ (months.at(-1))).map((month) =>
    sums.get(month) ?? { month, grams: [...ZERO], open: false });
}

/** What the next closes of a link would say, by the batches that are here.
 * @param {Read} own @param {ReleaseOf} releaseOf @param {string} zone @param {string} running */
async function comingCloses(own, releaseOf, zone, running) {
  const last = own.closes.at(-1), upto = last ? closeOf(last.text).upto : -1;
  const least = last ? addMonths(last.month, 1) : "", gone = voidedIn(own.batches);
  /** @type {Map<string, OpenedBatch[]>} */
  const byMonth = new Map();
  for (const batch of own.batches) {
    if (batch.seq <= upto || !batch.records.length) continue;
    const newest = batch.records.reduce((most, { start }) => Math.max(most, start), 0);
    const month = [least, monthAt(newest, zone)].sort()[1], at = month < running ? month : running;
    byMonth.set(at, [...byMonth.get(at) ?? [], batch]);
  }
  let balances = last?.balances ?? ZERO;
  /** @type {{month: string, grams: number[]}[]} */
  const found = [];
  for (const month of [...byMonth.keys()].sort()) {
    if (own.ends && month >= own.ends) break; // no close will come
    const batches = byMonth.get(month) ?? [];
    const release = await releaseOf(batches[batches.length - 1].records[0].release);
    const settled = settle(balances, await sumsOf(batches, gone, releaseOf), (c) => release.cap(c));
    balances = settled.balances;
    found.push({ month, grams: settled.grams });
  }
  return found;
}

/**
 * Every record, newest first, with where it stands.
 * @param {Read[]} links @param {ReleaseOf} releaseOf @param {string} zone @returns {Promise<Row[]>}
 */
export async function readRows(links, releaseOf, zone) {
  /** @type {Map<string, Pick<Row, "category" | "names">>} */
  const known = new Map();
  const about = async (/** @type {RecordBody} */ { release: id, behaviour }) => {
    const name = `${id} ${behaviour}`;
    if (!known.has(name)) known.set(name, await aboutBehaviour(releaseOf, id, behaviour)
      .catch(orNull(WRONG)) ?? { category: 0, names: { en: behaviour, "zh-CN": behaviour } });
    return /** @type {Pick<Row, "category" | "names">} */ (known.get(name));
  };
  /** @type {Row[]} */
  const rows = [];
  for (const own of links) {
    const all = own.batches.flatMap(({ records, voided }) => [...records, ...voided]);
    const acts = new Map(all.map((record) => [record.act, record])), gone = voidedIn(own.batches);
    const back = new Map(all.map((record) => [record.corrects ?? "", record]));
    const closes = own.closes.map((one) => ({ ...one, upto: closeOf(one.text).upto }));
    for (const { seq, records, voided } of own.batches) {
      const { month: closed = null, rejected = false } =
        closes.find(({ upto }) => upto >= seq) ?? {};
      for (const record of [...records, ...voided]) {
        const by = back.get(record.act), takes = acts.get(record.corrects ?? "");
        const standing = standingOf(record, voided.includes(record), !!by);
        const void0 = standing === "double" || gone.has(record.corrects ?? "");
        rows.push({ record, own, ...await about(record), month: monthAt(record.start, zone), closed,
          rejected, mg: void0 ? 0 : record.mg, standing, other: by ?? takes ?? null });
      }
    }
  }
  return rows.sort((a, b) => b.record.start - a.record.start);
}

/** @param {ReleaseOf} releaseOf @param {string} id @param {string} name */
async function aboutBehaviour(releaseOf, id, name) {
  const release = await releaseOf(id);
  return { category: release.category(name), names: (await release.behaviour(name)).names };
}

/** @param {RecordBody} record @param {boolean} voided @param {boolean} taken back
 * @returns {Standing} */
function standingOf({ corrects, mg, reason }, voided, taken) {
  if (voided) return "double";
  if (corrects) return "correction";
  if (taken) return "back";
  return mg === 0 ? "zero" : reason ? "cut" : "counts";
}
