/** Masks and cells: how a blind store adds up (docs/protocol.md section 5, "Close"). */

import {commit, little, ORDER} from "./commit.js";
import {concat, utf8} from "./encoding.js";
import {VaultError} from "./errors.js";
import {kdf} from "./keys.js";

/** @typedef {{tau: bigint, rho: bigint}} Masks */

/** A cell holds fewer grams. */
export const CELL_LIMIT = 2 ** 40;

/** The mask and blinding of one cell, from a link's stream secret.
 * @param {Uint8Array} key @param {number} category @param {string} month
 * @returns {Promise<Masks>} */
export async function masksOf(key, category, month) {
  const okm = await kdf(key, concat(utf8("cv1/cell"), Uint8Array.of(category), utf8(month)), 128);
  return {tau: little(okm.slice(0, 64)) % ORDER, rho: little(okm.slice(64)) % ORDER};
}

/** The sums mod l: a token's content. @param {Iterable<Masks>} list @returns {Masks} */
export const addMasks = list => [...list].reduce(
  (a, b) => ({tau: (a.tau + b.tau) % ORDER, rho: (a.rho + b.rho) % ORDER}), {tau: 0n, rho: 0n});

/** The cell of the grams. @param {number} grams @param {Masks} masks */
export function hide(grams, {tau, rho}) {
  if (!(grams >= 0 && grams < CELL_LIMIT))
    throw new VaultError("bad-total", "a cell holds 0 up to 2^40 - 1 grams");
  return {masked: (BigInt(grams) + tau) % ORDER, commitment: commit(BigInt(grams), rho)};
}
