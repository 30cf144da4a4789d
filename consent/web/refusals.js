/** Errors made by slug, and what one means to whom it happened to. */

import {VaultError, isError} from "./errors.js";

/** Makes errors of one slug. @param {string} slug */
export const refusal = slug => (/** @type {string} */ detail) => new VaultError(slug, detail);

/**
 * What the work returns; its errors of the slug or group `from` become errors of `to`.
 * @template T
 * @param {string} from
 * @param {string} to
 * @param {string} what
 * @param {() => T | Promise<T>} work
 */
export async function recast(from, to, what, work) {
  try {
    return await work();
  } catch (e) { throw isError(e, from) ? new VaultError(to, `${what}: ${e.detail}`) : e; }
}
