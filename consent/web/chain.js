/** The balance chain, from records to whole grams (docs/protocol.md section 5, "Close"). */

import {concat, hex, sha256, utf8} from "./encoding.js";
import {VaultError} from "./errors.js";
import {CELL_LIMIT} from "./meter.js";
import {CATEGORIES} from "./months.js";

/** The balances before the first close. */
export const ZERO = [0, 0, 0, 0, 0, 0, 0];

/** The month's grams, and the balances in milligrams that are carried on.
 * @param {readonly number[]} before balances of the close before
 * @param {Record<number, number> | Map<number, number>} sums milligrams since, by category
 * @param {(category: number) => number} cap grams a month */
export function settle(before, sums, cap) {
  const added = sums instanceof Map ? Object.fromEntries(sums) : sums;
  const totals = CATEGORIES.map((c, i) => before[i] + (added[c] ?? 0));
  if (!totals.every(Number.isSafeInteger))
    throw new VaultError("bad-total", "milligrams stay below 2^53 here");
  const grams = totals.map((mg, i) =>
    Math.min(cap(i + 1), CELL_LIMIT - 1, Math.max(0, (mg - mg % 1000) / 1000)));
  return {grams, balances: totals.map((mg, i) => mg - 1000 * grams[i])};
}

/** `batches`: SHA-256 over SHA-256(batch) || SHA-256(receipt), in order.
 * @param {readonly (readonly [string, string])[]} pairs */
export const digestOf = async pairs =>
  hex(await sha256(concat(...await Promise.all(pairs.flat().map(s => sha256(utf8(s)))))));
