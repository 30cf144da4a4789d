/** Strict JSON, base64 and the strict JWS against the Python's. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";

import * as e from "../../consent/web/encoding.js";
import {fromProblem, isError, VaultError} from "../../consent/web/errors.js";
import {signingKey} from "../../consent/web/keys.js";

const read = name => JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url)));
const V = read("web_crypto.json"), JWS = read("jws.json");
const slug = wanted => error => error instanceof VaultError && error.slug === wanted;

test("every text of the vectors reads and verifies, and its hash is its name", async () => {
  assert.ok(JWS.length >= 23);
  for (const {typ, kid, pk, hash, text} of JWS) {
    const envelope = e.readEnvelope(text, typ);
    await e.verify(envelope, e.unb64u(pk, 32));
    assert.deepEqual([envelope.kid, envelope.typ, envelope.text], [kid, typ, text]);
    assert.deepEqual(envelope.body, JSON.parse(envelope.payload));
    assert.equal(await e.thumbprint(e.unb64u(pk)), kid);
    assert.equal(await e.textHash(text), hash);
  }
});

test("a body written again is the same bytes, but for members that are numbers", () => {
  for (const {typ, text} of JWS) {
    const {payload, body} = e.readEnvelope(text, typ);
    // An engine lists members such as "4" first: a request's reasons are read, never re-written.
    if (typ !== "cv1-request") assert.equal(e.compactJson(body), payload);
  }
});

test("signing makes the Python's bytes", async () => {
  for (const [seed, typ, payload, text] of V.jws.made) {
    const key = await signingKey(e.unhex(seed));
    assert.equal(await e.signJws(typ, JSON.parse(payload), key), text);
    await e.verify(e.readEnvelope(text, typ), key.public);
  }
});

test("any other header is refused, though the signature is good", () => {
  assert.ok(V.jws.headers.length > 15);
  for (const text of V.jws.headers)
    assert.throws(() => e.readEnvelope(text, "cv1-unlink"), slug("bad-jws"));
});

test("a payload that is no strict JSON object is refused", () => {
  for (const text of V.jws.payloads)
    assert.throws(() => e.readEnvelope(text, "cv1-unlink"), slug("bad-shape"));
});

test("other types, segments, symbols and signatures are refused", async () => {
  const [seed, typ, , text] = V.jws.made[0], key = await signingKey(e.unhex(seed));
  assert.throws(() => e.readEnvelope(text, "cv1-close", "cv1-batch"), slug("bad-type"));
  assert.equal(e.readEnvelope(text, "cv1-close", typ).typ, typ);
  for (const other of ["", ".", "..", "a.b", text + ".", text + ".AAAA", "." + text, text + "=",
    text + "é", text + "\n", " " + text, text.slice(0, -1), text.slice(0, -2), text + "A"])
    assert.throws(() => e.readEnvelope(other, typ), slug("bad-jws"), other);
  for (let i = 0; i < text.length; i += 7) {
    const changed = text.slice(0, i) + (text[i] === "A" ? "B" : "A") + text.slice(i + 1);
    await assert.rejects(async () => e.verify(e.readEnvelope(changed, typ), key.public),
      error => isError(error, "bad-jws", "bad-type", "bad-shape"));
  }
  const other = await signingKey(new Uint8Array(32));
  await assert.rejects(e.verify(e.readEnvelope(text, typ), other.public), slug("bad-jws"));
});

test("a key that a message introduces is the one that signed it", async () => {
  const {good, other, small, shapes} = V.jws.introduced;
  const opened = text => e.verifyIntroduced(e.readEnvelope(text, "cv1-account"));
  assert.equal(e.b64u(await opened(good)), e.readEnvelope(good, "cv1-account").body.pk);
  await assert.rejects(opened(other), slug("bad-jws"));
  for (const text of shapes) await assert.rejects(opened(text), slug("bad-shape"));
  await assert.rejects(opened(small), slug("bad-point"));
});

test("strict JSON is read and written as in Python", () => {
  for (const [text, compact] of V.json_good)
    assert.equal(e.compactJson(e.strictJson(text)), compact);
  assert.ok(Object.hasOwn(e.strictObject('{"__proto__":1}'), "__proto__"));
});

test("JSON with more than one reading is refused", () => {
  const deep = ["[".repeat(1e5), "[".repeat(1e5) + "]".repeat(1e5), '{"a":'.repeat(1e5)];
  for (const text of [...V.json_bad, ...deep, '"\ud800"'])
    assert.throws(() => e.strictJson(text), slug("bad-shape"), text.slice(0, 40));
  for (const text of ["[]", "1", "null", '"{}"'])
    assert.throws(() => e.strictObject(text), slug("bad-shape"));
});

test("a mebibyte of one string is read", () => {
  const long = "x\\n".repeat(1 << 18);
  assert.equal(e.strictObject(`{"a":"${long}"}`).a.length, 1 << 19);
});

test("text is UTF-8 and nothing else", () => {
  assert.equal(e.text(e.utf8("上海 🚀")), "上海 🚀");
  assert.equal(e.text(Uint8Array.of(0xef, 0xbb, 0xbf, 49)), "\ufeff1");
  for (const raw of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80]])
    assert.throws(() => e.text(Uint8Array.from(raw)), slug("bad-shape"));
});

test("base64 and hex have one form", () => {
  for (let n = 0; n < 70; n++) {
    const raw = Uint8Array.from({length: n}, (_, i) => 255 - i * n);
    assert.deepEqual(e.unb64u(e.b64u(raw), n), raw);
    assert.deepEqual(e.unb64(e.b64(raw)), raw);
    assert.deepEqual(e.unhex(e.hex(raw), n), raw);
    assert.equal(e.b64(raw), Buffer.from(raw).toString("base64"));
    assert.throws(() => e.unb64u(e.b64u(raw), n + 1), slug("bad-shape"));
    assert.throws(() => e.unhex(e.hex(raw), n + 1), slug("bad-shape"));
  }
  for (const text of ["AA==", "AA=", "A", "AAAAA", "AB", "AAB", "A+", "A/", "AA\n", " AA", "AA.",
    "ＡＡ", "é"])
    assert.throws(() => e.unb64u(text), slug("bad-shape"), text);
  for (const text of ["AA", "AA=", "A===", "AB==", "AAB=", "A-==", "AA==\n", " AAA", "====", "="])
    assert.throws(() => e.unb64(text), slug("bad-shape"), text);
  for (const text of ["0", "0G", "AA", "0x", "00\n", " 00"])
    assert.throws(() => e.unhex(text), slug("bad-shape"), text);
});

test("a large text in base64 does not overflow", () => {
  const raw = new Uint8Array(1 << 20).fill(200);
  assert.equal(e.unb64(e.b64(raw)).length, raw.length);
});

test("bytes are joined, counted and compared", async () => {
  assert.equal(e.hex(e.concat(e.u32be(2 ** 32 - 1), e.u64be(2 ** 53 - 1), e.utf8("a"))),
    "ffffffff001fffffffffffff61");
  assert.ok(e.equal(e.utf8("ab"), e.utf8("ab")));
  for (const other of ["", "a", "ac", "abc"])
    assert.ok(!e.equal(e.utf8("ab"), e.utf8(other)));
  for (const [text, hash] of V.hashes) assert.equal(await e.textHash(text), hash);
});

test("a problem becomes its error, an unknown one means unreachable", () => {
  assert.equal(fromProblem("gap", "d").slug, "gap");
  assert.equal(fromProblem("absent", "d", "e.y.J").statement, "e.y.J");
  assert.equal(fromProblem("gap", "d", "e.y.J").statement, undefined);
  for (const [one, answered] of Object.entries(V.slugs))
    assert.equal(fromProblem(one, "d").slug, answered ? one : "unreachable");
  for (const unknown of ["", "bad-total", "forked", "toString"])
    assert.equal(fromProblem(unknown, "d").slug, "unreachable");
  assert.ok(isError(new VaultError("forked"), "bad-proof"));
  assert.ok(isError(new VaultError("gap"), "bad-proof", "out-of-rules"));
  assert.ok(!isError(new VaultError("gap"), "bad-proof"));
  assert.ok(!isError(new TypeError("gap"), "gap"));
});
