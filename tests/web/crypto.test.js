/** The keys, seals, commitments and masks of the app against the Python's and RFC 9180. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";

import * as commit from "../../consent/web/commit.js";
import {concat, hex, text, thumbprint, unhex, utf8} from "../../consent/web/encoding.js";
import * as keys from "../../consent/web/keys.js";
import * as meter from "../../consent/web/meter.js";
import * as seals from "../../consent/web/seal.js";

const read = name => JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url)));
const KNOWN = read("protocol.json"), V = read("web_crypto.json");
const slug = wanted => error => error.name === "VaultError" && error.slug === wanted;
const refused = (wanted, promise) => assert.rejects(promise, slug(wanted));
const scalar = s => commit.readScalar(unhex(s));
const write = n => hex(commit.writeScalar(n));
const flip = bytes => {
  const other = bytes.slice();
  other[other.length - 1] ^= 1;
  return other;
};

test("the cell of the protocol page comes out", async () => {
  const {cell} = KNOWN, root = unhex(cell.root);
  const k = await keys.streamKey(root, cell.link);
  assert.equal(hex(k), cell.k);
  assert.equal(hex((await keys.recordKey(root, cell.link)).public), cell.rec_pk);
  const masks = await meter.masksOf(k, cell.category, cell.month);
  assert.deepEqual([write(masks.tau), write(masks.rho)], [cell.mask, cell.rho]);
  const made = meter.hide(cell.grams, masks);
  assert.deepEqual([write(made.masked), hex(made.commitment)], [cell.c, cell.C]);
  assert.equal(hex(commit.commit(0n, masks.rho)), cell.C_of_zero);
});

test("the token sums of the protocol page come out", async () => {
  const {sum} = KNOWN, masks = [];
  for (const link of sum.links)
    for (const month of sum.months)
      masks.push(await meter.masksOf(await keys.streamKey(unhex(sum.root), link),
        sum.category, month));
  const {tau, rho} = meter.addMasks(masks);
  assert.deepEqual([write(tau), write(rho)], [sum.tau, sum.rho]);
});

test("the wrap and the key names of the protocol page come out", async () => {
  const {wrap, kids} = KNOWN, s = unhex(wrap.s), root = unhex(kids.root);
  assert.equal(keys.writeCode(s), wrap.code);
  assert.deepEqual(keys.readCode(wrap.code), s);
  assert.equal(await keys.wrapId(s), wrap.id);
  assert.equal(hex(await keys.kdf(s, utf8("cv1/wrap/key"), 32)), wrap.key);
  const kid = async key => thumbprint((await key).public);
  assert.equal(await kid(keys.signingKey(new Uint8Array(32).fill(0x11))), kids.seed_11);
  assert.equal(await kid(keys.accountKey(root)), kids.account);
  assert.equal(await kid(keys.consentKey(root, "city.example")), kids["consent_city.example"]);
});

test("commitments are the Python's, at the edges and for forty random pairs", () => {
  assert.equal(V.commits.length, 18 + 40);
  for (const [total, rho, point] of V.commits)
    assert.equal(hex(commit.commit(scalar(total), scalar(rho))), point);
});

test("only canonical points of the prime-order group are taken", () => {
  for (const raw of V.points.good) commit.checkPoint(unhex(raw));
  for (const raw of V.points.bad)
    assert.throws(() => commit.checkPoint(unhex(raw)), slug("bad-point"), raw);
});

test("scalars have one form", () => {
  for (const raw of [...V.scalars_bad, "", "00", "00".repeat(33)])
    assert.throws(() => commit.readScalar(unhex(raw)), slug("bad-scalar"));
  for (const n of [0n, 1n, commit.ORDER - 1n]) assert.equal(scalar(write(n)), n);
});

test("masks, cells and their sum are the Python's", async () => {
  const all = [];
  for (const [k, category, month, grams, tau, rho, masked, point] of V.cells) {
    const masks = await meter.masksOf(unhex(k), category, month);
    const cell = meter.hide(grams, masks);
    assert.deepEqual([write(masks.tau), write(masks.rho)], [tau, rho]);
    assert.deepEqual([write(cell.masked), hex(cell.commitment)], [masked, point]);
    all.push(masks);
  }
  const sum = meter.addMasks(all);
  assert.deepEqual([write(sum.tau), write(sum.rho)], V.sum);
  assert.deepEqual(meter.addMasks([]), {tau: 0n, rho: 0n});
});

test("a cell holds whole grams below 2^40", () => {
  for (const grams of [-1, meter.CELL_LIMIT, NaN, Infinity, 0.5])
    assert.throws(() => meter.hide(grams, {tau: 0n, rho: 0n}));
});

test("every key of a root is the Python's", async () => {
  const root = unhex(V.keys.root);
  assert.equal(hex((await keys.accountKey(root)).public), V.keys.account);
  for (const [link, k, record] of V.keys.links) {
    assert.equal(hex(await keys.streamKey(root, link)), k);
    assert.equal(hex((await keys.recordKey(root, link)).public), record);
  }
  for (const [org, kid] of V.keys.orgs)
    assert.equal(await thumbprint((await keys.consentKey(root, org)).public), kid);
  for (const [key, info, n, out] of V.keys.kdf)
    assert.equal(hex(await keys.kdf(unhex(key), unhex(info), n)), out);
  await assert.rejects(async () => keys.streamKey(root, "01"), slug("bad-shape"));
});

test("a signature verifies under its key only", async () => {
  const [key, other] = await Promise.all([1, 2].map(n =>
    keys.signingKey(new Uint8Array(32).fill(n))));
  const message = utf8("m"), signature = await key.sign(message);
  await keys.verifySignature(key.public, signature, message);
  for (const [pk, sig, msg] of [[other.public, signature, message],
    [key.public, flip(signature), message], [key.public, signature, utf8("n")],
    [key.public, signature.subarray(1), message], [new Uint8Array(31), signature, message]])
    await refused("bad-jws", keys.verifySignature(pk, sig, msg));
});

test("wraps are the Python's and open with their secret only", async () => {
  const root = unhex(V.keys.root);
  for (const [secret, nonce, id, blob] of V.wraps) {
    assert.equal(await keys.wrapId(unhex(secret)), id);
    assert.equal(hex(await keys.wrapRoot(unhex(secret), root, unhex(nonce))), blob);
    assert.deepEqual(await keys.unwrapRoot(unhex(secret), unhex(blob)), root);
    await refused("bad-seal", keys.unwrapRoot(flip(unhex(secret)), unhex(blob)));
    await refused("bad-seal", keys.unwrapRoot(unhex(secret), flip(unhex(blob))));
    for (const size of [0, 12, 20])
      await refused("bad-seal", keys.unwrapRoot(unhex(secret), unhex(blob).slice(0, size)));
  }
});

test("sealed states are the Python's and open with their counter only", async () => {
  const key = await keys.stateKey(unhex(V.keys.root));
  for (const [counter, plain, nonce, blob] of V.states) {
    assert.equal(hex(await keys.sealState(key, counter, utf8(plain), unhex(nonce))), blob);
    assert.equal(text(await keys.openState(key, counter, unhex(blob))), plain);
    await refused("bad-seal", keys.openState(key, counter ? counter - 1 : 1, unhex(blob)));
  }
  await refused("bad-seal", keys.openState(key, 0, new Uint8Array()));
  await assert.rejects(crypto.subtle.exportKey("raw", key));
});

test("codes are written as in Python and read as people type them", () => {
  const {good, typed, bad} = V.codes;
  for (const [raw, code] of good) {
    assert.equal(keys.writeSymbols(unhex(raw)), code);
    assert.equal(hex(keys.readSymbols(code, raw.length / 2)), raw);
  }
  assert.equal(hex(keys.readCode(typed[1])), typed[0]);
  for (const code of bad) assert.throws(() => keys.readCode(code), slug("bad-code"), code);
  assert.throws(() => keys.writeCode(new Uint8Array(19)), slug("bad-shape"));
});

test("any one symbol mistyped is noticed", () => {
  const code = keys.writeCode(unhex(V.keys.root));
  for (let i = 0; i < code.length; i++)
    for (const symbol of "0123456789ABCDEFGHJKMNPQRSTVWXYZ") {
      if (code[i] === "-" || code[i] === symbol) continue;
      const typed = code.slice(0, i) + symbol + code.slice(i + 1);
      assert.throws(() => keys.readCode(typed), slug("bad-code"));
    }
});

test("the six digits are the Python's", async () => {
  for (const [code, digits] of V.codes.six)
    assert.equal(await keys.sixDigits(unhex(code)), digits);
});

test("the key schedule is that of RFC 9180 on both sides", async () => {
  const v = V.hpke, [enc, pk, info] = [v.enc, v.pkRm, v.info].map(s => unhex(s));
  const [once, own] = await Promise.all([v.skEm, v.skRm].map(s => keys.openingKey(unhex(s))));
  assert.equal(hex(once.public), v.enc);
  for (const [key, other] of [[once, pk], [own, enc]]) {
    const made = await seals.schedule(key.private, other, concat(enc, pk), info);
    assert.deepEqual([hex(made.key), hex(made.nonce)], [v.key, v.base_nonce]);
    const [nonce, aad, plain, sealed] = v.encryptions[0].map(s => unhex(s));
    assert.deepEqual(nonce, made.nonce);
    const aes = await crypto.subtle.importKey("raw", made.key, "AES-GCM", false, ["decrypt"]);
    const how = {name: "AES-GCM", iv: made.nonce, additionalData: aad};
    assert.deepEqual(new Uint8Array(await crypto.subtle.decrypt(how, aes, sealed)), plain);
  }
});

test("texts sealed by Python open, and the same key of one use makes the same bytes", async () => {
  for (const {seed, once, info, plain, sealed} of V.sealed) {
    const [key, single] = await Promise.all([seed, once].map(s => keys.openingKey(unhex(s))));
    assert.equal(text(await seals.open([key], unhex(sealed), utf8(info))), plain);
    const again = await seals.seal(key.public, utf8(plain), utf8(info), single);
    assert.equal(hex(again), sealed);
  }
});

test("a sealed text opens with one of the keys, in its context, unchanged", async () => {
  const [key, other] = await Promise.all([1, 2].map(n =>
    keys.openingKey(new Uint8Array(32).fill(n))));
  const plain = utf8("plain"), info = utf8("info");
  const sealed = await seals.seal(key.public, plain, info);
  assert.equal(sealed.length, 32 + 16 + plain.length);
  assert.notDeepEqual(await seals.seal(key.public, plain, info), sealed);
  for (const some of [[key], [other, key], [key, other]])
    assert.deepEqual(await seals.open(some, sealed, info), plain);
  for (const [some, what, where] of [[[other], sealed, info], [[], sealed, info],
    [[key], sealed, utf8("inf")], [[key], flip(sealed), info], [[key], sealed.slice(1), info],
    [[key], sealed.slice(0, 40), info], [[key], new Uint8Array(), info]])
    await refused("bad-seal", seals.open(some, what, where));
  const top = sealed.slice();
  top[31] ^= 0x80; // X25519 ignores this bit, the context does not
  await refused("bad-seal", seals.open([key], top, info));
});

test("keys of low order or another size are refused", async () => {
  const key = await keys.openingKey(new Uint8Array(32).fill(1)), info = utf8("info");
  for (const raw of [...V.low_order, "", "78".repeat(31), "78".repeat(33)]) {
    await refused("bad-point", seals.seal(unhex(raw), utf8("plain"), info));
    await refused("bad-seal", seals.open([key], concat(unhex(raw), new Uint8Array(40)), info));
  }
});

test("padding comes off and shows no more than the doubling", () => {
  for (const [n, size] of [[0, 4096], [4092, 4096], [4093, 8192], [8189, 16384],
    [seals.LARGEST - 4, seals.LARGEST]]) {
    const plain = new Uint8Array(n).fill(7), padded = seals.pad(plain);
    assert.equal(padded.length, size);
    assert.ok(hex(seals.unpad(padded)) === hex(plain));
  }
  assert.throws(() => seals.pad(new Uint8Array(seals.LARGEST - 3)), slug("too-large"));
});

test("what pad does not make is refused", () => {
  const filled = (size, start, rest) => {
    const bytes = new Uint8Array(size).fill(rest);
    bytes.set(start.slice(0, size));
    return bytes;
  };
  for (const padded of [filled(0, [], 0), filled(3, [], 0), filled(4095, [], 0),
    filled(8192, [], 0), filled(4096, [0, 0, 0, 1, 97], 1), filled(4096, [255, 255, 255, 255], 0),
    filled(4096, [0, 0, 15, 253], 97), filled(2 * seals.LARGEST, [], 0)])
    assert.throws(() => seals.unpad(padded), slug("bad-seal"));
});

test("random bytes are of the size asked and never the same", () => {
  assert.equal(keys.random(20).length, 20);
  assert.notDeepEqual(keys.random(32), keys.random(32));
});
