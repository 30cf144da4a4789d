/** Where a text stands: the logs of a directory, and what a proof in one shows (protocol 6). */

import {isError} from "./errors.js";
import {checkQuorum, enough, policyOf, readVkey} from "./note.js";
import {UNREADABLE, readProof, verifyProof} from "./proof.js";
import {recast, refusal} from "./refusals.js";

/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./proof.js").Logged} Logged */
/**
 * One log: `base` entries stand before it, the vault serves it at `path`; `last` is the tree it
 * ended with and `end` the place after it, null while it goes on.
 * @typedef {{entry: Directory["listing"]["log"], key: import("./note.js").Vkey, base: number,
 *   path: string, last: {size: number, root: string} | null, end: number | null}} Log
 */

const CLOCKS = 300, no = refusal("bad-proof"), bad = refusal("bad-directory");

/** The logs of a directory, oldest first; bad-directory, bad-shape. @param {Directory} directory */
export function logsOf({earlier, listing}) {
  const all = [...earlier, listing.log].map(entry => ({entry, key: readVkey(entry.vkey)}));
  if (new Set(all.map(({key}) => key.name)).size !== all.length) throw bad("two logs of one name");
  let base = 0;
  return all.map(({entry, key}, i) => {
    const last = earlier[i] ?? null, path = pathUnder(all[0].key.name, key.name);
    /** @type {Log} */
    const log = {entry, key, base, path, last, end: last && base + last.size};
    base = log.end ?? base;
    return log;
  });
}

/** @param {string} first @param {string} name */
function pathUnder(first, name) {
  const own = name.startsWith(first) ? name.slice(first.length) : name;
  if (own && !/^\/[0-9a-z]{1,16}$/.test(own))
    throw bad(`the log ${name} does not stand under ${first}`);
  return "/log" + own;
}

/** The log of this origin; bad-proof. @param {Directory} directory @param {string} origin */
export function logNamed(directory, origin) {
  const found = logsOf(directory).find(({key}) => key.name === origin);
  if (!found) throw no(`the directory knows no log ${origin.slice(0, 200)}`);
  return found;
}

/** The vkeys of a directory's logs, oldest first. @param {Directory | null} directory */
export const vkeysOf = directory =>
  directory ? [...directory.earlier, directory.listing.log].map(({vkey}) => vkey) : [];

/**
 * Whether the directory lists a log of the name that a proof file is of.
 * @param {Directory} directory
 * @param {string} proof
 */
export function knows(directory, proof) {
  try {
    return !!logNamed(directory, readProof(proof).origin);
  } catch (e) {
    if (isError(e, "bad-proof", "bad-shape")) return false;
    throw e;
  }
}

/**
 * The place of a text, counted over all logs of the directory; bad-proof, not-witnessed.
 * @param {Directory} directory
 * @param {string} text
 * @param {string} proof
 * @param {{witnessed?: boolean}} [how] false for what the client posted itself a moment ago
 * @returns {Promise<Logged>}
 */
export async function checkLogged(directory, text, proof, {witnessed = true} = {}) {
  const {origin} = await recast("bad-shape", "bad-proof", UNREADABLE, () => readProof(proof));
  const log = logNamed(directory, origin), policy = listedPolicy(log), {last} = log;
  const place = await verifyProof(proof, text, log.key, policy.witnesses);
  if (last && (last.size !== place.size || last.root !== place.root))
    throw no(`${origin} ended with ${last.size} entries, and its last tree alone counts; found one`
      + ` of ${place.size}`);
  if (witnessed) checkQuorum(policy, place.cosigned);
  return {...place, index: log.base + place.index};
}

/** @param {Log} log */
const listedPolicy = ({key, entry}) => policyOf(key, entry.witnesses.map(readVkey), entry.quorum);

/**
 * Return when a quorum cosigned the place's tree in (wall - limit, wall + 300]; stale-log.
 * @param {Directory} directory
 * @param {Logged} place
 * @param {number} wall unix seconds, by the wall clock
 * @param {number} limit seconds; 0: any time
 */
export function checkFresh(directory, {origin, cosigned}, wall, limit) {
  const log = logNamed(directory, origin);
  if (!limit || log.last) return;
  const lately = cosigned.filter(({time}) => wall - limit < time && time <= wall + CLOCKS);
  if (!enough(listedPolicy(log), lately))
    throw refusal("stale-log")(`wanted cosignatures of the last ${limit} s at ${wall}; found `
      + cosigned.map(one => `${one.witness.name} at ${one.time}`).join(", "));
}
