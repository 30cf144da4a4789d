// A person's own records as Home and Records show them: what does not verify stands beside what
// does, and months that are not closed yet count what a close would say of them now.
import { ZERO, settle } from "./chain.js";
import { readEnvelope } from "./encoding.js";
import { isError } from "./errors.js";
import { open } from "./messages.js";
import { fetchRelease } from "./methodology.js";
import { addMonths, monthAt, monthsFrom } from "./months.js";
import { WRONG } from "./records.js";
import { sumsOf, voidedIn } from "./recompute.js";

/** @import { OpenedBatch, RecordBody, ReleaseOf } from "./recompute.js" */
/** @import { Holder } from "./holder.js" */
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
  const directory = await session.directory();
  /** @type {ReleaseOf} */
  const releaseOf = (id) => fetchRelease(holder.wire, directory, id);
  const [own, facts] = await Promise.all([session.links(), holder.links().catch(() => [])]);
  const ends = new Map(facts.map((fact) => [fact.link, fact.ends]));
  /** @type {Read[]} */
  const links = own.map((one) => ({ ...one, ends: ends.get(one.link) ?? null }));
  return { links, releaseOf, directory };
}

/** Turns errors of these kinds into null. @param {string[]} slugs */
const orNull = (slugs) => (/** @type {unknown} */ error) => {
  if (!isError(error, ...slugs)) throw error;
  return null;
};

// Figures

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

// Records

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
