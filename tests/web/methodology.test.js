// Behaviour files are read, held against their pins, counted and explained as Python does.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { text, utf8 } from "../../consent/web/encoding.js";
import { REASONS, placeIn, readIn, why } from "../../consent/web/explain.js";
import { workedOut } from "../../consent/web/figures.js";
import { count, factorFor, fetchRelease } from "../../consent/web/methodology.js";
import { besideText, figuresIn } from "../../consent/web/screens/methodology.js";
import { setLocale } from "../../consent/web/words.js";
import { parseToml } from "../../consent/web/toml.js";
import { Shelf, slugOf, vectors } from "./shelf.js";

const NAMES = ["2026-1", "beijing-season-2022", "demo-1"];
const directoryOf = (...ids) =>
  ({ listing: { releases: ids.map((id) => ({ id, sha256: Shelf.shaOf(id) })) } });
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const { explained } = vectors("web_records.json");

test("every vector of every shipped behaviour file comes out", async () => {
  let tried = 0;
  for (const id of NAMES) {
    const release = await fetchRelease(new Shelf({}), directoryOf(id), id);
    for (const { id: name } of release.listed.behaviours) {
      const behaviour = await release.behaviour(name);
      // Those of tier B say what would count once accepted.
      const accepting = { ...release, listed: { ...release.listed, accepted: [{ id: name }] } };
      for (const vector of behaviour.vectors) {
        const act = { evidence: "E4", ...vector, start: Date.parse(vector.start) / 1000 };
        const { mg, reason, refused = false } = count(accepting, behaviour, act);
        const wanted = [BigInt(vector.mg), vector.reason ?? null, vector.refused ?? false];
        assert.deepEqual([mg, reason, refused], wanted, `${name} ${JSON.stringify(vector)}`);
        tried += 1;
      }
    }
  }
  assert.ok(tried > 150);
});

test("an act of tier B counts 0 until a release accepts it", async () => {
  const release = await fetchRelease(new Shelf({}), directoryOf("2026-1"), "2026-1");
  const behaviour = await release.behaviour("home.save_electricity");
  const act = { ...behaviour.vectors[0], evidence: "E4", start: 1_767_571_200 };
  assert.deepEqual(count(release, behaviour, act), { mg: 0n, reason: "not-accepted" });
});

test("a factor holds for its region and what lies in it, from its first day until its last", () => {
  const factors = [
    { region: "CN", valid_from: "2026-01-01", valid_until: "2026-02-01" },
    { region: "CN-BJ", valid_from: "2026-02-01" },
  ];
  const at = (region, time) => factorFor({ factors, zone: "Asia/Shanghai" },
    { region, start: Date.parse(`${time}+08:00`) / 1000 });
  assert.equal(at("CN", "2025-12-31T23:59:59"), "no-factor-for-date");
  assert.equal(at("CN", "2026-01-01T00:00:00"), factors[0]);
  assert.equal(at("CN-BJX", "2026-01-31T23:59:59"), factors[0]);
  assert.equal(at("CN", "2026-02-01T00:00:00"), "no-factor-for-date");
  assert.equal(at("CN-BJX", "2026-02-01T00:00:00"), "no-factor-for-date");
  assert.equal(at("CN-BJ-1", "2026-02-01T00:00:00"), factors[1]);
  assert.equal(at("CNX", "2026-01-05T00:00:00"), "no-factor-for-region");
});

test("an act counts up to its cap, and then says so", () => {
  const behaviour = { tier: "A", zone: "UTC", units: ["m"], caps: { act_g: 1 },
    formula: { shape: "linear", unit: "m" },
    factors: [{ region: "CN", valid_from: "2026-01-01", mg_per_unit: "0.5" }] };
  const of = (m) => count({ listed: {} }, behaviour,
    { activity: { m }, region: "CN", start: 1_767_571_200, evidence: "E3" });
  assert.deepEqual(of(2001), { mg: 1000n, reason: null });
  assert.deepEqual(of(2002), { mg: 1000n, reason: "act-cap" });
  assert.deepEqual(of(1), { mg: 0n, reason: "below-one-milligram" });
  // Beyond what a float holds, to the milligram.
  behaviour.caps = undefined;
  assert.deepEqual(of(2 ** 53 - 1), { mg: 4503599627370495n, reason: null });
});

test("a release tells categories, caps and trips", async () => {
  const shelf = new Shelf({}), of = directoryOf(...NAMES);
  const release = await fetchRelease(shelf, of, "2026-1");
  const caps = [1, 2, 3, 4, 5, 6, 7].map((category) => release.cap(category));
  assert.deepEqual(caps, [0, 2000, 0, 200000, 5000, 0, 0]);
  assert.equal((await fetchRelease(shelf, of, "demo-1")).cap(4), 2 ** 40 - 1);
  const categories = ["clothing.rental", "food.green_box", "home.water_tap", "travel.bike",
    "use.swap", "office.paperless", "fin.e_receipt"].map((name) => release.category(name));
  assert.deepEqual(categories, [1, 2, 3, 4, 5, 6, 7]);
  assert.equal((await release.behaviour("travel.bike")).occupies, true);
  assert.equal((await release.behaviour("use.own_bag")).occupies, false);
  assert.equal((await release.behaviour("travel.bike")).names["zh-CN"], "骑自行车");
  assert.throws(() => release.category("travel.teleport"), { slug: "bad-methodology" });
  assert.equal(await slugOf(() => release.behaviour("travel.teleport")), "bad-methodology");
});

test("files are fetched once", async () => {
  const shelf = new Shelf({});
  shelf.files["9999-1"] = utf8(`${text(Shelf.file("demo-1"))}\n# once`.replace("demo-1", "9999-1"));
  const of = { listing: { releases: [{ id: "9999-1", sha256: sha(shelf.files["9999-1"]) }] } };
  await fetchRelease(shelf, of, "9999-1");
  await fetchRelease(shelf, of, "9999-1");
  assert.deepEqual(shelf.asked, ["/v1/methodology/9999-1"]);
});

/** demo-1 under another name, so that nothing of it was read before. */
function changed(change, listed = (file) => sha(file)) {
  const shelf = new Shelf({}), id = `x-${Math.abs(change.toString().length)}-1`;
  const honest = text(Shelf.file("demo-1")).replace('id = "demo-1"', `id = "${id}"`);
  const file = utf8(change(honest, shelf, id));
  shelf.files[id] ??= file;
  return [shelf, { listing: { releases: [{ id, sha256: listed(file, honest) }] } }, id];
}
const REFUSED = {
  "a release that the directory does not list": () =>
    [new Shelf({}), directoryOf("2026-1"), "demo-1"],
  "a release file of another hash": () =>
    changed((file) => `${file}\n`, (_, honest) => sha(honest)),
  "a release file that is withheld": () =>
    [new Shelf({}), { listing: { releases: [{ id: "x-0", sha256: "00".repeat(32) }] } }, "x-0"],
  "a release without behaviours": () => changed((file) => file.split("[[behaviours]]")[0]),
  "a release that says another id": () =>
    changed((file) => file.replace(/^id = "x.*"/m, 'id = "demo-2"')),
  "a file of another format": () => changed((file) => file.replace("release/1", "release/2")),
  "a behaviour twice": () =>
    changed((file) => file + /\[\[behaviours\]\][^[]*/.exec(file)[0]),
  "no UTF-8 and no TOML": () => changed((file) => `${file}\nid: 3`),
};
for (const [name, made] of Object.entries(REFUSED))
  test(`refused: ${name}`, async () => {
    assert.equal(await slugOf(() => fetchRelease(...made())), "bad-methodology");
  });

const BIKE = "travel.bike";
test("a behaviour file that is not the pinned one is refused, and asked for again", async () => {
  const pin = (file, rev = 1) => (text) => text.replace(/rev = 1\nsha256 = ".*"/,
    `rev = ${rev}\nsha256 = "${sha(file)}"`);
  const honest = utf8(`${text(Shelf.file("demo-1/travel.bike"))}\n# other bytes`);
  const other = utf8(text(honest).replace('id = "travel.bike"', 'id = "travel.walk"'));
  for (const [label, listed, served, slug] of [
    ["the pinned", pin(honest), honest, null],
    ["another rev", pin(honest, 2), honest, "bad-methodology"],
    ["another id", pin(other), other, "bad-methodology"],
    ["other bytes", pin(utf8("nothing")), honest, "bad-methodology"],
  ]) {
    const [shelf, of, id] = changed((file) => `${listed(file)}\n# ${label}`);
    shelf.files[`${id}/${BIKE}`] = served;
    const release = await fetchRelease(shelf, of, id);
    assert.equal(await slugOf(() => release.behaviour(BIKE)), slug, label);
    if (!slug) continue;
    assert.equal(await slugOf(() => release.behaviour(BIKE)), slug, label);
  }
});

test("a vault that does not answer is not a bad file", async () => {
  const shelf = new Shelf({});
  shelf.raw = () => Promise.reject(Object.assign(new Error(), { slug: "unreachable" }));
  const of = { listing: { releases: [{ id: "2078-1", sha256: "00".repeat(32) }] } };
  await assert.rejects(fetchRelease(shelf, of, "2078-1"), { slug: "unreachable" });
});

explained.forEach(({ release: id, record, voided, lines }, number) => {
  test(`explained as in Python: ${number} ${record.behaviour} ${record.reason ?? ""}`, async () => {
    const release = await fetchRelease(new Shelf({}), directoryOf(id), id);
    for (const locale of ["zh-CN", "en"]) {
      const told = await why(record, release, locale, voided);
      const said = told.filter(({ kind }) => kind !== "cut").map((line) => line.text);
      assert.deepEqual(said, lines[locale]);
    }
  });
});

test("what a cap took is told, and nothing where nothing was taken", async () => {
  const release = await fetchRelease(new Shelf({}), directoryOf("2026-1"), "2026-1");
  const cut = async (number) => (await why(explained[number].record, release, "en"))
    .filter(({ kind }) => kind === "cut").map((line) => line.text);
  const [whole, capped] = [0, 2].map((n) => explained[n].record);
  assert.deepEqual([whole.mg, capped.mg, capped.reason], [60_095, 1_000, "day-cap"]);
  assert.deepEqual(await cut(0), []);
  assert.deepEqual(await cut(2), ["Not counted: 59.095 g CO2e (59,095 mg)"]);
});

test("a record that is not measured as its rule says is told as it stands", async () => {
  const release = await fetchRelease(new Shelf({}), directoryOf("2026-1"), "2026-1");
  for (const activity of [{ Wh: 3 }, { m: 1234, s: 300, Wh: 3 }, { m: 1234, s: -1 }]) {
    const record = { ...explained[0].record, activity };
    const kinds = (await why(record, release, "en")).map(({ kind }) => kind);
    assert.deepEqual(kinds, ["recorded", "disagrees", "formula", "release", "file"]);
  }
  const placeless = (await why({ ...explained[0].record, detail: undefined }, release, "en"));
  assert.ok(placeless.some(({ kind }) => kind === "disagrees"));
});

test("a calculation is told in the units of people, and comes to what the record holds", async () => {
  const release = await fetchRelease(new Shelf({}), directoryOf("2026-1"), "2026-1");
  const worked = async (behaviour, activity) => {
    const record = { ...explained[0].record, behaviour, activity, detail: { region: "CN-BJ" } };
    const line = (await why(record, release, "en")).find(({ kind }) => kind === "worked");
    return workedOut(activity, line.members).replaceAll("\u00a0", " ");
  };
  assert.equal(await worked("travel.bike", { m: 6000, s: 1290 }), "6 km × 48.7 g/km = 292.2 g");
  assert.equal(await worked("travel.bike", { m: 6123, s: 1290 }), "6.123 km × 48.7 g/km = 298.19 g");
  assert.equal(await worked("food.no_cutlery", { count: 1 }), "1 × 23 g = 23 g");
  assert.equal(workedOut({ Wh: 3 }, { formula: { shape: "metered_baseline" }, factor: {} }), "");
});

test("where a figure was read is told in one language, and no news report is called authoritative", () => {
  const report = "2022年的新闻报道，没有留下网址 (a news report of 2022; no address kept)";
  assert.deepEqual([0, 1].map((at) => placeIn(report, at)),
    ["2022年的新闻报道，没有留下网址", "a news report of 2022; no address kept"]);
  assert.equal(placeIn("CarbonTrack SQL; 没有留下网址 (no address kept)", 1),
    "CarbonTrack SQL; no address kept");
  assert.equal(placeIn("reportify.ai tag page (新浪财经 2026-01-22)", 0),
    "reportify.ai 标签页 (新浪财经 2026-01-22)");
  assert.equal(placeIn("cjzhinan.com/tech/13626", 0), "cjzhinan.com/tech/13626");
  assert.equal(readIn({ grade: "H", locator: report }, 1), "quoted in a news report");
  assert.equal(readIn({ grade: "H", locator: "reportify.ai tag page (新浪财经 2026-01-22)" }, 0),
    "新闻报道所引");
  assert.equal(readIn({ grade: "H", locator: "a.example/b" }, 1), "authoritative text");
  assert.equal(readIn({ grade: "L", locator: report }, 1), "third-party transcription");
});

test("every reason has a text in both languages", () => {
  assert.equal(Object.keys(REASONS).length, 16);
  for (const [zh, en] of Object.values(REASONS)) assert.ok(zh.endsWith("。") && en.endsWith("."));
});

const TOML = `# a comment
a = "x # y" # z
n = 12
t = true
d = 2024-06-01
w = 2026-01-05T08:00:00+08:00
l = ["a", "b"]
i = { zh-CN = "一", en = "one = { 1 }", n = 3, l = [1, 2] } # c

[t1]
k-1 = "v"

[[many]]
id = 1
[many.source.note]
en = "n"

[[many]]
id = 2
`;
test("TOML of the forms used is read", () => {
  assert.deepEqual(parseToml(TOML), {
    a: "x # y", n: 12, t: true, d: "2024-06-01", w: "2026-01-05T08:00:00+08:00", l: ["a", "b"],
    i: { "zh-CN": "一", en: "one = { 1 }", n: 3, l: [1, 2] }, t1: { "k-1": "v" },
    many: [{ id: 1, source: { note: { en: "n" } } }, { id: 2 }],
  });
});

for (const bad of ["a", "a =", "= 1", "a = 1 2", "a = 01", "a = -1", "a = 1.5", "a = 1e3",
  "a = 1_000", "a = 9007199254740992", "a = null", "a = 'x'", 'a = "x', 'a = "\\n"', 'a = "\t"',
  'a = "x"y', "a = [1,", "a = [1,]", "a = { b = 1, b = 2 }", "a = { b: 1 }", 'a = { "b" : 1 }',
  "a = 1\na = 2", "[a]\n[a]", "[a]\nb = 1\n[a]", "[[a]", "[a]]", "[a]\n[[a]]", "a = 1\n[a.b]",
  "a = 1\n[[a]]", "a = x", "a = 2024-6-1", "a = inf", 'a."b" = 1', "a.b = 1", "[a..b]", "[]",
  'a = """x"""', "a = 1\r"])
  test(`TOML beyond these forms is refused: ${JSON.stringify(bad)}`, () => {
    assert.throws(() => parseToml(bad), { slug: "bad-methodology" });
  });

test("what a release took or left out, and what is not counted beside it, is read in Chinese", async () => {
  const choices = (await Promise.all(NAMES.map((id) =>
    fetchRelease(new Shelf({}), directoryOf(id), id)))).flatMap(({ listed }) => listed.choices ?? []);
  assert.ok(choices.length >= 7);
  setLocale("zh-CN");
  for (const text of choices.flatMap(({ taken, over }) => [taken, over])) {
    assert.doesNotMatch(figuresIn(text), /[A-Za-z]/);
    assert.deepEqual(figuresIn(text).match(/[\d.,]+\d/g)?.slice(0, 1), text.match(/[\d.,]+\d/g)?.slice(0, 1));
  }
  assert.equal(besideText({ exclusive: [{ with: "travel.bus", within: "day" }, { with: "x" }] },
    new Map([["travel.bus", "乘公交"]])), "乘公交 (同一天)");
  setLocale("en");
  assert.equal(figuresIn("40 g/km (CN-HB-WH)").slice(0, 9), "40 g/km (");
});
