// A holder's own records: fetched from the vault, opened and recomputed here
// (docs/protocol.md section 5).
import { readEnvelope, verify } from "./encoding.js";
import { VaultError, isError } from "./errors.js";
import { accountKey, recordKey, streamKey } from "./keys.js";
import { open } from "./messages.js";
import { fetchRelease } from "./methodology.js";
import { checkBatch } from "./origin.js";
import {
  checkCloses, checkCorrections, checkTags, checkUnreadable, countingRecords, openBatch,
} from "./recompute.js";
import { objectsOf, textOf } from "./wire.js";

/** @import { Origin } from "./origin.js" */
/** @import { OpenedBatch, OwnClose, RecordBody, ReleaseOf } from "./recompute.js" */
/** @typedef {{link: string, source: string, batches: OpenedBatch[], closes: OwnClose[]}} OwnLink */
/** @typedef {{get: (path: string) => Promise<{body: Record<string, unknown>,
 *   etag: string}>}} Getter a `Wire` */
/** unsigned: not its party's word; unfit: a close is not the sum of its records; unreadable: a cell
 *  of it does not open; sealed:
 *  the records do not open; records: they do not fit together; rules: what they were counted by is
 *  not the published rules.
 * @typedef {{kind: "unsigned" | "unfit" | "unreadable" | "sealed" | "records" | "rules",
 *   month: string, close: string, error: unknown}} Trouble */
/** @typedef {OwnLink & {trouble: Trouble | null}} SeenLink in trouble: what verified before it */
/** @typedef {{batches?: OpenedBatch[], texts?: string[], closes: OwnClose[]}} Far */

/** What is wrong with records, not with the way to them. */
export const WRONG = ["bad-input", "bad-seal", "bad-total", "bad-methodology", "unsigned"];

/**
 * Return a link's records, and its closes recomputed from them.
 * @param {Getter} wire @param {Uint8Array} root @param {Origin} origin
 * @param {ReleaseOf} releaseOf @param {Far} [far] gets what verified, also where not all does
 * @returns {Promise<OwnLink>}
 */
export async function openLink(wire, root, origin, releaseOf, far = { closes: [] }) {
  const { link, source } = origin;
  const batches = await fetchBatches(wire, await recordKey(root, link), origin);
  far.batches = batches;
  batches.forEach(checkTags);
  const { body } = await wire.get(`/v1/holder/links/${link}/closes`);
  const texts = objectsOf(body, "closes").map((item) => textOf(item, "close"));
  const rejected = await rejectedIn(body, (await accountKey(root)).public);
  far.texts = texts;
  const key = await streamKey(root, link);
  const closes = await checkCloses(key, releaseOf, batches, texts, origin, rejected,
    far.closes);
  return { link, source, batches, closes };
}

/**
 * The closes that this person rejected, by their hashes. What else ends a month is not judged here
 * but in endings.js, where a token needs it.
 * @param {Record<string, unknown>} body @param {Uint8Array} account
 */
async function rejectedIn(body, account) {
  /** @type {Set<string>} */
  const found = new Set();
  for (const item of objectsOf(body, "absents")) {
    const text = textOf(item, "text");
    try {
      const envelope = readEnvelope(text, "cv1-reject");
      await verify(envelope, account);
      found.add(open(envelope, "cv1-reject").close);
    } catch (other) {
      if (!(other instanceof VaultError)) throw other;
    }
  }
  return found;
}

/**
 * Every link of a person; one that does not verify keeps no other from being shown.
 * @param {{wire: Getter, root: Uint8Array, knownLinks: Record<string, {source: string}>}} holder
 * @param {ReleaseOf} releaseOf @param {import("./directory.js").Directory} directory
 */
export async function openEach({ wire, root, knownLinks }, releaseOf, directory) {
  /** @type {SeenLink[]} */
  const found = [];
  for (const [link, { source }] of Object.entries(knownLinks)) {
    /** @type {Far} */
    const far = { closes: [] };
    try {
      const own = await openLink(wire, root, { directory, link, source }, releaseOf, far);
      found.push({ ...own, trouble: null });
    } catch (error) {
      if (isError(error, "not-found")) continue; // never attached, or erased
      if (!isError(error, ...WRONG)) throw error;
      const { batches = [], closes } = far;
      const trouble = await troubleOf(await streamKey(root, link), far, error);
      found.push({ link, source, batches, closes, trouble });
    }
  }
  return found;
}

/**
 * The same by what the vault publishes; where something is unsigned, by its newest directory too,
 * which may list a newer key.
 * @param {import("./holder.js").Holder} holder
 * @param {() => Promise<import("./directory.js").Directory>} held the directory to read by
 */
export async function readEach(holder, held) {
  const read = async () => {
    const directory = await held();
    return openEach(holder, (id) => fetchRelease(holder.wire, directory, id), directory);
  };
  const found = await read();
  if (!found.some(({ trouble }) => trouble?.kind === "unsigned")) return found;
  await holder.current.refresh().catch(() => {});
  return read();
}

/**
 * What is wrong with a link that verified so far.
 * @param {Uint8Array} key @param {Far} far @param {unknown} error @returns {Promise<Trouble>}
 */
async function troubleOf(key, { batches, texts, closes }, error) {
  const as = (/** @type {Trouble["kind"]} */ kind, month = "", close = "") =>
    ({ kind, month, close, error });
  if (isError(error, "unsigned")) return as("unsigned");
  if (!batches) return as("sealed");
  if (isError(error, "bad-methodology")) return as("rules");
  const close = texts?.[closes.length];
  if (!close) return as("records");
  try {
    checkCorrections(batches);
    const { month } = open(readEnvelope(close, "cv1-close"), "cv1-close");
    const opens = await checkUnreadable(key, close).then(() => false, () => true);
    return as(opens ? "unfit" : "unreadable", month, close);
  } catch (wrong) {
    if (!isError(wrong, ...WRONG)) throw wrong;
    return as("records");
  }
}

/**
 * Return the grams of cells × categories; bad-total when a close is not there yet, or rejected.
 * @param {OwnLink[]} links @param {[string, string[]][]} cells @param {number[]} scope
 */
export function addCloses(links, cells, scope) {
  const closes = new Map(links.flatMap(({ link, closes }) =>
    closes.filter(({ rejected }) => !rejected)
      .map(({ month, grams }) => [`${link} ${month}`, grams])));
  return cells.flatMap(([link, months]) => months.map((month) => `${link} ${month}`))
    .reduce((sum, cell) => {
      const grams = closes.get(cell);
      if (!grams) throw new VaultError("bad-total", "a close of this window is not there yet");
      return scope.reduce((all, category) => all + grams[category - 1], sum);
    }, 0);
}

const LONGEST = 31 * 86400;
/** @param {RecordBody} record when it was over; exports exist whose trips end as they start */
const over = ({ start, end, activity: { s = 0 } }) =>
  Math.min(end > start ? end : start + Math.max(1, s), start + LONGEST);

/** @param {RecordBody} record @param {ReleaseOf} releaseOf */
const occupies = async ({ release, behaviour }, releaseOf) =>
  (await (await releaseOf(release)).behaviour(behaviour)).occupies;

/**
 * Return trips of different links at the same time, both counting, by their start.
 * @param {OwnLink[]} links @param {ReleaseOf} releaseOf
 */
export async function overlapping(links, releaseOf) {
  /** @type {{own: OwnLink, record: RecordBody, end: number}[]} */
  const trips = [];
  for (const own of links) for (const record of countingRecords(own.batches))
    if (record.mg > 0 && await occupies(record, releaseOf))
      trips.push({ own, record, end: over(record) });
  trips.sort((a, b) => a.record.start - b.record.start || a.end - b.end
    || (a.own.link < b.own.link ? -1 : Number(a.own.link > b.own.link)));
  /** @type {(typeof trips)[]} */
  const found = [];
  trips.forEach((first, n) => {
    for (let i = n + 1; i < trips.length && trips[i].record.start < first.end; i++)
      if (trips[i].own.link !== first.own.link) found.push([first, trips[i]]);
  });
  return found;
}

/**
 * Return a link's batches, each its source's, opened; unsigned, or bad-total when one is missing.
 * @param {Getter} wire @param {import("./keys.js").OpeningKey} key @param {Origin} origin
 */
async function fetchBatches(wire, key, origin) {
  /** @type {OpenedBatch[]} */
  const opened = [];
  for (;;) {
    const path = `/v1/holder/links/${origin.link}/batches`;
    const { body } = await wire.get(`${path}?first=${opened.length}`);
    const items = objectsOf(body, "batches");
    opened.push(...await Promise.all(items.map(async (item) => {
      const batch = textOf(item, "batch"), receipt = textOf(item, "receipt");
      await checkBatch(origin, batch, receipt);
      return openBatch(key, batch, receipt);
    })));
    if (opened.some(({ seq }, n) => seq !== n))
      throw new VaultError("bad-total", "the vault does not show every batch in order");
    if ((body.next ?? null) === null || !items.length) return opened;
  }
}
