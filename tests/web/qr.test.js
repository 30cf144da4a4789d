// The picture of a code: the same squares as an independent encoder draws (version 5-L, mask 0).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { qrSquares } from "../../consent/web/qr.js";

const hashOf = (text) =>
  createHash("sha256").update(qrSquares(text).map((row) => row.join("")).join("\n")).digest("hex");

// From the encoder of qrcode-terminal 0.12 (K. Arase): type 5, level L, mask pattern 0.
const KNOWN = {
  "https://vault.example.org/#w=0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV-WXYZ-*":
    "9fb9188a30f9f5a542f387649392923d76458db2a0c7e23f85968f16dbebc9a9",
  "a":
    "a647a8b76697ff7c4698f638fcfea8bf5eea54980afc4725ed91b6315d3854b9",
  "":
    "01c7663333145f312a014d7a982748a3afcdcdbd6dde989777dfc541abdf2323",
  ["x".repeat(106)]:
    "28571cbdad17176449c375be5ff4484c96ab69a72384c1fbe30595e2a902a1f5",
};

test("the squares are those of an independent encoder", () => {
  for (const [text, hash] of Object.entries(KNOWN)) assert.equal(hashOf(text), hash, text);
});

test("another text has other squares", () => {
  assert.notEqual(hashOf("https://vault.example.org/#w=A"), hashOf("https://vault.example.org/#w=B"));
});

test("the three finders and the timing lines stand where a reader looks for them", () => {
  const squares = qrSquares("a");
  assert.equal(squares.length, 37);
  assert.equal(squares[0].slice(0, 8).join(""), "11111110");
  assert.equal(squares[36].slice(0, 7).join(""), "1111111");
  assert.equal(squares[6].slice(8, 29).join(""), "101010101010101010101");
  assert.ok(squares.flat().every((one) => one === 0 || one === 1));
});

test("106 bytes fit and 107 are refused", () => {
  assert.equal(qrSquares("x".repeat(106)).length, 37);
  assert.throws(() => qrSquares("x".repeat(107)), RangeError);
  assert.throws(() => qrSquares("库".repeat(36)), RangeError);
});
