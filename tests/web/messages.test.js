import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";

import {
  b64u, hex, readEnvelope, strictObject, textHash, unb64u, verify,
} from "../../consent/web/encoding.js";
import {
  batchInfo, checkGrantWindow, linkInfo, open, parse, termsOf, windowsOfGrant,
} from "../../consent/web/messages.js";

const read = name => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url)));
const JWS = read("jws"), V = read("web_messages");
const refused = slug => error => error.slug === slug;

/** The slug of what the work throws, "" when it throws nothing. */
function slugOf(work) {
  try {
    work();
    return "";
  } catch (error) {
    assert.equal(error.name, "VaultError", error.stack);
    return error.slug;
  }
}

function changed(body, path, ...value) {
  const made = structuredClone(body), last = path.at(-1);
  const holder = path.slice(0, -1).reduce((part, name) => part[name], made);
  if (value.length) holder[last] = value[0];
  else if (Array.isArray(holder)) holder.splice(last, 1);
  else delete holder[last];
  return made;
}

/** Points besides keys are compared as bytes and not decoded: what Python refuses may pass. */
const undecoded = (typ, path) =>
  typ === "cv1-release" && path[0] === "C" || typ === "cv1-close" && path[0] === "cells";

/** A text that is no JWS in ASCII is refused when it is read, in Python, and here before. */
const isJws = ([name]) => ["receipt", "directory"].includes(name);

for (const {typ, pk, text, hash} of JWS)
  test(`a ${typ} verifies and opens, and says what was signed`, async () => {
    const envelope = readEnvelope(text, typ), body = open(envelope, typ);
    await verify(envelope, unb64u(pk));
    assert.equal(await textHash(text), hash);
    const given = strictObject(envelope.payload);
    assert.deepEqual(Object.keys(body).sort(), Object.keys(given).sort());
    assert.deepEqual(open(readEnvelope(text, typ)), body);
    assert.throws(() => open(readEnvelope(text, typ), "cv1-other"), refused("bad-type"));
    await assert.rejects(verify(envelope, new Uint8Array(32)), refused("bad-jws"));
  });

for (const [i, {typ, body, rows}] of V.cases.entries())
  test(`${typ} (${i}) takes and refuses what the Python shape does`, () => {
    assert.equal(slugOf(() => parse(typ, body)), "");
    assert.equal(slugOf(() => parse(typ, {...body, more: 1})), "bad-shape");
    for (const wrong of [null, [], "x", 1, [body]])
      assert.equal(slugOf(() => parse(typ, wrong)), "bad-shape");
    for (const [path, away, more, slugs] of rows) {
      const at = path.join(".");
      assert.equal(slugOf(() => parse(typ, changed(body, path))), away, `${at} away`);
      if (typeof path.at(-1) === "string") {
        const beside = changed(body, [...path.slice(0, -1), "more"], 1);
        assert.equal(slugOf(() => parse(typ, beside)), more, `more beside ${at}`);
      }
      for (const [n, value] of V.values.entries()) {
        const found = slugOf(() => parse(typ, changed(body, path, value)));
        const wanted = slugs[n] ?? "bad-shape";
        if (found === "" && wanted === "bad-point" && undecoded(typ, path)) continue;
        if (found === "bad-shape" && isJws(path) && !/^[ -~]*$/.test(value)) continue;
        assert.equal(found, wanted, `${at} = ${JSON.stringify(value)}`);
      }
    }
  });

test("a message that says nothing of its own is no member of the table", () => {
  for (const name of ["__proto__", "constructor", "toString"])
    assert.throws(() => parse("cv1-unlink", JSON.parse(`{"iat":1,"link":"${"0".repeat(32)}",`
      + `"${name}":1}`)), refused("bad-shape"));
});

test("the terms of a request are those that Python makes", () => {
  const [text, ...cases] = V.terms;
  const request = open(readEnvelope(text, "cv1-request"), "cv1-request");
  for (const [optional, last, wanted] of cases)
    if (typeof wanted === "string")
      assert.throws(() => termsOf(request, optional, last), refused(wanted));
    else assert.equal(JSON.stringify(termsOf(request, optional, last)), JSON.stringify(wanted));
});

test("a grant's windows are cut from its first month, and no other is one", () => {
  const grant = {first: "2026-01", last: "2026-06", step: 3};
  assert.deepEqual(windowsOfGrant(grant),
    [["2026-01", "2026-02", "2026-03"], ["2026-04", "2026-05", "2026-06"]]);
  checkGrantWindow(grant, ["2026-04", "2026-05", "2026-06"]);
  for (const other of [["2026-01"], ["2026-02", "2026-03", "2026-04"], []])
    assert.throws(() => checkGrantWindow(grant, other), refused("bad-shape"));
});

test("values are read into bytes, numbers and cells", () => {
  const of = typ => {
    const {text} = JWS.find(vector => vector.typ === typ);
    return [open(readEnvelope(text, typ), typ), strictObject(readEnvelope(text, typ).payload)];
  };
  const [release, said] = of("cv1-release"), [close, cells] = of("cv1-close");
  assert.equal(b64u(release.C), said.C);
  assert.equal(typeof release.c, "bigint");
  assert.equal(b64u(close.cells[6].commitment), cells.cells[6][1]);
  assert.equal(typeof close.cells[0].masked, "bigint");
});

test("the contexts of sealed texts are those of the protocol", () => {
  assert.equal(hex(linkInfo("bike.example")), "6376312f6c696e6b62696b652e6578616d706c65");
  assert.equal(hex(batchInfo("01".repeat(16), 258)),
    `6376312f6261746368${"01".repeat(16)}00000102`);
});
