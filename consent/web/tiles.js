/** Tiles: the tree as files that only grow (docs/protocol.md section 6; C2SP tlog-tiles). */

import {rootOf} from "./merkle.js";
import {refusal} from "./refusals.js";

/** @typedef {(level: number, n: number) => Promise<Uint8Array>} ReadTile */

const no = refusal("bad-proof");
export const WIDTH = 256;

/** The path of a tile. @param {number} level @param {number} n */
export function tilePath(level, n, width = WIDTH) {
  const groups = [];
  for (let rest = n; rest || !groups.length; rest = Math.floor(rest / 1000))
    groups.unshift((groups.length ? "x" : "") + String(rest % 1000).padStart(3, "0"));
  const partial = width === WIDTH ? "" : `.p/${width}`;
  return `tile/${level}/${groups.join("/")}${partial}`;
}

/** How wide, 0..256, a tile is in a tree of this size. @param {number} size */
export const widthAt = (size, /** @type {number} */ level, /** @type {number} */ n) => Math.max(0,
  Math.min(WIDTH, Math.floor(size / WIDTH ** Math.max(level, 0)) - n * WIDTH));

/** The hashes of a tile; bad-proof. @param {Uint8Array} raw */
export function readHashes(raw) {
  if (raw.length % 32) throw no("a tile ends inside a hash");
  return Array.from({length: raw.length / 32}, (_, i) => raw.slice(32 * i, 32 * i + 32));
}

/**
 * The function that finds a complete subtree's hash in the tiles, each once; bad-proof.
 * @param {ReadTile} read
 * @returns {import("./merkle.js").Find}
 */
export function subtrees(read) {
  /** @type {Map<string, Promise<Uint8Array>>} */
  const kept = new Map();
  return (level, index) => {
    const place = `${level}/${index}`, found = kept.get(place) ?? find(read, level, index);
    kept.set(place, found);
    return found;
  };
}

/** @param {ReadTile} read @param {number} level @param {number} index */
async function find(read, level, index) {
  const count = 2 ** (level % 8), from = index * count, first = from % WIDTH;
  const raw = await read(Math.floor(level / 8), Math.floor(from / WIDTH));
  const row = readHashes(raw.slice(32 * first, 32 * (first + count)));
  if (row.length !== count) throw no("a tile is too short");
  return rootOf(row);
}
