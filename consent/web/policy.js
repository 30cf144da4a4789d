/** What the app pins, and how it accepts a directory under it (docs/protocol.md section 4). */

import {acceptDirectory} from "./directory.js";
import {readEnvelope} from "./encoding.js";
import {isError} from "./errors.js";
import {checkFresh, checkLogged, knows, vkeysOf} from "./logged.js";
import {open} from "./messages.js";
import {recast, refusal} from "./refusals.js";
import {readTurns, walkTurns} from "./turns.js";
import {textOf} from "./wire.js";

/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./wire.js").Wire} Wire */
/**
 * The auditor's key and the log's vkey, pinned once; `fresh`: how old cosignatures may be, 0: any.
 * @typedef {{auditor: Uint8Array, log: string, demo: boolean, fresh: number}} Policy
 */

const TYP = "cv1-directory";

/**
 * The vault's directory once it is accepted and its place in the log is proved; while witnesses
 * are silent the held one. bad-directory, bad-proof, not-witnessed, stale-log.
 * @param {Wire} wire
 * @param {Policy} policy
 * @param {Directory | null} held
 * @param {number} now
 * @param {() => number} wall the clock of cosignatures
 * @param {boolean} [expired] whether one that has expired will do
 */
export async function fetchDirectory(wire, policy, held, now, wall, expired = false) {
  const {body} = await wire.get("/v1/directory"), text = textOf(body, "directory");
  const {expires} = await recast("bad-input", "bad-directory", "no directory", () =>
    open(readEnvelope(text, TYP), TYP));
  const at = expired ? Math.min(now, expires - 1) : now;
  const found = await acceptDirectory(text, policy.auditor, held, at, policy.demo);
  let place;
  try {
    await checkLog(found, policy, held, body);
    place = await checkLogged(found, text, textOf(body, "proof"));
    checkFresh(found, place, wall(), policy.fresh);
  } catch (e) {
    const silent = isError(e, "not-witnessed", "stale-log");
    if (silent && held && (expired || now < held.listing.expires)) return held;
    throw e;
  }
  checkFirst(found, place);
  return found;
}

/** Return when version 1 stands at index 0, and no other. @param {{index: number}} place */
export function checkFirst(/** @type {Directory} */ {listing}, place) {
  if ((listing.version === 1) !== (place.index === 0))
    throw refusal("bad-directory")("the first directory is the log's first entry, and no other is");
}

/**
 * Return when the directory's log is the pinned or held one, or where that one turned to.
 * @param {Directory} found
 * @param {Policy} policy
 * @param {Directory | null} held
 * @param {Record<string, unknown>} body
 */
async function checkLog(found, {auditor, log}, held, body) {
  if (found.listing.log.vkey === log) return;
  const known = vkeysOf(held), stand = known.includes(log) ? known[known.length - 1] : log;
  const later = held ? [held.signerKey, held.listing.next] : [];
  await walkTurns(found, readTurns(body), stand, [auditor, ...later.filter(pk => pk !== null)],
    (text, proof) => checkLogged(found, text, proof));
}

/** The directory that the app goes by: it gives nothing away by one that has expired. */
export class Current {
  /**
   * `Current.open` makes it.
   * @param {Wire} wire
   * @param {Policy} policy
   * @param {() => number} now
   * @param {() => number} wall
   * @param {Directory} held
   */
  constructor(wire, policy, now, wall, held) {
    this.policy = policy;
    this.wall = wall;
    this.fetch = async (/** @type {boolean} */ expired) => {
      const found = await fetchDirectory(wire, policy, this.newest, now(), wall, expired);
      // Another fetch may have brought a newer one meanwhile.
      if (found.listing.version > this.newest.listing.version) this.newest = found;
      if (!expired && this.isOver()) throw refusal("bad-directory")("the directory has expired");
      return this.newest;
    };
    this.newest = held;
    this.isOver = () => now() >= this.newest.listing.expires;
  }

  /**
   * Accept the vault's directory; who holds one may open with it after it has expired.
   * @param {Wire} wire
   * @param {Policy} policy
   * @param {() => number} now
   * @param {Directory | null} held
   * @param {() => number} wall
   */
  static async open(wire, policy, now, held, wall) {
    const found = await fetchDirectory(wire, policy, held, now(), wall, held !== null);
    return new Current(wire, policy, now, wall, found);
  }

  /** The directory in force, fetched anew once the one held has expired. */
  async directory() { return this.isOver() ? this.fetch(false) : this.newest; }

  /** The newest directory, also when it has expired: to stop by, never to give. */
  async held() { return this.isOver() ? this.fetch(true) : this.newest; }

  /** Fetch the directory in force. */
  async refresh() { await this.fetch(false); }

  /** `held`, fetched anew for a proof of a log that it does not list. @param {string} proof */
  async knowing(proof) {
    const held = await this.held();
    return knows(held, proof) ? held : this.fetch(true);
  }
}
