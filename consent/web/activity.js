// Activity: everything the log holds of a person, checked and compared (docs/protocol.md 6).
import { thumbprint } from "./encoding.js";
import { VaultError, isError } from "./errors.js";
import { checkHistories, openListed } from "./history.js";
import { fetchAuditors, fetchListed, unlike } from "./lists.js";
import { checkEntries, sortAlarms } from "./monitor.js";

/** @typedef {import("./lists.js").Wire} Wire */
/** @typedef {import("./lists.js").Directory} Directory */
/** @typedef {import("./lists.js").Theirs} Theirs */
/** @typedef {import("./monitor.js").Own} Own */
/** @typedef {import("./monitor.js").Shown} Shown */
/** @typedef {{lists: Map<string, Theirs>, auditor: string, why: string}} Compared lists by kid;
 *   why there is none, empty when nobody was asked */

export const NOT_COMPARED = "not compared";
/** @type {Compared} */
export const NOBODY_ASKED = { lists: new Map(), auditor: NOT_COMPARED, why: "" };

/** The page names a place for the list that no auditor signed. @type {Compared} */
export const NOT_THEIRS = { ...NOBODY_ASKED, why: "the page's list is not the auditor's contact" };

/**
 * The auditor's id, and the https URL that the directory lists as its contact.
 * @param {Directory} directory @returns {[string, string | null]}
 */
export function auditorsContact({ listing }) {
  const found = listing.entries.find(({ roles }) => roles.includes("auditor"));
  return [found?.id ?? "auditor", found?.contact?.startsWith("https://") ? found.contact : null];
}

/**
 * The auditor's list of each key; without any when one of them cannot be had.
 * @template {{public: Uint8Array}} K
 * @param {string} auditor its id @param {(key: K) => Wire} ways to its service, as a key
 * @param {K[]} asked the account key and each consent key
 * @param {Directory} directory @returns {Promise<Compared>}
 */
export async function askAuditor(auditor, ways, asked, directory) {
  const lists = new Map();
  try {
    for (const key of asked) {
      const kid = await thumbprint(key.public);
      lists.set(kid, await fetchAuditors(ways(key), kid, directory));
    }
  } catch (lost) {
    if (!(lost instanceof VaultError)) throw lost;
    return { ...NOBODY_ASKED, why: lost.message };
  }
  return { lists, auditor, why: "" };
}

/**
 * What one look found, and what to keep of it for the next one.
 * @param {Wire} wire speaks as the account
 * @param {() => Own | Promise<Own>} own loads the state, then says what is known
 * @param {string} account the account's kid @param {Compared} compared fetched before
 * @returns {Promise<[Watched, import("./monitor.js").Look]>}
 */
export async function watch(wire, own, account, compared) {
  let known, judged;
  // List before state: an act is in the state before it is in the log. What seems withheld is
  // looked for once more: it may have come between the two.
  for (let looks = 2; ; looks--) {
    const listed = await fetchListed(wire);
    known = await own();
    judged = await checkEntries(known, listed);
    if (looks < 2 || judged.alarms.every(({ kind }) => kind !== "withheld")) break;
  }
  const { look: { checkpoint, seen } } = known, { entries } = judged;
  const whole = await checkHistory(known, judged, wire, compared);
  const unlikes = differences(entries, account, compared);
  const alarms = sortAlarms([...judged.alarms, ...whole.alarms, ...unlikes]);
  const names = Object.fromEntries(entries.map(({ index, name }) => [index, name]));
  return [
    summary({ ...whole, entries, alarms }, seen, compared),
    { checkpoint: whole.newest ?? checkpoint, seen: { ...names, ...seen } },
  ];
}

/**
 * @param {Own} own @param {Awaited<ReturnType<typeof checkEntries>>} judged
 * @param {Wire} wire @param {Compared} compared
 */
async function checkHistory({ look, directory }, judged, wire, { lists }) {
  const heads = [...judged.heads, ...[...lists.values()].map(({ head }) => head)];
  try {
    if (look.checkpoint) heads.push(await openListed(look.checkpoint, directory));
    const found = await checkHistories(heads, directory, wire);
    return { size: found?.size ?? 0, newest: found?.head.note, notes: [], alarms: [] };
  } catch (bad) {
    if (!isError(bad, "bad-proof")) throw bad;
    heads.sort((a, b) => a.size - b.size || (a.root < b.root ? -1 : 1));
    /** @type {import("./monitor.js").Alarm} */
    const alarm = { index: -1, kind: "history", detail: bad.detail };
    return { size: 0, notes: [...new Set(heads.map(({ note }) => note))], alarms: [alarm] };
  }
}

/** @param {Shown[]} entries @param {string} account @param {Compared} compared */
const differences = (entries, account, { lists }) => [...lists].flatMap(([kid, theirs]) => {
  const ours = entries.filter(({ consent }) => kid === account || kid === consent);
  return unlike(theirs, new Map(ours.map(({ index, name }) => [index, name])));
});

/** @typedef {ReturnType<typeof summary>} Watched */
/**
 * notes: checkpoints that do not fit together. Entries before comparedTo were compared with the
 * auditor's tree, which a quorum cosigned at cosignedAt. fresh: not seen by this device before.
 * @param {{entries: Shown[], alarms: import("./monitor.js").Alarm[], size: number,
 *   notes: string[]}} found
 * @param {Record<string, string>} seen @param {Compared} compared
 */
function summary({ entries, alarms, size, notes }, seen, { lists, auditor, why }) {
  const fresh = new Set(entries.map(({ index }) => index).filter((i) => !Object.hasOwn(seen, i)));
  const [shortest] = [...lists.values()].sort((a, b) => a.end - b.end);
  const comparedTo = shortest?.end ?? 0, cosignedAt = shortest?.cosignedAt ?? null;
  const kinds = (/** @type {string[]} */ ...of) => alarms.filter(({ kind }) => of.includes(kind));
  const where = (/** @type {(one: Shown) => boolean} */ test) =>
    entries.filter(test).map(({ index }) => index);
  return {
    entries, alarms, size, fresh, notes, compared: auditor, why, comparedTo, cosignedAt,
    verified: entries.length,
    foreign: kinds("foreign", "strange"),
    withheld: kinds("withheld"),
    differences: kinds("unlike"),
    uncompared: where(({ index }) => index >= comparedTo),
    unwitnessed: where(({ witnessed }) => !witnessed),
    before: where(({ made }) => made === "before"),
    elsewhere: where(({ made, index }) => made === "elsewhere" && fresh.has(index)),
  };
}
