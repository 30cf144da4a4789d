/** Pedersen commitments C = T·g + rho·h in the Ed25519 group (docs/protocol.md section 3).
 * BigInt takes no constant time: for the holder's own machine only. */

import {hex, unhex} from "./encoding.js";
import {VaultError} from "./errors.js";

/** @typedef {[bigint, bigint, bigint, bigint]} Point extended coordinates X, Y, Z, T */

/** The order l of the group. */
export const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const P = 2n ** 255n - 19n;
// The base point, and crypto_core_ed25519_from_uniform(SHA-256("cv1/pedersen-h")).
const G = "58" + "66".repeat(31);
const H = "018e7a89ac73afc3611dfdde470374b4f534ef05a8f28b9e43eab9e17cdc0299";
/** @type {Point} */
const ZERO = [0n, 1n, 1n, 0n];

/** @param {bigint} n */
const mod = n => (n % P + P) % P;

/** @param {bigint} base @param {bigint} exponent */
function power(base, exponent) {
  let result = 1n;
  for (; exponent; exponent >>= 1n, base = base * base % P)
    if (exponent & 1n) result = result * base % P;
  return result;
}

/** @param {bigint} n */
const invert = n => power(n, P - 2n);
const D = mod(-121665n * invert(121666n));

/** Complete addition (RFC 8032, 5.1.4). @param {Point} p @param {Point} q @returns {Point} */
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = (y1 - x1) * (y2 - x2) % P, b = (y1 + x1) * (y2 + x2) % P;
  const c = 2n * D * t1 % P * t2 % P, d = 2n * z1 * z2 % P;
  const e = b - a, f = d - c, g = d + c, h = b + a;
  return [e * f % P, g * h % P, f * g % P, e * h % P];
}

/** A number from bytes, the lowest first. @param {Uint8Array} raw */
export const little = raw => BigInt("0x0" + hex(raw.slice().reverse()));

/** The number's 32 bytes, the lowest first. @param {bigint} n */
export const writeScalar = n => unhex(n.toString(16).padStart(64, "0"), 32).reverse();

/** The bytes as a number below l. @param {Uint8Array} raw */
export function readScalar(raw) {
  const n = little(raw);
  if (raw.length === 32 && n < ORDER) return n;
  throw new VaultError("bad-scalar", "wanted 32 little-endian bytes below the group order");
}

/** The point of 32 bytes, if any. @param {Uint8Array} raw @returns {Point | undefined} */
function decode(raw) {
  const sign = BigInt(raw[31] >> 7), y = little(raw) - (sign << 255n);
  const square = mod((y * y - 1n) * invert(D * y * y % P + 1n));
  let x = power(square, (P + 3n) / 8n);
  if (x * x % P !== square) x = x * power(2n, (P - 1n) / 4n) % P;
  if (y >= P || x * x % P !== square || !x && sign) return undefined;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, x * y % P];
}

/** Return when the bytes encode a point of the prime-order group. @param {Uint8Array} raw */
export function checkPoint(raw) {
  const point = raw.length === 32 ? decode(raw) : undefined;
  let sum = ZERO;
  for (const bit of point ? ORDER.toString(2) : "") {
    sum = add(sum, sum);
    if (bit === "1") sum = add(sum, /** @type {Point} */ (point));
  }
  if (!point?.[0] || mod(sum[0]) || mod(sum[1] - sum[2]))
    throw new VaultError("bad-point", "wanted the canonical encoding of a prime-order point");
}

/** n times the point of the table: its row i holds 0 to 16 times 16^i·point, made when needed.
 * @param {bigint} n @param {Point[][]} table */
function times(n, table) {
  let sum = ZERO;
  for (let i = 0; n; i++, n >>= 4n)
    sum = add(sum, (table[i] ??= multiples(table[i - 1][16]))[Number(n & 15n)]);
  return sum;
}

/** @param {Point} point */
function multiples(point) {
  const row = [ZERO];
  while (row.length < 17) row.push(add(row[row.length - 1], point));
  return row;
}

/** @type {Point[][][]} */
const tables = [];

/** total·g + rho·h, both in [0, l). @param {bigint} total @param {bigint} rho */
export function commit(total, rho) {
  if (!tables.length)
    tables.push(...[G, H].map(raw => [multiples(/** @type {Point} */ (decode(unhex(raw))))]));
  const [x, y, z] = add(times(total, tables[0]), times(rho, tables[1])), inverse = invert(z);
  return writeScalar(mod(y * inverse) | (mod(x * inverse) & 1n) << 255n);
}
