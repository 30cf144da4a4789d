// What Home and Records show: of links that verify and of those that do not.
import assert from "node:assert/strict";
import test from "node:test";
import { readDirectory } from "../../consent/web/directory.js";
import { concat, hex, sha256, textHash, unb64u, unhex } from "../../consent/web/encoding.js";
import { amount, grams, rate, rateOf, region } from "../../consent/web/figures.js";
import { fetchRelease } from "../../consent/web/methodology.js";
import { isError } from "../../consent/web/errors.js";
import { openEach } from "../../consent/web/records.js";
import { commit, ORDER } from "../../consent/web/commit.js";
import { streamKey } from "../../consent/web/keys.js";
import { compareRelease, monthSums, readLinks, readRows, unchecked } from "../../consent/web/reading.js";
import { sumMasks } from "../../consent/web/tokens.js";
import { BESIDE } from "../../consent/web/screens/methodology.js";
import { endOf } from "../../consent/web/screens/records.js";
import { mass, setLocale } from "../../consent/web/words.js";
import { Shelf, vectors } from "./shelf.js";

const found = vectors("web_records.json"), root = unhex(found.root), ZONE = "Asia/Shanghai";
const directory = await readDirectory(found.directory, unb64u(found.auditor)), { listing } = directory;
const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");
const text = (n) => found.texts[n];

/** A session and its holder, whose vault shows these links. */
function personOf(links, facts = [], absents = null) {
  const answers = {};
  for (const { link, batches, sent, absents: told } of links) {
    const page = batches.map(([batch, receipt], seq) => (
      { seq, batch: text(batch), receipt: text(receipt) }));
    answers[`/v1/holder/links/${link}/batches?first=0`] = { batches: page, next: null };
    answers[`/v1/holder/links/${link}/closes`] = { closes: sent.map((n) => ({ close: text(n) })),
      absents: (absents ?? told).map((n) => ({ text: text(n), proof: "" })) };
  }
  const wire = new Shelf(answers), releaseOf = (id) => fetchRelease(wire, { listing }, id);
  const known = links.map(({ link }) => [link, { source: "bike.example" }]);
  const holder = { wire, root, knownLinks: Object.fromEntries(known), links: async () => facts,
    held: async () => ({ listing }) };
  const session = { links: () => openEach(holder, releaseOf, directory) };
  return { session, holder, releaseOf };
}

const good = found.links.find(({ slug, closes }) => !slug && closes.length);

test("a link that verifies is shown whole", async () => {
  const { session, holder } = personOf([good]);
  const { links: [whole] } = await readLinks(session, holder);
  assert.equal(whole.trouble, null);
  assert.deepEqual(whole.closes.map(({ text: _, ...close }) => close), good.closes);
});

for (const one of found.links.filter(({ slug }) => slug))
  test(`a link that does not verify is shown up to where it does: ${one.name}`, async () => {
    const { session, holder } = personOf([one]);
    const { links: [wrong] } = await readLinks(session, holder);
    assert.ok(wrong.trouble && isError(wrong.trouble.error, one.slug));
    const { kind, close } = wrong.trouble, at = one.sent.findIndex((n) => text(n) === close);
    if (close) assert.equal(kind, one.unreadable[at] === null ? "unreadable" : "unfit");
    else if (one.slug === "unsigned") assert.equal(kind, "unsigned");
    else assert.ok(["sealed", "records", "rules"].includes(kind));
    if (kind !== "unsigned") assert.equal(wrong.closes.length, Math.max(at, 0));
    const { releaseOf } = personOf([one]);
    const rows = await readRows([wrong], releaseOf, ZONE);
    assert.equal(rows.length, wrong.batches.flatMap((b) => [...b.records, ...b.voided]).length);
    assert.ok((await monthSums([wrong], releaseOf, ZONE, "2026-05")).length);
  });

test("every kind of trouble is met", async () => {
  const kinds = new Set();
  for (const one of found.links.filter(({ slug }) => slug)) {
    const { session, holder } = personOf([one]), { links } = await readLinks(session, holder);
    kinds.add(links[0].trouble.kind);
  }
  for (const kind of ["unreadable", "unfit", "sealed", "records", "rules"])
    assert.ok(kinds.has(kind), kind);
});

test("a rejected month is left out, and the months after it are shown", async () => {
  const one = found.links.find(({ name }) => name.endsWith("and the ones after it"));
  const facts = [{ link: one.link, absent: new Set(["2026-01"]), ends: "2026-04" }];
  const { session, holder, releaseOf } = personOf([one], facts), { links: [own] } =
    await readLinks(session, holder);
  assert.deepEqual([own.trouble, own.ends], [null, "2026-04"]);
  assert.deepEqual(own.closes.map(({ month, rejected }) => [month, rejected]),
    [["2026-01", true], ["2026-02", false], ["2026-03", false]]);
  const sums = await monthSums([own], releaseOf, ZONE, "2026-03");
  assert.deepEqual(sums.map(({ month, grams }) => [month, grams[3]]),
    [["2026-02", 120], ["2026-03", 60]]);
  const rows = await readRows([own], releaseOf, ZONE);
  assert.deepEqual(rows.map(({ closed, rejected }) => [closed, rejected]),
    [["2026-03", false], ["2026-02", false], ["2026-02", false], ["2026-01", true]]);
  const without = personOf([one], facts, []);
  const { links: [wrong] } = await readLinks(without.session, without.holder);
  assert.deepEqual([wrong.trouble.kind, wrong.trouble.month, wrong.closes], ["unreadable",
    "2026-01", []]);
});

test("an error that is not about the records is not hidden", async () => {
  const { session, holder } = personOf([good]);
  session.links = async () => { throw new TypeError("offline"); };
  await assert.rejects(readLinks(session, holder), TypeError);
});

const rec = (n, members) => ({ act: `${n}`, behaviour: "travel.bike", rev: 3, release: "2026-1",
  activity: { m: 1000, s: 300 }, start: Date.parse("2026-03-10T04:00:00Z") / 1000, mg: 48700,
  operator: "bike.example", receipt: `${n}`, tag: `${n}`, evidence: "E3", ...members });
const own = (records, voided = [], more = {}) => ({ link: "aa", source: "bike.example", closes: [],
  batches: [{ seq: 0, records, voided }], trouble: null, ends: null, ...more });
const shelf = new Shelf({}), releaseOf = (id) => fetchRelease(shelf, { listing }, id);

test("what is not closed yet counts as its close would count it", async () => {
  const zero = rec(3, { mg: 0, reason: "round-trip" });
  const links = [own([rec(1), rec(2, { mg: 300 }), zero], [rec(4)])];
  const sums = await monthSums(links, releaseOf, ZONE, "2026-05");
  assert.deepEqual(sums.map(({ month, open }) => [month, open]),
    [["2026-03", true], ["2026-04", false], ["2026-05", true]]);
  assert.deepEqual(sums[0].grams, [0, 0, 0, 49, 0, 0, 0]);
  assert.deepEqual(sums[2].grams, [0, 0, 0, 0, 0, 0, 0]);
  const over = own([rec(1)], [], { ends: "2026-03" });
  const ended = await monthSums([over], releaseOf, ZONE, "2026-03");
  assert.deepEqual(ended[0].grams, [0, 0, 0, 0, 0, 0, 0]);
});

test("records newest first, each with where it stands", async () => {
  const later = { start: rec(0).start + 60 };
  const rows = await readRows([own([rec(1), rec(2, { ...later, corrects: "1", mg: -48700 }),
    rec(3, { mg: 0, reason: "round-trip" }), rec(5, { mg: 1000000, reason: "act-cap" }), rec(6)],
  [rec(4)])], releaseOf, ZONE);
  const said = new Map(rows.map(({ record, standing, mg }) => [record.act, [standing, mg]]));
  assert.equal(rows[0].record.act, "2");
  assert.deepEqual(said.get("1"), ["back", 48700]);
  assert.deepEqual(said.get("2"), ["correction", -48700]);
  assert.deepEqual(said.get("3"), ["zero", 0]);
  assert.deepEqual(said.get("4"), ["double", 0]);
  assert.deepEqual(said.get("5"), ["cut", 1000000]);
  assert.deepEqual(said.get("6"), ["counts", 48700]);
  assert.equal(rows[0].other.act, "1");
  assert.deepEqual([rows[0].category, rows[0].month, rows[0].closed], [4, "2026-03", null]);
});

test("taking back what counted 0 takes nothing", async () => {
  const links = [own([rec(2, { corrects: "1", mg: -48700 })], [rec(1)])];
  const rows = await readRows(links, releaseOf, ZONE);
  assert.deepEqual(rows.map(({ mg }) => mg), [0, 0]);
});

test("amounts and rates are written in large units, in both languages", async () => {
  const said = () => [amount("m", 1200), amount("s", 59), amount("s", 5400), amount("Wh", 20500),
    amount("count", 1), grams(58440), grams(58440, true), region("CN-HB-WH"), region("CN-BJ-HD"),
    region("XX")].map(plain);
  setLocale("en");
  assert.deepEqual(said(), ["1.2 km", "59 sec", "1 hr 30 min", "20.5 kWh", "1 time", "58 g",
    "58.44 g", "Wuhan", "Beijing (CN-BJ-HD)", "XX"]);
  assert.deepEqual([227540, 126570, 2e6, -40, -23500, 9994].map((mg) => plain(grams(mg))),
    ["227 g", "126 g", "2.0 kg", "−0.04 g", "−23 g", "9.99 g"], "whole grams, as Home says them");
  assert.equal(plain(grams(2e6)), plain(mass(2000)));
  const bike = await (await releaseOf("2026-1")).behaviour("travel.bike");
  assert.deepEqual(bike.factors.map((one) => plain(rate(rateOf(bike.formula, one)))),
    ["48.7 g/km", "40 g/km"]);
  const plant = await (await releaseOf("2026-1")).behaviour("food.plant_based");
  assert.equal(plain(rate(rateOf(plant.formula, plant.factors[0]))), "610 g each");
  setLocale("zh-CN");
  assert.equal(plain(rate(rateOf(bike.formula, bike.factors[0]))), "48.7克/公里");
  setLocale("en");
});

test("a ride ends as many minutes after its beginning as its length says", () => {
  for (const [s, minutes] of [[1290, 22], [1289, 21], [29, 0], [-1, 0]])
    assert.equal(endOf({ start: 7200, end: 7200 + s }), 7200 + 60 * minutes);
  assert.equal(plain(amount("s", 1290)), "22 min");
  assert.equal(plain(amount("m", 6123)), "6.123 km");
});

test("the figures that stand beside the vault's are the files of the package", () => {
  for (const { id, sha256 } of BESIDE) assert.equal(Shelf.shaOf(id), sha256);
});

// What left, and what may leave

const LINK = good.link, WINDOW = ["2026-01"], GRANT = "0f".repeat(16), TOKEN = "ab".repeat(32);
const grant = { grant: GRANT, org: "bank.example", categories: [4], purposes: ["PublicBenefit"],
  first: "2026-01", last: "2026-03", step: 1 };
const minted = { grant: GRANT, org: grant.org, categories: [4], window: WINDOW,
  cells: [[LINK, WINDOW]] };

/** What an honest vault releases of January, and what this person holds beside it. */
async function released(change = {}) {
  const one = found.links.find(({ name }) => name === "one month");
  const { session, holder } = personOf([one]);
  const { links } = await readLinks(session, holder), [close] = links[0].closes;
  const { tau, rho } = await sumMasks((link) => streamKey(root, link), minted.cells, [4]);
  const total = BigInt(change.total ?? close.grams[3]);
  const closes = hex(await sha256(concat(unhex(await textHash(close.text)))));
  const release = { grant: GRANT, window: WINDOW, purpose: "PublicBenefit", token: TOKEN, closes,
    c: (total + tau) % ORDER, C: commit(total, rho), methodology: [], iat: 0, ...change.release };
  const me = { root, device: { state: { minted: [minted] } } };
  return { me, own: { grant, tokens: new Map([[TOKEN, minted]]), links, ...change.own }, release };
}
const compared = async (change) => {
  const { me, own, release } = await released(change);
  return compareRelease(me, own, release);
};

test("a release that is the sum of the own closes is equal, and its figure is what left", async () => {
  assert.deepEqual(await compared(), { grams: 120, found: "equal" });
});

test("a release over another number is not the person's, and the number that left is told", async () => {
  assert.deepEqual(await compared({ total: 121 }), { grams: 121, found: "other" });
});

test("a release that is not what was agreed does not fit", async () => {
  for (const release of [{ purpose: "ScientificResearch" }, { window: ["2026-04"] },
    { window: ["2026-02"] }, { token: "cd".repeat(32) }, { C: commit(120n, 1n) }, { c: 5n },
    { closes: "00".repeat(32) }])
    assert.equal((await compared({ release })).found, "other", Object.keys(release)[0]);
  assert.equal((await compared({ own: { grant: null } })).found, "other");
});

test("a release is not called equal while closes or tokens are missing here", async () => {
  assert.deepEqual(await compared({ own: { links: [] } }), { grams: 120, found: "unknown" });
  assert.deepEqual(await compared({ own: { tokens: null } }), { grams: 120, found: "unknown" });
});

test("a figure is to come only while its missing closes are not due", () => {
  const at = (time) => Date.parse(`${time}+08:00`) / 1000, cells = [[LINK, ["2026-01", "2026-02"]]];
  const close = (month, rejected = false) => ({ month, rejected });
  const link = (closes, trouble = null) => [{ link: LINK, closes, trouble }];
  const is = (links, time) => unchecked(links, cells, at(time), ZONE);
  const january = [close("2026-01")], wrong = { kind: "unfit" };
  assert.equal(is(link(january), "2026-03-20T00:00"), false, "February may still be closed");
  assert.equal(is(link(january), "2026-04-01T00:00"), true, "February is overdue");
  assert.equal(is(link(january, wrong), "2026-03-01T00:00"), true, "it may be there");
  assert.equal(is(link(january, wrong), "2026-02-20T00:00"), false, "it cannot be there yet");
  assert.equal(is(link([...january, close("2026-02")], wrong), "2026-04-01T00:00"), false);
  assert.equal(is(link([...january, close("2026-02", true)]), "2026-04-01T00:00"), true);
  assert.equal(is([], "2026-04-01T00:00"), true);
});
