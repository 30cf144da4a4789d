// Tokens: the masks of one scope and window, sealed to one platform (docs/protocol.md section 5).
import { b64u, compactJson, concat, hex, sha256, signJws, unhex, utf8 } from "./encoding.js";
import { writeScalar } from "./commit.js";
import { addMasks, masksOf } from "./meter.js";
import { joinWindow } from "./months.js";
import { seal } from "./seal.js";
import { fail } from "./wire.js";

/** @import { Absent, Cells } from "./state.js" */
/** @import { SigningKey } from "./encoding.js" */
/** @typedef {{link: string, org: string, begins: string, absent: Set<string>,
 *   ends: string | null}} LinkFact `ends` is the month of its unlink, absent like all later ones */
/** @typedef {{grant: string, window: string[]}} Granted */
/** @typedef {{tau: bigint, rho: bigint}} Masks */

const MOST_CELLS = 4096;

/** @param {LinkFact} fact @param {string} month @returns {boolean} may it have a figure */
export const hasMonth = ({ begins, absent, ends }, month) =>
  month >= begins && !absent.has(month) && (ends === null || month < ends);

/**
 * The cells of a window towards an organisation, without its own sources; not-minted for none.
 * @param {Iterable<LinkFact>} links @param {string} org @param {string[]} window @returns {Cells}
 */
export function cellsOf(links, org, window) {
  const facts = [...links].filter((fact) => fact.org !== org)
    .sort((a, b) => (a.link < b.link ? -1 : 1));
  const all = facts.map(({ link }) => /** @type {Cells[0]} */ ([link, window]));
  const cells = lessAbsent(all, (link, month) =>
    facts.some((fact) => fact.link === link && !hasMonth(fact, month)));
  return cells.length ? cells
    : fail("not-minted", "no source of another organisation has records in this period");
}

/** Cells without those that are absent. @param {Cells} cells @param {Absent} absent */
export const lessAbsent = (cells, absent) => /** @type {Cells} */ (cells
  .map(([link, months]) => [link, months.filter((month) => !absent(link, month))])
  .filter(([, months]) => months.length));

/** At most 4,096 cells × categories. @param {Cells} cells @param {number[]} scope */
export function checkCount(cells, scope) {
  const count = cells.reduce((sum, [, months]) => sum + months.length, 0) * scope.length;
  if (count > MOST_CELLS)
    fail("bad-shape", `a token covers at most ${MOST_CELLS} cells, found ${count}`);
}

/**
 * tau and rho over cells × categories.
 * @param {(link: string) => Promise<Uint8Array>} keyOf a link's stream secret
 * @param {Cells} cells @param {number[]} scope @returns {Promise<Masks>}
 */
export async function sumMasks(keyOf, cells, scope) {
  const all = cells.map(async ([link, months]) => {
    const key = await keyOf(link);
    return Promise.all(scope.flatMap((c) => months.map((month) => masksOf(key, c, month))));
  });
  return addMasks((await Promise.all(all)).flat());
}

/** What ties a sealed token to its grant and window. @param {Granted} granted */
export const tokenInfo = ({ grant, window }) =>
  concat(utf8("cv1/token"), unhex(grant, 16), utf8(joinWindow(window)));

/**
 * The 112 sealed bytes.
 * @param {Masks} masks @param {Uint8Array} platform its sealing key @param {Granted} granted
 */
export const sealToken = ({ tau, rho }, platform, granted) =>
  seal(platform, concat(writeScalar(tau), writeScalar(rho)), tokenInfo(granted));

/**
 * The token's text, and what is posted: the text with the sealed bytes beside it.
 * @param {SigningKey} key @param {number} iat @param {Granted} granted @param {Cells} cells
 * @param {Uint8Array} sealed @returns {Promise<{text: string, post: string}>}
 */
export async function signToken(key, iat, { grant, window }, cells, sealed) {
  const body = { iat, grant, window, cells, sealed: hex(await sha256(sealed)) };
  const token = await signJws("cv1-token", body, key);
  return { text: token, post: compactJson({ token, sealed: b64u(sealed) }) };
}
