// What a holder recomputes: every batch opened, every close from its records
// (docs/protocol.md section 5, "Close").
import { ZERO, digestOf, settle } from "./chain.js";
import { ORDER } from "./commit.js";
import { equal, readEnvelope, strictJson, text, textHash } from "./encoding.js";
import { VaultError } from "./errors.js";
import { batchInfo, open, parse } from "./messages.js";
import { CELL_LIMIT, hide, masksOf } from "./meter.js";
import { CATEGORIES } from "./months.js";
import { checkClose } from "./origin.js";
import { open as openSealed, unpad } from "./seal.js";

/** @import { Body } from "./messages.js" */
/** @import { Origin } from "./origin.js" */
/** @typedef {Body<"record">} RecordBody */
/** @typedef {{seq: number, batch: string, receipt: string, tags: string[], records: RecordBody[],
 *   voided: RecordBody[]}} OpenedBatch `voided` are records that an earlier receipt took */
/** rejected: its holder has said so, and it counts nowhere; `grams` are what it would have been
 * @typedef {{text: string, month: string, grams: number[], balances: number[],
 *   rejected: boolean}} OwnClose */
/** @typedef {(id: string) => Promise<import("./methodology.js").Release>} ReleaseOf */

/** @param {string} why @param {string} [slug] @returns {never} */
const bad = (why, slug = "bad-total") => {
  throw new VaultError(slug, why);
};
/** @template {"cv1-batch" | "cv1-receipt" | "cv1-close"} T @param {string} jws @param {T} typ */
const read = (jws, typ) => open(readEnvelope(jws, typ), typ);

/**
 * Return a batch's records, the ones whose tag the vault had before set apart.
 * @param {import("./keys.js").OpeningKey} key @param {string} batch @param {string} receipt
 * @returns {Promise<OpenedBatch>}
 */
export async function openBatch(key, batch, receipt) {
  const { link, seq, tags, sealed } = read(batch, "cv1-batch");
  const listed = strictJson(text(unpad(await openSealed([key], sealed, batchInfo(link, seq)))));
  if (!Array.isArray(listed))
    return bad("the batch opens, but does not hold a list of records", "bad-seal");
  const records = listed.map((item) => parse("record", item));
  const { taken = [] } = read(receipt, "cv1-receipt");
  const gone = new Set(taken.map((n) => tags[n]));
  const [kept, voided] = [false, true]
    .map((is) => records.filter(({ tag }) => gone.has(tag) === is));
  return { seq, batch, receipt, tags, records: kept, voided };
}

/** Return when each record shows the vault a tag of its own. @param {OpenedBatch} opened */
export function checkTags({ tags, records, voided }) {
  const all = [...records, ...voided];
  const shown = new Set(all.map(({ tag }) => tag));
  if (shown.size !== all.length || ![...shown].every((tag) => tags.includes(tag)))
    bad("a record of this batch does not show the vault a tag of its own");
}

/**
 * Return every close of a link, recomputed: the source signed it, months rise, the digest is over the batches since the
 * close before, the balances go on, all cells are the sums (but those of a close that was
 * rejected), corrections take back what is there.
 * @param {Uint8Array} key the link's stream secret @param {ReleaseOf} releaseOf
 * @param {OpenedBatch[]} batches @param {string[]} closes @param {Origin} origin
 * @param {Set<string>} [rejected] hashes of closes that this person rejected
 * @param {OwnClose[]} [found] gets each close as soon as it is verified
 */
export async function checkCloses(key, releaseOf, batches, closes, origin,
  rejected = new Set(), found = []) {
  checkCorrections(batches); // 6
  const gone = voidedIn(batches);
  let after = -1;
  for (const text of closes) {
    await checkClose(origin, text); // 1
    const { month, upto, methodology, batches: digest, cells } = read(text, "cv1-close");
    const last = found.at(-1);
    if (last && month <= last.month) bad(`the close of ${month} is out of order`); // 2
    const covered = batches.filter(({ seq }) => after < seq && seq <= upto);
    if (await digestOf(covered.map((b) => [b.batch, b.receipt])) !== digest) // 3
      bad(`the close of ${month} is not over the batches shown here`);
    const release = await releaseOf(methodology), sums = await sumsOf(covered, gone, releaseOf);
    const settled = settle(last?.balances ?? ZERO, sums, (c) => release.cap(c)); // 4
    const rejects = rejected.has(await textHash(text));
    for (const c of rejects ? [] : CATEGORIES) // 5
      if (!same(hide(settled.grams[c - 1], await masksOf(key, c, month)), cells[c - 1]))
        bad(`the close of ${month} is not the sum of its records`);
    found.push({ text, month, ...settled, rejected: rejects });
    after = upto;
  }
  return found;
}

/** @typedef {{masked: bigint, commitment: Uint8Array}} Cell */
/** @param {Cell} a @param {Cell} b */
const same = (a, b) => a.masked === b.masked && equal(a.commitment, b.commitment);

/** Return when a cell of a close does not open. @param {Uint8Array} key @param {string} close */
export async function checkUnreadable(key, close) {
  const { month, cells } = read(close, "cv1-close");
  for (const c of CATEGORIES) {
    const cell = cells[c - 1], masks = await masksOf(key, c, month);
    const grams = (cell.masked - masks.tau + ORDER) % ORDER;
    if (grams >= CELL_LIMIT || !same(hide(Number(grams), masks), cell)) return;
  }
  bad("every cell of this close opens; a question about it goes to the source");
}

/** Return when each correction takes back one record of the link. @param {OpenedBatch[]} batches */
export function checkCorrections(batches) {
  const listed = batches.flatMap(({ records, voided }) => [...records, ...voided]);
  const known = new Map(listed.filter((r) => !r.corrects).map((r) => [r.act, r]));
  for (const { corrects, behaviour, mg } of listed) {
    if (!corrects) continue;
    const original = known.get(corrects);
    if (original?.behaviour !== behaviour || original.mg !== -mg)
      bad("a correction takes back a record that is not there as it says");
    known.delete(corrects);
  }
}

/** Return the records that stand: not voided, not taken back. @param {OpenedBatch[]} batches */
export function countingRecords(batches) {
  const records = batches.flatMap((batch) => batch.records);
  const gone = new Set([...voidedIn(batches), ...records.map((r) => r.corrects)]);
  return records.filter((r) => !r.corrects && !gone.has(r.act));
}

/** Return the acts that count 0, as what corrects them. @param {OpenedBatch[]} batches */
export const voidedIn = (batches) =>
  new Set(batches.flatMap(({ voided }) => voided.map((r) => r.act)));

/**
 * Return the milligrams by category.
 * @param {OpenedBatch[]} batches @param {Set<string>} gone acts that count 0
 * @param {ReleaseOf} releaseOf
 */
export async function sumsOf(batches, gone, releaseOf) {
  /** @type {Record<number, number>} */
  const sums = {};
  for (const { corrects, release, behaviour, mg } of batches.flatMap((batch) => batch.records)) {
    if (corrects && gone.has(corrects)) continue;
    const category = (await releaseOf(release)).category(behaviour);
    sums[category] = (sums[category] ?? 0) + mg;
    if (!Number.isSafeInteger(sums[category])) bad("milligrams stay below 2^53 here");
  }
  return sums;
}
