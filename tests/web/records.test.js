// Links opened and recomputed as the Python implementation does, good ones and bad ones.
import assert from "node:assert/strict";
import test from "node:test";
import { readDirectory } from "../../consent/web/directory.js";
import { unb64u, unhex } from "../../consent/web/encoding.js";
import { streamKey } from "../../consent/web/keys.js";
import { fetchRelease } from "../../consent/web/methodology.js";
import { checkUnreadable, countingRecords } from "../../consent/web/recompute.js";
import { addCloses, openEach, openLink, overlapping } from "../../consent/web/records.js";
import { Shelf, shelfOf as shelfOfLink, slugOf, vectors } from "./shelf.js";

const found = vectors("web_records.json"), root = unhex(found.root);
const directory = await readDirectory(found.directory, unb64u(found.auditor)), { listing } = directory;
const originOf = (link) => ({ directory, link, source: "bike.example" });

const shelfOf = (one) => shelfOfLink(one, (n) => found.texts[n]);

for (const one of found.links) {
  test(`${one.slug ?? "taken"}: ${one.name}`, async () => {
    const shelf = shelfOf(one), releaseOf = (id) => fetchRelease(shelf, { listing }, id);
    let own;
    const slug = await slugOf(async () => {
      own = await openLink(shelf, root, originOf(one.link), releaseOf);
    });
    assert.equal(slug, one.slug);
    if (!slug) {
      assert.deepEqual(own.closes.map(({ text, ...close }) => close), one.closes);
      assert.deepEqual(countingRecords(own.batches).map((r) => r.act), one.counting);
      assert.deepEqual(own.batches.flatMap((b) => b.voided.map((r) => r.act)), one.voided);
    }
    const key = await streamKey(root, one.link);
    const unreadable = await Promise.all(one.sent.map((n) =>
      slugOf(() => checkUnreadable(key, found.texts[n]))));
    assert.deepEqual(unreadable, one.unreadable);
  });
}

const LINKS = [["aa", { "2026-01": [1, 2, 0, 40, 0, 0, 0], "2026-02": [0, 0, 0, 5, 0, 0, 7] }],
  ["bb", { "2026-01": [0, 0, 0, 300, 0, 0, 0] }]].map(([link, closes]) =>
  ({ link, closes: Object.entries(closes).map(([month, grams]) => ({ month, grams })) }));

test("a figure is the sum of its cells and categories, and needs each of its closes", () => {
  const cells = [["aa", ["2026-01", "2026-02"]], ["bb", ["2026-01"]]];
  assert.equal(addCloses(LINKS, cells, [4]), 345);
  assert.equal(addCloses(LINKS, cells, [1, 2, 3, 4, 5, 6, 7]), 355);
  assert.equal(addCloses(LINKS, [["bb", ["2026-01"]]], [7]), 0);
  for (const missing of [["bb", ["2026-02"]], ["cc", ["2026-01"]]])
    assert.throws(() => addCloses(LINKS, [...cells, missing], [4]), { slug: "bad-total" });
});

test("a rejected close is in no figure, and the months around it are", () => {
  const links = [{ link: "aa", closes: [["2026-01", 40, true], ["2026-02", 5, false]].map(
    ([month, g, rejected]) => ({ month, grams: [0, 0, 0, g, 0, 0, 0], rejected })) }];
  assert.equal(addCloses(links, [["aa", ["2026-02"]]], [4]), 5);
  for (const months of [["2026-01"], ["2026-01", "2026-02"]])
    assert.throws(() => addCloses(links, [["aa", months]], [4]), { slug: "bad-total" });
});

const named = (name) => found.links.find((one) => one.name === name);
const OTHER = named("another link of the same person");

/** What is seen of links that one vault answers for. */
function seen(...links) {
  const shelf = new Shelf(Object.assign({}, ...links.map((one) => shelfOf(one).answers)));
  const knownLinks = Object.fromEntries(links.map(({ link }) => [link, { source: "bike.example" }]));
  knownLinks["ee".repeat(16)] = { source: "bike.example" }; // never attached: nothing is there
  const releaseOf = (id) => fetchRelease(shelf, { listing }, id);
  return openEach({ wire: shelf, root, knownLinks }, releaseOf, directory);
}

test("a link in trouble keeps no other from being opened, and shows what verified", async () => {
  const [wrong, good, ...none] = await seen(named("a balance that is counted twice"), OTHER);
  assert.equal(none.length, 0);
  assert.deepEqual([wrong.trouble.kind, wrong.trouble.month], ["unfit", "2026-02"]);
  assert.deepEqual(wrong.closes.map(({ month, grams }) => [month, grams[3]]), [["2026-01", 60]]);
  assert.equal(good.trouble, null);
  const cells = [[wrong.link, ["2026-01"]], [good.link, ["2026-01"]]];
  assert.equal(addCloses([wrong, good], cells, [4]), 120);
  assert.throws(() => addCloses([wrong, good], [[wrong.link, ["2026-02"]]], [4]),
    { slug: "bad-total" });
});

test("what the source did not sign is no word of it, and what verified before it stays", async () => {
  const unsigned = found.links.filter(({ slug }) => slug === "unsigned");
  for (const one of unsigned) {
    const [wrong, good] = await seen(one, OTHER);
    assert.deepEqual([wrong.trouble.kind, wrong.trouble.close], ["unsigned", ""], one.name);
    assert.equal(good.trouble, null);
  }
  assert.ok(unsigned.some(({ unreadable }) => unreadable.includes(null)), "none to be rejected");
});

test("what is no word about the records ends it all", async () => {
  const shelf = shelfOf(OTHER), knownLinks = { [OTHER.link]: { source: "bike.example" } };
  shelf.get = async () => { throw new TypeError("offline"); };
  await assert.rejects(openEach({ wire: shelf, root, knownLinks }, null, directory), TypeError);
});

test("trips of two links at one time are shown as Python shows them", async () => {
  const shelf = new Shelf({}), releaseOf = (id) => fetchRelease(shelf, { listing }, id);
  for (const { links, pairs } of found.overlaps) {
    const own = links.map(({ link, records }) => ({ link, batches: [{ records, voided: [] }] }));
    const shown = (await overlapping(own, releaseOf)).map((pair) =>
      pair.map(({ own, record }) => [own.link, record.act]));
    assert.ok(pairs.length > 1);
    assert.deepEqual(shown, pairs);
  }
});

test("a vault that shows no next batch, or one for ever, is not followed", async () => {
  const one = found.links.find((link) => link.name.startsWith("what is left"));
  const shelf = shelfOf(one);
  const path = `/v1/holder/links/${one.link}/batches?first=`;
  shelf.answers[`${path}2`] = { batches: [], next: 2 };
  const releaseOf = (id) => fetchRelease(shelf, { listing }, id);
  const open = () => openLink(shelf, root, originOf(one.link), releaseOf);
  assert.equal(await slugOf(open), "bad-total");
});
