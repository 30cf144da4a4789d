// The holder's SDK against the Python: states, marks, notices, cells, proofs, terms.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { writeScalar } from "../../consent/web/commit.js";
import { readName } from "../../consent/web/decisions.js";
import { Device } from "../../consent/web/device.js";
import { readDirectory } from "../../consent/web/directory.js";
import { b64u, hex, textHash, text, unhex } from "../../consent/web/encoding.js";
import { fetchEndings } from "../../consent/web/endings.js";
import { VaultError } from "../../consent/web/errors.js";
import { random, signingKey, streamKey } from "../../consent/web/keys.js";
import { open, parse } from "../../consent/web/messages.js";
import { renderNotice, sentencesOf } from "../../consent/web/notices.js";
import { mergeMemory } from "../../consent/web/side.js";
import * as states from "../../consent/web/state.js";
import {
  checkGrant, checkTerms, fetchTemplates, latestUntil,
} from "../../consent/web/templates.js";
import * as tokens from "../../consent/web/tokens.js";
import { Wire, objectsOf, prove, textOf } from "../../consent/web/wire.js";

const V = JSON.parse(readFileSync(new URL("../vectors/web_sdk.json", import.meta.url)));
const stateOf = (name) => states.parseState(V.states[name]);
const written = (state) => text(states.writeState(state));
const slug = (wanted) => (error) => error.name === "VaultError" && error.slug === wanted;
const among = (cells) => (link, month) => cells.some(([l, m]) => l === link && m === month);
/** The slug that an act is refused with, null when it is taken. */
const refusalOf = (act) => {
  try {
    act();
    return null;
  } catch (error) {
    return error.slug;
  }
};
const { text: listed, auditor } = V.directory;
const directory = await readDirectory(listed, unhex(auditor));
/** A wire whose server gives these answers, and the requests it was asked. */
const serving = (...answers) => {
  const asked = [];
  const fetch = async (url, init) => {
    asked.push({ url, ...init });
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  return { asked, fetch };
};
const answer = (body, init = {}) => new Response(JSON.stringify(body), init);

test("the proof of a caller's key is the Python's byte for byte", async () => {
  const key = await signingKey(new Uint8Array(32).fill(5));
  const jti = Uint8Array.from({ length: 16 }, (_, i) => i);
  for (const { method, url, body, wall, proof } of V.proofs)
    assert.equal(await prove(key, method, url, unhex(body), wall, jti), proof);
});

test("every act has the Python's mark, as it is written and as it was read", async () => {
  for (const { typ, body, mark } of V.marks) {
    assert.equal(await states.mark(typ, body), mark, typ);
    assert.equal(await states.mark(typ, open({ typ, body }, typ)), mark, typ);
    const later = { ...body, iat: body.iat + 1 };
    assert.equal(await states.mark(typ, later), mark);
    assert.notEqual(await states.mark("cv1-erase", body), mark);
  }
  for (const [link, month, mark] of V.rejects)
    assert.equal(await states.markReject(link, month), mark);
  assert.equal(new Set(V.marks.map(({ typ }) => typ)).size, 9);
});

test("a state is read and written byte for byte", () => {
  for (const [name, raw] of Object.entries(V.states)) {
    assert.equal(written(stateOf(name)), raw);
    assert.equal(states.recordedSince(stateOf(name)), V.since[name]);
  }
  assert.equal(written(states.EMPTY), V.states.empty);
});

test("a state in another form is refused", () => {
  for (const raw of V.bad_states)
    assert.throws(() => states.parseState(raw), slug("bad-shape"), raw);
});

test("two devices' states merge as in Python, whoever is first", () => {
  for (const [mine, stored, merged] of V.merges)
    assert.equal(written(states.merge(stateOf(mine), stateOf(stored))), merged);
});

test("the guard takes and refuses windows as in Python", () => {
  for (const { state, entry, absent, after, slug: wanted } of V.changes) {
    const before = states.parseState(state);
    const change = () => states.withMinted(before, entry, among(absent));
    assert.equal(refusalOf(change), wanted);
    if (after) assert.equal(written(change()), after);
    assert.equal(written(before), state);
  }
});

test("a state remembers what it is told, and what ended stays ended", () => {
  const [link, grant] = ["01".repeat(16), "ab".repeat(16)];
  const made = states.withMade(states.EMPTY, 9, grant);
  assert.deepEqual([made.made, made.since], [{ [grant]: -1 }, 0]);
  assert.equal(states.withProved(made, link, 4), made);
  assert.equal(states.withProved(made, grant, 4).made[grant], 4);
  assert.equal(states.withMade(states.withProved(made, grant, 4), 9, grant).made[grant], 4);
  const old = { ...states.withOrg(states.EMPTY, "b.example", "a.example") };
  assert.deepEqual(old.orgs, ["a.example", "b.example"]);
  assert.equal(states.withMade(old, 9, grant).since, 9);
  const known = { source: "bike.example", from: "2026-01" };
  assert.deepEqual(states.withLink(made, link, known).links, { [link]: known });
  const stopped = states.withStatus(made, grant, "revoked");
  assert.equal(states.withStatus(stopped, grant, "live").statuses[grant], "revoked");
  const paused = states.withStatus(made, grant, "paused");
  assert.equal(states.withStatus(paused, grant, "live").statuses[grant], "live");
  assert.equal(states.mintedFor(stateOf("less"), grant, ["2026-01", "2026-02"]).cells.length, 1);
});

test("the cells of a window are the Python's", () => {
  for (const { links, window, cells, slug: wanted } of V.cells) {
    const facts = links.map((fact) => ({ ...fact, absent: new Set(fact.absent) }));
    const found = () => tokens.cellsOf(facts, "bank.demo", window);
    assert.equal(refusalOf(found), wanted);
    if (cells) assert.deepEqual(found(), cells);
  }
  for (const { cells, absent, left } of V.less)
    assert.deepEqual(tokens.lessAbsent(cells, among(absent)), left);
});

test("a token covers at most 4,096 cells", () => {
  const months = Array.from({ length: 12 }, (_, i) => `2026-${i}`);
  for (const [links, scope, wanted] of V.counts) {
    const cells = Array.from({ length: links }, (_, i) => [`${i}`, months]);
    assert.equal(refusalOf(() => tokens.checkCount(cells, Array(scope).fill(1))), wanted);
  }
});

test("the masks of a token add up to the Python's numbers", async () => {
  const root = unhex(V.root);
  for (const { cells, scope, tau, rho, info } of V.sums) {
    const masks = await tokens.sumMasks((link) => streamKey(root, link), cells, scope);
    assert.deepEqual([hex(writeScalar(masks.tau)), hex(writeScalar(masks.rho))], [tau, rho]);
    const granted = { grant: "ab".repeat(16), window: ["2026-01", "2026-02"] };
    assert.equal(hex(tokens.tokenInfo(granted)), info);
  }
});

test("every notice is the Python's byte for byte", async () => {
  for (const { terms, locale, names, text: said, sha256 } of V.notices) {
    assert.equal(renderNotice(terms, directory, locale, V.templates), said);
    assert.deepEqual(Object.keys(sentencesOf(terms, directory, locale, V.templates)), names);
    assert.equal(await textHash(said), sha256);
  }
  const [{ terms }] = V.notices;
  for (const other of [{ mode: "cohort" }, { exclusive: true }])
    assert.throws(() => renderNotice({ ...terms, ...other }, directory, "en", V.templates),
      slug("not-offered"));
});

test("terms stay within their template, as in Python", () => {
  for (const { terms, at, slug: wanted, grant } of V.terms) {
    assert.equal(refusalOf(() => checkTerms(terms, directory, at, V.templates)), wanted);
    const given = { ...terms, org: terms.platform };
    assert.equal(refusalOf(() => checkGrant(given, directory, at, V.templates)), grant);
  }
  for (const [month, zone, until] of V.latest) assert.equal(latestUntil(month, zone), until);
});

test("templates other than those that the app was published with are refused", async () => {
  const raw = new TextEncoder().encode(JSON.stringify(V.templates));
  const own = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", raw)));
  const served = (templates) => new Wire("https://vault.example", null,
    { fetch: async () => new Response(raw), templates });
  assert.deepEqual(await fetchTemplates(served(own)), V.templates);
  assert.deepEqual(await fetchTemplates(served("")), V.templates);
  await assert.rejects(fetchTemplates(served(hex(new Uint8Array(32)))), slug("bad-shape"));
});

test("templates are fetched once, and one with a forbidden purpose is refused", async () => {
  const { asked, fetch } = serving(new TypeError("offline"), answer(V.templates));
  const wire = new Wire("https://vault.example", null, { fetch });
  await assert.rejects(fetchTemplates(wire), slug("unreachable"));
  assert.deepEqual(await fetchTemplates(wire), V.templates);
  assert.equal(await fetchTemplates(wire), await fetchTemplates(wire));
  assert.equal(asked.length, 2);
  const bad = structuredClone(V.templates);
  bad["CARD-POINTS"].purposes.push("DirectMarketing");
  const other = new Wire("https://vault.example", null, serving(answer(bad)));
  await assert.rejects(fetchTemplates(other), slug("bad-shape"));
});

test("a request's code, address and handle name the same request", () => {
  for (const [name, handle] of V.names)
    if (handle) assert.equal(readName(name), handle);
    else assert.throws(() => readName(name), slug("bad-code"));
});

test("a request carries no cookie, follows no redirect, tells no referrer", async () => {
  const { asked, fetch } = serving(answer({ a: "b" }, { headers: { ETag: '"7"' } }));
  const key = await signingKey(new Uint8Array(32).fill(5));
  const wire = new Wire("https://vault.example/", key, { fetch, wall: () => 1000 });
  const { body, etag } = await wire.get("/v1/x?first=1");
  assert.deepEqual([body, etag], [{ a: "b" }, '"7"']);
  const [{ url, method, headers, credentials, redirect, referrerPolicy, cache }] = asked;
  assert.deepEqual([url, method, credentials, redirect, referrerPolicy, cache],
    ["https://vault.example/v1/x?first=1", "GET", "omit", "error", "no-referrer", undefined]);
  const claims = JSON.parse(atob(headers.DPoP.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  const { htu, htm, iat } = claims;
  assert.deepEqual([htu, htm, iat], ["https://vault.example/v1/x", "GET", 1000]);
});

test("a stale proof is made anew once, by the vault's Date", async () => {
  const stale = () => answer({ type: "stale-proof", detail: "old" },
    { status: 401, headers: { Date: "Thu, 26 Nov 2026 12:00:00 GMT" } });
  const key = await signingKey(new Uint8Array(32).fill(5));
  const { asked, fetch } = serving(stale(), answer({}), stale(), stale());
  const wire = new Wire("https://vault.example", key, { fetch, wall: () => 1000 });
  await wire.post("/v1/x", "eyJ");
  const iats = asked.map(({ headers }) => JSON.parse(
    Buffer.from(headers.DPoP.split(".")[1], "base64url").toString()).iat);
  assert.deepEqual(iats, [1000, Date.UTC(2026, 10, 26, 12) / 1000]);
  await assert.rejects(wire.post("/v1/x", "eyJ"), slug("stale-proof"));
});

test("another refusal of the caller is not asked again", async () => {
  const unknown = answer({ type: "unknown-key", detail: "no" }, { status: 401 });
  const { asked, fetch } = serving(unknown);
  const wire = new Wire("https://vault.example", null, { fetch });
  await assert.rejects(wire.get("/v1/x"), slug("unknown-key"));
  assert.equal(asked.length, 1);
});

test("what is no answer of a vault, too long or an unknown problem is unreachable", async () => {
  const big = new Response(new ReadableStream({
    pull: (to) => to.enqueue(new Uint8Array(1 << 20)),
  }));
  for (const bad of [new TypeError("lost"), new Response("<html>"), answer([]),
    new Response('{"a":1,"a":2}'), answer({ type: "teapot" }, { status: 418 })])
    await assert.rejects(new Wire("https://v.example", null, serving(bad)).get("/"),
      slug("unreachable"));
  await assert.rejects(new Wire("https://v.example", null, serving(big)).raw("/"),
    slug("unreachable"));
  const gone = answer({ type: "not-found", detail: "no" }, { status: 404 });
  await assert.rejects(new Wire("https://v.example", null, serving(gone)).get("/"),
    slug("not-found"));
});

test("an absent month's problem keeps the vault's statement", async () => {
  const told = answer({ type: "absent", detail: "no", statement: "eyJ" }, { status: 422 });
  await assert.rejects(new Wire("https://v.example", null, serving(told)).get("/"),
    (error) => error.slug === "absent" && error.statement === "eyJ");
});

test("members of an answer are of their kind, or refused", () => {
  assert.equal(textOf({ a: "b" }, "a"), "b");
  for (const body of [{}, { a: 1 }, { a: ["b"] }])
    assert.throws(() => textOf(body, "a"), slug("bad-shape"));
  assert.throws(() => textOf({}, "toString"), slug("bad-shape"));
  assert.deepEqual(objectsOf({ a: [{}] }, "a"), [{}]);
  for (const body of [{}, { a: {} }, { a: [1] }, { a: [null] }, { a: [[]] }])
    assert.throws(() => objectsOf(body, "a"), slug("bad-shape"));
});

test("a signed token is read back as what was posted", async () => {
  const key = await signingKey(new Uint8Array(32).fill(5));
  const cells = [["01".repeat(16), ["2026-01"]]];
  const granted = { grant: "ab".repeat(16), window: ["2026-01"] };
  const { text: token, post } = await tokens.signToken(key, 9, granted, cells, new Uint8Array(112));
  const posted = JSON.parse(post);
  assert.equal(posted.token, token);
  const body = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  assert.deepEqual(parse("cv1-token", body).cells, cells);
  assert.equal(Buffer.from(posted.sealed, "base64url").length, 112);
});

test("what ends a link's months is verified before it is believed, as in Python", async () => {
  const { cases, closes, directory: told, auditor: key, account, link, source, now } = V.endings;
  const known = await readDirectory(told, unhex(key));
  for (const { name, absents, slug: wanted, absent, ends } of cases) {
    const wire = { get: async () => ({ body: { closes, absents }, etag: "" }) };
    const whose = { account: unhex(account), link, source, now };
    const found = fetchEndings(wire, async () => known, whose);
    if (wanted) await assert.rejects(found, slug(wanted), name);
    else assert.deepEqual(await found, { absent: new Set(absent), ends }, name);
  }
});

/** A vault that keeps one state, as the wire of a device sees it. */
class Kept {
  counter = 0;
  puts = 0;
  /** What happens just before a state is stored. */
  before = () => {};

  async get() {
    return { body: { state: b64u(this.blob ?? new Uint8Array()) }, etag: `W/"${this.counter}"` };
  }

  async send(method, path, blob, { "If-Match": named }) {
    await this.before(++this.puts);
    if (named !== `"${this.counter}"`) throw new VaultError("state-changed");
    Object.assign(this, { blob, counter: this.counter + 1 });
    return { body: {}, etag: `"${this.counter}"` };
  }
}
const ROOT = new Uint8Array(20).fill(3);
const deviceAt = (vault, seen = 0) => new Device(ROOT, vault, random, seen);

test("a change of one device reaches another, and two at once are both kept", async () => {
  const vault = new Kept(), one = deviceAt(vault), two = deviceAt(vault);
  await one.save((state) => states.withOrg(state, "a.example"));
  await two.save((state) => states.withOrg(state, "b.example"));
  assert.deepEqual(two.state.orgs, ["a.example", "b.example"]);
  await Promise.all(["c.example", "d.example", "e.example"]
    .map((org) => one.save((state) => states.withOrg(state, org))));
  await two.load();
  assert.deepEqual(two.state.orgs, "abcde".split("").map((name) => `${name}.example`));
  assert.equal(two.seen, 5);
});

test("a change is made again over what another device stored meanwhile", async () => {
  const vault = new Kept(), one = deviceAt(vault), two = deviceAt(vault);
  const entry = stateOf("first").minted[0];
  vault.before = async () => {
    vault.before = () => {};
    await two.save((state) => states.withMinted(state, entry));
  };
  const other = { ...entry, window: ["2026-02"], cells: [[entry.cells[0][0], ["2026-02"]]] };
  await assert.rejects(one.save((state) => states.withMinted(state, other)), slug("atom-used"));
  assert.deepEqual(one.state.minted, [entry]);
  assert.equal(vault.counter, 1);
});

test("a device gives up when others are faster again and again", async () => {
  const vault = new Kept(), one = deviceAt(vault), two = deviceAt(vault);
  let within = false;
  vault.before = async () => {
    if (within) return;
    within = true;
    await two.save((state) => states.withOrg(state, `n${vault.puts}.example`));
    within = false;
  };
  await assert.rejects(one.save((state) => state), slug("state-changed"));
  assert.equal(vault.counter, 8);
});

test("an act that is proved while a change is stored stays proved", async () => {
  const vault = new Kept(), one = deviceAt(vault), name = "5c".repeat(16);
  await one.save((state) => states.withMade(state, 9, name));
  vault.before = () => one.prove(name, 4);
  await one.save((state) => states.withOrg(state, "a.example"));
  assert.deepEqual([one.state.made[name], one.state.orgs], [4, ["a.example"]]);
});

test("a lower counter, another one or none is refused, also in a later run", async () => {
  const vault = new Kept();
  await deviceAt(vault).save((state) => states.withOrg(state, "a.example"));
  await assert.rejects(deviceAt(vault, 2).load(), slug("bad-shape"));
  await deviceAt(vault, 1).load();
  vault.counter = 2;
  await assert.rejects(deviceAt(vault).load(), slug("bad-seal"));
  for (const etag of ["", '"a"', '"-1"', '"1'.repeat(9)]) {
    vault.get = async () => ({ body: {}, etag });
    await assert.rejects(deviceAt(vault).load(), slug("bad-shape"));
  }
});

test("windows that the vault lists tokens for count as used", () => {
  const one = deviceAt(new Kept()), [entry] = stateOf("first").minted;
  one.recall([entry]);
  assert.deepEqual(one.state.minted, [entry]);
  const other = { ...entry, window: ["2026-02"], cells: [[entry.cells[0][0], ["2026-02"]]] };
  one.recall([other]);
  assert.deepEqual(one.state.minted, [entry]);
});

test("two tabs keep what either of them saw, and the newer of what there is one of", () => {
  const look = (size, seen, origin = "log.example/1") =>
    ({ checkpoint: `${origin}\n${size}\nAAAA\n`, seen });
  const mine = { directory: null, signer: null, counter: 3, made: { aa: 5, bb: -1 },
    stops: { g1: 10 },
    look: look(7, { 1: "x", 2: "y" }) };
  const other = { directory: listed, signer: "key", counter: 2, made: { bb: 6, cc: -1 },
    look: look(9, { 2: "z", 3: "w" }) };
  assert.equal(mergeMemory(mine, null), mine);
  assert.deepEqual(mergeMemory(mine, other), {
    directory: listed, signer: "key", counter: 3, made: { aa: 5, bb: 6, cc: -1 },
    stops: { g1: 10 },
    look: look(9, { 1: "x", 2: "z", 3: "w" }) });
  assert.equal(mergeMemory({ ...mine, directory: listed }, other).signer, null);
  const turned = { ...other, look: look(99, {}, "log.example/0") };
  assert.deepEqual(mergeMemory(mine, turned).look, mine.look);
  const fresh = { ...mine, look: { checkpoint: "", seen: {} } };
  for (const both of [mergeMemory(mine, fresh), mergeMemory(fresh, mine)])
    assert.equal(both.look.checkpoint, mine.look.checkpoint);
});
