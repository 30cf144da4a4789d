import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";

import {acceptDirectory, checkLink, readDirectory} from "../../consent/web/directory.js";
import {thumbprint, unb64u} from "../../consent/web/encoding.js";
import {VaultError} from "../../consent/web/errors.js";
import {checkHistories, openListed} from "../../consent/web/history.js";
import {checkFresh, checkLogged, knows, logsOf, vkeysOf} from "../../consent/web/logged.js";
import {Current, fetchDirectory} from "../../consent/web/policy.js";

const FILE = new URL("../vectors/web_log.json", import.meta.url);
const {texts: TEXTS, ...SHORT} = JSON.parse(readFileSync(FILE, "utf8"));
const V = whole(SHORT), auditor = unb64u(V.auditor);
const fails = slug => error => error.slug === slug;

/** The vectors with each long text in its place. */
function whole(found) {
  if (typeof found !== "object" || found === null) return found;
  if (Array.isArray(found)) return found.map(whole);
  if (Number.isInteger(found.text)) return TEXTS[found.text];
  return Object.fromEntries(Object.entries(found).map(([name, part]) => [name, whole(part)]));
}

/** The slug of what the work throws, "" when it throws nothing. */
async function slugOf(work) {
  try {
    await work();
    return "";
  } catch (error) {
    assert.ok(error instanceof VaultError, error.stack);
    return error.slug;
  }
}

const known = new Map();
const read = (text, signer) => {
  if (!known.has(text)) known.set(text, readDirectory(text, unb64u(signer)));
  return known.get(text);
};
const held = ({held: text, signer}) => text && read(text, signer);
const listed = ({directory, signer}) => read(directory, signer);
const shelf = (body, tiles = {}) => ({
  get: async () => ({body, etag: ""}),
  raw: async path => {
    if (!Object.hasOwn(tiles, path)) throw new VaultError("not-found", "no such tile");
    return unb64u(tiles[path]);
  },
});

for (const {why, text, slug} of V.read)
  test(`a directory is read as Python reads it: ${why}`, async () => {
    assert.equal(await slugOf(() => readDirectory(text, auditor)), slug);
  });

for (const one of V.accept)
  test(`a directory is accepted or not as in Python: ${one.why}`, async () => {
    const {text, now, demo, slug} = one, before = await held(one);
    assert.equal(await slugOf(() => acceptDirectory(text, auditor, before, now, demo)), slug);
  });

for (const one of V.logged)
  test(`a proof shows as much as in Python: ${one.why}`, async () => {
    const {text, proof, wall, fresh, witnessed, slug} = one, directory = await listed(one);
    let place = null;
    assert.equal(await slugOf(async () => {
      place = await checkLogged(directory, text, proof, {witnessed});
      if (witnessed) checkFresh(directory, place, wall, fresh);
    }), slug);
    const {index, at, size, root, origin} = place ?? {};
    assert.deepEqual(place && [index, at, size, root, origin], one.place);
  });

for (const one of V.fetch)
  test(`what a vault serves is taken or not as in Python: ${one.why}`, async () => {
    const {body, now, wall, fresh, log, expired, slug, version} = one;
    const policy = {auditor: unb64u(one.auditor), log, demo: false, fresh};
    let found = null;
    assert.equal(await slugOf(async () => {
      found = await fetchDirectory(shelf(body), policy, await held(one), now, () => wall, expired);
    }), slug);
    assert.equal(found && found.listing.version, version);
  });

for (const one of V.logs)
  test(`logs stand under the first as in Python: ${one.why}`, async () => {
    const directory = await listed(one), {proof} = V.logged[0];
    assert.equal(await slugOf(() => logsOf(directory)), one.slug);
    assert.equal(await slugOf(() => knows(directory, proof)),
      one.slug === "bad-shape" ? "" : one.slug);
  });

for (const {why, text, at, slug} of V.links)
  test(`a link is checked as in Python: ${why}`, async () => {
    const directory = await readDirectory(V.read[0].text, auditor);
    assert.equal(await slugOf(() => checkLink(text, directory, at)), slug);
  });

for (const one of V.histories)
  test(`trees are one history or not as in Python: ${one.why}`, async () => {
    const {notes, tiles, slug} = one, directory = await listed(one), asked = [];
    const wire = shelf({}, tiles);
    let newest = null;
    assert.equal(await slugOf(async () => {
      const heads = await Promise.all(notes.map(note => openListed(note, directory)));
      newest = await checkHistories(heads, directory, {...wire, raw: async path => {
        asked.push(path);
        return wire.raw(path);
      }});
    }), slug);
    assert.deepEqual(newest && [newest.head.size, newest.head.root, newest.size], one.newest);
    if (!slug) assert.equal(new Set(asked).size, asked.length, "each tile is fetched once");
  });

test("a tile of another width shows nothing", async () => {
  const one = V.histories.find(({why}) => why === "every size"), directory = await listed(one);
  const tiles = Object.fromEntries(Object.entries(one.tiles).map(([path, raw]) =>
    [path, raw.slice(0, 84)]));
  const heads = await Promise.all(one.notes.map(note => openListed(note, directory)));
  await assert.rejects(checkHistories(heads, directory, shelf({}, tiles)), fails("bad-proof"));
});

test("a tree of a log that the directory does not list is no part of its history", async () => {
  const both = V.histories.find(({why}) => why === "both logs"), directory = await listed(both);
  const heads = await Promise.all(both.notes.map(note => openListed(note, directory)));
  await checkHistories(heads, directory, shelf({}, both.tiles));
  await assert.rejects(checkHistories(heads, first, shelf({}, both.tiles)), fails("bad-proof"));
});

const first = await readDirectory(V.read[0].text, auditor);
const turned = await listed(V.logged.find(({why}) => why === "entry 0 later"));
const begins = first.party("vault.example").sig[0].from;

test("a directory says who is who", async () => {
  const vault = first.party("vault.example"), kid = await thumbprint(vault.sig[0].pk);
  const bike = await thumbprint(first.party("bike.example").sig[0].pk);
  assert.equal(first.orgOf("city.example"), "city.example");
  assert.equal(first.find("x.example"), undefined);
  assert.throws(() => first.party("x.example"), fails("not-found"));
  assert.throws(() => first.keysOf("x.example"), fails("not-found"));
  assert.deepEqual([...first.keysOf("vault.example")], [[kid, vault.sig[0].pk]]);
  assert.deepEqual(first.signer(bike, "source", begins), [first.party("bike.example"),
    first.party("bike.example").sig[0].pk]);
  for (const [name, role, at] of [[bike, "platform", begins], ["x", "source", begins],
    [bike, "source", begins - 1], [bike, "source", vault.sig[0].until]])
    assert.throws(() => first.signer(name, role, at), fails("unknown-key"));
  assert.deepEqual(first.vaultKey(kid, begins), vault.sig[0].pk);
  assert.deepEqual(first.vaultKeyEver(kid), vault.sig[0].pk);
  assert.throws(() => first.vaultKey(kid, begins - 1), fails("unknown-key"));
  for (const name of [bike, "x"])
    assert.throws(() => first.vaultKeyEver(name), fails("unknown-key"));
  const [{pk}] = first.party("bike.example").hpke;
  assert.deepEqual(first.sealingKey("bike.example", begins), pk);
  assert.throws(() => first.sealingKey("bike.example", begins - 1), fails("unknown-key"));
  assert.equal(first.monthAt(begins + 31 * 86400), "2026-01");
  assert.equal(first.selfAudited, false);
});

test("a methodology release is found by its name", () => {
  assert.equal(first.release("2026-2").from, "2026-04");
  assert.throws(() => first.release("x"), fails("not-found"));
});

test("logs of a directory have their places and paths", () => {
  const [old, now] = logsOf(turned);
  assert.deepEqual([old.base, old.end, old.path, old.last?.size], [0, 8, "/log", 8]);
  assert.deepEqual([now.base, now.end, now.path, now.last], [8, null, "/log/2027", null]);
  assert.deepEqual(vkeysOf(turned), [old.entry.vkey, now.entry.vkey]);
  assert.deepEqual(vkeysOf(null), []);
});

test("a directory knows the logs that it lists", () => {
  const of = why => V.logged.find(one => one.why === why).proof;
  assert.ok(knows(turned, of("entry 8")) && knows(turned, of("entry 0")));
  assert.ok(!knows(first, of("entry 8")) && !knows(first, "x"));
});

test("the current directory is fetched anew when it has expired, or a proof needs it", async () => {
  const of = why => V.fetch.find(one => one.why === why), {log, fresh, wall} = of("the next");
  const policy = {auditor, log, demo: false, fresh};
  const [one, later] = [of("the first directory"), of("after the turn")];
  let served = one.body, gets = 0, now = one.now;
  const wire = {get: async () => (gets++, {body: served, etag: ""})};
  const current = await Current.open(wire, policy, () => now, null, () => wall);
  assert.deepEqual([(await current.directory()).listing.version, gets], [1, 1]);
  served = of("the next").body;
  assert.deepEqual([(await current.held()).listing.version, gets], [1, 1]);
  await current.refresh();
  assert.deepEqual([(await current.directory()).listing.version, gets], [2, 2]);
  served = later.body;
  const {proof} = V.logged.find(({why}) => why === "entry 9");
  assert.equal((await current.knowing(one.body.proof)).listing.version, 2);
  assert.equal((await current.knowing(proof)).listing.version, 6);
  now = first.listing.expires;
  await assert.rejects(current.directory(), fails("bad-directory"));
  assert.equal((await current.held()).listing.version, 6);
  const again = await Current.open(wire, policy, () => now, await current.held(), () => wall);
  assert.equal((await again.held()).listing.version, 6);
  await assert.rejects(Current.open(wire, policy, () => now, null, () => wall),
    fails("bad-directory"));
});

test("a directory that comes late puts none before it back", async () => {
  const of = why => V.fetch.find(one => one.why === why), {log, fresh, wall, now} = of("the next");
  const policy = {auditor, log, demo: false, fresh};
  const wire = {get: async () => ({body: of("the first directory").body, etag: ""})};
  const current = await Current.open(wire, policy, () => now, null, () => wall);
  let late;
  wire.get = () => new Promise(answer => (late = answer));
  const first = current.refresh();
  wire.get = async () => ({body: of("the next").body, etag: ""});
  await current.refresh();
  late({body: of("the first directory").body, etag: ""});
  await first;
  assert.equal((await current.directory()).listing.version, 2);
});
