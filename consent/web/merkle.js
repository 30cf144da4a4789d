/** RFC 6962 trees: proofs and their verification (docs/protocol.md section 6). Roots are hex. */

import {concat, hex, sha256, unhex} from "./encoding.js";
import {refusal} from "./refusals.js";

/** @typedef {(level: number, index: number) => Promise<Uint8Array>} Find a subtree's hash */

const no = refusal("bad-proof");
const EMPTY = sha256(new Uint8Array()).then(hex);

/** @param {Uint8Array} entry */
export const leafHash = entry => sha256(concat(Uint8Array.of(0), entry));

/** @param {Uint8Array} left @param {Uint8Array} right */
export const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

/** @param {number} count the largest power of two below it (2 or more) */
function split(count) {
  let half = 1;
  while (half * 2 < count) half *= 2;
  return half;
}

/**
 * Return when the leaf hash stands at the index of the tree of this size and root; bad-proof.
 * @param {number} index
 * @param {number} size
 * @param {Uint8Array} leaf
 * @param {Uint8Array[]} path
 * @param {string} root
 */
export async function verifyInclusion(index, size, leaf, path, root) {
  if (!(index >= 0 && index < size)) throw no(`a tree of ${size} has no leaf ${index}`);
  const [, climbed] = await climb(index, size - 1, [leaf, ...path]);
  if (climbed !== root) throw no("the inclusion proof does not lead to the root");
}

/**
 * Return when the tree of n leaves begins with the tree of m leaves; bad-proof.
 * @param {number} m
 * @param {number} n
 * @param {string} rootM
 * @param {string} rootN
 * @param {Uint8Array[]} path
 */
export async function verifyConsistency(m, n, rootM, rootN, path) {
  if (!(m >= 0 && m <= n)) throw no(`a tree of ${m} is no beginning of one of ${n}`);
  if (m === 0 || m === n) {
    if (path.length || m === n && rootM !== rootN || m === 0 && rootM !== await EMPTY)
      throw no(`from ${m} to ${n} leaves the roots do not fit, or a proof is not empty`);
    return;
  }
  let fn = m - 1, sn = n - 1;
  for (; fn % 2; fn = (fn - 1) / 2) sn = Math.floor(sn / 2);
  // SPEC: of a tree that is complete, the old root itself comes first.
  const first = fn ? [] : [unhex(rootM)];
  const [old, all] = await climb(fn, sn, [...first, ...path]);
  if (!path.length || old !== rootM || all !== rootN)
    throw no("the consistency proof does not lead to both roots");
}

/** RFC 9162 section 2.1.4.2; its right half is 2.1.3.2. @param {Uint8Array[]} hashes */
async function climb(/** @type {number} */ fn, /** @type {number} */ sn, hashes) {
  if (!hashes.length || hashes.some(({length}) => length !== 32))
    throw no("every hash of a proof has 32 bytes, and there are some");
  let [old] = hashes, all = old;
  for (const sibling of hashes.slice(1)) {
    if (!sn) throw no("the proof has hashes left over");
    if (fn % 2 || fn === sn) {
      [old, all] = await Promise.all([nodeHash(sibling, old), nodeHash(sibling, all)]);
      for (; fn && fn % 2 === 0; fn /= 2) sn = Math.floor(sn / 2);
    } else all = await nodeHash(all, sibling);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  if (sn) throw no("the proof lacks hashes");
  return [hex(old), hex(all)];
}

/**
 * The proof that the tree of n leaves begins with the tree of m leaves (RFC 6962 section 2.1.2).
 * @param {number} m
 * @param {number} n
 * @param {Find} find in the tree of n
 */
export async function proveConsistency(m, n, find) {
  if (!(m >= 0 && m <= n)) throw no(`a tree of ${m} is no beginning of one of ${n}`);
  const path = [];
  let first = 0, last = n;
  while (m !== 0 && m !== last) {
    const middle = first + split(last - first);
    path.push(await (m <= middle ? range(middle, last, find) : range(first, middle, find)));
    if (m <= middle) last = middle;
    else first = middle;
  }
  if (first) path.push(await range(first, last, find));
  return path.reverse();
}

/** @param {number} first @param {number} last @param {Find} find @returns {Promise<Uint8Array>} */
async function range(first, last, find) {
  const count = last - first, half = count > 1 ? split(count) : 0;
  if (half * 2 === count || !half) return find(Math.round(Math.log2(count)), first / count);
  const middle = first + half;
  return nodeHash(await range(first, middle, find), await range(middle, last, find));
}

/** The hash over the complete subtrees of one level. @param {Uint8Array[]} row one or more */
export async function rootOf(row) {
  while (row.length > 1)
    row = await Promise.all(Array.from({length: Math.ceil(row.length / 2)}, (_, i) =>
      2 * i + 1 < row.length ? nodeHash(row[2 * i], row[2 * i + 1]) : row[2 * i]));
  return row[0];
}
