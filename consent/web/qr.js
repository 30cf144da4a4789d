// A QR code, byte mode, version 5-L (106 bytes, one block, mask 0), drawn as SVG.

import { svg } from "./dom.js";
import { utf8 } from "./encoding.js";
import { t } from "./words.js";

const SIZE = 37, DATA = 108, CHECK = 26;
/** @type {number[]} */
const EXP = [], LOG = /** @type {number[]} */ ([]);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = x;
  LOG[x] = i;
  x = x << 1 ^ (x & 128 ? 0x11d : 0);
}
/** @param {number} a @param {number} b */
const times = (a, b) => a && b ? EXP[(LOG[a] + LOG[b]) % 255] : 0;

/** Reed-Solomon check bytes. @param {number[]} data */
function check(data) {
  let poly = [1];
  for (let i = 0; i < CHECK; i++)
    poly = [...poly, 0].map((c, j) => c ^ times(poly[j - 1] ?? 0, EXP[i]));
  const rest = [...data, ...Array(CHECK).fill(0)];
  for (let i = 0; i < data.length; i++)
    for (let j = 0, lead = rest[i]; j <= CHECK; j++) rest[i + j] ^= times(poly[j], lead);
  return rest.slice(data.length);
}

/** @param {Uint8Array} bytes */
function codewords(bytes) {
  if (bytes.length > 106) throw new RangeError("a picture of this kind holds 106 bytes");
  // Byte mode is half a byte, so everything after it is shifted by four bits.
  const parts = [4, ...[bytes.length, ...bytes].flatMap((b) => [b >> 4, b & 15]), 0];
  const data = parts.flatMap((part, i) => i % 2 ? [] : part << 4 | parts[i + 1]);
  for (let i = 0; data.length < DATA; i++) data.push(i % 2 ? 0x11 : 0xec);
  return [...data, ...check(data)];
}

/** The squares of a text's QR code, rows of 0 and 1. @param {string} text @returns {number[][]} */
export function qrSquares(text) {
  const grid = Array.from({ length: SIZE }, () => /** @type {number[]} */ (Array(SIZE).fill(-1)));
  /** @param {number} y @param {number} x @param {number[]} rings from the middle */
  const square = (y, x, rings) => {
    for (let i = 1 - rings.length; i < rings.length; i++)
      for (let j = 1 - rings.length; j < rings.length; j++)
        if (grid[y + i]?.[x + j] !== undefined)
          grid[y + i][x + j] = rings[Math.max(Math.abs(i), Math.abs(j))];
  };
  for (let i = 8; i < SIZE - 8; i++) grid[6][i] = grid[i][6] = i % 2 ? 0 : 1;
  for (const [y, x] of [[3, 3], [3, SIZE - 4], [SIZE - 4, 3]]) square(y, x, [1, 1, 0, 1, 0]);
  square(30, 30, [1, 0, 1]);
  // Format: error correction L, mask 0, with its own check bits.
  const format = 0b111011111000100;
  for (let i = 0; i < 15; i++) {
    const bit = format >> i & 1, a = i < 6 ? i : i < 8 ? i + 1 : i < 9 ? 7 : 14 - i;
    if (i < 8) grid[a][8] = grid[8][SIZE - 1 - i] = bit;
    else grid[8][a] = grid[SIZE - 15 + i][8] = bit;
  }
  grid[SIZE - 8][8] = 1;
  fill(grid, codewords(utf8(text)));
  return grid;
}

/** @param {number[][]} grid @param {number[]} words */
function fill(grid, words) {
  let at = 0;
  for (let right = SIZE - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right--;
    for (let i = 0; i < SIZE; i++) for (const x of [right, right - 1]) {
      const y = up ? SIZE - 1 - i : i;
      if (grid[y][x] >= 0) continue;
      const bit = (words[at >> 3] ?? 0) >> (7 - at % 8) & 1;
      grid[y][x] = bit ^ ((x + y) % 2 ? 0 : 1);
      at++;
    }
  }
}

/** A text as a picture to scan. @param {string} text @returns {SVGElement} */
export function qr(text) {
  const path = qrSquares(text).flatMap((row, y) =>
    row.map((on, x) => on ? `M${x} ${y}h1v1h-1z` : ""));
  return svg("svg", { class: "qr", viewBox: "-4 -4 45 45", role: "img", "aria-label": t("qr"),
    "shape-rendering": "crispEdges" }, svg("path", { d: path.join("") }));
}
